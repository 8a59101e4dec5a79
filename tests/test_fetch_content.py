"""`srutils fetch NAME`: poisoned archives, full disks, and what the user has downloaded by hand."""

import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shop import ALL, FOLDER, content, npy, stored, write, zipped

from srutils.fetch import download
from srutils.fetch.register import DATASETS


# ---------------------------------------------------------------- what is in the archive
@pytest.mark.parametrize(
    "evil", ["../evil.npy", "Dataset/../../evil.npy", "/tmp/evil-{}.npy", "..\\evil.npy"]
)
@pytest.mark.parametrize("name", ["deeplense-sr", "div2k-valid"])
def test_an_archive_that_climbs_out_writes_nothing(shop, refused, name, evil):
    evil = evil.format(os.getpid())
    data = zipped({**content(name), evil: b"evil"})
    shop.offer(name, data)
    assert "would be written outside the folder; the archive was discarded" in refused(name)
    assert shop.tree() == ["cache", "data"] and not Path(evil).exists()
    (shop.root / "own").write_bytes(data)
    shop.offer(name, data)
    assert "would be written outside the folder" in refused(name, "--from", shop.root / "own")
    assert shop.tree() == ["cache", "data", "own"] and not Path(evil).exists()


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)  # in the working folder, which `shop` makes the test's own


@pytest.mark.parametrize(
    ("put", "message"),
    [
        ({"Dataset/HR/sample2.npy": npy(np.zeros((1, 150, 149)))}, "HR/sample2.npy holds float64"),
        ({"Dataset/LR/sample1.npy": npy(np.zeros((1, 75, 75), "U1"))}, "expected real numbers of shape"),
        ({"Dataset/LR/sample1.npy": npy(np.zeros((1, 75, 75)))[:-1]}, "LR/sample1.npy is not a readable"),
        ({"Dataset/LR/sample1.npy": b""}, "LR/sample1.npy is not a readable"),
        ({"Dataset/HR/sample1.npy": npy(np.array([[Bomb()]], object))}, "HR/sample1.npy is not a readable"),
        ({"Dataset/HR/sample1.npy": None}, "HR holds 2 files of 3"),
        ({f"Dataset/LR/sample{i}.npy": None for i in (1, 2, 3)}, "there is no folder HR"),
    ],
)
def test_an_archive_with_the_wrong_content_is_never_used(shop, refused, put, message):
    files = {k: v for k, v in {**content("deeplense-sr"), **put}.items() if v is not None}
    shop.offer("deeplense-sr", zipped(files))
    said = refused("deeplense-sr")
    assert message in said and "discarded" in said and shop.tree() == ["cache", "data"]


# ---------------------------------------------------------------- the disk
def test_a_disk_that_is_too_small_is_noticed_before_anything_is_written(shop, refused, fetch, monkeypatch):
    files, free = content("deeplense-sr"), [1000]
    files |= {path: npy(np.zeros((1, 150, 150))) for path in files if "HR" in path}  # zeros pack well
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: SimpleNamespace(free=free[0]))
    data = shop.offer("deeplense-sr", zipped(files, zipfile.ZIP_DEFLATED))
    assert f"{len(data):,} bytes are needed" in refused("deeplense-sr") and shop.tree() == ["cache", "data"]
    free[0] = len(data)  # enough for the archive, not for what is in it
    message = refused("deeplense-sr")
    assert "its disk has" in message and "the archive is kept" in message
    free[0], asked = 1 << 40, len(shop.site.asked)
    assert fetch("deeplense-sr")[0] == 0 and len(shop.site.asked) == asked


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ALL)
def test_a_disk_that_fills_up(shop, refused, name):
    shop.offer(name)
    place = (shop.root / "cache" / DATASETS[name].folder).parent / "archive.zip.download01234567.part"
    place.parent.mkdir(exist_ok=True)
    place.symlink_to("/dev/full")
    assert "No space left on device" in refused(name)


def test_a_folder_that_cannot_be_made(shop, refused):
    shop.offer("deeplense-sr")
    (shop.root / "file").write_bytes(b"")
    message = refused("deeplense-sr", "--out", shop.root / "file" / "sub")
    assert "cannot write" in message and shop.site.asked == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(shop, refused):
    shop.offer("deeplense-sr")
    (shop.root / "locked").mkdir(mode=0o555)
    assert "Permission denied" in refused("deeplense-sr", "--out", shop.root / "locked")
    assert shop.site.asked == []


# ---------------------------------------------------------------- downloaded by hand
@pytest.mark.parametrize("name", ALL)
def test_from_an_archive_of_your_own(shop, fetch, refused, name):
    data = shop.offer(name)
    own = shop.root / "Download (1).zip"
    own.write_bytes(data)
    status, out, _ = fetch(name, "--from", own)
    want, got = stored(name, shop.root / "cache" / DATASETS[name].folder)
    assert status == 0 and DATASETS[name].licence in out and got == want
    assert shop.site.asked == [] and own.read_bytes() == data
    own.write_bytes(data[:-100])
    message = refused(name, "--from", own, "--out", shop.root / "other")
    assert "expected" in message if name.startswith("div2k") else "Download (1).zip" in message
    assert own.exists() and not (shop.root / "other" / DATASETS[name].folder).exists()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("inner", ["", "unpacked"])
def test_from_a_folder_of_your_own(shop, fetch, refused, name, inner):
    shop.offer(name)
    write(shop.root / "own" / inner, content(name))
    status, out, _ = fetch(name, "--from", shop.root / "own")
    assert status == 0 and shop.site.asked == []
    assert "It is checked by its content" in out and "SHA-256" not in out  # a folder has no hash
    want, got = stored(name, shop.root / "cache" / DATASETS[name].folder)
    assert got == want
    next((shop.root / "own").rglob("*.npy")).unlink()
    message = refused(name, "--from", shop.root / "own", "--out", shop.root / "other")
    assert "does not hold" in message and not (shop.root / "other").exists()


def test_from_is_not_ignored_when_the_data_are_there(shop, fetch, refused):
    shop.offer("div2k-valid")
    write(shop.root / "own", content("div2k-valid"))
    place = shop.root / "d/DIV2K/DIV2K_valid_HR"
    for said in ("checked by its content", f"div2k-valid is there already: nothing was taken from {place}"):
        source = shop.root / "own" if not place.exists() else place
        status, out, _ = fetch("div2k-valid", "--from", source, "--out", shop.root / "d")
        assert status == 0 and said in out and out.splitlines()[-1] == str(place)
    message = refused("div2k-valid", "--from", shop.root / "nothing", "--out", shop.root / "d")
    assert message == f"srutils: there is no file or folder {shop.root / 'nothing'}"


def test_what_from_refuses(shop, refused, monkeypatch):
    shop.offer("deeplense-sr")
    (shop.root / "text.zip").write_bytes(b"text")
    for arguments, message in (
        (("deeplense-sr", "--from", shop.root / "nothing"), "there is no file or folder"),
        (("deeplense-sr", "--from", shop.root / "text.zip"), "neither a whole zip archive"),
        (("set5", "--from", shop.root / "text.zip"), "a folder, with 5 files in it"),
        (("div2k", "--from", shop.root / "text.zip"), "name the one: div2k-valid, div2k-valid-x4"),
        (("--from", shop.root / "text.zip"), "name the one"),
    ):
        assert message in refused(*arguments)
    assert shop.tree() == ["cache", "data", "text.zip"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("deeplense-sr", "deeplense"),
        ("deeplense-sr", "deeplense/Dataset"),
        ("deeplense-sr", "lensing/deeplense"),
        ("deeplense-sr", "Dataset"),
        ("deeplense-classes", "deeplense_cls"),
        ("deeplense-classes", "dataset"),
        ("div2k-valid", "DIV2K/DIV2K_valid_HR"),
    ],
)
def test_a_folder_under_sr_data_is_accepted_as_it_is(shop, fetch, refused, name, place):
    shop.offer(name)
    files = {path.removeprefix(FOLDER[name]): data for path, data in content(name).items()}
    write(shop.root / "data" / place, files)
    before = shop.tree()
    assert fetch(name) == (0, f"{shop.root / 'data' / place.removesuffix('/Dataset')}\n", "")
    assert shop.tree() == before and shop.site.asked == []


def test_an_incomplete_folder_is_left_to_its_owner(shop, refused):
    shop.offer("deeplense-sr")
    for place in ("data", "cache"):
        write(shop.root / place / "deeplense", {"HR/sample1.npy": npy(np.zeros((1, 150, 150)))})
        before = shop.tree()
        assert "HR holds 1 files of 3; complete or remove it" in refused("deeplense-sr")
        assert shop.tree() == before and shop.site.asked == []
        (shop.root / place / "deeplense" / "HR/sample1.npy").unlink()
        (shop.root / place / "deeplense" / "HR").rmdir()
        (shop.root / place / "deeplense").rmdir()
