"""How close is an upscaled image to the real one? MSE, PSNR, SSIM, radial power spectra, two protocols.

Every function takes ``(H, W, C)`` or ``(N, H, W, C)`` and scores images one by one: a batch gives an array
``(N,)``, a single image a float. Averages over images are left to the caller, who also wants the spread.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from srutils.pairs import as_images

SIGMA, RADIUS = 1.5, 5  # SSIM's Gaussian window: 11 x 11, as in the paper and in scikit-image
K1, K2 = 0.01, 0.03
_BLOCK = 54  # output pixels a matrix product makes at once along each axis: 64 in, 54 out
_CHUNK = 1 << 17  # values a thread handles at once: little memory, and it stays in the processor's cache


def _pair(a, b, data_range: float = 1.0) -> tuple[np.ndarray, np.ndarray, bool]:
    if not (np.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range is {data_range}; expected a positive number")
    if data_range != 1 and any(np.asarray(x).dtype.kind in "iu" for x in (a, b)):
        raise ValueError(f"integer images are scaled to [0, 1] here, so data_range is 1; got {data_range}")
    single = np.ndim(a) == 3
    a, b = as_images(a, "first image"), as_images(b, "second image")
    if a.shape != b.shape:
        raise ValueError(f"the images have shapes {a.shape} and {b.shape}; expected the same")
    return a, b, single


def _result(values: np.ndarray, single: bool):
    return float(values[0]) if single else values


def _by_chunk(function, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Score a few images at a time, on all cores: NumPy lets go of the interpreter lock while it computes."""
    step = max(1, _CHUNK // a[0].size)
    chunks = [np.s_[i : i + step] for i in range(0, len(a), step)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(lambda part: function(a[part], b[part]), chunks)))


def mse(a, b):
    """Compute the mean squared error over pixels and channels.

    Parameters
    ----------
    a, b : array_like, (H, W, C) or (N, H, W, C), same shape

    Returns
    -------
    float or ndarray (N,), float64, in squared image units
    """
    a, b, single = _pair(a, b)
    return _result(_by_chunk(_mse_chunk, a, b), single)


def _mse_chunk(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    difference = (a - b).reshape(len(a), a.shape[1], -1)
    rows = np.einsum("nij,nij->ni", difference, difference)  # short float32 sums, added up in float64
    return rows.mean(1, dtype=np.float64) / difference.shape[2]


def psnr(a, b, data_range: float = 1.0):
    """Peak signal-to-noise ratio, ``10 log10(data_range**2 / MSE)``, in dB; infinite for equal images.

    Parameters
    ----------
    a, b : array_like, (H, W, C) or (N, H, W, C), same shape
    data_range : float
        The value called "peak": 1 for images in [0, 1], and for uint8 and uint16, which are brought to [0, 1]
        first; 255 for floats from 0 to 255.

    Returns
    -------
    float or ndarray (N,), float64
    """
    a, b, single = _pair(a, b, data_range)
    with np.errstate(divide="ignore"):
        return _result(10 * np.log10(data_range**2 / _by_chunk(_mse_chunk, a, b)), single)


def ssim(a, b, data_range: float = 1.0):
    """Structural similarity (Wang et al. 2004, IEEE TIP 13, 600), averaged over pixels and channels.

    Gaussian window of sigma 1.5 cut at 11 x 11, population covariance, only windows that lie wholly inside
    the image. In scikit-image: ``structural_similarity(gaussian_weights=True, use_sample_covariance=False)``.

    Parameters
    ----------
    a, b : array_like, (H, W, C) or (N, H, W, C), same shape, at least 11 pixels a side
    data_range : float
        The value called "peak", as in `psnr`. It sets the two constants of the formula: 2 where 1 is right
        raises scores.

    Returns
    -------
    float or ndarray (N,), float64, 1 for equal images

    Notes
    -----
    The window is separable, so blurring is a product with a banded matrix from either side. Blocks of 64 x 64
    pixels keep those matrices small and the work in matrix multiplication, which is what makes this fast.
    """
    a, b, single = _pair(a, b, data_range)
    h, w = a.shape[1:3]
    if min(h, w) < 2 * RADIUS + 1:
        raise ValueError(f"the images are {h} x {w}; SSIM needs at least {2 * RADIUS + 1} pixels a side")
    return _result(_by_chunk(lambda x, y: _ssim_chunk(x, y, data_range), a, b), single)


def _ssim_chunk(a: np.ndarray, b: np.ndarray, data_range: float) -> np.ndarray:
    n, _, _, c = a.shape

    def planes(x):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)).reshape(n * c, *x.shape[1:3])

    a, b = planes(a) / np.float32(data_range), planes(b) / np.float32(data_range)
    # Variances are small differences of large float32 numbers; taking out the mean keeps their digits.
    mean_a, mean_b = (x.mean((1, 2), keepdims=True, dtype=np.float64).astype(np.float32) for x in (a, b))
    a, b = a - mean_a, b - mean_b
    total, count = np.zeros(n * c), 0
    h, w = a.shape[1:]
    for top in range(0, h - 2 * RADIUS, _BLOCK):
        for left in range(0, w - 2 * RADIUS, _BLOCK):
            block = np.s_[:, top : top + _BLOCK + 2 * RADIUS, left : left + _BLOCK + 2 * RADIUS]
            x, y = a[block], b[block]
            mx, my, sq, xy = (_window_mean(m) for m in (x, y, x * x + y * y, x * y))
            # both variances together: all that SSIM needs
            cov, var = xy - mx * my, sq - mx * mx - my * my
            mx += mean_a
            my += mean_b
            lum = (2 * mx * my + K1**2) / (mx * mx + my * my + K1**2)
            values = lum * (2 * cov + K2**2) / (var + K2**2)
            total += values.sum((1, 2), dtype=np.float64)
            count += values[0].size
    return (total / count).reshape(n, c).mean(1)


@lru_cache(maxsize=256)
def _window_matrix(size: int) -> np.ndarray:
    """(size - 10, size) float32: each row holds the 11 weights of the window, one pixel further right."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    rows = np.zeros((size - 2 * RADIUS, size), np.float32)
    for i, row in enumerate(rows):
        row[i : i + 2 * RADIUS + 1] = weights / weights.sum()
    return rows


def _window_mean(x: np.ndarray) -> np.ndarray:
    return _window_matrix(x.shape[1]) @ (x @ _window_matrix(x.shape[2]).T)


def luma(rgb) -> np.ndarray:
    """Luma (Y') of RGB by ITU-R BT.601 with head- and footroom: black 16/255, white 235/255.

    Parameters
    ----------
    rgb : array_like, (H, W, 3) or (N, H, W, 3), in [0, 1]
        One channel is taken as luma and returned unchanged.

    Returns
    -------
    ndarray, (H, W, 1) or (N, H, W, 1), float32
    """
    images = as_images(rgb, "rgb")
    if images.shape[-1] == 3:
        # Weights as MATLAB's rgb2ycbcr has them; 65.481 + 128.553 + 24.966 = 219 = 235 - 16.
        weights = np.array([[65.481], [128.553], [24.966]])
        images = ((16 + images.astype(np.float64) @ weights) / 255).astype(np.float32)
    return images if np.ndim(rgb) == 4 else images[0]


def quantize(image) -> np.ndarray:
    """Clip (H, W, C) or (N, H, W, C) to [0, 1] and round to the 256 levels of an 8-bit file; float32."""
    images = np.round(np.clip(as_images(image), 0, 1) * np.float32(255)) / np.float32(255)
    return images if np.ndim(image) == 4 else images[0]


def shave(image, pixels: int) -> np.ndarray:
    """Cut ``pixels`` from every edge of ``(..., H, W, C)``: those depend on padding, not on the method."""
    image = np.asarray(image)
    if image.ndim < 3:
        raise ValueError(f"image has shape {image.shape}; expected (..., H, W, C)")
    h, w = image.shape[-3:-1]
    if pixels < 0 or 2 * pixels >= min(h, w):
        raise ValueError(f"cannot shave {pixels} pixels from every edge of an image of {h} x {w}")
    return image[..., pixels : h - pixels, pixels : w - pixels, :]


def photo_scores(sr, hr, scale: int, *, round_luma: bool = False) -> dict[str, float]:
    """Score a photograph by the benchmark protocol: luma, ``scale`` pixels shaved, peak 255.

    Parameters
    ----------
    sr, hr : array_like, (H, W, C), in [0, 1]
        RGB, or one channel that is luma already.
    scale : int
    round_luma : bool
        Round luma to 8 bits, as the published tables up to about 2016 did; later papers round RGB and leave
        luma.

    Returns
    -------
    dict
        psnr in dB, ssim, mse (peak 1).
    """
    a, b = (shave(luma(x), scale) for x in (sr, hr))
    if round_luma:
        a, b = quantize(a), quantize(b)
    return {"psnr": psnr(a, b), "ssim": ssim(a, b), "mse": mse(a, b)}


def lens_scores(sr, target) -> dict[str, np.ndarray]:
    """Score lenses: every pixel, data range 1, no shaving, clipping or rounding.

    Parameters
    ----------
    sr, target : array_like, (N, H, W, 1)

    Returns
    -------
    dict of ndarray (N,)
        psnr in dB, ssim, mse, one entry an image.
    """
    if np.ndim(sr) != 4:
        raise ValueError(f"lenses have shape {np.shape(sr)}; expected (N, H, W, 1)")
    return {"psnr": psnr(sr, target), "ssim": ssim(sr, target), "mse": mse(sr, target)}


def radial_power_spectrum(image, n_bins: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Power per spatial frequency, averaged over direction.

    Parameters
    ----------
    image : array_like, (H, W, C) or (N, H, W, C)
        Channels are averaged. The mean is taken out, and a Hann window keeps the edges' jump out of the
        spectrum.
    n_bins : int, optional
        Rings between 0 and 0.5 cycles per pixel (Nyquist): half the shorter side by default, and at most.

    Returns
    -------
    frequency : ndarray (n_bins,), cycles per pixel, ring centres
    power : ndarray (n_bins,) or (N, n_bins), float64
        Normalised so that white noise of variance v has power v in every ring.
    """
    images = as_images(image).mean(-1, dtype=np.float64)
    n, h, w = images.shape
    most = min(h, w) // 2  # with more rings, some would hold no frequency
    n_bins = most if n_bins is None else n_bins
    if not 1 <= n_bins <= most:
        raise ValueError(
            f"n_bins is {n_bins}; expected 1 to {most}, half the shorter side of {h} x {w} pixels"
        )
    window = np.outer(np.hanning(h + 2)[1:-1], np.hanning(w + 2)[1:-1])
    images = (images - images.mean((1, 2), keepdims=True)) * window
    power = np.abs(np.fft.rfft2(images)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    # rfft2 keeps half the plane: inner columns stand for two frequencies, the first (and an even last) for 1.
    weight = np.full(radius.shape, 2.0)
    weight[:, 0] = 1
    if w % 2 == 0:
        weight[:, -1] = 1
    # The corners beyond Nyquist fall into one extra ring; 1e-9 keeps rounding from moving a frequency down.
    ring = np.minimum((radius * 2 * n_bins + 1e-9).astype(int), n_bins)
    sums = np.array([np.bincount(ring.ravel(), (p * weight).ravel(), n_bins + 1) for p in power])
    power = sums[:, :n_bins] / np.bincount(ring.ravel(), weight.ravel())[:n_bins]
    frequency = (np.arange(n_bins) + 0.5) / (2 * n_bins)
    return frequency, power if np.ndim(image) == 4 else power[0]


def spectrum_error(sr, hr) -> float:
    """How far the radial power spectrum is from the real one, in dex.

    The mean over all rings between 0 and Nyquist of ``|log10(P_sr / P_hr)|``, each P an average over images:
    0.3 means that power is typically off by a factor of two, no matter in which direction.

    Parameters
    ----------
    sr, hr : array_like, (H, W, C) or (N, H, W, C), same shape

    Returns
    -------
    float
        Infinite where one of the two has a ring without any power and the other has not.
    """
    sr, hr, _ = _pair(sr, hr)
    a, b = (radial_power_spectrum(images)[1].mean(0) for images in (sr, hr))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.abs(np.where(a == b, 0.0, np.log10(a) - np.log10(b))).mean())


def gradient_error(sr, hr) -> float:
    """How far the strengths of the gradients are distributed from the real ones, relative to their mean.

    The 1-Wasserstein distance between the two distributions of gradient magnitudes, by forward differences,
    channels averaged first. It is the area between the two sorted lists: 0.1 means that gradients have to be
    changed by 10 % of the real mean gradient, on average, to turn one distribution into the other.

    Parameters
    ----------
    sr, hr : array_like, (H, W, C) or (N, H, W, C), same shape

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the real images are constant, or smaller than 2 x 2.
    """
    sr, hr, _ = _pair(sr, hr)
    a, b = _gradients(sr), _gradients(hr)
    if not b.size or not b.mean() > 0:
        raise ValueError("the real images have no gradients; expected images that are not constant")
    return float(np.abs(a - b).mean() / b.mean())


def _gradients(images: np.ndarray) -> np.ndarray:
    grey = images.mean(-1, dtype=np.float64)
    across, down = grey[:, :-1, 1:] - grey[:, :-1, :-1], grey[:, 1:, :-1] - grey[:, :-1, :-1]
    return np.sort(np.hypot(across, down), axis=None)
