"""Callbacks that the book describes and does not print: each uses one power that a callback has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from ch07 import checks

Logs = Mapping[str, float] | None


class StopAt(keras.callbacks.Callback):
    """Interrupts a training after the first epoch whose `monitor` reaches `target`."""

    def __init__(self, monitor: str, target: float):
        super().__init__()
        self.monitor = monitor
        self.target = target

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if checks.monitored(logs, self.monitor) >= self.target:
            self.model.stop_training = True


class BackToTheBest(keras.callbacks.Callback):
    """Saves the weights of the best epoch; after a worse one loads them and lowers the rate.

    For optimizers without a memory, such as plain SGD: the weights alone are put back.

    Attributes:
        loaded: after which epochs weights were loaded, counted from 0.
    """

    def __init__(self, path: Path, factor: float = 0.1):
        """`path` ends in ".weights.h5"; the learning rate is multiplied by `factor`, 0 to 1."""
        checks.between(0, 1, factor=factor)
        super().__init__()
        self.path = path
        self.factor = factor
        self.best = np.inf
        self.loaded: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.best, self.loaded = np.inf, []
        self.model.save_weights(self.path)  # to have some, should the first epoch end in NaN

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        loss = checks.monitored(logs, "val_loss")
        if loss < self.best:  # NaN is not
            self.best = loss
            self.model.save_weights(self.path)
        else:
            self.model.load_weights(self.path)
            self.model.optimizer.learning_rate *= self.factor
            self.loaded.append(epoch)


class Freeze(keras.callbacks.Callback):
    """Freezes a layer before the epoch `at`, counted from 0.

    `fit` goes on with the train function that it has traced, which no attribute reaches any more:
    `trainable` takes effect only when the function is made again. What does act at once is the
    value of a variable, such as a weight or the learning rate.
    """

    def __init__(self, layer: keras.layers.Layer, at: int, *, retrace: bool = True):
        """Without `retrace` the attribute is set and nothing else: the layer goes on learning."""
        checks.whole(0, at=at)
        super().__init__()
        self.layer = layer
        self.at = at
        self.retrace = retrace

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if epoch == self.at:
            self.layer.trainable = False
            if self.retrace:
                self.model.make_train_function(force=True)


class ProgressBar(keras.callbacks.Callback):
    """A progress bar in ASCII: a line for each epoch, which grows where the console can redraw it.

    Attributes:
        told: the training loss after every batch. It is the mean over the epoch so far, of batches
            that met different weights: not what `evaluate` gives at the end of the epoch.
    """

    def __init__(self, console: Console):
        super().__init__()
        self.console = console
        self.epoch = 0
        self.told: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.told.append(logs["loss"])
        done, steps = batch + 1, self.params["steps"]
        if done == steps or self.console.is_terminal:
            bar = "#" * (20 * done // steps)
            line = f"  epoch {self.epoch:3d}  [{bar:.<20}]  loss {logs['loss']:8.4f}"
            self.console.print(Text(line, no_wrap=True), end="\n" if done == steps else "\r")
