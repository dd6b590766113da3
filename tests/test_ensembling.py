"""Section 7.3.3: the models and the data are what is said of them, and averages count right."""

import keras
import numpy as np
import pytest

import ch0703_ensembling as script
from ch07 import data, inspection
from ch07.data import CUES

# The sequences and their cues


@pytest.fixture(scope="module")
def cues():
    return data.cue_sequences(0)


def test_sequences_have_their_parts_and_never_repeat(cues):
    parts = cues.train, cues.validation, cues.test
    targets = cues.train_targets, cues.validation_targets, cues.test_targets
    assert [part.shape for part in parts] == [(2000, 24, 4), (2000, 24, 4), (8000, 24, 4)]
    assert [target.shape for target in targets] == [(2000, 1), (2000, 1), (8000, 1)]
    assert np.concatenate(targets).mean() == pytest.approx(0.5, abs=0.02)
    assert len({row.tobytes() for part in parts for row in part}) == 12000


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


def test_each_cue_tells_what_is_said_of_it_and_errs_on_its_own(cues):
    signed = 2 * cues.train_targets[:, 0] - 1
    pattern = np.sign(signed @ cues.train[..., 0])
    right = read_cues(cues.test, pattern) == cues.test_targets
    np.testing.assert_allclose(right.mean(axis=0), list(CUES.values()), atol=0.025)
    assert np.abs(np.corrcoef(right.T) - np.eye(4)).max() < 0.05


def test_the_sum_of_a_channel_says_nothing(cues):
    signed = 2 * cues.test_targets - 1
    correlations = np.corrcoef(np.hstack([signed, cues.test.sum(axis=1)]).T)
    assert np.abs(correlations[0, 1:]).max() < 0.05


# The members


def test_four_kinds_give_a_probability():
    models = {kind: script.build_member(kind) for kind in script.KINDS}
    assert {kind: model.count_params() for kind, model in models.items()} == {
        "dense": 96 * 16 + 16 + 17,
        "convolutional": 4 * 4 * 16 + 16 + 17,
        "multiplicative": 48 * 16 + 16 + 17,
        "bag": 4 * 16 + 16 + 17,
    }
    sequence = np.random.default_rng(0).normal(size=(5, 24, 4)).astype("float32")
    for kind, model in models.items():
        assert model.name == kind
        outputs = model(sequence).numpy()
        assert outputs.shape == (5, 1)
        assert ((outputs > 0) & (outputs < 1)).all()


def test_each_kind_is_blind_to_something_of_its_own():
    models, rng = (
        {kind: script.build_member(kind) for kind in script.KINDS},
        np.random.default_rng(0),
    )
    sequence = rng.normal(size=(50, 24, 4)).astype("float32")
    permuted = sequence[:, rng.permutation(24)]
    swapped = np.concatenate([sequence[:, 12:], sequence[:, :12]], axis=1)  # the halves
    padded = np.zeros((50, 24, 4), "float32")
    padded[:, 4:12] = sequence[:, :8]
    shifted = np.roll(padded, 7, axis=1)  # all within zeros, at another place

    def moved(kind, one, other):
        return np.abs(models[kind](one).numpy() - models[kind](other).numpy()).max()

    assert moved("bag", sequence, permuted) < 1e-6
    assert moved("convolutional", padded, shifted) < 1e-6
    assert moved("multiplicative", sequence, swapped) < 1e-6
    assert moved("multiplicative", sequence, -sequence) < 1e-6
    for kind in ("dense", "convolutional", "multiplicative"):
        assert moved(kind, sequence, permuted) > 1e-3
    assert moved("dense", padded, shifted) > 1e-3


# Their averages


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_average_is_a_functional_model_too(tmp_path):
    members = [script.build_member(kind) for kind in script.KINDS]
    sequence = keras.Input((24, 4), name="sequence")
    average = keras.layers.Average()([member(sequence) for member in members])
    ensemble = keras.Model(sequence, average)
    sample = np.random.default_rng(0).normal(size=(20, 24, 4)).astype("float32")
    preds_a, preds_b, preds_c, preds_d = [member(sample).numpy() for member in members]
    final_preds = 0.25 * (preds_a + preds_b + preds_c + preds_d)
    np.testing.assert_allclose(ensemble(sample), final_preds, atol=1e-6)
    assert ensemble.count_params() == sum(member.count_params() for member in members)
    ensemble.save(tmp_path / "ensemble.keras")
    reloaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    np.testing.assert_allclose(reloaded(sample), ensemble(sample), atol=1e-6)


TARGETS = np.array([[1], [1], [0], [0]])


def test_weights_are_learned_for_those_who_know_something():
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=(500, 1))
    good = np.clip(targets + rng.normal(0, 0.4, (500, 2)), 0, 1)
    misled = rng.integers(2, size=(500, 1))
    predicted = np.hstack([good, misled])
    weights = inspection.learned_weights(predicted, targets, seed=0)
    assert weights.shape == (3,)
    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 0.15
    np.testing.assert_array_equal(weights, inspection.learned_weights(predicted, targets, seed=0))


def test_correlations_of_errors():
    one, opposite, crossed = [0.1, 0.2, 0.3, 0.4], [0.9, 0.8, 0.7, 0.6], [0.1, 0.9, 0.9, 0.1]
    predicted = np.column_stack([one, one, opposite, crossed])
    correlations = inspection.error_correlations(predicted, TARGETS)
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(correlations, expected, atol=1e-12)
    assert inspection.diversity(predicted, TARGETS, (0, 1, 2, 3))[0] == pytest.approx(-1 / 6)


def test_what_an_average_gains_on_its_members_in_the_mean():
    predicted = np.array([[0.9, 0.3, 0.6], [0.8, 0.2, 0.4], [0.2, 0.7, 0.1], [0.6, 0.9, 0.6]])
    # Alone: right on 3, 0 and 2 of 4. Of the first and the third: 0.75, 0.6, 0.15, 0.6: 3 of 4.
    assert inspection.diversity(predicted, TARGETS, (0, 2))[1] == pytest.approx(3 / 4 - 5 / 8)
