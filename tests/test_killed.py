"""Killed (SIGKILL) at twenty random moments each, training, search and logging lose nothing."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from conftest import ROOT

from ch07.lab import lessons

PROGRAM = ROOT / "tests" / "killed_at_random.py"
SCRIPT = ROOT / "ch0701_functional_api.py"
LESSONS = ("sequential_and_functional", "siamese_lstm")
BEGUN = (
    0.2  # seconds in which Python gets to the first line of a script, a slow machine allowed for
)


def killed(job, folder):
    """The lines that `killed_at_random.py` prints for a `job`, by their kind."""
    if sys.platform != "linux":
        pytest.skip("TensorFlow is safely forked on Linux alone")
    done = subprocess.run(
        # Python 3.12 and later warn of a fork beside a thread, which here is idle.
        [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAM, job, folder / job],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = collections.defaultdict(list)
    for line in map(json.loads, done.stdout.splitlines()):
        lines[line["kind"]].append(line)
    assert len(lines["death"]) == 20
    assert {line["status"] for line in lines["death"]} == {-signal.SIGKILL}
    assert {line["status"] for line in lines["undisturbed"] + lines["end"]} == {0}
    return lines


@pytest.mark.slow
def test_a_training_goes_on_and_ends_as_if_nothing_had_happened(tmp_path):
    lines = killed("training", tmp_path)
    for line in lines["death"]:
        assert line["others"] == [], line
        assert line["kept"] - line["done"] in (0, 1), line  # 1: it died before it could count
    assert any(line["kept"] for line in lines["death"])
    assert lines["end"][-1]["parts"] == 0  # what was half written is gone
    assert {line["end"] for line in lines["end"]} == {lines["undisturbed"][0]["end"]}
    assert max(line.get("starts", 0) for line in lines["end"]) > 2  # one died several times


@pytest.mark.slow
def test_a_search_keeps_what_is_finished_and_reaches_its_budget(tmp_path):
    lines = killed("search", tmp_path)
    ends = {line["place"]: line for line in lines["end"] if "place" in line}
    assert {line["end"] for line in lines["end"]} == {lines["undisturbed"][0]["end"]}
    assert lines["undisturbed"][0]["end"] == "30 trials are finished"
    for line in lines["death"]:
        assert line["others"] == [], line
        assert line["kept"] - line["done"] in (0, 1), line
        later = ends[line["place"]]["ended"]
        assert all(trial in later for trial in line["ended"]), line
    assert len({line["kept"] for line in lines["death"]}) > 5  # at different moments


@pytest.mark.slow
def test_logs_of_a_killed_training_stay_readable_and_apart_from_the_next(tmp_path):
    lines = killed("logging", tmp_path)
    left = {}
    for line in [*lines["death"], *lines["end"][-1:]]:
        for folder, digest in left.items():
            assert line["digests"][folder] == digest, folder
        left = line["digests"]
    assert len(left) >= 20
    logs = {line["folder"]: line for line in lines["logs"]}
    undisturbed = logs.pop("undisturbed")["curves"]
    assert len(undisturbed["train"]["epoch_loss"]) == 12
    assert len(logs) == len(left)
    lengths = set()
    for line in logs.values():
        for part, curves in line["curves"].items():
            for tag, curve in curves.items():
                assert curve == undisturbed[part][tag][: len(curve)], (line["folder"], tag)
        told = line["curves"].get("train", {}).get("epoch_loss", [])
        assert len(told) - line["done"] in (0, 1), line["folder"]
        lengths.add(len(told))
    assert len(lengths - {0, 12}) > 3  # deaths in the middle


# Ctrl-C


def interrupted(seconds, output):
    """Run two lessons and send Ctrl-C after some seconds; gives status, stdout, stderr."""
    command = [sys.executable, SCRIPT, *LESSONS, "--jobs", "1", "--output", output]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        process.wait()
        for file in (out, err):
            file.seek(0)
        return process.returncode, out.read().decode(), err.read().decode()


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
# What a program of the project does first.
HEARD = "import time\nfrom ch07.lab import startup\nstartup.hear_interrupts()\n"


def run(program):
    """Run lines of Python to their end."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=100
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "printed"),
    [
        (f"{SWALLOWED}\n{MISUSED}", ""),
        (f"{SWALLOWED}\n[][0]", ""),
        ("class Dies:\n def __del__(self): raise KeyboardInterrupt\nDies()", ""),
        ("raise KeyboardInterrupt", ""),
        ("print('so far')\nraise KeyboardInterrupt", "so far\n"),
    ],
)
def test_ctrl_c_outside_of_a_lesson_in_compiled_code_or_while_an_object_is_deleted(body, printed):
    done = run(f"{HEARD}{body}\nfor n in range(100): time.sleep(1)")
    assert (done.returncode, done.stdout) == (130, printed)
    assert done.stderr.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_other_errors_are_told_as_ever():
    for body, error in (
        ("1 / 0", "ZeroDivisionError"),
        (MISUSED, "SystemError"),
        ("class Dies:\n def __del__(self): 1 / 0\nDies()", "Exception ignored"),
    ):
        assert error in run(f"{HEARD}{body}").stderr
