"""Draw pictures that fit, of floats of any range: their mean, their spread, and all of them if asked for."""

from __future__ import annotations

import numpy as np

from srutils.files.picture import Unusable
from srutils.upscale.arrays import covered
from srutils.upscale.chain import Chain
from srutils.upscale.enlarge import enlarged_hole, range_for
from srutils.upscale.messages import counted
from srutils.upscale.options import Options


def check_samples(up: Chain, options: Options) -> None:
    """Refuse what has no samples, and what samples would not survive: another size, a share of bicubic."""
    draws = any(step.samples for step in up.steps)
    if options.samples is not None and not draws:
        raise ValueError(
            f"{up.name} makes one picture, no samples; --model posterior-telescope-x4 draws them"
        )
    if draws and (len(up.steps) > 1 or up.resizes or up.blend or options.ensemble):
        raise ValueError(
            f"{up.name} draws samples at x{up.steps[0].scale}: no other size, no --blend and no --ensemble "
            "goes with it"
        )


def sampled_values(
    up: Chain, values: np.ndarray, options: Options, limits: tuple[float, float] | None = None, plane: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Draw `Options.samples` pictures of floats (H, W, 1), NaN where there is no value.

    Memory is that of a few pictures, unless all are kept.

    Parameters
    ----------
    up : Chain
        Of one step, a posterior model.
    values : ndarray (H, W, 1)
    options : Options
    limits : (low, high), optional
        As for `srutils.upscale.enlarge.enlarge_values`.
    plane : int
        Which plane of a cube: each has samples of its own.

    Returns
    -------
    mean, std : ndarray (H * scale, W * scale, 1), float32
        In the unit of the values; `std` is what n samples estimate of all (n - 1 in its denominator).
    cube : ndarray (n, H * scale, W * scale, 1), float32, or None
        With `Options.keep_samples`.
    """
    values = values.astype(np.float32)
    hole = ~np.isfinite(values).all(-1)
    if hole.all():
        raise Unusable("it holds no finite value")
    low, high = limits or range_for(up, values[~hole], options)
    unit, n = high - low, options.samples
    whole = ((covered(values, hole).astype(np.float64) - low) / unit).astype(np.float32)
    mean, square = np.zeros((2, *up.size, 1))
    cube = np.empty((n, *up.size, 1), np.float32) if options.keep_samples else None
    drawn = up.steps[0].draw(whole, n, (options.seed, plane))
    for k, one in enumerate(counted(drawn, n, "sample", options.progress)):
        step = one - mean  # Welford's sums: nothing is lost to rounding
        mean += step / (k + 1)
        square += step * (one - mean)
        if cube is not None:
            cube[k] = one * np.float32(unit) + np.float32(low)
    std = np.sqrt(square / (n - 1)) * unit
    mean, std = (image.astype(np.float32) for image in (mean * unit + low, std))
    hole = enlarged_hole(up, hole)
    for image in (mean, std) if cube is None else (mean, std, *cube):
        image[hole] = np.nan
    return mean, std, cube
