"""FITS images: read one extension of a file, write one with its uncertainty."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srutils.files.atomic import aside
from srutils.files.decode import MAX_PIXELS, Unusable
from srutils.upscale.fits_header import inherit, is_number, readable

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
FLAGS = re.compile(r"(DQ|MASK|IMASK|CTX|CON|BPM|FLAGS?|SEG\w*)")  # extensions whose integers are not light
# A header has printable ASCII only: control characters become spaces, letters beyond ASCII question marks.
PRINTABLE = bytes(i if 32 <= i < 127 else 32 if i < 128 else ord("?") for i in range(256))

# A text that goes on in the next card ends with an ampersand.
CONTINUED, CONTINUES = re.compile(rb"& *'"), re.compile(rb"CONTINUE +'([^']|'')*' *(/.*)?$")


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
    tables : list of astropy.io.fits.BinTableHDU
        Tables of coordinates that the header refers to (WCS-TAB).
    notes : list of str
        What is wrong with the header, and what became of it.
    """

    data: np.ndarray
    header: object
    name: str
    others: str
    flags: bool = False
    tables: list = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_fits(path: str | os.PathLike) -> bool:
    """Tell whether a file's name is that of a FITS file."""
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
        Damaged, or the extension does not exist or is not an image. One sentence that names the file.
    """
    from astropy.io import fits

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such FITS file: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of non-standard cards; what matters raises
            with fits.open(path, memmap=False, ignore_missing_simple=False) as file:
                clean = _repaired(file)
                if clean is None:
                    return _image(file, hdu)
            with fits.open(clean, ignore_missing_simple=False) as file:
                return _image(file, hdu, ["parts of its header that FITS does not allow were left out"])
    except PermissionError:
        raise
    except Unusable as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    except Exception as error:  # on hostile bytes astropy raises anything
        reason = " ".join(str(error).split()).split(". ")[0] or type(error).__name__
        raise ValueError(f"cannot read {path}: it is damaged or not a FITS file ({reason})") from None


def _repaired(file) -> io.BytesIO | None:
    """The whole file with headers that astropy can read and write, or None if they are so already.

    One card with a tab in it, wherever it stands, is enough that it can do neither.
    """
    spans = [(info["hdrLoc"], info["datLoc"]) for info in (one.fileinfo() for one in file)]
    source, better = file[0].fileinfo()["file"], {}
    for start, end in spans:
        source.seek(start)
        header = source.read(end - start)
        if (new := _clean(header)) != header:
            better[start] = new
    if not better:
        return None
    source.seek(0)
    whole = bytearray(source.read())
    for start, new in better.items():
        whole[start : start + len(new)] = new
    return io.BytesIO(whole)


def _clean(header: bytes) -> bytes:
    """A header of printable characters, in which CONTINUE follows only texts that it can continue."""
    cards = [b""]
    for i in range(0, len(header), 80):
        card = header[i : i + 80].translate(PRINTABLE)
        stray = card.startswith(b"CONTINUE") and not (CONTINUED.search(cards[-1]) and CONTINUES.match(card))
        cards.append(b" " * len(card) if stray else card)
    return b"".join(cards)


def _image(file, hdu, notes=()) -> FitsImage:
    labels = [_label(one) for one in file]
    pictures = [i for i, one in enumerate(file) if one.is_image and one.header.get("NAXIS", 0) >= 2]
    images = {i: _title(i, *labels[i]) for i in pictures}
    number = _find(labels, images, hdu)
    axes = file[number].shape
    if 0 in axes:
        raise Unusable(f"extension {number} holds no pixels")
    if math.prod(axes) > MAX_PIXELS:
        size = " x ".join(map(str, axes))
        raise Unusable(f"it declares {size} pixels, at most {MAX_PIXELS} in all are accepted")
    data = file[number].data
    flags = data.dtype.kind in "iu" and bool(FLAGS.fullmatch(labels[number][0]))
    data = np.array(data, data.dtype.newbyteorder("=") if flags else np.float32)
    header, lost = readable(file[number].header)  # after its data, which astropy scales and notes down there
    if number:
        lost += inherit(header, file[0].header)
    tables, missing = _coordinate_tables(file, labels, header)
    notes = [*notes, *missing]
    if lost:
        notes.append(f"header cards that cannot be read were left out: {', '.join(dict.fromkeys(lost))}")
    name = images.pop(number)
    return FitsImage(data, header, name, ", ".join(images.values()), flags, tables, notes)


def _label(one) -> tuple[str, int]:
    """Name and version of an extension; a card that cannot be read counts as none."""
    name, version = "", 1
    with contextlib.suppress(Exception):  # of several kinds: VerifyError, ValueError
        name = one.name.strip().upper()
    with contextlib.suppress(Exception):
        version = _version(one.ver)
    return name, version


def _version(value) -> int:
    return int(value) if is_number(value) else 1


def _title(number: int, name: str, version: int) -> str:
    return f"{number} {name}{f',{version}' if version > 1 else ''}".strip()


def _find(labels: list[tuple[str, int]], images: dict[int, str], hdu) -> int:
    there = ", ".join(images.values()) or "none"
    if hdu is None:
        if not images:
            raise Unusable("it holds no image of two or more axes")
        return min(images)
    name, _, version = str(hdu).strip().upper().partition(",")
    if name.isdigit():
        found = [i for i in range(len(labels)) if i == int(name)]
    else:
        found = [i for i, (one, ver) in enumerate(labels) if one == name and version in ("", str(ver))]
    if not found:
        raise Unusable(f"it has no extension {hdu}; its images are {there}")
    if found[0] not in images:
        raise Unusable(f"extension {hdu} is not an image; its images are {there}")
    return found[0]


def _coordinate_tables(file, labels: list[tuple[str, int]], header) -> tuple[list, list[str]]:
    """The tables that axes of the type -TAB refer to, which stay as they are, and notes on missing ones.

    Such a table is looked up in what CRPIX and CDELT make of a pixel, and that does not change.
    """
    from astropy.io import fits

    tables, notes = {}, []
    for key in [key for key in header if re.fullmatch(r"PS\d+_0[A-Z]?", key)]:
        axis, version = re.fullmatch(r"PS(\d+)_0([A-Z]?)", key).groups()
        if not str(header.get(f"CTYPE{axis}{version}")).strip().upper().endswith("-TAB"):
            continue
        wanted = str(header[key]).strip().upper(), _version(header.get(f"PV{axis}_1{version}"))
        number = labels.index(wanted) if wanted in labels else None
        if number and isinstance(file[number], fits.BinTableHDU):
            tables[number] = fits.BinTableHDU(file[number].data, readable(file[number].header)[0])
        else:
            notes.append(f"its header names a table of coordinates, {wanted[0]}, that the file does not have")
    return list(tables.values()), notes


def check_fits_target(path: str | os.PathLike) -> None:
    """Raise ValueError, in one sentence, if a FITS file cannot be written under this name."""
    if writable(path) != Path(path):
        raise ValueError(
            f"cannot write {Path(path).name}: tile compression is read only; use .fits or .fits.gz"
        )


def writable(path: str | os.PathLike) -> Path:
    """Return the name under which a result can be written: .fits for .fits.fz."""
    path = Path(path)
    return path.with_suffix("") if path.name.lower().endswith(".fits.fz") else path


def write_fits(
    path: str | os.PathLike,
    data: np.ndarray,
    header,
    spread: np.ndarray | None = None,
    tables=(),
    samples=None,
) -> None:
    """Write an image, with its uncertainty as an extension; the file appears only when it is whole.

    Parameters
    ----------
    path : path-like
        Ends in .fits, .fit, .fts or .fits.gz.
    data, spread : ndarray, (..., H, W)
        Floats become float32, integers (flags) stay. The spread, if given, becomes the extension UNCERTAINTY.
    header : astropy.io.fits.Header
    tables : sequence of astropy.io.fits.BinTableHDU
        Written behind the image, as they are.
    samples : ndarray, (n, ..., H, W), optional
        Become the extension SAMPLES.
    """
    from astropy.io import fits

    path = Path(path)
    check_fits_target(path)
    data = data if data.dtype.kind in "iu" else np.asarray(data, np.float32)
    hdus = [fits.PrimaryHDU(data, _primary(header))]
    for name, values in {"UNCERTAINTY": spread, "SAMPLES": samples}.items():
        if values is not None:
            hdus.append(fits.ImageHDU(np.asarray(values, np.float32), header, name=name))
    hdus.extend(tables)
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with aside(path) as temporary, opened(temporary, "wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cards that the input had already
        fits.HDUList(hdus).writeto(file, output_verify="silentfix")


def _primary(header):
    """A header without what only an extension has; its name stays, so that ``--hdu SCI`` still finds it."""
    new = header.copy()
    for key in ("XTENSION", "PCOUNT", "GCOUNT", "EXTLEVEL", "INHERIT"):
        new.remove(key, ignore_missing=True, remove_all=True)
    return new
