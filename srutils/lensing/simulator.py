"""The course's two lens data sets, drawn fresh from a seed.

``deeplense`` is a statistical replica of the DeepLense super-resolution test: HR is a noisy image, and LR is
a bicubic resize of that same noisy image. Published numbers compare. It is scored against HR.

``telescope`` looks at the same sky through two instruments, HR and LR: each has its own PSF, pixels and
photons. It is scored against the noise-free truth.

What both draw from, the same for all three classes of dark matter, is in ``priors``; the ray tracer is in
``raytrace``, PSFs, pixels and photons in ``instruments``.
"""

import numpy as np

from srutils.lensing import priors
from srutils.lensing.instruments import EXTRA, SCALES, SIZE, SPLITS, TRACKS, as_tensors, observe
from srutils.lensing.parallel import lens_pool
from srutils.lensing.priors import CLASSES
from srutils.pairs import ImagePairs


def check_arguments(track, n, scale, classes, seed, split, triplets):
    """Validate the arguments of `simulate`; the classes as indices into CLASSES."""
    if track not in TRACKS:
        raise ValueError(f"track is {track!r}; expected one of {', '.join(TRACKS)}")
    if scale not in SCALES[track] or not isinstance(scale, int | np.integer):
        offered = " or ".join(map(str, SCALES[track]))
        raise ValueError(f"scale is {scale!r}; the {track} track offers {offered}")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    for name, value, low in (("n", n, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value < 2**32:
            raise ValueError(f"{name} is {value!r}; expected an integer of at least {low} and below 2**32")
    if classes is None:
        classes = CLASSES if track == "telescope" or triplets else CLASSES[:1]
    classes = (classes,) if isinstance(classes, str) else tuple(classes)
    unknown = [c for c in classes if c not in CLASSES]
    if unknown or not classes or len(set(classes)) < len(classes):
        raise ValueError(f"classes are {classes!r}; expected different names out of {', '.join(CLASSES)}")
    if triplets and classes != CLASSES:
        raise ValueError(f"triplets need the classes {', '.join(CLASSES)} in this order; got {classes!r}")
    return [CLASSES.index(c) for c in classes]


def simulate(
    track, n, *, scale=2, classes=None, seed=0, split="test", triplets=False, device="cpu", progress=False
):
    """Simulate `n` pairs of strong-lens images.

    Image i depends on (track, split, seed, i) and its class alone, so a longer set begins with the shorter
    one, and sets of different splits or seeds share no lens. On a CPU this holds to the last bit, whatever
    the processor: each lens is computed by itself, and its neighbours cannot move its rounding. Classes take
    turns: image i has ``classes[i % len(classes)]``.

    Parameters
    ----------
    track : {"deeplense", "telescope"}
    n : int
        Number of pairs.
    scale : int
        2 on deeplense; 2 or 4 on telescope. The HR images do not depend on it.
    classes : sequence of str, optional
        Names out of CLASSES, in equal parts. By default no_substructure on deeplense, all three on
        telescope.
    seed : int
        At least 0 and below 2**32.
    split : {"train", "val", "test"}
    triplets : bool
        Images 3i, 3i + 1 and 3i + 2 show the same lens, source and noise in the three classes.
    device : str
        A torch device. The random numbers are drawn on the CPU, so all devices, kinds of processor and
        versions of torch give the same images up to rounding (and a rare count that rounding moves by one).
        On one machine's CPU the bytes are the same every time, whatever the number of threads. Other devices
        take 128 lenses at once, and the last of a set may be rounded otherwise than in a longer one.
    progress : bool
        Show a progress bar.

    Returns
    -------
    ImagePairs
        `lr`, `hr` and the noise-free `truth` (N, H, W, 1) float32, HR 150 px (deeplense) or 128 px
        (telescope). On deeplense the noisy HR spans [0, 1], and LR and truth are normalised by the same two
        numbers; on telescope the sky is subtracted and 1 is the peak of the noise-free HR. `labels` are
        indices into CLASSES. `params` holds what was drawn, (N,) or (N, 40) for subhalos (theta_E = 0:
        none): theta_E is the total's, theta_E_main the halo's after substructure has taken its share.
        `params["lens"]` numbers the lenses.

    Raises
    ------
    ValueError
        For an argument out of range, or a device that torch does not have.
    """
    import torch
    from tqdm.auto import tqdm

    indices = check_arguments(track, n, scale, classes, seed, split, triplets)
    try:
        device = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device is {device!r}, which torch cannot use here: {error}") from None
    n, scale = int(n), int(scale)
    key = (TRACKS.index(track), SPLITS.index(split), int(seed))
    labels = np.resize(np.array(indices, np.int64), n)
    lens_ids = np.arange(n) // 3 if triplets else np.arange(n)
    params = {"lens": lens_ids, **priors.draw(track, key, lens_ids, labels)}
    size = SIZE[track]
    hr, truth = np.empty((2, n, size, size, 1), np.float32)
    lr = np.empty((n, size // scale, size // scale, 1), np.float32)

    drawn = as_tensors(params, device)

    # one lens at a time on a CPU: for another batch size libraries take another path and round otherwise
    step, share = (1, 8) if device.type == "cpu" else (128, 128)

    def fill(first):
        for a in range(first, min(first + share, n), step):
            part = slice(a, a + step)
            some = {k: v[part] for k, v in drawn.items()}
            *images, extra = observe(track, scale, key, lens_ids[part], some, device)
            for out, image in zip((hr, lr, truth), images, strict=True):
                out[part, ..., 0] = image.cpu().numpy()
            for name, value in extra.items():
                params[name][part] = value.flatten().cpu().numpy()

    params |= {name: np.empty(n, np.float32) for name in EXTRA[track]}
    parts = range(0, n, share)
    bar = tqdm(total=n, desc=f"{track} x{scale}", unit="pair", disable=not progress)
    with lens_pool(device) as pool, bar:
        for part, _ in zip(parts, pool(fill, parts), strict=True):
            bar.update(min(share, n - part))
    return ImagePairs(lr, hr, scale, f"{track}-x{scale}", truth=truth, labels=labels, params=params)
