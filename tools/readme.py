"""Fill the README and docs/ from the notebooks and the models' cards: ``python -m tools.readme [--check]``.

``<!-- table:NAME -->`` ... ``<!-- /table -->`` takes the stored output of the cell tagged ``readme-table``
and ``table-NAME``, unless there is no table in it, for want of data; the tables ``lessons`` and ``models``
are made by tools/readme_lessons.py and tools/readme_models.py. ``<!-- number:NAME -->`` ... ``<!-- /number
-->`` takes a number of such a table, ``<!-- badges -->`` ... ``<!-- /badges -->`` the course's badges. The
pictures of docs/pictures are cut out of stored figures (tools/readme_pictures.py).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from srutils.files.atomic import aside
from tools import readme_lessons, readme_models, readme_pictures
from tools.project import ROOT, lessons, repository, write_aside
from tools.setup_cell import badges, replace_badges

ROWS = re.compile(r"^\|", re.MULTILINE)
PICTURES = ROOT / "docs" / "pictures"
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


def fill(text: str, known: dict[str, str], repo: str) -> str:
    """Return a page's text with its tables, numbers and badges replaced.

    A table is not replaced by a sentence: a cell that needs Set5, say, prints one where there is none.
    """

    def replace(match: re.Match) -> str:
        if match.group(2) not in known:
            raise ValueError(f"a page asks for the table {match.group(2)!r}, which no notebook makes")
        if ROWS.search(match.group()) and not ROWS.search(known[match.group(2)]):
            return match.group()
        return f"{match.group(1)}{known[match.group(2)]}\n{match.group(3)}"

    filled = replace_badges(TABLE.sub(replace, text), badges(repo))
    return readme_models.fill_numbers(filled, known)


def pages(root: Path = ROOT) -> list[Path]:
    """Return the pages that may have blocks: the README, and those of docs/."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def made(root: Path = ROOT) -> tuple[dict[Path, str], dict[str, object]]:
    """Make anew what the notebooks and cards decide: ``{page: text}`` and ``{file name: picture}``."""
    named = readme_lessons.named(lessons(root / "notebooks"))
    found, repo = tables(list(named.values())), repository(root)
    known = found | {"lessons": readme_lessons.table(named, repo), "models": readme_models.table()}
    texts = {path: fill(path.read_text(encoding="utf-8"), known, repo) for path in pages(root)}
    return texts, readme_pictures.figures(
        list(named.values()), root / "docs" / "pictures"
    ) | readme_lessons.thumbnails(named)


def is_current(name: str, picture) -> bool:
    """Say whether a picture lies in docs/pictures as it would be made now."""
    path = PICTURES / name
    return path.is_file() and readme_pictures.differ(path.read_bytes(), picture) <= 2


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fill the README and docs/ from the notebooks and cards.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a page is old")
    check = parser.parse_args(argv).check
    try:
        texts, pictures = made()
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    old = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    old += [PICTURES / name for name, picture in pictures.items() if not is_current(name, picture)]
    left = [path for path in PICTURES.glob("*.png") if path.name not in pictures]
    for path in [] if check else old:
        if path in texts:
            write_aside(path, texts[path])
            continue
        path.parent.mkdir(exist_ok=True)
        with aside(path) as temporary:
            temporary.write_bytes(readme_pictures.as_png(pictures[path.name]))
    for path in [] if check else left:
        path.unlink()
    for path in [*old, *left]:
        print(f"{path.relative_to(ROOT)} {'is out of date: run make notebooks' if check else 'is new'}")
    return int(check and bool(old + left))


if __name__ == "__main__":
    sys.exit(main())
