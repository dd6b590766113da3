"""What readers do with the helpers in programs of their own: each of these once failed, or lied."""

import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from keras import layers
from rich.console import Console

import ch0702_tensor_board as tensor_board
import ch0703_ensembling as ensembling
from ch07 import backup, board, callbacks, data, draw

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
]


def test_a_drawing_of_a_model_with_an_input_that_nothing_uses():
    text, question = keras.Input((6,), name="text"), keras.Input((3,), name="question")
    model = keras.Model([text, question], layers.Dense(1, name="score")(text))
    graph = draw.graph_of(model)
    assert set(graph.boxes) == {"text", "question", "score"}
    assert {(edge.source, edge.target) for edge in graph.edges} == {("text", "score")}
    draw.draw(model, "x")


def listing_7_7():
    """The book's stack, with the cures A1 and B2."""
    model = keras.Sequential(
        [
            keras.Input((50,)),
            layers.Embedding(200, 8, name="embed"),
            layers.GlobalMaxPooling1D(name="pool"),
            layers.Dense(1, activation="sigmoid", name="score"),
        ]
    )
    model.compile("rmsprop", "binary_crossentropy", metrics=["acc"], run_eagerly=True)
    rng = np.random.default_rng(0)
    return model, rng.integers(0, 200, (64, 50)), rng.integers(0, 2, (64, 1))


def test_a_drawing_of_a_sequential_model():
    model, *_ = listing_7_7()
    written = {text.get_text() for text in draw.draw(model, "text classifier").axes[0].texts}
    assert {"embed", "Embedding -> 50x8", "pool", "score", "Dense -> 1"} <= written


def test_the_recommended_callback_with_a_sequential_model(tmp_path):
    model, x, y = listing_7_7()
    probe = x[:16], y[:16]
    model.fit(x, y, verbose=0, callbacks=[board.TensorBoard(str(tmp_path), probe=probe)])
    assert {f"activations/{name}" for name in ("embed", "score")} <= set(
        board.histograms(tmp_path / "train")
    )
    assert board.scalars(tmp_path / "train")["gradient_norm/embed"][0] > 0


def test_a_probe_on_an_ensemble_of_models_as_layers(tmp_path):
    members = [ensembling.build_member(kind) for kind in ("dense", "bag")]
    sequence = keras.Input((24, 4), name="sequence")
    model = keras.Model(sequence, layers.average([member(sequence) for member in members]))
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    x, y = np.random.default_rng(0).normal(size=(8, 24, 4)), np.arange(8)[:, np.newaxis] % 2
    model.fit(x, y, verbose=0, callbacks=[board.TensorBoard(tmp_path, probe=(x, y))])
    logged, curves = board.histograms(tmp_path / "train"), board.scalars(tmp_path / "train")
    for member in ("dense", "bag"):
        assert f"activations/{member}/label" in logged
        assert f"gradients/{member}/label/kernel" in logged
        assert curves[f"gradient_norm/{member}/label"][0] > 0


def test_labels_that_are_numbers_or_have_a_wide_space(tmp_path):
    for metadata in (
        {"word": list("abcd"), "label": [0, 1, 0, 1]},
        {"word": ["a", "b\u3000c", "d", "e"]},
    ):
        board.write_embedding(tmp_path, "e", np.eye(4), metadata)
        text = (tmp_path / "train" / "metadata.tsv").read_text(encoding="utf-8")
        assert len(text.splitlines()) == 4 + (len(metadata) > 1)


def test_a_progress_bar_with_data_of_unknown_size(capsys):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    samples = tf.data.Dataset.from_tensor_slices((np.ones((64, 6)), np.ones((64, 1))))
    samples = samples.filter(lambda x, y: True).batch(8)
    for terminal in (True, False):
        bar = callbacks.ProgressBar(Console(force_terminal=terminal))
        model.fit(samples, epochs=2, shuffle=False, verbose=0, callbacks=[bar])
        shown = capsys.readouterr().out
        assert ("[batch 3]" in shown) == terminal
        assert shown.count("\n") == 2
        assert f"[{'#' * 20}]" in shown


def test_the_probe_of_a_stateful_model_changes_nothing(tmp_path):
    def train(probed):
        keras.utils.set_random_seed(0)
        steps = keras.Input(batch_shape=(16, 5, 2))
        model = keras.Model(steps, layers.Dense(1)(layers.LSTM(4, stateful=True)(steps)))
        model.compile("sgd", "mse", run_eagerly=True)
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(64, 5, 2)).astype("float32"), rng.normal(size=(64, 1))
        probe = (x[:16], y[:16]) if probed else None
        logger = board.TensorBoard(tmp_path, probe=probe)
        options = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
        model.fit(x, y, callbacks=[logger], **options)
        return model.get_weights()

    for bare, probed in zip(train(False), train(True), strict=True):
        np.testing.assert_array_equal(bare, probed)


def test_stop_at_a_loss():
    clouds = data.clusters(0, train=200, test=50, features=6)
    model = tensor_board.build_cloud_classifier(features=6)
    model.compile(keras.optimizers.RMSprop(0.01), "categorical_crossentropy", run_eagerly=True)
    stop = callbacks.StopAt("loss", 1.0)
    options = {"epochs": 10, "verbose": 0, "callbacks": [stop]}
    losses = model.fit(clouds.train, clouds.train_targets, **options).history["loss"]
    assert len(losses) > 1
    assert losses[-1] <= 1.0 < losses[-2]


def test_paths_as_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tensor_board.build_cloud_classifier()
    model.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    x, y = np.zeros((8, 16)), np.eye(8)
    board.write_embedding("my_log_dir", "embed", np.eye(5), {"word": list("abcde")})
    board.write_hparams("my_log_dir", {"rate": 0.1})
    saved = backup.Backup("backups/backup.npz")
    assert saved.restore(model) == 0
    loggers = [
        tensor_board.ActivationLogger(x[:1], "activations"),
        board.TensorBoard("my_log_dir"),
        callbacks.BackToTheBest("best/best.weights.h5"),
        saved,
    ]
    model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=loggers)
    assert board.scalars("my_log_dir/train")["epoch_loss"]
    for path in ("backups/backup.npz", "best/best.weights.h5", "activations"):
        assert (tmp_path / path).exists()


# Importing


def program(code, *options, folder=ROOT, **environment):
    """Run lines of Python in a process of its own, from a folder."""
    # What another backend would be asked for is up to the test.
    inherited = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, *options, *(["-c", code] if code else [])],
        capture_output=True,
        text=True,
        cwd=folder,
        env=inherited | environment,
    )


UNCHANGED = """
import faulthandler, logging, signal, sys, warnings
import keras, matplotlib.pyplot, numpy, optuna, random
keras.config.set_floatx("float64")
keras.config.set_image_data_format("channels_first")
faulthandler.enable()
figure = matplotlib.pyplot.figure()
def state():
    return [
        keras.config.floatx(), keras.config.image_data_format(), faulthandler.is_enabled(),
        optuna.logging.get_verbosity(), sys.excepthook, sys.unraisablehook, sys.argv,
        signal.getsignal(signal.SIGINT), warnings.filters[:], logging.getLogger().level,
        logging.getLogger("matplotlib").level, logging.getLogger("tensorflow").filters,
        matplotlib.pyplot.get_fignums(), matplotlib.get_backend(),
        random.getstate(), numpy.random.get_state()[1].tolist(),
    ]
before = state()
from ch07 import backup, board, callbacks, calls, compare, data, draw, inspection, metrics, tuning
changed = [n for n, pair in enumerate(zip(before, state())) if pair[0] != pair[1]]
sys.exit(f"changed: {changed}" if changed else 0)
"""


@pytest.mark.slow
def test_importing_changes_nothing():
    done = program(UNCHANGED)
    assert done.returncode == 0, done.stderr


def test_with_another_backend_an_import_ends_in_one_sentence():
    done = program("from ch07 import board", KERAS_BACKEND="jax")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert (
        "KERAS_BACKEND asks for Keras on 'jax', but this chapter runs on TensorFlow" in done.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["-OO"], ["-W", "error"]])
def test_a_copy_of_the_folder_alone_works(options, tmp_path):
    ignored = shutil.ignore_patterns("my_*", "__pycache__")
    shutil.copytree(ROOT / "ch07", tmp_path / "ch07", ignore=ignored)
    code = "from ch07 import backup, board, callbacks, calls, draw, tuning; print(board.DOT)"
    done = program(code, *options, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "32\n"), done.stderr


@pytest.mark.parametrize("file", ["ch07/board.py", "ch07/tuning.py", "ch07"])
def test_a_part_of_the_package_is_no_program_and_says_so_in_one_sentence(file):
    done = program("", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "the folder ch07 is a package and has no programs" in done.stderr


def test_in_the_folder_of_the_package_an_import_says_where_to_go():
    done = program("import ch07", folder=ROOT / "ch07")
    assert done.returncode == 1
    assert "ImportError: the folder ch07 is a package" in done.stderr.splitlines()[-1]
