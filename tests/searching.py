"""A worker on a study, run by test_tuning.py: `python searching.py URL STUDY TRIALS FOLDER`.

A trial leaves a file in FOLDER, and lasts half a second, and as long as there is a file `hold`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from ch07.lab import startup  # before Keras, as in the scripts

# isort: split
from ch07 import tuning

TIMES = {"heartbeat": 1, "grace": 2}


def main(url, name, trials, folder):
    def objective(trial):
        x = trial.suggest_float("x", 0.0, 1.0)
        (folder / f"running-{os.getpid()}-{trial.number}").touch()
        time.sleep(0.5)
        while (folder / "hold").exists():
            time.sleep(0.05)
        return x

    try:
        tuning.work(tuning.open_study(url, name, **TIMES), objective, trials, url=url)
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
