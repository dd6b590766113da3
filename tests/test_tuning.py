"""Section 7.3.2: searches, studies, workers that are killed, databases that fail, two engines."""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest
import sqlalchemy
from conftest import ROOT
from optuna.trial import TrialState
from searching import TIMES

import ch0703_ensembling as script
from ch07 import board, candidates, compare, data, inspection, tuning
from ch07.lab import startup
from ch07.lab.startup import UsageError

WORKER, SCRIPT = ROOT / "tests" / "searching.py", ROOT / "ch0703_ensembling.py"
KILLS = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")


def value(trial):
    return trial.suggest_float("x", 0.0, 1.0)


def stored(url, name="tested"):
    """The study `name` in a database, to which no connection is left open."""
    storage = optuna.storages.RDBStorage(url, {"poolclass": sqlalchemy.NullPool})
    return optuna.load_study(study_name=name, storage=storage)


# In this process


def test_a_search_learns_counts_from_1_and_leaves_optuna_as_it_was(capsys):
    verbosity, lines = optuna.logging.get_verbosity(), []

    class Lines:
        width = 100
        print = staticmethod(lambda text, **options: lines.append(text.plain))

    study = tuning.new_study(0)
    tuning.work(study, value, 30, callbacks=[tuning.Progress(30, Lines())])
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 30
    tried = [trial.params["x"] for trial in study.trials]
    assert np.mean(tried[-10:]) > np.mean(tried[: tuning.AT_RANDOM]) + 0.1
    assert [line.split()[2] for line in lines] == [f"{n}/30" for n in range(1, 31)]
    assert f"best {study.best_value:.3f}" in lines[-1]
    assert optuna.logging.get_verbosity() == verbosity
    assert capsys.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_trials():
    def tried(seed):
        tuning.work(study := tuning.new_study(seed), value, 8)
        return [trial.params for trial in study.trials]

    assert tried(3) == tried(3) != tried(4)


def test_pruned_trials_count_and_a_reached_budget_runs_nothing():
    def never(trial):
        raise optuna.TrialPruned

    study = tuning.new_study(0)
    tuning.work(study, never, 3)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 3
    tuning.work(study, lambda trial: pytest.fail("it ran"), 3)


def test_pruning_reports_and_ends_a_trial_that_lags_behind():
    study = tuning.new_study(0)
    for accuracy in [0.5] * (tuning.AT_RANDOM + 1) + [0.1]:
        trial = study.ask()
        callback = tuning.Pruning(trial)
        for epoch in range(tuning.BEFORE_PRUNING):
            callback.on_epoch_end(epoch, {"val_accuracy": accuracy})
        if accuracy == 0.1:
            with pytest.raises(optuna.TrialPruned):
                callback.on_epoch_end(tuning.BEFORE_PRUNING, {"val_accuracy": accuracy})
        else:
            callback.on_epoch_end(tuning.BEFORE_PRUNING, {"val_accuracy": accuracy})
            study.tell(trial, accuracy)
            assert study.trials[-1].intermediate_values == {0: 0.5, 1: 0.5, 2: 0.5}


def test_ctrl_c_queues_the_trial_again_also_where_compiled_code_swallows_it(monkeypatch):
    def misused(trial):
        value(trial)
        startup.heard.append(signal.SIGINT)
        raise SystemError("bad argument to internal function")

    study = tuning.new_study(0)
    monkeypatch.setattr(startup, "heard", [])
    with pytest.raises(KeyboardInterrupt):
        tuning.work(study, misused, 2)
    failed, waiting = study.trials
    assert (failed.state, waiting.state) == (TrialState.FAIL, TrialState.WAITING)
    startup.heard.clear()
    tuning.work(study, value, 2)
    assert study.trials[1].state == TrialState.COMPLETE
    assert study.trials[1].params == failed.params


def test_a_trial_is_logged_for_tensorboard(tmp_path):
    study = tuning.new_study(0)

    def objective(trial):
        trial.report(0.25, 0)
        trial.report(0.5, 1)
        return value(trial)

    tuning.work(study, objective, 1, callbacks=[tuning.TrialLogs(tmp_path)])
    assert board.logged(tmp_path / "trial-001", "hparams")
    curve = board.scalars(tmp_path / "trial-001" / "validation")["epoch_accuracy"]
    np.testing.assert_allclose(curve, [0.25, 0.5])


def test_the_hyperparameter_that_decides_is_the_most_important():
    def objective(trial):
        trial.suggest_float("idle", 0.0, 1.0)
        return value(trial)

    study = tuning.new_study(0)
    tuning.work(study, objective, 30)
    shares = tuning.importances(study)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["x"] > 0.7


def test_optuna_and_hyperopt_draw_from_the_same_space(capsys):
    def suggest(trial):
        return (
            trial.suggest_float("rate", 1e-3, 1.0, log=True),
            trial.suggest_float("drop", 0.0, 0.5),
            trial.suggest_int("depth", 1, 3),
            trial.suggest_categorical("width", [8, 16, 32]),
        )

    def objective(trial):
        return suggest(trial)[0]

    found, again = (tuning.hyperopt(suggest, objective, 30, 0) for _ in range(2))
    assert [trial.params for trial in found.trials] == [trial.params for trial in again.trials]
    tuning.work(study := tuning.new_study(0), objective, 30)
    space = study.trials[0].distributions
    assert found.trials[0].distributions == space
    for trial in (*found.trials, *study.trials):
        assert all(of._contains(of.to_internal_repr(trial.params[n])) for n, of in space.items())
    for name, values in {"depth": {1, 2, 3}, "width": {8, 16, 32}}.items():
        for of in (found, study):
            assert {trial.params[name] for trial in of.trials} == values
    assert found.best_value == max(trial.params["rate"] for trial in found.trials) > 0.5
    assert capsys.readouterr() == ("", "")


# Tables of scores, and what the best of many is worth


def test_where_there_is_nothing_to_learn_a_search_has_no_lead():
    table = np.random.default_rng(0).random((15, 5, 5))  # no point says anything of the next
    tpe, blind = tuning.search_table(table, trials=16, searches=20, seed=0)
    assert tpe.shape == blind.shape == (20, 16)
    assert np.isin(tpe, table).all()
    assert (np.diff(tpe, axis=1) >= 0).all()
    np.testing.assert_array_equal(tpe[:, : tuning.AT_RANDOM], blind[:, : tuning.AT_RANDOM])
    lead = (tpe - blind)[:, -1]
    assert abs(lead.mean()) < 3 * lead.std() / 20**0.5


def test_where_neighbours_do_alike_a_search_leads():
    table = -np.abs(np.arange(40) - 31)[:, None] - np.abs(np.arange(20) - 4.0)
    tpe, blind = tuning.search_table(table, trials=24, searches=10, seed=0)
    assert tpe[:, -1].mean() > blind[:, -1].mean()


def test_a_candidate_has_the_units_of_its_width_and_no_more():
    widths, scales = np.array([2, 5, 8]), np.array([1.0, 1.0, 0.1])
    model = candidates.build(widths, scales, features=4, classes=2)
    outputs = model(np.ones((6, 4), "float32")).numpy()
    assert outputs.shape == (6, 3, 2)
    np.testing.assert_allclose(outputs.sum(axis=2), 1, rtol=1e-6)
    hidden = keras.Model(model.input, model.get_layer("width").output)
    model.get_layer("hidden").bias.assign(np.full((3, 8), 100.0))
    units = hidden(np.zeros((1, 4))).numpy()
    np.testing.assert_array_equal(np.sum(units > 0, axis=2), [widths])
    np.testing.assert_allclose(units.max(axis=2), [100 * scales / np.sqrt(widths)], rtol=1e-5)


def test_candidates_learn_as_each_would_alone_at_its_rate(monkeypatch):
    points, classes = np.random.default_rng(0).normal(size=(8, 4)), np.eye(2)[[0, 1] * 4]
    built = []
    build = candidates.build
    monkeypatch.setattr(candidates, "build", lambda *of: built.append(build(*of)) or built[-1])
    keras.utils.set_random_seed(0)
    sizes = {"epochs": 2, "batch_size": 8}
    samples, rates = (points, classes), np.array([0.3, 0.02])
    right = candidates.fit(rates, np.array([3, 3]), samples, samples, **sizes)
    assert right.shape == (8, 2)
    assert right.dtype == bool
    keras.utils.set_random_seed(0)
    start = build(np.array([3, 3]), np.ones(2), 4, 2).get_weights()
    for n, rate in enumerate(rates):
        alone = build(np.array([3]), np.ones(1), 4, 2)
        where = ((slice(None), [n]), ([n],), ([n],), ([n],))  # the candidate's axis of each weight
        alone.set_weights([of[at] for of, at in zip(start, where, strict=True)])
        alone.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")
        compare.build_variables(alone, classes[:, None])
        alone.fit(points, classes[:, None], verbose=0, **sizes)
        for one, of, at in zip(alone.get_weights(), built[0].get_weights(), where, strict=True):
            np.testing.assert_allclose(one, of[at], atol=1e-5)


def test_the_best_so_far_is_worth_less_than_it_scored():
    rng = np.random.default_rng(0)
    right = rng.random((2000, 40)) < 0.5  # coins: the theory knows by how much
    validated, tested = inspection.best_so_far(right, 50, 500, rng)
    assert validated.shape == tested.shape == (40,)
    assert (np.diff(validated) >= 0).all()
    np.testing.assert_allclose(tested, 0.5, atol=0.02)
    assert validated[0] == pytest.approx(0.5, abs=0.02)
    # The largest of 40 standard normal numbers is 2.16 in the mean.
    assert validated[-1] == pytest.approx(0.5 + 2.16 * 0.5 / 50**0.5, abs=0.02)


def test_a_search_tests_on_every_sample_that_it_does_not_validate_on():
    right = np.array([[True], [True], [False], [False]])
    validated, tested = inspection.best_so_far(right, 3, 400, np.random.default_rng(0))
    assert 3 * validated[0] + tested[0] == pytest.approx(2)


def test_hidden_parity_is_told_by_two_coordinates_and_by_no_line():
    points = data.hidden_parity(0, train=5000, test=5000)
    features, labels = points.train, points.train_targets.argmax(axis=1)
    signal = 2 * labels - 1.0
    assert np.abs(signal @ features / 5000).max() < 0.06
    # Of the products of coordinates, (20, 20), the signal has two: their two eigenvectors.
    products = (features * signal[:, None]).T @ features / 5000
    strengths = np.sort(np.abs(np.linalg.eigvalsh(products)))
    assert (strengths[-2:] > 0.8).all()
    assert strengths[-3] < 0.3
    sign_right = 0.841345  # Phi(1)
    expected = sign_right**2 + (1 - sign_right) ** 2
    assert points.best_possible == pytest.approx(expected, abs=0.02)


def test_which_gestures_occur_does_not_tell_in_which_order():
    quiet = data.gestures(0, noise=1e-6)
    pair = quiet.train_targets.argmax(axis=1)
    # What the sensors move in all, whenever they do: the same for both orders.
    moved = np.square(quiet.train).sum(axis=1)
    np.testing.assert_allclose(moved[pair == 1].mean(0), moved[pair == 2].mean(0), rtol=0.1)
    assert np.abs(moved[pair == 0].mean(0) - moved[pair == 3].mean(0)).max() > 1
    best = [data.gestures(0, noise=of).best_possible for of in (0.01, 0.7, 2.0, 100.0)]
    assert best[0] == 1
    assert best == sorted(best, reverse=True)
    assert best[-1] == pytest.approx(0.25, abs=0.04)


# The candidates of the lesson


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_candidate_is_what_its_hyperparameters_say(separable, normalize):
    params = {"separable": separable, "width": 16, "normalize": normalize, "depth": 3}
    params |= {"dropout": 0.3, "optimizer": "SGD", "learning_rate": 0.5}
    model = script.build_candidate(optuna.trial.FixedTrial(params))
    kinds = [type(layer) for layer in model.layers]
    convolution = keras.layers.SeparableConv1D if separable else keras.layers.Conv1D
    assert kinds.count(convolution) == 3
    assert kinds.count(keras.layers.BatchNormalization) == 3 * normalize
    (dropout,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Dropout))
    assert dropout.rate == 0.3
    assert {layer.filters for layer in model.layers if type(layer) is convolution} == {16}
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.5


def test_the_same_hyperparameters_give_the_same_model():
    gestures = data.gestures(0, train=60, validation=40, test=1)
    params = {"separable": False, "width": 8, "normalize": True, "depth": 1}
    params |= {"dropout": 0.3, "optimizer": "Adam", "learning_rate": 0.01}
    scores, models = [], {}
    for number in (0, 1):
        trial = optuna.trial.FixedTrial(params, number)
        scores.append(script.try_out(trial, gestures, seed=0, models=models))
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    for one, other in zip(*(models[n].get_weights() for n in (0, 1)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


# Databases


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("search.db", "not the URL"),
        ("", "not the URL"),
        ("postgresql://me:hidden@host:port/x", "not the URL"),
        ("nosuch://me:hidden@host/x", "knows no database 'nosuch'"),
        ("postgresql+psycopg2://me:hidden@host/x", 'pip install "psycopg2-binary"'),
        ("sqlite://", "needs a file"),
    ],
)
def test_urls_that_are_refused(url, sentence):
    with pytest.raises(argparse.ArgumentTypeError, match=sentence) as refused:
        tuning.database(url)
    assert "hidden" not in str(refused.value)


def make_foreign(path):
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE recipes (name)")


BAD_FILES = {
    "no folder": (lambda path: None, "unable to open"),
    "a folder": (lambda path: path.mkdir(), "unable to open"),
    "text": (lambda path: path.write_bytes(b"a letter to my aunt" * 99), "not a database"),
    "damaged": (lambda path: path.write_bytes(b"SQLite format 3\0" + b"?" * 9000), "not a|malf"),
    "foreign": (make_foreign, "holds other data"),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_files_that_are_refused_and_left_alone(bad, tmp_path):
    make, sentence = BAD_FILES[bad]
    path = tmp_path / ("missing" if bad == "no folder" else "") / "search.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError, match=sentence) as refused:
        tuning.open_study(f"sqlite:///{path}", "tested")
    assert "\n" not in str(refused.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_database_that_goes_away_in_the_middle(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    study = tuning.open_study(url, "tested")

    def objective(trial):
        (tmp_path / "search.db").write_bytes(b"gone" * 5000)
        return 0.5

    with pytest.raises(UsageError, match="does not do its work"):
        tuning.work(study, objective, 2, url=url)


def test_an_error_of_the_objective_stays_what_it_is():
    with pytest.raises(UnboundLocalError, match="mine"), tuning.plain_errors("sqlite://"):
        raise UnboundLocalError("mine")


def test_the_password_is_not_shown():
    with pytest.raises(UsageError) as refused, tuning.plain_errors("mysql://me:hidden@host/x"):
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("no\nroute for me:hidden"))
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "no route" in str(refused.value)


def test_a_study_goes_on_where_it_ended_and_nothing_finished_changes(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    tuning.work(tuning.open_study(url, "tested"), value, 3, url=url)
    kept = stored(url).trials
    tuning.work(tuning.open_study(url, "tested"), value, 5, url=url)
    trials = stored(url).trials
    assert trials[:3] == kept
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
def test_the_trial_of_a_dead_worker_is_run_again(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    study = tuning.open_study(url, "tested", **TIMES)
    with tuning.quiet():
        dead = study.ask()
    value(dead)
    study._storage.record_heartbeat(dead._trial_id)
    time.sleep(TIMES["grace"] + 1)
    tuning.work(tuning.open_study(url, "tested", **TIMES), value, 1, url=url)
    lost, again = stored(url).trials
    assert (lost.state, again.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert again.params == lost.params


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
def test_a_worker_that_died_before_its_first_sign_of_life_stops_nobody(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    with tuning.quiet():
        tuning.open_study(url, "tested").ask()
    tuning.work(tuning.open_study(url, "tested"), value, 2, url=url)
    states = [trial.state for trial in stored(url).trials]
    assert states == [TrialState.RUNNING, TrialState.COMPLETE, TrialState.COMPLETE]


# Worker processes


@pytest.fixture(scope="module")
def postgresql():
    """The URL of a PostgreSQL server that listens on the loopback interface."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    found = [*Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), shutil.which("pg_ctl")]
    if found[0] is None:
        pytest.skip("there is no PostgreSQL server program here")
    programs = Path(found[0]).parent
    # The server refuses to run as root.
    user = {"user": "nobody"} if hasattr(os, "geteuid") and os.geteuid() == 0 else {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, **user)

        def run(program, *arguments):
            command = [programs / program, "-D", f"{folder}/data", *arguments]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            subprocess.run(command, check=True, cwd=folder, **quiet, **user)

        run("initdb", "--username=reader", "--auth=trust", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        run("pg_ctl", "--wait", f"--log={folder}/log", f"--options={options}", "start")
        yield f"postgresql+psycopg://reader@127.0.0.1:{port}/postgres"
        run("pg_ctl", "--wait", "--mode=immediate", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a database that holds nothing of this test."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    return f"sqlite:///{tmp_path / 'search.db'}"


def start(url, name, trials, folder):
    command = [sys.executable, WORKER, url, name, str(trials), folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process):
    """The exit status of a worker, which must have printed nothing."""
    out, err = process.communicate(timeout=90)
    assert (out, err) == (b"", b"")
    return process.returncode


def begun(folder, process, seconds=60):
    """The number of the trial that a worker has begun last, which is waited for."""
    for _ in range(20 * seconds):
        names = [path.name for path in folder.glob(f"running-{process.pid}-*")]
        if names:
            return max(int(name.split("-")[-1]) for name in names)
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail("no trial was begun")


@KILLS
@pytest.mark.slow
def test_of_two_workers_one_is_killed_and_the_other_runs_its_trial_again(url, tmp_path):
    (tmp_path / "hold").touch()
    workers = [start(url, "killed", 12, tmp_path) for _ in range(2)]  # on a database without tables
    lost, _ = (begun(tmp_path, worker) for worker in workers)
    time.sleep(2 * TIMES["heartbeat"])  # its first sign of life
    killed, alive = workers
    killed.kill()
    killed.communicate()
    (tmp_path / "hold").unlink()
    assert ended(alive) == 0
    trials = stored(url, "killed").trials
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 12
    assert trials[lost].state == TrialState.FAIL
    (again,) = [trial for trial in trials if trial.system_attrs.get("failed_trial") == lost]
    assert (again.state, again.params) == (TrialState.COMPLETE, trials[lost].params)


@pytest.mark.slow
def test_three_workers_share_the_trials_and_a_larger_budget_goes_on(url, tmp_path):
    for trials, count in ((7, 3), (10, 1)):
        workers = [start(url, "shared", trials, tmp_path) for _ in range(count)]
        assert [ended(worker) for worker in workers] == [0] * count
        found = stored(url, "shared").trials
        assert {trial.state for trial in found} == {TrialState.COMPLETE}
        assert trials <= len(found) <= trials + 2  # those that ended at the same moment
        assert len({trial.params["x"] for trial in found}) == len(found)  # no two draw alike


@KILLS
@pytest.mark.slow
def test_ctrl_c_ends_a_worker_and_its_trial_is_run_again(url, tmp_path):
    (tmp_path / "hold").touch()
    worker = start(url, "interrupted", 2, tmp_path)
    number = begun(tmp_path, worker)
    worker.send_signal(signal.SIGINT)
    assert ended(worker) == 130
    failed, waiting = stored(url, "interrupted").trials
    assert (failed.number, waiting.state) == (number, TrialState.WAITING)
    (tmp_path / "hold").unlink()
    assert ended(start(url, "interrupted", 2, tmp_path)) == 0
    again, other = stored(url, "interrupted").trials[1:]
    assert (again.state, other.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert again.params == failed.params


@pytest.mark.slow
def test_a_server_that_is_not_there_is_one_sentence(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://me:hidden@127.0.0.1:{probe.getsockname()[1]}/x"
        pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
        out, error = start(url, "absent", 1, tmp_path).communicate(timeout=60)
    assert out == b""
    assert error.count(b"\n") == 1
    assert b"does not do its work" in error
    assert b"hidden" not in error


# The script, as a reader starts it


def run_script(folder, *arguments, **environ):
    process = subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--output", folder],
        capture_output=True,
        text=True,
        env=os.environ | environ,
        timeout=300,
    )
    return process.returncode, process.stdout.splitlines(), process.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--trials", "0"), "a whole number from 1"),
        (("--study", "sqlite:///x.db", "--engine", "hyperopt"), "leave out --engine hyperopt"),
        (("--study", "nosuch://x"), "knows no database"),
        (("--study", "sqlite:////nowhere/at/all/x.db"), "unable to open"),
    ],
)
def test_command_lines_that_are_refused(arguments, sentence, tmp_path):
    status, out, error = run_script(tmp_path, *arguments)
    assert (status, out, error.count("\n")) == (2, [], 1)
    assert sentence in error


@pytest.mark.slow
def test_without_hyperopt(tmp_path):
    (tmp_path / "hyperopt.py").write_text("raise ImportError", encoding="utf-8")
    status, out, error = run_script(tmp_path, "--engine", "hyperopt", PYTHONPATH=str(tmp_path))
    assert (status, out, error.count("\n")) == (2, [], 1)
    assert "python -m pip install hyperopt" in error


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["optuna", "hyperopt"])
def test_the_script_searches_with_either_engine(engine, tmp_path):
    status, out, error = run_script(tmp_path, "--engine", engine, "--trials", "2")
    assert (status, error) == (0, "")
    lines = [line for line in out if "trial" in line]
    assert [line.split()[2] for line in lines[:2]] == ["1/2", "2/2"]
    assert lines[2].startswith("  best: ")
    assert len([*(tmp_path / "my_log_dir").glob("*/trial-00[12]")]) == 2


@KILLS
@pytest.mark.slow
def test_two_scripts_share_a_study_and_ctrl_c_loses_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    command = [sys.executable, SCRIPT, "--study", url, "--trials", "400", "--output", tmp_path]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    scripts = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        for one in scripts:
            assert any(line.startswith("  ..  trial ") for line in one.stdout)  # it has ended one
        for one in scripts:
            one.send_signal(signal.SIGINT)
        for one in scripts:
            assert "Traceback" not in one.communicate(timeout=60)[1]
            assert one.returncode == 130
    finally:
        for one in scripts:
            one.kill()
    trials = stored(url, "7.3.2, seed 0").trials
    finished = sum(trial.state in tuning.FINISHED for trial in trials)
    assert finished >= 2
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    failed = [trial for trial in trials if trial.state == TrialState.FAIL and trial.params]
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    assert len(waiting) == len(failed)
    status, out, _ = run_script(tmp_path, "--study", url, "--trials", str(finished + 1))
    assert status == 0
    assert f"trial {finished + 1:3d}/{finished + 1}" in out[0]
