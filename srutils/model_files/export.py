"""Write a trained network as two files: ``NAME.onnx``, compared with the original, and ``NAME.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srutils.files.atomic import aside, file_sha256
from srutils.model_files.cards import commit, hardware
from srutils.model_files.engine import open_session

ENDS = {"lr": ("batch", "height", "width"), "sr": ("batch", "sr_height", "sr_width")}
MAX_DIFFERENCE = 1e-4


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
    rng, examples = np.random.default_rng(0), []
    for n, *sides in ((1, 32, 32), (3, 17, 40), (2, 45, 24)):
        height, width = (-(-side // multiple) * multiple for side in sides)
        examples.append(rng.random((n, height, width, channels), dtype=np.float32))
    return write_model(name, folder, export, reference, card, ENDS, examples, multiple)


def write_model(
    name: str,
    folder: Path,
    export: Callable[[Path], None],
    reference: Callable[[np.ndarray], np.ndarray],
    card: dict,
    ends: dict[str, tuple[str, ...]],
    examples: list,
    multiple: int | None = None,
) -> dict:
    """Write ``NAME.onnx`` and ``NAME.json`` aside, check the file, and move both to their place.

    Parameters
    ----------
    name, folder, export, reference, card
        As in `save_model`; `reference` gives what the first output is to be.
    ends : dict of str to tuple of str
        What the input and the outputs are to be called, in this order, and the first axes of each, which are
        free. A second input keeps the name that it was exported with.
    examples : list of ndarray, or of dict of str to ndarray
        Inputs to compare on; with several inputs, by name.
    multiple : int, optional
        Measure the receptive field, too, for images whose sides are multiples of this.

    Returns
    -------
    dict
        The card as written.

    Raises
    ------
    ValueError
        If the greatest difference is above 1e-4, or NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with aside(folder / f"{name}.onnx") as file, aside(folder / f"{name}.json") as text:
        model, run, difference = _export(export, reference, file, ends, examples)
        if not difference <= MAX_DIFFERENCE:
            raise ValueError(
                f"{name}: ONNX Runtime differs from the original by {difference:.1e}; expected below 1e-4"
            )
        card = {"name": name, **card}
        card.setdefault("parameters", _parameters(model.graph))
        if multiple is not None:
            card["receptive_field"] = receptive_field(run, examples[0].shape[-1], multiple)
        card |= {"onnx_max_difference": difference, "hardware": hardware()}
        card |= {"commit": commit(), "sha256": file_sha256(file)}
        text.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


class WrongShape(ValueError):
    """An ONNX file's output has another shape than the original's."""


def _export(export, reference, file: Path, ends: dict, examples: list, tries: int = 6):
    """Export to `file` and name its ends; return the model, what runs it, and the greatest difference.

    tf2onnx 1.17 loses the last node of a network with one channel in about one export of ten, and its output
    has an axis too many then, which a difference of numbers would not tell. So the export is tried again.
    """
    import onnx

    given, returned = list(ends)[:2]
    for left in reversed(range(tries)):
        export(file)
        model = _rename(onnx.load(str(file)), ends)
        onnx.checker.check_model(model)
        onnx.save(model, str(file))
        session = open_session(file)

        def run(x, session=session):
            return session.run([returned], x if isinstance(x, dict) else {given: x})[0]

        try:
            return model, run, float(np.max([_difference(run(x), reference(x)) for x in examples]))
        except WrongShape:
            if not left:
                raise


def _difference(ours: np.ndarray, theirs) -> float:
    theirs = np.asarray(theirs, np.float32)
    if ours.shape != theirs.shape:
        raise WrongShape(f"the ONNX file computes {ours.shape} where the original has {theirs.shape}")
    return float(np.abs(ours - theirs).max())


def _rename(model, ends: dict[str, tuple[str, ...]]):
    """Name an ONNX model's input, its outputs and their free axes, whatever the exporter chose."""
    graph = model.graph
    values = [graph.input[0], *graph.output]
    names = {value.name: new for value, new in zip(values, ends, strict=False)}
    for node in graph.node:
        for fields in (node.input, node.output):
            for i, old in enumerate(fields):
                fields[i] = names.get(old, old)
    for value, (new, axes) in zip(values, ends.items(), strict=False):
        value.name = new
        for dim, axis in zip(value.type.tensor_type.shape.dim, axes, strict=False):
            dim.dim_param = axis
    del graph.value_info[:]  # shapes of the exporter's trial input
    return model


def _parameters(graph):
    """Count the numbers that were learned: float arrays, but not the factors of an enlargement (Resize)."""
    factors = {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]}
    learned = (w for w in graph.initializer if w.data_type == 1 and len(w.dims) and w.name not in factors)
    return sum(int(np.prod(w.dims)) for w in learned)


def receptive_field(
    run: Callable[[np.ndarray], np.ndarray], channels: int, multiple: int = 1, limit: int = 1024
) -> int:
    """Measure the side, in input pixels, of the square that one output pixel depends on.

    One input pixel is changed, and the extent of what changes in the output is the answer, since a reach is
    the same in both directions. With strides it depends on where the pixel lies on their grid, which repeats
    every ``multiple`` pixels: the longest reach counts. The image grows until the change no longer fills it.
    """
    size = 64 - 64 % multiple
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
