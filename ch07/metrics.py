"""How well predictions do: the few scores that the lessons use, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


def alike(predicted: np.ndarray, target: np.ndarray) -> None:
    """Refuse what NumPy would broadcast, with a ValueError."""
    shapes = np.shape(predicted), np.shape(target)
    if shapes[0] != shapes[1]:
        raise ValueError("Predictions {} and targets {} differ in shape.".format(*shapes))


def accuracy(predicted: np.ndarray, target: np.ndarray) -> float:
    """The share of right answers; `target` has one-hot rows, or 0 and 1, or numbers of classes.

    predicted: probabilities, shape (n, classes), or (n, 1) for the second of two classes.
    """
    if target.size == len(predicted) < predicted.size:
        return float(np.mean(predicted.argmax(axis=1) == target.reshape(-1)))
    alike(predicted, target)
    if predicted.shape[1] == 1:
        return float(np.mean((predicted > 0.5) == (target > 0.5)))
    return float(np.mean(predicted.argmax(axis=1) == target.argmax(axis=1)))


def score(measure: Any, predicted: np.ndarray, target: np.ndarray) -> float:
    """What `measure`, a metric or a loss as `compile` takes it, says of predictions.

    Of a model that has diverged, an accuracy takes NaN for the first class, as Keras does.
    """
    if measure in ("accuracy", "acc"):
        return accuracy(np.nan_to_num(predicted), target)
    known = keras.metrics.get(measure)
    if isinstance(known, keras.metrics.Metric):
        known.update_state(target, predicted)
        return float(known.result())
    return float(np.mean(known(target, predicted)))


def r2(predicted: np.ndarray, target: np.ndarray) -> float:
    """The share of the variance of `target` that is predicted: 1 is perfect, 0 is the mean's."""
    alike(predicted, target)
    return score("r2_score", predicted, target)


def best_mix(predictions: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    """The linear mix of several `predictions`, (n, 1) each, that is nearest to `target`: (n, 1).

    With free weights and a constant, fitted on `target` itself: no honest mix does better.
    """
    design = np.hstack([*predictions, np.ones_like(target)])
    return design @ np.linalg.lstsq(design, target, rcond=None)[0]


def precision_and_recall(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Of what was `found` (booleans) the share that is `true`; of what is true the share found."""
    hits = (found & true).sum()
    return float(hits / max(found.sum(), 1)), float(hits / max(true.sum(), 1))


def best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    """The score from which on saying "true" gives the best F1, the mean of precision and recall.

    scores: (n,), higher for what is more likely true. true: (n,) booleans.
    """
    scores, true = np.ravel(scores), np.ravel(true)
    order = np.argsort(-scores, kind="stable")
    hits = true[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + true.sum())
    # Equal scores are on the same side of every threshold.
    last = np.append(np.diff(scores[order]) != 0, True)
    return float(scores[order][np.where(last, f1, 0).argmax()])


def same_kind_neighbours(vectors: np.ndarray, kinds: np.ndarray) -> float:
    """The share of words, (words, dimensions), whose nearest by cosine is of the same kind.

    NaN, if there are no words.
    """
    if not len(kinds):
        return float("nan")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)  # a word is not its own neighbour
    return float(np.mean(kinds[likeness.argmax(axis=1)] == kinds))


def principal_components(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of (points, dimensions), (points, count), and their shares of the variance."""
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :count] * sizes[:count], (sizes**2 / np.sum(sizes**2))[:count]
