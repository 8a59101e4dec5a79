"""Every shipped model as its user meets it, each in a process of its own, which knows its peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from srutils.scoring.cost import peak_memory
from tools.bench.engines import SIZE
from tools.bench.race import Row
from tools.project import ROOT

ABOUT = (
    "**Shipped models**: `Upscaler.load(NAME)(image)` on an image of 510 x 339 pixels, in tiles as always, "
    "with OpenVINO in float32, or, where it is not installed, ONNX Runtime; RGB for photographs, one "
    "channel for lenses. The classifier judges 64 lenses of 128 x 128 pixels, with ONNX Runtime. Each runs "
    "in a fresh process, at most three times after one call to warm up; they are not compared with each "
    "other. Peak memory is the most that this process ever held, Python and libraries included."
)
LENSES, ROUNDS = 64, 3


def rows(rounds: int = ROUNDS, size: tuple[int, int] = SIZE, names: list[str] | None = None) -> list[Row]:
    """Measure the models of these names, by default all: one process each, one call to warm up."""
    from srutils.lensing.classifier import classifier_cards
    from srutils.model_files.engine import preferred
    from srutils.upscale.upscaler import model_cards

    found, classifiers = [], [card["name"] for card in classifier_cards()]
    for name in names or [*(card["name"] for card in model_cards()), *classifiers]:
        command = [sys.executable, "-m", "tools.bench.models", name, *map(str, (min(rounds, ROUNDS), *size))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
        speeds, memory = json.loads(done.stdout)
        unit, way = ("lenses/s", "onnxruntime") if name in classifiers else ("Mpx/s", preferred())
        note = f"peak memory {memory / 1e6:,.0f} MB" if memory else ""
        found.append(Row(f"`{name}`", way, unit, speeds, note=note))
    return found


def measure(name: str, rounds: int, height: int, width: int) -> tuple[list[float], int | None]:
    """Speeds of a model in this process, and the process's peak memory in bytes.

    The unit is output megapixels a second; of the classifier, lenses a second.
    """
    import numpy as np

    from srutils.lensing.classifier import Classifier
    from srutils.model_files.cards import is_classifier
    from srutils.upscale.upscaler import Upscaler

    if is_classifier(name):
        model, amount = Classifier.load(name), LENSES
        shape = LENSES, 128, 128, 1
    else:
        model = Upscaler.load(name)
        amount = 1e-6 * height * width * model.scale**2
        shape = height, width, 1 if model.card["channels"] == "gray" else 3
    image = np.random.default_rng(0).random(shape, np.float32)
    speeds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        model(image)
        speeds.append(amount / (time.perf_counter() - start))
    return speeds[1:], peak_memory()


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
