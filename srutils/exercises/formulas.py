"""Does a reader's function compute the right formula, or one that is known for a slip?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srutils.exercises import Mistaken, Verdict, array, called, nearly


def results(function: Callable, cases: list[tuple]) -> list[np.ndarray]:
    """What a reader's function returns for each case's arguments, as arrays of finite float64.

    Raises
    ------
    Unanswered, Mistaken
        As `srutils.exercises.called`; Mistaken also if the function returns anything but finite real numbers.
    """
    returned = [called(function, *case) for case in cases]
    try:
        arrays = [array(value) for value in returned]
    except Mistaken:
        kind = type(returned[0]).__name__
        raise Mistaken(
            f"Your function has to return numbers or an array of them; it gave a {kind}."
        ) from None
    if any(np.iscomplexobj(found) for found in arrays):
        raise Mistaken("Your function returned complex numbers: the root of something negative?")
    arrays = [found.astype(np.float64) for found in arrays]
    if not all(np.isfinite(found).all() for found in arrays):
        raise Mistaken("Your function returned NaN or infinity.")
    return arrays


def agree(arrays: list[np.ndarray], formula: Callable, cases: list[tuple]) -> bool:
    """Whether all arrays have the shape and, to a millionth, the values that a formula gives."""
    wanted = [np.asarray(formula(*case), np.float64) for case in cases]
    return all(
        a.shape == b.shape and np.allclose(a, b, 1e-6, 1e-9) for a, b in zip(arrays, wanted, strict=True)
    )


def slip(arrays: list[np.ndarray], known: list[tuple[Callable, str]], cases: list[tuple]) -> Verdict | None:
    """The verdict on the first known slip, a pair of formula and reason, that the arrays agree with."""
    return next((nearly(reason) for formula, reason in known if agree(arrays, formula, cases)), None)
