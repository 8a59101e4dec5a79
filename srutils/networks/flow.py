"""`Block`, `stacks`, `UNet`, `Guess` and `Posterior`, as lesson 08 builds them.

Written by ``make notebooks`` from notebooks/08_posterior.ipynb: change it there.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """x + two convolutions; where there is a time, it scales and shifts the maps between them."""

    def __init__(self, width, time=0):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.timed = nn.Linear(time, 2 * width) if time else None
        nn.init.zeros_(self.second.weight)  # a block begins as the identity

    def forward(self, x, time=None):
        h = self.first(F.silu(x))
        if time is not None:
            scale, shift = self.timed(time)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        return x + self.second(F.silu(h))


def stacks(counts, widths, time):
    """Blocks for pictures of several sizes: so many, so wide, the largest pictures first."""
    sizes = zip(counts, widths, strict=False)
    return nn.ModuleList(nn.ModuleList(Block(width, time) for _ in range(n)) for n, width in sizes)


class UNet(nn.Module):
    """Maps to maps of the same size, by way of smaller and wider ones; sides are multiples of 4."""

    def __init__(self, inputs, outputs, widths, blocks, hints=(), time=0):
        super().__init__()
        self.head = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.before = stacks(blocks, widths, time)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.after = stacks(blocks[:-1], widths, time)
        self.hints = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(hints, widths, strict=False))
        self.tail = nn.Conv2d(widths[0], outputs, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, x, hints=(), time=None):
        """Return the output, and the maps on the way up, the largest first."""
        h, kept = self.head(x), []
        for level, blocks in enumerate(self.before):
            if hints:
                h = h + self.hints[level](hints[level])
            for block in blocks:
                h = block(h, time)
            kept.append(h)
            if level < len(self.down):
                h = self.down[level](h)
        maps = [h]
        for level in reversed(range(len(self.up))):
            h = self.up[level](h) + kept[level]
            for block in self.after[level]:
                h = block(h, time)
            maps.insert(0, h)
        return self.tail(h), maps


class Guess(nn.Module):
    """What a finished network misses, NCHW: for every pixel of HR a mean and a width, guessed from LR."""

    def __init__(self, base, blur, peak=800.0, sky=10.0):
        super().__init__()
        self.base, self.scale, self.peak, self.sky = base, base.scale, peak, sky
        n = self.scale**2
        self.guess = UNet(n + 2, 2 * n, (40, 80, 120), (1, 1, 3))
        reach = math.ceil(4 * blur)  # what LR's telescope blurs more than HR's, in pixels of HR
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / blur) ** 2)
        self.register_buffer("kernel", (kernel / kernel.sum())[None, None, None])

    def misfit(self, sr, lr):
        """How far SR, seen through LR's telescope, is from LR, in standard deviations of the photon noise."""
        reach = self.kernel.shape[-1] // 2
        seen = F.conv2d(F.pad(sr, (reach,) * 4), self.kernel)
        seen = F.avg_pool2d(F.conv2d(seen, self.kernel.mT), self.scale)
        noise = (seen.clamp(min=0) * self.peak + self.sky).sqrt() / (self.peak * self.scale)
        return (lr - seen) / noise

    def look(self, lr):
        """The enlarged LR, the guessed mean and width of what it misses, and the maps behind the guess."""
        with torch.no_grad():
            sr = self.base(lr)
            seen = torch.cat([F.pixel_unshuffle(sr, self.scale), lr, 0.3 * self.misfit(sr, lr)], 1)
        out, maps = self.guess(seen)
        mean, width = out.chunk(2, 1)
        unit = 0.0012 + 0.012 * seen[:, : self.scale**2].clamp(min=0)  # errors grow with brightness
        return sr, unit * mean, unit * width.clamp(-6, 3).exp(), maps


class Posterior(Guess):
    """LR, and noise (a normal number for each pixel of HR), to one of the HR that fit, NCHW."""

    def __init__(self, base, blur, peak=800.0, sky=10.0, steps=6):
        super().__init__(base, blur, peak, sky)
        self.steps, n = steps, self.scale**2
        self.clock = nn.Sequential(nn.Linear(32, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU())
        self.flow = UNet(n, n, (32, 64, 96), (1, 1, 2), hints=(40, 80, 120), time=96)

    def velocity(self, x, t, maps):
        """Where x goes at time t, 0 to 1: the best for uncorrelated normal numbers, plus what is learnt."""
        waves = t[:, None] * torch.exp(torch.linspace(0, math.log(100.0), 16, device=t.device))
        time = self.clock(torch.cat([waves.sin(), waves.cos()], 1))
        t = t[:, None, None, None]
        return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x + self.flow(x, maps, time)[0]

    def forward(self, lr, noise):
        sr, mean, width, maps = self.look(lr)
        x = F.pixel_unshuffle(noise, self.scale)
        for k in range(self.steps):  # the midpoint rule
            t = torch.full((1,), k / self.steps, device=x.device)
            middle = x + self.velocity(x, t, maps) / (2 * self.steps)
            x = x + self.velocity(middle, t + 0.5 / self.steps, maps) / self.steps
        return sr + F.pixel_shuffle(mean + width * x, self.scale)

    def losses(self, lr, hr):
        """What the two U-Nets are taught: the mean, the width, and the flow from noise to what is missing."""
        sr, mean, width, maps = self.look(lr)
        missed = F.pixel_unshuffle(hr - sr, self.scale) - mean
        x1 = (missed / width).detach()
        x0, t = torch.randn_like(x1), torch.rand(len(x1), device=x1.device)
        share = t[:, None, None, None]
        v = self.velocity((1 - share) * x0 + share * x1, t, maps)
        return {
            "mean": missed.square().mean((1, 2, 3)).add(1e-9).log().mean(),
            "width": (width.log() + 0.5 * (missed.detach() / width).square()).mean(),
            "flow": (v - (x1 - x0)).square().mean(),
        }
