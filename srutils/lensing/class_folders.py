"""Folders of lens images, one for each class of dark matter, under whatever names and in whatever nesting."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from srutils.files.images import SUFFIXES, image_files
from srutils.lensing.folders import folders_below, subfolders
from srutils.lensing.priors import CLASSES

# How the classes' folders are called in the copies that are about, by class; "_", "-" and case do not count.
USUAL = (
    ("no", "no_sub", "no_substructure", "none", "smooth"),
    ("sphere", "spherical", "sub", "subhalo", "subhalos", "cdm"),
    ("vort", "vortex", "vortices", "axion"),
)
PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
PARTS |= dict.fromkeys(("val", "valid", "validation"), "val")


def part_of(path: Path) -> str:
    """Return which part of a data set a relative path lies in: "train", "val", "test", or "" for none.

    The innermost folder counts: ``Common Test I/dataset/train`` is for training.
    """
    words = (word for name in reversed(path.parts) for word in re.split("[^a-z]+", name.lower()))
    return next((PARTS[word] for word in words if word in PARTS), "")


def class_names(text: str | None) -> dict[str, int]:
    """Read the reader's mapping, ``no_sub=no_substructure,cdm=subhalo,axion=vortex``: name -> class.

    Raises
    ------
    ValueError
        It is not of this form, or a class on the right is none of ours.
    """
    found = {}
    for pair in filter(None, (text or "").split(",")):
        name, equals, ours = (piece.strip() for piece in pair.partition("="))
        if not name or not equals or ours not in CLASSES:
            known = ", ".join(CLASSES)
            raise ValueError(f"--classes has {pair!r}; expected NAME=CLASS, CLASS being one of {known}")
        found[_plain(name)] = CLASSES.index(ours)
    return found


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def class_files(
    folder: str | os.PathLike, names: Mapping[str, int] | None = None
) -> dict[str, list[tuple[int, Path]]]:
    """List the images of a folder that has one folder a class, in itself or in its parts.

    Parameters
    ----------
    folder : path
        Holds one folder a class, or {train,val,test} with those inside, or folders round either, as archives
        make them (``dataset/dataset/train/no``).
    names : dict, optional
        What the reader calls the classes, see `class_names`; it goes before `USUAL`.

    Returns
    -------
    dict of str to list of (class, path)
        By part, "" where there are none; in turn from the three classes, in the order of the numbers.

    Raises
    ------
    FileNotFoundError
        No such folder; a class without a folder, or without an image.
    ValueError
        A folder of images beside the classes whose name says nothing, or two sets of the same part.
    """
    folder = Path(folder)
    known = {_plain(name): label for label, usual in enumerate(USUAL) for name in usual} | (names or {})
    roots: dict[str, Path] = {}
    for path in folders_below(folder):
        if len(_named(path, known)) < 2:
            continue
        part = part_of(path.relative_to(folder))
        if part in roots:
            two = f"{roots[part]} and {path}"
            raise ValueError(f"{folder} holds two sets of classes, {two}; name one of them")
        roots[part] = path
    if not roots:
        held = ", ".join(path.name for path in subfolders(folder)[:9]) or "no folder"
        usual = "; ".join(" or ".join(names[:3]) for names in USUAL)
        raise FileNotFoundError(
            f"{folder} holds {held}; expected a folder of images for each class, called {usual}; "
            f"other names are told apart by --classes NAME={CLASSES[0]},NAME={CLASSES[1]},NAME={CLASSES[2]}"
        )
    return {part: _in_turn(path, known) for part, path in roots.items()}


def _named(path: Path, known: Mapping[str, int]) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for inside in sorted(path.iterdir()):
        if inside.is_dir() and _plain(inside.name) in known:
            found.setdefault(known[_plain(inside.name)], []).append(inside)
    return found


def _in_turn(root: Path, known: Mapping[str, int]) -> list[tuple[int, Path]]:
    named, listed = _named(root, known), []
    for label, usual in enumerate(USUAL):
        if label not in named:
            expected = " or ".join(usual)
            raise FileNotFoundError(f"{root} has no folder for {CLASSES[label]}: expected {expected}")
        files = [file for path in named[label] for file in image_files(path)]
        files.sort(key=lambda file: (len(file.stem), file.name))  # by number
        if not files:
            where = " and ".join(map(str, named[label]))
            raise FileNotFoundError(f"no image in {where}; expected files ending in {' '.join(SUFFIXES)}")
        listed += [(i, label, file) for i, file in enumerate(files)]
    taken = [path for paths in named.values() for path in paths]
    for path in subfolders(root):
        if path not in taken and image_files(path):
            raise ValueError(
                f"{path} lies beside the classes' folders, and its name is none of theirs; say what it is "
                f"(--classes {path.name}={CLASSES[1]}, for instance) or move it away"
            )
    return [(label, file) for _, label, file in sorted(listed)]


def find_classes() -> Path | None:
    """Return the folder of the three classes under SR_DATA or the cache, for `class_files`; or None.

    The full data set comes before a small sample of it.
    """
    from srutils.course import find_data

    names = ("deeplense_cls", "lensing/deeplense_cls", "dataset", "lensing/deeplense_cls_sample")
    return next((path for path in map(find_data, names) if path is not None and _has_classes(path)), None)


def _has_classes(path: Path) -> bool:
    try:
        return bool(class_files(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
