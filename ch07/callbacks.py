"""Callbacks that the book describes and does not print: each uses one power that a callback has.

Paths may be text or `Path`; a folder that is missing is made when the training begins. Started
again, all of them begin anew, but for what `backup.Backup` restores: weights and learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from ch07 import checks

Logs = Mapping[str, float] | None


class StopAt(keras.callbacks.EarlyStopping):
    """Interrupts a training after the first epoch whose `monitor` reaches `target`.

    Which way is known of losses and of Keras's metrics; of others `mode` has to say "min" or "max".

    Raises (during `fit`):
        ValueError: it is not known, or an epoch has no `monitor`.
    """

    def __init__(self, monitor: str, target: float, mode: str = "auto"):
        checks.between(-np.inf, np.inf, target=target)
        checks.one_of(("auto", "min", "max"), mode=mode)
        super().__init__(monitor, mode="min" if monitor.endswith("loss") else mode)
        self.target = target

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        value = checks.monitored(logs, self.monitor)
        try:
            self.monitor_op or self._set_monitor_op()
        except ValueError:
            raise ValueError(
                f"monitor is {self.monitor!r}, which is no metric of Keras: mode has to say if it "
                "is to rise ('max') or to fall ('min')."
            ) from None
        if value == self.target or self.monitor_op(value, self.target):  # NaN is neither
            self.model.stop_training = True


class BackToTheBest(keras.callbacks.Callback):
    """Saves the weights of the best epoch; after a worse one loads them and lowers the rate.

    With the weights of a compiled model Keras saves what its optimizer remembers, so that comes
    back too; and the learning rate, which is why it is set again.

    Attributes:
        loaded: after which epochs weights were loaded, counted from 0.

    Raises (during `fit`):
        ValueError: the path has another ending, the learning rate is that of a schedule, or an
            epoch has no validation loss.
    """

    def __init__(self, path: str | Path, factor: float = 0.1):
        """`path` ends in ".weights.h5"; the learning rate is multiplied by `factor`, 0 to 1."""
        checks.between(0, 1, factor=factor)
        super().__init__()
        self.path = Path(path)
        self.factor = factor
        self.best = np.inf
        self.saved = False
        self.loaded: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        if not isinstance(self.model.optimizer.learning_rate, keras.Variable):
            raise ValueError("The learning rate is that of a schedule, which nothing else can set.")
        self.best, self.loaded, self.saved = np.inf, [], self.model.built
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.saved:  # to have some, should the first epoch end in NaN
            self.model.optimizer.build(self.model.trainable_variables)  # or it would have no memory
            self.model.save_weights(self.path)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
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
    `trainable` takes effect only when the function is made again. What does act at once is the
    value of a variable, such as a weight or the learning rate.

    Raises (during `fit`):
        ValueError: the layer is not one of the model.
    """

    def __init__(self, layer: keras.layers.Layer, at: int, *, retrace: bool = True):
        """Without `retrace` the attribute is set and nothing else: the layer goes on learning."""
        checks.whole(0, at=at)
        super().__init__()
        self.layer = layer
        self.at = at
        self.retrace = retrace

    def on_train_begin(self, logs: Logs = None) -> None:
        if not any(layer is self.layer for layer in self.model._flatten_layers()):
            raise ValueError(f"'{self.layer.name}' is not a layer of '{self.model.name}'.")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if epoch >= self.at and self.layer.trainable:
            self.layer.trainable = False
            if self.retrace:
                self.model.make_train_function(force=True)


class ProgressBar(keras.callbacks.Callback):
    """A progress bar in ASCII: a line for each epoch, which grows where the console can redraw it.

    It shows the training loss (without a loss, the first number that is logged) after every batch:
    the mean over the epoch so far, of batches that met different weights, and not what `evaluate`
    gives at the end of the epoch. Data of unknown size have no bar before the first epoch is over,
    but a count of batches.
    """

    def __init__(self, console: Console | None = None):
        super().__init__()
        self.console = console or Console(highlight=False)
        self.epoch = self.done = 0
        self.steps: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.epoch, self.done = epoch + 1, 0
        self.steps = self.params["steps"] or self.steps

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.done = batch + 1
        if self.console.is_terminal:
            self.show(logs, "\r")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.steps = self.done
        self.show(logs, "\n")

    def show(self, logs: Logs, end: str) -> None:
        """Print the line of the epoch."""
        bar = f"batch {self.done}"
        if self.steps:
            bar = f"{'#' * min(20, 20 * self.done // self.steps):.<20}"
        name = "loss" if "loss" in logs else next(iter(logs), "")
        shown = f"  {name} {logs[name]:8.4f}" if name else ""
        self.console.print(Text(f"  epoch {self.epoch:3d}  [{bar}]{shown}", no_wrap=True), end=end)
