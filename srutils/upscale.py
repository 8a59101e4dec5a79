"""One callable for every way to enlarge an image: nearest to Lanczos, deconvolution, and trained networks.

A trained network is two files, ``NAME.onnx`` and its card ``NAME.json``; ONNX Runtime runs it, so neither
TensorFlow nor PyTorch is needed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import course, model_file
from .metrics import luma
from .pairs import METHODS, as_images, resize

DECONVOLVERS = ("wiener", "richardson-lucy")
CLASSICAL = (*METHODS, "bicubic-torch", *DECONVOLVERS)
CARD_KEYS = {"name", "task", "scale", "channels", "input", "receptive_field"}


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
            total = total + weight * np.take(
                images, np.clip(left + tap, 0, n - 1), axis
            )  # edges are repeated
        images = total
    return images if np.ndim(image) == 4 else images[0]


def model_cards() -> list[dict]:
    """The cards of all shipped models that enlarge images, sorted by name."""
    paths = sorted(course.models_dir().glob("*.json"))
    return [_read_card(path) for path in paths if not model_file.is_classifier(path.with_suffix(".onnx"))]


def _read_card(path: Path) -> dict:
    card = model_file.read_card(path, CARD_KEYS)
    expected = {"channels": ("luma", "rgb", "gray"), "input": ("lr", "bilinear", "bicubic")}
    for key, allowed in expected.items():
        if card[key] not in allowed:
            raise ValueError(
                f"the model card {path} has {key} {card[key]!r}; expected {' or '.join(allowed)}"
            )
    for key in (
        "scale",
        "receptive_field",
        "multiple",
    ):  # multiple: what the sides of the network's input must be
        value = card.get(key, 1)
        if type(value) is not int or value < 1:
            raise ValueError(f"the model card {path} has {key} {value!r}; expected a positive integer")
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
    _session: object = field(default=None, repr=False)

    @classmethod
    def load(cls, name: str | Path, scale: int | None = None) -> Upscaler:
        """Find an upscaler by name, or a model by the path of its ``.onnx`` file.

        Parameters
        ----------
        name : str or Path
            "nearest", "bilinear", "bicubic", "lanczos" (Pillow's); "bicubic-torch" (see `bicubic_torch`);
            "wiener", "richardson-lucy" (telescope lenses only); the name of a shipped model; or a path to
            ``X.onnx`` with its card ``X.json`` beside it.
        scale : int, optional
            Needed by the classical methods; a model knows its own, and another one is an error.

        Raises
        ------
        ValueError
            Unknown name, wrong or missing scale, unreadable card or model.
        """
        if name in CLASSICAL:
            if not isinstance(scale, int | np.integer) or scale < 1:
                raise ValueError(f"{name} needs a scale, such as 2; got {scale}")
            return cls(str(name), scale)
        path = model_file.model_path(name)
        if not path.is_file():
            known = [*CLASSICAL, *(card["name"] for card in model_cards())]
            raise ValueError(
                f"no upscaler called {str(name)!r}; there are {', '.join(known)}, or a path to an .onnx file"
            )
        if model_file.is_classifier(path):
            raise ValueError(f"{path.stem} tells classes of lenses apart; it does not enlarge images")
        card = _read_card(path.with_suffix(".json"))
        if scale not in (None, card["scale"]):
            raise ValueError(f"{card['name']} enlarges by {card['scale']}; asked for {scale}")
        return cls(
            card["name"], card["scale"], card, _open_session(path, 3 if card["channels"] == "rgb" else 1)
        )

    def __call__(self, image, tile: int = 256) -> np.ndarray:
        """Enlarge.

        Parameters
        ----------
        image : array_like, (H, W, C) or (N, H, W, C), in [0, 1], C = 1 or 3
            A luma model enlarges the luma of an RGB image; bicubic enlarges its two colour differences.
        tile : int
            Networks see squares of at most this many LR pixels a side (and a margin), which bounds memory.

        Returns
        -------
        ndarray, (H * scale, W * scale, C) or (N, ...), float32, not clipped
        """
        if tile < 1:
            raise ValueError(f"tile is {tile}; expected at least 1 pixel")
        images = as_images(image)
        size = (images.shape[1] * self.scale, images.shape[2] * self.scale)
        if self.name in METHODS:
            out = resize(images, size, self.name)
        elif self.name == "bicubic-torch":
            out = bicubic_torch(images, self.scale)
        elif self.name in DECONVOLVERS:
            from . import classical

            out = {"wiener": classical.wiener, "richardson-lucy": classical.richardson_lucy}[self.name](
                images, self.scale
            )
        else:
            out = np.stack([self._enlarge(one, tile) for one in images])
        return out if np.ndim(image) == 4 else out[0]

    def _enlarge(self, image: np.ndarray, tile: int) -> np.ndarray:
        kind, channels = self.card["channels"], image.shape[-1]
        if kind == "rgb" and channels == 1:
            return self._network(np.repeat(image, 3, axis=-1), tile).mean(-1, keepdims=True)
        if kind == "gray" and channels == 3:
            raise ValueError(f"{self.name} enlarges images of one channel; got RGB")
        if kind == "luma" and channels == 3:
            size = (image.shape[0] * self.scale, image.shape[1] * self.scale)
            enlarged, y = resize(image, size, "bicubic"), self._network(luma(image), tile)
            # Equal steps of R, G and B move luma (219 of 255 levels) and leave both colour differences alone.
            return enlarged + (y - luma(enlarged)) * np.float32(255 / 219)
        return self._network(image, tile)

    def _network(self, image: np.ndarray, tile: int) -> np.ndarray:
        """Run the network over tiles whose margins hold all that a pixel can see, so that no seam shows."""
        h, w = image.shape[:2]
        grow = 1 if self.card["input"] == "lr" else self.scale  # pixels of the network's input per LR pixel
        source = resize(image, (h * grow, w * grow), self.card["input"]) if grow > 1 else image
        # Tiles start where the whole image's grid of strides has a line, or a strided network would see
        # another grid.
        unit = math.lcm(self.card.get("multiple", 1), grow) // grow  # in LR pixels
        margin = -(-(self.card["receptive_field"] // 2 + 1) // (grow * unit)) * unit  # rounded up
        tile = -(-tile // unit) * unit
        out = np.empty((h * self.scale, w * self.scale, image.shape[-1]), np.float32)
        for top in range(0, h, tile):
            for left in range(0, w, tile):
                bottom, right = min(top + tile, h), min(left + tile, w)
                y0, x0, y1, x1 = (
                    max(top - margin, 0),
                    max(left - margin, 0),
                    min(bottom + margin, h),
                    min(right + margin, w),
                )
                sr = self._run(source[y0 * grow : y1 * grow, x0 * grow : x1 * grow])
                s = self.scale
                if sr.shape != ((y1 - y0) * s, (x1 - x0) * s, image.shape[-1]):
                    raise ValueError(
                        f"{self.name} made {sr.shape} of {y1 - y0} x {x1 - x0} pixels; its card says x{s}"
                    )
                inner = sr[(top - y0) * s : (bottom - y0) * s, (left - x0) * s : (right - x0) * s]
                out[top * s : bottom * s, left * s : right * s] = inner
        return out

    def _run(self, source: np.ndarray) -> np.ndarray:
        multiple, (h, w) = self.card.get("multiple", 1), source.shape[:2]
        padded = np.pad(source, ((0, -h % multiple), (0, -w % multiple), (0, 0)), mode="edge")
        try:
            sr = self._session.run(["sr"], {"lr": padded[None]})[0][0]
            return sr[: h * sr.shape[0] // padded.shape[0], : w * sr.shape[1] // padded.shape[1]]
        except Exception as error:  # as in `_open_session`
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{self.name} cannot enlarge an input of shape {source.shape}: {reason}"
            ) from None


def _open_session(path: Path, channels: int):
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common base class for what a bad file raises
        raise ValueError(f"cannot read the model {path}: {' '.join(str(error).split())}") from None
    inputs = {end.name: list(end.shape) for end in session.get_inputs()}
    outputs = [end.name for end in session.get_outputs()]
    n, h, w, c = inputs["lr"] if list(inputs) == ["lr"] and len(inputs["lr"]) == 4 else (0, 0, 0, 0)
    if (
        c != channels or any(isinstance(axis, int) for axis in (n, h, w)) or "sr" not in outputs
    ):  # dynamic: no number
        expected = f"one input lr (N, H, W, {channels}) with N, H and W dynamic, and an output sr"
        raise ValueError(f"the model {path} has inputs {inputs} and outputs {outputs}; expected {expected}")
    return session
