"""Draw pictures that fit: their mean, their spread, and all of them if asked for."""

from __future__ import annotations

import numpy as np

from srutils.upscale.chain import Chain
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


def sampled(
    up: Chain, image: np.ndarray, low: float, unit: float, options: Options, plane: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Draw `Options.samples` pictures; memory is that of a few pictures, unless all are kept.

    Parameters
    ----------
    up : Chain
        Of one step, a posterior model.
    image : ndarray (H, W, 1), float32
        As the network sees it.
    low, unit : float
        In the unit of the result: what the network's 0 is, and how far its 1 is from that.
    options : Options
    plane : int
        Which plane of a cube: each has samples of its own.

    Returns
    -------
    mean, std : ndarray (H * scale, W * scale, 1), float32
        `std` is what n samples estimate of all (n - 1 in its denominator).
    cube : ndarray (n, H * scale, W * scale, 1), float32, or None
        With `Options.keep_samples`.
    """
    n = options.samples
    mean, square = np.zeros((2, *up.size, 1))
    cube = np.empty((n, *up.size, 1), np.float32) if options.keep_samples else None
    drawn = up.steps[0].draw(image, n, (options.seed, plane))
    for k, one in enumerate(counted(drawn, n, "sample", options.progress)):
        step = one - mean  # Welford's sums: nothing is lost to rounding
        mean += step / (k + 1)
        square += step * (one - mean)
        if cube is not None:
            cube[k] = one * np.float32(unit) + np.float32(low)
    std = np.sqrt(square / (n - 1)) * unit
    return (mean * unit + low).astype(np.float32), std.astype(np.float32), cube
