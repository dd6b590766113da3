"""Section 7.3.2: searches, studies, workers that are killed, databases that fail, two engines."""

import contextlib
import os
import random
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
from conftest import ROOT, started
from optuna.trial import FixedTrial, TrialState
from searching import TIMES

import ch0703_ensembling as script
from ch07 import board, candidates, compare, data, inspection, tuning
from ch07.lab import lessons, program, startup
from ch07.lab.startup import UsageError

WORKER, SCRIPT = ROOT / "tests" / "searching.py", ROOT / "ch0703_ensembling.py"
KILLS = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING


def value(trial):
    return trial.suggest_float("x", 0.0, 1.0)


@pytest.fixture
def file(tmp_path):
    """The URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path / 'search.db'}"


def stored(url, name="tested"):
    """The trials of a study in a database, to which no connection is left open."""
    storage = optuna.storages.RDBStorage(url, {"poolclass": sqlalchemy.NullPool})
    return optuna.load_study(study_name=name, storage=storage).trials


def states(trials):
    return [trial.state for trial in trials]


# In this process


def test_a_search_learns_is_shown_follows_its_seed_and_leaves_optuna_as_it_was(tmp_path, capsys):
    def objective(trial):
        trial.suggest_float("idle", 0.0, 1.0)
        trial.report(0.25, 0)
        trial.report(0.5, 1)
        return value(trial)

    class Lines:
        width = 100
        print = staticmethod(lambda text: lines.append(text.plain))

    verbosity, lines, tried = optuna.logging.get_verbosity(), [], []
    shown = [tuning.Progress(30, Lines()), tuning.TrialLogs(tmp_path)]
    for seed, callbacks in ((0, shown), (0, []), (1, [])):
        tuning.work(study := tuning.new_study(seed), objective, 30, callbacks=callbacks)
        assert states(study.trials) == [COMPLETE] * 30
        tried.append([trial.params["x"] for trial in study.trials])
        assert np.mean(tried[-1][-10:]) > np.mean(tried[-1][: tuning.AT_RANDOM]) + 0.1
        shares = tuning.importances(study)
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["x"] > 0.7
    assert tried[0] == tried[1] != tried[2]
    assert [line.split()[2] for line in lines] == [f"{n}/30" for n in range(1, 31)]
    assert f"best {max(tried[0]):.3f}" in lines[-1]
    assert board.logged(tmp_path / "trial-001" / "validation", "hparams")
    curve = board.scalars(tmp_path / "trial-030" / "validation")["epoch_accuracy"]
    np.testing.assert_allclose(curve, [0.25, 0.5])
    assert optuna.logging.get_verbosity() == verbosity
    assert capsys.readouterr() == ("", "")


def test_pruned_trials_count_and_a_reached_budget_runs_nothing():
    def never(trial):
        assert trial.number < 3, "it ran on"
        raise optuna.TrialPruned

    study = tuning.new_study(0)
    tuning.work(study, never, 3)
    assert states(study.trials) == [PRUNED] * 3
    tuning.work(study, lambda trial: pytest.fail("it ran"), 3)


def test_pruning_reports_and_ends_a_trial_that_lags_behind():
    study = tuning.new_study(0)
    for accuracy in [0.5] * (tuning.AT_RANDOM + 1) + [0.1]:
        callback = tuning.Pruning(trial := study.ask())
        lags = pytest.raises(optuna.TrialPruned) if accuracy == 0.1 else contextlib.nullcontext()
        with lags:
            for epoch in range(tuning.BEFORE_PRUNING + 1):
                callback.on_epoch_end(epoch, {"val_accuracy": accuracy})
        study.tell(trial, accuracy)
        assert study.trials[-1].intermediate_values == dict.fromkeys(range(3), accuracy)


def test_ctrl_c_queues_the_trial_again_also_where_compiled_code_swallows_it(monkeypatch):
    def misused(trial):
        value(trial)
        startup.heard.append(signal.SIGINT)
        raise SystemError("bad argument to internal function")

    study = tuning.new_study(0)
    monkeypatch.setattr(startup, "heard", [])
    with pytest.raises(KeyboardInterrupt):
        tuning.work(study, misused, 2)
    assert states(study.trials) == [FAIL, WAITING]
    startup.heard.clear()
    tuning.work(study, value, 2)
    assert states(study.trials) == [FAIL, COMPLETE, COMPLETE]
    assert study.trials[1].params == study.trials[0].params


def test_optuna_and_hyperopt_draw_from_the_same_space(monkeypatch, capsys):
    def suggest(trial):
        trial.suggest_float("drop", 0.0, 0.5)
        trial.suggest_int("depth", 1, 3)
        trial.suggest_categorical("width", [8, 16, 32])
        return trial.suggest_float("rate", 1e-3, 1.0, log=True)

    found, again = (tuning.hyperopt(suggest, suggest, 30, 0) for _ in range(2))
    assert [trial.params for trial in found.trials] == [trial.params for trial in again.trials]
    tuning.work(study := tuning.new_study(0), suggest, 30)
    space = study.trials[0].distributions
    assert found.trials[0].distributions == space
    for trial in (*found.trials, *study.trials):
        assert all(of._contains(of.to_internal_repr(trial.params[n])) for n, of in space.items())
    for of in (found, study):
        assert {trial.params["depth"] for trial in of.trials} == {1, 2, 3}
        assert {trial.params["width"] for trial in of.trials} == {8, 16, 32}
    assert found.best_value == max(trial.params["rate"] for trial in found.trials) > 0.5
    assert capsys.readouterr() == ("", "")
    monkeypatch.setitem(sys.modules, "hyperopt", None)
    with pytest.raises(UsageError, match="python -m pip install hyperopt"):
        tuning.hyperopt(suggest, suggest, 30, 0)


# Tables of scores, and what the best of many is worth


def test_a_search_leads_where_neighbours_do_alike_and_only_there():
    table = np.random.default_rng(0).random((15, 5, 5))  # no point says anything of the next
    tpe, blind = tuning.search_table(table, trials=16, searches=20, seed=0)
    assert tpe.shape == blind.shape == (20, 16)
    assert np.isin(tpe, table).all()
    assert (np.diff(tpe, axis=1) >= 0).all()
    np.testing.assert_array_equal(tpe[:, : tuning.AT_RANDOM], blind[:, : tuning.AT_RANDOM])
    lead = (tpe - blind)[:, -1]
    assert abs(lead.mean()) < 3 * lead.std() / 20**0.5
    table = -np.abs(np.arange(40) - 31)[:, None] - np.abs(np.arange(20) - 4.0)
    tpe, blind = tuning.search_table(table, trials=24, searches=10, seed=0)
    assert tpe[:, -1].mean() > blind[:, -1].mean()


def test_a_candidate_has_the_units_of_its_width_and_no_more():
    widths, scales = np.array([2, 5, 8]), np.array([1.0, 1.0, 0.1])
    model = candidates.build(widths, scales, features=4, classes=2)
    hidden = keras.Model(model.input, model.get_layer("width").output)
    model.get_layer("hidden").bias.assign(np.full((3, 8), 100.0))
    units = hidden(np.zeros((1, 4))).numpy()
    np.testing.assert_array_equal(np.sum(units > 0, axis=2), [widths])
    np.testing.assert_allclose(units.max(axis=2), [100 * scales / np.sqrt(widths)], rtol=1e-5)


def test_candidates_learn_as_each_would_alone_at_its_rate(monkeypatch):
    points, classes = np.random.default_rng(0).normal(size=(8, 4)), np.eye(2)[[0, 1] * 4]
    samples, rates, sizes = (points, classes), np.array([0.3, 0.02]), {"epochs": 2, "batch_size": 8}
    together = candidates.build(np.array([3, 3]), np.ones(2), 4, 2)
    start, build = together.get_weights(), candidates.build
    monkeypatch.setattr(candidates, "build", lambda *of: together)
    right = candidates.fit(rates, np.array([3, 3]), samples, samples, **sizes)
    assert (right.shape, right.dtype) == ((8, 2), bool)
    for n, rate in enumerate(rates):
        alone = build(np.array([3]), np.ones(1), 4, 2)
        where = ((slice(None), [n]), ([n],), ([n],), ([n],))  # the candidate's axis of each weight
        alone.set_weights([of[at] for of, at in zip(start, where, strict=True)])
        alone.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")
        compare.build_variables(alone, classes[:, None], alone(points[:1]))
        alone.fit(points, classes[:, None], verbose=0, **sizes)
        for one, of, at in zip(alone.get_weights(), together.get_weights(), where, strict=True):
            np.testing.assert_allclose(one, of[at], atol=1e-5)


def test_the_best_so_far_is_worth_less_than_it_scored_on_all_samples_that_are_left():
    rng = np.random.default_rng(0)
    right = rng.random((2000, 40)) < 0.5  # coins: the theory knows by how much
    validated, tested = inspection.best_so_far(right, 50, 500, rng)
    assert validated.shape == tested.shape == (40,)
    assert (np.diff(validated) >= 0).all()
    np.testing.assert_allclose(tested, 0.5, atol=0.02)
    assert validated[0] == pytest.approx(0.5, abs=0.02)
    # The largest of 40 standard normal numbers is 2.16 in the mean.
    assert validated[-1] == pytest.approx(0.5 + 2.16 * 0.5 / 50**0.5, abs=0.02)
    right = np.array([[True], [True], [False], [False]])
    validated, tested = inspection.best_so_far(right, 3, 400, rng)
    assert 3 * validated[0] + tested[0] == pytest.approx(2)


def test_hidden_parity_is_told_by_two_coordinates_and_by_no_line():
    points = data.hidden_parity(0, train=5000, test=1)
    signal = 2 * points.train_targets.argmax(axis=1) - 1.0
    assert np.abs(signal @ points.train / 5000).max() < 0.06
    # Of the products of coordinates, (20, 20), the signal has two: their two eigenvectors.
    products = (points.train * signal[:, None]).T @ points.train / 5000
    strengths = np.sort(np.abs(np.linalg.eigvalsh(products)))
    assert (strengths[-2:] > 0.8).all()
    assert strengths[-3] < 0.3


def test_which_gestures_occur_does_not_tell_in_which_order_and_the_best_know_both():
    quiet, noisy = data.gestures(0, train=4000, noise=1e-6), data.gestures(0)
    pair = quiet.train_targets.argmax(axis=1)
    # What the sensors move in all, whenever they do: the same for both orders.
    moved = np.square(quiet.train).sum(axis=1)
    np.testing.assert_allclose(moved[pair == 1].mean(0), moved[pair == 2].mean(0), rtol=0.1)
    assert np.abs(moved[pair == 0].mean(0) - moved[pair == 3].mean(0)).max() > 1
    # Who knows every signal without the noise says the pair whose signals are likeliest, together.
    known, at = np.unique(quiet.train.round(3).reshape(-1, 96), axis=0, return_index=True)
    fit = noisy.test.reshape(-1, 96) @ known.T - np.square(known).sum(axis=1) / 2
    chances = [np.logaddexp.reduce(fit[:, pair[at] == n], axis=1) for n in range(4)]
    said = np.argmax(chances, axis=0) == noisy.test_targets.argmax(axis=1)
    assert said.mean() == pytest.approx(noisy.best_possible, abs=0.004)


# The candidates of the lesson

PARAMS = {"separable": False, "width": 16, "normalize": True, "depth": 3, "dropout": 0.3}
PARAMS |= {"optimizer": "SGD", "learning_rate": 0.5}


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_candidate_is_what_its_hyperparameters_say(separable, normalize):
    params = {"separable": separable, "normalize": normalize}
    model = script.build_candidate(FixedTrial(PARAMS | params))
    convolution = keras.layers.SeparableConv1D if separable else keras.layers.Conv1D
    assert [layer.filters for layer in model.layers if type(layer) is convolution] == [16] * 3
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(keras.layers.BatchNormalization) == 3 * normalize
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.3]
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.5


def test_the_same_hyperparameters_give_the_same_model():
    gestures, models = data.gestures(0, train=60, validation=40, test=1), {}
    for number in (0, 1):
        script.try_out(FixedTrial(PARAMS, number), gestures, seed=0, models=models)
    for one, other in zip(*(models[n].get_weights() for n in (0, 1)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


# Databases


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--study", "search.db", "not the URL"),
        ("--study", "", "not the URL"),
        ("--study", "postgresql://me:hidden@host:port/x", "not the URL"),
        ("--study", "nosuch://me:hidden@host/x", "knows no database 'nosuch'"),
        ("--study", "postgresql+psycopg2://me:hidden@host/x", 'pip install "psycopg2-binary"'),
        ("--study", "sqlite://", "needs a file"),
        ("--trials", "0", "a whole number from 1"),
    ],
)
def test_options_that_are_refused(option, value, sentence, capsys):
    options = tuning.OPTIONS["commands"] | tuning.OPTIONS["options"]
    with pytest.raises(SystemExit):
        program.parser_of(lessons.read(SCRIPT.stem), options).parse_args([option, value])
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sentence in error
    assert "hidden" not in error


def make_foreign(path):
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE recipes (name)")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.parent.rmdir(), "unable to open"),
        (Path.mkdir, "unable to open"),
        (lambda path: path.write_bytes(b"a letter to my aunt" * 99), "not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"?" * 9000), "not a|malf"),
        (make_foreign, "holds other data"),
    ],
)
def test_files_that_are_refused_and_left_alone(make, sentence, tmp_path):
    path = tmp_path / "folder" / "search.db"
    path.parent.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError, match=sentence) as refused:
        tuning.open_study(f"sqlite:///{path}", "tested")
    assert "\n" not in str(refused.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_database_that_goes_away_in_the_middle(file, tmp_path):
    study = tuning.open_study(file, "tested")

    def objective(trial):
        (tmp_path / "search.db").write_bytes(b"gone" * 5000)
        return 0.5

    with pytest.raises(UsageError, match="does not do its work"):
        tuning.work(study, objective, 2, url=file)


def test_what_a_database_complains_of_is_one_sentence_without_the_password():
    with pytest.raises(UsageError) as refused, tuning.plain_errors("mysql://me:hidden@host/x"):
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("no\nroute for me:hidden"))
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "no route" in str(refused.value)
    with pytest.raises(UnboundLocalError, match="mine"), tuning.plain_errors("sqlite://"):
        raise UnboundLocalError("mine")  # of the objective


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
def test_the_trial_of_a_dead_worker_is_run_again_if_it_gave_a_sign_of_life(file):
    study = tuning.open_study(file, "tested", **TIMES)
    with tuning.quiet():
        study.ask()  # dead before its first sign of life
        dead = study.ask()
    value(dead)
    study._storage.record_heartbeat(dead._trial_id)
    time.sleep(TIMES["grace"] + 1)
    tuning.work(tuning.open_study(file, "tested", **TIMES), value, 2, url=file)
    assert states(stored(file)) == [RUNNING, FAIL, COMPLETE, COMPLETE]
    assert stored(file)[2].params == stored(file)[1].params


# Worker processes


@pytest.fixture(scope="module")
def postgresql():
    """The URL of a PostgreSQL server that listens on the loopback interface."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    found = [*Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), shutil.which("pg_ctl")]
    if found[0] is None:
        pytest.skip("there is no PostgreSQL server program here")
    # The server refuses to run as root.
    user = {"user": "nobody"} if hasattr(os, "geteuid") and os.geteuid() == 0 else {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, **user)

        def run(program, *arguments):
            command = [Path(found[0]).with_name(program), "-D", f"{folder}/data", *arguments]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)

        run("initdb", "--username=reader", "--auth=trust", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        run("pg_ctl", "--wait", f"--log={folder}/log", f"--options={options}", "start")
        yield f"postgresql+psycopg://reader@127.0.0.1:{port}/postgres"
        run("pg_ctl", "--wait", "--mode=immediate", "stop")


@pytest.fixture(params=["file", "postgresql"])
def url(request):
    """The URL of a database that holds nothing of this test."""
    return request.getfixturevalue(request.param)


def start(url, name, trials, folder):
    command = [sys.executable, WORKER, url, name, str(trials), folder]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


def ended(process):
    """The exit status of a worker, which must have printed nothing."""
    assert process.communicate() == ("", "")
    return process.returncode


def begun(folder, process):
    """The number of the trial that a worker has begun, which is waited for."""
    while not (found := [*folder.glob(f"{process.pid}-*")]):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return int(found[0].name.split("-")[1])


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
    trials = stored(url, "killed")
    assert states(trials).count(COMPLETE) == 12
    assert trials[lost].state == FAIL
    (again,) = [trial for trial in trials if trial.system_attrs.get("failed_trial") == lost]
    assert (again.state, again.params) == (COMPLETE, trials[lost].params)


@pytest.mark.slow
def test_three_workers_share_the_trials_and_a_larger_budget_goes_on(url, tmp_path):
    for trials, count in ((7, 3), (10, 1)):
        workers = [start(url, "shared", trials, tmp_path) for _ in range(count)]
        assert [ended(worker) for worker in workers] == [0] * count
        found = stored(url, "shared")
        assert set(states(found)) == {COMPLETE}
        assert trials <= len(found) <= trials + 2  # those that ended at the same moment
        assert len({trial.params["x"] for trial in found}) == len(found)  # no two draw alike


@KILLS
@pytest.mark.slow
def test_killed_again_and_again_workers_lose_no_trial_that_is_finished(url, tmp_path):
    rng, kept = random.Random(0), []
    for _ in range(3):
        workers = [start(url, "again", 99, tmp_path) for _ in range(2)]
        for worker in workers:
            begun(tmp_path, worker)
            time.sleep(2 * rng.random())  # four trials, or none
        for worker in workers:
            worker.kill()
            worker.communicate()
        before, kept = kept, [of for of in stored(url, "again") if of.state == COMPLETE]
        numbers = {trial.number: trial.params for trial in kept}
        assert all(numbers[trial.number] == trial.params for trial in before)
    assert len(kept) > 3
    assert ended(start(url, "again", len(kept) + 1, tmp_path)) == 0


# The script, as a reader starts it


def test_a_database_is_for_optuna(file):
    class Section:
        seed, options = 0, {"study": file, "engine": "hyperopt", "trials": 1}

    with pytest.raises(UsageError, match="leave out --engine hyperopt"):
        tuning.command(Section, value, value)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["optuna", "hyperopt"])
def test_the_script_searches_with_either_engine(engine, tmp_path):
    command = [sys.executable, SCRIPT, "--engine", engine, "--trials", "2", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if "trial" in line]
    assert [line.split()[2] for line in lines[:2]] == ["1/2", "2/2"]
    assert lines[2].startswith("  best: ")
    assert len([*(tmp_path / "my_log_dir").glob("*/trial-00[12]")]) == 2


@KILLS
@pytest.mark.slow
def test_ctrl_c_ends_a_script_with_a_study_and_the_same_command_goes_on(file, tmp_path):
    command = [sys.executable, SCRIPT, "--study", file, "--output", tmp_path, "--trials"]
    with started(*command, "400") as process:
        assert any(line.startswith("  ..  trial ") for line in process.stdout)  # it has ended one
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate()[1]
    assert process.returncode == 130
    found = states(stored(file, "7.3.2, seed 0"))
    assert RUNNING not in found
    wanted = 1 + sum(state in tuning.FINISHED for state in found)
    done = subprocess.run([*command, str(wanted)], capture_output=True, text=True)
    assert done.returncode == 0
    assert f"trial {wanted:3d}/{wanted}" in done.stdout.splitlines()[0]
