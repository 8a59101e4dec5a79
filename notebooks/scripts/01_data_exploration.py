# %% [markdown]
# # 01 · What do low and high resolution really share?
#
# Every super-resolution method makes the same bet: that a blurred, coarse, noisy picture still holds more than
# the eye sees in it. Whether the bet can be won is decided before any network is trained, by **how the
# low-resolution picture came to be**.
#
# This lesson trains nothing. It solves a small case: the two pictures of each
# pair in a well-known benchmark turn out not to be two observations.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/01_data_exploration.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/01_data_exploration.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/01_data_exploration.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - make low-resolution (LR) pictures from high-resolution (HR) ones, and measure what is lost;
# - build a gravitational lens in thirty lines of NumPy, and watch a telescope turn it into pixels;
# - find out, from the files alone, which computation made the LR images of a benchmark;
# - let a deliberately silly "network" cheat its way past a bad data split.
#
# **You will learn** where an LR pixel lies; what the Nyquist limit, aliasing and the noise floor mean for
# super-resolution; why an Einstein ring is a ring, and how faint the trace of dark-matter clumps in it is; and to
# ask of any data set: *is LR a second observation, or a copy of HR?*
#
# **You will need** basic NumPy, and about 35 minutes to read. The code runs in about a minute on a laptop
# without a GPU, and downloads nothing. Real Hubble images appear where `SR_DATA` points to them.

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
import importlib.util

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from scipy import ndimage
from scipy.spatial import cKDTree
from torch.nn.functional import interpolate

from srutils import lensing, metrics, pairs, photos, plotting

plotting.use_style()
cat = photos.builtin()["chelsea"][40:240, 100:300]
views = {"HR": cat, "LR x2: a quarter of the pixels": pairs.degrade(cat, 2)}
views["LR x4: a sixteenth"] = pairs.degrade(cat, 4)
figure = plotting.zoom_grid(views, "HR", box=(40, 35, 64, 64), size=2.6)
plotting.show(figure, alt="A cat at full, half and quarter resolution, and the same zoom on one eye at each.")

# %% [markdown]
# ## 1. What a pixel keeps
#
# Take a sharp photograph and call it HR. Reduce it with `pairs.degrade`, a bicubic reduction; what comes out
# is LR. That is how nearly all training data for photographs are made, and super-resolution is asked for the
# way back. At x2 single hairs run together, at x4 the eye is plainly a
# mosaic, and the highlight in the pupil has dimmed. Why? *(Chelsea: Stéfan van der Walt, CC0.)*

# %% tags=["nbval-ignore-output"]
place = np.linspace(-0.5, 11.5, 1201)
light = 0.25 + 0.6 * np.exp(-(((place - 3) / 1.3) ** 2)) + 0.9 * np.exp(-(((place - 8.3) / 0.35) ** 2))
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.6), sharey=True)
for ax, s in zip(axes, (1, 2, 4), strict=True):
    collected = light[:-1].reshape(12 // s, -1).mean(1)
    centres = (np.arange(12 // s) + 0.5) * s - 0.5
    ax.bar(centres, collected, width=s, color=plotting.COLOURS[2], edgecolor="white")
    ax.plot(place, light, color="black", linewidth=1)
    ax.plot(centres, collected, "o", color=plotting.COLOURS[4], markersize=5)
    ax.set(title="HR" if s == 1 else f"LR x{s}", xlabel="HR column", xticks=range(0, 12, 2))
    ax.grid(False)
axes[0].set_ylabel("brightness")
plotting.show(figure, alt="A curve of light, and its means over pixels of one, two and four columns.", svg=True)

# %% [markdown]
# A pixel collects the light that falls on its area, and stores **one number: the mean** (bicubic reduction
# takes a weighted mean over a somewhat wider area). The black curve is the light along one line, the bars are pixels of three sizes.
# The narrow peak is averaged with its dark surroundings: the larger the pixel, the less of it is left.
#
# ### Where is an LR pixel?
#
# The orange dots show something else: the centre of an LR pixel lies **between** HR pixels. Feed the reduction a
# *ramp*, in which every pixel's value is its own column number. Then each LR pixel says where it sits.

# %%
ramp = np.broadcast_to(np.arange(64.0)[None, :, None], (64, 64, 1))
for s in (2, 4):
    centres = pairs.degrade(ramp, s)[32 // s, :, 0]
    print(f"x{s}: LR pixels 2, 3, 4 sit at HR columns {', '.join(f'{c:.1f}' for c in centres[2:5])}")


# %% [markdown]
# So LR pixel $i$ sits at HR column $(i+\tfrac12)\,s-\tfrac12$, the middle of the $s$ columns that it covers. The
# way back, from HR column $x$ to LR, is $(x+\tfrac12)/s-\tfrac12$. A tempting shortcut is $x/s$, which puts pixel
# 0 on pixel 0. What does it cost? We enlarge linearly, once with each, and score the photographs' brightness
# (*luma*) by **PSNR**, in decibels (dB): higher is better, and 6 dB more means half the rms error (lesson 02).

# %%
def enlarge(lr, s, c):
    """Enlarge (h, w) linearly; HR column x is read at (x + c) / s - c, where c = 1/2 is right."""
    places = [(np.arange(n * s) + c) / s - c for n in lr.shape]
    return ndimage.map_coordinates(lr, np.meshgrid(*places, indexing="ij"), order=1, mode="nearest")


CENTRES = {"centres on centres": 0.5, "pixel 0 on pixel 0": 0.0}
photographs = {name: metrics.luma(image) for name, image in photos.builtin().items()}
photographs = {name: y[: len(y) // 4 * 4, : y.shape[1] // 4 * 4] for name, y in photographs.items()}
scores = {}
for s in (2, 4):
    small = [pairs.degrade(y, s)[..., 0] for y in photographs.values()]
    for name, c in CENTRES.items():
        large = [enlarge(lr, s, c)[..., None] for lr in small]
        scores[s, name] = np.mean([metrics.psnr(*two) for two in zip(large, photographs.values(), strict=True)])
        print(f"x{s}, {name}: mean PSNR over {len(large)} photographs {scores[s, name]:.2f} dB")

# %% tags=["nbval-ignore-output"]
hr = photographs["chelsea"]
lr = pairs.degrade(hr, 4)[..., 0]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
for ax, (name, c) in zip(axes, CENTRES.items(), strict=True):
    error = (enlarge(lr, 4, c) - hr[..., 0])[50:180, 110:240]
    drawn = ax.imshow(error, cmap=plotting.DIVERGING, vmin=-0.25, vmax=0.25)
    ax.set_title(name)
    ax.set_axis_off()
figure.colorbar(drawn, ax=axes, shrink=0.8, label="enlarged minus HR, at x4")
plotting.show(figure, alt="Errors around a cat's eye: faint where centres are right, in relief where shifted.")


# %% [markdown]
# "Pixel 0 on pixel 0" turns every edge into a red-and-blue relief, the mark of a **shift**. It costs a decibel and
# a half at x2 and two at x4. If a method of yours scores
# *below* plain linear interpolation, look for a shift first.
#
# ### How much is gone?
#
# A picture is a sum of waves. A grid that is $s$ times coarser along each axis holds waves of at most $0.5/s$
# cycles per HR pixel along it: its **Nyquist limit**. What share of each photograph's variance lies beyond it?

# %%
def beyond_nyquist(image, scale):
    """Share of an image's variance at frequencies that a grid `scale` times coarser cannot hold."""
    h, w = image.shape[:2]
    window = np.outer(np.hanning(h), np.hanning(w))
    power = np.abs(np.fft.fft2((image[..., 0] - image.mean()) * window)) ** 2
    fastest = np.maximum(np.abs(np.fft.fftfreq(h))[:, None], np.abs(np.fft.fftfreq(w)))
    return power[fastest > 0.5 / scale].sum() / power.sum()


lost = {name: [100 * beyond_nyquist(y, s) for s in (2, 4)] for name, y in photographs.items()}
for name in sorted(lost, key=lambda name: lost[name][1]):
    print(f"{name:17} beyond x2's limit {lost[name][0]:4.1f} %, beyond x4's {lost[name][1]:4.1f} %")
print("median of x4:", f"{np.median([x4 for _, x4 in lost.values()]):.1f} %")

# %% [markdown]
# At x4 it is nearly a tenth for a photograph in the middle of the list, and more than a third for grass. *For
# photographs, this share is what super-resolution is about* (for lenses it is blur and noise: section 4). LR does
# not hold it, so a method must **guess** it, from the coarse picture and from what others have taught it. For an edge
# or a hair that often works: edges are alike everywhere. For grass it does not: nobody can know where each blade lay,
# and a method that draws blades makes them up.
#
# ## 2. Failure, on purpose: throwing pixels away
#
# Why take means at all? `hr[::4, ::4]` is a legal way to make LR, too. Here is a wave of 0.45 cycles per pixel,
# beyond LR's limit, and what is left of it if every fourth pixel is kept.

# %% tags=["nbval-ignore-output"]
x = np.linspace(0, 40, 2001)
kept = np.arange(0, 41, 4)
figure, ax = plt.subplots(figsize=(9.6, 2.3))
ax.plot(x, np.cos(2 * np.pi * 0.45 * x), color="0.7", linewidth=1, label="in HR: 0.45 cycles a pixel")
ax.plot(x, np.cos(2 * np.pi * 0.05 * x), color=plotting.COLOURS[4], label="in LR: 0.05 cycles a pixel")
ax.plot(kept, np.cos(2 * np.pi * 0.45 * kept), "o", color=plotting.COLOURS[5], label="pixels kept")
ax.set(xlabel="HR column", yticks=[-1, 0, 1], xlim=(0, 40))
ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
plotting.show(figure, alt="A fast wave, sampled at every fourth pixel, looks like a slow one.", svg=True)

# %% [markdown]
# The kept pixels lie on a wave **nine times coarser**, at full strength (with a pixel kept every 4, waves that
# differ by 2/4 cycles per HR pixel look the same: 0.45 and −0.05). It is not in the scene. Detail beyond the limit
# is not lost but *folded* onto coarse detail, and LR alone does not tell the two apart. This is **aliasing**.
# *Antialiasing*, a weighted mean before pixels are dropped, removes the wave before it can fold.
#
# Turn the knob. Left, every $s$-th pixel of a *zone plate*, a target whose rings get finer outwards; right, its
# antialiased reduction.

# %% tags=["nbval-ignore-output"]
axis = np.arange(120) - 59.5
zone_plate = 0.5 + 0.5 * np.cos(0.7 * np.pi * (axis[:, None] ** 2 + axis**2) / 120)[..., None]
frames, scales = [], (1, 2, 3, 4, 5, 6, 8)
for s in scales:
    both = zone_plate[s // 2 :: s, s // 2 :: s], pairs.degrade(zone_plate, s)
    left, right = (image.repeat(s, 0).repeat(s, 1) for image in both)
    frames.append(np.concatenate([left, np.ones((120, 8, 1)), right], axis=1))
display(plotting.knob(frames, [f"x{s}: one pixel in {s} kept | antialiased" for s in scales], start=3))

# %% [markdown]
# At x1 both are the target. From x3 on the left picture grows bull's-eyes; all but the one in the middle are
# ghosts. On the right the rings fade to grey where LR can no longer hold them, which is honest.

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 1 and 2.
library = pairs.resize(pairs.degrade(hr, 4), hr.shape[:2], "bilinear")
assert np.abs(library[..., 0] - enlarge(lr, 4, 0.5)).max() < 1e-4  # Pillow's linear enlargement is ours
wave = np.broadcast_to(np.cos(2 * np.pi * 0.45 * np.arange(400))[None, :, None], (400, 400, 1))
assert np.allclose(wave[0, ::4, 0], np.cos(2 * np.pi * 0.05 * np.arange(0, 400, 4)))
assert pairs.degrade(wave, 4)[:, 5:-5].std() < 0.01

# %% [markdown]
# ## 3. A gravitational lens in thirty lines
#
# A massive galaxy bends the light of a more distant one behind it.

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(9.6, 3.2))
ax.plot([0, 10.2], [0, 0], color="0.6", linewidth=1)
ax.plot([0, 5, 10], [0, 1.6, 0.8], color=plotting.COLOURS[1], linewidth=2.5)
ax.plot([5, 10], [1.6, 3.2], color=plotting.COLOURS[1], linestyle="--")
ax.plot([5, 5], [-0.7, 0.7], color=plotting.COLOURS[5], linewidth=12, solid_capstyle="round")
ax.plot(0, 0, "o", color="black", markersize=9)
ax.plot(10, 0.8, "*", color="black", markersize=14)
ax.plot(10, 3.2, "*", color="black", markersize=14, fillstyle="none")
for x, y, text in ((0, -0.5, "we"), (5, -1.2, "lens galaxy"), (9.3, 0.4, "source"), (9, 3.4, "where we see it")):
    ax.text(x, y, text, ha="center", va="center")
for x, low, high, name in ((10.6, 0, 0.8, r"$\beta$"), (10.6, 0.8, 3.2, r"$\alpha$"), (11.3, 0, 3.2, r"$\theta$")):
    ax.annotate("", (x, low), (x, high), arrowprops={"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0})
    ax.text(x + 0.12, (low + high) / 2, name, va="center", fontsize=13)
ax.set(xlim=(-0.4, 12), ylim=(-1.4, 3.6))
ax.set_axis_off()
plotting.show(figure, alt="A ray is bent at the lens, and seems to come from farther out.", svg=True)


# %% [markdown]
# We see the light in the direction $\boldsymbol\theta$. Without the lens we should see the source in the direction
#
# $$\boldsymbol\beta = \boldsymbol\theta - \boldsymbol\alpha(\boldsymbol\theta),$$
#
# the **lens equation**; all three are angles on the sky, in arcseconds. So $\boldsymbol\alpha$ is the shift as *we*
# see it, smaller than the bend of the ray at the lens. A lens does not change how bright a patch of the source
# looks, only its size and shape. So an image is made backwards: for each pixel $\boldsymbol\theta$ compute
# $\boldsymbol\beta$, and look up how bright the source is there. That is the whole ray tracer.
#
# For $\boldsymbol\alpha$ we take a **singular isothermal ellipsoid** (Kormann et al. 1994), a good description
# of real lens galaxies, and **external shear** (`g1`, `g2`), the tide of masses nearby. The Einstein radius
# $\theta_E$ says how strong the lens is.

# %%
def sie(x, y, theta_E, q, phi):
    """Deflection of an isothermal ellipsoid of axis ratio q < 1, its long axis along the angle phi."""
    c, s = np.cos(phi), np.sin(phi)
    u, v = c * x + s * y, c * y - s * x  # the lens's own axes
    f, psi = np.sqrt(1 - q**2), np.sqrt(q**2 * u**2 + v**2) + 1e-12
    au = theta_E * np.sqrt(q) / f * np.arctan(f * u / psi)
    av = theta_E * np.sqrt(q) / f * np.arctanh(f * v / psi)
    return c * au - s * av, s * au + c * av  # back to the sky's axes


def shear(x, y, g1, g2):
    """Deflection of an external shear."""
    return g1 * x + g2 * y, g2 * x - g1 * y


def to_source(x, y, lens):
    """The lens equation: where in the source plane does the light seen at (x, y) come from?"""
    ax, ay = sie(x - lens.get("x0", 0), y - lens.get("y0", 0), lens["theta_E"], lens["q"], lens["phi"])
    gx, gy = shear(x, y, lens["g1"], lens["g2"])
    return x - ax - gx, y - ay - gy


# %% [markdown]
# The source is a **Sérsic profile** (Sérsic 1963), the standard shape of a galaxy: an ellipse that fades
# outwards. The index `n` says how peaked it is.

# %%
def sersic(x, y, radius, n=1.0, q=1.0, phi=0.0, x0=0.0, y0=0.0):
    """Surface brightness of a galaxy: 1 on the ellipse of the half-light radius."""
    c, s = np.cos(phi), np.sin(phi)
    u, v = c * (x - x0) + s * (y - y0), c * (y - y0) - s * (x - x0)
    r = np.sqrt(q * u**2 + v**2 / q) / radius
    return np.exp(-(1.9992 * n - 0.3271) * (r ** (1 / n) - 1))


def sky_grid(n, pixel):
    """Coordinates of n x n pixel centres, in arcsec, the origin in the middle."""
    centres = (np.arange(n) - (n - 1) / 2) * pixel
    return np.meshgrid(centres, centres)


# %% [markdown]
# Theory says (Narayan & Bartelmann 1996): a round isothermal lens
# with $\theta_E=1''$ magnifies a small source at distance $\beta<1''$ from its axis $2/\beta$ times. And
# **lenstronomy** (Birrer & Amara 2018), the package that lens modellers use, must deflect as we do.

# %%
x, y = sky_grid(1500, 0.003)
round_lens = {"theta_E": 1.0, "q": 1 - 1e-9, "phi": 0.0, "g1": 0.0, "g2": 0.0}
magnified = sersic(*to_source(x, y, round_lens), 0.01, x0=0.3).sum() / sersic(x, y, 0.01, x0=0.3).sum()
print(f"a small source at beta = 0.3: magnified {magnified:.1f} times; theory 2 / 0.3 = {2 / 0.3:.1f}")

lens = {"theta_E": 1.2, "q": 0.75, "phi": 0.5, "g1": 0.03, "g2": -0.02}
x, y = sky_grid(400, 0.011)
bx, by = to_source(x, y, lens)
if importlib.util.find_spec("lenstronomy"):
    from lenstronomy.LensModel.lens_model import LensModel

    e1, e2 = (1 - 0.75) / (1 + 0.75) * np.array([np.cos(2 * 0.5), np.sin(2 * 0.5)])
    numbers = [{"theta_E": 1.2, "e1": e1, "e2": e2}, {"gamma1": 0.03, "gamma2": -0.02}]
    theirs = LensModel(["SIE", "SHEAR"]).ray_shooting(x.ravel(), y.ravel(), numbers)
    apart = np.abs(np.ravel([bx, by]) - np.ravel(theirs)).max()
    print("lenstronomy agrees to 1e-6 arcsec:", apart < 1e-6)

# %% tags=["nbval-ignore-output"]
galaxy = {"radius": 0.16, "n": 1.0, "q": 0.6, "phi": 1.0, "x0": 0.07, "y0": 0.02}
(bx_y, bx_x), (by_y, by_x) = np.gradient(bx), np.gradient(by)
folds = np.where(np.hypot(x, y) > 0.3, bx_x * by_y - bx_y * by_x, -1)  # zero where the map folds
figure, axes = plt.subplots(1, 3, figsize=(9.8, 3.6), sharex=True, sharey=True)
field = {"extent": [-2.2, 2.2, -2.2, 2.2], "origin": "lower"}
norm = plotting.stretch([], limits=(0, 4))
axes[0].imshow(sersic(x, y, **galaxy), norm=norm, **field)
axes[2].imshow(sersic(bx, by, **galaxy), norm=norm, **field)
critical = axes[2].contour(x, y, folds, [0], colors="#56B4E9", linewidths=1).allsegs[0]
for line in critical:  # the same lines in the source plane
    axes[0].plot(*to_source(*line.T, lens), color="#56B4E9", linewidth=1)
for k in range(0, 400, 16):
    axes[1].plot(bx[k], by[k], color="0.45", linewidth=0.6)
    axes[1].plot(bx[:, k], by[:, k], color="0.45", linewidth=0.6)
titles = "source: what is there", "where a net of rays comes from", "image: what we see"
for ax, title in zip(axes, titles, strict=True):
    ax.set(title=title, xlabel="arcsec", xlim=(-2.1, 2.1), ylim=(-2.1, 2.1), aspect="equal")
    ax.grid(False)
plotting.show(figure, alt="A small galaxy, the folded net of rays, and the ring of images that results.")

# %% [markdown]
# **Left:** one small, plain galaxy. **Right:** the same galaxy as it reaches us, in several directions at once,
# and stretched. **Middle:** why. Rays sent out on a square net land on a net that is *folded*: near the centre
# several sheets of it lie over each other, so several rays hit a source there. Blue, left and right, are the
# folds: the **caustic** in the source plane and the **critical curve** in the image.
#
# Now move the source away from the axis.

# %% tags=["nbval-ignore-output"]
places = [(0, 0), (0.06, 0.03), (0.12, 0.1), (0.2, 0.17), (0.35, 0.3), (0.75, 0.62)]
figure, axes = plt.subplots(2, 6, figsize=(9.8, 3.6))
for (x0, y0), column in zip(places, axes.T, strict=True):
    for ax, at, half in ((column[0], (x, y), 1.0), (column[1], (bx, by), 2.1)):
        ax.imshow(sersic(*at, radius=0.09, x0=x0, y0=y0), norm=norm, **field)
        for line in critical:
            curve = to_source(*line.T, lens) if half == 1 else line.T
            ax.plot(*curve, color="#56B4E9", linewidth=0.8)
        ax.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[])
    column[0].set_title(f"source at {np.hypot(x0, y0):.2f}″")
axes[0, 0].set_ylabel("source, ±1″")
axes[1, 0].set_ylabel("image, ±2.1″")
plotting.show(figure, alt="As the source moves off the axis, a ring breaks into four images, then two.")

# %% [markdown]
# On the axis the images merge into an almost closed ring. Inside the caustic there are four; where the source
# crosses it, two meet and vanish, and a long arc with a small counter-image remains. In all this the source has
# moved by less than an arcsecond. What we want to know hangs on thin, curved, bright structures, the very thing
# that a telescope blurs.
#
# ## 4. From the sky to pixels: the instrument
#
# So far the sky was perfect. A telescope does three things to it, always in this order:
#
# 1. **blur**: a point of light is spread over the *point spread function* (PSF);
# 2. **pixels**: each pixel takes the mean of the light on its area (section 1);
# 3. **photons**: a pixel that expects $N$ photons receives $N\pm\sqrt N$ of them, Poisson-distributed.
#
# The course's `telescope` track does this **twice** to the same sky, with a sharp instrument (HR) and with a blunt
# one (LR). Both look equally long, and each catches its own photons.

# %%
PIXEL, PSF = 0.05, {1: 0.09, 4: 0.36}  # arcsec: HR's pixel, and the PSFs' full widths at half maximum
PEAK, SKY = 800, 10  # photons in HR's brightest pixel, and of the sky in each HR pixel


def blur(image, fwhm):
    """Convolve with a round Gaussian PSF whose full width at half maximum is `fwhm` pixels."""
    sigma = fwhm / np.sqrt(8 * np.log(2))
    k2 = np.fft.fftfreq(len(image))[:, None] ** 2 + np.fft.rfftfreq(len(image)) ** 2
    return np.fft.irfft2(np.fft.rfft2(image) * np.exp(-2 * (np.pi * sigma) ** 2 * k2), s=image.shape)


def bin_pixels(image, k):
    """Mean over blocks of k x k."""
    return image.reshape(len(image) // k, k, len(image) // k, k).mean((1, 3))


def expose(image, area, rng):
    """Count photons in pixels `area` times as large as HR's, take the sky off, and return to brightness."""
    photons = rng.poisson((np.maximum(image, 0) * PEAK + SKY) * area)
    return (photons / area - SKY) / PEAK


# %%
x, y = sky_grid(256, PIXEL / 2)  # two rays a HR pixel, along each axis
sky = sersic(*to_source(x, y, lens), **galaxy)
sky /= bin_pixels(blur(sky, 2 * PSF[1] / PIXEL), 2).max()  # 1 is the brightest pixel of HR without noise
stages, rng = {}, np.random.default_rng(0)
for name, s in (("HR", 1), ("LR x4", 4)):
    blurred = blur(sky, 2 * PSF[s] / PIXEL)
    binned = bin_pixels(blurred, 2 * s)
    stages[name] = [sky, blurred, binned, expose(binned, s**2, rng)]
dark, bright = np.sqrt([SKY, PEAK + SKY]) / PEAK
print(f"noise of a HR pixel: {dark:.3f} on dark sky, {bright:.3f} at the peak of 1")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(2, 4, figsize=(9.8, 4.9))
norm = plotting.stretch([], limits=(-0.02, 1.1))
for row, (name, images) in zip(axes, stages.items(), strict=True):
    for ax, image, title in zip(row, images, ("1 the sky", "2 blur", "3 pixels", "4 photons"), strict=True):
        ax.imshow(image, norm=norm, origin="lower", extent=(-3.2, 3.2, -3.2, 3.2))
        ax.set(xticks=[], yticks=[], xlim=(-2, 2), ylim=(-2, 2), title=title)
    row[0].set_ylabel(f"{name}: PSF {PSF[1 if name == 'HR' else 4]}″")
plotting.show(figure, alt="A lens after each step of the instrument, sharp and blunt.")

# %% [markdown]
# In LR the arcs are smooth *before* they are cut into pixels: the blur did it. Then come the photons. At the
# peak they hardly matter, but the faint end of the arcs sinks into the speckle of the background.
#
# ### Where signal sinks into noise
#
# A power spectrum puts blur, pixels and photons on one page. Photon noise is independent from pixel to pixel,
# so its spectrum is **flat**, a floor. Where the falling signal meets it, single waves can no longer be read off,
# whatever the pixel size. We take 60 lenses of each track (`deeplense` imitates a benchmark: section 6). All curves
# are drawn over cycles per *HR* pixel, LR's power times $s^2$: then a wave that both hold has one height, and
# instruments that collect equal light share one floor.

# %%
lenses, replica = (lensing.simulate(track, 60, seed=0) for track in ("telescope", "deeplense"))
lenses_x4 = lensing.simulate("telescope", 60, scale=4, seed=0)


def spectrum(images):
    """Mean power of images at each frequency, in cycles per pixel."""
    frequency, power = metrics.radial_power_spectrum(images)
    return frequency, power.mean(0)


floors = {}
for track, shown in (("telescope", lenses), ("deeplense", replica)):
    frequency, power = spectrum(shown.truth)
    floors[track] = spectrum(shown.hr - shown.truth)[1].mean()
    end = frequency[np.argmax(power < floors[track])]
    print(f"{track}: the scene sinks under HR's noise at {end:.2f} cycles per HR pixel")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9.8, 3.5), sharey=True)
tracks = {"telescope": (lenses, lenses_x4), "deeplense": (replica,)}
for ax, (track, several) in zip(axes, tracks.items(), strict=True):
    ax.semilogy(*spectrum(several[0].truth), color="black", linestyle=":", label="HR without noise")
    ax.semilogy(*spectrum(several[0].hr), color="black", label="HR as recorded")
    for small, colour in zip(several, (plotting.COLOURS[5], plotting.COLOURS[4]), strict=False):
        (frequency, power), s = spectrum(small.lr), small.scale
        ax.semilogy(frequency / s, power * s**2, color=colour, label=f"LR x{s} as recorded")
        ax.axvline(0.5 / s, color=colour, linestyle="--", linewidth=1)
        ax.text(0.5 / s, 10, f"Nyquist x{s} ", rotation=90, ha="right", va="top", fontsize=8, color=colour)
    ax.axhline(floors[track], color="0.6", linewidth=1)
    ax.text(0.5, floors[track] * 1.2, "HR's noise floor", ha="right", fontsize=8, color="0.4")
    ax.set(title=f"{track} track", xlabel="cycles per HR pixel", ylim=(1e-7, 30), xlim=(0, 0.5))
    ax.legend()
axes[0].set_ylabel("power per HR pixel")
plotting.show(figure, alt="Spectra of both tracks: the signal falls onto a flat noise floor.", svg=True)

# %% [markdown]
# **`telescope`** (left). The LR curves fall away from HR's *long before their Nyquist limits* (dashed): that is
# the wider PSF. At x2 the curve lies on the floor before its limit, at x4 it ends little above. So blur and noise
# end the detail here, hardly the pixels.
#
# **`deeplense`** (right) is different in two ways. The scene is drowned in HR's own noise *before* LR's Nyquist
# limit, so LR has lost next to nothing of it. And LR's noise ends at **more than twice** HR's floor; on the left,
# at x2, the two share one. That is the first clue.

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 3 and 4: our thirty lines, blurred and binned, are the track's noise-free image.
one = lensing.simulate("telescope", 17, scale=4, classes="no_substructure", seed=7)[16]
p = {name: values[0] for name, values in one.params.items()}


def ellipse(e1, e2):
    """Axis ratio and angle from the two numbers (e1, e2) that lens modellers prefer."""
    return {"q": (1 - np.hypot(e1, e2)) / (1 + np.hypot(e1, e2)), "phi": np.arctan2(e2, e1) / 2}


halo = {"theta_E": p["theta_E"], "x0": p["center_x"], "y0": p["center_y"]}
halo |= {"g1": p["gamma1"], "g2": p["gamma2"]}
light = {"radius": p["source_radius"], "n": p["source_n"], "x0": p["source_x"], "y0": p["source_y"]}
far = to_source(x, y, halo | ellipse(p["e1"], p["e2"]))
ours = sersic(*far, **light, **ellipse(p["source_e1"], p["source_e2"])) / p["peak_brightness"]
assert np.abs(bin_pixels(blur(ours, 2 * PSF[1] / PIXEL), 2) - one.truth[0, ..., 0]).max() < 1e-3
ratio = (lenses.hr - lenses.truth) / np.sqrt((lenses.truth + SKY / PEAK) / PEAK)
assert abs(ratio.std() - 1) < 0.02
ends = {shown.name: spectrum(shown.lr)[1][-3:].mean() * 4 for shown in (lenses, replica)}
assert abs(ends[lenses.name] / floors["telescope"] - 1) < 0.2 and ends[replica.name] > 2 * floors["deeplense"]

# %% [markdown]
# ## 5. Three kinds of dark matter
#
# Most of the halo that bends the light is dark matter, and its fine structure, which depends on what dark matter
# *is*, leaves traces in the arcs (Alexander et al. 2020). The course has three classes: a smooth halo
# (`no_substructure`), one with some of its mass in compact clumps (`subhalo`), and one with some of it in a line,
# as an axion condensate might form (`vortex`).
#
# How strong are the traces? To isolate them we simulate **matched triplets**: the same halo, source and noise
# three times, the class being the only difference. We divide each pixel's change by its noise. "All together" is
# the root of the sum of the squares: what somebody could see who knows the exact pattern. Medians over 60 lenses:

# %%
triplets = lensing.simulate("telescope", 180, seed=0, triplets=True)
peaks = triplets.params["peak_brightness"].reshape(-1, 3, 1, 1)
scenes = triplets.truth[..., 0].reshape(-1, 3, 128, 128) * peaks / peaks[:, :1]  # one unit for all three


def traces(scale):
    """Noise-free change by subhalos and by the vortex, in units of a pixel's noise: (N, 2, h, w)."""
    wider = np.sqrt(PSF[scale] ** 2 - PSF[1] ** 2) / PIXEL
    seen = np.array([[bin_pixels(blur(image, wider), scale) for image in three] for three in scenes])
    noise = np.sqrt((seen[:, :1] + SKY / PEAK) / PEAK) / scale
    return (seen[:, 1:] - seen[:, :1]) / noise


# %%
together = {}
for scale, name in ((1, "HR"), (4, "LR x4")):
    change = np.abs(traces(scale))
    arc = np.array([bin_pixels(three[0], scale) for three in scenes]) > 0.1
    for k, kind in enumerate(("subhalo", "vortex")):
        typical = np.median([c[k][a].mean() for c, a in zip(change, arc, strict=True)])
        together[name, kind] = np.sqrt(np.square(change[:, k]).sum((1, 2)))
        total = np.median(together[name, kind])
        print(f"{name:6} {kind:8} typical pixel on the arc {typical:.2f} sigma, all together {total:.1f}")
hidden = np.mean(together["HR", "subhalo"] < 3)
print(f"subhalo lenses whose whole trace is below 3 sigma in HR: {100 * hidden:.0f} %")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(2, 5, figsize=(9.8, 4.1))
norm, thirteen = plotting.stretch([], limits=(0, 1)), plt.get_cmap(plotting.DIVERGING, 13)
field = {"origin": "lower", "extent": (-3.2, 3.2, -3.2, 3.2)}
for row, i, change in zip(axes, (14, 17), traces(1)[[14, 17]], strict=True):
    for ax, image in zip(row[:3], scenes[i], strict=True):
        ax.imshow(image, norm=norm, **field)
    for ax, image in zip(row[3:], change, strict=True):
        drawn = ax.imshow(image, cmap=thirteen, vmin=-6.5, vmax=6.5, **field)
    clumps, line = ({k: v[3 * i + j] for k, v in triplets.params.items()} for j in (1, 2))
    area = 4000 * clumps["subhalo_theta_E"] ** 2  # in proportion to mass
    row[3].scatter(clumps["subhalo_x"], clumps["subhalo_y"], s=area, facecolor="none", edgecolor="k", lw=0.7)
    along = line["vortex_half_length"] * np.array([-1, 1]) * np.exp(1j * line["vortex_angle"])
    row[4].plot(line["vortex_x"] + along.real, line["vortex_y"] + along.imag, color="k", linewidth=1.2)
    for ax in row:
        ax.set(xticks=[], yticks=[], xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
titles = "smooth", "subhalo", "vortex", "subhalo − smooth", "vortex − smooth"
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
figure.colorbar(drawn, ax=axes, shrink=0.8, label="change / noise of a HR pixel", ticks=range(-6, 7, 2))
plotting.show(figure, alt="Two matched triplets, and the changes by subhalos and a vortex on one scale.")


# %% [markdown]
# Left, the same lens with three kinds of dark matter. In the upper lens a clump happens to lie on the arc, and
# leaves a small notch; in the lower one smooth and clumpy look alike. There the vortex shows as a step where its
# line crosses the arcs; above it pushes the whole ring outwards (red outside, blue inside). Right, the *changes*, in
# units of the noise of one pixel: pale means invisible there. Circles mark the clumps (area in proportion to mass),
# the line the vortex. A clump acts close by, as a small red-and-blue pair: light pushed aside.
#
# The numbers above: clumps change a typical pixel of an HR arc by a tenth of its noise. Only all pixels together
# reach 5 sigma, and for 23 % of the 60 lenses not even three: *about those no classifier can be sure*. An LR pixel
# shows more (0.25 sigma), since it collects more light, but there are fewer: 3.3 sigma in all. This trace, not the
# bright ring, is what super-resolution must not smooth away, nor paint in.
#
# ## 6. The case of the DeepLense pairs
#
# A benchmark much used by students of this field, the super-resolution test of the DeepLense project, has ten
# thousand pairs of simulated lens images: HR of 150 × 150 pixels, LR of 75 × 75. Networks small and large have
# been trained to turn one into the other, and the best stop at nearly the same score (lesson 02). Why? Section 4
# gave the first clue. Let us question the files: **what made the LR images?** A second exposure? The antialiased
# bicubic of section 1? Something else?
#
# If LR was computed from HR by any linear filter, each LR pixel is one weighted sum of the HR pixels around it.
# Take the 6 × 6 HR pixels around each LR pixel, and let **least squares** find the 36 weights. We question our
# replica of the benchmark first (its statistics were fitted to original images), then the `telescope` track.

# %%
def windows(hr, lr):
    """The 6 x 6 HR pixels around each LR pixel off the border, (n, 36), and that pixel, (n,)."""
    around = np.lib.stride_tricks.sliding_window_view(hr[..., 0].astype(float), (6, 6), axis=(1, 2))
    return around[:, ::2, ::2].reshape(-1, 36), lr[:, 1:-1, 1:-1].astype(float).ravel()


def fit_kernel(hr, lr):
    """The 6 x 6 weights that best turn HR into LR."""
    around, pixel = windows(hr, lr)
    return np.linalg.solve(around.T @ around, around.T @ pixel).reshape(6, 6)


kernels = {"deeplense": fit_kernel(replica.hr, replica.lr), "telescope": fit_kernel(lenses.hr, lenses.lr)}
print("deeplense, weights along x:", kernels["deeplense"].sum(0).round(3) + 0)
print("deeplense, weights along y:", kernels["deeplense"].sum(1).round(3) + 0)

# %% [markdown]
# Four numbers along each axis, $-0.094,\ 0.594,\ 0.594,\ -0.094$, and zeros. Such numbers have an author: the **cubic
# convolution kernel** of Keys (1981), with one free parameter $a$,
#
# $$k(t)=\begin{cases}(a+2)|t|^3-(a+3)|t|^2+1 & |t|\le1\\ a|t|^3-5a|t|^2+8a|t|-4a & 1<|t|<2.\end{cases}$$
#
# An LR pixel sits half-way between two HR pixels (section 1), so the kernel is read at $t=\pm\tfrac12$ and
# $\pm\tfrac32$. There $k(\tfrac32)=a/8$: the outer weight gives the parameter away.
#
# The *original* pairs are questioned, too, where they are present: the files (`srutils fetch deeplense-sr`), or
# four pairs read back at 8 bits from a published figure. The stored notebook shows those four.

# %% tags=["nbval-ignore-output"]
files, figure_file = lensing.find_deeplense(), course.find_data("lensing/sr_pairs_decoded_8bit.npz")
original = None
if files is not None:
    pair = lensing.load_deeplense(files, n=20)
    original = pair.hr, pair.lr
elif figure_file is not None:
    with np.load(figure_file) as stored:
        original = stored["HR"][..., None], stored["LR"][..., None]
else:
    print("Original pairs would join here: `srutils fetch deeplense-sr` (data/README.md).")
if original is not None:
    kernels["original pairs"] = fit_kernel(*original)
for name, kernel in kernels.items():
    outer = (kernel.sum(0) + kernel.sum(1))[[1, 4]].mean() / 2
    print(f"{name:15} a = 8 x outer weight = {8 * outer:.2f}")


# %%
def keys(t, a):
    """Keys' cubic kernel."""
    t = np.abs(t)
    near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


# %% tags=["nbval-ignore-output"]
n, t = len(kernels), np.linspace(0.9, 2.7, 181)
figure, axes = plt.subplots(1, n + 1, figsize=(2 * n + 3.8, 2.9), width_ratios=[1] * n + [1.7])
for a, colour in ((-0.5, 2), (-0.75, 4), (-1.0, 3)):
    axes[-1].plot(t, keys(t, a), color=plotting.COLOURS[colour], label=f"a = {a}")
for ax, (name, kernel), marker in zip(axes, kernels.items(), "osD", strict=False):
    ax.pcolormesh(kernel, cmap=plotting.DIVERGING, vmin=-0.5, vmax=0.5, edgecolor="white")
    for (i, j), weight in np.ndenumerate(kernel):
        text = f"{weight:.2f}".replace("0.", ".").replace("-.00", ".00")
        ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", size=7)
    ax.set(title=name, aspect="equal", xticks=[], yticks=[])
    taps = (kernel.sum(0) + kernel.sum(1)) / 2
    axes[-1].plot([1.5, 2.5], (taps[1::-1] + taps[4:]) / 2, "k" + marker, mfc="none", ms=7, label=name)
axes[-1].set(title="summed along one axis", xlabel="distance from LR pixel [HR pixels]")
axes[-1].set(xlim=(0.9, 2.7), ylim=(-0.2, 0.3))
axes[-1].legend(fontsize=8, ncols=2)
plotting.show(figure, alt="Kernels: four sharp taps for DeepLense, a broad hill for telescope.", svg=True)


# %% [markdown]
# The replica's weights (circles, under the diamonds) lie on the curve with $a=-0.75$, and so do those of the original
# pairs, but for what 8 bits do to them. Matlab and Pillow use $a=-0.5$; **$a=-0.75$ is the signature of PyTorch and
# OpenCV**, and four taps mean that antialiasing was left off. The `telescope` track (squares) gives a broad, soft
# hill, the difference of two PSFs and a larger pixel: an instrument, no cubic kernel, so its "a" of 1.23 has no
# meaning.
#
# Now the line-up. If a suspect did it, hardly anything is left when its version of LR is subtracted.

# %%
def line_up(hr, lr):
    """Root mean square of what is left of LR when each suspect's version of it is subtracted."""
    around, pixel = windows(hr, lr)
    at = np.array([2.5, 1.5, 0.5, 0.5, 1.5, 2.5])
    taps = {f"four taps, a = {a}": keys(at, a) for a in (-0.75, -0.5)}
    taps |= {"block mean": [0, 0, 0.5, 0.5, 0, 0], "every second pixel": [0, 0, 1, 0, 0, 0]}
    made = {name: around @ np.outer(six, six).ravel() for name, six in taps.items()}
    halved = interpolate(torch.from_numpy(hr)[..., 0][:, None], scale_factor=0.5, mode="bicubic")
    made["PyTorch's bicubic"] = halved[:, 0, 1:-1, 1:-1].numpy().ravel()
    made["antialiased bicubic"] = pairs.degrade(hr, 2)[:, 1:-1, 1:-1].ravel()
    made["best of all 6 x 6 kernels"] = around @ fit_kernel(hr, lr).ravel()
    return {name: np.sqrt(np.mean((pixel - version) ** 2)) for name, version in made.items()}


# %%
left = {"deeplense": line_up(replica.hr, replica.lr), "telescope": line_up(lenses.hr, lenses.lr)}
for name, value in left["deeplense"].items():
    print(f"{name:26} leaves {value:.4f} on deeplense, {left['telescope'][name]:.4f} on telescope")
lr_noise = np.mean(lenses.truth + SKY / PEAK) / PEAK / 4  # variances; LR's pixels have four times the area
hr_noise = np.mean(lenses.truth + SKY / PEAK) / PEAK * np.square(kernels["telescope"]).sum()
print(f"photon noise of two exposures on telescope: {np.sqrt(lr_noise + hr_noise):.4f}")

# %% tags=["nbval-ignore-output"]
if original is not None:
    print(f"{len(original[0])} original pairs")
    for name, value in line_up(*original).items():
        print(f"{name:26} leaves {value:.4f}")
    gain = np.square(keys(np.array([1.5, 0.5, 0.5, 1.5]), -0.75)).sum()  # of the taps, on independent errors
    print(f"rounding HR and LR to 8 bits      {np.sqrt((1 + gain**2) / 12) / 255:.4f}")

# %% [markdown]
# On `deeplense` one suspect leaves nothing, and one line of PyTorch is the same suspect. On `telescope` all leave
# something, and even the best of all kernels leaves what *the photon noise of two exposures* amounts to: no
# filter of HR explains an image that was exposed on its own. In the original pairs the four taps with $a=-0.75$
# leave as little as the best of all kernels, and little more than the rounding does.
#
# **The last witness: the noise.** In a dark corner, far from the lens, nearly all that varies is noise. Apply the
# four taps to HR's. If LR was made from the *noisy* HR, this predicts LR's noise pixel by pixel. If LR is an
# exposure of its own, it cannot: no two exposures share their photons.

# %% tags=["nbval-ignore-output"]
taps = keys(np.array([2.5, 1.5, 0.5, 0.5, 1.5, 2.5]), -0.75)
dark = lenses.truth[:, :32, :32].max((1, 2, 3)) < 1e-4  # no arc reaches into this corner
witnesses = {"deeplense": (replica.hr, replica.lr), "telescope": (lenses.hr[dark], lenses.lr[dark])}
if original is not None:
    witnesses["original pairs"] = original
agreement = {}
figure, axes = plt.subplots(1, len(witnesses), figsize=(3.2 * len(witnesses), 3.4))
for ax, (name, (high, low)) in zip(axes, witnesses.items(), strict=True):
    around, pixel = windows(high[:, :32, :32], low[:, :16, :16])
    made = around @ np.outer(taps, taps).ravel()
    agreement[name] = np.corrcoef(made, pixel)[0, 1]
    made, pixel = (1e3 * (v - v.mean())[:3000] for v in (made, pixel))
    ax.scatter(made, pixel, s=3, alpha=0.4, color=plotting.COLOURS[5], linewidth=0)
    ax.set(title=f"{name}: correlation {agreement[name]:.2f}", xlabel="predicted from HR's noise [1/1000]")
    ax.set(xlim=(-12, 12), ylim=(-12, 12), aspect="equal")
axes[0].set_ylabel("LR's noise [1/1000]")
plotting.show(figure, alt="LR's noise against its prediction: a line for DeepLense, a cloud for telescope.")

# %% [markdown]
# In the replica the points form a line: LR's noise is HR's noise, filtered. The original pairs follow the same line
# (part of their agreement may be a sky level that differs from image to image). On the `telescope` track the cloud
# does not tilt: HR's noise says nothing about LR's.
#
# **What it means.** The pairs of this benchmark are *not two observations*. LR is a mild resize of a *noisy* HR
# image, noise included. So the scene itself loses next to nothing on the way (section 4), and there is no blur to undo.
# What HR has and LR has not is **noise**, most of which no method can predict: there is a **ceiling**, close
# above bicubic, and the best networks stop at it. Lesson 02 computes it.
#
# The benchmark stays useful, because its scores compare. But for what astronomers ask ("what would a sharper
# telescope have seen?") we need the other track, in which LR and HR are two exposures and the score is taken
# against the noise-free truth.

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 5 and 6.
assert np.ptp(triplets.params["theta_E"].reshape(-1, 3), axis=1).max() == 0
four = np.array([0, -0.09375, 0.59375, 0.59375, -0.09375, 0])
assert np.allclose(kernels["deeplense"], np.outer(four, four), atol=1e-4)
assert max(left["deeplense"][name] for name in ("four taps, a = -0.75", "PyTorch's bicubic")) < 1e-6
assert agreement["deeplense"] > 0.999 and abs(agreement["telescope"]) < 0.05


# %% [markdown]
# ## 7. The real sky
#
# If `SR_DATA` is there, the next cell shows lenses taken by
# the Hubble Space Telescope, each with a logarithm-like stretch of its own, because the lens galaxy outshines the
# arcs by far. It also asks, in their corners, how alike the noise of neighbouring pixels is.

# %%
def likeness(image, n=24):
    """Correlation of a pixel's noise with its right neighbour's: the median of four corners (n, n)."""
    corners = np.stack([image[:n, :n], image[:n, -n:], image[-n:, :n], image[-n:, -n:]], -1).reshape(-1, 4)
    y, x = np.mgrid[:n, :n].reshape(2, -1) / n
    slopes = np.stack([x**0, x, y, x * x, y * y, x * y], -1)  # of the galaxy's light
    noise = (corners - slopes @ np.linalg.lstsq(slopes, corners)[0]).T.reshape(4, n, n)
    return np.median((noise[:, :, 1:] * noise[:, :, :-1]).mean((1, 2)) / (noise**2).mean((1, 2)))


# %% tags=["nbval-ignore-output"]
folder, hubble = course.find_data("lensing/real"), {}
if folder is None or importlib.util.find_spec("h5py") is None:
    print("Hubble images would stand here: they need h5py and SR_DATA/lensing/real (data/README.md).")
else:
    import h5py

    for path in sorted(folder.glob("*/**/image_*.h5")):
        with h5py.File(path) as stored:
            hubble[path.stem.removeprefix("image_")] = stored["image_data"][()] / stored["background_rms"][()]

# %% tags=["nbval-ignore-output"]
if hubble:
    figure, axes = plt.subplots(1, len(hubble), figsize=(9.8, 2.4))
    for ax, (name, image) in zip(axes, hubble.items(), strict=True):
        norm = plotting.stretch([image], softening=0.01, limits=(-2, image.max()))
        ax.imshow(image, norm=norm, origin="lower")
        ax.set_title(name.replace("_", " ").replace(" F", "\nF"))
        ax.set_axis_off()
    plotting.show(figure, alt="Lenses taken by Hubble: bright galaxies, faint arcs, four points of a quasar.")
    alike = ", ".join(f"{likeness(image):.2f}" for image in hubble.values())
    print("neighbours' noise is correlated by", alike)
print(f"in the telescope track by {likeness(lenses.hr[0, ..., 0]):.2f}")


# %% [markdown]
# *Images: NASA, ESA, STScI; the SDSS lenses are from the SLACS survey (Bolton et al. 2008; data as prepared by
# Shajib et al. 2021 and Galan et al. 2021), the others come with the dolphin modelling pipeline (Shajib et al.
# 2025).*
#
# Three things no track of ours has: **lens light**, the bright galaxy in the middle, whose glow lies under the
# arcs; **neighbours and quasars** (the four points are one quasar); and **correlated noise**. Ours is independent
# from pixel to pixel. In these five Hubble images it is correlated by 0.22 to 0.35; the usual reason is that several
# exposures were *drizzled* onto a new grid (Fruchter & Hook 2002). So do not expect a network trained on our tracks
# to work on such images unchanged.
#
# ## 8. Splits, and how leakage ruins them
#
# The popular recipe: cut photographs into many small crops, shuffle, keep ten percent for testing.
#
# We let the silliest of all networks judge: a **memoriser**. It stores every training crop. Given a test LR
# crop, it finds the stored LR crop that looks most alike, and adds the detail that bicubic had missed in *that*
# crop to the bicubic enlargement of this one.

# %%
def crops(image, n, size, rng):
    """n squares at random places of an image (H, W, 1)."""
    top, left = (rng.integers(side - size + 1, size=n) for side in image.shape[:2])
    return np.stack([image[i : i + size, j : j + size] for i, j in zip(top, left, strict=True)])


def memoriser_gain(train, test, scale=4):
    """PSNR of the memoriser minus PSNR of bicubic, in dB, over all test crops together."""

    def look(lr):
        return (lr - lr.mean((1, 2), keepdims=True)).reshape(len(lr), -1)

    lr_train, lr_test = pairs.degrade(train, scale), pairs.degrade(test, scale)
    bicubic, size = pairs.resize(lr_test, test.shape[1:3]), train.shape[1:3]
    _, found = cKDTree(look(lr_train)).query(look(lr_test))
    pasted = bicubic + train[found] - pairs.resize(lr_train[found], size)
    return 10 * np.log10(np.mean((bicubic - test) ** 2) / np.mean((pasted - test) ** 2))


# %%
centre = {k: y[(len(y) - 192) // 2 :, (y.shape[1] - 192) // 2 :][:192, :192] for k, y in photographs.items()}
gains = {}
for name, image in centre.items():
    rng = np.random.default_rng(0)
    own = crops(image, 6000, 16, rng)
    others = np.concatenate([crops(other, 600, 16, rng) for k, other in centre.items() if k != name])
    gains[name] = memoriser_gain(own[600:], own[:600]), memoriser_gain(others, own[:600])
columns = np.transpose([*gains.values()])
for label, gain in zip(("the same photograph", "other photographs"), columns, strict=True):
    print(f"crops of {label:19}: mean {gain.mean():+.1f} dB, best {gain.max():+.1f}, worst {gain.min():+.1f}")

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(8.6, 3.4))
order = sorted(gains, key=lambda name: gains[name][0])
for k, label, style in ((0, "other crops of the same photograph", "o"), (1, "other photographs only", "^")):
    gain = [gains[name][k] for name in order]
    ax.plot(gain, order, style, color=plotting.COLOURS[4 + k], label=f"trained on {label}")
ax.axvline(0, color="black", linewidth=1)
ax.set_xlabel("memoriser minus bicubic, on held-out crops [dB]")
ax.legend(loc="lower right")
plotting.show(figure, alt="The memoriser beats bicubic only on photographs that it has seen.", svg=True)

# %% [markdown]
# Split by photograph (blue) the memoriser is *worse* than bicubic on every picture, as it deserves to be. With
# random crops (orange) it beats bicubic on ten of eleven: most test crops have a near-copy among the training
# crops, shifted by a pixel or two. The brick wall, whose bricks are alike, gains most; grass loses even so.
#
# The rule: **split by the thing that must generalise**, by photograph, by lens, by patient, by night, and cut
# crops afterwards (Kapoor & Narayanan 2023 collect such leaks from many sciences). In `srutils` a photograph
# belongs to one part (`photos.photo_split`), and a lens to one split.
#
# ## What went wrong, and why
#
# Three failures stood in this lesson on purpose: the shift, the dropped pixels, and the memoriser. Here is a
# fourth, hard to see. Many pipelines scale *each image by itself* to the range from 0 to 1. For the benchmark that
# is tempting: HR comes scaled so, LR does not quite. So we "repair" LR, and compute bicubic's score and the kernel
# once more.

# %%
low, high = (side((1, 2, 3), keepdims=True) for side in (replica.lr.min, replica.lr.max))
repaired = (replica.lr - low) / (high - low)
before, after = (metrics.psnr(pairs.resize(lr, (150, 150)), replica.hr).mean() for lr in (replica.lr, repaired))
kernel = fit_kernel(replica.hr, repaired)
print(f"bicubic changes by {after - before:+.1f} dB; the fitted kernel sums to {kernel.sum():.2f}")

# %% jupyter={"source_hidden": true} tags=["check"]
# Checks of sections 7 and 8.
assert all(0.15 < likeness(image) < 0.4 for image in hubble.values())
assert abs(likeness(lenses.hr[0, ..., 0])) < 0.1
parts = [set(part) for part in photos.photo_split(seed=0)]
assert sum(map(len, parts)) == len(set.union(*parts)) == len(photographs)
rings = [lensing.simulate("telescope", 12, split=k).params["theta_E"] for k in ("train", "val", "test")]
assert len(np.unique(rings)) == np.size(rings)

# %% [markdown]
# LR's brightest pixel is dimmer than HR's, because the resize averages noise peaks away. Stretching it back to 1
# changes every LR image, each by a factor of its own. The images look the same; bicubic loses
# more than a decibel, and the kernel no longer sums to one, which betrays it. A network can learn the mean
# factor, and would then "beat bicubic" by undoing our own mistake. **HR and LR must share one scale.**
#
# To make pairs of your own, with the noise-free truth beside them:
#
# ```
# srutils simulate --n 100 --classes no_substructure,vortex --scale 2 --seed 7 --out lenses
# ```
#
# ## Recap
#
# - **A pixel is a mean.** LR pixel $i$ sits at $(i+\tfrac12)s-\tfrac12$; to be wrong about it cost 1.5 dB at x2 and
#   2 dB at x4.
# - **Nyquist, aliasing, noise floor.** LR holds nothing beyond $0.5/s$ cycles per HR pixel; without antialiasing,
#   detail from there is folded onto coarse detail. Under the noise floor single waves cannot be read off.
# - **A ring is a ring** because the lens equation folds the sky: several directions lead to the same piece of the
#   source.
# - **Subhalos** change a typical pixel of an HR arc by a tenth of its noise. All pixels together make five sigma
#   for the median lens, and less than three for 23 % of our 60.
# - **Second observation or copy?** DeepLense's LR images are copies of the noisy HR. On `telescope` no kernel
#   explains LR better than the photon noise of two exposures allows.
# - **Leakage.** A memoriser beat bicubic on ten of eleven photographs that it had seen, and on none that it had not.

# %% [markdown]
# ## Exercises
#
# Each ends in a cell that checks your answer: it says whether it is right, nearly right and why, or where to
# look. Worked answers are in [solutions/01_data_exploration.ipynb](solutions/01_data_exploration.ipynb).
#
# **1. Whose bicubic?** Somebody reduced HR by two with a four-tap cubic kernel, as in section 6, and you want
# to know which library it was. But this time LR may have been multiplied by a number, because the files were
# stored in another unit. Write a function that finds Keys' $a$ all the same.
#
# <details><summary>Hint</summary>
#
# `fit_kernel` does most of it, and does not mind the unit. Print the kernel that it finds for
# `replica.hr[:40]` and `1.04 * replica.lr[:40]` beside the one for `replica.lr[:40]`. Which property of a
# kernel did the factor change, which should every resizing kernel have, and what did it do to the outer
# weights?
#
# </details>

# %% tags=["exercise"]
from srutils import exercises


def find_a(hr, lr):
    """hr (N, 2 h, 2 w, 1) and lr (N, h, w, 1) -> Keys' a."""
    ...


exercises.check(1, 1, find_a)

# %% [markdown]
# **2. A clump you can see.** A point mass deflects by $\theta_s^2\,\mathbf d/|\mathbf d|^2$, where
# $\mathbf d$ points from the mass to the ray. Write this deflection. Then put a clump of
# $\theta_s=0.05''$ at $(1.3'', 0.5'')$ into the lens below, close to its arc. By how many sigma does it show,
# all pixels together, in the `telescope` track's HR? And in its LR x4, which sees four times less sharply and
# has a sixteenth of the pixels? Give each to one percent.
#
# <details><summary>Hint</summary>
#
# Trace both skies, with and without the clump, on the grid of section 4 (256 × 256 rays, `PIXEL / 2`
# apart); the clump's deflection is subtracted in the lens equation like the others. `blur` and
# `bin_pixels` each sky as section 4 does for "HR" and for "LR x4", and divide by the brightest pixel of HR
# without the clump. The noise of a pixel is in `traces` (take that of the view without the clump); how pixels are
# put together is in the cell after it, in `together`. `lensing.point_masses` is there to check your deflection.
#
# </details>

# %% tags=["exercise"]
clumpy_lens = {"theta_E": 1.2, "q": 0.75, "phi": 0.5, "g1": 0.03, "g2": -0.02}
its_galaxy = {"radius": 0.16, "n": 1.0, "q": 0.6, "phi": 1.0, "x0": 0.07, "y0": 0.02}


def clump(x, y, theta_s, x0, y0):
    """Deflection (ax, ay) at (x, y) by a point mass at (x0, y0); all in arcsec."""
    ...


sigma_in_hr = ...
sigma_in_lr_x4 = ...
exercises.check(1, 2, clump, sigma_in_hr, sigma_in_lr_x4)


# %% [markdown]
# **3. A split that does not leak.** Somebody cut photographs into crops and noted for each crop whose it is.
# Some photographs gave ten times as many crops as others. Write the function that chooses the test set: no
# photograph may be on both sides, the test set gets about a given share *of the crops*, the same seed gives
# the same split, and every photograph can be drawn.
#
# <details><summary>Hint</summary>
#
# Shuffle the *names* (`np.unique` counts their crops as well), and take names until their crops make up the
# share (`np.cumsum`). `np.isin` goes back from names to crops. A generator of its own,
# `np.random.default_rng(seed)`, keeps the split independent of whatever else draws random numbers.
#
# </details>

# %% tags=["exercise"]
def hold_out(source, share, seed):
    """source (N,), the photograph's name for each crop -> array (N,) of bool: True where it is for testing."""
    ...


exercises.check(1, 3, hold_out)

# %% [markdown]
# ## References
#
# - S. Alexander, S. Gleyzer, E. McDonough, M. W. Toomey, E. Usai (2020), Deep learning the morphology of
#   dark matter substructure, *ApJ* 893, 15.
#   [doi:10.3847/1538-4357/ab7925](https://doi.org/10.3847/1538-4357/ab7925),
#   [arXiv:1909.07346](https://arxiv.org/abs/1909.07346)
# - S. Birrer, A. Amara (2018), lenstronomy: multi-purpose gravitational lens modelling software package,
#   *Physics of the Dark Universe* 22, 189.
#   [doi:10.1016/j.dark.2018.11.002](https://doi.org/10.1016/j.dark.2018.11.002)
# - A. S. Bolton et al. (2008), The Sloan Lens ACS Survey V, *ApJ* 682, 964.
#   [doi:10.1086/589327](https://doi.org/10.1086/589327)
# - A. S. Fruchter, R. N. Hook (2002), Drizzle: a method for the linear reconstruction of undersampled
#   images, *PASP* 114, 144. [doi:10.1086/338393](https://doi.org/10.1086/338393)
# - A. Galan et al. (2021), SLITronomy: towards a fully wavelet-based strong lensing inversion technique.
#   [arXiv:2012.02802](https://arxiv.org/abs/2012.02802)
# - S. Kapoor, A. Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-based
#   science, *Patterns* 4, 100804.
#   [doi:10.1016/j.patter.2023.100804](https://doi.org/10.1016/j.patter.2023.100804)
# - R. G. Keys (1981), Cubic convolution interpolation for digital image processing, *IEEE TASSP* 29, 1153.
#   [doi:10.1109/TASSP.1981.1163711](https://doi.org/10.1109/TASSP.1981.1163711)
# - R. Kormann, P. Schneider, M. Bartelmann (1994), Isothermal elliptical gravitational lens models, *A&A*
#   284, 285. [ADS](https://ui.adsabs.harvard.edu/abs/1994A%26A...284..285K)
# - R. Narayan, M. Bartelmann (1996), Lectures on gravitational lensing.
#   [arXiv:astro-ph/9606001](https://arxiv.org/abs/astro-ph/9606001)
# - J. L. Sérsic (1963), Influence of the atmospheric and instrumental dispersion on the brightness
#   distribution in a galaxy, *Boletín de la Asociación Argentina de Astronomía* 6, 41
# - A. J. Shajib et al. (2021), Dark matter haloes of massive elliptical galaxies at z ∼ 0.2 are well
#   described by the Navarro–Frenk–White profile, *MNRAS* 503, 2380.
#   [doi:10.1093/mnras/stab536](https://doi.org/10.1093/mnras/stab536)
# - A. J. Shajib et al. (2025), dolphin: a fully automated forward modeling pipeline.
#   [arXiv:2503.22657](https://arxiv.org/abs/2503.22657)
# - S. van der Walt et al. (2014), scikit-image: image processing in Python, *PeerJ* 2, e453.
#   [doi:10.7717/peerj.453](https://doi.org/10.7717/peerj.453)
# - ML4SCI, the DeepLense project: [github.com/ML4SCI/DeepLense](https://github.com/ML4SCI/DeepLense); the
#   benchmark's files are described in data/README.md
#
# **Next:** [02 · How good is no learning at all, and how is that measured?](02_bicubic_baseline.ipynb)
# Bicubic in five dialects, PSNR and SSIM by hand, the ceiling of the DeepLense test computed, and the best
# that classical deconvolution can do.
