"""The command that runs the tests as on other processors: what it chooses, passes on and prints."""

import re

import pytest

from tools import processors
from tools.project import ROOT

ZEN3 = "model name\t: AMD EPYC\nflags\t\t: fpu sse2 sse4_1 avx avx2 fma\nbugs\t\t: none\nflags\t\t: fpu\n"
SKYLAKE = {"sse4_1", "avx", "avx2", "avx512f", "avx512bw"}
SAPPHIRE = SKYLAKE | {"amx_tile"}


def names(have, only=()):
    able, left = processors.choose(processors.settings(), set(have), list(only))
    return [setting.name for setting in able], left


def test_flags_are_read_from_linux_and_unknown_elsewhere():
    assert processors.flags(ZEN3) == {"fpu", "sse2", "sse4_1", "avx", "avx2", "fma"}
    assert processors.flags("processor : 0\nFeatures : fp asimd\n") == set()


@pytest.mark.parametrize(
    ("have", "runs"),
    [
        (processors.flags(ZEN3), ["own", "one-thread", "four-threads", "avx"]),
        (SKYLAKE, ["own", "one-thread", "four-threads", "avx", "avx2", "avx512"]),
        (SAPPHIRE, ["own", "one-thread", "four-threads", "avx", "avx2", "avx512", "amx"]),
        (set(), ["own", "one-thread", "four-threads"]),
    ],
)
def test_a_processor_gets_what_it_can_run_and_hears_what_it_cannot(have, runs):
    able, left = names(have)
    assert able == runs
    every = [setting.name for setting in processors.settings()]
    said = [re.match(r"left out: (\S+) \(.+\), for this processor has no \w+", line)[1] for line in left]
    assert sorted(able + said) == sorted(every)


def test_only_one_setting():
    assert names(SAPPHIRE, ["avx"]) == (["avx"], [])
    able, (line,) = names(SKYLAKE, ["amx"])
    assert able == [] and line.endswith("has no amx_tile")
    with pytest.raises(ValueError, match="got mmx"):
        names(SKYLAKE, ["mmx"])


def test_no_two_settings_are_the_same():
    seen = [tuple(sorted(setting.variables.items())) for setting in processors.settings()]
    assert len(set(seen)) == len(seen)
    assert all(isinstance(value, str) for variables in seen for _, value in variables)


def test_what_is_run_is_there():
    assert all((ROOT / path).exists() for path in processors.PATHS)


@pytest.mark.parametrize(
    ("output", "status", "found"),
    [
        ("FAILED a - 3 failed in 2\n2 failed, 60 passed, 1 skipped in 61.20s (0:01:01)\n", 1, (2, 60)),
        ("60 passed in 61.20s (0:01:01)\n", 0, (0, 60)),
        ("1 passed, 2 errors in 0.1s\n", 1, (2, 1)),
        ("1 error in 0.1s\n", 1, (1, 0)),
        ("Fatal Python error: Illegal instruction\n", 132, (1, 0)),
        ("no tests ran in 0.01s\n", 5, (1, 0)),
    ],
)
def test_counts(output, status, found):
    assert processors.counts(output, status) == found


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(processors, "LOGS", tmp_path / "logs")
    return tmp_path / "logs"


def test_a_run_sets_the_variables_and_a_cache_of_its_own(logs, tmp_path, monkeypatch, capsys):
    test = tmp_path / "test_environment_of_a_run.py"
    test.write_text(
        "import os, pathlib\n"
        "def test_one():\n    assert os.environ['OMP_NUM_THREADS'] == '4'\n"
        "def test_two():\n    assert list(pathlib.Path(os.environ['SR_CACHE']).iterdir()) == []\n"
        "def test_three():\n    assert 'OMP_NUM_THREADS' not in os.environ\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    status = processors.main(["--only", "four-threads", "--workers", "1", str(test)])
    out = capsys.readouterr().out.splitlines()
    assert status == 1
    assert re.search(r"FAILED .*test_three", out[1])
    assert out[-2].split() == ["setting", "failed", "passed", "minutes"]
    assert out[-1].split()[:3] == ["four-threads", "1", "2"]
    assert [file.name for file in logs.iterdir()] == ["four-threads.log"]


def test_all_green_is_status_0(logs, tmp_path, capsys):
    (tmp_path / "test_nothing.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    given = ["--only", "own", "--workers", "1", str(tmp_path / "test_nothing.py")]
    assert processors.main(given) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["own", "0", "1"]


def test_list_runs_nothing(capsys, monkeypatch):
    monkeypatch.setattr(processors, "run", lambda *given: pytest.fail("it ran"))
    assert processors.main(["--list"]) == 0
    assert "four-threads" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        processors.main(["--only", "mmx"])
    assert stop.value.code == 2
    assert "got mmx" in capsys.readouterr().err


def test_the_public_job_runs_every_setting():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "processors.yml").read_text(encoding="utf-8"))[
        "jobs"
    ]
    (job,) = jobs.values()
    assert job["strategy"]["matrix"]["setting"] == [setting.name for setting in processors.settings()]
