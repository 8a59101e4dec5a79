# %% [markdown]
# # 04 · Does a bottleneck help or hurt?

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
import os
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length otherwise

import keras
import numpy as np
from keras import layers

from srutils import course, metrics, model_file, pairs, photos, plotting, scoreboard, training
from srutils.upscale import Upscaler

SCALE, TILE = 2, 128
ONLY = os.environ.get("SR_TRACK")  # set: train and export this one model, and stop
if ONLY not in (None, "", "photo") or os.environ.get("SR_SCALE", "2") != "2":
    raise ValueError("lesson 04 trains one model: SR_TRACK=photo, SR_SCALE=2")
course.seed_everything(0)
plotting.use_style()

# %%
def half(image):
    """The photographs of the folder Photos are soft; at half their size they are sharp."""
    image = pairs.crop_to_multiple(image, 2)
    return pairs.resize(image, (image.shape[0] // 2, image.shape[1] // 2), "lanczos")


def long_run_photographs():
    """For the full preset: T91, BSD200 and Photos under SR_DATA; every 20th of BSD200 is kept for validation."""
    folders = [course.find_data(name) for name in ("T91", "BSD200", "Photos")]
    if None in folders:
        raise FileNotFoundError("the full preset trains on the folders T91, BSD200 and Photos under SR_DATA")
    t91, bsd, soft = (photos.folder(folder) for folder in folders)
    train = t91 + [bsd[i] for i in range(len(bsd)) if i % 20] + [(name, half(image)) for name, image in soft]
    return [image for _, image in train], bsd[::20]


if course.preset() == "quick":
    parts = photos.photo_split(seed=0)
    train_images, val_photographs = list(photos.tiles(parts[0], TILE)), parts[1]
else:
    train_images, val_photographs = long_run_photographs()
val_tiles = photos.tiles(val_photographs, TILE, n_per_image=course.pick(8, 4))

# %%
def low(hr):
    """LR as an 8-bit file would hold it."""
    return metrics.quantize(pairs.degrade(hr, SCALE))


def linear(lr):
    """The linear enlargement, which is what the network is given."""
    return pairs.resize(lr, (lr.shape[-3] * SCALE, lr.shape[-2] * SCALE), "bilinear")


def bicubic(lr):
    return pairs.resize(lr, (lr.shape[-3] * SCALE, lr.shape[-2] * SCALE), "bicubic")


class Enlarged(training.PatchFeed):
    """Patches of LR and HR, LR enlarged: cut before it is enlarged, its grid lies the same way in every patch."""

    def batch(self, k):
        lr, hr = super().batch(k)
        return linear(lr), hr

    @staticmethod
    def of(hr):
        return linear(low(hr)), hr


# float16 holds 8-bit levels to a twentieth of a level, in half the memory.
hr_images = [pairs.crop_to_multiple(metrics.quantize(image), SCALE).astype(np.float16) for image in train_images]
lr_images = [low(image).astype(np.float16) for image in hr_images]

# %%
def conv(x, filters, kernel=3, strides=1):
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", activation="relu")(x)


def autoencoder(skips, widths=(48, 64), code=8):
    """Encoder, code, decoder; with skips, every stage of the decoder also gets what the encoder saw there."""
    rgb = keras.Input((None, None, 3), name="lr")
    half_size = conv(conv(rgb, widths[0], kernel=5, strides=2), widths[0])
    quarter_size = conv(conv(half_size, widths[1], strides=2), widths[1])
    x = layers.Conv2D(code, 3, padding="same", name="code")(quarter_size)  # the bottleneck
    x = conv(conv(x, widths[1]), widths[1])
    x = layers.Add()([x, quarter_size]) if skips else x
    x = conv(layers.UpSampling2D(2)(x), widths[0])
    x = layers.Add()([x, half_size]) if skips else x
    x = conv(conv(x, widths[0]), widths[0])
    start = keras.initializers.RandomNormal(stddev=1e-3) if skips else "glorot_uniform"
    last = layers.Conv2DTranspose(3, 6, strides=2, padding="same", kernel_initializer=start, dtype="float32")(x)
    out = layers.Add(dtype="float32")([last, rgb]) if skips else last
    return keras.Model(rgb, out, name="with_skips" if skips else "plain")


# %%
STEPS = int(os.environ.get("SR_STEPS") or course.pick(300, 30_000))
EPOCH = min(course.pick(50, 250), STEPS)  # steps between two looks at the validation tiles
EPOCHS, BATCH, PATCH = STEPS // EPOCH, course.pick(8, 16), course.pick(24, 32)  # PATCH in LR pixels
WIDTHS = course.pick((24, 32), (48, 64))
PRECISION = course.pick("float32", "mixed_bfloat16")


def compiled(network, rate):
    """Adam with a warm-up and a cosine fall of the learning rate, on the mean squared error."""
    warm = min(200, STEPS // 5)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 10, EPOCHS * EPOCH - warm, alpha=0.01, warmup_target=rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.Adam(schedule)
    network.compile(optimizer, "mse", metrics=[training.psnr], jit_compile=False)
    return network


class Clock(keras.callbacks.Callback):
    """Adds an epoch's seconds to what is recorded of it."""

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = time.perf_counter() - self.began


def train(name, build, feed_class=Enlarged):
    """Train for STEPS, at the full preset from where the last run was stopped; return network, history, feed."""
    folder = course.cache_dir() / "training" / name
    long = course.preset() == "full"
    keras.config.set_dtype_policy(PRECISION)
    network, done = training.resume(folder, build, EPOCH) if long else (build(), 0)
    keras.config.set_dtype_policy("float32")
    feed = feed_class(lr_images, hr_images, PATCH, BATCH, start=done * EPOCH)
    record = training.checkpoint(folder) if long else keras.callbacks.History()
    recorded = network.fit(
        iter(feed), steps_per_epoch=EPOCH, epochs=EPOCHS, initial_epoch=done, shuffle=False, verbose=0,
        validation_data=feed_class.of(val_tiles), validation_batch_size=8,
        callbacks=[Clock(), record, training.progress(EPOCH, BATCH)],
    )  # fmt: skip
    curves = recorded.history
    if long:
        rows = training.history(folder)
        curves = {key: [row[key] for row in rows] for key in rows[0]}
    return network, curves, feed


# %% tags=["nbval-ignore-output"]
NAME = "autoencoder-photo-x2"
variants = {NAME: True} if ONLY else {"autoencoder-plain": False, NAME: True}
networks, curves, feeds = {}, {}, {}
for name, skips in variants.items():
    build = lambda: compiled(autoencoder(skips, WIDTHS), 2e-3)  # noqa: B023, E731  (called at once)
    networks[name], curves[name], feeds[name] = train(name, build)
    seconds = sum(curves[name]["seconds"])
    print(f"{name}: {seconds:.0f} s, {100 * feeds[name].waited / seconds:.1f} % of it waiting for patches")

# %%
def export(name, folder, card):
    """Write the model file. A network in mixed precision keeps float32 weights, which a float32 twin takes over."""
    twin = autoencoder(variants[name], WIDTHS)
    twin.set_weights(networks[name].get_weights())
    run = lambda x: keras.ops.convert_to_numpy(twin(x))  # noqa: E731
    run(np.zeros((1, 16, 16, 3), np.float32))

    def write(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            twin.export(str(path), format="onnx", verbose=False)

    return model_file.save_model(name, folder, write, run, card)


def tile_scores(upscaler, tiles):
    """The ancestor's protocol: x2 down, enlarged again, SSIM and PSNR of the RGB tiles."""
    sr = np.clip(upscaler(low(tiles)), 0, 1)
    return {"psnr": float(metrics.psnr(sr, tiles).mean()), "ssim": float(metrics.ssim(sr, tiles).mean())}


def measured(upscaler):
    """What goes into the card: Set5 (if it is here), photographs and 128 px tiles that no training saw."""
    held_out = photos.builtin() if course.preset() == "full" else photos.photo_split(seed=0)[2]
    sets = {"held-out photographs": held_out.items()}
    if course.find_data("Set5"):
        sets["Set5"] = photos.set5()
    scores = {name: scoreboard.evaluate_photos(upscaler, images) for name, images in sets.items()}
    tiles = photos.tiles({name: image for name, image in held_out.items() if image.shape[-1] == 3}, TILE)
    methods = {m: Upscaler.load(m, SCALE) for m in ("bilinear", "bicubic")}
    row = {"n": len(tiles), "protocol": "RGB tiles", **tile_scores(upscaler, tiles)}
    row |= {name: tile_scores(method, tiles) for name, method in methods.items()}
    return scores | {"held-out 128 px tiles": row}


# %% tags=["nbval-ignore-output"]
card = {
    "task": "photo", "scale": SCALE, "channels": "rgb", "input": "bilinear", "multiple": 4,
    "architecture": f"convolutional autoencoder with additive skips, widths {WIDTHS}, code 8, residual to bilinear",
    "data": course.pick("photographs inside scikit-image, training part", "T91, BSD200 (but every 20th), Photos / 2"),
    "split": "by photograph", "preset": course.preset(), "steps": STEPS, "batch": BATCH, "patch": PATCH * SCALE,
    "loss": "mse", "precision": PRECISION, "seconds": round(sum(curves[NAME]["seconds"])), "seed": 0,
    "framework": f"Keras {keras.__version__} ({keras.backend.backend()})",
}  # fmt: skip
where = course.models_dir() if course.preset() == "full" else course.cache_dir() / "models"
trial = course.cache_dir() / "trial"  # measured is the file that will ship, so it is written twice
export(NAME, trial, card)
card = export(NAME, where, card | {"metrics": measured(Upscaler.load(trial / f"{NAME}.onnx"))})
print({key: card[key] for key in ("parameters", "receptive_field", "onnx_max_difference")})
for name, row in card["metrics"].items():
    print(f"{name}: SSIM {row['ssim']:.4f}, bicubic {row['bicubic']['ssim']:.4f}; PSNR {row['psnr']:.2f}, {row['bicubic']['psnr']:.2f}")

# %%
if ONLY:  # as a script that was asked for one model
    raise SystemExit(0)
