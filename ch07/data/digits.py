"""Real handwriting: 1,797 digits that 13 people wrote, in pictures of 8 x 8 pixels.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998 (https://doi.org/10.24432/C50P49), the pictures of the test set, CC BY 4.0. In
digits.csv.gz a line is a picture: 64 pixels of 0 to 16, row by row, and the digit.

Every function gives a `Task` in the form of a synthetic one. The seed splits: no picture that is
tested is trained on, no two are the same, and how well the best reader would do is not known.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from ch07 import checks
from ch07.data.tasks import UNKNOWN, Task, draws, enough, one_hot, split
from ch07.data.text import Queries

FILE = Path(__file__).with_name("digits.csv.gz")
INK = 8  # a pixel from here on counts as black, where a row of a picture is a word


@functools.cache
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """All pictures, (1797, 8, 8) from 0 to 1, and their digits, (1797,)."""
    table = np.loadtxt(FILE, delimiter=",", dtype="uint8")
    return table[:, :-1].reshape(-1, 8, 8) / np.float32(16), table[:, -1].astype(int)


def shuffled(seed: int, known=1, times=1, **sizes: int) -> tuple:
    """Where to draw from, the pictures in a new order, and their digits."""
    rng = draws(seed, known=known, times=times, **sizes)
    images, digits = pictures()
    enough(len(images), "pictures", **sizes)
    order = rng.permutation(len(images))
    return rng, images[order], digits[order]


def vectors(seed, train=1000, test=797):
    """Which digit? In the form of `data.clusters`.

    train, test: (n, pixels), from 0 to 1, some 60 pixels, those that are not always white.
    targets: (n, 10), one-hot. Chance 0.1.
    """
    _, images, digits = shuffled(seed, train=train, test=test)
    samples = images[: train + test].reshape(-1, 64)
    samples = samples[:, samples[:train].std(axis=0) > 0.01]
    targets = one_hot(digits[: train + test], 10)
    return Task(**split(samples, targets, train), best_possible=UNKNOWN)


def parity(seed, train=1000, test=797):
    """Even or odd? In the form of `data.spirals`.

    train, test: (n, 64), from 0 to 1. targets: (n, 1), 1 for odd. Chance 0.5.
    """
    _, images, digits = shuffled(seed, train=train, test=test)
    samples, odd = images.reshape(-1, 64)[: train + test], digits[: train + test, None] % 2
    return Task(**split(samples, odd.astype("float32"), train), best_possible=UNKNOWN)


def parity_classes(seed, train=100, test=1697):
    """Even or odd, learned from few pictures, in the form of `data.hidden_parity`.

    train, test: (n, 64), from 0 to 1. targets: (n, 2), one-hot. Chance 0.5.
    """
    _, images, digits = shuffled(seed, train=train, test=test)
    samples, odd = images.reshape(-1, 64)[: train + test], digits[: train + test] % 2
    return Task(**split(samples, one_hot(odd, 2), train), best_possible=UNKNOWN)


def rows(seed, train=300, validation=300, test=1197):
    """Which digit? A picture as a signal in time, row after row, in the form of `data.gestures`.

    train, validation, test: (n, 8, 8), from 0 to 1. targets: (n, 10), one-hot. Chance 0.1.
    """
    _, images, digits = shuffled(seed, train=train, validation=validation, test=test)
    images, targets = (of[: train + validation + test] for of in (images, one_hot(digits, 10)))
    return Task(**split(images, targets, train, validation), best_possible=UNKNOWN)


def sums(seed, train=8000, test=2000):
    """The sum of two digits, in the form of `data.questions`: a picture is a text of eight words.

    text, question: (n, 8) int32, of 256 words. targets: (n, 19), one-hot. Chance about 1 / 10, the
    share of the commonest sum. Of the pictures, 1,200 are in pairs to train on, the others to test.
    """
    checks.whole(train=train, test=test)
    rng, images, digits = shuffled(seed)
    one, other = (
        np.concatenate([rng.integers(1200, size=train), rng.integers(1200, len(images), test)])
        for _ in range(2)
    )
    words = np.packbits(images >= INK / 16, axis=2)[..., 0].astype("int32")  # of 8 pixels each
    inputs = {"text": words[one], "question": words[other]}
    targets = one_hot(digits[one] + digits[other], 19)
    return Task(
        **split(inputs, targets, train), vocabulary_size=(256, 256, 19), best_possible=UNKNOWN
    )


def related_targets(seed, train=1200, test=597, known=50, times=8):
    """Three targets of a picture that go together, in the form of `data.phrases`.

    age: the remainder of the digit by 3, (n, 1). income: the digit, (n, 10), one-hot. gender: even
    or odd, (n, 1), `known` of so many pictures of the training. Chance 0.5. Each picture is there
    so many `times`, or the epochs of the lesson would be too few steps.
    train, test: (n, 64) int32: a pixel is a word, one of five shades at one of 64 places.
    """
    rng, images, digits = shuffled(seed, train=train, test=test, known=known, times=times)
    shades = (4 * images).astype("int32").reshape(-1, 64) + 5 * np.arange(64, dtype="int32")
    weights = {name: np.ones(train, "float32") for name in ("age", "income", "gender")}
    weights["gender"][rng.permutation(train)[known:]] = 0
    weights["gender"] *= train / known
    each = np.concatenate([np.tile(np.arange(train), times), np.arange(train, train + test)])
    targets = {
        "age": (digits % 3)[each, None].astype("float32"),
        "income": one_hot(digits, 10)[each],
        "gender": (digits % 2)[each, None].astype("float32"),
    }
    return Task(
        **split(shades[each], targets, train * times),
        weights={name: np.tile(of, times) for name, of in weights.items()},
        vocabulary_size=320,
        best_possible=UNKNOWN,
    )


def pairs(seed, train=8000, test=1000):
    """The same digit or not? In the form of `data.sentences`, a row of a picture as a word.

    Half of the pairs show one digit. The queries are 200 pictures; a duplicate is the same digit.
    left, right: (n, 8, 8), from 0 to 1. targets: (n, 1), 0 or 1. Chance 0.5.
    """
    checks.whole(train=train, test=test)
    rng, images, digits = shuffled(seed)
    seen, unseen = np.arange(1200), np.arange(1200, len(images))

    def draw(among: np.ndarray, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        left = rng.choice(among, count)
        same = rng.permutation(np.arange(count) % 2 == 0)
        others = digits[among] == digits[left][:, None]  # (count, pictures)
        others = np.where(same[:, None], others, ~others) & (among != left[:, None])
        right = among[np.where(others, rng.random(others.shape), -1).argmax(axis=1)]
        inputs = {"left": images[left], "right": images[right]}
        return inputs, same[:, None].astype("float32")

    def queries(among: np.ndarray) -> Queries:
        chosen = rng.choice(among, 200, replace=False)
        first, second = np.triu_indices(200, k=1)
        shown = digits[chosen]
        return Queries(images[chosen], shown[first] == shown[second], shown)

    (trained, trained_targets), (tested, tested_targets) = draw(seen, train), draw(unseen, test)
    return Task(
        train=trained,
        train_targets=trained_targets,
        test=tested,
        test_targets=tested_targets,
        practice=queries(seen),
        queries=queries(unseen),
        best_possible=UNKNOWN,
    )
