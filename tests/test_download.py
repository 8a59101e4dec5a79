"""Downloads that break, resume and lie; gdown is the real one."""

import hashlib
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from srutils.fetch import download
from srutils.fetch.download import fetch

BODY = np.random.default_rng(0).bytes(1_300_000)
SHA = hashlib.sha256(BODY).hexdigest()
CHUNK = 512 << 10  # what gdown writes at once: of a line that breaks, whole chunks are kept


@pytest.fixture
def site(site, monkeypatch):
    """The web server of conftest.py, with one file on it; nobody waits between attempts."""
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=lambda seconds: None))
    site.files["/file.bin"] = BODY
    return site


def get(site, dest, **options):
    return fetch(
        site.url("/file.bin"), dest, **{"size": len(BODY), "sha256": SHA, "progress": False, **options}
    )


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def part_of(dest, data):
    """Write what an earlier call may have left, and return its path."""
    part = dest.with_name(dest.name + ".downloadabcd_012.part")
    part.write_bytes(data)
    return part


def ranges(site):
    return [wanted for _, wanted, _ in site.asked if wanted]


def test_a_whole_download_and_no_second_one(site, tmp_path):
    dest = tmp_path / "new" / "file.bin"
    assert get(site, dest) == dest and dest.read_bytes() == BODY
    assert get(site, dest) == dest
    assert len(site.asked) == 1 and names(dest.parent) == ["file.bin"]


def test_a_spoilt_file_is_downloaded_again(site, tmp_path):
    dest = tmp_path / "file.bin"
    dest.write_bytes(BODY[:-1] + b"?")
    assert get(site, dest).read_bytes() == BODY


def test_a_dropped_connection_is_resumed_within_the_call(site, tmp_path):
    site.spoil = [{"stop": CHUNK + 1000}, {}, {"stop": CHUNK + 1000}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert ranges(site) == [f"bytes={CHUNK}-", f"bytes={2 * CHUNK}-"]
    assert [condition for _, wanted, condition in site.asked if wanted] == ['"v1"', '"v1"']
    assert names(tmp_path) == ["file.bin"]


def test_a_later_call_asks_only_for_the_missing_bytes(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    dest = tmp_path / "file.bin"
    site.spoil = [{"stop": CHUNK + 1}]
    with pytest.raises(OSError, match=rf"in 1 attempts .*; {CHUNK} bytes are kept in .*\.part, run again"):
        get(site, dest)
    assert not dest.exists() and len(names(tmp_path)) == 1
    assert get(site, dest).read_bytes() == BODY and ranges(site) == [f"bytes={CHUNK}-"]
    assert names(tmp_path) == ["file.bin"]


def test_an_interrupt_keeps_the_part(site, tmp_path, monkeypatch):
    real = download._Bar.show

    def interrupted(bar, have, total):
        real(bar, have, total)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(download._Bar, "show", interrupted)
        with pytest.raises(KeyboardInterrupt):
            get(site, tmp_path / "file.bin")
    (part,) = tmp_path.iterdir()
    assert part.read_bytes() == BODY[:CHUNK]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY and ranges(site) == [f"bytes={CHUNK}-"]


def test_a_kill_after_the_last_byte_costs_no_request(site, tmp_path):
    (tmp_path / "file.bin.download").write_bytes(BODY)
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY and site.asked == []


def test_a_server_that_ignores_range_restarts_cleanly(site, tmp_path):
    site.spoil = [{"stop": CHUNK + 1}, {}, {"ignore_range": True}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert ranges(site) == [f"bytes={CHUNK}-"] and names(tmp_path) == ["file.bin"]


def test_a_file_that_changed_on_the_server_is_not_glued_to_the_old_part(site, tmp_path):
    part_of(tmp_path / "file.bin", bytes(CHUNK))  # of yesterday's version: its first bytes differ
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert ranges(site) == [f"bytes={CHUNK}-"] and names(tmp_path) == ["file.bin"]


def test_a_file_that_changes_between_two_requests_is_not_glued_either(site, tmp_path):
    part_of(tmp_path / "file.bin", BODY[:CHUNK])
    site.spoil = [{"tag": '"v0"'}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert site.asked[1][1:] == (f"bytes={CHUNK}-", '"v0"')


def test_a_wrong_range_is_not_used(site, tmp_path):
    part_of(tmp_path / "file.bin", BODY[:1000])
    site.spoil = [{}, {"first": 999}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY and ranges(site) == ["bytes=1000-"]


@pytest.mark.parametrize("more", [b"", b"more"])
def test_a_part_that_is_whole_or_too_long_does_no_harm(site, tmp_path, more):
    part_of(tmp_path / "file.bin", BODY + more)
    assert get(site, tmp_path / "file.bin", size=None).read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


def test_two_parts_do_no_harm(site, tmp_path):
    part_of(tmp_path / "file.bin", BODY[:1000])
    (tmp_path / "file.bin.download01234567.part").write_bytes(BODY[:500])
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY and names(tmp_path) == ["file.bin"]


def test_a_wrong_hash_is_never_used(site, tmp_path):
    wrong = "0" * 64
    with pytest.raises(ValueError, match=f"expected sha256 {wrong}, got {SHA}; it was discarded"):
        get(site, tmp_path / "file.bin", sha256=wrong)
    assert names(tmp_path) == [] and len(site.asked) == 1


def test_an_existing_file_survives_a_failed_replacement(site, tmp_path):
    dest = tmp_path / "file.bin"
    dest.write_bytes(b"an older edition")
    with pytest.raises(ValueError, match="expected sha256"):
        get(site, dest, sha256="0" * 64)
    assert dest.read_bytes() == b"an older edition"


def test_a_server_that_offers_another_size_is_refused_at_once(site, tmp_path):
    site.files["/file.bin"] = b"<html>please log in</html>"
    with pytest.raises(ValueError, match="expected 1300000 bytes, the server offers 26"):
        get(site, tmp_path / "file.bin")
    assert names(tmp_path) == [] and len(site.asked) == 1


def test_a_lying_content_length_ends_in_one_error(site, tmp_path):
    site.files["/file.bin"] = BODY[:-200_000]
    site.spoil = [{"length": len(BODY)}] + [{"status": 503}] * 4
    with pytest.raises(OSError, match=rf"in 5 attempts \(HTTP 503 .*; {2 * CHUNK} bytes are kept"):
        get(site, tmp_path / "file.bin")
    assert len(site.asked) == 5 and not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1]])
def test_another_length_than_expected_without_content_length_is_refused(site, tmp_path, body):
    site.spoil = [{"length": None, "body": body}]  # the end is where the line closes
    with pytest.raises(ValueError, match="more than 1300000 bytes|expected 1300000 bytes, got 1299999"):
        get(site, tmp_path / "file.bin")
    assert names(tmp_path) == []


def test_unknown_size_is_bounded(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNKNOWN", 1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        get(site, tmp_path / "file.bin", size=None)
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [404, 403, 401])
def test_a_refusal_is_final(site, tmp_path, status):
    site.spoil = [{"status": status}]
    with pytest.raises(download.Unavailable, match=f"HTTP {status}"):
        get(site, tmp_path / "new" / "file.bin")
    assert len(site.asked) == 1 and names(tmp_path) == [], "a folder made for nothing is taken away"


def test_a_busy_server_is_asked_again_after_growing_waits(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    site.spoil = [{"status": 503}, {"status": 429}, {"status": 500}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert waits == [0, 1.0, 2.0, 4.0]


def test_no_server_at_all(site, tmp_path):
    site.close()
    with pytest.raises(OSError, match=r"in 5 attempts \(the connection failed: .*refused"):
        get(site, tmp_path / "file.bin")
    assert names(tmp_path) == []


def test_a_server_that_falls_silent_is_given_up(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SILENCE", 0.2)
    end = threading.Event()
    site.spoil = [{"stop": CHUNK, "stall": end}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY and ranges(site) == [f"bytes={CHUNK}-"]
    end.set()


def test_a_name_that_cannot_be_looked_up_is_tried_twice_and_the_part_stays(site, tmp_path, monkeypatch):
    looked_up = []

    def nowhere(*arguments, **options):
        looked_up.append(arguments)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    part_of(tmp_path / "a", b"begun")
    with pytest.raises(download.Unavailable, match=r"looked up: Name or .*; 5 bytes are kept in .*part"):
        fetch("http://nowhere.invalid/a", tmp_path / "a", sha256=SHA, progress=False)
    assert len(looked_up) == 2


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="http or https"):
        fetch("file:///etc/hosts", tmp_path / "a", sha256=SHA)
    with pytest.raises(ValueError, match="unverified"):
        fetch("http://127.0.0.1/a", tmp_path / "a")


@pytest.mark.parametrize("version", ["5.2.2", "not installed"])
def test_an_old_gdown_is_refused_before_anything_is_asked(site, tmp_path, monkeypatch, version):
    monkeypatch.setattr(download, "version_of", lambda name: version)
    if version == "not installed":
        monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(OSError, match=r"gdown, 6\.5 or newer: pip install 'gdown>=6\.5'"):
        get(site, tmp_path / "file.bin")
    assert site.asked == [] and names(tmp_path) == []


def test_a_check_replaces_the_hash(site, tmp_path):
    got = get(site, tmp_path / "a", sha256=None, check=lambda path: None)
    assert got.read_bytes() == BODY
    with pytest.raises(ValueError, match="it is blue"):
        get(site, tmp_path / "b", sha256=None, check=lambda path: "it is blue")
    assert names(tmp_path) == ["a"]
