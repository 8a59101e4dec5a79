"""Keep lessons and their scripts together: ``python -m tools.notebooks sync | execute | check | links``.

The script ``notebooks/scripts/NN_name.py`` (py:percent) is the source of ``notebooks/NN_name.ipynb``, and
``notebooks/scripts/solutions/NN_name.py`` that of ``notebooks/solutions/NN_name.ipynb``. ``02`` means a
lesson and its solutions, ``solutions/02`` the solutions alone, ``notebooks/02`` the lesson alone.

sync      make each notebook and its script agree: the one that was edited since they last did is taken over;
          if both were, you say which (``--from-scripts``, ``--from-notebooks``). Outputs stay where a cell's
          source is unchanged. Saved networks (tools/saved.py) are written, too.
execute   run the notebooks in place as nbval will; those with complete outputs are left alone unless --force
check     report every way in which the lessons break the rules of CONTRIBUTING.md
links     point badges, set-up cells and metadata to another repository
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import re
import sys
from pathlib import Path

from srutils.streams import spell_what_is_lacking
from tools.execute import CellFailed, execute
from tools.notebook_files import (
    STAMP,
    clean,
    fingerprint,
    notebook_text,
    read_notebook,
    read_script,
    script_text,
    stamp,
    write_notebook,
)
from tools.project import (
    NOTEBOOKS,
    ROOT,
    check_repository,
    is_solution,
    lessons,
    name_of,
    repository,
    script_of,
    write_aside,
)
from tools.saved import write_saved
from tools.setup_cell import BEGIN, FIRST_LINE, METADATA, badges, replace_badges, setup_cell

# The README's note that its links lead nowhere yet; it goes when they are pointed to a repository.
STAND_IN = re.compile(r"<!-- stand-in -->.*?<!-- /stand-in -->\n+", re.DOTALL)


def generate(nb, name: str, repo: str) -> None:
    """Put a notebook's generated cells in place: badges second, the set-up cell before all other code."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    if not nb.cells:
        raise ValueError(f"{name} has no cells")
    new = badges(repo, name)
    place = next((i for i, c in enumerate(nb.cells) if c.cell_type == "markdown" and BEGIN in c.source), None)
    if place is None:
        nb.cells.insert(1, new_markdown_cell(new))
    else:
        nb.cells[place].source = replace_badges(nb.cells[place].source, new)
    code = [c for c in nb.cells if c.cell_type == "code"]
    old = [c for c in code if c.source.startswith(FIRST_LINE) or "set-up" in c.metadata.get("tags", [])]
    first = (old or code or [None])[0]
    place = next((i for i, c in enumerate(nb.cells) if c is first), len(nb.cells))
    nb.cells.insert(place, new_code_cell(setup_cell(repo), metadata=copy.deepcopy(METADATA)))
    nb.cells = [c for c in nb.cells if not any(c is o for o in old)]


def keep_outputs(nb, old) -> None:
    """Give the cells of `nb` the ids and outputs of the cells of `old` with the same type and source.

    The set-up cell keeps its output in any case: it is generated, and what it shows does not depend on how.
    """

    def key(cell) -> tuple[str, str]:
        return cell.cell_type, "" if "set-up" in cell.metadata.get("tags", []) else cell.source

    known: dict[tuple[str, str], list] = {}
    for cell in old.cells if old is not None else []:
        known.setdefault(key(cell), []).append(cell)
    used = set()
    for index, cell in enumerate(nb.cells):
        same = known.get(key(cell))
        match = same.pop(0) if same else None
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        wanted = match.get("id", digest) if match is not None else digest
        cell.id = wanted if wanted not in used else f"{digest}-{index}"
        used.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = match.outputs if match is not None else []
            cell.execution_count = match.execution_count if match is not None else None


def newer(notebook: Path, source: str | None = None):
    """Return the cells of a lesson, from its script or its notebook, whichever was edited since they agreed.

    Parameters
    ----------
    notebook : Path
    source : "script" or "notebook", optional
        Take this one, and so drop what was edited in the other.

    Raises
    ------
    ValueError
        Both were edited, differently; or they differ and nobody knows when they last agreed.
    FileNotFoundError
        There is no such file.
    """
    script, old = script_of(notebook), read_notebook(notebook)
    if source == "notebook" and old is None:
        raise FileNotFoundError(f"there is no notebook {notebook.name} to read")
    if source is not None or old is None or not script.is_file():
        wanted = source or ("script" if old is None else "notebook")
        return read_script(script) if wanted == "script" else old
    new = read_script(script)
    synced, ours, theirs = stamp(old), fingerprint(new), fingerprint(old)
    if theirs in (ours, synced):
        return new
    if ours == synced:
        return old
    name = name_of(notebook).removesuffix(".ipynb")
    raise ValueError(
        f"{name}: the notebook and its script differ, and both may hold edits: keep one with "
        f"python -m tools.notebooks sync {name} --from-notebooks (or --from-scripts)"
    )


def sync_lesson(notebook: Path, repo: str, source: str | None = None) -> list[Path]:
    """Make a notebook and its script agree; return the files that changed. `source` and errors as `newer`."""
    script, old = script_of(notebook), read_notebook(notebook)
    old_text = notebook.read_text(encoding="utf-8") if notebook.is_file() else None
    nb = newer(notebook, source)
    generate(nb, name_of(notebook), repo)
    keep_outputs(nb, old)
    clean(nb)
    nb.metadata[STAMP] = {"synced": fingerprint(nb)}
    changed = []
    text = script_text(nb)
    if not script.is_file() or script.read_text(encoding="utf-8") != text:
        write_aside(script, text)
        changed.append(script)
    if notebook_text(nb) != old_text:
        write_notebook(nb, notebook)
        changed.append(notebook)
    return changed


def is_complete(nb) -> bool:
    """Say whether every code cell has been run, in order, without an error."""
    code = [c for c in nb.cells if c.cell_type == "code"]
    counts = [c.execution_count for c in code]
    errors = any(o.output_type == "error" for c in code for o in c.outputs)
    return bool(code) and counts == list(range(1, len(code) + 1)) and not errors


def execute_lessons(paths: list[Path], force: bool) -> int:
    """Run notebooks in place with one progress bar; return the exit status."""
    from tqdm import tqdm

    notebooks = [(path, read_notebook(path)) for path in paths]
    waiting = [(path, nb) for path, nb in notebooks if force or not is_complete(nb)]
    if not waiting:
        print("every notebook has been run; --force (make notebooks FORCE=1) runs them again")
        return 0
    with tqdm(total=sum(len(nb.cells) for _, nb in waiting), unit="cell") as bar:
        for path, nb in waiting:
            bar.set_description(name_of(path).removesuffix(".ipynb"))
            try:
                execute(nb, path.parent, name_of(path), on_cell=bar.update)
            except CellFailed as error:
                bar.close()
                print(error, file=sys.stderr)
                return 1
            write_notebook(nb, path)
    return 0


def set_links(repo: str, root: Path = ROOT) -> list[Path]:
    """Write the repository ``owner/name`` wherever it stands; return the files that changed."""
    check_repository(repo)
    old, changed = repository(root), []
    for name in ("pyproject.toml", "CITATION.cff", "README.md"):
        path = root / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        new = STAND_IN.sub("", text)
        for before in ("github.com/", "/github/", "/gh/"):
            new = new.replace(f"{before}{old}", f"{before}{repo}")
        if new != text:
            write_aside(path, new)
            changed.append(path)
    for notebook in everything(root / "notebooks"):
        if script_of(notebook).is_file():
            changed += sync_lesson(notebook, repo)
    return changed


def everything(folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks of all lessons, then of all solutions, that exist or have a script."""
    found = []
    for place in (folder, folder / "solutions"):
        scripts = script_of(place / "x.ipynb").parent.glob("[0-9][0-9]_*.py")
        found += sorted({*lessons(place), *(place / f"{script.stem}.ipynb" for script in scripts)})
    return found


def chosen(names: list[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the lessons and solutions whose names begin with one of `names` (all without any)."""

    def is_meant(path: Path, name: Path) -> bool:
        folders = ("", path.parent.name, script_of(path).parent.name)
        return path.stem.startswith(name.stem) and name.parent.name in folders

    picked = [p for p in everything(folder) if not names or any(is_meant(p, Path(n)) for n in names)]
    if names and not picked:
        raise FileNotFoundError(f"no lesson begins with {', '.join(names)}")
    return picked


def sync(names: list[str], source: str | None) -> None:
    """Make lessons and their scripts agree, all before one is refused, and write their saved networks."""
    refused = []
    for path in chosen(names):
        try:
            for changed in sync_lesson(path, repository(), source) + write_saved(path):
                print(f"wrote {changed.relative_to(ROOT)}")
        except ValueError as error:
            refused.append(str(error))
    if refused:
        raise ValueError("\n".join(refused))


def check(names: list[str]) -> int:
    """Print every breach of the rules, and hints; return 1 if there is a breach."""
    from tools.policy import complaints_about_lesson, hints

    paths = chosen(names)
    complaints = [c for path in paths for c in complaints_about_lesson(path, repository())]
    print("\n".join(complaints) if complaints else "the lessons and solutions keep all rules")
    for path in paths:
        for hint in [] if is_solution(path) or not path.is_file() else hints(read_notebook(path)):
            print(f"{name_of(path)}: no rule, but {hint}")
    return int(bool(complaints))


def run(arguments: argparse.Namespace) -> int:
    if arguments.command == "sync":
        sync(arguments.lessons, arguments.source)
        return 0
    if arguments.command == "execute":
        return execute_lessons(chosen(arguments.lessons), arguments.force)
    if arguments.command == "links":
        for changed in set_links(arguments.repo):
            print(f"wrote {changed.relative_to(ROOT)}")
        return 0
    return check(arguments.lessons)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("sync", "execute", "check"):
        command = commands.add_parser(name)
        command.add_argument("lessons", nargs="*", help="for instance 02; all without any")
        if name == "sync":
            either = command.add_mutually_exclusive_group()
            for kind in ("script", "notebook"):
                words = {"action": "store_const", "const": kind, "help": f"take over every {kind} as it is"}
                either.add_argument(f"--from-{kind}s", dest="source", **words)
        if name == "execute":
            command.add_argument("--force", action="store_true", help="run complete notebooks too")
    commands.add_parser("links").add_argument("repo", help="owner/name")
    spell_what_is_lacking()
    try:
        return run(parser.parse_args(argv))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
