"""Samples a second of each lesson's main model: as its script trains it, bare, and as in the book.

The main model of a lesson is the first that it trains with `fit`. The lesson is run up to that
call, which is caught with its arguments, so what is measured is what the script does.
"""

from __future__ import annotations

import cProfile
import functools
import inspect
import math
import pstats
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from ch07 import lab

# isort: split
import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from benchmarks.measuring import in_turn

LONG_ENOUGH = 0.2  # seconds of a repetition: shorter ones measure the clock and the scheduler
MOST_EPOCHS = 10  # of a repetition: where an epoch is short, fit takes ten times as long for it
PROFILED_EPOCHS = 20


class CaughtFit(BaseException):
    """The first `fit` of a lesson, instead of being done; no `except Exception` stops it."""

    def __init__(self, model: keras.Model, arguments: dict):
        self.model = model
        self.arguments = arguments


@dataclass(frozen=True)
class Training:
    """What a lesson's main model is trained on, and how.

    Attributes:
        model: compiled as the script compiles it.
        x, y, sample_weight: the training data, as `fit` takes them.
        batch_size: of the script.
        shuffle: whether the samples are shuffled.
    """

    model: keras.Model
    x: object
    y: object
    sample_weight: object
    batch_size: int
    shuffle: bool

    @property
    def samples(self) -> int:
        """How many samples an epoch has."""
        return len(keras.tree.flatten(self.x)[0])

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(self.samples / self.batch_size)

    @property
    def is_as_printed(self) -> bool:
        """Whether the script compiles it as the book does, so that there is nothing to compare."""
        return self.model.steps_per_execution == 1

    def on(self, samples: int) -> Training:
        """The same with so many samples, those there are again and again."""

        def resized(data):
            if data is None:
                return None
            return keras.tree.map_structure(lambda a: np.resize(a, (samples, *a.shape[1:])), data)

        return Training(
            self.model, *map(resized, (self.x, self.y, self.sample_weight)), self.batch_size,
            self.shuffle,
        )  # fmt: skip


def main_training(section: lab.Section, lesson: lab.Lesson) -> Training | None:
    """The first training of `lesson`; None if it trains nothing with `fit`."""
    signature = inspect.signature(keras.Model.fit)

    def caught(model, *args, **kwargs):
        raise CaughtFit(model, signature.bind(model, *args, **kwargs).arguments)

    with tempfile.TemporaryDirectory() as output, mock.patch.object(keras.Model, "fit", caught):
        folder = Path(output)
        run = lab.Run(0, folder, folder, console=Console(quiet=True))
        try:
            section.teach(lesson, run)
        except CaughtFit as found:
            given = found.arguments
            return Training(
                found.model,
                given["x"],
                given["y"],
                given.get("sample_weight"),
                given.get("batch_size") or 32,
                given.get("shuffle", True),
            )
    return None


class EpochTimes(keras.callbacks.Callback):
    """The seconds of each epoch of a `fit`."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def by_fit(model: keras.Model, training: Training) -> Callable[[int], float]:
    """A function from a number of epochs to the seconds that `fit` takes for an epoch of them.

    What comes before the first epoch, such as the tracing, is not counted.
    """

    def seconds(epochs: int) -> float:
        times = EpochTimes()
        model.fit(
            training.x, training.y, sample_weight=training.sample_weight, epochs=epochs,
            batch_size=training.batch_size, shuffle=training.shuffle, verbose=0, callbacks=[times],
        )  # fmt: skip
        return float(np.mean(times.seconds))

    seconds(1)
    return seconds


def copied(training: Training, steps_per_execution: int) -> keras.Model:
    """A copy of the model that takes so many batches for each call of TensorFlow; the book 1."""
    copy = keras.models.clone_model(training.model)
    config = training.model.get_compile_config() | {"steps_per_execution": steps_per_execution}
    copy.compile_from_config(config)
    return copy


def bare(training: Training) -> Callable[[int], float]:
    """As `by_fit`, but a `tf.function` with nothing in it except the steps of an epoch."""
    model = keras.models.clone_model(training.model)
    model.compile_from_config(training.model.get_compile_config())
    model.optimizer.build(model.trainable_variables)
    x, y, weight = (
        None if part is None else keras.tree.map_structure(tf.constant, part)
        for part in (training.x, training.y, training.sample_weight)
    )
    samples, size = training.samples, training.batch_size

    def step(start, order):
        take = functools.partial(tf.gather, indices=order[start : start + size])
        batch, targets, weights = (
            None if part is None else keras.tree.map_structure(take, part)
            for part in (x, y, weight)
        )
        with tf.GradientTape() as tape:
            told = model(batch, training=True)
            loss = model.compute_loss(batch, targets, told, weights, training=True)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        model.optimizer.apply(gradients)
        return start + size, order

    @tf.function(autograph=False)
    def epoch(order):
        tf.while_loop(lambda start, _: start < samples, step, (0, order))

    def seconds(epochs: int) -> float:
        started = time.perf_counter()
        for _ in range(epochs):
            places = tf.range(samples)
            epoch(tf.random.shuffle(places) if training.shuffle else places)
        _ = model.trainable_variables[0].numpy()  # waits for the last step
        return (time.perf_counter() - started) / epochs

    seconds(1)
    return seconds


def compare(training: Training) -> dict[str, list[float]]:
    """The seconds of an epoch, in turn: of the script, bare, and as printed if that differs."""
    ways = {"script": by_fit(training.model, training), "bare": bare(training)}
    if not training.is_as_printed:
        ways["printed"] = by_fit(copied(training, 1), training)
    return epochs_in_turn(ways)


def epochs_in_turn(ways: dict[str, Callable[[int], float]]) -> dict[str, list[float]]:
    """`measuring.in_turn` on as many epochs as it takes for the clock; one way is "bare"."""
    epochs = min(MOST_EPOCHS, max(1, math.ceil(LONG_ENOUGH / ways["bare"](1))))
    return in_turn({name: lambda way=way: way(epochs) for name, way in ways.items()})


def with_one_iterator(training: Training) -> Callable[[int], float]:
    """As `by_fit`, but on a dataset that repeats: Keras keeps its iterator over all epochs.

    So it is what `fit` would be without its fixed cost of an epoch. The first epoch, in which the
    iterator is made, is not counted.
    """
    parts = (training.x, training.y, training.sample_weight)
    data = tf.data.Dataset.from_tensor_slices(tuple(part for part in parts if part is not None))
    data = data.shuffle(training.samples).batch(training.batch_size).repeat()

    def seconds(epochs: int) -> float:
        times = EpochTimes()
        training.model.fit(
            data, epochs=epochs + 1, steps_per_epoch=training.batches, shuffle=False,
            verbose=0, callbacks=[times],
        )  # fmt: skip
        return float(np.mean(times.seconds[1:]))

    seconds(1)
    return seconds


def profile(training: Training) -> dict[str, float]:
    """Where `fit` spends its time: the share of each function and of all that it calls."""
    seconds = by_fit(training.model, training)  # traces, which is not looked at
    profiler, started = cProfile.Profile(), time.perf_counter()
    profiler.runcall(seconds, PROFILED_EPOCHS)
    whole = time.perf_counter() - started  # from Python 3.12 on, the profile may lack the outermost
    stats = pstats.Stats(profiler).stats  # by place: calls, of them primitive, own, cumulative
    shares: dict[str, float] = {}
    for (file, _, function), (_, _, _, seconds, _) in stats.items():
        module = Path(file).as_posix().split("-packages/")[-1]  # site-packages, or dist-packages
        if Path(file).is_absolute() and module == Path(file).as_posix():
            module = Path(file).name  # of the project, or of Python
        place = function if file == "~" else f"{module}: {function}"
        shares[place] = max(shares.get(place, 0), seconds / whole)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def share(profiled: dict[str, float], function: str) -> float:
    """The share of the function of that name in a `profile`."""
    return next(of for place, of in profiled.items() if place.endswith(function))
