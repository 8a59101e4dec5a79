"""The recipes of SRResNet and SRGAN: exact restarts, several processes, losses, feeds, and what they write.

Run as a script, this file is one process of a tiny training run; tests below start, kill and compare such.
"""

import copy
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from srutils import course
from srutils.networks.discriminator import Discriminator
from srutils.networks.joint import Joint
from srutils.networks.srresnet import SRResNet
from srutils.pairs import ImagePairs, resize
from srutils.recipes import feeds, register, srgan, srresnet, torch_files, torch_loop
from srutils.recipes.runs import Run
from srutils.recipes.settings import Settings
from srutils.upscale import Upscaler

ROOT = Path(__file__).resolve().parents[1]
TINY = {"width": 8, "blocks": 1, "batch": 4, "patch": 12}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test has a folder and a cache of its own, and needs no data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    for name in ("SR_DATA", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for networks as small as these, more only wait for each other
    yield
    torch.set_num_threads(threads)


def lens_folder(path, n=8, seed=1):
    """Write smooth images as the DeepLense files lie: HR of 32 px, LR of 16."""
    hr = resize(np.random.default_rng(seed).random((n, 9, 9, 1), np.float32), (32, 32)).clip(0, 1)
    for kind, images in (("HR", hr), ("LR", resize(hr, (16, 16)))):
        (path / kind).mkdir(parents=True)
        for i, image in enumerate(images):
            np.save(path / kind / f"sample{i + 1}.npy", image[None, ..., 0])
    return path


def tiny(name, **options):
    """The recipe of this name with a network of a few weights."""
    recipe = register.find(name)
    options = {**recipe.options, **{key: TINY[key] for key in TINY if key in recipe.options}, **options}
    return replace(recipe, options=options)


def train(folder, name="srresnet-deeplense-x2", **settings):
    """Follow a tiny recipe; the card, and the folder of the run."""
    given = {"steps": 12, "device": "cpu", "data": folder, "overwrite": True, **settings}
    recipe = tiny(name)
    module = {"srresnet": srresnet, "srgan": srgan}[recipe.module]
    card = module.run(Settings(name, **given), recipe)
    newest = max((course.cache_dir() / "training" / name).iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return card, newest


def shaken(network):
    """The same network with weights that leave nothing near zero."""
    torch.manual_seed(3)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.randn(p.shape) / max(p[0].numel(), 10) ** 0.5)
    return network.eval()


@pytest.fixture
def unwritten(monkeypatch):
    """Runs end without a model file: an export takes longer than all the steps before it."""
    monkeypatch.setattr(srresnet, "deliver", lambda run, trainer, parts, **facts: {"steps": run.steps})


def tiny_start(path, scale=2, channels=1, skip="nearest"):
    """A model file of an SRResNet as small as `tiny`."""
    torch_files.export(shaken(SRResNet(scale, channels, TINY["width"], TINY["blocks"], skip)), path)
    path.with_suffix(".json").write_text(json.dumps({"steps": 40, "seconds": 90}), encoding="utf-8")
    return path


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
    """All that a run saved last, by file name, in memory (tests remove the files); times are left out."""
    from safetensors.torch import load

    (last,) = folder.glob("step-*")  # the last one alone is kept
    read = lambda path: torch.load(path, map_location="cpu", weights_only=False)  # noqa: E731
    found = {p.name: load(p.read_bytes()) if p.suffix == ".safetensors" else read(p) for p in last.iterdir()}
    found["custom_checkpoint_1.pkl"].pop("elapsed")
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    return {**found, "rows": [{k: row[k] for k in row if k != "seconds"} for row in rows]}


# ---------------------------------------------------------------- restarts
def process(folder, cache, *arguments, launcher=(), **variables):
    """A process of its own that follows a tiny recipe."""
    environment = {**os.environ, "SR_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *launcher, __file__, str(folder), *arguments]
    return subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, timeout=300, cwd=folder
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_run_killed_between_its_two_networks_ends_with_the_same_weights(tmp_path):
    folder, name = lens_folder(tmp_path / "lenses"), "srgan-deeplense-x2"
    tiny_start(folder / "start.onnx")
    whole = process(folder, tmp_path / "whole", name)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    killed = process(folder, tmp_path / "broken", name, DIE_AT="8")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    (broken,) = (tmp_path / "broken" / "training" / name).iterdir()
    assert [path.name for path in broken.glob("step-*")] == ["step-000000007"]
    (broken / "next").mkdir()  # as a kill while saving leaves it
    (broken / "next" / "optimizer.bin").write_bytes(b"half a fi")
    resumed = process(folder, tmp_path / "broken", name)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"at step 7 in {broken}" in resumed.stdout and "step 12 of 12" in resumed.stdout
    (entire,) = (tmp_path / "whole" / "training" / name).iterdir()
    assert entire.name == broken.name and not (broken / "next").exists()
    same(saved(entire), saved(broken))


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path):
    """In a process of its own: a signal that goes astray must not end the one that runs the tests."""
    done = process(lens_folder(tmp_path / "lenses"), tmp_path / "cache", "ctrl-c")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as without it" in done.stdout


def interrupt_and_go_on(folder):
    """Train; train again with Ctrl-C at step 8, and at 9, where a checkpoint is due; go on; compare."""
    srresnet.deliver = lambda run, trainer, parts, **facts: {"steps": run.steps}
    _, whole = train(folder, steps=30)
    expected = saved(whole)
    take, calls = torch_loop.Trainer.take, []

    def interrupted(trainer, update, batch):
        calls.append(trainer.step)
        if len(calls) in (8, 9):
            signal.raise_signal(signal.SIGINT)
        take(trainer, update, batch)

    torch_loop.Trainer.take = interrupted
    for step, options in ((8, {"fresh": True}), (9, {})):
        with pytest.raises(KeyboardInterrupt, match=f"saved at step {step}; the same command goes on from"):
            train(folder, steps=30, **options)
    _, again = train(folder, steps=30)
    assert calls == list(range(30)) and again == whole
    same(saved(again), expected)
    print("all as without it")


def test_a_run_may_follow_one_of_another_precision_in_the_same_process(tmp_path, unwritten):
    folder = lens_folder(tmp_path / "lenses")
    for precision in ("no", "bf16", "no"):
        assert train(folder, precision=precision, steps=2)[0] == {"steps": 2}


def test_a_finished_run_is_found_and_written_again(tmp_path, capsys):
    folder = lens_folder(tmp_path / "lenses")
    first, _ = train(folder)
    capsys.readouterr()
    second, run = train(folder)
    assert f"at step 12 in {run}: it is finished; --fresh trains anew" in capsys.readouterr().out
    assert first["sha256"] == second["sha256"] and first["curve"] == second["curve"]


def test_minutes_become_steps_once_and_their_measurement_leaves_no_trace(tmp_path, unwritten, capsys):
    folder = lens_folder(tmp_path / "lenses")
    card, run = train(folder, steps=None, minutes=0.05)
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    assert card["steps"] == plan["steps"] > 1 and not (run / "trial").exists()
    assert f"0.05 minutes are {plan['steps']} steps" in capsys.readouterr().out
    _, other = train(folder, steps=plan["steps"])
    assert other != run
    same(saved(other), saved(run))
    (run / "plan.json").write_text(
        json.dumps({"steps": plan["steps"] + 3}), encoding="utf-8"
    )  # as if measured on a quick day
    assert train(folder, steps=None, minutes=0.05)[0]["steps"] == plan["steps"] + 3


# ---------------------------------------------------------------- several processes
def test_two_processes_train_as_one(tmp_path, unwritten):
    """At the same batch: 4 patches for one process, or 2 for each of two, which talk through gloo."""
    folder = lens_folder(tmp_path / "lenses")
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--main_process_port", "0"]
    both = process(folder, tmp_path / "two", "srresnet-deeplense-x2", launcher=launcher)
    assert both.returncode == 0, both.stdout + both.stderr
    assert both.stdout.count("step 12 of 12") == 1 and both.stdout.count("ended as one of 2") == 2
    (two,) = (tmp_path / "two" / "training" / "srresnet-deeplense-x2").iterdir()
    _, one = train(folder)
    one, two = saved(one)["custom_checkpoint_0.pkl"], saved(two)["custom_checkpoint_0.pkl"]
    course.seed_everything(0)
    before = SRResNet(2, 1, 8, 1).state_dict()

    def apart(a, b):
        return sum(float((a[f"module.{k}"] - b[f"module.{k}"]).square().sum()) for k in before) ** 0.5

    way = apart(one, {f"module.{key}": value for key, value in before.items()})
    assert way > 0 and apart(one, two) < 1e-4 * way  # gradients are summed in another order


# ---------------------------------------------------------------- the update of SRGAN
WEIGHTS = {"pixel": 3.0, "content": 0.2, "adversarial": 0.1}


def game(tmp_path, weights):
    """A trainer with both networks, its update, and a batch."""
    recipe = tiny("srgan-deeplense-x2", rates=(2e-3, 6e-3))
    data = SimpleNamespace(fingerprint="x", says="s", split="s", images=6)
    run = Run.open(Settings(recipe.name, steps=12, device="cpu"), recipe, data)
    torch.manual_seed(0)
    generator, judge = SRResNet(2, 1, 8, 1), Discriminator(1, 4, 20.0)
    trainer = torch_loop.Trainer(run, "no", generator, recipe.options["rates"], discriminator=judge)
    hr = resize(np.random.default_rng(1).random((6, 9, 9, 1), np.float32), (32, 32))
    batch = [torch_loop.to_torch(x) for x in (resize(hr, (16, 16)), hr)]
    return trainer, srgan.adversarial(F.mse_loss, weights), batch


def test_the_chain_rule_gives_the_gradient_of_the_weighted_sum(tmp_path, monkeypatch):
    trainer, update, (lr, hr) = game(tmp_path, WEIGHTS)
    before, gradients = copy.deepcopy(trainer.generator), []

    def clip(parameters, limit):  # the gradients arrive here, whole
        gradients.append([None if p.grad is None else p.grad.clone() for p in parameters])

    monkeypatch.setattr(trainer.accelerator, "clip_grad_norm_", clip)
    figures = update(trainer, lr, hr)
    its, ours = gradients
    judge = trainer.discriminator
    assert all(p.requires_grad for p in judge.parameters())
    same([p.grad for p in judge.parameters()], its)  # the generator's losses left no gradient in it
    sr = before(lr)
    losses = {
        "pixel": F.mse_loss(sr, hr),
        "content": srgan.matched_features(judge, sr, hr),
        "adversarial": F.softplus(-judge(sr)).mean(),
    }
    total = sum(WEIGHTS[key] * loss for key, loss in losses.items())
    plain = torch.autograd.grad(total, before.parameters(), retain_graph=True)
    for ours_, plain_ in zip(ours, plain, strict=True):
        torch.testing.assert_close(ours_, plain_, rtol=1e-4, atol=1e-6 * float(plain_.abs().max() + 1e-3))
    pulls = {
        key: WEIGHTS[key] * float(torch.autograd.grad(losses[key], sr, retain_graph=True)[0].norm())
        for key in WEIGHTS
    }
    shares = {key: float(figures[f"pull of {key}"]) for key in WEIGHTS}
    assert shares == pytest.approx({key: pull / sum(pulls.values()) for key, pull in pulls.items()}, rel=1e-4)


def test_the_discriminator_learns_from_pictures_that_it_does_not_change(tmp_path):
    """Its own step raises what it thinks of HR above what it thinks of SR, and the generator stays."""
    trainer, update, (lr, hr) = game(tmp_path, {"pixel": 0.0, "content": 0.0, "adversarial": 1.0})
    for optimiser, rate in zip(trainer.optimisers, (0.0, 6e-3), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
    hr = hr + 0.1 * torch.rand(hr.shape)
    before = copy.deepcopy(trainer.generator.state_dict())
    figures = [update(trainer, lr, hr) for _ in range(40)]
    same(dict(trainer.generator.state_dict()), dict(before))
    first, last = ({key: value.item() for key, value in row.items()} for row in (figures[0], figures[-1]))
    assert last["discriminator"] < 0.7 * first["discriminator"]
    assert last["real believed"] > last["fake believed"] + 0.2


def test_a_content_loss_is_zero_for_equal_pictures_alone():
    torch.manual_seed(0)
    judge, hr = Discriminator(3, 4, 5.0).requires_grad_(False), torch.rand(2, 3, 32, 32)
    assert float(srgan.matched_features(judge, hr, hr)) == 0
    near, far = (float(srgan.matched_features(judge, hr + k * torch.rand(hr.shape), hr)) for k in (0.1, 0.3))
    assert 0 < near < far


# ---------------------------------------------------------------- rates and losses
@pytest.mark.parametrize(("steps", "climb"), [(100, 20), (3000, 300), (5, 1), (1, 1)])
def test_the_rate_climbs_stays_and_falls_to_nothing(steps, climb):
    factors = [torch_loop.rate_factor(step, steps) for step in range(steps)]
    assert factors[0] == pytest.approx(1 / climb) and max(factors) == 1
    fall = round(steps / 5) or 1
    assert factors[climb - 1 : steps - fall] == [1.0] * (steps - fall - climb + 1)
    assert factors[-1] == pytest.approx(1 / fall)


def test_the_loss_in_decibels_is_psnr():
    from srutils import metrics

    a, b = np.random.default_rng(0).random((2, 5, 16, 16, 1), np.float32)
    loss = srresnet.pixel_loss("psnr")(*map(torch_loop.to_torch, (a, b)))
    assert float(loss) == pytest.approx(-metrics.psnr(a, b).mean() / 10, rel=1e-4)


# ---------------------------------------------------------------- networks and their files
KINDS = pytest.mark.parametrize(("scale", "channels", "skip"), [(2, 1, "bicubic"), (4, 3, "nearest")])


@KINDS
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (17, 40)])
def test_an_untrained_srresnet_does_little_beyond_its_skip(scale, channels, skip, size):
    torch.manual_seed(0)
    network, lr = SRResNet(scale, channels, 16, 3, skip), torch.rand(2, channels, *size)
    sr, enlarged = network(lr), F.interpolate(lr, scale_factor=scale, mode=skip)
    assert sr.shape == enlarged.shape == (2, channels, size[0] * scale, size[1] * scale)
    assert (sr - enlarged).abs().max().item() < 0.02
    torch.testing.assert_close(network(lr[:1]), sr[:1], atol=1e-5, rtol=0)  # no image sees its batch


@KINDS
def test_a_model_file_computes_the_same_and_gives_its_weights_back(tmp_path, scale, channels, skip):
    import onnxruntime

    network = shaken(SRResNet(scale, channels, 8, 2, skip))
    torch_files.export(network, tmp_path / "a.onnx")
    same(torch_files.weights_of(tmp_path / "a.onnx"), dict(network.state_dict()))
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    for n, h, w in ((1, 1, 1), (2, 5, 7), (3, 33, 17)):
        lr = np.random.default_rng(n).random((n, h, w, channels), np.float32)
        (sr,) = session.run(None, {session.get_inputs()[0].name: lr})
        assert sr.shape == (n, h * scale, w * scale, channels)
        np.testing.assert_allclose(sr, torch_files.reference(network)(lr), atol=1e-4)


def test_the_discriminator_judges_patches_of_any_picture():
    torch.manual_seed(0)
    judge = Discriminator(3, 4, 30.0)
    for h, w in ((48, 48), (50, 37)):
        assert judge(torch.rand(2, 3, h, w)).shape == (2, 1, h // 4, w // 4)
    image = torch.rand(1, 3, 96, 96, requires_grad=True)
    (slope,) = torch.autograd.grad(judge(image)[0, 0, 12, 12], image)
    rows = np.flatnonzero(slope.abs().sum((0, 1, 3)).numpy())
    assert rows[-1] - rows[0] + 1 <= 40 + 4  # a window of 36 and the mean over 5


def test_each_scale_of_a_joint_network_is_an_srresnet():
    network, lr = shaken(Joint((2, 3, 4), width=8, blocks=2)), torch.rand(1, 3, 9, 7)
    for scale in (2, 3, 4):
        single = network.single(scale)
        torch.testing.assert_close(single(lr), network(lr, scale))
    together = sum(p.numel() for p in network.parameters())
    assert together < 1.5 * sum(p.numel() for p in network.single(4).parameters())


def test_weights_fit_other_scales_by_the_nearest_maps():
    four = shaken(SRResNet(4, 3, 8, 1))
    joint = Joint((2, 3, 4), width=8, blocks=1)
    torch_files.load_weights(joint, dict(four.state_dict()), "four")
    lr = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(joint(lr, 4), four(lr))
    large, small = four(lr), joint(lr, 2)  # of 4 x 4 pixels, the second and fourth are nearest to 2 x 2
    torch.testing.assert_close(small, large[:, :, 1::2, 1::2])
    back = SRResNet(3, 3, 8, 1)
    torch_files.load_weights(back, dict(joint.state_dict()), "joint")
    torch.testing.assert_close(back(lr), joint(lr, 3))


def test_weights_of_another_size_are_refused():
    weights = dict(SRResNet(4, 3, 16, 1).state_dict())
    with pytest.raises(ValueError, match="wide holds another network; expected an SRResNet of 8 maps"):
        torch_files.load_weights(SRResNet(4, 3, 8, 1), weights, "wide")
    with pytest.raises(ValueError, match="was not written by a PyTorch recipe"):
        torch_files.weights_of(course.models_dir() / "srcnn-photo-x3.onnx")


# ---------------------------------------------------------------- feeds
def photograph(seed=0, size=(60, 80)):
    rng = np.random.default_rng(seed)
    return np.rint(255 * resize(rng.random((12, 16, 3), np.float32), size).clip(0, 1)).astype(np.uint8)


def photo_parts(n=3, scales=(2, 3), size=(60, 84)):
    hr = [photograph(i, size) for i in range(n)]
    parts = {}
    for s in scales:
        lr = [resize(x, (x.shape[0] // s, x.shape[1] // s)).clip(0, 1) for x in hr]
        lr = [np.rint(255 * x).astype(np.uint8) for x in lr]
        parts[s] = SimpleNamespace(train=(lr, hr))
    return parts


def test_batches_of_photographs_have_one_scale_each_and_some_flat_patches():
    ones, side = feeds.photo_feeds(photo_parts(), None, 10, 4, tries=2, seed=0)
    feed = feeds.PhotoFeed(ones, {2: 0.5, 3: 0.5}, (1, 4))
    assert side == 10
    scales, flat = [], []
    for k in range(40):
        lr, hr = feed.batch(k)
        assert lr.shape == (4, 10, 10, 3) and lr.dtype == np.float32 and 0.5 < lr.max() <= 1
        scales.append(hr.shape[1] // 10)
        flat += [k] * int(np.ptp(hr[0], (0, 1)).max() == 0 and (lr[0] == hr[0, 0, 0]).all())
        assert hr[1:].std((1, 2)).min() > 0
    assert flat == list(range(0, 40, 4)) and 10 < scales.count(2) < 30
    same(list(feed.batch(7)), list(feeds.PhotoFeed(ones, {2: 0.5, 3: 0.5}, (1, 4)).batch(7)))


def test_small_photographs_make_smaller_patches_unless_a_size_was_asked_for(capsys):
    parts = photo_parts(scales=(2,), size=(24, 30))
    assert feeds.photo_feeds(parts, None, 48, 4, tries=1, seed=0)[1] == 12
    with pytest.raises(ValueError, match="--patch is 20; no LR photograph at x2 is as large"):
        feeds.photo_feeds(parts, 20, 48, 4, tries=1, seed=0)
    parts[2].train[0].append(photograph(9, (40, 40)))
    parts[2].train[1].append(photograph(9, (80, 80)))
    assert feeds.photo_feeds(parts, 20, 48, 4, tries=1, seed=0)[1] == 20
    assert "x2: 3 of 4 photographs are smaller than a patch, left out" in capsys.readouterr().out


def test_fresh_lenses_never_repeat_and_come_from_the_training_split(monkeypatch):
    asked = []

    def simulate(track, n, *, scale, split, seed, classes=None):
        asked.append((track, scale, split, seed))
        truth = np.random.default_rng(seed).random((n, 16, 16, 1), np.float32)
        return ImagePairs(truth[:, ::2, ::2], truth + 1, 2, track, truth=truth)

    monkeypatch.setattr("srutils.lensing.simulate", simulate)
    feed = feeds.FreshLenses(2, 16, 32, seed=4)
    batches = [feed.batch(k) for k in range(9)]  # three a pool of 63
    assert [seed for *_, seed in asked] == sorted({seed for *_, seed in asked}) and len(asked) == 3
    assert {call[:3] for call in asked} == {("telescope", 2, "train")} and asked[0][3] >= feeds.FIRST_SEED
    shown = np.concatenate([hr.sum((1, 2, 3)) for _, hr in batches])
    assert len(np.unique(shown.round(4))) == len(shown), "no lens twice"
    lr, truth = batches[0]
    assert lr.shape == (16, 8, 8, 1) and truth.shape == (16, 16, 16, 1) and truth.max() <= 1
    same(list(feeds.FreshLenses(2, 16, 32, seed=4).batch(5)), list(batches[5]))
    assert not np.array_equal(feeds.FreshLenses(2, 16, 32, seed=5).batch(0)[1], batches[0][1])


# ---------------------------------------------------------------- what they write
def test_the_card_tells_the_run_and_its_warm_start(tmp_path):
    folder = lens_folder(tmp_path / "lenses")
    start = tiny_start(tmp_path / "begun.onnx")
    card, _ = train(folder, start=str(start), out=tmp_path / "mine.onnx")
    assert card == json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert (card["name"], card["recipe"]) == ("mine", "srresnet-deeplense-x2")
    assert (card["steps"], card["images"], card["batch"], card["patch"]) == (12, 6, 4, 12)
    assert "8 pairs of lenses" in card["data"] and "80/10/10" in card["split"]
    assert card["start"].pop("sha256") == hashlib.sha256(start.read_bytes()).hexdigest()
    assert card["start"] == {"name": "begun", "steps": 40, "seconds": 90}
    assert card["seconds"] == card["seconds_here"] + 90
    assert card["curve"]["step"][-1] == 12 and len(card["curve"]["val_psnr"]) == 12
    assert set(card["metrics"]) == {"validation", "test"} and "psnr" in card["metrics"]["test"]["bicubic"]
    lr = np.random.default_rng(0).random((9, 7, 1), np.float32)
    assert Upscaler.load(tmp_path / "mine.onnx")(lr).shape == (18, 14, 1)


def test_what_is_learned_helps(tmp_path, unwritten):
    """On images that are smoother than any noise, a few seconds bring the network past its own beginning."""
    _, run = train(lens_folder(tmp_path / "lenses"), steps=150)
    rows = json.loads((run / "rows.json").read_text(encoding="utf-8"))
    assert rows[-1]["val_psnr"] > rows[0]["val_psnr"] + 3


def test_one_run_writes_three_scales(tmp_path, monkeypatch):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for i in range(5):
        Image.fromarray(photograph(i, (72, 96))).save(tmp_path / "photos" / f"{i}.png")
    start = tiny_start(tmp_path / "four.onnx", 4, 3)
    given = {"steps": 6, "start": str(start), "out": tmp_path / "my.onnx", "overwrite": False}
    train(tmp_path / "photos", "srresnet-photo", **given)
    for scale in (2, 3, 4):
        one = json.loads((tmp_path / f"my-x{scale}.json").read_text(encoding="utf-8"))
        assert (one["scale"], one["channels"], one["edges"], one["steps"]) == (scale, "rgb", "repeat", 6)
        assert one["start"]["name"] == "four" and f"val_psnr_x{scale}" in one["curve"]
        up = Upscaler.load(tmp_path / f"my-x{scale}.onnx")
        assert up(np.zeros((5, 6, 3), np.float32)).shape == (5 * scale, 6 * scale, 3)


def test_weights_of_a_pytorch_checkpoint_are_taken(tmp_path):
    network = shaken(Joint((2, 3, 4), width=8, blocks=1))
    torch.save({"ema": network.state_dict(), "net": {}, "step": 5}, tmp_path / "state.pt")
    same(torch_files.weights_of(tmp_path / "state.pt"), dict(network.state_dict()))


def test_no_steps_write_the_weights_as_they_are(tmp_path):
    start = tiny_start(tmp_path / "begun.onnx")
    train(lens_folder(tmp_path / "lenses"), steps=0, start=str(start), out=tmp_path / "mine.onnx")
    same(torch_files.weights_of(tmp_path / "mine.onnx"), torch_files.weights_of(start))
    card = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert (card["steps"], card["seconds_here"], card["seconds"]) == (0, 0, 90)


if __name__ == "__main__":
    folder, name = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    if name == "ctrl-c":
        interrupt_and_go_on(folder)
        sys.exit()
    if "DIE_AT" in os.environ:
        descend, calls = torch_loop.Trainer.descend, []

        def dies(trainer, network, optimiser, loss, limit):
            """Kill the process halfway through a training step: of two networks, one has been trained."""
            descend(trainer, network, optimiser, loss, limit)
            calls.append(trainer.step)
            if trainer.step == int(os.environ["DIE_AT"]) - 1 and len(calls) > 7:
                os.kill(os.getpid(), signal.SIGKILL)

        torch_loop.Trainer.descend = dies
    ended = lambda trainer: f"ended as one of {trainer.accelerator.num_processes}\n"  # noqa: E731
    srresnet.deliver = lambda run, trainer, parts, **facts: sys.stdout.write(ended(trainer))
    begun = folder / "start.onnx" if name.startswith("srgan") else None
    if name.startswith("srgan"):
        small = tiny("srresnet-deeplense-x2")
        srgan.find = lambda _: small
    train(folder, name, start=begun)


def test_another_telescope_adds_its_blur_and_the_noise_of_its_exposure():
    from srutils import lensing
    from srutils.lensing import instruments
    from srutils.recipes import feeds

    class Fixed:
        def __init__(self, fwhm, exposure):
            self.values = [fwhm, np.log(exposure)]

        def uniform(self, low, high):
            assert low <= self.values[0] <= high
            return self.values.pop(0)

        def standard_normal(self, shape, dtype):
            return np.random.default_rng(0).standard_normal(shape, dtype)

    lens = lensing.simulate("telescope", 1, scale=2, seed=3)
    own = instruments.PSF_FWHM[2]
    seen = np.stack([feeds.other_telescope(lens.truth[0], 2, Fixed(own, 4.0))[..., 0] for _ in range(2)])
    np.testing.assert_array_equal(seen[0], seen[1])
    t = instruments.as_tensors({k: v for k, v in lens.params.items() if k not in ("lens", "peak_brightness")})
    (mean,) = instruments.expose(t, instruments.SIZE["telescope"], (own, 2))
    mean = mean.numpy()[0] / lens.params["peak_brightness"][0]
    expected = (
        np.sqrt((mean * instruments.PEAK + instruments.SKY) / 16) / instruments.PEAK
    )  # 4 pixels, 4 times
    z = (seen[0] - mean) / expected
    assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.05
    faint = (feeds.other_telescope(lens.truth[0], 2, Fixed(own, 0.25))[..., 0] - mean) / expected
    assert abs(faint.std() - 4) < 0.2


def test_the_blind_recipe_scores_on_telescopes_that_differ():
    from srutils.recipes import feeds
    from srutils.recipes.data import lens_pairs, seen_by_others

    pairs = lens_pairs(None, "telescope", 2, 63, 0, "truth")
    other = seen_by_others(pairs)
    assert other.fingerprint != pairs.fingerprint and other.track == "other telescopes"
    noise = [np.std(lr[:4]) for lr in other.test[0][:40]]  # of the dark edge
    assert max(noise) > 3 * min(noise)
    feed = feeds.OtherTelescopes(feeds.FreshLenses(2, 4, 64))
    lr, truth = feed.batch(1)
    assert lr.shape == (4, 64, 64, 1) and truth.shape == (4, 128, 128, 1) and lr.dtype == np.float32
    np.testing.assert_array_equal(feed.batch(1)[0], lr)
    np.testing.assert_array_equal(feed.lenses.batch(1)[1], truth)
