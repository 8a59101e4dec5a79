# %% [markdown]
# # 03 · What do three layers learn?
#
# Bicubic enlargement treats every picture alike: sixteen neighbours, with fixed weights. In 2014 Dong, Loy,
# He and Tang let a network of three convolutions learn the weights from examples. It was the first
# convolutional network that beat the best super-resolution methods of its day.
#
# We build it in ten lines, train it, and look inside. Then come gravitational lenses, with a surprise:
# trained on noisy pictures, it makes pictures *less noisy than those*. We shall find out where that knowledge
# comes from, and meet an object for which it is wrong.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/03_srcnn.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/03_srcnn.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/03_srcnn.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - compute a convolution by hand, and write SRCNN in Keras 3;
# - train it to beat bicubic on photographs that it has never seen;
# - move the work to the small picture with a sub-pixel convolution, and count what that saves;
# - look inside a network from a full training run;
# - run three layers on lenses: up to a noise ceiling on one track, far beyond bicubic on the other.
#
# **You will learn**
#
# - what *patch extraction*, *mapping* and *reconstruction* mean, and how far the pictures support these
#   names;
# - why a network trained on noisy targets can be closer to the truth than its targets, and when it is not;
# - what an old method with a knob can do that a network without one cannot.
#
# **You will need** lesson 02 (how scores are measured), and about 45 minutes to read. The notebook runs in
# about a minute and a half on two CPU cores, without a GPU.

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

# %% tags=["nbval-ignore-output"]
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length otherwise

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from scipy import ndimage

from srutils import lensing, metrics, pairs, photos, plotting, scoring
from srutils.lensing.baselines import richardson_lucy, wiener
from srutils.model_files.cards import model_path
from srutils.recipes import keras_files, start
from srutils.upscale import Upscaler


def low_and_high(photograph, scale=3):
    """LR and HR as the benchmark makes them: HR is luma in 8 bits, LR its antialiased bicubic reduction."""
    hr = pairs.crop_to_multiple(metrics.quantize(metrics.luma(photograph)), scale)
    return pairs.degrade(hr, scale), hr


def draw(ax, image, title, **look):
    """Draw an image (H, W, 1), without axes."""
    ax.imshow(image[..., 0], **{"cmap": "gray", "vmin": 0, "vmax": 1, **look})
    ax.set_title(title)
    ax.set_axis_off()


plotting.use_style()
cat_lr, cat = low_and_high(photos.builtin()["chelsea"][60:204, 120:312])
enlarged_cat = pairs.resize(cat_lr, cat.shape[:2])
figure, axes = plt.subplots(1, 3, figsize=(10.2, 2.8))
draw(axes[0], enlarged_cat, "input: LR, enlarged by bicubic x3")
draw(axes[1], cat, "target: HR")
draw(axes[2], cat - enlarged_cat, "what is missing: ±0.15", cmap=plotting.DIVERGING, vmin=-0.15, vmax=0.15)
plotting.show(figure, alt="A cat's eye: enlarged by bicubic, in high resolution, and the difference.")

# %% [markdown]
# ## 1. The task: an enlarged picture in, a sharp one out
#
# SRCNN does not enlarge. Bicubic does that first, and the network sees the result (left). The target is in
# the middle, and on the right what the network has to add: edges and single hairs, and nearly nothing where
# the picture is smooth. *(Chelsea: Stéfan van der Walt, CC0.)*
#
# ## 2. A convolution, in numbers
#
# Lesson 02 computed a **convolution**: a small table of weights slides over the picture, and at each place
# gives one weighted sum. There all weights were positive, and the result a blur. Here the table subtracts
# what lies on its left from what lies on its right, and the picture holds a bright bar. (In mathematics the
# table is first turned by 180°; networks leave that out.)

# %%
bar = np.array([[1, 1, 8, 8, 1, 1]] * 4 + [[1] * 6] * 2)
table = np.array([[-1, 0, 1]] * 3)
answer = np.array([[(bar[i : i + 3, j : j + 3] * table).sum() for j in range(4)] for i in range(4)])
print(answer)


# %% tags=["nbval-ignore-output"]
def squares_with_numbers(ax, values, title, mark=None):
    """Draw a small table as coloured squares, with a frame around the part that is marked."""
    n, top = len(values), np.abs(values).max()
    ax.pcolormesh(values, cmap=plotting.DIVERGING, vmin=-2 * top, vmax=2 * top, edgecolor="white")
    for (i, j), value in np.ndenumerate(values):
        ax.text(j + 0.5, i + 0.5, value, ha="center", va="center")
    if mark:
        ax.add_patch(plt.Rectangle(mark[:2], mark[2], mark[2], fill=False, linewidth=2.5))
    ax.text(n / 2, -0.25, title, ha="center", va="bottom")
    ax.set(aspect="equal", xlim=(0, n), ylim=(n / 2 + 3.1, n / 2 - 3.9))
    ax.set_axis_off()


figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.2), width_ratios=(6, 3, 4, 4))
squares_with_numbers(axes[0], bar, "picture", (1, 0, 3))
squares_with_numbers(axes[1], table, "weights")
squares_with_numbers(axes[2], answer, "convolution", (1, 0, 1))
squares_with_numbers(axes[3], np.maximum(answer, 0), "after the ReLU", (1, 0, 1))
plotting.show(
    figure, alt="A picture of numbers, a table of weights, their convolution, and its ReLU.", svg=True
)

# %% [markdown]
# The nine framed pixels give the framed number: $3 \times (8 - 1) = 21$. The result is positive at the bar's
# left edge, negative at its right edge, and smaller where the bar ends. This table *looks for edges*. A
# **ReLU** then replaces what is negative by zero, so the right edge is left to another table.
#
# A table of weights is called a *filter* or a *kernel*, its result a *map*. Nobody chooses the weights of a
# network: training does.
#
# ## 3. Three layers
#
# Dong et al. read their network as three steps.
#
# 1. **Patch extraction.** 64 filters of 9 × 9 pixels turn the neighbourhood of every pixel into 64 numbers:
#    how much of this edge, of that texture, is here?
# 2. **Mapping.** 32 filters of 5 × 5, each over all 64 maps, turn the description of a blurred patch into
#    that of a sharp one.
# 3. **Reconstruction.** One filter of 5 × 5 over the 32 maps adds overlapping patches up to a picture.
#
# A ReLU follows each of the first two. Without these ReLUs, three layers would be one linear filter.

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(9.6, 2.7))
stages = {0: (1, "#c8c8c8", "enlarged\npicture"), 3.4: (6, "#9cc3dc", "64 maps")}
stages |= {6.8: (4, "#c3e1f4", "32 maps"), 9.7: (1, "#a9dcc9", "1 map"), 12.7: (1, "white", "sharp\npicture")}
for x, (sheets, colour, name) in stages.items():
    for k in reversed(range(sheets)):
        corner = (x + 0.09 * k, 0.09 * k)
        ax.add_patch(plt.Rectangle(corner, 1.1, 1.1, facecolor=colour, edgecolor="black"))
    ax.text(x + 0.55, -0.12, name, ha="center", va="top")
arrow = {"arrowstyle": "-|>", "color": "black"}
for x, text in {1.25: "9 × 9, ReLU\n5,184 weights", 5.15: "5 × 5, ReLU\n51,200", 8.3: "5 × 5\n800"}.items():
    ax.annotate("", (x + 1.25 + (x < 2) * 0.7, 0.5), (x, 0.5), arrowprops=arrow)
    ax.text(x + 0.6 + (x < 2) * 0.35, 0.6, text, ha="center", va="bottom", fontsize=9)
ax.text(11.6, 0.53, "+", ha="center", va="center", bbox={"boxstyle": "circle", "facecolor": "white"})
ax.annotate("", (11.35, 0.5), (10.9, 0.5), arrowprops=arrow)
ax.annotate("", (12.6, 0.5), (11.9, 0.5), arrowprops=arrow)
ax.plot([0.55, 0.55, 11.6], [1.15, 2.0, 2.0], color="black", linewidth=1)
ax.annotate("", (11.6, 0.8), (11.6, 2.02), arrowprops=arrow)
ax.text(6, 2.05, "the input itself: the layers only add what is missing", ha="center", va="bottom")
ax.set(xlim=(-0.2, 14), ylim=(-0.8, 2.4), aspect="equal")
ax.set_axis_off()
plotting.show(
    figure, alt="Three convolutions in a row, and a wire that adds the input to their result.", svg=True
)


# %% [markdown]
# The numbers on the arrows count weights: a filter that covers $k \times k$ pixels of $c$ maps has $k^2 c$ of
# them, and one offset.
#
# This is the shape of Dong et al.'s network, not a copy. They began with 9-1-5 (2014); 9-5-5 came with the
# longer article (2016). They started every layer with random weights of standard deviation 0.001 and used
# gradient descent with momentum.
#
# Three things of ours came later: the long wire (a *residual connection*; Kim et al. 2016), He et al.'s
# larger starting weights in the first two layers (2015), and the optimiser Adam (2015). Only the last layer
# starts at 0.001, so the untrained network adds next to nothing to bicubic.

# %% tags=["saved-srcnn"]
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


# %% [markdown]
# `None` for height and width: any size will do. (`float32` keeps the sum exact when a longer training uses
# 16-bit numbers.)
#
# ## 4. Beating bicubic
#
# Of scikit-image's photographs, seven are for training, two for validation and two for the test; these parts
# share no photograph. We cut those for training into squares of 48 × 48 pixels and keep the half with most
# contrast, since flat sky teaches little.

# %%
def squares(image, side):
    """Cut an image (H, W, 1) into squares (N, side, side, 1) that do not overlap."""
    rows, columns = (n // side for n in image.shape[:2])
    cut = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 1)
    return cut.swapaxes(1, 2).reshape(-1, side, side, 1)


def examples(photographs, side):
    """Squares of LR (N, side / 3, side / 3, 1), of its enlargement and of HR (N, side, side, 1)."""
    parts = []
    for lr, hr in map(low_and_high, photographs.values()):
        enlarged = pairs.resize(lr, hr.shape[:2])
        parts.append((squares(lr, side // 3), squares(enlarged, side), squares(hr, side)))
    return [np.concatenate(images) for images in zip(*parts, strict=True)]


# %%
train_photographs, val_photographs, test_photographs = photos.photo_split()
everything = examples(train_photographs, 48)
contrast = everything[2].std((1, 2, 3))
lr, enlarged, hr = (images[contrast >= np.median(contrast)] for images in everything)
val_lr, val_enlarged, val_hr = examples(val_photographs, 144)
print(f"to learn from {enlarged.shape}, to watch {val_enlarged.shape}")


# %% [markdown]
# The loss is the mean squared error, which is PSNR in other words: we train for what we score. The learning
# rate climbs at first, while Adam's averages settle, then falls along a cosine.

# %%
def train(network, x, y, val, epochs=4, batch=8, rate=2e-3):
    """Train a network; return the PSNR on validation images after each epoch, in dB."""
    steps = epochs * -(-len(x) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 10, steps - steps // 8, alpha=0.01, warmup_target=rate, warmup_steps=steps // 8
    )
    network.compile(keras.optimizers.Adam(schedule), "mse", jit_compile=False)
    record = network.fit(x, y, batch, epochs, verbose=0, validation_data=val, validation_batch_size=4)
    return -10 * np.log10(record.history["val_loss"])


# %%
keras.utils.set_random_seed(0)
network = three_layers()
curve = train(network, enlarged, hr, (val_enlarged, val_hr))
print(f"{network.count_params():,} numbers trained")

# %% tags=["nbval-ignore-output"]
bicubic_val = -10 * np.log10(np.mean((val_enlarged - val_hr) ** 2))
figure, ax = plt.subplots(figsize=(6, 3))
ax.plot(range(1, len(curve) + 1), curve, "o-", color=plotting.COLOURS[5], label="three layers")
ax.axhline(bicubic_val, color="black", linestyle="--", linewidth=1, label="bicubic")
ax.set(
    xlabel="epoch (once through all training squares)", ylabel="PSNR on validation [dB]", xticks=range(1, 5)
)
ax.legend()
plotting.show(figure, alt="Validation PSNR after each epoch, above the line of bicubic.", svg=True)


# %% [markdown]
# The dashed line is bicubic on the same validation squares. Without it the curve would say nothing: whether
# 24 dB is good depends on the picture.
#
# Now the test: two photographs not touched so far, enlarged in four ways.
#
# - bicubic;
# - the *best linear filter*, by least squares on the same training squares: each of the 3 × 3 pixels that
#   replace an LR pixel has a filter of its own, over 7 × 7 LR pixels;
# - our network;
# - the shipped one: the same three layers, trained longer and on many more photographs, with a fixed last
#   step (section 7).

# %%
def best_linear(x, y, new, size):
    """Fit linear filters from x (N, h, w, 1) to y (N, s h, s w, 1) by least squares; apply them to new."""
    s, edge = y.shape[1] // x.shape[1], size // 2
    step = 7 // s  # neighbouring places tell nearly the same, so some are enough
    windows = np.lib.stride_tricks.sliding_window_view(x[..., 0], (size, size), (1, 2))
    a = windows[:, ::step, ::step].reshape(-1, size**2).astype(float)
    out = np.empty((len(new), new.shape[1] * s, new.shape[2] * s, 1), np.float32)
    for i, j in np.ndindex(s, s):  # one filter for each place in a block
        b = y[:, i::s, j::s, 0][:, edge:-edge:step, edge:-edge:step].ravel()
        kernel = np.linalg.solve(a.T @ a, a.T @ b).reshape(1, size, size, 1)
        out[:, i::s, j::s] = ndimage.correlate(new, kernel, mode="nearest")
    return out


# %%
def our_network(lr):
    """Enlarge (h, w, 1) threefold: bicubic, then the network."""
    seen = pairs.resize(lr, (3 * lr.shape[0], 3 * lr.shape[1]))
    return keras.ops.convert_to_numpy(network(seen[None]))[0]


shipped = Upscaler.load("srcnn-photo-x3")
ways = {
    "bicubic": Upscaler.load("bicubic", 3),
    "best linear filter": lambda picture: best_linear(lr, hr, picture[None], 7)[0],
    "ours, four epochs": our_network,
    "shipped": shipped,
}
seen, truths = zip(*map(low_and_high, test_photographs.values()), strict=True)
results = {name: [way(picture) for picture in seen] for name, way in ways.items()}
scores = {
    name: np.mean(
        [metrics.photo_scores(sr, true, 3)["psnr"] for sr, true in zip(images, truths, strict=True)]
    )
    for name, images in results.items()
}
gains = {name: score - scores["bicubic"] for name, score in scores.items()}


# %%
def compare(images, box, span, **look):
    """Draw a part of each image, below it its difference from the last image, and last the whole of that."""
    *others, last = images
    top, left, height, width = box
    part, size = np.s_[top : top + height, left : left + width], 10.2 / len(images)
    figure, axes = plt.subplots(2, len(images), figsize=(10.2, 2 * size * height / width + 0.5))
    for ax, (name, image) in zip(axes[0], images.items(), strict=True):
        draw(ax, image[part], name, **look)
    for ax, name in zip(axes[1], others, strict=False):
        difference = (images[name] - images[last])[part]
        draw(ax, difference, f"error, ±{span}", cmap=plotting.DIVERGING, vmin=-span, vmax=span)
    draw(axes[1, -1], images[last], f"{last}, whole", **look)
    frame = plt.Rectangle((left, top), width, height, fill=False, edgecolor=plotting.COLOURS[1])
    axes[1, -1].add_patch(frame)
    return figure


# %% tags=["nbval-ignore-output"]
for name, score in scores.items():
    print(f"{name:18} {score:.2f} dB, {gains[name]:+.2f} dB against bicubic, mean of {len(truths)} photographs")
bike = {name: images[0] for name, images in results.items() if name != "best linear filter"}
figure = compare({**bike, "HR": truths[0]}, (106, 470, 100, 110), 0.3)
plotting.show(
    figure, alt="A motorcycle's headlight by bicubic, our network, the shipped one, in HR; errors below."
)

# %% [markdown]
# Outlines become sharper from left to right, and the errors below paler. Neither network brings back what is
# finer than LR can hold. *(Motorcycle: Middlebury 2014 stereo benchmark, Scharstein et al.)*
#
# The second printed line is a warning. Bicubic *is* a linear filter. Least squares finds a better one at
# once, and our network after four epochs is not even level with that. Against bicubic alone, we should have
# praised the ReLUs for what a linear filter can do.
#
# The shipped network is better, with 27.14 dB against 26.47. This table cannot say how much of that lead is
# due to the ReLUs, to the longer training, to more photographs or to the last step.
#
# ### What does one pixel see?
#
# The first layer looks at 9 × 9 pixels. Each pixel of the second looks at 5 × 5 places of the first, so at 13
# × 13 pixels of the picture. The third makes that 17 × 17. We check it by touching one pixel.

# %%
blank = np.full((1, 41, 41, 1), 0.5, np.float32)
touched = blank.copy()
touched[0, 20, 20] = 1
changed = np.argwhere(keras.ops.convert_to_numpy(network(touched) != network(blank))[0, ..., 0])
print(f"one pixel changes {' x '.join(str(n) for n in np.ptp(changed, 0) + 1)} pixels of the result")

# %% tags=["nbval-ignore-output"]
y, x = 64, 86
figure, axes = plt.subplots(1, 2, figsize=(9, 3.9), width_ratios=(192, 144))
draw(axes[0], enlarged_cat, "17 x 17 pixels on the cat's eye")
draw(axes[1], enlarged_cat, "the same, nearer")
axes[1].set(xlim=(x - 18.5, x + 18.5), ylim=(y + 18.5, y - 18.5))
for side, colour in {9: 1, 13: 2, 17: 4}.items():
    for ax in axes[side < 17 :]:
        corner = (x - side / 2, y - side / 2)
        ax.add_patch(
            plt.Rectangle(corner, side, side, fill=False, linewidth=2, edgecolor=plotting.COLOURS[colour])
        )
    axes[1].text(x, y - side / 2 + 1, f"{side} x {side}", color="white", ha="center", va="center", fontsize=8)
plotting.show(figure, alt="Squares of 9, 13 and 17 pixels on a photograph of a cat's eye.")

# %% [markdown]
# The largest square, 17 enlarged pixels, is nearly as wide as six LR pixels. Bicubic makes each from four LR
# pixels along each axis, so at most 9 × 9 LR pixels have a say in the pixel in the middle. These layers
# cannot know what a cat is.
#
# ## 5. Do the work on the small picture
#
# At x3 eight of nine enlarged pixels are only interpolated: they carry nothing new. Shi et al. (2016)
# therefore run every convolution **on LR**. The last one makes $s^2$ maps, one for each place in a block of
# $s \times s$. A rearrangement, the **pixel shuffle**, weaves them into the large picture and computes
# nothing.

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 5, figsize=(9.6, 2.5), width_ratios=(3, 3, 3, 3, 6))
woven = np.empty((6, 6), int)
for k in range(4):
    woven[k // 2 :: 2, k % 2 :: 2] = k
for ax, which in zip(axes, [*(np.full((3, 3), k) for k in range(4)), woven], strict=True):
    n = len(which)
    for i, j in np.ndindex(n, n):
        colour = plotting.COLOURS[1 + which[i, j]] + "88"
        ax.add_patch(plt.Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="white"))
        place = (i, j) if n == 3 else (i // 2, j // 2)
        ax.text(j + 0.5, i + 0.5, "abcdefghi"[3 * place[0] + place[1]], ha="center", va="center")
    ax.text(n / 2, -0.2, f"map {which[0, 0]}" if n == 3 else "woven, x2", ha="center", va="bottom")
    ax.set(xlim=(0, n), ylim=(n / 2 + 3.1, n / 2 - 3.9), aspect="equal")
    ax.set_axis_off()
plotting.show(figure, alt="Four maps of 3 x 3 pixels, each in a colour, woven into one of 6 x 6.", svg=True)


# %% [markdown]
# Each colour is one map, each letter one LR pixel. In the woven picture every LR pixel is a block of four,
# one from each map.
#
# Shi et al.'s network, ESPCN, has tanh where ours has ReLUs, and it does not add LR to the maps. The option
# `linear` is for section 8.

# %% tags=["saved-srcnn"]
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


# %% [markdown]
# What does it save? At every position a convolution multiplies and adds once for each of its weights. We
# count per pixel of the large picture; one LR pixel stands for nine of these.

# %%
def multiply_adds(network):
    """Multiply-adds at one position of the grid on which the network's convolutions work."""
    return sum(int(np.prod(layer.kernel.shape)) for layer in network.layers if hasattr(layer, "kernel"))


keras.utils.set_random_seed(0)
on_lr = three_layers_on_lr(3)
per_pixel = {"9-5-5 on the enlarged picture": multiply_adds(network)}
per_pixel["the same 9-5-5, on LR"] = multiply_adds(network) / 9
per_pixel["5-3-3 on LR"] = multiply_adds(on_lr) / 9
for name, count in per_pixel.items():
    print(f"{name:30} {count:7,.0f} multiply-adds, {multiply_adds(network) / count:4.1f} times fewer")

# %% tags=["nbval-ignore-output"]
curve_on_lr = train(on_lr, lr, hr, (val_lr, val_hr), epochs=8)
for name, value in {
    "bicubic": bicubic_val,
    "on the enlarged picture": curve[-1],
    "on LR": curve_on_lr[-1],
}.items():
    print(f"{name:24} {value:.2f} dB on validation")

# %% [markdown]
# The same squares, twice the steps, about a tenth of the arithmetic in all, and it beats bicubic as well,
# though it had to learn to interpolate first. Nearly every later network works on LR.
#
# ## 6. What did it learn?
#
# Our network is a beginner, so we look at the **shipped** one. We put the weights of its ONNX file back into
# the three layers.

# %%
path = model_path("srcnn-photo-x3")
rebuilt = three_layers()
keras_files.give_weights(rebuilt, keras_files.weights_of(path), path.stem)
first, second, third = rebuilt.layers[1:4]
eye = enlarged_cat[None, :96, :128]
maps = first(eye)
whole = keras.ops.convert_to_numpy(eye + third(second(maps)))

# %% [markdown]
# Which of the 64 filters matter? We set one filter's map at a time to zero, and see how many decibels that
# costs on the cat's eye.

# %% tags=["nbval-ignore-output"]
inner = np.s_[:, 8:-8, 8:-8]  # without the rim, where the layers see zeros
target = cat[None, :96, :128][inner]
loss = np.empty(64)
for i in range(64):
    others = np.ones(64, np.float32)
    others[i] = 0
    without = keras.ops.convert_to_numpy(eye + third(second(maps * others)))
    loss[i] = metrics.psnr(whole[inner], target)[0] - metrics.psnr(without[inner], target)[0]
order = np.argsort(-loss)
for limit in (1, 0.1, 0.01):
    print(f"{(loss > limit).sum():2} of 64 filters cost more than {limit} dB")

# %% tags=["nbval-ignore-output"]
kernels, untrained = (keras.ops.convert_to_numpy(n.layers[1].kernel) for n in (rebuilt, three_layers()))
figure, axes = plt.subplots(2, 8, figsize=(10.2, 3))
for (above, below), i in zip(axes.T, order, strict=False):
    for ax, of, title in ((above, kernels, f"-{loss[i]:.2f} dB"), (below, untrained, "untrained")):
        image, top = of[..., i], np.abs(of[..., i]).max()
        draw(ax, image, title, cmap=plotting.DIVERGING, vmin=-top, vmax=top)
plotting.show(figure, alt="Filters of layer 1: the eight that are missed most, and eight that nobody trained.")

# %% [markdown]
# Above are the eight filters that are missed most, each on its own colour scale, with the loss in its title.
# Below are eight of an *untrained* network.
#
# All look like noise, and much of it above is probably left from the random start. The input is blurred, so
# the fine grain of the weights hardly matters, and training has no cause to change it. The next figure shows
# what the filters *answer to*.
#
# On this picture no single filter is much missed, and most hardly at all.

# %% tags=["nbval-ignore-output"]
of_first, of_second = (keras.ops.convert_to_numpy(m)[0] for m in (maps, second(maps)))
figure, axes = plt.subplots(2, 5, figsize=(10.2, 3.4))
draw(axes[0, 0], eye[0], "input")
added = (whole - eye)[0]
draw(axes[1, 0], added, "what layer 3 adds", cmap=plotting.DIVERGING, vmin=-0.15, vmax=0.15)
busiest = np.argsort(-of_second[8:-8, 8:-8].std((0, 1)))
for row, name, of_layer, which in ((0, "layer 1", of_first, order), (1, "layer 2", of_second, busiest)):
    for ax, i in zip(axes[row, 1:], which, strict=False):
        image = of_layer[..., i : i + 1]
        draw(ax, image, f"{name}, map {i}", cmap="viridis", vmax=np.percentile(image[8:-8, 8:-8], 99.5))
plotting.show(figure, alt="The input, four maps of layer 1, four of layer 2, and what layer 3 adds.")
for name, of_layer in (("layer 1", of_first), ("layer 2", of_second)):
    print(f"{name}: {(of_layer > 0).mean():.0%} of all values are above zero")


# %% [markdown]
# Above are the maps of the first four of these filters; dark is zero, on each map's own scale. Three answer
# to contours that run in some directions only, the fourth to most of the picture (its bright frame is the
# rim, where the layer sees zeros). Below, four maps of layer 2: brightest along contours and mostly dark
# elsewhere, except map 30.
#
# On average over this picture the ReLUs switch off nearly four values in five, then more than nine in ten. So the
# eye's rim is rebuilt by other weights than fur, which no linear filter can do.
#
# Are Dong's three names right, then? The first is: these *are* descriptions of patches. "Mapping" and
# "reconstruction" are one way to read the other two.
#
# ## 7. What ships
#
# ### Nothing of LR may get lost
#
# Made small again, SR should be LR. A network gets this only nearly right. But we know how LR was made, so a
# fixed step can follow the last layer. Reduce SR as HR was reduced, subtract the result from LR, enlarge the
# difference by bicubic, and add it to SR. Irani and Peleg called it *back-projection* (1991). We take three
# rounds.
#
# All of it is convolution, and nothing is learned. Reducing uses the bicubic filter with a stride: only every
# third position counts. Enlarging is the same filter *transposed*: each LR pixel spreads out as it was
# gathered. The code takes the difference after enlarging, so it needs no LR.
#
# One warning: this trusts LR, so it gives noise back as well; lesson 04's third exercise tries it.

# %% tags=["saved-srcnn"]
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


# %% tags=["nbval-ignore-output"]
finished = back_projected(rebuilt, 3)
inner = np.s_[:, 48:-48, 48:-48]  # without the rim, where layers see zeros
before, after = (keras.ops.convert_to_numpy(n(enlarged_cat[None])) for n in (rebuilt, finished))
for name, sr in (("network alone", before), ("with three rounds", after)):
    misses = np.abs(pairs.degrade(sr[0], 3) - cat_lr)[16:-16, 16:-16].mean()
    gain = metrics.psnr(sr[inner], cat[None][inner])[0]
    print(f"{name:18} PSNR {gain:.2f} dB; made small again, it misses LR by {255 * misses:.2f} levels")

# %% [markdown]
# ### The scores
#
# What ships was trained for longer. The files for photographs include the three rounds of back-projection.
# Each file has a *card*: what it was trained on, what it scored. The published SRCNN learned from nearly
# 400,000 ImageNet pictures. (The cards take luma unrounded from 8-bit RGB, which shifts scores by hundredths
# of a dB: lesson 02.)

# %% tags=["readme-table", "table-srcnn"]
PUBLISHED = {2: "36.66 / 0.9542", 3: "32.75 / 0.9090", 4: "30.48 / 0.8628"}  # Set5, 9-5-5, Dong et al. 2016
names = [f"srcnn-photo-x{s}" for s in (2, 3, 4)] + ["superrescnn-deeplense-x2", "superrescnn-telescope-x2"]
cards = {name: Upscaler.load(name).card for name in names}
rows = ["| model | test set (images) | bicubic, PSNR [dB] / SSIM | ours | published SRCNN | training steps |"]
rows += ["|---|---|---|---|---|---|"]
for name, card in cards.items():
    length = f"{start.total_steps(card):,} in {start.total_seconds(card) / 60:.0f} min"
    for test_set, s in card["metrics"].items():
        if test_set == "validation":  # training watched it
            continue
        test_set = {"test": "held-out photographs"}.get(test_set, test_set)
        ours, bicubic = (f"{r['psnr']:.2f} / {r['ssim']:.4f}" for r in (s, s["bicubic"]))
        paper = PUBLISHED[card["scale"]] if test_set == "Set5" else "–"
        rows.append(f"| `{name}` | {test_set} ({s['n']}) | {bicubic} | **{ours}** | {paper} | {length} |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# The last column is the whole training, for x2 and x4 with the x3 run that they started from; x3 has gone on
# since. In PSNR on Set5, ours reach the published network at all three scales.
#
# How much a network adds depends on the pictures: at x3 it is 2.4 dB on Set5, but 1.7 dB on the eleven
# others. The lens tracks differ even more (section 8).

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 2 to 7.
conv = keras.ops.conv(bar[None, ..., None].astype("float32"), table[..., None, None].astype("float32"))
assert np.array_equal(keras.ops.convert_to_numpy(conv)[0, ..., 0], answer), "Keras computes what we did"
assert network.count_params() == 5184 + 51200 + 800 + 64 + 32 + 1
assert tuple(np.ptp(changed, 0) + 1) == (17, 17)
assert curve[-1] > bicubic_val + 0.15 and curve_on_lr[-1] > bicubic_val + 0.1
assert 0.1 < gains["ours, four epochs"] < gains["best linear filter"] < gains["shipped"] - 0.2
assert loss.max() < 1 and (loss > 0.01).sum() >= 8 and (of_second > 0).mean() < 0.3
assert np.abs(shipped(cat_lr)[inner[1:]] - after[0][inner[1:]]).max() < 1e-4, "the same network"
assert metrics.psnr(after[inner], cat[None][inner]) > metrics.psnr(before[inner], cat[None][inner])
numbered = np.arange(9, dtype=np.float32).reshape(1, 1, 1, 9)
shuffled = keras.ops.convert_to_numpy(PixelShuffle(3)(numbered))[0, ..., 0]
assert np.array_equal(shuffled, numbered.reshape(3, 3)) and len(enlarged) > 300
on_photographs = scoring.evaluate_photos(shipped, photos.builtin().items())
assert abs(on_photographs["psnr"] - shipped.card["metrics"]["test"]["psnr"]) < 0.005
for scale, of_paper in PUBLISHED.items():
    if on_set5 := cards[f"srcnn-photo-x{scale}"]["metrics"].get("Set5"):
        assert on_set5["psnr"] > max(on_set5["bicubic"]["psnr"] + 1.8, float(of_paper.split()[0]) - 0.1)

# %% [markdown]
# ## 8. Three layers on lenses
#
# The lens tracks of lesson 01 differ. On `deeplense`, LR is a resized copy of the *noisy* HR image. On
# `telescope`, HR and LR are two exposures through two telescopes, each with photon noise of its own. On both,
# the target is the noisy HR image: no survey has anything better.
#
# ### deeplense: as close to the noise as LR allows
#
# Here LR knows part of HR's noise, so "high resolution" means to *reproduce* noise. A simulation knows the
# noise-free truth, and so the **ceiling**: an oracle that adds to the truth exactly what LR tells of HR's
# noise. No network can pass it, on average. Ours is 9-5-5 on LR, with one linear 9 × 9 filter beside it,
# since interpolating noise is mostly a linear task.

# %%
to_fit, lenses = (lensing.lens_set("deeplense", n, split=part) for n, part in ((240, "train"), (60, "test")))
pictures = {
    "bicubic (a = -0.75)": Upscaler.load("bicubic-torch", 2)(lenses.lr),
    "noise-free truth": lenses.truth,
    "bicubic (a = -0.5)": Upscaler.load("bicubic", 2)(lenses.lr),
    "best linear filter": best_linear(to_fit.lr, to_fit.hr, lenses.lr, 9),
    "three layers + linear, shipped": Upscaler.load("superrescnn-deeplense-x2")(lenses.lr),
    "oracle: the ceiling": lensing.oracle(lenses),
}
against_noisy = {name: metrics.psnr(image, lenses.hr).mean() for name, image in pictures.items()}
on_deeplense = {name: value - against_noisy["bicubic (a = -0.75)"] for name, value in against_noisy.items()}

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(7.6, 2.6))
for row, (name, gain) in enumerate(reversed(list(on_deeplense.items())[1:])):
    ax.barh(name, gain, color=plotting.COLOURS[0 if "ceiling" in name else 5 if gain > 0 else 4])
    ax.text(max(gain, 0) + 0.015, row, f"{gain:+.2f} dB", va="center", fontsize=9)
ax.axvline(0, color="black", linewidth=1)
ax.set(xlabel="gain over the test's own bicubic, against noisy HR, 60 lenses [dB]", xlim=(-0.55, 0.95))
ax.grid(axis="y", visible=False)
plotting.show(figure, alt="Bars: five pictures' gain over bicubic on deeplense, up to the ceiling.", svg=True)

# %% [markdown]
# The best linear filter alone gains 0.60 dB. The network ends a few hundredths below the ceiling; a larger
# one could only close that gap. The noise-free truth scores *worse* than bicubic, because this test asks for
# noise.
#
# ### telescope: beyond its own targets
#
# On `telescope` we measure against the noise-free truth. The network is section 3's, its rival
# Richardson–Lucy, the best classical method of lesson 02, which knows both telescopes.

# %%
lenses = lensing.lens_set("telescope", 60, split="test")
on_telescope = {
    "bicubic": Upscaler.load("bicubic", 2)(lenses.lr),
    "HR, the better telescope's own noisy picture": lenses.hr,
    "Wiener, tuned": wiener(lenses.lr, 2),
    "Richardson-Lucy, tuned (the best classical)": richardson_lucy(lenses.lr, 2),
    "three layers, shipped": Upscaler.load("superrescnn-telescope-x2")(lenses.lr),
}
s = {name: metrics.lens_scores(image, lenses.truth) for name, image in on_telescope.items()}

# %% tags=["readme-table", "table-srcnn-telescope"]
db = {name.split(",")[0]: scores["psnr"].mean() for name, scores in s.items()}
rows = [
    "| `telescope` x2, 60 test lenses, against the truth | MSE | PSNR [dB] | SSIM | network's lead [dB] |"
]
rows += ["|---|---|---|---|---|"]
for name, scores in s.items():
    lead = f"{db['three layers'] - scores['psnr'].mean():+.1f}" if "three" not in name else "–"
    spread = f"{scores['psnr'].mean():.2f} ± {scores['psnr'].std():.2f}"
    rows.append(f"| {name} | {scores['mse'].mean():.2e} | {spread} | {scores['ssim'].mean():.4f} | {lead} |")
display(Markdown("\n".join(rows)))

# %% tags=["nbval-ignore-output"]
one = {name.split(",")[0]: images[4] for name, images in on_telescope.items() if "Wiener" not in name}
figure = compare({**one, "truth": lenses.truth[4]}, (24, 30, 36, 36), 0.1, cmap="inferno")
plotting.show(figure, alt="One lens: bicubic, HR, Richardson-Lucy, the network and the truth, with errors.")

# %% [markdown]
# In the bottom row red is too bright, blue too dark. Bicubic has left the blur in. HR's error is grain,
# strongest where there is light, as photon noise is. Richardson–Lucy has removed most of the blur, but not
# where the arc is brightest and narrowest. The network's error is the palest.
#
# The network is **closer to the truth than the better telescope's own picture**, though such pictures were
# its only targets, and though it looks through the worse telescope. (Section 7's 51.94 dB is a mean over
# 1,000 lenses, the 52.51 dB here over lesson 02's 60.)
#
# ### Where does that knowledge come from?
#
# *From noise that averages out.* Minimising the mean squared error makes a network return, for every input,
# the *average* of all targets that go with it: $E[\text{HR} \mid \text{LR}]$. HR is truth plus noise. The
# noise is zero on average and knows nothing of LR, so this is $E[\text{truth} \mid \text{LR}]$. No single
# target shows the truth; thousands of noisy ones together define it. Lehtinen et al. (2018) made a method of
# this, *Noise2Noise*. On `deeplense` the result is another: there LR does know HR's noise.
#
# *From the prior.* An average over the training set is a good answer only for a sky like the training set.
# This one is smooth: galaxies with Sérsic profiles, sheared into arcs. The network has learned that speckle
# is noise and that ridges are long. That is knowledge about *these lenses*.
#
# ## 9. When is it wrong? A quasar
#
# Quasars are lensed, too. A quasar is a point, so its four images are as sharp as the telescope's PSF allows,
# and no training image held anything like it. We observe four points four times through the same two
# telescopes.

# %%
sky = np.zeros((256, 256))  # two grid points an HR pixel
for across, down, flux in ((46, 10, 1.0), (-38, 26, 0.8), (8, -44, 0.6), (-16, -30, 0.35)):
    sky[128 + down, 128 + across] = flux


def through(scale):
    """What a telescope makes of the sky, without noise: (n, n)."""
    sigma = lensing.PSF_FWHM[scale] / (lensing.PIXEL / 2) / np.sqrt(8 * np.log(2))
    n = 128 // scale
    blurred = ndimage.gaussian_filter(sky, sigma, mode="constant")
    return blurred.reshape(n, 2 * scale, n, 2 * scale).mean((1, 3))


def observed(scale, peak, rng):
    """Four exposures (4, n, n, 1): photons are counted, sky subtracted, HR's peak is 1."""
    photons = (through(scale) / peak * lensing.PEAK + lensing.SKY) * scale**2
    counts = rng.poisson(photons, (4, *photons.shape))
    return ((counts / scale**2 - lensing.SKY) / lensing.PEAK)[..., None].astype(np.float32)


rng, peak = np.random.default_rng(0), through(1).max()
quasar_lr, quasar_hr = observed(2, peak, rng), observed(1, peak, rng)
quasar = np.repeat((through(1) / peak)[None, ..., None].astype(np.float32), 4, 0)

# %% [markdown]
# Richardson–Lucy has two knobs: the number of iterations, and a smoothing, which forbids structure finer than
# so many pixels. For the table above both were tuned on lenses: 20 iterations, 2 pixels. The network has no
# knob. We turn the two on the quasar and on four of the lenses.

# %% tags=["nbval-ignore-output"]
TURNS, SMOOTHINGS = (2, 5, 10, 20, 40, 80), (0, 1, 2)
network_on_lenses = Upscaler.load("superrescnn-telescope-x2")
scenes = {"a quasar: four points": (quasar_lr, quasar_hr, quasar)}
scenes["four lenses: smooth arcs"] = (lenses.lr[:4], lenses.hr[:4], lenses.truth[:4])
turned, level = {}, {}
for scene, (low, high, true) in scenes.items():
    level[scene] = {"the network": metrics.psnr(network_on_lenses(low), true).mean()}
    level[scene]["HR itself"] = metrics.psnr(high, true).mean()
    for smoothing in SMOOTHINGS:
        runs = [richardson_lucy(low, 2, iterations=n, smoothing=smoothing) for n in TURNS]
        turned[scene, smoothing] = np.array([metrics.psnr(run, true).mean() for run in runs])

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.6), sharey=True)
for ax, scene in zip(axes, scenes, strict=True):
    for smoothing, colour in zip(SMOOTHINGS, (4, 1, 3), strict=True):
        ax.plot(
            TURNS,
            turned[scene, smoothing],
            "o-",
            color=plotting.COLOURS[colour],
            label=f"smoothed over {smoothing} px" if smoothing else "no smoothing",
        )
    for (name, value), style in zip(level[scene].items(), ("-", "--"), strict=True):
        ax.axhline(value, color=plotting.COLOURS[5] if style == "-" else "black", linestyle=style)
        ax.text(2, value + 0.15, name, fontsize=9, va="bottom")
    ax.set(title=scene, xlabel="iterations of Richardson-Lucy", xscale="log")
    ax.set_xticks(TURNS, map(str, TURNS))
    ax.minorticks_off()
axes[0].set_ylabel("PSNR against the truth [dB]")
axes[1].legend(title="Richardson-Lucy", loc="upper right", bbox_to_anchor=(1, 0.93))
plotting.show(
    figure,
    alt="PSNR of Richardson-Lucy against iterations, beside the network, on points and arcs.",
    svg=True,
)

# %% [markdown]
# **Right**, arcs: the network is far above everything that these knobs reach, and some smoothing helps
# Richardson–Lucy.
#
# **Left**, points: without smoothing, Richardson–Lucy passes the network within ten iterations. It climbs on,
# past the better telescope's own picture, before it begins to fit the noise. (One sky, four exposures; where
# to stop we read from the truth, which exercise 3 of lesson 02 does without.)
#
# Tuned for lenses (green, 20 iterations), it is no better than the network: it then holds the same wrong
# belief, that the sky is smooth. But in Richardson–Lucy that belief is a number which you can set to zero; in
# the network it is spread over 57,281 weights.

# %% tags=["nbval-ignore-output"]
kinds = {"bicubic": Upscaler.load("bicubic", 2)(quasar_lr), "network": network_on_lenses(quasar_lr)}
kinds |= {"RL, for lenses": richardson_lucy(quasar_lr, 2)}
kinds |= {"RL, 20 rounds, 0 px": richardson_lucy(quasar_lr, 2, iterations=20, smoothing=0)}
kinds |= {"HR": quasar_hr, "truth": quasar}
figure = compare({k: v[0] for k, v in kinds.items()}, (60, 78, 18, 18), 0.3, cmap="inferno", vmax=0.8)
plotting.show(figure, alt="Four points: bicubic, network, Richardson-Lucy twice, HR and truth, with errors.")
for name, images in kinds.items():
    print(f"{name:19} brightest pixel {images.max((1, 2, 3)).mean():.2f} of the true 1.00")

# %% [markdown]
# One of the four points, nearer. The network spreads it out and leaves its centre at about half the
# brightness: a blue spot with a red rim in the bottom row. Nothing in its output warns the reader. So before
# you compare a network with an older method on a new kind of object, turn the older method's knobs.

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 8 and 9.
ceiling, reached = on_deeplense["oracle: the ceiling"], on_deeplense["three layers + linear, shipped"]
assert ceiling - 0.1 < reached < ceiling, "it comes within 0.1 dB of the ceiling, and cannot pass"
assert on_deeplense["noise-free truth"] < 0 < on_deeplense["best linear filter"] < reached
assert (
    db["three layers"] > 46.3 and db["three layers"] > max(v for k, v in db.items() if "three" not in k) + 3
)
points, arcs = scenes
assert (turned[points, 0][2:] > level[points]["the network"]).all()
assert (
    turned[points, 0][-2:].max() > level[points]["HR itself"]
    and turned[points, 2][3] < level[points]["the network"] + 1
)
assert max(turned[arcs, s].max() for s in SMOOTHINGS) < level[arcs]["the network"] - 3
assert max(turned[arcs, s].max() for s in (1, 2)) > turned[arcs, 0].max()
assert kinds["network"].max() < 0.7

# %% [markdown]
# ## 10. On your own picture
#
# `Upscaler.load` takes a shipped name or the path of a model file. Of an RGB picture the network enlarges the
# luma, bicubic the colour. Put the path of your photograph into `MINE`.

# %% tags=["nbval-ignore-output"]
MINE = None  # for instance "holiday.jpg"
picture = photos.read_image(MINE)[:160, :160] if MINE else photos.builtin()["astronaut"][46:158, 164:276]
before, after = ways["bicubic"](picture), shipped(picture)
display(plotting.compare_slider(before, after, ("bicubic x3", "three layers x3")))
for name, image in {"bicubic": before, "three layers": after}.items():
    agreement = metrics.psnr(pairs.degrade(image, 3), picture)
    print(f"{name}: reduced again, it agrees with your picture to {agreement:.1f} dB")

# %% [markdown]
# Drag the divider: lashes, lips and hair gain an edge, the skin does not change. *(Eileen Collins: NASA,
# public domain.)* There is no HR to compare with, but one test is always possible: **reduce the result
# again**. It should give the picture that went in. That is no proof, but it catches shifts, colour casts and
# over-sharpening.
#
# For pictures of another kind, train on them. `srutils train` does what section 4 did. It also resumes after
# an interruption, holds pictures out, and writes a model file and its card.
#
# ```
# srutils train srcnn-photo-x3 --data MY_PHOTOGRAPHS --from srcnn-photo-x3 --minutes 10
# srutils evaluate srcnn-photo-x3.onnx --data OTHER_PHOTOGRAPHS
# ```
#
# ## What went wrong and why
#
# The quasar was one failure. Another hides better: **a network that works in the paper and not on your
# pictures**. Ours has only seen LR made by antialiased bicubic reduction. Suppose that a camera keeps only
# the middle pixel of each 3 × 3 block, so that nothing is shifted.

# %%
reductions = {
    "antialiased bicubic": lambda hr: pairs.degrade(hr, 3),
    "every third pixel": lambda hr: hr[1::3, 1::3],
}
change = {}
for name, reduce in reductions.items():
    of_both = {"bicubic": [], "shipped": []}
    for photograph in photos.builtin().values():
        true = low_and_high(photograph)[1]
        for way, values in of_both.items():
            values.append(metrics.photo_scores(ways[way](reduce(true)), true, 3)["psnr"])
    change[name] = np.mean(of_both["shipped"]) - np.mean(of_both["bicubic"])
    print(f"LR by {name:19} three layers against bicubic, {len(values)} photographs: {change[name]:+.1f} dB")

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 10 and 11.
assert change["antialiased bicubic"] > 0.5 and change["every third pixel"] < 0
assert after.shape == (3 * picture.shape[0], 3 * picture.shape[1], 3)
consistent = [metrics.psnr(pairs.degrade(image, 3), picture) for image in (before, after)]
assert MINE or consistent[1] > consistent[0]

# %% [markdown]
# The same network, the same photographs, and the gain has become a loss. Keeping every third pixel does not
# blur, and it lets detail through that LR cannot hold, as *aliases*: jagged edges and false stripes. The
# network sharpens, as it has learned, to undo a blur that is not there, and the aliases grow.
#
# It has learned **to invert one particular reduction**. No training curve could have told us, because the
# validation pictures were made in the same way. So a card should say how LR was made.
#
# ## Recap
#
# - **A convolution** multiplies a small table of weights with every neighbourhood; a ReLU drops what is
#   negative. SRCNN is three of them and an addition: 57,281 numbers, 17 × 17 pixels seen.
# - **Beating bicubic** took four epochs on seven photographs. The best linear filter did better; only the
#   shipped network, trained longer and on more photographs, passed it.
# - **On LR**, with a pixel shuffle and smaller filters, the same task takes a twentieth of the arithmetic per
#   pixel.
# - **Inside**: maps that answer to contours of some directions; at any one pixel most of layer 2 is off: no
#   linear filter can do that.
# - **A ceiling** on `deeplense`: three layers, with a linear filter beside them, come within a tenth of a
#   decibel, and on average no network can pass it.
# - **Beyond its own targets** on `telescope`: noise averages out over the training set, the prior does the
#   rest. On a quasar the prior is wrong, and Richardson–Lucy, with its smoothing turned off, wins.
# - **One reduction** is what a network learns to invert. Another turns the gain into a loss.

# %% [markdown]
# ## Exercises
#
# Each ends in a cell that checks your answer: it says whether it is right, nearly right and why, or where to
# look. Worked answers are in [solutions/03_srcnn.ipynb](solutions/03_srcnn.ipynb).
#
# **1. On your own photographs.** Take a folder with twenty photographs of yours or more. In a terminal, in the
# folder of this notebook, go on from the shipped network:
#
# ```
# srutils train srcnn-photo-x3 --data MY_PHOTOS --from srcnn-photo-x3 --minutes 5 --out mine.onnx
# ```
#
# A tenth of the photographs is kept for validation and a tenth for a test, on which the result is scored beside
# bicubic. Before you look: how many decibels will it gain? Then write the path of the file below; the check
# reads the card that was written beside it.
#
# <details><summary>Hint</summary>
#
# A path is relative to the notebook's folder. No twenty photographs at hand? One large photograph cut into
# twenty pieces does, but then training and test pieces look alike: is the gain still that on a *new* picture?
#
# </details>

# %% tags=["exercise"]
from srutils import exercises

mine = ...  # "mine.onnx", say
exercises.check(3, 1, mine)

# %% [markdown]
# **2. What do noisy targets cost?** Section 8 says that a network trained on noisy HR images learns their
# mean, the truth. Test it where no training is needed. Fit two linear filters with `best_linear` (9 × 9, on
# the enlarged picture) to lenses of `lensing.lens_set("telescope", 60, split="train")`: one with `hr` as the
# target, one with `truth`. Apply both to the 60 test lenses, which section 8 left in `lenses`. By how many
# decibels of mean PSNR, against the *truth*, is the filter with the noisy targets worse? Once with the
# first 15 training lenses, once with all 60.
#
# <details><summary>Hint</summary>
#
# Four calls of `best_linear(x, y, new, 9)`: `x` are the training LR images, enlarged by `pairs.resize` to
# (128, 128), `y` the targets, `new` the enlarged LR images of `lenses`. The costs are a fraction of a
# decibel: give them to two digits behind the point or more.
#
# </details>

# %% tags=["exercise"]
cost_with_15_lenses = ...
cost_with_60_lenses = ...
exercises.check(3, 2, cost_with_15_lenses, cost_with_60_lenses)


# %% [markdown]
# **3. Eight views of one picture.** A network treats a picture and its mirror image differently, though
# neither is more right. So show it all eight views: the four quarter turns of LR, each with and without a
# mirror. Undo turn and mirror on every result, and take the mean (Timofte et al. 2016; now mostly called
# *self-ensemble*). Write it as a function that takes any upscaler.
#
# <details><summary>Hint</summary>
#
# `np.rot90(x, k)` turns by k quarters, `x[:, ::-1]` mirrors. What was done last is undone first. A turned
# picture has another height and width, so all results must be turned back before they can be added. To see
# whether it gains anything, score `ensemble(shipped, cat_lr)` beside `shipped(cat_lr)`.
#
# </details>

# %% tags=["exercise"]
def ensemble(up, lr):
    """up: a function from (h, w, C) to (s h, s w, C); lr (h, w, C) -> the mean of eight results."""
    ...


exercises.check(3, 3, ensemble)

# %% [markdown]
# ## References
#
# - C. Dong, C. C. Loy, K. He, X. Tang, *Learning a deep convolutional network for image super-resolution*,
#   ECCV 2014, [doi:10.1007/978-3-319-10593-2_13](https://doi.org/10.1007/978-3-319-10593-2_13): 9-1-5.
# - C. Dong, C. C. Loy, K. He, X. Tang, *Image super-resolution using deep convolutional networks*, IEEE TPAMI
#   38, 295 (2016), [doi:10.1109/TPAMI.2015.2439281](https://doi.org/10.1109/TPAMI.2015.2439281): 9-5-5.
# - J. Kim, J. K. Lee, K. M. Lee, *Accurate image super-resolution using very deep convolutional networks*,
#   CVPR 2016, [doi:10.1109/CVPR.2016.182](https://doi.org/10.1109/CVPR.2016.182): the residual connection.
# - K. He, X. Zhang, S. Ren, J. Sun, *Delving deep into rectifiers*, ICCV 2015,
#   [doi:10.1109/ICCV.2015.123](https://doi.org/10.1109/ICCV.2015.123): the starting weights.
# - M. Irani, S. Peleg, *Improving resolution by image registration*, CVGIP: Graphical Models and Image
#   Processing 53, 231 (1991), [doi:10.1016/1049-9652(91)90045-L](https://doi.org/10.1016/1049-9652%2891%2990045-L).
# - D. P. Kingma, J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015,
#   [doi:10.48550/arXiv.1412.6980](https://doi.org/10.48550/arXiv.1412.6980).
# - W. Shi et al., *Real-time single image and video super-resolution using an efficient sub-pixel
#   convolutional neural network*, CVPR 2016,
#   [doi:10.1109/CVPR.2016.207](https://doi.org/10.1109/CVPR.2016.207).
# - J. Lehtinen et al., *Noise2Noise: learning image restoration without clean data*, ICML 2018,
#   [doi:10.48550/arXiv.1803.04189](https://doi.org/10.48550/arXiv.1803.04189).
# - R. Timofte, R. Rothe, L. Van Gool, *Seven ways to improve example-based single image super resolution*,
#   CVPR 2016, [doi:10.1109/CVPR.2016.206](https://doi.org/10.1109/CVPR.2016.206).
# - W. H. Richardson, JOSA 62, 55 (1972),
#   [doi:10.1364/JOSA.62.000055](https://doi.org/10.1364/JOSA.62.000055); L. B. Lucy, AJ 79, 745 (1974),
#   [doi:10.1086/111605](https://doi.org/10.1086/111605).
# - S. Alexander et al., *Deep learning the morphology of dark matter substructure*, ApJ 893, 15 (2020),
#   [doi:10.3847/1538-4357/ab7925](https://doi.org/10.3847/1538-4357/ab7925): the lens images of the DeepLense
#   project.
# - D. Scharstein et al., *High-resolution stereo datasets with subpixel-accurate ground truth*, GCPR 2014,
#   [doi:10.1007/978-3-319-11752-2_3](https://doi.org/10.1007/978-3-319-11752-2_3): the motorcycle.

# %% [markdown]
# **Next:** lesson 04 squeezes the picture through a bottleneck. An autoencoder must forget nearly everything
# before it rebuilds the image: does that help, or hurt?
