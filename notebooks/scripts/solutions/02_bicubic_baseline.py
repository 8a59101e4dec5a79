# %% [markdown]
# # Solutions to lesson 02 · How good is no learning at all, and how is that measured?
#
# These are worked answers to the exercises of [lesson 02](../02_bicubic_baseline.ipynb). Try your own first:
# the check cells there tell you how far you have come.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/02_bicubic_baseline.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/02_bicubic_baseline.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/02_bicubic_baseline.ipynb)
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
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from srutils import exercises, lensing, metrics, pairs, photos, plotting
from srutils.lensing import baselines
from srutils.upscale import Upscaler

plotting.use_style()

# %% [markdown]
# ## 1. A score that agrees with the tables
#
# Four choices. The signal is television's luma, from 16 to 235, computed from the 8-bit RGB and left unrounded.
# `scale` pixels are cut off on each side. The peak is 255, although luma cannot reach it. And each picture gets
# its own PSNR before anything is averaged. The first line of the loop is the quiet one: without it, bytes would
# be subtracted from bytes.

# %%
BT601 = np.array([65.481, 128.553, 24.966]) / 255


def table_psnr(sr, hr, scale):
    values = []
    for a, b in zip(sr, hr, strict=True):
        a, b = (16 + image.astype(float) @ BT601 for image in (a, b))
        difference = (a - b)[scale:-scale, scale:-scale]
        values.append(10 * np.log10(255**2 / np.mean(difference**2)))
    return np.mean(values)


def as_bytes(image):
    return np.uint8(np.round(np.clip(image, 0, 1) * 255))


hr = [pairs.crop_to_multiple(image, 3) for image in photos.builtin(colour=True).values()]
sr = [Upscaler.load("bicubic", 3)(metrics.quantize(pairs.degrade(image, 3))) for image in hr]
theirs = np.mean([metrics.photo_scores(metrics.quantize(a), b, 3)["psnr"] for a, b in zip(sr, hr, strict=True)])
ours = table_psnr([as_bytes(image) for image in sr], [as_bytes(image) for image in hr], 3)
print(f"bicubic x3 on six photographs: {ours:.2f} dB by hand, {theirs:.2f} dB by srutils")
assert abs(ours - theirs) < 0.001

# %% tags=["exercise"]
exercises.check(2, 1, table_psnr)


# %% [markdown]
# ## 2. Wiener without tuning
#
# A mean over training scenes of $|\hat x|^2$ is the power that a scene has on average at each frequency. For the
# noise: $c$ photons scatter with variance $c$. A pixel of LR counts $c = s^2\,(\text{PEAK}\,y + \text{SKY})$ of
# them and calls $c / (s^2\,\text{PEAK})$ brightness, so the variance of its brightness is
# $(\text{PEAK}\,y + \text{SKY}) / (s\,\text{PEAK})^2$. A Fourier coefficient adds up $h \times w$ pixels whose
# noise is independent, so there the variances add, too.

# %%
def measure(truth, lr, scale):
    power = np.mean(np.abs(np.fft.fft2(truth)) ** 2, axis=0)
    photons = np.maximum(lr, 0) * lensing.PEAK + lensing.SKY
    return power, lr[0].size * np.mean(photons) / (scale * lensing.PEAK) ** 2


def wiener(y, T, scale, power, noise):
    """The lesson's filter with a measured power spectrum in place of a power law."""
    h = len(T) // scale
    folded = (power * np.abs(T) ** 2).reshape(scale, h, scale, h).sum((0, 2)) / scale**4
    weight = power * np.conj(T) / scale**2 / np.tile(folded + noise, (scale, scale))
    return np.maximum(np.fft.ifft2(np.tile(np.fft.fft2(y), (1, scale, scale)) * weight).real, 0)


training = lensing.lens_set("telescope", 200, split="train")
power, noise = measure(training.truth[..., 0], training.lr[..., 0], 2)
test = lensing.lens_set("telescope", 60, split="test")
T = baselines.transfer((128, 128), 2)  # the lesson's `transfer`
measured = wiener(test.lr[..., 0], T, 2, power, noise)[..., None].astype(np.float32)
psnr = {
    "bicubic": metrics.psnr(pairs.resize(test.lr, (128, 128)), test.truth).mean(),
    "Wiener, tuned": metrics.psnr(baselines.wiener(test.lr, 2), test.truth).mean(),
    "Wiener, measured": metrics.psnr(measured, test.truth).mean(),
}
for name, value in psnr.items():
    print(f"{name:17} {value:.2f} dB on 60 test lenses")
assert abs(psnr["Wiener, measured"] - psnr["Wiener, tuned"]) < 0.1

# %% tags=["exercise"]
exercises.check(2, 2, measure)

# %% tags=["nbval-ignore-output"]
tuned = baselines.WIENER[2]
f = np.fft.fftfreq(128)
radius = np.hypot(f[:, None], f)
shells = [np.abs(radius - r) < 0.5 / 128 for r in np.arange(49) / 128]
law = (1 + radius**2 / tuned["corner"] ** 2) ** -tuned["slope"]
law *= noise / tuned["noise"]  # only the ratio of power and noise matters to the filter
figure, ax = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
for name, values, colour in (("measured on 200 training scenes", power, 5), ("the tuned power law", law, 4)):
    reaching = values * np.abs(T) ** 2 / 2**4
    curve = [reaching[shell].mean() for shell in shells]
    ax.semilogy(np.arange(49) / 128, curve, color=plotting.COLOURS[colour], label=name)
ax.axhline(noise, color="0.3", linestyle="--", linewidth=1, label="LR's noise")
ax.axvline(0.25, color="0.6", linewidth=1)
ax.text(0.253, 1e4, "LR's Nyquist", fontsize=8, color="0.4")
ax.set(xlabel="frequency [cycles per HR pixel]", ylabel="power that reaches LR")
ax.legend(fontsize=8)
plotting.show(figure, alt="Measured and assumed power of scenes after LR's telescope, and the noise.", svg=True)

# %% [markdown]
# Both curves are what LR's telescope passes on, in units in which the noise is the same. The tuned power law was
# never shown a spectrum, and yet it lies on the measured one where that meets the noise: there the search for
# constants had something to find. At the lowest frequencies the two differ by a factor of ten or more, and it
# does not matter, since the signal is so far above the noise that the filter simply divides by $T$. This is why
# the two scores agree. The measured version needs training scenes instead of tuning, and is as good as these
# resemble the sky. One lens, by all three, beside the truth:

# %% tags=["nbval-ignore-output"]
shown = {
    "bicubic": pairs.resize(test.lr[:1], (128, 128))[0],
    "Wiener, tuned": baselines.wiener(test.lr[:1], 2)[0],
    "Wiener, measured": measured[0],
    "truth": test.truth[0],
}
figure = plotting.image_grid(shown, norm=plotting.stretch([test.truth[0]]), size=2.3)
plotting.show(figure, alt="One lens: blurred by bicubic, sharper and alike by both Wiener filters; and the truth.")


# %% [markdown]
# ## 3. Stopping without the truth
#
# The prediction is the lesson's: `transfer` holds the wider PSF and the average over a pixel, and every second
# value is kept. Its photons give the variance. The mean goes over the pixels alone, so that each lens decides
# for itself; `argmax` of a row of False and True finds the first True.

# %%
def chi_square(y, x):
    """Chi square per LR pixel of each scene: (N,)."""
    predicted = np.fft.ifft2(np.fft.fft2(x) * T).real[:, ::2, ::2]
    variance = (np.maximum(predicted, 0) * lensing.PEAK + lensing.SKY) / (2 * lensing.PEAK) ** 2
    return np.mean((y - predicted) ** 2 / variance, axis=(1, 2))


def stop(y, runs):
    good = np.array([chi_square(y, x) <= 1 for x in runs.values()])
    good[-1] = True
    return np.array(list(runs))[good.argmax(0)]


y, truth = test.lr[:12, ..., 0], test.truth[:12]
after = partial(baselines.richardson_lucy, y[..., None], 2, smoothing=0.0)
runs = {k: after(iterations=k)[..., 0] for k in range(1, 21)}
psnr = np.array([metrics.psnr(x[..., None].astype(np.float32), truth) for x in runs.values()])  # (20, 12)
stops = stop(y, runs)
scores = {
    "the best for each lens (needs its truth)": psnr.max(0),
    "the best for all lenses (needs some truths)": psnr[psnr.mean(1).argmax()],
    "where chi square reaches 1 (needs LR alone)": psnr[stops - 1, np.arange(12)],
    "20 iterations": psnr[-1],
}
print("stops after", *stops, "iterations; the best were", *(psnr.argmax(0) + 1))
for name, values in scores.items():
    print(f"{name:44} {values.mean():.2f} dB")
best, fixed, ours, late = (values.mean() for values in scores.values())
assert best - 1 < ours and fixed < ours and late < ours - 1

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.4), layout="constrained")
chi2 = np.array([chi_square(y, x) for x in runs.values()])
numbers = np.array(list(runs))
for i, colour in zip((0, 2, 5), (5, 4, 3), strict=True):
    for ax, values in zip(axes, (chi2, psnr), strict=True):
        ax.plot(numbers, values[:, i], color=plotting.COLOURS[colour])
        ax.plot(stops[i], values[stops[i] - 1, i], "o", color=plotting.COLOURS[colour])
axes[0].axhline(1, color="0.5", linestyle="--", linewidth=1)
axes[0].set(yscale="log", ylim=(0.5, 5), xlabel="iterations", ylabel="chi square per LR pixel", title="what we can know")
axes[0].set_yticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
axes[0].minorticks_off()
for ax in axes:
    ax.set_xticks([1, 5, 10, 15, 20])
axes[1].set(xlabel="iterations", ylabel="PSNR against the truth [dB]", title="what we would like to know")
plotting.show(figure, alt="Chi square and PSNR against iterations for three lenses; dots where chi square is 1.", svg=True)

# %% [markdown]
# Three lenses; the dots mark where the rule stops. On the left chi square falls through 1, on the right PSNR
# rises, peaks and falls. The rule misses the peaks: it stops one lens (green) early and another (orange) late,
# because it sees how well LR is explained, not the scene behind it. On average that costs some tenths of a
# decibel against somebody who sees each truth. And yet the rule beats the best single number for all twelve
# lenses, which was chosen with their truths: it lets each lens have its own.

# %% tags=["exercise"]
exercises.check(2, 3, stop)

# %% [markdown]
# ## What follows
#
# A number needs its protocol, an estimate needs its assumptions in sight, and an iteration needs a reason to
# stop. None of the three needs a network, and all three come back when networks arrive: scores in
# [lesson 03](../03_srcnn.ipynb), a prior that is learnt instead of measured, and early stopping on validation
# data.
