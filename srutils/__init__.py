"""Shared module of the super-resolution course: small, flat, one idea a file."""

import warnings

# tqdm says so wherever a notebook has no ipywidgets, also when scikit-image imports it; text bars do as well
warnings.filterwarnings("ignore", message="IProgress not found")

__version__ = "0.1.0"
