"""Enlarge a FITS image: every plane, in its own units, with its sky coordinates and its light."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from . import fits_files
from .float_images import keep_light
from .upscale import REACH
from .upscale_work import Report, Work

# Ten Gaussian sources, FWHM 2 to 4 LR pixels, through every shipped network: at most 0.04 and, with the
# ensemble, 0.007 for the networks of lenses.
MOVES = (
    "a network may move compact sources by up to 0.04 of an input pixel; with --ensemble, by less than 0.01"
)


def upscale_fits(source: Path, target: Path, hdu, work: Work) -> Report:
    """Enlarge one extension of a FITS file; see `srutils.upscale_files.upscale_file`."""
    report = Report(target)
    fits_files.check_target(target)
    image = fits_files.read_fits(source, hdu)
    *planes, h, w = image.data.shape
    count = math.prod(planes)
    up = work.upscaler(True, (count, h, w), report)
    unit = str(image.header.get("BUNIT") or "").strip()
    shared = fits_files.per_pixel(unit)
    header = fits_files.enlarged_header(image.header, up.scale)
    header.add_history(f"enlarged {up.scale} times by srutils, {up.name}")
    if shared:
        header.add_history(f"values are amounts a pixel: divided by {up.scale**2}, so that sums are kept")
    if not unit:
        work.note(report, "no BUNIT: values count as amounts a pixel, so sums are kept, not brightnesses")
    if image.others:
        work.note(report, f"only {image.name} is enlarged; --hdu chooses among {image.others}")

    invents = up.name not in REACH  # interpolation keeps places and light by itself
    if invents:
        lens = up.card.get("channels", "gray") == "gray"
        knows = "a simulated telescope, its PSF and its noise" if lens else "photographs"
        work.note(report, f"{up.name} knows {knows}; of another instrument's images it makes mistakes")
    if up.card and not work.ensemble:
        work.note(report, MOVES)

    def after(out, whole):
        if invents:
            keep_light(out, whole, up.scale)

    out = np.full((count, h * up.scale, w * up.scale), np.nan, np.float32)
    spread = out.copy() if work.ensemble else None
    for i, plane in enumerate(image.data.reshape(-1, h, w, 1)):
        if not np.isfinite(plane).any() and count > 1:  # one plane of a cube may be empty
            continue
        values, deviation, limits = work.values(up, plane, after)
        out[i] = values[..., 0]
        if spread is not None:
            spread[i] = deviation[..., 0]
        if invents and count == 1:
            header.add_history("for {}, {:.6g} was 0 and {:.6g} was 1".format(up.name, *limits))
    factor = np.float32(up.scale**-2 if shared else 1)
    out *= factor
    shape = (*planes, *out.shape[1:])
    if spread is not None:
        spread = (spread * factor).reshape(shape)
        header.add_history("mean of eight flips and turns, their standard deviation in UNCERTAINTY")
        report.uncertainty = f"{target}, extension UNCERTAINTY (in the image's unit)"
    fits_files.write_fits(target, out.reshape(shape), header, spread)
    return report
