"""What dividing a pixel does to its values, by their unit, which FITS headers spell freely (BUNIT)."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

# How headers write what astropy has under another name, in small letters.
NAMES = {
    "electron": "e el els electrons photoelectron photoelectrons",
    "ct": "ct cts cnt cnts count counts cps",
    "photon": "photons phot phots",
    "adu": "adu adus dn dns",
    "Jy": "jy jys jansky janskys mgy nmgy maggy maggies nanomaggy nanomaggies flam fnu",
    "erg": "ergs joule joules",
    "W": "w watts",
    "beam": "bm beams",
    "sr": "str ster steradian",
    "arcsec": "asec arcs arcsecs arcseconds",
    "arcmin": "arcm arcmins arcminutes",
    "pix": "px pixels spaxel spaxels",
    "s": "s sec secs seconds",
    "yr": "yr yrs year years",
    "Angstrom": "a ang angs angstroms",
    "K": "degs degrees degc celsius k_cmb k_rj",
    "mag": "mags magnitude magnitudes abmag stmag vegamag",
    "Msun": "msun msol m_sun",
    "Lsun": "lsun lsol l_sun",
}
WORDS = {word: name for name, words in NAMES.items() for word in words.split()}
# A prefix does not change the answer, so M for mega need not be told from m for milli.
PREFIX = re.compile(r"(?:nano|micro|milli|kilo|mega|giga|[pnumkg])(?=.)")
POWER = r"(?:\*\*|\^)?\(?[+-]?\d{1,3}\)?"
# 1e-17, 10**(-20), 10^-17 and 10-17, before the unit: they change nothing either.
NUMBER = re.compile(rf"^(?:10\s*{POWER}|\d+\.?\d*(?:e[+-]?\d+)?)(?=[\s*.(a-z])[\s*.]*", re.IGNORECASE)
SQUARE = re.compile(r"\((.+)\)\s*(?:\*\*|\^)\s*2")
RATIOS = ("e(b-v)", "unitless", "dimensionless", "fraction", "ratio")
AMOUNTS = ("electron", "ct", "photon", "adu", "Jy", "W", "kg")
UNSURE = ("V", "A", "C", "bit")  # of an instrument: it depends


def _word(match: re.Match) -> str:
    """The name in astropy for a word of a header, or the word itself."""
    from astropy import units as u

    word, small = match[0], match[0].lower()
    if small == "per":
        return "/"
    if small in WORDS:
        return WORDS[small]
    for name in (word, small, small.capitalize()):
        if isinstance(getattr(u, name, None), u.UnitBase):
            return name
    bare = PREFIX.sub("", small, count=1)
    return WORDS.get(bare, bare if isinstance(getattr(u, bare, None), u.UnitBase) else word)


def parsed(text: str):
    """Read a unit with astropy, after its words are spelt as astropy spells them.

    Parameters
    ----------
    text : str
        Numbers in front are left out.

    Returns
    -------
    astropy.units.UnitBase or FunctionUnitBase, or None
        None if that is not a unit.
    """
    from astropy import units as u

    text = text.strip().strip("[]")
    if square := SQUARE.fullmatch(text):
        inner = parsed(square[1])
        return inner and inner**2
    # a power of four digits is no unit, and raising to it takes for ever
    if not text.isascii() or re.search(r"\d{4}", text):
        return None
    text = NUMBER.sub("", re.sub(r"\be-(?!\d)", "electron", text, flags=re.IGNORECASE), count=1)
    text = re.sub(r"[A-Za-z_]+", _word, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unit = u.Unit(text)
    except Exception:  # of many kinds, on texts that are no unit
        return None
    return unit if isinstance(unit, u.UnitBase | u.FunctionUnitBase) else None


@lru_cache(maxsize=1024)
def area_power(unit: str) -> int | None:
    """Find by which power of a pixel's area values of this BUNIT shrink when pixels are divided.

    Smaller pixels share an amount of light, such as counts or Jy (1), and a variance of amounts goes by the
    square (2). What is given for each beam, solid angle or square parsec is the same in a smaller pixel, and
    so are magnitudes, temperatures, velocities and ratios (0). Areas in metres are those of the telescope:
    erg/s/cm2 is an amount; only a mass per area or volume is a density. An energy that divides, as in
    photon/s/keV, is the width of a band, and eV alone is the energy of photons.

    Parameters
    ----------
    unit : str
        As in the header. Without a unit, values count as amounts.

    Returns
    -------
    int or None
        0, 1 or 2; None where that is not known: words that are no unit, a number alone, volts, or other
        powers of an amount, such as an inverse variance.
    """
    if not unit.strip() or unit.strip().lower() in RATIOS:
        return 0 if unit.strip() else 1
    from astropy import units as u

    whole = parsed(unit)
    if whole is None or not getattr(whole, "bases", True):
        return None
    if isinstance(whole, u.FunctionUnitBase):  # mag(AB), dex
        return 0
    made_of = list(zip(whole.bases, whole.powers, strict=True))

    def powers(*kinds):
        return [power for one, power in made_of if any(one.is_equivalent(getattr(u, kind)) for kind in kinds)]

    angles = [one for one, _ in made_of if one in (u.beam, u.mag, u.dex) or u.rad in one.decompose().bases]
    density = any(one == u.pc and power < 0 for one, power in made_of)
    density |= bool(powers("kg")) and min(powers("m"), default=0) < 0
    if angles or density or [one.name[-2:] for one, _ in made_of] == ["eV"]:
        return 0
    amount, energy = sum(powers(*AMOUNTS)), sum(powers("erg"))
    if energy > 0 or amount <= 0:
        amount += energy
    return int(amount) if amount in (0, 1, 2) and not powers(*UNSURE) else None
