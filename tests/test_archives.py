"""Archives that climb out, lie about themselves or are damaged."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from srutils.fetch import archives
from srutils.fetch.archives import unpack

NOISE = np.random.default_rng(0).bytes(300_000)


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def zip_of(path, members, links=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
        for name, target in links:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return path


def tar_of(path, members, links=(), mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return path


GOOD = [("top/a.txt", b"one"), ("top/sub/b.txt", b"two"), ("top/empty", b"")]


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_archives_unpack_and_hoist(tmp_path, make):
    archive = make(tmp_path / "archive", GOOD)
    assert unpack(archive, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out/top/sub/b.txt").read_bytes() == b"two"
    unpack(archive, tmp_path / "hoisted", hoist=True)
    assert (tmp_path / "hoisted/a.txt").read_bytes() == b"one" and names(tmp_path / "hoisted") == [
        "a.txt",
        "empty",
        "sub",
    ]
    assert names(tmp_path) == ["archive", "hoisted", "out"]


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:xz"])
def test_other_tars(tmp_path, mode):
    unpack(tar_of(tmp_path / "archive", GOOD, mode=mode), tmp_path / "out")
    assert (tmp_path / "out/top/a.txt").read_bytes() == b"one"


EVIL = [
    "../evil",
    "a/../../evil",
    "/evil",
    "..\\evil",
    "C:\\evil",
    "C:/evil",
    "\\\\host\\evil",
    "a:stream",
    "..",
]


@pytest.mark.parametrize("make", [zip_of, tar_of])
@pytest.mark.parametrize("name", EVIL)
def test_names_that_climb_out_write_nothing(tmp_path, make, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = make(inner / "archive", [("good.txt", b"fine"), (name, b"bad")])
    with pytest.raises(ValueError, match="outside the folder"):
        unpack(archive, inner / "out")
    assert names(inner) == ["archive"] and names(tmp_path) == ["inner"]


def test_links_and_devices_are_refused(tmp_path):
    evil = [
        zip_of(tmp_path / "1", [("a", b"x")], [("link", "/etc")]),
        tar_of(tmp_path / "2", [("a", b"x")], [("link", "../..", tarfile.SYMTYPE)]),
        tar_of(tmp_path / "3", [("a", b"x")], [("link", "a", tarfile.LNKTYPE)]),
        tar_of(tmp_path / "4", [("a", b"x")], [("device", "", tarfile.CHRTYPE)]),
        tar_of(tmp_path / "5", [("a", b"x")], [("pipe", "", tarfile.FIFOTYPE)]),
    ]
    for archive in evil:
        with pytest.raises(ValueError, match="link, a device"):
            unpack(archive, tmp_path / "out")
    assert names(tmp_path) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_bombs_are_refused_before_anything_is_written(tmp_path, make, monkeypatch):
    archive = make(tmp_path / "bomb", [("zeros", bytes(80 << 20))])
    assert archive.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="would fill 83886080 bytes"):
        unpack(archive, tmp_path / "out")
    small = make(tmp_path / "small", [("zeros", bytes(2000))])
    with pytest.raises(ValueError, match="at most 1999 are allowed"):
        unpack(small, tmp_path / "out", max_bytes=1999)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ValueError, match="3 members"):
        unpack(make(tmp_path / "many", GOOD), tmp_path / "out")
    assert names(tmp_path) == ["bomb", "many", "small"]


def test_a_zip_that_understates_its_size_is_refused(tmp_path):
    archive = zip_of(tmp_path / "a.zip", [("zeros", bytes(100_000))])
    data = archive.read_bytes()
    archive.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert names(tmp_path) == ["a.zip"]


def tar_bz2(path, members):
    return tar_of(path, members, mode="w:bz2")


def tar_xz(path, members):
    return tar_of(path, members, mode="w:xz")


@pytest.mark.parametrize("make", [zip_of, tar_of, tar_bz2, tar_xz])
def test_damaged_archives_leave_nothing(tmp_path, make):
    """Cut, ten bytes changed, empty, and not an archive at all."""
    whole = make(tmp_path / "archive", [("noise", NOISE)]).read_bytes()
    spoilt = bytearray(whole)
    spoilt[5000:5010] = b"0123456789"
    for data in (whole[:200_000], bytes(spoilt), b"", b"text"):
        (tmp_path / "archive").write_bytes(data)
        with pytest.raises(ValueError, match="cannot unpack archive"):
            unpack(tmp_path / "archive", tmp_path / "out")
        assert names(tmp_path) == ["archive"]


def test_what_is_there_is_not_overwritten(tmp_path):
    archive = zip_of(tmp_path / "a.zip", GOOD)
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")  # an empty folder is fine
    with pytest.raises(FileExistsError, match="not an empty folder"):
        unpack(archive, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no such archive"):
        unpack(tmp_path / "b.zip", tmp_path / "c")
