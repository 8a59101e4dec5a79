"""LPIPS: equal pictures are at distance 0, worse ones further away; where the network is not there, None."""

import numpy as np
import pytest

from srutils import course
from srutils.fetch.register import DATASETS
from srutils.files.atomic import file_sha256
from srutils.pairs import degrade, resize
from srutils.scoring import perceptual

needs_network = pytest.mark.skipif(
    course.find_data(perceptual.FILE) is None,
    reason="LPIPS is not here: set SR_DATA, or `srutils fetch lpips`",
)


@pytest.fixture(scope="module")
def cat():
    from skimage import data

    return data.chelsea()[60:188, 100:260].astype(np.float32) / 255


@needs_network
def test_the_further_a_picture_is_from_another_the_larger_it_is(cat):
    def blurred(scale):
        return resize(degrade(cat, scale), cat.shape[:2]).clip(0, 1)

    found = [perceptual.lpips(sr, cat) for sr in (cat, blurred(2), blurred(4))]
    assert found[0] == pytest.approx(0, abs=1e-6) and 0.01 < found[1] < found[2] < 0.6


@needs_network
def test_parts_of_a_large_picture_are_weighted_by_their_area(cat, monkeypatch):
    noisy = cat + np.random.default_rng(0).normal(0, 0.1, cat.shape).astype(np.float32)
    monkeypatch.setattr(perceptual, "SIDE", 96)
    top = [perceptual.lpips(noisy[:64, a:b], cat[:64, a:b]) for a, b in ((0, 80), (80, 160))]
    low = [perceptual.lpips(noisy[64:, a:b], cat[64:, a:b]) for a, b in ((0, 80), (80, 160))]
    assert perceptual.lpips(noisy, cat) == pytest.approx(np.mean(top + low), rel=1e-6)


@needs_network
def test_grey_is_judged_as_a_colour_picture_of_three_equal_channels(cat):
    grey, worse = cat[..., 1:2], resize(degrade(cat[..., 1:2], 4), cat.shape[:2])
    three = [np.repeat(image, 3, -1) for image in (worse, grey)]
    assert perceptual.lpips(worse, grey) == pytest.approx(perceptual.lpips(*three), rel=1e-6)


@needs_network
def test_the_file_is_the_one_that_fetch_gets():
    (remote,) = DATASETS["lpips"].files
    assert file_sha256(course.find_data(perceptual.FILE)) == remote.sha256
    assert DATASETS["lpips"].lack(course.find_data("lpips")) is None


def test_where_it_is_not_there_nothing_is_claimed(cat, monkeypatch):
    monkeypatch.setattr(perceptual, "find_data", lambda name: None)
    assert perceptual.lpips(cat, cat) is None
    with pytest.raises(ValueError, match="expected the same shape"):
        perceptual.lpips(cat, cat[1:])


def test_another_file_of_that_name_is_refused(tmp_path):
    assert "there is no lpips_sq.onnx" in DATASETS["lpips"].lack(tmp_path)
    (tmp_path / "lpips_sq.onnx").write_bytes(b"x")
    assert "not the published file" in DATASETS["lpips"].lack(tmp_path)
