"""Enlarging files: what belongs to a picture stays with it, floats of any range, folders, and refusals."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from pictures import write_picture
from PIL import Image, ImageCms
from tiny_models import nearest_model, random_model
from upscaling import levels, names, run

from srutils.files import encode
from srutils.files.decode import read_picture
from srutils.files.picture import Metadata, Picture
from srutils.pairs import resize
from srutils.upscale import pictures
from srutils.upscale.arrays import value_range
from srutils.upscale.choice import choose_upscaler, default_models
from srutils.upscale.enlarge import enlarge_values
from srutils.upscale.files import upscale_file
from srutils.upscale.options import Options, Report
from srutils.upscale.upscaler import Upscaler, model_cards

RNG = np.random.default_rng(7)
PHOTO_MODELS = [card["name"] for card in model_cards() if "-photo-" in card["name"]]
COLOURS = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 1), (0, 0, 255), (255, 255, 0), (12, 130, 201)]


def interpolated(pixels, scale=2):
    """Integers enlarged by bicubic and rounded, by hand."""
    full = np.iinfo(pixels.dtype).max
    size = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    return np.rint(resize(pixels / np.float32(full), size, "bicubic").clip(0, 1) * np.float32(full))


# ---------------------------------------------------------------- the shipped models
def test_there_are_photo_models():
    assert len(PHOTO_MODELS) >= 6


@pytest.mark.parametrize("model", PHOTO_MODELS)
def test_a_constant_colour_stays_that_colour(tmp_path, model):
    for i, colour in enumerate(COLOURS):
        source, target = tmp_path / f"{i}.png", tmp_path / f"{i}-large.png"
        Image.new("RGB", (9, 8), colour).save(source)
        upscale_file(source, target, model)
        made = np.asarray(Image.open(target)).astype(int)
        assert made.shape[0] >= 16 and np.abs(made - colour).max() <= 1, (colour, made.min(), made.max())


@pytest.mark.parametrize("model", PHOTO_MODELS)
def test_a_16_bit_ramp_keeps_more_than_256_levels(tmp_path, model):
    ramp = np.linspace(0, 65535, 400).astype(np.uint16)
    ramp = np.broadcast_to(ramp[:, None], (8, 400, 3)).copy()
    write_picture(tmp_path / "ramp.png", Picture(ramp))
    upscale_file(tmp_path / "ramp.png", tmp_path / "large.png", model)
    made = read_picture(tmp_path / "large.png").pixels
    scale = made.shape[0] // 8
    assert made.dtype == np.uint16 and len(np.unique(made[..., 1])) > 256 * 1.5
    inside = slice(20 * scale, -20 * scale)
    assert np.abs(made / 257 - ramp[0].repeat(scale, 0) / 257)[:, inside].max() < 1  # of 255


@pytest.mark.parametrize("model", PHOTO_MODELS)
@pytest.mark.parametrize("size", [(1, 9), (9, 1), (5, 3), (1, 1)])
def test_the_smallest_pictures(tmp_path, model, size):
    Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "a.png")
    report = upscale_file(tmp_path / "a.png", tmp_path / "b.png", model)
    made = np.asarray(Image.open(tmp_path / "b.png"))
    assert made.shape[:2] == report.size and np.abs(made.astype(int) - (200, 100, 50)).max() <= 1


def test_the_default_model_is_the_best_on_set5_or_bicubic():
    assert default_models(measured=True, scale=3) == ["bicubic"]
    scores = {c["name"]: c["metrics"]["Set5"]["psnr"] for c in model_cards() if "Set5" in c["metrics"]}
    (name,) = default_models(measured=False, scale=4)
    assert scores[name] == max(v for n, v in scores.items() if n.endswith("-x4"))
    assert default_models(measured=False, scale=9) == ["bicubic"]


# ---------------------------------------------------------------- what belongs to a picture
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_depth_and_channels_are_kept(tmp_path, kind, channels, transparent, suffix):
    pixels, alpha = levels(channels=channels, kind=kind), None
    if transparent:
        alpha = np.maximum(levels(channels=1, kind=kind), 1)  # nothing is hidden altogether
    write_picture(tmp_path / f"a{suffix}", Picture(pixels, alpha))
    upscale_file(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", "bicubic", 2)
    made = read_picture(tmp_path / f"b{suffix}")
    assert made.pixels.dtype == kind
    np.testing.assert_array_equal(made.pixels, interpolated(pixels))
    if transparent:
        np.testing.assert_array_equal(made.alpha, interpolated(alpha))
    else:
        assert made.alpha is None


def test_alpha_goes_beside_the_network_not_through_it(tmp_path):
    model = random_model(tmp_path, channels="rgb")
    pixels, alpha = levels(), np.maximum(levels(channels=1), 1)
    write_picture(tmp_path / "a.png", Picture(pixels, alpha))
    write_picture(tmp_path / "opaque.png", Picture(pixels))
    for name in ("a", "opaque"):
        upscale_file(tmp_path / f"{name}.png", tmp_path / f"{name}-large.png", model)
    made = read_picture(tmp_path / "a-large.png")
    np.testing.assert_array_equal(made.pixels, read_picture(tmp_path / "opaque-large.png").pixels)
    np.testing.assert_array_equal(made.alpha, interpolated(alpha))


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_hidden_colours_leave_no_fringe(tmp_path, kind):
    full = 255 if kind == np.uint8 else 1
    pixels, alpha = np.zeros((12, 12, 3), kind), np.zeros((12, 12, 1), kind)
    pixels[..., 1] = full  # green, which nobody sees,
    pixels[4:8, 4:8] = (full, 0, 0)  # around a red square
    alpha[4:8, 4:8] = full
    write_picture(tmp_path / "a.tif", Picture(pixels, alpha))
    upscale_file(tmp_path / "a.tif", tmp_path / "b.tif", "bicubic", 3)
    made = read_picture(tmp_path / "b.tif")
    seen = made.pixels[made.alpha[..., 0] > 0]
    assert len(seen) > 144 and np.ptp(seen, axis=0).max() == 0 and tuple(seen[0]) == (full, 0, 0)


def test_transparency_needs_a_format_that_has_it_unless_there_is_none(tmp_path):
    write_picture(tmp_path / "a.png", Picture(levels(), levels(channels=1)))
    with pytest.raises(ValueError, match="b.jpg: .jpg holds no transparency, which the picture has"):
        upscale_file(tmp_path / "a.png", tmp_path / "b.jpg", "bicubic", 2)
    write_picture(tmp_path / "opaque.png", Picture(levels(), np.full((11, 13, 1), 255, np.uint8)))
    upscale_file(tmp_path / "opaque.png", tmp_path / "b.jpg", "bicubic", 2)
    assert Image.open(tmp_path / "b.jpg").size == (26, 22)


def test_palettes_grey_palettes_and_cmyk_become_what_they_show(tmp_path):
    rgb = Image.fromarray(levels(20, 20))
    palette = rgb.quantize(16)
    palette.save(tmp_path / "palette.png")
    one = np.asarray(palette)[3, 4]
    palette.save(tmp_path / "holes.png", transparency=int(one))
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    for name in ("palette", "holes"):
        upscale_file(tmp_path / f"{name}.png", tmp_path / f"{name}-2.png", "nearest", 2)
    shown = np.asarray(palette.convert("RGB")).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(read_picture(tmp_path / "palette-2.png").pixels, shown)
    holes = read_picture(tmp_path / "holes-2.png")
    hidden = (np.asarray(palette) == one).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(holes.pixels[~hidden], shown[~hidden])
    assert (holes.alpha[3:-3:2, 3:-3:2, 0] == 0).any() and (holes.alpha[..., 0][hidden] < 255).all()
    upscale_file(tmp_path / "cmyk.jpg", tmp_path / "cmyk.png", "bicubic", 2)
    np.testing.assert_allclose(read_picture(tmp_path / "cmyk.png").pixels.mean((0, 1)), (255, 0, 0), atol=6)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_orientation_is_applied_and_exif_and_profile_are_kept(tmp_path, suffix):
    exif, icc = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[274], exif[271] = 6, "camera"  # the top is on the right
    exif.get_ifd(0x8769).update({0xA002: 20, 0xA003: 12, 0x9003: "2024:05:06 07:08:09"})
    pixels = np.zeros((12, 20, 3), np.uint8)
    pixels[:, :10] = 255
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", exif=exif, icc_profile=icc)
    upscale_file(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", "nearest", 2)
    made = Image.open(tmp_path / f"b{suffix}")
    assert made.size == (24, 40)
    top, bottom = np.asarray(made.convert("L"))[[2, -3], 10]
    assert top > 250 and bottom < 5
    tags, more = made.getexif(), made.getexif().get_ifd(0x8769)
    assert tags.get(274, 1) == 1 and tags[271] == "camera" and more[0x9003] == "2024:05:06 07:08:09"
    assert (more[0xA002], more[0xA003]) == made.size
    assert made.info["icc_profile"] == icc


def test_a_deep_picture_keeps_its_exif_and_profile_too(tmp_path):
    exif, icc = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[271] = "camera"
    write_picture(tmp_path / "a.png", Picture(levels(kind=np.uint16), None, Metadata(icc, exif.tobytes())))
    upscale_file(tmp_path / "a.png", tmp_path / "b.png", "nearest", 2)
    made = read_picture(tmp_path / "b.png")
    assert made.pixels.dtype == np.uint16 and made.meta.icc == icc
    assert Image.open(tmp_path / "b.png").getexif()[271] == "camera"
    upscale_file(tmp_path / "a.png", tmp_path / "b.tif", "nearest", 2)
    assert read_picture(tmp_path / "b.tif").meta.icc == icc


def test_a_deep_png_of_many_rows_is_whole(tmp_path):
    pixels = levels(150, 40, 3, np.uint16)  # it is written 64 rows at a time
    write_picture(tmp_path / "a.png", Picture(pixels))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, pixels)
    with Image.open(tmp_path / "a.png") as same:
        same.verify()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".npy"])
def test_every_target(tmp_path, suffix):
    smooth = np.linspace(0, 255, 30 * 30 * 3).reshape(30, 30, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.png")
    report = upscale_file(tmp_path / "a.png", tmp_path / f"b{suffix}", "bicubic", 2)
    made = read_picture(tmp_path / f"b{suffix}").pixels
    assert made.dtype == np.uint8 and report.notes == []
    assert np.abs(made - interpolated(smooth)).max() <= (0 if suffix[:3] != ".jp" else 6)


def test_bits_that_a_format_cannot_hold_are_said(tmp_path):
    write_picture(tmp_path / "a.png", Picture(levels(kind=np.uint16)))
    report = upscale_file(tmp_path / "a.png", tmp_path / "b.jpg", "bicubic", 2)
    assert report.notes == [".jpg holds 8 bits a sample; the input has 16"]
    np.save(tmp_path / "a.npy", RNG.random((5, 6, 3)))
    report = upscale_file(tmp_path / "a.npy", tmp_path / "b.png", "bicubic", 2)
    assert report.notes == [".png holds 16 bits a sample; the input has 32"]


def test_several_pictures_in_a_file(tmp_path):
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("white", "black"))
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[second])
    upscale_file(tmp_path / "phone.jpg", tmp_path / "b.png", "nearest", 2)  # a preview is no second picture
    assert np.asarray(Image.open(tmp_path / "b.png")).min() > 250
    tifffile.imwrite(tmp_path / "pages.tif", levels(2, 9, 9)[..., None], photometric="minisblack")
    with pytest.raises(ValueError, match="pages.tif holds 2 pictures; expected one"):
        upscale_file(tmp_path / "pages.tif", tmp_path / "c.png", "nearest", 2)


# ---------------------------------------------------------------- floats
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 3), (1, 6, 7), (3, 6, 7)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int32])
def test_an_array_keeps_its_layout(tmp_path, shape, kind):
    array = (RNG.normal(size=shape) * 100).astype(kind)
    np.save(tmp_path / "a.npy", array)
    upscale_file(tmp_path / "a.npy", tmp_path / "b.npy", "nearest", 3)
    made = np.load(tmp_path / "b.npy")
    rows, columns = (1, 2) if shape[0] in (1, 3) else (0, 1)
    expected = array.repeat(3, rows).repeat(3, columns).astype(np.float32)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(("low", "unit"), [(0, 1e-9), (0, 3e4), (-3, 1), (-3, 1e-4), (1e4, 1), (-1e4, 2e4)])
@pytest.mark.parametrize("channels", ["gray", "rgb"])
def test_any_range_is_brought_to_the_networks_and_back(tmp_path, low, unit, channels):
    model = nearest_model(tmp_path, channels=channels)
    array = (RNG.random((9, 8, 3 if channels == "rgb" else 1)) * unit + low).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    up, seen = choose_upscaler(Options(str(model)), True, array.shape[:2], Report(tmp_path)), []
    run_ = up.steps[0]._run
    up.steps[0]._run = lambda x: seen.append(x) or run_(x)
    out, *_ = enlarge_values(up, array, Options())
    expected = array.repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(out, expected, atol=1e-6 * max(unit, abs(low)))
    assert seen[0].min() > -1.5 and seen[0].max() < 1.5 and np.ptp(seen[0]) > 0.3


def test_an_array_made_for_a_network_is_left_as_it_is():
    """Noise below the sky, a little overshoot: these leave [0, 1], and mean no other unit."""
    lens = RNG.normal(0, 0.01, (64, 64, 1))
    lens[30:34, 30:34] = 0.6
    assert value_range(lens, lens=True, bright=0.7) == (0, 1)
    assert value_range(RNG.uniform(-0.03, 1.04, (20, 20, 3)), lens=False) == (0, 1)


def test_the_range_ignores_wild_values_and_finds_the_sky():
    sky = RNG.normal(100, 5, (80, 80, 1))
    sky[20:40, 20:40] += 4000
    low, high = value_range(sky, lens=True)
    assert abs(low - 100) < 1 and 3900 < high < 4200
    wild = sky.copy()
    wild[0, 0], wild[5, 5] = 1e9, -1e9
    assert np.allclose(value_range(wild, lens=True), (low, high), rtol=0.01)
    low, high = value_range(sky * 1.0, lens=False)
    assert 80 < low < 95
    for constant in (0.0, 5.0, -3e38, 3e38, 1e-30):  # a step is still a step
        low, high = value_range(np.full((3, 5, 1), constant), lens=True)
        assert np.isfinite([low, high]).all() and low < high


def test_a_range_can_be_given(tmp_path, capsys):
    model = random_model(tmp_path, channels="gray")
    array = RNG.normal(50, 20, (9, 8)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    status, _, err = run(
        capsys, tmp_path / "a.npy", tmp_path / "b.npy", "--model", model, "--range", "-10,190"
    )
    assert (status, err) == (0, "")
    expected = Upscaler.load(model)((array[..., None] + 10) / 200)[..., 0] * 200 - 10
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), expected, atol=1e-3)
    assert (
        run(
            capsys,
            tmp_path / "a.npy",
            tmp_path / "i.npy",
            "--range",
            "0,9",
            "--model",
            "bicubic",
            "--scale",
            2,
        )[2]
        == "srutils: bicubic takes all ranges alike: --range changes nothing\n"
    )
    for wrong in ("1", "2,1", "1,1", "a,b", "0,nan", "0,1,2"):
        status, out, err = run(
            capsys, tmp_path / "a.npy", tmp_path / "c.npy", "--model", model, "--range", wrong
        )
        assert status == 2 and "two numbers" in err and err.count("\n") == 1, err
    Image.new("L", (5, 5)).save(tmp_path / "a.png")
    status, _, err = run(capsys, tmp_path / "a.png", tmp_path / "c.png", "--range", "0,1")
    assert status == 2 and "a range is for floating-point values" in err


def test_missing_values_are_filled_for_the_network_and_missing_again_in_the_result(tmp_path):
    model = random_model(tmp_path, channels="gray")
    array = RNG.random((20, 22)).astype(np.float32)
    holed = array.copy()
    holed[5:8, 6:9], holed[0, 0], holed[19, 3] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "a.npy", holed)
    upscale_file(tmp_path / "a.npy", tmp_path / "b.npy", model)
    made = np.load(tmp_path / "b.npy")
    hole = ~np.isfinite(holed).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.isnan(made), hole)
    np.save(tmp_path / "whole.npy", array)
    upscale_file(tmp_path / "whole.npy", tmp_path / "c.npy", model)
    far = np.s_[30:, 24:]  # beyond what the network sees of the holes
    np.testing.assert_allclose(made[far], np.load(tmp_path / "c.npy")[far], atol=1e-5)
    np.save(tmp_path / "empty.npy", np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="empty.npy: it holds no finite value"):
        upscale_file(tmp_path / "empty.npy", tmp_path / "d.npy", model)


def test_floats_out_of_0_to_1_need_a_format_for_them(tmp_path):
    np.save(tmp_path / "a.npy", np.float32([[0, 300], [2, 3]]))
    with pytest.raises(ValueError, match=r"values reach from 0 to 300, and .png holds 0 to 1; use .npy or"):
        upscale_file(tmp_path / "a.npy", tmp_path / "b.png", "bicubic", 2)
    np.save(tmp_path / "nan.npy", np.float32([[0, np.nan], [1, 1]]))
    with pytest.raises(ValueError, match="some values are NaN or infinite; use .npy or .tif"):
        upscale_file(tmp_path / "nan.npy", tmp_path / "b.png", "bicubic", 2)
    upscale_file(tmp_path / "a.npy", tmp_path / "b.tif", "nearest", 2)
    assert tifffile.imread(tmp_path / "b.tif").max() == 300


# ---------------------------------------------------------------- the ensemble and its spread
@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_the_ensemble_is_the_mean_of_eight_and_its_spread_is_beside(tmp_path, suffix):
    up = Upscaler.load(random_model(tmp_path, channels="gray"))
    pixels = levels(channels=1)
    write_picture(tmp_path / f"a{suffix}", Picture(pixels))
    upscale_file(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", tmp_path / "random.onnx", ensemble=True)
    image, eight = pixels / np.float32(255), []
    for quarter in range(4):
        for flip in (1, -1):
            turned = np.rot90(image, quarter)[:, ::flip]
            eight.append(np.rot90(up(turned)[:, ::flip], -quarter))
    made = read_picture(tmp_path / f"b{suffix}").pixels
    assert np.abs(made - np.mean(eight, 0).clip(0, 1) * 255).max() < 0.51
    beside = tmp_path / f"b_uncertainty{'.npy' if suffix == '.npy' else '.tif'}"
    spread = read_picture(beside).pixels
    assert spread.dtype == np.float32 and spread.max() > 0.01
    np.testing.assert_allclose(spread, np.std(eight, 0), atol=1e-5)


def test_the_command_says_where_the_uncertainty_is(tmp_path, capsys):
    model = random_model(tmp_path, channels="gray")
    write_picture(tmp_path / "a.png", Picture(levels(channels=1)))
    for suffix, unit in ((".png", "full scale is 1"), (".npy", "in the input's unit")):
        np.save(tmp_path / "a.npy", RNG.random((5, 6)))
        _, out, _ = run(
            capsys, tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", "--model", model, "--ensemble"
        )
        where = tmp_path / f"b_uncertainty{'.tif' if suffix == '.png' else suffix}"
        assert out.splitlines()[1] == f"uncertainty: {where} ({unit})" and where.is_file()


def test_interpolation_has_no_uncertainty(tmp_path, capsys):
    write_picture(tmp_path / "a.png", Picture(levels()))
    status, out, err = run(
        capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", "bicubic", "--scale", 2, "--ensemble"
    )
    assert status == 0 and "--ensemble changes nothing" in err and "uncertainty" not in out
    assert names(tmp_path) == ["a.png", "b.png"]


@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_sixteen_bits_in_either_byte_order(tmp_path, kind):
    ramp = np.arange(0, 48000, 400).reshape(10, 12).astype(kind)
    np.save(tmp_path / "a.npy", ramp)
    upscale_file(tmp_path / "a.npy", tmp_path / "b.npy", "nearest", 2)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), ramp.repeat(2, 0).repeat(2, 1))


def test_an_uncertainty_that_exists_is_not_replaced_unasked(tmp_path):
    model = random_model(tmp_path, channels="gray")
    write_picture(tmp_path / "a.png", Picture(levels(channels=1)))
    (tmp_path / "b_uncertainty.tif").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="b_uncertainty.tif exists already; --overwrite replaces it"):
        upscale_file(tmp_path / "a.png", tmp_path / "b.png", model, ensemble=True)
    assert (tmp_path / "b_uncertainty.tif").read_bytes() == b"mine" and not (tmp_path / "b.png").exists()
    upscale_file(tmp_path / "a.png", tmp_path / "b.png", model, ensemble=True, overwrite=True)
    assert read_picture(tmp_path / "b_uncertainty.tif").pixels.shape == (22, 26, 1)


# ---------------------------------------------------------------- refusals, and nothing left behind
def test_refusals_of_paths(tmp_path):
    source = tmp_path / "a.png"
    write_picture(source, Picture(levels()))
    (tmp_path / "there.png").write_bytes(b"old")
    os.link(source, tmp_path / "same.png")
    for target, kind, words in (
        ("there.png", FileExistsError, "there.png exists already; --overwrite replaces it"),
        ("a.png", FileExistsError, "is the file to enlarge"),
        ("same.png", FileExistsError, "is the file to enlarge"),
        (".", IsADirectoryError, "is a folder; expected the name of the file"),
        ("no/b.png", FileNotFoundError, "does not exist"),
        ("b.gif", ValueError, "expected a name that ends in one of .png"),
        ("b", ValueError, "expected a name that ends in one of .png"),
        ("b.fits", ValueError, "FITS gives FITS"),
    ):
        with pytest.raises(kind, match=words):
            upscale_file(source, tmp_path / target, "bicubic", 2)
    with pytest.raises(FileExistsError, match="is the file to enlarge"):
        upscale_file(source, source, "bicubic", 2, overwrite=True)
    with pytest.raises(FileNotFoundError, match="no such file: .*missing.png"):
        upscale_file(tmp_path / "missing.png", tmp_path / "b.png", "bicubic", 2)
    with pytest.raises(ValueError, match="a.png is not a FITS file; it has no extension 1"):
        upscale_file(source, tmp_path / "b.png", "bicubic", 2, hdu=1)
    assert (tmp_path / "there.png").read_bytes() == b"old"
    assert names(tmp_path) == ["a.png", "same.png", "there.png"]
    upscale_file(source, tmp_path / "there.png", "bicubic", 2, overwrite=True)
    assert Image.open(tmp_path / "there.png").size == (26, 22)


def test_a_result_too_large_is_refused_before_the_work(tmp_path):
    Image.new("L", (4000, 3000)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="a.png: the result would have 60000 x 80000 pixels; at most"):
        upscale_file(tmp_path / "a.png", tmp_path / "b.png", "bicubic", 20)
    with pytest.raises(ValueError, match=".webp stores at most 16383 a side"):
        upscale_file(tmp_path / "a.png", tmp_path / "b.webp", "bicubic", 5)


def test_what_the_disk_refuses_is_one_sentence_that_names_the_file(tmp_path, monkeypatch, capsys):
    write_picture(tmp_path / "a.png", Picture(levels()))
    for number in (errno.EACCES, errno.ENOSPC):

        def fail(file, *_, number=number):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(encode, "encode", fail)
        status, out, err = run(
            capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", "bicubic", "--scale", 2
        )
        sentence = f"srutils: cannot write {tmp_path / 'b.png'}: {os.strerror(number).lower()}\n"
        assert (status, out, err) == (2, "", sentence) and names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the disk is full"), MemoryError])
@pytest.mark.parametrize("ensemble", [False, True])
def test_what_breaks_off_leaves_nothing(tmp_path, monkeypatch, error, ensemble):
    write_picture(tmp_path / "a.png", Picture(levels()))
    (tmp_path / "b.png").write_bytes(b"old")

    def fail(file, *_):
        file.write(b"half")
        raise error

    monkeypatch.setattr(encode, "encode", fail)
    with pytest.raises(error if isinstance(error, type) else OSError):
        upscale_file(tmp_path / "a.png", tmp_path / "b.png", "bicubic", 2, ensemble=ensemble, overwrite=True)
    assert names(tmp_path) == ["a.png", "b.png"] and (tmp_path / "b.png").read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_batch_queues_end_leaves_nothing(tmp_path):
    code = "\n".join(
        [
            "import os, signal, sys",
            "from srutils import cli",
            "from srutils.files import encode",
            "encode.encode = lambda file, *_: (file.write(b'half'), os.kill(os.getpid(), signal.SIGTERM))",
            "cli.main(sys.argv[1:])",
        ]
    )
    write_picture(tmp_path / "a.png", Picture(levels()))
    command = ["upscale", tmp_path / "a.png", tmp_path / "b.png", "--model", "nearest", "--scale", "2"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, timeout=120)
    assert done.returncode == 143 and names(tmp_path) == ["a.png"]


def test_ctrl_c_leaves_with_130_and_no_file(tmp_path, monkeypatch, capsys):
    write_picture(tmp_path / "a.png", Picture(levels()))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "_write", interrupted)
    status, out, err = run(capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", "bicubic", "--scale", 2)
    assert (status, out, err) == (130, "", "") and names(tmp_path) == ["a.png"]


# ---------------------------------------------------------------- the command
def test_the_command_says_what_it_made_and_which_model_it_chose(tmp_path, capsys):
    write_picture(tmp_path / "a.png", Picture(levels(5, 6)))
    status, out, err = run(capsys, tmp_path / "a.png", tmp_path / "b.png")
    (name,) = default_models(False, 4)
    assert status == 0 and err == f"srutils: {name} was chosen for pictures at x4; --model takes another\n"
    assert out.startswith(f"{tmp_path / 'b.png'}: 24 x 20 pixels, {name}, ") and out.endswith(" s\n")
    status, out, err = run(capsys, tmp_path / "a.png", tmp_path / "b.png", "--skip-existing")
    assert (status, out, err) == (0, f"{tmp_path / 'b.png'}: skipped, it exists\n", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--model bicubik", "no upscaler called 'bicubik'; there are nearest"),
        ("--model bicubic", "bicubic needs a scale"),
        ("--model bicubic --scale 0", "scale is 0; expected at least 1"),
        ("--scale 0", "scale is 0; expected at least 1"),
        ("--scale 0.5", "scale is 0.5; expected at least 1"),
        ("--scale nan", "scale is nan; expected at least 1"),
        ("--width 0", "width is 0; expected at least 1 pixel"),
        ("--height -3", "height is -3; expected at least 1 pixel"),
        ("--width 12 --scale 2", "both a scale and a width were given"),
        ("--width 5", "it has 6 x 5 pixels; srutils only enlarges, not to 5 x 4"),
        ("--width 12 --height 13", "would distort its 6 x 5: with a width of 12 goes a height of 10"),
        ("--blend 1.1", "blend is 1.1; expected 0 (the model alone) to 1"),
        ("--model wiener --scale 2.5", "wiener enlarges by whole numbers; asked for x2.5"),
        ("--model srcnn-photo-x2 --scale 9", "networks enlarge by at most 8; asked for x9"),
        ("--tile 0", "tile is 0; expected at least 32"),
        ("--model bicubic --scale two", "Invalid value for '--scale'"),
        ("--model lens-classifier", "it does not enlarge images"),
        ("--model srresnet-telescope-x2", "enlarges images of one channel; got RGB"),
        ("--model wiener --scale 2", "deconvolution is for lenses"),
        ("--model srcnn-photo-x2 --engine tpu", "no engine called 'tpu'; there are auto"),
        ("--model bicubic --scale 2 --tile 0", "tile is 0; expected at least 32"),
        ("--model bicubic --scale 2 --hdu 1", "is not a FITS file"),
    ],
)
def test_a_mistake_costs_one_line(tmp_path, capsys, options, words):
    write_picture(tmp_path / "a.png", Picture(levels(5, 6)))
    status, out, err = run(capsys, tmp_path / "a.png", tmp_path / "b.png", *options.split())
    assert status == 2 and out == "" and words in err and err.count("\n") == 1 and err.startswith("srutils: ")
    assert names(tmp_path) == ["a.png"]
