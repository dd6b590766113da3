"""Lessons in several processes: the same numbers, in the order of the book, and no end untold."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from conftest import ROOT
from rich.text import Text

from ch07.lab import jobs
from ch07.lab.claims import Claim
from ch07.lab.console import EVENT, WORKER, Terminal

SCRIPT = ROOT / "ch0701_functional_api.py"
SHORT = ["sequential_and_functional", "pointwise", "bottleneck"]  # some of the shortest lessons


@dataclass(frozen=True)
class Named:
    """What `share_out` needs of a lesson."""

    name: str


def test_the_longest_go_first_to_who_has_least_to_do(monkeypatch):
    takes = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 4.0}
    monkeypatch.setattr(jobs, "evidence_seconds", lambda: takes)
    chosen = [Named(name) for name in "abcd"]
    shares = jobs.share_out(chosen, 2)
    assert [[one.name for one in share] for share in shares] == [["a", "b"], ["c", "d"]]
    assert len(jobs.share_out(chosen, 9)) == 4
    monkeypatch.setattr(jobs, "evidence_seconds", dict)  # before there is any evidence
    assert sorted(len(share) for share in jobs.share_out(chosen, 2)) == [2, 2]


class Kept:
    """A program that remembers what it is given to keep."""

    def __init__(self, *names):
        self.chosen = [Named(name) for name in names]
        self.seconds, self.claims = {}, []

    def keep(self, lesson, seconds, claims):
        self.seconds[lesson] = seconds
        self.claims += claims


def begun(*names):
    """A run of lessons, and what it prints."""
    console = Terminal()
    console.file = io.StringIO()
    return jobs.Run(Kept(*names), console), console.file


def worker_at(lesson, process=None):
    return jobs.Worker(process, [Named(lesson)], lesson)


def ends(lesson):
    return EVENT + json.dumps({"ends": lesson, "seconds": 1, "claims": []})


def test_lines_come_in_the_order_of_the_book_whatever_ends_first():
    running, printed = begun("one", "two", "three")
    one, two, three = map(worker_at, ("one", "two", "three"))
    running.hear(two, "two, 1")
    running.hear(one, "one, 1")
    running.hear(two, ends("two"))
    running.hear(three, "three, 1")
    assert printed.getvalue() == "one, 1\n"
    running.hear(one, ends("one"))
    assert printed.getvalue() == "one, 1\ntwo, 1\nthree, 1\n"


def test_of_an_interrupted_run_what_has_ended_is_shown():
    running, printed = begun("one", "two", "three")
    running.hear(worker_at("two"), "two, 1")
    running.hear(three := worker_at("three"), "three, 1")
    running.hear(three, ends("three"))
    running.show(rest=True)
    assert printed.getvalue() == "three, 1\n"


def test_what_a_worker_tells_is_kept_and_what_it_prints_is_shown():
    running, printed = begun("one")
    worker = worker_at("one")
    claim = Claim("7.1.1", "one", "A sentence", 0.9, "accuracy", at_least=0.5)
    for line in (
        "Keras says something before the first lesson",
        EVENT + json.dumps({"begins": "one"}),
        "\x1b[1m7.1.1 One\x1b[0m",
        EVENT + json.dumps({"ends": "one", "seconds": 2.5, "claims": [claim.as_record()]}),
    ):
        running.hear(worker, line)
    assert printed.getvalue() == "Keras says something before the first lesson\n7.1.1 One\n"
    assert (running.program.seconds, running.program.claims) == ({"one": 2.5}, [claim])


@pytest.mark.parametrize(
    ("code", "ended", "status"),
    [(0, True, 0), (1, True, 0), (1, False, 1), (0, False, 1), (2, False, 2), (-9, False, 137)],
)
def test_how_a_worker_ended_is_told_from_its_claims(code, ended, status):
    with subprocess.Popen([sys.executable, "-c", "import os; os.abort()"]) as process:
        process.kill()
        process.wait()
    process.returncode = code
    running, printed = begun("one")
    running.program.seconds |= {"one": 1.0} if ended else {}
    assert running.how_it_ended(worker_at("one", process)) == status
    assert ("was killed" in printed.getvalue()) == (code < 0)


def test_a_living_line_is_told_and_not_drawn_by_a_worker(monkeypatch, capsys):
    monkeypatch.setenv(WORKER, "1")
    console = Terminal()
    console.update("key", Text("epoch 1"))
    console.release("key", Text("epoch 2"))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line[1:])["text"] for line in lines[:2]] == ["epoch 1", None]
    assert lines[2] == "epoch 2"


@pytest.mark.parametrize(
    "arguments",
    [["7.1.1"], ["--jobs", "1"], ["--unknown"], ["--seed", "x"], ["--jobs", "0"]],
    ids=" ".join,
)
def test_nothing_to_share_out_is_left_to_the_script(arguments, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments, "--output", str(tmp_path)])
    monkeypatch.setattr(jobs, "Run", lambda *_: pytest.fail("nothing was to be shared out"))
    jobs.take_over(SCRIPT)
    assert list(tmp_path.iterdir()) == []


def run(output, *arguments, **options):
    """A run of the script with its claims."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--output", output],
        capture_output=True,
        text=True,
        **options,
    )
    record = output / "my_figures" / SCRIPT.stem / "claims.json"
    return done, json.loads(record.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_numbers_and_the_lines_are_the_same_whatever_the_jobs(tmp_path):
    values, lines = [], []
    for jobs_ in ("1", "2", "3"):
        done, record = run(tmp_path / jobs_, *SHORT, "--jobs", jobs_, "--seed", "3")
        assert (done.returncode, done.stderr) == (0, "")
        values.append([(claim["claim"], claim["value"]) for claim in record["claims"]])
        lines.append([line for line in done.stdout.splitlines() if line.startswith(("  ok", "7."))])
        assert list(record["run"]["seconds"]) == SHORT
    assert values[0] == values[1] == values[2]
    assert lines[0] == lines[1] == lines[2]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_a_process_that_is_killed_ends_the_run_and_keeps_what_is_finished(tmp_path):
    process = subprocess.Popen(
        [sys.executable, SCRIPT, *SHORT, "siamese_lstm", "--jobs", "2", "--output", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out = ""
    for line in process.stdout:
        out += line
        if "Remember: " in line:
            break
    children = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
    )
    (victim,) = [int(c.split()[0]) for c in children.stdout.splitlines() if "siamese" in c]
    os.kill(victim, signal.SIGKILL)
    rest, err = process.communicate()
    assert (process.returncode, err) == (128 + signal.SIGKILL, "")
    assert "was killed" in out + rest
    assert "Summary" in rest


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize("everyone", [True, False], ids=["from a terminal", "to one process"])
def test_ctrl_c_leaves_no_process_behind(everyone, tmp_path):
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "--jobs", "2", "--output", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if "Remember: " in line:
            break
    (os.killpg if everyone else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "Interrupted" in out
    with contextlib.suppress(ProcessLookupError):
        time.sleep(0.5)
        os.killpg(process.pid, 0)
        pytest.fail("a process is left")
