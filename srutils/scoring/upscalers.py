"""Score an upscaler on a test set, always beside bicubic on the same images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from srutils import metrics
from srutils.files.images import SUFFIXES, image_files, read_image
from srutils.pairs import as_images, crop_to_multiple, degrade
from srutils.scoring.perceptual import lpips
from srutils.upscale.upscaler import DECONVOLVERS, Upscaler

LENS_TRACKS = ("deeplense", "telescope")
# made that test's LR images, and its published figures; Pillow's scores .4 dB more
DEEPLENSE_BICUBIC = "bicubic-torch"
LENSES = 300  # lenses drawn for an evaluation unless --n says otherwise


def photo_protocol(upscaler: Upscaler) -> str:
    """Choose the published convention: "luma" for the classical methods, "rgb8" for trained models.

    - "luma" (tables up to about 2016): HR luma rounded to 8 bits, LR made from it in floats, SR luma rounded.
    - "rgb8" (later papers): LR is an 8-bit RGB image, SR is rounded to 8-bit RGB, its luma is not rounded.
    """
    return "rgb8" if upscaler.card else "luma"


def score_photo(upscaler: Upscaler, hr, protocol: str) -> dict[str, float]:
    """Reduce a photograph by the protocol, enlarge it again, score it.

    Parameters
    ----------
    upscaler : Upscaler
    hr : array_like, (H, W, C), in [0, 1]
    protocol : "luma" or "rgb8", see `photo_protocol`

    Returns
    -------
    dict
        psnr in dB, ssim, mse, lpips (None where it cannot be measured, as on luma alone).

    Raises
    ------
    ValueError
        For an unknown protocol, values outside [0, 1], or an image too small to be scored.
    """
    sr, hr = enlarge_photo(upscaler, hr, protocol)
    scores = metrics.photo_scores(sr, hr, upscaler.scale, round_luma=protocol == "luma")
    return scores | {"lpips": lpips(sr, hr) if protocol == "rgb8" else None}


def enlarge_photo(upscaler: Upscaler, hr, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a photograph by the protocol and enlarge it again: SR, and the HR that it is compared with.

    Parameters, and what is refused, as in `score_photo`.
    """
    if protocol not in ("luma", "rgb8"):
        raise ValueError(f"unknown protocol {protocol!r}; expected luma or rgb8")
    scale = upscaler.scale
    hr = crop_to_multiple(as_images(hr, "hr")[0], scale)
    if hr.min() < -0.01 or hr.max() > 1.01:  # 0 to 255 as floats, say: rounding would clip it
        raise ValueError(f"values run from {hr.min():.4g} to {hr.max():.4g}; expected 0 to 1")
    if protocol == "luma":
        hr = metrics.quantize(metrics.luma(hr))
        return upscaler(degrade(hr, scale)), hr
    return metrics.quantize(upscaler(metrics.quantize(degrade(hr, scale)))), hr


def evaluate_photos(
    upscaler: Upscaler, images: Iterable[tuple[str, np.ndarray]], protocol: str | None = None
) -> dict:
    """Average `score_photo` over named images, held one at a time; `evaluate` without its model and data."""
    protocol = protocol or photo_protocol(upscaler)
    bicubic = Upscaler.load("bicubic", upscaler.scale)
    rows, baseline = [], []
    for name, hr in images:
        try:
            rows.append(score_photo(upscaler, hr, protocol))
            baseline.append(rows[-1] if upscaler == bicubic else score_photo(bicubic, hr, protocol))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    keys = ("psnr", "ssim", "mse", "lpips")
    ours, usual = ({key: [row[key] for row in table] for key in keys} for table in (rows, baseline))
    return {"n": len(rows), "protocol": protocol, **_beside_bicubic(ours, bicubic, usual)}


def evaluate_lenses(upscaler: Upscaler, pairs) -> dict:
    """Average `metrics.lens_scores` over LR/HR pairs, against `ImagePairs.target`."""
    return score_lenses(upscaler(pairs.lr), pairs)


def score_lenses(sr: np.ndarray, pairs) -> dict:
    """Score LR images as `evaluate_lenses` does, enlarged already: `sr` like HR, (N, H, W, 1)."""
    deeplense = pairs.name.startswith("deeplense")
    bicubic = Upscaler.load(DEEPLENSE_BICUBIC if deeplense else "bicubic", pairs.scale)
    ours, usual = (metrics.lens_scores(images, pairs.target) for images in (sr, bicubic(pairs.lr)))
    return {"n": len(pairs), **_beside_bicubic(ours, bicubic, usual)}


def _beside_bicubic(ours, bicubic: Upscaler, usual) -> dict:
    """Average scores, a sequence each, and put those of bicubic beside them."""
    return {**_summary(ours), "bicubic": {"method": bicubic.name, **_summary(usual)}}


def _summary(scores) -> dict[str, float | None]:
    columns = {key: np.array(scores[key], float) for key in ("psnr", "ssim", "mse")}
    means = {key: float(values.mean()) for key, values in columns.items()}
    distances = scores.get("lpips", [None])
    means["lpips"] = None if None in distances else float(np.mean(distances))
    with np.errstate(invalid="ignore"):  # the spread of infinite PSNRs (equal images) is NaN
        spread = {f"{key}_std": float(columns[key].std()) for key in ("psnr", "ssim")}
    return {**means, **spread}


def evaluate(
    model: str, data: str, scale: int, *, n: int | None = None, seed: int = 0, protocol: str | None = None
) -> dict:
    """Score an upscaler and bicubic on the same images, as ``srutils evaluate`` does.

    Parameters
    ----------
    model : str
        Name of an upscaler, or path of a model. On "deeplense" both "bicubic" and the baseline mean
        "bicubic-torch", as in that test's published figures.
    data : str
        "deeplense" or "telescope" (drawn fresh from ``seed``, from the test split), a folder of lenses with
        HR/ and LR/ (the DeepLense files, or what ``srutils simulate`` writes), or one of HR photographs.
    scale : int
    n : int, optional
        Number of lenses (300 by default), or the first n photographs.
    seed : int
        Which lenses are drawn.
    protocol : "luma" or "rgb8", optional
        For photographs; see `photo_protocol`.

    Returns
    -------
    dict
        model, data, n, scale, seed (lenses) or protocol (photographs), psnr, ssim, mse, lpips (None where it
        was not measured), psnr_std, ssim_std, and bicubic: the same figures of bicubic, with the method's
        name.
    """
    from srutils.lensing.folders import pairs_folder

    if n is not None and n < 1:
        raise ValueError(f"n is {n}; expected at least 1")
    lens_folder = data not in LENS_TRACKS and pairs_folder(data) is not None
    upscaler = Upscaler.load(DEEPLENSE_BICUBIC if (model, data) == ("bicubic", "deeplense") else model, scale)
    if upscaler.name in DECONVOLVERS and data != "telescope":
        raise ValueError(f"{model} knows the instruments of the telescope track only; got {data!r}")
    if data in LENS_TRACKS or lens_folder:
        if protocol is not None:
            raise ValueError(f"a protocol ({protocol}) is for photographs; {data} has one way of scoring")
        scores = evaluate_lenses(upscaler, _lens_pairs(data, lens_folder, upscaler.scale, n, seed))
        scores |= {} if lens_folder else {"seed": seed}
    else:
        if not Path(data).is_dir():
            expected = "deeplense, telescope or a folder of HR images"
            raise FileNotFoundError(f"no folder {data!r}; --data takes {expected}")
        images = ((str(file), read_image(file)) for file in photographs(data, n))
        scores = evaluate_photos(upscaler, images, protocol)
    name = model if model == "bicubic" else upscaler.name
    return {"model": name, "data": data, "scale": upscaler.scale, **scores}


def photographs(folder, n: int | None = None) -> list[Path]:
    """List the first `n` pictures of a folder; FileNotFoundError if there is none."""
    files = image_files(folder)[:n]
    if not files:
        raise FileNotFoundError(f"no image in {folder}; expected files ending in {' '.join(SUFFIXES)}")
    return files


def _lens_pairs(data, folder: bool, scale: int, n, seed):
    from srutils.lensing.folders import load_deeplense
    from srutils.lensing.simulator import simulate

    if not folder:
        return simulate(data, n or LENSES, scale=scale, seed=seed, split="test")
    pairs = load_deeplense(data, n)
    if pairs.scale != scale:
        raise ValueError(f"{data} holds pairs of scale {pairs.scale}; asked for {scale}")
    return pairs
