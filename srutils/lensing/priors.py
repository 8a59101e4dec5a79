"""What a simulated lens is drawn from: the priors of the two lens tracks.

The lens and its source come from one prior for all three classes of dark matter, and a subhalo's or a
vortex's mass is taken from the halo. So the total mass, and with it the size of the ring, tells nothing about
the class.
"""

import numpy as np

from srutils.lensing.raytrace import einstein_radius

CLASSES = ("no_substructure", "subhalo", "vortex")
MAX_SUBHALOS = 40
# deeplense: one source for all, in photons; recovered, like its priors below, by fits to original images
DEEPLENSE_SOURCE = {"source_amp": 100.0, "source_radius": 0.5, "source_n": 1.5}
# Least and greatest mass of a subhalo there, as shares of the halo's. The upper end is the recipe's; the
# lower one is fitted. The best smooth lens misfits ten original subhalo images by some 450 to 7,900 in chi^2,
# median 1,600, and so it does with 7e-4; with 1e-5 the median would be 3, and nobody could tell the class.
DEEPLENSE_SUBHALOS = 7e-4, 1e-2


def _subhalos(rng, low, high):
    """Masses (dN/dm ~ m^-1.9 between the two limits; Poisson(25) of them), positions in an annulus, arcsec.

    Lighter ones would be invisible: 1e7 solar masses deflect by 0.005". The recipe is DeepLenseSim's.
    """
    a, b = low**-0.9, high**-0.9
    mass = (a + (b - a) * rng.random(MAX_SUBHALOS)) ** (-1 / 0.9)
    mass[min(rng.poisson(25), MAX_SUBHALOS) :] = 0
    r, t = rng.uniform(0.25, 2.0, MAX_SUBHALOS), rng.uniform(0, 2 * np.pi, MAX_SUBHALOS)
    return mass, r * np.cos(t), r * np.sin(t)


def _ellipticity(q, phi):
    e = (1 - q) / (1 + q)
    return e * np.cos(2 * phi), e * np.sin(2 * phi)


def _disc(rng, radius):
    r, t = radius * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return r * np.cos(t), r * np.sin(t)


def _telescope(rng):
    """One lens: an elliptical halo with a little shear, and a small source near the axis."""
    u = rng.uniform
    p = {"theta_E": u(0.8, 1.6), "center_x": u(-0.03, 0.03), "center_y": u(-0.03, 0.03)}
    p["e1"], p["e2"] = _ellipticity(u(0.65, 0.98), u(0, np.pi))
    g, phi = u(0, 0.08), u(0, np.pi)
    p["gamma1"], p["gamma2"] = g * np.cos(2 * phi), g * np.sin(2 * phi)
    p["source_x"], p["source_y"] = _disc(rng, 0.35)
    p |= {"source_amp": 1.0, "source_radius": u(0.12, 0.4), "source_n": u(0.7, 2.0)}
    p["source_e1"], p["source_e2"] = _ellipticity(u(0.5, 1.0), u(0, np.pi))
    mass, p["subhalo_x"], p["subhalo_y"] = _subhalos(rng, 1e7, 1e10)
    halo = p["theta_E"] ** 2  # masses count as theta_E^2
    p["subhalo_fraction"] = einstein_radius(mass) ** 2 / halo
    p["vortex_fraction"] = einstein_radius(3e10) ** 2 / halo
    p["vortex_half_length"] = np.clip(0.03e-22 / 10 ** u(-24.0, -22.7), 0.05, 2.0)  # .03" / (m / 1e-22 eV)
    p["vortex_angle"], p["vortex_x"], p["vortex_y"] = u(0, np.pi), u(-0.3, 0.3), u(-0.3, 0.3)
    return p


def _deeplense(rng):
    """One lens as in the original files: a spherical halo, strong shear along x, and nearly one source."""
    u = rng.uniform
    p = {"theta_E": u(0.95, 1.65), "center_x": 0.0, "center_y": 0.0}
    g, phi = u(0, 0.29), np.radians(u(-5, 0))
    p["gamma1"], p["gamma2"] = g * np.cos(2 * phi), g * np.sin(2 * phi)
    r, t = u(0, 0.47), u(0, 2 * np.pi)
    p |= {"source_x": r * np.cos(t), "source_y": r * np.sin(t), **DEEPLENSE_SOURCE}
    p["source_e1"], p["source_e2"] = _ellipticity(u(0.43, 0.92), np.radians(u(-6, 0)))
    p["subhalo_fraction"], p["subhalo_x"], p["subhalo_y"] = _subhalos(rng, *DEEPLENSE_SUBHALOS)
    p["vortex_fraction"], p["vortex_half_length"] = u(0.025, 0.04), u(0.3, 1.0)
    p["vortex_angle"] = u(0, np.pi)
    p["vortex_x"], p["vortex_y"] = _disc(rng, 1.4)
    return p


def draw(track, key, lens_ids, labels):
    """Draw lenses, and give each the substructure of its class.

    Parameters
    ----------
    track : {"deeplense", "telescope"}
    key : tuple of int
        With a lens's id, the seed of its parameters.
    lens_ids : ndarray (N,) of int
    labels : ndarray (N,) of int
        0 no substructure, 1 subhalos, 2 vortex. Lenses of one id differ in nothing but this.

    Returns
    -------
    dict of str to ndarray, (N,) or for subhalos (N, 40), float64
        Angles in radians, else arcsec; theta_E is the total's, theta_E_main the halo's.
    """
    prior = _deeplense if track == "deeplense" else _telescope
    drawn = [prior(np.random.default_rng([*key, int(i)])) for i in lens_ids]
    p = {name: np.array([d[name] for d in drawn]) for name in drawn[0]}
    # all classes' substructure is drawn for every lens: so the class cannot shift a random stream
    subhalos = p.pop("subhalo_fraction") * (labels == 1)[:, None]
    vortex = p.pop("vortex_fraction") * (labels == 2)
    total = subhalos.sum(1) + vortex
    # at most half the halo (one draw in millions has more)
    keep = np.minimum(1, 0.5 / np.maximum(total, 1e-12))
    p["substructure_fraction"] = total * keep
    p["theta_E_main"] = p["theta_E"] * np.sqrt(1 - total * keep)
    p["subhalo_theta_E"] = p["theta_E"][:, None] * np.sqrt(subhalos * keep[:, None])
    p["vortex_theta_E"] = p["theta_E"] * np.sqrt(vortex * keep)
    return p
