"""The callbacks of the book do what they say or refuse (with each kind of model: test_calls.py)."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.callbacks import LambdaCallback
from models import build, vectors
from rich.console import Console

from ch07 import callbacks

VALIDATED = {"validation_data": (vectors(), vectors(1))}


def own(targets, predicted):
    """A metric of one's own, of which Keras does not know which way is better."""
    return keras.ops.mean(predicted)


def compiled(optimizer="sgd"):
    """A stack of the book, compiled with metrics."""
    model = build("sequential").model
    model.compile(optimizer, "mse", metrics=["mae", "accuracy", own], run_eagerly=True)
    model.evaluate(vectors(), vectors(1), verbose=0)  # before, it has no metric yet
    return model


def epochs_until_stop(callback, model, monitor, values):
    """How many epochs `callback` lets pass, in which `monitor` has these values."""
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {monitor: value})
        if model.stop_training:
            return epoch + 1
    return len(values)


# StopAt


@pytest.mark.parametrize(
    ("monitor", "target", "mode", "values", "epochs"),
    [
        ("val_accuracy", 0.8, "auto", [0.1, 0.79, 0.8, 0.9], 3),
        ("accuracy", 0.95, "auto", [0.1, 0.79, 0.8, 0.9], 4),
        ("accuracy", 0.85, "auto", [0.1, float(np.float32(0.85)), 0.9], 2),  # 425 of 500
        ("loss", 0.1, "auto", [1.6, 0.5, np.nan, 0.1, 0.01], 4),
        ("income_loss", 0.1, "auto", [1.6, 0.05, 0.01], 2),
        ("val_mae", 2, "auto", [9.0, 3.0, 1.5, 1.0], 3),
        ("own", 0.5, "max", [0.1, 0.5, 0.9], 2),
        ("own", 0.5, "min", [0.1, 0.5, 0.9], 1),
        ("own_loss", 0.5, "max", [0.1, 0.5, 0.9], 2),
    ],
)
def test_a_training_stops_after_the_first_good_epoch(monitor, target, mode, values, epochs):
    stop = callbacks.StopAt(monitor, target, mode)
    for _ in range(2):  # and again
        assert epochs_until_stop(stop, compiled(), monitor, values) == epochs
    with pytest.raises(ValueError, match="monitor=own, but Keras isn't able to"):
        epochs_until_stop(callbacks.StopAt("own", 0.5), compiled(), "own", values)


def test_an_epoch_without_what_is_monitored_is_refused(tmp_path):
    sentence = "monitor is 'val_loss', which is not among loss: validation_data are needed, and "
    path = tmp_path / "best.weights.h5"
    for options in ({}, VALIDATED | {"validation_freq": 2}):
        for callback in (callbacks.StopAt("val_loss", 0.0), callbacks.BackToTheBest(path)):
            with pytest.raises(ValueError, match=sentence):
                build("sequential").fit(callback, epochs=2, **options)
    with pytest.raises(ValueError, match="monitor is 'acc', which is not among loss, val_loss"):
        build("sequential").fit(callbacks.StopAt("acc", 1.0), **VALIDATED)


# BackToTheBest


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("worse", [1.0, 1.5, np.inf, np.nan])
def test_after_a_worse_epoch_the_best_weights_come_back_and_the_rate_falls(worse, name, tmp_path):
    model = compiled(getattr(keras.optimizers, name)(1.0))
    best = model.get_weights()
    back = callbacks.BackToTheBest(tmp_path / "best.weights.h5", factor=0.5)
    epochs_until_stop(back, model, "val_loss", [np.nan, 1.0])  # the start is better than nothing
    assert back.loaded == [0]
    for epoch in (2, 3):  # twice: the file brings the rate of the best epoch back too
        model.set_weights([np.full_like(weights, np.nan) for weights in best])
        back.on_epoch_end(epoch, {"val_loss": worse})
        for weights, expected in zip(model.get_weights(), best, strict=True):
            np.testing.assert_array_equal(weights, expected)
        assert float(model.optimizer.learning_rate.numpy()) == 0.5**epoch
    model.set_weights([weights + 1 for weights in best])
    back.on_epoch_end(4, {"val_loss": 0.5})
    assert back.loaded == [0, 2, 3]
    assert (model.get_weights()[0] == best[0] + 1).all()


def test_what_cannot_go_back_is_refused_before_the_first_epoch(tmp_path):
    schedule = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
    back = callbacks.BackToTheBest(tmp_path / "best.weights.h5")
    with pytest.raises(ValueError, match="The learning rate is that of a schedule, which nothing"):
        build("sequential", schedule).fit(back, **VALIDATED)
    with pytest.raises(ValueError, match="factor is 2: a number from 0 to 1 is needed"):
        callbacks.BackToTheBest(tmp_path / "best.weights.h5", factor=2)


# Freeze


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("retrace", [True, False])
def test_a_layer_is_frozen_only_when_the_train_function_is_made_again(optimizer, retrace):
    sample, kernels = build("sequential", optimizer, eagerly=False), []
    layer = sample.layers["hidden"]
    watch = LambdaCallback(on_epoch_begin=lambda *_: kernels.append(layer.kernel.numpy()))
    sample.fit(callbacks.Freeze(layer, at=1, retrace=retrace), watch, epochs=3)
    first, second, third = kernels
    assert (first != second).any()
    assert (second == third).all() == retrace
    assert not layer.trainable


def test_a_later_epoch_is_frozen_too_and_a_layer_of_another_model_is_refused():
    sample = build("sequential")
    before = sample.layers["hidden"].get_weights()
    sample.fit(callbacks.Freeze(sample.layers["hidden"], at=1), initial_epoch=2, epochs=3)
    assert (sample.layers["hidden"].get_weights()[0] == before[0]).all()
    elsewhere = keras.layers.Dense(3, name="elsewhere")
    with pytest.raises(ValueError, match="'elsewhere' is not a layer of 'sequential"):
        sample.fit(callbacks.Freeze(elsewhere, at=1))
    with pytest.raises(ValueError, match="at is -1: a whole number from 0 is needed"):
        callbacks.Freeze(elsewhere, at=-1)


# ProgressBar


# What Keras says of data whose size it does not know.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_the_progress_bar_is_ascii_and_a_line_for_each_epoch(terminal, known):
    text = io.StringIO()
    bar = callbacks.ProgressBar(Console(file=text, force_terminal=terminal, color_system=None))
    data = tf.data.Dataset.from_tensor_slices((vectors(), vectors(1)))
    if not known:  # how many pass a filter is known when they have passed
        data = data.filter(lambda point, target: True)
    options = {"epochs": 2, "shuffle": False, "verbose": 0, "callbacks": [bar]}
    losses = build("sequential").model.fit(data.batch(4), **options).history["loss"]
    shown = text.getvalue()
    assert shown.isascii()
    assert shown.count("\n") == 2
    lines = shown.replace("\r", "\n").split("\n")
    ends = [[line for line in lines if f"epoch   {n} " in line][-1] for n in (1, 2)]
    assert [float(line.split()[-1]) for line in ends] == pytest.approx(losses, abs=1e-4)
    assert "#" * 20 in ends[1]
    assert ("batch 1]" in shown) == (terminal and not known)
    assert ("[#####...............]" in shown) == terminal


def test_a_training_without_a_loss_shows_what_it_has():
    class Own(keras.Model):
        def train_step(self, data):
            return {"score": keras.ops.convert_to_tensor(0.5)}

    text, point = io.StringIO(), keras.Input((4,))
    model = Own(point, keras.layers.Dense(1)(point))
    model.compile("sgd", run_eagerly=True)
    bar = callbacks.ProgressBar(Console(file=text))
    model.fit(vectors(), vectors(1), verbose=0, callbacks=[bar])
    assert text.getvalue() == f"  epoch   1  [{'#' * 20}]  score   0.5000\n"
