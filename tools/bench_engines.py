"""The engines that run a model file, against the framework that trained the network, on the same picture."""

from __future__ import annotations

import copy
import os
from importlib import util

import numpy as np

from tools.project import SCRIPTS
from tools.race import Row, race

ABOUT = (
    "**Engines**: one network, one picture of 510 x 339 pixels, untiled. The first way is the plain one in "
    "the framework that trained the network: PyTorch eager, NCHW, float32, in inference mode; for SRCNN, "
    "whose input is enlarged already, Keras's `predict_on_batch`. The others read the shipped ONNX file with "
    "`srutils.engine`, as `srutils upscale` does. bfloat16 keeps eight significant bits of every number: it "
    "is faster and it rounds, so it is never taken unasked. Remarks say how far a picture between 0 and 1 "
    "comes out differently."
)
ENGINES = {
    "onnxruntime": ("ONNX Runtime, float32", 1e-4),
    "openvino": ("OpenVINO, float32", 1e-4),
    "openvino-bf16": ("OpenVINO, bfloat16: rounds", 0.05),
}


def picture(height: int = 339, width: int = 510) -> np.ndarray:
    """The upper left part of a photograph inside scikit-image, (height, width, 3), float32 in [0, 1]."""
    from skimage.data import astronaut

    return astronaut()[:height, :width].astype(np.float32) / 255


def rows(rounds: int = 5, size: tuple[int, int] = (339, 510)) -> list[Row]:
    """Race the engines on a PyTorch model, and on a Keras one."""
    return torch_rows(rounds, size) + keras_rows(rounds, size)


def torch_rows(rounds: int = 5, size: tuple[int, int] = (339, 510), name="srresnet-photo-x4") -> list[Row]:
    """Race the engines on an SRResNet of lesson 05 against PyTorch."""
    import torch

    from srutils.lesson_code import load
    from srutils.model_file import model_path

    lesson, scale = load(SCRIPTS / "05_srgan.py"), 4
    task = lesson.TASKS["photo", scale]
    network = lesson.SRResNet(scale, 3, task["width"], task["blocks"])
    network.load_state_dict(lesson.weights_of(model_path(name)))
    network.eval()
    lr = picture(*size)[None]

    def eager(layout):
        held = copy.deepcopy(network).to(memory_format=layout)
        image = lesson.to_torch(lr).contiguous(memory_format=layout)

        def run():
            with torch.inference_mode():
                return held(image).permute(0, 2, 3, 1).numpy()

        return run

    ways = {"PyTorch eager, NCHW, float32": eager(torch.contiguous_format)}
    ways["PyTorch eager, channels last, float32"] = eager(torch.channels_last)
    limits = {"PyTorch eager, channels last, float32": 1e-4}
    return engine_rows(name, lr, scale, ways, limits, rounds)


def keras_rows(rounds: int = 5, size: tuple[int, int] = (339, 510), name="srcnn-photo-x3") -> list[Row]:
    """Race the engines on an SRCNN of lesson 03 against Keras; the picture counts as enlarged already."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from srutils.lesson_code import load
    from srutils.metrics import luma
    from srutils.model_file import model_path

    lesson = load(SCRIPTS / "03_srcnn.py")
    network = lesson.three_layers()
    network.set_weights(lesson.layers_of(model_path(name)))
    enlarged = luma(picture(*size))[None]
    ways = {f"Keras on {lesson.keras.backend.backend()}, float32": lambda: network.predict_on_batch(enlarged)}
    return engine_rows(name, enlarged, 1, ways, {}, rounds)


def engine_rows(name, image, scale, ways, limits, rounds) -> list[Row]:
    """Race all engines after the `ways` of a framework; one that is not installed gets a line too."""
    from srutils.engine import open_model
    from srutils.model_file import model_path

    n, height, width, channels = image.shape
    what, missing = f"`{name}`, {width} x {height} px", []
    for engine, (way, limit) in ENGINES.items():
        if util.find_spec(engine.split("-")[0]) is None:
            missing.append(Row(what, way, note="not installed"))
            continue
        run = open_model(model_path(name), channels, engine)
        ways, limits = ways | {way: lambda run=run: run(image)}, limits | {way: limit}
    made = 1e-6 * n * height * width * scale**2
    ways = {way: (made, run) for way, run in ways.items()}
    return race(what, "Mpx/s", ways, rounds, lambda a, b: np.abs(a - b).max(), limits) + missing
