"""Many small networks trained as one: what a search tries, all of it at once.

So a search has a table to look into, as a tabular benchmark has (Klein and Hutter, 2019,
https://arxiv.org/abs/1905.04970).
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

Samples = tuple[np.ndarray, np.ndarray]  # points, (n, features), and one-hot classes


def build(widths: np.ndarray, scales: np.ndarray, features: int, classes: int) -> keras.Model:
    """A hidden layer and a softmax for each of many candidates, which share no weight.

    From points, (batch, features), to probabilities, (batch, candidates, classes). Of each hidden
    layer `widths` has the number of units, and `scales` what its output is multiplied with.
    """
    count, units = len(widths), int(max(widths))
    # 1 / sqrt(width) for the units that a candidate has, 0 for those that it has not.
    kept = (np.arange(units) < widths[:, None]) * (scales / np.sqrt(widths))[:, None]
    first, second = (keras.initializers.RandomNormal(stddev=s) for s in ((2 / features) ** 0.5, 1))
    point = keras.Input((features,), name="features")
    hidden = dict(bias_axes="cu", activation="relu", kernel_initializer=first, name="hidden")
    x = layers.EinsumDense("bf,fcu->bcu", (count, units), **hidden)(point)
    x = layers.Rescaling(kept.astype("float32"), name="width")(x)  # (batch, candidates, units)
    output = dict(bias_axes="ck", activation="softmax", kernel_initializer=second, name="class")
    kind = layers.EinsumDense("bcu,cuk->bck", (count, classes), **output)(x)
    return keras.Model(point, kind, name="candidates")


def fit(
    rates: np.ndarray, widths: np.ndarray, train: Samples, test: Samples, *, scales=1.0, **options
) -> np.ndarray:
    """Train the candidates of `build`, each by gradient descent with a learning rate of its own.

    Args:
        rates, widths, scales: of each candidate, (candidates,); one scale may be that of all.
        train, test: points and their classes.
        options: epochs, batch_size and so on, as `keras.Model.fit` takes them.

    Returns:
        Whether each is right about each test sample: (test samples, candidates).
    """
    (points, classes), count = train, len(rates)
    model = build(widths, np.broadcast_to(scales, count), points.shape[1], classes.shape[1])
    # The loss is the candidates' mean: under plain SGD the weight of one is its learning rate.
    model.compile(
        keras.optimizers.SGD(float(count)),
        "categorical_crossentropy",
        steps_per_execution=-(-len(points) // options.get("batch_size", 32)),  # an epoch
    )
    targets = np.repeat(classes[:, None], count, axis=1)
    weights = np.tile(np.float32(rates), (len(points), 1))
    model.fit(points, targets, sample_weight=weights, verbose=0, **options)
    points, classes = test
    return model(points).numpy().argmax(axis=2) == classes.argmax(axis=1)[:, None]
