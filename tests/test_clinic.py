"""The clinic of section 7.2.2: each symptom is read from its own curve of the logs."""

import math

import numpy as np
import pytest

import ch0702_tensor_board as script
from ch07 import board, clinic


def numbers(outputs=(0.1, 0.9), **changes):
    """What is read from a healthy training of three epochs, but for `changes` of train curves."""
    train = {"epoch_loss": [0.69, 0.3, 0.1], "epoch_accuracy": [0.5, 0.9, 0.97]}
    train |= {"share_of_dead_units/conv_1": [0.0, 0.0, 0.0]}
    train |= {"gradient_norm/conv_1": [1.0, 0.4, 0.2], "gradient_norm/sentiment": [1.0, 0.2, 0.1]}
    buckets = np.array([[value, value, 1.0] for value in outputs])
    validation = {"epoch_accuracy": [0.5, 0.88, 0.95]}
    logs = clinic.Logs(train | changes, validation, {"activations/sentiment": [buckets] * 3})
    return {fault: symptom.number(logs) for fault, symptom in clinic.SYMPTOMS.items()}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, set()),
        ({"epoch_loss": [90_000.0, 0.69, 0.69]}, {"rate_too_high"}),
        ({"epoch_loss": [0.69, math.nan, math.nan]}, {"rate_too_high"}),
        ({"outputs": (-3.0, -2.0)}, {"no_sigmoid"}),
        ({"share_of_dead_units/conv_1": [1.0, 1.0, 1.0]}, {"dead_relus"}),
        ({"gradient_norm/conv_1": [0.1, 0.0002, 0.0002]}, {"vanishing"}),
        ({"gradient_norm/conv_1": [0.0, 0.0, 0.0]}, set()),  # none did not vanish on its way
        ({"epoch_accuracy": [0.9, 1.3, 1.4]}, {"overfitting"}),
    ],
)
def test_each_symptom_is_read_from_its_own_curve(changes, found):
    read = numbers(**changes)
    assert {fault for fault, of in read.items() if clinic.SYMPTOMS[fault].shows(of)} == found


def test_symptoms_are_the_medians_of_the_epochs_in_powers_of_ten():
    found = numbers(**{"gradient_norm/conv_1": [100.0, 0.002, 1.0]})
    assert found["vanishing"] == pytest.approx(1)  # of 2, -2 and 1
    assert found["overfitting"] == pytest.approx(0.02)  # of 0, 0.02 and 0.02
    assert found["rate_too_high"] == pytest.approx(np.log10(0.69 / np.log(2)))
    assert math.isnan(numbers(**{"gradient_norm/conv_1": [0.0, 0.0, 0.0]})["vanishing"])
    buckets = np.array([[-3.0, -1, 6], [0.2, 0.4, 1], [1.0, 2, 3]])
    logs = clinic.Logs({}, {}, {"activations/sentiment": [buckets[1:2], buckets]})
    assert clinic.share_outside(logs) == 0.9  # in the epoch that has the most


def test_where_the_loss_has_exploded_nothing_else_is_misplaced():
    healthy = numbers()
    exploded = healthy | {"rate_too_high": 4.0, "dead_relus": 1.0}
    dead = healthy | {"dead_relus": 1.0}
    assert clinic.misplaced({"healthy": healthy, "rate_too_high": exploded}) == []
    assert clinic.misplaced({"dead_relus": dead}) == []
    assert clinic.misplaced({"dead_relus": healthy}) == [("dead_relus", "dead_relus")]
    assert clinic.misplaced({"healthy": dead}) == [("healthy", "dead_relus")]
    assert clinic.misplaced({"healthy": exploded}) == [("healthy", "rate_too_high")]


@pytest.mark.parametrize("fault", clinic.SYMPTOMS)
def test_a_symptom_shows_from_its_bound_on_and_says_where_to_look(fault):
    symptom = clinic.SYMPTOMS[fault]
    low = symptom.at_least is None
    bound = symptom.at_most if low else symptom.at_least
    assert [symptom.shows(bound + by) for by in (-0.1, 0, 0.1)] == [low, True, not low]
    assert not symptom.shows(math.nan)
    assert symptom.healthy == f"healthy: {'above' if low else 'below'} {bound}"
    assert symptom.sentence.startswith(f"{symptom.tab}, {symptom.tag}: ")
    assert fault in script.FAULTS.keys() & script.TREATMENTS.keys()


def test_logs_of_another_model_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError):
        clinic.examine(tmp_path)
    for part in ("train", "validation"):
        with board.writing_to(tmp_path / part):
            pass
    with pytest.raises(ValueError, match="epoch_loss"):
        clinic.examine(tmp_path)


@pytest.mark.slow
def test_each_training_has_a_folder_in_which_its_own_symptom_is_found(tensor_board):
    trained = (tensor_board.output / "my_log_dir").iterdir()
    folders = {folder.name.split("-", 2)[2]: folder for folder in trained}
    treated = {f"{fault}-treated" for fault in script.TREATMENTS}
    assert set(folders) == {"reviews", *script.FAULTS, *treated}
    assert clinic.misplaced({name: clinic.examine(of) for name, of in folders.items()}) == []
