"""Lesson 05's control: plain blocks, normalised ones, and normalised ones with a calm start; three seeds.

``python -m tools.experiments.batch_normalisation`` trains them with the lesson's own functions and writes
data/experiments/batch_normalisation.json after every run; what is there already is not run again.
"""

from __future__ import annotations

import copy
import json

from srutils import course, lensing, metrics
from srutils.files.atomic import aside
from tools.lesson_code import load
from tools.project import ROOT, SCRIPTS

OUT = ROOT / "data" / "experiments" / "batch_normalisation.json"
EVERY, STEPS, SEEDS = 50, 600, (0, 1, 2)


def run(lesson, data, val, kind: str, seed: int) -> list[dict]:
    """Train one network; return its curves, with remembered averages and with those of the lenses at hand."""
    course.seed_everything(seed)
    blocks = {"plain": (lesson.Residual,), "normalised": (lesson.Normalised,)}
    blocks["normalised, calm start"] = (lesson.Normalised, True)
    curves = {"remembered": [], "at hand": []}

    def watch(network):
        for use, one in {"remembered": network, "at hand": copy.deepcopy(network).train()}.items():
            curves[use].append(round(float(metrics.psnr(lesson.enlarge(one, val.lr), val.hr).mean()), 3))

    lesson.fit(lesson.with_blocks(*blocks[kind]), data, STEPS, watch, seed=seed)
    return [{"kind": kind, "use": use, "seed": seed, "psnr": psnr} for use, psnr in curves.items()]


def main() -> None:
    """Run what is missing."""
    lesson = load(SCRIPTS / "05_srgan.py")
    train, val = lensing.lens_set("deeplense", 240), lensing.lens_set("deeplense", 24, split="val")
    data = lesson.to_torch(train.lr), lesson.to_torch(train.hr)
    stored = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {"runs": []}
    stored["steps"] = list(range(EVERY, STEPS + 1, EVERY))
    for seed in SEEDS:
        for kind in ("plain", "normalised", "normalised, calm start"):
            if (kind, seed) not in {(row["kind"], row["seed"]) for row in stored["runs"]}:
                stored["runs"] += run(lesson, data, val, kind, seed)
                OUT.parent.mkdir(exist_ok=True)
                with aside(OUT) as path:
                    path.write_text(json.dumps(stored) + "\n", encoding="utf-8")
                print(kind, seed, stored["runs"][-1]["psnr"][-1], flush=True)


if __name__ == "__main__":
    main()
