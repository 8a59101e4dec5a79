"""Answers to the exercises of lesson 03: see test_exercises.py."""

import json
import tempfile
from pathlib import Path

import numpy as np

from srutils.exercises import lesson_03
from srutils.files.atomic import file_sha256

# ---------------------------------------------------------------- 1
FOLDER = tempfile.TemporaryDirectory()  # gone when the tests end


def model(gain=1.2, n=3, recipe="srcnn-photo-x3", part="test", sha256=None, card=True):
    """A file and a card as `srutils train` leaves them, as far as the check reads them."""

    def answers():
        path = Path(FOLDER.name) / f"{gain}-{n}-{recipe}-{part}-{sha256}-{card}.onnx"
        path.write_bytes(b"weights")
        facts = {
            "recipe": recipe,
            "data": "25 photographs",
            "steps": 40,
            "sha256": sha256 or file_sha256(path),
        }
        facts["metrics"] = {part: {"n": n, "psnr": 30 + gain, "bicubic": {"psnr": 30.0}}}
        if card:
            path.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
        return (str(path),)

    return answers


# ---------------------------------------------------------------- 2


def costs(*arguments):
    return tuple(float(cost) for cost in lesson_03._costs(*arguments))


# ---------------------------------------------------------------- 3


def mirrored_then_turned(lr, k):
    return np.rot90(lr[:, ::-1] if k >= 4 else lr, k % 4)


def ensemble(up, lr):
    views = []
    for k in range(8):
        y = np.rot90(up(mirrored_then_turned(lr, k)), -(k % 4))
        views.append(y[:, ::-1] if k >= 4 else y)
    return np.mean(views, axis=0)


def of(views, join=np.mean):
    """The right answer from some views alone, joined in some way."""

    def answer(up, lr):
        return join([lesson_03._back(up(lesson_03._turn(lr, k)), k) for k in views], axis=0)

    return answer


def undone(back):
    """The right views, each undone in some way."""
    return lambda up, lr: np.mean([back(up(lesson_03._turn(lr, k)), k) for k in range(8)], axis=0)


def wrong_order(y, k):
    y = np.rot90(y, -(k % 4))
    return y[:, ::-1] if k >= 4 else y


def turned_on(y, k):
    return np.rot90(y[:, ::-1] if k >= 4 else y, k % 4)


def one_enlargement(up, lr):
    return up(of(range(8))(lambda x: x, lr))


def squares_only(up, lr):
    return ensemble(up, lr) if lr.shape[0] == lr.shape[1] else up(lr)


ANSWERS = [
    (1, "right", model(), "right", "It gains 1.2 dB over bicubic on 3 photographs"),
    (1, "no better", model(gain=0.0), "nearly", "hardly anything"),
    (1, "worse", model(gain=-0.3), "nearly", "it gains -0.30 dB"),
    (1, "the course's photographs", model(part="Set5"), "nearly", "from the course's photographs"),
    (1, "one photograph", model(n=1), "nearly", "Take a folder of 20 or more"),
    (1, "another network", model(recipe="srresnet-photo"), "nearly", "a model of srresnet-photo"),
    (1, "another's card", model(sha256="0"), "wrong", "that of another file"),
    (1, "no card", model(card=False), "wrong", "keep the two together"),
    (1, "no file", ("no/such/mine.onnx",), "wrong", "There is no file"),
    (1, "not a path", (3,), "wrong", "this is of type int"),
    (2, "right", costs, "right", "averages away"),
    (2, "right, rounded", (0.28, 0.10), "right", "averages away"),
    (2, "sign", lambda: tuple(-c for c in costs()), "nearly", "The other way round"),
    (2, "swapped", lambda: costs()[::-1], "nearly", "belongs to 15 lenses"),
    (2, "scored on noise", lambda: costs("hr"), "nearly", "The ruler is noisy"),
    (2, "scored on the training lenses", lambda: costs("training"), "nearly", "have not seen"),
    (2, "PSNR of the mean", lambda: costs("truth", True), "nearly", "the PSNR of the mean MSE"),
    (2, "a guess", (1.0, 0.5), "wrong", "Fit two filters"),
    (2, "scores instead of costs", (41.0, 42.0), "wrong", "Fit two filters"),
    (2, "half an answer", (0.28, ...), "open", "Replace the dots"),
    (3, "right", (ensemble,), "right", "for eight times the work"),
    (3, "not turned back", (undone(lambda y, k: y),), "nearly", "has to be turned back"),
    (3, "wrong order", (undone(wrong_order),), "nearly", "undone in the wrong order"),
    (3, "turned on", (undone(turned_on),), "nearly", "You turn on instead of back"),
    (3, "four turns", (of(range(4)),), "nearly", "These are the four turns"),
    (3, "no quarter turns", (of((0, 2, 4, 6)),), "nearly", "need no quarter turn"),
    (3, "one mirror", (of((0, 4)),), "nearly", "two views of eight"),
    (3, "sum", (of(range(8), np.sum),), "nearly", "has to be divided"),
    (3, "median", (of(range(8), np.median),), "nearly", "That is the median"),
    (3, "one enlargement", (one_enlargement,), "nearly", "the upscaler's plain answer"),
    (3, "squares only", (squares_only,), "nearly", "on 4 x 7 pixels it does not"),
    (3, "one view", (lambda up, lr: up(lr),), "nearly", "the upscaler's plain answer"),
    (3, "another picture", (lambda up, lr: ensemble(up, 1 - lr),), "wrong", "Turn LR by k quarter turns"),
    (3, "LR itself", (lambda up, lr: lr,), "wrong", "yours has the shape (6, 6, 1)"),
]
