# %% [markdown]
# # Solutions to lesson 04 · Does a bottleneck help or hurt?
#
# Lesson 04's three exercises, each with the reasoning, an answer that passes its check, and what can be done
# with it. Try them first in [the lesson](../04_autoencoder.ipynb): its checks say what a first attempt has
# right.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/04_autoencoder.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/04_autoencoder.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/04_autoencoder.ipynb)
# <!-- /badges -->

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

from srutils import exercises, metrics, pairs, photos, plotting
from srutils.upscale import Upscaler

plotting.use_style()


# %% [markdown]
# ## 1. Count the contributions
#
# Begin with one axis. Input pixel $i$ reaches the outputs $i \cdot \text{stride}$ to $i \cdot \text{stride} +
# \text{kernel} - 1$, so one adds 1 there for each $i$. Rows and columns do not know of each other: an output
# pixel is reached by every pair of a row that reaches it and a column that reaches it, so the counts of the
# two axes are **multiplied**.

# %%
def contributions(n, kernel, stride):
    """How many patches reach each pixel of the output."""
    row = np.zeros((n - 1) * stride + kernel, int)
    for i in range(n):
        row[i * stride : i * stride + kernel] += 1
    return np.outer(row, row)


print(contributions(4, 3, 2))

# %% tags=["exercise"]
exercises.check(4, 1, contributions)

# %% [markdown]
# The same with Keras: a transposed convolution whose weights are all 1, applied to a picture that is 1
# everywhere, adds up exactly these contributions.

# %%
for kernel, stride in ((3, 2), (4, 2), (5, 2), (6, 2), (5, 3)):
    layer = keras.layers.Conv2DTranspose(1, kernel, stride, padding="valid", kernel_initializer="ones")
    by_keras = keras.ops.convert_to_numpy(layer(np.ones((1, 6, 6, 1), np.float32)))[0, ..., 0]
    assert np.array_equal(by_keras, contributions(6, kernel, stride))

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 4, figsize=(9.6, 2.9), layout="constrained")
for ax, kernel in zip(axes, (3, 4, 5, 6), strict=True):
    counts = contributions(7, kernel, 2)[2:-2, 2:-2][:9, :9]
    drawn = ax.imshow(counts, cmap="viridis", vmin=0, vmax=9)
    for (y, x), count in np.ndenumerate(counts):
        ax.text(x, y, count, ha="center", va="center", fontsize=8, color="black" if count > 5 else "white")
    ax.set_title(f"kernel {kernel}, stride 2")
    ax.set_axis_off()
figure.colorbar(drawn, ax=axes, label="contributions", shrink=0.8)
plotting.show(figure, alt="Counts of contributions: kernels of 3 and 5 make checks, kernels of 4 and 6 do not.")

# %% [markdown]
# Kernels of 3 and 5 take turns, kernels of 4 and 6 do not; only the first rows and columns know of the edge.
# Of 3, 4 and 5, take **4**. A network can learn to balance uneven counts, but it has to spend its weights on
# that, and it begins unbalanced. How far? With random weights, contributions add up like noise, so the output
# of an untrained layer should have a strength in proportion to the root of the count. Four hundred random
# layers at once, on a grey picture:

# %%
rng = np.random.default_rng(0)
for kernel in (3, 6):
    layer = keras.layers.Conv2DTranspose(400, kernel, 2, padding="valid")
    layer.build((None, 8, 8, 1))
    layer.set_weights([rng.standard_normal((kernel, kernel, 400, 1)), np.zeros(400)])
    grey = keras.ops.convert_to_numpy(layer(np.full((1, 8, 8, 1), 0.5, np.float32)))[0]
    inside = np.s_[6:8, 6:8]  # one pixel of each of the four kinds
    strength = np.sqrt((grey[inside] ** 2).mean(-1))
    strength, expected = strength / strength.max(), np.sqrt(contributions(8, kernel, 2)[inside])
    print(f"kernel {kernel}: strength of the four kinds of pixels", strength.round(2).ravel())
    assert np.allclose(strength, expected / expected.max(), atol=0.15)


# %% [markdown]
# With kernels of 3 one pixel in four is about twice as strong as another, before any training. With 6 all are
# alike *on average over many layers*. One single layer still has other weights at odd pixels than at even ones,
# which is why the lesson found a pattern of two pixels in spite of its kernels of 6: equal counts are the
# beginning of balance, not all of it.
#
# ## 2. Another noise
#
# Let $v$ be the variance of the number $c$, and $e$ the noise. Since $c$ and $e$ have nothing to do with each
# other, the mean of $(f\,(c + e) - c)^2 = ((f - 1)\,c + f e)^2$ is $(1 - f)^2 v + f^2 \sigma^2$: what is lost
# of the number, and what comes through of the noise. Its slope, $-2 (1 - f) v + 2 f \sigma^2$, is zero at
#
# $$f = \frac{v}{v + \sigma^2}.$$
#
# Both ends are as they should be: 1 without noise, 0 for a number that never varies. (This is Wiener's filter,
# which lesson 02 used at every spatial frequency. There, too, each is believed as far as it stands out of the
# noise.)

# %%
def trust(variances, sigma):
    """The best factor for each number of a code."""
    return variances / (variances + sigma**2)


# %% tags=["exercise"]
exercises.check(4, 2, trust)

# %% [markdown]
# Now put it to work on photographs: grey blocks of 8 × 8 px, with principal directions and variances from the
# training and validation photographs (nothing is tuned here), and noise on the test photographs. The **short
# code** keeps the numbers whose variance is larger than the noise's and drops the rest, which is the best that
# keeping and dropping can do. The third column trusts as if the noise were always 10 levels.

# %%
SIDE, SIGMAS = 8, np.array([2.5, 5, 10, 25, 50]) / 255


def blocks(photographs):
    """Grey blocks of 8 x 8 px, one a row."""
    tiles = photos.tiles(photographs, 128).mean(-1)
    return tiles.reshape(-1, 16, SIDE, 16, SIDE).swapaxes(2, 3).reshape(-1, SIDE * SIDE)


train_photographs, val_photographs, test_photographs = photos.photo_split(seed=0)
learn, test = blocks(train_photographs | val_photographs), blocks(test_photographs)
mean = learn.mean(0)
variances, directions = np.linalg.eigh(np.cov(learn - mean, rowvar=False))


def cleaned(noisy, factors):
    """Into the code, each number times its factor, and back."""
    return mean + (noisy - mean) @ directions * factors @ directions.T


table = pd.DataFrame(index=pd.Index((255 * SIGMAS).round(1), name="sigma [levels]"))
for sigma in SIGMAS:
    noisy = test + np.random.default_rng(0).normal(0, sigma, test.shape)
    ways = {"noisy": np.ones_like(variances), "short code": variances > sigma**2}
    ways |= {"trusts as at 10": trust(variances, 10 / 255), "trusts": trust(variances, sigma)}
    for name, factors in ways.items():
        psnr = -10 * np.log10(np.mean((cleaned(noisy, factors) - test) ** 2))
        table.loc[round(255 * sigma, 1), name] = psnr
print("PSNR in dB")
print(table.round(1).to_string())

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
number = np.arange(1, SIDE**2 + 1)
for sigma, colour in zip(SIGMAS[[1, 2, 3]], plotting.COLOURS[1:4], strict=True):
    label = f"{255 * sigma:.0f} levels"
    axes[0].plot(number, trust(variances, sigma)[::-1], color=colour, label=label)
    axes[0].step(number, (variances > sigma**2)[::-1], color=colour, linestyle=":", where="mid")
axes[0].set(xlabel="number of the code, largest variance first", ylabel="factor", ylim=(-0.03, 1.4))
axes[0].legend(title="noise (dotted: short code)", loc="upper center", ncols=3)
for name, colour in zip(table.columns[1:], (4, 1, 5), strict=True):
    gain = table[name] - table["noisy"]
    axes[1].plot(table.index, gain, "o-", color=plotting.COLOURS[colour], label=name)
axes[1].axhline(0, color="black", linewidth=1)
axes[1].set(xlabel="noise [levels]", ylabel="PSNR gained [dB]", xscale="log")
axes[1].set_xticks(table.index, [f"{level:g}" for level in table.index])
axes[1].set_xticks([], minor=True)
axes[1].legend()
plotting.show(figure, alt="Factors of a code for three strengths of noise; decibels gained by three decoders.")

# %% [markdown]
# Left: the factors fall smoothly where the short code (dotted) falls off a cliff, and more noise moves both to
# the left. Right: trust made for the noise at hand is best at every strength, and ahead of the short code. The
# rule made for 10 levels is best at 10 and nowhere else: with less noise it takes away detail, more than it
# removes of noise, and with more it leaves noise in. So it is with the lesson's denoiser. A network that is
# shown many strengths in training has to *measure* the noise first, in the picture itself; flat areas tell.

# %%
assert (table["trusts"] >= table[["short code", "trusts as at 10"]].max(axis=1) - 1e-9).all()
assert (table["trusts as at 10"] < table["noisy"]).tolist() == [True, True, False, False, False]
assert (table["trusts"].drop(10) > table["trusts as at 10"].drop(10) + 0.5).all()


# %% [markdown]
# ## 3. A wire made by hand
#
# Reduce the picture as LR was reduced. Where the result differs from LR, the picture is certainly wrong. This
# difference is small, in pixels of LR; enlarged, it can be added to the picture. Adding changes the picture's
# coarse parts only, so its fine detail stays. The enlargement blurs a little, hence a little is still missing
# afterwards, and one may go round again. (Irani and Peleg did this in 1991, under the name of *iterative back
# projection*: [doi:10.1016/1049-9652(91)90045-L](https://doi.org/10.1016/1049-9652%2891%2990045-L).)

# %%
def low(hr):
    return metrics.quantize(pairs.degrade(hr, 2))


def enlarged(lr, method="bicubic"):
    return pairs.resize(lr, (lr.shape[-3] * 2, lr.shape[-2] * 2), method)


def give_back(sr, lr):
    """Pictures that have what `sr` shows, and agree with `lr`."""
    return sr + enlarged(lr - pairs.degrade(sr, 2))


# %% tags=["exercise"]
exercises.check(4, 3, give_back)

# %% [markdown]
# What is it worth? The patients are the lesson's linear code with four numbers for each block of 4 × 4 px (it
# keeps a third of what LR knows; solved, so nothing has to be trained here), bicubic enlargement, and the
# network that ships.

# %%
test_tiles = photos.tiles(test_photographs, 128)
lr = low(test_tiles)


def to_blocks(images):
    n, h, w, c = images.shape
    return images.reshape(n, h // 4, 4, w // 4, 4, c).swapaxes(2, 3).reshape(-1, 16 * c)


def from_blocks(rows, shape):
    n, h, w, c = shape
    return rows.reshape(n, h // 4, w // 4, 4, 4, c).swapaxes(2, 3).reshape(shape)


def short_code(lr, k=4):
    """Lesson 04's linear code of k numbers a block, its decoder fitted to the training photographs."""
    sharp = photos.tiles(train_photographs, 128)
    soft, target = to_blocks(enlarged(low(sharp), "bilinear")), to_blocks(sharp)
    centre = soft.mean(0)
    axes = np.linalg.eigh(np.cov(soft - centre, rowvar=False))[1][:, -k:]
    decoder = np.linalg.lstsq(np.c_[(soft - centre) @ axes, np.ones(len(soft))], target, rcond=None)[0]
    code = (to_blocks(enlarged(lr, "bilinear")) - centre) @ axes
    sr = np.c_[code, np.ones(len(code))] @ decoder
    return from_blocks(sr, test_tiles.shape).astype(np.float32)


def score(sr):
    return metrics.psnr(np.clip(sr, 0, 1), test_tiles).mean()


# %%
network = Upscaler.load("autoencoder-photo-x2")
patients = {"four numbers a block": short_code(lr), "bicubic": enlarged(lr), "shipped network": network(lr)}
rows, mended = {}, {}
for name, sr in patients.items():
    mended[name] = sr
    rows[name] = {"as it was": score(sr)}
    for k in range(1, 6):
        mended[name] = give_back(mended[name], lr)
        rows[name][f"after {k}"] = score(mended[name])
print("PSNR in dB")
print(pd.DataFrame(rows).T[["as it was", "after 1", "after 2", "after 5"]].round(1).to_string())

# %% tags=["nbval-ignore-output"]
i, box = 6, (36, 40, 48, 48)
panels = {"HR": test_tiles[i], "four numbers": patients["four numbers a block"][i]}
panels |= {"given back": mended["four numbers a block"][i], "bicubic": patients["bicubic"][i]}
panels |= {"bicubic, given back": mended["bicubic"][i], "network": patients["shipped network"][i]}
figure = plotting.zoom_grid(panels, "HR", box, residual_range=0.25, size=1.8)
plotting.show(figure, alt="A motorcycle from a short code, from bicubic and from the network, with residuals.")

# %% [markdown]
# The short code lost the spokes and some of the colour. Both come back: five rounds lift it from far below
# bicubic to above it, without a single new weight. Bicubic itself gains more than a decibel and stays ahead, for
# it does not agree with LR either: reduced again, it is too soft. The network gains little, having learned most
# of this by itself through its wires. What no rule of this kind can give is what LR does not know; there the
# network stays ahead. *(Motorcycle: Scharstein et al., Middlebury stereo benchmark, 2014.)*
#
# One warning. *Agreeing with LR* is good as far as LR is good. Add noise to LR, and its noise is given back
# as faithfully as the spokes.

# %%
gained = {name: row["after 5"] - row["as it was"] for name, row in rows.items()}
assert rows["four numbers a block"]["after 5"] > rows["bicubic"]["as it was"] > rows["four numbers a block"]["as it was"]
assert gained["four numbers a block"] > 3 and gained["bicubic"] > 1 and 0 < gained["shipped network"] < 0.5
assert rows["shipped network"]["as it was"] > max(rows["bicubic"].values()) + 1

noisy = (lr + np.random.default_rng(0).normal(0, 25 / 255, lr.shape)).astype(np.float32)
calm = short_code(noisy)
print(f"LR with noise, four numbers a block: {score(calm):.1f} dB, given back {score(give_back(calm, noisy)):.1f} dB")
assert score(give_back(calm, noisy)) < score(calm) - 1

# %% [markdown]
# ## What the three have in common
#
# A decoder that is out of balance, a number that is trusted too much, a detail that was dropped though LR has
# it: none of them is a matter of training longer. Each can be foretold with a pencil, and mended where it
# arises. Back to [the lesson](../04_autoencoder.ipynb), or on to [the next solutions](05_srgan.ipynb).
