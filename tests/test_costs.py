"""What a model costs is counted right: against Keras, and against a count by brute force."""

import keras
import numpy as np
import pytest
from keras import layers

from ch07 import costs


@pytest.mark.parametrize("separable", [False, True])
def test_the_formula_is_keras_count(separable):
    convolution = layers.SeparableConv2D if separable else layers.Conv2D
    model = keras.Sequential([keras.Input((9, 9, 5)), convolution(7, 3)])
    assert model.count_params() == costs.convolution_parameters(3, 5, 7, separable)


def by_brute_force(size, window, inputs, outputs, separable):
    """The products of a convolution without padding, one by one."""
    count = 0
    for _position in np.ndindex(size - window + 1, size - window + 1):
        if separable:
            count += sum(1 for _ in np.ndindex(window, window, inputs))
            count += sum(1 for _ in np.ndindex(inputs, outputs))
        else:
            count += sum(1 for _ in np.ndindex(window, window, inputs, outputs))
    return count


@pytest.mark.parametrize("separable", [False, True])
def test_multiply_adds_are_those_of_brute_force(separable):
    convolution = layers.SeparableConv2D if separable else layers.Conv2D
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            convolution(4, 3),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    expected = by_brute_force(6, 3, 3, 4, separable) + 2 * 2 * 4 * 5
    assert costs.multiply_adds(model) == expected


def test_a_layer_that_cannot_be_counted_is_refused():
    model = keras.Sequential([keras.Input((6, 2)), layers.LSTM(3)])
    with pytest.raises(ValueError, match="LSTM"):
        costs.multiply_adds(model)


def test_jobs_take_turns_and_the_first_turn_is_not_timed(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(costs.time, "perf_counter", lambda: clock[0])

    def job(name, seconds):
        def work():
            clock[0] += 100.0 if name not in calls else seconds
            calls.append(name)

        return work

    told = costs.median_seconds({"a": job("a", 2.0), "b": job("b", 3.0)}, repetitions=3)
    assert calls == ["a", "b"] * 4
    assert told == {"a": 2.0, "b": 3.0}
