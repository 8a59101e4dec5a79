"""Lesson 05: the verdict of a perfect judge, the dial turned between pictures, and whose grain it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srutils.exercises import Verdict, nearly, right, wrong
from srutils.exercises.formulas import agree, results, slip


# ---------------------------------------------------------------- 1: the perfect judge
def _verdict(x, real, fake):
    return np.log(fake / real) + x**2 / 2 * (1 / fake**2 - 1 / real**2)


def _belief(x, real, fake):
    return 1 / (1 + np.exp(-_verdict(x, real, fake)))


VERDICT_SLIPS = [
    (
        _belief,
        "That is the belief, between 0 and 1. The discriminator's verdict is the number *before* the "
        "sigmoid.",
    ),
    (
        lambda x, real, fake: -_verdict(x, real, fake),
        "The sign is the wrong way round: positive is to mean *real*.",
    ),
    (
        lambda x, real, fake: np.exp(_verdict(x, real, fake)),
        "That is the ratio of the two densities. Which function of it gives the belief when it goes "
        "through a sigmoid?",
    ),
    (
        lambda x, real, fake: _verdict(x, real, fake) - np.log(fake / real),
        "The part with x is right. But a wide density is also a low one: what stands before the exponential?",
    ),
    (
        lambda x, real, fake: _verdict(x, real, fake) + np.log(fake / real),
        "The part with x is right, the other one twice too large. Each density is divided by the first power "
        "of its sigma.",
    ),
    (
        lambda x, real, fake: 2 * _verdict(x, real, fake) - np.log(fake / real),
        "The part with x is twice too large: look at the exponent of a normal density again.",
    ),
    (
        lambda x, real, fake: np.log(fake / real) + x**2 / 2 * (1 / fake - 1 / real),
        "In the exponent x is measured in units of sigma, and then squared. Both of them.",
    ),
    (
        lambda x, real, fake: _verdict(x, real, fake) / np.log(10),
        "Right, but for the base of the logarithm: the sigmoid is made with e.",
    ),
]


def exercise_1(verdict: Callable) -> Verdict:
    """The function gives the best possible verdict on one number, drawn from either of two normal laws."""
    x = np.array([0.0, 0.4, -0.9, 1.7, 3.0])
    cases = [(x, 1.0, 0.5), (x[1:], 0.7, 0.9), (0.3, 0.4, 0.4), (-0.02, 0.009, 0.0045)]
    verdicts = results(verdict, cases)
    if agree(verdicts, _verdict, cases):
        return right(
            "It depends on the square of x alone: where HR is the noisier, a strong value counts as real, "
            "whatever its sign. So a generator is paid for noise of the right strength, not for HR's noise."
        )
    if known := slip(verdicts, VERDICT_SLIPS, cases):
        return known
    if verdicts[0].shape != x.shape:
        return wrong(
            f"{len(x)} values of x gave an array of shape {verdicts[0].shape}; one verdict each is asked for."
        )
    if np.abs(verdicts[2]).max() > 1e-9:
        return wrong(
            "With both sigmas 0.4 nobody can tell the two apart, and the verdict has to be 0; yours is "
            f"{verdicts[2].max():.3g}."
        )
    return wrong(
        "Write down the two normal densities at x, and the belief: the real one as a share of their sum. "
        "Which number gives this belief when it goes through the sigmoid, 1 / (1 + exp(-z))?"
    )


# ---------------------------------------------------------------- 2: the dial between pictures
def _mixed(t, a, b, between):
    return (1 - t) * a + t * b - t * (1 - t) * between


MIXING_SLIPS = [
    (
        lambda t, a, b, between: (1 - t) * a + t * b,
        "That is the straight line between the two ends. A mix does better: part of the two errors cancels. "
        "Where does `between` come in?",
    ),
    (
        lambda t, a, b, between: (1 - t) * a + t * b + t * (1 - t) * between,
        "All three terms are there, one has the wrong sign: by your formula, mixing two pictures that err "
        "in opposite directions would make things worse.",
    ),
    (
        lambda t, a, b, between: (1 - t) ** 2 * a + t**2 * b,
        "That holds for errors that have nothing to do with each other. These two share much, for both come "
        "from the same LR. How much, `between` says.",
    ),
    (
        lambda t, a, b, between: (1 - t) ** 2 * a + t**2 * b + t * (1 - t) * between,
        "The squares of the two errors are there. The term between them holds their product; how does the "
        "product follow from `soft`, `sharp` and `between` together?",
    ),
    (
        lambda t, a, b, between: (1 - t) * a + t * b - 2 * t * (1 - t) * between,
        "The last term is twice too large. Put t = 1/2 and write the square out.",
    ),
    (
        lambda t, a, b, between: _mixed(1 - t, a, b, between),
        "The dial is the wrong way round: t = 0 is SRResNet.",
    ),
    (
        lambda t, a, b, between: ((1 - t) * np.sqrt(a) + t * np.sqrt(b)) ** 2,
        "That holds if both pictures err in the same places in the same way, the worst case. How far they "
        "are apart, `between` says.",
    ),
    (
        lambda *case: np.sqrt(_mixed(*case)),
        "That is the root of the mean squared error: leave the root away.",
    ),
    (
        lambda *case: -10 * np.log10(_mixed(*case)),
        "That is the PSNR, in dB, and it is right. The mean squared error itself is asked for.",
    ),
]


def exercise_2(mixed_mse: Callable) -> Verdict:
    """The function gives the error of a mix of two pictures from three mean squared errors."""
    cases = [
        (0.5, 0.02, 0.03, 0.04),
        (0.25, 0.02, 0.03, 0.011),
        (1.25, 0.01, 0.04, 0.03),
        (0.8, 0.3, 0.1, 0.2),
    ]
    errors = results(mixed_mse, cases)
    if agree(errors, _mixed, cases):
        return right(
            "A mix is better than the line between its ends, by what the two pictures differ in. And where "
            "sharp = soft + between, as for a mean of all possible pictures, no stop beats t = 0, but "
            "the first steps are nearly free: the price grows as t squared."
        )
    return slip(errors, MIXING_SLIPS, cases) or wrong(
        "The error of the mix is (1 - t) times the one error plus t times the other. Square it, and express "
        "the product of the two errors by the square of their difference, whose mean is `between`."
    )


# ---------------------------------------------------------------- 3: whose grain?
def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _sky() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SR, HR and truth, each (3, 40, 40, 1): a bright blob, and grain that is partly the same."""
    rng = np.random.default_rng(5)
    radius = np.hypot(*(np.indices((40, 40)) - 20)) / 12
    truth = np.exp(-(radius**2))[None, ..., None] * np.array([1, 0.8, 0.6])[:, None, None, None]
    own, other = 0.02 * rng.standard_normal((2, 3, 40, 40, 1))
    offset = np.array([0.012, 0.006, 0.009])[:, None, None, None]
    return truth + 0.3 * own + 0.7 * other + offset, truth + own, truth


def exercise_3(agreement: Callable) -> Verdict:
    """The function says how much of the grain in SR is HR's own."""
    sr, hr, truth = _sky()
    value = results(agreement, [(sr.copy(), hr.copy(), truth.copy())])[0]
    if value.shape == (2, 2):
        return nearly(
            "np.corrcoef gives a table: each of the two with itself and with the other. One number of it is "
            "asked for."
        )
    if value.shape == (3,):
        return nearly("You give one number for each image. Which single number says it of all of them?")
    if value.size != 1:
        return wrong(f"One number is asked for; you give an array of shape {value.shape}.")
    value, a, b = float(value.squeeze()), sr - truth, hr - truth
    wanted = [_correlation(a, b), float(np.mean([_correlation(x, y) for x, y in zip(a, b, strict=True)]))]
    if np.isclose(value, wanted, 1e-4, 0).any():
        return right(
            "At 1 the grain would be HR's own, at 0 it is painted. On deeplense LR holds a quarter of the "
            "variance of HR's noise, so the mean of all possible pictures reaches 1/2, and whatever an "
            "adversary adds to it lowers the number."
        )
    covariance = float(np.mean((a - a.mean()) * (b - b.mean())))
    slips = [
        (
            _correlation(sr, hr),
            "You correlate the pictures, and both show the same lens. What of them is grain, and what is "
            "lens?",
        ),
        (
            wanted[0] ** 2,
            "That is the square: the share of the variance of SR's grain that HR's foretells. The "
            "coefficient itself is asked for.",
        ),
        (
            float(np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))),
            "You leave the means in: a sky that is too bright everywhere is wrong, but it is no grain.",
        ),
        (covariance, "That is a covariance, in squared units of brightness. What is it to be divided by?"),
        (
            covariance / float(b.var()),
            "That is how strongly HR's grain appears in SR. It does not fall when SR adds grain of its "
            "own: by what else is the covariance divided?",
        ),
        (
            covariance / float(a.var()),
            "You divide by the variance of SR's grain alone. The two grains have to be treated alike.",
        ),
        (
            _correlation(sr - hr, hr - truth),
            "SR - HR is what SR does wrong, not its grain: HR's own grain is in it, with a minus. Both "
            "grains are to be measured from the same picture.",
        ),
    ]
    for known, reason in slips:
        if np.isclose(value, known, 1e-4, 0) or np.isclose(value, known * a.size / (a.size - 1), 1e-6, 0):
            return nearly(reason)
    if not -1 <= value <= 1:
        return wrong(f"A correlation coefficient lies between -1 and 1; yours is {value:.3g}.")
    return wrong(
        f"Your function gives {value:.3f} for grain of which another value is known. Grain is what a picture "
        "shows beyond the truth; take that of SR and that of HR, pixel by pixel."
    )
