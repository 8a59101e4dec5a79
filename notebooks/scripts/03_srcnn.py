# %% [markdown]
# # 03 · What do three layers learn?
#
# Bicubic enlargement treats every picture alike: sixteen neighbours, sixteen fixed weights. In 2014 Dong, Loy, He and
# Tang let a network of three convolutions choose the weights, from examples. It was the first network to beat the
# methods of its day at super-resolution, it fits in ten lines, and it is still the best place to see what a network does
# for an image.
#
# In this lesson we build it, look inside, and train it on photographs and on gravitational lenses. The lenses hold a
# surprise: a network trained on noisy pictures will come out *less noisy than the pictures it was trained on*. We shall
# find out where that knowledge comes from, and show it an object for which the same knowledge is wrong.

# %% [markdown]
# <!-- badges -->
# <!-- /badges -->

# %% [markdown]
# **You will do**
#
# - write SRCNN in Keras 3, count its weights, its multiply-adds and the pixels it sees;
# - train it to beat bicubic on photographs it has never seen, in well under a minute;
# - draw the filters and feature maps of a network trained a hundred times longer, read back from its model file;
# - measure what depth, filter size, the residual connection and the learning rate do;
# - move the work to the small picture with a sub-pixel convolution, and count what that saves;
# - run the same three layers against a noise ceiling, and far beyond bicubic.
#
# **You will learn**
#
# - what *patch extraction*, *mapping* and *reconstruction* mean, and how far the picture supports these names;
# - how to tell whether the network or the data pipeline is the bottleneck, and how to survive a kill;
# - why a network trained on noisy targets can be closer to the truth than its targets, and when it is not.
#
# **You will need** lesson 02 (how scores are measured), and about 45 minutes to read. The quick preset runs in about a
# minute and a half on two CPU cores. The full runs, which made the model files that this lesson loads, take a modern GPU
# some minutes each and a small CPU some hours; each model's card says what it was trained on, and for how long.

# %% tags=["nbval-ignore-output", "set-up"]
# Set-up: run this cell first.

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
import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from scipy import ndimage

from srutils import classical, metrics, model_file, pairs, photos, plotting, scoreboard, tracks, training
from srutils.upscale import Upscaler

plotting.use_style()
keras.utils.set_random_seed(0)

# %% [markdown]
# ## 1. The task: an enlarged picture in, a sharp one out
#
# SRCNN does not enlarge. Bicubic does that first, and the network sees the result: a picture of the right size with the
# fine detail missing. So its job is *image to image*, pixel grid to the same pixel grid. That makes the first network
# simple; what it costs we shall count in section 7.
#
# Photographs follow the benchmark's protocol (lesson 02): the luma of a picture, rounded to 8 bits, is HR, and LR is its
# antialiased bicubic reduction. The quick preset learns from a few photographs that come with scikit-image. The full
# preset learns from those in the folders T91, BSD200 and Photos under `SR_DATA`; the last are large and soft, so they are
# halved first, because a network cannot learn sharpness from soft pictures. In both cases whole photographs are set aside
# for validation and test, never tiles of the same one.

# %%
NAMES = {("photo", s): f"srcnn-photo-x{s}" for s in (2, 3, 4)}
NAMES |= {(track, 2): f"superrescnn-{track}-x2" for track in ("deeplense", "telescope")}


def luma8(image):
    """The luma of a photograph, rounded to 8 bits: what the benchmark calls HR."""
    return metrics.quantize(metrics.luma(image))


def photographs():
    """Luma of photographs for training and for validation; nothing of Set5 is among them."""
    if course.preset() == "quick":
        train, val, _ = photos.photo_split()
        return [luma8(x) for x in train.values()], [luma8(x) for x in val.values()]
    folders = {name: course.find_data(name) for name in ("T91", "BSD200", "Photos")}
    if None in folders.values():
        raise FileNotFoundError("the full preset trains on the folders T91, BSD200 and Photos under SR_DATA")
    t91, bsd, large = ([x for _, x in photos.folder(folder)] for folder in folders.values())
    half = [pairs.resize(x, (x.shape[0] // 2, x.shape[1] // 2), "lanczos") for x in large]  # they are soft
    train = t91 + [x for i, x in enumerate(bsd) if i % 20] + half
    return [luma8(x) for x in train], [luma8(x) for x in bsd[::20]]


def photo_pair(hr, scale):
    """What the network sees, and what it should make of it: the bicubic enlargement of LR, and HR."""
    hr = pairs.crop_to_multiple(hr, scale)
    return pairs.resize(pairs.degrade(hr, scale), hr.shape[:2]), hr


# %% [markdown]
# Training takes random patches; validation takes the middle of each photograph, always the same. Lenses come from the
# simulator of lesson 01. On both tracks the target is the **noisy HR image**, since no survey has anything better: the
# noise-free truth is kept for scoring. (A network for lenses of this kind has been called SuperResCNN in the DeepLense
# project; ours is the same three layers, which makes the comparison fair.)

# %%
def photo_data(scale):
    """Lists of inputs and targets for training, arrays for validation: the middle 180 x 180 pixels of each."""
    train, val = photographs()
    train = [pair for pair in (photo_pair(hr, scale) for hr in train) if min(pair[0].shape[:2]) >= 64]
    middle = [hr[(hr.shape[0] - 180) // 2 :, (hr.shape[1] - 180) // 2 :][:180, :180] for hr in val]
    val = [photo_pair(hr, scale) for hr in middle]
    return *map(list, zip(*train, strict=True)), *map(np.stack, zip(*val, strict=True))


def lens_data(track):
    """The same for lenses; the target is the noisy HR image, since no survey has a better one."""
    sets = []
    for split, n in (("train", course.pick(240, 3000)), ("val", course.pick(24, 64))):
        lenses = tracks.lens_set(track, n, split=split)
        sets += [pairs.resize(lenses.lr, lenses.hr.shape[1:3]), lenses.hr]
    return sets


# %% tags=["nbval-ignore-output"]
cat = luma8(photos.builtin()["chelsea"])[60:204, 120:312]
lens = tracks.simulate("telescope", 1, seed=5)
examples = {
    "photograph, x3": (*photo_pair(cat, 3), "gray", plt.Normalize(0, 1)),
    "lens, telescope x2": (pairs.resize(lens.lr, (128, 128))[0], lens.hr[0], "inferno", plotting.stretch([lens.hr])),
}
figure, axes = plt.subplots(2, 3, figsize=(8.4, 5.6), layout="constrained")
for row, (label, (x, y, cmap, norm)) in zip(axes, examples.items(), strict=True):
    row[0].imshow(x[..., 0], cmap=cmap, norm=norm)
    row[1].imshow(y[..., 0], cmap=cmap, norm=norm)
    bar = figure.colorbar(row[2].imshow((y - x)[..., 0], cmap=plotting.DIVERGING, vmin=-0.25, vmax=0.25), ax=row[2])
    bar.set_label("difference")
    for ax, what in zip(row, ("input (bicubic)", "target (HR)", "target minus input"), strict=True):
        ax.set(title=f"{label}: {what}" if what.startswith("input") else what)
        ax.set_axis_off()
plotting.show(figure, alt="Input, target and their difference, for a cat's face and for a gravitational lens.")

# %% [markdown]
# The left column is what the network gets, the middle what it is asked for, the right what it has to add. For the
# photograph that is a drawing of edges: positive on one side, negative on the other, nothing in smooth fur. For the lens
# it is the arcs' sharp crest, plus the photon noise of the HR telescope, which no network can foresee.
# *(Chelsea: Stéfan van der Walt, CC0.)*
#
# ## 2. The three layers
#
# Dong et al. read their network as a chain of three steps.
#
# 1. **Patch extraction.** 64 filters of 9 × 9 pixels turn the neighbourhood of every pixel into 64 numbers: how much of
#    this edge, of that texture, is here?
# 2. **Mapping.** 32 filters of 5 × 5 turn these descriptions of a blurred patch into descriptions of a sharp one. This is
#    the only step between two non-linearities, so the only one that can *decide*.
# 3. **Reconstruction.** One filter of 5 × 5 adds the overlapping patches up to a picture, as an average would.
#
# Two things are not in the paper of 2014. The network's output is *added* to its input, so that it only has to learn the
# right column of the figure above (a residual connection; Kim et al. 2016). And the last layer begins near zero, so that
# an untrained network is bicubic, and training can only improve on it.

# %%
def three_layers(filters=(64, 32), sizes=(9, 5, 5), residual=True):
    """Dong et al.'s network for an image that has been enlarged already, of any height and width."""
    enlarged = keras.Input((None, None, 1), name="lr")
    x = enlarged
    for count, size in zip(filters, sizes, strict=False):  # patch extraction, mapping
        x = keras.layers.Conv2D(count, size, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    small = keras.initializers.RandomNormal(stddev=1e-3) if residual else "glorot_uniform"
    x = keras.layers.Conv2D(1, sizes[-1], padding="same", kernel_initializer=small, dtype="float32")(x)  # reconstruction
    return keras.Model(enlarged, keras.layers.Add(dtype="float32")([enlarged, x]) if residual else x)


# %% [markdown]
# `None` for height and width means that any size will do: a convolution does not care. How big is this network? We count
# by hand and let Keras check. A filter that covers $k \times k$ pixels of $c$ maps has $k^2 c$ weights and one offset, and
# at every pixel each weight is one multiply-add.

# %%
def multiply_adds(network):
    """Multiply-adds at one position of the grid on which the network's convolutions work."""
    return sum(int(np.prod(layer.kernel.shape)) for layer in network.layers if hasattr(layer, "kernel"))


network = three_layers()
weights = 9 * 9 * 1 * 64 + 5 * 5 * 64 * 32 + 5 * 5 * 32 * 1
print(f"weights {weights:,}, with offsets {weights + 64 + 32 + 1:,}")
assert network.count_params() == weights + 64 + 32 + 1 and multiply_adds(network) == weights
print(f"the middle layer has {5 * 5 * 64 * 32 / weights:.0%} of them")
print(f"one output pixel depends on {9 + 5 + 5 - 2} x {9 + 5 + 5 - 2} input pixels")

x = np.random.default_rng(0).random((1, 40, 30, 1), dtype=np.float32)
untrained = keras.ops.convert_to_numpy(network(x))
print(f"before training it changes the image by {np.sqrt(np.mean((untrained - x) ** 2)):.2f} (rms)")
assert untrained.shape == x.shape and np.sqrt(np.mean((untrained - x) ** 2)) < 0.02

# %% [markdown]
# A modern network has a thousand times as many weights. The field of view is small, too: at x3, 17 enlarged pixels are
# fewer than six LR pixels. Whatever these layers learn, it is about edges and texture; they cannot know what a cat is.
#
# ## 3. Training, and how to survive a kill
#
# The loss is the mean squared error, which is PSNR in other words, so we train for exactly what we score. Adam follows
# it; the learning rate climbs during the first steps, while Adam's averages settle, and then falls along a cosine, so that
# the run ends with small, careful steps.

# %%
def compiled(model, steps, rate=2e-3):
    """Adam; the learning rate climbs for a while, then falls along a cosine to a hundredth."""
    warm = min(200, steps // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.1 * rate, steps - warm, alpha=0.01, warmup_target=rate, warmup_steps=warm
    )
    model.compile(keras.optimizers.Adam(schedule), "mse", metrics=[training.psnr], jit_compile=False)
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
# The patches come from `training.PatchFeed`. It cuts them at random places and in one of eight orientations (an edge is
# an edge in a mirror), and a thread of its own keeps a few batches ready, so that the network need not wait. Batch number
# $k$ depends on the seed and on $k$, on nothing else. That is what makes an exact restart possible: after every "epoch"
# (here simply a fixed number of steps) model, optimiser and records are written to disk; a run that was killed loads
# them, asks the feed for batch number $k+1$ and goes on *as if nothing had happened*. One of the course's tests kills a run in the
# middle and compares the weights at the end, bit for bit.

# %%
def train(name, data, steps, *, patch=64, batch=16, rate=2e-3, fresh=False):
    """Train the run `name`, or go on where it was interrupted; the model and its records, one an epoch."""
    x, y, val_x, val_y = data
    per_epoch = min(course.pick(50, 250), steps)
    folder = course.cache_dir() / "training" / name / f"{course.preset()}-{steps}"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    model, done = training.resume(folder, lambda: compiled(three_layers(), steps, rate), per_epoch)
    feed = training.PatchFeed(x, y, patch, batch, start=done * per_epoch)
    model.fit(
        iter(feed),
        steps_per_epoch=per_epoch,
        initial_epoch=done,
        epochs=steps // per_epoch,
        validation_data=(val_x, val_y),
        validation_batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=[training.progress(per_epoch, batch), Clock(feed), training.checkpoint(folder)],
    )
    return model, training.history(folder)


# %% [markdown]
# A run ends with two files: the network as ONNX, which needs neither Keras nor TensorFlow to run, and its **card**, a
# small JSON file with everything the run knows about itself. `model_file.save_model` compares the two networks on images
# of random sizes before it writes anything. The scores on the card are those of the *file*, on pictures that the run
# never saw.

# %%
def test_sets(track, scale):
    """Functions that score an upscaler on what it was not trained with."""
    if track != "photo":
        lenses = tracks.lens_set(track, course.pick(60, 1000), split="test")
        return {f"{track} test": lambda up: scoreboard.evaluate_lenses(up, lenses)}
    # The full preset trains on other pictures, so that all built-in photographs are held out.
    held_out = course.pick(photos.photo_split()[2], photos.builtin())
    sets = {"held-out photographs": held_out.items()}
    if course.find_data("Set5"):
        sets["Set5"] = photos.set5()
    return {name: lambda up, images=images: scoreboard.evaluate_photos(up, images) for name, images in sets.items()}


def ship(name, track, scale, model, records, **facts):
    """Write NAME.onnx and its card, and score the file, not the model it was made from."""
    folder = course.pick(course.cache_dir() / "models", course.models_dir())
    keras.mixed_precision.set_global_policy("float32")
    twin = three_layers()  # the run may have used shorter numbers; the file does not
    twin.set_weights(model.get_weights())
    framework = keras.backend.backend()
    card = {
        "task": "photographs" if track == "photo" else "lenses",
        "scale": scale,
        "channels": "luma" if track == "photo" else "gray",
        "input": "bicubic",
        "framework": f"Keras {keras.__version__}, {framework} {course.version_of(framework)}",
        "preset": course.preset(),
        "seconds": round(sum(row["seconds"] for row in records)),
        **facts,
    }
    with warnings.catch_warnings():  # of the exporters, about their own dependencies
        warnings.simplefilter("ignore")
        twin(np.zeros((1, 32, 32, 1), np.float32))
        export = lambda path: twin.export(str(path), format="onnx", verbose=False)  # noqa: E731
        reference = lambda x: keras.ops.convert_to_numpy(twin(x))  # noqa: E731
        card = model_file.save_model(name, folder, export, reference, card)
    up = Upscaler.load(folder / f"{name}.onnx")
    card["metrics"] = {key: score(up) for key, score in test_sets(track, scale).items()}
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
# trains x3 on photographs, writes the model file, and stops in the next cell. `SR_TRACK` may also be `deeplense` or
# `telescope` (with `SR_SCALE=2`), and `SR_STEPS` sets the length. Without `SR_TRACK` the full preset trains all five and
# goes on with the lesson. At the full preset, photographs are learned with 16-bit numbers (bfloat16) where that is
# faster; weights, loss and the last layer keep 32 bits.

# %%
LENSES = f"{course.pick(240, 3000)} simulated lenses of the @ track, target: the noisy HR image"
PHOTOS = ("photographs inside scikit-image; luma, 8 bits", "T91, BSDS500 train, 42 photographs halved; luma, 8 bits")
SPLIT = ("by photograph (photos.photo_split)", "every 20th BSDS500 image is held out for validation")


def run(track, scale):
    """One full run: data, training, model file, scores."""
    name, steps = NAMES[track, scale], int(os.environ.get("SR_STEPS") or course.pick(300, 20_000))
    policy = course.pick("float32", "mixed_bfloat16") if track == "photo" else "float32"
    facts = {"data": course.pick(*PHOTOS), "split": course.pick(*SPLIT)}
    if track != "photo":
        facts = {"data": LENSES.replace("@", track), "split": "train, val and test are drawn from separate seeds"}
    print(f"{name}: {steps} steps on {facts['data']}", flush=True)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(0)
    model, records = train(name, photo_data(scale) if track == "photo" else lens_data(track), steps)
    facts |= {"recipe": "Adam, warm-up to 2e-3, cosine to 2e-5, MSE, residual", "policy": policy}
    facts |= {"steps": steps, "batch": 16, "patch": 64, "seed": 0}
    for key, scores in ship(name, track, scale, model, records, **facts)["metrics"].items():
        print(f"{key}: {scores['psnr']:.2f} dB / {scores['ssim']:.4f}, bicubic {scores['bicubic']['psnr']:.2f} dB")


chosen = (os.environ.get("SR_TRACK"), int(os.environ.get("SR_SCALE") or 2))
if chosen[0] and chosen not in NAMES:
    raise ValueError(f"SR_TRACK and SR_SCALE ask for {chosen}; this lesson trains {', '.join(map(str, NAMES))}")
for track, scale in [chosen] if chosen[0] else course.pick([], list(NAMES)):
    run(track, scale)
if chosen[0] and get_ipython() is None:
    raise SystemExit

# %% [markdown]
# ## 4. Beating bicubic in seconds
#
# Now the quick run: x3, seven photographs to learn from, two for validation. What counts is the last column of the
# progress line, the PSNR on validation photographs, and the line it must cross: that of bicubic, which is the network's
# own input.

# %% tags=["nbval-ignore-output"]
keras.utils.set_random_seed(0)
data = photo_data(3)
model, records = train("lesson-x3", data, course.pick(250, 2000), patch=48, batch=8, fresh=True)

# %% tags=["nbval-ignore-output"]
bicubic_val = float(metrics.psnr(data[2], data[3]).mean())
bicubic_train = float(np.mean([metrics.psnr(x, y) for x, y in zip(*data[:2], strict=True)]))
figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.4), layout="constrained")
steps = np.arange(1, len(records) + 1) * course.pick(50, 250)
for ax, key, line, what in zip(axes, ("psnr", "val_psnr"), (bicubic_train, bicubic_val), ("training patches", "validation"), strict=True):
    ax.plot(steps, [row[key] for row in records], color=plotting.COLOURS[5], marker="o", label="network")
    ax.axhline(line, color="black", linestyle="--", linewidth=1, label="bicubic (on whole images)" if key == "psnr" else "bicubic")
    ax.set(title=what, xlabel="step", ylabel="PSNR [dB]")
    ax.legend()
plotting.show(figure, alt="PSNR during training, on training patches and on validation images, with bicubic's lines.")

# %% [markdown]
# On the left is the PSNR on the patches just seen: it jumps about, because each point averages other patches, some of
# them sky. On the right is the PSNR on the same validation crops each time, and the dashed line is bicubic on these very
# crops. The network starts on that line, since it was built to, and leaves it for good within the first epochs. A curve
# without that line would say nothing: 27 dB may be excellent or poor, it depends on the picture.
#
# Two photographs have not been touched so far. They decide, on the benchmark's protocol, whether anything was learned;
# and the records tell who was waiting for whom.

# %% tags=["nbval-ignore-output"]
quick_card = ship("lesson-x3", "photo", 3, model, records, data="photographs inside scikit-image", steps=250)
held_out = quick_card["metrics"]["held-out photographs"]
gain = held_out["psnr"] - held_out["bicubic"]["psnr"]
print(f"held-out photographs: {held_out['psnr']:.2f} dB, bicubic {held_out['bicubic']['psnr']:.2f} dB: {gain:+.2f} dB")
trained, waited = (sum(row[key] for row in records) for key in ("training", "waited"))
patches = len(records) * course.pick(50, 250) * 8
print(f"{patches / trained:.0f} patches of 48 x 48 a second, {waited / trained:.1%} of the time spent waiting for patches")

# %%
assert gain > 0.15, "the quick run must beat bicubic on photographs it has never seen"
assert records[-1]["val_psnr"] > bicubic_val + 0.15
assert waited < 0.10 * trained, "the feed, not the network, would be the bottleneck"
assert quick_card["onnx_max_difference"] < 1e-5
print("beats bicubic on held-out photographs; the network is the bottleneck; the file computes what Keras computes")

# %% [markdown]
# If the share of waiting were large, a faster processor would not help: one would cut larger pieces, read files earlier,
# or use more threads. The number costs two lines to measure, and it is the first thing to look at when training is slow.
#
# ### What is on the disk
#
# Calling `train` again for the same run shows the restart. The finished run is found, no step is left, and the weights
# are the same to the last bit. The checkpoint is a `.keras` file: architecture, weights, the optimiser's moments and its
# step counter in one archive.

# %%
again, its_records = train("lesson-x3", data, course.pick(250, 2000), patch=48, batch=8)
same = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
print(f"weights equal: {same}; steps in the optimiser: {int(again.optimizer.iterations)}; records: {len(its_records)}")
assert same and its_records == records

# %% [markdown]
# Many older courses save a `.h5` file instead. With the loss given by its short name, as everybody writes it, Keras 3
# saves such a file and then cannot load it. Let us watch that happen.

# %%
logging.getLogger("absl").setLevel("ERROR")  # Keras, too, advises against .h5
with tempfile.TemporaryDirectory() as folder:
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
assert "mse" in complaint and np.array_equal(outputs[0], outputs[1]) and np.array_equal(outputs[0], outputs[2])
print(".keras: loads, and computes the same; so does the .h5 file with compile=False, but without its optimiser")

# %% [markdown]
# The old format stores the *word* "mse", and the loader looks for a class of that name among the metrics, in vain. If you
# meet such a file, `compile=False` rescues the network, and you compile it anew. For your own work, save `.keras`.
