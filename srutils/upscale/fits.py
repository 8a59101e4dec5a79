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
from srutils.upscale.choice import choose_upscaler
from srutils.upscale.enlarge import enlarge_values, range_for, takes_ensemble
from srutils.upscale.fits_header import LEVELS, check_axes, enlarged_header, is_number
from srutils.upscale.fits_units import area_power
from srutils.upscale.options import Options, Report
from srutils.upscale.upscaler import INTERPOLATION, Upscaler

# Of Gaussian sources, FWHM 2 to 4 LR pixels, without noise; the tests measure it.
SHIFT_NOTE = (
    "a network may move even a bright, isolated source by up to 0.06 of an input pixel; with --ensemble, by "
    "less than 0.01"
)
SPREAD = "eight flips and turns"
# srresnet-telescope-x4 on 150 smooth test lenses: tools/experiments/posterior_calibration.py
COVERS = "it covers the truth in 33 % of the pixels of simulated lenses, not in 68 %: 2.5 times too small"
LEAST_CONTRAST = 6  # below it a network takes noise for sources; of noise alone it is 3.1
ERROR_NAMES = re.compile(r"(ERR|VAR|IVAR|STAT|WHT|UNC|SIGMA)\w*")


def upscale_fits(source: Path, target: Path, options: Options) -> Report:
    """Enlarge one extension of a FITS file; see `srutils.upscale.files.upscale_file`."""
    report = Report(target)
    fits_image.check_fits_target(target)
    image = fits_image.read_fits(source, options.hdu)
    *planes, h, w = image.data.shape
    count = math.prod(planes)
    if image.flags and options.model != "nearest":
        raise Unusable(f"{image.name} holds flags, which have no mean: only --model nearest enlarges it")
    axes = check_axes(image.header, image.data.shape)
    up = choose_upscaler(options, True, (count, h, w), report, whole=True)
    header = enlarged_header(image.header, up.scale)
    made = f"enlarged {up.scale} times by srutils {version_of('srutils')}, {up.name}"
    header.add_history(f"{made}; from {image.name} of {source.name}")
    if "DATE" in header:
        header["DATE"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if "FILENAME" in header:
        header["FILENAME"] = target.name
    report.notes += [*image.notes, *([axes] if axes else [])]
    if image.others:
        report.notes.append(f"only {image.name} is enlarged; --hdu chooses among {image.others}")
    if image.flags:
        report.tell()
        repeated = image.data.repeat(up.scale, -2).repeat(up.scale, -1)
        fits_image.write_fits(target, repeated, header, tables=image.tables)
        return report
    factor = np.float32(up.scale ** (-2 * _power(image, header, up, options, report)))
    for card in header.cards:
        if card.keyword in LEVELS and is_number(card.value):
            card.value *= float(factor)
    _warn(image, up, options, report)
    report.tell()
    out, spread, cube = _planes(image.data.reshape(-1, h, w, 1), up, header, options)
    out *= factor
    shape = (*planes, *out.shape[1:])
    if spread is not None:
        spread = (spread * factor).reshape(shape)
        what = f"{options.samples} samples, seed {options.seed}" if options.samples else SPREAD
        header.add_history(f"mean of {what}, their standard deviation in UNCERTAINTY")
        if not options.samples:
            header.add_history(COVERS)
        report.uncertainty = f"{target}, extension UNCERTAINTY (in the image's unit)"
    if cube is not None:
        cube = (cube * factor).reshape(-1, *shape)
    fits_image.write_fits(target, out.reshape(shape), header, spread, image.tables, cube)
    return report


def _power(image, header, up: Upscaler, options: Options, report: Report) -> int:
    """By which power of a pixel's area the values are divided; written into header and report."""
    unit = str(image.header.get("BUNIT") or "").strip()
    power = area_power(unit)
    if options.values:
        power = ("intensity", "amount").index(options.values)
    elif not unit:
        report.notes.append(
            "no BUNIT: values count as amounts a pixel, so sums are kept, not brightnesses; "
            "--values intensity keeps these"
        )
    elif power is None:
        report.notes.append(
            f"BUNIT {unit!r} is not known: values count as intensities and are not divided; --values amount "
            "divides them"
        )
    if power:
        squares = "squares of amounts" if power == 2 else "amounts"
        header.add_history(f"values are {squares} a pixel: divided by {up.scale ** (2 * power)}")
    else:
        header.add_history("values are intensities: not divided")
    return power or 0


def _warn(image, up: Upscaler, options: Options, report: Report) -> None:
    """Say what an astronomer should know before measuring on the result."""
    note = report.notes.append
    if ERROR_NAMES.fullmatch(image.name.split(" ")[-1].split(",")[0]):
        note(
            f"{image.name} seems to hold errors: neighbouring pixels of an enlarged image are correlated, so "
            "that errors do not add in quadrature"
        )
    if up.name in INTERPOLATION:  # interpolation keeps places and light by itself
        return
    lens = up.card.get("channels", "gray") == "gray"
    knows = "a simulated telescope, its PSF and its noise" if lens else "photographs"
    note(f"{up.name} knows {knows}: detect and measure on the input, not on its picture")
    if up.samples:
        note(f"its error bars hold for lenses like those that {up.name} knows, and no others")
    elif up.card and not options.ensemble:
        note(SHIFT_NOTE)
    if np.isfinite(image.data).any() and contrast(image.data) < LEAST_CONTRAST:
        note(f"hardly anything stands out of the noise: {up.name} will take noise for sources")


def _planes(data: np.ndarray, up: Upscaler, header, options: Options) -> tuple:
    """Enlarge planes (N, H, W, 1), all in one range of values, so that none bends a spectrum.

    Returns the planes (N, H, W), their spread or None, and with `Options.keep_samples` the samples
    (n, N, H, W), else None.
    """
    invents = up.name not in INTERPOLATION
    n, h, w, _ = data.shape
    out = np.full((n, h * up.scale, w * up.scale), np.nan, np.float32)
    spread = out.copy() if takes_ensemble(up, options) or options.samples else None
    cube = np.full((options.samples, *out.shape), np.nan, np.float32) if options.keep_samples else None
    limits = None
    if invents and (finite := data[np.isfinite(data)]).size:
        # a posterior model knows how much noise belongs to which brightness: 0 and 1 stay where they fit
        limits = range_for(up, finite, options, keep=up.samples)
        header.add_history("{} saw values from {:.6g} to {:.6g} as 0 to 1".format(up.name, *limits))

    def after(out, whole):
        if invents and not up.samples:
            keep_light(out, whole, up.scale)

    for i, plane in enumerate(data):
        if not np.isfinite(plane).any() and n > 1:  # one plane of a cube may be empty
            continue
        values, deviation, pictures = enlarge_values(up, plane, options, after, limits, i)
        out[i] = values[..., 0]
        if spread is not None:
            spread[i] = deviation[..., 0]
        if cube is not None:
            cube[:, i] = pictures[..., 0]
    return out, spread, cube
