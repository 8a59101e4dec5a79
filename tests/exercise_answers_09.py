"""Answers to lesson 09's exercises: right ones, and wrong ones that the checks must tell apart."""

import math

import numpy as np
from scipy.fft import dctn, idctn
from scipy.stats import binomtest


# ---------------------------------------------------------------- 1: one square of JPEG
def square(block, table):
    return idctn(np.round(dctn(block - 128, norm="ortho") / table) * table, norm="ortho") + 128


def by_matrices(block, table):
    k, x = np.mgrid[:8, :8]
    cosine = np.cos(np.pi * (2 * x + 1) * k / 16) / 2
    cosine[0] /= 2**0.5
    waves = cosine @ (block - 128) @ cosine.T
    return cosine.T @ (np.rint(waves / table) * table) @ cosine + 128


def other(rounding=np.round, norm="ortho", shift=128):
    return lambda b, t: idctn(rounding(dctn(b - shift, norm=norm) / t) * t, norm=norm) + shift


ANSWERS = [
    (1, "scipy", (square,), "right", "ripples all over its square"),
    (1, "by matrices", (by_matrices,), "right", "ripples all over its square"),
    (1, "no rounding", (other(lambda x: x),), "nearly", "nothing was rounded"),
    (1, "floor", (other(np.floor),), "nearly", "You round down"),
    (1, "cut off", (other(np.trunc),), "nearly", "cut the decimals off"),
    (
        1,
        "round first",
        (lambda b, t: idctn(np.round(dctn(b - 128, norm="ortho")) / t * t, norm="ortho") + 128,),
        "nearly",
        "before they are divided",
    ),
    (1, "not orthonormal", (other(norm=None),), "nearly", "not the orthonormal one"),
    (1, "no shift", (other(shift=0),), "nearly", "128 is to be taken off before"),
    (1, "shift not undone", (lambda b, t: square(b, t) - 128,), "nearly", "not put back"),
    (1, "shifted twice", (lambda b, t: square(b, t) + 128,), "nearly", "once too often"),
    (1, "the waves", (lambda b, t: dctn(b - 128, norm="ortho"),), "wrong", "The steps in order"),
    (1, "one row", (lambda b, t: square(b, t)[0],), "wrong", "shape (8,)"),
]


# ---------------------------------------------------------------- 2: how many votes?
def tail(wins, votes):
    return sum(math.comb(votes, k) for k in range(wins, votes + 1)) / 2**votes


def far_out(wins, votes):
    """Every result that is at least as far from the middle."""
    far = abs(2 * wins - votes)
    return sum(math.comb(votes, k) for k in range(votes + 1) if abs(2 * k - votes) >= far) / 2**votes


def most(wins, votes):
    return max(wins, votes - wins)


ANSWERS += [
    (2, "counted", (far_out,), "right", "Nine of ten"),
    (2, "scipy", (lambda w, n: binomtest(w, n).pvalue,), "right", "Nine of ten"),
    (2, "one end", (lambda w, n: tail(most(w, n), n),), "nearly", "That is one end"),
    (2, "upper end", (tail,), "nearly", "so many wins or more"),
    (2, "more than", (lambda w, n: min(1, 2 * tail(most(w, n) + 1, n)),), "nearly", "includes the result"),
    (2, "middle twice", (lambda w, n: 2 * tail(most(w, n), n),), "nearly", "the middle was counted twice"),
    (2, "upper end twice", (lambda w, n: 2 * tail(w, n),), "nearly", "even where the first side lost"),
    (2, "exactly", (lambda w, n: math.comb(n, w) / 2**n,), "nearly", "exactly this result"),
    (2, "both exactly", (lambda w, n: 2 * math.comb(n, w) / 2**n,), "nearly", "its mirror image"),
    (
        2,
        "normal",
        (lambda w, n: math.erfc(abs(2 * w - n) / (2 * n) ** 0.5),),
        "nearly",
        "normal approximation",
    ),
    (2, "complement", (lambda w, n: 1 - far_out(w, n),), "nearly", "*less* one-sided"),
    (2, "per cent", (lambda w, n: 100 * far_out(w, n),), "wrong", "between 0 and 1"),
    (2, "share", (lambda w, n: w / n,), "wrong", "on either side"),
    (2, "list", (lambda w, n: [w, n],), "wrong", "shape (2,)"),
]


# ---------------------------------------------------------------- 3: the price of not knowing
def price(p, clean, spoiled):
    answer = (1 - p) * clean + p * spoiled
    return (answer - clean) ** 2, (answer - spoiled) ** 2


def per_picture(p, c, s):
    a, b = price(p, c, s)
    return (1 - p) * a, p * b


ANSWERS += [
    (3, "the mean", (price,), "right", "p squared"),
    (3, "shortened", (lambda p, c, s: (s - c) ** 2 * np.array([p, 1 - p]) ** 2,), "right", "p squared"),
    (3, "crossed", (lambda p, c, s: price(1 - p, c, s),), "nearly", "wrong order"),
    (3, "distances", (lambda p, c, s: np.sqrt(price(p, c, s)),), "nearly", "distances from the answer"),
    (
        3,
        "weight not squared",
        (lambda p, c, s: ((s - c) ** 2 * p, (s - c) ** 2 * (1 - p)),),
        "nearly",
        "has to be squared",
    ),
    (3, "half-way", (lambda p, c, s: price(0.5, c, s),), "nearly", "half-way"),
    (3, "shares", (per_picture,), "nearly", "how often it occurs"),
    (3, "always clean", (lambda p, c, s: (0.0, (s - c) ** 2),), "nearly", "always answers as for clean"),
    (3, "in the mean", (lambda p, c, s: sum(per_picture(p, c, s)),), "nearly", "Which part is whose"),
    (3, "one number", (lambda p, c, s: (s - c) ** 2,), "wrong", "two numbers"),
    (3, "three", (lambda p, c, s: (p, c, s),), "wrong", "shape (3,)"),
    (3, "truths", (lambda p, c, s: (c, s),), "wrong", "weighted by how often"),
]
