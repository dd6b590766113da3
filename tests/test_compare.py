"""Models to compare are made from one another as said, and trained as they would be alone."""

import keras
import numpy as np
import pytest
from keras import layers

from ch07 import compare
from ch07.data import Task

SAMPLES = 64


def two_inputs(units, heads=1):
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    hidden = layers.Dense(units, activation="relu")(layers.concatenate([left, right]))
    outputs = [layers.Dense(1, name=f"head{n}")(hidden) for n in range(heads)]
    return keras.Model([left, right], outputs[0] if heads == 1 else outputs, name="same_name")


@pytest.fixture
def task():
    """A product to be predicted from two inputs."""
    rng = np.random.default_rng(0)
    left = rng.normal(size=(2 * SAMPLES, 4)).astype("float32")
    right = rng.normal(size=(2 * SAMPLES, 3)).astype("float32")
    target = left[:, :1] * right[:, :1]
    return Task(
        train={"left": left[:SAMPLES], "right": right[:SAMPLES]},
        train_targets=target[:SAMPLES],
        test={"left": left[SAMPLES:], "right": right[SAMPLES:]},
        test_targets=target[SAMPLES:],
    )


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_models_trained_together_are_trained_as_alone(optimizer, task):
    models = {"narrow": two_inputs(5), "wide": two_inputs(8)}
    start = {name: model.get_weights() for name, model in models.items()}
    like = two_inputs(5)
    like.compile(optimizer, "mse", metrics=["mae"])
    keras.utils.set_random_seed(7)  # the same order of samples as below
    scores = compare.fit(models, task, like=like, epochs=3, batch_size=32)
    for name, model in models.items():
        together = model.get_weights()
        model.set_weights(start[name])
        model.compile(optimizer, "mse", metrics=["mae"])
        keras.utils.set_random_seed(7)
        model.fit(task.train, task.train_targets, epochs=3, batch_size=32, verbose=0)
        for one, other, first in zip(together, model.get_weights(), start[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
            assert (one != first).any()
        alone = model.evaluate(task.test, task.test_targets, verbose=0, return_dict=True)["mae"]
        assert scores[name] == pytest.approx(alone, rel=1e-4)


def test_a_comparison_has_the_epochs_and_the_steps_of_the_model_it_is_like(task):
    like, rate = two_inputs(5), 0.03
    like.compile(keras.optimizers.SGD(rate), "mse")
    like.fit(task.train, task.train_targets, epochs=2, batch_size=24, verbose=0)
    steps = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.update(steps.params))
    seen = {}
    compare.fit({"one": two_inputs(5)}, task, like=like, callbacks=[steps])
    assert (seen["epochs"], seen["steps"]) == (2, 3)
    compare.fit({"one": two_inputs(5)}, task, like=like, epochs=1, batch_size=8, callbacks=[steps])
    assert (seen["epochs"], seen["steps"]) == (1, 8)


@pytest.mark.parametrize("form", [dict, lambda by_name: list(by_name.values())])
def test_each_output_has_its_own_loss_weight_target_and_sample_weight(form, task):
    targets = {"head0": task.train_targets, "head1": -task.train_targets}
    task = Task(train=task.train, train_targets=targets, test=task.train, test_targets=targets)
    like = two_inputs(5, heads=2)
    losses, weights = {"head0": "mse", "head1": "mae"}, {"head0": 1.0, "head1": 0.0}
    like.compile("sgd", form(losses), form(weights), metrics={"head0": "mae", "head1": "mse"})
    models = {"both": two_inputs(5, heads=2), "one": two_inputs(5)}
    start = models["both"].get_layer("head1").get_weights()[0]
    known = {name: np.ones(SAMPLES, "float32") for name in targets}
    scores = compare.fit(models, task, like=like, epochs=1, batch_size=16, sample_weight=known)
    np.testing.assert_array_equal(models["both"].get_layer("head1").get_weights()[0], start)
    predicted = models["both"].predict(task.train, verbose=0)
    assert scores["both"]["head0"] == pytest.approx(np.abs(predicted[0] - targets["head0"]).mean())
    squared = ((predicted[1] - targets["head1"]) ** 2).mean()
    assert scores["both"]["head1"] == pytest.approx(squared, rel=1e-5)
    # Samples of weight 0 move nothing.
    start = models["one"].get_weights()
    none = {name: np.zeros(SAMPLES, "float32") for name in targets}
    compare.fit(
        {"one": models["one"]}, task, like=like, epochs=1, batch_size=16, sample_weight=none
    )
    assert all(map(np.array_equal, start, models["one"].get_weights()))


def test_losses_and_metrics_may_be_objects(task):
    like, one = two_inputs(5), two_inputs(5)
    like.compile("sgd", keras.losses.Huber(delta=0.5), metrics=[keras.metrics.MeanAbsoluteError()])
    score = compare.fit({"one": one}, task, like=like, epochs=1, batch_size=32)["one"]
    predicted = one.predict(task.test, verbose=0)
    assert score == pytest.approx(np.abs(predicted - task.test_targets).mean(), rel=1e-5)
    like.compile("sgd", keras.losses.Huber(delta=0.5))
    score = compare.fit({"one": one}, task, like=like, epochs=1, batch_size=32)["one"]
    off = np.abs(one.predict(task.test, verbose=0) - task.test_targets)
    huber = np.where(off < 0.5, 0.5 * off**2, 0.5 * (off - 0.25))
    assert score == pytest.approx(huber.mean(), rel=1e-5)


def test_without_metrics_each_output_is_measured_by_its_loss(task):
    targets = {"head0": task.train_targets, "head1": -task.train_targets}
    task = Task(train=task.train, train_targets=targets, test=task.train, test_targets=targets)
    like, both = two_inputs(5, heads=2), two_inputs(5, heads=2)
    like.compile("sgd", ["mse", "mae"])
    scores = compare.fit({"both": both}, task, like=like, epochs=1, batch_size=32)["both"]
    off = [np.abs(of - targets[f"head{n}"]) for n, of in enumerate(both(task.train))]
    assert scores["head0"] == pytest.approx(np.mean(off[0] ** 2), rel=1e-5)
    assert scores["head1"] == pytest.approx(np.mean(off[1]), rel=1e-5)


def test_a_comparison_traces_its_step_once(task, monkeypatch):
    like, traces, step = two_inputs(5), [], keras.Model.train_step
    like.compile("adam", "mse")

    def counted(self, *args):
        traces.append(self.name)
        return step(self, *args)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    compare.fit({"one": two_inputs(5)}, task, like=like, epochs=2, batch_size=32)
    assert len(traces) == 1


def test_a_sequential_model_is_compared_like_any_other(task):
    task = Task(
        train=task.train["left"],
        train_targets=task.train_targets,
        test=task.test["left"],
        test_targets=task.test_targets,
    )
    stack = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    stack.compile("sgd", "mse")
    assert compare.fit({"stack": stack}, task, like=stack, epochs=1, batch_size=8)["stack"] > 0


def test_models_that_share_a_weight_are_refused():
    model = two_inputs(5)
    with pytest.raises(ValueError, match="share a weight"):
        compare.together({"one": model, "again": model})


def test_one_branch_is_a_new_model_of_the_inputs_that_are_left():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    encoded = [layers.Dense(2, name="a")(left), layers.Dense(5, name="b")(right)]
    out = layers.Dense(1, name="out")(layers.concatenate(encoded))
    model = keras.Model([left, right], out)
    cut = compare.one_branch(model, 1)
    assert [tensor.name for tensor in cut.inputs] == ["right"]
    assert [layer.name for layer in cut.layers] == ["right", "b", "out"]
    assert cut.count_params() == 4 * 5 + 6
    assert not {id(w) for w in cut.weights} & {id(w) for w in model.weights}
    x = np.ones((2, 3), "float32")
    hidden = cut.get_layer("b")(x)
    assert cut(x).numpy() == pytest.approx(cut.get_layer("out")(hidden).numpy(), abs=1e-6)


def test_without_shortcuts_a_sum_is_its_first_term():
    x = keras.Input((3,), name="x")
    y = layers.add([layers.Dense(3, name="f")(x), x])
    cut = compare.one_branch(keras.Model(x, y), 0)
    value = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(cut(value).numpy(), cut.get_layer("f")(value).numpy())


def test_without_sharing_every_call_has_a_layer_of_its_own():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    base = keras.Sequential([keras.Input((4,)), layers.Dense(3)], name="base")
    model = keras.Model([left, right], layers.subtract([base(left), base(right)]))
    apart = compare.without_sharing(model)
    assert apart.count_params() == 2 * model.count_params()
    x = np.ones((1, 4), "float32")
    assert not model([x, x]).numpy().any()
    assert apart([x, x]).numpy().any()
