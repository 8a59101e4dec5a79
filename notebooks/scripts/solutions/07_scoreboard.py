# %% [markdown]
# # Solutions to lesson 07 · Which picture would you publish?
#
# Lesson 07's three exercises, each with the reasoning, an answer that passes its check, and what it says about
# the lesson's pictures. Try them first in [the lesson](../07_scoreboard.ipynb): its checks say what a first
# attempt has right.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/07_scoreboard.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/07_scoreboard.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/07_scoreboard.ipynb)
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
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from srutils import exercises, lensing, metrics, plotting
from srutils.lensing import refit
from srutils.upscale import Upscaler

plotting.use_style()


# %% [markdown]
# ## 1. Is it better, or was it luck?
#
# A lens that is hard for one method is hard for the other. So we take the difference *first*, image by image, and
# what both have in common drops out. The three images of a triplet show one lens, whose source and whose ring they
# share; they are no independent trials. So one number is made for each lens. What is left are as many independent
# differences as lenses. Their mean has the error of any mean: the standard deviation (about a mean of their own, so
# divided by one less than their number) over the root of their number.

# %%
def compare(a, b, lens):
    """Mean of a - b, and its standard error; every lens has equally many images."""
    each = np.array([(a - b)[lens == i].mean() for i in np.unique(lens)])
    return each.mean(), each.std(ddof=1) / np.sqrt(len(each))


# %% tags=["exercise"]
exercises.check(7, 1, compare)

# %% [markdown]
# Now the thirty triplets of the lesson's section 6. Beside the right error stand two wrong ones: that of methods
# which were tried on *different* images, and that of ninety images which have nothing to do with each other.

# %% tags=["nbval-ignore-output"]
METHODS = {"SRResNet": "srresnet-deeplense-x2", "SuperResCNN": "superrescnn-deeplense-x2"}
METHODS |= {"Lanczos": "lanczos", "bilinear": "bilinear"}
sky = lensing.simulate("deeplense", 90, seed=12, triplets=True)
psnr = {name: metrics.psnr(Upscaler.load(kind, 2)(sky.lr), sky.hr) for name, kind in METHODS.items()}
lens, found = np.arange(90) // 3, {}
for pair in (("SRResNet", "SuperResCNN"), ("Lanczos", "bilinear"), ("SuperResCNN", "Lanczos")):
    a, b = (psnr[name] for name in pair)
    mean, error = found[pair] = compare(a, b, lens)
    apart, image = np.hypot(a.std(ddof=1), b.std(ddof=1)) / np.sqrt(90), (a - b).std(ddof=1) / np.sqrt(90)
    print(f"{pair[0]} - {pair[1]}: {mean:+.4f} ± {error:.4f} dB")
    print(f"    as if on different images ± {apart:.4f}, as if of 90 lenses ± {image:.4f}")
    assert 1.1 * image < error < apart / 2
assert 30 * found["SRResNet", "SuperResCNN"][1] < apart

# %% tags=["nbval-ignore-output"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.2), layout="constrained")
for name, k in (("SRResNet", 5), ("Lanczos", 4)):
    other = {"SRResNet": "SuperResCNN", "Lanczos": "bilinear"}[name]
    left.plot(psnr[other], psnr[name], ".", color=plotting.COLOURS[k], label=f"{name} against {other}")
    difference = (psnr[name] - psnr[other]).reshape(30, 3)
    right.plot(np.repeat(np.arange(30), 3), difference.ravel(), ".", color=plotting.COLOURS[k])
span = [min(map(np.min, psnr.values())), max(map(np.max, psnr.values()))]
left.plot(span, span, "k:", linewidth=1)
left.set(xlabel="PSNR of the method named second [dB]", ylabel="PSNR of the first [dB]")
left.legend(fontsize=8)
right.axhline(0, color="black", linewidth=1, linestyle=":")
right.set(xlabel="lens", ylabel="difference [dB]")
plotting.show(figure, alt="PSNR of two pairs of methods, image by image, and the differences by lens.")

# %% [markdown]
# Left, a dot for each image: lenses differ by a decibel or more, and the methods agree on which ones are hard. All
# of that is in the ± of the scoreboard's table. Right, what remains when the difference is taken: next to nothing
# for the two networks (blue), some tenths for the two interpolations, and the three dots of a lens keep together.
#
# So one can say what the table cannot. Three layers beat Lanczos by tens of standard errors. SRResNet's lead over
# the three layers is known to two thousandths of a decibel, forty times better than unpaired errors would have it,
# and still it is no more than one or two errors: **not decided, and too small to matter**. Whoever counts ninety
# images as ninety lenses gets a smaller error, and is sooner sure of what may be luck.

# %%
mean, error = found["SRResNet", "SuperResCNN"]
assert (
    abs(mean) < 2 * error < 0.01
    and found["SuperResCNN", "Lanczos"][0] > 20 * found["SuperResCNN", "Lanczos"][1]
)


# %% [markdown]
# ## 2. A limit that keeps its promise
#
# Put the new lens in line with the n old ones. All are smooth lenses, drawn alike, so the new one is as likely to
# come out on any of the n + 1 ranks. It exceeds the largest of the old ones on one rank of n + 1, the second largest
# on two, the k-th largest on k. With a rate allowed, k may be as large as (n + 1) × rate, rounded down; and if that
# is 0, no score will do. Nothing was assumed of the scores' distribution. (In statistics this is called *conformal*
# prediction; Vovk, Gammerman and Shafer 2005.)

# %%
def limit(scores, rate):
    """The smallest of the scores (n,) that a new one exceeds with probability `rate` at most, or np.inf."""
    k = int((len(scores) + 1) * rate + 1e-9)  # 20 * 0.05 is to be 1, whatever the rounding
    return np.sort(scores)[-k] if k else np.inf


# %% tags=["exercise"]
exercises.check(7, 2, limit)

# %% [markdown]
# Do other limits keep the promise? The quantile of the old scores, the bell curve's 1.64 standard deviations, and
# the largest score are put to the test with scores from a law with a long tail, whose false alarms
# can be computed: 1,000 sets of smooth lenses for every size of the set.

# %%
RATE, SIZES = 0.05, (8, 12, 19, 25, 39, 59, 79, 119, 199)
bell = NormalDist().inv_cdf(1 - RATE)
LIMITS = {
    "by rank": lambda scores: limit(scores, RATE),
    "quantile of the old": lambda scores: np.quantile(scores, 1 - RATE),
    "bell curve": lambda scores: scores.mean() + bell * scores.std(ddof=1),
    "the largest": np.max,
}
rng = np.random.default_rng(0)
alarms = {name: [] for name in LIMITS}
for n in SIZES:
    sets = rng.exponential(size=(1000, n))  # a score above x has the probability exp(-x)
    for name, rule in LIMITS.items():
        alarms[name].append(np.mean([np.exp(-rule(scores)) for scores in sets]))
for name, rates in alarms.items():
    print(
        f"{name:20} false alarms with 12 lenses {rates[1]:.0%}, with 39 {rates[4]:.0%}, with 199 {rates[-1]:.0%}"
    )
assert max(alarms["by rank"]) < RATE + 0.005 and alarms["by rank"][:2] == [0, 0]
assert min(alarms["quantile of the old"]) > RATE and min(alarms["bell curve"]) > RATE

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(6.6, 3.3), layout="constrained")
for (name, rates), k in zip(alarms.items(), (5, 4, 2, 1), strict=True):
    ax.plot(SIZES, rates, "o-", markersize=4, color=plotting.COLOURS[k], label=name)
ax.axhline(RATE, color="black", linestyle=":", linewidth=1, label="promised")
ax.set(
    xscale="log",
    xlabel="smooth lenses that the limit is made from",
    ylabel="false alarms",
    ylim=(-0.004, 0.15),
)
ax.set_xticks(SIZES, labels=SIZES)
ax.minorticks_off()
ax.legend(fontsize=8)
plotting.show(figure, alt="False alarms against the number of smooth lenses, for four kinds of limit.")

# %% [markdown]
# Limits by rank lie on the promise or below it, and below 19 lenses there is none (no false alarms, and no
# discoveries). The quantile promises too much, least of all where lenses are many. The bell curve is wrong for any
# number, since the scores do not follow it. The largest score (the
# lesson's) keeps *a* promise, 1 in n + 1: 8 % with twelve lenses, one in two hundred with 199.
#
# And real scores? We let the lesson's judge fit 29 smooth lenses of `telescope` at x4, once in LR and once in
# SRResNet's pictures. (It is the lesson's `misfit`, shortened.) What happens to a limit that was made from LR when it
# is used on the network's pictures?

# %% tags=["nbval-ignore-output"]
lenses = lensing.simulate("telescope", 29, scale=4, seed=22, classes=("no_substructure",))
begin = refit.perturb(refit.truth(lenses.params), seed=0, strength=0.5)


def judged(images, scale):
    """Mean squared residual of the best smooth lens in blocks of 0.2", in units of HR's photon noise."""
    model, block = refit.refit(images, begin, scale=scale)["model"], 4 // scale
    light, rest = (x[..., 0].reshape(29, 32, block, 32, block).mean((2, 4)) for x in (model, images - model))
    noise = np.sqrt(np.maximum(light, 0) * lensing.PEAK + lensing.SKY) / lensing.PEAK / 4
    return np.square(rest / noise).mean((1, 2))


pictures = Upscaler.load("srresnet-telescope-x4", 4)(lenses.lr)
scores = {"LR": judged(lenses.lr, 4), "SRResNet": judged(pictures, 1)}
for name, values in scores.items():
    tenth, thirtieth = (limit(values, rate) for rate in (0.1, 1 / 30))
    print(
        f"{name:9} median {np.median(values):.1f}; limit for 1 in 10 {tenth:.2f}, for 1 in 30 {thirtieth:.2f}"
    )
    assert np.isinf(limit(values, 0.01))
print("for 1 in 100, 29 lenses are too few")
wrong = (scores["SRResNet"] > limit(scores["LR"], 0.1)).mean()
print(f"SRResNet's pictures of smooth lenses above LR's limit for 1 in 10: {wrong:.0%}")
assert wrong == 0 and np.median(scores["SRResNet"]) < 0.5 * np.median(scores["LR"])


# %% [markdown]
# On its own pictures the limit keeps its promise by construction. LR's limit, used on the network's pictures, raises no
# alarm at all: the network has smoothed the noise away, and what is left over is a quarter of LR's. For these pictures
# such a limit is far too lax. And for one false alarm in a hundred the telescope's archive would have to hold 99 smooth
# lenses, or a simulator make them, which one then has to believe.
#
# ## 3. Noise with neighbours
#
# Cut into patches, the pictures have four axes more than a mean can use at once: `reshape` splits rows into (patch,
# row in it) and columns likewise, and the mean is taken over the two inner ones. The standard deviation of what is
# left, over all patches of all pictures, is the error. Promised was the pixels' standard deviation, divided by the
# root of the pixels in a patch, which is `block`.

# %%
def underrated(noise, block):
    """How many times larger the error of a patch's mean is than its pixels promise; noise (N, h, w)."""
    n, h, w = noise.shape
    patches = noise.reshape(n, h // block, block, w // block, block).mean((2, 4))
    return patches.std() / (noise.std() / block)


# %% tags=["exercise"]
exercises.check(7, 3, underrated)

# %% [markdown]
# The sky of the same 29 lenses: all corners of 32 × 32 pixels that no arc reaches. HR and four pictures that were
# made of LR x4.

# %%
BLOCKS = (1, 2, 4, 8, 16, 32)


def corners(x):
    """Four corners of each image: (4 N, 32, 32)."""
    return np.concatenate([x[:, y, x_, 0] for y in ENDS for x_ in ENDS])


ENDS = slice(0, 32), slice(-32, None)
dark = corners(lenses.truth).max((1, 2)) < 0.003
images = {"HR": lenses.hr, "SRResNet": pictures}
images |= {name: Upscaler.load(name, 4)(lenses.lr) for name in ("nearest", "bicubic", "richardson-lucy")}
errors = {name: corners(x - lenses.truth)[dark] for name, x in images.items()}
factors = {name: [underrated(e, block) for block in BLOCKS] for name, e in errors.items()}
print(f"{dark.sum()} dark corners; errors in thousandths of the peak")
for name, e in errors.items():
    whole = 1000 * e.std() * factors[name][4] / 16
    print(f"{name:16} a pixel {1000 * e.std():.1f}; the mean of 16 x 16 pixels {whole:.2f}", end="")
    print(
        f", promised {whole / factors[name][4]:.2f}: factor {factors[name][4]:.1f}; bias {1000 * e.mean():+.2f}"
    )

# %% tags=["nbval-ignore-output"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.3), layout="constrained")
sides = np.array(BLOCKS)
for (name, row), k in zip(factors.items(), (0, 5, 1, 2, 4), strict=True):
    left.plot(BLOCKS, row, "o-", markersize=4, color=plotting.COLOURS[k], label=name)
    if name in ("HR", "SRResNet", "bicubic"):
        promised = 1000 * errors[name].std() / sides
        right.plot(sides, promised * row, "o-", markersize=4, color=plotting.COLOURS[k], label=f"{name}, is")
        right.plot(sides, promised, "--", color=plotting.COLOURS[k], linewidth=1, label=f"{name}, promised")
left.set(ylabel="error of the mean / promised error")
right.set(ylabel="error of the mean [peak / 1000]", yscale="log")
for ax in (left, right):
    ax.set(xscale="log", xlabel="side of the patch [pixels]")
    ax.set_xticks(BLOCKS, labels=BLOCKS)
    ax.minorticks_off()
    ax.legend(fontsize=8)
plotting.show(
    figure, alt="How much the error of a mean is underrated, and the errors themselves, by patch size."
)

# %% [markdown]
# Left, HR keeps its promise at every size. In pictures that were made of LR x4 the error is some four to ten times
# what the pixels promise: LR has one independent number where the picture shows sixteen pixels. *Nearest* copies it,
# so the factor is 4 exactly, but for chance; bicubic and the network share it out further.
#
# Right is what matters. A pixel of SRResNet's sky scatters far less than one of HR's, and looks like a much better
# measurement: twelve times less. But full lines come together as soon as a patch is larger than LR's pixels: the mean of
# 16 x 16 pixels scatters a third less than HR's, not twelve times less. LR has counted as many photons as HR, and no
# network adds one. (Where the third comes from we have not looked into; its training skies were as dark as these.) What
# has really fallen is the promise (dashed).
# Richardson–Lucy's mean scatters less, but it is wrong on purpose: the method knows no negative sky, so what it
# makes of noise is positive, and its bias is larger than its scatter.

# %%
sixteen = {name: errors[name].std() * row[4] for name, row in factors.items()}
assert min(factors["HR"]) > 0.9 and max(factors["HR"]) < 1.15 and abs(factors["nearest"][2] - 4) < 0.01
assert min(row[4] for name, row in factors.items() if name != "HR") > 3.5
assert (
    errors["HR"].std() > 8 * errors["SRResNet"].std() and 0.5 < sixteen["SRResNet"] / sixteen["HR"] < 0.9
)
assert errors["richardson-lucy"].mean() > sixteen["richardson-lucy"] / 16

# %% [markdown]
# ## What the three have in common
#
# Each time the question was: *how many independent things are there?* Thirty lenses, not ninety images (1). The smooth
# lenses at hand, among which a new one is as good as any (2). LR's pixels, and not the sixteen times as many that an
# upscaler shows (3). Whoever counts too many gets errors that are too small, and publishes them. Back to
# [the lesson](../07_scoreboard.ipynb).
