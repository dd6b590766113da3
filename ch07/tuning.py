"""Searching for hyperparameters with Optuna (Akiba et al., 2019, https://arxiv.org/abs/1907.10902).

A study is a list of trials. In memory it ends with its process. In a database any number of workers
can share it, and it survives their death: no finished trial is lost, and the trial of a killed
worker is run again, by who asks for its next one after `GRACE` seconds without a sign of life.
This is Optuna's own work, with Optuna's limits: workers that end at the same moment may run a trial
more each than was asked for, and a worker that is killed before its first sign of life loses its
trial, though nobody waits for it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ch07.lab import startup  # before Keras, as in the scripts

# isort: split
import keras
import numpy as np
import optuna
import sqlalchemy
import tensorflow as tf
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from rich.text import Text

from ch07 import board, checks
from ch07.lab import Section
from ch07.lab.console import Terminal
from ch07.lab.language import tr
from ch07.lab.program import count
from ch07.lab.startup import UsageError

AT_RANDOM = 5  # trials before there is anything to learn from; Optuna's 10 are a long time
BEFORE_PRUNING = 2  # epochs: in the first ones, the best trials may well be slow
HEARTBEAT, GRACE = 5, 20  # seconds between two signs of life, and without one until death
RETRIES = 3  # a trial that kills every worker that runs it must not do so for ever
PATIENCE = 30  # seconds to wait for an SQLite file that is in use
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# The packages with drivers that are not called like their modules.
PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}

Objective = Callable[[Any], float]
Callback = Callable[[optuna.Study, FrozenTrial], None]


class Pruning(keras.callbacks.Callback):
    """Reports a metric of each epoch, and ends a trial that does worse than the median did."""

    def __init__(self, trial: optuna.Trial, monitor: str = "val_accuracy"):
        super().__init__()
        self.trial = trial
        self.monitor = monitor

    def on_train_begin(self, logs=None):
        # Made in the first step, its variables would have TensorFlow trace that step twice.
        if self.model.built:
            self.model.optimizer.build(self.model.trainable_variables)

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(float(checks.monitored(logs, self.monitor)), epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the lines that Optuna logs, and without its warnings that a feature is new."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def new_study(seed: int | None = None, **stored: Any) -> optuna.Study:
    """A new study, in memory, that maximizes with TPE and ends trials that lag behind the median.

    TPE (Bergstra et al., 2011) keeps two densities for each hyperparameter, of the better trials
    and of the others, and proposes what is likelier in the first. `stored`: for `create_study`.
    """
    with quiet():
        # constant_liar: what other workers run now counts as tried.
        tpe = optuna.samplers.TPESampler(seed=seed, n_startup_trials=AT_RANDOM, constant_liar=True)
        pruner = optuna.pruners.MedianPruner(AT_RANDOM, BEFORE_PRUNING)
        return optuna.create_study(direction="maximize", sampler=tpe, pruner=pruner, **stored)


def database(text: str) -> str:
    """A type for argparse: the URL of a database that a study can lie in, with its driver."""
    try:
        url = sqlalchemy.engine.make_url(text)
        url.get_dialect().import_dbapi()
        if not url.drivername.startswith("sqlite") or url.database not in (None, "", ":memory:"):
            return text
        refused = "a study needs a file, such as sqlite:///search.db."
    except sqlalchemy.exc.NoSuchModuleError:
        refused = f"SQLAlchemy knows no database '{url.drivername}': use sqlite, mysql, postgresql."
    except ImportError as error:
        package = PACKAGES.get(error.name, error.name)
        refused = f'{url.drivername} needs a driver: run python -m pip install "{package}".'
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Not repeated: what cannot be parsed may hold a password anywhere.
        refused = "that is not the URL of a database, such as sqlite:///search.db."
    raise argparse.ArgumentTypeError(refused)


@contextlib.contextmanager
def plain_errors(url: str) -> Iterator[None]:
    """Turn what a database complains of into one sentence, without the password of `url`."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, UnboundLocalError) as error:
        # Optuna 5.0 trips over a variable of its own when a database fails at the end of a trial.
        cause = error
        while not hasattr(cause, "orig"):
            cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
        shown = sqlalchemy.engine.make_url(url)
        reason = " ".join(str(cause.orig).split()).replace(shown.password or "\0", "***")
        raise UsageError(
            f"the database {shown.render_as_string(hide_password=True)} does not do its work "
            f"({reason}): no finished trial is lost, so try again when it does."
        ) from None


class Storage(optuna.storages.RDBStorage):
    """Optuna's storage; its thread of heartbeats leaves errors of the database to the others."""

    def record_heartbeat(self, trial_id):
        with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError, StorageInternalError):
            super().record_heartbeat(trial_id)


def open_study(url: str, name: str, heartbeat: int = HEARTBEAT, grace: int = GRACE) -> optuna.Study:
    """Open the study `name` in the database at `url`, or make it.

    Raises:
        UsageError: the database cannot be used, or holds other data.
    """
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        # Each connection is closed after its use, so none keeps the file open.
        options = {"poolclass": sqlalchemy.NullPool, "connect_args": {"timeout": PATIENCE}}
    times = {"heartbeat_interval": heartbeat, "grace_period": grace}
    with plain_errors(url), quiet():
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES)
        engine = sqlalchemy.create_engine(url, **options)
        tables = sqlalchemy.inspect(engine).get_table_names()
        engine.dispose()
        if tables and not {"studies", "alembic_version", "version_info"} & set(tables):
            raise UsageError("that database holds other data: choose another one for the study.")
        for tries in range(10):
            try:
                storage = Storage(url, options, heartbeat_stale_trial_callback=retry, **times)
                # Without a seed: workers of one seed would draw the same.
                study = new_study(storage=storage, study_name=name, load_if_exists=True)
                if study.direction.name == "MAXIMIZE":
                    return study
                raise UsageError(f"the study '{name}' minimizes: choose another database.")
            except (sqlalchemy.exc.DatabaseError, RuntimeError):
                # Another worker may be making the same tables at this moment: it is soon done.
                if tries == 9:
                    raise
                time.sleep(0.2)


def work(
    study: optuna.Study,
    objective: Objective,
    trials: int,
    url: str = "sqlite://",
    callbacks: Sequence[Callback] = (),
) -> None:
    """Work on a `study` until it has `trials` finished ones, those of other workers included.

    `objective` takes a trial and returns what is to be large, or raises optuna.TrialPruned, which
    counts too, as NaN does; `url` is for messages.

    Raises:
        ValueError, UsageError: `trials` is no number from 1; the database fails.
        KeyboardInterrupt: the trial that was running is run again by whoever asks next.
    """

    def evaluate(trial: optuna.Trial) -> float:
        try:
            value = objective(trial)
            if startup.heard:  # which compiled code may swallow, or turn into another error
                raise KeyboardInterrupt
            if not math.isnan(value):
                return value
            raise optuna.TrialPruned  # a training that has diverged: a trial like any other
        except (KeyboardInterrupt, Exception) as error:
            if not startup.by_ctrl_c(type(error)):
                raise
            study.enqueue_trial(trial.params)
            raise KeyboardInterrupt from error

    checks.whole(trials=trials)
    with plain_errors(url), quiet():
        if len(study.get_trials(deepcopy=False, states=FINISHED)) < trials:
            enough = optuna.study.MaxTrialsCallback(trials, states=FINISHED)
            study.optimize(evaluate, callbacks=[*callbacks, enough])


def hyperopt(
    suggest: Callable[[Any], Any],
    objective: Objective,
    trials: int,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> optuna.Study:
    """A search with Hyperopt (Bergstra et al., 2013), in memory; returns a study with its trials.

    `suggest` asks a trial for every hyperparameter, whatever that answers; the rest is as `work`
    takes it. No trial ends early.

    Raises:
        UsageError: Hyperopt is not installed, or does not draw as a hyperparameter is suggested.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its dependencies, while they are imported
            import hyperopt as engine
    except ImportError:
        raise UsageError(
            "the package hyperopt is missing: run 'python -m pip install hyperopt', or search with "
            "Optuna."
        ) from None
    suggest(asked := new_study(seed).ask())  # for its distributions, and never run
    study, space, space_of, hp = new_study(seed), {}, asked.distributions, engine.hp
    for name, of in space_of.items():
        if isinstance(of, CategoricalDistribution):
            space[name] = hp.choice(name, of.choices)
        elif of.step not in (None, 1) or (of.log and isinstance(of, IntDistribution)):
            raise UsageError(f"Hyperopt draws no '{name}' with a step, and no whole number by log.")
        elif isinstance(of, IntDistribution):
            space[name] = hp.uniformint(name, of.low, of.high)
        elif of.log:
            space[name] = hp.loguniform(name, math.log(of.low), math.log(of.high))
        else:
            space[name] = hp.uniform(name, of.low, of.high)

    def loss(params: Mapping[str, Any]) -> float:
        value = objective(optuna.trial.FixedTrial(params, len(study.trials)))
        value = -math.inf if math.isnan(value) else value
        study.add_trial(optuna.create_trial(value=value, params=params, distributions=space_of))
        for callback in callbacks:
            callback(study, study.trials[-1])
        return -value

    with warnings.catch_warnings():
        # It sets the shape of arrays, which NumPy 2.5 advises against.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="hyperopt")
        rng = np.random.default_rng(seed)
        engine.fmin(loss, space, engine.tpe.suggest, trials, rstate=rng, show_progressbar=False)
    return study


@dataclass
class Progress:
    """The callback that prints a line for each trial, in the order in which they end."""

    trials: int
    console: Terminal
    started: float = field(default_factory=time.perf_counter)

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        ended = study.get_trials(deepcopy=False, states=FINISHED)
        best = max((of.value for of in ended if of.state == TrialState.COMPLETE), default=math.nan)
        result = tr("pruned") if trial.state == TrialState.PRUNED else f"{trial.value:.3f} "
        count = f"{tr('trial')} {len(ended):3d}/{self.trials:<3d}  {result}"
        seconds = f"{time.perf_counter() - self.started:5.1f} s"
        line = f"  ..  {count}  {tr('best')} {best:.3f}  {seconds}  {readable(trial.params)}"
        text = Text(line, no_wrap=True)
        text.truncate(self.console.width, overflow="ellipsis")
        self.console.print(text)


@dataclass
class TrialLogs:
    """The callback that shows a search in TensorBoard: hyperparameters, and what was reported."""

    log_dir: Path

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        folder = self.log_dir / f"trial-{trial.number + 1:03d}"
        with board.writing_to(folder / "validation"):
            for epoch, value in trial.intermediate_values.items():
                tf.summary.scalar("epoch_accuracy", value, epoch)
        board.write_hparams(folder, trial.params)


def readable(params: Mapping[str, Any]) -> str:
    """Hyperparameters on one line."""
    pairs = sorted(params.items())
    return ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in pairs)


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of each hyperparameter in what sets the better half of the trials apart, by name.

    PED-ANOVA (Watanabe et al., 2023, https://arxiv.org/abs/2304.10255), without pruned trials.
    Optuna's default looks at the best tenth, which of ten trials is one and says nothing.
    """
    with quiet():
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def search_table(
    table: np.ndarray, trials: int, searches: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Search a table of scores, an axis for each hyperparameter, many times: with TPE, at random.

    Returns:
        The best score so far of each search after each trial, (searches, trials), of either kind.
        The first trials of a pair, random in both, are the same, so that luck there helps neither.
    """

    def objective(trial: optuna.Trial) -> float:
        sizes = enumerate(table.shape)
        return float(table[tuple(trial.suggest_int(f"axis {n}", 0, of - 1) for n, of in sizes)])

    def search(sampler: optuna.samplers.BaseSampler) -> np.ndarray:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(objective, n_trials=trials)
        return np.maximum.accumulate([trial.value for trial in study.trials])

    seeds = np.random.SeedSequence(seed).generate_state(searches).tolist()
    tpe = functools.partial(optuna.samplers.TPESampler, n_startup_trials=AT_RANDOM)
    with quiet():
        kinds = (tpe, optuna.samplers.RandomSampler)
        learning, blind = (np.array([search(kind(seed=of)) for of in seeds]) for kind in kinds)
        return learning, blind


# The options of section 7.3 that search beside its lessons, as `lab.Section` takes them.
OPTIONS = {
    "commands": {
        "--study": dict(
            type=database,
            metavar="URL",
            help="search as one of any number of workers on the study in this database, such as "
            "sqlite:///search.db; the same command again goes on with it",
        ),
        "--engine": dict(
            choices=["optuna", "hyperopt"],
            help="search with this library; without --study alone and in memory",
        ),
    },
    "options": {
        "--trials": dict(
            type=count,
            default=12,
            metavar="N",
            help="how many trials a search with --study or --engine has in all, those of other "
            "workers and of earlier runs included (default 12)",
        )
    },
}


def command(section: Section, suggest: Callable[[Any], Any], objective: Objective) -> None:
    """Search as these options ask, and say what is best; arguments as `hyperopt` takes them.

    Raises:
        UsageError: the database cannot be used, or Hyperopt is missing, or asked for too much.
    """
    url, engine, trials = (section.options[of] for of in ("study", "engine", "trials"))
    if url and engine == "hyperopt":
        raise UsageError("--study is for Optuna: leave out --engine hyperopt.")
    # Other data make another study, in the same database.
    study = open_study(url, f"7.3.2, seed {section.seed}") if url else new_study(section.seed)
    callbacks = [Progress(trials, section.console), TrialLogs(section.log_dir("study"))]
    if engine == "hyperopt":
        study = hyperopt(suggest, objective, trials, section.seed, callbacks)
    else:
        work(study, objective, trials, url or "sqlite://", callbacks)
    best = study.best_trial
    section.say(f"best: {best.value:.4f}, trial {best.number + 1}: {readable(best.params)}")
    section.say(board.invitation(section.output / "my_log_dir"))
