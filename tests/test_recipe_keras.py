"""The Keras recipes on small folders: what they write works elsewhere, and a killed run ends the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srutils import course, metrics, pairs
from srutils.lensing.classifier import Classifier
from srutils.pairs import resize
from srutils.recipes.register import find, train
from srutils.recipes.settings import Settings
from srutils.recipes.start import total_steps
from srutils.upscale.upscaler import Upscaler

keras = pytest.importorskip("keras")
pytest.importorskip("tf2onnx")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty working folder and cache, and no data but what a test makes."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SR_DATA", raising=False)
    before = {path: path.stat().st_mtime_ns for path in course.models_dir().iterdir()}
    yield
    assert {path: path.stat().st_mtime_ns for path in course.models_dir().iterdir()} == before


@pytest.fixture
def lenses(tmp_path):
    for kind, side in (("HR", 48), ("LR", 24)):
        (tmp_path / "lenses" / "Dataset" / kind).mkdir(parents=True)
        for i in range(1, 11):
            np.save(tmp_path / "lenses" / "Dataset" / kind / f"sample{i}.npy", RNG.random((1, side, side)))
    return tmp_path / "lenses"


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(6):
        pixels = RNG.integers(0, 256, (12, 15, 3), np.uint8)
        Image.fromarray(pixels).resize((104, 96)).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def classes(tmp_path):
    for label, name in enumerate(("no_sub", "cdm", "axion")):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for i in range(1, 5):
            np.save(tmp_path / "classes" / name / f"{i}.npy", label + RNG.random((1, 130, 130)))
    return tmp_path / "classes"


def small(recipe, data, **more):
    return Settings(recipe, **{"data": data, "steps": 2, "batch": 2, "precision": "no", **more})


# ---------------------------------------------------------------- what is written
LOAD = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
np.save(sys.argv[3], keras.models.load_model(sys.argv[1]).predict(np.load(sys.argv[2]), verbose=0))
assert not any(name.split(".")[0] == "srutils" for name in sys.modules)
"""


def test_superrescnn_of_a_readers_lenses_opens_without_the_course(lenses, tmp_path):
    card = train(small("superrescnn-deeplense-x2", lenses, patch=12))
    lr = RNG.random((2, 24, 20, 1), np.float32)
    np.save(tmp_path / "lr.npy", lr)
    command = [sys.executable, "-c", LOAD, Path("superrescnn-deeplense-x2.keras").resolve()]
    subprocess.run([*command, tmp_path / "lr.npy", tmp_path / "sr.npy"], cwd=tmp_path, check=True)
    sr = np.load(tmp_path / "sr.npy")
    up = Upscaler.load("superrescnn-deeplense-x2.onnx")
    np.testing.assert_allclose(sr, up(lr), atol=1e-5)
    assert card["steps"] == 2 and card["images"] == 8 and "10 pairs of lenses" in card["data"]
    assert set(card["metrics"]) == {"validation", "test"} and card["metrics"]["test"]["bicubic"]["mse"] > 0


def test_x4_starts_from_the_shipped_x3_and_the_card_says_so(photos):
    shipped = json.loads((course.models_dir() / "srcnn-photo-x3.json").read_text(encoding="utf-8"))
    card = train(small("srcnn-photo-x4", photos, patch=8))
    assert card["start"]["name"] == "srcnn-photo-x3" and card["start"]["steps"] == total_steps(shipped)
    assert card["seconds"] >= shipped["seconds"] and card["seconds_here"] < 600 and card["steps"] == 2
    assert card == json.loads(Path("srcnn-photo-x4.json").read_text(encoding="utf-8"))
    assert sorted(p.suffix for p in Path().iterdir()) == [".json", ".keras", ".onnx"]
    without = train(small("srcnn-photo-x4", photos, patch=8, start="none", out=Path("new.onnx")))
    assert "start" not in without


def test_the_autoencoder_learns_from_any_folder(photos):
    card = train(small("autoencoder-photo-x2", photos, patch=8))
    assert card["channels"] == "rgb" and card["multiple"] == 4
    assert Upscaler.load("autoencoder-photo-x2.onnx")(np.zeros((9, 7, 3), np.float32)).shape == (18, 14, 3)
    network = keras.models.load_model("autoencoder-photo-x2.keras")
    assert network.count_params() == card["parameters"]


def test_the_classifier_tells_its_auc(classes, capsys):
    card = train(small("lens-classifier", classes))
    assert set(card["metrics"]["test"]["auc"]) == {"no_substructure", "subhalo", "vortex"}
    said = capsys.readouterr().out
    assert "AUC" in said and "12 images of classes in three classes" in said
    trained = Classifier.load("lens-classifier.onnx")
    image = RNG.random((1, 128, 128, 1), np.float32)
    answer = trained(image)
    np.testing.assert_allclose(answer.sum(), 1, atol=1e-5)
    with pytest.raises(ValueError, match="not where"):
        trained.where(image)
    same = keras.models.load_model("lens-classifier.keras")
    low, high = image.min(), image.max()
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(same((image - low) / (high - low))), answer, atol=1e-4
    )


@pytest.mark.parametrize("name", ["lens-classifier", "srcnn-photo-x3", "superrescnn-deeplense-x2"])
def test_a_shipped_file_is_where_training_starts(name, classes, photos, lenses):
    """With a rate near zero, the trained network answers as the shipped one."""
    from srutils.networks.srcnn import back_projected
    from srutils.recipes import classifier_files, keras_files, three_layers
    from srutils.recipes.start import Start

    start = Start.find(name)
    if name == "lens-classifier":
        network, image = classifier_files.new_network("compact", True, start), RNG.random((1, 128, 128, 1))
        image = ((image - image.min()) / (image.max() - image.min())).astype(np.float32)
        expected, got = Classifier.load(name)(image), classifier_files.probabilities(network, image)
    else:
        options = find(name).options
        network = three_layers.new_network(options["track"], options["scale"])
        keras_files.give_weights(network, keras_files.weights_of(start.path), name)
        lr = RNG.random((1, 40, 44, 1), np.float32)
        up = Upscaler.load(name)
        if options["track"] == "photo":
            network = back_projected(network, options["scale"])
        seen = lr if options["track"] == "deeplense" else three_layers.enlarged(lr[0], up.scale)[None]
        expected, got = up(lr), keras.ops.convert_to_numpy(network(seen))
        if options["track"] != "deeplense":  # at the edge the file sees LR repeated, and so does bicubic
            expected, got = (x[:, 48:-48, 48:-48] for x in (expected, got))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_weights_of_another_network_are_refused(photos):
    with pytest.raises(ValueError, match="srcnn-photo-x3 has other layers than this recipe"):
        train(small("autoencoder-photo-x2", photos, patch=8, start="srcnn-photo-x3"))
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"arch": "resnet"}, "expected compact or inception-resnet-v2"),
        ({"arch": "inception-resnet-v2", "data": None}, "give --data"),
        ({"arch": "inception-resnet-v2", "start": "lens-classifier"}, "begins with random weights"),
        ({"device": "cuda"}, "finds no GPU"),
        ({"precision": "fp16"}, "needs a GPU"),
    ],
)
def test_what_cannot_be_done_costs_a_sentence(classes, more, message):
    if keras.distribution.list_devices("gpu") and "GPU" in message:
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match=message):
        train(small("lens-classifier", **{"data": classes, **more}))


def test_several_processes_are_refused(lenses, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="trains in one process"):
        train(small("superrescnn-deeplense-x2", lenses, patch=12))


def test_the_woven_layer_is_the_pixel_shuffle():
    from srutils.networks.srcnn import three_layers_on_lr
    from srutils.recipes.keras_files import of_built_in_layers

    network = three_layers_on_lr(3, linear=5)
    network.set_weights([RNG.normal(0, 0.1, w.shape) for w in network.get_weights()])
    twin, x = of_built_in_layers(network), RNG.random((2, 7, 9, 1), np.float32)
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(one(x)) for one in (network, twin)))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_back_projection_as_three_lines_of_numpy(scale):
    """Convolutions with a stride and their transpose resize down and up, away from the edges."""
    from srutils.networks.srcnn import back_projected, three_layers

    keras.utils.set_random_seed(0)
    network = three_layers((4, 4), (3, 1, 3))
    network.set_weights([RNG.normal(0, 0.1, w.shape) for w in network.get_weights()])
    lr = RNG.random((24, 28, 1), np.float32)
    size = tuple(scale * side for side in lr.shape[:2])
    seen = resize(lr, size)
    sr = keras.ops.convert_to_numpy(network(seen[None]))[0]
    got = keras.ops.convert_to_numpy(back_projected(network, scale, 2)(seen[None]))[0]
    for _ in range(2):
        sr = sr + resize(lr - pairs.degrade(sr, scale), size)
    inner = np.s_[8 * scale : -8 * scale, 8 * scale : -8 * scale]
    np.testing.assert_allclose(got[inner], sr[inner], atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_ships_loses_nothing_of_lr(scale):
    """Made small again, SR is LR to a level of 255; the network without its three rounds is further away."""
    from skimage import data

    from srutils.networks.srcnn import three_layers
    from srutils.recipes import keras_files

    cat = data.chelsea()[60:204, 120:312, 1:2].astype(np.float32) / 255
    up, lr = Upscaler.load(f"srcnn-photo-x{scale}"), metrics.quantize(pairs.degrade(cat, scale))
    bare = three_layers()
    keras_files.give_weights(bare, keras_files.weights_of(course.models_dir() / f"{up.name}.onnx"), up.name)
    seen = resize(lr, tuple(scale * side for side in lr.shape[:2]))
    both = up(lr), keras.ops.convert_to_numpy(bare(seen[None]))[0]
    finished, alone = (np.abs(pairs.degrade(sr, scale) - lr)[8:-8, 8:-8].mean() for sr in both)
    assert up.card["back_projection"] == 3 and up.card["parameters"] == bare.count_params()
    assert finished < 1 / 255 and finished < 0.6 * alone


# ---------------------------------------------------------------- resuming
def start_run(lenses, cache, out):
    command = [sys.executable, "-m", "srutils", "train", "superrescnn-deeplense-x2", "--data", str(lenses)]
    command += ["--steps", "40", "--patch", "12", "--batch", "2", "--precision", "no", "--out"] + [str(out)]
    root = Path(course.__file__).parents[1]
    environment = {**os.environ, "SR_CACHE": str(cache), "PYTHONPATH": str(root)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def weights(path):
    network = keras.models.load_model(path)
    return network.get_weights()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_run_ends_with_the_same_weights(lenses, tmp_path):
    whole = start_run(lenses, tmp_path / "a", tmp_path / "whole.onnx")
    assert whole.communicate()[0].count("step ") == 10 and whole.returncode == 0
    broken = start_run(lenses, tmp_path / "b", tmp_path / "broken.onnx")
    while not list((tmp_path / "b").glob("training/*/*/last.keras")):  # the first checkpoint, at step 4
        assert broken.poll() is None
        time.sleep(0.01)
    broken.kill()
    broken.communicate()
    assert not (tmp_path / "broken.onnx").exists()
    again = start_run(lenses, tmp_path / "b", tmp_path / "broken.onnx")
    said = again.communicate()[0]
    assert "found this very run at step" in said and "step 4 of" not in said
    for a, b in zip(weights(tmp_path / "whole.keras"), weights(tmp_path / "broken.keras"), strict=True):
        np.testing.assert_array_equal(a, b)
    curves = [
        json.loads((tmp_path / f"{n}.json").read_text(encoding="utf-8"))["curve"] for n in ("whole", "broken")
    ]
    assert curves[0] == curves[1] and len(curves[0]["step"]) == 10


def test_another_run_has_its_own_checkpoint(lenses, tmp_path):
    """Other steps, other data: nothing is taken from the run before, and each card is true."""
    cards = [train(small("superrescnn-deeplense-x2", lenses, patch=12, out=Path("1.onnx")))]
    cards.append(train(small("superrescnn-deeplense-x2", lenses, patch=12, steps=4, out=Path("2.onnx"))))
    np.save(lenses / "Dataset" / "HR" / "sample1.npy", RNG.random((1, 48, 48)))
    cards.append(train(small("superrescnn-deeplense-x2", lenses, patch=12, out=Path("3.onnx"))))
    folders = list((tmp_path / "cache" / "training" / "superrescnn-deeplense-x2").iterdir())
    assert len(folders) == 3 and [card["steps"] for card in cards] == [2, 4, 2]
    assert len({card["sha256"] for card in cards}) == 3


def test_a_finished_run_is_found_again(lenses, capsys):
    first = train(small("superrescnn-deeplense-x2", lenses, patch=12))
    again = train(small("superrescnn-deeplense-x2", lenses, patch=12, overwrite=True))
    assert "it is finished; --fresh trains anew" in capsys.readouterr().out
    assert first["metrics"] == again["metrics"]
    for key in ("steps", "seconds_here", "curve"):
        assert first[key] == again[key]


def test_minutes_choose_the_steps_once(lenses):
    asked = {"patch": 12, "steps": None, "minutes": 0.05}
    card = train(small("superrescnn-deeplense-x2", lenses, **asked))
    assert card["steps"] >= 1 and card["curve"]["step"][-1] == card["steps"]
    again = train(small("superrescnn-deeplense-x2", lenses, **asked, overwrite=True))
    assert again["steps"] == card["steps"] and again["curve"] == card["curve"]


def test_no_step_writes_the_weights_as_they_are(photos):
    card = train(small("srcnn-photo-x3", photos, patch=8, steps=0, start="srcnn-photo-x3"))
    picture = RNG.random((9, 11, 1), np.float32)
    ours, shipped = (Upscaler.load(name)(picture) for name in ("srcnn-photo-x3.onnx", "srcnn-photo-x3"))
    np.testing.assert_allclose(ours, shipped, atol=1e-6)
    assert card["steps"] == 0
