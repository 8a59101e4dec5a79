"""Facts that several tools share: where things are and what the repository is called."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from srutils.files.atomic import aside

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
SCRIPTS = NOTEBOOKS / "scripts"
REPOSITORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


def write_aside(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it, so that a stop half-way leaves the old file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def repository(root: Path = ROOT) -> str:
    """Return ``owner/name`` from ``[project.urls] Repository`` in pyproject.toml, its one source."""
    with open(root / "pyproject.toml", "rb") as stream:
        url = tomllib.load(stream)["project"]["urls"]["Repository"]
    return check_repository(url.removeprefix("https://github.com/").removesuffix(".git"))


def check_repository(name: str) -> str:
    """Return the name unchanged if it has the form ``owner/name``; raise ValueError otherwise."""
    if not REPOSITORY_NAME.fullmatch(name):
        raise ValueError(f"the repository must be given as owner/name, got {name!r}")
    return name


def lessons(folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks ``NN_name.ipynb`` of a folder in the order of the course."""
    return sorted(p for p in Path(folder).glob("[0-9][0-9]_*.ipynb"))


def is_solution(notebook: Path) -> bool:
    """Say whether a notebook solves a lesson's exercises: then it is in a folder ``solutions``."""
    return notebook.parent.name == "solutions"


def script_of(notebook: Path) -> Path:
    """Return the paired script: notebooks/NN_name.ipynb -> notebooks/scripts/NN_name.py, solutions below."""
    if is_solution(notebook):
        return notebook.parents[1] / "scripts" / "solutions" / f"{notebook.stem}.py"
    return notebook.parent / "scripts" / f"{notebook.stem}.py"


def name_of(notebook: Path) -> str:
    """Return a notebook's path below the folder of the lessons: NN_name.ipynb, solutions/NN_name.ipynb."""
    return f"solutions/{notebook.name}" if is_solution(notebook) else notebook.name
