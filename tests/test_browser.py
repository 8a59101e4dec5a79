"""A lesson as a reader meets it: in JupyterLab, in a real browser, by Run > Run All Cells."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from browser import Watched, chromium

from tools import policy, setup_cell
from tools.project import NOTEBOOKS, ROOT, repository

LESSON = NOTEBOOKS / "01_data_exploration.ipynb"
CELLS = """
() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .filter(cell => cell.cell_type === 'code')
    .map(cell => ({source: cell.source, count: cell.execution_count, outputs: cell.outputs}))
"""
IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
DONE = f"""
() => {{
    const cells = ({CELLS})();
    const failed = cells.some(cell => cell.outputs.some(output => output.output_type === 'error'));
    return failed || (cells.every(cell => cell.count !== null) && ({IDLE})());
}}
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """The address of a JupyterLab that knows nothing of its user and has one copy of a lesson to show."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(LESSON, folder)
    homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    homes += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    environment = {**os.environ, **{name: str(folder / ".user") for name in homes}, "PYTHONPATH": str(ROOT)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--port={port}"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    command += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    address = f"http://127.0.0.1:{port}"
    with open(folder / "server.log", "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            for _ in range(600):
                if server.poll() is not None or answers(address):
                    break
                time.sleep(0.1)
            log.seek(0)
            assert answers(address), log.read()
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def kinds(outputs):
    """Return what kinds of output a cell has: text, pictures, tables."""
    return {kind for output in outputs for kind in output.get("data", {output["output_type"]: ""})}


def answers(address):
    """Say whether the server is up; a proxy in the environment is not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(f"{address}/api", timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_a_lesson_runs_by_run_all(browser, lab):
    watched = Watched(browser, lab)
    page = watched.page
    page.set_default_timeout(120_000)
    page.goto(f"{lab}/lab/tree/{LESSON.name}?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    page.wait_for_function(IDLE)
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert not any(cell["outputs"] or cell["count"] for cell in page.evaluate(CELLS))
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(DONE, timeout=400_000, polling=500)
    cells = page.evaluate(CELLS)
    for cell in cells:
        assert not [o for o in cell["outputs"] if o["output_type"] == "error"], cell
    stored = [cell for cell in nbformat.read(LESSON, as_version=4).cells if cell.cell_type == "code"]
    assert [cell["count"] for cell in cells] == list(range(1, len(stored) + 1))
    for cell, old in zip(cells, stored, strict=True):
        if policy.IGNORE not in policy.tags(old):
            assert kinds(cell["outputs"]) == kinds(old.outputs), cell["source"]
    assert page.locator(".jp-OutputArea-output img").count() > 0
    badges = re.findall(r"!\[.*?\]\((.*?)\)", setup_cell.badges(repository(), LESSON.name))
    assert set(watched.strays) <= set(badges), "JupyterLab asked for more than the three badges"
