"""Lessons and solutions keep the rules of tools/policy.py, agree with their scripts, and feed the README."""

import re

import nbformat
import pytest

from tools import policy, readme
from tools.notebook_files import script_text
from tools.project import NOTEBOOKS, ROOT, lessons, name_of, repository, script_of
from tools.setup_cell import BLOCK, badges

LESSONS, SOLUTIONS = lessons(), lessons(NOTEBOOKS / "solutions")
REPOSITORY = repository()
README = ROOT / "README.md"
EVERY_NOTEBOOK = pytest.mark.parametrize(
    "path", LESSONS + SOLUTIONS, ids=lambda path: name_of(path).removesuffix(".ipynb")
)


def test_there_are_lessons_and_each_has_two_files():
    scripts = sorted(path.stem for path in (NOTEBOOKS / "scripts").glob("*.py"))
    assert [path.stem for path in LESSONS] == scripts
    assert [path.name for path in SOLUTIONS] == [path.name for path in LESSONS], "each has its solutions"
    assert [path.stem[:2] for path in LESSONS] == [f"{i:02d}" for i in range(1, len(LESSONS) + 1)]
    assert len(LESSONS) >= 2, "lessons 01 and 02 must exist"
    everything = {p for p in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts}
    assert everything == {*LESSONS, *SOLUTIONS}


@EVERY_NOTEBOOK
def test_notebook_keeps_the_rules(path):
    complaints = policy.complaints_about_lesson(path, REPOSITORY)
    assert not complaints, "\n".join(complaints)


@EVERY_NOTEBOOK
def test_script_is_written_the_one_way(path):
    """The script is what `make notebooks` would write, so that it never changes a file that nobody edited."""
    nb = nbformat.read(path, as_version=4)
    assert script_of(path).read_text(encoding="utf-8") == script_text(nb), "run make notebooks"


def test_readme_agrees_with_the_notebooks():
    text = README.read_text(encoding="utf-8")
    filled = readme.fill(text, readme.tables(readme.read_all()), REPOSITORY)
    assert filled == text, "README.md is out of date: run make notebooks"
    assert readme.FIGURE.read_bytes() == readme.figure(readme.read_all()), "run make notebooks"
    assert BLOCK.search(text).group() == badges(REPOSITORY)
    assert readme.TABLE.search(text), "the README shows no table of a notebook"


def test_readme_links_lead_somewhere():
    assert policy.check_links(README.read_text(encoding="utf-8"), ROOT) == []


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff", "pyproject.toml"])
def test_one_repository_everywhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert f"github.com/{REPOSITORY}" in text or f"gh/{REPOSITORY}/" in text
    own = REPOSITORY.split("/")[1]
    others = set(re.findall(rf"(?:github\.com|gh)/([\w-]+/{re.escape(own)})\b", text)) - {REPOSITORY}
    assert not others
