"""Training several models at once, and showing how far a training is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ch07 import checks, scores
from ch07.synthetic import Task


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
        ValueError: two arms share a weight, or give an input of the same name different shapes,
            or two outputs would have the same name, as those of arms "a" and "a_b" can.
    """
    weights = [id(weight) for model in arms.values() for weight in model.weights]
    if len(set(weights)) < len(weights):
        raise ValueError("Arms that share a weight would train it together.")
    inputs: dict[str, keras.KerasTensor] = {}
    outputs = []
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
        outputs += named([inputs[tensor.name] for tensor in model.inputs])
    names = joint_outputs(arms)
    if len(names) < len(outputs):
        raise ValueError(f"Two outputs of the arms {[*arms]} would have the same name.")
    outputs = dict(zip(names, outputs, strict=True))
    return keras.Model(inputs, outputs, name="side_by_side")


def joint_outputs(arms: Mapping[str, keras.Model]) -> dict[str, tuple[str, str]]:
    """For each output of `side_by_side(arms)`, its arm and the name that the arm gives it."""
    return {
        arm if len(model.outputs) == 1 else f"{arm}_{output}": (arm, output)
        for arm, model in arms.items()
        for output in model.output_names
    }


def train(
    arms: Mapping[str, keras.Model],
    task: Task,
    loss: str | Mapping[str, str],
    optimizer: keras.optimizers.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    loss_weights: Mapping[str, Mapping[str, float]] | None = None,
    sample_weight: Mapping[str, np.ndarray] | None = None,
    metrics: Mapping[str, str] | None = None,
) -> keras.Model:
    """Train the models of a comparison side by side.

    Args:
        arms: the models by name.
        task: what they learn. An arm takes the inputs that it names.
        loss: one for all outputs, or by the name that an arm gives its output. As with the targets
            of `task`.
        optimizer: as `compile` takes it.
        epochs, batch_size: as `fit` takes them.
        callbacks: as `fit` takes them.
        loss_weights: by arm, then by output.
        sample_weight: by output, one number for each training sample; 1 where not given.
        metrics: by output; they are computed on the test samples too, after each epoch.

    Returns:
        The joint model. It is made of the arms, which are trained with it, and has the History.

    Raises:
        ValueError: a size is not a whole number from 1; an output has no loss, no targets or no
            weight; or there are sample weights or metrics for something that is no output.
    """
    checks.whole(epochs=epochs, batch_size=batch_size)
    model = side_by_side(arms)
    names = joint_outputs(arms)
    samples = len(next(iter(task.train.values())))

    def by_output(given):
        if not isinstance(given, Mapping):
            return dict.fromkeys(names, given)
        return {name: given[output] for name, (_, output) in names.items() if output in given}

    outputs = {output for _, output in names.values()}
    for what, given in (("loss", loss), ("train_targets", task.train_targets)):
        if isinstance(given, Mapping) and outputs - given.keys():
            raise ValueError(f"{what} has nothing for {sorted(outputs - given.keys())}.")
    for what, given in (("sample_weight", sample_weight), ("metrics", metrics)):
        if given and given.keys() - outputs:
            raise ValueError(
                f"{what} has {sorted(given.keys() - outputs)}: no arm has that output."
            )
    for arm, output in names.values() if loss_weights else ():
        if output not in loss_weights.get(arm, {}):
            raise ValueError(f"loss_weights has none for the output '{output}' of arm '{arm}'.")
    weights = loss_weights and {n: loss_weights[arm][output] for n, (arm, output) in names.items()}
    model.compile(
        optimizer,
        by_output(loss),
        weights,
        metrics=metrics and by_output(metrics),
        # A whole epoch for each call of TensorFlow: small models lose their time between calls.
        steps_per_execution=math.ceil(samples / batch_size),
    )
    settle(model, by_output(task.train_targets))
    if sample_weight:
        ones = np.ones(samples, "float32")
        sample_weight = dict.fromkeys(names, ones) | by_output(sample_weight)
    model.fit(
        task.train,
        by_output(task.train_targets),
        sample_weight=sample_weight,
        validation_data=(task.test, by_output(task.test_targets)) if metrics else None,
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,
        callbacks=list(callbacks),
    )
    return model


def settle(model: keras.Model, targets) -> None:
    """Create the variables of the optimizer and of the loss of a compiled `model` now.

    Created in the first step, they would make TensorFlow trace that step twice. `targets` as `fit`
    takes them.
    """
    model.optimizer.build(model.trainable_variables)
    some = keras.tree.map_structure(lambda t: keras.ops.convert_to_tensor(t[:1]), targets)
    model.compute_loss(y=some, y_pred=some)
    model.reset_metrics()


def feed(task: Task, batch_size: int = 32) -> dict:
    """What `fit` takes of a `task` with one input; it prints nothing.

    The test samples are the validation data: the lessons on callbacks judge no model.
    """
    checks.whole(batch_size=batch_size)
    if len(task.train) != 1:
        raise ValueError(f"The task has the inputs {[*task.train]}: one is needed.")
    (train,), (test,) = task.train.values(), task.test.values()
    return {
        "x": train,
        "y": task.train_targets,
        "validation_data": (test, task.test_targets),
        "batch_size": batch_size,
        "verbose": 0,
    }


def validation_loss(model: keras.Model, data: Mapping) -> float:
    """The validation loss of `model` on `data` of `feed`, computed as `fit` computes it.

    In batches of the same size: in others the sum is rounded otherwise, in the seventh digit.
    """
    points, targets = data["validation_data"]
    told = model.evaluate(
        points, targets, batch_size=data["batch_size"], verbose=0, return_dict=True
    )
    return told["loss"]


def rewinder(model: keras.Model, seed: int) -> Callable[[], None]:
    """A function that puts a compiled model back to where it is now, and seeds the shuffling.

    Trainings that differ in their callbacks alone then begin alike, with the same weights,
    optimizer and batches, and TensorFlow traces the model once for all of them. It is called here
    too, so the first training begins like the others.
    """
    model.optimizer.build(model.trainable_variables)
    start = model.get_state_tree(value_format="numpy_array")

    def rewind() -> None:
        model.set_state_tree(start)
        keras.utils.set_random_seed(seed)

    rewind()
    return rewind


class Accuracy(keras.callbacks.Callback):
    """Adds "val_accuracy" to what is logged of an epoch, for a model with one softmax output.

    What `fit` does with validation data, without tracing a function for it: of a small model in a
    short training that is a fifth of the time. It has to come before the callbacks that look at it.
    """

    def __init__(self, samples: np.ndarray, targets: np.ndarray):
        """`targets` are one-hot: (samples, classes)."""
        super().__init__()
        self.samples = samples
        self.targets = targets

    def on_epoch_end(self, epoch, logs=None):
        told = self.model(self.samples, training=False).numpy()
        logs["val_accuracy"] = scores.accuracy_as_in_keras(told, self.targets)


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
        if self.console.is_terminal:
            self.live.start()
            self.live.update(self.line(0, {}), refresh=True)

    def on_epoch_end(self, epoch, logs=None):
        if self.live.is_started:
            self.live.update(self.line(epoch + 1, logs), refresh=True)

    def on_train_end(self, logs=None):
        if not self.live.is_started:
            epochs = self.model.history.epoch  # a resumed training does not begin at 0
            self.console.print(self.line(epochs[-1] + 1 if epochs else 0, logs), soft_wrap=True)
        self.close()

    def line(self, epoch: int, logs: Mapping[str, float]) -> Text:
        """The line after `epoch` epochs."""
        epochs = f"epoch {epoch:3d}/{self.params['epochs']:<3d}"
        loss = f"loss {logs['loss']:8.4f}" if "loss" in logs else " " * 13
        seconds = f"{time.perf_counter() - self.started:5.1f} s"
        return Text(f"  {epochs}  {loss}  {seconds}  {self.label}", no_wrap=True)

    def close(self) -> None:
        """Leave the line as it stands and give the terminal back, also after an interruption."""
        self.live.stop()
