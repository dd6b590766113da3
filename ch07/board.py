"""TensorBoard: what Keras leaves out of a run's logs, and the server that shows them.

A run is a directory of its own, or two show as one tangled line. In it, `train` has the curves,
histograms, graphs and the vectors for the Projector, `validation` more curves, and what is written
after the training: figures and hyperparameters. What writes raises OSError where it cannot.
"""

from __future__ import annotations

from ch07.lab.startup import UsageError  # first: where there is no package ch07, it says so

# isort: split
import contextlib
import io
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
from google.protobuf import text_format
from keras import layers
from matplotlib.figure import Figure
from tensorboard import program
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hp

from ch07 import calls
from ch07.lab.files import write_aside
from ch07.plots.common import DPI

# tf.summary.histogram needs 240 bytes for each value: the four million activations of a probe of
# 64 texts would take a gigabyte. The shape of a histogram is settled long before.
LARGEST_SAMPLE = 100_000
DOT = 32  # pixels, of a point in the Projector
PALETTE = mpl.colormaps["tab10"].colors  # the Projector takes every third


def sample(tensor: tf.Tensor) -> tf.Tensor:
    """At most `LARGEST_SAMPLE` values of `tensor`, evenly spread, the same places every time."""
    size = int(tf.size(tensor))
    stride = max(1, math.ceil(size / LARGEST_SAMPLE))
    while math.gcd(stride, size) > 1:  # else it could meet the same few channels all the time
        stride += 1
    return tf.reshape(tensor, [-1])[::stride]


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


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's callback, and what the chapter shows of it that Keras does not write.

    After the first batch the graph of operations, on which the Graphs tab then opens (the tag
    `keras` has the layers). With a probe, after each epoch that has histograms:

    - histograms `activations/<call>`, of layers with weights or a relu;
    - histograms `gradients/<weight>`, and `gradient_norm/<layer>`, the L2 norm over the weights of
      a layer, of the gradient of the loss;
    - of calls that end in a relu `share_of_dead_units/<call>`, of units or channels always at 0.

    Calls have the names of `calls.Call`. What cannot be seen (what a subclassed model does without
    layers) is warned of, and the rest logged. The probe is looked at as in inference; one that does
    not fit ends the training after its first batch. The training stays as it is, to the bit.

    Args:
        log_dir, histogram_freq, options: as Keras's callback takes them.
        probe: inputs and targets as `fit` takes them (and sample weights), some 64 samples.

    Raises:
        ValueError: the probe is no pair, or (during `fit`) the model cannot take it or has no loss.
    """

    def __init__(self, log_dir, histogram_freq=1, *, probe=None, **options):
        if probe is not None and not (isinstance(probe, (tuple, list)) and len(probe) in (2, 3)):
            kind = type(probe).__name__
            raise ValueError(f"probe is a {kind}: a pair of inputs and targets is needed.")
        super().__init__(log_dir, histogram_freq=histogram_freq, **options)
        self.probe = probe

    @failing_as_files_do()
    def set_model(self, model):
        super().set_model(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.weights = None  # not known before the model is built

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.weights is None:  # by now every model is built
            self.write_calls()
            if self.probe:
                look(self.model, self.probe, self.weights)

    def write_calls(self) -> None:
        """Log the graph of operations, and learn the names of the weights from the calls in it."""
        self.weights = {}
        try:
            graph, made = calls.trace(self.model, self.probe and self.probe[0])
        except ValueError as error:
            if self.probe:
                raise
            if self.write_graph:
                warnings.warn(f"{error} Without a probe no graph is logged.", stacklevel=2)
            return
        self.weights = named_weights(self.model, made)
        # Keras's own writer, though not public: with a second one a training has two event files.
        if self.write_graph:
            with failing_as_files_do(), self._train_writer.as_default():
                tf.summary.graph(graph)

    @failing_as_files_do()
    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if self.probe and self.histogram_freq and epoch % self.histogram_freq == 0:
            histograms, numbers = look(self.model, self.probe, self.weights)
            with self._train_writer.as_default(epoch):
                for tag, values in histograms.items():
                    tf.summary.histogram(tag, values)
                for tag, value in numbers.items():
                    tf.summary.scalar(tag, value)

    def _log_weights(self, epoch):
        if self.write_images or not self.weights:
            super()._log_weights(epoch)
            return
        # Keras would name them by path, which two models used as layers may have in common.
        with self._train_writer.as_default(epoch):
            for name, weight in self.weights.items():
                tf.summary.histogram(f"{name}/histogram", weight.value)


def named_weights(model: keras.Model, made: Sequence[calls.Call]) -> dict[str, keras.Variable]:
    """The weights of `model` by name: their layer's, as of the `made` calls, and their own.

    One that no called layer has goes by its path.
    """
    owners = {id(weight): call for call in made for weight in call.layer.weights}
    names = {}
    for weight in model.weights:
        name, owner = weight.path, owners.get(id(weight))  # the innermost: it was called last
        if owner:
            _, _, own = f"/{name}".rpartition(f"/{owner.layer.name}/")
            name = f"{owner.layer_name}/{own}"
        while name in names:
            name += "_"
        names[name] = weight
    return names


def look(model: keras.Model, probe: Sequence, weights: Mapping[str, keras.Variable]):
    """What `TensorBoard` writes of a `probe`: samples and numbers, two dicts by tag."""
    inputs, *targets = (keras.tree.map_structure(keras.ops.convert_to_tensor, of) for of in probe)
    with tf.GradientTape() as tape, calls.watching(model) as made:
        outputs = model(inputs, training=False)
        loss = model.compute_loss(inputs, targets[0], outputs, *targets[1:])
        # As in training, since float16 has no small gradients.
        scale = model.optimizer.scale_loss(tf.ones_like(loss))
        loss *= scale
    trained = {id(weight): weight.value for weight in model.trainable_variables}
    gradients = tape.gradient(loss, trained, unconnected_gradients="zero")
    # Densely, since the rows of a word that occurs twice have to be added up.
    dense = ((key, tf.convert_to_tensor(value)) for key, value in gradients.items())
    gradients = {key: tf.cast(value, "float32") / scale for key, value in dense}
    unseen = [call.name for call in made if not call.outputs]
    if unseen or not made:
        what = ", ".join(unseen) or "the model, which calls no layer"
        warnings.warn(f"No activations are seen inside of {what}.", stacklevel=2)
    histograms, numbers = {}, {}
    for name, weight in weights.items():
        if id(weight) in gradients:
            histograms[f"gradients/{name}"] = sample(gradients[id(weight)])
    for call in made:
        layer = call.layer
        own = [gradients[id(weight)] for weight in layer.weights if id(weight) in gradients]
        if own:
            numbers[f"gradient_norm/{call.layer_name}"] = tf.linalg.global_norm(own)
        relu = getattr(layer, "activation", None) is keras.activations.relu
        relu = relu or isinstance(layer, layers.ReLU)
        if layer.weights or relu:
            histograms |= {f"activations/{name}": sample(of) for name, of in call.tensors()}
        if relu and call.outputs:
            units = 1 if getattr(layer, "data_format", "") == "channels_first" else -1
            zero = np.moveaxis(call.outputs[0].numpy() == 0, units, 0)
            dead = zero.reshape(len(zero), -1).all(axis=1)
            numbers[f"share_of_dead_units/{call.name}"] = dead.mean()
    return histograms, numbers


def write_embedding(
    log_dir: str | Path, name: str, vectors: np.ndarray, metadata: Mapping[str, Sequence]
) -> None:
    """Give the Projector the `vectors` of a run, beside the event file of its training.

    Args:
        log_dir: the directory of the run.
        name: what the Projector calls them.
        vectors: (points, dimensions), at least three of each: an array, a tensor or a variable.
        metadata: columns by name, a text or a number for each point; the first labels the points,
            the last of several colours them.

    Raises:
        ValueError: there are too few vectors, dimensions, columns or texts in one, or a NaN.
    """
    vectors = np.asarray(vectors.numpy() if hasattr(vectors, "numpy") else vectors, "float64")
    if vectors.ndim != 2 or min(vectors.shape) < 3:
        raise ValueError(f"vectors has the shape {vectors.shape}: 3 x 3 or more are needed.")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors has a NaN or an infinity.")
    columns = {label(title): [label(one) for one in column] for title, column in metadata.items()}
    if not columns:
        raise ValueError("metadata has no column.")
    for title, texts in columns.items():
        if (count := len(texts)) != len(vectors):
            raise ValueError(f"metadata has {count} texts in '{title}': {len(vectors)} are needed.")
    folder = Path(log_dir) / "train"
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*columns.values(), strict=True))
    if len(columns) > 1:  # with one column the Projector takes a header for a point
        rows.insert(0, tuple(columns))
    numbers = [[f"{value:.5g}" for value in vector] for vector in vectors]
    stem = re.sub(r"\W+", "_", name)
    for file, table in {f"{stem}_metadata.tsv": rows, f"{stem}.tsv": numbers}.items():
        text = "".join("\t".join(row) + "\n" for row in table)
        write_aside(folder / file, text.encode("utf-8", "replace"))
    config, known = projector.ProjectorConfig(), folder / "projector_config.pbtxt"
    if known.exists():  # the other embeddings of the run stay
        text_format.Parse(known.read_text(encoding="utf-8"), config)
    for old in [one for one in config.embeddings if one.tensor_name == name]:
        config.embeddings.remove(old)
    paths = {"tensor_path": f"{stem}.tsv", "metadata_path": f"{stem}_metadata.tsv"}
    embedding = config.embeddings.add(tensor_name=name, **paths)
    if len(columns) > 1:  # in pictures, since it shows no colour before a click
        *_, kinds = columns.values()
        write_aside(folder / f"{stem}.png", dots(kinds))
        embedding.sprite.image_path = f"{stem}.png"
        embedding.sprite.single_image_dim.extend([DOT, DOT])
    with failing_as_files_do():
        projector.visualize_embeddings(str(folder), config)


def label(value: object) -> str:
    """`value` as a text to be seen: the Projector leaves a row out that has nothing but blanks."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return re.sub(r"[\t\n\r]", " ", text) if text.strip() else repr(text)


def dots(kinds: Sequence[str]) -> bytes:
    """A PNG with a dot for each of `kinds` in the colour of its kind, a square of them, by row.

    The colours are those that the Projector itself gives the kinds, so that its legend fits.
    """
    numbers = {kind: at for at, kind in enumerate(dict.fromkeys(kinds))}
    colours = [PALETTE[3 * numbers[kind] % len(PALETTE)] for kind in kinds]
    side, places = math.ceil(math.sqrt(len(kinds))), np.arange(len(kinds))
    figure, buffer = Figure((side, side), dpi=DOT), io.BytesIO()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
    axes.set_axis_off()
    axes.scatter(places % side, places // side, s=40**2, c=colours, linewidths=0)
    figure.savefig(buffer, transparent=True)
    return buffer.getvalue()


def after_training(log_dir: str | Path) -> Path:
    """Where figures and hyperparameters go: in a directory of their own they would be a run."""
    validation = Path(log_dir) / "validation"
    return validation if validation.is_dir() else Path(log_dir) / "train"


def write_picture(log_dir: str | Path, tag: str, figure: Figure) -> None:
    """Show `figure` in the Images tab of a run, as `tag`, when its training is over."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)  # works with any backend of Matplotlib
    with writing_to(folder := after_training(log_dir)):
        tf.summary.image(tag, tf.io.decode_png(buffer.getvalue())[tf.newaxis])
    # TensorFlow reports no error on a record that is larger than its buffer, as a picture is.
    if tag not in logged(folder, "images"):
        raise OSError(f"'{folder}' has no room for a picture")


def write_hparams(log_dir: str | Path, hparams: Mapping[str, object]) -> None:
    """Put a run into the table of the HParams tab, with its last metrics, when it is over.

    They are those of `validation`, if it has any. Of the `hparams`, what is neither a number nor a
    text nor a truth value is shown as text.
    """
    known = (bool, int, float, str, np.generic)
    shown = {n: v if isinstance(v, known) else str(v) for n, v in hparams.items()}
    with writing_to(folder := after_training(log_dir)):
        # "trial-001 in 20261231-235959-search", or runs of one name would become one line.
        hp.hparams(shown, trial_id=" in ".join(Path(log_dir).resolve().parts[:-3:-1]))
    if not logged(folder, "hparams"):  # as with pictures: many of them are a large record
        raise OSError(f"'{folder}' has no room for hyperparameters")


def logged(folder: str | Path, plugin: str) -> dict[str, list[np.ndarray]]:
    """What the event files in `folder` hold for a `plugin` of TensorBoard: by tag, by step.

    Of a file that ends early it is what comes before; FileNotFoundError if there is no `folder`.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder '{folder}'.")
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
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

    In this process, so that nothing is left running when it ends, however that happens.

    Raises:
        UsageError: there is no run below `root`, or TensorBoard finds no free port.
    """
    if not any(Path(root).rglob("*tfevents*")):
        raise UsageError(f"there are no logs below '{root}': run the script without --board first.")
    server = program.TensorBoard()
    # For this machine only. And without the fast loader, which Windows lacks: it prints a notice
    # and is a process of its own.
    server.configure(argv=["", "--logdir", str(root), "--host=127.0.0.1", "--load_fast=false"])
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
