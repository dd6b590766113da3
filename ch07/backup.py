"""Going on with a training whose process was killed.

Why not `keras.callbacks.BackupAndRestore`: it writes weights and epoch one after the other, over
the only copy there is. Killed meanwhile, it leaves a file that cannot be read, or new weights with
an old epoch (`tests/killing.py` kills it at every system call). Its files also lack the random
state of Dropout (keras issue 19796), so what goes on is not the training that was killed.
"""

from __future__ import annotations

import glob
import io
import tempfile
from pathlib import Path

import keras
import numpy as np

from ch07.lab import startup
from ch07.lab.files import write_aside


def state(model: keras.Model) -> list[keras.Variable]:
    """What a training step changes: weights, random seeds such as Dropout's, states, optimizer."""
    # Keras does not count the states of stateful layers among the variables.
    states = [getattr(layer, "states", None) for layer in model._flatten_layers()]
    kept = [one for one in keras.tree.flatten(states) if isinstance(one, keras.Variable)]
    return [*model.variables, *kept, *model.optimizer.variables]


class Backup(keras.callbacks.Callback):
    """Write the state of a training into one file after every epoch, and start from it.

        backup = Backup("backup.npz")
        model.fit(..., initial_epoch=backup.restore(model), callbacks=[..., backup])

    The file is replaced whole: killed at any moment, the training goes on from the last epoch that
    it ended, with the same batches if the process is seeded as before. Other callbacks begin anew:
    the patience of EarlyStopping, the best value that ModelCheckpoint knows. Last in the list, it
    sees that one of them has stopped the training, which is then over and goes on no more; else it
    goes on if `epochs` has grown. The file is for one training: delete it for another.

    Raises:
        ValueError: `fit` starts at another epoch than the one that `restore` gave.
        OSError: the backup cannot be written, the disk being full; the one before it is whole.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)
        self.epochs: int | None = None  # those that are done, once it is known
        self.over = False  # whether a callback has ended the training

    def restore(self, model: keras.Model) -> int:
        """Put a compiled `model` into the state of the backup, if there is one: returns its epoch.

        Raises:
            ValueError: the model is not compiled, or has no weights yet.
            OSError: nothing can be written where the backup is to be.
            startup.UsageError: the file is broken, or of another model; it is left as it is.
        """
        if not (model.built and model.compiled):
            missing = "built: begin it with an Input" if model.compiled else "compiled"
            raise ValueError(f"The model '{model.name}' has to be {missing}, before the backup.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.path.parent):
            pass  # or the first epoch would be lost
        for unfinished in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.part"):
            unfinished.unlink()  # by write_aside, when it was killed
        # The optimizer's variables, which it would otherwise make in the first step.
        model.optimizer.build(model.trainable_variables)
        self.epochs, self.over = 0, False
        if self.path.exists():
            self.epochs, self.over, values = self.read()
            variables = state(model)
            if [value.shape for value in values] != [variable.shape for variable in variables]:
                raise startup.UsageError(
                    f"the backup '{self.path}' is of another model: delete it to train this one "
                    "from the beginning."
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return self.epochs

    def read(self) -> tuple[int, bool, list[np.ndarray]]:
        """The epochs that are done, whether that is all, and the values, from the file."""
        try:
            # A ZIP, with check sums. Opened here, since np.load leaves a broken one open.
            with self.path.open("rb") as file, np.load(file) as archive:
                (epochs, over), *values = archive.values()
            return int(epochs), bool(over), values
        except Exception as error:  # a ZIP can be broken in many ways, each with its own exception
            raise startup.UsageError(
                f"the backup '{self.path}' cannot be read ({type(error).__name__}): put a good "
                "copy in its place, or delete it to train from the beginning."
            ) from error

    def write(self) -> None:
        """Replace the file by the state of now."""
        # NumPy knows no bfloat16; float32 has all of its values.
        values = [variable.numpy() for variable in state(self.model)]
        values = [value.astype("float32") if value.dtype.kind == "V" else value for value in values]
        content = io.BytesIO()
        np.savez(content, (self.epochs, self.over), *values)
        write_aside(self.path, content.getvalue())

    def on_train_begin(self, logs=None):
        if self.over:  # as Keras's own callback has `fit` begin elsewhere: here behind the end
            self.model._initial_epoch = max(self.epochs, self.params["epochs"])

    def on_epoch_begin(self, epoch, logs=None):
        if epoch != self.epochs:
            # Or a training from the beginning would replace the backup of one that is far ahead.
            raise ValueError("A Backup needs fit(..., initial_epoch=backup.restore(model)).")

    def on_epoch_end(self, epoch, logs=None):
        self.epochs, self.over = epoch + 1, self.model.stop_training
        self.write()

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None
        if self.model.stop_training:  # EarlyStopping has put the best weights back meanwhile
            self.over = True
            self.write()
