"""Readers' folders of lenses, as they are really unpacked: nested, renamed, swapped, pickled, scaled."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from srutils import course
from srutils.files.images import read_image
from srutils.lensing import classifier, find_classes, find_deeplense, load_deeplense
from srutils.lensing.class_folders import class_files, class_names
from srutils.lensing.folders import pairs_folder
from srutils.scoring.upscalers import evaluate

RNG = np.random.default_rng(0)


def write_pairs(folder, n=3, hr=24, lr=12, times=1.0):
    for kind, side in (("HR", hr), ("LR", lr)):
        (folder / kind).mkdir(parents=True)
        for i in range(1, n + 1):
            np.save(folder / kind / f"sample{i}.npy", times * RNG.random((1, side, side)))
    return folder


def write_classes(folder, names=("no", "sphere", "vort"), n=2, side=130):
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(1, n + 1):
            np.save(folder / name / f"{i}.npy", label + RNG.random((1, side, side)))
    return folder


@pytest.fixture
def data(tmp_path, monkeypatch):
    for name in ("data", "cache"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
    return tmp_path / "data"


# ---------------------------------------------------------------- HR and LR
@pytest.mark.parametrize("inside", ["", "Dataset", "dataset", "download/Dataset", "a/b/c"])
def test_pairs_are_found_in_any_nesting(tmp_path, inside):
    write_pairs(tmp_path / inside)
    (tmp_path / "__MACOSX" / "HR").mkdir(parents=True)
    assert len(load_deeplense(tmp_path)) == 3
    assert evaluate("bicubic-torch", str(tmp_path), 2)["n"] == 3


def test_folders_and_files_may_differ_in_case(tmp_path):
    write_pairs(tmp_path)
    (tmp_path / "HR").rename(tmp_path / "hr")
    (tmp_path / "LR" / "sample2.npy").rename(tmp_path / "LR" / "Sample2.NPY")
    assert len(load_deeplense(tmp_path)) == 3


def test_several_sets_are_asked_about(tmp_path):
    write_pairs(tmp_path / "train")
    write_pairs(tmp_path / "val")
    with pytest.raises(ValueError, match="several sets of HR and LR: train, val; name one"):
        load_deeplense(tmp_path)


def test_photographs_in_hr_and_lr_deeper_down_are_no_lenses(tmp_path):
    for kind in ("HR", "LR"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        (tmp_path / "photos" / kind / "1.png").touch()
    assert pairs_folder(tmp_path) is None


def test_where_names_ignore_case_the_classes_are_not_taken_for_pairs(data, monkeypatch):
    write_classes(data / "dataset" / "dataset" / "train")
    write_classes(data / "dataset" / "dataset" / "val", n=1)

    def find_data(name):
        path = data / name.lower()
        return path if path.exists() else None

    monkeypatch.setattr(course, "find_data", find_data)
    assert course.find_data("Dataset") is not None and find_deeplense() is None
    assert find_classes() == data / "dataset"
    assert len(classifier.read_folders(find_classes())[1]) == 3


def test_swapped_folders_are_recognised(tmp_path):
    write_pairs(tmp_path, hr=12, lr=24)
    with pytest.raises(ValueError, match=r"HR is smaller than LR.*look swapped"):
        load_deeplense(tmp_path)


def test_sizes_that_do_not_fit_are_refused(tmp_path):
    write_pairs(tmp_path, hr=25)
    with pytest.raises(ValueError, match="whole number of times"):
        load_deeplense(tmp_path)


@pytest.mark.parametrize("times", [255, -3, 1000])
def test_values_on_another_scale_are_refused(tmp_path, times):
    write_pairs(tmp_path, times=times)
    with pytest.raises(ValueError, match=r"sample1\.npy holds values from .* expected about 0 to 1"):
        load_deeplense(tmp_path)


def test_a_little_noise_outside_is_welcome(tmp_path):
    write_pairs(tmp_path)
    np.save(tmp_path / "LR" / "sample1.npy", RNG.uniform(-0.1, 1.2, (1, 12, 12)))
    assert load_deeplense(tmp_path).lr.max() > 1


# ---------------------------------------------------------------- pickles
def write_pickled(path, how):
    image = RNG.random((1, 130, 130))
    if how == "image and mass":
        both = np.empty(2, object)
        both[:] = image, 1e-23
        np.save(path, both, allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(image))


@pytest.mark.parametrize("how", ["image and mass", "bare pickle"])
@pytest.mark.parametrize("where", ["HR", "axion", "picture"])
def test_pickled_arrays_are_refused_with_the_cure(tmp_path, how, where):
    path = tmp_path / where / "sample1.npy"
    if where == "HR":
        write_pairs(tmp_path)
    else:
        write_classes(tmp_path, ("no_sub", "cdm", "axion"))
        path.parent.mkdir(exist_ok=True)
    write_pickled(path, how)
    read = {"HR": load_deeplense, "axion": classifier.read_folders, "picture": lambda _: read_image(path)}
    with pytest.raises(ValueError, match=r"pickled .*np\.load\(file, allow_pickle=True\)\[0\]") as error:
        read[where](tmp_path)
    assert str(path) in str(error.value) and "map" not in str(error.value)


def test_the_cure_is_one(tmp_path):
    path = tmp_path / "1.npy"
    write_pickled(path, "image and mass")
    np.save(path, np.load(path, allow_pickle=True)[0])
    assert read_image(path).shape == (130, 130, 1)


# ---------------------------------------------------------------- classes
NAMES = (
    ("no", "sphere", "vort"),
    ("no_sub", "cdm", "axion"),
    ("no_substructure", "subhalo", "vortex"),
    ("No-Sub", "CDM", "Axion"),
)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("inside", ["", "dataset", "dataset/dataset"])
def test_classes_are_found_under_their_usual_names(tmp_path, names, inside):
    write_classes(tmp_path / inside, names, n=11)
    (part,) = class_files(tmp_path).values()
    assert [label for label, _ in part[:4]] == [0, 1, 2, 0]
    assert [path.stem for label, path in part if label == 0] == [str(i) for i in range(1, 12)]


@pytest.mark.parametrize("layout", ["deeplense_cls", "lensing/deeplense_cls", "dataset", "dataset/dataset"])
def test_the_lesson_finds_what_the_command_line_reads(data, layout):
    write_classes(data / layout, ("no_sub", "cdm", "axion"))
    found = find_classes()
    assert found == data / Path(layout).parts[0] or found == data / layout
    assert classifier.read_folders(found)[1].tolist() == [0, 1, 2, 0, 1, 2]


def test_parts_are_told_apart(tmp_path):
    write_classes(tmp_path / "Common Test I" / "dataset" / "train", n=3)
    write_classes(tmp_path / "Common Test I" / "dataset" / "val", n=1)
    assert {part: len(files) for part, files in class_files(tmp_path).items()} == {"train": 9, "val": 3}
    assert len(classifier.read_folders(tmp_path)[1]) == 3


def test_unknown_names_need_the_readers_word(tmp_path):
    write_classes(tmp_path, ("a", "b", "c"))
    with pytest.raises(FileNotFoundError, match=r"holds a, b, c; expected .*--classes NAME=no_substructure"):
        class_files(tmp_path)
    names = class_names("a=vortex, b=no_substructure,c=subhalo")
    assert [(label, path.parent.name) for label, path in class_files(tmp_path, names)[""][:3]] == [
        (0, "b"),
        (1, "c"),
        (2, "a"),
    ]


@pytest.mark.parametrize("text", ["a", "a=", "=subhalo", "a=wimp"])
def test_a_mapping_that_says_nothing_is_refused(text):
    with pytest.raises(ValueError, match="expected NAME=CLASS"):
        class_names(text)


def test_a_fourth_folder_is_not_dropped_in_silence(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "empty").mkdir()
    class_files(tmp_path)
    write_classes(tmp_path, ("wdm",))
    with pytest.raises(ValueError, match="wdm lies beside the classes' folders"):
        class_files(tmp_path)


def test_two_sets_are_asked_about(tmp_path):
    write_classes(tmp_path / "one")
    write_classes(tmp_path / "two")
    with pytest.raises(ValueError, match="two sets of classes"):
        class_files(tmp_path)
