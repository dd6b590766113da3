"""Choosing the best of many by a score that is itself uncertain: what a search does to validation.

On NumPy arrays alone. Cawley and Talbot, "On Over-fitting in Model Selection" (2010,
https://www.jmlr.org/papers/v11/cawley10a.html) describe the effect.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from ch07 import checks


def coin_searches(
    rng: np.random.Generator, size: int, trials: int, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Searches among candidates that toss a coin for each sample.

    Args:
        rng: where the tosses come from.
        size: samples in the validation set of a search.
        trials: candidates in a search.
        repeats: how many searches.

    Returns:
        The validation and the test accuracies of the candidates, (repeats, trials) each; the test
        set is as large as can be, so the latter are 0.5.
    """
    checks.whole(size=size, trials=trials, repeats=repeats)
    validation = rng.binomial(size, 0.5, (repeats, trials)) / size
    return validation, np.full_like(validation, 0.5)


def searches(
    rng: np.random.Generator, right: np.ndarray, size: int, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Searches among trained candidates, each with a validation set and an order of its own.

    Args:
        rng: draws the validation sets and the orders.
        right: whether a candidate is right about a held-out sample, (samples, candidates).
        size: samples in a validation set; all the others are the test set.
        repeats: how many searches.

    Returns:
        The validation and the test accuracies of the candidates, (repeats, candidates) each, in the
        order in which they are tried.

    Raises:
        ValueError: `size` leaves no sample to test on, or `right` is not of booleans.
    """
    checks.whole(size=size, repeats=repeats)
    checks.shaped("samples, candidates", right=right)
    if right.dtype != bool:
        raise ValueError(f"right is of {right.dtype}: booleans are needed.")
    samples, candidates = right.shape
    if size >= samples:
        raise ValueError(f"{size} of {samples} samples to validate on leave none to test on.")
    hits = np.stack(
        [right[rng.choice(samples, size, replace=False)].sum(axis=0) for _ in range(repeats)]
    )
    order = rng.permuted(np.tile(np.arange(candidates), (repeats, 1)), axis=1)
    hits, total = np.take_along_axis(hits, order, axis=1), right.sum(axis=0)[order]
    return hits / size, (total - hits) / (samples - size)


def best_so_far(validation: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a search reports after each trial, and what that is worth.

    Args:
        validation, test: the scores of the candidates, (repeats, trials), in the order of trials.

    Returns:
        The best validation score of the first n trials, and the test score of that same candidate
        (the first one, where several are equal), for n from 1; (trials,) each, mean over repeats.
    """
    checks.shaped("repeats, trials", validation=validation, test=test)
    best = np.maximum.accumulate(validation, axis=1)
    improved = np.diff(best, axis=1, prepend=-np.inf) > 0
    chosen = np.maximum.accumulate(improved * np.arange(validation.shape[1]), axis=1)
    return best.mean(axis=0), np.take_along_axis(test, chosen, axis=1).mean(axis=0)


def expected_maximum(count: int) -> float:
    """The mean of the largest of `count` independent standard normal numbers.

    The integral of x n phi(x) Phi(x)^(n - 1), by the trapezoidal rule.
    """
    checks.whole(count=count)
    x = np.linspace(-8.0, 8.0, 1601)
    below = np.array([NormalDist().cdf(value) for value in x])
    density = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return float(np.trapezoid(x * count * density * below ** (count - 1), x))
