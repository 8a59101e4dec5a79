"""Where data and checkout may lie: relative, below ~, with spaces, on a read-only disk, in a fork."""

import json
import os
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from srutils import course, photos
from tools import notebooks, policy, project
from tools.execute import execute
from tools.project import ROOT
from tools.setup_cell import badges

# Every write below SR_DATA is an error, as it is on a disk that is mounted read-only; permissions would not
# do here, for they do not bind an administrator.
READ_ONLY = """
import os, runpy, sys
data = os.path.realpath(os.environ["SR_DATA"]) + os.sep

def refuse(event, arguments):
    paths = [a for a in arguments if isinstance(a, str) and os.path.abspath(a).startswith(data)]
    writes = event in ("os.mkdir", "os.rename", "os.remove", "os.truncate", "os.link", "os.symlink")
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if paths and writes:
        raise OSError(30, "Read-only file system", paths[0])

sys.addaudithook(refuse)
sys.argv = ["srutils", *sys.argv[1:]]
runpy.run_module("srutils", run_name="__main__")
"""


def picture(path, seed=0, size=(40, 36)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A home folder, with a data set in a folder whose name has spaces; the working folder is beside it."""
    home = tmp_path / "home of Ada"
    picture(home / "my data" / "Linnaeus 5 128X128" / "train" / "dog" / "1_128.jpg")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize("name", ["~/my data", "my data", "./my data/", "../home of Ada/my data"])
def test_sr_data_may_be_relative_or_below_home(places, tmp_path, monkeypatch, name):
    monkeypatch.setenv("SR_DATA", name)
    found = course.find_data("Linnaeus 5 128X128")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert found.is_absolute() and [label for label, _ in photos.folder(found, recursive=True)] == [
        "train/dog/1_128"
    ]


def test_a_relative_sr_data_is_the_same_in_a_notebook(places, tmp_path, monkeypatch):
    monkeypatch.setenv("SR_DATA", "my data")
    monkeypatch.setenv("SR_CACHE", "a cache")
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        nbformat.v4.new_code_cell("from srutils import course\nprint(course.data_dir(), course.cache_dir())")
    ]
    execute(nb, tmp_path / "elsewhere", "01_a")
    assert nb.cells[0].outputs[0].text.strip() == f"{places / 'my data'} {places / 'a cache'}"


def test_nothing_is_written_to_sr_data(tmp_path, monkeypatch):
    data = tmp_path / "read only"
    for i in range(2):
        for part, size in (("HR", 150), ("LR", 75)):
            (data / "deeplense" / part).mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(i).random((1, size, size))
            np.save(data / "deeplense" / part / f"sample{i + 1}.npy", values)
        picture(data / "my photos" / f"{i}.png", i)
    environment = os.environ | {"SR_DATA": str(data), "SR_CACHE": str(tmp_path / "cache")}

    def run(*arguments):
        command = [sys.executable, "-c", READ_ONLY, *map(str, arguments)]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    answer = run("evaluate", "lanczos", "--data", data / "my photos", "--scale", 2, "--json")
    assert answer.returncode == 0 and json.loads(answer.stdout)["n"] == 2, answer.stderr
    answer = run("fetch")
    assert answer.returncode == 0 and f"not whole in {data / 'deeplense'}" in answer.stdout, answer.stderr
    answer = run("upscale", data / "my photos" / "0.png", tmp_path / "large.png", "--scale", 2)
    assert answer.returncode == 0 and (tmp_path / "large.png").is_file(), answer.stderr
    answer = run("upscale", data / "my photos" / "0.png", data / "large.png", "--scale", 2)
    assert answer.returncode == 2 and "read-only file system" in answer.stderr.lower(), answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "cp932", "ascii"])
def test_a_lessons_script_prints_on_any_screen(encoding):
    """As `python notebooks/scripts/03_srcnn.py > log.txt` does on Windows."""
    code = "from srutils import course\ncourse.banner()\nprint('σ = 4 ± 1 · █ → –')"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60)
    assert answer.returncode == 0 and b" = 4 " in answer.stdout, answer.stderr


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """Lesson 02 and what names the repository, copied, after ``make links REPO=you/fork``."""
    root = tmp_path_factory.mktemp("fork")
    files = [ROOT / name for name in ("pyproject.toml", "CITATION.cff", "README.md")]
    for path in [*files, *ROOT.glob("notebooks/**/02_*.ipynb"), *ROOT.glob("notebooks/**/02_*.py")]:
        (root / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.relative_to(ROOT))
    notebooks.set_links("you/fork", root)
    return root


def test_a_fork_keeps_the_rules_and_needs_no_new_run(fork):
    """What `make links` writes costs no output, and nothing is out of step afterwards."""
    assert project.repository(fork) == "you/fork"
    paths = notebooks.everything(fork / "notebooks")
    found = [line for path in paths for line in policy.complaints_about_lesson(path, "you/fork")]
    assert len(paths) == 2 and not [line for line in found if "leads nowhere" not in line]
    assert notebooks.set_links("you/fork", fork) == []


def test_a_fork_has_its_own_links_everywhere(fork):
    for path in fork.rglob("*"):
        if path.suffix in (".md", ".py", ".ipynb", ".toml", ".cff"):
            assert project.repository() not in path.read_text(encoding="utf-8"), path.relative_to(fork)
    text = (fork / "README.md").read_text(encoding="utf-8")
    assert badges("you/fork") in text and "stand-in" not in text
