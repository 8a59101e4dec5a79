"""Answers to the exercises of lesson 01: see test_exercises.py."""

import numpy as np

from srutils.exercises import lesson_01

# ---------------------------------------------------------------- 1


def kernel(hr, lr):
    """The 6 x 6 weights that make LR of HR, by least squares, as the lesson's `fit_kernel`."""
    hr, lr = hr[..., 0].astype(float), lr[..., 0].astype(float)
    around = np.lib.stride_tricks.sliding_window_view(hr, (6, 6), axis=(1, 2))[:, ::2, ::2].reshape(-1, 36)
    return np.linalg.lstsq(around, lr[:, 1:-1, 1:-1].ravel(), rcond=None)[0].reshape(6, 6)


def outer(weights):
    """Sum of the outer weights along both axes: four of them."""
    return (weights.sum(0) + weights.sum(1))[[1, 4]].sum()


def find_a(hr, lr):
    weights = kernel(hr, lr)
    return 2 * outer(weights) / weights.sum()


def reads_the_inner(hr, lr):
    return 4 * kernel(hr, lr).sum(0)[[2, 3]].sum()


# ---------------------------------------------------------------- 2
IN_HR, IN_LR = 17.09, 8.884


def clump(x, y, theta_s, x0, y0):
    dx, dy = x - x0, y - y0
    return theta_s**2 * dx / (dx**2 + dy**2), theta_s**2 * dy / (dx**2 + dy**2)


def repelling(*case):
    return -np.array(clump(*case))


def not_squared(x, y, theta_s, x0, y0):
    return clump(x, y, theta_s**0.5, x0, y0)


def never_weaker(x, y, theta_s, x0, y0):
    d = np.array([x - x0, y - y0])
    return theta_s**2 * d / np.hypot(*d)


def in_the_middle(x, y, theta_s, x0, y0):
    return clump(x, y, theta_s, 0, 0)


def slip(words):
    """The numbers that one of the known slips gives."""
    (value,) = (v for reason, v in lesson_01._significances().items() if words in reason)
    return clump, *(float(v) for v in value)


# ---------------------------------------------------------------- 3


def hold_out(source, share, seed):
    names, counts = np.unique(source, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = np.searchsorted(counts[order].cumsum(), share * len(source)) + 1
    return np.isin(source, names[order[:taken]])


def by_crop(source, share, seed):
    return np.random.default_rng(seed).random(len(source)) < share


def the_first(source, share, seed):
    names, counts = np.unique(source, return_counts=True)
    return np.isin(source, names[counts.cumsum() <= share * len(source)])


def first_in_line(source, share, seed):
    return np.arange(len(source)) < share * len(source)


def a_share_of_names(source, share, seed):
    names = np.unique(source)
    return np.isin(source, np.random.default_rng(seed).permutation(names)[: int(share * len(names))])


def without_seed(source, share, seed):
    return hold_out(source, share, None)


def numbers_of_crops(source, share, seed):
    return np.flatnonzero(hold_out(source, share, seed))


ANSWERS = [
    (1, "right", (find_a,), "right", "PyTorch and OpenCV"),
    (1, "LR's unit", (lambda *p: 2 * outer(kernel(*p)),), "nearly", "what do its weights add up to"),
    (1, "the weight itself", (lambda *p: outer(kernel(*p)) / 4,), "nearly", "Which multiple of it is a?"),
    (1, "weight in HR's unit", (lambda *p: find_a(*p) / 8,), "nearly", "in HR's own unit. Which multiple"),
    (1, "sign", (lambda *p: -find_a(*p),), "nearly", "have a negative outer weight"),
    (1, "sign and unit", (lambda *p: -2 * outer(kernel(*p)),), "nearly", "The sign, and the unit"),
    (1, "sum of two", (lambda *p: 2 * find_a(*p),), "nearly", "their mean is wanted"),
    (1, "sum and unit", (lambda *p: 4 * outer(kernel(*p)),), "nearly", "LR's unit is still in it"),
    (1, "corner", (lambda *p: 8 * kernel(*p)[1, 1],), "nearly", "a product of two outer weights"),
    (1, "inner weight", (reads_the_inner,), "nearly", "as if it were the outer one"),
    (1, "everybody is PyTorch", (lambda hr, lr: -0.75,), "wrong", "gives -0.750, one with -0.5 gives -0.750"),
    (1, "a string", (lambda hr, lr: "Keys",), "wrong", "Numbers are expected"),
    (2, "right", (clump, IN_HR, IN_LR), "right", "LR x4 keeps half"),
    (2, "rounded", (clump, 17.0, 8.9), "right", "LR x4 keeps half"),
    (2, "a clump that repels", (repelling, IN_HR, IN_LR), "nearly", "pushes light away"),
    (2, "not squared", (not_squared, IN_HR, IN_LR), "nearly", "mass goes with theta_s squared"),
    (2, "never weaker", (never_weaker, IN_HR, IN_LR), "nearly", "how long is d / |d|^2"),
    (2, "in the middle", (in_the_middle, IN_HR, IN_LR), "nearly", "sits in the middle of the field"),
    (2, "one component", (lambda *case: clump(*case)[0], IN_HR, IN_LR), "wrong", "It has two components"),
    (2, "no sky", lambda: slip("the dark sky is missing"), "nearly", "the dark sky is missing"),
    (2, "a small pixel's noise", lambda: slip("16 times the area"), "nearly", "16 times the area"),
    (2, "blurred twice", lambda: slip("look through HR's"), "nearly", "does not look through HR's"),
    (2, "strongest pixel", lambda: slip("strongest pixel"), "nearly", "That is the strongest pixel"),
    (2, "sum", lambda: slip("sigmas up"), "nearly", "Independent pixels add in squares"),
    (2, "no root", lambda: slip("but sigma is their root"), "nearly", "sigma is their root"),
    (2, "mean", lambda: slip("a typical pixel"), "nearly", "sigma of a typical pixel"),
    (2, "variance", lambda: slip("divided by the variance"), "nearly", "its root is the noise"),
    (2, "swapped", (clump, IN_LR, IN_HR), "nearly", "the first number is HR's"),
    (2, "a guess", (clump, 3.0, 1.0), "wrong", "the sigmas are not"),
    (2, "not a number", (clump, float("nan"), 1.0), "wrong", "A finite number is expected"),
    (3, "right", (hold_out,), "right", "GroupShuffleSplit"),
    (3, "by crop", (by_crop,), "nearly", "There are crops of one photograph on both sides"),
    (3, "the first in line", (first_in_line,), "nearly", "on both sides"),
    (3, "no seed", (without_seed,), "nearly", "nobody could repeat your numbers"),
    (3, "always the first names", (the_first,), "nearly", "some photographs are never tested"),
    (3, "training and test swapped", (lambda *a: ~hold_out(*a),), "nearly", "True marks the training set"),
    (3, "a share of the names", (a_share_of_names,), "nearly", "`share` is a share of crops"),
    (3, "numbers of crops", (numbers_of_crops,), "wrong", "An array of True (test) and False"),
    (3, "nothing to test on", (lambda s, *_: np.zeros(len(s), bool),), "wrong", "One side of your split"),
]
