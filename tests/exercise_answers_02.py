"""Answers to the exercises of lesson 02: see test_exercises.py."""

import numpy as np

from srutils.lensing.baselines import transfer
from srutils.lensing.instruments import PEAK, SKY

# ---------------------------------------------------------------- 1
BT601 = np.array([65.481, 128.553, 24.966]) / 255


def luma(image):
    return 16 + image.astype(float) @ BT601


def scorer(signal=luma, shave=lambda scale: scale, peak=255, mean_of="psnr"):
    """A function for exercise 1, right but for what is said here."""

    def table_psnr(sr, hr, scale):
        cut = shave(scale)
        squares = []
        for a, b in zip(sr, hr, strict=True):
            inside = np.s_[cut : a.shape[0] - cut, cut : a.shape[1] - cut]
            squares.append((signal(a)[inside] - signal(b)[inside]) ** 2)
        if mean_of == "pixels":
            squares = [np.concatenate([s.ravel() for s in squares])]
        mses = np.array([s.mean() for s in squares])
        mses = mses.mean() if mean_of == "mse" else mses
        return np.mean(10 * np.log10(peak**2 / mses))

    return table_psnr


# ---------------------------------------------------------------- 2


def power(truth):
    return (np.abs(np.fft.fft2(truth)) ** 2).mean(0)


def noise(lr, scale, sky=SKY):
    n, h, w = lr.shape
    return h * w * np.mean(lr * PEAK + sky) / (scale * PEAK) ** 2


def measured(p=power, v=noise):
    """A function for exercise 2 of two others: one for the power, one for the noise."""
    return lambda truth, lr, scale: (p(truth), v(lr, scale))


# ---------------------------------------------------------------- 3


def chi_square(y, x, blur=True, sky=SKY, area=4, counts=None):
    predicted = np.fft.ifft2(np.fft.fft2(x) * transfer((128, 128), 2)).real[:, ::2, ::2]
    if not blur:
        predicted = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    variance = (np.maximum(predicted if counts is None else counts, 0) * PEAK + sky) / (area * PEAK**2)
    with np.errstate(divide="ignore"):
        return np.mean((y - predicted) ** 2 / variance, axis=(1, 2))


def stopper(choose=lambda below, keys: keys[np.argmax(below, 0)], each=True, seen=False, **options):
    """A function for exercise 3, right but for what is said here."""

    def stop(y, runs):
        keys = np.array(list(runs))
        counts = {"counts": y} if seen else {}
        chi2 = np.array([chi_square(y, x, **options, **counts) for x in runs.values()])
        if not each:
            chi2 = np.repeat(chi2.mean(1, keepdims=True), len(y), 1)
        below = chi2 <= 1
        below[-1] = True
        return choose(below, keys)

    return stop


def nearest(y, runs):
    chi2 = np.array([chi_square(y, x) for x in runs.values()])
    return np.array(list(runs))[np.abs(chi2 - 1).argmin(0)]


ANSWERS = [
    (1, "right", (scorer(),), "right", "beside a published table"),
    (1, "in 0 to 1", (scorer(lambda x: luma(x) / 255, peak=1),), "right", "beside a published table"),
    (1, "PSNR of the mean MSE", (scorer(mean_of="mse"),), "nearly", "over the mean of all MSEs"),
    (1, "one heap", (scorer(mean_of="pixels"),), "nearly", "into one heap"),
    (1, "peak 1", (scorer(peak=1),), "nearly", "You have taken 1"),
    (1, "two units", (scorer(lambda x: luma(x) / 255),), "nearly", "in two units"),
    (1, "full range", (scorer(lambda x: (luma(x) - 16) * 255 / 219),), "nearly", "the full range"),
    (1, "RGB", (scorer(lambda x: x.astype(float)),), "nearly", "you have scored red, green and blue"),
    (1, "BGR", (scorer(lambda x: luma(x[..., ::-1])),), "nearly", "reads BGR"),
    (1, "rounded luma", (scorer(lambda x: luma(x).round()),), "nearly", "rounded luma"),
    (1, "no shave", (scorer(shave=lambda scale: 0),), "nearly", "Nothing is shaved"),
    (1, "shaved twice", (scorer(shave=lambda scale: 2 * scale),), "nearly", "shaved too much"),
    (1, "shaved half", (scorer(shave=lambda scale: scale // 2),), "nearly", "shaved too little"),
    (1, "bytes", (scorer(lambda x: x),), "nearly", "Bytes minus bytes"),
    (1, "always 30", (lambda sr, hr, scale: 30,), "wrong", "give 30.00 dB"),
    (
        1,
        "one for each picture",
        (lambda sr, hr, scale: [30, 31, 32],),
        "wrong",
        "One real number is expected",
    ),
    (1, "left unwritten", (lambda sr, hr, scale: ...,), "open", "Write the function's body"),
    (2, "right", (measured(),), "right", "No constant is left to tune"),
    (2, "no sky", (measured(v=lambda y, s: noise(y, s, 0)),), "nearly", "The sky's photons are missing"),
    (2, "one pixel", (measured(v=lambda y, s: noise(y, s) / y[0].size),), "nearly", "is that of one pixel"),
    (
        2,
        "HR's pixels",
        (measured(v=lambda y, s: noise(y, s) * s**2),),
        "nearly",
        "too large by scale squared",
    ),
    (
        2,
        "scale not squared",
        (measured(v=lambda y, s: noise(y, s) * s),),
        "nearly",
        "look at what is squared",
    ),
    (
        2,
        "a standard deviation",
        (measured(v=lambda y, s: y[0].size * np.sqrt(noise(y, s) / y[0].size)),),
        "nearly",
        "not a standard deviation",
    ),
    (2, "all lenses", (measured(v=lambda y, s: len(y) * noise(y, s)),), "nearly", "sum over all lenses"),
    (2, "noise guessed", (measured(v=lambda y, s: 1e-5),), "wrong", "The power is right, the noise is not"),
    (
        2,
        "amplitude",
        (measured(lambda x: np.abs(np.fft.fft2(x)).mean(0)),),
        "nearly",
        "mean amplitude. Power",
    ),
    (
        2,
        "squared too late",
        (measured(lambda x: np.abs(np.fft.fft2(x)).mean(0) ** 2),),
        "nearly",
        "squared the mean amplitude",
    ),
    (
        2,
        "mean scene",
        (measured(lambda x: np.abs(np.fft.fft2(x.mean(0))) ** 2),),
        "nearly",
        "the power of the mean scene",
    ),
    (2, "shifted", (measured(lambda x: np.fft.fftshift(power(x))),), "nearly", "sits in the middle"),
    (
        2,
        "normalised",
        (measured(lambda x: power(x) / x[0].size),),
        "nearly",
        "divided by the number of pixels",
    ),
    (2, "sum", (measured(lambda x: power(x) * len(x)),), "nearly", "the sum over all scenes"),
    (2, "all axes", (measured(lambda x: np.abs(np.fft.fftn(x)).mean(0) ** 2),), "wrong", "not the scenes'"),
    (2, "complex", (measured(lambda x: np.fft.fft2(x).mean(0)),), "wrong", "Power is a real number"),
    (2, "a scalar", (measured(lambda x: np.mean(power(x))),), "wrong", "one value for each frequency"),
    (2, "power alone", (lambda truth, lr, scale: power(truth),), "wrong", "return power, noise"),
    (3, "right", (stopper(),), "right", "No truth was needed"),
    (3, "place in the list", (stopper(lambda below, _: below.argmax(0)),), "nearly", "which begins at 0"),
    (3, "one for all", (stopper(each=False),), "nearly", "averaged over them"),
    (3, "nearest to 1", (nearest,), "nearly", "comes nearest to 1"),
    (3, "no sky", (stopper(sky=0),), "nearly", "noise of the dark sky is missing"),
    (3, "HR's variance", (stopper(area=1),), "nearly", "four times the area"),
    (3, "area once", (stopper(area=2),), "nearly", "photons over area"),
    (3, "no PSF", (stopper(blur=False),), "nearly", "the wider PSF"),
    (3, "LR's own counts", (stopper(seen=True),), "nearly", "from LR's own counts"),
    (3, "the tuned number", (lambda y, runs: np.full(len(y), 10),), "nearly", "A number tuned on truths"),
    (3, "any numbers", (lambda y, runs: np.arange(len(y)),), "wrong", "it falls, and you stop at 1"),
    (3, "one number", (lambda y, runs: 10,), "wrong", "One number of iterations for each"),
]
