"""Studies, workers that are killed, errors of databases, and the two engines on one space."""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import hyperopt
import optuna
import pytest
import sqlalchemy
from conftest import ROOT, until
from rich.console import Console
from searching import choose, process_number, stored

from ch07 import search, startup
from ch07.startup import UsageError

WORKER = ROOT / "tests" / "searching.py"
SCRIPT = ROOT / "ch0703_ensembling.py"


def value(trial):
    return trial.suggest_float("x", 0.0, 1.0)


def start(folder, trials, url=None):
    url = url or f"sqlite:///{folder / 'search.db'}"
    command = [sys.executable, WORKER, url, str(trials), folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process):
    """The exit status of a worker, which must have printed nothing."""
    out, err = process.communicate(timeout=90)
    assert (out, err) == (b"", b"")
    return process.returncode


def running(folder, process):
    return [path for path in folder.iterdir() if path.name.startswith(f"running-{process.pid}-")]


def study_in(folder):
    return stored(f"sqlite:///{folder / 'search.db'}")


def trials_of(folder, *states):
    return study_in(folder).get_trials(states=states)


def trained(folder):
    return sum(len(path.read_text().splitlines()) for path in folder.glob("trained-*"))


def open_file(folder, **options):
    return search.open_study(f"sqlite:///{folder / 'search.db'}", "tested", 0, choose, **options)


COMPLETE, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL
RUNNING, WAITING = optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.WAITING


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_killed_worker_loses_its_trial_alone_and_another_runs_that_again(tmp_path):
    (tmp_path / "hold").touch()
    workers = [start(tmp_path, 8), start(tmp_path, 8)]  # at once, on a file that is not there
    for worker in workers:
        until(lambda worker=worker: running(tmp_path, worker), "running trial")
    killed, alive = workers
    killed.kill()
    killed.communicate()
    (lost,) = (int(path.name.split("-")[-1]) for path in running(tmp_path, killed))
    (tmp_path / "hold").unlink()
    assert ended(alive) == 0
    complete = trials_of(tmp_path, COMPLETE)
    assert len(complete) == trained(tmp_path) == 8
    again = [t for t in complete if t.system_attrs.get("failed_trial") == lost]
    dead = study_in(tmp_path).trials[lost]
    assert dead.state == FAIL
    assert [t.params for t in again] == [dead.params]
    assert trials_of(tmp_path, RUNNING, WAITING) == []


def test_three_workers_train_the_budget_exactly_and_more_when_it_is_raised(tmp_path):
    for trials in (7, 9):
        workers = [start(tmp_path, trials) for _ in range(3)]
        assert [ended(worker) for worker in workers] == [0, 0, 0]
        assert len(trials_of(tmp_path, COMPLETE)) == trained(tmp_path) == trials


def test_ctrl_c_queues_the_running_trial_again(tmp_path):
    (tmp_path / "hold").touch()
    worker = start(tmp_path, 2)
    until(lambda: running(tmp_path, worker), "running trial")
    worker.send_signal(signal.SIGINT)
    assert ended(worker) == 130
    (failed,), (waiting,) = trials_of(tmp_path, FAIL), trials_of(tmp_path, WAITING)
    assert waiting.params == failed.params
    (tmp_path / "hold").unlink()
    assert ended(start(tmp_path, 2)) == 0
    assert len(trials_of(tmp_path, COMPLETE)) == 2
    assert failed.params in [t.params for t in trials_of(tmp_path, COMPLETE)]


def test_a_trial_that_compiled_code_broke_off_for_ctrl_c_is_queued_again(monkeypatch):
    def misused(trial):
        startup.heard.append(signal.SIGINT)
        raise SystemError("bad argument to internal function")

    study = search.open_study(None, "tested", 0, choose)
    monkeypatch.setattr(startup, "heard", [])
    with pytest.raises(KeyboardInterrupt):
        search.work(study, choose, misused, 2)
    failed, waiting = study.trials
    assert (failed.state, waiting.state) == (FAIL, WAITING)
    assert search.work(study, choose, value, 2)
    assert failed.params in [t.params for t in study.get_trials(states=(COMPLETE,))]


def test_the_same_seed_gives_the_same_trials_also_after_a_pause():
    def params(*budgets):
        study = search.open_study(None, "tested", 3, choose)
        for trials in budgets:
            study.sampler = search.SeededByTrial(3)
            assert search.work(study, choose, value, trials)
        return [trial.params for trial in study.trials]

    once = params(14)
    assert once == params(14) == params(5, 14)
    assert len({str(chosen) for chosen in once}) == 14


def test_a_trial_beyond_the_budget_is_not_run():
    study = search.open_study(None, "tested", 0, choose)
    search.work(study, choose, value, 3)
    worker = search.Worker(study, choose, value, 3, lambda news: pytest.fail("it ran"), 1)
    worker.run_one()
    assert [t.state for t in study.trials] == [COMPLETE] * 3 + [FAIL]


def test_a_value_that_is_no_number_counts():
    study = search.open_study(None, "tested", 0, choose)
    assert search.work(study, choose, lambda trial: float("nan"), 3)
    assert [t.state.name for t in study.trials] == ["PRUNED"] * 3
    assert search.best(study) is None


def test_a_worker_that_died_before_its_first_heartbeat_is_buried(tmp_path):
    study = open_file(tmp_path, heartbeat=1, grace=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.ask()
    assert search.work(study, choose, value, 1, grace=0.1)
    # Its place was taken, so the budget was reached only when it was given up.
    assert [t.state for t in study.trials] == [FAIL, COMPLETE]


def test_a_worker_that_died_right_after_it_began_is_buried(tmp_path):
    study = open_file(tmp_path, heartbeat=1, grace=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.ask().set_user_attr(search.BEGUN, 0)  # and no thread with a heart
    assert search.work(study, choose, value, 1, grace=0.1)
    assert [t.state for t in study.trials] == [FAIL, COMPLETE]


def test_pruning_reports_and_stops():
    study = search.open_study(None, "tested", 0, choose)
    trial = study.ask()
    callback = search.Pruning(trial)
    callback.on_epoch_end(0, {"val_accuracy": 0.5})
    assert study.trials[0].intermediate_values == {0: 0.5}
    callback.trial = type("Bad", (), {"report": lambda *a: 0, "should_prune": lambda self: True})()
    with pytest.raises(optuna.TrialPruned):
        callback.on_epoch_end(1, {"val_accuracy": 0.1})


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("search.db", "not the URL"),
        ("", "not the URL"),
        ("postgresql://me:hidden@host:port/x", "not the URL"),
        ("nosuch://me:hidden@host/x", "knows no database 'nosuch'"),
        ("postgresql+psycopg2://me:hidden@host/x", 'pip install "psycopg2-binary"'),
        ("sqlite://", "needs a file"),
    ],
)
def test_urls_that_are_refused(url, told):
    with pytest.raises(argparse.ArgumentTypeError, match=told) as refused:
        search.database(url)
    assert "hidden" not in str(refused.value)


def make_foreign(path):
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE recipes (name)")
    file.close()


SICK = {
    "no folder": (lambda path: None, "there is no folder"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "text": (lambda path: path.write_text("a letter to my aunt"), "not an SQLite file"),
    "damaged": (lambda path: path.write_bytes(b"SQLite format 3\0" + b"?" * 9000), "damaged|not a"),
    "foreign": (make_foreign, "holds other data"),
}


@pytest.mark.parametrize("sick", SICK)
def test_files_that_are_refused_and_left_alone(sick, tmp_path):
    make, told = SICK[sick]
    path = tmp_path / ("missing" if sick == "no folder" else "") / "search.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError, match=told):
        search.open_study(f"sqlite:///{path}", "tested", 0, choose)
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_file_that_cannot_be_written_to(tmp_path):
    path = tmp_path / "search.db"
    path.touch(mode=0o400)
    with pytest.raises(UsageError, match="cannot be written to"):
        open_file(tmp_path)


def test_a_file_that_another_process_locks(tmp_path):
    open_file(tmp_path)
    other = sqlite3.connect(tmp_path / "search.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UsageError, match="database is locked"):
        open_file(tmp_path, locked=1)
    other.close()


def test_a_study_of_another_search_space(tmp_path):
    open_file(tmp_path)
    open_file(tmp_path)  # of the same
    with pytest.raises(UsageError, match="other hyperparameters"):
        search.open_study(f"sqlite:///{tmp_path / 'search.db'}", "tested", 0, lambda trial: {})


def test_a_database_that_goes_away_in_the_middle(tmp_path):
    study = open_file(tmp_path)

    def objective(trial):
        (tmp_path / "search.db").write_bytes(b"gone" * 5000)
        return 0.5

    with pytest.raises(UsageError, match="does not do its work"):
        search.work(study, choose, objective, 2, url=f"sqlite:///{tmp_path / 'search.db'}")


def test_the_password_is_not_shown():
    with (
        pytest.raises(UsageError) as refused,
        search.plain_errors("mysql://me:hidden@host/x"),
    ):
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("no\nroute for me:hidden"))
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "no route" in str(refused.value)


def test_optuna_and_hyperopt_draw_from_the_same_space():
    def wide(trial):
        return {
            "rate": trial.suggest_float("rate", 1e-3, 1.0, log=True),
            "drop": trial.suggest_float("drop", 0.0, 0.5, step=0.25),
            "depth": trial.suggest_int("depth", 1, 3),
            "units": trial.suggest_int("units", 1, 16, log=True),
            "width": trial.suggest_categorical("width", [8, 16, 32]),
        }

    def objective(trial):
        return wide(trial)["rate"]

    drawn, again, tried = [], [], []
    found = search.hyperopt(wide, objective, 40, 0, drawn.append)
    search.hyperopt(wide, objective, 40, 0, again.append)
    assert drawn == again
    study = search.open_study(None, "tested", 0, wide)
    search.work(study, wide, objective, 40, tried.append)
    space = search.space_of(wide)
    assert space == study.trials[0].distributions
    for news in (*drawn, *tried):
        assert news.params.keys() == space.keys()
        assert all(of._contains(of.to_internal_repr(news.params[n])) for n, of in space.items())
    for name, values in {"depth": {1, 2, 3}, "width": {8, 16, 32}, "drop": {0, 0.25, 0.5}}.items():
        assert {n.params[name] for n in drawn} == {n.params[name] for n in tried} == values
    assert all(isinstance(news.params["units"], int) for news in drawn)
    assert found.value == max(n.value for n in drawn if n.value) == found.params["rate"]
    assert (
        hyperopt.space_eval(search.hyperopt_space(space, hyperopt.hp)["width"], {"width": 2}) == 32
    )


def told(*arguments, **environ):
    """What the script prints on stderr, with its exit status."""
    process = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environ,
    )
    return process.returncode, process.stdout, process.stderr


def test_without_hyperopt(tmp_path):
    (tmp_path / "hyperopt.py").write_text("raise ImportError")
    arguments = ("--engine", "hyperopt", "--output", tmp_path)
    status, _, error = told(*arguments, PYTHONPATH=str(tmp_path))
    assert (status, error.count("\n")) == (2, 1)
    assert "python -m pip install hyperopt" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--trials", "0"), "a whole number from 1"),
        (("--study", "sqlite:///x.db", "--engine", "hyperopt"), "leave out --engine hyperopt"),
        (("--study", "nosuch://x"), "knows no database"),
    ],
)
def test_command_lines_that_are_refused(arguments, sentence, tmp_path):
    status, out, error = told(*arguments, "--output", tmp_path)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert sentence in error


def test_a_long_search_changes_its_process_and_so_gives_its_memory_back(tmp_path):
    url, ended = f"sqlite:///{tmp_path / 'search.db'}", []

    def told(news):
        if news.state != "RUNNING":
            ended.append(news.number)

    given = (url, "tested", 0, choose, process_number, 5, told, pytest.fail)
    search.work_in_shifts(*given, shift=2, heartbeat=1, grace=2)
    assert ended == [0, 1, 2, 3, 4]
    a, b, c, d, e = (t.user_attrs["process"] for t in trials_of(tmp_path, COMPLETE))
    assert a == b
    assert c == d
    assert len({a, c, e, os.getpid()}) == 4
    # What was drawn does not depend on the process that drew it.
    alone = search.open_study(None, "tested", 0, choose)
    search.work(alone, choose, process_number, 5)
    params = [t.params for t in alone.trials]
    assert [t.params for t in trials_of(tmp_path, COMPLETE)] == params


# The script itself


class Searching:
    """The script at work on a study, as a reader starts it."""

    def __init__(self, folder, trials):
        self.url = f"sqlite:///{folder / 'search.db'}"
        self.out = folder / f"out-{len(list(folder.glob('out-*')))}"
        command = [sys.executable, SCRIPT, "--study", self.url, "--trials", str(trials)]
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--output", folder], stdout=out, stderr=subprocess.STDOUT
            )

    @property
    def lines(self):
        return self.out.read_text(encoding="utf-8").splitlines()

    @property
    def finished(self):
        return [line for line in self.lines if line.startswith("  trial ")]

    def child(self):
        """The process that trains, which is not the resource tracker of Python."""
        number = self.process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        commands = {int(n): Path(f"/proc/{n}/cmdline").read_text() for n in children}
        (found,) = (n for n, command in commands.items() if "spawn_main" in command)
        return found

    def trials(self):
        return stored(self.url, "7.3.2, seed 0").trials


@pytest.fixture
def searching(tmp_path):
    """Starts the script on a study in `tmp_path`."""
    started = []

    def start_one(trials):
        started.append(Searching(tmp_path, trials))
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait()


def alive(number):
    """Whether a process is there, and not just waiting for its parent to notice its end."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_of_two_scripts_on_one_study_one_is_killed_and_no_finished_trial_is_lost(searching):
    killed, other = searching(10), searching(10)
    until(lambda: killed.finished and other.finished, "finished trial of each")
    child = killed.child()
    killed.process.kill()  # the reader's process; the one that trains must not outlive it
    killed.process.wait()
    until(lambda: not alive(child), "end of the process that trains")
    kept = [t for t in other.trials() if t.state.is_finished()]
    assert other.process.wait(240) == 0, other.lines
    trials = other.trials()
    assert [trials[t.number] for t in kept] == kept
    assert sum(t.state in search.FINISHED for t in trials) == 10
    assert not [t for t in trials if t.state in (RUNNING, WAITING)]
    for lost in (t for t in trials if t.state == FAIL and search.BEGUN in t.user_attrs):
        again = [t for t in trials if t.system_attrs.get("failed_trial") == lost.number]
        (params,) = (t.params for t in again)
        assert params | lost.params == params  # killed while they were drawn, it has fewer
    assert other.lines[-2].startswith("  best: ")
    logs = list((other.out.parent / "my_log_dir").glob("*/trial-*"))
    assert {int(log.name[-3:]) for log in logs} >= {t.number for t in trials if t.values}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_the_script_survives_the_death_of_the_process_that_trains_and_ctrl_c(searching):
    script = searching(3)
    until(lambda: script.finished, "finished trial")
    os.kill(script.child(), signal.SIGKILL)
    assert script.process.wait(240) == 0, script.lines
    assert sum("was killed" in line for line in script.lines) == 1
    assert sum(t.state in search.FINISHED for t in script.trials()) == 3

    # A larger budget goes on where the smaller one ended, and Ctrl-C loses nothing.
    more = searching(400)
    until(lambda: more.finished, "fourth trial")
    assert "trial   4 of 400" in more.finished[0]
    more.process.send_signal(signal.SIGINT)
    assert more.process.wait(60) == 130, more.lines
    assert all(line.startswith("  trial ") for line in more.lines), more.lines
    assert not [t for t in more.trials() if t.state == RUNNING]
    assert sum(t.state in search.FINISHED for t in more.trials()) >= 4


def test_progress_through_a_pipe_is_a_line_for_each_finished_trial(capsys):
    progress = search.Progress(Console(width=160))
    progress(search.News(0, 2, 0, "RUNNING", None, {"x": 0.5}, None, None))
    progress(search.News(1, 2, 0, "COMPLETE", 0.5, {"x": 0.5}, 0.5, 0))
    progress(search.News(2, 2, 1, "PRUNED", None, {"x": 0.123456}, 0.5, 0))
    progress.close()
    lines = capsys.readouterr().out.splitlines()
    assert ["trial   1 of 2" in lines[0], "stopped early" in lines[1], len(lines)] == [
        True,
        True,
        2,
    ]
    assert lines[1].endswith("x 0.1235")
