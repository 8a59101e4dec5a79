"""Image files as float32 arrays (H, W, C), C = 1 (grey) or 3 (RGB)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from srutils.files.decode import read_picture
from srutils.files.encode import SUFFIXES
from srutils.files.picture import Unusable


def image_files(path: str | os.PathLike, recursive: bool = False) -> list[Path]:
    """List the picture files of a folder (by suffix, hidden files left out), sorted by relative path.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        It is a file.
    """
    path = Path(path)
    if path.is_file():
        raise ValueError(f"{path} is a file; expected a folder of images")
    if not path.is_dir():
        raise FileNotFoundError(f"no such folder: {path}")
    names = (f.relative_to(path) for f in path.glob("**/*" if recursive else "*"))
    shown = [n for n in names if n.name.lower().endswith(SUFFIXES) and not any(p[0] == "." for p in n.parts)]
    return [path / n for n in sorted(shown, key=Path.as_posix) if (path / n).is_file()]


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a picture as float32 (H, W, C) with C = 1 or 3.

    Parameters
    ----------
    path : path-like
        See `srutils.files.decode.read_picture`.

    Returns
    -------
    numpy.ndarray
        1-, 8- and 16-bit values are divided by the largest of their type, so they lie in [0, 1];
        floating-point values (TIFF, npy) are returned as they are, in any finite range.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        As `read_picture`; integers other than 8 or 16 bits unsigned, NaN or infinity. One sentence that names
        the file.

    Notes
    -----
    Alpha is dropped, the stored colours are kept; colour profiles are not applied. Of several pages or frames
    the first is read.
    """
    try:
        return to_float(read_picture(path).pixels)
    except Unusable as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Pixels as float32, integers divided by the largest of their type; `Unusable` says why not."""
    if pixels.dtype == bool:
        return pixels.astype(np.float32)
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if pixels.dtype.kind != "f":
        raise Unusable(f"it holds {pixels.dtype} values; expected floating point, uint8, uint16 or bool")
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(pixels).all():
        raise Unusable(f"{np.count_nonzero(~np.isfinite(pixels))} values are NaN or infinite as float32")
    return pixels


def from_float(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Floats as uint8 or uint16, clipped to [0, 1] (networks overshoot) and rounded; 32 bits: float32."""
    if bits == 32:
        return pixels.astype(np.float32)
    levels = np.rint(np.clip(pixels, 0, 1) * np.float32(2**bits - 1))
    return levels.astype(np.uint8 if bits == 8 else np.uint16)


def pixels_sha256(path: str | os.PathLike) -> str:
    """Return a SHA-256 of the decoded 8-bit picture.

    What is hashed: "HEIGHT WIDTH CHANNELS " as text, then the pixels, row by row. Files of any format that
    hold the same picture agree (a BMP and its PNG copy).
    """
    pixels = np.rint(read_image(path) * 255).astype(np.uint8)
    header = "{} {} {} ".format(*pixels.shape).encode()
    return hashlib.sha256(header + pixels.tobytes()).hexdigest()
