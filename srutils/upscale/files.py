"""Enlarge files: pictures with all that belongs to them, arrays of any range, FITS images, whole folders."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from srutils.files import encode
from srutils.files.atomic import no_empty_folders
from srutils.files.picture import Unusable
from srutils.upscale import fits_image
from srutils.upscale.choice import check_model
from srutils.upscale.messages import counted, notes
from srutils.upscale.options import Options, Report
from srutils.upscale.pictures import beside, upscale_picture

MOST_NAMED = 8  # of the files left out, by name


def upscale_file(
    source: str | os.PathLike,
    target: str | os.PathLike,
    model: str | None = None,
    scale: float | None = None,
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
    check_paths(source, target, overwrite, options.beside)
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


def check_paths(source: Path, target: Path, overwrite: bool, also: tuple[str, ...] = ()) -> None:
    """Raise, in one sentence, if a target cannot or should not be made."""
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; expected the name of the file to make")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target.name}: the folder {target.parent} does not exist")
    if target.exists() and target.samefile(source):
        raise FileExistsError(f"{target} is the file to enlarge; expected another name for the result")
    for path in written(target, also):
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists already; --overwrite replaces it")


def written(target: Path, also: tuple[str, ...]) -> list[Path]:
    """Return the files that are made for a target: FITS files hold all, others have some beside them."""
    return [target, *([] if fits_image.is_fits(target) else [beside(target, what) for what in also])]


def find_images(source: Path, target: Path) -> tuple[list[Path], list[str], list[str]]:
    """Find every image of a folder and of the folders in it; hidden ones, and what lies in `target`, are not.

    Returns
    -------
    found : list of Path
    left_out : list of str
        Names of other files, and of linked folders, which may lead in circles.
    unreadable : list of str
        Sentences about folders that could not be listed.
    """
    suffixes = (*encode.SUFFIXES, *fits_image.SUFFIXES)
    made = target.resolve()  # where it lies in the source, what was made before is not an input
    found, left_out, unreadable = [], [], []

    def refused(error: OSError) -> None:
        unreadable.append(f"cannot list {error.filename}: {(error.strerror or 'it failed').lower()}")

    for folder, folders, files in os.walk(source, onerror=refused):
        here = Path(folder)
        linked = [name for name in folders if (here / name).is_symlink()]
        folders[:] = [n for n in folders if n[0] != "." and n not in linked and (here / n).resolve() != made]
        shown = [here / name for name in files if name[0] != "."]
        images = [path for path in shown if path.name.lower().endswith(suffixes) and path.is_file()]
        found += images
        left_out += [str(path.relative_to(source)) for path in shown if path not in images]
        left_out += [f"{(here / name).relative_to(source)} (a link)" for name in linked if name[0] != "."]
    return sorted(found, key=Path.as_posix), sorted(left_out), unreadable


def folder_jobs(
    source: Path, target: Path, found: list[Path], also: tuple[str, ...]
) -> list[tuple[Path, Path]]:
    """Pair every image of a folder with the file of the same name that it becomes.

    Raises
    ------
    ValueError
        Two of them would become one file, or one would lie among the files to enlarge.
    """
    jobs, owners, inside = [], {}, source.resolve()
    outside = not target.resolve().is_relative_to(inside)
    for path in found:
        made = fits_image.writable(target / path.relative_to(source))
        if outside and made.resolve().is_relative_to(inside):
            raise ValueError(f"{path} would become {made}, among what is to be enlarged; use another folder")
        for file in written(made, also):
            if file in owners:
                both = f"{owners[file]} and {path} would both {'become' if file == made else 'write'}"
                raise ValueError(f"{both} {file}; move or rename one of them")
            owners[file] = path
        jobs.append((path, made))
    return jobs


def upscale_folder(
    source: str | os.PathLike,
    target: str | os.PathLike,
    model: str | None = None,
    scale: float | None = None,
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
        ``done`` (reports), ``skipped`` (paths) and ``failed`` (sentences). Files that are left out are noted.

    Raises
    ------
    ValueError, FileNotFoundError
        There is no image, or the target is a file or the same folder; as `folder_jobs` and `Upscaler.load`.
    """
    source, target, options = Path(source), Path(target), Options(model, scale, **more)
    if not source.is_dir():
        raise FileNotFoundError(f"no such folder: {source}")
    if target.is_file():
        raise ValueError(f"{target} is a file; {source} is a folder, so expected a folder for the results")
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the folder to enlarge; expected another one for the results")
    found, left_out, unreadable = find_images(source, target)
    if not found:
        suffixes = " ".join((*encode.SUFFIXES, *fits_image.SUFFIXES))
        raise ValueError("; ".join([f"no image in {source}; expected names in {suffixes}", *unreadable]))
    jobs = folder_jobs(source, target, found, options.beside)
    there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK):  # said once, not for every file
        raise PermissionError(f"cannot write into {there}: permission denied")
    check_model(options)
    if left_out:
        more_of_them = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
        notes.info("left out of %s: %s%s", source, ", ".join(left_out[:MOST_NAMED]), more_of_them)
    result, owners = {"done": [], "skipped": [], "failed": unreadable}, {}
    for one, made in counted(jobs, len(jobs), "image", options.progress):
        if (owner := owners.get(_identity(made))) is not None:  # on a disk that ignores case
            result["failed"].append(f"{one}: {made} is already the result of {owner}; rename one of them")
            continue
        if skip and made.exists():
            result["skipped"].append(made)
            continue
        mine = options if fits_image.is_fits(one) else replace(options, hdu=None, values=None)
        try:
            with no_empty_folders(made.parent):
                made.parent.mkdir(parents=True, exist_ok=True)
                result["done"].append(_enlarge(one, made, mine, overwrite))
            owners[_identity(made)] = one
        except (ValueError, OSError) as error:
            named = str(error) if str(one) in str(error) else f"{one}: {error}"
            result["failed"].append(named)
    return result


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others, whatever its name; None if there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
