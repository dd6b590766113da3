"""Kill a training, a search or the logging for TensorBoard at random moments, and start it again.

A program for Linux, run by `test_killed.py`: `python killed_at_random.py JOB FOLDER` fails where a
promise is broken. A job dies again and again at one place until it ends there, then at another.

TensorFlow is imported once, and every process is a fork of this one from before TensorFlow made its
threads: a death costs half a second. The moments are random parts of the time that an undisturbed
run takes, so they meet everything in it: the start, the work, the writing of files.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}

# Nothing may make a tensor here, and with it the threads of TensorFlow: the forks do.
from ch07 import backup, board, tuning
from ch07.lab.files import new_folder

# isort: split
import keras
import numpy as np

DEATHS, PATIENCE = 20, 120  # seconds after which a fork hangs
EPOCHS, TRIALS = 12, 20


class Job:
    """What is done at a `place`, and what has to be true of it after each death and at the end."""

    def __init__(self, place: Path):
        self.place = place
        self.counted = place.with_suffix(".done")  # a byte for each piece of work
        place.mkdir()

    def done(self, *_) -> None:
        with self.counted.open("ab") as file:
            file.write(b"x")

    def checked(self, kept: int, name: str) -> int:
        """As many pieces of work are kept in the file `name` as were done, and no other file is."""
        done = self.counted.stat().st_size if self.counted.exists() else 0
        assert kept - done in (0, 1), (kept, done)  # 1: it died before it could count
        others = [path.name for path in self.place.iterdir() if not path.name.startswith(name)]
        assert not others, others
        return kept

    def fit(self, callback: keras.callbacks.Callback) -> keras.Model:
        """Train a model with masks and moments, from where `callback` is a backup of it."""
        keras.utils.set_random_seed(0)
        vectors = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
        verdicts = (vectors[:, :1] > 0).astype("float32")
        inputs = keras.Input((8,))
        x = keras.layers.Dropout(0.5)(keras.layers.Dense(64, activation="relu")(inputs))
        model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
        model.fit(
            vectors,
            verdicts,
            validation_data=(vectors, verdicts),
            initial_epoch=callback.restore(model) if isinstance(callback, backup.Backup) else 0,
            epochs=EPOCHS,
            verbose=0,
            callbacks=[callback, keras.callbacks.LambdaCallback(on_epoch_end=self.done)],
        )
        return model


class Training(Job):
    """A training with a backup, which ends with the same weights."""

    def run(self) -> None:
        model = self.fit(backup.Backup(self.place / "backup.npz"))
        np.savez(self.place.with_suffix(".npz"), *model.get_weights())

    def died(self) -> int:
        path = self.place / "backup.npz"
        return self.checked(backup.Backup(path).read()[0] if path.exists() else 0, path.name)

    def ended(self) -> list[bytes]:
        assert [path.name for path in self.place.iterdir()] == ["backup.npz"]
        with np.load(self.place.with_suffix(".npz")) as weights:
            return [weight.tobytes() for weight in weights.values()]


class Search(Job):
    """A search in a database, which keeps what is finished and reaches its budget."""

    finished: tuple = ()

    def study(self):
        url = f"sqlite:///{self.place / 'search.db'}"
        return tuning.open_study(url, "killed", heartbeat=1, grace=2)

    def run(self) -> None:
        tuning.work(self.study(), self.objective, TRIALS, callbacks=[self.done])

    def objective(self, trial) -> float:
        for epoch in range(3):
            trial.report(trial.suggest_float("x", 0.0, 1.0) + epoch, epoch)
        return trial.params["x"]

    def died(self) -> int:
        before, trials = self.finished, self.study().get_trials(states=tuning.FINISHED)
        self.finished = tuple((trial.number, trial.params, trial.value) for trial in trials)
        assert all(trial in self.finished for trial in before)
        # A journal of SQLite's own is there if it was killed while it wrote, and is rolled back.
        return self.checked(len(trials), "search.db")

    ended = died


class Logging(Job):
    """A training that logs everything for TensorBoard, each time into a folder of its own."""

    logged: Mapping[Path, bytes] = {}

    def run(self) -> None:
        logs = new_folder(self.place, "20260101-000000-killed")
        self.counted = logs.with_suffix(".done")
        probe = np.ones((8, 8), "float32"), np.ones((8, 1), "float32")
        self.fit(board.TensorBoard(logs, probe=probe))

    def died(self) -> int:
        """What earlier ones have left is as it was, and every one has a folder of its own."""
        files = [path for path in self.place.rglob("*") if path.is_file()]
        before, self.logged = self.logged, {path: path.read_bytes() for path in files}
        assert all(self.logged[path] == content for path, content in before.items())
        return sum(path.stat().st_size for path in self.place.glob("*.done"))

    def ended(self) -> int:
        self.died()
        return 0

    def curves(self) -> Iterator[dict[str, list[float]]]:
        """The curves of each folder, which have an epoch for each that had ended."""
        for logs in (path for path in self.place.iterdir() if path.is_dir()):
            curves = {
                f"{part.name}/{tag}": curve
                for part in logs.iterdir()
                for tag, curve in board.scalars(part).items()
            }
            done = logs.with_suffix(".done")
            told = len(curves.get("train/epoch_loss", []))
            assert told - (done.stat().st_size if done.exists() else 0) in (0, 1), logs
            yield curves


def status(job: Job, seconds: float) -> int:
    """How a fork ends that does `job`, and is killed after some seconds."""
    process = multiprocessing.get_context("fork").Process(target=job.run)
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode


def main(kind: type[Job], folder: Path) -> None:
    """Let a job die `DEATHS` times, and come to its end as an undisturbed one does."""
    rng, undisturbed = random.Random(0), kind(folder / "undisturbed")
    began = time.perf_counter()
    assert status(undisturbed, PATIENCE) == 0
    span, expected = time.perf_counter() - began, undisturbed.ended()
    jobs, kept = [kind(folder / "0")], []
    while len(kept) < DEATHS:
        if ended := status(jobs[-1], span * rng.random()):
            assert ended == -signal.SIGKILL, ended
            kept.append(jobs[-1].died())
        else:
            assert jobs[-1].ended() == expected
            jobs.append(kind(folder / f"{len(jobs)}"))
    assert status(jobs[-1], PATIENCE) == 0
    assert jobs[-1].ended() == expected
    assert len(set(kept)) > 3, kept  # it died at different moments
    if kind is Logging:
        (whole,) = undisturbed.curves()
        for curves in (curves for job in jobs for curves in job.curves()):
            assert all(curve == whole[tag][: len(curve)] for tag, curve in curves.items())


if __name__ == "__main__":
    kinds = {"training": Training, "search": Search, "logging": Logging}
    main(kinds[sys.argv[1]], Path(sys.argv[2]))
