# %% [markdown]
# # Solutions to lesson 03 · What do three layers learn?
#
# These are worked answers to the exercises of [lesson 03](../03_srcnn.ipynb). Try your own first: the check cells
# there tell you how far you have come.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/03_srcnn.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/03_srcnn.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/03_srcnn.ipynb)
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
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage, stats
from skimage import io

from srutils import exercises, lensing, metrics, pairs, photos, plotting
from srutils.upscale import Upscaler

plotting.use_style()

# %% [markdown]
# ## 1. On your own photographs
#
# Pieces of the built-in photographs stand in for yours, and twenty steps for five minutes. All pieces of one
# photograph look alike, so this test is an easy one: with photographs of your own, keep whole ones apart.

# %%
folder = Path(tempfile.mkdtemp())
for name, picture in photos.builtin(colour=True).items():
    for k, (top, left) in enumerate(np.ndindex(2, 3)):
        piece = metrics.quantize(picture[150 * top : 150 * (top + 1), 150 * left : 150 * (left + 1)])
        io.imsave(folder / f"{name}_{k}.png", np.uint8(np.round(255 * piece)), check_contrast=False)
mine = folder / "mine.onnx"
command = [sys.executable, "-m", "srutils", "train", "srcnn-photo-x3", "--data", folder, "--out", mine]
done = subprocess.run([*command, "--from", "srcnn-photo-x3", "--steps", "20"], capture_output=True, text=True)
assert done.returncode == 0, done.stderr

# %% tags=["exercise"]
exercises.check(3, 1, mine)

# %% jupyter={"source_hidden": true} tags=["check"]
verdict = exercises.judge(3, 1, mine)
assert verdict.status == "right", verdict
shutil.rmtree(folder)

# %% [markdown]
# ## 2. What do noisy targets cost?
#
# The two fits differ in their targets alone. Scored against the truth, their difference is what the noise of the
# targets costs. We look at more numbers of lenses than the two of the exercise: theory expects the cost to fall
# as one over the number of pixels that the fit has seen, since the noise that ends up in the 81 weights is an
# average.

# %%
train, test = lensing.lens_set("telescope", 240, split="train"), lensing.lens_set("telescope", 60, split="test")
seen, new = (pairs.resize(lenses.lr, lenses.hr.shape[1:3]) for lenses in (train, test))


windows = np.lib.stride_tricks.sliding_window_view(seen[..., 0], (9, 9), (1, 2))[:, ::7, ::7]


def score(n, target):
    """Mean PSNR against the truth of test lenses, of the filter fitted to n training lenses."""
    a = windows[:n].reshape(-1, 81).astype(float)  # as `best_linear` does in the lesson
    b = getattr(train, target)[:n, 4:-4:7, 4:-4:7, 0].ravel()
    kernel = np.linalg.solve(a.T @ a, a.T @ b).reshape(1, 9, 9, 1)
    return metrics.psnr(ndimage.correlate(new, kernel, mode="nearest"), test.truth).mean()


numbers = (15, 30, 60, 120, 240)
clean, noisy = (np.array([score(n, target) for n in numbers]) for target in ("truth", "hr"))
costs = dict(zip(numbers, clean - noisy, strict=True))
for n, of_clean, of_noisy in zip(numbers, clean, noisy, strict=True):
    print(f"{n:4} lenses: truth {of_clean:.2f} dB, noisy HR {of_noisy:.2f} dB, cost {of_clean - of_noisy:.3f} dB")
assert (np.diff(clean - noisy) < 0).all() and 8 < costs[15] / costs[240] < 32

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.3), layout="constrained")
for values, label, colour in ((clean, "fitted to the truth", 5), (noisy, "fitted to noisy HR", 4)):
    axes[0].semilogx(numbers, values, "o-", color=plotting.COLOURS[colour], label=label)
axes[0].set(xlabel="training lenses", ylabel="PSNR against the truth [dB]")
axes[0].legend()
axes[1].loglog(numbers, clean - noisy, "o-", color=plotting.COLOURS[3], label="cost of noisy targets")
axes[1].loglog(numbers, costs[60] * 60 / np.array(numbers), color="0.5", linestyle="--", label="1 / number")
axes[1].set(xlabel="training lenses", ylabel="cost [dB]")
axes[1].set_yticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
axes[1].legend()
for ax in axes:
    ax.set_xticks(numbers, map(str, numbers))
    ax.minorticks_off()
plotting.show(
    figure, alt="PSNR of both filters against the number of lenses, and their difference, which falls.", svg=True
)

# %% [markdown]
# Left, both filters get better with more lenses, and become alike. Right, their difference: it falls about as
# fast as one over the number of lenses (dashed). Four times the lenses, a quarter of the cost, is the rule; a
# single draw of 15 lenses may be lucky or not, so the two numbers of the exercise only follow it roughly. The
# lesson's networks learn from hundreds of noisy lenses, and from many patches of each.

# %% tags=["exercise"]
exercises.check(3, 2, costs[15], costs[60])


# %% [markdown]
# ## 3. Eight views of one picture
#
# Turn, then mirror; on the way back the mirror first, then the turn.

# %%
def eight_results(up, lr):
    results = []
    for k in range(4):
        for mirror in (False, True):
            view = np.rot90(lr, k)
            result = up(view[:, ::-1] if mirror else view)
            results.append(np.rot90(result[:, ::-1] if mirror else result, -k))
    return results


def ensemble(up, lr):
    return np.mean(eight_results(up, lr), axis=0)


def by_block(image, side=12):
    """Root of the mean square in blocks of 12 x 12 pixels, as a list."""
    h, w = (n // side for n in image.shape)
    blocks = image[: h * side, : w * side].reshape(h, side, w, side)
    return np.sqrt(np.square(blocks).mean((1, 3))).ravel()


srcnn, bicubic = Upscaler.load("srcnn-photo-x3"), Upscaler.load("bicubic", 3)
scores = {"bicubic": [], "one view": [], "eight views": []}
ranks, sizes, pictures = [], [], {}
for name, picture in photos.builtin().items():
    hr = pairs.crop_to_multiple(metrics.quantize(metrics.luma(picture)), 3)[48:240, 96:288]
    lr = pairs.degrade(hr, 3)
    results = np.array(eight_results(srcnn, lr))
    mean, spread = results.mean(0), results.std(0)[..., 0]
    for kind, sr in zip(scores, (bicubic(lr), srcnn(lr), mean), strict=True):
        scores[kind].append(metrics.photo_scores(sr, hr, 3)["psnr"])
    error, edges = np.abs(mean - hr)[..., 0], np.hypot(*np.gradient(mean[..., 0]))
    ranks.append([stats.spearmanr(by_block(guess), by_block(error)).statistic for guess in (spread, edges)])
    sizes.append(spread.mean() / error.mean())
    pictures[name] = {"mean of eight": mean[..., 0], "spread of the eight": spread, "error of the mean": error}
for kind, values in scores.items():
    print(f"{kind:12} {np.mean(values):.2f} dB over {len(values)} photographs")
gains = np.subtract(scores["eight views"], scores["one view"])
print(f"eight views gain {gains.min():+.2f} to {gains.max():+.2f} dB")
assert gains.mean() > 0.05 and gains.min() > -0.05

# %% [markdown]
# About a tenth of a decibel on average, for no training at all. And the eight results hold one thing more: where
# they disagree, at least some of them are wrong. Is their spread a map of the error? We compare the two in blocks
# of 12 × 12 pixels, by rank, and beside it something that needs no network: how strong the picture's edges are.

# %%
spread_rank, edge_rank = np.mean(ranks, 0)
print(f"rank correlation with the error: spread {spread_rank:.2f}, edges {edge_rank:.2f}")
print(f"mean spread over mean error: {min(sizes):.2f} to {max(sizes):.2f}, depending on the photograph")
assert spread_rank > 0.6 and abs(spread_rank - edge_rank) < 0.05 and max(sizes) < 0.5

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.2), layout="constrained")
looks = (("gray", 1), ("viridis", 0.025), ("viridis", 0.1))
for ax, (title, image), (cmap, top) in zip(axes, pictures["camera"].items(), looks, strict=True):
    drawn = ax.imshow(image[12:162, 34:184], cmap=cmap, vmin=0, vmax=top)
    ax.set_title(title)
    ax.set_axis_off()
    figure.colorbar(drawn, ax=ax, shrink=0.8)
plotting.show(figure, alt="A photographer at his camera: the mean of eight views, their spread, the error.")

# %% [markdown]
# The spread (middle) finds the places where the error (right) is large; mind that its scale ends at a quarter of
# the other's. It ranks the blocks well. But edges do that just as well, and the spread is several times too small,
# by another factor in every photograph. The eight results come from one network with one training set and one
# idea of how LR was made. What all eight believe, right or wrong, does not show in their spread. So take the mean,
# and read the map as "here it is hard", never as an error bar. *(Photograph: Lav Varshney, CC0.)*

# %% tags=["exercise"]
exercises.check(3, 3, ensemble)

# %% [markdown]
# ## What follows
#
# Three habits: score on pictures that were kept apart; ask which ruler shows a difference, and which hides it; and do
# not take the agreement of copies for evidence. [Lesson 07](../07_scoreboard.ipynb) returns to the last one.
