"""Models of others, ONNX files without a card: what they take and make is found out by trying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from srutils.model_files.engine import open_session
from srutils.model_files.export import receptive_field
from srutils.upscale.upscaler import Upscaler

UNITS = (1, 2, 4, 8, 16, 32)  # of which an input's sides may have to be multiples
# Where a network sees further than that, what is far away hardly matters: others make do with less.
FIELD_TRIED, FIELD_ASSUMED = 128, 65


def foreign_upscaler(path: Path) -> Upscaler:
    """Open a model that has no card, with ONNX Runtime, after trying it on small images.

    Parameters
    ----------
    path : Path
        ONNX with one input of four axes, (N, C, H, W) or (N, H, W, C) with C = 1 (taken for luma) or 3 (RGB),
        for values in [0, 1]; H and W must not be fixed.

    Raises
    ------
    ValueError
        It takes other inputs, or does not enlarge; one sentence.
    """
    import onnxruntime

    session, quiet = open_session(path), onnxruntime.RunOptions()
    quiet.log_severity_level = 4  # what fails is raised; it need not be on stderr, too
    inputs = {end.name: list(end.shape) for end in session.get_inputs()}
    axes = next(iter(inputs.values()), [])
    if len(inputs) != 1 or len(axes) != 4:
        raise ValueError(f"{path} has inputs {inputs}; expected one, (N, C, H, W) or (N, H, W, C)")

    def raw(image):
        return session.run(None, {next(iter(inputs)): image}, quiet)[0]

    reason = f"its input is {axes}"
    # where the channels stand: first, last, or, if no number says so, both are tried
    places = [place for place in (1, 3) if axes[place] in (1, 3)][:1] or [
        place for place in (1, 3) if not isinstance(axes[place], int)
    ]
    for place in places:
        sides = axes[2:] if place == 1 else axes[1:3]
        if any(isinstance(side, int) for side in sides):
            reason = f"its input is fixed to {axes}"
            continue
        run = _channels_last(raw) if place == 1 else raw
        for channels in (axes[place],) if isinstance(axes[place], int) else (3, 1):
            for unit in UNITS:
                scale, said = _tried(run, channels, unit)
                if scale is not None:
                    return _upscaler(path, run, channels, scale, unit)
                reason = said or reason
    raise ValueError(f"{path} cannot be used without a card: {reason}")


def _channels_last(run: Callable) -> Callable:
    return lambda image: run(np.ascontiguousarray(image.transpose(0, 3, 1, 2))).transpose(0, 2, 3, 1)


def _tried(run: Callable, channels: int, unit: int) -> tuple[int | None, str]:
    """The scale that a small image shows, or None and why not."""
    height, width = (next(odd * unit for odd in range(start, 99, 2) if odd * unit >= 32) for start in (1, 3))
    width += 2 * unit if width == height else 0  # an odd multiple, and not a square
    image = np.random.default_rng(0).random((1, height, width, channels), np.float32)
    try:
        shape = run(image).shape
    except Exception as error:  # the engines have no common base class for what a model may raise
        return None, " ".join(str(error).split())
    scale = shape[1] // height if len(shape) == 4 else 0
    if scale < 2 or shape != (1, height * scale, width * scale, channels):
        return None, f"of {image.shape} it makes {tuple(shape)}, which is not larger by a whole number"
    return scale, ""


def _upscaler(path: Path, run: Callable, channels: int, scale: int, unit: int) -> Upscaler:
    for grey in (0.25, 0.75):
        made = float(np.mean(run(np.full((1, 64, 64, channels), grey, np.float32))))
        if not abs(made - grey) < 0.25:
            raise ValueError(
                f"{path} cannot be used without a card: of a grey of {grey} it makes {made:.3g}, so it seems "
                "to expect another range of values than 0 to 1"
            )
    try:
        field = receptive_field(run, channels, unit, FIELD_TRIED)
    except ValueError:  # it sees further
        field = FIELD_ASSUMED
    kind = "rgb" if channels == 3 else "luma"
    card = {"channels": kind, "input": "lr", "receptive_field": field, "multiple": unit}
    return Upscaler(path.stem, scale, card, run)
