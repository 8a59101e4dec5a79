"""How strongly a JPEG file was compressed: a network that knows undamaged photographs sharpens that, too."""

from __future__ import annotations

from pathlib import Path

from srutils.upscale.chain import Chain

GOOD = 92  # from this quality on, the traces of compression hardly show
MEAN_AT_50 = 57.625  # mean of the luma table that libjpeg, and nearly every camera, scales by the quality


def jpeg_quality(source: Path) -> float | None:
    """Estimate the quality, 1 to 100, from a JPEG file's luma table; None for any other file."""
    from PIL import Image

    try:
        with Image.open(source) as image:
            table = getattr(image, "quantization", {}).get(0)
    except OSError:  # not a file that Pillow reads
        return None
    if not table:
        return None
    percent = 100 * sum(table) / len(table) / MEAN_AT_50
    return (200 - percent) / 2 if percent <= 100 else 5000 / percent


def compression_note(source: Path, up: Chain) -> str | None:
    """Say that a network will sharpen the traces of compression, if it will."""
    if not up.card or up.card["channels"] == "gray" or up.name.startswith("real-"):
        return None
    quality = jpeg_quality(source)
    if quality is None or quality >= GOOD:
        return None
    return (
        f"{up.name} knows undamaged photographs, and makes the traces of JPEG compression sharper, too; "
        "--blend 0.5 softens them, --model bicubic leaves them as they are"
    )
