"""Batched SSIM against a loop over scikit-image's."""

from __future__ import annotations

import numpy as np

from tools.bench.race import Row, race

ABOUT = (
    "**SSIM**: `srutils.metrics.ssim` takes a batch of pairs at once; scikit-image's "
    "`structural_similarity`, with the same window, takes them one by one."
)


def rows(rounds: int = 5, n: int = 64) -> list[Row]:
    """Race both over n pairs of random images, of photographs' and of lenses' size."""
    from skimage.metrics import structural_similarity

    from srutils import metrics

    def loop(a, b):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        options |= {"data_range": 1, "channel_axis": -1}
        return np.array([structural_similarity(x, y, **options) for x, y in zip(a, b, strict=True)])

    rng, found = np.random.default_rng(0), []
    for kind, shape in (("128 x 128 px, RGB", (128, 128, 3)), ("150 x 150 px, one channel", (150, 150, 1))):
        a = rng.random((n, *shape), np.float32)
        b = np.clip(a + 0.05 * rng.normal(size=a.shape).astype(np.float32), 0, 1)
        ways = {
            "scikit-image, in a loop": (n, lambda a=a, b=b: loop(a, b)),
            "srutils, as a batch": (n, lambda a=a, b=b: metrics.ssim(a, b)),
        }
        limits = {"srutils, as a batch": 1e-5}
        found += race(f"SSIM, {kind}", "pairs/s", ways, rounds, lambda x, y: np.abs(x - y).max(), limits)
    return found
