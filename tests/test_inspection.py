"""What is read out of trained models, on models whose answers are known."""

import keras
import numpy as np
import pytest
from keras import layers

import ch0701_functional_api as functional_api
from ch07 import data, inspection, metrics


def test_the_gradient_ratio_is_the_product_of_the_weights_between_the_calls_of_this_model():
    weights = enumerate(map(keras.initializers.Constant, (1.0, 0.5, 0.1, 3.0)))
    stack = [layers.Dense(1, None, False, weight, name=f"w{n}") for n, weight in weights]
    for layer in stack:
        layer(keras.Input((1,)))  # a call that is none of the model's
    model = keras.Sequential([keras.Input((1,)), *stack, layers.Activation("sigmoid")])
    x, y = np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")
    norms = inspection.gradient_over_layers(model, ("w0", "w1", "w2"), x, y)
    assert norms == pytest.approx([0.05, 0.1, 1], rel=1e-5)
    with pytest.raises(ValueError, match=r"No gradient reaches the call \['activation"):
        inspection.gradient_over_layers(model, ("w0", model.layers[-1].name), x, y)

    point, w = keras.Input((1,)), stack[1]
    shared = keras.Model(point, layers.Activation("sigmoid")(w(w(point))))
    names = ("w1_call_1", "w1_call_2")
    assert inspection.gradient_ratio(shared, names, x, y) == pytest.approx(0.5, rel=1e-5)
    with pytest.raises(ValueError, match="makes no call"):
        inspection.gradient_ratio(shared, ("w1", "w2"), x, y)


def test_gradients_are_those_of_training_which_leave_moving_averages_alone():
    seen = []

    class Listener(layers.Layer):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs

    stack = [layers.Dense(4, name="first"), layers.BatchNormalization(), Listener(name="last")]
    model = keras.Sequential([keras.Input((3,)), *stack, layers.Dense(1, "sigmoid")])
    before, points = model.get_weights(), np.random.default_rng(0).normal(size=(8, 3))
    inspection.gradient_over_layers(model, ("first", "last"), points, np.ones((8, 1)))
    assert seen[-1] is True
    np.testing.assert_equal(model.get_weights(), before)


def test_the_gradient_over_time_is_zero_where_nothing_is_read():
    sequence = keras.Input((5, 2))
    read = layers.Dense(3, activation="softmax")(sequence[:, -1] + 0.5 * sequence[:, 1])
    targets = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    model = keras.Model(sequence, read)
    curve = inspection.gradient_over_time(model, np.ones((4, 5, 2)), targets)
    assert curve == pytest.approx([0, 0.5, 0, 0, 1], abs=1e-6)


def test_an_open_forget_gate_loses_one_in_n():
    lstm = layers.LSTM(4)
    lstm.build((None, None, 3))
    before = lstm.get_weights()
    inspection.open_forget_gate(lstm, steps=40)
    after = lstm.get_weights()
    gates, closed = after[2].reshape(4, 4), before[2].reshape(4, 4)  # input, forget, cell, output
    assert 1 / (1 + np.exp(-gates[1])) == pytest.approx([1 - 1 / 40] * 4)
    np.testing.assert_equal(gates[[0, 2, 3]], closed[[0, 2, 3]])
    np.testing.assert_equal(after[:2], before[:2])


def test_all_pairs_are_scored_as_each_is_and_the_threshold_is_that_of_the_list_to_practise_on():
    sentences = data.sentences(0, train=8, test=8)
    siamese, practice = functional_api.build_siamese_lstm(length=6), sentences.practice
    first, second = (practice.sentences[n] for n in np.triu_indices(len(practice.sentences), k=1))
    one_by_one = siamese([first, second]).numpy()[:, 0]
    scores = inspection.score_all_pairs(siamese, practice.sentences)
    assert scores == pytest.approx(one_by_one, abs=1e-6)
    found = inspection.find_duplicates(siamese, sentences)
    assert found["threshold"] == metrics.best_threshold(scores, practice.duplicate)
    assert found["scores"].shape == found["duplicate"].shape == (70 * 69 // 2,)
    assert found["share"] == pytest.approx(30 / found["scores"].size)
    said = found["scores"] >= found["threshold"]
    assert found["precision"] == pytest.approx(found["duplicate"][said].mean())
    assert found["recall"] == pytest.approx(said[found["duplicate"]].mean())


def test_accuracy_by_question_takes_each_question_alone():
    x = keras.Input((2,))
    half = keras.Model(x, layers.Lambda(lambda values: 0.4 + values)(x))
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], "float32")
    parts = {"train": targets, "train_targets": targets, "test": targets * [1, 0]}
    task = data.Task(**parts, test_targets=targets)
    assert inspection.accuracy_by_question({"it": half}, task) == {"it": [1.0, 0.5]}
