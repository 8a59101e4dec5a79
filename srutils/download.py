"""Files that appear under their name only when they are whole: write aside, hash, and download.

A download resumes where it broke off, and is used only after its size and hash were checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

CHUNK = 1 << 16
MAX_UNKNOWN = 64 << 20  # bytes accepted from a server when the caller could not say how many to expect


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
        Where to write. If the block raises it is removed, and `path` is what it was before.

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

    What is hashed: "HEIGHT WIDTH CHANNELS " as text, then the pixels, row by row. Files of any format that
    hold the same picture agree (a BMP and its PNG copy).
    """
    import numpy as np

    from .image_files import read_image

    pixels = np.rint(read_image(path) * 255).astype(np.uint8)
    header = "{} {} {} ".format(*pixels.shape).encode()
    return hashlib.sha256(header + pixels.tobytes()).hexdigest()


def fetch(
    url: str,
    dest: str | os.PathLike,
    *,
    size: int | None = None,
    limit: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
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
        The server refuses (404 and the like), or the line failed on every attempt (the part is kept).
    """
    dest = Path(dest)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"cannot download {url!r}: expected an http or https address")
    if sha256 is None and check is None:
        raise ValueError(f"refusing to download {url} unverified: give its sha256 or a check")
    if dest.is_file() and _fault(dest, size, sha256, check) is None:
        return dest
    made_folder = not dest.parent.exists()
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(dest.name + ".part")
    problem: Exception | str = "no attempt was made"
    for attempt in range(attempts):
        if attempt:
            time.sleep(min(backoff * 2 ** (attempt - 1), 30.0))
        resumed = part.exists()
        try:
            _transfer(url, part, size, limit, progress, timeout)
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
    if made_folder and not any(
        dest.parent.iterdir()
    ):  # an empty folder would look like a data set that lacks its files
        dest.parent.rmdir()
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


def _transfer(
    url: str, part: Path, size: int | None, limit: int | None, progress: bool, timeout: float
) -> None:
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
            # The part stays: this may be the log-in page of a network, and the next call may succeed.
            offer = f"expected {size} bytes, the server offers {total}"
            raise ValueError(f"{url} is not the expected file: {offer}")
        _remember_tag(response, part)
        _copy(response, url, part, start, total, size, limit, progress)


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
    response,
    url: str,
    part: Path,
    start: int,
    total: int | None,
    size: int | None,
    limit: int | None,
    progress: bool,
) -> None:
    from tqdm.auto import tqdm

    ceiling = size if size is not None else MAX_UNKNOWN if limit is None else limit
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
