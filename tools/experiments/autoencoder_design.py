"""Lesson 04's experiment: skips, residual and size of the code, twelve autoencoders from one start.

``python -m tools.experiments.autoencoder_design`` trains them on the photographs inside scikit-image and
writes data/experiments/autoencoder_design.json after every run; what is there already is not run again.
"""

from __future__ import annotations

import itertools
import json
import os
import time

import numpy as np

from srutils import metrics, pairs, photos
from srutils.files.atomic import aside
from srutils.model_files.cards import hardware
from srutils.training import PatchFeed
from tools.project import ROOT

OUT = ROOT / "data" / "experiments" / "autoencoder_design.json"
STEPS, EPOCH, BATCH, PATCH, RATE = 900, 100, 8, 24, 2e-3
WIDTHS = (24, 32)
SEEDS = (0,)


def low(hr):
    """Reduce images to half, as an 8-bit file would hold it."""
    return metrics.quantize(pairs.degrade(hr, 2))


def linear(lr):
    """Enlarge images twofold by bilinear interpolation."""
    return pairs.resize(lr, (2 * lr.shape[-3], 2 * lr.shape[-2]), "bilinear")


class Enlarged(PatchFeed):
    """Patches of LR, enlarged, and of HR."""

    def batch(self, k):
        lr, hr = super().batch(k)
        return linear(lr), hr


def score(network, tiles) -> tuple[float, float]:
    """Compute PSNR in dB and SSIM of a network's pictures, averaged over tiles."""
    inputs = linear(low(tiles))
    parts = [np.asarray(network(inputs[i : i + 8])) for i in range(0, len(inputs), 8)]
    sr = np.clip(np.concatenate(parts), 0, 1)
    return float(metrics.psnr(sr, tiles).mean()), float(metrics.ssim(sr, tiles).mean())


def train(skips: bool, residual: bool, code: int, seed: int, images, val, test) -> dict:
    """Train one autoencoder; return its validation curve and its scores on the test tiles."""
    import keras

    from srutils.networks.autoencoder import autoencoder

    keras.utils.set_random_seed(seed)
    network = autoencoder(skips, WIDTHS, code, residual)
    warm = STEPS // 10
    schedule = keras.optimizers.schedules.CosineDecay(
        RATE / 10, STEPS - warm, alpha=0.01, warmup_target=RATE, warmup_steps=warm
    )
    network.compile(keras.optimizers.Adam(schedule), "mse")
    feed = iter(Enlarged([low(image) for image in images], images, PATCH, BATCH, seed=seed))
    began, curve = time.perf_counter(), [score(network, val)[0]]
    for _ in range(STEPS // EPOCH):
        network.fit(feed, steps_per_epoch=EPOCH, shuffle=False, verbose=0)
        curve.append(score(network, val)[0])
    psnr, ssim = score(network, test)
    return {
        "skips": skips,
        "residual": residual,
        "code": code,
        "seed": seed,
        "parameters": network.count_params(),
        "val_psnr": [round(value, 3) for value in curve],
        "test_psnr": round(psnr, 3),
        "test_ssim": round(ssim, 4),
        "seconds": round(time.perf_counter() - began),
    }


def main() -> None:
    """Run what is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    train_photographs, val_photographs, test_photographs = photos.photo_split(seed=0)
    tiles = photos.tiles(train_photographs, 128)
    images = [metrics.quantize(tile) for tile in tiles]
    val = photos.tiles(val_photographs, 128, n_per_image=8)
    test = photos.tiles(test_photographs, 128)
    stored = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {"runs": []}
    done = {(r["skips"], r["residual"], r["code"], r["seed"]) for r in stored["runs"]}
    stored |= {"steps": STEPS, "epoch": EPOCH, "batch": BATCH, "patch": 2 * PATCH, "widths": WIDTHS}
    stored |= {
        "rate": RATE,
        "hardware": hardware(),
        "test": f"{len(test)} tiles of {len(test_photographs)} photographs",
    }
    for seed, code, residual, skips in itertools.product(SEEDS, (8, 4, 16), (False, True), (False, True)):
        if (skips, residual, code, seed) not in done:
            stored["runs"].append(train(skips, residual, code, seed, images, val, test))
            OUT.parent.mkdir(exist_ok=True)
            with aside(OUT) as path:
                path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
            print(stored["runs"][-1], flush=True)


if __name__ == "__main__":
    main()
