"""Enlarge a FITS image: every plane, in its own units, with its sky coordinates."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from . import fits_files
from .upscale_files import Report, Work, enlarge_values


def upscale_fits(source: Path, target: Path, hdu, work: Work) -> Report:
    """Enlarge one extension of a FITS file; see `srutils.upscale_files.upscale_file`."""
    report = Report(target)
    image = fits_files.read_fits(source, hdu)
    *planes, h, w = image.data.shape
    up = work.upscaler(True, (h, w), report)
    shared = fits_files.per_pixel(str(image.header.get("BUNIT", "")))
    header = fits_files.enlarged_header(image.header, up.scale, up.name, shared)
    out = np.full((math.prod(planes), h * up.scale, w * up.scale), np.nan, np.float32)
    spread = out.copy() if work.ensemble else None
    for i, plane in enumerate(image.data.reshape(-1, h, w, 1)):
        if not np.isfinite(plane).any() and len(out) > 1:  # one plane of a cube may be empty
            continue
        values, deviation = enlarge_values(plane, up, work, image.name)
        out[i] = values[..., 0]
        if spread is not None:
            spread[i] = deviation[..., 0]
    factor = np.float32(up.scale**-2 if shared else 1)
    shape = (*planes, *out.shape[1:])
    out = (out * factor).reshape(shape)
    fits_files.write_fits(target, out, header, None if spread is None else (spread * factor).reshape(shape))
    return report
