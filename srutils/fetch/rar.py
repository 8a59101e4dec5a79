"""RAR archives, through whatever on this machine can read them: no free Python library does it alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

SIGNATURE = b"Rar!\x1a\x07"
# What lists and what unpacks. {} is the archive; the working folder is where it is unpacked to.
PROGRAMS = {
    "bsdtar": (["bsdtar", "-tf", "{}"], ["bsdtar", "-xf", "{}"]),
    "unrar": (["unrar", "lb", "-p-", "{}"], ["unrar", "x", "-y", "-p-", "-idq", "{}"]),
    "unar": (["lsar", "{}"], ["unar", "-quiet", "-no-directory", "-force-overwrite", "{}"]),
    "7z": (["7z", "l", "-ba", "-slt", "-p-", "{}"], ["7z", "x", "-y", "-p-", "{}"]),
    "7zz": (["7zz", "l", "-ba", "-slt", "-p-", "{}"], ["7zz", "x", "-y", "-p-", "{}"]),
    "tar": (["tar", "-tf", "{}"], ["tar", "-xf", "{}"]),  # macOS and Windows: bsdtar under another name
}


def is_rar(path: Path) -> bool:
    """Tell a RAR archive (version 4 or 5) by its first bytes."""
    with open(path, "rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def reader() -> ModuleType | str:
    """Return the Python package libarchive, or the name of a program of `PROGRAMS` that is installed.

    Raises
    ------
    OSError
        There is neither; the sentence says what to install.
    """
    try:
        import libarchive

        if hasattr(libarchive, "file_reader"):  # libarchive-c; another package has the same name
            return libarchive
    except (ImportError, OSError, AttributeError):  # the C library behind it may be missing
        pass
    for name, commands in PROGRAMS.items():
        if all(shutil.which(command[0]) for command in commands) and (name != "tar" or _tar_is_bsdtar()):
            return name
    raise OSError(
        "a RAR archive needs a program that reads it: install unar, unrar, 7-Zip or bsdtar (or the Python "
        "package libarchive-c), or unpack it by hand as data/README.md says"
    )


def _tar_is_bsdtar() -> bool:
    answer = subprocess.run(["tar", "--version"], capture_output=True, text=True)
    return "bsdtar" in answer.stdout


def extract(archive: Path, folder: Path, check: Callable[[list[tuple[str, int, bool, bool]]], None]) -> None:
    """Unpack into an existing, empty folder.

    Parameters
    ----------
    archive, folder : Path
    check : callable
        Given [(name, size, is a folder, is plain)] of all members, raises ValueError if one is not allowed.
        It is called before anything is written (a program lists names only: sizes are 0) and again after.

    Raises
    ------
    ValueError
        The check failed, or the archive is damaged.
    OSError
        Nothing here reads RAR.
    """
    how = reader()
    if isinstance(how, str):
        _by_program(how, archive, folder, check)
    else:
        _by_library(how, archive, folder, check)


def _by_library(libarchive: ModuleType, archive: Path, folder: Path, check) -> None:
    try:
        with libarchive.file_reader(str(archive)) as entries:
            check([(e.pathname, e.size or 0, e.isdir, e.isdir or e.isreg) for e in entries])
        with libarchive.file_reader(str(archive)) as entries:
            for entry in entries:
                path = folder / entry.pathname
                (path if entry.isdir else path.parent).mkdir(parents=True, exist_ok=True)
                if not entry.isdir:
                    with open(path, "wb") as file:
                        file.writelines(entry.get_blocks())
    except libarchive.ArchiveError as error:
        raise ValueError(f"cannot unpack {archive.name}: the archive is damaged ({error})") from None
    check(list(_written(folder)))


def _by_program(name: str, archive: Path, folder: Path, check) -> None:
    listing, unpacking = ([part.format(archive.resolve()) for part in command] for command in PROGRAMS[name])
    lines = _run(listing, archive, folder).splitlines()
    if name == "unar":
        lines = lines[1:]  # the first names the archive itself
    if name.startswith("7z"):
        lines = [line.removeprefix("Path = ") for line in lines if line.startswith("Path = ")]
        lines = [line.replace("\\", "/") for line in lines]  # 7-Zip on Windows lists them so
    check([(line, 0, line.endswith("/"), True) for line in lines if line.strip()])
    _run(unpacking, archive, folder)
    check(list(_written(folder)))


def _run(command: list[str], archive: Path, folder: Path) -> str:
    answer = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if answer.returncode:
        reason = " ".join((answer.stderr or answer.stdout).split())[-200:]
        raise ValueError(f"cannot unpack {archive.name}: {command[0]} says {reason or answer.returncode!r}")
    return answer.stdout


def _written(folder: Path) -> Iterator[tuple[str, int, bool, bool]]:
    for path in folder.rglob("*"):
        plain = not path.is_symlink() and (path.is_dir() or path.is_file())
        yield path.relative_to(folder).as_posix(), path.lstat().st_size, path.is_dir(), plain
