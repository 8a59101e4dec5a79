"""Pictures for tests, written from pixels or from floating-point values."""

from pathlib import Path

import numpy as np

from srutils.files.encode import encode
from srutils.files.images import from_float
from srutils.files.picture import Picture


def write_picture(path, picture):
    """Write pixels and what belongs to them."""
    with open(path, "w+b") as file:
        encode(file, picture, Path(path).suffix.lower())


def save_picture(path, image, bits=8):
    """Write values in [0, 1], (H, W) or (H, W, C), with 8, 16 or 32 bits a sample."""
    image = np.asarray(image)
    write_picture(path, Picture(from_float(image if image.ndim == 3 else image[..., None], bits)))
