"""Answers to lesson 05's exercises: right ones, and wrong ones that the checks must tell apart."""

import numpy as np


# ---------------------------------------------------------------- 1: the perfect judge
def log_density(x, sigma):
    return -0.5 * (x / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))


def verdict(x, real, fake):
    return log_density(x, real) - log_density(x, fake)


def belief(x, real, fake):
    return 1 / (1 + np.exp(-verdict(x, real, fake)))


def from_belief(x, real, fake):
    return np.log(belief(x, real, fake)) - np.log(belief(x, fake, real))


def no_root_of_squares(x, real, fake):
    """The normalisation with sigma squared, as for densities in two dimensions."""
    return verdict(x, real, fake) + np.log(fake / real)


ANSWERS = [
    (1, "difference of logarithms", (verdict,), "right", "the square of x alone"),
    (1, "from the belief", (from_belief,), "right", "the square of x alone"),
    (1, "the belief", (belief,), "nearly", "*before* the sigmoid"),
    (1, "wrong sign", (lambda x, r, f: verdict(x, f, r),), "nearly", "sign is the wrong way round"),
    (1, "ratio", (lambda *c: np.exp(verdict(*c)),), "nearly", "ratio of the two densities"),
    (
        1,
        "only x",
        (lambda x, r, f: (x / f) ** 2 / 2 - (x / r) ** 2 / 2,),
        "nearly",
        "what stands before the exp",
    ),
    (1, "sigma squared in front", (no_root_of_squares,), "nearly", "first power of its sigma"),
    (
        1,
        "half forgotten",
        (lambda x, r, f: np.log(f / r) + (x / f) ** 2 - (x / r) ** 2,),
        "nearly",
        "exponent of a",
    ),
    (
        1,
        "sigma not squared",
        (lambda x, r, f: np.log(f / r) + x**2 / 2 * (1 / f - 1 / r),),
        "nearly",
        "in units of",
    ),
    (1, "base 10", (lambda *c: verdict(*c) / np.log(10),), "nearly", "base of the logarithm"),
    (1, "log of the belief", (lambda *c: np.log(belief(*c)),), "wrong", "nobody can tell the two apart"),
    (1, "one for all", (lambda x, r, f: r - f,), "wrong", "one verdict each"),
    (1, "centred belief", (lambda *c: belief(*c) - 0.5,), "wrong", "as a share of their sum"),
]


# ---------------------------------------------------------------- 2: the dial between pictures
def mixed(t, faithful, sharp, between):
    product = (faithful + sharp - between) / 2
    return (1 - t) ** 2 * faithful + 2 * t * (1 - t) * product + t**2 * sharp


def line(t, a, b, d):
    return (1 - t) * a + t * b


def squares(t, a, b, d):
    return (1 - t) ** 2 * a + t**2 * b


ANSWERS += [
    (2, "written out", (mixed,), "right", "better than the line"),
    (2, "shortened", (lambda t, a, b, d: a + t * (b - a - (1 - t) * d),), "right", "better than the line"),
    (2, "a straight line", (line,), "nearly", "straight line between"),
    (2, "plus", (lambda t, a, b, d: line(t, a, b, d) + t * (1 - t) * d,), "nearly", "one has the wrong sign"),
    (2, "independent", (squares,), "nearly", "nothing to do with each other"),
    (
        2,
        "between as product",
        (lambda t, a, b, d: squares(t, a, b, d) + t * (1 - t) * d,),
        "nearly",
        "their product",
    ),
    (2, "twice", (lambda t, a, b, d: line(t, a, b, d) - 2 * t * (1 - t) * d,), "nearly", "twice too large"),
    (2, "dial reversed", (lambda t, a, b, d: mixed(1 - t, a, b, d),), "nearly", "t = 0 is SRResNet"),
    (2, "roots", (lambda t, a, b, d: line(t, a**0.5, b**0.5, d) ** 2,), "nearly", "the worst case"),
    (2, "rms", (lambda *c: mixed(*c) ** 0.5,), "nearly", "leave the root away"),
    (2, "psnr", (lambda *c: -10 * np.log10(mixed(*c)),), "nearly", "That is the PSNR"),
    (2, "no mix", (lambda t, a, b, d: a,), "wrong", "Square it"),
    (2, "raises", (lambda t, a, b, d: a / 0,), "wrong", "ZeroDivisionError"),
]


# ---------------------------------------------------------------- 3: whose grain?
def flat(*images):
    return [np.ravel(image) for image in images]


def correlation(a, b):
    return np.corrcoef(*flat(a, b))[0, 1]


def by_hand(sr, hr, truth):
    a, b = sr - truth, hr - truth
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def image_by_image(sr, hr, truth):
    return [correlation(a, b) for a, b in zip(sr - truth, hr - truth, strict=True)]


def uncentred(sr, hr, truth):
    a, b = flat(sr - truth, hr - truth)
    return a @ b / np.sqrt(a @ a * (b @ b))


def slope(x, y):
    return np.polyfit(*flat(x, y), 1)[0]


ANSWERS += [
    (3, "numpy", (lambda s, h, t: correlation(s - t, h - t),), "right", "At 1 the grain"),
    (3, "by hand", (by_hand,), "right", "At 1 the grain"),
    (3, "mean over images", (lambda *c: np.mean(image_by_image(*c)),), "right", "At 1 the grain"),
    (3, "a list", (image_by_image,), "nearly", "one number for each image"),
    (3, "a table", (lambda s, h, t: np.corrcoef(*flat(s - t, h - t)),), "nearly", "gives a table"),
    (3, "the pictures", (lambda s, h, t: correlation(s, h),), "nearly", "show the same lens"),
    (3, "squared", (lambda *c: by_hand(*c) ** 2,), "nearly", "That is the square"),
    (3, "means left in", (uncentred,), "nearly", "too bright everywhere"),
    (3, "covariance", (lambda s, h, t: np.cov(*flat(s - t, h - t))[0, 1],), "nearly", "That is a covariance"),
    (3, "slope on HR", (lambda s, h, t: slope(h - t, s - t),), "nearly", "how strongly HR's grain"),
    (3, "slope on SR", (lambda s, h, t: slope(s - t, h - t),), "nearly", "of SR's grain alone"),
    (3, "SR's error", (lambda s, h, t: correlation(s - h, h - t),), "nearly", "what SR does wrong"),
    (3, "strengths", (lambda s, h, t: (s - t).std() / (h - t).std(),), "wrong", "pixel by pixel"),
    (3, "per cent", (lambda *c: 100 * by_hand(*c),), "wrong", "between -1 and 1"),
    (3, "a picture", (lambda s, h, t: (s - t) * (h - t),), "wrong", "array of shape (3, 40, 40, 1)"),
]
