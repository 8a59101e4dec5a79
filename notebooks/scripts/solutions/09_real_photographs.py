# %% [markdown]
# # Solutions to lesson 09 · What if nobody knows how the picture was made small?
#
# Lesson 09's three exercises, each with the reasoning, an answer that passes its check, and what can be done
# with it. Try them first in [the lesson](../09_real_photographs.ipynb): its checks say what a first attempt has
# right.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/09_real_photographs.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/09_real_photographs.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/09_real_photographs.ipynb)
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
import io
import math

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from scipy.fft import dctn, idctn

from srutils import exercises, photos, plotting

plotting.use_style()


# %% [markdown]
# ## 1. One square of JPEG
#
# Only one of the steps loses anything: the rounding. Everything else can be undone exactly.

# %%
def jpeg_square(block, table):
    """What JPEG leaves of a block (8, 8), in levels; `table` (8, 8) is what each wave is divided by."""
    waves = dctn(np.asarray(block, float) - 128, norm="ortho")
    return idctn(np.round(waves / table) * table, norm="ortho") + 128


# %% tags=["exercise"]
exercises.check(9, 1, jpeg_square)

# %% [markdown]
# Is that all of JPEG? For a grey picture, nearly. The rest is how the whole numbers are packed, and that loses
# nothing. So cut a photograph into squares, treat each with the table that Pillow wrote into its own file, and
# compare with what Pillow reads back from that file.

# %%
grey = np.rint(255 * photos.builtin(colour=False)["camera"][:256, :256, 0])
file = io.BytesIO()
Image.fromarray(grey.astype(np.uint8)).save(file, "jpeg", quality=40)
opened = Image.open(file)
table, pillows = np.reshape(opened.quantization[0], (8, 8)), np.asarray(opened, float)

squares = grey.reshape(32, 8, 32, 8).swapaxes(1, 2)
ours = np.array([[jpeg_square(square, table) for square in row] for row in squares])
ours = np.rint(ours.swapaxes(1, 2).reshape(256, 256).clip(0, 255))
apart, lost = np.abs(ours - pillows), np.abs(ours - grey)
print(f"ours and Pillow's agree to one level in {(apart <= 1).mean():.0%} of the pixels")
print(f"JPEG has moved the mean pixel by {lost.mean():.1f} levels")
assert (apart <= 1).mean() > 0.97 and lost.mean() > 2

# %% tags=["nbval-ignore-output"]
cut = np.s_[40:120, 100:180]
panels = {"before": grey, "after, ours": ours, "after, Pillow's": pillows}
panels = {name: image[cut][..., None] / 255 for name, image in panels.items()}
panels["what was lost, x 4"] = np.clip(0.5 + 4 * (ours - grey)[cut][..., None] / 255, 0, 1)
figure = plotting.image_grid(panels, cmap="gray", size=2.2)
plotting.show(
    figure, alt="Part of the cameraman before and after JPEG 40, twice the same, and the difference."
)


# %% [markdown]
# Our few lines and the library agree, but for a few squares where a wave lies so close to a half that the library,
# which computes in whole numbers, rounds it the other way. On the right is what a network has to undo: ripples
# in every square that holds an edge, and nothing in those that do not.
#
# ## 2. How many votes?
#
# All $2^n$ ways in which a coin can fall are equally likely. Count those that are at least as far from the
# middle as the result, on one side, and double; where the vote is even, every result is at least as one-sided.

# %%
def by_chance(wins, votes):
    """The probability that a coin does at least so well for one of the two sides."""
    most = max(wins, votes - wins)
    end = sum(math.comb(votes, k) for k in range(most, votes + 1)) / 2**votes
    return min(1.0, 2 * end)


# %% tags=["exercise"]
exercises.check(9, 2, by_chance)

# %%
for wins, votes in ((6, 6), (9, 10), (60, 100), (90, 100)):
    print(f"{wins:3} of {votes:3}: {by_chance(wins, votes):.2g}")


# %% [markdown]
# How many votes should one ask for? Suppose that people truly prefer one picture with probability $q$. The next
# cell computes how often a vote of $n$ pairs comes out clearly, with less than one in twenty by chance.

# %%
def found_out(q, votes):
    """How often a vote comes out with less than 5 % by chance, if the true preference is `q`."""
    clear = [k for k in range(votes + 1) if by_chance(k, votes) < 0.05]
    return sum(math.comb(votes, k) * q**k * (1 - q) ** (votes - k) for k in clear)


counts = (6, 10, 20, 40, 80, 160, 320)
power = {q: [found_out(q, n) for n in counts] for q in (0.5, 0.55, 0.6, 0.7, 0.9)}
assert max(power[0.5]) < 0.05 and power[0.9][2] > 0.9 and power[0.6][2] < 0.2 < 0.95 < power[0.6][-1] + 0.02

# %% tags=["nbval-ignore-output"]
figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for (q, values), colour in zip(power.items(), (0, 1, 2, 3, 5), strict=True):
    ax.plot(counts, values, "o-", color=plotting.COLOURS[colour], label=f"{q:.0%} prefer it")
ax.set(xlabel="votes", ylabel="how often the vote is clear", xscale="log", ylim=(-0.03, 1.03))
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plotting.show(
    figure, alt="The share of clear votes rises with the number of votes, faster for 90 %.", svg=True
)


# %% [markdown]
# Where nine in ten prefer a picture, twenty votes show it. Where six in ten do, twenty votes mostly show
# nothing, and it takes some hundreds. And of two equal pictures (black), one vote in twenty or fewer seems to
# find a difference: whoever compares twenty pairs of methods with one vote each will find one that wins.
#
# ## 3. The price of not knowing
#
# The number with the least mean squared error is the mean, here $(1 - p)\,\text{clean} + p\,\text{spoiled}$. It
# is $p\,d$ away from the clean truth and $(1 - p)\,d$ from the spoiled one, with $d$ their difference.

# %%
def price(p, clean, spoiled):
    """Two squared errors: in the clean pictures, in the spoiled ones."""
    d = spoiled - clean
    return (p * d) ** 2, ((1 - p) * d) ** 2


# %% tags=["exercise"]
exercises.check(9, 3, price)

# %% [markdown]
# The question at the end: let the truth be one half clean pictures and train on a share $p$ of spoiled ones.
# Then the mean over what is met is $\tfrac12 p^2 d^2 + \tfrac12 (1 - p)^2 d^2$, least at $p = \tfrac12$.

# %% tags=["nbval-ignore-output"]
shares = np.linspace(0, 1, 50)
on_clean, on_spoiled = np.array([price(p, 0.0, 1.0) for p in shares]).T
figure, ax = plt.subplots(figsize=(5.8, 3.2), layout="constrained")
ax.plot(shares, on_clean, color=plotting.COLOURS[5], label="on clean pictures")
ax.plot(shares, on_spoiled, color=plotting.COLOURS[4], label="on spoiled ones")
ax.plot(shares, (on_clean + on_spoiled) / 2, color="black", label="met half and half")
ax.axvline(0.75, color="0.5", linestyle=":", linewidth=1)
ax.set(xlabel="share of spoiled pictures in training", ylabel="squared error / d²")
ax.legend()
plotting.show(
    figure, alt="Errors on clean and spoiled pictures against the share, crossing at one half.", svg=True
)

# %% [markdown]
# `real-photo-x4` learned from three spoiled pictures in four (dotted line). So the clean ones pay, and the
# spoiled ones are well served; whoever meets mostly clean pictures takes the other network, as `srutils upscale`
# does. But this price is due only where LR *cannot* tell. A network that reads the traces of JPEG from its
# surroundings answers for each kind as it should, and pays nothing.

# %%
assert np.isclose(shares[np.argmin(on_clean + on_spoiled)], 0.5, atol=0.02)
assert np.isclose(price(0.75, 0, 1)[0] / price(0.25, 0, 1)[0], 9)

# %% [markdown]
# ## What the three have in common
#
# Rounding destroys something for good (1). Whoever fills it in gives the mean of what it may have been, and pays
# where it was something else (3). Whether the result is a better *picture* only people can say, and few people
# say little (2). Back to [the lesson](../09_real_photographs.ipynb).
