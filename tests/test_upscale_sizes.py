"""Enlarging as people ask for it: any scale or width, a share of bicubic, tiles that fit, foreign models."""

import json
import logging
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import write_picture
from PIL import Image
from tiny_models import nearest_model, random_model, strided_model
from upscaling import levels, names, run

from srutils.files.decode import read_picture
from srutils.files.picture import Picture
from srutils.pairs import resize
from srutils.upscale import memory, messages
from srutils.upscale.chain import Chain, shortest_chain
from srutils.upscale.files import upscale_file
from srutils.upscale.jpeg import jpeg_quality
from srutils.upscale.upscaler import Upscaler

RNG = np.random.default_rng(3)


def whole(up, image, tile=512, **more):
    """All pieces of an enlarged image."""
    out = np.full((*up.size, image.shape[-1]), np.nan, np.float32)
    for place, sr, _ in up.pieces(image, tile, **more):
        assert np.isnan(out[place]).all()  # no piece is made twice
        out[place] = sr
    return out


def chain(steps, image, size, **more):
    card = steps[0].card if steps else {}
    return Chain("chain", 1.0, card, steps=steps, given=image.shape[:2], size=size, **more)


# ---------------------------------------------------------------- which networks
def test_the_shortest_chain():
    have = [2, 3, 4]
    expected = {1: [2], 1.5: [2], 2: [2], 2.1: [3], 3.5: [4], 4: [4], 5: [3, 2], 6: [3, 2]}
    expected |= {7: [4, 2], 8: [4, 2]}
    assert {scale: shortest_chain(have, scale) for scale in expected} == expected
    assert shortest_chain([2], 5) == [2, 2, 2] and shortest_chain([4], 6) == [4, 4]
    assert shortest_chain([2], 9) == shortest_chain([], 2) == []


@given(st.sets(st.integers(2, 5), min_size=1), st.floats(1, 8))
@settings(max_examples=60, deadline=None)
def test_a_chain_is_enough_and_none_of_its_steps_is_too_many(scales, wanted):
    steps = shortest_chain(list(scales), wanted)
    if steps:
        assert math.prod(steps) >= wanted and steps == sorted(steps, reverse=True)
        assert all(math.prod(steps) / step < wanted for step in steps) or len(steps) == 1
    else:
        assert max(scales) ** 3 < wanted


# ---------------------------------------------------------------- sizes
SIZES = {1: (7, 9), 1.5: (11, 14), 2: (14, 18), 2.5: (18, 23), 3: (21, 27), 6: (42, 54)}  # of 7 x 9 pixels


@pytest.mark.parametrize(("scale", "size"), SIZES.items())
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_interpolation_to_any_scale_is_pillows(tmp_path, scale, size, method):
    pixels = levels(7, 9)
    write_picture(tmp_path / "a.png", Picture(pixels))
    report = upscale_file(tmp_path / "a.png", tmp_path / "b.png", method, scale)
    expected = resize(pixels / np.float32(255), size, method).clip(0, 1) * 255
    made = read_picture(tmp_path / "b.png").pixels
    assert report.size == size and np.abs(made - expected).max() < 0.51


@pytest.mark.parametrize("scale", [1, 1.5, 3, 4, 6])
@pytest.mark.parametrize("channels", ["luma", "rgb"])
def test_a_network_is_repeated_and_then_reduced(tmp_path, scale, channels):
    model = random_model(tmp_path, channels=channels)
    pixels = levels(9, 12)
    write_picture(tmp_path / "a.png", Picture(pixels))
    report = upscale_file(tmp_path / "a.png", tmp_path / "b.png", str(model), scale)
    made, up = pixels / np.float32(255), Upscaler.load(model)
    while made.shape[0] < max(18, 9 * scale):
        made = up(made)
    size = tuple(int(side * scale + 0.5) for side in (9, 12))
    expected = resize(made, size, "bicubic").clip(0, 1) * 255
    assert np.abs(read_picture(tmp_path / "b.png").pixels - expected).max() < 0.51
    assert any("is reduced to" in note for note in report.notes) == (made.shape[:2] != size)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Chains of small networks by name; one of them has strides."""
    folders = {scale: tmp_path_factory.mktemp(f"x{scale}") for scale in (2, 3, 4)}
    x2, x3, x4 = (Upscaler.load(random_model(folder, scale=scale)) for scale, folder in folders.items())
    strided = Upscaler.load(strided_model(folders[2], scale=2, given="lr"))
    return {"one": (x4,), "two": (x3, x2), "strided": (strided, strided)}


@given(
    st.integers(20, 60),
    st.integers(20, 60),
    st.floats(1, 7),
    st.sampled_from([8, 11, 20]),
    st.sampled_from(["one", "two", "strided", "nearest", "bilinear", "bicubic", "lanczos"]),
)
@settings(max_examples=25, deadline=None)
def test_tiles_leave_no_seam_at_any_scale(networks, height, width, scale, tile, what):
    image = np.random.default_rng(height).random((height, width, 1), np.float32)
    size = tuple(int(side * scale + 0.5) for side in image.shape[:2])
    up = chain(networks.get(what, ()), image, size, method="bicubic" if what in networks else what)
    out = whole(up, image, tile)
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out, whole(up, image, 512), atol=2e-5)


def test_shipped_networks_reach_a_scale_between_theirs(tmp_path, capsys):
    Image.new("RGB", (20, 15), (200, 30, 90)).save(tmp_path / "a.png")
    for scale, size in ((1.5, (30, 23)), (3, (60, 45)), (6, (120, 90))):
        status, out, err = run(capsys, tmp_path / "a.png", tmp_path / f"{scale}.png", "--scale", scale)
        assert status == 0 and f"{size[0]} x {size[1]} pixels" in out and "was chosen for pictures" in err
        made = np.asarray(Image.open(tmp_path / f"{scale}.png")).astype(int)
        assert (
            made.shape[1::-1] == size and np.abs(made - (200, 30, 90)).max() <= 1
        )  # a constant colour stays


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("--width 50", (50, 38)),
        ("--height 45", (60, 45)),
        ("--width 40 --height 30", (40, 30)),
        ("--width 50 --height 37", (50, 37)),
        ("--width 50 --height 38", (50, 38)),
    ],
)
def test_a_width_or_a_height(tmp_path, capsys, options, size):
    Image.fromarray(levels(15, 20)).save(tmp_path / "a.png")
    status, out, err = run(
        capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", "bicubic", *options.split()
    )
    assert (status, err) == (0, "") and f"{size[0]} x {size[1]} pixels" in out
    assert Image.open(tmp_path / "b.png").size == size


def test_transparency_and_holes_follow_to_any_size(tmp_path):
    pixels, alpha = levels(12, 12), np.full((12, 12, 1), 255, np.uint8)
    alpha[:6] = 0
    write_picture(tmp_path / "a.png", Picture(pixels, alpha))
    upscale_file(tmp_path / "a.png", tmp_path / "b.png", str(random_model(tmp_path, channels="rgb")), 1.5)
    made = read_picture(tmp_path / "b.png").alpha
    assert made.shape == (18, 18, 1) and made[:7].max() == 0 and made[11:].min() == 255
    array = RNG.random((12, 12)).astype(np.float32)
    array[3, 4] = np.nan
    np.save(tmp_path / "a.npy", array)
    upscale_file(tmp_path / "a.npy", tmp_path / "b.npy", "bicubic", 2.5)
    hole = np.isnan(np.load(tmp_path / "b.npy"))
    rows, columns = np.nonzero(hole)
    assert (
        hole.shape == (30, 30) and set(rows) <= {7, 8, 9, 10} and set(columns) <= {10, 11, 12} and hole.any()
    )


def test_fits_grows_by_whole_numbers(tmp_path):
    from astropy.io import fits

    fits.PrimaryHDU(np.ones((6, 8), np.float32)).writeto(tmp_path / "a.fits")
    for more in ({"scale": 1.5}, {"width": 20}):
        with pytest.raises(ValueError, match="FITS images grow by whole numbers, .*; asked for x"):
            upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", "bicubic", **more)
    upscale_file(tmp_path / "a.fits", tmp_path / "b.fits", width=24)
    assert fits.getdata(tmp_path / "b.fits").shape == (18, 24) and names(tmp_path) == ["a.fits", "b.fits"]


# ---------------------------------------------------------------- a share of bicubic
@pytest.mark.parametrize("scale", [2, 3])
def test_blend_goes_from_the_model_to_bicubic(tmp_path, scale):
    np.save(tmp_path / "a.npy", RNG.random((10, 11, 3)).astype(np.float32))
    made = {}
    for blend in (0, 0.25, 1):
        upscale_file(
            tmp_path / "a.npy", tmp_path / f"{blend}.npy", str(random_model(tmp_path)), scale, blend=blend
        )
        made[blend] = np.load(tmp_path / f"{blend}.npy")
    np.testing.assert_array_equal(made[1], resize(np.load(tmp_path / "a.npy"), made[1].shape[:2], "bicubic"))
    tolerance = 1e-6 if scale == 2 else 0.02  # at x3 both are mixed at x4, and then reduced
    np.testing.assert_allclose(made[0.25], 0.75 * made[0] + 0.25 * made[1], atol=tolerance)
    assert np.abs(made[0] - made[1]).max() > 0.1


# ---------------------------------------------------------------- tiles
def test_tiles_follow_the_free_memory(monkeypatch):
    sides = {}
    for gigabytes in (0.05, 1, 4, 100):
        monkeypatch.setattr(memory, "free_memory", lambda gigabytes=gigabytes: int(gigabytes * 2**30))
        sides[gigabytes] = memory.tile_side(4)
        assert memory.tile_side(2) >= sides[gigabytes]
    assert sides[0.05] == 64 < sides[1] < sides[4] < sides[100] == 512
    assert sides[1] ** 2 * 16 * memory.BYTES_AN_OUTPUT_PIXEL <= 2**28
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert memory.tile_side(4) == 256


def test_this_system_says_how_much_memory_is_free():
    free = memory.free_memory()
    assert free is None or 2**20 < free < 2**50


def test_no_step_of_a_chain_sees_more_than_a_tile(tmp_path, monkeypatch):
    up, seen = Upscaler.load(random_model(tmp_path)), []
    network = Upscaler._network
    monkeypatch.setattr(Upscaler, "_network", lambda self, x: seen.append(x.shape) or network(self, x))
    Image.fromarray(levels(100, 90)).save(tmp_path / "a.png")
    upscale_file(tmp_path / "a.png", tmp_path / "b.png", str(tmp_path / "random.onnx"), 4, tile=64)
    margin = up.needs()["margin"]
    assert max(max(shape[:2]) for shape in seen) <= 64 + 2 * 2 * (margin + margin // 2 + 1)


# ---------------------------------------------------------------- models of others
class Foreign(torch.nn.Module):
    """Nearest neighbour as a convolution and a shuffle; `values` is what 1 is called."""

    def __init__(self, channels, scale, last, multiple=1, values=1.0):
        super().__init__()
        self.scale, self.last, self.multiple, self.values = scale, last, multiple, values
        self.conv = torch.nn.Conv2d(channels, channels * scale**2, 3, padding=1, bias=False)
        weight = torch.zeros_like(self.conv.weight)
        for out in range(len(weight)):
            weight[out, out // scale**2, 1, 1] = values
        self.conv.weight.data = weight

    def forward(self, x):
        x = x.permute(0, 3, 1, 2) if self.last else x
        if self.multiple > 1:  # there and back: sides that are no multiple fail
            x = torch.pixel_shuffle(torch.pixel_unshuffle(x, self.multiple), self.multiple)
        x = torch.pixel_shuffle(self.conv(x), self.scale)
        return x.permute(0, 2, 3, 1) if self.last else x


def foreign(path, channels=3, scale=2, last=False, fixed=False, **more):
    shape = (1, 32, 32, channels) if last else (1, channels, 32, 32)
    rows = 1 if last else 2
    free = {name: {rows: f"{name}_rows", rows + 1: f"{name}_columns"} for name in ("image", "large")}
    ends = {"input_names": ["image"], "output_names": ["large"], "dynamic_axes": None if fixed else free}
    torch.onnx.export(
        Foreign(channels, scale, last, **more), torch.rand(shape), str(path), **ends, dynamo=False
    )
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind", [{}, {"channels": 1}, {"last": True}, {"scale": 3}, {"multiple": 4}], ids=lambda kind: str(kind)
)
def test_a_model_without_a_card_is_tried_out(tmp_path, capsys, kind):
    path, scale = foreign(tmp_path / "other.onnx", **kind), kind.get("scale", 2)
    pixels = levels(37, 45)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    status, out, err = run(
        capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", path, "--scale", scale, "--tile", 32
    )
    assert status == 0 and "other" in out and err == ""
    made = np.asarray(Image.open(tmp_path / "b.png")).astype(int)
    assert made.shape == (37 * scale, 45 * scale, 3)
    if kind.get("channels") != 1:  # else colour is bicubic's
        np.testing.assert_array_equal(made, pixels.repeat(scale, 0).repeat(scale, 1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ({}, "", "has no card beside it; with --scale it is tried out without one"),
        ({"fixed": True}, "--scale 2", "its input is fixed to [1, 3, 32, 32]"),
        ({"scale": 1}, "--scale 2", "which is not larger by a whole number"),
        ({"values": 255.0}, "--scale 2", "seems to expect another range of values than 0 to 1"),
    ],
)
def test_a_model_that_cannot_be_used_without_a_card(tmp_path, capsys, kind, more, words):
    path = foreign(tmp_path / "other.onnx", **kind)
    Image.fromarray(levels(8, 9)).save(tmp_path / "a.png")
    status, out, err = run(capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", path, *more.split())
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1 and str(path) in err
    assert not (tmp_path / "b.png").exists()


def test_a_classifier_is_no_upscaler_even_without_its_card(tmp_path, capsys):
    from srutils import course

    (tmp_path / "c.onnx").write_bytes((course.models_dir() / "lens-classifier.onnx").read_bytes())
    Image.fromarray(levels(8, 9)).save(tmp_path / "a.png")
    status, _, err = run(
        capsys, tmp_path / "a.png", tmp_path / "b.png", "--model", tmp_path / "c.onnx", "--scale", 2
    )
    assert status == 2 and "cannot be used without a card" in err and err.count("\n") == 1


def test_a_model_that_was_written_anew_is_opened_anew(tmp_path):
    Image.fromarray(levels(8, 9)).save(tmp_path / "a.png")
    for scale in (2, 3):
        path = nearest_model(tmp_path, scale=scale, channels="rgb")
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        report = upscale_file(tmp_path / "a.png", tmp_path / f"{scale}.png", str(path))
        assert report.size == (8 * card["scale"], 9 * card["scale"]) == (8 * scale, 9 * scale)


# ---------------------------------------------------------------- JPEG
@pytest.mark.parametrize("quality", [20, 40, 75, 90, 95])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_quality_of_a_jpeg_is_read_from_its_table(tmp_path, quality, mode):
    Image.new(mode, (16, 16)).save(tmp_path / "a.jpg", quality=quality)
    assert abs(jpeg_quality(tmp_path / "a.jpg") - quality) < 3


def test_a_network_says_that_it_sharpens_compression(tmp_path):
    model = str(random_model(tmp_path, channels="rgb"))
    for name, options in (("40.jpg", {"quality": 40}), ("95.jpg", {"quality": 95}), ("a.png", {})):
        Image.fromarray(levels(16, 16)).save(tmp_path / name, **options)
    said = {}
    for name, upscaler in (("40.jpg", model), ("95.jpg", model), ("a.png", model), ("40.jpg", "bicubic")):
        report = upscale_file(tmp_path / name, tmp_path / "out.png", upscaler, 2, overwrite=True)
        said[name, report.model] = any("JPEG compression" in note for note in report.notes)
    assert [key for key, value in said.items() if value] == [("40.jpg", "random")] and len(said) == 4


# ---------------------------------------------------------------- progress
def test_without_a_terminal_a_line_now_and_then(monkeypatch, capsys):
    clock = iter(np.arange(0, 1000, 3.0))  # three seconds a tile
    monkeypatch.setattr(messages.time, "monotonic", lambda: next(clock))
    with messages.messages_on_stderr(bar=False):
        assert list(messages.counted(range(12), 12, "tile", bar=False)) == list(range(12))
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 4 and all(line.startswith("srutils: tile ") for line in lines)
    assert lines[0].endswith("of 12 is done")


def test_what_is_quick_shows_no_progress(capsys):
    with messages.messages_on_stderr(bar=False):
        list(messages.counted(range(50), 50, "tile", bar=False))
        logging.getLogger("srutils.upscale").info("a note")
        logging.getLogger("srutils.upscale").info("a note")
    assert capsys.readouterr().err == "srutils: a note\n"
