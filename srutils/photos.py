"""Photographs: reading and writing image files, ready-made sets of pictures, splits and tiles.

Every picture here is float32 of shape (H, W, C), C = 1 (grey) or 3 (RGB).
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from .download import aside

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
MAX_PIXELS = 178_956_970  # twice Pillow's warning level: where Pillow itself refuses a picture as a bomb

# Photographs inside the scikit-image wheel, and their credit as scikit-image states it. Left out: drawings,
# text, holograms and microscopy; the right eye of the motorcycle pair (the same scene as the left); and moon,
# retina and clock, which are so smooth that bicubic x2 already rebuilds them to 43, 50 and 47 dB: nothing to
# learn from.
CREDITS = {
    "astronaut": "Eileen Collins, NASA Great Images database; public domain",
    "brick": "Brick wall, CC0Textures (Bricks25); CC0",
    "camera": "Lav Varshney; CC0",
    "chelsea": "Chelsea the cat, Stefan van der Walt; CC0",
    "coffee": "Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0",
    "coins": "Greek coins from Pompeii, Brooklyn Museum Collection; no known copyright restrictions",
    "grass": "linolafett on DeviantArt (Grass 01); CC0",
    "gravel": "CC0Textures (Gravel04); CC0",
    "hubble_deep_field": "Hubble eXtreme Deep Field, NASA, from HubbleSite; public domain",
    "motorcycle": "Left view, Middlebury 2014 stereo benchmark (Scharstein et al. 2014); no licence stated",
    "rocket": "Launch of DSCOVR on Falcon 9, SpaceX; public domain",
}
COLOUR = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "motorcycle", "rocket")
SET5 = ("baby", "bird", "butterfly", "head", "woman")


# Decoders log what they meet in damaged files; without a handler Python prints that to stderr, beside our own
# error. Programs that set up logging still receive it.
for _name in ("PIL", "tifffile"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class _Unusable(ValueError):
    """Why a file cannot be used, in words that need no translation."""


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
        float32. 1-, 8- and 16-bit values are divided by the largest value of their type, so they lie
        in [0, 1]; floating-point values (TIFF, npy) are returned as they are, in any finite range.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a picture, damaged or truncated, larger than `MAX_PIXELS`, an integer type other than 8 or 16 bits
        unsigned, NaN or infinity, or a wrong shape. One sentence that names the file.

    Notes
    -----
    Alpha is dropped and the stored colours are kept (nothing is laid over a background). Palettes and CMYK
    become RGB. EXIF orientation is applied. Of several pages or frames the first is read. Colour profiles are
    not applied. An npy array may be (H, W), (H, W, C), or (C, H, W) as in the DeepLense files, which is told
    by its first axis being 1 or 3 while its last is neither. Pickled arrays are refused.
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
    if stored.ndim != 3 or stored.shape[-1] not in (1, 3) or 0 in stored.shape:
        raise _Unusable(f"expected an array (H, W), (H, W, 1) or (H, W, 3), got shape {stored.shape}")
    _check_size(stored.shape[1], stored.shape[0])
    return np.array(stored)


def _decode(data: bytes) -> np.ndarray:
    """Decode the bytes of an image file: uint8, uint16 or float, (H, W, 1 or 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            depths = image.tag_v2.get(258, ()) if image.format == "TIFF" else ()  # bits of each sample
            if image.format == "PNG":
                _verify_png(data)
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


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _Unusable(f"it declares {width} x {height} pixels, at most {MAX_PIXELS} in all are accepted")


def _verify_png(data: bytes) -> None:
    """Check every chunk's CRC, which decoding alone does not."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.verify()


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

    PNG is big-endian. Decoded as if it were little-endian, the "high" byte is the low one: two passes give
    both. Grey + alpha has no little-endian form, but the same 32 bits a pixel can be read as four 8-bit
    channels.
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
        orientation = page.tags.valueof(274, 1)
        axes = page.axes
    if axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    wanted = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
    return _orient(pixels[..., :wanted], int(orientation))


def _orient(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF / TIFF orientation, 1 to 8 (TIFF 6.0, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


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
    if suffix not in SUFFIXES:
        raise ValueError(
            f"cannot write {path.name}: expected a name that ends in one of {' '.join(SUFFIXES)}"
        )
    allowed = {".png": (8, 16), ".tif": (8, 16, 32), ".tiff": (8, 16, 32), ".npy": (8, 16, 32)}.get(
        suffix, (8,)
    )
    if bits not in allowed:
        raise ValueError(
            f"cannot write {path.name}: {bits} bits; {suffix} takes {', '.join(map(str, allowed))}"
        )
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or 0 in pixels.shape or pixels.dtype.kind != "f":
        raise ValueError(
            f"cannot write {path.name}: expected floating point (H, W, 1) or (H, W, 3), "
            f"got {pixels.dtype} {np.shape(image)}"
        )
    if not np.isfinite(pixels).all():
        raise ValueError(f"cannot write {path.name}: the image holds NaN or infinite values")
    with aside(path) as temporary, open(temporary, "wb") as file:
        _encode(file, pixels, suffix, bits)


def _encode(file, pixels: np.ndarray, suffix: str, bits: int) -> None:
    if suffix == ".npy":
        np.save(file, pixels.astype(np.float32), allow_pickle=False)
        return
    if bits != 32:
        levels = np.rint(np.clip(pixels.astype(np.float64), 0, 1) * (2**bits - 1))
        pixels = levels.astype(np.uint8 if bits == 8 else np.uint16)
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if suffix in (".tif", ".tiff"):
        import tifffile

        pixels = pixels.astype(np.float32) if bits == 32 else pixels
        kind = "rgb" if pixels.ndim == 3 else "minisblack"
        tifffile.imwrite(file, pixels, photometric=kind, compression="zlib", metadata=None)
    elif bits == 16 and pixels.ndim == 3:
        file.write(_png16(pixels))
    else:
        from PIL import Image

        options = {
            ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
            ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
            ".webp": {"format": "WEBP", "lossless": True},
            ".png": {"format": "PNG"},
            ".bmp": {"format": "BMP"},
        }[suffix]
        Image.fromarray(pixels).save(file, **options)


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


# --- collections ----------------------------------------------------------------------------------


def builtin(colour: bool | None = None) -> dict[str, np.ndarray]:
    """Return the photographs that come inside the scikit-image wheel; nothing is downloaded.

    Parameters
    ----------
    colour : bool, optional
        True: only the colour ones (`COLOUR`); False: only the grey ones; None: all.

    Returns
    -------
    dict
        Name -> float32 (H, W, 3) or (H, W, 1) in [0, 1], sorted by name. `CREDITS` has the credit of each.
    """
    import skimage.data

    photographs = {}
    for name in sorted(CREDITS):
        if colour is None or colour == (name in COLOUR):
            stored = (
                skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(skimage.data, name)()
            )
            photographs[name] = _to_float(stored if stored.ndim == 3 else stored[..., None])
    return photographs


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
    found = [
        f for f in path.glob("**/*" if recursive else "*") if f.suffix.lower() in SUFFIXES and f.is_file()
    ]
    visible = [f for f in found if not any(part.startswith(".") for part in f.relative_to(path).parts)]
    return sorted(visible, key=lambda f: f.relative_to(path).as_posix())


def folder(path: str | os.PathLike, recursive: bool = False) -> list[tuple[str, np.ndarray]]:
    """Read every picture of a folder.

    Parameters
    ----------
    path : path-like
    recursive : bool
        Also look in sub-folders.

    Returns
    -------
    list of (name, image)
        Sorted by name: the path relative to the folder, without the suffix unless two files differ only in
        it. For a folder that does not fit in memory, loop over `image_files` and `read_image` instead.

    Raises
    ------
    FileNotFoundError
        No such folder, or no picture in it.
    ValueError
        A picture cannot be read.
    """
    files = image_files(path, recursive)
    if not files:
        raise FileNotFoundError(f"no image in {path}: expected files ending in {' '.join(SUFFIXES)}")
    names = [f.relative_to(path) for f in files]
    stems = [n.with_suffix("").as_posix() for n in names]
    labels = [s if stems.count(s) == 1 else n.as_posix() for s, n in zip(stems, names, strict=True)]
    return [(label, read_image(f)) for label, f in zip(labels, files, strict=True)]


def set5() -> list[tuple[str, np.ndarray]]:
    """Read Set5, the five benchmark photographs (for scoring only), as (name, image) sorted by name.

    The folder Set5 is looked for under SR_DATA and in the cache; files may be named baby.png, baby.bmp or
    baby_GT.bmp.

    Raises
    ------
    FileNotFoundError
        The folder or one of the five is missing; the sentence says how to get it.
    """
    from .course import find_data

    where = find_data("Set5")
    if where is None:
        raise FileNotFoundError(
            "Set5 is not here: run `srutils fetch set5`, or put the folder Set5 under SR_DATA"
        )
    files = {f.stem.lower().removesuffix("_gt"): f for f in image_files(where)}
    if missing := [name for name in SET5 if name not in files]:
        raise FileNotFoundError(
            f"{where} lacks {', '.join(missing)}: expected NAME.png, NAME.bmp or NAME_GT.bmp"
        )
    return [(name, read_image(files[name])) for name in SET5]


# --- splits and tiles -----------------------------------------------------------------------------

Photos = Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]


def photo_split(
    seed: int = 0, photos: Photos | None = None, fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Split photographs into train, validation and test.

    Cut tiles afterwards: tiles of one picture resemble each other, so they must not be divided. Photographs
    are ranked by the SHA-256 of seed and name and the ranking is cut, so the result depends on the names
    only, not on their order. Colour and grey are cut separately, so every part holds both if it can.

    Parameters
    ----------
    seed : int
    photos : mapping name -> image, or iterable of (name, image), optional
        Default: `builtin()`.
    fractions : three floats
        Shares of train, validation, test; each positive share of three or more pictures gets at least one.

    Returns
    -------
    train, validation, test : dict
        Name -> image.

    Raises
    ------
    ValueError
        A name occurs twice, or the fractions do not add up to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"expected three fractions that add up to 1, got {fractions}")
    pairs = list(_pairs(builtin() if photos is None else photos))
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a photograph's name occurs twice: the parts of a split could share it")
    parts: tuple[dict, dict, dict] = ({}, {}, {})
    for channels in (3, 1):
        group = [pair for pair in pairs if pair[1].shape[-1] == channels]
        group.sort(key=lambda pair: hashlib.sha256(f"{seed}:{pair[0]}".encode()).digest())
        counts = [
            max(round(share * len(group)), int(share > 0 and len(group) > 2)) for share in fractions[1:]
        ]
        ends = (len(group) - sum(counts), len(group) - counts[1], len(group))
        for part, start, end in zip(parts, (0, *ends), ends, strict=False):
            part.update(sorted(group[start:end], key=lambda pair: pair[0]))
    return parts


def tiles(
    images: Photos, size: int = 128, n_per_image: int | None = None, seed: int = 0, order: str = "texture"
) -> np.ndarray:
    """Cut pictures into square tiles that do not overlap.

    The grid is centred on each picture; what does not fill a tile is left out, and so is a picture smaller
    than one tile. Grey pictures are repeated to three channels.

    Parameters
    ----------
    images : mapping name -> image, or iterable of (name, image)
        A generator is read one picture at a time.
    size : int
        Side of a tile in pixels.
    n_per_image : int, optional
        At most this many from each picture; None takes all.
    seed : int
        Used by ``order="random"`` only; a picture's draw depends on the seed and its name.
    order : "texture" or "random"
        Which come first: those with the largest mean luminance gradient (smooth sky teaches a network
        nothing), or a random draw.

    Returns
    -------
    numpy.ndarray
        float32 (N, size, size, 3), picture by picture.

    Raises
    ------
    ValueError
        No picture holds a tile, or an argument is out of range.
    """
    if size < 1 or (n_per_image is not None and n_per_image < 1) or order not in ("texture", "random"):
        raise ValueError(
            "expected size >= 1, n_per_image >= 1 or None, and order texture or random; "
            f"got {size}, {n_per_image}, {order!r}"
        )
    kept = []
    for name, image in _pairs(images):
        cut = _grid(image, size)
        if order == "texture":
            ranking = np.argsort(-_texture(cut), kind="stable")
        else:
            key = hashlib.sha256(f"{seed}:{name}".encode()).digest()
            ranking = np.random.default_rng(list(key)).permutation(len(cut))
        kept.append(np.broadcast_to(cut[ranking[:n_per_image]], (len(ranking[:n_per_image]), size, size, 3)))
    if not sum(map(len, kept)):
        raise ValueError(f"no picture is as large as one tile of {size} x {size} pixels")
    return np.concatenate(kept).astype(np.float32, copy=False)


def _pairs(photos: Photos) -> Iterator[tuple[str, np.ndarray]]:
    for name, image in photos.items() if isinstance(photos, Mapping) else photos:
        if not isinstance(name, str) or np.ndim(image) != 3 or np.shape(image)[-1] not in (1, 3):
            raise ValueError(
                f"expected (name, image (H, W, 1 or 3)), got ({name!r}, shape {np.shape(image)})"
            )
        yield name, image


def _grid(image: np.ndarray, size: int) -> np.ndarray:
    height, width, channels = image.shape
    rows, columns = height // size, width // size
    top, left = (height - rows * size) // 2, (width - columns * size) // 2
    inner = image[top : top + rows * size, left : left + columns * size]
    return inner.reshape(rows, size, columns, size, channels).swapaxes(1, 2).reshape(-1, size, size, channels)


def _texture(cut: np.ndarray) -> np.ndarray:
    """Mean absolute luminance step between neighbouring pixels, one value a tile."""
    grey = cut.mean(axis=-1)
    if not grey.size or cut.shape[1] < 2:
        return np.zeros(len(cut))
    return np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2))
