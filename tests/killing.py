"""Kill a training at every system call of its backups, and start each of the dead ones again.

A program for Linux, run by `test_backup.py`: `python killing.py FOLDER` prints, for each moment at
which a training was killed, what became of it, as a line of JSON.

Whenever Keras calls a backup callback, the training is forked. The fork runs the callback traced by
ptrace and is killed (SIGKILL) before its first system call, another fork before the second, and so
on until one gets to the end. Each has a copy of the folder: always the same deaths, and no sleep.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
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
import tensorflow as tf
from test_backup import fit, same

HOOKS = ("on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end", "on_train_end")
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
# Keras forgets the masks of dropout.
train = functools.partial(fit, rate=0)


def ptrace(request: int, process: int = 0, data: int = 0) -> None:
    """Ask the kernel; leave with NOT_PERMITTED if it refuses, as it may in a container."""
    call = ctypes.CDLL(None).ptrace
    call.restype = ctypes.c_long
    if call(ctypes.c_long(request), ctypes.c_long(process), None, ctypes.c_void_p(data)) == -1:
        os._exit(NOT_PERMITTED)


def killed_before(call: int, work: Callable[[], None], folder: Path) -> bool:
    """Fork, run `work` in `folder`, and kill it before its system call number `call` (from 0).

    Returns whether it was; if not, it has fewer calls and has got to the end.
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
        if status == 0:
            return False
        assert os.WIFSTOPPED(status), status
        assert os.WSTOPSIG(status) == AT_A_CALL, status
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    return True


def started_again(make_backup: Callable, undisturbed: keras.Model) -> dict:
    """What becomes of the dead training in the current folder."""
    try:
        model = train(make_backup())
    except Exception as error:
        return {"error": type(error).__name__}
    files = [path.name for path in Path.cwd().rglob("*") if path.is_file()]
    epochs = len(model.history.epoch)
    return {"error": "", "epochs": epochs, "same": same(model, undisturbed), "files": files}


def kill_everywhere(make_backup: Callable, folder: Path) -> list[tuple[str, int, Path]]:
    """Train with a backup, and kill forks at every system call of it.

    Returns for each fork the hook, the epochs that had ended, and the folder that it left.
    """
    killed, ended = [], 0

    def kill_in(name: str, hook: Callable, *arguments, **options) -> None:
        nonlocal ended
        ended += name == "on_epoch_end"
        for call in itertools.count():
            copy = folder / f"{len(killed)}"
            shutil.copytree(Path.cwd(), copy)
            if not killed_before(call, lambda: hook(*arguments, **options), copy):
                shutil.rmtree(copy)
                break
            killed.append((name, ended, copy))
        hook(*arguments, **options)

    backup = make_backup()
    for name in HOOKS:
        setattr(backup, name, functools.partial(kill_in, name, getattr(backup, name)))
    (folder / "alive").mkdir(parents=True)
    with contextlib.chdir(folder / "alive"):
        train(backup)
    return killed


def main(folder: Path) -> None:
    """Print a line for each moment of each of `BACKUPS`."""
    tf.config.experimental.enable_op_determinism()
    undisturbed = train(keras.callbacks.Callback())
    for name, make_backup in BACKUPS.items():
        outcomes: dict[frozenset, dict] = {}  # what a training finds is the files, and nothing else
        for hook, ended, copy in kill_everywhere(make_backup, folder / name):
            contents = {of: of.is_file() and of.read_bytes() for of in copy.rglob("*")}
            files = ((of.relative_to(copy), content) for of, content in contents.items())
            if (found := frozenset(files)) not in outcomes:
                with contextlib.chdir(copy):
                    outcomes[found] = started_again(make_backup, undisturbed)
            print(json.dumps({"backup": name, "hook": hook, "ended": ended} | outcomes[found]))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
