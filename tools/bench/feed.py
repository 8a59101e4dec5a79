"""Cutting training patches: srutils.training.PatchFeed against PyTorch's DataLoader over single patches."""

from __future__ import annotations

import numpy as np

from tools.bench.race import Row, race

ABOUT = (
    "**Patch feeding**: random cuts of a picture and of its LR image, flipped and turned, stacked to "
    "batches. `PatchFeed` cuts a batch at a time; the plain way is a PyTorch data set of single "
    "patches with a `DataLoader`. Both in one process and without working ahead."
)


def rows(rounds: int = 5, batches: int = 50, batch: int = 16, patch: int = 32) -> list[Row]:
    """Race both over RGB images at x4; `patch` is the side of an LR patch."""
    from srutils.training import PatchFeed

    rng = np.random.default_rng(0)
    lr, hr = ([rng.random((g * 80, g * 120, 3), np.float32) for _ in range(8)] for g in (1, 4))
    feed = PatchFeed(lr, hr, patch, batch)
    plain = plain_loader(lr, hr, patch, batch, batches)

    def ours():
        return [[part.shape for part in feed.batch(k)] for k in range(batches)]

    def theirs():
        return [[tuple(part.shape) for part in both] for both in plain]

    ways = {"DataLoader, patch by patch": (batches * batch, theirs)}
    ways |= {"srutils, `PatchFeed.batch`": (batches * batch, ours)}
    what = f"batches of {batch} patches, RGB, LR {patch} px, HR {4 * patch} px"
    # the two draw other patches, but of the same shapes: they differ by 0
    return race(what, "patches/s", ways, rounds, lambda a, b: a != b, dict.fromkeys(ways, 0))


def plain_loader(lr, hr, patch, batch, batches):
    """Batches as PyTorch's tutorials make them: a data set that cuts one patch, and a loader that stacks."""
    import torch

    from srutils.pairs import dihedral

    rng, grow = np.random.default_rng(0), hr[0].shape[0] // lr[0].shape[0]

    class Patches(torch.utils.data.Dataset):
        def __len__(self):
            return batches * batch

        def __getitem__(self, index):
            i, turn = rng.integers(len(lr)), rng.integers(8)
            top, left = (rng.integers(side - patch + 1) for side in lr[i].shape[:2])
            small = lr[i][top : top + patch, left : left + patch]
            large = hr[i][grow * top : grow * (top + patch), grow * left : grow * (left + patch)]
            return [np.ascontiguousarray(dihedral(cut, turn)) for cut in (small, large)]

    return torch.utils.data.DataLoader(Patches(), batch)
