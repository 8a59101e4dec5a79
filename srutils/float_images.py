"""Floating-point images of any range, with holes: what a network that knows [0, 1] needs them to be."""

from __future__ import annotations

import numpy as np


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


def value_range(values: np.ndarray) -> tuple[np.float32, np.float32]:
    """What values are to become 0 and 1 for a network.

    Parameters
    ----------
    values : ndarray
        All finite.

    Returns
    -------
    low, high : float32
        0 and 1, if no value lies outside. Else the sky and the light of a bright pixel, neither of which a
        few wild values can move: the median of what is left after clipping at 3 sigma, and the 99.9th
        percentile.
    """
    if values.min() >= 0 and values.max() <= 1:
        return np.float32(0), np.float32(1)
    from scipy.stats import sigmaclip

    low, high = np.median(sigmaclip(values, 3, 3).clipped), np.percentile(values, 99.9)
    high = high if high > low else values.max()
    return np.float32(low), np.float32(high if high > low else low + 1)
