"""What the benchmarks compare is the same work, and their record is of this project."""

import sys

import keras
import numpy as np
import pytest

from tools import benchmarks, documents


def test_jobs_take_turns_and_every_other_round_goes_backwards(monkeypatch):
    monkeypatch.setattr(benchmarks, "REPETITIONS", 3)
    order = []
    jobs = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    assert benchmarks.in_turn(jobs) == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert "".join(order) == "abbaab"


def test_a_ratio_is_of_the_same_repetition():
    assert benchmarks.spread([2, 9, 4]) == {"median": 4, "low": 2, "high": 9}
    assert benchmarks.spread([2, 9], [1, 3]) == {"median": 2.5, "low": 2, "high": 3}
    with pytest.raises(ValueError, match="longer"):
        benchmarks.spread([1], [1, 2])


def test_a_bare_epoch_takes_the_steps_that_fit_takes(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    hidden, score = keras.layers.Dense(8, "tanh"), keras.layers.Dense(1, "sigmoid")
    model = keras.Sequential([keras.Input((4,)), hidden, score])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", steps_per_execution=4)
    # Its shuffling leaves nothing to chance, and its last batch is short.
    weights = np.linspace(0, 1, 50, dtype="float32")
    arguments = {"x": x, "y": (x[:, :1] > 0).astype("float32"), "sample_weight": weights}
    arguments |= {"batch_size": 16, "shuffle": False, "epochs": 7}
    training = benchmarks.CaughtFit(model, arguments)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    monkeypatch.setattr(keras.models, "clone_model", lambda model: copy)
    benchmarks.bare(training)  # one epoch, in which it is traced
    start = model.get_weights()
    benchmarks.by_fit(training)  # likewise
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert not np.allclose(start[0], model.get_weights()[0], atol=1e-3)


def test_what_a_lesson_trains_is_caught_with_its_arguments():
    caught = benchmarks.main_training("ch0701_functional_api", "sequential_and_functional")
    assert caught.model.compiled
    assert caught.model.optimizer.iterations == 0
    samples = len(keras.tree.flatten(caught.arguments["x"])[0])
    assert 0 < caught.arguments["batch_size"] < samples


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell it in this way")
def test_a_program_is_timed_and_weighed():
    # More than this process has, as which it begins.
    program = "import time; held = b'x' * 15 * 10**8; time.sleep(0.2)"
    seconds, megabytes = benchmarks.timed(["-c", program])
    assert seconds > 0.2
    assert megabytes == pytest.approx(1500, rel=0.1)
    with pytest.raises(RuntimeError, match="ended with 3"):
        benchmarks.timed(["-c", "raise SystemExit(3)"])


def test_the_record_has_every_script_within_its_limits_and_the_lessons_that_train():
    record = documents.parsed(documents.BENCHMARKS)
    scripts = record["scripts"]
    assert [of["script"] for of in scripts] == [documents.SCRIPTS[0], *documents.SCRIPTS]
    assert [of["jobs"] == 1 for of in scripts] == [True, False, False, False]
    assert max(of["imports"] for of in scripts) <= 30
    assert max(of["megabytes"] for of in scripts) <= 1500
    measured = [of["lesson"] for of in record["trainings"]]
    names = [lesson.name for _, lesson in documents.all_lessons()]
    assert measured == [name for name in names if name in measured]
    assert len(measured) > len(names) / 2
    assert all(documents.parsed(documents.WORDS)["en"][of["what"]] for of in record["ratios"])


def test_a_trial_is_timed_from_the_25th_on():
    assert (benchmarks.trial_seconds(0, 30) > 0).tolist() == [True] * 5
