"""What the book prints and what it does today, one proof for each known difference, A1 to B21.

A proof runs the printed form and returns what happened: of an error or a warning "Class: message",
else what was measured. It asserts itself that the corrected form works, with the builders of the
numbered scripts where those have it. The texts are promised to readers by the tables "As printed,
and today" of the READMEs, which `test_errata.py` holds against the proofs.

A1 to A18 were wrong in 2017, B1 to B21 broke since. The printed forms write into the working
directory, as the book does: a proof is to be run in an empty one.
"""

import io
import itertools
import logging
import re
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from keras import Input, Model, applications, layers
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from keras.src.utils import model_visualization
from werkzeug.test import Client

import ch0701_functional_api as functional_api
import ch0702_tensor_board as tensor_board
import ch0703_ensembling as ensembling
from ch07 import board, diagram, probes, rules, scores, synthetic, training

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
        call(*args, **kwargs)
    return "\n".join(f"{one.category.__name__}: {one.message}" for one in caught)


def run(code: str, **names) -> None:
    """Run lines as they are printed, with nothing defined but `names`."""
    exec(code, names)


def small(metrics=None, optimizer="rmsprop", **names) -> keras.Model:
    """A classifier of VECTORS, compiled. names: `name` of the model, `layer` of its layer."""
    vector = Input((4,), name="vector")
    label = layers.Dense(1, activation="sigmoid", name=names.pop("layer", "label"))(vector)
    model = Model(vector, label, **names)
    model.compile(optimizer, "binary_crossentropy", metrics=metrics)
    return model


def fit(model, *callbacks, inputs=VECTORS, targets=LABELS, **options) -> dict[str, list[float]]:
    """The history of a training; without `options` of one epoch."""
    return model.fit(inputs, targets, verbose=0, callbacks=list(callbacks), **options).history


def standing_still() -> keras.Model:
    """A classifier that no training changes: its rate is 0, so no epoch improves anything."""
    return small(["acc"], keras.optimizers.SGD(0.0))


def logged(callback) -> Client:
    """TensorBoard on ./my_log_dir, where a training with `callback` has just been logged."""
    words = Input((6,), dtype="int32", name="words")
    x = layers.Embedding(5, 4, name="embed")(words)
    x = layers.GlobalMaxPooling1D(name="pool")(x)
    model = Model(words, layers.Dense(1, activation="sigmoid", name="sentiment")(x), name="reviews")
    model.compile("rmsprop", "binary_crossentropy", metrics=["acc"])
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

    def train(seeds, epochs, last=None, from_logits=False):
        model = tensor_board.build_text_classifier(200, 41, last_activation=last)
        loss = keras.losses.BinaryCrossentropy(from_logits)
        told = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0 if from_logits else 0.5)
        model.compile("rmsprop", loss, metrics=[told])
        rewind = training.rewinder(model, seed=0)
        for seed in seeds:
            rewind()
            keras.utils.set_random_seed(seed)
            model.set_weights(tensor_board.build_text_classifier(200, 41).get_weights())
            yield seed, fit(model, inputs=words, targets=good, epochs=epochs)

    printed = {seed: history["loss"] for seed, history in train(range(10), epochs=2)}
    dead = [seed for seed, losses in printed.items() if losses[0] == losses[1] > 1]
    for cure in ({"last": "sigmoid"}, {"from_logits": True}):  # from the same weights
        for _, history in train(dead[:2], epochs=10, **cure):
            assert history["accuracy"][-1] > 0.9
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
    model = functional_api.build_functional()
    model.compile("rmsprop", "categorical_crossentropy")
    rewind = training.rewinder(model, seed=0)
    x_train, y_train = np.random.random((1000, 64)), np.random.random((1000, 10))
    options = {"epochs": 10, "batch_size": 128}
    printed = fit(model, inputs=x_train, targets=y_train, **options)["loss"]
    rewind()
    samples = synthetic.vector_classes(0)
    inputs, targets = samples.train["vector"], samples.train_targets
    fixed = fit(model, inputs=inputs, targets=targets, **options)["loss"]
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
    losses, moved, reached = {}, {}, {}
    for arm, symmetric in {"printed": False, "fixed": True}.items():
        model = functional_api.build_siamese_lstm(symmetric=symmetric, length=3)
        model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
        same = (left == right)[:, None].astype("float32")
        losses[arm] = min(fit(model, inputs=pairs, targets=same, **options)["loss"])
        told = model(pairs).numpy()
        moved[arm] = np.abs(told - model(pairs[::-1]).numpy()).max()
        reached[arm] = scores.accuracy(told, same)
    assert losses["fixed"] < 0.1
    assert reached["fixed"] == 1
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
    """Section 7.1.6 prints right_input = xception_base(right_input), and no Model."""

    def printed():
        xception_base = applications.Xception(weights=None, include_top=False)
        left_input = Input((250, 250, 3))
        right_input = Input((250, 250, 3))
        left_features = xception_base(left_input)
        right_input = xception_base(right_input)
        merged_features = layers.concatenate([left_features, right_input], axis=-1)
        Model([left_input, right_input], merged_features)

    fixed = functional_api.build_siamese_xception()
    assert fixed.count_params() == 20_861_480
    assert fixed.output.shape == (None, 8, 8, 4096)
    return outcome(printed)


def a13() -> str:
    """Section 7.2.1 prints monitor='acc', with the comment that it is the validation accuracy."""
    # To learn that all are ones is right of all samples, and wrong of all validation samples.
    vectors, ones, zeros = np.ones((32, 4)), np.ones((32, 1)), np.zeros((32, 1))
    data = {"inputs": vectors, "targets": ones, "validation_data": (vectors, zeros), "epochs": 5}
    stopper = EarlyStopping(monitor="acc", patience=1)
    history = fit(small(["acc"], keras.optimizers.SGD(10.0)), stopper, **data)
    assert stopper.best == max(history["acc"])
    fixed, checkpoint = tensor_board.build_callbacks_list("my_model.keras")
    model = small(["accuracy"], keras.optimizers.SGD(10.0))
    assert fixed.monitor == "val_accuracy"
    assert fit(model, fixed, checkpoint, **data)["val_accuracy"] == [0, 0, 0]
    assert fixed.best == 0
    return f"best: acc {stopper.best}, val_acc {max(history['val_acc'])}"


def a14() -> str:
    """Section 7.2.1 prints "more than one epoch (that is, two epochs)" for patience=1."""
    stopper = EarlyStopping(monitor="acc", patience=1, verbose=1)
    with redirect_stdout(io.StringIO()) as told:
        printed = fit(standing_still(), stopper, epochs=10)["acc"]
    stopper, _ = tensor_board.build_callbacks_list("my_model.keras", "acc")
    assert rules.waited(fit(standing_still(), stopper, epochs=10)["acc"]) == 2
    assert rules.waited(printed) == len(printed) - 1
    return f"{told.getvalue()}\nwaited for {rules.waited(printed)} epoch"


def a15() -> str:
    """Section 7.2.1 prints ReduceLROnPlateau(patience=10) for a training of 10 epochs."""
    rates = {}
    for name, callback in {
        "printed": ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=10),
        "fixed": tensor_board.build_learning_rate_callback(),
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
    assert set(probes.logged_activations(Path())) == {"vector", "label"}
    return outcome(printed, np.ones((1, 4)))


def a17() -> str:
    """Section 7.3.1 prints np.mean(data, axis=...) and np.std(data, axis=...)."""
    normalized = ensembling.normalize(VECTORS)
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.std(axis=0), 1, atol=1e-6)
    return f"{outcome(np.mean, VECTORS, axis=...)}\n{outcome(np.std, VECTORS, axis=...)}"


def a18() -> str:
    """Listings 7.6, the callbacks and the ensembles use names that nothing has defined."""
    posts = synthetic.posts(0, train=64, test=10)
    profile = functional_api.build_profile_model(posts.vocabulary_size, 10, 8)
    profile.compile("rmsprop", functional_api.LOSSES, run_eagerly=True)
    fit(profile, inputs=posts.train["posts"], targets=posts.train_targets)
    model, data = tensor_board.prepare_to_overfit(0)
    model.fit(**data, epochs=1)
    sequences = np.zeros((3, 24, 4))
    preds = [member(sequences) for member in ensembling.build_families().values()]
    assert ensembling.average(*preds).shape == ensembling.weighted_average(*preds).shape == (3, 1)
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
    stack.compile("rmsprop", "mse")
    validated = {"validation_data": (VECTORS, LABELS)}
    faults = [
        outcome(fit, stack if mended < 2 else functional(), ActivationLogger(mended), **validated)
        for mended in range(6)
    ]
    assert faults.pop() == "no error"
    assert "no error" not in faults
    fit(functional(), tensor_board.ActivationLogger(VECTORS[:1], Path()))
    assert len(probes.logged_activations(Path())) == 3
    # An Input is not enough for model.input of a Sequential; model.inputs it has.
    stack = keras.Sequential([Input((4,)), layers.Dense(1)])
    assert outcome(getattr, stack, "input") != "no error"
    assert len(stack.inputs) == 1
    return "\n".join(f"{n}. {fault}" for n, fault in enumerate(faults, start=1))


def functional() -> keras.Model:
    """The stack of `b1` with the functional API."""
    vector = Input((4,))
    model = Model(vector, layers.Dense(1)(layers.Dense(3, activation="relu")(vector)))
    model.compile("rmsprop", "mse")
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
    # What the page shows when it is told of no run.
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
    printed = EarlyStopping(monitor="acc", patience=1)
    accuracy = {"validation_data": (VECTORS, LABELS)}
    fixed = tensor_board.build_callbacks_list("my_model.keras")
    assert "val_accuracy" in fit(small(["accuracy"]), *fixed, **accuracy)
    return outcome(fit, small(["accuracy"]), printed, **accuracy)


def b9() -> str:
    """Section 7.2.1 prints ModelCheckpoint(filepath='my_model.h5'); readers leave out the ending.

    The warning is a line of the log, not a warning of Python.
    """
    best = {"monitor": "val_loss", "save_best_only": True}
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(f"{record.levelname}:absl:{record.getMessage()}")
    logging.getLogger("absl").addHandler(handler)
    validated = {"validation_data": (VECTORS, LABELS)}
    try:
        fit(small(), ModelCheckpoint(filepath="my_model.h5", **best), **validated)
    finally:
        logging.getLogger("absl").removeHandler(handler)
    _, checkpoint = tensor_board.build_callbacks_list("my_model.keras")
    model = small(["accuracy"])
    fit(model, checkpoint, **validated)
    reloaded = keras.saving.load_model("my_model.keras")
    assert (reloaded(VECTORS).numpy() == model(VECTORS).numpy()).all()
    weights = ModelCheckpoint("my.weights.h5", save_weights_only=True, **best)
    fit(model, weights, **validated)
    assert Path("my.weights.h5").exists()
    return "\n".join([*told, outcome(ModelCheckpoint, filepath="my_model", **best)])


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


PROFILES = {"age": LABELS * 30.0, "income": np.eye(10)[np.arange(32) % 10], "gender": LABELS}


def b11() -> str:
    """Readers write metrics=['acc'] for the model of listing 7.3, which has three outputs."""
    targets = list(PROFILES.values())
    for metrics in ({"income": "acc", "gender": "acc"}, [[], ["acc"], ["acc"]]):
        history = fit(profile(functional_api.LOSSES, metrics=metrics), targets=targets)
        assert {"income_acc", "gender_acc"} <= set(history)
    return outcome(fit, profile(functional_api.LOSSES, metrics=["acc"]), targets=targets)


def b12() -> str:
    """Listings 7.4 to 7.6 print losses, weights and targets as lists or as dicts by name.

    Keras sorts the names of a dict of weights by the alphabet, and gives the weights in that order
    to losses that are a list: here the 10 of the gender to the income.
    """
    lists_and_dicts = {"list": lambda named: list(named.values()), "dict": dict}
    losses = {}
    for forms in itertools.product(lists_and_dicts, repeat=3):
        of_losses, of_weights, of_targets = (lists_and_dicts[form] for form in forms)
        weights = of_weights(functional_api.PRINTED_WEIGHTS)
        model = profile(of_losses(functional_api.LOSSES), weights)
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


def b14() -> str:
    """Readers name models and layers in Chinese, with spaces or with brackets.

    The failed training leaves the name behind, and the optimizer of the next model puts it before
    its own: that training fails too, until the session is cleared.
    """
    told = []
    try:
        # In Chinese: "text". The source of the tests is in ASCII.
        for name in ("\u6587\u672c", "text classifier", "text(1)"):
            told.append(outcome(fit, small(name=name)))
            assert "no error" not in [outcome(fit, small()), told[-1]]
            keras.utils.clear_session()
            assert outcome(fit, small()) == "no error"
            told.append(outcome(fit, small(layer=name)))
            assert told[-1] != "no error"
            keras.utils.clear_session()
    finally:
        keras.utils.clear_session()
    assert outcome(fit, small(name="text_classifier", layer="text_1")) == "no error"
    return "\n".join(told)


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

    told = []
    model = tensor_board.build_text_classifier(50, 50)
    for found in (None, Pydot):
        with mock.patch.object(model_visualization, "pydot", found):
            told.append(outcome(keras.utils.plot_model, model, to_file="model.png"))
            drawn = diagram.draw(model, "text_classifier")
            drawn.savefig("diagram.png")
    assert Path("diagram.png").stat().st_size > 1000
    assert not Path("model.png").exists()
    return "\n".join(told)


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
    history = fit(small(), tensor_board.build_learning_rate_callback(), **validated)
    assert len(history["learning_rate"]) == 2
    return outcome(lambda: history["lr"])


def b19() -> str:
    """Section 7.3.2 names Hyperas, which does this import."""
    model = small()
    assert keras.models.model_from_json(model.to_json()).count_params() == 5
    assert ensembling.section.parser().parse_args(["--engine", "hyperopt"]).engine == "hyperopt"
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
