"""What a run made, scored: validation and test beside bicubic, and where nobody can do better."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FEW_LENSES, FEW_PHOTOS, CROP = 64, 12, 252  # for short runs: the scoring must not take longer than they did


def of_upscaler(path: Path, data, quick: bool, own: bool) -> dict[str, dict]:
    """Return a card's ``metrics``: the name of a set -> n, psnr, ssim, mse, and the same of bicubic.

    Parameters
    ----------
    path : Path
        The model file, its card beside it.
    data : PairsData
    quick : bool
        Score a few images only, and the middle of large photographs.
    own : bool
        The data are the reader's. Without, the test set of lenses gets its track's name, and photographs are
        scored on Set5, too, where it is there.
    """
    from srutils.upscale.upscaler import Upscaler

    up = Upscaler.load(path)
    photo = data.kind == "photo"
    test = "test" if own or photo else f"{data.track} test"
    score = _photographs if photo else _lenses
    parts = {"validation": data.val, test: data.test}
    found = {name: score(up, *part, quick, data.track) for name, part in parts.items() if len(part[0])}
    if photo and not own:
        found |= _set5(up)
    return found


def _set5(up) -> dict[str, dict]:
    from srutils.photos import set5
    from srutils.scoring.upscalers import evaluate_photos

    try:
        return {"Set5": evaluate_photos(up, set5())}
    except FileNotFoundError:
        return {}


def _lenses(up, lr, hr, quick: bool, track: str | None) -> dict:
    from srutils.pairs import ImagePairs
    from srutils.scoring.upscalers import evaluate_lenses
    from srutils.upscale.upscaler import Upscaler

    few = slice(FEW_LENSES if quick else None)
    pairs = ImagePairs(np.stack(list(lr[few])), np.stack(list(hr[few])), up.scale, track or "deeplense-files")
    best = ceiling(pairs.lr, pairs.hr) if up.scale == 2 else None
    found = evaluate_lenses(up, pairs) | ({} if best is None else {"ceiling": best})
    if found["bicubic"]["method"] != "bicubic":  # the published baseline; the usual bicubic is the better one
        usual = evaluate_lenses(Upscaler.load("bicubic", up.scale), pairs)
        found["others"] = {"bicubic": {key: usual[key] for key in ("psnr", "ssim", "mse")}}
    return found


def ceiling(lr: np.ndarray, hr: np.ndarray) -> float | None:
    """Estimate the PSNR, in dB, that no upscaler can exceed where LR is a bicubic half of noisy HR.

    LR holds a part of HR's noise; the rest is out of reach (see `srutils.lensing.baselines.oracle`, which
    needs the noise-free truth). Here no truth is needed: what LR cannot hold of HR is nearly all noise in the
    darker half of an image, where there is no sharp arc; its variance grows with brightness as that of
    counted photons does, along a line, and the line tells it for the bright part. On simulated lenses the
    mean comes within a few tenths of a decibel of the oracle.

    Parameters
    ----------
    lr, hr : ndarray (N, h, w, 1) and (N, 2h, 2w, 1), float32

    Returns
    -------
    float or None
        None if LR was not made in this way, or there is no noise.
    """
    from scipy.ndimage import gaussian_filter

    from srutils.lensing.baselines import bicubic_matrix

    vertical, horizontal = (bicubic_matrix(n) for n in hr.shape[1:3])
    up, across, found = np.linalg.pinv(vertical), np.linalg.pinv(horizontal).T, []
    for small, large in zip(lr[..., 0], hr[..., 0], strict=True):
        resized = vertical @ large @ horizontal.T
        if resized.shape != small.shape or np.abs(resized - small).max() > 1e-3:
            return None
        seen = up @ small @ across
        brightness, lost = gaussian_filter(seen, 3), np.square(large - seen)
        dark = brightness < np.quantile(brightness, 0.6)
        slope, sky = np.polyfit(brightness[dark], lost[dark], 1) if dark.any() else (0, 0)
        found.append(slope * brightness.mean() + sky)
    return float(np.mean(-10 * np.log10(found))) if min(found) > 0 else None


def _photographs(up, lr, hr, quick: bool, track: None) -> dict:
    from srutils import metrics
    from srutils.pairs import as_images
    from srutils.scoring.perceptual import lpips
    from srutils.upscale.upscaler import Upscaler

    both, rows = (up, Upscaler.load("bicubic", up.scale)), ([], [])
    few = slice(FEW_PHOTOS if quick else None)
    for small, large in zip(lr[few], hr[few], strict=True):
        if quick:
            small, large = middle(small, large, up.scale)
        small, large = (as_images(image)[0] for image in (small, large))
        for upscaler, scores in zip(both, rows, strict=True):
            sr = metrics.quantize(upscaler(small))
            scores.append(metrics.photo_scores(sr, large, up.scale) | {"lpips": lpips(sr, large)})
    ours, theirs = map(_means, rows)
    return {"n": len(rows[0]), "protocol": "rgb8", **ours, "bicubic": {"method": "bicubic", **theirs}}


def middle(lr: np.ndarray, hr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut at most `CROP` HR pixels a side out of the middle of a pair."""
    side = max(1, CROP // scale)
    top, left = (max(0, (n - side) // 2) for n in lr.shape[:2])
    lr = lr[top : top + side, left : left + side]
    h, w = (n * scale for n in lr.shape[:2])
    return lr, hr[top * scale : top * scale + h, left * scale : left * scale + w]


def _means(rows: list[dict]) -> dict[str, float | None]:
    distances = [row.pop("lpips") for row in rows]
    judged = None if None in distances else float(np.mean(distances))
    columns = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    means = {key: float(values.mean()) for key, values in columns.items()}
    spread = {f"{key}_std": float(columns[key].std()) for key in ("psnr", "ssim")}
    return {**means, "lpips": judged, **spread}


def table(card: dict) -> str:
    """Return a card's scores as text: MSE, PSNR and SSIM of each set, of the model and of bicubic."""
    text = f"{'':40}{'images':>8}{'MSE':>11}{'PSNR [dB]':>12}{'SSIM':>9}\n"
    for name, s in card["metrics"].items():
        rows = {card["name"]: s, s["bicubic"]["method"]: s["bicubic"], **s.get("others", {})}
        for who, row in rows.items():
            label = f"{name}, {who}"
            text += f"{label:40}{s['n']:8}{row['mse']:11.2e}{row['psnr']:12.2f}{row['ssim']:9.4f}\n"
        if "ceiling" in s:
            text += f"{name}, nobody can do better than about".ljust(59) + f"{s['ceiling']:12.2f}\n"
    return text
