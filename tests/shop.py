"""Small datasets on the local server of conftest.py, for the tests of `srutils fetch NAME`.

Google Drive is played by that server, too: a page with a form, then the file. The real gdown reads the form.
"""

import dataclasses
import hashlib
import io
import re
import zipfile

import numpy as np
import requests

from srutils.fetch.checks import Remote
from srutils.fetch.register import DATASETS

DRIVE_PAGE = """<html><head><title>Google Drive - Virus scan warning</title></head><body>
<form id="download-form" action="{address}" method="get">
<input type="hidden" name="id" value="X"><input type="hidden" name="confirm" value="t">
</form></body></html>""".replace("\n", " ")
PARTS = {
    "deeplense-sr": {"HR": (3, (1, 150, 150)), "LR": (3, (1, 75, 75))},
    "deeplense-classes": {
        f"{part}/{name}": (n, (1, 150, 150))
        for part, n in (("train", 2), ("val", 1))
        for name in ("no", "sphere", "vort")
    },
    "div2k-valid": {"": (2, None)},
}
FOLDER = {"deeplense-sr": "Dataset/", "deeplense-classes": "dataset/", "div2k-valid": "DIV2K_valid_HR/"}
ALL = list(PARTS)
GOOGLE = re.compile(r"https://[a-z.]*\.google\.com")


def on_drive(name):
    return "drive.google.com" in DATASETS[name].files[0].url


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def content(name, seed=0):
    """The files of a small dataset, named as in its archive."""
    rng, files = np.random.default_rng(seed), {}
    for part, (n, shape) in PARTS[name].items():
        for i in range(1, n + 1):
            stem = f"sample{i}" if part in ("HR", "LR") else str(i)
            array = rng.random(shape or (200, 200, 3))
            path = f"{FOLDER[name]}{part + '/' if part else ''}{stem}.npy"
            files[path] = npy(array)
    return files


def zipped(files, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Shop:
    """The local server as the place where small datasets come from."""

    def __init__(self, site, root, monkeypatch):
        self.site, self.root, self.monkeypatch = site, root, monkeypatch
        ask = requests.Session.get

        def on_this_machine(session, url, **options):
            return ask(session, GOOGLE.sub(site.url(""), url), **options)

        monkeypatch.setattr(requests.Session, "get", on_this_machine)

    def offer(self, name, data=None, file="archive.zip"):
        """Register a small `name` whose archive is `data`; Drive's are behind a page and have no hash."""
        data = zipped(content(name)) if data is None else data
        real = DATASETS[name]
        if on_drive(name):
            self.site.pages["/uc"] = DRIVE_PAGE.format(
                address="https://drive.usercontent.google.com/download"
            )
            self.site.files["/download"] = data
            remote = dataclasses.replace(real.files[0], name=file)
        else:
            self.site.files["/" + file] = data
            remote = Remote(self.site.url("/" + file), file, len(data), hashlib.sha256(data).hexdigest())
        small = dataclasses.replace(real, parts=PARTS[name], files=(remote,))
        self.monkeypatch.setitem(DATASETS, name, small)
        return data

    def spoil(self, name, *answers):
        """Spoil the coming answers with the file, not those with Drive's page."""
        before = [{}] if on_drive(name) else []  # of a part, gdown asks once for the whole file: what is it?
        self.site.spoil = [
            how for i, answer in enumerate(answers) for how in (*before, *[{}] * (i > 0), answer)
        ]

    @property
    def ranges(self):
        return [wanted for path, wanted, _ in self.site.asked if wanted]

    def tree(self):
        """All files below the test's own folder, and the empty folders: what a command has changed."""
        return sorted(
            p.relative_to(self.root).as_posix()
            for p in self.root.rglob("*")
            if p.is_file() or not any(p.iterdir())
        )


def stored(name, folder):
    """What a small dataset's folder should hold, as {path: bytes}, and what it does hold."""
    want = {path.removeprefix(FOLDER[name]): data for path, data in content(name).items()}
    return want, {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
