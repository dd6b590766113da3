"""Kill a training, a search and the logging for TensorBoard at random moments, and start again.

A program for POSIX, run by `test_killed.py`: `python killed_at_random.py JOB FOLDER` prints a line
of JSON for each death, and one for each time that the job came to its end.

A training and the logging die again and again at one place, a search once for each study: the next
worker there has to wait until a heart has stopped.

TensorFlow is imported once, and every process is a fork of this one from before TensorFlow made its
threads: a death costs half a second. The moments are random parts of the time that an undisturbed
run takes, so they meet everything in it: the start, the work, the writing of files.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}

# Nothing may make a tensor here, and with it the threads of TensorFlow: the forks do.
import keras
import matplotlib.pyplot  # noqa: F401 -- for the forks
import numpy as np
import optuna
import tensorflow  # noqa: F401 -- for the forks

DEATHS = 20
PATIENCE = 120  # seconds after which a fork that hangs ends itself
EPOCHS = 12
TRIALS = 30
FINISHED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


def note(folder: Path) -> Callable:
    """What a job calls when a piece of work is done: it counts, in a file that nobody replaces."""

    def done(*_) -> None:
        with (folder.parent / f"{folder.name}.done").open("a", encoding="utf-8") as file:
            file.write("x")

    return done


def done(folder: Path) -> int:
    """How often `note` was called."""
    path = folder.parent / f"{folder.name}.done"
    return path.stat().st_size if path.exists() else 0


def small_model() -> tuple[keras.Model, np.ndarray]:
    """A model with masks and moments, and what it is trained on."""
    keras.utils.set_random_seed(0)
    vectors = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    inputs = keras.Input((8,))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(64, activation="relu")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model, vectors


class Training:
    """A training with a backup; its end is the weights."""

    def run(self, folder: Path) -> None:
        from ch07.backup import Backup

        model, vectors = small_model()
        backup = Backup(folder / "backup.npz")
        start = backup.restore(model)
        counted = keras.callbacks.LambdaCallback(on_epoch_end=note(folder))
        model.fit(
            vectors, vectors[:, 0] > 0, initial_epoch=start, epochs=EPOCHS, verbose=0,
            callbacks=[backup, counted],
        )  # fmt: skip
        np.savez(folder.parent / "end.npz", *model.get_weights())

    def found(self, folder: Path) -> dict:
        """What is there after a death or at the end."""
        path = folder / "backup.npz"
        epochs = 0
        if path.exists():
            with np.load(path) as archive:
                epochs = int(archive["arr_0"][0])
                [archive[name] for name in archive]  # checks every sum
        others = [p.name for p in folder.iterdir() if p != path and p.suffix != ".part"]
        parts = sum(p.suffix == ".part" for p in folder.iterdir())
        return {"kept": epochs, "others": others, "parts": parts}

    def end(self, folder: Path) -> str:
        """A text that is the same for two ends if they are the same."""
        with np.load(folder.parent / "end.npz") as archive:
            return hashlib.sha256(b"".join(archive[name].tobytes() for name in archive)).hexdigest()


class Search:
    """A search in a database; its end is the budget."""

    def run(self, folder: Path) -> None:
        from ch07 import tuning

        url = f"sqlite:///{folder / 'search.db'}"
        study = tuning.open_study(url, "killed", heartbeat=1, grace=2)
        tuning.work(study, self.objective, TRIALS, url, [note(folder)])

    def objective(self, trial):
        x = trial.suggest_float("x", 0.0, 1.0)
        for epoch in range(3):
            trial.report(x + epoch, epoch)
        return x

    def found(self, folder: Path) -> dict:
        path = folder / "search.db"
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        try:
            trials = optuna.load_study(study_name="killed", storage=storage).trials
        except KeyError:  # killed before the study was there
            trials = []
        finally:
            storage.engine.dispose()  # the next fork must not have it open too
        ended = [[t.number, t.params, t.value] for t in trials if t.state in FINISHED]
        # Of SQLite's own: a journal is there if it was killed while it wrote, and is rolled back.
        others = [p.name for p in folder.iterdir() if not p.name.startswith("search.db")]
        found = {"place": folder.name, "kept": len(ended), "others": others}
        return found | {"ended": ended}

    def end(self, folder: Path) -> str:
        return f"{self.found(folder)['kept']} trials are finished"


class Logging:
    """A training that logs everything for TensorBoard, each time into a folder of its own."""

    def run(self, folder: Path) -> None:
        from ch07 import board
        from ch07.lab.files import new_folder

        model, vectors = small_model()
        verdicts = (vectors[:, :1] > 0).astype("float32")
        logs = new_folder(folder, "20260101-000000-killed")
        logger = board.TensorBoard(logs, histogram_freq=1, probe=(vectors[:8], verdicts[:8]))
        counted = keras.callbacks.LambdaCallback(on_epoch_end=note(logs))
        model.fit(
            vectors, verdicts, validation_data=(vectors, verdicts), epochs=EPOCHS, verbose=0,
            callbacks=[logger, counted],
        )  # fmt: skip

    def found(self, folder: Path) -> dict:
        folders = [path for path in folder.iterdir() if path.is_dir()]
        newest = max(folders, key=lambda path: path.stat().st_mtime_ns, default=None)
        digests = {
            path.name: hashlib.sha256(
                b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())
            ).hexdigest()
            for path in folders
        }
        return {"newest": newest and newest.name, "digests": digests}

    def end(self, folder: Path) -> str:
        return ""


def read_logs(folder: Path, pipe) -> None:
    """Send the curves of every folder of logs, and how many epochs it had ended."""
    from ch07 import board

    for logs in sorted(path for path in folder.iterdir() if path.is_dir()):
        curves = {
            part.name: board.scalars(part)
            for part in sorted(path for path in logs.iterdir() if path.is_dir())
        }
        pipe.send({"folder": logs.name, "done": done(logs), "curves": curves})
    pipe.send(None)


def patiently(target: Callable, *arguments) -> None:
    """Run `target`, and die if it hangs."""
    signal.alarm(PATIENCE)
    target(*arguments)


def forked(target: Callable, *arguments) -> multiprocessing.Process:
    """A fork that runs `target`."""
    given = (target, *arguments)
    process = multiprocessing.get_context("fork").Process(target=patiently, args=given)
    process.start()
    return process


def report(**what) -> None:
    """Print a line."""
    print(json.dumps(what), flush=True)


def main(job, folder: Path) -> None:
    """Let `job` die `DEATHS` times."""
    rng = random.Random(0)
    folder.mkdir()
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir()
    began = time.perf_counter()
    process = forked(job.run, undisturbed)
    process.join()
    span = time.perf_counter() - began
    report(kind="undisturbed", status=process.exitcode, end=job.end(undisturbed))
    places = [folder / "0"]
    died = starts = 0
    while died < DEATHS:
        place = places[-1]
        place.mkdir(exist_ok=True)
        process, starts = forked(job.run, place), starts + 1
        process.join(span * rng.random())
        process.kill()
        process.join()
        if process.exitcode:
            died += 1
            report(kind="death", status=process.exitcode, done=done(place), **job.found(place))
        elif not isinstance(job, Logging):
            report(kind="end", status=0, starts=starts, end=job.end(place))
        if not isinstance(job, Logging) and (process.exitcode == 0 or isinstance(job, Search)):
            starts = 0
            places.append(folder / str(len(places)))
    again = places[:-1] if isinstance(job, Search) else places[-1:]
    for process, place in [(forked(job.run, place), place) for place in again]:
        process.join()
        report(kind="end", status=process.exitcode, end=job.end(place), **job.found(place))
    if isinstance(job, Logging):
        (logs,) = (path for path in undisturbed.iterdir() if path.is_dir())
        logs.rename(places[-1] / "undisturbed")
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        reader = forked(read_logs, places[-1], theirs)
        theirs.close()  # so that a reader that dies is an end to what is received
        while (line := ours.recv()) is not None:
            report(kind="logs", **line)
        reader.join()


if __name__ == "__main__":
    jobs = {"training": Training, "search": Search, "logging": Logging}
    main(jobs[sys.argv[1]](), Path(sys.argv[2]).resolve())
