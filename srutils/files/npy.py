"""Read ``.npy`` arrays without ever unpickling one."""

from __future__ import annotations

import os

import numpy as np
from numpy.lib import format as npy_format

from srutils.files.picture import Unusable

CURE = "np.save(file, np.load(file, allow_pickle=True)[0])"


def read_npy(path: str | os.PathLike, mapped: bool = False) -> np.ndarray:
    """Read one array from a ``.npy`` file.

    Parameters
    ----------
    path : path-like
    mapped : bool
        Leave the numbers on disk until they are used, so that a huge declared shape costs nothing.

    Returns
    -------
    ndarray
        Of any shape and any type but objects.

    Raises
    ------
    Unusable
        The file is damaged, an ``.npz`` archive, or pickled; the reason does not name the file.
    OSError
        It cannot be opened.
    """
    if _is_pickled(path):
        raise Unusable(
            "it holds pickled Python objects, which are not loaded here because loading them may run any "
            f"program; if you trust the file, save its image alone: {CURE}"
        )
    try:
        stored = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Unusable(f"not a whole .npy array ({error})") from None
    if not isinstance(stored, np.ndarray):
        stored.close()
        raise Unusable("expected one .npy array, got an .npz archive")
    return stored


def _is_pickled(path: str | os.PathLike) -> bool:
    """Whether a file is a bare pickle, or a .npy file of objects; nothing but its header is read."""
    with open(path, "rb") as file:
        start = file.read(6)
        if start != b"\x93NUMPY":
            return start[:1] == b"\x80"
        file.seek(0)
        try:
            old = npy_format.read_magic(file) == (1, 0)
            read = npy_format.read_array_header_1_0 if old else npy_format.read_array_header_2_0
            return read(file)[2].hasobject
        except ValueError:
            return False
