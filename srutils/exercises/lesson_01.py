"""Lesson 01: whose bicubic, a clump that can be seen, a split that does not leak."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from srutils.exercises import Mistaken, Verdict, array, called, nearly, number, recognised, right, wrong
from srutils.exercises.formulas import agree, results, slip

# ---------------------------------------------------------------- 1: whose bicubic
CULPRITS = ((-0.75, 1.0), (-0.5, 1.0), (-0.75, 1.04), (-0.6, 0.9))  # Keys' a, and how LR was rescaled


def _halved(hr: np.ndarray, a: float, gain: float) -> np.ndarray:
    """LR (N, h, w, 1) of HR (N, 2 h, 2 w, 1): four taps along each axis without antialiasing."""
    taps = np.array([a / 8, 0.5 - a / 8, 0.5 - a / 8, a / 8])
    image = np.pad(hr[..., 0].astype(float), ((0, 0), (1, 1), (1, 1)), "edge")
    rows = sum(t * image[:, k : k + hr.shape[1] : 2] for k, t in enumerate(taps))
    columns = sum(t * rows[:, :, k : k + hr.shape[2] : 2] for k, t in enumerate(taps))
    return (gain * columns)[..., None].astype(np.float32)


@lru_cache
def _gravel() -> np.ndarray:
    from srutils import photos

    image = photos.builtin(False)["gravel"]  # a texture: on a smooth picture many kernels do the same
    return np.stack([image[i : i + 96, 40:136] for i in (0, 200)])


def exercise_1(find_a: Callable) -> Verdict:
    """`find_a(hr, lr)` returns Keys' a of the four-tap kernel that made LR, whatever LR's unit."""
    hr = _gravel()
    found = np.array([number(called(find_a, hr, _halved(hr, a, gain))) for a, gain in CULPRITS])
    a, gain = np.array(CULPRITS).T
    if np.allclose(found, a, atol=0.01):
        return right(
            "a = -0.75 accuses PyTorch and OpenCV, a = -0.5 Pillow and MATLAB, and now a careless change of "
            "unit hides neither. A gain changes the sum of the weights, a changes their proportions."
        )
    slips = {
        "The pairs in HR's own unit are right. Where LR was multiplied by a number, so was the kernel: what "
        "do its weights add up to?": a * gain,
        "That is the outer weight along one axis. Which multiple of it is a?": a / 8 * gain,
        "That is the outer weight along one axis, in HR's own unit. Which multiple of it is a?": a / 8,
        "The sign: four taps that sharpen have a negative outer weight.": -a,
        "The sign, and the unit: look at the outer weight, and at what the weights add up to.": -a * gain,
        "Twice too much. There are two outer weights along an axis; their mean is wanted, not their sum.": 2
        * a,
        "Twice too much, and LR's unit is still in it: mean of the outer weights, and their total.": 2
        * a
        * gain,
        "That is made of a corner of the 6 x 6 kernel, which is a product of two outer weights. Add the "
        "kernel up along one axis first.": gain * a**2 / 8,
        "You have read the inner weight as if it were the outer one.": 8 * (0.5 - a / 8) * gain,
    }
    return recognised(found, slips, rtol=0.01) or wrong(
        f"A pair made with a = {a[0]} gives {found[0]:.3f}, one with {a[1]} gives {found[1]:.3f}. Fit the "
        "36 weights as in section 6, and read a off the outer ones."
    )


# ---------------------------------------------------------------- 2: a clump you can see
HALO = {"theta_E_main": 1.2, "gamma1": 0.03, "gamma2": -0.02, "center_x": 0.0, "center_y": 0.0}
Q, PHI = 0.75, 0.5  # of the halo
GALAXY = {"amp": 1.0, "radius": 0.16, "n": 1.0, "center_x": 0.07, "center_y": 0.02}
GALAXY_Q, GALAXY_PHI = 0.6, 1.0
CLUMP = (0.05, 1.3, 0.5)  # Einstein radius and place, arcsec
CLUMP_SLIPS = [
    (
        lambda *case: -_point(*case),
        "Your clump pushes light away. Which sign do `sie` and `shear` have, and what does `to_source` do?",
    ),
    (
        lambda x, y, theta_s, x0, y0: _point(x, y, np.sqrt(theta_s), x0, y0),
        "It grows with theta_s. A deflection grows with mass, and mass goes with theta_s squared.",
    ),
    (
        lambda x, y, theta_s, x0, y0: _point(x, y, theta_s, x0, y0) * np.hypot(x - x0, y - y0),
        "This deflection is equally strong at every distance, as that of a whole halo. A point mass's falls "
        "off: how long is d / |d|^2?",
    ),
    (
        lambda x, y, theta_s, x0, y0: _point(x, y, theta_s, 0, 0),
        "This clump sits in the middle of the field, wherever it is put: d points from (x0, y0) to the ray.",
    ),
]


def _point(x, y, theta_s, x0, y0):
    """Deflection (2, ...) of a point mass, arcsec (Narayan & Bartelmann 1996, section 2.3)."""
    d = np.array([x - x0, y - y0])
    return theta_s**2 * d / (d**2).sum(0)


@lru_cache
def _views() -> dict:
    """HR's and LR's noise-free view without and with the clump: {(scale, PSF [arcsec]): (2, n, n)}."""
    import torch

    from srutils.lensing import instruments, raytrace

    def ellipse(q, phi):
        e = (1 - q) / (1 + q)
        return {"e1": e * np.cos(2 * phi), "e2": e * np.sin(2 * phi)}

    def tensors(values):
        return {k: torch.full((2, 1, 1), v, dtype=torch.float64) for k, v in values.items()}

    mass, x0, y0 = CLUMP
    lens = tensors(HALO | ellipse(Q, PHI))
    lens |= {k: torch.tensor([[v], [v]]).double() for k, v in (("subhalo_x", x0), ("subhalo_y", y0))}
    lens["subhalo_theta_E"] = torch.tensor([[0.0], [mass]]).double()
    pixel = instruments.PIXEL / instruments.SUPERSAMPLING
    source = tensors(GALAXY | ellipse(GALAXY_Q, GALAXY_PHI))
    fine = raytrace.ray_trace(lens, source, instruments.SIZE["telescope"] * instruments.SUPERSAMPLING, pixel)
    views, both = {}, float(np.hypot(instruments.PSF_FWHM[1], instruments.PSF_FWHM[4]))
    for scale, fwhm in ((1, instruments.PSF_FWHM[1]), (4, instruments.PSF_FWHM[4]), (4, both)):
        blurred = instruments.gaussian_blur(fine, [fwhm / pixel])[0]
        views[scale, fwhm] = instruments.bin_pixels(blurred, instruments.SUPERSAMPLING * scale).numpy()
    return views


def _sigma(view: tuple, statistic: Callable, sky: float, area: float, power: float = 1.0) -> float:
    """The clump's change over the photon noise to some power, all pixels put together by `statistic`."""
    from srutils.lensing import instruments

    peak = _views()[1, instruments.PSF_FWHM[1]][0].max()
    smooth, clumpy = _views()[view] / peak
    noise = np.sqrt((smooth + sky / instruments.PEAK) / instruments.PEAK / area)
    return float(statistic((clumpy - smooth) / np.maximum(noise, 1e-9) ** power))


def _length(z: np.ndarray) -> float:
    return np.sqrt(np.square(z).sum())


@lru_cache
def _significances() -> dict[str, np.ndarray]:
    """In HR and in LR x4: the right numbers under "", and what known slips make of them."""
    from srutils.lensing.instruments import PSF_FWHM, SKY

    def both(statistic=_length, sky=SKY, areas=(1, 16), power=1.0, blunt=PSF_FWHM[4]):
        views = ((1, PSF_FWHM[1]), (4, blunt))
        return np.array([_sigma(v, statistic, sky, a, power) for v, a in zip(views, areas, strict=True)])

    return {
        "": both(),
        "The noise of the dark sky is missing: the sky shines, too. Its light is taken off again, but not "
        "its scatter.": both(sky=0),
        "HR is right. A pixel of LR x4 has 16 times the area and collects 16 times the light. What does "
        "that do to its noise, in units of brightness?": both(areas=(1, 1)),
        "HR is right. LR's telescope does not look through HR's: blur the sky once, with LR's own PSF.": both(
            blunt=float(np.hypot(PSF_FWHM[1], PSF_FWHM[4]))
        ),
        "That is the strongest pixel. The others know something, too.": both(lambda z: np.abs(z).max()),
        "You have added the pixels' sigmas up. Independent pixels add in squares.": both(
            lambda z: np.abs(z).sum()
        ),
        "The squares are added, but sigma is their root.": both(lambda z: np.square(z).sum()),
        "That is the sigma of a typical pixel, a mean. All pixels together know more than each.": both(
            lambda z: np.sqrt(np.square(z).mean())
        ),
        "You have divided by the variance of the photons; its root is the noise.": both(power=2.0),
        "The two have changed places: the first number is HR's.": both()[::-1],
    }


def exercise_2(clump: Callable, in_hr: float, in_lr: float) -> Verdict:
    """A point mass's deflection, and by how many sigma it shows in HR and in LR x4."""
    rng = np.random.default_rng(1)
    cases = [
        (*rng.uniform(-2, 2, (2, 20)), 0.05, 0.7, -0.4),
        (*rng.uniform(-2, 2, (2, 5, 4)), 0.3, -1.0, 0.2),
    ]
    deflections = results(clump, cases)
    if not agree(deflections, _point, cases):
        return slip(deflections, CLUMP_SLIPS, cases) or wrong(
            "The deflection is not a point mass's. It has two components, like those of `sie`, and each is "
            "theta_s^2 times that of d / |d|^2, d being the way from the clump to the ray."
        )
    known, found = dict(_significances()), np.array([number(in_hr), number(in_lr)])
    truth = known.pop("")
    if np.allclose(found, truth, rtol=0.01):
        return right(
            "No single pixel shows the clump at four sigma, yet one who knows the lens cannot miss it: many "
            "pixels know a little each. LR x4 keeps half of that. Lesson 06 asks one who knows no lens."
        )
    return recognised(found, known, rtol=0.01) or wrong(
        "The deflection is right, the sigmas are not. Make each telescope's noise-free view without and with "
        "the clump, in units of HR's peak, and weigh their difference as `traces` in section 5 does."
    )


# ---------------------------------------------------------------- 3: a split that does not leak
def _crops(order: str) -> np.ndarray:
    """Whose crop is it? 600 names of 40 photographs, the largest with ten times as many as the smallest."""
    rng = np.random.default_rng(3)
    counts = np.round(600 * (share := rng.permutation(np.linspace(1, 10, 40))) / share.sum()).astype(int)
    names = np.repeat([f"photograph {k:02d}" for k in range(40)], counts)
    return rng.permutation(names) if order == "mixed" else names


def _mask(hold_out: Callable, source: np.ndarray, share: float, seed: int) -> np.ndarray:
    mask = array(called(hold_out, source.copy(), share, seed))
    if mask.dtype != bool or mask.shape != source.shape:
        raise Mistaken(
            f"An array of True (test) and False with the shape {source.shape} is expected; your function "
            f"returned {mask.dtype} with the shape {mask.shape}."
        )
    return mask


def _leaks(source: np.ndarray, mask: np.ndarray) -> bool:
    return bool(set(source[mask]) & set(source[~mask]))


def exercise_3(hold_out: Callable) -> Verdict:
    """`hold_out(source, share, seed)` marks the crops of a fair test set."""
    share, sets = 0.2, [_crops("mixed"), _crops("sorted")]
    masks = {
        (k, seed): _mask(hold_out, source, share, seed) for k, source in enumerate(sets) for seed in range(40)
    }
    tested = np.array([mask.mean() for mask in masks.values()])
    if min(tested) == 0 or max(tested) == 1:
        return wrong(
            "One side of your split is empty. True marks the crops to test on, a fifth of them here."
        )
    leaks = np.mean([_leaks(sets[k], mask) for (k, _), mask in masks.items()])
    if leaks > 0:
        what = "crops of one photograph on both sides: the memoriser would find them. Draw photographs."
        return nearly(f"{'There are' if leaks > 0.9 else 'Sometimes there are'} {what}")
    if any(
        not np.array_equal(mask, _mask(hold_out, sets[k], share, s)) for (k, s), mask in [*masks.items()][:4]
    ):
        return nearly("Nothing leaks. But the same seed gave two splits: nobody could repeat your numbers.")
    turns = {name for (k, _), mask in masks.items() for name in sets[k][mask]}
    if len(turns) < len(set(sets[0])):
        return nearly(
            "Nothing leaks. But some photographs are never tested, whatever the seed: whose turn it "
            "is must not depend on their order."
        )
    if np.allclose(tested, 1 - share, atol=0.06):
        return nearly("Nothing leaks, but True marks the training set, and it has to mark the test set.")
    if np.abs(tested - share).max() > 0.05:
        return nearly(
            f"Nothing leaks. But `share` is a share of crops: {share:.0%} is asked for, and the test set got "
            f"{min(tested):.0%} to {max(tested):.0%}. Photographs have different numbers of them."
        )
    return right(
        "On such a split the memoriser of section 8 lost two decibels instead of gaining one. Replace "
        "photograph by lens, patient or night, and the same lines serve; scikit-learn's GroupShuffleSplit is "
        "their relative that counts groups."
    )
