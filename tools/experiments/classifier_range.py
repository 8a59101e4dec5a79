"""Lesson 06: the shipped classifier on ten seeds of fresh lenses, and two of them on lenses that change.

``python -m tools.experiments.classifier_range`` writes data/experiments/classifier_range.json. One thing is
changed at a time: the PSF's width, the light, the halo's ellipticity, the share of the source's light in
clumps. The second classifier is the one that was trained under other skies.
"""

from __future__ import annotations

import json

import numpy as np

from srutils import lensing, scoring
from srutils.files.atomic import aside
from srutils.lensing import classifier, instruments, triplets
from tools.experiments import version
from tools.lesson_code import load
from tools.project import ROOT, SCRIPTS

OUT = ROOT / "data" / "experiments" / "classifier_range.json"
SEEDS, LENSES, TRIPLETS, SEED = range(10), 300, 60, 31
MODELS = {"doses": "lens-classifier", "skies": "lens-classifier-skies"}
SURE = 0.9  # who may decline answers only where the greatest probability is this
DOSES = {
    "PSF": (0.18, 0.20, 0.21, 0.22, 0.25, 0.30),  # full width at half maximum, arcsec
    "light": (0.25, 0.5, 0.7, 0.85, 1.0, 1.4),  # of source and lens, beside the same sky
    "ellipticity": (0.0, 0.03, 0.06, 0.1, 0.2),  # (1 - q) / (1 + q) of the halo
    "clumps": (0.0, 0.01, 0.02, 0.05, 0.1),
}
CLUMPS, SIZE_OF_CLUMP = 5, 0.08  # knots in a source; their half-light radius in arcsec


def score(labels, probability) -> dict:
    """Return AUC with its bootstrap interval, right answers, mean confidence, and what was called what.

    "sure" counts answers with a probability of `SURE` at least, "sure_right" those of them that are right.
    """
    right, sure = probability.argmax(1) == labels, probability.max(1) >= SURE
    return {
        "auc": round(scoring.macro_auc(labels, probability), 4),
        "interval": [round(v, 4) for v in scoring.bootstrap(scoring.macro_auc, labels, probability, n=100)],
        "n": len(labels),
        "right": int(right.sum()),
        "sure": int(sure.sum()),
        "sure_right": int((sure & right).sum()),
        "confidence": round(float(probability.max(1).mean()), 4),
        "called": np.bincount(probability.argmax(1), minlength=3).tolist(),
    }


def traced(params: dict, fwhm: float = instruments.DEEPLENSE_PSF_FWHM) -> np.ndarray:
    """Trace lenses without sky, (N, 128, 128) photons, through a PSF of `fwhm` arcsec."""
    import torch

    images = []
    with torch.inference_mode():
        for i in range(0, len(params["theta_E_main"]), 3):
            part = instruments.as_tensors({name: values[i : i + 3] for name, values in params.items()})
            images.append(instruments.expose(part, triplets.SIZE, (fwhm, 1))[0].numpy())
    return np.concatenate(images)


def clumps(params: dict) -> np.ndarray:
    """Trace knots within the source's half-light radius; as much light as the source has."""
    rng, total = np.random.default_rng(SEED), 0.0
    lenses = len(params["theta_E_main"]) // 3
    shrunk = SIZE_OF_CLUMP / params["source_radius"]
    for _ in range(CLUMPS):
        place = np.repeat(rng.normal(0, 0.5, (lenses, 2)), 3, axis=0) * params["source_radius"][:, None]
        knot = params | {"source_radius": params["source_radius"] * shrunk}
        knot |= {"source_x": params["source_x"] + place[:, 0], "source_y": params["source_y"] + place[:, 1]}
        knot["source_amp"] = params["source_amp"] / shrunk**2 / CLUMPS
        total = total + traced(knot)
    return total


def scenes(params: dict):
    """Make the mean photons of every dose: (what, dose, images without sky)."""
    plain, knots = traced(params), clumps(params)
    angle = np.repeat(np.random.default_rng(SEED).uniform(0, np.pi, len(plain) // 3), 3)
    for what, doses in DOSES.items():
        for dose in doses:
            if what == "light":
                yield what, dose, plain * dose
            elif what == "clumps":
                yield what, dose, plain * (1 - dose) + knots * dose
            elif what == "ellipticity":
                ellipse = {"e1": dose * np.cos(2 * angle), "e2": dose * np.sin(2 * angle)}
                yield what, dose, traced(params | ellipse)
            else:
                yield what, dose, traced(params, dose)


def main() -> None:
    """Score ten seeds, then every dose by both; write after each part, and do not repeat what is there."""
    lesson = load(SCRIPTS / "06_lens_classification.py")
    shipped, other = (classifier.Classifier.load(name) for name in MODELS.values())
    stored = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {"seeds": []}

    def keep():
        with aside(OUT) as path:
            path.write_text(json.dumps(stored) + "\n", encoding="utf-8")

    for seed in SEEDS[len(stored["seeds"]) :]:
        lenses = lensing.simulate("deeplense", LENSES, classes=lensing.CLASSES, seed=100 + seed, split="test")
        found = score(lenses.labels, shipped(lenses.hr)) | {"seed": 100 + seed}
        stored["seeds"].append(found)
        keep()
        print(seed, found["auc"], found["right"], flush=True)
    mark = {name: version(name) for name in MODELS.values()}
    if stored.get("models") != mark:
        _, params = triplets.noise_free(TRIPLETS, seed=SEED, split="test")
        labels = np.tile(np.arange(3), TRIPLETS)
        stored |= {key: {what: [] for what in DOSES} for key in MODELS}
        for what, dose, photons in scenes(params):
            mean = (photons + instruments.DEEPLENSE_SKY).astype(np.float32)
            images = lesson.observe(mean, np.random.default_rng(1))
            for key, judge in zip(MODELS, (shipped, other), strict=True):
                stored[key][what].append({"dose": dose, **score(labels, judge(images))})
                print(key, what, stored[key][what][-1], flush=True)
        stored["models"] = mark
        keep()


if __name__ == "__main__":
    main()
