"""Averages of the predictions of several classifiers: their weights, and how members differ.

On NumPy arrays alone. `predicted` is always (samples, members): the probability that each member
gives to the second of two classes; `target` is (samples, 1), 0 or 1. Other shapes and a NaN are
refused with a ValueError.
"""

from __future__ import annotations

import numpy as np

from ch07 import checks, scores


def check(predicted: np.ndarray, target: np.ndarray) -> None:
    """Raise ValueError unless `predicted` and `target` are what this module takes."""
    checks.shaped("samples, members", predicted=predicted)
    checks.shaped(f"{len(predicted)}, 1", target=target)


def random_weights(rng: np.random.Generator, members: int, count: int) -> np.ndarray:
    """Weights that sum to 1, (count, members): first equal ones, then any, all equally likely."""
    checks.whole(members=members, count=count)
    uniform = np.full((1, members), 1 / members)
    return np.concatenate([uniform, rng.dirichlet(np.ones(members), count - 1)])


def accuracies(predicted: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The accuracy of each of several weighted averages, (count,); weights: (count, members)."""
    check(predicted, target)
    checks.shaped(f"count, {predicted.shape[1]}", weights=weights)
    return np.mean((predicted @ weights.T > 0.5) == (target > 0.5), axis=0)


def learn_weights(
    predicted: np.ndarray, target: np.ndarray, candidates: np.ndarray, keep: int = 20
) -> np.ndarray:
    """Weights learned on validation data for the accuracy, which has no gradient, by random search.

    The best candidate alone owes its place to luck with the validation samples, as the winner of
    any search does; the mean of the best few lies in the middle of where the accuracy is high.

    Args:
        predicted, target: of the validation samples.
        candidates: the weights to choose from, (count, members).
        keep: how many of the best to average.

    Returns:
        Weights that sum to 1, (members,).
    """
    checks.between(1, len(candidates), keep=checks.whole(keep=keep))
    order = np.argsort(-accuracies(predicted, target, candidates), kind="stable")
    return candidates[order[:keep]].mean(axis=0)


def error_correlations(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How the errors of each two members go together: (members, members), correlations.

    1: both are wrong about the same samples. 0: whether one is wrong says nothing of the other.

    Raises:
        ValueError: a member is right about all samples, or wrong about all: nothing correlates.
    """
    check(predicted, target)
    wrong = (predicted > 0.5) != (target > 0.5)
    same = np.flatnonzero(wrong.all(axis=0) | ~wrong.any(axis=0))
    if same.size:
        raise ValueError(f"The errors of member {same[0]} are the same for all samples.")
    return np.atleast_2d(np.corrcoef(wrong, rowvar=False))


def mean_correlation(correlations: np.ndarray) -> float:
    """The mean over the pairs of different members; correlations: (members, members)."""
    members = len(correlations)
    checks.enough("The number of members", members, 2, "pairs")
    checks.shaped(f"{members}, {members}", correlations=correlations)
    return float(correlations[np.triu_indices(len(correlations), k=1)].mean())


def gains(predicted: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """By how much the plain average is right more often than its mean and than its best member."""
    check(predicted, target)
    alone = scores.accuracies(predicted, np.repeat(target, predicted.shape[1], axis=1))
    together = scores.accuracy(predicted.mean(axis=1, keepdims=True), target)
    return together - float(np.mean(alone)), together - max(alone)
