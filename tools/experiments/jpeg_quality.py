"""Lesson 09's table: what JPEG, WebP, blur and noise leave of an upscaler's lead over bicubic.

``SR_DATA=... python -m tools.experiments.jpeg_quality`` scores the photograph networks on photographs that no
network learned from. It writes data/experiments/jpeg_quality.json after every row; a model whose file has not
changed since is not run again.
"""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from srutils import course, degradations, metrics, photos
from srutils.files.atomic import aside
from srutils.model_files.cards import model_path
from srutils.pairs import crop_to_multiple, degrade, resize
from srutils.recipes import photo_files
from srutils.recipes.scores import middle
from srutils.scoring.perceptual import lpips
from srutils.upscale import Upscaler
from tools.experiments import version
from tools.project import ROOT

OUT = ROOT / "data" / "experiments" / "jpeg_quality.json"
QUALITIES = (95, 85, 75, 60, 40)
X4 = ("bicubic", "srresnet-photo-x4", "real-photo-x4")
X2 = ("bicubic", "srresnet-photo-x2", "real-photo-x4")  # on every third; what it makes at x4 is halved
WINDOW, FLAT = 15, 2.0  # HR is flat where a window of so many pixels varies by less than so many levels


def held_out() -> list[np.ndarray]:
    """Return the middles of photographs that no network learned from, (H, W, 3), float32.

    Every second of the colour ones inside scikit-image and of the course's photographs for validation.
    """
    found = list(photos.builtin(colour=True).values())
    chosen = [photo for photo in photo_files.of_the_course()[0] if photo.part == "val"]
    found += [photo_files.read_pair(photo, 4, 10**9)[1].astype(np.float32) / 255 for photo in chosen]
    found = [crop_to_multiple(hr, 4) for hr in found[::2]]
    return [middle(hr[::4, ::4], hr, 4)[1] for hr in found]


def webp(lr: np.ndarray, quality: int) -> np.ndarray:
    """Write an image as a WebP file, in memory, and read it again."""
    file = io.BytesIO()
    Image.fromarray(np.rint(lr * 255).astype(np.uint8)).save(file, "webp", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"), np.float32) / 255


def conditions() -> dict:
    """Return what happens to a photograph: name -> function of HR, the scale and a generator; it gives LR."""

    def clean(hr, scale, rng):
        return metrics.quantize(degrade(hr, scale))

    def soft(hr, scale, rng):
        return metrics.quantize(degrade(degradations.blur(hr, (2.0, 2.0)), scale))

    def noisy(hr, scale, rng):
        return metrics.quantize(degradations.noise(degrade(hr, scale), 6 / 255, rng))

    found = {"clean": clean}
    for quality in QUALITIES:
        found[f"JPEG {quality}"] = lambda hr, s, rng, q=quality: degradations.jpeg(clean(hr, s, rng), q)
    found["WebP 75"] = lambda hr, s, rng: webp(clean(hr, s, rng), 75)
    found |= {"blur": soft, "noise": noisy, "a random chain": degradations.spoil}
    return found


def roughness(sr: np.ndarray, hr: np.ndarray) -> tuple[float, int]:
    """Return the sum of squares, in squared levels of luma, of what SR adds to HR's flat areas; and pixels.

    What counts is the difference from the mean of the 7 x 7 pixels around.
    """
    sr, hr = (metrics.luma(image)[..., 0].astype(np.float64) * 255 for image in (sr, hr))
    spread = uniform_filter(hr**2, WINDOW) - uniform_filter(hr, WINDOW) ** 2
    flat = spread < FLAT**2
    return float(np.square(sr - uniform_filter(sr, 7))[flat].sum()), int(flat.sum())


def enlarge(up: Upscaler, lr: np.ndarray, scale: int) -> np.ndarray:
    """Return SR of 8 bits; what was made larger than asked for is reduced by bicubic, antialiased."""
    sr = up(lr)
    size = tuple(scale * side for side in lr.shape[:2])
    return metrics.quantize(sr if sr.shape[:2] == size else resize(sr, size))


def score(name: str, scale: int, degraded, images: list[np.ndarray]) -> dict:
    """Return the means over photographs of PSNR and LPIPS, and the roughness of all their flat areas."""
    up = Upscaler.load(name, scale if name == "bicubic" else None)
    rows, squares, pixels = [], 0.0, 0
    for i, hr in enumerate(images):
        sr = enlarge(up, degraded(hr, scale, np.random.default_rng(i)), scale)
        rows.append((metrics.photo_scores(sr, hr, scale)["psnr"], lpips(sr, hr)))
        total, n = roughness(sr, hr)
        squares, pixels = squares + total, pixels + n
    psnr, distance = np.mean(rows, axis=0)
    found = {"psnr": round(psnr, 3), "lpips": round(distance, 4)}
    return found | {"roughness": round((squares / pixels) ** 0.5, 3), "flat_pixels": pixels}


def main() -> None:
    """Score what is missing or has changed."""
    if course.find_data("lpips/lpips_sq.onnx") is None:
        raise SystemExit("LPIPS is not here: `srutils fetch lpips`")
    images = held_out()
    rows = json.loads(OUT.read_text(encoding="utf-8"))["rows"] if OUT.is_file() else []
    stored = {(row["scale"], row["condition"], row["model"]): row for row in rows}
    wanted = [(4, c, name) for c in conditions() for name in X4]
    wanted += [(2, c, name) for c in conditions() if c == "clean" or c[:4] == "JPEG" for name in X2]
    wanted = [key for key in wanted if key[2] == "bicubic" or model_path(key[2]).is_file()]
    for key in wanted:
        if key not in stored or stored[key]["sha256"] != version(key[2]):
            row = dict(zip(("scale", "condition", "model"), key, strict=True)) | {"sha256": version(key[2])}
            few = images if key[0] == 4 else images[::3]
            stored[key] = row | score(key[2], key[0], conditions()[key[1]], few)
            print(*stored[key].values(), flush=True)
            kept = [stored[other] for other in wanted if other in stored]
            text = json.dumps({"photographs": len(images), "rows": kept}, indent=1)
            with aside(OUT) as path:
                path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
