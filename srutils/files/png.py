"""PNG in and out where Pillow falls short: 16 bits, key colours, and one bad chunk among good ones."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from srutils.files.metadata import collect, exif_for, png_chunks
from srutils.files.picture import Metadata, Picture, check_size, full_scale
from srutils.files.pillow import decode_pillow, load

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What the pixels are made of; all else is metadata.
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")
COLOUR = ("cHRM", "gAMA", "sRGB", "cICP")
# What describes the old pixels, or when they were stored, and nothing of the new ones.
OUTDATED = ("bKGD", "hIST", "sBIT", "sPLT", "tIME", "iDOT")
LEVEL = 4  # of deflate: three times as fast as 6, the usual one, for some 5 % more bytes


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk as it stands in a PNG file: length, kind, body, check sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def decode_png(data: bytes) -> Picture:
    """Decode the first picture of a PNG file; the chunks beside the pixels cannot make it fail.

    Every check sum is verified: a damaged chunk of the pixels raises, any other one is left out and named.
    """
    data, key, others = _split(data)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        check_size(*image.size)
        frames = getattr(image, "n_frames", 1)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as same:
            same.verify()  # every chunk's check sum, which decoding alone does not look at
        depth, kind = data[24], data[25]
        keyed = kind in (0, 2) and len(key) >= 2 * (1 + kind)
        if keyed:
            image.info.pop("transparency", None)  # Pillow errs where samples have 1, 2, 4 or 16 bits
        deep = depth == 16 and kind != 0
        pixels, alpha = _decode_deep(data, kind) if deep else decode_pillow(image)
    if keyed:
        alpha = _key_to_alpha(pixels, key, depth)
    return Picture(pixels, alpha, _metadata(others), frames)


def _split(data: bytes) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Return a PNG file with its pixels only, the body of its tRNS chunk, and its other chunks, by kind."""
    kept, key, others, at = [SIGNATURE], b"", [], len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        whole = data[at : at + 12 + length]
        if len(whole) < 12 + length or kind == b"IEND":
            break
        # A capital first letter marks what a decoder must know; a damaged IDAT may be called iDAT.
        if kind in PIXELS or kind[:1].isupper() or kind.upper() in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(whole)
        else:
            others.append((kind.decode("latin-1"), whole))
        key = whole[8:-4] if kind == b"tRNS" else key
        at += 12 + length
    return b"".join([*kept, data[at:]]), key, others


def _metadata(chunks: list[tuple[str, bytes]]) -> Metadata:
    """Read each chunk from a small PNG file of its own, so that a bad one spoils no other."""
    meta = Metadata()
    head = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    tail = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    for kind, whole in sorted(chunks, key=lambda one: one[0] == "eXIf"):  # its orientation goes before XMP's
        if kind in OUTDATED:
            continue
        try:
            with Image.open(io.BytesIO(head + whole + tail), formats=("PNG",)) as image:
                load(image)
                known = any(image.info.values()) or kind in COLOUR  # what cannot be unpacked is empty
                collect(image, meta)
        except Exception:  # a wrong check sum, a stream that cannot be unpacked, text that is none
            meta.lost.append(f"PNG chunk {kind} (damaged)" if kind.isalpha() else "a PNG chunk (damaged)")
            continue
        if kind in COLOUR:
            meta.colour.setdefault(kind, whole[8:-4])
        elif not known:
            damaged = kind in ("iCCP", "eXIf", "zTXt", "iTXt")
            meta.lost.append(f"PNG chunk {kind}{' (damaged)' if damaged else ''}")
    return meta


def _key_to_alpha(pixels: np.ndarray, key: bytes, depth: int) -> np.ndarray:
    """Make the one colour transparent that tRNS names, in samples of `depth` bits."""
    top, full = 2**depth - 1, full_scale(pixels)
    colour = np.frombuffer(key, ">u2")[: pixels.shape[-1]].astype(np.int64) & top
    hidden = (pixels == colour * full // top).all(-1, keepdims=True)
    return np.where(hidden, 0, full).astype(pixels.dtype)


def _decode_deep(data: bytes, kind: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a colour or grey + alpha PNG of 16 bits, where Pillow keeps only the high bytes.

    PNG is big-endian: decoded as if it were little-endian, the "high" byte is the low one, so two passes give
    both. Grey + alpha has no little-endian form, but its 32 bits a pixel can be read as four 8-bit channels.
    """

    def decode(raw_mode: str) -> np.ndarray:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
            load(image)
            return np.asarray(image).astype(np.uint16)

    if kind == 4:
        both = decode("RGBA")
        return both[..., :1] * 256 + both[..., 1:2], both[..., 2:3] * 256 + both[..., 3:]
    mode = "RGB" if kind == 2 else "RGBA"
    samples = decode(f"{mode};16B") * 256 + decode(f"{mode};16L")
    return samples[..., :3], samples[..., 3:] if kind == 6 else None


def write_png16(file, pixels: np.ndarray, picture: Picture) -> None:
    """Write (H, W, 2 to 4) uint16 as PNG, which Pillow cannot, with what belongs to the picture.

    Every row is stored as its difference to the row above (filter 2 of ISO/IEC 15948), then deflated, some
    rows at a time: there is never a second copy of the picture.
    """
    height, width, samples = pixels.shape
    colour_type = {2: 4, 3: 2, 4: 6}[samples]
    file.write(SIGNATURE)
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)))
    if picture.meta.icc:
        file.write(chunk(b"iCCP", b"profile\0\0" + zlib.compress(picture.meta.icc)))
    for kind, body in png_chunks(picture):
        file.write(chunk(kind, body))
    if picture.meta.density:
        per_metre = (round(side / 0.0254) for side in picture.meta.density)
        file.write(chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if exif := exif_for(picture, ".png"):
        file.write(chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    above, packer = np.zeros((1, width * samples * 2), np.uint8), zlib.compressobj(LEVEL)
    for start in range(0, height, 64):
        rows = np.ascontiguousarray(pixels[start : start + 64].astype(">u2")).view(np.uint8)
        rows = rows.reshape(-1, above.shape[1])
        filtered = np.full((len(rows), 1 + above.shape[1]), 2, np.uint8)
        filtered[:, 1:] = np.diff(rows, axis=0, prepend=above)
        above = rows[-1:]
        if body := packer.compress(filtered.tobytes()):
            file.write(chunk(b"IDAT", body))
    file.write(chunk(b"IDAT", packer.flush()))
    file.write(chunk(b"IEND", b""))
