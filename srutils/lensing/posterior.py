"""The exact posterior: all smooth lenses that fit one LR image of the ``telescope`` track.

A smooth lens there is thirteen numbers: those of `refit`, whose fourteenth, the source's brightness, follows
from them because HR's brightest pixel is 1. The prior is the simulator's, the likelihood that of counted
photons (Poisson). So samples of the thirteen, rendered, are samples of HR given LR, and their mean is the
best picture there is.

They are drawn in three steps: a fit; near it, the normal distribution that the slopes of the model give
(Laplace); and a correction of what that gets wrong, by importance sampling. Its effective sample size says
how much there was to correct. `ensemble` does the same by Markov chains, as a check.

The lens must be smooth, and the fit needs a start near enough. One maximum is found; of two, one is missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from srutils.lensing import instruments, refit
from srutils.pairs import as_images

FREE = tuple(name for name in refit.PARAMETERS if name != "source_amp")
SCALE = 4
# steps of the slopes: small beside an error bar, large beside the rounding of float32
STEPS = np.full(len(FREE), 1e-3)
TAILS, WIDER = 8, 1.15  # of the proposal: degrees of freedom of a t distribution, and how much it is widened
MOST_ROUNDS = 8  # of half the tries each: every round draws where those before have found more
BATCH = 8  # lenses rendered at once: more would not fit a processor's cache


@dataclass(frozen=True)
class Exact:
    """Samples of the posterior of one lens, all equally likely.

    Attributes
    ----------
    images : ndarray (n, 128, 128, 1), float32
        HR without noise.
    parameters : dict of str to ndarray (n,), float64
        `refit.PARAMETERS`.
    mean, std : ndarray (128, 128, 1), float32
        Of all that was tried, by its weight: more exact than those of the samples.
    effective : float
        How many independent samples the weighted ones are worth; near `tried` if Laplace is right.
    tried : int
    """

    images: np.ndarray
    parameters: dict[str, np.ndarray]
    mean: np.ndarray
    std: np.ndarray
    effective: float
    tried: int


def render(theta) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Show lenses to both telescopes, without noise.

    Parameters
    ----------
    theta : array_like (B, 13)
        FREE: positions, radii in arcsec.

    Returns
    -------
    hr : ndarray (B, 128, 128), float32, of maximum 1
    lr : ndarray (B, 32, 32), float32, in the same unit
    amp : ndarray (B,), float64
        The source's brightness in that unit.
    """
    import torch

    theta = np.atleast_2d(np.asarray(theta, float))
    shown, psfs = [], [(instruments.PSF_FWHM[s], s) for s in (1, SCALE)]
    with torch.inference_mode():
        for part in np.split(theta, range(BATCH, len(theta), BATCH)):
            drawn = {name: part[:, i] for i, name in enumerate(FREE)} | {"source_amp": np.ones(len(part))}
            drawn["theta_E_main"] = drawn.pop("theta_E")
            size = instruments.SIZE["telescope"]
            large, small = instruments.expose(instruments.as_tensors(drawn), size, *psfs)
            peak = large.amax((1, 2), keepdim=True)
            shown.append((large / peak, small / peak, 1 / peak[:, 0, 0]))
    hr, lr, amp = (torch.cat(images).numpy() for images in zip(*shown, strict=True))
    return hr, lr, amp.astype(float)


def log_prior(theta) -> np.ndarray:
    """Return the log density (B,) of lenses (B, 13) in `srutils.lensing.priors`, up to a constant."""
    p = dict(zip(FREE, np.atleast_2d(np.asarray(theta, float)).T, strict=True))
    e, source_e = np.hypot(p["e1"], p["e2"]), np.hypot(p["source_e1"], p["source_e2"])
    shear, place = np.hypot(p["gamma1"], p["gamma2"]), np.hypot(p["source_x"], p["source_y"])
    inside = (abs(p["theta_E"] - 1.2) < 0.4) & (abs(p["center_x"]) < 0.03) & (abs(p["center_y"]) < 0.03)
    inside &= (shear < 0.08) & (place < 0.35) & (abs(p["source_radius"] - 0.26) < 0.14)
    inside &= abs(p["source_n"] - 1.35) < 0.65
    value = -np.log(np.maximum(shear, 1e-9))  # even in its amount: 1 / amount in its plane
    for amount, low, high in ((e, 0.65, 0.98), (source_e, 0.5, 1.0)):  # even in the axis ratio q
        q = (1 - amount) / (1 + amount)
        inside &= (q > low) & (q < high)
        value = value - 2 * np.log1p(amount) - np.log(np.maximum(amount, 1e-9))
    return np.where(inside, value, -np.inf)


def counts(lr) -> np.ndarray:
    """Return the photons (32, 32) that were counted in an LR image (32, 32, 1)."""
    lr = as_images(lr, "lr")
    side = instruments.SIZE["telescope"] // SCALE
    if lr.shape != (1, side, side, 1):
        expected = f"one image ({side}, {side}, 1) of the telescope at x4"
        raise ValueError(f"lr has shape {lr.shape}; expected {expected}")
    return np.maximum(np.round(_expected(lr[0, ..., 0])), 0)


def _expected(lr: np.ndarray) -> np.ndarray:
    return (lr.astype(float) * instruments.PEAK + instruments.SKY) * SCALE**2


def log_probability(theta, lr, rendered=None) -> np.ndarray:
    """Compute the log posterior density (B,) of lenses (B, 13) given one LR image, up to a constant.

    Parameters
    ----------
    theta : array_like (B, 13)
        FREE.
    lr : array_like (32, 32, 1)
    rendered : ndarray (B, 32, 32), optional
        Their LR without noise, where it is known already.
    """
    seen, value = counts(lr), log_prior(theta)
    possible = np.isfinite(value)
    if not possible.any():
        return value
    some = np.atleast_2d(theta)[possible]
    mean = _expected(render(some)[1] if rendered is None else rendered[possible])
    value[possible] += (seen * np.log(mean) - mean - (seen * np.log(np.maximum(seen, 1)) - seen)).sum((1, 2))
    return value


def _laplace(lr, start: dict) -> tuple[np.ndarray, np.ndarray]:
    """Fit one LR image; return the best lens (13,) and the covariance (13, 13) that the slopes give."""
    start = {name: np.atleast_1d(value) for name, value in start.items()}
    fit, n = refit.refit(np.asarray(lr)[None], start, scale=SCALE, rounds=20), len(FREE)
    theta, seen = np.array([fit[name][0] for name in FREE]), counts(lr)
    for _ in range(3):  # Gauss and Newton, with the brightness that now follows from the rest
        _, images, _ = render(np.concatenate([[theta], theta + np.diag(STEPS), theta - np.diag(STEPS)]))
        mean = _expected(images)
        slopes = ((mean[1 : 1 + n] - mean[1 + n :]) / (2 * STEPS)[:, None, None]).reshape(n, -1)
        weighted = slopes / mean[0].ravel()
        # what LR says nothing of, as the direction of a round lens, is known to half a unit by the prior
        covariance = np.linalg.inv(weighted @ slopes.T + 4 * np.eye(n))
        move = covariance @ weighted @ (seen - mean[0]).ravel()
        theta = theta + move
        if (abs(move) < 0.1 * np.sqrt(np.diag(covariance))).all():
            break
    return theta, covariance


def best(lr, start: dict) -> np.ndarray:
    """Fit one LR image (32, 32, 1), and show the lens to HR's telescope: (128, 128, 1), float32."""
    theta, _ = _laplace(lr, start)
    return render(theta)[0][0, ..., None]


def sample(lr, n: int = 64, start: dict | None = None, seed: int = 0, tries: int | None = None) -> Exact:
    """Draw smooth lenses that fit an LR image of the telescope track at x4, each as often as it is likely.

    Parameters
    ----------
    lr : array_like (32, 32, 1)
    n : int
    start : dict of str to float
        `refit.PARAMETERS` near enough for a fit, such as those of `refit.truth` or `refit.perturb`.
    seed : int
    tries : int, optional
        Lenses that are rendered and weighed, by default 6 n and at least 384; more, up to four times as many,
        where too few of them count.

    Raises
    ------
    ValueError
        An image of another kind, no start, or no lens of the prior near the fit.
    """
    if start is None or n < 1:
        expected = "at least 1, and parameters near the lens"
        raise ValueError(f"n is {n} and the start {start!r}; expected {expected}")
    rng, tries = np.random.default_rng(seed), tries or max(6 * n, 384)
    proposal, proposals = _laplace(lr, start), []
    theta, hr, amp, logs = (np.empty((0, *shape)) for shape in ((len(FREE),), (128, 128), (), ()))
    for k in range(MOST_ROUNDS):
        proposals.append(proposal)
        centre, covariance = proposal
        stretch = np.sqrt(TAILS / rng.chisquare(TAILS, tries // 2))[:, None]
        root = np.linalg.cholesky(covariance) * WIDER
        new = centre + stretch * rng.standard_normal((tries // 2, len(FREE))) @ root.T
        images, small, peaks = render(new)
        theta, hr, amp = (np.concatenate(x) for x in ((theta, new), (hr, images), (amp, peaks)))
        logs = np.concatenate([logs, log_probability(new, lr, small)])
        weights = _weights(logs - _proposed(theta, proposals))
        if k and 1 / (weights**2).sum() > 0.2 * tries:
            break
        proposal = _adapted(theta, logs - _proposed(theta, proposals), covariance)
    places = (rng.random() + np.arange(n)) / n  # systematic: each is taken as often as its weight says
    chosen = rng.permutation(np.searchsorted(np.cumsum(weights), places).clip(max=len(theta) - 1))
    mean = np.tensordot(weights, hr, 1)
    std = np.sqrt(np.tensordot(weights, (hr - mean) ** 2, 1))
    values = dict(zip(FREE, theta[chosen].T, strict=True)) | {"source_amp": amp[chosen]}
    values = {name: values[name] for name in refit.PARAMETERS}
    images, mean, std = (image[..., None].astype(np.float32) for image in (hr[chosen], mean, std))
    return Exact(images, values, mean, std, float(1 / (weights**2).sum()), len(theta))


def _proposed(theta: np.ndarray, proposals: list) -> np.ndarray:
    """Return the log density of all rounds together, each a t distribution, at lenses (B, 13)."""
    from scipy.special import logsumexp
    from scipy.stats import multivariate_t

    each = [multivariate_t(c, WIDER**2 * cov, df=TAILS).logpdf(theta) for c, cov in proposals]
    return logsumexp(each, 0) - np.log(len(proposals))


def _adapted(theta: np.ndarray, logs: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and covariance of weighted lenses; weights are evened out until enough of them count.

    A tenth of the covariance `before` stays: where few lenses are possible, theirs may have no width at all.
    """
    even, weights = 1.0, _weights(logs)
    while 1 / (weights**2).sum() < 4 * len(FREE) and even > 1e-3:
        even *= 0.7
        weights = _weights(even * logs)
    return weights @ theta, 0.9 * np.cov(theta.T, aweights=weights) + 0.1 * before


def _weights(logs: np.ndarray) -> np.ndarray:
    if not np.isfinite(logs).any():
        raise ValueError(
            "no lens of the prior lies near the fit; is it a smooth lens of the telescope track?"
        )
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def ensemble(lr, start: dict, steps: int = 400, walkers: int = 32, seed: int = 0) -> np.ndarray:
    """Sample the same posterior by emcee's ensemble of walkers (Foreman-Mackey et al. 2013): slow, a check.

    Parameters
    ----------
    lr, start, seed
        As for `sample`.
    steps, walkers : int
        The first half of the steps is left out.

    Returns
    -------
    ndarray (steps / 2 * walkers, 13), float64
        FREE.
    """
    import emcee

    rng = np.random.default_rng(seed)
    centre, covariance = _laplace(lr, start)
    first = []
    while len(first) < walkers:
        one = rng.multivariate_normal(centre, covariance)
        if np.isfinite(log_prior(one)[0]):
            first.append(one)
    moves = [(emcee.moves.DEMove(), 0.7), (emcee.moves.StretchMove(), 0.3)]
    options = {"args": (lr,), "vectorize": True, "moves": moves}
    sampler = emcee.EnsembleSampler(walkers, len(FREE), log_probability, **options)
    sampler._random = np.random.RandomState(seed)
    sampler.run_mcmc(np.array(first), steps)
    return sampler.get_chain(discard=steps // 2, flat=True)


def observe_again(images, lr) -> np.ndarray:
    """Look at HR images through LR's telescope and compare with LR: chi2 per LR pixel of each, (n,).

    It is 1 on average for the truth, and for whatever differs from it by less than the photon noise.

    Parameters
    ----------
    images : array_like (n, 128, 128, 1)
        HR without noise, such as samples.
    lr : array_like (32, 32, 1) or (n, 32, 32, 1)
    """
    import torch

    images, lr = as_images(images, "images"), as_images(lr, "lr")
    scale = images.shape[1] // lr.shape[1]
    blur = instruments.widening(instruments.PSF_FWHM[scale])
    with torch.inference_mode():
        sharp = torch.from_numpy(np.ascontiguousarray(images[..., 0]))
        (seen,) = instruments.gaussian_blur(sharp, [blur])
        seen = instruments.bin_pixels(seen, scale).numpy().astype(float)
    variance = (np.maximum(seen, 0) * instruments.PEAK + instruments.SKY) / (instruments.PEAK * scale) ** 2
    return ((lr[..., 0] - seen) ** 2 / variance).mean((1, 2))
