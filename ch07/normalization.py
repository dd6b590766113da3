"""Batch normalization by hand, in NumPy: what its averages should be, and what it should give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from ch07 import checks, scores


@dataclass(frozen=True)
class ByHand:
    """A BatchNormalization beside the same by hand; differences as `difference` has them.

    Attributes:
        by_layer, by_hand: the moving averages after each step, (steps, 2, units).
        apart: by how much the two differ.
        plain: by how much the averages of the layer differ, in the end, from the plain mean of
            mean and variance over all batches.
        at_inference, in_training: by how much what the layer gives differs from the formula with
            its moving averages.
    """

    by_layer: np.ndarray
    by_hand: np.ndarray
    apart: float
    plain: float
    at_inference: float
    in_training: float


class Observer(keras.callbacks.Callback):
    """Keeps what the first normalization of each model is given, and how well the models do.

    For a training on batches in the order of the data (`shuffle=False`).

    Attributes:
        statistics: by model, mean and variance of each batch before the step that trained on it:
            (steps, 2, units).
        trained: by model, the accuracy on the data after each epoch, with statistics of the data
            themselves, as in training.
        evaluated: by model, the same with the moving averages, as `evaluate` has it.
    """

    def __init__(
        self,
        models: Mapping[str, keras.Model],
        layer: str,
        points: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
    ):
        """Observe.

        Args:
            models: what is trained, by name.
            layer: the BatchNormalization of each model to look at, behind the name of the model.
            points, targets: the data.
            batch_size: as in `fit`.
        """
        super().__init__()
        self.models = models
        self.layers = {name: model.get_layer(f"{name}_{layer}") for name, model in models.items()}
        self.before = {
            name: keras.Model(model.input, self.layers[name].input)
            for name, model in models.items()
        }
        self.points, self.targets, self.batch_size = points, targets, batch_size
        self.statistics = {name: [] for name in models}
        self.averages = {name: [] for name in models}
        self.trained = {name: [] for name in models}
        self.evaluated = {name: [] for name in models}

    def on_train_batch_begin(self, batch, logs=None):
        rows = self.points[batch * self.batch_size : (batch + 1) * self.batch_size]
        for name, before in self.before.items():
            given = before(rows).numpy().astype("float64")
            self.statistics[name].append([given.mean(axis=0), given.var(axis=0)])

    def on_train_batch_end(self, batch, logs=None):
        for name, layer in self.layers.items():
            self.averages[name].append([layer.moving_mean.numpy(), layer.moving_variance.numpy()])

    def on_epoch_end(self, epoch, logs=None):
        for name, model in self.models.items():
            kept = [weight.numpy() for weight in model.non_trainable_variables]
            for told, mode in ((self.evaluated, False), (self.trained, True)):
                outputs = model(self.points, training=mode).numpy()
                told[name].append(scores.accuracy(outputs, self.targets))
            # Called as in training, the model has moved its averages.
            for weight, value in zip(model.non_trainable_variables, kept, strict=True):
                weight.assign(value)

    def by_hand(self, name: str, momentum: float) -> ByHand:
        """The layer of the model `name` after the training beside what it should be.

        `momentum` is that of the layer. What it gives is looked at on the first batch.
        """
        layer, batches = self.layers[name], np.array(self.statistics[name])
        by_layer, expected = np.array(self.averages[name]), moving_averages(batches, momentum)
        given = self.before[name](self.points[: self.batch_size]).numpy()
        formula = normalized(given, layer)
        at_inference, in_training = (
            difference(layer(given, training=mode).numpy(), formula) for mode in (False, True)
        )
        return ByHand(
            by_layer,
            expected,
            difference(by_layer, expected),
            difference(by_layer[-1], batches.mean(axis=0)),
            at_inference,
            in_training,
        )


def moving_averages(statistics: np.ndarray, momentum: float) -> np.ndarray:
    """The exponential moving averages of mean and variance after each batch: (steps, 2, units).

    They start at mean 0 and variance 1; a batch leaves the share `momentum` of them as it was
    (Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167; Keras's documentation).

    Args:
        statistics: mean and variance of each batch, (steps, 2, units).
        momentum: between 0 and 1.
    """
    checks.shaped("steps, 2, units", statistics=statistics)
    checks.between(0, 1, momentum=momentum)
    average = np.stack([np.zeros_like(statistics[0][0]), np.ones_like(statistics[0][1])])
    over_time = []
    for batch in statistics:
        average = momentum * average + (1 - momentum) * batch
        over_time.append(average)
    return np.array(over_time)


def normalized(given: np.ndarray, layer: keras.layers.BatchNormalization) -> np.ndarray:
    """What `layer` should give at inference for `given`, (batch, units), by its averages."""
    if not layer.built:
        raise ValueError(f"The layer '{layer.name}' has no averages yet: build it first.")
    checks.shaped(f"batch, {layer.moving_mean.shape[0]}", given=given)
    mean, variance, scale, shift = (
        weight.numpy().astype("float64")
        for weight in (layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta)
    )
    return scale * (given - mean) / np.sqrt(variance + layer.epsilon) + shift


def difference(measured: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest number in `expected`, not all zeros."""
    if np.shape(measured) != np.shape(expected) or not np.any(expected):
        raise ValueError(
            f"A difference of {np.shape(measured)} from {np.shape(expected)} has no largest share: "
            "the shapes have to agree, and a number other than 0 has to be expected."
        )
    checks.finite(measured=measured, expected=expected)
    return float(np.abs(measured - expected).max() / np.abs(expected).max())


def moved_by_neighbours(
    model: keras.Model, points: np.ndarray, batch_size: int, training: bool
) -> float:
    """By how much what a point is turned into changes with the other points of its batch.

    Args:
        model: ends in what is looked at. With `training` its moving averages are changed a little.
        points: (n, features), two batches at least. The first is given in the company of those that
            follow it, and of those of the second batch.
        batch_size: of how many points a batch consists.
        training: call the model as in training, or as at inference.
    """
    checks.whole(2, batch_size=batch_size)  # a neighbour
    checks.enough("The number of points", len(points), 2 * batch_size, "two batches")
    one, other = points[:batch_size], points[batch_size : 2 * batch_size].copy()
    other[0] = one[0]
    told = [model(batch, training=training).numpy()[0] for batch in (one, other)]
    return float(np.abs(told[0] - told[1]).max())
