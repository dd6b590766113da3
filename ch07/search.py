"""Searching for hyperparameters: studies that several workers share, and that survive their death.

A study is a list of trials in a database. A worker asks for a trial, trains it, tells its value,
and goes on until the budget of the study is reached; any number of them, processes or machines, may
do that at once. The engine is Optuna (Akiba et al., 2019, arXiv:1907.10902); `hyperopt` runs the
same search with the library that the book names (section 7.3.2).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before Keras: a process of a search may begin here.
from ch07.startup import UsageError, interruptible

# isort: split
import keras
import numpy as np
import optuna
import sqlalchemy
import tensorflow as tf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.exceptions import (
    DuplicatedStudyError,
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ch07 import checks

Choose = Callable[[Any], Mapping[str, Any]]
Objective = Callable[[Any], float]

AT_RANDOM = 6  # trials before there is anything to go by; Optuna's 10 are most of a short search
BEFORE_STOPPING = 2  # epochs: in the first ones, the best trials may well be slow
HEARTBEAT = 5  # seconds: a small write, seldom enough for many workers on one database
GRACE = 20  # seconds without a heartbeat until a worker counts as dead: two or three may be late
LOCKED = 30  # seconds to wait for an SQLite file in use; a write of a worker takes milliseconds
UNREACHABLE = 10  # seconds to wait for a server
RETRIES = 3  # a trial that kills every worker that runs it must not do so for ever
POLL = 1.0  # seconds between two looks at what the other workers still run
SHIFT = 50  # trials: TensorFlow keeps the graph of each, 2 MB and more, until the process ends
DEAD_SHIFTS = 3  # in a row without a finished trial: the fault is not in a hyperparameter
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SPACE = "search space"  # the attribute of a study that holds it
BEGUN = "begun as"  # the attribute of a trial; a retried trial inherits that of the dead one

# The package with the driver of a database, where it is not called like the module.
PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
OWN_TABLES = {"studies", "trials", "version_info", "alembic_version"}

optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # a search prints lines of its own


class Pruning(keras.callbacks.Callback):
    """Reports a metric of each epoch, and ends a trial that does worse than the others did."""

    def __init__(self, trial, monitor: str = "val_accuracy"):
        super().__init__()
        self.trial = trial
        self.monitor = monitor

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(float(checks.monitored(logs, self.monitor)), epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


class Recorder:
    """A trial that notes what is asked of it, and answers with the first possible value."""

    def __init__(self):
        self.space: dict[str, BaseDistribution] = {}

    def suggest_float(self, name, low, high, *, step=None, log=False):
        self.space[name] = FloatDistribution(low, high, log=log, step=step)
        return low

    def suggest_int(self, name, low, high, *, step=1, log=False):
        self.space[name] = IntDistribution(low, high, log=log, step=step)
        return low

    def suggest_categorical(self, name, choices):
        self.space[name] = CategoricalDistribution(choices)
        return choices[0]


def space_of(choose: Choose) -> dict[str, BaseDistribution]:
    """The search space: what `choose` asks of a trial, whatever that answers."""
    recorder = Recorder()
    choose(recorder)
    return recorder.space


class SeededByTrial(optuna.samplers.BaseSampler):
    """TPE (Bergstra et al., 2011) whose draws follow from the seed and the number of the trial.

    So no two workers draw alike though all of them were given one seed, and a lone worker that is
    interrupted and started again tries what it would have tried.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.sampler = optuna.samplers.TPESampler(seed=seed)

    def before_trial(self, study, trial):
        state = np.random.SeedSequence([self.seed, trial.number]).generate_state(1)
        self.sampler = optuna.samplers.TPESampler(seed=int(state[0]), n_startup_trials=AT_RANDOM)

    def infer_relative_search_space(self, study, trial):
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study, trial, state, values):
        self.sampler.after_trial(study, trial, state, values)


class Storage(optuna.storages.RDBStorage):
    """Optuna's storage, with a heart that goes on when it misses a beat, and beats first."""

    def set_trial_user_attr(self, trial_id, key, value):
        # Killed between BEGUN and the first beat, a worker would look alive for ever: to Optuna,
        # which goes by beats, and to `Worker.bury`, which goes by BEGUN.
        if key == BEGUN:
            super().record_heartbeat(trial_id)
        super().set_trial_user_attr(trial_id, key, value)

    def record_heartbeat(self, trial_id):
        # It runs in a thread: an error would end the thread, and a traceback the reader's calm.
        with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError, StorageInternalError):
            super().record_heartbeat(trial_id)


def database(text: str) -> str:
    """`text` if it is the URL of a database that a study can lie in; as a type for argparse.

    Raises:
        argparse.ArgumentTypeError: it is no such URL, or the driver of the database is missing.
    """
    try:
        url = sqlalchemy.engine.make_url(text)
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except sqlalchemy.exc.NoSuchModuleError:
        raise argparse.ArgumentTypeError(
            f"SQLAlchemy knows no database '{url.drivername}': use sqlite, mysql or postgresql."
        ) from None
    except ImportError as error:
        package = PACKAGES.get(error.name, error.name)
        raise argparse.ArgumentTypeError(
            f"'{url.drivername}' needs the package {package}: "
            f'run python -m pip install "{package}".'
        ) from None
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Not repeated: what cannot be parsed may hold a password anywhere.
        raise argparse.ArgumentTypeError(
            "that is not the URL of a database, such as sqlite:///search.db."
        ) from None
    if dialect.name == "sqlite" and url.database in (None, "", ":memory:"):
        raise argparse.ArgumentTypeError(
            "a study needs a file to lie in, such as sqlite:///search.db."
        )
    return text


def check_file(url: sqlalchemy.engine.URL) -> None:
    """Look at the SQLite file of `url` without writing to it, if there is one.

    Raises:
        UsageError: it cannot hold a study.
    """
    path = Path(url.database)
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder '{path.parent}' for the study: make it first.")
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder: a study needs a file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"'{path}' cannot be written to: choose another file for the study.")
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        begins = file.read(16)
    if begins != b"SQLite format 3\0":
        raise UsageError(f"'{path}' is not an SQLite file: choose another file for the study.")
    try:
        with contextlib.closing(
            sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
        ) as file:
            tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
    except sqlite3.OperationalError:
        return  # in use: whoever opens it next waits for it
    except sqlite3.DatabaseError as error:
        raise UsageError(f"the study in '{path}' is damaged ({error}): use a copy of it.") from None
    if tables and not tables & OWN_TABLES:
        raise UsageError(f"'{path}' holds other data: choose another file for the study.")


@contextlib.contextmanager
def plain_errors(url: str) -> Iterator[None]:
    """Turn what a database complains of into one sentence, without the password of `url`."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, UnboundLocalError) as error:
        # Optuna 5.0 trips over a variable of its own when a database fails at the end of a trial.
        if isinstance(error, UnboundLocalError):
            if not isinstance(
                error.__context__, (StorageInternalError, sqlalchemy.exc.SQLAlchemyError)
            ):
                raise
            error = error.__context__
        shown = sqlalchemy.engine.make_url(url)
        cause = error
        while not hasattr(cause, "orig") and cause.__cause__ is not None:
            cause = cause.__cause__
        reason = " ".join(str(getattr(cause, "orig", cause)).split())
        if shown.password:
            reason = reason.replace(str(shown.password), "***")
        raise UsageError(
            f"the database {shown.render_as_string(hide_password=True)} does not do its work "
            f"({reason}): no finished trial is lost, so try again when it does."
        ) from None


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a failed `trial` again, with its hyperparameters."""
    with quiet():
        optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES)(study, trial)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings that heartbeats are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Without an ear for Ctrl-C, which a process has in its main thread alone."""
    try:
        hears = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, hears)


def open_storage(url: str, heartbeat: int, grace: int, locked: int) -> Storage:
    """The storage at `url`, whose tables are made if need be.

    Raises:
        UsageError: an SQLite file that cannot hold a study.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
    """
    parsed = sqlalchemy.engine.make_url(url)
    options: dict[str, Any] = {"pool_pre_ping": True}
    dialect = parsed.get_dialect()
    if dialect.name == "sqlite":
        check_file(parsed)
        # Each connection is closed after its use: none keeps the file open.
        options = {"connect_args": {"timeout": locked}, "poolclass": sqlalchemy.NullPool}
    elif dialect.driver in ("psycopg2", "psycopg", "mysqldb", "pymysql"):
        options["connect_args"] = {"connect_timeout": UNREACHABLE}
    for tries in range(10):
        try:
            with quiet():
                return Storage(
                    url,
                    options,
                    heartbeat_interval=heartbeat,
                    grace_period=grace,
                    heartbeat_stale_trial_callback=retry,
                )
        except (sqlalchemy.exc.DatabaseError, RuntimeError) as error:
            # Another worker is making the same tables at this moment: it wins, and is soon done.
            made = isinstance(error, (sqlalchemy.exc.IntegrityError, RuntimeError))
            if tries == 9 or not (made or "already exists" in str(error)):
                if isinstance(error, RuntimeError):
                    raise UsageError(f"Optuna cannot read the study: {error}") from None
                raise
            time.sleep(0.2)


def open_study(
    url: str | None,
    name: str,
    seed: int,
    choose: Choose,
    *,
    heartbeat: int = HEARTBEAT,
    grace: int = GRACE,
    locked: int = LOCKED,
) -> optuna.Study:
    """Open the study `name`, or make it; what it maximizes is for the objective to say.

    Args:
        url: of its database, as `database` lets through; None keeps the study in memory.
        name: of the study; a database holds any number of them.
        seed: of the draws. Any number of workers may have the same (see `SeededByTrial`).
        choose: draws the hyperparameters; it must ask for the same ones whatever it is answered.
        heartbeat, grace: seconds between two signs of life, and without one until death.
        locked: seconds to wait for an SQLite file that another process uses.

    Raises:
        UsageError: the database cannot be used, or the study is one of another search space.
    """
    checks.whole(0, seed=seed)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=AT_RANDOM, n_warmup_steps=BEFORE_STOPPING)
    made = {"sampler": SeededByTrial(seed), "pruner": pruner, "study_name": name}
    if url is None:
        return optuna.create_study(direction="maximize", **made)
    space = {key: json.loads(distribution_to_json(of)) for key, of in space_of(choose).items()}
    with plain_errors(url):
        made["storage"] = open_storage(url, heartbeat, grace, locked)
        try:
            study = optuna.create_study(direction="maximize", load_if_exists=True, **made)
        except DuplicatedStudyError:  # another worker made it between the look and the making
            study = optuna.load_study(**made)
        known = study.user_attrs.get(SPACE)
        if known is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(SPACE, space)
            known = space
    # Compared as JSON: a tuple comes back as a list.
    if json.dumps(known, sort_keys=True) != json.dumps(space, sort_keys=True):
        raise UsageError(
            f"the study '{name}' there is a search of other hyperparameters: "
            "choose another --study for this one."
        )
    return study


@dataclass(frozen=True)
class News:
    """What a search tells: a trial begins (`state` is RUNNING), or has ended.

    Attributes:
        finished, trials: how many trials are finished, and the budget.
        number, state, value, params: the trial; `value` is None unless it is complete.
        best, best_number: the best value so far and its trial; None before there is one.
    """

    finished: int
    trials: int
    number: int
    state: str
    value: float | None
    params: Mapping[str, Any]
    best: float | None
    best_number: int | None


class SurplusError(Exception):
    """A trial beyond the budget, which is not run."""


@dataclass
class Worker:
    """Runs trials of a study that others may work on too (see `work`)."""

    study: optuna.Study
    choose: Choose
    objective: Objective
    trials: int
    told: Callable[[News], None]
    grace: float

    def __post_init__(self):
        self.number: int | None = None
        self.ran = 0
        self.silent_since: dict[int, float] = {}

    def tell(self, number: int, state: TrialState, value, parameters: Mapping) -> None:
        trials = self.study.get_trials(deepcopy=False, states=FINISHED)
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        best = max(complete, key=lambda t: t.value, default=None)
        best_value, best_number = (None, None) if best is None else (best.value, best.number)
        finished = len(trials)
        news = (finished, self.trials, number, state.name, value, dict(parameters))
        self.told(News(*news, best_value, best_number))

    def evaluate(self, trial: optuna.Trial) -> float:
        """What Optuna calls: the objective, if the trial is within the budget."""
        self.number = trial.number
        # Trials are numbered in the order of their making, and a smaller number never comes later.
        # So whoever gets the last place, all workers agree: the counts of two differ by number.
        before = self.study.get_trials(deepcopy=False)[: trial.number]
        if sum(t.state != TrialState.FAIL for t in before) >= self.trials:
            raise SurplusError
        trial.set_user_attr(BEGUN, trial.number)
        parameters = self.choose(trial)
        self.tell(trial.number, TrialState.RUNNING, None, parameters)
        with interruptible():
            value = float(self.objective(trial))
        if not math.isfinite(value):  # Optuna would count it as not finished, and go on for ever
            raise optuna.TrialPruned
        return value

    def run_one(self) -> None:
        """Run a trial: one that waits to be retried, or else a new one."""
        self.number = None
        try:
            self.study.optimize(self.evaluate, n_trials=1, catch=(SurplusError,))
        except KeyboardInterrupt:
            with deaf():  # a second Ctrl-C would come between the trial and its retrial
                self.queue_again()
            raise
        except (UpdateFinishedTrialError, ValueError) as error:
            # This process slept (a laptop) and was given up: another has the trial now.
            gone = isinstance(error, UpdateFinishedTrialError) or "Cannot tell a " in str(error)
            if not gone:
                raise
            return
        trial = self.study.get_trials(deepcopy=False)[self.number]
        if trial.state in FINISHED:
            self.ran += 1
            value = trial.value if trial.state == TrialState.COMPLETE else None
            self.tell(trial.number, trial.state, value, trial.params)

    def queue_again(self) -> None:
        """Have the trial of an interrupted worker run by the next."""
        if self.number is not None:
            trial = self.study.get_trials()[self.number]
            if trial.state == TrialState.FAIL and trial.params:
                retry(self.study, trial)

    def bury(self) -> None:
        """Queue the trials of dead workers again."""
        with quiet():
            optuna.storages.fail_stale_trials(self.study)
        # A worker killed between getting a trial and the first beat of its heart looks alive to
        # Optuna for ever. By our own clock: those of two machines differ.
        running = self.study.get_trials(states=(TrialState.RUNNING,))
        silent = {t.number: t for t in running if t.user_attrs.get(BEGUN) != t.number}
        now = time.monotonic()
        self.silent_since = {n: self.silent_since.get(n, now) for n in silent}
        for number, since in self.silent_since.items():
            if now - since > self.grace:
                with contextlib.suppress(ValueError, UpdateFinishedTrialError):  # another did it
                    self.study.tell(number, state=TrialState.FAIL)
                    if silent[number].params:
                        retry(self.study, silent[number])

    def work(self, most: float) -> bool:
        """Work for `most` trials; returns whether the budget is reached."""
        while True:
            self.bury()
            states = [t.state for t in self.study.get_trials(deepcopy=False)]
            finished = sum(state in FINISHED for state in states)
            if finished >= self.trials:
                return True
            if self.ran >= most:
                return False
            taken = finished + states.count(TrialState.RUNNING)
            if TrialState.WAITING in states or taken < self.trials:
                self.run_one()
            else:
                time.sleep(POLL)


def work(
    study: optuna.Study,
    choose: Choose,
    objective: Objective,
    trials: int,
    told: Callable[[News], None] = lambda news: None,
    *,
    url: str | None = None,
    most: float = math.inf,
    grace: float = GRACE,
) -> bool:
    """Run trials until `trials` of the study are finished, complete or pruned.

    Any number of workers may do so at once: together they train that many and not one more. Who
    finds the others busy with the last of them waits, and takes over from one that dies.

    Args:
        study: of `open_study`.
        choose: as there.
        objective: takes the trial, returns what is to be large; may raise optuna.TrialPruned.
        trials: the budget of the study, what it has already included.
        told: is told of every trial of this worker.
        url: of the study, for messages; None where it is in memory.
        most: return after that many trials, whatever is left.
        grace: as given to `open_study`.

    Returns:
        Whether the budget is reached.

    Raises:
        UsageError: the database fails.
        KeyboardInterrupt: the trial that was running is queued again.
    """
    checks.whole(trials=trials)
    worker = Worker(study, choose, objective, trials, told, grace)
    with plain_errors(url) if url else contextlib.nullcontext():
        return worker.work(most)


def best(study: optuna.Study) -> FrozenTrial | None:
    """The best trial; None if all were stopped early."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: trial.value, default=None)


def work_a_shift(pipe, url, name, seed, choose, objective, trials, most, times) -> None:
    """What a child of `work_in_shifts` does; the last that it sends says how it ended."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    tf.config.experimental.enable_op_determinism()  # as in the runs of lessons
    try:
        study = open_study(url, name, seed, choose, **times)
        grace = times.get("grace", GRACE)
        done = work(study, choose, objective, trials, pipe.send, url=url, most=most, grace=grace)
        pipe.send(("done" if done else "more", ""))
    except KeyboardInterrupt:
        pipe.send(("interrupted", ""))
    except UsageError as error:
        pipe.send(("refused", str(error)))
    except Exception:
        pipe.send(("failed", traceback.format_exc()))


def die_with_parent() -> None:
    """End this process as soon as its parent has ended, however it did."""
    multiprocessing.parent_process().join()
    os._exit(1)


def work_in_shifts(
    url: str,
    name: str,
    seed: int,
    choose: Choose,
    objective: Objective,
    trials: int,
    told: Callable[[News], None],
    say: Callable[[str], None],
    *,
    shift: int = SHIFT,
    **times: int,
) -> None:
    """`work`, in processes that are replaced after `shift` trials.

    TensorFlow keeps some memory of every model that was ever trained, which neither clear_session
    nor a garbage collection gives back. A process that ends does. Nor does the search end with a
    trial that takes its process down.

    Args:
        url, name, seed, choose, times: as `open_study` takes them. `choose` and `objective` are
            functions of a module or a script with a main guard: the processes are spawned.
        objective, trials, told: as `work` takes them.
        say: takes a line for the reader.
        shift: how many trials a process runs.

    Raises:
        UsageError: as `open_study` and `work` do.
        RuntimeError: an error in the objective, or processes that die one after the other.
    """
    context = multiprocessing.get_context("spawn")
    dead = 0
    while dead < DEAD_SHIFTS:
        pipe, end = context.Pipe(duplex=False)
        given = (end, url, name, seed, choose, objective, trials, shift, times)
        child = context.Process(target=work_a_shift, args=given)
        child.start()
        end.close()  # the child has its own, so its death closes the pipe
        how, text = "killed", ""
        try:
            while how == "killed":
                message = pipe.recv()
                if isinstance(message, News):
                    told(message)
                    dead = dead if message.state == "RUNNING" else 0
                else:
                    how, text = message
        except EOFError:
            pass
        except KeyboardInterrupt:
            settle_interrupted(child)
            raise
        finally:
            child.join()
            pipe.close()
        if how == "interrupted":
            raise KeyboardInterrupt
        if how == "refused":
            raise UsageError(text)
        if how == "failed":
            raise RuntimeError(f"the objective failed:\n{text}")
        if how == "done":
            return
        if how == "killed":
            dead += 1
            say("A process of the search was killed: its trial will be tried again.")
    raise RuntimeError(f"{DEAD_SHIFTS} processes died one after the other: is memory short?")


def settle_interrupted(child: multiprocessing.Process) -> None:
    """Let `child` put its trial back after Ctrl-C, which a terminal sends to both."""
    child.join(5)
    if child.is_alive() and os.name == "posix":  # it was sent to the parent alone
        os.kill(child.pid, signal.SIGINT)
        child.join(5)
    child.kill()


def hyperopt_space(space: Mapping[str, BaseDistribution], hp) -> dict:
    """A search space as `hyperopt.hp` writes it; `snap` makes its draws values of the space."""
    nodes = {}
    for name, of in space.items():
        if isinstance(of, CategoricalDistribution):
            nodes[name] = hp.choice(name, of.choices)
            continue
        half = (of.step or 0) / 2  # the ends are as likely as the values between
        low, high = of.low - half, of.high + half
        if of.log:
            nodes[name] = hp.loguniform(name, math.log(low), math.log(high))
        else:
            nodes[name] = hp.uniform(name, low, high)
    return nodes


def snap(value, of: BaseDistribution):
    """The value of the distribution nearest to `value`, which Hyperopt drew."""
    if isinstance(of, CategoricalDistribution):
        return value
    if of.step:
        value = of.low + round((value - of.low) / of.step) * of.step
    value = min(max(value, of.low), of.high)
    return int(value) if isinstance(of, IntDistribution) else float(value)


def hyperopt(
    choose: Choose,
    objective: Objective,
    trials: int,
    seed: int,
    told: Callable[[News], None] = lambda news: None,
) -> News:
    """The same search with Hyperopt (Bergstra et al., 2013), in memory; no trial ends early.

    Args:
        choose, objective, trials, told: as `work` takes them.
        seed: of the draws.

    Returns:
        The best trial, as it was told.

    Raises:
        UsageError: Hyperopt is not installed.
    """
    checks.whole(trials=trials)
    checks.whole(0, seed=seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its dependencies, while they are imported
            import hyperopt as engine
    except ImportError:
        raise UsageError(
            "the package hyperopt is missing: run 'python -m pip install hyperopt', "
            "or search with Optuna."
        ) from None
    space = space_of(choose)
    ended: list[News] = []
    numbers = itertools.count()

    def evaluate(drawn):
        parameters = {name: snap(value, space[name]) for name, value in drawn.items()}
        best_one = max(ended, key=lambda news: news.value, default=None)
        best_of = (best_one.value, best_one.number) if best_one else (None, None)
        number = next(numbers)
        told(News(number, trials, number, "RUNNING", None, parameters, *best_of))
        value = float(objective(optuna.trial.FixedTrial(parameters, number=number)))
        state = "COMPLETE" if math.isfinite(value) else "PRUNED"
        if state == "COMPLETE" and (best_of[0] is None or value > best_of[0]):
            best_of = (value, number)
        shown = value if state == "COMPLETE" else None
        news = News(number + 1, trials, number, state, shown, parameters, *best_of)
        told(news)
        if state == "PRUNED":
            return {"status": engine.STATUS_FAIL}
        ended.append(news)
        return {"loss": -value, "status": engine.STATUS_OK}

    with warnings.catch_warnings():
        # It sets the shape of arrays, which NumPy 2.5 advises against.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="hyperopt")
        engine.fmin(
            evaluate,
            hyperopt_space(space, engine.hp),
            algo=engine.tpe.suggest,
            max_evals=trials,
            rstate=np.random.default_rng(seed),
            show_progressbar=False,
            verbose=False,
            return_argmin=False,
        )
    return max(ended, key=lambda news: news.value, default=None)


def readable(parameters: Mapping[str, Any]) -> str:
    """Hyperparameters on one line."""
    values = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in parameters.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


class Progress:
    """Shows a search: in a terminal a line that lives, elsewhere one for each finished trial."""

    def __init__(self, console: Console):
        self.console = console
        self.live = Live(console=console, auto_refresh=False)
        self.started = time.perf_counter()

    def __call__(self, news: News) -> None:
        """Show what the search tells."""
        if self.console.is_terminal:
            if not self.live.is_started:
                self.live.start()
            self.live.update(self.line(news), refresh=True)
        elif news.state != "RUNNING":
            self.console.print(self.line(news), soft_wrap=True)

    def line(self, news: News) -> Text:
        """What `news` says, on one line."""
        running = news.state == "RUNNING"
        count = f"trial {news.finished + running:3d} of {news.trials}"
        top = " " * 22
        if news.best is not None:
            top = f"best {news.best:.4f} (no. {news.best_number:3d})"
        ended = "stopped early" if news.value is None else f"{news.value:.4f}"
        shown = "" if running else f"{ended:13s}  "
        seconds = f"{time.perf_counter() - self.started:6.1f} s"
        text = f"  {count}  {top}  {seconds}  {shown}{readable(news.params)}"
        return Text(text, no_wrap=True, overflow="crop")

    def close(self) -> None:
        """Leave the line as it stands and give the terminal back."""
        self.live.stop()


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that ended with a value, stopped early or not, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def best_so_far(study: optuna.Study) -> list[float]:
    """After each finished trial, the value of the best that was not stopped early; NaN before."""
    values = [t.value if t.state == TrialState.COMPLETE else -np.inf for t in finished(study)]
    best = np.maximum.accumulate(values)
    return np.where(np.isfinite(best), best, np.nan).tolist()


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of each hyperparameter in what sets the better half of the trials apart, by name.

    PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255) on the finished trials, those that were
    stopped early with the last value that they reported.
    """
    together = optuna.create_study(direction="maximize")
    together.add_trials(
        optuna.create_trial(params=one.params, distributions=one.distributions, value=one.value)
        for one in finished(study)
    )
    # Optuna's default looks at the best tenth, which of twelve trials is one and says nothing.
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
    return optuna.importance.get_param_importances(together, evaluator=evaluator)


def race(
    table: np.ndarray, names: list[str], trials: int, searches: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Search a table of values many times, with TPE and at random.

    Args:
        table: the value of every point of a grid, an axis for each hyperparameter.
        names: of the axes.
        trials: of each search.
        searches: how many of each kind.
        seed: of the draws.

    Returns:
        The best value so far of each search after each trial, (searches, trials): of those that
        learn from their trials, and of those that do not. The first trials of a pair, which are
        random in both, are the same, so that luck there helps neither.

    Raises:
        ValueError: `table` has a NaN, the axes are not as many as different names, or a number is
            not a whole one.
    """
    checks.whole(trials=trials, searches=searches)
    checks.whole(0, seed=seed)
    if np.ndim(table) != len(set(names)) or len(set(names)) != len(names) or not np.size(table):
        raise ValueError(f"A table {np.shape(table)} does not have the axes {names}.")
    checks.finite(table=table)

    def objective(trial: optuna.Trial) -> float:
        places = zip(names, table.shape, strict=True)
        return float(table[tuple(trial.suggest_int(name, 0, size - 1) for name, size in places)])

    def search(sampler: optuna.samplers.BaseSampler) -> np.ndarray:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(objective, n_trials=trials)
        return np.maximum.accumulate([trial.value for trial in study.trials])

    seeds = np.random.SeedSequence(seed).generate_state(searches).tolist()
    learning = [
        search(optuna.samplers.TPESampler(seed=one, n_startup_trials=AT_RANDOM)) for one in seeds
    ]
    blind = [search(optuna.samplers.RandomSampler(seed=one)) for one in seeds]
    return np.array(learning), np.array(blind)
