"""FITS headers: what can be read of one, and what becomes of it when its image is enlarged."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable

from srutils.files.decode import Unusable

TABLES = re.compile(r"(CPDIS|D2IMDIS|CPERR|D2IMERR|DP|DQ|D2IM)\d")  # distortions given as images of their own
# Of the values as they were stored, and of parts of the image in its old pixels.
STALE = (
    *("BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "GOODMIN", "GOODMAX", "GOODMEAN"),
    *("IRAF-MIN", "IRAF-MAX", "CHECKSUM", "DATASUM", "NEXTEND", "NGOODPIX", "NPIX1", "NPIX2"),
    *("DATASEC", "TRIMSEC", "BIASSEC", "CCDSEC", "DETSEC", "AMPSEC"),
)
LEVELS = ("SATURATE", "SATLEVEL", "SKYLEVEL")  # of the values: they shrink as these do
# What becomes of numbers in a header: pixel p (the first centre is 1) becomes (p - 1/2) scale + 1/2. The last
# pattern has the orders of a term of SIP's polynomials, which take pixels and give pixels.
RULES = [
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"CRPIX[12][A-Z]?|LTV[12]", lambda v, s, m: (v - 0.5) * s + 0.5),
        (r"CD\d_[12][A-Z]?|CDELT[12][A-Z]?", lambda v, s, m: v / s),
        (r"PIXSCALE|PIXSCAL[12]|PIXELSCL|SECPIX[12]?|[XY]PIXELSZ|[XY]PIXSZ", lambda v, s, m: v / s),
        (r"PIXAR_(?:SR|A2)", lambda v, s, m: v / s**2),
        (r"LTM[12]_[12]|[AB]_DMAX|CNPIX[12]", lambda v, s, m: v * s),
        (r"(?:A|B|AP|BP)_(\d)_(\d)", lambda v, s, m: v * float(s) ** (1 - int(m[1]) - int(m[2]))),
    )
]
STANDARD = re.compile(r"(COMMENT |HISTORY |HIERARCH| {8}|(?=.{8}= )[A-Z\d_-]+ *= )")
# What a primary header without data may say of an image that does not inherit it: nothing of these.
OWN = re.compile(
    r"(WCSAXES|CTYPE|CRVAL|CUNIT|CROTA|CRDER|CSYER|PC|PV|PS|LONPOLE|LATPOLE|WCSNAME|RADESYS|EQUINOX)[\d_]*[A-Z]?|"
    r"BUNIT|B(MAJ|MIN|PA)|EXTNAME|EXTVER|EXTLEVEL|(A|B|AP|BP)_ORDER"
)
VERSION = re.compile(r"(?:CTYPE1|CRVAL1|CRPIX[12]|CDELT[12]|CD\d_\d|PC\d_\d)([A-Z]?)")


def readable(header, wanted: Callable = lambda card: True):
    """The wanted cards, without those that break the standard beyond repair, unless pixels depend on them."""
    from astropy.io import fits

    new = fits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for card in header.cards:
            try:
                if not wanted(card):
                    continue
                card.verify("silentfix")
                good = is_number(card.value) or not _depends_on_pixels(card)
                if STANDARD.match(card.image):
                    new.append(card, end=True)
            except (fits.VerifyError, Warning):
                good = not _depends_on_pixels(card)
            if not good:
                raise Unusable(f"its header has no number for {card.keyword}, which depends on the pixels")
    return new


def _depends_on_pixels(card) -> bool:
    return any(pattern.fullmatch(card.keyword) for pattern, _ in RULES)


def is_number(value) -> bool:
    """Whether a card's value is a finite number; True is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def inherited(primary, wanted: bool | None):
    """Cards of the primary header for an extension whose card INHERIT is `wanted` (None: it has none)."""
    if wanted is True:
        return readable(primary)
    if wanted is False or primary.get("NAXIS", 0) > 0:
        return ()
    return readable(primary, lambda card: not OWN.fullmatch(card.keyword) and not _depends_on_pixels(card))


def enlarged_header(header, scale: int):
    """The header of an image enlarged by `scale`: the same sky, in smaller pixels.

    That moves CRPIX, divides CDELT or CD by the scale, and rescales the polynomials of SIP (Shupe et al.
    2005, ASP Conf. 347, 491), IRAF's LTV and LTM, the Digitized Sky Survey's CNPIX and XPIXELSZ, and the size
    of a pixel under some other names. All versions of the coordinates (CRPIX1A) are treated alike; the first
    two axes only. What astropy would work out with a warning, such as MJD-OBS from DATE-OBS, is added.

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
    with_cd = {key[5:] for key in new if re.fullmatch(r"CD\d_\d[A-Z]?", key)}
    for key in set(new):
        for pattern, rule in RULES:
            match = pattern.fullmatch(key)
            if match and not (key[:5] == "CDELT" and key[6:] in with_cd and new[key] == 1):
                new[key] = rule(new[key], scale, match)
    # What a WCS leaves to the standard's defaults is not 1 : 1 any more, so it is written down.
    for version in {match[1] for key in header if (match := VERSION.fullmatch(key))}:
        for axis in (1, 2):
            new.setdefault(f"CRPIX{axis}{version}", 0.5 - 0.5 * scale)
            if version not in with_cd:
                new.setdefault(f"CDELT{axis}{version}", 1 / scale)
    for axis in {match[1] for key in header if (match := re.fullmatch(r"LTV([12])", key))}:
        new.setdefault(f"LTM{axis}_{axis}", float(scale))
    for key in STALE:
        new.remove(key, ignore_missing=True, remove_all=True)
    _complete(new)
    return new


def _complete(header) -> None:
    from astropy.wcs import WCS

    if "RADECSYS" in header:
        header.rename_keyword("RADECSYS", "RADESYS", force=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header)
            known = dict(wcs.to_header(relax=True))
    except Exception:  # of many kinds; coordinates that astropy cannot read stay what they were
        return
    for key in [key for key in known if key.startswith("MJD-")]:
        known[key] = _moment(key, known[key], header)
    known |= {f"OBSGEO-{axis}": value for axis, value in zip("XYZLBH", wcs.wcs.obsgeo, strict=True)}
    for key, value in known.items():
        if key not in header and value == value and re.fullmatch(r"(MJD|DATE)-\w{3}|OBSGEO-\w", key):
            header[key] = value


def _moment(key: str, midnight: float, header) -> float | tuple[float, str]:
    """An MJD that astropy takes from a date; a time of day that is missing comes from TIME-OBS, if at all."""
    date = key.replace("MJD", "DATE")
    if date not in header or "T" in str(header[date]):
        return midnight
    clock = re.fullmatch(r"(\d\d):(\d\d):(\d\d(?:\.\d*)?)", str(header.get("TIME-OBS", "")))
    if key != "MJD-OBS" or clock is None:
        return midnight, f"[d] midnight: {date} has no time of day"
    hours, minutes, seconds = map(float, clock.groups())
    return midnight + (hours + minutes / 60 + seconds / 3600) / 24, "[d] from DATE-OBS and TIME-OBS"
