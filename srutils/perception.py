"""Does an upscaled image look like the real ones? Statistics that do not ask where each pixel is.

PSNR and SSIM compare pixel with pixel. These two compare how much detail there is, at every scale and of
every strength, so an image may score well here and still be wrong everywhere. A perfect match scores 0.
"""

from __future__ import annotations

import numpy as np

from .metrics import radial_power_spectrum
from .pairs import as_images


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
    sr, hr = _sets(sr, hr)
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
    a, b = (_gradients(images) for images in _sets(sr, hr))
    if not b.size or not b.mean() > 0:
        raise ValueError("the real images have no gradients; expected images that are not constant")
    return float(np.abs(a - b).mean() / b.mean())


def _sets(sr, hr) -> tuple[np.ndarray, np.ndarray]:
    sr, hr = as_images(sr, "sr"), as_images(hr, "hr")
    if sr.shape != hr.shape:
        raise ValueError(f"the images have shapes {sr.shape} and {hr.shape}; expected the same")
    return sr, hr


def _gradients(images: np.ndarray) -> np.ndarray:
    grey = images.mean(-1, dtype=np.float64)
    across, down = grey[:, :-1, 1:] - grey[:, :-1, :-1], grey[:, 1:, :-1] - grey[:, :-1, :-1]
    return np.sort(np.hypot(across, down), axis=None)
