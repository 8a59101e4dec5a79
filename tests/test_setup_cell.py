"""The set-up cell on faked hosts (Colab, Kaggle) and, for real, in a checkout and in a plain clone."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tools.project import ROOT, repository
from tools.setup_cell import TEMPLATE, badges, setup_cell

FORBIDDEN = ("torch", "tensorflow", "keras", "numpy", "scipy", "jax", "pandas", "pillow", "matplotlib")
CELL = setup_cell("someone/fork")


def run_on_host(monkeypatch, tmp_path, absent):
    """Run the cell where the modules in `absent` cannot be found; return the commands it ran."""
    commands = []

    def run(command, **options):
        commands.append(command)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else SimpleNamespace(name=name)
    )
    monkeypatch.setattr(subprocess, "run", run)
    banner = []
    fake = ModuleType("srutils")
    fake.course = SimpleNamespace(banner=lambda: banner.append(True))
    monkeypatch.setitem(sys.modules, "srutils", fake)
    exec(compile(CELL, "set-up cell", "exec"), {"__name__": "__main__"})
    assert banner == [True]
    return commands


COLAB_LACKS = {"srutils", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "tf2onnx"}
FRAMEWORKS = {"torch", "tensorflow", "keras", "numpy"}


@pytest.mark.parametrize(
    "absent",
    [{"srutils"}, COLAB_LACKS, COLAB_LACKS | {"typer", "lazy_loader"} | FRAMEWORKS],
    ids=["everything there", "as on Colab", "bare"],
)
def test_hosts_keep_their_frameworks(monkeypatch, tmp_path, absent):
    (command,) = run_on_host(monkeypatch, tmp_path, absent)
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert "--no-deps" in command and "--upgrade" not in command and "-U" not in command
    wanted = [word for word in command[4:] if not word.startswith("-")]
    assert wanted[0] == "git+https://github.com/someone/fork"
    names = {word.split("==")[0] for word in wanted[1:]}
    assert not names & set(FORBIDDEN)
    assert names == absent - FRAMEWORKS - {"srutils"}


def test_nothing_is_run_where_srutils_is_installed(monkeypatch, tmp_path):
    assert run_on_host(monkeypatch, tmp_path, absent={"onnxruntime"}) == []


def test_plain_clone_runs_nothing(monkeypatch, tmp_path):
    (tmp_path / "srutils").mkdir()
    (tmp_path / "srutils" / "course.py").write_text("", encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    assert run_on_host(monkeypatch, tmp_path / "notebooks", absent={"srutils", "onnxruntime"}) == []
    assert sys.path[0] == str(tmp_path)


def run_for_real(tmp_path, *flags, cwd):
    script = tmp_path / "cell.py"
    script.write_text(CELL.replace("github.com", "example.invalid"), encoding="utf-8")
    command = [sys.executable, *flags, str(script)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_without_internet_one_sentence_says_what_to_switch_on(tmp_path):
    """For real: pip's git finds nobody at the address."""
    unknown = "import importlib.util\nimportlib.util.find_spec = lambda name: None\n"
    script = tmp_path / "cell.py"
    script.write_text(unknown + CELL.replace("https://github.com", "http://127.0.0.1:9"), encoding="utf-8")
    environment = os.environ | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    pipes = {"capture_output": True, "text": True, "timeout": 120}
    answer = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, **pipes)
    assert answer.returncode == 1 and answer.stdout == "" and "Traceback" not in answer.stderr
    reason, sentence = answer.stderr.strip().rsplit("\n", 1)
    assert "127.0.0.1" in reason
    assert sentence.startswith("pip could not install the course") and "Turn on internet" in sentence


def test_installed_copy_for_real(tmp_path):
    answer = run_for_real(tmp_path, cwd=ROOT / "notebooks")
    assert answer.returncode == 0, answer.stderr
    assert "hardware:" in answer.stdout and answer.stderr == ""


def test_plain_clone_for_real(tmp_path):
    clone = tmp_path / "clone"
    (clone / "notebooks").mkdir(parents=True)
    shutil.copytree(ROOT / "srutils", clone / "srutils", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "pyproject.toml").write_text("", encoding="utf-8")
    # -S leaves site-packages out, so srutils is not installed there; the module itself needs none of them
    answer = run_for_real(tmp_path, "-S", cwd=clone / "notebooks")
    assert answer.returncode == 0, answer.stderr
    assert "cache:    data/cache" in answer.stdout
    assert (clone / "data" / "cache").is_dir()


def test_the_cell_is_short_and_reads_well():
    lines = CELL.splitlines()
    assert len(lines) <= 30 and max(map(len, lines)) <= 110
    assert "@" not in CELL and TEMPLATE.count("@REPOSITORY@") == 1


def test_badges_name_the_notebook_and_the_repository():
    text = badges("someone/fork", "01_data_exploration.ipynb")
    assert text.count("someone/fork") == text.count("01_data_exploration.ipynb") == 3
    assert badges("someone/fork").count("someone/fork") == 1
    assert Path(ROOT / "pyproject.toml").is_file() and "/" in repository()


@pytest.mark.parametrize("name", ["", "fork", "https://github.com/a/b", "a/b/c", "a b/c"])
def test_bad_repository(name):
    with pytest.raises(ValueError, match="owner/name"):
        setup_cell(name)
