"""The README is short, and all that it shows was made by a lesson, by a card, or by a command that works."""

import io
import json
import re
import shlex

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from srutils.cli import app
from tools import policy, readme, readme_lessons, readme_models, readme_pictures
from tools.project import ROOT, lessons, repository
from tools.setup_cell import BLOCK, badges

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made():
    return readme.made()


def png_cell(picture, *tags):
    data = readme_pictures.base64.b64encode(readme_pictures.as_png(picture)).decode()
    outputs = [new_output("display_data", {"image/png": data})]
    return new_code_cell("draw()", outputs=outputs, metadata={"tags": list(tags)})


def test_it_has_at_most_900_words():
    assert policy.words(TEXT) <= 900 and len(TEXT.split()) <= 900


def test_every_page_agrees_with_notebooks_and_cards(made):
    old = [path.name for path, text in made[0].items() if path.read_text(encoding="utf-8") != text]
    assert not old, f"out of date: {', '.join(old)}; run make notebooks"
    assert BLOCK.search(TEXT).group() == badges(repository())


def test_every_picture_is_cut_out_of_a_stored_figure(made):
    """The hero and the thumbnails: the pixels of the figures that notebooks store, and no file besides."""
    old = [name for name, picture in made[1].items() if not readme.is_current(name, picture)]
    assert not old, f"out of date: {', '.join(old)}; run make notebooks"
    assert {path.name for path in readme.PICTURES.iterdir()} == set(made[1])
    assert {"photo.png", "lens.png"} <= set(made[1])


def test_it_shows_every_picture_that_is_made(made):
    shown = set(re.findall(r"\(docs/pictures/([\w-]+\.png)\)", TEXT))
    assert shown == set(made[1])


@pytest.mark.parametrize(
    "name", ["README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.sub(r"```\{raw\}.*?```", "", text, flags=re.DOTALL)
    assert policy.check_links(links, (ROOT / name).parent) == []


def test_every_lesson_has_a_row_with_its_question():
    for path in lessons():
        assert f"](notebooks/{path.name})|" in TEXT and f"blob/main/notebooks/{path.name})|" in TEXT


def test_numbers_of_the_findings_come_from_tables(made):
    """No number stands in the list of findings that is not between the marks of a generated one."""
    findings = "\n".join(re.findall(r"^\d\. .*$", TEXT, re.MULTILINE))
    assert len(readme_models.NUMBER.findall(findings)) >= 2
    bare = re.sub(
        r"^\d\. |\[[^]]*\]\([^)]*\)", "", readme_models.NUMBER.sub("", findings), flags=re.MULTILINE
    )
    assert not re.search(r"\d", bare), bare


def commands(name):
    """The `srutils` commands that a page shows, but for those that stand for several."""
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = re.findall(r"^(?:\$ )?srutils (.*)$", text, re.MULTILINE)
    return [line.split(" #")[0] for line in lines if not re.search(r"\[|\.\.\.|: ", line)]


@pytest.mark.parametrize("name", ["README.md", "docs/shell.md", "docs/fits.md", "docs/training.md"])
def test_the_commands_shown_are_understood(name):
    """They parse: the subcommand exists and takes these options."""
    import typer

    group = typer.main.get_command(app)
    found = [shlex.split(line) for line in commands(name)]
    assert {"upscale", "train"} & {line[0] for line in found}
    for subcommand, *rest in found:
        group.commands[subcommand].make_context(subcommand, rest)


def test_one_version_everywhere():
    import srutils

    written = {
        "pyproject.toml": r'^version = "(.+)"$',
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (\d.*)$",
    }
    for name, pattern in written.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(pattern, text, re.MULTILINE).group(1) == srutils.__version__, name


def test_rows_of_panels_are_the_figures_own_pixels():
    figure = Image.new("RGB", (60, 50), "white")
    for row, colour in enumerate(("black", "red", "green", "blue")):
        figure.paste(colour, (10, 5 + 10 * row, 50, 12 + 10 * row))
    cut = np.asarray(readme_pictures.rows_of_panels(figure, (0, 2)))
    assert cut.shape == (7 + 12 + 7, 40, 3)
    assert (cut[:7] == 0).all() and (cut[7:19] == 255).all() and (cut[19:] == (0, 128, 0)).all()
    with pytest.raises(ValueError, match="has 4 rows"):
        readme_pictures.rows_of_panels(figure, (0, 4))


def test_a_figure_needs_a_name_of_its_own(tmp_path):
    dot = Image.new("RGB", (8, 8))
    one = png_cell(dot, "readme-figure", "figure-a")
    assert set(readme_pictures.figures([new_notebook(cells=[one])], tmp_path)) == {"a.png"}
    for cells in ([one, png_cell(dot, "readme-figure", "figure-a")], [png_cell(dot, "readme-figure")]):
        with pytest.raises(ValueError, match="a name of its own"):
            readme_pictures.figures([new_notebook(cells=cells)], tmp_path)


def test_a_picture_stays_where_its_data_are_missing(tmp_path):
    cell = new_code_cell("draw()", metadata={"tags": ["readme-figure", "figure-a"]})
    nb = new_notebook(cells=[cell])
    with pytest.raises(ValueError, match="needs a picture"):
        readme_pictures.figures([nb], tmp_path)
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.png")
    assert readme_pictures.figures([nb], tmp_path)["a.png"].size == (3, 2)


def test_a_lessons_row_is_read_from_its_notebook():
    picture = Image.new("RGB", (300, 100), "red")
    words = new_markdown_cell("word " * 2000)
    nb = new_notebook(cells=[new_markdown_cell("# 04 · Is it so?\n\nText."), words, png_cell(picture)])
    row = readme_lessons.row("04_a.ipynb", nb, "you/fork")
    assert "[04 · Is it so?](notebooks/04_a.ipynb)|10|" in row and "/github/you/fork/" in row
    assert readme_lessons.thumbnail(nb).size == readme_lessons.SIZE
    with pytest.raises(ValueError, match="NN · question"):
        readme_lessons.title(new_notebook(cells=[new_markdown_cell("# Four")]))


def test_a_number_is_looked_up_by_row_and_column():
    table = "| who | PSNR [dB] |\n|---|---|\n| `SRGAN` | 40.98 ± 0.59 |\n| bicubic | +7.0 |\n"
    assert readme_models.look_up(table, "SRGAN", "PSNR [dB]") == 40.98
    assert readme_models.look_up(table, "bicubic", "PSNR [dB]") == 7
    with pytest.raises(ValueError, match="no row 'nearest'"):
        readme_models.look_up(table, "nearest", "PSNR [dB]")
    with pytest.raises(ValueError, match="made by nothing"):
        readme_models.fill_numbers("<!-- number:x -->1<!-- /number -->", {})


def test_pictures_are_compared_by_their_pixels():
    picture = Image.fromarray(np.full((4, 5, 3), 100, np.uint8))
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=0)
    assert readme_pictures.differ(stream.getvalue(), picture) == 0
    assert readme_pictures.differ(stream.getvalue(), Image.new("RGB", (5, 4), (100, 100, 107))) == 7
    assert readme_pictures.differ(stream.getvalue(), Image.new("RGB", (4, 4))) == float("inf")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_srcnn_reaches_the_published_network_as_lesson_03_says(scale):
    name = f"srcnn-photo-x{scale}"
    card = json.loads((readme_models.MODELS / f"{name}.json").read_text(encoding="utf-8"))
    assert card["metrics"]["Set5"]["psnr"] >= readme_models.PUBLISHED[name]


def test_every_shipped_model_has_a_row():
    table = readme_models.table()
    names = sorted(path.stem for path in readme_models.MODELS.glob("*.onnx"))
    assert sorted(re.findall(r"^\|`([\w-]+)`", table, re.MULTILINE)) == names
    assert re.search(r"^\|`srcnn-photo-x3`\|Set5\|30.41\|.*\|32.75\|$", table, re.MULTILINE)
