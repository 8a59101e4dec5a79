"""The course's two lens data sets, drawn fresh from a seed.

``deeplense`` is a statistical replica of the DeepLense super-resolution test: HR is a noisy image, and LR is
a bicubic resize of that same noisy image. Published numbers compare. It is scored against HR.

``telescope`` looks at the same sky through two instruments, HR and LR: each has its own PSF, pixels and
photons. It is scored against the noise-free truth.

What both draw from, the same for all three classes of dark matter, is in ``lens_priors``; the ray tracer is
in ``lensing``; files are read and written by ``lens_files``, whose loaders can be had from here, too.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from srutils import lens_priors, lensing
from srutils.lens_files import (
    CLASSES,
    find_classes,
    find_deeplense,
    load_classes,
    load_deeplense,
    read_pairs,
    save_pairs,
    write_pairs,
)
from srutils.pairs import ImagePairs

__all__ = [
    "CLASSES",
    "bicubic_half",
    "bicubic_matrix",
    "find_classes",
    "find_deeplense",
    "lens_set",
    "load_classes",
    "load_deeplense",
    "oracle",
    "save_pairs",
    "simulate",
]

TRACKS = ("deeplense", "telescope")
# of each track's generator: a change of its output must change this, and so the cache file's name
VERSION = {"deeplense": 2, "telescope": 1}
SPLITS = ("train", "val", "test")
SCALES = {"deeplense": (2,), "telescope": (2, 4)}
SIZE = {"deeplense": 150, "telescope": 128}  # HR pixels a side (150 is no multiple of 4)
PIXEL = 0.05  # arcsec, HR; LR's is `scale` times that
SUPERSAMPLING = 2  # rays a HR pixel, along each axis

# telescope. Counts are per HR pixel and exposure; a larger pixel collects more in proportion to its area.
PSF_FWHM = {1: 0.09, 2: 0.18, 4: 0.36}  # arcsec, by scale; 1 is HR
PEAK = 800.0  # photons in the brightest pixel of the noise-free HR image
SKY = 10.0  # photons of sky background

# deeplense, as recovered by fits to original images (chi^2 per pixel 0.99-1.01); 0.05" pixels are assumed
DEEPLENSE_PSF_FWHM = 0.20  # arcsec
DEEPLENSE_SKY = 10.0  # photons
# what an image's normalisation adds to its params
EXTRA = {"deeplense": ("counts_min", "counts_range"), "telescope": ("peak_brightness",)}


# ---------------------------------------------------------------- instruments
def _normals(key, lens_ids, stream, size, device):
    """Standard normal numbers (B, size, size), drawn lens by lens on the CPU: the same on every device."""
    import torch

    draws = [
        np.random.default_rng([*key, int(i), stream]).standard_normal((size, size), np.float32)
        for i in lens_ids
    ]
    return torch.from_numpy(np.stack(draws)).to(device)


def bicubic_half(hr):
    """How the DeepLense LR images were made: torch's bicubic resize (4 taps, a = -0.75, no antialiasing).

    `hr` and the result are torch tensors, (B, H, W) and (B, H/2, W/2).
    """
    import torch

    size = [s // 2 for s in hr.shape[1:]]
    return torch.nn.functional.interpolate(hr[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


def _deeplense(fine, noise):
    blurred = lensing.gaussian_blur(fine, [DEEPLENSE_PSF_FWHM / PIXEL * SUPERSAMPLING])[0]
    mean = lensing.bin_pixels(blurred, SUPERSAMPLING) + DEEPLENSE_SKY
    counts = lensing.photon_counts(mean, noise(1, mean.shape[-1]))
    low = counts.amin((1, 2), keepdim=True)
    span = counts.amax((1, 2), keepdim=True) - low
    hr = (counts - low) / span
    return hr, bicubic_half(hr), (mean - low) / span, {"counts_min": low, "counts_range": span}


def _telescope(fine, noise, scale):
    blurred = lensing.gaussian_blur(fine, [PSF_FWHM[s] / PIXEL * SUPERSAMPLING for s in (1, scale)])
    truth = lensing.bin_pixels(blurred[0], SUPERSAMPLING)
    lr = lensing.bin_pixels(blurred[1], SUPERSAMPLING * scale)
    peak = truth.amax((1, 2), keepdim=True)
    observed = []
    for image, s in ((truth, 1), (lr, scale)):
        counts = lensing.photon_counts((image / peak * PEAK + SKY) * s**2, noise(s, image.shape[-1]))
        observed.append((counts / s**2 - SKY) / PEAK)
    return *observed, truth / peak, {"peak_brightness": peak}


def _observe(track, scale, key, params, device):
    """What the instruments see of these lenses: tensors hr, lr, truth (B, H, W), and a dict of EXTRA."""
    import torch

    def noise(stream, size):
        return _normals(key, params["lens"], stream, size, device)

    with torch.inference_mode():
        t = {k: torch.from_numpy(v).to(device, torch.float32) for k, v in params.items()}
        t = {k: v if k.startswith("subhalo") else v[:, None, None] for k, v in t.items()}
        source = {k.removeprefix("source_"): v for k, v in t.items() if k.startswith("source_")}
        source["center_x"], source["center_y"] = source.pop("x"), source.pop("y")
        fine = lensing.ray_trace(t, source, SIZE[track] * SUPERSAMPLING, PIXEL / SUPERSAMPLING)
        return _deeplense(fine, noise) if track == "deeplense" else _telescope(fine, noise, scale)


# ---------------------------------------------------------------- the simulator
def _check(track, n, scale, classes, seed, split, triplets):
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

    indices = _check(track, n, scale, classes, seed, split, triplets)
    try:
        device = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device is {device!r}, which torch cannot use here: {error}") from None
    n, scale = int(n), int(scale)
    key = (TRACKS.index(track), SPLITS.index(split), int(seed))
    labels = np.resize(np.array(indices, np.int64), n)
    lens_ids = np.arange(n) // 3 if triplets else np.arange(n)
    params = {"lens": lens_ids, **lens_priors.draw(track, key, lens_ids, labels)}
    size = SIZE[track]
    hr, truth = np.empty((2, n, size, size, 1), np.float32)
    lr = np.empty((n, size // scale, size // scale, 1), np.float32)

    drawn = dict(params)

    # one lens at a time on a CPU: for another batch size libraries take another path and round otherwise
    step, share = (1, 8) if device.type == "cpu" else (128, 128)

    def fill(first):
        for a in range(first, min(first + share, n), step):
            part = slice(a, a + step)
            *images, extra = _observe(track, scale, key, {k: v[part] for k, v in drawn.items()}, device)
            for out, image in zip((hr, lr, truth), images, strict=True):
                out[part, ..., 0] = image.cpu().numpy()
            for name, value in extra.items():
                params[name][part] = value.flatten().cpu().numpy()

    params |= {name: np.empty(n, np.float32) for name in EXTRA[track]}
    parts = range(0, n, share)
    bar = tqdm(total=n, desc=f"{track} x{scale}", unit="pair", disable=not progress)
    with _pool(device) as pool, bar:
        for part, _ in zip(parts, pool(fill, parts), strict=True):
            bar.update(min(share, n - part))
    return ImagePairs(lr, hr, scale, f"{track}-x{scale}", truth=truth, labels=labels, params=params)


@contextmanager
def _pool(device):
    """On a CPU, a ``map`` in as many Python threads as torch has of its own, which then rest; else ``map``.

    torch's own threads wait for one another after each of hundreds of small steps, which is slow, and on a
    busy machine a hundred times slower still. Whole lenses in parallel do not wait; nor can the thread count
    change a byte.
    """
    import torch

    threads = torch.get_num_threads()
    if device.type != "cpu":
        yield map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as executor:
            yield executor.map
    finally:
        torch.set_num_threads(threads)


def lens_set(
    track,
    n=2000,
    *,
    scale=2,
    split="train",
    seed=0,
    classes=None,
    triplets=False,
    device="cpu",
    progress=False,
):
    """The pairs that `simulate` gives for these arguments, from a file in the cache if it is there.

    The file's name spells out the arguments and the generator's version. Its SHA-256 is checked on every
    read; a damaged file is made anew, with a warning. A cache that cannot be written costs a warning, not
    the data.
    """
    from srutils.course import cache_dir

    indices = _check(track, n, scale, classes, seed, split, triplets)
    kind = ("triplets" if triplets else "classes") + "".join(map(str, indices))
    name = (
        f"{track}-x{scale}-{split}-n{n}-seed{seed}-{kind}-{str(device).split(':')[0]}-v{VERSION[track]}.npz"
    )
    path = cache_dir() / "lenses" / name
    try:
        return read_pairs(path)
    except FileNotFoundError:
        pass
    except (ValueError, OSError) as error:
        warnings.warn(f"{error}; it is made anew", stacklevel=2)
    options = {"scale": scale, "classes": classes, "seed": seed, "split": split, "triplets": triplets}
    pairs = simulate(track, n, **options, device=device, progress=progress)
    try:
        write_pairs(path, pairs)
    except OSError as error:
        warnings.warn(f"{path} cannot be written ({error}); nothing is kept", stacklevel=2)
    return pairs


# ---------------------------------------------------------------- the ceiling of the deeplense track
def bicubic_matrix(n):
    """`bicubic_half` along one axis as a matrix (n / 2, n): LR = B HR B^T. Edge pixels repeat outwards."""
    matrix = np.zeros((n // 2, n))
    for i in range(n // 2):
        for pixel, weight in zip(range(2 * i - 1, 2 * i + 3), (-3, 19, 19, -3), strict=True):
            matrix[i, np.clip(pixel, 0, n - 1)] += weight / 32
    return matrix


def oracle(pairs):
    """Ceiling of the deeplense track: the noise-free truth plus what LR determines of HR's noise.

    HR is truth + n, and LR = B HR B^T holds B n B^T. If n were white Gaussian noise, the expectation of n
    given that would be its projection B^+ (B n B^T) B^+T, B^+ being the pseudo-inverse: a quarter of the
    noise, so the mean squared error is three quarters of the noise's. No network can do better on average:
    what is left of the noise is independent of LR. The photon noise here grows with the signal; weighting
    by its variance, which takes an iterative solver, lifts the oracle by less than 0.01 dB.

    Parameters
    ----------
    pairs : ImagePairs
        Of the deeplense track: `truth` set, and `lr` the bicubic half of `hr`.

    Returns
    -------
    ndarray (N, H, W, 1), float32

    Raises
    ------
    ValueError
        If there is no truth, or LR is not made of HR (on the telescope track the oracle is the truth
        itself).
    """
    if pairs.truth is None:
        raise ValueError(f"{pairs.name} has no noise-free truth; the oracle needs it")
    vertical, horizontal = (bicubic_matrix(n) for n in pairs.hr.shape[1:3])
    back_v, back_h = np.linalg.pinv(vertical), np.linalg.pinv(horizontal)
    out = np.empty_like(pairs.hr)
    for a in range(0, len(pairs), 64):  # in float64, so a few at a time
        hr, truth, lr = (x[a : a + 64, ..., 0] for x in (pairs.hr, pairs.truth, pairs.lr))
        resized = vertical @ hr @ horizontal.T
        if resized.shape != lr.shape or abs(resized - lr).max() > 1e-4:
            raise ValueError(f"LR of {pairs.name} is no bicubic half of HR; expected the deeplense track")
        noise = lr - vertical @ truth @ horizontal.T
        out[a : a + 64, ..., 0] = truth + back_v @ noise @ back_h.T
    return out
