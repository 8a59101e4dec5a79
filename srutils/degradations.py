"""What happens to a photograph between a scene and a file: blur, resizing, noise and JPEG, drawn at random.

The benchmark protocol makes LR by bicubic and nothing else (`srutils.pairs.degrade`). Here the steps, their
order and their strengths are drawn for every picture, after BSRGAN (Zhang et al. 2021, arXiv:2103.14006) and
Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833), in one round and in gentler ranges. Images are float32
(H, W, C) in [0, 1], C = 1 or 3.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from srutils.pairs import as_images, resize

BLUR = 0.2, 2.5  # standard deviations of the blur, in HR pixels at x4; in proportion at other scales
NOISE = 12 / 255  # the strongest noise; weak noise is drawn more often
QUALITY = 30, 95  # of JPEG
FACTOR = 0.5, 1.5  # sizes on the way, in units of the geometric mean of LR's side and HR's
CHANCE = 0.6  # of blur, of a size on the way, and of noise, each; and of a JPEG file on the way, half of it


def blur(image: np.ndarray, widths: tuple[float, float], angle: float = 0.0) -> np.ndarray:
    """Blur with a Gaussian that may be longer in one direction; edges repeat.

    Parameters
    ----------
    image : ndarray (H, W, C)
    widths : (float, float)
        Standard deviations in pixels, along the direction of `angle` and across it.
    angle : float
        In radians, from the rows' direction (downwards).

    Returns
    -------
    ndarray like `image`, float32
    """
    from scipy.signal import oaconvolve

    image, radius = as_images(image)[0], max(1, int(np.ceil(3 * max(widths))))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / widths[0]) ** 2 + (across / widths[1]) ** 2))
    kernel = (kernel / kernel.sum()).astype(np.float32)[..., None]
    padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), "edge")
    return oaconvolve(padded, kernel, mode="valid", axes=(0, 1)).astype(np.float32)


def noise(image: np.ndarray, sigma: float, rng: np.random.Generator, grey: bool = False) -> np.ndarray:
    """Add Gaussian noise of standard deviation `sigma`; ``grey``: the same to all channels. No clipping."""
    image = as_images(image)[0]
    shape = (*image.shape[:2], 1) if grey else image.shape
    return image + np.float32(sigma) * rng.standard_normal(shape, np.float32)


def jpeg(image: np.ndarray, quality: int, full_colour: bool = False) -> np.ndarray:
    """Write an image as a JPEG file, in memory, and read it again.

    Parameters
    ----------
    image : ndarray (H, W, C), C = 1 or 3
        What lies outside [0, 1] is clipped, and the rest rounded to 8 bits, as any such file is.
    quality : int
        1 to 95, as Pillow and libjpeg count.
    full_colour : bool
        Keep colour at full resolution (4:4:4); cameras and the web mostly halve it (4:2:0).

    Returns
    -------
    ndarray like `image`, float32 in [0, 1]

    Raises
    ------
    ValueError
        A quality out of range, or an image that is none.
    """
    if not 1 <= quality <= 95:
        raise ValueError(f"quality is {quality}; expected 1 to 95")
    image = as_images(image)[0]
    levels, file = np.rint(image.clip(0, 1) * 255).astype(np.uint8), io.BytesIO()
    colour = {"subsampling": 0 if full_colour else 2} if image.shape[-1] == 3 else {}
    picture = Image.fromarray(levels.squeeze(-1) if image.shape[-1] == 1 else levels)
    picture.save(file, "jpeg", quality=int(quality), **colour)
    return np.asarray(Image.open(file), np.float32).reshape(image.shape) / 255


def draw_jpeg(rng: np.random.Generator) -> tuple[int, bool]:
    """Draw the settings of `jpeg`: its quality, and whether colour stays at full resolution."""
    return int(rng.integers(QUALITY[0], QUALITY[1] + 1)), bool(rng.random() < 0.3)


def draw(scale: int, rng: np.random.Generator) -> list[tuple]:
    """Draw what happens to one picture: the steps in their order, each as (name, settings).

    Blur, a size on the way, noise and a JPEG file may each happen or not, and LR's size always comes, all in
    any order but that the size on the way precedes LR's; then mostly one more JPEG file.

    Returns
    -------
    list of tuple
        ("blur", widths, angle), ("resize", factor, method), ("noise", sigma, grey), ("jpeg", quality,
        full_colour) and ("to LR", method).
    """
    methods = ("bicubic", "bilinear", "lanczos")
    low, high = (width * scale / 4 for width in BLUR)
    possible = [
        (CHANCE, ("blur", tuple(rng.uniform(low, high, 2).tolist()), float(rng.uniform(0, np.pi)))),
        (CHANCE, ("resize", float(rng.uniform(*FACTOR) / scale**0.5), str(rng.choice(methods)))),
        (CHANCE, ("noise", float(NOISE * rng.random() ** 2), bool(rng.random() < 0.4))),
        (CHANCE / 2, ("jpeg", *draw_jpeg(rng))),
    ]
    happens = [step for chance, step in possible if rng.random() < chance]
    happens.append(("to LR", str(rng.choice(methods))))
    steps = [happens[i] for i in rng.permutation(len(happens))]
    names = [name for name, *_ in steps]
    if "resize" in names and (late := names.index("resize")) > (lr := names.index("to LR")):
        steps[lr], steps[late] = steps[late], steps[lr]  # the size on the way comes first
    return [*steps, ("jpeg", *draw_jpeg(rng))] if rng.random() < 0.75 else steps


def apply(steps: list[tuple], hr: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
    """Let `steps`, as `draw` returns them, happen to HR (H, W, C).

    Returns
    -------
    ndarray (H / scale, W / scale, C), float32 in [0, 1]
        Rounded to 8 bits, as a file would hold it.

    Raises
    ------
    ValueError
        A side of HR is no multiple of the scale.
    """
    image = as_images(hr)[0]
    height, width = image.shape[:2]
    if height % scale or width % scale:
        raise ValueError(f"hr is {height} x {width}; expected sides that are multiples of the scale, {scale}")
    for name, *settings in steps:
        if name == "blur":  # its widths are in HR pixels, of which an image on the way has fewer
            image = blur(image, tuple(w * image.shape[0] / height for w in settings[0]), settings[1])
        elif name == "noise":
            image = noise(image, settings[0], rng, settings[1])
        elif name == "jpeg":
            image = jpeg(image, *settings)
        elif name == "resize":
            size = (max(1, round(height * settings[0])), max(1, round(width * settings[0])))
            image = resize(image, size, settings[1])
        else:
            image = resize(image, (height // scale, width // scale), settings[0])
    return np.rint(image.clip(0, 1) * 255).astype(np.float32) / 255


def spoil(hr: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
    """Make LR from HR (H, W, C) as nobody knows how: `draw`, then `apply`."""
    return apply(draw(scale, rng), hr, scale, rng)
