"""Blur, noise, JPEG, and the random chains of them that make LR as nobody knows how."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from srutils import degradations
from srutils.pairs import degrade, resize
from srutils.recipes import data, feeds, register
from srutils.recipes.settings import Settings

CHAINS = [degradations.draw(4, np.random.default_rng(seed)) for seed in range(300)]


def smooth(side=64, channels=3, seed=0):
    """A smooth picture."""
    return resize(np.random.default_rng(seed).random((9, 9, channels), np.float32), (side, side)).clip(0, 1)


def test_a_round_blur_is_scipys():
    image = np.random.default_rng(0).random((40, 30, 3), np.float32)
    expected = gaussian_filter(image, (2, 2, 0), mode="nearest", radius=6)
    assert np.abs(degradations.blur(image, (2.0, 2.0), 0.7) - expected).max() < 1e-5


@pytest.mark.parametrize("axis", [0, 1])
def test_a_long_blur_has_its_direction(axis):
    image = np.zeros((41, 41, 1), np.float32)
    image[20, 20] = 1
    spot = degradations.blur(image, (3.0, 1.0), axis * np.pi / 2)[..., 0]
    widths = [((spot.sum(1 - k) * (np.arange(41) - 20) ** 2).sum()) ** 0.5 for k in (0, 1)]
    assert widths[axis] == pytest.approx(3, rel=0.05) and widths[1 - axis] == pytest.approx(1, rel=0.05)


def test_noise_has_its_strength_and_grey_noise_no_colour():
    rng, flat = np.random.default_rng(0), np.full((200, 200, 3), 0.5, np.float32)
    for grey in (False, True):
        found = degradations.noise(flat, 0.1, rng, grey) - flat
        assert found.std() == pytest.approx(0.1, rel=0.02)
        assert (np.ptp(found, axis=-1).max() < 1e-6) == grey


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_gives_what_pillow_reads_from_such_a_file(channels):
    image, file = smooth(channels=channels), io.BytesIO()
    levels = np.rint(image * 255).astype(np.uint8)
    Image.fromarray(levels if channels == 3 else levels[..., 0]).save(file, "jpeg", quality=40)
    expected = np.asarray(Image.open(file)).reshape(image.shape)
    assert (degradations.jpeg(image, 40) * 255 == expected).all()


def test_colour_at_full_resolution_loses_less():
    image = np.random.default_rng(0).random((32, 32, 3), np.float32)
    half, full = (np.abs(degradations.jpeg(image, 90, colour) - image).mean() for colour in (False, True))
    assert full < 0.5 * half


@pytest.mark.parametrize("quality", [0, 96])
def test_jpeg_refuses_a_quality_that_is_none(quality):
    with pytest.raises(ValueError, match=f"quality is {quality}; expected 1 to 95"):
        degradations.jpeg(smooth(), quality)


def test_every_chain_makes_lr_once_and_a_size_on_the_way_comes_before():
    names = [[name for name, *_ in steps] for steps in CHAINS]
    assert all(steps.count("to LR") == 1 for steps in names)
    assert all(steps.index("resize") < steps.index("to LR") for steps in names if "resize" in steps)


def test_blur_and_noise_come_in_either_order_and_either_may_be_missing():
    pairs = {tuple(name for name, *_ in steps if name in ("blur", "noise")) for steps in CHAINS}
    assert pairs == {(), ("blur",), ("noise",), ("blur", "noise"), ("noise", "blur")}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_spoiled_picture_has_lrs_size_and_256_levels(scale):
    for seed in range(20):
        lr = degradations.spoil(smooth(12 * scale)[:, : 6 * scale], scale, np.random.default_rng(seed))
        assert lr.shape == (12, 6, 3) and lr.dtype == np.float32
        assert np.abs(lr * 255 - np.rint(lr * 255)).max() < 1e-4 and lr.min() >= 0 and lr.max() <= 1


def test_a_spoiled_picture_stays_where_it_was():
    """No chain moves a picture: of all shifts of the bicubic LR, none fits better than the one by nothing."""
    hr = smooth(96)
    clean = degrade(hr, 4)
    spoiled = np.mean([degradations.spoil(hr, 4, np.random.default_rng(seed)) for seed in range(40)], axis=0)

    def distance(dy, dx):
        moved = np.roll(clean, (dy, dx), (0, 1))
        return np.square(moved - spoiled)[2:-2, 2:-2].mean()

    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert min(shifts, key=lambda shift: distance(*shift)) == (0, 0)
    left, right = distance(0, -1), distance(0, 1)
    assert abs(left - right) < 0.15 * (left + right)


def test_sides_that_the_scale_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="hr is 30 x 32; expected sides that are multiples of the scale, 4"):
        degradations.spoil(smooth(32)[:30], 4, np.random.default_rng(0))


# ---------------------------------------------------------------- the feed of `srutils train real-photo-x4`
class Plain(feeds.Feed):
    """Pairs of smooth pictures, the same in every batch."""

    size = 40

    def batch(self, k):
        hr = np.stack([smooth(32, seed=seed) for seed in range(self.size)])
        return np.stack([degrade(image, 4) for image in hr]), hr


def test_a_batch_keeps_its_share_of_clean_patches_and_hr_as_it_is():
    (lr, hr), (clean, target) = (
        feeds.SpoiledPhotos(Plain(), {"clean": 0.25, "jpeg": 0.25}).batch(3),
        Plain().batch(3),
    )
    untouched = (lr == clean).all((1, 2, 3)).mean()
    assert 0.1 <= untouched <= 0.4 and (hr == target).all()


def test_a_batch_depends_on_its_number_and_the_seed_alone():
    def batch(k, seed):
        return feeds.SpoiledPhotos(Plain(), {"clean": 0.0, "jpeg": 0.0}, seed).batch(k)[0]

    again = batch(5, 1)
    assert (again == batch(5, 1)).all()
    assert not (again == batch(6, 1)).all() and not (again == batch(5, 2)).all()


# ---------------------------------------------------------------- the recipe
@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twenty smooth photographs, and a cache of the test's own."""
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    for seed in range(20):
        levels = np.rint(255 * smooth(32, seed=seed)).astype(np.uint8)
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(levels).save(tmp_path / f"photos/{seed}.png")
    return tmp_path / "photos"


def test_what_is_scored_is_spoiled_once_for_all_and_what_is_learned_from_is_not(folder):
    clean = data.photographs(folder, 4)
    first, second = (data.spoiled(clean, {"clean": 0.0, "jpeg": 0.5}) for _ in range(2))
    assert first.fingerprint == second.fingerprint != clean.fingerprint
    for part in ("val", "test"):
        before, after = (getattr(one, part) for one in (clean, first))
        assert all((a == b).all() for a, b in zip(before[1], after[1], strict=True))
        assert not any((a == b).all() for a, b in zip(before[0], after[0], strict=True))
    assert all((a == b).all() for a, b in zip(clean.train[0], first.train[0], strict=True))
    assert "LR spoiled by random blur, resizing, noise and JPEG" in first.says


def test_the_recipe_begins_with_the_network_that_knows_clean_photographs(folder, tmp_path, monkeypatch):
    torch, srresnet = pytest.importorskip("torch"), pytest.importorskip("srutils.recipes.srresnet")
    recipe, begin = register.find("real-photo-x4"), tmp_path / "begin.pt"
    assert recipe.options["start"] == "srresnet-photo-x4"
    small = recipe.options | {"width": 4, "blocks": 1, "batch": 2, "patch": 8, "start": str(begin)}
    torch.save(srresnet.build(small, (4,)).state_dict(), begin)
    monkeypatch.setattr(srresnet, "deliver", lambda run, trainer, parts, **facts: (run.start.name, run.steps))
    monkeypatch.chdir(tmp_path)
    settings = Settings(recipe.name, steps=2, device="cpu", data=folder)
    assert srresnet.run(settings, replace(recipe, options=small)) == ("begin", 2)
