"""The wheel, as Colab installs it, alone: every module is in it, and shipped models are found."""

import json
import os
import subprocess
import sys
import tomllib

import pytest
from PIL import Image

from srutils import course
from tools.colab import copy_package
from tools.house import modules
from tools.project import ROOT

UPSCALE = """
import json, numpy, sys
from srutils import course
from srutils.upscale.upscaler import Upscaler
image = numpy.linspace(0, 1, 5 * 7, dtype="float32").reshape(5, 7, 1)
print(json.dumps([course.__file__, Upscaler.load("srcnn-photo-x3")(image)[:, :, 0].tolist()]))
"""
EVERYTHING = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.fixture(scope="module")
def away(tmp_path_factory):
    """Install the wheel into a folder of its own; return how to run Python with it, far from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    tree, target = copy_package(folder / "tree"), folder / "installed"
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(tree)]
    subprocess.run(command, check=True, timeout=300)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SR_")}
    environment = kept | {"PYTHONPATH": str(target), "SR_CACHE": str(folder / "cache")}

    def run(*arguments):
        command = [sys.executable, *arguments]
        answer = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    run.target, run.folder = target, folder
    return run


def test_the_list_of_packages_is_that_of_the_folders():
    """A folder that the list lacks would be missing on Colab, while the checkout passes every other test."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "srutils").rglob("*.py")}
    data = set(settings["package-dir"])  # folders of data that the wheel takes in as packages
    assert set(settings["packages"]) == {".".join(folder.parts) for folder in folders} | data


def test_every_module_is_in_the_wheel_and_can_be_imported(away):
    ours = {name: path.read_bytes() for name, path in modules(ROOT / "srutils").items()}
    packed = {name: path.read_bytes() for name, path in modules(away.target / "srutils").items()}
    assert packed == ours
    away("-c", EVERYTHING, *(f"srutils.{name}".strip(".") for name in ours if name != "__main__"))


def test_every_shipped_file_is_in_the_wheel(away):
    shipped = {p.name: p.read_bytes() for p in course.models_dir().iterdir() if p.is_file()}
    packed = {p.name: p.read_bytes() for p in (away.target / "srutils" / "models").iterdir()}
    assert packed == shipped and "srcnn-photo-x3.onnx" in shipped


def test_the_installed_command_knows_models_and_recipes(away):
    names = {entry["name"] for entry in json.loads(away("-m", "srutils", "models", "--json"))}
    assert {"srcnn-photo-x3", "srresnet-telescope-x4", "lanczos"} <= names
    assert "srresnet-deeplense-x2" in away("-m", "srutils", "train", "--list")


def test_the_installed_copy_upscales(away):
    import numpy as np

    from srutils.upscale.upscaler import Upscaler

    place, rows = json.loads(away("-c", UPSCALE))
    assert place.startswith(str(away.target))
    image = np.linspace(0, 1, 5 * 7, dtype="float32").reshape(5, 7, 1)
    assert np.array_equal(np.float32(rows), Upscaler.load("srcnn-photo-x3")(image)[:, :, 0])


def test_the_installed_command_upscales_a_picture(away):
    Image.new("RGB", (9, 7), (200, 100, 50)).save(away.folder / "small.png")
    away("-m", "srutils", "upscale", "small.png", "large.png", "--model", "srcnn-photo-x3")
    assert Image.open(away.folder / "large.png").size == (27, 21)
