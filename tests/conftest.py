"""A web server on this machine, and the command `srutils fetch`, for the tests of downloads."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest


class Site:
    """A web server on this machine whose next answers can be spoilt; it remembers what it was asked."""

    def __init__(self):
        self.files = {}  # path (without its query) -> body
        self.pages = {}  # path -> HTML, sent as such
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

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request):
        """Serve one request, spoilt by: status, page, body, tag, length, first, stop (bytes sent), stall
        (an event awaited after those bytes), ignore_range."""
        how = self.spoil.pop(0) if self.spoil else {}
        wanted, condition = request.headers.get("Range"), request.headers.get("If-Range")
        self.asked.append((request.path, wanted, condition))
        path = request.path.split("?")[0]
        page = how.get("page", self.pages.get(path))
        body = page.encode() if page is not None else how.get("body", self.files.get(path))
        if body is None or "status" in how:
            request.send_error(how.get("status", 404))
            self.sent.append(0)
            return
        tag = how.get("tag", '"v1"')
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        partial = bool(wanted) and not how.get("ignore_range", page is not None) and condition in (None, tag)
        if partial and start >= len(body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            self.sent.append(0)
            return
        part = body[start:] if partial else body
        request.send_response(206 if partial else 200)
        if page is not None:
            request.send_header("Content-Type", "text/html; charset=utf-8")
        else:  # by the second, gdown tells a file of Google Drive from a page
            request.send_header("Content-Type", "application/octet-stream")
            request.send_header("Content-Disposition", 'attachment; filename="x"')
        if partial:
            first = how.get("first", start)
            request.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if how.get("length", True) is not None:
            request.send_header("Content-Length", str(how.get("length", len(part))))
        if tag:
            request.send_header("ETag", tag)
        request.end_headers()
        part = part[: how.get("stop", len(part))]
        self.sent.append(len(part))  # before it goes, for the test may be faster than this thread
        with contextlib.suppress(ConnectionError):  # who asks may hang up: gdown does, of what it resumes
            request.wfile.write(part)
            if "stall" in how:
                request.wfile.flush()
                how["stall"].wait(30)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # a proxy in the environment must not see these requests
    server = Site()
    yield server
    server.close()


@pytest.fixture
def shop(site, tmp_path, monkeypatch):
    """A `shop.Shop`, with empty SR_DATA and SR_CACHE below a working folder of its own."""
    from shop import Shop

    from srutils.fetch import download

    monkeypatch.chdir(tmp_path)
    for name in ("data", "cache"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SR_{name.upper()}", str(tmp_path / name))
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=lambda seconds: None))
    return Shop(site, tmp_path, monkeypatch)


@pytest.fixture
def fetch(capsys):
    """Run `srutils fetch ...`: exit status, stdout, stderr."""

    from srutils import cli

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main(["fetch", *map(str, arguments)])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture
def refused(fetch):
    """The one line that a failure costs, with exit status 2; only bars that reached their end stay."""

    def run(*arguments):
        status, _, err = fetch(*arguments)
        shown = [line.split("\r")[-1] for line in err.split("\n")]  # what a terminal still shows
        said = [line for line in shown if line.strip() and "100%|" not in line]
        assert status == 2 and len(said) == 1 and said[0].startswith("srutils: "), err
        assert err.endswith("\n") and "Traceback" not in err and "Errno" not in err
        return said[0]

    return run
