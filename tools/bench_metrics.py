"""Measure the batched SSIM against a loop over scikit-image's, side by side on this machine."""

from __future__ import annotations

import statistics
import time

import numpy as np


def bench(n: int = 200, repeats: int = 5) -> list[dict]:
    """Measure SSIM of n pairs of images both ways, several times in turn.

    Returns
    -------
    list of dict
        what was measured, ours and other in pairs a second (medians), their ratio (median of the ratios of
        neighbouring runs), and the unit.

    Raises
    ------
    RuntimeError
        If the two disagree by more than 1e-5.
    """
    from skimage.metrics import structural_similarity

    from srutils import metrics

    def loop(a, b):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        return [
            structural_similarity(x, y, data_range=1, channel_axis=-1, **options)
            for x, y in zip(a, b, strict=True)
        ]

    rng, rows = np.random.default_rng(0), []
    for kind, shape in (("RGB photographs, 128 px", (128, 128, 3)), ("lenses, 150 px", (150, 150, 1))):
        a = rng.random((n, *shape), np.float32)
        b = np.clip(a + 0.05 * rng.normal(size=a.shape).astype(np.float32), 0, 1)
        difference = np.abs(metrics.ssim(a, b) - loop(a, b)).max()  # warms both up, too
        if difference > 1e-5:
            raise RuntimeError(f"SSIM of {kind} differs by {difference:.1e}; expected at most 1e-5")
        speeds = [(n / _seconds(metrics.ssim, a, b), n / _seconds(loop, a, b)) for _ in range(repeats)]
        ours, other = (statistics.median(column) for column in zip(*speeds, strict=True))
        ratio = statistics.median(x / y for x, y in speeds)
        rows.append(
            {"what": f"SSIM, {kind}", "ours": ours, "other": other, "ratio": ratio, "unit": "pairs/s"}
        )
    return rows


def _seconds(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    for row in bench():
        figures = f"srutils {row['ours']:.0f}, scikit-image loop {row['other']:.0f} {row['unit']}"
        print(f"{row['what']}: {figures}, {row['ratio']:.1f} times as fast")
