"""Image files: float32 arrays (H, W, C), C = 1 (grey) or 3 (RGB), in and out."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np

from .download import aside

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
DEPTHS = {".png": (8, 16), ".tif": (8, 16, 32), ".tiff": (8, 16, 32), ".npy": (8, 16, 32)}  # others: 8 bits
MAX_PIXELS = 178_956_970  # twice Pillow's warning level: where Pillow itself refuses a picture as a bomb

# Decoders log what they meet in damaged files; without a handler Python prints that to stderr, beside our own
# error. Programs that set up logging still receive it.
for _name in ("PIL", "tifffile"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class _Unusable(ValueError):
    """Why a file cannot be used, in words that need no translation."""


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
    shown = [n for n in names if n.suffix.lower() in SUFFIXES and not any(p[0] == "." for p in n.parts)]
    return [path / n for n in sorted(shown, key=Path.as_posix) if (path / n).is_file()]


# --- reading --------------------------------------------------------------------------------------


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a picture as float32 (H, W, C) with C = 1 or 3.

    Parameters
    ----------
    path : path-like
        PNG, JPEG, TIFF, BMP or WebP (told by content, not by name), or a ``.npy`` array.

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
        Not a picture, damaged or truncated, larger than `MAX_PIXELS`, integers other than 8 or 16 bits
        unsigned, NaN or infinity, or a wrong shape. One sentence that names the file.

    Notes
    -----
    Alpha is dropped, the stored colours are kept. Palettes and CMYK become RGB. EXIF orientation is applied,
    colour profiles are not. Of several pages or frames the first is read. An npy array may be (H, W),
    (H, W, C), or (C, H, W) as in the DeepLense files: its first axis is 1 or 3 and its last is neither.
    Pickled arrays are refused.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected an image file")
    if not path.is_file():
        raise FileNotFoundError(f"no such image file: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders chat about metadata; real trouble raises
            pixels = _read_npy(path) if path.suffix.lower() == ".npy" else _decode(path.read_bytes())
        return _to_float(pixels)
    except PermissionError:
        raise
    except _Unusable as error:
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
        raise _Unusable(f"not a whole, unpickled .npy array ({error})") from None
    if not isinstance(stored, np.ndarray):
        raise _Unusable("expected one .npy array, got an .npz archive")
    if stored.ndim == 2:
        stored = stored[..., None]
    if stored.ndim == 3 and stored.shape[-1] not in (1, 3) and stored.shape[0] in (1, 3):
        stored = np.moveaxis(stored, 0, -1)
    if not _is_picture(stored.shape):
        raise _Unusable(f"expected an array (H, W), (H, W, 1) or (H, W, 3), got shape {stored.shape}")
    _check_size(stored.shape[1], stored.shape[0])
    return np.array(stored)


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in (1, 3) and 0 not in shape


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _Unusable(f"it declares {width} x {height} pixels, at most {MAX_PIXELS} in all are accepted")


def _decode(data: bytes) -> np.ndarray:
    """Decode the bytes of an image file: uint8, uint16 or float, (H, W, 1 or 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            depths = image.tag_v2.get(258, ()) if image.format == "TIFF" else ()  # bits of each sample
            if image.format == "PNG":
                with Image.open(io.BytesIO(data), formats=("PNG",)) as same:
                    same.verify()  # every chunk's CRC, which decoding alone does not check
                layout = str(image.tile[0].args)
                if layout.endswith("A;16B") or layout == "RGB;16B":
                    return _deep_png(data, layout)
            if len(depths) < 2 or max(depths) <= 8:
                return _from_pillow(image)
    except UnidentifiedImageError:
        if data[:2] not in (b"II", b"MM"):
            raise _Unusable("it is not a PNG, JPEG, TIFF, BMP or WebP picture") from None
    except Image.DecompressionBombError:
        raise _Unusable(f"it declares more than {MAX_PIXELS} pixels") from None
    return _deep_tiff(data)  # Pillow keeps 8 bits a channel and knows no floating-point colour


def _from_pillow(image) -> np.ndarray:
    from PIL import ImageOps

    white_is_zero = image.format == "TIFF" and image.tag_v2.get(262) == 0
    _load(image)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)  # native byte order
        return (65535 - pixels if white_is_zero else pixels)[..., None]
    if image.mode == "F":
        return np.asarray(image)[..., None]
    if image.mode == "I":
        raise _Unusable("it has 32-bit integer pixels; expected 8 or 16 bits, or floating point")
    grey = image.mode in ("1", "L", "LA", "La")
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _load(image) -> None:
    """Decode; a truncated file raises, even where other code told Pillow to fill the rest with grey."""
    from PIL import ImageFile

    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _deep_png(data: bytes, layout: str) -> np.ndarray:
    """Decode a colour or grey + alpha PNG of 16 bits, where Pillow keeps only the high bytes.

    PNG is big-endian: decoded as if it were little-endian, the "high" byte is the low one, so two passes give
    both. Grey + alpha has no little-endian form, but its 32 bits a pixel can be read as four 8-bit channels.
    """
    from PIL import Image, ImageOps

    def decode(raw_mode: str) -> np.ndarray:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
            _load(image)
            return np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)

    if layout == "LA;16B":
        both = decode("RGBA")
        return both[..., :1] * 256 + both[..., 1:2]
    return (decode(layout) * 256 + decode(layout.replace("16B", "16L")))[..., :3]


def _deep_tiff(data: bytes) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        _check_size(page.imagewidth, page.imagelength)
        if page.photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
            raise _Unusable(f"a TIFF of kind {page.photometric!s} with more than 8 bits is not supported")
        strips = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(start + count > len(data) for start, count in strips):
            raise _Unusable("the file is truncated")  # a missing strip would silently become zeros
        pixels = page.asarray()
        orientation, axes = int(page.tags.valueof(274, 1)), page.axes
    if axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    pixels = pixels[..., : 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1]
    # Orientation, 1 to 8, as in EXIF (TIFF 6.0, tag 274).
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _to_float(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == bool:
        return pixels.astype(np.float32)
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if pixels.dtype.kind != "f":
        raise _Unusable(f"it holds {pixels.dtype} values; expected floating point, uint8, uint16 or bool")
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(pixels).all():
        raise _Unusable(f"{np.count_nonzero(~np.isfinite(pixels))} values are NaN or infinite as float32")
    return pixels


# --- writing --------------------------------------------------------------------------------------


def write_image(path: str | os.PathLike, image: np.ndarray, bits: int = 8) -> None:
    """Write a picture; the file appears only when it is whole.

    Parameters
    ----------
    path : path-like
        The suffix decides: .png, .tif, .tiff (8 or 16 bits; TIFF also 32, floating point), .bmp, .webp
        (lossless), .jpg, .jpeg (quality 95, full colour resolution), or .npy (float32, whatever `bits` says).
    image : array, (H, W), (H, W, 1) or (H, W, 3), floating point
        For 8 and 16 bits, values are clipped to [0, 1] (networks overshoot) and rounded to the nearest level.
        Floating-point files keep every value.
    bits : int
        8, 16 or 32.

    Raises
    ------
    ValueError
        Unknown suffix, `bits` that the format cannot hold, or an image of wrong shape or type or not finite.
    FileNotFoundError
        The folder does not exist.
    """
    path, pixels = Path(path), np.asarray(image)
    suffix = path.suffix.lower()
    problem = f"cannot write {path.name}:"
    if suffix not in SUFFIXES:
        raise ValueError(f"{problem} expected a name that ends in one of {' '.join(SUFFIXES)}")
    allowed = DEPTHS.get(suffix, (8,))
    if bits not in allowed:
        raise ValueError(f"{problem} {bits} bits; {suffix} takes {', '.join(map(str, allowed))}")
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if not _is_picture(pixels.shape) or pixels.dtype.kind != "f":
        got = f"{pixels.dtype} {np.shape(image)}"
        raise ValueError(f"{problem} expected floating point (H, W, 1) or (H, W, 3), got {got}")
    if not np.isfinite(pixels).all():
        raise ValueError(f"{problem} the image holds NaN or infinite values")
    with aside(path) as temporary, open(temporary, "wb") as file:
        _encode(file, pixels, suffix, bits)


def _encode(file, pixels: np.ndarray, suffix: str, bits: int) -> None:
    if suffix == ".npy":
        np.save(file, pixels.astype(np.float32), allow_pickle=False)
        return
    if bits == 32:
        pixels = pixels.astype(np.float32)
    else:
        levels = np.rint(np.clip(pixels.astype(np.float64), 0, 1) * (2**bits - 1))
        pixels = levels.astype(np.uint8 if bits == 8 else np.uint16)
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if suffix in (".tif", ".tiff"):
        import tifffile

        kind = "rgb" if pixels.ndim == 3 else "minisblack"
        tifffile.imwrite(file, pixels, photometric=kind, compression="zlib", metadata=None)
    elif bits == 16 and pixels.ndim == 3:
        file.write(_png16(pixels))
    else:
        from PIL import Image

        form = "JPEG" if suffix in (".jpg", ".jpeg") else suffix[1:].upper()
        options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
        Image.fromarray(pixels).save(file, form, **options.get(form, {}))


def _png16(pixels: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint16 as PNG, which no library among the dependencies can write.

    Every row is stored as its difference to the row above (filter 2 of ISO/IEC 15948), then deflated.
    """

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = pixels.shape
    rows = np.ascontiguousarray(pixels.astype(">u2")).view(np.uint8).reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)
    filtered[:, 1:] = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
