"""What the tests of `srutils upscale` share: random pixels, the command, and what a folder holds."""

import numpy as np
import pytest

from srutils import cli

RNG = np.random.default_rng(7)


def levels(height=11, width=13, channels=3, kind=np.uint8):
    return RNG.integers(0, np.iinfo(kind).max, (height, width, channels), dtype=kind, endpoint=True)


def run(capsys, *arguments):
    """Exit status, stdout and stderr of `srutils upscale arguments`, without a new process."""
    with pytest.raises(SystemExit) as stop:
        cli.main(["upscale", *map(str, arguments)])
    return stop.value.code, *capsys.readouterr()


def names(folder):
    """The files of a folder and of those in it, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
