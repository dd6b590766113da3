"""Looking into models: outputs and losses as NumPy arrays, and the gradients that arrive where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ch07 import checks


def outputs(model: keras.Model, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a model with named outputs; without the trace that `predict` would cost."""
    told = model(inputs, training=False)
    if not isinstance(told, Mapping):
        raise ValueError(f"The outputs of '{model.name}' have no names.")
    return {name: tensor.numpy() for name, tensor in told.items()}


def losses(
    model: keras.Model, inputs: np.ndarray, targets: Mapping[str, np.ndarray], by_name: Mapping
) -> dict[str, float]:
    """The mean loss of each output of `model`, by its name, as it stands.

    Args:
        model: a functional model.
        inputs: what it takes.
        targets: an array for each output.
        by_name: the loss of each output, as `compile` takes it.

    Raises:
        ValueError: an output has no targets, or there are losses for others than the outputs.
    """
    names = set(model.output_names)
    if set(by_name) != names or not names <= set(targets):
        raise ValueError(f"Every output of {sorted(names)} needs a loss and targets.")
    told = dict(zip(model.output_names, keras.tree.flatten(model(inputs)), strict=True))
    return {
        name: float(np.mean(keras.losses.get(loss)(targets[name], told[name])))
        for name, loss in by_name.items()
    }


def gradient_ratio(
    model: keras.Model, names: tuple[str, str], inputs: np.ndarray, targets: np.ndarray
) -> float:
    """How much of the gradient arrives: its norm on a tensor of `model` over that on a later one.

    The gradient on tensors and not on weights: behind equal layers without bias the gradients of
    first and last kernel have much the same norm, however small they have both become.

    Args:
        model: a classifier of two classes.
        names: the layers whose outputs are the first and the later tensor.
        inputs, targets: what the binary cross-entropy is computed from.
    """
    watched = [model.get_layer(name).output for name in names]
    stages = keras.Model(model.input, [*watched, model.output])
    with tf.GradientTape() as tape:
        first, later, told = stages(inputs)
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(targets, told))
    return float(tf.divide(*map(tf.norm, tape.gradient(loss, [first, later]))))


def gradient_over_time(
    model: keras.Model, sequences: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """The norm of the loss's gradient on each time step over that on the last: (steps,).

    Args:
        model: a classifier of sequences.
        sequences: (samples, steps, features).
        targets: (samples, classes), one-hot.
    """
    checks.shaped("samples, steps, features", sequences=sequences)
    if sequences.dtype.kind != "f":
        raise ValueError(f"sequences are of {sequences.dtype}: only floats have a gradient.")
    sequences = tf.constant(sequences)
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        told = model(sequences)
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, told))
    norms = np.sqrt((tape.gradient(loss, sequences).numpy() ** 2).sum(axis=(0, 2)))
    return norms / norms[-1]


def open_forget_gate(lstm: keras.layers.LSTM, steps: int) -> None:
    """Start the forget gate so that the carry loses 1 / `steps` in a step, and not Keras's 0.27.

    sigmoid(log(n - 1)) is 1 - 1 / n (Tallec and Ollivier, 2018, https://arxiv.org/abs/1804.11188).

    Raises:
        ValueError: `steps` is not a whole number from 2, or `lstm` has no bias, or none yet.
    """
    checks.whole(2, steps=steps)
    if len(lstm.get_weights()) != 3:
        raise ValueError(f"The layer '{lstm.name}' has no bias to set.")
    kernel, recurrent_kernel, bias = lstm.get_weights()
    bias[lstm.units : 2 * lstm.units] = np.log(steps - 1)
    lstm.set_weights([kernel, recurrent_kernel, bias])


def silenced(model: keras.Model, inputs: np.ndarray, pooled: str, part: slice) -> np.ndarray:
    """What `model` says where a part of its features is zero.

    Args:
        model: a model whose last layer reads the features that layer `pooled` gives.
        inputs: what it takes.
        pooled: the name of that layer, (batch, features).
        part: which features to silence.

    Raises:
        ValueError: there is no such layer, or the part goes beyond its features.
    """
    features = keras.Model(model.input, model.get_layer(pooled).output)(inputs).numpy()
    if max(part.start or 0, part.stop or 0) > features.shape[1]:
        raise ValueError(f"{part} goes beyond the {features.shape[1]} features of '{pooled}'.")
    features[:, part] = 0
    return model.layers[-1](features).numpy()


def layer_by_layer(model: keras.Model, sample: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer of a plain stack gives for `sample`, called one after the other, by name."""
    outputs = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):  # a Sequential does not list its own
            continue
        sample = layer(sample)
        outputs[layer.name] = sample.numpy()
    return outputs


def logged_activations(folder: Path) -> dict[str, np.ndarray]:
    """The arrays in activations_at_epoch_0.npz, _1.npz and so on, (epochs, ...) each, by name.

    Raises:
        FileNotFoundError: there is no epoch, or one is missing between others.
        ValueError: an array needs pickle to be read, a file is broken, or has other names.
    """
    epochs = []
    # One at least is looked for, and missed by its name.
    for epoch in range(max(1, len(list(folder.glob("activations_at_epoch_*.npz"))))):
        path = folder / f"activations_at_epoch_{epoch}.npz"
        # Opened here, since np.load leaves a broken file open.
        with path.open("rb") as file:
            try:
                # Pickle can run any code that a file brings along.
                with np.load(file, allow_pickle=False) as arrays:
                    epochs.append(dict(arrays))
            except Exception as error:  # a ZIP can be broken in many ways
                raise ValueError(f"'{path}' cannot be read: {error}") from error
        if epochs[-1].keys() != epochs[0].keys():
            raise ValueError(f"'{path}' has other names than the epoch before it.")
    return {name: np.concatenate([arrays[name] for arrays in epochs]) for name in epochs[0]}


def gradient_over_layers(
    model: keras.Model, names: Sequence[str], inputs: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """The norm of the loss's gradient on what each layer gives, over that on the last: (layers,).

    As in training, with the statistics of the batch: BatchNormalization moves its averages.

    Args:
        model: a classifier.
        names: the layers, in their order.
        inputs, targets: what the categorical cross-entropy is computed from.
    """
    watched = [model.get_layer(name).output for name in names]
    stages = keras.Model(model.input, [*watched, model.output])
    with tf.GradientTape() as tape:
        *given, told = stages(inputs, training=True)
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, told))
    norms = np.array([float(tf.norm(part)) for part in tape.gradient(loss, given)])
    return norms / norms[-1]
