"""What all data sets have in common: samples to train on and to test with, drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ch07 import checks

# One array, or several by the name of a model's input or output: what `fit` takes.
Arrays = np.ndarray | dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to learn: samples to train on, to test with, and maybe to choose between models on.

    best_possible: the score on the test samples of the best reader there can be, or by what is
    read; None where it is about 1, UNKNOWN of real data. vocabulary_size: of texts; of each of
    several. What else there is, only some data sets have.
    """

    train: Arrays
    train_targets: Arrays
    test: Arrays
    test_targets: Arrays
    validation: Arrays | None = None
    validation_targets: Arrays | None = None
    best_possible: Any = None
    vocabulary_size: Any = None
    weights: Any = None  # of the training samples of `phrases`, by target: 0 where it is not known
    patterns: Any = None  # of each class, by input of `patterns`: (classes, 3, 3, channels)
    practice: Any = None  # `Queries` to choose a threshold on, about meanings of the training
    queries: Any = None  # `Queries` to search for duplicates, about meanings of the tests
    words: Any = None  # what each number in `reviews` stands for, in ASCII
    kinds: Any = None  # of each of these words: "positive", "negative", "padding", ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample; where there are several inputs, of the first."""
        several = isinstance(self.train, dict)
        return (next(iter(self.train.values())) if several else self.train).shape[1:]

    @property
    def classes(self) -> int:
        """How many classes there are to choose from."""
        return self.train_targets.shape[-1]


class Unknown(float):
    """A best possible score that nobody knows: NaN, whatever it is asked for by name."""

    __iter__ = None  # what can be asked for by number would else count as endless

    def __getitem__(self, name: str) -> Unknown:
        return self


UNKNOWN = Unknown("nan")


def draws(seed: int, **sizes: int) -> np.random.Generator:
    """Where a generator draws from: the same for the same seed.

    Raises:
        ValueError: `seed` is no whole number from 0, a size none from 1, or `known` above `train`.
    """
    checks.whole(0, seed=seed)
    checks.whole(**sizes)
    if (known := sizes.get("known", 0)) > sizes.get("train", known):
        raise ValueError(f"known is {known}: there are {sizes['train']} samples to train on.")
    return np.random.default_rng(seed)


def enough(available: int, what: str, **sizes: int) -> None:
    """Raise ValueError if samples of all `sizes` are more than there are."""
    if (asked := sum(sizes.values())) > available:
        raise ValueError(f"{asked} {what} are asked for, of {available} that there are.")


def split(inputs: Arrays, targets: Arrays, train: int, validation: int = 0) -> dict[str, Arrays]:
    """The samples of a `Task`: the first `train`, then `validation` if any, the others to test."""
    parts = {"train": slice(train), "test": slice(train + validation, None)}
    if validation:
        parts["validation"] = slice(train, train + validation)

    def part(of: Arrays, rows: slice) -> Arrays:
        return {name: a[rows] for name, a in of.items()} if isinstance(of, dict) else of[rows]

    samples = {name: part(inputs, rows) for name, rows in parts.items()}
    return samples | {f"{name}_targets": part(targets, rows) for name, rows in parts.items()}


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Integers from 0 to classes - 1, (n,) or (n, steps), to float32 with an axis for classes."""
    return np.eye(classes, dtype="float32")[labels]
