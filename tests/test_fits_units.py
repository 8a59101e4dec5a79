"""Units of FITS images: which values smaller pixels share, whatever the spelling."""

import random
import time
import warnings

import pytest
from astropy import units as u

from srutils.upscale.fits_units import area_power

AMOUNTS = """ELECTRONS/S|ELECTRONS|electron|electron/s|COUNTS|counts|counts/s|Counts/S|CTS|cts|ct|cps
cnts/s|kcounts|ADU|ADUs|adu|DN|DN/s|adu/s|e-|e-/s|e/s|(electron)/s|Photoelectrons|photons|photon s-1
electrons per second|Jy|mJy|uJy|microJy|MICROJANSKY|milliJy|Janskys|nJy|nanomaggy|nanomaggies|maggy|nmgy
Jy km/s|JY.KM/S|erg/s/cm2/Angstrom|ergs/s/cm2/A|10**(-20)*erg/s/cm**2/Angstrom|10^-17 ergs/s/cm^2/Ang
10**-17 erg/s/cm2/Angstrom|1E-17 erg/s/cm^2/Ang/spaxel|10^(-20) erg/s/cm2/A|1e-20 erg/s/cm2/A
10-17 erg/s/cm2/A|erg/s/cm2/A|[erg/s/cm2]|1E-17 erg/cm^2/s/Ang|erg/(s cm2 Angstrom)
erg.s**(-1).cm**(-2).angstrom**(-1)|ERG/CM2/S/A|FLAM|FNU|Watt/m2|W/m2|W/m2/um|W m-2 um-1
counts/s/m2|electron/s/cm2|electron/pix|MJy/pixel|uJy/pixel|photons/s/cm2/keV|ct/s/keV|keV/s/cm2|erg
Lsun|Msun|Msun/yr"""
SQUARES = """nJy**2|nJy^2|electron2|ELECTRONS**2|(electrons/s)^2|adu^2
(10**(-20)*erg/s/cm**2/Angstrom)**2|Jy2|(MJy/pixel)^2|(1e-17 erg/s/cm2/A)^2|e-^2|nanomaggy2"""
INTENSITIES = """MJy/sr|MJy sr-1|MJY SR-1|MJy/ster|MJy/str|(MJy/sr)^2|(MJy/sr)**2|Jy/beam|JY/BEAM|Jy/bm
mJy/bm|Jy per beam|JY/BEAM.KM/S|(Jy/beam)^2|K|K km/s|K.km/s|uK_CMB|km/s|m/s|KM/S|mag|mag/arcsec2|mag(AB)
ABmag|E(B-V)|deg|degC|rad|percent|%|erg/s/cm2/arcsec2|erg/s/cm2/arcsec^2
erg/cm2/s/Hz/asec2|counts/s/arcsec^2|W/m2/sr|W m-2 sr-1|erg s-1 cm-2 sr-1 Hz-1|nW/m2/sr|Msun/pc2
Msun/yr/kpc2|Lsun/pc^2|erg/s/cm2/pc2|DN/s/arcsec2|Jy/arcsec2
10**(-20)*erg/s/cm**2/Angstrom/arcsec**2|Rayleigh|g/cm2|cm-2|eV|keV
unitless|electron/DN|e-/ADU|s|Gauss|pixel"""
UNKNOWN = """furlong^frob|something|data units|BRIGHTNESS|UNKNOWN|1|10**-17|1/nanomaggy^2|nanomaggy-2
1/(erg/s/cm2/A)^2|electron3|ct^(1/2)|ct^0.5|V|(|/|Jy/|**2|10**(-20)*|erg/s/cm2/fiber|FLAM16|1/s * electron
1/(s/electron)|erg/s/cm2/"^2|nmgy/sq arcsec|K (Ta*)|(erg/s)/(cm2 arcsec2)"""
CASES = [
    (unit, power)
    for power, units in ((1, AMOUNTS), (2, SQUARES), (0, INTENSITIES), (None, UNKNOWN))
    for line in units.splitlines()
    for unit in line.split("|")
]
PARTS = "erg|Jy|electron|s|cm2|arcsec|beam|K|10|1e-17|10**999999999|**|^|*|/|-|(|)|[|]|.| |,|e-|''|\"|mag("


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(("unit", "power"), [*CASES, ("", 1), ("   ", 1)])
def test_by_which_power_values_shrink(unit, power):
    assert area_power(unit) == power
    assert area_power(f"  {unit} ") == power


@pytest.mark.parametrize("unit", [unit for unit, power in CASES if power is not None and unit.isascii()])
def test_capitals_say_the_same(unit):
    assert area_power(unit.upper()) in {area_power(unit), None}


def test_any_text_has_an_answer_at_once():
    draw = random.Random(3)
    parts = PARTS.split("|")
    for _ in range(1000):
        text = "".join(draw.choices(parts, k=draw.randint(1, 9)))
        noise = "".join(map(chr, draw.choices(range(1, 1000), k=draw.randint(1, 30))))
        for unit in (text, noise):
            start = time.process_time()  # of this process: the machine may be busy
            assert area_power(unit) in {0, 1, 2, None}
            assert time.process_time() - start < 2


def test_every_name_in_astropy_has_an_answer():
    for name in dir(u):
        assert area_power(name) in {0, 1, None}
        assert area_power(f"MJy/sr/{name}^2") in {0, None}
