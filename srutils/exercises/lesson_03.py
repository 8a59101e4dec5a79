"""Lesson 03: your own photographs, what noisy targets cost, eight views of one picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from srutils.exercises import Verdict, array, called, nearly, number, recognised, right, wrong
from srutils.files.atomic import file_sha256
from srutils.model_files.cards import read_card

# ---------------------------------------------------------------- 1: your own photographs
COMMAND = "srutils train srcnn-photo-x3 --data MY_PHOTOS --from srcnn-photo-x3 --minutes 5 --out mine.onnx"


def exercise_1(model) -> Verdict:
    """`model`: the path of a .onnx file that `srutils train` made of the reader's own photographs."""
    if not isinstance(model, str | os.PathLike):
        return wrong(f'A path is expected, such as "mine.onnx"; this is of type {type(model).__name__}.')
    path = Path(model).expanduser()
    if not path.is_file():
        return wrong(f"There is no file {path} here. The command to make one: {COMMAND}")
    try:
        card = read_card(path.with_suffix(".json"), {"recipe", "data", "steps", "sha256", "metrics"})
    except ValueError as error:
        return wrong(f"{error}. `srutils train` writes the card beside the model: keep the two together.")
    if file_sha256(path) != card["sha256"]:
        return wrong(f"The card beside {path.name} is that of another file.")
    if card["recipe"] != "srcnn-photo-x3":
        return nearly(f"That is a model of {card['recipe']}; this lesson's network is srcnn-photo-x3.")
    test = card["metrics"].get("test")
    if test is None or "bicubic" not in test:
        return nearly("It learned from the course's photographs. Yours come in by --data and a folder.")
    if test["n"] < 2:
        return nearly(f"Photographs left for the test: {test['n']}. Take a folder of 20 or more.")
    return _against_bicubic(card, test)


def _against_bicubic(card: dict, test: dict) -> Verdict:
    gain, n = test["psnr"] - test["bicubic"]["psnr"], test["n"]
    if gain < 0.05:
        return nearly(
            f"After {card['steps']} steps it gains {gain:+.2f} dB over bicubic on {n} photographs: hardly "
            "anything. Give it more minutes, or begin with the shipped weights (--from srcnn-photo-x3)."
        )
    return right(
        f"It gains {gain:.1f} dB over bicubic on {n} photographs of yours that it had not seen. Is that more "
        "than the shipped network gains? `srutils evaluate` tells, if you give it those photographs alone."
    )


# ---------------------------------------------------------------- 2: what noisy targets cost
COUNTS = (15, 60)


@lru_cache
def _filtered() -> dict:
    """MSE of linear filters: {(lenses learned from, target, scored on): (N,)}."""
    from scipy import ndimage

    from srutils import metrics, pairs
    from srutils.lensing import cache

    train, test = (cache.lens_set("telescope", COUNTS[-1], split=split) for split in ("train", "test"))
    seen = [pairs.resize(lenses.lr, lenses.hr.shape[1:3]) for lenses in (train, test)]
    windows = np.lib.stride_tricks.sliding_window_view(seen[0][..., 0], (9, 9), (1, 2))[:, ::7, ::7]
    mses = {}
    for n in COUNTS:
        a = windows[:n].reshape(-1, 81).astype(float)
        for target in ("hr", "truth"):
            b = getattr(train, target)[:n, 4:-4:7, 4:-4:7, 0].reshape(-1)
            kernel = np.linalg.solve(a.T @ a, a.T @ b).reshape(1, 9, 9, 1)
            new, old = (ndimage.correlate(x, kernel, mode="nearest") for x in (seen[1], seen[0][:n]))
            mses[n, target, "truth"] = metrics.mse(new, test.truth)
            mses[n, target, "hr"] = metrics.mse(new, test.hr)
            mses[n, target, "training"] = metrics.mse(old, train.truth[:n])
    return mses


def _costs(scored: str = "truth", pooled: bool = False) -> np.ndarray:
    """dB that a noisy target costs, for each number of lenses."""

    def psnr(n, target):
        mse = _filtered()[n, target, scored]
        return -10 * (np.log10(mse.mean()) if pooled else np.log10(mse).mean())

    return np.array([psnr(n, "truth") - psnr(n, "hr") for n in COUNTS])


def exercise_2(cost_15: float, cost_60: float) -> Verdict:
    """How many dB it costs a linear filter that it was fitted to noisy HR images, not to the truth."""
    found, truth = np.array([number(cost_15), number(cost_60)]), _costs()
    if np.allclose(found, truth, rtol=0, atol=0.006):
        return right(
            "The noise of the targets averages away: four times the lenses, and about a third of the cost is "
            "left. One does not need a noise-free sky to learn from, only enough skies."
        )
    hidden = (
        "The ruler is noisy: you have scored against HR, whose noise hides part of the difference. Score "
    )
    slips = {
        "The other way round: a cost is what the noisy target loses.": -truth,
        "The two have changed places: the first number belongs to 15 lenses.": truth[::-1],
        hidden + "against the truth.": _costs("hr"),
        "You have scored on the lenses that the filters were fitted to. Ask lenses that they have not "
        "seen.": (_costs("training")),
        "Take the PSNR of each lens, then the mean; you have taken the PSNR of the mean MSE.": _costs(
            pooled=True
        ),
    }
    return recognised(found, slips, rtol=0, atol=0.006) or wrong(
        "Fit two filters to the same enlarged LR images, one to `hr`, one to `truth`, apply both to the test "
        "lenses, and take the difference of their mean PSNR against the test lenses' truth."
    )


# ---------------------------------------------------------------- 3: eight views of one picture
def _crooked(lr: np.ndarray) -> np.ndarray:
    """An upscaler x2 (h, w, 1) that treats no two directions alike."""
    image = np.repeat(np.repeat(lr, 2, 0), 2, 1)
    rows, columns = (np.roll(image, 1, axis) - image for axis in (0, 1))
    return image + 0.3 * rows + 0.1 * columns + np.roll(rows, 1, 1) ** 2


def _turn(x: np.ndarray, k: int) -> np.ndarray:
    """View k of 8: k % 4 quarter turns, then a mirror for k >= 4."""
    x = np.rot90(x, k % 4)
    return x[:, ::-1] if k >= 4 else x


def _back(y: np.ndarray, k: int) -> np.ndarray:
    return np.rot90(y[:, ::-1] if k >= 4 else y, -(k % 4))


def _ensemble(lr, back=_back, views=range(8), join=np.mean) -> np.ndarray:
    return join([back(_crooked(_turn(lr, k)), k) for k in views], axis=0)


@lru_cache
def _ensemble_slips() -> dict[str, np.ndarray]:
    lr = _square()
    return {
        "Each view has to be turned back before the mean is taken.": _ensemble(lr, back=lambda y, k: y),
        "Mirrored views are undone in the wrong order: what was done last has to be undone first.": _ensemble(
            lr, back=lambda y, k: np.rot90(y, -(k % 4))[:, ::-1] if k >= 4 else np.rot90(y, -k)
        ),
        "You turn on instead of back: the direction of `np.rot90` is the sign of its number.": _ensemble(
            lr, back=lambda y, k: np.rot90(y[:, ::-1] if k >= 4 else y, k % 4)
        ),
        "These are the four turns. Each of them has a mirror image, too.": _ensemble(lr, views=range(4)),
        "These are the mirror images that need no quarter turn. A picture lying on its side has four views "
        "more.": _ensemble(lr, views=(0, 2, 4, 6)),
        "These are the picture and one mirror image: two views of eight.": _ensemble(lr, views=(0, 4)),
        "The sum of the views has to be divided by their number.": _ensemble(lr, join=np.sum),
        "That is the upscaler's plain answer, to one view. It has to see all eight.": _ensemble(
            lr, views=(0,)
        ),
        "That is the median. It is a fair choice, but the mean is asked for: it has the smallest squared "
        "error.": (_ensemble(lr, join=np.median)),
    }


def _square() -> np.ndarray:
    return np.random.default_rng(5).random((6, 6, 1))


def exercise_3(ensemble: Callable) -> Verdict:
    """`ensemble(up, lr)`: the mean of an upscaler's eight answers to one picture."""
    square, oblong = _square(), np.random.default_rng(6).random((4, 7, 1))
    found = array(called(ensemble, _crooked, square.copy()))
    if found.shape != (12, 12, 1):
        return wrong(
            f"An LR image of shape (6, 6, 1) at x2 becomes (12, 12, 1); yours has the shape {found.shape}."
        )
    if not np.allclose(found, _ensemble(square), atol=1e-5):
        return recognised(found, _ensemble_slips(), atol=1e-5) or wrong(
            "Turn LR by k quarter turns, with and without a mirror, enlarge, undo the mirror, undo the turn, "
            "and take the mean of the eight results. On an upscaler that knows no direction nothing may "
            "change."
        )
    if not np.allclose(array(called(ensemble, _crooked, oblong.copy())), _ensemble(oblong), atol=1e-5):
        return nearly(
            "It works on a square; on 4 x 7 pixels it does not. A turned picture has another shape."
        )
    return right(
        "A mean over views removes the part of the error that depends on direction, for eight times the work "
        "and no training. Where the eight disagree the picture is hard; how wrong it is they do not say."
    )
