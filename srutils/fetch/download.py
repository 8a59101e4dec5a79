"""Download a file: resumed where it broke off, used only after its size and hash were checked."""

from __future__ import annotations

import errno
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from srutils.fetch.transfer import PASSING, Unavailable, WrongFile, discard, kept, transfer
from srutils.files.atomic import file_sha256, no_empty_folders

MAX_UNKNOWN = 64 << 20  # bytes accepted from a server when the caller could not say how many to expect


def fetch(
    url: str,
    dest: str | os.PathLike,
    *,
    size: int | None = None,
    limit: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
    page: Callable[[str], str] | None = None,
    progress: bool = True,
    attempts: int = 5,
    backoff: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download one file over HTTP, resuming what an earlier call left, and verify it before it gets its name.

    The bytes collect in `dest` + ".part", kept when the line breaks or the user interrupts. The next attempt
    asks only for the missing ones (RFC 9110, Range with If-Range); if the server ignores this, it starts
    afresh. A `dest` that is already right is not downloaded again.

    Parameters
    ----------
    url : str
        An http or https address.
    dest : path-like
        The file to make; its folder is created.
    size : int, optional
        Exact number of bytes.
    limit : int, optional
        Without a size, the most bytes that are accepted (64 MiB).
    sha256 : str, optional
        SHA-256 of the file, hexadecimal.
    check : callable, optional
        ``check(path)`` returns None for a good file, else a phrase saying what is wrong: for files whose
        content is known but not their bytes. One of `sha256` and `check` is required.
    page : callable, optional
        ``page(html)`` is given a web page that came instead of the file and returns the address to ask next,
        or raises OSError. Without it, a web page is refused.
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
        The file is not the expected one (it is discarded), or the arguments are wrong.
    OSError
        The server refuses (404 and the like), the line failed on every attempt, or the disk is full or may
        not be written to. The part is kept.
    """
    dest = Path(dest)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"cannot download {url!r}: expected an http or https address")
    if sha256 is None and check is None:
        raise ValueError(f"refusing to download {url} unverified: give its sha256 or a check")
    part = dest.with_name(dest.name + ".part")
    most = size if size is not None else MAX_UNKNOWN if limit is None else limit
    bring = functools.partial(transfer, url, part, size, most, page=page, progress=progress, timeout=timeout)
    try:
        if dest.is_file() and fault(dest, size, sha256, check) is None:
            return dest
        with no_empty_folders(dest.parent):
            dest.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(dest.parent, os.W_OK):  # better heard before the network is asked
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            problem = _attempts(bring, part, lambda: fault(part, size, sha256, check), attempts, backoff)
            if problem is not None:
                raise Unavailable(f"could not download {url} in {attempts} attempts ({problem}){kept(part)}")
            os.replace(part, dest)
            discard(part)
    except WrongFile as error:
        raise ValueError(f"{url} is not the expected file: {error}") from None
    except OSError as error:
        if error.errno is None:  # a sentence already
            raise
        raise OSError(f"cannot write {dest}: {error.strerror}{kept(part)}") from None
    return dest


def _attempts(
    bring: Callable[[], None], part: Path, wrong: Callable[[], str | None], attempts: int, backoff: float
) -> object:
    """Call `bring` until the part is whole: None then, else what went wrong the last time."""
    problem: object = "no attempt was made"
    for attempt in range(attempts):
        if attempt:
            time.sleep(min(backoff * 2 ** (attempt - 1), 30.0))
        resumed = part.exists()
        try:
            bring()
        except PASSING as error:
            problem = error
            continue
        problem = wrong()
        if problem is None:
            return None
        discard(part)
        # A bad joint with an older part deserves a fresh start; a file that came in one piece does not.
        if not resumed or attempt == attempts - 1:
            raise WrongFile(f"{problem}; it was discarded")
    return problem


def fault(
    path: Path,
    size: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
) -> str | None:
    """Say what is wrong with a file, or return None; `size`, `sha256` and `check` as in `fetch`."""
    got = path.stat().st_size
    if size is not None and got != size:
        return f"expected {size} bytes, got {got}"
    if sha256 is not None and (digest := file_sha256(path)) != sha256.lower():
        return f"expected sha256 {sha256.lower()}, got {digest}"
    return check(path) if check is not None else None
