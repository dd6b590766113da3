"""Scores, on cases worked out by hand; and arguments that are refused, named, in a sentence."""

import keras
import numpy as np
import pytest

from ch07 import checks, metrics


def test_accuracy_of_classes_of_yes_or_no_and_of_a_model_that_has_diverged():
    predicted = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    target, yes = np.eye(2)[[0, 1, 1, 1]], np.array([[0], [1], [1], [0]])
    assert metrics.accuracy(predicted, target) == 0.75
    assert metrics.accuracy(predicted[:, 1:], yes) == 0.5
    for numbers in ([0, 1, 1, 1], [[0], [1], [1], [1]]):
        assert metrics.accuracy(predicted, np.array(numbers)) == 0.75
    predicted[:2] = np.nan  # which is right as often as Keras says
    classes = keras.metrics.CategoricalAccuracy(), predicted, target
    answers = keras.metrics.BinaryAccuracy(), predicted[:, 1:], yes
    for metric, said, true in (classes, answers):
        metric.update_state(true, said)
        assert metrics.score("accuracy", said, true) == float(metric.result())


def test_a_score_is_what_keras_says_of_the_metric_or_the_loss():
    target, predicted = np.array([[1.0], [2.0], [3.0]]), np.array([[1.5], [2.0], [2.0]])
    assert metrics.score("mae", predicted, target) == pytest.approx(0.5)
    assert metrics.score("mse", predicted, target) == pytest.approx(1.25 / 3)
    assert metrics.score("r2_score", predicted, target) == pytest.approx(1 - 1.25 / 2)
    assert metrics.r2(predicted, target) == pytest.approx(1 - 1.25 / 2)
    for score in (metrics.accuracy, metrics.r2):
        with pytest.raises(ValueError, match="differ in shape"):
            score(np.zeros((3, 1)), np.zeros(3))


def test_precision_recall_and_the_best_threshold():
    true = np.array([True, False, True, True, False])
    value = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    assert metrics.precision_and_recall(value >= 0.7, true) == (2 / 3, 2 / 3)
    assert metrics.precision_and_recall(value > 0.5, true) == (3 / 4, 1)
    assert metrics.precision_and_recall(value > 1, true) == (0, 0)
    assert metrics.precision_and_recall(true, value > 1) == (0, 0)
    assert (
        metrics.best_threshold(value, true) == metrics.best_threshold(value[:, None], true) == 0.6
    )
    # Equal scores are on the same side: from 0.5 on 2 of 4 are true, from 0.9 on 1 of 1.
    tied, true = np.array([0.9, 0.5, 0.5, 0.5]), np.array([True, True, False, False])
    assert metrics.best_threshold(tied, true) == 0.9


def test_neighbours_are_found_by_direction_and_a_word_is_not_its_own():
    vectors = np.array([[1.0, 0], [9, 1], [0, 1], [1, 9]])
    for kinds, share in {"aabb": 1, "abab": 0, "aabc": 0.5}.items():
        assert metrics.same_kind_neighbours(vectors, np.array([*kinds])) == share


def test_principal_components_are_those_of_the_covariance():
    points = np.random.default_rng(0).normal(size=(200, 4)) * [1, 5, 2, 0.1] + 7
    places, shares = metrics.principal_components(points, 3)
    values = np.sort(np.linalg.eigvalsh(np.cov(points.T)))[::-1]
    assert places.shape == (200, 3)
    np.testing.assert_allclose(places.var(axis=0, ddof=1), values[:3])
    np.testing.assert_allclose(shares, values[:3] / values.sum())


@pytest.mark.parametrize("value", [0, -1, True, 2.0, float("nan"), None, "3"])
def test_a_whole_number_is_one_from_the_least(value):
    checks.whole(size=1, other=np.int64(3))
    checks.whole(0, size=0)
    sentence = rf"^size is {value!r}: a whole number from 1 is needed\.$"
    with pytest.raises(ValueError, match=sentence):
        checks.whole(size=value)


def test_what_is_monitored_is_logged():
    logs = {"loss": 1, "accuracy": 2}
    assert checks.monitored(logs, "accuracy") == 2
    for monitor, ending in {"acc": "accuracy", "val_loss": "needed, and validation_freq=1"}.items():
        with pytest.raises(ValueError, match=rf"^monitor is '{monitor}', .* loss, .*{ending}\.$"):
            checks.monitored(logs, monitor)
