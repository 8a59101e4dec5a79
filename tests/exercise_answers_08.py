"""Answers to the exercises of lesson 08: the right ones, and the slips that have to be told apart."""

import numpy as np


def kish(logs):
    """With SciPy: the square of a sum over the sum of squares, both as logarithms."""
    from scipy.special import logsumexp

    return np.exp(2 * logsumexp(logs) - logsumexp(2 * logs))


def softmax(logs):
    w = np.exp(logs - np.max(logs))
    return 1 / np.sum(np.square(w / w.sum()))


def overflowing(logs):
    w = np.exp(logs)
    return w.sum() ** 2 / (w**2).sum()


def entropy(logs):
    w = np.exp(logs - max(logs))
    w /= w.sum()
    return np.exp(-(w * np.log(w)).sum())


def places(samples, truth, rng, equal=lambda k, rng: rng.integers(0, k + 1)):
    """The rank of each truth, one by one; `equal` draws its place among k equal ones."""
    lots = []
    for column, value in zip(samples.T, truth, strict=True):
        lots.append(np.count_nonzero(column < value) + equal(np.count_nonzero(column == value), rng))
    return np.array(lots)


def histogram(samples, truth, rng):
    return np.bincount(places(samples, truth, rng), minlength=len(samples) + 1)


def by_sorting(samples, truth, rng):
    """Break ties by a second, random key."""
    everything = np.concatenate([truth[None], samples])
    lots = rng.random(everything.shape)
    return np.bincount(
        np.argmax(np.lexsort((lots, everything), axis=0) == 0, axis=0), minlength=len(everything)
    )


def with_ties(rule):
    def counted(samples, truth, rng):
        return np.bincount(places(samples, truth, rng, rule), minlength=len(samples) + 1)

    return counted


ANSWERS = [
    (1, "softmax", (softmax,), "right", "worth their number"),
    (1, "logsumexp", (kish,), "right", "worth their number"),
    (1, "overflow", (overflowing,), "nearly", "near -5,000"),
    (1, "logarithms as weights", (lambda x: x.sum() ** 2 / (x**2).sum(),), "nearly", "treat the logarithms"),
    (1, "sum not 1", (lambda x: 1 / np.sum(np.exp(2 * (x - max(x)))),), "nearly", "divide by their sum"),
    (1, "share", (lambda x: softmax(x) / len(x),), "nearly", "share of the draws"),
    (1, "entropy", (entropy,), "nearly", "entropy"),
    (1, "inverse", (lambda x: 1 / softmax(x),), "nearly", "its inverse"),
    (1, "sum", (lambda x: np.sum(np.exp(x - x.max())),), "nearly", "squares are missing"),
    (1, "the weights", (lambda x: np.exp(x - x.max()),), "wrong", "array of shape (40,)"),
    (1, "their number", (lambda x: len(x) / 2,), "wrong", "yours are worth 3.5"),
    (2, "formula", (lambda n, a, b: b / n + a,), "right", "0.26 dB for 16"),
    (2, "one sample", (lambda n, a, b: a + b,), "nearly", "single sample"),
    (2, "both fall", (lambda n, a, b: (a + b) / n,), "nearly", "what LR has lost"),
    (2, "honest only", (lambda n, a, b: a * (n + 1) / n,), "nearly", "honest samples"),
    (2, "root of n", (lambda n, a, b: a + b / n**0.5,), "nearly", "root of n"),
    (2, "square of n", (lambda n, a, b: a + b / n**2,), "nearly", "Too good"),
    (2, "n - 1", (lambda n, a, b: a + b / (n - 1),), "nearly", "estimate"),
    (2, "swapped", (lambda n, a, b: a / n + b,), "nearly", "changed places"),
    (2, "root", (lambda n, a, b: (a + b / n) ** 0.5,), "nearly", "leave the root away"),
    (2, "PSNR", (lambda n, a, b: -10 * np.log10(a + b / n),), "nearly", "PSNR"),
    (2, "the smaller", (lambda n, a, b: min(a, b),), "wrong", "know nothing of each other"),
    (3, "one by one", (histogram,), "right", "histogram is level"),
    (3, "by sorting", (by_sorting,), "right", "histogram is level"),
    (3, "lowest place", (with_ties(lambda k, rng: 0),), "nearly", "lowest"),
    (3, "highest place", (with_ties(lambda k, rng: k),), "nearly", "highest"),
    (3, "middle", (with_ties(lambda k, rng: k // 2),), "nearly", "middle"),
    (3, "k places", (with_ties(lambda k, rng: rng.integers(0, k) if k else 0),), "nearly", "k + 1 places"),
    (3, "one lot for all", (with_ties(lambda k, rng: round(0.8 * k)),), "wrong", "about 800 times"),
    (3, "mirrored", (lambda *x: histogram(*x)[::-1],), "nearly", "mirrored"),
    (3, "shares", (lambda *x: histogram(*x) / len(x[1]),), "nearly", "whole numbers"),
    (3, "n bins", (lambda *x: np.histogram(places(*x), 9, (0, 9))[0],), "nearly", "share a bin"),
    (3, "no zeros", (lambda *x: np.bincount(np.minimum(places(*x), 7)),), "nearly", "minlength"),
    (3, "the ranks", (places,), "wrong", "Those are the ranks"),
    (3, "too few", (lambda s, t, r: histogram(s, t, r) // 2,), "wrong", "sum of your counts"),
]  # fmt: skip
