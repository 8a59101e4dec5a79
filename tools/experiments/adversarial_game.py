"""Lesson 05's game, played for 2,000 steps instead of 250, at about half the learning rates.

``python -m tools.experiments.adversarial_game`` trains with the lesson's own functions and writes
data/experiments/adversarial_game.json.
"""

from __future__ import annotations

import json

from srutils import course, lensing, metrics
from srutils.files.atomic import aside
from tools.lesson_code import load
from tools.project import ROOT, SCRIPTS

OUT = ROOT / "data" / "experiments" / "adversarial_game.json"
STEPS, RATES = 2000, (2e-4, 3e-4)


def main() -> None:
    """Train SRResNet as the lesson does, then play; write the averages over 25 steps, and PSNR."""
    lesson = load(SCRIPTS / "05_srgan.py")
    train, val = lensing.lens_set("deeplense", 240), lensing.lens_set("deeplense", 24, split="val")
    data = lesson.to_torch(train.lr), lesson.to_torch(train.hr)

    def watch(network):
        return round(float(metrics.psnr(lesson.enlarge(network, val.lr), val.hr).mean()), 3)

    course.seed_everything(0)
    generator = lesson.SRResNet(2, width=16, blocks=4)
    print("SRResNet:", lesson.fit(generator, data, 500, watch)[-1], flush=True)
    judge = lesson.Discriminator(1, width=16, gain=20.0)
    record, psnr = lesson.play(generator, judge, data, STEPS, lesson.WEIGHTS, watch, RATES)
    rows = {key: [round(float(value), 7) for value in values] for key, values in lesson.by_25(record).items()}
    OUT.parent.mkdir(exist_ok=True)
    with aside(OUT) as path:
        path.write_text(json.dumps({"steps": STEPS, "rows": rows, "psnr": psnr}) + "\n", encoding="utf-8")
    print("SRGAN:", psnr[-1])


if __name__ == "__main__":
    main()
