"""TensorBoard: what Keras leaves out of a run's logs, and the server that shows them.

A run is a directory of its own below the root that TensorBoard is given:

    my_log_dir/<time>-<name>/train        curves, histograms, graphs, vectors for the Projector
                             validation   curves
                             pictures     figures
                             .            hyperparameters

A directory belongs to one training: two in one directory show as one tangled line.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import itertools
import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import keras
import matplotlib as mpl
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from keras import layers
from matplotlib.figure import Figure
from tensorboard import program
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hp

from ch07 import checks, figures
from ch07.files import write_aside
from ch07.startup import UsageError

# tf.summary.histogram needs 240 bytes for each value: the four million activations of a probe of
# 64 texts would take a gigabyte. The shape of a histogram is settled long before.
LARGEST_SAMPLE = 100_000
DOT, DOT_RADIUS = 32, 9  # pixels, of a point in the Projector and of the dot in it
PALETTE = mpl.colormaps["tab10"].colors  # the Projector takes every third
LOOPBACK = "127.0.0.1"  # no other machine gets to see the logs


def rectifies(layer: layers.Layer) -> bool:
    """Whether `layer` ends in a relu, so that its output can be zero for good."""
    activation = getattr(layer, "activation", None)
    return activation is keras.activations.relu or isinstance(layer, layers.ReLU)


def sample(tensor: tf.Tensor) -> tf.Tensor:
    """At most `LARGEST_SAMPLE` values of `tensor`, evenly spread, the same places every time."""
    size = tensor.shape.num_elements()
    if not size:
        raise ValueError(f"A tensor {tensor.shape} has no values to look at.")
    stride = math.ceil(size / LARGEST_SAMPLE)
    while math.gcd(stride, size) > 1:  # else it could meet the same few channels all the time
        stride += 1
    return tf.reshape(tensor, [-1])[::stride]


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's callback, and what the chapter shows of it that Keras does not write.

    At the start of the training the graph of operations, on which the Graphs tab then opens (the
    tag `keras` has the layers). With a probe, after each epoch that has histograms:

    - histograms `activations/<layer>` and `gradients/<weight>`, for every layer with weights;
    - `gradient_norm/<layer>`, the L2 norm of the gradient of the loss over the layer's weights;
    - for layers that end in a relu, `share_of_zeros/<layer>`, of their activations, and
      `share_of_dead_units/<layer>`, of units or channels that are 0 in every sample and place.

    The probe is looked at as in inference, which leaves the model and its training as they are.

    Args:
        log_dir: the directory of the run.
        histogram_freq: epochs from one set of histograms to the next; 0 for none.
        probe: inputs and targets as `fit` takes them, some 64 samples. The model then has to be
            functional, with layers of one output.
        options: as Keras's callback takes them.

    Raises (during `fit`):
        OSError: the logs cannot be written.
    """

    def __init__(self, log_dir, histogram_freq=1, *, probe=None, **options):
        super().__init__(log_dir, histogram_freq=histogram_freq, **options)
        self.probe = probe
        self.look = None

    def set_model(self, model):
        with failing_as_files_do():
            super().set_model(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        # Keras's own writer, though it is not public: a second one in this directory would make a
        # second event file, and one training is one file.
        if self.write_graph:
            with failing_as_files_do(), self._train_writer.as_default():
                tf.summary.graph(graph_of_operations(self.model))
        self.look = probing(self.model) if self.probe else None

    def on_epoch_end(self, epoch, logs=None):
        with failing_as_files_do():
            super().on_epoch_end(epoch, logs)
        found = ({}, {})
        if self.look and self.histogram_freq and epoch % self.histogram_freq == 0:
            found = self.look(*self.probe)
        with failing_as_files_do(), self._train_writer.as_default(epoch):
            for write, values in zip((tf.summary.histogram, tf.summary.scalar), found, strict=True):
                for tag, value in values.items():
                    write(tag, value)


@contextlib.contextmanager
def failing_as_files_do():
    """Raise OSError where TensorFlow cannot write: its own errors could be anything else."""
    try:
        yield
    except tf.errors.OpError as error:
        # Its first line, without the operation: "<path>; No space left on device".
        line = error.message.partition("\n")[0]
        raise OSError(re.sub(r"\{\{.*?\}\} | \[Op:.*", "", line)) from error


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Write summaries to `folder`; leaving flushes, which reports errors that closing hides."""
    with failing_as_files_do():
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=0):
            yield
        writer.close()


def graph_of_operations(model: keras.Model) -> tf.Graph:
    """The operations of the forward pass of `model`, a functional model."""
    inputs = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name), model.input
    )
    return tf.function(model, autograph=False).get_concrete_function(inputs, training=False).graph


def probing(model: keras.Model):
    """A function from inputs and targets to what `TensorBoard` writes: samples, and numbers."""
    looked_at = [layer for layer in model.layers if layer.weights or rectifies(layer)]
    stages = keras.Model(model.input, [[layer.output for layer in looked_at], model.output])
    weights = model.trainable_variables

    @tf.function(autograph=False)
    def look(inputs, targets):
        with tf.GradientTape() as tape:
            outputs, told = stages(inputs, training=False)
            loss = model.compute_loss(x=inputs, y=targets, y_pred=told, training=False)
        # Densely, since the rows of a word that occurs twice have to be added up.
        given = tape.gradient(loss, [w.value for w in weights], unconnected_gradients="zero")
        gradients = {w.path: tf.convert_to_tensor(g) for w, g in zip(weights, given, strict=True)}
        histograms = {f"gradients/{path}": sample(g) for path, g in gradients.items()}
        numbers = {}
        for layer, output in zip(looked_at, outputs, strict=True):
            histograms[f"activations/{layer.name}"] = sample(output)
            if rectifies(layer):
                zero = tf.cast(output == 0, "float32")
                everywhere = tf.reduce_min(zero, axis=list(range(zero.shape.rank - 1)))
                numbers[f"share_of_zeros/{layer.name}"] = tf.reduce_mean(zero)
                numbers[f"share_of_dead_units/{layer.name}"] = tf.reduce_mean(everywhere)
            if layer.trainable_variables:
                its_own = [gradients[w.path] for w in layer.trainable_variables]
                numbers[f"gradient_norm/{layer.name}"] = tf.linalg.global_norm(its_own)
        return histograms, numbers

    return look


def write_embedding(
    log_dir: Path, name: str, vectors: np.ndarray, metadata: Mapping[str, Sequence[str]]
) -> None:
    """Give the Projector the `vectors` of a run, beside the event file of its training.

    It opens with the points labelled by the first column of `metadata` and coloured by the last,
    if there are two or more; fifty dimensions or more it spherizes. A bookmark, one click away,
    shows the principal components of the vectors as they are, with a legend.

    Args:
        log_dir: the directory of the run.
        name: what the Projector calls them.
        vectors: (points, dimensions), at least three of each.
        metadata: columns by name, a text for each point.

    Raises:
        ValueError: there are fewer vectors, dimensions or columns, or a NaN; a column has another
            number of texts, or a text has a tab or a line break.
        OSError: a file cannot be written.
    """
    checks.shaped("points, dimensions", vectors=vectors)
    checks.enough("The smaller side of the vectors", min(vectors.shape), 3, "the Projector's axes")
    columns = list(metadata.values())
    checks.enough("The number of columns", len(columns), 1, "labels")
    if any(len(column) != len(vectors) for column in columns):
        raise ValueError(f"Every column of the metadata needs {len(vectors)} texts.")
    if not all(text.isprintable() for text in itertools.chain(metadata, *columns)):
        raise ValueError("A text of the metadata has a tab or a line break.")
    folder = log_dir / "train"
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*columns, strict=True))
    if len(columns) > 1:  # with one column the Projector takes a header for a point
        rows.insert(0, tuple(metadata))
    write_table(folder / "metadata.tsv", rows)
    write_table(folder / "tensors.tsv", [[f"{v:.5g}" for v in vector] for vector in vectors])
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name=name, tensor_path="tensors.tsv", metadata_path="metadata.tsv"
    )
    if len(columns) > 1:
        # A bookmark is not applied before the click on it; sprites are shown from the start.
        write_aside(folder / "dots.png", dots(columns[-1]))
        embedding.sprite.image_path = "dots.png"
        embedding.sprite.single_image_dim.extend([DOT, DOT])
        view = json.dumps([bookmark(vectors, *list(metadata)[:: len(metadata) - 1])])
        write_aside(folder / "bookmarks.json", view.encode("ascii"))
        embedding.bookmarks_path = "bookmarks.json"
    with failing_as_files_do():
        projector.visualize_embeddings(str(folder), config)


def dots(kinds: Sequence[str]) -> bytes:
    """A PNG with a dot for each of `kinds` in the colour of its kind, a square of them, by row.

    The colours are those that the Projector itself gives the kinds, so that its legend fits.
    """
    checks.enough("The number of points", len(kinds), 1, "pictures")
    palette = np.array([PALETTE[3 * at % len(PALETTE)] for at in range(len(PALETTE))])
    numbers = {kind: at for at, kind in enumerate(dict.fromkeys(kinds))}
    colour = np.array([numbers[kind] for kind in kinds]) % len(palette)
    places = np.arange(DOT) - (DOT - 1) / 2
    disc = np.clip(DOT_RADIUS + 0.5 - np.hypot(places, places[:, np.newaxis]), 0, 1)
    one = np.empty((len(palette), DOT, DOT, 4), "uint8")
    one[..., :3] = np.round(255 * palette)[:, np.newaxis, np.newaxis]
    one[..., 3] = np.round(255 * disc)
    side = math.ceil(math.sqrt(len(kinds)))
    cells = np.zeros((side * side, DOT, DOT, 4), "uint8")
    cells[: len(kinds)] = one[colour]
    image = cells.reshape(side, side, DOT, DOT, 4).swapaxes(1, 2)
    return tf.io.encode_png(image.reshape(side * DOT, side * DOT, 4)).numpy()


def bookmark(vectors: np.ndarray, label: str, colour: str) -> dict:
    """The state of the Projector that shows the principal components of `vectors`, in its terms.

    It has everything that the Projector stores in a bookmark of its own, except the camera.
    """
    centred = vectors - vectors.mean(axis=0)
    components = np.linalg.svd(centred, full_matrices=False)[2][:3]
    return {
        "label": f"not spherized, coloured by {colour}",
        "projections": [
            {f"pca-{axis}": float(f"{place:.6g}") for axis, place in enumerate(point)}
            for point in centred @ components.T
        ],
        "selectedProjection": "pca",
        "pcaComponentDimensions": [0, 1, 2],
        "dataSetDimensions": list(vectors.shape),
        "selectedPoints": [],
        "selectedColorOptionName": colour,
        "selectedLabelOption": label,
        "tSNEIteration": 0,
        "tSNEPerplexity": 25,
        "tSNELearningRate": 10,
        "tSNEis3d": True,
        "umapIs3d": True,
        "umapNeighbors": 15,
        "umapMinDist": 0.1,
        "customSelectedSearchByMetadataOption": label,
        "customXLeftText": "",
        "customXRightText": "",
        "customYUpText": "",
        "customYDownText": "",
    }


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write `rows` as tab-separated values."""
    write_aside(path, "".join("\t".join(row) + "\n" for row in rows).encode("utf-8"))


def write_picture(log_dir: Path, tag: str, figure: Figure) -> None:
    """Show `figure` in the Images tab of a run, as `tag`.

    Raises:
        OSError: the logs cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figures.DPI)  # works with any backend of Matplotlib
    picture = tf.io.decode_png(buffer.getvalue())
    folder = log_dir / "pictures"
    with writing_to(folder):
        tf.summary.image(tag, picture[tf.newaxis])
    # TensorFlow reports no error on a record that is larger than its buffer, as a picture is.
    if tag not in logged(folder, "images"):
        raise OSError(f"'{folder}' has no room for a picture")


def write_hparams(log_dir: Path, hparams: Mapping[str, bool | int | float | str]) -> None:
    """Put a run into the table of the HParams tab, with its `hparams` and its last metrics.

    Raises:
        OSError: the logs cannot be written.
    """
    with writing_to(log_dir):
        # Named after the run: by default runs of equal hyperparameters become one line.
        hp.hparams(dict(hparams), trial_id=log_dir.name)


def logged(folder: Path, plugin: str) -> dict[str, list[np.ndarray]]:
    """What the event files in `folder` hold for a `plugin` of TensorBoard: by tag, by step.

    Of a file that ends early it is what comes before the end.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a file has records, but not of events.
    """
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    try:
        accumulator.Reload()
    except DecodeError as error:
        raise ValueError(f"The records in '{folder}' are not those of events: {error}.") from None
    return {
        tag: [tf.make_ndarray(event.tensor_proto) for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == plugin
    }


def scalars(folder: Path) -> dict[str, list[float]]:
    """The curves in `folder`, a `train` or `validation`: a value for each step, by tag."""
    return {tag: [float(v) for v in values] for tag, values in logged(folder, "scalars").items()}


def histograms(folder: Path) -> dict[str, list[np.ndarray]]:
    """The histograms in `folder` by tag, for each step (buckets, 3): from, to, how many values."""
    return logged(folder, "histograms")


class Stopwatch(keras.callbacks.Callback):
    """What a callback costs in CPU time, epoch by epoch, beside the training that it watches.

    Put it behind `callback` in the list that `fit` is given. CPU time, of all threads of the
    process, is what other programs on the machine hardly change.

    Attributes:
        inside: seconds in the hooks of `callback`, by epoch; the first one has its tracing.
        outside: seconds of the rest of the epoch, training and validation.
    """

    def __init__(self, callback: keras.callbacks.Callback):
        super().__init__()
        self.inside: list[float] = []
        self.outside: list[float] = []
        self.spent = self.started = 0.0
        for name in dir(keras.callbacks.Callback):
            if name.startswith("on_"):
                setattr(callback, name, self.timed(getattr(callback, name)))

    def timed(self, hook):
        """`hook`, its time added to `spent`."""

        @functools.wraps(hook)
        def timing(*args, **kwargs):
            started = time.process_time()
            hook(*args, **kwargs)
            self.spent += time.process_time() - started

        return timing

    def on_epoch_begin(self, epoch, logs=None):
        self.spent, self.started = 0.0, time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.inside.append(self.spent)
        self.outside.append(time.process_time() - self.started - self.spent)

    @property
    def ratio(self) -> float:
        """The cost of a later epoch over the rest of that epoch, the median."""
        checks.enough("The number of epochs", len(self.inside), 2, "later ones")
        later = slice(1, None)
        return float(np.median(np.divide(self.inside[later], self.outside[later])))


def invitation(root: Path) -> str:
    """How to see what is logged below `root`: the command, as this machine understands it."""
    # Where the environment is not activated, or its Scripts are not on PATH, the module still is.
    program = "tensorboard" if shutil.which("tensorboard") else "python -m tensorboard.main"
    return f'to see the logs: {program} --logdir "{root}"'


def serve(root: Path) -> NoReturn:
    """Run TensorBoard on the runs below `root` until Ctrl-C, which ends the process (status 130).

    It is the same program as `tensorboard --logdir`, in this process: nothing is left running
    when the process ends, however that happens.

    Raises:
        UsageError: there is no run below `root`, or TensorBoard finds no free port.
    """
    if not any(root.rglob("*tfevents*")):
        raise UsageError(f"there are no logs below '{root}': run the script without --board first.")
    server = program.TensorBoard()
    # Without the fast loader, which Windows lacks: it prints a notice and is a process of its own.
    server.configure(argv=["", "--logdir", str(root), "--host", LOOPBACK, "--load_fast", "false"])
    try:
        url = server.launch()  # on port 6006, or the next free one
    except program.TensorBoardServerException as error:
        raise UsageError(f"TensorBoard does not start: {error.msg}.") from None
    print(f"TensorBoard is at {url} (Ctrl-C ends it).", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(60)  # which Ctrl-C interrupts on Windows too, unlike waiting for a thread
    # At once: an interpreter that winds up while the server reads logs aborts with a C++ exception.
    os._exit(130)
