"""How large a tile may be: as large as a part of the free memory allows."""

from __future__ import annotations

import os
from pathlib import Path

# Of one output pixel while a network works, as measured: 510 (srcnn-photo-x2), 250 (srresnet-photo-x4).
BYTES_AN_OUTPUT_PIXEL = 600
SHARE = 0.25  # of the free memory, for an engine may need more, and others run beside
LEAST, MOST, UNKNOWN = 64, 512, 256  # beyond 512 nothing is gained: the caches of a processor are full


def free_memory() -> int | None:
    """Return the bytes that a program can have without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows, macOS
        return None


def tile_side(scale: int) -> int:
    """Choose the side of a tile, in pixels of LR, for a network that enlarges by `scale`."""
    free = free_memory()
    if free is None:
        return UNKNOWN
    side = (SHARE * free / (BYTES_AN_OUTPUT_PIXEL * scale**2)) ** 0.5
    return int(min(max(side, LEAST), MOST))
