"""How close the scripts come to what the machine can do: ``python -m tools.benchmarks``.

- Each script beside ``python -c "import keras"``, with the peak of its memory, and the first of
  them in one process as well.
- The main model of each lesson, the first that it trains with `fit`, beside a bare loop: a
  `tf.function` with the steps of an epoch and nothing else.
- What logging costs, what growing data and growing studies cost, and what a second worker gains.

Writes benchmarks.json and the tables of the documents; it takes some ten minutes on two cores, in
which the machine should do nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import math
import os
import platform
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from inspect import signature
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from ch07 import board, tuning
from ch07.lab import claims, lessons
from ch07.lab.files import write_aside
from ch07.lab.program import default_jobs
from ch07.lab.startup import ROOT
from tools import documents

REPETITIONS = 3  # of everything but the scripts; what is compared takes turns
LONG_ENOUGH = 0.2  # seconds of a repetition: shorter ones measure the clock and the scheduler
TIMES = 16  # as many samples, and trials
MOST_EPOCHS = 10  # of a repetition: where an epoch is short, fit takes ten times as long for it


def in_turn(jobs: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each job returns, `REPETITIONS` times, in turn; every other round goes backwards.

    A machine that gets slower or busier meanwhile does so for all of them.
    """
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for repetition in range(REPETITIONS):
        for name in list(jobs)[:: -1 if repetition % 2 else 1]:
            found[name].append(jobs[name]())
    return found


def spread(over: Sequence[float], under: Sequence[float] | None = None) -> dict[str, float]:
    """The median and the range of numbers, or of their ratios, repetition by repetition."""
    values = over if under is None else [a / b for a, b in zip(over, under, strict=True)]
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def timed(arguments: Sequence[str]) -> tuple[float, float]:
    """Run Python in the folder of the project: its seconds, and MB at the peak of its memory.

    Raises:
        RuntimeError: it ends with another status than 0 or 1, which is a claim that does not hold.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # of TensorFlow's start-up
        env=os.environ | {"MPLBACKEND": "agg", "KERAS_BACKEND": "tensorflow"},
    )
    # Never less than what this process holds, which is little beside a training.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{arguments} ended with {process.returncode}.")
    scale = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts in bytes
    return time.perf_counter() - started, usage.ru_maxrss / scale


def scripts() -> Iterator[dict]:
    """Each script beside the imports of Keras around it, and the peak of its largest process."""
    with tempfile.TemporaryDirectory() as output:
        one, many = ["--output", output, "--jobs", "1"], ["--output", output]
        first, *_ = documents.SCRIPTS
        before, _ = timed(["-c", "import keras"])
        for script, options in ((first, one), *((name, many) for name in documents.SCRIPTS)):
            seconds, megabytes = timed([f"{script}.py", *options])
            after, _ = timed(["-c", "import keras"])
            jobs = 1 if options is one else default_jobs()
            imports = 2 * seconds / (before + after)
            yield {"script": script, "jobs": jobs, "imports": imports, "megabytes": megabytes}
            before = after


class CaughtFit(BaseException):
    """The first `fit` of a lesson, instead of being done; no `except Exception` stops it."""

    def __init__(self, model: keras.Model, arguments: Mapping):
        self.model = model
        self.arguments = arguments


def main_training(script: str, lesson: str) -> CaughtFit | None:
    """The first training of a lesson, which is not done; None if it trains nothing with `fit`."""
    path, fit = str(lessons.source(script)), keras.Model.fit

    def caught(model, *args, **kwargs):
        raise CaughtFit(model, signature(fit).bind(model, *args, **kwargs).arguments)

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(keras.Model, "fit", caught),
        mock.patch.object(sys, "argv", [path, lesson, "--output", folder]),
        mock.patch.object(sys, "excepthook", sys.__excepthook__),  # or a section takes it over
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(SystemExit),  # with which a program ends
    ):
        try:
            runpy.run_path(path, run_name="__main__")
        except CaughtFit as training:
            return training
    return None


class EpochTimes(keras.callbacks.Callback):
    """The seconds of each epoch of a `fit`, without what follows it, and when each began."""

    def on_train_begin(self, logs=None):
        self.begun, self.seconds = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begun[-1])


def by_fit(training: CaughtFit) -> Callable[[int], float]:
    """A function from a number of epochs to the seconds of `fit` for an epoch, without tracing."""
    kept = ("x", "y", "sample_weight", "batch_size", "shuffle", "class_weight")
    given = {key: value for key, value in training.arguments.items() if key in kept}

    def seconds(epochs: int) -> float:
        times = EpochTimes()
        training.model.fit(**given, epochs=epochs, verbose=0, callbacks=[times])
        return float(np.mean(times.seconds))

    seconds(1)
    return seconds


def bare(training: CaughtFit) -> Callable[[int], float]:
    """As `by_fit`, but with nothing except the steps of an epoch."""
    model = keras.models.clone_model(training.model)
    model.compile_from_config(training.model.get_compile_config())
    model.optimizer.build(model.trainable_variables)
    given = training.arguments
    data = [given["x"], given["y"]]
    data += [given["sample_weight"]] if given.get("sample_weight") is not None else []
    data = keras.tree.map_structure(tf.constant, data)
    samples, size = len(keras.tree.flatten(given["x"])[0]), given.get("batch_size") or 32

    def step(start, order):
        take = functools.partial(tf.gather, indices=order[start : start + size])
        batch, targets, *weights = keras.tree.map_structure(take, data)
        with tf.GradientTape() as tape:
            predictions = model(batch, training=True)
            loss = model.compute_loss(batch, targets, predictions, *weights, training=True)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        model.optimizer.apply(gradients)
        return start + size, order

    @tf.function(autograph=False)
    def epoch(order):
        tf.while_loop(lambda start, _: start < samples, step, (0, order))

    def seconds(epochs: int) -> float:
        started = time.perf_counter()
        for _ in range(epochs):
            places = tf.range(samples)
            epoch(tf.random.shuffle(places) if given.get("shuffle", True) else places)
        _ = model.trainable_variables[0].numpy()  # waits for the last step
        return (time.perf_counter() - started) / epochs

    seconds(1)
    return seconds


def trainings() -> Iterator[dict]:
    """Each lesson's main model by `fit` and bare: the throughput, and the seconds of an epoch."""
    for script, lesson in documents.all_lessons():
        training = main_training(script.path.stem, lesson.name)
        if training is not None:
            ways = {"fit": by_fit(training), "bare": bare(training)}
            epochs = min(MOST_EPOCHS, max(1, math.ceil(LONG_ENOUGH / ways["bare"](1))))
            seconds = in_turn({name: functools.partial(way, epochs) for name, way in ways.items()})
            yield {
                "lesson": lesson.name,
                "throughput": spread(seconds["bare"], seconds["fit"]),
                "milliseconds": spread([1000 * of for of in seconds["bare"]]),
            }


def logging() -> Iterator[dict]:
    """An epoch of listing 7.7's classifier with the callbacks for TensorBoard, over one without."""
    training = main_training("ch0702_tensor_board", "text_classifier")
    given = {key: training.arguments[key] for key in ("x", "y", "batch_size", "validation_data")}
    probe = tuple(one[:64] for one in given["validation_data"])

    def epoch(make: Callable[[str], list[keras.callbacks.Callback]]) -> float:
        with tempfile.TemporaryDirectory() as folder:
            times = EpochTimes()
            training.model.fit(**given, epochs=4, verbose=0, callbacks=[*make(folder), times])
            return float(np.mean(np.diff(times.begun)))  # what comes at an epoch's end counts too

    callbacks = {
        "none": lambda folder: [],
        "keras": lambda folder: [keras.callbacks.TensorBoard(folder, histogram_freq=1)],
        "probe": lambda folder: [board.TensorBoard(folder, probe=probe)],
    }
    epoch(callbacks["none"])  # which traces
    seconds = in_turn({name: functools.partial(epoch, of) for name, of in callbacks.items()})
    for name in ("keras", "probe"):
        yield {"what": f"logging_{name}", "times": spread(seconds[name], seconds["none"])}


def growth() -> Iterator[dict]:
    """What a sample costs among `TIMES` as many, and a trial after `TIMES` as many."""
    training = main_training("ch0701_functional_api", "sequential_and_functional")
    grown = {
        key: np.concatenate([value] * TIMES) if key in ("x", "y") else value
        for key, value in training.arguments.items()
    }
    few, many = (CaughtFit(training.model, of) for of in (training.arguments, grown))
    seconds = in_turn({"few": lambda: by_fit(few)(MOST_EPOCHS), "many": lambda: by_fit(many)(1)})
    times = spread([one / TIMES for one in seconds["many"]], seconds["few"])
    yield {"what": "growth_samples", "times": times}
    took = [trial_seconds(seed, 25 * TIMES) for seed in range(REPETITIONS)]
    late = [float(of[-25:].mean()) for of in took]
    times = spread(late, [float(of[:25].mean()) for of in took])
    yield {"what": "growth_trials", "times": times}
    yield {"what": "trial_milliseconds", "times": spread([1000 * of for of in late])}


def trial_seconds(seed: int, trials: int) -> np.ndarray:
    """What a search in memory takes for each trial from the 25th on, the objective being free."""
    ended: list[float] = []
    now = [lambda study, trial: ended.append(time.perf_counter())]
    study = tuning.new_study(seed)
    tuning.work(study, lambda trial: trial.suggest_float("x", 0, 1), trials, callbacks=now)
    return np.diff(ended)[24:]


WORKER = """
import sys, time
from ch07 import tuning
url, name, trials = sys.argv[1:]
def objective(trial):
    time.sleep(0.1)
    return trial.suggest_float("x", 0, 1)
tuning.work(tuning.open_study(url, name), objective, int(trials), url)
"""


def workers() -> Iterator[dict]:
    """How many times the trials of one worker two get done, of a tenth of a second, in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        url, rates = f"sqlite:///{Path(folder, 'search.db').as_posix()}", {1: [], 2: []}
        for repetition in range(REPETITIONS):
            for count, found in rates.items():
                name = f"{count} {repetition}"
                command = [sys.executable, "-c", WORKER, url, name, str(30 * count)]
                quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
                started = [subprocess.Popen(command, **quiet) for _ in range(count)]
                if any(process.wait() for process in started):
                    raise RuntimeError("A worker has failed.")
                trials = tuning.open_study(url, name).trials
                # From when all of them work: start-up is no matter of the study.
                begun = sorted(trial.datetime_start for trial in trials)[2 * count]
                ended = [of.datetime_complete for of in trials if of.datetime_start > begun]
                found.append(len(ended) / (max(ended) - begun).total_seconds())
        yield {"what": "workers", "times": spread(rates[2], rates[1])}


def main() -> None:
    """Measure everything."""
    if sys.platform == "win32":
        sys.exit("Windows does not tell the peak of a process's memory in a way known here.")
    started = time.perf_counter()
    record = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "machine": claims.machine(),
        "packages": {name: metadata.version(name) for name in ("tensorflow", "keras")},
        "repetitions": REPETITIONS,
        "scripts": list(shown(scripts())),
        "trainings": list(shown(trainings())),
        "ratios": list(shown(itertools.chain(logging(), growth(), workers()))),
    }
    record["minutes"] = (time.perf_counter() - started) / 60
    write_aside(documents.BENCHMARKS, (json.dumps(record, indent=1) + "\n").encode())
    print("\n".join(documents.write()))


def shown(rows: Iterable[dict]) -> Iterator[dict]:
    """Print `rows` as they come."""
    for row in rows:
        print(row, flush=True)
        yield row


if __name__ == "__main__":
    main()
