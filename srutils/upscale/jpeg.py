"""What compression did to a file: a network that knows undamaged photographs sharpens that, too."""

from __future__ import annotations

from pathlib import Path

from srutils.upscale.chain import Chain

GOOD = 92  # from this quality on, the traces of compression hardly show
MEAN_AT_50 = 57.625  # mean of the luma table that libjpeg, and nearly every camera, scales by the quality


def jpeg_quality(source: Path) -> float | None:
    """Estimate the quality, 1 to 100, from a JPEG file's luma table; None for any other file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source, formats=("JPEG",)) as image:
            table = image.quantization.get(0)
    except UnidentifiedImageError:
        return None
    if not table:
        return None
    percent = 100 * sum(table) / len(table) / MEAN_AT_50
    return (200 - percent) / 2 if percent <= 100 else 5000 / percent


def is_lossy_webp(source: Path) -> bool:
    """Tell whether a file is a WebP picture that was compressed with loss: it has a chunk called "VP8 "."""
    with open(source, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return False
        while len(chunk := file.read(8)) == 8 and chunk[:4] not in (b"VP8 ", b"VP8L", b"ANMF"):
            size = int.from_bytes(chunk[4:], "little")
            file.seek(size + size % 2, 1)
    return chunk[:4] == b"VP8 "


def compression(source: Path) -> str | None:
    """Say how a file was compressed if that shows: "JPEG of quality 75", "WebP with loss"; else None."""
    quality = jpeg_quality(source)
    if quality is not None:
        return f"JPEG of quality {quality:.0f}" if quality < GOOD else None
    return "WebP with loss" if is_lossy_webp(source) else None


def compression_note(source: Path, up: Chain) -> str | None:
    """Say that a network will sharpen the traces of compression, if it will."""
    if not up.card or up.card["channels"] == "gray" or up.name.startswith("real-"):
        return None
    found = compression(source)
    return found and (
        f"{up.name} knows undamaged photographs, and makes the traces of {found.split()[0]} compression "
        "sharper, too; --blend 0.5 softens them, --model bicubic leaves them as they are"
    )
