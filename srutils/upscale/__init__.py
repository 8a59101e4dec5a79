"""Enlarge images: arrays with `Upscaler`; whole files with ``srutils.upscale.files``."""

from srutils.upscale.upscaler import CLASSICAL, DECONVOLVERS, Upscaler, model_cards

__all__ = ["CLASSICAL", "DECONVOLVERS", "Upscaler", "model_cards"]
