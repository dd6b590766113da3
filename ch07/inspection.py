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
from ch07.data.text import Sentences


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
        first, later, output = stages(inputs)
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(targets, output))
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
        output = model(sequences)
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, output))
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


def accuracy_by_question(models: Mapping[str, keras.Model], task: Task) -> dict[str, list[float]]:
    """The test accuracy of each of `models`, by name, for each of several yes-or-no questions.

    Args:
        models: trained, with a sigmoid for each question.
        task: its targets are (samples, questions), 0 or 1.
    """
    return {
        name: metrics.accuracies(model.predict(task.test, verbose=0), task.test_targets)
        for name, model in models.items()
    }


def score_all_pairs(siamese: keras.Model, sentences: np.ndarray) -> np.ndarray:
    """The score of each pair of sentences, in the order of `np.triu_indices`.

    Each sentence is encoded once, and only the small head sees pairs: a shared LSTM makes that
    possible, and with a symmetric head one score for each pair is enough.

    Args:
        siamese: a model of two inputs, in which the layer "difference" takes both encodings.
        sentences: (count, words, features).
    """
    encodings = siamese.get_layer("difference").input  # of the left and of the right sentence
    encoded = keras.Model(siamese.inputs[0], encodings[0])(sentences).numpy()
    first, second = np.triu_indices(len(sentences), k=1)
    head = keras.Model(encodings, siamese.output)
    return head([encoded[first], encoded[second]]).numpy()[:, 0]


def find_duplicates(siamese: keras.Model, sentences: Sentences) -> dict[str, Any]:
    """Search the queries of `sentences` for pairs that ask the same (section 7.1.5).

    Returns:
        By name: "scores" of all pairs and whether each is a "duplicate", (pairs,); the "threshold",
        the best for the list to practise on, from which on a pair counts as found; the "precision"
        of what is found, its "recall", and the "share" of duplicates among all pairs.
    """
    practice, queries = sentences.practice, sentences.queries
    scores = score_all_pairs(siamese, practice.sentences)
    threshold = metrics.best_threshold(scores, practice.duplicate)
    scores, duplicate = score_all_pairs(siamese, queries.sentences), queries.duplicate
    precision, recall = metrics.precision_and_recall(scores >= threshold, duplicate)
    return {
        "scores": scores,
        "duplicate": duplicate,
        "threshold": threshold,
        "precision": precision,
        "recall": recall,
        "share": float(duplicate.mean()),
    }


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
        *given, output = stages(inputs, training=True)
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, output))
    norms = np.array([float(tf.norm(part)) for part in tape.gradient(loss, given)])
    return norms / norms[-1]


# 7.3 What a model costs, what it does to a signal, how models err, what a search promises


def multiply_adds(model: keras.Model) -> int:
    """The multiplications, each with its addition, of a model for one sample, in all of its calls.

    Every weight of a kernel is used once at every position of the output; of a depthwise kernel
    too, whose positions are those of the output as well, since strides act there. Biases,
    activations and pools are not counted.

    Raises:
        ValueError: the model has weights in a layer other than Dense, Conv2D or SeparableConv2D,
            positions that depend on the data, or shapes that nothing but data would tell.
    """
    total = 0
    for call in calls.trace(model)[1]:
        layer = call.layer
        if isinstance(layer, keras.layers.SeparableConv2D):
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            kernels = (layer.kernel,)
        elif layer.weights and not isinstance(layer, keras.Model):  # whose layers are calls too
            raise ValueError(f"The multiply-adds of a {type(layer).__name__} are not known here.")
        else:
            continue
        shape = call.outputs[0].shape[1:-1]
        if None in shape or getattr(layer, "data_format", "") == "channels_first":
            raise ValueError(f"The positions in the output of '{call.name}' cannot be counted.")
        positions = int(np.prod(shape))  # 1 for a Dense layer on vectors
        total += positions * sum(int(np.prod(kernel.shape)) for kernel in kernels)
    return total


def median_seconds(
    models: Sequence[keras.Model], inputs: np.ndarray, repetitions: int = 9
) -> list[float]:
    """The median time of a forward pass of each of `models`.

    They take turns, so what else the machine does meets all of them. The first turn, which traces,
    is not timed.
    """
    passes, seconds = [tf.function(model) for model in models], []
    for _ in range(repetitions + 1):
        seconds.append([])
        for one in passes:
            started = time.perf_counter()
            one(inputs).numpy()
            seconds[-1].append(time.perf_counter() - started)
    return np.median(seconds[1:], axis=0).tolist()


def signal_sizes(model: keras.Model, prefix: str, inputs: np.ndarray) -> np.ndarray:
    """The root mean square of what each layer called `prefix`... gives, over that of `inputs`."""
    watched = [layer.output for layer in model.layers if layer.name.startswith(prefix)]
    signals = keras.Model(model.input, watched)(inputs)
    return np.array([np.sqrt(np.mean(np.square(one))) for one in signals]) / np.sqrt(
        np.mean(np.square(inputs))
    )


def best_so_far(
    right: np.ndarray, size: int, repeats: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What a search reports after each trial, and what that is worth, in the mean of many searches.

    Args:
        right: whether a candidate is right about a held-out sample, (samples, candidates).
        size: samples in the validation set of a search; all the others are its test set.
        repeats: how many searches, each with a validation set and an order of trials of its own.
        rng: draws them.

    Returns:
        The best validation accuracy of the first n trials, and the test accuracy of that candidate
        (the first, where several are equal), for n from 1: (candidates,) each.
    """
    samples, trials = right.shape
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


def learned_weights(predicted: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """Weights for an average of models, learned for its accuracy, which has no gradient.

    By random search. The best of many weights owes its place to luck with the samples, as the
    winner of any search does; the mean of the best few lies where the accuracy is high.

    Args:
        predicted: what each model says of validation samples, (samples, models) probabilities.
        targets: (samples, 1), 0 or 1.
        seed: of the search.

    Returns:
        Weights that sum to 1, (models,).
    """
    drawn = np.random.default_rng(seed).dirichlet(np.ones(predicted.shape[1]), 2000)
    accuracy = np.mean((predicted @ drawn.T > 0.5) == (targets > 0.5), axis=0)
    return drawn[np.argsort(-accuracy, kind="stable")[:20]].mean(axis=0)


def error_correlations(predicted: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How the errors of each two models correlate, (models, models); arguments as above.

    1: both are wrong about the same samples. 0: whether one is wrong says nothing of the other.
    """
    return np.corrcoef((predicted > 0.5) != (targets > 0.5), rowvar=False)


def diversity(
    predicted: np.ndarray, targets: np.ndarray, members: Sequence[int]
) -> tuple[float, float]:
    """How the errors of some models correlate, and what their average gains on them in the mean.

    Args:
        predicted, targets: as `learned_weights` takes them.
        members: which of the models.

    Returns:
        The mean correlation over their pairs, and the gain in accuracy.
    """
    some = predicted[:, members]
    correlations = error_correlations(some, targets)[np.triu_indices(len(members), k=1)]
    alone = np.mean((some > 0.5) == (targets > 0.5))
    together = np.mean((some.mean(axis=1, keepdims=True) > 0.5) == (targets > 0.5))
    return float(correlations.mean()), float(together - alone)
