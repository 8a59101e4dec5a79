"""Every lesson keeps the rules of tools/policy.py, agrees with its script, and feeds the README."""

import re

import nbformat
import pytest

from tools import policy, readme
from tools.notebooks import script_text
from tools.project import NOTEBOOKS, ROOT, lessons, repository, script_of
from tools.setup_cell import BLOCK, badges

LESSONS = lessons()
REPOSITORY = repository()
README = ROOT / "README.md"
EVERY_LESSON = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def test_there_are_lessons_and_each_has_two_files():
    scripts = sorted(path.stem for path in (NOTEBOOKS / "scripts").glob("*.py"))
    assert [path.stem for path in LESSONS] == scripts
    assert [path.stem[:2] for path in LESSONS] == [f"{i:02d}" for i in range(1, len(LESSONS) + 1)]
    assert len(LESSONS) >= 2, "lessons 01 and 02 must exist"
    assert sorted(NOTEBOOKS.glob("*.ipynb")) == LESSONS


@EVERY_LESSON
def test_lesson_keeps_the_rules(path):
    complaints = policy.complaints_about_lesson(path, REPOSITORY)
    assert not complaints, "\n".join(complaints)


@EVERY_LESSON
def test_script_is_written_the_one_way(path):
    """The script is what `make notebooks` would write, so that it never changes a file that nobody edited."""
    nb = nbformat.read(path, as_version=4)
    assert script_of(path).read_text(encoding="utf-8") == script_text(nb), "run make notebooks"


def test_readme_agrees_with_the_notebooks():
    text = README.read_text(encoding="utf-8")
    filled = readme.fill(text, readme.tables(readme.read_all()), REPOSITORY)
    assert filled == text, "README.md is out of date: run make notebooks"
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
