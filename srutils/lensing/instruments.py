"""The instruments of the two lens tracks: pixels, PSFs, photons, and what they see of a lens."""

import numpy as np

from srutils.lensing import raytrace

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


def normals(key, lens_ids, stream, size, device):
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
    blurred = raytrace.gaussian_blur(fine, [DEEPLENSE_PSF_FWHM / PIXEL * SUPERSAMPLING])[0]
    mean = raytrace.bin_pixels(blurred, SUPERSAMPLING) + DEEPLENSE_SKY
    counts = raytrace.photon_counts(mean, noise(1, mean.shape[-1]))
    low = counts.amin((1, 2), keepdim=True)
    span = counts.amax((1, 2), keepdim=True) - low
    hr = (counts - low) / span
    return hr, bicubic_half(hr), (mean - low) / span, {"counts_min": low, "counts_range": span}


def _telescope(fine, noise, scale):
    blurred = raytrace.gaussian_blur(fine, [PSF_FWHM[s] / PIXEL * SUPERSAMPLING for s in (1, scale)])
    truth = raytrace.bin_pixels(blurred[0], SUPERSAMPLING)
    lr = raytrace.bin_pixels(blurred[1], SUPERSAMPLING * scale)
    peak = truth.amax((1, 2), keepdim=True)
    observed = []
    for image, s in ((truth, 1), (lr, scale)):
        counts = raytrace.photon_counts((image / peak * PEAK + SKY) * s**2, noise(s, image.shape[-1]))
        observed.append((counts / s**2 - SKY) / PEAK)
    return *observed, truth / peak, {"peak_brightness": peak}


def observe(track, scale, key, params, device):
    """What the instruments see of these lenses: tensors hr, lr, truth (B, H, W), and a dict of EXTRA."""
    import torch

    def noise(stream, size):
        return normals(key, params["lens"], stream, size, device)

    with torch.inference_mode():
        t = {k: torch.from_numpy(v).float().to(device) for k, v in params.items()}
        t = {k: v if k.startswith("subhalo") else v[:, None, None] for k, v in t.items()}
        source = {k.removeprefix("source_"): v for k, v in t.items() if k.startswith("source_")}
        source["center_x"], source["center_y"] = source.pop("x"), source.pop("y")
        fine = raytrace.ray_trace(t, source, SIZE[track] * SUPERSAMPLING, PIXEL / SUPERSAMPLING)
        return _deeplense(fine, noise) if track == "deeplense" else _telescope(fine, noise, scale)
