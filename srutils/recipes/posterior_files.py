"""A `Posterior` to its model file and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from srutils.scoring.posterior import RING

MULTIPLE = 4  # of LR's sides: both U-Nets halve them twice


def learner(network):
    """Return a module whose call gives the losses of a `Posterior`, as the loop of several GPUs needs it."""
    from torch import nn

    class Learner(nn.Module):
        def __init__(self):
            super().__init__()
            self.posterior = network

        def forward(self, lr, hr):
            return self.posterior.losses(lr, hr)

    return Learner()


def load_weights(network, weights: dict, name: str) -> None:
    """Put weights of a model file, or of a checkpoint of `learner`, into a `Posterior`.

    Raises
    ------
    ValueError
        They belong to another network.
    """
    found = {key.removeprefix("posterior."): value for key, value in weights.items()}
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items() if key != "kernel"}
    if {key: tuple(found[key].shape) for key in wanted if key in found} != wanted:
        raise ValueError(f"{name} holds another network; expected one that this recipe has written")
    network.load_state_dict({key: found[key] for key in wanted}, strict=False)


def calibrate(network, lr: np.ndarray, hr: np.ndarray) -> float:
    """Multiply the widths that a `Posterior` guesses by one number, which makes them right on these lenses.

    Samples see an image in eight positions (`Upscaler.draw`), so their mean errs less than one guess, and
    they spread by what the eight differ in, too. With this number, as often as a normal number lies within
    one standard deviation the truth lies within that of the samples, on the ring.

    Parameters
    ----------
    network : Posterior
        Changed in place.
    lr, hr : ndarray (N, h, w, 1) and (N, H, W, 1)
        Lenses that nothing was learnt from.

    Returns
    -------
    float
    """
    import torch

    from srutils.recipes.torch_loop import to_torch

    means, widths = [], []
    for quarter in range(4):
        for flip in (1, -1):
            view = np.ascontiguousarray(np.rot90(lr, quarter, (1, 2))[:, :, ::flip])
            with torch.inference_mode():
                sr, mean, width, _ = network.look(to_torch(view))
                mean = sr + torch.pixel_shuffle(mean, network.scale)
                width = torch.pixel_shuffle(width, network.scale)
            for kept, image in zip((means, widths), (mean, width), strict=True):
                image = image.permute(0, 2, 3, 1).numpy()
                kept.append(np.rot90(image[:, :, ::flip], -quarter, (1, 2)))
    ring, means = hr > RING, np.stack(means)
    error, among = np.abs(means.mean(0) - hr)[ring], means.var(0)[ring]
    own = np.square(widths).mean(0)[ring]

    def beyond(factor):
        return np.mean(error < np.sqrt(factor**2 * own + among)) - 0.6827

    low, high = 0.05, 20.0
    for _ in range(40):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if beyond(middle) > 0 else (middle, high)
    with torch.no_grad():
        network.guess.tail.bias[network.scale**2 :] += float(np.log(middle))
    return float(middle)


def export(network, path: Path) -> None:
    """Write a `Posterior` as ONNX: ``lr`` (n, h, w, 1) and ``noise`` (n, H, W, 1) to ``sr``, n samples."""
    import torch
    from torch import nn

    from srutils.recipes.torch_files import write_onnx

    class Upright(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, lr, noise):
            return self.network(lr.permute(0, 3, 1, 2), noise.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    n, h, w = map(torch.export.Dim, "nhw")
    scale = network.scale
    free = tuple({0: n, 1: s * h, 2: s * w} for s in (MULTIPLE, MULTIPLE * scale))
    examples = torch.rand(2, 24, 28, 1), torch.randn(2, 24 * scale, 28 * scale, 1)
    names = {"input_names": ["lr", "noise"], "output_names": ["sr"]}
    # not optimised, which would turn weights into constants without a name: --from reads them
    write_onnx(Upright(), path, examples, free, optimize=False, **names)


def reference(network) -> Callable[[dict], np.ndarray]:
    """Return the network as a function on the inputs of its model file, by name."""
    from srutils.recipes import torch_files

    run = torch_files.reference(network)
    return lambda given: run(given["lr"], given["noise"])


def deliver(run, network, data, facts: dict) -> dict | None:
    """Write the model file and its card, scored on test lenses; return the card."""
    from srutils.model_files.export import write_model
    from srutils.recipes import scores
    from srutils.scoring.posterior import evaluate_posterior
    from srutils.upscale.upscaler import Upscaler

    scale, rng, examples = network.scale, np.random.default_rng(0), []
    for n, h, w in ((1, 32, 32), (3, 16, 40)):
        noise = rng.standard_normal((n, h * scale, w * scale, 1), np.float32)
        examples.append({"lr": rng.random((n, h, w, 1), np.float32), "noise": noise})
    ends = {"lr": ("n", f"{MULTIPLE}*h", f"{MULTIPLE}*w"), "sr": ("n", "sr_height", "sr_width")}
    card = {"task": "lenses", "scale": scale, "input": "lr", "channels": "gray", "edges": "zero"}
    card["noise"] = "one standard normal number for each pixel of SR: another noise, another sample"
    card |= {"multiple": MULTIPLE, "integration": f"midpoint rule, {network.steps} steps", **facts}
    card["parameters"] = sum(p.numel() for p in network.parameters())
    if run.main:
        card["width_factor"] = calibrate(network, *(np.stack(images) for images in data.val))

    def write(stem, folder, known):
        out = partial(export, network)
        return write_model(stem, folder, out, reference(network), {**known, **card}, ends, examples)

    def score(path):
        from srutils.lensing import lens_set

        n = scores.FEW_LENSES // 8 if run.quick else 100
        test = lens_set("telescope", n, scale=scale, split="test", classes=run.recipe.options["classes"])
        return {"telescope test, no substructure": evaluate_posterior(Upscaler.load(path), test)}

    return run.deliver(write, {}, score, data=data)
