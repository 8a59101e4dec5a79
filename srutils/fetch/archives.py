"""Zip, tar and RAR archives, unpacked safely: what an archive says about itself is not believed."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

from srutils.fetch.rar import extract as extract_rar
from srutils.fetch.rar import is_rar
from srutils.fetch.transfer import require_space

MAX_MEMBERS = 200_000  # files in one archive; the largest dataset of the course holds 30,000

# What the readers raise on a damaged archive; NotImplementedError: a compression method unknown to zipfile.
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)


class _Member(NamedTuple):
    name: str
    size: int
    is_folder: bool
    is_plain: bool  # a file or a folder, not encrypted
    open: Callable[[], BinaryIO]


def unpack(
    archive: str | os.PathLike,
    dest: str | os.PathLike,
    *,
    max_bytes: int | None = None,
    hoist: bool = False,
    check: Callable[[Path], str | None] | None = None,
    progress: bool = False,
) -> Path:
    """Unpack a zip, tar or RAR archive into a new folder, which appears only when everything is in it.

    An archive with an absolute name, "..", a link, a device or an encrypted member is refused as a whole
    before anything is written. What macOS adds to an archive (``__MACOSX``, ``.DS_Store``) is left out.

    Parameters
    ----------
    archive : path-like
        .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz (told by content); .rar where a program reads it (see `rar`).
    dest : path-like
        The folder to make. It must not exist, or be empty.
    max_bytes : int, optional
        Largest total size unpacked. Default: a hundred times the archive's, at least 64 MiB (images and float
        arrays shrink by less than ten; a zip bomb by a thousand).
    hoist : bool
        If everything lies in one folder inside the archive, make that folder's content `dest`.
    check : callable, optional
        ``check(folder)`` looks at what was unpacked before it gets its name: None if all is well, else a
        phrase saying what is wrong.
    progress : bool
        Show a progress bar (not for RAR).

    Returns
    -------
    pathlib.Path
        `dest`.

    Raises
    ------
    ValueError
        Not an archive, damaged, too large, it holds a member that is not allowed, or `check` is not content.
    OSError
        `dest` holds something already, cannot be written, or the disk is too small.
    """
    from tqdm.auto import tqdm

    archive, dest = Path(archive), Path(dest)
    if not archive.is_file():
        raise FileNotFoundError(f"no such archive: {archive}")
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise FileExistsError(f"cannot unpack {archive.name}: {dest} exists and is not an empty folder")
    limit = max(64 << 20, 100 * archive.stat().st_size) if max_bytes is None else max_bytes
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.part")
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        if is_rar(archive):
            require_space(dest.parent, archive.stat().st_size)
            temporary.mkdir()
            extract_rar(archive, temporary, lambda rows: _check_rar(archive, rows, limit))
        else:
            with _members(archive) as members:
                require_space(dest.parent, _check_members(archive, members, limit))
                temporary.mkdir()
                bar = {"desc": f"unpacking {archive.name}", "unit": "file", "leave": False}
                for member in tqdm(members, **bar, disable=not progress):
                    if not _from_macos(member.name):
                        _extract(member, temporary / member.name)
        root = only_folder(temporary) if hoist else temporary
        if check is not None and (fault := check(root)) is not None:
            raise ValueError(f"cannot use {archive.name}: {fault}")
        if dest.exists():
            dest.rmdir()
        os.replace(root, dest)
    except _DAMAGE as error:
        raise ValueError(f"cannot unpack {archive.name}: the archive is damaged ({error})") from None
    except OSError as error:
        if error.errno is None:  # a sentence already
            raise OSError(f"cannot unpack {archive.name}: {error}") from None
        raise OSError(f"cannot unpack {archive.name} to {dest}: {error.strerror}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dest


def _from_macos(name: str) -> bool:
    return name.split("/")[0] == "__MACOSX" or name.split("/")[-1] == ".DS_Store"


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[list[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield [
                _Member(i.orig_filename, i.file_size, i.is_dir(), _plain_zip(i), lambda i=i: opened.open(i))
                for i in opened.infolist()
            ]
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened:
            yield [
                _Member(i.name, i.size, i.isdir(), i.isreg() or i.isdir(), lambda i=i: opened.extractfile(i))
                for i in opened
            ]
            for _ in _blocks(opened.fileobj):  # to the very end, where gzip keeps its checksum
                pass
    else:
        raise ValueError(f"cannot unpack {archive.name}: it is neither a zip nor a tar nor a RAR archive")


def _plain_zip(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 when the archive was not made on Unix
    return kind in (0, stat.S_IFREG, stat.S_IFDIR) and not info.flag_bits & 1


def _check_members(archive: Path, members: list[_Member], limit: int) -> int:
    """Refuse what is not allowed; the total size of the rest."""
    problem = f"cannot unpack {archive.name}:"
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"{problem} {len(members)} members, at most {MAX_MEMBERS} are allowed")
    for member in members:
        # Windows rules everywhere: a backslash, a drive or a colon is special there and never needed.
        name, parts = member.name, member.name.replace("\\", "/").split("/")
        if ".." in parts or PureWindowsPath(name).anchor or set(name) & set("\\:\0"):
            raise ValueError(f"{problem} {name!r} would be written outside the folder")
        if not member.is_plain:
            raise ValueError(f"{problem} {name!r} is a link, a device or encrypted")
    total = sum(member.size for member in members)
    if total > limit:
        raise ValueError(f"{problem} it would fill {total} bytes, at most {limit} are allowed")
    return total


def _check_rar(archive: Path, rows: list[tuple[str, int, bool, bool]], limit: int) -> None:
    _check_members(archive, [_Member(*row, open=BytesIO) for row in rows], limit)


def _extract(member: _Member, path: Path) -> None:
    (path if member.is_folder else path.parent).mkdir(parents=True, exist_ok=True)
    if not member.is_folder:
        # Both readers stop at the size that was checked.
        with member.open() as source, open(path, "wb") as target:
            target.writelines(_blocks(source))


def _blocks(source) -> Iterator[bytes]:
    """Read to the end; whatever the decompressor raises (bz2: a plain OSError) means a damaged archive."""
    try:
        while block := source.read(1 << 20):
            yield block
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise tarfile.ReadError(str(error)) from None


def only_folder(folder: Path) -> Path:
    """Descend while a folder holds one folder and nothing else, what macOS adds left out of account."""
    while len(inside := [p for p in folder.iterdir() if not _from_macos(p.name)]) == 1 and inside[0].is_dir():
        folder = inside[0]
    return folder
