"""The clinic of section 7.2.2: each symptom is read from its own curve of the logs."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ch0702_tensor_board as script
from ch07 import board, clinic


def logs_of(outputs=(0.1, 0.9), **changes):
    """The logs of a healthy training of three epochs, but for `changes` of the train curves."""
    train = {
        "epoch_loss": [0.69, 0.3, 0.1],
        "epoch_accuracy": [0.5, 0.9, 0.97],
        "share_of_dead_units/conv_1": [0.0, 0.0, 0.0],
        "gradient_norm/conv_1": [1.0, 0.4, 0.2],
        "gradient_norm/sentiment": [1.0, 0.2, 0.1],
    }
    buckets = np.array([[value, value, 1.0] for value in outputs])
    validation = {"epoch_accuracy": [0.5, 0.88, 0.95]}
    return clinic.Logs(train | changes, validation, {"activations/sentiment": [buckets] * 3})


def numbers(logs):
    return {fault: symptom.number(logs) for fault, symptom in clinic.SYMPTOMS.items()}


def faults(logs):
    return {fault for fault, value in numbers(logs).items() if clinic.SYMPTOMS[fault].shows(value)}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, set()),
        ({"epoch_loss": [90_000.0, 0.69, 0.69]}, {"rate_too_high"}),
        ({"outputs": (-3.0, -2.0)}, {"no_sigmoid"}),
        ({"share_of_dead_units/conv_1": [1.0, 1.0, 1.0]}, {"dead_relus"}),
        ({"gradient_norm/conv_1": [0.1, 0.0002, 0.0002]}, {"vanishing"}),
        ({"gradient_norm/conv_1": [0.0, 0.0, 0.0]}, set()),  # none did not vanish on its way
        ({"epoch_accuracy": [0.9, 1.3, 1.4]}, {"overfitting"}),
    ],
)
def test_each_symptom_is_read_from_its_own_curve(changes, found):
    assert faults(logs_of(**changes)) == found


def test_what_is_not_a_probability_is_counted():
    buckets = np.array([[-3.0, -1, 6], [0.2, 0.4, 1], [1.0, 2, 3]])
    logs = clinic.Logs({}, {}, {"activations/sentiment": [buckets]})
    assert clinic.share_outside(logs) == 0.9


def test_symptoms_are_the_medians_of_the_epochs_in_powers_of_ten():
    found = numbers(logs_of(**{"gradient_norm/conv_1": [100.0, 0.002, 1.0]}))
    assert found["vanishing"] == pytest.approx(1)  # of 2, -2 and 1
    assert found["overfitting"] == pytest.approx(0.02)  # of 0, 0.02 and 0.02
    assert found["rate_too_high"] == pytest.approx(np.log10(0.69 / np.log(2)))
    silent = logs_of(**{"gradient_norm/conv_1": [0.0, 0.0, 0.0]})
    assert math.isnan(clinic.gradient_gained(silent))


def test_where_the_loss_has_exploded_nothing_else_is_misplaced():
    healthy = numbers(logs_of())
    exploded = healthy | {"rate_too_high": 4.0, "dead_relus": 1.0}
    dead = healthy | {"dead_relus": 1.0}
    assert clinic.misplaced({"healthy": healthy, "rate_too_high": exploded}) == []
    assert clinic.misplaced({"dead_relus": dead}) == []
    assert clinic.misplaced({"dead_relus": healthy}) == [("dead_relus", "dead_relus")]
    assert clinic.misplaced({"healthy": dead}) == [("healthy", "dead_relus")]
    assert clinic.misplaced({"healthy": exploded}) == [("healthy", "rate_too_high")]


@given(st.floats(), st.floats(-1e6, 1e6), st.booleans())
def test_a_symptom_shows_on_one_side_of_its_bound(value, bound, below):
    bounds = {"at_least": None, "at_most": None} | {"at_most" if below else "at_least": bound}
    symptom = dataclasses.replace(clinic.SYMPTOMS["vanishing"], **bounds)
    assert symptom.shows(value) == (value <= bound if below else value >= bound)
    assert symptom.healthy.endswith(f" {bound}")


@given(hnp.arrays("float64", (3, 3), elements=st.floats(0.1, 3)))
def test_shares_are_shares(buckets):
    logs = clinic.Logs({}, {}, {"activations/sentiment": [buckets]})
    assert 0 <= clinic.share_outside(logs) <= 1


def test_logs_of_another_model_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError):
        clinic.examine(tmp_path)
    for part in ("train", "validation"):
        with board.writing_to(tmp_path / part):
            pass
    with pytest.raises(ValueError, match="epoch_loss"):
        clinic.examine(tmp_path)


def test_every_fault_has_a_symptom_and_every_symptom_says_where_to_look():
    assert {"healthy", *clinic.SYMPTOMS} == set(script.FAULTS)
    assert set(script.TREATMENTS) == set(clinic.SYMPTOMS)
    for symptom in clinic.SYMPTOMS.values():
        assert symptom.sentence.startswith(f"{symptom.tab}, {symptom.tag}: ")


@pytest.mark.slow
def test_every_run_is_examined_from_its_event_files(tensor_board):
    symptoms = {
        log_dir.name.split("-", 2)[2]: clinic.examine(log_dir)
        for log_dir in (tensor_board.output / "my_log_dir").iterdir()
    }
    treated = {f"{fault}-treated" for fault in script.TREATMENTS}
    assert set(symptoms) == {"reviews", *script.FAULTS, *treated}
    assert clinic.misplaced(symptoms) == []
