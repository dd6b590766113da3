"""Any search and any bytes: studies, event files and backups, sound, torn and damaged."""

import contextlib
import math
from argparse import ArgumentTypeError
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import few, floats, folder, no_seeds, no_sizes, points, refused, seeds, stack

from ch07 import (
    backup,
    board,
    clinic,
    search,
)
from ch07.startup import UsageError

# Keras 3.15 asks NumPy 2 for the value of a variable in a way that NumPy is to give up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

width = st.integers(1, 4)


# Searching


def choose(trial):
    return {"a": trial.suggest_int("a", 0, 3), "b": trial.suggest_float("b", 0.5, 2, log=True)}


@few
@given(seeds, st.integers(1, 6), st.lists(st.floats(0, 9), min_size=6, max_size=6), no_sizes)
def test_a_search_runs_its_budget_and_keeps_the_best(seed, trials, values, bad):
    study = search.open_study(None, "study", seed, choose)
    news = []
    given = [value if value < 8 else math.nan for value in values]
    assert search.work(study, choose, lambda trial: given[trial.number], trials, news.append)
    assert isinstance(study.sampler, search.SeededByTrial)
    assert len(search.finished(study)) == trials
    assert all(isinstance(one, search.News) for one in news)
    assert len(news) == 2 * trials
    complete = [value for value in given[:trials] if value == value]
    best = search.best(study)
    assert (best.value if best else None) == max(complete, default=None)
    so_far = search.best_so_far(study)
    assert len(so_far) == trials
    assert so_far[-1] == max(complete) if complete else math.isnan(so_far[-1])
    for wrong in (bad, 1.5):
        refused(search.work, study, choose, lambda trial: 0.0, wrong, match="trials")
        refused(search.hyperopt, choose, lambda trial: 0.0, wrong, seed, match="trials")


@few
@given(seeds)
def test_importances_are_shares(seed):
    study, rng = search.open_study(None, "study", seed, choose), np.random.default_rng(seed)
    search.work(study, choose, lambda trial: rng.random() + trial.params["a"], 8)
    told = search.importances(study)
    assert set(told) == {"a", "b"}
    assert sum(told.values()) == pytest.approx(1)


@given(no_seeds)
def test_a_seed_that_is_none_is_refused(bad):
    refused(search.open_study, None, "study", bad, choose, match="seed")
    refused(search.hyperopt, choose, lambda trial: 0.0, 3, bad, match="seed")
    refused(search.race, np.ones((2, 2)), ["a", "b"], 1, 1, bad, match="seed")


@given(st.integers(-9, 9), st.integers(0, 9), st.integers(1, 3), st.floats(-99, 99))
def test_what_was_drawn_snaps_to_the_nearest_value(low, reach, step, drawn):
    def asked(trial):
        trial.suggest_int("n", low, low + reach * step, step=step)
        trial.suggest_float("x", low, low + reach + 1)
        trial.suggest_categorical("kind", ["one", "two"])

    space = search.space_of(asked)
    assert isinstance(search.Recorder().space, dict)
    told = search.snap(drawn, space["n"])
    assert told in range(low, low + reach * step + 1, step)
    assert abs(told - drawn) <= min(abs(n - drawn) for n in range(low, told + step, step)) + 1e-9
    assert low <= search.snap(drawn, space["x"]) <= low + reach + 1
    assert search.snap("two", space["kind"]) == "two"
    hp = SimpleNamespace(choice=lambda n, of: of, uniform=lambda n, *ends: ends)
    nodes = search.hyperopt_space(space, hp)
    assert nodes["n"] == (low - step / 2, low + reach * step + step / 2)
    assert "kind one" in search.readable({"kind": "one", "x": drawn})
    refused(search.space_of, lambda trial: trial.suggest_int("n", low, low - 1))


@few
@given(floats(st.tuples(width, width)), st.integers(1, 4), st.integers(1, 2), seeds, no_sizes)
def test_a_race_never_gets_worse_nor_better_than_the_table(table, trials, searches, seed, bad):
    names = ["a", "b"]
    both = search.race(table, names, trials, searches, seed)
    for reached in both:
        assert reached.shape == (searches, trials)
        assert (np.diff(reached, axis=1) >= 0).all()
        assert np.isin(reached, table).all()
    np.testing.assert_array_equal(both[0], both[1])  # as long as both are random
    for wrong in (["a"], ["a", "a"], ["a", "b", "c"]):
        refused(search.race, table, wrong, trials, searches, seed, match="axes")
    refused(search.race, table * np.nan, names, trials, searches, seed, match="table")
    refused(search.race, table[:0], names, trials, searches, seed, match="axes")
    refused(search.race, table, names, bad, searches, seed, match="trials")
    refused(search.race, table, names, trials, bad, seed, match="searches")


@given(st.text(max_size=30) | st.sampled_from(["sqlite://", "sqlite:///:memory:", "x://y"]))
def test_any_text_is_the_url_of_a_database_or_refused(text):
    with contextlib.suppress(ArgumentTypeError):
        assert search.database(text) == text
        assert text.startswith("sqlite:///")


headed = st.binary(max_size=99).map(b"SQLite format 3\0".__add__)


@given(st.binary(min_size=1, max_size=200) | headed)
def test_a_file_of_any_bytes_is_no_study(content):
    with folder() as place:
        (place / "study.db").write_bytes(content)
        url = f"sqlite:///{(place / 'study.db').as_posix()}"
        with pytest.raises(UsageError, match=r"is not an SQLite file|is damaged"):
            search.check_file(search.sqlalchemy.engine.make_url(url))
        with pytest.raises(UsageError):
            search.open_study(url, "study", 0, choose)
        assert (place / "study.db").read_bytes() == content


# Logs


def log(place, values):
    with board.writing_to(place):
        for step, value in enumerate(values):
            tf.summary.scalar("loss", value, step=step)
    (path,) = place.iterdir()
    return path


@given(st.binary(max_size=300))
def test_a_file_of_any_bytes_has_no_curves(content):
    with folder() as place:
        (place / "events.out.tfevents.1.host").write_bytes(content)
        assert (
            board.scalars(place) == board.histograms(place) == board.logged(place, "images") == {}
        )
        with pytest.raises(FileNotFoundError):
            clinic.examine(place)
        with tf.io.TFRecordWriter(str(place / "events.out.tfevents.2.host")) as writer:
            writer.write(b"\xff" + content)  # a sound record, and no event
        refused(board.scalars, place, match="not those of events")


@few
@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=5), st.data())
def test_of_a_torn_or_damaged_file_the_curves_are_the_beginning(values, data):
    with folder() as place:
        path = log(place / "train", values)
        assert board.scalars(place / "train") == {"loss": values}
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole) - 1), "cut")
        flipped = bytearray(whole)
        flipped[cut] ^= 1 << data.draw(st.integers(0, 7), "bit")
        for content in (whole[:cut], bytes(flipped)):
            path.write_bytes(content)
            told = board.scalars(place / "train").get("loss", [])
            assert told == values[: len(told)]
        path.write_bytes(whole)
        (place / "validation").mkdir()
        refused(clinic.examine, place, match="have no")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_a_sample_is_spread_and_not_too_large(a, b, c):
    tensor = tf.reshape(tf.range(a * b * c * 8), (a, b, c, 8))
    told = board.sample(tensor).numpy()
    assert len(told) <= board.LARGEST_SAMPLE
    assert len(set(told.tolist())) == len(told)
    refused(board.sample, tensor[:0], match="no values")


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20))
def test_every_point_has_a_dot(kinds):
    side = math.ceil(math.sqrt(len(kinds)))
    picture = tf.io.decode_png(board.dots(kinds)).numpy()
    assert picture.shape == (side * board.DOT, side * board.DOT, 4)
    seen = picture[board.DOT // 2 :: board.DOT, board.DOT // 2 :: board.DOT, 3] == 255
    assert seen.ravel().tolist() == [True] * len(kinds) + [False] * (side**2 - len(kinds))
    refused(board.dots, [], match="points")


@few
@given(floats(st.tuples(st.integers(1, 6), st.integers(1, 5)), -9, 9), st.text(max_size=5))
def test_vectors_for_the_projector_are_three_at_least_and_their_texts_one_line(vectors, text):
    names = [f"{text}{n}" for n in range(len(vectors))]
    with folder() as place:
        given = (place, "embed", vectors, {"word": names, "kind": names})
        if min(vectors.shape) < 3:
            refused(board.write_embedding, *given, match="vectors")
        elif not text.isprintable():
            refused(board.write_embedding, *given, match="metadata")
        else:
            board.write_embedding(*given)
            rows = (place / "train" / "metadata.tsv").read_text(encoding="utf-8").split("\n")
            assert len(rows) == len(vectors) + 2
            view = board.bookmark(vectors, "word", "kind")
            assert len(view["projections"]) == len(vectors)
            np.testing.assert_allclose(
                np.loadtxt(place / "train" / "tensors.tsv", ndmin=2), vectors, rtol=1e-4
            )
        refused(board.write_embedding, place, "embed", np.ones((3, 3)), {}, match="columns")
        refused(board.write_embedding, place, "embed", np.full((3, 3), np.nan), {"word": names})
        refused(board.write_embedding, place, "embed", np.ones((3, 3)), {"word": names + names})
        board.write_table(place / "table.tsv", [["a", "b"]] * len(vectors))
        assert (place / "table.tsv").read_bytes() == b"a\tb\n" * len(vectors)


@given(st.lists(st.integers(1, 3), max_size=3))
def test_a_stopwatch_needs_a_later_epoch(epochs):
    watch = board.Stopwatch(keras.callbacks.Callback())
    watch.inside, watch.outside = [1.0 * n for n in epochs], [2.0 * n for n in epochs]
    if len(epochs) > 1:
        assert watch.ratio == 0.5
    else:
        with pytest.raises(ValueError, match="epochs"):
            _ = watch.ratio


@few
@given(st.lists(width, min_size=1, max_size=3), st.sampled_from(["relu", "tanh"]))
def test_a_probe_looks_at_every_layer_with_weights(units, activation):
    model = stack(*units)
    for layer in model.layers[1:-1]:
        layer.activation = keras.activations.get(activation)
        assert board.rectifies(layer) == (activation == "relu")
    model.compile("sgd", "mse")
    histograms, numbers = board.probing(model)(points(4), np.ones((4, 2), "float32"))
    assert {f"activations/{layer.name}" for layer in model.layers[1:]} < set(histograms)
    shares = [float(v) for name, v in numbers.items() if name.startswith("share")]
    assert len(shares) == 2 * len(units) * (activation == "relu")
    assert all(0 <= share <= 1 for share in shares)
    operations = [op.type for op in board.graph_of_operations(model).get_operations()]
    assert operations.count("MatMul") == len(units) + 1
    with folder() as place, pytest.raises(OSError, match="full"), board.failing_as_files_do():
        raise tf.errors.ResourceExhaustedError(None, None, f"{place}; the disk is full")


# Backups

SAVED = stack(2)
SAVED.compile("adam", "mse")
SAVED.optimizer.build(SAVED.trainable_variables)


class Trap:
    """What an unpickled file would do."""

    def __reduce__(self):
        return pytest.fail, ("a backup was unpickled",)


def backed_up(place):
    saved = backup.Backup(place / "backup.npz")
    saved.set_model(SAVED)
    saved.on_epoch_end(4)
    return saved


def test_a_pickled_backup_is_not_read():
    with folder() as place:
        np.savez(place / "backup.npz", np.array([Trap()], dtype=object))
        with pytest.raises(UsageError, match="cannot be read"):
            backup.Backup(place / "backup.npz").restore(SAVED)


@given(st.binary(max_size=300) | st.binary(max_size=99).map(b"PK\x03\x04".__add__))
def test_a_backup_of_any_bytes_is_refused_and_left_as_it_is(content):
    with folder() as place:
        (place / "backup.npz").write_bytes(content)
        for read in (backup.Backup(place / "backup.npz").read, saved_into(place)):
            with pytest.raises(UsageError, match="cannot be read"):
                read()
        assert (place / "backup.npz").read_bytes() == content


def saved_into(place):
    return lambda: backup.Backup(place / "backup.npz").restore(SAVED)


@given(st.data())
def test_a_torn_or_damaged_backup_is_refused_or_whole(data):
    with folder() as place:
        saved = backed_up(place)
        before = [variable.numpy() for variable in backup.state(SAVED)]
        assert saved.restore(SAVED) == 5
        whole = saved.path.read_bytes()
        saved.path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1), "cut")])
        with pytest.raises(UsageError, match="cannot be read"):
            saved.restore(SAVED)
        at = data.draw(st.integers(0, len(whole) - 1), "at")
        flipped = bytearray(whole)
        flipped[at] ^= 1 << data.draw(st.integers(0, 7), "bit")
        saved.path.write_bytes(bytes(flipped))
        with contextlib.suppress(UsageError):
            assert saved.restore(SAVED) == 5
        assert all(map(np.array_equal, before, [v.numpy() for v in backup.state(SAVED)]))
