"""What every lesson needs first: where data and models are, seeds, the device, a banner.

Environment variables, all optional:

``SR_DATA``    a folder with data sets of your own; nothing is ever written to it.
``SR_CACHE``   where downloads, simulated sets and the checkpoints of training runs go.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

BANNER_PACKAGES = ("numpy", "scikit-image", "matplotlib", "torch", "tensorflow", "keras", "onnxruntime")


def checkout() -> Path | None:
    """Return the root of the course's checkout if this module runs from one, else None."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None


def data_dir() -> Path | None:
    """Return the folder named by ``SR_DATA``, absolute, or None when the variable is unset or empty.

    Raises
    ------
    FileNotFoundError
        If ``SR_DATA`` names something that is not a folder.
    """
    value = os.environ.get("SR_DATA")
    if not value:
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_dir():
        raise FileNotFoundError(f"SR_DATA must name an existing folder, got {value!r}")
    return path


def cache_dir() -> Path:
    """Return the folder for files that can be made again; it is created if need be.

    It is ``SR_CACHE`` if set, else ``data/cache`` of the checkout, else the user's cache folder.
    """
    value = os.environ.get("SR_CACHE")
    root = checkout()
    if value:
        path = Path(value).expanduser().absolute()
    elif root is not None:
        path = root / "data" / "cache"
    else:
        path = user_cache() / "srutils"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot create the cache folder {str(path)!r} ({error.strerror})"
        raise OSError(f"{problem}; set SR_CACHE") from error
    return path


def user_cache() -> Path:
    """Return the folder in which this system keeps what a user's programs can make again."""
    if sys.platform == "darwin":
        return Path("~/Library/Caches").expanduser()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def find_data(name: str) -> Path | None:
    """Return ``SR_DATA/name`` if it exists, else ``cache_dir()/name`` if that exists, else None.

    Raises
    ------
    ValueError
        If ``name`` is empty, absolute or climbs out of the folder.
    """
    relative = Path(name)
    if not str(name) or relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"a data set's name must be a relative path without '..', got {str(name)!r}")
    folders = [folder for folder in (data_dir(), cache_dir()) if folder is not None]
    return next((folder / relative for folder in folders if (folder / relative).exists()), None)


def _shipped(name: str) -> Path:
    root = checkout()
    return (root / "data" if root is not None else Path(__file__).resolve().parent) / name


def models_dir() -> Path:
    """Return the folder of the shipped model files; a lesson's full run writes its own there.

    It is ``data/models`` of the checkout; without one, ``models`` of the installed package, where a wheel has
    a copy of these files.
    """
    return _shipped("models")


def experiment(name: str) -> dict:
    """Read the stored results of an experiment that takes too long for a lesson.

    They lie in ``data/experiments`` of the checkout, or in ``experiments`` of the installed package; what
    they come from, ``tools/experiments/NAME.py``, repeats them. (``photo_bakeoff`` was measured elsewhere;
    its file says how.)

    Raises
    ------
    FileNotFoundError
        There are no results of this name.
    """
    return json.loads((_shipped("experiments") / f"{name}.json").read_text(encoding="utf-8"))


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and, where they are already imported, PyTorch, TensorFlow and Keras.

    A framework that is not imported yet is left alone: importing it would cost seconds. Call this function
    after the imports of a lesson.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= int(seed) < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 2**32 - 1, got {seed!r}")
    seed = int(seed)
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (libraries that use the global state are seeded here too)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)


def device() -> str:
    """Return the device that PyTorch can use: ``"cuda"``, ``"mps"`` or ``"cpu"`` (also without PyTorch)."""
    try:
        import torch
    except ImportError:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    backend = getattr(torch.backends, "mps", None)
    return "mps" if backend is not None and backend.is_available() else "cpu"


def host() -> str:
    """Return where the notebook runs: ``"colab"``, ``"kaggle"``, ``"binder"`` or ``"local"``."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:  # first, since Kaggle's image is made from Colab's
        return "kaggle"
    if "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules:
        return "colab"
    return "binder" if {"BINDER_LAUNCH_HOST", "BINDER_SERVICE_HOST"} & set(os.environ) else "local"


def accelerator() -> str | None:
    """Return the name of a GPU of this machine, or None. No framework is imported to find out."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple GPU"
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = answer.stdout.strip().splitlines() if answer.returncode == 0 else []
    return names[0].strip() if names else None


def version_of(package: str) -> str:
    """Return the installed version of a package, or ``"not installed"``; the package is not imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def gpu_advice() -> str | None:
    """Say what to click for a GPU on Colab and Kaggle, where there is one to be had; else return None.

    The lessons need none, and the sentence says so: a GPU session is lent for some hours a week only.
    """
    menus = {
        "colab": "Runtime > Change runtime type > T4 GPU",
        "kaggle": "Settings > Accelerator > GPU T4 x2",
    }
    menu = menus.get(host())
    if menu is None or accelerator() is not None:
        return None
    return f"The lessons need no GPU; srutils train likes one: choose {menu}, then run this cell again."


def short_path(path: Path) -> str:
    """Return a path to print: relative to the checkout, else its last part (outputs name no home folder)."""
    root = checkout()
    path = path.resolve()
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return f".../{path.name}"


def triton_first() -> None:
    """Import Triton, where it is installed, before TensorFlow is.

    PyTorch's builds for GPUs bring Triton and import it late. Both it and TensorFlow hold a copy of LLVM, and
    a process that imports TensorFlow first ends with a segmentation fault; the other order works.
    """
    if "tensorflow" not in sys.modules:
        with contextlib.suppress(ImportError):
            import triton  # noqa: F401


def banner(*packages: str) -> None:
    """Print versions, hardware and where data are read from; let what follows print every character.

    Called before a lesson's imports, it also sees to `triton_first`.

    Parameters
    ----------
    *packages : str
        Names of installed distributions; without any, those that the course is built on.
    """
    from srutils import __version__
    from srutils.streams import spell_what_is_lacking

    spell_what_is_lacking()
    triton_first()
    data = data_dir()
    sources = f"SR_DATA = {short_path(data)}" if data else "built in or simulated (SR_DATA is not set)"
    versions = ", ".join(f"{name} {version_of(name)}" for name in packages or BANNER_PACKAGES)
    gpu = accelerator() or "no GPU (none is needed)"
    print(f"srutils {__version__}, Python {platform.python_version()} on {platform.system()}")
    print(versions)
    print(f"hardware: {os.cpu_count()} CPU cores, {gpu}")
    print(f"data:     {sources}")
    print(f"cache:    {short_path(cache_dir())}")
    if advice := gpu_advice():
        print(advice)
