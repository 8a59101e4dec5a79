"""Stored outputs may differ from new ones by the rounding of another processor, and by nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.compare_outputs import settle, settle_outputs

ROOT = Path(__file__).parents[1]
TABLE = """| method | PSNR [dB] | lenses |
|---|---|---|
| bicubic | **41.94 ± 0.59** | 300 |
| SRGAN | -4.91 | 300 |
"""


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("PSNR 39.68 dB", "PSNR 39.69 dB"),
        ("PSNR 39.99 dB.", "PSNR 40.00 dB."),
        ("by 0.02", "by 0.03"),
        ("-0.00 and +0.52", "+0.00 and +0.53"),
        ("MSE 9.99e-05", "MSE 1.00e-04"),
        ("MSE 6.95e-05", "MSE 6.96e-05"),
        ("2,514.5 times", "2,514.6 times"),
        ("called smooth: 13% (2 %)", "called smooth: 14% (3 %)"),
        ("[ 1.5 -0.7]", "[ 1.4 -0.7]"),
        ("[1.   0.75 0.55]", "[0.99 0.75 0.55]"),
        ("a   9.99   0.5\n", "a  10.00   0.5\n"),
        ("−0.31", "−0.30"),
        (TABLE, TABLE.replace("41.94 ± 0.59", "41.95 ± 0.58").replace("-4.91", "-4.92")),
    ],
)
def test_a_last_digit_may_differ(stored, new):
    assert settle(stored, new) == stored


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("PSNR 39.68 dB", "PSNR 39.68 db"),  # a word
        ("SRGAN leads by 0.02", "SRResNet leads by 0.02"),
        ("PSNR 39.68 dB", "PSNR 39.70 dB"),  # two units of the last digit
        ("PSNR 39.68 dB", "PSNR 39.78 dB"),  # a digit before the last
        ("MSE 6.95e-05", "MSE 6.95e-04"),
        ("MSE 6.95e-05", "MSE 6.85e-05"),
        ("gain +0.31", "gain -0.31"),  # a sign
        ("gain 0.31", "gain −0.31"),
        ("mean 0.31", "mean nan"),
        ("mean nan", "mean 0.31"),
        ("mean 0.31", "mean inf"),
        ("12 of 300 lenses", "13 of 300 lenses"),  # a count
        ("57,184 weights", "57,185 weights"),
        ("[[199 1]\n [0 200]]", "[[198 2]\n [0 200]]"),
        ("in 4.", "in 5."),
        ("seen in 92% of 12", "seen in 83% of 12"),
        ("92%", "92"),
        ("scale x2", "scale x3"),  # names
        ("srcnn-photo-x3, 9-5-5", "srcnn-photo-x3, 9-1-5"),
        ("torch 2.13.0", "torch 2.14.0"),
        (TABLE, TABLE.replace("| SRGAN | -4.91 | 300 |\n", "")),  # a row
        (TABLE, TABLE.replace("**", "")),
        ("0.5 0.6\n", "0.5\n0.6\n"),
        ("0.5 0.6", "0.5 0.6 0.7"),
        ("a 0.5", "a 0.5!"),
        ("True", "False"),
        ("", "0.5"),
    ],
)
def test_anything_else_is_a_difference(stored, new):
    assert settle(stored, new) != stored


def test_what_is_left_to_report_is_the_real_difference_alone():
    stored = "one 1.11, two 2.22, three 3 lenses"
    assert settle(stored, "one 1.12, two 2.52, three 3 lenses") == "one 1.11, two 2.52, three 3 lenses"


def test_text_is_settled_kind_by_kind_and_html_left_alone():
    def outputs(value):
        both = {"text/markdown": f"| {value} |", "text/html": f"<b>{value}</b>", "image/png": value}
        shown = new_output("display_data", both)
        return [new_output("stream", name="stdout", text=f"printed {value}\n"), shown]

    new = outputs("0.26")
    settled = settle_outputs(new[::-1], outputs("0.25"))
    assert settled[0].data == {"text/markdown": "| 0.25 |", "text/html": "<b>0.26</b>", "image/png": "0.26"}
    assert settled[1].text == "printed 0.25\n"
    assert new == outputs("0.26"), "what the cell gave stays as it is"


def test_nbval_with_the_plugin(tmp_path):
    """One notebook whose stored outputs are off by rounding, and in three cells by more."""
    cells = {  # what is stored, what the cell prints
        "rounding": ("PSNR 39.68 dB, 13% of 300\n", "PSNR 39.69 dB, 14% of 300\n"),
        "digit": ("PSNR 39.68 dB, SSIM 0.91\n", "PSNR 39.58 dB, SSIM 0.92\n"),
        "count": ("12 lenses\n", "13 lenses\n"),
        "row": ("a 0.5\nb 0.6\n", "a 0.5\n"),
    }
    nb = new_notebook()
    for number, (stored, printed) in enumerate(cells.values(), 1):
        printed_before = new_output("stream", name="stdout", text=stored)
        source = f"print({printed!r}, end='')"
        nb.cells.append(new_code_cell(source, execution_count=number, outputs=[printed_before]))
    nbformat.write(nb, tmp_path / "tiny.ipynb")

    def run(*which):
        command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", "--color=no"]
        command += ["-p", "tools.compare_outputs", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        environment["PYTHONPATH"] = str(ROOT)
        nodes = [f"{tmp_path / 'tiny.ipynb'}::Cell {i}" for i in which]
        return subprocess.run(
            [*command, *nodes], capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    passing, failing = run(0), run(0, 1, 2, 3)
    assert passing.returncode == 0 and "1 passed" in passing.stdout, passing.stdout
    assert failing.returncode == 1 and "3 failed, 1 passed" in failing.stdout, failing.stdout
    for shown in ("PSNR 39.68 dB, SSIM 0.91", "PSNR 39.58 dB, SSIM 0.91", "13 lenses", "b 0.6"):
        assert shown in failing.stdout, failing.stdout
