"""A dataset of the register made available: found, downloaded, or taken from what the user downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .archives import only_folder, unpack
from .course import cache_dir, find_data
from .datasets import DATASETS, GROUPS, Dataset, Remote
from .download import fault, fetch, no_empty_folders
from .rar import reader as rar_reader
from .transfer import require_space

INSIDE = ("", "Dataset", "dataset")  # where a folder may hold a dataset: as it is, or as its archive has it


def overview(dest: str | os.PathLike | None = None) -> str:
    """Every dataset's name, size, folder (in `dest`, or the cache) and licence, as text."""
    place = Path(dest) if dest is not None else cache_dir()
    lines = []
    for data in DATASETS.values():
        lines += [f"{data.name}  ({data.size})", f"    {data.title}", f"    {data.licence}"]
        lines.append(f"    goes to {place / data.folder}")
    return "\n".join(lines + [f"{name}  (both {' and '.join(parts)})" for name, parts in GROUPS.items()])


def fetch_dataset(
    name: str,
    dest: str | os.PathLike | None = None,
    source: str | os.PathLike | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> Path:
    """Make a registered dataset available and return its folder.

    A folder already under SR_DATA, in the cache or in `dest`, also one downloaded by hand, is accepted if it
    is whole (`Dataset.lack`). Otherwise the licence is shown and the files are fetched, verified and, if need
    be, unpacked (the archive is then removed).

    Parameters
    ----------
    name : str
        A key of `DATASETS`: set5, div2k-valid, div2k-train, div2k-valid-x4, div2k-train-x4, linnaeus5,
        deeplense-sr, deeplense-classes; or of `GROUPS`: div2k, both of its validation sets.
    dest : path-like, optional
        Where the dataset's folder is made (a later ``SR_DATA=dest`` finds it). Default: the cache.
    source : path-like, optional
        The archive, or a folder with its content, that you downloaded yourself. It is verified as a download
        is, and unpacked or copied; it stays as it was.
    progress : bool
        Show progress bars.
    say : callable
        Receives the licence text before anything is downloaded.

    Raises
    ------
    ValueError
        Unknown name, or what was downloaded is not the expected content.
    OSError
        The download failed, the disk cannot take it, or an incomplete folder is in the way.
    """
    if name in GROUPS:
        if source is not None:
            raise ValueError(f"{name} is several archives; name the one: {', '.join(GROUPS[name])}")
        folders = [fetch_dataset(one, dest, progress=progress, say=say) for one in GROUPS[name]]
        return Path(os.path.commonpath(folders))
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}: expected one of {', '.join((*DATASETS, *GROUPS))}")
    data = DATASETS[name]
    folder = Path(dest if dest is not None else cache_dir()) / data.folder
    if (known := _already(data, folder, searched=dest is None)) is not None:
        return known
    if source is None:
        _require_readers(data)
    own_folder = source is not None and Path(source).is_dir()
    say(f"{data.title}\n{data.licence}\n{data.proof(own_folder)}")
    with no_empty_folders(folder.parent):
        if source is None:
            _download(data, folder, progress)
        else:
            _take(data, Path(source), folder, progress)
    if (lack := data.lack(folder)) is not None:
        raise ValueError(f"{data.name} is not whole: {lack}")
    return folder


def _already(data: Dataset, folder: Path, searched: bool) -> Path | None:
    """The place where the dataset is whole already; FileExistsError for one that is in the way."""
    found = [find_data(name) for name in (data.folder, *data.also)] if searched else []
    for place in (*found, folder):
        if place is not None and any(data.lack(place / inner) is None for inner in INSIDE):
            return place
    # Half of a folder of pictures is completed; what a loader would find before ours, or half of an archive's
    # content, is the user's to decide about.
    for place in (*found[:1], folder):
        if (
            place is not None
            and (place != folder or data.archive)
            and place.is_dir()
            and any(place.iterdir())
        ):
            raise FileExistsError(
                f"{place} is not the whole data set: {data.lack(place)}; complete or remove it"
            )
    return None


def _require_readers(data: Dataset) -> None:
    """Better to hear before the download that something is missing to make use of it."""
    if any(remote.name.endswith(".rar") for remote in data.files):
        rar_reader()
    for remote in data.files:
        if remote.drive:
            _past_drive_page(data, remote)


def _past_drive_page(data: Dataset, remote: Remote) -> Callable[[str], str]:
    """A reader of the page that Google Drive puts in front of a large file, for `srutils.download.fetch`.

    gdown knows these pages and follows their changes; the download behind them is an ordinary one.
    """
    by_hand = f"download {remote.url} in a browser and run: srutils fetch {data.name} --from FILE"
    try:
        from gdown.download import get_url_from_gdrive_confirmation as address
    except ImportError:
        raise OSError(f"Google Drive needs the package gdown: pip install gdown, or {by_hand}") from None

    def read(page: str) -> str:
        try:
            return address(page)
        except Exception as error:  # whatever a page that it does not know makes of it
            reason = str(error).strip().split(". ")[0].rstrip(".") or type(error).__name__
            raise OSError(
                f"Google Drive does not hand out {data.name} now ({reason}): try again in a day, or {by_hand}"
            ) from None

    return read


def _download(data: Dataset, folder: Path, progress: bool) -> None:
    for remote in data.files:
        place = (folder.parent if data.archive else folder) / remote.name
        expected = {"size": remote.size, "limit": remote.limit, "sha256": remote.sha256}
        expected["check"] = None if remote.sha256 else remote.check
        page = _past_drive_page(data, remote) if remote.drive else None
        fetch(remote.url, place, **expected, page=page, progress=progress)
        if data.archive:
            try:
                unpack(place, folder, hoist=True, check=data.lack, progress=progress)
            except ValueError as error:
                place.unlink()
                raise ValueError(f"{error}; the archive was discarded") from None
            except OSError as error:
                raise OSError(f"{error}; the archive is kept in {place}, run again to unpack it") from None
            place.unlink()


def _take(data: Dataset, source: Path, folder: Path, progress: bool) -> None:
    """Make `folder` from an archive, or a folder, of the user's."""
    if source.is_dir():
        places = [only_folder(source), *(source / inner for inner in (*INSIDE, Path(data.folder).name))]
        whole = next((place for place in places if data.lack(place) is None), None)
        if whole is None:
            raise ValueError(f"{source} does not hold {data.name}: {data.lack(places[0])}")
        _copy_folder(whole, folder)
    elif not source.is_file():
        raise FileNotFoundError(f"there is no file or folder {source}")
    elif not data.archive:
        raise ValueError(f"{source} is a file; {data.name} is a folder of {len(data.files)} pictures")
    else:
        (remote,) = data.files
        if (wrong := fault(source, remote.size, remote.sha256)) is not None:
            raise ValueError(f"{source} is not {remote.name}: {wrong}")
        unpack(source, folder, hoist=True, check=data.lack, progress=progress)


def _copy_folder(source: Path, folder: Path) -> None:
    """Copy a folder that appears under its name only when everything is in it."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        require_space(folder.parent, sum(file.stat().st_size for file in source.rglob("*") if file.is_file()))
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("__MACOSX", ".*"))
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except OSError as error:  # shutil.Error lists what happened to each file
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
        raise OSError(f"cannot copy {source} to {folder}: {reason}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
