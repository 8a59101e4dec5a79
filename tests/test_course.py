"""srutils.course: folders, seeds, device, banner."""

import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from srutils import course


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    names = ("SR_DATA", "SR_CACHE", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")
    for name in (*names, "BINDER_LAUNCH_HOST", "BINDER_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_data_dir(monkeypatch, tmp_path):
    assert course.data_dir() is None
    monkeypatch.setenv("SR_DATA", str(tmp_path))
    assert course.data_dir() == tmp_path
    monkeypatch.setenv("SR_DATA", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="SR_DATA must name an existing folder"):
        course.data_dir()


def test_cache_dir_of_the_checkout():
    root = Path(__file__).resolve().parents[1]
    assert course.checkout() == root
    assert course.cache_dir() == root / "data" / "cache"
    assert course.models_dir() == root / "data" / "models"


def test_cache_dir_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "a" / "b"))
    assert course.cache_dir().is_dir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SR_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot create the cache folder"):
        course.cache_dir()


def test_cache_dir_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.delenv("SR_CACHE", raising=False)
    monkeypatch.setattr(course, "checkout", lambda: None)
    monkeypatch.setattr(course, "user_cache", lambda: tmp_path)
    assert course.cache_dir() == tmp_path / "srutils"
    assert course.models_dir() == Path(course.__file__).parent / "models"  # where a wheel has them


@pytest.mark.skipif(os.name == "nt", reason="Windows has its own place")
@pytest.mark.parametrize(
    ("platform", "variables", "place"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches"),
        ("linux", {"HOME": "/home/ada"}, "/home/ada/.cache"),
        ("darwin", {"HOME": "/Users/ada"}, "/Users/ada/Library/Caches"),
    ],
)
def test_caches_lie_where_the_system_wants_them(monkeypatch, platform, variables, place):
    monkeypatch.setattr(course.sys, "platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert course.user_cache() == Path(place)


def test_find_data_prefers_the_users_folder(monkeypatch, tmp_path):
    users, cache = tmp_path / "users", tmp_path / "cache"
    monkeypatch.setenv("SR_CACHE", str(cache))
    (cache / "Set5").mkdir(parents=True)
    assert course.find_data("Set5") == cache / "Set5"
    (users / "Set5").mkdir(parents=True)
    monkeypatch.setenv("SR_DATA", str(users))
    assert course.find_data("Set5") == users / "Set5"
    assert course.find_data("absent") is None


@pytest.mark.parametrize("name", ["", "../other", str(Path("/").absolute())])
def test_find_data_refuses(name):
    with pytest.raises(ValueError, match="relative path"):
        course.find_data(name)


def test_seeds_repeat():
    def draw():
        return random.random(), np.random.rand()  # noqa: NPY002  (the global state is what is seeded)

    course.seed_everything(5)
    first = draw()
    course.seed_everything(6)
    assert draw() != first
    course.seed_everything(np.int64(5))
    assert draw() == first


def test_seeds_reach_the_imported_frameworks(monkeypatch):
    seeds = {}
    fakes = {
        "torch": SimpleNamespace(manual_seed=lambda s: seeds.update(torch=s)),
        "tensorflow": SimpleNamespace(random=SimpleNamespace(set_seed=lambda s: seeds.update(tf=s))),
        "keras": SimpleNamespace(utils=SimpleNamespace(set_random_seed=lambda s: seeds.update(keras=s))),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    course.seed_everything(3)
    assert seeds == {"torch": 3, "tf": 3, "keras": 3}


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True, None])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match="seed must be an integer"):
        course.seed_everything(seed)


@pytest.mark.parametrize(("cuda", "mps", "wanted"), [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu")])
def test_device(monkeypatch, cuda, mps, wanted):
    fake = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: bool(cuda)),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: bool(mps))),
    )
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert course.device() == wanted


def test_device_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert course.device() == "cpu"


def test_banner(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SR_DATA", str(tmp_path))
    course.banner("numpy", "no-such-package")
    text = capsys.readouterr().out
    assert f"numpy {np.__version__}" in text and "no-such-package not installed" in text
    assert "data/cache" in text
    assert str(tmp_path) not in text and tmp_path.name in text  # outputs are stored: no home folders in them


@pytest.mark.parametrize("late", [False, True])
def test_triton_comes_before_tensorflow_or_not_at_all(monkeypatch, tmp_path, late):
    (tmp_path / "triton.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "triton", None)  # so that what was there is put back
    monkeypatch.delitem(sys.modules, "triton")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    if late:
        monkeypatch.setitem(sys.modules, "tensorflow", object())
    course.triton_first()
    assert ("triton" in sys.modules) is not late


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ((), "local"),
        (("COLAB_RELEASE_TAG",), "colab"),
        (("KAGGLE_KERNEL_RUN_TYPE",), "kaggle"),
        (("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"), "kaggle"),  # Kaggle's image is made from Colab's
        (("BINDER_LAUNCH_HOST",), "binder"),
        (("BINDER_SERVICE_HOST",), "binder"),
    ],
)
def test_hosts(monkeypatch, variables, host):
    for name in variables:
        monkeypatch.setenv(name, "x")
    assert course.host() == host


@pytest.mark.parametrize(
    ("variable", "gpu", "menu"),
    [
        ("COLAB_RELEASE_TAG", None, "Runtime > Change runtime type > T4 GPU"),
        ("KAGGLE_KERNEL_RUN_TYPE", None, "Settings > Accelerator > GPU T4 x2"),
        ("COLAB_RELEASE_TAG", "Tesla T4", None),
        ("BINDER_LAUNCH_HOST", None, None),
        (None, None, None),
    ],
)
def test_the_banner_says_what_to_click_for_a_gpu(monkeypatch, capsys, variable, gpu, menu):
    monkeypatch.setattr(course, "accelerator", lambda: gpu)
    if variable:
        monkeypatch.setenv(variable, "x")
    course.banner("numpy")
    lines = capsys.readouterr().out.splitlines()
    advice = [line for line in lines if "choose" in line]
    assert len(advice) == (menu is not None) and all(menu in line for line in advice)
    assert gpu is None or any(gpu in line for line in lines)


def test_import_is_light():
    code = "import sys, srutils.course; print(sorted({'torch', 'tensorflow', 'numpy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
