"""Any size and shape: what models cost, what looks into them, trains them and draws them."""

import math
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers
from properties import few, floats, folder, no_shares, no_sizes, points, refused, seeds, stack

from ch07 import (
    callbacks,
    candidates,
    costs,
    diagram,
    normalization,
    probes,
    search,
    synthetic,
    training,
)

# Keras 3.15 asks NumPy 2 for the value of a variable in a way that NumPy is to give up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

width = st.integers(1, 4)


# Costs


@few
@given(st.integers(1, 3), width, width, st.booleans(), st.integers(1, 2), st.integers(4, 7))
def test_costs_are_those_of_the_formula(size, inputs, outputs, separable, strides, side):
    convolution = layers.SeparableConv2D if separable else layers.Conv2D
    image = keras.Input((side, side + 1, inputs))
    x = convolution(outputs, size, strides=strides, name="conv")(image)
    height, across = x.shape[1:3]
    x = layers.Dense(5)(layers.Flatten()(layers.Activation("relu")(x)))
    model = keras.Model(image, x)
    parameters = costs.convolution_parameters(size, inputs, outputs, separable)
    assert parameters == model.get_layer("conv").count_params()
    dense = height * across * outputs * 5
    assert costs.multiply_adds(model) == (parameters - outputs) * height * across + dense


@given(no_sizes, st.integers(0, 2), st.booleans())
def test_costs_of_no_size_are_refused(bad, place, separable):
    sizes = [3, 3, 3]
    sizes[place] = bad
    refused(costs.convolution_parameters, *sizes, separable)
    refused(costs.median_seconds, {"nothing": dict}, bad, match="repetitions")


def test_costs_that_are_not_known_are_refused():
    one, wide = keras.Input((4,)), keras.Input((None, None, 3))
    twice = layers.Dense(4, name="twice")
    for model in (
        keras.Model(one, twice(twice(one))),
        keras.Model(wide, layers.Conv2D(2, 1)(wide)),
        keras.Sequential([layers.Dense(1)]),
        keras.Sequential([keras.Input((5, 3)), layers.LSTM(2)]),
    ):
        refused(costs.multiply_adds, model)


@given(st.integers(1, 6), st.integers(1, 3))
def test_jobs_take_turns(repetitions, jobs):
    turns = []
    told = costs.median_seconds({n: lambda n=n: turns.append(n) for n in range(jobs)}, repetitions)
    assert turns == [*range(jobs)] * (repetitions + 1)
    assert all(seconds >= 0 for seconds in told.values())


# Normalization


@given(floats(st.tuples(st.integers(1, 5), st.just(2), width)), st.floats(0, 1), no_shares)
def test_moving_averages_are_weighted_sums(statistics, momentum, bad):
    told = normalization.moving_averages(statistics, momentum)
    assert told.shape == statistics.shape
    for step, average in enumerate(told, start=1):
        ages = step - 1 - np.arange(step)
        weights = (1 - momentum) * momentum**ages
        expected = np.einsum("s,sku->ku", weights, statistics[:step])
        expected[1] += momentum**step  # the variance starts at 1
        np.testing.assert_allclose(average, expected, atol=1e-9)
    refused(normalization.moving_averages, statistics, bad, match="momentum")
    refused(normalization.moving_averages, statistics[:, :1], momentum, match="statistics")
    refused(normalization.moving_averages, statistics[:0], momentum, match="statistics")


@few
@given(seeds, width, st.integers(2, 5))
def test_what_a_layer_normalizes_at_inference_is_the_formula(seed, units, batch_size):
    rng = np.random.default_rng(seed)
    layer = layers.BatchNormalization()
    given = rng.normal(size=(2 * batch_size, units)).astype("float32")
    refused(normalization.normalized, given, layer, match="build")
    inputs = keras.Input((units,))
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([rng.uniform(0.5, 2, units) for _ in range(4)])
    expected = normalization.normalized(given, layer)
    assert normalization.difference(layer(given).numpy(), expected) < 1e-4
    moved = normalization.moved_by_neighbours(model, given, batch_size, False)
    assert moved == 0 < normalization.moved_by_neighbours(model, given, batch_size, True)
    refused(normalization.normalized, given[:, :0], layer, match="given")
    for bad in (1, 0, 2.5, 2 * batch_size):
        refused(normalization.moved_by_neighbours, model, given, bad, False)
    refused(normalization.difference, expected, expected[:1], match="difference")
    refused(normalization.difference, expected, 0 * expected, match="difference")
    refused(normalization.difference, np.nan * expected, expected, match="measured")


@few
@given(seeds, st.integers(2, 6))
def test_an_observer_sees_each_batch_before_the_step(seed, batch_size):
    point = keras.Input((3,), name="point")
    x = layers.BatchNormalization(name="one_norm")(point)
    model = keras.Model(point, layers.Dense(2, activation="softmax")(x))
    data, targets = points(12, seed=seed), np.eye(2)[np.arange(12) % 2]
    observer = normalization.Observer({"one": model}, "norm", data, targets, batch_size)
    observer.on_train_batch_begin(1)
    batch = data[batch_size : 2 * batch_size].astype("float64")
    (seen,) = observer.statistics["one"]
    np.testing.assert_allclose(seen, [batch.mean(axis=0), batch.var(axis=0)])
    before = model.get_weights()
    observer.on_epoch_end(0)
    assert all(map(np.array_equal, before, model.get_weights()))
    model(batch, training=True)
    observer.on_train_batch_end(1)
    told = observer.by_hand("one", 0.99)
    assert isinstance(told, normalization.ByHand)
    assert told.by_layer.shape == told.by_hand.shape == (1, 2, 3)
    assert max(told.apart, told.at_inference) < 1e-4
    refused(observer.by_hand, "one", 1.5, match="momentum")
    refused(normalization.Observer, {"one": model}, "other", data, targets, batch_size)


# Looking into models


@few
@given(seeds, st.lists(width, min_size=2, max_size=3), st.integers(1, 5))
def test_what_models_say_and_lose(seed, units, samples):
    model, data = stack(*units, outputs=("a", "b")), points(samples, seed=seed)
    told = [tensor.numpy() for tensor in model(data)]
    targets = dict(zip("ab", told, strict=True))
    assert probes.losses(model, data, targets, {"a": "mse", "b": "mae"}) == {"a": 0, "b": 0}
    for wrong in ({"a": "mse"}, {"a": "mse", "b": "mse", "c": "mse"}):
        refused(probes.losses, model, data, targets, wrong)
    refused(probes.losses, model, data, {"a": told[0]}, {"a": "mse", "b": "mse"})
    named = keras.Model({"point": model.inputs[0]}, dict(zip("ab", model.outputs, strict=True)))
    for name, output in probes.outputs(named, {"point": data}).items():
        np.testing.assert_array_equal(output, targets[name])
    refused(probes.outputs, model, data, match="names")

    alone, one_hot = stack(*units), np.eye(2)[np.arange(samples) % 2]
    for sequential in (alone, keras.Sequential([keras.Input((3,)), *alone.layers[1:]])):
        layer_by_layer = probes.layer_by_layer(sequential, data)
        assert [*layer_by_layer] == [layer.name for layer in alone.layers[1:]]
        np.testing.assert_allclose(layer_by_layer["told"], alone(data), atol=1e-6)
    names = [layer.name for layer in alone.layers[1:-1]]
    ratios = probes.gradient_over_layers(alone, names, data, one_hot)
    assert ratios.shape == (len(units),)
    assert ratios[-1] == 1
    refused(probes.gradient_over_layers, alone, ["other"], data, one_hot, match="No such layer")
    refused(probes.gradient_ratio, alone, (names[0], "other"), data, one_hot, match="No such")

    part = slice(0, units[-1])
    silent = probes.silenced(alone, data, names[-1], part)
    np.testing.assert_allclose(silent, 0.5)  # the bias of the last layer is zero
    kept = probes.silenced(alone, data, names[-1], slice(0, 0))
    np.testing.assert_allclose(kept, alone(data), atol=1e-6)
    refused(probes.silenced, alone, data, names[-1], slice(0, units[-1] + 1), match="beyond")


@few
@given(seeds, width, st.integers(1, 5))
def test_gradients_over_one_layer_and_over_time(seed, units, steps):
    point = keras.Input((3,))
    first = layers.Dense(units, name="first")(point)
    same = layers.Identity(name="same")(first)
    model = keras.Model(point, layers.Dense(1, activation="sigmoid")(same))
    ratio = probes.gradient_ratio(model, ("first", "same"), points(4, seed=seed), np.ones((4, 1)))
    assert ratio == pytest.approx(1)

    sequence = keras.Input((None, 3))
    lstm = layers.LSTM(units)
    model = keras.Model(sequence, layers.Dense(2, activation="softmax")(lstm(sequence)))
    data = np.random.default_rng(seed).normal(size=(2, steps, 3)).astype("float32")
    reaching = probes.gradient_over_time(model, data, np.eye(2))
    assert reaching.shape == (steps,)
    assert reaching[-1] == 1
    refused(probes.gradient_over_time, model, data[0], np.eye(2), match="sequences")
    refused(probes.gradient_over_time, model, data.astype(int), np.eye(2), match="sequences")
    probes.open_forget_gate(lstm, steps + 1)
    bias = lstm.get_weights()[2]
    np.testing.assert_allclose(bias[units : 2 * units], math.log(steps), rtol=1e-6)
    for bad in (1, 0, -3, 2.5):
        refused(probes.open_forget_gate, lstm, bad, match="steps")
    refused(probes.open_forget_gate, layers.LSTM(2), 5, match="bias")


@given(hnp.arrays("float32", (2, 3), elements=st.floats(-9, 9, width=32)), st.integers(1, 3))
def test_logged_activations_come_back_and_broken_ones_do_not(array, epochs):
    with folder() as place:
        with pytest.raises(FileNotFoundError):
            probes.logged_activations(place)
        for epoch in range(epochs):
            np.savez(place / f"activations_at_epoch_{epoch}.npz", told=array)
        told = probes.logged_activations(place)["told"]
        np.testing.assert_array_equal(told, np.concatenate([array] * epochs))
        last = place / f"activations_at_epoch_{epochs - 1}.npz"
        whole = last.read_bytes()
        last.write_bytes(whole[: len(whole) // 2])
        refused(probes.logged_activations, place, match="cannot be read")
        np.savez(last.with_name(f"activations_at_epoch_{epochs}.npz"), other=array)
        last.write_bytes(whole)
        refused(probes.logged_activations, place, match="other names")


# Training


@few
@given(st.dictionaries(st.sampled_from("abc"), st.lists(width, max_size=2), min_size=1), seeds)
def test_side_by_side_the_arms_say_what_they_say_alone(units, seed):
    arms = {arm: stack(*sizes, name=arm) for arm, sizes in units.items()}
    joint, data = training.side_by_side(arms), points(4, seed=seed)
    assert training.joint_outputs(arms) == {arm: (arm, "told") for arm in arms}
    for arm, told in joint({"point": data}).items():
        np.testing.assert_allclose(told, arms[arm](data), atol=1e-6)
    assert joint.count_params() == sum(model.count_params() for model in arms.values())
    arm, model = next(iter(arms.items()))
    refused(training.side_by_side, arms | {"same": model}, match="share a weight")
    two = {arm: stack(outputs=("x", "y"), name="two"), f"{arm}_x": stack(name="one")}
    refused(training.side_by_side, two, match="same name")
    refused(training.side_by_side, {arm: stack(name="z"), "w": stack(name="w", features=2)})


def task(samples=8):
    data = {"point": points(samples)}, {"told": np.eye(2)[np.arange(samples) % 2]}
    return synthetic.Task(train=data[0], train_targets=data[1], test=data[0], test_targets=data[1])


@given(no_sizes, st.text(max_size=4).filter(lambda text: text != "told"))
def test_a_training_of_nothing_is_refused(bad, name):
    train, one = training.train, {"arm": MODEL}
    options = {"epochs": 1, "batch_size": 4}
    for size in options:
        refused(train, one, TASK, "mse", "sgd", **(options | {size: bad}), match=size)
    refused(training.feed, TASK, bad, match="batch_size")
    refused(train, one, TASK, {name: "mse"}, "sgd", **options, match="loss has nothing")
    for what in ("sample_weight", "metrics"):
        refused(train, one, TASK, "mse", "sgd", **options, **{what: {name: 1}}, match=what)
    weights = {"arm": {name: 1.0}}
    refused(train, one, TASK, "mse", "sgd", **options, loss_weights=weights, match="loss_weights")


MODEL, TASK = stack(2), task()


@few
@given(st.integers(1, 3), st.integers(1, 9), seeds)
def test_a_training_can_be_rewound_and_fed_by_hand(epochs, batch_size, seed):
    model, fed = stack(2), training.feed(task(), batch_size)
    fed = fed | {"y": fed["y"]["told"], "validation_data": (fed["x"], fed["y"]["told"])}
    model.compile("sgd", "mse", run_eagerly=True)
    training.settle(model, fed["y"])
    begin = model.get_weights()
    rewind = training.rewinder(model, seed)
    accuracy = training.Accuracy(fed["x"], fed["y"])
    ends = []
    for _ in range(2):
        rewind()
        assert all(map(np.array_equal, begin, model.get_weights()))
        history = model.fit(**fed, epochs=epochs, callbacks=[accuracy]).history
        ends.append(model.get_weights())
        assert 0 <= history["val_accuracy"][-1] <= 1
    assert all(map(np.array_equal, *ends))
    assert training.validation_loss(model, fed) == pytest.approx(history["val_loss"][-1], rel=1e-5)
    # A training that diverged: its NaN count as they do in Keras.
    model.set_weights([np.full_like(weight, np.nan) for weight in begin])
    logs = {}
    accuracy.on_epoch_end(0, logs)
    assert logs["val_accuracy"] == 0.5
    two = synthetic.Task(train={"a": 1, "b": 2}, train_targets=0, test={}, test_targets=0)
    refused(training.feed, two, match="inputs")


@few
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), width, st.integers(2, 4), no_sizes)
def test_candidates_of_any_widths_are_classifiers(widths, features, classes, bad):
    model = candidates.build(widths, 2.0, features, classes)
    told = model(np.ones((2, features))).numpy()
    assert told.shape == (2, len(widths), classes)
    np.testing.assert_allclose(told.sum(axis=-1), 1, rtol=1e-5)
    units = max(widths)
    one = features * units + units + units * classes + classes
    assert model.count_params() == len(widths) * one
    refused(candidates.build, [*widths, bad], match="widths")
    refused(candidates.build, [], match="candidates")
    refused(candidates.build, widths, [1.0] * (len(widths) + 1), match="scales")
    refused(candidates.build, widths, features=bad, match="features")
    refused(candidates.build, widths, classes=bad, match="classes")
    rates = np.ones(len(widths) + 1)
    refused(candidates.train, None, model, TASK, rates, 1, 1, match="rates")


def tell(callback, logs):
    """Give a callback that has a model the logs of an epoch."""
    callback.set_model(MODEL)
    callback.on_epoch_end(0, logs)


@given(st.floats(0, 1), st.floats(0, 1), no_shares, st.integers(-9, -1))
def test_callbacks_act_on_what_is_logged_and_on_nothing_else(value, target, bad, negative):
    MODEL.stop_training = False
    tell(callbacks.StopAt("loss", target), {"loss": value})
    assert MODEL.stop_training == (value >= target)
    refused(tell, callbacks.StopAt("acc", target), {"loss": value}, match="monitor is 'acc'")
    trial = SimpleNamespace(report=pytest.fail)
    kept = callbacks.BackToTheBest(Path("x.weights.h5"))
    refused(tell, kept, {"loss": value}, match="monitor is 'val_loss'")
    refused(tell, search.Pruning(trial, "acc"), {"loss": value}, match="monitor is 'acc'")
    refused(callbacks.BackToTheBest, Path("x.weights.h5"), bad, match="factor")
    refused(callbacks.Freeze, MODEL.layers[0], negative, match="at is")


# Diagrams


@few
@given(st.lists(width, min_size=1, max_size=4), st.booleans(), st.integers(1, 3))
def test_a_diagram_has_every_layer_below_what_goes_into_it(units, merged, calls):
    point = keras.Input((2,), name="point")
    x = point
    for n, size in enumerate(units):
        x = layers.Dense(size, name=f"layer_{n}")(x)
    again = layers.Dense(units[-1], name="again")
    for _ in range(calls):
        x = again(x)
    if merged:
        x = layers.concatenate([x, point], name="merged")
    model = keras.Model(point, x, name="model")
    graph = diagram.graph_of(model)
    assert isinstance(graph, diagram.Graph)
    assert set(graph.boxes) == {layer.name for layer in model.layers}
    assert all(isinstance(box, diagram.Box) for box in graph.boxes.values())
    assert diagram.Edge("point", "layer_0", 0) in graph.edges
    assert graph.boxes["again"].kind == ("shared" if calls > 1 else "layer")
    for edge in graph.edges:
        above, below = graph.ranks[edge.source], graph.ranks[edge.target]
        assert above < below or edge.source == edge.target
    places, _ = diagram.place(graph)
    assert np.isfinite(list(places.values())).all()
    drawn = diagram.draw(model, "a title").axes[0]
    assert {f"layer_{n}" for n in range(len(units))} <= {text.get_text() for text in drawn.texts}
    refused(diagram.draw, keras.Sequential([layers.Dense(1)]), "it", match="not a functional")
    refused(diagram.graph_of, keras.Sequential([layers.Dense(1)]), match="not a functional")


nested = st.recursive(
    st.integers() | st.just({"class_name": "__keras_tensor__", "config": {"shape": 1}}),
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=2), of, max_size=3),
)
way = st.lists(st.tuples(st.floats(0, 9), st.floats(-9, 0)), min_size=2, max_size=5)


@given(nested, way)
def test_tensors_are_found_at_any_depth_and_paths_end_where_they_should(structure, stops):
    assert len(list(diagram.tensors(structure))) == str(structure).count("__keras_tensor__")
    for path in (diagram.smooth(stops), diagram.around(stops, 20.0)):
        assert tuple(path.vertices[0]) == stops[0]
        assert tuple(path.vertices[-1]) == stops[-1]
