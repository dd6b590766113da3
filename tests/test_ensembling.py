"""Section 7.3: the models are what the book means, and what is claimed of them holds."""

import json
from pathlib import Path

import keras
import matplotlib.image
import numpy as np
import pytest

import ch0703_ensembling as script
from ch07 import board, candidates, search, synthetic, training

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = json.loads((ROOT / "ch07/evidence.json").read_text(encoding="utf-8"))[script.__name__]
README, NOTES = (
    " ".join((ROOT / name).read_text(encoding="utf-8").split())
    for name in ("README.md", "ch07/README.md")
)


# The search of the section


def test_the_documents_say_what_the_constants_are():
    assert f"without it, {script.TRIALS}." in NOTES
    assert f"noticed after {search.GRACE} seconds without a sign of life" in NOTES
    assert f"replaced after {search.SHIFT} of them" in NOTES
    (claim,) = [c for c in EVIDENCE["claims"] if c["claim"].startswith("24 normalized: it")]
    assert claim["bound"]["at_least"] == 50  # "more than fiftyfold over 24 layers"
    assert "more than fiftyfold over 24 layers" in README


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_candidate_is_what_its_hyperparameters_say(separable, normalize):
    model = script.build_candidate(3, 16, 0.3, separable, normalize)
    kinds = [type(layer) for layer in model.layers]
    convolution = keras.layers.SeparableConv1D if separable else keras.layers.Conv1D
    assert kinds.count(convolution) == 3
    assert kinds.count(keras.layers.BatchNormalization) == 3 * normalize
    (dropout,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Dropout))
    assert dropout.rate == 0.3
    assert {layer.filters for layer in model.layers if type(layer) is convolution} == {16}
    told = model(np.zeros((2, 24, 4))).numpy()
    np.testing.assert_allclose(told.sum(axis=1), 1, rtol=1e-6)


def test_gestures_have_three_sets_that_share_no_signal():
    gestures = synthetic.gestures(0)
    parts = [gestures.train, gestures.validation, gestures.test]
    assert [part["signal"].shape for part in parts] == [(n, 24, 4) for n in (600, 300, 3000)]
    assert gestures.validation_targets.shape == (300, 4)
    seen = {row.tobytes() for part in parts for row in part["signal"]}
    assert len(seen) == 3900
    for targets in (gestures.train_targets, gestures.test_targets):
        np.testing.assert_allclose(targets.mean(axis=0), 0.25, atol=0.06)


def test_the_ceiling_of_the_gestures_falls_with_the_noise_down_to_chance():
    ceilings = [synthetic.gestures(0, noise=noise).ceiling for noise in (0.01, 0.7, 2.0, 100.0)]
    assert ceilings[0] == 1
    assert ceilings == sorted(ceilings, reverse=True)
    assert abs(ceilings[-1] - 0.25) < 0.04


def test_which_gestures_occur_does_not_tell_in_which_order():
    quiet = synthetic.gestures(0, noise=1e-6)
    pair = quiet.train_targets.argmax(axis=1)
    # What the sensors move in all, whenever they do: the same for both orders.
    moved = np.square(quiet.train["signal"]).sum(axis=1)
    np.testing.assert_allclose(moved[pair == 1].mean(0), moved[pair == 2].mean(0), rtol=0.1)
    assert np.abs(moved[pair == 0].mean(0) - moved[pair == 3].mean(0)).max() > 1


def test_the_validation_accuracy_of_an_epoch_is_what_keras_evaluates():
    gestures = synthetic.gestures(0, train=100, test=10)
    model = script.build_candidate(1, 8, 0.5, False, True)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    held = gestures.validation["signal"], gestures.validation_targets
    history = model.fit(
        gestures.train["signal"], gestures.train_targets, epochs=2, verbose=0,
        callbacks=[training.Accuracy(*held)],
    ).history["val_accuracy"]  # fmt: skip
    assert len(history) == 2
    assert history[-1] == pytest.approx(model.evaluate(*held, verbose=0)[1], abs=1e-6)


# Random search


def test_a_race_is_repeatable_and_its_curves_never_fall():
    table = np.random.default_rng(0).random((5, 4))
    learning, blind = search.race(table, ["a", "b"], trials=9, searches=3, seed=1)
    for curves in (learning, blind):
        assert curves.shape == (3, 9)
        assert (np.diff(curves, axis=1) >= 0).all()
        assert np.isin(curves, table).all()
    again, _ = search.race(table, ["a", "b"], trials=9, searches=3, seed=1)
    np.testing.assert_array_equal(learning, again)
    other, _ = search.race(table, ["a", "b"], trials=9, searches=3, seed=2)
    assert (other != learning).any()


def test_where_there_is_nothing_to_learn_a_search_has_no_lead():
    table = np.random.default_rng(0).random((15, 5, 5))  # no point says anything of the next
    learning, blind = search.race(table, ["a", "b", "c"], trials=16, searches=40, seed=0)
    lead = (learning - blind)[:, -1]
    assert abs(lead.mean()) < 3 * lead.std() / 40**0.5


def test_the_grid_of_candidates_has_every_combination():
    widths, scales = [2, 4], [0.1, 10.0]
    model = candidates.build(widths, scales, features=3, classes=4)
    assert model.output_shape == (None, 2, 4)
    hidden, factors = model.get_layer("hidden"), model.get_layer("width").scale
    assert hidden.kernel.shape == (3, 2, 4)
    np.testing.assert_allclose(factors[0], [0.1 / 2**0.5] * 2 + [0, 0], rtol=1e-6)
    np.testing.assert_allclose(factors[1], [10 / 2] * 4, rtol=1e-6)


# The small Xception


@pytest.mark.parametrize("without", [None, "residual", "normalize", "separable"])
def test_the_small_xception_lacks_what_is_taken_out_and_nothing_else(without):
    filters = 15 if without == "separable" else 36
    options = {} if without is None else {without: False}
    model = script.build_small_xception("model", filters, **options)
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(keras.layers.Add) == (0 if without == "residual" else 4)
    assert kinds.count(keras.layers.BatchNormalization) == (0 if without == "normalize" else 9)
    assert kinds.count(keras.layers.SeparableConv2D) == (0 if without == "separable" else 8)
    assert kinds.count(keras.layers.Conv2D) == (9 if without == "separable" else 1)
    biases = {layer.use_bias for layer in model.layers if hasattr(layer, "filters")}
    assert biases == {without == "normalize"}
    assert abs(model.count_params() / 17144 - 1) < 0.06
    assert model(np.zeros((2, 12, 12, 8))).shape == (2, 8)


def test_a_shortcut_carries_the_image_around_its_block():
    for residual in (True, False):
        model = script.build_small_xception("model", residual=residual)
        for layer in model.layers:
            if isinstance(layer, keras.layers.SeparableConv2D):
                layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        images = np.random.default_rng(0).standard_normal((9, 12, 12, 8)).astype("float32")
        spread = np.ptp(model(images).numpy(), axis=0).max()
        assert (spread > 1e-3) == residual


# The whole section, run once


def test_the_console_is_clean(ensembling):
    assert ensembling.process.stderr == b""
    out = ensembling.process.stdout
    assert out.isascii()
    assert b"Warning" not in out
    assert b"Traceback" not in out
    assert ensembling.process.returncode == 0


def test_every_claim_holds(ensembling):
    claims = ensembling.record["claims"]
    assert [claim["claim"] for claim in claims if not claim["holds"]] == []
    assert len(claims) == len(EVIDENCE["claims"])


@pytest.mark.parametrize("row", EVIDENCE["claims"], ids=lambda row: row["claim"])
def test_every_claim_of_the_evidence_is_made_and_keeps_its_bound(ensembling, row):
    (claim,) = [c for c in ensembling.record["claims"] if c["claim"] == row["claim"]]
    assert claim["bound"] == row["bound"]
    assert claim["holds"]
    assert row["held"] == row["of"] >= 10


def test_every_lesson_has_a_picture_that_can_be_read(ensembling):
    for lesson in script.section.lessons:
        picture = matplotlib.image.imread(ensembling.folder / f"{lesson.name}.png")
        assert picture.shape[1] >= 800
        assert picture[..., :3].std() > 0.05


def test_every_trial_of_the_search_is_logged_with_its_hyperparameters(ensembling):
    (log_dir,) = (ensembling.output / "my_log_dir").glob("*-search")
    logs = sorted(log_dir.iterdir())
    assert len(logs) == script.TRIALS
    for log in logs:
        assert board.logged(log, "hparams")
        assert board.scalars(log / "train")["epoch_loss"]
        assert 0 <= board.scalars(log / "validation")["epoch_accuracy"][-1] <= 1
