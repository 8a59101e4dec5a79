"""Picture files out: 8, 16 or 32 bits, transparency, and what belongs to the picture; whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from srutils.files.metadata import JPEG, comment_for, exif_for, png_chunks, xmp_for
from srutils.files.picture import Picture
from srutils.files.png import LEVEL, write_png16
from srutils.files.tiff import write_tiff

SUFFIXES = (".png", *JPEG, ".tif", ".tiff", ".bmp", ".webp", ".avif", ".npy")
DEPTHS = {".png": (8, 16), ".tif": (8, 16, 32), ".tiff": (8, 16, 32), ".npy": (8, 16, 32)}  # others: 8 bits
OPAQUE = (*JPEG, ".bmp", ".npy")
SIDES = {".webp": 16_383, ".avif": 65_535} | dict.fromkeys(JPEG, 65_500)  # longest side that can be stored


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
    suffix = Path(path).suffix.lower()
    allowed = DEPTHS.get(suffix, (8,))
    if suffix not in SUFFIXES:
        reason = f"expected a name that ends in one of {' '.join(SUFFIXES)}"
    elif bits not in allowed:
        reason = f"{bits} bits; {suffix} takes {', '.join(map(str, allowed))}"
    elif suffix == ".avif" and not features.check("avif"):
        reason = "this Pillow was built without AVIF; use .png, .tif or .webp"
    elif transparent and suffix in OPAQUE:
        reason = f"{suffix} holds no transparency, which the picture has; use .png, .tif or .webp"
    elif max(size) > SIDES.get(suffix, 2**31 - 1):
        reason = f"{size[1]} x {size[0]} pixels; {suffix} stores at most {SIDES[suffix]} a side"
    else:
        return
    raise ValueError(f"cannot write {Path(path).name}: {reason}")


def encode(file, picture: Picture, suffix: str) -> None:
    """Write a picture that `check_target` accepts to a file that is open as "w+b".

    Parameters
    ----------
    file : file object
    picture : Picture
        Pixels of type uint8, uint16 or float32. What stands beside them is kept where the format has a place
        for it; `srutils.files.metadata.not_held` names the rest.
    suffix : str
        One of `SUFFIXES`. WebP is lossless; JPEG and AVIF have quality 95 and full colour resolution.
    """
    pixels = picture.pixels
    if suffix == ".npy":
        np.save(file, pixels, allow_pickle=False)
        return
    if picture.alpha is not None:
        pixels = np.concatenate([pixels, picture.alpha], axis=-1)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    if suffix in (".tif", ".tiff"):
        write_tiff(file, pixels, picture)
    elif pixels.dtype == np.uint16 and pixels.ndim == 3:
        write_png16(file, pixels, picture)
    else:
        _write_pillow(file, pixels, picture, suffix)


def _write_pillow(file, pixels: np.ndarray, picture: Picture, suffix: str) -> None:
    form, meta = "JPEG" if suffix in JPEG else suffix[1:].upper(), picture.meta
    options = {
        "JPEG": {"quality": 95, "subsampling": 0, "comment": comment_for(meta)},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 95, "subsampling": "4:4:4"},
        "PNG": {"compress_level": LEVEL, "pnginfo": PngInfo()},
        "BMP": {"dpi": (0, 0)},  # unknown, where Pillow would write 96
    }[form]
    if form != "BMP":
        exif = exif_for(picture, suffix)
        options |= {"icc_profile": meta.icc, "exif": exif.tobytes() if exif else None}
    if form == "PNG":
        for kind, body in png_chunks(picture):
            options["pnginfo"].add(kind, body)
    elif form != "BMP":
        options["xmp"] = xmp_for(picture, suffix)
    if meta.density:
        options["dpi"] = meta.density
    kept = {key: value for key, value in options.items() if value is not None}
    Image.fromarray(pixels).save(file, form, **kept)
