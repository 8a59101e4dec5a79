"""TIFF in and out: all usual compressions and depths, missing strips noticed, EXIF among the file's tags."""

from __future__ import annotations

import io
import math
import struct

import numpy as np
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import IFDRational

from srutils.files import metadata
from srutils.files.picture import Metadata, Picture, Unusable, check_size, full_scale
from srutils.files.pillow import decode_pillow

LEVEL = 4  # of deflate, as for PNG
ICC, XMP, DESCRIPTION = 34675, 700, 270
# Compressions that Pillow decodes at 8 bits: none, CCITT, LZW, JPEG, deflate, PackBits.
OF_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)
# Tags that EXIF has, too, beside its own directory and GPS: description, make, model, page and document name,
# software, date, artist, computer, white point, primaries, rating, copyright, and the titles of Windows.
OF_EXIF = {269, 270, 271, 272, 285, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432, *range(40091, 40096)}
OF_EXIF |= {metadata.EXIF_IFD, metadata.GPS_IFD, metadata.ORIENTATION, *metadata.RESOLUTION, metadata.UNIT}
# Tags of the file's layout, and of reduced copies.
OF_LAYOUT = {*range(254, 269), *range(273, 285), *range(286, 294), 296, 297, 317, *range(320, 326), 330}
OF_LAYOUT |= {332, 334, *range(336, 348), *range(512, 533), XMP, ICC}
GREY_OR_RGB = (0, 1, 2)  # kinds of photometric interpretation: white is 0, black is 0, RGB
CONVERTED = (5, 8, 9, 10)  # CMYK and LAB become RGB, which their colour profile does not describe


def decode_tiff(data: bytes) -> Picture:
    """Decode the first page of a TIFF file; pages that are reduced copies are no further pictures.

    Raises
    ------
    Unusable
        Strips or tiles are missing, or it is of a kind that is not supported; with the cure if there is one.
    """
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page, meta = file.pages[0], Metadata()
        check_size(page.imagewidth * -(-page.samplesperpixel // 4), page.imagelength)  # up to 4 are usual
        _check_whole(page, len(data))
        frames = sum(not page.is_reduced for page in file.pages)
        by_pillow = _for_pillow(file, page)
        if by_pillow:
            with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
                pixels, alpha = decode_pillow(image)
        else:
            pixels, alpha = _decode_deep(page)
        if more := len(page.extrasamples) - (alpha is not None):
            meta.lost.append(f"{more} more channel{'s' if more > 1 else ''}")
        try:
            _collect(data, file, page, meta)
        except Exception:
            meta.lost.append("EXIF (damaged)")
    meta.orientation = 1 if by_pillow else meta.orientation  # Pillow has turned it
    meta.icc = None if page.photometric in CONVERTED else meta.icc
    return Picture(pixels, alpha, meta, max(frames, 1))


def _for_pillow(file, page) -> bool:
    """Return whether Pillow is to decode a page: up to 8 bits, with palettes, CMYK, YCbCr, and white as 0."""
    levels = (page.dtype is None or page.dtype.kind in "ub") and page.bitspersample <= 8
    planes = page.planarconfig == 2 and page.photometric in GREY_OR_RGB  # not all of them
    return levels and page.compression in OF_PILLOW and not planes and not _beyond_pillow(file)


def _beyond_pillow(file) -> bool:
    """Return whether it is a big-endian BigTIFF, which Pillow takes for something else."""
    return file.is_bigtiff and file.byteorder == ">"


def _check_whole(page, size: int) -> None:
    """Refuse a file that lacks strips or tiles, which a decoder would fill with black."""
    if page.compression == 6:  # JPEG of old: one block, whatever the tags say
        return
    strips = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    lacking = any(not offset or not count or offset + count > size for offset, count in strips)
    if lacking or len(strips) < math.prod(page.chunked):
        raise Unusable("the file is truncated")


def _decode_deep(page) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode grey and RGB of any depth: Pillow keeps 8 bits a channel and knows no floating-point colour."""
    from tifffile import COMPRESSION, PHOTOMETRIC

    if page.photometric not in GREY_OR_RGB:
        raise Unusable(
            f"a TIFF of kind {PHOTOMETRIC(page.photometric).name} with more than 8 bits is not supported"
        )
    try:
        pixels = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        cure = "needs the package imagecodecs: python -m pip install imagecodecs"
        raise Unusable(f"its compression, {COMPRESSION(page.compression).name}, {cure}") from None
    if page.axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    bits, whole = page.bitspersample, 8 * pixels.dtype.itemsize
    if pixels.dtype.kind == "u" and bits < whole <= 16:  # 12 bits, say, stored as such
        pixels = (pixels.astype(np.uint32) * full_scale(pixels) // (2**bits - 1)).astype(pixels.dtype)
    if page.photometric == PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        pixels = full_scale(pixels) - pixels
    colours = 3 if page.photometric == PHOTOMETRIC.RGB else 1
    pixels, rest, extra = pixels[..., :colours], pixels[..., colours:], tuple(page.extrasamples)
    alpha = rest[..., :1] if extra and extra[0] in (1, 2) and rest.shape[-1] else None
    if alpha is not None and extra[0] == 1:  # the colours were multiplied by it
        full = full_scale(pixels)
        divided = pixels * (full / np.maximum(alpha.astype(np.float64), 1e-9 * full))
        pixels = (np.rint(divided.clip(0, full)) if full > 1 else divided).astype(pixels.dtype)
    return pixels, alpha


def _collect(data: bytes, file, page, meta: Metadata) -> None:
    """Add to `meta` what the tags of a page say beside its layout."""
    if icc := page.tags.valueof(ICC):
        metadata.add_icc(bytes(icc), meta)
    if xmp := page.tags.valueof(XMP):
        metadata.add_xmp(bytes(xmp) if not isinstance(xmp, str) else xmp, meta)
    exif = Image.Exif()
    if _beyond_pillow(file):
        for tag in page.tags:
            value = IFDRational(*tag.value) if tag.dtype == 5 and tag.count == 1 else tag.value
            if tag.code not in (metadata.EXIF_IFD, metadata.GPS_IFD):
                exif[tag.code] = value
            else:
                meta.lost.append(f"TIFF tag {TiffTags.lookup(tag.code).name}")
    else:
        exif.endian, exif.bigtiff = file.byteorder, file.is_bigtiff
        exif.load_from_fp(io.BytesIO(data), page.offset)
    for tag in [tag for tag in exif if tag not in OF_EXIF]:
        del exif[tag]
        if tag not in OF_LAYOUT:
            meta.lost.append(f"TIFF tag {TiffTags.lookup(tag).name if tag in TiffTags.TAGS_V2 else tag}")
    if DESCRIPTION in exif:  # two programs write the size of the array there
        exif[DESCRIPTION] = page.description
        if page.description.startswith(('{"shape"', "ImageJ=")):
            del exif[DESCRIPTION]
    if exif.get(metadata.UNIT, 2) not in (2, 3):  # a ratio of the pixels' sides, not a density
        for tag in (*metadata.RESOLUTION, metadata.UNIT):
            exif.pop(tag, None)
    metadata.read_parts(exif)  # here, where places count from the beginning of the file
    exif.bigtiff = False
    metadata.add_exif(exif, meta)


def write_tiff(file, pixels: np.ndarray, picture: Picture) -> None:
    """Write (H, W) or (H, W, 2 to 4) as TIFF to a file that is open for writing and reading ("w+b")."""
    import tifffile

    meta, big = picture.meta, pixels.nbytes > 2**32 - 2**25
    options = {"extrasamples": ["unassalpha"]} if picture.alpha is not None else {}
    if meta.density:
        options |= {"resolution": meta.density, "resolutionunit": 2}
    tifffile.imwrite(
        file,
        pixels,
        byteorder="<",
        bigtiff=big,
        photometric="rgb" if picture.pixels.shape[-1] == 3 else "minisblack",
        planarconfig="contig",
        compression="zlib",
        compressionargs={"level": LEVEL},
        software="",
        metadata=None,
        iccprofile=meta.icc,
        **options,
    )
    tags = _tags_for(picture)
    if len(tags):
        _add_tags(file, tags, big)


def _tags_for(picture: Picture):
    """Return what EXIF and XMP say as tags of a TIFF file."""
    tags = metadata.exif_for(picture, ".tif") or Image.Exif()
    for tag in [tag for tag in tags if tag in OF_LAYOUT | {*metadata.RESOLUTION, metadata.UNIT}]:
        del tags[tag]
    if xmp := metadata.xmp_for(picture, ".tif"):
        tags[XMP] = xmp
    return tags


def _add_tags(file, tags, big: bool) -> None:
    """Append a directory that has the tags of the only one in a TIFF file, and more; make it the first.

    An entry holds its value or the value's place in the file, so it can be copied as it is.
    """
    count, entry, place, pointer = ("<Q", 20, "<Q", 8) if big else ("<H", 12, "<I", 4)

    def entries(at: int) -> dict[int, bytes]:
        file.seek(at)
        (number,) = struct.unpack(count, file.read(struct.calcsize(count)))
        raw = file.read(number * entry)
        return {struct.unpack_from("<H", raw, i)[0]: raw[i : i + entry] for i in range(0, len(raw), entry)}

    file.seek(pointer)
    (first,) = struct.unpack(place, file.read(struct.calcsize(place)))
    more = _end(file)
    tags.endian, tags.bigtiff = "<", big
    file.write(tags.tobytes(more)[len(b"Exif\0\0") + (16 if big else 8) :])
    merged = entries(more) | entries(first)
    body = struct.pack(count, len(merged)) + b"".join(merged[tag] for tag in sorted(merged))
    at = _end(file)
    file.write(body + struct.pack(place, 0))
    file.seek(pointer)
    file.write(struct.pack(place, at))


def _end(file) -> int:
    """Go to the end of the file, and to an even place; return it."""
    at = file.seek(0, io.SEEK_END)
    return at + file.write(b"\0" * (at % 2))
