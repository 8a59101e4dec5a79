"""`make bench`: the ways take turns, answers are compared, and the page is written whole or not at all."""

import math
import os
import platform
import statistics
import sys
from functools import partial

import numpy as np
import pytest

from srutils import course
from tools.bench import __main__ as bench
from tools.bench import engines, feed, metrics, models, race, simulator
from tools.project import ROOT

SIZE = (42, 57)


class Machine:
    """A clock, and work that moves it on: each round of calls finds the machine slower or faster."""

    def __init__(self, **seconds):
        self.now, self.calls, self.seconds = 0.0, [], seconds
        self.slower = [9, 1, 50, 7, 0.2, 3]

    def clock(self):
        return self.now

    def work(self, name):
        def run():
            self.now += self.seconds[name] * self.slower[len(self.calls) // len(self.seconds)]
            self.calls.append(name)
            return name

        return run

    def ways(self):
        return {name: (10, self.work(name)) for name in self.seconds}


def test_ratios_are_of_the_same_round_and_the_ways_take_turns():
    machine = Machine(plain=6.0, ours=2.0, slow=12.0)
    rows = race.race("work", "pieces/s", machine.ways(), 5, clock=machine.clock)
    forth = ["plain", "ours", "slow"]
    assert machine.calls == 3 * (forth + forth[::-1])
    assert [row.way for row in rows] == forth
    # the speeds follow the machine, the first round does not count, and the ratios do not mind
    assert rows[0].speeds == pytest.approx([10 / 6 / slower for slower in machine.slower[1:]])
    assert rows[0].ratios == [1] * 5
    assert rows[1].ratios == pytest.approx([3] * 5) and rows[2].ratios == pytest.approx([0.5] * 5)


def test_answers_that_disagree_stop_the_race():
    ways = {"plain": (1, lambda: 1.0), "ours": (1, lambda: 1.1), "other": (1, lambda: 1.0)}
    apart = lambda a, b: abs(a - b)  # noqa: E731
    rows = race.race("sum", "sums/s", ways, 2, apart, {"ours": 0.2, "other": 0})
    assert [row.note for row in rows] == ["", "differs by 1e-01 at most", ""]
    with pytest.raises(RuntimeError, match="sum: ours is 1.0e-01 away from plain; expected at most 0.05"):
        race.race("sum", "sums/s", ways, 2, apart, {"ours": 0.05, "other": 0})
    with pytest.raises(RuntimeError, match="other is nan away"):
        race.race("sum", "sums/s", ways | {"other": (1, lambda: math.nan)}, 2, apart, {"ours": 1, "other": 1})


def test_an_answer_is_compared_in_every_round():
    answers = iter([1.0, 1.0, 1.0, 2.0])
    ways = {"plain": (1, lambda: 1.0), "ours": (1, lambda: next(answers))}
    with pytest.raises(RuntimeError, match="ours is 1.0e"):
        race.race("sum", "sums/s", ways, 3, lambda a, b: abs(a - b), {"ours": 0.5})


def test_a_line_of_the_table():
    row = race.Row("SSIM", "ours", "pairs/s", [900.0, 1234.0, 2000.0], [2.0, 2.5, 30.0], "a remark")
    assert row.markdown() == (
        "| SSIM | ours | 1,234 (900 to 2,000) pairs/s | 2.50 (2.00 to 30.0) | a remark |"
    )
    assert race.Row("SSIM", "plain", "pairs/s", [2.0], [1.0]).markdown() == (
        "| SSIM | plain | 2.00 (2.00 to 2.00) pairs/s | 1 |  |"
    )
    missing = race.Row("SSIM", "other", note="not installed").markdown()
    assert missing == "| SSIM | other |  |  | not installed |"
    assert len({line.count("|") for line in (*race.HEAD.splitlines(), row.markdown(), missing)}) == 1


# ---------------------------------------------------------------- the parts, on tiny sizes
def check(rows, ways):
    """Every way has its speeds, and its ratios are those of the speeds of the same rounds."""
    assert [row.way for row in rows] == ways
    for row in rows:
        assert len(row.speeds) == 2 and all(speed > 0 for speed in row.speeds)
        theirs = rows[0].speeds
        assert row.ratios == pytest.approx([a / b for a, b in zip(row.speeds, theirs, strict=True)])


def test_metrics():
    rows = metrics.rows(2, n=2)
    for k in (0, 2):
        check(rows[k : k + 2], ["scikit-image, in a loop", "srutils, as a batch"])


def test_feed():
    check(feed.rows(2, 1, 2, 8), ["DataLoader, patch by patch", "srutils, `PatchFeed.batch`"])


def test_the_plain_loader_cuts_the_same_place_out_of_both():
    lr = [np.arange(20 * 30, dtype=np.float32).reshape(20, 30, 1) + 1000 * k for k in range(2)]
    hr = [image.repeat(4, 0).repeat(4, 1) for image in lr]
    for small, large in feed.plain_loader(lr, hr, 8, 3, 2):
        assert small.shape == (3, 8, 8, 1)
        np.testing.assert_array_equal(small.numpy().repeat(4, 1).repeat(4, 2), large.numpy())


def test_simulator():
    pytest.importorskip("lenstronomy")
    rows = simulator.rows(2, 3, 3)
    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        check(part, [row.way for row in part])
        assert part[0].way.startswith("lenstronomy") and part[1].way == "srutils, one core"


def test_engines_run_the_same_network_as_pytorch():
    rows = engines.torch_rows(2, SIZE, 64)
    measured = [row for row in rows if row.speeds]
    check(measured, [row.way for row in measured])
    names = [row.way for row in rows]
    assert names[0] == "PyTorch eager, NCHW, float32" and "channels last" in names[1]
    assert names[3:] == ["ONNX Runtime, float32", "OpenVINO, float32", "OpenVINO, bfloat16: rounds"]
    assert engines.SMALL in names[2] and "dB instead of" in rows[2].note
    own = [row for row in measured if engines.SMALL not in row.way]
    assert all(("% of a product's speed" in row.note) == row.way.endswith("float32") for row in own)


def test_engines_run_the_same_network_as_keras():
    pytest.importorskip("tensorflow")
    measured = [row for row in engines.keras_rows(2, SIZE) if row.speeds]
    check(measured, [row.way for row in measured])
    assert [row.way for row in measured[:2]] == ["Keras on TensorFlow, float32", "ONNX Runtime, float32"]


NAME, SHAPE = "superrescnn-deeplense-x2", (*SIZE, 1)
OTHERS = {"other weights": (1e-4, engines.model_file, "srresnet-deeplense-x2", "onnxruntime", SHAPE)}


def test_an_engine_with_other_weights_is_found_out():
    with pytest.raises(RuntimeError, match="ONNX Runtime, float32 is .* away from other weights"):
        engines.engine_rows(NAME, OTHERS, 1, SHAPE, 2)


def test_an_engine_that_is_not_installed_is_named(monkeypatch):
    found = engines.util.find_spec
    monkeypatch.setattr(engines.util, "find_spec", lambda name: None if name == "openvino" else found(name))
    rows = engines.engine_rows(NAME, {}, 1, SHAPE, 2)
    assert [row.note for row in rows] == ["", "not installed", "not installed"]


def test_a_worker_is_a_process_of_its_own():
    worker = race.Worker(partial, os.getpid)
    assert worker.run() is worker and worker.answer() not in (os.getpid(), None)
    worker.close()
    with pytest.raises(RuntimeError, match="ValueError: "):
        race.Worker(math.sqrt, -1)
    with pytest.raises(RuntimeError, match="ValueError: "):
        race.Worker(partial, math.sqrt, -1).run()
    with pytest.raises(RuntimeError, match="has died"):
        race.Worker(partial, os._exit, 3).run()


def test_models_are_measured_in_processes_of_their_own():
    ballast = np.ones(50_000_000)  # 400 MB, which a child must not inherit
    (row,) = models.rows(2, SIZE, ["superrescnn-deeplense-x2"])
    assert len(row.speeds) == 2 and row.unit == "Mpx/s" and not row.ratios
    if models.peak_memory():
        assert models.peak_memory() > ballast.nbytes
        assert 30 < int(row.note.removeprefix("peak memory ").removesuffix(" MB")) < 300
    (classifier,) = models.rows(1, SIZE, ["lens-classifier"])
    assert classifier.unit == "lenses/s" and classifier.speeds[0] > 1
    with pytest.raises(RuntimeError, match="nonsense failed: .*no upscaler called"):
        models.rows(1, SIZE, ["nonsense"])


# ---------------------------------------------------------------- the training steps
@pytest.fixture
def small(monkeypatch, tmp_path):
    """SRResNet on one core in float32, which is what a small network is quickest with."""
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("SR_CACHE", str(tmp_path))
    monkeypatch.setattr(course, "device", lambda: "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {
        "precision": "no",  # one process can only use one
        "width": 8,
        "blocks": 1,
        "batch": 2,
        "patch": 8,
        "side": 32,
    }
    torch.set_num_threads(threads)


def test_training_steps_of_pytorch(small):
    from srutils.networks.srresnet import SRResNet
    from tools.bench import training

    product, *steps = training.srresnet_rows(2, **small)
    assert product.unit == "GFLOP/s" and product.way == "float32"
    check(steps, ["PyTorch, plain loop, float32", "recipe, float32"])
    lr, weights = np.zeros((2, 8, 8, 3), np.float32), 9 * 9 * 3 * 8 + 3 * (3 * 3 * 8 * 8) + 3 * 3 * 8 * 48
    network = SRResNet(4, 3, 8, 1)
    assert training.forward_flops(network, lr) == 2 * weights * 8 * 8 * 2
    work = 3 * 2 * weights * 8 * 8
    share = statistics.median(steps[1].speeds) * work * 1e-9 / max(product.speeds)
    assert steps[1].note == f"{share:.0%} of a product's speed"


def test_different_training_is_found_out(small, monkeypatch):
    from tools.bench import training

    plain = training.plain_step
    monkeypatch.setattr(training, "plain_step", lambda n, lr, hr, d: plain(n, lr, 0.9 * hr, d))
    with pytest.raises(RuntimeError, match="recipe, float32 is .* away from PyTorch, plain loop"):
        training.srresnet_rows(1, **small)


def test_training_steps_of_keras():
    pytest.importorskip("tensorflow")
    import keras

    from tools.bench import training

    check(training.srcnn_rows(2, batch=2, patch=16), ["Keras, float32", "Keras, bfloat16"])
    assert keras.mixed_precision.global_policy().name == "float32"


# ---------------------------------------------------------------- the command
@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of its own to write, and rows that cost nothing."""
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "PAGE", tmp_path / "docs" / "benchmarks.md")
    row = lambda part, rounds: [race.Row(part, "ours", "things/s", [2.0] * rounds, [1.5] * rounds)]  # noqa: E731
    monkeypatch.setattr(bench, "measure", row)
    return bench.PAGE


def test_the_page_has_the_table_the_machine_and_how(page, capsys):
    assert bench.main(["--write", "--rounds", "3"]) == 0
    text, printed = page.read_text(encoding="utf-8"), capsys.readouterr().out
    for part in bench.PARTS:
        line = f"| {part} | ours | 2.00 (2.00 to 2.00) things/s | 1.50 (1.50 to 1.50) |  |\n"
        assert line in text and line in printed
    assert f"CPU, {os.cpu_count()} cores" in text and f"numpy {np.__version__}" in text
    assert "3 times after one round to warm up" in text
    assert str(ROOT) not in text and str(os.path.expanduser("~")) not in text
    assert platform.node() not in text or len(platform.node()) < 5
    assert os.listdir(page.parent) == [page.name]


def test_only_measures_one_part_and_writes_nothing(page, capsys):
    assert bench.main(["--only", "metrics"]) == 0
    assert "| metrics |" in (printed := capsys.readouterr().out) and "| feed |" not in printed
    assert not page.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "metrics", "--write"], "--write wants the whole table"),
        (["--only", "nonsense"], "invalid choice: 'nonsense'"),
        (["--rounds", "0"], "--rounds is 0; expected at least 1"),
    ],
)
def test_wrong_options(page, arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        bench.main(arguments)
    assert stop.value.code == 2 and complaint in capsys.readouterr().err


def test_a_part_that_fails_leaves_the_old_page(page, monkeypatch, capsys):
    page.parent.mkdir()
    page.write_text("old", encoding="utf-8")

    def measure(part, rounds):
        if part == bench.PARTS[-1]:
            raise RuntimeError("these two do not agree")
        return [race.Row(part, "ours")]

    monkeypatch.setattr(bench, "measure", measure)
    assert bench.main(["--write"]) == 1
    assert page.read_text(encoding="utf-8") == "old" and os.listdir(page.parent) == [page.name]
    assert capsys.readouterr().err == "these two do not agree\n"


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    (row,) = bench.measure("metrics", 1)
    assert row.note == "left out: skimage.metrics is not installed"
