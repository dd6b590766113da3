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
    """Something to learn: inputs and targets, to train on and to test with.

    Each is one array, or a dict of arrays where the models have several inputs or outputs.

    Attributes:
        train, train_targets, test, test_targets: the samples.
        best_possible: the score on the test samples of the best reader there can be, or by what is
            read; None where it is about 1.
        vocabulary_size: of texts; of each of several.
    """

    train: Arrays
    train_targets: Arrays
    test: Arrays
    test_targets: Arrays
    best_possible: Any = None
    vocabulary_size: Any = None


@dataclass(frozen=True, kw_only=True)
class ValidatedTask(Task):
    """A task with samples to choose between models on, so that the test samples stay unseen."""

    validation: Arrays
    validation_targets: np.ndarray


def draws(seed: int, **sizes: int) -> np.random.Generator:
    """Where a generator draws from: the same for the same seed.

    Raises:
        ValueError: `seed` is not a whole number from 0, or one of its `sizes` not one from 1.
    """
    checks.whole(0, seed=seed)
    checks.whole(**sizes)
    return np.random.default_rng(seed)


def part(of: Arrays, rows: slice | np.ndarray) -> Arrays:
    """Some `rows` of an array, or of each of several."""
    return {name: array[rows] for name, array in of.items()} if isinstance(of, dict) else of[rows]


def split(inputs: Arrays, targets: Arrays, train: int) -> dict:
    """The fields of a `Task`: the first `train` samples for training, the others for testing."""
    first, rest = slice(train), slice(train, None)
    return {
        "train": part(inputs, first),
        "train_targets": part(targets, first),
        "test": part(inputs, rest),
        "test_targets": part(targets, rest),
    }


def split_in_three(inputs: Arrays, targets: np.ndarray, train: int, validation: int) -> dict:
    """The fields of a `ValidatedTask`: the first `train` samples, `validation` ones, the others."""
    chosen = slice(train, train + validation)
    return {
        **split(part(inputs, slice(train)), part(targets, slice(train)), train),
        "validation": part(inputs, chosen),
        "validation_targets": part(targets, chosen),
        "test": part(inputs, slice(train + validation, None)),
        "test_targets": part(targets, slice(train + validation, None)),
    }


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Integers from 0 to classes - 1, (n,) or (n, steps), to float32 with an axis for classes."""
    return np.eye(classes, dtype="float32")[labels]
