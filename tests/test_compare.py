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
    sizes = {"left": (SAMPLES, 4), "right": (SAMPLES, 3)}
    train, test = ({of: rng.normal(size=size) for of, size in sizes.items()} for _ in range(2))
    targets, tested = (of["left"][:, :1] * of["right"][:, :1] for of in (train, test))
    return Task(train=train, train_targets=targets, test=test, test_targets=tested)


@pytest.fixture
def two_targets(task):
    """A product and its negative, tested on what was trained on."""
    targets = {"head0": task.train_targets, "head1": -task.train_targets}
    return Task(train=task.train, train_targets=targets, test=task.train, test_targets=targets)


def test_models_trained_together_are_trained_as_alone_on_one_trace(task, monkeypatch):
    models = {"narrow": two_inputs(5), "wide": two_inputs(8)}
    start = {name: model.get_weights() for name, model in models.items()}
    like, traces, step = two_inputs(5), [], keras.Model.train_step
    like.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
    with monkeypatch.context() as patched:
        patched.setattr("keras.Model.train_step", lambda *of: traces.append(of) or step(*of))
        keras.utils.set_random_seed(7)  # the same order of samples as below
        scores = compare.fit(models, task, like=like, epochs=3, batch_size=32)
    assert len(traces) == 1
    for name, model in models.items():
        together = model.get_weights()
        model.set_weights(start[name])
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
        keras.utils.set_random_seed(7)
        model.fit(task.train, task.train_targets, epochs=3, batch_size=32, verbose=0)
        for one, other, first in zip(together, model.get_weights(), start[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
            assert (one != first).any()
        alone = model.evaluate(task.test, task.test_targets, verbose=0, return_dict=True)["mae"]
        assert scores[name] == pytest.approx(alone, rel=1e-4)


def test_a_sequential_model_is_compared_too_with_the_epochs_and_steps_of_the_model_like_it(task):
    targets = {"train_targets": task.train_targets, "test_targets": task.test_targets}
    task = Task(train=task.train["left"], test=task.test["left"], **targets)
    stack, seen = keras.Sequential([keras.Input((4,)), layers.Dense(1)]), {}
    stack.compile("sgd", "mse")
    stack.fit(task.train, task.train_targets, epochs=2, batch_size=24, verbose=0)
    steps = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.update(steps.params))
    for given, expected in (({}, (2, 3)), ({"epochs": 1, "batch_size": 8}, (1, 8))):
        assert compare.fit({"it": stack}, task, like=stack, callbacks=[steps], **given)["it"] > 0
        assert (seen["epochs"], seen["steps"]) == expected


@pytest.mark.parametrize("form", [dict, lambda by_name: list(by_name.values())])
def test_each_output_has_its_own_loss_weight_target_and_sample_weight(form, two_targets):
    task, like = two_targets, two_inputs(5, heads=2)
    losses, weights = {"head0": "mse", "head1": "mae"}, {"head0": 1.0, "head1": 0.0}
    like.compile("sgd", form(losses), form(weights), metrics={"head0": "mae", "head1": "mse"})
    both, one = two_inputs(5, heads=2), two_inputs(5)
    start = both.get_weights(), one.get_weights()
    known = {"head0": np.zeros(SAMPLES), "head1": np.ones(SAMPLES)}
    options = {"like": like, "epochs": 1, "batch_size": 16}
    scores = compare.fit({"both": both, "one": one}, task, **options, sample_weight=known)
    # The samples of the one output have a weight of 0, the loss of the other has: nothing moves.
    np.testing.assert_equal((both.get_weights(), one.get_weights()), start)
    off = [np.abs(of - task.test_targets[f"head{n}"]) for n, of in enumerate(both(task.test))]
    assert scores["both"]["head0"] == pytest.approx(np.mean(off[0]), rel=1e-5)
    assert scores["both"]["head1"] == pytest.approx(np.mean(off[1] ** 2), rel=1e-5)
    compare.fit({"both": both, "one": one}, task, **options)
    moved = [(a != b).any() for a, b in zip(both.get_weights(), start[0], strict=True)]
    assert moved == [True] * 4 + [False] * 2  # the head whose loss weighs nothing
    assert (one.get_weights()[0] != start[1][0]).any()


def test_losses_and_metrics_may_be_objects_and_without_metrics_the_losses_measure(two_targets):
    def scores(**options):
        like.compile("sgd", [keras.losses.Huber(delta=0.5), "mse"], **options)
        found = compare.fit({"it": model}, two_targets, like=like, epochs=1, batch_size=32)["it"]
        outputs = zip(model(two_targets.test), two_targets.test_targets.values(), strict=True)
        return found, [np.abs(output - target) for output, target in outputs]

    like, model = two_inputs(5, heads=2), two_inputs(5, heads=2)
    found, off = scores(metrics=[[keras.metrics.MeanAbsoluteError()], ["mae"]])
    assert found["head0"] == pytest.approx(off[0].mean(), rel=1e-5)
    for options in ({}, {"metrics": [[], ["mse"]]}):
        found, off = scores(**options)
        huber = np.where(off[0] < 0.5, 0.5 * off[0] ** 2, 0.5 * (off[0] - 0.25))
        assert found["head0"] == pytest.approx(huber.mean(), rel=1e-5)
        assert found["head1"] == pytest.approx(np.mean(off[1] ** 2), rel=1e-5)


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


def test_without_sharing_every_call_has_a_layer_of_its_own():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    base = keras.Sequential([keras.Input((4,)), layers.Dense(3)], name="base")
    model = keras.Model([left, right], layers.subtract([base(left), base(right)]))
    apart = compare.without_sharing(model)
    assert apart.count_params() == 2 * model.count_params()
    assert [layer.name for layer in apart.layers[2:4]] == ["base", "second_base"]
