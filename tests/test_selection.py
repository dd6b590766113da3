"""Choosing the best of many, on cases worked out by hand and against the theory."""

import numpy as np
import pytest

from ch07 import selection


def test_the_best_so_far_and_what_it_is_worth():
    validation = np.array([[0.5, 0.4, 0.7, 0.7], [0.2, 0.6, 0.1, 0.8]])
    test = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    promised, worth = selection.best_so_far(validation, test)
    np.testing.assert_allclose(promised, [0.35, 0.55, 0.65, 0.75])
    # Of two that are equal the first is kept: 0.3 and not 0.4.
    np.testing.assert_allclose(worth, [0.3, 0.35, 0.45, 0.55])


def test_a_search_tests_on_every_sample_that_it_does_not_validate_on():
    rng = np.random.default_rng(0)
    right = rng.random((60, 5)) < [0.1, 0.3, 0.5, 0.7, 0.9]
    validation, test = selection.searches(rng, right, size=20, repeats=30)
    assert validation.shape == test.shape == (30, 5)
    hits = validation * 20 + test * 40
    np.testing.assert_allclose(np.sort(hits), np.sort(np.tile(right.sum(axis=0), (30, 1))))
    assert len(np.unique(validation, axis=0)) > 25  # a validation set for each
    assert len(np.unique(hits.argmax(axis=1))) == 5  # and an order


def test_a_search_needs_samples_to_test_on():
    with pytest.raises(ValueError, match="leave none"):
        selection.searches(np.random.default_rng(0), np.ones((20, 3), bool), size=20, repeats=1)


def test_coins_are_worth_a_half_and_promise_what_the_theory_says():
    validation, test = selection.coin_searches(np.random.default_rng(0), 200, 10, 4000)
    assert validation.shape == (4000, 10)
    assert (test == 0.5).all()
    promised, worth = selection.best_so_far(validation, test)
    assert (worth == 0.5).all()
    deviation = 0.5 / 200**0.5
    assert promised[0] == pytest.approx(0.5, abs=0.002)
    expected = 0.5 + deviation * selection.expected_maximum(10)
    assert promised[-1] == pytest.approx(expected, abs=0.002)


def test_the_expected_maximum_is_that_of_the_tables():
    # Of 1, 2 and 3: 0, 1 / sqrt(pi), 3 / (2 sqrt(pi)); of 10: Teichroew (1956).
    expected = [0, np.pi**-0.5, 1.5 * np.pi**-0.5, 1.53875]
    told = [selection.expected_maximum(count) for count in (1, 2, 3, 10)]
    np.testing.assert_allclose(told, expected, atol=1e-5)
