"""Archives that climb out, lie about themselves or are damaged: zip and RAR."""

import stat
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rars

from srutils.fetch import archives
from srutils.fetch.archives import unpack

NOISE = np.random.default_rng(0).bytes(300_000)
GOOD = [("top/a.txt", b"one"), ("top/sub/b.txt", b"two"), ("top/empty", b"")]


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def zip_with_link(path, name, target):
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return path


def rar_of(path, members):
    path.write_bytes(rars.rar_of(*members))
    return path


@pytest.fixture(autouse=True)
def program(monkeypatch):
    """Stored members are read by rarfile itself: no program is needed here."""
    import rarfile

    monkeypatch.setattr(rarfile, "tool_setup", lambda force: None)


BOTH = pytest.mark.parametrize("make", [zip_of, rar_of])


@BOTH
def test_a_folder_appears_with_the_content_of_the_only_folder(tmp_path, make):
    archive = make(tmp_path / "archive", GOOD)
    assert unpack(archive, tmp_path / "out") == tmp_path / "out"
    assert names(tmp_path / "out") == ["a.txt", "empty", "sub"] and names(tmp_path) == ["archive", "out"]
    assert (tmp_path / "out/sub/b.txt").read_bytes() == b"two"


@BOTH
def test_what_macos_adds_is_left_out(tmp_path, make):
    unpack(
        make(tmp_path / "archive", [*GOOD, ("__MACOSX/top/._a.txt", b"x"), ("top/.DS_Store", b"")]),
        tmp_path / "out",
    )
    assert names(tmp_path / "out") == ["a.txt", "empty", "sub"]


@BOTH
@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "C:/evil", "a/b:stream", "a/..", ".."],
)
def test_names_that_climb_out_write_nothing(tmp_path, make, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = make(inner / "archive", [("good.txt", b"fine"), (name, b"bad")])
    with pytest.raises(ValueError, match="outside the folder"):
        unpack(archive, inner / "out")
    assert names(inner) == ["archive"] and names(tmp_path) == ["inner"]


@pytest.mark.parametrize("name", ["..\\evil", "C:\\evil", "\\\\server\\evil"])
def test_windows_names_in_a_zip_write_nothing(tmp_path, name):
    with pytest.raises(ValueError, match="outside the folder"):
        unpack(zip_of(tmp_path / "archive", [("good.txt", b"fine"), (name, b"bad")]), tmp_path / "out")
    assert names(tmp_path) == ["archive"]


def test_links_and_encrypted_members_are_refused(tmp_path):
    zip_with_link(tmp_path / "1", "link", "/etc")
    evil = [
        rars.member("link", b"/etc", mode=stat.S_IFLNK),
        rars.member("secret", b"x", flags=4),
    ]
    for i, block in enumerate(evil, start=2):
        (tmp_path / str(i)).write_bytes(rars.rar_of(("a", b"x"), block))
    for archive in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match="link, a device"):
            unpack(archive, tmp_path / "out")
    assert names(tmp_path) == ["1", "2", "3"]


def test_bombs_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    zip_of(tmp_path / "1", [("zeros", bytes(80 << 20))])
    (tmp_path / "2").write_bytes(rars.rar_of(rars.member("zeros", b"", size=80 << 20)))
    for name in "12":
        assert (tmp_path / name).stat().st_size < 1 << 20
        with pytest.raises(ValueError, match="would fill 83886080 bytes, at most 67108864"):
            unpack(tmp_path / name, tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ValueError, match="3 members"):
        unpack(zip_of(tmp_path / "3", GOOD), tmp_path / "out")
    assert names(tmp_path) == ["1", "2", "3"]


def test_a_zip_that_understates_its_size_is_refused(tmp_path):
    archive = zip_of(tmp_path / "a.zip", [("zeros", bytes(100_000))])
    data = archive.read_bytes()
    archive.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert names(tmp_path) == ["a.zip"]


@BOTH
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


def test_a_folder_that_is_not_what_it_should_be_does_not_appear(tmp_path):
    with pytest.raises(ValueError, match=r"cannot use a\.zip: it is blue"):
        unpack(zip_of(tmp_path / "a.zip", GOOD), tmp_path / "out", check=lambda folder: "it is blue")
    assert names(tmp_path) == ["a.zip"]


def test_what_is_there_is_not_overwritten(tmp_path):
    archive = zip_of(tmp_path / "a.zip", GOOD)
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")  # an empty folder is fine
    with pytest.raises(FileExistsError, match="not an empty folder"):
        unpack(archive, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"cannot unpack b\.zip"):
        unpack(tmp_path / "b.zip", tmp_path / "c")


def test_without_rarfile_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rarfile", None)
    with pytest.raises(OSError, match="needs the package rarfile: pip install rarfile, or unpack it by hand"):
        unpack(rar_of(tmp_path / "a.rar", GOOD), tmp_path / "out")
    assert names(tmp_path) == ["a.rar"]
