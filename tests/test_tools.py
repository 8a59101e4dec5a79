"""The maintainer's tools, and above all: each rule of the policy can be broken, and is then reported."""

import copy
import json
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import course, notebooks, policy, project, readme
from tools.execute import CellFailed, execute
from tools.notebook_files import KERNELSPEC, LANGUAGE, clean
from tools.setup_cell import BEGIN, END, METADATA, badges, setup_cell

REPO = "someone/fork"
NAME = "01_sample.ipynb"
PROSE = "This paragraph says at some length why the next step is taken and what the reader should look at. "
HINT = "<details><summary>Hint</summary>Try it.</details>\n"


def check_cells(answer):
    """Return the cells of three exercises, each with a hint and a check that stores this answer."""
    cells = []
    for k in (1, 2, 3):
        output = new_output("stream", name="stdout", text=f"Exercise 1.{k}: {answer}\n")
        cells += [
            new_markdown_cell(("## Exercises\n\n" if k == 1 else "") + f"**{k}.** Do it.\n\n{HINT}"),
            new_code_cell(
                f"exercises.check(1, {k}, mine)", outputs=[output], metadata={"tags": ["exercise"]}
            ),
        ]
    return cells


def numbered(cells):
    """Return the notebook of these cells, run from top to bottom."""
    for number, cell in enumerate([c for c in cells if c.cell_type == "code"], start=1):
        cell.execution_count = number
    return new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE})


def sample():
    """Return a notebook that keeps every rule."""
    stream = new_output("stream", name="stdout", text="2\n")
    picture = new_output("display_data", {"image/png": "AAAA", "text/plain": "<Figure size 1x1>"})
    cells = [
        new_markdown_cell("# A sample\n\nDoes it keep the rules?"),
        new_markdown_cell(badges(REPO, NAME)),
        new_markdown_cell("**You will do** this, *you will learn* that.\n\n**You will need** one minute."),
        new_code_cell(setup_cell(REPO), metadata=copy.deepcopy(METADATA)),
        new_code_cell("a = 1 + 1\nprint(a)", outputs=[stream]),
        new_code_cell("draw(a)", outputs=[picture], metadata={"tags": ["nbval-ignore-output"]}),
        new_markdown_cell("What the figure shows: " + PROSE),
        new_code_cell("assert a == 2"),
        *[new_markdown_cell(PROSE) for _ in range(21)],
        new_markdown_cell("## Recap\n\n" + PROSE),
        *check_cells("No answer yet. Replace the dots."),
        new_markdown_cell("## References\n\n- A paper, https://doi.org/10.1000/1"),
        new_markdown_cell("**Next lesson**: the second."),
    ]
    return numbered(cells)


def solution():
    """Return a solution that keeps every rule."""
    cells = sample().cells
    cells[1].source = badges(REPO, "solutions/" + NAME)
    return numbered([*cells[:2], *cells[3:7], *check_cells("Right. So it is.")])


def complaints(nb, name=NAME):
    return policy.check_notebook(nb, name, REPO)


def test_the_samples_keep_every_rule():
    assert complaints(sample()) == []
    assert complaints(solution(), "solutions/" + NAME) == []


def code(nb, number):
    return policy.code_cells(nb)[number - 1]


def exercise(nb, index):
    """Return a cell of the exercises: 0, 2, 4 are their texts, 1, 3, 5 their checks."""
    start = next(i for i, cell in enumerate(nb.cells) if "## Exercises" in cell.source)
    return nb.cells[start + index]


def drop(nb, start):
    nb.cells = [cell for cell in nb.cells if not cell.source.startswith(start)]


# name of the breach -> (what breaks the sample, words of the complaint)
BREACHES = {
    "cell not run": (lambda nb: code(nb, 2).update(execution_count=None), "not run from top to bottom"),
    "wrong order": (lambda nb: code(nb, 2).update(execution_count=9), "not run from top to bottom"),
    "no code": (lambda nb: nb.update(cells=nb.cells[:3]), "there is no code cell"),
    "empty cell": (lambda nb: code(nb, 4).update(source=" "), "empty code cell"),
    "error": (
        lambda nb: code(nb, 2).outputs.append(new_output("error", ename="E", evalue="", traceback=[])),
        "stores an error",
    ),
    "stderr": (
        lambda nb: code(nb, 2).outputs.append(new_output("stream", name="stderr", text="warning")),
        "written to stderr",
    ),
    "skipped": (lambda nb: code(nb, 2).metadata.update(tags=["nbval-skip"]), "not allowed: nbval-skip"),
    "expected error": (lambda nb: code(nb, 2).metadata.update(tags=["raises-exception"]), "not allowed"),
    "comment marker": (lambda nb: code(nb, 2).update(source="# NBVAL_SKIP\na = 2"), "steers nbval"),
    "mostly ignored": (
        lambda nb: [c.metadata.update(tags=["nbval-ignore-output"]) for c in policy.code_cells(nb)[1:]],
        "more than half",
    ),
    "nothing checked": (
        lambda nb: [c.metadata.update(tags=["nbval-ignore-output"]) for c in policy.code_cells(nb)],
        "no cell is checked",
    ),
    "no assertion at the end": (lambda nb: code(nb, 4).update(source="a == 2"), "no assertion follows"),
    "assertion only in a comment": (
        lambda nb: code(nb, 4).update(source="# assert a == 2\na"),
        "no assertion",
    ),
    "widgets": (lambda nb: nb.metadata.update(widgets={}), "metadata hold 'widgets'"),
    "Python's version": (
        lambda nb: nb.metadata.update(language_info={"name": "python", "version": "3.11.7"}),
        "version of Python",
    ),
    "timing": (lambda nb: code(nb, 2).metadata.update(execution={}), "metadata that no script carries"),
    "folded without a tag": (
        lambda nb: code(nb, 2).metadata.update(jupyter={"source_hidden": True}),
        "goes with the tags check and set-up",
    ),
    "a check that is not folded": (
        lambda nb: code(nb, 4).metadata.update(tags=["check"]),
        "goes with the tags",
    ),
    "a check without an assertion": (
        lambda nb: code(nb, 2).metadata.update(tags=["check"], jupyter={"source_hidden": True}),
        "holds no assertion",
    ),
    "home folder": (
        lambda nb: code(nb, 2).outputs[0].update(text="read /home/ada/data.npy"),
        "names a folder of one machine: /home/ada",
    ),
    "too few cells": (
        lambda nb: nb.update(cells=nb.cells[:8] + nb.cells[19:]),
        "19 cells before the exercises",
    ),
    "too many cells": (
        lambda nb: nb.update(cells=nb.cells[:9] + [new_markdown_cell("x")] * 41 + nb.cells[9:]),
        "not 20 to 70",
    ),
    "long cell": (lambda nb: code(nb, 4).update(source="assert a == 2\n" * 41), "has 41 lines"),
    "too little prose": (
        lambda nb: code(nb, 4).update(source="assert a == 2\n" + "a " * 900),
        "prose must be",
    ),
    "figure without text": (lambda nb: drop(nb, "What the figure"), "follows the figure"),
    "figure with a word": (lambda nb: nb.cells[6].update(source="Nice."), "follows the figure"),
    "no title": (lambda nb: nb.cells[0].update(source="Hello, why?"), "not a title"),
    "no question": (lambda nb: nb.cells[0].update(source="# Hello"), "asks no question"),
    "no promise": (lambda nb: nb.cells[2].update(source="You will do this and need that."), "you will learn"),
    "no recap": (lambda nb: drop(nb, "## Recap"), "no section 'Recap'"),
    "no exercises": (lambda nb: drop(nb, "## Exercises"), "no section 'Exercises'"),
    "exercises inside a cell": (
        lambda nb: exercise(nb, 0).update(source="Enough.\n\n" + exercise(nb, 0).source),
        "no cell begins with the heading",
    ),
    "two exercises": (lambda nb: nb.cells.remove(exercise(nb, 5)), "2 cells tagged exercise"),
    "a hint missing": (lambda nb: exercise(nb, 2).update(source="Do it."), "got [1, 0, 1]"),
    "a hint too many": (lambda nb: exercise(nb, 4).update(source=2 * HINT), "got [1, 1, 2]"),
    "check of another exercise": (
        lambda nb: exercise(nb, 3).update(source="exercises.check(1, 3, mine)"),
        "does not call exercises.check(1, 2, ...)",
    ),
    "exercise of another lesson": (
        lambda nb: exercise(nb, 1).update(source="exercises.check(2, 1, mine)"),
        "does not call exercises.check(1, 1, ...)",
    ),
    "an answer left behind": (
        lambda nb: exercise(nb, 1).outputs[0].update(text="Exercise 1.1: Right. So it is.\n"),
        "the check of exercise 1 must store",
    ),
    "an ignored check": (
        lambda nb: exercise(nb, 5).metadata.update(tags=["exercise", "nbval-ignore-output"]),
        "the check of exercise 3 must store",
    ),
    "only the exercises checked": (
        lambda nb: [c.metadata.update(tags=["nbval-ignore-output"]) for c in policy.code_cells(nb)[:4]],
        "no cell is checked",
    ),
    "no references": (lambda nb: drop(nb, "## References"), "no section 'References'"),
    "no DOI": (lambda nb: nb.cells[-2].update(source="## References\n\nA paper."), "no DOI"),
    "no next lesson": (lambda nb: nb.cells.pop(), "what comes next"),
    "other badges": (lambda nb: nb.cells[1].update(source=badges("a/b", NAME)), "is not the badges"),
    "badges of another lesson": (lambda nb: nb.cells[1].update(source=badges(REPO, "02.ipynb")), "badges"),
    "two badges": (lambda nb: nb.cells.append(nb.cells[1]), "2 cells have badges"),
    "other set-up": (lambda nb: code(nb, 1).update(source=setup_cell("a/b")), "is not the set-up cell"),
    "set-up without tags": (lambda nb: code(nb, 1).metadata.update(tags=[]), "is not the set-up cell"),
    "set-up not folded": (lambda nb: code(nb, 1).metadata.pop("jupyter"), "is not the set-up cell"),
    "set-up not first": (lambda nb: nb.cells.insert(2, new_code_cell("1")), "is not the set-up cell"),
    "two set-ups": (lambda nb: nb.cells.append(copy.deepcopy(code(nb, 1))), "more than one set-up cell"),
}


SOLUTION_BREACHES = {
    "not solved": (
        lambda nb: nb.cells[-1].outputs[0].update(text="Exercise 1.3: Nearly. Look again.\n"),
        "the check of exercise 3 must store",
    ),
    "not all solved": (lambda nb: nb.cells.pop(), "2 cells tagged exercise"),
    "badges of the lesson": (lambda nb: nb.cells[1].update(source=badges(REPO, NAME)), "is not the badges"),
    "figure without text": (lambda nb: drop(nb, "What the figure"), "follows the figure"),
    "ends in an ignored cell": (
        lambda nb: nb.cells.append(new_code_cell("1", metadata={"tags": ["nbval-ignore-output"]})),
        "no assertion follows",
    ),
}


@pytest.mark.parametrize("breach", SOLUTION_BREACHES, ids=lambda name: name.replace(" ", "-"))
def test_each_rule_for_solutions_can_be_broken(breach):
    nb = solution()
    change, words = SOLUTION_BREACHES[breach]
    change(nb)
    found = complaints(nb, "solutions/" + NAME)
    assert any(words in complaint for complaint in found), found


@pytest.mark.parametrize("breach", BREACHES, ids=lambda name: name.replace(" ", "-"))
def test_each_rule_can_be_broken(breach):
    nb = sample()
    change, words = BREACHES[breach]
    change(nb)
    assert any(words in complaint for complaint in complaints(nb)), complaints(nb)


def test_words_are_counted_as_a_reader_would():
    assert policy.words("see [the paper](https://doi.org/1/2) -- and <b>this</b>") == 5
    assert policy.words("| - | $ = $ |") == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("%matplotlib inline\n", "magic"),
        ("# %%\n# %timeit f()\n", "magic"),
        ("!pip install x\n", "magic"),
        ("display(1)\n", "uses display without importing"),
        ("def f(:\n", "not valid Python"),
    ],
)
def test_scripts_that_need_a_notebook_are_refused(source, words):
    assert any(words in complaint for complaint in policy.check_script(source))


def test_a_good_script_is_accepted():
    assert (
        policy.check_script(
            "# %% [markdown]\n# 5 % more\n\n# %%\nfrom IPython.display import display\ndisplay(1)"
        )
        == []
    )


def test_links_to_files_must_lead_somewhere(tmp_path):
    (tmp_path / "there.md").write_text("", encoding="utf-8")
    text = "[a](there.md#part) [b](https://doi.org/1) [c](#here) ![d](absent.png) <a href='gone.html'>"
    found = policy.check_links(text, tmp_path)
    assert [c.split(": ")[1] for c in found] == ["absent.png", "gone.html"]


@pytest.fixture
def lesson(tmp_path):
    """Return the path of a lesson whose script has just been written by hand."""
    path = tmp_path / "notebooks" / NAME
    script = project.script_of(path)
    script.parent.mkdir(parents=True)
    script.write_text(
        '# %% [markdown]\n# # A sample\n\n# %%\na = 1\nprint(a)\n\n# %% tags=["x"]\na + 1\n', encoding="utf-8"
    )
    return path


def test_a_placeholder_becomes_the_set_up_cell(lesson):
    script = project.script_of(lesson)
    script.write_text(
        script.read_text(encoding="utf-8").replace("# %%\na = 1", '# %% tags=["set-up"]\n\n# %%\na = 1'),
        encoding="utf-8",
    )
    notebooks.sync_lesson(lesson, REPO)
    code_cells = policy.code_cells(nbformat.read(lesson, as_version=4))
    assert [c.source for c in code_cells] == [setup_cell(REPO), "a = 1\nprint(a)", "a + 1"]


def test_solutions_are_notebooks_too(lesson):
    solution = lesson.parent / "solutions" / lesson.name
    script = project.script_of(solution)
    assert script.relative_to(lesson.parent).as_posix() == f"scripts/solutions/{lesson.stem}.py"
    script.parent.mkdir()
    script.write_text("# %% [markdown]\n# # Solutions\n\n# %%\na = 2\n", encoding="utf-8")
    notebooks.sync_lesson(solution, REPO)
    cells = nbformat.read(solution, as_version=4).cells
    assert cells[1].source == badges(REPO, f"solutions/{NAME}") and NAME in cells[1].source
    assert cells[2].source == setup_cell(REPO)
    assert notebooks.everything(lesson.parent) == [lesson, solution]
    for names, wanted in {
        (): [lesson, solution],
        ("01",): [lesson, solution],
        ("01", "01_sample"): [lesson, solution],
        ("solutions/01",): [solution],
        (str(solution),): [solution],
        (str(script),): [solution],
        ("notebooks/01",): [lesson],
        (str(project.script_of(lesson)),): [lesson],
    }.items():
        assert notebooks.chosen(list(names), lesson.parent) == wanted, names
    with pytest.raises(FileNotFoundError, match="no lesson begins with 02"):
        notebooks.chosen(["02"], lesson.parent)


def pair_complaints(path):
    script = notebooks.read_script(project.script_of(path))
    return policy.check_pair(nbformat.read(path, as_version=4), script)


def test_sync_writes_both_files_once(lesson):
    assert notebooks.sync_lesson(lesson, REPO) == [project.script_of(lesson), lesson]
    assert notebooks.sync_lesson(lesson, REPO) == []
    nb = nbformat.read(lesson, as_version=4)
    assert nb.cells[1].source == badges(REPO, NAME)
    assert policy.code_cells(nb)[0].source == setup_cell(REPO)
    assert pair_complaints(lesson) == []


def test_pairs_are_compared_by_content_and_tags(lesson):
    notebooks.sync_lesson(lesson, REPO)
    script = project.script_of(lesson)
    text = script.read_text(encoding="utf-8")
    for old, new in {"a = 1": "a = 2", 'tags=["x"]': 'tags=["y"]', "A sample": "Another"}.items():
        script.write_text(text.replace(old, new), encoding="utf-8")
        assert "differ" in pair_complaints(lesson)[0]
    script.write_text(text, encoding="utf-8")
    assert pair_complaints(lesson) == []


def test_sync_keeps_outputs_and_ids_of_unchanged_cells(lesson):
    notebooks.sync_lesson(lesson, REPO)
    nb = nbformat.read(lesson, as_version=4)
    for number, cell in enumerate(policy.code_cells(nb), start=1):
        cell.execution_count = number
        cell.outputs = [new_output("stream", text=f"{number}\n")]
    nbformat.write(nb, lesson)
    script = project.script_of(lesson)
    script.write_text(script.read_text(encoding="utf-8").replace("a + 1", "a + 2"), encoding="utf-8")
    notebooks.sync_lesson(lesson, REPO)
    new = nbformat.read(lesson, as_version=4)
    assert [c.id for c in new.cells[:-1]] == [c.id for c in nb.cells[:-1]]
    assert [len(c.outputs) for c in policy.code_cells(new)] == [1, 1, 0]
    assert [c.execution_count for c in policy.code_cells(new)] == [1, 2, None]
    assert not notebooks.is_complete(new) and notebooks.is_complete(nb)


def edit(path, old, new):
    """Replace text in a cell of a notebook, or in a script, as an editor of that file alone does."""
    if path.suffix == ".py":
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        return
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        cell.source = cell.source.replace(old, new)
    nbformat.write(nb, path)


@pytest.mark.parametrize("edited", ["notebook", "script"])
def test_the_file_that_was_edited_is_taken_over(lesson, edited):
    notebooks.sync_lesson(lesson, REPO)
    edit(lesson if edited == "notebook" else project.script_of(lesson), "a + 1", "a + 2")
    assert lesson in notebooks.sync_lesson(lesson, REPO)
    assert "a + 2" in lesson.read_text(encoding="utf-8") and "a + 2" in project.script_of(lesson).read_text(
        encoding="utf-8"
    )
    assert notebooks.sync_lesson(lesson, REPO) == [] and pair_complaints(lesson) == []


@pytest.mark.parametrize("stamped", [True, False], ids=["stamped", "from before there were stamps"])
def test_edits_of_both_files_are_never_dropped(lesson, stamped):
    notebooks.sync_lesson(lesson, REPO)
    script = project.script_of(lesson)
    edit(lesson, "a = 1", "a = 5")
    edit(script, "a + 1", "a + 2")
    if not stamped:
        nb = nbformat.read(lesson, as_version=4)
        del nb.metadata["course"]
        nbformat.write(nb, lesson)
    before = lesson.read_bytes(), script.read_bytes()
    with pytest.raises(ValueError, match=r"01_sample: .* both may hold edits: .*--from-notebooks"):
        notebooks.sync_lesson(lesson, REPO)
    assert (lesson.read_bytes(), script.read_bytes()) == before
    notebooks.sync_lesson(lesson, REPO, "script")
    assert "a = 1" in script.read_text(encoding="utf-8") and "a + 2" in lesson.read_text(encoding="utf-8")


def test_both_files_saved_by_jupyterlab_agree(lesson):
    """Its jupytext writes both and leaves the stamp as it was: that is no conflict."""
    notebooks.sync_lesson(lesson, REPO)
    for path in (lesson, project.script_of(lesson)):
        edit(path, "a + 1", "a + 7")
    assert "run make notebooks" in pair_complaints(lesson)[0]
    assert notebooks.sync_lesson(lesson, REPO) == [lesson] and pair_complaints(lesson) == []


def test_a_fold_survives_the_way_through_both_files(lesson):
    script = project.script_of(lesson)
    script.write_text(
        script.read_text(encoding="utf-8")
        + '\n# %% tags=["check"] jupyter={"source_hidden": true}\nassert a == 1\n',
        encoding="utf-8",
    )
    notebooks.sync_lesson(lesson, REPO)
    last = nbformat.read(lesson, as_version=4).cells[-1].metadata
    assert last == {"tags": ["check"], "jupyter": {"source_hidden": True}}
    assert notebooks.sync_lesson(lesson, REPO) == [] and '"source_hidden": true' in script.read_text(
        encoding="utf-8"
    )


def test_a_late_first_picture_is_a_hint_and_no_complaint():
    nb = sample()
    assert "cell 6" in policy.hints(nb)[0]
    nb.cells.insert(2, nb.cells.pop(5))
    assert policy.hints(nb) == []


def test_sync_from_a_notebook(lesson):
    notebooks.sync_lesson(lesson, REPO)
    edit(lesson, "a + 1", "a + 3")
    edit(project.script_of(lesson), "a + 1", "a + 4")
    notebooks.sync_lesson(lesson, REPO, "notebook")
    assert "a + 3" in project.script_of(lesson).read_text(encoding="utf-8")
    assert pair_complaints(lesson) == []


def test_links_are_written_everywhere(lesson, tmp_path):
    notebooks.sync_lesson(lesson, "super/course")
    solution = lesson.parent / "solutions" / NAME
    project.script_of(solution).parent.mkdir()
    project.script_of(solution).write_text(
        project.script_of(lesson).read_text(encoding="utf-8"), encoding="utf-8"
    )
    notebooks.sync_lesson(solution, "super/course")
    (tmp_path / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/super/course"\n', encoding="utf-8"
    )
    hosts = badges("super/course") + badges("super/course", NAME)
    (tmp_path / "README.md").write_text(f"{BEGIN}{END}\n{hosts}", encoding="utf-8")
    notebooks.set_links("you/fork", tmp_path)
    assert project.repository(tmp_path) == "you/fork"
    pairs = [(path, project.script_of(path)) for path in (lesson, solution)]
    for path in (tmp_path / "README.md", *pairs[0], *pairs[1]):
        assert "you/fork" in path.read_text(encoding="utf-8") and "super/course" not in path.read_text(
            encoding="utf-8"
        )
    with pytest.raises(ValueError, match="owner/name"):
        notebooks.set_links("https://github.com/you/fork", tmp_path)


def test_missing_files_are_named(tmp_path):
    found = policy.complaints_about_lesson(tmp_path / "09_absent.ipynb", REPO)
    assert found == [
        "09_absent.ipynb: 09_absent.ipynb is missing",
        "09_absent.ipynb: 09_absent.py is missing",
    ]
    found = policy.complaints_about_lesson(tmp_path / "solutions" / "09_absent.ipynb", REPO)
    assert found[0] == "solutions/09_absent.ipynb: 09_absent.ipynb is missing"


def small(*sources):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def test_execute_fills_and_cleans(tmp_path):
    nb = small(
        "import os, sys\nprint(os.environ['TF_CPP_MIN_LOG_LEVEL'], sys.executable)", "print(1)\nprint(2)\n3"
    )
    seen = []
    execute(nb, tmp_path, "small", on_cell=lambda: seen.append(1))
    first, second = nb.cells
    assert first.outputs[0].text == f"3 {sys.executable}\n"
    assert [o.output_type for o in second.outputs] == ["stream", "execute_result"]
    assert [c.execution_count for c in nb.cells] == [1, 2] and len(seen) == 2
    assert nb.metadata == {"kernelspec": KERNELSPEC, "language_info": LANGUAGE}
    assert all(dict(cell.metadata) == {} for cell in nb.cells)


def test_a_failure_says_where(tmp_path):
    with pytest.raises(CellFailed) as caught:
        execute(small("a = 0", "b = 1\n1 / a"), tmp_path, "02_small.ipynb")
    assert str(caught.value).splitlines() == [
        "02_small.ipynb: code cell 2 failed, which begins with",
        "    b = 1",
        "ZeroDivisionError: division by zero",
    ]


def test_clean_removes_what_differs_between_runs():
    nb = small("1")
    nb.metadata.update(widgets={"state": 1}, language_info={"name": "python", "version": "3.13.1"})
    nb.cells[0].metadata.update(execution={"start": 1}, tags=["x"], collapsed=True)
    nb.cells[0].outputs = [new_output("stream", text="a\n"), new_output("stream", text="b\n")]
    clean(nb)
    assert set(nb.metadata) == {"kernelspec", "language_info"} and "version" not in nb.metadata.language_info
    assert nb.cells[0].metadata == {"tags": ["x"]}
    assert [o.text for o in nb.cells[0].outputs] == ["a\nb\n"]


@pytest.fixture
def little_course(tmp_path):
    """Return the root of a course of one lesson, which prints a table and counts its own runs."""
    for folder in ("notebooks", "srutils", "data/models"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "constraints.txt").write_text("a==1\n", encoding="utf-8")
    (tmp_path / "srutils" / "x.py").write_text("1\n", encoding="utf-8")
    nb = small("open('runs', 'a').write('x')", "print('|a|\\n|-|\\n|1|')")
    nb.cells[1].metadata["tags"] = ["readme-table", "table-one"]
    nbformat.write(nb, tmp_path / "notebooks" / "01_a.ipynb")
    return tmp_path


def test_a_second_run_does_nothing_until_something_changes(little_course, monkeypatch):
    monkeypatch.delenv("SR_DATA", raising=False)
    paths, out = project.lessons(little_course / "notebooks"), little_course / "out"

    def runs(**options):
        course.run_course(paths, out, root=little_course, **options)
        return len((little_course / "notebooks" / "runs").read_text(encoding="utf-8"))

    assert runs() == 1 and runs() == 1
    paths[0].touch()
    assert runs() == 1  # dates do not matter
    assert runs(force=True) == 2
    (little_course / "srutils" / "x.py").write_text("2\n", encoding="utf-8")
    assert runs() == 3
    (little_course / "srutils" / "exercises").mkdir()
    (little_course / "srutils" / "exercises" / "lesson_01.py").write_text("1\n", encoding="utf-8")
    assert runs() == 4
    (little_course / "data" / "models" / "m.onnx").write_bytes(b"1")
    assert runs() == 5
    monkeypatch.setenv("SR_DATA", str(little_course))
    assert runs() == 6
    (out / "01_a.json").write_text("broken", encoding="utf-8")
    assert runs() == 7 and runs() == 7


def test_a_failed_run_is_not_remembered(little_course):
    path = little_course / "notebooks" / "01_a.ipynb"
    nbformat.write(small("raise ValueError('no')"), path)
    for _ in range(2):
        with pytest.raises(CellFailed, match=r"01_a.ipynb: code cell 1 failed(.|\n)*ValueError: no"):
            course.run_course([path], little_course / "out", root=little_course)
    assert not list((little_course / "out").glob("*.json"))


def test_the_report_shows_tables_and_where_the_copies_are(little_course):
    out = little_course / "out"
    copies = course.run_course(project.lessons(little_course / "notebooks"), out, root=little_course)
    text = course.report(copies, out)
    assert "|a|\n|-|\n|1|" in text and str(out) in text


def test_tables_fill_the_readme():
    nb = sample()
    nb.cells[4].metadata["tags"] = ["readme-table", "table-one"]
    text = f"x\n<!-- table:one -->\nold\n<!-- /table -->\ny\n{BEGIN}{END}\n"
    filled = readme.fill(text, readme.tables([nb]), REPO)
    assert "old" not in filled and "```\n2\n```\n<!-- /table -->\ny" in filled and badges(REPO) in filled
    assert readme.fill(filled, readme.tables([nb]), REPO) == filled
    with pytest.raises(ValueError, match="table 'one', which no notebook makes"):
        readme.fill(text, {}, REPO)
    with pytest.raises(ValueError, match="two cells make the table"):
        readme.tables([nb, nb])


def test_a_table_is_not_wiped_where_its_data_are_missing():
    cell = new_code_cell("t", outputs=[new_output("stream", name="stdout", text="Set5 is not here.\n")])
    cell.metadata["tags"] = ["readme-table", "table-set5"]
    known = readme.tables([new_notebook(cells=[cell])])
    text = "<!-- table:set5 -->\n| x2 |\n| --- |\n| 33.66 |\n<!-- /table -->\n"
    assert readme.fill(text, known, REPO) == text
    assert "33.67" in readme.fill(text, {"set5": "| x2 |\n| --- |\n| 33.67 |"}, REPO)


def test_markdown_output_is_preferred():
    cell = new_code_cell(
        "t", outputs=[new_output("display_data", {"text/markdown": "|m|", "text/plain": "p"})]
    )
    assert readme.table_text(cell) == "|m|"
    with pytest.raises(ValueError, match="stores no text"):
        readme.table_text(new_code_cell("t"))
    with pytest.raises(ValueError, match="needs one tag table-NAME"):
        readme.table_name(new_code_cell("t", metadata={"tags": ["readme-table"]}))


def test_commands_refuse_wrong_usage_in_one_line():
    command = [sys.executable, "-m", "tools.notebooks"]
    for arguments in (["links", "no-owner"], ["check", "99_absent"]):
        answer = subprocess.run(command + arguments, capture_output=True, text=True, cwd=project.ROOT)
        assert answer.returncode == 2 and len(answer.stderr.splitlines()) == 1, answer.stderr


def test_writing_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "a.json"
    project.write_aside(path, json.dumps(1))
    with pytest.raises(UnicodeEncodeError):
        project.write_aside(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "1"
