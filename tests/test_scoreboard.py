"""Scores against published figures, and against the protocols written out with Pillow and scikit-image."""

import numpy as np
import pytest
from pictures import save_picture
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srutils import course, metrics
from srutils.lensing import baselines, folders, simulator
from srutils.pairs import resize
from srutils.scoring import upscalers
from srutils.upscale.upscaler import Upscaler

PUBLISHED = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}  # bicubic on Set5, MATLAB, luma
FIGURES = {"psnr", "ssim", "mse", "lpips", "psnr_std", "ssim_std"}


@pytest.fixture
def photographs(tmp_path):
    """A folder of two small PNG files, one in colour; and what they hold."""
    y, x = np.mgrid[:47, :50] / 50
    colour = np.stack([np.sin(9 * x) ** 2, np.sin(7 * y + x) ** 2, np.cos(13 * x * y) ** 2], -1)
    grey = np.random.default_rng(0).random((33, 40, 1)) * 0.5 + y[:33, :40, None] / 2
    images = {"colour": np.round(colour * 255) / 255, "grey": np.round(grey * 255) / 255}
    for name, image in images.items():
        save_picture(tmp_path / f"{name}.png", image)
    return tmp_path, images


@pytest.mark.parametrize("scale", PUBLISHED)
def test_bicubic_on_set5_scores_what_was_published(scale):
    folder = course.find_data("Set5")
    if folder is None:
        pytest.skip("Set5 is not here: set SR_DATA to a folder that holds it, or run `srutils fetch set5`")
    result = upscalers.evaluate("bicubic", str(folder), scale)
    psnr, ssim = PUBLISHED[scale]
    assert result["n"] == 5 and result["protocol"] == "luma"
    assert result["psnr"] == pytest.approx(psnr, abs=0.005)
    assert result["ssim"] == pytest.approx(ssim, abs=0.0002)


def by_hand(hr, scale, protocol):
    """PSNR and SSIM of bicubic: Pillow on float planes, scikit-image's luma and metrics, peak 255."""
    height, width = (side // scale * scale for side in hr.shape[:2])
    hr = hr[:height, :width]

    def luma(image):
        return image[..., 0] * 255 if image.shape[-1] == 1 else rgb2ycbcr(image)[..., 0]

    def bicubic(plane, h, w):
        return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((w, h), Image.Resampling.BICUBIC))

    def round8(x):
        return np.clip(np.round(x), 0, 255)

    if protocol == "luma":
        target = round8(luma(hr))
        sr = round8(bicubic(bicubic(target, height // scale, width // scale), height, width))
    else:
        planes = np.moveaxis(hr * 255, -1, 0)
        low = [round8(bicubic(p, height // scale, width // scale)) for p in planes]
        sr = luma(np.stack([round8(bicubic(p, height, width)) for p in low], -1) / 255)
        target = luma(hr)
    a, b = (x[scale:-scale, scale:-scale].astype(float) for x in (target, sr))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return peak_signal_noise_ratio(a, b, data_range=255), structural_similarity(a, b, **options)


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("protocol", ["luma", "rgb8"])
def test_both_protocols_by_hand(photographs, scale, protocol):
    folder, images = photographs
    result = upscalers.evaluate("bicubic", str(folder), scale, protocol=protocol)
    psnr, ssim = np.array([by_hand(image, scale, protocol) for image in images.values()]).T
    assert result["psnr"] == pytest.approx(psnr.mean(), abs=0.02)  # a level may round the other way
    assert result["ssim"] == pytest.approx(ssim.mean(), abs=2e-4)
    assert result["psnr_std"] == pytest.approx(psnr.std(), abs=0.02)
    assert result["protocol"] == protocol and result["n"] == 2


def test_a_networks_protocol_is_rgb8():
    assert upscalers.photo_protocol(Upscaler.load("lanczos", 2)) == "luma"
    assert upscalers.photo_protocol(Upscaler("net", 2, {"channels": "rgb"})) == "rgb8"


def test_every_method_stands_beside_bicubic(photographs):
    folder, _ = photographs
    bicubic, nearest = (upscalers.evaluate(m, str(folder), 2) for m in ("bicubic", "nearest"))
    same = {"model", "data", "n", "scale", "protocol"}
    assert set(bicubic) == same | FIGURES | {"bicubic"} == set(nearest)
    assert (
        {k: bicubic[k] for k in FIGURES} | {"method": "bicubic"} == bicubic["bicubic"] == nearest["bicubic"]
    )
    assert nearest["psnr"] < nearest["bicubic"]["psnr"]
    assert upscalers.evaluate("nearest", str(folder), 2, n=1)["n"] == 1


def test_a_photograph_that_cannot_be_scored_is_named(tmp_path):
    save_picture(tmp_path / "fine.png", np.zeros((20, 20, 3)))
    save_picture(tmp_path / "tiny.png", np.zeros((3, 20, 3)))
    with pytest.raises(ValueError, match="tiny.png: hr is 3 x 20; expected at least 4 pixels a side"):
        upscalers.evaluate("bicubic", str(tmp_path), 4)
    with pytest.raises(ValueError, match="tiny.png: "):  # no room for SSIM's window
        upscalers.evaluate("bicubic", str(tmp_path), 2)
    np.save(tmp_path / "fine.npy", np.full((20, 20, 3), 200.0))
    with pytest.raises(ValueError, match="fine.npy: values run from 200 to 200; expected 0 to 1"):
        upscalers.evaluate("bicubic", str(tmp_path), 2)


def test_arguments_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="unknown protocol 'y'; expected luma or rgb8"):
        upscalers.score_photo(Upscaler.load("bicubic", 2), np.zeros((20, 20, 3)), "y")
    with pytest.raises(ValueError, match="a protocol .* is for photographs"):
        upscalers.evaluate("bicubic", "telescope", 2, protocol="luma")
    with pytest.raises(
        ValueError, match="wiener knows the instruments of the telescope track only; got 'deeplense'"
    ):
        upscalers.evaluate("wiener", "deeplense", 2)
    with pytest.raises(ValueError, match="n is 0; expected at least 1"):
        upscalers.evaluate("bicubic", "telescope", 2, n=0)
    with pytest.raises(FileNotFoundError, match="no image in"):
        upscalers.evaluate("bicubic", str(tmp_path), 2)


# ---------------------------------------------------------------- lenses
@pytest.fixture(scope="module")
def deeplense():
    return simulator.simulate("deeplense", 60, scale=2, seed=0, split="test")


def test_bicubic_on_deeplense_agrees_with_the_reports(deeplense, monkeypatch):
    def simulate(track, n, **options):  # the same lenses without a second simulation
        assert (track, n, options) == ("deeplense", 60, {"scale": 2, "seed": 0, "split": "test"})
        return deeplense

    monkeypatch.setattr(simulator, "simulate", simulate)
    # Reported on the original files: 41.61 dB, .9746, MSE 6.97e-5; the best networks reach 42.37 dB, the
    # ceiling.
    result = upscalers.evaluate("bicubic", "deeplense", 2, n=60)
    assert 41.2 < result["psnr"] < 41.75 and 0.970 < result["ssim"] < 0.977
    assert result["bicubic"]["method"] == "bicubic-torch" and result["model"] == "bicubic"
    assert result["bicubic"]["psnr"] == result["psnr"]
    oracle = metrics.psnr(baselines.oracle(deeplense), deeplense.hr).mean()
    assert 0.6 < oracle - result["psnr"] < 0.9
    assert metrics.psnr(deeplense.truth, deeplense.hr).mean() < result["psnr"]  # noise-free, and yet below


def test_which_bicubic_matters_on_deeplense(deeplense):
    pillow = upscalers.evaluate_lenses(Upscaler.load("bicubic", 2), deeplense)
    expected = metrics.psnr(resize(deeplense.lr, (150, 150)), deeplense.hr).mean()
    assert pillow["psnr"] == pytest.approx(expected, abs=1e-9)  # evaluate_lenses scores what it is given,
    assert (
        pillow["psnr"] - pillow["bicubic"]["psnr"] > 0.2
    )  # and the baseline is still that test's own bicubic


@pytest.mark.parametrize(("scale", "psnr"), [(2, 38.32), (4, 30.16)])
def test_bicubic_on_telescope(scale, psnr):
    result = upscalers.evaluate("bicubic", "telescope", scale, n=100)
    assert result["psnr"] == pytest.approx(psnr, abs=0.3)  # the spread is 2 dB, so 0.2 dB for a hundred
    assert result["n"] == 100 and result["seed"] == 0 and result["bicubic"]["method"] == "bicubic"


def test_telescope_is_scored_against_the_noise_free_scene():
    pairs = simulator.simulate("telescope", 6, seed=4)
    up = Upscaler.load("lanczos", 2)
    result = upscalers.evaluate_lenses(up, pairs)
    expected = metrics.lens_scores(up(pairs.lr), pairs.truth)
    for key in ("psnr", "ssim", "mse"):
        assert result[key] == pytest.approx(expected[key].mean(), rel=1e-9)
    assert result["psnr_std"] == pytest.approx(expected["psnr"].std(), rel=1e-9)
    assert upscalers.evaluate("lanczos", "telescope", 2, n=6, seed=4)["psnr"] == pytest.approx(
        result["psnr"], rel=1e-9
    )


def test_the_seed_decides():
    first, again, other = (upscalers.evaluate("bicubic", "telescope", 4, n=3, seed=s) for s in (5, 5, 6))
    assert first == again and first["psnr"] != other["psnr"]


def test_a_folder_of_lenses_is_scored_as_the_lenses_are(tmp_path):
    lenses = simulator.simulate("telescope", 6, scale=2, seed=3)
    folders.save_pairs(lenses, tmp_path / "lenses")
    folder = str(tmp_path / "lenses")
    ours, theirs = (
        upscalers.evaluate("lanczos", folder, 2),
        upscalers.evaluate_lenses(Upscaler.load("lanczos", 2), lenses),
    )
    assert ours["n"] == 6 and ours["psnr"] == pytest.approx(theirs["psnr"], abs=1e-6)
    assert ours["bicubic"]["psnr"] == pytest.approx(theirs["bicubic"]["psnr"], abs=1e-6)
    with pytest.raises(ValueError, match="holds pairs of scale 2; asked for 4"):
        upscalers.evaluate("lanczos", folder, 4)
