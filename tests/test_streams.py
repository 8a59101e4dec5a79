"""Standard streams that are closed, full or narrow: what was done is not lost, nor reported as failed."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from srutils import streams

NAME = "日本 ± é.png"
posix = pytest.mark.skipif(os.name == "nt", reason="the shell of Windows closes no streams")


@pytest.fixture
def here(tmp_path, monkeypatch):
    Image.new("RGB", (6, 5), (9, 99, 199)).save(tmp_path / NAME)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(line, **more):
    """Run `line` by the shell, with "srutils" as this Python's; the process, and bytes of both streams."""
    words = f"'{sys.executable}' -m srutils"
    command = line.replace("srutils", words, 1)
    return subprocess.run(command, shell=True, capture_output=True, timeout=120, env=os.environ | more)


@pytest.mark.parametrize(
    ("more", "printed"),
    [
        ({"PYTHONIOENCODING": "ascii"}, rb"o_\u65e5\u672c +- \xe9.png: 12 x 10 pixels"),
        ({"PYTHONIOENCODING": "cp1252"}, rb"o_\u65e5\u672c " + b"\xb1 \xe9.png: 12 x 10"),
        ({"PYTHONIOENCODING": "cp932"}, "o_日本 ± ".encode("cp932") + rb"\xe9.png: 12 x 10"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, f"o_{NAME}: 12 x 10".encode()),
    ],
)
@posix
def test_a_narrow_encoding_escapes_what_it_lacks(here, more, printed):
    done = shell(f"srutils upscale '{NAME}' 'o_{NAME}' --model nearest --scale 2 --ensemble", **more)
    assert done.returncode == 0 and done.stdout.startswith(printed), (done.stdout, done.stderr)
    assert Image.open(f"o_{NAME}").size == (12, 10)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
@posix
def test_a_closed_stream_costs_nothing(here, closed):
    done = shell(f"srutils upscale '{NAME}' o.png --model nearest --scale 2 --ensemble {closed}")
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    np.testing.assert_array_equal(
        np.asarray(Image.open("o.png")), np.asarray(Image.open(NAME).resize((12, 10)))
    )
    assert sorted(os.listdir()) == ["o.png", NAME]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "2>/dev/full"])
@posix
def test_a_mistake_keeps_its_status(here, closed):
    done = shell(f"srutils upscale missing.png o.png {closed}")
    assert done.returncode == 2 and b"Traceback" not in done.stderr + done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_stream_is_said_where_it_can_be_and_the_work_is_done(here):
    line = f"srutils upscale '{NAME}' %s.png --model nearest --scale 2 --ensemble %s"
    done = shell(line % ("a", "2>/dev/full"))
    assert done.returncode == 0 and done.stdout.startswith(b"a.png: 12 x 10 pixels")
    done = shell(line % ("b", ">/dev/full"))
    assert done.returncode == 2 and done.stderr.endswith(b"srutils: cannot print: No space left on device\n")
    assert Image.open("a.png").size == Image.open("b.png").size == (12, 10)


@posix
def test_a_reader_that_has_had_enough_is_no_failure(here):
    done = shell("srutils models | true")
    assert (done.returncode, done.stderr) == (0, b"")
    done = shell(f"(srutils upscale '{NAME}' o.png --scale 2; echo $? >status) 2>&1 | true")
    assert ((here / "status").read_text(encoding="utf-8"), done.stderr) == ("0\n", b"")
    assert Image.open("o.png").size == (12, 10)


def test_a_lesson_prints_everything_everywhere():
    code = "from srutils import course; course.banner(); print('PSNR 31.2 ± 0.4 █░ 日')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == rb"PSNR 31.2 +- 0.4 #. \u65e5"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "utf-8", "latin-1", "koi8-r"])
def test_any_text_can_be_written(encoding):
    rng = np.random.default_rng(0)
    for _ in range(200):  # surrogates included: names of files hold them
        text = "".join(map(chr, rng.integers(1, 2 ** rng.integers(7, 17), 12)))
        file = io.TextIOWrapper(io.BytesIO(), encoding, "srutils-spell", newline="")
        file.write(text)
        file.flush()
        encodable = "".join(c for c in text if c.encode(encoding, "ignore"))
        written = file.buffer.getvalue()
        assert encodable == text or len(written) > len(encodable.encode(encoding))
        assert encodable != text or written == text.encode(encoding)


def test_the_streams_come_back(capsys):
    before = sys.stdout, sys.stderr
    with streams.forgiving_streams():
        print("seen")
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before and capsys.readouterr().out == "seen\n"
