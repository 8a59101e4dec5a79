"""The page of the book that enlarges pictures, in a real browser, from the disk: a picture in, one out."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from browser import Watched, chromium
from PIL import Image

from srutils import pairs, photos
from srutils.files.images import from_float
from srutils.upscale.files import upscale_file
from tools import book_browser
from tools.project import ROOT

HTML = re.search(
    r"```\{raw\} html\n(.*?)```", (ROOT / "docs" / "enlarge.md").read_text(encoding="utf-8"), re.S
)
needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None, reason="npm is not here, and the book has no such page"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, open, as the book has it but for what Sphinx puts around it, with tiles of 32 pixels."""
    folder = tmp_path_factory.mktemp("page")
    with chromium() as browser:
        data = book_browser.package(book_browser.cache())
        if data is None:
            pytest.skip("npm could not fetch the runtime")
        book_browser.pack(folder / book_browser.FOLDER, data)
        (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{HTML[1]}", encoding="utf-8")
        watched = Watched(browser, folder.as_uri(), accept_downloads=True)
        watched.page.goto(f"{(folder / 'page.html').as_uri()}?tile=32")
        yield watched
        assert not watched.strays, "a request left the page"
        assert not watched.errors


def enlarge(page, path, model, target):
    """Have the page enlarge a file; return the picture that it gives to download, as pixels."""
    page.locator("#enlarge-file").set_input_files(path)
    page.locator("#enlarge-status").get_by_text(path.name).wait_for()
    page.locator("#enlarge-model").select_option(model)
    page.get_by_role("button", name="Enlarge").click()
    page.locator("#enlarge-download:enabled").wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the result").click()
    assert download.value.suggested_filename == f"{path.stem}_{model}.png"
    download.value.save_as(target)
    return np.asarray(Image.open(target))


@needs_npm
@pytest.mark.parametrize("model", ["srresnet-photo-x4", "srcnn-photo-x2"])
def test_a_picture_comes_out_as_srutils_makes_it(page, model, tmp_path):
    """To one level of 255, seams of tiles and edges included."""
    levels = from_float(photos.builtin()["chelsea"][100:140, 120:170], 8)
    Image.fromarray(levels).save(tmp_path / "cat.png")
    found = enlarge(page.page, tmp_path / "cat.png", model, tmp_path / "large.png")
    upscale_file(tmp_path / "cat.png", tmp_path / "wanted.png", model, engine="onnxruntime")
    wanted = np.asarray(Image.open(tmp_path / "wanted.png"))
    assert (found[..., 3] == 255).all() and found.shape[:2] == wanted.shape[:2]
    difference = np.abs(found[..., :3].astype(int) - wanted)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    bicubic = from_float(pairs.resize(levels / np.float32(255), wanted.shape[:2]), 8)
    assert np.abs(bicubic.astype(int) - wanted).max() > 10, "the test could not tell the network from bicubic"


@needs_npm
def test_the_other_side_of_the_line_is_bicubic(page, tmp_path):
    levels = from_float(photos.builtin()["chelsea"][100:120, 120:150], 8)
    Image.fromarray(levels).save(tmp_path / "eye.png")
    enlarge(page.page, tmp_path / "eye.png", "srcnn-photo-x2", tmp_path / "large.png")
    code = "e => Array.from(e.getContext('2d').getImageData(0, 0, e.width, e.height).data)"
    found = np.reshape(page.page.locator("#enlarge-before").evaluate(code), (40, 60, 4))
    wanted = from_float(pairs.resize(levels / np.float32(255), (40, 60)), 8)
    assert np.abs(found[..., :3] - wanted.astype(int)).max() <= 1
    page.page.locator("#enlarge-slider").fill("20")
    assert "80%" in page.page.locator("#enlarge-before").evaluate("e => getComputedStyle(e).clipPath")


@needs_npm
def test_a_large_picture_gives_its_middle_and_work_can_be_cancelled(page, tmp_path):
    large = np.zeros((1200, 1600, 3), np.uint8)
    large[:, :800] = 200
    Image.fromarray(large).save(tmp_path / "large.png")
    page.page.locator("#enlarge-file").set_input_files(tmp_path / "large.png")
    page.page.locator("#enlarge-status").get_by_text("takes its middle, 1182 x 886").wait_for()
    page.page.locator("#enlarge-model").select_option("srcnn-photo-x2")
    page.page.get_by_role("button", name="Enlarge").click()
    page.page.locator("#enlarge-status").get_by_text("to go").wait_for(timeout=60_000)
    page.page.get_by_role("button", name="Cancel").click()
    page.page.locator("#enlarge-status").get_by_text("Cancelled").wait_for()
    assert page.page.get_by_role("button", name="Download the result").is_disabled()
    assert page.page.get_by_role("button", name="Enlarge").is_enabled()


@needs_npm
def test_what_is_no_picture_is_refused_in_a_sentence(page, tmp_path):
    (tmp_path / "notes.png").write_text("no picture", encoding="utf-8")
    page.page.locator("#enlarge-file").set_input_files(tmp_path / "notes.png")
    page.page.locator("#enlarge-status").get_by_text("notes.png is no picture").wait_for()


def test_every_network_for_photographs_that_it_can_feed_is_offered():
    names = {model["name"] for model in book_browser.models(ROOT / "data" / "models")}
    assert {"srcnn-photo-x2", "srresnet-photo-x4", "srgan-photo-x4"} <= names
    assert not [name for name in names if "lens" in name or "telescope" in name]


def test_another_file_than_the_one_that_was_tried_is_refused(tmp_path):
    (tmp_path / f"onnxruntime-web-{book_browser.VERSION}.tgz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="its hash is another one"):
        book_browser.package(tmp_path)


def test_without_npm_there_is_a_note_and_no_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert book_browser.package(tmp_path) is None
    assert "npm is not installed" in capsys.readouterr().err


def test_where_npm_reaches_nothing_there_is_a_note(tmp_path, monkeypatch, capsys):
    answer = subprocess.CompletedProcess([], 1, "", "npm error code ENOTFOUND\nmore\n")
    monkeypatch.setattr(shutil, "which", lambda name: "npm")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    assert book_browser.package(tmp_path) is None
    assert "ENOTFOUND" in capsys.readouterr().err
