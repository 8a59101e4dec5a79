"""How to enlarge, whatever the file: the options, and the report on what became of a file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from srutils.model_files.engine import check_engine
from srutils.upscale.messages import notes

LEAST_TILE = 32


@dataclass(frozen=True)
class Options:
    """How to enlarge files.

    Attributes
    ----------
    model : str, optional
        As for `Upscaler.load`; without it, see `srutils.upscale.choice.default_models`.
    scale : float, optional
        How many times larger, at least 1; a network's own without it. Where a network makes more, what it
        made is reduced, antialiased; where it makes less, it is applied again. FITS: whole numbers.
    width, height : int, optional
        Instead of a scale, of the result: one keeps the proportions, both must agree with them to a pixel.
    blend : float
        Share of bicubic in the result: 0 is the model alone, 1 bicubic alone.
    tile : int, optional
        See `Upscaler`; without it, `srutils.upscale.memory.tile_side`.
    engine, ensemble
        See `Upscaler`. With `ensemble`, the standard deviation of the eight results is written too: as a FITS
        extension, or beside the target as ``NAME_uncertainty.npy`` or ``.tif`` (pictures: full scale is 1).
    samples : int, optional
        Of a posterior model: draw so many pictures that fit; the result is their mean, and their standard
        deviation is written as with `ensemble`.
    keep_samples : bool
        Write all of them, too: as the FITS extension SAMPLES, or beside the target as ``NAME_samples.npy``.
    seed : int
        Of the samples: the same seed gives the same ones.
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
    scale: float | None = None
    width: int | None = None
    height: int | None = None
    blend: float = 0.0
    tile: int | None = None
    engine: str = "auto"
    ensemble: bool = False
    samples: int | None = None
    keep_samples: bool = False
    seed: int = 0
    limits: tuple[float, float] | None = None
    hdu: int | str | None = None
    values: str | None = None
    progress: bool = False

    def __post_init__(self):
        if self.scale is not None and not 1 <= self.scale < math.inf:
            raise ValueError(f"scale is {self.scale:g}; expected at least 1, for srutils only enlarges")
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None and side < 1:
                raise ValueError(f"{name} is {side}; expected at least 1 pixel")
            if side is not None and self.scale is not None:
                raise ValueError(f"both a scale and a {name} were given; expected one of them")
        if not 0 <= self.blend <= 1:
            raise ValueError(f"blend is {self.blend:g}; expected 0 (the model alone) to 1 (bicubic alone)")
        # below it the margins would cost a thousand times more than the picture
        if self.tile is not None and self.tile < LEAST_TILE:
            raise ValueError(f"tile is {self.tile}; expected at least {LEAST_TILE} pixels")
        if self.samples is not None and not 2 <= self.samples <= 10_000:
            raise ValueError(f"samples is {self.samples}; expected 2 to 10000")
        if self.keep_samples and self.samples is None:
            raise ValueError("--keep-samples keeps what --samples draws; give both")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; expected 0 to 2**32 - 1")
        check_engine(self.engine)
        if self.limits is not None and not -math.inf < self.limits[0] < self.limits[1] < math.inf:
            raise ValueError(f"the range is {self.limits}; expected two numbers, the lower one first")
        if self.values not in (None, "amount", "intensity"):
            raise ValueError(f"the values are {self.values!r}; expected amount or intensity")

    @property
    def beside(self) -> tuple[str, ...]:
        """What is written beside a picture or an array, or into the FITS file: the names' endings."""
        spread = ("uncertainty",) if self.ensemble or self.samples else ()
        return (*spread, "samples") if self.keep_samples else spread


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
            notes.info(note)
