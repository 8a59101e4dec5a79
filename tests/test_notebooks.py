"""Lessons and solutions keep the rules of tools/policy.py and agree with their scripts."""

import re

import nbformat
import pytest

from tools import policy
from tools.notebook_files import script_text
from tools.project import NOTEBOOKS, ROOT, lessons, name_of, repository, script_of

LESSONS, SOLUTIONS = lessons(), lessons(NOTEBOOKS / "solutions")
REPOSITORY = repository()
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


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff", "pyproject.toml"])
def test_one_repository_everywhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert f"github.com/{REPOSITORY}" in text or f"gh/{REPOSITORY}/" in text
    own = REPOSITORY.split("/")[1]
    others = set(re.findall(rf"(?:github\.com|gh)/([\w-]+/{re.escape(own)})\b", text)) - {REPOSITORY}
    assert not others
