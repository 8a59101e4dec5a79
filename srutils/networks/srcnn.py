"""`three_layers`, `PixelShuffle`, `three_layers_on_lr` and `back_projected`, as lesson 03 builds them.

Written by ``make notebooks`` from notebooks/03_srcnn.ipynb: change it there.
"""

import keras
import numpy as np


def three_layers(filters=(64, 32), sizes=(9, 5, 5)):
    """Dong et al.'s network for an image that has been enlarged already, of any height and width."""
    enlarged = keras.Input((None, None, 1), name="lr")
    hidden = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    x = enlarged
    for count, size in zip(filters, sizes[:-1], strict=True):  # patch extraction, mapping
        x = keras.layers.Conv2D(count, size, **hidden)(x)
    small = keras.initializers.RandomNormal(stddev=1e-3)
    last = keras.layers.Conv2D(1, sizes[-1], padding="same", kernel_initializer=small, dtype="float32")
    return keras.Model(enlarged, keras.layers.Add(dtype="float32")([enlarged, last(x)]))  # reconstruction


@keras.saving.register_keras_serializable("lesson 03")  # so that a .keras file finds it again
class PixelShuffle(keras.layers.Layer):
    """(N, h, w, s * s) to (N, h * s, w * s, 1): map s * i + j becomes row i, column j of each s x s block."""

    def __init__(self, scale, **options):
        super().__init__(**options)
        self.scale = scale

    def call(self, maps):
        s, (_, h, w, _) = self.scale, keras.ops.shape(maps)
        blocks = keras.ops.reshape(maps, (-1, h, w, s, s))
        return keras.ops.reshape(keras.ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, h * s, w * s, 1))


def three_layers_on_lr(scale, sizes=(5, 3, 3), linear=None):
    """Shi et al.'s layers on LR; LR is added to every map, so that training starts from nearest neighbour."""
    lr = keras.Input((None, None, 1), name="lr")
    x = lr
    for count, size in zip((64, 32), sizes, strict=False):
        x = keras.layers.Conv2D(
            count, size, padding="same", activation="relu", kernel_initializer="he_normal"
        )(x)
    small = keras.initializers.RandomNormal(stddev=1e-3)
    x = keras.layers.Conv2D(scale**2, sizes[-1], padding="same", kernel_initializer=small)(x)
    if linear:  # one filter without ReLU beside the layers; a tenth of both, which makes Adam's steps smaller
        beside = keras.layers.Conv2D(scale**2, linear, padding="same", kernel_initializer="zeros")(lr)
        x = keras.layers.Rescaling(0.1)(keras.layers.Add()([x, beside]))
    return keras.Model(lr, PixelShuffle(scale)(keras.layers.Add()([x, lr])))


def back_projected(network, scale, rounds=3):
    """Let rounds of back-projection follow a network that sees the image enlarged by bicubic."""
    taps = 4 * scale - scale % 2  # odd scales have a pixel in the middle of each block, even ones have none
    d = np.abs(np.arange(taps) - (taps - 1) / 2) / scale  # distances, in LR pixels
    keys = np.where(d <= 1, 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2)
    filter_ = np.outer(keys, keys)[..., None, None] / scale**2
    fixed = {"strides": scale, "padding": "same", "use_bias": False, "trainable": False}
    reduce, enlarge = keras.layers.Conv2D(1, taps, **fixed), keras.layers.Conv2DTranspose(1, taps, **fixed)
    seen, sr = network.input, network.output
    for _ in range(rounds):
        again = enlarge(reduce(sr))
        sr = keras.layers.Add()([sr, keras.layers.Subtract()([seen, again])])
    reduce.set_weights([filter_])
    enlarge.set_weights([filter_ * scale**2])
    return keras.Model(seen, sr)
