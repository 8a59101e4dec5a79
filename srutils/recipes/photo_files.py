"""Photographs to train on: which files they are, which belong together, and which part each is for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srutils.files.images import SUFFIXES, image_files, read_image
from srutils.lensing.class_folders import part_of
from srutils.pairs import as_images, crop_to_multiple, degrade, resize

# The course's own choice under SR_DATA: folder -> whether it is large and soft, and so is halved, and whether
# every 20th photograph of it is for validation.
COURSE = {"CID22": (False, True), "Contest": (True, True), "Photos": (True, False)}
COURSE |= {"T91": (False, False), "BSD200": (False, True)}
TEST_SETS = ("set5", "set14", "bsd100", "b100", "urban100", "kodak24", "kodak", "manga109")
REDUCED = re.compile(r"(.+?)_?x([2-8])", re.IGNORECASE)  # 0801x4: photograph 0801, reduced by 4


@dataclass(frozen=True)
class Photograph:
    """One photograph on disk: its file, its LR file if it has one, and what it is for."""

    name: str
    hr: Path
    lr: Path | None = None
    halve: bool = False
    part: str = ""


def in_folder(folder: Path, scale: int) -> tuple[list[Photograph], list[str]]:
    """Find the photographs of a folder of any nesting, and what has to be said about it.

    Files named like ``0801x4.png`` are LR of ``0801.png``, wherever in the folder the two lie. If there are
    such for this scale, pairs are taken and nothing else.

    Returns
    -------
    photographs : list of Photograph
        Sorted by name; ``part`` is "train", "val" or "test" where the folders' names say so.
    notes : list of str
        What was left out, and why.

    Raises
    ------
    FileNotFoundError
        No photograph.
    ValueError
        The folder is a test set, or two HR files of pairs have one name.
    """
    folder, notes = Path(folder), []
    files = [f for f in image_files(folder, recursive=True) if f.suffix.lower() != ".npy"]
    barred = [f for f in files if _test_set(f.relative_to(folder).parts[:-1])]
    if _test_set(folder.resolve().parts[-1:]) or (files and len(barred) == len(files)):
        raise ValueError(
            f"{folder} is a test set, which nothing may be trained on; expected other photographs"
        )
    if barred:
        notes.append(f"{len(barred)} photographs of test sets are left out")
    files = [f for f in files if f not in set(barred)]
    stems = {f.stem for f in files}
    small = {f: m for f in files if (m := REDUCED.fullmatch(f.stem)) and m[1] in stems}
    large = [f for f in files if f not in small]
    if not large:
        raise FileNotFoundError(
            f"no photograph in {folder}; expected files ending in {' '.join(SUFFIXES[:-1])}"
        )
    partners = {m[1]: f for f, m in small.items() if int(m[2]) == scale}
    if small and not partners:
        notes.append(
            f"its LR files are of another scale than {scale} and are left out: LR is made by bicubic"
        )
    if partners:
        alone = [f for f in large if f.stem not in partners]
        notes += [f"{len(alone)} HR files without an LR file are left out"] if alone else []
        large = [f for f in large if f.stem in partners]
        if len(large) > len(partners):
            twice = [f for f in large if sum(g.stem == f.stem for g in large) > 1]
            raise ValueError(f"{twice[0]} and {twice[1]} have one name; which is the HR of its LR file?")
    # names, which decide the split, do not depend on the folders that an archive put round its content
    root, found = Path(os.path.commonpath([f.parent for f in large])), []
    for file in large:
        part = part_of(file.relative_to(folder).parent)
        name = file.relative_to(root).as_posix()
        found.append(Photograph(name, file, partners.get(file.stem), part=part))
    return found, notes


def _test_set(names: Iterable[str]) -> bool:
    return any(re.sub("[^a-z0-9]", "", name.lower()) in TEST_SETS for name in names)


def of_the_course() -> tuple[list[Photograph], str]:
    """Find what the shipped models learn from: the sets of `COURSE` under SR_DATA, or else DIV2K.

    Returns
    -------
    photographs : list of Photograph
        ``part`` is "train" or "val".
    says : str
        Which sets they are, for a card.

    Raises
    ------
    FileNotFoundError
        Neither is there; the sentence says what to do.
    """
    from srutils.course import find_data

    found, says = [], []
    for name, (halve, held_out) in COURSE.items():
        if (folder := find_data(name)) is None:
            continue
        for i, file in enumerate(image_files(folder)):
            part = "val" if held_out and i % 20 == 0 else "train"
            found.append(Photograph(f"{name}/{file.name}", file, None, halve, part))
        says.append(f"{name} (halved)" if halve else name)
    if {photo.part for photo in found} == {"train", "val"}:
        return found, ", ".join(says)
    train, valid = (find_data(f"DIV2K/DIV2K_{part}_HR") for part in ("train", "valid"))
    if train is None or valid is None:
        raise FileNotFoundError(
            "there are no photographs to learn from: --data FOLDER takes yours, `srutils fetch div2k-train` "
            "and `srutils fetch div2k-valid` bring DIV2K, and SR_DATA may name a folder that holds "
            f"{', '.join(COURSE)}"
        )
    found = [Photograph(f"train/{f.name}", f, part="train") for f in image_files(train)]
    found += [Photograph(f"valid/{f.name}", f, part="val") for f in image_files(valid)[::10]]
    return found, "DIV2K train"


def read_pair(photo: Photograph, scale: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a photograph and its LR, which is made by the benchmark protocol where there is no file of it.

    Parameters
    ----------
    photo : Photograph
    scale : int
    limit : int
        Of a larger photograph only a window of about so many pixels is kept, where it has most texture.

    Returns
    -------
    lr, hr : ndarray (h, w, C) and (h * scale, w * scale, C), uint8, C = 1 or 3

    Raises
    ------
    ValueError
        A file that cannot be read, values outside [0, 1], or an LR file of another size; it is named.
    """
    hr = _unit(read_image(photo.hr), photo.hr)
    if photo.halve:
        even = crop_to_multiple(hr, 2)
        hr = resize(even, (even.shape[0] // 2, even.shape[1] // 2), "lanczos")
    if photo.lr is None:
        if min(hr.shape[:2]) < scale:
            raise ValueError(f"{photo.hr} is {hr.shape[0]} x {hr.shape[1]} pixels; expected at least {scale}")
        hr, lr = crop_to_multiple(hr, scale), None
    else:
        lr = _unit(read_image(photo.lr), photo.lr)
        h, w = (side * scale for side in lr.shape[:2])
        fits = 0 <= hr.shape[0] - h < scale and 0 <= hr.shape[1] - w < scale and lr.shape[2] == hr.shape[2]
        if not fits:
            raise ValueError(
                f"{photo.lr} has shape {lr.shape} and {photo.hr} {hr.shape}; expected the second "
                f"{scale} times as large{': the two look swapped' if hr.shape[0] < lr.shape[0] else ''}"
            )
        hr = hr[:h, :w]
    rows, columns = _window(hr, scale, limit)
    hr = levels(hr[rows, columns])
    if lr is None:
        return levels(degrade(hr, scale)), hr
    rows, columns = (slice(part.start // scale, part.stop // scale) for part in (rows, columns))
    return levels(lr[rows, columns]), hr


def _unit(image: np.ndarray, path: Path) -> np.ndarray:
    if image.min() < -0.01 or image.max() > 1.01:
        raise ValueError(f"{path} holds values from {image.min():.4g} to {image.max():.4g}; expected 0 to 1")
    return image


def levels(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, C) in [0, 1] as levels of 8 bits."""
    return np.rint(np.clip(as_images(image)[0], 0, 1) * 255).astype(np.uint8)


def _window(hr: np.ndarray, scale: int, limit: int) -> tuple[slice, slice]:
    """Return the rows and columns of the window with most texture, of at most about `limit` pixels."""
    height, width = hr.shape[:2]
    h = height if height * width <= limit else min(height, int(limit**0.5) // scale * scale)
    w = width if height * width <= limit else min(width, limit // max(h, 1) // scale * scale)
    if (h, w) == (height, width):
        return slice(0, height), slice(0, width)
    grey, best = hr[::2, ::2].mean(-1), (-1.0, 0, 0)
    for top in np.linspace(0, height - h, 3).astype(int) // scale * scale:
        for left in np.linspace(0, width - w, 3).astype(int) // scale * scale:
            part = grey[top // 2 : (top + h) // 2, left // 2 : (left + w) // 2]
            texture = float(np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean())
            best = max(best, (texture, int(top), int(left)))
    return slice(best[1], best[1] + h), slice(best[2], best[2] + w)
