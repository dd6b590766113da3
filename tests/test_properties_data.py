"""Any size and seed: the data are what their docstrings say, and nothing else is made."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import (
    no_amounts,
    no_seeds,
    no_shares,
    no_sizes,
    refused,
    seeds,
)

from ch07 import (
    imdb,
    synthetic,
)

n = st.integers(1, 40)


def some(*shape, dtype="float32", low=-np.inf, high=np.inf):
    return shape, dtype, low, high


# Of each generator: legal sizes, the arrays that its docstring promises for them, and illegal ones.
small, n = st.integers(1, 6), st.integers(1, 40)
GENERATORS = {
    synthetic.vector_classes: (
        {"features": small, "classes": small},
        lambda a: ({"vector": some(a["features"])}, some(a["classes"], high=1, low=0)),
        {},
    ),
    synthetic.questions: (
        {"topics": st.integers(1, 4), "values": small, "text_length": st.integers(8, 12)},
        lambda a: (
            {
                "text": some(a["text_length"], dtype="int32", low=1),
                "question": some(6, dtype="int32", low=1),
            },
            some(a["topics"] * a["values"], low=0, high=1),
        ),
        {"synonyms": no_sizes, "filler": no_sizes, "question_length": no_sizes},
    ),
    synthetic.garments: (
        {"noise": st.floats(0, 2), "effects": st.sampled_from(["add", "multiply"])},
        lambda a: (
            {
                "picture": some(16, 16, 1),
                "description": some(12, dtype="int32", low=1, high=58),
                "attributes": some(5, low=0, high=1),
            },
            some(1),
        ),
        {"size": st.sampled_from([15, 18, 12]), "words": st.integers(-1, 1), "block": no_sizes},
    ),
    synthetic.posts: (
        {"length": st.integers(12, 20), "mentions": st.integers(1, 4)},
        lambda a: (
            {"posts": some(a["length"], dtype="int32", low=1)},
            {"age": some(1, low=18, high=77), "income": some(10), "gender": some(1, low=0, high=1)},
        ),
        {"filler": no_sizes},
    ),
    synthetic.phrases: (
        {"agreement": st.floats(0, 1), "pairs": small, "length": st.integers(8, 20)},
        lambda a: (
            {"posts": some(a["length"], dtype="int32", low=1, high=2 * a["pairs"] + 60)},
            {"age": some(1), "income": some(10), "gender": some(1, low=0, high=1)},
        ),
        {"known": st.sampled_from([-1, 10**6, 2.5])},
    ),
    synthetic.scales: (
        {"size": st.integers(7, 12), "echo": st.integers(1, 6)},
        lambda a: ({"image": some(a["size"], a["size"], 3)}, some(3, low=0, high=1)),
        {"echo": st.sampled_from([0, 16, 99])},
    ),
    synthetic.spirals: (
        {"turns": st.floats(0, 3)},
        lambda a: ({"point": some(2, low=-2, high=2)}, some(1, low=0, high=1)),
        {},
    ),
    synthetic.clusters: (
        {"features": small, "classes": small},
        lambda a: ({"features": some(a["features"])}, some(a["classes"], low=0, high=1)),
        {},
    ),
    synthetic.recall: (
        {"steps": small, "symbols": small},
        lambda a: (
            {"sequence": some(a["steps"], 2 * a["symbols"], low=0, high=1)},
            some(a["symbols"], low=0, high=1),
        ),
        {},
    ),
    synthetic.sentences: (
        {"queries": st.integers(6, 43), "repeated": st.just(3)},
        lambda a: (
            {"left": some(6, 128, low=0, high=1), "right": some(6, 128, low=0, high=1)},
            some(1, low=0, high=1),
        ),
        {"queries": st.sampled_from([0, 71, 1.5]), "repeated": st.sampled_from([-1, 40, 2.0])},
    ),
    synthetic.stereo_pairs: (
        {"size": st.integers(1, 9), "disparities": small, "noise": st.floats(0, 1)},
        lambda a: (
            {"left": some(a["size"], a["size"], 1), "right": some(a["size"], a["size"], 1)},
            some(1, low=0, high=a["disparities"] - 1),
        ),
        {},
    ),
    synthetic.reviews: (
        {"length": st.integers(4, 30), "opinions": st.floats(0, 1), "agreement": st.floats(0, 1)},
        lambda a: ({"review": some(a["length"], dtype="int32", low=0, high=1999)}, some(1)),
        {"filler": no_sizes, "topic_words": no_sizes, "opinion_words": no_sizes},
    ),
    synthetic.patterns: (
        {"size": st.integers(6, 9), "channels": small, "classes": small, "count": st.just(4)},
        lambda a: (
            dict.fromkeys(("apart", "tangled"), some(a["size"], a["size"], a["channels"])),
            dict.fromkeys(("class_apart", "class_tangled"), some(a["classes"], low=0, high=1)),
        ),
        {"count": st.sampled_from([0, 17, 2.5]), "strength": no_amounts, "noise": no_amounts},
    ),
    synthetic.gestures: (
        {"validation": n, "steps": st.integers(13, 20), "noise": st.floats(0.01, 2)},
        lambda a: ({"signal": some(a["steps"], 4)}, some(4, low=0, high=1)),
        {"steps": st.sampled_from([0, 12, 13.0])},
    ),
    synthetic.hidden_parity: (
        {"features": st.integers(2, 9)},
        lambda a: ({"features": some(a["features"])}, some(2, low=0, high=1)),
        {"features": st.just(1)},
    ),
    synthetic.cue_sequences: (
        {"validation": n, "steps": st.integers(2, 12).map(lambda half: 2 * half)},
        lambda a: ({"sequence": some(a["steps"], 4)}, some(1, low=0, high=1)),
        {"steps": st.sampled_from([2, 7, 25])},
    ),
}
each = pytest.mark.parametrize("make", GENERATORS, ids=lambda make: make.__name__)


def parts(task):
    """Inputs, targets and how many, of each part of a task."""
    for part in ("train", "validation", "test"):
        if hasattr(task, part):
            yield part, getattr(task, part), getattr(task, f"{part}_targets")


def arrays(value):
    """Every array in a task, at any depth."""
    if isinstance(value, np.ndarray):
        return [value]
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return [a for v in value.values() for a in arrays(v)] if isinstance(value, dict) else []


@each
@given(st.data(), seeds, n, n)
def test_data_of_any_size_are_what_the_docstring_says(make, data, seed, train, test):
    legal, promised, _ = GENERATORS[make]
    drawn = {name: data.draw(values, name) for name, values in legal.items()}
    if make is synthetic.phrases:
        drawn["known"] = data.draw(st.integers(0, train), "known")
    sizes = drawn | {"train": train, "test": test}
    task = make(seed, **sizes)
    inputs, targets = promised(sizes)
    for part, given_inputs, given_targets in parts(task):
        for array, form in (
            *((given_inputs[name], form) for name, form in inputs.items()),
            *(
                ((given_targets[name], form) for name, form in targets.items())
                if isinstance(targets, dict)
                else [(given_targets, targets)]
            ),
        ):
            shape, dtype, low, high = form
            assert array.shape == (sizes[part], *shape)
            assert array.dtype == dtype
            assert np.isfinite(array).all()
            assert low <= array.min()
            assert array.max() <= high
        assert set(given_inputs) == set(inputs)
    again = make(seed, **sizes)
    assert all((a == b).all() for a, b in zip(arrays(task), arrays(again), strict=True))
    if make is synthetic.questions:
        rows = [{row.tobytes() for row in text["text"]} for text in (task.train, task.test)]
        assert not rows[0] & rows[1]


@each
@given(st.integers(0, 2**31), st.integers(1, 2**31))
def test_another_seed_gives_other_data(make, seed, apart):
    few_known = {"known": 10} if make is synthetic.phrases else {}
    one, other = (make(s, train=40, test=40, **few_known) for s in (seed, seed + apart))
    assert any(not np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


@each
@given(st.data())
def test_bad_sizes_seeds_and_shares_of_data_are_refused(make, data):
    legal, _, illegal = GENERATORS[make]
    bad = {"train": no_sizes, "test": no_sizes, "seed": no_seeds} | illegal
    for name in legal.keys() - illegal.keys():
        value = data.draw(legal[name])
        bad[name] = {int: no_sizes, str: st.text("xyz", max_size=5)}.get(type(value), no_amounts)
        if name in ("agreement", "opinions") or (name, make) == ("noise", synthetic.stereo_pairs):
            bad[name] = no_shares
    for name, values in bad.items():
        arguments = {"seed": 0, "train": 40, "test": 40, name: data.draw(values, name)}
        if make is synthetic.phrases:
            arguments = {"known": 10} | arguments
        assert name in refused(make, **arguments)


def test_sizes_that_leave_no_room_for_the_signal_are_refused():
    refused(synthetic.questions, 0, text_length=2, match="text_length")
    refused(synthetic.posts, 0, length=11, match="length")
    refused(synthetic.phrases, 0, length=7, match="length")
    refused(synthetic.patterns, 0, size=2, match="size")


@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 9))
def test_labels_are_balanced_where_the_docstring_says_so(seed, classes, times):
    labels = synthetic.vector_classes(seed, train=classes * times, test=classes, classes=classes)
    both = np.concatenate([labels.train_targets, labels.test_targets])
    assert (both.sum(axis=0) == times + 1).all()
    pairs = synthetic.stereo_pairs(seed, classes * times, classes, size=2, disparities=classes)
    both = np.concatenate([pairs.train_targets, pairs.test_targets])
    assert (np.bincount(both[:, 0].astype(int)) == times + 1).all()
    told = synthetic.sentences(seed, train=8 * times, test=8)
    assert told.train_targets.mean() == told.test_targets.mean() == 0.5


@given(st.integers(0, 30), st.integers(-2, 30), st.integers(-2, 30))
def test_a_split_loses_nothing_and_leaves_no_part_empty(samples, train, validation):
    inputs, targets = {"x": np.arange(samples)}, {"y": np.arange(samples)}
    if not 1 <= train < samples:
        refused(synthetic.split, inputs, targets, train)
        return
    task = synthetic.Task(**synthetic.split(inputs, targets, train))
    assert [*task.train["x"], *task.test_targets["y"]] == list(range(samples))
    assert len(task.train["x"]) == train
    refused(synthetic.split, inputs, np.arange(samples + 1), train)
    cut = synthetic.split_in_three, inputs, np.arange(samples), train, validation
    if not 1 <= validation < samples - train:
        refused(*cut)
        return
    task = synthetic.ValidatedTask(**cut[0](*cut[1:]))
    found = (task.train_targets, task.validation_targets, task.test_targets)
    assert [len(part) for part in found] == [train, validation, samples - train - validation]
    assert np.concatenate(found).tolist() == list(range(samples))


@given(hnp.arrays("int64", st.tuples(n, st.integers(1, 2)), elements=st.integers(0, 3)), no_sizes)
def test_distinct_rows_are_the_first_of_their_kind(rows, bad):
    kinds = {tuple(row) for row in rows}
    kept = synthetic.distinct(rows, len(kinds))
    assert {tuple(row) for row in rows[kept]} == kinds
    assert all((rows[at] != rows[:at]).any(axis=1).all() for at in kept)
    refused(synthetic.distinct, rows, len(kinds) + 1, match="different samples")
    refused(synthetic.distinct, rows, bad, match="count")


@given(hnp.arrays("int64", st.integers(1, 9), elements=st.integers(-2, 5)), st.integers(1, 5))
def test_one_hot_has_one_1_in_the_place_of_the_label(labels, classes):
    if labels.min() < 0 or labels.max() >= classes:
        refused(synthetic.one_hot, labels, classes, match="labels")
    else:
        rows = synthetic.one_hot(labels, classes)
        assert (rows.argmax(axis=1) == labels).all()
        assert (rows.sum(axis=1) == 1).all()
    refused(synthetic.one_hot, labels.astype(float), classes, match="labels")


@given(st.floats(0, 5), no_amounts, st.text(max_size=8))
def test_ceilings_of_garments_are_in_order(noise, bad, effects):
    for kind in ("multiply", "add"):
        ceilings = synthetic.garment_ceilings(noise, kind)
        assert max(ceilings[name] for name in synthetic.MODALITIES) + 1e-12 >= 0
        best = max(ceilings[name] for name in synthetic.MODALITIES)
        assert best <= ceilings["best mix"] + 1e-9 <= ceilings["joint"] + 2e-9 <= 1 + 3e-9
    refused(synthetic.garment_ceilings, bad, "add", match="noise")
    refused(synthetic.garment_price, 0, 0, 0, 0, effects, match="effects")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), no_shares)
def test_the_ceiling_of_cues_is_never_below_the_best_cue(agreement, bad):
    ceiling = synthetic.cue_ceiling(agreement)
    assert max(max(a, 1 - a) for a in agreement) - 1e-9 <= ceiling <= 1 + 1e-9
    refused(synthetic.cue_ceiling, [*agreement, bad], match="agreement")
    refused(synthetic.cue_ceiling, [], match="agreement")


@given(seeds, st.integers(2, 40))
def test_queries_tell_which_pairs_are_duplicates(seed, count):
    rng = synthetic.draws(seed, count=count)
    meanings = rng.integers(0, 4, count)
    told = synthetic.Queries(np.zeros((count, 6, 128)), meanings).duplicate
    pairs = itertools.combinations(range(count), 2)
    assert told.tolist() == [meanings[a] == meanings[b] for a, b in pairs]


def test_records_of_data_say_what_they_hold():
    for record in (
        synthetic.Questions, synthetic.Garments, synthetic.Posts, synthetic.Phrases,
        synthetic.Clusters, synthetic.Sentences, synthetic.Reviews, synthetic.Patterns,
        synthetic.Gestures, synthetic.HardPoints, synthetic.CueSequences,
    ):  # fmt: skip
        with pytest.raises(TypeError, match="missing"):
            record()


@given(no_sizes)
def test_bad_sizes_of_the_real_reviews_are_refused_before_anything_is_fetched(bad):
    for name in ("train", "test", "length", "words"):
        refused(imdb.reviews, **{name: bad}, match=name)
    refused(imdb.reviews, words=3, match="words")
