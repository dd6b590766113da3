"""A crash for a training: another process that trains, and is killed in the middle of an epoch."""

from __future__ import annotations

from ch07.lab import startup

# isort: split
import importlib
import json
import os
import signal
import subprocess
import sys

import keras

# What nothing can catch, and on Windows what ends a process as suddenly.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class KilledAt(keras.callbacks.Callback):
    """Kills its own process after a batch of an epoch, both counted from 0."""

    def __init__(self, epoch: int, batch: int):
        super().__init__()
        self.moment = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.moment:
            os.kill(os.getpid(), KILL)


def run_and_kill(train: str, *arguments: object, epoch: int, batch: int) -> None:
    """Call `train(*arguments, callback)` in a process of its own, killed after a batch of an epoch.

    `train` is a function as "module:name", which gives the callback to `fit`. Of the arguments,
    numbers and texts, paths arrive as text. The process sets TensorFlow as a lesson has it, so it
    trains as this one would. RuntimeError, with what it has printed, if it ends otherwise.
    """
    order = json.dumps([train, arguments, epoch, batch], default=lambda path: str(path.absolute()))
    command = [sys.executable, "-m", "ch07.crash", order]  # "ch07" is found from ROOT
    ends = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    done = subprocess.run(command, cwd=startup.ROOT, **ends, text=True, errors="replace")
    # On Windows the status of a process that os.kill has ended is the number of the signal.
    if done.returncode not in (-KILL, KILL):
        raise RuntimeError(
            f"no batch {batch} of epoch {epoch} has killed '{train}', which ended with status "
            f"{done.returncode}: {done.stdout[-2000:]}"
        )


if __name__ == "__main__":
    name, given, *moment = json.loads(sys.argv[1])
    startup.settle()
    module, _, function = name.partition(":")
    getattr(importlib.import_module(module), function)(*given, KilledAt(*moment))
