"""Exercises that answer back: right, nearly right and why, or not yet and where to look.

A lesson calls ``exercises.check(lesson, number, answer)`` below each exercise. What counts as right stands in
``lesson_NN.py`` beside this file, one function ``exercise_1`` to ``exercise_3`` each; solutions that pass are
in ``notebooks/solutions``.
"""

from srutils.exercises.verdicts import (
    Mistaken,
    Unanswered,
    Verdict,
    array,
    called,
    check,
    judge,
    nearly,
    number,
    recognised,
    right,
    wrong,
)

__all__ = [
    "Mistaken",
    "Unanswered",
    "Verdict",
    "array",
    "called",
    "check",
    "judge",
    "nearly",
    "number",
    "recognised",
    "right",
    "wrong",
]
