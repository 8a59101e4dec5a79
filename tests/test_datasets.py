"""The register of datasets: what makes each whole, and that the lessons' loaders read the layout of each."""

import io
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from srutils import course, photos
from srutils.fetch.checks import Dataset, Remote
from srutils.fetch.dataset import fetch_dataset
from srutils.fetch.register import DATASETS, GROUPS
from srutils.files.images import pixels_sha256
from srutils.lensing import folders
from srutils.scoring import upscalers
from srutils.upscale.upscaler import Upscaler


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
def pair(site, places, monkeypatch):
    """A small dataset of two pictures on the local server, as Set5 is."""
    remotes = []
    for i in range(2):
        site.files[f"/{i}_GT.bmp"] = picture_bytes(i, "BMP")
        (places / "copy.png").write_bytes(picture_bytes(i, "PNG"))
        pixels = pixels_sha256(places / "copy.png")
        remotes.append(Remote(site.url(f"/{i}_GT.bmp"), f"{i}.bmp", pixels=pixels))
    small = Dataset(
        "pair", "Two", "Pair", "small", {"": (2, None)}, tuple(remotes), "CC0 for testing", archive=False
    )
    monkeypatch.setitem(DATASETS, "pair", small)
    return places


def quiet(name, dest=None, say=lambda text: None, source=None):
    return fetch_dataset(name, dest, source, progress=False, say=say)


def test_pictures_are_verified_by_their_pixels_and_the_licence_comes_first(site, pair):
    said = []
    where = quiet("pair", say=lambda text: said.append((text, len(site.asked))))
    assert where == pair / "cache/Pair" and names(where) == ["0.bmp", "1.bmp"]
    assert len(said) == 1 and "CC0 for testing" in said[0][0] and said[0][1] == 0
    assert quiet("pair") == where and len(site.asked) == 2


def test_another_picture_is_not_accepted(site, pair):
    site.files["/1_GT.bmp"] = picture_bytes(99, "BMP")
    with pytest.raises(ValueError, match="pixel hash"):
        quiet("pair")
    assert names(pair / "cache/Pair") == ["0.bmp"]
    site.files["/1_GT.bmp"] = b"<html>moved</html>"
    with pytest.raises(ValueError, match="not the expected file"):
        quiet("pair")


def test_a_folder_brought_by_hand_is_accepted(site, pair):
    (pair / "data/Pair").mkdir()
    (pair / "data/Pair/0.png").write_bytes(picture_bytes(0, "PNG"))
    with pytest.raises(FileExistsError, match="holds 1 files of 2; complete or remove it"):
        quiet("pair")
    (pair / "data/Pair/y.png").write_bytes(picture_bytes(1, "PNG"))
    with pytest.raises(FileExistsError, match=r"there is no 1\.png, \.bmp or _GT\.bmp"):
        quiet("pair")
    (pair / "data/Pair/y.png").rename(pair / "data/Pair/1_GT.PNG")
    assert quiet("pair") == pair / "data/Pair" and site.asked == []


def test_a_folder_of_your_own_is_verified_by_its_pixels(site, pair):
    said, own = [], pair / "own"
    (own / "Pair").mkdir(parents=True)
    (own / "other").mkdir()
    for i in (0, 1):
        (own / "Pair" / f"{i}.png").write_bytes(picture_bytes(i, "PNG"))
    assert quiet("pair", pair / "out", said.append, own) == pair / "out/Pair"
    assert names(pair / "out/Pair") == ["0.png", "1.png"] and "hash of the pixels" in said[0]
    (own / "Pair/1.png").write_bytes(picture_bytes(9, "PNG"))
    with pytest.raises(ValueError, match=r"own does not hold pair: .*1\.png is not the published picture"):
        quiet("pair", pair / "new", source=own)
    assert not (pair / "new").exists() and site.asked == []


def test_a_wrong_picture_in_the_way_is_named_before_anything_is_downloaded(site, pair):
    (pair / "out/Pair").mkdir(parents=True)
    (pair / "out/Pair/1.png").write_bytes(picture_bytes(9, "PNG"))
    with pytest.raises(
        FileExistsError, match=r"1\.png is not the published picture: .*; replace or remove it"
    ):
        quiet("pair", pair / "out")
    assert names(pair / "out/Pair") == ["1.png"] and site.asked == []
    quiet("pair")
    (pair / "out/Pair").rename(pair / "data/Pair")  # the lessons would find it before the good one
    with pytest.raises(FileExistsError, match="replace or remove it"):
        quiet("pair")


def test_a_download_that_broke_off_between_pictures_goes_on(site, pair):
    site.spoil = [{}, {"status": 404}]
    with pytest.raises(OSError, match="404"):
        quiet("pair")
    assert names(pair / "cache/Pair") == ["0.bmp"]
    quiet("pair")
    assert [path for path, *_ in site.asked] == ["/0_GT.bmp", "/1_GT.bmp", "/1_GT.bmp"]


def test_unknown_names(places):
    with pytest.raises(ValueError, match="set5.*deeplense-classes.*div2k"):
        quiet("set6")


def test_the_register_is_well_formed():
    expected = {"set5", "linnaeus5", "deeplense-sr", "deeplense-classes", "div2k-valid", "div2k-train"}
    assert expected < set(DATASETS) and not set(GROUPS) & set(DATASETS)
    assert {name for parts in GROUPS.values() for name in parts} < set(DATASETS)
    assert len({data.folder.lower() for data in DATASETS.values()}) == len(DATASETS)
    assert len({r.name.lower() for data in DATASETS.values() for r in data.files}) == 5 + len(DATASETS) - 1
    for name, data in DATASETS.items():
        assert data.name == name and data.licence and data.files and data.size
        for remote in data.files:
            assert remote.url.isascii() and urlsplit(remote.url).scheme == "http" + "s" * (
                name != "linnaeus5"
            )
            if "drive.google" in remote.url or name == "linnaeus5":  # neither size nor hash is published
                assert remote.limit and not remote.sha256 and "No hash" in data.proof()
            else:
                assert bool(remote.size and remote.sha256) != bool(remote.pixels)
                assert re.fullmatch(r"[0-9a-f]{64}", remote.sha256 or remote.pixels)


def test_the_numbers_of_deeplense():
    sr, classes = DATASETS["deeplense-sr"], DATASETS["deeplense-classes"]
    assert sr.parts == {"HR": (10_000, (1, 150, 150)), "LR": (10_000, (1, 75, 75))}
    assert sum(n for n, _ in classes.parts.values()) == 37_500
    assert sum(n for part, (n, _) in classes.parts.items() if part.startswith("val/")) == 7500
    sizes = [sum(n * np.prod(shape) * 8 for n, shape in d.parts.values()) for d in (sr, classes)]
    assert sizes[0] == 2.25e9 and sizes[1] == 6.75e9
    for data, size in zip((sr, classes), sizes, strict=True):  # the archive cannot be larger than its content
        assert 533e6 < data.files[0].limit < max(size, 1 << 30) * 1.3


@pytest.mark.skipif(
    not (Path(os.environ.get("SR_DATA") or os.devnull) / "Set5").is_dir(), reason="SR_DATA holds no Set5"
)
def test_the_pixel_hashes_of_set5_are_those_of_the_benchmark(tmp_path):
    from pictures import save_picture

    from srutils.files.images import read_image
    from srutils.photos import set5

    recorded = {Path(r.name).stem: r for r in DATASETS["set5"].files}
    for name, image in set5():
        save_picture(tmp_path / f"{name}.bmp", image)
        assert recorded[name].check(tmp_path / f"{name}.bmp") is None
        save_picture(tmp_path / "other.bmp", image[:, ::-1])
        assert recorded[name].check(tmp_path / "other.bmp") is not None
        assert read_image(tmp_path / f"{name}.bmp").shape == image.shape


# ---------------------------------------------------------------- what the lessons do with each layout


def save(folder, name, array):
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / name, array)


def picture(folder, name, size=(40, 50), seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)


def test_deeplense_sr(places):
    rng = np.random.default_rng(0)
    for i in (1, 2, 10):
        for folder, size in (("HR", 150), ("LR", 75)):
            pixels = rng.random((1, size, size))
            pixels[0, 0, 0] = i / 10  # so that it can be told which it is
            save(places / "data/deeplense" / folder, f"sample{i}.npy", pixels)
    pairs = folders.load_deeplense(folders.find_deeplense())
    assert pairs.hr.shape == (3, 150, 150, 1) and pairs.lr.shape == (3, 75, 75, 1) and pairs.scale == 2
    for images in (pairs.hr, pairs.lr):
        np.testing.assert_allclose(images[:, 0, 0, 0], [0.1, 0.2, 1.0])
    assert pairs.truth is None and pairs.name.startswith("deeplense")
    scores = upscalers.evaluate_lenses(Upscaler.load("lanczos", 2), pairs)  # as the lessons score it
    assert scores["n"] == 3 and scores["bicubic"]["method"] == "bicubic-torch" and scores["psnr"] < 30


def test_deeplense_classes_in_lesson_06(places):
    """`find_classes`, then `classifier.read_folders`, which reads the part for validation."""
    from srutils.lensing import classifier, find_classes

    rng = np.random.default_rng(0)
    for part, n in (("train", 3), ("val", 2)):
        for name in ("no", "sphere", "vort"):
            for i in range(1, n + 1):
                save(places / "data/deeplense_cls" / part / name, f"{i}.npy", rng.random((1, 150, 150)))
    images, labels = classifier.read_folders(find_classes())
    assert len(images) == 6 and sorted(labels) == [0, 0, 1, 1, 2, 2]
    assert images.min() == 0 and images.max() == 1
    (places / "data/deeplense_cls/train").rename(places / "elsewhere")  # the part for validation is enough
    assert len(classifier.read_folders(find_classes())[1]) == 6


def test_div2k_as_a_folder_of_photographs(places):
    for i in range(801, 804):
        picture(places / "data/DIV2K/DIV2K_valid_HR", f"{i:04d}.png", seed=i)
        picture(places / "data/DIV2K/DIV2K_valid_LR_bicubic/X4", f"{i:04d}x4.png", (10, 12), i)
    found = photos.folder(course.find_data("DIV2K/DIV2K_valid_HR"))
    assert [name for name, _ in found] == ["0801", "0802", "0803"] and found[0][1].shape == (40, 50, 3)
    assert len(photos.folder(course.find_data("DIV2K/DIV2K_valid_LR_bicubic/X4"))) == 3
