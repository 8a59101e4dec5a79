"""Choose the models for an image and the size of the result, and open what they need."""

from __future__ import annotations

import functools
import math

from srutils.files.picture import Unusable
from srutils.model_files.cards import model_path
from srutils.pairs import METHODS
from srutils.upscale.chain import Chain, shortest_chain
from srutils.upscale.foreign import foreign_upscaler
from srutils.upscale.options import Options, Report
from srutils.upscale.samples import check_samples
from srutils.upscale.upscaler import CLASSICAL, INTERPOLATION, Upscaler, model_cards

MAX_OUTPUT = 2**30  # pixels of a result: a gigapixel
MOST_BY_NETWORK = 8  # how many times larger; what lies beyond is invented altogether
# For strongly compressed pictures: by data/experiments/jpeg_quality.json it is ahead of bicubic at every
# quality, and of the network that knows undamaged pictures alone, at x2, too, where its result is halved.
SPOILED = "real-photo-x4"


def default_models(measured: bool, scale: float, compressed: bool = False) -> list[str]:
    """Choose the upscalers for an image when none is named, one to be applied after the other.

    Photographs get models whose scales multiply to this one, or a little more (`shortest_chain`): of each
    scale, the one with the best PSNR on Set5, by the cards. They get bicubic where there is none. Strongly
    compressed ones get `SPOILED` first, whose result is reduced where it is too large.
    Measurements (FITS, floats of one channel) get bicubic: the networks know two simulated instruments, and
    lesson 07 shows what they do to the images of another one.
    """
    if measured or scale > MOST_BY_NETWORK:
        return ["bicubic"]
    scored = [card for card in model_cards() if "Set5" in card.get("metrics", {})]
    scored.sort(key=lambda card: card["metrics"]["Set5"]["psnr"])
    best = {card["scale"]: card["name"] for card in scored}
    if compressed and any(card["name"] == SPOILED for card in model_cards()):
        return [SPOILED, *(best[step] for step in shortest_chain(list(best), scale / 4) if scale > 4)]
    return [best[step] for step in shortest_chain(list(best), scale)] or ["bicubic"]


def open_upscaler(name: str, scale: int | None, engine: str) -> Upscaler:
    """Open an upscaler, or take the one opened before, if the model's files have not changed since.

    A model without a card is tried out, see `srutils.upscale.foreign`.
    """
    files = [model_path(name), model_path(name).with_suffix(".json")]
    states = [(file, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return _opened(name, scale, engine, tuple(states))


@functools.lru_cache(maxsize=4)
def _opened(name, scale, engine, states) -> Upscaler:
    if _is_foreign(name):
        return foreign_upscaler(model_path(name))
    return Upscaler.load(name, scale, engine)


def _is_foreign(name: str) -> bool:
    path = model_path(name)
    return name not in CLASSICAL and path.is_file() and not path.with_suffix(".json").is_file()


def check_model(options: Options) -> None:
    """Raise ValueError if the network that is named cannot be used: once for a folder, not for every file."""
    if options.model is not None and options.model not in CLASSICAL:
        _steps(options, [options.model], options.scale)


def result_size(options: Options, height: int, width: int) -> tuple[int, int] | None:
    """Compute the height and width of the result; None where neither a scale nor a side is given.

    Raises
    ------
    Unusable
        The result would be smaller than the image, or distorted.
    """
    if options.scale is not None:
        return tuple(int(side * options.scale + 0.5) for side in (height, width))
    if options.width is None and options.height is None:
        return None
    ratio = options.width / width if options.width else options.height / height
    high, wide = (max(1, int(side * ratio + 0.5)) for side in (height, width))
    rows, columns = options.height or high, options.width or wide
    if abs(rows - high) > 1:
        raise Unusable(
            f"{columns} x {rows} pixels would distort its {width} x {height}: with a width of {columns} "
            f"goes a height of {high}; give one of the two"
        )
    if rows < height or columns < width:
        raise Unusable(f"it has {width} x {height} pixels; srutils only enlarges, not to {columns} x {rows}")
    return rows, columns


def choose_upscaler(
    options: Options,
    measured: bool,
    shape: tuple[int, ...],
    report: Report,
    whole: bool = False,
    compressed: str | None = None,
) -> Chain:
    """Open the models for an image of (planes,) height and width, and write them into the report.

    Parameters
    ----------
    options : Options
    measured : bool
        FITS, or floats of one channel: values from an instrument, not a picture.
    shape : tuple of int
    report : Report
        Gets the models, the size of the result, and notes.
    whole : bool
        For FITS: refuse a scale that is not a whole number; interpolation makes x2 where none is given.
    compressed : str, optional
        What the picture was strongly compressed to, in words (`srutils.upscale.jpeg.compression`).

    Raises
    ------
    ValueError
        As `Upscaler.load`.
    Unusable
        The result would be too large, or cannot be made in this size.
    """
    *planes, h, w = shape
    size = result_size(options, h, w)
    if size is None and (options.model is None or (whole and options.model in CLASSICAL)):
        size = tuple(side * (2 if measured else 4) for side in (h, w))
    scale = options.scale or (size and max(size[0] / h, size[1] / w))
    if size and size[0] % h == size[1] % w == 0 and size[0] // h == size[1] // w:
        scale = size[0] // h
    note = report.notes.append
    names = ["bicubic"] if options.blend == 1 else [options.model]
    if not names[0]:
        names = default_models(measured, scale, compressed is not None)
        note(_why(names, measured, scale, compressed))
    steps = _steps(options, names, scale)
    scale = scale or steps[0].scale
    name = " + ".join(step.name for step in steps) or names[0]
    if whole and not isinstance(scale, int):
        raise Unusable(f"FITS images grow by whole numbers, to keep the sky in place; asked for x{scale:g}")
    up = Chain(
        name,
        scale,
        steps[0].card if steps else {},
        steps=steps,
        given=(h, w),
        size=size or (h * scale, w * scale),
        blend=0.0 if name == "bicubic" else options.blend,
        method=name if name in METHODS else "bicubic",
    )
    check_samples(up, options)
    report.model, report.size = name, up.size
    if options.keep_samples:
        planes = [options.samples, *planes]
    if math.prod((*planes, *up.size)) > MAX_OUTPUT:
        result = " x ".join(map(str, (*planes, *up.size)))
        raise Unusable(f"the result would have {result} pixels; at most {MAX_OUTPUT} in all")
    if steps and up.resizes:
        note(f"{name} makes x{up.factor}, which is reduced to {up.size[1]} x {up.size[0]} pixels")
    if options.limits is not None and name in INTERPOLATION:
        note(f"{name} takes all ranges alike: --range changes nothing")
    if options.ensemble and name in INTERPOLATION:
        note(f"{name} treats flips and turns alike: --ensemble changes nothing")
    return up


def _why(names: list[str], measured: bool, scale: float, compressed: str | None) -> str:
    chosen = " + ".join(names)
    if measured:
        return (
            f"{chosen} x{scale:.4g} was chosen for measurements (FITS, floats of one channel): no network "
            "here knows their instrument; --model takes another"
        )
    if names[0] == SPOILED:
        return (
            f"{chosen} was chosen at x{scale:.4g} for a picture in {compressed}, whose traces it was trained "
            "to remove; --model takes another"
        )
    return f"{chosen} was chosen for pictures at x{scale:.4g}; --model takes another"


def _steps(options: Options, names: list[str], scale: float | None) -> tuple[Upscaler, ...]:
    """Open upscalers; a network that is not enough is applied again. None for interpolation by a fraction."""
    name = names[0]
    if name in CLASSICAL:
        if scale is None or scale == int(scale):  # without a scale, Upscaler.load says that one is needed
            return (open_upscaler(name, scale and int(scale), options.engine),)
        if name in METHODS:
            return ()
        raise Unusable(f"{name} enlarges by whole numbers; asked for x{scale:g}")
    sized = (options.scale, options.width, options.height) != (None, None, None)
    if _is_foreign(name) and not sized:
        raise ValueError(f"{name} has no card beside it; with --scale it is tried out without one")
    steps = tuple(open_upscaler(name, None, options.engine) for name in names)
    if scale is not None and scale > MOST_BY_NETWORK:
        raise Unusable(f"networks enlarge by at most {MOST_BY_NETWORK}; asked for x{scale:g}")
    if len(steps) > 1 or scale is None:
        return steps
    again = shortest_chain([steps[0].scale], scale)
    if not again:
        raise Unusable(f"{name} enlarges by {steps[0].scale}, which three times over is less than x{scale:g}")
    return steps * len(again)
