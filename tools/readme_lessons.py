"""The README's table of lessons: a picture, a question, minutes and a link for each.

A lesson's question is its title, its picture the upper left part of the first one that it stores, and its
minutes are those of a reader: 200 words and 20 lines of code a minute, in steps of five.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from tools.policy import code_cells, markdown_cells, words
from tools.readme_pictures import stored_png, trimmed
from tools.setup_cell import addresses

TITLE = re.compile(r"^# *(\d\d) *· *(.+?) *$", re.MULTILINE)
SIZE = (240, 150)  # of a thumbnail


def title(nb) -> tuple[str, str]:
    """Return a lesson's number and its question, from its first cell."""
    found = TITLE.match(nb.cells[0].source)
    if found is None:
        raise ValueError(f"a lesson's title must read '# NN · question', not {nb.cells[0].source[:50]!r}")
    return found.group(1), found.group(2)


def minutes(nb) -> int:
    """Return the minutes that it takes to read a lesson."""
    prose = sum(words(cell.source) for cell in markdown_cells(nb))
    lines = sum(len(cell.source.splitlines()) for cell in code_cells(nb))
    return max(5, 5 * round((prose / 200 + lines / 20) / 5))


def thumbnail(nb):
    """Return the picture (Pillow, RGB) that stands for a lesson in the table."""
    from PIL import Image

    pictures = [data for cell in code_cells(nb) if (data := stored_png(cell)) is not None]
    if not pictures:
        raise ValueError(f"{nb.cells[0].source[:50]!r} stores no picture in PNG")
    whole = trimmed(Image.open(io.BytesIO(pictures[0])).convert("RGB"))
    wide, high = whole.size
    box = (0, 0, min(wide, high * SIZE[0] // SIZE[1]), min(high, wide * SIZE[1] // SIZE[0]))
    return whole.crop(box).resize(SIZE, Image.Resampling.LANCZOS)


def thumbnails(notebooks: dict[str, object]) -> dict[str, object]:
    """Return the thumbnails of lessons ``{file name: notebook}``, by the file they are written to."""
    return {f"lesson-{name[:2]}.png": thumbnail(nb) for name, nb in notebooks.items()}


def row(name: str, nb, repository: str) -> str:
    """Return a lesson's row."""
    number, question = title(nb)
    colab = addresses(repository, name)["Colab"]
    picture = f"[![Lesson {number}](docs/pictures/lesson-{number}.png)](notebooks/{name})"
    return f"|{picture}|[{number} · {question}](notebooks/{name})|{minutes(nb)}|[Colab]({colab})|"


def table(notebooks: dict[str, object], repository: str) -> str:
    """Return the table of lessons ``{file name: notebook}``, in Markdown."""
    head = "||lesson|minutes|open|\n|---|---|---|---|"
    return "\n".join([head, *(row(name, nb, repository) for name, nb in notebooks.items())])


def named(paths: list[Path]) -> dict[str, object]:
    """Read notebooks: ``{file name: notebook}``."""
    import nbformat

    return {path.name: nbformat.read(path, as_version=4) for path in paths}
