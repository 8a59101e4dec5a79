"""Lens triplets without noise, to train a classifier on: fresh noise is drawn each time they are shown.

A triplet is one lens and one source in the three classes of dark matter, on the ``deeplense`` track. Ray
tracing costs far more than noise does, so the means of the photon counts are kept, and the noise is not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from srutils.files.atomic import aside
from srutils.lensing import instruments, parallel, priors
from srutils.lensing.priors import CLASSES

SIZE = 128  # pixels a side: the middle of the track's 150
CELLS = 8  # a side of the mass maps
FIELD = SIZE * instruments.PIXEL  # arcsec


def noise_free(n: int, *, seed: int = 0, split: str = "train", start: int = 0) -> tuple[np.ndarray, dict]:
    """Compute the mean photon counts of `n` triplets, and what they were drawn from.

    Triplet i depends on (split, seed, i) alone. Its parameters are those that `srutils.lensing.simulate`
    draws for the deeplense track and the same split and seed, so sets of different splits share no lens.

    Parameters
    ----------
    n : int
    seed : int
    split : {"train", "val", "test"}
    start : int
        Number of the first triplet.

    Returns
    -------
    counts : ndarray (n, 3, 128, 128), float32
        Photons a pixel, sky included; the classes in the order of CLASSES. The middle of what the track
        shows on 150 px, but for a few photons at the edge where an arc reaches it: the blur is periodic.
    params : dict of str to ndarray (n * 3,) or (n * 3, 40)
        As `srutils.lensing.simulate` gives them.

    Raises
    ------
    ValueError
        For an unknown split, `n` below 1, or a negative seed or start.
    """
    import torch

    if split not in instruments.SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(instruments.SPLITS)}")
    if n < 1 or min(seed, start) < 0:
        raise ValueError(f"n, seed, start are {n}, {seed}, {start}; expected at least 1, 0, 0")
    key = (instruments.TRACKS.index("deeplense"), instruments.SPLITS.index(split), int(seed))
    ids, labels = np.repeat(np.arange(start, start + n), 3), np.tile(np.arange(3), n)
    params = priors.draw("deeplense", key, ids, labels)
    counts = np.empty((n, len(CLASSES), SIZE, SIZE), np.float32)

    def fill(i):
        counts[i] = mean_counts({name: values[3 * i : 3 * i + 3] for name, values in params.items()})

    with parallel.lens_pool(torch.device("cpu")) as pool:
        list(pool(fill, range(n)))
    return counts, params


def mean_counts(params: dict) -> np.ndarray:
    """Compute the mean photon counts of lenses, sky included, by ray tracing.

    Parameters
    ----------
    params : dict of str to ndarray (N,), or (N, M) for subhalos
        As `noise_free` gives them; without the names of subhalos and vortex, a smooth lens.

    Returns
    -------
    ndarray (N, 128, 128), float32
    """
    import torch

    counts, psf = [], (instruments.DEEPLENSE_PSF_FWHM, 1)
    with torch.inference_mode():
        # a few lenses at a time: larger temporaries would be paged in at every step
        for i in range(0, len(params["theta_E_main"]), 3):
            part = instruments.as_tensors({name: values[i : i + 3] for name, values in params.items()})
            (image,) = instruments.expose(part, SIZE, psf)
            counts.append((image + instruments.DEEPLENSE_SKY).numpy())
    return np.concatenate(counts)


def mass_maps(params: dict, cells: int = CELLS) -> np.ndarray:
    """Map where the substructure of lenses lies: its mass in each cell of a grid over the 128 px field.

    Parameters
    ----------
    params : dict
        As `noise_free` or `srutils.lensing.simulate` gives them.
    cells : int
        A side.

    Returns
    -------
    ndarray (N, cells, cells, 2), float32
        Thousandths of the lens's mass, in subhalos (first channel) and in the vortex (second).
    """
    maps = np.zeros((len(params["theta_E"]), cells, cells, 2), np.float32)
    whole = params["theta_E"][:, None] ** 2
    clumps = 1000 * params["subhalo_theta_E"] ** 2 / whole
    _drop(maps[..., 0], params["subhalo_x"], params["subhalo_y"], clumps)
    along = np.linspace(-1, 1, 64) * params["vortex_half_length"][:, None]  # the string as 64 beads
    x = params["vortex_x"][:, None] + along * np.cos(params["vortex_angle"])[:, None]
    y = params["vortex_y"][:, None] + along * np.sin(params["vortex_angle"])[:, None]
    beads = np.broadcast_to(1000 * params["vortex_theta_E"][:, None] ** 2 / whole / 64, x.shape)
    _drop(maps[..., 1], x, y, beads)
    return maps


def _drop(grid: np.ndarray, x: np.ndarray, y: np.ndarray, mass: np.ndarray) -> None:
    """Add masses (N, M) at places (N, M) in arcsec to grids (N, cells, cells); outside they are lost."""
    cells = grid.shape[1]
    column, row = (np.floor((v + FIELD / 2) / FIELD * cells).astype(int) for v in (x, y))
    inside = (mass > 0) & (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
    lens = np.broadcast_to(np.arange(len(grid))[:, None], mass.shape)
    np.add.at(grid, (lens[inside], row[inside], column[inside]), mass[inside])


def store(
    folder: Path, n: int, *, seed: int = 0, progress: bool = False, make: Callable = noise_free
) -> tuple[np.ndarray, np.ndarray]:
    """Keep triplets of the training split on disk; make what is missing, also after a run that was stopped.

    Parameters
    ----------
    folder : Path
        Of one maker only.
    n : int
        98 kB are needed for each.
    seed : int
    progress : bool
        Show a progress bar.
    make : callable
        `noise_free`, or another function that takes the same and gives the same.

    Returns
    -------
    counts : memory-mapped ndarray (n, 3, 128, 128), float16
        See `noise_free`. Rounding is far below the photon noise.
    maps : memory-mapped ndarray (n, 3, 8, 8, 2), float16
        See `mass_maps`.
    """
    import sys

    from tqdm.auto import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"counts": (n, 3, SIZE, SIZE), "maps": (n, 3, CELLS, CELLS, 2)}
    version = f"n{n}-seed{seed}-v{instruments.VERSION['deeplense']}"
    mark = folder / f"done-{version}.txt"
    arrays = {}
    for name, shape in shapes.items():
        path = folder / f"{name}-{version}.npy"
        options = {"mode": "r+"} if path.is_file() else {"mode": "w+", "dtype": np.float16, "shape": shape}
        if options["mode"] == "w+":
            mark.unlink(missing_ok=True)
        arrays[name] = np.lib.format.open_memmap(path, **options)
    done = int(mark.read_text(encoding="utf-8")) if mark.is_file() else 0
    with tqdm(total=n, initial=done, unit="triplet", disable=not progress, file=sys.stdout) as bar:
        for first in range(done, n, 100):
            counts, params = make(min(100, n - first), seed=seed, start=first)
            last = first + len(counts)
            arrays["counts"][first:last] = counts
            arrays["maps"][first:last] = mass_maps(params).reshape(-1, *shapes["maps"][1:])
            with aside(mark) as temporary:
                temporary.write_text(str(last), encoding="utf-8")
            bar.update(last - first)
    return arrays["counts"], arrays["maps"]
