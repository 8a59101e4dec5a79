# %% [markdown]
# # 04 · Does a bottleneck help or hurt?
#
# An *autoencoder* squeezes a picture through a narrow place, the **code**, and draws it again on the other
# side. LR is already short of detail: why should it help to make it narrower still?
#
# In this lesson we put the question three times: to linear algebra, which can answer exactly; to a network,
# trained twelve times, with and without *wires* around its code (skip connections and a residual); and to
# noisy pictures, where the answer turns round.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/04_autoencoder.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/04_autoencoder.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/04_autoencoder.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - measure what a code of 1, 2, 4, ... 24 numbers can hold of a picture, with nothing but linear algebra;
# - build an encoder, a code and a decoder in Keras, and train it with and without wires around the code;
# - read an experiment of twelve networks: which of the wires is worth what?
# - compare with bicubic, and with a correction that needs no network at all;
# - find the job at which a narrow code is the better one.
#
# **You will learn** what skip connections and a residual do for such a network, how *cannot* differs from
# *has not learned to*, and why a network's gain is tied to the way in which LR was made.
#
# **You will need** lesson 03 (convolutions, training), and about 35 minutes to read. Everything here trains
# on the photographs inside scikit-image, in less than a minute on two CPU cores.

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output", "set-up"]
# Set-up: run this cell first. It is the same in JupyterLab, Colab, Kaggle and Binder, and it leaves the
# NumPy, PyTorch and TensorFlow that are already there as they are.
import importlib.util
import subprocess
import sys
from pathlib import Path

SMALL = "onnx==1.22.0 onnx_ir==1.1.0 onnxruntime==1.31.1 onnxscript==0.7.2 tf2onnx==1.17.0".split()
SMALL += "accelerate flatbuffers imageio lazy_loader safetensors tifffile typer".split()
OFFLINE = "No internet? On Kaggle, choose Settings > Turn on internet, then run this cell again."

if importlib.util.find_spec("srutils") is None:
    here = Path.cwd()
    root = next((p for p in (here, *here.parents) if (p / "srutils" / "course.py").is_file()), None)
    if root is not None:  # a clone of the course that is not installed
        sys.path.insert(0, str(root))
    else:  # a notebook on its own, as Colab and Kaggle open it
        missing = [name for name in SMALL if importlib.util.find_spec(name.split("==")[0]) is None]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["git+https://github.com/super-resolution-course/course", *missing]
        answer = subprocess.run(pip, capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(f"{answer.stderr}pip could not install the course, see above. {OFFLINE}")
        importlib.invalidate_caches()

from srutils import course

course.banner()

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length otherwise

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from keras import layers
from matplotlib.patches import FancyArrowPatch, Rectangle
from skimage import data as samples
from skimage import restoration

from srutils import lensing, metrics, pairs, photos, plotting, scoring
from srutils.upscale import Upscaler

plotting.use_style()
keras.utils.set_random_seed(0)

# %% tags=["nbval-ignore-output"]
train_photographs, val_photographs, test_photographs = photos.photo_split(seed=0)
test_tiles = photos.tiles(test_photographs, 128)
figure = plotting.image_grid(list(test_tiles[[0, 3, 6, 9, 12, 17]]), columns=6, size=1.7)
plotting.show(figure, alt="Five tiles of a motorcycle in a workshop and one of gravel.")


# %% [markdown]
# ## 1. The task
#
# Our test pictures are colour tiles of 128 × 128 px: five of a *motorcycle* and one of *gravel* are shown
# here. They are reduced to half, enlarged again **linearly**, and the network shall turn that soft picture
# into the sharp one. (A student project on the tiles of *Linnaeus 5* set this task.) The photographs are
# split before they are cut: two tiles of one brick wall are nearly the same picture, and a network that has
# seen one knows the other. *(Motorcycle: Scharstein et al., Middlebury stereo benchmark, 2014; gravel:
# CC0Textures.)*
#
# LR is rounded to 8 bits, as a file would hold it.

# %%
def low(hr):
    """Half the size, as an 8-bit file would hold it."""
    return metrics.quantize(pairs.degrade(hr, 2))


def enlarged(lr, method):
    return pairs.resize(lr, (lr.shape[-3] * 2, lr.shape[-2] * 2), method)


def score(sr, hr=test_tiles):
    """PSNR in dB and SSIM of colour tiles, averaged over tiles."""
    sr = np.clip(sr, 0, 1)
    return float(metrics.psnr(sr, hr).mean()), float(metrics.ssim(sr, hr).mean())


# %%
test_lr = low(test_tiles)
soft_test = enlarged(test_lr, "bilinear")  # what the network is given
baselines = {name: score(enlarged(test_lr, name)) for name in ("nearest", "bilinear", "bicubic")}
print(f"{len(test_tiles)} test tiles of {len(test_photographs)} photographs")
for name, (psnr, ssim) in baselines.items():
    print(f"{name:9} PSNR {psnr:.2f} dB, SSIM {ssim:.3f}")


# %% [markdown]
# A network that does not beat **bilinear** has made its own input worse. One that does not beat **bicubic**
# was not worth its electricity.
#
# ## 2. How much fits through a narrow place?
#
# Before any network, the question can be put to linear algebra. Cut the enlarged picture into blocks of 4 × 4
# px: 16 pixels, 3 colours, 48 numbers. The *encoder* makes $k$ numbers of them: it projects the block onto
# the $k$ directions in which training blocks vary most, their principal components. The *decoder* is the
# linear map that best rebuilds the **sharp** block from those $k$ numbers. Both are solved, not trained: this
# is the linear relative of the autoencoder, and Hinton and Salakhutdinov compared theirs with it too.
#
# LR itself spends 2 × 2 × 3 = **12** numbers on such a block. Keep that number in mind.

# %%
def to_blocks(images):
    n, h, w, c = images.shape
    return images.reshape(n, h // 4, 4, w // 4, 4, c).swapaxes(2, 3).reshape(-1, 16 * c)


def from_blocks(blocks, shape):
    n, h, w, c = shape
    return blocks.reshape(n, h // 4, w // 4, 4, 4, c).swapaxes(2, 3).reshape(shape)


learn_tiles = photos.tiles(train_photographs, 128)
soft, sharp = to_blocks(enlarged(low(learn_tiles), "bilinear")), to_blocks(learn_tiles)
mean = soft.mean(0)
# eigenvectors of the covariance; eigh puts the largest variance last, so we turn them round
directions = np.linalg.eigh(np.cov(soft - mean, rowvar=False))[1][:, ::-1]


# %%
def rebuilt(k, learn, test):
    """Encode blocks with k numbers, decode by least squares; the test tiles, rebuilt."""
    # the column of ones lets the decoder add a constant
    codes = [np.c_[(blocks - mean) @ directions[:, :k], np.ones(len(blocks))] for blocks in (learn, test)]
    decoder = np.linalg.lstsq(codes[0], sharp, rcond=None)[0]
    return from_blocks(codes[1] @ decoder, test_tiles.shape)


SIZES = (1, 2, 4, 6, 8, 10, 12, 16, 24)
linear_codes = {k: rebuilt(k, soft, to_blocks(soft_test)) for k in SIZES}
code_scores = {k: score(sr) for k, sr in linear_codes.items()}
for k, (psnr, ssim) in code_scores.items():
    print(f"{k:2} numbers a block: PSNR {psnr:.2f} dB, SSIM {ssim:.3f}")

# %% tags=["nbval-ignore-output"]
cut = np.s_[6, 30:94, 34:98]
panels = {"HR": test_tiles[cut]}
panels |= {f"{k} number{'s' if k > 1 else ''}": linear_codes[k][cut] for k in (1, 2, 4, 8, 12, 24)}
figure = plotting.image_grid(panels, columns=7, size=1.5)
plotting.show(figure, alt="A wheel rebuilt from codes of 1 to 24 numbers: a mosaic, then colour, then spokes.")

# %% [markdown]
# With one number a block we get a grey mosaic, with two some colour. At four the shapes and the spokes are
# there, in coarse steps; at eight the edges are smoother, and from twelve on the picture hardly changes to
# the eye.

# %% tags=["nbval-ignore-output"]
COLOUR = {"bilinear": "0.45", "bicubic": "black", "code": plotting.COLOURS[3]}
COLOUR |= {"without": plotting.COLOURS[4], "with": plotting.COLOURS[5]}  # the wires; the same in all figures
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.plot(SIZES, [psnr for psnr, _ in code_scores.values()], "o-", color=COLOUR["code"], label="linear code")
for name in ("bilinear", "bicubic"):
    ax.axhline(baselines[name][0], color=COLOUR[name], linestyle="--", label=name)
ax.axvline(12, color="0.8", linewidth=6, zorder=0, label="numbers that LR has")
ax.set(xlabel="numbers in the code of a 4 x 4 block", ylabel="PSNR [dB]", xscale="log")
ax.set_xticks([1, 2, 4, 8, 12, 24], [1, 2, 4, 8, 12, 24])
ax.legend()
plotting.show(figure, alt="PSNR rises with the size of the code, past bilinear and then bicubic.", svg=True)

# %% [markdown]
# Every number that the code may hold is worth something. With eight it only just reaches the linear
# enlargement that it was given, **although its decoder has learned to sharpen**. With twelve, as many as LR
# has, it comes close to bicubic; with sixteen it passes it. But that is no longer a narrow place: the enlarged
# block was made from 4 × 4 pixels of LR, its own four and those around them, and a longer code keeps some of
# what the neighbours say.
#
# That is the bottleneck's price, without depth and training. It also shows where a gain over bicubic comes
# from: a rule fitted to examples does better than one fixed rule, once its code holds enough.

# %% jupyter={"source_hidden": true} tags=["check"]
assert baselines["nearest"] < baselines["bilinear"] < baselines["bicubic"]
assert sorted(code_scores.values()) == list(code_scores.values())  # every number is worth something
assert code_scores[24][0] > baselines["bicubic"][0] > code_scores[8][0]

# %% [markdown]
# ## 3. Encoder, code, decoder, and the wires
#
# Now the network. The drawing shows its maps from left to right: the higher a box, the larger the map. The
# code is as large as its neighbours; it has fewer maps, so its box is thin.

# %% tags=["nbval-ignore-output"]
STAGES = [  # place, height, what is written below
    (0, 4, "enlarged LR\n3 maps"), (1.6, 2, "half size\n48 maps"), (3.2, 1, "quarter size\n64 maps"),
    (4.7, 1, "code\n8 maps"), (6.2, 1, "quarter size\n64 maps"), (7.8, 2, "half size\n48 maps"),
    (9.4, 4, "SR\n3 maps"),
]  # fmt: skip
figure, ax = plt.subplots(figsize=(8.6, 3.9), layout="constrained")
for i, (x, height, label) in enumerate(STAGES):
    colour = COLOUR["code"] if i == 3 else "0.85"
    width = 0.12 if i == 3 else 0.5
    ax.add_patch(Rectangle((x + 0.25 - width / 2, -height / 2), width, height, facecolor=colour, edgecolor="black"))
    ax.text(x + 0.25, -2.3, label, ha="center", va="top", fontsize=9)
    if i:
        ax.annotate("", (x - 0.05, 0), (STAGES[i - 1][0] + 0.55, 0), arrowprops={"arrowstyle": "->"})
for (a, b), name in {(2, 4): "skips", (1, 5): "skips", (0, 6): "residual"}.items():
    colour = COLOUR["with"] if name == "skips" else plotting.COLOURS[6]
    (x0, h0, _), (x1, h1, _) = STAGES[a], STAGES[b]
    ends = {"posA": (x0 + 0.25, h0 / 2 + 0.05), "posB": (x1 + 0.25, h1 / 2 + 0.05)}
    arc = "arc3,rad=-0.28" if name == "skips" else "arc3,rad=-0.16"
    ax.add_patch(FancyArrowPatch(**ends, connectionstyle=arc, arrowstyle="->", mutation_scale=14, color=colour))
ax.text(4.95, 1.55, "skips (added)", color=COLOUR["with"], ha="center", fontsize=10)
ax.text(4.95, 3.15, "residual (added)", color=plotting.COLOURS[6], ha="center", fontsize=10)
ax.set(xlim=(-0.7, 10.6), ylim=(-3.2, 3.5))
ax.set_axis_off()
plotting.show(figure, alt="Maps shrink to the code and grow again; three wires lead around the code.", svg=True)


# %% [markdown]
# - The **encoder** halves the picture twice, with strides of 2, and has more maps at each step.
# - The **code** has 8 maps at a quarter of the size: 8 numbers per 4 × 4 block, the size just studied.
# - The **decoder** doubles twice: first by repeating pixels and convolving, then by a *transposed*
#   convolution, which lays a small patch into the output for every input pixel, two pixels apart.
# - The **skips** add what the encoder saw at half and at quarter size to the decoder's maps of that size, as
#   in RED-Net (U-Net places them alongside instead).
# - The **residual** adds the input to the output, so that the network only has to say what to *change*.
#
# Additions have no weights. Whatever wires we leave out, the network has the same parameters.

# %% tags=["saved-autoencoder"]
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


# %% [markdown]
# Why a kernel of 6 in the last layer? Patches that are laid two pixels apart overlap. The figure counts, for
# one-dimensional patches of 5 and of 6, how many of them reach each output pixel.

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(8.6, 2.6), layout="constrained", sharey=True)
for ax, kernel in zip(axes, (5, 6), strict=True):
    for i in range(7):
        ax.add_patch(Rectangle((2 * i - 0.4, -1 - 0.45 * (i % 3)), kernel - 0.2, 0.35, color=plotting.COLOURS[2]))
    reach = [sum(2 * i <= x < 2 * i + kernel for i in range(7)) for x in range(12 + kernel)]
    ax.bar(range(12 + kernel), reach, color=plotting.COLOURS[5], width=0.8)
    ax.set(title=f"kernel {kernel}, stride 2", xlabel="output pixel", xticks=range(0, 18, 4))
    ax.set(ylim=(-2.2, 3.4), yticks=[0, 1, 2, 3])
    ax.grid(False)
axes[0].set_ylabel("patches that reach it")
plotting.show(figure, alt="With a kernel of 5 pixels get 3 and 2 patches in turn; with 6 all get 3.", svg=True)

# %% [markdown]
# Patches (light) of 5 reach even and odd pixels 3 and 2 times in turn, and in two dimensions that makes a
# checkerboard, which the network has to unlearn (Odena et al.). With a kernel that is a multiple of the
# stride, all pixels inside get the same. Exercise 1 counts in two dimensions.
#
# ## 4. Training two of them
#
# We cut small tiles from the training photographs, make LR of them, enlarge it, and have two plain arrays. To
# save time we train half as many maps as drawn, 24 and 32.

# %%
patches = photos.tiles(train_photographs, 48, n_per_image=60)
y = metrics.quantize(patches)
x = enlarged(low(y), "bilinear")
val_tiles = photos.tiles(val_photographs, 128, n_per_image=8)
val = enlarged(low(val_tiles), "bilinear"), val_tiles
print(f"{len(x)} pairs of 48 x 48 px to learn from, {len(val_tiles)} tiles of other photographs to watch")


# %% tags=["nbval-ignore-output"]
def psnr(y_true, y_pred):
    """PSNR of each image of a batch in dB, as a Keras metric."""
    error = keras.ops.mean(keras.ops.square(y_true - y_pred), axis=(1, 2, 3))
    return -10 * keras.ops.log10(error + 1e-12)


def trained(network, x, y, epochs, val=val, rate=2e-3):
    """Adam on the mean squared error, with a learning rate that falls along a cosine; network and curves."""
    steps = epochs * -(-len(x) // 8)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.01)
    network.compile(keras.optimizers.Adam(schedule), "mse", metrics=[psnr])
    curves = network.fit(x, y, batch_size=8, epochs=epochs, validation_data=val, verbose=0)
    return network, curves.history["val_psnr"]


networks, curves = {}, {}
for name, wires in {"without wires": False, "with wires": True}.items():
    keras.utils.set_random_seed(0)
    network = autoencoder(skips=wires, widths=(24, 32), residual=wires)
    networks[name], curves[name] = trained(network, x, y, epochs=8)

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for name, values in curves.items():
    ax.plot(range(1, 9), values, "o-", color=COLOUR[name.split()[0]], label=name)
for name in ("bilinear", "bicubic"):
    line = score(enlarged(low(val_tiles), name), val_tiles)[0]
    ax.axhline(line, color=COLOUR[name], linestyle="--", label=name)
ax.set(xlabel="epoch", ylabel="validation PSNR [dB]", xticks=range(1, 9))
ax.legend()
plotting.show(figure, alt="Without wires far below bilinear; with wires past bicubic.", svg=True)


# %% [markdown]
# Both networks have the same layers, the same start and the same patches in the same order. With wires, the
# first epoch is enough to pass bicubic. Without them the picture has to be drawn from nothing, through the
# narrow place, and the network stays decibels below the input that it was given. On the test tiles:

# %% tags=["nbval-ignore-output"]
def run(network, images):
    """Apply a network to pictures, a few at a time."""
    return np.concatenate([np.asarray(network(images[i : i + 8])) for i in range(0, len(images), 8)])


sr = {name: run(network, soft_test) for name, network in networks.items()}
results = baselines | {"linear code of 8": code_scores[8]} | {name: score(images) for name, images in sr.items()}
print(pd.DataFrame(results, index=["PSNR [dB]", "SSIM"]).T.round(3).to_string())

# %% tags=["nbval-ignore-output"]
i, box = 6, (36, 40, 48, 48)
panels = {"HR": test_tiles[i], "bicubic": enlarged(test_lr[i], "bicubic")} | {n: s[i] for n, s in sr.items()}
figure = plotting.zoom_grid(panels, "HR", box, residual_range=0.25, size=2.1)
plotting.show(figure, alt="A motorcycle: blotchy without wires, crisp with them; below, what each gets wrong.")

# %% [markdown]
# Without wires the large shapes are found; every fine line and most of the colour are gone. The bottom row
# (red: too bright, blue: too dark; the mean of the three colours) is a drawing of all edges. With wires the
# edges are sharper than bicubic's, and what remains sits on the finest lines.
#
# The **linear** code of 8 numbers has the same narrow place and no wires either, and it is decibels better
# than the deep network without wires. So the size of the code alone does not explain why that one is so bad:
# a code of 8 can carry more than this network has *learned* to use.

# %% jupyter={"source_hidden": true} tags=["check"]
plain, wired = results["without wires"], results["with wires"]
assert wired[0] > baselines["bicubic"][0] + 0.4 and wired[1] > baselines["bicubic"][1]
assert plain[0] < baselines["bilinear"][0] - 1 and plain[0] < code_scores[8][0] - 1

# %% [markdown]
# ## 5. Which wire, which code? Twelve networks
#
# Two things changed at once above, the skips and the residual. To tell them apart we need an experiment:
# skips or not, residual or not, codes of 4, 8 and 16, each network from the same start and on the same
# patches, for 900 steps of 8 patches: more than twice as many as in section 4, with a gentler start, so the
# numbers are higher than there. That takes too long for a lesson, so it was done once;
# `python -m tools.experiments.autoencoder_design` repeats it.

# %%
stored = course.experiment("autoencoder_design")
runs = pd.DataFrame(stored["runs"])
table = runs.pivot_table(index=["skips", "residual"], columns="code", values="test_psnr")
print("PSNR in dB on the test tiles, by the numbers in a 4 x 4 block's code")
print(table.round(2).to_string())

# %% tags=["nbval-ignore-output"]
LOOK = {(False, False): ("no wire", "without", ":"), (True, False): ("skips", "with", "--")}
LOOK |= {(False, True): ("residual", "residual", "-"), (True, True): ("both", "with", "-")}
COLOUR["residual"] = plotting.COLOURS[6]
figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.6), layout="constrained", sharey=True)
for wires, (label, colour, style) in LOOK.items():
    axes[0].plot(table.columns, table.loc[wires], "o", linestyle=style, color=COLOUR[colour], label=label)
    curve = runs[(runs.skips == wires[0]) & (runs.residual == wires[1]) & (runs.code == 8)].val_psnr.iloc[0]
    axes[1].plot(np.arange(len(curve)) * stored["epoch"], curve, style, color=COLOUR[colour])
for name, x, side in (("bilinear", 16.3, "bottom"), ("bicubic", 9, "top")):
    axes[0].axhline(baselines[name][0], color=COLOUR[name], linewidth=1)
    axes[0].text(x, baselines[name][0], name, va=side, ha="right", fontsize=8, color=COLOUR[name])
    axes[1].axhline(score(enlarged(low(val_tiles), name), val_tiles)[0], color=COLOUR[name], linewidth=1)
axes[0].set(xlabel="numbers in the code", ylabel="PSNR [dB]", title="test tiles", xticks=[4, 8, 16], ylim=(18, 30))
axes[1].set(xlabel="step", title="validation tiles, code of 8")
axes[0].legend(loc="center right")
plotting.show(figure, alt="Skips alone end below bilinear, the residual alone at or above bicubic; both are best.", svg=True)

# %% [markdown]
# Read the column of 8 first. Without any wire the network ends at 22.3 dB, far below the picture that it was
# given. **Skips** alone bring it to 26.3 dB, no better than that input (26.5): the details get past the code,
# but the picture has to be composed anew. The **residual** alone gives 28.2 dB, a little above bicubic (on the
# validation tiles it ends level with it): now the input itself gets past, and only the correction goes
# through the code. **Both** give 29.5 dB: a correction needs fine detail to be right, and the skips bring it.
#
# Now read along the rows: what is the *size* of the code worth? With skips, nothing: codes of 4, 8 and 16 end
# within about a tenth of a decibel of each other, because the details take the wire. With the residual alone,
# 8 and 16 came out a third of a decibel above 4. Without any wire the order is not even that of size. Linear
# algebra showed what such codes can carry, and the networks without wires are decibels below it: **it is not
# the size of the code that limits them**. Training is at least a part of it: the dotted curve on the right was
# still climbing, with one jump, when training ended.
#
# Each network was trained once, so we do not know how much is luck. Trust the gaps of a decibel and more.

# %% jupyter={"source_hidden": true} tags=["check"]
eight = table[8]
assert eight[False, False] < eight[True, False] < baselines["bilinear"][0]
assert baselines["bicubic"][0] < eight[False, True] < eight[True, True] - 1
assert np.ptp(table.loc[True, True]) < 0.2 and np.ptp(table.loc[True, False]) < 0.2


# %% [markdown]
# ## 6. A wire made by hand
#
# The network without wires lost what was in its own input. LR still has it, so it can be given back without
# any training: reduce the picture as LR was reduced, look at what differs from LR, enlarge the difference and
# add it. This is the *back-projection* that ends lesson 03's network (Irani and Peleg, 1991). Here is what five
# rounds of it do to four pictures; in exercise 3 you write it yourself, and give it a noisy LR.

# %%
def five_rounds(sr, lr=test_lr):
    for _ in range(5):
        sr = sr + enlarged(lr - pairs.degrade(sr, 2), "bicubic")
    return sr


# %% tags=["nbval-ignore-output"]
pictures = {"bilinear": soft_test, "bicubic": enlarged(test_lr, "bicubic")} | sr
given_back = {name: {"as it was": score(s)[0], "after five rounds": score(five_rounds(s))[0]} for name, s in pictures.items()}
print("PSNR in dB")
print(pd.DataFrame(given_back).T.round(2).to_string())

# %% [markdown]
# Five additions lift bicubic by more than a decibel, close to our small network with wires. A gain over plain
# bicubic is therefore not yet a gain from learning: this is the line to beat, and the network that ships does
# beat it (section 7).

# %% jupyter={"source_hidden": true} tags=["check"]
assert given_back["bicubic"]["after five rounds"] > given_back["bicubic"]["as it was"] + 0.8
assert given_back["without wires"]["after five rounds"] > given_back["without wires"]["as it was"] + 1

# %% [markdown]
# ## 7. The network that ships
#
# From here on we use `autoencoder-photo-x2`: the same function with its larger widths and all wires, trained
# for longer and on other photographs (its card says how long and on which). None of the photographs inside
# scikit-image was among them, so all the colour ones are test pictures for it.

# %%
shipped = Upscaler.load("autoencoder-photo-x2")
colour_tiles = photos.tiles(photos.builtin(colour=True), 128)
colour_lr = low(colour_tiles)
ours = {name: score(enlarged(colour_lr, name), colour_tiles) for name in ("bilinear", "bicubic")}
ours["bicubic, five rounds"] = score(five_rounds(enlarged(colour_lr, "bicubic"), colour_lr), colour_tiles)
ours["shipped network"] = score(shipped(colour_lr), colour_tiles)
print(f"{len(colour_tiles)} tiles of {len(photos.builtin(colour=True))} photographs")
for name, (psnr_db, ssim) in ours.items():
    print(f"{name:21} PSNR {psnr_db:.2f} dB, SSIM {ssim:.3f}")

# %% tags=["nbval-ignore-output"]
if course.find_data("Set5"):
    row = scoring.evaluate_photos(shipped, photos.set5())
    print(f"Set5, luma: bicubic {row['bicubic']['psnr']:.2f} dB, shipped network {row['psnr']:.2f} dB")
else:
    print("Set5 is not here; `srutils fetch set5` brings it, and this cell then scores the network on it")

# %% jupyter={"source_hidden": true} tags=["check"]
assert ours["shipped network"][0] > ours["bicubic, five rounds"][0] > ours["bicubic"][0]
assert ours["shipped network"][1] > ours["bicubic"][1]


# %% [markdown]
# An SSIM of 0.897 sounds good, but bicubic has 0.871 here and its five rounds 0.894: always print them beside
# the network's, on the same tiles. In PSNR the network leads by 0.7 dB.
#
# Train it on pictures of your own, *Linnaeus 5* say, with one command:
#
# ```
# srutils train autoencoder-photo-x2 --data "Linnaeus 5 128X128"
# ```
#
# ## 8. Noise: the job that likes a bottleneck
#
# Now let LR be **noisy**: white noise with a standard deviation of 25 of the 255 levels, a night shot with a
# small camera. Enlarging damps the finest of it, but the noise in a block is still spread far wider than
# pictures, which crowd into the first few directions. A short code leaves most of the noise out. We ask the
# linear code again: once with the decoder that knows clean pictures only, once with a decoder fitted to noisy
# ones.

# %%
def noisy(lr, levels, seed):
    return (lr + np.random.default_rng(seed).normal(0, levels / 255, lr.shape)).astype(np.float32)


soft_noisy = to_blocks(enlarged(noisy(low(learn_tiles), 25, 0), "bilinear"))
test_noisy = to_blocks(enlarged(noisy(test_lr, 25, 1), "bilinear"))
by_size = pd.DataFrame(index=SIZES)
by_size["no noise"] = [psnr_db for psnr_db, _ in code_scores.values()]
by_size["noise, decoder fitted on clean LR"] = [score(rebuilt(k, soft, test_noisy))[0] for k in SIZES]
by_size["noise, decoder fitted on noisy LR"] = [score(rebuilt(k, soft_noisy, test_noisy))[0] for k in SIZES]

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for name, style in zip(by_size, ("-", ":", "--"), strict=True):
    ax.plot(SIZES, by_size[name], "o", linestyle=style, color=COLOUR["code"], label=name)
ax.set(xlabel="numbers in the code of a 4 x 4 block", ylabel="PSNR [dB]", xscale="log")
ax.set_xticks([1, 2, 4, 8, 12, 24], [1, 2, 4, 8, 12, 24])
ax.legend()
plotting.show(figure, alt="With unexpected noise four numbers are best; with expected noise, all of them.", svg=True)


# %% [markdown]
# Here is this lesson's answer for linear codes, in one figure. Without noise every number in the code helps.
# With noise that nobody expected (dotted) the best code is *short*: four numbers per block beat twenty-four
# by several decibels, because the long code carries the noise faithfully. But once the decoder has *seen*
# noise (dashed), the long code wins again: it has learned which of its numbers to trust. **A short code helps
# a decoder that has not been fitted to the noise.**
#
# So we teach our network instead of squeezing it: the same weights, trained on for a while with weaker noise,
# of 10 levels, on LR. It has to clean and enlarge at once. Its opponent is *non-local means* (Buades et al.),
# which averages pixels whose neighbourhoods look alike, followed by bicubic; we tune its strength on the
# validation tiles, with and without section 6's five rounds, so that the comparison is fair.

# %%
def non_local_means(lr, strength):
    options = {"patch_size": 5, "patch_distance": 6, "sigma": 10 / 255, "fast_mode": True, "channel_axis": -1}
    return np.stack([restoration.denoise_nl_means(image, h=strength * 10 / 255, **options) for image in lr])


tune_lr, tuning = noisy(low(val_tiles), 10, 2), {}
for strength in (0.4, 0.6, 0.8, 1.0):
    calm = non_local_means(tune_lr, strength)
    large = enlarged(calm, "bicubic")
    tuning[strength] = score(large, val_tiles)[0], score(five_rounds(large, calm), val_tiles)[0]
    print("strength {}: {:.2f} dB, after five rounds {:.2f} dB".format(strength, *tuning[strength]))
best = max(tuning, key=tuning.get)

# %% tags=["nbval-ignore-output"]
noisy_lr = noisy(test_lr, 10, 3)
soft_noisy_test = enlarged(noisy_lr, "bilinear")
cleaned = {"bicubic": enlarged(noisy_lr, "bicubic")}
cleaned["non-local means"] = enlarged(non_local_means(noisy_lr, best), "bicubic")
cleaned["never saw noise"] = run(networks["with wires"], soft_noisy_test)
x_noisy = enlarged(noisy(low(y), 10, 4), "bilinear")
noisy_val = enlarged(noisy(low(val_tiles), 10, 5), "bilinear"), val_tiles
denoiser = autoencoder(widths=(24, 32))
denoiser.set_weights(networks["with wires"].get_weights())
trained(denoiser, x_noisy, y, epochs=5, val=noisy_val)
cleaned["trained on noise"] = run(denoiser, soft_noisy_test)
print(pd.DataFrame({name: score(s) for name, s in cleaned.items()}, index=["PSNR [dB]", "SSIM"]).T.round(3).to_string())

# %% tags=["nbval-ignore-output"]
panels = {"HR": test_tiles[9]} | {name: images[9] for name, images in cleaned.items()}
figure = plotting.zoom_grid(panels, "HR", (30, 30, 56, 56), residual_range=0.2, size=2)
plotting.show(figure, alt="A noisy tile enlarged four ways, with residuals from the clean one.")

# %% [markdown]
# The network that never saw noise strengthens it. A few hundred steps later the same layers dampen part of it
# and still sharpen the edges. In PSNR they pass the tuned classical method (which the five rounds do not help
# here). SSIM and the eye prefer non-local means: it averages over many like places, and flat areas come out
# much smoother. Exercise 2 asks how far to trust each number of a noisy code.

# %% jupyter={"source_hidden": true} tags=["check"]
assert by_size.iloc[:, 1].idxmax() == 4 and by_size.iloc[:, 2].idxmax() == 24
assert min(tuning) < best < max(tuning)  # the optimum lies inside the range that was searched
assert max(rounds for _, rounds in tuning.values()) < tuning[best][0]
gains = {name: score(images)[0] for name, images in cleaned.items()}
assert gains["trained on noise"] > gains["never saw noise"] + 0.3
assert gains["non-local means"] > gains["bicubic"] and gains["trained on noise"] > gains["bicubic"] + 0.5

# %% [markdown]
# ## 9. Where it fails
#
# Now pictures unlike those of the training: first we change **what is shown**, then **how LR came to be**.

# %%
page = photos.tiles({"page": samples.page()[..., None].astype(np.float32) / 255}, 128)
lens = np.repeat(lensing.simulate("telescope", 6, scale=2, seed=0).truth, 3, axis=-1)
cases = {
    "photographs": (test_tiles, test_lr),
    "inverted colours": (1 - test_tiles, low(1 - test_tiles)),
    "a page of text": (page, low(page)),
    "gravitational lenses": (lens, low(lens)),
    "LR with noise": (test_tiles, noisy(test_lr, 25, 6)),
    "LR by dropping pixels": (test_tiles, metrics.quantize(test_tiles[:, ::2, ::2])),
}

# %%
gain = {}
for name, (hr, lr) in cases.items():
    gain[name] = {"bicubic": score(enlarged(lr, "bicubic"), hr)[0], "network": score(shipped(lr), hr)[0]}
gain = pd.DataFrame(gain).T
gain["gain"] = gain["network"] - gain["bicubic"]
print("PSNR in dB")
print(gain.round(2).to_string())

# %% tags=["nbval-ignore-output"]
cut, panels = np.s_[6, 36:92, 40:96], {}
for name in ("LR with noise", "LR by dropping pixels"):
    hr, lr = cases[name]
    panels |= {"HR" + " " * (len(panels) // 3): hr[cut], f"bicubic: {name}": enlarged(lr, "bicubic")[cut]}
    panels[f"network: {name}"] = shipped(lr[6])[36:92, 40:96]
figure = plotting.image_grid(panels, columns=3, size=2.4)
plotting.show(figure, alt="The network turns noise into grain, and jagged edges into more jagged ones.")

# %% [markdown]
# Odd *contents* do little harm: an edge is an edge, in a motorcycle or in print, and smooth lenses gain little
# because bicubic is at 48 dB already. Odd *origins* do harm. In both rows of the figure the network is
# **worse than bicubic**. It was trained to undo the antialiased bicubic reduction, by strengthening fine
# detail. Noise is fine detail. So is the staircase that dropped pixels leave. Nothing in the network's output
# says so. (Dropping pixels also moves the grid by half a pixel of HR, see lesson 01. Both methods pay for
# that, perhaps not alike.)
#
# The remedies are to *know* how LR was made, to train on the degradation one has, as lesson 03 does on
# `telescope`, or on many kinds at once.

# %% jupyter={"source_hidden": true} tags=["check"]
assert gain.loc["photographs", "gain"] > 0.5
assert gain.loc["LR with noise", "gain"] < 0 and gain.loc["LR by dropping pixels", "gain"] < 0

# %% [markdown]
# ## 10. On your own picture
#
# Set `MY_PICTURE` to a file, and drag the divider.

# %% tags=["nbval-ignore-output"]
MY_PICTURE = None  # such as "holiday.jpg"
picture = photos.read_image(MY_PICTURE) if MY_PICTURE else photos.builtin()["astronaut"][30:150, 150:300]
before, after = Upscaler.load("bicubic", 2)(picture), shipped(picture)
display(plotting.compare_slider(before, after, ("bicubic", "autoencoder"), width=560))

# %% jupyter={"source_hidden": true} tags=["check"]
assert after.shape == (2 * picture.shape[0], 2 * picture.shape[1], picture.shape[2])

# %% [markdown]
# This picture has no HR: it is enlarged beyond the file that we have. *(Eileen Collins, NASA; public domain.)*
# Edges are crisper than bicubic's, and we see no new texture: the mean squared error rewards the average of
# the possible answers, not a guess among them. Lesson 05 rewards guessing.

# %% [markdown]
# ## Recap
#
# - **What a code can hold**: eight numbers per block just give back the linear enlargement, twelve (as many
#   as LR has) come close to bicubic, and more than LR has can beat it.
# - **Cannot and has not learned to**: the linear code of eight did far better than the deep network with the
#   same code and no wires.
# - **Which wire**: the residual alone brings the network level with bicubic or a little above, skips alone do
#   not, and both together are best. With skips, the size of the code no longer matters.
# - **A line to beat**: bicubic with five rounds of back-projection, more than a decibel above bicubic.
# - **Noise is where a bottleneck helps**: a short linear code is better against noise that nobody expected. A
#   linear decoder fitted to the noise is better with a long one.
# - **It broke** on LR that came to be in another way, and not on odd contents.
#
# So, does a bottleneck help or hurt? Without noise, every number left out of the linear code costs decibels;
# with noise that the decoder was not fitted to, a short code helps.

# %% [markdown]
# ## Exercises
#
# The cell below each exercise tells right from nearly right and says why. Solutions that pass stand in
# [solutions/04_autoencoder.ipynb](solutions/04_autoencoder.ipynb).
#
# **1. Count the contributions.** In a transposed convolution each pixel of the input puts a patch of `kernel`
# × `kernel` pixels into the output; the patches of neighbours lie `stride` pixels apart, and where patches
# overlap they are added. Section 3 drew this along one axis for kernels of 5 and 6. Write a function that
# counts them, for an input of `n` × `n` pixels. Nothing is cut off at the edges. Then look at kernels of 3, 4
# and 5: which would you use?
#
# <details><summary>Hint</summary>
# Take a pencil, one axis and three input pixels: which patches reach output pixel number 4? On the
# computer, a field of zeros and two loops are enough.
# </details>

# %% tags=["exercise"]
from srutils import exercises


def contributions(n, kernel, stride):
    """How many patches reach each pixel of the output: an array of ((n - 1) * stride + kernel) pixels a side."""
    ...


exercises.check(4, 1, contributions)


# %% [markdown]
# **2. Another noise.** Let noise of standard deviation `sigma` fall on every pixel of a block. Seen along
# the principal directions it has the same `sigma` in every number of the code, for that is only a rotation.
# A number with the variance $v$ (over clean pictures; its mean is taken out) arrives as $c + e$, and the
# decoder may multiply it by a factor $f$ before it goes on. A short code has $f = 1$ for some numbers and
# $f = 0$ for the others. Which factors bring $f\,(c + e)$ closest to $c$, in the mean square?
#
# <details><summary>Hint</summary>
# First the two ends: which factor is right without noise, and which for a number that never varies? Then
# write out the mean of (f (c + e) - c)². Number and noise have nothing to do with each other, so the mean
# of c e is zero.
# </details>

# %% tags=["exercise"]
def trust(variances, sigma):
    """The best factor for each number of a code, from an array of their variances in clean pictures."""
    ...


exercises.check(4, 2, trust)


# %% [markdown]
# **3. A wire made by hand.** The network without skips lost details that were in its own input. But LR is
# still there! Write a function that takes an enlarged picture and LR, and returns a picture that agrees
# with LR better: reduced as LR was reduced, it should come out close to LR. What the given picture shows
# beyond LR must stay. No training is needed; `low` reduces, `bicubic` enlarges. Then give it
# noise: let it mend `cleaned["non-local means"]`, with `noisy_lr` as LR. Does it still help?
#
# <details><summary>Hint</summary>
# What the picture lacks can be seen at LR's size only, and has to be given back at its own. One correction
# leaves a little missing; nothing forbids a second.
# </details>

# %% tags=["exercise"]
def give_back(sr, lr):
    """Pictures (N, 2h, 2w, 3) that have what `sr` shows, and agree with `lr` (N, h, w, 3)."""
    ...


exercises.check(4, 3, give_back)

# %% [markdown]
# ## References
#
# - G. E. Hinton, R. R. Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, Science
#   313, 504 (2006). [doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647)
# - O. Ronneberger, P. Fischer, T. Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation*,
#   MICCAI 2015. [doi:10.1007/978-3-319-24574-4_28](https://doi.org/10.1007/978-3-319-24574-4_28)
# - X.-J. Mao, C. Shen, Y.-B. Yang, *Image Restoration Using Convolutional Auto-encoders with Symmetric Skip
#   Connections* (RED-Net), 2016. [doi:10.48550/arXiv.1606.08921](https://doi.org/10.48550/arXiv.1606.08921)
# - A. Odena, V. Dumoulin, C. Olah, *Deconvolution and Checkerboard Artifacts*, Distill (2016).
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003)
# - M. Irani, S. Peleg, *Improving Resolution by Image Registration*, CVGIP: Graphical Models and Image
#   Processing 53, 231 (1991). [doi:10.1016/1049-9652(91)90045-L](https://doi.org/10.1016/1049-9652%2891%2990045-L)
# - A. Buades, B. Coll, J.-M. Morel, *A Non-Local Algorithm for Image Denoising*, CVPR 2005.
#   [doi:10.1109/CVPR.2005.38](https://doi.org/10.1109/CVPR.2005.38)
# - G. Chaladze, L. Kalatozishvili, *Linnaeus 5 Dataset for Machine Learning*, 2017.
#   [chaladze.com/l5](http://chaladze.com/l5/)

# %% [markdown]
# ## Next lesson
#
# Every network so far was paid for being right on average, and answered doubt with blur. Lesson 05 adds an
# adversary that punishes blur, and asks what the sharper picture has been made of.
