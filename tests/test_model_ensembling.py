"""Section 7.3, ensembling: the models and the data are what the lessons say; nothing is trained."""

import keras
import numpy as np
import pytest

import ch0703_ensembling as script
from ch07 import candidates, ensembles, synthetic
from ch07.training import settle

# The points of the search


def test_hidden_parity_is_told_by_two_coordinates_and_by_no_line():
    points = synthetic.hidden_parity(0, train=5000, test=5000)
    features, labels = points.train["features"], points.train_targets.argmax(axis=1)
    assert (features.shape, features.dtype) == ((5000, 20), np.float32)
    assert points.train_targets.shape == (5000, 2)
    signal = 2 * labels - 1.0
    assert np.abs(signal @ features / 5000).max() < 0.06
    # Of the products of coordinates, (20, 20), the signal has two: their two eigenvectors.
    products = (features * signal[:, None]).T @ features / 5000
    strengths = np.sort(np.abs(np.linalg.eigvalsh(products)))
    assert (strengths[-2:] > 0.8).all()
    assert strengths[-3] < 0.3


def test_the_ceiling_of_hidden_parity_is_that_of_the_normal_distribution():
    sign_right = 0.841345  # Phi(1)
    expected = sign_right**2 + (1 - sign_right) ** 2
    assert synthetic.hidden_parity(1).ceiling == pytest.approx(expected, abs=0.02)


def test_the_data_follow_the_seed():
    for make, name in [
        (synthetic.hidden_parity, "features"),
        (synthetic.cue_sequences, "sequence"),
    ]:
        one, again, other = (make(seed, train=20, test=20).train[name] for seed in (3, 3, 4))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()


# The candidates


def test_a_candidate_has_the_units_of_its_width_and_no_more():
    model = candidates.build([2, 5, 8], features=4)
    told = model(np.ones((6, 4), "float32")).numpy()
    assert told.shape == (6, 3, 2)
    np.testing.assert_allclose(told.sum(axis=2), 1, rtol=1e-6)
    assert model.count_params() == 4 * 3 * 8 + 3 * 8 + 3 * 8 * 2 + 3 * 2
    hidden = keras.Model(model.input, model.get_layer("width").output)
    model.get_layer("hidden").bias.assign(np.full((3, 8), 100.0))
    np.testing.assert_array_equal(np.sum(hidden(np.zeros((1, 4))) > 0, axis=2), [[2, 5, 8]])


def test_candidates_learn_as_each_would_alone_at_its_rate():
    keras.utils.set_random_seed(0)
    together, widths, rates = candidates.build([3, 3], features=4), [3], [0.3, 0.02]
    starts = together.get_weights()
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.eye(2)[[0, 1] * 4]

    def step(model, rate, targets, weight=None):
        model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")
        settle(model, targets)
        model.train_on_batch(x, targets, sample_weight=weight)

    step(together, 2.0, np.repeat(y[:, None], 2, axis=1), np.tile(rates, (8, 1)))
    for n, rate in enumerate(rates):
        alone = candidates.build(widths, features=4)
        where = ([slice(None), [n]], [[n]], [[n]], [[n]])  # the candidates' axis of each weight
        alone.set_weights([w[tuple(at)] for w, at in zip(starts, where, strict=True)])
        step(alone, rate, y[:, None])
        for one, all_of_them, at in zip(
            alone.get_weights(), together.get_weights(), where, strict=True
        ):
            np.testing.assert_allclose(one, all_of_them[tuple(at)], atol=1e-6)


# The sequences and their cues


@pytest.fixture(scope="module")
def sequences():
    return synthetic.cue_sequences(0)


def test_sequences_have_their_parts_and_never_repeat(sequences):
    parts = sequences.train, sequences.validation, sequences.test
    targets = sequences.train_targets, sequences.validation_targets, sequences.test_targets
    assert [part["sequence"].shape for part in parts] == [
        (2000, 24, 4), (2000, 24, 4), (8000, 24, 4),
    ]  # fmt: skip
    assert [target.shape for target in targets] == [(2000, 1), (2000, 1), (8000, 1)]
    assert np.concatenate(targets).mean() == pytest.approx(0.5, abs=0.02)
    rows = {row.tobytes() for part in parts for row in part["sequence"]}
    assert len(rows) == 12000


def read_cues(sequence, pattern):
    """What the best reader of each cue says, (n, 4)."""
    first, second, third, fourth = np.moveaxis(sequence, 2, 0)
    motif = np.stack([np.correlate(row, [1, 1, -1, -1], "valid") for row in second])
    strongest = np.take_along_axis(motif, np.abs(motif).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.column_stack(
        [
            first @ pattern > 0,
            strongest > 0,
            np.sum(third[:, :12] * third[:, 12:], axis=1) > 0,
            np.abs(fourth).mean(axis=1) > 0.73,
        ]
    )


def test_each_cue_tells_what_its_ceiling_says_and_errs_on_its_own(sequences):
    said = 2 * sequences.train_targets[:, 0] - 1
    pattern = np.sign(said @ sequences.train["sequence"][..., 0])
    right = read_cues(sequences.test["sequence"], pattern) == sequences.test_targets
    np.testing.assert_allclose(right.mean(axis=0), list(synthetic.CUES.values()), atol=0.025)
    assert np.abs(np.corrcoef(right.T) - np.eye(4)).max() < 0.05


def test_the_sum_of_a_channel_says_nothing(sequences):
    said = 2 * sequences.test_targets - 1
    sums = sequences.test["sequence"].sum(axis=1)
    assert np.abs(np.corrcoef(np.hstack([said, sums]).T)[0, 1:]).max() < 0.05


def test_the_ceiling_of_all_cues_is_that_of_a_vote():
    assert synthetic.cue_ceiling([0.8]) == pytest.approx(0.8)
    assert synthetic.cue_ceiling([0.8, 0.8]) == pytest.approx(0.8)
    assert synthetic.cue_ceiling([0.8] * 3) == pytest.approx(0.8**3 + 3 * 0.8**2 * 0.2)
    assert synthetic.cue_ceiling([0.8, 0.5]) == pytest.approx(0.8)


# The members


def test_four_families_give_a_probability():
    families = script.build_families()
    assert list(families) == ["dense", "convolutional", "multiplicative", "bag"]
    assert [model.count_params() for model in families.values()] == [
        96 * 16 + 16 + 17, 4 * 4 * 16 + 16 + 17, 48 * 16 + 16 + 17, 4 * 16 + 16 + 17,
    ]  # fmt: skip
    sequence = np.random.default_rng(0).normal(size=(5, 24, 4)).astype("float32")
    for model in families.values():
        told = model(sequence).numpy()
        assert told.shape == (5, 1)
        assert ((told > 0) & (told < 1)).all()


def test_each_family_is_blind_to_something_of_its_own():
    families, rng = script.build_families(), np.random.default_rng(0)
    sequence = rng.normal(size=(50, 24, 4)).astype("float32")
    permuted = sequence[:, rng.permutation(24)]
    both = np.concatenate([sequence[:, 12:], sequence[:, :12]], axis=1)  # the halves swapped
    padded = np.zeros((50, 24, 4), "float32")
    padded[:, 4:12] = sequence[:, :8]
    shifted = np.roll(padded, 7, axis=1)  # all within zeros, at another place

    def moved(name, one, other):
        return np.abs(families[name](one).numpy() - families[name](other).numpy()).max()

    assert moved("bag", sequence, permuted) < 1e-6
    assert moved("convolutional", padded, shifted) < 1e-6
    assert moved("multiplicative", sequence, both) < 1e-6
    assert moved("multiplicative", sequence, -sequence) < 1e-6
    for name in ("dense", "convolutional", "multiplicative"):
        assert moved(name, sequence, permuted) > 1e-3
    assert moved("dense", padded, shifted) > 1e-3


# The ensembles


def test_the_averages_are_the_books():
    one, two, three, four = (np.array([[value]]) for value in (1.0, 10.0, 100.0, 1000.0))
    assert script.average(one, two, three, four) == pytest.approx(1111 / 4)
    assert script.weighted_average(one, two, three, four) == pytest.approx(0.5 + 2.5 + 10 + 150)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("weights", [None, [0.4, 0.3, 0.2, 0.1]])
def test_an_ensemble_is_one_functional_model_that_saves(weights, tmp_path):
    members = list(script.build_families().values())
    if weights is None:
        ensemble = script.build_ensemble(members)
    else:
        ensemble = script.build_weighted_ensemble(members, weights)
    sequence = np.random.default_rng(0).normal(size=(20, 24, 4)).astype("float32")
    preds = np.hstack([member(sequence).numpy() for member in members])
    told = ensemble(sequence).numpy()
    expected = preds @ np.reshape(weights or [0.25] * 4, (4, 1))
    np.testing.assert_allclose(told, expected, atol=3e-7)
    assert len(ensemble.inputs) == len(ensemble.outputs) == 1
    assert ensemble.count_params() == sum(member.count_params() for member in members)
    ensemble.save(tmp_path / "ensemble.keras")
    reloaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    np.testing.assert_array_equal(reloaded(sequence), told)


def test_weights_need_a_member_each():
    with pytest.raises(ValueError, match="zip"):
        script.build_weighted_ensemble(list(script.build_families().values()), [0.5, 0.5])


def test_the_worst_weights_are_not_learned():
    rng = np.random.default_rng(0)
    target = rng.integers(2, size=(500, 1))
    good = np.clip(target + rng.normal(0, 0.4, (500, 2)), 0, 1)
    misled = rng.integers(2, size=(500, 1))
    drawn = ensembles.random_weights(rng, 3, 1000)
    weights = ensembles.learn_weights(np.hstack([good, misled]), target, drawn)
    assert weights[2] < 0.15
