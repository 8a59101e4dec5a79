"""Measure what an upscaler costs: speed and memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import srutils
from srutils.upscale.upscaler import DECONVOLVERS, Upscaler

COST_SIZE = {"deeplense": (8, 75, 75, 1), "telescope": (8, 128, 128, 1), "photos": (1, 256, 256, 3)}  # of LR


def measure_cost(model: str, data: str, scale: int) -> dict:
    """Measure the speed and the memory of an upscaler in a process of its own.

    Parameters
    ----------
    model, data, scale
        As in `srutils.scoring.table.tasks`.

    Returns
    -------
    dict
        megapixels_per_second (of the enlarged image) and memory_mb: what the process held at its peak beyond
        what it held before the model was loaded, in 10^6 bytes; None where the system does not tell.
    """
    code = "import sys; from srutils.scoring.cost import _cost; _cost(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(model), data if data in COST_SIZE else "photos", str(scale)]
    root = str(Path(srutils.__file__).resolve().parents[1])
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    if done.returncode:
        raise ValueError(f"{model} could not be timed: {' '.join(done.stderr.split())[-200:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _cost(model: str, data: str, scale: str) -> None:
    import onnxruntime  # noqa: F401 (part of what there was before)

    shape = list(COST_SIZE[data])
    if data == "telescope":
        shape[1] = shape[2] = shape[1] // int(scale)
    image = np.random.default_rng(0).random(shape, np.float32)
    if model in DECONVOLVERS:
        from srutils.lensing import baselines  # noqa: F401
    before = _linux("VmRSS")
    upscaler = Upscaler.load(model, int(scale))
    upscaler(image)  # the first call sets things up
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        out = upscaler(image)
        seconds.append(time.perf_counter() - begin)
    peak = peak_memory()
    memory = None if None in (before, peak) else max(peak - before, 0) / 1e6
    speed = out[..., 0].size / 1e6 / min(seconds)
    print(json.dumps({"megapixels_per_second": speed, "memory_mb": memory}))


def peak_memory() -> int | None:
    """Read the most memory that this process ever held, in bytes; None where the system does not say.

    On Linux ``ru_maxrss`` will not do: it begins with what the parent held when it started this process.
    """
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _linux("VmHWM")


def _linux(key: str) -> int | None:
    """Bytes that Linux says this process holds ("VmRSS") or held at most ("VmHWM"); None elsewhere."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
        return int(text.split(f"{key}:")[1].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None
