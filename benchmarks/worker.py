"""A worker on a study of the benchmark: ``python -m benchmarks.worker waits|trains URL FOLDER``.

It begins when there is a file `go` in FOLDER, so that loading TensorFlow is not measured.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import time
from pathlib import Path

from ch07 import lab  # noqa: F401 -- first: it checks the installation

# isort: split
import ch0703_ensembling
from ch07 import search, synthetic

TRIALS = 4
WAITS = 0.5  # seconds of a trial that waits: many times what the database takes


def choose(trial):
    """One hyperparameter, so that there is something to choose."""
    return {"learning_rate": trial.suggest_float("learning_rate", 0.001, 0.1, log=True)}


@functools.cache
def data():
    """The signals of the script's search."""
    return synthetic.gestures(0)


def trains(trial) -> float:
    """A trial as the script has them: a candidate of the search, trained for eight epochs."""
    model = ch0703_ensembling.fit_candidate(
        0, data(), optimizer="adam", depth=1, width=16, dropout=0.1, separable=False,
        normalize=True, **choose(trial),
    )  # fmt: skip
    return model.history.history["val_accuracy"][-1]


def trains_and_weighs(trial) -> float:
    """The same, which notes its process and the peak of its memory."""
    value = trains(trial)
    trial.set_user_attr("process", os.getpid())
    trial.set_user_attr("megabytes", peak_of_memory())
    return value


def peak_of_memory() -> float:
    """MB that this process has held at most.

    Raises:
        ImportError: Windows does not tell it in this way.
    """
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells on Linux is never below what the process that started this one held.
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"))[1]) / 1e3
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts in bytes


def waits(trial) -> float:
    """A trial that leaves the machine alone."""
    time.sleep(WAITS)
    return choose(trial)["learning_rate"]


def main(kind: str, url: str, folder: Path) -> None:
    """Work on the study until its trials are done."""
    objective = {"waits": waits, "trains": trains}[kind]
    study = search.open_study(url, "benchmark", 0, choose)
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    search.work(study, choose, objective, TRIALS, url=url)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
