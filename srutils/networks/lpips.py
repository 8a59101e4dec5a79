"""LPIPS with SqueezeNet as a PyTorch network, so that a generator can be trained with it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

FIRES = {3: (16, 64), 4: (16, 64), 6: (32, 128), 7: (32, 128)}  # layer of SqueezeNet 1.1: squeezed to, out
FIRES |= {9: (48, 192), 10: (48, 192), 11: (64, 256), 12: (64, 256)}
SHIFT, DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1]
SMALL = 1e-8  # keeps the slope of a length finite where all features are 0


class Fire(nn.Module):
    """Squeeze to few maps, then look at each pixel, and at its neighbours too (Iandola et al. 2016)."""

    def __init__(self, inputs, squeezed, out):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, out, 1)
        self.expand3x3 = nn.Conv2d(squeezed, out, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class Lpips(nn.Module):
    """LPIPS 0.1 (Zhang et al. 2018, CVPR, 586): about how different two pictures look, one number an image.

    Takes SR and HR, (N, 3, H, W) in [0, 1], of at least 32 pixels a side.
    """

    def __init__(self):
        super().__init__()
        self.first, self.fires, inputs = nn.Conv2d(3, 64, 3, stride=2), nn.ModuleDict(), 64
        for layer, (squeezed, out) in FIRES.items():
            self.fires[str(layer)] = Fire(inputs, squeezed, out)
            inputs = 2 * out
        self.heads = nn.ModuleList(nn.Conv2d(n, 1, 1, bias=False) for n in (64, 128, 256, 384, 384, 512, 512))

    @classmethod
    def load(cls, path: Path) -> Lpips:
        """Return the network with the weights of `srutils.scoring.perceptual.FILE`, which stay as they are.

        Raises
        ------
        ValueError
            The file holds another network.
        """
        import onnx

        stored = onnx.load(str(path)).graph.initializer
        found = {w.name: torch.from_numpy(onnx.numpy_helper.to_array(w).copy()) for w in stored}
        state = {}
        for name, weight in found.items():
            kind, *rest = name.removeprefix("core.").split(".")
            if kind == "lins":  # core.lins.0.model.1.weight
                state[f"heads.{rest[0]}.weight"] = weight
            elif kind == "net":  # core.net.slice1.0.weight, core.net.slice2.3.squeeze.weight
                state[".".join(["first", *rest[2:]] if rest[1] == "0" else ["fires", *rest[1:]])] = weight
        network = cls()
        try:
            network.load_state_dict(state)
        except RuntimeError:
            raise ValueError(f"{path} is not LPIPS with SqueezeNet") from None
        return network.requires_grad_(False).eval()

    def features(self, image):
        """Return the maps of seven depths, each pixel's features scaled to length 1."""
        shift, deviation = (image.new_tensor(v).view(1, 3, 1, 1) for v in (SHIFT, DEVIATION))
        x = F.relu(self.first((2 * image - 1 - shift) / deviation))
        maps = [x]
        for layer, fire in self.fires.items():
            if layer in ("3", "6", "9"):
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            x = fire(x)
            if layer not in ("3", "6"):
                maps.append(x)
        return [m / (m.square().sum(1, keepdim=True) + SMALL).sqrt() for m in maps]

    def forward(self, sr, hr):
        with torch.no_grad():
            wanted = self.features(hr)
        both = zip(self.heads, self.features(sr), wanted, strict=True)
        return sum(head((a - b).square()).mean((1, 2, 3)) for head, a, b in both)
