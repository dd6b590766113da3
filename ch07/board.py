"""TensorBoard: what Keras leaves out of a run's logs, and the server that shows them.

A run is a directory of its own below the root that TensorBoard is given:

    my_log_dir/<time>-<name>/train        curves, histograms, graphs, vectors for the Projector
                             validation   curves
                             pictures     figures
                             .            hyperparameters

A directory belongs to one training: two in one directory show as one tangled line. Paths may be
text or `Path`.
"""

from __future__ import annotations

from ch07.lab.startup import UsageError  # first: where there is no package ch07, it says so

# isort: split
import contextlib
import errno
import io
import json
import math
import os
import re
import shutil
import time
import warnings
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

from ch07 import calls, checks
from ch07.lab.files import write_aside
from ch07.plots.common import DPI

# tf.summary.histogram needs 240 bytes for each value: the four million activations of a probe of
# 64 texts would take a gigabyte. The shape of a histogram is settled long before.
LARGEST_SAMPLE = 100_000
DOT, DOT_RADIUS = 32, 9  # pixels, of a point in the Projector and of the dot in it
PALETTE = mpl.colormaps["tab10"].colors  # the Projector takes every third
LOOPBACK = "127.0.0.1"  # no other machine gets to see the logs
# What the Projector stores in a bookmark of its own, besides what differs; except the camera.
BOOKMARK = dict(selectedProjection="pca", pcaComponentDimensions=[0, 1, 2], selectedPoints=[])
BOOKMARK |= dict(tSNEIteration=0, tSNEPerplexity=25, tSNELearningRate=10, tSNEis3d=True)
BOOKMARK |= dict(umapIs3d=True, umapNeighbors=15, umapMinDist=0.1, customXLeftText="")
BOOKMARK |= dict(customXRightText="", customYUpText="", customYDownText="")


def rectifies(layer: layers.Layer) -> bool:
    """Whether `layer` ends in a relu, so that its output can be zero for good."""
    activation = getattr(layer, "activation", None)
    return activation is keras.activations.relu or isinstance(layer, layers.ReLU)


def sample(tensor: tf.Tensor) -> tf.Tensor:
    """At most `LARGEST_SAMPLE` values of `tensor`, evenly spread, the same places every time."""
    size = int(tf.size(tensor))
    stride = max(1, math.ceil(size / LARGEST_SAMPLE))
    while math.gcd(stride, size) > 1:  # else it could meet the same few channels all the time
        stride += 1
    return tf.reshape(tensor, [-1])[::stride]


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's callback, and what the chapter shows of it that Keras does not write.

    At the start of the training the graph of operations, on which the Graphs tab then opens (the
    tag `keras` has the layers). With a probe, after each epoch that has histograms:

    - histograms `activations/<call>`, of layers with weights or a relu;
    - histograms `gradients/<weight>`, and `gradient_norm/<layer>`, the L2 norm over the weights of
      a layer, of the gradient of the loss;
    - of calls that end in a relu, `share_of_zeros/<call>`, of their activations, and
      `share_of_dead_units/<call>`, of units or channels that are 0 in every sample and place; for a
      layer with several calls `share_of_dead_units/<layer>`, of those that are 0 in all of them.

    Calls are those that this model makes, with the names of `calls.Call`: "relu" if there is one,
    else "relu_call_1" and so on; "member/relu" in a model that is used as a layer. What cannot be
    seen (what a subclassed model does without layers) is warned of, and the rest logged.

    The probe is looked at as in inference, for a first time after the first batch: one that does
    not fit ends the training there. Nothing of that changes the training, to the bit.

    Args:
        log_dir: the directory of the run.
        histogram_freq: epochs from one set of histograms to the next; 0 for none.
        probe: inputs and targets as `fit` takes them (and sample weights), some 64 samples.
        options: as Keras's callback takes them.

    Raises:
        ValueError: the probe is no pair, or (during `fit`) not what the model takes.
        OSError (during `fit`): the logs cannot be written.
    """

    def __init__(self, log_dir, histogram_freq=1, *, probe=None, **options):
        if probe is not None and not (isinstance(probe, (tuple, list)) and len(probe) in (2, 3)):
            kind = type(probe).__name__
            raise ValueError(f"probe is a {kind}: a pair of inputs and targets is needed.")
        super().__init__(log_dir, histogram_freq=histogram_freq, **options)
        self.probe = probe
        self.look = None
        self.weights: list[tuple[str, keras.Variable]] | None = None  # not known before it is built

    def set_model(self, model):
        with failing_as_files_do():
            super().set_model(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.look = self.weights = None
        if self.model.built:
            self.write_calls()

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.weights is None:
            self.write_calls()
        if self.probe and not self.look:
            self.look = probing(self.model, self.probe)
            self.look()

    def write_calls(self) -> None:
        """Log the graph of operations, and learn the names of the weights from the calls in it."""
        self.weights = []
        try:
            graph, made = calls.trace(self.model, self.probe and self.probe[0])
        except ValueError as error:
            if self.probe:
                raise
            if self.write_graph:
                warnings.warn(f"{error} Without a probe no graph is logged.", stacklevel=2)
            return
        self.weights = named_weights(self.model, made)
        # Keras's own writer, though it is not public: a second one in this directory would make a
        # second event file, and one training is one file.
        if self.write_graph:
            with failing_as_files_do(), self._train_writer.as_default():
                tf.summary.graph(graph)
        if self.probe:
            unseen = [call.name for call in made if not call.outputs]
            if unseen or not made:
                what = ", ".join(unseen) or "the model, which calls no layer"
                warnings.warn(f"No activations are seen inside of {what}.", stacklevel=2)

    def on_epoch_end(self, epoch, logs=None):
        with failing_as_files_do():
            super().on_epoch_end(epoch, logs)
        found = ({}, {})
        if self.look and self.histogram_freq and epoch % self.histogram_freq == 0:
            found = self.look()
        with failing_as_files_do(), self._train_writer.as_default(epoch):
            for write, values in zip((tf.summary.histogram, tf.summary.scalar), found, strict=True):
                for tag, value in values.items():
                    write(tag, value)

    def _log_weights(self, epoch):
        if self.write_images or not self.weights:
            super()._log_weights(epoch)
            return
        # Keras would name them by path, which two models used as layers may have in common.
        with self._train_writer.as_default(epoch):
            for name, weight in self.weights:
                tf.summary.histogram(f"{name}/histogram", weight.value)


def named_weights(
    model: keras.Model, made: Sequence[calls.Call]
) -> list[tuple[str, keras.Variable]]:
    """The weights of `model`, each with a name: the layer's, as of the `made` calls, and its own.

    One that no called layer has goes by its path.
    """
    owners = {id(weight): call for call in made for weight in call.layer.weights}
    names: dict[str, keras.Variable] = {}
    for weight in model.weights:
        name, owner = weight.path, owners.get(id(weight))  # the innermost: it was called last
        if owner:
            _, _, own = f"/{name}".rpartition(f"/{owner.layer.name}/")
            name = f"{owner.layer_name}/{own}"
        while name in names:
            name += "_"
        names[name] = weight
    return list(names.items())


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
def writing_to(folder: str | Path) -> Iterator[None]:
    """Write summaries to `folder`; leaving flushes, which reports errors that closing hides."""
    with failing_as_files_do():
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=0):
            yield
        writer.close()


def probing(model: keras.Model, probe: Sequence):
    """A function that looks at `probe`: what `TensorBoard` writes, samples and numbers, by tag."""
    probe = [keras.tree.map_structure(keras.ops.convert_to_tensor, part) for part in probe]
    trained, made = model.trainable_variables, []

    @tf.function(autograph=False)
    def compute(inputs, targets, sample_weight=None):
        variables, loss = [weight.value for weight in trained], None
        with tf.GradientTape() as tape:
            tape.watch(variables)
            with calls.watching(model) as seen:
                outputs = model(inputs, training=False)
                try:
                    loss = model.compute_loss(inputs, targets, outputs, sample_weight)
                    loss *= (scale := model.optimizer.scale_loss(tf.ones_like(loss)))
                except ValueError as error:
                    if model.loss is not None:
                        raise
                    warnings.warn(f"No gradients are logged. {error}", stacklevel=2)
        made[:] = seen
        outputs = [call.outputs for call in seen]
        if loss is None:
            return outputs, []
        # Densely, since the rows of a word that occurs twice have to be added up. And scaled as in
        # training, since float16 has no small gradients.
        given = tape.gradient(loss, variables, unconnected_gradients="zero")
        return outputs, [tf.cast(tf.convert_to_tensor(g), "float32") / scale for g in given]

    def look():
        outputs, given = compute(*probe)
        gradients = {id(weight): value for weight, value in zip(trained, given, strict=False)}
        histograms = {
            f"gradients/{name}": sample(gradients[id(weight)])
            for name, weight in named_weights(model, made)
            if id(weight) in gradients
        }
        numbers, silent = {}, {}
        for call, values in zip(made, outputs, strict=True):
            its_own = [gradients[id(w)] for w in call.layer.weights if id(w) in gradients]
            if its_own:
                numbers[f"gradient_norm/{call.layer_name}"] = tf.linalg.global_norm(its_own)
            if not (call.layer.weights or rectifies(call.layer)):
                continue
            for (name, _), value in zip(call.tensors(), values, strict=True):
                if (value.dtype.is_floating or value.dtype.is_integer) and tf.size(value) > 0:
                    histograms[f"activations/{name}"] = sample(value)
            if values and rectifies(call.layer):
                units = 1 if getattr(call.layer, "data_format", "") == "channels_first" else -1
                zero = np.moveaxis(values[0].numpy() == 0, units, -1)
                dead = zero.reshape(-1, zero.shape[-1]).all(axis=0)
                silent.setdefault(call.layer_name, []).append(dead)
                numbers[f"share_of_zeros/{call.name}"] = zero.mean()
                numbers[f"share_of_dead_units/{call.name}"] = dead.mean()
        for name, dead in silent.items():
            if len(dead) > 1 and len({len(one) for one in dead}) == 1:
                numbers[f"share_of_dead_units/{name}"] = np.all(dead, axis=0).mean()
        return histograms, numbers

    return look


def write_embedding(
    log_dir: str | Path, name: str, vectors: np.ndarray, metadata: Mapping[str, Sequence]
) -> None:
    """Give the Projector the `vectors` of a run, beside the event file of its training.

    It opens with the points labelled by the first column of `metadata` and coloured by the last,
    if there are two or more; fifty dimensions or more it spherizes. A bookmark, one click away,
    shows the principal components of the vectors as they are, with a legend.

    Args:
        log_dir: the directory of the run.
        name: what the Projector calls them.
        vectors: (points, dimensions), at least three of each: an array, a tensor or a variable.
        metadata: columns by name, a text or a number for each point.

    Raises:
        ValueError: there are fewer vectors, dimensions or columns, or a NaN; a column has another
            number of texts, or a text has a tab or a line break.
        OSError: a file cannot be written.
    """
    vectors = np.asarray(vectors.numpy() if hasattr(vectors, "numpy") else vectors)
    checks.shaped("points, dimensions", vectors=vectors)
    vectors = vectors.astype("float64")
    checks.enough("The smaller side of the vectors", min(vectors.shape), 3, "the Projector's axes")
    columns = {label(title): [label(one) for one in column] for title, column in metadata.items()}
    checks.enough("The number of columns", len(columns), 1, "labels")
    for title, texts in columns.items():
        if (count := len(texts)) != len(vectors):
            raise ValueError(f"metadata has {count} texts in '{title}': {len(vectors)} are needed.")
        if broken := [text for text in (title, *texts) if re.search(r"[\t\n\r]", text)]:
            raise ValueError(f"metadata has {broken[0]!r}: a tab or a line break ends a text.")
    folder = Path(log_dir) / "train"
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*columns.values(), strict=True))
    if len(columns) > 1:  # with one column the Projector takes a header for a point
        rows.insert(0, tuple(columns))
    numbers = [[f"{value:.5g}" for value in vector] for vector in vectors]
    for file, table in {"metadata.tsv": rows, "tensors.tsv": numbers}.items():
        text = "".join("\t".join(row) + "\n" for row in table)
        write_aside(folder / file, text.encode("utf-8", "replace"))
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name=name, tensor_path="tensors.tsv", metadata_path="metadata.tsv"
    )
    if len(columns) > 1:
        # A bookmark is not applied before the click on it; sprites are shown from the start.
        titles = list(columns)
        write_aside(folder / "dots.png", dots(columns[titles[-1]]))
        embedding.sprite.image_path = "dots.png"
        embedding.sprite.single_image_dim.extend([DOT, DOT])
        view = json.dumps([bookmark(vectors, titles[0], titles[-1])])
        write_aside(folder / "bookmarks.json", view.encode("ascii"))
        embedding.bookmarks_path = "bookmarks.json"
    with failing_as_files_do():
        projector.visualize_embeddings(str(folder), config)


def label(value: object) -> str:
    """`value` as a text to be seen: the Projector leaves a row out that has nothing but blanks."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if text.strip() else repr(text)


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
    """The state of the Projector that shows the principal components of `vectors`, in its terms."""
    centred = vectors - vectors.mean(axis=0)
    components = np.linalg.svd(centred, full_matrices=False)[2][:3]
    placed = centred @ components.T
    return {
        "label": f"not spherized, coloured by {colour}",
        "projections": [{f"pca-{n}": float(f"{v:.6g}") for n, v in enumerate(p)} for p in placed],
        "selectedColorOptionName": colour,
        "selectedLabelOption": label,
        "customSelectedSearchByMetadataOption": label,
        "dataSetDimensions": list(vectors.shape),
        **BOOKMARK,
    }


def write_picture(log_dir: str | Path, tag: str, figure: Figure) -> None:
    """Show `figure` in the Images tab of a run, as `tag`.

    Raises:
        OSError: the logs cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)  # works with any backend of Matplotlib
    picture = tf.io.decode_png(buffer.getvalue())
    folder = Path(log_dir) / "pictures"
    with writing_to(folder):
        tf.summary.image(tag, picture[tf.newaxis])
    # TensorFlow reports no error on a record that is larger than its buffer, as a picture is.
    if tag not in logged(folder, "images"):
        raise OSError(f"'{folder}' has no room for a picture")


def write_hparams(log_dir: str | Path, hparams: Mapping[str, object]) -> None:
    """Put a run into the table of the HParams tab, with its `hparams` and its last metrics.

    What is neither a number nor a text nor a truth value is shown as text.

    Raises:
        OSError: the logs cannot be written.
    """
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in hparams.items()}
    shown = {n: v if isinstance(v, bool | int | float | str) else str(v) for n, v in plain.items()}
    with writing_to(log_dir):
        # Named after the run: by default runs of equal hyperparameters become one line.
        hp.hparams(shown, trial_id=Path(log_dir).resolve().name)


def logged(folder: str | Path, plugin: str) -> dict[str, list[np.ndarray]]:
    """What the event files in `folder` hold for a `plugin` of TensorBoard: by tag, by step.

    Of a file that ends early it is what comes before the end.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a file has records, but not of events.
    """
    if not Path(folder).is_dir():
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


def scalars(folder: str | Path) -> dict[str, list[float]]:
    """The curves in `folder`, a `train` or `validation`: a value for each step, by tag."""
    return {tag: [float(v) for v in values] for tag, values in logged(folder, "scalars").items()}


def histograms(folder: str | Path) -> dict[str, list[np.ndarray]]:
    """The histograms in `folder` by tag, for each step (buckets, 3): from, to, how many values."""
    return logged(folder, "histograms")


def invitation(root: str | Path) -> str:
    """How to see what is logged below `root`: the command, as this machine understands it."""
    # Where the environment is not activated, or its Scripts are not on PATH, the module still is.
    program = "tensorboard" if shutil.which("tensorboard") else "python -m tensorboard.main"
    return f'to see the logs: {program} --logdir "{root}"'


def serve(root: str | Path) -> NoReturn:
    """Run TensorBoard on the runs below `root` until Ctrl-C, which ends the process (status 130).

    It is the same program as `tensorboard --logdir`, in this process: nothing is left running
    when the process ends, however that happens.

    Raises:
        UsageError: there is no run below `root`, or TensorBoard finds no free port.
    """
    if not any(Path(root).rglob("*tfevents*")):
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
