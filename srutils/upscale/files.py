"""Enlarge files: pictures with all that belongs to them, arrays of any range, FITS images, whole folders."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from srutils.files import encode
from srutils.files.atomic import no_empty_folders
from srutils.files.images import image_files
from srutils.files.picture import Unusable
from srutils.upscale import fits_image
from srutils.upscale.options import Options, Report, open_upscaler
from srutils.upscale.pictures import uncertainty_path, upscale_picture


def upscale_file(
    source: str | os.PathLike,
    target: str | os.PathLike,
    model: str | None = None,
    scale: int | None = None,
    *,
    overwrite: bool = False,
    **more,
) -> Report:
    """Enlarge one file; the result appears only when it is whole.

    Parameters
    ----------
    source : path-like
        A picture (`srutils.files.decode.read_picture`), an array ``.npy``, or a FITS file.
    target : path-like
        The file to make. FITS gives FITS; pictures and arrays give what the suffix says, with the bits of the
        source if the format holds them. Transparency, enlarged by bicubic interpolation, is kept, and so are
        EXIF and XMP (their orientation applied), the colour profile, and the dots per inch: the number stays,
        so the print grows. A note names what the format has no place for, and what was damaged.
    model, scale, **more
        See `srutils.upscale.options.Options`.
    overwrite : bool
        Replace an existing target.

    Raises
    ------
    ValueError, OSError
        Whatever is wrong with the input, the target or the model, in one sentence.

    Notes
    -----
    What the user should know is in the report, and logged by ``srutils.upscale`` (level INFO) when the work
    begins. What is NaN or infinite is filled from its neighbours and becomes NaN again. A FITS image keeps
    its sky coordinates, and the light of its larger structures (`srutils.upscale.arrays.keep_light`).
    """
    return _enlarge(Path(source), Path(target), Options(model, scale, **more), overwrite)


def _enlarge(source: Path, target: Path, options: Options, overwrite: bool) -> Report:
    began = time.perf_counter()
    check_paths(source, target, overwrite, options.ensemble)
    is_fits = fits_image.is_fits(source)
    if is_fits != fits_image.is_fits(target):
        raise ValueError(f"{source.name} cannot become {target.name}: FITS gives FITS, and nothing else does")
    if options.hdu is not None and not is_fits:
        raise ValueError(f"{source.name} is not a FITS file; it has no extension {options.hdu}")
    if options.values is not None and not is_fits:
        raise ValueError(f"{source.name} is not a FITS file; --values {options.values} changes nothing")
    try:
        if is_fits:
            from srutils.upscale.fits import upscale_fits

            report = upscale_fits(source, target, options)
        else:
            report = upscale_picture(source, target, options)
    except Unusable as error:
        raise ValueError(f"cannot enlarge {source}: {error}") from None
    report.seconds = time.perf_counter() - began
    return report


def check_paths(source: Path, target: Path, overwrite: bool, ensemble: bool = False) -> None:
    """Raise, in one sentence, if a target cannot or should not be made."""
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; expected the name of the file to make")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target.name}: the folder {target.parent} does not exist")
    if target.exists() and target.samefile(source):
        raise FileExistsError(f"{target} is the file to enlarge; expected another name for the result")
    beside = [uncertainty_path(target)] if ensemble and not fits_image.is_fits(target) else []
    for path in (target, *beside):
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists already; --overwrite replaces it")


def folder_jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Every image of a folder and of the folders in it, and the file of the same name that it becomes.

    Raises
    ------
    ValueError
        There is none, or the target is a file, or the same folder.
    """
    if target.is_file():
        raise ValueError(f"{target} is a file; {source} is a folder, so expected a folder for the results")
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the folder to enlarge; expected another one for the results")
    suffixes = (*encode.SUFFIXES, *fits_image.SUFFIXES)
    inside = target.resolve()  # the target may lie in the source: what was made before is no input
    found = [p for p in image_files(source, True, suffixes) if not p.resolve().is_relative_to(inside)]
    if not found:
        raise ValueError(f"no image in {source}; expected names in {' '.join(suffixes)}")
    jobs = {}
    for path in found:
        made = fits_image.writable(target / path.relative_to(source))
        if made in jobs:
            raise ValueError(f"{jobs[made]} and {path} would both become {made}; move one of them")
        jobs[made] = path
    return [(path, made) for made, path in jobs.items()]


def upscale_folder(
    source: str | os.PathLike,
    target: str | os.PathLike,
    model: str | None = None,
    scale: int | None = None,
    *,
    skip: bool = False,
    overwrite: bool = False,
    **more,
) -> dict:
    """Enlarge the images of a folder into another, which is made; one that fails does not stop the rest.

    Parameters
    ----------
    source, target : path-like
    model, scale, **more
        See `srutils.upscale.options.Options`.
    skip, overwrite : bool
        What to do where the target exists: leave it, or replace it. Without either it counts as a failure.

    Returns
    -------
    dict
        ``done`` (reports), ``skipped`` (paths) and ``failed`` (sentences).

    Raises
    ------
    ValueError, FileNotFoundError
        As `folder_jobs` and `Upscaler.load`.
    """
    from tqdm import tqdm

    source, target, options = Path(source), Path(target), Options(model, scale, **more)
    jobs, result = folder_jobs(source, target), {"done": [], "skipped": [], "failed": []}
    there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK):  # said once, not for every file
        raise PermissionError(f"cannot write into {there}: permission denied")
    if model is not None:
        open_upscaler(model, scale, options.engine)  # what is wrong with it is said once, not for every file
    for one, made in tqdm(jobs, unit="image", disable=not options.progress):
        if skip and made.exists():
            result["skipped"].append(made)
            continue
        mine = options if fits_image.is_fits(one) else replace(options, hdu=None, values=None)
        try:
            with no_empty_folders(made.parent):
                made.parent.mkdir(parents=True, exist_ok=True)
                result["done"].append(_enlarge(one, made, mine, overwrite))
        except (ValueError, OSError) as error:
            named = str(error) if str(one) in str(error) else f"{one}: {error}"
            result["failed"].append(named)
    return result
