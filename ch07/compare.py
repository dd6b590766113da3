"""What the book's models are compared with: made from them by a change, and trained alike.

The book's own model of a lesson is compiled and fitted in its cell. What it is compared with is
trained here: as that was, on the same batches, and in the time of one `fit`.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from ch07 import draw, metrics
from ch07.data import Task
from ch07.lab.progress import TOGETHER


def one_branch(model: keras.Model, at: int) -> keras.Model:
    """A functional model like `model`, with new weights and one of the branches that it merges.

    `add` and `concatenate` give, instead of their result, the first (`at` = 0), the second (1) and
    so on of the tensors that they merge: of [y, x], 0 is y without the shortcut. The model has
    those of the inputs that it still depends on. ValueError if `model` itself merges nothing so.
    """
    kinds = keras.layers.Add, keras.layers.Concatenate
    if not any(isinstance(layer, kinds) for layer in model.layers):
        raise ValueError(f"The model '{model.name}' has no add and no concatenate of its own.")

    def call(layer, *arguments, **options):
        return arguments[0][at] if isinstance(layer, kinds) else layer(*arguments, **options)

    cut = keras.models.clone_model(model, call_function=call)
    read = {edge.source for edge in draw.graph_of(cut).edges}
    inputs = [tensor for tensor in cut.inputs if tensor.name in read]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], cut.output, name=model.name)


def without_sharing(model: keras.Model) -> keras.Model:
    """A functional model like `model`, with new weights: a layer called again is another one.

    The others are called "second_<name>", "call_3_<name>" and so on.
    """
    called = collections.Counter()

    def call(layer, *arguments, **options):
        called[layer.name] += 1
        if (times := called[layer.name]) > 1 and layer.weights:
            name = f"second_{layer.name}" if times == 2 else f"call_{times}_{layer.name}"
            layer = layer.__class__.from_config(layer.get_config() | {"name": name})
        return layer(*arguments, **options)

    return keras.models.clone_model(model, call_function=call)


def together(
    models: Mapping[str, keras.Model],
) -> tuple[keras.Model, dict[str, tuple[str, str]]]:
    """One functional model that trains several, by name; inputs of the same name are one input.

    The models share no weight, or a ValueError is raised, so the gradient of the sum of their
    losses trains each of them as it would be trained alone, to within rounding (a test says so).
    What is saved is the fixed cost of a `fit`: one trace and one pass over the data for all of
    them. Also gives, for each output of the model, the names of its model and of the output there.
    """
    weights = [id(weight) for model in models.values() for weight in model.weights]
    if len(set(weights)) < len(weights):
        raise ValueError("Models that share a weight would train it together.")
    inputs, outputs, names = {}, {}, {}
    for at, (name, model) in enumerate(models.items()):
        for tensor in model.inputs:
            if tensor.name not in inputs:
                options = {"dtype": tensor.dtype, "name": tensor.name}
                inputs[tensor.name] = keras.Input(tensor.shape[1:], **options)
        # Sub-models of one model need names of their own, different from those of the inputs too.
        named = keras.Model(model.inputs, model.outputs, name=f"model_{at}")
        given = keras.tree.flatten(named([inputs[tensor.name] for tensor in model.inputs]))
        for output, tensor in zip(model.output_names, given, strict=True):
            joint = re.sub(r"\W+", "_", name if len(given) == 1 else f"{name}_{output}")
            if joint in outputs:
                raise ValueError(f"Two models cannot be told apart by the name '{joint}'.")
            outputs[joint], names[joint] = tensor, (name, output)
    return keras.Model(inputs, outputs, name=TOGETHER), names


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

    ValueError with `global_clipnorm`, or where one cannot be scored: before the training.

    Args:
        models: by name. Each takes the inputs of `task` that it names.
        like: a model, such as the book's, with every output that they have; at its rate of now.
        epochs, batch_size: as in the last `fit` of `like`, unless they are given. Of its batches
            Keras keeps the number only: give `batch_size`, if the last of them was a smaller one.
        sample_weight: of each sample, by output.

    Returns:
        The test score of each, by name: what the first metric of `like` says, or its loss where it
        has none. A model with several outputs has a dict of them by output.
    """
    if getattr(like.optimizer, "global_clipnorm", None):
        raise ValueError("global_clipnorm would clip the gradients of all models together.")
    samples = len(keras.tree.flatten(task.train)[0])
    epochs = like.history.params["epochs"] if epochs is None else epochs
    batch_size = batch_size or math.ceil(samples / like.history.params["steps"])
    # A Sequential model has no names for its outputs.
    models = {name: keras.Model(model.inputs, model.outputs) for name, model in models.items()}
    joint, names = together(models)

    def by_output(given: Any) -> dict[str, Any]:
        if isinstance(given, list):
            several = len(like.outputs) > 1
            given = dict(zip(like.output_names, given, strict=True)) if several else given[0]
        if not isinstance(given, Mapping) or "class_name" in given:
            return dict.fromkeys(names, given)
        return {name: given[output] for name, (_, output) in names.items() if output in given}

    def by_input(given: Any) -> dict[str, np.ndarray]:
        several = isinstance(given, Mapping)
        return {one.name: given[one.name] if several else given for one in joint.inputs}

    config = like.get_compile_config()
    joint.compile(
        type(like.optimizer).from_config(like.optimizer.get_config()),  # a new one, as it is set
        by_output(like.loss),
        config["loss_weights"] and by_output(config["loss_weights"]),
        # A whole epoch for each call of TensorFlow: small models lose their time between calls.
        steps_per_execution=math.ceil(samples / batch_size),
    )
    targets, tested = by_output(task.train_targets), by_output(task.test_targets)
    measures = {at: keras.losses.get(loss) for at, loss in by_output(like.loss).items()}
    for at, metric in by_output(config["metrics"] or {}).items():
        if metric:
            measures[at] = metric[0] if isinstance(metric, list) else metric
    first = joint(keras.tree.map_structure(lambda of: of[:1], by_input(task.test)), training=False)
    for at, measure in measures.items():  # what cannot be scored is refused now, and not at the end
        metrics.score(measure, first[at].numpy(), tested[at][:1])
    build_variables(joint, targets, first)
    joint.fit(
        by_input(task.train),
        targets,
        epochs=epochs,
        batch_size=batch_size,
        sample_weight=sample_weight and by_output(sample_weight),
        verbose=0,
        callbacks=list(callbacks),
    )
    predictions = joint(by_input(task.test), training=False)
    found: dict[str, Any] = {}
    for at, (name, output) in names.items():
        score = metrics.score(measures[at], predictions[at].numpy(), tested[at])
        if len(models[name].outputs) == 1:
            found[name] = score
        else:
            found.setdefault(name, {})[output] = score
    return found


def build_variables(model: keras.Model, targets: Any, predicted: Any) -> None:
    """Create the variables of optimizer and loss now, for `targets` as `fit` takes them.

    Made in the first step, they would have it traced twice. `predicted`: the answer to one sample.
    """
    model.optimizer.build(model.trainable_variables)
    some = keras.tree.map_structure(lambda t: keras.ops.convert_to_tensor(t[:1]), targets)
    model.compute_loss(y=some, y_pred=predicted)
    model.reset_metrics()
