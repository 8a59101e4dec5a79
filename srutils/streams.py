"""Standard streams that never cost a result: closed, full, or with an encoding that lacks a character."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterator

SPELLINGS = {"±": "+-", "×": "x", "–": "-", "−": "-", "·": "-", "…": "...", "″": '"', "█": "#", "░": "."}


def spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write a character that an encoding lacks in ASCII: ± as +-, any other as Python's escape."""
    first = error.object[error.start]
    if "\udc80" <= first <= "\udcff":  # a byte of a file's name that Python could not decode
        return bytes([ord(first) - 0xDC00]), error.start + 1
    return SPELLINGS.get(first) or first.encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error("srutils-spell", spell)


def spell_what_is_lacking() -> None:
    """Let standard output and error print every text, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        refuses = getattr(stream, "errors", None) in ("strict", "surrogateescape")
        if refuses and hasattr(stream, "reconfigure"):  # a notebook's streams lack both, and no character
            stream.reconfigure(errors="srutils-spell")


class Output:
    """A text stream that goes on in silence when what it writes to is full or gone.

    Attributes
    ----------
    failure : OSError or None
        Why something was not written. A reader that has had enough, as ``head`` has, is no failure.
    """

    def __init__(self, stream):
        self.stream, self.failure = stream, None

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with self._forgiven():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        with self._forgiven():
            self.stream.flush()

    @contextlib.contextmanager
    def _forgiven(self):
        try:
            yield
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.failure = error
            # what is buffered would fail again, at the latest when Python ends
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)

    def __getattr__(self, name):
        return getattr(self.stream, name)


@contextlib.contextmanager
def forgiving_streams() -> Iterator[Output]:
    """Replace standard output and error by such streams for a while; yields standard output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: or the next file to be opened would get what libraries print
            os.open(os.devnull, os.O_RDWR)
    with contextlib.ExitStack() as stack:
        null = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        output = Output(sys.stdout or null)
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(Output(sys.stderr or null)))
        spell_what_is_lacking()
        try:
            yield output
        finally:
            output.flush()
            sys.stderr.flush()
