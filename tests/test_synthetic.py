"""The data: the signal is there, chance is chance, and nothing tested was trained on."""

import dataclasses

import numpy as np
import pytest

from ch07 import synthetic

TASKS = [
    synthetic.vector_classes,
    synthetic.questions,
    synthetic.garments,
    synthetic.posts,
    synthetic.phrases,
    synthetic.scales,
    synthetic.spirals,
    synthetic.clusters,
    synthetic.recall,
    synthetic.sentences,
    synthetic.stereo_pairs,
]
make = pytest.mark.parametrize("make", TASKS, ids=lambda make: make.__name__)


def arrays(value):
    """Every array in a task, at any depth."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        return [array for item in value.values() for array in arrays(item)]
    if dataclasses.is_dataclass(value):
        return [a for f in dataclasses.fields(value) for a in arrays(getattr(value, f.name))]
    return []


def rows(inputs):
    """All inputs of each sample, as bytes."""
    count = len(next(iter(inputs.values())))
    return [b"".join(array[n].tobytes() for array in inputs.values()) for n in range(count)]


@make
def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(make):
    one, same, other = (arrays(make(seed)) for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


@make
def test_no_test_sample_is_a_training_sample(make):
    task = make(0)
    assert not set(rows(task.train)) & set(rows(task.test))


@make
def test_inputs_and_targets_belong_together_and_are_finite(make):
    task = make(0)
    for inputs, targets in ((task.train, task.train_targets), (task.test, task.test_targets)):
        lengths = {len(array) for array in [*arrays(inputs), *arrays(targets)]}
        assert len(lengths) == 1
    assert all(np.isfinite(array).all() for array in arrays(task))


def shares(one_hot):
    return one_hot.mean(axis=0)


def test_vector_classes_are_balanced_and_near_their_centres():
    task = synthetic.vector_classes(0)
    assert shares(task.train_targets) == pytest.approx([0.1] * 10, abs=0.02)
    centres = task.train_targets.T @ task.train["vector"]
    centres /= task.train_targets.sum(axis=0)[:, None]
    nearest = ((task.test["vector"][:, None] - centres) ** 2).sum(-1).argmin(1)
    assert np.mean(nearest == task.test_targets.argmax(1)) > 0.95


def test_a_question_is_answered_by_rule_and_not_by_one_input():
    task = synthetic.questions(0)
    text, question = task.test["text"], task.test["question"]
    answer = task.test_targets.argmax(1)
    topic = (question.min(axis=1) - 1) // 3  # topic names have the smallest numbers
    stated = (text - 1)[np.arange(len(text))[:, None], np.argsort(text, axis=1)[:, :3]]
    # The three smallest words of a text are its facts, in the order of the topics.
    assert (stated // 4 == np.arange(3)).all()
    assert (stated[np.arange(len(text)), topic] == answer).all()
    # Without the question, three answers are equally likely; without the text, four.
    assert np.mean(stated[:, 0] == answer) == pytest.approx(1 / 3, abs=0.03)
    assert np.mean(topic * 4 == answer) == pytest.approx(1 / 4, abs=0.03)
    assert task.ceilings == {"both": 1.0, "text": 1 / 3, "question": 1 / 4}


def test_ceilings_of_the_price_are_what_the_noise_leaves():
    task = synthetic.garments(0)
    ceilings = task.ceilings
    variance = np.concatenate([task.train_targets, task.test_targets]).var()
    assert 1 - 0.1**2 / variance == pytest.approx(ceilings["joint"], abs=0.01)
    assert max(ceilings.values()) == ceilings["joint"]
    # Averaging three predictions is worse than weighting them, and both than seeing everything.
    assert ceilings["average"] < ceilings["best mix"] < ceilings["joint"] - 0.1


def test_added_effects_leave_little_to_learn_jointly():
    # The control: the gain of learning jointly lies in the interaction.
    added = synthetic.garment_ceilings(0.1, "add")
    multiplied = synthetic.garment_ceilings(0.1, "multiply")
    assert added["joint"] - added["best mix"] < 0.1 < multiplied["joint"] - multiplied["best mix"]


def test_attributes_of_garments_alone_reach_their_ceiling_by_looking_up():
    task = synthetic.garments(0)
    table = {}
    for key, price in zip(rows({"a": task.train["attributes"]}), task.train_targets, strict=True):
        table.setdefault(key, []).append(price)
    told = np.array([np.mean(table[key]) for key in rows({"a": task.test["attributes"]})])
    r2 = 1 - np.mean((told - task.test_targets[:, 0]) ** 2) / task.test_targets.var()
    assert r2 == pytest.approx(task.ceilings["attributes"], abs=0.03)


def test_posts_can_be_read_and_chance_is_chance():
    task = synthetic.posts(0)
    assert shares(task.test_targets["income"]) == pytest.approx([0.1] * 10, abs=0.03)
    assert task.test_targets["gender"].mean() == pytest.approx(0.5, abs=0.04)
    assert task.test_targets["age"].std() == pytest.approx(task.chance["age"])
    words = task.test["posts"]
    # Gender words are the last two before the filler: the more frequent one is the guess.
    man = synthetic.AGE_WORDS + synthetic.INCOME_WORDS + 1
    guess = (words == man + 1).sum(1) > (words == man).sum(1)
    tie = (words == man + 1).sum(1) == (words == man).sum(1)
    right = np.where(tie, 0.5, guess == (task.test_targets["gender"][:, 0] == 1))
    assert right.mean() == pytest.approx(task.ceilings["gender"], abs=0.02)


def test_phrases_mean_nothing_without_their_order():
    task = synthetic.phrases(0)
    assert task.labelled.sum() == 100
    words, gender = task.test["posts"], task.test_targets["gender"][:, 0]
    # Inside a phrase the words follow each other upwards for trait 0, downwards for trait 1.
    steps = np.diff(words, axis=1)
    pairs = (np.maximum(words[:, 1:], words[:, :-1]) <= 80) & (np.abs(steps) == 1)
    pairs &= (np.minimum(words[:, 1:], words[:, :-1]) % 2) == 1
    trait = (steps * pairs).sum(1) < 0
    assert np.mean(trait == gender) == pytest.approx(task.ceiling, abs=0.01)
    assert task.ceiling == pytest.approx(0.95, abs=0.02)
    # The words themselves, in any order, are as frequent for either gender.
    counts = [(words[gender == g][..., None] == np.arange(1, 81)).mean((0, 1)) for g in (0, 1)]
    assert np.abs(counts[0] - counts[1]).max() < 0.004


def test_each_scale_of_an_image_shows_in_its_own_statistic():
    task = synthetic.scales(0)
    image, toss = task.test["image"], task.test_targets
    colour = (image[..., 0] * image[..., 1]).mean((1, 2)) > 0
    assert np.mean(colour == (toss[:, 0] == 1)) > 0.99
    echo = (image[:, :, 5:, 2] * image[:, :, :-5, 2]).mean((1, 2)) > 0
    assert np.mean(echo == (toss[:, 2] == 1)) > 0.95
    down = (image[:, 1:, :, 2] * image[:, :-1, :, 2]).mean((1, 2))
    across = (image[:, :, 1:, 2] * image[:, :, :-1, 2]).mean((1, 2))
    assert np.mean((down > across) == (toss[:, 1] == 1)) > 0.95
    # No toss shows in a mean.
    for n in range(3):
        gap = image[toss[:, n] == 1].mean((0, 1, 2)) - image[toss[:, n] == 0].mean((0, 1, 2))
        assert np.abs(gap).max() < 0.02


def test_the_spirals_are_easy_so_that_depth_is_what_is_hard():
    task = synthetic.spirals(0)
    points = np.column_stack([task.train["point"], np.ones(len(task.train["point"]))])
    weights = np.linalg.lstsq(points, task.train_targets * 2 - 1, rcond=None)[0]
    tested = np.column_stack([task.test["point"], np.ones(len(task.test["point"]))])
    assert 0.9 < np.mean((tested @ weights > 0) == (task.test_targets == 1)) < 0.99
    nearest = ((task.test["point"][:, None] - task.train["point"]) ** 2).sum(-1).argmin(1)
    assert np.mean(task.train_targets[nearest] == task.test_targets) > 0.995


def test_only_the_first_step_tells_what_to_recall():
    task = synthetic.recall(0)
    sequence = task.test["sequence"]
    assert (sequence[:, 0, :4] == task.test_targets).all()
    assert (sequence[:, 1:, :4] == 0).all()
    assert (sequence.sum(axis=2) == 1).all()


def test_two_sentences_of_a_pair_share_no_concept_word():
    task = synthetic.sentences(0)
    concepts = synthetic.CONCEPTS * synthetic.SYNONYMS
    left, right = (task.test[side].max(axis=1)[:, :concepts] for side in ("left", "right"))
    assert (left * right).sum() == 0
    # But by their concepts, the words without their synonyms, the pairs can be told exactly.
    sets = [s.reshape(-1, synthetic.CONCEPTS, synthetic.SYNONYMS).max(2) for s in (left, right)]
    same = (sets[0] == sets[1]).all(axis=1)
    assert (same == (task.test_targets[:, 0] == 1)).all()
    assert task.test_targets.mean() == 0.5
    assert (task.swapped["left"] == task.test["right"]).all()


def test_queries_are_about_meanings_that_training_never_saw():
    task = synthetic.sentences(0)
    concepts = synthetic.CONCEPTS * synthetic.SYNONYMS

    def meanings(words):
        shape = (-1, synthetic.CONCEPTS, synthetic.SYNONYMS)
        return {row.tobytes() for row in words.max(axis=1)[:, :concepts].reshape(shape).max(2)}

    trained = meanings(task.train["left"]) | meanings(task.train["right"])
    assert not trained & meanings(task.queries.sentences)
    assert not trained & meanings(task.test["left"])
    assert task.queries.duplicate.sum() == 30
    assert len(task.queries.duplicate) == 70 * 69 / 2


def test_the_disparity_is_the_shift_between_the_pictures_and_in_neither():
    task = synthetic.stereo_pairs(0)
    left, right = (task.test[side][..., 0] for side in ("left", "right"))
    matches = [
        (left[:, :, shift:] * right[:, :, : 24 - shift]).mean(axis=(1, 2)) for shift in range(8)
    ]
    assert np.mean(np.argmax(matches, axis=0) == task.test_targets[:, 0]) > 0.98
    # One picture: the best of its simple statistics does not follow the disparity.
    for statistic in (left.mean((1, 2)), left.std((1, 2)), left[:, :, -1].mean(1)):
        assert abs(np.corrcoef(statistic, task.test_targets[:, 0])[0, 1]) < 0.1


def test_too_few_different_samples_are_refused():
    with pytest.raises(ValueError, match="only 1 different samples, 2 are needed"):
        synthetic.distinct(np.zeros((5, 3)), 2)
