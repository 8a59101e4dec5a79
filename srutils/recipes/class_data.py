"""Lens images in folders by class, in three separate parts, for the classifier's recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srutils.recipes.data import SPLIT, counted, fingerprint


@dataclass(frozen=True)
class ClassData:
    """Lens images and their classes.

    Attributes
    ----------
    train, val, test : (ndarray (N, size, size, 1) float16, ndarray (N,) int64)
        Images in [0, 1] as the classifier takes them, and indices into CLASSES. `test` is empty where the
        folder has parts of its own and none for it.
    says, split, images, fingerprint
        As in `PairsData`.
    """

    train: tuple[np.ndarray, np.ndarray]
    val: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    says: str
    split: str
    images: int
    fingerprint: str


def class_images(folder: Path, classes: str | None = None, size: int = 128, seed: int = 0) -> ClassData:
    """Read lens images that are sorted into one folder a class.

    Parameters
    ----------
    folder : Path
        See `srutils.lensing.class_folders.class_files`.
    classes : str, optional
        The reader's names, ``no_sub=no_substructure,cdm=subhalo,axion=vortex``.
    size : int
        Side of the middle that is cut out.
    seed : int
        Of the split, where the folder has no parts: 80/10/10 of each class.

    Raises
    ------
    FileNotFoundError, ValueError
        As `class_files`; a file that cannot be used; too few images.
    """
    from srutils.lensing.class_folders import class_files, class_names

    found = class_files(folder, class_names(classes))
    if len(found) == 1:
        listed, split = _by_class(next(iter(found.values())), seed)
    else:
        if "train" not in found:
            raise FileNotFoundError(f"{folder} has parts {', '.join(found)}; expected one called train")
        listed = [found.get(part, []) for part in ("train", "val", "test")]
        if not listed[1]:
            listed[1:] = listed[2], []
        split = "the folder's own parts"
    counts = counted(listed if listed[2] else listed[:2])
    parts = [_read_classes(part, size) for part in listed]
    mark = fingerprint(array for part in parts[:2] for array in part)
    says = f"{sum(map(len, listed))} images of {Path(folder).name} in three classes"
    return ClassData(*parts, says, f"{split}: {counts}", len(listed[0]), mark)


def _by_class(files, seed: int):
    """Cut the files of each class 80/10/10 in a shuffled order."""
    cut: list[list] = [[], [], []]
    for label in sorted({label for label, _ in files}):
        own = [file for file in files if file[0] == label]
        if len(own) < 3:
            holds = f"{own[0][1].parent} holds {len(own)} images"
            raise ValueError(f"{holds}; expected at least 3, one for each part")
        order = np.random.default_rng([seed, label]).permutation(len(own))
        held = max(1, round(SPLIT[1] * len(own)))
        for part, chosen in zip(cut, np.split(order, (len(own) - 2 * held, len(own) - held)), strict=True):
            part += [own[i] for i in sorted(chosen)]
    return cut, f"80/10/10 of each class, seed {seed}"


def _read_classes(files, size: int) -> tuple[np.ndarray, np.ndarray]:
    from tqdm.auto import tqdm

    from srutils.lensing.classifier import read_lens

    images = np.empty((len(files), size, size, 1), np.float16)
    bar = tqdm(files, "images", disable=len(files) < 500, leave=False)
    for i, (_, path) in enumerate(bar):
        images[i] = read_lens(path, size)
    return images, np.array([label for label, _ in files], np.int64)
