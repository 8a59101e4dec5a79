"""Picture files in: pixels as they are stored, transparency, and what the file says beside them."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np

from srutils.files.metadata import collect
from srutils.files.npy import read_npy
from srutils.files.picture import MAX_PIXELS, Metadata, Picture, Unusable, check_size, is_picture, upright
from srutils.files.pillow import NO_SRGB, decode_pillow
from srutils.files.png import SIGNATURE, decode_png
from srutils.files.tiff import decode_tiff

FORMATS = ("JPEG", "BMP", "WEBP", "AVIF")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
READ = "PNG, JPEG, TIFF, BMP, WebP or AVIF"
OTHERS = {b"GIF8": "GIF", b"%PDF": "PDF", b"8BPS": "Photoshop", b"<svg": "SVG", b"\xff\x0a": "JPEG XL"}
OTHERS |= {b"\0\0\0\x0cJXL ": "JPEG XL", b"\0\0\0\x0cjP  ": "JPEG 2000", b"SIMPLE  =": "FITS", b"qoif": "QOI"}


def read_picture(path: str | os.PathLike) -> Picture:
    """Read a PNG, JPEG, TIFF, BMP, WebP or AVIF picture (told by content, not by name), or a ``.npy`` array.

    Palettes become RGB, and so does CMYK, by its colour profile if there is one. A key colour (PNG's tRNS)
    becomes alpha. What is damaged beside the pixels is left out, and named in the picture's ``meta.lost``. An
    npy array may be (H, W), (H, W, C), or (C, H, W) as in the DeepLense files: its first axis is 1 or 3 and
    its last is neither.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a picture, damaged or truncated, larger than `MAX_PIXELS`, or a wrong shape; pickled arrays are
        refused. One sentence that names the file.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected an image file")
    if not path.is_file():
        raise FileNotFoundError(f"no such image file: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders chat about metadata; real trouble raises
            return Picture(_read_npy(path)) if path.suffix.lower() == ".npy" else _decode(path.read_bytes())
    except PermissionError:
        raise
    except Unusable as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    except Exception as error:
        # On hostile bytes the decoders raise anything: struct.error, KeyError, SyntaxError, MemoryError.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot read {path}: it is damaged or of an unsupported kind ({reason})") from None


def _read_npy(path: Path) -> np.ndarray:
    stored = read_npy(path, mapped=True)
    if stored.ndim == 2:
        stored = stored[..., None]
    if stored.ndim == 3 and stored.shape[-1] not in (1, 3) and stored.shape[0] in (1, 3):
        stored = np.moveaxis(stored, 0, -1)
    if not is_picture(stored.shape):
        raise Unusable(f"expected an array (H, W), (H, W, C) or (C, H, W), C 1 or 3; got {stored.shape}")
    check_size(stored.shape[1], stored.shape[0])
    return np.array(stored, stored.dtype.newbyteorder("="))  # 16 bits are 16 bits in either order


def _decode(data: bytes) -> Picture:
    from PIL import Image, UnidentifiedImageError

    try:
        if data.startswith(SIGNATURE):
            picture = decode_png(data)
        elif data.startswith(TIFF_STARTS):
            picture = decode_tiff(data)
        else:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                picture = _from_pillow(image, data)
    except UnidentifiedImageError:
        raise Unusable(_what_else(data)) from None
    except Image.DecompressionBombError:
        raise Unusable(f"it declares more than {MAX_PIXELS} pixels") from None
    picture.pixels = upright(picture.pixels, picture.meta.orientation)
    if picture.alpha is not None:
        picture.alpha = upright(picture.alpha, picture.meta.orientation)
    return picture


def _from_pillow(image, data: bytes) -> Picture:
    """Decode a picture of 8 bits; what phones append to a JPEG (previews, gain maps) is no second picture."""
    check_size(*image.size)
    meta, frames = Metadata(), 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    pixels, alpha = decode_pillow(image)
    collect(image, meta)
    if image.mode in NO_SRGB:
        meta.icc = None
    if image.format == "MPO":
        meta.lost.append("the pictures appended to it")
    box = data.find(b"pixi", 0, 4096) if image.format == "AVIF" else -1  # version, channels, bits of each
    if box >= 0 and data[box + 9] > 8:
        meta.lost.append(f"all but 8 of its {data[box + 9]} bits a sample")
    return Picture(pixels, alpha, meta, frames)


def _what_else(data: bytes) -> str:
    """Say what a file is that cannot be read."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    name = next((name for start, name in OTHERS.items() if data.startswith(start)), None)
    name = "HEIC" if brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc") else name
    if name is not None:
        return f"it is a {name} file, which is not read here; save it as {READ} in another program first"
    return f"it is not a {READ} picture, nor named as .npy or FITS"
