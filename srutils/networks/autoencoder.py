"""`conv` and `autoencoder`, as lesson 04 builds them.

Written by ``make notebooks`` from notebooks/04_autoencoder.ipynb: change it there.
"""

import keras
from keras import layers


def conv(x, filters, kernel=3, strides=1):
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", activation="relu")(x)


def autoencoder(skips=True, widths=(48, 64), code=8, residual=True):
    """Encoder, code and decoder for an enlarged picture; `skips` and `residual` are wires around the code."""
    rgb = keras.Input((None, None, 3), name="lr")
    half_size = conv(conv(rgb, widths[0], kernel=5, strides=2), widths[0])
    quarter_size = conv(conv(half_size, widths[1], strides=2), widths[1])
    x = layers.Conv2D(code, 3, padding="same", name="code")(quarter_size)
    x = conv(conv(x, widths[1]), widths[1])
    x = layers.Add()([x, quarter_size]) if skips else x
    x = conv(layers.UpSampling2D(2)(x), widths[0])
    x = layers.Add()([x, half_size]) if skips else x
    x = conv(conv(x, widths[0]), widths[0])
    small = keras.initializers.RandomNormal(stddev=1e-3)  # with the residual, SR begins as the input
    x = layers.Conv2DTranspose(3, 6, strides=2, padding="same", kernel_initializer=small, dtype="float32")(x)
    return keras.Model(rgb, layers.Add(dtype="float32")([x, rgb]) if residual else x)
