"""Texts as numbers of words: questions, posts, phrases, sentence pairs, reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ch07.data.tasks import Task, draws, one_hot, split

# 7.1.2 Question answering


def questions(seed, train=4000, test=3000):
    """Texts that state one fact about each of three topics, and questions that name one topic.

    Signal: among filler, a text holds one word for each topic ("the sky: blue"), in any order and
    at any place; the word says which of the topic's four values is true. A question names a topic
    in one of three synonyms. The answer is that topic's value, one of 3 * 4.
    Best possible: both inputs 1. The text alone leaves 3 topics that may be asked: 1/3. The
    question alone leaves 4 values: 1/4. Chance: 1/12. No two texts are equal.
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


# 7.1.3 Posts of social media users: age, income group, gender


def posts(seed, train=4000, test=2000):
    """Posts whose words hint at the writer's age, income group and gender.

    Signal: among 8 words of filler, each post holds 4 words for each target. An age word points at
    an age drawn from a bell curve around the writer's (standard deviation 10 years). An income word
    is that of the writer's group with probability 0.8, else that of any group. A gender word is the
    writer's with probability 0.75. The three targets are independent of each other.
    Chance: 1/10 for the income, 1/2 for the gender; the ages, evenly from 18 to 77 years, have a
    standard deviation of 17. Best possible, as an error in years and as accuracies: the posterior
    given the words, exact, since the words are independent given the targets.
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
    income_table = 0.8 * np.eye(10) + 0.2 / 10
    gender_table = 0.5 * np.eye(2) + 0.5 / 2

    hints, posteriors, first = [], [], 1  # words 1 to 72 are hints, 100 of filler follow
    for target, table in ((age, age_table), (income, income_table), (gender, gender_table)):
        drawn = rng.random((total, 4, 1)) > table.cumsum(axis=1)[target][:, None, :-1]
        words = drawn.sum(axis=2)  # (total, 4)
        likelihood = np.exp(np.log(table)[:, words].sum(axis=2)).T  # (total, target values)
        posteriors.append(likelihood / likelihood.sum(axis=1, keepdims=True))
        hints.append(first + words)
        first += len(table)
    post = np.concatenate([*hints, rng.integers(first, first + 100, (total, 8))], axis=1)
    post = rng.permuted(post, axis=1).astype("int32")

    error = (posteriors[0] @ years - age)[train:]
    targets = {
        "age": (18 + age)[:, None].astype("float32"),
        "income": one_hot(income, 10),
        "gender": gender[:, None].astype("float32"),
    }
    return Task(
        **split(post, targets, train),
        vocabulary_size=first + 100,
        best_possible={
            "age": float(np.sqrt(np.mean(error**2))),
            "income": float(np.mean((posteriors[1].argmax(axis=1) == income)[train:])),
            "gender": float(np.mean((posteriors[2].argmax(axis=1) == gender)[train:])),
        },
    )


# 7.1.3 Correlated outputs: one trait behind age, income and gender


@dataclass(frozen=True, kw_only=True)
class Phrases(Task):
    """Posts, (n, 20) int32, whose meaning lies in the order of words.

    age: (n, 1) decades from the mean. income: (n, 10) one-hot. gender: (n, 1), 0 or 1.
    """

    weights: dict[str, np.ndarray]  # of each training sample, by target: 0 where it is not known


def phrases(seed, train=3000, test=2000, known=50):
    """Posts in which the same words mean one thing in one order and another in the other.

    Signal: every writer has a hidden trait, 0 or 1. A post holds 6 two-word phrases: "a b" for
    trait 0, "b a" for trait 1, from 40 pairs of words. Counting words says nothing. Age, income
    and gender each depend on the trait, with noise of their own: age = -1 or +1 and a bell curve
    of 0.5, income from the lower or the upper five groups, gender equal to the trait; the latter
    two with probability 0.95. The gender is `known` of so many writers of the training, whose
    weights make up for the others.
    Chance 0.5; best possible 0.95, for who reads the trait without fault.
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
    return Phrases(
        **split(post.astype("int32"), targets, train),
        weights=weights,
        vocabulary_size=141,
        best_possible=float(np.mean(gender[train:] == trait[train:])),
    )


# 7.1.5 Sentences that say the same in other words

CONCEPTS = 16
SYNONYMS = 3
HELD_OUT = 40  # of the 120 meanings: test sentences and queries are about these only
WORDS = 128  # the size of the book's vectors: concepts * synonyms, the rest is filler
SENTENCE_LENGTH = 6


@dataclass(frozen=True)
class Queries:
    """What users asked a dialogue system, and which queries ask for the same thing."""

    sentences: np.ndarray  # (queries, 6, 128) float32, one-hot words
    meanings: np.ndarray  # (queries,) equal numbers mean the same

    @property
    def duplicate(self) -> np.ndarray:
        """For each pair of queries, in the order of np.triu_indices, whether they mean the same."""
        first, second = np.triu_indices(len(self.meanings), k=1)
        return self.meanings[first] == self.meanings[second]


@dataclass(frozen=True, kw_only=True)
class Sentences(Task):
    """Pairs of sentences, left and right, (n, 6, 128), and whether they say the same, (n, 1)."""

    practice: Queries  # to choose a threshold on; about meanings of the training
    queries: Queries  # to search for duplicates; about meanings of the tests


def _write(rng, concepts, synonyms):
    """Sentences of six word ids: two concept words in random places and order, filler around them.

    concepts, synonyms: (sentences, 2).
    """
    count = len(concepts)
    sentences = rng.integers(CONCEPTS * SYNONYMS, WORDS, (count, SENTENCE_LENGTH))
    places = np.argsort(rng.random((count, SENTENCE_LENGTH)), axis=1)[:, :2]
    np.put_along_axis(sentences, places, concepts * SYNONYMS + synonyms, axis=1)
    return sentences


def _pairs(rng, meanings, count):
    """Balanced pairs that say the same or not; of those that do not, 3 in 4 share one concept."""
    # The concepts in common: two, one or none.
    common = rng.permutation(np.array([2, 2, 2, 2, 1, 1, 1, 0])[np.arange(count) % 8])
    left = rng.integers(0, len(meanings), count)
    shared = (meanings[:, None, :, None] == meanings[None, :, None, :]).sum((2, 3))
    right = np.empty(count, int)
    for sample in range(count):
        right[sample] = rng.choice(np.flatnonzero(shared[left[sample]] == common[sample]))
    left_synonyms = rng.integers(0, SYNONYMS, (count, CONCEPTS))
    # In other words: no concept is ever named by the same word on both sides.
    right_synonyms = (left_synonyms + rng.integers(1, SYNONYMS, (count, CONCEPTS))) % SYNONYMS
    left_concepts, right_concepts = meanings[left], meanings[right]
    inputs = {
        "left": _write(rng, left_concepts, np.take_along_axis(left_synonyms, left_concepts, 1)),
        "right": _write(rng, right_concepts, np.take_along_axis(right_synonyms, right_concepts, 1)),
    }
    return (
        {side: one_hot(words, WORDS) for side, words in inputs.items()},
        (common == 2).astype("float32")[:, None],
    )


def _queries(rng, meanings):
    """70 queries about 40 of the `meanings`, of which 30 are asked twice."""
    chosen = rng.permutation(len(meanings))[:40]
    chosen = rng.permutation(np.concatenate([chosen, chosen[:30]]))
    concepts = meanings[chosen]
    sentences = _write(rng, concepts, rng.integers(0, SYNONYMS, concepts.shape))
    return Queries(one_hot(sentences, WORDS), chosen)


def sentences(seed, train=8000, test=1000):
    """Sentence pairs that say the same in other words, or not (section 7.1.5).

    Vocabulary: 16 concepts of three synonyms each and 80 filler words. A sentence's meaning is the
    set of its two concepts; their synonyms, places and order and the filler say nothing.
    Signal: whether the two meanings are equal. The two sentences of a pair never have a concept
    word in common, so comparing words is of no use. Chance: accuracy 0.5. Best possible: 1.
    Of the pairs that differ, 3 in 4 share one of the two concepts (the hard ones: without them a
    model learns "about the same thing", and finds too many duplicates in a list).
    The meanings of the test pairs and of the queries to search (40 of 120) never occur in training.
    """
    rng = draws(seed, train=train, test=test)
    meanings = np.array([(a, b) for a in range(CONCEPTS) for b in range(a + 1, CONCEPTS)])
    meanings = rng.permutation(meanings)  # (120, 2)
    train_meanings, test_meanings = meanings[HELD_OUT:], meanings[:HELD_OUT]
    trained, trained_targets = _pairs(rng, train_meanings, train)
    tested, tested_targets = _pairs(rng, test_meanings, test)
    return Sentences(
        train=trained,
        train_targets=trained_targets,
        test=tested,
        test_targets=tested_targets,
        practice=_queries(rng, train_meanings),
        queries=_queries(rng, test_meanings),
    )


# 7.2.2 Movie reviews, good or bad

OPINIONS = ("positive", "negative")
TOPICS = ("plot", "music", "actors", "photography")


@dataclass(frozen=True, kw_only=True)
class Reviews(Task):
    """Reviews, (n, length) int32 with zeros before short ones; good or bad, (n, 1), 1 or 0."""

    words: list[str]  # what each number stands for, in ASCII
    kinds: list[str]  # of each word; 0 is "padding", of the others some "positive" or "negative"


def reviews(seed, train=1600, test=400, length=500, opinion_words=250, topic_words=250, filler=499):
    """Movie reviews: is the verdict good or bad? (section 7.2.2)

    Vocabulary: the padding, 250 positive and 250 negative words, 250 on each of four topics and 499
    of filler; together 2,000. Words of a kind are equally frequent.
    Signal: a word is an opinion with probability 0.15, and then on the side of the verdict with
    probability 0.9. The others are filler or on the topic of the review, which has nothing to do
    with the verdict: an embedding has no reason to separate topics.
    A review has from a quarter of `length` to `length` words. Every other one is good.
    Chance 0.5. Best possible: the side of most of its opinions, since all opinions weigh the same
    and nothing else helps; a toss where the sides are even.
    train, test: (n, length), the words at the end, where keras.utils.pad_sequences puts them.
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
    written = np.arange(length) >= length - rng.integers(length // 4, length + 1, (len(good), 1))
    review = np.where(written, np.where(is_opinion, opinion, neutral), 0).astype("int32")

    balance = np.sum(np.where(praises, 1, -1) * (is_opinion & written), axis=1, keepdims=True)
    right = np.where(balance == 0, 0.5, (balance > 0) == good)
    return Reviews(
        **split(review, good.astype("float32"), train),
        words=["padding", *words[1:]],
        kinds=kinds,
        best_possible=float(right[train:].mean()),
    )
