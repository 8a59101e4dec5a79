"""The rules that keep strict nbval meaningful and the lessons alike; each check returns a list of complaints.

nbval passes a cell that was never run and does not look at pictures, so a notebook could pass by being empty,
unrun or ignored. A check takes a notebook (nbformat) and returns sentences, one for each broken rule.
"""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

from tools.notebook_files import STAMP, fingerprint, read_script, stamp
from tools.project import is_solution, name_of, script_of
from tools.saved import PREFIX
from tools.setup_cell import BEGIN, BLOCK, FIRST_LINE, METADATA, badges, setup_cell

IGNORE = "nbval-ignore-output"
EXERCISE = "exercise"
CHECK, SET_UP = "check", "set-up"  # the two kinds of cells whose source is folded
KNOWN_TAGS = {IGNORE, EXERCISE, CHECK, SET_UP, "readme-table", "readme-figure"}
MAX_IGNORED = 0.5
MAX_LINES = 40
CELLS = (20, 70)
MAX_BYTES = 2_000_000
EARLY = 5  # the first picture should stand among so many cells
FIGURE_WORDS = 12
# Comments that nbval obeys too; they would bypass the tags that are counted here.
COMMENT_MARKERS = ("NBVAL_", "PYTEST_VALIDATE_IGNORE_OUTPUT")
HOME_PATH = re.compile(r"(?<![\w./])/(?:home|Users|root|work|tmp|content)/[\w.-]+|[A-Z]:\\+Users")
PROMISES = ("you will do", "you will learn", "you will need")
SECTIONS = ("Recap", "Exercises", "References")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=[\"']([^\"']+)[\"']")
OPEN, RIGHT = "No answer yet.", "Right."  # how a check cell's output begins in a lesson, in a solution


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
    """At most half of the cells are ignored, none is skipped, an assertion follows the last ignored one.

    A check of an exercise counts as an assertion where it stores that the answer is right; where it waits for
    the reader's answer it does not count at all.
    """
    found, code = [], [c for c in code_cells(nb) if EXERCISE not in tags(c) or verdict(c) == RIGHT]
    for cell in code_cells(nb):
        if unknown := {t for t in tags(cell) - KNOWN_TAGS if not t.startswith(("table-", "figure-", PREFIX))}:
            found.append(f"cell {title(cell)} has tags that are not allowed: {', '.join(sorted(unknown))}")
        if any(marker in cell.source for marker in COMMENT_MARKERS):
            found.append(f"cell {title(cell)} has a comment that steers nbval: use a tag")
    ignored = [i for i, cell in enumerate(code) if IGNORE in tags(cell)]
    if len(ignored) > MAX_IGNORED * len(code):
        found.append(f"{len(ignored)} of {len(code)} code cells are ignored, more than half")
    if not any(IGNORE not in tags(cell) and (cell.outputs or asserts(cell.source)) for cell in code):
        found.append("no cell is checked: none has output to compare or an assertion")
    rest = code[max(ignored, default=-1) + 1 :]
    if ignored and not any(asserts(cell.source) or EXERCISE in tags(cell) for cell in rest):
        found.append(f"no assertion follows the last ignored cell, {title(code[ignored[-1]])}")
    return found


def check_clean(nb) -> list[str]:
    """No timings, widget states or folders of somebody's machine are stored."""
    strange = set(nb.metadata) - {"kernelspec", "language_info", STAMP}
    found = [f"the notebook's metadata hold {key!r}" for key in sorted(strange)]
    if "version" in nb.metadata.get("language_info", {}):
        found.append("the notebook's metadata hold the version of Python")
    for cell in nb.cells:
        if extra := set(cell.metadata) - {"tags", "jupyter"}:
            found.append(f"cell {title(cell)} has metadata that no script carries: {sorted(extra)}")
        if path := HOME_PATH.search("\n".join([cell.source, *output_texts(cell)])):
            found.append(f"cell {title(cell)} names a folder of one machine: {path.group()}")
    return found


def check_folded(nb) -> list[str]:
    """What is folded is the set-up cell and the cells tagged ``check``, and nothing that is to be read."""
    found = []
    for cell in code_cells(nb):
        folded = bool(cell.metadata.get("jupyter", {}).get("source_hidden"))
        if CHECK in tags(cell) and not asserts(cell.source):
            found.append(f"cell {title(cell)} is tagged check and holds no assertion")
        if folded != bool(tags(cell) & {CHECK, SET_UP}):
            found.append(f"cell {title(cell)}: jupyter.source_hidden goes with the tags check and set-up")
    return found


def output_texts(cell) -> list[str]:
    """Return what a cell's outputs say in words: streams and text representations."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {}).items()
        texts += [
            output.get("text", ""),
            *(v for k, v in data if k.startswith("text/") and isinstance(v, str)),
        ]
    return texts


def words(text: str) -> int:
    """Count the words of text; marks, addresses of links, HTML tags and formulas' marks are no words."""
    text = re.sub(r"<[^>]*>|\]\([^)]*\)|!\[", " ", text)
    return sum(bool(re.search(r"[A-Za-z0-9]", word)) for word in text.split())


def check_size(nb) -> list[str]:
    """Up to its exercises a lesson has 20 to 70 cells, and it has as many words of prose as of code."""
    found = []
    count = len(nb.cells) - len(exercise_part(nb))
    if not CELLS[0] <= count <= CELLS[1]:
        found.append(f"there are {count} cells before the exercises, not {CELLS[0]} to {CELLS[1]}")
    prose = sum(words(BLOCK.sub("", cell.source)) for cell in markdown_cells(nb))
    lines = [x for c in code_cells(nb) if "set-up" not in tags(c) for x in c.source.splitlines()]
    code = sum(words(line) for line in lines if not line.lstrip().startswith("#"))
    if prose < code:
        found.append(f"there are {prose} words of prose and {code} of code: prose must be at least as long")
    return found


def check_lines(nb) -> list[str]:
    """No code cell is long."""
    lines = [(cell, len(cell.source.splitlines())) for cell in code_cells(nb)]
    return [f"code cell {title(c)} has {n} lines, more than {MAX_LINES}" for c, n in lines if n > MAX_LINES]


def check_figures(nb) -> list[str]:
    """A cell with a picture is followed by text that says what the picture shows."""
    found = []
    for index, cell in enumerate(nb.cells):
        if not pictures(cell):
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
    return re.split(r"^##? ", text[match.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def verdict(cell) -> str | None:
    """Return the first sentence of what the check of an exercise stores: `OPEN`, `RIGHT` or another."""
    found = re.search(r"^Exercise \d+\.\d+: ([^.]*\.)", "".join(output_texts(cell)), re.MULTILINE)
    return found and found.group(1)


def exercise_part(nb) -> list:
    """Return a lesson's cells from the one that begins with the heading Exercises on."""
    heading = re.compile(r"## +(?:\d+[.)]? +)?Exercises\b")
    starts = [i for i, c in enumerate(nb.cells) if c.cell_type == "markdown" and heading.match(c.source)]
    return nb.cells[starts[-1] :] if starts else []


def check_checks(nb, number: int, wanted: str) -> list[str]:
    """Three cells tagged ``exercise`` check exercises 1 to 3 of a lesson, and store what is `wanted`."""
    checks = [cell for cell in code_cells(nb) if EXERCISE in tags(cell)]
    found = [] if len(checks) == 3 else [f"there are {len(checks)} cells tagged exercise, not three"]
    for k, cell in enumerate(checks, start=1):
        if not re.search(rf"\bexercises\.check\(\s*{number},\s*{k}\b", cell.source):
            found.append(f"cell {title(cell)} does not call exercises.check({number}, {k}, ...)")
        if IGNORE in tags(cell) or verdict(cell) != wanted:
            found.append(f"the check of exercise {k} must store, for nbval to compare, {wanted!r}")
    return found


def check_exercises(nb, number: int) -> list[str]:
    """A lesson ends in three exercises: text with one folded hint, then a cell that checks the answer."""
    part, hints, found = exercise_part(nb), [], []
    if not part:
        return ["no cell begins with the heading '## Exercises'"]
    text = ""
    for cell in part:
        text += cell.source if cell.cell_type == "markdown" else ""
        if EXERCISE in tags(cell):
            hints.append(text.count("<details"))
            text = ""
    if hints != [1, 1, 1]:
        found.append(f"there must be three exercises, each with one folded hint above its check, got {hints}")
    return found + check_checks(nb, number, OPEN)


def check_bones(nb) -> list[str]:
    """Title, question, what the reader will do, learn and need, recap, exercises, references, next."""
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
    if not code or code[0].source != setup_cell(repository) or code[0].metadata != METADATA:
        found.append("the first code cell is not the set-up cell, with its tags: run make notebooks")
    if sum(c.source.startswith(FIRST_LINE) for c in code) > 1:
        found.append("there is more than one set-up cell")
    return found


def check_notebook(nb, name: str, repository: str) -> list[str]:
    """Return what is wrong with a notebook in itself; `name` as in `tools.project.name_of`."""
    found = check_executed(nb) + check_compared(nb) + check_clean(nb) + check_folded(nb) + check_lines(nb)
    found += check_figures(nb) + check_generated(nb, name, repository)
    number = int(Path(name).name[:2])
    if is_solution(Path(name)):
        return found + check_checks(nb, number, RIGHT)
    return found + check_size(nb) + check_bones(nb) + check_exercises(nb, number)


def pictures(cell) -> list:
    """Return a cell's outputs that are pictures."""
    kinds = {"image/png", "image/jpeg", "image/svg+xml"}
    return [o for o in cell.get("outputs", []) if kinds & set(o.get("data", {}))]


def hints(nb) -> list[str]:
    """What no rule forbids, but a reader would mind."""
    first = next((i for i, cell in enumerate(nb.cells, start=1) if pictures(cell)), None)
    late = first is None or first > EARLY
    return [f"the first picture stands in cell {first}, not among the first {EARLY}"] if late else []


def check_script(source: str) -> list[str]:
    """A lesson's script compiles, runs outside IPython (no magics) and imports `display` if it uses it."""
    magic = re.search(r"^# +[%!]\w+|^[%!]\w+", source, re.MULTILINE)
    found = [f"the script holds a magic command: {magic.group()!r}"] if magic else []
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [*found, f"the script is not valid Python: {error.msg}, line {error.lineno}"]
    nodes = list(ast.walk(tree))
    names = (a for n in nodes if isinstance(n, ast.ImportFrom | ast.Import) for a in n.names)
    imported = {a.asname or a.name for a in names}
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
    if stamp(notebook) != fingerprint(notebook):
        return ["the notebook does not say that it agrees with its script: run make notebooks"]
    return []


def check_links(text: str, folder: Path) -> list[str]:
    """Links to files lead somewhere; links to the web are not followed, data and anchors are left alone."""
    found = []
    for match in LINK.finditer(text):
        target = (match.group(1) or match.group(2)).split("#")[0]
        web = re.match(r"[a-z][a-z+.-]*:", target)
        if target and not web and not (folder / target).exists():
            found.append(f"a link leads nowhere: {target}")
    return found


def complaints_about_lesson(path: Path, repository: str) -> list[str]:
    """Return all that is wrong with a lesson or its solutions: notebook, script, the pair, links, size."""
    import nbformat

    script, name = script_of(path), name_of(path)
    if missing := [f"{name}: {p.name} is missing" for p in (path, script) if not p.is_file()]:
        return missing
    nb = nbformat.read(path, as_version=4)
    found = check_notebook(nb, name, repository)
    found += check_script(script.read_text(encoding="utf-8"))
    found += check_pair(nb, read_script(script))
    found += check_links("\n\n".join(c.source for c in markdown_cells(nb)), path.parent)
    if path.stat().st_size > MAX_BYTES:
        found.append(f"the file has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}")
    return [f"{name}: {complaint}" for complaint in found]
