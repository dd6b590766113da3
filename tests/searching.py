"""A worker on a study, run by `test_search.py`: `python searching.py URL TRIALS FOLDER`.

A trial leaves a file in FOLDER, and lasts as long as there is a file `hold` there.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from ch07 import startup  # before Keras, as in the scripts

# isort: split
import optuna
import sqlalchemy

from ch07 import search

TIMES = {"heartbeat": 1, "grace": 2}


def choose(trial):
    return {"x": trial.suggest_float("x", 0.0, 1.0), "n": trial.suggest_int("n", 1, 3)}


def stored(url, name="tested"):
    """The study `name` in a database, to which no connection is left open."""
    storage = optuna.storages.RDBStorage(url, {"poolclass": sqlalchemy.NullPool})
    return optuna.load_study(study_name=name, storage=storage)


def process_number(trial):
    """An objective that notes which process it runs in."""
    trial.set_user_attr("process", os.getpid())
    return trial.suggest_float("x", 0.0, 1.0)


def main(url, trials, folder):
    def objective(trial):
        (folder / f"running-{os.getpid()}-{trial.number}").touch()
        while (folder / "hold").exists():
            threading.Event().wait(0.05)
        with (folder / f"trained-{os.getpid()}").open("a") as file:
            file.write("x\n")
        return trial.suggest_float("x", 0.0, 1.0)

    try:
        study = search.open_study(url, "tested", 0, choose, **TIMES)
        search.work(study, choose, objective, trials, url=url, grace=TIMES["grace"])
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
