# %% [markdown]
# # Solutions to lesson 01 · What do low and high resolution really share?
#
# These are worked answers to the exercises of [lesson 01](../01_data_exploration.ipynb). Try your own first:
# the check cells there tell you how far you have come.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/01_data_exploration.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/01_data_exploration.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/01_data_exploration.ipynb)
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
import matplotlib.pyplot as plt
import numpy as np
import torch

from srutils import exercises, lensing, plotting
from srutils.lensing import instruments, raytrace

plotting.use_style()


# %% [markdown]
# ## 1. Whose bicubic?
#
# If LR was multiplied by a number, so was the kernel that least squares finds, every weight of it. A kernel
# that resizes has to sum to one: a grey wall must stay as grey as it was. So the sum *is* the number, and
# divided by it the kernel is as good as before. Its outer weights along an axis are $k(\tfrac32)=a/8$; there
# are two of them along each of two axes, and we take the mean of the four.

# %%
def fit_kernel(hr, lr):
    """The 6 x 6 weights that best turn HR into LR, as in the lesson."""
    hr, lr = (images[..., 0].astype(float) for images in (hr, lr))
    around = np.lib.stride_tricks.sliding_window_view(hr, (6, 6), axis=(1, 2))[:, ::2, ::2].reshape(-1, 36)
    return np.linalg.solve(around.T @ around, around.T @ lr[:, 1:-1, 1:-1].ravel()).reshape(6, 6)


def find_a(hr, lr):
    weights = fit_kernel(hr, lr)
    weights = weights / weights.sum()
    outer = (weights.sum(0) + weights.sum(1))[[1, 4]].sum() / 4
    return 8 * outer


replica = lensing.simulate("deeplense", 10, seed=0)
for gain in (1.0, 1.04):
    weights = fit_kernel(replica.hr, gain * replica.lr)
    print(f"LR times {gain:.2f}: the weights sum to {weights.sum():.3f}, a = {find_a(replica.hr, gain * replica.lr):.3f}")

# %% tags=["exercise"]
exercises.check(1, 1, find_a)


# %% [markdown]
# ## 2. A clump you can see
#
# The deflection is one line for each component. `raytrace.point_masses` agrees with it, as long as the ray
# stays outside the small core that the library gives to every mass.

# %%
def clump(x, y, theta_s, x0, y0):
    dx, dy = x - x0, y - y0
    weight = theta_s**2 / (dx**2 + dy**2)
    return weight * dx, weight * dy


fine = lensing.SUPERSAMPLING  # rays a HR pixel, along each axis
x, y = torch.broadcast_tensors(*raytrace.grid(128 * fine, lensing.PIXEL / fine, torch.float64))  # (1, 256, 256)
theta_s, *place = 0.05, 1.3, 0.5
library = raytrace.point_masses(x, y, *(torch.tensor([[v]]).double() for v in (*place, theta_s)))
ours = clump(x, y, theta_s, *place)
assert torch.hypot(x - place[0], y - place[1]).min() > raytrace.CORE
assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(ours, library, strict=True))
print("our clump deflects as raytrace.point_masses does")


# %% [markdown]
# Now the sky twice, without and with the clump, and each telescope's noise-free view of both. The unit is the
# brightest pixel that HR sees of the smooth lens. A pixel of LR x4 collects 16 times the light, so its noise,
# in units of brightness, is four times smaller. The weighted differences of independent pixels add up in
# squares: that is the significance for somebody who knows exactly which pattern to look for.

# %%
def tensors(values):
    """Each value as a tensor (1, 1, 1), q and phi as the (e1, e2) that the ray tracer wants."""
    q, phi = values.pop("q"), values.pop("phi")
    e = (1 - q) / (1 + q)
    values |= {"e1": e * np.cos(2 * phi), "e2": e * np.sin(2 * phi)}
    return {k: torch.full((1, 1, 1), v, dtype=torch.float64) for k, v in values.items()}


lens = {"theta_E_main": 1.2, "q": 0.75, "phi": 0.5, "gamma1": 0.03, "gamma2": -0.02}
lens = tensors(lens | {"center_x": 0.0, "center_y": 0.0})
galaxy = {"amp": 1.0, "radius": 0.16, "n": 1.0, "q": 0.6, "phi": 1.0}
galaxy = tensors(galaxy | {"center_x": 0.07, "center_y": 0.02})
ax, ay = raytrace.deflection(x, y, lens)
bx, by = x - ax, y - ay  # the lens equation, so far without the clump
skies = torch.cat([raytrace.sersic(bx, by, **galaxy), raytrace.sersic(bx - ours[0], by - ours[1], **galaxy)])

views = {}
for name, s in (("HR", 1), ("LR x4", 4)):
    (blurred,) = instruments.gaussian_blur(skies, [lensing.PSF_FWHM[s] / lensing.PIXEL * fine])
    views[name] = instruments.bin_pixels(blurred, s * fine).numpy()

# %%
peak = views["HR"][0].max()
sigmas, total = {}, {}
for name, s in (("HR", 1), ("LR x4", 4)):
    smooth, clumpy = views[name] / peak
    noise = np.sqrt((smooth + lensing.SKY / lensing.PEAK) / lensing.PEAK) / s
    sigmas[name] = (clumpy - smooth) / noise
    total[name] = np.sqrt(np.square(sigmas[name]).sum())
    strongest = np.abs(sigmas[name]).max()
    px, py = (axis.numpy()[0] for axis in raytrace.grid(128 // s, lensing.PIXEL * s))
    near = np.square(sigmas[name])[np.hypot(px - place[0], py - place[1]) < 0.8].sum() / total[name] ** 2
    print(f"{name:6} strongest pixel {strongest:.1f} sigma, all pixels together {total[name]:.1f} sigma;", end=" ")
    print(f"{near:.0%} of the squares lie within 0.8 arcsec of the clump")

# %% tags=["exercise"]
exercises.check(1, 2, clump, total["HR"], total["LR x4"])

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.2), layout="constrained")
field = {"origin": "lower", "extent": (-3.2, 3.2, -3.2, 3.2)}
axes[0].imshow(views["HR"][1] / peak, norm=plotting.stretch([views["HR"][0] / peak], limits=(0, 1)), **field)
axes[0].set_title("HR with the clump, without noise")
for ax_, (name, z) in zip(axes[1:], sigmas.items(), strict=True):
    drawn = ax_.imshow(z, cmap=plotting.DIVERGING, vmin=-3, vmax=3, **field)
    ax_.set_title(f"{name}: {total[name]:.1f} sigma in all")
for ax_ in axes:
    ax_.plot(*place, "o", mfc="none", mec="w" if ax_ is axes[0] else "k", markersize=9)
    ax_.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), xlabel="[arcsec]", yticks=[-2, 0, 2], xticks=[-2, 0, 2])
    ax_.grid(False)
figure.colorbar(drawn, ax=axes[2], label="change by the clump / noise")
plotting.show(figure, alt="The lens with the clump, and the change that it makes in each pixel of HR and LR x4.")


# %% [markdown]
# The circle marks the clump. Close to it light is pushed aside, the pattern of red and blue that holds most of
# the significance. The rest is faint and goes once round the ring: the clump is a mass like any other, so it
# widens the whole image a little. A somewhat heavier halo would do the same. A real search must fit the smooth
# lens to the same picture, so it loses that part, and some of the rest, and finds fewer sigma than we did.
#
# ## 3. A split that does not leak
#
# Names are shuffled, not crops. The cumulative sum of their numbers of crops says where to stop; the name that
# crosses the line still belongs to the test set, so that it is never empty.

# %%
def hold_out(source, share, seed):
    names, counts = np.unique(source, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = np.searchsorted(counts[order].cumsum(), share * len(source)) + 1
    return np.isin(source, names[order[:taken]])


counts = np.random.default_rng(0).integers(10, 100, 40)
whose = np.repeat([f"photograph {k:02d}" for k in range(40)], counts)
for seed in range(4):
    test = hold_out(whose, 0.2, seed)
    print(f"seed {seed}: {len(set(whose[test]))} of 40 photographs hold {test.mean():.1%} of the crops")

# %% tags=["exercise"]
exercises.check(1, 3, hold_out)

# %% [markdown]
# The share is met to within one photograph. With five photographs instead of forty it would be missed by more:
# the share is a wish, the separation a condition. In that case do not split a large photograph; report what the
# test set holds.
#
# ## What follows
#
# All three exercises ask the question of the lesson: *what does this data set really hold?* A kernel fitted to
# the files tells who made LR. A significance, summed over pixels, tells what LR still knows of a clump that no
# single pixel shows. And a split by name tells whether a score measures learning or memory. Back to
# [lesson 01](../01_data_exploration.ipynb), or on to
# [lesson 02](../02_bicubic_baseline.ipynb).
