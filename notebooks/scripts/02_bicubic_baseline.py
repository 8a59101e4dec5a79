# %% [markdown]
# # 02 · How good is no learning at all, and how is that measured?
#
# Before a network may boast, two things have to be known: what can be had **without any learning**, and how
# the scores are made that say so. Eight calls from five libraries give five
# different "bicubics". The same picture earns two scores that lie a decibel and a half apart. And on a well-known test
# for gravitational lenses the *perfect* picture loses to bicubic.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/02_bicubic_baseline.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/02_bicubic_baseline.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/02_bicubic_baseline.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - compute a convolution from numbers; write bicubic, PSNR and SSIM by hand;
# - reduce the same photographs with eight calls from five libraries, and compare the results;
# - score one pair of pictures under the conventions in use;
# - tune two classical deconvolvers, Wiener and Richardson-Lucy, on simulated lenses.
#
# **You will learn**
#
# - what an interpolation kernel can and cannot do;
# - why a PSNR without its protocol says little;
# - that the DeepLense test has a ceiling, and how low it hangs;
# - which numbers a network of this course has to beat.
#
# **You will need** lesson 01, and about 50 minutes to read. The code runs in about a minute on two CPU cores,
# without a GPU. The photographs of Set5 are optional: without them one table stays empty.

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
from functools import partial

import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown, display
from PIL import Image
from scipy import fft, ndimage, optimize
from skimage import transform

from srutils import lensing, metrics, pairs, photos, plotting

plotting.use_style()
camera = photos.builtin()["camera"]
photographer = camera[64:224, 176:336]
lr = pairs.degrade(photographer, 4)
panels = {"LR: 40 x 40 pixels": lr, "bicubic": pairs.resize(lr, (160, 160)), "HR: 160 x 160": photographer}
figure = plotting.image_grid(panels, columns=3, cmap="gray", size=2.9)
plotting.show(figure, alt="A photographer: as 40 x 40 pixels, enlarged by bicubic, and the original.")

# %% [markdown]
# Left, a photograph with a sixteenth of its pixels. Middle, what *bicubic* interpolation makes of them: a method of
# 1981 that has seen no photograph in its life. Right, the original. What separates the middle from the right is all
# that learning can add. *(Camera: Lav Varshney, CC0.)*
#
# ## 1. Kernels
#
# ### A convolution, from numbers
#
# The tool of this lesson, and of every network in this course, is the **convolution**. Lay a small table of weights
# over nine numbers of a picture, multiply each number by its weight, and add up: that is *one* number of the result.
# Then slide the table on by one pixel. Our picture is dark, with one bright pixel (a star) and a bright ground; our
# weights make a *mean* in which the middle counts most.

# %%
picture = np.zeros((8, 7), int)
picture[2, 2] = picture[6:] = 16
table = np.outer([1, 2, 1], [1, 2, 1])  # sixteenths, for they add up to 16
result = np.zeros((6, 5), int)
for i, j in np.ndindex(result.shape):
    result[i, j] = (picture[i : i + 3, j : j + 3] * table).sum() // 16
print(result)


# %% tags=["nbval-ignore-output"]
def numbers(ax, values, title, frames=()):
    """Draw a table of numbers as grey squares, some of them framed: (row, column, side, colour)."""
    ax.pcolormesh(values, cmap="Greys", vmin=0, vmax=32 if values is not table else 8, edgecolor="white")
    for (i, j), value in np.ndenumerate(values):
        ax.text(j + 0.5, i + 0.5, value, ha="center", va="center")
    for i, j, side, colour in frames:
        style = {"linewidth": 2.5, "edgecolor": plotting.COLOURS[colour]}
        ax.add_patch(plt.Rectangle((j, i), side, side, fill=False, **style))
        to = {"arrowstyle": "->", "color": plotting.COLOURS[colour], "linewidth": 2}
        ax.annotate("", (j + side + 0.8, i + side - 1), (j + side, i + side - 1), arrowprops=to if side > 1 else None)
    ax.set(aspect="equal", xlim=(-0.1, values.shape[1] + 0.1), ylim=(8.1, -0.1), title=title)
    ax.set_axis_off()


figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.7), width_ratios=(7, 3, 5))
numbers(axes[0], picture, "picture", [(0, 1, 3, 4), (4, 3, 3, 5)])
numbers(axes[1], table, "weights / 16")
numbers(axes[2], result, "result", [(0, 1, 1, 4), (4, 3, 1, 5)])
plotting.show(figure, alt="A picture of numbers, a 3 x 3 table of weights, and the weighted means.", svg=True)


# %% [markdown]
# The orange frame holds the star under a weight of 2: $2 \times 16 / 16 = 2$. The blue frame has the ground in its
# last row: $(1 + 2 + 1) \times 16 / 16 = 4$. And around the star the
# result *is the table itself*. Astronomers call that the point-spread function, and in section 6 we undo it. With
# other weights the same window finds edges: so lesson 03 begins.
#
# ### Four kernels
#
# To enlarge is to ask for values *between* the pixels. The oldest answer is again a weighted mean, with weights that
# depend on how far away each pixel lies:
#
# $$ \hat g(x) = \sum_i g_i\, k(x - i). $$
#
# $g_i$ is the value of pixel $i$, $\hat g(x)$ the value at any place $x$; the *kernel* $k$ is the whole method.
# Nearest neighbour copies the closest pixel; bilinear draws straight lines; bicubic fits cubic pieces over four
# pixels (Keys 1981); Lanczos cuts the ideal kernel, a sinc, to six. Keys' cubic has one free number, its slope $a$ at
# the first zero. He derived $a = -0.5$; two large libraries chose $-0.75$, and that will matter.

# %%
def nearest(x):
    return ((x >= -0.5) & (x < 0.5)).astype(float)


def bilinear(x):
    return np.maximum(1 - np.abs(x), 0)


def keys(x, a=-0.5):
    x = np.abs(x)
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def lanczos(x):
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


KERNELS = {"nearest": (nearest, 0.5), "bilinear": (bilinear, 1), "bicubic": (keys, 2), "lanczos": (lanczos, 3)}
sharper = partial(keys, a=-0.75)

# %% tags=["nbval-ignore-output"]
pixels, x = np.arange(16), np.linspace(4, 11, 701)
step = (pixels > 7).astype(float)  # an edge
figure, axes = plt.subplots(1, 5, figsize=(10, 2.3), sharey=True)
for ax, (name, kernel) in zip(axes, [(n, k) for n, (k, _) in KERNELS.items()] + [("a = -0.75", sharper)], strict=True):
    weight = kernel(x[:, None] - pixels)
    answer = weight @ step / weight.sum(1)
    ax.plot(x, answer, color=plotting.COLOURS[5])
    ax.plot(pixels, step, "ko", markersize=4)
    ax.set(title=f"{name}: {answer.max() - 1:+.0%}", xlim=(3.8, 11.2), ylim=(-0.2, 1.2), xlabel="LR pixels")
plotting.show(figure, alt="An edge between pixels, filled in by five kernels; three of them overshoot.", svg=True)


# %% [markdown]
# An edge is the quickest way to know a kernel. Dots are the pixels, lines what each kernel puts between them. Nearest
# makes a stair, bilinear a ramp. The others climb more steeply, and pay for it: their kernels have *negative*
# weights, so the curve dips before the edge and **overshoots** behind it (per cent in the titles). With $a = -0.75$
# there is half as much again of it.
#
# ### By hand
#
# Rows and columns can be resized one after the other, each by a matrix, whose rows hold the kernel's weights at one
# output pixel. Three choices complete the recipe, and libraries differ in all of them:
#
# - **where pixels sit**: output pixel $i$ has its centre at $(i + 0.5)\,s - 0.5$, where $s$ (`step` in the code) is
#   input over output size;
# - **antialiasing**: when reducing, the kernel is stretched by $s$, so that it averages over all the pixels it
#   stands for (lesson 01 shows what happens otherwise);
# - **the edge**: weights that fall outside are dropped (and the rest scaled up), mirrored, or given to the last
#   pixel.
#
# Then we try it on two photographs, reduced by 4: the photographer (all edges) and a lawn (all texture). PSNR,
# the score, is explained in section 3; higher is better.

# %%
def weights(n_in, n_out, kernel=keys, support=2, antialias=True, edge="drop"):
    """Make the matrix (n_out, n_in) whose row i holds the weights of output pixel i."""
    step = n_in / n_out
    stretch = max(step, 1) if antialias else 1
    centre = (np.arange(n_out)[:, None] + 0.5) * step - 0.5
    reach = int(np.ceil(support * stretch))
    taps = np.floor(centre).astype(int) + np.arange(-reach, reach + 1)
    values = kernel((taps - centre) / stretch)
    if edge == "drop":
        values = values * ((taps >= 0) & (taps < n_in))
    elif edge == "mirror":  # ... 1 0 | 0 1 2 ...
        taps = np.where(taps < 0, -1 - taps, np.where(taps >= n_in, 2 * n_in - 1 - taps, taps))
    matrix = np.zeros((n_out, n_in))
    where = np.arange(n_out)[:, None], np.clip(taps, 0, n_in - 1)  # else the last pixel repeats
    np.add.at(matrix, where, values / values.sum(1, keepdims=True))
    return matrix


def resize(image, size, *how, **choices):
    """Resize images (..., h, w); further arguments as those of `weights`."""
    rows, columns = (weights(n, m, *how, **choices) for n, m in zip(image.shape[-2:], size, strict=True))
    return (rows @ image @ columns.T).astype(np.float32)


# %%
def psnr(a, b, peak=1.0):
    return 10 * np.log10(peak**2 / np.mean((np.asarray(a, float) - b) ** 2))


lawn = photos.builtin()["grass"][:160, :160, 0]
cases = {}
for label, hr in {"edges": photographer[..., 0], "texture": lawn}.items():
    lr = resize(hr, (40, 40))
    cases[label] = {"HR": hr} | {name: resize(lr, hr.shape, *kernel) for name, kernel in KERNELS.items()}
    print(f"{label:8}", *(f"{name} {psnr(cases[label][name], hr):.2f} dB" for name in KERNELS), sep="  ")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(4, 5, figsize=(8.6, 6.9))
boxes = {"edges": np.s_[80:140, 90:150], "texture": np.s_[50:110, 50:110]}
for (label, images), (upper, lower) in zip(cases.items(), (axes[:2], axes[2:]), strict=True):
    for ax, below, (name, image) in zip(upper, lower, images.items(), strict=True):
        ax.imshow(image[boxes[label]], cmap="gray", vmin=0, vmax=1)
        ax.set_title(name if label == "edges" else "")
        error = (image - images["HR"])[boxes[label]]
        shown = below.imshow(error, cmap=plotting.DIVERGING, vmin=-0.4, vmax=0.4)
    lower[0].set_visible(False)
    figure.colorbar(shown, ax=lower, label="minus HR", pad=0.01)
for ax in axes.flat:
    ax.set_axis_off()
plotting.show(figure, alt="A camera and a piece of lawn, in HR and enlarged by four kernels, with residuals.")


# %% [markdown]
# Above, the camera on its tripod, and each enlargement minus HR. The errors lie along edges and are alike: a kernel
# changes the size of the error, hardly its place. The lawn (linolafett, CC0) tells more. Most of its blades are finer
# than LR's pixels. They are not in LR, so the residual shows them; only the broad stems are left.
#
# Can learning bring them back? A network has seen other lawns and can guess what grass looks like. But *these* fine
# blades are gone, and what it draws in their place is its own.
#
# ## 2. One name, "bicubic", and five results
#
# Every line of the next cell is somebody's "bicubic". We reduce the eleven photographs that ship with scikit-image and
# enlarge them all by *one* fixed method. So every change of PSNR comes from the reduction alone. Zero is the
# MATLAB-style reduction on which published tables rest.

# %%
def by_torch(image, size, antialias):
    options = {"mode": "bicubic", "align_corners": False, "antialias": antialias}
    return torch.nn.functional.interpolate(torch.tensor(image)[None, None], size, **options)[0, 0].numpy()


def by_pillow(image, size, mode):
    levels = np.uint8(np.round(image * 255)) if mode == "L" else image * 255
    return np.asarray(Image.fromarray(levels).resize(size[::-1], Image.Resampling.BICUBIC)) / 255


REDUCERS = {
    "by hand, mirrored edges (MATLAB)": partial(resize, edge="mirror"),
    "Pillow, mode F": partial(by_pillow, mode="F"),
    "Pillow, 8-bit": partial(by_pillow, mode="L"),
    "torch, antialias=True": partial(by_torch, antialias=True),
    "torch": partial(by_torch, antialias=False),
    "OpenCV INTER_CUBIC": lambda image, size: cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC),
    "scikit-image, anti_aliasing=True": partial(transform.resize, order=3, anti_aliasing=True),
    "scikit-image, anti_aliasing=False": partial(transform.resize, order=3, anti_aliasing=False),
    "scipy.ndimage.zoom, order 3": lambda image, size: ndimage.zoom(image, size[0] / image.shape[0], order=3),
}

# %%
change = {}
for scale in (2, 4):
    inner, rows = np.s_[scale:-scale, scale:-scale], []
    for image in photos.builtin().values():
        hr = np.ascontiguousarray(pairs.crop_to_multiple(metrics.luma(image), scale)[..., 0])
        size = (hr.shape[0] // scale, hr.shape[1] // scale)
        srs = [resize(reduce(hr, size), hr.shape) for reduce in REDUCERS.values()]
        rows.append([psnr(sr[inner], hr[inner]) for sr in srs])
    change[scale] = np.array(rows) - np.array(rows)[:, :1]
print("mean change of PSNR [dB], reduced by      x2      x4")
for k, name in enumerate(REDUCERS):
    print(f"{name:36}" + "".join(f"{round(values[:, k].mean(), 2) + 0.0:8.2f}" for values in change.values()))

# %% [markdown]
# Pillow and torch with `antialias=True` are MATLAB's bicubic, but for the edge. Plain torch and OpenCV are each
# other's twin: $a = -0.75$, no antialiasing. At x4 that costs nine tenths of a decibel. scikit-image interpolates
# with a spline, and its antialiasing is a Gaussian, which blurs more. `scipy.ndimage.zoom` lays the *centres* of the
# corner pixels on each other, not the corners, so its LR is shifted towards the borders.
#
# At x2, skipping antialiasing *raises* the score by half a decibel: LR then is sharper, and less has to be guessed.
# This course uses `pairs.degrade`, which is Pillow in floating point.

# %% jupyter={"source_hidden": true} tags=["check"]
# Sections 1 and 2: our twenty lines do what Pillow, torch and OpenCV do, and the sentences hold.
assert np.array_equal(result, ndimage.convolve(picture, table)[1:-1, 1:-1] // 16)
small = camera[100:196, 200:290]
for name, kernel in KERNELS.items():
    for size in [(192, 180), (288, 270)] + ([] if name == "nearest" else [(48, 45), (24, 31)]):
        assert np.abs(resize(small[..., 0], size, *kernel) - pairs.resize(small, size, name)[..., 0]).max() < 2e-6
mean = {scale: dict(zip(REDUCERS, values.mean(0), strict=True)) for scale, values in change.items()}
assert all(abs(mean[s][n]) < 0.02 for s in (2, 4) for n in ("Pillow, mode F", "Pillow, 8-bit", "torch, antialias=True"))
assert -1.0 < mean[4]["torch"] < -0.8 and 0.4 < mean[2]["torch"] < 0.6
cat = np.ascontiguousarray(metrics.luma(photos.builtin()["chelsea"])[:296, :448, 0])
plain = resize(cat, (74, 112), sharper, antialias=False, edge="repeat")
twins = {"torch, antialias=True": resize(cat, (74, 112)), "torch": plain, "OpenCV INTER_CUBIC": plain}
assert all(np.abs(REDUCERS[name](cat, (74, 112)) - ours).max() < 2e-6 for name, ours in twins.items())
for case in cases.values():
    order = [psnr(case[name], case["HR"]) for name in KERNELS]
    assert order == sorted(order)  # nearest < bilinear < bicubic < lanczos
assert order[-1] - order[0] < 1  # texture


# %% [markdown]
# ## 3. Two measures, built by hand
#
# **PSNR**, which we wrote above in one line, puts the mean squared error (MSE) on a logarithmic scale, relative to
# the peak $L$ that a pixel can reach:
#
# $$ \mathrm{PSNR} = 10 \log_{10} \frac{L^2}{\mathrm{MSE}} \ \text{dB}. $$
#
# Half the rms error is 6 dB more; a gain of 0.1 dB is about one percent of the rms error.
#
# **SSIM** (Wang et al. 2004) compares not pixels but neighbourhoods: Gaussian windows of 11 × 11 pixels, the sliding
# table of section 1. From means $\mu$, standard deviations $\sigma$ and covariance $\sigma_{xy}$ it makes
#
# $$ l = \frac{2\mu_x\mu_y + c_1}{\mu_x^2 + \mu_y^2 + c_1}, \qquad
# c = \frac{2\sigma_x\sigma_y + c_2}{\sigma_x^2 + \sigma_y^2 + c_2}, \qquad
# s = \frac{\sigma_{xy} + c_2/2}{\sigma_x\sigma_y + c_2/2}. $$
#
# Is it as bright? Does it vary as much? Does it vary *in the same way*? SSIM is the mean of $l\,c\,s$. The constants
# $c_1 = (0.01 L)^2$ and $c_2 = (0.03 L)^2$ keep the fractions calm in dark and flat places. They contain the peak, so
# whoever states the wrong peak gets another SSIM.

# %%
def similarity(x, y, mean, peak=1.0):
    """Luminance, contrast and structure of x and y; `mean` averages over a neighbourhood."""
    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = (np.maximum(mean(z * z) - mean(z) ** 2, 0) for z in (x, y))
    both, covariance = np.sqrt(var_x * var_y), mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return np.array([luminance, (2 * both + c2) / (var_x + var_y + c2), (covariance + c2 / 2) / (both + c2 / 2)])


# %%
def window_mean(image):
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    for axis in (0, 1):
        image = ndimage.correlate1d(image, window / window.sum(), axis)
    return image[5:-5, 5:-5]  # only windows that lie wholly inside


def ssim(x, y, peak=1.0):
    x, y = (np.asarray(image, float) for image in (x, y))
    return similarity(x, y, window_mean, peak).prod(0).mean()


# %% tags=["nbval-ignore-output"]
place = np.linspace(0, 3, 121)[:-1]
row = 0.5 + 0.2 * np.sin(2 * np.pi * place)
rough = np.random.default_rng(3).normal(size=row.size)
rows = {"brighter": row + 0.1, "lower contrast": 0.5 + (row - 0.5) * (1 - 0.1 / row.std())}
rows["shifted"] = np.interp(place + 0.115, place, row, period=3)
rows["noise"] = row + 0.1 * (rough - rough.mean()) / rough.std()
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), sharey=True)
for ax, (name, other) in zip(axes, rows.items(), strict=True):
    ax.fill_between(place, row, other, color=plotting.COLOURS[1], alpha=0.3, linewidth=0)
    ax.plot(place, row, "k", place, other, plotting.COLOURS[4], linewidth=1.2)
    parts = similarity(row, other, np.mean)
    ax.text(1.5, 0.02, "l {:.2f}    c {:.2f}    s {:.2f}".format(*parts), ha="center", fontsize=9)
    ax.set(title=f"{name}\n{psnr(row, other):.1f} dB, SSIM {parts.prod():.2f}", xticks=[], ylim=(0, 1.02))
plotting.show(figure, alt="One row of pixels and four damaged ones of equal PSNR; l, c and s differ.", svg=True)

# %% [markdown]
# One row of pixels (black), damaged in four ways (orange). The mean square of the shaded difference is the same in
# all of them, and so is PSNR; $l$ answers to brightness (very mildly), $c$ to contrast, $s$ to shape. Next, five
# damages to a photograph, all of them of 22 dB: a root search finds the strength of each.

# %% tags=["nbval-ignore-output"]
photo = camera[60:210, 170:320, 0].astype(float)
grain = np.random.default_rng(0).normal(size=photo.shape)
DAMAGES = {
    "noise": lambda t: photo + 0.5 * t * grain,
    "blur": lambda t: ndimage.gaussian_filter(photo, 20 * t),
    "shift": lambda t: ndimage.shift(photo, (0, 20 * t), order=1, mode="nearest"),
    "lower contrast": lambda t: photo.mean() + (1 - t) * (photo - photo.mean()),
    "brighter": lambda t: photo + t,
}
damaged = {"original": photo}
for name, damage in DAMAGES.items():
    strength = optimize.brentq(lambda t, damage=damage: psnr(damage(t), photo) - 22, 0.01, 1)
    damaged[name] = damage(strength)
panels = {f"{name}, SSIM {ssim(image, photo):.2f}": image[..., None] for name, image in damaged.items()}
figure = plotting.image_grid(panels, columns=3, cmap="gray", size=2.2)
plotting.show(figure, alt="The photographer and five damaged versions of equal MSE that look very different.")

# %% [markdown]
# Five pictures, one PSNR. SSIM tells them apart: lower contrast and more brightness cost it little, noise and blur
# much. It is not an eye: it puts the blurred face above the noisy one, and a small shift costs it more than a change
# of brightness that is plain to see. And both measures are *distortions*: they ask how near the estimate is,
# and the nearest estimate of something uncertain is an average, which is blurred. Blau and Michaeli (2018) proved
# that nearness and natural looks pull against each other.

# %% jupyter={"source_hidden": true} tags=["check"]
# Section 3: our PSNR and SSIM are scikit-image's and the course's, and the sentences hold.
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

x, y = (cases["edges"][name].astype(float) for name in ("HR", "bicubic"))
gaussian = {"gaussian_weights": True, "use_sample_covariance": False}  # as in the paper
assert np.isclose(psnr(x, y), peak_signal_noise_ratio(x, y, data_range=1), atol=1e-9)
assert np.isclose(psnr(x, y), metrics.psnr(x[..., None], y[..., None]), atol=1e-4)
assert np.isclose(ssim(x, y), structural_similarity(x, y, data_range=1, **gaussian), atol=1e-9)
assert np.isclose(ssim(x, y), metrics.ssim(x[..., None], y[..., None]), atol=1e-5)
of = {name: ssim(image, photo) for name, image in damaged.items()}
assert of["noise"] < of["blur"] < of["shift"] < min(of["brighter"], of["lower contrast"]) - 0.1
assert all(abs(psnr(image, photo) - 22) < 1e-6 for name, image in damaged.items() if name != "original")
assert all(abs(psnr(row, other) - 20) < 0.1 for other in rows.values())

# %% [markdown]
# ## 4. The protocol
#
# Tables of photographs are scored on *luma*, the brightness signal of television: a weighted sum of R, G and B that
# runs from 16 to 235 (recommendation BT.601), while the peak is taken as 255 all the same. Pixels at the border
# depend on how a method pads, so `scale` of them are cut off ("shave"). And pictures are stored in 8 bits, so
# somewhere they are rounded. Two orders of these steps are in use.

# %% tags=["nbval-ignore-output"]
LANES = {
    "luma convention (to about 2016)": ["luma,\nrounded", "bicubic\n1/s", "method", "rounded", None],
    "rgb8 convention (since then)": ["bicubic\n1/s", "rounded to\n8-bit RGB", "method", "rounded to\n8-bit RGB", "luma"],
}
figure, ax = plt.subplots(figsize=(10, 3))


def draw_box(x, y, text, height=0.9, colour="#cfe4f3"):
    ax.add_patch(plt.Rectangle((x - 0.8, y - height / 2), 1.6, height, facecolor=colour, edgecolor="0.3"))
    ax.text(x, y, text, ha="center", va="center", fontsize=9)


draw_box(0, 1, "HR,\n8-bit RGB,\ncut to a\nmultiple of s", 3, "0.92")
draw_box(13.2, 1, "shave s,\nPSNR, SSIM,\nmean over\npictures", 3, "0.92")
for y, (name, steps) in zip((1.9, 0.1), LANES.items(), strict=True):
    places = [2.2 * k for k in range(7) if k != 5 or steps[4]]
    for start, stop in zip(places[:-1], places[1:], strict=True):
        ax.annotate("", (stop - 0.8, y), (start + 0.8, y), arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    for x, text in zip(places[1:], filter(None, steps), strict=False):
        draw_box(x, y, text, colour="#f6d9a0" if text == "method" else "#cfe4f3")
    ax.text(6.6, y + (0.75 if y > 1 else -0.75), name, ha="center", va="center", style="italic")
ax.set(xlim=(-0.9, 14.1), ylim=(-0.9, 2.9))
ax.set_axis_off()
plotting.show(figure, alt="Two pipelines from HR to a score, with the places where values are rounded.", svg=True)

# %% [markdown]
# From left to right a photograph becomes a score; only the orange box is the method. In the upper row it never sees
# colour. At the end the result is compared with HR's own luma: rounded in the upper row, unrounded in the lower.
# What do such choices do? One picture, the cat Chelsea (Stéfan van der Walt, CC0), reduced and enlarged by 4, then
# scored as well-known repositories do.

# %%
BT601 = np.array([65.481, 128.553, 24.966]) / 255  # its sum is 219 / 255
hr = pairs.crop_to_multiple(photos.builtin()["chelsea"], 4)
sr = metrics.quantize(pairs.resize(metrics.quantize(pairs.degrade(hr, 4)), hr.shape[:2]))
studio = [16 / 255 + rgb.astype(float) @ BT601 for rgb in (hr, sr)]  # television's luma
full = [(luma - 16 / 255) * 255 / 219 for luma in studio]  # the same from 0 to 255
cut = np.s_[4:-4, 4:-4]
CONVENTIONS = {"RGB, all pixels": (hr, sr), "RGB, shaved": (hr[cut], sr[cut])}
CONVENTIONS |= {"luma 0-255, shaved": [luma[cut] for luma in full], "luma 16-235, all pixels": studio}
CONVENTIONS["luma 16-235, shaved"] = [luma[cut] for luma in studio]
CONVENTIONS["the same, rounded"] = [np.round(luma[cut] * 255) / 255 for luma in studio]
scored = {name: (psnr(*pair), ssim(*pair), ssim(*pair, peak=2)) for name, pair in CONVENTIONS.items()}
print(f"{'convention':26} PSNR [dB]    SSIM   SSIM with a peak of 2 (a mistake)")
for name, (db, right, wrong) in scored.items():
    print(f"{name:26} {db:9.2f} {right:7.4f} {wrong:8.4f}")


# %% [markdown]
# The picture never changed; the score moved by one and a half decibels.
# Most of it is the factor 219/255 of television's luma.
#
# The last column is a mistake, and it flatters. scikit-image once took the peak of floating-point images to be 2
# ([#6595](https://github.com/scikit-image/scikit-image/pull/6595)); today it refuses to guess. On lenses, .99 in
# one table and .97 in another may differ only by the peak that was assumed (lesson 05).
#
# ### Two conventions, one benchmark
#
# Here are both rows of the drawing as code. The five photographs of Set5 (Bevilacqua et al. 2012) are the test of a
# protocol, for everybody prints bicubic's score on them. They carry no licence, so we show numbers only.

# %%
def protocol(rgb, scale, convention):
    """PSNR and SSIM of bicubic on a photograph (H, W, 3) in [0, 1]."""
    hr, rounded = pairs.crop_to_multiple(rgb, scale), metrics.quantize
    if convention == "luma":
        hr = rounded(metrics.luma(hr))
        sr = rounded(pairs.resize(pairs.degrade(hr, scale), hr.shape[:2]))
    else:
        sr = rounded(pairs.resize(rounded(pairs.degrade(hr, scale)), hr.shape[:2]))
        hr, sr = metrics.luma(hr), metrics.luma(sr)
    inner = np.s_[scale:-scale, scale:-scale]
    return psnr(hr[inner], sr[inner]), ssim(hr[inner], sr[inner])


# %%
def bicubic_scores(photographs, convention):
    return {scale: np.mean([protocol(rgb, scale, convention) for rgb in photographs], 0) for scale in (2, 3, 4)}


own = {c: bicubic_scores(photos.builtin(colour=True).values(), c) for c in ("luma", "rgb8")}
for c, row in own.items():
    print(f"six photographs, {c}:", *(f"x{s} {db:.2f} / {value:.4f}" for s, (db, value) in row.items()), sep="  ")

# %% tags=["nbval-ignore-output", "readme-table", "table-set5-baselines"]
PUBLISHED = {2: "33.66 / 0.9299", 3: "30.39 / 0.8682", 4: "28.42 / 0.8104"}  # Dong et al. 2016
set5 = {}
try:
    set5 = {c: bicubic_scores([rgb for _, rgb in photos.set5()], c) for c in own}
    lines = ["| bicubic | luma convention | rgb8 convention | published |", "| --- | --- | --- | --- |"]
    for scale, published in PUBLISHED.items():
        cells = ["{:.2f} / {:.4f}".format(*row[scale]) for row in set5.values()]
        lines.append(f"| x{scale} | {' | '.join(cells)} | {published} |")
    display(Markdown("\n".join(lines)))
except FileNotFoundError:
    print("Set5 is not here; `srutils fetch set5` brings it, and this cell compares it with the published row.")

# %% [markdown]
# With Set5 at hand, the luma convention gives the published row to the last digit that anybody prints. That is how
# you know that LR, kernel, luma, shave, rounding and averages are right (the PSNR of each photograph is taken, then
# the mean). The other convention scores one or two hundredths of a decibel higher.

# %% jupyter={"source_hidden": true} tags=["check"]
# Section 4: our protocol is the course's and, on Set5, everybody's.
from srutils import scoring
from srutils.upscale import Upscaler

assert 1.4 < np.ptp([db for db, *_ in scored.values()]) < 1.7 and all(v[1] < v[2] for v in scored.values())
assert np.isclose(metrics.photo_scores(sr, hr, 4)["psnr"], scored["luma 16-235, shaved"][0], atol=1e-3)
for convention, row in own.items():
    for scale, ours in row.items():
        theirs = scoring.evaluate_photos(Upscaler.load("bicubic", scale), photos.builtin(True).items(), convention)
        assert np.allclose(ours, [theirs["psnr"], theirs["ssim"]], atol=2e-4), (convention, scale)
for scale, ours in set5.get("luma", {}).items():
    gap = np.abs(ours - np.array(PUBLISHED[scale].split(" / "), float))
    assert (gap <= [0.00501, 0.000201]).all(), (scale, gap)  # printed to two and four decimals

# %% [markdown]
# ## 5. Lenses, track one: a test with a ceiling
#
# On lenses there is less to agree on: one channel, no shaving, no clipping, no rounding, peak 1. Each image is
# scored, then the scores are averaged, and their spread is given.
#
# On the `deeplense` track HR is a *noisy* picture of the lens, and LR is a resize of that same noisy picture, as in
# the well-known DeepLense test (lesson 01). The target is the noisy HR. We take 60 lenses of the test split, seed 0:
# the same 60 as in lessons 03 and 05, so that their tables and this one agree.

# %%
N = 60
deep = lensing.lens_set("deeplense", N, split="test")
hr, truth, lr = (images[..., 0].astype(float) for images in (deep.hr, deep.truth, deep.lr))
deep_sr = {name: resize(lr, (150, 150), *kernel) for name, kernel in KERNELS.items()}
deep_sr["bicubic, a = -0.75"] = resize(lr, (150, 150), sharper, antialias=False, edge="repeat")
deep_scores = {name: metrics.lens_scores(sr[..., None], deep.hr) for name, sr in deep_sr.items()}
for name, scores in deep_scores.items():
    print(f"{name:18} {scores['psnr'].mean():.2f} ± {scores['psnr'].std():.2f} dB, SSIM {scores['ssim'].mean():.4f}")

# %% [markdown]
# *Which* bicubic enlarges is worth about a third of a decibel: $a = -0.75$, torch's and OpenCV's, makes arcs and noise
# too sharp. The LR of this test is made with it (lesson 01), so on this track the course, and `srutils evaluate`, count
# "decibels above bicubic" from it.
#
# ### The ceiling
#
# How good can a network be? HR is the true scene plus noise $n$, independent from pixel to pixel. Suppose somebody
# told us the true scene. Then only the noise is left to predict, from what LR holds of it. LR is a linear map of HR,
# $\mathrm{LR} = B\,\mathrm{HR}\,B^T$, with the matrix $B$ that `weights` makes, so LR minus the reduced truth *is*
# $B\,n\,B^T$. The best prediction of $n$ is $B^+ (B\,n\,B^T) B^{+T}$: the pseudo-inverse $B^+$ gives the smallest
# noise that explains LR. That is the **oracle**. No network can beat it on average, as it knows more than any network.
# (This is exact for Gaussian noise of one strength. Photon noise is nearly so, and we neglect the difference.)

# %%
B = weights(150, 75, sharper, antialias=False, edge="repeat")
inverse = np.linalg.pinv(B)
oracle = truth + inverse @ (lr - B @ truth @ B.T) @ inverse.T
references = {"oracle": oracle, "noise-free truth": truth}
deep_scores |= {name: metrics.lens_scores(sr[..., None], deep.hr) for name, sr in references.items()}
level = {name: scores["psnr"].mean() for name, scores in deep_scores.items()}
for name in references:
    gain = level[name] - level["bicubic, a = -0.75"]
    print(f"{name:16} {level[name]:.2f} dB, {gain:+.2f} dB against the test's own bicubic")

# %% tags=["nbval-ignore-output"]
without_noise = resize(B @ truth @ B.T, (150, 150), sharper, antialias=False, edge="repeat")
errors = {"oracle": oracle - hr, "noise-free truth": truth - hr}
errors |= {"bicubic, a = -0.75": deep_sr["bicubic, a = -0.75"] - hr, "bicubic's, without noise": without_noise - truth}
figure, ax = plt.subplots(figsize=(7.6, 3.3))
for (name, error), colour in zip(errors.items(), (0, 2, 4, 3), strict=True):
    frequency, power = metrics.radial_power_spectrum(error[..., None])
    ax.semilogy(frequency, power.mean(0), color=plotting.COLOURS[colour], label=name)
ax.axvline(0.25, color="0.5", linestyle="--", linewidth=1, label="LR's Nyquist frequency")
ax.set(xlabel="frequency [cycles per HR pixel]", ylabel="power of the error", ylim=(1e-6, 4e-4))
figure.legend(loc="outside right center", fontsize=9)
plotting.show(figure, alt="Error power against frequency, of the oracle, the truth and bicubic.", svg=True)

# %% [markdown]
# The ceiling lies less than a decibel above the test's bicubic, and **the perfect picture scores below bicubic**. The
# figure shows why; it splits each error by how fine it is. The truth differs from HR by HR's noise, which is white: a
# flat line (light blue). The oracle (black) is right about the scene *and* about coarse noise, which LR holds.
# Bicubic (orange) lies between the two over most of the range: it beats the truth by *copying the noise* that LR
# holds, and the score counts that as success. Its error on the scene alone (green) is large at the coarse end, where
# $a = -0.75$ sharpens the arcs too much, and again at the fine end, where the kernel lets copies of coarse waves
# through. So what lies between bicubic and the oracle is in part bicubic's own error on the scene, which a better
# kernel already lessens; the rest can only be gained by interpolating noise well. Neither says much about lenses.
#
# ### What others report
#
# Five public projects give scores on the original files. Each has its own split, so dots of one letter may be
# compared with each other, and those of two letters only roughly.

# %%
REPORTED = {  # PSNR in dB as each project reports it; addresses under References
    "A": {"bicubic": 41.61, "EDSR": 42.37},
    "B": {"ESPCN": 42.29, "SRCNN, large": 42.10, "SRCNN, small": 42.02, "SRResNet": 41.66, "SRGAN": 40.49},
    "C": {"DIPNet (validation)": 42.36},
    "D": {"SuperResCNN": 41.78, "EDSR": 36.77, "ESRGAN": 27.57, "LapSRN": 22.24},
    "E": {"SRGAN": 36.70},
}

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(8, 3.9))
for name, colour in {"bicubic, a = -0.75": 2, "oracle": 3}.items():
    error = 2 * deep_scores[name]["psnr"].std() / np.sqrt(N)
    ax.axvspan(level[name] - error, level[name] + error, color=plotting.COLOURS[colour], alpha=0.25, linewidth=0)
    ax.text(level[name], -0.8, f"{name.split(',')[0]},\nour replica", ha="center", fontsize=8)
rows = [(f"{name}  {source}", db) for source, scores in REPORTED.items() for name, db in scores.items()]
for y, (name, db) in enumerate(rows):
    colour = plotting.COLOURS[(0, 5, 6, 4, 3)["ABCDE".index(name[-1])]]
    ax.plot(db, y, "o", color=colour)
    if db < 40:
        arrow = {"arrowstyle": "->", "color": colour}
        ax.annotate(f"{db:.2f} dB", (40.05, y), (40.3, y), va="center", arrowprops=arrow, color=colour)
ax.set(yticks=range(len(rows)), yticklabels=[name for name, _ in rows], xlim=(40, 42.8), ylim=(12.6, -1.9))
ax.set_xlabel("PSNR as reported [dB]")
plotting.show(figure, alt="Reported scores by project, with bands for our bicubic and ceiling.", svg=True)


# %% [markdown]
# The bands are our 60 lenses: mean, and twice its standard error to each side. That our bicubic lies where project
# A's does confirms nothing, since the replica was *fitted* to original images. The clean comparison is within A: its
# EDSR lies 0.76 dB above its own bicubic, our oracle 0.78 dB above ours. The best of B and C end inside the oracle's
# band, too, but report no bicubic beside them. Between these networks the test cannot choose. An EDSR stands at the
# top of A and some five decibels below A's bicubic in D; that is not the network, but how it was trained or scored,
# and **one row for bicubic** would have raised the question.
#
# ## 6. Lenses, track two: where bicubic is a straw man
#
# On the `telescope` track two instruments look at the same sky: HR with a narrow point-spread function (PSF) and
# small pixels, LR with a wider PSF, larger pixels and its own photon noise. We score against the *noise-free* scene.
# Bicubic neither undoes LR's blur nor removes its noise. An astronomer would deconvolve; so shall we.
#
# What LR saw, given the scene $x$: blur by the *difference* of the two PSFs (for Gaussians, the widths subtract in
# squares), average over `scale` × `scale` pixels, keep one value each. Blur and average are convolutions, and in
# Fourier space a convolution is a product: with the transfer function $T$. Is this model right? **Chi square** is the
# mean of (LR − prediction)², divided by the variance of the photon noise.

# %%
def transfer(n, scale, fwhm=None):
    """How LR's telescope sees each frequency of an n x n HR scene; fwhm in arcsec, LR's own by default."""
    fwhm = np.sqrt((fwhm or lensing.PSF_FWHM[scale]) ** 2 - lensing.PSF_FWHM[1] ** 2) / lensing.PIXEL
    f = np.fft.fftfreq(n)
    blur = np.exp(-2 * (np.pi * f * fwhm / np.sqrt(8 * np.log(2))) ** 2)
    average = np.exp(2j * np.pi * np.outer(f, np.arange(scale))).mean(1)  # pixels 0 ... scale - 1 on
    return np.outer(blur * average, blur * average).astype(np.complex64)


# %%
def chi_square(y, x, scale):
    """Chi square per LR pixel if the scenes x (N, H, W) are to explain the counts in y (N, h, w)."""
    seen = fft.ifft2(fft.fft2(x) * transfer(x.shape[-1], scale)).real[:, ::scale, ::scale]
    variance = (np.maximum(seen, 0) * lensing.PEAK + lensing.SKY) / (scale * lensing.PEAK) ** 2
    return np.mean((y - seen) ** 2 / variance)


telescope = {scale: lensing.lens_set("telescope", N, scale=scale, split="test") for scale in (2, 4)}
for scale, lenses in telescope.items():
    explained = chi_square(lenses.lr[..., 0], lenses.truth[..., 0], scale)
    print(f"x{scale}: the true scene explains LR with a chi square of {explained:.2f} per pixel")


# %% [markdown]
# A chi square of 1 means that what is left is photon noise and nothing else: the model is right. Now invert it.
# Dividing by $T$ would blow up the noise wherever $T$ is small. Two ways out.
#
# **Wiener** (1949) weighs each frequency by how much signal to expect there. With a power law for scenes, $P = (1 +
# f^2/f_0^2)^{-\gamma}$, and white noise of power $\nu$, the best linear estimate is
#
# $$ \hat X = \frac{T^* P}{\sum_\text{aliases} |T|^2 P + \nu}\; Y . $$
#
# $Y$ is LR's spectrum, $\hat X$ the estimate of the scene's, $T^*$ the complex conjugate of $T$; $f_0$, $\gamma$, $\nu$
# are `corner`, `slope`, `noise` in the code. The sum is there because `scale` × `scale` frequencies of HR fold onto
# each of LR (lesson 01). Negative light makes no sense, so we set it to zero at the end.

# %%
def wiener(y, T, scale, corner, slope, noise):
    """y: (N, h, w). The estimate (N, h * scale, w * scale)."""
    n, h = len(T), len(T) // scale
    f2 = np.add.outer(np.fft.fftfreq(n) ** 2, np.fft.fftfreq(n) ** 2)
    power = (1 + f2 / corner**2) ** -slope
    folded = (power * np.abs(T) ** 2).reshape(scale, h, scale, h).sum((0, 2)) / scale**4
    weight = power * np.conj(T) / scale**2 / np.tile(folded + noise, (scale, scale))
    spectrum = np.tile(fft.fft2(y), (1, scale, scale))  # LR's spectrum repeats beyond its Nyquist frequency
    return np.maximum(fft.ifft2(spectrum * weight.astype(np.complex64)).real, 0)


# %% [markdown]
# **Richardson-Lucy** (1972, 1974) asks which scene makes the counted photons most likely. Start from a flat scene
# $x$; predict the counts; divide what was seen by what was predicted; project that ratio back; multiply:
#
# $$ x \leftarrow x \cdot \frac{D^T\!\left( y / (D x) \right)}{D^T 1}, $$
#
# $D$ being the instrument, sky included. Light stays positive by construction. We may also ask the scene to be
# smooth, as if a Gaussian of some width had been part of the instrument, and smooth the result at the end.
#
# **Tuning.** Whoever chooses constants on the test lenses reports a number that new lenses will not give, so we use the
# *validation* split, which shares no lens with the others. Wiener has three constants, and gets a grid;
# Richardson-Lucy has a smoothing and a number of iterations, and one run gives all numbers at once.

# %%
def richardson_lucy(y, T, scale, checkpoints, sky=lensing.SKY / lensing.PEAK, smoothing=0.0):
    """y: (N, h, w). A dict of the estimates (N, h * scale, w * scale) after some numbers of iterations."""
    n, half = len(T), len(T) // 2 + 1
    blur = np.exp(-2 * (np.pi * np.fft.fftfreq(n) * smoothing / np.sqrt(8 * np.log(2))) ** 2)
    smooth = np.outer(blur, blur)[:, :half].astype(np.float32)
    T = T[:, :half] * smooth

    def apply(image, t):
        return fft.irfft2(fft.rfft2(image) * t, s=(n, n))

    def back(ratio):
        spread_out = np.zeros((len(ratio), n, n), np.float32)
        spread_out[:, ::scale, ::scale] = ratio
        return apply(spread_out, np.conj(T))

    seen, ones = np.maximum(y + np.float32(sky), 0), back(np.ones_like(y[:1]))
    x = np.ones((len(y), n, n), np.float32) * np.maximum(y.mean((1, 2), keepdims=True), 1e-3)
    kept = {}
    for iteration in range(1, max(checkpoints) + 1):
        predicted = apply(x, T)[:, ::scale, ::scale] + np.float32(sky)
        x = x * np.maximum(back(seen / np.maximum(predicted, 1e-6)) / ones, 0)
        if iteration in checkpoints:
            kept[iteration] = apply(x, smooth)
    return kept


# %%
VALIDATION = {scale: lensing.lens_set("telescope", N, scale=scale, split="val") for scale in (2, 4)}
GRID = [(c, s, n) for c in (0.04, 0.08, 0.16) for s in (3.0, 4.0, 5.0) for n in 10 ** np.arange(-7.5, -4, 0.5)]
best_wiener = {}
for scale, lenses in VALIDATION.items():
    y, T = lenses.lr[..., 0], transfer(128, scale)
    found = [metrics.psnr(wiener(y, T, scale, *c)[..., None], lenses.truth).mean() for c in GRID]
    best_wiener[scale] = GRID[np.argmax(found)]
    print(f"x{scale}: corner {{}}, slope {{}}, noise {{:.1e}}: {max(found):.2f} dB".format(*best_wiener[scale]))

# %%
ITERATIONS = {2: (2, 5, 10, 15, 20, 30, 40, 60), 4: (5, 10, 20, 40, 60, 80, 120)}
search = {2: {0: None, 1: None, 2: None, 3: None}, 4: {0: None, 2: None}}  # scale -> smoothing -> PSNRs
for scale, lenses in VALIDATION.items():
    for width in search[scale]:
        psnrs = []
        for part in np.split(np.arange(N), 4):  # a few at a time stay in the processor's cache
            y, T = lenses.lr[part, ..., 0], transfer(128, scale)
            runs = richardson_lucy(y, T, scale, ITERATIONS[scale], smoothing=width)
            psnrs.append([metrics.psnr(x[..., None], lenses.truth[part]).mean() for x in runs.values()])
        search[scale][width] = np.mean(psnrs, 0)

# %%
best_lucy = {}
for scale, curves in search.items():
    width = max(curves, key=lambda w, curves=curves: curves[w].max())
    best_lucy[scale] = {"iterations": ITERATIONS[scale][curves[width].argmax()], "smoothing": width}
    print(f"x{scale}: {best_lucy[scale]}: {curves[width].max():.2f} dB")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.1))
for ax, (scale, curves) in zip(axes, search.items(), strict=True):
    for width, curve in curves.items():
        colour = plotting.COLOURS[(4, 1, 5, 2)[width]]
        ax.semilogx(ITERATIONS[scale], curve, "o-", markersize=3, color=colour, label=f"smoothing {width} px")
    ax.set(xlabel="iterations", ylabel="PSNR [dB]", title=f"Richardson-Lucy, x{scale}")
    ax.set(ylim=(curves[0].max() - 5, None), xlim=(2, 130))
    ax.set_xticks((2, 5, 10, 20, 50, 100), ("2", "5", "10", "20", "50", "100"))
    ax.minorticks_off()
    ax.legend(loc="lower center" if scale == 2 else "lower right", fontsize=8)
plotting.show(figure, alt="PSNR against iterations: it rises, peaks and falls; smoothing slows the fall.", svg=True)

# %% [markdown]
# PSNR rises while Richardson-Lucy sharpens the arcs, peaks, and falls as it begins to fit the noise. Stopping at the
# peak is *early stopping*. At x2 smoothing lifts the peak by several tenths of a decibel; at x4 one of 2 pixels does
# not help, and we tried no other.
#
# Now, once, the test split, with nothing left to choose.

# %%
telescope_sr, telescope_scores = {}, {}
for scale, lenses in telescope.items():
    y, T = lenses.lr[..., 0], transfer(128, scale)
    sr = {name: resize(y, (128, 128), *kernel) for name, kernel in KERNELS.items()}
    sr["wiener"] = wiener(y, T, scale, *best_wiener[scale])
    number, width = best_lucy[scale].values()
    sr["richardson-lucy"] = richardson_lucy(y, T, scale, (number,), smoothing=width)[number]
    sr["noisy HR"] = lenses.hr[..., 0]
    telescope_sr[scale] = sr
    telescope_scores[scale] = {n: metrics.lens_scores(x[..., None], lenses.truth) for n, x in sr.items()}

# %% tags=["nbval-ignore-output"]
columns = {"truth": telescope[4].truth[4], "LR x4": telescope[4].lr[4]}
for name, label in {"bicubic": "bicubic", "wiener": "Wiener", "richardson-lucy": "Rich.-Lucy"}.items():
    columns[f"{label} x4"] = telescope_sr[4][name][4][..., None]
columns["Rich.-Lucy x2"] = telescope_sr[2]["richardson-lucy"][4][..., None]
columns["noisy HR"] = telescope[2].hr[4]
norm = plotting.stretch([columns["truth"]], limits=(-0.02, 1))
figure = plotting.zoom_grid(columns, "truth", (20, 36, 44, 44), norm=norm, residual_range=0.12, size=1.4)
plotting.show(figure, alt="A lens: truth, LR, bicubic, two deconvolutions, and the noisy HR, with residuals.")

# %% [markdown]
# Top to bottom: the lens, a part of it, and the error. Bicubic's error is the arc itself: too wide, too faint. Wiener
# restores much of it, and pays with ripples in the dark sky, because one filter serves bright arc and empty field
# alike. Richardson-Lucy knows that dark pixels have little noise, and multiplies instead of adding, so its sky is
# clean. Made from LR at x2 it is, on average, even closer to the truth than the HR exposure, which is noisy. So
# a network that beats HR at x2 has not yet beaten the best classical method.
#
# ## 7. The baselines
#
# A network of this course stands beside bicubic *and* the best classical figure. The rows in italics are marks, not
# methods: on average no network can pass the oracle; noisy HR, what the better telescope records, can be passed.

# %% tags=["readme-table", "table-lens-baselines"]
TRACKS = {"deeplense x2": deep_scores, "telescope x2": telescope_scores[2], "telescope x4": telescope_scores[4]}
NAMES = {"bicubic": "bicubic (a = -0.5)", "bicubic, a = -0.75": "bicubic (a = -0.75)", "lanczos": "Lanczos"}
NAMES |= {"wiener": "Wiener, tuned", "richardson-lucy": "Richardson-Lucy, tuned"}
NAMES |= {name: f"*{name}*" for name in ("oracle", "noise-free truth", "noisy HR")}
lines = [f"| {N} test lenses, seed 0 | " + " | ".join(f"{t}: PSNR [dB] / SSIM / MSE" for t in TRACKS) + " |"]
lines += ["| --- | --- | --- | --- |"]
for name in ("nearest", "bilinear", *NAMES):
    cells = [NAMES.get(name, name)]
    for scores in TRACKS.values():
        s = scores.get(name)
        means = s and f"{s['psnr'].mean():.2f} ± {s['psnr'].std():.2f} / {s['ssim'].mean():.4f}"
        cells.append(f"{means} / {s['mse'].mean():.2e}" if s else "–")
    lines.append("| " + " | ".join(cells) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# Means over lenses, with the standard deviation of PSNR over lenses. On `deeplense` the target is the noisy HR, on
# `telescope` the noise-free truth; so do not compare across columns. Lenses differ by some two decibels on
# `telescope`: compare two methods on *the same* ones.
#
# PSNR and SSIM disagree here. Wiener is five to six decibels above bicubic and yet *below* it in SSIM; so is the
# noisy HR beside x2. Both have grain in the dark sky, where SSIM is at its strictest.
#
# ## What went wrong and why
#
# First, Richardson-Lucy without stopping.

# %%
LONG = (1, 5, 10, 20, 40, 80, 160, 320)
some = telescope[2][:12]
runs = richardson_lucy(some.lr[..., 0], transfer(128, 2), 2, LONG)
long_psnr = [metrics.psnr(x[..., None], some.truth).mean() for x in runs.values()]
long_chi2 = [chi_square(some.lr[..., 0], x, 2) for x in runs.values()]
for number, db, chi2 in zip(LONG, long_psnr, long_chi2, strict=True):
    print(f"{number:4d} iterations: PSNR against truth {db:.2f} dB, chi square per LR pixel {chi2:.2f}")

# %% tags=["nbval-ignore-output"]
part = np.s_[20:64, 36:80]
pairs_of_scenes = [np.hstack([some.truth[4, ..., 0][part], x[4][part]]) for x in runs.values()]
frames = [plt.get_cmap("inferno")(norm(both))[..., :3] for both in pairs_of_scenes]
labels = [f"the truth | after {k} iterations: {db:.1f} dB" for k, db in zip(LONG, long_psnr, strict=True)]
display(plotting.knob(frames, labels, start=2))

# %% [markdown]
# Turn the knob. Left is the truth, right the same arc as the iterations go on (decibels: means over 12 lenses). In the
# end it is broken up into bright specks. They look like star-forming clumps, and fit the data better than the truth
# does. The fit itself does not warn you, for it improves with every iteration. Chi square does, where the noise is
# known: the truth has about 1, the specks 0.52 (at the best PSNR it is 0.88 already: it warns early).
#
# Second, Wiener with the wrong PSF. We tell it that LR's PSF is narrower or wider than it was.

# %%
lenses, wrong_psf = telescope[2], {}
for factor in (0.8, 0.9, 1.0, 1.1, 1.2):
    T = transfer(128, 2, fwhm=factor * lensing.PSF_FWHM[2])
    sr = wiener(lenses.lr[..., 0], T, 2, *best_wiener[2])
    wrong_psf[factor] = metrics.psnr(sr[..., None], lenses.truth).mean()
    print(f"PSF taken as {factor:.1f} of the real width: {wrong_psf[factor]:.2f} dB")

# %% [markdown]
# With the constants kept, ten percent of error in the width costs less than a decibel, twenty percent one and a half
# (too narrow) to two and a half (too wide). Too wide is worse, for it sharpens what was never blurred. A trained
# network has the same weakness, hidden: it learned one PSF, and has no knob to turn when the PSF changes.

# %% jupyter={"source_hidden": true} tags=["check"]
# Sections 5 to 7: our oracle and deconvolvers are the course's, the search finds what it ships, the sentences hold.
from skimage.restoration import richardson_lucy as by_scikit_image

from srutils.lensing import baselines

assert np.abs(oracle - lensing.oracle(deep)[..., 0]).max() < 1e-5
quoted = scoring.evaluate_lenses(Upscaler.load("bicubic", 2), deep)["bicubic"]["psnr"]
assert np.isclose(quoted, level["bicubic, a = -0.75"], atol=1e-4)
assert 0.25 < level["bicubic"] - quoted < 0.45 and 0.6 < level["oracle"] - quoted < 0.9
assert level["noise-free truth"] < quoted
error = 2 * deep_scores["oracle"]["psnr"].std() / np.sqrt(N)
assert all(abs(db - level["oracle"]) < error for db in (42.37, 42.29, 42.36))
y, T = telescope[2].lr[:4], transfer(128, 2)
assert all(np.abs(transfer(128, s) - baselines.transfer((128, 128), s)).max() < 1e-6 for s in (2, 4))
assert np.abs(wiener(y[..., 0], T, 2, *best_wiener[2]) - baselines.wiener(y, 2)[..., 0]).max() < 1e-5
ours = richardson_lucy(y[..., 0], T, 2, (12,), smoothing=1.0)[12]
assert np.abs(ours - baselines.richardson_lucy(y, 2, iterations=12, smoothing=1.0)[..., 0]).max() < 1e-5
psf = np.outer(*[np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)] * 2)
centred = np.roll(np.pad(psf / psf.sum(), (0, 119)), (-4, -4), (0, 1))  # the PSF's centre on pixel (0, 0)
blurred = ndimage.convolve(telescope[2].truth[0, ..., 0] + 0.01, psf / psf.sum())
ours = richardson_lucy(blurred[None], np.fft.fft2(centred), 1, (5,), sky=0)[5][0]
theirs = by_scikit_image(blurred, psf / psf.sum(), num_iter=5, clip=False)
assert np.abs(ours - theirs)[44:84, 44:84].max() < 1e-5  # the two treat the border differently
assert best_lucy == baselines.RICHARDSON_LUCY
assert all(np.allclose(c, list(baselines.WIENER[s].values())) for s, c in best_wiener.items())
assert search[2][2].max() > search[2][0].max() + 0.2 and search[4][2].max() < search[4][0].max()
for scale, scores in telescope_scores.items():
    db, of = ({n: s[key].mean() for n, s in scores.items()} for key in ("psnr", "ssim"))
    assert db["bicubic"] + 4 < db["wiener"] < db["richardson-lucy"] - 2 and of["wiener"] < of["bicubic"]
    assert (db["richardson-lucy"] > db["noisy HR"]) == (scale == 2) and of["richardson-lucy"] == max(of.values())
assert telescope_scores[2]["noisy HR"]["ssim"].mean() < telescope_scores[2]["bicubic"]["ssim"].mean()
assert np.all(np.diff(long_chi2) < 0) and long_chi2[-1] < 1 and long_psnr[-1] < max(long_psnr) - 8
assert max(wrong_psf, key=wrong_psf.get) == 1.0 and wrong_psf[1.2] < wrong_psf[0.8] < wrong_psf[1.0] - 1

# %% [markdown]
# ## Recap
#
# - **A convolution** is a table of weights that slides over a picture; an interpolation kernel's weights depend on
#   the distance. None brings back a texture that LR lacks.
# - **A PSNR without its protocol says little.** The library that made LR moved it by up to two decibels, luma
#   and shaving by one and a half; a wrong peak lifts SSIM for free. Set5's bicubic row is the test of a protocol.
# - **DeepLense's test has a ceiling** of less than a decibel above its bicubic, set by noise that no one can know. The
#   perfect picture scores below bicubic, which copies noise that the target has.
# - **The numbers to beat** stand in section 7. On `telescope` that is Richardson-Lucy, tuned on validation lenses.
#
# To score any of these methods on pictures of your own:
#
# ```
# srutils evaluate bicubic --data MY_PHOTOS --scale 4
# ```

# %% [markdown]
# ## Exercises
#
# Each ends in a cell that checks your answer: it says whether it is right, nearly right and why, or where to
# look. Worked answers are in [solutions/02_bicubic_baseline.ipynb](solutions/02_bicubic_baseline.ipynb).
#
# **1. A score that agrees with the tables.** You have enlarged some photographs, they are stored as 8-bit
# RGB, and you want the PSNR that a current table of photographs would print for them. Write the function,
# from the rules of section 4. (`metrics.photo_scores` would do it; the point is to get there without it.)
#
# <details><summary>Hint</summary>
#
# Four choices, one after the other: which signal of the three channels, in which range; which pixels; which
# peak, in the unit of that signal; and which mean over the pictures. Turn bytes into floats first: in bytes,
# 3 - 5 is not -2. The pictures may differ in size, so they come as lists.
#
# </details>

# %% tags=["exercise"]
from srutils import exercises


def table_psnr(sr, hr, scale):
    """sr, hr: lists of uint8 RGB pictures (H, W, 3) -> the PSNR that a table prints, in dB."""
    ...


exercises.check(2, 1, table_psnr)


# %% [markdown]
# **2. Wiener without tuning.** Section 6 guessed that scenes have a power law for a spectrum, and tuned
# three constants. Both ingredients can be had without a guess: the scenes' power spectrum $P$ from the
# noise-free truths of the *training* lenses, the noise $\nu$ from the photons in LR. Write the function
# that measures them, in the units in which `np.fft.fft2` gives them (no division by the number of pixels).
# When it is right, put both into `wiener` instead of the power law: how close do you come to the tuned
# filter?
#
# <details><summary>Hint</summary>
#
# $P$ is a mean over scenes of a squared absolute value, one number for each frequency. For $\nu$: a pixel
# of LR collects photons from an area of `scale` × `scale` HR pixels, from lens and sky, and its brightness
# is that number over `scale**2 * PEAK`, less the sky (section 6 has the variance, in the cell that computes
# chi square). A Fourier coefficient is a sum over all $h\times w$ pixels, whose noise is independent. In
# `wiener`, `power` and `noise` take the place of the power law and of the constant; `folded` keeps its
# factor `scale**-4`.
#
# </details>

# %% tags=["exercise"]
def measure(truth, lr, scale):
    """truth (N, H, W), lr (N, h, w) -> power (H, W) of the scenes, and the noise power of LR, a number."""
    ...


exercises.check(2, 2, measure)


# %% [markdown]
# **3. Stopping without the truth.** A real lens comes without its truth, so nobody can tell where PSNR
# peaks. But the photons can be counted, so we know how well a scene *should* explain LR: chi square per
# pixel should be about 1. A scene that explains it better than that explains noise. Write the function that
# stops Richardson-Lucy, without smoothing, by this rule (the *discrepancy principle*): for each lens on its
# own, the first entry of `runs` at which chi square per LR pixel is 1 or less, or the last one if there is
# none.
#
# <details><summary>Hint</summary>
#
# `chi_square` of section 6 averages over the lenses, too. What the scene predicts, what variance the photons of
# that prediction have, what LR shows: mean over the axes of the pixels only. To try it, take
# `y = telescope[2].lr[:12, ..., 0]` and `runs = richardson_lucy(y, transfer(128, 2), 2, range(1, 31))`;
# then compare the PSNR where you stop with the best of each lens.
#
# </details>

# %% tags=["exercise"]
def stop(y, runs):
    """y (N, 64, 64): LR at x2; runs: {iterations: scenes (N, 128, 128)} -> array (N,): where to stop."""
    ...


exercises.check(2, 3, stop)

# %% [markdown]
# ## References
#
# - R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29, 1153 (1981).
#   [doi.org/10.1109/TASSP.1981.1163711](https://doi.org/10.1109/TASSP.1981.1163711)
# - Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to
#   structural similarity", IEEE TIP 13, 600 (2004).
#   [doi.org/10.1109/TIP.2003.819861](https://doi.org/10.1109/TIP.2003.819861)
# - Y. Blau, T. Michaeli, "The perception-distortion tradeoff", CVPR (2018), 6228.
#   [doi.org/10.1109/CVPR.2018.00652](https://doi.org/10.1109/CVPR.2018.00652)
# - C. Dong, C. C. Loy, K. He, X. Tang, "Image super-resolution using deep convolutional networks", IEEE
#   TPAMI 38, 295 (2016). [doi.org/10.1109/TPAMI.2015.2439281](https://doi.org/10.1109/TPAMI.2015.2439281)
# - M. Bevilacqua et al., "Low-complexity single-image super-resolution based on nonnegative neighbor
#   embedding", BMVC (2012). [doi.org/10.5244/C.26.135](https://doi.org/10.5244/C.26.135)
# - N. Wiener, *Extrapolation, Interpolation, and Smoothing of Stationary Time Series*, MIT Press (1949).
#   [doi.org/10.7551/mitpress/2946.001.0001](https://doi.org/10.7551/mitpress/2946.001.0001)
# - W. H. Richardson, "Bayesian-based iterative method of image restoration", JOSA 62, 55 (1972).
#   [doi.org/10.1364/JOSA.62.000055](https://doi.org/10.1364/JOSA.62.000055)
# - L. B. Lucy, "An iterative technique for the rectification of observed distributions", AJ 79, 745 (1974).
#   [doi.org/10.1086/111605](https://doi.org/10.1086/111605)
# - The reported scores on the DeepLense test stand in these projects' READMEs or result files on GitHub (read in
#   November 2026): A [RastinAghighi/DeepLense](https://github.com/RastinAghighi/DeepLense), `results/eval_via.json`,
#   B [Shubham-Mate/ML4Sci-DeepLense-Solution](https://github.com/Shubham-Mate/ML4Sci-DeepLense-Solution),
#   C [arnesh2212/DeepLense](https://github.com/arnesh2212/DeepLense),
#   D [yaashwardhan/Evaluation-Test-DeepLense](https://github.com/yaashwardhan/Evaluation-Test-DeepLense),
#   E [yogesh174/gsoc-ml4sci-tests](https://github.com/yogesh174/gsoc-ml4sci-tests),
#   `deeplense/specific-test-super-resolution`.
#
# **Next:** lesson 03 trains the first networks, SRCNN on photographs and SuperResCNN on lenses, and asks
# what three layers learn that a kernel cannot.
