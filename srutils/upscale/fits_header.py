"""FITS headers: what can be read of one, and what becomes of it when its image is enlarged."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable

from srutils.files.decode import Unusable

# Distortions given as images of their own, or as cards that hold a record (DP1 = 'NAXES: 2').
TABLES = re.compile(r"(CPDIS|CQDIS|D2IMDIS)\d[A-Z]?|AXISCORR")
# Of the values as they were stored.
STORED = ("BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM", "NEXTEND")
# Of the values before they were divided, and of parts of the image in its old pixels.
STALE = (
    *("DATAMIN", "DATAMAX", "GOODMIN", "GOODMAX", "GOODMEAN", "IRAF-MIN", "IRAF-MAX", "NGOODPIX"),
    *("NPIX1", "NPIX2", "DATASEC", "TRIMSEC", "BIASSEC", "CCDSEC", "DETSEC", "AMPSEC"),
)
LEVELS = ("SATURATE", "SATLEVEL", "SKYLEVEL")  # of the values: they shrink as these do
PC = re.compile(r"PC(?:0?(\d)_0?(\d)|00(\d)00(\d))([A-Z]?)")
CD = re.compile(r"CD(?:0?(\d)_0?(\d)|00(\d)00(\d))([A-Z]?)")
# What becomes of numbers in a header: pixel p (the first centre is 1) becomes (p - 1/2) scale + 1/2. SIP's
# polynomials take pixels and give pixels; the pattern has the orders of a term.
COORDINATES = [
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"CRPIX[12][A-Z]?|LTV[12]", lambda v, s, m: (v - 0.5) * s + 0.5),
        (r"CD(?:0?\d_0?[12]|00\d00[12])[A-Z]?|CDELT[12][A-Z]?|[XY]PIXELSZ", lambda v, s, m: v / s),
        (r"LTM[12]_[12]|[AB]_DMAX|CNPIX[12]", lambda v, s, m: v * s),
        (r"(?:A|B|AP|BP)_(1?\d)_(1?\d)", lambda v, s, m: v * float(s) ** (1 - int(m[1]) - int(m[2]))),
    )
]
# The size of a pixel under names that no standard has; a text there ("0.2 arcsec") cannot be kept true.
SIZES = [
    (re.compile(r"PIXSCALE|PIXSCAL[12]|PIXELSCL|SECPIX[12]?|[XY]PIXSZ"), lambda v, s, m: v / s),
    (re.compile(r"PIXAR_(?:SR|A2)"), lambda v, s, m: v / s**2),
]
STANDARD = re.compile(r"(COMMENT |HISTORY |HIERARCH| {8}|(?=.{8}= )[A-Z\d_-]+ *= )")
# A card of coordinates, and their version (A to Z).
VERSION = re.compile(r"(?:(?:CTYPE|CRVAL|CRPIX|CDELT|CUNIT)\d|(?:PC|CD)\d+_\d+|(?:PC|CD)\d{6})([A-Z]?)")
PLACE = re.compile(
    rf"{VERSION.pattern}|(?:WCSAXES|WCSNAME|LONPOLE|LATPOLE|(?:CROTA|CRDER|CSYER)\d|(?:PV|PS)\d+_\d+)[A-Z]?"
    r"|(?:A|B|AP|BP)_ORDER"
)
# What a primary header without data may say of an image that does not inherit it: nothing of these.
OWN = re.compile(r"RADESYS[A-Z]?|EQUINOX[A-Z]?|BUNIT|B(MAJ|MIN|PA)|EXTNAME|EXTVER|EXTLEVEL")
SKY_AXIS = re.compile(r"(RA|DEC|[A-Z]LON|[A-Z]LAT|[A-Z]{2}L[NT])(-.*)?", re.IGNORECASE)
OTHER_AXIS = re.compile(
    r"(FREQ|ENER|WAVN|VRAD|WAVE|VOPT|ZOPT|AWAV|VELO|BETA|FELO|LAMBDA|STOKES|TIME|UTC|TAI|CUBEFACE)(-.*)?",
    re.IGNORECASE,
)
COLOURS, PICTURE = 4, 16  # an axis of so few pixels behind two of so many: a picture with its colours last


def readable(header, wanted: Callable = lambda card: True):
    """Select the cards that can be read, put right where that takes no guess.

    Parameters
    ----------
    header : astropy.io.fits.Header
    wanted : function of a card, optional
        Whether to take it at all.

    Returns
    -------
    new : astropy.io.fits.Header
    lost : list of str
        Keywords of cards that break the standard beyond repair.

    Raises
    ------
    Unusable
        A card without a number says where the pixels lie.
    """
    from astropy.io import fits

    new, lost = fits.Header(), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for card in header.cards:
            try:
                if not wanted(card):
                    continue
                card.verify("silentfix")
                good = bool(STANDARD.match(card.image))
                number = is_number(card.value)
            except (fits.VerifyError, ValueError, Warning):
                good = number = False
            if not number and _matches(card.keyword, COORDINATES):
                raise Unusable(f"its header has no number for {card.keyword}, which depends on the pixels")
            if good and (number or not _matches(card.keyword, SIZES)):
                new.append(card, end=True)
            else:
                lost.append(card.keyword)
    return new, lost


def _matches(keyword: str, rules) -> bool:
    return any(pattern.fullmatch(keyword) for pattern, _ in rules)


def is_number(value) -> bool:
    """Tell whether a card's value is a finite number; True is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def inherit(header, primary) -> list[str]:
    """Add to an extension's header what it has from the primary one, in place.

    INHERIT = T takes every card that the extension lacks, INHERIT = F none. Without a word on it, a primary
    header that has no image of its own hands on what is not of one image. An extension with coordinates of
    its own takes no other ones: a mixture of two would be a third sky.

    Returns
    -------
    list of str
        Keywords of cards that cannot be read.
    """
    wish, there = header.get("INHERIT"), set(header)
    if wish is False or (wish is not True and primary.get("NAXIS", 0) > 0):
        return []
    placed = wish is not True or any(VERSION.fullmatch(key) for key in there)

    def wanted(card):
        key = card.keyword
        if placed and (PLACE.fullmatch(key) or _matches(key, COORDINATES)):
            return False
        return wish is True or not (OWN.fullmatch(key) or _matches(key, SIZES))

    new, lost = readable(primary, wanted)
    new.strip()
    for card in new.cards:
        if card.keyword not in there or card.keyword in ("COMMENT", "HISTORY", ""):
            header.append(card, end=True)
    return lost


def enlarged_header(header, scale: int):
    """Make the header of an image enlarged by `scale`: the same sky, in smaller pixels.

    That moves CRPIX, divides CDELT, CD or PC by the scale, and rescales the polynomials of SIP (Shupe et al.
    2005, ASP Conf. 347, 491), IRAF's LTV and LTM, the Digitized Sky Survey's CNPIX and XPIXELSZ, and the size
    of a pixel under some other names. All versions of the coordinates (CRPIX1A) are treated alike, and so is
    each of several cards with one name; the first two axes only.

    Raises
    ------
    Unusable
        The header refers to distortion tables, which would have to be enlarged too.
    """
    new = header.copy()
    if table := next((key for key in new if TABLES.match(key)), None):
        raise Unusable(
            f"its header has a distortion table ({table}), which cannot be rescaled; resample the image first"
        )
    pc, cd = _cells(new, PC), _cells(new, CD)
    # Where PC mixes the first two axes with others, it is divided, and not CDELT.
    mixed = {version for i, j, version, value in pc if value and (i in "12") != (j in "12")}
    with_cd = {version for _, _, version, _ in cd}
    for card in new.cards:
        key = card.keyword
        if (match := PC.fullmatch(key)) and match[5] in mixed and (match[2] or match[4]) in "12":
            card.value /= scale
        for pattern, rule in (*COORDINATES, *SIZES):
            if (match := pattern.fullmatch(key)) and not (
                key[:5] == "CDELT" and (key[6:] in mixed or (key[6:] in with_cd and card.value == 1))
            ):
                card.value = rule(card.value, scale, match)
    # What a WCS leaves to the standard's defaults is not 1 : 1 any more, so it is written down.
    for version in {match[1] for key in header if (match := VERSION.fullmatch(key))}:
        for axis in "12":
            new.setdefault(f"CRPIX{axis}{version}", 0.5 - 0.5 * scale)
            if version in with_cd:
                if not any(axis in (i, j) for i, j, one, _ in cd if one == version):
                    new[f"CD{axis}_{axis}{version}"] = 1 / scale
            elif version not in mixed:
                new.setdefault(f"CDELT{axis}{version}", 1 / scale)
            elif (axis, axis, version) not in {cell[:3] for cell in pc}:
                new[f"PC{axis}_{axis}{version}"] = 1 / scale
    for axis in {match[1] for key in header if (match := re.fullmatch(r"LTV([12])", key))}:
        new.setdefault(f"LTM{axis}_{axis}", float(scale))
    for key in (*STORED, *STALE):
        new.remove(key, ignore_missing=True, remove_all=True)
    if gone := [key for key in STALE if key in header]:
        new.add_history(f"left out, true of the input only: {', '.join(gone)}")
    return new


def _cells(header, pattern: re.Pattern) -> list[tuple[str, str, str, float]]:
    """Cells of the matrices PC or CD: row, column, version and value."""
    found = ((pattern.fullmatch(card.keyword), card.value) for card in header.cards)
    return [(m[1] or m[3], m[2] or m[4], m[5], value) for m, value in found if m]


def check_axes(header, shape: tuple[int, ...]) -> str | None:
    """Make sure that the last two axes of an array, the first two of the header, can be a picture of the sky.

    Returns
    -------
    str or None
        A sentence for the user, if these axes are not the sky, and nothing else in the image is.

    Raises
    ------
    Unusable
        The sky, or a picture in colours, lies across the planes that would be enlarged.
    """
    names = {i: str(header.get(f"CTYPE{i}") or "").strip() for i in range(1, 10)}
    lengths = dict(enumerate(reversed(shape), 1))
    sky = [i for i, name in names.items() if SKY_AXIS.fullmatch(name)]
    across = [i for i in sky if i > 2 and (lengths.get(i, 1) > 1 or header.get(f"CROTA{i}"))]
    first = f"{names[1] or 'unnamed'} and {names[2] or 'unnamed'}"
    if across:
        where = " and ".join(names[i] for i in across)
        raise Unusable(
            f"its first two axes are {first}, and the sky ({where}) lies across them; reorder the axes first"
        )
    if len(shape) > 2 and not sky and shape[-1] <= COLOURS and min(shape[-3:-1]) >= PICTURE:
        size = " x ".join(map(str, shape))
        raise Unusable(
            f"its {size} values look like a picture with the colours last, where FITS has them first; move "
            "that axis to the front"
        )
    if any(OTHER_AXIS.fullmatch(names[i]) for i in (1, 2)):
        return f"its first two axes are {first}, not the sky; both are enlarged like a picture"
    return None
