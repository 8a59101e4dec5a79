"""The README's pictures: cut out of figures that lessons store, so that none shows what no lesson made.

A cell tagged ``readme-figure`` and ``figure-NAME`` gives docs/pictures/NAME.png. The rows of panels that are
taken, counted from the top, stand in `ROWS`; the pixels are those of the stored figure.
"""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

# The title above the panels is row 0. What is not named here is taken whole.
ROWS = {"photo": (0, 1, 2), "lens": (0, 1, 2)}
MARGIN = 10
WHITE = 254  # what is at least as bright in all colours is paper


def stored_png(cell) -> bytes | None:
    """Return the last picture (PNG) that a cell stores, or None."""
    found = [o.data["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    return base64.b64decode(found[-1]) if found else None


def runs(used) -> list[tuple[int, int]]:
    """Return the stretches (first, after the last) of a row of booleans that are true."""
    import numpy as np

    steps = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]


def ink(picture):
    """Return where a picture (Pillow, RGB) is not paper: booleans (height, width)."""
    import numpy as np

    return (np.asarray(picture) < WHITE).any(-1)


def trimmed(picture, margin: int = 0):
    """Return a picture (Pillow, RGB) with a white margin of so many pixels, whatever it had."""
    from PIL import ImageOps

    used = ink(picture)
    rows, columns = runs(used.any(1)), runs(used.any(0))
    bare = picture.crop((columns[0][0], rows[0][0], columns[-1][1], rows[-1][1]))
    return ImageOps.expand(bare, margin, "white")


def rows_of_panels(picture, wanted: tuple[int, ...]):
    """Return a picture (Pillow, RGB) of some rows of panels of a figure, one under the other.

    Raises
    ------
    ValueError
        The figure has fewer rows: stretches of lines of pixels that are not all white.
    """
    from PIL import Image

    picture = trimmed(picture)
    bands = runs(ink(picture).any(1))
    if len(bands) <= max(wanted):
        raise ValueError(f"the figure has {len(bands)} rows, title included; row {max(wanted)} is asked for")
    gap, high = 12, sum(bands[i][1] - bands[i][0] for i in wanted)
    new = Image.new("RGB", (picture.width, high + gap * (len(wanted) - 1)), "white")
    top = 0
    for i in wanted:
        start, end = bands[i]
        new.paste(picture.crop((0, start, picture.width, end)), (0, top))
        top += end - start + gap
    return new


def figures(notebooks: list, folder: Path) -> dict[str, object]:
    """Return the README's figures: ``{file name: picture}`` (Pillow, RGB).

    Where a cell stores none, for want of data, the picture that lies in `folder` stays as it is.

    Raises
    ------
    ValueError
        A cell tagged ``readme-figure`` has no name or no picture at all, or two have one name.
    """
    from PIL import Image

    found: dict[str, object] = {}
    for cell in (cell for nb in notebooks for cell in nb.cells):
        tags = cell.metadata.get("tags", [])
        if "readme-figure" not in tags:
            continue
        names = [tag.removeprefix("figure-") for tag in tags if tag.startswith("figure-")]
        file = f"{'-'.join(names)}.png"
        data, old = stored_png(cell), folder / file
        if len(names) != 1 or file in found or not (data or old.is_file()):
            raise ValueError(f"a cell tagged readme-figure needs a picture and a name of its own, got {tags}")
        picture = Image.open(io.BytesIO(data or old.read_bytes())).convert("RGB")
        rows = ROWS.get(names[0])
        if data:
            picture = trimmed(rows_of_panels(picture, rows) if rows else picture, MARGIN)
        found[file] = picture
    return found


def as_png(picture) -> bytes:
    """Return a picture (Pillow, RGB) as a PNG file."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def differ(data: bytes, picture) -> float:
    """Return by how many levels of 255 a PNG file differs from a picture at most; infinite in another size.

    Files are not compared: another zlib packs the same picture otherwise.
    """
    import numpy as np
    from PIL import Image

    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)
    made = np.asarray(picture, np.int16)
    return float(np.abs(stored - made).max()) if stored.shape == made.shape else math.inf
