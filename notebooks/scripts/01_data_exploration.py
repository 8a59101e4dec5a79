# %% [markdown]
# # 01 · What do low and high resolution really share?
#
# Every super-resolution method, from a cubic polynomial to a generative network, makes the same bet: that a blurred,
# coarse, noisy picture still holds more than the eye sees in it. Whether the bet can be won is decided before any
# network is trained, by **how the low-resolution picture came to be**.
#
# This lesson trains nothing. We look at pairs of pictures the way a physicist looks at an instrument: what goes in,
# what comes out, what is lost, and what only seems to be. We build a gravitational lens in thirty lines. And near the
# end we solve a small case: the "telescope images" of a well-known benchmark turn out not to come from a telescope.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/01_data_exploration.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/01_data_exploration.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/01_data_exploration.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - make low-resolution (LR) pictures from high-resolution (HR) ones, and measure what was lost and where;
# - bend light around a galaxy with the lens equation, in thirty lines of NumPy, and check them against two libraries;
# - watch a telescope turn a sky into pixels: blur, binning, photons;
# - find out, from the files alone, which computation made the LR images of a benchmark;
# - let a deliberately silly "network" cheat its way past a bad data split.
#
# **You will learn**
#
# - where the centre of an LR pixel lies, and what half a pixel costs in decibels;
# - what the Nyquist limit, aliasing and the noise floor mean for super-resolution;
# - why an Einstein ring is a ring, and how faint the trace of dark-matter clumps in it is;
# - to ask of any data set: *is LR a second observation, or a copy of HR?*
#
# **You will need** basic NumPy, and about 40 minutes to read. The code runs in about a minute on a laptop without a GPU;
# a GPU changes nothing here. No download: photographs come with scikit-image, lenses are simulated. Real Hubble images
# appear where `SR_DATA` points to them.

# %% tags=["nbval-ignore-output", "set-up"]
# Set-up: run this cell first. It is the same in JupyterLab, Colab, Kaggle and Binder, and it leaves the
# NumPy, PyTorch and TensorFlow that are already there as they are.
import importlib.util
import subprocess
import sys
from pathlib import Path

SMALL = {"skimage": "scikit-image", "lazy_loader": "lazy-loader", "imageio": "imageio"}
SMALL |= {"tifffile": "tifffile", "pooch": "pooch", "typer": "typer"}
SMALL |= {"onnxruntime": "onnxruntime", "flatbuffers": "flatbuffers"}

if importlib.util.find_spec("srutils") is None:
    here = Path.cwd()
    root = next((p for p in (here, *here.parents) if (p / "srutils" / "course.py").is_file()), None)
    if root is not None:  # a clone of the course that is not installed
        sys.path.insert(0, str(root))
    else:  # a notebook on its own, as Colab and Kaggle open it
        missing = [package for module, package in SMALL.items() if importlib.util.find_spec(module) is None]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.check_call([*pip, "git+https://github.com/super-resolution-course/course", *missing])
        importlib.invalidate_caches()

from srutils import course

course.banner()

# %%
import importlib.util

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from srutils import lensing, metrics, pairs, photos, plotting, tracks

plotting.use_style()

# %% [markdown]
# ## 1. Photographs: what LR keeps
#
# Super-resolution on photographs has a convention: take a sharp picture, call it HR, and *make* LR from it with an
# antialiased bicubic reduction. Lesson 02 shows why "bicubic" must be spelled out; here we use the course's one function
# for it, `pairs.degrade`. Our model is Chelsea, a cat whose whiskers are about as fine as a photograph can hold.

# %%
photographs = photos.builtin()
print(f"{len(photographs)} photographs: {', '.join(photographs)}")

cat = pairs.crop_to_multiple(photographs["chelsea"], 4)
cat_x2, cat_x4 = pairs.degrade(cat, 2), pairs.degrade(cat, 4)
for name, image in (("HR", cat), ("LR x2", cat_x2), ("LR x4", cat_x4)):
    print(f"{name:6} {image.shape}  mean {image.mean():.4f}  standard deviation {image.std():.4f}")
assert np.allclose([cat_x2.mean(), cat_x4.mean()], cat.mean(), atol=1e-3)

# %% tags=["nbval-ignore-output"]
columns = {"HR": cat, "LR x2 (a quarter of the pixels)": cat_x2, "LR x4 (a sixteenth)": cat_x4}
figure = plotting.zoom_grid(columns, "HR", box=(86, 186, 64, 96), size=3.4)
plotting.show(figure, alt="A cat at full, half and quarter resolution, and the same zoom on one eye at each.")

# %% [markdown]
# Seen whole, the three pictures are nearly the same: same light, same colours, same cat. The zoom (the white frame) tells
# them apart. At x2 single hairs become a texture; at x4 the texture is gone, the pupil's edge has become a staircase, and
# the highlight in the eye has dimmed, because a bright spot smaller than a pixel is averaged with its surroundings.
# *(Chelsea: Stéfan van der Walt, CC0.)*
#
# ### Where is an LR pixel?
#
# Before comparing two grids we must know how they lie on each other. Half of all home-made super-resolution pipelines
# get this wrong by half a pixel. We need not guess. Feed the resizer a **ramp**, a picture in which every pixel's value *is* its own
# column number: what comes out are the HR coordinates of the LR pixel centres.

# %%
ramp = np.broadcast_to(np.arange(64.0)[None, :, None], (64, 64, 1))
for s in (2, 4):
    centres = pairs.degrade(ramp, s)[32 // s, :, 0]
    expected = (np.arange(64 // s) + 0.5) * s - 0.5
    inside = slice(2, -2)  # at the border the kernel hangs over the edge
    assert np.allclose(centres[inside], expected[inside], atol=1e-4)
    print(f"x{s}: LR pixels 2, 3, 4 sit at HR columns {', '.join(f'{c:.1f}' for c in centres[2:5])}")

# %% [markdown]
# LR pixel $i$ sits at $(i+\tfrac12)\,s-\tfrac12$, **between** HR pixels when $s$ is even. The reason is plain: pixel 0 covers the
# area from $-\tfrac12$ to $+\tfrac12$, an LR pixel covers $s$ of those, and its centre is the middle of that stretch.
#
# So the way back, from HR column $x$ to LR, is $(x+\tfrac12)/s-\tfrac12$. Two tempting shortcuts are $x/s$ ("pixel 0 on pixel 0")
# and $x\,(w-1)/(W-1)$ ("corners on corners", known as `align_corners=True`). What do they cost? We enlarge by linear
# interpolation, which is short enough to write out, so that nothing but the coordinates differs.

# %%
CONVENTIONS = {
    "centres on centres": lambda x, n_hr, n_lr: (x + 0.5) * n_lr / n_hr - 0.5,
    "pixel 0 on pixel 0": lambda x, n_hr, n_lr: x * n_lr / n_hr,
    "corners on corners": lambda x, n_hr, n_lr: x * (n_lr - 1) / (n_hr - 1),
}


def enlarge(lr, size, where):
    """Read (h, w) at the places where the convention says that HR's pixels are, between pixels linearly."""
    axes = [where(np.arange(n_hr), n_hr, n_lr) for n_hr, n_lr in zip(size, lr.shape, strict=True)]
    return ndimage.map_coordinates(lr, np.meshgrid(*axes, indexing="ij"), order=1, mode="nearest")


luma = {k: pairs.crop_to_multiple(metrics.luma(v), 4) for k, v in photographs.items()}
scores = {}
for s in (2, 4):
    for name, where in CONVENTIONS.items():
        ours = {k: enlarge(pairs.degrade(y, s)[..., 0], y.shape[:2], where)[..., None] for k, y in luma.items()}
        scores[s, name] = np.mean([metrics.psnr(ours[k], luma[k]) for k in luma])
        if name == "centres on centres":  # Pillow's bilinear enlargement does the same
            library = pairs.resize(pairs.degrade(luma["coffee"], s), luma["coffee"].shape[:2], "bilinear")
            assert np.abs(library - ours["coffee"]).max() < 1e-4
print("mean PSNR of a linear enlargement over all photographs")
for name in CONVENTIONS:
    print(f"  {name}:   x2 {scores[2, name]:.2f} dB    x4 {scores[4, name]:.2f} dB")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 4, figsize=(13, 3.1), width_ratios=[1.5, 1, 1, 1], layout="constrained")
axes[0].scatter(np.arange(12), np.ones(12), s=150, marker="s", color=plotting.COLOURS[2], label="HR")
aligned = (np.arange(3) + 0.5) * 4 - 0.5
axes[0].scatter(aligned, np.zeros(3), s=600, marker="s", color=plotting.COLOURS[5], label="LR x4, where it is")
axes[0].scatter(np.arange(3) * 4, np.full(3, -1), s=600, marker="s", color=plotting.COLOURS[4], label="LR x4, if 0 lay on 0")
axes[0].vlines(aligned, -0.05, 1.05, color="0.5", linewidth=1, linestyle=":")
axes[0].set(xlabel="HR column", yticks=[1, 0, -1], yticklabels=["HR", "LR: true", "LR: wrong"], ylim=(-1.6, 1.6), xlim=(-1.5, 12.5))
axes[0].set_title("pixel centres on one line")
hr, lr = luma["chelsea"], pairs.degrade(luma["chelsea"], 4)[..., 0]
for ax, (name, where) in zip(axes[1:], CONVENTIONS.items(), strict=True):
    error = (enlarge(lr, hr.shape[:2], where) - hr[..., 0])[60:190, 120:320]
    drawn = ax.imshow(error, cmap=plotting.DIVERGING, vmin=-0.25, vmax=0.25)
    ax.set_title(f"{name}\n(error, x4)")
    ax.set_axis_off()
figure.colorbar(drawn, ax=axes[1:], shrink=0.8, label="enlarged minus HR")
plotting.show(figure, alt="Pixel centres of HR and LR on a line; error maps of three conventions around the cat's eyes.")

# %% [markdown]
# Left: the LR centres fall between HR pixels; the tempting version puts the whole picture a pixel and a half too far to the left and up
# (for x4). Right: the error maps on one colour scale. "Pixel 0 on pixel 0" turns every edge into a red-and-blue relief, the
# signature of a **shift**. "Corners on corners" is right in the middle of the picture and drifts towards its borders, so here,
# near the middle, it looks harmless; in the table it is not.
#
# Compare the printed numbers: one bug of half an LR pixel costs more than most networks of this course gain. If a
# method of yours scores *below* linear interpolation, look for a shift first.

# %%
assert scores[2, "centres on centres"] - scores[2, "pixel 0 on pixel 0"] > 0.5
assert scores[4, "centres on centres"] - scores[4, "pixel 0 on pixel 0"] > 0.5


def beyond_nyquist(image, scale):
    """Share of an image's variance at frequencies that a grid `scale` times coarser cannot hold."""
    y = metrics.luma(image)[..., 0].astype(float)
    h, w = y.shape
    power = np.abs(np.fft.fft2((y - y.mean()) * np.outer(np.hanning(h), np.hanning(w)))) ** 2
    fastest = np.maximum(np.abs(np.fft.fftfreq(h))[:, None], np.abs(np.fft.fftfreq(w)))
    return power[fastest > 0.5 / scale].sum() / power.sum()


lost = {name: [100 * beyond_nyquist(image, s) for s in (2, 4)] for name, image in photographs.items()}
print("variance beyond LR's Nyquist limit\n                      x2      x4")
for name in sorted(lost, key=lambda k: lost[k][1]):
    print(f"  {name:17} {lost[name][0]:5.2f} % {lost[name][1]:6.2f} %")

# %% [markdown]
# ### What is lost lives in the fine detail
#
# A grid with $s$ times fewer pixels can hold waves of at most $0.5/s$ cycles per HR pixel: its **Nyquist limit**. The table
# above sorts the photographs by how much of their variance lies beyond it. For most of them it is one percent or less, and
# *that one percent is all that super-resolution is about*: it is edges, hair, letters. In textures (gravel, grass) it is a
# large part of the picture, and no method will bring it back; a method that seems to is making it up.
#
# Three ways to see it: the histogram of values, the histogram of steps between neighbours, the power spectrum.

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
middle = {k: y[(y.shape[0] - 296) // 2 :, (y.shape[1] - 296) // 2 :][:296, :296] for k, y in luma.items()}
squares = np.stack([y for k, y in middle.items()])
for s, colour in ((1, "#000000"), (2, plotting.COLOURS[5]), (4, plotting.COLOURS[4])):
    images, label = pairs.degrade(squares, s), "HR" if s == 1 else f"LR x{s}"
    axes[0].hist(images.ravel(), 60, (0, 1), density=True, histtype="step", color=colour, label=label)
    # the second difference is blind to slopes, so that the coarser grid's longer steps do not count as detail
    detail = (images[:, :, 1:-1] - (images[:, :, 2:] + images[:, :, :-2]) / 2).ravel()
    axes[1].hist(detail, 81, (-0.4, 0.4), density=True, histtype="step", color=colour, log=True, label=label)
    frequency, power = metrics.radial_power_spectrum(images)
    axes[2].loglog(frequency / s, s**2 * np.exp(np.log(power).mean(0)), color=colour, label=label)
    if s > 1:
        axes[2].axvline(0.5 / s, color=colour, linestyle="--", linewidth=1)
        axes[2].text(0.5 / s, 40, f"Nyquist x{s} ", rotation=90, ha="right", va="top", fontsize=8, color=colour)
axes[2].loglog([0.02, 0.5], 0.004 * np.array([0.02, 0.5]) ** -2.0, color="0.6", linestyle=":", label="slope −2")
axes[0].set(title="values: hardly changed", xlabel="luma", ylabel="density")
axes[1].set(title="pixel minus mean of its neighbours", xlabel="luma", ylabel="density (log)")
axes[2].set(title="power spectrum", xlabel="cycles per HR pixel", ylabel="power per HR pixel", ylim=(1e-4, 100))
for ax in axes:
    ax.legend(fontsize=8)
plotting.show(figure, alt="HR and LR share their histogram of values; steps and spectra differ only at fine scales.")

# %% [markdown]
# **Left.** The histograms of values lie on each other. Brightness and contrast say nothing about resolution, so a network
# judged by its histogram could be useless. **Middle.** How far a pixel lies from its neighbours' mean. Here the curves part, and
# in a direction that surprises: relative to *their own* grid, LR pictures look *rougher* than HR, because a reduced picture packs
# the same edges into fewer pixels. Sharpness is a matter of scale, not of a single number.
#
# **Right.** In the spectrum all is in order. Photographs have power falling roughly as $1/f^2$ (Field 1987). Up to its own
# Nyquist limit (dashed) LR follows HR; just below the limit the antialiasing already takes some away; beyond it LR has *nothing*.
# Everything to the right of a dashed line must be supplied by a prior, that is, by having seen other photographs.
#
# ### Failure, on purpose: throwing pixels away
#
# Why antialias at all? `hr[::4, ::4]` is a perfectly legal way to make LR. Watch one wave of 0.45 cycles per pixel go through it.

# %%
wave = 0.5 + 0.5 * np.cos(2 * np.pi * 0.45 * np.arange(400))
wave = np.broadcast_to(wave[None, :, None], (400, 400, 1))
for name, lr in (("drop pixels", wave[::4, ::4]), ("antialiased", pairs.degrade(wave, 4))):
    row = lr[50, 5:-5, 0] - lr[50, 5:-5, 0].mean()
    strongest = np.abs(np.fft.rfft(row)).argmax() / len(row) / 4
    shown = f"{strongest:.2f} cycles per HR pixel" if row.std() > 0.01 else "nothing"
    print(f"{name}: amplitude {np.sqrt(2) * row.std():.2f}, wave seen: {shown}")

# %% [markdown]
# The wave of 0.45 went in; a wave of 0.05, **nine times coarser**, came out at full strength. It is not in the scene. Sampling cannot
# tell $f$ from $f$ minus a multiple of the sampling rate (here $0.45-2\times0.25=-0.05$), so detail beyond Nyquist is not lost but
# *folded* onto coarse detail, where nothing can take it out again. This is **aliasing**. The antialiased reduction leaves a flat grey, which is honest.

# %% tags=["nbval-ignore-output"]
axis = np.arange(256) - 127.5
zone_plate = 0.5 + 0.5 * np.cos(np.pi * (axis[:, None] ** 2 + axis**2) / 256)[..., None]
wall = photographs["brick"][:256, :256]
panels = {}
for scene, image in (("zone plate", zone_plate), ("brick wall", wall)):
    panels[f"{scene}: HR"] = image
    panels[f"{scene}: every 4th pixel"] = image[1::4, 1::4]
    panels[f"{scene}: antialiased x4"] = pairs.degrade(image, 4)
figure = plotting.image_grid(panels, columns=3, cmap="gray", size=3.0)
plotting.show(figure, alt="A zone plate and a brick wall, decimated and antialiased: decimation invents rings and grain.")


# %% [markdown]
# The zone plate's rings get finer outwards, up to HR's own Nyquist limit at the edge's middle. Decimated, it grows a whole lattice of
# bull's-eyes: all but the central one are ghosts. Antialiased, the rings fade to grey where LR can no longer hold them. The brick
# wall *(CC0Textures, CC0)* shows what that means in practice: decimation looks "crisper", and the crispness is false grain.
# A network trained on decimated LR learns to undo folding, which no real camera lens asks of it.
#
# ## 2. A gravitational lens in thirty lines
#
# Now to the course's other kind of picture. A massive galaxy bends the light of a more distant one behind it. A ray that reaches us from the
# direction $\boldsymbol\theta$ left the source plane at
#
# $$\boldsymbol\beta = \boldsymbol\theta - \boldsymbol\alpha(\boldsymbol\theta),$$
#
# the **lens equation**; all three are angles on the sky, in arcseconds. Lensing neither creates nor absorbs light: *surface brightness is
# conserved*. So the image is made backwards. For each image pixel $\boldsymbol\theta$ compute $\boldsymbol\beta$, and look up how bright
# the source is there. No equation is ever inverted; that is the whole ray tracer.
#
# For $\boldsymbol\alpha$ we take a **singular isothermal ellipsoid** (Kormann et al. 1994), a good description of real lens galaxies,
# plus **external shear**, the tide of whatever masses stand nearby. The source is a **Sérsic profile** (Sérsic 1963), the standard shape of a
# galaxy. The Einstein radius $\theta_E$ sets how strong the lens is.

# %%
def sie(x, y, theta_E, q, phi):
    """Deflection of an isothermal ellipsoid at the origin, axis ratio q < 1 along the angle phi."""
    c, s = np.cos(phi), np.sin(phi)
    u, v = c * x + s * y, c * y - s * x  # the lens's own axes
    f, psi = np.sqrt(1 - q**2), np.sqrt(q**2 * u**2 + v**2) + 1e-12
    au = theta_E * np.sqrt(q) / f * np.arctan(f * u / psi)
    av = theta_E * np.sqrt(q) / f * np.arctanh(f * v / psi)
    return c * au - s * av, s * au + c * av  # back to the sky's axes


def shear(x, y, g1, g2):
    """Deflection of an external shear."""
    return g1 * x + g2 * y, g2 * x - g1 * y


def sersic(x, y, radius, n=1.0, q=1.0, phi=0.0, x0=0.0, y0=0.0):
    """Surface brightness of a galaxy: 1 on the ellipse of the half-light radius."""
    c, s = np.cos(phi), np.sin(phi)
    u, v = c * (x - x0) + s * (y - y0), c * (y - y0) - s * (x - x0)
    r = np.sqrt(q * u**2 + v**2 / q) / radius
    return np.exp(-(1.9992 * n - 0.3271) * (r ** (1 / n) - 1))


def to_source(x, y, lens):
    """The lens equation: where in the source plane does the light seen at (x, y) come from?"""
    ax, ay = sie(x, y, lens["theta_E"], lens["q"], lens["phi"])
    gx, gy = shear(x, y, lens["g1"], lens["g2"])
    return x - ax - gx, y - ay - gy


def sky_grid(n, pixel):
    """Coordinates of n x n pixel centres, in arcsec, the origin in the middle."""
    centres = (np.arange(n) - (n - 1) / 2) * pixel
    return np.meshgrid(centres, centres)


# %% [markdown]
# Never believe a formula that you have typed in. We check three ways: against the course's batched ray tracer (`srutils.lensing`, written in PyTorch),
# against **lenstronomy** (Birrer & Amara 2018), the package that lens modellers use, and against physics: a round lens must show two images of a
# small source at distance $\beta$ from the axis, magnified in total by $2\theta_E/\beta$ (Narayan & Bartelmann 1996).

# %%
lens = {"theta_E": 1.2, "q": 0.75, "phi": 0.5, "g1": 0.03, "g2": -0.02}
x, y = sky_grid(200, 0.02)
ours = np.array(to_source(x, y, lens))

import torch  # noqa: E402  (only to talk to srutils.lensing)

e = (1 - lens["q"]) / (1 + lens["q"])
e1, e2 = e * np.cos(2 * lens["phi"]), e * np.sin(2 * lens["phi"])
tensors = dict(zip(("theta_E_main", "e1", "e2", "gamma1", "gamma2"), (1.2, e1, e2, 0.03, -0.02), strict=True))
tensors = {k: torch.full((1, 1, 1), v, dtype=torch.float64) for k, v in tensors.items()}
tensors["center_x"] = tensors["center_y"] = torch.zeros((1, 1, 1), dtype=torch.float64)
ax, ay = lensing.deflection(torch.tensor(x)[None], torch.tensor(y)[None], tensors)
difference = np.abs(np.stack([x - ax[0].numpy(), y - ay[0].numpy()]) - ours).max()
assert difference < 1e-9
print("srutils.lensing agrees to better than 1e-9 arcsec")

if importlib.util.find_spec("lenstronomy"):
    from lenstronomy.LensModel.lens_model import LensModel

    keywords = [{"theta_E": 1.2, "e1": e1, "e2": e2, "center_x": 0, "center_y": 0}, {"gamma1": 0.03, "gamma2": -0.02}]
    theirs = np.array(LensModel(["SIE", "SHEAR"]).ray_shooting(x.ravel(), y.ravel(), keywords))
    assert np.abs(theirs.reshape(ours.shape) - ours).max() < 1e-6
    print("lenstronomy agrees to better than 1e-6 arcsec")

round_lens = {"theta_E": 1.0, "q": 1 - 1e-9, "phi": 0.0, "g1": 0.0, "g2": 0.0}
x, y = sky_grid(1500, 0.003)
magnification = sersic(*to_source(x, y, round_lens), 0.01, x0=0.3).sum() / sersic(x, y, 0.01, x0=0.3).sum()
print(f"a small source at beta = 0.3: magnified {magnification:.2f} times; theory 2 / 0.3 = {2 / 0.3:.2f}")
assert abs(magnification - 2 / 0.3) < 0.05

# %% tags=["nbval-ignore-output"]
x, y = sky_grid(400, 0.011)
bx, by = to_source(x, y, lens)
jacobian = np.gradient(bx, axis=1) * np.gradient(by, axis=0) - np.gradient(bx, axis=0) * np.gradient(by, axis=1)
galaxy = {"radius": 0.16, "n": 1.0, "q": 0.6, "phi": 1.0, "x0": 0.07, "y0": 0.02}
figure, axes = plt.subplots(1, 3, figsize=(13, 4.3), layout="constrained", sharex=True, sharey=True)
extent = [x.min(), x.max(), y.min(), y.max()]
light = [sersic(x, y, **galaxy), sersic(bx, by, **galaxy)]
norm = plotting.stretch(light, limits=(0, 4))
axes[0].imshow(light[0], extent=extent, origin="lower", norm=norm)
axes[2].imshow(light[1], extent=extent, origin="lower", norm=norm)
critical = axes[2].contour(x, y, np.where(np.hypot(x, y) > 0.3, jacobian, -1), [0], colors="#56B4E9", linewidths=1)
for line in critical.allsegs[0]:  # where the map folds, and where the folds lie in the source plane
    axes[0].plot(*to_source(*line.T, lens), color="#56B4E9", linewidth=1)
for k in range(0, 400, 16):
    axes[1].plot(bx[k], by[k], color="0.45", linewidth=0.6)
    axes[1].plot(bx[:, k], by[:, k], color="0.45", linewidth=0.6)
titles = ("source plane: what is there", "where a square net of rays comes from", "image plane: what we see")
for ax, title, symbol in zip(axes, titles, "ββθ", strict=True):
    ax.set(title=title, xlabel=f"${{\\{'beta' if symbol == 'β' else 'theta'}}}_x$ [arcsec]", xlim=(-2.1, 2.1), ylim=(-2.1, 2.1), aspect="equal")
    ax.grid(False)
axes[0].set_ylabel("[arcsec]")
plotting.show(figure, alt="A small galaxy, the folded net of rays, and the ring of images that results.")
