"""What the book's models are compared with: made from them by a change, and trained alike.

The book's own model of a lesson is compiled and fitted in its cell. What it is compared with is
trained here: as that was, on the same batches, and in the time of one `fit`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from ch07 import checks, draw, metrics
from ch07.data import Task
from ch07.lab.progress import TOGETHER

Arrays = np.ndarray | Mapping[str, np.ndarray]


def one_branch(model: keras.Model, at: int) -> keras.Model:
    """A model like `model`, with new weights, that keeps one of the branches that `model` merges.

    Args:
        model: a functional model.
        at: what `add` and `concatenate` give instead of their result: the first (0), the second
            (1) and so on of the tensors that they merge. Of [y, x], 0 is y without the shortcut.

    Returns:
        The model, with those of the inputs that it still depends on.
    """

    def call(layer, *arguments, **options):
        merges = isinstance(layer, (keras.layers.Add, keras.layers.Concatenate))
        return arguments[0][at] if merges else layer(*arguments, **options)

    cut = keras.models.clone_model(model, call_function=call)
    read = {edge.source for edge in draw.graph_of(cut).edges}
    inputs = [tensor for tensor in cut.inputs if tensor.name in read]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], cut.output, name=model.name)


def without_sharing(model: keras.Model) -> keras.Model:
    """A model like `model`, with new weights: a layer that it calls again is another one there.

    Args:
        model: a functional model that calls layers twice. The others are called "second_<name>".
    """
    called = set()

    def call(layer, *arguments, **options):
        if layer.name in called and layer.weights:
            config = layer.get_config() | {"name": f"second_{layer.name}"}
            layer = layer.__class__.from_config(config)
        called.add(layer.name)
        return layer(*arguments, **options)

    return keras.models.clone_model(model, call_function=call)


def together(models: Mapping[str, keras.Model]) -> keras.Model:
    """One functional model that trains the models of a comparison together.

    The models share no weight, so the gradient of the sum of their losses trains each of them as it
    would be trained alone, to within rounding (a test says so). What is saved is the fixed cost of
    a `fit`: one trace and one pass over the data for all of them, on the same batches.

    Args:
        models: by name. Inputs of the same name are one input and must agree in shape.

    Returns:
        A model that takes a dict of arrays by input name and gives a dict of outputs by
        `joint_outputs`.

    Raises:
        ValueError: two models share a weight, or give an input of the same name different shapes,
            or two outputs would have the same name, as those of models "a" and "a_b" can.
    """
    weights = [id(weight) for model in models.values() for weight in model.weights]
    if len(set(weights)) < len(weights):
        raise ValueError("Models that share a weight would train it together.")
    inputs: dict[str, keras.KerasTensor] = {}
    outputs = []
    for at, (name, model) in enumerate(models.items()):
        for tensor in model.inputs:
            known = inputs.setdefault(
                tensor.name, keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
            )
            if known.shape != tensor.shape:
                raise ValueError(
                    f"Input '{tensor.name}' is {tensor.shape} in the model '{name}' "
                    f"and {known.shape} in another."
                )
        # Sub-models of one model need names of their own, different from those of the inputs too.
        named = keras.Model(model.inputs, model.outputs, name=f"model_{at}")
        outputs += keras.tree.flatten(named([inputs[tensor.name] for tensor in model.inputs]))
    names = joint_outputs(models)
    if len(names) < len(outputs):
        raise ValueError(f"Two outputs of the models {[*models]} would have the same name.")
    return keras.Model(inputs, dict(zip(names, outputs, strict=True)), name=TOGETHER)


def joint_outputs(models: Mapping[str, keras.Model]) -> dict[str, tuple[str, str]]:
    """For each output of `together(models)`, its model and the name that the model gives it.

    A model with one output gives its own name to it, one with several `<model>_<output>`; what is
    no letter, digit or underscore becomes an underscore.
    """
    found = {}
    for name, model in models.items():
        for output in model.output_names:
            joint = name if len(model.outputs) == 1 else f"{name}_{output}"
            found[re.sub(r"\W+", "_", joint)] = name, output
    return found


def fit(
    models: Mapping[str, keras.Model],
    task: Task,
    *,
    like: keras.Model,
    epochs: int | None = None,
    batch_size: int | None = None,
    sample_weight: Mapping[str, np.ndarray] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train `models` together as `like` was compiled and trained, each from its own weights.

    Args:
        models: by name. Each takes the inputs of `task` that it names.
        task: what they learn.
        like: a compiled model, such as the book's, that has every output that they have. Its
            optimizer is taken as it was before the training: the same class and learning rate.
        epochs: as many as the last `fit` of `like` was to have, unless it is given.
        batch_size: so many samples that an epoch has as many steps as there, unless it is given.
        sample_weight: of each sample, by output.
        callbacks: as `keras.Model.fit` takes them.

    Returns:
        The test score of each, by name: what the first metric of `like` says, or its loss where it
        has none. A model with several outputs has a dict of them by output.

    Raises:
        ValueError: a size is not a whole number from 1, or `like` is not compiled, or it was never
            trained and a size is not given.
    """
    samples = len(first(task.train))
    if epochs is None or batch_size is None:
        trained = getattr(like, "history", None)
        if trained is None:
            raise ValueError(f"'{like.name}' was not trained: epochs and batch_size are needed.")
        epochs = epochs or trained.params["epochs"]
        batch_size = batch_size or math.ceil(samples / trained.params["steps"])
    checks.whole(epochs=epochs, batch_size=batch_size)
    config = compile_config(like)
    # A Sequential model has no names for its outputs.
    models = {name: keras.Model(model.inputs, model.outputs) for name, model in models.items()}
    joint, names = together(models), joint_outputs(models)

    def by_output(given: Any) -> dict[str, Any]:
        if isinstance(given, list):
            given = dict(zip(like.output_names, given, strict=True))
        if not isinstance(given, Mapping):
            return dict.fromkeys(names, given)
        return {name: given[output] for name, (_, output) in names.items() if output in given}

    weights = config["loss_weights"]
    joint.compile(
        config["optimizer"],
        by_output(config["loss"]),
        by_output(weights) if weights else None,
        # A whole epoch for each call of TensorFlow: small models lose their time between calls.
        steps_per_execution=math.ceil(samples / batch_size),
    )
    targets = by_output(task.train_targets)
    build_variables(joint, targets)
    joint.fit(
        by_input(joint, task.train),
        targets,
        epochs=epochs,
        batch_size=batch_size,
        sample_weight=by_output(sample_weight) if sample_weight else None,
        verbose=0,
        callbacks=list(callbacks),
    )
    predictions = joint(by_input(joint, task.test), training=False)
    found: dict[str, Any] = {}
    tested = by_output(task.test_targets)
    measures = by_output(config["measure"])
    for name, (model, output) in names.items():
        score = metrics.score(measures[name], predictions[name].numpy(), tested[name])
        if len(models[model].outputs) == 1:
            found[model] = score
        else:
            found.setdefault(model, {})[output] = score
    return found


def compile_config(model: keras.Model) -> dict[str, Any]:
    """How `model` was compiled: a new "optimizer", "loss", "loss_weights", and its "measure".

    The measure is the first metric, for each output by name where they differ, or else the loss.

    Raises:
        ValueError: it is not compiled.
    """
    if not model.compiled:
        raise ValueError(f"The model '{model.name}' is not compiled.")
    config = restored(model.get_compile_config())
    loss = restored(model.loss)  # itself: Keras describes a Huber loss without its delta
    measure = config.get("metrics") or loss
    if isinstance(measure, list) and len(model.outputs) > 1:
        measure = dict(zip(model.output_names, measure, strict=True))
    if isinstance(measure, dict):
        measure = {output: one_of(of) for output, of in measure.items()}
    return {
        "optimizer": config["optimizer"],
        "loss": loss,
        "loss_weights": config.get("loss_weights"),
        "measure": one_of(measure),
    }


def restored(given: Any) -> Any:
    """What a compile config holds, with objects in the place of what describes them."""
    if isinstance(given, Mapping):
        if "class_name" in given:
            return keras.saving.deserialize_keras_object(given)
        return {name: restored(of) for name, of in given.items()}
    return [restored(of) for of in given] if isinstance(given, (list, tuple)) else given


def one_of(given: Any) -> Any:
    """The first of a list, or what is no list."""
    return given[0] if isinstance(given, list) else given


def first(arrays: Arrays) -> np.ndarray:
    """The array, or the first of several by name."""
    return next(iter(arrays.values())) if isinstance(arrays, Mapping) else arrays


def by_input(model: keras.Model, arrays: Arrays) -> dict[str, np.ndarray]:
    """What `together` takes: `arrays` by the names of the inputs of `model`."""
    if isinstance(arrays, Mapping):
        return {tensor.name: arrays[tensor.name] for tensor in model.inputs}
    return {tensor.name: arrays for tensor in model.inputs}


def build_variables(model: keras.Model, targets: Any) -> None:
    """Create the variables of the optimizer and of the loss of a compiled `model` now.

    Created in the first step, they would make TensorFlow trace that step twice. `targets` as `fit`
    takes them.
    """
    model.optimizer.build(model.trainable_variables)
    some = keras.tree.map_structure(lambda t: keras.ops.convert_to_tensor(t[:1]), targets)
    model.compute_loss(y=some, y_pred=some)
    model.reset_metrics()


def restore_initial_state(model: keras.Model, seed: int) -> Callable[[], None]:
    """A function that puts a compiled model back to where it is now, and seeds the shuffling.

    Trainings that differ in their callbacks alone then begin alike, with the same weights,
    optimizer and batches, and TensorFlow traces the model once for all of them. It is called here
    too, so the first training begins like the others.
    """
    model.optimizer.build(model.trainable_variables)
    start = model.get_state_tree(value_format="numpy_array")

    def restore() -> None:
        model.set_state_tree(start)
        keras.utils.set_random_seed(seed)

    restore()
    return restore
