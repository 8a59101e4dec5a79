"""Simulated sets of lenses kept on disk, verified on every read."""

import hashlib
import warnings
from pathlib import Path

import numpy as np

from srutils.course import cache_dir
from srutils.files.atomic import aside, file_sha256
from srutils.lensing.instruments import VERSION
from srutils.lensing.simulator import check_arguments, simulate
from srutils.pairs import ImagePairs


def lens_set(
    track,
    n=2000,
    *,
    scale=2,
    split="train",
    seed=0,
    classes=None,
    triplets=False,
    device="cpu",
    progress=False,
):
    """Return the pairs that `simulate` gives for these arguments, from a file in the cache if it is there.

    The file's name spells out the arguments and the generator's version. Its SHA-256 is checked on every
    read; a damaged file is made anew, with a warning. A cache that cannot be written costs a warning, not
    the data.
    """
    indices = check_arguments(track, n, scale, classes, seed, split, triplets)
    kind = ("triplets" if triplets else "classes") + "".join(map(str, indices))
    drawn = f"{track}-x{scale}-{split}-n{n}-seed{seed}-{kind}"
    path = cache_dir() / "lenses" / f"{drawn}-{str(device).split(':')[0]}-v{VERSION[track]}.npz"
    try:
        return read_pairs(path)
    except FileNotFoundError:
        pass
    except (ValueError, OSError) as error:
        warnings.warn(f"{error}; it is made anew", stacklevel=2)
    options = {"scale": scale, "classes": classes, "seed": seed, "split": split, "triplets": triplets}
    pairs = simulate(track, n, **options, device=device, progress=progress)
    try:
        write_pairs(path, pairs)
    except OSError as error:
        warnings.warn(f"{path} cannot be written ({error}); nothing is kept", stacklevel=2)
    return pairs


def _sidecar(path):
    return path.with_name(path.name + ".sha256")


def write_pairs(path, pairs):
    """Write `pairs` to an uncompressed .npz file, its SHA-256 beside it: both written aside, then renamed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"lr": pairs.lr, "hr": pairs.hr, "scale": np.int64(pairs.scale), "name": np.str_(pairs.name)}
    arrays |= {k: getattr(pairs, k) for k in ("truth", "labels") if getattr(pairs, k) is not None}
    arrays |= {f"params/{k}": v for k, v in (pairs.params or {}).items()}
    with aside(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)
    with aside(_sidecar(path)) as part:
        part.write_text(f"{file_sha256(path)}  {path.name}\n", encoding="ascii")


def read_pairs(path):
    """Read a file of `write_pairs`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If its SHA-256 is missing or is not the file's.
    """
    path = Path(path)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        sidecar, expected = _sidecar(path), ""
        if sidecar.is_file():
            expected = "".join(sidecar.read_text(encoding="ascii", errors="replace").split()[:1])
        if expected != digest:
            wanted = expected or "a record"
            raise ValueError(f"{path} is damaged: its SHA-256 is {digest}, expected {wanted}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {k: archive[k] for k in archive.files}
    params = {k.removeprefix("params/"): arrays.pop(k) for k in list(arrays) if k.startswith("params/")}
    arrays |= {"scale": int(arrays["scale"]), "name": str(arrays["name"])}
    return ImagePairs(**arrays, params=params or None)
