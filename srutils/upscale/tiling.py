"""Cutting an image into tiles whose margins hold all that a pixel of the result can see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tile:
    """A square of LR, with the margin that is needed to enlarge it; everything in LR pixels.

    Attributes
    ----------
    rows, columns : slice
        The square itself.
    top, left : int
        How many of the region's rows and columns lie before the square.
    region : (ndarray, ndarray)
        Indices of the region's rows and columns; where they leave the image they repeat its edge.
    """

    rows: slice
    columns: slice
    top: int
    left: int
    region: tuple[np.ndarray, np.ndarray]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The region of an image (H, W, C)."""
        return image[self.region[0][:, None], self.region[1]]

    def inner(self, enlarged: np.ndarray, scale: int) -> np.ndarray:
        """The square out of the enlarged region."""
        height, width = (scale * (s.stop - s.start) for s in (self.rows, self.columns))
        top, left = self.top * scale, self.left * scale
        return enlarged[top : top + height, left : left + width]

    def place(self, scale: int) -> tuple[slice, slice]:
        """Where the square belongs in the enlarged image."""
        return tuple(slice(s.start * scale, s.stop * scale) for s in (self.rows, self.columns))


def tiles(
    height: int, width: int, *, tile: int, margin: int, unit: int = 1, repeat: bool = False
) -> Iterator[Tile]:
    """Cut an image into tiles, row by row.

    Parameters
    ----------
    height, width : int
        Size of the image.
    tile, margin : int
        Largest side of a square, and how far around it the region reaches; both are rounded up to a multiple
        of `unit`, since a strided network must see each tile on the grid that it sees the whole image on.
    unit : int
        A region's sides are multiples of it; what is missing at the image's right and lower edge repeats it.
    repeat : bool
        Let the region reach beyond all four edges, which are repeated; else it ends there.
    """
    tile, margin = -(-tile // unit) * unit, -(-margin // unit) * unit
    for rows, top, region_rows in _spans(height, tile, margin, unit, repeat):
        for columns, left, region_columns in _spans(width, tile, margin, unit, repeat):
            yield Tile(rows, columns, top, left, (region_rows, region_columns))


def _spans(length, tile, margin, unit, repeat):
    """Along one axis: the square's slice, its offset in the region, and the region's indices."""
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        first = start - margin if repeat else max(start - margin, 0)
        last = stop + margin if repeat else min(stop + margin, length)
        last = first + -(-(last - first) // unit) * unit
        yield slice(start, stop), start - first, np.arange(first, last).clip(0, length - 1)
