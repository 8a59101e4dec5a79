"""What recipes learn from: the reader's folder or the course's own data, in three separate parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

BUDGET = 400_000_000  # HR pixels of all photographs together: 1.2 GB of memory
SPLIT = (0.8, 0.1, 0.1)
PARTS = ("to learn from", "for validation", "for test")

Part = tuple[list[np.ndarray], list[np.ndarray]]  # LR images, HR images


@dataclass(frozen=True)
class PairsData:
    """LR and HR images to train, validate and test on.

    Attributes
    ----------
    train, val, test : two lists of ndarray each
        LR (h, w, C) and HR (h * scale, w * scale, C). Photographs are uint8, those for training always RGB;
        lenses are float32 of one channel. HR of `val` and `test` is what an upscaler is scored against.
    says, split : str
        What the data are, and how they were divided, for people and cards.
    images : int
        How many there are to learn from.
    scale : int
    channels : {"rgb", "gray"}
    kind : {"photo", "lenses"}
    track : str or None
        "deeplense" or "telescope"; of the reader's lenses, the name of their set.
    fingerprint : str
        A hash of every number in `train` and `val`: other data, another fingerprint.
    noise_free : bool
        The HR images of `train` are the noise-free truth.
    """

    train: Part
    val: Part
    test: Part
    says: str
    split: str
    images: int
    scale: int
    channels: str
    kind: str
    track: str | None = None
    noise_free: bool = False
    fingerprint: str = ""

    def __post_init__(self):
        if not self.fingerprint:
            images = (image for part in (self.train, self.val) for kind in part for image in kind)
            object.__setattr__(self, "fingerprint", fingerprint(images))


def fingerprint(arrays) -> str:
    """Return a hash of arrays: type, shape and every number of each, in this order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def counted(parts) -> str:
    """Say how many there are in each part: "32 to learn from, 4 for validation, 4 for test"."""
    return ", ".join(f"{len(part)} {what}" for part, what in zip(parts, PARTS, strict=False))


def three_parts(names: list[str], parts: list[str], seed: int) -> tuple[list[list[int]], str]:
    """Divide a reader's files into train, validation and test.

    Where folders are called train and val (or test), they stay what they are, and what is missing is taken
    from what there is: validation, a tenth of train; test, every second of validation. Else the files are
    ranked by a hash of seed and name, and the ranking is cut 80/10/10.

    Returns
    -------
    parts : three lists of int
        Which of `names` are in train, validation and test.
    says : str

    Raises
    ------
    ValueError
        There are too few files for three parts that are not empty.
    """
    n = len(names)
    rank = sorted(range(n), key=lambda i: hashlib.sha256(f"{seed}:{names[i]}".encode()).digest())
    held = {part: [i for i in range(n) if parts[i] == part] for part in ("train", "val", "test")}
    if held["train"] and sum(map(len, held.values())) == n and len(held["train"]) < n:
        train, val, test = held.values()
        says = "the folder's own parts"
        if not val:
            inside = [i for i in rank if parts[i] == "train"]
            val = sorted(inside[: max(1, len(inside) // 10)])
            train = sorted(set(train) - set(val))
            says += f", a tenth of train for validation, seed {seed}"
        if not test:
            val, test = val[::2], val[1::2]
            says += ", every second of validation for test"
        cut = train, val, test
    elif n >= 3:
        first, second = np.clip(np.round(np.cumsum(SPLIT[:2]) * n).astype(int), (1, 2), (n - 2, n - 1))
        cut = sorted(rank[:first]), sorted(rank[first:second]), sorted(rank[second:])
        says = f"80/10/10 by photograph, seed {seed}"
    else:
        cut = [], [], []
    if not all(cut):
        raise ValueError(f"{n} files cannot be divided into train, validation and test ({counted(cut)})")
    return list(cut), f"{says}: {counted(cut)}"


# ---------------------------------------------------------------- photographs
def photographs(folder: Path | None, scale: int, seed: int = 0) -> PairsData:
    """Read photographs to learn from.

    Parameters
    ----------
    folder : Path, optional
        The reader's, of any nesting; see `srutils.recipes.photo_files.in_folder`. Without one, the course's
        sets under SR_DATA, or DIV2K; the test is on the photographs inside scikit-image then.
    scale : int
    seed : int
        Of the split of a reader's folder.

    Returns
    -------
    PairsData
        Kind "photo", uint8.

    Raises
    ------
    FileNotFoundError, ValueError
        No photographs, too few, a test set, or a file that cannot be used.
    """
    from srutils.recipes import photo_files

    if folder is None:
        found, says = photo_files.of_the_course()
        chosen = [[p for p in found if p.part == part] for part in ("train", "val")]
        split = f"by photograph: {counted(chosen)}; test: those inside scikit-image"
    else:
        found, notes = photo_files.in_folder(folder, scale)
        parts, split = three_parts([p.name for p in found], [p.part for p in found], seed)
        chosen = [[found[i] for i in part] for part in parts]
        paired = f"pairs of HR and LR files x{scale}" if found[0].lr else "photographs"
        says = "; ".join([f"{len(found)} {paired} of {Path(folder).name}", *notes])
    limit = BUDGET // len(found)
    sets = [_read_photographs(part, scale, limit) for part in chosen]
    if any(hr.shape[0] * hr.shape[1] > 0.9 * limit for part in sets for hr in part[1]):
        says += f"; of large ones the {int(limit**0.5)} px a side with most texture"
    train, val = (tuple([_as_rgb(image) for image in kind] for kind in part) for part in sets[:2])
    test = sets[2] if folder is not None else _builtin(scale)
    return PairsData(train, val, test, says, split, len(train[0]), scale, "rgb", "photo")


def spoiled(data: PairsData, shares: dict[str, float]) -> PairsData:
    """Return photographs whose LR, for validation and test, is spoiled as `feeds.spoiled` does; once for all.

    LR to learn from stays clean here: the feed spoils every patch anew.
    """
    from srutils.recipes import feeds

    def spoil(part: Part, which: int) -> Part:
        small, large = ([_as_rgb(image) for image in kind] for kind in part)
        made = []
        for i, (lr, hr) in enumerate(zip(small, large, strict=True)):
            rng = np.random.default_rng([which, i])
            lr = feeds.spoiled(lr / np.float32(255), hr / np.float32(255), shares, rng)
            made.append(np.rint(lr * 255).astype(np.uint8))
        return made, large

    share = ", ".join(f"{part:.0%} {name}" for name, part in shares.items())
    says = f"{data.says}; LR spoiled by random blur, resizing, noise and JPEG ({share})"
    return replace(data, val=spoil(data.val, 1), test=spoil(data.test, 2), says=says, fingerprint="")


def seen_by_others(data: PairsData) -> PairsData:
    """Return telescope lenses whose LR, for validation and test, is what other telescopes see."""
    from srutils.recipes.feeds import BLIND, other_telescope

    def see(part: Part, which: int) -> Part:
        rngs = (np.random.default_rng([which, i]) for i in range(len(part[1])))
        return [other_telescope(hr, data.scale, rng) for hr, rng in zip(part[1], rngs, strict=True)], part[1]

    (sharp, wide), (short, long) = BLIND["psf"], BLIND["exposure"]
    says = (
        f"{data.says}; LR through a PSF of {sharp} to {wide} arcsec, exposed {short} to {long} times as long"
    )
    parts = {"val": see(data.val, 1), "test": see(data.test, 2)}
    return replace(data, **parts, says=says, track="other telescopes", fingerprint="")


def _read_photographs(photos, scale: int, limit: int) -> Part:
    from tqdm.contrib.concurrent import thread_map

    from srutils.recipes.photo_files import read_pair

    bar = {"desc": "photographs", "disable": len(photos) < 50, "mininterval": 1, "leave": False}
    # threads help: decoders let go of Python's lock
    pairs = thread_map(lambda photo: read_pair(photo, scale, limit), photos, max_workers=2, **bar)
    return [lr for lr, _ in pairs], [hr for _, hr in pairs]


def _as_rgb(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def _builtin(scale: int) -> Part:
    from srutils.pairs import crop_to_multiple, degrade
    from srutils.photos import builtin
    from srutils.recipes.photo_files import levels

    hr = [levels(crop_to_multiple(image, scale)) for image in builtin().values()]
    return [levels(degrade(image, scale)) for image in hr], hr


# ---------------------------------------------------------------- lenses
def lens_pairs(
    folder: Path | None,
    track: str = "deeplense",
    scale: int = 2,
    n: int | None = None,
    seed: int = 0,
    target: str = "hr",
    classes: tuple[str, ...] | None = None,
) -> PairsData:
    """Read or simulate lenses to learn from.

    Parameters
    ----------
    folder : Path, optional
        The reader's: ``HR/sampleN.npy`` and ``LR/sampleN.npy``, also inside ``Dataset`` or the like; divided
        80/10/10. Without one, lenses of `track` are simulated; the three parts have splits of their own.
    track : {"deeplense", "telescope"}
    scale : int
    n : int, optional
        How many lenses to learn from (of a folder: to use at all, by default all).
    seed : int
    target : {"hr", "truth"}
        What to learn: the noisy HR, or the noise-free truth where it is known.
    classes : tuple of str, optional
        Of simulated lenses, as for `srutils.lensing.simulate`.

    Returns
    -------
    PairsData
        Kind "lenses", float32.

    Raises
    ------
    FileNotFoundError, ValueError
        As `srutils.lensing.folders.load_deeplense`; a scale that the folder does not have.
    """
    from srutils.lensing.cache import lens_set
    from srutils.lensing.folders import load_deeplense

    if folder is not None:
        pairs = load_deeplense(folder, n)
        if pairs.scale != scale:
            raise ValueError(f"{folder} holds pairs of scale {pairs.scale}; this recipe enlarges by {scale}")
        if len(pairs) < 3:
            raise ValueError(f"{folder} holds {len(pairs)} pairs; expected at least 3, one for each part")
        train, val, test = pairs.split(SPLIT, seed)
        says, track = f"{len(pairs)} pairs of {Path(folder).name}", pairs.name
        split = f"80/10/10 by lens, seed {seed}: {counted((train, val, test))}"
    else:
        of = {"scale": scale, "classes": classes}
        train = lens_set(track, n or 6000, split="train", seed=seed, **of)
        val, test = lens_set(track, 64, split="val", **of), lens_set(track, 300, split="test", **of)
        says = f"{len(train)} simulated lenses of the {track} track, x{scale}"
        split = "train, val and test are drawn from separate seeds"
    noise_free = target == "truth" and train.truth is not None
    learned = train.truth if noise_free else train.hr
    says += ", target: the noise-free truth" if noise_free else ", target: HR as it was recorded"
    parts = (list(train.lr), list(learned)), *((list(p.lr), list(p.target)) for p in (val, test))
    return PairsData(*parts, says, split, len(train), scale, "gray", "lenses", track, noise_free=noise_free)
