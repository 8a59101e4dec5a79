"""FITS images: read one extension, and write it enlarged with the header made to fit."""

from __future__ import annotations

import gzip
import math
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .decode import MAX_PIXELS, Unusable
from .download import aside

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
TABLES = re.compile(r"(CPDIS|D2IMDIS|CPERR|D2IMERR|DP|DQ|D2IM)\d")  # distortions given as images of their own
AMOUNTS = re.compile(
    r"[\d.*^+ e-]*(cts?|counts?|adu|dn|e|electrons?|photons?|ph|"
    r"[munk]?jy|jansky|erg|w|(nano)?magg(y|ies)|nmgy)(?![a-z])"
)
AREAS = re.compile(r"beam|\bsr\b|\bsr-1|steradian|arcs|arcm|\bdeg|\bas-2")
# Of the values as they were stored, and of parts of the image in its old pixels.
STALE = (
    "BSCALE",
    "BZERO",
    "BLANK",
    "DATAMIN",
    "DATAMAX",
    "CHECKSUM",
    "DATASUM",
    "DATASEC",
    "TRIMSEC",
    "NEXTEND",
)
# What becomes of numbers in a header: pixel p (the first centre is 1) becomes (p - 1/2) scale + 1/2. The last
# pattern has the orders of a term of SIP's polynomials, which take pixels and give pixels.
RULES = [
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"CRPIX[12][A-Z]?|LTV[12]", lambda v, s, m: (v - 0.5) * s + 0.5),
        (r"CD\d_[12][A-Z]?|CDELT[12][A-Z]?", lambda v, s, m: v / s),
        (r"PIXSCALE|PIXSCAL[12]|PIXELSCL|SECPIX[12]?|[XY]PIXELSZ", lambda v, s, m: v / s),
        (r"PIXAR_(?:SR|A2)", lambda v, s, m: v / s**2),
        (r"LTM[12]_[12]|[AB]_DMAX|CNPIX[12]", lambda v, s, m: v * s),
        (r"(?:A|B|AP|BP)_(\d)_(\d)", lambda v, s, m: v * float(s) ** (1 - int(m[1]) - int(m[2]))),
    )
]
STANDARD = re.compile(r"(COMMENT |HISTORY |HIERARCH| {8}|(?=.{8}= )[A-Z\d_-]+ *= )")
# What a primary header without data may say of an image that does not inherit it: nothing of these.
OWN = re.compile(
    r"(WCSAXES|CTYPE|CRVAL|CUNIT|CROTA|CRDER|CSYER|PC|PV|PS|LONPOLE|LATPOLE|WCSNAME|RADESYS|EQUINOX)[\d_]*[A-Z]?|"
    r"BUNIT|B(MAJ|MIN|PA)|EXTNAME|EXTVER|EXTLEVEL|(A|B|AP|BP)_ORDER"
)
VERSION = re.compile(r"(?:CTYPE1|CRVAL1|CRPIX[12]|CDELT[12]|CD\d_\d|PC\d_\d)([A-Z]?)")


@dataclass
class FitsImage:
    """One image of a FITS file.

    Attributes
    ----------
    data : ndarray, (..., H, W), float32
        In the file's units; NaN where there is no value.
    header : astropy.io.fits.Header
        Without cards that cannot be read. An extension's has those of the primary header too (telescope,
        filter, exposure), unless it says ``INHERIT = F``, or the primary header has an image of its own.
    name : str
        How to call it in a message: number and name of the extension.
    others : str
        The file's other images, called likewise.
    """

    data: np.ndarray
    header: object
    name: str
    others: str


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
    data = np.array(file[number].data, dtype=np.float32)
    header = _readable(file[number].header)  # after its data, which astropy scales and notes down there
    if number:
        header.extend(_inherited(file[0].header, header.get("INHERIT")), strip=True, unique=True)
    name = images.pop(number)
    return FitsImage(data, header, name, ", ".join(images.values()))


def _inherited(primary, wanted: bool | None):
    """Cards of the primary header for an extension whose card INHERIT is `wanted` (None: it has none)."""
    if wanted is True:
        return _readable(primary)
    if wanted is False or primary.get("NAXIS", 0) > 0:
        return ()
    return _readable(primary, lambda card: not OWN.fullmatch(card.keyword) and not _depends_on_pixels(card))


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


def _readable(header, wanted: Callable = lambda card: True):
    """The wanted cards, without those that break the standard beyond repair, unless pixels depend on them."""
    from astropy.io import fits

    new = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for card in header.cards:
            try:
                if not wanted(card):
                    continue
                card.verify("silentfix")
                good = _is_number(card.value) or not _depends_on_pixels(card)
                if STANDARD.match(card.image):
                    new.append(card, end=True)
            except (fits.VerifyError, Warning):
                good = not _depends_on_pixels(card)
            if not good:
                raise Unusable(f"its header has no number for {card.keyword}, which depends on the pixels")
    return new


def _depends_on_pixels(card) -> bool:
    return any(pattern.fullmatch(card.keyword) for pattern, _ in RULES)


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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


def enlarged_header(header, scale: int):
    """The header of an image enlarged by `scale`: the same sky, in smaller pixels.

    That moves CRPIX, divides CDELT or CD by the scale, and rescales the polynomials of SIP (Shupe et al.
    2005, ASP Conf. 347, 491), IRAF's LTV and LTM, the Digitized Sky Survey's CNPIX and XPIXELSZ, and the size
    of a pixel under some other names. All versions of the coordinates (CRPIX1A) are treated alike; the first
    two axes only. What astropy would work out with a warning, such as MJD-OBS from DATE-OBS, is added.

    Raises
    ------
    Unusable
        The header refers to distortion tables, which would have to be enlarged too.
    """
    new = header.copy()
    if table := next((key for key in new if TABLES.match(key)), None):
        raise Unusable(
            f"its header has a distortion table ({table}), which cannot be rescaled; resample the image first"
        )
    with_cd = {key[5:] for key in new if re.fullmatch(r"CD\d_\d[A-Z]?", key)}
    for key in set(new):
        for pattern, rule in RULES:
            match = pattern.fullmatch(key)
            if match and not (key[:5] == "CDELT" and key[6:] in with_cd and new[key] == 1):
                new[key] = rule(new[key], scale, match)
    # What a WCS leaves to the standard's defaults is not 1 : 1 any more, so it is written down.
    for version in {match[1] for key in header if (match := VERSION.fullmatch(key))}:
        for axis in (1, 2):
            new.setdefault(f"CRPIX{axis}{version}", 0.5 - 0.5 * scale)
            if version not in with_cd:
                new.setdefault(f"CDELT{axis}{version}", 1 / scale)
    for key in STALE:
        new.remove(key, ignore_missing=True, remove_all=True)
    _complete(new)
    return new


def _complete(header) -> None:
    from astropy.wcs import WCS

    if "RADECSYS" in header:
        header.rename_keyword("RADECSYS", "RADESYS", force=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header)
            known = dict(wcs.to_header(relax=True))
    except Exception:  # of many kinds; coordinates that astropy cannot read stay what they were
        return
    known |= {f"OBSGEO-{axis}": value for axis, value in zip("XYZLBH", wcs.wcs.obsgeo, strict=True)}
    for key, value in known.items():
        if key not in header and value == value and re.fullmatch(r"(MJD|DATE)-\w{3}|OBSGEO-\w", key):
            header[key] = value


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
    data, spread : ndarray, (..., H, W), float32
        The spread, if given, becomes the extension UNCERTAINTY.
    header : astropy.io.fits.Header
    """
    from astropy.io import fits

    path = Path(path)
    check_target(path)
    hdus = [fits.PrimaryHDU(np.asarray(data, np.float32), _primary(header))]
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
