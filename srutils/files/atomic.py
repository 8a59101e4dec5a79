"""Files that appear under their name only when they are whole: write aside, then rename; and their hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

CANNOT_WRITE = tuple(
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EFBIG", "EDQUOT", "ENAMETOOLONG")
    if hasattr(errno, name)  # Windows has not all of them
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
        Where to write. If the block raises it is removed, and `path` is what it was before.

    Raises
    ------
    FileNotFoundError
        The folder of `path` does not exist.
    OSError
        It cannot be written there: no permission, no space. One sentence that names `path`.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path.name}: the folder {path.parent} does not exist")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise type(error)(f"cannot write {path}: {error.strerror.lower()}") from error
    finally:
        with contextlib.suppress(PermissionError):  # then it was not made either
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Remove `folder` and its parents again if they are new, and still empty when the block ends.

    An empty folder would look like a data set that lacks its files.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()


def file_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
