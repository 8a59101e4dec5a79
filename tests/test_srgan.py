"""Lesson 05's own code: exact restarts, several processes, the sum of three losses, and the files that ship.

Run as a script, this file is one process of a tiny training run; tests below start, kill and compare such.
"""

import copy
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from srutils import course
from srutils.lensing import baselines, simulator
from srutils.pairs import resize
from srutils.scoring import upscalers
from srutils.upscale.upscaler import Upscaler
from tools.lesson_code import load

ROOT = Path(__file__).resolve().parents[1]
LESSON = ROOT / "notebooks" / "scripts" / "05_srgan.py"
SUM = {"pixel": 3.0, "content": 0.2, "adversarial": 0.1}
STEPS, EVERY = 12, 4


@pytest.fixture(scope="module")
def lesson():
    return load(LESSON)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test has a cache of its own, computes on the CPU in float32, and needs no data."""
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    for name in ("SR_DATA", "SR_TRACKER", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(course, "device", lambda: "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for networks as small as these, more only wait for each other
    yield
    torch.set_num_threads(threads)


def little_data():
    """Six smooth images of 32 px to learn from and two to validate with; LR is half as large."""
    hr = resize(np.random.default_rng(1).random((8, 9, 9, 1), np.float32), (32, 32))
    lr = resize(hr, (16, 16))
    return lr[:6], hr[:6], lr[6:], hr[6:]


def little_run(lesson, name, weights=None, content_loss=None):
    """A run as the lesson's, against a discriminator if the losses have weights; and its update."""
    course.seed_everything(0)
    network = lesson.SRResNet(2, 1, 8, 1)
    if weights is None:
        return lesson.Run(name, network, STEPS, 2e-3), lesson.pixel_update(F.mse_loss)
    run = lesson.Run(name, network, STEPS, 2e-3, 6e-3, discriminator=lesson.Discriminator(1, 4, 20.0))
    return run, lesson.adversarial_update(F.mse_loss, weights, content_loss or lesson.matched_features)


GAMES = {"pixel": None, "adversarial": {**SUM, "content": 0.0}, "content": SUM}


def little_training(lesson, name, weights, content_loss=None):
    """What a run has made of its networks, and what they were before."""
    run, update = little_run(lesson, name, weights, content_loss)
    networks = {"generator": run.generator, "average": run.average.module}
    networks |= {} if weights is None else {"judge": run.discriminator}
    state = lambda network: copy.deepcopy(run.accelerator.unwrap_model(network).state_dict())  # noqa: E731
    before = {key: state(network) for key, network in networks.items()}
    lesson.train(run, little_data(), update, patch=12, batch=4, every=EVERY)
    after = {key: state(network) for key, network in networks.items()}
    return {"before": before, "after": after, "processes": run.accelerator.num_processes}


# ---------------------------------------------------------------- restarts
def start(folder, name, die_at=0):
    """A process of its own that trains `name` with its files under `folder`."""
    environment = {**os.environ, "SR_CACHE": str(folder), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, __file__, str(LESSON), name, str(die_at)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def dies(content_loss, step):
    """The same loss, but its call number `step` kills the process, halfway through that training step."""
    calls = iter(range(1, 10**6))

    def loss(*arguments):
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return content_loss(*arguments)

    return loss


def same(a, b, path="state"):
    """Fail, naming the place, unless two states are equal bit for bit."""
    if isinstance(a, torch.Tensor | np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all()), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            same(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{path}/{i}")
    else:
        assert a == b, path


def saved(folder):
    """All that a finished run wrote, by file name."""
    from safetensors.torch import load_file

    files = {path.name: path for path in folder.iterdir()}
    read = lambda path: torch.load(path, map_location="cpu", weights_only=False)  # noqa: E731
    return {name: load_file(p) if p.suffix == ".safetensors" else read(p) for name, p in files.items()}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_run_killed_between_its_two_networks_ends_with_the_same_weights(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    unbroken, killed = start(whole, "content"), start(broken, "content", die_at=7)
    said = unbroken.communicate()[0]
    assert unbroken.returncode == 0, said
    said = killed.communicate()[0]
    assert killed.returncode == -signal.SIGKILL, said
    folder = next(broken.rglob("step-*")).parent
    assert [path.name for path in folder.iterdir()] == ["step-0000004"]
    shutil.copytree(folder / "step-0000004", folder / "next")  # as a kill while saving leaves it
    (folder / "next" / "optimizer.bin").write_bytes(b"half a fi")
    resumed = start(broken, "content")
    said = resumed.communicate()[0]
    assert resumed.returncode == 0, said
    states = []
    for root in (whole, broken):
        (folder,) = root.rglob("step-*")  # the last one alone is kept
        assert folder.name == f"step-{STEPS:07d}"
        states.append(saved(folder))
        assert not (folder.parent / "next").exists()
    names = {
        f"{kind}{i}.{end}"
        for i in ("", "_1")
        for kind, end in (("model", "safetensors"), ("optimizer", "bin"))
    }
    names |= {"custom_checkpoint_0.pkl", "custom_checkpoint_1.pkl", "random_states_0.pkl"}  # average, records
    assert set(states[0]) == names
    for state in states:
        records = state["custom_checkpoint_1.pkl"]
        assert records["step"] == STEPS and [row["step"] for row in records["rows"]] == [4, 8, 12]
        for row in records["rows"]:
            assert row.pop("seconds") > 0 and row.pop("waited") >= 0  # these differ, of course
    same(*states)


def test_each_record_reaches_the_tracker(lesson, monkeypatch):
    run, update = little_run(lesson, "records")
    logged = []
    monkeypatch.setattr(run.accelerator, "log", lambda row, step: logged.append((step, dict(row))))
    lesson.train(run, little_data(), update, patch=12, batch=4, every=5)
    assert run.accelerator.trackers == []  # there are none unless SR_TRACKER names one
    assert [step for step, _ in logged] == [5, 10, 12] and [row for _, row in logged] == run.rows
    assert all({"step", "pixel", "val_psnr", "seconds", "waited"} <= row.keys() for row in run.rows)
    assert run.rows[-1]["pixel"] < run.rows[0]["pixel"]  # means of 2 and of 5 steps


# ---------------------------------------------------------------- several processes
def apart(one, two, before):
    """How far two networks are from each other, as a part of the way from where they began."""

    def distance(a, b):
        return sum((a[key] - b[key]).square().sum().item() for key in before) ** 0.5

    return distance(one, two) / distance(one, before)


def test_two_processes_train_as_one(lesson, tmp_path):
    """At the same global batch: 4 patches for one process, or 2 for each of two, which talk through gloo.

    Gradients are summed in another order, so the weights differ by rounding: 1e-6 of the way was measured,
    1e-4 is allowed. With the content loss it was 0.06, and 0.25 is allowed: the lesson divides that loss by
    the mean of HR's features over the patches at hand, which are half as many in each of two processes. Had
    each of them trained on the same two patches, it would be 0.5.
    """
    environment = {**os.environ, "SR_CACHE": str(tmp_path / "two"), "PYTHONPATH": str(ROOT)}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launch, __file__, str(LESSON), "all", str(tmp_path / "out")]
    done = subprocess.run(
        command, env=environment | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for game, weights in GAMES.items():
        first, second = (torch.load(tmp_path / f"out-{game}-{rank}.pt") for rank in (0, 1))
        same(first, second)
        assert first["processes"] == 2
        one = little_training(lesson, f"one-{game}", weights)
        same(one["before"], first["before"])
        for network, before in one["before"].items():
            far = apart(one["after"][network], first["after"][network], before)
            assert far < (0.25 if game == "content" else 1e-4), f"{game}, {network}"


# ---------------------------------------------------------------- the update
def test_the_chain_rule_gives_the_gradient_of_the_weighted_sum(lesson, monkeypatch):
    run, update = little_run(lesson, "sum", SUM)
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in little_data()[:2])
    before, gradients = copy.deepcopy(run.generator), []

    def clip(parameters, limit):  # the gradients arrive here, whole
        gradients.append([None if p.grad is None else p.grad.clone() for p in parameters])

    monkeypatch.setattr(run.accelerator, "clip_grad_norm_", clip)
    figures = update(run, lr, hr)
    its, ours = gradients
    judge = run.discriminator
    assert all(p.requires_grad for p in judge.parameters())
    same([p.grad for p in judge.parameters()], its)  # the generator's losses left no gradient in it

    sr = before(lr)
    losses = {
        "pixel": F.mse_loss(sr, hr),
        "content": lesson.matched_features(judge, sr, hr),
        "adversarial": F.softplus(-judge(sr)).mean(),
    }
    total = sum(SUM[key] * loss for key, loss in losses.items())
    plain = torch.autograd.grad(total, before.parameters(), retain_graph=True)
    for ours_, plain_ in zip(ours, plain, strict=True):
        torch.testing.assert_close(ours_, plain_, rtol=1e-4, atol=1e-6 * float(plain_.abs().max() + 1e-3))
    for key, loss in losses.items():
        assert figures[key].item() == pytest.approx(loss.item(), rel=1e-5)

    shares = {key: float(figures[f"pull of {key}"]) for key in SUM}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
    pulls = {
        key: SUM[key] * float(torch.autograd.grad(losses[key], sr, retain_graph=True)[0].norm())
        for key in SUM
    }
    assert shares == pytest.approx({key: pull / sum(pulls.values()) for key, pull in pulls.items()}, rel=1e-4)
    assert all(0 < figures[f"{kind} believed"].item() < 1 for kind in ("real", "fake"))


def test_the_discriminator_learns_from_pictures_that_it_does_not_change(lesson):
    """Its own step raises what it thinks of HR above what it thinks of SR, and the generator stays."""
    run, update = little_run(lesson, "judge", {"pixel": 0.0, "content": 0.0, "adversarial": 1.0})
    for optimiser, rate in zip(run.optimisers, (0.0, 6e-3), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in little_data()[:2])
    hr = hr + 0.1 * torch.rand(hr.shape)
    before = copy.deepcopy(run.generator.state_dict())
    figures = [update(run, lr, hr) for _ in range(40)]
    same(dict(run.generator.state_dict()), dict(before))
    first, last = ({key: value.item() for key, value in row.items()} for row in (figures[0], figures[-1]))
    assert last["discriminator"] < 0.7 * first["discriminator"]
    assert last["real believed"] > last["fake believed"] + 0.2


@pytest.mark.parametrize(("steps", "warm"), [(1000, 200), (50, 10), (4000, 200)])
def test_the_rates_climb_then_fall(lesson, steps, warm):
    optimisers = [SimpleNamespace(param_groups=[{}, {}]) for _ in range(2)]
    run, rates = SimpleNamespace(steps=steps, rates=(2e-3, 5e-4), optimisers=optimisers), []
    for run.step in range(steps):
        lesson.set_rate(run)
        (ours, also), (its, _) = (optimiser.param_groups for optimiser in optimisers)
        assert ours == also and its["lr"] == pytest.approx(ours["lr"] / 4)
        rates.append(ours["lr"] / 2e-3)
    assert rates[0] == pytest.approx(1 / warm, rel=0.01)
    assert int(np.argmax(rates)) == warm - 1 and 0.9 < max(rates) <= 1
    assert rates[steps // 2] == pytest.approx(0.5) and 0 < rates[-1] < 1e-2
    assert (np.diff(rates[:warm]) > 0).all() and (np.diff(rates[warm - 1 :]) < 0).all()


# ---------------------------------------------------------------- networks
KINDS = pytest.mark.parametrize(("scale", "channels", "skip"), [(2, 1, "bicubic"), (4, 3, "nearest")])


@KINDS
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 3), (17, 40)])
def test_an_untrained_srresnet_does_little_beyond_its_skip(lesson, scale, channels, skip, size):
    course.seed_everything(0)
    network, lr = lesson.SRResNet(scale, channels, 16, 3, skip), torch.rand(2, channels, *size)
    sr, enlarged = network(lr), F.interpolate(lr, scale_factor=scale, mode=skip)
    assert sr.shape == enlarged.shape == (2, channels, size[0] * scale, size[1] * scale)
    assert (sr - enlarged).abs().max().item() < 0.02 + network.tail.bias.abs().max().item()
    torch.testing.assert_close(network(lr[:1]), sr[:1], atol=1e-5, rtol=0)  # no image sees its batch


def shaken(network):
    """The same network with weights that leave nothing near zero."""
    torch.manual_seed(3)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.randn(p.shape) / max(p[0].numel(), 10) ** 0.5)
    return network.eval()


@KINDS
def test_a_model_file_computes_the_same_and_gives_its_weights_back(lesson, tmp_path, scale, channels, skip):
    import onnxruntime

    network = shaken(lesson.SRResNet(scale, channels, 8, 2, skip))
    lesson.export(network, tmp_path / "a.onnx")
    same(lesson.weights_of(tmp_path / "a.onnx"), dict(network.state_dict()))
    again = lesson.SRResNet(scale, channels, 8, 2, skip)
    again.load_state_dict(lesson.weights_of(tmp_path / "a.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    for n, h, w in ((1, 1, 1), (2, 5, 7), (3, 33, 17)):
        lr = np.random.default_rng(n).random((n, h, w, channels), np.float32)
        with torch.inference_mode():
            expected = again(lesson.to_torch(lr)).permute(0, 2, 3, 1).numpy()
        (sr,) = session.run(None, {session.get_inputs()[0].name: lr})
        assert sr.shape == (n, h * scale, w * scale, channels) and np.abs(expected).max() > 0.5
        np.testing.assert_allclose(sr, expected, atol=1e-4)


def test_a_run_is_shipped_with_its_card(lesson, tmp_path, monkeypatch):
    run, _ = little_run(lesson, "tiny")
    shaken(run.average)
    run.rows = [{"seconds": 1.6}, {"seconds": 2.9}]
    monkeypatch.setattr(lesson, "scores_of", lambda up, track: {"name": up.name, "track": track})
    card = lesson.ship(run, "telescope", 2, batch=4, data="smooth images", recipe="none")
    folder = tmp_path / "cache" / "models"  # at the quick preset never among the shipped files
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.json", "tiny.onnx"]
    assert card == json.loads((folder / "tiny.json").read_text(encoding="utf-8"))
    assert card["metrics"] == {"name": "tiny", "track": "telescope"}
    facts = {"name": "tiny", "channels": "gray", "input": "lr", "preset": "quick", "precision": "float32"}
    assert facts.items() <= card.items() and card["seconds"] == 4 and card["processes"] == 1
    assert card["receptive_field"] == 17 and card["batch"] == 4
    lr = little_data()[2]
    np.testing.assert_allclose(Upscaler.load(folder / "tiny.onnx")(lr), lesson.enlarge(run, lr), atol=1e-5)


def test_the_discriminator_judges_patches_of_any_picture(lesson):
    course.seed_everything(0)
    judge = lesson.Discriminator(3, 4, 30.0)
    for h, w in ((48, 48), (50, 37)):
        assert judge(torch.rand(2, 3, h, w)).shape == (2, 1, h // 4, w // 4)
    image = torch.rand(1, 3, 96, 96, requires_grad=True)
    (slope,) = torch.autograd.grad(judge(image)[0, 0, 12, 12], image)
    rows = np.flatnonzero(slope.abs().sum((0, 1, 3)).numpy())
    assert 28 <= rows[-1] - rows[0] + 1 <= 40  # "some thirty pixels"
    faint = torch.rand(1, 3, 48, 48) * 0.01 + 0.5
    flat, seen = torch.full_like(faint, 0.5), []
    for judge.gain in (0.0, 30.0):
        seen.append((judge(faint) - judge(flat)).abs().max().item())
    assert seen[1] > 5 * seen[0], "the gain must bring out what is faint"


# ---------------------------------------------------------------- content losses
def vgg_weights():
    """Small random weights by the names and shapes of the published VGG-19, and one of its classifier."""
    maps = [64, 64, 128, 128, *[256] * 4, *[512] * 8]
    places = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    rng, weights, before = torch.Generator().manual_seed(0), {}, 3
    for place, after in zip(places, maps, strict=True):
        size = (after, before, 3, 3)
        weights[f"features.{place}.weight"] = torch.randn(size, generator=rng) * (2 / 9 / before) ** 0.5
        weights[f"features.{place}.bias"] = torch.zeros(after)
        before = after
    assert weights["features.34.weight"].shape == (512, 512, 3, 3)
    return weights | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture
def no_download(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a download was attempted")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)


@pytest.fixture(scope="module")
def published():
    return vgg_weights()


def test_vgg_has_the_published_layout(lesson, published, no_download):
    network = lesson.vgg(published)
    state = {f"features.{key}": value for key, value in network.state_dict().items()}
    same(state, {key: value for key, value in published.items() if key.startswith("features")})
    assert not any(p.requires_grad for p in network.parameters()) and not network.training
    assert isinstance(network[-1], nn.ReLU) and len(network) == 36
    pools = [i for i, layer in enumerate(network) if isinstance(layer, nn.MaxPool2d)]
    assert pools == [4, 9, 18, 27]
    with pytest.raises(KeyError, match="features.34.weight"):
        lesson.vgg({key: value for key, value in published.items() if key != "features.34.weight"})


def test_vgg_asks_for_the_published_weights_and_checks_them(lesson, published, monkeypatch):
    asked = []
    monkeypatch.setattr(
        torch.hub,
        "load_state_dict_from_url",
        lambda url, **options: asked.append((url, options)) or published,
    )
    network = lesson.vgg()
    ((url, options),) = asked
    assert url == "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"  # the hash stands in the name
    assert options["check_hash"] is True and options["weights_only"] is True
    assert torch.equal(network[34].weight, published["features.34.weight"])


@pytest.mark.parametrize("kind", ["vgg", "matched features"])
def test_a_content_loss_is_zero_for_equal_pictures_alone(lesson, published, no_download, kind):
    course.seed_everything(0)
    loss = lesson.vgg_features(published) if kind == "vgg" else lesson.matched_features
    judge = lesson.Discriminator(3, 4, 5.0).requires_grad_(False)
    hr = torch.rand(2, 3, 32, 32)
    sr = (hr + 0.1 * torch.rand(hr.shape)).requires_grad_()
    assert float(loss(judge, hr, hr)) == 0
    value = loss(judge, sr, hr)
    value.backward()
    assert float(value.detach()) > 0
    assert torch.isfinite(sr.grad).all() and (sr.grad.abs().sum((1, 2, 3)) > 0).all()
    further = hr + 2 * (sr.detach() - hr)
    assert float(loss(judge, further, hr)) > 1.5 * float(value.detach())
    assert all(p.grad is None for p in judge.parameters())


def test_vgg_sees_normalised_pictures(lesson, published, no_download):
    """The loss against the same computed by hand from the mean and spread of ImageNet's pixels."""
    sr, hr = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    network = lesson.vgg(published)
    expected = 0.006 * ((network((sr - mean) / std) - network((hr - mean) / std)) ** 2).mean()
    assert float(lesson.vgg_features(published)(None, sr, hr)) == pytest.approx(float(expected), rel=1e-4)


# ---------------------------------------------------------------- shipped files
TASKS = ("deeplense-x2", "telescope-x2", "telescope-x4", "photo-x4")
SHIPPED = [f"{kind}-{task}" for kind in ("srresnet", "srgan") for task in TASKS]
MODELS = ROOT / "data" / "models"
EVERY_MODEL = pytest.mark.parametrize("name", SHIPPED)


def card_of(name):
    return json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8"))


def test_all_eight_models_are_here():
    here = {path.name for path in MODELS.glob("sr[rg]*-*")}
    assert here == {f"{name}.{end}" for name in SHIPPED for end in ("json", "onnx")}


@EVERY_MODEL
def test_a_shipped_model_and_its_card(lesson, name):
    card, (_, track, scale) = card_of(name), name.split("-")
    photo = track == "photo"
    assert (card["name"], f"x{card['scale']}", card["input"]) == (name, scale, "lr")
    assert card["channels"] == ("rgb" if photo else "gray")
    assert card["task"] == ("photographs" if photo else "lenses")
    assert card["preset"] == "full" and card["precision"] in ("float32", "bf16", "fp16")
    assert card["framework"].startswith("PyTorch ") and "Accelerate" in card["framework"]
    for key in ("steps", "seconds", "batch", "patch", "processes", "parameters", "receptive_field"):
        assert isinstance(card[key], int) and card[key] > 0, key
    for key in ("data", "recipe", "hardware", "commit"):
        assert isinstance(card[key], str) and card[key], key
    assert card["onnx_max_difference"] < 1e-4 and card["seed"] == 0
    assert card["sha256"] == hashlib.sha256((MODELS / f"{name}.onnx").read_bytes()).hexdigest()
    data, n = ("Set5", 5) if photo else (f"{track} test", 1000)
    for scores in card["metrics"].values():
        for figures in (scores, scores["bicubic"]):
            assert all(math.isfinite(figures[key]) for key in ("psnr", "ssim", "mse"))
    assert card["metrics"][data]["n"] == n
    network = lesson.generator(track, card["scale"])  # it is the network that the lesson builds
    network.load_state_dict(lesson.weights_of(MODELS / f"{name}.onnx"))
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    lr = np.random.default_rng(0).random((1, 9, 14, 3 if photo else 1), np.float32)
    margin = 32 if photo else 0  # beyond its edges a photograph goes on; a lens lies in the dark
    around = np.pad(lr, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    inner = slice(margin * card["scale"], -margin * card["scale"] or None)
    with torch.inference_mode():
        sr = network(lesson.to_torch(around)).permute(0, 2, 3, 1).numpy()[:, inner, inner]
    assert card.get("edges", "zero") == ("repeat" if photo else "zero")
    np.testing.assert_allclose(Upscaler.load(MODELS / f"{name}.onnx")(lr), sr, atol=1e-4)


@EVERY_MODEL
def test_a_shipped_model_leaves_no_seam(name):
    up = Upscaler.load(MODELS / f"{name}.onnx")
    image = np.random.default_rng(0).random((61, 40, 3 if up.card["channels"] == "rgb" else 1), np.float32)
    np.testing.assert_allclose(up(image, tile=24), up(image, tile=64), atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_srgan_says_where_it_started_and_is_near(lesson, task):
    card, start = card_of(f"srgan-{task}"), f"srresnet-{task}"
    assert start in card["start"]
    assert set(card["losses"]) == {"pixel", "content", "adversarial"} and card["losses"]["adversarial"] > 0
    assert {"width", "gain"} <= set(card["discriminator"])
    assert "start" not in card_of(start) and "losses" not in card_of(start)
    if task.startswith("telescope"):
        assert "truth" in card["data"] and "noisy" in card_of(start)["data"]
    sharp, faithful = (lesson.weights_of(MODELS / f"{name}.onnx") for name in (f"srgan-{task}", start))
    away = sum(float((sharp[k] - faithful[k]).square().sum()) for k in faithful)
    assert 0 < away < 0.1 * sum(float(w.square().sum()) for w in faithful.values())


@pytest.mark.parametrize(
    ("name", "data", "figure", "least"),
    [
        ("srgan-deeplense-x2", "deeplense test", "psnr", 40.5),
        ("srgan-deeplense-x2", "deeplense test", "ssim", 0.96),
        ("srresnet-telescope-x2", "telescope test", "psnr", 47.0),
        ("srresnet-photo-x4", "Set5", "psnr", 31.3),
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


def main(script, name, last):
    """One process: of a run that dies at step number `last`, or of all games, saved as LAST-GAME-RANK.pt."""
    course.device = lambda: "cpu"
    code, rank = load(Path(script)), os.environ.get("RANK", "0")
    if name == "all":
        for game, weights in GAMES.items():
            torch.save(little_training(code, game, weights), f"{last}-{game}-{rank}.pt")
    else:
        little_training(code, name, GAMES[name], dies(code.matched_features, int(last)))


if __name__ == "__main__":
    main(*sys.argv[1:])
