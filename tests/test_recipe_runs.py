"""Runs on disk: folders, records, trackers, warm starts, model files written whole; and the register."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from srutils import course
from srutils.recipes import register, runs, scores
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start, total_seconds, total_steps

RECIPE = register.find("srresnet-deeplense-x2")
DATA = SimpleNamespace(fingerprint="f00d", says="ten lenses", split="8, 1 and 1", images=8)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "cache"))
    for name in ("SR_DATA", "RANK"):
        monkeypatch.delenv(name, raising=False)


def start_file(path, text="weights", **card):
    path.write_text(text, encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return Start.find(path)


def opened(data=DATA, recipe=RECIPE, start=None, batch=4, **settings):
    given = {"steps": 10, **settings}
    return runs.Run.open(Settings(recipe.name, **given), recipe, data, start=start, batch=batch)


# ---------------------------------------------------------------- folders
def test_a_run_has_a_folder_of_its_own(tmp_path):
    """Whatever decides the result names the folder; what does not, does not."""
    a, b = (start_file(tmp_path / f"{n}.onnx", n, steps=1, seconds=1) for n in "ab")
    other_data = SimpleNamespace(**{**vars(DATA), "fingerprint": "beef"})
    other_losses = replace(RECIPE, options=RECIPE.options | {"rate": 0.5})
    ways = [
        {},
        {"steps": 11},
        {"steps": None, "minutes": 2},
        {"steps": None, "minutes": 3},
        {"steps": None},
        {"seed": 1},
        {"data": other_data},
        {"start": a},
        {"start": b},
        {"batch": 5},
        {"recipe": other_losses},
        {"recipe": register.find("srresnet-telescope-x2")},
    ]
    folders = [opened(**way).folder for way in ways]
    assert len(set(folders)) == len(ways)
    assert opened(tracker=None, out=tmp_path / "other.onnx", device="cpu").folder == folders[0]


def test_the_folder_says_in_words_what_it_is_for(tmp_path):
    run = opened(start=start_file(tmp_path / "a.onnx"), seed=7)
    said = json.loads((run.folder / "settings.json").read_text(encoding="utf-8"))
    assert (said["data"], said["split"], said["start"]) == ("ten lenses", "8, 1 and 1", "a")
    assert (said["seed"], said["steps"], said["batch"]) == (7, 10, 4)
    assert run.folder.is_relative_to(tmp_path / "cache" / "training" / RECIPE.name)


def test_fresh_empties_the_folder_of_this_run_alone():
    run, other = opened(), opened(seed=1)
    for folder in (run.folder, other.folder):
        (folder / "step-000000005").mkdir()
    opened(fresh=True)
    assert not (run.folder / "step-000000005").exists() and (other.folder / "step-000000005").exists()


def test_rows_after_the_checkpoint_are_dropped():
    run = opened()
    for step in (2, 4, 6):
        run.record({"step": step, "seconds": 1.5, "val_psnr": np.float32(30 + step)})
    again = opened()
    again.resume(4)
    assert [row["step"] for row in again.rows] == [2, 4] and again.rows[1]["val_psnr"] == 34
    again.record({"step": 6, "seconds": 1.0})
    assert [row["step"] for row in json.loads((run.folder / "rows.json").read_text(encoding="utf-8"))] == [
        2,
        4,
        6,
    ]


def test_only_one_of_several_processes_writes(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    run = opened()
    run.record({"step": 1, "seconds": 1.0})
    assert not run.folder.exists() and capsys.readouterr().out == ""
    assert run.deliver(None, {}, None) is None


# ---------------------------------------------------------------- what is refused, before any work
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "--steps is 0; expected more than 0"),
        ({"minutes": -1.0}, "--minutes is -1"),
        ({"batch": 0}, "--batch is 0"),
        ({"seed": -1}, "--seed is -1"),
        ({"steps": 5, "minutes": 1.0}, "give one of them"),
        ({"ship": True, "out": "x.onnx"}, "give one of them"),
        ({"device": "gpu"}, "--device is 'gpu'; expected auto or cpu or cuda or mps"),
        ({"precision": "int8"}, "--precision is 'int8'"),
        ({"steps": -3, "start": "srresnet-photo-x4"}, "--steps is -3"),
        ({"tracker": "wanbd"}, "--tracker is 'wanbd'; expected wandb or tensorboard"),
        ({"tracker": "wandb"}, "wandb is not installed: pip install wandb"),
        ({"arch": "vgg"}, "--arch and --classes are for classifiers"),
    ],
)
def test_settings_that_cannot_be_followed(settings, message, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # no tracker is installed
    with pytest.raises(ValueError, match=message):
        register.train(Settings(RECIPE.name, **settings))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="which is not a folder"):
        register.train(Settings(RECIPE.name, data=tmp_path / "none"))


def test_what_is_there_is_replaced_only_when_asked(tmp_path):
    for name in ("mine.json", f"{RECIPE.name}.keras"):
        (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match="mine.json exists already; --overwrite replaces it"):
        opened(out=tmp_path / "mine.onnx")
    with pytest.raises(FileExistsError, match=".keras exists already"):
        opened()
    opened(out=tmp_path / "mine.onnx", overwrite=True)


@pytest.mark.parametrize("name", ["new", "srresnet-deeplense-x2"])
def test_nothing_but_ship_writes_among_the_shipped_models(name):
    with pytest.raises(ValueError, match="would be among the shipped models"):
        opened(out=course.models_dir() / f"{name}.onnx", overwrite=True)
    targets = runs.targets(Settings(RECIPE.name, ship=True), RECIPE)
    assert targets == {RECIPE.name: course.models_dir() / f"{RECIPE.name}.onnx"}


def test_other_bad_targets(tmp_path):
    with pytest.raises(ValueError, match="ends in .onnx"):
        opened(out=tmp_path / "mine.keras")
    with pytest.raises(FileNotFoundError, match="not a folder that can be written to"):
        opened(out=tmp_path / "none" / "mine.onnx")


def test_a_recipe_of_three_files_names_them_by_scale(tmp_path):
    joint = register.find("srresnet-photo")
    mine = runs.targets(Settings(joint.name, out=tmp_path / "mine.onnx"), joint)
    assert [path.name for path in mine.values()] == ["mine-x2.onnx", "mine-x3.onnx", "mine-x4.onnx"]
    usual = runs.targets(Settings(joint.name), joint)
    assert [path.stem for path in usual.values()] == list(joint.files) == list(usual)


# ---------------------------------------------------------------- trackers
WANDB = """
calls = []
class config:
    @staticmethod
    def update(values, allow_val_change):
        calls.append(("config", values))
class Run:
    def log(self, values, step):
        calls.append(("log", step, values))
    def finish(self):
        calls.append(("finish",))
def init(**options):
    calls.append(("init", options))
    return Run()
"""


def test_a_tracker_gets_the_settings_and_every_row(tmp_path, monkeypatch):
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "wandb.py").write_text(WANDB, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "fake")
    Settings(RECIPE.name, tracker="wandb").check()
    run = opened(tracker="wandb", device="cpu")
    run.record({"step": 5, "seconds": 1.0, "loss": 0.25})
    run.close()
    (_, options), (_, settings), (_, step, row), end = sys.modules.pop("wandb").calls
    assert options["project"] == "srutils" and options["id"] == run.folder.name and end == ("finish",)
    assert (settings["data"], settings["steps"], settings["batch"]) == ("ten lenses", 10, 4)
    assert settings["rate"] == RECIPE.options["rate"] and settings["recipe"] == RECIPE.name
    assert step == 5 and row["loss"] == 0.25


def test_a_tracker_that_cannot_begin_costs_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "wandb.py").write_text(
        "def init(**options):\n    raise RuntimeError('no key')", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path / "fake")
    with pytest.raises(ValueError, match="wandb cannot begin: no key"):
        opened(tracker="wandb", device="cpu")
    sys.modules.pop("wandb")


# ---------------------------------------------------------------- warm starts
def test_a_chain_of_warm_starts_is_added_up(tmp_path):
    new = {"steps": 10, "seconds": 100, "start": {"name": "b", "steps": 30, "seconds": 80}}
    found = start_file(tmp_path / "new.onnx", **new)
    assert (found.steps, found.seconds) == (40, 100)
    old = json.loads((course.models_dir() / "srgan-deeplense-x2.json").read_text(encoding="utf-8"))
    if isinstance(old.get("start"), str):  # a card that names its start in words, and counts its own seconds
        begun = json.loads((course.models_dir() / "srresnet-deeplense-x2.json").read_text(encoding="utf-8"))
        assert total_seconds(old) == old["seconds"] + begun["seconds"]
        assert total_steps(old) == old["steps"] + begun["steps"]


def test_a_shipped_model_is_found_by_name_and_others_are_refused(tmp_path):
    found = Start.find("srresnet-photo-x4")
    assert found.path == course.models_dir() / "srresnet-photo-x4.onnx" and found.steps > 0
    assert Start.find(None) is None
    with pytest.raises(ValueError, match="--from is 'srresnet-photo-x5'; expected a file ending in .onnx"):
        Start.find("srresnet-photo-x5")
    with pytest.raises(ValueError, match="--from is"):
        Start.find(tmp_path / "none.onnx")


# ---------------------------------------------------------------- the end
def write(stem, folder, card):
    (folder / f"{stem}.onnx").write_text("network", encoding="utf-8")
    (folder / f"{stem}.json").write_text("{}", encoding="utf-8")
    return {"name": stem, **card}


def test_a_model_appears_whole_with_its_card_and_its_other_files(tmp_path, capsys):
    run = opened(start=start_file(tmp_path / "a.onnx", steps=30, seconds=60), out=tmp_path / "mine.onnx")
    for step in (5, 10):
        run.record({"step": step, "seconds": 2.0, "val_psnr": 30.0 + step})
    also = {".keras": lambda path: path.write_text("keras", encoding="utf-8")}
    card = run.deliver(
        write, {"scale": 2}, lambda path: {"test": path.read_text(encoding="utf-8")}, also=also
    )
    assert card == json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert (tmp_path / "mine.keras").read_text(encoding="utf-8") == "keras" and (
        tmp_path / "mine.onnx"
    ).exists()
    assert (card["steps"], card["seconds"], card["seconds_here"], card["scale"]) == (10, 64, 4, 2)
    assert card["data"] == "ten lenses" and card["images"] == 8 and card["metrics"] == {"test": "network"}
    assert card["curve"] == {"step": [5, 10], "val_psnr": [35.0, 40.0]}
    assert "mine.onnx: 10 steps" in capsys.readouterr().out


def test_a_failure_at_the_end_leaves_what_was_there(tmp_path):
    (tmp_path / "mine.onnx").write_text("before", encoding="utf-8")
    run = opened(out=tmp_path / "mine.onnx", overwrite=True)

    def score(path):
        raise ValueError("cannot be scored")

    with pytest.raises(ValueError, match="cannot be scored"):
        run.deliver(write, {}, score)
    assert (tmp_path / "mine.onnx").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "mine.onnx"]


# ---------------------------------------------------------------- scores
def test_the_ceiling_of_noisy_lenses_is_near_the_oracle():
    """The oracle knows the noise-free truth; the estimate sees HR and LR only."""
    from srutils import metrics
    from srutils.lensing import oracle, simulate

    lenses = simulate("deeplense", 12, split="val")
    best = metrics.psnr(oracle(lenses), lenses.hr).mean()
    assert scores.ceiling(lenses.lr, lenses.hr) == pytest.approx(best, abs=0.4)
    assert scores.ceiling(lenses.lr[:, ::-1], lenses.hr) is None  # LR that was not made of HR has none


def test_scores_stand_beside_bicubic(tmp_path):
    from tiny_models import nearest_model

    rng = np.random.default_rng(0)
    hr = [(255 * rng.random((40, 44, 3))).astype(np.uint8) for _ in range(2)]
    lr = [image[::2, ::2] for image in hr]
    data = SimpleNamespace(val=(lr[:1], hr[:1]), test=(lr, hr), kind="photo", track=None)
    found = scores.of_upscaler(nearest_model(tmp_path, channels="rgb"), data, quick=True, own=True)
    assert {name: s["n"] for name, s in found.items()} == {"validation": 1, "test": 2}
    assert found["test"]["psnr"] != found["test"]["bicubic"]["psnr"]
    text = scores.table({"name": "mine", "metrics": found})
    assert text.count("bicubic") == 2 and f"{found['test']['psnr']:.2f}" in text
    lens = {"n": 1, "mse": 0.1, "psnr": 40.0, "ssim": 0.9}
    lens |= {"bicubic": lens | {"method": "bicubic-torch"}, "ceiling": 42.25}
    assert "42.25" in scores.table({"name": "mine", "metrics": {"test": lens}})


# ---------------------------------------------------------------- the register
def test_every_shipped_model_has_a_recipe_and_its_hours_from_the_card():
    shipped = {path.stem for path in course.models_dir().glob("*.onnx")}
    assert shipped <= {name for recipe in register.RECIPES.values() for name in recipe.files}
    card = json.loads((course.models_dir() / f"{RECIPE.name}.json").read_text(encoding="utf-8"))
    assert RECIPE.hours == pytest.approx(total_seconds(card) / 3600)
    assert replace(RECIPE, name="not-there").hours is None


def test_options_are_plain_so_that_they_can_name_a_folder():
    for recipe in register.RECIPES.values():
        json.dumps(recipe.options, sort_keys=True)


def test_an_unknown_recipe_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no recipe called 'srresnet-photo-x5'; did you mean srresnet-photo"):
        register.find("srresnet-photo-x5")
    with pytest.raises(ValueError, match="there are srcnn-photo-x2, "):
        register.find("")
