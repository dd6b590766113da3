"""How well predictions do: the few scores that the lessons use, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def accuracy(predicted: np.ndarray, target: np.ndarray) -> float:
    """The share of right answers.

    Args:
        predicted: probabilities, shape (n, classes), or (n, 1) for the second of two classes.
        target: of the same shape: one-hot rows, or 0 and 1.
    """
    if predicted.shape != target.shape:
        raise ValueError(
            f"Predictions {predicted.shape} and targets {target.shape} differ in shape."
        )
    if predicted.shape[1] == 1:
        return float(np.mean((predicted > 0.5) == (target > 0.5)))
    return float(np.mean(predicted.argmax(axis=1) == target.argmax(axis=1)))


def accuracies(predicted: np.ndarray, target: np.ndarray) -> list[float]:
    """The share of right answers for each of several yes-or-no questions: (n, questions) each."""
    return [accuracy(predicted[:, [n]], target[:, [n]]) for n in range(target.shape[1])]


def shares(losses: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """What each weighted loss contributes to their sum, by name."""
    total = sum(weights[name] * losses[name] for name in losses)
    return {name: weights[name] * losses[name] / total for name in losses}


def r2(predicted: np.ndarray, target: np.ndarray) -> float:
    """The share of the variance of `target` that is predicted: 1 is perfect, 0 is the mean's."""
    if predicted.shape != target.shape:
        raise ValueError(
            f"Predictions {predicted.shape} and targets {target.shape} differ in shape."
        )
    return float(1 - np.mean((predicted - target) ** 2) / np.var(target))


def rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    """The root of the mean squared error, in the unit of `target`."""
    if predicted.shape != target.shape:
        raise ValueError(
            f"Predictions {predicted.shape} and targets {target.shape} differ in shape."
        )
    return float(np.sqrt(np.mean((predicted - target) ** 2)))


def precision_and_recall(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Of what was `found` (booleans) the share that is `true`; of what is true the share found."""
    hits = (found & true).sum()
    return float(hits / max(found.sum(), 1)), float(hits / true.sum())


def best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    """The score from which on saying "true" gives the best F1, the mean of precision and recall.

    Args:
        scores: shape (n,), higher for what is more likely true.
        true: booleans, shape (n,).
    """
    order = np.argsort(-scores, kind="stable")
    hits = true[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + true.sum())
    return float(scores[order][f1.argmax()])


def same_kind_neighbours(vectors: np.ndarray, kinds: np.ndarray) -> float:
    """The share of words whose nearest neighbour by cosine is a word of the same kind.

    Args:
        vectors: (words, dimensions), none of them zero.
        kinds: (words,).
    """
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
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :count] * sizes[:count], (sizes**2 / np.sum(sizes**2))[:count]


def told_by_mean(values: np.ndarray, kinds: np.ndarray) -> float:
    """How well one number tells kinds apart: each is taken for the kind with the nearest mean.

    Returns:
        The share told right, averaged over kinds, so that chance is 1 / kinds.

    Args:
        values, kinds: (points,).
    """
    names = np.unique(kinds)
    means = np.array([values[kinds == name].mean() for name in names])
    told = names[np.abs(values[:, None] - means).argmin(axis=1)]
    return float(np.mean([np.mean(told[kinds == name] == name) for name in names]))
