"""Downloads that resume and are verified, archives that unpack safely, and the register of datasets.

Three rules hold throughout: bytes are used only after their size and hash were checked; a file or
folder appears under its final name only when it is whole; what an archive says about itself is not believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import lzma
import os
import re
import shutil
import ssl
import stat
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from urllib.parse import urlsplit

CHUNK = 1 << 16
MAX_UNKNOWN = 64 << 20  # bytes accepted from a server when the caller could not say how many to expect
MAX_MEMBERS = 200_000  # files in one archive; the largest dataset of the course holds 30,000


class _Again(Exception):
    """A failure of the line or the server that another attempt may cure."""


_PASSING = (
    _Again,
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)


@contextlib.contextmanager
def aside(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The final file. Its folder must exist.

    Yields
    ------
    pathlib.Path
        Where to write. It is removed if the block raises, so `path` is either the old file or the whole new
        one.

    Raises
    ------
    FileNotFoundError
        The folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path.name}: the folder {path.parent} does not exist")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixels_sha256(path: str | os.PathLike) -> str:
    """Return a SHA-256 of the decoded 8-bit picture.

    What is hashed: "HEIGHT WIDTH CHANNELS " as text, then the pixels, row by row. It tells whether two files
    hold the same picture whatever their format (a BMP and its PNG copy agree).
    """
    import numpy as np

    from .photos import read_image

    pixels = np.rint(read_image(path) * 255).astype(np.uint8)
    header = "{} {} {} ".format(*pixels.shape).encode()
    return hashlib.sha256(header + pixels.tobytes()).hexdigest()


# --- one file -------------------------------------------------------------------------------------


def fetch(
    url: str,
    dest: str | os.PathLike,
    *,
    size: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
    progress: bool = True,
    attempts: int = 5,
    backoff: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download one file over HTTP, resuming what an earlier call left, and verify it before it gets its name.

    The bytes collect in `dest` + ".part" (kept when the line breaks or the user interrupts). The next attempt
    asks only for the missing bytes (RFC 9110, Range with If-Range); a server that ignores this restarts
    cleanly. A `dest` that is already right is not downloaded again.

    Parameters
    ----------
    url : str
        An http or https address.
    dest : path-like
        The file to make; its folder is created.
    size : int, optional
        Exact number of bytes. Without it at most 64 MiB are accepted.
    sha256 : str, optional
        SHA-256 of the file, hexadecimal.
    check : callable, optional
        ``check(path)`` returns None for a good file, else a phrase saying what is wrong. For files whose
        bytes are not known in advance but whose content is. One of `sha256` and `check` is required.
    progress : bool
        Show a progress bar.
    attempts, backoff, timeout : int, float, float
        Attempts in all; the wait before the second in seconds (doubled each time, 30 s at most); the longest
        silence of the server in seconds.

    Returns
    -------
    pathlib.Path
        `dest`.

    Raises
    ------
    ValueError
        The file is not the expected one (the download is discarded), or the arguments are wrong.
    OSError
        The server refuses (404 and the like), or the line failed on every attempt (the part is kept).
    """
    dest = Path(dest)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"cannot download {url!r}: expected an http or https address")
    if sha256 is None and check is None:
        raise ValueError(f"refusing to download {url} unverified: give its sha256 or a check")
    if dest.is_file() and _fault(dest, size, sha256, check) is None:
        return dest
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(dest.name + ".part")
    problem: Exception | str = "no attempt was made"
    for attempt in range(attempts):
        if attempt:
            time.sleep(min(backoff * 2 ** (attempt - 1), 30.0))
        resumed = part.exists()
        try:
            _transfer(url, part, size, progress, timeout)
        except _PASSING as error:
            problem = error
            continue
        fault = _fault(part, size, sha256, check)
        if fault is None:
            os.replace(part, dest)
            _discard(part)
            return dest
        _discard(part)
        # A bad joint with an older part deserves a fresh start; a file that came in one piece does not.
        if not resumed or attempt == attempts - 1:
            raise ValueError(f"{url} is not the expected file: {fault}; it was discarded")
        problem = fault
    kept = f"; {part.stat().st_size} bytes are kept in {part}, run again to resume" if part.exists() else ""
    raise OSError(f"could not download {url} in {attempts} attempts ({problem}){kept}")


def _fault(path: Path, size: int | None, sha256: str | None, check: Callable | None) -> str | None:
    """Say what is wrong with a file, or return None."""
    got = path.stat().st_size
    if size is not None and got != size:
        return f"expected {size} bytes, got {got}"
    if sha256 is not None and (digest := file_sha256(path)) != sha256.lower():
        return f"expected sha256 {sha256.lower()}, got {digest}"
    return check(path) if check is not None else None


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _transfer(url: str, part: Path, size: int | None, progress: bool, timeout: float) -> None:
    """Bring `part` from its present length to the whole file, in one request."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        if have == size:
            return
        _discard(part)
        have = 0
    response = _request(url, part, have, timeout)
    if response is None:
        return
    with response:
        start, total = _answer(response, url, part, have)
        if total is not None and size is not None and total != size:
            # The part stays: what answered may be the log-in page of a network, and the next call may
            # succeed.
            raise ValueError(
                f"{url} is not the expected file: expected {size} bytes, the server offers {total}"
            )
        _remember_tag(response, part)
        _copy(response, url, part, start, total, size, progress)


def _request(url: str, part: Path, have: int, timeout: float):
    """Open the address, from byte `have` on; None when the server says that nothing is missing."""
    headers = {"User-Agent": "srutils", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if _tag_file(part).exists():  # "only if the file is still the one that the part came from"
            headers["If-Range"] = _tag_file(part).read_text(encoding="utf-8")
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                if error.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                    return None
                _discard(part)
                raise _Again("the server has no such range") from None
            if error.code in (408, 429) or error.code >= 500:
                raise _Again(f"HTTP {error.code} {error.reason}") from None
            raise OSError(f"cannot download {url}: HTTP {error.code} {error.reason}") from None


def _answer(response, url: str, part: Path, have: int) -> tuple[int, int | None]:
    """Return (first byte that follows, size of the whole file or None); refuse a range not asked for."""
    length = response.headers.get("Content-Length", "")
    if response.status == 200:  # the whole file: Range was not asked for, was ignored, or the file changed
        return 0, int(length) if length.isdigit() else None
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if found and int(found[1]) == have:
            return have, None if found[3] == "*" else int(found[3])
        _discard(part)
        raise _Again("the server sent another range than the one asked for")
    raise OSError(f"cannot download {url}: unexpected HTTP status {response.status}")


def _remember_tag(response, part: Path) -> None:
    """Keep what identifies this version of the file, for If-Range (weak tags may not be used there)."""
    tag = response.headers.get("ETag", "")
    tag = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
    if tag:
        _tag_file(part).write_text(tag, encoding="utf-8")
    else:
        _tag_file(part).unlink(missing_ok=True)


def _copy(
    response, url: str, part: Path, start: int, total: int | None, size: int | None, progress: bool
) -> None:
    from tqdm.auto import tqdm

    ceiling = size if size is not None else MAX_UNKNOWN
    name = part.name.removesuffix(".part")
    bar = tqdm(total=total or size, initial=start, unit="B", unit_scale=True, desc=name, disable=not progress)
    have = start
    with open(part, "ab" if start else "wb") as file, bar:
        while block := response.read(CHUNK):
            have += len(block)
            if have > ceiling:
                break
            file.write(block)
            bar.update(len(block))
    if have > ceiling:
        _discard(part)
        raise ValueError(f"{url} is not the expected file: more than {ceiling} bytes came; it was discarded")
    if have < (total if total is not None else size or 0):
        raise _Again(f"the connection closed after {have} of {total or size} bytes")


# --- archives -------------------------------------------------------------------------------------


def unpack(
    archive: str | os.PathLike, dest: str | os.PathLike, *, max_bytes: int | None = None, hoist: bool = False
) -> Path:
    """Unpack a zip or tar archive into a new folder, which appears only when everything is in it.

    Only plain files and folders with relative names are taken; an archive with an absolute name, "..", a
    link, a device or an encrypted member is refused as a whole before anything is written.

    Parameters
    ----------
    archive : path-like
        .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz (told by content).
    dest : path-like
        The folder to make. It must not exist, or be empty.
    max_bytes : int, optional
        Largest total size unpacked. Default: a hundred times the archive's size and at least 64 MiB (images
        and float arrays shrink by less than ten; a zip bomb by a thousand).
    hoist : bool
        If everything lies in one folder inside the archive, make that folder's content `dest`.

    Returns
    -------
    pathlib.Path
        `dest`.

    Raises
    ------
    ValueError
        Not an archive, damaged, too large, or it holds a member that is not allowed.
    OSError
        `dest` holds something already, or cannot be written.
    """
    archive, dest = Path(archive), Path(dest)
    if not archive.is_file():
        raise FileNotFoundError(f"no such archive: {archive}")
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise FileExistsError(f"cannot unpack {archive.name}: {dest} exists and is not an empty folder")
    limit = max(64 << 20, 100 * archive.stat().st_size) if max_bytes is None else max_bytes
    dest.parent.mkdir(parents=True, exist_ok=True)
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _members(archive) as members:
            _check_members(archive, members, limit)
            temporary.mkdir()
            for name, _, is_folder, _, open_member in members:
                _extract(temporary / name, is_folder, open_member)
        root = _only_folder(temporary) if hoist else temporary
        if dest.exists():
            dest.rmdir()
        os.replace(root, dest)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
    ) as error:
        raise ValueError(f"cannot unpack {archive.name}: the archive is damaged ({error})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dest


@contextlib.contextmanager
def _members(archive: Path):
    """Give [(name, size, is_folder, is_plain, open)] of a zip or tar archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield [
                (i.orig_filename, i.file_size, i.is_dir(), _plain_zip(i), lambda i=i: opened.open(i))
                for i in opened.infolist()
            ]
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened:
            yield [
                (i.name, i.size, i.isdir(), i.isreg() or i.isdir(), lambda i=i: opened.extractfile(i))
                for i in opened
            ]
            for _ in _blocks(opened.fileobj):  # to the very end, where gzip keeps its checksum
                pass
    else:
        raise ValueError(f"cannot unpack {archive.name}: it is neither a zip nor a tar archive")


def _plain_zip(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 when the archive was not made on Unix
    return kind in (0, stat.S_IFREG, stat.S_IFDIR) and not info.flag_bits & 1


def _check_members(archive: Path, members: list, limit: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise ValueError(
            f"cannot unpack {archive.name}: {len(members)} members, at most {MAX_MEMBERS} are allowed"
        )
    for name, _, _, is_plain, _ in members:
        # Windows rules are applied everywhere: a backslash, a drive or a colon is special there and never
        # needed.
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or PureWindowsPath(name).anchor or set(name) & set("\\:\0"):
            raise ValueError(f"cannot unpack {archive.name}: {name!r} would be written outside the folder")
        if not is_plain:
            raise ValueError(f"cannot unpack {archive.name}: {name!r} is a link, a device or encrypted")
    total = sum(size for _, size, _, _, _ in members)
    if total > limit:
        raise ValueError(
            f"cannot unpack {archive.name}: it would fill {total} bytes, at most {limit} are allowed"
        )


def _extract(path: Path, is_folder: bool, open_member: Callable) -> None:
    if is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        open_member() as source,
        open(path, "wb") as target,
    ):  # both readers stop at the size that was checked
        target.writelines(_blocks(source))


def _blocks(source) -> Iterator[bytes]:
    """Read to the end; whatever the decompressor raises (bz2: a plain OSError) means a damaged archive."""
    try:
        while block := source.read(1 << 20):
            yield block
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise tarfile.ReadError(str(error)) from None


def _only_folder(folder: Path) -> Path:
    """Descend while a folder holds one folder and nothing else."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        folder = inside[0]
    return folder


# --- the register ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remote:
    """One file to download, and how it is verified: by size and sha256, or by `pixels_sha256`."""

    url: str
    name: str
    size: int | None = None
    sha256: str | None = None
    pixels: str | None = None

    def check(self, path: Path) -> str | None:
        """Return None if the decoded picture is the expected one (or none is known), else what is wrong."""
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
# The bytes of the BMP files are not on record here, their pixels are: hashes of lossless copies of the same
# files.
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


# name, title, folder under DIV2K/, number of images, file, bytes, sha256 (from the TensorFlow Datasets
# checksum list)
_DIV2K = """
div2k-valid    | validation: 100 photographs | DIV2K_valid_HR           | 100 | DIV2K_valid_HR.zip            |  448993893 | 20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc
div2k-train    | training: 800 photographs   | DIV2K_train_HR           | 800 | DIV2K_train_HR.zip            | 3530603713 | 9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335
div2k-valid-x4 | validation, bicubic x4 LR   | DIV2K_valid_LR_bicubic/X4 | 100 | DIV2K_valid_LR_bicubic_X4.zip |   31505881 | a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553
div2k-train-x4 | training, bicubic x4 LR     | DIV2K_train_LR_bicubic/X4 | 800 | DIV2K_train_LR_bicubic_X4.zip |  246914039 | f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a
"""  # noqa: E501


def _div2k(row: str) -> Dataset:
    name, title, folder, images, file, size, sha256 = (cell.strip() for cell in row.split("|"))
    remote = Remote(_DIV2K_URL + file, file, int(size), sha256)
    return Dataset(
        name, f"DIV2K {title}", f"DIV2K/{folder}", int(images), (remote,), _DIV2K_LICENCE, archive=True
    )


_SET5 = Dataset(
    name="set5",
    title="Set5: the five test photographs of super-resolution papers (for scoring only)",
    folder="Set5",
    images=5,
    files=tuple(Remote(f"{_SET5_URL}{n}_GT.bmp", f"{n}.bmp", pixels=h) for n, h in _SET5_PIXELS.items()),
    licence="Set5 (Bevilacqua et al., BMVC 2012): no licence is stated for the photographs; they are used "
    "throughout the literature for measuring. Fetched from a public repository, not redistributed here.",
)
DATASETS: dict[str, Dataset] = {d.name: d for d in (_SET5, *map(_div2k, _DIV2K.strip().splitlines()))}


def fetch_dataset(
    name: str,
    dest: str | os.PathLike | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> Path:
    """Make a registered dataset available and return its folder.

    A folder that is already under SR_DATA, in the cache or in `dest` is accepted as it is, also one
    downloaded by hand, if it holds the dataset's number of images. Otherwise the licence is shown and the
    files are fetched, verified and, if need be, unpacked (the archive is removed afterwards).

    Parameters
    ----------
    name : str
        A key of `DATASETS`: set5, div2k-valid, div2k-train, div2k-valid-x4, div2k-train-x4.
    dest : path-like, optional
        The folder that is to hold the dataset's folder (a later ``SR_DATA=dest`` finds it). Default: the
        cache.
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
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}: expected one of {', '.join(DATASETS)}")
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
    say(f"{data.title}\n{data.licence}")
    for remote in data.files:
        check = None if remote.pixels is None else remote.check
        place = (folder.parent if data.archive else folder) / remote.name
        fetch(remote.url, place, size=remote.size, sha256=remote.sha256, check=check, progress=progress)
        if data.archive:
            unpack(place, folder, hoist=True)
            place.unlink()
    if (found := _count_images(folder)) < data.images:
        raise ValueError(f"{folder} holds {found} images after the download, expected {data.images}")
    return folder


def _count_images(folder: Path) -> int:
    from .photos import image_files

    return len(image_files(folder, recursive=True)) if folder.is_dir() else 0
