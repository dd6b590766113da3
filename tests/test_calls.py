"""Every kind of model with every helper: the right value, or one sentence that refuses.

The kinds, and what is expected of them without any helper, are in `models.py`.
"""

import contextlib
import functools
import io
import math
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import KINDS, build
from rich.console import Console

import ch0702_tensor_board as tensor_board
from ch07 import backup, board, callbacks, calls, draw, inspection

pytestmark = [
    # Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Keras is no friend of models whose inputs are structures, or whose layers it has never built.
    pytest.mark.filterwarnings("ignore:Model failed to serialize:UserWarning"),
]

every_kind = pytest.mark.parametrize("kind", KINDS)


# The calls themselves


@every_kind
def test_activations_are_those_of_every_call_of_this_model(kind):
    sample = build(kind)
    inputs, _ = sample.probe()
    found = calls.activations(sample.model, inputs)
    expected = sample.expected(inputs)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-6, err_msg=name)


@every_kind
def test_a_trace_has_the_same_calls_and_their_shapes(kind):
    sample = build(kind)
    if sample.built:
        _, made = calls.trace(sample.model)
    else:
        with pytest.raises(ValueError, match=r"' is (not built|a subclassed model): .* data alone"):
            calls.trace(sample.model)
        _, made = calls.trace(sample.model, sample.probe()[0])
    expected = sample.expected(sample.probe()[0])
    shapes = {name: tensor.shape[1:] for call in made for name, tensor in call.tensors()}
    assert shapes == {name: value.shape[1:] for name, value in expected.items()}


# TensorBoard


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A sample of a kind that was trained for an epoch and logged, and the folder of its logs."""

    @functools.cache
    def train(kind):
        log_dir = tmp_path_factory.mktemp(kind)
        sample = build(kind, "adam")
        sample.fit(board.TensorBoard(log_dir, probe=sample.probe()))
        return sample, log_dir / "train"

    return train


@every_kind
def test_looking_leaves_the_training_as_it_is(kind, logged):
    bare = build(kind, "adam")
    bare.fit()
    pairs = zip(bare.model.variables, logged(kind)[0].model.variables, strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@every_kind
def test_histograms_are_of_every_call_and_of_every_weight(kind, logged):
    sample, train = logged(kind)
    found = board.histograms(train)
    expected = sample.expected(sample.probe()[0])
    without = {"pool", "drop", "average", "negated", "merge"}  # neither weights nor a relu
    assert {tag[12:] for tag in found if tag.startswith("activations/")} == set(expected) - without
    for name in set(expected) - without:
        (buckets,), values = found[f"activations/{name}"], expected[name]
        assert buckets[:, 2].sum() == values.size
        assert buckets[0, 0] == pytest.approx(values.min(), rel=1e-3, abs=1e-6)
        assert buckets[-1, 1] == pytest.approx(values.max(), rel=1e-3, abs=1e-6)
    weights = [buckets for tag, (buckets,) in found.items() if tag.endswith("/histogram")]
    shapes = [weight.shape for weight in sample.model.weights]
    assert sorted(w[:, 2].sum() for w in weights) == sorted(int(np.prod(of)) for of in shapes)


@every_kind
def test_gradients_are_those_of_the_loss_for_each_layer(kind, logged):
    sample, train = logged(kind)
    model, (inputs, targets) = sample.model, sample.probe()
    before = [variable.numpy() for variable in model.variables]
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, targets, model(inputs, training=False))
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)  # of a stateful layer
    by_weight = {
        id(weight): tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(weights, gradients, strict=True)
    }
    curves, tags = board.scalars(train), board.histograms(train)
    assert {t[14:] for t in curves if t.startswith("gradient_norm/")} == set(sample.layers)
    for name, layer in sample.layers.items():
        own = [by_weight[id(weight)] for weight in layer.trainable_weights]
        norm = math.sqrt(sum((gradient**2).sum() for gradient in own))
        assert curves[f"gradient_norm/{name}"] == [pytest.approx(norm, rel=1e-2)]
        assert norm > 0
        found = [tags[tag][0] for tag in tags if tag.startswith(f"gradients/{name}/")]
        largest = sorted(buckets[-1, 1] for buckets in found)
        assert largest == pytest.approx(sorted(of.max() for of in own), rel=1e-2, abs=1e-6)
    assert sum(tag.startswith("gradients/") for tag in tags) == len(weights)


@every_kind
def test_dead_units_are_those_of_each_call(kind, logged):
    sample, train = logged(kind)
    curves, expected = board.scalars(train), sample.expected(sample.probe()[0])
    for names in sample.relus.values():
        zeros = [(expected[name] == 0).reshape(-1, expected[name].shape[-1]) for name in names]
        for name, zero in zip(names, zeros, strict=True):
            assert curves[f"share_of_dead_units/{name}"] == [pytest.approx(zero.all(axis=0).mean())]
    if kind == "shared":
        assert curves["share_of_dead_units/relu_call_1"] == [1]
        assert curves["share_of_dead_units/relu_call_2"] == [0]
    counted = sum(tag.startswith("share_of_dead_units") for tag in curves)
    assert counted == sum(map(len, sample.relus.values()))


@every_kind
def test_without_a_probe_the_graph_is_logged_or_its_lack_is_told(kind, tmp_path):
    sample = build(kind)
    seen = contextlib.nullcontext()
    if kind == "subclassed":
        seen = pytest.warns(UserWarning, match="is a subclassed model: .* no graph is logged")
    with seen:
        sample.fit(board.TensorBoard(tmp_path))
    (path,) = (tmp_path / "train").iterdir()
    assert (b"MatMul" in path.read_bytes()) == (kind != "subclassed")
    weights = [tag for tag in board.histograms(tmp_path / "train") if "histogram" in tag]
    assert len(weights) == len(sample.model.weights)


# Drawings


@every_kind
def test_a_drawing_has_a_box_for_each_layer_of_this_model(kind):
    sample = build(kind)
    if sample.boxes is None:
        with pytest.raises(ValueError, match=r"' is (not built|a subclassed model): it has"):
            draw.draw(sample.model)
        return
    graph = draw.graph_of(sample.model)
    assert {name for name in graph.boxes if not name.startswith("get_item")} == sample.boxes
    calls_of_layers = {}
    for name in sample.expected(sample.probe()[0]):
        if "/" not in name and "output" not in name:
            layer = name.partition("_call")[0]
            calls_of_layers[layer] = calls_of_layers.get(layer, 0) + 1
    for layer, times in calls_of_layers.items():
        assert (f"called {times} times" in graph.boxes[layer].lines[1]) == (times > 1)
    written = {text.get_text() for text in draw.draw(sample.model).axes[0].texts}
    assert sample.boxes <= written
    assert f"{sample.model.name}: {sample.model.count_params():,} parameters" in written


# Callbacks


@every_kind
def test_a_backup_goes_on_where_it_was(kind, tmp_path):
    def train(path, epochs):
        sample = build(kind, "adam")
        saved = backup.Backup(path)
        start = saved.restore(sample.model)
        sample.fit(saved, epochs=epochs, initial_epoch=start)
        return sample.model

    if not build(kind).built:
        with pytest.raises(ValueError, match=r"has to be built: .*, before the backup\.$"):
            train(str(tmp_path / "backup.npz"), 1)
        return
    whole = train(str(tmp_path / "whole.npz"), 2)
    train(str(tmp_path / "backup.npz"), 1)
    parts = train(str(tmp_path / "backup.npz"), 2)
    for one, other in zip(backup.state(whole), backup.state(parts), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@every_kind
def test_callbacks_do_what_they_say(kind, tmp_path):
    sample = build(kind)
    assert len(sample.fit(callbacks.StopAt("loss", 1e9), epochs=3)["loss"]) == 1

    text, kernels, frozen = io.StringIO(), [], next(iter(sample.layers.values()))
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: kernels.append(frozen.get_weights())
    )
    losses = sample.fit(
        callbacks.StopAt("loss", -1),
        callbacks.Freeze(frozen, at=1),
        callbacks.ProgressBar(Console(file=text)),
        watch,
        epochs=3,
    )["loss"]
    lines = text.getvalue().splitlines()
    assert [line[:18] for line in lines] == [f"  epoch   {n}  [####" for n in (1, 2, 3)]
    assert [float(line.split()[-1]) for line in lines] == pytest.approx(losses, abs=1e-4)
    moved = [[(a != b).any() for a, b in zip(*pair, strict=True)] for pair in pairwise(kernels)]
    assert any(moved[0])
    assert not any(moved[1])

    sample = build(kind)
    sample.model.optimizer.learning_rate = 1e6
    back = callbacks.BackToTheBest(str(tmp_path / "new" / "best.weights.h5"))
    validation = (sample.inputs, sample.targets)
    losses = sample.fit(back, epochs=3, validation_data=validation)["val_loss"]
    best = float("inf")
    for epoch, loss in enumerate(losses):
        assert (epoch in back.loaded) == (not loss < best and (back.saved or sample.built))
        best = min(best, loss) if loss == loss else best
    ended = sample.model.get_weights()
    if back.loaded:
        sample.model.load_weights(tmp_path / "new" / "best.weights.h5")
        for one, other in zip(sample.model.get_weights(), ended, strict=True):
            np.testing.assert_array_equal(one, other)


# What a model costs

MULTIPLY_ADDS = {
    "sequential": 4 * 3 + 3 * 1,
    "nested": 3 * (4 * 3 + 3 * 1),
    "shared": 2 * 4 * 3 + 6 * 1,
    "several_inputs": 4 * 3 + 3 * 1,
    "mixed_precision": 4 * 3 + 3 * 1,
    "loaded": 3 * (4 * 3 + 3 * 1),
}


@every_kind
def test_every_call_is_counted_or_the_count_is_refused(kind):
    model = build(kind).model
    if kind in MULTIPLY_ADDS:
        assert inspection.multiply_adds(model) == MULTIPLY_ADDS[kind]
        return
    sentence = r"' is (not built|a subclassed model): |multiply-adds of a \w+ are not known here\.$"
    with pytest.raises(ValueError, match=sentence):
        inspection.multiply_adds(model)


# Files


@every_kind
def test_a_model_is_saved_and_loaded_and_so_are_its_weights(kind, tmp_path):
    sample = build(kind)
    inputs, _ = sample.probe()
    before = calls.activations(sample.model, inputs)
    if kind == "subclassed":  # its class has to be known: C32 of the errata
        sample.model.save_weights(tmp_path / "own.weights.h5")
        other = build(kind)
        other.model(inputs)
        other.model.load_weights(tmp_path / "own.weights.h5")
        loaded = other.model
    else:
        sample.model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    after = calls.activations(loaded, inputs)
    assert set(after) == set(before)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)


# The callback of the script


@every_kind
def test_the_activations_of_each_epoch_are_those_of_every_call(kind, tmp_path):
    sample = build(kind)
    inputs, _ = sample.probe()
    sample.fit(tensor_board.ActivationLogger(inputs, str(tmp_path / "new")))
    expected = sample.expected(inputs)
    with np.load(tmp_path / "new" / "activations_at_epoch_0.npz") as logged:
        assert set(logged) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(logged[name], values, rtol=1e-3, atol=1e-6)
