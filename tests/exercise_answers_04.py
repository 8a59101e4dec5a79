"""Answers to lesson 04's exercises: right ones, and wrong ones that the checks must tell apart."""

import numpy as np
from scipy.signal import convolve2d

from srutils import metrics, pairs


# ---------------------------------------------------------------- 1: contributions
def laid(n, kernel, stride):
    """By laying the kernels down."""
    counts = np.zeros(2 * [(n - 1) * stride + kernel], int)
    for i in range(0, n * stride, stride):
        for j in range(0, n * stride, stride):
            counts[i : i + kernel, j : j + kernel] += 1
    return counts


def convolved(n, kernel, stride):
    """By a convolution of scattered ones, as lists."""
    ones = np.zeros(2 * [(n - 1) * stride + 1])
    ones[::stride, ::stride] = 1
    return convolve2d(ones, np.ones((kernel, kernel))).tolist()


def row(n, kernel, stride):
    return laid(n, kernel, stride)[0]


def same(n, kernel, stride):
    cut = (laid(n, kernel, stride).shape[0] - n * stride) // 2
    return laid(n, kernel, stride)[cut : cut + n * stride, cut : cut + n * stride]


def all_weights(n, kernel, stride):
    return np.full_like(laid(n, kernel, stride), kernel**2)


ANSWERS = [
    (1, "kernels laid down", (laid,), "right", "where the stride divides the kernel"),
    (1, "a convolution, as lists", (convolved,), "right", "where the stride divides the kernel"),
    (1, "one row", (row,), "nearly", "That is one row"),
    (1, "row plus column", (lambda *c: np.add.outer(row(*c), row(*c)),), "nearly", "You have added"),
    (1, "no stride", (lambda n, k, s: laid(n, k, 1),), "nearly", "one pixel apart"),
    (1, "kernel and stride swapped", (lambda n, k, s: laid(n, s, k),), "nearly", "have changed places"),
    (1, "padding same", (same,), "nearly", "of the middle only"),
    (1, "a kernel's weights", (all_weights,), "nearly", "weights of a kernel"),
    (
        1,
        "as large as the input",
        (lambda n, k, s: np.ones((n, n)),),
        "wrong",
        "9 x 9 pixels; yours has the shape (4, 4)",
    ),
    (1, "one too many", (lambda *c: laid(*c) + 1,), "wrong", "the counts are not"),
    (1, "words", (lambda *c: "a checkerboard",), "wrong", "it gave a str"),
    (1, "an empty body", (lambda *c: None,), "open", "Write the function's body"),
]


# ---------------------------------------------------------------- 2: trust
def fitted(variances, sigma):
    """No formula: the slope of a straight line through noisy and clean numbers, from their exact moments."""
    moments = [np.array([[v + sigma**2, v], [v, v]]) for v in variances]
    return [m[0, 1] / m[0, 0] for m in moments]


ANSWERS += [
    (2, "the formula", (lambda v, s: v / (v + s**2),), "right", "believed as far as it deserves"),
    (2, "a fit", (fitted,), "right", "believed as far as it deserves"),
    (2, "sigma not squared", (lambda v, s: v / (v + s),), "nearly", "Which power of sigma"),
    (2, "spreads", (lambda v, s: v**0.5 / (v**0.5 + s),), "nearly", "are squares"),
    (2, "the noise's share", (lambda v, s: s**2 / (v + s**2),), "nearly", "share of the noise"),
    (2, "signal to noise", (lambda v, s: v / s**2,), "nearly", "has no upper limit"),
    (2, "the spread restored", (lambda v, s: (v / (v + s**2)) ** 0.5,), "nearly", "asks for more caution"),
    (2, "noisy variances", (lambda v, s: np.clip(1 - s**2 / v, 0, 1),), "nearly", "those of clean pictures"),
    (2, "keep or drop", (lambda v, s: (v > s**2).astype(int),), "nearly", "keeps a number or drops it"),
    (
        2,
        "one factor for all",
        (lambda v, s: 1 / (1 + s**2),),
        "wrong",
        "5 variances gave an array of shape ()",
    ),
    (2, "negative", (lambda v, s: v - s**2,), "wrong", "outside 0 to 1"),
    (2, "all believed", (lambda v, s: np.ones_like(v),), "wrong", "For which f is it smallest"),
    (2, "complex", (lambda v, s: (v - 1.0 + 0j) ** 0.5,), "wrong", "complex numbers"),
    (2, "not finite", (lambda v, s: v * np.nan,), "wrong", "NaN or infinity"),
]


# ---------------------------------------------------------------- 3: give back
def low(hr):
    return pairs.degrade(hr, 2)


def up(lr, method="bicubic"):
    return pairs.resize(lr, (2 * lr.shape[-3], 2 * lr.shape[-2]), method)


def back(sr, lr):
    return sr + up(lr - low(sr))


def five_times(sr, lr):
    for _ in range(5):
        sr += up(lr - metrics.quantize(low(sr)), "bilinear")
    return np.clip(sr, 0, 1)


def in_squares(sr, lr):
    return sr + np.kron(lr - low(sr), np.ones((1, 2, 2, 1)))


ANSWERS += [
    (3, "bicubic", (back,), "right", "without a network"),
    (3, "bilinear, five times, rounded", (five_times,), "right", "without a network"),
    (3, "in little squares", (in_squares,), "right", "without a network"),
    (3, "the other sign", (lambda sr, lr: 2 * sr - back(sr, lr),), "nearly", "wrong sign"),
    (3, "the correction alone", (lambda sr, lr: up(lr - low(sr)),), "nearly", "the correction alone"),
    (3, "LR enlarged", (lambda sr, lr: up(lr),), "nearly", "instead of replacing"),
    (3, "half of LR enlarged", (lambda sr, lr: (sr + up(lr)) / 2,), "nearly", "instead of replacing"),
    (3, "divided by four", (lambda sr, lr: sr + up(lr - low(sr)) / 4,), "nearly", "79% of what was missing"),
    (3, "pixels dropped", (lambda sr, lr: sr + up(lr - sr[:, ::2, ::2]),), "nearly", "by dropping pixels"),
    (
        3,
        "other pixels dropped",
        (lambda sr, lr: sr + up(lr - sr[:, 1::2, 1::2], "nearest"),),
        "nearly",
        "section 9",
    ),
    (3, "nothing done", (lambda sr, lr: sr,), "wrong", "1.00 times as much as before"),
    (3, "not enlarged", (lambda sr, lr: lr - low(sr),), "wrong", "has to be enlarged"),
    (3, "shapes that do not fit", (lambda sr, lr: sr + lr - low(sr),), "wrong", "raised ValueError"),
]
