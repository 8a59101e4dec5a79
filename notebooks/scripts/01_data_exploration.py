# %% [markdown]
# # 01 · What do low and high resolution really share?
#
# Every super-resolution method, from a cubic polynomial to a generative network, makes the same bet: that a
# blurred, coarse, noisy picture still holds more than the eye sees in it. Whether the bet can be won is
# decided before any network is trained, by **how the low-resolution picture came to be**.
#
# This lesson trains nothing. We look at pairs of pictures the way a physicist looks at an instrument: what
# goes in, what comes out, what is lost, and what only seems to be. We build a gravitational lens in thirty
# lines. And near the end we solve a small case: the "telescope images" of a well-known benchmark turn out
# not to come from a telescope.

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
# - bend light around a galaxy with the lens equation, in thirty lines of NumPy, and check them against two
#   libraries;
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
# **You will need** basic NumPy, and about 40 minutes to read. The code runs in about a minute on a laptop
# without a GPU; a GPU changes nothing here. No download: photographs come with scikit-image, lenses are
# simulated. Real Hubble images appear where `SR_DATA` points to them.

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

# %% [markdown]
# ## 1. Photographs: what LR keeps
#
# Super-resolution on photographs has a convention: take a sharp picture, call it HR, and *make* LR from it
# with an antialiased bicubic reduction. Lesson 02 shows why "bicubic" must be spelled out; here we use the
# course's one function for it, `pairs.degrade`. Our model is Chelsea, a cat whose whiskers are about as
# fine as a photograph can hold.

# %%
import importlib.util

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from srutils import lensing, metrics, pairs, photos, plotting
from srutils.lensing import raytrace

plotting.use_style()
plt.rcParams["figure.dpi"] = 80  # many pictures: keep the notebook small

photographs = photos.builtin()
print(f"{len(photographs)} photographs: {', '.join(photographs)}")

cat = photographs["chelsea"][40:240, 100:300]
cat_x2, cat_x4 = pairs.degrade(cat, 2), pairs.degrade(cat, 4)
for name, image in (("HR", cat), ("LR x2", cat_x2), ("LR x4", cat_x4)):
    print(f"{name:6} {image.shape}  mean {image.mean():.4f}  standard deviation {image.std():.4f}")
assert np.allclose([cat_x2.mean(), cat_x4.mean()], cat.mean(), atol=1e-3)

# %% tags=["nbval-ignore-output"]
columns = {"HR": cat, "LR x2 (a quarter of the pixels)": cat_x2, "LR x4 (a sixteenth)": cat_x4}
figure = plotting.zoom_grid(columns, "HR", box=(40, 35, 64, 64), size=2.6)
plotting.show(figure, alt="A cat at full, half and quarter resolution, and the same zoom on one eye at each.")

# %% [markdown]
# Seen whole, the three pictures are nearly the same: same light, same colours, same cat. The zoom (the
# white frame) tells them apart. At x2 single hairs become a texture; at x4 the texture is gone, the pupil's
# edge has become a staircase, and the highlight in the eye has dimmed, because a bright spot smaller than a
# pixel is averaged with its surroundings. *(Chelsea: Stéfan van der Walt, CC0.)*
#
# ### Where is an LR pixel?
#
# Before comparing two grids we must know how they lie on each other. Getting this wrong by half a pixel is
# an easy bug to write and a hard one to see. We need not guess. Feed the resizer a **ramp**, a picture in
# which every pixel's value *is* its own column number: what comes out are the HR coordinates of the LR
# pixel centres.

# %%
ramp = np.broadcast_to(np.arange(64.0)[None, :, None], (64, 64, 1))
for s in (2, 4):
    centres = pairs.degrade(ramp, s)[32 // s, :, 0]
    expected = (np.arange(64 // s) + 0.5) * s - 0.5
    inside = slice(2, -2)  # at the border the kernel hangs over the edge
    assert np.allclose(centres[inside], expected[inside], atol=1e-4)
    print(f"x{s}: LR pixels 2, 3, 4 sit at HR columns {', '.join(f'{c:.1f}' for c in centres[2:5])}")

# %% [markdown]
# LR pixel $i$ sits at $(i+\tfrac12)\,s-\tfrac12$, **between** HR pixels when $s$ is even. The reason is
# plain: pixel 0 covers the area from $-\tfrac12$ to $+\tfrac12$, an LR pixel covers $s$ of those, and its
# centre is the middle of that stretch.
#
# So the way back, from HR column $x$ to LR, is $(x+\tfrac12)/s-\tfrac12$. Two tempting shortcuts are $x/s$
# ("pixel 0 on pixel 0") and $x\,(w-1)/(W-1)$ ("corners on corners", known as `align_corners=True`). What do
# they cost? We enlarge by linear interpolation, which is short enough to write out, so that nothing but the
# coordinates differs.

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
        small = [pairs.degrade(y, s)[..., 0] for y in luma.values()]
        enlarged = [enlarge(lr, np.shape(lr) * np.array(s), where)[..., None] for lr in small]
        scores[s, name] = np.mean([metrics.psnr(e, y) for e, y in zip(enlarged, luma.values(), strict=True)])
        if name == "centres on centres":  # Pillow's bilinear enlargement does the same
            first = next(iter(luma.values()))
            library = pairs.resize(pairs.degrade(first, s), first.shape[:2], "bilinear")
            assert np.abs(library - enlarged[0]).max() < 1e-4
print("mean PSNR of a linear enlargement over all photographs")
for name in CONVENTIONS:
    print(f"  {name}:   x2 {scores[2, name]:.2f} dB    x4 {scores[4, name]:.2f} dB")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8), width_ratios=[1.3, 1, 1, 1], layout="constrained")
aligned = (np.arange(3) + 0.5) * 4 - 0.5
rows = ((np.arange(12), 1, 90, 2), (aligned, 0, 330, 5), (np.arange(3) * 4, -1, 330, 4))
for centres, height, area, colour in rows:
    level = np.full(len(centres), height)
    axes[0].scatter(centres, level, s=area, marker="s", color=plotting.COLOURS[colour])
axes[0].vlines(aligned, -0.05, 1.05, color="0.5", linewidth=1, linestyle=":")
axes[0].set(xlabel="HR column", ylim=(-1.6, 1.6), xlim=(-1.5, 12.5), xticks=[0, 4, 8, 12])
axes[0].set_yticks([1, 0, -1], ["HR", "LR: true", "LR: wrong"])
axes[0].set_title("pixel centres on one line")
hr, lr = luma["chelsea"], pairs.degrade(luma["chelsea"], 4)[..., 0]
for ax, (name, where) in zip(axes[1:], CONVENTIONS.items(), strict=True):
    error = (enlarge(lr, hr.shape[:2], where) - hr[..., 0])[50:180, 110:240]
    drawn = ax.imshow(error, cmap=plotting.DIVERGING, vmin=-0.25, vmax=0.25)
    ax.set_title(name)
    ax.set_axis_off()
figure.colorbar(drawn, ax=axes[3], shrink=0.8, label="error at x4")
plotting.show(figure, alt="Pixel centres of HR and LR on a line; errors of three conventions around an eye.")

# %% [markdown]
# Left: the LR centres fall between HR pixels; the tempting version puts the whole picture a pixel and a
# half too far to the left and up (for x4). Right: the error maps on one colour scale. "Pixel 0 on pixel 0"
# turns every edge into a red-and-blue relief, the signature of a **shift**. "Corners on corners" is right
# in the middle of the picture and drifts towards its borders, so here, near the middle, it looks harmless;
# in the table it is not.
#
# Compare the printed numbers: the shift costs more than a decibel at x2 and nearly two at x4, and the
# lessons ahead will work hard for gains of that size. If a method of yours scores *below* plain linear
# interpolation, look for a shift first.

# %%
assert abs(scores[2, "centres on centres"] - scores[2, "pixel 0 on pixel 0"] - 1.5) < 0.1
assert abs(scores[4, "centres on centres"] - scores[4, "pixel 0 on pixel 0"] - 2.0) < 0.1


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
# A grid with $s$ times fewer pixels can hold waves of at most $0.5/s$ cycles per HR pixel: its **Nyquist
# limit**. The table above sorts the photographs by how much of their variance lies beyond it. In most of
# them it is a few percent, and *those few percent are all that super-resolution is about*: edges, hair,
# letters. In textures (gravel, grass) they are a large part of the picture, and no method will bring them
# back; one that seems to is making them up.
#
# Three ways to see it: the histogram of values, the histogram of steps between neighbours, the power
# spectrum.

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.3), layout="constrained")
middle = {k: y[(y.shape[0] - 296) // 2 :, (y.shape[1] - 296) // 2 :][:296, :296] for k, y in luma.items()}
squares = np.stack([y for k, y in middle.items()])
for s, colour in ((1, "#000000"), (2, plotting.COLOURS[5]), (4, plotting.COLOURS[4])):
    images, label = pairs.degrade(squares, s), "HR" if s == 1 else f"LR x{s}"
    line = {"density": True, "histtype": "step", "color": colour, "label": label}
    axes[0].hist(images.ravel(), 40, range=(0, 1), **line)
    # the second difference is blind to slopes, so that the coarser grid's longer steps do not count as detail
    detail = (images[:, :, 1:-1] - (images[:, :, 2:] + images[:, :, :-2]) / 2).ravel()
    axes[1].hist(detail, 61, range=(-0.4, 0.4), log=True, **line)
    frequency, power = metrics.radial_power_spectrum(images)
    axes[2].loglog(frequency[1:] / s, s**2 * np.exp(np.log(power).mean(0))[1:], color=colour, label=label)
    if s > 1:
        axes[2].axvline(0.5 / s, color=colour, linestyle="--", linewidth=1)
        axes[2].text(0.5 / s, 40, f"Nyquist x{s} ", rotation=90, ha="right", va="top", size=8, color=colour)
axes[2].loglog([0.02, 0.5], [10, 0.016], color="0.6", linestyle=":", label="slope −2 (Field 1987)")
axes[0].set(title="values: hardly changed", xlabel="luma", ylabel="density")
axes[1].set(title="pixel minus mean of its neighbours", xlabel="luma", ylabel="density (log)")
axes[2].set(title="power spectrum", xlabel="cycles per HR pixel", ylabel="power", ylim=(1e-4, 100))
for ax in axes:
    ax.legend(fontsize=8)
plotting.show(figure, alt="HR and LR have the same histogram of values; their spectra part near Nyquist.")

# %% [markdown]
# **Left.** The histograms of values lie on each other. Brightness and contrast say nothing about
# resolution, so a network judged by its histogram could be useless. **Middle.** How far a pixel lies from
# its neighbours' mean. Here the curves part, and in a direction that surprises: relative to *their own*
# grid, LR pictures look *rougher* than HR, because a reduced picture packs the same edges into fewer
# pixels. Sharpness is a matter of scale, not of a single number.
#
# **Right.** In the spectrum all is in order. The power of photographs falls steeply, about as $1/f^2$ by a
# famous rule (Field 1987) and more steeply in these eleven. Up to its own Nyquist limit (dashed) LR follows
# HR; just below the limit the antialiasing already takes some away; beyond it LR has *nothing*. Everything
# to the right of a dashed line must be supplied by a prior, that is, by having seen other photographs.
#
# ### Failure, on purpose: throwing pixels away
#
# Why antialias at all? `hr[::4, ::4]` is a perfectly legal way to make LR. But sampling cannot tell a wave
# of frequency $f$ from one that is faster by a multiple of the sampling rate. Detail beyond Nyquist is then
# not lost but *folded* onto coarse detail, where nothing can take it out again. This is **aliasing**. We
# send one wave of 0.45 cycles per pixel through both reductions; theory says that dropping pixels turns it
# into one of $|0.45-2\times0.25|=0.05$, nine times coarser.

# %%
wave = 0.5 + 0.5 * np.cos(2 * np.pi * 0.45 * np.arange(400))
wave = np.broadcast_to(wave[None, :, None], (400, 400, 1))
for name, lr in (("drop pixels", wave[::4, ::4]), ("antialiased", pairs.degrade(wave, 4))):
    row = lr[50, 5:-5, 0] - lr[50, 5:-5, 0].mean()
    strongest = np.abs(np.fft.rfft(row)).argmax() / len(row) / 4
    shown = f"{strongest:.2f} cycles per HR pixel" if row.std() > 0.01 else "nothing"
    print(f"{name}: amplitude {np.sqrt(2) * row.std():.2f}, wave seen: {shown}")

# %% tags=["nbval-ignore-output"]
axis = np.arange(128) - 63.5
zone_plate = 0.5 + 0.5 * np.cos(0.7 * np.pi * (axis[:, None] ** 2 + axis**2) / 128)[..., None]
whiskers = photographs["chelsea"][150:278, 60:188]
panels = {}
for scene, image in (("zone plate", zone_plate), ("whiskers", whiskers)):
    panels[f"{scene}: HR"] = image
    panels[f"{scene}: every 4th pixel"] = image[1::4, 1::4]
    panels[f"{scene}: antialiased x4"] = pairs.degrade(image, 4)
figure = plotting.image_grid(panels, columns=3, cmap="gray", size=2.3)
plotting.show(figure, alt="A zone plate and whiskers, decimated and antialiased.")


# %% [markdown]
# The ghost wave came out at full strength, and it is not in the scene; the antialiased reduction left a
# flat grey, which is honest. The pictures say the same.
#
# The zone plate's rings get finer outwards, up to 0.35 cycles per pixel at the middle of each edge.
# Decimated, it grows a lattice of bull's-eyes: all but the central one are ghosts. Antialiased, the rings
# fade to grey where LR can no longer hold them. Below, the same two reductions of Chelsea's whiskers.
# Decimation cuts them into strings of beads, because a line thinner than the sampling step is sometimes hit
# and sometimes missed; antialiasing leaves a faint but whole line. A network trained on decimated pictures
# learns to mend beads, which no camera asks of it.
#
# ## 2. A gravitational lens in thirty lines
#
# Now to the course's other kind of picture. A massive galaxy bends the light of a more distant one behind
# it. A ray that reaches us from the direction $\boldsymbol\theta$ left the source plane at
#
# $$\boldsymbol\beta = \boldsymbol\theta - \boldsymbol\alpha(\boldsymbol\theta),$$
#
# the **lens equation**; all three are angles on the sky, in arcseconds. Lensing neither creates nor absorbs
# light: *surface brightness is conserved*. So the image is made backwards. For each image pixel
# $\boldsymbol\theta$ compute $\boldsymbol\beta$, and look up how bright the source is there. No equation is
# ever inverted; that is the whole ray tracer.
#
# For $\boldsymbol\alpha$ we take a **singular isothermal ellipsoid** (Kormann et al. 1994), a good
# description of real lens galaxies, plus **external shear**, the tide of whatever masses stand nearby. The
# source is a **Sérsic profile** (Sérsic 1963), the standard shape of a galaxy. The Einstein radius
# $\theta_E$ sets how strong the lens is.

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


def sersic(x, y, radius, n=1.0, q=1.0, phi=0.0, x0=0.0, y0=0.0):
    """Surface brightness of a galaxy: 1 on the ellipse of the half-light radius."""
    c, s = np.cos(phi), np.sin(phi)
    u, v = c * (x - x0) + s * (y - y0), c * (y - y0) - s * (x - x0)
    r = np.sqrt(q * u**2 + v**2 / q) / radius
    return np.exp(-(1.9992 * n - 0.3271) * (r ** (1 / n) - 1))


def to_source(x, y, lens):
    """The lens equation: where in the source plane does the light seen at (x, y) come from?"""
    ax, ay = sie(x - lens.get("x0", 0), y - lens.get("y0", 0), lens["theta_E"], lens["q"], lens["phi"])
    gx, gy = shear(x, y, lens["g1"], lens["g2"])
    return x - ax - gx, y - ay - gy


def sky_grid(n, pixel):
    """Coordinates of n x n pixel centres, in arcsec, the origin in the middle."""
    centres = (np.arange(n) - (n - 1) / 2) * pixel
    return np.meshgrid(centres, centres)


# %% [markdown]
# Never believe a formula that you have typed in. We check three ways: against the course's batched ray
# tracer (`srutils.lensing.raytrace`, written in PyTorch), against **lenstronomy** (Birrer & Amara 2018), the package
# that lens modellers use, and against physics: a round lens must show two images of a small source at
# distance $\beta$ from the axis, magnified in total by $2\theta_E/\beta$ (Narayan & Bartelmann 1996).

# %%
lens = {"theta_E": 1.2, "q": 0.75, "phi": 0.5, "g1": 0.03, "g2": -0.02}
x, y = sky_grid(200, 0.02)
ours = np.array(to_source(x, y, lens))

import torch  # noqa: E402  (only to talk to srutils.lensing.raytrace)

e = (1 - lens["q"]) / (1 + lens["q"])
e1, e2 = e * np.cos(2 * lens["phi"]), e * np.sin(2 * lens["phi"])
tensors = dict(zip(("theta_E_main", "e1", "e2", "gamma1", "gamma2"), (1.2, e1, e2, 0.03, -0.02), strict=True))
tensors = {k: torch.full((1, 1, 1), v, dtype=torch.float64) for k, v in tensors.items()}
tensors["center_x"] = tensors["center_y"] = torch.zeros((1, 1, 1), dtype=torch.float64)
ax, ay = raytrace.deflection(torch.tensor(x)[None], torch.tensor(y)[None], tensors)
difference = np.abs(np.stack([x - ax[0].numpy(), y - ay[0].numpy()]) - ours).max()
assert difference < 1e-9
print("srutils.lensing agrees to better than 1e-9 arcsec")

if importlib.util.find_spec("lenstronomy"):
    from lenstronomy.LensModel.lens_model import LensModel

    keywords = [{"theta_E": 1.2, "e1": e1, "e2": e2}, {"gamma1": 0.03, "gamma2": -0.02}]
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
(bx_y, bx_x), (by_y, by_x) = np.gradient(bx), np.gradient(by)
folds = np.where(np.hypot(x, y) > 0.3, bx_x * by_y - bx_y * by_x, -1)  # zero where the map folds
galaxy = {"radius": 0.16, "n": 1.0, "q": 0.6, "phi": 1.0, "x0": 0.07, "y0": 0.02}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained", sharex=True, sharey=True)
extent = [x.min(), x.max(), y.min(), y.max()]
light = [sersic(x, y, **galaxy), sersic(bx, by, **galaxy)]
norm = plotting.stretch(light, limits=(0, 4))
axes[0].imshow(light[0], extent=extent, origin="lower", norm=norm)
axes[2].imshow(light[1], extent=extent, origin="lower", norm=norm)
critical = axes[2].contour(x, y, folds, [0], colors="#56B4E9", linewidths=1)
for line in critical.allsegs[0]:  # the same lines in the source plane
    axes[0].plot(*to_source(*line.T, lens), color="#56B4E9", linewidth=1)
for k in range(0, 400, 16):
    axes[1].plot(bx[k], by[k], color="0.45", linewidth=0.6)
    axes[1].plot(bx[:, k], by[:, k], color="0.45", linewidth=0.6)
titles = ("source plane: what is there", "where a square net of rays comes from", "image plane: what we see")
for ax, title, symbol in zip(axes, titles, ("beta", "beta", "theta"), strict=True):
    ax.set(title=title, xlabel=f"$\\{symbol}_x$ [arcsec]", xlim=(-2.1, 2.1), ylim=(-2.1, 2.1), aspect="equal")
    ax.grid(False)
axes[0].set_ylabel("[arcsec]")
plotting.show(figure, alt="A small galaxy, the folded net of rays, and the ring of images that results.")

# %% [markdown]
# **Left:** one small, plain galaxy. **Right:** what reaches us. Nothing was added to the galaxy: the same
# piece of it is seen in several directions at once, and stretched. **Middle:** why. Rays sent out on a
# square net land on a net that is *folded*: near the centre several sheets of it lie over each other. A
# source there is hit by several rays, so it has several images. The folds themselves are drawn as blue
# lines, the **caustic** in the source plane and the **critical curve** in the image plane, where
# magnification is largest and the arcs are longest.
#
# For super-resolution this has a happy side: a lens is itself a magnifying glass, and arcs are thin,
# curved, bright structures, the very thing that pixels and blur destroy.
#
# Now move the source.

# %% tags=["nbval-ignore-output"]
places = [(0, 0), (0.06, 0.03), (0.12, 0.1), (0.2, 0.17), (0.35, 0.3), (0.75, 0.62)]
figure, axes = plt.subplots(2, 6, figsize=(11, 4.0), layout="constrained")
for (x0, y0), top, bottom in zip(places, *axes, strict=True):
    small = {"radius": 0.09, "x0": x0, "y0": y0}
    for ax, light, half in ((top, sersic(x, y, **small), 1.0), (bottom, sersic(bx, by, **small), 2.1)):
        ax.imshow(light, extent=extent, origin="lower", norm=norm)
        ax.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[])
    for line in critical.allsegs[0]:
        top.plot(*to_source(*line.T, lens), color="#56B4E9", linewidth=1)
        bottom.plot(*line.T, color="#56B4E9", linewidth=0.8, alpha=0.6)
    top.set_title(f"source at {np.hypot(x0, y0):.2f}″")
axes[0, 0].set_ylabel("source plane, ±1″")
axes[1, 0].set_ylabel("image plane, ±2.1″")
plotting.show(figure, alt="As the source moves off the axis, a ring breaks into four images, then two.")


# %% [markdown]
# Inside the caustic the source has four images, on the axis merged into an almost closed ring. As it
# crosses the caustic two images meet and vanish; a long arc with a small counter-image remains. Farther out
# there are two images, one that tends towards the source itself and one that shrinks into the centre and
# fades. *How little the source moved* between the ring and the two images: a few tenths of an arcsecond.
# What we want to know about a lens hangs on such details.
#
# ## 3. From the sky to pixels: the instrument
#
# So far the sky was perfect. A telescope does three things to it, always in this order:
#
# 1. **blur**: light from a point spreads over the *point spread function* (PSF), by diffraction and, on the
#    ground, by the air;
# 2. **pixels**: each pixel adds up the light that falls on its area;
# 3. **photons**: light arrives in lumps. A pixel that expects $N$ photons receives $N\pm\sqrt N$,
#    Poisson-distributed.
#
# The course's `telescope` track does this **twice** to the same sky: once with a sharp instrument (HR: PSF
# 0.09″ wide, pixels of 0.05″), once with a blunt one (LR x4: 0.36″, pixels of 0.2″). Both look equally long
# and both catch their own photons. We take one lens from the track and rebuild its images with our thirty
# lines.

# %%
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
    photons = rng.poisson((np.maximum(image, 0) * lensing.PEAK + lensing.SKY) * area)
    return (photons / area - lensing.SKY) / lensing.PEAK


def ellipse(e1, e2):
    """Axis ratio and angle from the two numbers (e1, e2) that lens modellers prefer."""
    e = np.hypot(e1, e2)
    return {"q": (1 - e) / (1 + e), "phi": np.arctan2(e2, e1) / 2}


# %%
one = lensing.simulate("telescope", 17, scale=4, classes="no_substructure", seed=7)[16]
p = {name: values[0] for name, values in one.params.items()}
halo = {"theta_E": p["theta_E"], "x0": p["center_x"], "y0": p["center_y"]} | ellipse(p["e1"], p["e2"])
halo |= {"g1": p["gamma1"], "g2": p["gamma2"]}
galaxy = {"radius": p["source_radius"], "n": p["source_n"], "x0": p["source_x"], "y0": p["source_y"]}
galaxy |= ellipse(p["source_e1"], p["source_e2"])

fine = lensing.SUPERSAMPLING  # rays a HR pixel, along each axis
x, y = sky_grid(lensing.SIZE["telescope"] * fine, lensing.PIXEL / fine)
sky = sersic(*to_source(x, y, halo), **galaxy)
rng = np.random.default_rng(0)
stages, peak = {}, one.params["peak_brightness"][0]  # one unit for both: the brightest pixel of HR
for name, s in (("HR", 1), ("LR x4", 4)):
    blurred = blur(sky, lensing.PSF_FWHM[s] / lensing.PIXEL * fine)
    binned = bin_pixels(blurred, s * fine)
    stages[name] = [sky / peak, blurred / peak, binned / peak, expose(binned / peak, s**2, rng)]

difference = np.abs(stages["HR"][2] - one.truth[0, ..., 0]).max()
assert difference < 1e-3
print("our noise-free HR is the track's to better than 1e-3 of the peak")
photon_noise = np.sqrt((one.truth[0, ..., 0] + lensing.SKY / lensing.PEAK) / lensing.PEAK)
print(f"noise a HR pixel: {photon_noise.min():.4f} on dark sky, {photon_noise.max():.4f} at the peak of 1")

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(2, 4, figsize=(9.8, 4.7), layout="constrained")
norm = plotting.stretch([stages["HR"][3]], softening=0.1, limits=(-0.02, 1.1))
titles = ("1 the sky", "2 after the PSF", "3 in pixels", "4 with photon noise")
for row, (name, images) in zip(axes, stages.items(), strict=True):
    for ax, image, title in zip(row, images, titles, strict=True):
        drawn = ax.imshow(image, norm=norm, origin="lower", extent=(-3.2, 3.2, -3.2, 3.2))
        ax.set(xticks=[], yticks=[], xlim=(-2, 2), ylim=(-2, 2), title=f"{title}: {len(image)} px")
    row[0].set_ylabel(f"{name}: PSF {lensing.PSF_FWHM[1 if name == 'HR' else 4]}″")
bar = figure.colorbar(drawn, ax=axes, shrink=0.6, label="brightness (HR's noise-free peak is 1)")
bar.set_ticks([0, 0.1, 0.3, 1], labels=["0", "0.1", "0.3", "1"], minor=False)
bar.minorticks_off()
plotting.show(figure, alt="A lens after each step of the instrument, sharp and blunt.")

# %% [markdown]
# Read each row from left to right. Blur comes first and is what takes the fine structure away; in LR the
# arc is already smooth *before* it is cut into pixels. Then come the photons: at the peak they hardly
# matter, but the faint end of the arc sinks into the speckle of the sky. The printed numbers say so: the
# noise on dark sky is a small fraction of the peak, but so is the light that we would like to see there.
#
# And the check held: our thirty lines, blurred and binned, *are* the track's noise-free HR image to better
# than a thousandth of the peak.
#
# ### Where signal sinks into noise
#
# The power spectrum puts blur, pixels and photons on one page. Photon noise is independent from pixel to
# pixel, so its spectrum is **flat**: a floor. The signal falls; where it meets the floor, detail ends,
# whatever the pixel size. We average over many lenses of both tracks. (`deeplense`, the second track,
# imitates a well-known benchmark. It is the subject of section 5.)

# %%
lenses = lensing.simulate("telescope", 360, seed=0)
lenses_x4 = lensing.simulate("telescope", 60, scale=4, seed=0)
replica = lensing.simulate("deeplense", 60, seed=0)

expected = np.sqrt((lenses.truth + lensing.SKY / lensing.PEAK) / lensing.PEAK)
ratio = ((lenses.hr - lenses.truth) / expected).std()
print(f"HR minus truth, in units of the photon noise sqrt(N): {ratio:.2f}")
assert abs(ratio - 1) < 0.01


def crossing(frequency, signal, floor):
    """First frequency at which the signal's power lies below the noise's."""
    return frequency[np.argmax(signal < floor)]


def spectrum(images):
    frequency, power = metrics.radial_power_spectrum(images)
    return frequency, power.mean(0)


floors, ends = {}, {}
for name, shown in (("telescope", lenses[:60]), ("deeplense", replica)):
    floors[name] = spectrum(shown.hr - shown.truth)[1].mean()
    ends[name] = crossing(*spectrum(shown.truth), floors[name])
    print(f"{name}: the scene sinks under HR's noise at {ends[name]:.2f} cycles per HR pixel")
for shown in (lenses[:60], lenses_x4, replica):
    name, s = shown.name.split("-")[0], shown.scale
    end = spectrum(shown.lr)[1][-3:].mean() * s**2
    print(f"{name}: LR x{s} ends at {end / floors[name]:.1f} times HR's noise floor")
assert ends["deeplense"] < 0.25 < ends["telescope"]

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharey=True)
for ax, several in zip(axes, ((lenses[:60], lenses_x4), (replica,)), strict=True):
    shown, name = several[0], several[0].name.split("-")[0]
    ax.semilogy(*spectrum(shown.truth), color="black", linestyle=":", label="HR without noise")
    ax.semilogy(*spectrum(shown.hr), color="black", label="HR as recorded")
    for small, colour in zip(several, (plotting.COLOURS[5], plotting.COLOURS[4]), strict=False):
        (frequency, power), s = spectrum(small.lr), small.scale
        ax.semilogy(frequency / s, power * s**2, color=colour, label=f"LR x{s} as recorded")
        ax.axvline(0.5 / s, color=colour, linestyle="--", linewidth=1)
        ax.text(0.5 / s, 10, f"Nyquist x{s} ", rotation=90, ha="right", va="top", fontsize=8, color=colour)
    ax.axhline(floors[name], color="0.6", linewidth=1)
    ax.text(0.5, floors[name] * 1.2, "HR's noise floor", ha="right", fontsize=8, color="0.4")
    ax.set(title=f"{name} track", xlabel="cycles per HR pixel", ylim=(1e-7, 30), xlim=(0, 0.5))
    ax.legend()
axes[0].set_ylabel("power per HR pixel")
plotting.show(figure, alt="Spectra of both tracks: the signal falls onto a flat noise floor.")

# %% [markdown]
# **`telescope`** (left). The black dotted curve is the scene through HR's PSF, the solid one what HR
# recorded: they part where the scene sinks under the noise floor. The coloured LR curves fall away from
# HR's *long before their Nyquist lines*: that is the wider PSF at work. At x2 the curve lies on the noise
# floor before it reaches the dashed line: blur and noise had ended the detail before the pixels could. At
# x4 it ends about three times above the floor. It is hardly the pixels, then, that limit these telescopes.
# To win something back, a method must undo blur in the presence of noise; enlarging pixels nicely is not
# enough.
#
# **`deeplense`** (right) is different in two ways. The scene is drowned in HR's own noise *below* LR's
# Nyquist limit, so LR has lost nothing of it: from there on HR, too, holds only noise. And LR's noise ends
# at **more than twice** HR's floor, although on this axis two instruments that collect equal light must
# share one floor, as they do on the left. Keep that in mind. It is the first clue.
#
# ## 4. Three kinds of dark matter
#
# Why bother with lenses? Because the halo that bends the light is mostly dark matter, and its small-scale
# structure, which depends on what dark matter *is*, leaves traces in the arcs (Alexander et al. 2020). The
# course has three classes, as the benchmark does: a smooth halo (`no_substructure`), a halo with some of
# its mass in compact clumps (`subhalo`), and one with some of it in a line, as an axion condensate might
# form (`vortex`).
#
# How strong are the traces? To isolate them we simulate **matched triplets**: the same halo, shear, source
# and noise three times, the class being the only difference.

# %%
triplets = lensing.simulate("telescope", 180, seed=0, triplets=True)
peaks = triplets.params["peak_brightness"].reshape(-1, 3, 1, 1)
scenes = triplets.truth[..., 0].reshape(-1, 3, 128, 128) * peaks / peaks[:, :1]  # one unit
assert np.ptp(triplets.params["theta_E"].reshape(-1, 3), axis=1).max() == 0


def traces(scale):
    """Noise-free change by subhalos and by the vortex, in units of a pixel's noise: (N, 2, h, w)."""
    wider = np.sqrt(lensing.PSF_FWHM[scale] ** 2 - lensing.PSF_FWHM[1] ** 2) / lensing.PIXEL
    seen = np.array([[bin_pixels(blur(image, wider), scale) for image in three] for three in scenes])
    noise = np.sqrt((seen[:, :1] + lensing.SKY / lensing.PEAK) / lensing.PEAK) / scale
    return (seen[:, 1:] - seen[:, :1]) / noise


significance, changes = {}, {}
print("                     typical pixel on the arc    strongest pixel    all pixels together")
for scale, name in ((1, "HR"), (2, "LR x2"), (4, "LR x4")):
    changes[name] = traces(scale)
    arc = scenes[:, 0].reshape(60, 128 // scale, scale, 128 // scale, scale).mean((2, 4)) > 0.1
    for k, kind in enumerate(lensing.CLASSES[1:]):
        typical = np.median([np.abs(c[k][a]).mean() for c, a in zip(changes[name], arc, strict=True)])
        strongest = np.median(np.abs(changes[name][:, k]).max((1, 2)))
        significance[name, kind] = np.sqrt(np.square(changes[name][:, k]).sum((1, 2)))
        total = np.median(significance[name, kind])
        print(f"{name:6} {kind:8} {typical:20.2f} sigma {strongest:16.1f} sigma {total:16.1f} sigma")
hidden = np.mean(significance["HR", "subhalo"] < 3)
print(f"subhalo lenses whose whole trace is below 3 sigma in HR: {100 * hidden:.0f} %")
assert 4 < np.median(significance["HR", "subhalo"]) < 6 and 0.15 < hidden < 0.3
assert np.median(significance["LR x4", "subhalo"]) < np.median(significance["HR", "subhalo"])

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(3, 5, figsize=(10, 5.6), layout="constrained")
norm = plotting.stretch([scenes[14, 0]], limits=(0, 1))
field = {"origin": "lower", "extent": (-3.2, 3.2, -3.2, 3.2)}
for row, i in zip(axes, (14, 3, 17), strict=True):
    for ax, image in zip(row[:3], scenes[i], strict=True):
        light = ax.imshow(image, norm=norm, **field)
    for ax, change in zip(row[3:], changes["HR"][i], strict=True):
        drawn = ax.imshow(change, cmap=plotting.DIVERGING, vmin=-6, vmax=6, **field)
    q = {k: v[3 * i + 1] for k, v in triplets.params.items()}  # where the clumps are, and how heavy
    mass = q["subhalo_theta_E"] ** 2
    row[3].scatter(q["subhalo_x"], q["subhalo_y"], s=4000 * mass, facecolor="none", edgecolor="k", lw=0.7)
    q = {k: v[3 * i + 2] for k, v in triplets.params.items()}  # and the line
    reach = q["vortex_half_length"] * np.array([-1, 1])
    ends = (
        q["vortex_x"] + reach * np.cos(q["vortex_angle"]),
        q["vortex_y"] + reach * np.sin(q["vortex_angle"]),
    )
    row[4].plot(*ends, color="k", linewidth=1.2)
    for ax in row:
        ax.set(xticks=[], yticks=[], xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
titles = ("no substructure", "subhalo", "vortex", "subhalo − none", "vortex − none")
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
bar = figure.colorbar(light, ax=axes[:, :3], shrink=0.6, location="left", label="noise-free brightness")
bar.set_ticks([0, 0.1, 0.3, 1], labels=["0", "0.1", "0.3", "1"])
bar.minorticks_off()
figure.colorbar(drawn, ax=axes[:, 3:], shrink=0.6, label="change, in units of HR's noise a pixel")
plotting.show(figure, alt="Three matched triplets, and the changes by subhalos and a vortex on one scale.")


# %% [markdown]
# The left three columns show the same lens in three kinds of dark matter. With luck one spots the vortex,
# as a step where its line crosses an arc; a person would call the first two identical. The right two
# columns show the *changes*, on one scale in units of the noise of one HR pixel: pale means invisible in
# that pixel. Circles mark the subhalos (area in proportion to mass), the black line the vortex. Clumps act
# where they lie close to an arc, as a small red-and-blue pair: light pushed from one place to another. The
# vortex shifts whole arcs.
#
# The table puts numbers on it. For subhalos the typical pixel of the arc changes by a small part of its
# noise. Only all pixels together, weighed by someone who knows the exact pattern to look for, reach several
# sigma, and for a good part of the lenses not even three: *about those no classifier can be sure*. LR has
# less again than HR. This trace, not the bright ring, is what super-resolution must not smooth away, nor
# paint in.
#
# **No shortcuts.** A classifier takes whatever gives the class away. If subhalo lenses had, say,
# systematically smaller rings, it would learn ring sizes. So all classes draw their lens and source from
# **one prior**, and the mass of subhalos is taken *from* the halo, not added to it. A check anyone should
# run on a data set: can a single macroscopic number tell the classes apart? We measure it by the AUC: the
# chance that a random lens of one class has a larger value than one of another. 0.5 is pure guessing, and
# even pure guessing scatters about 0.5 when lenses are few, so the table says by how much.

# %% tags=["nbval-ignore-output"]
def auc(a, b):
    """Chance that a value drawn from `a` is larger than one drawn from `b`; ties count half."""
    return (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()


many = lensing.lens_set("telescope", 900, split="train")
q = many.params
macro = {"Einstein radius": q["theta_E"], "shear": np.hypot(q["gamma1"], q["gamma2"]),
         "source radius": q["source_radius"], "flux": many.truth.mean((1, 2, 3))}  # fmt: skip
chance = np.sqrt((300 + 300 + 1) / (12 * 300 * 300))  # standard deviation of the AUC of two equal populations
print(f"AUC against no_substructure, 300 lenses a class; chance alone: 0.50 ± {chance:.3f}")
for name, values in macro.items():
    smooth, *others = (values[many.labels == k] for k in range(3))
    areas = [auc(other, smooth) for other in others]
    print(f"  {name:16} subhalo {areas[0]:.3f}   vortex {areas[1]:.3f}")
    assert np.abs(np.array(areas) - 0.5).max() < 4 * chance

figure, ax = plt.subplots(figsize=(7.5, 2.9), layout="constrained")
for k, (name, style) in enumerate(zip(lensing.CLASSES, ("-", "--", ":"), strict=True)):
    ax.hist(q["theta_E"][many.labels == k], 16, range=(0.8, 1.6), histtype="step", linewidth=1.8,
            linestyle=style, color=plotting.COLOURS[(0, 4, 5)[k]], label=name)  # fmt: skip
ax.axhline(300 / 16, color="0.7", linewidth=1, label="the prior: uniform")
ax.set(xlabel="Einstein radius [arcsec]", ylabel="lenses a bin", ylim=(0, 45))
ax.legend(ncols=2, loc="upper center")
plotting.show(figure, alt="Histograms of the Einstein radius of the three classes: one flat level.")


# %% [markdown]
# All AUCs lie within what chance allows, and the three histograms scatter about the same flat line: the
# ring tells nothing. Whatever a classifier finds in lesson 06 must come from the arcs themselves.
#
# ## 5. The case of the DeepLense pairs
#
# Here is the case. A benchmark, much used by students of this field, consists of ten thousand pairs of lens
# images: `HR/sampleN.npy`, 150 × 150 pixels, and `LR/sampleN.npy`, 75 × 75. The task: train a network that
# turns one into the other. Small networks and large ones have been trained on it, and the best of them all
# stop at nearly the same score. Why?
#
# We have met the first clue: a noise floor where it should not be. So let us question the files. **What
# made the LR images?** There are five suspects: a camera with larger pixels (*block mean*), the antialiased
# *bicubic* of section 1, two *four-tap bicubics* that skip the antialiasing, and plain *decimation*.
#
# The method is a line-up without prejudice. If LR was computed from HR by any linear filter, each LR pixel
# is the same weighted sum of the HR pixels around it. Take the 6 × 6 HR pixels around each LR pixel, and
# let **least squares** find the 36 weights. Nothing is assumed but linearity. We interrogate our own
# replica of the benchmark first (`deeplense`, which copies the original's statistics and which we may print
# here), then the `telescope` track.

# %%
def windows(hr, lr, taps=6):
    """The taps x taps HR pixels (6 or 10) around each LR pixel off the border, and that pixel."""
    hr, lr = (a[..., 0].astype(float) for a in (hr, lr))
    around = np.lib.stride_tricks.sliding_window_view(hr, (taps, taps), axis=(1, 2))[:, ::2, ::2]
    border = (taps - 2) // 4
    inner = lr[:, border : lr.shape[1] - border, border : lr.shape[2] - border]
    return around.reshape(-1, taps * taps), inner.ravel()


def fit_kernel(hr, lr):
    """The 6 x 6 weights that best turn HR into LR, and what they leave unexplained (rms)."""
    around, pixel = windows(hr, lr)
    weights = np.linalg.solve(around.T @ around, around.T @ pixel)
    return weights.reshape(6, 6), np.sqrt(np.mean((pixel - around @ weights) ** 2))


fits = {name: fit_kernel(p.hr[:40], p.lr[:40]) for name, p in (("deeplense", replica), ("telescope", lenses))}
print("deeplense: the four inner weights along each axis")
for axis, label in ((0, "along x"), (1, "along y")):
    print("  ", label, np.round(fits["deeplense"][0].sum(axis)[1:5], 3))
ring = np.ones((6, 6), bool)
ring[1:5, 1:5] = False
largest = np.abs(fits["deeplense"][0][ring]).max()
print(f"   the {ring.sum()} weights of the outer ring are below 1e-4: {largest < 1e-4}")
assert np.allclose(fits["deeplense"][0].sum(0)[1:5], [-0.09375, 0.59375, 0.59375, -0.09375], atol=1e-4)
assert largest < 1e-4


# %% [markdown]
# Out of 36 free weights, 20 came back as zero, and the others as a product of the same four numbers,
# $-0.094,\ 0.594,\ 0.594,\ -0.094$. A physical instrument would not do that. Such numbers have an author:
# they are the **cubic convolution kernel** of Keys (1981), which has one free parameter $a$,
#
# $$k(t)=\begin{cases}(a+2)|t|^3-(a+3)|t|^2+1 & |t|\le1\\ a|t|^3-5a|t|^2+8a|t|-4a & 1<|t|<2.\end{cases}$$
#
# An LR pixel sits half-way between two HR pixels (section 1), so the kernel is read at $t=\pm\tfrac12$ and
# $\pm\tfrac32$. There $k(\tfrac32)=a/8$: the outer weight gives the parameter away. Where *original* pairs
# are present, we question them as well: the files themselves (`srutils fetch deeplense-sr`), or the four
# that our stored run had, read back at 8 bits from a published figure.

# %%
def keys(t, a):
    t = np.abs(t)
    near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


# %% tags=["nbval-ignore-output"]
files, figure_file = lensing.find_deeplense(), course.find_data("lensing/sr_pairs_decoded_8bit.npz")
original = None
if files is not None:
    original = lensing.load_deeplense(files, n=20)
elif figure_file is not None:
    with np.load(figure_file) as stored:
        original = pairs.ImagePairs(stored["LR"][..., None], stored["HR"][..., None], 2, "original pairs")
else:
    print("Original pairs would join here: `srutils fetch deeplense-sr` (data/README.md).")
eight_bits = files is None and original is not None
if original is not None:
    fits["original pairs"] = fit_kernel(original.hr, original.lr)
if eight_bits:
    rounded, _ = fit_kernel(metrics.quantize(replica.hr[:4]), metrics.quantize(replica.lr[:4]))
    outer = (rounded.sum(0) + rounded.sum(1))[[1, 4]].sum()
    print(f"deeplense, four pairs rounded to 8 bits: a = {2 * outer:.3f}")

n = len(fits)
figure, axes = plt.subplots(1, n + 1, figsize=(2.6 * n + 3.4, 3.1), width_ratios=[1] * n + [1.5])
t = np.linspace(0, 2.7, 401)
inset = axes[-1].inset_axes([0.57, 0.38, 0.41, 0.2], xlim=(1.3, 1.7), ylim=(-0.16, -0.04), xticks=[1.5])
for a, colour in ((-0.5, plotting.COLOURS[2]), (-0.75, plotting.COLOURS[4]), (-1.0, plotting.COLOURS[3])):
    for panel in (axes[-1], inset):
        panel.plot(t, keys(t, a), color=colour, label=f"a = {a}")
for ax, (name, (kernel, _)), marker in zip(axes, fits.items(), "osD", strict=False):
    drawn = ax.imshow(kernel, cmap=plotting.DIVERGING, vmin=-0.36, vmax=0.36)
    ax.set(title=f"{name}\nfitted kernel", xticks=[], yticks=[])
    for (i, j), weight in np.ndenumerate(kernel):
        text = f"{weight:.2f}".replace("-0.00", "0.00")
        ax.text(j, i, text, ha="center", va="center", size=7, color="w" if weight > 0.25 else "k")
    taps = (kernel.sum(0) + kernel.sum(1)) / 2
    print(f"{name}: a = 8 x outer weight = {4 * (taps[1] + taps[4]):.3f}")
    for panel in (axes[-1], inset):
        panel.plot([0.5, 1.5, 2.5], (taps[2::-1] + taps[3:]) / 2, "k" + marker, mfc="none", ms=7, label=name)
axes[-1].set(title="summed along one axis", xlabel="distance from LR pixel [HR pixels]", ylabel="weight")
axes[-1].legend(fontsize=7, loc="upper right", labelspacing=0.2)
inset.tick_params(labelsize=7)
plotting.show(figure, alt="Fitted kernels: four sharp taps for DeepLense, a broad hill for telescope.")


# %% [markdown]
# (Where original files are mentioned from here on, the stored notebook shows them; your own run does if
# `SR_DATA` has them.) The replica's weights sit exactly on the curve with $a=-0.75$, and so do those of the
# original pairs, but for what 8-bit rounding does (the printed lines show that it moves the fitted $a$ of
# our replica, too, by a few hundredths). Matlab and Pillow use $a=-0.5$; **$a=-0.75$ is the signature of
# PyTorch and OpenCV**, and four taps for a reduction mean that antialiasing was left off. The culprit is
# one line, such as PyTorch's `interpolate(hr, scale_factor=0.5, mode="bicubic")`. The next cell runs that
# line, too.
#
# On the `telescope` track the same question gets another answer: a broad, soft hill. It is the difference
# of the two PSFs and the larger pixel, which no four taps could imitate. That is what an instrument looks
# like.
#
# Now the line-up. If a suspect did it, what remains after subtracting its version of LR is numerical dust.

# %%
def suspects(p):
    """What each suspect would have made of HR, on the pixels that `windows` keeps: {name: prediction}."""
    around, _ = windows(p.hr, p.lr)

    def by_taps(*six):
        return around @ np.outer(six, six).ravel()

    antialiased = pairs.degrade(p.hr, 2)[:, 1:-1, 1:-1, 0].ravel()
    return {
        "bicubic, 4 taps, a = -0.75": by_taps(0, *keys(np.array([1.5, 0.5, 0.5, 1.5]), -0.75), 0),
        "bicubic, 4 taps, a = -0.5": by_taps(0, *keys(np.array([1.5, 0.5, 0.5, 1.5]), -0.5), 0),
        "block mean": by_taps(0, 0, 0.5, 0.5, 0, 0),
        "bicubic, antialiased": antialiased,
        "decimation": by_taps(0, 0, 1, 0, 0, 0),
        "best of all 6 x 6 kernels": around @ fit_kernel(p.hr, p.lr)[0].ravel(),
    }


def line_up(p):
    """Root mean square of LR minus each suspect's version of it."""
    _, lr = windows(p.hr, p.lr)
    return {name: np.sqrt(np.mean((lr - made) ** 2)) for name, made in suspects(p).items()}


rms = {"deeplense": line_up(replica[:40]), "telescope": line_up(lenses[:40])}
print("rms of what remains                deeplense   telescope")
for name in rms["deeplense"]:
    print(f"  {name:30} {rms['deeplense'][name]:11.4f} {rms['telescope'][name]:11.4f}")
leftover = rms["deeplense"]
assert leftover["bicubic, 4 taps, a = -0.75"] < 1e-6 < 1e-4 < leftover["bicubic, 4 taps, a = -0.5"]
hr = torch.tensor(replica.hr[..., 0])[:, None]
confession = torch.nn.functional.interpolate(hr, scale_factor=0.5, mode="bicubic")[:, 0].numpy()
assert np.abs(confession - replica.lr[..., 0]).max() < 1e-6

# on telescope: the photon noise of LR (pixels of four times the area), and of HR seen through the kernel
lr_noise = np.mean(np.clip(lenses.lr[:40], 0, None) + lensing.SKY / lensing.PEAK) / lensing.PEAK / 4
hr_noise = np.mean(lenses.truth[:40] + lensing.SKY / lensing.PEAK) / lensing.PEAK
two_exposures = np.sqrt(lr_noise + hr_noise * np.square(fits["telescope"][0]).sum())
print(f"  photon noise of two exposures  {'':11} {two_exposures:11.4f}")
assert abs(rms["telescope"]["best of all 6 x 6 kernels"] / two_exposures - 1) < 0.1


# %% [markdown]
# One suspect leaves nothing. In the `deeplense` column the four taps with $a=-0.75$ explain LR to the last
# float32 digit; every other suspect leaves thousands of times more. In the `telescope` column all of them
# leave something, and even the best of all possible kernels leaves as much as *the photon noise of two
# exposures*. No filter of HR can explain an image that was exposed on its own.
#
# **The last witness: the noise.** Look into the dark corners, where there is no lens and all that varies is
# noise. Apply the four taps to HR's noise. If LR was made from the *noisy* HR, this must predict LR's
# noise, pixel by pixel. If LR is an observation, it cannot: no two exposures share their photons.

# %% tags=["nbval-ignore-output"]
def corners(images, side):
    """The four corners of each image: (4 N, side, side, C)."""
    ends = slice(None, side), slice(-side, None)
    return np.concatenate([images[:, i, j] for i in ends for j in ends])


def corner_noise(p, side=16):
    """In the four corners of each image: LR as the four taps predict it from HR, and LR as it is."""
    around, pixel = windows(corners(p.hr, 2 * side), corners(p.lr, side))
    taps = keys(np.array([2.5, 1.5, 0.5, 0.5, 1.5, 2.5]), -0.75)
    return around @ np.outer(taps, taps).ravel(), pixel


brightest = corners(lenses.truth, 32).max((1, 2, 3)).reshape(4, -1).max(0)
witnesses = {"deeplense": replica, "telescope": lenses[brightest < 1e-4]}
if original is not None:
    witnesses["original pairs"] = original
    print(f"rms of what remains in {len(original)} original pairs")
    for name, value in line_up(original).items():
        print(f"  {name:30} {value:.4f}")
    gain = 2 * np.square(keys(np.array([0.5, 1.5]), -0.75)).sum()  # what the taps do to independent errors
    if eight_bits:
        print(f"  rounding HR and LR to 8 bits   {np.sqrt((1 + gain**2) / 12) / 255:.4f}")
    single = [fit_kernel(one.hr, one.lr)[0] for one in original]
    print("a from each pair:", ", ".join(f"{2 * (k.sum(0) + k.sum(1))[[1, 4]].sum():.2f}" for k in single))
correlation = {}
figure, axes = plt.subplots(1, len(witnesses), figsize=(3.4 * len(witnesses), 3.5), layout="constrained")
for ax, (name, p) in zip(axes, witnesses.items(), strict=True):
    made, seen = corner_noise(p)
    correlation[name] = np.corrcoef(made, seen)[0, 1]
    drawn = np.random.default_rng(0).permutation(len(made))[:3000]
    made, seen = (1e3 * (v - v.mean())[drawn] for v in (made, seen))
    ax.scatter(made, seen, s=3, alpha=0.4, color=plotting.COLOURS[5], linewidth=0)
    ax.set(title=f"{name}: correlation {correlation[name]:.2f}", xlabel="predicted from HR's noise [1/1000]")
    ax.set(xlim=(-12, 12), ylim=(-12, 12), aspect="equal")
axes[0].set_ylabel("LR's noise [1/1000]")
assert correlation["deeplense"] > 0.999 and abs(correlation["telescope"]) < 0.05
plotting.show(
    figure, alt="LR's noise against its prediction from HR: a line for DeepLense, a cloud for telescope."
)


# %% [markdown]
# Case closed. In the replica the points form a line: LR's noise is HR's noise, filtered. The original pairs
# lie on the same line as closely as a figure of 8 bits can show (its points sit on a lattice of grey
# levels), and in the printed line-up the four taps with $a=-0.75$ leave the least, little more than
# rounding HR and LR to 8 bits does. On the `telescope` track the cloud is round.
#
# **What it means.** The LR images of this benchmark are *not a second observation* of the sky. They are a
# mild resize of a *noisy* HR image, noise included. So
#
# - the scene itself loses nothing on the way (section 3: it was under the noise before LR's Nyquist limit),
#   and there is no blur to undo;
# - what HR has and LR has not is **noise**, most of which no method can predict. A perfect, noise-free
#   image is not even the best answer, because HR is not noise-free;
# - so there is a **ceiling**, close above bicubic, and the best networks stop at it. Lesson 02 computes
#   where it lies.
#
# None of this makes the benchmark useless: it makes its scores comparable, which is why the course keeps a
# replica. But for the question that astronomers ask ("what would a sharper telescope have seen?") we need
# the other track, in which LR and HR are two exposures and the score is taken against the noise-free truth.
#
# ## 6. The real sky
#
# Simulations are clean in ways that the sky is not. If `SR_DATA` is there, the next cell shows five lenses
# taken by the Hubble Space Telescope, with a logarithm-like (asinh) stretch, because the lens galaxy
# outshines the arcs by far. North is up and east is left, as astronomers draw it.

# %% tags=["nbval-ignore-output"]
def autocorrelation(image, lags=7):
    """How alike noise is at distances of 0, 1, 2 … pixels along a row, in corners without their slopes."""
    n = 24
    y, x = np.mgrid[:n, :n] / n
    slopes, found = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], -1).reshape(-1, 6), []
    for i in (slice(n), slice(-n, None)):
        for j in (slice(n), slice(-n, None)):
            corner = image[i, j].ravel()
            rest = (corner - slopes @ np.linalg.lstsq(slopes, corner)[0]).reshape(n, n)
            found.append([(rest[:, k:] * rest[:, : n - k]).mean() / (rest**2).mean() for k in range(lags)])
    return np.median(found, 0)  # the median of four corners: one may hold a star


folder = course.find_data("lensing/real")
hubble = {}
if folder is None or importlib.util.find_spec("h5py") is None:
    print("Five Hubble images would stand here: they need h5py and SR_DATA/lensing/real (data/README.md).")
else:
    import h5py

    for path in sorted(folder.glob("*/**/image_*.h5")):
        with h5py.File(path) as stored:
            image, noise = stored["image_data"][()].astype(float), float(stored["background_rms"][()])
            pixel = np.sqrt(np.abs(np.linalg.det(stored["transform_pix2angle"][()])))
        name = path.stem.removeprefix("image_").replace("_F", ", F").replace("_", " ")
        hubble[name] = image / noise, pixel
    figure, axes = plt.subplots(2, 3, figsize=(8.6, 6.0), layout="constrained")
    for ax, (name, (image, pixel)) in zip(axes.flat, hubble.items(), strict=False):
        norm = plotting.stretch([image], softening=0.01, limits=(-2, image.max()))
        ax.imshow(image, norm=norm, origin="lower")
        ax.plot([6, 6 + 1 / pixel], [6, 6], color="w", linewidth=2.5)
        ax.text(6 + 0.5 / pixel, 9, "1″", color="w", ha="center")
        ax.set(title=f"{name}\n{pixel:.3g}″ a pixel", xticks=[], yticks=[])
        axes.flat[-1].plot(autocorrelation(image), "o-", markersize=4, linewidth=1, label=name)
    ours = autocorrelation(lenses.hr[0, ..., 0])
    assert all(0.15 < autocorrelation(image)[1] < 0.4 for image, _ in hubble.values()) and abs(ours[1]) < 0.1
    axes.flat[-1].plot(ours, "ks--", markersize=4, linewidth=1, label="telescope track, HR")
    axes.flat[-1].set(title="autocorrelation of the noise", xlabel="distance [pixels]", ylim=(-0.25, 1.05))
    axes.flat[-1].legend(fontsize=8)
    plotting.show(figure, alt="Five Hubble lenses with scale bars; their noise is correlated, ours is not.")

# %% [markdown]
# *Images: NASA, ESA, STScI; the two SDSS lenses are from the SLACS survey (Bolton et al. 2008; data as
# prepared by Shajib et al. 2021 and Galan et al. 2021), the others are distributed with the dolphin
# modelling pipeline (Shajib et al. 2025).*
#
# Three things no track of ours has:
#
# - **lens light.** The bright centre is the lens galaxy itself. Its glow lies under the arcs and must be
#   modelled and subtracted, or the network must learn to look past it;
# - **neighbours and quasars.** Stars and other galaxies stand in the field, and the four points of the
#   third image are one quasar, seen four times;
# - **correlated noise.** The last panel shows it: in our simulation neighbouring pixels have independent
#   noise (the black curve falls to zero at once). In Hubble images it is correlated by a fifth to a third:
#   several exposures have been *drizzled* onto a new grid (Fruchter & Hook 2002), which shares the counts
#   of one detector pixel among several new ones. A denoiser that expects white noise takes these patches
#   for structure.
#
# So do not expect a network trained on our tracks to work on such images unchanged, and say so whenever you
# show one on real data.
#
# **A real galaxy as the source.** Sérsic profiles are smooth; galaxies have arms and knots. `SR_DATA` has
# galaxies of Hubble's COSMOS field. Nothing in the thirty lines asks the source to be a formula: to trace a
# real one, look up its pixels at $\boldsymbol\beta$.

# %% tags=["nbval-ignore-output"]
cosmos = course.find_data("lensing/real/hst_cosmos_galaxies/cosmos_f814w_168px_0p03.npz")
if cosmos is None:
    print("A COSMOS galaxy would be lensed here: SR_DATA/lensing/real/hst_cosmos_galaxies (data/README.md).")
else:
    with np.load(cosmos) as stored:
        spiral, noise = stored["images"][215].astype(float), stored["rms"][215]
    distance = np.hypot(*np.mgrid[-83.5:84, -83.5:84])
    spiral = ndimage.gaussian_filter(spiral, 1) / (
        1 + np.exp((distance - 62) / 4)
    )  # less noise, no square border
    pixel = 0.008  # arcsec instead of 0.03: sources are small, and far behind their lenses
    x, y = sky_grid(256, 0.025)
    bx, by = to_source(x, y, {"theta_E": 1.4, "q": 0.7, "phi": 0.9, "g1": 0.04, "g2": 0.02})
    lensed = ndimage.map_coordinates(spiral, [(by - 0.1) / pixel + 83.5, (bx + 0.12) / pixel + 83.5], order=1)
    views = {"COSMOS galaxy (source)": spiral, "through the lens": lensed}
    peak = bin_pixels(blur(lensed, 0.09 / 0.025), 2).max()
    for name, s in (("telescope, HR", 1), ("telescope, LR x4", 4)):
        image = bin_pixels(blur(lensed, lensing.PSF_FWHM[s] / 0.025), 2 * s) / peak
        views[name] = expose(image, s**2, np.random.default_rng(1)) * peak
    norm = plotting.stretch([lensed], softening=0.15, limits=(-0.01, lensed.max()))
    cut = {k: v[len(v) // 8 : -len(v) // 8, len(v) // 8 : -len(v) // 8] for k, v in views.items()}
    figure = plotting.image_grid({k: v[::-1, :, None] for k, v in cut.items()}, norm=norm, size=2.3)
    plotting.show(figure, alt="A spiral galaxy, its lensed image, and both telescopes' images of it.")


# %% [markdown]
# *(Galaxy: NASA, ESA, COSMOS; Koekemoer et al. 2007.)* The spiral's core and knots appear several times,
# stretched along the arcs. HR keeps the knots; LR x4 joins them into a smooth band. Which knots are real is
# exactly what one would ask of super-resolution, and a network that has only ever seen smooth Sérsic
# sources has no reason to answer well. The grain in the second panel, by the way, is *Hubble's noise,
# lensed*: real data as source brings its own noise along.
#
# ## 7. Splits, and how leakage ruins them
#
# Data must be split into training, validation and test before anything is learnt. *How* matters more than
# in what ratio. The popular recipe: cut the photographs into many small crops, shuffle, keep ten percent
# for testing. The crops differ, so nothing is counted twice. Or is it?
#
# We let the silliest of all networks judge: a **memoriser**. It stores every training crop. Given a test LR
# crop, it finds the stored LR crop that looks most alike, and adds the detail that bicubic had missed in
# *that* crop to the bicubic enlargement of this one. It has learnt nothing about images. Three splits, the
# same memoriser, and what it gains over bicubic alone:

# %%
def crops(image, n, size, rng):
    top, left = (rng.integers(side - size + 1, size=n) for side in image.shape[:2])
    return np.stack([image[i : i + size, j : j + size] for i, j in zip(top, left, strict=True)])


def grid_tiles(image, size):
    rows, columns = image.shape[0] // size, image.shape[1] // size
    cut = image[: rows * size, : columns * size].reshape(rows, size, columns, size, 1)
    return cut.swapaxes(1, 2).reshape(-1, size, size, 1)


def memoriser_gain(train, test, scale=4):
    """PSNR of the memoriser minus PSNR of bicubic, in dB, over all test crops together."""

    def look(lr):
        return (lr - lr.mean((1, 2), keepdims=True)).reshape(len(lr), -1)

    lr_train, lr_test = pairs.degrade(train, scale), pairs.degrade(test, scale)
    bicubic, size = pairs.resize(lr_test, test.shape[1:3]), train.shape[1:3]
    _, found = cKDTree(look(lr_train)).query(look(lr_test))
    pasted = bicubic + train[found] - pairs.resize(lr_train[found], size)
    return 10 * np.log10(metrics.mse(bicubic, test).mean() / metrics.mse(pasted, test).mean())


gains = {}
centre = {k: y[(y.shape[0] - 192) // 2 :, (y.shape[1] - 192) // 2 :][:192, :192] for k, y in luma.items()}
for name, image in centre.items():
    rng = np.random.default_rng(0)
    overlapping, tiles = crops(image, 6000, 16, rng), rng.permutation(grid_tiles(image, 16))
    others = np.concatenate([crops(other, 600, 16, rng) for k, other in centre.items() if k != name])
    gains[name] = [memoriser_gain(overlapping[600:], overlapping[:600]),
                   memoriser_gain(tiles[len(tiles) // 10 :], tiles[: len(tiles) // 10]),
                   memoriser_gain(others, overlapping[:600])]  # fmt: skip
labels = ("random crops of one photograph", "tiles of one photograph", "by photograph")
for label, column in zip(labels, zip(*gains.values(), strict=True), strict=True):
    print(f"{label:32} mean {np.mean(column):+.1f} dB   best {max(column):+.1f}   worst {min(column):+.1f}")
assert abs(np.mean([g[0] for g in gains.values()]) - 1.3) < 0.2
assert abs(np.mean([g[2] for g in gains.values()]) + 2.1) < 0.2 and max(g[2] for g in gains.values()) < 0

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
order = sorted(gains, key=lambda k: gains[k][0])
labels = ("random crops of the same photograph", "its other tiles", "other photographs only")
for k, (label, colour, marker) in enumerate(zip(labels, (4, 1, 5), "os^", strict=True)):
    gain = [gains[name][k] for name in order]
    ax.plot(gain, range(len(order)), marker, color=plotting.COLOURS[colour], label=f"trained on {label}")
ax.axvline(0, color="k", linewidth=1)
ax.set(yticks=range(len(order)), yticklabels=order, xlabel="memoriser minus bicubic, on held-out crops [dB]")
ax.legend(fontsize=9, loc="lower right")
plotting.show(figure, alt="The memoriser beats bicubic on photographs that it has seen, and only there.")

# %% [markdown]
# Split by photograph (blue triangles) the memoriser is *worse* than bicubic on every picture, as it
# deserves to be. With random crops (red circles) the mean turns positive: each test crop has a near-copy
# among the training crops, shifted by a pixel or two. On the brick wall it gains several decibels, a
# spectacular result from a method that knows nothing; there even tiles that do not overlap leak, because a
# wall repeats itself. A real network with millions of weights is a better memoriser than this.
#
# The rule: **split by the thing that must generalise**: by photograph, by lens, by patient, by night; cut
# crops afterwards (Kapoor & Narayanan 2023 collect leaks of this kind from many sciences). For simulated
# lenses the trap is the seed: the same random stream in two splits gives the same lens twice. In `srutils`
# a photograph belongs to one part, and a lens depends on *(track, split, seed, number)*, so that no two
# splits can meet. Do not trust it; assert it.

# %%
parts = photos.photo_split(seed=0)
names = [set(part) for part in parts]
print("photographs in train, validation, test:", *(len(n) for n in names))
assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
assert set.union(*names) == set(photographs)

drawn = {k: lensing.simulate("telescope", 24, split=k, seed=0).params["theta_E"] for k in lensing.SPLITS}
rings = np.concatenate(list(drawn.values()))
assert len(np.unique(rings)) == len(rings)
assert np.array_equal(drawn["test"], lenses.params["theta_E"][:24])  # a longer set begins with the shorter
print(f"lenses: {len(rings)} drawn from three splits with the same seed, all different")

# %% [markdown]
# ## What went wrong, and why
#
# Three failures stood in this lesson on purpose: the half-pixel shift, decimation, and the memoriser. Here
# is a fourth, which is easy to commit and hard to see. Many pipelines scale *each image by itself* to the
# range from 0 to 1 before training. For the benchmark that is tempting: HR comes scaled so, LR does not
# quite. So we "repair" LR, and look at what bicubic scores, and at what the kernel fit says.

# %%
low, high = replica.lr.min((1, 2, 3), keepdims=True), replica.lr.max((1, 2, 3), keepdims=True)
repaired = pairs.ImagePairs((replica.lr - low) / (high - low), replica.hr, 2, "deeplense, LR rescaled")
scores = []
for p in (replica, repaired):
    scores.append(metrics.psnr(pairs.resize(p.lr, p.hr.shape[1:3]), p.hr).mean())
    kernel, rest = fit_kernel(p.hr[:40], p.lr[:40])
    print(f"{p.name:22} bicubic {scores[-1]:.2f} dB; kernel sums to {kernel.sum():.3f} and leaves {rest:.4f}")
assert scores[0] - scores[1] > 1 and abs(kernel.sum() - 1) > 0.01

# %% [markdown]
# LR's brightest pixel is dimmer than HR's, because the resize averages noise peaks away. Stretching it back
# to 1 makes every LR image a little too bright, each by *another* factor. The images look the same; bicubic
# (here Pillow's) loses more than a decibel, and the kernel no longer sums to one, which betrays it. A
# network can learn the mean factor and will then "beat bicubic" by undoing our own mistake. **HR and LR
# must share one scale**: in the `deeplense` track both are normalised by HR's two numbers, in `telescope`
# by the peak of the noise-free HR scene.
#
# ## Recap
#
# - **Where is an LR pixel?** At $(i+\tfrac12)s-\tfrac12$. A shift to $i\,s$ cost 1.5 dB at x2 and 2 dB at
#   x4 over our photographs.
# - **Nyquist, aliasing, noise floor.** LR holds nothing beyond $0.5/s$ cycles per HR pixel. Without
#   antialiasing that detail is folded onto coarse detail instead. And where the signal lies under the noise
#   floor, detail has ended already, whatever the pixels: on `telescope` x2 blur and noise end it, not
#   pixels.
# - **Why is a ring a ring?** Because
#   $\boldsymbol\beta=\boldsymbol\theta-\boldsymbol\alpha(\boldsymbol\theta)$ folds the sky: near the axis
#   several directions lead to the same piece of the source. Thirty lines do it, and two libraries agree.
# - **How faint are subhalos?** A tenth of the noise in a typical pixel of an HR arc, five sigma for all
#   pixels together, and below three for about a quarter of the lenses.
# - **Second observation or copy?** The DeepLense LR images are copies: four taps with $a=-0.75$ of the
#   noisy HR, noise included. On `telescope` no kernel explains LR better than the photon noise of two
#   exposures allows.
# - **Leakage.** A memoriser gained 1.3 dB over bicubic on held-out crops of photographs that it had seen,
#   and lost 2.1 dB on photographs that it had not.

# %% [markdown]
# ## Exercises
#
# Each ends in a cell that checks your answer: it says whether it is right, nearly right and why, or where to
# look. Worked answers are in [solutions/01_data_exploration.ipynb](solutions/01_data_exploration.ipynb).
#
# **1. Whose bicubic?** Somebody reduced HR by two with a four-tap cubic kernel, as in section 5, and you want
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
# Trace both skies, with and without the clump, on the grid of section 3 (256 × 256 rays, `lensing.PIXEL /
# fine` apart); the clump's deflection is subtracted in the lens equation like the others. `blur` and
# `bin_pixels` each sky as section 3 does for "HR" and for "LR x4", and divide by the brightest pixel of HR
# without the clump. The noise of a pixel, and how pixels are put together, is in `traces`; take the noise of
# the view without the clump. `lensing.point_masses` is there to check your deflection.
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
# - C. Dong, C. C. Loy, K. He, X. Tang (2014), Learning a deep convolutional network for image
#   super-resolution, *ECCV*.
#   [doi:10.1007/978-3-319-10593-2_13](https://doi.org/10.1007/978-3-319-10593-2_13): where lesson 03 begins
# - D. J. Field (1987), Relations between the statistics of natural images and the response properties of
#   cortical cells, *JOSA A* 4, 2379. [doi:10.1364/JOSAA.4.002379](https://doi.org/10.1364/JOSAA.4.002379)
# - A. S. Fruchter, R. N. Hook (2002), Drizzle: a method for the linear reconstruction of undersampled
#   images, *PASP* 114, 144. [doi:10.1086/338393](https://doi.org/10.1086/338393)
# - A. Galan et al. (2021), SLITronomy: towards a fully wavelet-based strong lensing inversion technique.
#   [arXiv:2012.02802](https://arxiv.org/abs/2012.02802)
# - S. Kapoor, A. Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-based
#   science, *Patterns* 4, 100804.
#   [doi:10.1016/j.patter.2023.100804](https://doi.org/10.1016/j.patter.2023.100804)
# - C. R. Keeton (2001), A catalog of mass models for gravitational lensing.
#   [arXiv:astro-ph/0102341](https://arxiv.org/abs/astro-ph/0102341)
# - R. G. Keys (1981), Cubic convolution interpolation for digital image processing, *IEEE TASSP* 29, 1153.
#   [doi:10.1109/TASSP.1981.1163711](https://doi.org/10.1109/TASSP.1981.1163711)
# - A. M. Koekemoer et al. (2007), The COSMOS survey: Hubble Space Telescope ACS observations and data
#   processing, *ApJS* 172, 196. [doi:10.1086/520086](https://doi.org/10.1086/520086)
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
# - Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli (2004), Image quality assessment: from error
#   visibility to structural similarity, *IEEE TIP* 13, 600.
#   [doi:10.1109/TIP.2003.819861](https://doi.org/10.1109/TIP.2003.819861): the SSIM of the next lesson
#
# **Next:** [02 · How good is no learning at all, and how is that measured?](02_bicubic_baseline.ipynb)
# Bicubic in five dialects, PSNR and SSIM by hand, the ceiling of the DeepLense test computed, and the best
# that classical deconvolution can do.
