"""Which network a picture gets when none is named, by what its file says of its compression."""

import numpy as np
import pytest
from PIL import Image

from srutils import course
from srutils.upscale.choice import SPOILED, default_models
from srutils.upscale.files import upscale_file
from srutils.upscale.jpeg import compression
from srutils.upscale.upscaler import model_cards

KINDS = {  # file name -> options of Pillow, and what is said of its compression
    "40.jpg": ({"quality": 40}, "JPEG of quality 40"),
    "95.jpg": ({"quality": 95}, None),
    "lossy.webp": ({"quality": 60}, "WebP with loss"),
    "exact.webp": ({"lossless": True}, None),
    "profile.webp": ({"quality": 60, "icc_profile": b"x" * 301}, "WebP with loss"),
    "a.png": ({}, None),
}
ROWS = course.experiment("jpeg_quality")["rows"]
FILES = [  # scale and what happened to the file; blur and noise leave no trace that could be read
    (row["scale"], row["condition"])
    for row in ROWS
    if row["model"] == "bicubic" and row["condition"].split()[0] in ("clean", "JPEG", "WebP")
]


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8))


@pytest.mark.parametrize("name", KINDS)
def test_what_a_file_says_of_its_compression(tmp_path, picture, name):
    options, said = KINDS[name]
    picture.save(tmp_path / name, **options)
    assert compression(tmp_path / name) == said


@pytest.mark.parametrize("name", ["40.jpg", "95.jpg", "lossy.webp", "a.png"])
def test_a_compressed_picture_gets_the_network_that_knows_such_and_it_is_said(tmp_path, picture, name):
    options, said = KINDS[name]
    picture.save(tmp_path / name, **options)
    report = upscale_file(tmp_path / name, tmp_path / "large.png")
    assert (report.model == SPOILED) == (said is not None)
    assert (
        said is None or f"for a picture in {said}, whose traces it was trained to remove" in report.notes[0]
    )
    assert len(report.notes) == 1


def test_smaller_and_larger_scales_begin_with_it_too():
    (twice,) = default_models(False, 2)
    assert default_models(False, 1.5, True) == default_models(False, 3, True) == [SPOILED]
    assert default_models(False, 8, True) == [SPOILED, twice]
    assert default_models(True, 4, True) == default_models(False, 9, True) == ["bicubic"]


def test_a_compressed_picture_gets_the_usual_network_where_that_one_is_missing(monkeypatch):
    from srutils.upscale import choice

    others = [card for card in model_cards() if card["name"] != SPOILED]
    monkeypatch.setattr(choice, "model_cards", lambda: others)
    assert default_models(False, 4, True) == default_models(False, 4)


def measured(scale, condition, model):
    return next(r for r in ROWS if (r["scale"], r["condition"], r["model"]) == (scale, condition, model))


@pytest.mark.parametrize(("scale", "condition"), FILES)
def test_the_default_is_ahead_of_bicubic_whatever_the_compression(scale, condition):
    """As measured: data/experiments/jpeg_quality.json."""
    compressed = condition not in ("clean", "JPEG 95")
    (name,) = default_models(False, scale, compressed)
    default, bicubic = (measured(scale, condition, model) for model in (name, "bicubic"))
    assert default["psnr"] > bicubic["psnr"] + 0.3
    if compressed:
        assert default["roughness"] < 1.3 * bicubic["roughness"]
