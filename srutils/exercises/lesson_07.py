"""Lesson 07: two methods on the same lenses, a limit with a promise, and noise that is not independent."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from srutils.exercises import Mistaken, Unanswered, Verdict, called, nearly, right, wrong
from srutils.exercises.formulas import agree, results, slip


# ---------------------------------------------------------------- 1: the same lenses
def _by_lens(x, lens) -> np.ndarray:
    return np.array([x[lens == i].mean() for i in np.unique(lens)])


def _error(x, ddof: int = 1) -> float:
    return x.std(ddof=ddof) / np.sqrt(len(x))


def _paired(a, b, lens):
    d = _by_lens(a - b, lens)
    return d.mean(), _error(d)


def _mean_and(error: Callable) -> Callable:
    return lambda a, b, lens: (np.mean(a - b), error(a, b, lens))


IMAGES_COUNTED = (
    "You count every image as an independent one. Images of one lens succeed or fail together: how many "
    "independent differences are there?"
)
NOT_PAIRED = (
    "You add the errors of two means as if the methods had been tried on different lenses. They were tried "
    "on the same ones: what is hard for both drops out of the difference."
)
ONE_DIFFERENCE = "That is the scatter of a single difference. How far does the *mean* of so many stray?"
ERROR_SLIPS = [
    (lambda a, b, lens: _error(a - b), IMAGES_COUNTED),
    (lambda a, b, lens: _error(a - b, 0), IMAGES_COUNTED),
    (lambda a, b, lens: np.hypot(_error(a), _error(b)), NOT_PAIRED),
    (lambda a, b, lens: np.hypot(_error(a, 0), _error(b, 0)), NOT_PAIRED),
    (lambda a, b, lens: np.hypot(_error(_by_lens(a, lens)), _error(_by_lens(b, lens))), NOT_PAIRED),
    (lambda a, b, lens: np.hypot(_error(_by_lens(a, lens), 0), _error(_by_lens(b, lens), 0)), NOT_PAIRED),
    (lambda a, b, lens: np.std(a - b), ONE_DIFFERENCE),
    (lambda a, b, lens: np.std(a - b, ddof=1), ONE_DIFFERENCE),
    (lambda a, b, lens: np.std(_by_lens(a - b, lens)), ONE_DIFFERENCE),
    (lambda a, b, lens: np.std(_by_lens(a - b, lens), ddof=1), ONE_DIFFERENCE),
    (
        lambda a, b, lens: _error(_by_lens(a - b, lens), 0),
        "Nearly the right error, but a little small: the scatter is taken about a mean that was made from "
        "the same few lenses. Divide by one less than their number.",
    ),
    (
        lambda a, b, lens: np.std(_by_lens(a - b, lens), ddof=1) / np.sqrt(len(a)),
        "You have averaged within each lens, and then divided by the root of the number of *images*.",
    ),
    (
        lambda a, b, lens: _error((a - b).reshape(len(np.unique(lens)), -1).mean(1)),
        "You take it that the images of one lens stand side by side. That may be so in your table; `lens` "
        "says which belong together in any.",
    ),
    (lambda a, b, lens: _paired(a, b, lens)[1] ** 2, "That is the square of the standard error."),
]
PAIRING_SLIPS = [
    (lambda a, b, lens: np.mean(a - b), "The mean is right. Its standard error is asked for beside it."),
    (
        lambda a, b, lens: (-_paired(a, b, lens)[0], _paired(a, b, lens)[1]),
        "Right, but for the sign: positive is to mean that `a` is larger.",
    ),
    *((_mean_and(error), reason) for error, reason in ERROR_SLIPS),
]


def exercise_1(compare: Callable) -> Verdict:
    """The function gives the mean difference of two methods' scores, and its standard error, by lens."""
    cases = []
    for seed, lenses, images in ((0, 12, 3), (1, 9, 2)):
        rng = np.random.default_rng(seed)
        lens = rng.permutation(np.repeat(np.arange(lenses), images))
        hard, better = rng.normal(0, 1.8, lenses), rng.normal(0.1, 0.3, lenses)
        b = 40 + hard[lens] + rng.normal(0, 0.3, len(lens))
        cases.append((b + better[lens] + rng.normal(0, 0.1, len(lens)), b, lens))
    answers = results(compare, [tuple(x.copy() for x in case) for case in cases])
    if agree(answers, _paired, cases):
        return right(
            "What makes a lens hard for both methods drops out, so hundredths of a decibel can be told apart "
            "where lenses scatter by whole ones. The number that counts is that of the lenses, however many "
            "images were made of each."
        )
    if known := slip(answers, PAIRING_SLIPS, cases):
        return known
    if answers[0].shape != (2,):
        return wrong(
            "Two numbers are asked for, the mean difference and its standard error; yours has the shape "
            f"{answers[0].shape}."
        )
    if not np.isclose(answers[0][0], np.mean(cases[0][0] - cases[0][1]), 1e-6):
        return wrong("The first number is to be the mean of `a` minus the mean of `b`; yours is another.")
    return wrong(
        f"The mean is right. Its error is {answers[0][1] / _paired(*cases[0])[1]:.2f} times what it should "
        "be. Take the difference first, image by image; then one number for each lens; then the error of "
        "their mean."
    )


# ---------------------------------------------------------------- 2: a limit with a promise
def _limit(scores, rate: float) -> float:
    allowed = math.floor((len(scores) + 1) * rate)  # scores that may lie above it
    return float(np.sort(scores)[-allowed]) if allowed else math.inf


def _gauss(scores, rate: float, ddof: int) -> float:
    from statistics import NormalDist

    return float(np.mean(scores) + NormalDist().inv_cdf(1 - rate) * np.std(scores, ddof=ddof))


def _quantiles(scores, rate: float) -> list[float]:
    methods = ("linear", "lower", "higher", "nearest", "hazen", "weibull", "median_unbiased")
    return [float(np.quantile(scores, 1 - rate, method=method)) for method in methods]


def _number(limit: Callable, scores, rate: float) -> float:
    value = called(limit, scores.copy(), rate)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Mistaken(f"One number is expected, the limit; yours is a {type(value).__name__}.") from None


def _promises_too_much(limit: Callable) -> bool:
    """Whether it gives a limit, or nothing at all, where twelve scores allow none for a rate of 5 %."""
    try:
        return _number(limit, np.linspace(0.8, 1.1, 12), 0.05) != math.inf
    except Unanswered:
        return True


def exercise_2(limit: Callable) -> Verdict:
    """The function gives the least limit that a new smooth lens exceeds no more often than promised."""
    rng, rates = np.random.default_rng(3), {30: 0.1, 70: 0.05, 24: 0.22}
    cases = [(1 + rng.gamma(0.7, 0.4, n), rate) for n, rate in rates.items()]
    mine = [_number(limit, *case) for case in cases]
    if np.isnan(mine).any():
        return wrong("Your limit is NaN.")

    def same(others):
        return np.allclose(mine, list(others), 1e-6, 0)

    if same(_limit(*case) for case in cases):
        if _promises_too_much(limit):
            return nearly(
                "With enough lenses your limit is right. But twelve cannot promise one false alarm in "
                "twenty: a new lens is the largest of thirteen more often than that. Which limit is never "
                "exceeded?"
            )
        return right(
            "Whatever the scores' distribution, the promise holds. It also says what a discovery costs: a "
            "false alarm in twenty takes at least 19 smooth lenses, one in a thousand takes 999, and they "
            "have to be pictures of the kind that is judged."
        )
    if same(np.max(scores) for scores, _ in cases):
        return nearly(
            "The largest score keeps many promises, but always the same one: a new lens exceeds it once in "
            "n + 1 times. For a larger rate a smaller limit would do."
        )
    if any(same(_gauss(*case, ddof) for case in cases) for ddof in (0, 1)):
        return nearly(
            "Mean and standard deviation make a limit only where scores follow the bell curve. Sums of "
            "squares have a long tail above. Use their order instead."
        )
    if any(same(quantile) for quantile in zip(*(_quantiles(*case) for case in cases), strict=True)):
        return nearly(
            "That is a quantile of the scores that you have. A new lens is not among them, and exceeds it "
            "more often, the more so the fewer there are: count it in, as one of n + 1. And the limit is to "
            "be one of the scores."
        )
    return _by_trial(limit)


def _by_trial(limit: Callable) -> Verdict:
    """How often a limit is exceeded in many draws: with scores of an exponential law, exp(-limit)."""
    rng, rate = np.random.default_rng(4), 0.1
    alarms = np.mean([np.exp(-_number(limit, rng.exponential(size=30), rate)) for _ in range(2000)])
    if alarms > 0.103:
        return wrong(
            f"Tried on 2,000 sets of 30 smooth lenses, your limit for a rate of {rate:.0%} is exceeded by "
            f"{alarms:.1%} of new ones. How many of the n + 1 ranks of a new lens lie above your limit?"
        )
    return wrong(
        f"Your limit keeps the promise: for a rate of {rate:.0%} it is exceeded by {alarms:.1%}. But it is "
        "not always the smallest of the scores that does, so it gives discoveries away."
    )


# ---------------------------------------------------------------- 3: noise with neighbours
def _blocks(noise, block: int) -> np.ndarray:
    n, h, w = noise.shape
    return noise.reshape(n, h // block, block, w // block, block).mean((2, 4))


def _underrated(noise, block: int) -> float:
    return _blocks(noise, block).std() * block / noise.std()


NOISE_SLIPS = [
    (lambda noise, block: 1 / _underrated(noise, block), "That is the inverse: the promise over what is."),
    (
        lambda noise, block: _underrated(noise, block) ** 2,
        "That is the ratio of the variances. An error is a standard deviation.",
    ),
    (
        lambda noise, block: _underrated(noise, block) / block,
        "You compare with a single pixel. A mean of so many pixels promises to be better than one: by how "
        "much?",
    ),
    (
        lambda noise, block: _underrated(noise, block) * block,
        "You have divided by the number of pixels in a block. The error of a mean falls with its root.",
    ),
    (
        lambda noise, block: _underrated(noise, block) / np.sqrt(block),
        "A block has `block` pixels on a side, and more than that in it.",
    ),
    (
        lambda noise, block: (
            noise.reshape(len(noise), noise.shape[1] // block, noise.shape[2] // block, block, block)
            .mean((3, 4))
            .std()
            * block
            / noise.std()
        ),
        "What you average are not squares: when axes are split, the two parts of each stay side by side. "
        "Split rows into (h / block, block), then columns.",
    ),
    (
        lambda noise, block: noise[:, ::block, ::block].std() / noise.std(),
        "You take one pixel of each block. The mean of all of them is asked for.",
    ),
]


def exercise_3(underrated: Callable) -> Verdict:
    """The function says how many times larger the error of a block's mean is than its pixels promise."""
    rng = np.random.default_rng(5)
    white = rng.standard_normal((20, 36, 36))
    smooth = sum(np.roll(white, (i, j), (1, 2)) for i in range(3) for j in range(2)) / 5
    smooth -= smooth.mean()
    cases = [(smooth, 4), (smooth[:, :, :24], 6), (smooth, 3)]
    answers = results(underrated, [(noise.copy(), block) for noise, block in cases])
    if any(answer.size != 1 for answer in answers):
        return wrong(f"One number is expected; yours has the shape {answers[0].shape}.")
    answers = [answer.reshape(()) for answer in answers]
    if np.allclose(answers, [_underrated(*case) for case in cases], 5e-3, 0):
        return right(
            "In a picture that was enlarged, neighbours share their errors, and averaging does not help as "
            "promised. Whoever measures the flux in an aperture and takes the error from the pixels, "
            "underrates it by this factor. HR's own noise has a factor of 1."
        )
    if known := slip(answers, NOISE_SLIPS, cases):
        return known

    def each(noise, block):
        """The standard deviations taken picture by picture, then averaged."""
        return np.mean([_blocks(one[None], block).std() / one.std() for one in noise]) * block

    if np.allclose(answers, [each(*case) for case in cases], 5e-3, 0):
        return nearly(
            "You take a standard deviation in every picture and average those. With so few blocks in each, "
            "they come out too small: throw the blocks of all pictures together."
        )
    return wrong(
        "Average the noise over the squares, and take the standard deviation of what you get. Then ask what "
        "it would be if every pixel had an error of its own."
    )
