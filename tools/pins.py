"""Keep the two lists of versions in step: ``constraints.txt`` (pip) and ``environment.yml`` (conda).

``python -m tools.pins`` tidies constraints.txt and writes environment.yml from it; ``--check`` only reports.
The pins themselves come from a resolver that looks at every system at once; CONTRIBUTING.md has the command.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.project import ROOT, write_aside

HEADER = """\
# The exact versions that are tested: Python 3.11 to 3.13 on Linux, macOS and Windows.
# Use: python -m pip install -c constraints.txt -e ".[course,test]"
# torch brings the CUDA packages that its own build needs, so they are not listed here.
"""
CONDA = """\
# The conda route: conda (or mamba) env create -f environment.yml
# Conda supplies Python and pip; the libraries are the same wheels that pip installs, so there is one set of
# versions and no mixture of two builds of the same library. Written by tools/pins.py: do not edit by hand.
name: super-resolution-course
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.12
  - pip
  - pip:
      - -c constraints.txt
"""
EXTRAS = ("course", "test")  # what environment.yml installs
LEFT_TO_TORCH = ("nvidia-", "cuda-", "triton")


def read_constraints(path: Path = ROOT / "constraints.txt") -> list[Requirement]:
    """Return the pins of a constraints file, in its order."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def pinned(requirements: list[Requirement]) -> dict[str, set[str]]:
    """Return ``{canonical name: versions}``; a name has two versions only where markers separate them."""
    pins: dict[str, set[str]] = {}
    for requirement in requirements:
        versions = [s.version for s in requirement.specifier if s.operator == "=="]
        pins.setdefault(canonicalize_name(requirement.name), set()).update(versions)
    return pins


def direct_requirements(extras: tuple[str, ...] = EXTRAS) -> list[str]:
    """Return the names that ``srutils[extras]`` asks for directly, extras of extras included."""
    with open(ROOT / "pyproject.toml", "rb") as stream:
        project = tomllib.load(stream)["project"]
    names, waiting = set(), list(project["dependencies"])
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    while waiting:
        requirement = Requirement(waiting.pop())
        if canonicalize_name(requirement.name) == project["name"]:
            for extra in requirement.extras:
                waiting += project["optional-dependencies"][extra]
        else:
            names.add(canonicalize_name(requirement.name))
    return sorted(names)


def tidy(requirements: list[Requirement]) -> str:
    """Return the text of constraints.txt: sorted, without local labels and without torch's CUDA packages."""
    lines = set()
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        marker = str(requirement.marker or "")
        if name.startswith(LEFT_TO_TORCH) or '== "emscripten"' in marker:
            continue
        version = str(requirement.specifier).split("+")[0]
        lines.add(f"{name}{version}" + (f" ; {marker}" if marker else ""))
    return HEADER + "\n".join(sorted(lines)) + "\n"


def environment(pins: dict[str, set[str]]) -> str:
    """Return the text of environment.yml: the direct requirements at the pinned versions."""
    lines = []
    for name in direct_requirements():
        versions = pins.get(name, set())
        if len(versions) != 1:
            raise ValueError(f"constraints.txt must pin {name} to one version, it has {sorted(versions)}")
        lines.append(f"      - {name}=={min(versions)}\n")
    return CONDA + "".join(lines) + f"      - -e .[{','.join(EXTRAS)}]\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make constraints.txt and environment.yml agree.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if one is out of date")
    check = parser.parse_args(argv).check
    requirements = read_constraints()
    stale = 0
    wanted = {"constraints.txt": tidy(requirements), "environment.yml": environment(pinned(requirements))}
    for name, text in wanted.items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if check:
            print(f"{name} is out of date: run python -m tools.pins", file=sys.stderr)
        else:
            write_aside(path, text)
            print(f"wrote {name}")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
