"""What readers of the chapter write, a cell (`# %%`) for each row of docs/errata.md.

Rows of few lines share the first cell, each line with its number. test_errata.py runs a row,
statement by statement: what that shows, errors and warnings too, is what the row promises. "now" is
the cure, where no other test has it, and has to work. Not to be imported: most of it fails.
"""
# ruff: noqa: B018, E402, F401, F811, F821, I001, PTH123, SIM115

import itertools
import json
import re
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

import h5py
import keras
import numpy as np
import optuna
import pytest
import tensorflow as tf
from keras import Input, Model, layers
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from keras.optimizers import SGD
from keras.saving import load_model
from keras.src.utils import model_visualization
from models import subclassed
from werkzeug.test import Client

import ch0701_functional_api as functional_api
import ch0702_tensor_board as tensor_board
from ch07 import board, calls, draw, metrics, tuning

with warnings.catch_warnings():
    # A library that TensorBoard brings along warns of itself.
    warnings.filterwarnings("ignore", "html5lib's sanitizer", DeprecationWarning)
    from tensorboard import program
    from tensorboard.backend import application
    from tensorboard.backend.event_processing.data_ingester import LocalDataIngester
    from tensorboard.plugins.core.core_plugin import CorePluginLoader
    from tensorboard.plugins.graph.graphs_plugin import GraphsPlugin
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin

VECTORS = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
LABELS = np.arange(32)[:, None] % 2
VALIDATED = {"validation_data": (VECTORS, LABELS)}
LOSSES = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
PROFILES = {"age": LABELS * 30.0, "income": np.eye(10)[np.arange(32) % 10], "gender": LABELS}
vector = Input((4,), name="vector")


def outcome(call, *args, **kwargs) -> str:
    """ "Class: message" of the error that a call ends in; "no error" if it does not."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def compiled(inputs, outputs, loss="mse", optimizer="sgd", metrics=None, name=None) -> Model:
    model = Model(inputs, outputs, name=name)
    model.compile(optimizer, loss, metrics=metrics, run_eagerly=True)
    return model


def small(metrics=None, optimizer="sgd", loss="binary_crossentropy", units=1, **names) -> Model:
    """A classifier of VECTORS, compiled. names: `name` of the model, `layer` of its layer."""
    activation = "sigmoid" if units == 1 else "softmax"
    label = layers.Dense(units, activation, name=names.pop("layer", "label"))(vector)
    return compiled(vector, label, loss, optimizer, metrics, **names)


def stack(name=None) -> Model:
    """A Sequential model of VECTORS."""
    return keras.Sequential([Input((4,)), layers.Dense(1)], name=name)


def two_inputs(name=None) -> Model:
    """Listing 7.1 in small: two inputs, with names, compiled."""
    text, question = Input((4,), name="text"), Input((4,), name="question")
    both = layers.concatenate([text, question])
    return compiled([text, question], layers.Dense(1)(both), name=name)


def cloned(model, kind, **changed) -> Model:
    """A copy of `model`, in which the layers of a `kind` have other options."""

    def clone(layer):
        config = layer.get_config()
        return layer.from_config(config | changed if isinstance(layer, kind) else config)

    return keras.models.clone_model(model, clone_function=clone)


def fit(model, *callbacks, inputs=VECTORS, targets=LABELS, **options) -> dict[str, list[float]]:
    """The history of a training; without `options` of one epoch."""
    return model.fit(inputs, targets, verbose=0, callbacks=list(callbacks), **options).history


def logged(callback) -> Client:
    """TensorBoard on ./my_log_dir, where a training with `callback` has just been logged."""
    words = Input((6,), dtype="int32", name="words")
    x = layers.Embedding(5, 4, name="embed")(words)
    x = layers.GlobalMaxPooling1D(name="pool")(x)
    model = compiled(words, layers.Dense(1, activation="sigmoid", name="sentiment")(x))
    fit(model, callback, inputs=np.arange(192).reshape(32, 6) % 5)
    return serve(Path("my_log_dir"))


def serve(log_dir: Path) -> Client:
    """What answers the pages of TensorBoard, without a port: two of its plugins."""
    server = program.TensorBoard(plugins=[CorePluginLoader, GraphsPlugin, ProjectorPlugin])
    server.configure(argv=["", "--logdir", str(log_dir), "--load_fast", "false"])
    ingester = LocalDataIngester(server.flags)
    ingester.deprecated_multiplexer.AddRunsFromDirectory(str(log_dir))
    ingester.deprecated_multiplexer.Reload()
    parts = server.plugin_loaders, ingester.data_provider, server.assets_zip_provider
    app = application.TensorBoardWSGIApp(server.flags, *parts, ingester.deprecated_multiplexer)
    return Client(app)


# %% Rows of few lines
model = functional_api.build_question_answering(10_000)  # A2
model = cloned(model, layers.Embedding, input_dim=64, output_dim=10_000)  # A2
model.compile("rmsprop", "sparse_categorical_crossentropy")  # A2
fit(model, inputs=[np.full((32, 3), 9_999)] * 2)  # A2
model = functional_api.build_profile_model()  # A3
model = cloned(model, layers.Embedding, input_dim=256, output_dim=50_000)  # A3
print(f"Total params: {model.count_params():,}")  # A3
model(np.full((1, 300), 49_999))  # A3
model = functional_api.build_profile_model(50, 10, 8)  # A4
model = cloned(model, (layers.Conv1D, layers.MaxPooling1D), padding="valid")  # A4
model.compile("rmsprop", "mse")  # A4
fit(model, inputs=np.ones((32, 100)))  # A4
fit(model, inputs=np.ones((32, 268)))  # A4
assert np.isfinite(model.predict(np.ones((1, 269)), verbose=0)[0]).all()  # A4 now
model = functional_api.build_question_answering(100, 100)  # A5
model.compile("rmsprop", "categorical_crossentropy", run_eagerly=True)  # A5
words, answers = np.ones((32, 5)), np.random.randint(0, 1, size=(32, 500))  # A5
print("loss:", *fit(model, inputs=[words, words], targets=answers)["loss"])  # A5
model = functional_api.build_functional()  # A6
model.compile("rmsprop", "categorical_crossentropy")  # A6
x_train, y_train = np.random.random((1000, 64)), np.random.random((1000, 10))  # A6
loss = fit(model, inputs=x_train, targets=y_train, epochs=10, batch_size=128)["loss"]  # A6
rises = "rises" if (np.diff(loss) > 0).all() else "does not always rise"  # A6
print(f"a row sums to {y_train.sum(axis=1).mean():.1f}, and the loss {rises}")  # A6
module = functional_api.build_inception_module()  # A7
cloned(module, (layers.Conv2D, layers.AveragePooling2D), padding="valid")  # A7
functional_api.build_identity_residual_block((32, 32, 3))  # A8
print("one channel:", outcome(functional_api.build_identity_residual_block, (32, 32, 1)))  # A8
for size in (32, 33):  # one that is odd
    block = functional_api.build_linear_residual_block((size, size, 3))
    cloned(block, layers.MaxPooling2D, padding="valid")  # A9
assert size == 33  # A9 now
functional_api.build_siamese_lstm(length=3).fit(list(np.zeros((2, 8, 3, 128))), LABELS[:8])  # A11
still = small(["acc"], SGD(0.0))  # A14
stopper = EarlyStopping(monitor="acc", patience=1, verbose=1)  # A14
print(f"waited for {len(fit(still, stopper, epochs=10)['acc']) - 1} epoch")  # A14
f = open("activations_at_epoch_0.npz", "w")  # A16
np.savez(f, np.ones((1, 4)))  # A16
f.close()  # A16 now
np.mean(VECTORS, axis=...)  # A17
np.std(VECTORS, axis=...)  # A17
small().fit(posts, [age_targets, income_targets, gender_targets], epochs=10)  # A18
small().fit(x, y, epochs=10, batch_size=32, validation_data=(x_val, y_val))  # A18
preds_a = model_a.predict(x_val)  # A18
model = keras.models.Sequential()  # B2
model.add(layers.Embedding(2000, 128, input_length=500, name="embed"))  # B2
model.add(layers.Conv1D(32, 7, activation="relu"))  # B2
model.add(layers.GlobalMaxPooling1D())  # B2
model.summary(print_fn=lambda line, **kwargs: print(line))  # B2
TensorBoard("my_log_dir", embeddings_data=VECTORS)  # B6
TensorBoard("my_log_dir", embeddings_layer_names=["embed"])  # B6
TensorBoard("my_log_dir", write_grads=True)  # B6
TensorBoard("my_log_dir", batch_size=32)  # B6
keras.optimizers.rmsprop  # B7
keras.optimizers.RMSprop(lr=0.001)  # B7
fit(small(["accuracy"]), EarlyStopping(monitor="acc", patience=1), **VALIDATED)  # B8
best = {"monitor": "val_loss", "save_best_only": True}  # B9
fit(small(), ModelCheckpoint(filepath="my_model.h5", **best), **VALIDATED)  # B9
ModelCheckpoint(filepath="my_model", **best)  # B9
model = small(["accuracy"])  # B9 now
fit(model, ModelCheckpoint("my_model.keras", **best), **VALIDATED)  # B9 now
assert (load_model("my_model.keras")(VECTORS).numpy() == model(VECTORS).numpy()).all()  # B9 now
fit(model, ModelCheckpoint("my.weights.h5", save_weights_only=True, **best), **VALIDATED)  # B9 now
assert Path("my.weights.h5").exists()  # B9 now
input_tensor, unrelated_input = Input(shape=(64,)), Input(shape=(32,))  # B10
x = layers.Dense(32, activation="relu")(input_tensor)  # B10
Model(unrelated_input, layers.Dense(10, activation="softmax")(x))  # B10
model = functional_api.build_profile_model(50, 10, 8)  # B11
options = {"inputs": np.zeros((32, 20)), "targets": list(PROFILES.values())}  # B11
model.compile("rmsprop", LOSSES, metrics=["acc"])  # B11
fit(model, **options)  # B11
for right in ({"income": "acc", "gender": "acc"}, [[], ["acc"], ["acc"]]):
    model.compile("rmsprop", LOSSES, metrics=right, run_eagerly=True)
    assert {"income_acc", "gender_acc"} <= set(fit(model, **options))  # B11 now
model = functional_api.build_question_answering(50, 50, 2)  # B13
model.compile("rmsprop", "sparse_categorical_crossentropy", run_eagerly=True)  # B13
fit(model, inputs=dict.fromkeys(("text", "qestion"), np.zeros((32, 5), "int32")))  # B13
fit(small(), use_multiprocessing=True)  # B15
fit(small(), workers=2)  # B15
fit(small(), nb_epoch=2)  # B15
small().fit_generator  # B15
Model(input=Input((4,)), output=vector)  # B15
model = tensor_board.build_text_classifier(50, 50)  # B16
without_graphviz = mock.Mock(PydotException=RuntimeError)  # B16
without_graphviz.Dot.create.side_effect = FileNotFoundError("dot")  # B16
for pydot in (None, without_graphviz):
    with mock.patch.object(model_visualization, "pydot", pydot):
        print(outcome(keras.utils.plot_model, model, to_file="model.png"))
        draw.draw(model).savefig("diagram.png")  # B16
assert not Path("model.png").exists()  # B16 now
assert Path("diagram.png").exists()  # B16 now
fit(small(), ReduceLROnPlateau(monitor="val_loss", patience=2), **VALIDATED)["lr"]  # B18
layers.Dense(32, activation="relu", input_shape=(64,))  # B20
layers.BatchRenormalization  # B21
layers.BatchNormalization(renorm=True)(VECTORS, training=True)  # B21 now
text, question = Input((4,), name="text"), Input((4,), name="question")  # C2
both = layers.Dense(1)(layers.concatenate([text, question]))  # C2
Model(text, both)  # C2
Model(layers.Dense(4)(text), layers.Dense(1)(text))  # C2
Model(Input((4,)), stack().outputs[0])  # C2
Model([text, question], both)  # C2 now
own = subclassed().model  # C3
own(VECTORS)  # C3
keras.Sequential([layers.Dense(1, name="score")]).layers[0].output  # C3
stack(name="stack").input  # C3
own.layers[0].output  # C3
assert len(stack().inputs) == 1  # C3 now
tf.reduce_mean(vector, axis=1)  # C4
np.mean(vector)  # C5
Model(vector, keras.ops.mean(vector, axis=1)).predict(VECTORS, verbose=0)  # C5 now
score = layers.Dense(1)(vector)  # C6
print(outcome(keras.Sequential, [score]).replace(score.name, "keras_tensor"))  # C6
keras.Sequential([layers.Flatten])  # C6
layers.add(vector, vector)  # C7
layers.concatenate(vector)  # C7
layers.LSTM(2, name="second")(Input((3,)))  # C8
layers.LSTM(2, name="second")(layers.LSTM(3)(Input((5, 4))))  # C8
layers.LSTM(2)(layers.Reshape((4, 1))(vector))  # C8 now
layers.LSTM(2)(layers.LSTM(3, return_sequences=True)(Input((5, 4))))  # C8 now
layers.Dense(2, name="class")(layers.Flatten()(Input((None, 3))))  # C9
layers.Dense(2)(layers.GlobalAveragePooling1D()(Input((None, 3))))  # C9 now
layers.Dense(2)(layers.Flatten()(Input((5, 3))))  # C9 now
layers.Lambda(lambda x: x.numpy() * 2)(vector)  # C10
layers.Lambda(lambda x: keras.ops.square(x) * 2)(vector)  # C10 now
layers.Lambda(lambda x: x.numpy() * 2, output_shape=(4,))(vector)  # C10 now
fit(two_inputs(name="two_inputs"))  # C11
fit(small(name="one_input"), inputs=[VECTORS, VECTORS])  # C11
options = {"targets": None, "shuffle": False, "steps_per_epoch": 1}  # C12
fit(two_inputs(), inputs=(([VECTORS, VECTORS], LABELS) for _ in range(2)), **options)  # C12
fit(two_inputs(), inputs=(((VECTORS, VECTORS), LABELS) for _ in range(2)), **options)  # C12 now
named = {"text": VECTORS, "question": VECTORS}  # C12 now
fit(two_inputs(), inputs=((named, LABELS) for _ in range(2)), **options)  # C12 now
fit(small(), inputs=[[0.5, 1.0, 1.5, 2.0]], targets=[[1.0]])  # C13
fit(small(), inputs=np.array([[1, 14, 22], [1, 194]], dtype=object), targets=LABELS[:2])  # C14
keras.utils.pad_sequences(np.array([[1, 14, 22], [1, 194]], dtype=object), 500)  # C14 now
fit(small(), targets=LABELS[:10])  # C15
fit(small(loss="categorical_crossentropy", units=10))  # C16
fit(small(), targets=np.eye(2)[LABELS[:, 0]])  # C16
words = Input((3,))  # C17
model = compiled(words, layers.Flatten()(layers.Embedding(2000, 2)(words)))  # C17
sparse = small(loss="sparse_categorical_crossentropy", units=10)  # C17
fit(model, inputs=np.full((32, 3), 2000), targets=np.zeros((32, 6)))  # C17
fit(sparse, targets=np.full((32, 1), 10))  # C17
fit(model, inputs=np.full((32, 3), 1999), targets=np.zeros((32, 6)))  # C17 now
fit(sparse, targets=np.full((32, 1), 9))  # C17 now
batches = tf.data.Dataset.from_tensor_slices((VECTORS, LABELS)).batch(8)  # C18
options = {"targets": None, "shuffle": False}  # C18
fit(small(), inputs=batches, validation_split=0.2, **options)  # C18
fit(small(), inputs=batches.skip(1), validation_data=batches.take(1), **options)  # C18 now
wrong = {"age": "mse", "incom": "mse"}  # C20
heads = {name: layers.Dense(1, name=name)(vector) for name in ("age", "income")}  # C20
fit(compiled(vector, list(heads.values()), wrong), targets=[LABELS, LABELS])  # C20
fit(compiled(vector, heads, wrong), targets=dict.fromkeys(heads, LABELS))  # C20
fit(compiled(vector, list(heads.values()), ["mse"] * 3), targets=[LABELS, LABELS])  # C20
model = compiled(vector, [layers.Dense(1)(vector), layers.Dense(1)(vector)])  # C21
fit(model, targets=[LABELS, LABELS], class_weight={0: 1.0, 1: 2.0})  # C21
fit(model, targets=[LABELS, LABELS], sample_weight=[np.ones(32), np.arange(32)])  # C21 now
adam = keras.optimizers.Adam()  # C22
fit(small(optimizer=adam))  # C22
fit(small(optimizer=adam))  # C22
schedule = keras.optimizers.schedules.ExponentialDecay(1e-12, 10, 0.9)  # C23
scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)  # C23
fit(small(optimizer=SGD(schedule)), scheduler)  # C23
fit(small(optimizer=SGD(schedule)), ReduceLROnPlateau("loss", patience=1), epochs=3)  # C23
checkpoint = ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True)  # C24
waiting = [checkpoint, EarlyStopping("val_loss"), ReduceLROnPlateau("val_loss")]  # C24
fit(small(), *waiting)  # C24
assert Path("best.keras").exists()  # C24 now
fit(small(), *waiting, **VALIDATED)  # C24 now
with pytest.warns(UserWarning, match="val_loss available"):
    fit(small(), checkpoint, validation_freq=2, epochs=2, **VALIDATED)  # C24 now
ModelCheckpoint("my_weights.h5", save_weights_only=True)  # C25
ModelCheckpoint("my_model.keras", period=2)  # C26
fit(small(), ModelCheckpoint("{epoch}.keras", save_freq=2 * 1), epochs=4)  # C26 now
assert sorted(Path().glob("?.keras")) == [Path("2.keras"), Path("4.keras")]  # C26 now
fit(small(), keras.callbacks.TerminateOnNaN)  # C27
unbuilt = keras.Sequential([layers.Dense(1)], name="stack")  # C28
unbuilt.compile("sgd", "mse")  # C28
fit(unbuilt, keras.callbacks.BackupAndRestore("backup"))  # C28
fit(small(), keras.callbacks.BackupAndRestore("backup"))  # C28 now
fit(small(["accuracy"]))["acc"]  # C30
fit(small(["accuracy"]), **VALIDATED)["val_acc"]  # C30
fit(small(["accuracy"]), **VALIDATED)["val_accuracy"]  # C30 now
keras.Sequential([Input((4,)), layers.Lambda(lambda x: 2 * x)]).save("own.keras")  # C31
load_model("own.keras")  # C31
load_model("own.keras", safe_mode=False)(VECTORS)  # C31 now
model = small(["mae"], loss="mse")  # C33
fit(model)  # C33
model.save("my_model.h5")  # C33
load_model("my_model.h5")  # C33
load_model("my_model.h5", compile=False)(VECTORS)  # C33 now
model = functional_api.build_siamese_lstm(length=3)  # C34
model.save("siamese.h5")  # C34
load_model("siamese.h5")  # C34
model.save("siamese.keras")  # C34 now
pair = [np.zeros((1, 3, 128)), np.ones((1, 3, 128))]  # C34 now
assert (load_model("siamese.keras")(pair).numpy() == model(pair).numpy()).all()  # C34 now
steps = Input((5, 2))  # C35
Model(steps, layers.LSTM(2)(steps)).save("old.h5")  # C35
with h5py.File("old.h5", "r+") as file:
    config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][1]["config"]["time_major"] = False
    file.attrs["model_config"] = json.dumps(config)  # C35
load_model("old.h5")  # C35
layers.LSTM(2, batch_input_shape=(1, 5, 2), stateful=True)  # C36
model = keras.Sequential([Input(batch_shape=(1, 5, 2)), layers.LSTM(2, stateful=True)])  # C37
model.reset_states  # C37
model.predict_classes  # C37
model(np.ones((1, 5, 2)))  # C37 now
assert model.layers[0].states[0].numpy().any()  # C37 now
model.layers[0].reset_state()  # C37 now
assert not model.layers[0].states[0].numpy().any()  # C37 now
small().predict(VECTORS, verbose=0).argmax(axis=-1)  # C37 now
small().export("saved_model", verbose=False)  # C38
load_model("saved_model")  # C38
layers.TFSMLayer("saved_model", call_endpoint="serve")(VECTORS)  # C38 now
stack().save("my_model")  # C39
layer, other = layers.Dense(3, name="shared"), Input((4,))  # C40
model = Model([vector, other], [layer(vector), layer(other)])  # C40
layer.output_shape  # C40
layer.input_shape  # C40
layer.get_output_at(1)  # C40
assert layer.output.shape == (None, 3)  # C40 now
called = calls.activations(model, [VECTORS, VECTORS])  # C40 now
assert {*called} == {"shared_call_1", "shared_call_2"}  # C40 now
keras.backend.function  # C41
keras.backend.mean  # C41
fit(small(loss=lambda true, predicted: keras.ops.mean(keras.ops.abs(true - predicted))))  # C41 now
logged(board.TensorBoard("my_log_dir"))  # C42
pages = serve(Path("elsewhere/my_log_dir"))  # C42
print(*re.findall(r"No dashboards are active for the [\w ]+\.", pages.get("/index.js").text))  # C42
assert pages.get("/data/runs").get_json() == []  # C42 now
command = [sys.executable, "-m", "tensorboard"]  # C44
print(subprocess.run(command, capture_output=True, text=True).stderr)  # C44
with mock.patch.object(board.shutil, "which", return_value=None):
    assert "python -m tensorboard.main --logdir" in board.invitation("my_log_dir")  # C44 now
with mock.patch.dict(sys.modules, {"tensorboard.summary.v2": None}):
    fit(small(), TensorBoard("my_log_dir"))  # C45
optuna.integration.KerasPruningCallback  # C46
study = optuna.create_study()  # C47
study.best_trial  # C47
study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))  # C47
study.best_trial  # C47
assert study.get_trials(states=[optuna.trial.TrialState.COMPLETE]) == []  # C47 now
study, two, three = optuna.create_study(), [16, 32], [16, 32, 64]  # C48
study.optimize(lambda trial: trial.suggest_categorical("units", two), n_trials=1)  # C48
study.optimize(lambda trial: trial.suggest_categorical("units", three), n_trials=1)  # C48
study.optimize(lambda trial: trial.suggest_categorical("more", three), n_trials=1)  # C48 now
from keras.losses import mse  # B7
from keras.layers.merge import add  # B17
from keras.layers.core import Dense  # B17
from keras.layers.normalization import BatchNormalization  # B17
from keras.engine.topology import Layer  # B17
from keras.utils import np_utils  # B17
from keras.preprocessing.text import Tokenizer  # B17
from keras.wrappers.scikit_learn import KerasClassifier  # B17
from keras.layers import BatchNormalization, Dense, Layer, TextVectorization, add  # B17 now
from keras.utils import pad_sequences, to_categorical  # B17 now
from keras.wrappers import SKLearnClassifier  # B17 now
from keras.models import model_from_yaml  # B19

# %% A1
rng, good = np.random.default_rng(0), np.arange(128) % 2
words = rng.integers(50, 200, (128, 41))
words[:, :6] = rng.integers(0, 25, (128, 6)) + 25 * good[:, None]  # six words tell


def train(seed, epochs, last=None, from_logits=False):
    keras.utils.set_random_seed(seed)
    model = tensor_board.build_text_classifier(200, 41, last=last)
    right = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0 if from_logits else 0.5)
    loss = keras.losses.BinaryCrossentropy(from_logits)
    model.compile("rmsprop", loss, metrics=[right], run_eagerly=True)
    return fit(model, inputs=words, targets=good, epochs=epochs)


printed = {seed: train(seed, epochs=2)["loss"] for seed in (2, 3)}  # 0 and 1 learn
dead = [seed for seed, losses in printed.items() if losses[0] == losses[1] > 1]
print(f"loss: {printed[dead[0]][-1]:.3f}")
for cure in ({"last": "sigmoid"}, {"from_logits": True}):  # from the same weights
    assert train(dead[0], epochs=10, **cure)["accuracy"][-1] > 0.9  # A1 now

# %% A10
# Dense(1) adds up one number for the left sentence and one for the right: it says as much "same"
# for two equal sentences as it takes away for two different ones.
sentences = np.random.default_rng(0).standard_normal((8, 3, 128)).astype("float32")
left, right = np.divmod(np.arange(64), 8)
often = np.where(left == right, 7, 1)
left, right = np.repeat(left, often), np.repeat(right, often)  # 56 equal pairs, 56 different
pairs, same = [sentences[left], sentences[right]], (left == right)[:, None].astype("float32")
fixed = functional_api.build_siamese_lstm(length=3)
encoded = layers.concatenate(fixed.get_layer("difference").input)
printed = Model(fixed.inputs, layers.Dense(1, activation="sigmoid")(encoded))
options = {"inputs": pairs, "targets": same, "batch_size": len(left), "epochs": 40}
for model in (printed, fixed):
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    loss = min(fit(model, **options)["loss"])
    moved = np.abs(model(pairs).numpy() - model(pairs[::-1]).numpy()).max()
    print(f"loss: {loss:.2f}, p(A, B) is{' not' * bool(moved)} p(B, A)")
assert loss < 0.1  # A10 now
assert moved == 0  # A10 now
assert metrics.accuracy(model(pairs).numpy(), same) == 1  # A10 now

# %% A12
# With a smaller base, since it is not the base that fails.
xception_base = keras.Sequential([Input((250, 250, 3)), layers.Conv2D(2, 3, strides=50)])
left_input, right_input = Input((250, 250, 3)), Input((250, 250, 3))
left_features = xception_base(left_input)
right_input = xception_base(right_input)
merged_features = layers.concatenate([left_features, right_input], axis=-1)
Model([left_input, right_input], merged_features)

# %% A13
# To learn that all are ones is right of all samples, and wrong of all validation samples.
ones, zeros = np.ones((32, 1)), np.zeros((32, 1))
given = {"inputs": np.ones((32, 4)), "targets": ones, "validation_data": (np.ones((32, 4)), zeros)}
stopper, model = EarlyStopping(monitor="acc", patience=1), small(["acc"], SGD(10.0))
history = fit(model, stopper, epochs=5, **given)
print(f"best: acc {stopper.best}, val_acc {max(history['val_acc'])}")

# %% A15
plateau = ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=10)
# The less it errs on the samples, the more it does on the validation samples.
given = {"targets": np.ones((32, 1)), "validation_data": (VECTORS, np.zeros((32, 1)))}
history = fit(small(optimizer=SGD(0.5)), plateau, epochs=10, **given)
rates = history["learning_rate"]
print(f"{len(set(rates))} learning rate in {len(rates)} epochs")
assert (np.diff(history["val_loss"]) > 0).all()  # A15 now


# %% B1
class ActivationLogger(keras.callbacks.Callback):
    """As printed, with the first `mended` faults mended; of the last two each is shown alone."""

    def set_model(self, model):
        if mended < 1:
            self.model = model
        super().set_model(model)
        layer_outputs = [layer.output for layer in model.layers]
        self.activations_model = keras.models.Model(model.input, layer_outputs)

    def on_epoch_end(self, epoch, logs=None):
        sample = self.validation_data[0][0:1] if mended < 3 else VECTORS[0:1]
        activations = self.activations_model.predict(sample, verbose=0)
        path = f"activations_at_epoch_{epoch}.npz"
        with open(path, "w") as f:
            np.savez(f if mended < 4 else path, *(activations if mended != 4 else [activations]))


unbuilt = keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(1)])
unbuilt.compile("rmsprop", "mse", run_eagerly=True)
for mended in range(6):
    model = unbuilt if mended < 2 else small()
    print(last := outcome(fit, model, ActivationLogger(), **VALIDATED))
assert last == "no error"  # B1 now

# %% B3
pages = logged(TensorBoard(log_dir="my_log_dir", histogram_freq=1, embeddings_freq=1))
runs = pages.get("/data/plugin/projector/runs").get_json()
# What the page shows when it hears of no run.
page = pages.get("/data/plugin/projector/projector_binary.js").text
(says,) = re.findall("<h3>(No .*?)</h3>", page)
print(f"{len(runs)} runs with embeddings: {says if not runs else ''}")

# %% B4
logged(TensorBoard(log_dir="my_log_dir", histogram_freq=1))
printed = sorted(board.histograms(Path("my_log_dir/train")))
of = {kind: sum(tag.startswith(f"{kind}/") for tag in printed) for kind in ("activations", "grad")}
print(f"{' '.join(printed)}: {of['activations']} activations, {of['grad']} gradients")
weights = "embed/embeddings", "sentiment/bias", "sentiment/kernel"  # B4 now
assert printed == [f"{of}/histogram" for of in weights]  # B4 now

# %% B5
pages = logged(TensorBoard(log_dir="my_log_dir"))
graph = pages.get("/data/plugin/graphs/graph", query_string={"run": "train"})
# What the page shows when its request for a graph fails.
(says,) = set(re.findall("Graph visualization failed", pages.get("/index.js").text))
print(says if graph.status_code != 200 else graph.status)
info = pages.get("/data/plugin/graphs/info").get_json()["train"]  # B5 now
assert info["tags"]["keras"]["conceptual_graph"]  # B5 now
assert not info["run_graph"]  # B5 now

# %% B12
posts = Input((4,))
age, income = layers.Dense(1, name="age"), layers.Dense(10, "softmax", name="income")
gender = layers.Dense(1, "sigmoid", name="gender")
model = Model(posts, [age(posts), income(posts), gender(posts)])
weights = {"age": 0.25, "income": 1.0, "gender": 10.0}
kinds, losses = {"list": lambda named: list(named.values()), "dict": dict}, {}
for forms in itertools.product(kinds, repeat=3):
    of_losses, of_weights, of_targets = (kinds[form] for form in forms)
    model.compile(SGD(0.0), of_losses(LOSSES), loss_weights=of_weights(weights))
    # On zeros: squared years, ln 10 and ln 2.
    (loss,) = fit(model, inputs=np.zeros((32, 4)), targets=of_targets(PROFILES))["loss"]
    losses[forms] = f"loss: {loss:.2f}"
right = f"loss: {0.25 * 450 + np.log(10) + 10 * np.log(2):.2f}"
wrong = {forms: loss for forms, loss in losses.items() if loss != right}
print(*set(wrong.values()), f"in {len(wrong)} of 8 forms, else {right}")
assert {forms[:2] for forms in wrong} == {("list", "dict")}  # B12 now


# %% B14
def train(**names):
    model = small(optimizer="rmsprop", **names)
    model.run_eagerly = False
    fit(model)


said = []
for name, kind in itertools.product(("\u6587\u672c", "text classifier"), ("name", "layer")):
    keras.utils.clear_session()
    said.append((outcome(train, **{kind: name}), outcome(train)))
    print(*said[-1])
keras.utils.clear_session()
# %% B14 now
assert "no error" not in [*said[0], *said[2]]  # a next model fails too
train(name="text_classifier", layer="text_1")


# %% C1
def ensemble(*members):
    return Model(vector, layers.average([of(vector) for of in members]))


stack(name="member").save("member.keras")
loaded = [load_model("member.keras") for _ in range(2)]
ensemble(*loaded)
ensemble(stack(name="member"), stack(name="member"))
loaded[1].name = "second"  # C1 now
ensemble(*loaded, stack(name="third"))  # C1 now


# %% C19
def batches(epochs=1):
    for _ in range(epochs):
        yield from ((VECTORS[at : at + 8], LABELS[at : at + 8]) for at in range(0, 32, 8))


options = {"targets": None, "epochs": 2, "shuffle": False}
fit(small(), inputs=batches(), **options)
# %% C19 now
fit(small(), inputs=batches(epochs=3), steps_per_epoch=4, **options)
samples = tf.data.Dataset.from_tensor_slices((VECTORS, LABELS)).batch(8)
fit(small(), inputs=samples, **options)
with pytest.warns(UserWarning, match="Your input ran out of data"):  # is well
    fit(small(), inputs=samples.filter(lambda x, y: True), **options)


# %% C29
def log(append, **options):
    fit(small(), keras.callbacks.CSVLogger("log.csv", append=append), **options)
    return Path("log.csv").read_text(encoding="utf-8")


text = log(False, epochs=2, validation_freq=2, **VALIDATED)
print(re.sub(r"\d+\.\d+", "0.69", text))
# %% C29 now
assert "NA" not in log(False, **VALIDATED)
log(False)
assert log(True, **VALIDATED).splitlines()[1].endswith(",NA")  # appended to one without validation
rows = np.genfromtxt("log.csv", delimiter=",", names=True, encoding="utf-8")
assert np.isnan(rows["val_loss"][0])


# %% C32
class Doubled(layers.Layer):
    def call(self, x):
        return tf.multiply(2.0, x)  # it may be a function of TensorFlow here: C4


def saved(path, layer):
    Model(vector, layer(vector)).save(path)
    return load_model(path)


saved("own.h5", Doubled())
saved("own.keras", Doubled(name="doubled"))
# %% C32 now
for path in ("own.h5", "own.keras"):
    assert load_model(path, custom_objects={"Doubled": Doubled})(VECTORS).shape == (32, 4)
Doubled = keras.saving.register_keras_serializable()(Doubled)
saved("registered.keras", Doubled())


# %% C35 now
class OldLSTM(layers.LSTM):
    def __init__(self, *args, time_major=False, **kwargs):
        super().__init__(*args, **kwargs)


loaded = load_model("old.h5", custom_objects={"LSTM": OldLSTM})
assert loaded(np.zeros((1, 5, 2))).shape == (1, 2)


# %% C43
def start(port):
    server = program.TensorBoard()
    server.configure(argv=["", "--logdir", ".", "--port", str(port), "--load_fast", "false"])
    # What listens, and nothing that reads logs: a thread of it would outlive the test.
    program.WerkzeugServer(None, server.flags).server_close()


with socket.create_server(("localhost", 0)) as taken:
    port = taken.getsockname()[1]
    print(outcome(start, port).replace(str(port), "6006"))
start(0)  # C43 now
