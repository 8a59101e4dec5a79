"""Scores: of upscalers beside bicubic, of classifiers, and the tables made of them."""

from srutils.scoring.classifiers import bootstrap, calibration, class_aucs, macro_auc, micro_auc
from srutils.scoring.cost import measure_cost
from srutils.scoring.table import markdown, scoreboard
from srutils.scoring.upscalers import LENSES, evaluate, evaluate_lenses, evaluate_photos, score_photo

__all__ = [
    "LENSES",
    "bootstrap",
    "calibration",
    "class_aucs",
    "evaluate",
    "evaluate_lenses",
    "evaluate_photos",
    "macro_auc",
    "markdown",
    "measure_cost",
    "micro_auc",
    "score_photo",
    "scoreboard",
]
