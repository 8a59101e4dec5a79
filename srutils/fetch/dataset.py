"""A data set of the register made available: found, downloaded, or taken from what the user downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from srutils.course import cache_dir, data_dir, find_data
from srutils.fetch.archives import only_folder, require_rar, unpack
from srutils.fetch.checks import Dataset
from srutils.fetch.download import Unavailable, fault, fetch, require_gdown, require_space
from srutils.fetch.register import DATASETS, GROUPS
from srutils.files.atomic import no_empty_folders

NESTED = ("", "Dataset", "dataset")  # where a folder may hold a data set: as it is, or as its archive has it


def overview(dest: str | os.PathLike | None = None) -> str:
    """Return every data set's name, size, licence and folder, where it was found or would go, as text."""
    place = Path(dest) if dest is not None else cache_dir()
    lines = []
    for data in DATASETS.values():
        lines += [f"{data.name}  ({data.size})", f"    {data.title}", f"    {data.licence}"]
        lines.append(f"    {_standing(data, place / data.folder, searched=dest is None)}")
    lines += [f"{name}  (both {' and '.join(parts)})" for name, parts in GROUPS.items()]
    if dest is None:
        users = data_dir() or "not set"
        searched = f"Looked for in SR_DATA ({users}) and in the cache ({place})"
        lines.append(f"{searched}; written to the cache, or to the folder that --out names.")
    return "\n".join(lines)


def _standing(data: Dataset, folder: Path, searched: bool) -> str:
    """Say where a data set is, or would go. Arrays are only counted here: to open 50,000 takes too long."""
    places = _places(data, folder, searched)
    if (known := _whole(data, places, quick=True)) is not None:
        return f"found in {known}"
    for place in (places[0], folder):
        if place is not None and place.is_dir():
            return f"not whole in {place}: {data.lack(place, quick=True)}"
    return f"goes to {folder}"


def fetch_dataset(
    name: str,
    dest: str | os.PathLike | None = None,
    source: str | os.PathLike | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> Path:
    """Make a registered data set available and return its folder.

    A folder already under SR_DATA, in the cache or in `dest`, also one downloaded by hand, is accepted if it
    is whole (`Dataset.lack`). Otherwise the licence is shown and the files are fetched, verified and, if need
    be, unpacked (the archive is then removed).

    Parameters
    ----------
    name : str
        A key of `DATASETS`: set5, div2k-valid, div2k-train, div2k-valid-x4, div2k-train-x4, linnaeus5,
        deeplense-sr, deeplense-classes, lpips; or of `GROUPS`: div2k, both of its validation sets.
    dest : path-like, optional
        Where the data set's folder is made (a later ``SR_DATA=dest`` finds it). Default: the cache.
    source : path-like, optional
        The archive, or a folder with its content, that you downloaded yourself; it stays as it was. An
        archive is verified as a download is, and unpacked; a folder is copied if it is whole.
    progress : bool
        Show progress bars.
    say : callable
        Receives the licence text before anything is downloaded, or that `source` was not needed.

    Raises
    ------
    ValueError
        Unknown name, or what was downloaded is not the expected content.
    OSError
        The download failed, there is no `source`, the disk cannot take it, or an incomplete folder is in the
        way.
    """
    if name in GROUPS:
        if source is not None:
            raise ValueError(f"{name} is several archives; name the one: {', '.join(GROUPS[name])}")
        folders = [fetch_dataset(one, dest, progress=progress, say=say) for one in GROUPS[name]]
        return Path(os.path.commonpath(folders))
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}: expected one of {', '.join((*DATASETS, *GROUPS))}")
    if source is not None and not (Path(source).is_dir() or Path(source).is_file()):
        raise FileNotFoundError(f"there is no file or folder {source}")
    data = DATASETS[name]
    folder = Path(dest if dest is not None else cache_dir()) / data.folder
    if (known := _already(data, folder, searched=dest is None)) is not None:
        if source is not None:
            say(f"{data.name} is there already: nothing was taken from {source}")
        return known
    if source is None:
        require_gdown()  # better heard before the download than after it
        if any(remote.name.endswith(".rar") for remote in data.files):
            require_rar()
    say(f"{data.title}\n{data.licence}\n{data.proof(source is not None and Path(source).is_dir())}")
    with no_empty_folders(folder.parent):
        if source is None:
            _download(data, folder, progress)
        else:
            _take(data, Path(source), folder, progress)
    if (problem := data.lack(folder)) is not None:
        raise ValueError(f"{data.name} is not whole: {problem}")
    return folder


def _places(data: Dataset, folder: Path, searched: bool) -> list[Path | None]:
    """Return where it may be: under its names in SR_DATA or the cache, its own one first, or in `folder`."""
    return [*(find_data(name) for name in (data.folder, *data.also) if searched), folder]


def _whole(data: Dataset, places: list[Path | None], quick: bool = False) -> Path | None:
    """Return the first place that holds the whole data set; None if a wrong picture would be found first."""
    first = places[0]
    if first is not None and first.is_dir() and data.strange(first) is not None:
        return None  # the lessons would meet it before a good copy
    here = (place for place in places if place is not None)
    return next((p for p in here if any(data.lack(p / n, quick) is None for n in NESTED)), None)


def _already(data: Dataset, folder: Path, searched: bool) -> Path | None:
    """Return the place where the data set is whole already; FileExistsError for one that is in the way."""
    places = _places(data, folder, searched)
    if (known := _whole(data, places)) is not None:
        return known
    # Half of a folder of pictures is completed; what a loader would find before ours, or half of an archive's
    # content, is the user's to decide about.
    for place in (places[0], folder):
        if place is None or not place.is_dir():
            continue
        if (strange := data.strange(place)) is not None:
            raise FileExistsError(f"{strange}; replace or remove it")
        if (place != folder or data.archive) and any(place.iterdir()):
            problem = data.lack(place)
            raise FileExistsError(f"{place} is not the whole data set: {problem}; complete or remove it")
    return None


def _download(data: Dataset, folder: Path, progress: bool) -> None:
    for remote in data.files:
        place = (folder.parent if data.archive else folder) / remote.name
        expected = {"size": remote.size, "limit": remote.limit, "sha256": remote.sha256}
        try:
            fetch(remote.url, place, **expected, check=remote.check, progress=progress)
        except Unavailable as error:
            own = f"srutils fetch {data.name} --from {'FILE' if data.archive else 'FOLDER'}"
            raise OSError(f"{error}; or take a copy downloaded by hand: {own} (see data/README.md)") from None
        if data.archive:
            try:
                unpack(place, folder, check=data.lack, progress=progress)
            except ValueError as error:
                place.unlink()
                raise ValueError(f"{error}; the archive was discarded") from None
            except OSError as error:
                raise OSError(f"{error}; the archive is kept in {place}, run again to unpack it") from None
            place.unlink()


def _take(data: Dataset, source: Path, folder: Path, progress: bool) -> None:
    """Make `folder` from an archive, or a folder, of the user's."""
    if source.is_dir():
        places = [only_folder(source), *(source / inner for inner in (*NESTED, Path(data.folder).name))]
        whole = next((place for place in places if data.lack(place) is None), None)
        if whole is None:
            likely = places[-1] if places[-1].is_dir() else places[0]
            raise ValueError(f"{source} does not hold {data.name}: {data.lack(likely)}")
        _copy_folder(whole, folder)
    elif not data.archive:
        raise ValueError(f"{source} is a file; {data.name} is a folder, with {len(data.files)} files in it")
    else:
        (remote,) = data.files
        if (wrong := fault(source, remote.size, remote.sha256)) is not None:
            raise ValueError(f"{source} is not {remote.name}: {wrong}")
        unpack(source, folder, check=data.lack, progress=progress)


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
