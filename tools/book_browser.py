"""Pack what the book's page docs/enlarge.md needs: networks that run in the reader's browser, from the disk.

The runtime is npm's onnxruntime-web, one version, told by its hash. A page on a disk may load scripts and
nothing else, so runtime and models become scripts that hold them as text. They lie beside the book's own
files, in ``_static/enlarge``: models.js and page.js come with the page, the others when they are needed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from srutils import course
from srutils.upscale.choice import SPOILED, default_models
from tools.project import ROOT

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
ORT, WASM = "package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm"
PAGE = "enlarge.md"
FOLDER = Path("_static") / "enlarge"


def package(folder: Path) -> bytes | None:
    """Return npm's file of the runtime, kept in `folder`; None, and a note, where it cannot be had.

    Raises
    ------
    ValueError
        The file is not the one that was tried: its hash is another one.
    """
    path = folder / f"{PACKAGE}-{VERSION}.tgz"
    if not path.is_file():
        npm = shutil.which("npm")
        if npm is None:
            return _without("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:  # two tests may fetch it at once
            command = [npm, "pack", "--loglevel=error", "--fetch-retries=0", f"{PACKAGE}@{VERSION}"]
            answer = subprocess.run(command, capture_output=True, text=True, cwd=temporary)
            new = Path(temporary) / path.name
            if answer.returncode or not new.is_file():
                lines = answer.stderr.strip().splitlines() or ["it gave no reason"]
                return _without(f"npm could not fetch {PACKAGE} {VERSION}: {lines[0]}")
            new.replace(path)
    data = path.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != SHA512:
        raise ValueError(f"{path} is not {PACKAGE} {VERSION}: its hash is another one; remove it")
    return data


def _without(reason: str) -> None:
    print(f"The book has no page that enlarges pictures: {reason}", file=sys.stderr)


def models(folder: Path) -> list[dict]:
    """Return what the page has to know of the photo networks that it offers, smallest scale first."""
    found = []
    for path in sorted(folder.glob("*photo*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        sides = {"lr": 1, "bicubic": card["scale"]}  # multiples of it, whatever the tile
        if card["channels"] == "gray" or card.get("multiple", 1) > sides.get(card["input"], 0):
            continue  # the page knows two ways to feed a network
        keys = ("name", "scale", "channels", "input", "receptive_field")
        psnr = card.get("metrics", {}).get("Set5", {}).get("psnr")
        words = f"{psnr:.2f} dB on Set5" if psnr else "for photographs"
        if card["name"] == SPOILED:
            words = "for compressed, soft and noisy photographs"
        found.append({key: card[key] for key in keys} | {"edges": card.get("edges", "zero"), "words": words})
    return sorted(found, key=lambda model: (model["scale"], model["name"]))


def text_of(data: bytes) -> str:
    """Return bytes as text for a script."""
    return base64.b64encode(data).decode()


def sample() -> bytes:
    """Return a small picture for those who have none at hand: a cat, in PNG."""
    from PIL import Image

    from srutils import metrics, pairs, photos

    small = metrics.quantize(pairs.degrade(photos.builtin()["chelsea"][:300, 75:375], 2))
    stream = io.BytesIO()
    Image.fromarray((small * 255).round().astype("uint8")).save(stream, "PNG")
    return stream.getvalue()


def script(name: str, value) -> str:
    """Return a script that makes ``ENLARGE.name`` a value."""
    return f"(window.ENLARGE ??= {{}}).{name} = {json.dumps(value)};\n"


def pack(out: Path, tgz: bytes, root: Path = ROOT) -> None:
    """Write the page's scripts into the folder `out`, from npm's file."""
    sources, folder = root / "docs" / "enlarge", root / "data" / "models"
    with tarfile.open(fileobj=io.BytesIO(tgz), mode="r:gz") as archive:
        ort, wasm = (archive.extractfile(name).read() for name in (ORT, WASM))
    runtime = {
        "worker": (sources / "worker.js").read_text(encoding="utf-8"),
        "ort": ort.decode(),
        "wasm": text_of(gzip.compress(wasm, 6, mtime=0)),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name in ("page.js", "page.css"):
        shutil.copyfile(sources / name, out / name)
    offered = models(folder)
    chosen = default_models(measured=False, scale=4)[0]
    known = {"models": offered, "first": chosen, "sample": text_of(sample())}
    text = "".join(script(name, value) for name, value in known.items())
    (out / "models.js").write_text(text, encoding="utf-8")
    (out / "runtime.js").write_text(script("runtime", runtime), encoding="utf-8")
    for model in offered:
        onnx = text_of((folder / f"{model['name']}.onnx").read_bytes())
        text = f"(window.ENLARGE.weights ??= {{}})[{json.dumps(model['name'])}] = {json.dumps(onnx)};\n"
        (out / f"{model['name']}.js").write_text(text, encoding="utf-8")


def cache() -> Path:
    """Return the folder that keeps npm's file from one build to the next."""
    return course.cache_dir() / "npm"
