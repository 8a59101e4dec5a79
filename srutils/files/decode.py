"""Picture files in: pixels as they are stored, transparency, colour profile and EXIF beside them."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
MAX_PIXELS = 178_956_970  # twice Pillow's warning level: where Pillow itself refuses a picture as a bomb
ORIENTATION = 274  # the tag of EXIF and TIFF that says how a camera was held
NO_SRGB = ("CMYK", "LAB", "HSV")  # modes whose colour profile does not describe RGB

# Decoders log what they meet in damaged files; without a handler Python prints that to stderr, beside our own
# error. Programs that set up logging still receive it.
for _name in ("PIL", "tifffile"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Unusable(ValueError):
    """Why a file cannot be used, in words that need no translation."""


@dataclass
class Picture:
    """What a picture file holds.

    Attributes
    ----------
    pixels : ndarray, (H, W, 1) or (H, W, 3)
        uint8, uint16, bool or floating point, as stored, and upright.
    alpha : ndarray, (H, W, 1), of the same type, or None
        Opacity, not multiplied into the pixels.
    icc, exif : bytes or None
        Colour profile; EXIF without its orientation, which has been applied.
    frames : int
        How many pictures the file has; this is the first.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    frames: int = 1


def read_picture(path: str | os.PathLike) -> Picture:
    """Read a PNG, JPEG, TIFF, BMP or WebP picture (told by content, not by name), or a ``.npy`` array.

    Palettes become RGB, and so does CMYK, by its colour profile if there is one. An npy array may be (H, W),
    (H, W, C), or (C, H, W) as in the DeepLense files: its first axis is 1 or 3 and its last is neither.

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
    try:
        # Mapped, so that a huge declared shape costs nothing.
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Unusable(f"not a whole, unpickled .npy array ({error})") from None
    if not isinstance(stored, np.ndarray):
        raise Unusable("expected one .npy array, got an .npz archive")
    if stored.ndim == 2:
        stored = stored[..., None]
    if stored.ndim == 3 and stored.shape[-1] not in (1, 3) and stored.shape[0] in (1, 3):
        stored = np.moveaxis(stored, 0, -1)
    if not is_picture(stored.shape):
        raise Unusable(
            f"expected an array (H, W), (H, W, C) or (C, H, W), C 1 or 3; got shape {stored.shape}"
        )
    _check_size(stored.shape[1], stored.shape[0])
    return np.array(stored, stored.dtype.newbyteorder("="))  # 16 bits are 16 bits in either order


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape can be a picture: (H, W, 1) or (H, W, 3), and not empty."""
    return len(shape) == 3 and shape[-1] in (1, 3) and 0 not in shape


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Unusable(f"it declares {width} x {height} pixels, at most {MAX_PIXELS} in all are accepted")


def _decode(data: bytes) -> Picture:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            depths = image.tag_v2.get(258, ()) if image.format == "TIFF" else ()  # bits of each sample
            # What phones append to a JPEG (previews, depth, gain maps) is no second picture.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            icc = image.info.get("icc_profile")
            if image.format == "PNG":
                with Image.open(io.BytesIO(data), formats=("PNG",)) as same:
                    same.verify()  # every chunk's CRC, which decoding alone does not check
                layout = str(image.tile[0].args)
                if layout.endswith("A;16B") or layout == "RGB;16B":
                    key = image.info.get("transparency")
                    return Picture(*_deep_png(data, layout, key), icc, _exif(image), frames)
            if len(depths) < 2 or max(depths) <= 8:
                icc = None if image.mode in NO_SRGB else icc
                return Picture(*_from_pillow(image), icc, _exif(image), frames)
    except UnidentifiedImageError:
        if data[:2] not in (b"II", b"MM"):
            raise Unusable(
                "it is not a PNG, JPEG, TIFF, BMP or WebP picture, nor named as .npy or FITS"
            ) from None
    except Image.DecompressionBombError:
        raise Unusable(f"it declares more than {MAX_PIXELS} pixels") from None
    return _deep_tiff(data)  # Pillow keeps 8 bits a channel and knows no floating-point colour


def _exif(image) -> bytes | None:
    """EXIF without its orientation; none of a TIFF, where it is mixed with the file's layout."""
    if image.format == "TIFF":
        return None
    try:
        tags = image.getexif()
        tags.pop(ORIENTATION, None)
        return tags.tobytes() if len(tags) else None
    except Exception:  # what cameras write there is often broken, and is no reason to refuse the picture
        return None


def _from_pillow(image) -> tuple[np.ndarray, np.ndarray | None]:
    from PIL import ImageOps

    white_is_zero = False
    if image.format == "TIFF":
        white_is_zero = image.tag_v2.get(262) == 0
        parts = {tile.extents for tile in image.tile}
        if sum((right - left) * (low - high) for left, high, right, low in parts) < math.prod(image.size):
            raise Unusable("the file is truncated")  # strips that it does not list would become zeros
    _load(image)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)  # native byte order
        return (65535 - pixels if white_is_zero else pixels)[..., None], None
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
    from PIL import ImageCms

    if profile := image.info.get("icc_profile"):
        try:
            return ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: as if there were none
    return image.convert("RGB")


def _load(image) -> None:
    """Decode; a truncated file raises, even where other code told Pillow to fill the rest with grey."""
    from PIL import ImageFile

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
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _deep_png(data: bytes, layout: str, key) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a colour or grey + alpha PNG of 16 bits, where Pillow keeps only the high bytes.

    PNG is big-endian: decoded as if it were little-endian, the "high" byte is the low one, so two passes give
    both. Grey + alpha has no little-endian form, but its 32 bits a pixel can be read as four 8-bit channels.
    `key` is the one colour that is transparent in a file without alpha, if any.
    """
    from PIL import Image, ImageOps

    def decode(raw_mode: str) -> np.ndarray:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
            _load(image)
            return np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)

    if layout == "LA;16B":
        both = decode("RGBA")
        return both[..., :1] * 256 + both[..., 1:2], both[..., 2:3] * 256 + both[..., 3:]
    samples = decode(layout) * 256 + decode(layout.replace("16B", "16L"))
    if samples.shape[-1] == 3 and isinstance(key, tuple):
        return samples, np.where((samples == key).all(-1, keepdims=True), 0, 65535).astype(np.uint16)
    return samples[..., :3], samples[..., 3:] if samples.shape[-1] == 4 else None


def _deep_tiff(data: bytes) -> Picture:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        _check_size(page.imagewidth * -(-page.samplesperpixel // 4), page.imagelength)  # up to 4 are usual
        if page.photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
            raise Unusable(f"a TIFF of kind {page.photometric!s} with more than 8 bits is not supported")
        strips = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        if len(strips) < math.prod(page.chunked) or any(sum(strip) > len(data) for strip in strips):
            raise Unusable("the file is truncated")  # a missing strip would silently become zeros
        pixels, extra, axes = page.asarray(), tuple(page.extrasamples), page.axes
        orientation, frames = int(page.tags.valueof(ORIENTATION, 1)), len(file.pages)
        icc = page.tags.valueof(34675)
    if axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = _upright(pixels.reshape(*pixels.shape[:2], -1), orientation)
    colours = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
    pixels, rest = pixels[..., :colours], pixels[..., colours:]
    alpha = rest[..., :1] if extra and extra[0] in (1, 2) and rest.shape[-1] else None
    if alpha is not None and extra[0] == 1:  # the colours were multiplied by it
        full = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        divided = pixels * (full / np.maximum(alpha.astype(np.float64), 1e-9 * full))
        pixels = (np.rint(divided.clip(0, full)) if full > 1 else divided).astype(pixels.dtype)
    return Picture(pixels, alpha, bytes(icc) if icc else None, None, frames)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an orientation, 1 to 8, as in EXIF (TIFF 6.0, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
