"""How to enlarge, whatever the file: with which model, in what range of values, within which bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srutils.files.decode import Unusable
from srutils.files.images import from_float, to_float
from srutils.model_files.engine import check_engine
from srutils.upscale.arrays import covered, value_range
from srutils.upscale.upscaler import DECONVOLVERS, REACH, Upscaler, model_cards

MAX_OUTPUT = 2**30  # pixels of a result: a gigapixel
MEASURED = "bicubic"  # for what an instrument has measured, unless a model is named
LEAST_TILE = 32


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


def default_model(measured: bool, scale: int | None) -> tuple[str, int]:
    """The upscaler for an image when none is named: its name and scale.

    Photographs get the model of that scale (4 if none is given) with the best PSNR on Set5, by the cards, and
    bicubic where there is none. Measurements (FITS, floats of one channel) get bicubic, x2: the networks know
    two simulated instruments, and lesson 07 shows what they do to the images of another one.
    """
    if measured:
        return MEASURED, scale or 2
    scale = scale or 4
    scores = {
        card["name"]: card["metrics"]["Set5"]["psnr"]
        for card in model_cards()
        if card["scale"] == scale and "Set5" in card.get("metrics", {})
    }
    return (max(scores, key=scores.get) if scores else "bicubic"), scale


@dataclass
class Work:
    """How to enlarge; see `srutils.upscale.files.upscale_file`. A model once opened serves the next file.

    `tell`, if given, gets the notes on a file when the work on it begins, for the result may be minutes away;
    a note that an earlier file had is not told again.
    """

    model: str | None = None
    scale: int | None = None
    tile: int = 256
    engine: str = "auto"
    ensemble: bool = False
    limits: tuple[float, float] | None = None
    progress: bool = False
    tell: Callable[[str], None] | None = None
    told: set[str] = field(default_factory=set, repr=False)
    pending: list[str] = field(default_factory=list, repr=False)
    opened: dict[tuple, Upscaler] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if self.tile < LEAST_TILE:  # the margins would cost a thousand times more than the picture
            raise ValueError(f"tile is {self.tile}; expected at least {LEAST_TILE} pixels")
        check_engine(self.engine)
        if self.limits is not None and not -math.inf < self.limits[0] < self.limits[1] < math.inf:
            raise ValueError(f"the range is {self.limits}; expected two numbers, the lower one first")

    def note(self, report: Report, text: str) -> None:
        """Write a note into the report, to be told when nothing can be wrong with the input any more."""
        report.notes.append(text)
        self.pending.append(text)

    def tell_notes(self) -> None:
        """Tell what has been noted, unless an earlier file had it too."""
        for text in self.pending:
            if self.tell is not None and text not in self.told:
                self.tell(text)
            self.told.add(text)
        self.pending.clear()

    def open(self, name: str, scale: int | None) -> Upscaler:
        """The model of this name, opened at its first use."""
        if (name, scale) not in self.opened:
            self.opened[name, scale] = Upscaler.load(name, scale, self.engine)
        return self.opened[name, scale]

    def upscaler(self, measured: bool, shape: tuple[int, ...], report: Report) -> Upscaler:
        """Open the model for an image of (planes,) height and width, and write it into the report."""
        name, scale = self.model, self.scale
        if name is None:
            name, scale = default_model(measured, scale)
            why = (
                f"{name} x{scale} was chosen for measurements (FITS, floats of one channel): no network here "
                "knows their instrument"
                if measured
                else f"{name} was chosen for pictures at x{scale}"
            )
            self.note(report, f"{why}; --model takes another")
        up = self.open(name, scale)
        if self.limits is not None and up.name in REACH:
            self.note(report, f"{up.name} takes all ranges alike: --range changes nothing")
        if self.ensemble and not self.eight(up):
            self.note(report, f"{up.name} treats flips and turns alike: --ensemble changes nothing")
        *planes, h, w = shape
        report.model, report.size = up.name, (h * up.scale, w * up.scale)
        if math.prod((*planes, *report.size)) > MAX_OUTPUT:
            size = " x ".join(map(str, (*planes, *report.size)))
            raise Unusable(f"the result would have {size} pixels; at most {MAX_OUTPUT} in all")
        return up

    def eight(self, up: Upscaler) -> bool:
        """Whether to take the mean of eight: asked for, and not the same eight times, as of interpolation."""
        return self.ensemble and up.name not in REACH

    def enlarge(self, up: Upscaler, image, out, to_float: Callable, store: Callable):
        """Fill `out` piece by piece; return the spread of the eight, or None."""
        from tqdm import tqdm

        self.tell_notes()
        spread = np.empty(out.shape, np.float32) if self.eight(up) else None
        count = 1 if up.name in DECONVOLVERS else math.prod(-(-n // self.tile) for n in image.shape[:2])
        pieces = up.pieces(image, self.tile, self.eight(up), to_float)
        for place, sr, deviation in tqdm(
            pieces, total=count, unit="tile", disable=not self.progress, leave=False
        ):
            out[place] = store(sr)
            if spread is not None:
                spread[place] = deviation
        return spread

    def levels(self, up: Upscaler, pixels: np.ndarray, bits: int):
        """Integers to integers, tile by tile: nothing of the size of the result is ever floating point."""
        h, w, c = pixels.shape
        kind = {8: np.uint8, 16: np.uint16, 32: np.float32}[bits]
        out = np.empty((h * up.scale, w * up.scale, c), kind)
        return out, self.enlarge(up, pixels, out, to_float, lambda sr: from_float(sr, bits))

    def values(
        self,
        up: Upscaler,
        values: np.ndarray,
        after: Callable = lambda out, whole: None,
        limits: tuple[float, float] | None = None,
    ):
        """Floats of any range, (H, W, C), NaN where there is no value.

        `limits` is what the network is to see as 0 and 1, by default `range_for` of the values.

        Returns
        -------
        out : ndarray, float32
            After ``after(out, whole)``, which may change it; ``whole`` is the input without its holes.
        spread : ndarray or None

        Raises
        ------
        Unusable
            No value is finite.
        """
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        hole = ~np.isfinite(values).all(-1)
        if hole.all():
            raise Unusable("it holds no finite value")
        low, high = limits or self.range_for(up, values[~hole])
        unit, whole = high - low, covered(values, hole)
        h, w, c = whole.shape
        out = np.empty((h * up.scale, w * up.scale, c), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # at the end of float32's own range
            spread = self.enlarge(
                up,
                whole,
                out,
                lambda v: ((v.astype(np.float64) - low) / unit).astype(np.float32),
                lambda sr: sr.astype(np.float64) * unit + low,
            )
            after(out, whole)
            hole = hole.repeat(up.scale, 0).repeat(up.scale, 1)
            out[hole] = np.nan
            if spread is not None:
                spread *= np.float32(unit)
                spread[hole] = np.nan
        return out, spread

    def range_for(self, up: Upscaler, values: np.ndarray, keep: bool = True) -> tuple[float, float]:
        """What the network is to see as 0 and 1; `values` are finite, and `keep` as for `value_range`."""
        lens = up.card.get("channels") == "gray" or up.name in DECONVOLVERS
        if not up.card and not lens:
            return 0.0, 1.0  # to interpolation, all ranges are one
        if self.limits is not None:
            return self.limits
        # LR's brightest pixels average what HR resolves. Where HR's peak is 1, as on the telescope track, the
        # 99.9th percentile of LR is 0.68 at x2 and 0.46 at x4 (medians of 60 lenses).
        return value_range(values, lens, up.scale**-0.5 if lens else 1.0, keep)
