"""What the benchmarks compare is the same work, and their record is of this project."""

import json
import subprocess
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

import ch0701_functional_api
from benchmarks import growth, measuring, throughput, worker
from benchmarks.__main__ import PARTS
from ch07 import board, documents, figures


def test_jobs_take_turns_and_every_other_round_goes_backwards():
    order = []
    jobs = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    found = measuring.in_turn(jobs)
    assert "".join(order) == "abbaabbaab"
    assert found == {"a": [1, 4, 5, 8, 9], "b": [2, 3, 6, 7, 10]}
    assert measuring.REPETITIONS >= 5


def test_ratios_are_of_the_same_repetition():
    assert measuring.ratios([2, 9], [1, 3]) == [2, 3]
    with pytest.raises(ValueError, match="longer"):
        measuring.ratios([1], [1, 2])


def test_a_measurement_keeps_its_bound_by_its_median():
    measured = measuring.Measured("It takes", "MB", [1.0, 9.0, 2.0], at_most=2)
    record = measured.as_record()
    assert record["holds"]
    assert [record[key] for key in ("low", "median", "high")] == [1, 2, 9]
    assert not measuring.Measured("It takes", "MB", [1.0, 9.0, 3.0], at_most=2).claim.holds


@pytest.fixture
def training():
    """A model whose shuffling and size leave nothing to chance, with a last batch that is short."""
    x = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation="tanh")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", steps_per_execution=4)
    weight = np.linspace(0, 1, 50, dtype="float32")
    return throughput.Training(model, x, (x[:, :1] > 0).astype("float32"), weight, 16, False)


def test_a_bare_epoch_takes_the_steps_that_fit_takes(training, monkeypatch):
    twin = keras.models.clone_model(training.model)
    twin.set_weights(training.model.get_weights())
    monkeypatch.setattr(keras.models, "clone_model", lambda model: twin)
    throughput.bare(training)  # one epoch, in which it is traced
    start = training.model.get_weights()
    training.model.fit(
        training.x, training.y, sample_weight=training.sample_weight, batch_size=16,
        shuffle=False, verbose=0,
    )  # fmt: skip
    for one, other in zip(training.model.get_weights(), twin.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert not np.allclose(start[0], training.model.get_weights()[0], atol=1e-3)


def test_one_iterator_takes_every_epoch_over_all_samples(training, monkeypatch):
    seen = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    class Times(throughput.EpochTimes, Count):
        pass

    training.model.steps_per_execution = 1
    monkeypatch.setattr(throughput, "EpochTimes", Times)
    throughput.with_one_iterator(training)(3)
    assert seen == [0, 1, 2, 3] * (2 + 4)  # 50 samples in batches of 16; both warmed up by one more


def test_a_profile_is_shares_of_the_time_without_paths_of_a_machine(training):
    profiled = throughput.profile(training)
    assert list(profiled.values()) == sorted(profiled.values(), reverse=True)
    steps, iterators = (throughput.share(profiled, f) for f in ("_Execute>", "make_iterator"))
    assert min(steps, iterators) > 0
    assert steps + iterators < 1
    assert not any(place.startswith("/") for place in profiled)
    assert any(place.startswith("keras/") for place in profiled)


def test_as_printed_a_batch_is_a_call(training):
    assert not training.is_as_printed
    copy = throughput.copied(training, 1)
    assert copy.steps_per_execution == 1
    assert type(copy.optimizer) is keras.optimizers.Adam


def test_more_samples_are_those_there_are_again(training):
    more = training.on(120)
    assert more.samples == 120
    assert np.array_equal(more.x[50:100], training.x)
    assert more.sample_weight.shape == (120,)


def test_what_a_lesson_trains_is_caught_with_its_arguments():
    section = ch0701_functional_api.section
    caught = throughput.main_training(section, section.lessons[0])
    assert caught.model.name == "functional"
    assert (caught.samples, caught.batch_size) == (1000, 128)
    (pointwise,) = (one for one in section.lessons if one.name == "pointwise")
    assert throughput.main_training(section, pointwise) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell it in this way")
def test_the_peak_of_memory_is_of_this_process_and_grows_with_what_it_holds():
    program = "from benchmarks.worker import peak_of_memory as p; a = p(); b = b'x' * 10**8; "
    held = np.ones(10**9, "uint8")  # which the process that it starts must not count
    done = subprocess.run(
        [sys.executable, "-c", program + "print(a, p() - a)"],
        cwd=documents.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    before, more = map(float, done.stdout.split())
    assert before < held.nbytes / 1e6 < worker.peak_of_memory()
    assert more == pytest.approx(100, abs=20)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras 3.15
def test_bytes_for_other_plugins_are_told_from_scalars_and_histograms(training, tmp_path):
    training.model.fit(
        training.x, training.y, epochs=2, verbose=0,
        callbacks=[board.TensorBoard(tmp_path, histogram_freq=1)],
    )  # fmt: skip
    files = list(tmp_path.rglob("*tfevents*"))
    others = sum(map(growth.neither_scalar_nor_histogram, files))
    assert 0 < others < sum(path.stat().st_size for path in files)


def test_the_picture_has_a_point_for_each_lesson_and_the_curve_of_the_fixed_cost():
    (axes,) = figures.benchmarks([0.1, 0.9], [0.004, 0.4], fixed=0.04).axes
    curve, lessons = axes.lines[:2]
    assert lessons.get_xydata() == pytest.approx(np.array([[4, 0.1], [400, 0.9]]))
    assert curve.get_ydata()[[0, -1]] == pytest.approx([4 / 44, 400 / 440])
    assert "(ms" in axes.get_xlabel()
    plt.close("all")


# The record


def test_the_record_has_every_lesson_and_its_picture():
    record = json.loads(documents.BENCHMARKS.read_text(encoding="utf-8"))
    names = [lesson.name for lesson in documents.all_lessons() if not lesson.summary]
    assert [one["lesson"] for one in record["lessons"]] == names
    assert (documents.HOME / "pictures" / "benchmarks.png").stat().st_size < 150_000
    for row in record["claims"]:
        assert row["low"] <= row["median"] <= row["high"]
        again = measuring.Measured(row["claim"], row["unit"], row["values"], **row["bound"])
        assert again.claim.holds == row["holds"]


def test_every_script_stays_within_thirty_imports_of_keras():
    record = json.loads(documents.BENCHMARKS.read_text(encoding="utf-8"))
    rows = [row for row in record["claims"] if row["part"] == "scripts"]
    assert [row["claim"].split(".")[0] for row in rows] == documents.SCRIPTS
    assert all(row["holds"] for row in rows)


def test_the_record_is_whole_and_took_less_than_a_quarter_of_an_hour():
    record = json.loads(documents.BENCHMARKS.read_text(encoding="utf-8"))
    assert record["seconds"].keys() == PARTS.keys()
    assert sum(record["seconds"].values()) < 15 * 60
    measured = {row["part"] for row in record["claims"]}
    assert measured | {"lessons"} == PARTS.keys()
    # The scripts were measured with ten seeds, of which the record has the median and the range.
    counted = [len(row["values"]) for row in record["claims"] if row["part"] != "scripts"]
    assert min(counted) >= measuring.REPETITIONS


def test_the_bounds_that_are_missed_are_those_that_the_readme_explains():
    record = json.loads(documents.BENCHMARKS.read_text(encoding="utf-8"))
    missed = {row["claim"] for row in record["claims"] if not row["holds"]}
    beside = "the slowest lesson beside a bare loop"
    assert missed == {f"Long epochs: {beside}", f"All epochs: {beside}"}
