"""The register of datasets: what is fetched, verified, unpacked, or found."""

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srutils.datasets import DATASETS, Dataset, Remote, fetch_dataset
from srutils.download import pixels_sha256


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def picture_bytes(seed, form):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty SR_DATA and SR_CACHE."""
    for name in ("data", "cache"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def registered(site, places, monkeypatch):
    """Two small datasets on the local server: pictures as Set5 is, and an archive as DIV2K is."""
    for i in range(2):
        site.files[f"/{i}_GT.bmp"] = picture_bytes(i, "BMP")
        (places / f"{i}.png").write_bytes(picture_bytes(i, "PNG"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(3):
            archive.writestr(f"HR/{i}.png", picture_bytes(i, "PNG"))
    site.files["/HR.zip"] = zipped = packed.getvalue()
    pictures = tuple(
        Remote(site.url(f"/{i}_GT.bmp"), f"{i}.bmp", pixels=pixels_sha256(places / f"{i}.png"))
        for i in range(2)
    )
    archive = Remote(site.url("/HR.zip"), "HR.zip", len(zipped), hashlib.sha256(zipped).hexdigest())
    monkeypatch.setitem(DATASETS, "pair", Dataset("pair", "Two", "Pair", 2, pictures, "CC0 for testing"))
    monkeypatch.setitem(
        DATASETS, "zip", Dataset("zip", "Zip", "Big/HR", 3, (archive,), "terms", archive=True)
    )
    return places


def quiet(name, dest=None, say=lambda text: None):
    return fetch_dataset(name, dest, progress=False, say=say)


def test_pictures_are_verified_by_their_pixels_and_the_licence_comes_first(site, registered):
    said = []
    where = quiet("pair", say=lambda text: said.append((text, len(site.asked))))
    assert where == registered / "cache/Pair" and names(where) == ["0.bmp", "1.bmp"]
    assert len(said) == 1 and "CC0 for testing" in said[0][0] and said[0][1] == 0
    assert quiet("pair") == where and len(site.asked) == 2


def test_another_picture_is_not_accepted(site, registered):
    site.files["/1_GT.bmp"] = picture_bytes(99, "BMP")
    with pytest.raises(ValueError, match="pixel hash"):
        quiet("pair")
    assert names(registered / "cache/Pair") == ["0.bmp"]
    site.files["/1_GT.bmp"] = b"<html>moved</html>"
    with pytest.raises(ValueError, match="not the expected file"):
        quiet("pair")


def test_an_archive_is_unpacked_and_removed(site, registered):
    where = quiet("zip", registered / "elsewhere")
    assert where == registered / "elsewhere/Big/HR" and names(where) == ["0.png", "1.png", "2.png"]
    assert names(where.parent) == ["HR"]
    assert quiet("zip", registered / "elsewhere") == where and len(site.asked) == 1


def test_a_folder_brought_by_hand_is_accepted(site, registered):
    (registered / "data/Pair").mkdir()
    (registered / "data/Pair/x.png").write_bytes(picture_bytes(1, "PNG"))
    with pytest.raises(FileExistsError, match="1 images of 2"):
        quiet("pair")
    (registered / "data/Pair/y.png").write_bytes(picture_bytes(2, "PNG"))
    assert quiet("pair") == registered / "data/Pair" and site.asked == []


def test_unknown_names_and_short_archives(site, registered, monkeypatch):
    with pytest.raises(ValueError, match="set5"):
        quiet("set6")
    entry = DATASETS["zip"]
    monkeypatch.setitem(
        DATASETS, "zip", Dataset("zip", "Zip", "Big/HR", 4, entry.files, "terms", archive=True)
    )
    with pytest.raises(ValueError, match="3 images after the download, expected 4"):
        quiet("zip")


def test_the_register_is_well_formed():
    assert {"set5", "div2k-valid", "div2k-train", "div2k-valid-x4", "div2k-train-x4"} <= set(DATASETS)
    for name, data in DATASETS.items():
        assert data.name == name and data.licence and data.images > 0 and data.files
        assert len({r.name for r in data.files}) == len(data.files)
        if name == "linnaeus5":  # neither https nor a hash is offered: see test_linnaeus.py
            continue
        for remote in data.files:
            assert remote.url.startswith("https://") and remote.url.isascii()
            assert bool(remote.size and remote.sha256) != bool(remote.pixels)
            assert re.fullmatch(r"[0-9a-f]{64}", remote.sha256 or remote.pixels)


@pytest.mark.skipif(
    not (Path(os.environ.get("SR_DATA") or os.devnull) / "Set5").is_dir(), reason="SR_DATA holds no Set5"
)
def test_the_pixel_hashes_of_set5_are_those_of_the_benchmark(tmp_path):
    from srutils.image_files import read_image, write_image
    from srutils.photos import set5

    recorded = {Path(r.name).stem: r for r in DATASETS["set5"].files}
    for name, image in set5():
        write_image(tmp_path / f"{name}.bmp", image)
        assert recorded[name].check(tmp_path / f"{name}.bmp") is None
        write_image(tmp_path / "other.bmp", image[:, ::-1])
        assert recorded[name].check(tmp_path / "other.bmp") is not None
        assert read_image(tmp_path / f"{name}.bmp").shape == image.shape
