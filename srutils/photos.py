"""Photographs: ready-made sets of pictures, splits and tiles.

Every picture is float32 of shape (H, W, C), C = 1 (grey) or 3 (RGB).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from srutils.course import find_data
from srutils.files.images import SUFFIXES, image_files, pixels_sha256, read_image
from srutils.pairs import as_images

# Photographs inside the scikit-image wheel, and their credit as scikit-image states it. Left out: drawings,
# text, holograms and microscopy; the right eye of the motorcycle pair (the same scene as the left); and moon,
# retina and clock, which are so smooth that bicubic x2 already rebuilds them to 43, 50 and 47 dB: nothing to
# learn from.
CREDITS = {
    "astronaut": "Eileen Collins, NASA Great Images database; public domain",
    "brick": "Brick wall, CC0Textures (Bricks25); CC0",
    "camera": "Lav Varshney; CC0",
    "chelsea": "Chelsea the cat, Stefan van der Walt; CC0",
    "coffee": "Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0",
    "coins": "Greek coins from Pompeii, Brooklyn Museum Collection; no known copyright restrictions",
    "grass": "linolafett on DeviantArt (Grass 01); CC0",
    "gravel": "CC0Textures (Gravel04); CC0",
    "hubble_deep_field": "Hubble eXtreme Deep Field, NASA, from HubbleSite; public domain",
    "motorcycle": "Left view, Middlebury 2014 stereo benchmark (Scharstein et al. 2014); no licence stated",
    "rocket": "Launch of DSCOVR on Falcon 9, SpaceX; public domain",
}
COLOUR = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "motorcycle", "rocket")
# Set5 by `srutils.files.images.pixels_sha256`: files differ, the decoded pixels of the benchmark do not.
SET5 = {
    "baby": "60b90aadcf032a815597fc78705846c8ff8aec0b5175119fa740d9277a8faf14",
    "bird": "336a675cd3213153d32a2dd2714b4e16d8b9500a1a7df066267274ebd6efb631",
    "butterfly": "b1a3dbb366f1c22e4a9dfb4a32585639cd12c3ab6c8db4e1c05c23bdf326ea55",
    "head": "ce4dd46d9793d8c4a3c7c8b2bab89707c60a7188e636c0a411581f63e2eb455d",
    "woman": "d6f9b1446d2ba00e59d697a336e37836cee8130f66f3901c02fe26714da34fc9",
}


# --- collections ----------------------------------------------------------------------------------


def builtin(colour: bool | None = None) -> dict[str, np.ndarray]:
    """Return the photographs that come inside the scikit-image wheel; nothing is downloaded.

    Parameters
    ----------
    colour : bool, optional
        True: only the colour ones (`COLOUR`); False: only the grey ones; None: all.

    Returns
    -------
    dict
        Name -> float32 (H, W, 3) or (H, W, 1) in [0, 1], sorted by name. `CREDITS` has the credit of each.
    """
    import skimage.data

    photographs = {}
    for name in sorted(CREDITS):
        if colour is None or colour == (name in COLOUR):
            pair = name == "motorcycle"
            stored = skimage.data.stereo_motorcycle()[0] if pair else getattr(skimage.data, name)()
            photographs[name] = as_images(stored if stored.ndim == 3 else stored[..., None], name)[0]
    return photographs


def folder(path: str | os.PathLike, recursive: bool = False) -> list[tuple[str, np.ndarray]]:
    """Read every picture of a folder.

    Parameters
    ----------
    path : path-like
    recursive : bool
        Also look in sub-folders.

    Returns
    -------
    list of (name, image)
        Sorted by name: the path relative to the folder, without the suffix unless two files differ only in
        it. If they do not fit in memory, loop over `image_files` and `read_image` instead.

    Raises
    ------
    FileNotFoundError
        No such folder, or no picture in it.
    ValueError
        A picture cannot be read.
    """
    files = image_files(path, recursive)
    if not files:
        raise FileNotFoundError(f"no image in {path}: expected files ending in {' '.join(SUFFIXES)}")
    names = [f.relative_to(path) for f in files]
    stems = [n.with_suffix("").as_posix() for n in names]
    labels = [s if stems.count(s) == 1 else n.as_posix() for s, n in zip(stems, names, strict=True)]
    return [(label, read_image(f)) for label, f in zip(labels, files, strict=True)]


def picture_fault(file: str | os.PathLike, pixels: str) -> str | None:
    """Say how a picture differs from the one whose `pixels_sha256` is given; None if it does not."""
    try:
        got = pixels_sha256(file)
    except ValueError as error:
        return str(error)
    return None if got == pixels else f"expected a picture with pixel hash {pixels}, got {got}"


def copies(path: str | os.PathLike, names: Iterable[str]) -> dict[str, Path]:
    """Find a folder's files for named pictures: NAME.png, NAME.bmp or NAME_GT.bmp; the last if several."""
    files = {file.stem.lower().removesuffix("_gt"): file for file in image_files(path)}
    return {name: files[name] for name in names if name in files}


def strange_picture(path: str | os.PathLike, pixels: Mapping[str, str]) -> str | None:
    """Say which picture of a folder is not the published one of that name, or None.

    Parameters
    ----------
    path : path-like
        The folder; pictures that it lacks are no fault here.
    pixels : mapping
        Name -> `pixels_sha256`, such as `SET5`.
    """
    for name, file in copies(path, pixels).items():
        if (wrong := picture_fault(file, pixels[name])) is not None:
            return f"{file} is not the published picture: {wrong}"
    return None


def set5() -> list[tuple[str, np.ndarray]]:
    """Read Set5, the five benchmark photographs (for scoring only), as (name, image) sorted by name.

    The folder Set5 is looked for under SR_DATA and in the cache; files may be named baby.png, baby.bmp or
    baby_GT.bmp. What they hold is compared with hashes of the published pixels, so any lossless copy will do.

    Raises
    ------
    FileNotFoundError
        The folder or one of the five is missing; the sentence says how to get it.
    ValueError
        A picture is not the published one: its scores could not be compared. `folder` reads other versions.
    """
    where = find_data("Set5")
    if where is None:
        how = "run `srutils fetch set5`, or put the folder Set5 under SR_DATA"
        raise FileNotFoundError(f"Set5 is not here: {how}")
    files = copies(where, SET5)
    if missing := [name for name in SET5 if name not in files]:
        lacking = ", ".join(missing)
        raise FileNotFoundError(f"{where} lacks {lacking}: expected NAME.png, NAME.bmp or NAME_GT.bmp")
    if (strange := strange_picture(where, SET5)) is not None:
        how = f"put that one there, or remove {where} and run `srutils fetch set5`"
        raise ValueError(f"{strange}; {how}")
    return [(name, read_image(files[name])) for name in SET5]


# --- splits and tiles -----------------------------------------------------------------------------

Photos = Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]


def photo_split(
    seed: int = 0, photos: Photos | None = None, fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Split photographs into train, validation and test.

    Cut tiles afterwards: tiles of one picture resemble each other, so they must not be divided. Photographs
    are ranked by the SHA-256 of seed and name, so their order does not matter, and the ranking is cut. Colour
    and grey are cut separately, so every part holds both if it can.

    Parameters
    ----------
    seed : int
    photos : mapping name -> image, or iterable of (name, image), optional
        Default: `builtin()`.
    fractions : three floats
        Shares of train, validation, test; each positive share of three or more pictures gets at least one.

    Returns
    -------
    train, validation, test : dict of name -> image

    Raises
    ------
    ValueError
        A name occurs twice, or the fractions do not add up to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"expected three fractions that add up to 1, got {fractions}")
    pairs = list(_pairs(builtin() if photos is None else photos))
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a photograph's name occurs twice: the parts of a split could share it")
    parts: tuple[dict, dict, dict] = ({}, {}, {})
    for channels in (3, 1):
        group = [pair for pair in pairs if pair[1].shape[-1] == channels]
        group.sort(key=lambda pair: hashlib.sha256(f"{seed}:{pair[0]}".encode()).digest())
        n = len(group)
        validation, test = (max(round(share * n), int(share > 0 and n > 2)) for share in fractions[1:])
        ends = (n - validation - test, n - test, n)
        for part, start, end in zip(parts, (0, *ends), ends, strict=False):
            part.update(sorted(group[start:end], key=lambda pair: pair[0]))
    return parts


def tiles(
    images: Photos, size: int = 128, n_per_image: int | None = None, seed: int = 0, order: str = "texture"
) -> np.ndarray:
    """Cut pictures into square tiles that do not overlap.

    The grid is centred on each picture; what does not fill a tile is left out, and so is a picture smaller
    than one tile. Grey pictures are repeated to three channels.

    Parameters
    ----------
    images : mapping name -> image, or iterable of (name, image)
        A generator is read one picture at a time.
    size : int
        Side of a tile in pixels.
    n_per_image : int, optional
        At most this many from each picture; None takes all.
    seed : int
        Used by ``order="random"`` only; a picture's draw depends on the seed and its name.
    order : "texture" or "random"
        Which come first: those with the largest mean luminance gradient (smooth sky teaches a network
        nothing), or a random draw.

    Returns
    -------
    numpy.ndarray
        float32 (N, size, size, 3), picture by picture.

    Raises
    ------
    ValueError
        No picture holds a tile, or an argument is out of range.
    """
    if size < 1 or (n_per_image is not None and n_per_image < 1) or order not in ("texture", "random"):
        raise ValueError(
            "expected size >= 1, n_per_image >= 1 or None, and order texture or random; "
            f"got {size}, {n_per_image}, {order!r}"
        )
    kept = []
    for name, image in _pairs(images):
        cut = _grid(image, size)
        if order == "texture":
            ranking = np.argsort(-_texture(cut), kind="stable")
        else:
            key = hashlib.sha256(f"{seed}:{name}".encode()).digest()
            ranking = np.random.default_rng(list(key)).permutation(len(cut))
        chosen = cut[ranking[:n_per_image]]
        kept.append(np.broadcast_to(chosen, (len(chosen), size, size, 3)))
    if not sum(map(len, kept)):
        raise ValueError(f"no picture is as large as one tile of {size} x {size} pixels")
    return np.concatenate(kept).astype(np.float32, copy=False)


def _pairs(photos: Photos) -> Iterator[tuple[str, np.ndarray]]:
    for name, image in photos.items() if isinstance(photos, Mapping) else photos:
        if not isinstance(name, str) or np.ndim(image) != 3 or np.shape(image)[-1] not in (1, 3):
            got = f"({name!r}, shape {np.shape(image)})"
            raise ValueError(f"expected (name, image (H, W, 1 or 3)), got {got}")
        yield name, image


def _grid(image: np.ndarray, size: int) -> np.ndarray:
    height, width, channels = image.shape
    rows, columns = height // size, width // size
    top, left = (height - rows * size) // 2, (width - columns * size) // 2
    inner = image[top : top + rows * size, left : left + columns * size]
    return inner.reshape(rows, size, columns, size, channels).swapaxes(1, 2).reshape(-1, size, size, channels)


def _texture(cut: np.ndarray) -> np.ndarray:
    """Mean absolute luminance step between neighbouring pixels, one value a tile."""
    grey = cut.mean(axis=-1)
    if not grey.size or cut.shape[1] < 2:
        return np.zeros(len(cut))
    return np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2))
