"""What readers of the chapter write and what today's Keras says, one proof for each known case.

A proof runs the printed form and returns what happened: of an error or a warning "Class: message",
else what was measured. It asserts itself that the corrected form works, with the builders of the
numbered scripts where those have it. The texts are promised to readers by the tables of
docs/errata.md, which `test_errata.py` holds against the proofs.

A1 to A18 were wrong in 2017, B1 to B21 broke since, C1 and so on are messages that readers of the
chapter meet with code of their own. The printed forms write into the working directory, as the book
does: a proof is to be run in an empty one.
"""

import importlib.util
import io
import itertools
import json
import logging
import re
import socket
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import h5py
import keras
import numpy as np
import optuna
import tensorflow as tf
from keras import Input, Model, applications, layers
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from keras.src.utils import model_visualization
from models import subclassed
from werkzeug.test import Client

import ch0701_functional_api as functional_api
import ch0702_tensor_board as tensor_board
import ch0703_ensembling as ensembling
from ch07 import board, calls, data, draw, metrics, tuning

VECTORS = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
LABELS = np.arange(32)[:, None] % 2
IMAGES = np.zeros((2, 33, 33, 3))


# What the proofs share


def outcome(call, *args, **kwargs) -> str:
    """ "Class: message" of the error that a call ends in; "no error" if it does not."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def warned(call, *args, **kwargs) -> str:
    """ "Class: message" of the warnings that a call gives, a line for each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Not ours, nor the reader's: so Keras 3.15 turns a variable into an array.
        warnings.filterwarnings("ignore", "__array__ implementation")
        call(*args, **kwargs)
    return "\n".join(f"{one.category.__name__}: {one.message}" for one in caught)


def run(code: str, **names) -> None:
    """Run lines as they are printed, with nothing defined but `names`."""
    exec(code, names)


def small(metrics=None, optimizer="rmsprop", loss="binary_crossentropy", **names) -> keras.Model:
    """A classifier of VECTORS, compiled. names: `name` of the model, `layer` of its layer."""
    vector = Input((4,), name="vector")
    label = layers.Dense(1, activation="sigmoid", name=names.pop("layer", "label"))(vector)
    model = Model(vector, label, **names)
    model.compile(optimizer, loss, metrics=metrics, run_eagerly=True)
    return model


def fit(model, *callbacks, inputs=VECTORS, targets=LABELS, **options) -> dict[str, list[float]]:
    """The history of a training; without `options` of one epoch."""
    return model.fit(inputs, targets, verbose=0, callbacks=list(callbacks), **options).history


def standing_still() -> keras.Model:
    """A classifier that no training changes: its rate is 0, so no epoch improves anything."""
    return small(["acc"], keras.optimizers.SGD(0.0))


def waited(values) -> int:
    """For how many epochs nothing was gained: those after the best."""
    return len(values) - 1 - int(np.argmax(values))


def logged(callback) -> Client:
    """TensorBoard on ./my_log_dir, where a training with `callback` has just been logged."""
    words = Input((6,), dtype="int32", name="words")
    x = layers.Embedding(5, 4, name="embed")(words)
    x = layers.GlobalMaxPooling1D(name="pool")(x)
    model = Model(words, layers.Dense(1, activation="sigmoid", name="sentiment")(x), name="reviews")
    model.compile("rmsprop", "binary_crossentropy", metrics=["acc"], run_eagerly=True)
    fit(model, callback, inputs=np.arange(192).reshape(32, 6) % 5)
    return serve(Path("my_log_dir"))


def serve(log_dir: Path) -> Client:
    """What answers the pages of TensorBoard, without a port: two of its plugins."""
    with warnings.catch_warnings():
        # A library that TensorBoard brings along warns of itself.
        warnings.filterwarnings("ignore", "html5lib's sanitizer", DeprecationWarning)
        from tensorboard import program
        from tensorboard.backend import application
        from tensorboard.backend.event_processing.data_ingester import LocalDataIngester
        from tensorboard.plugins.core.core_plugin import CorePluginLoader
        from tensorboard.plugins.graph.graphs_plugin import GraphsPlugin
        from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    server = program.TensorBoard(plugins=[CorePluginLoader, GraphsPlugin, ProjectorPlugin])
    server.configure(argv=["", "--logdir", str(log_dir), "--load_fast", "false"])
    ingester = LocalDataIngester(server.flags)
    ingester.deprecated_multiplexer.AddRunsFromDirectory(str(log_dir))
    ingester.deprecated_multiplexer.Reload()
    app = application.TensorBoardWSGIApp(
        server.flags,
        server.plugin_loaders,
        ingester.data_provider,
        server.assets_zip_provider,
        ingester.deprecated_multiplexer,
    )
    return Client(app)


# A. Wrong since 2017


def a1() -> str:
    """Listing 7.7 prints Dense(1), without a sigmoid, and compiles with binary_crossentropy.

    The loss cuts off what is not between 0 and 1, and behind the cut the gradient is 0. Before the
    training the outputs are nearly the same for all reviews: where they are below 0, which is a
    matter of the seed, it never begins.
    """
    rng, good = np.random.default_rng(0), np.arange(128) % 2
    words = rng.integers(50, 200, (128, 41))
    words[:, :6] = rng.integers(0, 25, (128, 6)) + 25 * good[:, None]  # six words tell

    def train(seed, epochs, last=None, from_logits=False):
        keras.utils.set_random_seed(seed)
        model = tensor_board.build_text_classifier(200, 41, last=last)
        threshold = 0.0 if from_logits else 0.5
        right = keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)
        loss = keras.losses.BinaryCrossentropy(from_logits)
        model.compile("rmsprop", loss, metrics=[right], run_eagerly=True)
        return fit(model, inputs=words, targets=good, epochs=epochs)

    printed = {seed: train(seed, epochs=2)["loss"] for seed in (2, 3)}  # 0 and 1 learn
    dead = [seed for seed, losses in printed.items() if losses[0] == losses[1] > 1]
    for cure in ({"last": "sigmoid"}, {"from_logits": True}):  # from the same weights
        assert train(dead[0], epochs=10, **cure)["accuracy"][-1] > 0.9
    return "\n".join(f"seed {seed}: loss: {printed[seed][-1]:.3f}" for seed in dead)


def a2() -> str:
    """Listing 7.1 prints, in early printings, Embedding(64, text_vocabulary_size)."""
    text = Input((None,), dtype="int32")
    embedded = layers.Embedding(64, 10_000)(text)
    model = Model(text, layers.Dense(1, activation="sigmoid")(layers.LSTM(32)(embedded)))
    model.compile("rmsprop", "binary_crossentropy")
    words = np.full((32, 3), 9_999)
    answer = functional_api.build_question_answering()([words, words])
    assert answer.shape == (32, 500)
    assert functional_api.build_question_answering().count_params() == 1_000_052
    return outcome(fit, model, inputs=words)


def a3() -> str:
    """Listing 7.3 prints Embedding(256, vocabulary_size)."""
    model = profile_as_printed(50_000, layers.Embedding(256, 50_000))
    fixed = functional_api.build_profile_model()
    assert fixed.count_params() == 14_146_316
    posts = np.full((1, 300), 49_999)
    assert fixed(posts)[0].shape == (1, 1)
    return f"Total params: {model.count_params():,}\n{outcome(model, posts)}"


def profile_as_printed(vocabulary_size=50_000, embedding=None, width=256) -> keras.Model:
    """Listing 7.3 without any padding."""
    posts = Input((None,), dtype="int32", name="posts")
    x = (embedding or layers.Embedding(vocabulary_size, width))(posts)
    x = layers.Conv1D(width // 2, 5, activation="relu")(x)
    x = layers.MaxPooling1D(5)(x)
    x = layers.Conv1D(width, 5, activation="relu")(x)
    x = layers.Conv1D(width, 5, activation="relu")(x)
    x = layers.MaxPooling1D(5)(x)
    x = layers.Conv1D(width, 5, activation="relu")(x)
    x = layers.Conv1D(width, 5, activation="relu")(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dense(width // 2, activation="relu")(x)
    age = layers.Dense(1, name="age")(x)
    income = layers.Dense(10, activation="softmax", name="income")(x)
    gender = layers.Dense(1, activation="sigmoid", name="gender")(x)
    return Model(posts, [age, income, gender])


def a4() -> str:
    """Listing 7.3 prints five convolutions and two pools without padding.

    268 words are refused, as are the 100 of listing 7.2; 269 are not.
    """
    whole = profile_as_printed(50, width=8)
    model = Model(whole.input, whole.outputs[0])
    model.compile("rmsprop", "mse")
    assert np.isfinite(model.predict(np.ones((1, 269)), verbose=0)).all()
    padded = functional_api.build_profile_model(50, 10, 8)
    for words in (4, 100, 268):
        assert np.isfinite(padded(np.ones((1, words)))[0]).all()
    model.compile("rmsprop", "mse")
    lengths = (100, 268)
    return "\n".join(outcome(fit, model, inputs=np.ones((32, n))) for n in lengths)


def a5() -> str:
    """Listing 7.2 prints np.random.randint(0, 1, size=(num_samples, answer_vocabulary_size))."""
    losses = {}
    for name, answers in {
        "printed": np.random.randint(0, 1, size=(32, 500)),
        "fixed": keras.utils.to_categorical(np.random.randint(500, size=32), 500),
    }.items():
        model = functional_api.build_question_answering(100, 100)
        model.compile("rmsprop", "categorical_crossentropy", run_eagerly=True)
        words = np.random.randint(100, size=(32, 5))
        (losses[name],) = fit(model, inputs=[words, words], targets=answers)["loss"]
    assert losses["fixed"] > 6  # ln 500 is 6.2
    return f"loss: {losses['printed']}"


def a6() -> str:
    """Section 7.1.1 prints y_train = np.random.random((1000, 10)) for categorical_crossentropy."""
    vectors = data.vector_classes(0)
    x_train, y_train = np.random.random((1000, 64)), np.random.random((1000, 10))
    losses = []
    for inputs, targets in ((x_train, y_train), (vectors.train, vectors.train_targets)):
        model = functional_api.build_functional()
        model.compile("rmsprop", "categorical_crossentropy")
        options = {"epochs": 10, "batch_size": 128}
        losses.append(fit(model, inputs=inputs, targets=targets, **options)["loss"])
    printed, fixed = losses
    assert (targets.sum(axis=1) == 1).all()
    assert (np.diff(fixed) < 0).all()
    rises = "rises" if (np.diff(printed) > 0).all() else "does not always rise"
    return f"a row sums to {y_train.sum(axis=1).mean():.1f}, and the loss {rises}"


def a7() -> str:
    """Section 7.1.4 prints the Inception module with strides of 2 and without padding."""

    def printed():
        x = Input((32, 32, 3))
        branch_a = layers.Conv2D(128, 1, activation="relu", strides=2)(x)
        branch_b = layers.Conv2D(128, 1, activation="relu")(x)
        branch_b = layers.Conv2D(128, 3, activation="relu", strides=2)(branch_b)
        branch_c = layers.AveragePooling2D(3, strides=2)(x)
        branch_c = layers.Conv2D(128, 3, activation="relu")(branch_c)
        branch_d = layers.Conv2D(128, 1, activation="relu")(x)
        branch_d = layers.Conv2D(128, 3, activation="relu")(branch_d)
        branch_d = layers.Conv2D(128, 3, activation="relu", strides=2)(branch_d)
        layers.concatenate([branch_a, branch_b, branch_c, branch_d], axis=-1)

    assert functional_api.build_inception_module().output.shape == (None, 16, 16, 512)
    assert functional_api.build_inception_module((33, 33, 3))(IMAGES).shape == (2, 17, 17, 512)
    return outcome(printed)


def a8() -> str:
    """Section 7.1.4 prints y = layers.add([y, x]), with x the image and y 128 channels."""

    def printed(channels):
        x = Input((32, 32, channels))
        y = layers.Conv2D(128, 3, activation="relu", padding="same")(x)
        y = layers.Conv2D(128, 3, activation="relu", padding="same")(y)
        y = layers.Conv2D(128, 3, activation="relu", padding="same")(y)
        return layers.add([y, x])

    fixed = functional_api.build_identity_residual_block()
    assert fixed.input.shape == fixed.output.shape == (None, 32, 32, 128)
    gray = f"one channel: {outcome(printed, 1)}, shape {printed(1).shape}"
    return f"{outcome(printed, 3)}\n{gray}"


def a9() -> str:
    """Section 7.1.4 prints MaxPooling2D(2, strides=2) beside a strided 1x1 convolution, 'same'."""

    def printed(size):
        x = Input((size, size, 3))
        y = layers.Conv2D(128, 3, activation="relu", padding="same")(x)
        y = layers.Conv2D(128, 3, activation="relu", padding="same")(y)
        y = layers.MaxPooling2D(2, strides=2)(y)
        residual = layers.Conv2D(128, 1, strides=2, padding="same")(x)
        layers.add([y, residual])

    assert outcome(printed, 32) == "no error"
    block = functional_api.build_linear_residual_block((33, 33, 3))
    assert block(IMAGES).shape == (2, 17, 17, 128)
    return outcome(printed, 33)


def a10() -> str:
    """Section 7.1.5 prints concatenate([left_output, right_output]) and Dense(1) upon it.

    What that Dense adds up is one number for the left sentence and one for the right: it says as
    much "same" for two equal sentences as it takes away for two different ones. With as many equal
    pairs as different ones, its loss can never be below that of a coin, ln 2, whatever is learned.
    """
    sentences = np.random.default_rng(0).standard_normal((8, 3, 128)).astype("float32")
    left, right = np.divmod(np.arange(64), 8)
    often = np.where(left == right, 7, 1)
    left, right = np.repeat(left, often), np.repeat(right, often)  # 56 equal pairs, 56 different
    pairs = [sentences[left], sentences[right]]
    options = {"batch_size": len(left), "epochs": 40}
    losses, moved, accuracy = {}, {}, {}
    fixed = functional_api.build_siamese_lstm(length=3)
    twice = functional_api.build_siamese_lstm(length=3)
    encoded = layers.concatenate(twice.get_layer("difference").input)
    printed = Model(twice.inputs, layers.Dense(1, activation="sigmoid")(encoded))
    for name, model in {"printed": printed, "fixed": fixed}.items():
        model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
        same = (left == right)[:, None].astype("float32")
        losses[name] = min(fit(model, inputs=pairs, targets=same, **options)["loss"])
        predicted = model(pairs).numpy()
        moved[name] = np.abs(predicted - model(pairs[::-1]).numpy()).max()
        accuracy[name] = metrics.accuracy(predicted, same)
    assert losses["fixed"] < 0.1
    assert accuracy["fixed"] == 1
    assert moved["fixed"] == 0
    swapped = "p(A, B) is not p(B, A)" if moved["printed"] > 0 else "p(A, B) is p(B, A)"
    return f"loss: {losses['printed']:.2f}\n{swapped}"


def a11() -> str:
    """Section 7.1.5 prints model.fit right behind Model: nothing is compiled."""
    model = functional_api.build_siamese_lstm(length=3)
    pairs = list(np.zeros((2, 32, 3, 128)))
    printed = outcome(fit, model, inputs=pairs)
    model.compile("rmsprop", "binary_crossentropy", run_eagerly=True)
    assert len(fit(model, inputs=pairs)["loss"]) == 1
    return printed


def a12() -> str:
    """Section 7.1.6 prints right_input = xception_base(right_input), and no Model.

    With a smaller base, since it is not the base that fails.
    """

    def small_base(**options):
        return keras.Sequential([Input((250, 250, 3)), layers.Conv2D(2, 3, strides=50)])

    def printed():
        xception_base = applications.Xception(weights=None, include_top=False)
        left_input = Input((250, 250, 3))
        right_input = Input((250, 250, 3))
        left_features = xception_base(left_input)
        right_input = xception_base(right_input)
        merged_features = layers.concatenate([left_features, right_input], axis=-1)
        Model([left_input, right_input], merged_features)

    with mock.patch.object(applications, "Xception", small_base):
        assert functional_api.build_siamese_xception().output.shape == (None, 5, 5, 4)
        return outcome(printed)


def a13() -> str:
    """Section 7.2.1 prints monitor='acc', with the comment that it is the validation accuracy."""
    # To learn that all are ones is right of all samples, and wrong of all validation samples.
    vectors, ones, zeros = np.ones((32, 4)), np.ones((32, 1)), np.zeros((32, 1))
    data = {"inputs": vectors, "targets": ones, "validation_data": (vectors, zeros), "epochs": 5}
    stopper = EarlyStopping(monitor="acc", patience=1)
    history = fit(small(["acc"], keras.optimizers.SGD(10.0)), stopper, **data)
    assert stopper.best == max(history["acc"])
    fixed = EarlyStopping(monitor="val_accuracy", patience=2)
    checkpoint = ModelCheckpoint("my_model.keras", monitor="val_loss", save_best_only=True)
    model = small(["accuracy"], keras.optimizers.SGD(10.0))
    assert fit(model, fixed, checkpoint, **data)["val_accuracy"] == [0, 0, 0]
    assert fixed.best == 0
    return f"best: acc {stopper.best}, val_acc {max(history['val_acc'])}"


def a14() -> str:
    """Section 7.2.1 prints "more than one epoch (that is, two epochs)" for patience=1."""
    stopper = EarlyStopping(monitor="acc", patience=1, verbose=1)
    with redirect_stdout(io.StringIO()) as said:
        printed = fit(standing_still(), stopper, epochs=10)["acc"]
    fixed = EarlyStopping(monitor="acc", patience=2)
    assert waited(fit(standing_still(), fixed, epochs=10)["acc"]) == 2
    assert waited(printed) == len(printed) - 1
    return f"{said.getvalue()}\nwaited for {waited(printed)} epoch"


def a15() -> str:
    """Section 7.2.1 prints ReduceLROnPlateau(patience=10) for a training of 10 epochs."""
    rates = {}
    for name, callback in {
        "printed": ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=10),
        "fixed": ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=2),
    }.items():
        model = small(optimizer=keras.optimizers.SGD(0.5))
        # The less it errs on the samples, the more it does on the validation samples.
        data = {"targets": np.ones((32, 1)), "validation_data": (VECTORS, np.zeros((32, 1)))}
        history = fit(model, callback, epochs=10, **data)
        assert (np.diff(history["val_loss"])[:3] > 0).all()
        rates[name] = history["learning_rate"]
    assert min(rates["fixed"]) < 0.1
    return f"{len(set(rates['printed']))} learning rate in {len(rates['printed'])} epochs"


def a16() -> str:
    """Section 7.2.1 opens the file for np.savez with open(..., 'w')."""

    def printed(activations):
        f = open("activations_at_epoch_0.npz", "w")  # noqa: PTH123, SIM115 -- as printed
        try:
            np.savez(f, activations)
        finally:
            f.close()

    logger = tensor_board.ActivationLogger(VECTORS[:1], Path())
    fit(small(), logger)
    # By its path, and by layer.
    with np.load("activations_at_epoch_0.npz") as arrays:
        assert list(arrays) == ["label"]
    return outcome(printed, np.ones((1, 4)))


def a17() -> str:
    """Section 7.3.1 prints np.mean(data, axis=...) and np.std(data, axis=...)."""
    normalized = (VECTORS - VECTORS.mean(axis=0)) / VECTORS.std(axis=0)
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.std(axis=0), 1, atol=1e-6)
    return f"{outcome(np.mean, VECTORS, axis=...)}\n{outcome(np.std, VECTORS, axis=...)}"


def a18() -> str:
    """Listings 7.6, the callbacks and the ensembles use names that nothing has defined."""
    posts = data.posts(0, train=64, test=10)
    model = functional_api.build_profile_model(posts.vocabulary_size, 10, 8)
    losses = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
    model.compile("rmsprop", losses, run_eagerly=True)
    fit(model, inputs=posts.train, targets=posts.train_targets)
    sequences = np.zeros((3, 24, 4))
    models = [ensembling.build_member(kind) for kind in ensembling.KINDS]
    assert sum(0.25 * one.predict(sequences, verbose=0) for one in models).shape == (3, 1)
    lines = (
        "model.fit(posts, [age_targets, income_targets, gender_targets], epochs=10)",
        "model.fit(x, y, epochs=10, batch_size=32, validation_data=(x_val, y_val))",
        "preds_a = model_a.predict(x_val)",
    )
    return "\n".join(outcome(run, line, model=model) for line in lines)


# B. Broke since


def b1() -> str:
    """Section 7.2.1 prints ActivationLogger: five faults, each hidden by the one before it."""

    class ActivationLogger(keras.callbacks.Callback):
        """As printed, but that the first `mended` of its faults are mended."""

        __qualname__ = "ActivationLogger"  # as messages name a class of a script

        def __init__(self, mended):
            super().__init__()
            self.mended = mended

        def set_model(self, model):
            if self.mended < 1:
                self.model = model
            super().set_model(model)
            layer_outputs = [layer.output for layer in model.layers]
            self.activations_model = keras.models.Model(model.input, layer_outputs)

        def on_epoch_end(self, epoch, logs=None):
            sample = self.validation_data[0][0:1] if self.mended < 3 else VECTORS[0:1]
            activations = self.activations_model.predict(sample, verbose=0)
            path = f"activations_at_epoch_{epoch}.npz"
            if self.mended < 4:
                with open(path, "w") as f:  # noqa: PTH123 -- as printed
                    np.savez(f, *activations)
            if self.mended < 5:
                np.savez(path, activations)
            np.savez(path, *activations)

    stack = keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(1)])
    stack.compile("rmsprop", "mse", run_eagerly=True)
    validated = {"validation_data": (VECTORS, LABELS)}
    faults = [
        outcome(fit, stack if mended < 2 else functional(), ActivationLogger(mended), **validated)
        for mended in range(6)
    ]
    assert faults.pop() == "no error"
    assert "no error" not in faults
    for model in (functional(), stack):
        fit(model, tensor_board.ActivationLogger(VECTORS[:1], "."))
        with np.load("activations_at_epoch_0.npz") as arrays:
            assert len(arrays) == 2
    # An Input is not enough for model.input of a Sequential; model.inputs it has.
    stack = keras.Sequential([Input((4,)), layers.Dense(1)])
    assert outcome(getattr, stack, "input") != "no error"
    assert len(stack.inputs) == 1
    return "\n".join(f"{n}. {fault}" for n, fault in enumerate(faults, start=1))


def functional() -> keras.Model:
    """The stack of `b1` with the functional API."""
    vector = Input((4,))
    model = Model(vector, layers.Dense(1)(layers.Dense(3, activation="relu")(vector)))
    model.compile("rmsprop", "mse", run_eagerly=True)
    return model


def b2() -> str:
    """Listing 7.7 prints Embedding(max_features, 128, input_length=max_len, name='embed')."""
    lines = []

    def printed():
        model = keras.models.Sequential()
        model.add(layers.Embedding(2000, 128, input_length=500, name="embed"))
        model.add(layers.Conv1D(32, 7, activation="relu"))
        model.add(layers.GlobalMaxPooling1D())
        model.add(layers.Dense(1))
        model.summary(print_fn=lambda line, **kwargs: lines.append(line))

    warning = warned(printed)
    assert tensor_board.build_text_classifier().count_params() == 291_937
    return f"{warning}\n{re.search('Total params: .*', ''.join(lines))[0]}"


def b3() -> str:
    """Listing 7.9 prints TensorBoard(log_dir='my_log_dir', histogram_freq=1, embeddings_freq=1)."""
    pages = logged(TensorBoard(log_dir="my_log_dir", histogram_freq=1, embeddings_freq=1))
    runs = pages.get("/data/plugin/projector/runs").get_json()
    # What the page shows when it hears of no run.
    page = pages.get("/data/plugin/projector/projector_binary.js").text
    (says,) = re.findall("<h3>(No .*?)</h3>", page)
    board.write_embedding(Path("my_log_dir"), "embed", np.eye(5), {"word": "abcde"})
    pages = serve(Path("my_log_dir"))
    assert pages.get("/data/plugin/projector/runs").get_json() == ["train"]
    query = {"run": "train", "name": "embed"}
    tensor = pages.get("/data/plugin/projector/tensor", query_string=query).data
    assert (np.frombuffer(tensor, "float32").reshape(5, 5) == np.eye(5)).all()
    return f"{len(runs)} runs with embeddings: {says if not runs else ''}"


def b4() -> str:
    """Section 7.2.2 promises histograms of activations; listing 7.9 prints histogram_freq=1."""
    logged(TensorBoard(log_dir="my_log_dir", histogram_freq=1))
    printed = board.histograms(Path("my_log_dir/train"))
    probe = np.zeros((3, 6)), np.zeros((3, 1))
    logged(board.TensorBoard(Path("my_log_dir/fixed"), probe=probe))
    fixed = board.histograms(Path("my_log_dir/fixed/train"))
    weights = {f"{w}/histogram" for w in ("embed/embeddings", "sentiment/kernel", "sentiment/bias")}
    assert weights <= set(fixed)
    assert set(printed) == weights
    counts = {}
    for kind in ("activations", "gradients"):
        assert any(tag.startswith(f"{kind}/") for tag in fixed)
        counts[kind] = sum(tag.startswith(f"{kind}/") for tag in printed)
    tags = " ".join(sorted(printed))
    return f"{tags}\n" + ", ".join(f"{count} {kind}" for kind, count in counts.items())


def b5() -> str:
    """Section 7.2.2 shows the graph of operations in the tab Graphs."""
    pages = logged(TensorBoard(log_dir="my_log_dir"))
    info = pages.get("/data/plugin/graphs/info").get_json()["train"]
    graph = pages.get("/data/plugin/graphs/graph", query_string={"run": "train"})
    assert info["tags"]["keras"]["conceptual_graph"]
    pages = logged(board.TensorBoard(Path("my_log_dir/fixed")))
    assert pages.get("/data/plugin/graphs/info").get_json()["fixed/train"]["run_graph"]
    fixed = pages.get("/data/plugin/graphs/graph", query_string={"run": "fixed/train"})
    assert 'op: "MatMul"' in fixed.text
    # What the page shows when its request for a graph fails.
    page = pages.get("/index.js").text
    (says,) = set(re.findall("Graph visualization failed", page))
    assert info["run_graph"] is (graph.status_code == 200)
    return f"{graph.status}: {says}" if graph.status_code != 200 else graph.status


def b6() -> str:
    """Readers write embeddings_data=, embeddings_layer_names=, write_grads= and batch_size=."""
    options = {
        "embeddings_data": VECTORS,
        "embeddings_layer_names": ["embed"],
        "write_grads": True,
        "batch_size": 32,
    }
    assert TensorBoard("my_log_dir", histogram_freq=1).histogram_freq == 1
    made = (outcome(TensorBoard, "my_log_dir", **{k: v}) for k, v in options.items())
    return "\n".join(made)


def b7() -> str:
    """Readers write keras.optimizers.rmsprop, RMSprop(lr=...), and import losses by short names."""
    fixed = small(optimizer=keras.optimizers.RMSprop(learning_rate=0.001))
    fixed.compile("rmsprop", "mse", metrics=["mae"])
    assert "mae" in fit(fixed)
    return "\n".join(
        [
            outcome(getattr, keras.optimizers, "rmsprop"),
            outcome(run, "from keras.losses import mse"),
            outcome(keras.optimizers.RMSprop, lr=0.001),
        ]
    )


def b8() -> str:
    """Readers write metrics=['accuracy'] beside the printed monitor='acc'."""
    validated = {"validation_data": (VECTORS, LABELS)}
    fixed = EarlyStopping(monitor="val_accuracy", patience=2)
    assert "val_accuracy" in fit(small(["accuracy"]), fixed, **validated)
    return outcome(fit, small(["accuracy"]), EarlyStopping(monitor="acc", patience=1), **validated)


def b9() -> str:
    """Section 7.2.1 prints ModelCheckpoint(filepath='my_model.h5'); readers leave out the ending.

    The warning is a line of the log, not a warning of Python.
    """
    best = {"monitor": "val_loss", "save_best_only": True}
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(f"{record.levelname}:absl:{record.getMessage()}")
    logging.getLogger("absl").addHandler(handler)
    validated = {"validation_data": (VECTORS, LABELS)}
    try:
        fit(small(), ModelCheckpoint(filepath="my_model.h5", **best), **validated)
    finally:
        logging.getLogger("absl").removeHandler(handler)
    model = small(["accuracy"])
    fit(model, ModelCheckpoint("my_model.keras", **best), **validated)
    reloaded = keras.saving.load_model("my_model.keras")
    assert (reloaded(VECTORS).numpy() == model(VECTORS).numpy()).all()
    fit(model, ModelCheckpoint("my.weights.h5", save_weights_only=True, **best), **validated)
    assert Path("my.weights.h5").exists()
    return "\n".join([*said, outcome(ModelCheckpoint, filepath="my_model", **best)])


def b10() -> str:
    """Section 7.1.1 prints, for an input that leads nowhere, RuntimeError: Graph disconnected."""

    def printed():
        input_tensor = Input(shape=(64,))
        x = layers.Dense(32, activation="relu")(input_tensor)
        unrelated_input = Input(shape=(32,))
        Model(unrelated_input, layers.Dense(10, activation="softmax")(x))

    assert functional_api.build_functional().count_params() == 3466
    return outcome(printed)


def profile(losses, loss_weights=None, metrics=None) -> keras.Model:
    """Three outputs, compiled."""
    posts = Input((4,), name="posts")
    age = layers.Dense(1, name="age")(posts)
    income = layers.Dense(10, activation="softmax", name="income")(posts)
    gender = layers.Dense(1, activation="sigmoid", name="gender")(posts)
    model = Model(posts, [age, income, gender])
    weights = {"loss_weights": loss_weights, "metrics": metrics}
    model.compile("rmsprop", losses, run_eagerly=True, **weights)
    return model


LOSSES = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
WEIGHTS = {"age": 0.25, "income": 1.0, "gender": 10.0}
PROFILES = {"age": LABELS * 30.0, "income": np.eye(10)[np.arange(32) % 10], "gender": LABELS}


def b11() -> str:
    """Readers write metrics=['acc'] for the model of listing 7.3, which has three outputs."""
    targets = list(PROFILES.values())
    for right in ({"income": "acc", "gender": "acc"}, [[], ["acc"], ["acc"]]):
        history = fit(profile(LOSSES, metrics=right), targets=targets)
        assert {"income_acc", "gender_acc"} <= set(history)
    return outcome(fit, profile(LOSSES, metrics=["acc"]), targets=targets)


def b12() -> str:
    """Listings 7.4 to 7.6 print losses, weights and targets as lists or as dicts by name.

    Keras sorts the names of a dict of weights by the alphabet, and gives the weights in that order
    to losses that are a list: here the 10 of the gender to the income.
    """
    lists_and_dicts = {"list": lambda named: list(named.values()), "dict": dict}
    losses = {}
    for forms in itertools.product(lists_and_dicts, repeat=3):
        of_losses, of_weights, of_targets = (lists_and_dicts[form] for form in forms)
        weights = of_weights(WEIGHTS)
        model = profile(of_losses(LOSSES), weights)
        # On zeros, whatever the weights: squared years, ln 10 and ln 2.
        history = fit(model, inputs=np.zeros((32, 4)), targets=of_targets(PROFILES))
        losses[forms] = f"loss: {history['loss'][0]:.2f}"
    right = losses["dict", "dict", "dict"]
    assert right == f"loss: {0.25 * 450 + np.log(10) + 10 * np.log(2):.2f}"
    wrong = {forms: loss for forms, loss in losses.items() if loss != right}
    assert all(forms[:2] == ("list", "dict") for forms in wrong)
    return f"{', '.join(sorted(set(wrong.values())))} in {len(wrong)} of 8 forms, else {right}"


def b13() -> str:
    """Listing 7.2 feeds by a dict of input names; readers mistype one."""
    model = functional_api.build_question_answering(50, 50, 2)
    model.compile("rmsprop", "sparse_categorical_crossentropy", run_eagerly=True)
    words = np.zeros((32, 5), "int32")
    fit(model, inputs={"text": words, "question": words})
    fit(model, inputs=[words, words])
    return outcome(fit, model, inputs={"text": words, "qestion": words})


def traced(**names) -> keras.Model:
    """The classifier of `small`, which `fit` compiles."""
    model = small(**names)
    model.run_eagerly = False
    return model


def b14() -> str:
    """Readers name models and layers in Chinese, with spaces or with brackets.

    The failed training leaves the name behind, and the optimizer of the next model puts it before
    its own: that training fails too, until the session is cleared.
    """
    said = []
    try:
        # In Chinese: "text". The source of the tests is in ASCII.
        for name in ("\u6587\u672c", "text classifier"):
            said.append(outcome(fit, traced(name=name)))
            assert "no error" not in [outcome(fit, traced()), said[-1]]
            keras.utils.clear_session()
            assert outcome(fit, traced()) == "no error"
            said.append(outcome(fit, traced(layer=name)))
            assert said[-1] != "no error"
            keras.utils.clear_session()
    finally:
        keras.utils.clear_session()
    assert outcome(fit, traced(name="text_classifier", layer="text_1")) == "no error"
    return "\n".join(said)


def b15() -> str:
    """Readers write fit(workers=...), fit_generator, nb_epoch, Model(input=..., output=...)."""
    model, vector = small(), Input((4,))
    label = layers.Dense(1)(vector)
    batches = ((VECTORS, LABELS) for _ in range(3))
    history = model.fit(batches, steps_per_epoch=3, epochs=1, shuffle=False, verbose=0).history
    assert len(history["loss"]) == 1
    assert Model(inputs=vector, outputs=label).count_params() == 5
    return "\n".join(
        [
            outcome(fit, model, use_multiprocessing=True),
            outcome(fit, model, workers=2),
            outcome(fit, model, nb_epoch=2),
            outcome(getattr, model, "fit_generator"),
            outcome(Model, input=vector, output=label),
        ]
    )


def b16() -> str:
    """Section 7.2.2 prints plot_model(model, to_file='model.png').

    What it needs is hidden: first pydot, then the program of Graphviz that pydot starts.
    """

    class Pydot:
        """pydot where there is no Graphviz."""

        PydotException = RuntimeError

        class Dot:
            def create(self):
                raise FileNotFoundError("dot")

    said = []
    model = tensor_board.build_text_classifier(50, 50)
    for found in (None, Pydot):
        with mock.patch.object(model_visualization, "pydot", found):
            said.append(outcome(keras.utils.plot_model, model, to_file="model.png"))
            for drawn in (model, keras.Sequential([Input((4,)), layers.Dense(1)])):
                draw.draw(drawn).savefig("diagram.png")
    assert Path("diagram.png").stat().st_size > 1000
    assert not Path("model.png").exists()
    return "\n".join(said)


def b17() -> str:
    """Readers import from modules that Keras 2 had."""
    run("from keras.layers import BatchNormalization, Dense, Layer, TextVectorization, add")
    run("from keras.utils import pad_sequences, to_categorical")
    run("from keras.wrappers import SKLearnClassifier")
    gone = (
        "from keras.layers.merge import add",
        "from keras.layers.core import Dense",
        "from keras.layers.normalization import BatchNormalization",
        "from keras.engine.topology import Layer",
        "from keras.utils import np_utils",
        "from keras.preprocessing.text import Tokenizer",
        "from keras.wrappers.scikit_learn import KerasClassifier",
    )
    return "\n".join(outcome(run, line) for line in gone)


def b18() -> str:
    """Readers take history.history['lr'] behind ReduceLROnPlateau."""
    validated = {"validation_data": (VECTORS, LABELS), "epochs": 2}
    history = fit(small(), ReduceLROnPlateau(monitor="val_loss", patience=2), **validated)
    assert len(history["learning_rate"]) == 2
    return outcome(lambda: history["lr"])


def b19() -> str:
    """Section 7.3.2 names Hyperas, which does this import."""
    model = small()
    assert keras.models.model_from_json(model.to_json()).count_params() == 5
    assert any("--engine" in options for options in tuning.OPTIONS.values())
    return outcome(run, "from keras.models import model_from_yaml")


def b20() -> str:
    """Section 7.1.1 and others print input_shape= on the first layer."""
    assert warned(functional_api.build_sequential) == ""
    assert functional_api.build_sequential().count_params() == 3466
    return warned(layers.Dense, 32, activation="relu", input_shape=(64,))


def b21() -> str:
    """Section 7.3.1 speaks of batch renormalization as of a successor."""
    renormalized = keras.Sequential([Input((4,)), layers.BatchNormalization(renorm=True)])
    assert np.isfinite(renormalized(VECTORS, training=True)).all()
    assert len(renormalized.weights) > len(layers.BatchNormalization().weights)
    return outcome(getattr, layers, "BatchRenormalization")


# C. Messages that readers meet with code of their own


def stack(*more, name=None) -> keras.Model:
    """A Sequential model of VECTORS with an Input, or one that begins with other layers."""
    return keras.Sequential([*(more or [Input((4,))]), layers.Dense(1)], name=name)


def pair(outputs=("age", "income"), loss="mse", as_dict=False) -> keras.Model:
    """A model with two outputs, compiled; they are a list, or a dict by name."""
    vector = Input((4,))
    heads = {name: layers.Dense(1, name=name)(vector) for name in outputs}
    model = Model(vector, heads if as_dict else list(heads.values()))
    model.compile("sgd", loss, run_eagerly=True)
    return model


def two_inputs() -> keras.Model:
    """Listing 7.1 in small: two inputs, with names, compiled."""
    text, question = Input((4,), name="text"), Input((4,), name="question")
    model = Model([text, question], layers.Dense(1)(layers.concatenate([text, question])))
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def c1() -> str:
    """Two models of one kind, or one file loaded twice, become members of an ensemble (7.3.3)."""

    def ensemble(*members):
        vector = Input((4,))
        return Model(vector, layers.average([of(vector) for of in members]))

    stack(name="member").save("member.keras")
    loaded = [keras.saving.load_model("member.keras") for _ in range(2)]
    said = [outcome(ensemble, stack(name="member"), stack(name="member"))]
    said.append(outcome(ensemble, *loaded))
    loaded[1].name = "second"
    for members in (loaded, [stack(name="first"), stack(name="second")]):
        assert ensemble(*members)(VECTORS).shape == (32, 1)
    return "\n".join(said)


def c2() -> str:
    """An output that needs another input than those of the Model: three ways to get there."""
    text, question = Input((4,), name="text"), Input((4,), name="question")
    both = layers.Dense(1)(layers.concatenate([text, question]))
    overwritten = layers.Dense(4)(text)
    elsewhere = stack()
    causes = (
        outcome(Model, text, both),  # an input is missing in the list
        outcome(Model, overwritten, layers.Dense(1)(text)),  # the name of the input was reused
        outcome(Model, Input((4,)), elsewhere.outputs[0]),  # of another model
    )
    assert len(set(causes)) == 1
    assert Model([text, question], both)([VECTORS, VECTORS]).shape == (32, 1)
    assert Model(text, layers.Dense(1)(overwritten))(VECTORS).shape == (32, 1)
    vector = Input((4,))
    assert Model(vector, elsewhere(vector))(VECTORS).shape == (32, 1)
    return causes[0]


def c3() -> str:
    """layer.output, where no call of the layer is known: three causes, told apart by the name."""
    unbuilt = keras.Sequential([layers.Dense(1, name="score")], name="stack")
    own = subclassed().model
    own(VECTORS)
    causes = [
        outcome(getattr, unbuilt.layers[0], "output"),  # a layer of a model without an Input
        outcome(getattr, stack(name="stack"), "input"),  # a Sequential has .inputs
        outcome(getattr, own.layers[0], "output"),  # a subclassed model calls on values
    ]
    built = keras.Sequential([Input((4,)), layers.Dense(1, name="score")])
    assert built.layers[0].output.shape == built.outputs[0].shape == (None, 1)
    assert "score" in calls.activations(own, VECTORS)
    return "\n".join(causes)


def c4() -> str:
    """A function of TensorFlow is called on what Input gives."""

    class Mean(layers.Layer):
        def call(self, x):
            return tf.reduce_mean(x, axis=1)

    for mean in (lambda x: keras.ops.mean(x, axis=1), Mean()):
        vector = Input((4,))
        assert Model(vector, mean(vector))(VECTORS).shape == (32,)
    return outcome(tf.reduce_mean, Input((4,)), axis=1)


def c5() -> str:
    """A function of NumPy, or a plot, is given what a layer returns in the functional API."""
    vector = Input((4,))
    x = layers.Dense(2)(vector)
    assert Model(vector, x).predict(VECTORS, verbose=0).shape == (32, 2)
    assert Model(vector, keras.ops.mean(x, axis=1))(VECTORS).shape == (32,)
    return outcome(np.mean, x)


def c6() -> str:
    """What is no layer is added to a Sequential: a tensor, or a class without its brackets."""
    vector = Input((4,))
    causes = [
        outcome(keras.Sequential, [layers.Dense(1)(vector)]),
        outcome(keras.Sequential, [layers.Flatten]),
    ]
    assert keras.Sequential([vector, layers.Flatten(), layers.Dense(1)])(VECTORS).shape == (32, 1)
    return "\n".join(re.sub(r"name=keras_tensor_\d+", "name=keras_tensor", one) for one in causes)


def c7() -> str:
    """layers.add(y, x), without the list (7.1.4)."""
    x, y = Input((4,)), Input((4,))
    assert layers.add([x, y]).shape == layers.Add()([x, y]).shape == (None, 4)
    return f"{outcome(layers.add, x, y)}\n{outcome(layers.concatenate, x)}"


def c8() -> str:
    """A second LSTM behind one that gives its last step alone, or an LSTM on vectors."""
    steps = Input((5, 4))
    causes = [
        outcome(layers.LSTM(2, name="second"), layers.LSTM(3)(steps)),
        outcome(layers.LSTM(2, name="first"), Input((4,))),
    ]
    assert layers.LSTM(2)(layers.LSTM(3, return_sequences=True)(steps)).shape == (None, 2)
    assert layers.LSTM(2)(layers.Reshape((4, 1))(Input((4,)))).shape == (None, 2)
    return "\n".join(causes)


def c9() -> str:
    """Flatten and Dense behind sequences of any length, such as Input((None, 128))."""
    steps = Input((None, 3))
    assert layers.Dense(2)(layers.GlobalAveragePooling1D()(steps)).shape == (None, 2)
    assert layers.Dense(2)(layers.Flatten()(Input((5, 3)))).shape == (None, 2)
    return outcome(layers.Dense(2, name="class"), layers.Flatten()(steps))


def c10() -> str:
    """A Lambda of functions that have to see values, such as those of NumPy or TensorFlow."""
    vector = Input((4,))
    message = outcome(layers.Lambda(lambda x: x.numpy() * 2), vector)
    fixed = layers.Lambda(lambda x: keras.ops.square(x) * 2)
    shaped = layers.Lambda(lambda x: tf.square(x) * 2, output_shape=(4,))
    for layer in (fixed, shaped):
        assert Model(vector, layer(vector))(VECTORS).shape == (32, 4)
    return message


def c11() -> str:
    """One array for a model with two inputs, or the other way round (7.2)."""
    fit(two_inputs(), inputs=[VECTORS, VECTORS])
    fit(two_inputs(), inputs={"text": VECTORS, "question": VECTORS})
    one, two = small(name="one_input"), two_inputs()
    two.name = "two_inputs"
    return f"{outcome(fit, two)}\n{outcome(fit, one, inputs=[VECTORS, VECTORS])}"


def c12() -> str:
    """A generator that gives the inputs as a list, as Keras 2 took them."""

    def batches(kind):
        for _ in range(2):
            yield kind([VECTORS[:8], VECTORS[:8]]), LABELS[:8]

    def train(kind):
        two_inputs().fit(batches(kind), steps_per_epoch=2, shuffle=False, verbose=0)

    train(tuple)
    train(lambda both: dict(zip(("text", "question"), both, strict=True)))
    return outcome(train, list)


def c13() -> str:
    """Lists of numbers for arrays."""
    points, labels = [[0.5, 1.0, 1.5, 2.0]], [[1.0]]
    assert "loss" in fit(small(), inputs=np.array(points), targets=np.array(labels))
    return outcome(fit, small(), inputs=points, targets=labels)


def c14() -> str:
    """Sequences of different lengths in an array of objects: IMDB without pad_sequences."""
    reviews = np.array([[1, 14, 22], [1, 194]], dtype=object)
    padded = keras.utils.pad_sequences(reviews, 4)
    assert "loss" in fit(small(), inputs=padded, targets=LABELS[:2])
    return outcome(fit, small(), inputs=reviews, targets=LABELS[:2])


def c15() -> str:
    """Inputs and targets, or two inputs, of different numbers of samples."""
    assert "loss" in fit(small(), inputs=VECTORS[:10], targets=LABELS[:10])
    return outcome(fit, small(), targets=LABELS[:10])


def classifier(loss, units=10, activation="softmax"):
    """A classifier of VECTORS, compiled."""
    vector = Input((4,))
    model = Model(vector, layers.Dense(units, activation)(vector))
    model.compile("sgd", loss, run_eagerly=True)
    return model


def c16() -> str:
    """Whole numbers for one-hot labels, or one-hot labels for a single output."""
    labels = np.arange(32)[:, None] % 10
    one_hot = keras.utils.to_categorical(labels, 10)
    fit(classifier("categorical_crossentropy"), targets=one_hot)
    fit(classifier("sparse_categorical_crossentropy"), targets=labels)
    return "\n".join(
        [
            outcome(fit, classifier("categorical_crossentropy"), targets=labels),
            outcome(
                fit,
                classifier("binary_crossentropy", 1, "sigmoid"),
                targets=np.eye(2)[LABELS[:, 0]],
            ),
        ]
    )


def c17() -> str:
    """Word ids, or labels, beyond those that there are: 2000 words have the ids 0 to 1999 (7.7)."""
    words = np.full((8, 3), 2000)
    labels = np.full((32, 1), 10)  # ten classes are 0 to 9

    def train(vocabulary):
        model = keras.Sequential([Input((3,)), layers.Embedding(vocabulary, 2), layers.Flatten()])
        model.add(layers.Dense(1))
        model.compile("sgd", "mse", run_eagerly=True)
        fit(model, inputs=words, targets=np.zeros((8, 1)))

    train(2001)
    sparse = "sparse_categorical_crossentropy"
    fit(classifier(sparse, 11), targets=labels)
    return f"{outcome(train, 2000)}\n{outcome(fit, classifier(sparse, 10), targets=labels)}"


def c18() -> str:
    """validation_split for a Dataset or a generator."""
    batches = tf.data.Dataset.from_tensor_slices((VECTORS, LABELS)).batch(8)
    options = {"inputs": batches, "targets": None, "shuffle": False}
    history = fit(small(), validation_data=batches.take(1), **options | {"inputs": batches.skip(1)})
    assert "val_loss" in history
    return outcome(fit, small(), validation_split=0.2, **options)


def c19() -> str:
    """A generator that ends before all epochs are trained."""

    def batches():
        yield from ((VECTORS[at : at + 8], LABELS[at : at + 8]) for at in range(0, 32, 8))

    def forever():
        while True:
            yield from batches()

    def train(generator, **options):
        return small().fit(generator, epochs=2, shuffle=False, verbose=0, **options)

    assert warned(train, forever(), steps_per_epoch=4) == ""
    message = warned(train, batches()).splitlines()[0]
    samples = tf.data.Dataset.from_tensor_slices((VECTORS, LABELS)).batch(8)
    assert warned(train, samples.filter(lambda x, y: True)).splitlines()[0] == message  # is well
    assert warned(train, samples) == ""
    return message


def c20() -> str:
    """A name in the dict of losses that is that of no output (7.4)."""
    targets = [LABELS, LABELS]
    right, wrong = {"age": "mse", "income": "mse"}, {"age": "mse", "incom": "mse"}
    fit(pair(loss=right), targets=targets)
    fit(pair(loss=right, as_dict=True), targets=dict(zip(right, targets, strict=True)))
    return "\n".join(
        [
            outcome(fit, pair(loss=wrong), targets=targets),
            outcome(
                fit,
                pair(loss=wrong, as_dict=True),
                targets=dict(zip(right, targets, strict=True)),
            ),
            outcome(fit, pair(loss=["mse", "mse", "mse"]), targets=targets),
        ]
    )


def c21() -> str:
    """class_weight for a model with several outputs (7.3)."""
    targets = [LABELS, LABELS]
    weights = [np.where(LABELS[:, 0] == 1, 2.0, 1.0), np.ones(32)]
    assert "loss" in fit(pair(), targets=targets, sample_weight=weights)
    return outcome(fit, pair(), targets=targets, class_weight={0: 1.0, 1: 2.0})


def c22() -> str:
    """One optimizer for several models, as in a loop over the members of an ensemble (7.3.3)."""
    adam = keras.optimizers.Adam()
    fit(small(optimizer=adam))
    message = outcome(fit, small(optimizer=adam))
    for _ in range(2):
        fit(small(optimizer=keras.optimizers.Adam()))
    return message


def c23() -> str:
    """ReduceLROnPlateau, or LearningRateScheduler, for an optimizer that has a schedule."""
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-12, 10, 0.9)

    def train(rate, callback):
        return fit(small(optimizer=keras.optimizers.SGD(rate)), callback, epochs=3)

    plateau = ReduceLROnPlateau(monitor="loss", patience=1)
    assert train(1e-12, plateau)["learning_rate"][-1] < 1e-12
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    assert outcome(train, schedule, scheduler) == outcome(train, schedule, plateau)
    return outcome(train, schedule, plateau)


def c24() -> str:
    """Callbacks that wait for val_loss, and a fit without validation_data (7.2.1)."""
    waiting = [
        ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True),
        EarlyStopping("val_loss"),
        ReduceLROnPlateau("val_loss"),
    ]
    said = warned(fit, small(), *waiting)
    assert Path("best.keras").exists()  # of the last epoch, whether it is the best or not
    validated = {"validation_data": (VECTORS, LABELS)}
    # In the epochs that validation_freq leaves out it is missing too.
    assert "val_loss available" in warned(
        fit, small(), *waiting, validation_freq=2, epochs=2, **validated
    )
    assert warned(fit, small(), *waiting, **validated) == ""
    return said


def c25() -> str:
    """ModelCheckpoint of weights into a file with another ending."""
    fit(small(), ModelCheckpoint("my.weights.h5", save_weights_only=True))
    assert Path("my.weights.h5").exists()
    return outcome(ModelCheckpoint, "my_weights.h5", save_weights_only=True)


def c26() -> str:
    """ModelCheckpoint(period=2), which Keras 2 had."""
    fit(small(), ModelCheckpoint("{epoch}.keras", save_freq=2 * 32 // 8), batch_size=8, epochs=4)
    assert sorted(path.name for path in Path().glob("?.keras")) == ["2.keras", "4.keras"]
    return outcome(ModelCheckpoint, "my_model.keras", period=2)


def c27() -> str:
    """A class in the list of callbacks, without its brackets."""
    assert "loss" in fit(small(), keras.callbacks.TerminateOnNaN())
    return outcome(fit, small(), keras.callbacks.TerminateOnNaN)


def c28() -> str:
    """BackupAndRestore for a Sequential without an Input."""

    def train(model):
        model.compile("sgd", "mse", run_eagerly=True)
        fit(model, keras.callbacks.BackupAndRestore("backup"))

    train(stack())
    return outcome(train, keras.Sequential([layers.Dense(1)], name="stack"))


def c29() -> str:
    """CSVLogger writes NA, or lacks a column, where an epoch has no such number."""

    def log(append, **options):
        fit(small(), keras.callbacks.CSVLogger("log.csv", append=append), **options)
        return Path("log.csv").read_text(encoding="utf-8")

    validated = {"validation_data": (VECTORS, LABELS)}
    texts = [log(False, epochs=2, validation_freq=2, **validated)]
    log(False)
    texts.append(log(True, **validated))  # appended to a log without validation
    assert all(text.splitlines()[1].endswith(",NA") for text in texts)
    rows = np.genfromtxt("log.csv", delimiter=",", names=True, encoding="utf-8")
    assert np.isnan(rows["val_loss"][0])
    assert "NA" not in log(False, **validated)
    return re.sub(r"\d+\.\d+", "0.69", texts[0])


def c30() -> str:
    """history.history['acc'] where the model was compiled with "accuracy"."""
    history = fit(small(["accuracy"]), validation_data=(VECTORS, LABELS))
    assert {"accuracy", "val_accuracy"} <= set(history)
    assert "acc" in fit(small(["acc"]))
    return "\n".join(outcome(lambda name: history[name], name) for name in ("acc", "val_acc"))


class Doubled(layers.Layer):
    """A layer of a reader's own."""

    def call(self, x):
        return 2 * x


@keras.saving.register_keras_serializable("errata")
class Registered(Doubled):
    """The same, known to Keras."""


def saved(path, layer) -> str:
    """Save a model with `layer` to `path`, and load it."""
    vector = Input((4,))
    Model(vector, layer(vector)).save(path)
    return outcome(keras.saving.load_model, path)


def c31() -> str:
    """A model with a Lambda is loaded."""
    message = saved("own.keras", layers.Lambda(lambda x: 2 * x))
    assert keras.saving.load_model("own.keras", safe_mode=False)(VECTORS).shape == (32, 4)
    assert saved("layer.keras", Registered()) == "no error"
    return message


def c32() -> str:
    """A model with a layer of one's own is loaded, from .h5 or .keras."""
    messages = [saved("own.h5", Doubled()), saved("own.keras", Doubled(name="doubled"))]
    own = {"Doubled": Doubled}
    for path in ("own.h5", "own.keras"):
        assert keras.saving.load_model(path, custom_objects=own)(VECTORS).shape == (32, 4)
    assert saved("registered.keras", Registered()) == "no error"
    return "\n".join(messages)


def c33() -> str:
    """The book's my_model.h5, of a model that was compiled with "mse", is loaded."""
    model = small(loss="mse", metrics=["mae"])
    fit(model)
    model.save("my_model.h5")
    assert keras.saving.load_model("my_model.h5", compile=False)(VECTORS).shape == (32, 1)
    model.save("my_model.keras")
    assert keras.saving.load_model("my_model.keras").compiled
    return outcome(keras.saving.load_model, "my_model.h5")


def c34() -> str:
    """A model with operations of keras.ops in it, such as the Siamese LSTM, is saved as .h5."""
    model = functional_api.build_siamese_lstm(length=3)
    model.save("siamese.h5")
    model.save("siamese.keras")
    pairs = [np.zeros((1, 3, 128)), np.ones((1, 3, 128))]
    loaded = keras.saving.load_model("siamese.keras")
    np.testing.assert_array_equal(loaded(pairs).numpy(), model(pairs).numpy())
    return outcome(keras.saving.load_model, "siamese.h5")


def c35() -> str:
    """An LSTM in a .h5 file that Keras 2 has written, with an argument that is gone."""
    steps = Input((5, 2))
    Model(steps, layers.LSTM(2)(steps)).save("old.h5")
    with h5py.File("old.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["time_major"] = False
        file.attrs["model_config"] = json.dumps(config)

    class OldLSTM(layers.LSTM):
        def __init__(self, *args, time_major=False, **kwargs):
            super().__init__(*args, **kwargs)

    loaded = keras.saving.load_model("old.h5", custom_objects={"LSTM": OldLSTM})
    assert loaded(np.zeros((1, 5, 2))).shape == (1, 2)
    return outcome(keras.saving.load_model, "old.h5")


def c36() -> str:
    """LSTM(batch_input_shape=...), as Keras 2 took it for stateful layers."""
    fixed = keras.Sequential([Input(batch_shape=(1, 5, 2)), layers.LSTM(2, stateful=True)])
    assert fixed(np.zeros((1, 5, 2))).shape == (1, 2)
    return outcome(layers.LSTM, 2, batch_input_shape=(1, 5, 2), stateful=True)


def c37() -> str:
    """model.reset_states(), model.predict_classes(): methods that models had."""
    lstm = layers.LSTM(2, stateful=True)
    model = keras.Sequential([Input(batch_shape=(1, 5, 2)), lstm])
    model(np.ones((1, 5, 2)))
    assert lstm.states[0].numpy().any()
    for layer in model.layers:
        layer.reset_state()
    assert not lstm.states[0].numpy().any()
    assert small().predict(VECTORS, verbose=0).argmax(axis=-1).shape == (32,)
    return "\n".join(outcome(getattr, model, name) for name in ("reset_states", "predict_classes"))


def c38() -> str:
    """load_model of a folder that tf.keras has written, a SavedModel."""
    model = small()
    model.export("saved_model", verbose=False)
    layer = layers.TFSMLayer("saved_model", call_endpoint="serve")
    np.testing.assert_allclose(layer(VECTORS), model(VECTORS), atol=1e-6)
    return outcome(keras.saving.load_model, "saved_model")


def c39() -> str:
    """model.save("my_model"), without an ending."""
    stack().save("my_model.keras")
    assert keras.saving.load_model("my_model.keras")(VECTORS).shape == (32, 1)
    return outcome(stack().save, "my_model")


def c40() -> str:
    """layer.output_shape, and get_output_at(1) of a shared layer (7.1.5)."""
    layer, left, right = layers.Dense(3, name="shared"), Input((4,)), Input((4,))
    outputs = [layer(left), layer(right)]
    assert layer.output.shape == (None, 3)  # of its first call
    model = Model([left, right], outputs)
    assert {"shared_call_1", "shared_call_2"} == set(calls.activations(model, [VECTORS, VECTORS]))
    names = ("output_shape", "input_shape", "get_output_at")
    return "\n".join(outcome(getattr, layer, name) for name in names)


def c41() -> str:
    """keras.backend.function for activations, keras.backend.mean in a loss."""
    vector = Input((4,))
    x = layers.Dense(3)(vector)
    assert Model(vector, x)(VECTORS).shape == (32, 3)
    small(loss=lambda true, predicted: keras.ops.mean(keras.ops.abs(true - predicted)))
    return "\n".join(outcome(getattr, keras.backend, name) for name in ("function", "mean"))


def c42() -> str:
    """The book's tensorboard --logdir=my_log_dir, in another folder than the training's."""
    logged(board.TensorBoard("my_log_dir"))
    pages = serve(Path("elsewhere/my_log_dir"))
    (says,) = set(
        re.findall(r"No dashboards are active for the [\w ]+\.", pages.get("/index.js").text)
    )
    assert pages.get("/data/runs").get_json() == []
    command = board.invitation(Path("my_log_dir").resolve())
    pages = serve(Path(re.search('--logdir "(.*)"', command)[1]))
    assert pages.get("/data/runs").get_json() == ["train"]
    return says


def c43() -> str:
    """tensorboard --port 6006 while another one runs there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "html5lib's sanitizer", DeprecationWarning)
        from tensorboard import program

    def start(port):
        server = program.TensorBoard()
        server.configure(argv=["", "--logdir", ".", "--port", str(port), "--load_fast", "false"])
        # What listens, and nothing that reads logs: a thread of it would outlive the test.
        program.WerkzeugServer(None, server.flags).server_close()

    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        message = outcome(start, port).replace(str(port), "6006")
        start(0)
    return message


def c44() -> str:
    """python -m tensorboard."""

    command = [sys.executable, "-m", "tensorboard"]
    message = subprocess.run(command, capture_output=True, text=True).stderr
    with mock.patch.object(board.shutil, "which", return_value=None):
        assert "python -m tensorboard.main --logdir" in board.invitation("my_log_dir")
    assert importlib.util.find_spec("tensorboard.main")
    return message


def c45() -> str:
    """The TensorBoard callback where tensorboard is not installed."""
    with mock.patch.dict(sys.modules, {"tensorboard.summary.v2": None}):
        message = outcome(fit, small(), TensorBoard("my_log_dir"))
    fit(small(), TensorBoard("my_log_dir"))
    return message


def c46() -> str:
    """optuna.integration.KerasPruningCallback, from examples for Optuna."""
    study = optuna.create_study(direction="minimize")
    trial = study.ask()
    fit(small(), tuning.Pruning(trial, "loss"), epochs=2)
    assert len(study.trials[0].intermediate_values) == 2
    return outcome(getattr, optuna.integration, "KerasPruningCallback")


def c47() -> str:
    """study.best_trial before a trial has ended, or when all of them were pruned."""
    study = optuna.create_study()

    def pruned(trial):
        raise optuna.TrialPruned

    message = outcome(lambda: study.best_trial)
    study.optimize(pruned, n_trials=1)
    assert outcome(lambda: study.best_trial) == message
    assert study.get_trials(states=[optuna.trial.TrialState.COMPLETE]) == []
    study.optimize(lambda trial: 1.0, n_trials=1)
    assert study.best_trial.value == 1
    return message


def c48() -> str:
    """suggest_categorical with other choices than in earlier trials of the study."""

    def objective(name, *choices):
        return lambda trial: float(trial.suggest_categorical(name, choices))

    study = optuna.create_study()
    study.optimize(objective("units", 16, 32), n_trials=1)
    message = outcome(study.optimize, objective("units", 16, 32, 64), n_trials=1)
    study.optimize(objective("more_units", 16, 32, 64), n_trials=1)
    optuna.create_study().optimize(objective("units", 16, 32, 64), n_trials=1)
    return message
