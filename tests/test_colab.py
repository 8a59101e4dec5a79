"""The list of what Colab ships: with the set-up cell's own packages it is all that the lessons need."""

import ast
import re
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import colab, pins
from tools.project import ROOT
from tools.setup_cell import TEMPLATE

LISTED = {colab.name_of(line): line.split("==")[1] for line in colab.versions()}
WORDS = [word for words in re.findall(r'"([^"]+)"\.split\(\)', TEMPLATE) for word in words.split()]
SMALL = {colab.name_of(word): word.partition("==")[2] for word in WORDS}  # {name: version, or ""}
ADDED = SMALL.keys() - LISTED.keys()
PINS = pins.pinned(pins.read_constraints())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = {
    "emcee",
    "imagecodecs",
    "lenstronomy",
    "libarchive",
    "openvino",
    "rarfile",
    "triton",
}  # the lessons do without them
PYTHON = re.search(r"Python (\d\.\d+\.\d+)", colab.LIST.read_text(encoding="utf-8")).group(1)


def imported() -> set[str]:
    """Return the names of all modules, outside the standard library, that lessons and srutils import."""
    found = set()
    for path in [*(ROOT / "srutils").rglob("*.py"), *(ROOT / "notebooks" / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"srutils"}


def test_every_import_is_listed_or_installed_by_the_set_up_cell():
    packages = metadata.packages_distributions()
    modules = imported() - OPTIONAL
    assert {"numpy", "torch", "keras", "onnx", "accelerate", "typer", "cv2"} <= modules
    for module in sorted(modules):
        names = {colab.name_of(name) for name in packages.get(module, [module])}
        assert names & (LISTED.keys() | SMALL.keys()), f"who installs {module} on Colab?"


def test_what_colab_lacks_has_the_version_that_is_tested():
    assert sorted(ADDED) == ["onnx", "onnx-ir", "onnxruntime", "onnxscript", "tf2onnx"]
    for name in ADDED - {"onnx"}:
        assert PINS[name] == {SMALL[name]}, name


def test_an_older_onnx_is_needed_for_colabs_protobuf():
    """When this fails, the set-up cell can take the onnx of constraints.txt."""
    needs = {colab.name_of(r.name): r for r in map(Requirement, metadata.requires("onnx"))}
    assert not needs["protobuf"].specifier.contains(LISTED["protobuf"])
    assert Version(SMALL["onnx"]) < Version(min(PINS["onnx"]))


def test_what_is_added_finds_what_it_needs():
    """`--no-deps` leaves it unsaid, so it is checked here with the needs of the versions installed here."""
    for name in sorted(ADDED - {"onnx"}):
        for need in map(Requirement, metadata.requires(name)):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                version = {**SMALL, **LISTED}.get(canonicalize_name(need.name))
                assert version and need.specifier.contains(version), (
                    f"{name} needs {need}, Colab has {version}"
                )


def test_colabs_versions_are_allowed():
    assert Requirement(f"x{PROJECT['requires-python']}").specifier.contains(PYTHON)
    extras = PROJECT["optional-dependencies"]
    for line in [*PROJECT["dependencies"], *extras["tf"], *extras["torch"]]:
        need = Requirement(line)
        if need.name in OPTIONAL:
            continue
        version = {**SMALL, **LISTED}.get(canonicalize_name(need.name))
        assert version and need.specifier.contains(version), f"{line} against Colab's {version}"


def test_versions_can_be_swapped():
    assert "torch==9.9" in colab.versions(["torch==9.9"])
    assert len(colab.versions(["torch==9.9"])) == len(LISTED)
    for wrong in ("absent==1", "torch", "torch>=2"):
        with pytest.raises(ValueError, match="--instead takes NAME==VERSION of a package in colab.txt"):
            colab.versions([wrong])


def test_wrong_usage_is_one_line_and_makes_nothing(tmp_path, capsys):
    assert colab.main(["--instead", "absent==1", "--folder", str(tmp_path / "new")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not (tmp_path / "new").exists()


def test_lessons_and_solutions_are_told_apart():
    titles = [colab.title(script) for script in colab.everything()]
    assert titles[0] == "01_data_exploration" and len(set(titles)) == len(titles)
    assert [t.removeprefix("solutions/") for t in titles if t.startswith("solutions/")] == titles[:9]


def test_a_lesson_runs_as_in_a_fresh_session(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SR_DATA", "elsewhere")
    (tmp_path / "empty").mkdir()
    script = tmp_path / "09_none.py"
    script.write_text("import os\nassert 'SR_DATA' not in os.environ\nprint(os.listdir())", encoding="utf-8")
    assert colab.run_lesson(sys.executable, script, tmp_path)
    script.write_text("raise OSError('no such lens')", encoding="utf-8")
    assert not colab.run_lesson(sys.executable, script, tmp_path)
    passed, failed, *tail = capsys.readouterr().out.splitlines()
    assert "09_none" in passed and "passed" in passed and "FAILED" in failed
    assert tail[-1] == "OSError: no such lens"


def test_a_set_up_cell_that_changes_numpy_is_refused(tmp_path, monkeypatch):
    answers = iter([{"numpy": "2.1.3", "tqdm": "4"}, {"numpy": "2.4.6", "tqdm": "4", "onnx": "1.22.0"}])
    monkeypatch.setattr(colab, "installed", lambda python: next(answers))
    monkeypatch.setattr(colab, "copy_package", lambda target: target)
    monkeypatch.setattr(colab.subprocess, "run", lambda *args, **options: None)
    with pytest.raises(ValueError, match="changed what was there: numpy$"):
        colab.set_up("python", tmp_path)
    cell = (tmp_path / "empty" / "set_up.py").read_text(encoding="utf-8")
    assert repr(str(tmp_path / "tree")) in cell and "git+https" not in cell
