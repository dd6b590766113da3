"""Vectors and points: ten prototypes, two spirals, overlapping clouds, a hidden parity."""

from __future__ import annotations

import numpy as np

from ch07.data.tasks import Task, draws, one_hot, split


def vector_classes(seed, train=1000, test=1000):
    """Vectors of ten classes (section 7.1.1).

    Signal: a vector is its class's prototype plus noise. Chance 0.1; best possible about 1.
    train, test: (n, 64). targets: (n, 10), one-hot.
    """
    rng = draws(seed, train=train, test=test)
    prototypes = rng.normal(size=(10, 64))
    labels = rng.permutation(np.arange(train + test) % 10)
    vectors = prototypes[labels] + 1.5 * rng.normal(size=(train + test, 64))
    return Task(**split(vectors.astype("float32"), one_hot(labels, 10), train))


def spirals(seed, train=2048, test=1000):
    """Points on the two arms of a spiral: on which? (section 7.1.4).

    Easy on purpose, a straight line already separates 19 of 20 points: what fails here fails at its
    depth and not at the task. Chance 0.5; best possible about 1.
    train, test: (n, 2). targets: (n, 1), 0 or 1.
    """
    rng = draws(seed, train=train, test=test)
    samples = train + test
    side = rng.integers(2, size=samples)
    radius = np.sqrt(rng.uniform(0.1, 1.0, samples))
    angle = 1.5 * np.pi * radius + np.pi * side  # three quarters of a turn
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    points = 1.5 * (points + 0.02 * rng.standard_normal(points.shape)).astype("float32")
    return Task(**split(points, side[:, None].astype("float32"), train))


def clusters(seed, train=2000, test=1000, features=16):
    """Points in eight Gaussian clouds around random centres (section 7.1.4).

    Chance 1/8. Best possible: the cloud of the nearest true centre.
    train, test: (n, features). targets: (n, 8), one-hot.
    """
    rng = draws(seed, train=train, test=test, features=features)
    centres = rng.standard_normal((8, features))
    cloud = rng.integers(8, size=train + test)
    points = centres[cloud] + rng.standard_normal((train + test, features))
    nearest = ((points[:, None, :] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    return Task(
        **split(points.astype("float32"), one_hot(cloud, 8), train),
        best_possible=float(np.mean(nearest[train:] == cloud[train:])),
    )


def hidden_parity(seed, train=200, test=10000):
    """Points of which two hidden coordinates give the class by their signs (section 7.3.2).

    Four overlapping clouds lie in the corners of a square; opposite corners are one class. The
    hidden coordinates lie anywhere in the space, and 200 points say little of them: trained models
    come a little above chance, 0.5, each in its way. Best possible about 0.73, by the signs.
    train, test: (n, 20). targets: (n, 2), one-hot.
    """
    rng = draws(seed, train=train, test=test)
    corners = rng.choice([-1, 1], (train + test, 2))
    hidden = rng.standard_normal((train + test, 20))
    hidden[:, :2] += corners
    rotation, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    same = corners[:, 0] == corners[:, 1]
    said = np.sign(hidden[:, 0]) == np.sign(hidden[:, 1])
    return Task(
        **split((hidden @ rotation).astype("float32"), one_hot(same.astype(int), 2), train),
        best_possible=float(np.mean(said[train:] == same[train:])),
    )
