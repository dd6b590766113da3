"""Scores and probes, on cases worked out by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from ch07 import probes, scores


def test_accuracy_of_classes_and_of_yes_or_no():
    told = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    assert scores.accuracy(told, np.eye(2)[[0, 1, 1, 1]]) == 0.75
    assert scores.accuracy(told[:, 1:], np.array([[0], [1], [1], [0]])) == 0.5
    assert scores.accuracies(told, np.array([[1, 0], [0, 1], [0, 0], [0, 1]])) == [0.75, 1.0]


@pytest.mark.parametrize("metric", ["CategoricalAccuracy", "BinaryAccuracy"])
def test_a_model_that_has_diverged_is_right_as_often_as_keras_says(metric):
    columns = slice(None) if metric == "CategoricalAccuracy" else slice(1, None)
    told = np.array([[np.nan, np.nan], [np.nan, np.nan], [0.9, 0.1], [0.2, 0.8]])[:, columns]
    target = np.eye(2)[[0, 1, 1, 1], columns].reshape(4, -1)
    counted = getattr(keras.metrics, metric)()
    counted.update_state(target, told)
    assert scores.accuracy_as_in_keras(told, target) == float(counted.result()) == 0.5


@pytest.mark.parametrize("score", [scores.accuracy, scores.r2, scores.rmse])
def test_shapes_must_agree(score):
    with pytest.raises(ValueError, match="differ in shape"):
        score(np.zeros((3, 1)), np.zeros(3))


def test_r2_and_rmse():
    target = np.array([[1.0], [2.0], [3.0]])
    assert scores.r2(target, target) == 1
    assert scores.r2(np.full((3, 1), 2.0), target) == 0
    assert scores.rmse(target + 2, target) == 2


def test_shares_of_weighted_losses():
    shared = scores.shares({"a": 30.0, "b": 2.0}, {"a": 0.1, "b": 0.5})
    assert shared == {"a": 0.75, "b": 0.25}


def test_precision_recall_and_the_best_threshold():
    true = np.array([True, False, True, True, False])
    value = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    assert scores.precision_and_recall(value >= 0.7, true) == (2 / 3, 2 / 3)
    assert scores.precision_and_recall(value > 1, true) == (0, 0)
    assert scores.best_threshold(value, true) == 0.6


def chain(*weights):
    """Linear layers of one unit, named w0, w1, ..., with the weights given, then a sigmoid."""
    x = inputs = keras.Input((1,))
    for n, weight in enumerate(weights):
        start = keras.initializers.Constant(weight)
        x = layers.Dense(1, use_bias=False, kernel_initializer=start, name=f"w{n}")(x)
    return keras.Model(inputs, layers.Activation("sigmoid")(x))


def test_the_gradient_ratio_is_the_product_of_the_weights_between():
    model = chain(1.0, 0.5, 0.1, 3.0)
    inputs, targets = np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")
    ratio = probes.gradient_ratio(model, ("w0", "w2"), inputs, targets)
    assert ratio == pytest.approx(0.05, rel=1e-5)


def test_the_gradient_over_time_is_zero_where_nothing_is_read():
    sequence = keras.Input((5, 2))
    read = layers.Dense(3, activation="softmax")(sequence[:, -1] + 0.5 * sequence[:, 1])
    targets = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    sequences = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    curve = probes.gradient_over_time(keras.Model(sequence, read), sequences, targets)
    assert curve == pytest.approx([0, 0.5, 0, 0, 1], abs=1e-6)


def test_an_open_forget_gate_loses_one_in_n():
    lstm = layers.LSTM(4)
    lstm.build((None, None, 3))
    before = lstm.get_weights()
    probes.open_forget_gate(lstm, steps=40)
    after = lstm.get_weights()
    gate = 1 / (1 + np.exp(-after[2].reshape(4, 4)))  # input, forget, cell, output
    assert gate[1] == pytest.approx([1 - 1 / 40] * 4)
    assert (after[2].reshape(4, 4)[[0, 2, 3]] == before[2].reshape(4, 4)[[0, 2, 3]]).all()
    assert (after[0] == before[0]).all()
    assert (after[1] == before[1]).all()


def test_a_silenced_part_says_nothing():
    inputs = keras.Input((3,))
    features = layers.Dense(4, name="features")(inputs)
    model = keras.Model(inputs, layers.Dense(2, bias_initializer="ones")(features))
    some = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    assert (probes.silenced(model, some, "features", slice(0, 4)) == 1).all()
    nothing = probes.silenced(model, some, "features", slice(0, 0))
    np.testing.assert_array_equal(nothing, model(some).numpy())


def test_losses_by_output():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, [layers.Identity(name="a")(inputs), layers.ReLU(name="b")(inputs)])
    some = np.array([[1.0, -1.0]], "float32")
    zero = np.zeros((1, 2), "float32")
    told = probes.losses(model, some, {"a": zero, "b": zero}, {"a": "mse", "b": "mae"})
    assert told == {"a": 1.0, "b": 0.5}


def test_neighbours_are_found_by_direction_and_a_word_is_not_its_own():
    vectors = np.array([[1.0, 0], [9, 1], [0, 1], [1, 9]])
    assert scores.same_kind_neighbours(vectors, np.array(["a", "a", "b", "b"])) == 1
    assert scores.same_kind_neighbours(vectors, np.array(["a", "b", "a", "b"])) == 0
    assert scores.same_kind_neighbours(vectors, np.array(["a", "a", "b", "c"])) == 0.5


def test_principal_components_are_those_of_the_covariance():
    points = np.random.default_rng(0).normal(size=(200, 4)) * [1, 5, 2, 0.1] + 7
    places, shares = scores.principal_components(points)
    values = np.sort(np.linalg.eigvalsh(np.cov(points.T)))[::-1]
    assert places.shape == (200, 3)
    np.testing.assert_allclose(places.var(axis=0, ddof=1), values[:3])
    np.testing.assert_allclose(shares, values[:3] / values.sum())


def test_kinds_are_told_by_the_nearest_mean_and_weigh_the_same():
    values = np.array([0.0, 0, 0, 0, 0, 0, 10, 1])
    kinds = np.array(["a"] * 6 + ["b"] * 2)
    # The means are 0 and 5.5: all of a are told right and half of b.
    assert scores.told_by_mean(values, kinds) == 0.75
