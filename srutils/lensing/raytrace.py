"""Strong gravitational lensing on a pixel grid: the ray tracer behind the course's simulated lenses.

A ray that reaches us from the direction theta left the source plane at beta = theta - alpha(theta), where
alpha is the deflection. Lensing conserves surface brightness, so the image at theta is the source's
brightness at beta.

Everything is a few lines of algebra on torch tensors. Positions and deflections are in arcsec. A parameter
has the shape (B, 1, 1), one value a lens, and broadcasts over the grid's x (1, 1, W) and y (1, H, 1): B
lenses give images (B, H, W). Names and conventions are lenstronomy's (Birrer & Amara 2018, arXiv:1803.09746):
the tests compare.
"""

import math

import numpy as np

ARCSEC = math.pi / 180 / 3600  # radians
CORE = 0.01  # arcsec: inside this distance a point mass or a string is smeared out
# names of a lens's parameters, in the order of the arguments of sis / sie, point_masses and string
HALO = ("theta_E_main", "e1", "e2", "center_x", "center_y")
SUBHALO = ("subhalo_x", "subhalo_y", "subhalo_theta_E")
VORTEX = ("vortex_x", "vortex_y", "vortex_half_length", "vortex_angle", "vortex_theta_E")


def angular_diameter_distance(z1, z2, h0=70.0, omega_m=0.3):
    """Angular diameter distance in Mpc from redshift `z1` to `z2` >= `z1`, in a flat Lambda-CDM universe.

    D_A = c / ((1 + z2) H0) * integral from z1 to z2 of dz / sqrt(omega_m (1 + z)^3 + 1 - omega_m) (Hogg 1999,
    astro-ph/9905116, eqs. 14-19). Baryons (0.05 in the literature's recipe) are part of `omega_m`.
    """
    z, dz = np.linspace(z1, z2, 2001, retstep=True)
    f = 1 / np.sqrt(omega_m * (1 + z) ** 3 + 1 - omega_m)
    integral = dz / 3 * (f[0] + 4 * f[1::2].sum() + 2 * f[2:-1:2].sum() + f[-1])  # Simpson's rule
    return float(299792.458 / h0 * integral / (1 + z2))


def einstein_radius(mass, z_lens=0.5, z_source=1.0):
    """Einstein radius of a point mass.

    theta_E = sqrt(4 G M / c^2 * D_ls / (D_l D_s)) with angular diameter distances (Narayan & Bartelmann 1996,
    astro-ph/9606001, eq. 20). theta_E^2 is proportional to the mass, and so the currency of this module.

    Parameters
    ----------
    mass : float or array_like
        Solar masses.
    z_lens, z_source : float
        Redshifts.

    Returns
    -------
    float or ndarray
        Arcsec; 1.665 for 1e12 solar masses at the default redshifts.
    """
    d_l, d_s = angular_diameter_distance(0, z_lens), angular_diameter_distance(0, z_source)
    d_ls = angular_diameter_distance(z_lens, z_source)
    schwarzschild = 1.476625e3 / 3.0856776e22  # G M / c^2 in Mpc of one solar mass: 1476.625 m
    return np.sqrt(4 * schwarzschild * np.asarray(mass) * d_ls / (d_l * d_s)) / ARCSEC


def grid(n, pixel, dtype=None, device="cpu"):
    """Pixel centres of an n x n field around the origin: x (1, 1, n) and y (1, n, 1), in the unit of `pixel`.

    They broadcast to the whole field; ``torch.broadcast_tensors(x, y)`` writes it out. `dtype` is float32 by
    default.
    """
    import torch

    centres = (torch.arange(n, dtype=dtype or torch.float32, device=device) - (n - 1) / 2) * pixel
    return centres[None, None, :], centres[None, :, None]


def axis_ratio(e1, e2):
    """Axis ratio q <= 1 and angle phi (radians), from e = (1 - q) / (1 + q) (cos 2 phi, sin 2 phi)."""
    import torch

    e = torch.hypot(e1, e2).clamp(max=0.9999)
    return (1 - e) / (1 + e), torch.atan2(e2, e1) / 2


def _to_axes(x, y, x0, y0, phi):
    """Coordinates along the axes of something at (x0, y0) that is turned by phi, with cos and sin of phi."""
    c, s = phi.cos(), phi.sin()
    dx, dy = x - x0, y - y0
    return c * dx + s * dy, c * dy - s * dx, c, s


# ---------------------------------------------------------------- deflections: (alpha_x, alpha_y) in arcsec
def sis(x, y, theta_E, center_x=0.0, center_y=0.0):
    """Deflection of a singular isothermal sphere: theta_E long everywhere, pointing away from the centre.

    (Narayan & Bartelmann 1996, section 3.1.) Parameters and result as in `sie`.
    """
    import torch

    dx, dy = x - center_x, y - center_y
    scale = theta_E / torch.hypot(dx, dy).clamp_(min=1e-9)
    return scale * dx, scale * dy


def sie(x, y, theta_E, e1, e2, center_x, center_y):
    """Deflection of a singular isothermal ellipsoid.

    (Kormann, Schneider & Bartelmann 1994, A&A 284, 285, in lenstronomy's "SIE" convention.) Along the lens's
    axes, with f = sqrt(1 - q^2) and psi = sqrt(q^2 u^2 + v^2): alpha_u = theta_E sqrt(q) / f * arctan(f u /
    psi) and alpha_v = theta_E sqrt(q) / f * artanh(f v / psi). q is held below 0.99999, close to the sphere
    yet free of 0 / 0.

    Parameters
    ----------
    x, y : tensor
        Positions, arcsec: see `grid`.
    theta_E, center_x, center_y : tensor (B, 1, 1)
        Einstein radius and centre, arcsec.
    e1, e2 : tensor (B, 1, 1)
        Ellipticity: see `axis_ratio`.

    Returns
    -------
    alpha_x, alpha_y : tensor (B, H, W), arcsec
    """
    q, phi = axis_ratio(e1, e2)
    q = q.clamp(max=0.99999)
    u, v, c, s = _to_axes(x, y, center_x, center_y, phi)
    f = (1 - q * q).sqrt()
    f_over_psi = (q * q * u * u).add_(v * v).clamp_(min=1e-18).rsqrt_().mul_(f)
    b = theta_E * q.sqrt() / f
    a_u, a_v = (f_over_psi * u).atan_().mul_(b), (f_over_psi * v).atanh_().mul_(b)
    return (c * a_u).sub_(s * a_v), (s * a_u).add_(c * a_v)


def shear(x, y, gamma1, gamma2):
    """Deflection of external shear, the tide of the masses around the lens: ((g1, g2), (g2, -g1)) (x, y)."""
    return gamma1 * x + gamma2 * y, gamma2 * x - gamma1 * y


def point_masses(x, y, px, py, theta_E, core=CORE):
    """Deflection of N point masses a lens.

    ``alpha = theta_E^2 d / |d|^2`` for the distance d to a mass (Narayan & Bartelmann 1996, section 2.3).
    That is exact outside `core`; inside, the mass is spread evenly over the disc, and
    ``alpha = theta_E^2 d / core^2``.

    Parameters
    ----------
    x, y : tensor
        Positions, arcsec.
    px, py, theta_E : tensor (B, N)
        Places and Einstein radii, arcsec; theta_E = 0 is no mass.
    core : float
        Arcsec.

    Returns
    -------
    alpha_x, alpha_y : tensor (B, H, W), arcsec
    """
    import torch

    shape = torch.broadcast_shapes(x.shape, y.shape, (len(theta_E), 1, 1))
    ax, ay = x.new_zeros(shape), x.new_zeros(shape)
    # small things for all masses in one go; then one mass at a time: N images would not fit the cache
    dx, dy = x[:, None] - px[..., None, None], y[:, None] - py[..., None, None]
    parts = (dx, dy, dx * dx, dy * dy, (theta_E**2)[..., None, None])
    for u, v, u2, v2, mass in zip(*(part.unbind(1) for part in parts), strict=True):
        weight = (u2 + v2).clamp_(min=core**2).reciprocal_().mul_(mass)
        ax.addcmul_(weight, u)
        ay.addcmul_(weight, v)
    return ax, ay


def string(x, y, center_x, center_y, half_length, angle, theta_E, core=CORE):
    """Deflection of a straight string of uniform mass, as one complex logarithm.

    A point mass at z' deflects by alpha* = theta_E^2 / (z - z'), where z = x + i y and * is the complex
    conjugate (Bourassa & Kantowski 1975, ApJ 195, 13). Integrated along the string, from -L to L in its own
    axes: alpha* = theta_E^2 / (2 L) * ln((z + L) / (z - L)). Across a string without width alpha would jump:
    a ramp over ``|v| < core`` takes the place of the jump, and the logarithm stops growing nearer than `core`
    to the ends. Everywhere else this is exact.

    Parameters
    ----------
    x, y : tensor
        Positions, arcsec.
    center_x, center_y, half_length, theta_E : tensor (B, 1, 1)
        Arcsec; theta_E is the Einstein radius of the whole mass.
    angle : tensor (B, 1, 1)
        Radians, from the x axis.
    core : float
        Arcsec.

    Returns
    -------
    alpha_x, alpha_y : tensor (B, H, W), arcsec
    """
    import torch

    u, v, c, s = _to_axes(x, y, center_x, center_y, angle)
    per_length = theta_E**2 / (2 * half_length)
    r1 = ((u + half_length) ** 2 + v * v).clamp_(min=core**2)
    r2 = ((u - half_length) ** 2 + v * v).clamp_(min=core**2)
    a_u = per_length / 2 * (r1 / r2).log()
    within = (v.abs() < core) & (u.abs() < half_length + core)
    edge = torch.where(within, torch.full_like(v, core).copysign(v), v)
    ramp = torch.where(within, v / edge, torch.ones_like(v))
    a_v = per_length * ramp * torch.atan2(2 * half_length * edge, u * u + edge * edge - half_length**2)
    return (c * a_u).sub_(s * a_v), (s * a_u).add_(c * a_v)


def deflection(x, y, lens):
    """Deflection of a whole lens: halo and shear, with subhalos and a vortex where there are any.

    Parameters
    ----------
    x, y : tensor
        Positions, arcsec: see `grid`.
    lens : dict of str to tensor
        theta_E_main, center_x, center_y, gamma1, gamma2, and e1, e2 for an ellipse (a sphere without them),
        all (B, 1, 1). Optionally the names in SUBHALO, (B, N), and those in VORTEX, (B, 1, 1); theta_E = 0 is
        none.

    Returns
    -------
    alpha_x, alpha_y : tensor (B, H, W), arcsec
    """
    halo = sie if "e1" in lens else sis
    ax, ay = halo(x, y, *(lens[k] for k in HALO if k in lens))
    sx, sy = shear(x, y, lens["gamma1"], lens["gamma2"])
    ax, ay = ax.add_(sx), ay.add_(sy)
    if "subhalo_theta_E" in lens:
        present = lens["subhalo_theta_E"] > 0
        has, used = present.any(1).nonzero()[:, 0], present.any(0)
        if len(has):
            _add(ax, ay, has, point_masses(x, y, *(lens[k][has][:, used] for k in SUBHALO)))
    if "vortex_theta_E" in lens:
        has = (lens["vortex_theta_E"][:, 0, 0] > 0).nonzero()[:, 0]
        if len(has):
            _add(ax, ay, has, string(x, y, *(lens[k][has] for k in VORTEX)))
    return ax, ay


def _add(ax, ay, which, more):
    if len(which) == len(ax):
        which = ...  # no copies by index
    ax[which] += more[0]
    ay[which] += more[1]


# ---------------------------------------------------------------- light
def sersic(x, y, amp, radius, n, e1, e2, center_x, center_y):
    """Surface brightness of an elliptical Sersic profile (lenstronomy's "SERSIC_ELLIPSE").

    I(R) = amp exp(-b_n ((R / radius)^(1/n) - 1)) with R^2 = q u^2 + v^2 / q along the axes, b_n = 1.9992 n -
    0.3271 (Sersic 1968; b_n: Capaccioli 1989).

    Parameters
    ----------
    x, y : tensor
        Positions, arcsec: on the sky for a galaxy of its own, in the source plane for a lensed one.
    amp, radius, n : tensor (B, 1, 1)
        Brightness at the half-light radius, that radius in arcsec, and the index.
    e1, e2, center_x, center_y : tensor (B, 1, 1)
        As in `sie`.

    Returns
    -------
    tensor (B, H, W), in the unit of `amp`
    """
    q, phi = axis_ratio(e1, e2)
    u, v, _, _ = _to_axes(x, y, center_x, center_y, phi)
    r2 = (u * u).mul_(q / radius**2).add_((v * v).mul_(1 / (q * radius**2))).clamp_(min=1e-12)
    b_n = 1.9992 * n - 0.3271
    return r2.pow_(0.5 / n).sub_(1).mul_(-b_n).exp_().mul_(amp)


def ray_trace(lens, source, n, pixel):
    """Image of a Sersic source through a lens, at the pixels' centres: without PSF, without noise.

    Parameters
    ----------
    lens : dict
        See `deflection`.
    source : dict
        Keyword arguments of `sersic`.
    n : int
        Pixels a side.
    pixel : float
        Arcsec.

    Returns
    -------
    tensor (B, n, n), in the unit of the source's `amp`
    """
    some = lens["theta_E_main"]
    x, y = grid(n, pixel, some.dtype, some.device)
    ax, ay = deflection(x, y, lens)
    return sersic(x - ax, y - ay, **source)
