"""Lesson 02: a score that agrees with the tables, Wiener without tuning, stopping without the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from srutils.exercises import Mistaken, Verdict, array, called, nearly, number, recognised, right, wrong

# ---------------------------------------------------------------- 1: a score that agrees with the tables
BT601 = np.array([65.481, 128.553, 24.966]) / 255
SIGNALS = {
    "luma": lambda image: 16 + image @ BT601,
    "rounded": lambda image: np.round(16 + image @ BT601),
    "swapped": lambda image: 16 + image[..., ::-1] @ BT601,
    "full": lambda image: image @ BT601 * 255 / 219,
    "rgb": lambda image: image,
}


@lru_cache
def _pictures() -> tuple[list, list]:
    """SR and HR, 8-bit RGB of three sizes: other errors at the border, in each picture and each channel."""
    rng, srs, hrs = np.random.default_rng(2), [], []
    for shape, size in (((40, 32), 3.0), ((48, 60), 9.0), ((64, 36), 18.0)):
        hr = rng.uniform(40, 200, (*shape, 3))
        error = size * rng.normal(size=hr.shape) * [1, 2, 0.6]
        for edge in (2, 4, 8):
            error[:edge] *= 1.5
            error[:, -edge:] *= 1.5
        hrs.append(np.uint8(hr))
        srs.append(np.uint8(np.clip(hr + error, 0, 255)))
    return srs, hrs


def _table_psnr(scale, signal="luma", shave=1.0, peak=255.0, pool="pictures") -> float:
    cut, mses, sizes = int(shave * scale), [], []
    for sr, hr in zip(*_pictures(), strict=True):
        inner = (slice(cut, n - cut) for n in hr.shape[:2])
        difference = (SIGNALS[signal](sr.astype(float)) - SIGNALS[signal](hr.astype(float)))[tuple(inner)]
        mses.append(np.mean(difference**2))
        sizes.append(difference.size)
    if pool != "pictures":
        mses = [np.average(mses, weights=sizes if pool == "pixels" else None)]
    return float(np.mean(10 * np.log10(peak**2 / np.array(mses))))


def _wrapped(scale) -> float:
    """What comes out if bytes are subtracted from bytes."""
    cut = slice(scale, -scale)
    mses = [np.mean((sr - hr)[cut, cut] ** 2) for sr, hr in zip(*_pictures(), strict=True)]
    return float(np.mean(10 * np.log10(255**2 / np.array(mses))))


def exercise_1(table_psnr: Callable) -> Verdict:
    """`table_psnr(sr, hr, scale)`: the PSNR that a table of photographs prints for these pictures."""
    scales, (srs, hrs) = (2, 4), _pictures()
    copies = [[image.copy() for image in images] for images in (srs, hrs)]
    found = np.array([number(called(table_psnr, *copies, scale)) for scale in scales])

    def score(**options):
        return np.array([_table_psnr(scale, **options) for scale in scales])

    if np.allclose(found, score(), rtol=0, atol=1e-3):
        return right(
            "Your score can stand beside a published table: same signal, same border, same peak, same mean. "
            "`metrics.photo_scores` does the same, and Set5's bicubic row is its test."
        )
    slips = {
        "This is 10 log10 of the peak's square over the mean of all MSEs. Tables take the PSNR of each "
        "picture, and then the mean.": score(pool="mse"),
        "You have put the pixels of all pictures into one heap. Tables score each picture, and then take the "
        "mean.": score(pool="pixels"),
        "The values go up to 255, and so does the peak. You have taken 1.": score(peak=1.0),
        "Signal and peak are in two units: if luma is between 0 and 1, so is its peak.": score(peak=255.0**2),
        "This luma has the full range from 0 to 255; or it is television's, from 16 to 235, and the peak is "
        "219: the two agree. Tables use television's, and the peak is 255 all the same.": score(
            signal="full"
        ),
        "Tables score luma, and you have scored red, green and blue.": score(signal="rgb"),
        "Red and blue have changed places: is it OpenCV that reads BGR?": score(signal="swapped"),
        "You have rounded luma. That was the older convention; now the 8-bit RGB is rounded, and luma is "
        "not.": (score(signal="rounded")),
        "Nothing is shaved. Pixels at the border depend on how a method pads, so tables cut them off.": score(
            shave=0
        ),
        "You have shaved too much: `scale` pixels on each side.": score(shave=2),
        "You have shaved too little: `scale` pixels on *each* side.": score(shave=0.5),
        "Bytes minus bytes are bytes: 3 - 5 is 254 there. Make them float first (and take luma).": np.array(
            [_wrapped(scale) for scale in scales]
        ),
    }
    return recognised(found, slips, rtol=0, atol=1e-3) or wrong(
        f"Three pairs of pictures at x2 give {found[0]:.2f} dB and at x4 {found[1]:.2f} dB. Check signal, "
        "shave, peak and mean, one after the other, against section 4."
    )


# ---------------------------------------------------------------- 2: Wiener without tuning
def _power(truth: np.ndarray) -> np.ndarray:
    return np.mean(np.abs(np.fft.fft2(truth)) ** 2, axis=0)


def _noise(lr: np.ndarray, scale: int, sky: bool = True) -> float:
    from srutils.lensing.instruments import PEAK, SKY

    photons = np.maximum(lr, 0) * PEAK + SKY * sky
    return lr[0].size * float(np.mean(photons)) / (scale * PEAK) ** 2


def exercise_2(measure: Callable) -> Verdict:
    """`measure(truth, lr, scale)`: the scenes' power spectrum and the power of LR's noise."""
    rng, cases = np.random.default_rng(4), []
    for scale, n in ((2, 16), (4, 24)):
        truth = rng.gamma(0.3, 0.1, (5, n, n)) + np.outer(*[np.sin(np.pi * np.arange(n) / n)] * 2)
        cases.append((truth, truth.reshape(5, n // scale, scale, n // scale, scale).mean((2, 4)), scale))
    returned = [called(measure, *(np.copy(a) for a in case[:2]), case[2]) for case in cases]
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in returned):
        raise Mistaken("Two things are expected, power and noise: return power, noise.")
    powers, noises = [array(pair[0]) for pair in returned], np.array([number(p[1]) for p in returned])
    shapes = [case[0].shape[1:] for case in cases]
    if any(power.shape != shape for power, shape in zip(powers, shapes, strict=True)):
        return wrong(
            f"For five scenes of {shapes[0]} pixels the power has one value for each frequency, {shapes[0]}; "
            f"yours has the shape {powers[0].shape}."
        )
    wanted = np.concatenate([_power(case[0]).ravel() for case in cases])
    found = np.concatenate([power.ravel() for power in powers])
    if np.iscomplexobj(found):
        return wrong("Power is a real number: the square of a complex number's absolute value.")
    if not np.allclose(found, wanted, rtol=1e-3):
        return _judge_power(found, cases)
    truth = np.array([_noise(*case[1:]) for case in cases])
    scales, counts = (np.array([f(case) for case in cases]) for f in (lambda c: c[2], lambda c: c[1][0].size))
    if np.allclose(noises, truth, rtol=0.02):
        return right(
            "No constant is left to tune: the scenes' power is measured on training lenses, the noise "
            "counted in photons. Put both into `wiener` in place of its power law and noise: the score stays "
            "what it was."
        )
    slips = {
        "The power is right. The sky's photons are missing: they were taken off the image, but not their "
        "noise.": [_noise(*case[1:], sky=False) for case in cases],
        "The power is right. The noise is that of one pixel; in a Fourier coefficient that of all LR pixels "
        "adds up.": truth / counts,
        "The power is right. The noise is too large by scale squared: LR's pixels collect more light than "
        "HR's, and there are fewer of them.": truth * scales**2,
        "The power is right. The noise has too small a power of `scale`: look at what is squared.": truth
        * scales,
        "The power is right. You have taken the root: a power is a variance, not a standard "
        "deviation.": counts * np.sqrt(truth / counts),
        "The power is right. The noise is the sum over all lenses; one lens's is needed.": 5 * truth,
    }
    return recognised(noises, slips, rtol=0.02) or wrong(
        "The power is right, the noise is not. How many photons does a pixel of LR collect, how much do they "
        "scatter, in units of brightness, and how do h x w independent pixels add up in a Fourier sum?"
    )


def _judge_power(found: np.ndarray, cases: list) -> Verdict:
    def each(function):
        return np.concatenate([np.ravel(function(case[0])) for case in cases])

    slips = {
        "That is the mean amplitude. Power is its square, and it is squared before it is averaged.": each(
            lambda x: np.abs(np.fft.fft2(x)).mean(0)
        ),
        "You have squared the mean amplitude. Square first, then average: noise and signal add in "
        "power.": each(lambda x: np.abs(np.fft.fft2(x)).mean(0) ** 2),
        "That is the power of the mean scene, where arcs of different lenses blur into one another.": each(
            lambda x: np.abs(np.fft.fft2(x.mean(0))) ** 2
        ),
        "The zero frequency sits in the middle. `wiener` wants it first, where np.fft.fft2 puts it.": each(
            lambda x: np.fft.fftshift(_power(x))
        ),
        "The power is divided by the number of pixels. The noise has to stand in the unit of np.fft.fft2, "
        "and so has this.": each(lambda x: _power(x) / x[0].size),
        "That is the sum over all scenes; the mean is needed.": each(lambda x: len(x) * _power(x)),
    }
    return recognised(found, slips) or wrong(
        "The power is not the scenes'. Transform every scene (axes 1 and 2), square the absolute values, and "
        "average over the scenes, frequency by frequency."
    )


# ---------------------------------------------------------------- 3: stopping without the truth
@lru_cache
def _runs() -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """LR (8, 64, 64) of validation lenses and Richardson-Lucy's scene after each of 12 iterations."""
    from srutils.lensing import baselines, simulator

    lr = simulator.simulate("telescope", 8, split="val", seed=0).lr
    after = partial(baselines.richardson_lucy, lr, 2, smoothing=0.0)
    return lr[..., 0], {k: after(iterations=k)[..., 0] for k in range(1, 13)}


def _chi2(blur: bool = True, sky: bool = True, area: float = 4.0, counts: str = "predicted") -> np.ndarray:
    """Chi square per LR pixel, (12, 8): by iterations and lens."""
    from srutils.lensing.baselines import transfer
    from srutils.lensing.instruments import PEAK, SKY

    y, runs = _runs()
    t = transfer((128, 128), 2)
    rows = []
    for x in runs.values():
        predicted = np.fft.ifft2(np.fft.fft2(x) * t).real[:, ::2, ::2]
        if not blur:
            predicted = x.reshape(len(x), 64, 2, 64, 2).mean((2, 4))
        light = np.maximum(predicted if counts == "predicted" else y, 0)
        variance = (light * PEAK + SKY * sky) / (area * PEAK**2)
        rows.append(np.mean((y - predicted) ** 2 / np.maximum(variance, 1e-30), axis=(1, 2)))
    return np.array(rows)


def _first(chi2: np.ndarray) -> np.ndarray:
    return np.where((chi2 <= 1).any(0), (chi2 <= 1).argmax(0) + 1, len(chi2))


@lru_cache
def _stops() -> dict[str, np.ndarray]:
    """For each lens: the right number of iterations under "", and those of known slips."""
    chi2 = _chi2()
    return {
        "": _first(chi2),
        "You give the place in the list, which begins at 0; the number of iterations is its key.": _first(
            chi2
        )
        - 1,
        "One number for all lenses: chi square is averaged over them. Each lens has its own.": np.full(
            chi2.shape[1], _first(chi2.mean(1, keepdims=True))
        ),
        "That is where chi square comes nearest to 1. The first number is wanted at which it is not above "
        "1.": (np.abs(chi2 - 1).argmin(0) + 1),
        "The noise of the dark sky is missing, so that dark pixels seem to miss by many sigma.": _first(
            _chi2(sky=False)
        ),
        "You stop too early: a pixel of LR has four times the area of HR's, and so four times the photons. "
        "What is its variance, in units of brightness?": _first(_chi2(area=1.0)),
        "You stop too early: you have divided the photons by the area once, and brightness is photons over "
        "area. What does that do to a variance?": _first(_chi2(area=2.0)),
        "Between the scene and LR there are pixels *and* the wider PSF. `transfer` has both.": _first(
            _chi2(blur=False)
        ),
        "You take the noise from LR's own counts. Where they happen to be low, that makes the noise too "
        "small: take it from what the scene predicts.": _first(_chi2(counts="seen")),
    }


def exercise_3(stop: Callable) -> Verdict:
    """`stop(y, runs)`: for each lens the first number of iterations at which chi square is not above 1."""
    y, runs = _runs()
    found = array(called(stop, y.copy(), {k: x.copy() for k, x in runs.items()}))
    if found.shape != (len(y),):
        raise Mistaken(
            f"One number of iterations for each of the {len(y)} lenses is expected, an array of shape "
            f"({len(y)},); your function returned the shape {found.shape}."
        )
    known = dict(_stops())
    if np.array_equal(found, known.pop("")):
        return right(
            "No truth was needed, only LR and its photons, so this works on a real lens. How much it loses "
            "against the best number for each lens can only be measured where the truth is known: here."
        )
    slip = recognised(found, known, rtol=0, atol=0.1)
    if slip is None and len(set(found)) == 1:
        return nearly(
            "The same number for every lens. A number tuned on truths is good on average; this exercise asks "
            "each LR image how far to go."
        )
    return slip or wrong(
        f"For the first three lenses you stop after {', '.join(f'{n:g}' for n in found[:3])} iterations. "
        "Print chi square per pixel, one number for each lens and each entry of `runs`: it falls, and you "
        "stop at 1."
    )
