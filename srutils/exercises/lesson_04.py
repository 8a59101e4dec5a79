"""Lesson 04: uneven contributions, how far to trust a noisy number, and a wire made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srutils import pairs
from srutils.exercises import Verdict, nearly, right, wrong
from srutils.exercises.formulas import agree, results, slip


# ---------------------------------------------------------------- 1: contributions
def _row(n: int, kernel: int, stride: int) -> np.ndarray:
    row = np.zeros((n - 1) * stride + kernel)
    for i in range(n):
        row[i * stride : i * stride + kernel] += 1
    return row


def _map(n: int, kernel: int, stride: int) -> np.ndarray:
    return np.outer(_row(n, kernel, stride), _row(n, kernel, stride))


def _is_cropped(counts: np.ndarray, n: int, kernel: int, stride: int) -> bool:
    """Whether it is the middle of the map, as large as ``padding="same"`` leaves it."""
    size, whole = n * stride, _map(n, kernel, stride)
    starts = range(len(whole) - size + 1)
    return any(np.array_equal(counts, whole[i : i + size, i : i + size]) for i in starts)


COUNTING_SLIPS = [
    (_row, "That is one row. A picture has two axes: how do the counts of a row and of a column combine?"),
    (
        lambda *case: np.add.outer(_row(*case), _row(*case)),
        "You have added the counts of row and column. A pixel gets one contribution from every pair of them: "
        "how many pairs are there?",
    ),
    (
        lambda n, kernel, stride: _map(n, kernel, 1),
        "Your kernels lie one pixel apart. Neighbours of the input lie a stride apart in the output.",
    ),
    (
        lambda n, kernel, stride: _map(n, stride, kernel),
        "Kernel and stride have changed places: the stride is how far apart the kernels lie, the kernel how "
        "far each one reaches.",
    ),
    (
        lambda *case: np.full_like(_map(*case), case[1] ** 2),
        "You count the weights of a kernel: so many output pixels does each input pixel reach. How many "
        "input pixels reach each output pixel?",
    ),
]


def exercise_1(contributions: Callable) -> Verdict:
    """The function counts what each output pixel of a transposed convolution is the sum of."""
    cases = [(4, 3, 2), (5, 6, 2), (3, 5, 2), (4, 5, 3), (3, 4, 4)]
    counts = results(contributions, cases)
    if agree(counts, _map, cases):
        return right(
            "Away from the edges all counts are equal where the stride divides the kernel, and only there: 6 "
            "by 2 is even; 3 by 2 takes turns between 1, 2 and 4, a checkerboard before any training."
        )
    if all(_is_cropped(one, *case) for one, case in zip(counts, cases, strict=True)):
        return nearly(
            "These are the right counts, but of the middle only, as padding='same' leaves it. Here nothing "
            "is cut away: how far does the last input pixel's kernel reach?"
        )
    if verdict := slip(counts, COUNTING_SLIPS, cases):
        return verdict
    side, shape = len(_row(*cases[0])), counts[0].shape
    if shape != (side, side):
        return wrong(
            f"For n = 4, kernel 3 and stride 2 the map has {side} x {side} pixels; yours has the shape "
            f"{shape}. The first kernel begins at pixel 0, each further one a stride later."
        )
    return wrong(
        "The shape is right, the counts are not. Lay the kernels one after the other on a field of zeros, "
        "and add one wherever a kernel lies."
    )


# ---------------------------------------------------------------- 2: trust
TRUST_SLIPS = [
    (
        lambda v, s: v / (v + s),
        "You compare a variance with a standard deviation. Which power of sigma has the unit of `variances`?",
    ),
    (
        lambda v, s: np.sqrt(v) / (np.sqrt(v) + s),
        "You compare standard deviations. What adds up in a *squared* error are squares.",
    ),
    (
        lambda v, s: s**2 / (v + s**2),
        "That is the share of the noise, so the noisiest number would count most. What is the rest?",
    ),
    (
        lambda v, s: v / s**2,
        "That is the ratio of signal and noise, which has no upper limit. What should the factor become when "
        "the noise goes to zero?",
    ),
    (
        lambda v, s: np.sqrt(v / (v + s**2)),
        "That factor gives each number the *spread* of the clean ones. The smallest error asks for more "
        "caution.",
    ),
    (
        lambda v, s: np.maximum(0, 1 - s**2 / v),
        "You take `variances` for those of the noisy numbers. They are those of clean pictures: what does "
        "noise make of them?",
    ),
    (
        lambda v, s: v > s**2,
        "That keeps a number or drops it, as a short code does. Some factor between the two has a smaller "
        "error.",
    ),
]


def exercise_2(trust: Callable) -> Verdict:
    """The function gives the factor for each number of a code that noise has been added to."""
    variances = np.array([1.5, 0.3, 0.04, 0.002, 1e-5])
    cases = [(variances, 10 / 255), (variances, 0.3), (variances[1:4], 25 / 255)]
    factors = results(trust, cases)
    if agree(factors, lambda v, s: v / (v + s**2), cases):
        return right(
            "This is what a decoder learns that has seen the noise: no number is dropped, each is believed "
            "as far as it deserves. The factors depend on sigma, so what is right for one noise is wrong "
            "for another."
        )
    if verdict := slip(factors, TRUST_SLIPS, cases):
        return verdict
    if factors[0].shape != variances.shape:
        return wrong(
            f"One factor for each variance is asked for; {len(variances)} variances gave an array of shape "
            f"{factors[0].shape}."
        )
    if any((array < 0).any() or (array > 1).any() for array in factors):
        return wrong(
            "Some of your factors lie outside 0 to 1. Below 0 they would turn a pattern into its negative, "
            "above 1 they would strengthen what noise has already strengthened."
        )
    return wrong(
        "For a number c of the given variance, and noise e of variance sigma^2 that has nothing to do with "
        "it, write down the mean of (f (c + e) - c)^2. For which f is it smallest?"
    )


# ---------------------------------------------------------------- 3: give back
def _scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LR (2, 24, 24, 3), a picture (2, 48, 48, 3) that has lost much of it, and detail too fine for LR."""
    rng = np.random.default_rng(4)
    hr = 0.5 + 0.15 * pairs.resize(rng.standard_normal((2, 18, 18, 3)).astype(np.float32), (48, 48))
    poor = pairs.resize(pairs.resize(hr, (8, 8)), (48, 48))
    fine = 0.02 * (-1.0) ** np.indices((48, 48)).sum(0)
    return pairs.degrade(hr, 2), poor, np.broadcast_to(fine[..., None], hr.shape).astype(np.float32)


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def exercise_3(give_back: Callable) -> Verdict:
    """The function corrects a picture so that it says of LR what LR says."""
    lr, poor, fine = _scene()
    out, finer = results(give_back, [(poor.copy(), lr.copy()), (poor + fine, lr.copy())])
    if {out.shape, finer.shape} != {poor.shape}:
        return wrong(
            f"The picture has the shape {poor.shape}, and so must the answer; yours has {out.shape}. What is "
            "found missing at LR's size has to be enlarged."
        )

    def missing(picture):
        """How much of what `poor` lacks this picture lacks."""
        return _rms(pairs.degrade(picture.astype(np.float32), 2) - lr) / _rms(pairs.degrade(poor, 2) - lr)

    share, kept = missing(out), _rms(finer - out) / _rms(fine)
    for dropped in (poor[:, i::2, i::2] for i in (0, 1)):
        alike = [poor + pairs.resize(lr - dropped, poor.shape[1:3], method) for method in pairs.METHODS]
        if any(_rms(out - other) < 0.01 * _rms(out - poor) for other in alike):
            return nearly(
                "You reduce by dropping pixels, but LR was made by an antialiased reduction. Part of what "
                "you give back is the difference between the two: section 9's mistake."
            )
    if share < 0.45 and kept > 0.8:
        return right(
            "What LR knows can be put back without a network, whatever the bottleneck dropped; only what LR "
            "does not know has to be learned. Do it again, and still less is missing."
        )
    if share < 0.95 and kept < 0.8:
        return nearly(
            "It comes closer to LR at the cost of the picture that you were given: the fine detail in it is "
            "gone, or weaker. Correct the picture instead of replacing it."
        )
    if missing(2 * poor - out) < 0.45:
        return nearly("The right correction with the wrong sign: it doubles what is missing.")
    if missing(poor + out) < 0.45:
        return nearly("That is the correction alone. Where is the picture that it belongs to?")
    if share < 0.95:
        return nearly(
            f"The right direction, but {share:.0%} of what was missing still is. Does a factor make your "
            "correction too small?"
        )
    return wrong(
        f"Reduced to LR's size, your picture differs from LR {share:.2f} times as much as before. Reduce it "
        "as LR was reduced, see what is missing there, and bring that to the picture's size."
    )
