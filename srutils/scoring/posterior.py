"""Score a posterior model: its mean as any upscaler is scored, and whether its error bars hold."""

from __future__ import annotations

import numpy as np

from srutils import metrics
from srutils.lensing.priors import CLASSES
from srutils.scoring.upscalers import evaluate_lenses, score_lenses
from srutils.upscale.upscaler import SAMPLES, Upscaler

LENSES = 100  # lenses of an evaluation unless --n says otherwise
RING = 0.05  # of HR's peak: a pixel whose truth is brighter lies on the ring


def inside(samples: np.ndarray, truth: np.ndarray, sigmas: float) -> np.ndarray:
    """Say where the truth lies within so many standard deviations of the samples' mean.

    A few samples know neither mean nor deviation exactly. So the interval is the one in which another sample
    would lie as often as a normal number lies within `sigmas` (Student's prediction interval).

    Parameters
    ----------
    samples : ndarray (n, ...)
    truth : ndarray (...)
    sigmas : float

    Returns
    -------
    ndarray (...), bool
    """
    from scipy.stats import norm, t

    n = len(samples)
    wide = t.ppf(norm.cdf(sigmas), n - 1) * np.sqrt(1 + 1 / n)
    return np.abs(truth - samples.mean(0)) <= wide * samples.std(0, ddof=1)


def evaluate_posterior(up: Upscaler, pairs, n: int = SAMPLES, seed: int = 0, progress: bool = False) -> dict:
    """Score a posterior model on telescope lenses, beside bicubic and the network that it began with.

    Parameters
    ----------
    up : Upscaler
    pairs : ImagePairs
    n : int
        Samples of each lens.
    seed : int
        Of the samples; sample k of lens i is that of `Upscaler.sample`.
    progress : bool

    Returns
    -------
    dict
        What `evaluate_lenses` gives for the mean of the samples, and: psnr_sample, of a single sample;
        coverage68 and coverage95, the share of ring pixels (`RING`) that `inside` finds within 1 and 2
        standard deviations; ring, what counts as one; chi2, of LR when samples are observed again, per pixel;
        ceiling_psnr, of the fitted forward model, where lenses are smooth, else None; base, the same lenses
        enlarged by the network that the samples begin with, where it is shipped.
    """
    from tqdm.auto import tqdm

    from srutils.lensing import posterior

    means, single, chi2, hits = [], [], [], {1: [0, 0], 2: [0, 0]}
    for i in tqdm(range(len(pairs)), "lenses", disable=not progress):
        samples = np.stack(list(up.draw(pairs.lr[i], n, (seed, i))))
        truth = pairs.target[i]
        means.append(samples.mean(0))
        single.append(metrics.psnr(samples, np.broadcast_to(truth, samples.shape)).mean())
        chi2.append(posterior.observe_again(samples, pairs.lr[i]).mean())
        ring = truth > RING
        for sigmas, counted in hits.items():
            counted[0] += int(inside(samples, truth, sigmas)[ring].sum())
            counted[1] += int(ring.sum())
    scores = score_lenses(np.stack(means), pairs)
    found = {"samples": n, "psnr_sample": float(np.mean(single))}
    found |= {f"coverage{name}": hits[s][0] / max(1, hits[s][1]) for name, s in (("68", 1), ("95", 2))}
    found |= {"ring": f"pixels whose truth is above {RING:g} of HR's peak", "chi2": float(np.mean(chi2))}
    found["ceiling_psnr"] = _ceiling(pairs)
    if base := _base(up):
        found["base"] = {"name": base.name, **evaluate_lenses(base, pairs)}
        del found["base"]["bicubic"]
    return scores | found


def evaluate(
    model: str, data: str, scale: int | None = None, *, n: int | None = None, seed: int = 0, protocol=None
) -> dict:
    """Score a posterior model on fresh lenses of the classes that it learnt, as ``srutils evaluate`` does.

    Parameters
    ----------
    model : str
        Its name, or the path of its file.
    data : str
        "telescope": nothing else has a truth without noise.
    scale : int, optional
    n : int, optional
        Number of lenses, by default `LENSES`.
    seed : int
        Which lenses are drawn; the samples' own seed is 0.
    protocol : None

    Returns
    -------
    dict
        model, data, scale, seed, classes and what `evaluate_posterior` gives.
    """
    from srutils.lensing import simulate

    up = Upscaler.load(model, scale)
    if data != "telescope" or protocol is not None:
        raise ValueError(f"{up.name} is scored on simulated lenses: --data telescope, without a protocol")
    if n is not None and n < 1:
        raise ValueError(f"n is {n}; expected at least 1")
    classes = up.card.get("classes", CLASSES)
    pairs = simulate(data, n or LENSES, scale=up.scale, classes=classes, seed=seed, split="test")
    known = {"model": up.name, "data": data, "scale": up.scale, "seed": seed, "classes": list(classes)}
    return known | evaluate_posterior(up, pairs, progress=True)


def table(result: dict) -> str:
    """Write what `evaluate` gives as text."""
    rows = {f"{result['model']}, mean of {result['samples']}": result}
    rows |= {r.get("name", "bicubic"): r for r in (result.get("base"), result["bicubic"]) if r}
    text = f"{result['n']} lenses of {result['data']}, {', '.join(result['classes'])}, x{result['scale']}\n"
    text += f"{'':40}{'PSNR [dB]':>16}{'SSIM':>10}\n"
    for name, row in rows.items():
        psnr = f"{row['psnr']:.2f} ± {row['psnr_std']:.2f}"
        text += f"{name:40}{psnr:>16}{row['ssim']:>10.4f}\n"
    text += f"{'a single sample':40}{result['psnr_sample']:>8.2f}\n"
    if result["ceiling_psnr"] is not None:
        text += f"{'the fitted forward model':40}{result['ceiling_psnr']:>8.2f}\n"
    text += f"truth within 1 and 2 deviations: {100 * result['coverage68']:.1f} and "
    text += f"{100 * result['coverage95']:.1f} % of the ring's pixels (68.3 and 95.4 expected)\n"
    return text + f"samples, observed again: chi2 {result['chi2']:.3f} per LR pixel\n"


def _base(up: Upscaler) -> Upscaler | None:
    try:
        return Upscaler.load(up.card["base"]["name"])
    except (KeyError, ValueError):
        return None


def _ceiling(pairs) -> float | None:
    from srutils.lensing import posterior, refit

    if pairs.labels is None or pairs.labels.any():
        return None
    starts = refit.truth(pairs.params)
    images = [posterior.best(pairs.lr[i], {k: v[i] for k, v in starts.items()}) for i in range(len(pairs))]
    return float(metrics.psnr(np.stack(images), pairs.target).mean())
