"""DeepLense folders, ``HR/sampleN.npy`` and ``LR/sampleN.npy``: found, read and written.

Pickled data are refused, and every complaint names the file that is at fault. Names of folders are compared
without regard to upper and lower case, as some systems do.
"""

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from srutils.files.npy import read_npy
from srutils.lensing.priors import CLASSES
from srutils.pairs import ImagePairs

DEPTH = 3  # folders that an archive may have put round its content
LOW, HIGH = -0.5, 1.5  # noise leaves [0, 1] a little; what leaves this is on another scale


def folders_below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Go through a folder and those inside it, the nearest first, but for hidden ones and archivers' own.

    Raises
    ------
    FileNotFoundError
        It is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    level = [folder]
    for _ in range(depth + 1):
        yield from level
        level = [path for one in level for path in subfolders(one)]


def subfolders(folder: Path) -> list[Path]:
    """List the folders in a folder by name, but for hidden ones and archivers' own."""
    with os.scandir(folder) as entries:  # it knows folders without a look at each of ten thousand files
        names = [e.name for e in entries if not e.name.startswith((".", "__")) and e.is_dir()]
    return [folder / name for name in sorted(names)]


def pairs_folder(folder: str | os.PathLike) -> dict[str, Path] | None:
    """Find the folders of a set of lens pairs: "HR", "LR" and, if it is there, "truth".

    They are looked for in the folder itself and then up to `DEPTH` deep, since archives put folders such as
    ``Dataset`` round them. Deeper down, HR must hold a ``.npy`` file: pairs of photographs are laid out so,
    too.

    Returns
    -------
    dict of str to Path, or None
        None if there are no such folders, or `folder` is not there.

    Raises
    ------
    ValueError
        Several sets lie side by side: which one is meant?
    """
    folder, found = Path(folder), []
    for path in folders_below(folder) if folder.is_dir() else ():
        inside = {p.name.lower(): p for p in subfolders(path)}
        kinds = {kind: inside[kind.lower()] for kind in ("HR", "LR", "truth") if kind.lower() in inside}
        if not {"HR", "LR"} <= kinds.keys():
            continue
        if path == folder:
            return kinds
        if _listing(kinds["HR"]):
            found.append(kinds)
    if len(found) > 1:
        names = ", ".join(str(kinds["HR"].parent.relative_to(folder)) for kinds in found)
        raise ValueError(f"{folder} holds several sets of HR and LR: {names}; name one of them")
    return found[0] if found else None


def _listing(folder):
    """Return the .npy files of a folder by the last number in their names, so that 2 comes before 10."""

    def number(path):
        digits = re.findall(r"\d+", path.stem)
        return (not digits, int(digits[-1]) if digits else 0, path.name)

    files = (f for f in folder.iterdir() if f.suffix.lower() == ".npy" and not f.name.startswith("."))
    return sorted(files, key=number)


def _read(path: Path) -> np.ndarray:
    """Read one lens image from a ``.npy`` file of shape (1, height, width).

    Returns
    -------
    ndarray (height, width), float32

    Raises
    ------
    ValueError
        Unreadable or pickled, another shape, no numbers, NaN or Inf, or values far outside [0, 1].
    """
    try:
        image = read_npy(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if image.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds {image.dtype}; expected an array of numbers")
    if image.ndim != 3 or image.shape[0] != 1 or image.size == 0:
        raise ValueError(f"{path} has shape {image.shape}; expected (1, height, width)")
    if not np.isfinite(image).all():
        raise ValueError(f"{path} holds NaN or Inf")
    low, high = image.min(), image.max()
    if low < LOW or high > HIGH:
        raise ValueError(
            f"{path} holds values from {low:.4g} to {high:.4g}; expected about 0 to 1: subtract the least "
            "value of HR from both images of a pair, and divide both by HR's range"
        )
    return image[0].astype(np.float32)


def load_deeplense(folder, n=None):
    """Load the pairs of the DeepLense super-resolution test, or of any folder with its layout.

    Parameters
    ----------
    folder : path
        Holds HR/sampleN.npy (1, 150, 150) and LR/sampleN.npy (1, 75, 75), or a folder (``Dataset``, say) that
        does. Other sizes are taken too, if all pairs agree and HR is a whole number of times LR. A third
        folder, truth, as `save_pairs` writes it, is read where it is there, and so are the set's name and the
        classes.
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
        For an image without its partner, an unreadable or pickled file, a wrong shape, HR smaller than LR,
        values far outside [0, 1], NaN or Inf, or no image.
    """
    if n is not None and n < 1:
        raise ValueError(f"n is {n}; expected at least 1, or None for all")
    folder = Path(folder)
    kinds = pairs_folder(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    if kinds is None:
        what = f"holds no folders HR and LR with .npy files, nor do those up to {DEPTH} deep inside it"
        raise FileNotFoundError(f"{folder} {what}")
    found = {kind: {f.name.lower(): f for f in _listing(path)} for kind, path in kinds.items()}
    for kind in kinds:
        other = "LR" if kind == "HR" else "HR"
        for name, path in found[kind].items():
            if name not in found[other]:
                raise ValueError(f"{path} has no partner {kinds[other] / path.name}")
    names = list(found["HR"])[:n]
    if not names:
        raise ValueError(f"{kinds['HR']} holds no .npy file to load")
    shapes = {kind: _read(files[names[0]]).shape for kind, files in found.items()}
    scale = _scale(shapes, found["HR"][names[0]], found["LR"][names[0]])
    images = {kind: np.empty((len(names), *shapes[kind], 1), np.float32) for kind in kinds}
    for kind, out in images.items():
        for i, name in enumerate(names):
            image = _read(found[kind][name])
            if image.shape != shapes[kind]:
                got, expected = (1, *image.shape), (1, *shapes[kind])
                raise ValueError(f"{found[kind][name]} has shape {got}; expected {expected}, as the first")
            out[i, ..., 0] = image
    known = _read_table(kinds["HR"].parent / "lenses.csv")
    rows = [known.get(name.removesuffix(".npy"), {}) for name in names]
    labels = [CLASSES.index(row["class"]) for row in rows if row.get("class") in CLASSES]
    labels = labels if len(labels) == len(rows) else None
    name = rows[0].get("set") or "deeplense-files"
    return ImagePairs(images["LR"], images["HR"], scale, name, truth=images.get("truth"), labels=labels)


def _scale(shapes, hr_file, lr_file):
    """Return how many times HR is as large as LR; ValueError if that is no whole number."""
    hr, lr = shapes["HR"], shapes["LR"]
    if hr[0] < lr[0] or hr[1] < lr[1]:
        raise ValueError(
            f"HR is smaller than LR: {hr_file} has shape {(1, *hr)}, {lr_file} {(1, *lr)}; "
            "the two folders look swapped"
        )
    scale = hr[0] // lr[0]
    if scale < 2 or (lr[0] * scale, lr[1] * scale) != hr:
        raise ValueError(
            f"{lr_file} has shape {(1, *lr)} and {hr_file} {(1, *hr)}; expected HR a whole number of times LR"
        )
    return scale


def _read_table(path):
    """Return the rows of `save_pairs`'s table by sample; none where there is no table."""
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["sample"].lower(): row for row in csv.DictReader(file) if row.get("sample")}


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
    aside = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.part")
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


def find_deeplense():
    """Return the folder of the DeepLense pairs under SR_DATA or the cache, for `load_deeplense`; or None.

    A folder ``Dataset`` counts only if it holds pairs: where names ignore case it may be ``dataset``, which
    holds the classes.
    """
    from srutils.course import find_data

    found = map(find_data, ("deeplense", "lensing/deeplense", "Dataset"))
    return next((path for path in found if path is not None and pairs_folder(path)), None)
