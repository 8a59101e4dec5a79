"""Answers to the exercises of lesson 07: the right ones, and the slips that have to be told apart."""

import math

import numpy as np
import pandas as pd


def by_lens(x, lens):
    return pd.Series(x).groupby(lens).mean().to_numpy()


def error(x, ddof=1):
    return np.std(x, ddof=ddof) / math.sqrt(len(x))


def paired(a, b, lens):
    return np.mean(a - b), error(by_lens(a - b, lens))


def jackknife(a, b, lens):
    d = by_lens(a, lens) - by_lens(b, lens)
    without = np.array([np.delete(d, i).mean() for i in range(len(d))])
    return d.mean(), np.sqrt((len(d) - 1) * np.mean((without - without.mean()) ** 2))


def beside(wrong_error):
    """The right mean with another error."""
    return lambda a, b, lens: (a.mean() - b.mean(), wrong_error(a, b, lens))


def side_by_side(a, b, lens):
    return error((a - b).reshape(len(set(lens)), -1).mean(1))


def twelve_images(a, b, lens):
    return np.std(by_lens(a - b, lens), ddof=1) / math.sqrt(len(a))


def limit(scores, rate):
    """By counting down, one score after the other."""
    for above, score in zip(range(len(scores), 0, -1), np.sort(scores), strict=True):
        if above / (len(scores) + 1) <= rate:
            return score
    return np.inf


def conformal(scores, rate):
    rank = math.ceil((len(scores) + 1) * (1 - rate))
    return np.inf if rank > len(scores) else sorted(scores)[rank - 1]


def finite(scores, rate):
    return min(limit(scores, rate), np.max(scores))


def nothing(scores, rate):
    return limit(scores, rate) if np.isfinite(limit(scores, rate)) else None


def two_sigma(scores, rate):
    from scipy.stats import norm

    return scores.mean() + norm.ppf(1 - rate) * scores.std(ddof=1)


def means(noise, block):
    """By hand, block by block."""
    n, h, w = noise.shape
    corners = [(y, x) for y in range(0, h, block) for x in range(0, w, block)]
    return np.array([noise[:, y : y + block, x : x + block].mean((1, 2)) for y, x in corners])


def underrated(noise, block):
    return means(noise, block).std() / (noise.std() / block)


def about_zero(noise, block):
    return block * np.sqrt(np.mean(means(noise, block) ** 2) / np.mean(noise**2))


def strips(noise, block):
    n, h, w = noise.shape
    return noise.reshape(n, h // block, w // block, block, block).mean((3, 4)).std() * block / noise.std()


def each_picture(noise, block):
    return np.mean([underrated(one[None], block) for one in noise])


ANSWERS = [
    (1, "by lens", (paired,), "right", "The number that counts is that of the lenses"),
    (1, "jackknife", (jackknife,), "right", "The number that counts is that of the lenses"),
    (1, "image by image", (beside(lambda a, b, lens: error(a - b)),), "nearly", "independent differences"),
    (1, "not paired", (beside(lambda a, b, lens: np.hypot(error(a), error(b))),), "nearly", "drops out"),
    (1, "not paired, by lens",
     (beside(lambda a, b, lens: math.hypot(error(by_lens(a, lens)), error(by_lens(b, lens)))),),
     "nearly", "different lenses"),
    (1, "scatter", (beside(lambda a, b, lens: np.std(a - b)),), "nearly", "single difference"),
    (1, "divided by n", (beside(lambda a, b, lens: error(by_lens(a - b, lens), 0)),), "nearly", "one less"),
    (1, "root of the images", (beside(twelve_images),), "nearly", "number of *images*"),
    (1, "side by side", (beside(side_by_side),), "nearly", "stand side by side"),
    (1, "a square", (beside(lambda *x: paired(*x)[1] ** 2),), "nearly", "square of the standard error"),
    (1, "sign", (lambda a, b, lens: paired(b, a, lens),), "nearly", "sign"),
    (1, "the mean alone", (lambda a, b, lens: np.mean(a - b),), "nearly", "beside it"),
    (1, "another mean", (lambda a, b, lens: (np.median(a - b), 0.1),), "wrong", "mean of `a` minus"),
    (1, "twice the error", (beside(lambda *x: 2 * paired(*x)[1]),), "wrong", "2.00 times"),
    (1, "all differences", (lambda a, b, lens: a - b,), "wrong", "has the shape (36,)"),
    (2, "counted down", (limit,), "right", "the promise holds"),
    (2, "by rank", (conformal,), "right", "the promise holds"),
    (2, "never infinite", (finite,), "nearly", "largest of thirteen"),
    (2, "None if too few", (nothing,), "nearly", "largest of thirteen"),
    (2, "quantile", (lambda s, r: np.quantile(s, 1 - r),), "nearly", "quantile of the scores that you have"),
    (2, "a score as quantile", (lambda s, r: np.quantile(s, 1 - r, method="higher"),), "nearly", "n + 1"),
    (2, "bell curve", (two_sigma,), "nearly", "long tail"),
    (2, "largest", (lambda s, r: max(s),), "nearly", "a smaller limit would do"),
    (2, "too strict", (lambda s, r: limit(s, r) + 0.3,), "wrong", "gives discoveries away"),
    (2, "too lax", (lambda s, r: np.median(s),), "wrong", "is exceeded by"),
    (2, "NaN", (lambda s, r: np.nan,), "wrong", "NaN"),
    (2, "a list", (lambda s, r: list(s),), "wrong", "One number is expected"),
    (3, "block by block", (underrated,), "right", "a factor of 1"),
    (3, "about zero", (about_zero,), "right", "a factor of 1"),
    (3, "inverse", (lambda n, b: 1 / underrated(n, b),), "nearly", "the inverse"),
    (3, "variances", (lambda n, b: underrated(n, b) ** 2,), "nearly", "ratio of the variances"),
    (3, "no root", (lambda n, b: b * underrated(n, b),), "nearly", "falls with its root"),
    (3, "single pixel", (lambda n, b: means(n, b).std() / n.std(),), "nearly", "single pixel"),
    (3, "root of the side", (lambda n, b: underrated(n, b) / b**0.5,), "nearly", "pixels on a side"),
    (3, "strips", (strips,), "nearly", "not squares"),
    (3, "one pixel of each", (lambda n, b: n[:, ::b, ::b].std() / n.std(),), "nearly", "one pixel of each"),
    (3, "picture by picture", (each_picture,), "nearly", "all pictures together"),
    (3, "a map", (lambda n, b: means(n, b),), "wrong", "One number"),
    (3, "always one", (lambda n, b: 1.0,), "wrong", "an error of its own"),
]  # fmt: skip
