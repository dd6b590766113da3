"""Kill a training at every system call of its backups, and start each of the dead ones again.

A program for Linux, run by `test_backup.py`: `python killing.py FOLDER` prints, for each moment at
which a training was killed, what became of it, as a line of JSON.

Whenever Keras calls a backup callback, the training is forked. The fork runs the callback traced by
ptrace and is killed (SIGKILL) before its first system call, another fork before the second, and so
on until one gets to the end. Each has a copy of the folder. So for everything that the callback
does to the disk, there is a process that really died just before it: always the same ones, without
a sleep.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from ch07.backup import Backup

# isort: split
import keras
import numpy as np
import tensorflow as tf

EPOCHS, BATCHES = 3, 2
NOT_PERMITTED = 77  # exit status: the tests are skipped
PATIENCE = 60  # seconds after which a fork that hangs ends itself, and with it this program

# From <sys/ptrace.h>, the same numbers on x86-64 and arm64.
PTRACE_TRACEME, PTRACE_SYSCALL, PTRACE_SETOPTIONS = 0, 24, 0x4200
PTRACE_O_TRACESYSGOOD, PTRACE_O_EXITKILL = 1, 0x100000
AT_A_CALL = signal.SIGTRAP | 0x80  # how PTRACE_O_TRACESYSGOOD marks a stop at a system call

BACKUPS = {  # each writes below the current folder
    "keras": lambda: keras.callbacks.BackupAndRestore("backup"),
    "keras double": lambda: keras.callbacks.BackupAndRestore("backup", double_checkpoint=True),
    "ours": lambda: Backup("backup.npz"),
}


def ptrace(request: int, process: int = 0, data: int = 0) -> None:
    """Ask the kernel; leave with NOT_PERMITTED if it refuses, as it may in a container."""
    call = ctypes.CDLL(None).ptrace
    call.restype = ctypes.c_long
    if call(ctypes.c_long(request), ctypes.c_long(process), None, ctypes.c_void_p(data)) == -1:
        os._exit(NOT_PERMITTED)


def killed_before(call: int, work: Callable[[], None], folder: Path) -> bool:
    """Fork, run `work` in `folder`, and kill it before its system call number `call` (from 0).

    Returns:
        Whether it was; if not, it has fewer calls and has got to the end.

    Raises:
        RuntimeError: something else became of it.
    """
    process = os.fork()
    if not process:
        with contextlib.suppress(BaseException):  # the copy must not go on with the training
            os.chdir(folder)
            signal.alarm(PATIENCE)
            ptrace(PTRACE_TRACEME)
            signal.raise_signal(signal.SIGSTOP)
            work()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    ptrace(PTRACE_SETOPTIONS, process, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
    for _ in range(2 * call + 1):  # it stops where a call begins and where it ends
        ptrace(PTRACE_SYSCALL, process)
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return False
        if not os.WIFSTOPPED(status) or os.WSTOPSIG(status) != AT_A_CALL:
            raise RuntimeError(f"not at a system call: {status}")
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        raise RuntimeError(f"not killed: {status}")
    return True


class Killing(keras.callbacks.Callback):
    """Does what `backup` does, after forks have been killed at every system call of it.

    Attributes:
        killed: for each fork the hook, the epochs that had ended, and the folder that it left.
    """

    def __init__(self, backup: keras.callbacks.Callback, folder: Path):
        super().__init__()
        self.backup = backup
        self.folder = folder
        self.killed: list[tuple[str, int, Path]] = []

    def set_model(self, model):
        super().set_model(model)
        self.backup.set_model(model)

    def kill_in(self, name: str, ended: int, *arguments) -> None:
        hook = getattr(self.backup, name)
        for call in itertools.count():
            copy = self.folder / f"{len(self.killed)}"
            shutil.copytree(Path.cwd(), copy)
            if not killed_before(call, lambda: hook(*arguments), copy):
                shutil.rmtree(copy)
                break
            self.killed.append((name, ended, copy))
        hook(*arguments)

    def on_train_begin(self, logs=None):
        self.kill_in("on_train_begin", 0, logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.kill_in("on_epoch_begin", epoch, epoch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self.kill_in("on_train_batch_end", self.epoch, batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self.kill_in("on_epoch_end", epoch + 1, epoch, logs)

    def on_train_end(self, logs=None):
        self.kill_in("on_train_end", EPOCHS, logs)


def train(backup=None, wrap=lambda backup: backup) -> tuple[int, list[np.ndarray]]:
    """Start a training in the current folder, or start it again.

    Returns:
        How many epochs were trained now, and the weights.
    """
    keras.utils.set_random_seed(0)
    vectors = np.random.default_rng(0).normal(size=(4 * BATCHES, 4)).astype("float32")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(3)(inputs)))
    model.compile("adam", "mse", run_eagerly=True)  # a few batches do not pay for a trace
    history = model.fit(
        vectors,
        vectors.sum(axis=1),
        batch_size=4,
        initial_epoch=backup.restore(model) if isinstance(backup, Backup) else 0,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[wrap(backup)] if backup else [],
    )
    return len(history.epoch), model.get_weights()


def started_again(make_backup: Callable, undisturbed: list[np.ndarray]) -> dict:
    """What becomes of the dead training in the current folder."""
    try:
        epochs, weights = train(make_backup())
    except Exception as error:
        return {"error": type(error).__name__}
    files = [path.name for path in Path.cwd().rglob("*") if path.is_file()]
    same = all(np.array_equal(one, other) for one, other in zip(weights, undisturbed, strict=True))
    return {"error": "", "epochs": epochs, "same": same, "files": files}


def digest(folder: Path) -> str:
    """The same for folders with the same files: what a training finds is nothing else."""
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content.update(f"{path.relative_to(folder)} {path.is_file()} ".encode())
        if path.is_file():
            content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def main(folder: Path) -> None:
    """Print a line for each moment of each of `BACKUPS`."""
    tf.config.experimental.enable_op_determinism()
    _, undisturbed = train()
    for name, make_backup in BACKUPS.items():
        alive = folder / name / "alive"
        alive.mkdir(parents=True)
        killing = Killing(make_backup(), folder / name)
        with contextlib.chdir(alive):
            train(killing.backup, wrap=lambda backup, killing=killing: killing)
        outcomes: dict[str, dict] = {}
        for hook, ended, copy in killing.killed:
            found = digest(copy)
            if found not in outcomes:
                with contextlib.chdir(copy):
                    outcomes[found] = started_again(make_backup, undisturbed)
            print(json.dumps({"backup": name, "hook": hook, "ended": ended} | outcomes[found]))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
