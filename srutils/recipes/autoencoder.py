"""The autoencoder with wires around its bottleneck, on photographs or Linnaeus 5, in Keras."""

from __future__ import annotations

import numpy as np

from srutils.recipes import data as sources
from srutils.recipes import keras_files, keras_loop
from srutils.recipes.feeds import photo_feeds
from srutils.recipes.runs import Run
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start
from srutils.training import Feed

MULTIPLE = 4  # of the sides of the network's input: it halves them twice
WATCHED = 24  # pictures that validation looks at during a run


def run(settings: Settings, recipe) -> dict:
    """Train the autoencoder and write its model file; return the card.

    Raises
    ------
    ValueError, OSError
        A setting or data that cannot be used.
    """
    import keras

    from srutils.networks.autoencoder import autoencoder

    options, scale = recipe.options, recipe.options["scale"]
    start = Start.find(settings.start, (".onnx", ".keras"))
    data = sources.photographs(settings.data, scale, settings.seed)
    batch, usual, tries = settings.batch or options["batch"], options["patch"], options["tries"]
    ones, side = photo_feeds({scale: data}, settings.patch, usual, batch, tries=tries, seed=settings.seed)
    if side * scale % MULTIPLE:
        raise ValueError(f"patches of {side} LR pixels do not fit the strides; --patch takes an even number")
    precision = keras_loop.precision_for(settings, options["precision"])
    decides = {"batch": batch, "patch": side, "precision": precision}
    with keras_loop.on_device(settings):
        one = Run.open(settings, recipe, data, start=start, **decides)

        def build():
            network = autoencoder()
            if start is not None:
                keras_files.give_weights(network, keras_files.weights_of(start.path), start.name)
            return network

        def compiled(network, steps):
            adam = keras.optimizers.Adam(keras_loop.cosine(options["rate"], steps))
            network.compile(adam, "mse", jit_compile=False)

        feed = Enlarged(ones[scale], scale)
        network = keras_loop.train(one, build, compiled, feed, watch(data), precision)
        twin = keras_files.in_float32(network, autoencoder)
        export, reference = keras_files.exporter(twin)
        facts = {"task": "photographs", "scale": scale, "channels": "rgb", "input": "bilinear"}
        # outside the picture the network sees its edge once more, not zeros
        facts |= {"multiple": MULTIPLE, "edges": "repeat", **decides, **keras_files.facts(precision)}
        facts["architecture"] = "autoencoder with additive skips, widths (48, 64), code 8, added to bilinear"
        facts["method"] = f"Adam, warm-up to {options['rate']:g}, cosine to a hundredth of it, MSE"
        card = one.finish(export, reference, facts, also={".keras": twin.save})
    one.close()
    return card


class Enlarged(Feed):
    """Patches of LR, enlarged linearly, and of HR.

    They are cut from LR *before* it is enlarged, so that its grid lies in the same way under every patch:
    with strides that matters.
    """

    def __init__(self, patches: Feed, scale: int):
        super().__init__()
        self.patches, self.scale, self.size = patches, scale, patches.size

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
    import keras

    from srutils import metrics
    from srutils.pairs import as_images, crop_to_multiple
    from srutils.recipes.scores import middle

    chosen = []
    for lr, hr in zip(data.val[0][:WATCHED], data.val[1][:WATCHED], strict=True):
        lr, hr = middle(lr, hr, data.scale)
        fit = MULTIPLE // data.scale
        if min(lr.shape[:2]) >= fit:
            small, large = crop_to_multiple(lr, fit), crop_to_multiple(hr, MULTIPLE)
            chosen.append((linear(as_images(small), data.scale), as_images(large)[0]))

    def validate(network) -> dict[str, float]:
        pictures = (keras.ops.convert_to_numpy(network(x, training=False))[0] for x, _ in chosen)
        scores = [metrics.psnr(sr, hr) for sr, (_, hr) in zip(pictures, chosen, strict=True)]
        return {"val_psnr": float(np.mean(scores))}

    return validate
