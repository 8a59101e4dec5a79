"""`Joint`: SRResNet with one body for several scales, which the recipe srresnet-photo trains."""

import torch
from torch import nn
from torch.nn import functional as F

from srutils.networks.srresnet import SRResNet


class Joint(nn.Module):
    """LR to SR, NCHW, at the scale that is asked for: head and blocks are shared, each scale has its tail."""

    def __init__(self, scales, channels=3, width=64, blocks=10, skip="nearest"):
        super().__init__()
        networks = {scale: SRResNet(scale, channels, width, blocks, skip) for scale in scales}
        self.skip = skip
        first = networks[max(scales)]
        self.head, self.blocks, self.after = first.head, first.blocks, first.after
        self.tails = nn.ModuleDict({str(scale): network.tail for scale, network in networks.items()})

    def forward(self, lr, scale):
        first = self.head(lr)
        maps = self.tails[str(scale)](first + self.after(self.blocks(first)))
        return F.pixel_shuffle(maps, scale) + F.interpolate(lr, scale_factor=scale, mode=self.skip)

    def single(self, scale):
        """Return an SRResNet of one scale with these weights."""
        network = SRResNet(scale, self.head.in_channels, self.head.out_channels, len(self.blocks), self.skip)
        with torch.no_grad():
            for name, value in network.state_dict().items():
                value.copy_(self.state_dict()[name.replace("tail.", f"tails.{scale}.")])
        return network
