"""FITS images: read one extension, and write it enlarged with the header made to fit."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .download import aside

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
TABLES = re.compile(r"(CPDIS|D2IMDIS|CPERR|D2IMERR|DP|DQ|D2IM)\d")  # distortions given as images of their own
AMOUNTS = re.compile(
    r"[\d.*^+ e-]*(cts?|counts?|adu|dn|e|electrons?|photons?|ph|"
    r"[munk]?jy|jansky|erg|w|(nano)?magg(y|ies))(?![a-z])"
)
AREAS = re.compile(r"beam|\bsr\b|\bsr-1|steradian|arcs|arcm|\bdeg|\bas-2")
STALE = ("BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM")


@dataclass
class FitsImage:
    """One image of a FITS file.

    Attributes
    ----------
    data : ndarray, (..., H, W), float32
        In the file's units; NaN where there is no value.
    header : astropy.io.fits.Header
    name : str
        How to call it in a message: the file's name and the extension.
    """

    data: np.ndarray
    header: object
    name: str


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
                number = _find(file, hdu)
                data, header = file[number].data, file[number].header.copy()
                name = f"{path.name}[{number}]"
                data = None if data is None else np.array(data, dtype=np.float32)
    except _NoImage as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    except PermissionError:
        raise
    except Exception as error:  # on hostile bytes astropy raises anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot read {path}: it is damaged or no FITS file ({reason})") from None
    if data is None or data.size == 0:
        raise ValueError(f"cannot read {path}: extension {number} holds no pixels")
    return FitsImage(data, header, name)


class _NoImage(ValueError):
    """There is no such image in the file."""


def _find(file, hdu) -> int:
    images = [i for i, one in enumerate(file) if one.is_image and one.header.get("NAXIS", 0) >= 2]
    there = ", ".join(f"{i} {one.name}".strip() for i, one in enumerate(file) if i in images)
    if hdu is None:
        if not images:
            raise _NoImage("it holds no image of two or more axes")
        return images[0]
    key = _key(hdu)
    try:
        number = file.index_of(key)
        file[number]  # a number that is out of range is found here
    except (KeyError, IndexError):
        raise _NoImage(f"it has no extension {hdu}; its images are {there or 'none'}") from None
    if number not in images:
        raise _NoImage(f"extension {hdu} is no image; its images are {there or 'none'}")
    return number


def _key(hdu):
    if isinstance(hdu, int) or str(hdu).isdigit():
        return int(hdu)
    name, _, version = str(hdu).partition(",")
    return (name, int(version)) if version.isdigit() else name


def per_pixel(unit: str) -> bool:
    """Whether values of this unit are amounts in a pixel, such as counts or Jy, which smaller pixels share.

    Amounts of light for each beam, steradian or square arcsecond are the same in a smaller pixel, and so are
    magnitudes, temperatures and velocities. Without a unit, values count as amounts. Headers spell units
    freely ("ELECTRONS/S", "JY/BEAM"), so their words are looked at, not their grammar.
    """
    words = unit.lower()
    return not words.strip() or bool(AMOUNTS.match(words) and not AREAS.search(words))


def enlarged_header(header, scale: int, method: str, shared: bool):
    """The header of an image enlarged by `scale`: the same sky, in smaller pixels.

    Pixel p (the first centre is 1) becomes (p - 1/2) scale + 1/2. That moves CRPIX, divides CDELT or CD by
    the scale, and rescales the polynomials of SIP (Shupe et al. 2005, ASP Conf. 347, 491), which take and
    give pixels, and IRAF's LTV and LTM. All versions (CRPIX1A) are treated alike; the first two axes only.

    Raises
    ------
    ValueError
        The header refers to distortion tables, which would have to be enlarged too.
    """
    new = header.copy()
    if table := next((key for key in new if TABLES.match(key)), None):
        raise ValueError(
            f"the header has a distortion table ({table}), which cannot be rescaled; resample the image first"
        )
    has_cd = {key[-1] if key[-1].isalpha() else "" for key in new if re.fullmatch(r"CD\d_\d[A-Z]?", key)}
    for key in list(new):
        value = new[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if re.fullmatch(r"CRPIX[12][A-Z]?|LTV[12]", key):
            new[key] = (value - 0.5) * scale + 0.5
        elif re.fullmatch(r"CD\d_[12][A-Z]?", key):
            new[key] = value / scale
        elif match := re.fullmatch(r"CDELT[12]([A-Z]?)", key):
            new[key] = value if match[1] in has_cd else value / scale
        elif re.fullmatch(r"LTM[12]_[12]", key):
            new[key] = value * scale
        elif match := re.fullmatch(r"(?:A|B|AP|BP)_(\d)_(\d)", key):
            new[key] = value * float(scale) ** (1 - int(match[1]) - int(match[2]))
        elif re.fullmatch(r"(?:A|B)_DMAX", key):
            new[key] = value * scale
    _default_wcs(new, scale, has_cd)
    for key in STALE:
        new.remove(key, ignore_missing=True, remove_all=True)
    new.add_history(f"enlarged {scale} times by srutils, {method}")
    if shared:
        new.add_history(f"values are amounts a pixel: divided by {scale**2}, so that sums are kept")
    return new


def _default_wcs(header, scale, has_cd) -> None:
    """Write down what a WCS leaves to the standard's defaults, if those are not 1 : 1 any more."""
    for suffix in {key[6:] for key in header if re.fullmatch(r"CTYPE1[A-Z]?", key)}:
        for axis in (1, 2):
            if f"CRPIX{axis}{suffix}" not in header:  # 0 by default
                header[f"CRPIX{axis}{suffix}"] = -0.5 * scale + 0.5
            if suffix not in has_cd and f"CDELT{axis}{suffix}" not in header:  # 1 by default
                header[f"CDELT{axis}{suffix}"] = 1 / scale


def write_fits(path: str | os.PathLike, data: np.ndarray, header, spread: np.ndarray | None = None) -> None:
    """Write an image, with its uncertainty as an extension; the file appears only when it is whole.

    Parameters
    ----------
    path : path-like
        Ends in .fits, .fit, .fts or .fits.gz.
    data, spread : ndarray, (..., H, W), float32
        The spread, if given, becomes the extension UNCERTAINTY.
    header : astropy.io.fits.Header
    """
    from astropy.io import fits

    path = Path(path)
    if str(path).lower().endswith(".fz"):
        raise ValueError(f"cannot write {path.name}: tile compression is read only; use .fits or .fits.gz")
    hdus = [fits.PrimaryHDU(np.asarray(data, np.float32), _primary(header))]
    if spread is not None:
        hdus.append(fits.ImageHDU(np.asarray(spread, np.float32), header, name="UNCERTAINTY"))
    with aside(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cards that the input had already
        stream = temporary.with_name(temporary.name + path.suffix) if path.suffix == ".gz" else temporary
        try:
            fits.HDUList(hdus).writeto(stream, output_verify="silentfix", overwrite=True)
            if stream != temporary:
                os.replace(stream, temporary)
        finally:
            if stream != temporary:
                stream.unlink(missing_ok=True)


def _primary(header):
    """A header without what marks an extension."""
    new = header.copy()
    for key in ("XTENSION", "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER", "EXTLEVEL", "INHERIT"):
        new.remove(key, ignore_missing=True)
    return new
