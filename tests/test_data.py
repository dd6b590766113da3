"""The data: the signal is there, chance is chance, and nothing tested was trained on."""

import itertools

import keras
import numpy as np
import pytest

from ch07 import data, metrics
from ch07.data import images
from ch07.data.text import CONCEPTS, SYNONYMS

PATTERNS = {"apart": (12, 12, 8), "tangled": (12, 12, 8)}
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
    "patterns": (PATTERNS, {"class_apart": (8,), "class_tangled": (8,)}),
    "gestures": ((24, 4), (4,)),
    "hidden_parity": ((20,), (2,)),
    "cue_sequences": ((24, 4), (1,)),
}
every = pytest.mark.parametrize("name", FORMS)


def rows(inputs):
    """All inputs of each sample, as bytes."""
    samples = zip(*keras.tree.flatten(inputs), strict=True)
    return [b"".join(of.tobytes() for of in sample) for sample in samples]


def parts_of(task, forms):
    """The inputs of each part of a task, whose samples have these forms."""
    for part in ("train", "validation", "test"):
        if (inputs := getattr(task, part)) is not None:
            both = inputs, getattr(task, f"{part}_targets")
            assert keras.tree.map_structure(lambda of: of.shape[1:], both) == forms
            assert len({len(of) for of in keras.tree.flatten(both)}) == 1
            assert all(np.isfinite(of).all() for of in keras.tree.flatten(both))
            yield inputs


@every
def test_data_are_what_the_docstring_says_and_nothing_is_tested_that_was_trained_on(name):
    parts = [{*rows(inputs)} for inputs in parts_of(getattr(data, name)(0), FORMS[name])]
    for one, other in itertools.combinations(parts, 2):
        assert not one & other


@every
def test_the_seed_says_which_data_and_what_makes_none_is_refused(name):
    make, sizes = getattr(data, name), {"train": 64, "test": 40}
    one, same, other = (make(seed, **sizes) for seed in (3, 3, 4))
    for part, size in sizes.items():
        same_rows, other_rows = rows(getattr(same, part)), rows(getattr(other, part))
        assert rows(getattr(one, part)) == same_rows != other_rows
        assert len(same_rows) == size
    for bad in ({"seed": -1}, {"seed": 1.5}, {"train": 0}, {"test": 2.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            make(**({"seed": 0} | sizes | bad))


def test_vector_classes_are_balanced_and_clouds_as_hard_as_is_said():
    vectors, clouds = data.vector_classes(0), data.clusters(0, train=20_000, test=5_000)
    assert vectors.train_targets.mean(axis=0) == pytest.approx([0.1] * 10, abs=0.02)
    for task, best, near in ((vectors, 1, 0.05), (clouds, clouds.best_possible, 0.01)):
        centres = task.train_targets.T @ task.train / task.train_targets.sum(axis=0)[:, None]
        distances = ((task.test[:, None] - centres) ** 2).sum(axis=-1)
        right = metrics.accuracy(-distances, task.test_targets)
        assert right == pytest.approx(best, abs=near)


def test_a_question_is_answered_by_rule_and_not_by_one_input():
    task = data.questions(0)
    text, question = task.test["text"], task.test["question"]
    answer = task.test_targets.argmax(1)
    topic = (question.min(axis=1) - 1) // 3  # topic names have the smallest numbers
    stated = (text - 1)[np.arange(len(text))[:, None], np.argsort(text, axis=1)[:, :3]]
    # The three smallest words of a text are its facts, in the order of the topics.
    assert (stated // 4 == np.arange(3)).all()
    assert (stated[np.arange(len(text)), topic] == answer).all()
    assert len({*rows(task.train["text"]), *rows(text)}) == 4000 + 3000
    # Without the question, three answers are equally likely; without the text, four.
    assert np.mean(stated[:, 0] == answer) == pytest.approx(task.best_possible["text"], abs=0.03)
    assert np.mean(topic * 4 == answer) == pytest.approx(task.best_possible["question"], abs=0.03)


def test_the_best_scores_of_garments_are_those_of_all_that_there_are():
    # The control, "add": the gain of learning jointly lies in the interaction.
    brand, age, material, wear = np.indices((4, 6, 4, 4)).reshape(4, -1)
    looks = [wear, material * 2 + (wear >= 2), brand * 6 + age]
    noise, gain = images.PRICE_NOISE**2, {}
    for effects in ("multiply", "add"):
        price = images.garment_price(brand, age, material, wear, effects)
        # Every garment is equally likely: the best prediction is the mean of all that look so.
        means = [(np.bincount(of, price) / np.bincount(of))[of][:, None] for of in looks]
        mixed = metrics.best_mix(means, price[:, None])
        off = [np.mean((price - of[:, 0]) ** 2) for of in (*means, mixed, price[:, None])]
        scores = [1 - (of + noise) / (price.var() + noise) for of in off]
        gain[effects] = scores[-1] - scores[-2]
        if effects == "multiply":
            assert scores == pytest.approx([*images.BEST_GARMENT_SCORES.values()])
    assert gain["add"] < 0.1 < gain["multiply"]
    task = data.garments(0)
    assert task.best_possible == images.BEST_GARMENT_SCORES
    assert task.test["description"].min() == 1  # 0 is padding, also where nothing is padded
    # A worn block has the brightness of a sound one, so the mean tells nothing of the price.
    brightness, prices = task.test["picture"].mean((1, 2, 3)), task.test_targets[:, 0]
    assert abs(np.corrcoef(brightness, prices)[0, 1]) < 0.07


def test_posts_can_be_read_and_chance_is_chance():
    task = data.posts(0)
    assert task.test_targets["income"].mean(axis=0) == pytest.approx([0.1] * 10, abs=0.03)
    assert task.test_targets["gender"].mean() == pytest.approx(0.5, abs=0.04)
    assert task.test_targets["age"].std() == pytest.approx(17.3, abs=0.3)
    # Words 71 and 72 are those of the genders: the more frequent one is the guess.
    one, other = ((task.test == word).sum(1) for word in (71, 72))
    right = np.where(one == other, 0.5, (other > one) == (task.test_targets["gender"][:, 0] == 1))
    assert right.mean() == pytest.approx(task.best_possible["gender"], abs=0.02)
    # Words 61 to 70 are those of the income groups: the best is said on the test samples.
    said = (task.test[..., None] == np.arange(61, 71)).sum(axis=1).argmax(axis=1)
    income = np.mean(said == task.test_targets["income"].argmax(axis=1))
    assert income == pytest.approx(task.best_possible["income"], abs=1e-9)


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
    echo = (image[:, :, 5:, 2] * image[:, :, :-5, 2]).mean((1, 2)) > 0
    down = (image[:, 1:, :, 2] * image[:, :-1, :, 2]).mean((1, 2))
    across = (image[:, :, 1:, 2] * image[:, :, :-1, 2]).mean((1, 2))
    for n, said in enumerate((colour, down > across, echo)):
        assert np.mean(said == (toss[:, n] == 1)) > 0.95
        # No toss shows in a mean.
        gap = image[toss[:, n] == 1].mean((0, 1, 2)) - image[toss[:, n] == 0].mean((0, 1, 2))
        assert np.abs(gap).max() < 0.02


def test_spirals_are_easy_so_that_depth_is_what_is_hard_and_only_a_first_step_is_to_recall():
    task = data.spirals(0)
    line = metrics.best_mix([task.test[:, :1], task.test[:, 1:]], task.test_targets)
    assert 0.9 < metrics.accuracy(line, task.test_targets) < 0.99
    nearest = ((task.test[:, None] - task.train) ** 2).sum(-1).argmin(1)
    assert np.mean(task.train_targets[nearest] == task.test_targets) > 0.995
    task = data.recall(0)
    assert (task.test[:, 0, :4] == task.test_targets).all()
    assert (task.test[:, 1:, :4] == 0).all()
    assert (task.test.sum(axis=2) == 1).all()


def test_the_sentences_of_a_pair_share_no_word_and_meanings_of_the_test_are_new():
    task = data.sentences(0)

    def words(sentences):
        known = sentences.max(axis=1)[:, : CONCEPTS * SYNONYMS]
        return known.reshape(-1, CONCEPTS, SYNONYMS)

    left, right = (words(task.test[side]) for side in ("left", "right"))
    assert not (left * right).any()
    # But by their concepts, the words without their synonyms, the pairs are exactly as labelled.
    same = (left.max(axis=2) == right.max(axis=2)).all(axis=1)
    assert (same == (task.test_targets[:, 0] == 1)).all()
    assert task.test_targets.mean() == 0.5
    queries = words(task.queries.sentences).max(axis=2)
    trained = set(rows(words(np.concatenate([*task.train.values()])).max(axis=2)))
    assert not trained & {*rows(queries), *rows(left.max(axis=2)), *rows(right.max(axis=2))}
    assert trained >= set(rows(words(task.practice.sentences).max(axis=2)))
    # Duplicates are pairs of equal meaning, in the order of pairs.
    pairs = itertools.combinations(queries, 2)
    assert task.queries.duplicate.tolist() == [(one == other).all() for one, other in pairs]
    assert task.queries.duplicate.sum() == 30


def test_the_disparity_is_the_shift_between_the_pictures_and_in_neither():
    task = data.stereo_pairs(0)
    left, right = (task.test[side][..., 0] for side in ("left", "right"))
    matches = [(left[:, :, by:] * right[:, :, : 24 - by]).mean(axis=(1, 2)) for by in range(8)]
    assert np.mean(np.argmax(matches, axis=0) == task.test_targets[:, 0]) > 0.98
    assert np.bincount(task.test_targets[:, 0].astype(int)) == pytest.approx([125] * 8, abs=30)
    # One picture: none of its simple statistics follows the disparity.
    for statistic in (left.mean((1, 2)), left.std((1, 2)), left[:, :, -1].mean(1)):
        assert abs(np.corrcoef(statistic, task.test_targets[:, 0])[0, 1]) < 0.1


def test_the_side_of_most_opinions_is_the_best_verdict_on_a_review():
    task = data.reviews(0)
    kinds = np.array(task.kinds)
    assert len(task.words) == len(kinds) == 2000
    good, bad = ((kinds[task.test] == side).sum(axis=1) for side in data.OPINIONS)
    verdict = task.test_targets[:, 0] == 1
    right = np.where(good == bad, 0.5, (good > bad) == verdict)
    assert right.mean() == pytest.approx(task.best_possible, abs=1e-9)
    sides = np.where(verdict, good, bad).sum() / (good + bad).sum()
    assert sides == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(("kind", "rank"), [("apart", 1), ("tangled", 8)])
def test_who_knows_the_patterns_tells_the_classes_and_only_some_separate(kind, rank):
    task = data.patterns(0, train=1, test=300)
    drawn, image = task.patterns[kind], task.test[kind]
    for channel in range(8):  # of (classes, pixels): space and channels separate, or do not
        assert np.linalg.matrix_rank(drawn[..., channel].reshape(8, 9)) == rank
    np.testing.assert_allclose((drawn**2).sum(axis=(1, 2, 3)), 1)
    np.testing.assert_allclose(drawn.mean(axis=(1, 2)), 0, atol=1e-12)
    around = np.pad(image, ((0, 0), (0, 2), (0, 2), (0, 0)), mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    match = np.einsum("nijcab,kabc->nijk", windows, drawn).reshape(300, -1, 8)
    # Four times, at places of one grid.
    label = task.test_targets[f"class_{kind}"].argmax(axis=1)
    own = np.take_along_axis(match, label[:, None, None], axis=2)[..., 0]
    places = np.stack(np.divmod(np.argsort(own)[:, -4:], 12)) % 3
    assert np.mean((places == places[..., :1]).all(axis=(0, 2))) > 0.95
    strongest = np.sort(match, axis=1)[:, -4:].mean(axis=1)
    assert metrics.accuracy(strongest, task.test_targets[f"class_{kind}"]) > 0.97


def test_each_cue_tells_what_is_said_of_it_and_errs_on_its_own():
    task = data.cue_sequences(0)
    signed = 2 * task.train_targets[:, 0] - 1
    first, second, third, fourth = np.moveaxis(task.test, 2, 0)
    motif = np.stack([np.correlate(row, [1, 1, -1, -1], "valid") for row in second])
    strongest = np.take_along_axis(motif, np.abs(motif).argmax(axis=1)[:, None], axis=1)[:, 0]
    pattern = first @ np.sign(signed @ task.train[..., 0])
    echo = np.sum(third[:, :12] * third[:, 12:], axis=1)
    spread = np.abs(fourth).mean(axis=1) - 0.73
    right = (np.column_stack([pattern, strongest, echo, spread]) > 0) == task.test_targets
    np.testing.assert_allclose(right.mean(axis=0), [*data.CUES.values()], atol=0.025)
    assert np.abs(np.corrcoef(right.T) - np.eye(4)).max() < 0.05
    # The sum of a channel says nothing.
    sums = np.corrcoef(np.hstack([task.test_targets, task.test.sum(axis=1)]).T)
    assert np.abs(sums[0, 1:]).max() < 0.05
    # All four together: of every combination, the likelier class.
    points = np.array([*itertools.product([0, 1], repeat=4)])
    chances = np.abs(points - [*data.CUES.values()]).prod(axis=1)
    best = np.maximum(chances, chances[::-1]).sum() / 2
    assert task.best_possible == data.CUES | {"all": pytest.approx(best)}
