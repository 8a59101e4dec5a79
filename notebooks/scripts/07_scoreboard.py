# %% [markdown]
# # 07 · Which picture would you publish?
#
# Six lessons have left us with a shelf of upscalers: interpolation, deconvolution, networks trained on
# pixels, networks trained against an adversary. All of them give a larger picture. Which one do you send to a
# friend, which one do you measure on, and which one do you keep away from the paper?
#
# One number cannot answer that. In this lesson we put all upscalers into one table, and then ask three
# questions that no column of it answers: does the picture show structure that **is not there**? Does a
# **measurement** made on it still come out right? And can we tell **where** it is wrong, without having the
# truth?

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/07_scoreboard.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/07_scoreboard.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/07_scoreboard.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - score every shipped model and every classical method on the lenses, in one table;
# - draw the perception–distortion plane, and see who can be on its edge;
# - let two judges look for dark substructure in upscaled lenses: lesson 06's classifier, and a fit of the
#   forward model;
# - measure Einstein radius and shear on every upscaled image, and compare bias and scatter;
# - test whether the disagreement of two networks tells where both are wrong.
#
# **You will learn**
#
# - what the data-processing inequality forbids, and what it allows;
# - how to check a judge before believing it;
# - why the picture with the best PSNR need not be the one to measure on;
# - which method is for which purpose, each answer with its row of the table.
#
# **You will need** lessons 02, 05 and 06, and about forty minutes to read. The quick preset runs in about a
# minute on two CPU cores. Nothing is trained here: the shipped model files are all it needs.

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
from IPython.display import Markdown, display

from srutils import metrics, plotting, refit, score_table, tracks
from srutils.classifier import Classifier
from srutils.upscale import Upscaler, model_cards

plotting.use_style()
course.seed_everything(0)

# %% [markdown]
# ## 1. One table
#
# `srutils scoreboard` scores every upscaler on every test set that it fits. The lesson calls the same
# function. Lenses are drawn fresh, from the test split, which no model has seen. On `deeplense` the reference
# is the noisy HR image, as in the published figures; on `telescope` it is the noise-free truth.
#
# PSNR, SSIM and MSE compare pixel with pixel. *Spectrum error* and *gradient error* (lesson 05) ask only
# whether the picture looks like the reference as a whole: 0 is a perfect match. What follows a ± is the
# spread over the images, not the uncertainty of the mean.

# %%
rows = score_table.table(["deeplense", "telescope"], n=course.pick(24, 300), costs=False)
print(len(rows), "rows:", ", ".join(sorted({f"{row['data']} x{row['scale']}" for row in rows})))

# %% tags=["readme-table", "table-scoreboard"]
display(Markdown(score_table.markdown(rows)))


def cell(model, key, data="telescope", scale=4):
    """One number of the table."""
    return next(r[key] for r in rows if (r["model"], r["data"], r["scale"]) == (model, data, scale))


for scale in (2, 4):
    network, best = f"srresnet-telescope-x{scale}", "richardson-lucy"
    assert cell(network, "psnr", scale=scale) > cell(best, "psnr", scale=scale) + 2
    assert cell(best, "psnr", scale=scale) > cell("bicubic", "psnr", scale=scale) + 3
gan, net = (cell(f"{kind}-deeplense-x2", "psnr", "deeplense", 2) for kind in ("srgan", "srresnet"))
assert gan < cell("bicubic-torch", "psnr", "deeplense", 2) < net
gradients = {r["model"]: r["gradient_error"] for r in rows if r["data"] == "deeplense"}
assert gradients.pop("srgan-deeplense-x2") < 0.5 * min(gradients.values())

# %% [markdown]
# Three things to read off. On `telescope`, Richardson–Lucy deconvolution is far above bicubic, and SRResNet
# is well above Richardson–Lucy: there is something to be learned there, namely what lenses look like. On
# `deeplense` all good methods crowd within a decibel, for LR holds nearly all of HR's signal (lesson 01). And
# SRGAN comes last of the networks in decibels on `deeplense`, below bicubic, while the strengths of its
# gradients are by far the closest to HR's.
#
# **Photographs** take longer to enlarge, so their rows come from the models' cards, where the runs that made
# them wrote their scores down. Before we print them we score one model again: a card is a claim, too.

# %%
card = Upscaler.load("srcnn-photo-x4").card
again = score_table.table(["photos"], ["srcnn-photo-x4"], scale=4, costs=False)[0]
claimed = card["metrics"]["held-out photographs"]
print(f"srcnn-photo-x4: card {claimed['psnr']:.2f} dB, measured now {again['psnr']:.2f} dB, n = {again['n']}")
assert claimed["n"] == again["n"] and abs(claimed["psnr"] - again["psnr"]) < 0.01

# %% tags=["readme-table", "table-scoreboard-photos"]
text = "| photographs | test set (images) | bicubic: PSNR [dB], SSIM | the model | parameters |\n"
text += "|---|---|---|---|---|\n"
for card in model_cards():
    for name, s in card.get("metrics", {}).items() if card["task"] != "lenses" else ():
        base = s["bicubic"]
        text += f"| `{card['name']}` | {name} ({s['n']}) | {base['psnr']:.2f}, {base['ssim']:.4f} | "
        text += f"{s['psnr']:.2f}, {s['ssim']:.4f} | {card['parameters']:,} |\n"
        assert s["psnr"] > base["psnr"]
display(Markdown(text))

# %% [markdown]
# Every photograph model beats bicubic on its test sets; the table says by how much, and for how many
# parameters. Rows of different test sets must not be compared with one another: the same bicubic differs by
# several decibels between them.
#
# **What does it cost?** Speed and memory depend on the machine, so the next cell measures them here, each
# method in a process of its own.

# %% tags=["nbval-ignore-output"]
contestants = ("bicubic", "wiener", "richardson-lucy", "srresnet-telescope-x4")
costs = {name: score_table.cost(name, "telescope", 4) for name in contestants}
for name, c in costs.items():
    memory = "unknown" if c["memory_mb"] is None else f"{c['memory_mb']:.0f} MB"
    print(f"{name:24} {c['megapixels_per_second']:8.2f} megapixels a second, peak memory {memory}")

# %%
speed = {name: c["megapixels_per_second"] for name, c in costs.items()}
assert speed["bicubic"] > 10 * speed["srresnet-telescope-x4"]
assert all(c["memory_mb"] is None or c["memory_mb"] < 500 for c in costs.values())

# %% [markdown]
# Interpolation is faster than a network by more than a factor of ten, and none of them needs much memory.
# Before you pay for a network on a million images, know what you want it for.
#
# ## 2. The perception–distortion plane
#
# Blau and Michaeli (2018) proved that *distortion* (how far from the true pixels) and *perception* (how far
# from the distribution of real pictures) cannot both be minimal: at the best distortion that LR permits, an
# upscaler gains on one axis only by paying on the other. So we draw all methods on a plane with both.

# %%
for data, scale in (("deeplense", 2), ("telescope", 2), ("telescope", 4)):
    a, b = (cell(f"{kind}-{data}-x{scale}", "spectrum_error", data, scale) for kind in ("srresnet", "srgan"))
    print(f"{data} x{scale}: spectrum error of SRResNet {a:.2f} dex, of SRGAN {b:.2f} dex")
    assert b < a
three_layers = cell("superrescnn-telescope-x2", "spectrum_error", scale=2)
assert three_layers < cell("srgan-telescope-x2", "spectrum_error", scale=2)
assert (
    cell("nearest", "spectrum_error", "deeplense", 2) < cell("bicubic", "spectrum_error", "deeplense", 2) / 2
)
for row in (r for r in rows if r["data"] == "telescope" and not r["parameters"]):
    other = [r for r in rows if (r["data"], r["scale"]) == ("telescope", row["scale"]) and r["parameters"]]
    assert any(all(r[k] < row[k] for k in ("mse", "spectrum_error")) for r in other)

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.6), layout="constrained")
short = {"superrescnn": "SuperResCNN", "srresnet": "SRResNet", "srgan": "SRGAN"}
for ax, (data, scale) in zip(axes, (("deeplense", 2), ("telescope", 2), ("telescope", 4)), strict=True):
    for row in (r for r in rows if (r["data"], r["scale"]) == (data, scale)):
        kind = row["model"].split("-")[0] if row["parameters"] else "classical"
        colour = {"classical": "0.45", "srgan": plotting.COLOURS[4]}.get(kind, plotting.COLOURS[5])
        x, y = np.sqrt(row["mse"]), row["spectrum_error"]
        ax.plot(x, y, "o", color=colour)
        left = x > 0.7 * max(np.sqrt(r["mse"]) for r in rows if (r["data"], r["scale"]) == (data, scale))
        label, va = short.get(kind, row["model"]), "top" if kind in ("superrescnn", "srgan") else "bottom"
        ax.annotate(f" {label} ", (x, y), ha="right" if left else "left", va=va, fontsize=7)
    ax.set(title=f"{data} x{scale}", xlabel="distortion: root of the mean MSE")
axes[0].set_ylabel("perception: spectrum error [dex]")
plotting.show(
    figure, alt="All upscalers on the plane of distortion and spectrum error, one panel a test set."
)

# %% [markdown]
# Lower left is better on both axes. On `deeplense` nobody owns that corner: SRResNet is furthest to the left,
# SRGAN is lowest, and one gains where the other loses. The same holds at x4 on `telescope`. At x2 there, both
# are good, and lesson 03's three layers have the best spectrum of all, at a price in decibels. On `telescope`
# no classical method is on the edge: for each there is a network that is better on both axes.
#
# One dot should make you suspicious. On `deeplense`, *nearest neighbour* has nearly the right spectrum. The
# edges of its blocks have power at high frequencies, and a spectrum does not ask where power comes from. All
# of this is an argument about pictures. The next sections are about what can be concluded from them.
#
# ## 3. Does it show what is not there? The first judge
#
# Lesson 06 trained a classifier to tell lenses without substructure from lenses with subhalos or a vortex. It
# was trained on the noisy HR images of `deeplense`. Now we show it LR images that others have brought to the
# size of HR. Two things can go wrong: a smooth lens may be *given* substructure (**hallucination**), and a
# lens with substructure may *lose* it.
#
# Can an upscaler make the classes easier to tell apart? It sees LR and nothing else. Whatever it does is a
# function of LR, perhaps with dice. Then the **data-processing inequality** holds: *the best possible judge
# of the upscaled image is never better than the best possible judge of LR*. If it were, one could build that
# better judge of LR by putting the upscaler in front. A network can make information easier to read, for one
# particular judge; it cannot make any.

# %%
judge = Classifier.load("lens-classifier")


def auc(without, with_it):
    """The chance that a random image with something scores higher than a random one without it."""
    without, with_it = np.asarray(without), np.asarray(with_it)[:, None]
    return float(np.mean((with_it > without) + 0.5 * (with_it == without)))


def verdict(images, labels):
    """Macro AUC, and how many smooth lenses are called substructure and how many of the others smooth."""
    p = judge(images)
    each = [auc(p[labels != k, k], p[labels == k, k]) for k in range(3)]
    says = p.argmax(1)
    return float(np.mean(each)), float((says[labels == 0] > 0).mean()), float((says[labels > 0] == 0).mean())


triplets = tracks.simulate("deeplense", course.pick(90, 900), seed=12, triplets=True)
ways = {"nearest": "nearest", "bicubic": "bicubic-torch", "SuperResCNN": "superrescnn-deeplense-x2"}
ways |= {"SRResNet": "srresnet-deeplense-x2", "SRGAN": "srgan-deeplense-x2"}
shown = {name: Upscaler.load(kind, 2)(triplets.lr) for name, kind in ways.items()}
shown |= {"oracle": tracks.oracle(triplets), "HR": triplets.hr, "noise-free truth": triplets.truth}
verdicts = {name: verdict(images, triplets.labels) for name, images in shown.items()}

# %% tags=["readme-table", "table-scoreboard-judge"]
text = f"| `deeplense` x2, {len(triplets)} images | AUC of the classifier | smooth, called substructure | "
text += "substructure, called smooth |\n|---|---|---|---|\n"
for name, (area, invented, lost) in verdicts.items():
    text += f"| {name} | {area:.3f} | {invented:.0%} | {lost:.0%} |\n"
display(Markdown(text))
upscaled = [verdicts[name][0] for name in ways]
assert max(upscaled) <= verdicts["HR"][0] + 0.002 and min(upscaled) > 0.97
assert verdicts["noise-free truth"][0] < min(upscaled)
assert verdicts["bicubic"][1] > 0.05
assert max(verdicts[name][1] for name in ("SuperResCNN", "SRResNet", "SRGAN")) <= 0.05

# %% [markdown]
# No upscaled image is judged better than HR. None is much worse either: on this track LR has kept the signal, and
# every enlargement passes it on. The networks invent no substructure that this judge would fall for: hardly any
# smooth lens is called anything else. Bicubic does worse: it leaves a weave in the noise that the judge has never
# seen, and takes for substructure in some smooth lenses.
#
# Two rows are warnings. **SRGAN comes closest to HR**, although it has the worst PSNR of the networks. It has
# not found anything that SRResNet missed. The judge was trained on noisy images, and SRGAN paints the kind of
# noise that the judge is used to. And the **noise-free truth scores lowest of all**, a picture that is better
# in every respect. The judge has never seen such a clean lens. An AUC is a property of an image *and* a
# judge, and a judge is calibrated to one instrument.
#
# That caution is about to become very concrete. `telescope` is where upscaling is hard, at x4 above all. Is
# the classifier a judge there? Before we ask it about upscaled images we try it on HR ones, where it should
# do best.

# %%
n = course.pick(12, 60)  # triplets: the same lens without substructure, with subhalos, with a vortex
lenses = {s: tracks.simulate("telescope", 3 * n, scale=s, seed=21, triplets=True) for s in (2, 4)}
labels = lenses[4].labels
p = judge(lenses[4].hr)
outside = {k: auc(1 - p[labels == 0, 0], 1 - p[labels == k, 0]) for k in (1, 2)}
print(f"AUC on telescope HR: subhalos {outside[1]:.2f}, vortex {outside[2]:.2f} (0.5 is a coin)")
print(f"smooth lenses that it calls smooth: {(p[labels == 0].argmax(1) == 0).mean():.0%}")
assert max(outside.values()) < 0.8 and (p[labels == 0].argmax(1) == 0).mean() < 0.2

# %% [markdown]
# It is worth nothing there: no smooth lens is called smooth, and the ranking of the lenses is little better
# than a coin's. The instrument is another one (PSF and noise), and so are the lenses: elliptical halos and
# small sources, which it never saw. We need another judge. (What would have happened without this test stands
# under *What went wrong*.)

# %% [markdown]
# ## 4. The second judge: fit a smooth lens and look at the rest
#
# For `telescope` we build a judge in the open. `srutils.refit` fits the forward model of lesson 01, a smooth
# elliptical lens with shear and a Sérsic source, to an image: fourteen numbers, moved by Levenberg–Marquardt
# until the model looks like the image. Substructure is not in the model, so what it does to the arcs is left
# in the **residual**. We average the residual over blocks of 0.2″ (the pixel of LR at x4), divide by the
# photon noise that the HR telescope would leave in such a block, square, and take the mean: the judge's
# score. Photon noise alone gives a score of 1.
#
# Each fit starts from the true parameters, moved at random by one and a half per cent of an arcsecond in the
# Einstein radius and by similar amounts in the others. So the fits ask what an image *says* about its lens,
# and not how one finds a lens from nothing.
#
# LR itself is judged as well, with LR's own PSF and pixels, and so is bicubic with LR's PSF, which it has
# kept. The other pictures claim to be what the HR telescope would see, so they are held to its PSF.

# %%
SPAN = 32  # blocks of 0.2" along each axis


def judged(images, start, scale=1, fwhm=None):
    """The fit of a smooth lens to each image, the residual in blocks of 0.2", and the score."""
    fit = refit.refit(images, start, scale=scale, fwhm=fwhm)
    block = images.shape[1] // SPAN

    def averaged(x):
        return x[..., 0].reshape(len(x), SPAN, block, SPAN, block).mean((2, 4))

    counts = np.maximum(averaged(fit["model"]), 0) * tracks.PEAK + tracks.SKY
    noise = np.sqrt(counts) / tracks.PEAK / 4  # a block is 4 x 4 HR pixels
    residual = averaged(images - fit["model"]) / noise
    return fit | {"residual": residual, "score": (residual**2).mean((1, 2))}


def upscale_all(pairs_, scale):
    """Every contender at this scale, on these lenses."""
    names = {"bicubic": "bicubic", "Richardson-Lucy": "richardson-lucy"}
    names |= {"SRResNet": f"srresnet-telescope-x{scale}", "SRGAN": f"srgan-telescope-x{scale}"}
    return {name: Upscaler.load(kind, scale)(pairs_.lr) for name, kind in names.items()}


sr = {scale: upscale_all(lenses[scale], scale) for scale in (2, 4)}
kept = labels != 1  # smooth lenses and vortices; subhalos are treated below
true = {k: v[kept] for k, v in refit.truth(lenses[4].params).items()}
start = refit.perturb(true, seed=0, strength=0.5)
smooth = labels[kept] == 0
seen = {"LR": lenses[4].lr, **sr[4], "HR": lenses[4].hr}


# %% tags=["nbval-ignore-output"]
def judge_all(seen, scale):
    """`judged` for every kind of picture: LR with its own pixels, bicubic with LR's PSF, the rest as HR."""
    found = {}
    for name, images in seen.items():
        pixels, fwhm = (scale if name == "LR" else 1), (tracks.PSF_FWHM[scale] if name == "bicubic" else None)
        found[name] = judged(images[kept], start, pixels, fwhm)
    return found


seen_x2 = {"LR": lenses[2].lr, **{k: v for k, v in sr[2].items() if k != "Richardson-Lucy"}}
fits, fits_x2 = judge_all(seen, 4), judge_all(seen_x2, 2)
print(f"{len(smooth)} lenses fitted in {len(fits)} kinds of picture at x4 and {len(fits_x2)} at x2")

# %% tags=["nbval-ignore-output"]
limit = fits["HR"]["score"][smooth].max()  # on HR, no smooth lens is above it
areas, above = {}, {}
print(f"{smooth.sum()} lenses without and with a vortex; the limit is a score of {limit:.2f}")
print(f"{'':20}{'AUC':>6}{'median score, smooth':>24}{'smooth above the limit':>26}")
for scale, found in ((4, fits), (2, fits_x2)):
    for name, f in found.items():
        areas[scale, name] = auc(f["score"][smooth], f["score"][~smooth])
        above[scale, name] = float((f["score"][smooth] > limit).mean())
        kind = name if name == "HR" else f"x{scale}, {name}"
        row = f"{areas[scale, name]:6.2f}{np.median(f['score'][smooth]):24.1f}{above[scale, name]:26.0%}"
        print(f"{kind:20}{row}")
assert areas[4, "HR"] > areas[4, "LR"] > max(areas[4, name] for name in sr[4])
assert areas[4, "Richardson-Lucy"] < areas[4, "LR"] - 0.05
assert above[4, "Richardson-Lucy"] > 0.8 and above[4, "SRResNet"] < 0.5
assert min(areas[2, name] for name in ("SRResNet", "SRGAN")) > areas[2, "LR"]

# %% [markdown]
# Begin with x4. HR is judged best, then LR itself, and every picture made of LR comes after it. Upscaling
# made the judge's work harder, not easier, and Richardson–Lucy made it hardest.
#
# Then the scores of *smooth* lenses. Below 1 a picture is smoother than photon noise would allow: noise has
# been averaged away, which is what a network is for. Richardson–Lucy stands above: in every smooth lens it
# has grown spots that no smooth lens model explains, and a score that would count as a discovery on HR is
# normal here. **That is hallucination, and here it comes from the classical method.** The networks trip over
# the limit now and then, too. Whoever judges upscaled pictures needs a limit made from upscaled pictures.
#
# At x2 the order is turned round: the networks' pictures are judged *better* than LR, and as well as HR. Does
# that break the inequality? No: it speaks of the best possible judge, and ours is a plain sum of squares in
# which the noise of a thousand empty blocks drowns a few that matter. The network has taken that noise out
# before the judge looks. A judge that knew what a vortex looks like could do the same with LR. **Upscaling
# can help a judge who is not perfect, it cannot replace what LR did not record**, and at x4 less was
# recorded.
#
# And the subhalos? On this track they follow the literature's recipe, and most weigh too little to be seen:
# photons, not pixels, are missing. We let the judge try on HR, the best picture there is.

# %% tags=["nbval-ignore-output"]
subhalo = {k: v[labels == 1] for k, v in refit.truth(lenses[4].params).items()}
fit_subhalo = judged(lenses[4].hr[labels == 1], refit.perturb(subhalo, seed=0, strength=0.5))
faint = auc(fits["HR"]["score"][smooth], fit_subhalo["score"])
print(f"AUC of subhalos against nothing, on HR: {faint:.2f}")

# %%
assert faint < 0.8 and faint < areas[4, "HR"], "what HR cannot show, no upscaled image can"

# %% [markdown]
# Little better than a coin. A paper that finds such subhalos in an upscaled image has found them in the
# network. For the vortices we look at the residuals themselves: one lens, with and without.

# %% tags=["nbval-ignore-output"]
best = int(np.argmax(fits["LR"]["score"] * ~smooth))  # the plainest vortex; its smooth twin comes before it
figure, axes = plt.subplots(2, len(fits), figsize=(1.75 * len(fits), 3.9), layout="constrained")
for column, (name, f) in zip(axes.T, fits.items(), strict=True):
    for ax, i in zip(column, (best - 1, best), strict=True):
        drawn = ax.imshow(f["residual"][i], cmap=plotting.DIVERGING, vmin=-6, vmax=6)
        ax.set(xticks=[], yticks=[])
    column[0].set_title(name, fontsize=9)
axes[0, 0].set_ylabel("smooth lens")
axes[1, 0].set_ylabel("with a vortex")
figure.colorbar(drawn, ax=axes, shrink=0.8, label="residual [HR photon noise]")
plotting.show(figure, alt="Residuals of smooth fits for LR, four upscaled images and HR; vortex below.")

# %% [markdown]
# The vortex leaves the same pattern of dark and bright on one side of the ring in every picture of the lower row. It
# survives upscaling, because LR recorded it; only under Richardson–Lucy is it hard to make out. In the upper row
# there is nothing to be found: LR and HR show noise, the networks a quieter mottling on the arcs, and
# Richardson–Lucy spots all around the ring that no lens has made.
#
# ## 5. Does a measurement still come out right?
#
# The same fits have measured every lens. For the smooth ones we know what should have come out. The Einstein
# radius is the quantity that matters most: its square is the mass. We look at the **bias** (the mean error:
# what a thousand lenses would not average away) and the **scatter** (of a single lens).

# %%
alone, chosen = {k: v[smooth] for k, v in true.items()}, np.flatnonzero(labels == 0)


def physics(fit, images, lenses_):
    """Errors of one kind of picture: Einstein radius and flux in per cent, shear, ring radius in pixels."""
    shear = fit["shear"][smooth] - np.hypot(alone["gamma1"], alone["gamma2"])
    unit = lenses_.truth.shape[1] / images.shape[1]  # HR pixels a pixel
    ring = refit.ring_radius(images[chosen], 32) * unit - refit.ring_radius(lenses_.truth[chosen], 32)
    return {
        "theta_E": 100 * (fit["theta_E"][smooth] / alone["theta_E"] - 1),
        "shear": shear,
        "flux": 100 * refit.flux_error(images[chosen], lenses_.truth[chosen]),
        "ring": ring,
    }


table = {("x4", name): physics(f, seen[name], lenses[4]) for name, f in fits.items()}
table |= {("x2", name): physics(f, seen_x2[name], lenses[2]) for name, f in fits_x2.items()}

# %% tags=["nbval-ignore-output", "readme-table", "table-scoreboard-physics"]
text = (
    f"| {len(chosen)} smooth `telescope` lenses | Einstein radius: bias ± scatter [%] | shear | flux [%] | "
)
text += "ring [HR pixels] |\n|---|---|---|---|---|\n"
for (scale, name), t in table.items():
    cells = [f"{t[k].mean():+.{d}f} ± {t[k].std():.{d}f}" for k, d in zip(t, (2, 4, 2, 2), strict=True)]
    text += f"| {name if name == 'HR' else f'{scale}, {name}'} | {' | '.join(cells)} |\n"
display(Markdown(text))

# %%
bias = {key: abs(t["theta_E"].mean()) for key, t in table.items()}
scatter = {key: t["theta_E"].std() for key, t in table.items()}
assert bias["x4", "HR"] < 0.5, "the course's demand on the fit itself"
assert (
    scatter["x4", "LR"] < scatter["x4", "bicubic"] and scatter["x4", "LR"] < 1.1 * scatter["x4", "SRResNet"]
)
assert max(bias["x4", name] for name in ("SRResNet", "SRGAN")) < 0.5
assert all(scatter["x2", "LR"] < scatter["x2", name] for name in ("bicubic", "SRResNet", "SRGAN"))
assert all(abs(table["x4", name]["ring"].mean()) < 0.05 for name in ("SRResNet", "SRGAN", "Richardson-Lucy"))
assert max(scatter["x4", name] for name in ("SRResNet", "SRGAN")) < scatter["x4", "bicubic"]
assert table["x4", "Richardson-Lucy"]["flux"].mean() > abs(table["x4", "SRResNet"]["flux"].mean()) + 0.1

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
for i, ((scale, _), t) in enumerate(table.items()):
    colour = plotting.COLOURS[5] if scale == "x4" else plotting.COLOURS[4]
    ax.plot(t["theta_E"], np.full(len(chosen), i), "o", color=colour, alpha=0.35, markersize=4)
    ax.errorbar(t["theta_E"].mean(), i, xerr=t["theta_E"].std(), fmt="k|", markersize=12, capsize=3)
ax.axvline(0, color="0.6", linewidth=1)
ax.set_yticks(range(len(table)), [name if name == "HR" else f"{scale}, {name}" for scale, name in table])
ax.invert_yaxis()
ax.set_xlabel("error of the Einstein radius [%]")
plotting.show(figure, alt="Errors of the refitted Einstein radius, lens by lens, for every kind of picture.")

# %% [markdown]
# Every dot is a lens; the bar is mean and scatter. At either scale the shortest bar is that of **LR itself**: no
# upscaled image gives the Einstein radius better than the LR image that it was made from, fitted with LR's own PSF.
# Bicubic at x4 is the worst although nothing was invented: interpolation has made neighbouring errors depend on each
# other, and its kernel is not in the model. The two networks lie between. Their bias is small, well under half a per
# cent, so a mass from them would not be far off; but their scatter is no smaller than LR's, for all their decibels.
#
# The other columns: Richardson–Lucy finds too much light (what it makes of noise is positive); the other methods keep
# the flux to a small fraction of a per cent. The ring's radius is measured without any model, and there the deblurred
# pictures agree with the truth to hundredths of a pixel, while LR's and bicubic's show their wider PSF.
#
# So the sharp picture is not for measuring, if you have a forward model. It is for seeing what should be
# modelled.
#
# ## 6. Where is it wrong, and can one know?
#
# Without the truth, nobody can draw an error map. But we have two networks with the same LR. Where they
# disagree, at least one is wrong. Does **disagreement** predict error?

# %%
truth = lenses[4].truth
error = np.abs(sr[4]["SRResNet"] - truth)
differ = np.abs(sr[4]["SRResNet"] - sr[4]["SRGAN"])
alike = float(np.corrcoef(error.ravel(), differ.ravel())[0, 1])
order = np.argsort(differ.ravel())
bins = np.array_split(order, 10)
actual = np.array([np.sqrt((error.ravel()[b] ** 2).mean()) for b in bins])
promised = np.array([np.sqrt((differ.ravel()[b] ** 2).mean()) for b in bins])
total = float(np.sqrt((differ**2).mean() / (error**2).mean()))
print(f"correlation of disagreement and error, pixel by pixel: {alike:.2f}")
print(f"rms disagreement over rms error: {total:.2f}")
assert 0.1 < alike < 0.9 and total < 0.8 and actual[-1] > 3 * actual[0]

# %% tags=["nbval-ignore-output"]
i = int(np.argsort(error.mean((1, 2, 3)))[len(error) // 2])  # a lens of the middle
figure, axes = plt.subplots(1, 4, figsize=(10.2, 2.9), layout="constrained")
axes[0].imshow(truth[i, ..., 0], cmap="inferno", norm=plotting.stretch([truth[i]]))
for ax, image, title in ((axes[1], error, "error of SRResNet"), (axes[2], differ, "SRResNet − SRGAN")):
    drawn = ax.imshow(image[i, ..., 0], cmap="viridis", vmin=0, vmax=np.percentile(error[i], 99.5))
    ax.set_title(title)
figure.colorbar(drawn, ax=axes[2], shrink=0.8, label="absolute, peak = 1")
for ax in axes[:3]:
    ax.set(xticks=[], yticks=[])
axes[0].set_title("truth")
axes[3].loglog(promised, actual, "o-", color=plotting.COLOURS[5])
axes[3].loglog(actual[[0, -1]], actual[[0, -1]], "k--", linewidth=1, label="equal")
axes[3].set(xlabel="disagreement, rms of a tenth", ylabel="error, rms", title="calibration")
axes[3].legend()
plotting.show(figure, alt="Truth, error map, disagreement map, and error against disagreement in ten bins.")

# %% [markdown]
# The maps resemble each other: both light up on the arcs and stay dark in the sky, so disagreement tells
# *where* to be careful. It does not tell *how much*. On the right, pixels are sorted by disagreement into ten
# groups; the points lie above the dashed line: the error is larger than the disagreement admits. The two
# networks share their data, their architecture and even their weights (SRGAN began as SRResNet), so they
# share their mistakes, and where both are wrong alike they agree. **Use disagreement as a flag, never as an
# error bar.**
#
# ## 7. A real lens
#
# `SR_DATA` may hold Hubble images of real lenses. There is no truth for them, but there is a test: average 2
# × 2 pixels, bring the result back to the old size, and compare with the image that was taken. It is not
# `telescope`: nothing but pixels is coarser, the lens galaxy shines in the middle, and the noise is
# correlated.

# %% tags=["nbval-ignore-output"]
folder, hubble = course.find_data("lensing/real"), {}
if folder is None or importlib.util.find_spec("h5py") is None:
    print("Hubble lenses would be halved and restored here: SR_DATA/lensing/real and h5py (data/README.md).")
else:
    import h5py

    for path in sorted(folder.glob("*/**/image_*.h5")):
        with h5py.File(path) as stored:
            image = stored["image_data"][()].astype(np.float32)
        image = image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2, None] / np.percentile(image, 99.8)
        half = image.reshape(image.shape[0] // 2, 2, -1, 2, 1).mean((1, 3))
        kinds = ("bicubic", "srresnet-deeplense-x2", "srresnet-telescope-x2", "srgan-telescope-x2")
        name = path.stem.removeprefix("image_").replace("_", " ")
        hubble[name] = {"observed": image, **{k: Upscaler.load(k, 2)(half) for k in kinds}}
    for name, images in hubble.items():
        scores = {k: metrics.psnr(v, images["observed"]) for k, v in images.items() if k != "observed"}
        print(f"{name:32}", ", ".join(f"{k} {v:.2f} dB" for k, v in scores.items()))
    image = hubble[next(name for name in hubble if "SDSS" in name)]
    image = {k.removesuffix("-x2").replace("-", "\n"): v for k, v in image.items()}
    middle = image["observed"].shape[0] // 2
    norm = plotting.stretch([image["observed"]], softening=0.02)
    figure = plotting.zoom_grid(image, "observed", (middle - 25, middle - 25, 50, 50), norm=norm, size=2)
    plotting.show(figure, alt="A Hubble lens, halved and restored by bicubic and networks, with residuals.")

# %% [markdown]
# *Images: NASA, ESA, STScI; the SDSS lenses are from the SLACS survey (Bolton et al. 2008; data as prepared by
# Shajib et al. 2021 and Galan et al. 2021), the others come with the dolphin pipeline (Shajib et al. 2025).*
#
# Where the images are present, bicubic beats the `telescope` networks on every one of them. The networks have
# learned to undo a wider PSF. Here only the pixels are coarser, so they sharpen what was sharp already and
# dig dark moats around the bright centre. Nothing is wrong with them, but they were used on an instrument
# that they were not trained for. **A network's PSNR is a property of the network and the data set together.**

# %%
KINDS = ("bicubic", "srresnet-telescope-x2", "srgan-telescope-x2")


def bicubic_wins(images):
    """Whether bicubic is closer to the observed image than the networks of the telescope track."""
    plain, *trained = (metrics.psnr(images[kind], images["observed"]) for kind in KINDS)
    return plain > max(trained)


HUBBLE_AGREES = all(bicubic_wins(images) for images in hubble.values())  # and so where there are none
assert HUBBLE_AGREES

# %% [markdown]
# ## What went wrong and why
#
# In section 3 we tested the classifier on HR before using it. Suppose that we had not. The cell asks it about
# *smooth* lenses of `telescope` at x4, in every upscaled version, and writes the headline that a hasty reader
# would have drawn from it.

# %%
blunder = {}
for name, images in {**sr[4], "HR": lenses[4].hr}.items():
    blunder[name] = float((judge(images[labels == 0]).argmax(1) > 0).mean())
    print(f"{name:16} substructure 'seen' in {blunder[name]:.0%} of {(labels == 0).sum()} smooth lenses")
assert min(blunder.values()) > 0.8 and blunder["HR"] > 0.8

# %% [markdown]
# "Super-resolution hallucinates dark matter in nearly every lens!" The last row saves us: the judge says the
# same of HR, which nobody has upscaled. The number measures how far the judge is from home, and nothing else.
# The row that tells is always the one with the untouched data. Leave it out, and any story fits.
#
# ## Which method for which purpose
#
# The closing page. Each line is written together with the condition on this lesson's tables that it rests on,
# and is printed only if that holds.

# %% tags=["readme-table", "table-which-method"]
x4 = {r["model"]: r for r in rows if (r["data"], r["scale"]) == ("telescope", 4)}
plain = {name: r["psnr"] for name, r in x4.items() if not r["parameters"]}
s4 = {name: scatter["x4", name] for name in ("LR", *sr[4])}
a4 = {name: areas[4, name] for name in ("LR", *sr[4])}
noisy = cell("srgan-deeplense-x2", "spectrum_error", "deeplense", 2)
PURPOSES = [
    ("measure mass and shear", "LR and a forward model",
     "smallest scatter of the Einstein radius of all that is made of LR", min(s4, key=s4.get) == "LR"),
    ("search for substructure at x4", "LR and a forward model",
     "highest AUC of all that is made of LR", max(a4, key=a4.get) == "LR"),
    ("search for it at x2", "SRResNet's picture and a forward model, limits from smooth lenses",
     "higher AUC than LR with the same plain judge", areas[2, "SRResNet"] > areas[2, "LR"]),
    ("see a lens as a better telescope would", "SRResNet",
     "highest PSNR at x4", max(x4, key=lambda k: x4[k]["psnr"]).startswith("srresnet")),
    ("a picture with natural grain", "SRGAN",
     "smallest spectrum error on noisy HR; its grain is not data",
     noisy == min(r["spectrum_error"] for r in rows if r["data"] == "deeplense")),
    ("deconvolve without a network", "Richardson–Lucy, with care",
     "best classical PSNR; but spots on smooth arcs, and too much flux",
     max(plain, key=plain.get) == "richardson-lucy" and above[4, "Richardson-Lucy"] > 0.8),
    ("an instrument without a network of its own", "bicubic or Lanczos",
     "on real lenses bicubic beat the networks of another instrument", HUBBLE_AGREES),
    ("enlarge a million images", "bicubic", "over ten times as fast as a network",
     speed["bicubic"] > 10 * speed["srresnet-telescope-x4"]),
]  # fmt: skip
text = "| You want to | Use | Because |\n|---|---|---|\n"
for want, use, because, holds in PURPOSES:
    assert holds, want
    text += f"| {want} | **{use}** | {because} |\n"
display(Markdown(text))

# %% [markdown]
# The table has no winner, and that is its message. The question is not which picture is best, but what will
# be done with it next. If the next step is a measurement, go back to the data as the telescope delivered
# them.

# %% [markdown]
# ## Recap
#
# - **One table** for every shipped model and every classical method: on `telescope` networks lead by decibels, on
#   `deeplense` there is hardly a decibel to be had, and no single column names a winner.
# - **The plane**: SRResNet at the edge of small distortion, SRGAN at the edge of the right spectrum.
# - **Two judges.** The classifier, at home on `deeplense`, saw no substructure invented by the networks; outside
#   it was worth nothing. The fit of a smooth lens found spots that Richardson–Lucy had drawn. At x4 LR
#   itself was judged best; at x2 the networks helped a judge who is not perfect, as the inequality permits.
# - **Measurements**: at x4 the forward model on LR gives the Einstein radius at least as well as any upscaled
#   image; the networks' bias is small, and their scatter no smaller.
# - **Disagreement** of two networks shows where errors are, and understates them.
#
# ## Exercises
#
# **1. A judge that was trained on LR.** The data-processing inequality speaks of the *best* judge of LR.
# Train lesson 06's compact network on LR images of `deeplense` and compare its AUC with the verdicts of
# section 3.
#
# <details><summary>Hint</summary>
#
# `tracks.lens_set("deeplense", triplets=True, split="train")` gives LR beside HR. Halve the stride of the
# first layer, or the maps become too small. What would it mean if the AUC came out *below* the one on
# SRResNet's images?
#
# </details>
#
# **2. Disagreement that means more.** Replace SRGAN by Richardson–Lucy in section 6, or use the spread of
# three methods. Does the calibration curve come nearer to the dashed line? What do you lose?
#
# <details><summary>Hint</summary>
#
# Methods that share less disagree more. But the disagreement now contains Richardson–Lucy's own errors, which
# say nothing about SRResNet's. Look at the correlation as well as at the ratio.
#
# </details>
#
# **3. Start further away.** The fits started near the truth. Raise `strength` of `refit.perturb` to 2 and to
# 4. From where on does the fit get lost, and is that sooner on LR or on SRResNet's images?
#
# <details><summary>Hint</summary>
#
# Compare `chi2` with that of the near start: a lost fit has a much larger one. If upscaled images help to
# *find* the solution, that would be a good use of them: start on SR, finish on LR.
#
# </details>
#
# ## References
#
# - Y. Blau, T. Michaeli, *The perception-distortion tradeoff*, CVPR 2018,
#   [doi:10.1109/CVPR.2018.00652](https://doi.org/10.1109/CVPR.2018.00652).
# - T. M. Cover, J. A. Thomas, *Elements of information theory*, 2nd ed., Wiley 2005, section 2.8,
#   [doi:10.1002/047174882X](https://doi.org/10.1002/047174882X): the data-processing inequality.
# - D. W. Marquardt, *An algorithm for least-squares estimation of nonlinear parameters*, J. SIAM 11, 431 (1963),
#   [doi:10.1137/0111030](https://doi.org/10.1137/0111030).
# - S. Birrer, A. Amara, *lenstronomy: multi-purpose gravitational lens modelling software package*, Physics of the
#   Dark Universe 22, 189 (2018), [doi:10.1016/j.dark.2018.11.002](https://doi.org/10.1016/j.dark.2018.11.002).
# - S. Alexander et al., *Deep learning the morphology of dark matter substructure*, ApJ 893, 15 (2020),
#   [doi:10.3847/1538-4357/ab7925](https://doi.org/10.3847/1538-4357/ab7925).
# - L. B. Lucy, *An iterative technique for the rectification of observed distributions*, AJ 79, 745 (1974),
#   [doi:10.1086/111605](https://doi.org/10.1086/111605).
# - A. S. Bolton et al., *The Sloan Lens ACS Survey. V*, ApJ 682, 964 (2008),
#   [doi:10.1086/589327](https://doi.org/10.1086/589327).

# %% [markdown]
# **Next:** this was the last lesson. If you want to go back: lesson 01 has the sky that all of this is about. If
# you want to go on: bring images of your own, and begin with the row that nobody has upscaled.
