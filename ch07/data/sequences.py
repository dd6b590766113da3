"""Sequences: a symbol to remember, two gestures, four cues."""

from __future__ import annotations

import numpy as np

from ch07.data.tasks import Task, draws, one_hot, split


def recall(seed, train=2000, test=500, steps=40):
    """Name the first symbol of a sequence; the others are of another alphabet (section 7.1.4).

    Signal: step 0 alone. Chance 0.25; best possible 1.
    train, test: (n, steps, 8), one-hot. targets: (n, 4), one-hot.
    """
    rng = draws(seed, train=train, test=test, steps=steps)
    answers = rng.integers(4, size=train + test)
    tokens = 4 + rng.integers(4, size=(train + test, steps))
    tokens[:, 0] = answers
    return Task(**split(one_hot(tokens, 8), one_hot(answers, 4), train))


def gestures(seed, train=600, validation=300, test=3000, noise=0.7):
    """Signals of four sensors that record a gesture and then another: which two? (section 7.3.2)

    The gestures are a swing and a shake, each five steps long, and each moves the sensors in
    proportions of its own. The second begins 5 to 8 steps after the first, which begins anywhere,
    and `noise` of so much standard deviation covers it all. The class is the pair: without the
    order, two of the four look alike. A convolution of five steps sees one gesture, only deeper
    ones see both. Chance 0.25. Best possible: the posterior, all places and gaps weighed.
    train, validation, test: (n, 24, 4). targets: (n, 4), one-hot: swing swing, swing shake, ...
    """
    rng = draws(seed, train=train, validation=validation, test=test)
    if noise <= 0:
        raise ValueError(f"noise is {noise}: a number above 0 is needed.")
    samples, steps, length = train + validation + test, 24, 5
    shape = np.array([[-1.0, 0, 1, 0, -1], [1, -1, 0, 1, -1]])
    sensors = np.array([[1.0, 0.6, 0.0, -0.5], [-0.5, 0.0, 1.0, 0.7]])
    moves = 1.3 * shape[:, :, None] * sensors[:, None, :]  # (gestures, length, sensors)
    # Every signal there can be without the noise, for each pair: (places, pairs, steps, sensors).
    places = [(at, at + gap) for gap in range(5, 9) for at in range(steps - length - gap + 1)]
    clean = np.zeros((len(places), 4, steps, 4))
    for place, pair in np.ndindex(len(places), 4):
        for gesture, start in zip((pair // 2, pair % 2), places[place], strict=True):
            clean[place, pair, start : start + length] += moves[gesture]
    pair = rng.integers(4, size=samples)
    place = rng.integers(len(clean), size=samples)
    signal = clean[place, pair] + noise * rng.standard_normal((samples, steps, 4))
    # The likelihood of every clean signal, up to a factor that the pairs share.
    flat, known = signal[train + validation :].reshape(test, -1), clean.reshape(-1, steps * 4)
    fit = (flat @ known.T - 0.5 * np.square(known).sum(-1)) / noise**2
    said = np.logaddexp.reduce(fit.reshape(test, len(clean), 4), axis=1).argmax(axis=1)
    return Task(
        **split(signal.astype("float32"), one_hot(pair, 4), train, validation),
        best_possible=float(np.mean(said == pair[train + validation :])),
    )


CUES = {"pattern": 0.88, "motif": 0.88, "echo": 0.88, "spread": 0.84}  # how often each is right
ALL_CUES = 0.960256  # how often the likelier class is, given all of them, as a test computes


def cue_sequences(seed, train=2000, validation=2000, test=8000):
    """Sequences of two classes with four cues, each for another kind of model (section 7.3.3).

    Each channel shows one cue; it points at the class with the probability in CUES, independently
    of the others, and at the other class else. The sum of a channel says nothing.

    pattern  +1 and -1 in a fixed random order, or its negative: at fixed places.
    motif    up, up, down, down, or its negative: at any place.
    echo     the second half repeats the first, or its negative: in products of distant steps.
    spread   values near -1 and 1, or around 0: in the distribution of single values.

    Chance 0.5. train, validation, test: (n, 24, 4). targets: (n, 1), 0 or 1.
    """
    rng = draws(seed, train=train, validation=validation, test=test)
    samples, steps, half = train + validation + test, 24, 12
    label = rng.integers(2, size=(samples, 1))
    points_at = np.where(rng.random((samples, len(CUES))) < list(CUES.values()), label, 1 - label)
    pattern, motif, echo, spread = (2 * points_at - 1).T[..., None]  # -1 or 1, (samples, 1)

    sequence = rng.standard_normal((samples, steps, len(CUES)))
    sequence[..., 0] += 0.8 * pattern * rng.permutation(np.arange(steps) % 2 * 2 - 1)
    place = rng.integers(steps - 3, size=(samples, 1)) + np.arange(4)
    sequence[np.arange(samples)[:, None], place, 1] += 3 * motif * np.array([1, 1, -1, -1])
    sequence[:, half:, 2] = echo * sequence[:, :half, 2] + 0.5 * sequence[:, half:, 2]
    near = rng.choice([-1, 1], (samples, steps)) + 0.3 * sequence[..., 3]
    sequence[..., 3] = np.where(spread > 0, near, 0.6 * sequence[..., 3])
    return Task(
        **split(sequence.astype("float32"), label.astype("float32"), train, validation),
        best_possible=CUES | {"all": ALL_CUES},
    )
