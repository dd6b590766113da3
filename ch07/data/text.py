"""Texts as numbers of words: questions, posts, phrases, sentence pairs, reviews."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ch07.data.tasks import Task, draws, one_hot, split


def questions(seed, train=4000, test=3000):
    """Texts that state a fact about each of three topics; questions that name one (section 7.1.2).

    Signal: among filler, a text holds one word for each topic ("the sky: blue"), anywhere; it says
    which of the topic's four values is true. A question names a topic in one of three synonyms. The
    answer is that topic's value. The text alone leaves 3 topics that may be asked, the question
    alone 4 values. Chance: 1/12.
    text: (n, 20) int32. question: (n, 6) int32. targets: (n, 12), one-hot. Vocabularies: of the
    text, the question and the answers.
    """
    rng = draws(seed, train=train, test=test)
    total = 2 * (train + test)
    text = rng.integers(13, 53, (total, 20))  # words 1 to 12 are the facts, 40 of filler follow
    value = rng.integers(4, size=(total, 3))
    place = np.argsort(rng.random((total, 20)), axis=1)[:, :3]
    np.put_along_axis(text, place, 1 + np.arange(3) * 4 + value, axis=1)

    question = rng.integers(10, 50, (total, 6))  # words 1 to 9 name the topics
    topic = rng.integers(3, size=total)
    name = 1 + topic * 3 + rng.integers(3, size=total)
    question[np.arange(total), rng.integers(6, size=total)] = name

    answer = topic * 4 + value[np.arange(total), topic]
    # Different texts as well as different pairs: a text seen in training is never asked again.
    kept = np.sort(np.unique(text, axis=0, return_index=True)[1])[: train + test]
    inputs = {"text": text[kept].astype("int32"), "question": question[kept].astype("int32")}
    return Task(
        **split(inputs, one_hot(answer[kept], 12), train),
        vocabulary_size=(53, 50, 12),
        best_possible={"both": 1.0, "text": 1 / 3, "question": 1 / 4},
    )


def posts(seed, train=4000, test=2000):
    """Posts whose words hint at the writer's age, income group and gender (section 7.1.3).

    Signal: among 8 words of filler, each post holds 4 words for each target. An age word points at
    an age drawn from a bell curve around the writer's (standard deviation 10 years). An income word
    is that of the writer's group with probability 0.8, else that of any group. A gender word is the
    writer's with probability 0.75. The targets are independent of each other; the ages, from 18 to
    77 years, have a standard deviation of 17. Best possible, as accuracies: the posterior.
    train, test: (n, 20) int32. age: (n, 1) years. income: (n, 10) one-hot. gender: (n, 1), 0 or 1.
    """
    rng = draws(seed, train=train, test=test)
    total = train + test
    age = rng.integers(60, size=total)  # years above 18
    income = rng.integers(10, size=total)
    gender = rng.integers(2, size=total)

    # Probability of each word of a family (column) given the target (row).
    years = np.arange(60)
    age_table = np.exp(-0.5 * ((years[None] - years[:, None]) / 10) ** 2)
    age_table /= age_table.sum(axis=1, keepdims=True)
    tables = {
        "age": (age, age_table),
        "income": (income, 0.8 * np.eye(10) + 0.2 / 10),
        "gender": (gender, 0.5 * np.eye(2) + 0.5 / 2),
    }
    hints, best, first = [], {}, 1  # words 1 to 72 are hints, 100 of filler follow
    for name, (target, table) in tables.items():
        drawn = rng.random((total, 4, 1)) > table.cumsum(axis=1)[target][:, None, :-1]
        words = drawn.sum(axis=2)  # (total, 4)
        likeliest = np.exp(np.log(table)[:, words].sum(axis=2)).argmax(axis=0)
        best[name] = float(np.mean((likeliest == target)[train:]))
        hints.append(first + words)
        first += len(table)
    post = np.concatenate([*hints, rng.integers(first, first + 100, (total, 8))], axis=1)
    post = rng.permuted(post, axis=1).astype("int32")

    targets = {
        "age": (18 + age)[:, None].astype("float32"),
        "income": one_hot(income, 10),
        "gender": gender[:, None].astype("float32"),
    }
    return Task(**split(post, targets, train), vocabulary_size=first + 100, best_possible=best)


def phrases(seed, train=3000, test=2000, known=50):
    """Posts in which the same words, in another order, mean something else (section 7.1.3).

    Signal: every writer has a hidden trait, 0 or 1. A post holds 6 two-word phrases: "a b" for
    trait 0, "b a" for trait 1, from 40 pairs of words. Age, income and gender depend on the trait,
    each with noise of its own: age = -1 or +1 and a bell curve of 0.5, income from the lower or the
    upper five groups, gender equal to the trait; the latter two with probability 0.95. The gender
    is `known` of so many writers of the training, whose weights make up for the others. Chance 0.5.
    train, test: (n, 20) int32. age: (n, 1) decades from the mean. income: (n, 10), one-hot.
    gender: (n, 1), 0 or 1.
    """
    rng = draws(seed, train=train, test=test, known=known)
    total = train + test
    trait = rng.integers(2, size=total)
    # A post is 6 phrases (two words each) and 8 words of filler, in random order.
    order = rng.permuted(np.tile(np.arange(14) < 6, (total, 1)), axis=1)
    pair = rng.integers(40, size=(total, 6))
    first = 1 + 2 * pair + trait[:, None]  # "a b" or "b a"
    second = 1 + 2 * pair + 1 - trait[:, None]
    widths = np.where(order, 2, 1)
    starts = widths.cumsum(axis=1) - widths  # where each phrase or word of filler begins
    post = rng.integers(81, 141, (total, 20))  # words 1 to 80 make phrases, 60 of filler follow
    place = starts[order].reshape(total, 6)
    np.put_along_axis(post, place, first, axis=1)
    np.put_along_axis(post, place + 1, second, axis=1)

    def noisy():
        return np.where(rng.random(total) < 0.95, trait, 1 - trait)

    age = (2 * trait - 1) + rng.normal(0, 0.5, total)
    income = 5 * noisy() + rng.integers(5, size=total)
    gender = noisy()
    targets = {
        "age": age[:, None].astype("float32"),
        "income": one_hot(income, 10),
        "gender": gender[:, None].astype("float32"),
    }
    weights = {name: np.ones(train, "float32") for name in targets}
    weights["gender"][rng.permutation(train)[known:]] = 0
    weights["gender"] *= train / known
    return Task(
        **split(post.astype("int32"), targets, train),
        weights=weights,
        vocabulary_size=141,
        best_possible=float(np.mean(gender[train:] == trait[train:])),
    )


CONCEPTS, SYNONYMS = 16, 3
HELD_OUT = 40  # of the 120 meanings: test sentences and queries are about these only
WORDS = 128  # the size of the book's vectors: concepts * synonyms, the rest is filler
SENTENCE_LENGTH = 6


class Queries(NamedTuple):
    """What users asked a dialogue system, and which pairs of queries ask for the same thing."""

    sentences: np.ndarray  # (queries, 6, 128) float32, one-hot words
    duplicate: np.ndarray  # (pairs,) booleans, in the order of np.triu_indices
    kinds: np.ndarray | None = None  # (queries,) what each shows, of real data: the digit


def _write(rng, concepts, synonyms):
    """One-hot sentences: two concept words each, in random places, with filler around them."""
    count = len(concepts)
    sentences = rng.integers(CONCEPTS * SYNONYMS, WORDS, (count, SENTENCE_LENGTH))
    places = np.argsort(rng.random((count, SENTENCE_LENGTH)), axis=1)[:, :2]
    np.put_along_axis(sentences, places, concepts * SYNONYMS + synonyms, axis=1)
    return one_hot(sentences, WORDS)


def _pairs(rng, meanings, count):
    """Balanced pairs that say the same or not; of those that do not, 3 in 4 share one concept."""
    # The concepts in common: two, one or none.
    common = rng.permutation(np.array([2, 2, 2, 2, 1, 1, 1, 0])[np.arange(count) % 8])
    left = rng.integers(0, len(meanings), count)
    shared = (meanings[:, None, :, None] == meanings[None, :, None, :]).sum((2, 3))
    right = [
        rng.choice(np.flatnonzero(row == n)) for row, n in zip(shared[left], common, strict=True)
    ]
    synonyms = rng.integers(0, SYNONYMS, (count, CONCEPTS))
    # In other words: no concept is ever named by the same word on both sides.
    others = (synonyms + rng.integers(1, SYNONYMS, (count, CONCEPTS))) % SYNONYMS
    left, right = meanings[left], meanings[right]
    inputs = {
        "left": _write(rng, left, np.take_along_axis(synonyms, left, 1)),
        "right": _write(rng, right, np.take_along_axis(others, right, 1)),
    }
    return inputs, (common == 2).astype("float32")[:, None]


def _queries(rng, meanings):
    """70 queries about 40 of the `meanings`, of which 30 are asked twice."""
    chosen = rng.permutation(len(meanings))[:40]
    chosen = rng.permutation(np.concatenate([chosen, chosen[:30]]))
    concepts = meanings[chosen]
    first, second = np.triu_indices(len(chosen), k=1)
    written = _write(rng, concepts, rng.integers(0, SYNONYMS, concepts.shape))
    return Queries(written, chosen[first] == chosen[second])


def sentences(seed, train=8000, test=1000):
    """Sentence pairs that say the same in other words, or not (section 7.1.5).

    A sentence's meaning is the set of its two concepts, of 16; which of three synonyms stands for
    each, the places, the order and the 80 words of filler say nothing. The two sentences of a pair
    never have a concept word in common. Of the pairs that differ, 3 in 4 share one concept: without
    them a model learns "about the same thing", and finds too many duplicates in a list. The
    meanings of the test pairs and of the queries to search (40 of 120) never occur in training.
    Chance 0.5. left, right: (n, 6, 128), one-hot. targets: (n, 1), 0 or 1.
    """
    rng = draws(seed, train=train, test=test)
    meanings = rng.permutation(np.column_stack(np.triu_indices(CONCEPTS, k=1)))  # (120, 2)
    seen, unseen = meanings[HELD_OUT:], meanings[:HELD_OUT]
    trained, trained_targets = _pairs(rng, seen, train)
    tested, tested_targets = _pairs(rng, unseen, test)
    return Task(
        train=trained,
        train_targets=trained_targets,
        test=tested,
        test_targets=tested_targets,
        practice=_queries(rng, seen),
        queries=_queries(rng, unseen),
    )


OPINIONS = ("positive", "negative")
TOPICS = ("plot", "music", "actors", "photography")


def reviews(seed, train=1600, test=400, length=500, opinion_words=250, topic_words=250, filler=499):
    """Movie reviews: is the verdict good or bad? (section 7.2.2)

    Vocabulary: the padding, 250 positive and 250 negative words, 250 on each of four topics and 499
    of filler; together 2,000. Words of a kind are equally frequent.
    Signal: a word is an opinion with probability 0.15, and then on the side of the verdict with
    probability 0.9. The others are filler or on the topic of the review, which has nothing to do
    with the verdict: an embedding has no reason to separate topics. Chance 0.5. Best possible: the
    side of most of the opinions; a toss where the sides are even.
    train, test: (n, length) int32, the words at the end, a quarter of `length` or more, where
    keras.utils.pad_sequences puts them. targets: (n, 1), 0 or 1.
    """
    rng = draws(seed, train=train, test=test, length=length)
    shape = (train + test, length)
    good = np.arange(train + test)[:, None] % 2  # (n, 1)
    topic = rng.integers(len(TOPICS), size=(train + test, 1))

    sizes = {"padding": 1} | dict.fromkeys(OPINIONS, opinion_words)
    sizes |= dict.fromkeys(TOPICS, topic_words) | {"filler": filler}
    kinds = [kind for kind, size in sizes.items() for _ in range(size)]
    words = [f"{kind} {n}" for kind, size in sizes.items() for n in range(size)]
    first = {kind: kinds.index(kind) for kind in sizes}

    praises = (rng.random(shape) < 0.9) == good
    opinion = np.where(praises, first["positive"], first["negative"])
    opinion = opinion + rng.integers(opinion_words, size=shape)
    on_topic = first[TOPICS[0]] + topic * topic_words + rng.integers(topic_words, size=shape)
    idle = first["filler"] + rng.integers(filler, size=shape)
    neutral = np.where(rng.random(shape) < 0.6, on_topic, idle)
    is_opinion = rng.random(shape) < 0.15
    written = np.arange(length) >= length - rng.integers(-(-length // 4), length + 1, good.shape)
    review = np.where(written, np.where(is_opinion, opinion, neutral), 0).astype("int32")

    balance = np.sum(np.where(praises, 1, -1) * (is_opinion & written), axis=1, keepdims=True)
    right = np.where(balance == 0, 0.5, (balance > 0) == good)
    return Task(
        **split(review, good.astype("float32"), train),
        words=["padding", *words[1:]],
        kinds=kinds,
        best_possible=float(right[train:].mean()),
    )
