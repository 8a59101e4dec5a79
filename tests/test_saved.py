"""A network has one author: the module in srutils/networks is what its lesson's cells say."""

import pytest

from tools import notebooks, saved
from tools.notebook_files import read_script
from tools.project import ROOT, lessons, script_of

LESSON = '''# %% [markdown]
# # A sample

# %%
import math
from pathlib import Path

import numpy as np
from torch import nn, optim

# %% tags=["saved-twice"]
class Twice(nn.Module):
    """Twice as much."""
    def forward(self, x):
        return  2 * x * math.pi / np.pi

# %%
print(Twice()(1))

# %% tags=["saved-twice"]
# What a cell says above a function comes along.
def twice(): return Twice()
'''
TWICE = '''"""`Twice` and `twice`, as lesson 09 builds them.

Written by ``make notebooks`` from notebooks/09_sample.ipynb: change it there.
"""

import math

import numpy as np
from torch import nn


class Twice(nn.Module):
    """Twice as much."""

    def forward(self, x):
        return 2 * x * math.pi / np.pi


# What a cell says above a function comes along.
def twice():
    return Twice()
'''


@pytest.fixture
def course(tmp_path):
    """Return a function that makes a lesson from the text of its script, and returns its notebook's path."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "srutils" / "networks").mkdir(parents=True)

    def make(text, name="09_sample"):
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        script_of(path).parent.mkdir(parents=True, exist_ok=True)
        script_of(path).write_text(text, encoding="utf-8")
        return path

    return make


def test_every_network_is_what_its_lesson_says():
    for lesson in lessons():
        for path, text in saved.saved_modules(lesson).items():
            assert path.is_file() and path.read_text(encoding="utf-8") == text, "run make notebooks"


def test_no_network_is_left_whose_cells_are_gone():
    tagged = {lesson.name: set(saved.saved_cells(read_script(script_of(lesson)))) for lesson in lessons()}
    for path in (ROOT / "srutils" / "networks").glob("[a-z]*.py"):
        text = path.read_text(encoding="utf-8")
        for lesson in (name for name in tagged if f"from notebooks/{name}" in text):
            assert not tagged[lesson] or path.stem in tagged[lesson], f"{lesson} saves no {path.stem}"


def test_cells_become_a_module_with_the_imports_that_they_need(course, tmp_path):
    lesson = course(LESSON)
    module = tmp_path / "srutils" / "networks" / "twice.py"
    assert saved.write_saved(lesson, tmp_path) == [module]
    assert module.read_text(encoding="utf-8") == TWICE
    assert saved.write_saved(lesson, tmp_path) == []
    module.write_text(TWICE.replace("2 * x", "3 * x"), encoding="utf-8")
    assert saved.write_saved(lesson, tmp_path) == [module] and module.read_text(encoding="utf-8") == TWICE


def test_the_tag_survives_the_way_through_the_notebook(course, tmp_path):
    lesson = course(LESSON)
    notebooks.sync_lesson(lesson, "someone/fork")
    notebooks.sync_lesson(lesson, "someone/fork", "notebook")
    assert list(saved.saved_modules(lesson, tmp_path).values()) == [TWICE]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2 * x", "FACTOR * x", "all it needs in itself or in imports: Undefined name `FACTOR`"),
        ("from torch import nn", "from srutils import pairs as nn", "networks import nothing of srutils"),
        ("saved-twice", "saved-two-times", "the tag saved-two-times names no module"),
        (LESSON[LESSON.index("# %% tags") :], '# %% tags=["saved-a"]\nx = 2\n', "neither a class nor"),
    ],
)
def test_cells_that_cannot_stand_alone_are_refused(course, tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        saved.write_saved(course(LESSON.replace(old, new)), tmp_path)
    assert not list((tmp_path / "srutils" / "networks").iterdir())


def test_two_lessons_cannot_save_the_same_module(course, tmp_path):
    saved.write_saved(course(LESSON), tmp_path)
    with pytest.raises(
        ValueError, match=r"08_other: srutils/networks/twice\.py is saved from another lesson"
    ):
        saved.write_saved(course(LESSON, "08_other"), tmp_path)
