"""Enlarge files: pictures with all that belongs to them, arrays of any range, FITS images, whole folders."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import encode, fits_files
from .decode import Picture, read_picture
from .float_images import covered, value_range
from .image_files import from_float, image_files, to_float
from .upscale import DECONVOLVERS, Upscaler, model_cards

MAX_OUTPUT = 2**30  # pixels of a result: a gigapixel
MEASURED = "bicubic"  # for what an instrument has measured, unless a model is named


@dataclass
class Report:
    """What became of one file.

    Attributes
    ----------
    target : Path
    size : (height, width)
    model : str
    seconds : float
    notes : list of str
        What the user should know: a model chosen for them, bits that the format cannot hold.
    """

    target: Path
    size: tuple[int, int] = (0, 0)
    model: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def default_model(measured: bool, scale: int | None) -> tuple[str, int]:
    """The upscaler for an image when none is named: its name and scale.

    Photographs get the model of that scale (4 if none is given) with the best PSNR on Set5, by the cards, and
    bicubic where there is none. Measurements (FITS, floats of one channel) get bicubic, x2: the networks know
    two simulated instruments, and lesson 07 shows what they do to the images of another one.
    """
    if measured:
        return MEASURED, scale or 2
    scale = scale or 4
    scores = {
        card["name"]: card["metrics"]["Set5"]["psnr"]
        for card in model_cards()
        if card["scale"] == scale and "Set5" in card.get("metrics", {})
    }
    return (max(scores, key=scores.get) if scores else "bicubic"), scale


def upscale_file(
    source: str | os.PathLike,
    target: str | os.PathLike,
    model: str | None = None,
    scale: int | None = None,
    *,
    tile: int = 256,
    engine: str = "auto",
    ensemble: bool = False,
    hdu: int | str | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Report:
    """Enlarge one file; the result appears only when it is whole.

    Parameters
    ----------
    source : path-like
        A picture (`srutils.decode.read_picture`), an array ``.npy``, or a FITS file.
    target : path-like
        The file to make. FITS gives FITS; pictures and arrays give what the suffix says, with the bits of the
        source if the format holds them. EXIF (its orientation applied), colour profile and transparency are
        kept; transparency is enlarged by bicubic interpolation.
    model : str, optional
        As for `Upscaler.load`; see `default_model`.
    scale : int, optional
        Needed by interpolation; a network has its own.
    tile, engine, ensemble
        See `Upscaler`. With `ensemble`, the standard deviation of the eight is written too: as a FITS
        extension, or beside the target as ``NAME_uncertainty.npy`` or ``.tif`` (pictures: full scale is 1).
    hdu : int or str, optional
        Extension of a FITS file.
    overwrite : bool
        Replace an existing target.

    Raises
    ------
    ValueError, OSError
        Whatever is wrong with the input, the target or the model, in one sentence.

    Notes
    -----
    Floating-point values that leave [0, 1] are brought there for a network, and back, by
    `srutils.float_images.value_range`. What is NaN or infinite is filled from its neighbours and becomes NaN
    again.
    """
    work = Work(model, scale, tile, engine, ensemble, progress)
    return enlarge_file(Path(source), Path(target), work, hdu, overwrite)


def enlarge_file(source: Path, target: Path, work: Work, hdu=None, overwrite: bool = False) -> Report:
    """As `upscale_file`, with its options in `work`, which keeps a model open for the next file."""
    check_paths(source, target, overwrite)
    began = time.perf_counter()
    if fits_files.is_fits(source) != fits_files.is_fits(target):
        raise ValueError(f"{source.name} cannot become {target.name}: FITS gives FITS, and nothing else does")
    if fits_files.is_fits(source):
        from .upscale_fits import upscale_fits

        report = upscale_fits(source, target, hdu, work)
    elif hdu is not None:
        raise ValueError(f"{source.name} is no FITS file; it has no extension {hdu}")
    else:
        report = _upscale_picture(source, target, work)
    report.seconds = time.perf_counter() - began
    return report


def check_paths(source: Path, target: Path, overwrite: bool) -> None:
    """Raise, in one sentence, if a target cannot or should not be made."""
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; expected the name of the file to make")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target.name}: the folder {target.parent} does not exist")
    if target.exists() and target.samefile(source):
        raise FileExistsError(f"{target} is the file to enlarge; expected another name for the result")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists already; --overwrite replaces it")


@dataclass
class Work:
    """How to enlarge, whatever the file."""

    model: str | None
    scale: int | None
    tile: int
    engine: str
    ensemble: bool
    progress: bool
    opened: dict[tuple, Upscaler] = field(default_factory=dict)

    def __post_init__(self):
        if self.tile < 1:
            raise ValueError(f"tile is {self.tile}; expected at least 1 pixel")

    def upscaler(self, measured: bool, size: tuple[int, int], report: Report) -> Upscaler:
        name, scale = self.model, self.scale
        if name is None:
            name, scale = default_model(measured, scale)
            why = "no network here knows the instrument" if measured else f"for pictures at x{scale}"
            report.notes.append(f"{name} was chosen, {why}; --model takes another")
        if (name, scale) not in self.opened:
            self.opened[name, scale] = Upscaler.load(name, scale, self.engine)
        up = self.opened[name, scale]
        report.model, report.size = up.name, (size[0] * up.scale, size[1] * up.scale)
        if math.prod(report.size) > MAX_OUTPUT:
            height, width = report.size
            raise ValueError(f"the result would have {width} x {height} pixels; at most {MAX_OUTPUT} in all")
        return up

    def enlarge(self, up: Upscaler, image, out, to_float: Callable, store: Callable):
        """Fill `out` piece by piece; return the spread of the eight (None without `ensemble`)."""
        from tqdm import tqdm

        spread = np.empty(out.shape, np.float32) if self.ensemble else None
        count = 1 if up.name in DECONVOLVERS else math.prod(-(-n // self.tile) for n in image.shape[:2])
        pieces = up.pieces(image, self.tile, self.ensemble, to_float)
        for place, sr, deviation in tqdm(
            pieces, total=count, unit="tile", disable=not self.progress, leave=False
        ):
            out[place] = store(sr)
            if spread is not None:
                spread[place] = deviation
        return spread


# ---------------------------------------------------------------- pictures and arrays


def _upscale_picture(source: Path, target: Path, work: Work) -> Report:
    report, picture = Report(target), read_picture(source)
    if picture.frames > 1:
        raise ValueError(f"{source} holds {picture.frames} pictures; expected one")
    pixels = picture.pixels
    if pixels.dtype.kind not in "biuf":
        raise ValueError(f"cannot read {source}: it holds {pixels.dtype} values; expected numbers")
    levels = pixels.dtype in (bool, np.uint8, np.uint16)
    measured = not levels and pixels.shape[-1] == 1
    up = work.upscaler(measured, pixels.shape[:2], report)
    bits = _bits(target, pixels, report)
    encode.check_target(target, bits, report.size, picture.alpha is not None)
    if levels:
        out, spread = enlarge_levels(pixels, picture.alpha, up, bits, work)
    else:
        values, spread = enlarge_values(pixels, up, work, source.name)
        out = values if bits == 32 else from_float(values, bits)
    alpha = None
    if picture.alpha is not None:
        alpha, _ = enlarge_levels(picture.alpha, None, Upscaler("bicubic", up.scale), bits, work)
    result = Picture(out, alpha, picture.icc, picture.exif)
    if target.suffix.lower() == ".npy":
        result.pixels = _like_stored(source, out)
    _write_both(target, result, spread)
    return report


def _bits(target: Path, pixels: np.ndarray, report: Report) -> int:
    """Bits a sample of the result: those of the source, if the target's format holds them."""
    wanted = {1: 8, 2: 16}.get(pixels.dtype.itemsize, 32) if pixels.dtype.kind in "bu" else 32
    allowed = encode.DEPTHS.get(target.suffix.lower(), (8,))
    if wanted in allowed:
        return wanted
    if wanted == 32 and not (np.nanmin(pixels) >= 0 and np.nanmax(pixels) <= 1):
        lowest, highest = np.nanmin(pixels), np.nanmax(pixels)
        raise ValueError(
            f"cannot write {target.name}: values reach from {lowest:.4g} to {highest:.4g} and it holds"
            " 0 to 1; use .npy or .tif"
        )
    report.notes.append(f"{target.suffix} holds {max(allowed)} bits a sample; the input has {wanted}")
    return max(allowed)


def enlarge_levels(pixels, alpha, up: Upscaler, bits: int, work: Work):
    """Integers to integers, tile by tile: nothing of the size of the result is ever floating point."""
    if alpha is not None:
        pixels = covered(pixels, alpha[..., 0] == 0)
    h, w, c = pixels.shape
    out = np.empty((h * up.scale, w * up.scale, c), np.uint8 if bits == 8 else np.uint16)
    out = out.astype(np.float32) if bits == 32 else out
    return out, work.enlarge(up, pixels, out, to_float, lambda sr: from_float(sr, bits))


def enlarge_values(values: np.ndarray, up: Upscaler, work: Work, name: str):
    """Floats of any range, (H, W, C), NaN where there is no value; the result, and the spread or None."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    hole = ~np.isfinite(values).all(-1)
    if hole.all():
        raise ValueError(f"{name} holds no finite value")
    low, high = value_range(values[~hole])
    whole = covered(values, hole)
    h, w, c = whole.shape
    out = np.empty((h * up.scale, w * up.scale, c), np.float32)
    unit = high - low
    spread = work.enlarge(up, whole, out, lambda v: (v - low) / unit, lambda sr: sr * unit + low)
    hole = hole.repeat(up.scale, 0).repeat(up.scale, 1)
    out[hole] = np.nan
    if spread is not None:
        spread *= unit
        spread[hole] = np.nan
    return out, spread


def _like_stored(source: Path, out: np.ndarray) -> np.ndarray:
    """Axes of an enlarged array in the order, and number, that its source has."""
    if source.suffix.lower() != ".npy":
        return out
    shape = np.load(source, mmap_mode="r", allow_pickle=False).shape
    if len(shape) == 2:
        return out[..., 0]
    return np.moveaxis(out, -1, 0) if shape[-1] != out.shape[-1] else out


def _write_both(target: Path, result: Picture, spread: np.ndarray | None) -> None:
    if spread is None:
        _write(target, result)
        return
    suffix = ".npy" if target.suffix.lower() == ".npy" else ".tif"
    beside = target.with_name(f"{target.stem}_uncertainty{suffix}")
    encode.write_picture(beside, Picture(spread))
    try:
        _write(target, result)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _write(target: Path, result: Picture) -> None:
    if target.suffix.lower() != ".npy":
        encode.write_picture(target, result)
        return
    with encode.aside(target) as temporary, open(temporary, "wb") as file:
        np.save(file, result.pixels, allow_pickle=False)


# ---------------------------------------------------------------- folders


def folder_jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Every image of a folder and of the folders in it, and the file of the same name that it becomes.

    Raises
    ------
    ValueError
        There is none, or the target is a file.
    """
    if target.is_file():
        raise ValueError(f"{target} is a file; {source} is a folder, so expected a folder for the results")
    fits = [p for p in source.rglob("*") if fits_files.is_fits(p) and p.is_file()]
    inside = target.resolve()
    found = sorted({*image_files(source, recursive=True), *fits})
    found = [path for path in found if not path.resolve().is_relative_to(inside)]
    if not found:
        raise ValueError(f"no image in {source}; expected names in {' '.join(encode.SUFFIXES)} .fits")
    return [(path, target / path.relative_to(source)) for path in found]


def upscale_folder(source: Path, target: Path, work: Work, *, skip: bool, overwrite: bool) -> dict:
    """Enlarge the images of a folder into another, which is made; one that fails does not stop the rest.

    Parameters
    ----------
    source, target : Path
    work : Work
    skip, overwrite : bool
        What to do where the target exists: leave it, or replace it. Without either it counts as a failure.

    Returns
    -------
    dict
        ``done`` (reports), ``skipped`` (paths) and ``failed`` (sentences).
    """
    from tqdm import tqdm

    result = {"done": [], "skipped": [], "failed": []}
    for one, made in tqdm(folder_jobs(source, target), unit="image", disable=not work.progress):
        if skip and made.exists():
            result["skipped"].append(made)
            continue
        try:
            made.parent.mkdir(parents=True, exist_ok=True)
            result["done"].append(enlarge_file(one, made, work, None, overwrite))
        except (ValueError, OSError) as error:
            result["failed"].append(f"{one}: {error}")
    return result
