"""Weights of an ensemble and the diversity of its members, on cases worked out by hand."""

import numpy as np
import pytest

from ch07 import ensembles

TARGET = np.array([[1], [1], [0], [0]])
# The first is right on all, the second on none, the third on every other one.
PREDICTED = np.array([[0.9, 0.3, 0.6], [0.8, 0.2, 0.4], [0.2, 0.7, 0.1], [0.1, 0.9, 0.6]])


def test_random_weights_sum_to_one_and_begin_with_equal_ones():
    weights = ensembles.random_weights(np.random.default_rng(0), 3, 50)
    assert weights.shape == (50, 3)
    np.testing.assert_allclose(weights[0], 1 / 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.min() >= 0
    assert len(np.unique(weights, axis=0)) == 50


def test_accuracies_of_weighted_averages():
    weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]])
    told = ensembles.accuracies(PREDICTED, TARGET, weights)
    # Half and half: 0.6, 0.5, 0.45, 0.5; a half counts as the first class.
    np.testing.assert_array_equal(told, [1.0, 0.0, 0.5, 0.75])


def test_learned_weights_are_the_mean_of_the_best():
    candidates = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0.8, 0, 0.2]])
    learn = ensembles.learn_weights
    np.testing.assert_allclose(learn(PREDICTED, TARGET, candidates, keep=1), [1, 0, 0])
    np.testing.assert_allclose(learn(PREDICTED, TARGET, candidates, keep=2), [0.9, 0, 0.1])


def test_correlations_of_errors():
    target = np.array([[1], [1], [0], [0]])
    one, opposite, crossed = [0.1, 0.2, 0.3, 0.4], [0.9, 0.8, 0.7, 0.6], [0.1, 0.9, 0.9, 0.1]
    predicted = np.column_stack([one, one, opposite, crossed])
    told = ensembles.error_correlations(predicted, target)
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(told, expected, atol=1e-12)
    assert ensembles.mean_correlation(told) == pytest.approx((1 - 1 - 1) / 6)


def test_gains_over_the_mean_and_over_the_best():
    # Together: 0.6, 0.467, 0.333, 0.533, right on two of four; alone: all, none, two.
    over_mean, over_best = ensembles.gains(PREDICTED, TARGET)
    assert over_mean == pytest.approx(0)
    assert over_best == pytest.approx(-0.5)
    two = ensembles.gains(PREDICTED[:, [0, 2]], TARGET)
    assert two == (pytest.approx(0.25), pytest.approx(0))
