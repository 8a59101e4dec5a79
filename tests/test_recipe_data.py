"""What recipes learn from: photographs, DIV2K pairs, lens folders and class folders in their true layouts."""

import numpy as np
import pytest
from PIL import Image

from srutils.files.images import read_image
from srutils.recipes import photo_files
from srutils.recipes.class_data import class_images
from srutils.recipes.data import PairsData, lens_pairs, photographs, three_parts

RNG = np.random.default_rng(0)


def picture(path, size=(24, 32), channels=3, value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size, channels), np.uint8) if value is None else np.full(size, value)
    Image.fromarray(pixels.squeeze().astype(np.uint8)).save(path)
    return path


def div2k(folder, scale=4, n=10):
    """The layout of DIV2K: HR and bicubic LR in sister folders, 0001.png beside 0001x4.png."""
    for i in range(1, n + 1):
        part, number = ("train", i) if i <= n - 4 else ("valid", 800 + i)
        image = Image.fromarray(RNG.integers(0, 256, (24, 32, 3), np.uint8))
        small = image.resize((32 // scale, 24 // scale), Image.Resampling.BICUBIC)
        for inside, name, saved in (
            (f"DIV2K_{part}_HR", f"{number:04d}.png", image),
            (f"DIV2K_{part}_LR_bicubic/X{scale}", f"{number:04d}x{scale}.png", small),
        ):
            (folder / inside).mkdir(parents=True, exist_ok=True)
            saved.save(folder / inside / name)
    return folder


# ---------------------------------------------------------------- photographs
def test_any_folder_of_photographs_is_divided_by_photograph(tmp_path):
    for i in range(20):
        picture(tmp_path / f"holiday/day {i % 3}/{i}.png")
    data = photographs(tmp_path, 2)
    assert [len(part[0]) for part in (data.train, data.val, data.test)] == [16, 2, 2]
    assert data.images == 16 and "80/10/10 by photograph, seed 0: 16 to learn from" in data.split
    assert data.says == f"20 photographs of {tmp_path.name}"
    hr, lr = data.train[1][0], data.train[0][0]
    assert hr.dtype == lr.dtype == np.uint8 and hr.shape == (24, 32, 3) and lr.shape == (12, 16, 3)
    everything = [image.tobytes() for part in (data.train, data.val, data.test) for image in part[1]]
    assert len(set(everything)) == 20


def test_the_split_depends_on_the_seed_alone(tmp_path):
    for i in range(20):
        picture(tmp_path / f"{i}.png")
    first, again, other = (photographs(tmp_path, 2, seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_another_pixel_is_another_fingerprint(tmp_path):
    for i in range(4):
        picture(tmp_path / f"{i}.png")
    before = photographs(tmp_path, 2)
    changed = before.train[1][0].copy()
    changed[0, 0, 0] += 1
    train = (before.train[0], [changed, *before.train[1][1:]])
    after = PairsData(train, before.val, before.test, "", "", 2, 2, "rgb", "photo")
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("start", ["", "DIV2K_train_HR"])
def test_hr_files_alone_are_reduced_by_the_benchmarks_bicubic(tmp_path, start):
    div2k(tmp_path)
    data = photographs(tmp_path / start, 3 if start else 2)
    assert ("another scale than 2" in data.says) == (not start)
    i = 0
    scale = data.scale
    hr = Image.fromarray(data.train[1][i])
    planes = [
        np.asarray(band.resize((hr.width // scale, hr.height // scale), Image.Resampling.BICUBIC))
        for band in hr.split()
    ]
    difference = np.abs(np.stack(planes, -1).astype(int) - data.train[0][i])
    assert difference.max() <= 2  # Pillow rounds in between, too


def test_div2k_is_taken_in_pairs_and_in_its_own_parts(tmp_path):
    data = photographs(div2k(tmp_path), 4)
    assert data.says == f"10 pairs of HR and LR files x4 of {tmp_path.name}"
    assert [len(part[0]) for part in (data.train, data.val, data.test)] == [6, 2, 2]
    assert "the folder's own parts" in data.split
    stored = np.asarray(Image.open(tmp_path / "DIV2K_train_LR_bicubic/X4/0001x4.png"))
    np.testing.assert_array_equal(data.train[0][0], stored)


def test_pairs_may_lie_beside_each_other(tmp_path):
    for i in (1, 2, 3, 4):
        picture(tmp_path / f"080{i}.png")
        picture(tmp_path / f"080{i}x4.png", (6, 8))
    picture(tmp_path / "0900.png")
    data = photographs(tmp_path, 4)
    assert data.says.startswith("4 pairs") and "1 HR files without an LR file are left out" in data.says


def test_swapped_pairs_are_recognised(tmp_path):
    for i in (1, 2, 3):
        picture(tmp_path / f"080{i}.png", (6, 8))
        picture(tmp_path / f"080{i}x4.png", (24, 32))
    with pytest.raises(ValueError, match=r"080\dx4.png .*look swapped"):
        photographs(tmp_path, 4)


def test_linnaeus_keeps_its_own_test_in_any_nesting(tmp_path):
    top = tmp_path / "Linnaeus 5 128X128" / "Linnaeus 5 128X128"
    for part, n in (("train", 6), ("test", 2)):
        for name in ("berry", "bird", "dog", "flower", "other"):
            for i in range(n):
                picture(top / part / name / f"{i + 1}_128.jpg", (128, 128))
    data = photographs(tmp_path, 2)
    assert [len(part[0]) for part in (data.train, data.val, data.test)] == [27, 3, 10]
    found, _ = photo_files.in_folder(tmp_path, 2)
    assert {p.part for p in found if p.name.startswith("test/")} == {"test"}
    assert photographs(top, 2).fingerprint == data.fingerprint


@pytest.mark.parametrize("name", ["Set5", "set14", "BSD100", "Urban100", "Kodak24", "kodak_24"])
def test_no_test_set_is_ever_trained_on(tmp_path, name):
    for i in range(5):
        picture(tmp_path / name / f"{i}.png")
        picture(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="is a test set"):
        photographs(tmp_path / name, 2)
    data = photographs(tmp_path, 2)
    assert data.says.startswith("5 photographs") and "5 photographs of test sets are left out" in data.says


def test_grey_photographs_learn_with_the_others(tmp_path):
    for i in range(4):
        picture(tmp_path / f"{i}.png", channels=1 if i % 2 else 3)
    data = photographs(tmp_path, 2)
    assert all(image.shape[-1] == 3 for part in (data.train, data.val) for kind in part for image in kind)


def test_of_large_photographs_the_window_with_most_texture_is_kept(tmp_path):
    image = np.zeros((90, 120, 3), np.uint8)
    image[60:, 80:] = RNG.integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "1.png")
    lr, hr = photo_files.read_pair(photo_files.Photograph("1", tmp_path / "1.png"), 3, 1300)
    assert hr.shape[0] * hr.shape[1] <= 1300 and hr.shape == (36, 36, 3) and lr.shape == (12, 12, 3)
    assert hr[6:, :].std() > 60


@pytest.mark.parametrize(("n", "message"), [(0, "no photograph in"), (2, "2 files cannot be divided")])
def test_too_few_photographs(tmp_path, n, message):
    for i in range(n):
        picture(tmp_path / f"{i}.png")
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        photographs(tmp_path, 2)


@pytest.mark.parametrize("n", [3, 7, 10, 41])
def test_no_part_is_empty_and_none_is_shared(n):
    parts, says = three_parts([str(i) for i in range(n)], [""] * n, 5)
    assert sorted(sum(parts, [])) == list(range(n)) and all(parts) and "seed 5" in says


def test_the_courses_own_photographs(tmp_path, monkeypatch):
    """Every 20th of CID22, Contest and BSD200 is for validation; Contest and Photos are halved."""
    for name in ("data", "cache"):
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match="--data FOLDER takes yours"):
        photographs(None, 2)
    for name in ("CID22", "Contest", "Photos", "T91"):
        for i in range(21):
            picture(tmp_path / "data" / name / f"{i:02d}.png", (16, 16))
    data = photographs(None, 2)
    assert data.says == "CID22, Contest (halved), Photos (halved), T91"
    assert len(data.val[1]) == 4 and data.images == 80
    sizes = sorted({image.shape[0] for image in data.train[1]})
    assert sizes == [8, 16] and sum(image.shape[0] == 8 for image in data.train[1]) == 19 + 21
    first = np.rint(read_image(tmp_path / "data/CID22/20.png") * 255)
    np.testing.assert_array_equal(data.val[1][1], first)


def test_div2k_takes_the_place_of_the_courses_sets(tmp_path, monkeypatch):
    for name in ("data", "cache"):
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    div2k(tmp_path / "data" / "DIV2K", n=24)
    data = photographs(None, 2)
    assert data.says.startswith("DIV2K train") and data.images == 20 and len(data.val[0]) == 1


# ---------------------------------------------------------------- lenses
def lenses(folder, n=40, hr=24, lr=12):
    for kind, side in (("HR", hr), ("LR", lr)):
        (folder / kind).mkdir(parents=True)
        for i in range(1, n + 1):
            np.save(folder / kind / f"sample{i}.npy", RNG.random((1, side, side)))
    return folder


def test_a_readers_lenses_are_divided_and_it_is_said(tmp_path):
    lenses(tmp_path / "Dataset")
    data, again, other = (lens_pairs(tmp_path, seed=seed) for seed in (0, 0, 3))
    assert [len(part[0]) for part in (data.train, data.val, data.test)] == [32, 4, 4]
    assert data.split == "80/10/10 by lens, seed 0: 32 to learn from, 4 for validation, 4 for test"
    assert data.fingerprint == again.fingerprint != other.fingerprint
    assert data.track == "deeplense-files" and not data.noise_free and data.train[0][0].dtype == np.float32
    everything = [image.tobytes() for part in (data.train, data.val, data.test) for image in part[0]]
    assert len(set(everything)) == 40


def test_lenses_of_another_scale_are_refused(tmp_path):
    lenses(tmp_path, 4, 24, 6)
    with pytest.raises(ValueError, match="pairs of scale 4; this recipe enlarges by 2"):
        lens_pairs(tmp_path)
    assert lens_pairs(tmp_path, scale=4).scale == 4


def test_two_lenses_are_too_few(tmp_path):
    with pytest.raises(ValueError, match="expected at least 3"):
        lens_pairs(lenses(tmp_path, 2))


@pytest.mark.parametrize("target", ["hr", "truth"])
def test_simulated_lenses_are_scored_against_the_truth(tmp_path, monkeypatch, target):
    pytest.importorskip("torch")
    monkeypatch.setenv("SR_CACHE", str(tmp_path))
    from srutils.lensing import lens_set

    data = lens_pairs(None, "telescope", 4, 6, target=target)
    stored = lens_set("telescope", 6, scale=4)
    np.testing.assert_array_equal(np.stack(data.train[1]), getattr(stored, target))
    assert data.noise_free == (target == "truth") and data.track == "telescope"
    val = lens_set("telescope", len(data.val[0]), scale=4, split="val")
    np.testing.assert_array_equal(np.stack(data.val[1]), val.truth)


# ---------------------------------------------------------------- classes
def classes(folder, names=("no_sub", "cdm", "axion"), n=12, side=130):
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(1, n + 1):
            np.save(folder / name / f"{i}.npy", RNG.random((1, side, side)))
    return folder


def test_classes_are_divided_class_by_class(tmp_path):
    data = class_images(classes(tmp_path))
    assert [np.bincount(part[1]).tolist() for part in (data.train, data.val, data.test)] == [
        [10, 10, 10],
        [1, 1, 1],
        [1, 1, 1],
    ]
    assert data.split == "80/10/10 of each class, seed 0: 30 to learn from, 3 for validation, 3 for test"
    assert data.train[0].shape == (30, 128, 128, 1) and data.train[0].dtype == np.float16
    again, other = class_images(tmp_path), class_images(tmp_path, seed=1)
    assert data.fingerprint == again.fingerprint != other.fingerprint


def test_parts_of_a_class_folder_are_kept(tmp_path):
    for part, n in (("train", 4), ("val", 2)):
        classes(tmp_path / "dataset" / "dataset" / part, ("no", "sphere", "vort"), n)
    data = class_images(tmp_path)
    assert [len(part[1]) for part in (data.train, data.val, data.test)] == [12, 6, 0]
    assert data.split == "the folder's own parts: 12 to learn from, 6 for validation"


def test_the_readers_names_of_the_classes(tmp_path):
    classes(tmp_path, ("a", "b", "c"), 3)
    data = class_images(tmp_path, "a=vortex,b=subhalo,c=no_substructure")
    assert np.bincount(data.train[1]).tolist() == [1, 1, 1]
    with pytest.raises(FileNotFoundError, match="--classes"):
        class_images(tmp_path)
