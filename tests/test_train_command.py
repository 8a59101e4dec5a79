"""``srutils train`` as a reader types it: on folders of the true layout, refused in one line, interrupted."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from srutils import cli, course
from srutils.pairs import resize
from srutils.recipes import register

SHIPPED = course.models_dir()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SR_DATA", raising=False)


@pytest.fixture
def srutils(capsys):
    """Run `srutils ...`: exit status, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main([*map(str, arguments)])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture
def shipped():
    """After the test, every shipped model file is what it was."""
    state = lambda: {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in SHIPPED.iterdir()}  # noqa: E731
    before = state()
    yield
    assert state() == before


def lens_folder(path, n=8, scale=2):
    hr = resize(np.random.default_rng(1).random((n, 9, 9, 1), np.float32), (32, 32)).clip(0, 1)
    lr = resize(hr, (32 // scale, 32 // scale))
    for kind, images in (("HR", hr), ("LR", lr)):
        (path / kind).mkdir(parents=True)
        for i, image in enumerate(images):
            np.save(path / kind / f"sample{i + 1}.npy", image[None, ..., 0])
    return path


def test_the_list_says_what_can_be_trained_without_a_framework(tmp_path):
    code = "import sys\nfrom srutils.cli import main\n"
    code += "try: main(['train', '--list'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    *table, loaded = done.stdout.splitlines()
    assert done.returncode == 0 and [line.split()[0] for line in table[1:]] == list(register.RECIPES)
    assert "hours" in table[0] and "framework" in table[0]
    assert not {"torch", "keras", "tensorflow", "accelerate"} & set(loaded.split())


def test_a_deeplense_folder_in_one_command(srutils, tmp_path, shipped):
    """HR/sampleN.npy and LR/sampleN.npy, also nested in Dataset; what comes out is evaluated and used."""
    folder = lens_folder(tmp_path / "download" / "Dataset").parent
    few = ["--steps", 5, "--batch", 2, "--patch", 12, "--device", "cpu"]
    status, out, err = srutils("train", "srresnet-deeplense-x2", "--data", folder, *few)
    assert status == 0, err
    assert "80/10/10 by lens, seed 0: 6 to learn from, 1 for validation, 1 for test" in out
    assert "test, bicubic-torch" in out and "MSE" in out and "SSIM" in out
    card = json.loads((tmp_path / "srresnet-deeplense-x2.json").read_text(encoding="utf-8"))
    assert card["steps"] == 5 and card["images"] == 6 and "8 pairs of download" in card["data"]
    status, out, err = srutils("evaluate", "srresnet-deeplense-x2.onnx", "--data", folder, "--json")
    assert status == 0 and json.loads(out)["n"] == 8, err
    np.save("lens.npy", np.zeros((9, 7, 1), np.float32))
    status, _, err = srutils("upscale", "lens.npy", "large.npy", "--model", "srresnet-deeplense-x2.onnx")
    assert status == 0 and np.load("large.npy").shape == (18, 14, 1), err


def test_a_second_run_does_not_touch_the_first_ones_file(srutils, tmp_path):
    folder = lens_folder(tmp_path / "lenses")
    few = ["--data", folder, "--batch", 2, "--patch", 12, "--device", "cpu"]
    (tmp_path / "srresnet-deeplense-x2.onnx").write_text("hours of work", encoding="utf-8")
    status, _, err = srutils("train", "srresnet-deeplense-x2", "--steps", 1, *few)
    assert status == 2 and "exists already; --overwrite replaces it" in err
    assert (tmp_path / "srresnet-deeplense-x2.onnx").read_text(encoding="utf-8") == "hours of work"


def test_srgan_goes_on_from_the_shipped_file(srutils, tmp_path, shipped):
    (tmp_path / "photos").mkdir()
    for i in range(5):
        image = resize(np.random.default_rng(i).random((12, 16, 3), np.float32), (96, 128)).clip(0, 1)
        Image.fromarray((255 * image).astype(np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    few = ["--steps", 2, "--batch", 2, "--patch", 12, "--device", "cpu", "--out", "mine.onnx"]
    status, out, err = srutils(
        "train", "srgan-photo-x4", "--data", "photos", "--from", "srgan-photo-x4", *few
    )
    assert status == 0, err
    card = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    original = json.loads((SHIPPED / "srgan-photo-x4.json").read_text(encoding="utf-8"))
    assert card["start"]["name"] == "srgan-photo-x4" and card["start"]["sha256"] == original["sha256"]
    assert card["steps"] == 2 and card["seconds"] >= original["seconds"] and "photos" in card["data"]
    assert card["losses"] == register.find("srgan-photo-x4").options["weights"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["srresnet-deeplens-x2"], "did you mean srresnet-deeplense-x2"),
        (["srresnet-deeplense-x2", "--tracker", "wanbd"], "expected wandb or tensorboard"),
        (["srresnet-deeplense-x2", "--data", "none"], "not a folder"),
        (["srresnet-deeplense-x2", "--from", "none"], "--from is 'none'"),
        (["srresnet-deeplense-x2", "--data", "x4"], "holds pairs of scale 4; this recipe enlarges by 2"),
        (["srresnet-deeplense-x2", "--data", "x2", "--patch", "40"], "expected at most 16"),
        (["srresnet-deeplense-x2", "--data", "x2", "--from", "srresnet-photo-x4"], "another network"),
        (["srresnet-deeplense-x2", "--data", "x2", "--from", "srcnn-photo-x3"], "not written by a PyTorch"),
        (["srresnet-deeplense-x2", "--data", "x2", "--precision", "fp16", "--device", "cpu"], "needs a GPU"),
        (["srresnet-deeplense-x2", "--data", "x2", "--device", "cpu", "--steps", "many"], "valid integer"),
    ],
)
def test_what_cannot_be_done_costs_one_line(srutils, tmp_path, arguments, message):
    for scale in (2, 4):
        lens_folder(tmp_path / f"x{scale}", scale=scale)
    status, _, err = srutils("train", *arguments)
    assert status == 2 and message in err and len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["x2", "x4"]


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(srutils, monkeypatch):
    def stopped(settings):
        raise KeyboardInterrupt("stopped and saved at step 8; the same command goes on from there")

    monkeypatch.setattr(register, "train", stopped)
    status, _, err = srutils("train", "srresnet-deeplense-x2")
    assert (
        status == 130 and err == "srutils: stopped and saved at step 8; the same command goes on from there\n"
    )


@pytest.mark.parametrize(
    ("recipe", "extra"), [("srresnet-photo", "torch,lens"), ("srcnn-photo-x2", "tf,lens")]
)
def test_a_missing_framework_is_named_with_its_cure(srutils, monkeypatch, recipe, extra):
    def missing(settings):
        raise ModuleNotFoundError("No module named 'a_framework'")

    monkeypatch.setattr(register, "train", missing)
    status, _, err = srutils("train", recipe)
    assert status == 2 and f"pip install 'srutils[{extra}]'" in err and "a_framework" in err
