"""`conv`, `compact`, `of_kind` and `folded`, as lesson 06 builds them.

Written by ``make notebooks`` from notebooks/06_lens_classification.ipynb: change it there.
"""

import keras
import numpy as np
from keras import layers, ops


def conv(x, filters, kernel=3, strides=1, relu=True, norm=True):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=not norm)(x)
    x = layers.BatchNormalization(momentum=0.95)(x) if norm else x
    return layers.ReLU()(x) if relu else x


def compact(norm=True, widths=(32, 64, 128), blocks=(1, 2, 2), size=128):
    """Image (128, 128, 1) in [0, 1] -> logits of the three classes, and maps (8, 8, 2) of root mass."""
    image = keras.Input((size, size, 1), name="image")
    x = 6 * (ops.sqrt(ops.relu(image)) - 0.25)
    for stage, (filters, n) in enumerate(zip(widths, blocks, strict=True)):
        x = conv(x, filters, 3, 2, norm=norm) if stage else conv(x, filters, 8, 4, norm=norm)
        for _ in range(n):
            inner = conv(conv(x, filters, norm=norm), filters, relu=False, norm=norm)
            x = layers.ReLU()(layers.Add()([x, inner]))
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    logits = layers.Dense(3, dtype="float32", name="logits")(pooled)
    where = layers.Conv2D(2, 1, dtype="float32", name="where")(x)
    return keras.Model(image, [logits, where])


def of_kind(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind) and layer.name != "where"]


def folded(network):
    """The same function without normalisations: weights w gamma / sigma, biases beta - mean gamma / sigma."""
    plain = compact(norm=False)
    triples = (of_kind(n, kind) for n, kind in (
        (network, layers.Conv2D), (network, layers.BatchNormalization), (plain, layers.Conv2D)))  # fmt: skip
    for old, norm, new in zip(*triples, strict=True):
        gamma, beta, mean, variance = norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        new.set_weights([old.get_weights()[0] * scale, beta - mean * scale])
    for name in ("logits", "where"):
        plain.get_layer(name).set_weights(network.get_layer(name).get_weights())
    return plain
