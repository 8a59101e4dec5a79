"""Enlarge a FITS image: every plane, in its own units, with its sky coordinates and its light."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from srutils.course import version_of
from srutils.files.decode import Unusable
from srutils.upscale import fits_image
from srutils.upscale.arrays import contrast, keep_light
from srutils.upscale.fits_header import LEVELS, enlarged_header, is_number
from srutils.upscale.fits_units import shared
from srutils.upscale.options import Report, Work
from srutils.upscale.upscaler import REACH, Upscaler

# Of Gaussian sources, FWHM 2 to 4 LR pixels, without noise; the tests measure it.
MOVES = (
    "a network may move even a bright, isolated source by up to 0.05 of an input pixel; with --ensemble, by "
    "less than 0.01"
)
FAINT = 6  # contrast below which a network takes noise for sources; of noise alone it is 3.1
ERRORS = re.compile(r"(ERR|VAR|IVAR|STAT|WHT|UNC|SIGMA)\w*")


def upscale_fits(source: Path, target: Path, hdu, work: Work) -> Report:
    """Enlarge one extension of a FITS file; see `srutils.upscale.files.upscale_file`."""
    report = Report(target)
    fits_image.check_target(target)
    image = fits_image.read_fits(source, hdu)
    *planes, h, w = image.data.shape
    count = math.prod(planes)
    if image.flags and work.model != "nearest":
        raise Unusable(f"{image.name} holds flags, which have no mean: only --model nearest enlarges it")
    up = work.upscaler(True, (count, h, w), report)
    header = enlarged_header(image.header, up.scale)
    header.add_history(
        f"enlarged {up.scale} times by srutils {version_of('srutils')}, {up.name}; "
        f"from {image.name} of {source.name}"
    )
    if "DATE" in header:
        header["DATE"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if "FILENAME" in header:
        header["FILENAME"] = target.name
    if image.others:
        work.note(report, f"only {image.name} is enlarged; --hdu chooses among {image.others}")
    if image.flags:
        work.tell_notes()
        fits_image.write_fits(target, image.data.repeat(up.scale, -2).repeat(up.scale, -1), header)
        return report
    factor = np.float32(up.scale ** (-2 * _power(image, header, up.scale, work, report)))
    for key in LEVELS:
        if is_number(header.get(key)):
            header[key] *= float(factor)
    _warn(image, up, work, report)
    out, spread = _planes(image.data.reshape(-1, h, w, 1), up, header, work)
    out *= factor
    shape = (*planes, *out.shape[1:])
    if spread is not None:
        spread = (spread * factor).reshape(shape)
        header.add_history("mean of eight flips and turns, their standard deviation in UNCERTAINTY")
        report.uncertainty = f"{target}, extension UNCERTAINTY (in the image's unit)"
    fits_image.write_fits(target, out.reshape(shape), header, spread)
    return report


def _power(image, header, scale: int, work: Work, report: Report) -> int:
    """By which power of a pixel's area the values are divided; written into header and report."""
    unit = str(image.header.get("BUNIT") or "").strip()
    power = shared(unit)
    if not unit:
        work.note(report, "no BUNIT: values count as amounts a pixel, so sums are kept, not brightnesses")
    elif power is None:
        work.note(report, f"BUNIT {unit!r} is not known: values count as intensities and are not divided")
    if power:
        squares = "squares of amounts" if power == 2 else "amounts"
        header.add_history(f"values are {squares} a pixel: divided by {scale ** (2 * power)}")
    else:
        header.add_history("values are intensities: not divided")
    return power or 0


def _warn(image, up: Upscaler, work: Work, report: Report) -> None:
    """Say what an astronomer should know before measuring on the result."""
    if ERRORS.fullmatch(image.name.split(" ")[-1].split(",")[0]):
        work.note(
            report,
            f"{image.name} seems to hold errors: neighbouring pixels of an enlarged image are correlated, so "
            "that errors do not add in quadrature",
        )
    if up.name in REACH:  # interpolation keeps places and light by itself
        return
    lens = up.card.get("channels", "gray") == "gray"
    knows = "a simulated telescope, its PSF and its noise" if lens else "photographs"
    work.note(report, f"{up.name} knows {knows}: detect and measure on the input, not on its picture")
    if up.card and not work.ensemble:
        work.note(report, MOVES)
    if np.isfinite(image.data).any() and contrast(image.data) < FAINT:
        work.note(report, f"hardly anything stands out of the noise: {up.name} will take noise for sources")


def _planes(data: np.ndarray, up: Upscaler, header, work: Work) -> tuple[np.ndarray, np.ndarray | None]:
    """Enlarge planes (N, H, W, 1), all in one range of values, so that none bends a spectrum."""
    invents = up.name not in REACH
    n, h, w, _ = data.shape
    out = np.full((n, h * up.scale, w * up.scale), np.nan, np.float32)
    spread = out.copy() if work.eight(up) else None
    limits = None
    if invents and (finite := data[np.isfinite(data)]).size:
        limits = work.range_for(up, finite, keep=False)
        header.add_history("{} saw values from {:.6g} to {:.6g} as 0 to 1".format(up.name, *limits))

    def after(out, whole):
        if invents:
            keep_light(out, whole, up.scale)

    for i, plane in enumerate(data):
        if not np.isfinite(plane).any() and n > 1:  # one plane of a cube may be empty
            continue
        values, deviation = work.values(up, plane, after, limits)
        out[i] = values[..., 0]
        if spread is not None:
            spread[i] = deviation[..., 0]
    return out, spread
