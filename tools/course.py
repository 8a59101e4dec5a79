"""Run the whole course: ``python -m tools.course [--force]`` (``make course``).

Executed copies go to the cache; the notebooks of the checkout stay as they are. A notebook that ran without
error is not run again until something that it depends on changes: its cells, srutils, the model files, the
pinned versions, Python, or the setting of SR_DATA.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from pathlib import Path

from tools.execute import CellFailed, execute
from tools.notebook_files import write_notebook
from tools.project import NOTEBOOKS, ROOT, lessons, write_aside
from tools.readme import tables


def fingerprint(nb, root: Path = ROOT) -> str:
    """Return a hash of everything that a notebook's results depend on."""
    parts = [platform.python_version(), sys.platform, os.environ.get("SR_DATA", "")]
    parts += [f"{cell.cell_type}\0{cell.source}" for cell in nb.cells]
    digest = hashlib.sha256("\0\0".join(parts).encode())
    files = [root / "constraints.txt", *sorted((root / "srutils").rglob("*.py"))]
    files += sorted(p for p in (root / "data" / "models").glob("**/*") if p.is_file())
    for path in files:
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_current(copy: Path, wanted: str) -> bool:
    """Say whether an executed copy exists and was made from what `wanted` describes."""
    note = copy.with_suffix(".json")
    if not (copy.is_file() and note.is_file()):
        return False
    try:
        return json.loads(note.read_text(encoding="utf-8")).get("fingerprint") == wanted
    except (ValueError, AttributeError):
        return False


def run_course(paths: list[Path], out: Path, force: bool = False, root: Path = ROOT) -> list[Path]:
    """Run notebooks into `out`, with one progress bar, and return the executed copies.

    Raises
    ------
    CellFailed
        At the first cell that fails; copies made before it are kept.
    """
    import nbformat
    from tqdm import tqdm

    out.mkdir(parents=True, exist_ok=True)
    jobs = []
    for path in paths:
        nb = nbformat.read(path, as_version=4)
        jobs.append((path, nb, fingerprint(nb, root)))
    copies = [out / path.name for path, _, _ in jobs]
    waiting = [job for job in jobs if force or not is_current(out / job[0].name, job[2])]
    if not waiting:
        return copies
    if len(waiting) < len(jobs):
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} notebooks are unchanged since their last run")
    with tqdm(total=sum(len(nb.cells) for _, nb, _ in waiting), unit="cell") as bar:
        for number, (path, nb, wanted) in enumerate(waiting, start=1):
            bar.set_description(f"{number}/{len(waiting)} {path.stem}")
            copy = out / path.name
            copy.with_suffix(".json").unlink(missing_ok=True)
            execute(nb, path.parent, path.name, on_cell=bar.update)
            write_notebook(nb, copy)
            write_aside(copy.with_suffix(".json"), json.dumps({"fingerprint": wanted}) + "\n")
    return copies


def report(copies: list[Path], out: Path) -> str:
    """Return the tables that the executed copies hold, and where the copies are."""
    import nbformat

    found = tables([nbformat.read(copy, as_version=4) for copy in copies])
    blocks = [f"{name.replace('-', ' ')}\n\n{text}\n" for name, text in found.items()]
    place = out.relative_to(ROOT) if out.is_relative_to(ROOT) else out
    return "\n".join([*blocks, f"{len(copies)} executed notebooks are in {place}; open them with: make lab"])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run every notebook of the course.")
    parser.add_argument("--force", action="store_true", help="run notebooks again, changed or not")
    force = parser.parse_args(argv).force
    from srutils import course
    from srutils.streams import spell_what_is_lacking

    spell_what_is_lacking()
    try:
        course.data_dir()  # a wrong SR_DATA is better reported here than from inside a notebook
        out = course.cache_dir() / "executed"
        paths = lessons(NOTEBOOKS)
        if not paths:
            raise FileNotFoundError("there is no notebook NN_name.ipynb in notebooks/")
        copies = run_course(paths, out, force)
        print(report(copies, out))
    except CellFailed as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
