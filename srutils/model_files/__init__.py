"""A trained network as two files, ``NAME.onnx`` and its card ``NAME.json``: written, described, run."""

from srutils.model_files.cards import is_classifier, model_path, read_card
from srutils.model_files.engine import open_model
from srutils.model_files.export import save_model

__all__ = ["is_classifier", "model_path", "open_model", "read_card", "save_model"]
