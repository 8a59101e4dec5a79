"""Every upscaler on every test set that it fits: the table behind ``srutils scoreboard``.

A model is scored on the test set that it was trained for (its card says which), the classical methods on all.
Beside the figures of `upscalers.evaluate` stand two that do not ask where a pixel is, LPIPS
where that package is installed, and what the method costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from srutils import metrics
from srutils.files.images import read_image
from srutils.scoring import upscalers
from srutils.scoring.cost import measure_cost
from srutils.upscale.upscaler import CLASSICAL, DECONVOLVERS, Upscaler, model_cards

SETS = {"deeplense": (2,), "telescope": (2, 4), "photos": (2, 3, 4)}  # and the scales that each one offers
COLUMNS = {  # heading and format of each column of the Markdown table, by key
    "model": ("method", "`{}`"),
    "psnr": ("PSNR [dB]", "{:.2f} ± {:.2f}"),
    "ssim": ("SSIM", "{:.4f} ± {:.4f}"),
    "mse": ("MSE", "{:.2e} ± {:.1e}"),
    "spectrum_error": ("spectrum error [dex]", "{:.3f}"),
    "gradient_error": ("gradient error", "{:.3f}"),
    "parameters": ("parameters", "{:,}"),
    "megapixels_per_second": ("megapixels/s", "{:.2f}"),
    "memory_mb": ("peak memory [MB]", "{:.0f}"),
}


# ---------------------------------------------------------------- what fits what
def tasks(
    data: Sequence[str] | None = None, models: Sequence[str] | None = None, scale: int | None = None
) -> list[tuple[str, int, str]]:
    """List which upscalers go with which test sets.

    Parameters
    ----------
    data : sequence of str, optional
        "deeplense", "telescope", "photos" (those inside scikit-image; no shipped model was trained on them)
        or folders of HR photographs; by default the first three.
    models : sequence of str, optional
        Names, or paths of .onnx files; by default the classical methods and all shipped models.
    scale : int, optional
        Only this one.

    Returns
    -------
    list of (data, scale, model), in the order of the table

    Raises
    ------
    ValueError, FileNotFoundError
        For an unknown test set or model, a scale that no set has, or a model that fits none of the sets.
    """
    data = list(dict.fromkeys(data or SETS))
    for name in data:
        if name not in SETS and not Path(name).is_dir():
            expected = f"{', '.join(SETS)} or a folder of HR images"
            raise FileNotFoundError(f"no test set or folder {name!r}; expected {expected}")
    scales = {name: SETS.get(name, SETS["photos"]) for name in data}
    if scale is not None and not any(scale in offered for offered in scales.values()):
        listed = "; ".join(f"{name} {', '.join(map(str, offered))}" for name, offered in scales.items())
        raise ValueError(f"scale is {scale}; the test sets offer {listed}")
    shipped = [card["name"] for card in model_cards()]
    models = list(dict.fromkeys(models or (*CLASSICAL, *shipped)))
    cards = {name: Upscaler.load(name).card for name in models if name not in CLASSICAL}
    found = [
        (name, s, model)
        for name in data
        for s in scales[name]
        if scale in (None, s)
        for model in models
        if _fits(model, cards.get(model), name, s)
    ]
    idle = [model for model in models if model not in {task[2] for task in found}]
    if idle and models != [*CLASSICAL, *shipped]:
        at = "" if scale is None else f" at x{scale}"
        raise ValueError(f"{', '.join(idle)} fits none of the test sets {', '.join(data)}{at}")
    return found


def _fits(model: str, card: dict | None, data: str, scale: int) -> bool:
    if model == upscalers.DEEPLENSE_BICUBIC:
        return data == "deeplense"
    if card is None:
        return model not in DECONVOLVERS or data == "telescope"
    if card["scale"] != scale:
        return False
    trained_for = [t for t in upscalers.LENS_TRACKS if f"{t} test" in card.get("metrics", {})]
    trained_for += [t for t in upscalers.LENS_TRACKS if f"-{t}-" in card["name"]]  # a card without scores
    if trained_for or card["channels"] == "gray":
        return data in trained_for
    return data not in upscalers.LENS_TRACKS


# ---------------------------------------------------------------- one row
def score(upscaler: Upscaler, images: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    """Compute the figures of one upscaler on one test set, from (SR, HR) pairs.

    Parameters
    ----------
    upscaler : Upscaler
    images : list of (SR, HR), each (N, H, W, C) or (H, W, C)
        Lenses are one pair of batches, photographs a pair each.

    Returns
    -------
    dict
        psnr (dB), ssim, mse, each with a spread (..._std, over images), spectrum_error (dex), gradient_error.
    """
    if len(images) == 1 and np.ndim(images[0][0]) == 4:  # lenses
        columns = metrics.lens_scores(*images[0])
    else:
        rows = [metrics.photo_scores(sr, hr, upscaler.scale) for sr, hr in images]
        columns = {key: [row[key] for row in rows] for key in rows[0]}
    row = {}
    for key, values in columns.items():
        row |= {key: float(np.mean(values)), f"{key}_std": float(np.std(values))}
    for key in ("spectrum_error", "gradient_error"):
        row[key] = float(np.mean([getattr(metrics, key)(sr, hr) for sr, hr in images]))
    return row


# ---------------------------------------------------------------- the table
def scoreboard(
    data: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    *,
    scale: int | None = None,
    n: int | None = None,
    seed: int = 0,
    costs: bool = True,
    progress: bool = False,
) -> list[dict]:
    """Score upscalers on test sets: one row for each pair that fits.

    Parameters
    ----------
    data, models, scale
        See `tasks`.
    n : int, optional
        Lenses drawn (300 by default), or the first n photographs.
    seed : int
        Which lenses are drawn; always of the test split.
    costs : bool
        Measure speed and memory, too.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    list of dict
        data, scale, n, model, what `score` gives, parameters (0 for a classical method) and, with costs, what
        `cost` gives. Photographs are scored by the "rgb8" protocol, the classical methods included.
    """
    from tqdm.auto import tqdm

    if n is not None and n < 1:
        raise ValueError(f"n is {n}; expected at least 1")
    todo = tasks(data, models, scale)
    rows, at, test = [], None, None
    for name, s, model in tqdm(todo, desc="scoreboard", unit="row", disable=not progress):
        if at != (name, s):
            at, test = (name, s), _test_set(name, s, n, seed)
        upscaler = Upscaler.load(model, s)
        if name in upscalers.LENS_TRACKS:
            images = [(upscaler(test.lr), test.target)]
        else:
            images = [upscalers.enlarge_photo(upscaler, hr, "rgb8") for hr in test]
        row = {"data": name, "scale": s, "n": len(test), "model": upscaler.name, **score(upscaler, images)}
        row["parameters"] = upscaler.card.get("parameters", 0)
        rows.append(row | (measure_cost(model, name, s) if costs else {}))
    return rows


def _test_set(name: str, scale: int, n: int | None, seed: int):
    if name in upscalers.LENS_TRACKS:
        from srutils.lensing.simulator import simulate

        return simulate(name, n or upscalers.LENSES, scale=scale, seed=seed, split="test")
    if name == "photos":
        from srutils.photos import builtin

        return list(builtin().values())[:n]
    return [read_image(file) for file in upscalers.photographs(name, n)]


def markdown(rows: list[dict]) -> str:
    """Write the rows as Markdown, a table for each test set and scale, without columns that nobody fills."""
    keys = [k for k in COLUMNS if any(row.get(k) is not None for row in rows)]
    lines: list[str] = []
    for name, scale in dict.fromkeys((row["data"], row["scale"]) for row in rows):
        part = [row for row in rows if (row["data"], row["scale"]) == (name, scale)]
        lines += [f"**{Path(name).name} x{scale}**, {part[0]['n']} images", ""]
        lines += ["| " + " | ".join(COLUMNS[k][0] for k in keys) + " |", "|---" * len(keys) + "|"]
        lines += ["| " + " | ".join(_cell(row, k) for k in keys) + " |" for row in part] + [""]
    return "\n".join(lines).rstrip() + "\n"


def _cell(row: dict, key: str) -> str:
    if row.get(key) is None or (key == "parameters" and not row[key]):
        return "–"
    return COLUMNS[key][1].format(row[key], row.get(f"{key}_std"))
