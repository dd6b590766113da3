"""Callbacks that the book describes and does not print: each uses one power that a callback has.

Paths may be text or `Path`; a folder that is missing is made when the training begins. Started
again, all of them begin anew, but for what `backup.Backup` restores: weights and learning rate.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from ch07 import checks


class StopAt(keras.callbacks.EarlyStopping):
    """Interrupts a training after the first epoch whose `monitor` reaches `target`.

    Which way is known of losses and of Keras's metrics; of others `mode` has to say "min" or "max".
    ValueError, during `fit`, if it does not, or an epoch has no `monitor`.
    """

    def __init__(self, monitor: str, target: float, mode: str = "auto"):
        least = mode == "auto" and monitor.endswith("loss")
        super().__init__(monitor, mode="min" if least else mode)
        self.target = target

    def on_epoch_end(self, epoch, logs=None):
        value = checks.monitored(logs, self.monitor)
        if not self.monitor_op:
            self._set_monitor_op()
        # In single precision, as metrics are: there 425 of 500 are the 0.85 that was asked for.
        equal = np.float32(value) == np.float32(self.target)
        if equal or self.monitor_op(value, self.target):  # NaN is neither
            self.model.stop_training = True


class BackToTheBest(keras.callbacks.Callback):
    """Saves the weights of the best epoch; after a worse one loads them and lowers the rate.

    With the weights of a compiled model Keras saves what its optimizer remembers, so that comes
    back too; and the learning rate, which is why it is set again: multiplied by `factor`, 0 to 1.
    `loaded` has the epochs after which that happened, counted from 0.

    ValueError, if `path` does not end in ".weights.h5" or `factor` is no such number; during `fit`,
    if the learning rate is that of a schedule, or an epoch has no validation loss.
    """

    def __init__(self, path: str | Path, factor: float = 0.1):
        if not 0 <= factor <= 1:
            raise ValueError(f"factor is {factor}: a number from 0 to 1 is needed.")
        if not str(path).endswith(".weights.h5"):
            raise ValueError(f"path is '{path}': it has to end in '.weights.h5'.")
        super().__init__()
        self.path = Path(path)
        self.factor = factor

    def on_train_begin(self, logs=None):
        if not isinstance(self.model.optimizer.learning_rate, keras.Variable):
            raise ValueError("The learning rate is that of a schedule, which nothing else can set.")
        self.best, self.loaded, self.saved = np.inf, [], self.model.built
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.saved:  # to have some, should the first epoch end in NaN
            self.model.optimizer.build(self.model.trainable_variables)  # or it would have no memory
            self.model.save_weights(self.path)

    def on_epoch_end(self, epoch, logs=None):
        loss = checks.monitored(logs, "val_loss")
        if loss < self.best:  # NaN is not
            self.best, self.saved = loss, True
            self.model.save_weights(self.path)
        elif self.saved:
            rate = self.model.optimizer.learning_rate.numpy()
            self.model.load_weights(self.path)
            self.model.optimizer.learning_rate = rate * self.factor
            self.loaded.append(epoch)


class Freeze(keras.callbacks.Callback):
    """Freezes a layer before the epoch `at`, counted from 0, or before the first that is later.

    `fit` goes on with the train function that it has traced, which no attribute reaches any more:
    `trainable` takes effect only when the function is made again, which `retrace=False` leaves out.
    What does act at once is the value of a variable, such as a weight or the learning rate.
    """

    def __init__(self, layer: keras.layers.Layer, at: int, *, retrace: bool = True):
        checks.whole(0, at=at)
        super().__init__()
        self.layer, self.at, self.retrace = layer, at, retrace

    def on_train_begin(self, logs=None):
        if not any(layer is self.layer for layer in self.model._flatten_layers()):
            name = getattr(self.layer, "name", self.layer)
            raise ValueError(f"'{name}' is not a layer of '{self.model.name}'.")

    def on_epoch_begin(self, epoch, logs=None):
        if epoch >= self.at and self.layer.trainable:
            self.layer.trainable = False
            if self.retrace:
                self.model.make_train_function(force=True)


class ProgressBar(keras.callbacks.Callback):
    """A progress bar in ASCII: a line for each epoch, which grows where the console can redraw it.

    It shows the training loss (without one, the first number that is logged) after every batch: the
    mean over the epoch so far, of batches that met different weights, and not what `evaluate` gives
    at its end. Data of unknown size have a count of batches until the first epoch is over.
    """

    def __init__(self, console: Console | None = None):
        super().__init__()
        self.console = console or Console(highlight=False)
        self.steps = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.done = epoch + 1, 0
        self.steps = self.params["steps"] or self.steps

    def on_train_batch_end(self, batch, logs=None):
        self.done = batch + 1
        if self.console.is_terminal:
            self.show(logs, "\r")

    def on_epoch_end(self, epoch, logs=None):
        self.steps = self.done
        self.show(logs, "\n")

    def show(self, logs, end: str) -> None:
        """Print the line of the epoch."""
        bar = f"batch {self.done}"
        if self.steps:
            bar = f"{'#' * min(20, 20 * self.done // self.steps):.<20}"
        name = "loss" if "loss" in logs else next(iter(logs))
        line = f"  epoch {self.epoch:3d}  [{bar}]  {name} {logs[name]:8.4f}"
        self.console.print(Text(line, no_wrap=True), end=end)
