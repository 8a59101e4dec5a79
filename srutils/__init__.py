"""The shared module of the super-resolution course.

What a lesson's reader meets:

- ``course``: folders, seeds, the banner
- ``pairs``: LR and HR images that belong together; resizing, patches
- ``photos``: photographs, and the benchmark Set5
- ``metrics``: PSNR, SSIM, spectra, gradients
- ``plotting``: figures
- ``lensing``: simulated gravitational lenses, their baselines, and what is measured on them
- ``upscale``: ``from srutils.upscale import Upscaler``, a trained network or a classical method

Behind them:

- ``networks``: every network of the course, as its lesson builds it
- ``recipes``, ``training``: how the shipped models are trained, ``srutils train NAME``
- ``model_files``: an ONNX file and its card, written and run
- ``scoring``: scores of upscalers and classifiers, and their tables
- ``files``: pictures and other files, read and written safely
- ``fetch``: public data sets, ``srutils fetch``
- ``exercises``: checks of the readers' answers
- ``cli``: the command line
"""

import warnings

# tqdm says so wherever a notebook has no ipywidgets, also when scikit-image imports it; text bars do as well
warnings.filterwarnings("ignore", message="IProgress not found")

__version__ = "0.2.0"
