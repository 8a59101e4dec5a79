"""Floating-point images of any range, with holes: what a network that knows [0, 1] needs them to be."""

from __future__ import annotations

import numpy as np

SAMPLE = 2**22  # values that are looked at, for what their range is


def covered(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Give pixels that are missing, or that nobody sees, the values of the nearest other one.

    Parameters
    ----------
    pixels : ndarray, (H, W, C)
    hole : ndarray of bool, (H, W)

    Returns
    -------
    ndarray like `pixels`
        The same array if there is no hole, or nothing else.
    """
    if not hole.any() or hole.all():
        return pixels
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(hole, return_distances=False, return_indices=True)
    return pixels[rows, columns]


def value_range(
    values: np.ndarray, lens: bool, bright: float = 1.0, keep: bool = True
) -> tuple[float, float]:
    """Choose what values are to become 0 and 1 for a network.

    They stay 0 and 1 where the image is about there already: between -0.1 and 1.1, and not all below 0.2.
    Noise and overshoot leave [0, 1] by a little, and a network should see a picture made for it as it is.
    Wild values, up to one in a thousand at either end, do not count.

    Parameters
    ----------
    values : ndarray
        All finite.
    lens : bool
        For a network that knows lenses: its 0 is the sky, the median of what lies within three robust
        standard deviations of it. Else 0 is the 0.1th percentile.
    bright : float
        What a bright pixel, the 99.9th percentile, is to become.
    keep : bool
        Whether 0 and 1 may stay what they are: not for values with a unit, or the result depended on it.

    Returns
    -------
    low, high : float
        `high` is greater.
    """
    some = values.reshape(-1)[:: values.size // SAMPLE + 1].astype(np.float64)
    dark, light = np.percentile(some, [0.1, 99.9])
    if keep and dark >= -0.1 and 0.2 <= light <= 1.1:
        return 0.0, 1.0
    low = _sky(some)[0] if lens else dark
    unit = ((light if light > low else some.max()) - low) / bright
    return float(low), float(low + unit if low + unit > low else low + max(1.0, abs(low)))


def contrast(values: np.ndarray) -> float:
    """Compute how far a bright pixel, the 99.9th percentile, is above the sky, in the sky's deviations.

    Of noise alone 3.1, as of any normal distribution. NaN in `values` do not count.
    """
    some = values.reshape(-1)[:: values.size // SAMPLE + 1].astype(np.float64)
    some = some[np.isfinite(some)]
    middle, spread = _sky(some)
    return float((np.percentile(some, 99.9) - middle) / spread) if spread > 0 else np.inf


def _sky(values: np.ndarray) -> tuple[float, float]:
    """The median of what lies within three robust standard deviations of it, and that deviation."""
    from scipy.stats import median_abs_deviation

    for _ in range(5):
        middle, spread = np.median(values), median_abs_deviation(values, scale="normal")
        values = values[np.abs(values - middle) <= 3 * spread]  # at least half of them
    return float(np.median(values)), float(spread)


def keep_light(out: np.ndarray, image: np.ndarray, scale: int, reach: float = 6.0) -> None:
    """Give a network's picture the light of its input, on scales of some 15 LR pixels and more; in place.

    A network makes light, or loses it: of a lens like those it knows some 0.1 %, of a point source 5 %. What
    each LR pixel lacks, averaged by a Gaussian, is added. On the telescope test this costs 0.1 dB at most.

    Parameters
    ----------
    out : ndarray, (H * scale, W * scale, 1), float32
    image : ndarray, (H, W, 1)
    scale : int
    reach : float
        Standard deviation of the Gaussian, in LR pixels. At 2 it undoes some of the deconvolution.
    """
    from scipy.ndimage import gaussian_filter

    from srutils.upscale.upscaler import Upscaler

    h, w = image.shape[:2]
    binned = out[..., 0].reshape(h, scale, w, scale).mean((1, 3), dtype=np.float64)
    lacking = gaussian_filter(image[..., 0] - binned, reach, mode="reflect").astype(np.float32)
    for place, piece, _ in Upscaler("bicubic", scale).pieces(lacking[..., None]):
        out[place] += piece
