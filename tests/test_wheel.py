"""The wheel, as Colab installs it: shipped models are found where there is no checkout."""

import json
import os
import subprocess
import sys

import pytest

from srutils import course
from tools.colab import copy_package

UPSCALE = """
import json, numpy, sys
from srutils import course
from srutils.upscale.upscaler import Upscaler
image = numpy.linspace(0, 1, 5 * 7, dtype="float32").reshape(5, 7, 1)
print(json.dumps([course.__file__, Upscaler.load("srcnn-photo-x3")(image)[:, :, 0].tolist()]))
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

    run.target = target
    return run


def test_every_shipped_file_is_in_the_wheel(away):
    shipped = {p.name: p.read_bytes() for p in course.models_dir().iterdir() if p.is_file()}
    packed = {p.name: p.read_bytes() for p in (away.target / "srutils" / "models").iterdir()}
    assert packed == shipped and "srcnn-photo-x3.onnx" in shipped


def test_the_installed_command_knows_the_models(away):
    names = {entry["name"] for entry in json.loads(away("-m", "srutils", "models", "--json"))}
    assert {"srcnn-photo-x3", "srresnet-telescope-x4", "lanczos"} <= names


def test_the_installed_copy_upscales(away):
    import numpy as np

    from srutils.upscale.upscaler import Upscaler

    place, rows = json.loads(away("-c", UPSCALE))
    assert place.startswith(str(away.target))
    image = np.linspace(0, 1, 5 * 7, dtype="float32").reshape(5, 7, 1)
    assert np.array_equal(np.float32(rows), Upscaler.load("srcnn-photo-x3")(image)[:, :, 0])
