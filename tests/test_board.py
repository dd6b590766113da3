"""What is logged for TensorBoard is true (of each kind of model: test_calls.py), and the server."""

import os
import signal
import socket
import sys
from urllib import request
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import started
from keras import layers
from models import build, vectors
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from ch07 import board
from ch07.plots import common

SAMPLES = vectors(), vectors(1)


def logged(model, log_dir, probe=SAMPLES, loss="mse"):
    """The curves of a `model` that is trained for an epoch, looked at with a `probe`."""
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    model.fit(*SAMPLES, verbose=0, callbacks=[board.TensorBoard(log_dir, probe=probe)])
    return board.scalars(log_dir / "train")


def test_a_file_in_the_place_of_the_logs_is_an_error_of_files(tmp_path):
    (tmp_path / "logs").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="directory"):
        build("functional").fit(board.TensorBoard(tmp_path / "logs"))
    with pytest.raises(OSError, match="irectory"):
        board.write_hparams(tmp_path / "logs", {"units": 1})


def test_curves_are_those_of_the_history_and_on_disk_when_an_epoch_ends(tmp_path):
    def read(epoch, logs):
        parts = (board.scalars(tmp_path / part) for part in ("train", "validation"))
        seen.append([len(curves["epoch_loss"]) for curves in parts])

    seen, sample = [], build("functional", eagerly=False)
    history = sample.fit(
        board.TensorBoard(tmp_path, histogram_freq=2, probe=sample.probe()),
        keras.callbacks.LambdaCallback(on_epoch_end=read),
        epochs=3,
        validation_data=(sample.inputs, sample.targets),
    )
    assert seen == [[1, 1], [2, 2], [3, 3]]
    for part, name in {"train": "loss", "validation": "val_loss"}.items():
        assert board.scalars(tmp_path / part)["epoch_loss"] == pytest.approx(history[name])
        assert len(list((tmp_path / part).iterdir())) == 1  # one training is one event file
    assert {len(steps) for steps in board.histograms(tmp_path / "train").values()} == {2}


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_layer_that_is_not_connected_to_the_loss_has_gradients_of_zero(tmp_path):
    words = keras.Input((4,), name="words")
    outputs = {name: layers.Dense(1, name=name)(words) for name in ("connected", "unconnected")}
    curves = logged(keras.Model(words, outputs), tmp_path, loss={"connected": "mse"})
    assert curves["gradient_norm/connected"][0] > 0
    assert curves["gradient_norm/unconnected"] == [0]


def test_gradients_too_small_for_float16_are_scaled_as_in_training():
    half = layers.Dense(1, use_bias=False, dtype="mixed_float16", name="half")
    model = keras.Sequential([keras.Input((1,)), half])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "mse")
    half.set_weights([np.ones((1, 1))])
    x = np.full((1, 1), 1e-4)  # of x ** 2, the gradient is 2e-8: in float16 that is 0
    weights = {"half/kernel": half.kernel}
    _, numbers = board.look(model, (x, np.zeros((1, 1))), weights)
    assert float(numbers["gradient_norm/half"]) == pytest.approx(2e-8, rel=0.01)


def test_weights_of_samples_belong_to_the_probe(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, name="score")])
    probes = {f"{weight}": [*SAMPLES, np.full(16, weight)] for weight in (1.0, 3.0)}
    once, thrice = (logged(model, tmp_path / name, probe) for name, probe in probes.items())
    (norm,) = once["gradient_norm/score"]
    assert thrice["gradient_norm/score"] == [pytest.approx(3 * norm)]


@pytest.mark.parametrize(
    ("probe", "sentence"),
    [
        (vectors(), "probe is a ndarray: a pair of inputs and targets is needed."),
        ((vectors(),), "probe is a tuple: a pair of inputs and targets is needed."),
        (tf.data.Dataset.range(3), "probe is a _RangeDataset: a pair"),
        ((vectors(7), vectors(1)), None),
        ((vectors(), np.eye(3)), None),
    ],
)
def test_a_probe_that_is_no_pair_or_does_not_fit_ends_in_the_first_epoch(probe, sentence, tmp_path):
    sample, epochs = build("sequential"), []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=sentence):
        sample.fit(board.TensorBoard(tmp_path, probe=probe), count)
    assert epochs == []


class Unseen(keras.Model):
    """Computes without layers, or calls one within a function that TensorFlow compiles."""

    def __init__(self, compiled=None):
        super().__init__(name="unseen")
        self.compiled_layer = compiled
        self.scale = self.add_weight(name="scale", shape=(4, 1))

    def call(self, point):
        scaled = point @ self.scale
        compiled = self.compiled_layer and tf.function(self.compiled_layer, autograph=False)
        return compiled(scaled) if compiled else scaled  # AutoGraph warns in Python 3.13


def test_what_cannot_be_seen_is_told_and_the_rest_logged(tmp_path):
    score = layers.Dense(1, name="score")
    for model, what, weight in (
        (Unseen(), "the model, which calls no layer", "unseen/scale"),
        (Unseen(score), "score", "score/kernel"),
    ):
        with pytest.warns(UserWarning, match=rf"No activations are seen inside of {what}\."):
            logged(model, tmp_path / weight)
        tags = board.histograms(tmp_path / weight / "train")
        assert f"gradients/{weight}" in tags
        assert not any(tag.startswith("activations") for tag in tags)


def test_a_probe_needs_a_loss(tmp_path):
    class Own(keras.Model):
        def train_step(self, data):
            return {"nothing": 0.0}

    point = keras.Input((4,), name="point")
    with pytest.raises(ValueError, match=r"No loss to compute\. Provide a `loss` argument"):
        logged(Own(point, layers.Dense(1, name="score")(point)), tmp_path, loss=None)


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
    return (log_dir / "train" / "embed_metadata.tsv").read_text(encoding="utf-8").splitlines()


def test_an_embedding_is_written_for_the_projector_with_a_dot_for_each_point(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    metadata = {"word": ["one", "two", "three", "four", "f\u00fcnf"], "kind": list("babca")}
    board.write_embedding(str(tmp_path), "embed", values, metadata)
    train = tmp_path / "train"
    np.testing.assert_allclose(np.loadtxt(train / "embed.tsv"), values, rtol=1e-4)
    shown = ["one\tb", "two\ta", "three\tb", "four\tc", "f\u00fcnf\ta"]
    assert rows(tmp_path) == ["word\tkind", *shown]
    image = tf.io.decode_png((train / "embed.png").read_bytes()).numpy()
    assert image.shape == (3 * board.DOT, 3 * board.DOT, 4)
    middles = image[board.DOT // 2 :: board.DOT, board.DOT // 2 :: board.DOT].reshape(9, 4)
    colours = [tuple(colour) for colour in middles]
    assert colours[0] == colours[2] != colours[1] == colours[4] != colours[3]
    assert [colour[3] for colour in colours] == [255] * 5 + [0] * 4


def test_vectors_may_be_arrays_tensors_and_variables_of_any_numbers(tmp_path):
    for given in (
        keras.Variable(np.eye(4)),
        tf.Variable(np.eye(4)),
        tf.eye(4),
        np.eye(4).tolist(),
        keras.Variable(np.eye(4), dtype="bfloat16"),
        np.eye(4, dtype="int8"),
        build("functional").model.get_layer("embed").embeddings[:4],
    ):
        board.write_embedding(tmp_path, "embed", given, {"word": "abcd", "kind": [0, 1, 0, 1]})
        written = np.loadtxt(tmp_path / "train" / "embed.tsv")
        np.testing.assert_allclose(written, np.asarray(given, "float64"), rtol=1e-4)


def test_labels_are_shown_whatever_they_are(tmp_path):
    labels = ["a\u00a0b\u3000c", b"bytes", np.int64(7), 0.5, "a\tb\nc", None, "", "  "]
    board.write_embedding(tmp_path, "embed", np.eye(8), {"word": labels})
    # One column has no header, and a row of blanks would be left out.
    shown = ["a\u00a0b\u3000c", "bytes", "7", "0.5", "a b c", "None", "''", "'  '"]
    assert rows(tmp_path) == shown
    assert not (tmp_path / "train" / "embed.png").exists()


@pytest.mark.parametrize(
    ("values", "words", "sentence"),
    [
        (np.eye(3), "ab", "metadata has 2 texts in 'word': 3 are needed."),
        (np.eye(2), "ab", r"vectors has the shape \(2, 2\): 3 x 3 or more"),
        (np.full((3, 3), np.nan), "abc", "vectors has a NaN or an infinity."),
        (np.full((3, 3), "x"), "abc", "could not convert string to float"),
        (np.ones(3), "abc", r"vectors has the shape \(3,\): 3 x 3"),
    ],
)
def test_what_the_projector_would_not_show_is_refused(values, words, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        board.write_embedding(tmp_path, "embed", values, {"word": words})
    assert list(tmp_path.iterdir()) == []


# Pictures, hyperparameters, and reading what was logged


def test_a_picture_is_logged_as_it_is_saved(tmp_path):
    figure = common.row(common.curves([0, 1], {"loss": [1, 0]}, "epoch", "loss"))
    for tag in ("first", "second"):
        board.write_picture(str(tmp_path), tag, figure)
    pictures = board.logged(tmp_path / "train", "images")
    assert set(pictures) == {"first", "second"}
    width, height, png = pictures["first"][0]
    size = figure.get_size_inches() * common.DPI
    assert [int(width), int(height)] == size.round().tolist()
    assert png.startswith(b"\x89PNG")


def test_hyperparameters_of_any_type_are_a_line_that_is_named_after_the_run(tmp_path):
    given = {"units": np.int64(3), "rate": np.float32(0.5), "name": "a", "last": None, "of": [1, 2]}
    (tmp_path / "other" / "validation").mkdir(parents=True)
    for run, folder in {"one": "train", "other": "validation"}.items():
        board.write_hparams(str(tmp_path / run), given)
        assert [path.name for path in (tmp_path / run).iterdir()] == [folder]
        events = EventAccumulator(str(tmp_path / run / folder)).Reload()
        summary = events.SummaryMetadata("_hparams_/session_start_info")
        started_as = HParamsPluginData.FromString(summary.plugin_data.content).session_start_info
        assert started_as.group_name == f"{run} in {tmp_path.name}"
        assert {"units", "rate", "name", "last", "of"} == set(started_as.hparams)


def test_what_is_written_is_closed_and_of_a_torn_file_the_curves_are_the_beginning(
    tmp_path, monkeypatch
):
    values, rng = [1.0, 0.5, 0.25, 0.125], np.random.default_rng(0)
    writer = tf.summary.create_file_writer(str(tmp_path))
    monkeypatch.setattr(tf.summary, "create_file_writer", lambda folder: writer)
    with board.writing_to(tmp_path):
        for step, value in enumerate(values):
            tf.summary.scalar("loss", value, step=step)
    with pytest.raises(RuntimeError, match="closed"), writer.as_default():
        pass
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for cut in rng.integers(len(whole), size=20):
        flipped = bytearray(whole)
        flipped[cut] ^= 1 << rng.integers(8)
        for content in (whole[:cut], bytes(flipped)):
            path.write_bytes(content)
            found = board.scalars(tmp_path).get("loss", [])
            assert found == values[: len(found)]
        path.write_bytes(rng.bytes(cut))
        assert board.scalars(str(tmp_path)) == board.histograms(tmp_path) == {}
    path.unlink()
    assert board.scalars(tmp_path) == {}
    with pytest.raises(FileNotFoundError):
        board.scalars(tmp_path / "train")


@pytest.fixture
def full_disk():
    """No file can have more than 4,000 bytes."""
    resource = pytest.importorskip("resource", reason="a limit of POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_of_files(full_disk, tmp_path):
    sample, words = build("functional"), range(1000)
    figure = common.row(common.curves([0, 1], {"loss": [1, 0]}, "epoch", "loss"))
    for attempt in (
        lambda: sample.fit(board.TensorBoard(tmp_path, probe=sample.probe()), epochs=20),
        lambda: board.write_picture(tmp_path, "loss", figure),
        lambda: board.write_hparams(tmp_path, dict.fromkeys(map(str, words), "a")),
        lambda: board.write_embedding(tmp_path, "x", np.ones((1000, 3)), {"a": words, "b": words}),
    ):
        with pytest.raises(OSError, match=r"^(?!.*FlushSummaryWriter)"):
            attempt()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_board_shows_logs_that_can_only_be_read_here_only_on_a_free_port_until_ctrl_c(tmp_path):
    root = tmp_path / "my_log_dir"
    board.write_hparams(root / "a_run", {"units": 1})
    # So many vectors that a thread is still reading them when Ctrl-C comes.
    words = {"word": range(3000)}
    board.write_embedding(root / "a_run", "embed", np.ones((3000, 100)), words)
    before = [tmp_path, *sorted(tmp_path.rglob("*"))]
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = ("ch0702_tensor_board.py", "--board", "--output", tmp_path)
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 6006))
            taken.listen()
        except OSError:
            pass  # somebody else has it, who may give it back at any time
        with started(sys.executable, *command) as process:
            line = process.stdout.readline()  # without one it has ended, and its errors with it
            assert "TensorBoard is at http://127.0.0.1:" in line, line or process.stderr.read()
            url = line.split()[3]
            ours = taken.getsockname()[1] == 6006
            assert not ours or ":6006/" not in url
            with request.urlopen(f"{url}data/environment", timeout=60) as answer:
                assert str(root) in answer.read().decode()
            request.urlopen(f"{url}data/plugins_listing", timeout=60).close()
            if sys.platform == "linux":  # 127.0.0.2 is this machine too: all interfaces answer it
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.2", urlsplit(url).port), timeout=60).close()
            process.send_signal(signal.SIGINT)
            assert process.communicate() == ("", "")
    assert process.returncode == 130
    assert [tmp_path, *sorted(tmp_path.rglob("*"))] == before  # nothing was written
    for path in before:
        path.chmod(0o755)


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
def test_no_logs_and_no_free_port_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(board.UsageError, match="there are no logs below"):
        board.serve(tmp_path)
    board.write_hparams(tmp_path, {"units": 1})

    def launch(self):
        raise board.program.TensorBoardServerException("it could not bind to any port")

    monkeypatch.setattr(board.program.TensorBoard, "launch", launch)
    with pytest.raises(board.UsageError, match="TensorBoard does not start: it could not bind"):
        board.serve(tmp_path)
