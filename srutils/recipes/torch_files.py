"""PyTorch networks to model files and back."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srutils.recipes.torch_loop import to_torch


def export(network, path: Path) -> None:
    """Write an SRResNet as an ONNX file that takes any number of images (N, h, w, C) of any size."""
    import torch
    from torch import nn

    class Upright(nn.Module):
        """The same network for images (N, h, w, C), as model files have them."""

        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, lr):
            return self.network(lr.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    free = {0: torch.export.Dim("n"), 1: torch.export.Dim("h"), 2: torch.export.Dim("w")}
    write_onnx(Upright(), path, (torch.rand(2, 24, 28, network.head.in_channels),), (free,))


def write_onnx(network, path: Path, examples: tuple, free: tuple[dict, ...], **options) -> None:
    """Write a network as ONNX: `examples` are inputs, `free` the axes of each that take any length."""
    import torch

    logging.getLogger("torch.onnx").setLevel("ERROR")  # it misses packages that we do not need
    options |= {"dynamo": True, "dynamic_shapes": free, "external_data": False, "verbose": False}
    with warnings.catch_warnings(action="ignore"):  # of the exporter, about its own dependencies
        torch.onnx.export(network.eval(), examples, str(path), **options)


def reference(network) -> Callable[..., np.ndarray]:
    """Return the network as a function on images (N, h, w, C), to compare a model file with."""
    import torch

    def run(*images):
        with torch.inference_mode():
            return network(*map(to_torch, images)).permute(0, 2, 3, 1).numpy()

    return run


def weights_of(path: Path) -> dict:
    """Read the weights of a model file, or of a PyTorch checkpoint, by the names that PyTorch has for them.

    Raises
    ------
    ValueError
        The file cannot be read, or holds no PyTorch network.
    """
    import torch

    try:
        if path.suffix == ".pt":
            state = torch.load(path, map_location="cpu", weights_only=True)
            return state.get("ema", state)
        import onnx

        stored = onnx.load(str(path)).graph.initializer
    except Exception as error:  # neither library has a common base class for what a bad file raises
        raise ValueError(f"cannot read the weights in {path}: {' '.join(str(error).split())[:200]}") from None
    found = {w.name: onnx.numpy_helper.to_array(w) for w in stored if w.name.startswith("network.")}
    if not found:
        raise ValueError(f"{path} was not written by a PyTorch recipe; --from takes such files only")
    return {key.removeprefix("network."): torch.from_numpy(array.copy()) for key, array in found.items()}


def tail_for(tail: dict, scale: int, channels: int) -> dict:
    """Return a last layer for another scale: each of its maps begins as the nearest one of the given layer.

    Parameters
    ----------
    tail : dict
        ``weight`` (channels * old**2, width, 3, 3) and ``bias`` of a sub-pixel layer.
    scale : int
        The new scale.
    channels : int
    """
    old = round((len(tail["bias"]) / channels) ** 0.5)
    place = [min(old - 1, int((i + 0.5) * old / scale)) for i in range(scale)]
    nearest = [c * old**2 + y * old + x for c in range(channels) for y in place for x in place]
    return {key: value[nearest].clone() for key, value in tail.items()}


def load_weights(network, weights: dict, name: str) -> None:
    """Put weights into an SRResNet or a Joint, whichever of the two, and whatever scale, they come from.

    Raises
    ------
    ValueError
        They belong to a network of another size.
    """
    channels, state = network.head.in_channels, network.state_dict()
    tails = {key.rsplit(".", 1)[0] for key in weights if key.startswith("tail") and key.endswith(".bias")}
    tails = {len(weights[f"{key}.bias"]): key for key in tails}
    filled = {key: value for key, value in weights.items() if not key.startswith("tail")}
    for key in {key.rsplit(".", 1)[0] for key in state if key.startswith("tail")} if tails else ():
        wanted = len(state[f"{key}.bias"])
        source = tails.get(wanted, tails[max(tails)])
        layer = {end: weights[f"{source}.{end}"] for end in ("weight", "bias")}
        layer = tail_for(layer, round((wanted / channels) ** 0.5), channels)
        filled |= {f"{key}.{end}": value for end, value in layer.items()}
    shapes = {key: tuple(value.shape) for key, value in filled.items()}
    if shapes != {key: tuple(value.shape) for key, value in state.items()}:
        size = f"{network.head.out_channels} maps, {len(network.blocks)} blocks, {channels} channels"
        raise ValueError(f"{name} holds another network; expected an SRResNet of {size}")
    network.load_state_dict(filled)
