"""FITS in and out: the sky, the light and the units of an enlarged image are those of the original."""

import gzip
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import maximum_filter
from scipy.special import erf
from tiny_models import nearest_model, random_model

from srutils import cli
from srutils.upscale.files import upscale_file, upscale_folder

PIXEL = 0.1 / 3600  # degrees
TURN = np.deg2rad(33)
LENS_MODELS = (
    "superrescnn-deeplense-x2",
    "srresnet-deeplense-x2",
    "srgan-deeplense-x2",
    "superrescnn-telescope-x2",
    "srresnet-telescope-x2",
    "srgan-telescope-x2",
    "srresnet-telescope-x4",
    "srgan-telescope-x4",
)


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def sky_header(kind="cd"):
    """A tangential projection, turned by 33 degrees, in one of the ways that headers know."""
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "BUNIT": "electron/s"})
    header.update({"CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": 51.3, "CRPIX2": 40.9, "RADESYS": "ICRS"})
    turn = np.array([[-np.cos(TURN), np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
    if kind == "pc":
        header.update({"CDELT1": PIXEL, "CDELT2": PIXEL})
        header.update({f"PC{i}_{j}": turn[i - 1, j - 1] for i in (1, 2) for j in (1, 2)})
    elif kind == "crota":
        header.update({"CDELT1": -PIXEL, "CDELT2": PIXEL, "CROTA2": 33.0})
    else:
        header.update({f"CD{i}_{j}": turn[i - 1, j - 1] * PIXEL for i in (1, 2) for j in (1, 2)})
    if kind == "sip":
        header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 3})
        header.update({"A_2_0": 2e-4, "A_1_1": -1e-4, "A_0_3": 3e-7, "B_0_2": -2e-4, "B_1_2": 4e-7})
        header.update({"A_DMAX": 0.9, "AP_ORDER": 1, "BP_ORDER": 1, "AP_1_0": 1e-5, "BP_0_1": -2e-5})
    return header


def ten_sources(fwhm=3.0, sky=0.0, peak=1.0):
    """A field with ten round Gaussian sources, averaged over pixels, and where they are (x, y)."""
    rng = np.random.default_rng(1)
    grid = [(18 + 32 * i, 14 + 24 * j) for j in range(4) for i in range(3)][:10]
    places = np.array(grid) + rng.uniform(-2, 2, (10, 2))
    field, sigma = np.full((98, 101), float(sky)), fwhm / np.sqrt(8 * np.log(2))
    for (x, y), bright in zip(places, rng.uniform(0.2, 1, 10) * peak, strict=True):
        columns, rows = (
            np.diff(erf((np.arange(n + 1) - 0.5 - c) / (sigma * np.sqrt(2)))) / 2
            for n, c in ((101, x), (98, y))
        )
        field += bright * 2 * np.pi * sigma**2 * np.outer(rows, columns)
    return field, places


def centroid(image, x, y, sigma):
    """Windowed centroid, as SExtractor's XWIN (Bertin & Arnouts 1996): Gaussian weight that follows it."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    for _ in range(100):
        weight = image * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
        step = 2 * np.array([(weight * (columns - x)).sum(), (weight * (rows - y)).sum()]) / weight.sum()
        x, y = x + step[0], y + step[1]
        if np.abs(step).max() < 1e-6:
            return x, y
    raise AssertionError(f"no centroid near {x}, {y}")


def greatest_shift(before, after, header, new, places, fwhm=3.0):
    """By how much sources moved on the sky, at most, in pixels of the original."""
    scale = after.shape[0] // before.shape[0]
    old_sky, new_sky, worst = WCS(header), WCS(new), 0.0
    for x, y in places:
        a = old_sky.pixel_to_world(*centroid(before, x, y, fwhm / 2))
        b = new_sky.pixel_to_world(
            *centroid(after, (x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5, fwhm / 2 * scale)
        )
        worst = max(worst, a.separation(b).deg / PIXEL)
    return worst


def enlarge(folder, data, header, *args, name="a.fits", made="b.fits", **options):
    """Write, enlarge, check that the result is standard FITS, and read: (data, header, report)."""
    fits.PrimaryHDU(np.asarray(data), header).writeto(folder / name, overwrite=True)
    report = upscale_file(folder / name, folder / made, *args, overwrite=True, **options)
    with fits.open(folder / made) as file:
        file.verify("exception")
        return file[0].data.astype(np.float64), file[0].header, report


# ---------------------------------------------------------------- the sky
@pytest.mark.parametrize("kind", ["cd", "pc", "crota", "sip"])
@pytest.mark.parametrize(("model", "scale"), [("bicubic", 2), ("bicubic", 3), ("lanczos", 4)])
def test_ten_sources_stay_where_they_are_on_the_sky(tmp_path, kind, model, scale):
    field, places = ten_sources()
    header = sky_header(kind)
    made, new, _ = enlarge(tmp_path, field, header, model, scale)
    assert greatest_shift(field, made, header, new, places) < 0.001
    assert made.sum() == pytest.approx(field.sum(), rel=1e-3)
    wcs, before = WCS(new), WCS(header)  # warnings are errors here
    corners = np.array([[-0.5, -0.5], [100.5, 97.5], [-0.5, 97.5]])  # outer corners of the image
    np.testing.assert_allclose(
        wcs.all_pix2world((corners + 0.5) * scale - 0.5, 0),
        before.all_pix2world(corners, 0),
        rtol=0,
        atol=PIXEL * 1e-4,
    )
    there = before.all_pix2world(places, 0)
    back = wcs.wcs_world2pix(there, 0) if kind != "sip" else wcs.all_world2pix(there, 0, tolerance=1e-6)
    np.testing.assert_allclose(back, (places + 0.5) * scale - 0.5, atol=1e-3)


@pytest.mark.parametrize("model", LENS_MODELS)
def test_networks_keep_light_and_with_the_ensemble_places(tmp_path, model):
    """docs/fits.md: 0.06 pixel, 0.01 with the ensemble. Without `keep_light` up to 2 % of the light goes."""
    header = sky_header()
    for fwhm, peak, sky in ((4.0, 1, 0), (2.0, 5000, 100)):
        field, places = ten_sources(fwhm, sky, peak)
        made, new, report = enlarge(tmp_path, field, header, model)
        scale = made.shape[0] // field.shape[0]
        light = (field - sky).sum()
        assert (made - sky / scale**2).sum() == pytest.approx(light, rel=0.001)
        clean = made - sky / scale**2
        assert greatest_shift(field - sky, clean, header, new, places, fwhm) < 0.06
        assert any("isolated source" in note for note in report.notes)
    made, new, report = enlarge(tmp_path, field, header, model, ensemble=True)
    shift = greatest_shift(field - sky, made - sky / scale**2, header, new, places, fwhm)
    assert shift < 0.01 and not any("isolated source" in note for note in report.notes)
    assert made.sum() == pytest.approx(field.sum(), rel=0.001)


@pytest.mark.parametrize("model", [*LENS_MODELS, "bicubic"])
@pytest.mark.parametrize("fwhm", [2.0, 4.0])
def test_networks_leave_a_source_its_light(tmp_path, model, fwhm):
    """docs/fits.md: within 12 input pixels it changes by up to 2 %, and by 0.1 % with bicubic."""
    rows, columns = np.mgrid[:80, :81]
    source = 1000 * np.exp(-4 * np.log(2) * ((columns - 40.3) ** 2 + (rows - 39.8) ** 2) / fwhm**2)
    network = model != "bicubic"
    made, _, report = enlarge(tmp_path, source, sky_header(), model, None if network else 2)
    scale = made.shape[0] // 80
    y, x = (np.mgrid[: made.shape[0], : made.shape[1]] + 0.5) / scale - 0.5
    near = np.hypot(x - 40.3, y - 39.8) < 12
    assert made[near].sum() == pytest.approx(source.sum(), rel=0.02 if network else 0.001)
    assert any("knows a simulated telescope" in note for note in report.notes) == network


def peaks(image, times):
    """How many local maxima stand above the sky by `times` its robust deviation."""
    sky = np.median(image)
    sigma = 1.4826 * np.median(np.abs(image - sky))
    return int(((image == maximum_filter(image, 3)) & (image > sky + times * sigma)).sum())


@pytest.mark.parametrize("model", ["bicubic", "superrescnn-telescope-x2", "srresnet-telescope-x2"])
def test_noise_becomes_sources_and_the_command_says_so(tmp_path, model):
    """docs/fits.md: hundreds of peaks above 5 sigma where there were none; by interpolation none."""
    noise = np.random.default_rng(0).normal(100, 3, (256, 256))
    made, _, report = enlarge(tmp_path, noise, sky_header(), model, 2)
    warned = any("will take noise for sources" in note for note in report.notes)
    assert peaks(noise, 5) == 0 and warned == (model != "bicubic")
    least = 300 if model.startswith("srresnet") else 100
    assert peaks(made, 5) > least if warned else peaks(made, 5) < 10
    field, _ = ten_sources(2.5, 100, 2000)
    *_, report = enlarge(tmp_path, field + noise[:98, :101] - 100, sky_header(), model, 2)
    assert not any("noise for sources" in note for note in report.notes)


@pytest.mark.parametrize("model", ["bicubic", "srresnet-telescope-x2"])
def test_what_becomes_of_faint_stars(tmp_path, model):
    """docs/fits.md: a hundred stars at a signal-to-noise ratio of 20, and the same without noise."""
    rng, sigma, side = np.random.default_rng(1), 3 / np.sqrt(8 * np.log(2)), 320
    places = np.add(np.mgrid[16:side:32, 16:side:32].reshape(2, -1).T, rng.uniform(-0.5, 0.5, (100, 2)))
    rows, columns = np.mgrid[:side, :side]

    def light(image, radius):
        scale = len(image) // side
        cells = image.reshape(10, 32 * scale, 10, 32 * scale).swapaxes(1, 2).reshape(100, -1)
        v, u = (np.mgrid[: len(image), : len(image)] + 0.5) / scale - 0.5
        v, u = (x.reshape(10, 32 * scale, 10, 32 * scale).swapaxes(1, 2).reshape(100, -1) for x in (v, u))
        x, y = places[np.lexsort((places[:, 0] // 32, places[:, 1] // 32))].T[..., None]
        return (cells * (np.hypot(u - x, v - y) < radius)).sum(1)

    stars = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)) for x, y in places)
    one = stars.sum() / 100
    changes = {}
    for ratio in (20, 1e6):
        field = 1000 * (stars + rng.normal(0, one / (ratio * np.sqrt(4 * np.pi) * sigma), stars.shape))
        made, new, _ = enlarge(tmp_path, field, sky_header(), model, 2)
        shift = greatest_shift(field, made, sky_header(), new, places, 3.0) if ratio == 20 else None
        gain = {radius: (light(made, radius) - light(field, radius)) / (1000 * one) for radius in (3, 12)}
        changes[ratio] = np.median(gain[3]), np.abs(gain[12]).max(), shift
    (aperture, _, _), (_, flux, shift) = changes[1e6], changes[20]
    if model == "bicubic":
        assert abs(aperture) < 0.01 and flux < 0.08 and shift < 0.005
    else:
        assert 0.035 < aperture < 0.05 and 0.15 < flux < 0.2 and 0.05 < shift < 0.1


def test_the_unit_and_the_pedestal_change_nothing(tmp_path):
    """A picture whose values lie between 0 and 1 is brought to the network's range like any other."""
    field, _ = ten_sources(2.5, 0, 1)
    field += np.random.default_rng(0).normal(0, 0.005, field.shape)
    pictures = []
    for unit, sky in ((1, 0.0), (1, 0.3), (1000, 0.0), (1e-19, 0.3)):
        values = (field + sky) * unit
        made, *_ = enlarge(tmp_path, values, sky_header(), "srresnet-telescope-x2")
        pictures.append(made * 4 / unit - sky)
    for other in pictures[1:]:
        np.testing.assert_allclose(other, pictures[0], atol=2e-4)


def test_every_version_of_the_coordinates_and_iraf(tmp_path):
    header = sky_header()
    header.update({"CTYPE1P": "X", "CTYPE2P": "Y", "CRPIX1P": 1.0, "CRPIX2P": 1.0, "CRVAL1P": 101.0})
    header.update({"CRVAL2P": 201.0, "CDELT1P": 1.0, "CDELT2P": 1.0, "LTV1": -100.0, "LTV2": -200.0})
    header.update({"LTM1_1": 1.0, "LTM2_2": 1.0, "PIXSCALE": 0.1, "PIXAR_SR": 9e-13, "PIXAR_A2": 0.01})
    _, new, _ = enlarge(tmp_path, np.ones((6, 7)), header, "nearest", 2)
    # the left edge of the first pixel, 0.5, is at 100.5 in the old physical pixels: now, too
    assert WCS(new, key="P").wcs_pix2world([[0.5, 0.5]], 1)[0] == pytest.approx([100.5, 200.5])
    assert [(0.5 - new[f"LTV{i}"]) / new[f"LTM{i}_{i}"] for i in (1, 2)] == pytest.approx([100.5, 200.5])
    assert (new["PIXSCALE"], new["PIXAR_SR"], new["PIXAR_A2"]) == pytest.approx((0.05, 9e-13 / 4, 0.0025))


def test_what_a_header_leaves_to_the_standards_defaults(tmp_path):
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 20.0, "CRVAL2": 10.0})
    _, new, _ = enlarge(tmp_path, np.ones((6, 7)), header, "nearest", 2)
    np.testing.assert_allclose(
        WCS(new).wcs_pix2world([[4.5, 2.5]], 1), WCS(header).wcs_pix2world([[2.5, 1.5]], 1)
    )
    _, new, _ = enlarge(tmp_path, np.ones((6, 7)), fits.Header({"OBJECT": "no sky"}), "nearest", 2)
    assert "CRPIX1" not in new and "CDELT1" not in new and new["OBJECT"] == "no sky"


def test_plate_solutions_of_the_digitized_sky_survey(tmp_path):
    """astropy prefers the plate's polynomials to the TAN keywords beside them."""
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 2.0, "CRPIX2": 2.0})
    header.update({"CRVAL1": 217.5, "CRVAL2": -62.7, "CDELT1": -4.7e-4, "CDELT2": 4.7e-4})
    header.update({"CNPIX1": 8860, "CNPIX2": 1708, "XPIXELSZ": 25.28, "YPIXELSZ": 25.28, "PLTSCALE": 67.2})
    header.update({"PLTRAH": 14, "PLTRAM": 37, "PLTRAS": 46.9, "PLTDECSN": "-", "PLTDECD": 60, "PLTDECM": 12})
    header.update({"PLTDECS": 59.3, "PPO1": 0.0, "PPO2": 0.0, "PPO3": 176617.0, "PPO4": 0.0, "PPO5": 0.0})
    header.update({"PPO6": 177194.0} | {f"AMD{a}{i}": 0.0 for a in "XY" for i in range(1, 21)})
    header.update({"AMDX1": 67.23, "AMDX2": -0.23, "AMDY1": 67.23, "AMDY2": 0.226})
    _, new, _ = enlarge(tmp_path, np.ones((40, 50)), header, "nearest", 2)
    places = np.array([[0.0, 0.0], [30.0, 20.0], [49.0, 39.0]])
    before = WCS(header).all_pix2world(places, 0)
    assert np.abs(before[0] - before[2]).max() > 1e-3
    np.testing.assert_allclose(WCS(new).all_pix2world((places + 0.5) * 2 - 0.5, 0), before, rtol=0, atol=1e-9)


def test_a_header_is_told_nothing_new(tmp_path):
    """Not even what astropy would work out of it: MJD-OBS of DATE-OBS, RADESYS of RADECSYS."""
    header = sky_header()
    header.rename_keyword("RADESYS", "RADECSYS")
    header.update({"DATE-OBS": "2005-03-07", "TIME-OBS": "18:00:00", "OBSGEO-X": 1e6})
    _, new, _ = enlarge(tmp_path, np.ones((4, 5)), header, "nearest", 2)
    assert {*new} - {*header} == {"HISTORY", "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2"}
    assert new["RADECSYS"] == "ICRS" and new["DATE-OBS"] == "2005-03-07"


def test_distortion_tables_are_refused(tmp_path):
    header = sky_header()
    header["CPDIS1"] = "LOOKUP"
    with pytest.raises(ValueError, match=r"a.fits: its header has a distortion table \(CPDIS1\)"):
        enlarge(tmp_path, np.ones((6, 7)), header, "nearest", 2)
    assert not (tmp_path / "b.fits").exists()


# ---------------------------------------------------------------- units
@pytest.mark.parametrize(("unit", "factor"), [("electron/s", 1 / 9), ("MJy/sr", 1), (None, 1 / 9)])
def test_amounts_are_shared_by_smaller_pixels_and_intensities_are_not(tmp_path, unit, factor):
    header = fits.Header({"BUNIT": unit} if unit else {})
    made, new, report = enlarge(tmp_path, np.full((5, 6), 18.0), header, "bicubic", 3)
    np.testing.assert_allclose(made, 18 * factor, rtol=1e-6)
    assert new.get("BUNIT") == unit and f"{made.dtype}" == "float64"
    assert ("divided by 9" in str(new["HISTORY"])) == (factor != 1)
    assert ("no BUNIT" in " ".join(report.notes)) == (unit is None)


# ---------------------------------------------------------------- kinds of file
def test_nan_is_masked_and_comes_back_and_bad_pixels_do_not_spread(tmp_path):
    model = random_model(tmp_path, channels="gray")
    field = np.random.default_rng(2).normal(100, 3, (40, 44)).astype(np.float32)
    holed = field.copy()
    holed[4:7, 5:9], holed[0, 0] = np.nan, np.inf
    made, *_ = enlarge(tmp_path, holed, sky_header(), model)
    hole = ~np.isfinite(holed).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.isnan(made), hole)
    whole, *_ = enlarge(tmp_path, field, sky_header(), model)
    np.testing.assert_allclose(made[60:, 70:], whole[60:, 70:], rtol=0.01)
    with pytest.raises(ValueError, match="a.fits: it holds no finite value"):
        enlarge(tmp_path, np.full((4, 5), np.nan), sky_header(), "bicubic", 2)


@pytest.fixture
def exposure(tmp_path):
    """SCI, ERR, a second SCI and a table behind an empty primary extension, as telescopes write them."""
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "HST", "EXPTIME": 30.0}))
    header = sky_header()
    header["INHERIT"] = True
    planes = [np.full((6, 7), value, np.float32) for value in (4, 8, 12)]
    extensions = [
        fits.ImageHDU(plane, header, name=name, ver=version)
        for plane, name, version in zip(planes, ("SCI", "ERR", "SCI"), (1, 1, 2), strict=True)
    ]
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0, 2.0])])
    fits.HDUList([primary, *extensions, table]).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


@pytest.mark.parametrize(
    ("hdu", "value"), [(None, 1), (1, 1), ("1", 1), ("SCI", 1), ("err", 2), (3, 3), ("SCI,2", 3)]
)
def test_extensions_by_number_and_name(exposure, hdu, value):
    report = upscale_file(exposure, exposure.with_name("b.fits"), "nearest", 2, hdu=hdu)
    with fits.open(exposure.with_name("b.fits")) as file:
        file.verify("exception")
        assert len(file) == 1 and (file[0].data == value).all() and file[0].data.shape == (12, 14)
        new = file[0].header
    assert new["TELESCOP"] == "HST" and new["EXPTIME"] == 30  # inherited
    assert "XTENSION" not in new and "INHERIT" not in new
    assert (new["EXTNAME"], new.get("EXTVER", 1)) == {1: ("SCI", 1), 2: ("ERR", 1), 3: ("SCI", 2)}[value]
    note = report.notes[0]
    assert len(report.notes) == 1 + (value == 2)  # one more on errors
    chosen = {1: "1 SCI", 2: "2 ERR", 3: "3 SCI,2"}[value]
    assert f"only {chosen} is enlarged" in note


def test_an_extension_without_a_word_on_inheritance_gets_the_primary_headers_cards(tmp_path):
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "HST", "FILTER": "F814W", "CRPIX1": 9.0}))
    primary.header.update({"BUNIT": "K", "CTYPE1": "LINEAR", "EXTNAME": "ALL", "NEXTEND": 1})
    primary.header.add_history("flat-fielded")
    one = fits.ImageHDU(np.ones((6, 7), np.float32), fits.Header({"FILTER": "F606W"}), name="SCI")
    for inherit, known in ((None, True), (False, False)):
        if inherit is not None:
            one.header["INHERIT"] = inherit
        fits.HDUList([primary, one]).writeto(tmp_path / "a.fits", overwrite=True)
        upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "nearest", 2, hdu="SCI", overwrite=True)
        with fits.open(tmp_path / "b.fits") as file:
            file.verify("exception")
            new = file["SCI"].header
        assert new.get("TELESCOP") == ("HST" if known else None) and new["FILTER"] == "F606W"
        assert ("flat-fielded" in str(new["HISTORY"])) == known
        assert not {"CRPIX1", "BUNIT", "CTYPE1", "NEXTEND"} & set(new)
    fits.HDUList([fits.PrimaryHDU(np.ones((3, 3)), primary.header), one]).writeto(tmp_path / "c.fits")
    upscale_file(tmp_path / "c.fits", tmp_path / "d.fits", "nearest", 2, hdu=1)
    assert "TELESCOP" not in fits.getheader(tmp_path / "d.fits")  # those cards are of another image


@pytest.mark.parametrize(
    ("hdu", "words"),
    [
        (0, "extension 0 is not an image; its images are 1 SCI, 2 ERR, 3 SCI,2"),
        (4, "extension 4 is not an image"),
        (9, "it has no extension 9; its images are 1 SCI"),
        ("DQ", "it has no extension DQ"),
        ("SCI,3", "it has no extension SCI,3"),
        ("-1", "it has no extension -1"),
    ],
)
def test_extensions_that_are_not_there(exposure, hdu, words):
    with pytest.raises(ValueError, match=f"a.fits: {words}"):
        upscale_file(exposure, exposure.with_name("b.fits"), "nearest", 2, hdu=hdu)
    assert not exposure.with_name("b.fits").exists()


def test_cubes_plane_by_plane(tmp_path):
    model = nearest_model(tmp_path, channels="gray")
    cube = np.random.default_rng(3).normal(5, 2, (2, 3, 6, 7)).astype(np.float32)
    cube[1, 2] = np.nan
    header = sky_header()
    header.update({"CTYPE3": "WAVE", "CRPIX3": 1.0, "CDELT3": 2e-10, "CRVAL3": 5e-7, "CUNIT3": "m"})
    header.update({"CD3_3": 2e-10, "BUNIT": "MJy/sr"})
    del header["CDELT3"]
    made, new, _ = enlarge(tmp_path, cube, header, model)
    assert made.shape == (2, 3, 12, 14) and np.isnan(made[1, 2]).all()
    np.testing.assert_allclose(made[0], cube[0].repeat(2, 1).repeat(2, 2), atol=0.05)
    assert new["CD3_3"] == 2e-10 and new["CRPIX3"] == 1 and new["CRPIX1"] == (51.3 - 0.5) * 2 + 0.5
    with pytest.raises(ValueError, match="the result would have 6 x 600000 x 700000 pixels"):
        enlarge(tmp_path, cube, header, "nearest", 100_000)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float64])
def test_every_bitpix(tmp_path, kind):
    data = np.arange(5 * 6).reshape(5, 6).astype(kind)
    made, new, _ = enlarge(tmp_path, data, fits.Header({"BUNIT": "K"}), "nearest", 2)
    np.testing.assert_array_equal(made, data.repeat(2, 0).repeat(2, 1))
    assert new["BITPIX"] == -32 and "BZERO" not in new and "BSCALE" not in new


@pytest.mark.parametrize("name", ["DQ", "MASK", "CTX"])
def test_flags_are_repeated_or_refused(tmp_path, name):
    flags = np.array([[0, 64, 2**30 + 1], [8, 0, 5]], np.int32)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(flags, name=name)]).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=f"1 {name} holds flags, which have no mean: only --model nearest"):
        upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", hdu=name)
    report = upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "nearest", 2, hdu=name)
    made = fits.getdata(tmp_path / "b.fits")
    np.testing.assert_array_equal(made, flags.repeat(2, 0).repeat(2, 1))
    assert made.dtype.kind == "i" and report.notes == []
    fits.append(tmp_path / "a.fits", flags, fits.Header({"EXTNAME": "WHT"}))
    report = upscale_file(tmp_path / "a.fits", tmp_path / "c.fits", "nearest", 2, hdu=name)
    assert report.notes == [f"only 1 {name} is enlarged; --hdu chooses among 2 WHT"]


def test_errors_and_variances(tmp_path):
    variance = fits.ImageHDU(np.full((4, 5), 16.0), fits.Header({"BUNIT": "nJy**2"}), name="VARIANCE")
    fits.HDUList([fits.PrimaryHDU(), variance]).writeto(tmp_path / "a.fits")
    report = upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "bicubic", 2)
    np.testing.assert_allclose(fits.getdata(tmp_path / "b.fits"), 1.0, rtol=1e-5)
    assert any("errors do not add in quadrature" in note for note in report.notes)
    assert "divided by 16" in str(fits.getheader(tmp_path / "b.fits")["HISTORY"])


def test_a_unit_that_nobody_knows_is_said(tmp_path):
    header = fits.Header({"BUNIT": "furlong^frob"})
    made, new, report = enlarge(tmp_path, np.full((4, 5), 3.0), header, "bicubic", 2)
    assert made.mean() == pytest.approx(3) and "not divided" in str(new["HISTORY"])
    assert any("BUNIT 'furlong^frob' is not known" in note for note in report.notes)


def test_levels_shrink_with_the_values_and_provenance_is_written(tmp_path):
    header = fits.Header({"BUNIT": "adu", "SATURATE": 30000.0, "SKYLEVEL": 500, "CCDSEC": "[1:5,1:4]"})
    header.update(
        {"DATE": "2019-03-01", "FILENAME": "old.fits", "XPIXSZ": 9.0, "LTV1": -100.0, "GOODMAX": 3.0}
    )
    _, new, _ = enlarge(tmp_path, np.full((4, 5), 3.0), header, "bicubic", 2)
    assert (new["SATURATE"], new["SKYLEVEL"], new["XPIXSZ"], new["LTM1_1"]) == (7500, 125, 4.5, 2)
    assert (
        new["FILENAME"] == "b.fits" and new["DATE"] != "2019-03-01" and not {"CCDSEC", "GOODMAX"} & set(new)
    )
    assert " of a.fits" in "".join(new["HISTORY"]) and "by srutils" in "".join(new["HISTORY"])


def test_bscale_bzero_and_blank(tmp_path):
    stored = np.array([[1, 2, -99], [4, 5, 6]], np.int16)
    image = fits.PrimaryHDU(stored, fits.Header({"BUNIT": "K"}), do_not_scale_image_data=True)
    image.header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -99, "DATAMAX": 13.0})
    image.writeto(tmp_path / "a.fits")
    upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "nearest", 2)
    made, new = fits.getdata(tmp_path / "b.fits", header=True)
    expected = np.array([[10.5, 11, np.nan], [12, 12.5, 13]]).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(made, expected)
    assert not {"BSCALE", "BZERO", "BLANK", "DATAMAX"} & set(new)


def test_gzip_and_tile_compression(tmp_path):
    plane = np.random.default_rng(4).normal(10, 1, (20, 22)).astype(np.float32)
    _, new, _ = enlarge(tmp_path, plane, sky_header(), "nearest", 2, name="a.fits.gz", made="b.fits.gz")
    assert gzip.decompress((tmp_path / "b.fits.gz").read_bytes()).startswith(b"SIMPLE")
    hdus = [
        fits.PrimaryHDU(),
        fits.CompImageHDU(plane, sky_header(), compression_type="GZIP_1", quantize_level=0),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "c.fits.fz")
    upscale_file(tmp_path / "c.fits.fz", tmp_path / "c.fits", "nearest", 2)
    with fits.open(tmp_path / "c.fits") as file:
        file.verify("exception")
        np.testing.assert_allclose(file[0].data * 4, plane.repeat(2, 0).repeat(2, 1), rtol=1e-5)
        assert file[0].header["CD1_1"] == new["CD1_1"] and "ZIMAGE" not in file[0].header
    with pytest.raises(ValueError, match="d.fits.fz: tile compression is read only; use .fits"):
        upscale_file(tmp_path / "c.fits.fz", tmp_path / "d.fits.fz", "nearest", 2)


def test_a_folder_of_fits(tmp_path):
    (tmp_path / "night").mkdir()
    hdus = [fits.PrimaryHDU(), fits.CompImageHDU(np.ones((9, 9), np.float32))]
    fits.HDUList(hdus).writeto(tmp_path / "night" / "a.fits.fz")
    fits.PrimaryHDU(np.ones((4, 5))).writeto(tmp_path / "night" / "b.fit")
    (tmp_path / "night" / "c.fits").write_bytes(b"SIMPLE  =                    T")
    result = upscale_folder(tmp_path / "night", tmp_path / "large", "nearest", 2)
    assert sorted(p.name for p in (tmp_path / "large").iterdir()) == ["a.fits", "b.fit"]
    (sentence,) = result["failed"]
    assert sentence.startswith(
        f"cannot read {tmp_path / 'night' / 'c.fits'}: it is damaged or not a FITS file"
    )


# ---------------------------------------------------------------- bad headers, limits, spread
def with_card(path, key, text):
    """Replace the first card that starts with `key`, byte by byte."""
    data = path.read_bytes()
    i = data.index(key.encode())
    path.write_bytes(data[:i] + text.encode("latin-1").ljust(80) + data[i + 80 :])


@pytest.mark.parametrize(
    "value", ["1.0.0", "'text'", "T", "", "'unterminated", "\xff", "(1.0, 2.0)", "1E400", "NaN"]
)
def test_a_wcs_without_numbers_is_refused(tmp_path, value):
    fits.PrimaryHDU(np.ones((4, 5)), sky_header()).writeto(tmp_path / "a.fits")
    with_card(tmp_path / "a.fits", "CRPIX1", f"CRPIX1  = {value}")
    with pytest.raises(ValueError, match="its header has no number for CRPIX1"):
        upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "nearest", 2)


@pytest.mark.parametrize(
    "card", ["OBJECT  = 1.0.0", "OBJECT  = NaN", "object q= 3", "OBJECT  ='open", "\xff\xfe"]
)
def test_other_cards_that_nobody_can_read_are_left_out(tmp_path, card):
    header = sky_header()
    header.update({"OBJECT": "lens", "OBSERVER": None, "COMMENT": "kept"})
    fits.PrimaryHDU(np.ones((4, 5)), header).writeto(tmp_path / "a.fits")
    with_card(tmp_path / "a.fits", "OBJECT", card)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "nearest", 2)
    with fits.open(tmp_path / "b.fits") as file:
        file.verify("exception")
        assert file[0].header["COMMENT"][0] == "kept" and "OBSERVER" in file[0].header
        WCS(file[0].header)


def test_a_declared_giant_is_refused_before_memory_is_asked_for(tmp_path):
    fits.PrimaryHDU(np.ones((4, 5), np.float32)).writeto(tmp_path / "a.fits")
    for axis in (1, 2):
        with_card(tmp_path / "a.fits", f"NAXIS{axis}", f"NAXIS{axis}  = {100_000:20}")
    with pytest.raises(ValueError, match="it declares 100000 x 100000 pixels, at most"):
        upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "nearest", 2)


def test_the_spread_of_the_ensemble_is_an_extension_in_the_same_units(tmp_path):
    model = random_model(tmp_path, channels="gray")
    field = np.random.default_rng(5).normal(100, 9, (12, 13))
    made, new, report = enlarge(tmp_path, field, sky_header(), model, ensemble=True)
    assert report.uncertainty.startswith(f"{tmp_path / 'b.fits'}, extension UNCERTAINTY")
    assert "their standard deviation in UNCERTAINTY" in str(new["HISTORY"])
    with fits.open(tmp_path / "b.fits") as file:
        assert [one.name for one in file] == ["PRIMARY", "UNCERTAINTY"]
        spread, header = file[1].data, file[1].header
    assert spread.shape == made.shape and spread.min() >= 0 and header["BUNIT"] == "electron/s"
    WCS(header)
    low, *_ = enlarge(tmp_path, field / 10_000, sky_header(), model, ensemble=True)
    np.testing.assert_allclose(low, made / 10_000, rtol=1e-3)
    np.testing.assert_allclose(fits.getdata(tmp_path / "b.fits", 1), spread / 10_000, rtol=2e-3)


def test_the_range_that_a_network_saw_is_written_down(tmp_path):
    model = random_model(tmp_path, channels="gray")
    _, new, _ = enlarge(tmp_path, np.eye(9) * 50, sky_header(), model, limits=(-5, 95))
    history = "".join(new["HISTORY"])
    assert "random saw values from -5 to 95 as 0 to 1" in history
    assert "enlarged 2 times by srutils " in history and ", random; from 0 PRIMARY of a.fits" in history


def test_the_command(exposure, capsys):
    target = exposure.with_name("b.fits")
    with pytest.raises(SystemExit) as stop:
        cli.main(["upscale", str(exposure), str(target), "--hdu", "SCI,2", "--scale", "3"])
    out, err = capsys.readouterr()
    assert stop.value.code == 0 and out.startswith(f"{target}: 21 x 18 pixels, bicubic, ")
    assert "srutils: bicubic x3 was chosen for measurements" in err and "--model takes another" in err
    with pytest.raises(SystemExit) as stop:
        cli.main(["upscale", str(exposure), str(exposure.with_name("b.png"))])
    assert stop.value.code == 2 and "FITS gives FITS, and nothing else does" in capsys.readouterr().err
