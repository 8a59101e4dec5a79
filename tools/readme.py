"""Fill the README's blocks from the notebooks: ``python -m tools.readme [--check]``.

``<!-- table:NAME -->`` ... ``<!-- /table -->`` takes the stored output of the cell tagged ``readme-table``
and ``table-NAME``, unless there is no table in it, for want of data. ``<!-- badges -->`` ...
``<!-- /badges -->`` takes the course's badges. In a table whose header ends in "open in", the last column of
a lesson's row takes the addresses at which hosts open it. The last picture of the cell tagged
``readme-figure`` is written to docs/figure.png, which the README shows.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
from pathlib import Path

from srutils.files.atomic import aside
from tools.project import NOTEBOOKS, ROOT, lessons, repository, write_aside
from tools.setup_cell import addresses, badge, badges, replace_badges

MAP = re.compile(r"^\|.*\| open in \|\n(?:\|.*\n)+", re.MULTILINE)
ROW = re.compile(r"^(\|.*\(notebooks/(\d\d_\w+\.ipynb)\).*\|)[^|\n]*\|$", re.MULTILINE)
ROWS = re.compile(r"^\|", re.MULTILINE)
FIGURE = ROOT / "docs" / "figure.png"
TABLE = re.compile(r"(<!-- table:([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def table_name(cell) -> str | None:
    """Return the NAME of a cell tagged ``readme-table`` and ``table-NAME``, else None."""
    tags = cell.metadata.get("tags", [])
    names = [tag.removeprefix("table-") for tag in tags if tag.startswith("table-")]
    if "readme-table" not in tags:
        return None
    if len(names) != 1:
        raise ValueError(f"a cell tagged readme-table needs one tag table-NAME, it has {names}")
    return names[0]


def table_text(cell) -> str:
    """Return a cell's stored table: Markdown if it has some, else what it printed or its plain text."""
    for output in cell.outputs:
        if "text/markdown" in output.get("data", {}):
            return output.data["text/markdown"].strip()
    for output in cell.outputs:
        if output.get("name") == "stdout" or "text/plain" in output.get("data", {}):
            text = output.get("text") or output.data["text/plain"]
            return text.strip() if text.lstrip().startswith("|") else f"```\n{text.strip()}\n```"
    raise ValueError(f"the table cell {cell.source[:50]!r} stores no text")


def tables(notebooks: list) -> dict[str, str]:
    """Return ``{NAME: text}`` of the tables that notebooks (nbformat) hold; a name may be used once."""
    found: dict[str, str] = {}
    for nb in notebooks:
        for cell in nb.cells:
            name = table_name(cell) if cell.cell_type == "code" else None
            if name is None:
                continue
            if name in found:
                raise ValueError(f"two cells make the table {name!r}")
            found[name] = table_text(cell)
    return found


def figure(notebooks: list) -> bytes:
    """Return the PNG that the README shows: the last picture of the one cell tagged ``readme-figure``."""
    cells = [c for nb in notebooks for c in nb.cells if "readme-figure" in c.metadata.get("tags", [])]
    pictures = [o.data["image/png"] for c in cells for o in c.outputs if "image/png" in o.get("data", {})]
    if len(cells) != 1 or not pictures:
        raise ValueError(f"{len(cells)} cells are tagged readme-figure; expected one, with a picture")
    return base64.b64decode(pictures[-1])


def open_in(repository: str, notebook: str) -> str:
    """Return a cell of the course map: Colab's badge, and the other hosts in words."""
    places = addresses(repository, notebook)
    words = [f"[{host}]({address})" for host, address in places.items() if host != "Colab"]
    return " · ".join([badge("Colab", places["Colab"]), *words])


def fill_map(text: str, repo: str) -> str:
    """Return the text with the last column of its course map made anew; other tables stay as they are."""

    def row(match: re.Match) -> str:
        return f"{match.group(1)} {open_in(repo, match.group(2))} |"

    return MAP.sub(lambda table: ROW.sub(row, table.group()), text)


def fill(text: str, known: dict[str, str], repo: str) -> str:
    """Return the README's text with its tables, badges and course map replaced.

    A table is not replaced by a sentence: a cell that needs Set5, say, prints one where there is none.
    """

    def replace(match: re.Match) -> str:
        if match.group(2) not in known:
            raise ValueError(f"the README asks for the table {match.group(2)!r}, which no notebook makes")
        if ROWS.search(match.group()) and not ROWS.search(known[match.group(2)]):
            return match.group()
        return f"{match.group(1)}{known[match.group(2)]}\n{match.group(3)}"

    return fill_map(replace_badges(TABLE.sub(replace, text), badges(repo)), repo)


def read_all(folder: Path = NOTEBOOKS) -> list:
    """Return every lesson's notebook in a folder."""
    import nbformat

    return [nbformat.read(path, as_version=4) for path in lessons(folder)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fill the README's tables and badges from the notebooks.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if it is out of date")
    check = parser.parse_args(argv).check
    path = ROOT / "README.md"
    try:
        notebooks = read_all()
        old, picture = path.read_text(encoding="utf-8"), figure(notebooks)
        new = fill(old, tables(notebooks), repository())
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if old == new and FIGURE.is_file() and FIGURE.read_bytes() == picture:
        return 0
    if check:
        print("README.md is out of date: run make notebooks", file=sys.stderr)
        return 1
    write_aside(path, new)
    with aside(FIGURE) as temporary:
        temporary.write_bytes(picture)
    print("wrote README.md and its figure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
