"""Run the lessons with what Google Colab ships: ``python -m tools.colab [LESSON ...]`` (``make colab``).

A new virtual environment gets the versions in ``tools/colab.txt``. In it, and in a folder with no clone of
the course near it, the set-up cell runs as on Colab, except that pip takes the course from a copy of this
working tree and not from GitHub. Then every lesson and solution runs headless, from a copy of its script.
Start it with the Python that Colab has. It takes half an hour and 4 GB.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

from tools.project import ROOT, SCRIPTS, repository
from tools.setup_cell import setup_cell

LIST = ROOT / "tools" / "colab.txt"
PACKAGE = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "srutils",
    "data/models",
    "data/experiments",
)  # what pip builds it from


def name_of(requirement: str) -> str:
    """Return the name in ``name==version``, spelt as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", requirement.split("==")[0]).lower()


def versions(instead: list[str] = (), path: Path = LIST) -> list[str]:
    """Return the list's lines ``name==version``, with those of `instead` in place of the same names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    listed = {name_of(line): line for line in lines if line and not line.startswith("#")}
    for line in instead:
        if name_of(line) not in listed or "==" not in line:
            raise ValueError(f"--instead takes NAME==VERSION of a package in {path.name}, got {line!r}")
    return list((listed | {name_of(line): line for line in instead}).values())


def copy_package(target: Path, root: Path = ROOT) -> Path:
    """Copy what the package is built from, so that a build leaves nothing in the working tree."""
    for name in PACKAGE:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, target / name)
    return target


def fresh(folder: Path) -> dict[str, str]:
    """Return the environment variables of a fresh Colab session whose caches are in `folder`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SR_", "PYTHON", "VIRTUAL_ENV"))}
    cache = str(folder / "cache")
    return kept | {"MPLBACKEND": "agg", "XDG_CACHE_HOME": cache, "COLAB_RELEASE_TAG": "tools.colab"}


def installed(python: Path) -> dict[str, str]:
    """Return ``{name: version}`` of an environment's packages."""
    code = (
        "from importlib import metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    )
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return {name_of(line): line.split("==")[1] for line in answer.stdout.split()}


def install(python: Path, requirements: list[str]) -> None:
    """Put the listed versions into a new environment."""
    venv.create(python.parents[1], clear=True, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if os.environ.get("TORCH_INDEX"):
        pip += ["--extra-index-url", os.environ["TORCH_INDEX"]]
    subprocess.run([*pip, *requirements], check=True)


def set_up(python: Path, folder: Path) -> None:
    """Run the set-up cell in `folder`; raise ValueError if it changes a package that was there."""
    source, before = f"git+https://github.com/{repository()}", installed(python)
    cell = setup_cell(repository()).replace(f'"{source}"', repr(str(copy_package(folder / "tree"))))
    (folder / "empty").mkdir()
    (folder / "empty" / "set_up.py").write_text(cell, encoding="utf-8")
    subprocess.run([python, "set_up.py"], cwd=folder / "empty", env=fresh(folder), check=True)
    after = installed(python)
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        raise ValueError(f"the set-up cell changed what was there: {', '.join(sorted(changed))}")
    added = [f"{name} {after[name]}" for name in sorted(after.keys() - before.keys())]
    print(f"added:    {', '.join(added)}", flush=True)


def everything() -> list[Path]:
    """Return the scripts of all lessons, then of all solutions."""
    return [s for place in (SCRIPTS, SCRIPTS / "solutions") for s in sorted(place.glob("[0-9][0-9]_*.py"))]


def title(script: Path) -> str:
    """Return ``02_name`` of a lesson's script, ``solutions/02_name`` of a solution's."""
    return ("solutions/" if script.parent.name == "solutions" else "") + script.stem


def run_lesson(python: Path, script: Path, folder: Path) -> bool:
    """Run a copy of a lesson's script where no checkout is near; print how it went and return that."""
    shutil.copy(script, folder / "empty")
    command, start = [python, script.name], time.monotonic()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    answer = subprocess.run(command, cwd=folder / "empty", env=fresh(folder), **pipes)
    passed, seconds = answer.returncode == 0, time.monotonic() - start
    print(f"{title(script):34} {'passed' if passed else 'FAILED'} in {seconds:.0f} s", flush=True)
    if not passed:
        print("\n".join(answer.stdout.splitlines()[-15:]), flush=True)
    return passed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.colab", description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="for instance 02 solutions/02; all without any")
    parser.add_argument(
        "--instead", action="append", default=[], metavar="NAME==VERSION", help="use this one"
    )
    parser.add_argument("--keep", action="store_true", help="take the environment that the last run made")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "colab", help="where it is made")
    given = parser.parse_args(argv)
    folder = given.folder.resolve()
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    scripts = [s for s in everything() if not given.lessons or title(s).startswith(tuple(given.lessons))]
    try:
        requirements = versions(given.instead)
        for name in ("tree", "empty", "cache"):
            shutil.rmtree(folder / name, ignore_errors=True)
        if given.keep:
            subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "srutils"], check=True)
        else:
            install(python, requirements)
        set_up(python, folder)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    results = [run_lesson(python, script, folder) for script in scripts]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
