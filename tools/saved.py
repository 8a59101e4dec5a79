"""Networks that a lesson builds and recipes train: cells tagged ``saved-NAME`` as a module.

``python -m tools.notebooks sync`` (``make notebooks``) writes srutils/networks/NAME.py: a network has one
author, its lesson.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tools.notebook_files import read_script
from tools.project import ROOT, script_of, write_aside

PREFIX = "saved-"
HEADER = '''"""{names}, as lesson {number} builds {them}.

Written by ``make notebooks`` from notebooks/{name}.ipynb: change it there.
"""

'''


def saved_cells(nb) -> dict[str, list[str]]:
    """Return the sources of a notebook's cells tagged ``saved-NAME``, in their order: NAME -> sources."""
    found: dict[str, list[str]] = {}
    for cell in nb.cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith(PREFIX):
                found.setdefault(tag.removeprefix(PREFIX), []).append(cell.source)
    return found


def used_imports(sources: list[str], needed: set[str]) -> list[str]:
    """Return the import statements at the top level of cells, cut down to the names that are `needed`."""
    found = []
    for statement in (node for source in sources for node in ast.parse(source).body):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            names = [a for a in statement.names if (a.asname or a.name).split(".")[0] in needed]
            if names:
                statement.names = names
                found.append(ast.unparse(statement))
    return list(dict.fromkeys(found))


def module_text(lesson: str, sources: list[str], cells: list[str], root: Path = ROOT) -> str:
    """Return the module that saved cells make.

    Parameters
    ----------
    lesson : str
        Its name, ``NN_name``.
    sources : list of str
        Every code cell of the lesson: its imports are looked for there.
    cells : list of str
        The saved ones; they become the module, as they stand.
    root : Path
        Where ruff finds its settings.

    Raises
    ------
    ValueError
        The cells define nothing, use a name that neither they nor an import define, or use srutils.
    OSError
        ruff, which formats the module, is not installed.
    """
    tree = ast.parse("\n\n".join(cells))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    if not names:
        raise ValueError(f"{lesson}: the saved cells define neither a class nor a function")
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imports = used_imports(sources, used)
    if own := [line for line in imports if "srutils" in line]:
        raise ValueError(f"{lesson}: a saved cell needs {own[0]!r}, but networks import nothing of srutils")
    *most, last = (f"`{name}`" for name in names)
    title = f"{', '.join(most)} and {last}" if most else last
    header = HEADER.format(names=title, them="them" if most else "it", number=lesson[:2], name=lesson)
    text = header + "\n".join(imports) + "\n\n\n" + "\n\n\n".join(cells) + "\n"
    unknown = ruff(text, root, "check", "--select", "F821", "--output-format", "concise", "--exit-zero")
    if unknown.strip():
        what = unknown.splitlines()[0].partition("F821 ")[2]
        raise ValueError(f"{lesson}: a saved cell must have all it needs in itself or in imports: {what}")
    return ruff(ruff(text, root, "check", "--select", "I", "--fix-only"), root, "format")


def ruff(text: str, root: Path, command: str, *options: str) -> str:
    """Return what ruff answers to a text, with the settings for srutils/networks."""
    place = str(root / "srutils" / "networks" / "x.py")
    call = [sys.executable, "-m", "ruff", command, "--quiet", *options, "--stdin-filename", place, "-"]
    answer = subprocess.run(call, input=text, capture_output=True, encoding="utf-8", cwd=root)
    if answer.returncode:
        raise OSError(f"ruff has to format a saved network: {answer.stderr.strip().splitlines()[-1]}")
    return answer.stdout


def saved_modules(notebook: Path, root: Path = ROOT) -> dict[Path, str]:
    """Return the files that the saved cells of a lesson's script make: path -> text."""
    nb = read_script(script_of(notebook))
    sources = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    found = {}
    for name, cells in saved_cells(nb).items():
        if not name.isidentifier():
            raise ValueError(f"{notebook.stem}: the tag saved-{name} names no module")
        found[root / "srutils" / "networks" / f"{name}.py"] = module_text(notebook.stem, sources, cells, root)
    return found


def write_saved(notebook: Path, root: Path = ROOT) -> list[Path]:
    """Write the modules that a lesson's saved cells make; return those that changed.

    Raises
    ------
    ValueError
        As `module_text`; or the module is another lesson's.
    """
    changed = []
    for path, text in saved_modules(notebook, root).items():
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        if "from notebooks/" in old and f"from notebooks/{notebook.stem}.ipynb" not in old:
            raise ValueError(f"{notebook.stem}: srutils/networks/{path.name} is saved from another lesson")
        if old != text:
            write_aside(path, text)
            changed.append(path)
    return changed
