"""Lessons in several processes (their numbers: `test_cells.py`): in order, and no end untold."""

import contextlib
import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock, call

import pytest
from conftest import ROOT
from rich.text import Text

from ch07.lab import jobs
from ch07.lab.claims import Claim
from ch07.lab.console import EVENT, WIDTH, WORKER, Terminal


def named(names):
    """What `jobs` needs of lessons."""
    return [SimpleNamespace(name=name) for name in names]


@pytest.fixture
def running():
    """A run of three lessons, which prints into `console.file`."""
    program = Mock(chosen=named(["one", "two", "three"]), seconds={}, status=0)
    program.keep.side_effect = lambda lesson, *_: program.seconds.update({lesson: 1})
    console = Terminal()
    console.file = io.StringIO()
    return jobs.Run(program, console)


def event(**content):
    return EVENT + json.dumps(content)


def test_the_longest_go_first_to_who_has_least_to_do(monkeypatch):
    takes = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 4.0}
    monkeypatch.setattr(jobs, "evidence_seconds", lambda: takes)
    shares = jobs.share_out(named("abcd"), 2)
    assert [[one.name for one in share] for share in shares] == [["a", "b"], ["c", "d"]]
    assert len(jobs.share_out(named("abcd"), 9)) == 4
    monkeypatch.setattr(jobs, "evidence_seconds", dict)  # before there is any evidence
    assert [len(share) for share in jobs.share_out(named("abcd"), 2)] == [2, 2]


def test_lines_come_in_the_order_of_the_book_and_what_a_worker_tells_is_kept(running):
    claim = Claim("7.1.1", "one", "A sentence", 0.9, "accuracy", at_least=0.5)
    one, two, three = (jobs.Worker(None, named([n]), n) for n in ("one", "two", "three"))
    running.hear(two, "two, 1")
    running.hear(one, "Keras says something before the first lesson")
    running.hear(one, event(begins="one"))
    running.hear(one, "\x1b[1m7.1.1 One\x1b[0m")
    running.hear(two, event(ends="two", seconds=1, claims=[]))
    running.hear(three, "three, 1")
    begun = "Keras says something before the first lesson\n7.1.1 One\n"
    assert running.console.file.getvalue() == begun
    running.hear(one, event(ends="one", seconds=2.5, claims=[claim.as_record()]))
    assert running.console.file.getvalue() == begun + "two, 1\nthree, 1\n"
    running.program.keep.assert_called_with("one", 2.5, [claim])


ENDS = f"print({event(ends='one', seconds=1, claims=[])!r}, flush=True)\n"
WAITS = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(20)"


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
@pytest.mark.parametrize(
    ("bodies", "status", "heading"),
    [
        ([ENDS], 0, "Summary"),
        ([ENDS + "exit(1)"], 0, "Summary"),  # of claims, which are in the record
        (["exit(0)"], 1, None),
        (["exit(2)", WAITS], 2, None),
        ([ENDS + "import os; os.kill(os.getpid(), 9)", WAITS], 137, "Summary"),
        ([ENDS, WAITS], 130, "Interrupted"),
    ],
)
def test_however_workers_end_it_is_told_none_is_left_and_what_is_finished_is_kept(
    bodies, status, heading, running, monkeypatch
):
    hear = running.hear

    def heard(worker, line):
        hear(worker, line)
        if status == 130:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "hear", heard)
    monkeypatch.setattr(jobs, "PATIENCE", 0.2)
    for name in ("one", "three"):  # of which the latter does not end
        running.lines[name].append(Text(f"{name}, 1"))
    pipe = {"stdout": subprocess.PIPE, "encoding": "utf-8"}
    with contextlib.ExitStack() as stack:
        commands = [[sys.executable, "-c", body] for body in bodies]
        made = [stack.enter_context(subprocess.Popen(one, **pipe)) for one in commands]
        monkeypatch.setattr(jobs, "start", Mock(side_effect=made))
        assert running.run([[one] for one in running.program.chosen[: len(bodies)]]) == status
        assert all(process.poll() is not None for process in made)
    printed = "one, 1\n" if heading else ""
    printed += "  The process that ran one was killed.\n" if status == 137 else ""
    assert running.console.file.getvalue() == printed
    summaries = [call(running.console, heading)] if heading else []
    assert running.program.summarize.mock_calls == summaries


def test_a_living_line_is_told_and_not_drawn_by_a_worker(monkeypatch, capsys):
    for name, value in {"COLUMNS": "60", "FORCE_COLOR": "1"}.items():  # as in a terminal
        monkeypatch.setenv(name, value)
    assert Terminal().width == 60
    monkeypatch.setenv(WORKER, "1")
    console = Terminal()
    assert console.width == WIDTH  # whatever the terminal: the run wraps its lines
    console.update("key", Text("epoch 1"))
    console.release("key", Text("epoch 2"))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line[1:])["text"] for line in lines[:2]] == ["epoch 1", None]
    assert lines[2] == "epoch 2"


def test_nothing_to_share_out_is_left_to_the_script(monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "Run", lambda *_: pytest.fail("nothing was to be shared out"))
    for arguments in ("7.1.1", "--jobs 1", "--unknown", "--seed x", "--jobs 0", "--help"):
        options = [*arguments.split(), "--output", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", ["ch0701_functional_api.py", *options])
        jobs.take_over(ROOT / sys.argv[0])
    assert list(tmp_path.iterdir()) == []


def test_a_worker_has_the_options_of_the_run(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "script.py", "7.1", "--seed", "3"])
    monkeypatch.setattr(sys, "argv", ["script.py", "7.1", "--seed", "3"])
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: command)
    program = SimpleNamespace(given=SimpleNamespace(seed=3, output="out", data="real"))
    started = " ".join(jobs.start(program, named(["one", "two"]), colour=False)[1:])
    assert started == "script.py one two --seed 3 --output out --data real --language en --jobs 1"
