"""Batches for the PyTorch recipes: photographs at one scale or several, and lenses that never repeat."""

from __future__ import annotations

import math

import numpy as np

from srutils import degradations
from srutils.pairs import dihedral
from srutils.recipes.runs import is_main
from srutils.training import Feed, PatchFeed

FIRST_SEED = 10_000  # below it are seeds that lessons and fixed sets draw from
POOL = 63  # fresh lenses simulated at a time
BLIND = {"psf": (0.09, 0.30), "exposure": (0.25, 4.0)}  # arcsec; times the track's own


class PhotoFeed(Feed):
    """Patches of photographs; each batch has one of the scales, drawn with its chance.

    Parameters
    ----------
    feeds : dict of int to PatchFeed
        One a scale.
    chances : dict of int to float
        Of each scale; the sum is 1.
    flat : (int, int)
        The first n patches of every m-th batch have a single colour, a third of its values saturated: patches
        are chosen for their contrast, so nothing else would tell a network to leave a plain wall alone.
    seed : int
    """

    def __init__(self, feeds: dict[int, PatchFeed], chances: dict[int, float], flat=(1, 4), seed=0):
        super().__init__()
        self.feeds, self.chances, self.flat, self.seed = feeds, chances, flat, seed
        self.size = next(iter(feeds.values())).size

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: LR patches and HR patches, float32 in [0, 1]."""
        rng = np.random.default_rng([self.seed, k, 1])  # PatchFeed draws from [seed, k]
        scale = int(rng.choice(list(self.chances), p=list(self.chances.values())))
        lr, hr = self.feeds[scale].batch(k)
        n, every = self.flat
        if k % every == 0:
            n = min(n, len(lr))
            colours = (1.5 * rng.random((n, 1, 1, lr.shape[-1])) - 0.25).clip(0, 1)
            lr[:n], hr[:n] = colours, colours
        return lr, hr


class SpoiledPhotos(Feed):
    """Batches of another feed, with the LR of most patches made anew by another random chain of steps each.

    Parameters
    ----------
    feed : Feed
        Of photographs; its LR is clean.
    shares : dict of str to float
        "clean": of patches whose LR stays as it is; "jpeg": of those that only become a JPEG file. The others
        go through `srutils.degradations.spoil`.
    seed : int
    """

    def __init__(self, feed: Feed, shares: dict[str, float], seed: int = 0):
        super().__init__()
        self.feed, self.shares, self.seed, self.size = feed, shares, seed, feed.size

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: spoiled LR patches and clean HR patches, float32 in [0, 1]."""
        lr, hr = self.feed.batch(k)
        rng = np.random.default_rng([self.seed, k, 3])  # the feed draws from [seed, k] and [seed, k, 1]
        for small, large in zip(lr, hr, strict=True):
            small[:] = spoiled(small, large, self.shares, rng)
        return lr, hr


def spoiled(lr: np.ndarray, hr: np.ndarray, shares: dict[str, float], rng) -> np.ndarray:
    """Return LR of one pair as it is, as a JPEG file, or made anew; `shares` as for `SpoiledPhotos`."""
    kind = rng.random()
    if kind < shares["clean"]:
        return lr
    if kind < shares["clean"] + shares["jpeg"]:
        return degradations.jpeg(lr, *degradations.draw_jpeg(rng))
    return degradations.spoil(hr, hr.shape[0] // lr.shape[0], rng)


class FreshLenses(Feed):
    """Batches of simulated lenses that no batch before has shown.

    Every few batches `POOL` lenses are drawn from the next seed of the training split, which no validation or
    test lens comes from; batch ``k`` depends on ``seed`` and ``k`` alone.

    Parameters
    ----------
    scale, batch : int
    patch : int
        Side of the patches in LR pixels; the whole image if it is not smaller.
    seed : int
    classes : sequence of str, optional
        As for `srutils.lensing.simulate`; by default all three.
    """

    def __init__(self, scale: int, batch: int, patch: int, *, seed: int = 0, classes=None):
        super().__init__(ahead=2)
        self.scale, self.size, self.patch, self.seed, self.classes = scale, batch, patch, seed, classes
        self._pool = None, None  # the number of a pool, and its lenses

    def lenses(self, number: int):
        """Return pool ``number``, `POOL` pairs with their noise-free truth."""
        from srutils.lensing import simulate

        if self._pool[0] != number:
            seed = (FIRST_SEED + 100_003 * self.seed + number) % 2**32
            options = {"scale": self.scale, "classes": self.classes, "split": "train", "seed": seed}
            self._pool = number, simulate("telescope", POOL, **options)
        return self._pool[1]

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: LR and the noise-free truth, turned and flipped at random."""
        each = batches_a_pool(self.size)
        pairs, rng = self.lenses(k // each), np.random.default_rng([self.seed, k])
        order = np.random.default_rng([self.seed, k // each, 2]).permutation(POOL)
        which = np.resize(order[k % each * self.size :], self.size)
        side, s = min(self.patch, *pairs.lr.shape[1:3]), self.scale
        x = np.empty((self.size, side, side, 1), np.float32)
        y = np.empty((self.size, side * s, side * s, 1), np.float32)
        for i, lens in enumerate(which):
            top, left = rng.integers(pairs.lr.shape[1] - side + 1, size=2)
            turn = int(rng.integers(8))
            x[i] = dihedral(pairs.lr[lens, top : top + side, left : left + side], turn)
            y[i] = dihedral(pairs.truth[lens, top * s : (top + side) * s, left * s : (left + side) * s], turn)
        return x, y


class OtherTelescopes(Feed):
    """Batches of fresh lenses, each seen by another telescope, whose PSF and exposure nobody is told.

    Parameters
    ----------
    lenses : FreshLenses
        Whole ones: a PSF needs what lies around a patch.
    """

    def __init__(self, lenses: FreshLenses):
        super().__init__(ahead=2)
        self.lenses, self.size, self.seed = lenses, lenses.size, lenses.seed

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number ``k``: LR and the noise-free truth."""
        lr, truth = self.lenses.batch(k)
        rng = np.random.default_rng([self.seed, k, 4])
        return np.stack([other_telescope(image, self.lenses.scale, rng) for image in truth]), truth


def other_telescope(truth: np.ndarray, scale: int, rng) -> np.ndarray:
    """Observe a lens (H, W, 1) of the telescope track with a PSF and an exposure at random: LR, in its unit.

    The truth has HR's PSF already.
    """
    import torch

    from srutils.lensing import instruments

    blur = instruments.widening(rng.uniform(*BLIND["psf"]))  # pixels
    exposure = np.exp(rng.uniform(*np.log(BLIND["exposure"]))) * scale**2  # of a pixel
    with torch.inference_mode():
        (image,) = instruments.gaussian_blur(torch.from_numpy(truth[None, ..., 0]), [blur])
        mean = instruments.bin_pixels(image, scale) * instruments.PEAK + instruments.SKY
        normal = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
        counts = instruments.photon_counts(mean * exposure, normal) / exposure
    return ((counts - instruments.SKY) / instruments.PEAK)[0, ..., None].numpy()


def batches_a_pool(batch: int) -> int:
    """Return how many batches of this size `FreshLenses` makes of a pool."""
    return max(1, POOL // batch)


def lenses_shown(steps: int, batch: int) -> int:
    """Return how many lenses `FreshLenses` draws for so many batches."""
    return POOL * math.ceil(steps / batches_a_pool(batch))


def photo_feeds(parts: dict, patch: int | None, usual: int, batch: int, *, tries: int, seed: int):
    """Return one PatchFeed a scale and the side of its patches.

    Parameters
    ----------
    parts : dict of int to PairsData
    patch : int, optional
        The side that the reader asked for, in LR pixels.
    usual : int
        The recipe's. Where no photograph is as large, the shortest side of all takes its place.
    batch, tries, seed : int
        As for `PatchFeed`. Large photographs are taken more often, by the root of their area.

    Raises
    ------
    ValueError
        No photograph is as large as a patch that was asked for.
    """
    sides = [min(lr.shape[:2]) for data in parts.values() for lr in data.train[0]]
    side = patch or (usual if max(sides) >= usual else min(sides))
    feeds = {}
    for scale, data in parts.items():
        chosen = [i for i, lr in enumerate(data.train[0]) if min(lr.shape[:2]) >= side]
        if not chosen:
            raise ValueError(f"--patch is {side}; no LR photograph at x{scale} is as large, use less")
        if (lost := len(data.train[0]) - len(chosen)) and is_main():
            print(f"x{scale}: {lost} of {len(data.train[0])} photographs are smaller than a patch, left out")
        lr, hr = ([images[i] for i in chosen] for images in data.train)
        root = np.sqrt([image.shape[0] * image.shape[1] for image in lr])
        chances = root / root.sum()
        feeds[scale] = PatchFeed(lr, hr, side, batch, tries=tries, seed=seed, chances=chances)
    return feeds, side
