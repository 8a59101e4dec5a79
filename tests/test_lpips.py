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
def test_the_network_in_pytorch_is_the_one_in_the_file(cat):
    """It judges as ONNX Runtime does, each picture of a batch for itself; its slope is finite everywhere."""
    torch = pytest.importorskip("torch")
    from srutils.networks.lpips import Lpips

    noisy = (cat + np.random.default_rng(0).normal(0, 0.1, cat.shape).astype(np.float32)).clip(0, 1)
    soft = resize(degrade(cat, 4), cat.shape[:2]).clip(0, 1)
    parts = np.s_[:, :127, :158]  # no multiple of anything
    sr, hr = np.stack([noisy, soft])[parts], np.stack([cat, cat])[parts]
    sr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_() for x in (sr, hr))
    network = Lpips.load(course.find_data(perceptual.FILE))
    found = network(sr, hr)
    expected = [perceptual.lpips(image[:127, :158], cat[:127, :158]) for image in (noisy, soft)]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4)
    flat = torch.full((1, 3, 40, 40), 0.5, requires_grad=True)
    (network(flat, hr[:1, :, :40, :40]) + found.sum()).sum().backward()
    assert all(torch.isfinite(x.grad).all() and x.grad.abs().max() > 0 for x in (sr, flat))
    assert hr.grad is None and not any(p.requires_grad for p in network.parameters())


@needs_network
def test_a_generator_can_be_told_to_look_alike(cat):
    """The content loss of SRGAN's recipe: nothing for equal pictures; its slope leads towards HR's look."""
    torch = pytest.importorskip("torch")
    from srutils.recipes.srgan import looks_alike

    torch.manual_seed(0)
    content = looks_alike(course.find_data(perceptual.FILE))
    soft = resize(degrade(cat, 4), cat.shape[:2])
    sr, hr = (torch.from_numpy(x).permute(2, 0, 1)[None].contiguous() for x in (soft, cat))
    assert float(content(None, hr, hr)) == 0
    sr.requires_grad_()
    adam = torch.optim.Adam([sr], 3e-3)
    before = perceptual.lpips(soft, cat)
    for _ in range(15):
        adam.zero_grad()
        content(None, sr, hr).backward()
        adam.step()
    assert perceptual.lpips(sr.detach()[0].permute(1, 2, 0).numpy(), cat) < 0.7 * before


def test_another_network_is_not_taken_for_lpips():
    pytest.importorskip("torch")
    from srutils.networks.lpips import Lpips

    with pytest.raises(ValueError, match="is not LPIPS with SqueezeNet"):
        Lpips.load(course.models_dir() / "srresnet-photo-x4.onnx")


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
