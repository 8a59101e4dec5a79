"""The patch feed, and trained networks as files."""

import json
import os

import numpy as np
import pytest

from srutils import training
from srutils.model_files.export import receptive_field, save_model
from srutils.upscale.upscaler import Upscaler

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def ramps(sizes, grow=1):
    """Images whose pixels hold image number, row and column, and targets of ``grow`` times the size."""
    inputs, targets = [], []
    for i, (h, w) in enumerate(sizes):
        for images, g in ((inputs, 1), (targets, grow)):
            rows, columns = np.meshgrid(np.arange(h * g) // g, np.arange(w * g) // g, indexing="ij")
            images.append((1000 * i + 100 * rows + columns)[..., None].astype(np.float32))
    return inputs, targets


@pytest.mark.parametrize("grow", [1, 3])
@pytest.mark.parametrize("tries", [1, 2])
def test_patches_of_input_and_target_show_the_same_place(grow, tries):
    inputs, targets = ramps([(9, 12), (8, 8)], grow)
    feed = training.PatchFeed(inputs, targets, patch=5, batch=40, tries=tries)
    x, y = feed.batch(3)
    assert x.shape == (40, 5, 5, 1) and y.shape == (40, 5 * grow, 5 * grow, 1)
    np.testing.assert_array_equal(np.repeat(np.repeat(x, grow, 1), grow, 2), y)
    steps = {tuple(np.sign([p[1, 0, 0] - p[0, 0, 0], p[0, 1, 0] - p[0, 0, 0]])) for p in x}
    assert len(steps) == 4, "turned and flipped patches run in every direction"


def test_a_batch_depends_on_seed_and_number_alone():
    inputs, targets = ramps([(20, 20), (30, 25)])
    make = lambda seed, start: training.PatchFeed(inputs, targets, 6, 4, seed=seed, start=start)  # noqa: E731
    stream = iter(make(7, 0))
    first = [next(stream)[0] for _ in range(6)]
    late = iter(make(7, 4))
    np.testing.assert_array_equal(first[4], next(late)[0])
    np.testing.assert_array_equal(first[5], next(late)[0])
    assert not np.array_equal(first[0], make(8, 0).batch(0)[0])
    assert not np.array_equal(first[0], first[1])
    stream.close()
    late.close()


def test_more_tries_find_more_contrast():
    rng = np.random.default_rng(0)
    image = np.zeros((64, 64, 1), np.float32)
    image[:32] = rng.random((32, 64, 1))
    contrast = [
        np.mean(
            [training.PatchFeed([image], [image], 16, 32, tries=t).batch(k)[1].std((1, 2)) for k in range(4)]
        )
        for t in (1, 2)
    ]
    assert contrast[1] > 1.15 * contrast[0]


@pytest.mark.parametrize(
    ("inputs", "targets", "patch", "message"),
    [
        ([], [], 4, "not 0"),
        ([np.zeros((8, 8, 1))], [], 4, "1 inputs and 0 targets"),
        ([np.zeros((8, 8, 1))], [np.zeros((12, 12, 1))], 4, "whole number"),
        ([np.zeros((8, 8, 1))] * 2, [np.zeros((8, 8, 1)), np.zeros((16, 16, 1))], 4, "whole number"),
        ([np.zeros((8, 8, 1))], [np.zeros((8, 8, 1))], 9, "1 to 8"),
        ([np.zeros((8, 8, 1))], [np.zeros((8, 8, 1))], 0, "1 to 8"),
    ],
)
def test_the_feed_refuses_what_cannot_be_cut(inputs, targets, patch, message):
    with pytest.raises(ValueError, match=message):
        training.PatchFeed(inputs, targets, patch, 2)


def test_an_error_in_the_thread_reaches_the_reader():
    class Broken(training.PatchFeed):
        def batch(self, k):
            raise ValueError("no such batch")

    with pytest.raises(ValueError, match="no such batch"):
        next(iter(Broken([np.zeros((8, 8, 1))], [np.zeros((8, 8, 1))], 4, 2)))


def small_network(keras, channels=1):
    lr = keras.Input((None, None, channels), name="lr")
    x = keras.layers.Conv2D(6, 5, padding="same", activation="relu")(lr)
    x = keras.layers.Conv2D(channels, 3, padding="same")(x)
    return keras.Model(lr, keras.layers.Add()([lr, x]))


def test_a_keras_network_becomes_a_file_that_computes_the_same(tmp_path):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    network = small_network(keras)
    reference = lambda x: keras.ops.convert_to_numpy(network(x))  # noqa: E731
    rng = np.random.default_rng(0)  # the exporter drops offsets that are zero, as they are before training
    network.set_weights([rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
    reference(np.zeros((1, 16, 16, 1), np.float32))
    facts = {"task": "test", "scale": 2, "channels": "gray", "input": "bicubic", "steps": 0}
    export = lambda path: network.export(str(path), format="onnx", verbose=False)  # noqa: E731
    card = save_model("tiny", tmp_path, export, reference, facts)
    assert card == json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert card["parameters"] == network.count_params() == 6 * 25 + 6 + 6 * 9 + 1
    assert card["receptive_field"] == 5 + 3 - 1
    assert card["onnx_max_difference"] < 1e-5 and len(card["sha256"]) == 64 and card["hardware"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.json", "tiny.onnx"]
    up = Upscaler.load(tmp_path / "tiny.onnx")
    for h, w in ((1, 1), (3, 5), (17, 40)):
        lr = rng.random((h, w, 1), dtype=np.float32)
        enlarged = Upscaler.load("bicubic", 2)(lr)[None]
        np.testing.assert_allclose(up(lr), reference(enlarged)[0], atol=1e-5)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path):
    keras = pytest.importorskip("keras")
    network = small_network(keras)
    network(np.zeros((1, 16, 16, 1), np.float32))
    facts = {"task": "test", "scale": 2, "channels": "gray", "input": "bicubic"}
    export = lambda path: network.export(str(path), format="onnx", verbose=False)  # noqa: E731
    with pytest.raises(ValueError, match="differs from the original"):
        save_model("tiny", tmp_path, export, lambda x: x + 1, facts)
    assert list(tmp_path.iterdir()) == []


def copier(broken):
    """Return what writes a network that copies its input; the first `broken` files have an axis too many."""
    import onnx
    from onnx import helper as make

    def export(path):
        export.files += 1
        kind, more = ("Unsqueeze", ["axes"]) if export.files <= broken else ("Identity", [])
        ends = [make.make_tensor_value_info(name, 1, ("n", "h", "w", 1)) for name in ("picture", "enlarged")]
        axes = [make.make_tensor("axes", onnx.TensorProto.INT64, [1], [0])] if more else []
        node = make.make_node(kind, ["picture", *more], ["enlarged"])
        graph = make.make_graph([node], "copy", ends[:1], ends[1:], axes)
        onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)

    export.files = 0
    return export


def test_an_export_with_an_axis_too_many_is_made_again(tmp_path):
    facts = {"task": "test", "scale": 1, "channels": "gray", "input": "lr"}
    export = copier(broken=2)
    card = save_model("copy", tmp_path, export, lambda x: x, facts)
    assert export.files == 3 and card["onnx_max_difference"] == 0
    with pytest.raises(
        ValueError, match=r"computes \(1, 1, 32, 32, 1\) where the original has \(1, 32, 32, 1\)"
    ):
        save_model("never", tmp_path, copier(broken=99), lambda x: x, facts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.json", "copy.onnx"]


def test_the_receptive_field_is_measured():
    from scipy.ndimage import uniform_filter

    blur = lambda x: uniform_filter(x, (1, 9, 9, 1), mode="constant")  # noqa: E731
    assert receptive_field(blur, 1) == 9
    with pytest.raises(ValueError, match="further than"):
        receptive_field(lambda x: x + x.mean(), 1, limit=128)
