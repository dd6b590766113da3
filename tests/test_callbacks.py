"""The callbacks that the book describes do what they say, and refuse what they cannot do.

Each kind of model is trained with them in `test_calls.py`.
"""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import build, vectors
from rich.console import Console

from ch07 import callbacks

# Keras reads its variables in a way that NumPy 2 calls outdated; not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def compiled(optimizer="sgd", **options):
    """A stack of the book, compiled with metrics."""
    sample = build("sequential")
    sample.model.compile(optimizer, "mse", metrics=["mae", "accuracy"], run_eagerly=True, **options)
    sample.model.evaluate(sample.inputs, sample.targets, verbose=0)  # before, it has no metric yet
    return sample


def epochs_until_stop(callback, model, series):
    """How many epochs `callback` lets pass, of which `series` has the logs."""
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    for epoch, logs in enumerate(series):
        callback.on_epoch_end(epoch, dict(logs))
        if model.stop_training:
            return epoch + 1
    return len(series)


# StopAt


@pytest.mark.parametrize(
    ("monitor", "target", "values", "epochs"),
    [
        ("val_accuracy", 0.8, [0.1, 0.79, 0.8, 0.9], 3),
        ("accuracy", 0.95, [0.1, 0.79, 0.8, 0.9], 4),
        ("loss", 0.1, [1.6, 0.5, np.nan, 0.1, 0.01], 4),
        ("income_loss", 0.1, [1.6, 0.05, 0.01], 2),
        ("val_mae", 2, [9.0, 3.0, 1.5, 1.0], 3),
    ],
)
def test_a_training_stops_after_the_first_epoch_that_is_good_enough(
    monitor, target, values, epochs
):
    series = [{monitor: value} for value in values]
    stop = callbacks.StopAt(monitor, target)
    assert epochs_until_stop(stop, compiled().model, series) == epochs
    assert epochs_until_stop(stop, compiled().model, series) == epochs  # and again


def test_a_metric_of_ones_own_needs_a_mode():
    def own(targets, predicted):
        return keras.ops.mean(predicted)

    series, model = [{"own": value} for value in (0.1, 0.5, 0.9)], build("sequential").model
    model.compile("sgd", "mse", metrics=[own], run_eagerly=True)
    model.evaluate(vectors(), vectors(1), verbose=0)
    with pytest.raises(ValueError, match="monitor=own, but Keras isn't able to"):
        epochs_until_stop(callbacks.StopAt("own", 0.5), model, series)
    assert epochs_until_stop(callbacks.StopAt("own", 0.5, mode="max"), model, series) == 2
    assert epochs_until_stop(callbacks.StopAt("own", 0.5, mode="min"), model, series) == 1


@pytest.mark.parametrize("callback", ["StopAt", "BackToTheBest"])
@pytest.mark.parametrize("options", ["no validation", "validation_freq", "another name"])
def test_an_epoch_without_what_is_monitored_is_refused(callback, options, tmp_path):
    made = {
        "StopAt": lambda: callbacks.StopAt("val_loss", 0.0),
        "BackToTheBest": lambda: callbacks.BackToTheBest(tmp_path / "best.weights.h5"),
    }
    sample = build("sequential")
    validation = {"validation_data": (sample.inputs, sample.targets)}
    if options == "another name":
        with pytest.raises(ValueError, match="monitor is 'acc', which is not among loss, val_loss"):
            sample.fit(callbacks.StopAt("acc", 1.0), **validation)
        return
    given = validation | {"validation_freq": 2} if options == "validation_freq" else {}
    sentence = "monitor is 'val_loss', which is not among loss: validation_data are needed, and "
    with pytest.raises(ValueError, match=sentence):
        sample.fit(made[callback](), epochs=2, **given)


# BackToTheBest


@pytest.mark.parametrize("worse", [1.0, 1.5, np.inf, np.nan])
def test_after_a_worse_epoch_the_best_weights_come_back_and_the_rate_falls(worse, tmp_path):
    model = compiled(keras.optimizers.SGD(1.0)).model
    back = callbacks.BackToTheBest(tmp_path / "best.weights.h5", factor=0.5)
    epochs_until_stop(back, model, [{"val_loss": 1.0}])
    best = model.get_weights()
    for epoch in (1, 2):  # twice: the file brings the rate of the best epoch back too
        model.set_weights([np.full_like(weights, np.nan) for weights in best])
        back.on_epoch_end(epoch, {"val_loss": worse})
        for weights, expected in zip(model.get_weights(), best, strict=True):
            np.testing.assert_array_equal(weights, expected)
        assert float(model.optimizer.learning_rate.numpy()) == 0.5**epoch
    assert back.loaded == [1, 2]
    model.set_weights([weights + 1 for weights in best])
    back.on_epoch_end(3, {"val_loss": 0.5})
    assert back.loaded == [1, 2]
    assert (model.get_weights()[0] == best[0] + 1).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("built", [True, False])
def test_a_first_epoch_that_ends_in_nan_goes_back_to_the_start(optimizer, built, tmp_path):
    sample = build("sequential" if built else "unbuilt", optimizer)
    start = sample.model.get_weights()
    sample.targets = np.full_like(sample.targets, np.nan)
    back = callbacks.BackToTheBest(str(tmp_path / "best.weights.h5"))
    sample.fit(back, validation_data=(sample.inputs, sample.targets))
    assert back.loaded == [0] * built  # there is no start to go back to before it is built
    if built:
        assert (sample.model.get_weights()[0] == start[0]).all()


def test_what_cannot_go_back_is_refused_before_the_first_epoch(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    validated = {"validation_data": (vectors(), vectors(1))}
    with pytest.raises(ValueError, match="The learning rate is that of a schedule, which nothing"):
        build("sequential", keras.optimizers.SGD(schedule)).fit(
            callbacks.BackToTheBest(tmp_path / "best.weights.h5"), **validated
        )
    with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
        build("sequential").fit(callbacks.BackToTheBest(tmp_path / "best"), **validated)
    with pytest.raises(ValueError, match="factor is 2: a number from 0 to 1 is needed"):
        callbacks.BackToTheBest(tmp_path / "best.weights.h5", factor=2)


# Freeze


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("retrace", [True, False])
def test_a_layer_is_frozen_only_when_the_train_function_is_made_again(optimizer, retrace):
    sample, kernels = build("sequential", optimizer, eagerly=False), []
    layer = sample.layers["hidden"]
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: kernels.append(layer.kernel.numpy())
    )
    sample.fit(callbacks.Freeze(layer, at=1, retrace=retrace), watch, epochs=3)
    first, second, third = kernels
    assert (first != second).any()
    assert (second == third).all() == retrace
    assert not layer.trainable


def test_a_training_that_goes_on_behind_the_epoch_is_frozen_too():
    sample = build("sequential")
    before = sample.layers["hidden"].get_weights()
    freeze = callbacks.Freeze(sample.layers["hidden"], at=1)
    sample.fit(freeze, initial_epoch=2, epochs=3)
    assert (sample.layers["hidden"].get_weights()[0] == before[0]).all()


def test_a_layer_of_another_model_is_refused():
    freeze = callbacks.Freeze(keras.layers.Dense(3, name="elsewhere"), at=1)
    with pytest.raises(ValueError, match="'elsewhere' is not a layer of 'sequential"):
        build("sequential").fit(freeze)
    with pytest.raises(ValueError, match="at is -1: a whole number from 0 is needed"):
        callbacks.Freeze(keras.layers.Dense(3), at=-1)


# ProgressBar


# What Keras says of data whose size it does not know.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_the_progress_bar_is_ascii_and_a_line_for_each_epoch(terminal, known):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80, color_system=None)
    data = tf.data.Dataset.from_tensor_slices((vectors(), vectors(1)))
    if not known:  # how many pass a filter is known when they have passed
        data = data.filter(lambda point, target: True)
    model = build("sequential").model
    history = model.fit(
        data.batch(4),
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[callbacks.ProgressBar(console)],
    ).history
    assert text.getvalue().isascii()
    assert text.getvalue().count("\n") == 2
    lines = text.getvalue().replace("\r", "\n").split("\n")
    ends = [[line for line in lines if f"epoch   {n} " in line][-1] for n in (1, 2)]
    assert [float(line.split()[-1]) for line in ends] == pytest.approx(history["loss"], abs=1e-4)
    assert "#" * 20 in ends[1]
    shown = text.getvalue()
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
    assert callbacks.ProgressBar().console.file.writable()
