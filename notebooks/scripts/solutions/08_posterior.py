# %% [markdown]
# # Solutions to lesson 08 · How sure may you be?
#
# Lesson 08's three exercises, each with the reasoning, an answer that passes its check, and what can be done
# with it. Try them first in [the lesson](../08_posterior.ipynb): its checks say what a first attempt has right.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/08_posterior.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/08_posterior.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/08_posterior.ipynb)
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

from srutils import exercises, lensing, plotting
from srutils.upscale import Upscaler

plotting.use_style()


# %% [markdown]
# ## 1. What weighted draws are worth
#
# The mean of n independent numbers, each with the variance 1, has the variance 1/n. A weighted mean, with weights
# whose sum is 1, has the variance $\sum w^2$. So it is as good as $1 / \sum w^2$ equal ones. Subtracting the
# largest logarithm from all changes no ratio, and no exponential can overflow; those that become 0 deserve it.

# %%
def effective_size(logs):
    """How many independent draws weighted ones are worth; `logs` (n,): logarithms of the weights."""
    weights = np.exp(logs - np.max(logs))
    weights /= weights.sum()
    return 1 / np.sum(weights**2)


# %% tags=["exercise"]
exercises.check(8, 1, effective_size)

# %% [markdown]
# Can one believe it? Section 1 drew from a bell with a width of 1.6. We try bells of other widths, a thousand
# times 100 draws each, and estimate the posterior's mean, which is 3 (its standard deviation is the root of 3).
# The effective size promises an error. What is the true one?

# %%
rng = np.random.default_rng(0)
WIDTHS = np.array([0.4, 0.6, 0.8, 1.1, 1.6, 2.4, 3.6, 5.0])


def log_weight(x, width):
    """The lesson's skewed posterior over a bell around 2, as a logarithm; -inf below 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        posterior = np.where(x > 0, 2 * np.log(np.maximum(x, 0)) - x, -np.inf)
    return posterior + 0.5 * ((x - 2) / width) ** 2


promised, true = [], []
for width in WIDTHS:
    draws = rng.normal(2, width, (1000, 100))
    logs = log_weight(draws, width)
    weights = np.exp(logs - logs.max(1, keepdims=True))
    estimates = (weights * draws).sum(1) / weights.sum(1)
    promised.append(np.sqrt(3 / np.median([effective_size(one) for one in logs])))
    true.append(np.sqrt(np.mean((estimates - 3) ** 2)))
for width, a, b in zip(WIDTHS, promised, true, strict=True):
    print(f"bell of width {width:.1f}: error promised {a:.2f}, true {b:.2f}")

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
ax.plot(WIDTHS, promised, "o--", color=plotting.COLOURS[5], label="promised by the effective size")
ax.plot(WIDTHS, true, "o-", color=plotting.COLOURS[4], label="true")
ax.set(xscale="log", xlabel="width of the bell", ylabel="error of the mean", ylim=(0, None))
ax.set_xticks(WIDTHS, labels=WIDTHS)
ax.minorticks_off()
ax.legend()
plotting.show(
    figure, alt="Promised and true error agree for wide bells; for narrow ones the true is larger.", svg=True
)

# %% [markdown]
# For wide bells the promise holds, and one that is much too wide only wastes draws. For **narrow** ones it does
# not. A bell that never reaches the tail cannot know that there is one: its few draws look nearly equal, the
# effective size looks fine, and the estimate is wrong. The lesson's bell, of width 1.6, is already among them,
# since this posterior falls more slowly than any bell. That is why `posterior.sample` draws from a Student's t
# distribution, somewhat wider than Laplace's bell and with heavy tails, and why an effective size is no proof.
# Rank tests are (section 5).

# %% jupyter={"source_hidden": true} tags=["check"]
ratio = np.divide(true, promised)
assert min(ratio[:5]) > 1.5 and max(ratio[5:]) < 1.4


# %% [markdown]
# ## 2. How many samples make a mean?
#
# The mean of n samples differs from the truth in two steps: from the truth to the mean of all that fit, and from
# there to the mean of n. The first is `faithful`. The second is the mean of n independent deviations, each with
# the mean square `spread`, so its mean square is `spread / n`. They know nothing of each other, and add.

# %%
def error_of_mean(n, faithful, spread):
    """The mean squared error of the mean of n samples, from two mean squares."""
    return faithful + spread / n


# %% tags=["exercise"]
exercises.check(8, 2, error_of_mean)

# %% [markdown]
# Three samplers, for 4,000 pixels of which LR leaves each open by 1: an honest one, one that is too sure (its
# spread is 0.36), and one that is too shy (2.89). Dots are measured, lines are the formula.

# %%
SIZES = (1, 2, 4, 8, 16, 32)
truth, measured = rng.normal(size=4000), {}
for name, width in {"honest": 1.0, "too sure": 0.6, "too shy": 1.7}.items():
    samples = width * rng.normal(size=(32, 4000))
    measured[name] = [np.mean((samples[:n].mean(0) - truth) ** 2) for n in SIZES]
    formula = [error_of_mean(n, np.mean(truth**2), width**2) for n in SIZES]
    assert np.allclose(measured[name], formula, rtol=0.1)
    print(
        f"{name:9} one sample costs {10 * np.log10(measured[name][0] / measured[name][-1]):.1f} dB more than 32"
    )

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
fine = np.linspace(1, 32, 200)
for (name, errors), width, k in zip(measured.items(), (1.0, 0.6, 1.7), (0, 4, 5), strict=True):
    ax.plot(SIZES, errors, "o", color=plotting.COLOURS[k], label=name)
    ax.plot(fine, error_of_mean(fine, 1, width**2), color=plotting.COLOURS[k], linewidth=1)
ax.set(xscale="log", xlabel="samples in the mean", ylabel="mean squared error", ylim=(0.8, 4.2))
ax.set_xticks(SIZES, labels=SIZES)
ax.minorticks_off()
ax.legend()
plotting.show(figure, alt="Errors of means of 1 to 32 samples fall towards 1, for three samplers.", svg=True)

# %% [markdown]
# And on lenses? The shipped model draws 32 pictures for each of eight LR. Errors are means over the eight, as
# multiples of the last one; the figure shows one of them.

# %%
lenses = lensing.simulate("telescope", 8, scale=4, classes="no_substructure", seed=8)
drawn = Upscaler.load("posterior-telescope-x4").sample(lenses.lr, 32, seed=0)  # (32, 8, 128, 128, 1)
means = {f"mean of {n}": drawn[:n].mean(0) for n in (1, 4, 32)}
faults = {name: float(np.square(mean - lenses.truth).mean()) for name, mean in means.items()}
print(", ".join(f"{name}: {fault / faults['mean of 32']:.2f}" for name, fault in faults.items()))

# %% tags=["nbval-ignore-output"]
cut = np.s_[24:104, 24:104, 0]
figure, axes = plt.subplots(2, 4, figsize=(8.6, 4.4), layout="constrained")
for (above, below), (name, images) in zip(axes.T, {**means, "truth": lenses.truth}.items(), strict=True):
    above.imshow(images[4][cut], cmap="inferno", norm=plotting.stretch([lenses.truth[4]]))
    shown = below.imshow((images - lenses.truth)[4][cut], cmap=plotting.DIVERGING, vmin=-0.02, vmax=0.02)
    above.set(title=name, xticks=[], yticks=[])
    below.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("picture")
axes[1, 0].set_ylabel("minus the truth")
figure.colorbar(shown, ax=axes[1], shrink=0.8, label="of the brightest pixel")
plotting.show(figure, alt="Means of 1, 4 and 32 samples of a lens, the truth, and what each mean misses.")


# %% [markdown]
# The pictures look alike; the differences get fainter as grain averages out, and the strips along the arc stay. One
# sample costs 1.41 times the error of the mean of 32; an honest one would cost 1.94 times. Eight lenses are few, but
# the lesson's 300 point the same way: this model is a little too sure, or its mean is biased.
#
# All three samplers above end at the same place: a mean of many does not ask whether its samples were honest. **PSNR of the mean
# says nothing about the error bars.** But the first dot does. Twice the last one is honest, less is too sure, more
# is too shy. So two figures that everybody prints, PSNR of a sample and PSNR of the mean, are already a test.
#
# ## 3. Ranks with ties
#
# The truth and its samples are all drawn alike, so any order of them is as likely as any other. Equal values have
# no order, and so we have to draw one. With k samples equal to the truth it can take k + 1 places among them.

# %%
def rank_histogram(samples, truth, rng):
    """How many of the truths (m,) have each rank 0 to n among their samples (n, m): (n + 1,) whole numbers."""
    below, equal = (samples < truth).sum(0), (samples == truth).sum(0)
    return np.bincount(below + rng.integers(0, equal + 1), minlength=len(samples) + 1)


# %% tags=["exercise"]
exercises.check(8, 3, rank_histogram)

# %% [markdown]
# A dark sky in 8 bits: 20,000 pixels that scatter by 0.8 grey levels, and 16 honest samples of each, all rounded.

# %%
levels = np.round(rng.normal(3, 0.8, (17, 20000)))
samples, truth = levels[:16], levels[16]
below, equal = (samples < truth).sum(0), (samples == truth).sum(0)
counted = {
    "below": np.bincount(below, minlength=17),
    "below and equal": np.bincount(below + equal, minlength=17),
}
counted["with lots"] = rank_histogram(samples, truth, rng)
spread = {name: counts.std() / counts.mean() for name, counts in counted.items()}
print("how uneven:", ", ".join(f"{name} {value:.2f}" for name, value in spread.items()))

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.2), sharey=True, layout="constrained")
for ax, (name, counts) in zip(axes, counted.items(), strict=True):
    ax.bar(range(17), counts / counts.mean(), width=1, color=plotting.COLOURS[2])
    ax.axhline(1, color="black", linestyle=":", linewidth=1)
    ax.set(title=name, xlabel="rank of the truth")
plotting.show(
    figure,
    alt="Rank histograms of rounded pixels: spiky and slanted without lots, level with them.",
    svg=True,
)

# %% [markdown]
# The samples are honest in all three panels. Without lots, one would call them biased, or broken. Ties are not
# only a matter of rounding: samples that were clipped at 0, or that a network has made exactly 0, have them, too.

# %% jupyter={"source_hidden": true} tags=["check"]
assert spread["with lots"] < 0.08 < 0.3 < min(spread["below"], spread["below and equal"])

# %% [markdown]
# ## What the three have in common
#
# Each is a way to look at samples before believing them: how many there really are (1), what they must cost (2),
# and where the truth must lie among them (3). None asks how they were made. Back to
# [the lesson](../08_posterior.ipynb).
