"""SRGAN: a finished SRResNet goes on against a discriminator that tells its pictures from real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from srutils.course import find_data
from srutils.recipes import srresnet
from srutils.recipes.register import find
from srutils.recipes.settings import Settings
from srutils.scoring import perceptual

OWN, LPIPS = "the discriminator's own features", "LPIPS with SqueezeNet, which judges the model, too"


def run(settings: Settings, recipe) -> dict | None:
    """Train both networks in turns, and write the model file of the generator; return its card."""
    from srutils.networks.discriminator import Discriminator
    from srutils.recipes import torch_loop

    options = recipe.options
    size, weights, content, says = find(options["start"]).options, options["weights"], matched_features, OWN
    if "perceptual" in options and (path := find_data(perceptual.FILE)):
        weights, content, says = options["perceptual"], looks_alike(path), LPIPS
    run, network, parts, feed = srresnet.begin(settings, recipe, size, generator=size, content=says)
    judge, precision = Discriminator(network.head.in_channels, **options["judge"]), run.decides["precision"]
    trainer = torch_loop.Trainer(run, precision, network, options["rates"], discriminator=judge)
    update = adversarial(srresnet.pixel_loss(options["loss"]), weights, content)
    trainer.train(feed, update, srresnet.watch(parts))
    facts = {"losses": weights, "content": says, "discriminator": options["judge"]}
    card = srresnet.deliver(run, trainer, parts, **facts)
    trainer.close()
    return card


def looks_alike(path: Path) -> Callable:
    """Return a content loss: LPIPS, with the weights in ``path``, of SR and HR cut at a random place.

    Its network looks at every second pixel, then at every fourth: cut at one place always, SR could hide a
    mesh with that spacing from it.
    """
    import torch

    from srutils.networks.lpips import Lpips

    network = Lpips.load(path)

    def content(judge, sr, hr):
        top, left = torch.randint(8, (2,)).tolist()
        return network.to(sr.device)(sr[..., top:, left:], hr[..., top:, left:]).mean()

    return content


def matched_features(judge, sr, hr):
    """Return how different SR and HR look to the discriminator's own layers: a content loss.

    Each layer's mean absolute difference is divided by the mean size of what it makes of HR.
    """
    import torch

    with torch.no_grad():
        wanted = judge.features(hr)
    both = zip(judge.features(sr), wanted, strict=True)
    return sum((a - b).abs().mean() / b.abs().mean() for a, b in both) / len(wanted)


def adversarial(pixel_loss: Callable, weights: dict, content_loss: Callable = matched_features) -> Callable:
    """Return one step of each network, for `Trainer.train`.

    Parameters
    ----------
    pixel_loss : callable
        Of SR and HR.
    weights : dict
        How much each of the generator's losses counts: pixel, content, adversarial.
    content_loss : callable, optional
        Of the discriminator, SR and HR.

    Returns
    -------
    callable
        Its figures are the losses, the share of each in the pull at SR (the length of its weighted gradient),
        and how far the discriminator believes real and generated pictures to be real.
    """
    import torch
    from torch.nn import functional as F

    def update(trainer, lr, hr):
        sr = trainer.generator(lr)
        # 1. the discriminator: real pictures up, generated ones down
        real, fake = trainer.discriminator(torch.cat([hr, sr.detach()])).chunk(2)
        its_loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        trainer.descend(trainer.discriminator, trainer.optimisers[1], its_loss, 10.0)
        # 2. the generator: close to HR, and real in the discriminator's eyes, which hold still meanwhile
        judge = trainer.bare(trainer.discriminator).requires_grad_(False)
        with trainer.accelerator.autocast():
            losses = {
                "pixel": pixel_loss(sr, hr),
                "content": content_loss(judge, sr, hr),
                "adversarial": F.softplus(-judge(sr)).mean(),
            }
        slopes = {  # of each loss, weighted, at every pixel of SR: who pulls where, and how hard
            key: torch.autograd.grad(weights[key] * value, sr, retain_graph=True)[0].float()
            for key, value in losses.items()
        }
        chain = (sr * sum(slopes.values())).sum()  # by the chain rule its gradient is that of the whole sum
        trainer.descend(trainer.generator, trainer.optimisers[0], chain, trainer.clip)
        judge.requires_grad_(True)
        pulls = {key: slope.norm() for key, slope in slopes.items()}
        shares = {f"pull of {key}": pull / sum(pulls.values()) for key, pull in pulls.items()}
        said = {"real believed": real.sigmoid().mean(), "fake believed": fake.sigmoid().mean()}
        return {**losses, **shares, **said, "discriminator": its_loss}

    return update
