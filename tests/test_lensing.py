"""The ray tracer against lenstronomy, astropy, scipy, and what physics demands."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from srutils.lensing import instruments, raytrace  # noqa: E402

N, PIXEL = 81, 0.07  # odd: one ray hits the centre


def values(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)[:, None, None]


@pytest.fixture(scope="module")
def field():
    return raytrace.grid(N, PIXEL, torch.float64)


def compare(field, ours, models, arguments, where=True, tolerance=1e-6):
    """The largest distance between our deflection (1, H, W) and lenstronomy's, over the pixels `where`."""
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model").LensModel(models)
    x, y = (a[0].numpy() for a in torch.broadcast_tensors(*field))
    ax, ay = lens_model.alpha(x.ravel(), y.ravel(), arguments)
    apart = np.hypot(ours[0][0].numpy() - ax.reshape(N, N), ours[1][0].numpy() - ay.reshape(N, N))
    assert np.isfinite(apart[where & np.ones_like(apart, bool)]).all()
    assert apart[where & np.ones_like(apart, bool)].max() < tolerance


def outside(field, points, distance):
    x, y = (a[0].numpy() for a in field)
    return np.all([np.hypot(x - px, y - py) > distance for px, py in points], axis=0)


def between(cosmology, z1, z2):
    """astropy's angular diameter distance between two redshifts of a flat universe."""
    return (cosmology.comoving_distance(z2) - cosmology.comoving_distance(z1)) / (1 + z2)


def test_angular_diameter_distances_are_astropys():
    cosmology = pytest.importorskip("astropy.cosmology")
    reference = cosmology.FlatLambdaCDM(H0=70, Om0=0.3, Ob0=0.05)
    for z1, z2 in ((0, 0.5), (0, 1.0), (0.5, 1.0), (0.2, 3.0)):
        expected = between(reference, z1, z2).value
        assert raytrace.angular_diameter_distance(z1, z2) == pytest.approx(expected, rel=1e-9)


def test_einstein_radius_is_that_of_astropys_constants():
    cosmology = pytest.importorskip("astropy.cosmology").FlatLambdaCDM(H0=70, Om0=0.3, Ob0=0.05)
    from astropy import constants, units

    d_l, d_s = cosmology.angular_diameter_distance([0.5, 1.0])
    d_ls = between(cosmology, 0.5, 1.0)
    mass = 1e12 * constants.M_sun
    angle = np.sqrt(4 * constants.G * mass / constants.c**2 * d_ls / (d_l * d_s)).decompose() * units.rad
    assert raytrace.einstein_radius(1e12) == pytest.approx(angle.to_value("arcsec"), rel=1e-5)
    assert raytrace.einstein_radius(1e12) == pytest.approx(1.665, abs=1e-3)
    np.testing.assert_allclose(raytrace.einstein_radius([0, 4e12]) / raytrace.einstein_radius(1e12), [0, 2])


@pytest.mark.parametrize("e", [(0.15, -0.08), (-0.02, 0.001), (0.0, 0.2)])
def test_sie_and_shear_agree_with_lenstronomy(field, e):
    halo = {"theta_E": 1.3, "e1": e[0], "e2": e[1], "center_x": 0.013, "center_y": -0.021}
    ax, ay = raytrace.sie(*field, *(values(halo[k]) for k in halo))
    sx, sy = raytrace.shear(*field, values(0.06), values(-0.11))
    models = [halo, {"gamma1": 0.06, "gamma2": -0.11}]
    compare(field, (ax + sx, ay + sy), ["SIE", "SHEAR"], models)


def test_sis_agrees_with_lenstronomy_and_with_a_round_sie(field):
    off_centre = (0.01, 0.02)
    ax, ay = raytrace.sis(*field, values(1.2), *map(values, off_centre))
    compare(field, (ax, ay), ["SIS"], [{"theta_E": 1.2, "center_x": 0.01, "center_y": 0.02}])
    round_x, round_y = raytrace.sie(*field, *map(values, (1.2, 0.0, 0.0, *off_centre)))
    assert torch.hypot(ax - round_x, ay - round_y).max() < 2e-5


def test_halos_are_finite_at_their_centres(field):
    for dtype in (torch.float32, torch.float64):
        x, y = (a.to(dtype) for a in field)
        zero = torch.zeros(1, 1, 1, dtype=dtype)
        for alpha in (
            raytrace.sis(x, y, zero + 1),
            raytrace.sie(x, y, zero + 1, zero + 0.1, zero, zero, zero),
        ):
            assert all(torch.isfinite(a).all() for a in alpha)
            assert abs(alpha[0][0, N // 2, N // 2]) < 1e-3


def test_point_masses_agree_with_lenstronomy_outside_their_cores(field):
    rng = np.random.default_rng(3)
    te, x, y = rng.uniform(0.01, 0.2, 12), rng.uniform(-2, 2, 12), rng.uniform(-2, 2, 12)
    ours = raytrace.point_masses(*field, *(torch.from_numpy(a)[None] for a in (x, y, te)))
    points = [{"theta_E": t, "center_x": a, "center_y": b} for t, a, b in zip(te, x, y, strict=True)]
    away = outside(field, zip(x, y, strict=True), raytrace.CORE)
    assert away.mean() > 0.99
    compare(field, ours, ["POINT_MASS"] * 12, points, away)


def test_inside_its_core_a_point_mass_is_a_disc():
    te, core = 0.1, 0.05
    x = torch.tensor([0.0, core / 2, core, 2 * core], dtype=torch.float64)[None, None]
    y = torch.zeros(1, 1, 1, dtype=torch.float64)
    one = torch.ones(1, 1, dtype=torch.float64)
    ax, ay = raytrace.point_masses(x, y, 0 * one, 0 * one, te * one, core)
    np.testing.assert_allclose(ax[0, 0], [0, te**2 / (2 * core), te**2 / core, te**2 / (2 * core)])
    assert (ay == 0).all()


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.9])
def test_a_string_is_a_row_of_point_masses(field, angle):
    x0, y0, half, te, count = 0.31, -0.23, 0.62, 0.26, 3000
    ours = raytrace.string(*field, *map(values, (x0, y0, half, angle, te)))
    along = ((np.arange(count) + 0.5) / count * 2 - 1) * half
    points = np.stack([x0 + along * np.cos(angle), y0 + along * np.sin(angle)], 1)
    row = [{"theta_E": te / count**0.5, "center_x": x, "center_y": y} for x, y in points]
    away = outside(field, points[::10], 0.05)
    assert away.mean() > 0.95
    compare(field, ours, ["POINT_MASS"] * count, row, away)


def test_a_string_has_no_jump_and_no_pole():
    u = torch.linspace(-1, 1, 2001, dtype=torch.float64)[None, None]
    v = torch.linspace(-0.05, 0.05, 401, dtype=torch.float64)[None, :, None]
    ax, ay = raytrace.string(u, v, *map(values, (0.0, 0.0, 0.5, 0.0, 0.2)))
    assert torch.isfinite(ax).all() and torch.isfinite(ay).all()
    assert abs(ay[0, 200]).max() < 1e-6  # on the axis it pulls to neither side
    middle = ay[0, :, 1000]
    assert middle.diff().abs().max() < 0.05 * (middle.max() - middle.min())


def test_sersic_agrees_with_lenstronomy(field):
    light_model = pytest.importorskip("lenstronomy.LightModel.light_model").LightModel(["SERSIC_ELLIPSE"])
    x, y = (a[0].numpy() for a in torch.broadcast_tensors(*field))
    for n, e1, e2 in ((0.7, 0.2, -0.1), (1.5, -0.05, 0.3), (4.0, 0.0, 0.1)):
        given = (100.0, 0.5, n, e1, e2, 0.11, -0.23)
        names = ("amp", "R_sersic", "n_sersic", "e1", "e2", "center_x", "center_y")
        theirs = light_model.surface_brightness(x.ravel(), y.ravel(), [dict(zip(names, given, strict=True))])
        ours = raytrace.sersic(*field, *map(values, given))[0].numpy()
        np.testing.assert_allclose(ours, theirs.reshape(N, N), rtol=1e-6)


def small_source(x, radius=0.05):
    source = {"amp": 1.0, "radius": radius, "n": 1.0, "e1": 0.0, "e2": 0.0, "center_x": x, "center_y": 0.0}
    return {k: values(v) for k, v in source.items()}


def sphere(theta_e):
    names = ("center_x", "center_y", "gamma1", "gamma2")
    return {"theta_E_main": values(theta_e)} | {k: values(0.0) for k in names}


def test_an_isothermal_sphere_magnifies_by_2_theta_e_over_beta():
    # point source inside the Einstein radius: mu = (1 + theta_E / beta) + (theta_E / beta - 1)
    theta_e, beta = 1.2, 0.6
    seen = raytrace.ray_trace(sphere(theta_e), small_source(beta), 800, 0.01)
    unlensed = raytrace.sersic(*raytrace.grid(800, 0.01, torch.float64), **small_source(beta))
    assert float(seen.sum() / unlensed.sum()) == pytest.approx(2 * theta_e / beta, rel=0.02)


def test_lensing_conserves_surface_brightness():
    lens = sphere(1.0)
    seen = raytrace.ray_trace(lens, small_source(0.3, 0.3), 400, 0.02)
    peak = raytrace.sersic(values(0.3), values(0.0), **small_source(0.3, 0.3))
    assert float(peak) * 0.9 < float(seen.max()) <= float(peak)


def test_without_mass_the_source_is_seen_as_it_is():
    seen = raytrace.ray_trace(sphere(0.0), small_source(0.3, 0.3), 64, 0.05)
    plain = raytrace.sersic(*raytrace.grid(64, 0.05, torch.float64), **small_source(0.3, 0.3))
    torch.testing.assert_close(seen, plain)


def test_a_mixed_batch_gives_each_lens_its_own_substructure(field):
    batch = {k: v.repeat(3, 1, 1) for k, v in sphere(1.0).items()}
    batch |= {"subhalo_x": values(0.5).expand(3, 1, 2)[:, 0], "subhalo_y": values(-0.4).expand(3, 1, 2)[:, 0]}
    batch["subhalo_theta_E"] = torch.tensor([[0, 0], [0, 0.2], [0, 0]], dtype=torch.float64)
    batch |= {k: values(v, v, v) for k, v in zip(raytrace.VORTEX[:4], (0.2, 0.1, 0.6, 1.0), strict=True)}
    batch["vortex_theta_E"] = values(0.0, 0.0, 0.3)
    ax, ay = raytrace.deflection(*field, batch)
    plain_x, plain_y = raytrace.sis(*field, values(1.0))
    place = torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([[-0.4]], dtype=torch.float64)
    extra = [
        (0 * plain_x, 0 * plain_y),
        raytrace.point_masses(*field, *place, torch.tensor([[0.2]], dtype=torch.float64)),
        raytrace.string(*field, *map(values, (0.2, 0.1, 0.6, 1.0, 0.3))),
    ]
    for i, (dx, dy) in enumerate(extra):
        torch.testing.assert_close(ax[i], (plain_x + dx)[0])
        torch.testing.assert_close(ay[i], (plain_y + dy)[0])


def test_blur_is_a_gaussian_of_the_right_width_and_keeps_the_light():
    point = torch.zeros(1, 64, 64, dtype=torch.float64)
    point[0, 32, 32] = 1
    away = torch.arange(64, dtype=torch.float64) - 32
    for fwhm, blurred in zip((4.0, 9.0), instruments.gaussian_blur(point, (4.0, 9.0)), strict=True):
        assert float(blurred.sum()) == pytest.approx(1, rel=1e-6)
        line = torch.exp(-4 * np.log(2) * (away / fwhm) ** 2)  # 1/2 at half the FWHM
        torch.testing.assert_close(blurred[0, 32] / blurred.max(), line, atol=2e-6, rtol=0)


def test_bin_pixels_is_the_mean_of_each_block():
    image = torch.arange(2 * 4 * 6, dtype=torch.float32).reshape(2, 4, 6)
    expected = image.numpy().reshape(2, 2, 2, 3, 2).mean((2, 4))
    np.testing.assert_allclose(instruments.bin_pixels(image, 2), expected)


@pytest.mark.parametrize("mean", [10.0, 37.5, 800.0])
def test_photon_counts_have_the_poisson_distribution(mean):
    stats = pytest.importorskip("scipy.stats")
    # the counts at fine quantiles of the normal distribution give every probability without sampling noise
    w = np.linspace(-7, 7, 400_001)
    share = np.diff(stats.norm.cdf(w))
    middle = torch.from_numpy((w[1:] + w[:-1]) / 2)
    counts = instruments.photon_counts(torch.full_like(middle, mean), middle).numpy().astype(int)
    got = np.bincount(counts, weights=share)
    expected = stats.poisson.pmf(np.arange(len(got)), mean)
    assert abs(got - expected).max() < 1e-4
    assert abs(np.arange(len(got)) @ got - mean) < 1e-3
