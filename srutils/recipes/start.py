"""Where a run's weights come from, and what they have cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srutils import course
from srutils.files.atomic import file_sha256
from srutils.model_files.cards import model_path, read_card


def _chain(card: dict) -> Iterator[dict]:
    """Yield a card, then those of its warm starts where it is an old one, which counts its own work only."""
    while card:
        yield card
        start, words = card.get("start"), "the weights of "
        named = isinstance(start, str) and start.startswith(words)
        path = model_path(start.removeprefix(words)).with_suffix(".json") if named else None
        card = read_card(path, set()) if path and path.is_file() else {}


def total_seconds(card: dict) -> float:
    """Return the seconds of training in a model, those of its warm starts included."""
    return sum(one.get("seconds", 0) for one in _chain(card))


def total_steps(card: dict) -> int:
    """Return the steps in a model, those of its warm starts included."""
    starts = (one["start"] for one in _chain(card) if isinstance(one.get("start"), dict))
    return sum(one.get("steps", 0) for one in _chain(card)) + sum(start["steps"] for start in starts)


@dataclass(frozen=True)
class Start:
    """Where a run's weights come from, and what they have cost.

    Attributes
    ----------
    name : str
    path : Path
    sha256 : str
    steps, seconds : int or None
        Of the whole chain of runs that led to them; None where no card says.
    """

    name: str
    path: Path
    sha256: str
    steps: int | None
    seconds: float | None

    @classmethod
    def find(cls, given: str | Path | None, suffixes: tuple[str, ...] = (".onnx",)) -> Start | None:
        """Look up a shipped model by name, or a file by its path; None stays None.

        Raises
        ------
        ValueError
            There is no such model, or the file has another suffix than those that the recipe reads.
        """
        if given is None:
            return None
        path = Path(given).expanduser()
        path = path if path.suffix in suffixes else model_path(str(given))
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in course.models_dir().glob("*.onnx")))
            wanted = f"a file ending in {' or '.join(suffixes)}, or one of {known}"
            raise ValueError(f"--from is {str(given)!r}; expected {wanted}")
        card = path.with_suffix(".json")
        card = read_card(card, set()) if card.is_file() else {}
        steps, seconds = (total_steps(card), total_seconds(card)) if "steps" in card else (None, None)
        return cls(path.stem, path, file_sha256(path), steps, seconds)

    def facts(self) -> dict:
        """Return what a card says of it."""
        return {key: getattr(self, key) for key in ("name", "sha256", "steps", "seconds")}
