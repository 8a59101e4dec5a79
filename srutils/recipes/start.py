"""Where a run's weights come from, and what they have cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from srutils import course
from srutils.files.atomic import file_sha256
from srutils.model_files.cards import model_path, read_card


def total_seconds(card: dict) -> float:
    """Return the seconds of training in a model, those of its warm starts included.

    Older cards name their start in words and count their own seconds only.
    """
    own, start = card.get("seconds", 0), card.get("start")
    if isinstance(start, str) and start.startswith("the weights of "):
        path = model_path(start.removeprefix("the weights of ")).with_suffix(".json")
        own += total_seconds(read_card(path, set())) if path.is_file() else 0
    return own


def total_steps(card: dict) -> int:
    """Return the steps in a model, those of its warm starts included."""
    own, start = card.get("steps", 0), card.get("start")
    if isinstance(start, dict):
        return own + start["steps"]
    if isinstance(start, str) and start.startswith("the weights of "):
        path = model_path(start.removeprefix("the weights of ")).with_suffix(".json")
        own += total_steps(read_card(path, set())) if path.is_file() else 0
    return own


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
            kinds = " or ".join(suffixes)
            raise ValueError(
                f"--from is {str(given)!r}; expected a file ending in {kinds}, or one of {known}"
            )
        card = path.with_suffix(".json")
        card = read_card(card, set()) if card.is_file() else {}
        steps, seconds = (total_steps(card), total_seconds(card)) if "steps" in card else (None, None)
        return cls(path.stem, path, file_sha256(path), steps, seconds)
