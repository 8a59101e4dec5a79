"""`srutils fetch NAME`, the whole command, against a web server that breaks off and lies."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from shop import ALL, DRIVE_PAGE, content, npy, stored, write, zipped

from srutils.fetch.register import DATASETS

QUOTA_PAGE = """<html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please try
accessing it later.</p></body></html>""".replace("\n", " ")


# ---------------------------------------------------------------- all goes well
@pytest.mark.parametrize("name", ALL)
def test_the_command_shows_the_licence_and_a_bar_and_leaves_a_whole_folder(shop, fetch, name):
    shop.offer(name)
    status, out, err = fetch(name)
    folder = shop.root / "cache" / DATASETS[name].folder
    assert status == 0 and out.splitlines()[-1] == str(folder)
    assert DATASETS[name].licence in out and "100%" in err and "unpacking" in err
    assert ("No hash of it is published" in out) == name.startswith("deeplense")
    assert ("SHA-256" in out) == name.startswith("div2k")
    want, got = stored(name, folder)
    assert got == want and len(shop.tree()) == len(want) + 1  # and the empty data/: no archive, no part
    asked = len(shop.site.asked)
    assert fetch(name) == (0, f"{folder}\n", "") and len(shop.site.asked) == asked


def test_out_makes_a_folder_that_sr_data_finds(shop, fetch, monkeypatch):
    from srutils.lensing import folders

    shop.offer("deeplense-sr")
    assert fetch("deeplense-sr", "--out", shop.root / "mine")[0] == 0
    monkeypatch.setenv("SR_DATA", str(shop.root / "mine"))
    assert folders.find_deeplense() == shop.root / "mine/deeplense"


def test_without_a_name_it_lists_name_size_licence_and_place(fetch, shop):
    status, out, err = fetch()
    assert status == 0 and err == "" and shop.site.asked == []
    entries = out.split("\nset5")[-1]
    for data in DATASETS.values():
        entry = out[out.index(f"{data.name}  (") :].split("goes to ")
        assert data.size in entry[0] and data.licence in entry[0]
        assert entry[1].startswith(str(shop.root / "cache" / data.folder) + "\n")
    assert "div2k  (both div2k-valid and div2k-valid-x4)" in entries
    assert str(shop.root / "mine" / "Set5") in fetch("--out", shop.root / "mine")[1]


def test_the_list_says_what_is_there_already_and_where(fetch, shop):
    shop.offer("div2k-valid")
    shop.offer("deeplense-sr")
    hr, half = shop.root / "data/DIV2K/DIV2K_valid_HR", shop.root / "cache/deeplense"
    write(hr, {"1.png": b"1", "2.png": b"2"})
    write(half, {"HR/sample1.npy": b"1"})
    out = fetch()[1]
    assert f"    found in {hr}\n" in out and f"    not whole in {half}: HR holds 1 files of 3\n" in out
    assert f"goes to {shop.root / 'cache/Set5'}\n" in out
    assert f"SR_DATA ({shop.root / 'data'})" in out and f"cache ({shop.root / 'cache'})" in out
    out = fetch("--out", shop.root / "mine")[1]
    assert out.count("goes to ") == len(DATASETS) and "SR_DATA" not in out


def test_what_macos_adds_to_an_archive_is_left_out(shop, fetch):
    files = content("deeplense-sr")
    junk = {f"__MACOSX/{Path(n).parent}/._{Path(n).name}": b"\0\5\x16\7" for n in files}
    shop.offer("deeplense-sr", zipped({**files, **junk, "Dataset/.DS_Store": b"x"}))
    assert fetch("deeplense-sr")[0] == 0
    want, got = stored("deeplense-sr", shop.root / "cache/deeplense")
    assert got == want


# ---------------------------------------------------------------- the line breaks, the server lies
KEPT = 512 << 10  # what gdown writes at once
BROKEN = {"stop": KEPT + 1000}


@pytest.mark.parametrize("name", ALL)
def test_a_line_that_breaks_is_resumed(shop, fetch, name):
    shop.offer(name)
    shop.spoil(name, BROKEN)
    status, _, err = fetch(name)
    assert status == 0 and shop.ranges == [f"bytes={KEPT}-"] and err.count("100%") >= 1


@pytest.mark.parametrize("name", ALL)
def test_a_line_that_stays_broken_leaves_the_part_for_the_next_command(shop, fetch, refused, name):
    data = shop.offer(name)
    shop.spoil(name, BROKEN, *[{"stop": 0}] * 4)
    folder = shop.root / "cache" / DATASETS[name].folder
    assert f"{KEPT} bytes are kept" in refused(name) and not folder.exists()
    assert fetch(name)[0] == 0 and shop.ranges[-1] == f"bytes={KEPT}-"
    assert shop.site.sent[-1] == len(data) - KEPT


@pytest.mark.parametrize("name", ALL)
def test_a_server_that_ignores_range_costs_time_only(shop, fetch, name):
    data = shop.offer(name)
    shop.spoil(name, BROKEN, {"ignore_range": True})
    assert fetch(name)[0] == 0 and shop.site.sent[-1] == len(data)


def test_a_length_that_is_too_large(shop, fetch, refused):
    data = shop.offer("div2k-valid")
    shop.spoil("div2k-valid", {"length": len(data) + 500})
    assert f"expected {len(data)} bytes, the server offers {len(data) + 500}" in refused("div2k-valid")
    shop.offer("deeplense-sr")
    shop.spoil("deeplense-sr", {"length": len(data) + 500})
    assert fetch("deeplense-sr")[0] == 0


def test_a_length_that_is_too_small(shop, fetch, refused):
    data = shop.offer("div2k-valid")
    shop.spoil("div2k-valid", {"length": 1000})
    assert f"expected {len(data)} bytes, the server offers 1000" in refused("div2k-valid")
    shop.offer("deeplense-sr")
    shop.spoil("deeplense-sr", {"length": 1000})
    assert "neither a whole zip archive nor a RAR archive; it was discarded" in refused("deeplense-sr")
    assert shop.tree() == ["cache", "data"]
    assert fetch("deeplense-sr")[0] == 0


@pytest.mark.parametrize("name", ALL)
def test_a_truncated_file_is_never_used(shop, refused, name):
    data = shop.offer(name)
    shop.spoil(name, {"body": data[:-1000]})
    message = refused(name)  # of Drive's files no length is on record: the content has to tell
    assert ("neither a whole zip archive" if "deep" in name else "the server offers") in message
    assert "discarded" in message and shop.tree() == ["cache", "data"]


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_file_is_never_used(shop, refused, name):
    data = bytearray(shop.offer(name))
    data[len(data) // 2] ^= 1
    shop.spoil(name, {"body": bytes(data)})
    message = refused(name)
    assert "expected sha256" in message if name.startswith("div2k") else "damaged" in message
    assert "discarded" in message and shop.tree() == ["cache", "data"]


def test_a_web_page_instead_of_the_file(shop, refused, fetch):
    shop.offer("div2k-valid")
    shop.site.spoil = [{"page": "<html>please log in</html>"}]
    assert "is not the expected file: expected" in refused("div2k-valid") and shop.tree() == ["cache", "data"]
    assert fetch("div2k-valid")[0] == 0


def test_a_quota_of_google_drive_says_what_to_do_and_keeps_the_part(shop, refused, fetch):
    shop.offer("deeplense-sr")
    shop.site.spoil = [{}, BROKEN, {"page": QUOTA_PAGE}]
    message = refused("deeplense-sr")
    assert "Too many users have viewed or downloaded this file recently" in message
    assert "try again in a day" in message and "srutils fetch deeplense-sr --from FILE" in message
    assert fetch("deeplense-sr")[0] == 0 and shop.ranges[-1] == f"bytes={KEPT}-"


@pytest.mark.parametrize("page", ["", "<html></html>", '<form id="download-form"></form>', "<p>\0", "{"])
def test_a_page_that_nobody_knows(shop, refused, page):
    shop.offer("deeplense-sr")
    shop.site.pages["/uc"] = page
    assert "Google Drive does not hand out the file now" in refused("deeplense-sr")
    assert shop.tree() == ["cache", "data"]


def test_a_page_that_points_into_this_machine(shop, refused):
    shop.offer("deeplense-sr")
    shop.site.pages["/uc"] = DRIVE_PAGE.format(address="file:///etc/hostname")
    assert "No connection adapters were found for 'file:///etc/hostname" in refused("deeplense-sr")


def test_google_drive_may_hand_out_the_file_without_a_page(shop, fetch):
    data = shop.offer("deeplense-sr")
    del shop.site.pages["/uc"]
    shop.site.files["/uc"] = data
    assert fetch("deeplense-sr")[0] == 0


@pytest.mark.parametrize("name", ALL)
def test_no_gdown(shop, refused, monkeypatch, name):
    shop.offer(name)
    monkeypatch.setitem(sys.modules, "gdown", None)
    assert "pip install 'gdown>=6.5'" in refused(name) and shop.site.asked == []


def test_no_file_and_no_server(shop, refused):
    shop.offer("div2k-valid")
    shop.spoil("div2k-valid", {"status": 404})
    assert "HTTP 404" in refused("div2k-valid") and shop.tree() == ["cache", "data"]
    shop.site.close()
    assert "in 5 attempts" in refused("div2k-valid") and shop.tree() == ["cache", "data"]


@pytest.mark.parametrize(("name", "kind"), [("set5", "FOLDER"), ("div2k-valid", "FILE")])
def test_without_a_network_the_sentence_names_the_way_out(shop, refused, monkeypatch, name, kind):
    def nowhere(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    message = refused(name)
    assert "cannot be looked up: Name or service not known" in message and "attempts" not in message
    assert f"srutils fetch {name} --from {kind} (see data/README.md)" in message
    assert shop.tree() == ["cache", "data"]


# ---------------------------------------------------------------- interrupted
CHILD = """
import dataclasses, sys
from srutils import cli
from srutils.fetch.register import DATASETS, Remote
url, size, sha256 = sys.argv[1:]
remote = Remote(url, "archive.zip", int(size), sha256)
DATASETS["div2k-valid"] = dataclasses.replace(DATASETS["div2k-valid"], parts={"": (2, None)}, files=(remote,))
cli.main(["fetch", "div2k-valid"])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_an_interrupted_command_is_resumed_by_the_next(shop, name):
    number = getattr(signal, name)  # Windows has no SIGKILL, and it collects this file, too
    noise = np.random.default_rng(0).random((400, 400))
    data = shop.offer("div2k-valid", zipped({"0.npy": b"0", "1.npy": npy(noise)}))
    stop = 2 * KEPT
    arguments = [shop.site.url("/archive.zip"), str(len(data)), hashlib.sha256(data).hexdigest()]
    command = [sys.executable, "-c", CHILD, *arguments]
    shop.site.spoil, released = [{"stop": stop}], threading.Event()
    shop.site.spoil[0]["stall"] = released

    def kept():
        parts = list((shop.root / "cache/DIV2K").glob("archive.zip.download*.part"))
        return parts[0].stat().st_size if parts else 0

    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    # a shell that runs the tests in the background has told them, and so their children, to ignore SIGINT
    heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(command, preexec_fn=heard, **options) as child:
        while child.poll() is None and kept() < stop:
            released.wait(0.02)
        child.send_signal(number)
        child.wait(30)
        err = child.stderr.read()
    released.set()
    assert child.returncode == (130 if number == signal.SIGINT else -number) and "Traceback" not in err
    assert kept() == stop
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0 and shop.ranges == [f"bytes={stop}-"], again.stderr
    assert sorted(os.listdir(shop.root / "cache/DIV2K/DIV2K_valid_HR")) == ["0.npy", "1.npy"]
