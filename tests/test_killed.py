"""Killed or interrupted at random moments, training, search, logging and lessons lose nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from ch07.lab import lessons

PROGRAM = ROOT / "tests" / "killed_at_random.py"
SCRIPT = ROOT / "ch0701_functional_api.py"
LESSONS = ("sequential_and_functional", "siamese_lstm")
BEGUN = 0.2  # seconds in which Python gets to the first line of a script, on a slow machine too


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow is safely forked on Linux alone")
@pytest.mark.parametrize("job", ["training", "search", "logging"])
def test_killed_twenty_times_at_random_moments_a_job_ends_as_if_nothing_had_happened(job, tmp_path):
    # Python 3.12 and later warn of a fork beside a thread, which here is idle.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAM, job, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


# Ctrl-C


def interrupted(seconds, output):
    """Run two lessons and send Ctrl-C after some seconds; gives status, stdout, stderr."""
    command = [sys.executable, SCRIPT, *LESSONS, "--jobs", "1", "--output", output]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        timer = threading.Timer(seconds, process.send_signal, [signal.SIGINT])
        timer.start()
        out, err = process.communicate()
        timer.cancel()
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_at_random_moments_ends_with_130_and_keeps_what_is_finished(tmp_path):
    titles = {lesson.name: lesson.title["en"] for lesson in lessons.read(SCRIPT.stem).lessons}
    began = time.perf_counter()
    assert interrupted(1000, tmp_path / "undisturbed")[0] in (0, 1)
    span = time.perf_counter() - began - BEGUN
    rng, statuses, phases = random.Random(0), [], set()
    for n in range(10):
        output = tmp_path / str(n)
        status, out, err = interrupted(BEGUN + span * (n + rng.random()) / 10, output)
        statuses.append(status)
        if status in (0, 1):  # this time it was faster, and done by then
            assert err == ""
            continue
        assert status == 130, (n, err)
        assert err in ("", "Interrupted.\n"), n  # during the imports there is no summary to say it
        begun = [name for name in LESSONS if f" {titles[name]}\n" in out]
        record = output / "my_figures" / SCRIPT.stem / "claims.json"
        finished = json.loads(record.read_bytes())["run"]["seconds"] if record.exists() else {}
        assert list(finished) == begun[: len(finished)]
        assert f"{len(finished)} lesson" in out or err
        assert not list(output.rglob("*.part"))
        phases.add((bool(err), len(finished)))
    assert statuses.count(130) >= 3
    assert len(phases) >= 2  # in the imports, before and after the first lesson is finished


# What compiled code does that calls Python and goes on without looking whether that failed.
SWALLOWED = "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: pass"
MISUSED = "import ctypes\nctypes.pythonapi.PyList_Append(ctypes.py_object([]), None)"


@pytest.mark.parametrize(
    ("body", "status", "out", "error"),
    [
        ("print('so far')\nraise KeyboardInterrupt", 130, "so far\n", "Interrupted."),
        (f"{SWALLOWED}\n{MISUSED}", 130, "", "Interrupted."),
        (f"{SWALLOWED}\n[][0]", 130, "", "Interrupted."),
        ("class D:\n def __del__(self): raise KeyboardInterrupt\nD()", 130, "", "Interrupted."),
        (MISUSED, 1, "", "SystemError"),
        ("1 / 0", 1, "", "ZeroDivisionError"),
        ("class D:\n def __del__(self): 1 / 0\nD()\nsys.exit()", 0, "", "Exception ignored"),
    ],
)
@pytest.mark.slow
def test_ctrl_c_ends_a_program_also_in_compiled_code_or_while_an_object_is_deleted(
    body, status, out, error
):
    begin = "import sys, time\nfrom ch07.lab import startup\nstartup.hear_interrupts()\n"
    program = f"{begin}{body}\nfor n in range(100): time.sleep(1)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (status, out)
    assert error in done.stderr
    assert ("Traceback" in done.stderr) == (status != 130)
