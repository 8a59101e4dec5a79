"""What a picture file holds: pixels, transparency, and all that is written beside them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

MAX_PIXELS = 178_956_970  # twice Pillow's warning level: where Pillow itself refuses a picture as a bomb

# Decoders log what they meet in damaged files; without a handler Python prints that to stderr, beside our own
# error. Programs that set up logging still receive it.
for _name in ("PIL", "tifffile", "imagecodecs"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Unusable(ValueError):
    """Why a file cannot be used, in words that need no translation."""


@dataclass
class Metadata:
    """What a picture file says beside its pixels.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        Colour profile; EXIF and XMP, whose orientation has been applied and taken out.
    density : (float, float) or None
        Dots per inch, across and down.
    text : list of (str, str)
        Keywords and texts of a PNG file; a JPEG file's comment has the keyword "Comment".
    colour : dict of str to bytes
        The chunks of a PNG file that say how its numbers become colours: cHRM, gAMA, sRGB, cICP.
    orientation : int
        1 to 8, as in EXIF: how the stored pixels have to be turned. `read_picture` has done it.
    lost : list of str
        What was damaged or is not understood, so it cannot be kept.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    density: tuple[float, float] | None = None
    text: list[tuple[str, str]] = field(default_factory=list)
    colour: dict[str, bytes] = field(default_factory=dict)
    orientation: int = 1
    lost: list[str] = field(default_factory=list)


@dataclass
class Picture:
    """The pixels of a picture file, and what belongs to them.

    Attributes
    ----------
    pixels : ndarray, (H, W, 1) or (H, W, 3)
        uint8, uint16, bool or floating point, as stored, and upright.
    alpha : ndarray, (H, W, 1), of the same type, or None
        Opacity, not multiplied into the pixels.
    meta : Metadata
    frames : int
        How many pictures the file has; this is the first.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    meta: Metadata = field(default_factory=Metadata)
    frames: int = 1


def is_picture(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape can be a picture: (H, W, 1) or (H, W, 3), and not empty."""
    return len(shape) == 3 and shape[-1] in (1, 3) and 0 not in shape


def check_size(width: int, height: int) -> None:
    """Raise `Unusable` if a file declares more pixels than are accepted."""
    if width * height > MAX_PIXELS:
        raise Unusable(f"it declares {width} x {height} pixels, at most {MAX_PIXELS} in all are accepted")


def full_scale(pixels: np.ndarray) -> int:
    """Return the value that stands for white, or opaque: 1 for floating point and bool."""
    return np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an orientation, 1 to 8, as in EXIF (TIFF 6.0, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
