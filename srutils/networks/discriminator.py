"""`Discriminator`, as lesson 05 builds it.

Written by ``make notebooks`` from notebooks/05_srgan.ipynb: change it there.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Discriminator(nn.Module):
    """HR or SR to a map of verdicts, one for every 4 x 4 pixels; each sees a window of 36 x 36."""

    def __init__(self, channels=1, width=32, gain=1.0):
        super().__init__()
        self.gain = gain
        stages = [(2 * channels, width, 3, 1), (width, 2 * width, 4, 2), (2 * width, 2 * width, 3, 1)]
        stages += [(2 * width, 4 * width, 4, 2), (4 * width, 4 * width, 3, 1)]
        self.stages = nn.ModuleList(nn.Conv2d(a, b, size, stride, padding=1) for a, b, size, stride in stages)
        self.verdict = nn.Conv2d(4 * width, 1, 3, padding=1)
        for stage in self.stages:
            nn.init.kaiming_normal_(stage.weight, a=0.2)

    def features(self, image):
        """What each stage makes of the image and of its magnified fine detail, the first stage first."""
        fine = image - F.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False)
        maps = [torch.cat([image, self.gain * fine], 1)]
        for stage in self.stages:
            maps.append(F.leaky_relu(stage(maps[-1]), 0.2))
        return maps[1:]

    def forward(self, image):
        return self.verdict(self.features(image)[-1])
