"""The rules for what surrounds a notebook: its script, the agreement of the two, the links of its text."""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path


def check_script(source: str) -> list[str]:
    """A lesson's script compiles, runs outside IPython (no magics) and imports `display` if it uses it."""
    magic = re.search(r"^# +[%!]\w+|^[%!]\w+", source, re.MULTILINE)
    found = [f"the script holds a magic command: {magic.group()!r}"] if magic else []
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [*found, f"the script is not valid Python: {error.msg}, line {error.lineno}"]
    nodes = list(ast.walk(tree))
    imported = {
        a.asname or a.name for n in nodes if isinstance(n, ast.ImportFrom | ast.Import) for a in n.names
    }
    used = {n.id for n in nodes if isinstance(n, ast.Name)}
    for name in ("display", "get_ipython"):
        if name in used and name not in imported and not hasattr(builtins, name):
            found.append(f"the script uses {name} without importing it from IPython")
    return found


def check_pair(notebook, script) -> list[str]:
    """A notebook and its script have the same cells with the same tags, whatever the files' dates."""
    from jupytext.compare import NotebookDifference, compare_cells

    try:
        compare_cells(notebook.cells, script.cells, compare_outputs=False, compare_ids=False)
    except NotebookDifference as error:
        return [f"the script and the notebook differ: {' '.join(str(error).split())[:300]}"]
    return []


LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=[\"']([^\"']+)[\"']")


def check_links(text: str, folder: Path) -> list[str]:
    """Links to files lead somewhere; links to the web are not followed, data and anchors are left alone."""
    found = []
    for match in LINK.finditer(text):
        target = (match.group(1) or match.group(2)).split("#")[0]
        if not target or re.match(r"[a-z][a-z+.-]*:", target):
            continue
        if not (folder / target).exists():
            found.append(f"a link leads nowhere: {target}")
    return found
