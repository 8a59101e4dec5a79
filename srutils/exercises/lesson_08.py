"""Lesson 08: what weighted draws are worth, how many samples make a mean, and ranks with ties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srutils.exercises import Mistaken, Verdict, array, called, nearly, right, wrong
from srutils.exercises.formulas import agree, results, slip


# ---------------------------------------------------------------- 1: what weighted draws are worth
def _weights(logs) -> np.ndarray:
    w = np.exp(logs - logs.max())
    return w / w.sum()


def _effective(logs) -> float:
    return 1 / np.sum(_weights(logs) ** 2)


EFFECTIVE_SLIPS = [
    (
        lambda logs: np.sum(logs) ** 2 / np.sum(logs**2),
        "You treat the logarithms as if they were the weights. What is the weight itself?",
    ),
    (
        lambda logs: 1 / np.sum(np.exp(logs - logs.max()) ** 2),
        "1 / sum of squares is for weights whose sum is 1. The largest of yours is 1: divide by their "
        "sum first.",
    ),
    (
        lambda logs: np.sum(np.exp(logs - logs.max())),
        "The sum of weights of which the largest is 1 is a measure, too, but another one. The squares are "
        "missing.",
    ),
    (
        lambda logs: _effective(logs) / len(logs),
        "That is the share of the draws. How many draws is it?",
    ),
    (
        lambda logs: np.exp(-np.sum(_weights(logs) * np.log(_weights(logs)))),
        "That is the exponential of the entropy: also a number of draws, but not the one of section 1, which "
        "tells how the variance of a mean grows.",
    ),
    (
        lambda logs: np.sum(_weights(logs) ** 2),
        "That is the sum of the squares, small if there are many. The effective size is its inverse.",
    ),
]


def _overflows(function: Callable) -> bool:
    """Whether it fails where log-probabilities are as large as those of an image."""
    rng = np.random.default_rng(2)
    for shift in (-5000.0, 5000.0):
        logs = rng.normal(size=30) + shift
        try:
            value = array(called(function, logs.copy()))
        except Mistaken:
            return True
        if value.shape != () or not np.isclose(value, _effective(logs), 1e-6):
            return True
    return False


def exercise_1(effective_size: Callable) -> Verdict:
    """The function gives the effective sample size of draws from the logarithms of their weights."""
    rng = np.random.default_rng(1)
    cases = [(rng.normal(0, 1.3, 40),), (np.log(rng.uniform(0.2, 3, 11)) - 2,), (np.full(7, 1.5),)]
    with np.errstate(all="ignore"):
        answers = results(effective_size, [(logs.copy(),) for (logs,) in cases])
        if agree(answers, _effective, cases):
            if _overflows(effective_size):
                return nearly(
                    "The formula is right. But with log-probabilities near -5,000, or 5,000, every weight "
                    "becomes 0, or infinite. Which constant may be subtracted from all of them first?"
                )
            return right(
                "Equal weights are worth their number; a single large one makes all others worthless. Below "
                "some dozens, look for a better bell before you look at the result."
            )
        if known := slip(answers, EFFECTIVE_SLIPS, cases):
            return known
    if answers[0].shape != ():
        return wrong(f"One number is asked for; you give an array of shape {answers[0].shape}.")
    return wrong(
        f"Seven equal weights are worth seven draws; yours are worth {float(answers[2]):.3g}. Make weights "
        "of the logarithms, let their sum be 1, and take 1 / (sum of their squares)."
    )


# ---------------------------------------------------------------- 2: how many samples make a mean
def _error_of_mean(n, faithful, spread):
    return faithful + spread / n


MEAN_SLIPS = [
    (
        lambda n, faithful, spread: faithful + spread,
        "That is the error of a single sample. What does averaging n of them do to the part that differs "
        "from sample to sample?",
    ),
    (
        lambda n, faithful, spread: (faithful + spread) / n,
        "More samples do not make `faithful` smaller: it is what LR has lost, and every sample lacks it.",
    ),
    (
        lambda n, faithful, spread: faithful * (1 + 1 / n),
        "That holds for honest samples, whose spread equals the error of their mean. Samplers may be too "
        "sure or too shy: then `spread` is another number.",
    ),
    (
        lambda n, faithful, spread: faithful + spread / np.sqrt(n),
        "The *standard deviation* of a mean falls with the root of n. These are squares.",
    ),
    (
        lambda n, faithful, spread: faithful + spread / n**2,
        "Too good: the sum of n samples has n times the variance, and the mean is the sum divided by n, "
        "whose square stands below.",
    ),
    (
        lambda n, faithful, spread: faithful + spread / (n - 1),
        "n - 1 belongs into the *estimate* of a variance from n samples. Here the variance is known.",
    ),
    (
        lambda n, faithful, spread: spread + faithful / n,
        "The two have changed places: which of them is the same in every sample?",
    ),
    (
        lambda n, faithful, spread: np.sqrt(faithful + spread / n),
        "That is the root of the mean squared error: leave the root away.",
    ),
    (
        lambda n, faithful, spread: -10 * np.log10(faithful + spread / n),
        "That is the PSNR, in dB, and it is right. The mean squared error itself is asked for.",
    ),
]


def exercise_2(error_of_mean: Callable) -> Verdict:
    """The function gives the error of the mean of n samples from two mean squares."""
    cases = [(2, 0.03, 0.02), (16, 0.01, 0.04), (5, 0.2, 0.2), (3, 0.5, 0.1)]
    errors = results(error_of_mean, cases)
    if agree(errors, _error_of_mean, cases):
        return right(
            "For honest samples that is (1 + 1/n) times the smallest possible error: 3 dB above it for one, "
            "0.26 dB for 16, 0.13 dB for 32. More samples are for the error bars, not for the mean."
        )
    return slip(errors, MEAN_SLIPS, cases) or wrong(
        "The mean of n samples differs from the truth by two parts that know nothing of each other: the mean "
        "of all differs from the truth (`faithful`), and the mean of n from the mean of all. How large is "
        "the square of the second one?"
    )


# ---------------------------------------------------------------- 3: ranks where values are equal
def _counts(function: Callable, samples, truth) -> np.ndarray:
    found = array(called(function, samples.copy(), truth.copy(), np.random.default_rng(7)))
    if found.shape == truth.shape:
        raise Mistaken("Those are the ranks, one for each truth. Count how many have each rank from 0 to n.")
    if found.shape == (2, len(samples) + 1) or found.ndim != 1:
        raise Mistaken(f"{len(samples) + 1} counts are expected; yours have the shape {found.shape}.")
    return found


def _judge_without_ties(counts, samples, truth) -> Verdict | None:
    """What is wrong where no two values are equal, if anything."""
    n, m = samples.shape
    wanted = np.bincount((samples < truth).sum(0), minlength=n + 1)
    if len(counts) == n:
        return nearly(
            f"You have {n} counts for {n} samples. The truth may lie below all of them, above all, or in one "
            f"of the gaps: how many places is that? Two of them share a bin now."
        )
    if len(counts) < n + 1:
        return nearly(
            f"You have {len(counts)} counts. If no truth has the highest rank, its count is 0, and it has to "
            "be there: `minlength`."
        )
    if len(counts) > n + 1:
        return wrong(f"{n} samples leave {n + 1} places; you have {len(counts)} counts.")
    if np.array_equal(counts, wanted):
        return None
    if np.allclose(counts, wanted / m) or np.allclose(counts, wanted / wanted.mean()):
        return nearly("The shape is right. Counts are asked for, whole numbers, not shares.")
    if np.array_equal(counts, wanted[::-1]):
        return nearly(
            "You count the samples *above* the truth: the histogram is mirrored, and a bias would seem to go "
            "the other way."
        )
    if counts.sum() != m:
        return wrong(f"{m} truths have {m} ranks; the sum of your counts is {counts.sum():g}.")
    return wrong(
        "Even where no two values are equal your counts are not right. The rank of a truth is the number of "
        "its own samples, samples[:, i] for truth i, that lie below it."
    )


def exercise_3(rank_histogram: Callable) -> Verdict:
    """The function counts the ranks of truths among samples, and draws lots where values are equal."""
    rng = np.random.default_rng(6)
    smooth = rng.normal(size=(9, 80)), rng.normal(0.4, 1, 80)
    smooth[1][:] = np.minimum(smooth[1], np.sort(smooth[0], 0)[-1] - 1e-9)  # so no truth is above all
    if verdict := _judge_without_ties(_counts(rank_histogram, *smooth), *smooth):
        return verdict
    rounded = np.round(rng.normal(size=(10, 8000)))
    samples, truth = rounded[:9], rounded[9]
    counts = _counts(rank_histogram, samples, truth)
    below, equal = (samples < truth).sum(0), (samples == truth).sum(0)
    if counts.sum() != len(truth):
        return wrong(f"{len(truth)} truths have as many ranks; the sum of your counts is {counts.sum():g}.")
    slips = [
        (below, "Ties: you count the samples below the truth, so that it takes the *lowest* of its places."),
        (below + equal, "Ties: you count equal samples as below the truth, so it takes the *highest* place."),
        (
            below + equal // 2,
            "Ties: you put the truth into the middle. Then middle ranks come too often: draw lots.",
        ),
    ]
    for ranks, reason in slips:
        if np.array_equal(counts, np.bincount(ranks, minlength=10)):
            return nearly(reason)
    # of 8,000 even ranks each place has 800, give or take 27: five of these are never reached by chance
    worst = int(np.argmax(np.abs(counts - 800)))
    if abs(counts[worst] - 800) < 134:
        return right(
            "Eight thousand truths, drawn like their samples and rounded to whole numbers: with lots the "
            "histogram is level. Without them, honest samples of an 8-bit sky would look biased."
        )
    if counts[-1] < 0.6 * 800:
        return nearly(
            "The highest rank comes too seldom: where k samples equal the truth there are k + 1 places, and "
            "`rng.integers(0, k)` never gives k."
        )
    return wrong(
        f"For honest samples with ties each of the ten ranks should come about 800 times; rank {worst} comes "
        f"{counts[worst]:g} times. Count those below, then add a random whole number from 0 to the number of "
        "those equal, drawn for each truth anew."
    )
