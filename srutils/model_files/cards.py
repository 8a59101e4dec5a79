"""The card beside a model file: where it is, what it says, and the facts of this machine that it records."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from srutils import course


def model_path(name: str | Path) -> Path:
    """Return where the ONNX file of a model is, or would be: beside the others, or where its path says."""
    return Path(name) if Path(name).suffix == ".onnx" else course.models_dir() / f"{name}.onnx"


def read_card(path: Path, keys: set[str]) -> dict:
    """Read the card of a model; ValueError if it cannot be read or lacks one of the keys."""
    try:
        card = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the model card {path}: {error}") from None
    missing = keys - card.keys() if isinstance(card, dict) else keys
    if missing:
        raise ValueError(f"the model card {path} lacks {', '.join(sorted(missing))}")
    return card


def is_classifier(name: str | Path) -> bool:
    """Tell whether a name or path is that of a model whose card says that it classifies."""
    return _card_of(name).get("task") == "classify"


def draws_samples(name: str | Path) -> bool:
    """Tell whether a name or path is that of a posterior model: its card says what noise it takes."""
    return "noise" in _card_of(name)


def _card_of(name: str | Path) -> dict:
    """Read the card of a name or path; an empty one where there is none that can be read."""
    try:
        return read_card(model_path(name).with_suffix(".json"), {"task"})
    except ValueError:
        return {}


def hardware() -> str:
    """Name the processor or GPU that the run had, for a card."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return f"CPU, {os.cpu_count()} cores ({name})"


def commit() -> str | None:
    """Return the commit of the course's checkout, for a card; None without one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None
    except OSError:
        return None
