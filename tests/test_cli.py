"""The command line as a user meets it: its JSON, its exit status, and one line for every mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pictures import save_picture

from srutils import cli, course
from srutils.lensing import simulator
from srutils.lensing.folders import load_deeplense

FIGURES = {
    "psnr": float,
    "ssim": float,
    "mse": float,
    "lpips": type(None),
    "psnr_std": float,
    "ssim_std": float,
}


def run(capsys, *arguments):
    """Exit status, stdout and stderr of `srutils arguments`, without a new process."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def complaint(capsys, *arguments):
    """The one line of stderr that a mistake costs; nothing on stdout, status 2."""
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1 and err.endswith("\n"), err
    assert err.startswith("srutils: ") and "Traceback" not in err and "Error" not in err
    return err


def python_m(*arguments, **options):
    command = [sys.executable, "-m", "srutils", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, **options)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        save_picture(folder / f"{i}.png", rng.random((30, 26 + i, 3)))
    return folder


# ---------------------------------------------------------------- what it prints
def check_contract(result, model, data, n, scale, more):
    figures = {key: type(value) for key, value in result.items() if key in FIGURES}
    assert figures == FIGURES
    assert {key: type(value) for key, value in result["bicubic"].items()} == FIGURES | {"method": str}
    assert (result["model"], result["data"], result["n"], result["scale"]) == (model, data, n, scale)
    assert set(result) == set(FIGURES) | {"model", "data", "n", "scale", "bicubic"} | more


def test_evaluate_prints_the_agreed_json(capsys, photographs):
    status, out, err = run(capsys, "evaluate", "lanczos", "--data", photographs, "--scale", 2, "--json")
    assert status == 0 and err == ""
    check_contract(json.loads(out), "lanczos", str(photographs), 3, 2, {"protocol"})
    status, out, _ = run(
        capsys, "evaluate", "bicubic", "--data", "telescope", "--scale", 4, "--n", 2, "--json"
    )
    assert status == 0
    check_contract(json.loads(out), "bicubic", "telescope", 2, 4, {"seed"})
    status, out, _ = run(
        capsys, "evaluate", "bicubic", "--data", "deeplense", "--scale", 2, "--n", 2, "--json"
    )
    check_contract(json.loads(out), "bicubic", "deeplense", 2, 2, {"seed"})
    assert json.loads(out)["bicubic"]["method"] == "bicubic-torch"


def test_evaluate_prints_a_table(capsys, photographs):
    status, out, err = run(capsys, "evaluate", "nearest", "--data", photographs, "--scale", 3, "--n", 2)
    lines = out.splitlines()
    assert status == 0 and err == "" and lines[0] == f"2 images of {photographs}, x3"
    assert lines[1].split() == ["PSNR", "[dB]", "SSIM", "MSE"]
    assert [line.split()[0] for line in lines[2:]] == ["nearest", "bicubic"]
    result = json.loads(
        run(capsys, "evaluate", "nearest", "--data", photographs, "--scale", 3, "--n", 2, "--json")[1]
    )
    assert f"{result['psnr']:.2f} ± {result['psnr_std']:.2f}" in lines[2]


def test_the_same_seed_prints_the_same(capsys):
    ask = ("evaluate", "wiener", "--data", "telescope", "--scale", 2, "--n", 2, "--json", "--seed")
    first, again, other = (run(capsys, *ask, seed)[1] for seed in (1, 1, 2))
    assert first == again != other
    assert json.loads(first)["psnr"] > json.loads(first)["bicubic"]["psnr"] + 2


def test_json_is_strict_even_for_infinite_psnr(capsys, tmp_path):
    save_picture(tmp_path / "flat.png", np.zeros((20, 20, 1)))
    status, out, err = run(capsys, "evaluate", "nearest", "--data", tmp_path, "--scale", 2, "--json")

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    result = json.loads(out, parse_constant=refuse)
    assert status == 0 and err == "" and result["psnr"] is None and result["mse"] == 0


def test_models_lists_what_load_takes(capsys):
    status, out, _ = run(capsys, "models", "--json")
    names = [card["name"] for card in json.loads(out)]
    assert status == 0
    assert {"nearest", "bilinear", "bicubic", "lanczos", "bicubic-torch", "wiener", "richardson-lucy"} <= set(
        names
    )
    status, out, _ = run(capsys, "models")
    assert [line.split()[0] for line in out.splitlines()] == names


def test_fetch_lists_the_data_sets_with_their_terms(capsys):
    status, out, err = run(capsys, "fetch")
    assert status == 0 and err == "" and "set5" in out and len(out.splitlines()) >= 2


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_is_no_mistake(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert status == 0 and err == ""
    for command in ("evaluate", "models", "simulate", "fetch"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", ["evaluate", "models", "simulate", "fetch"])
def test_each_command_has_help(capsys, command):
    status, out, err = run(capsys, command, "--help")
    assert status == 0 and err == "" and f"srutils {command}" in out


def test_python_m_srutils_is_the_same_program(photographs):
    done = python_m("evaluate", "bicubic", "--data", photographs, "--scale", 2, "--json")
    assert done.returncode == 0 and done.stderr == ""
    check_contract(json.loads(done.stdout), "bicubic", str(photographs), 3, 2, {"protocol"})
    failed = python_m("evaluate", "bicubic", "--data", photographs / "no", "--scale", 2)
    assert failed.returncode == 2 and failed.stdout == "" and failed.stderr.count("\n") == 1


# ---------------------------------------------------------------- mistakes
def corrupt_png(path):
    save_picture(path / "bad.png", np.random.default_rng(0).random((30, 30, 3)))
    data = (path / "bad.png").read_bytes()
    (path / "bad.png").write_bytes(data[: len(data) // 2])


def truncated_npy(path):
    np.save(path / "bad.npy", np.zeros((30, 30, 3)))
    (path / "bad.npy").write_bytes((path / "bad.npy").read_bytes()[:-1000])


def pickled_npy(path):
    np.save(path / "bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


FOLDERS = {
    "a corrupt PNG": (corrupt_png, "bad.png"),
    "a text file called PNG": (
        lambda path: (path / "bad.png").write_text("hello", encoding="utf-8"),
        "bad.png",
    ),
    "a truncated npy": (truncated_npy, "bad.npy"),
    "a pickled npy": (pickled_npy, "bad.npy"),
    "a NaN": (lambda path: np.save(path / "bad.npy", np.full((30, 30, 1), np.nan)), "bad.npy"),
    "a wrong rank": (lambda path: np.save(path / "bad.npy", np.zeros((2, 30, 30, 3))), "bad.npy"),
    "two channels": (lambda path: np.save(path / "bad.npy", np.zeros((30, 30, 2))), "bad.npy"),
    "values up to 255": (lambda path: np.save(path / "bad.npy", np.full((30, 30, 1), 255.0)), "bad.npy"),
    "an image smaller than the scale": (
        lambda path: save_picture(path / "bad.png", np.zeros((3, 30, 3))),
        "bad.png",
    ),
    "an image too small for SSIM": (
        lambda path: save_picture(path / "bad.png", np.zeros((12, 30, 3))),
        "bad.png",
    ),
    "nothing": (lambda path: None, "no image in"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_with_something_bad_in_it(capsys, tmp_path, case):
    make, named = FOLDERS[case]
    make(tmp_path)
    before = {f: f.read_bytes() for f in tmp_path.iterdir()}
    assert named in complaint(capsys, "evaluate", "bicubic", "--data", tmp_path, "--scale", 4, "--json")
    assert {f: f.read_bytes() for f in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("evaluate bicubic --data no-such-folder --scale 2", "no folder 'no-such-folder'"),
        ("evaluate bicubik --data telescope --scale 2", "no upscaler called 'bicubik'; there are nearest,"),
        ("evaluate no.onnx --data telescope --scale 2", "no upscaler called 'no.onnx'"),
        ("evaluate bicubic --data telescope", "bicubic needs a scale"),
        ("evaluate bicubic --data telescope --scale 0", "bicubic needs a scale"),
        ("evaluate bicubic --data telescope --scale 3", "scale is 3; the telescope track offers 2 or 4"),
        ("evaluate bicubic --data deeplense --scale 4", "scale is 4; the deeplense track offers 2"),
        ("evaluate bicubic --data telescope --scale two", "'--scale'"),
        ("evaluate bicubic --data telescope --scale 2 --n 0", "n is 0; expected at least 1"),
        ("evaluate bicubic --data telescope --scale 2 --n -3", "n is -3"),
        ("evaluate bicubic --data telescope --scale 2 --seed -1", "seed is -1"),
        ("evaluate bicubic --data telescope --scale 2 --protocol luma", "is for photographs"),
        ("evaluate bicubic --scale 2", "--data"),
        ("evaluate --data telescope --scale 2", "model"),
        ("evaluate bicubic --data telescope --scale 2 --colour", "--colour"),
        ("evaluate bicubic nearest --data telescope --scale 2", "nearest"),
        ("enlarge x.png", "enlarge"),
        ("models extra", "extra"),
        ("fetch no-such-set", "no-such-set"),
    ],
)
def test_mistakes_in_the_command(capsys, arguments, message):
    assert message.lower() in complaint(capsys, *arguments.split()).lower()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--n 0", "n is 0; expected an integer of at least 1"),
        ("--n 2 --track hubble", "track is 'hubble'; expected one of deeplense, telescope"),
        ("--n 2 --classes subhalo,axion", "'axion'"),
        ("--n 2 --scale 3", "scale is 3"),
        ("--n 2 --track deeplense --scale 4", "scale is 4; the deeplense track offers 2"),
        ("--n 2 --seed -1", "seed is -1"),
        ("--n many", "'--n'"),
    ],
)
def test_a_mistake_leaves_no_folder(capsys, tmp_path, arguments, message):
    assert message in complaint(capsys, "simulate", "--out", tmp_path / "out", *arguments.split())
    assert not any(tmp_path.iterdir())


def test_a_bug_is_not_dressed_up_as_a_mistake(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr("srutils.scoring.upscalers.evaluate", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["evaluate", "bicubic", "--data", "telescope", "--scale", "2"])


def test_ctrl_c_ends_quietly(capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("srutils.scoring.upscalers.evaluate", interrupted)
    status, out, err = run(capsys, "evaluate", "bicubic", "--data", "telescope", "--scale", "2")
    assert status == 130 and out == "" and "Traceback" not in err


def test_without_torch_the_command_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    line = complaint(capsys, "evaluate", "bicubic", "--data", "telescope", "--scale", "2", "--n", "1")
    assert "torch" in line and "srutils[lens]" in line


# ---------------------------------------------------------------- simulate
def test_simulate_writes_the_deeplense_layout(capsys, tmp_path):
    ask = ("simulate", "--n", 3, "--classes", "subhalo, vortex", "--scale", 2, "--seed", 4, "--out")
    status, out, err = run(capsys, *ask, tmp_path / "lenses")
    assert status == 0 and str(tmp_path / "lenses") in out and "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lenses"]  # nothing is left aside
    expected = simulator.simulate("telescope", 3, scale=2, classes=["subhalo", "vortex"], seed=4)
    for kind, images in (("HR", expected.hr), ("LR", expected.lr), ("truth", expected.truth)):
        files = sorted((tmp_path / "lenses" / kind).iterdir())
        assert [f.suffix for f in files] == [".npy"] * 3
        stored = np.stack([np.load(f, allow_pickle=False) for f in files])
        assert stored.shape == (3, 1, *images.shape[1:3])  # one channel first, as in the original files
        np.testing.assert_allclose(stored[:, 0], images[..., 0], rtol=1e-6)
    back = load_deeplense(tmp_path / "lenses")
    np.testing.assert_array_equal(back.lr, expected.lr)
    run(capsys, *ask, tmp_path / "again")
    names = sorted(
        p.relative_to(tmp_path / "lenses") for p in (tmp_path / "lenses").rglob("*") if p.is_file()
    )
    for name in names:  # the same seed, the same bytes
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "lenses" / name).read_bytes()


def test_simulate_leaves_a_folder_with_something_in_it_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "simulate", lambda *a, **k: pytest.fail("the work should not begin"))
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    assert str(tmp_path) in complaint(capsys, "simulate", "--n", 2, "--out", tmp_path)
    assert "mine.txt" in complaint(capsys, "simulate", "--n", 2, "--out", tmp_path / "mine.txt")
    assert [f.read_text(encoding="utf-8") for f in tmp_path.iterdir()] == ["precious"]


def test_simulate_interrupted_leaves_nothing(capsys, tmp_path, monkeypatch):
    save, calls = np.save, []

    def full_disk(file, array, **options):
        calls.append(file)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        save(file, array, **options)

    monkeypatch.setattr(np, "save", full_disk)
    status, out, err = run(capsys, "simulate", "--n", 2, "--out", tmp_path / "lenses")
    assert status == 2 and "No space left" in err.splitlines()[-1] and len(calls) == 3
    assert not any(tmp_path.iterdir())


def test_the_issues_own_command():
    folder = course.find_data("Set5")
    if folder is None:
        pytest.skip("Set5 is not here: set SR_DATA to a folder that holds it, or run `srutils fetch set5`")
    done = python_m("evaluate", "bicubic", "--data", folder, "--scale", "3", "--json")
    result = json.loads(done.stdout)
    assert result["psnr"] == pytest.approx(30.39, abs=0.005) and result["ssim"] == pytest.approx(
        0.8682, abs=0.0002
    )
