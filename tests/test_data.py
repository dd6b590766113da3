"""The data: the signal is there, chance is chance, and nothing tested was trained on."""

import dataclasses
import itertools

import numpy as np
import pytest

from ch07 import data
from ch07.data import images
from ch07.data.tasks import one_hot, split
from ch07.data.text import CONCEPTS, SYNONYMS

# Of each generator, what its docstring says of one sample: its shape, and that of its target.
FORMS = {
    "vector_classes": ((64,), (10,)),
    "questions": ({"text": (20,), "question": (6,)}, (12,)),
    "garments": ({"picture": (16, 16, 1), "description": (12,), "attributes": (5,)}, (1,)),
    "posts": ((20,), {"age": (1,), "income": (10,), "gender": (1,)}),
    "phrases": ((20,), {"age": (1,), "income": (10,), "gender": (1,)}),
    "scales": ((16, 16, 3), (3,)),
    "spirals": ((2,), (1,)),
    "clusters": ((16,), (8,)),
    "recall": ((40, 8), (4,)),
    "sentences": ({"left": (6, 128), "right": (6, 128)}, (1,)),
    "stereo_pairs": ({"left": (24, 24, 1), "right": (24, 24, 1)}, (1,)),
    "reviews": ((500,), (1,)),
    "patterns": (
        dict.fromkeys(("apart", "tangled"), (12, 12, 8)),
        dict.fromkeys(("class_apart", "class_tangled"), (8,)),
    ),
    "gestures": ((24, 4), (4,)),
    "hidden_parity": ((20,), (2,)),
    "cue_sequences": ((24, 4), (1,)),
}
every = pytest.mark.parametrize("name", FORMS)


def arrays(value):
    """Every array in a task, at any depth."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple):
        value = dict(enumerate(value))
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return [a for v in value.values() for a in arrays(v)] if isinstance(value, dict) else []


def rows(inputs):
    """All inputs of each sample, as bytes."""
    parts = arrays(inputs)
    return [b"".join(array[n].tobytes() for array in parts) for n in range(len(parts[0]))]


def forms(of):
    """The shape of one sample of an array, or of each of several by name."""
    return {n: a.shape[1:] for n, a in of.items()} if isinstance(of, dict) else of.shape[1:]


@every
def test_data_are_what_the_docstring_says_and_nothing_is_tested_that_was_trained_on(name):
    task = getattr(data, name)(0)
    for part in ("train", "validation", "test"):
        if getattr(task, part) is not None:
            inputs, targets = getattr(task, part), getattr(task, f"{part}_targets")
            assert (forms(inputs), forms(targets)) == FORMS[name]
            assert len({len(array) for array in [*arrays(inputs), *arrays(targets)]}) == 1
    assert all(np.isfinite(array).all() for array in arrays(task))
    assert not set(rows(task.train)) & set(rows(task.test))


@every
def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(name):
    one, same, other = (arrays(getattr(data, name)(s, train=64, test=40)) for s in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


@every
@pytest.mark.parametrize("bad", [{"seed": -1}, {"seed": 1.5}, {"train": 0}, {"test": 2.0}])
def test_sizes_and_seeds_that_make_no_data_are_refused(name, bad):
    (argument,) = bad
    with pytest.raises(ValueError, match=argument):
        getattr(data, name)(**({"seed": 0, "train": 64, "test": 40} | bad))


def test_vector_classes_are_balanced_and_near_their_centres():
    task = data.vector_classes(0)
    assert task.train_targets.mean(axis=0) == pytest.approx([0.1] * 10, abs=0.02)
    centres = task.train_targets.T @ task.train
    centres /= task.train_targets.sum(axis=0)[:, None]
    nearest = ((task.test[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert np.mean(nearest == task.test_targets.argmax(1)) > 0.95


def test_a_question_is_answered_by_rule_and_not_by_one_input():
    task = data.questions(0)
    text, question = task.test["text"], task.test["question"]
    answer = task.test_targets.argmax(1)
    topic = (question.min(axis=1) - 1) // 3  # topic names have the smallest numbers
    stated = (text - 1)[np.arange(len(text))[:, None], np.argsort(text, axis=1)[:, :3]]
    # The three smallest words of a text are its facts, in the order of the topics.
    assert (stated // 4 == np.arange(3)).all()
    assert (stated[np.arange(len(text)), topic] == answer).all()
    # Without the question, three answers are equally likely; without the text, four.
    assert np.mean(stated[:, 0] == answer) == pytest.approx(task.best_possible["text"], abs=0.03)
    assert np.mean(topic * 4 == answer) == pytest.approx(task.best_possible["question"], abs=0.03)


def test_the_best_r2_of_a_price_is_what_the_noise_leaves():
    task = data.garments(0)
    best = task.best_possible
    variance = np.concatenate([task.train_targets, task.test_targets]).var()
    assert 1 - 0.1**2 / variance == pytest.approx(best["joint"], abs=0.01)
    assert max(best["picture"], best["description"], best["attributes"]) < best["best mix"]
    assert best["best mix"] < best["joint"] - 0.1
    # Looking up the mean price of equal attributes is the best that they allow.
    table = {}
    for key, price in zip(rows(task.train["attributes"]), task.train_targets, strict=True):
        table.setdefault(key, []).append(price)
    looked_up = np.array([np.mean(table[key]) for key in rows(task.test["attributes"])])
    r2 = 1 - np.mean((looked_up - task.test_targets[:, 0]) ** 2) / task.test_targets.var()
    assert r2 == pytest.approx(best["attributes"], abs=0.03)


def best_garment_scores(effects):
    """The best R2 possible from each input, and "joint", by enumerating all 4*6*4*4 garments."""
    brand, age, material, wear = np.indices((4, 6, 4, 4)).reshape(4, -1)
    price = images.garment_price(brand, age, material, wear, effects)
    looks = {
        "picture": wear,
        "description": material * 2 + (wear >= 2),
        "attributes": brand * 6 + age,
    }
    # Every garment is equally likely: the best prediction is the mean of all that look the same.
    best = {n: (np.bincount(of, price) / np.bincount(of))[of] for n, of in looks.items()}
    design = np.column_stack([*best.values(), np.ones(len(price))])
    best["best mix"] = design @ np.linalg.lstsq(design, price, rcond=None)[0]
    best["joint"] = price
    noise = images.PRICE_NOISE**2
    return {
        name: 1 - (np.mean((price - prediction) ** 2) + noise) / (price.var() + noise)
        for name, prediction in best.items()
    }


def test_added_effects_leave_little_to_learn_jointly():
    # The control: the gain of learning jointly lies in the interaction.
    added, multiplied = best_garment_scores("add"), best_garment_scores("multiply")
    assert multiplied == pytest.approx(images.BEST_GARMENT_SCORES)
    assert added["joint"] - added["best mix"] < 0.1 < multiplied["joint"] - multiplied["best mix"]


def test_posts_can_be_read_and_chance_is_chance():
    task = data.posts(0)
    assert task.test_targets["income"].mean(axis=0) == pytest.approx([0.1] * 10, abs=0.03)
    assert task.test_targets["gender"].mean() == pytest.approx(0.5, abs=0.04)
    assert task.test_targets["age"].std() == pytest.approx(17.3, abs=0.3)
    # Words 71 and 72 are those of the genders: the more frequent one is the guess.
    one, other = ((task.test == word).sum(1) for word in (71, 72))
    right = np.where(one == other, 0.5, (other > one) == (task.test_targets["gender"][:, 0] == 1))
    assert right.mean() == pytest.approx(task.best_possible["gender"], abs=0.02)


def test_phrases_mean_nothing_without_their_order():
    task = data.phrases(0)
    known = task.weights["gender"] > 0
    assert known.sum() == 50
    assert task.weights["gender"].sum() == pytest.approx(3000)
    words, gender = task.test, task.test_targets["gender"][:, 0]
    # Inside a phrase the words follow each other upwards for trait 0, downwards for trait 1.
    steps = np.diff(words, axis=1)
    pairs = (np.maximum(words[:, 1:], words[:, :-1]) <= 80) & (np.abs(steps) == 1)
    pairs &= (np.minimum(words[:, 1:], words[:, :-1]) % 2) == 1
    trait = (steps * pairs).sum(1) < 0
    assert np.mean(trait == gender) == pytest.approx(task.best_possible, abs=0.01)
    assert task.best_possible == pytest.approx(0.95, abs=0.02)
    # The words themselves, in any order, are as frequent for either gender.
    counts = [(words[gender == g][..., None] == np.arange(1, 81)).mean((0, 1)) for g in (0, 1)]
    assert np.abs(counts[0] - counts[1]).max() < 0.004


def test_each_scale_of_an_image_shows_in_its_own_statistic():
    task = data.scales(0)
    image, toss = task.test, task.test_targets
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
    task = data.spirals(0)
    points = np.column_stack([task.train, np.ones(len(task.train))])
    weights = np.linalg.lstsq(points, task.train_targets * 2 - 1, rcond=None)[0]
    tested = np.column_stack([task.test, np.ones(len(task.test))])
    assert 0.9 < np.mean((tested @ weights > 0) == (task.test_targets == 1)) < 0.99
    nearest = ((task.test[:, None] - task.train) ** 2).sum(-1).argmin(1)
    assert np.mean(task.train_targets[nearest] == task.test_targets) > 0.995


def test_the_best_score_of_clouds_is_not_beaten_by_the_means_of_many_points():
    task = data.clusters(0, train=20_000, test=5_000)
    centres = task.train_targets.T @ task.train / task.train_targets.sum(axis=0)[:, None]
    nearest = ((task.test[:, None] - centres) ** 2).sum(-1).argmin(1)
    accuracy = np.mean(nearest == task.test_targets.argmax(1))
    assert accuracy == pytest.approx(task.best_possible, abs=0.01)


def test_only_the_first_step_has_the_symbol_to_recall():
    task = data.recall(0)
    assert (task.test[:, 0, :4] == task.test_targets).all()
    assert (task.test[:, 1:, :4] == 0).all()
    assert (task.test.sum(axis=2) == 1).all()


def test_two_sentences_of_a_pair_share_no_concept_word():
    task = data.sentences(0)
    left, right = (task.test[side].max(axis=1)[:, : CONCEPTS * SYNONYMS] for side in task.test)
    assert (left * right).sum() == 0
    # But by their concepts, the words without their synonyms, the pairs are exactly as labelled.
    sets = [words.reshape(-1, CONCEPTS, SYNONYMS).max(2) for words in (left, right)]
    same = (sets[0] == sets[1]).all(axis=1)
    assert (same == (task.test_targets[:, 0] == 1)).all()
    assert task.test_targets.mean() == 0.5


def test_queries_are_about_meanings_that_training_never_saw():
    task = data.sentences(0)

    def meanings(words):
        concepts = words.max(axis=1)[:, : CONCEPTS * SYNONYMS]
        return {row.tobytes() for row in concepts.reshape(-1, CONCEPTS, SYNONYMS).max(2)}

    trained = meanings(task.train["left"]) | meanings(task.train["right"])
    assert not trained & meanings(task.queries.sentences)
    assert not trained & meanings(task.test["left"])
    assert task.queries.duplicate.sum() == 30
    assert len(task.queries.duplicate) == 70 * 69 / 2


def test_duplicates_are_pairs_of_equal_meaning_in_the_order_of_pairs():
    queries = data.sentences(0, train=8, test=8).queries
    words = queries.sentences.max(axis=1)[:, : CONCEPTS * SYNONYMS]
    concepts = words.reshape(-1, CONCEPTS, SYNONYMS).max(axis=2)
    pairs = itertools.combinations(concepts, 2)
    assert queries.duplicate.tolist() == [(one == other).all() for one, other in pairs]


def test_the_disparity_is_the_shift_between_the_pictures_and_in_neither():
    task = data.stereo_pairs(0)
    left, right = (task.test[side][..., 0] for side in ("left", "right"))
    matches = [
        (left[:, :, shift:] * right[:, :, : 24 - shift]).mean(axis=(1, 2)) for shift in range(8)
    ]
    assert np.mean(np.argmax(matches, axis=0) == task.test_targets[:, 0]) > 0.98
    # One picture: the best of its simple statistics does not follow the disparity.
    for statistic in (left.mean((1, 2)), left.std((1, 2)), left[:, :, -1].mean(1)):
        assert abs(np.corrcoef(statistic, task.test_targets[:, 0])[0, 1]) < 0.1


def test_the_side_of_most_opinions_is_the_best_verdict_on_a_review():
    task = data.reviews(0)
    kinds = np.array(task.kinds)
    assert len(task.words) == len(kinds) == 2000
    good, bad = ((kinds[task.test] == side).sum(axis=1) for side in data.OPINIONS)
    right = np.where(good == bad, 0.5, (good > bad) == (task.test_targets[:, 0] == 1))
    assert right.mean() == pytest.approx(task.best_possible, abs=1e-9)


@pytest.mark.parametrize("kind", ["apart", "tangled"])
def test_who_knows_the_patterns_tells_the_classes(kind):
    task = data.patterns(0, train=1, test=300)
    image = task.test[kind]
    around = np.pad(image, ((0, 0), (0, 2), (0, 2), (0, 0)), mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    match = np.einsum("nijcab,kabc->nijk", windows, task.patterns[kind]).reshape(300, -1, 8)
    best = np.sort(match, axis=1)[:, -4:].sum(axis=1)
    assert np.mean(best.argmax(1) == task.test_targets[f"class_{kind}"].argmax(1)) > 0.97


@pytest.mark.parametrize(("noise", "low", "high"), [(0.01, 1, 1), (0.7, 0.8, 0.99), (50, 0.2, 0.3)])
def test_the_best_score_of_gestures_falls_from_1_to_chance_with_the_noise(noise, low, high):
    assert low <= data.gestures(0, noise=noise).best_possible <= high


def test_the_class_of_hidden_parity_is_in_the_signs_of_two_coordinates():
    task = data.hidden_parity(0)
    assert task.best_possible == pytest.approx(0.73, abs=0.02)
    # A plane through the points tells nothing: the means of both classes are the same.
    means = [task.test[task.test_targets[:, side] == 1].mean(axis=0) for side in (0, 1)]
    assert np.linalg.norm(means[0] - means[1]) < 0.2


def best_cue_score(agreement):
    """The best accuracy from independent cues, each right with a probability of `agreement`."""
    best = 0
    for said in itertools.product([True, False], repeat=len(agreement)):
        chances = np.where(said, agreement, 1 - np.array(agreement))
        best += max(chances.prod(), (1 - chances).prod()) / 2  # of every combination, the likelier
    return best


def test_four_cues_together_are_better_than_the_best_of_them():
    assert best_cue_score([0.9]) == pytest.approx(0.9)
    assert best_cue_score([0.5, 0.7]) == pytest.approx(0.7)
    assert best_cue_score([0.8, 0.8, 0.8]) == pytest.approx(0.8**3 + 3 * 0.8**2 * 0.2)
    task = data.cue_sequences(0)
    assert task.best_possible["all"] == pytest.approx(best_cue_score([*data.CUES.values()]))
    assert task.best_possible["all"] > max(data.CUES.values())
    halves = (task.test[:, :12, 2] * task.test[:, 12:, 2]).mean(axis=1) > 0
    right = np.mean(halves == (task.test_targets[:, 0] == 1))
    assert right == pytest.approx(data.CUES["echo"], abs=0.03)


def test_a_split_loses_nothing():
    x, y = np.arange(10), {"y": np.arange(10)}
    parts = split(x, y, 4)
    assert [*parts["train"], *parts["test"]] == [*range(10)]
    assert parts["train_targets"]["y"].tolist() == [0, 1, 2, 3]
    parts = split(x, x, 4, 3)
    assert [*parts["train"], *parts["validation"], *parts["test"]] == [*range(10)]
    assert parts["validation_targets"].tolist() == [4, 5, 6]
    assert (one_hot(np.array([[2, 0]]), 3) == [[[0, 0, 1], [1, 0, 0]]]).all()
