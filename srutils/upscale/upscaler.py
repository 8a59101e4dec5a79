"""One callable for every way to enlarge an image: nearest to Lanczos, deconvolution, and trained networks.

A trained network is two files, ``NAME.onnx`` and its card ``NAME.json``; ONNX Runtime or OpenVINO runs it, so
neither TensorFlow nor PyTorch is needed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srutils import course
from srutils.metrics import luma
from srutils.model_files.cards import is_classifier, model_path, read_card
from srutils.model_files.engine import open_model
from srutils.pairs import METHODS, as_images, resize
from srutils.upscale.tiling import Tile, tiles

DECONVOLVERS = ("wiener", "richardson-lucy")
CLASSICAL = (*METHODS, "bicubic-torch", *DECONVOLVERS)
# Interpolation, and how many LR pixels to each side of a point it looks at.
INTERPOLATION = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos": 3, "bicubic-torch": 2}
REQUIRED_IN_CARD = {"name", "task", "scale", "channels", "input"}
SAMPLES = 32  # of a posterior model, whose mean stands where one picture is asked for
TOGETHER = 8  # samples drawn at once
MOST_SIDE = 160  # LR pixels: a posterior model sees a field as a whole, since its samples have no seams


def bicubic_torch(image, scale: int) -> np.ndarray:
    """Enlarge as PyTorch's ``interpolate(mode="bicubic", align_corners=False)`` does.

    Keys' kernel again, but with a = -0.75 where Pillow and MATLAB have -0.5: it sharpens more, noise too. The
    LR images of ``deeplense`` were made with it, so it is the "bicubic" of that test's published figures.

    Parameters
    ----------
    image : array_like, (H, W, C) or (N, H, W, C)
    scale : int

    Returns
    -------
    ndarray, (H * scale, W * scale, C) or (N, ...), float32
    """
    a, images = -0.75, as_images(image)
    for axis in (1, 2):
        n = images.shape[axis]
        position = (np.arange(n * scale) + 0.5) / scale - 0.5  # pixel centres, in LR pixels
        left = np.floor(position).astype(int)
        total = 0
        for tap in (-1, 0, 1, 2):
            d = np.abs(position - left - tap)
            weight = np.where(d <= 1, ((a + 2) * d - (a + 3)) * d * d + 1, ((d - 5) * d + 8) * d * a - 4 * a)
            weight = weight.astype(np.float32).reshape((-1, 1, 1) if axis == 1 else (-1, 1))
            taps = np.take(images, np.clip(left + tap, 0, n - 1), axis)  # edges are repeated
            total = total + weight * taps
        images = total
    return images if np.ndim(image) == 4 else images[0]


def model_cards() -> list[dict]:
    """The cards of all shipped models that make one picture of an image, sorted by name."""
    return [card for card in _cards() if "noise" not in card]


def posterior_cards() -> list[dict]:
    """The cards of all shipped models that draw samples, sorted by name: see `Upscaler.sample`."""
    return [card for card in _cards() if "noise" in card]


def _cards() -> list[dict]:
    paths = sorted(course.models_dir().glob("*.json"))
    return [_read_card(path) for path in paths if not is_classifier(path.with_suffix(".onnx"))]


def _read_card(path: Path) -> dict:
    card = read_card(path, REQUIRED_IN_CARD)
    if "noise" not in card:
        card = read_card(path, {"receptive_field"})
    expected = {
        "channels": ("luma", "rgb", "gray"),
        "input": ("lr", "bilinear", "bicubic"),
        "edges": ("zero", "repeat"),
    }
    problem = f"the model card {path} has"
    for key, allowed in expected.items():
        if card.get(key, allowed[0]) not in allowed:
            raise ValueError(f"{problem} {key} {card[key]!r}; expected {' or '.join(allowed)}")
    for key in ("scale", "receptive_field", "multiple"):  # multiple: of the sides of the network's input
        value = card.get(key, 1)
        if type(value) is not int or value < 1:
            raise ValueError(f"{problem} {key} {value!r}; expected a positive integer")
    return card


@dataclass
class Upscaler:
    """Enlarge images by ``scale``; make one with `Upscaler.load`, then call it.

    Attributes
    ----------
    name : str
    scale : int
    card : dict
        What is known about a trained model; empty for the classical methods.
    """

    name: str
    scale: int
    card: dict = field(default_factory=dict)
    _run: Callable | None = field(default=None, repr=False)

    @classmethod
    def load(cls, name: str | Path, scale: int | None = None, engine: str = "auto") -> Upscaler:
        """Find an upscaler by name, or a model by the path of its ``.onnx`` file.

        Parameters
        ----------
        name : str or Path
            "nearest", "bilinear", "bicubic", "lanczos" (Pillow's); "bicubic-torch" (see `bicubic_torch`);
            "wiener", "richardson-lucy" (telescope lenses only); the name of a shipped model; or a path to
            ``X.onnx`` with its card ``X.json`` beside it.
        scale : int, optional
            Needed by the classical methods; a model knows its own, and another one is an error.
        engine : str
            What runs a model, see `srutils.model_files.engine.open_model`; "auto" is OpenVINO where it is
            installed, else ONNX Runtime.

        Raises
        ------
        ValueError
            Unknown name, wrong or missing scale, unreadable card or model.
        """
        if name in CLASSICAL:
            if not isinstance(scale, int | np.integer) or scale < 1:
                raise ValueError(f"{name} needs a scale, such as 2; got {scale}")
            return cls(str(name), scale)
        path = model_path(name)
        if not path.is_file():
            known = ", ".join([*CLASSICAL, *(card["name"] for card in _cards())])
            raise ValueError(
                f"no upscaler called {str(name)!r}; there are {known}, or a path to an .onnx file"
            )
        if is_classifier(path):
            raise ValueError(f"{path.stem} tells classes of lenses apart; it does not enlarge images")
        card = _read_card(path.with_suffix(".json"))
        if scale not in (None, card["scale"]):
            raise ValueError(f"{card['name']} enlarges by {card['scale']}; asked for {scale}")
        run = open_model(path, 3 if card["channels"] == "rgb" else 1, engine, noise="noise" in card)
        return cls(card["name"], card["scale"], card, run)

    @property
    def samples(self) -> bool:
        """Whether this is a posterior model, which draws many pictures of one LR image."""
        return "noise" in self.card

    def sample(self, image, n: int = SAMPLES, seed: int = 0) -> np.ndarray:
        """Draw pictures that fit, each as often as it is likely; posterior models only.

        Parameters
        ----------
        image : array_like, (H, W, C) or (N, H, W, C)
            As for a call. Sample k of image i depends on (seed, i, k) and the image alone.
        n : int
            Samples of each image.
        seed : int

        Returns
        -------
        ndarray, (n, H * scale, W * scale, C) or (n, N, ...), float32, not clipped

        Raises
        ------
        ValueError
            The model draws no samples, or a side is beyond `MOST_SIDE` pixels.
        """
        images = as_images(image)
        count, h, w, c = images.shape
        out = np.empty((n, count, h * self.scale, w * self.scale, c), np.float32)
        for i, one in enumerate(images):
            for k, picture in enumerate(self.draw(one, n, (seed, i))):
                out[k, i] = picture
        return out if np.ndim(image) == 4 else out[:, 0]

    def draw(self, image: np.ndarray, n: int, seed: int | tuple[int, ...] = 0) -> Iterator[np.ndarray]:
        """Draw `sample`'s pictures of one image (H, W, C), float32, one by one, in bounded memory."""
        if not self.samples:
            raise ValueError(f"{self.name} makes one picture; expected a posterior model, which draws many")
        if image.shape[-1] != 1 or max(image.shape[:2]) > MOST_SIDE or n < 1:
            raise ValueError(
                f"{self.name} got n = {n} and an image {image.shape}; expected at least 1, one channel, at "
                f"most {MOST_SIDE} pixels a side: cut the lens out"
            )
        (whole,) = tiles(*image.shape[:2], tile=max(image.shape[:2]), **self.needs())
        region, seed = np.ascontiguousarray(whole.cut(image), np.float32), np.atleast_1d(seed)
        size = [side * self.scale for side in region.shape[:2]]
        quarters = range(4) if size[0] == size[1] else (0, 2)
        turns = [(quarter, flip) for quarter in quarters for flip in (1, -1)]
        for first in range(0, n, TOGETHER):
            each = range(first, min(first + TOGETHER, n))
            noise = [np.random.default_rng([*seed, k]).standard_normal(size, np.float32) for k in each]
            # each sample sees the image turned otherwise: what the network takes one way only, it errs in
            turned = [turns[k % len(turns)] for k in each]
            views = [np.rot90(region, quarter)[:, ::flip] for quarter, flip in turned]
            drawn = self._run(np.stack(views), np.stack(noise)[..., None])
            for (quarter, flip), picture in zip(turned, drawn, strict=True):
                yield self.inner(np.rot90(picture[:, ::flip], -quarter), whole)

    def __call__(self, image, tile: int = 256, ensemble: bool = False) -> np.ndarray:
        """Enlarge.

        Parameters
        ----------
        image : array_like, (H, W, C) or (N, H, W, C), in [0, 1], C = 1 or 3
            A luma model enlarges the luma of an RGB image; bicubic enlarges its two colour differences.
        tile : int
            Networks see squares of at most this many LR pixels a side (and a margin), which bounds memory.
        ensemble : bool
            Take the mean of the eight flips and quarter turns, each enlarged and turned back.

        Returns
        -------
        ndarray, (H * scale, W * scale, C) or (N, ...), float32, not clipped
        """
        images = as_images(image)
        if self.name in DECONVOLVERS:
            return self._deconvolve(images) if np.ndim(image) == 4 else self._deconvolve(images)[0]
        n, h, w, c = images.shape
        out = np.empty((n, h * self.scale, w * self.scale, c), np.float32)
        for one, enlarged in zip(images, out, strict=True):
            for place, sr, _ in self.pieces(one, tile, ensemble):
                enlarged[place] = sr
        return out if np.ndim(image) == 4 else out[0]

    def pieces(
        self,
        image: np.ndarray,
        tile: int = 256,
        ensemble: bool = False,
        to_float: Callable[[np.ndarray], np.ndarray] = lambda region: region,
    ) -> Iterator[tuple[tuple[slice, slice], np.ndarray, np.ndarray | None]]:
        """Enlarge an image piece by piece, for those who have no room for all of it in float32.

        Parameters
        ----------
        image : ndarray, (H, W, C)
            Of any type; `to_float` makes float32 of a region of it.
        tile, ensemble
            As for a call.

        Yields
        ------
        place : (slice, slice)
            Rows and columns of the enlarged image.
        sr : ndarray, float32
            What belongs there.
        spread : ndarray like ``sr``, or None
            With `ensemble`, the standard deviation of the eight.
        """
        if tile < 1:
            raise ValueError(f"tile is {tile}; expected at least 1 pixel")
        if self.name in DECONVOLVERS or self.samples:  # they work on the whole
            tile = max(image.shape[:2])
        for one in tiles(*image.shape[:2], tile=tile, **self.needs()):
            region = to_float(one.cut(image))
            if not ensemble:
                yield self.place(one), self.inner(self.enlarge(region), one), None
                continue
            views = np.stack([self.inner(sr, one) for sr in self._turned(region)])
            yield self.place(one), views.mean(0), views.std(0)

    def place(self, tile: Tile) -> tuple[slice, slice]:
        """Compute where a tile belongs in the enlarged image."""
        return tile.place(self.scale)

    def inner(self, enlarged: np.ndarray, tile: Tile) -> np.ndarray:
        """Take what belongs into the result out of a tile's enlarged region."""
        return tile.inner(enlarged, self.scale)

    def needs(self) -> dict:
        """Compute what tiles must be like, so that no seam shows: their margin, unit and edges."""
        if not self.card:
            return {"margin": INTERPOLATION.get(self.name, 0)}
        if self.samples:
            return {"margin": 0, "unit": self.card.get("multiple", 1)}
        given = self.card["input"]
        grow = 1 if given == "lr" else self.scale  # pixels of the network's input per LR pixel
        margin = -(-(self.card["receptive_field"] // 2 + 1) // grow) + INTERPOLATION.get(given, 0)
        if self.card["channels"] == "luma":
            margin = max(margin, INTERPOLATION["bicubic"])  # for colour
        unit = math.lcm(self.card.get("multiple", 1), grow) // grow
        return {"margin": margin, "unit": unit, "repeat": self.card.get("edges") == "repeat"}

    def _turned(self, region: np.ndarray) -> Iterator[np.ndarray]:
        for quarter in range(4):
            turned = np.rot90(region, quarter)
            yield np.rot90(self.enlarge(turned), -quarter)
            yield np.rot90(self.enlarge(turned[:, ::-1])[:, ::-1], -quarter)

    def enlarge(self, image: np.ndarray) -> np.ndarray:
        """Enlarge an image (H, W, C), float32, in one go."""
        size = (image.shape[0] * self.scale, image.shape[1] * self.scale)
        if self.name in METHODS:
            return resize(image, size, self.name)
        if self.name == "bicubic-torch":
            return bicubic_torch(image, self.scale)
        if self.name in DECONVOLVERS:
            return self._deconvolve(image[None])[0]
        if self.samples:
            return np.mean(list(self.draw(image, SAMPLES)), 0, dtype=np.float32)
        kind, channels = self.card["channels"], image.shape[-1]
        if kind == "rgb" and channels == 1:
            return self._network(np.repeat(image, 3, axis=-1)).mean(-1, keepdims=True)
        if kind == "gray" and channels == 3:
            raise ValueError(f"{self.name} enlarges images of one channel; got RGB")
        if kind == "luma" and channels == 3:
            enlarged, y = resize(image, size, "bicubic"), self._network(luma(image))
            # Equal steps of R, G and B move luma (219 of 255 levels) and leave both colour differences alone.
            return enlarged + (y - luma(enlarged)) * np.float32(255 / 219)
        return self._network(image)

    def _deconvolve(self, images: np.ndarray) -> np.ndarray:
        from srutils.lensing import baselines

        method = {"wiener": baselines.wiener, "richardson-lucy": baselines.richardson_lucy}[self.name]
        return method(images, self.scale)

    def _network(self, image: np.ndarray) -> np.ndarray:
        (h, w), s = image.shape[:2], self.scale
        given = self.card["input"]
        source = image if given == "lr" else resize(image, (h * s, w * s), given)
        try:
            sr = self._run(np.ascontiguousarray(source[None]))[0]
        except Exception as error:  # the engines have no common base class for what a model may raise
            why = " ".join(str(error).split())
            raise ValueError(f"{self.name} cannot enlarge an input of shape {source.shape}: {why}") from None
        if sr.shape != (h * s, w * s, image.shape[-1]):
            raise ValueError(f"{self.name} made {sr.shape} of {h} x {w} pixels; its card says x{s}")
        return sr
