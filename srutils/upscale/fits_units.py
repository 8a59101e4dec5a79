"""What dividing a pixel does to its values, by their unit, which FITS headers spell freely (BUNIT)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy import units as u

# A prefix does not change the answer, so it is dropped, and M for mega need not be told from m for milli.
PREFIX = r"(?:[pnumkg]|pico|nano|micro|milli|kilo|mega|giga)?"
# Words as headers have them, in any case, and their names in astropy.units, which knows further words.
WORDS = [
    (re.compile(f"{PREFIX}(?:{pattern})"), name)
    for name, pattern in (
        ("electron", r"e-?|els?|(?:photo)?electrons?"),
        ("ct", r"cts?|cnts?|counts?|cps"),
        ("photon", r"ph|phots?|photons?"),
        ("adu", r"adus?|dns?"),
        ("Jy", r"jys?|janskys?|magg(?:y|ys|ies)|mgys?|(?:flam|fnu|photlam|photnu)[0-9]*"),
        ("erg", r"ergs?|joules?"),
        ("eV", r"ev"),
        ("W", r"w|watts?"),
        ("beam", r"beams?|bm"),
        ("sr", r"sr|str|ster|sterad|steradians?"),
        ("arcsec", r"as|asec|arcs|arcsecs?|arcseconds?|\"|''"),
        ("arcmin", r"amin|arcm|arcmins?|arcminutes?"),
        ("deg", r"degs?|degrees?"),
        ("pix", r"px|pix|pixels?|spaxels?"),
        ("s", r"s|secs?|seconds?"),
        ("yr", r"yrs?|years?"),
        ("m", r"m|cm|microns?|a|angs?|angstroms?"),
        ("pc", r"pc"),
        ("Hz", r"hz"),
        ("K", r"k|kelvins?|k_cmb|k_rj|t_?a|t_?mb|degc|celsius"),
        ("mag", r"mags?|magnitudes?|(?:ab|st|vega)mag"),
        ("Msun", r"m_?sun|msol|solmass"),
        ("Lsun", r"l_?sun|lsol|sollum"),
        ("percent", r"%"),
    )
]
# As in cm2, s-1, cm**2, cm^-2 and s^(-1): a bare power follows at once.
NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?"
POWER = rf"(?:\s*(?:\*\*|\^)\s*(?:\(\s*{NUMBER}\s*\)|{NUMBER})|[+-]?[0-9]+)?"
# What a unit is made of: signs without a meaning here, "/", an opening bracket, a number with its powers
# (1E-17, 10^-17, 10-17), and what can have a power: a closing bracket, an electron with its charge (e-, but
# not e-1), a flux density in steps of 1e-16 (FLAM16), a word (K_CMB), and two ways to write arcseconds.
PART = re.compile(
    rf"""(?P<nothing>[\s*.,]+|sq(?:uared?)?\b)|(?P<over>/|per\b)|(?P<open>[(\[])
    |(?P<number>[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?{POWER})
    |(?:(?P<close>[)\]])|(?P<word>e-(?![0-9])|flam[0-9]{{2}}|[a-z]+(?:_[a-z]+)*|%|"|''))(?P<power>{POWER})""",
    re.IGNORECASE | re.VERBOSE,
)
RATIOS = ("e(b-v)", "unitless", "dimensionless", "fraction", "ratio")
AMOUNTS = ("electron", "ct", "photon", "adu", "Jy", "W", "kg")
UNSURE = ("V", "A", "C", "bit")  # of an instrument: it depends


def named(word: str) -> u.UnitBase | None:
    """The unit that a word of a header means."""
    from astropy import units as u

    names = [name for pattern, name in WORDS if pattern.fullmatch(word.lower())]
    found = (getattr(u, name, None) for name in (*names, word, word.lower(), word.capitalize()))
    return next((unit for unit in found if isinstance(unit, u.UnitBase)), None)


def factors(text: str) -> list[tuple[u.UnitBase, float]] | None:
    """The units that a text multiplies, and their powers; numbers are left out.

    astropy's own parser takes no powers of quotients, such as (nJy/pixel)**2, and 10**999999999 halts it.
    """
    outer, inner, sign, place = [], [], 1, 0
    while place < len(text):
        part = PART.match(text, place)
        if not part:
            return None
        place = part.end()
        power = float(re.sub(r"[\s*^()]", "", part["power"] or "") or 1)
        if part["over"]:
            sign = -1
        elif part["open"]:
            outer.append((inner, sign))
            inner, sign = [], 1
        elif part["close"]:
            if not outer:
                return None
            group, (inner, sign) = inner, outer.pop()
            inner, sign = inner + [(unit, sign * power * of) for unit, of in group], 1
        elif part["word"]:
            inner, sign = [*inner, (named(part["word"]), sign * power)], 1
        elif part["number"]:
            sign = 1
    return None if outer or sign < 0 or any(unit is None for unit, _ in inner) else inner


@lru_cache(maxsize=1024)
def shared(unit: str) -> int | None:
    """By which power of a pixel's area values of this BUNIT shrink when pixels are divided.

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

    made_of = factors(unit)
    if not made_of:
        return None

    def powers(*kinds):
        return [power for one, power in made_of if any(one.is_equivalent(getattr(u, kind)) for kind in kinds)]

    angles = [one for one, _ in made_of if one in (u.beam, u.mag, u.dex) or u.rad in one.decompose().bases]
    density = any(one == u.pc and power < 0 for one, power in made_of)
    density |= bool(powers("kg")) and min(powers("m"), default=0) < 0
    if angles or density or [one for one, _ in made_of] == [u.eV]:
        return 0
    amount, energy = sum(powers(*AMOUNTS)), sum(powers("erg"))
    if energy > 0 or amount <= 0:
        amount += energy
    return int(amount) if amount in (0, 1, 2) and not powers(*UNSURE) else None
