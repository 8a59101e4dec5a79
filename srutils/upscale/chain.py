"""Enlarge to any size: upscalers one after the other, a share of bicubic, then an antialiased resize."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from srutils.pairs import METHODS, resize
from srutils.upscale.tiling import Tile
from srutils.upscale.upscaler import INTERPOLATION, Upscaler

MOST_STEPS = 3


def shortest_chain(scales: Sequence[int], scale: float) -> list[int]:
    """Choose scales, the largest first, whose product reaches `scale` and exceeds it by least.

    Of equal products, the one with fewest steps is taken: 8 is 4 x 2, not 2 x 2 x 2.

    Parameters
    ----------
    scales : sequence of int
        Of the networks that there are; each may be used again.
    scale : float
        At least 1.

    Returns
    -------
    list of int
        At most three; empty if three do not reach the scale.
    """
    every = (
        steps
        for n in range(1, MOST_STEPS + 1)
        for steps in itertools.combinations_with_replacement(sorted(set(scales), reverse=True), n)
    )
    enough = [steps for steps in every if math.prod(steps) >= scale]
    return list(min(enough, key=lambda steps: (math.prod(steps), len(steps)), default=()))


@dataclass
class Chain(Upscaler):
    """Enlarge images of one size to another by several upscalers, piece by piece (`Upscaler.pieces`).

    Attributes
    ----------
    steps : tuple of Upscaler
        Each gets what the one before has made. Without any, the image goes to the resize as it is.
    given, size : (height, width)
        Of the image, and of the result; ``scale`` is their ratio, an int where it is a whole number.
    blend : float
        Share of bicubic in the result.
    method : str
        How what the steps made is resized, of `srutils.pairs.METHODS`.
    """

    steps: tuple[Upscaler, ...] = ()
    given: tuple[int, int] = (1, 1)
    size: tuple[int, int] = (1, 1)
    blend: float = 0.0
    method: str = "bicubic"

    @property
    def factor(self) -> int:
        """How many times larger the steps make an image, before it is resized."""
        return math.prod(step.scale for step in self.steps)

    @property
    def resizes(self) -> bool:
        """Whether the steps make another size than is wanted."""
        return self.size != tuple(self.factor * side for side in self.given)

    def bicubic(self) -> Chain:
        """Return bicubic interpolation to the same size, for transparency."""
        return Chain("bicubic", self.scale, given=self.given, size=self.size)

    def needs(self) -> dict:
        """Compute what tiles must be like; a step's margin shrinks by what the steps before have enlarged."""
        # of a resize: the reach of its kernel, and the fraction of a pixel that a tile's edge may be off
        margin = INTERPOLATION[self.method] + 1 if self.resizes else 0
        unit, repeat, grown = 1, False, 1
        for step in self.steps:
            need = step.needs()
            margin += -(-need["margin"] // grown)
            wanted = need.get("unit", 1)
            unit = math.lcm(unit, wanted // math.gcd(wanted, grown))
            repeat |= need.get("repeat", False)
            grown *= step.scale
        if self.blend:
            margin = max(margin, INTERPOLATION["bicubic"])
        return {"margin": margin, "unit": unit, "repeat": repeat}

    def enlarge(self, image: np.ndarray) -> np.ndarray:
        """Enlarge an image (H, W, C), float32, by all steps, and blend; not resized yet."""
        sr = image
        for step in self.steps:
            sr = step.enlarge(sr)
        if self.blend:
            sr = sr + np.float32(self.blend) * (resize(image, sr.shape[:2], "bicubic") - sr)
        return sr

    def place(self, tile: Tile) -> tuple[slice, slice]:
        """Compute where a tile belongs: the result's rows and columns are shared among tiles by rounding."""
        spans = zip((tile.rows, tile.columns), self.given, self.size, strict=True)
        return tuple(slice(*((2 * end * m + n) // (2 * n) for end in (s.start, s.stop))) for s, n, m in spans)

    def inner(self, enlarged: np.ndarray, tile: Tile) -> np.ndarray:
        """Resize a tile's enlarged region to the rows and columns that it has in the result."""
        if not self.resizes:
            return tile.inner(enlarged, self.factor)
        rows, columns = self.place(tile)
        first = tile.rows.start - tile.top, tile.columns.start - tile.left
        box, indices = [], []
        for span, start, n, m, side in zip(
            (rows, columns), first, self.given, self.size, enlarged.shape[:2], strict=True
        ):
            ends = [(end * n / m - start) * self.factor for end in (span.start, span.stop)]
            box.append((max(ends[0], 0.0), min(ends[1], float(side))))
            # in whole numbers, or a pixel on the border of two would depend on the tile
            middle = (2 * np.arange(span.start, span.stop) + 1) * n * self.factor // (2 * m)
            indices.append(middle - start * self.factor)
        if self.method == "nearest":
            return enlarged[indices[0][:, None], indices[1]]
        (top, bottom), (left, right) = box
        size = (columns.stop - columns.start, rows.stop - rows.start)
        planes = [
            Image.fromarray(np.ascontiguousarray(enlarged[..., c])).resize(
                size, METHODS[self.method], (left, top, right, bottom)
            )
            for c in range(enlarged.shape[-1])
        ]
        return np.stack([np.asarray(plane) for plane in planes], axis=-1)
