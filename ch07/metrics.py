"""How well predictions do: the few scores that the lessons use, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ch07 import checks


def alike(predicted: np.ndarray, target: np.ndarray, form: str = "samples, outputs") -> None:
    """Check that the two have the same shape, such as `form` says, and nothing but numbers.

    Raises:
        ValueError: they differ in shape, are empty, or have a NaN.
    """
    if np.shape(predicted) != np.shape(target):
        raise ValueError(
            f"Predictions {np.shape(predicted)} and targets {np.shape(target)} differ in shape."
        )
    checks.shaped(form, predicted=predicted, target=target)


def accuracy(predicted: np.ndarray, target: np.ndarray) -> float:
    """The share of right answers.

    Args:
        predicted: probabilities, shape (n, classes), or (n, 1) for the second of two classes.
        target: of the same shape: one-hot rows, or 0 and 1.
    """
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


def accuracies(predicted: np.ndarray, target: np.ndarray) -> list[float]:
    """The share of right answers for each of several yes-or-no questions: (n, questions) each."""
    alike(predicted, target)
    return [accuracy(predicted[:, [n]], target[:, [n]]) for n in range(target.shape[1])]


def r2(predicted: np.ndarray, target: np.ndarray) -> float:
    """The share of the variance of `target` that is predicted: 1 is perfect, 0 is the mean's."""
    alike(predicted, target)
    if not np.var(target):
        raise ValueError("target is the same for all samples: there is no variance to predict.")
    return float(1 - np.mean((predicted - target) ** 2) / np.var(target))


def best_mix(predictions: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    """The linear mix of several `predictions`, (n, 1) each, that is nearest to `target`: (n, 1).

    With free weights and a constant, fitted on `target` itself: no honest mix does better.
    """
    design = np.hstack([*predictions, np.ones_like(target)])
    return design @ np.linalg.lstsq(design, target, rcond=None)[0]


def precision_and_recall(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Of what was `found` (booleans) the share that is `true`; of what is true the share found."""
    alike(found, true, "things")
    if found.dtype != bool or true.dtype != bool or not true.any():
        raise ValueError("found and true have to be booleans, and something has to be true.")
    hits = (found & true).sum()
    return float(hits / max(found.sum(), 1)), float(hits / true.sum())


def best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    """The score from which on saying "true" gives the best F1, the mean of precision and recall.

    Args:
        scores: shape (n,), higher for what is more likely true.
        true: booleans, shape (n,), not all of them False.
    """
    alike(scores, true, "things")
    if true.dtype != bool or not true.any():
        raise ValueError("true has to be booleans, not all of them False.")
    order = np.argsort(-scores, kind="stable")
    hits = true[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + true.sum())
    # Equal scores are on the same side of every threshold.
    last = np.append(np.diff(scores[order]) != 0, True)
    return float(scores[order][np.where(last, f1, 0).argmax()])


def same_kind_neighbours(vectors: np.ndarray, kinds: np.ndarray) -> float:
    """The share of words whose nearest neighbour by cosine is a word of the same kind.

    Args:
        vectors: (words, dimensions), none of them zero.
        kinds: (words,).
    """
    checks.shaped("words, dimensions", vectors=vectors)
    checks.enough("The number of words", len(vectors), 2, "neighbours")
    if np.shape(kinds) != (len(vectors),) or not np.any(vectors, axis=1).all():
        raise ValueError("Every word needs a kind, and a vector that is not zero.")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)  # a word is not its own neighbour
    return float(np.mean(kinds[likeness.argmax(axis=1)] == kinds))


def principal_components(vectors: np.ndarray, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates, (points, count), and the share of the variance that each of them has, (count,).

    Args:
        vectors: (points, dimensions).
        count: how many components, the largest first.
    """
    checks.shaped("points, dimensions", vectors=vectors)
    checks.between(1, min(vectors.shape), count=checks.whole(count=count))
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    if not sizes[0]:
        raise ValueError("vectors are all the same: there is no variance to have a share of.")
    return left[:, :count] * sizes[:count], (sizes**2 / np.sum(sizes**2))[:count]
