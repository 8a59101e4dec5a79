"""Download a file: resumed where it broke off, used only after its size and hash were checked."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from srutils.course import version_of
from srutils.files.atomic import file_sha256, no_empty_folders

MAX_UNKNOWN = 64 << 20  # bytes accepted from a server when the caller could not say how many to expect
ATTEMPTS = 5
SILENCE = 30.0  # seconds that a server may say nothing


class Unavailable(OSError):
    """The server cannot be found, or refuses: the file has to come from elsewhere."""


class WrongFile(ValueError):
    """What the server sends is not the file that was asked for."""


class Again(Exception):
    """A failure of the line or the server that another attempt may cure."""


def require_gdown():
    """Return the package gdown; OSError says what to install if it is missing or too old."""
    try:
        import gdown
    except ImportError:
        gdown = None
    if gdown is None or tuple(map(int, version_of("gdown").split(".")[:2])) < (6, 5):
        raise OSError("downloads need the package gdown, 6.5 or newer: pip install 'gdown>=6.5'")
    return gdown


def require_space(folder: Path, needed: int) -> None:
    """Raise OSError, a sentence, if fewer than `needed` bytes are free where an existing folder lies."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(f"{needed:,} bytes are needed in {folder}, and its disk has {free:,} left")


def fault(
    path: Path, size: int | None, sha256: str | None, check: Callable[[Path], str | None] | None = None
) -> str | None:
    """Say what is wrong with a file, or return None; `size`, `sha256` and `check` as in `fetch`."""
    got = path.stat().st_size
    if size is not None and got != size:
        return f"expected {size} bytes, got {got}"
    if sha256 is not None and (digest := file_sha256(path)) != sha256.lower():
        return f"expected sha256 {sha256.lower()}, got {digest}"
    return check(path) if check is not None else None


def fetch(
    url: str,
    dest: str | os.PathLike,
    *,
    size: int | None = None,
    limit: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
    progress: bool = True,
) -> Path:
    """Download one file with gdown, and verify it before it gets its name.

    The bytes collect beside `dest` in a file that ends in ".part". It stays when the line breaks or the user
    interrupts, and the next attempt asks only for what is missing. If the server ignores that, or the parts
    do not fit together, the file is brought once more from its beginning.

    Parameters
    ----------
    url : str
        An http or https address; Google Drive's, too.
    dest : path-like
        The file to make; its folder is created. If it is right already, nothing is downloaded.
    size, limit : int, optional
        Exact number of bytes; without it, the most that are accepted (64 MiB).
    sha256 : str, optional
        SHA-256 of the file, hexadecimal.
    check : callable, optional
        ``check(path)`` returns None for a good file, else a phrase saying what is wrong: for files whose
        content is known but not their bytes. One of `sha256` and `check` is required.
    progress : bool
        Show a progress bar.

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
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"cannot download {url!r}: expected an http or https address")
    if sha256 is None and check is None:
        raise ValueError(f"refusing to download {url} unverified: give its sha256 or a check")
    whole = dest.with_name(dest.name + ".download")  # what gdown calls it when all bytes have come
    most = size if size is not None else MAX_UNKNOWN if limit is None else limit
    try:
        if dest.is_file() and fault(dest, size, sha256, check) is None:
            return dest
        with no_empty_folders(dest.parent):
            dest.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(dest.parent, os.W_OK):  # better heard before the network is asked
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            for attempt in range(ATTEMPTS):
                time.sleep(2.0 ** (attempt - 1) if attempt else 0)
                try:
                    _ask(url, whole, size, most, progress, lambda: fault(whole, size, sha256, check))
                    break
                except Again as error:
                    problem = error
                    if isinstance(error.__cause__, socket.gaierror) and attempt:
                        raise Unavailable(f"cannot download {url}: {problem}{_kept(whole)}") from None
            else:
                failed = f"could not download {url} in {ATTEMPTS} attempts ({problem})"
                raise Unavailable(failed + _kept(whole))
            whole.chmod(0o644)  # gdown leaves it to its owner alone
            os.replace(whole, dest)
    except WrongFile as error:
        _discard(whole)
        raise ValueError(f"{url} is not the expected file: {error}; it was discarded") from None
    except OSError as error:
        if error.errno is None:  # a sentence already
            raise
        raise OSError(f"cannot write {dest}: {error.strerror}{_kept(whole)}") from None
    return dest


def _ask(url: str, whole: Path, size: int | None, most: int, progress: bool, wrong) -> None:
    """Bring the rest of a file in one attempt; if something is wrong with it then, discard it and raise."""
    resumed = whole.is_file() or bool(_parts(whole))
    if not whole.is_file():
        bar = _Bar(whole, size, most, progress)
        try:
            _bring(url, whole, bar)
        except OSError as error:
            if not resumed and bar.n == 0 and error.errno is None:  # there is no room for it
                _discard(whole)
            raise
        finally:
            bar.close()
    if (problem := wrong()) is not None:
        _discard(whole)
        # A bad joint with an older part deserves a fresh start; a file that came in one piece does not.
        raise Again(problem) if resumed else WrongFile(problem)


def _bring(url: str, whole: Path, bar: _Bar) -> None:
    """Call gdown and tell apart what its errors, and those of requests, mean for us."""
    gdown = require_gdown()
    import requests

    try:
        gdown.download(
            url, str(whole), quiet=True, resume=True, use_cookies=False, timeout=SILENCE, progress=bar.show
        )
    except gdown.FileURLRetrievalError as error:
        reason = " ".join(str(error).split()).removeprefix("Failed to retrieve file url: ").split(". ")[0]
        refusal = f"Google Drive does not hand out the file now ({reason}): try again in a day"
        raise Unavailable(refusal) from None
    except (AssertionError, AttributeError, KeyError):  # gdown, of a page that it does not know
        raise Unavailable("Google Drive does not hand out the file now (its page is unknown)") from None
    except gdown.DownloadError as error:
        if error.__cause__ is None:  # the server ignores the range that was asked for, or sends another one
            _discard(whole)
        raise Again(str(error).splitlines()[0].rstrip(".")) from None
    except requests.HTTPError as error:
        status = error.response.status_code
        said = f"HTTP {status} {error.response.reason}"
        if status in (408, 429) or status >= 500:
            raise Again(said) from None
        raise Unavailable(f"cannot download {url}: {said}") from None
    except requests.RequestException as error:
        if isinstance(error, ValueError):  # an address that nobody can ask
            raise Unavailable(f"cannot download {url}: {error}") from None
        cause: BaseException = error
        while (inner := cause.__cause__ or cause.__context__) is not None:
            cause = inner
        looked_up = isinstance(cause, socket.gaierror)
        what = "the server's name cannot be looked up" if looked_up else "the connection failed"
        raise Again(f"{what}: {getattr(cause, 'strerror', None) or cause}") from cause


class _Bar:
    """Show how far a download is, and stop one that cannot be right or will not fit."""

    def __init__(self, whole: Path, size: int | None, most: int, progress: bool):
        from tqdm.auto import tqdm

        self.folder, self.size, self.most, self.n = whole.parent, size, most, 0
        self.start = sum(part.stat().st_size for part in _parts(whole))
        name = whole.name.removesuffix(".download")
        self.bar = tqdm(unit="B", unit_scale=True, desc=name, disable=not progress, leave=False)
        self.close = self.bar.close

    def show(self, have: int, total: int | None) -> None:
        if self.size is not None and total not in (None, self.size):
            raise WrongFile(f"expected {self.size} bytes, the server offers {total}")
        if have > self.most:
            raise WrongFile(f"more than {self.most} bytes came")
        if not self.n:
            require_space(self.folder, min(total or 0, self.most) - self.start)
        self.bar.total, self.n = total, have
        self.bar.update(have - self.bar.n)
        self.bar.leave = have == total  # only the bar of a transfer that ends well stays on the screen


def _parts(whole: Path) -> list[Path]:
    """Return what gdown has of a file: eight characters of its own stand before the suffix."""
    return sorted(whole.parent.glob(f"{glob.escape(whole.name)}{'?' * 8}.part"))


def _discard(whole: Path) -> None:
    for path in (whole, *_parts(whole)):
        path.unlink(missing_ok=True)


def _kept(whole: Path) -> str:
    """Return what to say of a part that is there, after the reason why it is not whole."""
    found = [(path, path.stat().st_size) for path in _parts(whole)]
    return "".join(f"; {size} bytes are kept in {path}, run again to resume" for path, size in found if size)
