"""Many small models trained as one: what a search tries, all of it at once.

A model has an axis for its candidates. They share no weight, so each is trained as it would be
alone, by one trace and one pass over the data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from ch07 import checks
from ch07.lab import Run
from ch07.synthetic import Task


def build(
    widths: Sequence[int],
    scales: float | Sequence[float] = 1.0,
    features: int = 20,
    classes: int = 2,
) -> keras.Model:
    """One hidden layer and a softmax, a candidate for each of `widths`.

    Args:
        widths: how many units the hidden layer of each candidate has.
        scales: what its output is multiplied with, for each candidate or for all.
        features, classes: of the points.

    Returns:
        A model from features, (batch, features), to class, (batch, candidates, classes),
        probabilities.
    """
    checks.enough("The number of candidates", len(widths), 1, "searches")
    for width in widths:
        checks.whole(widths=width)
    checks.whole(features=features)
    checks.whole(2, classes=classes)
    if np.ndim(scales):
        checks.shaped(f"{len(widths)}", scales=scales)
    count, units = len(widths), max(widths)
    # 1 / sqrt(width) for the units that a candidate has, 0 for those that it has not.
    kept = (np.arange(units) < np.reshape(widths, (-1, 1))) / np.sqrt(np.reshape(widths, (-1, 1)))
    kept = kept * np.reshape(scales, (-1, 1))
    first, second = (keras.initializers.RandomNormal(stddev=s) for s in ((2 / features) ** 0.5, 1))
    point = keras.Input((features,), name="features")
    x = layers.EinsumDense(
        "bf,fcu->bcu", (count, units), bias_axes="cu", activation="relu",
        kernel_initializer=first, name="hidden",
    )(point)  # (batch, candidates, units)  # fmt: skip
    x = layers.Rescaling(kept.astype("float32"), name="width")(x)
    told = layers.EinsumDense(
        "bcu,cuk->bck", (count, classes), bias_axes="ck", activation="softmax",
        kernel_initializer=second, name="class",
    )(x)  # fmt: skip
    return keras.Model(point, told, name="candidates")


def train(
    run: Run, model: keras.Model, task: Task, rates: np.ndarray, epochs: int, batch_size: int
) -> np.ndarray:
    """Train the candidates of a `model` of `build`, each with a learning rate of its own.

    Args:
        run: shows the progress.
        model: what is trained.
        task: its targets are one-hot, (n, classes).
        rates: of plain gradient descent, (candidates,).
        epochs, batch_size: as `fit` takes them.

    Returns:
        Whether each is right about each test sample: (test samples, candidates).
    """

    checks.shaped(f"{model.output_shape[1]}", rates=rates)

    def for_each(array):  # (n, classes) to (n, candidates, classes)
        return np.repeat(array[:, None], len(rates), axis=1)

    told = run.train(
        {"candidates": model},
        dataclasses.replace(task, train_targets=for_each(task.train_targets)),
        "categorical_crossentropy",
        # The loss is the mean over the candidates. With plain SGD the weight of a candidate's loss
        # is then its learning rate.
        keras.optimizers.SGD(float(len(rates))),
        sample_weight={"class": np.tile(np.float32(rates), (len(task.train_targets), 1))},
        epochs=epochs,
        batch_size=batch_size,
        label=f"{len(rates)} candidates",
    )["candidates"]
    return told.argmax(axis=2) == for_each(task.test_targets).argmax(axis=2)
