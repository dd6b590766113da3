"""Section 7.2.1: the callbacks do what the book says of them, and the rules say when they act."""

import io

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from rich.console import Console

import ch0702_tensor_board as script
from ch07 import callbacks, figures, probes, rules, synthetic, training

# Keras reads its variables in a way that NumPy 2 calls outdated; not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def compiled(optimizer="sgd", **options):
    model = script.build_cloud_classifier(**options)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def clouds(train=64, **options):
    return training.feed(synthetic.clusters(0, train=train, test=32, **options))


def tell(callback, model, series):
    """Tell `callback` of an epoch for each of `series`; how many it let pass, and the rates."""
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    rates = []
    for epoch, logs in enumerate(series):
        rates.append(float(model.optimizer.learning_rate.numpy()))
        callback.on_epoch_end(epoch, dict(logs))
        if model.stop_training:
            break
    return len(rates), rates


# The rules


@pytest.mark.parametrize(
    ("values", "patience", "epochs"),
    [
        ([0.1, 0.2, 0.2, 0.3], 1, 3),  # an equal value is no gain
        ([0.1, 0.2, 0.2, 0.3], 2, 4),
        ([0.3, 0.2, 0.1, 0.4], 2, 3),
        ([0.3, 0.2, 0.4, 0.1, 0.2], 2, 5),  # a gain starts the count again
        ([0.1, 0.2, 0.3], 1, 3),  # never stopped
    ],
)
def test_early_stopping_waits_for_as_many_epochs_as_its_patience(values, patience, epochs):
    assert rules.epochs_until_stop(values, patience) == epochs
    model, data = compiled(units=8), clouds()
    model.evaluate(data["x"], data["y"], verbose=0)  # before, the model has no metric yet
    stopper = script.build_callbacks_list("unused.keras", "accuracy", patience)[0]
    series = [{"accuracy": value} for value in values]
    assert tell(stopper, model, series)[0] == epochs


def test_epochs_waited_are_those_after_the_best():
    assert rules.waited([0.1, 0.3, 0.2, 0.3]) == 2
    assert rules.waited([0.1, 0.3]) == 0


def test_the_rate_falls_after_patience_and_rests_in_the_cooldown():
    losses = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert rules.plateau_rates(losses, 1.0, 0.5, 2).tolist() == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    rested = rules.plateau_rates(losses, 1.0, 0.5, 2, cooldown=2)
    assert rested.tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    falling = [1.0, 0.9, 0.8, 0.7]
    assert rules.plateau_rates(falling, 1.0, 0.5, 1).tolist() == [1, 1, 1, 1]
    assert rules.plateau_rates(falling, 1.0, 0.5, 1, min_delta=0.15).tolist() == [1, 1, 0.5, 0.5]


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("min_delta", [0, 1e-4, 0.05])
@pytest.mark.parametrize("cooldown", [0, 1, 3])
def test_the_rule_of_the_plateau_is_keras_rule(patience, min_delta, cooldown):
    losses = np.exp(-np.arange(60) / 20) + np.random.default_rng(0).normal(0, 0.05, 60)
    terms = dict(factor=0.5, patience=patience, min_delta=min_delta, cooldown=cooldown)
    model = compiled(keras.optimizers.SGD(0.3))
    series = [{"val_loss": np.float32(loss)} for loss in losses]
    _, rates = tell(keras.callbacks.ReduceLROnPlateau(**terms), model, series)
    by_rule = rules.plateau_rates(losses, 0.3, **terms)
    assert rates == by_rule.tolist()
    assert len(set(rates)) > 1


# What the book prints


def test_the_callbacks_list_is_what_the_book_means(tmp_path):
    stopper, checkpoint = script.build_callbacks_list(tmp_path / "my_model.keras")
    assert (stopper.monitor, stopper.patience) == ("val_accuracy", 2)
    assert (checkpoint.monitor, checkpoint.save_best_only) == ("val_loss", True)
    assert checkpoint.filepath == str(tmp_path / "my_model.keras")


def test_with_patience_as_printed_a_plateau_cannot_end_within_ten_epochs():
    losses = [{"val_loss": 1.0}] * 10
    for patience, count in ((10, 1), (9, 1), (2, 5)):
        callback = script.build_learning_rate_callback(patience)
        assert (callback.monitor, callback.factor) == ("val_loss", 0.1)
        assert len(set(tell(callback, compiled(), losses)[1])) == count
    assert len(set(tell(callback, compiled(), losses * 2)[1])) > 5


def test_the_schedule_halves_every_third_epoch():
    rates = [1.0]
    for epoch in range(7):
        rates.append(script.halve_every_third_epoch(epoch, rates[-1]))
    assert rates[1:] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_a_log_misses_what_callbacks_after_it_add(tmp_path):
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    loggers = [keras.callbacks.CSVLogger(path) for path in (before, after)]
    in_order = [loggers[0], script.build_learning_rate_callback(), loggers[1]]
    compiled(units=8).fit(**clouds(), callbacks=in_order)
    columns = [path.read_text(encoding="utf-8").splitlines()[0] for path in (before, after)]
    assert ["learning_rate" in header for header in columns] == [False, True]


def test_the_activations_logged_are_those_of_each_epoch(tmp_path):
    model, data = compiled("rmsprop", units=8), clouds()
    sample = data["x"][:1]
    snapshots = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: snapshots.append(probes.layer_by_layer(model, sample))
    )
    logger = script.ActivationLogger(sample, tmp_path)
    model.fit(**data, epochs=3, callbacks=[logger, watch])
    logged = probes.logged_activations(tmp_path)
    assert list(logged) == ["features", "hidden_1", "hidden_2", "cloud"]
    for epoch, layers in enumerate(snapshots):
        for name, values in layers.items():
            np.testing.assert_array_equal(logged[name][[epoch]], values)
    assert (logged["cloud"][0] != logged["cloud"][2]).any()


def test_a_sequential_model_is_logged_too(tmp_path):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="last")]
    )
    logger = script.ActivationLogger(np.ones((1, 4), "float32"), tmp_path)
    logger.set_model(model)
    logger.on_epoch_end(0)
    assert {n: a.shape for n, a in probes.logged_activations(tmp_path).items()} == {
        "first": (1, 3),
        "last": (1, 2),
    }


# What np.savez had begun fails once more when Python 3.13 tidies up.
@pytest.mark.filterwarnings("ignore:.*ZipFile.__del__:pytest.PytestUnraisableExceptionWarning")
def test_the_activation_logger_as_printed_is_refused(tmp_path):
    class SetsModel(keras.callbacks.Callback):
        def set_model(self, model):
            self.model = model

    with pytest.raises(AttributeError):
        SetsModel().set_model(compiled())  # B1
    ragged = [np.zeros((1, 3)), np.zeros((1, 2))]
    with pytest.raises(ValueError, match="inhomogeneous"):
        np.savez(tmp_path / "ragged.npz", ragged)  # B1
    with (tmp_path / "text.npz").open("w") as file, pytest.raises(TypeError):
        np.savez(file, *ragged)  # A16


def test_pickled_activations_are_not_read(tmp_path):
    np.savez(tmp_path / "activations_at_epoch_0.npz", objects=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        probes.logged_activations(tmp_path)


# What it describes


def test_a_training_stops_after_the_first_epoch_that_is_good_enough():
    series = [{"val_accuracy": value} for value in (0.1, 0.79, 0.8, 0.9)]
    assert tell(callbacks.StopAt("val_accuracy", 0.8), compiled(), series)[0] == 3
    assert tell(callbacks.StopAt("val_accuracy", 0.95), compiled(), series)[0] == 4


@pytest.mark.parametrize("worse", [1.0, 1.5, np.inf, np.nan])
def test_after_a_worse_epoch_the_best_weights_come_back(worse, tmp_path):
    model = compiled(keras.optimizers.SGD(1.0))
    back = callbacks.BackToTheBest(tmp_path / "best.weights.h5", factor=0.5)
    tell(back, model, [{"val_loss": 1.0}])
    best = model.get_weights()
    model.set_weights([np.full_like(weights, np.nan) for weights in best])
    back.on_epoch_end(1, {"val_loss": worse})
    for weights, expected in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(weights, expected)
    assert back.loaded == [1]
    assert float(model.optimizer.learning_rate.numpy()) == 0.5
    model.set_weights([weights + 1 for weights in best])
    back.on_epoch_end(2, {"val_loss": 0.5})
    assert back.loaded == [1]
    assert (model.get_weights()[0] == best[0] + 1).all()


def test_a_first_epoch_that_ends_in_nan_goes_back_to_the_start(tmp_path):
    model = compiled()
    start = model.get_weights()
    back = callbacks.BackToTheBest(tmp_path / "best.weights.h5")
    back.set_model(model)
    back.on_train_begin()
    model.set_weights([np.full_like(weights, np.nan) for weights in start])
    back.on_epoch_end(0, {"val_loss": np.nan})
    assert (model.get_weights()[0] == start[0]).all()


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize("retrace", [True, False])
def test_a_layer_is_frozen_only_when_the_train_function_is_made_again(optimizer, retrace):
    model = compiled(optimizer, units=8)
    layer, kernels = model.get_layer("hidden_1"), []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: kernels.append(layer.kernel.numpy())
    )
    freeze = callbacks.Freeze(layer, at=1, retrace=retrace)
    model.fit(**clouds(), epochs=3, callbacks=[freeze, watch])
    first, second, third = kernels
    assert (first != second).any()
    assert (second == third).all() == retrace
    assert not layer.trainable


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_bar_is_ascii_and_a_line_for_each_epoch(terminal):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80, color_system=None)
    bar = callbacks.ProgressBar(console)
    model = compiled(units=8)
    history = model.fit(**clouds(train=70), epochs=2, callbacks=[bar]).history
    lines = text.getvalue().splitlines(keepends=False)
    full = [line for line in lines if "#" * 20 in line]
    assert text.getvalue().isascii()
    assert text.getvalue().count("\n") == len(full) == 2
    assert [float(line.split()[-1]) for line in full] == pytest.approx(history["loss"], abs=1e-4)
    assert (len(lines) > 2) == terminal
    assert len(bar.told) == 2 * 3
    assert bar.told[2::3] == history["loss"]


# Trainings that begin alike


def test_a_training_rewound_is_the_same_training():
    model, data = compiled("rmsprop", units=8), clouds()
    rewind = training.rewinder(model, seed=3)
    first = model.fit(**data, epochs=2).history
    unlike = model.fit(**data, epochs=2).history
    rewind()
    model.optimizer.learning_rate = 0.5
    rewind()
    assert model.fit(**data, epochs=2).history == first != unlike


def test_what_fit_is_fed_is_the_task():
    task = synthetic.clusters(0, train=64, test=32)
    data = training.feed(task, batch_size=16)
    assert data["x"] is task.train["features"]
    assert data["y"] is task.train_targets
    assert data["validation_data"][0] is task.test["features"]
    assert data["validation_data"][1] is task.test_targets
    assert (data["batch_size"], data["verbose"]) == (16, 0)


def test_the_validation_loss_is_that_of_fit():
    model, data = compiled(units=8), clouds()
    history = model.fit(**data).history
    assert training.validation_loss(model, data) == history["val_loss"][-1]


# Pictures


def test_marks_are_drawn_and_named():
    panel = figures.curves([1, 2, 3], {"a": [1, 2, 3]}, "x (unit)", "y (unit)")
    axes = figures.row(figures.with_marks(panel, {"here": 1.5, "there": 2.5})).axes[0]
    places = {line.get_label(): set(line.get_xdata()) for line in axes.lines}
    assert places["here"] == {1.5}
    assert places["there"] == {2.5}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "here", "there"]
    plt.close("all")


def test_a_heat_map_counts_its_rows_from_the_first_and_labels_its_axes():
    values = np.arange(12.0).reshape(3, 4)
    panel = figures.heat_map(values, "unit", "epoch", "activation", first=1)
    axes, colours = figures.row(panel).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("unit", "epoch")
    assert colours.get_ylabel() == "activation"
    assert axes.get_ylim() == (3.5, 0.5)
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    plt.close("all")
