"""Experiments of the lessons that take too long for a lesson: run once, stored in data/experiments."""

from srutils.model_files.cards import model_path, read_card


def version(name: str) -> str:
    """Return the hash of a model's file, or "" for interpolation: a result is of one file."""
    card = model_path(name).with_suffix(".json")
    return read_card(card, {"sha256"})["sha256"] if card.is_file() else ""
