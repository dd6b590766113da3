"""A small model of every kind that readers bring, and what its calls give, without help of ch07."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers


@dataclass
class Sample:
    """A compiled model, what to train it on, and `calls`: from inputs to what each call gives."""

    model: keras.Model
    inputs: object
    targets: object
    calls: Callable[..., dict]

    def fit(self, *callbacks, **options):
        """Train on one batch after the other, in their order; returns the history."""
        options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
        return self.model.fit(self.inputs, self.targets, callbacks=[*callbacks], **options).history

    def probe(self):
        """The first eight samples, inputs and targets."""
        return keras.tree.map_structure(lambda array: array[:8], (self.inputs, self.targets))

    def expected(self) -> dict[str, np.ndarray]:
        """What each call gives for the probe, by name, with the weights of now."""
        given = map(keras.ops.convert_to_tensor, keras.tree.flatten(self.probe()[0]))
        return {name: values.numpy() for name, values in self.calls(*given).items()}

    def __post_init__(self):
        self.layers = dict(trained(self.model))


def trained(model, before="") -> Iterator[tuple[str, keras.Layer]]:
    """The layers whose weights are trained, by the names that they have in the logs."""
    for layer in model.layers:
        if layer.trainable_weights or not layer.built:
            yield before + layer.name, layer
        if isinstance(layer, keras.Model):
            yield from trained(layer, f"{before}{layer.name}/")


def vectors(size=4, samples=16, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, size)).astype("float32")


def chain(*stack):
    """A function that gives what each layer of the stack gives."""

    def calls(x):
        return {layer.name: (x := layer(x)) for layer in stack}

    return calls


def sequential(built=True):
    """The book's stack, with an Input or without, whose layers add to the loss."""
    penalty = keras.regularizers.L2(0.1)
    options = {"kernel_regularizer": penalty, "activity_regularizer": penalty}
    stack = [layers.Dense(3, "relu", name="hidden", **options), layers.Dense(1, name="score")]
    model = keras.Sequential([keras.Input((4,), name="point")] * built + stack)
    return Sample(model, vectors(), vectors(1), chain(*stack))


def functional():
    """Words, a convolution with a dead unit, and layers without weights or not trained."""
    last_is_dead = keras.initializers.Constant([0.0, 0.0, -9.0])
    embed = layers.Embedding(5, 4, name="embed")  # the order decides on the weights
    conv = layers.Conv1D(3, 2, activation="relu", bias_initializer=last_is_dead, name="conv")
    pool, drop = layers.GlobalMaxPooling1D(name="pool"), layers.Dropout(0.5, name="drop")
    norm, score = layers.BatchNormalization(name="norm"), layers.Dense(1, name="score")
    calls = chain(embed, conv, pool, drop, norm, score)
    words = keras.Input((6,), dtype="int32", name="words")
    inputs = np.random.default_rng(0).integers(0, 5, (16, 6)).astype("int32")
    return Sample(keras.Model(words, calls(words)["score"]), inputs, vectors(1), calls)


def subclassed():
    """Calls a layer twice, and adds up what no layer does."""

    class Subclassed(keras.Model):
        def call(self, point, training=None):
            return self.score(self.hidden(point) - self.hidden(-point))

    model = Subclassed()
    model.hidden = layers.Dense(4, "relu", name="hidden")
    model.score = layers.Dense(1, name="score")

    def calls(point):
        left, right = model.hidden(point), model.hidden(-point)
        score = model.score(left - right)
        return {"hidden_call_1": left, "hidden_call_2": right, "score": score}

    return Sample(model, vectors(), vectors(1), calls)


def member(name):
    """A model to be used as a layer; the names of its layers are those of the others'."""
    point = keras.Input((4,), name="point")
    x = layers.Dense(3, "relu", name="hidden")(point)
    return keras.Model(point, layers.Dense(1, name="score")(x), name=name)


def nested(model=None):
    """An ensemble: two models alike in all names, one of them called twice."""
    if model is None:
        one, two = member("one"), member("two")
        point, negated = keras.Input((4,), name="point"), layers.Rescaling(-1.0, name="negated")
        members = [one(point), two(point), two(negated(point))]
        model = keras.Model(point, layers.Average(name="average")(members), name="ensemble")

    def calls(point):
        found, outputs = {"negated": -point}, []
        for name, given in {"one": point, "two_call_1": point, "two_call_2": -point}.items():
            of = model.get_layer(name[:3])
            found[f"{name}/hidden"] = x = of.get_layer("hidden")(given)
            found[f"{name}/score"] = found[name] = of.get_layer("score")(x)
            outputs.append(found[name])
        return found | {"average": sum(outputs) / 3}

    return Sample(model, vectors(), vectors(1), calls)


def shared():
    """A layer called twice here, and once before in another model; dead on its first input."""
    dense, relu = layers.Dense(3, name="dense"), layers.ReLU(name="relu")
    score, merge = layers.Dense(1, name="score"), layers.Concatenate(name="merge")
    elsewhere = keras.Input((4,))
    keras.Model(elsewhere, relu(dense(elsewhere)))

    def calls(left, right):
        found = {}
        for call, given in enumerate((left, right), start=1):
            found[f"dense_call_{call}"] = x = dense(given)
            found[f"relu_call_{call}"] = relu(x)
        found["merge"] = merge([found["relu_call_1"], found["relu_call_2"]])
        return found | {"score": score(found["merge"])}

    sides = [keras.Input((4,), name=side) for side in ("left", "right")]
    model = keras.Model(sides, calls(*sides)["score"], name="siamese")
    dense.set_weights([np.ones((4, 3)), np.zeros(3)])
    return Sample(model, [-np.abs(vectors()), vectors(seed=1)], vectors(1), calls)


def several_inputs():
    """Inputs by name, one of which nothing uses."""
    dense, score = layers.Dense(3, name="dense"), layers.Dense(1, name="score")
    merge = layers.Add(name="merge")

    def calls(question, text, unused):  # in the order of the alphabet
        x = dense(text)
        merged = merge([x, question[:, :3]])
        return {"dense": x, "merge": merged, "score": score(merged)}

    names = ("text", "question", "unused")
    inputs = {name: keras.Input((4,), name=name) for name in names}
    model = keras.Model(inputs, calls(**inputs)["score"], name="two_inputs")
    given = {name: vectors(seed=seed) for seed, name in enumerate(names)}
    return Sample(model, given, vectors(1), calls)


def several_outputs():
    """A stateful LSTM that gives its states too, masks that a seed begins, and two heads."""
    lstm = layers.LSTM(3, return_sequences=True, return_state=True, stateful=True, name="lstm")
    drop, pool = layers.Dropout(0.5, seed=7, name="drop"), layers.GlobalMaxPooling1D(name="pool")
    age, income = layers.Dense(1, name="age"), layers.Dense(2, "softmax", name="income")

    def made(posts):
        found = {f"lstm_output_{n}": of for n, of in enumerate(lstm(posts), start=1)}
        found["drop"] = drop(found["lstm_output_1"])
        found["pool"] = pool(found["drop"])
        return found | {"age": age(found["pool"]), "income": income(found["lstm_output_2"])}

    def calls(posts):
        with keras.StatelessScope():
            return made(posts)

    posts = keras.Input(batch_shape=(8, 5, 2), name="posts")
    heads = {name: of for name, of in made(posts).items() if name in ("age", "income")}
    model = keras.Model(posts, heads, name="heads")
    targets = {"age": vectors(1), "income": np.eye(2)[np.arange(16) % 2]}
    return Sample(model, vectors(10).reshape(16, 5, 2), targets, calls)


def mixed_precision():
    """float16 inside, float32 weights, and losses that are scaled."""
    hidden = layers.Dense(3, "relu", dtype="mixed_float16", name="hidden")
    calls = chain(hidden, layers.Dense(1, dtype="float32", name="score"))
    point = keras.Input((4,), name="point")
    model = keras.Model(point, calls(point)["score"], name="mixed")
    model.dtype_policy = keras.DTypePolicy("mixed_float16")
    return Sample(model, vectors(), vectors(1), calls)


def loaded():
    """A model from a file, with models in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.keras"
        nested().model.save(path)
        return nested(keras.saving.load_model(path))


FORMS = (sequential, functional, subclassed, nested, shared, several_inputs, several_outputs)
KINDS = {form.__name__: form for form in (*FORMS, mixed_precision, loaded)}
KINDS["unbuilt"] = functools.partial(sequential, built=False)


def build(kind: str, optimizer="sgd", eagerly=True) -> Sample:
    """A new model of a `kind`, compiled, always with the same weights."""
    keras.utils.set_random_seed(0)
    sample = KINDS[kind]()
    loss = {"age": "mse", "income": "categorical_crossentropy"}
    loss = loss if isinstance(sample.targets, dict) else "mse"
    sample.model.compile(optimizer, loss, run_eagerly=eagerly)
    return sample
