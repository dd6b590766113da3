"""Section 7.2: the models are what the book means, Keras's callbacks act by the rules that the
lessons rely on, and each lesson leaves what it says.
"""

import ast
import csv
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib import request

import keras
import matplotlib.image
import matplotlib.pyplot as plt
import models
import numpy as np
import pytest
from conftest import Finished, address, started

import ch0702_tensor_board as script
from ch07 import board, crash, data
from ch07.lab import lessons, program

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = lessons.read(script.__name__)

# Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


# The models


def test_the_text_classifier_is_the_books():
    model = script.build_text_classifier()
    assert model.count_params() == 291_937
    assert [layer.name for layer in model.layers] == [
        "review", "embed", "conv_1", "pool", "conv_2", "any_place", "sentiment",
    ]  # fmt: skip
    embed, conv_1, pool, conv_2 = model.layers[1:5]
    assert (embed.input_dim, embed.output_dim) == (2000, 128)
    assert (conv_1.filters, conv_1.kernel_size, pool.pool_size) == (32, (7,), (5,))
    assert (conv_2.filters, conv_2.kernel_size) == (32, (7,))
    probabilities = model(np.zeros((2, 500))).numpy()
    assert probabilities.shape == (2, 1)
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_as_printed_the_classifier_gives_no_probability():
    model = script.build_text_classifier(last=None)
    model.get_layer("sentiment").bias.assign([3.0])
    assert (model(np.zeros((1, 500))).numpy() > 1).all()


def test_each_fault_is_a_model_or_its_training():
    build = script.build_text_classifier
    assert build(bias=-1.0).get_layer("conv_2").bias.numpy().tolist() == [-1.0] * 32
    vanishing = build(**script.FAULTS["vanishing"])
    hidden = [layer for layer in vanishing.layers if layer.name.startswith("hidden")]
    assert [layer.activation.__name__ for layer in hidden] == ["sigmoid"] * 4
    trained = {"learning_rate", "different_reviews"}
    for fault in script.FAULTS.values():
        build(max_features=9, max_len=60, **{k: v for k, v in fault.items() if k not in trained})


def test_the_dropout_stack_is_that_of_7_1_1():
    assert script.build_dropout_stack().count_params() == 3_466


# The reviews


def test_reviews_have_the_books_shape_and_opinions_tell_the_verdict():
    reviews = data.reviews(0)
    words, good = reviews.train, reviews.train_targets
    assert (words.shape, words.dtype) == ((1600, 500), np.int32)
    assert (good.shape, reviews.test_targets.shape) == ((1600, 1), (400, 1))
    assert good.mean() == 0.5
    assert len(reviews.words) == len(reviews.kinds) == len(set(reviews.words)) == 2000
    kinds = np.array(reviews.kinds)[words]
    assert (np.diff((kinds != "padding").astype(int), axis=1) >= 0).all()  # padding comes first
    balance = np.sum(kinds == "positive", axis=1) - np.sum(kinds == "negative", axis=1)
    assert np.mean((balance > 0) == (good[:, 0] == 1)) > 0.97
    for topic in data.TOPICS:
        share = np.mean(kinds == topic, axis=1)
        # Four standard deviations of a difference of means of 800 reviews.
        spread = 4 * share.std() * np.sqrt(2 / 800)
        assert abs(share[good[:, 0] == 1].mean() - share[good[:, 0] == 0].mean()) < spread


def test_reviews_follow_the_seed_and_never_repeat():
    one, again, other = (data.reviews(seed, train=50, test=50) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.train, again.train)
    assert (one.train != other.train).any()
    assert not {row.tobytes() for row in one.train} & {row.tobytes() for row in one.test}


# When Keras's callbacks act: their rules, worked out a second time


def epochs_until_stop(values, patience):
    """After how many epochs EarlyStopping ends a training whose accuracies are `values`."""
    best = 0
    for epoch, value in enumerate(values):
        if value > values[best]:
            best = epoch
        elif epoch - best == patience:
            return epoch + 1
    return len(values)


def plateau_rates(losses, rate, factor, patience, min_delta=1e-4, cooldown=0):
    """The learning rate of each epoch under ReduceLROnPlateau."""
    rates, best, waited, resting = [], np.inf, 0, 0
    for loss in losses:
        rate = float(np.float32(rate))  # Keras keeps it so, and multiplies in double precision
        rates.append(rate)
        resting = max(resting - 1, 0)
        if loss < best - min_delta:
            best, waited = loss, 0
        elif not resting:
            waited += 1
            if waited == patience:
                rate, waited, resting = rate * factor, 0, cooldown
    return rates


def follow(callback, series):
    """The rates of the epochs that `callback` lets pass, of a training that logs `series`."""
    model = script.build_cloud_classifier(units=8)
    model.compile(keras.optimizers.SGD(0.3), "categorical_crossentropy", metrics=["accuracy"])
    model.evaluate(np.zeros((1, 16)), np.eye(8)[:1], verbose=0)  # makes the metric
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    rates = []
    for epoch, logs in enumerate(series):
        rates.append(float(model.optimizer.learning_rate.numpy()))
        callback.on_epoch_end(epoch, dict(logs))
        if model.stop_training:
            break
    return rates


@pytest.mark.parametrize(
    ("values", "patience", "epochs"),
    [
        ([0.1, 0.2, 0.2, 0.3], 1, 3),  # an equal value is no gain
        ([0.1, 0.2, 0.2, 0.3], 2, 4),
        ([0.3, 0.2, 0.1, 0.4], 2, 3),
        ([0.3, 0.2, 0.4, 0.1, 0.2], 2, 5),  # a gain starts the count again
        ([0.1, 0.2, 0.3], 1, 3),  # never stopped
    ],
)
def test_early_stopping_waits_for_as_many_epochs_as_its_patience(values, patience, epochs):
    assert epochs_until_stop(values, patience) == epochs
    stop = keras.callbacks.EarlyStopping("accuracy", patience=patience)
    assert len(follow(stop, [{"accuracy": value} for value in values])) == epochs


@pytest.mark.parametrize(
    "terms", [{"patience": 1}, {"patience": 2, "cooldown": 3}, {"patience": 5, "min_delta": 0.05}]
)
def test_the_plateau_reduces_the_rate_by_its_rule(terms):
    losses = np.exp(-np.arange(60) / 20) + np.random.default_rng(0).normal(0, 0.05, 60)
    reduce = keras.callbacks.ReduceLROnPlateau(factor=0.5, **terms)
    rates = follow(reduce, [{"val_loss": np.float32(loss)} for loss in losses])
    assert rates == plateau_rates(losses, 0.3, 0.5, **terms)
    assert len(set(rates)) > 1


def test_with_patience_as_printed_a_plateau_cannot_end_within_ten_epochs():
    flat = [{"val_loss": 1.0}] * 10
    for patience, rates in ((10, 1), (2, 5)):
        reduce = keras.callbacks.ReduceLROnPlateau("val_loss", 0.1, patience)
        assert len(set(follow(reduce, flat))) == rates


def test_the_schedule_halves_every_third_epoch():
    rates = [1.0]
    for epoch in range(7):
        rates.append(script.halve_every_third_epoch(epoch, rates[-1]))
    assert rates[1:] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


# What the lessons leave


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """A function that runs the cell of a lesson as a console does, once, and gives its names."""
    ran = {}
    tree = ast.parse(SCRIPT.path.read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [""])
        patch.setattr(program, "HOME", tmp_path_factory.mktemp("output"))

        def run(name):
            if name not in ran:
                others = {one.line for one in SCRIPT.lessons if one.name != name}
                body = [node for node in tree.body if node.lineno not in others]
                ran[name] = {"__name__": "__main__"}
                exec(compile(ast.Module(body, []), "<input>", "exec"), ran[name])
            return ran[name]

        yield run
    plt.close("all")


@pytest.mark.slow
def test_early_stopping_ends_the_same_training_by_its_rule(lesson):
    of = lesson("early_stopping")
    stopped, whole = of["stopped"], of["whole"]
    ended = len(stopped["loss"])
    assert ended == epochs_until_stop(whole["val_accuracy"], patience=2) < 20
    for name in stopped:
        np.testing.assert_allclose(stopped[name], whole[name][:ended], rtol=1e-5)
    assert of["kept"] == pytest.approx(min(stopped["val_loss"]), rel=1e-5)


@pytest.mark.slow
def test_the_rates_of_every_epoch_are_those_of_the_rules(lesson):
    rates, losses = lesson("learning_rates")["rates"], lesson("learning_rates")["losses"]
    start = np.float32(0.05)
    np.testing.assert_allclose(rates["constant"], start)
    np.testing.assert_allclose(
        rates["halved every third epoch"], start * 0.5 ** (np.arange(12) // 3)
    )
    reduced = plateau_rates(losses["reduced on a plateau"], 0.05, 0.1, 2)
    np.testing.assert_allclose(rates["reduced on a plateau"], reduced, rtol=1e-6)
    assert reduced[-1] < reduced[0]


@pytest.mark.slow
def test_a_log_that_is_resumed_has_every_epoch(lesson):
    of = lesson("csv_logger")
    with of["log"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(20))
    for name, values in of["model"].history.history.items():
        logged = [float(row[name]) for row in rows]
        np.testing.assert_allclose(logged, of["first"][name] + values, rtol=1e-5)


def test_a_progress_bar_ends_an_epoch_with_its_loss(lesson):
    of = lesson("progress_bar")
    shown = np.reshape(of["shown"], (3, 19))
    np.testing.assert_allclose(shown[:, -1], of["history"]["loss"], rtol=1e-5)


def test_the_last_file_of_the_logger_has_what_the_layers_give(lesson):
    of = lesson("activation_logger")
    assert len(list(of["folder"].iterdir())) == 12
    with np.load(of["folder"] / "activations_at_epoch_11.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"hidden_1", "hidden_2", "cloud"}
        predictions = of["model"](of["clouds"].test, training=False).numpy()
        np.testing.assert_allclose(arrays["cloud"], predictions, rtol=1e-5)
    assert of["over_epochs"]["cloud"].shape == (12, 8)


@pytest.mark.parametrize("kind", ["sequential", "unbuilt", "functional", "subclassed", "shared"])
def test_the_logger_takes_any_model_and_a_path_as_text(kind, tmp_path):
    sample = models.build(kind)
    inputs, _ = sample.probe()
    folder = f"{tmp_path}/new/folder"
    sample.fit(script.ActivationLogger(inputs, folder), epochs=2)
    with np.load(Path(folder) / "activations_at_epoch_1.npz", allow_pickle=False) as arrays:
        expected = sample.expected(inputs)
        assert set(arrays) == set(expected)
        for name, array in expected.items():
            np.testing.assert_allclose(arrays[name], array, rtol=1e-4, atol=1e-6)


def test_the_logger_leaves_the_training_as_it_is(tmp_path):
    plain, logged = models.build("functional"), models.build("functional")
    keras.utils.set_random_seed(1)
    plain.fit(epochs=2)
    keras.utils.set_random_seed(1)
    logged.fit(script.ActivationLogger(logged.probe()[0], tmp_path), epochs=2)
    for one, other in zip(plain.model.get_weights(), logged.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_kernel_is_frozen_when_its_function_is_traced_again(lesson):
    of = lesson("own_callbacks")
    assert (of["moved"][:6] > 1e-4).all()
    assert (of["moved"][6:] == 0).all()
    assert of["back"].loaded
    with_it = of["losses"]["with the callback"]
    assert np.mean(with_it[-5:]) <= 1.05 * min(with_it)  # it stays near the best


# Killed


def test_a_process_kills_itself_at_its_moment(monkeypatch):
    killed = []
    monkeypatch.setattr("os.kill", lambda *arguments: killed.append(arguments))
    callback = crash.KilledAt(epoch=1, batch=2)
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        for batch in range(4):
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
@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ("ch0702_tensor_board:halve_every_third_epoch", "status 0"),  # it ends by itself
        ("ch0702_tensor_board:no_such_function", "AttributeError"),
    ],
)
def test_a_process_that_is_not_killed_is_an_error(train, reason):
    with pytest.raises(RuntimeError, match=reason):
        crash.run_and_kill(train, 1, epoch=5, batch=0)


# The whole section, run once


@pytest.mark.slow
def test_the_console_is_clean_and_every_claim_holds(tensor_board):
    assert tensor_board.process.stderr == b""
    assert tensor_board.process.returncode == 0
    out = tensor_board.process.stdout
    assert out.isascii()
    assert b"Warning" not in out
    claims = tensor_board.record["claims"]
    assert [claim["claim"] for claim in claims if not claim["holds"]] == []
    made = {(claim["lesson"], claim["claim"]) for claim in claims}
    assert made == {(one.name, sentence) for one in SCRIPT.lessons for sentence in one.claims}


@pytest.mark.slow
def test_pictures_can_be_read(tensor_board):
    for one in SCRIPT.lessons:
        path = tensor_board.folder / f"{one.name}.png"
        if one.name != "backup_and_restore":  # which says its number in a line
            picture = matplotlib.image.imread(path)
            assert picture.shape[1] >= 800
            assert picture[..., :3].std() > 0.05
    assert list(tensor_board.folder.glob("*diagram_text_classifier.png"))


@pytest.mark.slow
def test_each_training_has_a_folder_of_its_own(tensor_board):
    folders = list((tensor_board.output / "my_log_dir").iterdir())
    treated = [f"{fault}-treated" for fault in script.TREATMENTS]
    names = ["reviews", *script.FAULTS, *treated]
    assert sorted(f.name.split("-", 2)[2] for f in folders) == sorted(names)
    for folder in folders:
        for part in ("train", "validation"):
            assert len(list((folder / part).glob("*tfevents*"))) == 1


@pytest.mark.slow
def test_the_command_that_shows_the_logs_is_printed(tensor_board):
    printed = "".join(line.strip() for line in tensor_board.lines)
    assert f'--logdir"{tensor_board.output / "my_log_dir"}"' in printed.replace(" ", "")


# --board


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize("mode", [0o755, 0o555], ids=["writable", "read-only"])
def test_board_shows_the_logs_on_the_next_free_port_until_ctrl_c(tensor_board, mode):
    command = (sys.executable, SCRIPT.path, "--board", "--output", tensor_board.output)
    folders = [tensor_board.output, *tensor_board.output.iterdir()]
    before = sorted(tensor_board.output.rglob("*"))
    for folder in folders:
        folder.chmod(mode)
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 6006))
            taken.listen()
        except OSError:
            pass  # somebody else has it, who may give it back at any time
        with started(*command) as process:
            url = address(process)
            ours = taken.getsockname()[1] == 6006
            assert not ours or ":6006/" not in url
            with request.urlopen(f"{url}data/environment", timeout=60) as answer:
                assert "my_log_dir" in answer.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.communicate() == ("", "")
    for folder in folders:
        folder.chmod(0o755)
    assert process.returncode == 130
    assert sorted(tensor_board.output.rglob("*")) == before  # nothing was written


@pytest.mark.slow
def test_board_without_logs_is_one_sentence(tmp_path):
    done = Finished(script.__name__, tmp_path, "--board").process
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert b"there are no logs below" in done.stderr


# A full disk


FULL = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
def test_a_disk_that_is_full_ends_the_run_in_one_sentence(tmp_path):
    command = [sys.executable, "-c", FULL, SCRIPT.path, "the_clinic", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert b"the run ended early" in done.stderr


# --imdb, on a small file in the same form


SMALL = """
import runpy, sys
from pathlib import Path
from ch07.data import imdb
import keras.src.datasets.imdb as keras_imdb
folder = Path(sys.argv.pop(1))
keras_imdb.get_file = lambda fname, *args, **options: str(folder / fname)  # checks no hash
reviews = imdb.reviews
imdb.reviews = lambda test: reviews(train=50, test=40)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_imdb_trains_and_logs(tmp_path):
    rng = np.random.default_rng(0)
    ranks = {f"word {rank}": rank for rank in range(1, 2500)}
    ranks |= {"great": 2, "loved": 3, "bad": 4, "awful": 5}
    (tmp_path / "imdb_word_index.json").write_text(json.dumps(ranks), encoding="utf-8")
    arrays = {}
    for part in ("train", "test"):
        good = np.arange(60) % 2
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.empty(60, object), good
        arrays[f"x_{part}"][:] = [[1 + int(g), *rng.integers(3, 2500, 9).tolist()] for g in good]
    np.savez(tmp_path / "imdb.npz", **arrays)
    command = [sys.executable, "-c", SMALL, tmp_path, SCRIPT.path, "--imdb", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, text=True)
    assert done.returncode in (0, 1)  # fifty reviews teach little
    assert done.stderr == ""
    assert "Five epochs tell good reviews from bad: " in done.stdout
    assert "--logdir" in done.stdout
    (log_dir,) = (tmp_path / "my_log_dir").iterdir()
    assert len(board.scalars(log_dir / "validation")["epoch_accuracy"]) == 5
    assert len((log_dir / "train" / "metadata.tsv").read_text("utf-8").splitlines()) == 2001


@pytest.mark.slow
def test_no_imdb_and_no_network_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT.path, "--imdb", "--output", tmp_path / "out"],
        capture_output=True,
        # A proxy that nobody answers on, as if there were no network.
        env=os.environ
        | {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert b"the IMDB reviews are not to be had" in done.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
