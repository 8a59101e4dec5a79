"""Lens data sets as files: DeepLense folders, read and written, and the cache file of a simulated set.

Every loader refuses pickled data, and names the file that is at fault.
"""

import csv
import os
import re
import shutil
from pathlib import Path

import numpy as np

from srutils.lensing.priors import CLASSES
from srutils.pairs import ImagePairs

# the names of the classes' folders in the copies of the data that are about
CLASS_FOLDERS = (
    ("no", "no_substructure", "no_sub"),
    ("sphere", "subhalo", "cdm"),
    ("vort", "vortex", "axion"),
)


# ---------------------------------------------------------------- DeepLense
def _aside(path):
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _number(path):
    """The last number in a file's name (sample12.npy: 12), so that 2 sorts before 10."""
    digits = re.findall(r"\d+", path.stem)
    return (not digits, int(digits[-1]) if digits else 0, path.name)


def _listing(folder):
    files = [f for f in folder.glob("*.npy") if not f.name.startswith(".")]
    return sorted(files, key=_number)


def _first(files, n, folder):
    """The first n of the listed files, at least one."""
    if n is not None and n < 1:
        raise ValueError(f"n is {n}; expected at least 1, or None for all")
    if not files:
        raise ValueError(f"{folder} holds no .npy file to load")
    return list(files)[:n]


def _existing(folder):
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    return folder


def _read(path, shape=None):
    """One image file -> (H, W) float32; `shape` is what the file must hold, None for any (1, H, W)."""
    try:
        image = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a readable .npy array: {error}") from None
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "fiu":
        raise ValueError(
            f"{path} holds {getattr(image, 'dtype', 'an archive')}; expected an array of numbers"
        )
    if shape is None and (image.ndim != 3 or image.shape[0] != 1 or image.size == 0):
        raise ValueError(f"{path} has shape {image.shape}; expected (1, height, width)")
    if shape is not None and image.shape != shape:
        raise ValueError(f"{path} has shape {image.shape}; expected {shape}")
    if not np.isfinite(image).all():
        raise ValueError(f"{path} holds NaN or Inf")
    return image[0].astype(np.float32)


def load_deeplense(folder, n=None):
    """Load the pairs of the DeepLense super-resolution test, or of any folder with its layout.

    Parameters
    ----------
    folder : path
        Holds HR/sampleN.npy (1, 150, 150) and LR/sampleN.npy (1, 75, 75), or a folder ``Dataset`` that does.
        Other sizes are taken too, if all pairs agree and HR is 2 or 4 times LR. A third folder, truth, as
        `save_pairs` writes it, is read where it is there, and so are the set's name and the classes.
    n : int, optional
        Load the first `n` pairs only.

    Returns
    -------
    ImagePairs
        In the order of the numbers. In the original files HR lies in [0, 1], LR may leave it slightly, and
        `truth` is None: nobody knows it.

    Raises
    ------
    FileNotFoundError
        If a folder does not exist.
    ValueError
        For an image without its partner, an unreadable or pickled file, a wrong shape, NaN or Inf, or no
        image.
    """
    folder = _existing(folder)
    if (folder / "Dataset").is_dir():
        folder = folder / "Dataset"
    kinds = ["HR", "LR", "truth"] if (folder / "truth").is_dir() else ["HR", "LR"]
    found = {kind: {f.name: f for f in _listing(_existing(folder / kind))} for kind in kinds}
    for kind in kinds:
        other = "LR" if kind == "HR" else "HR"
        alone = [name for name in found[kind] if name not in found[other]]
        if alone:
            raise ValueError(f"{found[kind][alone[0]]} has no partner {folder / other / alone[0]}")
    names = _first(found["HR"], n, folder / "HR")
    height, width = _read(found["HR"][names[0]]).shape
    small = _read(found["LR"][names[0]]).shape
    scale = 4 if (small[0] * 4, small[1] * 4) == (height, width) else 2
    sizes = {"HR": (height, width), "LR": (height // scale, width // scale), "truth": (height, width)}
    if height % scale or width % scale:
        raise ValueError(
            f"{found['HR'][names[0]]} has shape {(1, height, width)}; expected even numbers of pixels"
        )
    images = {kind: np.empty((len(names), *sizes[kind], 1), np.float32) for kind in kinds}
    for kind, out in images.items():
        for i, name in enumerate(names):
            out[i, ..., 0] = _read(found[kind][name], (1, *sizes[kind]))
    known = _read_table(folder / "lenses.csv")
    rows = [known.get(name.removesuffix(".npy"), {}) for name in names]
    labels = [CLASSES.index(row["class"]) for row in rows if row.get("class") in CLASSES]
    return ImagePairs(
        images["LR"],
        images["HR"],
        scale,
        rows[0].get("set") or "deeplense-files",
        truth=images.get("truth"),
        labels=labels if len(labels) == len(rows) else None,
    )


def _read_table(path):
    """The rows of `save_pairs`'s table by sample; none where there is no table, as beside the real files."""
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["sample"]: row for row in csv.DictReader(file) if row.get("sample")}


def save_pairs(pairs, folder):
    """Write lenses as a folder that `load_deeplense` reads, and a table of what is known of each.

    HR/sampleN.npy, LR/sampleN.npy and, for simulated pairs, truth/sampleN.npy hold (1, height, width)
    float32, N = 1, 2, ...; lenses.csv has a line a sample: its name, the set's name (which says what
    counts as the target), its class, and every parameter that is one number.

    Raises
    ------
    FileExistsError
        If `folder` exists and is not empty.
    ValueError
        For colour images.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; expected a new or an empty folder")
    if pairs.hr.shape[-1] != 1:
        raise ValueError(f"{pairs.name} has {pairs.hr.shape[-1]} channels; lens files hold 1")
    aside = _aside(folder.absolute())
    images = {k: v for k, v in (("HR", pairs.hr), ("LR", pairs.lr), ("truth", pairs.truth)) if v is not None}
    table = {"sample": [f"sample{i + 1}" for i in range(len(pairs))], "set": [pairs.name] * len(pairs)}
    if pairs.labels is not None:
        table["class"] = [CLASSES[label] for label in pairs.labels]
    table |= {k: v.tolist() for k, v in (pairs.params or {}).items() if np.ndim(v) == 1}
    try:
        for kind, stack in images.items():
            (aside / kind).mkdir(parents=True)
            for name, image in zip(table["sample"], stack, strict=True):
                np.save(aside / kind / f"{name}.npy", image[None, ..., 0])
        with open(aside / "lenses.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([list(table), *zip(*table.values(), strict=True)])
        if folder.exists():
            folder.rmdir()
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def load_classes(folder, split="train", n=None):
    """Load images of the three dark-matter classes (DeepLense "Common Test I").

    Parameters
    ----------
    folder : path
        Holds one folder a class, {no,sphere,vort} or {no_substructure,subhalo,vortex}, with N.npy (1, 150,
        150); or {train,val} with those inside; or a folder ``dataset`` with any of these.
    split : {"train", "val"}
        Which part to load, where the folder has parts.
    n : int, optional
        Load the first `n` images of each class only.

    Returns
    -------
    images : ndarray (N, H, W, 1), float32
    labels : ndarray (N,), int64
        0 no substructure, 1 subhalo, 2 vortex; all images of a class follow one another.

    Raises
    ------
    FileNotFoundError
        If the folder, the part or a class does not exist.
    ValueError
        For an unknown part, an unreadable or pickled file, images of different shapes, NaN or Inf, an empty
        class.
    """
    if split not in ("train", "val"):
        raise ValueError(f"split is {split!r}; expected 'train' or 'val'")
    folder = _existing(folder)
    if (folder / "dataset").is_dir():
        folder = folder / "dataset"
    if any((folder / part).is_dir() for part in ("train", "val")):
        folder = _existing(folder / split)
    images, labels, shape = [], [], None
    for label, names in enumerate(CLASS_FOLDERS):
        present = [folder / name for name in names if (folder / name).is_dir()]
        if not present:
            raise FileNotFoundError(
                f"{folder} has no folder for {CLASSES[label]}: expected {' or '.join(names)}"
            )
        files = _first(_listing(present[0]), n, present[0])
        for path in files:
            images.append(_read(path, shape))
            shape = (1, *images[0].shape)
        labels += [label] * len(files)
    return np.stack(images)[..., None], np.array(labels, np.int64)


def _find(candidates, inside):
    from srutils.course import find_data

    found = (find_data(name) for name in candidates)
    return next((f for f in found if f is not None and any((f / i).is_dir() for i in inside)), None)


def find_deeplense():
    """Folder of the DeepLense pairs under SR_DATA or the cache, for `load_deeplense`; or None."""
    return _find(("deeplense", "lensing/deeplense", "Dataset"), ("HR", "Dataset"))


def find_classes():
    """Folder of the three classes under SR_DATA or the cache, for `load_classes`; None if there is none.

    The full data set comes before a small sample of it.
    """
    inside = ("train", "val", "no", "no_substructure", "dataset")
    return _find(
        ("deeplense_cls", "lensing/deeplense_cls", "dataset", "lensing/deeplense_cls_sample"), inside
    )
