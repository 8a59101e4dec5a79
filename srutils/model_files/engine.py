"""What runs a model file: ONNX Runtime, or OpenVINO where it is installed; both read the same ONNX.

Which of them is faster depends on the processor (``make bench`` says); who installs OpenVINO, which the
course does not need, wants it used, so "auto" takes it if it is there. Its bfloat16 takes about half the time
where the hardware computes with it, and rounds: it is never taken unasked.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

ENGINES = ("auto", "onnxruntime", "openvino", "openvino-bf16")


def preferred() -> str:
    """Name the engine that "auto" takes: OpenVINO, in float32, where it is installed."""
    return "openvino" if importlib.util.find_spec("openvino") is not None else "onnxruntime"


def check_engine(name: str) -> None:
    """Raise ValueError if no engine has this name."""
    if name not in ENGINES:
        raise ValueError(f"no engine called {name!r}; there are {', '.join(ENGINES)}")


def open_session(path: str | Path):
    """Open an ONNX file with ONNX Runtime, on the processor; ValueError if it cannot be read."""
    with _reading(path):
        import onnxruntime

        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def open_model(
    path: str | Path, channels: int, engine: str = "auto", noise: bool = False
) -> Callable[..., np.ndarray]:
    """Open a model file that enlarges images.

    Parameters
    ----------
    path : path-like
        ONNX with one input ``lr`` and an output ``sr``, both (N, H, W, C) float32, N, H and W dynamic.
    channels : int
        C, 1 or 3.
    engine : {"auto", "onnxruntime", "openvino", "openvino-bf16"}
    noise : bool
        It has a second input, ``noise``, of SR's shape: a posterior model.

    Returns
    -------
    callable
        From LR (N, h, w, C), and noise (N, H, W, C) if it takes any, to SR, float32.

    Raises
    ------
    ValueError
        Unknown engine or one that is not installed, a file that cannot be read, other inputs or outputs.
    """
    check_engine(engine)
    engine = preferred() if engine == "auto" else engine
    if engine.startswith("openvino"):
        with _reading(path):
            inputs, outputs, run = _openvino(path, engine)
    else:
        inputs, outputs, run = _onnxruntime(path)
    names = ["lr", "noise"] if noise else ["lr"]
    # an axis is a number where it is fixed
    n, h, w, c = inputs["lr"] if list(inputs) == names and len(inputs["lr"]) == 4 else (0, 0, 0, 0)
    if c != channels or any(isinstance(axis, int) for axis in (n, h, w)) or "sr" not in outputs:
        expected = "inputs lr and noise" if noise else "one input lr"
        expected += f" (N, H, W, {channels}) with N, H and W dynamic, and an output sr"
        raise ValueError(f"the model {path} has inputs {inputs} and outputs {outputs}; expected {expected}")
    return lambda *images: run(dict(zip(names, images, strict=True)))


@contextlib.contextmanager
def _reading(path):
    """Turn whatever an engine raises into one sentence: none has a base class for what a bad file raises."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed: pip install 'srutils[fast]'") from None
    except Exception as error:
        raise ValueError(f"cannot read the model {path}: {' '.join(str(error).split())}") from None


def _onnxruntime(path):
    session = open_session(path)
    inputs = {end.name: list(end.shape) for end in session.get_inputs()}
    outputs = [end.name for end in session.get_outputs()]
    return inputs, outputs, lambda given: session.run(["sr"], given)[0]


def _openvino(path, engine):
    import openvino
    from openvino.frontend import FrontEndManager

    reader = FrontEndManager().load_by_framework("onnx")  # left to guess, others write to stderr
    model = reader.convert(reader.load(str(path)))
    precision = {"INFERENCE_PRECISION_HINT": "bf16" if engine.endswith("bf16") else "f32"}
    compiled = openvino.compile_model(model, "CPU", precision)

    def axes(end):
        return [axis.to_string() if axis.is_dynamic else axis.get_length() for axis in end.partial_shape]

    inputs = {end.any_name: axes(end) for end in model.inputs}
    outputs = [name for end in model.outputs for name in end.names]
    return inputs, outputs, lambda given: compiled(given)["sr"]
