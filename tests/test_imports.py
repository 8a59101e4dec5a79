"""`import srutils` is quick, and no module of it imports what takes seconds before it is needed."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import srutils

HEAVY = ("torch", "tensorflow", "keras", "matplotlib", "lenstronomy", "astropy", "h5py", "cv2", "onnxruntime")
HOUSE = Path(srutils.__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(HOUSE).with_suffix("").parts)
    for path in (HOUSE / "srutils").rglob("*.py")
    if not path.stem.startswith("__") and not {"networks", "exercises"} & set(path.parts)
)


def python(code):
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_srutils_takes_less_than_0_2_s_and_nothing_heavy():
    clock = "time.process_time()"  # of this process alone: other work on the machine does not count
    code = f"import sys, time; t = {clock}; import srutils; t = {clock} - t; print(t, *sys.modules)"
    seconds, modules = [], set()
    for _ in range(3):
        first, *names = python(code)
        seconds.append(float(first))
        modules |= {name.split(".")[0] for name in names}
    assert statistics.median(seconds) < 0.2
    assert not modules & {*HEAVY, "numpy", "scipy", "skimage", "sklearn", "pandas"}


def test_no_module_imports_a_framework():
    assert {"srutils.course", "srutils.lensing.simulator", "srutils.upscale.files"} <= set(MODULES)
    load = f"[importlib.import_module(name) for name in {MODULES}]"
    code = f"import importlib, sys; {load}; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in python(code)}
    assert "srutils" in loaded and "numpy" in loaded
    assert not loaded & {
        "torch",
        "tensorflow",
        "keras",
        "lenstronomy",
        "astropy",
        "h5py",
        "sklearn",
        "cv2",
        "onnxruntime",
    }


FIND = """
import ast, importlib, pathlib, sys
for path in map(pathlib.Path, sys.argv[1:]):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "srutils":
            there = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                if not hasattr(there, name):
                    try:
                        importlib.import_module(f"{node.module}.{name}")
                    except ImportError:
                        print(f"{path.name}:{node.lineno}:{node.module}.{name}")
"""


def test_what_functions_import_when_they_are_called_is_there():
    files = sorted(map(str, (HOUSE / "srutils").rglob("*.py")))
    done = subprocess.run([sys.executable, "-c", FIND, *files], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]


def test_the_command_line_starts_without_numerics():
    loaded = {name.split(".")[0] for name in python("import sys, srutils.cli; print(*sys.modules)")}
    assert "typer" in loaded and not loaded & {*HEAVY, "numpy", "scipy", "skimage", "sklearn"}
