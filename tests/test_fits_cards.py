"""Cards of FITS headers as files have them: twice, in any order, old, unreadable; the sky stays in place."""

import math
import random
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from srutils import cli
from srutils.upscale.files import upscale_file

SIDES = 12, 9  # of the small images here: width, height


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def card(keyword, value, comment=""):
    """A card as bytes, in a file's own spelling."""
    if isinstance(value, str):
        value = f"'{value:8}'"
    elif isinstance(value, bool):
        value = f"{'T' if value else 'F':>20}"
    else:
        value = f"{value!r:>20}".upper()
    return f"{keyword:8}= {value} / {comment}".encode("latin-1")


def file_bytes(cards, shape=SIDES[::-1], extensions=b""):
    """A FITS file of these cards, as they are, and an image of ones behind them."""
    head = [b"SIMPLE  =                    T", card("BITPIX", -32), card("NAXIS", len(shape))]
    head += [card(f"NAXIS{i}", n) for i, n in enumerate(reversed(shape), 1)] + [card("EXTEND", True)]
    text = b"".join(one.ljust(80)[:80] for one in (*head, *cards, b"END"))
    data = np.ones(shape, ">f4").tobytes()
    return (
        text.ljust(-(-len(text) // 2880) * 2880)
        + data.ljust(-(-len(data) // 2880) * 2880, b"\0")
        + extensions
    )


def enlarged(folder, content, *args, **options):
    """Write the file, enlarge it, check that the result is standard FITS; names of both, and the report."""
    source, target = folder / "in.fits", folder / "out.fits"
    source.write_bytes(content)
    report = upscale_file(source, target, *(args or ("nearest", 2)), overwrite=True, **options)
    with fits.open(target) as file:
        file.verify("exception")
    return source, target, report


def first_of_each(header):
    """The header for a reader that takes the first of several cards with one name; others take the last."""
    new = fits.Header()
    for one in header.cards:
        if one.keyword not in new:
            new.append(one)
    return new


def corners(path, sides, scale=1, key=" ", hdu=0, reader=lambda header: header):
    """World coordinates at corners and inside, by input pixels; and what astropy complained of, in words."""
    with fits.open(path) as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wcs = WCS(reader(file[hdu].header), fobj=file, key=key)
    grid = np.array([(x, y) for x in (-0.5, 3.2, sides[0] - 0.5) for y in (-0.5, 4.0, sides[1] - 0.5)])
    places = np.ones((len(grid), wcs.naxis))
    places[:, :2] = (grid + 0.5) * scale - 0.5
    said = {type(one.message) for one in caught} - {fits.verify.VerifyWarning}  # of spellings
    return wcs.all_pix2world(places, 0), said


def same_sky(source, target, sides=SIDES, hdu=0, **how):
    """Assert that corners keep their coordinates to 1e-9 degrees, and that astropy has nothing new to say."""
    before, said = corners(source, sides, hdu=hdu, **how)
    after, says = corners(target, sides, 2, **how)
    assert np.isfinite(before).any() and says <= said
    np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
    difference = np.abs(after - before)
    difference = np.minimum(difference, np.abs(difference - 360))  # right ascensions
    assert np.nanmax(difference / np.maximum(1, np.abs(before) / 360)) < 1e-9


# ---------------------------------------------------------------- coordinates of every kind
numbers = st.floats(-1, 1).map(lambda v: round(v, 6))


@st.composite
def coordinates(draw, version=""):
    """Cards of celestial coordinates, of a third axis perhaps, in one of the ways that headers have them."""
    kind = draw(st.sampled_from(["cd", "cd0", "pc", "pc0", "crota", "cdelt", "sip"]))
    projection = draw(st.sampled_from(["TAN", "SIN", "CAR", "ARC", "ZEA"]))
    pixel = draw(st.sampled_from([1e-5, 1e-4, 1e-2]))
    turn = draw(st.floats(0, 2 * math.pi))
    skew = [[-1, 0.01 * draw(numbers)], [0.01 * draw(numbers), 1]]
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ skew
    sip = "-SIP" if kind == "sip" and not version else ""
    names = [f"RA---{projection}{sip}", f"DEC--{projection}{sip}"]
    world = [150 + draw(numbers), 60 * draw(numbers)]
    if draw(st.booleans()):  # latitude first, as some have it
        names, world = names[::-1], world[::-1]
    cards = {"CTYPE1": names[0], "CTYPE2": names[1], "CRVAL1": world[0], "CRVAL2": world[1]}
    for axis in "12":
        if sip or draw(st.booleans()):
            cards[f"CRPIX{axis}"] = 20 * draw(numbers)
        if draw(st.booleans()):
            cards[f"CUNIT{axis}"] = "deg"
    cells = {(i, j): float(matrix[i - 1, j - 1]) for i in (1, 2) for j in (1, 2)}
    third = draw(st.booleans())
    if third:
        cards |= {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CUNIT3": "Hz"}
    if kind in ("cd", "cd0", "sip"):
        spell = "CD00{}00{}" if kind == "cd0" and not version else "CD{}_{}"
        cards |= {spell.format(i, j): value * pixel for (i, j), value in cells.items()}
        if third:
            cards[spell.format(3, 3)] = 1e6
            cards[spell.format(3, 1)] = 1e4 * draw(numbers)
        if draw(st.booleans()):
            cards |= {"CDELT1": 1.0, "CDELT2": 1.0}
    else:
        cards |= {f"CDELT{i}": -pixel if i == 1 else pixel for i in (1, 2)}
        if third:
            cards["CDELT3"] = 1e6
        if kind == "crota":
            cards["CROTA2"] = math.degrees(turn)
        if kind in ("pc", "pc0"):
            spell = "PC00{}00{}" if kind == "pc0" and not version else "PC{}_{}"
            cards |= {spell.format(i, j): value for (i, j), value in cells.items()}
            if third and draw(st.booleans()):  # a frequency that changes across the image
                cards[spell.format(3, 1)] = draw(numbers)
                cards[spell.format(1, 3)] = 0.1 * draw(numbers)
            for key in draw(st.sets(st.sampled_from([key for key in cards if key[:2] == "PC"]), max_size=1)):
                del cards[key]  # the identity is the default
    if sip:
        cards |= {"A_ORDER": 2, "B_ORDER": 3, "A_2_0": 1e-4, "A_1_1": 3e-5, "B_0_2": -1e-4, "B_1_2": 1e-6}
    if third and version:  # every version has as many axes
        cards["CTYPE3"] = "FREQ"
    return {f"{key}{version}": value for key, value in cards.items()}, 3 if third else 2


def readable_by_astropy(path, **where):
    """Whether astropy makes coordinates of the cards; of many a mixture it makes none."""
    try:
        return bool(np.isfinite(corners(path, SIDES, **where)[0]).all())
    except Exception:  # of several kinds
        return False


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=coordinates(), seed=st.randoms(use_true_random=False), repeat=st.integers(0, 6))
def test_coordinates_stay_whatever_the_kind_order_and_duplicates_of_cards(tmp_path, made, seed, repeat):
    cards, axes = made
    lines = [card(key, value) for key, value in cards.items()]
    changed = seed.sample(sorted(cards), min(repeat, len(cards)))
    # a second card of that name may say something else: readers take the first, or the last
    lines += [
        card(key, cards[key] * seed.choice([1, 1, 2]) if key[:2] != "CT" else cards[key])
        for key in changed
        if isinstance(cards[key], float)
    ]
    seed.shuffle(lines)
    shape = (2, *SIDES[::-1]) if axes == 3 else SIDES[::-1]
    (tmp_path / "in.fits").write_bytes(file_bytes(lines, shape))
    for reader in (lambda header: header, first_of_each):  # a second latitude may be beyond the pole
        assume(readable_by_astropy(tmp_path / "in.fits", reader=reader))
    source, target, _ = enlarged(tmp_path, file_bytes(lines, shape))
    same_sky(source, target)
    same_sky(source, target, reader=first_of_each)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(one=coordinates(), other=coordinates("B"))
def test_both_versions_of_the_coordinates_stay(tmp_path, one, other):
    assume(one[1] == other[1])
    lines = [card(key, value) for key, value in (one[0] | other[0]).items()]
    shape = (2, *SIDES[::-1]) if one[1] == 3 else SIDES[::-1]
    (tmp_path / "in.fits").write_bytes(file_bytes(lines, shape))
    assume(all(readable_by_astropy(tmp_path / "in.fits", key=key) for key in " B"))
    source, target, _ = enlarged(tmp_path, file_bytes(lines, shape))
    for key in " B":
        same_sky(source, target, key=key)


# ---------------------------------------------------------------- cards that astropy cannot read or write
SKY = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.1,
    "CRVAL2": 2.2,
    "CRPIX1": 5.0,
    "CRPIX2": 4.5,
}
SKY |= {"CD1_1": -1e-5, "CD1_2": 2e-6, "CD2_1": 2e-6, "CD2_2": 1e-5}
LINES = [card(key, value) for key, value in SKY.items()]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    junk=st.lists(st.binary(max_size=80).filter(lambda b: not b.startswith(b"END ")), min_size=1, max_size=3),
    start=st.sampled_from(
        [
            b"",
            b"NOTE    = ",
            b"NOTE    = '",
            b"COMMENT ",
            b"HISTORY ",
            b"HIERARCH A B = ",
            b"CONTINUE",
            b"CONTINUE  '",
            b"EXTNAME = ",
        ]
    ),
    seed=st.randoms(use_true_random=False),
)
@example(junk=[b"a\tb'"], start=b"NOTE    = '", seed=random.Random(0))
def test_cards_of_any_bytes_in_other_places_cost_nothing(tmp_path, junk, start, seed):
    lines = [*LINES, *((start + one)[:80] for one in junk)]
    lines = [line for line in lines if line.rstrip() != b"END"]
    seed.shuffle(lines)
    # right behind NAXIS2 or EXTEND, CONTINUE stops astropy itself
    lines.sort(key=lambda line: line.startswith(b"CONTINUE"))
    source, target, _ = enlarged(tmp_path, file_bytes(lines))
    with fits.open(target) as file:  # warnings are errors here
        assert file[0].data.shape == (18, 24) and str(file[0].header.tostring()).isascii()
        after = WCS(file[0].header).all_pix2world([[0.5, 0.5]], 0)
    np.testing.assert_allclose(after, WCS(fits.Header(SKY)).all_pix2world([[0.0, 0.0]], 0), rtol=0, atol=1e-9)


def test_long_texts_are_kept_and_stray_continuations_are_not(tmp_path):
    long = [b"NOTE    = 'one &'", b"CONTINUE  'two &'", b"CONTINUE  'three' / said"]
    lines = [*LINES, b"CONTINUE  'stray'", *long, b"CONTINUE  'stray'"]
    source, target, _ = enlarged(tmp_path, file_bytes(lines))
    header = fits.getheader(target)
    assert header["NOTE"] == "one two three" and header["CD2_2"] == SKY["CD2_2"] / 2


def test_what_was_left_out_of_a_header_is_said(tmp_path, capsys):
    lines = [
        *LINES,
        b"OBJECT  = 'M31\0\0\0'",
        b"obj ect = 3",
        b"PIXSCALE= '0.2 arcsec'",
        card("DATASEC", "[1:9,1:9]"),
    ]
    _, target, report = enlarged(tmp_path, file_bytes(lines))
    header = fits.getheader(target)
    assert header["OBJECT"] == "M31" and "PIXSCALE" not in header and "DATASEC" not in header
    assert any("that FITS does not allow" in note for note in report.notes)
    assert any(note.endswith("were left out: OBJ ECT, PIXSCALE") for note in report.notes)
    assert "left out, true of the input only: DATASEC" in str(header["HISTORY"])


@pytest.mark.parametrize(
    "broken", [b"EXTNAME = 1.0.0", b"EXTNAME = 'a\tb'", b"EXTVER  = 'two'", b"EXTVER  = 1.0.0"]
)
def test_a_broken_name_of_another_extension_costs_nothing(tmp_path, broken):
    head = [
        b"XTENSION= 'IMAGE   '",
        card("BITPIX", 8),
        card("NAXIS", 0),
        card("PCOUNT", 0),
        card("GCOUNT", 1),
        broken,
    ]
    text = b"".join(line.ljust(80) for line in (*head, b"END")).ljust(2880)
    sci = fits.ImageHDU(np.ones(SIDES[::-1], np.float32), fits.Header(SKY), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), sci]).writeto(tmp_path / "sci.fits")
    content = (tmp_path / "sci.fits").read_bytes() + text
    for hdu in (None, 1, "SCI"):
        source, target, _ = enlarged(tmp_path, content, hdu=hdu)
    same_sky(source, target, hdu=1)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("wish", [True, None])
def test_inherited_cards_never_mix_two_skies(tmp_path, own, wish):
    primary = fits.PrimaryHDU(header=fits.Header({"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRVAL1": 7.0}))
    primary.header.update({"CDELT1": 0.1, "CDELT2": 0.1, "PC1_1": 0.5, "CRPIX1": 3.0, "TELESCOP": "HST"})
    image = fits.ImageHDU(np.ones(SIDES[::-1], np.float32), fits.Header(SKY if own else {}), name="SCI")
    if wish is not None:
        image.header["INHERIT"] = wish
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits")
    source, target, _ = enlarged(tmp_path, (tmp_path / "a.fits").read_bytes())
    assert fits.getheader(target)["TELESCOP"] == "HST"
    if own:
        same_sky(source, target, hdu=1)
    elif wish:
        same_sky(source, target, hdu=0)
    else:
        assert "CTYPE1" not in fits.getheader(target)


# ---------------------------------------------------------------- old ways
def test_a_plate_without_any_modern_card(tmp_path):
    plate = {"CNPIX1": 8860, "CNPIX2": 1708, "XPIXELSZ": 25.28, "YPIXELSZ": 25.28, "PLTSCALE": 67.2}
    plate |= {"PLTRAH": 14, "PLTRAM": 37, "PLTRAS": 46.9, "PLTDECSN": "-", "PLTDECD": 60, "PLTDECM": 12}
    plate |= {"PLTDECS": 59.3, "PPO1": 0.0, "PPO2": 0.0, "PPO3": 176617.0, "PPO4": 0.0, "PPO5": 0.0}
    plate |= {"PPO6": 177194.0} | {f"AMD{a}{i}": 0.0 for a in "XY" for i in range(1, 21)}
    plate |= {"AMDX1": 67.23, "AMDX2": -0.23, "AMDY1": 67.23, "AMDY2": 0.226}
    source, target, _ = enlarged(tmp_path, file_bytes([card(key, value) for key, value in plate.items()]))
    same_sky(source, target)


@pytest.mark.parametrize("key", ["CPDIS1", "CQDIS2", "D2IMDIS1", "AXISCORR"])
def test_distortions_in_records_and_images_are_refused(tmp_path, key):
    lines = [*LINES, card(key, 1 if key == "AXISCORR" else "LOOKUP"), card("DP1", "NAXES: 2")]
    with pytest.raises(ValueError, match=f"in.fits: its header has a distortion table \\({key}\\)"):
        enlarged(tmp_path, file_bytes(lines))
    assert not (tmp_path / "out.fits").exists()


def test_a_record_that_is_no_distortion_is_kept(tmp_path):
    _, target, _ = enlarged(tmp_path, file_bytes([*LINES, card("DP1", "EXTVER: 2")]))
    assert fits.getheader(target)["DP1.EXTVER"] == 2


# ---------------------------------------------------------------- coordinates in a table
@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("name", ["WCS-TAB", "ELSEWHERE"])
def test_coordinate_tables_come_along(tmp_path, axis, name):
    header = fits.Header(
        {"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": 5.0}
    )
    header.update(
        {"CRPIX2": 4.0, "CDELT1": -1e-3, "CDELT2": 1e-3, "CTYPE3": "FREQ", "CRPIX3": 1.0, "CRVAL3": 1e9}
    )
    header.update({"CDELT3": 1e6, f"CTYPE{axis}": "WAVE-TAB", f"CRVAL{axis}": 1.0, f"CRPIX{axis}": 1.0})
    header.update({f"CDELT{axis}": 1.0, f"CUNIT{axis}": "m", f"PS{axis}_0": name, f"PS{axis}_1": "COORD"})
    if axis == 1:  # then there is no sky
        header["CTYPE2"] = "LINEAR"
    waves = np.geomspace(4e-7, 9e-7, 14)[None]
    table = fits.BinTableHDU.from_columns(
        [fits.Column("COORD", "14D", dim="(1,14)", array=waves)], name="WCS-TAB"
    )
    image = fits.PrimaryHDU(np.ones((3, *SIDES[::-1]), np.float32), header)
    fits.HDUList([image, table]).writeto(tmp_path / "a.fits")
    source, target, report = enlarged(tmp_path, (tmp_path / "a.fits").read_bytes(), "bicubic", 2)
    missing = [note for note in report.notes if "names a table of coordinates" in note]
    with fits.open(target) as file:
        assert len(file) == (2 if name == "WCS-TAB" else 1) and bool(missing) == (name != "WCS-TAB")
    if not missing:
        same_sky(source, target)


# ---------------------------------------------------------------- axes that are not the sky, flags
def spectral(first, second, third=None, lengths=(20, 24, 28)):
    """A cube's cards and shape, by the names of its axes; lengths as in the header."""
    names = [name for name in (first, second, third) if name is not None]
    lines = [card(f"CTYPE{i}", name) for i, name in enumerate(names, 1)]
    return file_bytes(lines, lengths[: len(names)][::-1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            spectral("WAVE", "RA---TAN", "DEC--TAN"),
            r"WAVE and RA---TAN, and the sky \(DEC--TAN\) lies across",
        ),
        (spectral("RA---SIN", "VRAD", "DEC--SIN"), "its first two axes are RA---SIN and VRAD"),
        (spectral("STOKES", "FREQ", "GLON-CAR"), "STOKES and FREQ"),
        (file_bytes([], (48, 40, 3)), "its 48 x 40 x 3 values look like a picture with the colours last"),
        (file_bytes(LINES[2:], (16, 20, 4)), "colours last"),
    ],
)
def test_the_sky_across_the_planes_is_refused(tmp_path, content, words):
    with pytest.raises(ValueError, match=words):
        enlarged(tmp_path, content)
    assert not (tmp_path / "out.fits").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (spectral("WAVE", "LINEAR"), True),
        (spectral("AWAV-GRI", "OFFSET", "STOKES", (20, 24, 2)), True),
        (spectral("RA---SIN", "VRAD", "DEC--SIN", (20, 24, 1)), True),  # a cut through a cube
        (spectral("RA---TAN", "DEC--TAN", "WAVE"), False),
        (spectral("GLAT-CAR", "GLON-CAR"), False),
        (spectral("X", "Y"), False),
        (file_bytes([], (3, 40, 48)), False),
        (file_bytes([], (4, 5)), False),
    ],
)
def test_axes_that_are_no_sky_are_said(tmp_path, content, said):
    _, _, report = enlarged(tmp_path, content)
    assert any("not the sky" in note for note in report.notes) == said


def test_flags_are_doubled_without_a_word_on_the_scale(tmp_path):
    flags = fits.ImageHDU(np.arange(6, dtype=np.int32).reshape(2, 3), name="DQ")
    fits.HDUList([fits.PrimaryHDU(), flags]).writeto(tmp_path / "a.fits")
    with pytest.raises(SystemExit) as stop:
        names = [str(tmp_path / "a.fits"), str(tmp_path / "b.fits")]
        cli.main(["upscale", *names, "--hdu", "DQ", "--model", "nearest"])
    assert stop.value.code == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "b.fits"), flags.data.repeat(2, 0).repeat(2, 1))


# ---------------------------------------------------------------- what the values are
@pytest.mark.parametrize(
    ("unit", "values", "factor"),
    [
        ("frob", None, 1),
        ("frob", "amount", 1 / 4),
        ("frob", "intensity", 1),
        (None, "intensity", 1),
        ("MJy/sr", "amount", 1 / 4),
    ],
)
def test_the_user_can_say_what_the_values_are(tmp_path, unit, values, factor):
    lines = [*LINES, *([card("BUNIT", unit)] if unit else [])]
    _, target, report = enlarged(tmp_path, file_bytes(lines), values=values)
    np.testing.assert_allclose(fits.getdata(target), factor)
    assert any("BUNIT" in note and "--values" in note for note in report.notes) == (values is None)


def test_values_are_refused_where_there_is_no_unit(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.ones((4, 5), np.float32))
    for name, option, words in (
        ("a.npy", "amount", "a.npy is not a FITS file"),
        ("a.npy", "flux", "expected amount"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["upscale", str(tmp_path / name), str(tmp_path / "b.npy"), "--values", option])
        assert stop.value.code == 2 and words in capsys.readouterr().err
    assert not (tmp_path / "b.npy").exists()
