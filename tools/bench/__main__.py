"""Measure the course's speed here: ``python -m tools.bench [--only NAME] [--write]`` (``make bench``).

Prints one table; ``--write`` puts it into docs/benchmarks.md, with the machine and how it was measured.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from datetime import date

from srutils import course
from tools.bench.race import HEAD, Row
from tools.project import ROOT, write_aside

PAGE = ROOT / "docs" / "benchmarks.md"
PARTS = ("simulator", "metrics", "feed", "training", "engines", "models")
ROUNDS = 5
PACKAGES = ("numpy", "torch", "tensorflow", "keras", "onnxruntime", "openvino", "lenstronomy", "scikit-image")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")

TEXT = """# Benchmarks

How fast the course's own code is beside the plain way, and how fast its models run. `make bench` measures \
all of it anew on your machine, in a few minutes, and writes this page.

{machine}

{table}

## How it was measured

The ways of a group take turns: each works once, then all do so again in reverse order, {rounds} times \
after one round to warm up. Whatever else the machine does meets all of them alike. A speed is the median of \
the rounds; in brackets stand the least and the greatest. The ratio is taken within each round, and is then \
treated the same way. Where two ways should give the same answer, the answers are compared in every round, \
and the benchmark stops if they are too far apart.

{about}

## How to read it

Ratios travel from machine to machine better than speeds do. Where the brackets of a ratio include 1, \
nothing was gained. Where they are wide, the machine had other work: run it again when it is idle.
"""


def measure(part: str, rounds: int) -> list[Row]:
    """Measure one part; where a library is missing, one row says so."""
    try:
        return importlib.import_module(f"tools.bench.{part}").rows(rounds)
    except ModuleNotFoundError as error:
        return [Row(part, "", note=f"left out: {error.name} is not installed")]


def machine() -> str:
    """Say in a few lines what was measured on: processor, memory, system, versions, date, load."""
    from srutils.course import device, version_of
    from srutils.model_files.cards import hardware

    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        memory = f", {memory:.0f} GiB of memory"
    except (AttributeError, ValueError):  # Windows does not say
        memory = ""
    versions = [f"{name} {version_of(name)}" for name in PACKAGES]
    lines = [
        f"- Machine: {hardware()}{memory}",
        f"- System: {platform.system()}, {platform.machine()}",
        f"- Versions: Python {platform.python_version()}, {', '.join(versions)}",
        f"- Date: {date.today().isoformat()}",
    ]
    if device() != "cpu":
        lines.append(f"- PyTorch's training steps ran on an accelerator ({device()})")
    if hasattr(os, "getloadavg"):
        lines.append(f"- Processes that wanted a core in the minute before: {os.getloadavg()[0]:.1f}")
    return "\n".join(lines)


def page(rows: list[Row], machine: str, rounds: int) -> str:
    """The text of docs/benchmarks.md."""
    about = [importlib.import_module(f"tools.bench.{part}").ABOUT for part in PARTS]
    table = "\n".join([HEAD, *(row.markdown() for row in rows)])
    about = "\n".join(f"- {text}" for text in about)
    return TEXT.format(machine=machine, table=table, rounds=rounds, about=about)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__.split(":")[0] + ".")
    parser.add_argument("--only", choices=PARTS, help="measure this part")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at least 1, by default {ROUNDS}")
    options = parser.parse_args(argv)
    if options.write and options.only:
        parser.error("--write wants the whole table, --only asks for a part of it: give one of the two")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; expected at least 1")
    for name in THREADS:  # some libraries heed them and others do not: all shall use all cores
        os.environ.pop(name, None)
    course.triton_first()
    before, rows = machine(), []
    print(f"{before}\n\n{HEAD}", flush=True)
    try:
        for part in [options.only] if options.only else PARTS:
            for row in measure(part, options.rounds):
                rows.append(row)
                print(row.markdown(), flush=True)
        if options.write:
            write_aside(PAGE, page(rows, before, options.rounds))
            print(f"\nwrote {PAGE.relative_to(ROOT)}")
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
