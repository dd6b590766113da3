"""Arms trained side by side are trained as they would be alone."""

import io

import keras
import numpy as np
import pytest
from keras import layers
from rich.console import Console

from ch07.synthetic import Task
from ch07.training import Progress, side_by_side, train

SAMPLES = 96


def two_inputs(units, heads=1):
    left = keras.Input((4,), name="left")
    right = keras.Input((3,), name="right")
    hidden = layers.Dense(units, activation="relu")(layers.concatenate([left, right]))
    outputs = [layers.Dense(1, name=f"head{n}")(hidden) for n in range(heads)]
    return keras.Model([left, right], outputs[0] if heads == 1 else outputs, name="same_name")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    inputs = {
        "left": rng.normal(size=(SAMPLES, 4)).astype("float32"),
        "right": rng.normal(size=(SAMPLES, 3)).astype("float32"),
    }
    return inputs, (inputs["left"][:, :1] * inputs["right"][:, :1])


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_training_side_by_side_is_training_alone(optimizer, data):
    inputs, target = data
    arms = {"narrow": two_inputs(5), "wide": two_inputs(8)}
    start = {name: arm.get_weights() for name, arm in arms.items()}
    fit = {"batch_size": 32, "epochs": 3, "verbose": 0}

    together = side_by_side(arms)
    together.compile(optimizer, "mse")
    keras.utils.set_random_seed(7)  # the same order of samples as below
    together.fit(inputs, dict.fromkeys(arms, target), **fit)

    for name, arm in arms.items():
        side_by_side_weights = arm.get_weights()
        arm.set_weights(start[name])
        arm.compile(optimizer, "mse")
        keras.utils.set_random_seed(7)
        arm.fit(inputs, target, **fit)
        for one, other in zip(side_by_side_weights, arm.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert any(
            (one != other).any() for one, other in zip(start[name], arm.get_weights(), strict=True)
        )


def test_outputs_are_named_after_arm_and_output(data):
    model = side_by_side({"one": two_inputs(5), "two": two_inputs(5, heads=2)})
    outputs = model(data[0])
    assert set(outputs) == {"one", "two_head0", "two_head1"}


def test_arms_may_take_different_inputs(data):
    left = keras.Input((4,), name="left")
    model = side_by_side({"both": two_inputs(5), "left": keras.Model(left, layers.Dense(1)(left))})
    assert {tensor.name for tensor in model.inputs} == {"left", "right"}


def test_inputs_of_one_name_must_agree():
    other = keras.Input((9,), name="left")
    with pytest.raises(ValueError, match="Input 'left' is"):
        side_by_side({"both": two_inputs(5), "odd": keras.Model(other, layers.Dense(1)(other))})


def test_arms_that_share_a_weight_are_refused():
    model = two_inputs(5)
    with pytest.raises(ValueError, match="share a weight"):
        side_by_side({"one": model, "again": model})


@pytest.mark.parametrize("metrics", [None, {"head0": "mae"}])
def test_train_gives_each_output_its_own_loss_weight_and_target(data, metrics):
    inputs, target = data
    rest = {name: array[64:] for name, array in inputs.items()}
    heads = {"head0": target, "head1": -target}
    task = Task(
        train={name: array[:64] for name, array in inputs.items()},
        train_targets={name: array[:64] for name, array in heads.items()},
        test=rest,
        test_targets={name: array[64:] for name, array in heads.items()},
    )
    arms = {"even": two_inputs(5, heads=2), "deaf": two_inputs(5, heads=2)}
    start = arms["deaf"].get_layer("head1").get_weights()[0]
    model = train(
        arms,
        task,
        "mse",
        keras.optimizers.SGD(0.1),
        epochs=3,
        batch_size=32,
        loss_weights={"even": {"head0": 1, "head1": 1}, "deaf": {"head0": 1, "head1": 0}},
        sample_weight={"head0": np.zeros(64, "float32")},
        metrics=metrics,
    )
    # Neither weight nor sample weight is left to move this head.
    np.testing.assert_array_equal(arms["deaf"].get_layer("head1").get_weights()[0], start)
    assert np.abs(arms["even"].get_layer("head1").get_weights()[0] - start).max() > 0
    assert ("val_even_head0_mae" in model.history.history) == bool(metrics)


def test_train_traces_its_step_once(data, monkeypatch):
    inputs, target = data
    task = Task(train=inputs, train_targets=target, test=inputs, test_targets=target)
    traces = []
    step = keras.Model.train_step

    def counted(self, *args):
        traces.append(self.name)
        return step(self, *args)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    train({"one": two_inputs(5)}, task, "mse", keras.optimizers.Adam(), epochs=2, batch_size=32)
    assert traces == ["side_by_side"]


def test_progress_prints_one_plain_line_where_there_is_no_terminal(data, capsys):
    model = two_inputs(5)
    model.compile("sgd", "mse")
    progress = Progress("narrow", Console(width=120))
    model.fit(*data, epochs=3, verbose=0, callbacks=[progress])
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "narrow" in printed.out
    assert "epoch   3/3" in printed.out
    assert printed.err == ""


def test_an_interrupted_training_gives_the_terminal_back(data):
    model = two_inputs(5)
    model.compile("sgd", "mse")
    console = Console(width=120, force_terminal=True, file=io.StringIO())
    progress = Progress("narrow", console)
    stop = keras.callbacks.LambdaCallback(on_epoch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=3, verbose=0, callbacks=[progress, stop])
    progress.close()
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert console.file.getvalue().rindex(show) > console.file.getvalue().rindex(hide)


def interrupt(epoch, logs):
    raise KeyboardInterrupt
