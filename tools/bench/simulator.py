"""The lens simulator against lenstronomy."""

from __future__ import annotations

from tools.bench.race import Row, race

ABOUT = (
    "**Lens simulation**: three classes of lenses in equal parts, two rays a pixel along each axis. "
    "lenstronomy makes the noise-free HR image alone, in the usual loop over lenses; the simulator makes HR, "
    "LR, truth and the noise of both. That both make the same image is the business of a test."
)

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

    from srutils.lensing.instruments import DEEPLENSE_PSF_FWHM, PIXEL, PSF_FWHM, SIZE, SUPERSAMPLING

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


def rows(rounds: int = 5, n: int = 96, few: int = 6) -> list[Row]:
    """Race the simulator, `n` lenses a call, against lenstronomy's loop over `few`, on both tracks."""
    import torch

    from srutils.lensing.simulator import CLASSES, simulate

    def make(track, threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return simulate(track, n, classes=CLASSES)
        finally:
            torch.set_num_threads(before)

    found, cores = [], torch.get_num_threads()
    for track in ("deeplense", "telescope"):
        drawn = simulate(track, few, classes=CLASSES)

        def loop(drawn=drawn, track=track):
            return [lenstronomy_image(drawn, i, track) for i in range(few)]

        ways = {"lenstronomy, HR only, one core": (few, loop)}
        ways["srutils, one core"] = (n, lambda track=track: make(track, 1))
        if cores > 1:
            ways[f"srutils, {cores} cores"] = (n, lambda track=track: make(track, cores))
        found += race(f"lenses of `{track}`, x2, three classes", "lenses/s", ways, rounds)
    return found
