"""Samples of all HR that fit: a flow from noise, given LR and what a finished network makes of it.

Every step draws lenses that no step before has shown. So the errors that the network learns the width of are
those on unseen lenses, and its error bars do not become too small. To go on from the shipped file, or from
your own: ``srutils train posterior-telescope-x4 --from posterior-telescope-x4 --steps 20000``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from srutils.recipes import feeds
from srutils.recipes.register import find
from srutils.recipes.runs import Run
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start

WATCHED = 32  # validation lenses that are looked at during a run


def run(settings: Settings, recipe) -> dict | None:
    """Train, and write the model file; return its card."""
    from srutils import course
    from srutils.recipes import posterior_files, torch_files, torch_loop

    options = recipe.options
    if settings.data is not None or settings.patch is not None:
        refused = "it takes no --data and no --patch"
        raise ValueError(f"{recipe.name} learns from whole simulated lenses; {refused}")
    precision = torch_loop.precision_for(settings, recipe)
    base, start = Start.find(options["base"]), Start.find(settings.start, (".onnx", ".pt"))
    data = load_data(options, settings.seed)
    batch = settings.batch or options["batch"]
    decides = {"batch": batch, "precision": precision, "base (SHA-256)": base.sha256}
    run = Run.open(settings, recipe, data, start=start, **decides)
    course.seed_everything(settings.seed)
    network = build(options)
    torch_files.load_weights(network.base, torch_files.weights_of(base.path), base.name)
    if start is not None:
        posterior_files.load_weights(network, torch_files.weights_of(start.path), start.name)
    learner = posterior_files.learner(network)
    trainer = torch_loop.Trainer(run, precision, learner, (options["rate"],), clip=options["clip"])
    lenses = {"seed": settings.seed, "classes": options["classes"]}
    feed = feeds.FreshLenses(options["scale"], batch, data.train[0][0].shape[0], **lenses)

    def update(trainer, lr, hr):
        losses = trainer.generator(lr, hr)
        total = losses["mean"] + losses["width"] + losses["flow"]
        trainer.descend(trainer.generator, trainer.optimisers[0], total, trainer.clip)
        return {"loss": total, **losses}

    trainer.train(feed, update, watch(data))
    facts = {"classes": options["classes"], "base": base.facts(), "batch": batch, **trainer.facts()}
    facts["images"] = feeds.lenses_shown(run.steps, batch)
    card = posterior_files.deliver(run, trainer.finished().posterior, data, facts)
    trainer.close()
    run.close()
    return card


def build(options: dict):
    """Return the untrained network of a recipe; its base is untrained, too."""
    from srutils.lensing.instruments import FWHM_PER_SIGMA, PEAK, PSF_FWHM, SKY, widening
    from srutils.networks.flow import Posterior
    from srutils.recipes import srresnet

    scale = options["scale"]
    base = srresnet.build(find(options["base"]).options, (scale,))
    blur = widening(PSF_FWHM[scale]) / FWHM_PER_SIGMA
    return Posterior(base.requires_grad_(False), blur, PEAK, SKY, options["integration"])


def load_data(options: dict, seed: int):
    """Return validation and test lenses of the recipe's classes, against their noise-free truth."""
    from srutils.recipes import data

    classes, scale = options["classes"], options["scale"]
    pairs = data.lens_pairs(None, "telescope", scale, feeds.POOL, seed, "truth", classes)
    says = f"simulated lenses of the telescope track, x{scale}, {', '.join(classes)}, none shown twice"
    return replace(pairs, says=f"{says}, target: the noise-free truth")


def watch(data) -> Callable:
    """Return a function from the averaged network to figures of some validation lenses.

    ``val_psnr`` is that of the guessed mean, in dB; ``val_68`` the share of ring pixels that lie within the
    guessed width of it; ``val_flow`` the loss of the flow, pi / 2 for normal numbers without any correlation.
    """
    import torch

    from srutils.recipes.torch_loop import to_torch

    lr, hr = (to_torch(np.stack(images[:WATCHED])) for images in data.val)

    def validate(learner) -> dict[str, float]:
        network = learner.posterior
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(0)
            device = next(network.parameters()).device
            x, y = lr.to(device), hr.to(device)
            sr, mean, width, _ = network.look(x)
            missed = torch.pixel_shuffle(mean, network.scale) - (y - sr)
            ring = y > 0.05
            inside = (missed.abs() < torch.pixel_shuffle(width, network.scale))[ring].float().mean()
            psnr = -10 * missed.square().mean((1, 2, 3)).log10().mean()
            losses = network.losses(x, y)
        figures = {"val_psnr": psnr, "val_68": inside, "val_flow": losses["flow"]}
        return {key: float(value) for key, value in figures.items()}

    return validate
