# %% [markdown]
# # 03 · What do three layers learn?
#
# Bicubic enlargement treats every picture alike: sixteen neighbours, sixteen fixed weights. In 2014 Dong,
# Loy, He and Tang let a network of three convolutions choose the weights, from examples. It was the first
# network to beat the methods of its day at super-resolution, it fits in ten lines, and it is still the best
# place to see what a network does for an image.
#
# In this lesson we build it, look inside, and train it on photographs and on gravitational lenses. The lenses
# hold a surprise: a network trained on noisy pictures will come out *less noisy than the pictures it was
# trained on*. We shall find out where that knowledge comes from, and show it an object for which the same
# knowledge is wrong.

# %% [markdown]
# <!-- badges -->
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/super-resolution-course/course/blob/main/notebooks/03_srcnn.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/super-resolution-course/course/blob/main/notebooks/03_srcnn.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/super-resolution-course/course/HEAD?urlpath=lab/tree/notebooks/03_srcnn.ipynb)
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - write SRCNN in Keras 3, count its weights, its multiply-adds and the pixels it sees;
# - move the work to the small picture with a sub-pixel convolution, and count what that saves;
# - train it to beat bicubic on photographs it has never seen, in well under a minute;
# - draw the filters and feature maps of a network from a full training run, read back from its model file;
# - measure what depth, filter size, the residual connection and the learning rate do;
# - run the same three layers on lenses: up to a noise ceiling on one track, far beyond bicubic on the other.
#
# **You will learn**
#
# - what *patch extraction*, *mapping* and *reconstruction* mean, and how far the picture supports these
#   names;
# - how to tell whether the network or the data pipeline is the bottleneck, and how to survive a kill;
# - why a network trained on noisy targets can be closer to the truth than its targets, and when it is not.
#
# **You will need** lesson 02 (how scores are measured), and about 45 minutes to read. The quick preset runs
# in about a minute and a half on two CPU cores. The full runs made the model files that this lesson loads;
# section 7 lists how long each took on such a computer, without a GPU. Each model's card says what it was
# trained on.

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
import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length otherwise

import keras
import matplotlib.pyplot as plt
import numpy as np
import onnx
from IPython import get_ipython
from IPython.display import Markdown, display
from scipy import ndimage

from srutils import lensing, metrics, pairs, photos, plotting, scoring, training
from srutils.lensing import baselines
from srutils import model_files
from srutils.upscale import Upscaler

plotting.use_style()
keras.utils.set_random_seed(0)

# %% [markdown]
# ## 1. The task: an enlarged picture in, a sharp one out
#
# SRCNN does not enlarge. Bicubic does that first, and the network sees the result: a picture of the right
# size with the fine detail missing. So its job is *image to image*, pixel grid to the same pixel grid. That
# makes the first network simple; what it costs we shall count in section 3.
#
# Photographs follow the benchmark's protocol (lesson 02): the luma of a picture, rounded to 8 bits, is HR,
# and LR is its antialiased bicubic reduction. The quick preset learns from a few photographs that come with
# scikit-image. The full preset learns from those in the folders T91, BSD200 and Photos under `SR_DATA`, or
# else from DIV2K (`srutils fetch div2k-train`). Those in Photos are large and soft, so they are halved
# first, because a network cannot learn sharpness from soft pictures. In both cases whole photographs are
# set aside for validation and test, never tiles of the same one.

# %%
NAMES = {("photo", s): f"srcnn-photo-x{s}" for s in (2, 3, 4)}
NAMES |= {(track, 2): f"superrescnn-{track}-x2" for track in ("deeplense", "telescope")}
LENSES = {"deeplense": course.pick(240, 6000), "telescope": course.pick(240, 3000)}  # to learn from


def luma8(image):
    """The luma of a photograph, rounded to 8 bits: what the benchmark calls HR."""
    return metrics.quantize(metrics.luma(image))


def photographs():
    """Luma of photographs for training and for validation; nothing of Set5 is among them."""
    if course.preset() == "quick":
        train, val, _ = photos.photo_split()
        return [luma8(x) for x in train.values()], [luma8(x) for x in val.values()]
    train, val = photos.training_photographs()
    return [luma8(x) for x in train], [luma8(x) for _, x in val]


def photo_facts():
    """For the cards: what a photograph run learns from, and how validation is set aside."""
    source = "photographs inside scikit-image" if course.preset() == "quick" else photos.training_source()
    split = course.pick("by photograph (photos.photo_split)", "photos.training_photographs")
    return {"data": f"{source}; luma, 8 bits", "split": split}


def photo_pair(hr, scale):
    """What the network sees, and what it should make of it: the bicubic enlargement of LR, and HR."""
    hr = pairs.crop_to_multiple(hr, scale)
    return pairs.resize(pairs.degrade(hr, scale), hr.shape[:2]), hr


# %% [markdown]
# Training takes random patches; validation takes the middle of each photograph, always the same. Lenses come
# from the simulator of lesson 01. On both tracks the target is the **noisy HR image**, since no survey has
# anything better: the noise-free truth is kept for scoring. One track is an exception to the rule above: on
# `deeplense` the network will see LR itself, for a reason that section 9 measures. (A network for lenses of
# this kind has been called SuperResCNN in the DeepLense project; ours is the same three layers.)

# %%
def photo_data(scale):
    """Lists of inputs and targets to learn from; two arrays for validation, the middle of each picture."""
    train, val = photographs()
    train = [pair for pair in (photo_pair(hr, scale) for hr in train) if min(pair[0].shape[:2]) >= 64]
    middle = [hr[(hr.shape[0] - 180) // 2 :, (hr.shape[1] - 180) // 2 :][:180, :180] for hr in val]
    val = [photo_pair(hr, scale) for hr in middle]
    return *map(list, zip(*train, strict=True)), *map(np.stack, zip(*val, strict=True))


def lens_data(track):
    """The same for lenses: LR on deeplense, its enlargement on telescope; the target is the noisy HR."""
    sets = []
    for split, n in (("train", LENSES[track]), ("val", course.pick(24, 64))):
        lenses = lensing.lens_set(track, n, split=split)
        seen = lenses.lr if track == "deeplense" else pairs.resize(lenses.lr, lenses.hr.shape[1:3])
        sets += [seen, lenses.hr]
    return sets


# %% tags=["nbval-ignore-output"]
cat = luma8(photos.builtin()["chelsea"])[60:204, 120:312]
lens = lensing.simulate("telescope", 1, seed=5)
examples = {
    "photograph, x3": (*photo_pair(cat, 3), "gray", plt.Normalize(0, 1)),
    "lens, telescope x2": (
        pairs.resize(lens.lr, (128, 128))[0],
        lens.hr[0],
        "inferno",
        plotting.stretch([lens.hr]),
    ),
}
figure, axes = plt.subplots(2, 3, figsize=(8.4, 5.6), layout="constrained")
for row, (label, (x, y, cmap, norm)) in zip(axes, examples.items(), strict=True):
    row[0].imshow(x[..., 0], cmap=cmap, norm=norm)
    row[1].imshow(y[..., 0], cmap=cmap, norm=norm)
    bar = figure.colorbar(
        row[2].imshow((y - x)[..., 0], cmap=plotting.DIVERGING, vmin=-0.25, vmax=0.25), ax=row[2]
    )
    bar.set_label("difference")
    for ax, what in zip(row, ("input (bicubic)", "target (HR)", "target minus input"), strict=True):
        ax.set(title=f"{label}: {what}" if what.startswith("input") else what)
        ax.set_axis_off()
plotting.show(
    figure, alt="Input, target and their difference, for a cat's face and for a gravitational lens."
)


# %% [markdown]
# The left column is what the network gets, the middle what it is asked for, the right what it has to add. For
# the photograph that is a drawing of edges: positive on one side, negative on the other, nothing in smooth
# fur. For the lens it is the arcs' sharp crest, plus the photon noise of the HR telescope, which no network
# can foresee. *(Chelsea: Stéfan van der Walt, CC0.)*
#
# ## 2. The three layers
#
# Dong et al. read their network as a chain of three steps.
#
# 1. **Patch extraction.** 64 filters of 9 × 9 pixels turn the neighbourhood of every pixel into 64 numbers:
#    how much of this edge, of that texture, is here?
# 2. **Mapping.** 32 filters of 5 × 5 turn these descriptions of a blurred patch into descriptions of a sharp
#    one. This is the only step between two non-linearities, so the only one that can *decide*.
# 3. **Reconstruction.** One filter of 5 × 5 adds the overlapping patches up to a picture, as an average
#    would.
#
# Two things are not in the paper of 2014. The network's output is *added* to its input, so that it only has
# to learn the right column of the figure above (a residual connection; Kim et al. 2016). And the last layer
# begins near zero, so that an untrained network is bicubic, and training can only improve on it.
#
# `None` for height and width below means that any size will do: a convolution does not care. How big is this
# network? We count by hand and let Keras check. A filter that covers $k \times k$ pixels of $c$ maps has $k^2
# c$ weights and one offset, and at every pixel each weight is one multiply-add.

# %%
def three_layers(filters=(64, 32), sizes=(9, 5, 5), residual=True):
    """Dong et al.'s network for an image that has been enlarged already, of any height and width."""
    enlarged = keras.Input((None, None, 1), name="lr")
    x = enlarged
    for count, size in zip(filters, sizes, strict=False):  # patch extraction, mapping
        x = keras.layers.Conv2D(
            count, size, padding="same", activation="relu", kernel_initializer="he_normal"
        )(x)
    small = keras.initializers.RandomNormal(stddev=1e-3) if residual else "glorot_uniform"
    x = keras.layers.Conv2D(1, sizes[-1], padding="same", kernel_initializer=small, dtype="float32")(
        x
    )  # reconstruction
    return keras.Model(enlarged, keras.layers.Add(dtype="float32")([enlarged, x]) if residual else x)


def multiply_adds(network):
    """Multiply-adds at one position of the grid on which the network's convolutions work."""
    return sum(int(np.prod(layer.kernel.shape)) for layer in network.layers if hasattr(layer, "kernel"))


network = three_layers()
weights = 9 * 9 * 1 * 64 + 5 * 5 * 64 * 32 + 5 * 5 * 32 * 1
print(f"weights {weights:,}, with offsets {weights + 64 + 32 + 1:,}")
assert network.count_params() == weights + 64 + 32 + 1 and multiply_adds(network) == weights
print(f"the middle layer has {5 * 5 * 64 * 32 / weights:.0%} of them")
print(f"one output pixel depends on {9 + 5 + 5 - 2} x {9 + 5 + 5 - 2} input pixels")

x = np.random.default_rng(0).random((2, 40, 30, 1), dtype=np.float32)
untrained = keras.ops.convert_to_numpy(network(x))
print(f"before training it changes the image by {np.sqrt(np.mean((untrained - x) ** 2)):.2f} (rms)")
assert untrained.shape == x.shape and np.sqrt(np.mean((untrained - x) ** 2)) < 0.02


# %% [markdown]
# Modern networks have hundreds of times as many weights. The field of view is small, too: at x3, 17 enlarged
# pixels are fewer than six LR pixels. Whatever these layers learn, it is about edges and texture; they cannot
# know what a cat is.
#
# ## 3. Sub-pixel convolution: do the work on the small picture
#
# SRCNN looks at nine enlarged pixels for each pixel of LR at x3, though eight of them are only interpolated:
# they carry nothing new. Shi et al. (2016) turned this round. Their ESPCN runs every convolution **on LR**
# and lets the last one produce $s^2$ maps, one for each position inside an LR pixel. A rearrangement, which
# computes nothing at all, then weaves them into the large picture.
#
# The function below takes one thing more than theirs, which it uses only when asked: `linear`, a single
# convolution without ReLU that runs beside the three layers. Section 9 has work for it.

# %%
@keras.saving.register_keras_serializable("lesson 03")  # so that a .keras file finds it again
class PixelShuffle(keras.layers.Layer):
    """(N, h, w, s * s) to (N, h * s, w * s, 1): map s * i + j becomes row i, column j of each s x s block."""

    def __init__(self, scale, **options):
        super().__init__(**options)
        self.scale = scale

    def call(self, maps):
        s, (_, h, w, _) = self.scale, keras.ops.shape(maps)
        blocks = keras.ops.reshape(maps, (-1, h, w, s, s))
        return keras.ops.reshape(keras.ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, h * s, w * s, 1))


def three_layers_on_lr(scale, sizes=(5, 3, 3), linear=None):
    """Shi et al.'s layers on LR; LR is added to every map, so that training starts from nearest neighbour."""
    lr = keras.Input((None, None, 1), name="lr")
    x = lr
    for count, size in zip((64, 32), sizes, strict=False):
        x = keras.layers.Conv2D(
            count, size, padding="same", activation="relu", kernel_initializer="he_normal"
        )(x)
    small = keras.initializers.RandomNormal(stddev=1e-3)
    x = keras.layers.Conv2D(scale**2, sizes[-1], padding="same", kernel_initializer=small)(x)
    if linear:  # one filter without ReLU beside the layers; a tenth of both, which makes Adam's steps smaller
        beside = keras.layers.Conv2D(scale**2, linear, padding="same", kernel_initializer="zeros")(lr)
        x = keras.layers.Rescaling(0.1)(keras.layers.Add()([x, beside]))
    return keras.Model(lr, PixelShuffle(scale)(keras.layers.Add()([x, lr])))


numbered = np.arange(9, dtype=np.float32).reshape(1, 1, 1, 9)
print(keras.ops.convert_to_numpy(PixelShuffle(3)(numbered))[0, ..., 0])
espcn, full = three_layers_on_lr(3), multiply_adds(network)
per_pixel = {"SRCNN 9-5-5 on the enlarged picture": full, "the same layers, on LR": full / 9}
per_pixel["ESPCN 5-3-3 on LR"] = multiply_adds(espcn) / 9
for name, count in per_pixel.items():
    print(f"{name:36} {count:8,.0f} multiply-adds for a pixel of the result, {full / count:4.1f} times fewer")
assert multiply_adds(espcn) == 5 * 5 * 64 + 3 * 3 * 64 * 32 + 3 * 3 * 32 * 9


# %% [markdown]
# The nine maps 0 to 8 have become one block of nine pixels: that is all the rearrangement does. Moving the
# layers to LR divides the work by nine, and ESPCN's smaller filters more than halve what is left. Counting is
# not measuring, though; section 5 takes the time and asks whether ESPCN also learns as well.
#
# ## 4. Training, and how to survive a kill
#
# The loss is the mean squared error, which is PSNR in other words, so we train for exactly what we score.
# Adam follows it; the learning rate climbs during the first steps, while Adam's averages settle, and then
# falls along a cosine, so that the run ends with small, careful steps.

# %%
def compiled(model, steps, rate=2e-3, **adam):
    """Adam; the learning rate climbs for a while, then falls along a cosine to a hundredth."""
    warm = min(200, steps // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.1 * rate, steps - warm, alpha=0.01, warmup_target=rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.Adam(schedule, **adam)
    model.compile(optimizer, "mse", metrics=[training.psnr], jit_compile=False)
    return model


class Clock(keras.callbacks.Callback):
    """Add to the records how long an epoch took, and how much of that was spent waiting for patches."""

    def __init__(self, feed):
        super().__init__()
        self.feed = feed

    def on_epoch_begin(self, epoch, logs=None):
        self.began, self.waited = time.perf_counter(), self.feed.waited

    def on_test_begin(self, logs=None):
        self.trained = time.perf_counter() - self.began

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = time.perf_counter() - self.began  # validation included
        logs["training"] = self.trained
        logs["waited"] = self.feed.waited - self.waited


# %% [markdown]
# The patches come from `training.PatchFeed`. It cuts them at random places and in one of eight orientations
# (an edge is an edge in a mirror), and a thread of its own keeps a few batches ready, so that the network
# need not wait. Batch number $k$ depends on the seed and on $k$, on nothing else. That is what makes an exact
# restart possible: after every "epoch" (here simply a fixed number of steps) model, optimiser and records are
# written to disk; a run that was killed loads them, asks the feed for batch number $k+1$ and goes on *as if
# nothing had happened*. One of the course's tests kills a run in the middle and compares the weights at the
# end, bit for bit.

# %%
# What the run on deeplense has of its own; all others take what `train` and `compiled` say.
ON_LR = {"new": lambda: three_layers_on_lr(2, (9, 5, 5), linear=9), "patch": 40}
ON_LR |= {"rate": 1e-3, "beta_2": 0.99, "global_clipnorm": 0.05}
RECIPE = (  # for the cards
    "Adam, warm-up to 2e-3, cosine to 2e-5, MSE, residual",
    "Adam (beta_2 0.99), warm-up to 1e-3, cosine to 1e-5, gradient norm clipped at 0.05, MSE; "
    "9-5-5 on LR with a linear 9 x 9 filter beside it, both times 0.1, added to LR, sub-pixel",
)
EPOCH = course.pick(25, 250)  # steps; validation and checkpoint follow


def train(name, data, steps, new=three_layers, patch=64, batch=16, tries=1, start=None, fresh=False, **adam):
    """Train the run `name`, or go on where it was interrupted; the model and its records, one an epoch."""

    def build():
        network = new()
        if start:
            network.set_weights(keras.models.load_model(start, compile=False).get_weights())
        return compiled(network, steps, **adam)

    per_epoch = min(EPOCH, steps)
    folder = course.cache_dir() / "training" / name / f"{course.preset()}-{steps}"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    model, done = training.resume(folder, build, per_epoch)
    feed = training.PatchFeed(*data[:2], patch, batch, start=done * per_epoch, tries=tries)
    model.fit(
        iter(feed),
        steps_per_epoch=per_epoch,
        initial_epoch=done,
        epochs=steps // per_epoch,
        validation_data=tuple(data[2:]),
        validation_batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=[training.progress(per_epoch, batch), Clock(feed), training.checkpoint(folder)],
    )
    return model, training.history(folder)


# %% [markdown]
# A run ends with two files: the network as ONNX, which needs neither Keras nor TensorFlow to run, and its
# **card**, a small JSON file with everything the run knows about itself. `model_file.save_model` compares the
# two networks on images of random sizes before it writes anything. The scores on the card are those of the
# *file*, on pictures that the run never saw.

# %%
def scores_of(up, track):
    """What the card says of an upscaler: its scores on what it was not trained with, and bicubic's."""
    if track != "photo":
        lenses = lensing.lens_set(track, course.pick(60, 1000), split="test")
        return {f"{track} test": scoring.evaluate_lenses(up, lenses)}
    # The full preset trains on other pictures, so that all built-in photographs are held out.
    sets = {"held-out photographs": course.pick(photos.photo_split()[2], photos.builtin()).items()}
    if course.find_data("Set5"):
        sets["Set5"] = photos.set5()
    return {name: scoring.evaluate_photos(up, images) for name, images in sets.items()}


def ship(name, track, scale, model, records, **facts):
    """Write NAME.onnx and its card, and score the file, not the model it was made from."""
    folder = course.pick(course.cache_dir() / "models", course.models_dir())
    keras.mixed_precision.set_global_policy("float32")
    # The run may have used shorter numbers; the file does not.
    twin = ON_LR["new"]() if track == "deeplense" else three_layers()
    twin.set_weights(model.get_weights())
    backend = keras.backend.backend()
    card = {"task": "photographs" if track == "photo" else "lenses", "scale": scale}
    card |= {"input": "lr" if track == "deeplense" else "bicubic"}
    card |= {"channels": "luma" if track == "photo" else "gray", "preset": course.preset()}
    card |= {"edges": "repeat" if track == "photo" else "zero"}  # what the network sees outside the picture
    card |= {"framework": f"Keras {keras.__version__}, {backend} {course.version_of(backend)}"}
    card |= {"seconds": round(sum(row["seconds"] for row in records)), **facts}
    with warnings.catch_warnings():  # of the exporters, about their own dependencies
        warnings.simplefilter("ignore")
        twin(np.zeros((1, 32, 32, 1), np.float32))
        export = lambda path: twin.export(str(path), format="onnx", verbose=False)  # noqa: E731
        reference = lambda x: keras.ops.convert_to_numpy(twin(x))  # noqa: E731
        card = model_files.save_model(name, folder, export, reference, card)
    card["metrics"] = scores_of(Upscaler.load(folder / f"{name}.onnx"), track)
    aside = folder / f".{name}.json"
    aside.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, folder / f"{name}.json")
    return card


# %% [markdown]
# That is all a training script needs, so this lesson *is* the script that made the shipped model files:
#
# ```
# SR_PRESET=full SR_TRACK=photo SR_SCALE=3 python notebooks/scripts/03_srcnn.py
# ```
#
# trains x3 on photographs, writes the model file, and stops at the end of the next cell. `SR_TRACK` may
# also be `deeplense` or `telescope` (with `SR_SCALE=2`), and `SR_STEPS` sets the length. Without `SR_TRACK`
# the full preset trains all five and goes on with the lesson. At the full preset, photographs are learned
# with 16-bit numbers (bfloat16); weights, loss and the last layer keep 32 bits. Two more habits of the full
# runs on photographs: of two random places the feed cuts the patch with more contrast, because flat sky
# teaches nothing that bicubic does not do already; and x2 and x4 start from the weights of the finished x3
# run, which already know edges. The cards say so.

# %%
def run(track, scale):
    """One full run: data, training, model file, scores."""
    name, steps = NAMES[track, scale], int(os.environ.get("SR_STEPS") or course.pick(300, 20_000))
    policy = course.pick("float32", "mixed_bfloat16") if track == "photo" else "float32"
    facts = {
        "data": f"{LENSES.get(track)} simulated lenses of the {track} track, target: the noisy HR image",
        "split": "train, val and test are drawn from separate seeds",
    }
    facts = photo_facts() if track == "photo" else facts
    print(f"{name}: {steps} steps on {facts['data']}", flush=True)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(0)
    first = sorted((course.cache_dir() / "training" / NAMES["photo", 3]).glob("full-*/last.keras"))
    start = first[-1] if first and track == "photo" and scale != 3 else None
    data, tries = (photo_data(scale), 2) if track == "photo" else (lens_data(track), 1)
    options = ON_LR if track == "deeplense" else {}
    model, records = train(name, data, steps, tries=tries, start=start, **options)
    facts |= {"recipe": RECIPE[bool(options)], "policy": policy}
    facts |= {"patches": f"the one with most contrast of {tries} random places"} if tries > 1 else {}
    facts |= {"start": f"the weights of {NAMES['photo', 3]}"} if start else {}
    facts |= {"steps": steps, "batch": 16, "patch": options.get("patch", 64), "seed": 0}
    facts["validation_psnr"] = [round(row["val_psnr"], 3) for row in records]  # one for each epoch
    for key, scores in ship(name, track, scale, model, records, **facts)["metrics"].items():
        print(
            f"{key}: {scores['psnr']:.2f} dB / {scores['ssim']:.4f}, bicubic {scores['bicubic']['psnr']:.2f}"
        )


chosen = (os.environ.get("SR_TRACK"), int(os.environ.get("SR_SCALE") or 2))
if chosen[0] and chosen not in NAMES:
    raise ValueError(
        f"SR_TRACK and SR_SCALE ask for {chosen}; this lesson trains {', '.join(map(str, NAMES))}"
    )
order = sorted(NAMES, key=lambda task: task != ("photo", 3))  # x3 first: x2 and x4 start from it
for track, scale in [chosen] if chosen[0] else course.pick([], order):
    run(track, scale)
if chosen[0] and get_ipython() is None:
    raise SystemExit

# %% [markdown]
# ## 5. Beating bicubic in seconds
#
# Now the quick run: x3, seven photographs to learn from, two for validation. What counts is `val_psnr` in the
# progress line, the PSNR on validation photographs, and the line it must cross: that of bicubic, which is the
# network's own input.

# %% tags=["nbval-ignore-output"]
keras.utils.set_random_seed(0)
data, quick_steps = photo_data(3), course.pick(250, 2000)
model, records = train("lesson-x3", data, quick_steps, patch=48, batch=8, fresh=True)

bicubic_val = float(metrics.psnr(data[2], data[3]).mean())
bicubic_train = float(np.mean([metrics.psnr(x, y) for x, y in zip(*data[:2], strict=True)]))
figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.4), layout="constrained")
steps = np.arange(1, len(records) + 1) * EPOCH
for ax, key, line, what in zip(
    axes, ("psnr", "val_psnr"), (bicubic_train, bicubic_val), ("training patches", "validation"), strict=True
):
    ax.plot(steps, [row[key] for row in records], color=plotting.COLOURS[5], marker="o")
    ax.axhline(line, color="black", linestyle="--", linewidth=1)
    label = "bicubic (on whole images)" if key == "psnr" else "bicubic"
    ax.text(steps[-1], line, label, fontsize=8, ha="right", va="bottom")
    ax.set(title=what, xlabel="step", ylabel="PSNR [dB]")
    ax.margins(y=0.1)
plotting.show(
    figure, alt="PSNR during training, on training patches and on validation images, with bicubic's lines."
)

# %% [markdown]
# The dots are the network. On the left is its PSNR on the patches just seen: it jumps about, because each
# point averages other patches, some of them sky. The dashed line there is for whole images, so its distance
# from the dots is not the gain. On the right is the PSNR on the same validation crops each time, and the
# dashed line is bicubic on these very crops. The network starts near that line, since it was built to, and
# is soon above it for good. A curve without that line would say nothing: 27 dB may be excellent or poor, it
# depends on the picture.
#
# Two photographs have not been touched so far. They decide, on the benchmark's protocol, whether anything was
# learned; and the records tell who was waiting for whom.

# %% tags=["nbval-ignore-output"]
quick_card = ship("lesson-x3", "photo", 3, model, records, **photo_facts(), steps=quick_steps)
held_out = quick_card["metrics"]["held-out photographs"]
gain = held_out["psnr"] - held_out["bicubic"]["psnr"]
print(f"two held-out photographs: network {held_out['psnr']:.2f} dB, {gain:+.2f} dB against bicubic")
trained, waited = (sum(row[key] for row in records) for key in ("training", "waited"))
speed = quick_steps * 8 / trained
print(f"{speed:.0f} patches of 48 x 48 a second; {waited / trained:.1%} of the time went on waiting for them")


# %% [markdown]
# The network, trained for some seconds, beats bicubic on pictures it has never seen, and it did not wait.
# If the share of waiting were large, a faster processor would not help: one would cut larger pieces, read
# files earlier, or use more threads. The number costs two lines to measure, and it is the first thing to
# look at when training is slow.
#
# ### Does it learn as well on LR?
#
# Small convolutions use a processor less well than large ones, so the count of section 3 is not yet a time.
# The cell takes it for one picture, and then trains ESPCN on the same photographs, as patches of LR and HR.

# %% tags=["nbval-ignore-output"]
def seconds(network, image):
    """The best of three runs, after one to warm up."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        keras.ops.convert_to_numpy(network(image))
        times.append(time.perf_counter() - start)
    return min(times[1:])


small_picture = pairs.degrade(pairs.crop_to_multiple(luma8(photos.builtin()["camera"]), 3), 3)[None]
large_picture = pairs.resize(small_picture, [3 * side for side in small_picture.shape[1:3]])
time_srcnn, time_espcn = seconds(model, large_picture), seconds(three_layers_on_lr(3), small_picture)
height, width = large_picture.shape[1:3]
print(f"{width} x {height} pixels: SRCNN {time_srcnn * 1e3:.0f} ms, ESPCN {time_espcn * 1e3:.0f} ms")

keras.utils.set_random_seed(0)
espcn_steps = course.pick(500, 5000)
espcn = compiled(three_layers_on_lr(3), espcn_steps)
whole = [pairs.crop_to_multiple(hr, 3) for hr in photographs()[0]]
feed = training.PatchFeed([pairs.degrade(hr, 3) for hr in whole], whole, patch=16, batch=8)
begin = time.perf_counter()
espcn.fit(iter(feed), steps_per_epoch=espcn_steps, shuffle=False, verbose=0)
espcn_seconds = time.perf_counter() - begin
lr_val = pairs.degrade(data[3], 3)
espcn_db = metrics.psnr(keras.ops.convert_to_numpy(espcn(lr_val)), data[3]).mean()
nearest_db = metrics.psnr(pairs.resize(lr_val, data[3].shape[1:3], "nearest"), data[3]).mean()
print(f"validation: nearest neighbour {nearest_db:.2f} dB, bicubic {bicubic_val:.2f} dB")
print(f"SRCNN {records[-1]['val_psnr']:.2f} dB after {quick_steps} steps in {trained:.0f} s")
print(f"ESPCN {espcn_db:.2f} dB after {espcn_steps} steps in {espcn_seconds:.0f} s")

# %% [markdown]
# ESPCN must first learn what SRCNN was given for nothing, a good interpolation: it starts more than a decibel
# below bicubic. But it has taken twice as many steps in less time, passed bicubic all the same, and come to
# about where SRCNN is, or beyond. The time it saves on every picture can pay for a much deeper network: that
# is how lesson 05 will use it.
#
# ### What is on the disk
#
# The next cell checks these claims, except for the time that training took, which depends on what else the
# machine has to do, and then calls `train` again for the same run. The finished run is found, no step is left,
# and the weights are the same to the last bit. The checkpoint is a `.keras` file: architecture, weights, the
# optimiser's moments and its step counter in one archive.

# %%
assert time_espcn < time_srcnn / 3, "the work on LR must be several times faster"
assert nearest_db < bicubic_val - 1 and espcn_db > bicubic_val + 0.1
assert espcn_db > records[-1]["val_psnr"] - 0.1
assert gain > 0.15, "the quick run must beat bicubic on photographs it has never seen"
assert records[-1]["val_psnr"] > bicubic_val + 0.15
assert waited < 0.10 * trained, "the feed, not the network, would be the bottleneck"
assert quick_card["onnx_max_difference"] < 1e-5

again, its_records = train("lesson-x3", data, quick_steps, patch=48, batch=8)
same = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
print(f"weights equal: {same}; steps taken: {int(again.optimizer.iterations)}; records: {len(its_records)}")
assert same and its_records == records

# %% [markdown]
# Many older courses save a `.h5` file instead. With the loss given by its short name, as everybody writes it,
# Keras 3 saves such a file and then cannot load it. Let us watch that happen.

# %%
logging.getLogger("absl").setLevel("ERROR")  # Keras, too, advises against .h5
with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the .h5 file's optimiser, whose state it cannot place
    old, new = Path(folder) / "old.h5", Path(folder) / "new.keras"
    small = three_layers(filters=(4,), sizes=(3, 3))
    small.compile("adam", loss="mse")
    small.fit(x, x, verbose=0)
    small.save(old)
    small.save(new)
    try:
        keras.models.load_model(old)
        complaint = "none"
    except (ValueError, TypeError) as error:
        complaint = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    print(".h5:   ", complaint)
    loaded = [keras.models.load_model(new), keras.models.load_model(old, compile=False)]
outputs = [keras.ops.convert_to_numpy(m(x)) for m in (small, *loaded)]
assert (
    "mse" in complaint and np.array_equal(outputs[0], outputs[1]) and np.array_equal(outputs[0], outputs[2])
)
print(
    ".keras: loads, and computes the same; so does the .h5 file with compile=False, but without its optimiser"
)


# %% [markdown]
# The old format stores the *word* "mse", and the loader looks for a class of that name among the metrics, in
# vain. If you meet such a file, `compile=False` rescues the network, and you compile it anew. For your own
# work, save `.keras`.
#
# ## 6. What did it learn? Filters and feature maps
#
# The quick network is a beginner. From here on we look at the **shipped** ones, which come from full runs of
# the script above. An ONNX file holds every weight, so three lines are enough to take such a network up again
# in Keras, and one more to check that it is the same one.

# %%
def shipped(track, scale):
    """The shipped upscaler; a checkout without its file makes one of its own at the present preset."""
    folder = course.models_dir()
    if not (folder / f"{NAMES[track, scale]}.onnx").is_file():
        folder = course.cache_dir() / "models"
        if not (folder / f"{NAMES[track, scale]}.onnx").is_file():
            run(track, scale)
    return Upscaler.load(folder / f"{NAMES[track, scale]}.onnx"), folder / f"{NAMES[track, scale]}.onnx"


def layers_of(path):
    """What Keras calls the weights, out of a model file: kernel (k, k, in, out), offset, kernel, ..."""
    graph = onnx.load(str(path)).graph
    stored = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [
        w
        for node in convolutions
        for w in (stored[node.input[1]].transpose(2, 3, 1, 0), stored[node.input[2]])
    ]


srcnn_x3, path = shipped("photo", 3)
rebuilt = three_layers()
rebuilt.set_weights(layers_of(path))
enlarged = photo_pair(cat, 3)[0]
difference = np.abs(
    keras.ops.convert_to_numpy(rebuilt(enlarged[None]))[0] - srcnn_x3(pairs.degrade(cat, 3))
)[15:-15, 15:-15].max()  # at the edge, `Upscaler` continues the picture and Keras sees zeros
print(f"{srcnn_x3.name}: {srcnn_x3.card['steps']:,} steps, {srcnn_x3.card['data']}")
assert difference < 1e-5

# %% tags=["nbval-ignore-output"]
kernels = layers_of(path)[0][:, :, 0].transpose(2, 0, 1)  # (64, 9, 9)
strength = np.sqrt((kernels**2).sum((1, 2)))
order = np.argsort(-strength)
figure = plt.figure(figsize=(9.6, 5), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
for ax, i in zip(left.subplots(8, 8).flat, order, strict=True):
    ax.imshow(
        kernels[i], cmap=plotting.DIVERGING, vmin=-np.abs(kernels[i]).max(), vmax=np.abs(kernels[i]).max()
    )
    ax.set_axis_off()
left.suptitle("64 filters of layer 1, strongest first (each on its own scale)", fontsize=10)
ax = right.subplots()
transform = np.abs(np.fft.fft2(kernels, (64, 64)))
frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
peak = frequency.reshape(-1)[transform.reshape(64, -1).argmax(1)]
ax.scatter(peak, strength, color=plotting.COLOURS[5])
ax.axvline(1 / 6, color="black", linestyle="--", linewidth=1)
ax.text(1 / 6 + 0.005, strength.max(), "LR's Nyquist limit, x3", va="top", fontsize=8)
ax.set(
    xlabel="frequency a filter responds to most [cycles per HR pixel]",
    ylabel="strength (root of summed squares)",
)
plotting.show(
    figure,
    alt="The 64 first-layer filters as small images, and their strength against their preferred frequency.",
)

# %% [markdown]
# Nobody told the network what an edge is. Yet the strongest filters, in the first row, have found steps:
# negative (blue) on one side, positive on the other, in several orientations. Some of the next answer to
# spots and fine bars. All of these were known from classical image processing, and from the visual cortex,
# before any network found them. The panel on the right adds what the eye cannot see: which spatial
# frequency each filter answers to. What lies to the right of the dashed line cannot be in LR: anything a
# filter finds there is an artefact of bicubic interpolation, such as the kink between LR pixels. Most of
# the 64, though, still look much like the noise they started as: in a run of this length the network has
# hardly needed them.

# %% tags=["nbval-ignore-output"]
inside = keras.Model(rebuilt.inputs[0], [layer.output for layer in rebuilt.layers[1:3]])
first, second = (keras.ops.convert_to_numpy(maps)[0] for maps in inside(enlarged[None]))
figure, axes = plt.subplots(3, 5, figsize=(8.8, 4.6), layout="constrained")
added = srcnn_x3(pairs.degrade(cat, 3)) - enlarged
axes[0, 0].imshow(enlarged[..., 0], cmap="gray", vmin=0, vmax=1)
axes[0, 0].set_title("input")
axes[2, 0].imshow(added[..., 0], cmap=plotting.DIVERGING, vmin=-0.15, vmax=0.15)
axes[2, 0].set_title("what layer 3 adds")
axes[1, 0].text(
    0.5, 0.5, "strongest maps\nof layer 1 (above, middle)\nand layer 2 (below)", ha="center", va="center"
)
for panels, maps, name in ((axes[:2, 1:].flat, first, "layer 1"), (axes[2, 1:].flat, second, "layer 2")):
    inner = maps[8:-8, 8:-8]  # the padding makes a bright rim
    for ax, i in zip(panels, np.argsort(-inner.std((0, 1))), strict=False):
        ax.imshow(maps[..., i], cmap="viridis", vmin=0, vmax=np.percentile(inner[..., i], 99.5))
        ax.set_title(f"{name}, map {i}")
for ax in axes.flat:
    ax.set_axis_off()
plotting.show(
    figure,
    alt="The input, eight feature maps of layer 1, four of layer 2, and the correction that layer 3 adds.",
)
active = [(maps > 0).mean() for maps in (first, second)]
print(f"share of values that the ReLU lets through: layer 1 {active[0]:.0%}, layer 2 {active[1]:.0%}")

# %% [markdown]
# The maps of layer 1 are the cat seen through one filter each: some keep brightness, some answer only to
# edges that run one way. In layer 2 several maps have become sparse, dark nearly everywhere and bright along
# one kind of contour. That is the "decision" of step 2: at a given pixel the ReLU switches most of the maps
# off, so that the eye's rim is rebuilt by other weights than fur. A single linear filter cannot do this, and
# section 8 measures what that is worth. The rim that some maps have is the padding: outside the picture the
# network sees zeros, and takes the border for an edge. `Upscaler` therefore continues a photograph by
# repeating its edge before a network sees it; the model's card says so (`edges`).
#
# So are Dong's three names right? The first one is: these *are* patch descriptions. "Mapping" and
# "reconstruction" are one way to read the other two; training knew nothing of them and was free to share the
# work out otherwise.
#
# ## 7. The scores
#
# The cards hold what each full run measured on its own file. Bicubic stands beside every number, and so does
# the published SRCNN, whose weights came from nearly 400,000 ImageNet pictures. Ours uses 8-bit RGB and takes
# luma unrounded, the convention of current papers (lesson 02 shows that the two differ by hundredths of a
# dB). A card is a claim, so we check one: the cell also reduces the built-in photographs, which no full run
# has seen, loads the shipped x3 file and scores it again.

# %% tags=["readme-table", "table-srcnn"]
PUBLISHED = {
    2: "36.66 / 0.9542",
    3: "32.75 / 0.9090",
    4: "30.48 / 0.8628",
}  # Set5, SRCNN 9-5-5, Dong et al. 2016
rows = []
for (track, scale), name in NAMES.items():
    card = shipped(track, scale)[0].card
    for data_set, s in card["metrics"].items():
        ours, bicubic = (f"{r['psnr']:.2f} / {r['ssim']:.4f}" for r in (s, s["bicubic"]))
        paper = PUBLISHED[scale] if data_set == "Set5" else "–"
        length = f"{card['steps']:,} in {card['seconds'] / 60:.0f} min"
        rows.append(f"| `{name}` | {data_set} ({s['n']}) | {bicubic} | **{ours}** | {paper} | {length} |")
header = "| model | test set (images) | bicubic, PSNR [dB] / SSIM | ours | published SRCNN | training steps |"
header += "\n|---|---|---|---|---|---|\n"
display(Markdown(header + "\n".join(rows)))

checked = scoring.evaluate_photos(srcnn_x3, photos.builtin().items())
on_card = srcnn_x3.card["metrics"]["held-out photographs"]
assert checked["psnr"] > checked["bicubic"]["psnr"] + 0.5
assert srcnn_x3.card["preset"] == "quick" or abs(checked["psnr"] - on_card["psnr"]) < 0.005
on_set5 = {s: shipped("photo", s)[0].card["metrics"].get("Set5") for s in PUBLISHED}
for s, scores in on_set5.items():
    if scores:
        assert scores["psnr"] > max(scores["bicubic"]["psnr"] + 1.8, float(PUBLISHED[s].split()[0]) - 0.2)

# %% [markdown]
# On Set5 our networks gain two to three decibels over bicubic at x2 and x3, and nearly two at x4, and come
# within two tenths of a decibel of the published ones, after minutes on a small computer and with a few
# hundred pictures to learn from. On other photographs the gain is smaller: how much a network adds depends on
# how much the pictures hold that it has learned to restore. The two lens tracks differ from each other even
# more. Section 9 explains why one gains less than a decibel, and the other more than ten.
#
# ## 8. What matters? A small ablation
#
# The paper asks how many layers, how large the filters. We ask the same on a budget: every variant gets the
# **same number of steps** with the same patches, one change at a time from a small base, 9-1-5. Short runs of
# small networks: read the large differences, not the small ones.

# %% tags=["nbval-ignore-output"]
VARIANTS = {
    "9-1-5, the base": {},
    "one layer (a linear filter)": {"filters": (), "sizes": (9,)},
    "9-5, two layers": {"filters": (64,), "sizes": (9, 5)},
    "9-3-5": {"sizes": (9, 3, 5)},
    "9-5-5": {"sizes": (9, 5, 5)},
    "9-1-1-5, four layers": {"filters": (64, 32, 32), "sizes": (9, 1, 1, 5)},
    "base without residual": {"residual": False},
    "base, rate / 10": {"rate": 2e-4},
    "base, rate x 20": {"rate": 4e-2},
}
STEPS, ablation = course.pick(150, 4000), {}
for label, change in VARIANTS.items():
    keras.utils.set_random_seed(0)
    change = {"sizes": (9, 1, 5), "rate": 2e-3, **change}
    variant = compiled(
        three_layers(**{k: v for k, v in change.items() if k != "rate"}), STEPS, change["rate"]
    )
    feed = training.PatchFeed(*data[:2], patch=32, batch=8)
    begin = time.perf_counter()
    variant.fit(iter(feed), steps_per_epoch=STEPS, shuffle=False, verbose=0)
    took, result = time.perf_counter() - begin, keras.ops.convert_to_numpy(variant(data[2]))
    ablation[label] = metrics.psnr(np.nan_to_num(result), data[3]).mean() - bicubic_val
    print(f"{label:28} {variant.count_params():6,} weights {took:5.1f} s {ablation[label]:+7.2f} dB")

figure, ax = plt.subplots(figsize=(7.4, 3.4), layout="constrained")
for row, (label, g) in enumerate(reversed(ablation.items())):
    ax.barh(label, max(g, -1), color=plotting.COLOURS[3 if g > 0 else 4])
    ax.text(
        max(g, 0) + 0.02, row, f"{g:+.2f} dB" + (" (bar cut off)" if g < -1 else ""), va="center", fontsize=8
    )
ax.axvline(0, color="black", linewidth=1)
ax.set(xlabel=f"gain over bicubic on validation after {STEPS} steps [dB]", xlim=(-1.05, 0.75))
ax.grid(axis="y", visible=False)
plotting.show(figure, alt="Bars: gain over bicubic of nine variants after the same number of steps.")

# %% [markdown]
# Bars to the right beat bicubic. The residual connection stands out: without it, the network must first learn
# to copy its input through three layers, and in this short time it does not even get back to where it could
# have started. The learning rate comes next: ten times smaller, and the same steps bring less; twenty times
# larger can cost all of it, since a few huge steps may push the ReLUs of whole maps below zero, where no
# gradient reaches them any more. A single linear filter improves on bicubic a little, as it should: bicubic
# *is* a linear filter, and not the best. Larger middle filters and more layers bring little or nothing in so
# short a run: 9-5-5 has seven times the base's weights to find in the same number of steps. The paper trained
# for far longer. There larger filters repay their cost, whereas a fourth layer does not: it converges more
# slowly, and the result is no better.

# %%
assert ablation["9-1-5, the base"] > 0.1
assert ablation["9-1-5, the base"] > ablation["base without residual"] + 0.3
assert ablation["9-1-5, the base"] > ablation["base, rate / 10"]
assert ablation["9-1-5, the base"] > ablation["one layer (a linear filter)"]
print("the base beats bicubic, one linear filter, no residual, and a rate ten times smaller")


# %% [markdown]
# ## 9. The same three layers on lenses
#
# Lesson 01 found that our two lens tracks differ in one thing: on `deeplense`, LR is a resized copy of the
# *noisy* HR image; on `telescope`, HR and LR are two exposures through two instruments, each with photon
# noise of its own. The target is the noisy HR image on both, and yet they ask for opposite things. On
# `telescope` noise is to be averaged away. On `deeplense` LR knows part of HR's noise, so that "high
# resolution" means to *reproduce* noise, as exactly as LR allows.
#
# ### Which picture should the network see?
#
# For reproducing noise it matters what the network is given. Before we train anything, we ask what the
# simplest of all networks could do, one linear filter of 9 × 9 weights: once on the enlarged picture, once
# on LR (where it needs four sets of weights, one for each position inside a pixel). No training is needed
# for that, because least squares finds the best weights by solving one system of equations. The **condition
# number** of that system says how hard it would be to find them step by step, as a network must: it is the
# ratio of the steepest to the flattest curvature of the error's valley, and along a flat direction progress
# is slow.

# %% tags=["nbval-ignore-output"]
def best_linear(x, y, new, size):
    """Fit the linear filter from x to y, one for each position in a pixel, and apply it; its condition."""
    s, edge = y.shape[1] // x.shape[1], size // 2
    step = 7 // s  # neighbouring places tell nearly the same, so some are enough
    windows = np.lib.stride_tricks.sliding_window_view(x[..., 0], (size, size), (1, 2))
    a = windows[:, ::step, ::step].reshape(-1, size**2).astype(float)
    system, out = a.T @ a, np.empty((len(new), *y.shape[1:]), np.float32)
    for i, j in np.ndindex(s, s):
        b = y[:, i::s, j::s, 0][:, edge:-edge:step, edge:-edge:step].reshape(-1)
        kernel = np.linalg.solve(system, a.T @ b).reshape(1, size, size, 1)
        out[:, i::s, j::s] = ndimage.correlate(new, kernel, mode="nearest")
    return out, np.linalg.cond(system)


lenses, val = (lensing.lens_set("deeplense", n, split=k) for n, k in ((120, "train"), (64, "val")))
size = lenses.hr.shape[1:3]
seen = {"the enlarged picture": (pairs.resize(lenses.lr, size), pairs.resize(val.lr, size))}
seen["LR"] = (lenses.lr, val.lr)
levels = {"bicubic": metrics.psnr(seen["the enlarged picture"][1], val.hr).mean()}
condition = {}
for what, (x_lens, x_val) in seen.items():
    fitted, condition[what] = best_linear(x_lens, lenses.hr, x_val, 9)
    levels[f"linear filter on {what}"] = metrics.psnr(fitted, val.hr).mean()
    print(f"linear filter on {what:20} condition number {condition[what]:.0e}")
levels["ceiling (oracle)"] = metrics.psnr(lensing.oracle(val), val.hr).mean()
for what, value in levels.items():
    print(f"{what:39} {value:.2f} dB")

# %% [markdown]
# Once found, the two filters score nearly alike, a few hundredths of a decibel apart. The two systems of
# equations are far from alike: on the enlarged picture the condition number is many thousands of times
# larger. Enlarging has made neighbouring pixels nearly alike, and what LR knows about HR's fine grain is
# left in their tiny differences. Least squares in 64-bit numbers can undo that; a network that learns by
# small steps has a long way to go. So on this track the three layers get **LR**, with the sub-pixel
# convolution of section 3; and because interpolating noise is a linear task, one linear 9 × 9 filter runs
# beside them. The steps are smaller and the gradient is clipped (`ON_LR` in section 4). On `telescope` such
# grain is to be dropped, not kept, so there the enlarged picture can stay.
#
# The plot shows the record of that full run, which its card holds, and next to it a run on `telescope` that
# we make now, in a few seconds: plain SRCNN on the enlarged picture.

# %% tags=["nbval-ignore-output"]
keras.utils.set_random_seed(0)
run_length = course.pick(100, 2000)
quick_run = train("lesson-telescope", lens_data("telescope"), run_length, patch=48, batch=8, fresh=True)
shipped_deeplense, shipped_telescope = (shipped(track, 2)[0] for track in ("deeplense", "telescope"))
other = lensing.lens_set("telescope", course.pick(24, 64), split="val")
levels_there = {"bicubic": metrics.psnr(pairs.resize(other.lr, other.hr.shape[1:3]), other.hr).mean()}
levels_there["the noise-free truth itself"] = metrics.psnr(other.truth, other.hr).mean()
record = shipped_deeplense.card["validation_psnr"]
panels = {
    "deeplense: the shipped network's full run": (record, shipped_deeplense.card["steps"], levels),
    "telescope: a quick run": ([row["val_psnr"] for row in quick_run[1]], run_length, levels_there),
}
figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
for ax, (title, (curve, last, lines)) in zip(axes, panels.items(), strict=True):
    steps = (np.arange(len(curve)) + 1) * last // len(curve)
    ax.plot(steps, curve, color=plotting.COLOURS[5], marker="o", markersize=4)
    for label, value in lines.items():
        ax.axhline(value, color="black", linestyle="--" if label == "bicubic" else ":", linewidth=1)
        ax.text(last, value, label, fontsize=8, ha="right", va="bottom")
    ax.set(title=title, xlabel="step", ylabel="validation PSNR [dB]", xlim=(0, 1.03 * last))
    ax.margins(y=0.1)
plotting.show(
    figure,
    alt="Validation PSNR during training on both lens tracks, with bicubic, linear filters and the ceilings.",
)

# %% [markdown]
# Both panels show the PSNR against the noisy HR image, on validation lenses; the dots are the network.
#
# **Left, `deeplense`.** The whole panel is half a decibel high. Its top line is the ceiling: what an oracle
# scores that knows the noise-free scene *and* all that LR tells of HR's noise. At its second dot the
# network has passed both linear filters: with ReLUs it can treat a lens and empty sky differently, which no
# linear filter can. Then it climbs to a few hundredths of a decibel below the ceiling, and stops. No
# network can pass that line.
#
# **Right, `telescope`.** Here the network gains several decibels in a hundred steps. Scored against the noisy
# HR image it, too, has a ceiling: the score of the *truth itself*. A perfect network could not go higher, and
# two very different networks may look alike so close to it: the noise of the ruler hides what we want to
# measure. In a simulation we have a better ruler, the noise-free scene.
#
# Both rulers, on 60 test lenses of each track that no run has seen:

# %%
deeplense, telescope = (lensing.lens_set(track, 60, split="test") for track in ("deeplense", "telescope"))
on_deeplense = {
    "bicubic (that test's own, a = -0.75)": Upscaler.load("bicubic-torch", 2)(deeplense.lr),
    "bicubic (a = -0.5)": pairs.resize(deeplense.lr, (150, 150)),
    "noise-free truth": deeplense.truth,
    "three layers, shipped": shipped_deeplense(deeplense.lr),
    "oracle: the ceiling": lensing.oracle(deeplense),
}
deeplense_scores = {name: metrics.lens_scores(image, deeplense.hr) for name, image in on_deeplense.items()}
print("deeplense, 60 test lenses, against the noisy HR image")
for name, s in deeplense_scores.items():
    print(f"{name:38} MSE {s['mse'].mean():.2e}  PSNR {s['psnr'].mean():.2f} dB  SSIM {s['ssim'].mean():.4f}")
limit, reached = (
    deeplense_scores[k]["psnr"].mean() for k in ("oracle: the ceiling", "three layers, shipped")
)
assert condition["the enlarged picture"] > 1e4 * condition["LR"]
assert levels["bicubic"] < levels["linear filter on the enlarged picture"] < levels["linear filter on LR"]
assert levels["linear filter on LR"] < record[1] and 0 < levels["ceiling (oracle)"] - record[-1] < 0.05
assert limit - 0.1 < reached < limit, "it must come within 0.1 dB of the ceiling, and cannot pass"

# %% tags=["nbval-ignore-output"]
if (folder := lensing.find_deeplense()) is None:
    print("The original test would be scored here: `srutils fetch deeplense-sr`.")
else:
    s = scoring.evaluate_lenses(shipped_deeplense, lensing.load_deeplense(folder, course.pick(60, 1000)))
    print(f"{s['n']} original pairs: bicubic {s['bicubic']['psnr']:.2f} dB, three layers {s['psnr']:.2f} dB")

# %% tags=["readme-table", "table-srcnn-telescope"]
on_telescope = {
    "bicubic": pairs.resize(telescope.lr, (128, 128)),
    "HR, the better telescope's own noisy picture": telescope.hr,
    "Wiener, tuned": baselines.wiener(telescope.lr, 2),
    "Richardson-Lucy, tuned (the best classical)": baselines.richardson_lucy(telescope.lr, 2),
    "three layers, shipped": shipped_telescope(telescope.lr),
}
telescope_scores = {name: metrics.lens_scores(image, telescope.truth) for name, image in on_telescope.items()}
db = {name.split(",")[0]: s["psnr"].mean() for name, s in telescope_scores.items()}
ours = db.pop("three layers")
table = (
    "| `telescope` x2, 60 test lenses, against the truth | MSE | PSNR [dB] | SSIM | network's lead [dB] |\n"
)
table += "|---|---|---|---|---|\n"
for name, s in telescope_scores.items():
    lead = f"{ours - s['psnr'].mean():+.1f}" if "three" not in name else "–"
    spread = f"{s['psnr'].mean():.2f} ± {s['psnr'].std():.2f}"
    table += f"| {name} | {s['mse'].mean():.2e} | {spread} | {s['ssim'].mean():.4f} | {lead} |\n"
display(Markdown(table))
assert ours > 46.3 and ours > max(db.values()) + 3

# %% tags=["nbval-ignore-output"]
i = 4
pictures = {"LR": telescope.lr, **{k.split(",")[0]: v for k, v in on_telescope.items() if "Wiener" not in k}}
pictures = {name: image[i] for name, image in {**pictures, "truth": telescope.truth}.items()}
figure = plotting.zoom_grid(
    pictures,
    "truth",
    (24, 30, 36, 36),
    norm=plotting.stretch([telescope.truth[i]]),
    residual_range=0.1,
    size=1.75,
)
plotting.show(
    figure,
    alt="One lens: LR, bicubic, HR, Richardson-Lucy, the network and the truth, with a zoom and residuals.",
)


# %% [markdown]
# First the numbers above. On `deeplense` the network stands within a tenth of a decibel of the oracle, and
# the noise-free truth scores *worse* than bicubic: the strange economy of a test that asks for noise. On
# `telescope` the network leads bicubic by far, and the best classical method by several decibels, which is
# the comparison that counts.
#
# Then the picture. Read its bottom row, what is wrong with each image. Bicubic's error is the arc itself:
# it leaves the blur in. HR's error is grain, everywhere, and strongest where there is light, as photon
# noise is. Richardson–Lucy has removed most of the blur, except where the arc is brightest and narrowest,
# and the noise with it. The network's error is the palest. It is **closer to the truth than the
# high-resolution telescope's own picture**, though it has only seen such pictures as targets, and looks at
# the sky through the worse telescope.
#
# ### Where does that knowledge come from?
#
# *From the noise that averages out.* The weights that minimise the mean squared error make the network
# return, for every input, the *average* of all targets that go with such an input: $E[\text{HR} \mid
# \text{LR}]$. HR is truth plus noise, the noise is zero on average, and on this track it knows nothing of LR.
# So $E[\text{HR} \mid \text{LR}] = E[\text{truth} \mid \text{LR}]$. No single target shows the truth;
# thousands of noisy ones together define it. Lehtinen et al. (2018) made a method of this, *Noise2Noise*. On
# `deeplense` the same sum works out differently: there LR does know HR's noise, and the network dutifully
# interpolates it.
#
# *From the prior.* An average over all the lenses of the training set is a good answer only for a sky like
# the training set. This one is smooth: galaxies with Sérsic profiles, sheared into arcs. The network has
# learned that light with sharp speckle is noise, and that ridges are long and continuous. That is knowledge
# about *lenses*, and it is paid for elsewhere.
#
# ### When is it wrong?
#
# Quasars are lensed as well. A quasar is a point, so its four images are as sharp as the telescope's PSF, and
# no training image held anything like it. We put four points on the fine grid of the simulator and observe
# them through the very same two instruments.

# %%
def observe(sky, seed=0):
    """LR, HR and truth, as the telescope track makes them, of a scene on a grid of half HR pixels."""
    rng = np.random.default_rng(seed)
    views = {}
    for s in (1, 2):
        sigma = lensing.PSF_FWHM[s] / (lensing.PIXEL / 2) / np.sqrt(8 * np.log(2))
        n = len(sky) // (2 * s)
        views[s] = (
            ndimage.gaussian_filter(sky, sigma, mode="constant").reshape(n, 2 * s, n, 2 * s).mean((1, 3))
        )
    peak, noisy = views[1].max(), {}
    for s, view in views.items():
        counts = rng.poisson((view / peak * lensing.PEAK + lensing.SKY) * s**2)
        noisy[s] = (counts / s**2 - lensing.SKY) / lensing.PEAK
    return [image[None, ..., None].astype(np.float32) for image in (noisy[2], noisy[1], views[1] / peak)]


sky = np.zeros((256, 256))
for x_offset, y_offset, flux in ((46, 10, 1.0), (-38, 26, 0.8), (8, -44, 0.6), (-16, -30, 0.35)):
    sky[128 + y_offset, 128 + x_offset] = flux
quasar_lr, quasar_hr, quasar = observe(sky)
on_quasar = {"bicubic": pairs.resize(quasar_lr, (128, 128)), "HR": quasar_hr}
on_quasar |= {
    "Richardson-Lucy": baselines.richardson_lucy(quasar_lr, 2),
    "three layers": shipped_telescope(quasar_lr),
}
on_quasar["truth"] = quasar
quasar_db = {
    name: float(metrics.psnr(image, quasar)[0]) for name, image in on_quasar.items() if name != "truth"
}
for name, value in quasar_db.items():
    print(f"{name:16} {value:6.2f} dB, brightest pixel {on_quasar[name].max():.2f} of the true 1.00")
assert quasar_db["three layers"] < quasar_db["HR"] - 3
assert abs(quasar_db["three layers"] - quasar_db["Richardson-Lucy"]) < 2
assert on_quasar["three layers"].max() < 0.7

# %% tags=["nbval-ignore-output"]
pictures = {"LR": quasar_lr[0], **{name: image[0] for name, image in on_quasar.items()}}
figure = plotting.zoom_grid(
    pictures,
    "truth",
    (56, 74, 26, 26),
    norm=plotting.stretch([quasar], softening=0.05, limits=(0, 0.6)),
    residual_range=0.3,
    size=1.75,
)
plotting.show(
    figure,
    alt="Four point sources: LR, bicubic, HR, Richardson-Lucy, the network and the truth, with residuals.",
)

# %% [markdown]
# The order is turned upside down. HR's own noisy picture is now the best by more than three decibels. The
# network, which led Richardson–Lucy by several decibels in the last table, is now level with it: it spreads
# each point over its neighbourhood and leaves the centre at little more than half its brightness (in the
# bottom row, dark blue spots with a pale red rim). It has never seen a point, so it takes one for the
# blurred knot of an arc. Nothing in its output warns the reader. Richardson–Lucy assumes much less, only
# that light is positive, smooth over two pixels, and blurred by a known PSF, and so it has less to lose.
#
# Remember this pair of results whenever a super-resolved picture looks better than the original. *How much
# better than its data a network can be is measured by how well the sky agrees with its training set.*
#
# ## 10. On your own picture
#
# A model file needs no training code: `Upscaler.load` takes a shipped name or a path, and the result is
# called like a function. An RGB picture works as well; luma models enlarge its luma, bicubic its two colour
# differences. Put the path of a photograph of yours into `MINE`. Without one, we take a piece of a built-in
# picture and enlarge it threefold.

# %% tags=["nbval-ignore-output"]
MINE = None  # for instance "holiday.jpg"
picture = photos.read_image(MINE)[:160, :160] if MINE else photos.builtin()["astronaut"][46:158, 164:276]
before, after = Upscaler.load("bicubic", 3)(picture), srcnn_x3(picture)
display(plotting.compare_slider(before, after, ("bicubic x3", "SRCNN x3")))
consistency = {
    n: metrics.psnr(pairs.degrade(e, 3), picture) for n, e in (("bicubic", before), ("SRCNN", after))
}
for name, value in consistency.items():
    print(f"{name:8} reduced again differs from the input by {value:.1f} dB")
assert after.shape == (3 * picture.shape[0], 3 * picture.shape[1], 3)
assert consistency["SRCNN"] > consistency["bicubic"]

# %% [markdown]
# Drag the divider. The lashes, the lips' outline and the strands of hair gain an edge; the skin does not
# change, since there was nothing to add. Where the original has detail finer than LR's Nyquist limit
# (single hairs), neither side shows it: three layers sharpen, they do not imagine. *(Eileen Collins: NASA,
# public domain.)*
#
# How would you know that the sharper picture is not just a distortion, when there is no HR to compare with?
# One test is always possible, and the cell has done it: **reduce it again**. What comes out must be the
# picture that went in. It is a necessary condition, not a sufficient one, but it catches shifts, colour casts
# and over-sharpening. SRCNN's picture agrees with the input better than bicubic's does: part of what it
# learned is simply to undo the blur that reducing causes.
#
# ## What went wrong and why
#
# The learning rate that was too high was one failure shown on purpose, the quasar another. The third is the
# most common one in practice, and it hides best: **a network that works in the paper and not on your
# pictures**. Our networks have only seen LR images made by antialiased bicubic reduction. Suppose that a
# camera, or a colleague, makes LR by keeping every third pixel. It looks almost the same, it is even sharper.
# We keep the centre pixel of each 3 × 3 block, so that nothing is shifted.

# %%
decimated = {"bicubic": [], "SRCNN": []}
for image in photos.builtin().values():
    hr = pairs.crop_to_multiple(luma8(image), 3)
    for name, up in (("bicubic", Upscaler.load("bicubic", 3)), ("SRCNN", srcnn_x3)):
        decimated[name].append(metrics.photo_scores(up(hr[1::3, 1::3]), hr, 3)["psnr"])
outcome = {
    "antialiased bicubic": {"bicubic": checked["bicubic"]["psnr"], "SRCNN": checked["psnr"]},  # of section 7
    "every third pixel": {name: np.mean(values) for name, values in decimated.items()},
}
for name, s in outcome.items():
    change = s["SRCNN"] - s["bicubic"]
    print(f"LR by {name:20} bicubic {s['bicubic']:.2f} dB, SRCNN {s['SRCNN']:.2f} dB: {change:+.2f} dB")
assert outcome["antialiased bicubic"]["SRCNN"] > outcome["antialiased bicubic"]["bicubic"] + 0.5
assert outcome["every third pixel"]["SRCNN"] < outcome["every third pixel"]["bicubic"]

# %% [markdown]
# The same network, the same photographs, and the gain has become a loss. Plain decimation lets detail above
# LR's Nyquist limit through as *aliases*, jagged edges and false stripes, and it does not blur. The network
# does to them what it has learned to do: it sharpens, to undo a blur that is not there, and the aliases grow.
# It has not learned "to see sharply"; it has learned **to invert one particular degradation**. Nothing in the
# training curve could have told us, because validation pictures were made in the same way. A model's card
# therefore says how its LR was made. So should yours.
#
# ## Recap
#
# - **SRCNN in Keras 3**: three convolutions and an addition, 57,281 numbers, 17 × 17 pixels seen by each
#   output pixel.
# - **Sub-pixel convolution** does the same work on LR, with a fraction of the arithmetic.
# - **Beating bicubic** took some seconds of training on seven photographs, shown on two that it never saw,
#   always with bicubic's score on the same images beside it.
# - **Filters and feature maps** of the shipped network: oriented edges, bars, spots; the ReLU switches most
#   maps off at any one pixel, and that is what a linear filter cannot do. Dong's three names are one helpful
#   reading.
# - **What matters**, on a small budget: the residual connection first, then the learning rate and the
#   non-linearity; larger filters only pay with more training.
# - **Bottleneck and restart**: measure the share of time spent waiting for data; make batch $k$ depend on $k$
#   alone; save `.keras`.
# - **A noise ceiling** on `deeplense`: three layers that work on LR come within a tenth of a decibel of it,
#   and no network can pass it.
# - **Beyond its own targets** on `telescope`: noise averages out over the training set and the prior does the
#   rest; on a quasar the same prior is wrong, and HR's own noisy picture wins.

# %% [markdown]
# ## Exercises
#
# Each ends in a cell that checks your answer: it says whether it is right, nearly right and why, or where to
# look. Worked answers are in [solutions/03_srcnn.ipynb](solutions/03_srcnn.ipynb).
#
# **1. Weaving backwards.** Section 3's `PixelShuffle` weaves $s^2$ maps into one picture. Write the
# opposite in NumPy: a picture of shape (N, H, W, 1) becomes maps of shape (N, H/s, W/s, s²), so that
# `PixelShuffle(s)` gives the picture back.
#
# <details><summary>Hint</summary>
#
# Two reshapes with a transpose between them, as in `PixelShuffle`, in the other direction. Give every axis
# a name before you write: a row of the picture is a row of blocks and a row within the block. Which axes
# does the first reshape split, and in which order must they stand before the last one joins them?
#
# </details>

# %% tags=["exercise"]
from srutils import exercises


def unweave(image, s):
    """(N, H, W, 1) -> (N, H / s, W / s, s * s): map s * i + j holds row i, column j of each s x s block."""
    ...


exercises.check(3, 1, unweave)

# %% [markdown]
# **2. What do noisy targets cost?** Section 9 says that a network trained on noisy HR images learns their
# mean, the truth. Test it where no training is needed. Fit two linear filters with `best_linear` (9 × 9, on
# the enlarged picture) to lenses of `lensing.lens_set("telescope", 60, split="train")`: one with `hr` as the
# target, one with `truth`. Apply both to the lenses of `telescope`, the 60 test lenses. By how many
# decibels of mean PSNR, against the *truth*, is the filter with the noisy targets worse? Once with the
# first 15 training lenses, once with all 60.
#
# <details><summary>Hint</summary>
#
# Four calls of `best_linear(x, y, new, 9)`: `x` are the training LR images, enlarged by `pairs.resize` to
# (128, 128), `y` the targets, `new` the enlarged LR images of `telescope`. It returns what the filter makes
# of `new`, and a condition number that you do not need. The costs are a fraction of a decibel: give them to
# two digits behind the point or more.
#
# </details>

# %% tags=["exercise"]
cost_with_15_lenses = ...
cost_with_60_lenses = ...
exercises.check(3, 2, cost_with_15_lenses, cost_with_60_lenses)


# %% [markdown]
# **3. Eight views of one picture.** A network treats a picture and its mirror image differently, though
# neither is more right. So show it all eight views: the four quarter turns of LR, each with and without a
# mirror. Undo turn and mirror on every result, and take the mean (Timofte et al. 2016; now mostly called
# *self-ensemble*). Write it as a function that takes any upscaler.
#
# <details><summary>Hint</summary>
#
# `np.rot90(x, k)` turns by k quarters, `x[:, ::-1]` mirrors. What was done last is undone first. A turned
# picture has another height and width, so all results must be turned back before they can be added. To see
# whether it gains anything, score `ensemble(srcnn_x3, lr)` beside `srcnn_x3(lr)`.
#
# </details>

# %% tags=["exercise"]
def ensemble(up, lr):
    """up: a function from (h, w, C) to (s h, s w, C); lr (h, w, C) -> the mean of eight results."""
    ...


exercises.check(3, 3, ensemble)

# %% [markdown]
# ## References
#
# - C. Dong, C. C. Loy, K. He, X. Tang, *Image super-resolution using deep convolutional networks*, IEEE TPAMI
#   38, 295 (2016), [doi:10.1109/TPAMI.2015.2439281](https://doi.org/10.1109/TPAMI.2015.2439281); first shown
#   at ECCV 2014, [doi:10.1007/978-3-319-10593-2_13](https://doi.org/10.1007/978-3-319-10593-2_13).
# - J. Kim, J. K. Lee, K. M. Lee, *Accurate image super-resolution using very deep convolutional networks*,
#   CVPR 2016, [doi:10.1109/CVPR.2016.182](https://doi.org/10.1109/CVPR.2016.182): the global residual
#   connection.
# - W. Shi et al., *Real-time single image and video super-resolution using an efficient sub-pixel
#   convolutional neural network*, CVPR 2016,
#   [doi:10.1109/CVPR.2016.207](https://doi.org/10.1109/CVPR.2016.207).
# - J. Lehtinen et al., *Noise2Noise: learning image restoration without clean data*, ICML 2018,
#   [doi:10.48550/arXiv.1803.04189](https://doi.org/10.48550/arXiv.1803.04189).
# - D. P. Kingma, J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015,
#   [doi:10.48550/arXiv.1412.6980](https://doi.org/10.48550/arXiv.1412.6980).
# - R. Timofte, R. Rothe, L. Van Gool, *Seven ways to improve example-based single image super resolution*,
#   CVPR 2016, [doi:10.1109/CVPR.2016.206](https://doi.org/10.1109/CVPR.2016.206).
# - W. H. Richardson, JOSA 62, 55 (1972),
#   [doi:10.1364/JOSA.62.000055](https://doi.org/10.1364/JOSA.62.000055); L. B. Lucy, AJ 79, 745 (1974),
#   [doi:10.1086/111605](https://doi.org/10.1086/111605).
# - S. Alexander et al., *Deep learning the morphology of dark matter substructure*, ApJ 893, 15 (2020),
#   [doi:10.3847/1538-4357/ab7925](https://doi.org/10.3847/1538-4357/ab7925): the lens images of the DeepLense
#   project.

# %% [markdown]
# **Next:** lesson 04 squeezes the picture through a bottleneck. An autoencoder must forget nearly everything
# before it rebuilds the image: does that help, or hurt?
