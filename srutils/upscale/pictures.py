"""Enlarge pictures, with transparency and all that belongs to them, and ``.npy`` arrays of any range."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from srutils.files import encode
from srutils.files.atomic import aside
from srutils.files.decode import read_picture
from srutils.files.images import from_float
from srutils.files.metadata import not_held
from srutils.files.picture import Picture, Unusable, full_scale
from srutils.upscale.arrays import covered
from srutils.upscale.choice import choose_upscaler
from srutils.upscale.enlarge import enlarge_levels, enlarge_values
from srutils.upscale.jpeg import compression, compression_note
from srutils.upscale.options import Options, Report


def upscale_picture(source: Path, target: Path, options: Options) -> Report:
    """Enlarge a picture or an array; see `srutils.upscale.files.upscale_file`."""
    report, picture = Report(target), read_picture(source)
    if picture.frames > 1:
        raise ValueError(f"{source} holds {picture.frames} pictures; expected one")
    pixels, alpha = picture.pixels, _visible(picture.alpha, target)
    if pixels.dtype.kind not in "biuf":
        raise Unusable(f"it holds {pixels.dtype} values; expected real numbers")
    levels = pixels.dtype in (bool, np.uint8, np.uint16)
    if levels and options.limits is not None:
        raise ValueError(f"{source.name} holds {pixels.dtype} levels; a range is for floating-point values")
    measured, found = not levels and pixels.shape[-1] == 1, compression(source)
    up = choose_upscaler(options, measured, pixels.shape[:2], report, compressed=found)
    if note := compression_note(source, up):
        report.notes.append(note)
    bits = _bits(target, pixels, report)
    encode.check_target(target, bits, report.size, alpha is not None)
    if lost := [*picture.meta.lost, *not_held(picture.meta, target.suffix.lower())]:
        report.notes.append(f"not kept in {target.suffix}: {', '.join(dict.fromkeys(lost))}")
    if alpha is not None:  # what nobody sees must not bleed into what is seen
        pixels = covered(pixels, alpha[..., 0] == 0)
    report.tell()
    cube = None
    if levels:
        out, spread = enlarge_levels(up, pixels, bits, options)
    else:
        values, spread, cube = enlarge_values(up, pixels, options)
        out = values if bits == 32 else from_float(values, bits)
    if alpha is not None:
        alpha, _ = enlarge_levels(up.bicubic(), alpha, bits, Options())
    _write(target, Picture(out, alpha, picture.meta), source, spread, cube)
    if spread is not None:
        unit = "full scale is 1" if levels else "in the input's unit"
        report.uncertainty = f"{beside(target, 'uncertainty')} ({unit})"
    return report


def beside(target: Path, what: str) -> Path:
    """Return the file beside a picture or array that holds its "uncertainty", or the "samples" behind it."""
    suffix = ".npy" if _is_npy(target) or what == "samples" else ".tif"
    return target.with_name(f"{target.stem}_{what}{suffix}")


def _is_npy(path: Path) -> bool:
    return path.suffix.lower() == ".npy"


def _visible(alpha: np.ndarray | None, target: Path) -> np.ndarray | None:
    """Transparency, unless there is none in truth and the format has no place for it."""
    if alpha is None or target.suffix.lower() not in encode.OPAQUE:
        return alpha
    return None if (alpha == full_scale(alpha)).all() else alpha


def _bits(target: Path, pixels: np.ndarray, report: Report) -> int:
    """Bits a sample of the result: those of the source, if the target's format holds them."""
    wanted = {1: 8, 2: 16}.get(pixels.dtype.itemsize, 32) if pixels.dtype.kind in "bu" else 32
    allowed = encode.DEPTHS.get(target.suffix.lower(), (8,))
    if wanted in allowed:
        return wanted
    if wanted == 32:
        finite = pixels[np.isfinite(pixels)]
        if finite.size and (finite.min() < 0 or finite.max() > 1):
            raise ValueError(
                f"cannot write {target.name}: values reach from {finite.min():.4g} to {finite.max():.4g},"
                f" and {target.suffix} holds 0 to 1; use .npy or .tif"
            )
        if finite.size < pixels.size:
            raise ValueError(f"cannot write {target.name}: some values are NaN or infinite; use .npy or .tif")
    report.notes.append(f"{target.suffix} holds {max(allowed)} bits a sample; the input has {wanted}")
    return max(allowed)


def _write(target: Path, result: Picture, source: Path, spread, cube=None) -> None:
    """Write a picture, and its uncertainty and samples beside it: all or nothing."""
    files = {target: result} | ({} if spread is None else {beside(target, "uncertainty"): Picture(spread)})
    with contextlib.ExitStack() as stack:
        for path, picture in files.items():
            if _is_npy(path):
                picture.pixels = _like_stored(source, picture.pixels)
            with open(stack.enter_context(aside(path)), "w+b") as file:
                encode.encode(file, picture, path.suffix.lower())
        if cube is not None:
            with open(stack.enter_context(aside(beside(target, "samples"))), "wb") as file:
                np.save(file, cube)


def _like_stored(source: Path, out: np.ndarray) -> np.ndarray:
    """Axes in the order, and number, that they have in the source if that is an array, too."""
    shape = np.load(source, mmap_mode="r", allow_pickle=False).shape if _is_npy(source) else out.shape
    if len(shape) == 2:
        return out[..., 0]
    return np.moveaxis(out, -1, 0) if shape[-1] != out.shape[-1] else out
