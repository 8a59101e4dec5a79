"""The engines that run a model file, against the framework that trained the network, on the same picture."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import util

import numpy as np

from tools.bench.race import Row, Worker, race
from tools.bench.training import forward_flops, share

ABOUT = (
    "**Engines**: one network, one picture of 510 x 339 pixels, untiled, from an array (N, H, W, C) to an "
    "array (N, H, W, C). The first way is the plain one in the framework that trained the network: PyTorch "
    "eager, NCHW, float32, in inference mode; for SRCNN, whose input is enlarged already, Keras's "
    "`predict_on_batch`. The others read the shipped ONNX file with `srutils.model_files.engine`, as "
    "`srutils upscale` does. Each way has a process of its own, because what one library does to memory "
    "and threads changes the speed of the next. bfloat16 keeps eight significant bits of every number: it is "
    "faster and it rounds, so it is never taken unasked. Remarks say how far a picture between 0 and 1 comes "
    "out differently, and what part of the best speed of a product of two matrices, in float32 as well, is "
    "reached: an engine that is near 100% leaves nothing to be gained. The small network takes part in the "
    "same race, by the engine that `srutils upscale` prefers here. Decibels are those of the cards, on Set5."
)
ENGINES = {
    "onnxruntime": ("ONNX Runtime, float32", 1e-4),
    "openvino": ("OpenVINO, float32", 1e-4),
    "openvino-bf16": ("OpenVINO, bfloat16: rounds", 0.05),
}
SIZE = (339, 510)
DEFAULT, SMALL = "srresnet-photo-x4", "srresnet-small-photo-x4"


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """The upper left part of a photograph, RGB or its luma, (H, W, channels) float32 in [0, 1]."""
    from skimage.data import astronaut

    from srutils.metrics import luma

    image = astronaut()[:height, :width].astype(np.float32) / 255
    return image if channels == 3 else luma(image)


def rows(rounds: int = 5) -> list[Row]:
    """Race the engines on a PyTorch model, and on a Keras one."""
    return torch_rows(rounds) + keras_rows(rounds)


def torch_rows(rounds: int = 5, size: tuple[int, int] = SIZE, side: int = 2048) -> list[Row]:
    """Race the engines on an SRResNet against PyTorch, a small one, too; `side`: matrices, the yardstick."""
    from srutils.model_files.engine import preferred

    name, ways, shape = DEFAULT, {}, (*size, 3)
    for layout, memory_format in (("NCHW", "contiguous_format"), ("channels last", "channels_last")):
        ways[f"PyTorch eager, {layout}, float32"] = 1e-4, eager, name, memory_format, shape
    small = f"`{SMALL}`, {ENGINES[preferred()][0]}"
    ways[small] = 1.0, model_file, SMALL, preferred(), shape  # another picture: the limit says nothing
    measured = engine_rows(name, ways, rounds, shape, 4)
    multiply = Worker(product, side)
    try:
        (peak,) = race("", "", {"": (2e-9 * side**3, multiply.run)}, rounds)
    finally:
        multiply.close()
    work = 1e6 * flops_per_pixel(name)
    done = []
    for row in measured:
        if row.way == small:
            row = replace(row, note=f"another network: Set5 {set5(SMALL):.2f} dB instead of {set5(name):.2f}")
        elif row.speeds and row.way.endswith("float32"):
            row = replace(row, note="; ".join(filter(None, [row.note, share(row, peak, work)])))
        done.append(row)
    return done


def keras_rows(rounds: int = 5, size: tuple[int, int] = SIZE) -> list[Row]:
    """Race the engines on an SRCNN of lesson 03 against Keras; the picture counts as enlarged already."""
    name = "srcnn-photo-x3"
    return engine_rows(
        name, {"Keras on TensorFlow, float32": (1e-4, keras, name, (*size, 1))}, rounds, (*size, 1), 1
    )


def engine_rows(name: str, ways: dict, rounds: int, shape: tuple[int, int, int], scale: int) -> list[Row]:
    """Race `ways`, name -> (limit, function, arguments of it), and after them all engines.

    An engine that is not installed gets a row that says so.
    """
    what, missing = f"`{name}`, {shape[1]} x {shape[0]} px", []
    for engine, (way, limit) in ENGINES.items():
        if util.find_spec(engine.split("-")[0]) is None:
            missing.append(Row(what, way, note="not installed"))
        else:
            ways = ways | {way: (limit, model_file, name, engine, shape)}
    workers = {}
    try:
        for way, (_, *call) in ways.items():
            workers[way] = Worker(*call)
        made = 1e-6 * shape[0] * shape[1] * scale**2
        runs = {way: (made, worker.run) for way, worker in workers.items()}
        limits = {way: limit for way, (limit, *_) in ways.items()}
        return race(what, "Mpx/s", runs, rounds, apart, limits) + missing
    finally:
        for worker in workers.values():
            worker.close()


def apart(a: Worker, b: Worker) -> float:
    """The greatest difference between two workers' pictures."""
    return np.abs(a.answer() - b.answer()).max()


def set5(name: str) -> float:
    """PSNR on Set5, in dB, by a model's card."""
    from srutils.model_files.cards import model_path, read_card

    return read_card(model_path(name).with_suffix(".json"), {"metrics"})["metrics"]["Set5"]["psnr"]


def flops_per_pixel(name: str) -> float:
    """Floating point operations per pixel of the SR image of an SRResNet x4."""
    return forward_flops(network(name), picture(8, 8)[None]) / (16 * 8 * 8)


def network(name):
    """Return a shipped SRResNet for photographs, by PyTorch."""
    from srutils.model_files.cards import model_path
    from srutils.networks.srresnet import SRResNet
    from srutils.recipes.torch_files import weights_of

    weights = weights_of(model_path(name))
    blocks = {key.split(".")[1] for key in weights if key.startswith("blocks.")}
    built = SRResNet(4, 3, len(weights["head.bias"]), len(blocks))
    built.load_state_dict(weights)
    return built.eval()


# ---------------------------------------------------------------- what the workers do
def eager(name, memory_format, shape):
    """Return SRResNet on a picture by PyTorch, as a function."""
    import torch

    from srutils.recipes.torch_loop import to_torch

    built = network(name)
    layout = getattr(torch, memory_format)
    built.to(memory_format=layout)
    lr = picture(*shape)[None]

    def run():
        with torch.inference_mode():
            sr = built(to_torch(lr).contiguous(memory_format=layout))
            return sr.permute(0, 2, 3, 1).contiguous().numpy()

    return run


def keras(name, shape):
    """Lesson 03's network on a picture by Keras, as a function."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    from srutils.model_files.cards import model_path
    from srutils.networks.srcnn import back_projected, three_layers
    from srutils.recipes import keras_files

    network = three_layers()
    keras_files.give_weights(network, keras_files.weights_of(model_path(name)), name)
    network = back_projected(network, scale=3)
    enlarged = picture(*shape)[None]
    return lambda: network.predict_on_batch(enlarged)


def model_file(name, engine, shape):
    """A model file on a picture by one of the course's engines, as a function."""
    from srutils.model_files.cards import model_path
    from srutils.model_files.engine import open_model

    run, image = open_model(model_path(name), shape[2], engine), picture(*shape)[None]
    return lambda: run(image)


def product(side):
    """A product of two square matrices in float32, as a function."""
    import torch

    a, b = torch.rand(2, side, side)
    return lambda: (a @ b).numpy()
