"""Batches to train on, cut and prepared ahead by a thread; batch number k is the same in every run."""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from srutils.pairs import dihedral


class Feed(ABC):
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

    @abstractmethod
    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: inputs and targets, (batch, h, w, C) float32."""

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
    ):
        super().__init__(start)
        if len(inputs) != len(targets) or not len(inputs):
            counts = f"{len(inputs)} inputs and {len(targets)} targets"
            raise ValueError(f"{counts}; expected the same number, not 0")
        both = zip(inputs, targets, strict=True)
        grow = {t.shape[axis] / i.shape[axis] for i, t in both for axis in (0, 1)}
        if len(grow) != 1 or not max(grow).is_integer():
            expected = "one whole number of times as large as inputs, the same for all images"
            raise ValueError(f"targets must be {expected}")
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
