"""The scripts as a reader runs them: from elsewhere, into a pipe, interrupted, on a GBK console."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path.name for path in ROOT.glob("ch07[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A copy of the project below a folder whose name has a space and Chinese characters."""
    copy = tmp_path_factory.mktemp("reader") / "my \u6df1\u5ea6\u5b66\u4e60 project"
    for part in ["ch07", *SCRIPTS, "requirements.txt"]:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("my_*", "__pycache__")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        else:
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / part, copy / part)
    return copy


def test_a_run_from_another_directory_writes_below_ch07_only(elsewhere, tmp_path):
    before = {path for path in elsewhere.rglob("*") if "__pycache__" not in path.parts}
    done = subprocess.run(
        [sys.executable, elsewhere / "ch0701_functional_api.py", "7.1.1"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0", "LANG": "C"},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert "\u6df1\u5ea6\u5b66\u4e60" in done.stdout.decode("gbk")
    assert list(tmp_path.iterdir()) == []
    new = {path for path in elsewhere.rglob("*") if "__pycache__" not in path.parts} - before
    assert {path.relative_to(elsewhere).parts[:2] for path in new} == {("ch07", "my_figures")}


def test_a_console_without_chinese_characters_survives_them(elsewhere, tmp_path):
    done = subprocess.run(
        [sys.executable, elsewhere / "ch0701_functional_api.py", "7.1.1"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"4 of 4 claims hold" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_keeps_what_is_finished(tmp_path):
    process = subprocess.Popen(
        [sys.executable, ROOT / "ch0701_functional_api.py", "--output", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("7.1.2"):  # 7.1.1 is finished by now
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "Interrupted" in out
    record = tmp_path / "my_figures" / "ch0701_functional_api" / "claims.json"
    claims = json.loads(record.read_text(encoding="utf-8"))["claims"]
    assert {claim["lesson"] for claim in claims} == {"sequential_and_functional"}


@pytest.mark.skipif(os.name == "nt", reason="a pipe of POSIX")
def test_a_reader_who_closes_the_pipe_gets_no_traceback(tmp_path):
    process = subprocess.Popen(
        [sys.executable, ROOT / "ch0701_functional_api.py", "7.1.1", "--output", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_list_and_the_help_end_at_once_with_0(script):
    for option in ("--list", "--help"):
        done = subprocess.run([sys.executable, ROOT / script, option], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout


def test_an_old_python_is_turned_away_in_one_sentence(tmp_path):
    for name in ("3.10", "3.9", "3.8"):
        python = shutil.which(f"python{name}")
        if python and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("no Python older than 3.11 here")
    script = ROOT / "ch0701_functional_api.py"
    done = subprocess.run([python, script], capture_output=True, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert b"is not supported: use Python 3.11 to 3.13" in done.stderr
