"""The loop of the Keras recipes: plain steps, records, and checkpoints that resume bit for bit."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from srutils.recipes import keras_files
from srutils.recipes.runs import Run
from srutils.recipes.settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length otherwise
POLICIES = {"no": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


@contextlib.contextmanager
def on_device(settings: Settings) -> Iterator[None]:
    """Train on the device that the reader asked for.

    Raises
    ------
    ValueError
        Several processes, a device that is not there, or fp16 without a GPU.
    """
    import keras

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(f"{settings.recipe} trains in one process; start it without `accelerate launch`")
    gpu = bool(keras.distribution.list_devices("gpu")) and settings.device != "cpu"
    if settings.device in ("cuda", "mps") and not gpu:
        raise ValueError(f"--device is {settings.device}, and Keras finds no GPU here")
    if settings.precision == "fp16" and not gpu:
        raise ValueError("--precision fp16 needs a GPU; bf16 and no work everywhere")
    with keras.device("gpu:0" if gpu else "cpu:0"):
        yield


def precision_for(settings: Settings, usual: str) -> str:
    """Return "no", "bf16" or "fp16"; "auto" is bf16 on a processor that computes with it, else float32."""
    asked = settings.precision or usual
    if asked != "auto":
        return asked
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # another system than Linux
        return "no"
    return "bf16" if "avx512_bf16" in flags or "amx_bf16" in flags else "no"


def cosine(rate: float, steps: int, last: float = 0.01):
    """Return a learning rate that climbs for at most 200 steps, then falls to `last` of `rate`."""
    import keras

    warm = min(200, steps // 4)
    options = {"alpha": last, "warmup_target": rate, "warmup_steps": warm}
    return keras.optimizers.schedules.CosineDecay(rate / 10, max(steps - warm, 1), **options)


def train_upscaler(
    settings: Settings,
    recipe,
    data,
    start,
    feed,
    new: Callable,
    validate: Callable,
    facts: dict,
    finish: Callable = lambda network: network,
) -> dict:
    """Train a network that enlarges images, with Adam and MSE; write its files and return its card.

    Parameters
    ----------
    settings, recipe, data, start
        As for `Run.open`.
    feed : Feed
        ``size`` and ``patch`` decide the result, too.
    new : callable
        Returns the untrained network.
    validate : callable
        From the network to figures for the record.
    facts : dict
        What the card says of the network.
    finish : callable, optional
        From the trained network to the one that is written: with fixed layers behind it, say.
    """
    import keras

    options, precision = recipe.options, precision_for(settings, recipe.options["precision"])
    decides = {"batch": feed.size, "patch": feed.patch, "precision": precision}

    def build():
        network = new()
        if start is not None:
            keras_files.give_weights(network, keras_files.weights_of(start.path), start.name)
        return network

    def compiled(network, steps):
        more = {"beta_2": options.get("beta_2", 0.999), "global_clipnorm": options.get("clip")}
        adam = keras.optimizers.Adam(cosine(options["rate"], steps), **more)
        network.compile(adam, "mse", jit_compile=False)

    with on_device(settings):
        run = Run.open(settings, recipe, data, start=start, **decides)
        network = train(run, build, compiled, feed, validate, precision)
        twin = keras_files.in_float32(network, new)
        facts = {"parameters": twin.count_params(), **facts}
        twin = finish(twin)
        export, reference = keras_files.exporter(twin)
        facts = {**facts, **decides, **keras_files.facts(precision)}
        also = {".keras": keras_files.of_built_in_layers(twin).save}
        card = run.finish(export, reference, facts, also=also)
    run.close()
    return card


def watch(chosen: list[tuple[np.ndarray, np.ndarray]]) -> Callable:
    """Return a function from a network to its mean PSNR on pairs of what it sees, (1, h, w, C), and HR."""
    import keras

    from srutils import metrics

    def validate(network) -> dict[str, float]:
        pictures = (keras.ops.convert_to_numpy(network(x, training=False))[0] for x, _ in chosen)
        scores = [metrics.psnr(sr, hr) for sr, (_, hr) in zip(pictures, chosen, strict=True)]
        return {"val_psnr": float(np.mean(scores))}

    return validate


def train(run: Run, build: Callable, compiled: Callable, feed, validate: Callable, precision: str) -> object:
    """Take the run's remaining steps; keep a record and a checkpoint at every tenth of them at least.

    Step k of a run sees batch k and the weights after step k - 1, whether or not it was killed in between.

    Parameters
    ----------
    run : Run
    build : callable
        Returns the network with its first weights.
    compiled : callable
        ``compiled(network, steps)`` gives it an optimiser, with a rate that ends after so many steps, and
        losses.
    feed : Feed
    validate : callable
        From the network to figures for the record.
    precision : {"no", "bf16", "fp16"}

    Returns
    -------
    keras.Model
    """
    from tqdm import tqdm

    saved, step = run.folder / "last.keras", 0
    network = keras_files.load(saved) if saved.is_file() else None
    if run.steps is None:
        _plan(run, build, compiled, feed, validate, precision)
    if network is None:
        network = _made(run, build, compiled, precision)
    else:
        step = int(network.optimizer.iterations)
    run.resume(step)
    feed.start, every, began = step, max(1, min(250, run.steps // 10)), time.perf_counter()
    batches = iter(feed)
    bar = tqdm(total=run.steps, initial=step, desc=run.recipe.name, disable=None, file=sys.stderr)
    with run.interruptible() as asked, bar:
        while step < run.steps:
            logs = network.train_on_batch(*next(batches), return_dict=True)
            step += 1
            bar.update()
            if step % every == 0 or step == run.steps or asked.is_set():
                row = {"step": step, **{key: float(value) for key, value in logs.items()}}
                row |= validate(network)
                run.record(row | {"seconds": time.perf_counter() - began})
                began = time.perf_counter()
                network.reset_metrics()
                _save(network, saved)
                shown = "  ".join(f"{key} {row[key]:.4g}" for key in row if key == "loss" or "val" in key)
                bar.write(f"step {step} of {run.steps}  {shown}", file=sys.stdout)
                if asked.is_set() and step < run.steps:
                    run.stopped(step)
    batches.close()
    return network


def _made(run: Run, build: Callable, compiled: Callable, precision: str, steps: int | None = None):
    import keras

    keras.utils.set_random_seed(run.settings.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        network = build()
    finally:
        keras.config.set_dtype_policy(before)
    compiled(network, steps or run.steps)
    # inside the first step, which is traced, a large network's variables would take minutes to make
    network.optimizer.build(network.trainable_variables)
    return network


def _plan(run: Run, build: Callable, compiled: Callable, feed, validate: Callable, precision: str) -> None:
    """Let the run decide its steps, by those of a network that is thrown away."""
    network, batches = _made(run, build, compiled, precision, steps=1000), iter(feed)
    trial_file, pauses = run.folder / "trial.keras", 0.0
    network.train_on_batch(*next(batches))
    for _ in range(2):  # the first time is slower than all that follow
        began = time.perf_counter()
        validate(network)
        _save(network, trial_file)
        pauses = 10 * (time.perf_counter() - began)
    trial_file.unlink()
    run.plan(lambda n: [network.train_on_batch(*next(batches)) for _ in range(n)], pauses=pauses)
    batches.close()


def _save(network, path: Path) -> None:
    """Write layers, weights and optimiser aside and rename them: a kill leaves the last whole file."""
    network.save(path.with_name("next.keras"))
    os.replace(path.with_name("next.keras"), path)
