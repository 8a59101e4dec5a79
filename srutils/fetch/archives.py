"""Zip and RAR archives, unpacked safely: what an archive says about itself is not believed."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

from srutils.fetch.download import require_space

MAX_MEMBERS = 200_000  # files in one archive; the largest data set of the course holds 37,500
RAR = b"Rar!\x1a\x07"  # the first bytes of versions 4 and 5
BY_HAND = "or unpack it by hand, as data/README.md says"


def is_archive(path: Path) -> bool:
    """Tell a zip archive by its end, so a cut one is none; a RAR archive by its first bytes."""
    with open(path, "rb") as file:
        return file.read(len(RAR)) == RAR or zipfile.is_zipfile(path)


def require_rar():
    """Return the package rarfile, ready to unpack.

    Raises
    ------
    OSError
        It is missing, or there is no program that it could start; the sentence says what to install.
    """
    try:
        import rarfile
    except ImportError:
        raise OSError(f"a RAR archive needs the package rarfile: pip install rarfile, {BY_HAND}") from None
    if os.name == "nt":
        rarfile.BSDTAR_TOOL = "tar"  # Windows has bsdtar under this name
    try:
        rarfile.tool_setup(force=True)
    except rarfile.RarCannotExec:
        programs = "install unrar, unar, 7-Zip or bsdtar"
        raise OSError(f"a RAR archive needs a program that reads it: {programs}, {BY_HAND}") from None
    return rarfile


def unpack(
    archive: str | os.PathLike,
    dest: str | os.PathLike,
    *,
    check: Callable[[Path], str | None] | None = None,
    progress: bool = False,
) -> Path:
    """Unpack an archive into a new folder, which appears only when everything is in it.

    An archive with an absolute name, "..", a link, a device or an encrypted member is refused as a whole
    before anything is written; so is one that would fill more than a hundred times its size and 64 MiB
    (images and float arrays shrink by less than ten; a zip bomb by a thousand). What macOS adds
    (``__MACOSX``, ``.DS_Store``) is left out, and where all lies in one folder, its content is taken.

    Parameters
    ----------
    archive : path-like
        Zip; or RAR, where `require_rar` finds what it needs.
    dest : path-like
        The folder to make. It must not exist, or be empty.
    check : callable, optional
        ``check(folder)`` looks at what was unpacked before it gets its name: None, or what is wrong.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        `dest`.

    Raises
    ------
    ValueError
        Not an archive, damaged, too large, it holds a member that is not allowed, or `check` is not content.
    OSError
        `dest` holds something already or cannot be written, the disk is too small, or nothing here reads RAR.
    """
    archive, dest = Path(archive), Path(dest)
    problem = f"cannot unpack {archive.name}"
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise FileExistsError(f"{problem}: {dest} exists and is not an empty folder")
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.part")
    # RuntimeError: what zipfile raises for a member that it cannot decrypt or decompress
    damage = (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError)
    try:
        if not is_archive(archive):
            raise ValueError(f"{problem}: it is neither a whole zip archive nor a RAR archive")
        reader = zipfile.ZipFile
        if not zipfile.is_zipfile(archive):
            rarfile = require_rar()
            reader, damage = rarfile.RarFile, (*damage, rarfile.Error)
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        with reader(archive) as opened:
            _unpack_members(opened, archive, temporary, progress)
        root = only_folder(temporary)
        if check is not None and (fault := check(root)) is not None:
            raise ValueError(f"cannot use {archive.name}: {fault}")
        if dest.exists():
            dest.rmdir()
        os.replace(root, dest)
    except damage as error:
        raise ValueError(f"{problem}: the archive is damaged ({error})") from None
    except OSError as error:
        reason = error.strerror if error.errno else error  # without a number it is a sentence already
        raise type(error)(f"{problem}{f' to {dest}' if error.errno else ''}: {reason}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dest


def _unpack_members(opened, archive: Path, folder: Path, progress: bool) -> None:
    """Unpack an opened ZipFile, or a RarFile, which has the same methods, into a folder that it makes."""
    from tqdm.auto import tqdm

    members = opened.infolist()
    limit = max(64 << 20, 100 * archive.stat().st_size)
    problem = f"cannot unpack {archive.name}:"
    if not members and getattr(opened, "needs_password", bool)():
        raise ValueError(f"{problem} it is encrypted")
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"{problem} {len(members)} members, at most {MAX_MEMBERS} are allowed")
    for name, member in ((_name(member), member) for member in members):
        # Windows rules everywhere: a backslash, a drive or a colon is special there and never needed.
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or PureWindowsPath(name).anchor or set(name) & set("\\:\0"):
            raise ValueError(f"{problem} {name!r} would be written outside the folder")
        if not _is_plain(member):
            raise ValueError(f"{problem} {name!r} is a link, a device or encrypted")
    total = sum(member.file_size for member in members)
    if total > limit:
        raise ValueError(f"{problem} it would fill {total} bytes, at most {limit} are allowed")
    require_space(folder.parent, total)
    folder.mkdir()
    for member in tqdm(members, f"unpacking {archive.name}", unit="file", leave=False, disable=not progress):
        path = folder / _name(member)
        if member.is_dir():
            path.mkdir(parents=True, exist_ok=True)
        elif not _from_macos(_name(member)):
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target)  # both readers stop at the size that was checked


def _name(member) -> str:
    # zipfile cuts the second at a null byte
    return member.orig_filename if isinstance(member, zipfile.ZipInfo) else member.filename


def _is_plain(member) -> bool:
    """Say whether a member is a file or a folder, and not encrypted."""
    if not isinstance(member, zipfile.ZipInfo):
        return (member.is_dir() or member.is_file()) and not member.needs_password()
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 when the archive was not made on Unix
    return kind in (0, stat.S_IFREG, stat.S_IFDIR) and not member.flag_bits & 1


def _from_macos(name: str) -> bool:
    return name.split("/")[0] == "__MACOSX" or name.split("/")[-1] == ".DS_Store"


def only_folder(folder: Path) -> Path:
    """Descend while a folder holds one folder and nothing else, what macOS adds left out of account."""
    while len(inside := [p for p in folder.iterdir() if not _from_macos(p.name)]) == 1 and inside[0].is_dir():
        folder = inside[0]
    return folder
