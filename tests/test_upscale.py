"""Upscalers: the classical ones against their libraries, networks against tiny ONNX files made here."""

import json

import numpy as np
import pytest
import torch
from tiny_models import nearest_model, random_model, strided_model

from srutils import course
from srutils.metrics import luma
from srutils.pairs import resize
from srutils.upscale import upscaler
from srutils.upscale.upscaler import Upscaler

RNG = np.random.default_rng(0)


# ---------------------------------------------------------------- classical methods
@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_interpolation_is_pillows(name):
    image = RNG.random((2, 6, 9, 3), np.float32)
    out = Upscaler.load(name, scale=3)(image)
    assert out.shape == (2, 18, 27, 3) and out.dtype == np.float32
    np.testing.assert_array_equal(out, resize(image, (18, 27), name))
    np.testing.assert_array_equal(Upscaler.load(name, scale=3)(image[1]), out[1])


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(2, 7, 5, 3), (1, 1, 1, 1), (1, 2, 9, 1)])
def test_bicubic_torch_is_torchs(scale, shape):
    image = RNG.random(shape, np.float32)
    out = Upscaler.load("bicubic-torch", scale)(image)
    planes = torch.from_numpy(image).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(
        planes, scale_factor=scale, mode="bicubic", align_corners=False
    )
    np.testing.assert_allclose(out, expected.permute(0, 2, 3, 1), atol=2e-6)
    assert out.dtype == np.float32
    if scale > 1 and min(shape[1:3]) > 2:
        assert np.abs(out - Upscaler.load("bicubic", scale)(image)).max() > 0.01  # the two bicubics differ


def test_interpolation_keeps_values_outside_0_to_1():
    assert Upscaler.load("bicubic", 2)(np.full((4, 4, 1), 1.5)).max() == pytest.approx(1.5)


def test_an_unknown_name_lists_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "models_dir", lambda: tmp_path)
    nearest_model(tmp_path)
    with pytest.raises(ValueError, match="no upscaler called 'bicubik'") as caught:
        Upscaler.load("bicubik", 2)
    for name in ("nearest", "lanczos", "bicubic-torch", "wiener", "richardson-lucy", "nearest-net"):
        assert name in str(caught.value)


@pytest.mark.parametrize("scale", [None, 0, -2, 1.5])
def test_classical_methods_need_a_scale(scale):
    with pytest.raises(ValueError, match=f"bicubic needs a scale, such as 2; got {scale}"):
        Upscaler.load("bicubic", scale)


def test_deconvolution_is_for_lenses():
    with pytest.raises(ValueError, match="lr has 3 channels; deconvolution is for lenses, with 1"):
        Upscaler.load("wiener", 2)(np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match="no scale 3"):
        Upscaler.load("richardson-lucy", 3)(np.zeros((8, 8, 1)))


# ---------------------------------------------------------------- networks
@pytest.mark.parametrize("given", ["lr", "bilinear", "bicubic"])
@pytest.mark.parametrize("channels", ["luma", "rgb", "gray"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_copying_network_is_interpolation(tmp_path, given, channels, scale):
    up = Upscaler.load(nearest_model(tmp_path, scale=scale, channels=channels, given=given))
    image = RNG.random((2, 8, 7, 3 if channels == "rgb" else 1), np.float32)
    out = up(image)
    method = "nearest" if given == "lr" else given
    np.testing.assert_allclose(out, resize(image, (8 * scale, 7 * scale), method), atol=1e-6)
    assert out.dtype == np.float32 and up.scale == scale and up.card["channels"] == channels


@pytest.mark.parametrize("given", ["lr", "bicubic"])
@pytest.mark.parametrize("channels", ["luma", "rgb", "gray"])
@pytest.mark.parametrize("scale", [2, 3])
def test_tiles_leave_no_seam(tmp_path, given, channels, scale):
    up = Upscaler.load(random_model(tmp_path, scale=scale, channels=channels, given=given))
    image = RNG.random((37, 29, 1 if channels == "gray" else 3), np.float32)
    whole = up(image, tile=64)
    for tile in (8, 11, 36):
        np.testing.assert_allclose(up(image, tile=tile), whole, atol=1e-5)


@pytest.mark.parametrize("given", ["lr", "bilinear"])
@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("shape", [(37, 29), (24, 31), (1, 2), (3, 5)])
def test_a_strided_network_leaves_no_seam_and_takes_any_size(tmp_path, given, scale, shape):
    up = Upscaler.load(strided_model(tmp_path, scale=scale, given=given))
    image = RNG.random((*shape, 1), np.float32)
    whole = up(image, tile=64)
    assert whole.shape == (shape[0] * scale, shape[1] * scale, 1)
    for tile in (5, 8, 17):
        np.testing.assert_allclose(up(image, tile=tile), whole, atol=1e-5)


def test_too_small_a_receptive_field_shows_seams(tmp_path):
    path = random_model(tmp_path)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps(card | {"receptive_field": 1}), encoding="utf-8")
    image = RNG.random((37, 29, 1), np.float32)
    up = Upscaler.load(path)
    assert np.abs(up(image, tile=8) - up(image, tile=64)).max() > 1e-3


def test_a_network_sees_no_more_than_a_tile_and_its_margin(tmp_path):
    up = Upscaler.load(random_model(tmp_path))

    run, sizes = up._run, []
    up._run = lambda lr: sizes.append(lr.shape) or run(lr)
    up(RNG.random((50, 60, 1), np.float32), tile=16)
    assert len(sizes) == 4 * 4 and max(max(s[1:3]) for s in sizes) <= 16 + 2 * (9 // 2 + 1)


@pytest.mark.parametrize("given", ["lr", "bicubic"])
@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (0.9, 0.1, 0.4), (0.2, 0.7, 1)])
def test_a_constant_colour_stays_that_colour(tmp_path, given, colour):
    image = np.broadcast_to(np.float32(colour), (9, 12, 3))
    out = Upscaler.load(nearest_model(tmp_path, given=given))(image)
    assert np.abs(out - np.float32(colour)).max() <= 1 / 255


def test_a_luma_network_changes_luma_and_leaves_colour_to_bicubic(tmp_path):
    image = RNG.random((9, 12, 3), np.float32)
    out = Upscaler.load(random_model(tmp_path, channels="luma"))(image)
    grey = Upscaler.load(tmp_path / "random.onnx")(luma(image))
    np.testing.assert_allclose(luma(out), grey, atol=1e-5)
    enlarged = resize(image, (18, 24))
    for c in (0, 2):  # differences of two channels carry no luma step
        np.testing.assert_allclose(out[..., c] - out[..., 1], enlarged[..., c] - enlarged[..., 1], atol=1e-5)


def test_grey_images_and_rgb_networks(tmp_path):
    image = RNG.random((5, 6, 1), np.float32)
    out = Upscaler.load(nearest_model(tmp_path, channels="rgb"))(image)
    np.testing.assert_allclose(out, resize(image, (10, 12), "nearest"), atol=1e-6)
    with pytest.raises(ValueError, match="nearest-net enlarges images of one channel; got RGB"):
        Upscaler.load(nearest_model(tmp_path, channels="gray"))(RNG.random((5, 6, 3)))


@pytest.mark.parametrize("given", ["lr", "bicubic"])
@pytest.mark.parametrize("shape", [(1, 7, 1), (7, 1, 3), (3, 5, 3), (1, 1, 1)])
def test_the_smallest_images(tmp_path, given, shape):
    out = Upscaler.load(random_model(tmp_path, given=given))(RNG.random(shape, np.float32))
    assert out.shape == (2 * shape[0], 2 * shape[1], shape[2]) and np.isfinite(out).all()


def test_models_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "models_dir", lambda: tmp_path)
    nearest_model(tmp_path, scale=3)
    assert [card["name"] for card in upscaler.model_cards()] == ["nearest-net"]
    up = Upscaler.load("nearest-net")
    assert (up.name, up.scale) == ("nearest-net", 3)
    assert Upscaler.load("nearest-net", 3).scale == 3


def test_a_model_refuses_another_scale(tmp_path):
    with pytest.raises(ValueError, match="nearest-net enlarges by 2; asked for 4"):
        Upscaler.load(nearest_model(tmp_path), 4)


def test_a_missing_card(tmp_path):
    path = nearest_model(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(ValueError, match="cannot read the model card .*nearest-net.json"):
        Upscaler.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": None}, "scale None; expected a positive integer"),
        ({"scale": "2"}, "scale '2'; expected a positive integer"),
        ({"multiple": 0}, "multiple 0; expected a positive integer"),
        ({"receptive_field": 0}, "receptive_field 0; expected a positive integer"),
        ({"channels": "cmyk"}, "channels 'cmyk'; expected luma or rgb or gray"),
        ({"input": "HR"}, "input 'HR'; expected lr or bilinear or bicubic"),
    ],
)
def test_a_wrong_card(tmp_path, change, message):
    path = nearest_model(tmp_path)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps(card | change), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Upscaler.load(path)


@pytest.mark.parametrize("text", ['{"name": "x"}', "[]", '{"name"', "\xff"])
def test_an_unusable_card(tmp_path, text):
    path = nearest_model(tmp_path)
    path.with_suffix(".json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="model card .*nearest-net.json") as caught:
        Upscaler.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_corrupt_model(tmp_path, keep):
    path = nearest_model(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="nearest-net.onnx") as caught:
        Upscaler.load(path)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_what_its_card_says(tmp_path):
    path = nearest_model(tmp_path, channels="rgb")
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps(card | {"channels": "luma"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected one input lr \(N, H, W, 1\)"):
        Upscaler.load(path)
    path.with_suffix(".json").write_text(json.dumps(card | {"scale": 3}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"nearest-net made \(8, 10, 3\) of 4 x 5 pixels; its card says x3"):
        Upscaler.load(path)(RNG.random((4, 5, 3)))


def test_bad_images_and_tiles(tmp_path):
    up = Upscaler.load(nearest_model(tmp_path))
    with pytest.raises(ValueError, match="image holds NaN or Inf"):
        up(np.full((4, 4, 1), np.nan))
    with pytest.raises(ValueError, match="tile is 0; expected at least 1"):
        up(np.zeros((4, 4, 1)), tile=0)
