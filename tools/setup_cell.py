"""The set-up cell that every lesson has, and the badges under its title: written once, here."""

from __future__ import annotations

import re

from tools.project import check_repository

FIRST_LINE = "# Set-up: run this cell first."
TAGS = ["nbval-ignore-output", "set-up"]  # versions and hardware differ from machine to machine
METADATA = {"tags": TAGS, "jupyter": {"source_hidden": True}}
BEGIN, END = "<!-- badges -->", "<!-- /badges -->"
BLOCK = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
IMAGES = {
    "Colab": "https://colab.research.google.com/assets/colab-badge.svg",
    "Kaggle": "https://kaggle.com/static/images/open-in-kaggle.svg",
    "Binder": "https://mybinder.org/badge_logo.svg",
}

# `find_spec` imports nothing. `--no-deps` keeps a host's NumPy, PyTorch and TensorFlow as they are: pip then
# installs the packages it is given and no others, so every small one that may be missing is named. Those that
# Colab lacks have the versions that `make colab` ran: onnx 1.23, say, wants a newer protobuf than Colab has.
TEMPLATE = """\
# Set-up: run this cell first. It is the same in JupyterLab, Colab, Kaggle and Binder, and it leaves the
# NumPy, PyTorch and TensorFlow that are already there as they are.
import importlib.util
import subprocess
import sys
from pathlib import Path

SMALL = "onnx==1.22.0 onnx_ir==1.1.0 onnxruntime==1.31.1 onnxscript==0.7.2 tf2onnx==1.17.0".split()
SMALL += "accelerate flatbuffers imageio lazy_loader safetensors tifffile typer".split()
OFFLINE = "No internet? On Kaggle, choose Settings > Turn on internet, then run this cell again."

if importlib.util.find_spec("srutils") is None:
    here = Path.cwd()
    root = next((p for p in (here, *here.parents) if (p / "srutils" / "course.py").is_file()), None)
    if root is not None:  # a clone of the course that is not installed
        sys.path.insert(0, str(root))
    else:  # a notebook on its own, as Colab and Kaggle open it
        missing = [name for name in SMALL if importlib.util.find_spec(name.split("==")[0]) is None]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["git+https://github.com/@REPOSITORY@", *missing]
        answer = subprocess.run(pip, capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(f"{answer.stderr}pip could not install the course, see above. {OFFLINE}")
        importlib.invalidate_caches()

from srutils import course

course.banner()
"""


def setup_cell(repository: str) -> str:
    """Return the source of the set-up cell for the repository ``owner/name``."""
    return TEMPLATE.replace("@REPOSITORY@", check_repository(repository)).rstrip("\n")


def addresses(repository: str, notebook: str | None = None) -> dict[str, str]:
    """Return the addresses at which hosts open a notebook (None: Binder, which opens the whole course).

    `notebook` is its path below the folder ``notebooks``: ``02_name.ipynb`` or ``solutions/02_name.ipynb``.
    """
    binder = f"https://mybinder.org/v2/gh/{check_repository(repository)}/HEAD?urlpath=lab/tree/notebooks"
    if notebook is None:
        return {"Binder": binder}
    path = f"{repository}/blob/main/notebooks/{notebook}"
    return {
        "Colab": f"https://colab.research.google.com/github/{path}",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src=https://github.com/{path}",
        "Binder": f"{binder}/{notebook}",
    }


def badge(host: str, address: str) -> str:
    """Return the Markdown of a host's badge."""
    return f"[![Open in {host}]({IMAGES[host]})]({address})"


def badges(repository: str, notebook: str | None = None) -> str:
    """Return the badges, between their markers, for a notebook (None: for the whole course)."""
    lines = [badge(host, address) for host, address in addresses(repository, notebook).items()]
    return "\n".join([BEGIN, *lines, END])


def replace_badges(text: str, new: str) -> str:
    """Return the text with the block between the badge markers replaced."""
    return BLOCK.sub(lambda _: new, text)
