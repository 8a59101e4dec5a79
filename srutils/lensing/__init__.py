"""Strong gravitational lenses: simulated, observed, read from folders, and measured.

The two tracks and what can be drawn of them are explained in ``srutils.lensing.simulator``.
"""

from srutils.lensing.baselines import oracle
from srutils.lensing.cache import lens_set
from srutils.lensing.class_folders import find_classes
from srutils.lensing.folders import find_deeplense, load_deeplense, save_pairs
from srutils.lensing.instruments import PEAK, PIXEL, PSF_FWHM, SIZE, SKY, SPLITS, SUPERSAMPLING, TRACKS
from srutils.lensing.priors import CLASSES
from srutils.lensing.simulator import simulate

__all__ = [
    "CLASSES",
    "PEAK",
    "PIXEL",
    "PSF_FWHM",
    "SIZE",
    "SKY",
    "SPLITS",
    "SUPERSAMPLING",
    "TRACKS",
    "find_classes",
    "find_deeplense",
    "lens_set",
    "load_deeplense",
    "oracle",
    "save_pairs",
    "simulate",
]
