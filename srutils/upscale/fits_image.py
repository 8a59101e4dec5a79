"""FITS images: read one extension of a file, write one with its uncertainty."""

from __future__ import annotations

import gzip
import math
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srutils.files.atomic import aside
from srutils.files.decode import MAX_PIXELS, Unusable
from srutils.upscale.fits_header import inherited, readable

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
FLAGS = re.compile(r"(DQ|MASK|IMASK|CTX|CON|BPM|FLAGS?|SEG\w*)")  # extensions whose integers are not light


@dataclass
class FitsImage:
    """One image of a FITS file.

    Attributes
    ----------
    data : ndarray, (..., H, W), float32
        In the file's units; NaN where there is no value. Flags keep their integers.
    header : astropy.io.fits.Header
        Without cards that cannot be read. An extension's has those of the primary header too (telescope,
        filter, exposure), unless it says ``INHERIT = F``, or the primary header has an image of its own.
    name : str
        How to call it in a message: number and name of the extension.
    others : str
        The file's other images, called likewise.
    flags : bool
        Whether these are flags: integers under a name such as DQ or MASK.
    """

    data: np.ndarray
    header: object
    name: str
    others: str
    flags: bool = False


def is_fits(path: str | os.PathLike) -> bool:
    """Whether a file's name is that of a FITS file."""
    return str(path).lower().endswith(SUFFIXES)


def read_fits(path: str | os.PathLike, hdu: int | str | None = None) -> FitsImage:
    """Read an image of a FITS file.

    Parameters
    ----------
    path : path-like
    hdu : int or str, optional
        Number (0 is the primary one) or name of the extension; "SCI,2" is its second version. Without it, the
        first that holds an image of two or more axes.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Damaged, or the extension does not exist or is no image. One sentence that names the file.
    """
    from astropy.io import fits

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such FITS file: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of non-standard cards; what matters raises
            with fits.open(path, memmap=False, ignore_missing_simple=False) as file:
                return _image(file, hdu)
    except PermissionError:
        raise
    except Unusable as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    except Exception as error:  # on hostile bytes astropy raises anything
        reason = " ".join(str(error).split()).split(". ")[0] or type(error).__name__
        raise ValueError(f"cannot read {path}: it is damaged or no FITS file ({reason})") from None


def _image(file, hdu) -> FitsImage:
    images = {i: _title(i, one) for i, one in enumerate(file) if _is_image(one)}
    number = _find(file, images, hdu)
    axes = file[number].shape
    if 0 in axes:
        raise Unusable(f"extension {number} holds no pixels")
    if math.prod(axes) > MAX_PIXELS:
        size = " x ".join(map(str, axes))
        raise Unusable(f"it declares {size} pixels, at most {MAX_PIXELS} in all are accepted")
    data = file[number].data
    flags = data.dtype.kind in "iu" and bool(FLAGS.fullmatch(file[number].name))
    data = np.array(data, data.dtype.newbyteorder("=") if flags else np.float32)
    header = readable(file[number].header)  # after its data, which astropy scales and notes down there
    if number:
        header.extend(inherited(file[0].header, header.get("INHERIT")), strip=True, unique=True)
    name = images.pop(number)
    return FitsImage(data, header, name, ", ".join(images.values()), flags)


def _is_image(one) -> bool:
    return one.is_image and one.header.get("NAXIS", 0) >= 2


def _title(number: int, one) -> str:
    version = f",{one.ver}" if one.ver > 1 else ""
    return f"{number} {one.name}{version}".strip()


def _find(file, images: dict[int, str], hdu) -> int:
    there = ", ".join(images.values()) or "none"
    if hdu is None:
        if not images:
            raise Unusable("it holds no image of two or more axes")
        return min(images)
    try:
        number = file.index_of(_key(hdu))
        file[number]  # a number that is out of range is found here
    except (KeyError, IndexError):
        raise Unusable(f"it has no extension {hdu}; its images are {there}") from None
    if number not in images:
        raise Unusable(f"extension {hdu} is no image; its images are {there}")
    return number


def _key(hdu):
    if isinstance(hdu, int) or str(hdu).isdigit():
        return int(hdu)
    name, _, version = str(hdu).partition(",")
    return (name, int(version)) if version.isdigit() else name


def check_target(path: str | os.PathLike) -> None:
    """Raise ValueError, in one sentence, if a FITS file cannot be written under this name."""
    if writable(path) != Path(path):
        raise ValueError(
            f"cannot write {Path(path).name}: tile compression is read only; use .fits or .fits.gz"
        )


def writable(path: str | os.PathLike) -> Path:
    """The name under which a result can be written: .fits for .fits.fz."""
    path = Path(path)
    return path.with_suffix("") if path.name.lower().endswith(".fits.fz") else path


def write_fits(path: str | os.PathLike, data: np.ndarray, header, spread: np.ndarray | None = None) -> None:
    """Write an image, with its uncertainty as an extension; the file appears only when it is whole.

    Parameters
    ----------
    path : path-like
        Ends in .fits, .fit, .fts or .fits.gz.
    data, spread : ndarray, (..., H, W)
        Floats become float32, integers (flags) stay. The spread, if given, becomes the extension UNCERTAINTY.
    header : astropy.io.fits.Header
    """
    from astropy.io import fits

    path = Path(path)
    check_target(path)
    data = data if data.dtype.kind in "iu" else np.asarray(data, np.float32)
    hdus = [fits.PrimaryHDU(data, _primary(header))]
    if spread is not None:
        hdus.append(fits.ImageHDU(np.asarray(spread, np.float32), header, name="UNCERTAINTY"))
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with aside(path) as temporary, opened(temporary, "wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cards that the input had already
        fits.HDUList(hdus).writeto(file, output_verify="silentfix")


def _primary(header):
    """A header without what only an extension has; its name stays, so that ``--hdu SCI`` still finds it."""
    new = header.copy()
    for key in ("XTENSION", "PCOUNT", "GCOUNT", "EXTLEVEL", "INHERIT"):
        new.remove(key, ignore_missing=True)
    return new
