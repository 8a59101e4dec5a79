"""The versions in constraints.txt, environment.yml and pyproject.toml agree."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import pins
from tools.project import ROOT

CONSTRAINTS = pins.read_constraints()
PINS = pins.pinned(CONSTRAINTS)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
EXTRAS = sorted(PROJECT["optional-dependencies"])


def conda_pip() -> list[str]:
    (block,) = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    return block


def test_every_constraint_is_one_exact_public_version():
    for requirement in CONSTRAINTS:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        assert "+" not in specifier.version, f"{requirement} has a local label that no public index holds"
    for name, versions in PINS.items():
        markers = [r.marker for r in CONSTRAINTS if canonicalize_name(r.name) == name]
        assert len(versions) == 1 or all(markers), f"{name} is pinned twice without markers"


def test_the_files_are_those_that_the_tool_writes():
    assert (ROOT / "constraints.txt").read_text(encoding="utf-8") == pins.tidy(CONSTRAINTS)
    assert (ROOT / "environment.yml").read_text(encoding="utf-8") == pins.environment(PINS)


def test_environment_pins_agree_with_the_constraints():
    pinned = [Requirement(line) for line in conda_pip() if not line.startswith("-")]
    assert len(pinned) > 20
    for requirement in pinned:
        (specifier,) = requirement.specifier
        assert PINS[canonicalize_name(requirement.name)] == {specifier.version}, requirement
    assert {canonicalize_name(r.name) for r in pinned} == set(pins.direct_requirements())
    assert conda_pip()[0] == "-c constraints.txt" and conda_pip()[-1] == "-e .[course,test]"


def test_conda_supplies_python_and_pip_only():
    names = [entry for entry in CONDA["dependencies"] if isinstance(entry, str)]
    python = next(entry for entry in names if entry.startswith("python=")).split("=")[1]
    assert len(names) == 2 and "pip" in names
    assert Requirement(f"x{PROJECT['requires-python']}").specifier.contains(python)
    assert CONDA["channels"][0] == "conda-forge"


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_resolves_to_pinned_versions(extra):
    for name in pins.direct_requirements((extra,)):
        assert name in PINS, f"{name} of [{extra}] is not pinned in constraints.txt"
    for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        versions = PINS.get(canonicalize_name(requirement.name), set())
        assert all(requirement.specifier.contains(v) for v in versions), f"{line} against {sorted(versions)}"


def test_extras_of_the_course_exist():
    assert {"tf", "torch", "lens", "test", "docs", "course"} <= set(EXTRAS)
    inner = [Requirement(line) for line in PROJECT["optional-dependencies"]["course"]]
    own = next(r for r in inner if canonicalize_name(r.name) == PROJECT["name"])
    assert own.extras <= set(EXTRAS)


def test_the_pins_of_this_system_can_be_told_apart():
    """Where markers give a package two pins, exactly one holds for any one Python."""
    for name, versions in PINS.items():
        if len(versions) == 1:
            continue
        for python in ("3.11.0", "3.11.9", "3.12.0", "3.13.0"):
            found = [r for r in CONSTRAINTS if canonicalize_name(r.name) == name]
            held = [r for r in found if r.marker.evaluate({"python_full_version": python})]
            assert len(held) == 1, (name, python)


def test_no_address_of_a_package_index_is_committed():
    names = ("Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "CONTRIBUTING.md")
    names += (".github/workflows/ci.yml", ".ci/run")
    for name in names:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://[\w.-]*(?:pypi|pythonhosted|whl)[\w.-]*|index-url +https?:", text), (
            name
        )


def test_an_unpinned_requirement_is_noticed():
    with pytest.raises(ValueError, match="must pin .* to one version"):
        pins.environment({})


def test_tidy_drops_what_must_not_be_pinned():
    lines = ["torch==2.13.0+cpu", "nvidia-cublas==13.1", 'x==1 ; sys_platform == "emscripten"', "B_c==2"]
    text = pins.tidy([Requirement(line) for line in lines])
    assert text.removeprefix(pins.HEADER).splitlines() == ["b-c==2", "torch==2.13.0"]
