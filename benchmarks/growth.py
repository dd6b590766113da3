"""What more work costs: samples, hyperparameter trials, logging, and a second worker."""

from __future__ import annotations

import datetime
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import optuna
import tensorflow as tf

import ch0702_tensor_board
from benchmarks import worker
from benchmarks.measuring import REPETITIONS, in_turn, ratios
from benchmarks.throughput import EpochTimes, Training, by_fit
from ch07 import board, search, synthetic, training

TIMES = (1, 4, 16)  # how much work, in units of the first
SAMPLES = 125  # of the first
PROCESSES = 6  # one after the other, of a search: the first, and five that are compared with it
SHIFT = 4  # trials of each of them; the script takes 50
EPOCHS = 4  # of which the first, with its tracing, is not counted


def samples(main: Training) -> dict[int, list[float]]:
    """Seconds of an epoch on 1, 4 and 16 times the samples."""
    jobs = {}
    for times in TIMES:
        seconds = by_fit(main.model, main.on(times * SAMPLES))
        jobs[str(times)] = lambda seconds=seconds: seconds(1)
    return {int(times): values for times, values in in_turn(jobs).items()}


def trials() -> dict[int, list[float]]:
    """Seconds after 1, 4 and 16 trials of a search in this process."""
    found: dict[int, list[float]] = {times: [] for times in TIMES}
    for _ in range(REPETITIONS):
        study = search.open_study(None, "benchmark", 0, worker.choose)
        started = time.perf_counter()

        def told(news: search.News, started=started) -> None:
            if news.state != "RUNNING" and news.finished in found:
                found[news.finished].append(time.perf_counter() - started)

        search.work(study, worker.choose, worker.trains, max(TIMES), told)
    return found


def memory() -> tuple[list[float], list[float]]:
    """MB at the peak of each process of a search, and MB that a further trial adds within one."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'search.db')}"
        given = (url, "benchmark", 0, worker.choose, worker.trains_and_weighs, PROCESSES * SHIFT)
        search.work_in_shifts(*given, lambda news: None, lambda line: None, shift=SHIFT)
        study = optuna.load_study(study_name="benchmark", storage=url)
    peaks: dict[int, list[float]] = {}
    for trial in study.trials:
        of_process = peaks.setdefault(trial.user_attrs["process"], [])
        of_process.append(trial.user_attrs["megabytes"])
    more = [later - one for of in peaks.values() for one, later in itertools.pairwise(of)]
    return [max(of) for of in peaks.values()], more


def workers() -> dict[tuple[str, int], list[float]]:
    """Seconds of `worker.TRIALS` trials that wait, or train, by the number of processes."""

    def job(kind: str, count: int) -> Callable[[], float]:
        def run() -> float:
            with tempfile.TemporaryDirectory() as folder:
                url = f"sqlite:///{Path(folder, 'search.db')}"
                command = [sys.executable, "-m", "benchmarks.worker", kind, url, folder]
                processes = [subprocess.Popen(command) for _ in range(count)]
                while len(list(Path(folder).glob("ready-*"))) < count:
                    if any(process.poll() is not None for process in processes):
                        raise RuntimeError("a worker of the benchmark has ended early")
                    time.sleep(0.05)
                Path(folder, "go").touch()
                ended = [process.wait() for process in processes]
                if any(ended):
                    raise RuntimeError("a worker of the benchmark has failed")
                done = optuna.load_study(study_name="benchmark", storage=url).trials
            span = max(t.datetime_complete for t in done) - min(t.datetime_start for t in done)
            return span / datetime.timedelta(seconds=1)

        return run

    kinds = itertools.product(("waits", "trains"), (1, 2))
    jobs = {f"{kind} {count}": job(kind, count) for kind, count in kinds}
    found = in_turn(jobs)
    return {(name.split()[0], int(name.split()[1])): values for name, values in found.items()}


def logging() -> tuple[list[float], list[float], list[float]]:
    """Logging everything to TensorBoard, beside not logging.

    Returns:
        The seconds of an epoch with it over those without; MB that the logs of `EPOCHS` epochs
        take; bytes in them that are neither scalars nor histograms, after twice the epochs over
        those after once.
    """
    reviews = synthetic.reviews(0)
    tested = reviews.test["review"][:64], reviews.test_targets[:64]
    model = ch0702_tensor_board.build_text_classifier()
    model.compile(keras.optimizers.RMSprop(0.001), "binary_crossentropy", metrics=["accuracy"])
    training.settle(model, reviews.train_targets)
    sizes, rest = [], {1: [], 2: []}

    def seconds(*callbacks, epochs: int = EPOCHS) -> float:
        times = EpochTimes()
        model.fit(
            reviews.train["review"], reviews.train_targets, batch_size=32, epochs=epochs,
            validation_data=(reviews.test["review"], reviews.test_targets), verbose=0,
            callbacks=[*callbacks, times],
        )  # fmt: skip
        return float(np.mean(times.seconds[1:]))

    def logged(times: int = 1) -> float:
        with tempfile.TemporaryDirectory() as folder:
            logger = board.TensorBoard(Path(folder), histogram_freq=1, probe=tested)
            took = seconds(logger, epochs=times * EPOCHS)
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            if times == 1:
                sizes.append(sum(path.stat().st_size for path in files) / 1e6)
            rest[times].append(sum(map(neither_scalar_nor_histogram, files)))
        return took

    seconds()
    found = in_turn({"with": logged, "without": seconds})
    logged(times=2)
    flat = [rest[2][0] / one for one in rest[1]]
    return ratios(found["with"], found["without"]), sizes, flat


def neither_scalar_nor_histogram(path: Path) -> int:
    """Bytes in an event file that are for other plugins, such as the graph."""
    known: dict[str, str] = {}
    total = 0
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            known.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
            if known[value.tag] not in ("scalars", "histograms"):
                total += value.ByteSize()
        total += len(event.graph_def)
    return total
