"""Lesson 09: what more photographs, and more hours, are worth to the small network for photographs.

``SR_DATA=... python -m tools.experiments.photographs_and_hours FOLDER`` trains it from nothing, once for each
number of photographs and for each number of steps, and writes data/experiments/photographs_and_hours.json. A
run that is there is not repeated; one that was stopped goes on. The model files are left in FOLDER.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from srutils.files.atomic import aside
from srutils.recipes import data, register
from srutils.recipes.settings import Settings
from tools.project import ROOT

OUT = ROOT / "data" / "experiments" / "photographs_and_hours.json"
RECIPE, SEED = "srresnet-small-photo-x4", 0
RUNS = [(8, 1200), (32, 1200), (128, 1200), (None, 300), (None, 1200), (None, 4800)]  # photographs, steps


def fewer(n: int | None):
    """Return `data.photographs` with `n` of the photographs to learn from, chosen at random; None is all."""
    read = data.photographs

    def photographs(folder, scale, seed=0):
        found = read(folder, scale, seed)
        large = [i for i, lr in enumerate(found.train[0]) if min(lr.shape[:2]) >= 32]
        chosen = np.random.default_rng(SEED).permutation(large)[:n]
        train = tuple([images[i] for i in chosen] for images in found.train)
        return replace(found, train=train, images=len(chosen), fingerprint="")

    return photographs


def main(folder: Path) -> None:
    """Do the runs that are missing, the short ones first."""
    rows = json.loads(OUT.read_text(encoding="utf-8"))["runs"] if OUT.is_file() else []
    for n, steps in RUNS:
        if any((row["asked"], row["steps"]) == (n, steps) for row in rows):
            continue
        out = folder / f"{RECIPE}-{n or 'all'}-{steps}.onnx"
        with patch.object(data, "photographs", fewer(n)):
            card = register.train(Settings(RECIPE, steps=steps, seed=SEED, out=out, overwrite=True))
        row = {"asked": n, "photographs": card["images"], "steps": steps, "seconds": card["seconds"]}
        row |= {name: round(card["metrics"][name]["psnr"], 3) for name in ("validation", "Set5")}
        rows.append(row | {"threads": torch.get_num_threads(), "hardware": card["hardware"]})
        print(rows[-1], flush=True)
        with aside(OUT) as path:
            path.write_text(json.dumps({"recipe": RECIPE, "runs": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
