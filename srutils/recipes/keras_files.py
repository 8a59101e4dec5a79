"""Keras networks as files: weights in, from ONNX or .keras; out to ONNX, and to .keras of built-in layers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

Layer = tuple[np.ndarray, np.ndarray | None]  # kernel as Keras has it, bias
TURN = {"Conv": (2, 3, 1, 0), "ConvTranspose": (2, 3, 1, 0), "MatMul": (0, 1)}  # ONNX to Keras


def weights_of(path: Path) -> list[Layer]:
    """Read kernels and biases from a model file, in the order in which they are used.

    Parameters
    ----------
    path : Path
        ``.onnx`` as `save_model` wrote it from a Keras network, or ``.keras``.

    Raises
    ------
    ValueError
        The file cannot be read.
    """
    import onnx

    if path.suffix == ".keras":
        try:
            network = load(path, compile=False)
        except (ValueError, OSError, TypeError) as error:
            raise ValueError(f"cannot read {path}: {' '.join(str(error).split())[:200]}") from None
        return [_of_layer(layer) for layer in network.layers if _learns(layer)]
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own errors have no common base class
        raise ValueError(f"cannot read {path}: {error}") from None
    values = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    found: list[Layer] = []
    for node in graph.node:
        known = [values[name] for name in node.input[1:] if name in values]
        if node.op_type in TURN and known:
            if known[0].shape[:2] == (1, 1) and len(known[0].shape) == 4 and len(known) == 1:
                continue  # a filter of back-projection, which nobody trained
            found.append((known[0].transpose(TURN[node.op_type]), known[1] if len(known) > 1 else None))
        elif node.op_type == "Add" and found and found[-1][1] is None and known and known[0].ndim == 1:
            found[-1] = found[-1][0], known[0]  # of the dense layer before it
    return found


def load(path: Path, compile: bool = True):
    """Open a ``.keras`` file, also one with a layer of the course's own; `compile`: with its optimiser."""
    import keras

    from srutils.networks import srcnn  # noqa: F401  (its layer is known to Keras from then on)

    return keras.models.load_model(path, compile=compile)


def _learns(layer) -> bool:
    return hasattr(layer, "kernel") and layer.trainable


def _of_layer(layer) -> Layer:
    weights = layer.get_weights()
    return weights[0], weights[1] if len(weights) > 1 else None


def give_weights(network, weights: list[Layer], name: str) -> None:
    """Set the kernels and biases of a network without normalisations.

    Each layer takes the first of `weights` that has its shape and is not yet taken: exporters may change the
    order of layers that stand side by side, but not that of layers which follow each other.

    Raises
    ------
    ValueError
        The weights are of another network; `name` is in the sentence.
    """
    rest = list(weights)
    for layer in filter(_learns, network.layers):
        shape = tuple(layer.kernel.shape)
        place = next((i for i, (kernel, _) in enumerate(rest) if kernel.shape == shape), None)
        if place is None:
            raise ValueError(f"{name} has other layers than this recipe: none left of shape {shape}")
        kernel, bias = rest.pop(place)
        if layer.bias is not None:
            layer.set_weights([kernel, np.zeros(shape[-1], np.float32) if bias is None else bias])
    if rest:
        raise ValueError(f"{name} has other layers than this recipe: {len(rest)} too many")


def in_float32(network, build: Callable):
    """Return a network of 32-bit numbers with the same weights, ready to be exported."""
    twin = build()
    twin.set_weights(network.get_weights())
    return twin


def exporter(network) -> tuple[Callable[[Path], None], Callable[[np.ndarray], np.ndarray]]:
    """Return what `srutils.model_files` wants of a network: how to write it, and its first output.

    With PyTorch behind it, Keras exports by tracing a picture of one pixel, around which strides lie
    differently; so a larger one is traced there.
    """
    import keras

    sides = [side or 48 for side in network.inputs[0].shape[1:]]  # a multiple of 2, 3, 4 and 8
    network(np.zeros((1, *sides), np.float32))

    def export(path: Path) -> None:
        with warnings.catch_warnings(action="ignore"):  # of the exporters, about their own dependencies
            if keras.backend.backend() == "torch":
                import torch

                free = {i: f"axis{i}" for i, side in enumerate(network.inputs[0].shape) if side is None}
                options = {"input_names": ["x"], "dynamic_axes": {"x": free}, "dynamo": False}
                torch.onnx.export(network.eval(), torch.zeros(1, *sides), str(path), **options)
            else:
                logging.getLogger("tf2onnx").setLevel(logging.ERROR)
                network.export(str(path), format="onnx", verbose=False)

    def reference(x: np.ndarray) -> np.ndarray:
        answer = network(x)
        return keras.ops.convert_to_numpy(answer[0] if isinstance(answer, list | tuple) else answer)

    return export, reference


def of_built_in_layers(network):
    """Return a network, or a copy of it, that ``keras.models.load_model`` opens without this course.

    A transposed convolution with a fixed kernel of zeros and ones takes the place of `PixelShuffle`: it puts
    map s * i + j at row i, column j of each s x s block, exactly.
    """
    import keras

    from srutils.networks.srcnn import PixelShuffle

    if not any(isinstance(layer, PixelShuffle) for layer in network.layers):
        return network

    def copy(layer):
        if not isinstance(layer, PixelShuffle):
            return layer.__class__.from_config(layer.get_config())
        s = layer.scale
        options = {"strides": s, "use_bias": False, "trainable": False, "name": "weave"}
        return keras.layers.Conv2DTranspose(1, s, **options)

    twin = keras.models.clone_model(network, clone_function=copy)
    weights = iter(network.get_weights())
    for layer in twin.layers:
        if layer.name == "weave":
            s = layer.strides[0]
            layer.set_weights([np.eye(s * s, dtype=np.float32).reshape(s, s, 1, s * s)])
        elif layer.weights:
            layer.set_weights([next(weights) for _ in layer.weights])
    return twin


def facts(precision: str) -> dict:
    """Return what a card says of the framework."""
    import keras

    from srutils import course

    backend = keras.backend.backend()
    return {
        "framework": f"Keras {keras.__version__}, {backend} {course.version_of(backend)}",
        "precision": {"no": "float32"}.get(precision, precision),
    }
