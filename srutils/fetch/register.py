"""The register of datasets, and what makes each of them whole; `srutils.fetch.dataset` gets them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from srutils.fetch.rar import is_rar
from srutils.files.images import image_files, pixels_sha256

# sub-folder ("": the folder itself) -> (how many files, shape of the arrays in them; None: pictures)
Parts = Mapping[str, tuple[int, tuple[int, ...] | None]]


@dataclass(frozen=True)
class Remote:
    """One file to download, verified by size and sha256, by `pixels_sha256`, or as being an archive."""

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    pixels: str | None = None
    limit: int | None = None  # bytes, where the size is not on record
    drive: bool = False  # on Google Drive, which puts a page in front of large files

    def check(self, path: Path) -> str | None:
        """Return None if the file is the expected one as far as its content tells, else what is wrong."""
        if self.pixels is not None:
            try:
                got = pixels_sha256(path)
            except ValueError as error:
                return str(error)
            return (
                None if got == self.pixels else f"expected a picture with pixel hash {self.pixels}, got {got}"
            )
        if self.sha256 is not None:  # says it all
            return None
        if self.name.endswith(".rar"):
            return None if is_rar(path) else "it is not a RAR archive"
        return None if zipfile.is_zipfile(path) else "it is not a whole zip archive"


@dataclass(frozen=True)
class Dataset:
    """A dataset to fetch: its `folder` under SR_DATA, the `parts` that make it whole, its files."""

    name: str
    title: str
    folder: str
    size: str  # of the download, for people
    parts: Parts
    files: tuple[Remote, ...]
    licence: str
    archive: bool = True  # the file is an archive to unpack, not an image
    also: tuple[str, ...] = ()  # other names under SR_DATA at which the loaders find it

    def lack(self, folder: Path) -> str | None:
        """Return None if a folder holds the whole dataset, else what is missing or wrong.

        Pictures are counted. Arrays are counted, and type, shape and length of each are looked at; whatever
        would have to be unpickled is refused.
        """
        for part, (count, shape) in self.parts.items():
            where = folder / part
            if not where.is_dir():
                return f"there is no folder {part or folder}"
            files = image_files(where)
            files = files if shape is None else [file for file in files if file.suffix == ".npy"]
            if len(files) < count:
                return f"{part or folder} holds {len(files)} files of {count}"
            for file in files if shape is not None else ():
                if (wrong := _array_fault(file, shape)) is not None:
                    return f"{file.relative_to(folder)} {wrong}"
        return None

    def proof(self, own_folder: bool = False) -> str:
        """How a download, or a folder of the user's, is verified: a sentence for people."""
        if not own_folder and all(remote.sha256 for remote in self.files):
            return "Verified by its size and SHA-256."
        if not own_folder and all(remote.pixels for remote in self.files):
            return "Verified by a hash of the pixels of each picture."
        arrays = any(shape is not None for _, shape in self.parts.values())
        content = "the number of files" + ", and shape and type of each array; nothing is unpickled" * arrays
        return (
            f"{'' if own_folder else 'No hash of it is published. '}It is checked by its content: {content}."
        )


def _array_fault(path: Path, shape: tuple[int, ...]) -> str | None:
    import numpy as np

    try:  # mapped, so that only the header is read, and a file that is too short is noticed
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        return f"is not a readable .npy array: {error}"
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != shape:
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        return f"holds {got}; expected real numbers of shape {shape}"
    return None


# --- the register ---------------------------------------------------------------------------------

_SET5_COMMIT = "78be1a24697935fc39a3a8cf59a6632264afade7"
_SET5_URL = f"https://raw.githubusercontent.com/tegg89/SRCNN-Tensorflow/{_SET5_COMMIT}/Test/Set5/"
# The bytes of the BMP files are not on record, their pixels are: these hashes are of lossless copies.
_SET5_PIXELS = {
    "baby": "60b90aadcf032a815597fc78705846c8ff8aec0b5175119fa740d9277a8faf14",
    "bird": "336a675cd3213153d32a2dd2714b4e16d8b9500a1a7df066267274ebd6efb631",
    "butterfly": "b1a3dbb366f1c22e4a9dfb4a32585639cd12c3ab6c8db4e1c05c23bdf326ea55",
    "head": "ce4dd46d9793d8c4a3c7c8b2bab89707c60a7188e636c0a411581f63e2eb455d",
    "woman": "d6f9b1446d2ba00e59d697a336e37836cee8130f66f3901c02fe26714da34fc9",
}
_DIV2K_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_DIV2K_LICENCE = (
    "DIV2K (Agustsson and Timofte, CVPR Workshops 2017): for academic research only; the photographs were "
    "collected from the web and their copyright stays with their owners. Terms: " + _DIV2K_URL
)
# name, title, folder under DIV2K/, images, file, bytes, sha256 (the checksum list of TensorFlow Datasets)
_DIV2K = """
div2k-valid    | validation: 100 photographs | DIV2K_valid_HR           | 100 | DIV2K_valid_HR.zip            |  448993893 | 20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc
div2k-train    | training: 800 photographs   | DIV2K_train_HR           | 800 | DIV2K_train_HR.zip            | 3530603713 | 9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335
div2k-valid-x4 | validation, bicubic x4 LR   | DIV2K_valid_LR_bicubic/X4 | 100 | DIV2K_valid_LR_bicubic_X4.zip |   31505881 | a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553
div2k-train-x4 | training, bicubic x4 LR     | DIV2K_train_LR_bicubic/X4 | 800 | DIV2K_train_LR_bicubic_X4.zip |  246914039 | f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a
"""  # noqa: E501


def _div2k(row: str) -> Dataset:
    name, title, folder, images, file, size, sha256 = (cell.strip() for cell in row.split("|"))
    remote = Remote(_DIV2K_URL + file, file, int(size), sha256)
    title, folder, parts = f"DIV2K {title}", f"DIV2K/{folder}", {"": (int(images), None)}
    return Dataset(name, title, folder, f"{int(size) / 1e6:,.0f} MB", parts, (remote,), _DIV2K_LICENCE)


_SET5 = Dataset(
    name="set5",
    title="Set5: the five test photographs of super-resolution papers (for scoring only)",
    folder="Set5",
    size="1.7 MB",
    parts={"": (5, None)},
    files=tuple(Remote(f"{_SET5_URL}{n}_GT.bmp", f"{n}.bmp", pixels=h) for n, h in _SET5_PIXELS.items()),
    licence="Set5 (Bevilacqua et al., BMVC 2012): no licence is stated for the photographs; they are used "
    "throughout the literature for measuring. Fetched from a public repository, not redistributed here.",
    archive=False,
)
_L5 = "Linnaeus 5 128X128"
_LINNAEUS5 = Dataset(
    name="linnaeus5",
    title="Linnaeus 5: 8,000 photographs of 128 x 128 px in five classes",
    folder=_L5,
    size="size not published",
    parts={
        f"{part}/{name}": (count, None)
        for part, count in (("train", 1200), ("test", 400))
        for name in ("berry", "bird", "dog", "flower", "other")
    },
    files=(
        Remote(f"http://chaladze.com/l5/img/{_L5.replace(' ', '%20')}.rar", f"{_L5}.rar", limit=512 << 20),
    ),
    licence="Linnaeus 5 (Chaladze and Kalatozishvili, 2017): for terms see http://chaladze.com/l5/; none are "
    "recorded here.",
)
_DRIVE = "https://drive.google.com/uc?export=download&id="
_DEEPLENSE_LICENCE = (
    "DeepLense (ML4SCI; Alexander et al. 2020, arXiv:1909.07346): no licence is stated for the files. "
    "Fetched from Google Drive, where their authors keep them, not redistributed here."
)
_DEEPLENSE_SR = Dataset(
    name="deeplense-sr",
    title="DeepLense super-resolution test: 10,000 pairs of simulated lenses, 75 and 150 px",
    folder="deeplense",
    size="533 MB",
    parts={"HR": (10_000, (1, 150, 150)), "LR": (10_000, (1, 75, 75))},
    files=(
        Remote(_DRIVE + "1nm_4qEHQ0iSKnpPT3hu1i0fNuTpUx-J8", "deeplense-sr.zip", limit=1 << 30, drive=True),
    ),
    licence=_DEEPLENSE_LICENCE,
    also=("lensing/deeplense", "Dataset"),
)
_DEEPLENSE_CLASSES = Dataset(
    name="deeplense-classes",
    title='DeepLense "Common Test I": 37,500 simulated lenses of 150 px in three classes of dark matter',
    folder="deeplense_cls",
    size="about 1 GB; 6.8 GB unpacked",  # judged by what 15 of its files pack to; not published
    parts={
        f"{part}/{name}": (count, (1, 150, 150))
        for part, count in (("train", 10_000), ("val", 2500))
        for name in ("no", "sphere", "vort")
    },
    files=(
        Remote(
            _DRIVE + "1ZEyNMEO43u3qhJAwJeBZxFBEYc_pVYZQ", "deeplense-classes.zip", limit=8 << 30, drive=True
        ),
    ),
    licence=_DEEPLENSE_LICENCE,
    also=("lensing/deeplense_cls", "dataset"),
)
DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (_SET5, *map(_div2k, _DIV2K.strip().splitlines()), _LINNAEUS5, _DEEPLENSE_SR, _DEEPLENSE_CLASSES)
}
GROUPS = {"div2k": ("div2k-valid", "div2k-valid-x4")}  # what lessons use; the training set is 3.5 GB more
