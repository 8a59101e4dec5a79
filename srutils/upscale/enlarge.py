"""Enlarge pixels piece by piece: levels to levels, and floats of any range with holes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from srutils.files.images import from_float, to_float
from srutils.files.picture import Unusable
from srutils.upscale.arrays import covered, value_range
from srutils.upscale.chain import Chain
from srutils.upscale.memory import tile_side
from srutils.upscale.messages import counted
from srutils.upscale.options import LEAST_TILE, Options
from srutils.upscale.samples import sampled
from srutils.upscale.upscaler import DECONVOLVERS, INTERPOLATION


def takes_ensemble(up: Chain, options: Options) -> bool:
    """Tell whether to take the mean of eight views: asked for, and of use, as for interpolation it is not."""
    return options.ensemble and up.name not in INTERPOLATION


def enlarge_levels(
    up: Chain, pixels: np.ndarray, bits: int, options: Options
) -> tuple[np.ndarray, np.ndarray | None]:
    """Enlarge integers (H, W, C) tile by tile: nothing of the size of the result is ever floating point.

    Returns
    -------
    out : ndarray, uint8, uint16 or (32 bits) float32
    spread : ndarray, float32, or None
        With `Options.ensemble`, the standard deviation of the eight; full scale is 1.
    """
    kind = {8: np.uint8, 16: np.uint16, 32: np.float32}[bits]
    out = np.empty((*up.size, pixels.shape[-1]), kind)
    return out, _fill(out, up, pixels, options, to_float, lambda sr: from_float(sr, bits))


def enlarge_values(
    up: Chain,
    values: np.ndarray,
    options: Options,
    after: Callable = lambda out, whole: None,
    limits: tuple[float, float] | None = None,
    plane: int = 0,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Enlarge floats of any range, (H, W, C), NaN where there is no value.

    `limits` is what the network is to see as 0 and 1, by default `range_for` of the values; `plane` is as for
    `srutils.upscale.samples.sampled`.

    Returns
    -------
    out : ndarray, float32
        After ``after(out, whole)``, which may change it; ``whole`` is the input without its holes.
    spread : ndarray or None
        As from `enlarge_levels`, or of the samples; in the unit of the values.
    samples : ndarray (n, H * scale, W * scale, C), float32, or None
        With `Options.keep_samples`.

    Raises
    ------
    Unusable
        No value is finite.
    """
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    hole = ~np.isfinite(values).all(-1)
    if hole.all():
        raise Unusable("it holds no finite value")
    low, high = limits or range_for(up, values[~hole], options)
    unit, whole = high - low, covered(values, hole)

    def seen(values):
        return ((values.astype(np.float64) - low) / unit).astype(np.float32)

    with np.errstate(over="ignore", invalid="ignore"):  # at the end of float32's own range
        if options.samples:
            out, spread, cube = sampled(up, seen(whole), low, unit, options, plane)
        else:
            out, cube = np.empty((*up.size, whole.shape[-1]), np.float32), None
            spread = _fill(out, up, whole, options, seen, lambda sr: sr.astype(np.float64) * unit + low)
            if spread is not None:
                spread *= np.float32(unit)
        after(out, whole)
    # of each pixel of the result, the one of the input that its centre lies in
    rows, columns = ((np.arange(m) * 2 + 1) * n // (2 * m) for m, n in zip(up.size, up.given, strict=True))
    hole = hole[rows[:, None], columns]
    for image in (out, spread, *(() if cube is None else cube)):
        if image is not None:
            image[hole] = np.nan
    return out, spread, cube


def range_for(up: Chain, values: np.ndarray, options: Options, keep: bool = True) -> tuple[float, float]:
    """Find what the network is to see as 0 and 1; `values` are finite, and `keep` as for `value_range`."""
    lens = up.card.get("channels") == "gray" or up.name in DECONVOLVERS
    if not up.card and not lens:
        return 0.0, 1.0  # to interpolation, all ranges are one
    if options.limits is not None:
        return options.limits
    # LR's brightest pixels average what HR resolves. Where HR's peak is 1, as on the telescope track, the
    # 99.9th percentile of LR is 0.68 at x2 and 0.46 at x4 (medians of 60 lenses).
    return value_range(values, lens, up.scale**-0.5 if lens else 1.0, keep)


def _fill(out, up: Chain, image, options: Options, to_float: Callable, store: Callable):
    """Fill `out` piece by piece; return the spread of the eight, or None."""
    ensemble = takes_ensemble(up, options)
    spread = np.empty(out.shape, np.float32) if ensemble else None
    last = up.steps[-1].scale if up.steps else 1
    # the last step sees what those before it have enlarged, and shall see no more than a tile
    tile = max(LEAST_TILE, (options.tile or tile_side(last)) * last // up.factor)
    count = 1 if up.name in DECONVOLVERS or up.samples else math.prod(-(-n // tile) for n in image.shape[:2])
    pieces = up.pieces(image, tile, ensemble, to_float)
    for place, sr, deviation in counted(pieces, count, "tile", options.progress):
        out[place] = store(sr)
        if spread is not None:
            spread[place] = deviation
    return spread
