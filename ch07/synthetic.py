"""Synthetic data: what the signal is, what chance is, and what the ceiling is.

Every generator is plain NumPy and takes a seed: the same seed gives the same data. What a model is
tested on never occurs in what it is trained on. A ceiling is the score of the best reader possible,
computed from how the data are made and not from any model.

Sizes, seeds and shares that make no such data are refused with a ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ch07 import checks

Arrays = dict[str, np.ndarray]  # by the name of a model's input or output


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to learn: inputs by name, and targets, for training and for testing."""

    train: Arrays
    train_targets: np.ndarray | Arrays
    test: Arrays
    test_targets: np.ndarray | Arrays


def draws(seed: int, **sizes: int) -> np.random.Generator:
    """Where a generator draws from: the same for the same seed.

    Raises:
        ValueError: `seed` is not a whole number from 0, or one of its `sizes` not one from 1.
    """
    checks.whole(0, seed=seed)
    checks.whole(**sizes)
    return np.random.default_rng(seed)


def split(inputs: Arrays, targets: np.ndarray | Arrays, train: int) -> dict:
    """The fields of a `Task`: the first `train` samples for training, the others for testing."""
    given = [*inputs.values(), *(targets.values() if isinstance(targets, dict) else [targets])]
    lengths = sorted({len(array) for array in given})
    checks.whole(train=train)
    if len(lengths) > 1 or train >= lengths[0]:
        raise ValueError(f"{train} samples to train on cannot be split off arrays of {lengths}.")

    def part(rows, of):
        return (
            {name: array[rows] for name, array in of.items()} if isinstance(of, dict) else of[rows]
        )

    first, rest = slice(train), slice(train, None)
    return {
        "train": part(first, inputs),
        "train_targets": part(first, targets),
        "test": part(rest, inputs),
        "test_targets": part(rest, targets),
    }


@dataclass(frozen=True, kw_only=True)
class ValidatedTask(Task):
    """A task with samples to choose between models on, so that the test samples stay unseen."""

    validation: Arrays
    validation_targets: np.ndarray


def split_in_three(inputs: Arrays, targets: np.ndarray, train: int, validation: int) -> dict:
    """The fields of a `ValidatedTask`: the first `train` samples, `validation` ones, the others."""
    first = split(inputs, targets, train)
    rest = split(first["test"], first["test_targets"], validation)
    return first | {
        "validation": rest["train"],
        "validation_targets": rest["train_targets"],
        "test": rest["test"],
        "test_targets": rest["test_targets"],
    }


def distinct(rows, count):
    """The first `count` samples whose row occurs for the first time; rows: (samples, tokens)."""
    checks.whole(count=count)
    _, first = np.unique(rows, axis=0, return_index=True)
    if len(first) < count:
        raise ValueError(f"only {len(first)} different samples, {count} are needed")
    return np.sort(first)[:count]


def one_hot(labels, classes):
    """Integers from 0 to classes - 1, (n,) or (n, steps), to float32 with an axis for classes."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels are not all whole numbers from 0 to {classes - 1}.")
    return np.eye(classes, dtype="float32")[labels]


# 7.1.1 Vectors of ten classes


def vector_classes(seed, train=1000, test=1000, features=64, classes=10):
    """Vectors of ten classes that can be told apart (section 7.1.1).

    Signal: a vector is its class's prototype plus noise. Chance: 1 / classes. Ceiling: about 1.
    vector: (n, features). targets: (n, classes), one-hot.
    """
    rng = draws(seed, train=train, test=test, features=features, classes=classes)
    samples = train + test
    prototypes = rng.normal(size=(classes, features))
    labels = rng.permutation(np.arange(samples) % classes)
    vectors = prototypes[labels] + 1.5 * rng.normal(size=(samples, features))
    return Task(**split({"vector": vectors.astype("float32")}, one_hot(labels, classes), train))


# 7.1.2 Question answering


@dataclass(frozen=True, kw_only=True)
class Questions(Task):
    """Texts, (n, 20) int32, questions about them, (n, 6) int32, and answers, (n, 12) one-hot."""

    vocabulary_sizes: tuple[int, int, int]  # of the text, the question and the answers
    ceilings: dict[str, float]  # best accuracy with "both" inputs, the "text", the "question"


def questions(
    seed,
    train=4000,
    test=3000,
    topics=3,
    values=4,
    text_length=20,
    question_length=6,
    filler=40,
    synonyms=3,
):
    """Texts that state one fact about each of three topics, and questions that name one topic.

    Signal: among filler, a text holds one word for each topic ("the sky: blue"), in any order and
    at any place; the word says which of the topic's four values is true. A question names a topic
    in one of three synonyms. The answer is that topic's value, one of 3 * 4.
    Ceilings: both inputs 1. The text alone leaves 3 topics that may be asked: 1/3. The question
    alone leaves 4 values: 1/4. Neither: 1/12.
    """
    rng = draws(
        seed,
        train=train,
        test=test,
        topics=topics,
        values=values,
        filler=filler,
        synonyms=synonyms,
        question_length=question_length,
    )
    checks.whole(topics, text_length=text_length)  # a word for each topic
    total = 2 * (train + test)
    facts = topics * values
    text = rng.integers(1 + facts, 1 + facts + filler, (total, text_length))
    value = rng.integers(values, size=(total, topics))
    place = np.argsort(rng.random((total, text_length)), axis=1)[:, :topics]
    np.put_along_axis(text, place, 1 + np.arange(topics) * values + value, axis=1)

    question = rng.integers(
        1 + topics * synonyms, 1 + topics * synonyms + filler, (total, question_length)
    )
    topic = rng.integers(topics, size=total)
    name = 1 + topic * synonyms + rng.integers(synonyms, size=total)
    question[np.arange(total), rng.integers(question_length, size=total)] = name

    answer = topic * values + value[np.arange(total), topic]
    # Different texts as well as different pairs: a text seen in training is never asked again.
    kept = distinct(text, train + test)
    inputs = {"text": text[kept].astype("int32"), "question": question[kept].astype("int32")}
    return Questions(
        **split(inputs, one_hot(answer[kept], facts), train),
        vocabulary_sizes=(1 + facts + filler, 1 + topics * synonyms + filler, facts),
        ceilings={"both": 1.0, "text": 1 / topics, "question": 1 / values},
    )


# 7.1.2 Multimodal: the price of a second-hand garment


BRAND = np.array([1.0, 2.0, 4.0, 8.0])  # known from the attributes only
AGE = 1 - 0.08 * np.arange(6)  # 0 to 5 years, known from the attributes only
MATERIAL = np.array([0.5, 1.0, 1.5, 2.0])  # known from the description only
WEAR = np.array([1.6, 1.2, 0.8, 0.4])  # exactly in the picture, roughly in the description
UNIT_PRICE = 0.1  # hundreds of euros
MODALITIES = ("picture", "description", "attributes")


@dataclass(frozen=True, kw_only=True)
class Garments(Task):
    """Garments and their prices in hundreds of euros, (n, 1).

    picture: (n, 16, 16, 1) float32. description: (n, 12) int32. attributes: (n, 5) float32.
    """

    vocabulary_size: int
    ceilings: dict[str, float]  # best R2: "joint", each modality, their "average" and "best mix"


def garment_price(brand, age, material, wear, effects):
    """Prices in hundreds of euros without noise; effects: "multiply" or "add" (the control)."""
    checks.one_of(("multiply", "add"), effects=effects)
    if effects == "multiply":
        return UNIT_PRICE * BRAND[brand] * AGE[age] * MATERIAL[material] * WEAR[wear]
    return UNIT_PRICE * (BRAND[brand] + 5 * AGE[age] + 3 * MATERIAL[material] + 4 * WEAR[wear])


def garment_ceilings(noise, effects):
    """The best R2 possible from what each modality shows, by enumerating all 4*6*4*4 garments.

    "average" is the mean of the three best single-modality predictions, "best mix" the best linear
    combination of them (free weights and an intercept).
    """
    checks.between(0, np.inf, noise=noise)
    brand, age, material, wear = (
        axis.ravel() for axis in np.meshgrid(range(4), range(6), range(4), range(4), indexing="ij")
    )
    price = garment_price(brand, age, material, wear, effects)
    shown = {
        "picture": wear,
        "description": material * 2 + (wear >= 2),
        "attributes": brand * 6 + age,
    }
    # Every garment is equally likely: the best prediction is the mean of all that look the same.
    best = np.stack(
        [
            np.bincount(shown[name], price)[shown[name]] / np.bincount(shown[name])[shown[name]]
            for name in MODALITIES
        ],
        axis=1,
    )
    design = np.column_stack([best, np.ones(len(price))])
    weighted = design @ np.linalg.lstsq(design, price, rcond=None)[0]
    variance = price.var() + noise**2
    r2 = {"joint": price, "average": best.mean(axis=1), "best mix": weighted}
    r2.update({name: best[:, column] for column, name in enumerate(MODALITIES)})
    return {
        name: float(1 - (np.mean((price - prediction) ** 2) + noise**2) / variance)
        for name, prediction in r2.items()
    }


def garments(
    seed,
    train=4000,
    test=2000,
    noise=0.1,
    size=16,
    block=4,
    words=12,
    filler=40,
    synonyms=3,
    effects="multiply",
):
    """Garments whose price is a product of what the picture, the text and the attributes show.

    Signal: the picture is cloth of 4 * 4 blocks; a sound block is striped, a worn one is random,
    with the same brightness and contrast; 0, 4, 8 or 12 blocks are worn. The description holds,
    among filler, one word for the material and one for "as new" or "worn" (three synonyms each):
    part of what the picture shows. The attributes are the brand (one-hot) and the age.
    The effects multiply: holes in a silk coat cost more than holes in a cotton one.
    Chance: predicting the mean price has R2 = 0. Ceilings: `garment_ceilings`.
    """
    rng = draws(seed, train=train, test=test, block=block, filler=filler, synonyms=synonyms)
    checks.between(0, np.inf, noise=noise)
    checks.whole(2, words=words)  # one for the material, one for the condition
    checks.whole(4 * block, block, size=size)  # 12 blocks may be worn
    total = train + test
    brand, material, wear = (rng.integers(4, size=total) for _ in range(3))
    age = rng.integers(6, size=total)
    price = garment_price(brand, age, material, wear, effects)
    price = price + rng.normal(0, noise, total)

    # 4 * wear of the 16 blocks are worn, at random places.   (total, 16) -> (total, 16, 16)
    blocks = size // block
    worn = rng.permuted(np.arange(blocks**2) < 4 * wear[:, None], axis=1)
    worn = worn.reshape(total, blocks, blocks).repeat(block, axis=1).repeat(block, axis=2)
    phase = rng.integers(2, size=(total, 1, 1))
    stripes = ((np.arange(size)[None, None, :] + phase) % 2) * np.ones((1, size, 1))
    picture = np.where(worn, rng.integers(2, size=(total, size, size)), stripes)
    picture = 2 * picture - 1 + rng.normal(0, 0.3, picture.shape)

    signal = 6 * synonyms  # 4 materials and 2 conditions
    description = rng.integers(1 + signal, 1 + signal + filler, (total, words))
    place = np.argsort(rng.random((total, words)), axis=1)[:, :2]
    meaning = np.stack([material, 4 + (wear >= 2)], axis=1)
    word = 1 + meaning * synonyms + rng.integers(synonyms, size=(total, 2))
    np.put_along_axis(description, place, word, axis=1)

    attributes = np.column_stack([np.eye(4)[brand], age / 5])
    inputs = {
        "picture": picture[..., None].astype("float32"),
        "description": description.astype("int32"),
        "attributes": attributes.astype("float32"),
    }
    return Garments(
        **split(inputs, price[:, None].astype("float32"), train),
        vocabulary_size=1 + signal + filler,
        ceilings=garment_ceilings(noise, effects),
    )


# 7.1.3 Posts of social media users: age, income group, gender


YOUNGEST = 18  # years
AGE_WORDS, INCOME_WORDS, GENDER_WORDS = 60, 10, 2  # word k of a family points at value k


@dataclass(frozen=True, kw_only=True)
class Posts(Task):
    """Posts, (n, 20) int32, and of their writers what is to be told.

    age: (n, 1) years. income: (n, 10) one-hot. gender: (n, 1), 0 or 1.
    """

    vocabulary_size: int
    chance: dict[str, float]  # without reading: error of the mean age in years, and accuracies
    ceilings: dict[str, float]  # the best that can be read from the test posts, in the same units


def posts(seed, train=4000, test=2000, length=20, mentions=4, filler=100):
    """Posts whose words hint at the writer's age, income group and gender.

    Signal: among filler, each post holds 4 words for each target. An age word points at an age
    drawn from a bell curve around the writer's (standard deviation 10 years). An income word is
    that of the writer's group with probability 0.8, else that of any group. A gender word is the
    writer's with probability 0.75. The three targets are independent of each other.
    Chance: 10 groups, 2 genders, and about 17 years of standard deviation.
    Ceilings: the posterior given the words, exact, since the words are independent given the
    targets.
    """
    rng = draws(seed, train=train, test=test, filler=filler, mentions=mentions)
    checks.whole(3 * mentions, length=length)
    total = train + test
    age = rng.integers(AGE_WORDS, size=total)  # years above YOUNGEST
    income = rng.integers(INCOME_WORDS, size=total)
    gender = rng.integers(GENDER_WORDS, size=total)

    # Probability of each word of a family (column) given the target (row).
    years = np.arange(AGE_WORDS)
    age_table = np.exp(-0.5 * ((years[None] - years[:, None]) / 10) ** 2)
    age_table /= age_table.sum(axis=1, keepdims=True)
    income_table = 0.8 * np.eye(INCOME_WORDS) + 0.2 / INCOME_WORDS
    gender_table = 0.5 * np.eye(GENDER_WORDS) + 0.5 / GENDER_WORDS

    families, posteriors = [], []
    for target, table in ((age, age_table), (income, income_table), (gender, gender_table)):
        drawn = rng.random((total, mentions, 1)) > table.cumsum(axis=1)[target][:, None, :-1]
        words = drawn.sum(axis=2)  # (total, mentions)
        likelihood = np.exp(np.log(table)[:, words].sum(axis=2)).T  # (total, target values)
        posteriors.append(likelihood / likelihood.sum(axis=1, keepdims=True))
        families.append(words)
    age_words, income_words, gender_words = families
    hints = np.concatenate(
        [1 + age_words, 1 + AGE_WORDS + income_words, 1 + AGE_WORDS + INCOME_WORDS + gender_words],
        axis=1,
    )
    first_filler = 1 + AGE_WORDS + INCOME_WORDS + GENDER_WORDS
    post = np.concatenate(
        [
            hints,
            rng.integers(first_filler, first_filler + filler, (total, length - hints.shape[1])),
        ],
        axis=1,
    )
    post = rng.permuted(post, axis=1).astype("int32")

    expected_age = posteriors[0] @ years
    ceilings = {
        "age": float(np.sqrt(np.mean((expected_age - age)[train:] ** 2))),
        "income": float(np.mean((posteriors[1].argmax(axis=1) == income)[train:])),
        "gender": float(np.mean((posteriors[2].argmax(axis=1) == gender)[train:])),
    }
    chance = {
        "age": float(age[train:].std()),
        "income": 1 / INCOME_WORDS,
        "gender": 1 / GENDER_WORDS,
    }
    targets = {
        "age": (YOUNGEST + age)[:, None].astype("float32"),
        "income": one_hot(income, INCOME_WORDS),
        "gender": gender[:, None].astype("float32"),
    }
    return Posts(
        **split({"posts": post}, targets, train),
        vocabulary_size=first_filler + filler,
        chance=chance,
        ceilings=ceilings,
    )


# 7.1.3 Correlated outputs: one trait behind age, income and gender


@dataclass(frozen=True, kw_only=True)
class Phrases(Task):
    """Posts, (n, 20) int32, whose meaning lies in the order of words.

    age: (n, 1) decades from the mean. income: (n, 10) one-hot. gender: (n, 1), 0 or 1.
    """

    labelled: np.ndarray  # (n,) bool: the gender of this writer of the training is known
    vocabulary_size: int
    ceiling: float  # best accuracy for the gender of the test posts


def phrases(
    seed,
    train=3000,
    test=2000,
    known=100,
    length=20,
    mentions=4,
    pairs=40,
    filler=60,
    agreement=0.95,
):
    """Posts in which the same words mean one thing in one order and another in the other.

    Signal: every writer has a hidden trait, 0 or 1. A post holds 4 two-word phrases: "a b" for
    trait 0, "b a" for trait 1, from 40 pairs of words. Counting words tells nothing. Age, income
    and gender each depend on the trait, with noise of their own: age = -1 or +1 and a bell curve
    of 0.5, income from the lower or the upper five groups, gender equal to the trait; the latter
    two with probability 0.95.
    The gender is known for 100 of 3,000 writers.
    Chance 0.5; ceiling 0.95, for who reads the trait without fault.
    """
    rng = draws(seed, train=train, test=test, mentions=mentions, pairs=pairs, filler=filler)
    checks.whole(2 * mentions, length=length)
    checks.between(0, 1, agreement=agreement)
    checks.between(0, train, known=checks.whole(0, known=known))
    total = train + test
    trait = rng.integers(2, size=total)
    # A post is 4 phrases (two tokens each) and single filler words, in random order.
    slots = length - mentions  # filler words and phrases
    order = rng.permuted(np.tile(np.arange(slots) < mentions, (total, 1)), axis=1)
    pair = rng.integers(pairs, size=(total, mentions))
    first = 1 + 2 * pair + trait[:, None]  # "a b" or "b a"
    second = 1 + 2 * pair + 1 - trait[:, None]
    widths = np.where(order, 2, 1)
    starts = widths.cumsum(axis=1) - widths  # where each slot begins
    post = rng.integers(1 + 2 * pairs, 1 + 2 * pairs + filler, (total, length))
    place = starts[order].reshape(total, mentions)
    np.put_along_axis(post, place, first, axis=1)
    np.put_along_axis(post, place + 1, second, axis=1)

    def noisy():
        return np.where(rng.random(total) < agreement, trait, 1 - trait)

    age = (2 * trait - 1) + rng.normal(0, 0.5, total)
    income = 5 * noisy() + rng.integers(5, size=total)
    gender = noisy()
    targets = {
        "age": age[:, None].astype("float32"),
        "income": one_hot(income, 10),
        "gender": gender[:, None].astype("float32"),
    }
    labelled = np.zeros(train, dtype=bool)
    labelled[rng.permutation(train)[:known]] = True
    return Phrases(
        **split({"posts": post.astype("int32")}, targets, train),
        labelled=labelled,
        vocabulary_size=1 + 2 * pairs + filler,
        ceiling=float(np.mean(gender[train:] == trait[train:])),
    )


# 7.1.4 Images with structure at three scales

SCALES = ("colour", "fine", "coarse")


def scales(seed, train=1600, test=1000, size=16, echo=5):
    """Images that hide a coin toss at each of three scales (section 7.1.4).

    image: (n, size, size, 3). targets: (n, 3), 0 or 1, in the order of SCALES. A toss changes how
    values go together and never their mean:

    colour  one pixel: channel 1 follows channel 0, or its negative. No neighbour is needed.
    fine    three pixels: stripes of period 3 along the rows or along the columns. An average over
            three pixels wipes them out.
    coarse  `echo` pixels: noise comes back so many pixels further right, as it was or with the
            opposite sign. A window of `echo` pixels or fewer sees pure noise.

    Chance 0.5 each. Ceiling: near 1, since second moments over the image tell each toss apart.
    """
    rng = draws(seed, train=train, test=test, size=size, echo=echo)
    checks.between(1, size - 1, echo=echo)  # or nothing comes back
    samples = train + test
    targets = rng.integers(2, size=(samples, 3))
    colour, fine, coarse = (2.0 * targets - 1.0).T[..., None, None]  # -1 or 1, (samples, 1, 1)

    first = rng.standard_normal((samples, size, size))
    second = 0.7 * colour * first + np.sqrt(1 - 0.7**2) * rng.standard_normal(first.shape)

    phase = np.arange(size) / 3 + rng.random((samples, 1))
    wave = np.sqrt(2) * np.cos(2 * np.pi * phase)  # (samples, size)
    stripes = np.where(fine > 0, wave[:, None, :], wave[:, :, None])

    noise = rng.standard_normal((samples, size, echo))
    repeats = -(-size // echo)  # rounded up
    echoes = np.concatenate([noise * coarse**k for k in range(repeats)], axis=2)[:, :, :size]
    third = stripes + 1.5 * echoes + 0.3 * rng.standard_normal(first.shape)
    images = np.stack([first, second, third], axis=-1).astype("float32")
    return Task(**split({"image": images}, targets.astype("float32"), train))


# 7.1.4 Two spirals, clusters, and a symbol to remember


def spirals(seed, train=2048, test=1000, turns=0.75):
    """Points on the two arms of a spiral: on which? (section 7.1.4).

    point: (n, 2). targets: (n, 1), 0 or 1. Chance 0.5; ceiling about 1, the noise is narrow against
    the gap. Easy on purpose, a straight line already tells 19 of 20 points right: what fails here
    fails at its depth and not at the task.
    """
    rng = draws(seed, train=train, test=test)
    checks.between(0, np.inf, turns=turns)
    samples = train + test
    side = rng.integers(2, size=samples)
    radius = np.sqrt(rng.uniform(0.1, 1.0, samples))
    angle = 2 * np.pi * turns * radius + np.pi * side
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    points = 1.5 * (points + 0.02 * rng.standard_normal(points.shape)).astype("float32")
    return Task(**split({"point": points}, side[:, None].astype("float32"), train))


@dataclass(frozen=True, kw_only=True)
class Clusters(Task):
    """Points, (n, 16), in Gaussian clouds, and the cloud of each, (n, 8) one-hot."""

    ceiling: float  # test accuracy of choosing the nearest true centre: no rule is better


def clusters(seed, train=2000, test=1000, features=16, classes=8):
    """Gaussian clouds around random centres (section 7.1.4). Chance: 1 / classes."""
    rng = draws(seed, train=train, test=test, features=features, classes=classes)
    centres = rng.standard_normal((classes, features))
    cloud = rng.integers(classes, size=train + test)
    points = centres[cloud] + rng.standard_normal((train + test, features))
    nearest = ((points[:, None, :] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    return Clusters(
        **split({"features": points.astype("float32")}, one_hot(cloud, classes), train),
        ceiling=float(np.mean(nearest[train:] == cloud[train:])),
    )


def recall(seed, train=2000, test=500, steps=40, symbols=4):
    """Name the first symbol of a sequence; the others are of another alphabet (section 7.1.4).

    sequence: (n, steps, 2 * symbols), one-hot. targets: (n, symbols), one-hot. Chance 1 / symbols,
    ceiling 1; nothing but step 0 tells.
    """
    rng = draws(seed, train=train, test=test, steps=steps, symbols=symbols)
    samples = train + test
    answers = rng.integers(symbols, size=samples)
    tokens = symbols + rng.integers(symbols, size=(samples, steps))
    tokens[:, 0] = answers
    sequences = one_hot(tokens, 2 * symbols)
    return Task(**split({"sequence": sequences}, one_hot(answers, symbols), train))


# 7.1.5 Sentences that say the same in other words

CONCEPTS = 16
SYNONYMS = 3
HELD_OUT = 40  # of the 120 meanings: test sentences and queries are about these only
WORDS = 128  # the size of the vectors the book feeds: concepts * synonyms, the rest is filler
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

    swapped: Arrays  # the test pairs with left and right exchanged
    practice: Queries  # to choose a threshold on; about meanings of the training
    queries: Queries  # to search for duplicates; about meanings of the tests


def _all_meanings():
    """Every set of two concepts: (120, 2)."""
    return np.array([(a, b) for a in range(CONCEPTS) for b in range(a + 1, CONCEPTS)])


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


def _queries(rng, meanings, count, repeated):
    """`count` queries; the first `repeated` meanings are asked twice, the others once."""
    chosen = rng.permutation(len(meanings))[: count - repeated]
    chosen = rng.permutation(np.concatenate([chosen, chosen[:repeated]]))
    concepts = meanings[chosen]
    sentences = _write(rng, concepts, rng.integers(0, SYNONYMS, concepts.shape))
    return Queries(one_hot(sentences, WORDS), chosen)


def sentences(seed, train=8000, test=1000, queries=70, repeated=30):
    """Sentence pairs that say the same in other words, or not (section 7.1.5).

    Vocabulary: 16 concepts of three synonyms each and 80 filler words. A sentence's meaning is the
    set of its two concepts; their synonyms, places and order and the filler say nothing.
    Signal: whether the two meanings are equal. The two sentences of a pair never have a concept
    word in common, so comparing words tells nothing. Chance: accuracy 0.5. Ceiling: 1.0.
    Of the pairs that differ, 3 in 4 share one of the two concepts (the hard ones: without them a
    model learns "about the same thing", and finds too many duplicates in a list).
    The meanings of the test pairs and of the queries to search (40 of 120) never occur in training.
    """
    rng = draws(seed, train=train, test=test, queries=queries)
    # There are 40 meanings to ask about, and as many of them at least as are asked twice.
    checks.between(0, queries // 2, repeated=checks.whole(0, repeated=repeated))
    checks.between(0, HELD_OUT + repeated, queries=queries)
    meanings = rng.permutation(_all_meanings())
    train_meanings, test_meanings = meanings[HELD_OUT:], meanings[:HELD_OUT]
    trained, trained_targets = _pairs(rng, train_meanings, train)
    tested, tested_targets = _pairs(rng, test_meanings, test)
    return Sentences(
        train=trained,
        train_targets=trained_targets,
        test=tested,
        test_targets=tested_targets,
        swapped={"left": tested["right"], "right": tested["left"]},
        practice=_queries(rng, train_meanings, queries, repeated),
        queries=_queries(rng, test_meanings, queries, repeated),
    )


# 7.1.6 Random-dot stereograms


DOTS = 0.06  # dots for each pixel: about a fifth of the picture is white


def stereo_pairs(seed, train=1000, test=1000, size=24, disparities=8, noise=0.1):
    """Random-dot stereograms: the depth is in neither picture, only between them (section 7.1.6).

    A surface is strewn with white dots of 2 x 2 pixels. The right eye sees it 0 to 7 pixels further
    along than the left eye; in its picture a share `noise` of the pixels is replaced by those of
    another surface. (B. Julesz, 1960, https://doi.org/10.1002/j.1538-7305.1960.tb03954.x)

    Signal: the shift. Chance: always saying 3.5 is wrong by 2.0 pixels in the mean, and one eye
    cannot do better. Ceiling: 0. Every surface is drawn anew, so none occurs twice.
    left, right: (n, 24, 24, 1), mean about 0. targets: (n, 1) pixels.
    """
    rng = draws(seed, train=train, test=test, size=size, disparities=disparities)
    checks.between(0, 1, noise=noise)
    pairs = train + test
    disparity = rng.permutation(np.arange(pairs) % disparities)
    width = size + disparities - 1

    def strew():
        corners = rng.random((pairs, size + 1, width + 1)) < DOTS
        return corners[:, 1:, 1:] | corners[:, :-1, 1:] | corners[:, 1:, :-1] | corners[:, :-1, :-1]

    surface = strew()
    columns = np.arange(size)[None, :] + disparity[:, None]  # (pairs, size)
    left = surface[:, :, :size]
    right = np.take_along_axis(surface, columns[:, None, :], axis=2)
    right = np.where(rng.random(right.shape) < noise, strew()[:, :, :size], right)
    white = 1 - (1 - DOTS) ** 4  # expected share: a dot in one of four corners is enough
    inputs = {
        name: ((eye - white) / (white * (1 - white)) ** 0.5).astype("float32")[..., None]
        for name, eye in (("left", left), ("right", right))
    }
    return Task(**split(inputs, disparity.astype("float32")[:, None], train))


# 7.2.2 Movie reviews, good or bad

OPINIONS = ("positive", "negative")
TOPICS = ("plot", "music", "actors", "photography")


@dataclass(frozen=True, kw_only=True)
class Reviews(Task):
    """Reviews, (n, length) int32 with zeros before short ones; good or bad, (n, 1), 1 or 0."""

    words: list[str]  # what each number stands for, in ASCII
    kinds: list[str]  # of each word; 0 is "padding", of the others some "positive" or "negative"
    ceiling: float  # best accuracy for the test reviews


def reviews(
    seed,
    train=1600,
    test=400,
    length=500,
    opinion_words=250,
    topic_words=250,
    filler=499,
    opinions=0.15,
    agreement=0.9,
):
    """Movie reviews: is the verdict good or bad? (section 7.2.2)

    Vocabulary: the padding, 250 positive and 250 negative words, 250 on each of four topics and 499
    of filler; together 2,000. Words of a kind are equally frequent.
    Signal: a word is an opinion with probability 0.15, and then on the side of the verdict with
    probability 0.9. The others are filler or on the topic of the review, which has nothing to do
    with the verdict: an embedding has no reason to tell topics apart.
    A review has from a quarter of `length` to `length` words. Every other one is good.
    Chance 0.5. Ceiling: the side of most of its opinions, since all opinions weigh the same and
    nothing else tells; a toss where the sides are even.
    review: (n, length), the words at the end, where keras.utils.pad_sequences puts them.
    """
    rng = draws(
        seed,
        train=train,
        test=test,
        opinion_words=opinion_words,
        topic_words=topic_words,
        filler=filler,
    )
    checks.whole(4, length=length)  # a quarter of it is one word
    checks.between(0, 1, opinions=opinions, agreement=agreement)
    shape = (train + test, length)
    good = np.arange(train + test)[:, None] % 2  # (n, 1)
    topic = rng.integers(len(TOPICS), size=(train + test, 1))

    sizes = {"padding": 1} | dict.fromkeys(OPINIONS, opinion_words)
    sizes |= dict.fromkeys(TOPICS, topic_words) | {"filler": filler}
    kinds = [kind for kind, size in sizes.items() for _ in range(size)]
    words = [f"{kind} {n}" for kind, size in sizes.items() for n in range(size)]
    first = {kind: kinds.index(kind) for kind in sizes}

    praises = (rng.random(shape) < agreement) == good
    opinion = np.where(praises, first["positive"], first["negative"])
    opinion = opinion + rng.integers(opinion_words, size=shape)
    on_topic = first[TOPICS[0]] + topic * topic_words + rng.integers(topic_words, size=shape)
    idle = first["filler"] + rng.integers(filler, size=shape)
    neutral = np.where(rng.random(shape) < 0.6, on_topic, idle)
    is_opinion = rng.random(shape) < opinions
    written = np.arange(length) >= length - rng.integers(length // 4, length + 1, (len(good), 1))
    review = np.where(written, np.where(is_opinion, opinion, neutral), 0).astype("int32")

    balance = np.sum(np.where(praises, 1, -1) * (is_opinion & written), axis=1, keepdims=True)
    right = np.where(balance == 0, 0.5, (balance > 0) == good)
    return Reviews(
        **split({"review": review}, good.astype("float32"), train),
        words=["padding", *words[1:]],
        kinds=kinds,
        ceiling=float(right[train:].mean()),
    )


# 7.3.1 Patterns over channels, that separate into space and channels or do not

PATTERN = 3  # pixels, the side of a pattern


@dataclass(frozen=True, kw_only=True)
class Patterns(Task):
    """Images, (n, size, size, channels), that hide the pattern of their class.

    Inputs "apart" and "tangled"; targets "class_apart" and "class_tangled", (n, classes) one-hot.
    """

    patterns: dict[str, np.ndarray]  # by input: (classes, 3, 3, channels), each of length 1


def patterns(
    seed, train=1500, test=1000, size=12, channels=8, classes=8, count=4, strength=3.0, noise=0.5
):
    """Noise in which a pattern over 3 x 3 pixels and all channels occurs four times: which one?

    apart    each channel has one spatial pattern of its own, the same for all classes; a class is
             how strongly, and with which sign, each channel shows it. Space and channels separate.
    tangled  each class has another spatial pattern in every channel. They do not.

    Both kinds have the same noise, places, classes and strength, and every pattern has mean 0 in
    every channel and length 1. The four places lie on a grid that each image shifts, and around
    whose border the image goes on at the other side.
    Chance: 1 / classes. Ceiling: near 1, which who knows the patterns reaches (a test says so).
    """
    rng = draws(seed, train=train, test=test, channels=channels, classes=classes, count=count)
    checks.whole(PATTERN, size=size)
    checks.between(1, (size // PATTERN) ** 2, count=count)
    checks.between(0, np.inf, strength=strength, noise=noise)
    samples = train + test

    def unit(values):
        values = values - values.mean(axis=(1, 2), keepdims=True)
        return values / np.sqrt((values**2).sum(axis=(1, 2, 3), keepdims=True))

    window = (PATTERN, PATTERN, channels)
    shape = rng.standard_normal((1, *window))
    strengths = rng.standard_normal((classes, 1, 1, channels))
    drawn = {
        "apart": unit(shape * strengths),
        "tangled": unit(rng.standard_normal((classes, *window))),
    }

    label = rng.integers(classes, size=samples)
    background = noise * rng.standard_normal((samples, size, size, channels))
    side = size // PATTERN
    slots = rng.permuted(np.tile(np.arange(side**2), (samples, 1)), axis=1)[:, :count]
    corner = PATTERN * np.stack(np.divmod(slots, side), axis=-1)  # (samples, count, 2)
    corner = corner + rng.integers(PATTERN, size=(samples, 1, 2))
    images, rows = {}, np.arange(samples)[:, None]
    for kind, of in drawn.items():
        image = background.copy()
        for r, c in np.ndindex(PATTERN, PATTERN):
            at = rows, (corner[..., 0] + r) % size, (corner[..., 1] + c) % size
            image[at] += strength * of[label][:, None, r, c]
        images[kind] = image.astype("float32")
    targets = {f"class_{kind}": one_hot(label, classes) for kind in drawn}
    return Patterns(**split(images, targets, train), patterns=drawn)


# 7.3.2 Two gestures, one after the other


@dataclass(frozen=True, kw_only=True)
class Gestures(ValidatedTask):
    """Signals, (n, 24, 4), and which two gestures they show, (n, 4) one-hot."""

    ceiling: float  # test accuracy of who knows the shapes and the noise: no rule is better


def gestures(seed, train=600, validation=300, test=3000, steps=24, noise=0.7):
    """Signals of four sensors that record a gesture and then another: which two? (section 7.3.2)

    There are two gestures, a swing and a shake, each five steps long, and each moves the sensors in
    proportions of its own. One of the two comes first, and 5 to 8 steps after its start, again one
    of the two. The class is the pair. Where the first begins is random, and noise covers it all.

    Signal: both shapes and their order: which of them occur, without the order, tells three of the
    four classes apart. A convolution of five steps sees one gesture, only deeper ones see both.
    Chance 0.25. Ceiling: the posterior of the pair given the signal, all places and gaps weighed.
    signal: (n, 24, 4) float32. targets: (n, 4), in the order swing swing, swing shake, shake swing,
    shake shake.
    """
    rng = draws(seed, train=train, validation=validation, test=test)
    samples = train + validation + test
    checks.whole(13, steps=steps)  # two gestures with the largest gap
    checks.between(1e-6, np.inf, noise=noise)  # the ceiling is divided by it
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
    told = np.logaddexp.reduce(fit, axis=1).argmax(axis=1)

    return Gestures(
        **split_in_three({"signal": signal.astype("float32")}, one_hot(pair, 4), train, validation),
        ceiling=float(np.mean(told == pair[train + validation :])),
    )


# 7.3.2 Points that are hard to tell apart


@dataclass(frozen=True, kw_only=True)
class HardPoints(Task):
    """Points, (n, features), of two classes, (n, 2) one-hot."""

    ceiling: float  # test accuracy of the signs of the two hidden coordinates: no rule is better


def hidden_parity(seed, train=200, test=10000, features=20):
    """Points of which two hidden coordinates tell the class by their signs (section 7.3.2).

    Signal: four overlapping clouds in the corners of a square, -1 or 1 in each of two hidden
    coordinates, and noise of standard deviation 1 in all; opposite corners are one class. The
    hidden coordinates lie anywhere in the space. What 200 points say of them is little: trained
    models come a little above chance, each in its own way.
    Chance 0.5; ceiling about 0.73.
    features: (n, features). targets: (n, 2), one-hot.
    """
    rng = draws(seed, train=train, test=test)
    checks.whole(2, features=features)  # those that are hidden
    samples = train + test
    corners = rng.choice([-1, 1], (samples, 2))
    hidden = rng.standard_normal((samples, features))
    hidden[:, :2] += corners
    rotation, _ = np.linalg.qr(rng.standard_normal((features, features)))
    same = corners[:, 0] == corners[:, 1]
    told = np.sign(hidden[:, 0]) == np.sign(hidden[:, 1])
    points = (hidden @ rotation).astype("float32")
    return HardPoints(
        **split({"features": points}, one_hot(same.astype(int), 2), train),
        ceiling=float(np.mean(told[train:] == same[train:])),
    )


# 7.3.3 Sequences with four cues

CUES = {"pattern": 0.88, "motif": 0.88, "echo": 0.88, "spread": 0.84}  # how often each is right


@dataclass(frozen=True, kw_only=True)
class CueSequences(ValidatedTask):
    """Sequences, (n, steps, 4), and their class, (n, 1), 0 or 1."""

    ceilings: dict[str, float]  # best accuracy by cue, and with "all" of them


def cue_ceiling(agreement):
    """The best accuracy from independent cues, each right with a probability of `agreement`.

    Of every combination of cues, the likelier class is said.
    """
    if not len(agreement):
        raise ValueError("agreement is empty: a cue is needed.")
    for share in agreement:
        checks.between(0, 1, agreement=share)
    said = np.stack(np.meshgrid(*[[True, False]] * len(agreement)), axis=-1)  # of the class, or not
    right = np.where(said, agreement, 1 - np.asarray(agreement)).prod(axis=-1)
    wrong = np.where(said, 1 - np.asarray(agreement), agreement).prod(axis=-1)
    return float(np.maximum(right, wrong).sum() / 2)


def cue_sequences(seed, train=2000, validation=2000, test=8000, steps=24):
    """Sequences of two classes with four cues, each for another kind of model (section 7.3.3).

    Signal: each of the four channels shows one cue; it points at the class with the probability in
    CUES, each independently of the others, and at the other class else.

    pattern  +1 and -1 in a fixed random order, or its negative: at fixed places.
    motif    up, up, down, down, or its negative: at any place.
    echo     the second half repeats the first, or its negative: in products of distant steps.
    spread   values near -1 and 1, or around 0: in the distribution of single values.

    The sum of a channel says nothing. Chance 0.5. Ceilings: CUES, and `cue_ceiling` for all four.
    """
    rng = draws(seed, train=train, validation=validation, test=test)
    checks.whole(4, 2, steps=steps)  # for the motif, and two halves
    samples, half = train + validation + test, steps // 2
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

    inputs = {"sequence": sequence.astype("float32")}
    return CueSequences(
        **split_in_three(inputs, label.astype("float32"), train, validation),
        ceilings=CUES | {"all": cue_ceiling(list(CUES.values()))},
    )
