"""The rules that keep strict nbval meaningful and the lessons alike; each check returns a list of complaints.

nbval passes a cell that was never run and does not look at pictures, so a notebook could pass by being empty,
unrun or ignored. A check takes a notebook (nbformat) and returns sentences, one for each broken rule.
"""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

from tools.project import script_of
from tools.setup_cell import BEGIN, BLOCK, FIRST_LINE, TAGS, badges, setup_cell

IGNORE = "nbval-ignore-output"
KNOWN_TAGS = {IGNORE, "set-up", "readme-table"}
MAX_IGNORED = 0.5
MAX_LINES = 40
CELLS = (30, 60)
MAX_BYTES = 2_000_000
FIGURE_WORDS = 12
# Comments that nbval obeys too; they would bypass the tags that are counted here.
COMMENT_MARKERS = (
    "NBVAL_",
    "PYTEST_VALIDATE_IGNORE_OUTPUT",
)
HOME_PATH = re.compile(r"(?<![\w./])/(?:home|Users|root|work|tmp|content)/[\w.-]+|[A-Z]:\\+Users")
PROMISES = ("you will do", "you will learn", "you will need")
SECTIONS = ("Recap", "Exercises", "References")


def tags(cell) -> set[str]:
    """Return a cell's tags."""
    return set(cell.metadata.get("tags", []))


def code_cells(nb) -> list:
    """Return the code cells of a notebook."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def markdown_cells(nb) -> list:
    """Return the text cells of a notebook."""
    return [cell for cell in nb.cells if cell.cell_type == "markdown"]


def title(cell) -> str:
    """Return the start of a cell, to name it in a complaint."""
    return repr(cell.source.strip()[:50])


def asserts(source: str) -> bool:
    """Say whether Python source contains an assertion: the statement, or a call of ``assert_...``."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return False
    names = [getattr(n.func, "attr", getattr(n.func, "id", "")) for n in nodes if isinstance(n, ast.Call)]
    return any(isinstance(n, ast.Assert) for n in nodes) or any(name.startswith("assert_") for name in names)


def check_executed(nb) -> list[str]:
    """Every code cell was run, once, from top to bottom, without an error and without a word on stderr."""
    code = code_cells(nb)
    if not code:
        return ["there is no code cell"]
    found = [f"an empty code cell stands at position {i}" for i, c in enumerate(code) if not c.source.strip()]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"the cells were not run from top to bottom: {counts}")
    for cell in code:
        if any(output.output_type == "error" for output in cell.outputs):
            found.append(f"cell {title(cell)} stores an error")
        if any(output.get("name") == "stderr" for output in cell.outputs):
            found.append(f"cell {title(cell)} stores text written to stderr")
    return found


def check_compared(nb) -> list[str]:
    """At most half of the cells are ignored, none is skipped, an assertion follows the last ignored one."""
    code, found = code_cells(nb), []
    for cell in code:
        unknown = {t for t in tags(cell) - KNOWN_TAGS if not t.startswith("table-")}
        if unknown:
            found.append(f"cell {title(cell)} has tags that are not allowed: {', '.join(sorted(unknown))}")
        if any(marker in cell.source for marker in COMMENT_MARKERS):
            found.append(f"cell {title(cell)} has a comment that steers nbval: use a tag")
    ignored = [i for i, cell in enumerate(code) if IGNORE in tags(cell)]
    if len(ignored) > MAX_IGNORED * len(code):
        found.append(f"{len(ignored)} of {len(code)} code cells are ignored, more than half")
    if not any(IGNORE not in tags(cell) and (cell.outputs or asserts(cell.source)) for cell in code):
        found.append("no cell is checked: none has output to compare or an assertion")
    rest = code[max(ignored, default=-1) + 1 :]
    if ignored and not any(asserts(cell.source) for cell in rest):
        found.append(f"no assertion follows the last ignored cell, {title(code[ignored[-1]])}")
    return found


def check_clean(nb) -> list[str]:
    """No timings, widget states or folders of somebody's machine are stored."""
    found = [
        f"the notebook's metadata hold {k!r}" for k in nb.metadata if k not in ("kernelspec", "language_info")
    ]
    if "version" in nb.metadata.get("language_info", {}):
        found.append("the notebook's metadata hold the version of Python")
    for cell in nb.cells:
        extra = set(cell.metadata) - {"tags", "jupyter"}
        if extra:
            found.append(f"cell {title(cell)} has metadata that no script carries: {sorted(extra)}")
        path = HOME_PATH.search(cell.source + "\n" + "\n".join(output_texts(cell)))
        if path:
            found.append(f"cell {title(cell)} names a folder of one machine: {path.group()}")
    return found


def output_texts(cell) -> list[str]:
    """Return what a cell's outputs say in words: streams and text representations."""
    texts = []
    for output in cell.get("outputs", []):
        texts.append(output.get("text", ""))
        texts += [
            v for k, v in output.get("data", {}).items() if k.startswith("text/") and isinstance(v, str)
        ]
    return texts


def words(text: str) -> int:
    """Count the words of text; marks, addresses of links, HTML tags and formulas' marks are no words."""
    text = re.sub(r"<[^>]*>|\]\([^)]*\)|!\[", " ", text)
    return sum(bool(re.search(r"[A-Za-z0-9]", word)) for word in text.split())


def check_size(nb) -> list[str]:
    """The notebook has 30 to 60 cells, no long code cell, and at least as many words of prose as of code."""
    found = []
    if not CELLS[0] <= len(nb.cells) <= CELLS[1]:
        found.append(f"there are {len(nb.cells)} cells, not {CELLS[0]} to {CELLS[1]}")
    for cell in code_cells(nb):
        lines = len(cell.source.splitlines())
        if lines > MAX_LINES:
            found.append(f"code cell {title(cell)} has {lines} lines, more than {MAX_LINES}")
    prose = sum(words(BLOCK.sub("", cell.source)) for cell in markdown_cells(nb))
    lines = [x for c in code_cells(nb) if "set-up" not in tags(c) for x in c.source.splitlines()]
    code = sum(words(line) for line in lines if not line.lstrip().startswith("#"))
    if prose < code:
        found.append(f"there are {prose} words of prose and {code} of code: prose must be at least as long")
    return found


def check_figures(nb) -> list[str]:
    """A cell with a picture is followed by text that says what the picture shows."""
    found = []
    for index, cell in enumerate(nb.cells):
        pictures = [
            o for o in cell.get("outputs", []) if {"image/png", "image/jpeg"} & set(o.get("data", {}))
        ]
        if not pictures:
            continue
        after = nb.cells[index + 1] if index + 1 < len(nb.cells) else None
        if after is None or after.cell_type != "markdown" or words(after.source) < FIGURE_WORDS:
            found.append(f"no text of {FIGURE_WORDS} words or more follows the figure of cell {title(cell)}")
    return found


def section(text: str, name: str) -> str | None:
    """Return the text under the heading that begins with `name`, up to the next heading of level 1 or 2."""
    match = re.search(rf"^##? +(?:\d+[.)]? +)?{name}\b.*$", text, re.MULTILINE | re.IGNORECASE)
    if match is None:
        return None
    rest = text[match.end() :]
    following = re.search(r"^##? ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def check_bones(nb) -> list[str]:
    """Title, question, what the reader will do, learn and need, recap, three exercises, references, next."""
    found, text = [], "\n\n".join(cell.source for cell in markdown_cells(nb))
    first = nb.cells[0] if nb.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        found.append("the first cell is not a title")
    elif "?" not in first.source:
        found.append("the first cell asks no question")
    plain = re.sub(r"[*_]", "", text).lower()
    found += [f"no text says what {promise!r}" for promise in PROMISES if promise not in plain]
    parts = {name: section(text, name) for name in SECTIONS}
    found += [f"there is no section {name!r}" for name, part in parts.items() if part is None]
    exercises = parts["Exercises"]
    if exercises is not None and exercises.count("<details") != 3:
        found.append(f"there must be three exercises with folded hints, got {exercises.count('<details')}")
    references = parts["References"]
    if references is not None and "doi.org/" not in references:
        found.append("the references give no DOI (https://doi.org/...)")
    if nb.cells and not re.search(r"\bnext\b", nb.cells[-1].source, re.IGNORECASE):
        found.append("the last cell does not say what comes next")
    return found


def check_generated(nb, name: str, repository: str) -> list[str]:
    """Badges and the set-up cell are those of tools/setup_cell.py, in their places."""
    found = []
    second = nb.cells[1].source if len(nb.cells) > 1 else ""
    if second.strip() != badges(repository, name):
        found.append("the second cell is not the badges: run make notebooks")
    marked = [c for c in nb.cells if BEGIN in c.source]
    if len(marked) != 1:
        found.append(f"{len(marked)} cells have badges, one must")
    code = code_cells(nb)
    if not code or code[0].source != setup_cell(repository) or tags(code[0]) != set(TAGS):
        found.append("the first code cell is not the set-up cell, with its tags: run make notebooks")
    if sum(c.source.startswith(FIRST_LINE) for c in code) > 1:
        found.append("there is more than one set-up cell")
    return found


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


def check_notebook(nb, name: str, repository: str) -> list[str]:
    """Return what is wrong with a lesson's notebook in itself."""
    found = check_executed(nb) + check_compared(nb) + check_clean(nb) + check_size(nb)
    return found + check_figures(nb) + check_bones(nb) + check_generated(nb, name, repository)


def complaints_about_lesson(path: Path, repository: str) -> list[str]:
    """Return all that is wrong with a lesson: its notebook, its script, the pair, its links, its size."""
    import nbformat

    from tools.notebooks import read_script

    script = script_of(path)
    missing = [f"{path.name}: {p.name} is missing" for p in (path, script) if not p.is_file()]
    if missing:
        return missing
    nb = nbformat.read(path, as_version=4)
    found = check_notebook(nb, path.name, repository)
    found += check_script(script.read_text(encoding="utf-8"))
    found += check_pair(nb, read_script(script))
    found += check_links("\n\n".join(c.source for c in markdown_cells(nb)), path.parent)
    if path.stat().st_size > MAX_BYTES:
        found.append(f"the file has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}")
    return [f"{path.name}: {complaint}" for complaint in found]
