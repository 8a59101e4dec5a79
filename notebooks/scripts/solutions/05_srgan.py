# %% [markdown]
# # Solutions to lesson 05 · What does an adversary add, and what does it invent?
#
# Lesson 05's three exercises, each with the reasoning, an answer that passes its check, and what can be done
# with it. Try them first in [the lesson](../05_srgan.ipynb): its checks say what a first attempt has right.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/solutions/05_srgan.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/solutions/05_srgan.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/solutions/05_srgan.ipynb)
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
import onnx
import onnxruntime
import pandas as pd
import torch
from matplotlib.colors import Normalize
from torch.nn import functional as F

from srutils import exercises, lensing, metrics, plotting
from srutils import model_files
from srutils.upscale import Upscaler

plotting.use_style()


# %% [markdown]
# ## 1. The perfect judge
#
# The belief is $p_\text{real} / (p_\text{real} + p_\text{fake}) = 1 / (1 + p_\text{fake} / p_\text{real})$.
# Compare with the sigmoid, $1 / (1 + e^{-D})$: the verdict has to be $D = \ln (p_\text{real} / p_\text{fake})$.
# A normal density is $e^{-x^2 / 2 \sigma^2} / (\sigma \sqrt{2 \pi})$. In the ratio the roots of $2 \pi$ cancel,
# the two sigmas do not:
#
# $$D(x) = \ln \frac{\sigma_\text{fake}}{\sigma_\text{real}} + \frac{x^2}{2} \left( \frac{1}{\sigma_\text{fake}^2}
# - \frac{1}{\sigma_\text{real}^2} \right).$$

# %%
def verdict(x, real, fake):
    """The verdict of the best discriminator: positive for real."""
    return np.log(fake / real) + x**2 / 2 * (1 / fake**2 - 1 / real**2)


# %% tags=["exercise"]
exercises.check(5, 1, verdict)

# %% [markdown]
# Does a discriminator find this by itself? Let one have two weights, for $x^2$ and a constant, and lower the
# lesson's loss by gradient descent. HR's sigma is 1. SRResNet averages three quarters of the variance away, so
# its sigma is 1/2.

# %%
rng = np.random.default_rng(0)
real, fake = (torch.from_numpy(sigma * rng.standard_normal(200_000)) for sigma in (1.0, 0.5))
weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
descent = torch.optim.LBFGS([weights], max_iter=50, line_search_fn="strong_wolfe")


def loss():
    """The discriminator's loss: softplus(-D(HR)) + softplus(D(SR)), averaged."""
    said = [weights[0] * x**2 + weights[1] for x in (real, fake)]
    value = F.softplus(-said[0]).mean() + F.softplus(said[1]).mean()
    descent.zero_grad()
    value.backward()
    return value


descent.step(loss)
found, lowest = weights.detach().numpy(), loss().item()
wanted = np.array([verdict(1.0, 1.0, 0.5) - verdict(0.0, 1.0, 0.5), verdict(0.0, 1.0, 0.5)])
print("weights found     ", found.round(1), "\nby the formula    ", wanted.round(1))
print(f"its loss: {lowest:.2f}; with no way to tell the two apart it would be 2 ln 2 = {2 * np.log(2):.2f}")
assert np.allclose(found, wanted, atol=0.03) and lowest < 2 * np.log(2) - 0.1

# %% [markdown]
# It does. Yet from one pixel even the perfect judge learns little: its loss is not far below that of a coin.
# But verdicts of independent pixels **add up**, because their probabilities multiply. The next cell lets the
# perfect judge see $n$ pixels of sky at once, and counts how often it is wrong.

# %%
AREAS = (1, 2, 4, 8, 16, 36, 100, 300, 36 * 36)
mistaken = {}
for fake in (0.5, 0.8, 0.95):
    shares = []
    for n in AREAS:
        noise = rng.standard_normal((2, 2000, n))
        said = [verdict(sigma * x, 1.0, fake).sum(-1) for sigma, x in zip((1.0, fake), noise, strict=True)]
        shares.append((np.mean(said[0] < 0) + np.mean(said[1] > 0)) / 2)
    mistaken[fake] = shares
assert mistaken[0.5][0] > 0.3 and mistaken[0.5][-1] < 0.001 and mistaken[0.95][-1] < 0.2

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 3, figsize=(10.4, 3.1), layout="constrained")
x = np.linspace(-3, 3, 300)
for name, sigma, colour in (("HR", 1.0, 0), ("SR", 0.5, 5)):
    density = np.exp(-0.5 * (x / sigma) ** 2) / sigma / np.sqrt(2 * np.pi)
    axes[0].plot(x, density, color=plotting.COLOURS[colour], label=name)
axes[1].plot(x, 1 / (1 + np.exp(-verdict(x, 1.0, 0.5))), color=plotting.COLOURS[4])
axes[1].axhline(0.5, color="black", linestyle=":", linewidth=1)
axes[0].set(xlabel="x, in units of HR's sigma", ylabel="density")
axes[1].set(xlabel="x, in units of HR's sigma", ylabel="belief in real", ylim=(0, 1))
for (fake, shares), colour in zip(mistaken.items(), (5, 2, 1), strict=True):
    axes[2].plot(AREAS, shares, ".-", color=plotting.COLOURS[colour], label=f"SR's sigma {fake:g}")
axes[2].axvline(36 * 36, color="0.5", linewidth=1)
axes[2].set(xlabel="pixels seen at once", ylabel="verdicts that are wrong", xscale="log", ylim=(0, 0.75))
axes[0].legend()
axes[2].legend(loc="upper right")
plotting.show(figure, alt="Two densities, the belief in real against x, and wrong verdicts against area.")


# %% [markdown]
# Left, the two densities; in the middle, the belief. Near zero the judge leans to *generated*, beyond two sigma
# it is all but certain of *real*: a calm sky hardly ever goes so far. And it is symmetric. Whoever wants to be
# believed has to put strong values into the sky, with any sign, anywhere. Right: with the 36 × 36 pixels that one
# verdict of the lesson's discriminator sees (grey line), half the noise is found out always, and even a lack of
# one part in twenty mostly. That is why an adversary asks for the *full* strength of the noise.
#
# ## 2. The dial between pictures
#
# Let $a$ and $b$ be the errors of the two pictures, pixel by pixel. The mix errs by $(1 - t)\,a + t\,b$, so its
# mean square is $(1 - t)^2 \overline{a^2} + 2 t (1 - t)\, \overline{a b} + t^2\, \overline{b^2}$. The product
# is found from the difference: $\overline{(a - b)^2} = \overline{a^2} - 2\, \overline{a b} + \overline{b^2}$,
# and the left side is `between`. Put in and sorted, what remains is the straight line between the ends, minus a
# parabola.

# %%
def mixed_mse(t, soft, sharp, between):
    """The mean squared error of the mix at `t`."""
    return (1 - t) * soft + t * sharp - t * (1 - t) * between


# %% tags=["exercise"]
exercises.check(5, 2, mixed_mse)

# %% [markdown]
# Now on lenses, with the two model files that ship. Three numbers are measured, the rest is foretold. Beside the
# mixed *pictures* we put mixed *weights*, the lesson's dial; here it is turned inside the model files. (PSNR is
# that of the mean squared error of all images together, so it may differ from the lesson's by a few hundredths.)

# %%
STOPS = np.array([0, 0.25, 0.5, 0.75, 1, 1.25])
lenses = lensing.lens_set("deeplense", 24, split="test")
names = {"SRResNet": "srresnet-deeplense-x2", "SRGAN": "srgan-deeplense-x2"}
pictures = {name: Upscaler.load(model)(lenses.lr) for name, model in names.items()}


def mean_square(a, b):
    return float(np.mean((a.astype(np.float64) - b) ** 2))


def by_weights(t):
    """What the network at `t` between the two model files makes of LR."""
    model, other = (onnx.load(model_files.model_path(name)) for name in names.values())
    theirs = {item.name: onnx.numpy_helper.to_array(item) for item in other.graph.initializer}
    for item in model.graph.initializer:
        value = onnx.numpy_helper.to_array(item)
        if value.dtype == np.float32:
            mixed = np.float32(1 - t) * value + np.float32(t) * theirs[item.name]
            item.CopyFrom(onnx.numpy_helper.from_array(mixed, item.name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: lenses.lr})[0]


soft, sharp = (mean_square(picture, lenses.hr) for picture in pictures.values())
between = mean_square(pictures["SRResNet"], pictures["SRGAN"])
print(f"soft {soft:.2e}, sharp {sharp:.2e}, between {between:.2e}")
print(f"soft + between {soft + between:.2e}")

# %%
dials = {
    "pictures": [(1 - t) * pictures["SRResNet"] + t * pictures["SRGAN"] for t in STOPS],
    "weights": [by_weights(t) for t in STOPS],
}
foretold = [10 * np.log10(1 / mixed_mse(t, soft, sharp, between)) for t in STOPS]
psnr = {k: [10 * np.log10(1 / mean_square(sr, lenses.hr)) for sr in stops] for k, stops in dials.items()}
gradients = {k: [metrics.gradient_error(sr, lenses.hr) for sr in stops] for k, stops in dials.items()}
table = {"PSNR foretold": foretold} | {f"PSNR, {k}": values for k, values in psnr.items()}
table |= {f"gradient error, {k}": values for k, values in gradients.items()}
print(pd.DataFrame(table, index=pd.Index(STOPS, name="t")).T.round(2).to_string())
assert np.allclose(foretold, psnr["pictures"], atol=1e-3)

# %% tags=["nbval-ignore-output"]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.3), layout="constrained")
t = np.linspace(0, 1.25, 100)
foretold_line = 10 * np.log10(1 / mixed_mse(t, soft, sharp, between))
straight = 10 * np.log10(1 / mixed_mse(t, soft, sharp, 0))
axes[0].plot(t, foretold_line, color="black", label="foretold")
axes[0].plot(t, straight, ":", color="black", label="without the last term")
for name, colour, style in (("pictures", 5, "o"), ("weights", 4, "x")):
    dots = {"color": plotting.COLOURS[colour], "label": f"mixed {name}"}
    axes[0].plot(STOPS, psnr[name], style, **dots)
    axes[1].plot(psnr[name], gradients[name], f"{style}-", **dots)
axes[0].set(xlabel="t (0: SRResNet, 1: SRGAN)", ylabel="PSNR [dB]")
axes[1].set(xlabel="PSNR [dB], better to the right", ylabel="gradient error", ylim=(0, None))
axes[0].legend()
plotting.show(figure, alt="PSNR of mixed pictures and weights against t; gradient error against PSNR.")

# %% [markdown]
# Left: the foretold curve passes through all the mixed pictures; without the last term it would lie too low
# between the ends. The dial of the weights is another dial. It stays close to SRResNet for longer and then falls
# faster, because a network is no linear function of its weights. Right, on the lesson's plane, the two run along
# nearly the same curve as long as $t$ lies between 0 and 1: they differ in where a stop lies, not in what is on
# offer. Beyond 1, pictures are the better mix here.
#
# Look at the three numbers again: `sharp` is `soft` + `between`, nearly to the last digit. That is the lesson's
# section 3 once more, for SRResNet comes close to the mean of all pictures that fit. Along the dial of the pictures
# the error is then `soft` + $t^2$ `between`: a quarter of the way costs a sixteenth of the price. SRGAN pays
# less than the 3 dB of a random picture that fits, but it has not put back all that is missing, either.

# %%
assert abs(soft + between - sharp) < 0.02 * sharp
price = 10 * np.log10(sharp / soft)
print(f"SRGAN pays {price:.1f} dB, a random picture that fits {10 * np.log10(2):.1f} dB")
print(f"SRGAN has put back {between / soft:.0%} of the missing variance")
assert 1 < price < 10 * np.log10(2) and between < soft / 2


# %% [markdown]
# ## 3. Whose grain is it?
#
# Both grains are what a picture shows *beyond the truth*: the truth is subtracted from SR and from HR, not one
# from the other. A correlation coefficient is the covariance of the two, divided by both standard deviations.
# It takes no notice of strength, so the two can be looked at one by one: how strong is the grain, and whose is
# it?

# %%
def agreement(sr, hr, truth):
    """How well the grain of SR agrees with that of HR."""
    return np.corrcoef(np.ravel(sr - truth), np.ravel(hr - truth))[0, 1]


# %% tags=["exercise"]
exercises.check(5, 3, agreement)

# %%
methods = {"bicubic": Upscaler.load("bicubic-torch", 2)(lenses.lr), **pictures}
methods |= {"oracle": lensing.oracle(lenses), "HR": lenses.hr}
rows = {}
for name, sr in methods.items():
    sky = [(image - lenses.truth)[:, :16, :16].std() for image in (sr, lenses.hr)]
    rows[name] = {
        "grain on the sky / HR's": sky[0] / sky[1],
        "agreement": agreement(sr, lenses.hr, lenses.truth),
    }
print(pd.DataFrame(rows).T.round(2).to_string())

# %% tags=["nbval-ignore-output"]
i, corner = 3, np.s_[:48, :48]
grain = {name: (methods[name] - lenses.truth)[i][corner] for name in ("HR", "oracle", "SRResNet", "SRGAN")}
span = 3 * float(grain["HR"].std())
figure = plotting.image_grid(
    grain, norm=Normalize(-span, span), cmap=plotting.DIVERGING, colorbar="minus truth", size=2.2
)
plotting.show(figure, alt="Grain in a corner of empty sky: HR's, the oracle's, SRResNet's and SRGAN's.")

# %% [markdown]
# A corner of one sky, with the truth taken away. The oracle and SRResNet show a coarse copy of HR's grain at half
# its strength: where HR's pixels are mostly too bright, so are theirs. That is the part that LR handed down, a
# quarter of the variance, and since a correlation compares spreads, not variances, their agreement is 1/2. No
# upscaler can have more on average, for the rest is not in LR. SRGAN's grain has the right strength, or nearly.
# But most of it lies in other places, and here and there it lines up in rows. Its agreement is *lower* than
# SRResNet's: what the adversary has added belongs to no photon. By strength alone nobody could have told.

# %%
assert abs(rows["oracle"]["agreement"] - 0.5) < 0.02 and abs(rows["SRResNet"]["agreement"] - 0.5) < 0.02
assert rows["SRGAN"]["agreement"] < rows["SRResNet"]["agreement"] - 0.1
assert rows["SRGAN"]["grain on the sky / HR's"] > 1.5 * rows["SRResNet"]["grain on the sky / HR's"]

# %% [markdown]
# ## What the three have in common
#
# The judge asks for the strength of the noise and cannot ask whose noise it is (1). So the generator makes some
# up, and pays for it in squared error exactly what it has added (2). And what it has added has nothing to do
# with what was there (3). Back to [the lesson](../05_srgan.ipynb), or on to
# [the next solutions](06_lens_classification.ipynb).
