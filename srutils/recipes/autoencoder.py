"""The autoencoder with wires around its bottleneck, on photographs or Linnaeus 5, in Keras."""

from __future__ import annotations

import numpy as np

from srutils.recipes import data as sources
from srutils.recipes import keras_loop
from srutils.recipes.feeds import photo_feeds
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start
from srutils.training import Feed, PatchFeed

MULTIPLE = 4  # of the sides of the network's input: it halves them twice
WATCHED = 24  # pictures that validation looks at during a run


def run(settings: Settings, recipe) -> dict:
    """Train the autoencoder and write its model file; return the card."""
    from srutils.networks.autoencoder import autoencoder

    options, scale = recipe.options, recipe.options["scale"]
    start = Start.find(settings.start, (".onnx", ".keras"))
    data = sources.photographs(settings.data, scale, settings.seed)
    batch, usual, tries = settings.batch or options["batch"], options["patch"], options["tries"]
    ones, side = photo_feeds({scale: data}, settings.patch, usual, batch, tries=tries, seed=settings.seed)
    if side * scale % MULTIPLE:
        raise ValueError(f"patches of {side} LR pixels do not fit the strides; --patch takes an even number")
    # outside the picture the network sees its edge once more, not zeros
    facts = {"task": "photographs", "scale": scale, "channels": "rgb", "input": "bilinear"}
    facts |= {"multiple": MULTIPLE, "edges": "repeat"}
    facts["architecture"] = "autoencoder with additive skips, widths (48, 64), code 8, added to bilinear"
    facts["method"] = f"Adam, warm-up to {options['rate']:g}, cosine to a hundredth of it, MSE"
    feed, validate = Enlarged(ones[scale], scale), watch(data)
    return keras_loop.train_upscaler(settings, recipe, data, start, feed, autoencoder, validate, facts)


class Enlarged(Feed):
    """Patches of LR, enlarged linearly, and of HR.

    They are cut from LR *before* it is enlarged, so that its grid lies in the same way under every patch:
    with strides that matters.
    """

    def __init__(self, patches: PatchFeed, scale: int):
        super().__init__()
        self.patches, self.scale = patches, scale
        self.size, self.patch = patches.size, patches.patch

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: two arrays (batch, patch * scale, patch * scale, 3), float32."""
        lr, hr = self.patches.batch(k)
        return linear(lr, self.scale), hr


def linear(lr: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge pictures linearly: what the network sees."""
    from srutils.pairs import resize

    return resize(lr, (lr.shape[-3] * scale, lr.shape[-2] * scale), "bilinear")


def watch(data: sources.PairsData):
    """Return a function from the network to its PSNR (RGB) on the middle of validation pictures."""
    from srutils.pairs import as_images, crop_to_multiple
    from srutils.recipes.scores import middle

    chosen = []
    for lr, hr in zip(data.val[0][:WATCHED], data.val[1][:WATCHED], strict=True):
        lr, hr = middle(lr, hr, data.scale)
        fit = MULTIPLE // data.scale
        if min(lr.shape[:2]) >= fit:
            small, large = crop_to_multiple(lr, fit), crop_to_multiple(hr, MULTIPLE)
            chosen.append((linear(as_images(small), data.scale), as_images(large)[0]))
    return keras_loop.watch(chosen)
