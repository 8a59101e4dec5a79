"""What the user hears while files are enlarged: notes, and how far the work is."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator

notes = logging.getLogger("srutils.upscale")
progress = logging.getLogger("srutils.upscale.progress")
progress.propagate = False
SECONDS_BETWEEN_LINES = 10


def counted(things: Iterable, total: int, unit: str, bar: bool) -> Iterator:
    """Yield things, and show how many are done: in a bar, or logged, which is free where no one reads.

    Parameters
    ----------
    things : iterable
    total : int
    unit : str
        What one of them is called.
    bar : bool
    """
    if bar:
        from tqdm import tqdm

        things = tqdm(things, total=total, unit=unit, leave=unit == "image")
    for done, thing in enumerate(things, 1):
        yield thing
        progress.info("%s %d of %d is done", unit, done, total)


class OnStderr(logging.Handler):
    """Prints each message once, on stderr, beside a progress bar or without one.

    Parameters
    ----------
    seconds : float
        Print at most one message in this time, and none before it is over.
    """

    def __init__(self, seconds: float = 0):
        super().__init__()
        self.seconds, self.last, self.printed = seconds, time.monotonic(), set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless it was printed before or the last one is too recent."""
        from tqdm import tqdm

        text, now = record.getMessage(), time.monotonic()
        if text not in self.printed and now - self.last >= self.seconds:
            self.printed.add(text)
            self.last = now
            tqdm.write(f"srutils: {text}", file=sys.stderr)


@contextlib.contextmanager
def messages_on_stderr(bar: bool) -> Iterator[None]:
    """Print notes on stderr for a while and, where there is no bar, a line of progress now and then."""
    heard = {notes: OnStderr()} | ({} if bar else {progress: OnStderr(SECONDS_BETWEEN_LINES)})
    for logger, handler in heard.items():
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, handler in heard.items():
            logger.removeHandler(handler)
