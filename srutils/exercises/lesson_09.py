"""Lesson 09: one square of JPEG, how many votes it takes, and the price of not knowing the damage."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from srutils.exercises import Mistaken, Verdict, nearly, right, wrong
from srutils.exercises.formulas import agree, results, slip

# the luminance table that the JPEG standard gives as an example (ITU-T T.81, table K.1): quality 50
TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    float,
)


# ---------------------------------------------------------------- 1: one square of JPEG
def _square(block, table, *, rounding=np.round, norm="ortho", shift=128.0, order=True):
    from scipy.fft import dctn, idctn

    waves = dctn(np.asarray(block, float) - shift, norm=norm)
    kept = rounding(waves / table) * table if order else rounding(waves) / table * table
    return idctn(kept, norm=norm) + shift


def _without_return(block, table):
    return _square(block, table) - 128


SQUARE_SLIPS = [
    (
        lambda block, table: _square(block, table, rounding=lambda x: x),
        "That gives the block back: nothing was rounded. What is written into the file is whole numbers.",
    ),
    (
        lambda block, table: _square(block, table, rounding=np.floor),
        "You round down; JPEG rounds to the nearest whole number.",
    ),
    (
        lambda block, table: _square(block, table, rounding=np.trunc),
        "You cut the decimals off; JPEG rounds to the nearest whole number.",
    ),
    (
        lambda block, table: _square(block, table, order=False),
        "You round the waves before they are divided. Then the table changes nothing: divide first.",
    ),
    (
        lambda block, table: _square(block, table, norm=None),
        "Your transform is not the orthonormal one: its waves are larger, so less is rounded away. Both ways "
        "need norm='ortho'.",
    ),
    (
        lambda block, table: _square(block, table, shift=0.0),
        "Nearly everything is right, but 128 is to be taken off before the transform and put back after it.",
    ),
    (_without_return, "128 was taken off and not put back."),
    (
        lambda block, table: _square(block, table) + 128,
        "128 was put on once too often: it is taken off before, and put back after.",
    ),
]


def exercise_1(jpeg_square: Callable) -> Verdict:
    """The function takes a square of levels through JPEG's transform, rounding and back."""
    rng = np.random.default_rng(0)
    edge = np.where(np.arange(8) < 5, 60.0, 200.0) * np.ones((8, 1))
    blocks = [edge, rng.integers(0, 256, (8, 8)).astype(float), edge.T + rng.normal(0, 5, (8, 8))]
    table = np.round(0.7 * TABLE)  # about quality 65; 128 off does not happen to change nothing, as at 50
    cases = [(block.copy(), table.copy()) for block in blocks]
    found = results(jpeg_square, cases)
    if any(a.shape != (8, 8) for a in found):
        return wrong(f"A block of 8 x 8 levels is to come back; yours has the shape {found[0].shape}.")
    if agree(found, _square, cases):
        return right(
            "An edge of 140 levels came back with ripples all over its square, and each of them is an exact "
            "wave: that is what a network takes for structure. The square beside it knows nothing of them."
        )
    return slip(found, SQUARE_SLIPS, cases) or wrong(
        "Your levels differ from those that JPEG leaves. The steps in order: take 128 off, transform, "
        "divide, round, multiply, transform back, put 128 back."
    )


# ---------------------------------------------------------------- 2: how many votes?
def _tail(wins: int, votes: int) -> float:
    """The probability of `wins` or more."""
    return sum(math.comb(votes, k) for k in range(wins, votes + 1)) / 2**votes


def _by_chance(wins: int, votes: int) -> float:
    return min(1.0, 2 * _tail(max(wins, votes - wins), votes))


def _normal(wins: int, votes: int) -> float:
    return math.erfc(abs(wins - votes / 2) / (votes / 4) ** 0.5 / 2**0.5)


VOTE_SLIPS = [
    (
        lambda w, n: _tail(max(w, n - w), n),
        "That is one end: the probability that *this* side wins so clearly. Whichever side won, you "
        "would have been as surprised.",
    ),
    (
        lambda w, n: _tail(w, n),
        "That is the probability of so many wins or more. It has one end only, and if the first side lost it "
        "is the wrong one.",
    ),
    (
        lambda w, n: min(1.0, 2 * _tail(max(w, n - w) + 1, n)),
        "You count the results that are *more* one-sided. At least as one-sided includes the result itself.",
    ),
    (
        lambda w, n: 2 * _tail(max(w, n - w), n),
        "Twice the end, and a probability above 1 where the votes are even: the middle was counted twice.",
    ),
    (
        lambda w, n: 2 * _tail(w, n),
        "You double the upper end even where the first side lost; then it is the lower end that is short.",
    ),
    (
        lambda w, n: math.comb(n, w) / 2**n,
        "That is the probability of exactly this result. With many votes every single result is improbable; "
        "add those that are further out.",
    ),
    (
        lambda w, n: 2 * math.comb(n, w) / 2**n,
        "That is this result, and its mirror image. Add those that are further out.",
    ),
    (
        _normal,
        "That is the normal approximation. With ten votes it is far off; `math.comb` gives the exact number.",
    ),
    (
        lambda w, n: 1 - _by_chance(w, n),
        "That is the probability of a *less* one-sided result.",
    ),
]


def exercise_2(by_chance: Callable) -> Verdict:
    """The function is the exact two-sided sign test."""
    cases = [(9, 10), (1, 10), (6, 6), (7, 12), (5, 10), (60, 100), (90, 100)]
    found = results(by_chance, cases)
    if any(a.size != 1 for a in found):
        return wrong(f"One probability is asked for; yours has the shape {found[0].shape}.")
    found = [a.reshape(()) for a in found]
    if agree(found, _by_chance, cases):
        return right(
            "Nine of ten is one case in about 47 by chance: a hint. Ninety of a hundred does not happen by "
            "chance. And six of six, one in 32, is what this lesson's vote can show at best."
        )
    known = slip(found, VOTE_SLIPS, cases)
    if known is None and any(not -1e-9 <= float(a) <= 1 + 1e-9 for a in found):
        return wrong("A probability lies between 0 and 1; yours does not for every result.")
    return known or wrong(
        "Add up how many of the 2**votes ways are at least as far from the middle as this result, on either "
        "side, and divide."
    )


# ---------------------------------------------------------------- 3: the price of not knowing
def _price(p, clean, spoiled):
    return np.array([(p * (spoiled - clean)) ** 2, ((1 - p) * (spoiled - clean)) ** 2])


PRICE_SLIPS = [
    (
        lambda p, c, s: _price(p, c, s)[::-1],
        "The two are in the wrong order, or the mean has its weights crossed: where spoiled pictures are "
        "rare, the clean ones pay little.",
    ),
    (
        lambda p, c, s: _price(p, c, s) ** 0.5,
        "Those are the distances from the answer. The squared errors are asked for.",
    ),
    (
        lambda p, c, s: np.array([p, 1 - p]) * (s - c) ** 2,
        "The weight has to be squared, too: it is part of the distance.",
    ),
    (
        lambda p, c, s: np.full(2, (s - c) ** 2 / 4),
        "Your answer lies half-way, whatever `p` is. The rarer kind has less weight.",
    ),
    (
        lambda p, c, s: _price(p, c, s) * np.array([1 - p, p]),
        "You multiplied each error by how often it occurs. That is its share in the mean over all pictures; "
        "asked for is the error where it occurs.",
    ),
    (
        lambda p, c, s: np.array([0.0, (s - c) ** 2]),
        "That network always answers as for clean pictures. It minimises over both kinds.",
    ),
]


def exercise_3(price: Callable) -> Verdict:
    """The function gives the squared errors of the mean of two possible truths."""
    cases = [(0.25, 0.5, 0.9), (0.5, 0.2, 0.1), (0.8, 0.6, 0.3)]
    found = results(price, cases)
    if all(a.size == 1 for a in found):
        p, clean, spoiled = cases[0]
        if np.isclose(float(found[0].reshape(())), p * (1 - p) * (spoiled - clean) ** 2):
            return nearly("That is the mean over all pictures, and it is right. Which part is whose?")
        raise Mistaken(
            "Your function has to return two numbers: for the clean pictures, for the spoiled ones."
        )
    if any(a.shape != (2,) for a in found):
        return wrong(f"Two numbers are asked for; yours have the shape {found[0].shape}.")
    if agree(found, _price, cases):
        return right(
            "The answer is the mean of the two truths, and the clean pictures pay p squared. If you train on "
            "three spoiled in four and meet clean ones, they pay nine times what they would with one in four."
        )
    return slip(found, PRICE_SLIPS, cases) or wrong(
        "The least mean squared error has the mean of both truths, weighted by how often each occurs. How "
        "far is it from either?"
    )
