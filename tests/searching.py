"""A worker on a study, for test_tuning.py: `python searching.py URL STUDY TRIALS FOLDER`."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from ch07 import tuning
from ch07.lab import startup

TIMES = {"heartbeat": 1, "grace": 2}


def objective(trial):
    """Leaves a file in FOLDER, and lasts half a second, and as long as there is a file `hold`."""
    x = trial.suggest_float("x", 0.0, 1.0)
    Path(sys.argv[4], f"{os.getpid()}-{trial.number}").touch()
    time.sleep(0.5)
    while Path(sys.argv[4], "hold").exists():
        time.sleep(0.05)
    return x


if __name__ == "__main__":
    url, name, trials = sys.argv[1:4]
    try:
        tuning.work(tuning.open_study(url, name, **TIMES), objective, int(trials), url=url)
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
