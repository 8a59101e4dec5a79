"""Measure a lens: the forward model of the ``telescope`` track, fitted to an image.

The model is what made the images, but for substructure: a singular isothermal ellipsoid with external shear
bends the light of an elliptical Sersic source (`lensing.ray_trace`), a Gaussian PSF blurs it, pixels average
it. Fourteen numbers describe it; a fit moves all of them until the model looks like the image. Two are what
an astronomer is after, the Einstein radius and the shear, and the others are what has to be fitted along.

Besides, three things that need no fit: `flux_error`, `ring_profile` and `ring_radius`.
"""

from __future__ import annotations

import numpy as np

from srutils.lensing import instruments, parallel
from srutils.pairs import as_images

# the order of the model's parameters; the last three are positive, and fitted as their logarithms
LINEAR = ("theta_E", "gamma1", "gamma2", "e1", "e2", "center_x", "center_y")
LINEAR += ("source_x", "source_y", "source_e1", "source_e2")
POSITIVE = ("source_amp", "source_radius", "source_n")
PARAMETERS = LINEAR + POSITIVE
# standard deviations of `perturb`: about what a look at the image would leave open (arcsec, shares, ln)
SPREAD = {"theta_E": 0.03, "gamma1": 0.02, "gamma2": 0.02, "e1": 0.03, "e2": 0.03, "center_x": 0.02}
SPREAD |= {"center_y": 0.02, "source_x": 0.03, "source_y": 0.03, "source_e1": 0.05, "source_e2": 0.05}
SPREAD |= {"source_amp": 0.15, "source_radius": 0.15, "source_n": 0.15}
# where the fit may go: |value| at most, or between the two limits (logarithms)
LIMITS = {"theta_E": (0.3, 2.5), "gamma1": 0.4, "gamma2": 0.4, "e1": 0.6, "e2": 0.6, "center_x": 0.3}
LIMITS |= {"center_y": 0.3, "source_x": 1.0, "source_y": 1.0, "source_e1": 0.7, "source_e2": 0.7}
LIMITS |= {"source_amp": (-6.0, 6.0), "source_radius": (-4.0, 0.5), "source_n": (-1.2, 1.4)}
STEP = 3e-4  # of the differences that give the slopes: small beside a pixel, large beside float32's rounding


def truth(params: dict) -> dict[str, np.ndarray]:
    """Take the model's parameters from those that simulated lenses were drawn with.

    Parameters
    ----------
    params : dict
        `ImagePairs.params` of the telescope track.

    Returns
    -------
    dict of str to ndarray (N,), float64
        PARAMETERS. Positions and radii in arcsec; theta_E is the total's, substructure included;
        source_amp in units of the noise-free peak.

    Raises
    ------
    ValueError
        If something is missing: images of the other track have none of it.
    """
    missing = [name for name in (*PARAMETERS, "peak_brightness") if name not in params]
    if missing:
        raise ValueError(f"params lack {', '.join(missing)}; expected those of simulated telescope lenses")
    values = {name: np.asarray(params[name], float) for name in PARAMETERS}
    values["source_amp"] = values["source_amp"] / np.asarray(params["peak_brightness"], float)
    return values


def perturb(values: dict, seed: int = 0, strength: float = 1.0) -> dict[str, np.ndarray]:
    """Make a start for `refit` that is some way off: move each parameter by SPREAD times a normal number.

    The last three of PARAMETERS are multiplied by the exponential of that. Starting near the truth asks what
    an image says about its lens; finding a lens from nothing is another question.

    Parameters
    ----------
    values : dict of str to ndarray (N,)
        PARAMETERS, such as `truth` gives.
    seed : int
        Lens i's start depends on (seed, i) alone.
    strength : float
        Multiplies SPREAD.
    """
    n = len(values["theta_E"])
    normal = np.stack([np.random.default_rng([seed, i]).standard_normal(len(PARAMETERS)) for i in range(n)])
    moved = {k: strength * SPREAD[k] * normal[:, i] for i, k in enumerate(PARAMETERS)}
    return {k: values[k] * np.exp(moved[k]) if k in POSITIVE else values[k] + moved[k] for k in PARAMETERS}


def _model(p, size, scale, fwhm):
    """Images (B, size, size) of the packed parameters p (B, 14): scaled pixels, a PSF of `fwhm` arcsec."""
    t = {name: p[:, i, None, None] for i, name in enumerate(PARAMETERS)}
    t |= {name: t[name].exp() for name in POSITIVE}
    t["theta_E_main"] = t.pop("theta_E")
    return instruments.expose(t, size * scale, (fwhm, scale))[0]


def _fit_one(image, start, scale, fwhm, rounds):
    """Levenberg-Marquardt on one image (size, size): packed parameters, covariance, chi^2 per pixel, model.

    scipy.optimize.least_squares finds the same minimum, but asks for new slopes after every step, and takes
    1.4 times as long: slopes are fourteen images, a step is one.
    """
    import torch

    low, high = (torch.tensor(side, dtype=torch.float32) for side in _limits())
    data, peak, sky = torch.from_numpy(image), instruments.PEAK, instruments.SKY

    def misfit(p):
        models = _model(p, len(image), scale, fwhm)
        # photon noise of the model, so that a dark fluctuation counts no more than a bright one
        sigma = ((models[0].clamp(min=0) * peak + sky) ** 0.5 / (peak * scale)).detach()
        return ((models - data) / sigma).flatten(1).double(), models[0]

    steps = torch.eye(len(PARAMETERS)) * STEP
    p, damping = torch.minimum(torch.maximum(start, low), high), 1e-2
    for _ in range(rounds):
        every, best = misfit(torch.cat([p[None], p + steps]))
        r = every[0]
        chi2 = before = float(r @ r)
        slopes = (every[1:] - r) / STEP  # (14, pixels)
        normal = slopes @ slopes.T
        for _ in range(6):  # the slopes serve for several steps, until one no longer helps
            lifted = normal + damping * torch.diag(normal.diagonal() + 1e-9)
            move = torch.linalg.solve(lifted, slopes @ r).float()
            trial = torch.minimum(torch.maximum(p - move, low), high)
            new, image_of_trial = misfit(trial[None])
            if (value := float(new[0] @ new[0])) < chi2:
                gain, p, r, chi2, best = 1 - value / chi2, trial, new[0], value, image_of_trial
                damping = max(damping / 5, 1e-7)
                if gain < 1e-3:
                    break
            else:
                damping *= 8
        if chi2 > before * (1 - 1e-4):
            break
    covariance = torch.linalg.pinv(normal, hermitian=True).numpy()
    return p.double().numpy(), covariance, chi2 / image.size, best.numpy()


def _limits():
    pairs = [v if isinstance(v, tuple) else (-v, v) for v in (LIMITS[k] for k in PARAMETERS)]
    return tuple(zip(*pairs, strict=True))


def refit(images, start: dict, *, scale: int = 1, fwhm: float | None = None, rounds: int = 8) -> dict:
    """Fit smooth lenses to images by Levenberg-Marquardt (Marquardt 1963, J. SIAM 11, 431).

    Least squares, each pixel weighted by the photon noise that the HR telescope (or the one of `scale`) would
    have there; the error bars hold for pixels with that noise, each with its own. Substructure is not part of
    the model: what it does to an image is left in the residual.

    Parameters
    ----------
    images : array_like (N, H, W, 1)
        Telescope images, square, sky-subtracted, in units of HR's noise-free peak.
    start : dict of str to array_like (N,)
        PARAMETERS, see `truth` and `perturb`.
    scale : 1, 2 or 4
        Pixels of the images, in HR pixels: 1 for HR and whatever was upscaled to it, else LR itself.
    fwhm : float, optional
        Of the PSF in the images, arcsec; by default that of the telescope of this `scale`. An image that was
        interpolated from LR still has LR's.
    rounds : int
        Times that the slopes are computed, at most.

    Returns
    -------
    dict of str to ndarray
        PARAMETERS (N,), shear = hypot(gamma1, gamma2) (N,), chi2: the weighted squared misfit per pixel (N,),
        model (N, H, W, 1), the fitted images, and covariance (N, 14, 14) of PARAMETERS in their order, of the
        logarithms where POSITIVE. The roots of its diagonal are the error bars.

    Raises
    ------
    ValueError
        For images that are not square telescope images, another scale, or a start of another length.
    """
    images = as_images(images, "images")
    widths = instruments.PSF_FWHM
    if scale not in widths:
        raise ValueError(f"scale is {scale!r}; expected one of {', '.join(map(str, widths))}")
    side = instruments.SIZE["telescope"] // scale
    if images.shape[1:] != (side, side, 1):
        expected = f"(N, {side}, {side}, 1) at scale {scale}"
        raise ValueError(f"images have shape {images.shape}; expected {expected}")
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; expected at least 1")
    missing = [name for name in PARAMETERS if np.shape(start.get(name)) != (len(images),)]
    if missing:
        raise ValueError(f"the start has not one value per image of {', '.join(missing)}")
    import torch

    columns = [np.log(start[k]) if k in POSITIVE else np.asarray(start[k], float) for k in PARAMETERS]
    packed = torch.tensor(np.stack(columns, 1), dtype=torch.float32)
    if not torch.isfinite(packed).all():
        raise ValueError(f"the start holds NaN or Inf, or {' or '.join(POSITIVE)} is not positive")

    def fit(i):
        with torch.inference_mode():
            return _fit_one(images[i, ..., 0], packed[i], scale, fwhm or widths[scale], rounds)

    with parallel.lens_pool(torch.device("cpu")) as pool:
        fits = list(pool(fit, range(len(images))))
    table, covariance, chi2, models = (np.stack(part) for part in zip(*fits, strict=True))
    found = {k: np.exp(table[:, i]) if k in POSITIVE else table[:, i] for i, k in enumerate(PARAMETERS)}
    found["shear"] = np.hypot(found["gamma1"], found["gamma2"])
    return found | {"chi2": chi2, "model": models[..., None], "covariance": covariance}


# ---------------------------------------------------------------- without a model
def flux_error(images, target) -> np.ndarray:
    """Compare the total light of images with that of the target: their ratio minus 1, (N,), without unit.

    Parameters
    ----------
    images, target : array_like (N, H, W, 1)
        Pixels may differ in size: means are compared.
    """
    mean, wanted = (as_images(x).mean((1, 2, 3), dtype=np.float64) for x in (images, target))
    if mean.shape != wanted.shape:
        raise ValueError(f"there are {len(mean)} images and {len(wanted)} targets; expected as many")
    return mean / wanted - 1


def ring_profile(images, bins: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Average the brightness in rings around the field's centre.

    Parameters
    ----------
    images : array_like (N, H, W, 1)
    bins : int
        Rings between the centre and the nearer edge.

    Returns
    -------
    radius : ndarray (bins,), in pixels of the image, the mean of each ring
    profile : ndarray (N, bins), NaN in a ring without a pixel
    """
    images = as_images(images)
    n, h, w = images.shape[:3]
    y, x = np.mgrid[:h, :w]
    r = np.hypot(y - (h - 1) / 2, x - (w - 1) / 2).ravel()
    which = (r / (min(h, w) / 2) * bins).astype(int)
    inside = which < bins
    count = np.bincount(which[inside], minlength=bins)
    with np.errstate(invalid="ignore"):
        radius = np.bincount(which[inside], r[inside], bins) / count
        flat = images.mean(-1, dtype=np.float64).reshape(n, -1)[:, inside]
        profile = np.stack([np.bincount(which[inside], one, bins) / count for one in flat])
    return radius, profile


def ring_radius(images, bins: int = 64) -> np.ndarray:
    """Measure where the light sits: the mean radius of `ring_profile`, weighted with its squared light, in
    pixels.

    A peak's position would jump between bins, and the plain mean follows the sky far out; this one moves
    smoothly.
    """
    radius, profile = ring_profile(images, bins)
    weight = np.where(np.isfinite(profile), np.maximum(profile, 0), 0) ** 2 * np.nan_to_num(radius)
    return (weight * np.nan_to_num(radius)).sum(1) / weight.sum(1)
