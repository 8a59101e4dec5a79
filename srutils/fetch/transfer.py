"""One HTTP request that brings a partial file nearer to the whole; `srutils.fetch.download.fetch` repeats it."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

CHUNK = 1 << 16
MAX_PAGE = 1 << 20  # bytes read of a web page that came instead of a file


class Again(Exception):
    """A failure of the line or the server that another attempt may cure."""


class WrongFile(ValueError):
    """What the server sends is not the file that was asked for."""


class Unavailable(OSError):
    """The server cannot be found, or refuses: the file has to come from elsewhere."""


PASSING = (Again, http.client.HTTPException)


def require_space(folder: str | PathLike, needed: int) -> None:
    """Refuse what will not fit, before it is written.

    Raises
    ------
    OSError
        Fewer than `needed` bytes are free where `folder`, which must exist, lies.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(f"{needed:,} bytes are needed in {folder}, and its disk has {free:,} left")


def discard(part: Path) -> None:
    """Remove a part and what is known of the server's version of it."""
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def transfer(
    url: str,
    part: Path,
    size: int | None,
    most: int,
    *,
    page: Callable[[str], str] | None = None,
    progress: bool = True,
    timeout: float = 30.0,
) -> None:
    """Bring `part` from its present length to the whole file, in one request.

    Parameters
    ----------
    url : str
    part : Path
        The file that grows, in a folder that exists. Beside it, in `part` + ".tag", is kept what identifies
        the server's version of the file.
    size : int, optional
        Exact number of bytes of the whole file.
    most : int
        The most bytes that are accepted.
    page, progress, timeout
        As in `srutils.fetch.download.fetch`.

    Raises
    ------
    PASSING
        The line or the server failed in a way that another attempt may cure.
    WrongFile
        The server sends another file: the part is as it was, or was discarded if the message says so.
    Unavailable
        The server refuses, or its name cannot be looked up (tried twice).
    OSError
        The disk refuses.
    """
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        if have == size:
            return
        discard(part)
        have = 0
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())  # a page may set cookies
    if page is not None:
        with _request(opener, url, part, 0, timeout) as first:  # whole: a part of a page is of no use
            if _is_page(first):
                url = page(_read(first, MAX_PAGE).decode("utf-8", "replace"))
        if urlsplit(url).scheme not in ("http", "https"):
            raise WrongFile(f"a web page points to {url!r}")
    response = _request(opener, url, part, have, timeout)
    if response is None:
        return
    with response:
        if _is_page(response):  # the part stays here, too
            raise WrongFile("the server sent a web page")
        start, total = _answer(response, url, part, have)
        if total is not None and size is not None and total != size:
            # The part stays: this may be the log-in page of a network, and the next call may succeed.
            raise WrongFile(f"expected {size} bytes, the server offers {total}")
        whole = total if total is not None else size or 0
        require_space(part.parent, min(whole, most) - start)
        _remember_tag(response, part)
        _copy(response, part, start, whole, most, progress)


def _is_page(response) -> bool:
    """Whether this is HTML: a log-in, a notice about quotas, but never a file of ours."""
    return response.headers.get_content_type() == "text/html"


def _request(
    opener: urllib.request.OpenerDirector,
    url: str,
    part: Path,
    have: int,
    timeout: float,
    patient: bool = True,
):
    """Open the address, from byte `have` on; None when the server says that nothing is missing."""
    headers = {"User-Agent": "srutils", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if _tag_file(part).exists():  # "only if the file is still the one that the part came from"
            headers["If-Range"] = _tag_file(part).read_text(encoding="utf-8")
    try:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                if error.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                    return None
                discard(part)
                raise Again("the server has no such range") from None
            if error.code in (408, 429) or error.code >= 500:
                raise Again(f"HTTP {error.code} {error.reason}") from None
            raise Unavailable(f"cannot download {url}: HTTP {error.code} {error.reason}") from None
    except OSError as error:
        if not isinstance(getattr(error, "reason", error), socket.gaierror):
            raise _again(error) from None
        problem = f"the server's name cannot be looked up ({_again(error)})"
    if patient:  # only once more: a machine without a network should hear of it soon
        time.sleep(1.0)
        return _request(opener, url, part, have, timeout, patient=False)
    raise Unavailable(f"cannot download {url}: {problem}{kept(part)}")


def kept(part: Path) -> str:
    """What to say of a part that is there, after the reason why it is not whole."""
    size = part.stat().st_size if part.exists() else 0
    return f"; {size} bytes are kept in {part}, run again to resume" if size else ""


def _answer(response, url: str, part: Path, have: int) -> tuple[int, int | None]:
    """Return (first byte that follows, size of the whole file or None); refuse a range not asked for."""
    length = response.headers.get("Content-Length", "")
    if response.status == 200:  # the whole file: Range was not asked for, was ignored, or the file changed
        return 0, int(length) if length.isdigit() else None
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if found and int(found[1]) == have:
            return have, None if found[3] == "*" else int(found[3])
        discard(part)
        raise Again("the server sent another range than the one asked for")
    raise Unavailable(f"cannot download {url}: unexpected HTTP status {response.status}")


def _remember_tag(response, part: Path) -> None:
    """Keep what identifies this version of the file, for If-Range (weak tags may not be used there)."""
    tag = response.headers.get("ETag", "")
    tag = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
    if tag:
        _tag_file(part).write_text(tag, encoding="utf-8")
    else:
        _tag_file(part).unlink(missing_ok=True)


def _copy(response, part: Path, start: int, whole: int, most: int, progress: bool) -> None:
    """Append what comes to the part; `whole` is the length of the file, 0 if nobody knows."""
    from tqdm.auto import tqdm

    have, name = start, part.name.removesuffix(".part")
    bar = tqdm(total=whole or None, initial=start, unit="B", unit_scale=True, desc=name, disable=not progress)
    bar.leave = False  # only the bar of a transfer that ends well stays on the screen
    with open(part, "ab" if start else "wb") as file, bar:
        while block := _read(response, CHUNK):
            have += len(block)
            if have > most:
                break
            file.write(block)
            bar.update(len(block))
        bar.leave = whole <= have <= most
    if have > most:
        discard(part)
        raise WrongFile(f"more than {most} bytes came; it was discarded")
    if have < whole:
        raise Again(f"the connection closed after {have} of {whole} bytes")


def _read(response, size: int) -> bytes:
    try:
        return response.read(size)
    except OSError as error:  # so that what is left of OSError is the disk's
        raise _again(error) from None


def _again(error: OSError) -> Again:
    reason = getattr(error, "reason", error)  # what urllib has wrapped
    return Again(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)
