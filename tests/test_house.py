"""The rooms of srutils import each other as tools/house.py allows, and each rule can be broken."""

import subprocess
import sys

import pytest

from tools import house
from tools.project import ROOT

SRUTILS = ROOT / "srutils"
EDGES = house.imports(SRUTILS)


@pytest.fixture
def small(tmp_path):
    """Return a function that makes a package ``srutils`` of the files given."""

    def make(**files):
        package = tmp_path / "srutils"
        for name, text in {"__init__": "", **files}.items():
            path = package / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            (path.parent / "__init__.py").touch()
        return package

    return make


def test_every_room_imports_only_what_lies_below_it():
    assert not house.strays(EDGES), "\n".join(house.strays(EDGES))


@pytest.mark.parametrize("package", ["srutils", "tools"])
def test_no_circle(package):
    assert not house.circle(house.imports(ROOT / package))


def test_the_rooms_have_no_circle_either():
    """Else two rooms could only be read together, though no two files import each other."""
    rooms = [e._replace(source=house.room(e.source), target=house.room(e.target)) for e in EDGES]
    assert not house.circle([edge for edge in rooms if edge.target])


@pytest.mark.parametrize("package", ["srutils", "tools"])
def test_no_private_name_crosses_a_file(package):
    found = house.private_names(ROOT / package)
    assert not found, "\n".join(found)


def test_a_folder_hands_names_on_and_defines_nothing():
    assert not house.definitions(SRUTILS)


def test_heavy_libraries_are_imported_inside_functions():
    assert not house.heavy_imports(SRUTILS), "\n".join(house.heavy_imports(SRUTILS))


def test_the_module_needs_neither_the_tools_nor_the_tests():
    assert not house.foreign_imports(SRUTILS, {"tools", "tests", "notebooks"})


def test_every_module_is_short():
    long = {name: n for name, n in house.line_counts(SRUTILS).items() if n > house.MAX_LINES}
    assert not long


def test_every_room_has_its_rule():
    assert {house.room(name) for name in house.modules(SRUTILS)} - {""} == set(house.ALLOWED)


STRAYS = {
    "metrics": "from srutils.files.images import read_image",
    "pairs": "def f():\n    from srutils import course",
    "photos": "import srutils.fetch.download as d",
    "lensing.cache": "from srutils.upscale import Upscaler",
    "upscale.files": "from srutils import lensing",
    "scoring.table": "from srutils.upscale.files import enlarge_file",
    "networks.srcnn": "from srutils import pairs",
    "recipes.srgan": "from srutils import cli",
    "recipes.srcnn": "from ..fetch import download",
    "cli": "import importlib\nimportlib.import_module('srutils.networks.srcnn')",
    "files.encode": "from ..course import cache_dir",
}


@pytest.mark.parametrize("name", STRAYS)
def test_an_import_from_above_is_found(small, name):
    others = dict.fromkeys(("course", "pairs", "cli", "lensing", "upscale.files", "networks.srcnn"), "")
    package = small(**{**others, "fetch.download": "", "files.images": "", name: STRAYS[name]})
    assert [line.split(":")[0] for line in house.strays(house.imports(package))][:1] == [name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("upscale.files", "from srutils.lensing import baselines"),
        ("scoring.table", "from srutils.upscale import Upscaler"),
        ("recipes.srgan", "def run():\n    from srutils.networks.srresnet import SRResNet"),
        ("lensing.refit", "from . import cache"),
        ("cli", "from srutils import recipes, fetch"),
    ],
)
def test_an_import_from_below_is_no_stray(small, name, text):
    others = dict.fromkeys(("lensing.baselines", "lensing.cache", "recipes.a", "fetch.a"), "")
    package = small(**{**others, "upscale.upscaler": "", "networks.srresnet": "", name: text})
    assert not house.strays(house.imports(package))


def test_a_network_at_the_top_of_a_recipe_is_found(small):
    package = small(**{"networks.a": "", "recipes.b": "from srutils.networks.a import A"})
    assert "with it a framework" in house.strays(house.imports(package))[0]


def test_a_circle_is_found_inside_functions_too(small):
    package = small(a="import srutils.b", b="def f():\n    from srutils import c", c="from .a import x")
    found = house.circle(house.imports(package))
    assert set(found) == {"a", "b", "c"} and found[0] == found[-1]


@pytest.mark.parametrize(
    "text",
    ["from srutils.b import _x", "from srutils import b\nb._x()", "import srutils._b"],
)
def test_a_private_name_that_crosses_is_found(small, text):
    package = small(a=text, b="_x = 1", _b="")
    assert len(house.private_names(package)) == 1


def test_other_breaches_are_found(small):
    package = small(
        **{"lensing.__init__": "def f():\n    pass\n", "pairs": "import torch\nimport tools.house\n"}
    )
    assert house.definitions(package) == ["lensing:1 defines f"]
    assert house.heavy_imports(package) == ["pairs:1 imports torch"]
    assert house.foreign_imports(package, {"tools"}) == ["pairs:2 imports tools.house"]


def test_the_plan_of_the_house_is_printed():
    command = [sys.executable, "-m", "tools.house"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "circles: none" in answer.stdout and "\nlensing " in answer.stdout
