"""The best that classical deconvolution does on ``telescope`` lenses: Wiener and Richardson-Lucy.

Bicubic neither deconvolves nor denoises, so beating it there says little. These two know both instruments, as
an astronomer would, and carry two constants tuned on the validation split (lesson 02 shows the search).

Both rest on one model of how LR arises from the noise-free HR scene x: blur by the difference of the two
telescopes' PSFs, average over ``scale`` x ``scale`` pixels, keep one value each. In Fourier space that is a
product with the `transfer` function and a folding of frequencies beyond LR's Nyquist limit (aliasing). Edges
are periodic, which is harmless where the field's edge is dark.
"""

from __future__ import annotations

import os

import numpy as np
from scipy import fft

from srutils.lensing.instruments import PEAK, PSF_FWHM, SKY, widening
from srutils.pairs import as_images

# Tuned on 120 lenses of the validation split (seed 0); lesson 02 searches on 60 and asserts these are its
# optimum.
WIENER = {
    2: {"corner": 0.08, "slope": 4.0, "noise": 10**-5.5},
    4: {"corner": 0.08, "slope": 4.0, "noise": 10**-6.5},
}
RICHARDSON_LUCY = {2: {"iterations": 20, "smoothing": 2.0}, 4: {"iterations": 60, "smoothing": 0.0}}


def _gaussian(n: int, fwhm: float) -> np.ndarray:
    """Fourier transform along one axis, (n,), of a Gaussian whose FWHM is given in pixels."""
    sigma = fwhm / np.sqrt(8 * np.log(2))
    return np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(n)) ** 2)


def transfer(shape: tuple[int, int], scale: int) -> np.ndarray:
    """Compute how the LR telescope sees a frequency of the HR scene, before it samples it.

    Parameters
    ----------
    shape : (H, W) of the HR image
    scale : 2 or 4

    Returns
    -------
    ndarray (H, W), complex64
        PSF difference times pixel average; 1 at frequency zero.
    """
    if scale not in PSF_FWHM or scale == 1:
        raise ValueError(f"the telescope track has no scale {scale}; deconvolution is for 2 or 4")
    axes = []
    for n in shape:
        # LR pixel j averages HR pixels scale*j to scale*j + scale - 1; the phase keeps the grids aligned.
        average = np.exp(2j * np.pi * np.outer(np.fft.fftfreq(n), np.arange(scale))).mean(1)
        axes.append(_gaussian(n, widening(PSF_FWHM[scale])) * average)
    return np.outer(*axes).astype(np.complex64)


def _lr_plane(lr) -> tuple[np.ndarray, int, int]:
    images = as_images(lr, "lr")
    if images.shape[-1] != 1:
        raise ValueError(f"lr has {images.shape[-1]} channels; deconvolution is for lenses, with 1")
    return images[..., 0], *images.shape[1:3]


def wiener(
    lr, scale: int, *, corner: float | None = None, slope: float | None = None, noise: float | None = None
):
    """Make the best linear estimate of the HR scene, for an assumed power spectrum of scenes and white noise.

    Wiener (1949) gives, at each HR frequency, ``conj(T) P / (sum over aliases of |T|^2 P + noise)``, applied
    to LR's spectrum; P = (1 + (f / corner)^2)^-slope is the scenes' power. Negative light is set to zero.

    Parameters
    ----------
    lr : array_like, (N, h, w, 1)
        ``telescope`` LR images, sky-subtracted, in units of HR's noise-free peak.
    scale : 2 or 4
    corner : float, cycles per HR pixel
    slope : float
    noise : float
        Noise power over the scenes' power at frequency zero. The tuned values are the default of all three.

    Returns
    -------
    ndarray, (N, h * scale, w * scale, 1), float32
    """
    y, h, w = _lr_plane(lr)
    shape = (h * scale, w * scale)
    t = transfer(shape, scale)
    given = {"corner": corner, "slope": slope, "noise": noise}
    tuned = WIENER[scale] | {key: value for key, value in given.items() if value is not None}
    f2 = np.add.outer(np.fft.fftfreq(shape[0]) ** 2, np.fft.fftfreq(shape[1]) ** 2)
    power = (1 + f2 / tuned["corner"] ** 2) ** -tuned["slope"]
    folded = (power * np.abs(t) ** 2).reshape(scale, h, scale, w).sum((0, 2)) / scale**4
    weight = power * np.conj(t) / scale**2 / np.tile(folded + tuned["noise"], (scale, scale))
    with fft.set_workers(os.cpu_count() or 1):
        spectrum = np.tile(fft.fft2(y), (1, scale, scale))
        return np.maximum(fft.ifft2(spectrum * weight.astype(np.complex64)).real, 0)[..., None]


def richardson_lucy(lr, scale: int, *, iterations: int | None = None, smoothing: float | None = None):
    """Climb towards the scene that makes the observed photon counts most likely, and stop early.

    Richardson (1972, JOSA 62, 55) and Lucy (1974, AJ 79, 745): multiply the estimate by the back-projected
    ratio of observed to predicted counts. It keeps light positive; run too long it fits the noise, so the
    number of iterations is the regulariser. With ``smoothing`` the scene is a Gaussian-smoothed hidden image
    (an intrinsic correlation function, as in maximum-entropy practice), which forbids structure finer than
    that.

    Parameters
    ----------
    lr : array_like, (N, h, w, 1)
        ``telescope`` LR images, sky-subtracted, in units of HR's noise-free peak.
    scale : 2 or 4
    iterations : int
    smoothing : float
        FWHM in HR pixels; 0 for none. The tuned values are the default of both.

    Returns
    -------
    ndarray, (N, h * scale, w * scale, 1), float32
    """
    y, h, w = _lr_plane(lr)
    shape = (h * scale, w * scale)
    t = transfer(shape, scale)[:, : shape[1] // 2 + 1]
    given = {"iterations": iterations, "smoothing": smoothing}
    tuned = RICHARDSON_LUCY[scale] | {key: value for key, value in given.items() if value is not None}
    smooth = np.outer(*(_gaussian(n, tuned["smoothing"]) for n in shape)).astype(np.float32)[:, : t.shape[1]]
    forward, back = t * smooth, np.conj(t) * smooth
    sky = np.float32(SKY / PEAK)
    to_lr = lambda x: fft.irfft2(fft.rfft2(x) * forward, s=shape)[..., ::scale, ::scale]  # noqa: E731

    def to_hr(ratio):
        spread = np.zeros((len(ratio), *shape), np.float32)
        spread[..., ::scale, ::scale] = ratio
        return fft.irfft2(fft.rfft2(spread) * back, s=shape)

    out = np.empty((len(y), *shape, 1), np.float32)
    with fft.set_workers(os.cpu_count() or 1):
        sensitivity = to_hr(np.ones((1, h, w), np.float32))
        for start in range(0, len(y), 16):  # 16 at a time stay in the cache
            seen = np.maximum(y[start : start + 16] + sky, 0)  # counts cannot be negative
            level = np.maximum(y[start : start + 16].mean((1, 2), keepdims=True), 1e-3)
            x = np.broadcast_to(level, (len(seen), *shape)).astype(np.float32)
            for _ in range(tuned["iterations"]):
                x = x * np.maximum(to_hr(seen / np.maximum(to_lr(x) + sky, 1e-6)) / sensitivity, 0)
            out[start : start + 16, ..., 0] = fft.irfft2(fft.rfft2(x) * smooth, s=shape)
    return out


def bicubic_matrix(n):
    """Write `bicubic_half` along one axis as a matrix (n / 2, n), LR = B HR B^T; edge pixels repeat."""
    matrix = np.zeros((n // 2, n))
    for i in range(n // 2):
        for pixel, weight in zip(range(2 * i - 1, 2 * i + 3), (-3, 19, 19, -3), strict=True):
            matrix[i, np.clip(pixel, 0, n - 1)] += weight / 32
    return matrix


def oracle(pairs):
    """Compute the ceiling of the deeplense track: the noise-free truth plus what LR determines of HR's noise.

    HR is truth + n, and LR = B HR B^T holds B n B^T. If n were white Gaussian noise, the expectation of n
    given that would be its projection B^+ (B n B^T) B^+T, B^+ being the pseudo-inverse: a quarter of the
    noise, so the mean squared error is three quarters of the noise's. No network can do better on average:
    what is left of the noise is independent of LR. The photon noise here grows with the signal; weighting
    by its variance, which takes an iterative solver, lifts the oracle by less than 0.01 dB.

    Parameters
    ----------
    pairs : ImagePairs
        Of the deeplense track: `truth` set, and `lr` the bicubic half of `hr`.

    Returns
    -------
    ndarray (N, H, W, 1), float32

    Raises
    ------
    ValueError
        If there is no truth, or LR is not made of HR (on the telescope track the oracle is the truth
        itself).
    """
    if pairs.truth is None:
        raise ValueError(f"{pairs.name} has no noise-free truth; the oracle needs it")
    vertical, horizontal = (bicubic_matrix(n) for n in pairs.hr.shape[1:3])
    back_v, back_h = np.linalg.pinv(vertical), np.linalg.pinv(horizontal)
    out = np.empty_like(pairs.hr)
    for a in range(0, len(pairs), 64):  # in float64, so a few at a time
        hr, truth, lr = (x[a : a + 64, ..., 0] for x in (pairs.hr, pairs.truth, pairs.lr))
        resized = vertical @ hr @ horizontal.T
        if resized.shape != lr.shape or abs(resized - lr).max() > 1e-4:
            raise ValueError(f"LR of {pairs.name} is not a bicubic half of HR; expected the deeplense track")
        noise = lr - vertical @ truth @ horizontal.T
        out[a : a + 64, ..., 0] = truth + back_v @ noise @ back_h.T
    return out
