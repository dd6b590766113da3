"""Looking into trained models: what each question, pair or layer gives, which gradient arrives."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ch07 import calls, checks, metrics
from ch07.data import Task


def gradient_over_layers(
    model: keras.Model, names: Sequence[str], inputs: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """The norm of the loss's gradient on what each call gives, over that on the last: (names,).

    On what layers give and not on weights: behind equal layers without bias the gradients of first
    and last kernel have much the same norm, however small they have both become. `model` is a
    classifier of any form, which runs as in training and stays as it is.

    Args:
        names: of the calls, as `calls.Call` has them: those of the layers, if each is called once.

    Raises:
        ValueError: the model makes no such call, or the loss does not pass it: that of a model
            which ends in a sigmoid or softmax is computed from what goes into that.
    """
    with tf.GradientTape() as tape, calls.watching(model) as made:
        output = model(tf.constant(inputs), training=True)
        kind = "binary" if output.shape[-1] == 1 else "categorical"
        loss = tf.reduce_mean(keras.losses.get(f"{kind}_crossentropy")(targets, output))
    given = {call.name: call.outputs[0] for call in made if call.outputs}
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"The model '{model.name}' makes no call {missing}, but {[*given]}.")
    gradients = dict(zip(names, tape.gradient(loss, [given[name] for name in names]), strict=True))
    if passed := [name for name in names if gradients[name] is None]:
        raise ValueError(f"No gradient reaches the call {passed} of the model '{model.name}'.")
    norms = np.array([float(tf.norm(gradients[name])) for name in names])
    return norms / norms[-1]


def gradient_ratio(
    model: keras.Model, names: tuple[str, str], inputs: np.ndarray, targets: np.ndarray
) -> float:
    """How much of the gradient on the second call arrives at the first; in single precision."""
    return float(np.float32(gradient_over_layers(model, names, inputs, targets)[0]))


def gradient_over_time(
    model: keras.Model, sequences: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """The norm of the loss's gradient on each time step over that on the last: (steps,).

    sequences: (samples, steps, features), floats. targets: (samples, classes), one-hot.
    """
    sequences = tf.constant(sequences)
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        output = model(sequences)
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, output))
    norms = np.sqrt((tape.gradient(loss, sequences).numpy() ** 2).sum(axis=(0, 2)))
    return norms / norms[-1]


def open_forget_gate(lstm: keras.layers.LSTM, steps: int) -> None:
    """Start the forget gate so that the carry loses 1 / `steps` in a step, and not Keras's 0.27.

    sigmoid(log(n - 1)) is 1 - 1 / n (Tallec and Ollivier, 2018, https://arxiv.org/abs/1804.11188).
    `lstm` is built and has a bias; ValueError unless there are two `steps`.
    """
    checks.whole(2, steps=steps)
    kernel, recurrent_kernel, bias = lstm.get_weights()
    bias[lstm.units : 2 * lstm.units] = np.log(steps - 1)
    lstm.set_weights([kernel, recurrent_kernel, bias])


def accuracy_by_question(models: Mapping[str, keras.Model], task: Task) -> dict[str, list[float]]:
    """The test accuracy of each of `models`, by name, for each of several yes-or-no questions."""
    right = {
        name: (model.predict(task.test, verbose=0) > 0.5) == (task.test_targets > 0.5)
        for name, model in models.items()
    }
    return {name: of.mean(axis=0).tolist() for name, of in right.items()}


def score_all_pairs(siamese: keras.Model, sentences: np.ndarray) -> np.ndarray:
    """The score of each pair of sentences, in the order of `np.triu_indices`.

    Each sentence, (words, features), is encoded once, and only the small head, which follows the
    layer "difference" of both encodings, sees pairs: a shared LSTM makes that possible.
    """
    encodings = siamese.get_layer("difference").input  # of the left and of the right sentence
    encoded = keras.Model(siamese.inputs[0], encodings[0])(sentences).numpy()
    first, second = np.triu_indices(len(sentences), k=1)
    head = keras.Model(encodings, siamese.output)
    return head([encoded[first], encoded[second]]).numpy()[:, 0]


def find_duplicates(siamese: keras.Model, sentences: Task) -> dict[str, Any]:
    """Search the queries of `sentences` for pairs that ask the same (section 7.1.5).

    By name: "scores" of all pairs and whether each is a "duplicate", (pairs,); the "threshold", the
    best for the list to practise on, from which on a pair counts as found; the "precision" of what
    is found, its "recall", and the "share" of duplicates among all pairs. Where the queries are of
    known kinds, also the mean score of each two kinds: "alike", (kinds, kinds).
    """
    practice, duplicate = sentences.practice, sentences.queries.duplicate
    scores = score_all_pairs(siamese, practice.sentences)
    threshold = metrics.best_threshold(scores, practice.duplicate)
    scores = score_all_pairs(siamese, sentences.queries.sentences)
    precision, recall = metrics.precision_and_recall(scores >= threshold, duplicate)
    found = {"scores": scores, "duplicate": duplicate, "threshold": threshold}
    found |= {"precision": precision, "recall": recall, "share": float(duplicate.mean())}
    if (kinds := sentences.queries.kinds) is not None:
        pairs = [kinds[of] for of in np.triu_indices(len(kinds), k=1)]
        count, total = np.zeros((2, kinds.max() + 1, kinds.max() + 1))
        for one, other in (pairs, pairs[::-1]):
            np.add.at(count, (one, other), 1)
            np.add.at(total, (one, other), scores)
        found["alike"] = total / count
    return found


# 7.3 What a model costs, what it does to a signal, how models err, what a search promises


def multiply_adds(model: keras.Model) -> int:
    """The multiplications, each with its addition, of a model for one sample, in all of its calls.

    Every weight of a kernel is used once at every position of the output; of a depthwise kernel
    too, since strides act there. Biases, activations and pools are not counted. A ValueError is
    raised where a layer other than Dense, Conv2D and SeparableConv2D, channels last, has weights.
    """
    counted = keras.layers.Dense, keras.layers.Conv2D, keras.layers.SeparableConv2D
    total = 0
    for call in calls.trace(model)[1]:
        if not call.layer.weights or isinstance(call.layer, keras.Model):
            continue  # the layers of a model have calls of their own
        first = getattr(call.layer, "data_format", None) == "channels_first"
        if first or not isinstance(call.layer, counted):
            kind = type(call.layer).__name__
            raise ValueError(f"The multiply-adds of a {kind} are not known here.")
        kernels = [np.prod(one.shape) for one in call.layer.weights if len(one.shape) > 1]
        total += int(np.prod(call.outputs[0].shape[1:-1]) * sum(kernels))
    return total


def median_seconds(models: Sequence[keras.Model], inputs: np.ndarray) -> list[float]:
    """The median time of nine forward passes of each of `models`.

    They take turns, so what else the machine does meets all. The first turn, a trace, is not timed.
    """
    passes, seconds = [tf.function(model) for model in models], []
    for _ in range(10):
        seconds.append([])
        for one in passes:
            started = time.perf_counter()
            one(inputs).numpy()
            seconds[-1].append(time.perf_counter() - started)
    return np.median(seconds[1:], axis=0).tolist()


def signal_sizes(model: keras.Model, prefix: str, inputs: np.ndarray) -> np.ndarray:
    """The root mean square of what each call named `prefix`... gives, over that of `inputs`."""
    signals = [
        of for name, of in calls.activations(model, inputs).items() if name.startswith(prefix)
    ]
    sizes = [np.sqrt(np.mean(np.square(one))) for one in (inputs, *signals)]
    return np.array(sizes[1:]) / sizes[0]


def best_so_far(
    right: np.ndarray, size: int, repeats: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What a search reports after each trial, and what that is worth, in the mean of many searches.

    The best validation accuracy of the first n trials, and the test accuracy of that candidate (the
    first, where several are equal), for n from 1: (candidates,) each.

    Args:
        right: whether a candidate is right about a held-out sample, (samples, candidates).
        size: samples in the validation set of a search; all the others are its test set.
        repeats: how many searches, each with a validation set and an order of trials of its own.
    """
    samples, trials = right.shape
    if not 0 < size < samples:
        raise ValueError(f"size is {size}: of {samples} samples some must be left for the test.")
    hits = np.stack(
        [right[rng.choice(samples, size, replace=False)].sum(axis=0) for _ in range(repeats)]
    )
    order = rng.permuted(np.tile(np.arange(trials), (repeats, 1)), axis=1)
    hits, total = np.take_along_axis(hits, order, axis=1), right.sum(axis=0)[order]
    best = np.maximum.accumulate(hits, axis=1)
    improved = np.diff(best, axis=1, prepend=-1) > 0
    chosen = np.maximum.accumulate(improved * np.arange(trials), axis=1)
    tested = np.take_along_axis((total - hits) / (samples - size), chosen, axis=1)
    return best.mean(axis=0) / size, tested.mean(axis=0)


# Of several models of two classes: predicted has a probability of each, (samples, models), and
# targets, (samples, 1), are 0 or 1.


def learned_weights(predicted: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """Weights for an average of models, (models,), learned for its accuracy, without gradient.

    By random search. The best of many weights owes its place to luck with the samples, as the
    winner of any search does; the mean of the best few lies where the accuracy is high.
    """
    metrics.alike(predicted[:, :1], targets)
    drawn = np.random.default_rng(seed).dirichlet(np.ones(predicted.shape[1]), 2000)
    accuracy = np.mean((predicted @ drawn.T > 0.5) == (targets > 0.5), axis=0)
    return drawn[np.argsort(-accuracy, kind="stable")[:20]].mean(axis=0)


def error_correlations(predicted: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How the errors of each two models correlate, (models, models).

    1: both are wrong about the same samples. 0: whether one is wrong says nothing of the other.
    """
    return np.corrcoef((predicted > 0.5) != (targets > 0.5), rowvar=False)


def diversity(
    predicted: np.ndarray, targets: np.ndarray, members: Sequence[int]
) -> tuple[float, float]:
    """The mean correlation of some models' errors, and what their average gains in accuracy."""
    some = predicted[:, members]
    correlations = error_correlations(some, targets)[np.triu_indices(len(members), k=1)]
    alone = np.mean((some > 0.5) == (targets > 0.5))
    together = np.mean((some.mean(axis=1, keepdims=True) > 0.5) == (targets > 0.5))
    return float(correlations.mean()), float(together - alone)
