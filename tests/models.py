"""A small model of every kind that readers bring, and what each of its calls gives, by hand.

`build` makes them, by the names in `KINDS`. What is expected of a model is computed with its layers
one by one, without any helper of ch07.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from keras import layers


@dataclass
class Sample:
    """A compiled model, what to train it on, and what is expected of it.

    Attributes:
        calls: from the inputs to what each call gives, by name, with the weights of now.
        layers: by the names that they have in the logs, those whose weights are trained.
        relus: the layers that end in a relu, by name, each with the names of its calls.
        boxes: the names of the boxes in its diagram; None if it has no graph.
        built: whether it is built before it meets data.
    """

    model: keras.Model
    inputs: object
    targets: object
    calls: Callable[..., dict]
    layers: dict[str, keras.Layer]
    relus: dict[str, list[str]] = field(default_factory=dict)
    boxes: set[str] | None = None
    built: bool = True

    def fit(self, *callbacks, epochs=1, **options):
        """Train on one batch after the other, in their order; returns the history."""
        options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
        return self.model.fit(
            self.inputs, self.targets, epochs=epochs, callbacks=list(callbacks), **options
        ).history

    def probe(self):
        """The first eight samples, inputs and targets."""
        return keras.tree.map_structure(lambda array: array[:8], (self.inputs, self.targets))

    def expected(self, inputs) -> dict[str, np.ndarray]:
        """What each call gives for `inputs`, by name."""
        given = [keras.ops.convert_to_tensor(one) for one in keras.tree.flatten(inputs)]
        return {name: v.numpy() for name, v in self.calls(*given).items()}


def vectors(size=4, samples=16, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, size)).astype("float32")


def sequences(samples=16, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, 5, 2)).astype("float32")


def sequential(built=True):
    """The book's stack, with an Input or without."""
    hidden, score = layers.Dense(3, "relu", name="hidden"), layers.Dense(1, name="score")
    model = keras.Sequential([keras.Input((4,), name="point")] * built + [hidden, score])

    def calls(point):
        x = hidden(point)
        return {"hidden": x, "score": score(x)}

    return Sample(
        model,
        vectors(),
        vectors(1),
        calls,
        {"hidden": hidden, "score": score},
        {"hidden": ["hidden"]},
        {"point", "hidden", "score"} if built else None,
        built,
    )


def unbuilt():
    return sequential(built=False)


def functional():
    """Words, a convolution, and layers that have no weights or are not trained."""
    embed = layers.Embedding(5, 4, name="embed")
    conv = layers.Conv1D(3, 2, activation="relu", name="conv")
    pool, drop = layers.GlobalMaxPooling1D(name="pool"), layers.Dropout(0.5, name="drop")
    norm, score = layers.BatchNormalization(name="norm"), layers.Dense(1, name="score")
    words = keras.Input((6,), dtype="int32", name="words")
    model = keras.Model(words, score(norm(drop(pool(conv(embed(words)))))))

    def calls(given):
        found = {}
        for layer in (embed, conv, pool, drop, norm, score):
            found[layer.name] = given = layer(given)
        return found

    trained = {layer.name: layer for layer in (embed, conv, norm, score)}
    inputs = np.random.default_rng(0).integers(0, 5, (16, 6)).astype("int32")
    boxes = {"words", "embed", "conv", "pool", "drop", "norm", "score"}
    return Sample(model, inputs, vectors(1), calls, trained, {"conv": ["conv"]}, boxes)


class Subclassed(keras.Model):
    """Calls a layer twice, and adds up what no layer does."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(4, "relu", name="hidden")
        self.score = layers.Dense(1, name="score")

    def call(self, point, training=None):
        return self.score(self.hidden(point) - self.hidden(-point))


def subclassed():
    model = Subclassed()

    def calls(point):
        left, right = model.hidden(point), model.hidden(-point)
        score = model.score(left - right)
        return {"hidden_call_1": left, "hidden_call_2": right, "score": score}

    trained = {"hidden": model.hidden, "score": model.score}
    relus = {"hidden": ["hidden_call_1", "hidden_call_2"]}
    return Sample(model, vectors(), vectors(1), calls, trained, relus, built=False)


def member(name):
    """A model to be used as a layer; the names of its layers are those of the others'."""
    point = keras.Input((4,), name="point")
    x = layers.Dense(3, "relu", name="hidden")(point)
    return keras.Model(point, layers.Dense(1, name="score")(x), name=name)


def nested(model=None):
    """An ensemble: two models alike in all names, one of them called twice."""
    if model is None:
        one, two, average = member("one"), member("two"), layers.Average(name="average")
        point, negated = keras.Input((4,), name="point"), layers.Rescaling(-1.0, name="negated")
        members = [one(point), two(point), two(negated(point))]
        model = keras.Model(point, average(members), name="ensemble")
    one, two, average = (model.get_layer(name) for name in ("one", "two", "average"))

    def calls(point):
        found = {"negated": -point}
        for name, of, given in (
            ("one", one, point),
            ("two_call_1", two, point),
            ("two_call_2", two, -point),
        ):
            found[f"{name}/hidden"] = x = of.get_layer("hidden")(given)
            found[f"{name}/score"] = found[name] = of.get_layer("score")(x)
        return found | {"average": average([found[n] for n in ("one", "two_call_1", "two_call_2")])}

    trained = {"one": one, "two": two}
    trained |= {f"{of.name}/{n}": of.get_layer(n) for of in (one, two) for n in ("hidden", "score")}
    relus = {"one/hidden": ["one/hidden"]}
    relus |= {"two/hidden": ["two_call_1/hidden", "two_call_2/hidden"]}
    boxes = {"point", "one", "two", "average", "negated"}
    return Sample(model, vectors(), vectors(1), calls, trained, relus, boxes)


def shared():
    """A layer called twice here, and once before in another model; dead on its first input."""
    dense, relu = layers.Dense(3, name="dense"), layers.ReLU(name="relu")
    score, merge = layers.Dense(1, name="score"), layers.Concatenate(name="merge")
    elsewhere = keras.Input((4,))
    keras.Model(elsewhere, relu(dense(elsewhere)))
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    merged = merge([relu(dense(left)), relu(dense(right))])
    model = keras.Model([left, right], score(merged), name="siamese")
    dense.set_weights([np.ones((4, 3)), np.zeros(3)])

    def calls(left, right):
        one, two = dense(left), dense(right)
        merged = merge([relu(one), relu(two)])
        found = {"dense_call_1": one, "relu_call_1": relu(one)}
        found |= {"dense_call_2": two, "relu_call_2": relu(two)}
        return found | {"merge": merged, "score": score(merged)}

    inputs = [-np.abs(vectors()), vectors(seed=1)]
    relus = {"relu": ["relu_call_1", "relu_call_2"]}
    boxes = {"left", "right", "dense", "relu", "merge", "score"}
    trained = {"dense": dense, "score": score}
    return Sample(model, inputs, vectors(1), calls, trained, relus, boxes)


def several_inputs():
    """Inputs by name, one of which nothing uses."""
    dense, score = layers.Dense(3, name="dense"), layers.Dense(1, name="score")
    merge = layers.Add(name="merge")
    names = ("text", "question", "unused")
    text, question, unused = (keras.Input((4,), name=name) for name in names)
    inputs = {"text": text, "question": question, "unused": unused}
    model = keras.Model(inputs, score(merge([dense(text), question[:, :3]])), name="two_inputs")

    def calls(question, text, unused):  # in the order of the alphabet
        merged = merge([dense(text), question[:, :3]])
        return {"dense": dense(text), "merge": merged, "score": score(merged)}

    given = {name: vectors(seed=seed) for seed, name in enumerate(names)}
    boxes = {*names, "dense", "merge", "score"}  # and the operation that cuts
    trained = {"dense": dense, "score": score}
    return Sample(model, given, vectors(1), calls, trained, {}, boxes)


def several_outputs():
    """An LSTM that gives its states too, and two heads."""
    lstm = layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")
    age, income = layers.Dense(1, name="age"), layers.Dense(2, "softmax", name="income")
    pool, posts = layers.GlobalMaxPooling1D(name="pool"), keras.Input((5, 2), name="posts")
    sequence, state, _ = lstm(posts)
    model = keras.Model(posts, {"age": age(pool(sequence)), "income": income(state)}, name="heads")

    def calls(posts):
        found = dict(zip([f"lstm_output_{n}" for n in (1, 2, 3)], lstm(posts), strict=True))
        found["pool"] = pool(found["lstm_output_1"])
        found["age"] = age(found["pool"])
        return found | {"income": income(found["lstm_output_2"])}

    targets = {"age": vectors(1), "income": np.eye(2)[np.arange(16) % 2]}
    boxes = {"posts", "lstm", "pool", "age", "income"}
    trained = {"lstm": lstm, "age": age, "income": income}
    return Sample(model, sequences(), targets, calls, trained, {}, boxes)


def stateful():
    """A layer that goes on where the batch before has ended, and masks that a seed begins."""
    lstm = layers.LSTM(3, stateful=True, unroll=True, name="lstm")
    score, steps = layers.Dense(1, name="score"), keras.Input(batch_shape=(8, 5, 2), name="steps")
    drop = layers.Dropout(0.5, seed=7, name="drop")
    model = keras.Model(steps, score(drop(lstm(steps))), name="stateful")

    def calls(steps):
        kept = [state.numpy() for state in lstm.states]
        x = lstm(steps)
        for state, value in zip(lstm.states, kept, strict=True):
            state.assign(value)
        return {"lstm": x, "drop": x, "score": score(x)}

    boxes = {"steps", "lstm", "drop", "score"}
    trained = {"lstm": lstm, "score": score}
    return Sample(model, sequences(), vectors(1), calls, trained, {}, boxes)


def mixed_precision():
    """float16 inside, float32 weights, and losses that are scaled."""
    hidden = layers.Dense(3, "relu", dtype="mixed_float16", name="hidden")
    score = layers.Dense(1, dtype="float32", name="score")
    point = keras.Input((4,), name="point")
    model = keras.Model(point, score(hidden(point)), name="mixed")
    model.dtype_policy = keras.DTypePolicy("mixed_float16")

    def calls(point):
        x = hidden(point)
        return {"hidden": x, "score": score(x)}

    trained = {"hidden": hidden, "score": score}
    boxes = {"point", "hidden", "score"}
    return Sample(model, vectors(), vectors(1), calls, trained, {"hidden": ["hidden"]}, boxes)


def loaded():
    """A model from a file, with models in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.keras"
        nested().model.save(path)
        return nested(keras.saving.load_model(path))


KINDS = {
    kind.__name__: kind
    for kind in (
        sequential,
        unbuilt,
        functional,
        subclassed,
        nested,
        shared,
        several_inputs,
        several_outputs,
        stateful,
        mixed_precision,
        loaded,
    )
}


def build(kind: str, optimizer="sgd", eagerly=True) -> Sample:
    """A new model of a `kind`, compiled, always with the same weights."""
    keras.utils.set_random_seed(0)
    sample = KINDS[kind]()
    loss = {"age": "mse", "income": "categorical_crossentropy"}
    loss = loss if isinstance(sample.targets, dict) else "mse"
    sample.model.compile(optimizer, loss, run_eagerly=eagerly)
    return sample
