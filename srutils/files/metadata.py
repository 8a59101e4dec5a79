"""What is written beside the pixels: read so that a bad block costs only itself, and fitted to the result.

The density, in dots per inch, is kept as it is, as editors keep it: the result is larger on paper, too.
"""

from __future__ import annotations

import math
import re
import struct
import warnings

from PIL import Image
from PIL.PngImagePlugin import PngInfo, iTXt

from srutils.files.picture import Metadata, Picture

ORIENTATION = 274  # the tag of EXIF and TIFF that says how a camera was held
RESOLUTION, UNIT = (282, 283), 296
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
XMP_KEYWORD = "XML:com.adobe.xmp"  # of PNG
JPEG = (".jpg", ".jpeg", ".jfif")
KEEPS_ALL = (".png", *JPEG, ".tif", ".tiff", ".webp", ".avif")  # profile, EXIF, XMP, density
# JPEG's segments that Pillow reads, or whose content is not of the picture; COM is the comment.
SEGMENTS = ("APP0", "APP1", "APP2", "APP14", "COM")
LONGEST = {"exif": 65_527, "xmp": 65_502, "comment": 65_533}  # bytes, in one segment of a JPEG file
# cHRM and gAMA as sRGB has them: what any reader assumes where nothing is said.
SRGB = {
    "gAMA": struct.pack(">I", 45455),
    "cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}


def collect(image, meta: Metadata) -> None:
    """Add to `meta` what Pillow found beside the pixels of an opened picture."""
    info = image.info
    if icc := info.get("icc_profile"):
        add_icc(icc, meta)
    if xmp := info.get("xmp"):
        add_xmp(xmp, meta)
    if "dpi" in info and info.get("jfif_unit", 1) != 0:  # where a JPEG file has none, Pillow invents one
        add_density(info["dpi"], meta)
    try:
        with warnings.catch_warnings(record=True) as damage:
            warnings.simplefilter("always")
            add_exif(_exif(image), meta)
        if damage:
            meta.lost.append("parts of the EXIF (damaged)")
    except Exception:  # what cameras write there is often broken, and is no reason to refuse the picture
        meta.lost.append("EXIF (damaged)")
    shape = info.get("aspect") or (info.get("jfif_density") if info.get("jfif_unit") == 0 else None)
    if shape and shape[0] != shape[1]:
        meta.lost.append(f"pixels that are not square ({shape[0]} : {shape[1]})")
    if comment := info.get("comment") if image.format in ("JPEG", "MPO") else None:
        meta.text.append(("Comment", comment.decode("utf-8", "replace")))
    for keyword, text in (image.text if image.format == "PNG" else {}).items():
        if not keyword.startswith("Raw profile type"):
            meta.text += [(keyword, text)] if text and keyword != XMP_KEYWORD else []
        elif not keyword.endswith(("exif", "APP1")) or meta.exif is None:
            meta.lost.append(keyword.lower())
    meta.lost += sorted({f"JPEG segment {name}" for name, _ in getattr(image, "applist", ())
                         if name not in SEGMENTS})  # fmt: skip


def _exif(image):
    """Read EXIF; ``image.getexif`` forgets, the second time, that it could not."""
    if "exif" not in image.info:
        return image.getexif()
    tags = Image.Exif()
    tags.load(image.info["exif"])
    return tags


def add_icc(icc: bytes, meta: Metadata) -> None:
    """Keep a colour profile if it is whole: a reader may refuse a picture for one that is not."""
    if len(icc) >= 128 and icc[36:40] == b"acsp" and struct.unpack_from(">I", icc)[0] <= len(icc):
        meta.icc = bytes(icc)
    else:
        meta.lost.append("colour profile (damaged)")


def add_exif(tags, meta: Metadata) -> None:
    """Keep EXIF, a ``PIL.Image.Exif``, without its orientation, and its density where no other is known."""
    orientation = tags.pop(ORIENTATION, 0)
    meta.orientation = orientation if orientation in range(1, 9) else meta.orientation
    if meta.density is None and all(tag in tags for tag in RESOLUTION):
        per_inch = {2: 1.0, 3: 2.54}.get(tags.get(UNIT, 2), math.nan)
        add_density([float(tags[tag]) * per_inch for tag in RESOLUTION], meta)
    if len(tags):
        read_parts(tags)
        meta.exif = tags.tobytes()


def read_parts(tags) -> None:
    """Read the directories inside EXIF, which Pillow does when they are asked for; else makes empty ones."""
    for part in (EXIF_IFD, GPS_IFD):
        if part in tags:
            tags.get_ifd(part)


def add_xmp(xmp: bytes | str, meta: Metadata) -> None:
    """Keep XMP if it is text, without the orientation."""
    try:
        text = xmp if isinstance(xmp, str) else xmp.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        meta.lost.append("XMP (damaged)")
        return
    if "HasExtendedXMP" in text:
        meta.lost.append("the extended part of the XMP")
    if turned := re.search(r"tiff:Orientation(?:=[\"']|>)\s*([1-8])\b", text):
        meta.orientation = int(turned[1])  # EXIF, which is read later, goes before it
    meta.xmp = re.sub(r"(tiff:Orientation(?:=[\"']|>))\s*\d+", r"\g<1>1", text).encode()


def add_density(dpi, meta: Metadata) -> None:
    """Keep dots per inch, across and down, if they are positive and every format can hold them."""
    if all(0.01 <= side <= 65_535 for side in dpi):
        near = (round(side) if abs(side - round(side)) < 0.013 else side for side in dpi)  # dots per metre
        meta.density = tuple(map(float, near))


def not_held(meta: Metadata, suffix: str) -> list[str]:
    """Name what a file of this suffix has no place for, in everyday words."""
    lost = []
    if suffix not in KEEPS_ALL:
        named = {"colour profile": meta.icc, "EXIF": meta.exif, "XMP": meta.xmp}
        named["density"] = None if suffix == ".bmp" else meta.density
        lost += [name for name, value in named.items() if value]
    if suffix in JPEG:
        lost += [f"{kind.upper()} (longer than {suffix} holds)" for kind in ("exif", "xmp")
                 if len(getattr(meta, kind) or b"") > LONGEST[kind]]  # fmt: skip
    if suffix != ".png":
        words = [key for key, text in meta.text if suffix not in JPEG or not _is_comment(key, text)]
        if words:
            more = f" and {len(words) - 5} more" if len(words) > 5 else ""
            lost.append(f"text ({', '.join(words[:5])}{more})")
        told = {kind for kind, body in meta.colour.items() if SRGB.get(kind, body) != body or kind == "cICP"}
        if told and not meta.icc and ("sRGB" not in meta.colour or "cICP" in told):
            lost.append(f"colour ({', '.join(sorted(told))})")
    return lost


def _is_comment(keyword: str, text: str) -> bool:
    return keyword == "Comment" and len(text.encode()) <= LONGEST["comment"]


def comment_for(meta: Metadata) -> bytes | None:
    """Return the comment of a JPEG file, if there is one."""
    return next((text.encode() for key, text in meta.text if _is_comment(key, text)), None)


def exif_for(picture: Picture, suffix: str):
    """Return EXIF for the picture as it is now, a ``PIL.Image.Exif``, or None.

    Where it states the size in pixels, that is the new one. In formats that have no other place for the
    density it is added.
    """
    meta, exif, (height, width) = picture.meta, Image.Exif(), picture.pixels.shape[:2]
    if meta.exif is not None and not (suffix in JPEG and len(meta.exif) > LONGEST["exif"]):
        exif.load(meta.exif)
    inner = exif.get_ifd(EXIF_IFD) if EXIF_IFD in exif else {}
    for tags, columns, rows in ((exif, 0x0100, 0x0101), (inner, 0xA002, 0xA003)):
        for tag, size in ((columns, width), (rows, height)):
            if tag in tags:
                tags[tag] = size
    if suffix in (".webp", ".avif") and meta.density and RESOLUTION[0] not in exif:
        exif[RESOLUTION[0]], exif[RESOLUTION[1]], exif[UNIT] = *meta.density, 2
    return exif if len(exif) else None


def xmp_for(picture: Picture, suffix: str) -> bytes | None:
    """Return XMP for the picture as it is now: where it states the size in pixels, that is the new one."""
    xmp = picture.meta.xmp
    if xmp is None or (suffix in JPEG and len(xmp) > LONGEST["xmp"]):
        return None
    sides = zip((rb"Width|exif:PixelXDimension", rb"Length|exif:PixelYDimension"),
                picture.pixels.shape[1::-1], strict=True)  # fmt: skip
    for names, size in sides:
        xmp = re.sub(rb"((?:tiff:Image" + names + rb")(?:=[\"']|>))\s*\d+", rb"\g<1>%d" % size, xmp)
    return xmp


def png_chunks(picture: Picture) -> list[tuple[bytes, bytes]]:
    """Return what stands in a PNG file beside profile, EXIF and density, as (kind, body)."""
    info, meta = PngInfo(), picture.meta
    for kind, body in meta.colour.items():
        if not meta.icc or kind == "cICP":  # a profile says it all
            info.add(kind.encode(), body)
    for keyword, text in meta.text:
        if isinstance(text, iTXt):
            info.add_itxt(keyword, text, text.lang or "", text.tkey or "", zip=len(text) > 1000)
        else:
            info.add_text(keyword, text, zip=len(text) > 1000)
    if xmp := xmp_for(picture, ".png"):
        info.add_itxt(XMP_KEYWORD, xmp.decode())
    return [(kind, body) for kind, body, *_ in info.chunks]
