"""Section 7.2: the models are what the book means, and each lesson leaves what it says."""

import csv
import functools
import os
import runpy

import numpy as np
import pytest

import ch0702_tensor_board as script
from ch07 import board, crash, data
from ch07.data import imdb
from ch07.lab import Section, lessons

SCRIPT = lessons.read(script.__name__)


# The models and the reviews


def test_the_text_classifier_is_the_books():
    assert script.build_dropout_stack().count_params() == 3_466  # that of 7.1.1
    model = script.build_text_classifier()
    assert model.count_params() == 291_937
    names = "review embed conv_1 pool conv_2 any_place sentiment"
    assert [layer.name for layer in model.layers] == names.split()
    embed, conv_1, pool, conv_2 = model.layers[1:5]
    assert (embed.input_dim, embed.output_dim) == (2000, 128)
    assert (conv_1.filters, conv_1.kernel_size, pool.pool_size) == (32, (7,), (5,))
    assert (conv_2.filters, conv_2.kernel_size) == (32, (7,))
    # Its end is a probability, whatever it is given; as printed it is not (A1).
    for last, inside in {"sigmoid": True, None: False}.items():
        end = script.build_text_classifier(**({} if last else {"last": None})).layers[-1]
        end.bias.assign([3.0])
        outputs = end(np.zeros((2, 32))).numpy()
        assert outputs.shape == (2, 1)
        assert ((outputs > 0) & (outputs < 1)).all() == inside


def test_each_fault_is_a_model_or_its_training_and_a_treatment_changes_it():
    build = script.build_text_classifier
    assert build(bias=-1.0).get_layer("conv_2").bias.numpy().tolist() == [-1.0] * 32
    vanishing = build(**script.FAULTS["vanishing"])
    hidden = [layer for layer in vanishing.layers if layer.name.startswith("hidden")]
    assert [layer.activation.__name__ for layer in hidden] == ["sigmoid"] * 4
    for fault, treatment in script.TREATMENTS.items():
        assert script.FAULTS[fault] | treatment != script.FAULTS[fault]


def test_in_a_review_padding_comes_first_and_the_topic_tells_nothing():
    reviews = data.reviews(0)
    kinds, good = np.array(reviews.kinds)[reviews.train], reviews.train_targets[:, 0] == 1
    assert (np.diff((kinds != "padding").astype(int), axis=1) >= 0).all()
    shares = [np.mean(kinds == topic, axis=1) for topic in data.TOPICS]
    correlations = np.corrcoef([*shares, good])[-1, :-1]
    assert np.abs(correlations).max() < 4 / np.sqrt(len(good))  # four standard deviations


# What the lessons leave


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """A function that runs a lesson of the script, once, and gives its names."""

    @functools.cache
    def run(name):
        output = str(tmp_path_factory.mktemp("output"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Section, "finish", lambda self: None)  # which ends the process
            patch.setattr("sys.argv", ["", name, "--output", output])
            return runpy.run_path(str(SCRIPT.path), run_name="__main__")

    return run


@pytest.mark.slow
def test_early_stopping_ends_the_same_training_two_epochs_after_its_best_accuracy(lesson):
    of = lesson("early_stopping")
    stopped, whole = of["stopped"], of["whole"]
    values, ended = whole["val_accuracy"], len(stopped["loss"])
    assert ended == next(n for n in range(3, 30) if max(values[n - 2 : n]) <= max(values[: n - 2]))
    for name in stopped:
        np.testing.assert_allclose(stopped[name], whole[name][:ended], rtol=1e-5)
    assert of["kept"] == pytest.approx(min(stopped["val_loss"]), rel=1e-5)


@pytest.mark.slow
def test_the_rates_of_every_epoch_are_those_of_the_rules(lesson):
    of = lesson("learning_rates")
    rates, start = of["rates"], np.float32(0.05)
    np.testing.assert_allclose(rates["constant"], start)
    halved = start * 0.5 ** (np.arange(16) // 3)
    np.testing.assert_allclose(rates["halved every third epoch"], halved)
    rate, best, waited = start, np.inf, 0
    name = "reduced on a plateau"
    for loss, found in zip(of["losses"][name], rates[name], strict=True):
        assert found == pytest.approx(rate)
        waited = 0 if loss < best - 1e-4 else waited + 1
        best = best if waited else loss
        if waited == 2:
            rate, waited = rate * 0.1, 0
    assert found < start


@pytest.mark.slow
def test_a_log_that_is_resumed_has_every_epoch(lesson):
    of = lesson("csv_logger")
    with of["log"].open(encoding="utf-8", newline="") as file:
        losses = {int(row["epoch"]): float(row["val_loss"]) for row in csv.DictReader(file)}
    assert list(losses) == list(range(30))
    again = of["model"].history.history["val_loss"]
    assert list(losses.values()) == pytest.approx(of["first"]["val_loss"] + again, rel=1e-5)


def test_a_process_kills_itself_at_its_moment(monkeypatch):
    killed = []
    monkeypatch.setattr("os.kill", lambda *arguments: killed.append(arguments))
    callback = crash.KilledAt(epoch=1, batch=2)
    for epoch, batch in np.ndindex(3, 4):
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_end(batch)
        assert len(killed) == ((epoch, batch) >= (1, 2))
    assert killed == [(os.getpid(), crash.KILL)]


@pytest.mark.slow
def test_killed_and_resumed_the_training_goes_on_with_the_sixth_epoch(lesson):
    of = lesson("backup_and_restore")
    assert of["resumed"].history.epoch == [5, 6, 7]
    assert of["undisturbed"].history.epoch == list(range(8))
    losses = (of[name].history.history["loss"] for name in ("resumed", "undisturbed"))
    np.testing.assert_allclose(*(values[-3:] for values in losses), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["halve_every_third_epoch", "no_such_function"])
def test_a_process_that_is_not_killed_is_an_error_that_says_how_it_ended(function):
    reason = "AttributeError" if function == "no_such_function" else "status 0"
    with pytest.raises(RuntimeError, match=reason):
        crash.run_and_kill(f"ch0702_tensor_board:{function}", 1, epoch=5, batch=0)


@pytest.mark.slow
def test_a_run_says_in_ascii_how_to_open_its_logs(tensor_board):
    assert tensor_board.process.stdout.isascii()
    printed = "".join(line.strip() for line in tensor_board.lines)
    assert f'--logdir"{tensor_board.output / "my_log_dir"}"' in printed.replace(" ", "")


@pytest.mark.slow
def test_imdb_trains_and_logs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(imdb, "reviews", lambda test: data.reviews(0, train=50, test=40))
    monkeypatch.setattr("sys.argv", ["", "--imdb", "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT.path), run_name="__main__")
    assert ended.value.code in (0, 1)  # fifty reviews teach little
    out, err = capsys.readouterr()
    assert err == ""
    assert "Five epochs tell good reviews from bad: " in out
    assert "--logdir" in out
    (log_dir,) = (tmp_path / "my_log_dir").iterdir()
    assert len(board.scalars(log_dir / "validation")["epoch_accuracy"]) == 5
    assert len((log_dir / "train" / "embed_metadata.tsv").read_text("utf-8").splitlines()) == 2001
