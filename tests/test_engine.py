"""What runs a model: ONNX Runtime and OpenVINO give the same, and every mistake is one sentence."""

import importlib.util

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from tiny_models import nearest_model, random_model, strided_model

from srutils.model_files import engine
from srutils.model_files.engine import open_model
from srutils.upscale.upscaler import Upscaler, model_cards

RNG = np.random.default_rng(0)
OPENVINO = importlib.util.find_spec("openvino") is not None
INSTALLED = ("onnxruntime", "openvino") if OPENVINO else ("onnxruntime",)
SHIPPED = [card["name"] for card in model_cards()]


def bare_model(path, name="lr", shape=("n", "h", "w", 1), output="sr"):
    """A model that hands on what it is given."""
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in (name, output)]
    graph = helper.make_graph([helper.make_node("Identity", [name], [output])], "g", ends[:1], ends[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("channels", ["gray", "rgb"])
def test_the_engines_run_any_size_and_batch(tmp_path, name, channels):
    run = open_model(nearest_model(tmp_path, channels=channels), 1 if channels == "gray" else 3, name)
    for shape in ((1, 5, 6), (3, 4, 7), (1, 1, 1)):
        x = RNG.random((*shape, 1 if channels == "gray" else 3), np.float32)
        y = run(x)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, x.repeat(2, 1).repeat(2, 2), atol=1e-6)


@pytest.mark.skipif(not OPENVINO, reason="the extra `fast` is not installed")
@pytest.mark.parametrize("name", SHIPPED)
def test_openvino_agrees_with_onnx_runtime_on_every_shipped_model(name):
    one, other, rounded = (
        Upscaler.load(name, engine=e) for e in ("onnxruntime", "openvino", "openvino-bf16")
    )
    image = RNG.random((31, 26, 1 if one.card["channels"] == "gray" else 3), np.float32)
    expected = one(image)
    np.testing.assert_allclose(other(image), expected, atol=1e-4)
    assert np.abs(rounded(image) - expected).mean() < 0.02  # exact where the processor has no bfloat16


@pytest.mark.parametrize("name", SHIPPED)
def test_tiles_of_every_shipped_model_leave_no_seam(name):
    up = Upscaler.load(name, engine="onnxruntime")
    image = RNG.random((45, 35, 1 if up.card["channels"] == "gray" else 3), np.float32)
    whole = up(image, tile=64)
    if up.card.get("edges", "zero") == "zero":  # the network sees the image and nothing else
        np.testing.assert_allclose(whole, up.enlarge(image), atol=1e-5)
    np.testing.assert_allclose(up(image, tile=28), whole, atol=1e-5)
    part = image[:13, :10]
    together = up(part, tile=64, ensemble=True)
    np.testing.assert_allclose(up(part, tile=8, ensemble=True), together, atol=1e-5)
    up.card = up.card | {"receptive_field": 3}  # with too small a margin this test fails
    assert np.abs(up(image, tile=28) - whole).max() > 1e-4


def test_auto_takes_openvino_where_it_is_and_never_bfloat16(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        engine, "_openvino", lambda path, name: opened.append(name) or engine._onnxruntime(path)
    )
    path = strided_model(tmp_path, scale=2, given="lr")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    open_model(path, 1)
    assert opened == ["openvino"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    open_model(path, 1)
    assert opened == ["openvino"] and engine.preferred() == "onnxruntime"


def test_an_engine_that_does_not_exist_or_is_not_installed(tmp_path, monkeypatch):
    path = random_model(tmp_path)
    with pytest.raises(
        ValueError, match="no engine called 'cuda'; there are auto, onnxruntime, openvino, op"
    ):
        Upscaler.load(path, engine="cuda")

    def missing(path, name):
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")

    monkeypatch.setattr(engine, "_openvino", missing)
    with pytest.raises(ValueError, match=r"openvino is not installed: pip install 'srutils\[fast\]'"):
        Upscaler.load(path, engine="openvino")


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize(
    "options",
    [
        {"name": "x"},
        {"output": "y"},
        {"shape": ("n", "h", "w", 3)},
        {"shape": (1, "h", "w", 1)},
        {"shape": ("n", 8, 8, 1)},
        {"shape": ("n", "h", "w")},
    ],
)
def test_models_with_other_ends_are_refused(tmp_path, name, options):
    path = bare_model(tmp_path / "bare.onnx", **options)
    with pytest.raises(ValueError, match=r"bare.onnx has inputs .*; expected one input lr \(N, H, W, 1\)"):
        open_model(path, 1, name)
    open_model(bare_model(path), 1, name)


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("content", [b"", b"\x00\x01nothing", b"<html>"])
def test_a_file_that_is_no_model_is_one_sentence(tmp_path, name, content, capfd):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="the model .*a.onnx") as caught:
        open_model(tmp_path / "a.onnx", 1, name)
    assert "\n" not in str(caught.value) and capfd.readouterr() == ("", "")
