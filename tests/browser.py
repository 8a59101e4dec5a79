"""A real browser for the tests: the Chromium of this machine, driven by Playwright."""

import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium():
    """Yield a running Chromium; skip the test where there is none, or fail it if SR_BROWSER=1 asks for one.

    For fixtures of modules, not of sessions: while Playwright's synchronous interface is open, nothing else
    in the process can start an event loop, and nbval needs one.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        complain = pytest.fail if os.environ.get("SR_BROWSER") == "1" else pytest.skip
        complain(f"no browser on this machine: install one of {', '.join(NAMES)} to run this test")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


class Watched:
    """A page that remembers errors on its console, and requests to elsewhere, which it does not let pass."""

    def __init__(self, browser, home, **options):
        self.page = browser.new_page(**options)
        self.errors, self.strays = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.route(lambda url: not url.startswith((home, "data:", "blob:")), self.stop)

    def stop(self, route):
        self.strays.append(route.request.url)
        route.abort()
