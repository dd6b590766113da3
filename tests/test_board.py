"""What is logged for TensorBoard is true, and costs little; the server ends without a trace."""

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
from conftest import started
from keras import layers

from ch07 import board, figures

# Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = 2


def words_model():
    words = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(5, 4, name="embed")(words)
    x = layers.Conv1D(3, 2, activation="relu", name="conv")(x)
    x = layers.GlobalMaxPooling1D(name="strongest")(x)
    x = layers.Dense(1, activation="sigmoid", name="told")(x)
    model = keras.Model(words, x, name="words_model")
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (32, 6)).astype("int32"), rng.integers(0, 2, (32, 1))


def fit(model, samples, *callbacks, epochs=EPOCHS):
    return model.fit(
        *samples, epochs=epochs, validation_split=0.25, verbose=0, callbacks=list(callbacks)
    )


def test_a_file_in_the_place_of_the_logs_is_an_error_of_files(tmp_path, samples):
    (tmp_path / "logs").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="directory"):
        fit(words_model(), samples, board.TensorBoard(tmp_path / "logs"))
    with pytest.raises(OSError, match="irectory"):
        board.write_hparams(tmp_path / "logs", {"units": 1})


def test_the_callback_logs_what_the_training_reports(tmp_path, samples):
    history = fit(words_model(), samples, board.TensorBoard(tmp_path, probe=samples)).history
    for part, prefix in {"train": "", "validation": "val_"}.items():
        curves = board.scalars(tmp_path / part)
        for metric in ("loss", "accuracy"):
            assert curves[f"epoch_{metric}"] == pytest.approx(history[prefix + metric])


def test_curves_are_on_disk_when_an_epoch_ends(tmp_path, samples):
    class Reader(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for part in ("train", "validation"):
                seen.append(len(board.scalars(tmp_path / part)["epoch_loss"]))

    seen = []
    fit(words_model(), samples, board.TensorBoard(tmp_path), Reader())
    assert seen == [1, 1, 2, 2]


def test_one_training_is_one_event_file_for_each_part(tmp_path, samples):
    fit(words_model(), samples, board.TensorBoard(tmp_path, probe=samples))
    assert {path.name: len(list(path.iterdir())) for path in tmp_path.iterdir()} == {
        "train": 1,
        "validation": 1,
    }


def test_the_probe_leaves_the_training_as_it_is(tmp_path, samples):
    trained = []
    for callbacks in ([], [board.TensorBoard(tmp_path, probe=samples)]):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((6,), name="words")
        x = layers.BatchNormalization()(layers.Dense(8)(inputs))
        outputs = layers.Dense(1, activation="sigmoid")(layers.Dropout(0.5)(x))
        model = keras.Model(inputs, outputs, name="noisy")
        model.compile("sgd", "binary_crossentropy")
        fit(model, samples, *callbacks)
        trained.append(model.get_weights())
    for bare, logged in zip(*trained, strict=True):
        np.testing.assert_array_equal(bare, logged)


def test_gradients_are_those_of_the_loss(tmp_path, samples):
    model = words_model()
    model.optimizer.learning_rate = 0.0  # so that the weights are still the first ones
    fit(model, samples, board.TensorBoard(tmp_path, probe=samples))
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        told = model(samples[0])
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(samples[1], told))
    expected = {
        weight.path: tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(
            weights, tape.gradient(loss, [w.value for w in weights]), strict=True
        )
    }
    curves = board.scalars(tmp_path / "train")
    norm = np.linalg.norm(expected["embed/embeddings"])
    assert norm > 0
    assert curves["gradient_norm/embed"] == pytest.approx([norm] * EPOCHS, rel=1e-4)
    norm = math.hypot(*expected["conv/kernel"].ravel(), *expected["conv/bias"])
    assert curves["gradient_norm/conv"] == pytest.approx([norm] * EPOCHS, rel=1e-4)
    logged = board.histograms(tmp_path / "train")
    for path, gradient in expected.items():
        for buckets in logged[f"gradients/{path}"]:
            assert buckets[:, 2].sum() == gradient.size
            assert buckets[0, 0] == pytest.approx(gradient.min(), rel=1e-4)
            assert buckets[-1, 1] == pytest.approx(gradient.max(), rel=1e-4)


def test_shares_of_zeros_and_of_dead_units_are_counted(tmp_path, samples):
    words = samples[0]
    words[:, :2] = 0
    model = words_model()
    model.get_layer("embed").set_weights([np.repeat([[0], [1], [1], [1], [1]], 4, axis=1)])
    kernel, bias = np.ones((2, 4, 3)), np.full(3, -1)
    kernel[..., 0] = 0  # dead
    kernel[..., 1], bias[1] = 0, 1  # never zero
    model.get_layer("conv").set_weights([kernel, bias])  # the third: zero for good in one place
    model.optimizer.learning_rate = 0.0
    fit(model, samples, board.TensorBoard(tmp_path, probe=samples))
    activations = keras.Model(model.input, model.get_layer("conv").output)(words).numpy()
    assert (activations[:, 0, 2] == 0).all()
    zeros = np.mean(activations == 0)
    assert 1 / 3 < zeros < 2 / 3
    curves = board.scalars(tmp_path / "train")
    assert curves["share_of_zeros/conv"] == pytest.approx([zeros] * EPOCHS)
    assert curves["share_of_dead_units/conv"] == pytest.approx([1 / 3] * EPOCHS)
    assert not any("zeros/told" in tag or "zeros/embed" in tag for tag in curves)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_layer_that_is_not_connected_to_the_loss_has_gradients_of_zero(tmp_path, samples):
    words = keras.Input((6,), name="words")
    outputs = {name: layers.Dense(1, name=name)(words) for name in ("heard", "unheard")}
    model = keras.Model(words, outputs, name="two_heads")
    model.compile("sgd", {"heard": "mse"})
    targets = {"heard": samples[1]}
    model.fit(
        samples[0],
        targets,
        verbose=0,
        callbacks=[board.TensorBoard(tmp_path, probe=(samples[0], targets))],
    )
    curves = board.scalars(tmp_path / "train")
    assert curves["gradient_norm/heard"][0] > 0
    assert curves["gradient_norm/unheard"] == [0]


def test_samples_are_small_and_meet_every_channel():
    channels = 125  # shares a divisor with 40, the smallest stride
    tensor = tf.tile(tf.range(channels, dtype="float32"), [64 * 500])
    sample = board.sample(tf.reshape(tensor, (64, 500, channels))).numpy()
    assert 0.9 * board.LARGEST_SAMPLE < len(sample) <= board.LARGEST_SAMPLE
    met = np.bincount(sample.astype(int), minlength=channels)
    assert met.max() - met.min() <= 1
    small = tf.reshape(tf.range(12.0), (3, 4))
    np.testing.assert_array_equal(board.sample(small), np.arange(12.0))


def test_the_probe_is_traced_once(tmp_path, samples, monkeypatch):
    traces = []
    compute_loss = keras.Model.compute_loss

    def counted(self, *args, **kwargs):
        traces.append(kwargs.get("training"))
        return compute_loss(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "compute_loss", counted)
    before = words_model()
    fit(before, samples)
    bare = len(traces)
    traces.clear()
    fit(words_model(), samples, board.TensorBoard(tmp_path, probe=samples), epochs=4)
    assert len(traces) == bare + 1


def test_histogram_freq_is_kept(tmp_path, samples):
    callback = board.TensorBoard(tmp_path, histogram_freq=2, probe=samples)
    fit(words_model(), samples, callback, epochs=4)
    logged = board.histograms(tmp_path / "train")
    assert len(logged["embed/embeddings/histogram"]) == 2
    assert len(logged["activations/embed"]) == 2
    assert len(board.scalars(tmp_path / "train")["epoch_loss"]) == 4


def test_an_embedding_is_written_for_the_projector(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    kinds = ["b", "a", "b", "c", "a"]
    metadata = {"word": ["one", "two", "three", "four", "f\u00fcnf"], "kind": kinds}
    board.write_embedding(tmp_path, "embed", vectors, metadata)
    train = tmp_path / "train"
    np.testing.assert_allclose(np.loadtxt(train / "tensors.tsv"), vectors, rtol=1e-4)
    rows = (train / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert rows == ["word\tkind", "one\tb", "two\ta", "three\tb", "four\tc", "f\u00fcnf\ta"]
    image = tf.io.decode_png((train / "dots.png").read_bytes()).numpy()
    assert image.shape == (3 * board.DOT, 3 * board.DOT, 4)
    middle = board.DOT // 2
    colours = [tuple(image[middle + board.DOT * (n // 3), middle + board.DOT * (n % 3)])
               for n in range(6)]  # fmt: skip
    assert colours[0] == colours[2] != colours[1] == colours[4] != colours[3]
    assert [colour[3] for colour in colours] == [255] * 5 + [0]


def test_the_bookmark_holds_the_principal_components(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(50, 6)) * [9, 1, 5, 1, 1, 1] + 3
    state = board.bookmark(vectors, "word", "kind")
    places = np.array(
        [[point[f"pca-{axis}"] for axis in range(3)] for point in state["projections"]]
    )
    values = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1][:3]
    np.testing.assert_allclose(places.var(axis=0, ddof=1), values, rtol=1e-3)
    assert state["dataSetDimensions"] == [50, 6]


def test_one_column_of_metadata_has_no_header(tmp_path):
    board.write_embedding(tmp_path, "embed", np.eye(3), {"word": ["a", "b", "c"]})
    assert (tmp_path / "train" / "metadata.tsv").read_text(encoding="utf-8") == "a\nb\nc\n"
    assert not (tmp_path / "train" / "dots.png").exists()


@pytest.mark.parametrize("words", [["a", "b"], ["a", "b", "c\td"], ["a", "b", "c\n"]])
def test_metadata_that_would_shift_the_rows_are_refused(tmp_path, words):
    with pytest.raises(ValueError, match="metadata"):
        board.write_embedding(tmp_path, "embed", np.eye(3), {"word": words})
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_logged_as_the_house_saves_it(tmp_path):
    figure = figures.row(figures.curves([0, 1], {"loss": [1, 0]}, "epoch", "loss"))
    for tag in ("first", "second"):
        board.write_picture(tmp_path, tag, figure)
    logged = board.logged(tmp_path / "pictures", "images")
    assert set(logged) == {"first", "second"}
    width, height, png = logged["first"][0]
    assert (int(width), int(height)) == (7 * figures.DPI, 3.6 * figures.DPI)
    assert png.startswith(b"\x89PNG")


def test_what_follows_the_end_of_a_torn_file_is_left_out(tmp_path, samples):
    fit(words_model(), samples, board.TensorBoard(tmp_path, probe=samples), epochs=4)
    (path,) = (tmp_path / "train").iterdir()
    whole, content = board.scalars(tmp_path / "train"), path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    torn = board.scalars(tmp_path / "train")
    assert 0 < len(torn["epoch_loss"]) < len(whole["epoch_loss"])
    assert torn["epoch_loss"] == whole["epoch_loss"][: len(torn["epoch_loss"])]
    path.write_bytes(content[:-200] + bytes(100) + content[-100:])
    assert board.scalars(tmp_path / "train")["epoch_loss"] == whole["epoch_loss"]
    path.write_bytes(b"nothing of the kind")
    assert board.scalars(tmp_path / "train") == {}


def test_logs_that_are_not_there_are_an_error_of_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        board.scalars(tmp_path / "train")
    assert board.scalars(tmp_path) == {}


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from ch07 import startup  # before Keras
from ch07 import board, figures
import numpy as np, keras
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
log_dir = Path(sys.argv[1])
inputs = keras.Input((4,), name="x")
model = keras.Model(inputs, keras.layers.Dense(1, name="y")(inputs), name="line")
model.compile("sgd", "mse")
samples = np.ones((8, 4)), np.ones((8, 1))
figure = figures.row(figures.curves([0, 1], {"loss": [1, 0]}, "epoch", "loss"))
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


def test_the_stopwatch_tells_a_callback_from_the_training(samples):
    class Busy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            sum(range(3_000_000))

    busy, idle = Busy(), keras.callbacks.Callback()
    clocks = board.Stopwatch(busy), board.Stopwatch(idle)
    fit(words_model(), samples, busy, idle, *clocks, epochs=3)
    assert [len(clock.inside) for clock in clocks] == [3, 3]
    assert clocks[0].inside[-1] > 100 * clocks[1].inside[-1]
    assert clocks[0].ratio > clocks[1].ratio


SERVE = """
import sys
from pathlib import Path
from ch07 import startup  # before Keras
from ch07 import board
try:
    board.serve(Path(sys.argv[1]))
except startup.UsageError as error:
    sys.exit(startup.refusal(error))
"""


def serve(root):
    return started(sys.executable, "-c", SERVE, root)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_serve_shows_the_runs_here_only_and_ends_with_ctrl_c(tmp_path):
    board.write_hparams(tmp_path / "a_run", {"units": 1})
    # So many vectors that a thread is still reading them when Ctrl-C comes.
    words = {"word": [str(at) for at in range(3000)]}
    board.write_embedding(tmp_path / "a_run", "embed", np.ones((3000, 100)), words)
    board.write_hparams(tmp_path / "a_run" / "train", {"units": 1})
    with serve(tmp_path) as process:
        line = process.stdout.readline()
        assert line.startswith("TensorBoard is at http://127.0.0.1:"), line or process.stderr.read()
        url = line.split()[3]
        with request.urlopen(f"{url}data/environment", timeout=60) as answer:
            assert str(tmp_path) in answer.read().decode()
        request.urlopen(f"{url}data/plugins_listing", timeout=60).close()
        if sys.platform == "linux":  # where 127.0.0.2 is this machine too: all interfaces answer it
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", urlsplit(url).port), timeout=60).close()
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == 130


def test_serve_needs_runs(tmp_path):
    with serve(tmp_path) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "there are no logs below" in err


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
def test_no_port_is_one_sentence(tmp_path, monkeypatch):
    board.write_hparams(tmp_path, {"units": 1})

    def launch(self):
        raise board.program.TensorBoardServerException("it could not bind to any port")

    monkeypatch.setattr(board.program.TensorBoard, "launch", launch)
    with pytest.raises(board.UsageError, match="TensorBoard does not start: it could not bind"):
        board.serve(tmp_path)
