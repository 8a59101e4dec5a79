"""The set-up cell that every lesson has, and the badges under its title: written once, here."""

from __future__ import annotations

import re

from tools.project import check_repository

FIRST_LINE = "# Set-up: run this cell first."
TAGS = ["nbval-ignore-output", "set-up"]  # versions and hardware differ from machine to machine
BEGIN, END = "<!-- badges -->", "<!-- /badges -->"
BLOCK = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)

# `find_spec` imports nothing. `--no-deps` keeps a host's NumPy, PyTorch and TensorFlow as they are: pip then
# installs the packages it is given and no others, so every small one that may be missing is named.
TEMPLATE = """\
# Set-up: run this cell first. It is the same in JupyterLab, Colab, Kaggle and Binder, and it leaves the
# NumPy, PyTorch and TensorFlow that are already there as they are.
import importlib.util
import subprocess
import sys
from pathlib import Path

SMALL = {"skimage": "scikit-image", "lazy_loader": "lazy-loader", "imageio": "imageio"}
SMALL |= {"tifffile": "tifffile", "pooch": "pooch", "typer": "typer"}
SMALL |= {"onnxruntime": "onnxruntime", "flatbuffers": "flatbuffers"}

if importlib.util.find_spec("srutils") is None:
    here = Path.cwd()
    root = next((p for p in (here, *here.parents) if (p / "srutils" / "course.py").is_file()), None)
    if root is not None:  # a clone of the course that is not installed
        sys.path.insert(0, str(root))
    else:  # a notebook on its own, as Colab and Kaggle open it
        missing = [package for module, package in SMALL.items() if importlib.util.find_spec(module) is None]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.check_call([*pip, "git+https://github.com/@REPOSITORY@", *missing])
        importlib.invalidate_caches()

from srutils import course

course.banner()
"""


def setup_cell(repository: str) -> str:
    """Return the source of the set-up cell for the repository ``owner/name``."""
    return TEMPLATE.replace("@REPOSITORY@", check_repository(repository)).rstrip("\n")


def badges(repository: str, notebook: str | None = None) -> str:
    """Return the badges, between their markers, for a notebook's file name (None: for the whole course)."""
    check_repository(repository)
    if notebook is None:
        targets = [("Binder", f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks")]
    else:
        path = f"{repository}/blob/main/notebooks/{notebook}"
        binder = f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks/{notebook}"
        targets = [
            ("Colab", f"https://colab.research.google.com/github/{path}"),
            ("Kaggle", f"https://kaggle.com/kernels/welcome?src=https://github.com/{path}"),
            ("Binder", binder),
        ]
    images = {
        "Colab": "https://colab.research.google.com/assets/colab-badge.svg",
        "Kaggle": "https://kaggle.com/static/images/open-in-kaggle.svg",
        "Binder": "https://mybinder.org/badge_logo.svg",
    }
    lines = [f"[![Open in {host}]({images[host]})]({url})" for host, url in targets]
    return "\n".join([BEGIN, *lines, END])


def replace_badges(text: str, new: str) -> str:
    """Return the text with the block between the badge markers replaced."""
    return BLOCK.sub(lambda _: new, text)
