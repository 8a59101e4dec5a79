"""Pixels of 8 bits as Pillow decodes them, with what it lacks: strict about truncated files, and quiet."""

from __future__ import annotations

import contextlib
import io
import os

import numpy as np
from PIL import ImageCms, ImageFile

from srutils.files.picture import Unusable

NO_SRGB = ("CMYK", "LAB", "HSV")  # modes whose colour profile does not describe RGB


def decode_pillow(image) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a picture that Pillow has opened, as it is stored: not turned.

    Returns
    -------
    pixels : ndarray, (H, W, 1) or (H, W, 3)
    alpha : ndarray, (H, W, 1), or None

    Raises
    ------
    Unusable
        Its pixels are 32-bit integers.
    """
    load(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[..., None], None  # native byte order
    if image.mode == "F":
        return np.asarray(image)[..., None], None
    if image.mode == "I":
        raise Unusable("it has 32-bit integer pixels; expected 8 or 16 bits, or floating point")
    if image.mode == "CMYK":
        image = _cmyk_to_rgb(image)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"))
        return (pixels[..., :1] if grey else pixels[..., :3]), pixels[..., 3:]
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return (pixels[..., None] if grey else pixels), None


def _cmyk_to_rgb(image):
    if profile := image.info.get("icc_profile"):
        try:
            srgb = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: as if there were none
    return image.convert("RGB")


def load(image) -> None:
    """Decode; a truncated file raises, even where other code told Pillow to fill the rest with grey."""
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with _libtiff_silenced() if image.format == "TIFF" else contextlib.nullcontext():
            image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


@contextlib.contextmanager
def _libtiff_silenced():
    """Keep stderr clean: libtiff writes there itself, although Pillow raises; it has no switch for that."""
    try:
        kept = os.dup(2)
    except OSError:  # a program without stderr
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
