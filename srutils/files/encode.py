"""Picture files out: 8, 16 or 32 bits, transparency, colour profile and EXIF; whole or not at all."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np

from srutils.files.atomic import aside
from srutils.files.decode import Picture, is_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy")
DEPTHS = {".png": (8, 16), ".tif": (8, 16, 32), ".tiff": (8, 16, 32), ".npy": (8, 16, 32)}  # others: 8 bits
OPAQUE = (".jpg", ".jpeg", ".bmp", ".npy")
LEVEL = 4  # of deflate: three times as fast as 6, the usual one, for some 5 % more bytes
SIDES = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}  # longest side that the format can store


def check_target(path: str | os.PathLike, bits: int, size: tuple[int, int], transparent: bool) -> None:
    """Raise ValueError, in one sentence, if a picture cannot be written under this name.

    Parameters
    ----------
    path : path-like
    bits : int
        8, 16 or 32 (floating point) a sample.
    size : (height, width)
    transparent : bool
        Whether it has an alpha channel.
    """
    suffix, problem = Path(path).suffix.lower(), f"cannot write {Path(path).name}:"
    if suffix not in SUFFIXES:
        raise ValueError(f"{problem} expected a name that ends in one of {' '.join(SUFFIXES)}")
    allowed = DEPTHS.get(suffix, (8,))
    if bits not in allowed:
        raise ValueError(f"{problem} {bits} bits; {suffix} takes {', '.join(map(str, allowed))}")
    if transparent and suffix in OPAQUE:
        raise ValueError(
            f"{problem} {suffix} holds no transparency, which the picture has; use .png, .tif or .webp"
        )
    if max(size) > SIDES.get(suffix, 2**31 - 1):
        raise ValueError(
            f"{problem} {size[1]} x {size[0]} pixels; {suffix} stores at most {SIDES[suffix]} a side"
        )


def write_picture(path: str | os.PathLike, picture: Picture) -> None:
    """Write a picture; the file appears only when it is whole.

    Parameters
    ----------
    path : path-like
        The suffix decides: .png, .tif, .tiff, .bmp, .webp (lossless), .jpg, .jpeg (quality 95, full colour
        resolution), or .npy.
    picture : Picture
        Pixels of type uint8, uint16 or float32. The colour profile is kept except by .bmp and .npy, EXIF by
        .jpg, .webp and .png.

    Raises
    ------
    ValueError
        As `check_target`; or the pixels are of another type or shape.
    FileNotFoundError
        The folder does not exist.
    """
    path, pixels = Path(path), picture.pixels
    suffix, problem = path.suffix.lower(), f"cannot write {path.name}:"
    if not is_picture(pixels.shape) or pixels.dtype not in (np.uint8, np.uint16, np.float32):
        expected = "uint8, uint16 or float32, (H, W, 1) or (H, W, 3)"
        raise ValueError(f"{problem} expected {expected}, got {pixels.dtype} {pixels.shape}")
    check_target(path, 8 * pixels.dtype.itemsize, pixels.shape[:2], picture.alpha is not None)
    with aside(path) as temporary, open(temporary, "wb") as file:
        encode(file, picture, suffix)


def encode(file, picture: Picture, suffix: str) -> None:
    """Write a picture that `check_target` accepts to an open file, as `write_picture` does."""
    pixels = picture.pixels
    if suffix == ".npy":
        np.save(file, pixels, allow_pickle=False)
        return
    colour = pixels.shape[-1] == 3
    if picture.alpha is not None:
        pixels = np.concatenate([pixels, picture.alpha], axis=-1)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    if suffix in (".tif", ".tiff"):
        import tifffile

        extra = {} if picture.alpha is None else {"extrasamples": ["unassalpha"]}
        kind = "rgb" if colour else "minisblack"
        options = {
            "compression": "zlib",
            "compressionargs": {"level": LEVEL},
            "metadata": None,
            "iccprofile": picture.icc,
            **extra,
        }
        tifffile.imwrite(file, pixels, photometric=kind, planarconfig="contig", **options)
    elif pixels.dtype == np.uint16 and pixels.ndim == 3:
        _write_png16(file, pixels, picture)
    else:
        from PIL import Image

        form = "JPEG" if suffix in (".jpg", ".jpeg") else suffix[1:].upper()
        options = {
            "JPEG": {"quality": 95, "subsampling": 0},
            "WEBP": {"lossless": True},
            "PNG": {"compress_level": LEVEL},
        }.get(form, {})
        if form != "BMP":
            kept = {"icc_profile": picture.icc, "exif": _exif(picture)}
            options = options | {key: value for key, value in kept.items() if value}
        Image.fromarray(pixels).save(file, form, **options)


def _exif(picture: Picture) -> bytes | None:
    """The picture's EXIF; where it states the size in pixels, that of the picture as it is now."""
    if picture.exif is None:
        return None
    from PIL import Image

    exif, (height, width) = Image.Exif(), picture.pixels.shape[:2]
    exif.load(picture.exif)
    for tags, columns, rows in ((exif, 0x0100, 0x0101), (exif.get_ifd(0x8769), 0xA002, 0xA003)):
        for tag, size in ((columns, width), (rows, height)):
            if tag in tags:
                tags[tag] = size
    return exif.tobytes()


def _write_png16(file, pixels: np.ndarray, picture: Picture) -> None:
    """Write (H, W, 2 to 4) uint16 as PNG, which no library among the dependencies can.

    Every row is stored as its difference to the row above (filter 2 of ISO/IEC 15948), then deflated, some
    rows at a time: there is never a second copy of the picture.
    """

    def chunk(kind: bytes, body: bytes) -> None:
        file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))

    height, width, samples = pixels.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    colour_type = {2: 4, 3: 2, 4: 6}[samples]
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    if picture.icc:
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(picture.icc))
    if exif := _exif(picture):
        chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    above, packer = np.zeros((1, width * samples * 2), np.uint8), zlib.compressobj(LEVEL)
    for start in range(0, height, 64):
        rows = np.ascontiguousarray(pixels[start : start + 64].astype(">u2")).view(np.uint8)
        rows = rows.reshape(-1, above.shape[1])
        filtered = np.full((len(rows), 1 + above.shape[1]), 2, np.uint8)
        filtered[:, 1:] = np.diff(rows, axis=0, prepend=above)
        above = rows[-1:]
        if body := packer.compress(filtered.tobytes()):
            chunk(b"IDAT", body)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")
