"""Going on with a training whose process was killed, and killing one to see that it does.

Why not `keras.callbacks.BackupAndRestore`: it writes weights and epoch one after the other, over
the only copy there is. Killed meanwhile, it leaves a file that cannot be read, or new weights with
an old epoch (`tests/killing.py` kills it at every system call). Its files also lack the random
state of Dropout (keras issue 19796), so what goes on is not the training that was killed.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from ch07 import startup

# isort: split
import keras
import numpy as np
import tensorflow as tf

from ch07.files import write_aside

Losses = dict[int, float]  # the loss of each epoch, by its number from 0


def state(model: keras.Model) -> list[keras.Variable]:
    """What a training step changes: the weights, random seeds such as Dropout's, the optimizer."""
    return [*model.variables, *model.optimizer.variables]


class Backup(keras.callbacks.Callback):
    """Write the state of a training into one file after every epoch, and start from it.

        backup = Backup(folder / "backup.npz")
        model.fit(..., initial_epoch=backup.restore(model), callbacks=[backup])

    The file is replaced whole: killed at any moment, the training goes on from the last epoch that
    it ended, with the same weights, learning rate, optimizer and Dropout masks as if nothing had
    happened. The batches are those of before if the process is seeded as before: `fit` then has
    one order for all epochs. What other callbacks remember, such as EarlyStopping's patience,
    starts anew.

    The file stays when the training ends; with it there, `restore` gives the finished model, and
    `fit` has no epoch left to train. One file is for one training: delete it to start another.

    Raises:
        ValueError: `fit` starts at another epoch than the one that `restore` gave.
        OSError: the backup cannot be written, the disk being full; the one before it is whole.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.epochs: int | None = None  # those that are done, once it is known

    def restore(self, model: keras.Model) -> int:
        """Put a compiled `model` into the state of the backup, if there is one.

        Returns:
            How many epochs are done: the `initial_epoch` for `fit`.

        Raises:
            startup.UsageError: the file is broken, or of another model; it is left as it is.
        """
        for unfinished in self.path.parent.glob(f"{self.path.name}.*.part"):
            unfinished.unlink()  # by write_aside, when it was killed
        # The optimizer's variables, which it would otherwise make in the first step.
        model.optimizer.build(model.trainable_variables)
        self.epochs = 0
        if self.path.exists():
            self.epochs, values = self.read()
            variables = state(model)
            if [value.shape for value in values] != [variable.shape for variable in variables]:
                raise startup.UsageError(
                    f"the backup '{self.path}' is of another model: delete it to train this one "
                    "from the beginning."
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return self.epochs

    def read(self) -> tuple[int, list[np.ndarray]]:
        """The epochs that are done, and the values of the variables, from the file.

        Raises:
            startup.UsageError: it is not the file that was written.
        """
        try:
            # A ZIP: its check sums tell if a byte has changed. Opened here, since np.load leaves a
            # broken one open.
            with self.path.open("rb") as file, np.load(file) as archive:
                epochs, *values = archive.values()
            return int(epochs), values
        except Exception as error:  # a ZIP can be broken in many ways, each with its own exception
            raise startup.UsageError(
                f"the backup '{self.path}' cannot be read ({type(error).__name__}): put a good "
                "copy in its place, or delete it to train from the beginning."
            ) from error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch != self.epochs:
            # Or a training from the beginning would replace the backup of one that is far ahead.
            raise ValueError("A Backup needs fit(..., initial_epoch=backup.restore(model)).")

    def on_epoch_end(self, epoch, logs=None):
        content = io.BytesIO()
        np.savez(content, epoch + 1, *(variable.numpy() for variable in state(self.model)))
        write_aside(self.path, content.getvalue())
        self.epochs = epoch + 1


class Waiting(keras.callbacks.Callback):
    """Send the loss of every epoch, and at one batch stand still until the process is killed."""

    def __init__(self, parent: Connection, epoch: int, batch: int):
        super().__init__()
        self.parent = parent
        self.moment = epoch, batch
        self.epoch = 0
        self.losses: Losses = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.moment:
            self.parent.send(self.losses)
            self.parent.recv()  # nothing will come but the end: of us, or (EOFError) of the parent

    def on_epoch_end(self, epoch, logs=None):
        self.losses[epoch] = logs["loss"]


def until_killed(parent: Connection, epoch: int, batch: int, train: Callable, arguments: tuple):
    """What the process of `doomed` does: train in the state that `lab` gives a lesson."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then kills us
    tf.config.experimental.enable_op_determinism()
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent has gone: nobody is waiting
        train(*arguments, Waiting(parent, epoch, batch))


@contextlib.contextmanager
def doomed(train: Callable, *arguments, epoch: int, batch: int) -> Iterator[Callable[[], Losses]]:
    """Start `train(*arguments, callback)` in a process of its own, to be killed at a batch.

    The process takes seconds to import Keras, in which the caller can do something else.

    Args:
        train: a function of a module, so that the process can import it; it takes a seed or sets
            it, gives the callback to `fit`, and calls `fit` with one step per execution.
        arguments: what can be pickled.
        epoch, batch: after which batch of which epoch, both counted from 0.

    Returns:
        A context with a function that waits for that batch, kills the process (SIGKILL; on
        Windows TerminateProcess) and gives the losses of the epochs that had ended.
    """
    context = multiprocessing.get_context("spawn")  # the same on every system
    ours, theirs = context.Pipe()
    process = context.Process(
        target=until_killed, args=(theirs, epoch, batch, train, arguments), daemon=True
    )
    # Inherited (not on Windows), or Ctrl-C during the imports of the process would be told twice.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, handler)
    theirs.close()  # so that the pipe breaks if the process ends by itself

    def kill() -> Losses:
        try:
            return ours.recv()
        except EOFError:
            raise RuntimeError(f"No batch {batch} in epoch {epoch}: the process ended.") from None
        finally:
            process.kill()
            process.join()

    try:
        yield kill
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
