"""`Residual` and `SRResNet`, as lesson 05 builds them.

Written by ``make notebooks`` from notebooks/05_srgan.ipynb: change it there.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight *= 0.1  # a block begins close to the identity, so a deep stack starts calmly

    def forward(self, x):
        return x + self.second(F.relu(self.first(x)))


class SRResNet(nn.Module):
    """LR to SR, NCHW: all convolutions work on LR; a sub-pixel layer makes the large picture at the end."""

    def __init__(self, scale, channels=1, width=64, blocks=16, skip="nearest"):
        super().__init__()
        self.scale, self.skip = scale, skip
        self.head = nn.Conv2d(channels, width, 9, padding=4)
        self.blocks = nn.Sequential(*[Residual(width) for _ in range(blocks)])
        self.after = nn.Conv2d(width, width, 3, padding=1)
        self.tail = nn.Conv2d(width, channels * scale**2, 3, padding=1)
        with torch.no_grad():
            self.tail.weight *= 0.01  # an untrained network does little beyond the skip
            self.tail.bias.zero_()

    def forward(self, lr):
        first = self.head(lr)
        maps = self.tail(first + self.after(self.blocks(first)))
        return F.pixel_shuffle(maps, self.scale) + F.interpolate(lr, scale_factor=self.scale, mode=self.skip)
