"""Sequences: a symbol to remember, two gestures, four cues."""

from __future__ import annotations

import numpy as np

from ch07.data.tasks import Task, ValidatedTask, draws, one_hot, split, split_in_three

# 7.1.4 A symbol to remember


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


# 7.3.2 Two gestures, one after the other


def gestures(seed, train=600, validation=300, test=3000, noise=0.7):
    """Signals of four sensors that record a gesture and then another: which two? (section 7.3.2)

    There are two gestures, a swing and a shake, each five steps long, and each moves the sensors in
    proportions of its own. One of the two comes first, and 5 to 8 steps after its start, again one
    of the two. The class is the pair. Where the first begins is random, and noise covers it all.

    Signal: both shapes and their order; without the order, two of the four classes look alike. A
    convolution of five steps sees one gesture, only deeper ones see both. Chance 0.25. Best
    possible: the posterior of the pair given the signal, all places and gaps weighed. `noise` is
    its standard deviation, above 0.
    train, validation, test: (n, 24, 4) float32. targets: (n, 4), in the order swing swing, swing
    shake, shake swing, shake shake.
    """
    rng = draws(seed, train=train, validation=validation, test=test)
    samples, steps = train + validation + test, 24
    shape = np.array([[-1.0, 0, 1, 0, -1], [1, -1, 0, 1, -1]])
    sensors = np.array([[1.0, 0.6, 0.0, -0.5], [-0.5, 0.0, 1.0, 0.7]])
    moves = 1.3 * shape[:, :, None] * sensors[:, None, :]  # (gestures, 5, 4)
    length, gaps = moves.shape[1], range(5, 9)
    # Every signal there can be without the noise, for each pair: (places, pairs, steps, sensors).
    clean = np.array(
        [
            [
                sum(
                    np.pad(moves[gesture], ((at, steps - length - at), (0, 0)))
                    for gesture, at in ((pair // 2, start), (pair % 2, start + gap))
                )
                for pair in range(4)
            ]
            for gap in gaps
            for start in range(steps - length - gap + 1)
        ]
    )
    pair = rng.integers(4, size=samples)
    place = rng.integers(len(clean), size=samples)
    signal = clean[place, pair] + noise * rng.standard_normal((samples, steps, len(sensors[0])))
    # The likelihood of every clean signal, up to a factor that the pairs share.
    flat, known = signal[train + validation :].reshape(test, -1), clean.reshape(len(clean), 4, -1)
    fit = flat @ known.reshape(-1, known.shape[-1]).T - 0.5 * np.square(known).sum(-1).ravel()
    fit = (fit / noise**2).reshape(test, len(clean), 4)
    said = np.logaddexp.reduce(fit, axis=1).argmax(axis=1)

    return ValidatedTask(
        **split_in_three(signal.astype("float32"), one_hot(pair, 4), train, validation),
        best_possible=float(np.mean(said == pair[train + validation :])),
    )


# 7.3.3 Sequences with four cues

CUES = {"pattern": 0.88, "motif": 0.88, "echo": 0.88, "spread": 0.84}  # how often each is right


def best_cue_score(agreement):
    """The best accuracy from independent cues, each right with a probability of `agreement`.

    Of every combination of cues, the likelier class is said.
    """
    said = np.stack(np.meshgrid(*[[True, False]] * len(agreement)), axis=-1)  # of the class, or not
    right = np.where(said, agreement, 1 - np.asarray(agreement)).prod(axis=-1)
    wrong = np.where(said, 1 - np.asarray(agreement), agreement).prod(axis=-1)
    return float(np.maximum(right, wrong).sum() / 2)


def cue_sequences(seed, train=2000, validation=2000, test=8000):
    """Sequences of two classes with four cues, each for another kind of model (section 7.3.3).

    Signal: each of the four channels shows one cue; it points at the class with the probability in
    CUES, each independently of the others, and at the other class else.

    pattern  +1 and -1 in a fixed random order, or its negative: at fixed places.
    motif    up, up, down, down, or its negative: at any place.
    echo     the second half repeats the first, or its negative: in products of distant steps.
    spread   values near -1 and 1, or around 0: in the distribution of single values.

    The sum of a channel says nothing. Chance 0.5. Best possible: CUES, and `best_cue_score` for all
    of them ("all"). train, validation, test: (n, 24, 4). targets: (n, 1), 0 or 1.
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

    return ValidatedTask(
        **split_in_three(sequence.astype("float32"), label.astype("float32"), train, validation),
        best_possible=CUES | {"all": best_cue_score(list(CUES.values()))},
    )
