"""A line of progress for each training."""

from __future__ import annotations

import time
from collections.abc import Mapping

import keras
from rich.text import Text

from ch07.lab.console import Terminal
from ch07.lab.language import tr

TOGETHER = "comparison"  # the name of a model that is several, whose losses are summed


class Progress(keras.callbacks.Callback):
    """One line for a training: what is trained, the epoch, the loss, the seconds.

    In a terminal the line lives; elsewhere (a pipe, PyCharm's Run window) a line is printed when
    the training begins and one when it ends. Models that are trained together show no loss.
    """

    def __init__(self, label: str, console: Terminal):
        super().__init__()
        self.label = label
        self.console = console
        self.epoch = 0
        self.logs: Mapping[str, float] = {}
        self.is_over = True

    def on_train_begin(self, logs=None):
        if self.model.built:
            # Made in the first step, its variables would have TensorFlow trace that step twice.
            self.model.optimizer.build(self.model.trainable_variables)
        self.started, self.is_over = time.perf_counter(), False
        if not self.console.is_terminal:
            self.console.print(Text(f"  ..  {tr(self.label)} ..."))
        self.console.update(self, self.line())

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.logs = epoch + 1, logs or {}
        self.console.update(self, self.line())

    def on_train_end(self, logs=None):
        self.close()

    def line(self) -> Text:
        """The line as it is now."""
        epochs = f"{tr('epoch')} {self.epoch:3d}/{self.params['epochs']:<3d}"
        shown = "loss" in self.logs and self.model.name != TOGETHER
        loss = f"{tr('loss')} {self.logs['loss']:8.4f}" if shown else " " * 13
        seconds = f"{time.perf_counter() - self.started:5.1f} s"
        line = Text(f"  ..  {epochs}  {loss}  {seconds}  {tr(self.label)}", no_wrap=True)
        line.truncate(self.console.width, overflow="ellipsis")
        return line

    def close(self) -> None:
        """Leave the line as it stands, also after an interruption."""
        if not self.is_over:
            self.is_over = True
            self.console.release(self, self.line())
