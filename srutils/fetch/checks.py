"""What a data set is, and what makes it whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from srutils.fetch.archives import is_archive
from srutils.files.atomic import file_sha256
from srutils.files.images import image_files
from srutils.photos import copies, picture_fault, strange_picture

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

    def check(self, path: Path) -> str | None:
        """Return None if the file is the expected one as far as its content tells, else what is wrong."""
        if self.pixels is not None:
            return picture_fault(path, self.pixels)
        expected = self.sha256 or is_archive(path)
        return None if expected else "it is neither a whole zip archive nor a RAR archive"


@dataclass(frozen=True)
class Dataset:
    """A data set to fetch: its `folder` under SR_DATA, the `parts` that make it whole, its files."""

    name: str
    title: str
    folder: str
    size: str  # of the download, for people
    parts: Parts
    files: tuple[Remote, ...]
    licence: str
    archive: bool = True  # the file is an archive to unpack, not an image
    also: tuple[str, ...] = ()  # other names under SR_DATA at which the loaders find it

    @property
    def pixels(self) -> dict[str, str]:
        """The pictures whose pixels are on record: name -> hash."""
        return {Path(remote.name).stem: remote.pixels for remote in self.files if remote.pixels}

    def strange(self, folder: Path) -> str | None:
        """Say which picture of a folder is not the published one, where hashes are on record, or None."""
        return strange_picture(folder, self.pixels)

    def lack(self, folder: Path, quick: bool = False) -> str | None:
        """Return None if a folder holds the whole data set, else what is missing or wrong.

        Pictures are counted, and compared with the hashes of their pixels where those are on record. Arrays
        are counted and, unless `quick`, their type, shape and length are looked at. Nothing is unpickled.
        """
        for part, (count, shape) in self.parts.items():
            where = folder / part
            if not where.is_dir():
                return f"there is no folder {part or folder}"
            files = image_files(where)
            files = files if shape is None else [file for file in files if file.suffix == ".npy"]
            if len(files) < count:
                return f"{part or folder} holds {len(files)} files of {count}"
            for file in files if shape is not None and not quick else ():
                if (wrong := _array_fault(file, shape)) is not None:
                    return f"{file.relative_to(folder)} {wrong}"
        for remote in self.files if not self.archive else ():
            if remote.sha256 and not (folder / remote.name).is_file():
                return f"there is no {remote.name} in {folder}"
            if remote.sha256 and file_sha256(folder / remote.name) != remote.sha256:
                return f"{folder / remote.name} is not the published file"
        missing = sorted(self.pixels.keys() - copies(folder, self.pixels))
        lacking = f"there is no {missing[0]}.png, .bmp or _GT.bmp in {folder}" if missing else None
        return self.strange(folder) or lacking

    def proof(self, own_folder: bool = False) -> str:
        """Say how a download, or a folder of the user's, is verified: a sentence for people."""
        if not own_folder and all(remote.sha256 for remote in self.files):
            return "Verified by its size and SHA-256."
        if self.pixels:
            return "Verified by a hash of the pixels of each picture."
        arrays = any(shape is not None for _, shape in self.parts.values())
        content = "the number of files" + ", and shape and type of each array; nothing is unpickled" * arrays
        unknown = "" if own_folder else "No hash of it is published. "
        return f"{unknown}It is checked by its content: {content}."


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
