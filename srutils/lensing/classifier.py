"""Which dark matter? The trained lens classifier, the images it takes, and how it is scored.

A classifier is two files, ``NAME.onnx`` and its card ``NAME.json``; ONNX Runtime runs it, so neither
TensorFlow nor PyTorch is needed here. The network itself stands in lesson 06.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srutils import course
from srutils.files.images import read_image
from srutils.lensing.class_folders import class_files
from srutils.lensing.priors import CLASSES
from srutils.model_files.cards import is_classifier, model_path, read_card
from srutils.model_files.engine import open_session
from srutils.model_files.export import write_model

LENSES = 1500  # drawn for an evaluation unless --n says otherwise
CARD_KEYS = {"name", "task", "classes", "size", "parameters"}
ENDS = dict.fromkeys(("image", "probability", "where"), ("batch",))  # of the model file, and their free axis


# ---------------------------------------------------------------- images
def prepare(images, size: int = 128) -> np.ndarray:
    """Cut the middle out of lens images and stretch each to [0, 1], as the classifier was taught.

    Parameters
    ----------
    images : array_like, (N, H, W, 1) or (H, W, 1)
        Any finite numbers; H and W at least `size`. Where an odd number of pixels has to go, the extra one
        goes at the bottom and at the right.
    size : int

    Returns
    -------
    ndarray (N, size, size, 1), float32
        The least value of each image is 0, the greatest 1.

    Raises
    ------
    ValueError
        For another rank or number of channels, too few pixels, NaN or Inf, or an image without contrast.
    """
    images = np.asarray(images)
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] != 1 or images.dtype.kind not in "fiu" or not images.size:
        raise ValueError(
            f"images have shape {images.shape} and type {images.dtype}; expected numbers (N, H, W, 1)"
        )
    height, width = images.shape[1:3]
    if min(height, width) < size:
        raise ValueError(f"images have {height} x {width} pixels; expected at least {size} x {size}")
    top, left = (height - size) // 2, (width - size) // 2
    images = images[:, top : top + size, left : left + size].astype(np.float32)
    if not np.isfinite(images).all():
        raise ValueError("images hold NaN or Inf")
    low, high = images.min((1, 2, 3), keepdims=True), images.max((1, 2, 3), keepdims=True)
    if (high <= low).any():
        raise ValueError(f"image {int(np.argmax(high <= low))} has one value everywhere; expected a lens")
    return (images - low) / (high - low)


def read_folders(folder, n: int | None = None, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Read lens images that are sorted into one folder a class, and `prepare` them.

    Parameters
    ----------
    folder : path
        Holds {no,sphere,vort}, {no_sub,cdm,axion} or other usual names, at any depth (see
        `srutils.lensing.class_folders.class_files`). Where it holds {train,val,test} with those inside,
        ``test`` is read, or else ``val``: what others trained on is no test. Files are .npy arrays, (H, W),
        (1, H, W) or (H, W, 1), or pictures; colours are averaged.
    n : int, optional
        Read this many images, in turn from the three classes; all by default.
    size : int

    Returns
    -------
    images : ndarray (N, size, size, 1), float32, in [0, 1]
    labels : ndarray (N,), int64
        Indices into CLASSES.

    Raises
    ------
    FileNotFoundError
        If the folder or a class's folder does not exist, or a class has no image.
    ValueError
        For `n` below 3, or a file that cannot be used: pickled, damaged, too small, NaN, no contrast.
    """
    if n is not None and n < len(CLASSES):
        raise ValueError(f"n is {n}; expected at least {len(CLASSES)}, one image of each class")
    parts = class_files(folder)
    chosen = next(parts[part] for part in ("test", "val", "", "train") if part in parts)[:n]
    images = np.empty((len(chosen), size, size, 1), np.float32)
    for out, (_, file) in zip(images, chosen, strict=True):
        out[:] = read_lens(file, size)
    return images, np.array([label for label, _ in chosen], np.int64)


def read_lens(file: Path, size: int = 128) -> np.ndarray:
    """Read one lens image, a ``.npy`` array or a picture, and `prepare` it: (size, size, 1), float32.

    Raises
    ------
    ValueError
        It cannot be used; the sentence names the file.
    """
    try:
        return prepare(read_image(file).mean(-1, keepdims=True), size)[0]
    except ValueError as error:
        text = str(error)
        raise ValueError(text if str(file) in text else f"{file}: {text}") from None


# ---------------------------------------------------------------- the trained network
@dataclass
class Classifier:
    """Probabilities of the three classes; make one with `Classifier.load`, then call it."""

    name: str
    card: dict
    _session: object = field(repr=False)

    @classmethod
    def load(cls, name: str | Path = "lens-classifier") -> Classifier:
        """Find a classifier by name, or by the path of its ``.onnx`` file, whose card lies beside it.

        Raises
        ------
        ValueError
            Unknown name; unreadable card or model; a model that classifies nothing.
        """
        path = model_path(name)
        if not path.is_file():
            raise ValueError(
                f"no classifier called {str(name)!r}; expected a name or a path to an .onnx file"
            )
        card = classifier_card(path.with_suffix(".json"))
        session = open_session(path)
        ends = [end.name for end in (*session.get_inputs(), *session.get_outputs())]
        if ends[:2] != ["image", "probability"]:
            raise ValueError(f"the model {path} has {ends}; expected input image and output probability")
        return cls(card["name"], card, session)

    def __call__(self, images, batch: int = 64) -> np.ndarray:
        """Probabilities (N, 3) float32 in the order of CLASSES, for images as `prepare` takes them."""
        return self._run("probability", images, batch)

    def where(self, images, batch: int = 64) -> np.ndarray:
        """Where it thinks the substructure lies, (N, cells, cells, 2) float32: see ``triplets.mass_maps``.

        It is the square root of such a map. ValueError if the model has no such output.
        """
        if "where" not in [end.name for end in self._session.get_outputs()]:
            raise ValueError(f"{self.name} says what it sees, not where")
        return self._run("where", images, batch)

    def _run(self, output: str, images, batch: int) -> np.ndarray:
        images = prepare(images, self.card["size"])
        parts = [images[i : i + batch] for i in range(0, len(images), batch)]
        return np.concatenate([self._session.run([output], {"image": part})[0] for part in parts])


def classifier_cards() -> list[dict]:
    """The cards of all shipped classifiers, sorted by name."""
    paths = sorted(course.models_dir().glob("*.json"))
    return [classifier_card(path) for path in paths if is_classifier(path.with_suffix(".onnx"))]


def classifier_card(path: Path) -> dict:
    """The card of a classifier; ValueError if it is unreadable, incomplete or another model's."""
    card = read_card(path, CARD_KEYS)
    if card["task"] != "classify" or card["classes"] != list(CLASSES) or type(card["size"]) is not int:
        raise ValueError(f"the model card {path} is not one of a classifier of {', '.join(CLASSES)}")
    return card


def save_classifier(
    name: str,
    folder: Path,
    export: Callable[[Path], None],
    reference: Callable[[np.ndarray], np.ndarray],
    card: dict,
    examples: np.ndarray | None = None,
) -> dict:
    """Export a classifier, compare it with the original, and write it with its card.

    Parameters
    ----------
    name : str
    folder : Path
    export : callable
        Writes an ONNX file to the path it is given: one input (N, size, size, 1), and the outputs (N, 3)
        and, if there is a second, (N, cells, cells, 2).
    reference : callable
        The network in its own framework: (N, size, size, 1) float32 in [0, 1] to probabilities (N, 3).
    card : dict
        What the run knows; `size` at least.
    examples : ndarray (N, size, size, 1), float32, optional
        Images to compare on; random ones by default, about which a good network is too sure to tell much.

    Returns
    -------
    dict
        The card as written, with name, task, classes, parameters, onnx_max_difference, sha256, ...

    Raises
    ------
    ValueError
        If ONNX Runtime's probabilities differ from the original's by more than 1e-4.
    """
    if examples is None:
        examples = np.random.default_rng(0).random((5, card["size"], card["size"], 1), np.float32)
    card = {"task": "classify", "classes": list(CLASSES), **card}
    return write_model(name, folder, export, reference, card, ENDS, [examples])
