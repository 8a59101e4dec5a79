"""Lens classifier: scores against other computations, folders, model files, the command line, triplets."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from pictures import save_picture

from srutils import cli, course
from srutils.lensing import classifier, priors, simulator, triplets
from srutils.lensing.classifier import Classifier, prepare, read_folders, save_classifier
from srutils.scoring import classifiers
from srutils.upscale import upscaler

RNG = np.random.default_rng(0)


# ---------------------------------------------------------------- scores
@pytest.mark.parametrize("levels", [3, 1000])  # with many ties, and with hardly any
def test_auc_is_the_share_of_pairs_in_order(levels):
    truth = np.repeat([1, 0], [24, 56])
    score = RNG.integers(levels, size=80)
    cases, others = score[truth == 1][:, None], score[truth == 0]
    pairs = (cases > others).mean() + (cases == others).mean() / 2
    both = classifiers.class_aucs(truth, np.stack([-score, score], 1))
    assert both == pytest.approx([pairs, pairs], abs=1e-12)


def test_macro_and_micro_auc_of_a_hand_made_case():
    labels = [0, 1, 2, 2]
    probability = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.5, 0.1, 0.4]])
    # one against the rest: class 0 has 3 of 3 pairs in order, class 1 has 3 of 3, class 2 has 4 of 4
    assert classifiers.macro_auc(labels, probability) == 1
    # all twelve together: of 4 x 8 pairs, .4 against .5 twice and .4 against .5 twice are out of order
    assert classifiers.micro_auc(labels, probability) == pytest.approx(28 / 32, abs=1e-12)


def test_bootstrap_covers_the_truth_and_shrinks_with_more_images():
    def interval(n, seed=0):
        rng, labels = np.random.default_rng(1), np.arange(n) % 3
        probability = rng.random((n, 3)) + 0.5 * np.eye(3)[labels]
        return classifiers.bootstrap(classifiers.macro_auc, labels, probability, n=200, seed=seed)

    few, many = interval(60), interval(960)
    assert few == interval(60) != interval(60, seed=1)
    assert 2.5 < (few[1] - few[0]) / (many[1] - many[0]) < 6.5  # sqrt(16) = 4
    labels, useless = np.arange(600) % 3, np.random.default_rng(2).random((600, 3))
    low, high = classifiers.bootstrap(classifiers.macro_auc, labels, useless, n=200)
    assert low < 0.5 < high and high - low < 0.1


def test_calibration_of_a_hand_made_case():
    probability = np.array([[0.95, 0.05, 0], [0.95, 0.05, 0], [0.45, 0.5, 0.05], [0.05, 0.4, 0.55]])
    confidence, accuracy, count, error = classifiers.calibration([0, 1, 1, 2], probability, bins=10)
    assert (
        np.allclose(confidence, [0.525, 0.95]) and accuracy.tolist() == [1, 0.5] and count.tolist() == [2, 2]
    )
    assert error == pytest.approx((0.475 + 0.45) / 2)


@pytest.mark.parametrize(
    ("labels", "probability", "said"),
    [
        ([0, 1], np.eye(3)[:2], "no image of class 2"),
        ([0, 1, 2], np.eye(3)[:2], "expected (N,) and (N, K)"),
        ([0, 1, 2], np.full((3, 3), np.nan), "NaN"),
    ],
)
def test_scores_refuse_what_they_cannot_mean(labels, probability, said):
    with pytest.raises(ValueError) as error:
        classifiers.macro_auc(labels, probability)
    assert said in str(error.value)


# ---------------------------------------------------------------- images
def test_prepare_cuts_the_middle_and_stretches_each_image():
    images = RNG.normal(size=(2, 150, 151, 1)) * [[[[3]]], [[[1e-3]]]] + 7
    out = prepare(images)
    assert out.shape == (2, 128, 128, 1) and out.dtype == np.float32
    middle = images[:, 11:139, 11:139]
    for one, cut in zip(out, middle, strict=True):
        assert np.allclose(one, (cut - cut.min()) / np.ptp(cut), atol=1e-4)
        assert one.min() == 0 and one.max() == 1
    assert np.array_equal(prepare(out), out)
    assert np.array_equal(prepare(out[0]), out[:1])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((1, 128, 128, 1)), "one value everywhere"),
        (np.ones((1, 127, 150, 1)), "127 x 150 pixels"),
        (np.ones((1, 128, 128, 3)), "(1, 128, 128, 3)"),
        (np.full((1, 128, 128, 1), np.nan), "NaN"),
        (np.full((1, 128, 128, 1), "a"), "expected numbers"),
    ],
)
def test_prepare_says_what_is_wrong(images, said):
    with pytest.raises(ValueError) as error:
        prepare(images)
    assert said in str(error.value)


def lens_folder(folder, names=("no", "sphere", "vort"), n=3, size=128):
    """Images whose brightest half says the class: left, right, bottom; .npy of two shapes, and a PNG."""
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            image = RNG.random((size, size)) * 0.3
            half = (slice(None), slice(0, 64)), (slice(None), slice(64, None)), (slice(64, None), slice(None))
            image[half[label]] += 0.6
            if i == 2:
                save_picture(folder / name / "10.png", image[..., None])
            else:
                np.save(folder / name / f"{i + 1}.npy", image[None] if i else image)
    return folder


@pytest.mark.parametrize(
    "names", [("no", "sphere", "vort"), ("no_substructure", "subhalo", "vortex"), ("no_sub", "cdm", "axion")]
)
def test_folders_are_read_in_turn_from_the_classes(tmp_path, names):
    images, labels = read_folders(lens_folder(tmp_path, names, size=150))
    assert labels.tolist() == [0, 1, 2] * 3 and images.shape == (9, 128, 128, 1)
    assert (images.min((1, 2, 3)) == 0).all() and (images.max((1, 2, 3)) == 1).all()
    first, same = read_folders(tmp_path, n=4)
    assert np.array_equal(first, images[:4]) and same.tolist() == [0, 1, 2, 0]
    one = np.load(tmp_path / names[0] / "1.npy")[11:139, 11:139, None]  # 1.npy before 2.npy before 10.png
    assert np.allclose(images[0], prepare(one)[0])


def test_folders_prefer_what_nobody_trained_on(tmp_path):
    lens_folder(tmp_path / "dataset" / "train", n=3)
    lens_folder(tmp_path / "dataset" / "val", n=1)
    assert len(read_folders(tmp_path)[0]) == 3


def test_folders_name_the_file_at_fault(tmp_path):
    folder = lens_folder(tmp_path, n=2)
    bad = folder / "vort" / "3.npy"
    for content, said in (
        (np.array([{"a": 1}]), "pickle"),
        (np.ones((1, 64, 64)), "64 x 64 pixels"),
        (np.full((1, 128, 128), np.inf), "3.npy"),
        (np.zeros((1, 128, 128)), "one value"),
    ):
        np.save(bad, content, allow_pickle=True)
        with pytest.raises(ValueError) as error:
            read_folders(folder)
        assert "3.npy" in str(error.value) and said in str(error.value).lower()
    bad.unlink()
    for file in (folder / "sphere").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match="no image in"):
        read_folders(folder)
    (folder / "sphere").rmdir()
    with pytest.raises(FileNotFoundError, match="no folder for subhalo: expected sphere or"):
        read_folders(folder)


# ---------------------------------------------------------------- model files
def write_halves(path):
    """A classifier by hand: brightness of the left, of the right and of the bottom half, and a softmax."""
    kernel = np.zeros((128 * 128, 3), np.float32).reshape(128, 128, 3)
    kernel[:, :64, 0] = kernel[:, 64:, 1] = kernel[64:, :, 2] = 40 / 128**2
    kernel[:64, :, 2] = -40 / 128**2
    kernel[:, 64:, 0] = kernel[:, :64, 1] = -40 / 128**2
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
        helper.make_node("Softmax", ["y"], ["p"]),
    ]
    weights = [numpy_helper.from_array(kernel.reshape(-1, 3), "w")]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", ["n", 128, 128, 1]), ("p", ["n", 3]))
    ]
    graph = helper.make_graph(nodes, "halves", *ends, weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))

    def reference(x):
        y = x.reshape(len(x), -1) @ kernel.reshape(-1, 3)
        y = np.exp(y - y.max(1, keepdims=True))
        return y / y.sum(1, keepdims=True)

    return reference


@pytest.fixture
def halves(tmp_path, monkeypatch):
    """The folder of models, with one by hand in it."""
    folder = tmp_path / "models"
    reference = write_halves(tmp_path / "other.onnx")
    save_classifier("halves", folder, write_halves, reference, {"size": 128})
    monkeypatch.setattr(course, "models_dir", lambda: folder)
    return folder


def test_a_saved_classifier_is_the_original(halves):
    card = json.loads((halves / "halves.json").read_text(encoding="utf-8"))
    assert card["task"] == "classify" and card["classes"] == list(simulator.CLASSES)
    assert (
        card["parameters"] == 3 * 128**2 and card["onnx_max_difference"] < 1e-5 and len(card["sha256"]) == 64
    )
    assert not [file for file in halves.iterdir() if file.name.startswith(".")]
    loaded = Classifier.load("halves")
    images = RNG.random((5, 150, 150, 1))
    expected = write_halves(halves.parent / "again.onnx")(prepare(images))
    assert np.allclose(loaded(images, batch=2), expected, atol=1e-5)
    assert np.allclose(Classifier.load(halves / "halves.onnx")(images), expected, atol=1e-5)


def test_a_model_without_maps_says_so(halves):
    with pytest.raises(ValueError, match="says what it sees, not where"):
        Classifier.load("halves").where(RNG.random((1, 128, 128, 1)))


def test_a_wrong_export_is_refused(tmp_path):
    with pytest.raises(ValueError, match="differs from the original"):
        save_classifier("x", tmp_path, write_halves, lambda x: np.full((len(x), 3), 1 / 3), {"size": 128})
    with pytest.raises(ValueError, match="differs"):
        save_classifier("x", tmp_path, write_halves, lambda x: np.full((len(x), 3), np.nan), {"size": 128})
    assert not list(tmp_path.iterdir())


def test_upscalers_and_classifiers_are_not_mixed_up(halves):
    assert upscaler.model_cards() == [] and len(classifier.classifier_cards()) == 1
    with pytest.raises(ValueError, match="does not enlarge"):
        upscaler.Upscaler.load("halves")
    with pytest.raises(ValueError, match="no classifier called"):
        Classifier.load("bicubic")
    (halves / "halves.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks"):
        Classifier.load("halves")


# ---------------------------------------------------------------- the command line
def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_evaluate_prints_the_agreed_json(capsys, halves, tmp_path):
    folder = lens_folder(tmp_path / "lenses")
    status, out, err = run(capsys, "evaluate", "halves", "--data", folder, "--json")
    assert status == 0 and err == ""
    assert json.loads(out) == {
        "model": "halves",
        "data": str(folder),
        "n": 9,
        "auc_macro": 1.0,
        "auc": {"no_substructure": 1.0, "subhalo": 1.0, "vortex": 1.0},
        "accuracy": 1.0,
    }
    shutil.copy(folder / "no" / "1.npy", folder / "vort" / "9.npy")  # now one lies in the wrong folder, too
    wrong = json.loads(run(capsys, "evaluate", "halves", "--data", folder, "--json")[1])
    assert wrong["accuracy"] == pytest.approx(9 / 10) and wrong["auc"]["subhalo"] == 1
    assert wrong["auc"]["no_substructure"] < 1 and wrong["auc_macro"] == pytest.approx(
        np.mean([*wrong["auc"].values()])
    )
    status, out, _ = run(capsys, "evaluate", "halves", "--data", folder, "--n", 3)
    assert status == 0 and out.startswith("3 images of") and "vortex" in out


def test_evaluate_draws_lenses_from_the_seed(capsys, halves):
    ask = ("evaluate", "halves", "--data", "deeplense", "--n", 6, "--json", "--seed")
    first, again, other = (run(capsys, *ask, seed)[1] for seed in (3, 3, 4))
    assert (
        first == again != other and json.loads(first)["n"] == 6 and json.loads(first)["data"] == "deeplense"
    )
    lenses = simulator.simulate("deeplense", 6, classes=simulator.CLASSES, seed=3)
    right = Classifier.load("halves")(lenses.hr).argmax(1) == lenses.labels
    assert json.loads(first)["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--data nowhere", "no folder nowhere"),
        ("--data deeplense --n 2", "n is 2"),
        ("--data telescope", "deeplense images only"),
        ("--data deeplense --scale 2", "neither a scale"),
        ("--data deeplense --seed -1", "seed"),
    ],
)
def test_evaluate_says_in_one_line_what_is_wrong(capsys, halves, arguments, said):
    status, out, err = run(capsys, "evaluate", "halves", *arguments.split())
    assert status == 2 and out == "" and err.count("\n") == 1 and said in err and "Traceback" not in err


def test_models_lists_classifiers(capsys, halves):
    assert "halves" in run(capsys, "models")[1].split()
    assert json.loads(run(capsys, "models", "--json")[1])[-1]["task"] == "classify"


# ---------------------------------------------------------------- triplets
def test_triplets_are_the_lenses_of_the_track():
    counts, params = triplets.noise_free(2, seed=5, start=1)
    lenses = simulator.simulate(
        "deeplense", 9, classes=simulator.CLASSES, triplets=True, seed=5, split="train"
    )
    low, span = (lenses.params[k][:, None, None] for k in ("counts_min", "counts_range"))
    expected = (lenses.truth[..., 0] * span + low)[3:, 11:139, 11:139].reshape(counts.shape)
    inner = (..., slice(12, -12), slice(12, -12))  # a blur with periodic edges differs at the field's edge
    assert np.abs(counts - expected)[inner].max() < 0.01 < np.ptp(counts)
    assert np.array_equal(params["theta_E"], lenses.params["theta_E"][3:])
    assert np.ptp(params["theta_E"].reshape(2, 3), axis=1).max() == 0


def test_mass_maps_hold_the_mass_where_it_is():
    _, params = triplets.noise_free(4, seed=5)
    maps = triplets.mass_maps(params)
    assert maps.shape == (12, 8, 8, 2) and not maps[0::3].any()
    assert not maps[1::3, ..., 1].any() and not maps[2::3, ..., 0].any()
    assert np.allclose(maps.sum((1, 2, 3)), 1000 * params["substructure_fraction"], rtol=1e-4)
    one = {k: v[1:2].copy() for k, v in params.items()}
    one["subhalo_theta_E"][:] = 0
    one["subhalo_theta_E"][0, 0], one["subhalo_x"][0, 0], one["subhalo_y"][0, 0] = 0.1, 1.0, -0.5
    row, column = np.argwhere(triplets.mass_maps(one)[0, ..., 0])[0]
    assert (row, column) == ((-0.5 + 3.2) // 0.8, (1.0 + 3.2) // 0.8)


def test_a_store_goes_on_where_it_was_stopped(tmp_path):
    whole = triplets.store(tmp_path / "a", 3, seed=2)
    expected = [np.array(part) for part in whole]
    counts, params = triplets.noise_free(3, seed=2)
    assert np.array_equal(expected[0], counts.astype(np.float16))
    assert np.array_equal(expected[1], triplets.mass_maps(params).reshape(3, 3, 8, 8, 2).astype(np.float16))
    whole[0][2] = 0
    (mark,) = (tmp_path / "a").glob("done*")
    mark.write_text("2", encoding="utf-8")  # as a run leaves it that was stopped after two of three
    made = []

    def make(n, *, seed, start):
        made.append(start)
        return counts[2:], _tail(params)

    again = triplets.store(tmp_path / "a", 3, seed=2, make=make)
    assert made == [2] and np.array_equal(again[0], expected[0]) and np.array_equal(again[1], expected[1])


def _tail(params):
    return {name: values[6:] for name, values in params.items()}


def test_subhalos_of_the_replica_can_be_seen():
    """A lower end of 1e-5 once made seven of ten subhalo images the same as none, whatever the noise."""
    assert priors.DEEPLENSE_SUBHALOS == (7e-4, 1e-2)
    counts, params = triplets.noise_free(30, seed=1, split="test")
    share = (params["subhalo_theta_E"][1::3] / params["theta_E"][1::3, None]) ** 2
    present = share[share > 0]
    assert present.min() >= 7e-4 * 0.5 and present.max() <= 1e-2 and 20 < (share > 0).sum(1).mean() < 30
    smooth, clumpy = counts[:, 0].astype(float), counts[:, 1].astype(float)
    change = np.square(clumpy - smooth).sum((1, 2)) / smooth.mean((1, 2))
    assert np.median(change) > 1000  # in units of the noise of an average pixel, squared


# ---------------------------------------------------------------- what ships
def test_the_shipped_classifier_is_what_its_card_says():
    path = course.models_dir() / "lens-classifier.onnx"
    card = classifier.classifier_card(path.with_suffix(".json"))
    row = card["metrics"]["deeplense test"]
    assert card["preset"] == "full" and card["parameters"] < 1_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert row["n"] == 1500 and row["auc_macro"] >= 0.97
    assert row["auc_macro_interval"][0] < row["auc_macro"] < row["auc_macro_interval"][1]
    result = classifiers.evaluate(
        "lens-classifier", "deeplense", 150, seed=17
    )  # lenses the card has not seen
    assert result["auc_macro"] > 0.97 and result["accuracy"] > 0.85


def test_the_shipped_classifier_tells_twins_apart_wherever_they_are_turned():
    lenses = simulator.simulate("deeplense", 45, classes=simulator.CLASSES, triplets=True, seed=18)
    shipped = Classifier.load()
    for images in (lenses.hr, lenses.hr[:, ::-1], np.rot90(lenses.hr, 1, (1, 2))):
        best = shipped(images).reshape(15, 3, 3).argmax(1)
        assert (best == np.arange(3)).mean() > 0.85
    assert (
        shipped.where(lenses.hr[2::3])[..., 1].max((1, 2)).mean() > 1
    )  # a vortex holds 25 thousandths or more
    assert shipped.where(lenses.hr[0::3])[..., 1].max((1, 2)).mean() < 0.7
