"""Build the book, the stored notebooks as web pages: ``python -m tools.book`` (``make book``).

Sphinx wants its sources in one folder, so they are copied to a temporary one that looks like the checkout,
except that the pages of docs/ lie at the top. On the way, links are pointed to pages of the book or, where
the book has no such page, to the repository. No cell is run: pages show the outputs that the notebooks store.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tools import book_browser
from tools.project import ROOT, repository, write_aside
from tools.setup_cell import BLOCK

OUT = ROOT / "docs" / "_build" / "html"
LINK = re.compile(r"(\]\(|\{include\} )([^)\s#]+)")
LISTED = re.compile(r"^( *)(\S+\*)\n", re.MULTILINE)
BADGE = re.compile(r"\[!\[Open in (\w+)\]\([^)]*\)\]\(([^)]*)\)")


def sources(root: Path = ROOT) -> dict[Path, Path]:
    """Return the book's sources and where they go: path in the checkout -> path among Sphinx's sources."""
    found = {page: Path(page.name) for page in (root / "docs").glob("*.md")}
    notebooks = [*root.glob("notebooks/[0-9]*.ipynb"), *root.glob("notebooks/solutions/[0-9]*.ipynb")]
    figures = root.glob("docs/pictures/*.png")
    for path in (root / "README.md", root / "data" / "README.md", *notebooks, *figures):
        found[path] = path.relative_to(root)
    return found


def point_links(text: str, source: Path, pages: dict[Path, Path], root: Path = ROOT) -> str:
    """Return Markdown whose links to files lead to pages of the book, or else to the repository.

    A link to a file that does not exist is left alone: Sphinx complains about it.
    """

    def replace(match: re.Match) -> str:
        before, link = match.groups()
        target = Path(os.path.normpath(source.parent / link))
        if target in pages:
            link = os.path.relpath(pages[target], pages[source].parent).replace(os.sep, "/")
        elif ":" not in link and target.exists():
            kind = "tree" if target.is_dir() else "blob"
            link = f"https://github.com/{repository(root)}/{kind}/main/{target.relative_to(root).as_posix()}"
        return before + link

    return LINK.sub(replace, text)


def plain_badges(text: str) -> str:
    """Return text whose badges, pictures from other sites, have become words; a block of them one line."""
    text = BADGE.sub(r"[\1](\2)", text)
    return BLOCK.sub(lambda block: "Open in " + " · ".join(block[0].splitlines()[1:-1]), text)


def adapt_text(text: str, source: Path, pages: dict[Path, Path], root: Path = ROOT) -> str:
    """Return Markdown for the book: links pointed, badges without pictures."""
    return point_links(plain_badges(text), source, pages, root)


def adapt_notebook(text: str, source: Path, pages: dict[Path, Path], root: Path = ROOT) -> str:
    """Return a notebook for the book: its text adapted, folded what JupyterLab folds: set-up and checks."""
    import nbformat

    nb = nbformat.reads(text, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = adapt_text(cell.source, source, pages, root)
        elif cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata.tags.append("hide-input")
    return nbformat.writes(nb)


def fill_lists(text: str, pages: dict[Path, Path], root: Path = ROOT) -> str:
    """Return a page whose lines ``NAME*`` have become the modules or pages that they match, one a line each.

    Sphinx knows such lines in tables of contents, but warns where nothing matches.
    """
    names = [place.with_suffix("").as_posix() for place in pages.values()]
    modules = (path for path in (root / "srutils").rglob("[a-z]*.py") if "exercises" not in path.parts)
    names += [".".join(path.relative_to(root).with_suffix("").parts) for path in modules]
    return LISTED.sub(lambda m: "".join(f"{m[1]}{x}\n" for x in sorted(fnmatch.filter(names, m[2]))), text)


def without_links(text: str, left_out: tuple[str, ...]) -> str:
    """Return a page without the lines that lead to pages which this book leaves out."""
    return "".join(line for line in text.splitlines(True) if not any(f"]({x})" in line for x in left_out))


def lay_out(folder: Path, root: Path = ROOT, left_out: tuple[str, ...] = ()) -> None:
    """Write the book's sources into a folder, but for those pages of docs/ that are `left_out`."""
    pages = {source: place for source, place in sources(root).items() if str(place) not in left_out}
    for source, place in pages.items():
        if source.suffix == ".png":
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / place)
            continue
        adapt = adapt_notebook if source.suffix == ".ipynb" else adapt_text
        text = adapt(source.read_text(encoding="utf-8"), source, pages, root)
        if source.parent.name == "docs":
            text = without_links(fill_lists(text, pages, root), left_out)
        write_aside(folder / place, text)


def build(out: Path, root: Path = ROOT) -> int:
    """Build the book into the folder `out`, replacing it; return the exit status.

    Warnings count as errors, and a book with errors is not put into its place.
    """
    from sphinx.cmd.build import main as sphinx

    out.parent.mkdir(parents=True, exist_ok=True)
    wanted = (root / "docs" / book_browser.PAGE).is_file()
    runtime = book_browser.package(book_browser.cache()) if wanted else None
    with tempfile.TemporaryDirectory(prefix=".book-", dir=out.parent) as temporary:
        work = Path(temporary)
        lay_out(work / "source", root, () if runtime else (book_browser.PAGE,))
        options = ["-b", "html", "-q", "-W", "--keep-going", "-c", str(root / "docs")]
        status = sphinx([*options, "-d", str(work / "state"), str(work / "source"), str(work / "html")])
        if status == 0:
            if runtime:
                book_browser.pack(work / "html" / book_browser.FOLDER, runtime, root)
            if out.exists():
                out.rename(work / "old")
            (work / "html").rename(out)
    return status


def main() -> int:
    try:
        status = build(OUT)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"the book needs {error.name}: pip install -c constraints.txt -e '.[docs]'", file=sys.stderr)
        return 2
    if status == 0:
        print(f"The book is ready: open {OUT.relative_to(ROOT) / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
