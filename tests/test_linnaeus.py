"""Linnaeus 5, which comes as a RAR archive, and the program that has to unpack it.

The archives are real, but what they hold is stored or only called packed, for no free program packs. So the
"unrar" that rarfile starts here is a script on PATH that is called as the real one and copies what it is
asked for. Tested is how it is called and what is left behind, not a decoder.
"""

import dataclasses
import io
import os
import stat
import sys

import numpy as np
import pytest
import rars
from PIL import Image

from srutils.fetch.archives import unpack
from srutils.fetch.checks import Dataset, Remote
from srutils.fetch.dataset import fetch_dataset
from srutils.fetch.register import DATASETS, GROUPS

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in program is a script that a shell starts")
CLASSES = ("berry", "bird", "dog", "flower", "other")
FOLDER = "Linnaeus 5 128X128"
UNRAR = """#!{python}
import sys
sys.path.insert(0, {packages!r})
import rarfile
if sys.argv[1] == "p":
    archive, *names = [word for word in sys.argv[2:] if not word.startswith("-")]
    data = open(archive, "rb").read()
    for member in rarfile.RarFile(archive).infolist():
        if not names or member.filename in names:
            start = member.data_offset
            sys.stdout.buffer.write(data[start : start + member.file_size])
"""


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def linnaeus():
    """The layout of Linnaeus 5 with two training pictures a class and one for testing."""
    return {
        f"{FOLDER}/{part}/{name}/{i}_128.jpg": picture(10 * c + i)
        for part, numbers in (("train", (1, 2)), ("test", (3,)))
        for c, name in enumerate(CLASSES)
        for i in numbers
    }


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """An empty PATH, and a function that puts unrar's stand-in on it."""
    import rarfile

    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put():
        path = folder / "unrar"
        packages = os.path.dirname(rarfile.__file__)
        path.write_text(UNRAR.format(python=sys.executable, packages=packages), encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return put


@pytest.fixture
def registered(site, tmp_path, monkeypatch, linnaeus):
    """A small linnaeus5 on the local server, and empty SR_DATA and SR_CACHE."""
    for name in ("data", "cache"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
    site.files["/l5.rar"] = rars.rar_of(*linnaeus.items())
    remote = Remote(site.url("/l5.rar"), "l5.rar", limit=1 << 20)
    parts = {f"{part}/{name}": (n, None) for part, n in (("train", 2), ("test", 1)) for name in CLASSES}
    small = Dataset("linnaeus5", "small", FOLDER, "small", parts, (remote,), "terms")
    monkeypatch.setitem(DATASETS, "linnaeus5", small)
    return tmp_path


@posix
@pytest.mark.parametrize("method", [rars.STORED, rars.PACKED], ids=["stored", "packed"])
def test_every_file_is_unpacked(tmp_path, programs, linnaeus, method):
    programs()
    (tmp_path / "l5.rar").write_bytes(rars.rar_of(*linnaeus.items(), method=method))
    folder = unpack(tmp_path / "l5.rar", tmp_path / "out")
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jpg")}
    assert {f"{FOLDER}/{name}": data for name, data in found.items()} == linnaeus
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l5.rar", "out", "programs"]


def test_without_a_program_the_message_says_what_to_install(tmp_path, programs):
    (tmp_path / "l5.rar").write_bytes(rars.rar_of(("a.jpg", b"x")))
    with pytest.raises(OSError, match="install unrar, unar, 7-Zip or bsdtar, or unpack it by hand"):
        unpack(tmp_path / "l5.rar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@posix
def test_fetch_downloads_unpacks_and_removes_the_archive(registered, programs, site):
    programs()
    folder = fetch_dataset("linnaeus5", progress=False, say=lambda text: None)
    assert folder == registered / "cache" / FOLDER
    assert sorted(p.name for p in (folder / "train").iterdir()) == sorted(CLASSES)
    assert len(list(folder.glob("test/*/*.jpg"))) == 5 and not list(folder.parent.glob("*.rar*"))
    fetch_dataset("linnaeus5", progress=False)
    assert len(site.asked) == 1  # the second time it was there


def test_fetch_says_before_the_download_that_nothing_reads_rar(registered, programs, site):
    with pytest.raises(OSError, match="a RAR archive needs a program"):
        fetch_dataset("linnaeus5", progress=False)
    assert site.asked == []


@posix
def test_fetch_refuses_a_web_page_and_what_is_too_long(registered, programs, site):
    programs()
    site.files["/l5.rar"] = b"<html>moved</html>"
    with pytest.raises(ValueError, match="neither a whole zip archive nor a RAR"):
        fetch_dataset("linnaeus5", progress=False, say=lambda text: None)
    site.files["/l5.rar"] = rars.SIGNATURE + bytes(1 << 20)
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        fetch_dataset("linnaeus5", progress=False, say=lambda text: None)
    assert list((registered / "cache").iterdir()) == []


def test_a_folder_unpacked_by_hand_is_accepted(registered, programs, site, linnaeus):
    for name, data in linnaeus.items():
        path = registered / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert fetch_dataset("linnaeus5", progress=False) == registered / "data" / FOLDER
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
