"""Any size, shape and number: checks, scores, choices and rules; and what has a property at all.

What is legal keeps the promises of the docstrings; what is not is refused in one sentence.
"""

import math

import keras
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import (
    ROOT,
    floats,
    named,
    no_sizes,
    public,
    refused,
    seeds,
)

from ch07 import (
    checks,
    ensembles,
    rules,
    scores,
    selection,
)

# What no property is worth testing of, by module or by name, and why.
ELSEWHERE = {
    "documents": "writes the documents, which their own tests compare with the evidence",
    "evidence": "starts runs in processes of their own",
    "figures": "draws pictures, all of which test_figures.py draws",
    "pictures": "starts runs, and copies their pictures",
    "screens": "needs a browser",
    "startup": "has to run before anything is imported; test_startup.py starts it in processes",
    "backup.Waiting": "stands still until its process is killed",
    "backup.until_killed": "is the process that is killed",
    "backup.doomed": "starts a process and kills it",
    "board.TensorBoard": "belongs into trainings, which test_board.py does with it",
    "board.write_hparams": "takes any names and values, and TensorFlow checks them",
    "board.write_picture": "shows pictures",
    "board.serve": "is a server until it is interrupted",
    "board.invitation": "is a line of text for the machine that it runs on",
    "callbacks.ProgressBar": "draws in a terminal",
    "claims.machine": "describes the machine that it runs on",
    "claims.Record": "is written by runs, which test_claims.py and test_lab.py look at",
    "lab.Command": "is a record without behaviour",
    "lab.Lesson": "is a record of a lesson",
    "lab.Line": "is a protocol",
    "lab.Run": "is what lessons are given, all of which the tests run",
    "lab.console": "is the terminal",
    "lab.verdicts": "draws in a terminal",
    "search.deaf": "is about Ctrl-C",
    "search.die_with_parent": "ends its process",
    "search.open_storage": "opens a database, which test_search.py does",
    "search.plain_errors": "is about a database that fails",
    "search.Progress": "draws in a terminal",
    "search.quiet": "hides a warning",
    "search.retry": "is about workers that die",
    "search.settle_interrupted": "ends a process",
    "search.Storage": "is about a database that fails",
    "search.SurplusError": "is an exception",
    "search.Worker": "runs in `search.work`",
    "search.work_a_shift": "is a process of its own",
    "search.work_in_shifts": "starts processes",
    "training.Progress": "draws in a terminal",
}


def test_every_public_function_of_the_house_has_a_property_or_a_reason():
    modules = sorted(path.stem for path in ROOT.glob("ch07/*.py") if path.stem != "__init__")
    assert ELSEWHERE.keys() & modules < set(modules)
    defined = {
        (module, name)
        for module in modules
        if module not in ELSEWHERE
        for name in public(f"ch07.{module}")
    }
    tested = set().union(*map(named, ROOT.glob("tests/test_properties*.py"))) & defined
    excused = {tuple(name.split(".")) for name in ELSEWHERE if "." in name}
    assert excused <= defined, "an excuse for what is not there"
    assert not excused & tested, "an excuse for what is tested"
    assert not defined - tested - excused, "no property and no excuse"


# Checks


@given(st.integers(0, 9), st.integers(1, 4), st.integers(-20, 20) | st.floats())
def test_a_whole_number_is_one_from_the_least_in_steps(least, step, value):
    if isinstance(value, int) and value >= least and value % step == 0:
        assert checks.whole(least, step, size=value) == value
    else:
        assert "size is" in refused(checks.whole, least, step, size=value)


@given(st.floats(), st.floats(-9, 0), st.floats(0, 9))
def test_a_number_lies_between_bounds_and_is_one(value, low, high):
    if low <= value <= high:
        checks.between(low, high, share=value)
    else:
        assert "share is" in refused(checks.between, low, high, share=value)


@given(st.text(max_size=5), st.integers(-3, 3))
def test_a_name_is_one_of_those_known_and_logged(text, value):
    known = ("a", "bc")
    if text in known:
        assert checks.one_of(known, letter=text) == text
        assert checks.monitored({text: value}, text) == value
    else:
        refused(checks.one_of, known, letter=text)
        refused(checks.monitored, {"a": 1, "bc": 2}, text, match="monitor is")
    if value < 1:
        refused(checks.enough, "The number of arms", value, 1, "comparisons")


@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3), st.integers(1, 3))
def test_a_shape_has_the_axes_that_are_asked_for(shape, columns):
    array = np.zeros(shape)
    if len(shape) == 2 and shape[0] > 0 and shape[1] == columns:
        checks.shaped(f"rows, {columns}", table=array, other=array)
        refused(checks.shaped, "rows, columns", table=array, other=np.zeros((9, columns)))
        array[-1, -1] = np.nan
        refused(checks.finite, table=array)
    assert "table" in refused(checks.shaped, f"rows, {columns}", table=array)
    refused(checks.finite, table=np.array(["x"]))


# Scores

n = st.integers(1, 40)


@st.composite
def told_and_true(draw, most=4):
    """Predictions, (samples, outputs), and targets of 0 and 1; one-hot where there are several."""
    shape = draw(st.tuples(n, st.integers(1, most)))
    predicted = draw(floats(shape, 0, 1))
    if shape[1] == 1:
        return predicted, draw(hnp.arrays("float64", shape, elements=st.sampled_from([0.0, 1.0])))
    labels = draw(hnp.arrays("int64", shape[0], elements=st.integers(0, shape[1] - 1)))
    return predicted, np.eye(shape[1])[labels]


def misfits(predicted, target):
    """Pairs of arrays of which no score can be told: other shapes, no samples, a NaN."""
    broken = predicted.astype(float)
    broken[0] = np.nan
    yield predicted, target[:-1]
    yield predicted[:0], target[:0]
    yield broken, target
    yield predicted[..., None], target


@given(told_and_true(), st.randoms(use_true_random=False))
def test_an_accuracy_is_a_share_whatever_the_order(pair, random):
    predicted, target = pair
    told = scores.accuracy(predicted, target)
    assert 0 <= told <= 1
    order = random.sample(range(len(target)), len(target))
    assert scores.accuracy(predicted[order], target[order]) == told
    assert scores.accuracy(target, target) == 1
    if target.shape[1] > 1:
        assert scores.accuracy(4 * predicted, target) == told  # which rounds nothing
        metric = keras.metrics.CategoricalAccuracy()
        metric.update_state(target, predicted)
        assert told == pytest.approx(float(metric.result()))
    alone = scores.accuracies(predicted, target)
    columns = zip(predicted.T, target.T, strict=True)
    assert alone == [np.mean((p > 0.5) == (t > 0.5)) for p, t in columns]
    assert scores.accuracy_as_in_keras(predicted, target) == told
    refused(scores.accuracy_as_in_keras, predicted, target[:-1])
    scores.alike(predicted, target)
    for score in (scores.accuracy, scores.accuracies, scores.r2, scores.rmse, scores.alike):
        for bad in misfits(predicted, target):
            refused(score, *bad)


@given(floats(st.tuples(n, st.just(1))), st.data())
def test_r2_and_rmse_keep_what_they_are_defined_by(target, data):
    predicted = data.draw(floats(target.shape))
    error = scores.rmse(predicted, target)
    assert error >= 0
    assert scores.rmse(target, target) == 0
    assert scores.rmse(predicted + 5, target + 5) == pytest.approx(error, abs=1e-6)
    if not np.var(target):
        refused(scores.r2, predicted, target, match="target")
        return
    assume(np.var(target) > 1e-6)
    assert scores.r2(target, target) == 1
    assert scores.r2(np.full_like(target, target.mean()), target) == pytest.approx(0, abs=1e-6)
    expected = 1 - error**2 / np.var(target)
    assert scores.r2(predicted, target) == pytest.approx(expected, rel=1e-6, abs=1e-6)


positive = st.dictionaries(st.text(max_size=3), st.floats(1e-3, 1e3), min_size=1, max_size=4)


@given(positive, st.data())
def test_shares_of_losses_add_up_to_one(losses, data):
    weights = {name: data.draw(st.floats(1e-3, 1e3)) for name in losses}
    told = scores.shares(losses, weights)
    assert sum(told.values()) == pytest.approx(1)
    assert min(told.values()) > 0
    for bad in (0.0, math.nan, math.inf):
        refused(scores.shares, losses, dict.fromkeys(losses, bad))
    refused(scores.shares, losses, {**weights, "another": 1.0})


@given(hnp.arrays(bool, st.integers(1, 30)), st.data())
def test_precision_recall_and_the_threshold_with_the_best_f1(true, data):
    # Few values, so that many are equal.
    values = data.draw(floats(true.shape, 0, 1) | floats(true.shape, 0, 1).map(np.round))
    found = data.draw(hnp.arrays(bool, true.shape))
    if not true.any():
        refused(scores.precision_and_recall, found, true)
        refused(scores.best_threshold, values, true)
        return

    def f1(threshold):
        return 2 * np.sum(true & (values >= threshold)) / (true.sum() + (values >= threshold).sum())

    precision, recall = scores.precision_and_recall(found, true)
    assert 0 <= precision <= 1
    assert 0 <= recall <= 1
    assert scores.precision_and_recall(true, true) == (1, 1)
    assert f1(scores.best_threshold(values, true)) == pytest.approx(max(map(f1, values)))
    for score, one in ((scores.precision_and_recall, found), (scores.best_threshold, values)):
        refused(score, one[:-1], true)
        refused(score, one, true.astype(int))
    broken = values.astype(float)
    broken[0] = np.nan
    refused(scores.best_threshold, broken, true)


vectors = floats(st.tuples(st.integers(2, 12), st.integers(1, 5)), 0.125, 9)


@given(vectors, st.floats(0.5, 4), st.data())
def test_neighbours_and_components_do_not_depend_on_the_scale(points, scale, data):
    kinds = np.array(data.draw(st.lists(st.sampled_from("ab"), min_size=len(points))))
    if len(kinds) != len(points):
        refused(scores.same_kind_neighbours, points, kinds)
        refused(scores.told_by_mean, points[:, 0], kinds)
        kinds = np.resize(kinds, len(points))
    assert scores.same_kind_neighbours(points, np.zeros(len(points))) == 1
    assert 0 <= scores.same_kind_neighbours(points, kinds) <= 1
    assert 1 / 2 - 1e-9 <= scores.told_by_mean(kinds == "a", kinds) <= 1
    refused(scores.same_kind_neighbours, np.vstack([points[1:], 0 * points[:1]]), kinds)
    refused(scores.same_kind_neighbours, points[:1], kinds[:1])
    count = data.draw(st.integers(1, min(points.shape)))
    for bad in (0, min(points.shape) + 1, 1.5):
        refused(scores.principal_components, points, bad, match="count")
    refused(scores.principal_components, points * np.nan)
    refused(scores.principal_components, np.ones_like(points), 1)
    assume(points.std(axis=0).max() > 0.01)
    places, shares = scores.principal_components(points, count)
    assert places.shape == (len(points), count)
    assert shares.shape == (count,)
    assert (np.diff(shares) <= 1e-9).all()
    assert shares.sum() <= 1 + 1e-9
    again, same = scores.principal_components(scale * points, count)
    np.testing.assert_allclose(np.abs(again), scale * np.abs(places), atol=1e-5)
    np.testing.assert_allclose(same, shares, atol=1e-9)


# Choosing, and ensembles


@given(seeds, st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), no_sizes)
def test_searches_among_candidates_are_shares_of_samples(seed, size, trials, repeats, bad):
    rng = np.random.default_rng(seed)
    validation, test = selection.coin_searches(rng, size, trials, repeats)
    assert validation.shape == test.shape == (repeats, trials)
    assert (test == 0.5).all()
    assert (validation * size).round(9).tolist() == (np.round(validation * size).tolist())
    promised, worth = selection.best_so_far(validation, test)
    assert (np.diff(promised) >= 0).all()
    assert (worth == 0.5).all()
    right = rng.random((size, trials)) < 0.5
    if size > 1:
        validation, test = selection.searches(rng, right, size // 2, repeats)
        total = validation * (size // 2) + test * (size - size // 2)
        np.testing.assert_allclose(
            np.sort(total), np.tile(np.sort(right.sum(axis=0)), (repeats, 1))
        )
        refused(selection.searches, rng, right, bad, repeats, match="size")
        refused(selection.searches, rng, right, size // 2, bad, match="repeats")
        refused(selection.searches, rng, right * 1.0, size // 2, repeats, match="right")
    refused(selection.searches, rng, right, size, repeats, match="leave none")
    for name in ("size", "trials", "repeats"):
        sizes = {"size": 9, "trials": 9, "repeats": 9, name: bad}
        refused(selection.coin_searches, rng, **sizes, match=name)
    for pair in (
        (validation, test[:, :-1]),
        (validation[:0], test[:0]),
        (validation * np.nan, test),
    ):
        refused(selection.best_so_far, *pair)


@given(st.integers(1, 10**5), no_sizes)
@example(1, 0)
def test_the_expected_maximum_grows_with_the_count(count, bad):
    one, more = map(selection.expected_maximum, (count, 2 * count))
    assert one < more < math.sqrt(2 * math.log(2 * count)) + 1e-9
    refused(selection.expected_maximum, bad, match="count")


@given(told_and_true(1), st.integers(1, 5), st.integers(1, 9), seeds, no_sizes)
def test_weights_of_an_ensemble_are_shares(pair, members, count, seed, bad):
    rng, target = np.random.default_rng(seed), pair[1]
    weights = ensembles.random_weights(rng, members, count)
    assert weights.shape == (count, members)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights[0], 1 / members)
    predicted = rng.random((len(target), members))
    ensembles.check(predicted, target)
    reached = ensembles.accuracies(predicted, target, weights)
    assert reached.shape == (count,)
    assert 0 <= reached.min() <= reached.max() <= 1
    learned = ensembles.learn_weights(predicted, target, weights, keep=count)
    np.testing.assert_allclose(learned, weights.mean(axis=0))
    # Members that say the same are as good together as each of them is.
    same = np.repeat(np.round(predicted[:, :1], 3), members, axis=1)
    assume((np.abs(same - 0.5) > 1e-6).all())
    assert len(set(ensembles.accuracies(same, target, weights))) == 1
    np.testing.assert_allclose(ensembles.gains(same, target), 0, atol=1e-12)
    over_mean, over_best = ensembles.gains(predicted, target)
    assert over_best <= over_mean + 1e-12
    for keep in (bad, count + 1):
        refused(ensembles.learn_weights, predicted, target, weights, keep, match="keep")
    refused(ensembles.random_weights, rng, bad, count, match="members")
    refused(ensembles.random_weights, rng, members, bad, match="count")
    refused(ensembles.accuracies, predicted, target, weights[:, :-1])
    for wrong in misfits(predicted, target):
        refused(ensembles.check, *wrong)
        refused(ensembles.accuracies, *wrong, weights)
        refused(ensembles.gains, *wrong)
        refused(ensembles.error_correlations, *wrong)


@given(seeds, st.integers(20, 60), st.integers(2, 5))
def test_correlations_of_errors_are_correlations(seed, samples, members):
    rng = np.random.default_rng(seed)
    predicted, target = rng.random((samples, members)), np.arange(samples)[:, None] % 2
    predicted[0], predicted[1] = target[0], 1 - target[1]  # each is right once and wrong once
    told = ensembles.error_correlations(predicted, target)
    np.testing.assert_allclose(told, told.T)
    np.testing.assert_allclose(np.diag(told), 1)
    assert np.abs(told).max() <= 1 + 1e-9
    off = told[~np.eye(members, dtype=bool)]
    assert ensembles.mean_correlation(told) == pytest.approx(off.mean())
    refused(ensembles.mean_correlation, told[:1, :1])
    refused(ensembles.mean_correlation, told[:, :-1])
    refused(ensembles.error_correlations, np.repeat(target, 2, axis=1), target, match="member 0")


# Rules of callbacks

curve = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=12)


@given(curve, st.integers(1, 4), no_sizes)
def test_a_training_ends_when_the_best_epoch_is_long_past(values, patience, bad):
    epochs = rules.epochs_until_stop(values, patience)
    assert 1 <= epochs <= len(values)
    assert rules.waited(values[:epochs]) <= patience
    if epochs < len(values):
        assert rules.waited(values[:epochs]) == patience
    assert rules.epochs_until_stop(values, len(values)) == len(values)
    refused(rules.epochs_until_stop, values, bad, match="patience")
    for wrong in ([], [math.nan], [values]):
        refused(rules.waited, wrong, match="values")
        refused(rules.epochs_until_stop, wrong, patience, match="values")


# Keras 3.15 asks NumPy 2 for the value of a variable in a way that NumPy is to give up.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(
    st.lists(st.integers(0, 20).map(lambda n: n / 4) | st.just(math.nan), max_size=12),
    st.floats(0.01, 0.9),
    st.integers(1, 3),
    st.integers(0, 2),
    no_sizes,
)
def test_rates_on_a_plateau_are_those_of_keras(losses, factor, patience, cooldown, bad):
    callback = keras.callbacks.ReduceLROnPlateau(
        "loss", factor, patience, min_delta=1e-4, cooldown=cooldown
    )
    model = keras.Sequential()
    model.optimizer = keras.optimizers.SGD(0.5)
    callback.set_model(model)
    callback.on_train_begin()
    expected = []
    for epoch, loss in enumerate(losses):
        expected.append(float(np.asarray(model.optimizer.learning_rate.value)))
        callback.on_epoch_end(epoch, {"loss": loss})
    told = rules.plateau_rates(losses, 0.5, factor, patience, cooldown=cooldown)
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    refused(rules.plateau_rates, losses, 0.5, factor, bad, match="patience")
    refused(rules.plateau_rates, losses, -1.0, factor, patience, match="rate")
    refused(rules.plateau_rates, losses, 0.5, math.nan, patience, match="factor")
    refused(rules.plateau_rates, losses, 0.5, factor, patience, cooldown=-1, match="cooldown")
