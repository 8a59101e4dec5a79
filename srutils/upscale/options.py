"""How to enlarge, whatever the file: the options, the model that is chosen, and what the user should know."""

from __future__ import annotations

import functools
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

from srutils.files.picture import Unusable
from srutils.model_files.cards import model_path
from srutils.model_files.engine import check_engine
from srutils.upscale.upscaler import REACH, Upscaler, model_cards

MAX_OUTPUT = 2**30  # pixels of a result: a gigapixel
LEAST_TILE = 32
logger = logging.getLogger("srutils.upscale")


@dataclass(frozen=True)
class Options:
    """How to enlarge files.

    Attributes
    ----------
    model : str, optional
        As for `Upscaler.load`; without it, see `default_model`.
    scale : int, optional
        Needed by interpolation; a network has its own.
    tile, engine, ensemble
        See `Upscaler`. With `ensemble`, the standard deviation of the eight results is written too: as a FITS
        extension, or beside the target as ``NAME_uncertainty.npy`` or ``.tif`` (pictures: full scale is 1).
    limits : (low, high), optional
        What a network is to see as 0 and 1, for floating-point values; see
        `srutils.upscale.arrays.value_range` for what it sees otherwise. The result has the source's range.
    hdu : int or str, optional
        Extension of a FITS file.
    values : str, optional
        What the values of a FITS image are, whatever its BUNIT says: "amount", of which smaller pixels share
        (counts, Jy), or "intensity", which they keep (MJy/sr, K).
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        A value that cannot be meant, in one sentence.
    """

    model: str | None = None
    scale: int | None = None
    tile: int = 256
    engine: str = "auto"
    ensemble: bool = False
    limits: tuple[float, float] | None = None
    hdu: int | str | None = None
    values: str | None = None
    progress: bool = False

    def __post_init__(self):
        if self.tile < LEAST_TILE:  # the margins would cost a thousand times more than the picture
            raise ValueError(f"tile is {self.tile}; expected at least {LEAST_TILE} pixels")
        check_engine(self.engine)
        if self.limits is not None and not -math.inf < self.limits[0] < self.limits[1] < math.inf:
            raise ValueError(f"the range is {self.limits}; expected two numbers, the lower one first")
        if self.values not in (None, "amount", "intensity"):
            raise ValueError(f"the values are {self.values!r}; expected amount or intensity")


@dataclass
class Report:
    """What became of one file.

    Attributes
    ----------
    target : Path
    size : (height, width)
    model : str
    seconds : float
    notes : list of str
        What the user should know: a model chosen for them, bits that the format cannot hold.
    uncertainty : str
        Where the spread of the eight is, if it was asked for.
    """

    target: Path
    size: tuple[int, int] = (0, 0)
    model: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    uncertainty: str = ""

    def tell(self) -> None:
        """Log the notes; called when the work begins, for no error of the input can follow them any more."""
        for note in self.notes:
            logger.info(note)


def default_model(measured: bool, scale: int | None) -> tuple[str, int]:
    """Choose the upscaler for an image when none is named: its name and scale.

    Photographs get the model of that scale (4 if none is given) with the best PSNR on Set5, by the cards, and
    bicubic where there is none. Measurements (FITS, floats of one channel) get bicubic, x2: the networks know
    two simulated instruments, and lesson 07 shows what they do to the images of another one.
    """
    if measured:
        return "bicubic", scale or 2
    scale = scale or 4
    scores = {
        card["name"]: card["metrics"]["Set5"]["psnr"]
        for card in model_cards()
        if card["scale"] == scale and "Set5" in card.get("metrics", {})
    }
    return (max(scores, key=scores.get) if scores else "bicubic"), scale


def open_upscaler(name: str, scale: int | None, engine: str) -> Upscaler:
    """Open an upscaler, or take the one opened before, if the model's files have not changed since."""
    files = [model_path(name), model_path(name).with_suffix(".json")]
    states = [(file, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return _opened(name, scale, engine, tuple(states))


@functools.lru_cache(maxsize=4)
def _opened(name, scale, engine, states) -> Upscaler:
    return Upscaler.load(name, scale, engine)


def choose_upscaler(options: Options, measured: bool, shape: tuple[int, ...], report: Report) -> Upscaler:
    """Open the model for an image of (planes,) height and width, and write it into the report.

    Parameters
    ----------
    options : Options
    measured : bool
        FITS, or floats of one channel: values from an instrument, not a picture.
    shape : tuple of int
    report : Report
        Gets the model, the size of the result, and notes.

    Raises
    ------
    ValueError
        As `Upscaler.load`.
    Unusable
        The result would be too large.
    """
    name, scale = options.model, options.scale
    if name is None:
        name, scale = default_model(measured, scale)
        why = (
            f"{name} x{scale} was chosen for measurements (FITS, floats of one channel): no network here "
            "knows their instrument"
            if measured
            else f"{name} was chosen for pictures at x{scale}"
        )
        report.notes.append(f"{why}; --model takes another")
    up = open_upscaler(name, scale, options.engine)
    if options.limits is not None and up.name in REACH:
        report.notes.append(f"{up.name} takes all ranges alike: --range changes nothing")
    if options.ensemble and up.name in REACH:
        report.notes.append(f"{up.name} treats flips and turns alike: --ensemble changes nothing")
    *planes, h, w = shape
    report.model, report.size = up.name, (h * up.scale, w * up.scale)
    if math.prod((*planes, *report.size)) > MAX_OUTPUT:
        size = " x ".join(map(str, (*planes, *report.size)))
        raise Unusable(f"the result would have {size} pixels; at most {MAX_OUTPUT} in all")
    return up
