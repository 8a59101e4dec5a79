"""LPIPS, a learned distance between two pictures: version 0.1 with SqueezeNet, whole in one ONNX file."""

from __future__ import annotations

import functools

import numpy as np

from srutils.course import find_data
from srutils.model_files.engine import open_session

FILE = "lpips/lpips_sq.onnx"  # under SR_DATA or in the cache; `srutils fetch lpips` puts it there
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as SqueezeNet expects
SIDE, LEAST = 1024, 32  # larger pictures are judged in parts; smaller ones have no features to compare
_session = functools.cache(open_session)


def lpips(sr: np.ndarray, hr: np.ndarray) -> float | None:
    """Compute LPIPS (Zhang et al. 2018, CVPR, 586), about how different two pictures look; 0 if equal.

    Parameters
    ----------
    sr, hr : ndarray, (H, W, C), in [0, 1], C = 3, or 1 for grey
        Pictures of more than `SIDE` pixels a side are judged in parts, and the mean is weighted by area.

    Returns
    -------
    float or None
        None where `FILE` is not there, or a picture has fewer than `LEAST` pixels a side.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if np.shape(sr) != np.shape(hr):
        raise ValueError(f"sr is {np.shape(sr)} and hr {np.shape(hr)}; expected the same shape")
    path = find_data(FILE)
    if path is None or min(np.shape(hr)[:2]) < LEAST:
        return None
    session, (h, w) = _session(path), np.shape(hr)[:2]
    rows, columns = (np.linspace(0, n, -(-n // SIDE) + 1).astype(int) for n in (h, w))
    total = 0.0
    for top, bottom in zip(rows[:-1], rows[1:], strict=True):
        for left, right in zip(columns[:-1], columns[1:], strict=True):
            part = (slice(top, bottom), slice(left, right))
            inputs = {"ref": _normalised(hr[part]), "dist": _normalised(sr[part])}
            total += float(session.run(None, inputs)[0].item()) * (bottom - top) * (right - left)
    return total / (h * w)


def _normalised(image: np.ndarray) -> np.ndarray:
    rgb = np.repeat(image, 3 // image.shape[-1], axis=-1).clip(0, 1)
    return ((rgb - MEAN) / DEVIATION).astype(np.float32).transpose(2, 0, 1)[None]
