"""Lens triplets under skies that differ from one to the next: PSF, light, halo, orientation, clumps.

`srutils.lensing.triplets` draws every lens as one survey would see it. What is trained here shall not lean on
that survey's habits, so a triplet gets a round or an elliptical halo, is turned by any angle, and half of the
sources have clumps. Its scene is kept through a sharp PSF and without sky; each time it is shown, the rest of
the PSF and the exposure are drawn anew. The three lenses of a triplet always share all of it.
"""

from __future__ import annotations

import numpy as np

from srutils.lensing import instruments, parallel, priors, raytrace
from srutils.lensing.priors import CLASSES
from srutils.lensing.triplets import SIZE

SHARPEST, WIDEST = 0.15, 0.32  # arcsec, full width at half maximum of the PSF
LIGHT = 0.25, 2.0  # of the source, beside a sky that stays
ELLIPTICITY = 0.2  # (1 - q) / (1 + q) of the halo, at most
KNOTS, KNOT_RADIUS, KNOT_SHARE = 5, (0.05, 0.12), (0.005, 0.1)  # number; arcsec; part of the source's light
PLACES = [(f"{what}_x", f"{what}_y") for what in ("center", "source", "subhalo", "vortex")]
DIRECTIONS = [("gamma1", "gamma2"), ("source_e1", "source_e2"), ("e1", "e2")]


def turned(params: dict, angle: np.ndarray) -> dict:
    """Turn lenses by an angle each, (N,) radians: places by the angle, shear and ellipses by twice of it."""
    out = dict(params)
    for times, names in ((1, PLACES), (2, DIRECTIONS)):
        for x, y in (pair for pair in names if pair[0] in params):
            c, s = np.cos(times * angle), np.sin(times * angle)
            c, s = (v[:, None] if params[x].ndim == 2 else v for v in (c, s))
            out[x], out[y] = c * params[x] - s * params[y], s * params[x] + c * params[y]
    return out | {"vortex_angle": params["vortex_angle"] + angle}


def varied(params: dict, rngs) -> tuple[dict, list[dict]]:
    """Draw halo, orientation and clumps of lenses.

    Parameters
    ----------
    params : dict of str to ndarray (N,) or (N, M)
        As `srutils.lensing.priors.draw` gives them.
    rngs : sequence of numpy Generator, N
        Lenses whose generators draw the same numbers are varied alike.

    Returns
    -------
    params : dict
        With e1 and e2, turned.
    knots : list of dict
        The same lenses with one of the source's clumps in the place of the source.
    """
    numbers = np.stack([rng.random(5) for rng in rngs], axis=1)
    at = np.stack([rng.normal(0, 0.5, (KNOTS, 2)) for rng in rngs], axis=2)  # in half-light radii
    e, axis = ELLIPTICITY * numbers[0], np.pi * numbers[1]
    params = params | {"e1": e * np.cos(2 * axis), "e2": e * np.sin(2 * axis)}
    low, high = np.log(KNOT_SHARE)
    share = np.where(numbers[2] < 0.5, np.exp(low + 2 * numbers[2] * (high - low)), 0)
    radius = KNOT_RADIUS[0] + numbers[3] * (KNOT_RADIUS[1] - KNOT_RADIUS[0])
    shrunk, amp = radius / params["source_radius"], params["source_amp"]
    params["source_amp"] = amp * (1 - share)
    knots = [
        {
            "source_amp": amp * share / shrunk**2 / KNOTS,
            "source_radius": radius,
            "source_x": params["source_x"] + x * params["source_radius"],
            "source_y": params["source_y"] + y * params["source_radius"],
        }
        for x, y in at
    ]
    angle = 2 * np.pi * numbers[4]
    return turned(params, angle), [turned(params | knot, angle) for knot in knots]


def scenes(n: int, *, seed: int = 0, split: str = "train", start: int = 0) -> tuple[np.ndarray, dict]:
    """Compute `n` varied triplets through the sharpest PSF.

    Parameters
    ----------
    n, seed, split, start
        As for `srutils.lensing.triplets.noise_free`: triplet i depends on (split, seed, i) alone.

    Returns
    -------
    light : ndarray (n, 3, 128, 128), float32
        Photons a pixel, without sky; the classes in the order of CLASSES.
    params : dict of str to ndarray (n * 3,) or (n * 3, 40)
    """
    import torch

    key = (instruments.TRACKS.index("deeplense"), instruments.SPLITS.index(split), int(seed))
    ids, labels = np.repeat(np.arange(start, start + n), 3), np.tile(np.arange(3), n)
    rngs = [np.random.default_rng([*key, int(i), 5]) for i in ids]  # 5: a stream that nothing else draws from
    params, knots = varied(priors.draw("deeplense", key, ids, labels), rngs)
    light = np.empty((n, len(CLASSES), SIZE, SIZE), np.float32)

    def fill(i):
        part = slice(3 * i, 3 * i + 3)
        sources = [{k: v[part] for k, v in one.items()} for one in (params, *knots)]
        light[i] = traced(*map(instruments.as_tensors, sources)).numpy()

    with torch.inference_mode(), parallel.lens_pool(torch.device("cpu")) as pool:
        list(pool(fill, range(n)))
    return light, params


def traced(lens: dict, *knots: dict):
    """Trace sources and their clumps through the same lenses, and blur by the sharpest PSF.

    Parameters
    ----------
    lens, *knots : dict of str to tensor
        As `instruments.as_tensors` makes them of what `varied` gives.

    Returns
    -------
    tensor (B, 128, 128), photons a pixel without sky
    """
    fine, pixel = instruments.SUPERSAMPLING, instruments.PIXEL / instruments.SUPERSAMPLING
    x, y = raytrace.grid(SIZE * fine, pixel)
    ax, ay = raytrace.deflection(x, y, lens)
    names = {"center_x": "source_x", "center_y": "source_y"}
    names |= {name: f"source_{name}" for name in ("amp", "radius", "n", "e1", "e2")}
    sources = ({to: one[name] for to, name in names.items()} for one in (lens, *knots))
    image = sum(raytrace.sersic(x - ax, y - ay, **source) for source in sources)
    (image,) = instruments.gaussian_blur(image, [SHARPEST / pixel])
    return instruments.bin_pixels(image, fine)


def exposed(light: np.ndarray, rng) -> np.ndarray:
    """Draw a PSF and an exposure, the same for all images, and show scenes through them.

    Parameters
    ----------
    light : ndarray (N, h, w)
        As `scenes` makes it.
    rng : numpy Generator

    Returns
    -------
    ndarray (N, h, w), float32
        Mean counts, sky included.
    """
    import torch

    fwhm = rng.uniform(SHARPEST, WIDEST)
    missing = instruments.widening(fwhm, SHARPEST)
    with torch.inference_mode():
        (wide,) = instruments.gaussian_blur(torch.from_numpy(np.asarray(light, np.float32)), [missing])
    return np.exp(rng.uniform(*np.log(LIGHT))) * wide.numpy() + np.float32(instruments.DEEPLENSE_SKY)
