"""The book is built from what the notebooks store, without a warning, and needs no network to be read."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import bs4
import nbformat
import pytest
from browser import Watched, chromium

from tools import book as tool
from tools.project import NOTEBOOKS, ROOT, lessons, repository

if os.environ.get("SR_BROWSER") != "1":
    pytest.importorskip("myst_nb", reason="the book needs the extra docs")

LESSONS = lessons()
SOLUTIONS = lessons(NOTEBOOKS / "solutions")
GITHUB = f"https://github.com/{repository()}"


def build(out, root=ROOT):
    """Build a book in a process of its own: Sphinx changes much in the one it is in."""
    code = "import sys; from pathlib import Path; from tools import book; "
    code += "sys.exit(book.build(Path(sys.argv[1]), Path(sys.argv[2])))"
    command = [sys.executable, "-c", code, str(out), str(root)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


CUT = """
() => [...document.querySelectorAll('.bd-article :is(div.highlight pre, .pst-scrollable-table-container)')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => ({
        kind: box.matches('.output pre') ? 'output' : box.matches('pre') ? 'code' : 'table',
        text: box.textContent.slice(0, 60),
        longest: Math.max(...box.textContent.split('\\n').map(line => line.length)),
        shaded: getComputedStyle(box).backgroundAttachment.includes('local'),
    }))
"""
WIDE = """
() => [document.documentElement, ...document.querySelectorAll('.bd-article, .bd-sidebar')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.className || box.tagName)
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book") / "html"
    done = build(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(book):
    """Every page of the book: path within the book -> soup."""
    files = [path for path in sorted(book.rglob("*.html")) if "_static" not in path.parts]
    return {p.relative_to(book).as_posix(): bs4.BeautifulSoup(p.read_bytes(), "html.parser") for p in files}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def page_of(notebook):
    return notebook.relative_to(ROOT).with_suffix(".html").as_posix()


def test_lessons_come_first_and_solutions_last(pages):
    links = [a["href"] for a in pages["index.html"].select(".bd-sidebar-primary nav a.reference.internal")]
    assert links[: len(LESSONS)] == [page_of(path) for path in LESSONS]
    solutions = [page_of(path) for path in SOLUTIONS]
    assert [x for x in links if "/solutions/" in x] == links[len(links) - len(solutions) :] == solutions
    assert {"install.html", "scores.html", "data/README.html", "reference.html"} < set(links)
    assert ("benchmarks.html" in links) == (ROOT / "docs" / "benchmarks.md").is_file()


def test_the_page_that_enlarges_comes_with_all_it_needs_or_not_at_all(pages, book):
    """Without npm the book has no such page, and no link to it."""
    parts = {"models.js", "runtime.js", "page.js", "page.css", "srresnet-photo-x4.js"}
    there = {path.name for path in (book / "_static" / "enlarge").glob("*")}
    links = {a["href"] for a in pages["index.html"].select("article a[href]")}
    assert ("enlarge.html" in links) == ("enlarge.html" in pages) == (parts <= there)


def test_every_module_has_one_page_in_one_room(pages):
    modules = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "srutils").rglob("[a-z]*.py")]
    shown = (module for module in modules if not {"exercises", "networks"} & set(module.parts))
    names = sorted(".".join(module.parts) for module in shown)
    links = [a["href"] for a in pages["reference.html"].select("article table a.reference.internal")]
    assert sorted(Path(link.split("#")[0]).stem for link in links) == names
    rooms = [heading.get_text() for heading in pages["reference.html"].select("article h2")]
    assert len(rooms) == 6 and "mean squared error" in pages["reference/srutils.metrics.html"].get_text()


@pytest.mark.parametrize("path", [*LESSONS, *SOLUTIONS], ids=page_of)
def test_a_page_shows_what_its_notebook_stores(path, pages):
    nb = nbformat.read(path, as_version=4)
    outputs = [o for cell in nb.cells if cell.cell_type == "code" for o in cell.outputs]
    shown = pages[page_of(path)].select_one("article")
    text = re.sub(r"\s+", "", shown.get_text())
    for output in outputs:
        if output.output_type == "stream":
            assert re.sub(r"\s+", "", output.text) in text
    alts = [image["alt"] for image in shown.select(".cell_output img") if image["src"].startswith("..")]
    kinds = {"image/png", "image/svg+xml"}
    assert alts == [o.data["text/plain"] for o in outputs if kinds & o.get("data", {}).keys()]
    assert all(re.match(r"[A-Z0-9].{15}", alt) for alt in alts), "a figure has no text for who cannot see it"


def test_links_lead_somewhere_and_files_come_from_the_book(pages, book):
    faults, anchors = [], {name: {tag["id"] for tag in soup.select("[id]")} for name, soup in pages.items()}
    for name, soup in pages.items():
        for tag in soup.select("a[href], link[href], script[src], img[src]"):
            link = tag.get("href") or tag.get("src")
            if re.match(r"[a-z]+:", link):
                if tag.name != "a" and not link.startswith("data:"):
                    faults.append(f"{name} fetches {link}")
                continue
            target, _, anchor = link.split("?")[0].partition("#")
            file = Path(os.path.normpath(book / Path(name).parent / target)) if target else book / name
            there = file.is_file()
            if there and anchor and file.suffix == ".html":
                there = anchor in anchors[file.relative_to(book).as_posix()]
            if not there:
                faults.append(f"{name} leads to {link}, which is not there")
    assert not faults, "\n".join(faults)


def test_links_between_lessons_stay_in_the_book(pages):
    links = [a["href"] for name in pages for a in pages[name].select("article a[href]")]
    assert not [x for x in links if x.endswith(".ipynb") and not x.startswith("https:")]
    assert pages["notebooks/01_data_exploration.html"].select("article a[href^='02_bicubic_baseline.html']")


def test_badges_are_words(pages):
    for path in LESSONS:
        links = {a.get_text(): a["href"] for a in pages[page_of(path)].select("article p a.external")}
        assert {"Colab", "Kaggle", "Binder"} <= set(links)
        assert links["Colab"].endswith(f"{repository()}/blob/main/notebooks/{path.name}")


def test_links_are_pointed(tmp_path):
    for name in ("notebooks/01_a.ipynb", "data/README.md", "srutils/x.py", "docs/page.md", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    pages = tool.sources(tmp_path)
    lesson, page = tmp_path / "notebooks/01_a.ipynb", tmp_path / "docs/page.md"

    def pointed(link, source):
        return re.fullmatch(
            r"see \[it\]\((.*)\), always",
            tool.point_links(f"see [it]({link}), always", source, pages, tmp_path),
        )[1]

    assert pointed("../data/README.md#set5", lesson) == "../data/README.md#set5"
    assert pointed("../data/README.md#set5", page) == "data/README.md#set5"
    assert pointed("../notebooks/01_a.ipynb", page) == "notebooks/01_a.ipynb"
    assert pointed("../srutils/x.py", lesson) == f"{GITHUB}/blob/main/srutils/x.py"
    assert pointed("../srutils", page) == f"{GITHUB}/tree/main/srutils"
    for left in ("gone.md", "#recap", "https://doi.org/10.1/x"):
        assert pointed(left, page) == left
    assert tool.point_links("{include} ../README.md", page, pages, tmp_path) == "{include} README.md"


def test_a_page_that_is_left_out_is_not_linked():
    text = "One.\n\n[Two](enlarge.md): and more.\n\n[Three](install.md)\n"
    assert tool.without_links(text, ("enlarge.md",)) == "One.\n\n\n[Three](install.md)\n"
    assert tool.without_links(text, ()) == text


def test_lists_are_filled():
    pages = {Path(x): Path(x) for x in ("notebooks/02_b.ipynb", "notebooks/01_a.ipynb", "index.md")}
    text = "```{toctree}\n  notebooks/[0-9]*\nsolutions/*\n```\n"
    assert tool.fill_lists(text, pages) == "```{toctree}\n  notebooks/01_a\n  notebooks/02_b\n```\n"


def test_a_warning_stops_the_build_and_the_old_book_stays(tmp_path):
    root, out = tmp_path / "course", tmp_path / "html"
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("_build", "*.md"))
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "data").mkdir()
    (root / "README.md").touch()
    (root / "docs/index.md").write_text("# Book\n\n```{toctree}\ndata/README\n```\n", encoding="utf-8")
    (root / "data/README.md").write_text("# Cards\n\n[nowhere](nowhere.md)\n", encoding="utf-8")
    out.mkdir()
    (out / "old.html").touch()
    done = build(out, root)
    assert done.returncode == 1 and "nowhere.md" in done.stderr, done.stderr
    assert [path.name for path in out.iterdir()] == ["old.html"]
    (root / "data/README.md").write_text("# Cards\n", encoding="utf-8")
    done = build(out, root)
    assert done.returncode == 0, done.stderr
    assert (out / "data/README.html").is_file() and not (out / "old.html").exists()
    assert not list(tmp_path.glob(".book-*")), "what the building needed is left lying"


def test_the_first_page_says_nothing_of_the_readmes_order(pages):
    """It takes parts of the README in another order, so that no sentence of them may point up or down."""
    text = pages["index.html"].select_one("article").get_text()
    assert "What do three layers learn?" in text and not re.search(r"\b(below|above)\b", text)


def test_pages_open_without_a_network_and_fit_a_laptop_and_a_telephone(browser, book, pages):
    """From the disk, without a server: no errors, nothing fetched, all math drawn, no page too wide.

    At 1280 px only a line of more than 110 characters is cut, and that one behind a shade.
    """
    watched = Watched(browser, book.as_uri(), viewport={"width": 1280, "height": 800})
    page, faults, formulas = watched.page, [], 0
    modules = [name for name in pages if "srutils" in name]  # all of one template: every fifth is opened
    assert len(modules) > 50
    for name in [name for name in pages if name not in modules] + modules[::5]:
        soup = pages[name]
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto((book / name).as_uri())
        math = len(soup.select(".math"))
        if math:
            page.evaluate("MathJax.startup.promise.then(() => true)")
            drawn = page.locator(".math mjx-container > svg").count()
            wrong = page.locator(".math [data-mml-node=merror], .math [fill=red]").count()
            if drawn != math or wrong:
                faults.append(f"{name}: {math} formulas, {drawn} drawn, {wrong} wrong")
        faults += [f"{name}: {part} is too wide" for part in page.evaluate(WIDE)]
        for box in page.evaluate(CUT):
            if box["kind"] != "code" or box["longest"] <= 110 or not box["shaded"]:
                faults.append(f"{name}: {box}")
        page.set_viewport_size({"width": 390, "height": 844})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > 390:
            faults.append(f"{name} is {wide} px wide on a telephone of 390")
        formulas += math
    assert not watched.errors and not watched.strays and not faults, (watched.errors, watched.strays, faults)
    assert formulas > 20


def test_the_column_of_pages_moves_out_and_what_is_cut_has_a_shade(browser, book):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((book / "notebooks/07_scoreboard.html").as_uri())
    page.get_by_role("button", name="Toggle primary sidebar").first.click()
    page.wait_for_function("document.querySelector('.bd-main').getBoundingClientRect().left < 100")
    page.wait_for_timeout(500)  # the column moves out
    assert page.locator(".bd-main").bounding_box()["x"] >= 0, "the article moved out with the column"
    page.set_viewport_size({"width": 390, "height": 844})
    cut = page.evaluate(CUT)
    assert {"code", "table"} <= {box["kind"] for box in cut} and all(box["shaded"] for box in cut)


def test_sliders_follow_the_mouse(browser, book, pages):
    names = [name for name in pages if pages[name].select(".cell_output [class^=slider-] input")]
    assert {"notebooks/03_srcnn.html", "notebooks/04_autoencoder.html"} <= set(names)
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    for name in names:
        page.goto((book / name).as_uri())
        for handle in page.locator(".cell_output [class^=slider-] input").all():
            frame = handle.locator("..")
            clipped = frame.locator("img.left")
            frame.scroll_into_view_if_needed()
            box = frame.bounding_box()
            before = clipped.evaluate("e => getComputedStyle(e).clipPath"), frame.screenshot()
            middle = box["y"] + box["height"] / 2
            page.mouse.move(box["x"] + box["width"] / 2, middle)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] / 4, middle, steps=5)
            page.mouse.up()
            after = clipped.evaluate("e => getComputedStyle(e).clipPath"), frame.screenshot()
            assert 20 < float(handle.input_value()) < 30, name
            assert before[0] != after[0] and before[1] != after[1], f"{name}: the picture stayed as it was"


def test_a_knob_shows_another_picture(browser, book, pages):
    names = [name for name in pages if pages[name].select(".cell_output [class^=knob-]")]
    assert "notebooks/01_data_exploration.html" in names
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    for name in names:
        page.goto((book / name).as_uri())
        for handle in page.locator(".cell_output [class^=knob-] input").all():
            strip = handle.locator("..").locator("img")
            for value in (handle.get_attribute("min"), handle.get_attribute("max")):
                handle.fill(value)
                shift = handle.locator("..").bounding_box()["x"] - strip.bounding_box()["x"]
                one = strip.bounding_box()["width"] / (int(handle.get_attribute("max")) + 1)
                assert abs(shift - int(value) * one) < 2, f"{name}: another picture than number {value}"


def test_the_dark_theme_leaves_pictures_as_they_are(browser, book):
    """A figure stands on white paper, and no filter changes its levels."""
    page = browser.new_page(color_scheme="dark")
    for name in ("index.html", "notebooks/03_srcnn.html"):
        page.goto((book / name).as_uri())
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        style = "e => [getComputedStyle(e).filter, getComputedStyle(e).backgroundColor]"
        for image in page.locator("article img").all():
            assert image.evaluate(style) == ["none", "rgb(255, 255, 255)"], f"{name}: {image}"


def test_search_finds_a_lesson(browser, book):
    page = browser.new_page()
    page.goto((book / "search.html").as_uri() + "?q=Lanczos")
    page.locator("#search-results a[href*='02_bicubic_baseline']").first.wait_for(timeout=20_000)
