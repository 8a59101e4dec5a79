"""Downloads that break, resume and lie; archives that climb out; the register of datasets."""

import hashlib
import io
import os
import re
import stat
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srutils import download
from srutils.download import DATASETS, Dataset, Remote, fetch, fetch_dataset, pixels_sha256, unpack

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Site:
    """A web server on this machine whose next answers can be spoilt; it remembers what it was asked."""

    def __init__(self):
        self.files = {"/file.bin": BODY}
        self.asked = []  # (path, Range header, If-Range header)
        self.sent = []  # bytes of body sent for each request
        self.spoil = []  # one dict for each coming request, see `answer`
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    def url(self, path="/file.bin"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request):
        """Serve one request, spoilt by: status, body, tag, length, first, stop (bytes sent), ignore_range."""
        how = self.spoil.pop(0) if self.spoil else {}
        wanted, condition = request.headers.get("Range"), request.headers.get("If-Range")
        self.asked.append((request.path, wanted, condition))
        body = how.get("body", self.files.get(request.path))
        if body is None or "status" in how:
            request.send_error(how.get("status", 404))
            self.sent.append(0)
            return
        tag = how.get("tag", '"v1"')
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        partial = bool(wanted) and not how.get("ignore_range") and condition in (None, tag)
        if partial and start >= len(body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            self.sent.append(0)
            return
        part = body[start:] if partial else body
        request.send_response(206 if partial else 200)
        if partial:
            first = how.get("first", start)
            request.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if how.get("length", True) is not None:
            request.send_header("Content-Length", str(how.get("length", len(part))))
        if tag:
            request.send_header("ETag", tag)
        request.end_headers()
        part = part[: how.get("stop", len(part))]
        request.wfile.write(part)
        self.sent.append(len(part))


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # a proxy in the environment must not see these requests
    server = Site()
    yield server
    server.close()


def get(site, dest, path="/file.bin", **options):
    options = {"size": len(BODY), "sha256": SHA, "progress": False, "backoff": 0.0, "timeout": 5.0, **options}
    return fetch(site.url(path), dest, **options)


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir())


# --- downloads


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
    real, calls = download._copy, []

    def interrupted(response, url, part, *rest):
        if not calls:
            calls.append(part)
            part.write_bytes(response.read(70_000))
            raise KeyboardInterrupt
        return real(response, url, part, *rest)

    monkeypatch.setattr(download, "_copy", interrupted)
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


# --- archives


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
    monkeypatch.setattr(download, "MAX_MEMBERS", 2)
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
    whole = make(tmp_path / "archive", [("noise", BODY)]).read_bytes()
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


# --- datasets


def picture_bytes(seed, form):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty SR_DATA and SR_CACHE."""
    for name in ("data", "cache"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def registered(site, places, monkeypatch):
    """Two small datasets on the local server: pictures as Set5 is, and an archive as DIV2K is."""
    for i in range(2):
        site.files[f"/{i}_GT.bmp"] = picture_bytes(i, "BMP")
        (places / f"{i}.png").write_bytes(picture_bytes(i, "PNG"))
    zipped = zip_of(places / "z", [(f"HR/{i}.png", picture_bytes(i, "PNG")) for i in range(3)]).read_bytes()
    site.files["/HR.zip"] = zipped
    pictures = tuple(
        Remote(site.url(f"/{i}_GT.bmp"), f"{i}.bmp", pixels=pixels_sha256(places / f"{i}.png"))
        for i in range(2)
    )
    archive = Remote(site.url("/HR.zip"), "HR.zip", len(zipped), hashlib.sha256(zipped).hexdigest())
    monkeypatch.setitem(DATASETS, "pair", Dataset("pair", "Two", "Pair", 2, pictures, "CC0 for testing"))
    monkeypatch.setitem(
        DATASETS, "zip", Dataset("zip", "Zip", "Big/HR", 3, (archive,), "terms", archive=True)
    )
    return places


def quiet(name, dest=None, say=lambda text: None):
    return fetch_dataset(name, dest, progress=False, say=say)


def test_pictures_are_verified_by_their_pixels_and_the_licence_comes_first(site, registered):
    said = []
    where = quiet("pair", say=lambda text: said.append((text, len(site.asked))))
    assert where == registered / "cache/Pair" and names(where) == ["0.bmp", "1.bmp"]
    assert len(said) == 1 and "CC0 for testing" in said[0][0] and said[0][1] == 0
    assert quiet("pair") == where and len(site.asked) == 2


def test_another_picture_is_not_accepted(site, registered):
    site.files["/1_GT.bmp"] = picture_bytes(99, "BMP")
    with pytest.raises(ValueError, match="pixel hash"):
        quiet("pair")
    assert names(registered / "cache/Pair") == ["0.bmp"]
    site.files["/1_GT.bmp"] = b"<html>moved</html>"
    with pytest.raises(ValueError, match="not the expected file"):
        quiet("pair")


def test_an_archive_is_unpacked_and_removed(site, registered):
    where = quiet("zip", registered / "elsewhere")
    assert where == registered / "elsewhere/Big/HR" and names(where) == ["0.png", "1.png", "2.png"]
    assert names(where.parent) == ["HR"]
    assert quiet("zip", registered / "elsewhere") == where and len(site.asked) == 1


def test_a_folder_brought_by_hand_is_accepted(site, registered):
    (registered / "data/Pair").mkdir()
    (registered / "data/Pair/x.png").write_bytes(picture_bytes(1, "PNG"))
    with pytest.raises(FileExistsError, match="1 images of 2"):
        quiet("pair")
    (registered / "data/Pair/y.png").write_bytes(picture_bytes(2, "PNG"))
    assert quiet("pair") == registered / "data/Pair" and site.asked == []


def test_unknown_names_and_short_archives(site, registered, monkeypatch):
    with pytest.raises(ValueError, match="set5"):
        quiet("set6")
    entry = DATASETS["zip"]
    monkeypatch.setitem(
        DATASETS, "zip", Dataset("zip", "Zip", "Big/HR", 4, entry.files, "terms", archive=True)
    )
    with pytest.raises(ValueError, match="3 images after the download, expected 4"):
        quiet("zip")


def test_the_register_is_well_formed():
    assert {"set5", "div2k-valid", "div2k-train", "div2k-valid-x4", "div2k-train-x4"} <= set(DATASETS)
    for name, data in DATASETS.items():
        assert data.name == name and data.licence and data.images > 0 and data.files
        assert len({r.name for r in data.files}) == len(data.files)
        for remote in data.files:
            assert remote.url.startswith("https://") and remote.url.isascii()
            assert bool(remote.size and remote.sha256) != bool(remote.pixels)
            assert re.fullmatch(r"[0-9a-f]{64}", remote.sha256 or remote.pixels)


@pytest.mark.skipif(
    not (Path(os.environ.get("SR_DATA") or os.devnull) / "Set5").is_dir(), reason="SR_DATA holds no Set5"
)
def test_the_pixel_hashes_of_set5_are_those_of_the_benchmark(tmp_path):
    from srutils.photos import read_image, set5, write_image

    recorded = {Path(r.name).stem: r for r in DATASETS["set5"].files}
    for name, image in set5():
        write_image(tmp_path / f"{name}.bmp", image)
        assert recorded[name].check(tmp_path / f"{name}.bmp") is None
        write_image(tmp_path / "other.bmp", image[:, ::-1])
        assert recorded[name].check(tmp_path / "other.bmp") is not None
        assert read_image(tmp_path / f"{name}.bmp").shape == image.shape
