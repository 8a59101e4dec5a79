"""SRResNet on photographs, at one scale or at three with one body, and on lenses of either track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from srutils.recipes import feeds
from srutils.recipes.runs import Run
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start

FIXED, QUICK, WATCHED = 6000, 240, 24  # lenses to learn from, and in short runs; images watched meanwhile


def run(settings: Settings, recipe) -> dict | None:
    """Train, and write one model file a scale; return the card of the last."""
    from srutils.recipes import torch_loop

    options = recipe.options
    run, network, parts, feed = begin(settings, recipe, options)
    joint = len(parts) > 1
    rates, clip = (options["rate"],), options["clip"]
    trainer = torch_loop.Trainer(run, run.decides["precision"], network, rates, clip=clip, scales=joint)
    noisy = run.data.kind == "lenses" and not run.data.noise_free
    name = "mse" if noisy else options["loss"]  # the mean of all possible targets is what noise cannot move
    loss = pixel_loss(name)

    def update(trainer, lr, hr):
        scale = hr.shape[-1] // lr.shape[-1]
        sr = trainer.generator(lr, scale) if joint else trainer.generator(lr)
        value = loss(sr, hr)
        trainer.descend(trainer.generator, trainer.optimisers[0], value, trainer.clip)
        return {"loss": value}

    trainer.train(feed, update, watch(parts))
    card = deliver(run, trainer, parts, loss=name)
    trainer.close()
    return card


def begin(settings: Settings, recipe, size: dict, **decides) -> tuple:
    """Open a run; return it, its network with the first weights, its data by scale, and its feed.

    Parameters
    ----------
    settings, recipe
    size : dict
        Options of the recipe whose network it is, see `build`.
    **decides
        What else decides the result, see `Run.open`.
    """
    from srutils import course
    from srutils.recipes import torch_files, torch_loop

    options = recipe.options
    precision = torch_loop.precision_for(settings, recipe)
    start = Start.find(settings.start or options.get("start"), (".onnx", ".pt"))
    parts = load_data(settings, options)
    feed, patch = make_feed(settings, options, parts)
    decides |= {"batch": feed.size, "patch": patch, "precision": precision}
    run = Run.open(settings, recipe, parts[max(parts)], start=start, **decides)
    course.seed_everything(settings.seed)
    network = build(size, tuple(parts))
    if start is not None:
        torch_files.load_weights(network, torch_files.weights_of(start.path), start.name)
    return run, network, parts, feed


def build(options: dict, scales: tuple[int, ...]):
    """Return the untrained network of a recipe: SRResNet, or `Joint` for several scales."""
    from srutils.networks.joint import Joint
    from srutils.networks.srresnet import SRResNet

    channels = 3 if options["track"] == "photo" else 1
    size = channels, options["width"], options["blocks"], options["skip"]
    return SRResNet(*scales, *size) if len(scales) == 1 else Joint(scales, *size)


def load_data(settings: Settings, options: dict) -> dict:
    """Return the pairs to learn from, to validate and to test with: scale -> PairsData."""
    from srutils.recipes import data

    scales, track = options.get("scales") or {options["scale"]: 1.0}, options["track"]
    if track == "photo":
        found = {scale: data.photographs(settings.data, scale, settings.seed) for scale in scales}
        shares = options.get("spoiled")
        return {scale: data.spoiled(part, shares) for scale, part in found.items()} if shares else found
    (scale,) = scales
    n, target = None if settings.data else FIXED, "truth" if track == "telescope" else "hr"
    if fresh(settings, options):
        n = feeds.POOL
    elif n and settings.steps and settings.short:
        n = QUICK
    pairs = data.lens_pairs(settings.data, track, scale, n, settings.seed, target)
    if fresh(settings, options):
        says = f"simulated lenses of the {track} track, x{scale}, none shown twice"
        pairs = replace(pairs, says=f"{says}, target: the noise-free truth")
    if fresh(settings, options) and options.get("blind"):
        pairs = data.seen_by_others(pairs)
    return {scale: pairs}


def fresh(settings: Settings, options: dict) -> bool:
    """Say whether the lenses to learn from are drawn anew all the time."""
    return options["track"] == "telescope" and settings.data is None


def make_feed(settings: Settings, options: dict, parts: dict):
    """Return the batches to learn from and the side of their patches, in LR pixels."""
    batch, seed = settings.batch or options["batch"], settings.seed
    if options["track"] == "photo":
        tries = options["tries"]
        ones, side = feeds.photo_feeds(parts, settings.patch, options["patch"], batch, tries=tries, seed=seed)
        chances = options.get("scales") or dict.fromkeys(parts, 1.0)
        feed, shares = feeds.PhotoFeed(ones, chances, options["flat"], seed), options.get("spoiled")
        return feeds.SpoiledPhotos(feed, shares, seed) if shares else feed, side
    ((scale, data),) = parts.items()
    largest = min(min(lr.shape[:2]) for lr in data.train[0])
    side = settings.patch or min(options["patch"], largest)
    if side > largest:
        raise ValueError(f"--patch is {side}; expected at most {largest}, the side of the LR images")
    if fresh(settings, options):
        feed = feeds.FreshLenses(scale, batch, side, seed=seed)
        return feeds.OtherTelescopes(feed) if options.get("blind") else feed, side
    return feeds.PatchFeed(*data.train, side, batch, seed=seed), side


def pixel_loss(name: str) -> Callable:
    """Return a loss as a function of SR and HR, both (N, C, H, W).

    Parameters
    ----------
    name : {"l1", "mse", "psnr"}
        Mean absolute error; mean squared error; or the mean over images of minus PSNR / 10, in which every
        image counts alike, however faint.
    """
    import torch
    from torch.nn import functional as F

    def psnr(sr, hr):
        return torch.log10((sr.float() - hr).square().mean((1, 2, 3)) + 1e-8).mean()

    return {"l1": F.l1_loss, "mse": F.mse_loss, "psnr": psnr}[name]


def watch(parts: dict) -> Callable:
    """Return a function from a network to its PSNR on some validation images: ``val_psnr``, in dB.

    With several scales it is the mean over them, and each has its own, too. Large photographs are cut.
    """
    from srutils import metrics
    from srutils.pairs import as_images
    from srutils.recipes.scores import middle

    chosen = {}
    for scale, data in parts.items():
        both = zip(data.val[0][:WATCHED], data.val[1][:WATCHED], strict=True)
        pairs = (middle(lr, hr, scale) if data.kind == "photo" else (lr, hr) for lr, hr in both)
        chosen[scale] = [(as_images(lr), as_images(hr)[0]) for lr, hr in pairs]

    def validate(network) -> dict[str, float]:
        found = {}
        for scale, pairs in chosen.items():
            scores = [metrics.psnr(enlarge(network, lr, scale, len(parts) > 1), hr) for lr, hr in pairs]
            found[f"val_psnr_x{scale}"] = float(np.mean(scores)) if scores else float("nan")
        mean = {"val_psnr": float(np.mean(list(found.values())))}
        return mean | (found if len(found) > 1 else {})

    return validate


def enlarge(network, lr: np.ndarray, scale: int, joint: bool) -> np.ndarray:
    """Return SR (H, W, C) of one image (1, h, w, C)."""
    import torch

    from srutils.recipes.torch_loop import to_torch

    with torch.inference_mode():
        x = to_torch(lr, next(network.parameters()).device)
        sr = network(x, scale) if joint else network(x)
    return sr[0].permute(1, 2, 0).float().cpu().numpy()


def deliver(run: Run, trainer, parts: dict, **facts) -> dict | None:
    """Write the model file of each scale from the averaged weights; return the last card."""
    from srutils.recipes import torch_files

    network, photo, card = trainer.finished(), run.recipe.options["track"] == "photo", None
    facts |= {key: run.decides[key] for key in ("batch", "patch")} | trainer.facts()
    task, channels, edges = ("photographs", "rgb", "repeat") if photo else ("lenses", "gray", "zero")
    facts |= {"task": task, "channels": channels, "edges": edges, "input": "lr"}
    if fresh(run.settings, run.recipe.options):
        facts["images"] = feeds.lenses_shown(run.steps, run.decides["batch"])
    for (scale, data), name in zip(sorted(parts.items()), run.recipe.files, strict=True):
        one = network.single(scale).eval() if len(parts) > 1 else network
        export, reference = partial(torch_files.export, one), torch_files.reference(one)
        card = run.finish(export, reference, {"scale": scale, **facts}, name=name, data=data)
    run.close()
    return card
