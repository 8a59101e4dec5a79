"""A dataset of the register made available: found, downloaded, or taken from what the user downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from srutils.course import cache_dir, data_dir, find_data
from srutils.fetch.archives import only_folder, unpack
from srutils.fetch.download import fault, fetch
from srutils.fetch.rar import reader as rar_reader
from srutils.fetch.register import DATASETS, GROUPS, Dataset, Remote
from srutils.fetch.transfer import Unavailable, require_space
from srutils.files.atomic import no_empty_folders
from srutils.files.images import image_files

INSIDE = ("", "Dataset", "dataset")  # where a folder may hold a dataset: as it is, or as its archive has it


def overview(dest: str | os.PathLike | None = None) -> str:
    """Every dataset's name, size, licence and folder: where it was found, or where it would go, as text."""
    place = Path(dest) if dest is not None else cache_dir()
    lines = []
    for data in DATASETS.values():
        lines += [f"{data.name}  ({data.size})", f"    {data.title}", f"    {data.licence}"]
        lines.append(f"    {_standing(data, place / data.folder, searched=dest is None)}")
    lines += [f"{name}  (both {' and '.join(parts)})" for name, parts in GROUPS.items()]
    if dest is None:
        users = data_dir() or "not set"
        lines.append(
            f"Looked for in SR_DATA ({users}) and in the cache ({place}); "
            "written to the cache, or to the folder that --out names."
        )
    return "\n".join(lines)


def _standing(data: Dataset, folder: Path, searched: bool) -> str:
    """Where a dataset is, or would go. Arrays are only counted here: to look at 50,000 takes too long."""
    counted = replace(data, parts={part: (count, None) for part, (count, _) in data.parts.items()})
    places = _places(data, folder, searched)
    if (known := _whole(counted, places)) is not None:
        return f"found in {known}"
    for place in (places[0], folder):
        if place is not None and place.is_dir():
            return f"not whole in {place}: {lack(counted, place)}"
    return f"goes to {folder}"


def lack(data: Dataset, folder: Path) -> str | None:
    """Return None if a folder holds the whole dataset, else what is missing or wrong.

    As `Dataset.lack`; and where hashes of pixels are on record, each picture has to be the published one.
    """
    if (problem := data.lack(folder) or strange_picture(data, folder)) is not None:
        return problem
    files = picture_files(data, folder)
    missing = [Path(remote.name).stem for remote in data.files if remote.pixels]
    missing = [name for name in missing if name not in files]
    return f"there is no {missing[0]}.png, .bmp or _GT.bmp in {folder}" if missing else None


def strange_picture(data: Dataset, folder: Path) -> str | None:
    """Say which picture of a folder is not the published one of that name, by its decoded pixels, or None."""
    files = picture_files(data, folder)
    for remote in data.files:
        file = files.get(Path(remote.name).stem)
        if remote.pixels and file is not None and (wrong := remote.check(file)) is not None:
            return f"{file} is not the published picture: {wrong}"
    return None


def picture_files(data: Dataset, folder: Path) -> dict[str, Path]:
    """The files of a folder that are named like the dataset's pictures: name -> NAME.png or NAME_GT.bmp, say.

    Of several files of one name, it is the last.
    """
    names = {Path(remote.name).stem for remote in data.files}
    files = {file.stem.lower().removesuffix("_gt"): file for file in image_files(folder)}
    return {name: file for name, file in files.items() if name in names}


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
    is whole (`lack`). Otherwise the licence is shown and the files are fetched, verified and, if need be,
    unpacked (the archive is then removed).

    Parameters
    ----------
    name : str
        A key of `DATASETS`: set5, div2k-valid, div2k-train, div2k-valid-x4, div2k-train-x4, linnaeus5,
        deeplense-sr, deeplense-classes; or of `GROUPS`: div2k, both of its validation sets.
    dest : path-like, optional
        Where the dataset's folder is made (a later ``SR_DATA=dest`` finds it). Default: the cache.
    source : path-like, optional
        The archive, or a folder with its content, that you downloaded yourself; it stays as it was. An
        archive is verified as a download is, and unpacked; a folder is copied if it is whole (`lack`).
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
        _require_readers(data)
    # An archive's hash says nothing about a folder; hashes of pixels do.
    own_folder = source is not None and Path(source).is_dir() and data.archive
    say(f"{data.title}\n{data.licence}\n{data.proof(own_folder)}")
    with no_empty_folders(folder.parent):
        if source is None:
            _download(data, folder, progress)
        else:
            _take(data, Path(source), folder, progress)
    if (problem := lack(data, folder)) is not None:
        raise ValueError(f"{data.name} is not whole: {problem}")
    return folder


def _places(data: Dataset, folder: Path, searched: bool) -> list[Path | None]:
    """Where it may be: under its name in SR_DATA or the cache, under its other names, in `folder`."""
    return [*(find_data(name) for name in (data.folder, *data.also) if searched), folder]


def _whole(data: Dataset, places: list[Path | None]) -> Path | None:
    """The first place that holds the whole dataset; None if a wrong picture would be found before it."""
    first = places[0]
    if first is not None and first.is_dir() and strange_picture(data, first) is not None:
        return None  # the lessons would meet it before a good copy
    here = (place for place in places if place is not None)
    return next((p for p in here if any(lack(data, p / inner) is None for inner in INSIDE)), None)


def _already(data: Dataset, folder: Path, searched: bool) -> Path | None:
    """The place where the dataset is whole already; FileExistsError for one that is in the way."""
    places = _places(data, folder, searched)
    if (known := _whole(data, places)) is not None:
        return known
    # Half of a folder of pictures is completed; what a loader would find before ours, or half of an archive's
    # content, is the user's to decide about.
    for place in (places[0], folder):
        if place is None or not place.is_dir():
            continue
        if (strange := strange_picture(data, place)) is not None:
            raise FileExistsError(f"{strange}; replace or remove it")
        if (place != folder or data.archive) and any(place.iterdir()):
            raise FileExistsError(
                f"{place} is not the whole data set: {lack(data, place)}; complete or remove it"
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
    """A reader of the page that Google Drive puts in front of a large file, for `srutils.fetch.download.fetch`.

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
        try:
            fetch(remote.url, place, **expected, page=page, progress=progress)
        except Unavailable as error:
            own = f"srutils fetch {data.name} --from {'FILE' if data.archive else 'FOLDER'}"
            raise OSError(f"{error}; or take a copy downloaded by hand: {own} (see data/README.md)") from None
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
        whole = next((place for place in places if lack(data, place) is None), None)
        if whole is None:
            likely = places[-1] if places[-1].is_dir() else places[0]
            raise ValueError(f"{source} does not hold {data.name}: {lack(data, likely)}")
        _copy_folder(whole, folder)
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
