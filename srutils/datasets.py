"""The register of datasets that can be downloaded, and how each is verified."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .archives import unpack
from .download import fetch, pixels_sha256
from .image_files import image_files
from .rar import is_rar
from .rar import reader as rar_reader


@dataclass(frozen=True)
class Remote:
    """One file to download, verified by size and sha256, by `pixels_sha256`, or as a RAR archive."""

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    pixels: str | None = None
    limit: int | None = None  # bytes, where the size is not on record

    def check(self, path: Path) -> str | None:
        """Return None if the file is the expected one as far as its content tells, else what is wrong."""
        if self.name.endswith(".rar"):  # not a web page that took its place
            return None if is_rar(path) else "it is not a RAR archive"
        if self.pixels is None:
            return None
        try:
            got = pixels_sha256(path)
        except ValueError as error:
            return str(error)
        return None if got == self.pixels else f"expected a picture with pixel hash {self.pixels}, got {got}"


@dataclass(frozen=True)
class Dataset:
    """A dataset to fetch: its `folder` under SR_DATA, how many `images` make it whole, its files."""

    name: str
    title: str
    folder: str
    images: int
    files: tuple[Remote, ...]
    licence: str
    archive: bool = False  # the file is an archive to unpack, not an image


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
    title, folder = f"DIV2K {title}", f"DIV2K/{folder}"
    return Dataset(name, title, folder, int(images), (remote,), _DIV2K_LICENCE, archive=True)


_SET5 = Dataset(
    name="set5",
    title="Set5: the five test photographs of super-resolution papers (for scoring only)",
    folder="Set5",
    images=5,
    files=tuple(Remote(f"{_SET5_URL}{n}_GT.bmp", f"{n}.bmp", pixels=h) for n, h in _SET5_PIXELS.items()),
    licence="Set5 (Bevilacqua et al., BMVC 2012): no licence is stated for the photographs; they are used "
    "throughout the literature for measuring. Fetched from a public repository, not redistributed here.",
)
# Neither size nor hash is published: the file is whole if all its 8,000 pictures can be unpacked.
_LINNAEUS5 = Dataset(
    name="linnaeus5",
    title="Linnaeus 5: 8,000 photographs of 128 x 128 px in five classes",
    folder="Linnaeus 5 128X128",
    images=8000,
    files=(
        Remote(
            "http://chaladze.com/l5/img/Linnaeus%205%20128X128.rar", "Linnaeus 5 128X128.rar", limit=512 << 20
        ),
    ),
    licence="Linnaeus 5 (Chaladze and Kalatozishvili, 2017): for terms see http://chaladze.com/l5/; none are "
    "recorded here.",
    archive=True,
)
DATASETS: dict[str, Dataset] = {
    d.name: d for d in (_SET5, *map(_div2k, _DIV2K.strip().splitlines()), _LINNAEUS5)
}
GROUPS = {"div2k": ("div2k-valid", "div2k-valid-x4")}  # what lessons use; the training set is 3.5 GB more


def fetch_dataset(
    name: str,
    dest: str | os.PathLike | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> Path:
    """Make a registered dataset available and return its folder.

    A folder already under SR_DATA, in the cache or in `dest`, also one downloaded by hand, is accepted if it
    holds the dataset's number of images. Otherwise the licence is shown and the files are fetched, verified
    and, if need be, unpacked (the archive is then removed).

    Parameters
    ----------
    name : str
        A key of `DATASETS`: set5, div2k-valid, div2k-train, div2k-valid-x4, div2k-train-x4, linnaeus5; or of
        `GROUPS`: div2k, both of its validation sets.
    dest : path-like, optional
        Where the dataset's folder is made (a later ``SR_DATA=dest`` finds it). Default: the cache.
    progress : bool
        Show progress bars.
    say : callable
        Receives the licence text before anything is downloaded.

    Raises
    ------
    ValueError
        Unknown name, or what was downloaded is not the expected content.
    OSError
        The download failed, or an incomplete folder is in the way.
    """
    if name in GROUPS:
        folders = [fetch_dataset(one, dest, progress=progress, say=say) for one in GROUPS[name]]
        return Path(os.path.commonpath(folders))
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}: expected one of {', '.join((*DATASETS, *GROUPS))}")
    from .course import cache_dir, find_data

    data = DATASETS[name]
    folder = Path(dest if dest is not None else cache_dir()) / data.folder
    for known in (folder,) if dest is not None else (find_data(data.folder), folder):
        if known is not None and _count_images(known) >= data.images:
            return known
        if known is not None and known != folder:
            raise FileExistsError(
                f"{known} holds {_count_images(known)} images of {data.images}: complete or remove it"
            )
    if any(remote.name.endswith(".rar") for remote in data.files):
        rar_reader()  # better to hear now than after the download that nothing here reads it
    say(f"{data.title}\n{data.licence}")
    for remote in data.files:
        check = None if remote.sha256 else remote.check
        place = (folder.parent if data.archive else folder) / remote.name
        known = {"size": remote.size, "limit": remote.limit, "sha256": remote.sha256, "check": check}
        fetch(remote.url, place, **known, progress=progress)
        if data.archive:
            unpack(place, folder, hoist=True)
            place.unlink()
    if (found := _count_images(folder)) < data.images:
        raise ValueError(f"{folder} holds {found} images after the download, expected {data.images}")
    return folder


def _count_images(folder: Path) -> int:
    return len(image_files(folder, recursive=True)) if folder.is_dir() else 0
