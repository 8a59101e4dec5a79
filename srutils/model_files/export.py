"""A trained network as two files: ``NAME.onnx``, compared with the original, and its card ``NAME.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srutils.files.atomic import aside, file_sha256
from srutils.model_files.cards import commit, hardware


def save_model(
    name: str,
    folder: Path,
    export: Callable[[Path], None],
    reference: Callable[[np.ndarray], np.ndarray],
    card: dict,
) -> dict:
    """Export a network, compare it with the original on random sizes, and write it with its card.

    Parameters
    ----------
    name : str
    folder : Path
    export : callable
        Writes an ONNX file with one input and one output, NHWC, to the path it is given.
    reference : callable
        The network in its own framework: (N, h, w, C) float32 to (N, H, W, C).
    card : dict
        What the run knows: task, scale, channels, input, data, steps, seed, metrics, ...

    Returns
    -------
    dict
        The card as written, with name, parameters, receptive_field, onnx_max_difference, sha256, hardware
        and commit.

    Raises
    ------
    ValueError
        If ONNX Runtime's output differs from the original's by more than 1e-4.
    """
    channels, multiple = 3 if card["channels"] == "rgb" else 1, card.get("multiple", 1)

    def compare(path):
        return _difference(_runner(path), reference, channels, multiple)

    def facts(path):
        return {"receptive_field": receptive_field(_runner(path), channels, multiple)}

    return write_model(name, folder, export, _rename, compare, card, facts)


def write_model(
    name: str,
    folder: Path,
    export: Callable[[Path], None],
    rename: Callable,
    compare: Callable[[Path], float],
    card: dict,
    facts: Callable[[Path], dict] = lambda path: {},
) -> dict:
    """Write ``NAME.onnx`` and ``NAME.json`` aside, check the file, and move both to their place.

    Parameters
    ----------
    name, folder, export, card
        As in `save_model`.
    rename : callable
        Gives an ONNX model's inputs, outputs and free axes the names that the course knows.
    compare : callable
        From the file's path to the greatest difference of its outputs from the original's.
    facts : callable, optional
        From the file's path to more entries of the card.

    Returns
    -------
    dict
        The card as written.

    Raises
    ------
    ValueError
        If that difference is above 1e-4, or NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with aside(folder / f"{name}.onnx") as file, aside(folder / f"{name}.json") as text:
        model, difference = _export(export, rename, compare, file)
        if not difference <= 1e-4:
            raise ValueError(
                f"{name}: ONNX Runtime differs from the original by {difference:.1e}; expected below 1e-4"
            )
        card = {"name": name, **card}
        card.setdefault("parameters", _parameters(model.graph))
        card |= facts(file) | {"onnx_max_difference": difference, "hardware": hardware()}
        card |= {"commit": commit(), "sha256": file_sha256(file)}
        text.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


class WrongShape(ValueError):
    """An ONNX file's output has another shape than the original's."""


def _export(export, rename, compare, file: Path, tries: int = 6):
    """Export to `file` and name its ends; return the model and its difference from the original.

    tf2onnx 1.17 loses the last node of a network with one channel in about one export of ten, and its output
    has an axis too many then, which a difference of numbers would not tell. So the export is tried again.
    """
    import onnx

    while True:
        export(file)
        model = rename(onnx.load(str(file)))
        onnx.checker.check_model(model)
        onnx.save(model, str(file))
        tries -= 1
        try:
            return model, compare(file)
        except WrongShape:
            if not tries:
                raise


def _parameters(graph):
    """Count the numbers that were learned: float arrays, but not the factors of an enlargement (Resize)."""
    factors = {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]}
    learned = (w for w in graph.initializer if w.data_type == 1 and len(w.dims) and w.name not in factors)
    return sum(int(np.prod(w.dims)) for w in learned)


def _rename(model):
    """Name the input "lr", the output "sr" and the free axes, whatever the exporter chose."""
    graph = model.graph
    names = {graph.input[0].name: "lr", graph.output[0].name: "sr"}
    for node in graph.node:
        for fields in (node.input, node.output):
            for i, old in enumerate(fields):
                fields[i] = names.get(old, old)
    for value, new, axes in (
        (graph.input[0], "lr", ("batch", "height", "width")),
        (graph.output[0], "sr", ("batch", "sr_height", "sr_width")),
    ):
        value.name = new
        for dim, axis in zip(value.type.tensor_type.shape.dim, axes, strict=False):
            dim.dim_param = axis
    del graph.value_info[:]  # shapes of the exporter's trial input
    return model


def _runner(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda x: session.run(["sr"], {"lr": x})[0]


def _difference(run, reference, channels: int, multiple: int) -> float:
    rng = np.random.default_rng(0)
    worst = 0.0
    for n, height, width in ((1, 32, 32), (3, 17, 40), (2, 45, 24)):
        height, width = (-(-side // multiple) * multiple for side in (height, width))
        x = rng.random((n, height, width, channels), dtype=np.float32)
        ours, theirs = run(x), np.asarray(reference(x), np.float32)
        if ours.shape != theirs.shape:
            raise WrongShape(f"the ONNX file computes {ours.shape} where the original has {theirs.shape}")
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


def receptive_field(
    run: Callable[[np.ndarray], np.ndarray], channels: int, multiple: int = 1, limit: int = 1024
) -> int:
    """Measure the side, in input pixels, of the square that one output pixel depends on.

    One input pixel is changed, and the extent of what changes in the output is the answer, since a reach is
    the same in both directions. With strides it depends on where the pixel lies on their grid, which repeats
    every ``multiple`` pixels: the longest reach counts. The image grows until the change no longer fills it.
    """
    size = 64
    while size <= limit:
        x = np.random.default_rng(0).random((1, size, size, channels), dtype=np.float32)
        before, middle, reach = run(x), size // 2, 0
        for place in range(middle, middle + multiple):
            changed = np.zeros((size, size), bool)
            for value in (-8.0, 8.0):  # both signs: a ReLU may hide one of them
                y = x.copy()
                y[0, place, place] += np.float32(value)
                difference = (run(y) != before)[0].any(-1)
                grow = difference.shape[0] // size
                if difference.shape != (grow * size, grow * size):
                    raise ValueError(f"{size} x {size} pixels became {difference.shape}; expected a multiple")
                changed |= difference.reshape(size, grow, size, grow).any((1, 3))
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            reach = max(reach, place - rows[0], rows[-1] - place, place - columns[0], columns[-1] - place)
        if reach < middle - multiple:
            return int(2 * reach + 1)
        size *= 2
    raise ValueError(f"the network sees further than {limit} pixels; tiles would show seams")
