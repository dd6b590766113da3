"""What readers call in their own programs takes their data and models, or refuses them by name."""

import os
import threading

import keras
import numpy as np
import optuna
import pytest
from keras import layers

from ch07 import backup, board, callbacks, calls, compare, data, inspection, tuning
from ch07.data import digits
from ch07.lab import program
from ch07.lab.startup import UsageError


def dense(units=3, activation="softmax", name=None):
    point = keras.Input((4,))
    return keras.Model(point, layers.Dense(units, activation)(point), name=name)


def like(optimizer="sgd", model=None, loss="sparse_categorical_crossentropy", **compiled):
    """A model that is compiled, and trained for two epochs of two batches, 64 and 36."""
    model = model or dense()
    model.compile(optimizer, loss, **compiled)
    model.fit(POINTS, LARGEST, epochs=2, batch_size=64, verbose=0)
    return model


RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(100, 4)).astype("float32")
LARGEST = POINTS[:, :3].argmax(axis=1)[:, None]
TASK = data.Task(train=POINTS, train_targets=LARGEST, test=POINTS, test_targets=LARGEST)
CLIPPED = keras.optimizers.SGD(global_clipnorm=1)
REFUSED = {
    "known": (lambda path: data.phrases(0, train=60, known=61), "known is 61: there are 60"),
    "known digits": (lambda path: digits.related_targets(0, known=1201), "known is 1201: there"),
    "pictures": (lambda path: digits.vectors(0, 1797, 797), "2594 pictures are asked for, of 1797"),
    "rows": (lambda path: digits.rows(0, 1500, 500, 10), "2010 pictures are asked for"),
    "sums": (lambda path: digits.sums(0, train=0), "train is 0: a whole number from 1"),
    "effects": (lambda path: data.garments(0, effects="multiplied"), "effects is 'multiplied'"),
    "noise": (lambda path: data.gestures(0, noise=0), "noise is 0: a number above 0"),
    "steps": (lambda path: inspection.open_forget_gate(layers.LSTM(2), 1), "steps is 1: a whole"),
    "size": (lambda path: inspection.best_so_far(np.ones((5, 2)), 5, 3, RNG), "size is 5: of 5 "),
    "weights": (lambda path: inspection.learned_weights(POINTS, LARGEST[:, 0], 0), "differ in sha"),
    "trials": (lambda path: tuning.work(tuning.new_study(), id, 2.5), "trials is 2.5: a whole"),
    "path": (lambda path: callbacks.BackToTheBest(path / "x.h5"), "x.h5': it has to end in"),
    "layer": (lambda path: like().fit(POINTS, callbacks=callbacks.Freeze("a", 1)), "'a' is not a"),
    "no merge": (lambda path: compare.one_branch(dense(name="m"), 0), "The model 'm' has no add "),
    "names": (lambda path: compare.together({"a b": dense(), "a-b": dense()}), "by the name 'a_b'"),
    "norm": (
        lambda path: compare.fit({"a": dense()}, TASK, like=like(CLIPPED)),
        "of all models tog",
    ),
    "columns": (lambda path: board.write_embedding(path, "x", np.eye(3), {}), "has no column"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(case, tmp_path):
    call, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        call(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_numbers_of_classes_are_learned_and_scored_and_so_is_a_loss_that_is_no_metric():
    models = {"one": dense(), "other": dense()}
    options = {"epochs": 60, "batch_size": 64}
    trained = like(keras.optimizers.Adam(0.1), metrics=["accuracy"])
    scores = compare.fit(models, TASK, like=trained, **options)
    for name, model in models.items():
        right = model.predict(POINTS, verbose=0).argmax(axis=1) == LARGEST[:, 0]
        assert right.mean() > 0.9
        assert scores[name] == pytest.approx(right.mean())
    one = dense(1, None)
    score = compare.fit({"a": one}, TASK, like=like(model=dense(1, None), loss="huber"), epochs=0)[
        "a"
    ]
    lost = keras.losses.huber(LARGEST.astype("float32"), one.predict(POINTS, verbose=0))
    assert score == pytest.approx(np.mean(lost), rel=1e-5)


def test_what_cannot_be_scored_is_refused_before_the_training():
    def own(true, predicted):
        return predicted

    model = dense()
    before = model.get_weights()
    with pytest.raises(ValueError, match="own"):
        compare.fit({"a": model}, TASK, like=like(metrics=[own]))
    assert all((one == other).all() for one, other in zip(before, model.get_weights(), strict=True))


def test_a_layer_that_is_called_three_times_becomes_three():
    point, layer = keras.Input((4,)), layers.Dense(4, name="shared")
    apart = compare.without_sharing(keras.Model(point, layer(layer(layer(point)))))
    names = [of.name for of in apart.layers[1:]]
    assert names == ["shared", "second_shared", "call_3_shared"]


def test_a_search_whose_trainings_diverge_ends_and_a_model_without_an_input_is_pruned():
    study = tuning.new_study(0)
    tuning.work(study, lambda trial: np.nan if trial.number < 3 else pytest.fail("it ran on"), 3)
    assert [trial.state for trial in study.trials] == [optuna.trial.TrialState.PRUNED] * 3
    model = keras.Sequential([layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = tuning.Pruning(trial := study.ask(), "accuracy")
    model.fit(POINTS, LARGEST, epochs=2, verbose=0, callbacks=[callback])
    study.tell(trial, 0.5)
    assert set(study.trials[-1].intermediate_values) == {0, 1}


def test_a_study_that_minimizes_and_a_space_that_hyperopt_lacks_are_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    optuna.create_study(storage=url, study_name="mine", direction="minimize")
    with pytest.raises(UsageError, match="the study 'mine' minimizes"):
        tuning.open_study(url, "mine")
    for options in ({"step": 16}, {"log": True}):
        suggest = lambda trial, options=options: trial.suggest_int("units", 16, 128, **options)  # noqa: E731
        with pytest.raises(UsageError, match="Hyperopt draws no 'units'"):
            tuning.hyperopt(suggest, suggest, 3, 0)
    study = tuning.hyperopt(lambda trial: trial.suggest_int("n", 1, 9), lambda trial: np.nan, 2, 0)
    assert [trial.value for trial in study.trials] == [-np.inf] * 2


def test_two_embeddings_of_a_run_stand_beside_each_other_and_one_is_replaced(tmp_path):
    for name, size in (("text", 4), ("a/question", 3), ("text", 5)):
        columns = {"word": range(size), "kind": range(size)}
        board.write_embedding(tmp_path, name, np.eye(size), columns)
    config = (tmp_path / "train" / "projector_config.pbtxt").read_text(encoding="utf-8")
    assert [config.count(f'tensor_name: "{name}"') for name in ("a/question", "text")] == [1, 1]
    for stem, size in {"text": 5, "a_question": 3}.items():
        assert np.loadtxt(tmp_path / "train" / f"{stem}.tsv").shape == (size, size)


def test_a_backup_that_was_over_begins_anew_when_its_file_is_gone(tmp_path):
    kept = backup.Backup(tmp_path / "x[1].npz")
    for epochs in ([0], []):
        model = like()
        options = {
            "initial_epoch": kept.restore(model),
            "callbacks": [callbacks.StopAt("loss", 9.0), kept],
        }
        assert model.fit(POINTS, LARGEST, epochs=5, verbose=0, **options).epoch == epochs
    kept.path.rename(left := kept.path.with_name("x[1].npz.1.part"))
    assert kept.restore(like()) == 0
    assert not left.exists()
    assert not kept.over


def test_two_threads_that_watch_see_the_calls_of_their_own_models():
    models, seen = {name: dense(name=name) for name in "ab"}, {}
    inside, original = threading.Barrier(2), keras.Layer.__call__

    def look(model):
        inside.wait()
        seen[model.name] = [[call.layer for call in calls.run(model, POINTS)] for _ in range(20)]

    threads = [threading.Thread(target=look, args=[model]) for model in models.values()]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
    assert seen == {name: [model.layers[1:]] * 20 for name, model in models.items()}
    assert keras.Layer.__call__ is original


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a call of Linux")
def test_a_process_that_may_use_one_core_runs_one_lesson_at_once():
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(cores)])
    try:
        assert program.default_jobs() == 1
    finally:
        os.sched_setaffinity(0, cores)
