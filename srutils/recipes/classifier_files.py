"""The networks of the classifier's recipe: new, compiled, finished, and as files."""

from __future__ import annotations

import numpy as np

from srutils.lensing.priors import CLASSES
from srutils.recipes import keras_files
from srutils.recipes.keras_loop import cosine

CHANNELS = 3  # of InceptionResNetV2, which was made for colours: grey is copied


def new_network(arch: str, simulated: bool, start):
    """Return an untrained network, or one with the weights of `start`.

    It gives logits of the three classes and, where the data are simulated, maps of where the mass lies: only
    the simulator knows the answer to that.
    """
    import keras

    if arch != "compact":
        return _inception()
    from srutils.networks.lens_classifier import compact

    whole = compact(norm=start is None)
    asked = whole if simulated else keras.Model(whole.input, whole.outputs[0])
    if start is not None:
        weights = keras_files.weights_of(start.path)
        keras_files.give_weights(whole if _has_maps(whole, weights) else asked, weights, start.name)
    return asked


def _has_maps(network, weights) -> bool:
    return tuple(network.get_layer("where").kernel.shape) in {kernel.shape for kernel, _ in weights}


def _inception(size: int = 128):
    import keras
    from keras import layers

    grey = keras.Input((size, size, 1), name="image")
    body = keras.applications.InceptionResNetV2(
        include_top=False, weights=None, input_shape=(size, size, CHANNELS), pooling="avg"
    )
    pooled = body(layers.Concatenate()([grey] * CHANNELS))
    return keras.Model(grey, layers.Dense(len(CLASSES), dtype="float32", name="logits")(pooled))


def give_losses(network, rate: float, steps: int) -> None:
    """Give a network AdamW and its losses: cross-entropy, and three times the squared error of the maps."""
    import keras

    adam = keras.optimizers.AdamW(cosine(rate, steps, 0.005), weight_decay=1e-4)
    losses, weights = keras.losses.SparseCategoricalCrossentropy(from_logits=True), None
    if len(network.outputs) > 1:
        losses, weights = [losses, "mse"], [1.0, 3.0]
    network.compile(adam, losses, loss_weights=weights, jit_compile=False)


def probabilities(network, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Return the probabilities (N, 3) of a network that is being trained."""
    from keras import ops

    found = []
    for i in range(0, len(images), batch):
        answer = network(images[i : i + batch].astype(np.float32), training=False)
        logits = answer[0] if isinstance(answer, list | tuple) else answer
        found.append(ops.convert_to_numpy(ops.softmax(ops.cast(logits, "float32"))))
    return np.concatenate(found)


def finished(network, arch: str, start, size: int):
    """Return the network that is written: 32-bit numbers, normalisations folded away, probabilities."""
    import keras

    if arch == "compact":
        from srutils.networks.lens_classifier import compact, folded

        whole = compact(norm=start is None, size=size)
        outputs = whole.outputs[: len(network.outputs)]
        keras.Model(whole.input, outputs).set_weights(network.get_weights())
        plain = folded(whole) if start is None else whole
        outputs = plain.outputs[: len(network.outputs)]
    else:
        plain = _inception(size)
        plain.set_weights(network.get_weights())
        outputs = plain.outputs
    probability = keras.layers.Softmax(name="probability")(outputs[0])
    return keras.Model(plain.input, [probability, *outputs[1:]])


def writer(network, examples: np.ndarray):
    """Return what writes the model file and its card; both frameworks' answers to examples are compared."""
    from srutils.lensing.classifier import save_classifier

    export, reference = keras_files.exporter(network)

    return lambda stem, folder, card: save_classifier(stem, folder, export, reference, card, examples)
