"""Verdicts on a reader's answer, and the helpers with which the checks of ``lesson_NN.py`` reach one."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass

WORDS = {"open": "No answer yet.", "right": "Right.", "nearly": "Nearly.", "wrong": "Not yet."}


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer.

    Attributes
    ----------
    status : {"open", "right", "nearly", "wrong"}
    text : str
        Why, and where to look; it never gives the answer away.
    """

    status: str
    text: str

    def __str__(self) -> str:
        return f"{WORDS[self.status]} {self.text}"


class Unanswered(Exception):
    """A function that was to be written still has its empty body."""


class Mistaken(Exception):
    """A function that was to be written cannot be used; the message is one sentence for its author."""


def right(text: str) -> Verdict:
    """The verdict on a right answer; the text says what follows from it."""
    return Verdict("right", text)


def nearly(text: str) -> Verdict:
    """The verdict on an answer with one recognised slip; the text names what to look at."""
    return Verdict("nearly", text)


def wrong(text: str) -> Verdict:
    """The verdict on any other answer."""
    return Verdict("wrong", text)


def is_open(answer) -> bool:
    """Whether an answer is still the dots (or the None) that a lesson starts with."""
    return answer is None or answer is Ellipsis


def called(function: Callable, *arguments, **named):
    """What a reader's function returns; the checks call it through here, so that its errors become a verdict.

    Raises
    ------
    Unanswered
        It returned nothing.
    Mistaken
        It is not a function, or it raised.
    """
    if not callable(function):
        raise Mistaken(f"A function is expected; this is of type {type(function).__name__}.")
    try:
        value = function(*arguments, **named)
    except Exception as error:
        raise Mistaken(f"Your function raised {type(error).__name__}: {error}") from error
    if is_open(value):
        raise Unanswered
    return value


def array(value):
    """An answer that has to be numbers (or True and False) as an ndarray; Mistaken says what came instead."""
    import numpy as np

    try:
        found = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise Mistaken(f"An array of numbers is expected; this cannot become one: {error}") from None
    if found.dtype.kind not in "biufc":
        raise Mistaken(f"Numbers are expected; this is of type {type(value).__name__}.")
    return found


def number(value) -> float:
    """An answer that has to be one finite number; Mistaken says what came instead."""
    found = array(value)
    if found.size != 1 or found.dtype.kind == "c":
        raise Mistaken(f"One real number is expected; this has the shape {found.shape}, {found.dtype}.")
    if not math.isfinite(found.item()):
        raise Mistaken(f"A finite number is expected, not {found.item()}.")
    return float(found.item())


def recognised(answer, slips: dict, rtol: float = 1e-3, atol: float = 1e-9) -> Verdict | None:
    """The verdict `nearly` of the first slip that explains an answer, or None.

    Parameters
    ----------
    answer : array_like
    slips : dict of str to array_like
        Reason -> the answer that the slip leads to.
    rtol, atol : float
        As in `numpy.allclose`; the shapes must agree, too.
    """
    import numpy as np

    for reason, value in slips.items():
        if np.shape(value) == np.shape(answer) and np.allclose(answer, value, rtol, atol):
            return nearly(reason)
    return None


def judge(lesson: int, number: int, *answers) -> Verdict:
    """The verdict on an answer.

    Parameters
    ----------
    lesson, number : int
        Exercise `number` (1 to 3) of a lesson.
    *answers
        What the exercise asks for: numbers, arrays or functions.

    Raises
    ------
    ValueError
        There is no such exercise.
    """
    try:
        module = importlib.import_module(f"srutils.exercises.lesson_{lesson:02d}")
        exercise = getattr(module, f"exercise_{number}")
    except (ImportError, AttributeError, ValueError, TypeError):
        raise ValueError(f"there is no exercise {number!r} in lesson {lesson!r}") from None
    if any(is_open(answer) for answer in answers):
        return Verdict("open", "Replace the dots and run this cell again.")
    try:
        return exercise(*answers)
    except Unanswered:
        return Verdict("open", "Write the function's body and run this cell again.")
    except Mistaken as error:
        return wrong(str(error))


def check(lesson: int, number: int, *answers) -> None:
    """Print the verdict on an answer; parameters and errors as in `judge`."""
    print(f"Exercise {lesson}.{number}: {judge(lesson, number, *answers)}")
