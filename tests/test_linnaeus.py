"""RAR archives and Linnaeus 5.

No free program writes RAR, so the archives here are zip files behind RAR's first bytes, and the "unar",
"bsdtar" or "7z" that reads them is a script on PATH that does with them what the real one does. Tested is
which program is called and how, what is refused, and what is left behind; not a decoder.
"""

import dataclasses
import io
import os
import stat
import sys
import types
import zipfile

import numpy as np
import pytest
from PIL import Image

from srutils.fetch import rar
from srutils.fetch.archives import unpack
from srutils.fetch.dataset import fetch_dataset
from srutils.fetch.register import DATASETS, GROUPS, Dataset, Remote

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in programs are scripts that a shell starts")
CLASSES = ("berry", "bird", "dog", "flower", "other")

STAND_IN = """#!{python}
import io, os, sys, zipfile
name, archive = os.path.basename(sys.argv[0]), sys.argv[-1]
data = open(archive, "rb").read()
if data.startswith({signature!r}) and name != "broken":
    packed = zipfile.ZipFile(io.BytesIO(data[{skip}:]))
else:
    sys.exit("not an archive")
listing = name == "lsar" or sys.argv[1] in ("-tf", "lb", "l")
if not listing:
    for member in packed.namelist():
        if member == "link":
            os.symlink("/etc/passwd", "link")
        else:
            packed.extract(member, ".")
elif name == "lsar":
    print(archive + ": RAR", *packed.namelist(), sep="\\n")
else:
    print(*("Path = " + n if name.startswith("7z") else n for n in packed.namelist()), sep="\\n")
"""


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def rar_bytes(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return rar.SIGNATURE + b"\0" + packed.getvalue()


@pytest.fixture
def linnaeus():
    """The layout of Linnaeus 5 with two training pictures a class and one for testing."""
    return {
        f"Linnaeus 5 128X128/{part}/{name}/{i}_128.jpg": picture(10 * c + i)
        for part, numbers in (("train", (1, 2)), ("test", (3,)))
        for c, name in enumerate(CLASSES)
        for i in numbers
    }


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """An empty PATH, and a function that puts stand-ins on it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "libarchive", None)  # importing it fails, installed or not

    def put(*names):
        for name in names:
            path = folder / name
            skip = len(rar.SIGNATURE) + 1
            path.write_text(STAND_IN.format(python=sys.executable, signature=rar.SIGNATURE, skip=skip))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return put


@pytest.fixture
def registered(site, tmp_path, monkeypatch, linnaeus):
    """A small linnaeus5 on the local server, and empty SR_DATA and SR_CACHE."""
    for name in ("data", "cache"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
    site.files["/l5.rar"] = rar_bytes(linnaeus)
    remote = Remote(site.url("/l5.rar"), "l5.rar", limit=1 << 20)
    parts = {f"{part}/{name}": (n, None) for part, n in (("train", 2), ("test", 1)) for name in CLASSES}
    small = Dataset("linnaeus5", "small", "Linnaeus 5 128X128", "small", parts, (remote,), "terms")
    monkeypatch.setitem(DATASETS, "linnaeus5", small)
    return tmp_path


@posix
@pytest.mark.parametrize("names", [("bsdtar",), ("unrar",), ("unar", "lsar"), ("7z",), ("7zz",)])
def test_every_program_unpacks_the_same_tree(tmp_path, programs, linnaeus, names):
    programs(*names)
    (tmp_path / "l5.rar").write_bytes(rar_bytes(linnaeus))
    folder = unpack(tmp_path / "l5.rar", tmp_path / "out", hoist=True)
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jpg")}
    assert {f"Linnaeus 5 128X128/{name}": data for name, data in found.items()} == linnaeus
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l5.rar", "out", "programs"]


def test_the_python_package_is_used_where_it_is_installed(tmp_path, programs, monkeypatch, linnaeus):
    class Entry:
        def __init__(self, name, data, link):
            self.pathname, self.size, self.data = name, len(data), data
            self.isdir, self.isreg = name.endswith("/"), not name.endswith("/") and not link

        def get_blocks(self):
            yield self.data[:7]
            yield self.data[7:]

    class Reader(list):
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    links = set()
    members = {"Linnaeus 5 128X128/": b"", **linnaeus}
    package = types.SimpleNamespace(
        ArchiveError=RuntimeError,
        file_reader=lambda path: Reader(Entry(n, d, n in links) for n, d in members.items()),
    )
    monkeypatch.setitem(sys.modules, "libarchive", package)
    (tmp_path / "l5.rar").write_bytes(rar_bytes({}))
    folder = unpack(tmp_path / "l5.rar", tmp_path / "out", hoist=True)
    found = (folder / "train" / "dog" / "2_128.jpg").read_bytes()
    assert found == linnaeus["Linnaeus 5 128X128/train/dog/2_128.jpg"]
    links.add(next(iter(linnaeus)))
    with pytest.raises(ValueError, match="is a link"):
        unpack(tmp_path / "l5.rar", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_without_any_reader_the_message_says_what_to_install(tmp_path, programs):
    (tmp_path / "l5.rar").write_bytes(rar_bytes({"a.jpg": b"x"}))
    with pytest.raises(OSError, match="unar, unrar, 7-Zip or bsdtar .*by hand"):
        unpack(tmp_path / "l5.rar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@posix
@pytest.mark.parametrize("name", ["../evil.jpg", "a/../../evil.jpg", "/tmp/evil.jpg", "C:evil.jpg"])
def test_names_that_climb_out_are_refused_before_anything_is_written(tmp_path, programs, name):
    programs("bsdtar")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "l5.rar").write_bytes(rar_bytes({"good.jpg": b"x", name: b"x"}))
    with pytest.raises(ValueError, match="outside the folder"):
        unpack(tmp_path / "in" / "l5.rar", tmp_path / "in" / "out")
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["l5.rar"]


@posix
def test_links_bombs_and_damage_leave_nothing_behind(tmp_path, programs):
    programs("unrar")
    archive, out = tmp_path / "l5.rar", tmp_path / "out"
    archive.write_bytes(rar_bytes({"link": b"", "a.jpg": b"x"}))
    with pytest.raises(ValueError, match="link"):
        unpack(archive, out)
    archive.write_bytes(rar_bytes({"a.jpg": bytes(5000)}))
    with pytest.raises(ValueError, match="would fill 5000 bytes, at most 4999"):
        unpack(archive, out, max_bytes=4999)
    archive.write_bytes(rar.SIGNATURE + b"\0 not what it says")
    with pytest.raises(ValueError, match=r"cannot unpack l5\.rar: unrar says .*zip"):
        unpack(archive, out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l5.rar", "programs"]


@posix
def test_fetch_downloads_unpacks_and_removes_the_archive(registered, programs, site):
    programs("7z")
    folder = fetch_dataset("linnaeus5", progress=False, say=lambda text: None)
    assert folder == registered / "cache" / "Linnaeus 5 128X128"
    assert sorted(p.name for p in (folder / "train").iterdir()) == sorted(CLASSES)
    assert len(list(folder.glob("test/*/*.jpg"))) == 5 and not list(folder.parent.glob("*.rar"))
    fetch_dataset("linnaeus5", progress=False)
    assert len(site.asked) == 1  # the second time it was there


def test_fetch_says_before_the_download_that_nothing_reads_rar(registered, programs, site):
    with pytest.raises(OSError, match="RAR"):
        fetch_dataset("linnaeus5", progress=False)
    assert site.asked == []


@posix
def test_fetch_refuses_a_web_page_and_what_is_too_long(registered, programs, site):
    programs("bsdtar")
    site.files["/l5.rar"] = b"<html>moved</html>"
    with pytest.raises(ValueError, match="not a RAR archive"):
        fetch_dataset("linnaeus5", progress=False, say=lambda text: None)
    site.files["/l5.rar"] = rar.SIGNATURE + bytes(1 << 20)
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        fetch_dataset("linnaeus5", progress=False, say=lambda text: None)
    assert list((registered / "cache").iterdir()) == []


def test_a_folder_unpacked_by_hand_is_accepted(registered, programs, site, linnaeus):
    for name, data in linnaeus.items():
        path = registered / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert fetch_dataset("linnaeus5", progress=False) == registered / "data" / "Linnaeus 5 128X128"
    assert site.asked == []


def test_the_entry_names_what_is_known():
    entry = DATASETS["linnaeus5"]
    assert {(part.split("/")[1], n) for part, (n, _) in entry.parts.items() if "train" in part} == {
        (name, 1200) for name in CLASSES
    }
    assert sum(n for n, _ in entry.parts.values()) == 8000 and "chaladze.com" in entry.licence
    (remote,) = entry.files
    assert remote.url == f"http://chaladze.com/l5/img/{entry.folder.replace(' ', '%20')}.rar"
    assert remote.name == f"{entry.folder}.rar" and 64 << 20 < remote.limit < 1 << 30


def test_div2k_means_both_validation_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("SR_DATA", str(tmp_path))
    for name in GROUPS["div2k"]:
        folder = tmp_path / DATASETS[name].folder
        folder.mkdir(parents=True)
        monkeypatch.setitem(DATASETS, name, dataclasses.replace(DATASETS[name], parts={"": (1, None)}))
        (folder / "0801.png").write_bytes(b"")
    assert fetch_dataset("div2k") == tmp_path / "DIV2K"
