"""The table of every upscaler on every test set: what stands in it, and what it refuses."""

import json

import numpy as np
import pytest
from pictures import save_picture

from srutils import cli
from srutils.scoring import table, upscalers
from srutils.upscale.upscaler import CLASSICAL, DECONVOLVERS, model_cards


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    y, x = np.mgrid[:48, :40] / 40
    for i in range(2):
        rgb = np.stack([np.sin(9 * x + i) ** 2, np.sin(7 * y + x) ** 2, np.cos(13 * x * y) ** 2], -1)
        save_picture(folder / f"{i}.png", rgb)
    return folder


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(["scoreboard", *map(str, arguments)])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_every_shipped_model_has_its_rows():
    todo = table.tasks()
    assert len(todo) == len(set(todo))
    for card in model_cards():
        places = [(data, scale) for data, scale, model in todo if model == card["name"]]
        assert len(places) == 1 and places[0][1] == card["scale"], card["name"]
        expected = next((t for t in upscalers.LENS_TRACKS if t in card["name"]), "photos")
        assert places[0][0] == expected
    for data, scales in table.SETS.items():
        for scale in scales:
            methods = {model for d, s, model in todo if (d, s) == (data, scale) and model in CLASSICAL}
            assert {"nearest", "bilinear", "bicubic", "lanczos"} <= methods
            assert ("bicubic-torch" in methods) == (data == "deeplense")
            assert (set(DECONVOLVERS) <= methods) == (data == "telescope")


def test_lenses_score_as_in_evaluate(capsys):
    options = ("--data", "telescope", "--scale", 4, "--n", 2, "--seed", 3, "--no-cost", "--json")
    status, out, _ = run(capsys, *options, "--model", "bicubic", "--model", "wiener")
    rows = json.loads(out)
    assert status == 0 and [row["model"] for row in rows] == ["bicubic", "wiener"]
    for row in rows:
        one = upscalers.evaluate(row["model"], "telescope", 4, n=2, seed=3)
        for key in ("psnr", "ssim", "mse", "psnr_std", "ssim_std"):
            assert row[key] == pytest.approx(one[key], rel=1e-6)
        assert row["n"] == 2 and row["mse_std"] > 0 and row["spectrum_error"] > 0 < row["gradient_error"]
        assert row["parameters"] == 0 and "memory_mb" not in row


def test_photographs_score_as_in_evaluate_and_share_one_protocol(photographs, capsys):
    options = ("--data", photographs, "--scale", 2, "--no-cost", "--json")
    status, out, _ = run(capsys, *options, "--model", "lanczos")
    (row,) = json.loads(out)
    one = upscalers.evaluate("lanczos", str(photographs), 2, protocol="rgb8")
    assert (
        status == 0
        and row["psnr"] == pytest.approx(one["psnr"])
        and row["ssim"] == pytest.approx(one["ssim"])
    )
    assert row["n"] == 2 and row["data"] == str(photographs)


def test_markdown_and_costs(photographs, capsys, tmp_path):
    out = tmp_path / "table.md"
    options = ("--data", photographs, "--scale", 2, "--model", "nearest", "--out", out)
    status, said, _ = run(capsys, *options)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert status == 0 and said == f"1 rows in {out}\n"
    assert lines[0] == "**photographs x2**, 2 images" and len(lines) == 5
    heading, cells = lines[2], lines[4]
    assert heading.count("|") == lines[3].count("|") == cells.count("|")
    assert "megapixels/s" in heading and cells.startswith("| `nearest` | ")
    assert run(capsys, *options)[0] == 2  # nothing is overwritten


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "hubble"), "no test set or folder 'hubble'"),
        (("--data", "deeplense", "--scale", 4), "scale is 4; the test sets offer deeplense 2"),
        (("--model", "nobody"), "no upscaler called 'nobody'"),
        (("--model", "srgan-photo-x4", "--data", "telescope"), "srgan-photo-x4 fits none of the test sets"),
        (("--model", "wiener", "--scale", 3), "wiener fits none of the test sets"),
        (("--n", 0), "n is 0; expected at least 1"),
        (("--out", "nowhere/table.md"), "nowhere/table.md exists already, or its folder does not"),
    ],
)
def test_mistakes_cost_one_line(arguments, said, capsys):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1 and said in err and "Traceback" not in err
