"""Lesson 05: its patches fit each other; and the model files of SRResNet and SRGAN that ship.

What the recipes do is tested in test_recipe_srresnet.py.
"""

import hashlib
import json
import math

import numpy as np
import pytest
import torch

from srutils.lensing import baselines, simulator
from srutils.networks.srresnet import SRResNet
from srutils.recipes.torch_files import weights_of
from srutils.scoring import upscalers
from srutils.upscale.upscaler import Upscaler
from tools.lesson_code import load
from tools.project import ROOT, SCRIPTS


def test_patches_of_the_lesson_show_the_same_piece_of_sky():
    lesson, lenses = load(SCRIPTS / "05_srgan.py"), simulator.simulate("deeplense", 3)
    data = lesson.to_torch(lenses.lr), lesson.to_torch(lenses.hr)
    lr, hr = lesson.batch(data, np.random.default_rng(0), n=5, size=20)
    assert lr.shape == (5, 1, 20, 20) and hr.shape == (5, 1, 40, 40)
    half = baselines.bicubic_matrix(40)
    again = half @ hr[:, 0].numpy() @ half.T
    np.testing.assert_allclose(again[:, 1:-1, 1:-1], lr[:, 0, 1:-1, 1:-1], atol=1e-5)


# ---------------------------------------------------------------- shipped files
TASKS = ("deeplense-x2", "telescope-x2", "telescope-x4", "photo-x4")
SHIPPED = [f"{kind}-{task}" for kind in ("srresnet", "srgan") for task in TASKS]
SHIPPED += ["srresnet-photo-x2", "srresnet-photo-x3"]
SHIPPED += ["srresnet-small-photo-x4", "srresnet-telescope-blind-x2"]
MODELS = ROOT / "data" / "models"
EVERY_MODEL = pytest.mark.parametrize("name", SHIPPED)


def network_of(name):
    """The network of a model file, of the size that its weights have."""
    weights = weights_of(MODELS / f"{name}.onnx")
    blocks = len({key.split(".")[1] for key in weights if key.startswith("blocks.")})
    width, channels = weights["head.weight"].shape[:2]
    skip = "bicubic" if "telescope" in name else "nearest"
    network = SRResNet(card_of(name)["scale"], channels, width, blocks, skip)
    network.load_state_dict(weights)
    return network


def card_of(name):
    return json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8"))


def test_every_model_is_here():
    here = {path.name for path in MODELS.glob("sr[rg]*-*")}
    assert here == {f"{name}.{end}" for name in SHIPPED for end in ("json", "onnx")}


@EVERY_MODEL
def test_a_shipped_model_and_its_card(name):
    card, (*_, scale) = card_of(name), name.split("-")
    track = next(track for track in ("photo", "deeplense", "telescope") if track in name)
    photo = track == "photo"
    assert (card["name"], f"x{card['scale']}", card["input"]) == (name, scale, "lr")
    assert card["channels"] == ("rgb" if photo else "gray")
    assert card["task"] == ("photographs" if photo else "lenses")
    assert card["precision"] in ("float32", "bf16", "fp16")
    assert card["framework"].startswith("PyTorch ")
    for key in ("steps", "seconds", "batch", "patch", "processes", "parameters", "receptive_field"):
        assert isinstance(card[key], int) and card[key] > 0, key
    for key in ("data", "recipe", "hardware", "commit"):
        assert isinstance(card[key], str) and card[key], key
    assert card["onnx_max_difference"] < 1e-4 and card["seed"] == 0
    assert card["sha256"] == hashlib.sha256((MODELS / f"{name}.onnx").read_bytes()).hexdigest()
    data, n = ("Set5", 5) if photo else (f"{track} test", 1000)
    if "blind" in name:
        data, n = "other telescopes test", 300
    for scores in card["metrics"].values():
        for figures in (scores, scores["bicubic"]):
            assert all(math.isfinite(figures[key]) for key in ("psnr", "ssim", "mse"))
    assert card["metrics"][data]["n"] == n
    network = network_of(name)  # it is the network that the lesson builds
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    lr = np.random.default_rng(0).random((1, 9, 14, 3 if photo else 1), np.float32)
    margin = 32 if photo else 0  # beyond its edges a photograph goes on; a lens lies in the dark
    around = np.pad(lr, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    inner = slice(margin * card["scale"], -margin * card["scale"] or None)
    with torch.inference_mode():
        sr = (
            network(torch.from_numpy(around).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()[:, inner, inner]
        )
    assert card.get("edges", "zero") == ("repeat" if photo else "zero")
    np.testing.assert_allclose(Upscaler.load(MODELS / f"{name}.onnx")(lr), sr, atol=1e-4)


@EVERY_MODEL
def test_a_shipped_model_leaves_no_seam(name):
    up = Upscaler.load(MODELS / f"{name}.onnx")
    image = np.random.default_rng(0).random((61, 40, 3 if up.card["channels"] == "rgb" else 1), np.float32)
    np.testing.assert_allclose(up(image, tile=24), up(image, tile=64), atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_srgan_says_where_it_started_and_is_near(task):
    card, start = card_of(f"srgan-{task}"), f"srresnet-{task}"
    assert start in str(card["start"])
    assert set(card["losses"]) == {"pixel", "content", "adversarial"} and card["losses"]["adversarial"] > 0
    assert {"width", "gain"} <= set(card["discriminator"])
    assert "losses" not in card_of(start)
    assert not task.startswith("telescope") or "truth" in card["data"]
    begun = card["start"]
    if isinstance(begun, dict) and begun["sha256"] != card_of(start)["sha256"]:
        return  # SRResNet was trained on since, and the card says from which it came
    sharp, faithful = (weights_of(MODELS / f"{name}.onnx") for name in (f"srgan-{task}", start))
    away = sum(float((sharp[k] - faithful[k]).square().sum()) for k in faithful)
    assert 0 < away < 0.1 * sum(float(w.square().sum()) for w in faithful.values())


def test_srgan_for_photographs_looks_like_hr_more_than_its_start():
    """LPIPS was its teacher, too, and the card says so; what is asked for is .10."""
    sharp, faithful = (card_of(f"{kind}-photo-x4") for kind in ("srgan", "srresnet"))
    assert "LPIPS" in sharp["content"] and sharp["metrics"]["Set5"]["lpips"] <= 0.10
    assert sharp["metrics"]["Set5"]["psnr"] < faithful["metrics"]["Set5"]["psnr"]
    for name in ("validation", "test"):
        ours, bicubic = sharp["metrics"][name], sharp["metrics"][name]["bicubic"]
        assert ours["lpips"] < 0.7 * bicubic["lpips"]


@pytest.mark.parametrize(
    ("name", "data", "figure", "least"),
    [
        ("srgan-deeplense-x2", "deeplense test", "psnr", 40.5),
        ("srgan-deeplense-x2", "deeplense test", "ssim", 0.96),
        ("srresnet-telescope-x2", "telescope test", "psnr", 56.0),
        ("srresnet-telescope-x4", "telescope test", "psnr", 51.0),
        ("srresnet-photo-x2", "Set5", "psnr", 37.5),
        ("srresnet-photo-x3", "Set5", "psnr", 33.7),
        ("srresnet-photo-x4", "Set5", "psnr", 31.5),
    ],
)
def test_what_the_shipped_models_must_reach(name, data, figure, least):
    assert card_of(name)["metrics"][data][figure] >= least


@pytest.mark.parametrize(("track", "scale", "gain"), [("deeplense", 2, 0.7), ("telescope", 4, 5.0)])
def test_by_how_much_srresnet_must_beat_bicubic(track, scale, gain):
    scores = card_of(f"srresnet-{track}-x{scale}")["metrics"][f"{track} test"]
    assert scores["psnr"] >= scores["bicubic"]["psnr"] + gain


def test_srresnet_beats_the_shallow_network_on_telescope_lenses():
    ours, shallow = (card_of(f"{kind}-telescope-x2")["metrics"] for kind in ("srresnet", "superrescnn"))
    assert ours["telescope test"]["psnr"] > shallow["telescope test"]["psnr"]


def test_srresnet_reaches_the_oracle_on_deeplense():
    lenses = simulator.simulate("deeplense", 60, split="test")
    up = Upscaler.load(MODELS / "srresnet-deeplense-x2.onnx")
    ours = upscalers.evaluate_lenses(up, lenses)["psnr"]
    oracle = np.mean(-10 * np.log10(np.mean((baselines.oracle(lenses) - lenses.hr) ** 2, (1, 2, 3))))
    assert oracle - 0.05 <= ours <= oracle
    assert ours == pytest.approx(up.card["metrics"]["deeplense test"]["psnr"], abs=0.4)
