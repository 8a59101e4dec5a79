"""The exercises' checks: the frame, and every deliberately wrong answer is told apart.

The answers to lesson NN stand in exercise_answers_NN.py: ``ANSWERS`` is a list of tuples (exercise, name of
the case, answers, expected status, words of the reason); `answers` is a tuple, or a function that makes it.
"""

import importlib
from pathlib import Path

import pytest

from srutils import exercises
from tools.notebook_files import read_script
from tools.project import ROOT, lessons, script_of

HERE = Path(__file__).parent
NUMBERS = sorted(int(path.stem[-2:]) for path in HERE.glob("exercise_answers_[0-9][0-9].py"))
TABLES = {n: importlib.import_module(f"exercise_answers_{n:02d}").ANSWERS for n in NUMBERS}
CASES = [(lesson, *case) for lesson, table in TABLES.items() for case in table]


@pytest.mark.parametrize(
    ("lesson", "number", "name", "answers", "status", "words"),
    CASES,
    ids=[f"{lesson}.{number} {name}".replace(" ", "-") for lesson, number, name, *_ in CASES],
)
def test_every_answer_is_told_apart(lesson, number, name, answers, status, words):
    verdict = exercises.judge(lesson, number, *(answers() if callable(answers) else answers))
    assert verdict.status == status and words in verdict.text, str(verdict)


@pytest.mark.parametrize("lesson", NUMBERS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_exercise_has_answers_of_every_kind(lesson, number):
    """One right answer, two nearly right, and three reasons that tell those that are not right apart."""
    mine = [(status, words) for k, _, _, status, words in TABLES[lesson] if k == number]
    kinds = [status for status, _ in mine]
    assert kinds.count("right") >= 1 and kinds.count("nearly") >= 2
    reasons = {words for status, words in mine if status != "right"}
    assert len(reasons) >= 3 and "" not in reasons, reasons


def test_each_lesson_has_its_exercises():
    present = [int(path.stem[:2]) for path in lessons()]
    checked = sorted(int(p.stem[-2:]) for p in (ROOT / "srutils" / "exercises").glob("lesson_[0-9][0-9].py"))
    assert checked == present == NUMBERS


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_a_lesson_as_it_is_handed_out_has_no_answer_yet(path, capsys):
    """The cells of its exercises run by themselves, and each check says that it waits for an answer."""
    names, number = {}, int(path.stem[:2])
    for cell in read_script(script_of(path)).cells:
        if "exercise" in cell.metadata.get("tags", []):
            exec(compile(cell.source, path.stem, "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert [line[:28] for line in said] == [f"Exercise {number}.{k}: No answer yet." for k in (1, 2, 3)]


@pytest.mark.parametrize("empty", [None, ...], ids=["None", "dots"])
def test_an_open_answer_is_no_mistake(empty, capsys):
    assert exercises.judge(2, 1, empty).status == "open"
    assert exercises.judge(2, 1, lambda *a, **k: empty).status == "open"
    exercises.check(2, 1, empty)
    expected = "Exercise 2.1: No answer yet. Replace the dots and run this cell again.\n"
    assert capsys.readouterr().out == expected


def test_a_function_that_fails_gets_a_verdict():
    def broken(*arguments):
        raise KeyError("lens")

    verdict = exercises.judge(2, 1, broken)
    assert verdict.status == "wrong" and "KeyError: 'lens'" in verdict.text


def test_not_a_function_gets_a_verdict():
    verdict = exercises.judge(2, 1, 3.0)
    assert str(verdict) == "Not yet. A function is expected; this is of type float."


@pytest.mark.parametrize(
    ("lesson", "number"), [(2, 4), (2, 0), (99, 1), (2, "x"), ("two", 1), (None, 1), (2.5, 1)]
)
def test_an_unknown_exercise_is_refused(lesson, number):
    with pytest.raises(ValueError, match="there is no exercise"):
        exercises.judge(lesson, number, 1)


def test_a_mistake_in_the_checks_is_not_the_readers(monkeypatch):
    module = importlib.import_module("srutils.exercises.lesson_02")

    def faulty(answer):
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(module, "exercise_1", faulty)
    with pytest.raises(TypeError, match="a mistake of ours"):
        exercises.judge(2, 1, 1)
