"""Training several models at once, and showing how far a training is."""

from __future__ import annotations

import time
from collections.abc import Mapping

import keras
from rich.console import Console
from rich.live import Live


def side_by_side(arms: Mapping[str, keras.Model]) -> keras.Model:
    """One functional model that trains the models of a comparison together.

    The arms share no weight, so the gradient of the sum of their losses trains each of them as it
    would be trained alone, to the last bit (a test says so). What is saved is the fixed cost of a
    `fit`: one trace and one pass over the data for all arms, on the same batches.

    Args:
        arms: the models by name. Inputs of the same name are one input and must agree in shape.

    Returns:
        A model that takes a dict of arrays by input name and gives a dict of outputs: `arm` for
        an arm with one output, `arm_output` for each output of an arm with several.

    Raises:
        ValueError: two arms give an input of the same name different shapes.
    """
    inputs: dict[str, keras.KerasTensor] = {}
    outputs = {}
    for arm, model in arms.items():
        for tensor in model.inputs:
            known = inputs.setdefault(
                tensor.name, keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
            )
            if known.shape != tensor.shape:
                raise ValueError(
                    f"Input '{tensor.name}' is {tensor.shape} in arm '{arm}' "
                    f"and {known.shape} in another."
                )
        # Sub-models of one model need names of their own, different from those of the inputs too.
        named = keras.Model(model.inputs, model.outputs, name=f"arm_{arm}")
        results = named([inputs[tensor.name] for tensor in model.inputs])
        if len(results) == 1:
            outputs[arm] = results[0]
        else:
            outputs |= {f"{arm}_{n}": r for n, r in zip(model.output_names, results, strict=True)}
    return keras.Model(inputs, outputs, name="side_by_side")


class Progress(keras.callbacks.Callback):
    """One line for a training: what is trained, the epoch, the loss, the seconds.

    In a terminal the line lives; elsewhere (a pipe, PyCharm's Run window) it is printed once, when
    the training ends.
    """

    def __init__(self, label: str, console: Console):
        super().__init__()
        self.label = label
        self.console = console
        # Redrawn by us once an epoch: no thread, no spinner, nothing that needs more than ASCII.
        self.live = Live(console=console, auto_refresh=False)
        self.started = time.perf_counter()

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()
        self.live.start()
        self.show(0, {})

    def on_epoch_end(self, epoch, logs=None):
        self.show(epoch + 1, logs or {})

    def on_train_end(self, logs=None):
        self.close()

    def show(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Redraw the line after `epoch` epochs."""
        loss = f"loss {logs['loss']:8.4f}" if "loss" in logs else " " * 13
        seconds = time.perf_counter() - self.started
        epochs = f"epoch {epoch:3d}/{self.params['epochs']:<3d}"
        self.live.update(
            f"  trains  {self.label:<62} {epochs} {loss} {seconds:6.1f} s", refresh=True
        )

    def close(self) -> None:
        """Leave the line as it stands and give the terminal back, also after an interruption."""
        self.live.stop()
