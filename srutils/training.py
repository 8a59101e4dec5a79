"""What the training lessons share: a feed of patches, a quiet progress line, checkpoints that resume exactly.

The networks and the calls of ``fit`` stand in the lessons. Keras is imported where it is used.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from srutils.pairs import dihedral


class Feed:
    """Endless batches, prepared ahead by a thread; a subclass says what batch number k is.

    Batch ``k`` depends on ``k`` and the feed's settings alone, so that a run which resumes at step k sees the
    data it would have seen.

    Parameters
    ----------
    start : int
        Number of the first batch.
    ahead : int
        Batches kept ready.

    Attributes
    ----------
    waited : float
        Seconds in which a batch was asked for and none was ready: what the network lost to the feed.
    """

    def __init__(self, start: int = 0, ahead: int = 8):
        self.waited, self.start, self._ahead = 0.0, start, ahead

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: inputs and targets, (batch, h, w, C) float32."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """A generator, which is what ``model.fit(iter(feed), ...)`` wants; it begins at batch ``start``."""
        ready, stop = queue.Queue(self._ahead), threading.Event()
        threading.Thread(target=self._work, args=(ready, stop, self.start), daemon=True).start()
        try:
            while True:
                before = time.perf_counter()
                item = ready.get()
                self.waited += time.perf_counter() - before
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            stop.set()

    def _work(self, ready: queue.Queue, stop: threading.Event, k: int) -> None:
        while not stop.is_set():
            try:
                item = self.batch(k)
            except Exception as error:  # an error here belongs to whoever asks for the batch
                item = error
            k += 1
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue


class PatchFeed(Feed):
    """Batches of randomly cut, flipped and turned patches; ``model.fit(iter(feed), ...)`` trains on it.

    Parameters
    ----------
    inputs : sequence of ndarray (h, w, C), float32 or uint8
        What the network sees: LR images, or their enlargement. uint8 is divided by 255.
    targets : sequence of ndarray (h * grow, w * grow, C), float32 or uint8
        What it should make of them; ``grow`` is one whole number for all images.
    patch : int
        Side of a patch, in pixels of ``inputs``.
    batch : int
    seed : int
        Batch ``k`` depends on ``seed`` and ``k`` alone.
    start : int
        Number of the first batch.
    tries : int
        Places looked at for each patch, of which the one with most contrast is taken: bicubic already does
        flat ones well, and a batch of them teaches little. 1 takes what comes.
    chances : sequence of float, optional
        How often each image is taken; the sum is 1. By default all alike.
    ahead : int
        Batches kept ready.
    """

    def __init__(
        self,
        inputs: Sequence[np.ndarray],
        targets: Sequence[np.ndarray],
        patch: int,
        batch: int,
        *,
        seed: int = 0,
        start: int = 0,
        tries: int = 1,
        chances: Sequence[float] | None = None,
        ahead: int = 8,
    ):
        super().__init__(start, ahead)
        if len(inputs) != len(targets) or not len(inputs):
            raise ValueError(
                f"{len(inputs)} inputs and {len(targets)} targets; expected the same number, not 0"
            )
        grow = {
            t.shape[axis] / i.shape[axis] for i, t in zip(inputs, targets, strict=True) for axis in (0, 1)
        }
        if len(grow) != 1 or not grow.copy().pop().is_integer():
            raise ValueError(
                "targets must be one whole number of times as large as inputs, the same for all images"
            )
        smallest = min(min(image.shape[:2]) for image in inputs)
        if not 0 < patch <= smallest:
            raise ValueError(f"patch is {patch}; expected 1 to {smallest}, the shortest side of the inputs")
        self.inputs, self.targets, self.grow = inputs, targets, int(grow.pop())
        self.patch, self.size, self.seed, self.tries, self.chances = patch, batch, seed, tries, chances

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: inputs (batch, patch, patch, C), and targets ``grow`` times as large."""
        rng = np.random.default_rng([self.seed, k])
        if self.chances is None:
            which = rng.integers(len(self.inputs), size=self.size)
        else:
            which = rng.choice(len(self.inputs), self.size, p=self.chances)
        p, g = self.patch, self.grow
        x = np.empty((self.size, p, p, self.inputs[0].shape[-1]), np.float32)
        y = np.empty((self.size, p * g, p * g, self.targets[0].shape[-1]), np.float32)
        for j, i in enumerate(which):
            height, width = self.inputs[i].shape[:2]
            places = rng.integers((height - p + 1, width - p + 1), size=(self.tries, 2))
            cuts = [
                self.targets[i][top * g : (top + p) * g, left * g : (left + p) * g] for top, left in places
            ]
            best = int(np.argmax([cut.std() for cut in cuts])) if self.tries > 1 else 0
            (top, left), turn = places[best], rng.integers(8)
            x[j] = dihedral(self.inputs[i][top : top + p, left : left + p], turn)
            y[j] = dihedral(cuts[best], turn)
        for images, patches in ((self.inputs, x), (self.targets, y)):
            if images[0].dtype == np.uint8:
                patches /= 255
        return x, y


def resume(folder: Path, build: Callable[[], object], steps: int):
    """Load the last checkpoint of a run, or start a new one.

    Parameters
    ----------
    folder : Path
        Where `checkpoint` wrote.
    build : callable
        Returns a compiled Keras model; called when there is no checkpoint.
    steps : int
        Steps an epoch.

    Returns
    -------
    model : keras.Model
    done : int
        Epochs already trained: give it to ``fit`` as ``initial_epoch``, and ``done * steps`` to the feed as
        ``start``.
    """
    import keras

    if not (folder / "last.keras").is_file():
        return build(), 0
    model = keras.models.load_model(folder / "last.keras", custom_objects={"psnr": psnr})
    return model, int(model.optimizer.iterations) // steps


def psnr(y_true, y_pred):
    """PSNR of each image of a batch in dB (peak 1), as a Keras metric; Keras then averages over images."""
    from keras import ops

    error = ops.mean(ops.square(ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")), axis=(1, 2, 3))
    return -10 * ops.log10(ops.maximum(error, 1e-12))


def history(folder: Path) -> list[dict[str, float]]:
    """What `checkpoint` recorded, one dict an epoch."""
    path = folder / "history.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def checkpoint(folder: Path):
    """Make a Keras callback that saves model, optimiser and history after every epoch.

    The model is written aside and renamed, so a kill leaves the last whole one. Where the kill comes between
    the two files, the history is one epoch ahead; the resumed run writes that epoch anew.
    """
    import keras

    class Checkpoint(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            folder.mkdir(parents=True, exist_ok=True)
            rows = [*history(folder)[:epoch], {key: float(value) for key, value in (logs or {}).items()}]
            (folder / "next.json").write_text(json.dumps(rows), encoding="utf-8")
            self.model.save(folder / "next.keras")
            os.replace(folder / "next.json", folder / "history.json")
            os.replace(folder / "next.keras", folder / "last.keras")

    return Checkpoint()


def progress(steps: int, batch: int):
    """Make a Keras callback that keeps one line up to date: epoch, bar, loss, validation, images a second.

    In a notebook the line is rewritten in place; in a script a line is printed every epoch. Use it with
    ``verbose=0``.
    """
    import keras

    class Progress(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.handle, self.shown, self.values = _display_line(), 0.0, {}

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch, self.began = epoch, time.perf_counter()

        def on_train_batch_end(self, step, logs=None):
            if self.handle and time.perf_counter() - self.shown > 0.5:
                self._show((self.epoch * steps + step + 1) / (self.params["epochs"] * steps))

        def on_epoch_end(self, epoch, logs=None):
            self.values = {**(logs or {}), "images/s": steps * batch / (time.perf_counter() - self.began)}
            self._show((epoch + 1) / self.params["epochs"])

        def _show(self, share):
            self.shown = time.perf_counter()
            figures = "  ".join(f"{key} {value:.4g}" for key, value in self.values.items())
            line = (
                f"epoch {self.epoch + 1}/{self.params['epochs']}  {'█' * round(20 * share):░<20}  {figures}"
            )
            if self.handle:
                self.handle.update({"text/plain": line}, raw=True)
            else:
                print(line, flush=True)

    return Progress()


def _display_line():
    """A line of notebook output that can be rewritten, or None outside a notebook."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return None
    return display({"text/plain": ""}, raw=True, display_id=True)
