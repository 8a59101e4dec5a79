"""Lesson 07's fits: do error bars hold on upscaled lenses, and is a smooth lens still smooth?

``python -m tools.experiments.refit_coverage`` fits with the lesson's own functions and writes
data/experiments/refit_coverage.json after every kind of picture; what is there already, of the same model
files, is not run again.
"""

from __future__ import annotations

import json

import numpy as np

from srutils import lensing
from srutils.files.atomic import aside
from srutils.lensing import refit
from tools.experiments import version
from tools.lesson_code import load
from tools.project import ROOT, SCRIPTS

OUT = ROOT / "data" / "experiments" / "refit_coverage.json"
LENSES, SEED = 48, 17


def measure(lesson, name: str, images, true: dict, truth) -> dict[str, list]:
    """Fit one kind of picture; return errors, pulls and misfits, lens by lens."""
    fit = lesson.fit_lenses(name, images, true)
    radius, shear = lesson.pulls(fit, true)
    found = {
        "radius_error": 100 * (fit["theta_E"] / true["theta_E"] - 1),  # per cent
        "shear_error": fit["gamma1"] - true["gamma1"],
        "radius_pull": radius,
        "shear_pull": shear,
        "chi2": fit["chi2"],
        "score": np.square(lesson.misfit(images, fit["model"])).mean((1, 2)),
        "flux_error": 100 * refit.flux_error(images, truth),  # per cent
    }
    return {key: [float(f"{value:.4g}") for value in values] for key, values in found.items()}


def main() -> None:
    """Run what is missing."""
    lesson = load(SCRIPTS / "07_scoreboard.py")
    lenses = lensing.simulate("telescope", 3 * LENSES, scale=4, split="test", seed=SEED, triplets=True)
    pictures, params = lesson.pictures(lenses), refit.truth(lenses.params)
    stored = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    stored |= {"lenses": LENSES, "seed": SEED, "scale": 4}
    models = {name: version(kind) for name, kind in lesson.MADE.items() if version(kind)}
    for name in (name for name in models if stored.get("models", {}).get(name) != models[name]):
        for kind in ("smooth", "vortex"):
            stored.get(kind, {}).pop(name, None)
    stored["models"] = models
    for label, kind in ((0, "smooth"), (2, "vortex")):
        here = lenses.labels == label
        true = {key: values[here] for key, values in params.items()}
        for name, images in pictures.items():
            if name not in (done := stored.setdefault(kind, {})):
                done[name] = measure(lesson, name, images[here], true, lenses.truth[here])
                stored[kind] = {each: done[each] for each in pictures if each in done}  # the figures' order
                with aside(OUT) as path:
                    path.write_text(json.dumps(stored) + "\n", encoding="utf-8")
                print(kind, name, flush=True)


if __name__ == "__main__":
    main()
