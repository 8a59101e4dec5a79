"""The instruments of the two lens tracks: pixels, PSFs, photons, and what they see of a lens."""

import math
from functools import lru_cache

import numpy as np

from srutils.lensing import raytrace

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
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


# ---------------------------------------------------------------- PSFs, pixels, photons
def gaussian_blur(image, fwhms):
    """Convolve images with round Gaussian PSFs.

    The Fourier transform of a Gaussian of width sigma is exp(-2 pi^2 sigma^2 k^2), so one transform forward
    serves all PSFs, and each needs one back. Edges are periodic: harmless where the field's edge is dark.

    Parameters
    ----------
    image : tensor (B, n, n)
    fwhms : sequence of float
        Full widths at half maximum, pixels.

    Returns
    -------
    list of tensor (B, n, n), one a PSF
    """
    import torch

    n = image.shape[-1]
    spectrum = torch.fft.rfft2(image)
    transfer = _transfer(n, tuple(fwhms), image.dtype, image.device)
    # rounding leaves -1e-7 of the peak where it is dark
    return torch.fft.irfft2(spectrum * transfer, s=(n, n)).clamp_(min=0).unbind()


@lru_cache(maxsize=16)
def _transfer(n, fwhms, dtype, device):
    """Return the Fourier transforms of PSFs, as ``rfft2`` lays them out: tensor (fwhms, 1, n, n // 2 + 1)."""
    import torch

    # a kept tensor must also serve where gradients are taken
    with torch.inference_mode(False):
        k = torch.fft.fftfreq(n, dtype=dtype, device=device)
        k2 = k[:, None] ** 2 + torch.fft.rfftfreq(n, dtype=dtype, device=device) ** 2
        exponents = [-2 * (math.pi * fwhm / FWHM_PER_SIGMA) ** 2 * k2 for fwhm in fwhms]
        return torch.stack(exponents).exp_()[:, None]


def widening(wide: float, sharp: float = PSF_FWHM[1]) -> float:
    """Return the FWHM, in pixels, of the blur that turns one Gaussian PSF into a wider one.

    Two Gaussians in a row are one, and their variances add.

    Parameters
    ----------
    wide, sharp : float
        Full widths at half maximum, arcsec.
    """
    return math.sqrt(wide**2 - sharp**2) / PIXEL


def bin_pixels(image, factor):
    """Average each `factor` x `factor` block: tensor (B, H, W) -> (B, H / factor, W / factor)."""
    import torch

    return torch.nn.functional.avg_pool2d(image[:, None], factor)[:, 0]


def photon_counts(mean, normal):
    """Make Poisson counts from standard normal numbers.

    The Poisson quantile function at the quantile w of the normal distribution is, rounded down, m + sqrt(m) w
    + (2 + w^2) / 6 - (2 w + w^3) / (72 sqrt(m)) + (-16 + 7 w^2 + 3 w^4) / (810 m) + ... (Giles 2016, ACM
    Trans. Math. Softw. 42, 10, "Algorithm 955"). At m = 10 every probability is right to 4e-5, and better
    above. Unlike samplers that reject, this gives like scenes like noise, on every device.

    Parameters
    ----------
    mean : tensor
        Expected counts, at least 10.
    normal : tensor of the same shape

    Returns
    -------
    tensor of the same shape, whole numbers >= 0
    """
    w2 = normal * normal
    root = mean.sqrt()
    counts = mean + root * normal + (2 + w2) / 6 - normal * (2 + w2) / (72 * root)
    return (counts + (w2 * (7 + 3 * w2) - 16) / (810 * mean)).floor_().clamp_(min=0)


# ---------------------------------------------------------------- the two tracks
def as_tensors(params, device="cpu"):
    """Turn parameters as they were drawn, (N,) or (N, M), into tensors as the ray tracer takes them."""
    import torch

    t = {k: torch.from_numpy(np.asarray(v)).to(device, torch.float32) for k, v in params.items()}
    return {k: v if k.startswith("subhalo") else v[:, None, None] for k, v in t.items()}


def expose(t, size, *psfs):
    """Trace the rays of lenses, blur the image, and average it over pixels: without sky, without noise.

    Parameters
    ----------
    t : dict of str to tensor
        Lens and source, named as `priors.draw` names them; see `as_tensors`.
    size : int
        HR pixels a side.
    psfs : (fwhm, scale)
        Of each instrument: the PSF's width in arcsec, and how many HR pixels its own pixels are wide.

    Returns
    -------
    list of tensor (B, size / scale, size / scale), one an instrument
    """
    source = {k.removeprefix("source_"): v for k, v in t.items() if k.startswith("source_")}
    source["center_x"], source["center_y"] = source.pop("x"), source.pop("y")
    fine = raytrace.ray_trace(t, source, size * SUPERSAMPLING, PIXEL / SUPERSAMPLING)
    blurred = gaussian_blur(fine, [fwhm / PIXEL * SUPERSAMPLING for fwhm, _ in psfs])
    return [bin_pixels(image, SUPERSAMPLING * scale) for image, (_, scale) in zip(blurred, psfs, strict=True)]


def bicubic_half(hr):
    """Halve images as DeepLense images were: by torch's bicubic resize (4 taps, a = -0.75, no antialiasing).

    `hr` and the result are torch tensors, (B, H, W) and (B, H/2, W/2).
    """
    import torch

    size = [s // 2 for s in hr.shape[1:]]
    return torch.nn.functional.interpolate(hr[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


def _deeplense(t, noise):
    mean = expose(t, SIZE["deeplense"], (DEEPLENSE_PSF_FWHM, 1))[0] + DEEPLENSE_SKY
    counts = photon_counts(mean, noise(1, mean.shape[-1]))
    low = counts.amin((1, 2), keepdim=True)
    span = counts.amax((1, 2), keepdim=True) - low
    hr = (counts - low) / span
    return hr, bicubic_half(hr), (mean - low) / span, {"counts_min": low, "counts_range": span}


def _telescope(t, noise, scale):
    truth, lr = expose(t, SIZE["telescope"], (PSF_FWHM[1], 1), (PSF_FWHM[scale], scale))
    peak = truth.amax((1, 2), keepdim=True)
    observed = []
    for image, s in ((truth, 1), (lr, scale)):
        counts = photon_counts((image / peak * PEAK + SKY) * s**2, noise(s, image.shape[-1]))
        observed.append((counts / s**2 - SKY) / PEAK)
    return *observed, truth / peak, {"peak_brightness": peak}


def observe(track, scale, key, lens_ids, t, device):
    """Show lenses to a track's instruments: tensors hr, lr, truth (B, H, W), and a dict of EXTRA."""
    import torch

    def noise(stream, size):
        # standard normal numbers (B, size, size), lens by lens on the CPU: the same on every device
        rngs = (np.random.default_rng([*key, int(i), stream]) for i in lens_ids)
        draws = [rng.standard_normal((size, size), np.float32) for rng in rngs]
        return torch.from_numpy(np.stack(draws)).to(device)

    with torch.inference_mode():
        return _deeplense(t, noise) if track == "deeplense" else _telescope(t, noise, scale)
