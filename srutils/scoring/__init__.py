"""Scores: of upscalers beside bicubic, of classifiers, and the tables made of them."""

from srutils.scoring.classifiers import (
    auc,
    bootstrap,
    calibration,
    class_aucs,
    confusion,
    macro_auc,
    micro_auc,
    roc_curve,
)
from srutils.scoring.cost import measure_cost
from srutils.scoring.table import markdown, scoreboard
from srutils.scoring.upscalers import LENSES, evaluate, evaluate_lenses, evaluate_photos, score_photo

__all__ = [
    "LENSES",
    "auc",
    "bootstrap",
    "calibration",
    "class_aucs",
    "confusion",
    "evaluate",
    "evaluate_lenses",
    "evaluate_photos",
    "macro_auc",
    "markdown",
    "measure_cost",
    "micro_auc",
    "roc_curve",
    "score_photo",
    "scoreboard",
]
