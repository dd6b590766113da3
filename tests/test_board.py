"""What is logged for TensorBoard is true, and costs little; the server ends without a trace.

Each kind of model is logged in `test_calls.py`.
"""

import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib import request
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, address, started
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from models import build, vectors

from ch07 import board
from ch07.plots import common

# Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

few = settings(derandomize=True, deadline=None, max_examples=10, database=None)


def fit(sample, *callbacks, epochs=2):
    return sample.fit(*callbacks, epochs=epochs, validation_data=(sample.inputs, sample.targets))


# The callback


def test_a_file_in_the_place_of_the_logs_is_an_error_of_files(tmp_path):
    (tmp_path / "logs").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="directory"):
        fit(build("functional"), board.TensorBoard(tmp_path / "logs"))
    with pytest.raises(OSError, match="irectory"):
        board.write_hparams(tmp_path / "logs", {"units": 1})


def test_curves_are_those_of_the_history_and_on_disk_when_an_epoch_ends(tmp_path):
    class Reader(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            parts = (board.scalars(tmp_path / part) for part in ("train", "validation"))
            seen.append([len(curves["epoch_loss"]) for curves in parts])

    seen, sample = [], build("functional")
    history = fit(sample, board.TensorBoard(tmp_path, probe=sample.probe()), Reader())
    assert seen == [[1, 1], [2, 2]]
    for part, name in {"train": "loss", "validation": "val_loss"}.items():
        assert board.scalars(tmp_path / part)["epoch_loss"] == pytest.approx(history[name])
    # One training is one event file for each part.
    assert {path.name: len(list(path.iterdir())) for path in tmp_path.iterdir()} == {
        "train": 1,
        "validation": 1,
    }


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_layer_that_is_not_connected_to_the_loss_has_gradients_of_zero(tmp_path):
    words = keras.Input((4,), name="words")
    outputs = {name: layers.Dense(1, name=name)(words) for name in ("connected", "unconnected")}
    model = keras.Model(words, outputs, name="two_heads")
    model.compile("sgd", {"connected": "mse"}, run_eagerly=True)
    given = vectors(), {"connected": vectors(1)}
    model.fit(*given, verbose=0, callbacks=[board.TensorBoard(tmp_path, probe=given)])
    curves = board.scalars(tmp_path / "train")
    assert curves["gradient_norm/connected"][0] > 0
    assert curves["gradient_norm/unconnected"] == [0]


def test_losses_that_layers_add_belong_to_the_gradient(tmp_path):
    penalty = keras.regularizers.L2(1.0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(
                3, kernel_regularizer=penalty, activity_regularizer=penalty, name="hidden"
            ),
            layers.Dense(1, name="score"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    given = vectors(), vectors(1)
    model.fit(*given, verbose=0, callbacks=[board.TensorBoard(tmp_path, probe=given)])
    with tf.GradientTape() as tape:
        loss = model.compute_loss(*given, model(given[0]))
    hidden = model.get_layer("hidden")
    gradients = tape.gradient(loss, [weight.value for weight in hidden.weights])
    norm = float(tf.linalg.global_norm(gradients))
    assert board.scalars(tmp_path / "train")["gradient_norm/hidden"] == [pytest.approx(norm)]


def test_histogram_freq_is_kept(tmp_path):
    sample = build("functional", eagerly=False)
    sample.fit(board.TensorBoard(tmp_path, histogram_freq=2, probe=sample.probe()), epochs=4)
    logged = board.histograms(tmp_path / "train")
    assert {len(steps) for steps in logged.values()} == {2}
    assert len(board.scalars(tmp_path / "train")["epoch_loss"]) == 4


@pytest.mark.parametrize(
    ("probe", "sentence"),
    [
        (vectors(), "probe is a ndarray: a pair of inputs and targets is needed."),
        ((vectors(),), "probe is a tuple: a pair of inputs and targets is needed."),
        (tf.data.Dataset.range(3), "probe is a _RangeDataset: a pair"),
    ],
)
def test_a_probe_that_is_no_pair_is_refused(probe, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        board.TensorBoard(tmp_path, probe=probe)


@pytest.mark.parametrize("probe", [(vectors(7), vectors(1)), (vectors(), np.eye(3))])
def test_a_probe_that_does_not_fit_ends_the_training_in_its_first_epoch(probe, tmp_path):
    sample, epochs = build("sequential"), []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        sample.fit(board.TensorBoard(tmp_path, probe=probe), count)
    assert epochs == []


def test_weights_of_samples_belong_to_the_probe(tmp_path):
    sample = build("sequential", keras.optimizers.SGD(0.0))
    (inputs, targets), norms = sample.probe(), []
    for weights in (np.ones(8), np.full(8, 3.0)):
        log_dir = tmp_path / str(weights[0])
        sample.fit(board.TensorBoard(log_dir, probe=[inputs, targets, weights]))
        norms += board.scalars(log_dir / "train")["gradient_norm/score"]
    assert norms[1] == pytest.approx(3 * norms[0])


class Unseen(keras.Model):
    """Computes without layers, or calls one within a function that TensorFlow compiles."""

    def __init__(self, compiles=False):
        super().__init__(name="unseen")
        self.score = layers.Dense(1, name="score") if compiles else None
        self.scale = self.add_weight(name="scale", shape=(4, 1))

    def call(self, point):
        scaled = point @ self.scale
        return tf.function(self.score)(scaled) if self.score else scaled


@pytest.mark.parametrize(
    ("compiles", "sentence", "tags"),
    [
        (
            False,
            "No activations are seen inside of the model, which calls no layer.",
            ["unseen/scale"],
        ),
        (True, "No activations are seen inside of score.", ["score/kernel", "score/bias"]),
    ],
)
def test_what_cannot_be_seen_is_told_and_the_rest_logged(compiles, sentence, tags, tmp_path):
    model, given = Unseen(compiles), (vectors(), vectors(1))
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.warns(UserWarning, match=sentence):
        model.fit(*given, verbose=0, callbacks=[board.TensorBoard(tmp_path, probe=given)])
    logged = board.histograms(tmp_path / "train")
    assert {f"gradients/{tag}" for tag in tags} <= set(logged)
    assert not any(tag.startswith("activations") for tag in logged)
    assert len(board.scalars(tmp_path / "train")["epoch_loss"]) == 1


def test_a_probe_needs_a_loss(tmp_path):
    class Own(keras.Model):
        def train_step(self, data):
            return {"nothing": 0.0}

    point = keras.Input((4,), name="point")
    model = Own(point, layers.Dense(1, name="score")(point))
    model.compile("sgd", run_eagerly=True)
    given = vectors(), vectors(1)
    with pytest.raises(ValueError, match=r"No loss to compute\. Provide a `loss` argument"):
        model.fit(*given, verbose=0, callbacks=[board.TensorBoard(tmp_path, probe=given)])


def test_samples_are_small_and_meet_every_channel():
    channels = 125  # shares a divisor with 40, the smallest stride
    tensor = tf.tile(tf.range(channels, dtype="float32"), [64 * 500])
    sample = board.sample(tf.reshape(tensor, (64, 500, channels))).numpy()
    assert 0.9 * board.LARGEST_SAMPLE < len(sample) <= board.LARGEST_SAMPLE
    met = np.bincount(sample.astype(int), minlength=channels)
    assert met.max() - met.min() <= 1
    small = tf.reshape(tf.range(12.0), (3, 4))
    np.testing.assert_array_equal(board.sample(small), np.arange(12.0))


# The Projector


def rows(log_dir):
    return (log_dir / "train" / "metadata.tsv").read_text(encoding="utf-8").splitlines()


def test_an_embedding_is_written_for_the_projector(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    kinds = ["b", "a", "b", "c", "a"]
    metadata = {"word": ["one", "two", "three", "four", "f\u00fcnf"], "kind": kinds}
    board.write_embedding(str(tmp_path), "embed", values, metadata)
    train = tmp_path / "train"
    np.testing.assert_allclose(np.loadtxt(train / "tensors.tsv"), values, rtol=1e-4)
    assert rows(tmp_path) == [
        "word\tkind",
        "one\tb",
        "two\ta",
        "three\tb",
        "four\tc",
        "f\u00fcnf\ta",
    ]
    image = tf.io.decode_png((train / "dots.png").read_bytes()).numpy()
    assert image.shape == (3 * board.DOT, 3 * board.DOT, 4)
    middle = board.DOT // 2
    places = [middle + board.DOT * n for n in range(3)]
    colours = [tuple(image[down, right]) for down in places for right in places][:6]
    assert colours[0] == colours[2] != colours[1] == colours[4] != colours[3]
    assert [colour[3] for colour in colours] == [255] * 5 + [0]


@pytest.mark.parametrize(
    "vectors_of",
    [
        lambda: keras.Variable(np.eye(4)),
        lambda: tf.Variable(np.eye(4)),
        lambda: tf.eye(4),
        lambda: np.eye(4).tolist(),
        lambda: keras.Variable(np.eye(4), dtype="bfloat16"),
        lambda: np.eye(4, dtype="int8"),
        lambda: build("functional").model.get_layer("embed").embeddings[:4],
    ],
)
def test_vectors_may_be_arrays_tensors_and_variables_of_any_numbers(vectors_of, tmp_path):
    board.write_embedding(tmp_path, "embed", vectors_of(), {"word": "abcd", "kind": [0, 1, 0, 1]})
    assert np.loadtxt(tmp_path / "train" / "tensors.tsv").shape == (4, 4)


def test_labels_are_shown_whatever_they_are(tmp_path):
    labels = ["a\u00a0b\u3000c", b"bytes", np.int64(7), 0.5, "a\tb\nc", None, "", "  "]
    board.write_embedding(tmp_path, "embed", np.eye(8), {"word": labels})
    # One column has no header, and a row of blanks would be left out.
    shown = ["a\u00a0b\u3000c", "bytes", "7", "0.5", "a b c", "None", "''", "'  '"]
    assert rows(tmp_path) == shown
    assert not (tmp_path / "train" / "dots.png").exists()


@pytest.mark.parametrize(
    ("values", "metadata", "sentence"),
    [
        (np.eye(3), {"word": ["a", "b"]}, "metadata has 2 texts in 'word': 3 are needed."),
        (np.eye(2), {"word": "ab"}, r"vectors has the shape \(2, 2\): 3 x 3 or more"),
        (np.full((3, 3), np.nan), {"word": "abc"}, "vectors has a NaN or an infinity."),
        (np.full((3, 3), "x"), {"word": "abc"}, "could not convert string to float"),
        (np.ones(3), {"word": "abc"}, r"vectors has the shape \(3,\): 3 x 3"),
    ],
)
def test_what_the_projector_would_not_show_is_refused(values, metadata, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        board.write_embedding(tmp_path, "embed", values, metadata)
    assert list(tmp_path.iterdir()) == []


@few
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20))
def test_every_point_has_a_dot(kinds):
    side = math.ceil(math.sqrt(len(kinds)))
    picture = tf.io.decode_png(board.dots(kinds)).numpy()
    assert picture.shape == (side * board.DOT, side * board.DOT, 4)
    seen = picture[board.DOT // 2 :: board.DOT, board.DOT // 2 :: board.DOT, 3] == 255
    assert seen.ravel().tolist() == [True] * len(kinds) + [False] * (side**2 - len(kinds))


# Pictures, hyperparameters, and reading what was logged


def picture():
    return common.row(common.curves([0, 1], {"loss": [1, 0]}, "epoch", "loss"))


def test_a_picture_is_logged_as_it_is_saved(tmp_path):
    for tag in ("first", "second"):
        board.write_picture(str(tmp_path), tag, picture())
    logged = board.logged(tmp_path / "pictures", "images")
    assert set(logged) == {"first", "second"}
    width, height, png = logged["first"][0]
    size = picture().get_size_inches() * common.DPI
    assert [int(width), int(height)] == size.round().tolist()
    assert png.startswith(b"\x89PNG")


def test_hyperparameters_of_any_type_are_logged(tmp_path):
    given = {"units": np.int64(3), "rate": np.float32(0.5), "name": "a", "last": None, "of": [1, 2]}
    board.write_hparams(str(tmp_path), given)
    assert board.logged(str(tmp_path), "hparams")


@few
@given(st.binary(max_size=300))
def test_a_file_of_any_bytes_has_no_curves(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "events.out.tfevents.1.host").write_bytes(content)
    assert board.scalars(str(folder)) == board.histograms(folder) == {}


@few
@given(st.data())
def test_of_a_torn_or_damaged_file_the_curves_are_the_beginning(tmp_path_factory, data):
    folder, values = tmp_path_factory.mktemp("torn"), [1.0, 0.5, 0.25, 0.125]
    with board.writing_to(folder):
        for step, value in enumerate(values):
            tf.summary.scalar("loss", value, step=step)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1), "cut")
    flipped = bytearray(whole)
    flipped[cut] ^= 1 << data.draw(st.integers(0, 7), "bit")
    for content in (whole[:cut], bytes(flipped)):
        path.write_bytes(content)
        found = board.scalars(folder).get("loss", [])
        assert found == values[: len(found)]


def test_logs_that_are_not_there_are_an_error_of_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        board.scalars(tmp_path / "train")
    assert board.scalars(tmp_path) == {}


FULL_DISK = """
import resource, signal, sys
from ch07 import board
from ch07.plots import common
import numpy as np, keras
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
log_dir = sys.argv[1]
inputs = keras.Input((4,), name="x")
model = keras.Model(inputs, keras.layers.Dense(1, name="y")(inputs), name="line")
model.compile("sgd", "mse")
samples = np.ones((8, 4)), np.ones((8, 1))
figure = common.row(common.curves([0, 1], {"loss": [1, 0]}, "epoch", "loss"))
callbacks = [board.TensorBoard(log_dir, probe=samples)]
words = [str(at) for at in range(1000)]
for attempt in (
    lambda: model.fit(*samples, epochs=20, verbose=0, callbacks=callbacks),
    lambda: board.write_picture(log_dir, "loss", figure),
    lambda: board.write_embedding(log_dir, "x", np.ones((1000, 3)), {"a": words, "b": words}),
):
    try:
        attempt()
        print("passed")
    except OSError as error:
        print("OSError", error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
def test_a_full_disk_is_an_error_of_files(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path, "4000"],
        capture_output=True,
        cwd=ROOT,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["OSError"] * 3
    assert "FlushSummaryWriter" not in done.stdout


# The server

SERVE = """
import sys
from ch07 import board
from ch07.lab import startup
try:
    board.serve(sys.argv[1])
except startup.UsageError as error:
    sys.exit(startup.refusal(error))
"""


def serve(root):
    return started(sys.executable, "-c", SERVE, root)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_serve_shows_the_runs_here_only_and_ends_with_ctrl_c(tmp_path):
    board.write_hparams(tmp_path / "a_run", {"units": 1})
    # So many vectors that a thread is still reading them when Ctrl-C comes.
    words = {"word": range(3000)}
    board.write_embedding(tmp_path / "a_run", "embed", np.ones((3000, 100)), words)
    board.write_hparams(tmp_path / "a_run" / "train", {"units": 1})
    for path in [*tmp_path.rglob("*"), tmp_path]:
        path.chmod(0o555 if path.is_dir() else 0o444)  # logs that can only be read are enough
    with serve(tmp_path) as process:
        url = address(process)
        with request.urlopen(f"{url}data/environment", timeout=60) as answer:
            assert str(tmp_path) in answer.read().decode()
        request.urlopen(f"{url}data/plugins_listing", timeout=60).close()
        if sys.platform == "linux":  # where 127.0.0.2 is this machine too: all interfaces answer it
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", urlsplit(url).port), timeout=60).close()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert (process.returncode, out) == (130, "")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755)


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
def test_no_runs_and_no_port_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(board.UsageError, match="there are no logs below"):
        board.serve(str(tmp_path))
    board.write_hparams(tmp_path, {"units": 1})

    def launch(self):
        raise board.program.TensorBoardServerException("it could not bind to any port")

    monkeypatch.setattr(board.program.TensorBoard, "launch", launch)
    with pytest.raises(board.UsageError, match="TensorBoard does not start: it could not bind"):
        board.serve(tmp_path)


def test_the_invitation_is_a_command(tmp_path):
    for root in (tmp_path, str(tmp_path)):
        assert board.invitation(root).endswith(f'--logdir "{tmp_path}"')
    assert "tensorboard" in board.invitation(Path())
