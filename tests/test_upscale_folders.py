"""Enlarging folders: every image once, nothing overwritten, and what is left out is said."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import write_picture
from PIL import Image
from tiny_models import random_model
from upscaling import levels, names, run

from srutils.files.decode import read_picture
from srutils.files.picture import Picture
from srutils.upscale import choice, files
from srutils.upscale.files import upscale_folder
from srutils.upscale.upscaler import Upscaler

RNG = np.random.default_rng(7)


@pytest.fixture
def album(tmp_path):
    """Nested folders: two good pictures, an array, a broken file, and a hidden one."""
    folder = tmp_path / "album"
    (folder / "one" / "two").mkdir(parents=True)
    (folder / "bad").mkdir()
    write_picture(folder / "a.png", Picture(levels(4, 5)))
    write_picture(folder / "one" / "two" / "b.JPG", Picture(levels(5, 4)))
    np.save(folder / "one" / "c.npy", RNG.normal(size=(3, 4)))
    (folder / "bad" / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n, then nothing")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_a_folder_with_one_broken_file_gives_the_others_and_status_2(album, tmp_path, capsys):
    out_folder = tmp_path / "large"
    status, out, err = run(capsys, album, out_folder, "--model", "nearest", "--scale", 2)
    assert status == 2 and out == f"3 done, 0 skipped, 1 failed, in {out_folder}\n"
    assert err.count("\n") == 1 and str(album / "bad" / "d.png") in err and err.startswith("srutils: cannot")
    assert names(out_folder) == ["a.png", "one/c.npy", "one/two/b.JPG"]
    assert not (out_folder / "bad").exists()  # no empty folder of what failed
    np.testing.assert_array_equal(
        read_picture(out_folder / "a.png").pixels,
        read_picture(album / "a.png").pixels.repeat(2, 0).repeat(2, 1),
    )


def test_a_folder_again(album, tmp_path, capsys):
    (album / "bad" / "d.png").unlink()
    command = (album, tmp_path / "large", "--model", "nearest", "--scale", 2)
    assert run(capsys, *command)[0] == 0
    first = (tmp_path / "large" / "a.png").stat().st_mtime_ns
    status, out, err = run(capsys, *command)
    assert status == 2 and out.startswith("0 done, 0 skipped, 3 failed") and err.count("--overwrite") == 3
    (tmp_path / "large" / "one" / "c.npy").unlink()
    status, out, err = run(capsys, *command, "--skip-existing")
    assert (status, err) == (0, "") and out.startswith("1 done, 2 skipped, 0 failed")
    assert (tmp_path / "large" / "a.png").stat().st_mtime_ns == first
    status, out, err = run(capsys, *command, "--overwrite")
    assert (status, err) == (0, "") and out.startswith("3 done, 0 skipped, 0 failed")
    assert (tmp_path / "large" / "a.png").stat().st_mtime_ns > first


def test_a_folder_whose_results_lie_in_it(album, capsys):
    (album / "bad" / "d.png").unlink()
    for _ in range(2):  # what was made is not made larger again
        status, out, _ = run(capsys, album, album / "x2", "--model", "nearest", "--scale", 2, "--overwrite")
        assert status == 0 and out.startswith("3 done")
    status, _, err = run(capsys, album, album, "--model", "nearest", "--scale", 2)
    assert status == 2 and "is the folder to enlarge; expected another one" in err


def test_two_files_that_would_become_one_are_refused(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.fits", "a.fits.fz"):
        (tmp_path / "in" / name).write_bytes(b"")
    status, _, err = run(capsys, tmp_path / "in", tmp_path / "out", "--overwrite")
    assert status == 2 and "would both become" in err and not (tmp_path / "out").exists()


def test_folders_that_cannot_be(album, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ((tmp_path / "empty", tmp_path / "large"), "no image in"),
        ((tmp_path / "missing", tmp_path / "large"), "no such file"),
        ((album, album / "a.png"), "is a file"),
        ((album, tmp_path / "large", "--model", "bicubik"), "no upscaler called 'bicubik'"),
        ((album, tmp_path / "large", "--engine", "tpu"), "no engine called 'tpu'"),
    ):
        status, out, err = run(capsys, *arguments)
        assert status == 2 and out == "" and words in err and err.count("\n") == 1
    assert not (tmp_path / "large").exists()


def test_notes_come_before_the_work_and_once_for_a_folder(album, tmp_path, monkeypatch, capsys):
    (album / "bad" / "d.png").unlink()
    shown, first = [], tmp_path / "x2" / "a.png"
    monkeypatch.setattr("tqdm.tqdm.write", lambda text, file: shown.append((text, first.exists())))
    assert run(capsys, album, tmp_path / "x2", "--scale", 2)[0] == 0
    assert len(shown) == 2 and not shown[0][1]  # for pictures, and for the array; before the first result
    assert "for pictures" in shown[0][0] and "for measurements" in shown[1][0]
    monkeypatch.setattr(choice, "MAX_OUTPUT", 10)
    status, _, err = run(capsys, album / "a.png", tmp_path / "b.png")
    assert status == 2 and err.count("\n") == 1 and "the result would have" in err


def test_a_folder_that_cannot_be_written_is_said_once(album, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, how: Path(path) != tmp_path)
    status, out, err = run(capsys, album, tmp_path / "new" / "large", "--model", "nearest", "--scale", 2)
    assert (status, out) == (2, "") and err == f"srutils: cannot write into {tmp_path}: permission denied\n"


def test_each_model_is_opened_once_for_a_folder(album, tmp_path, monkeypatch):
    model, opened, load = str(random_model(tmp_path)), [], Upscaler.load
    monkeypatch.setattr(Upscaler, "load", lambda *a: opened.append(a) or load(*a))
    result = upscale_folder(album, tmp_path / "large", model)
    assert len(result["done"]) == 3 and len(opened) == 1


def test_a_real_process_on_a_folder(album, tmp_path):
    shutil.rmtree(album / "bad")
    command = [sys.executable, "-m", "srutils", "upscale", album, tmp_path / "large", "--scale", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("3 done, 0 skipped, 0 failed")
    assert all(line.startswith("srutils: ") for line in done.stderr.splitlines()), done.stderr
    assert Image.open(tmp_path / "large" / "a.png").size == (10, 8)


# ---------------------------------------------------------------- where the results go
def small(folder, *files):
    """Write a picture of 5 x 4 pixels under each name."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels(4, 5)).save(folder / file)


def nearest(capsys, source, target, *more):
    return run(capsys, source, target, "--model", "nearest", "--scale", 2, *more)


def test_a_target_above_the_source(tmp_path, capsys):
    small(tmp_path, "photos/small/a.png", "photos/small/deep/b.png", "photos/mine.png")
    for more in ((), ("--overwrite",)):
        status, out, err = nearest(capsys, tmp_path / "photos" / "small", tmp_path / "photos", *more)
        assert (status, err) == (0, "") and out.startswith("2 done, 0 skipped, 0 failed")
    assert Image.open(tmp_path / "photos" / "a.png").size == (10, 8)
    assert Image.open(tmp_path / "photos" / "deep" / "b.png").size == (10, 8)
    assert Image.open(tmp_path / "photos" / "small" / "a.png").size == (5, 4)
    assert Image.open(tmp_path / "photos" / "mine.png").size == (5, 4)


def test_a_result_among_what_is_to_be_enlarged_is_refused(tmp_path, capsys):
    small(tmp_path, "photos/small/a.png", "photos/small/small/a.png")
    status, out, err = nearest(capsys, tmp_path / "photos" / "small", tmp_path / "photos", "--overwrite")
    assert (status, out) == (2, "") and "among what is to be enlarged" in err and err.count("\n") == 1
    assert names(tmp_path) == ["photos/small/a.png", "photos/small/small/a.png"]


def test_equal_stems_are_two_pictures(tmp_path, capsys):
    small(tmp_path, "in/a.png", "in/a.jpg")
    status, _, _ = nearest(capsys, tmp_path / "in", tmp_path / "out")
    assert status == 0 and names(tmp_path / "out") == ["a.jpg", "a.png"]


def test_an_uncertainty_that_two_pictures_would_share_is_refused_before_the_work(tmp_path, capsys):
    small(tmp_path, "in/0.png", "in/a.png", "in/a.jpg")
    model = random_model(tmp_path)
    for more in ((), ("--overwrite",)):
        command = (tmp_path / "in", tmp_path / "out", "--model", model, "--ensemble", *more)
        status, out, err = run(capsys, *command)
        assert (status, out) == (2, "") and err.count("\n") == 1 and not (tmp_path / "out").exists()
        assert "a.jpg and" in err and "would both write" in err and "a_uncertainty.tif" in err


@pytest.mark.parametrize("how", ["--overwrite", "--skip-existing"])
def test_names_on_a_disk_that_ignores_case(tmp_path, monkeypatch, capsys, how):
    small(tmp_path, "in/A.png", "in/a.png", "in/b.png")
    lower = files.folder_jobs

    def ignoring_case(*arguments):  # this disk tells them apart, so the target's names are made equal
        return [(path, made.with_name(made.name.lower())) for path, made in lower(*arguments)]

    monkeypatch.setattr(files, "folder_jobs", ignoring_case)
    status, out, err = nearest(capsys, tmp_path / "in", tmp_path / "out", how)
    assert status == 2 and out.startswith("2 done, 0 skipped, 1 failed") and err.count("\n") == 1
    assert f"{tmp_path / 'out' / 'a.png'} is already the result of {tmp_path / 'in' / 'A.png'}" in err
    expected = np.asarray(Image.open(tmp_path / "in" / "A.png")).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), expected)


# ---------------------------------------------------------------- what is left out
@pytest.mark.skipif(os.name == "nt", reason="links need rights that not every user of Windows has")
def test_what_is_left_out_is_said(tmp_path, capsys):
    small(tmp_path, "in/a.png", "in/x.gif", "in/.thumbnails/t.png", "elsewhere/b.png")
    (tmp_path / "in" / "notes.txt").write_text("words", encoding="utf-8")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    status, out, err = nearest(capsys, tmp_path / "in", tmp_path / "out")
    assert status == 0 and out.startswith("2 done, 0 skipped, 0 failed")
    said = "gone.png, linked (a link), notes.txt, x.gif"
    assert err == f"srutils: left out of {tmp_path / 'in'}: {said}\n"
    assert names(tmp_path / "out") == ["a.png", "b.png"]


def test_many_files_left_out_are_counted(tmp_path, capsys):
    small(tmp_path, "in/a.png")
    for i in range(30):
        (tmp_path / "in" / f"{i:02}.txt").touch()
    _, _, err = nearest(capsys, tmp_path / "in", tmp_path / "out")
    assert err.endswith("07.txt and 22 more\n") and err.count("\n") == 1


def test_a_folder_that_cannot_be_listed_is_a_failure(tmp_path, monkeypatch, capsys):
    small(tmp_path, "in/a.png", "in/secret/b.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    status, out, err = nearest(capsys, tmp_path / "in", tmp_path / "out")
    assert status == 2 and out.startswith("1 done, 0 skipped, 1 failed")
    assert err == f"srutils: cannot list {tmp_path / 'in' / 'secret'}: permission denied\n"
