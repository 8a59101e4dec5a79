"""Downloads that break, resume and lie."""

import hashlib
import socket
from pathlib import Path

import numpy as np
import pytest

from srutils.fetch import download, transfer
from srutils.fetch.download import fetch

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def site(site):
    """The web server of conftest.py, with one file on it."""
    site.files["/file.bin"] = BODY
    return site


def get(site, dest, path="/file.bin", **options):
    options = {"size": len(BODY), "sha256": SHA, "progress": False, "backoff": 0.0, "timeout": 5.0, **options}
    return fetch(site.url(path), dest, **options)


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir())


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
    site.spoil = [{"stop": 100_000}, {"stop": 50_000}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert [r for _, r, _ in site.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert [c for _, _, c in site.asked] == [None, '"v1"', '"v1"']
    assert sum(site.sent) == len(BODY)  # no byte twice
    assert names(tmp_path) == ["file.bin"]


def test_a_later_call_asks_only_for_the_missing_bytes(site, tmp_path):
    dest = tmp_path / "file.bin"
    site.spoil = [{"stop": 120_000}]
    with pytest.raises(OSError, match=r"120000 of 300000 bytes.*resume"):
        get(site, dest, attempts=1)
    assert names(tmp_path) == ["file.bin.part", "file.bin.part.tag"]
    assert get(site, dest).read_bytes() == BODY
    assert site.asked[1][1:] == ("bytes=120000-", '"v1"') and site.sent == [120_000, 180_000]


def test_an_interrupt_keeps_the_part(site, tmp_path, monkeypatch):
    real, calls = transfer._copy, []

    def interrupted(response, part, *rest):
        if not calls:
            calls.append(part)
            part.write_bytes(response.read(70_000))
            raise KeyboardInterrupt
        return real(response, part, *rest)

    monkeypatch.setattr(transfer, "_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").read_bytes() == BODY[:70_000] and not (tmp_path / "file.bin").exists()
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert site.asked[1][1] == "bytes=70000-"


def test_a_server_that_ignores_range_restarts_cleanly(site, tmp_path):
    site.spoil = [{"stop": 100_000}, {"ignore_range": True}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert site.sent == [100_000, 300_000]


def test_a_file_that_changed_on_the_server_is_not_glued_to_the_old_part(site, tmp_path):
    old = bytes(len(BODY))
    site.spoil = [{"body": old, "tag": '"v0"', "stop": 100_000}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert site.asked[1][1:] == ("bytes=100000-", '"v0"') and site.sent[1] == 300_000


def test_a_part_of_another_file_is_dropped_when_no_tag_can_tell(site, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(bytes(1000))
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert [r for _, r, _ in site.asked] == ["bytes=1000-", None]


def test_a_wrong_range_is_not_used(site, tmp_path):
    site.spoil = [{"stop": 100_000}, {"first": 99_999}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert [r for _, r, _ in site.asked] == [None, "bytes=100000-", None]


def test_a_part_that_is_already_whole_needs_no_request(site, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY and site.asked == []


def test_a_whole_part_of_unknown_size_is_settled_by_the_server(site, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert get(site, tmp_path / "file.bin", size=None).read_bytes() == BODY
    assert site.asked == [("/file.bin", "bytes=300000-", None)]


def test_too_long_a_part_starts_again(site, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY + b"more")
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    (tmp_path / "b.bin.part").write_bytes(BODY + b"more")
    assert get(site, tmp_path / "b.bin", size=None).read_bytes() == BODY


def test_a_wrong_hash_is_never_used(site, tmp_path):
    wrong = "0" * 64
    with pytest.raises(ValueError, match=f"expected sha256 {wrong}, got {SHA}"):
        get(site, tmp_path / "file.bin", sha256=wrong)
    assert names(tmp_path) == [] and len(site.asked) == 1


def test_an_existing_good_file_survives_a_failed_replacement(site, tmp_path):
    dest = tmp_path / "file.bin"
    dest.write_bytes(b"an older edition")
    with pytest.raises(ValueError, match="expected sha256"):
        get(site, dest, sha256="0" * 64)
    assert dest.read_bytes() == b"an older edition"


def test_a_server_that_offers_another_size_is_refused_at_once(site, tmp_path):
    site.files["/file.bin"] = b"<html>please log in</html>"
    with pytest.raises(ValueError, match="expected 300000 bytes, the server offers 26"):
        get(site, tmp_path / "file.bin")
    assert names(tmp_path) == []


def test_a_log_in_page_does_not_cost_the_part(site, tmp_path):
    site.spoil = [{"stop": 100_000}, {"body": b"<html>please log in</html>", "ignore_range": True}]
    with pytest.raises(ValueError, match="the server offers 26"):
        get(site, tmp_path / "file.bin")
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY
    assert site.asked[2][1] == "bytes=100000-"


def test_a_lying_content_length_ends_in_one_error(site, tmp_path):
    site.files["/file.bin"] = BODY[:200_000]
    site.spoil = [{"length": 300_000}] + [{"status": 503}] * 3
    with pytest.raises(OSError, match=r"in 3 attempts.*200000 bytes are kept"):
        get(site, tmp_path / "file.bin", attempts=3)
    assert len(site.asked) == 3 and not (tmp_path / "file.bin").exists()


def test_more_bytes_than_expected_are_refused(site, tmp_path):
    site.spoil = [
        {"length": None, "body": BODY + b"!"}
    ]  # no Content-Length: the end is where the line closes
    with pytest.raises(ValueError, match="more than 300000 bytes"):
        get(site, tmp_path / "file.bin")
    assert names(tmp_path) == []


def test_fewer_bytes_without_content_length_are_resumed(site, tmp_path):
    site.spoil = [{"length": None, "stop": 10_000}]
    assert get(site, tmp_path / "file.bin").read_bytes() == BODY


def test_unknown_size_is_bounded(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNKNOWN", 1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        get(site, tmp_path / "file.bin", size=None)
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [404, 403, 401])
def test_a_refusal_is_final(site, tmp_path, status):
    site.spoil = [{"status": status}]
    with pytest.raises(OSError, match=f"HTTP {status}"):
        get(site, tmp_path / "file.bin")
    assert len(site.asked) == 1 and names(tmp_path) == []


def test_a_busy_server_is_asked_again_after_growing_waits(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    site.spoil = [{"status": 503}, {"status": 429}, {"status": 500}]
    assert get(site, tmp_path / "file.bin", backoff=1.0).read_bytes() == BODY
    assert waits == [1.0, 2.0, 4.0]


def test_no_server_at_all(site, tmp_path):
    site.close()
    with pytest.raises(OSError, match="in 2 attempts"):
        get(site, tmp_path / "file.bin", attempts=2)
    with pytest.raises(OSError, match="in 1 attempts"):
        get(site, tmp_path / "new" / "file.bin", attempts=1)
    assert tmp_path.is_dir() and not (tmp_path / "new").exists(), "a folder made for nothing is taken away"


def test_a_name_that_cannot_be_looked_up_is_tried_twice_and_the_part_stays(tmp_path, monkeypatch):
    looked_up, waits = [], []

    def nowhere(*arguments, **options):
        looked_up.append(arguments)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    (tmp_path / "a.part").write_bytes(b"begun")
    with pytest.raises(
        transfer.Unavailable, match=r"looked up \(Name or .*\); 5 bytes are kept in .*a\.part"
    ):
        fetch("http://nowhere.invalid/a", tmp_path / "a", sha256=SHA, progress=False)
    assert len(looked_up) == 2 and waits == [1.0]


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="http or https"):
        fetch("file:///etc/hosts", tmp_path / "a", sha256=SHA)
    with pytest.raises(ValueError, match="unverified"):
        fetch("http://127.0.0.1/a", tmp_path / "a")


def test_a_check_replaces_the_hash(site, tmp_path):
    got = get(site, tmp_path / "a", sha256=None, check=lambda path: None)
    assert got.read_bytes() == BODY
    with pytest.raises(ValueError, match="it is blue"):
        get(site, tmp_path / "b", sha256=None, check=lambda path: "it is blue")
    assert names(tmp_path) == ["a"]
