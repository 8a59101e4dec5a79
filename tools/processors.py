"""Run the tests as on other processors: ``python -m tools.processors [--only NAME] [PATH ...]``.

(``make test-processors``.) A result's last bits depend on the instructions and the threads that a library
picks. Libraries can be told to pick as they would on another processor, so the unit tests that compute and
all notebooks run once under each of a few settings. Prints a table; exits with 1 if anything failed. Each
setting has a cache of its own, so that none reads what another has simulated, and a log in build/processors.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools.project import ROOT

LOGS = ROOT / "build" / "processors"
UNIT = ["classical", "classifier", "engine", "lensing", "metrics", "pairs", "perception", "refit"]
UNIT += ["scoreboard", "srgan", "tracks", "training", "upscale"]
PATHS = [f"tests/test_{name}.py" for name in UNIT] + ["notebooks"]
THREADS = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"]


@dataclass(frozen=True)
class Setting:
    """Environment variables that go together, and the flags of a processor that they make sense on."""

    name: str
    about: str
    variables: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


def _threads(n: int) -> dict[str, str]:
    return dict.fromkeys(THREADS, str(n))


def _without(pattern: str) -> dict[str, str]:
    """Take from NumPy's own loops those of this machine's instructions that match."""
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    names = " ".join(name for name in found if re.match(pattern, name))
    return {"NPY_DISABLE_CPU_FEATURES": names} if names else {}


def settings() -> list[Setting]:
    """Return all settings, those of the machine's own instructions first."""
    avx2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
    avx2 |= {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    # TensorFlow's wheels need AVX: no older processor runs the course
    avx = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX", "OPENBLAS_CORETYPE": "Sandybridge"}
    avx |= {"MKL_CBWR": "COMPATIBLE"}
    avx512 = {"ATEN_CPU_CAPABILITY": "avx512", "OPENBLAS_CORETYPE": "SkylakeX"}
    return [
        Setting("own", "this machine as it is"),
        Setting(
            "one-thread",
            "one thread, TensorFlow without oneDNN",
            _threads(1) | {"TF_ENABLE_ONEDNN_OPTS": "0"},
        ),
        Setting("four-threads", "four threads, MKL's common path", _threads(4) | {"MKL_CBWR": "COMPATIBLE"}),
        Setting("avx", "as without AVX2 and FMA", avx | _without("X86_V[34]|AVX|FMA"), ("avx",)),
        Setting(
            "avx2", "an AVX-512 machine as one with AVX2", avx2 | _without("X86_V4|AVX512"), ("avx512f",)
        ),
        Setting("avx512", "as without AMX", avx512 | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, ("avx512bw",)),
        Setting(
            "amx", "with AMX", avx512 | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, ("avx512bw", "amx_tile")
        ),
    ]


def flags(cpuinfo: str) -> set[str]:
    """Return the processor's flags from the text of Linux's ``/proc/cpuinfo``; none from any other text."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return set(found[1].split()) if found else set()


def machine() -> set[str]:
    """Return the flags of this machine's processor; where the system is not Linux, none are known."""
    try:
        return flags(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return set()


def choose(every: list[Setting], have: set[str], only: list[str]) -> tuple[list[Setting], list[str]]:
    """Return the settings to run, and a line on each wanted one that this machine cannot run.

    Raises ValueError for a name in `only` that is no setting's.
    """
    unknown = set(only) - {setting.name for setting in every}
    if unknown:
        names = ", ".join(setting.name for setting in every)
        raise ValueError(f"--only takes one of {names}; got {', '.join(sorted(unknown))}")
    wanted = [setting for setting in every if not only or setting.name in only]
    able = [setting for setting in wanted if have.issuperset(setting.needs)]
    left = []
    for s in (setting for setting in wanted if setting not in able):
        missing = " or ".join(sorted(set(s.needs) - have))
        left.append(f"left out: {s.name} ({s.about}), for this processor has no {missing}")
    return able, left


def counts(output: str, status: int) -> tuple[int, int]:
    """Return how many failed and passed, by pytest's last line; a run that broke off counts as a failure."""
    last = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|errors?)\b.* in ", line)]
    found = {kind: int(n) for n, kind in re.findall(r"(\d+) (failed|passed|error)", last[-1] if last else "")}
    failed = found.get("failed", 0) + found.get("error", 0)
    return max(failed, int(status != 0)), found.get("passed", 0)


def run(setting: Setting, paths: list[str], workers: int) -> tuple[int, int, float]:
    """Run the tests under one setting; return how many failed and passed, and the minutes it took."""
    cache = LOGS / f"{setting.name}.cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    environment = os.environ | setting.variables | {"SR_CACHE": str(cache)}
    command = [sys.executable, "-m", "pytest", "--nbval", "-v", "--color=no", "-p", "no:cacheprovider"]
    command += ["-n", str(workers), "--dist", "loadfile", *paths]
    log, start = LOGS / f"{setting.name}.log", time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        status = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        ).returncode
    shutil.rmtree(cache, ignore_errors=True)
    output = log.read_text(encoding="utf-8", errors="replace")
    failures = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    print(*failures, sep="\n", end="\n" if failures else "", flush=True)
    return *counts(output, status), (time.monotonic() - start) / 60


def row(name: str, failed: int, passed: int, minutes: float) -> str:
    """Return one line of the table."""
    return f"{name:14}{failed:>7}{passed:>8}{minutes:>9.1f}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.processors", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", default=PATHS, help="what to run, instead of all that computes")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this setting alone")
    parser.add_argument("--list", action="store_true", help="show the settings for this machine, run nothing")
    parser.add_argument("--workers", type=int, default=2, help="test processes (2)")
    given = parser.parse_args(argv)
    try:
        able, left = choose(settings(), machine(), given.only)
    except ValueError as error:
        parser.error(str(error))
    if given.list:
        for setting in able:
            values = " ".join(f"{k}={v!r}" if " " in v else f"{k}={v}" for k, v in setting.variables.items())
            print(f"{setting.name:14}{setting.about}: {values or 'no variable set'}")
    print(*left, sep="\n", end="\n" if left else "", flush=True)
    if given.list:
        return 0
    rows = []
    for setting in able:
        print(f"{setting.name}: {setting.about}", flush=True)
        rows.append((setting.name, *run(setting, given.paths, given.workers)))
    print(f"{'setting':14}{'failed':>7}{'passed':>8}{'minutes':>9}")
    print(*(row(*r) for r in rows), sep="\n")
    return int(any(failed for _, failed, _, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
