"""Small RAR archives (version 4), written as the format's description has it: no free program does it."""

import stat
import struct
import zlib

SIGNATURE = b"Rar!\x1a\x07\x00"
STORED, PACKED = 0x30, 0x33


def block(kind, flags, rest, data=b""):
    body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body + data


def member(name, data, *, method=STORED, mode=stat.S_IFREG, size=None, flags=0):
    """Return the block of one file; `data` as they are, also where `method` says that they are packed."""
    flags |= 0xE0 if stat.S_ISDIR(mode) else 0
    named = name.encode()
    size = len(data) if size is None else size
    rest = struct.pack(
        "<IIBIIBBHI", len(data), size, 3, zlib.crc32(data), 0, 20, method, len(named), mode | 0o644
    )
    return block(0x74, 0x8000 | flags, rest + named, data)


def rar_of(*blocks, **options):
    """Return an archive of blocks, or of (name, data) with the options of `member`."""
    blocks = [b if isinstance(b, bytes) else member(*b, **options) for b in blocks]
    return SIGNATURE + block(0x73, 0, bytes(6)) + b"".join(blocks) + block(0x7B, 0x4000, b"")
