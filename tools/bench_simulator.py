"""Speed of the lens simulator beside lenstronomy's, on this machine: ``python tools/bench_simulator.py``.

Both make the same lenses: three classes in equal parts, two rays a pixel along each axis. lenstronomy makes
the noise-free HR image alone, in the usual loop over images; the simulator makes HR, LR, truth and both's
noise.
"""

import time

STRING_POINTS = 100  # point masses that stand for a vortex in lenstronomy, as in DeepLenseSim


def lenstronomy_image(pairs, i, track, truncation=3):
    """Noise-free HR image of pair `i` by lenstronomy, (H, W), in the brightness unit of the source.

    `truncation` is the PSF's radius in sigma: 3 is fast, 6 is exact.
    """
    import lenstronomy.Util.util as util
    from lenstronomy.Data.pixel_grid import PixelGrid
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    from srutils.tracks import DEEPLENSE_PSF_FWHM, PIXEL, PSF_FWHM, SIZE, SUPERSAMPLING

    models, lens, source = lenstronomy_model({k: v[i] for k, v in pairs.params.items()})
    fwhm = DEEPLENSE_PSF_FWHM if track == "deeplense" else PSF_FWHM[1]
    n = SIZE[track]
    _, _, ra, dec, _, _, matrix, _ = util.make_grid_with_coordtransform(
        n, PIXEL, subgrid_res=1, inverse=False
    )
    image = ImageModel(
        PixelGrid(nx=n, ny=n, ra_at_xy_0=ra, dec_at_xy_0=dec, transform_pix2angle=matrix),
        PSF(psf_type="GAUSSIAN", fwhm=fwhm, pixel_size=PIXEL, truncation=truncation),
        lens_model_class=LensModel(models),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={"supersampling_factor": SUPERSAMPLING, "supersampling_convolution": True},
    )
    return image.image(lens, [source], None, None) / PIXEL**2  # it is in light per pixel


def lenstronomy_model(p):
    """One lens's parameters as lenstronomy takes them: model names, their arguments, the source's."""
    import numpy as np

    at = {"center_x": p["center_x"], "center_y": p["center_y"]}
    main = {"theta_E": p["theta_E_main"], **at} | {k: p[k] for k in ("e1", "e2") if k in p}
    models = ["SIE" if "e1" in p else "SIS", "SHEAR"]
    lens = [main, {"gamma1": p["gamma1"], "gamma2": p["gamma2"]}]
    points = [*zip(p["subhalo_theta_E"], p["subhalo_x"], p["subhalo_y"], strict=True)]
    if p["vortex_theta_E"] > 0:
        along = (np.arange(STRING_POINTS) + 0.5) / STRING_POINTS * 2 - 1
        x = p["vortex_x"] + along * p["vortex_half_length"] * np.cos(p["vortex_angle"])
        y = p["vortex_y"] + along * p["vortex_half_length"] * np.sin(p["vortex_angle"])
        points += [(p["vortex_theta_E"] / STRING_POINTS**0.5, *xy) for xy in zip(x, y, strict=True)]
    for theta_e, x, y in points:
        if theta_e > 0:
            models.append("POINT_MASS")
            lens.append({"theta_E": theta_e, "center_x": x, "center_y": y})
    names = {"x": "center_x", "y": "center_y", "radius": "R_sersic", "n": "n_sersic"}
    source = {k.removeprefix("source_"): v for k, v in p.items() if k.startswith("source_")}
    return models, lens, {names.get(k, k): v for k, v in source.items()}


def _rate(make, n, seconds, clock):
    """Images a second, by this clock, of `make` (n images a call): its fastest call in so many seconds."""
    make()
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = clock()
        make()
        fastest = min(fastest, clock() - start)
    return n / fastest


def bench(seconds=3.0):
    """Rows of what was measured: dict(what, ours, other, ratio, unit), `other` being lenstronomy.

    One core is measured in processor time, which other work on the machine disturbs least; all cores by the
    clock.
    """
    import torch

    from srutils.tracks import CLASSES, simulate

    rows, threads = [], torch.get_num_threads()
    ways = (
        ("one core", 1, time.process_time, "lenses / core-s"),
        ("all cores", threads, time.perf_counter, "lenses / s"),
    )
    for track in ("deeplense", "telescope"):
        sample = simulate(track, 6, classes=CLASSES)
        for name, count, clock, unit in ways:
            torch.set_num_threads(count)
            try:
                ours = _rate(lambda track=track: simulate(track, 96, classes=CLASSES), 96, seconds, clock)
                other = _rate(
                    lambda sample=sample, track=track: [
                        lenstronomy_image(sample, i, track) for i in range(6)
                    ],
                    6,
                    seconds,
                    clock,
                )
            finally:
                torch.set_num_threads(threads)
            what = f"simulator, {track} x2, three classes, {name}"
            rows.append({"what": what, "ours": ours, "other": other, "ratio": ours / other, "unit": unit})
    return rows


if __name__ == "__main__":
    for row in bench():
        print(
            "{what:52}{ours:8.1f} lenstronomy {other:6.1f} ratio {ratio:5.2f} {unit}".format_map(row),
            flush=True,
        )
