"""Lesson 08's long check: do the error bars of posterior-telescope-x4 hold, and how narrow could they be?

``python -m tools.experiments.posterior_calibration`` writes data/experiments/posterior_calibration.json after
every part; what is there already, of this very model, is not run again. About an hour on one core.
"""

from __future__ import annotations

import json
from unittest import mock

import numpy as np

from srutils import metrics
from srutils.files.atomic import aside
from srutils.lensing import instruments, posterior, refit, simulate
from srutils.scoring.posterior import RING, inside
from srutils.upscale import Upscaler
from tools.experiments import version
from tools.project import ROOT

OUT = ROOT / "data" / "experiments" / "posterior_calibration.json"
MODEL, BASE, SEED, SAMPLES = "posterior-telescope-x4", "srresnet-telescope-x4", 77_001, 16
LENSES, EXACT, CHAINS, OUTSIDE = 300, 100, 3, 24
LEVELS = [round(0.05 * k, 2) for k in range(1, 20)]
OTHER_PSF = 0.42  # arcsec, of LR, where the network knows 0.36


def lenses(n: int, kind: str = "no_substructure", fwhm: float | None = None):
    """Simulate lenses that no training has seen; `fwhm` is that of another telescope's LR."""
    widths = {} if fwhm is None else {4: fwhm}
    with mock.patch.dict(instruments.PSF_FWHM, widths):
        return simulate("telescope", n, scale=4, classes=kind, seed=SEED, split="test")


def starts(pairs, i: int, seed: int = 1) -> dict:
    """Return where the fit of lens i begins: some way off its truth."""
    moved = refit.perturb({k: v[i : i + 1] for k, v in refit.truth(pairs.params).items()}, seed=seed + i)
    return {name: float(values[0]) for name, values in moved.items()}


def exact(pairs) -> dict:
    """Rank the truth among samples of the exact posterior, lens by lens, and keep how wide that is."""
    found = {
        "n": EXACT,
        "ranks": {name: [] for name in posterior.FREE},
        "psnr": [],
        "width": [],
        "effective": [],
    }
    for i in range(EXACT):
        one = posterior.sample(pairs.lr[i], 99, starts(pairs, i), seed=i, tries=1500)
        for name in posterior.FREE:
            below = (one.parameters[name] < float(refit.truth(pairs.params)[name][i])).sum()
            found["ranks"][name].append(round((below + 0.5) / 100, 3))
        ring = pairs.truth[i] > RING
        found["psnr"].append(round(float(metrics.psnr(one.mean[None], pairs.truth[i : i + 1])[0]), 2))
        found["width"].append(float(f"{np.sqrt((one.std[ring] ** 2).mean()):.4g}"))
        found["effective"].append(round(one.effective))
    return found


def chains(pairs) -> list[dict]:
    """Compare emcee with importance sampling: shift of each mean, in deviations, and ratio of these."""
    rows = []
    for i in range(CHAINS):
        chain = posterior.ensemble(pairs.lr[i], starts(pairs, i), steps=600, walkers=28, seed=i)
        ours = posterior.sample(pairs.lr[i], 1000, starts(pairs, i), seed=i, tries=1500)
        row = {}
        for name, theirs in zip(posterior.FREE, chain.T, strict=True):
            mine = ours.parameters[name]
            shift, ratio = (mine.mean() - theirs.mean()) / theirs.std(), mine.std() / theirs.std()
            row[name] = [round(float(shift), 3), round(float(ratio), 3)]
        rows.append({"lens": i, "effective": round(ours.effective), "parameters": row})
    return rows


def ensemble(pairs) -> dict:
    """Say how often the truth lies within the spread of eight flips and turns, as --ensemble writes it."""
    up, ratios = Upscaler.load(BASE), []
    for lr, truth in zip(pairs.lr, pairs.truth, strict=True):
        ((_, mean, spread),) = up.pieces(lr, ensemble=True)
        ratios.append((np.abs(truth - mean) / np.maximum(spread, 1e-9))[truth > RING])
    ratios = np.concatenate(ratios)
    found = {"n": len(pairs), "coverage68": (ratios < 1).mean(), "coverage95": (ratios < 2).mean()}
    found["factor68"] = np.quantile(ratios, 0.6827)
    return {key: round(float(value), 4) for key, value in found.items()}


def drawn(pairs, up: Upscaler, n: int) -> dict:
    """Draw samples of every lens; return ranks of the truth, coverage, scores and widths."""
    base, rng = Upscaler.load(BASE), np.random.default_rng(0)
    pixels, hits, total = np.zeros(n + 1, int), np.zeros(2), 0
    rows = {
        key: [] for key in ("flux", "ring", "tarp", "mean", "sample", "base", "chi2", "truth_chi2", "width")
    }
    for i in range(len(pairs)):
        lr, truth = pairs.lr[i], pairs.truth[i]
        samples, enlarged = up.sample(lr, n, seed=i), base(lr)
        ring, both = truth > RING, np.concatenate([samples, truth[None]])
        pixels += np.bincount((samples < truth).sum(0)[ring], minlength=n + 1)
        hits += [inside(samples, truth, s)[ring].sum() for s in (1, 2)]
        total += ring.sum()
        # the point that TARP measures distances from: it may depend on LR, not on the truth
        place = enlarged + 0.003 * rng.standard_normal(enlarged.shape).astype(np.float32)
        values = {"flux": both.mean((1, 2, 3)), "ring": refit.ring_radius(both)}
        values["tarp"] = np.square(both - place).sum((1, 2, 3))
        for key, all_of_them in values.items():
            rows[key].append(int((all_of_them[:-1] < all_of_them[-1]).sum()))
        for key, image in (("mean", samples.mean(0)), ("sample", samples[0]), ("base", enlarged)):
            rows[key].append(float(metrics.psnr(image[None], truth[None])[0]))
        rows["chi2"].append(float(posterior.observe_again(samples, lr).mean()))
        rows["truth_chi2"].append(float(posterior.observe_again(truth[None], lr)[0]))
        rows["width"].append(float(np.sqrt(samples.var(0, ddof=1)[ring].mean())))
    found = {"n": len(pairs), "samples": n, "ranks": {"pixels": pixels.tolist()}}
    found["ranks"] |= {key: rows[key] for key in ("flux", "ring", "tarp")}
    found |= {"coverage68": hits[0] / total, "coverage95": hits[1] / total}
    found["psnr"] = {key: float(np.mean(rows[key])) for key in ("mean", "sample", "base")}
    found |= {"chi2": float(np.mean(rows["chi2"])), "truth_chi2": float(np.mean(rows["truth_chi2"]))}
    found["chi2_above"] = float(np.mean(np.array(rows["chi2"]) > 1.15))
    return _rounded(found) | {"width": [float(f"{w:.4g}") for w in rows["width"]]}


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


def coverage(ranks: dict, n: int) -> dict:
    """Turn ranks 0 ... n into the share of truths inside each level's central interval; TARP's from below."""
    rng, found = np.random.default_rng(0), {"levels": LEVELS}
    for key, values in ranks.items():
        values = np.repeat(np.arange(n + 1), values) if key == "pixels" else np.array(values)
        place = (values + rng.random(len(values))) / (n + 1)
        measure = place if key == "tarp" else np.abs(2 * place - 1)
        found[key] = [round(float((measure < level).mean()), 4) for level in LEVELS]
    return found


def of_the_model(pairs, exact_ones: dict) -> dict:
    """Draw samples of every lens, and return what they say, beside the exact posterior."""
    up = Upscaler.load(MODEL)
    found = drawn(pairs, up, SAMPLES)
    widths = found.pop("width")
    found["coverage"] = coverage(found["ranks"], SAMPLES)
    found["psnr"]["exact"] = round(float(np.mean(exact_ones["psnr"])), 3)
    ratio = np.array(widths[:EXACT]) / exact_ones["width"]
    found["width_ratio"] = {"n": EXACT, "median": round(float(np.median(ratio)), 2)}
    found["model"] = {"name": MODEL, "sha256": up.card["sha256"], "steps": up.card["steps"]}
    return found


def outside() -> dict:
    """Draw samples of lenses that the model does not know: with substructure, or through another PSF."""
    up, found = Upscaler.load(MODEL), {}
    others = {kind: lenses(OUTSIDE, kind) for kind in ("subhalo", "vortex")}
    others["psf"] = lenses(OUTSIDE, fwhm=OTHER_PSF)
    for kind, pairs in others.items():
        row = drawn(pairs, up, SAMPLES)
        found[kind] = {key: row[key] for key in row if key not in ("ranks", "width")}
    return found


def main() -> None:
    """Run what is missing."""
    stored = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    pairs = lenses(LENSES)

    def keep(part: dict) -> None:
        stored.update(part)
        OUT.parent.mkdir(exist_ok=True)
        with aside(OUT) as path:
            path.write_text(json.dumps(stored) + "\n", encoding="utf-8")
        print(", ".join(part), flush=True)

    base = {"name": BASE, "sha256": version(BASE)}
    if stored.get("base") != base:  # what stands beside the model, and TARP's reference
        for part in ("ensemble", "model", "outside"):
            stored.pop(part, None)
        stored["base"] = base
    if "exact" not in stored:
        keep({"exact": exact(pairs)})
    if "emcee" not in stored["exact"]:
        keep({"exact": stored["exact"] | {"emcee": chains(pairs)}})
    if "ensemble" not in stored:
        keep({"ensemble": ensemble(pairs)})
    path = ROOT / "data" / "models" / f"{MODEL}.json"
    if (
        path.is_file()
        and stored.get("model", {}).get("sha256") != json.loads(path.read_text(encoding="utf-8"))["sha256"]
    ):
        stored.pop("outside", None)
        keep(of_the_model(pairs, stored["exact"]))
    if "model" in stored and "outside" not in stored:
        keep({"outside": outside()})


if __name__ == "__main__":
    main()
