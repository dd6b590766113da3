"""Every kind of model (models.py) with every helper: the right value, or one sentence against."""

import contextlib
import functools
import math
import re
from collections import Counter
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.callbacks import LambdaCallback
from models import KINDS, build

import ch0702_tensor_board as tensor_board
from ch07 import backup, board, callbacks, calls, draw, inspection

# Keras is no friend of models whose inputs are structures, or whose layers it has never built.
pytestmark = pytest.mark.filterwarnings("ignore:Model failed to serialize:UserWarning")

every_kind = pytest.mark.parametrize("kind", KINDS)
NO_GRAPH = r"' is (not built|a subclassed model): it has no graph of layers, .* data alone\.$"


def numbers(variables):
    return [np.array(variable.numpy()) for variable in variables]


@every_kind
def test_activations_are_those_of_every_call_and_logging_them_changes_nothing(kind, tmp_path):
    sample = build(kind)
    inputs, _ = sample.probe()
    if sample.model.built:
        _, made = calls.trace(sample.model)
    else:
        with pytest.raises(ValueError, match=NO_GRAPH):
            calls.trace(sample.model)
        _, made = calls.trace(sample.model, inputs)
    expected, before = sample.expected(), numbers(sample.model.variables)
    shapes = {name: tensor.shape[1:] for call in made for name, tensor in call.tensors()}
    assert shapes == {name: value.shape[1:] for name, value in expected.items()}
    original = keras.Layer.__call__
    found = calls.activations(sample.model, inputs)
    assert keras.Layer.__call__ is original
    logger = tensor_board.ActivationLogger(inputs, str(tmp_path / "new"))
    logger.set_model(sample.model)
    logger.on_epoch_end(0)
    with np.load(tmp_path / "new" / "activations_at_epoch_0.npz") as logged:
        assert set(found) == set(logged) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-6, err_msg=name)
            np.testing.assert_array_equal(logged[name], found[name])
    np.testing.assert_equal(numbers(sample.model.variables), before)


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A sample of a kind that was trained for an epoch and logged, its curves and histograms."""

    @functools.cache
    def train(kind):
        log_dir = tmp_path_factory.mktemp(kind)
        sample = build(kind, "adam")
        sample.fit(board.TensorBoard(str(log_dir), probe=sample.probe()))
        train = str(log_dir / "train")
        return sample, board.scalars(train), board.histograms(train)

    return train


@every_kind
def test_looking_leaves_the_training_as_it_is(kind, logged):
    bare = build(kind, "adam")
    bare.fit()
    probed, *_ = logged(kind)
    np.testing.assert_equal(numbers(probed.model.variables), numbers(bare.model.variables))


@every_kind
def test_histograms_are_of_every_call_and_of_every_weight(kind, logged):
    sample, _, found = logged(kind)
    expected = sample.expected()
    for name in ("pool", "drop", "average", "negated", "merge"):  # neither weights nor a relu
        expected.pop(name, None)
    assert {t[12:] for t in found if t.startswith("activations/")} == set(expected)
    for name, values in expected.items():
        (buckets,) = found[f"activations/{name}"]
        assert buckets[:, 2].sum() == values.size
        ends = buckets[0, 0], buckets[-1, 1]
        assert ends == pytest.approx((values.min(), values.max()), rel=1e-3, abs=1e-6)
    weights = [buckets for tag, (buckets,) in found.items() if tag.endswith("/histogram")]
    shapes = [weight.shape for weight in sample.model.weights]
    assert sorted(w[:, 2].sum() for w in weights) == sorted(int(np.prod(of)) for of in shapes)


@every_kind
def test_gradients_are_those_of_the_loss_for_each_layer(kind, logged):
    sample, curves, tags = logged(kind)
    model, (inputs, targets) = sample.model, sample.probe()
    weights, before = model.trainable_variables, numbers(model.variables)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, targets, model(inputs, training=False))
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)  # of a stateful layer
    values = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
    by_weight = dict(zip(map(id, weights), values, strict=True))
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
    sample, curves, _ = logged(kind)
    dead = {
        name: [pytest.approx((values == 0).reshape(-1, values.shape[-1]).all(axis=0).mean())]
        for name, values in sample.expected().items()
        if re.search(r"\b(hidden|conv|relu)(_call_\d)?$", name)  # these layers end in a relu
    }
    found = {t[20:]: of for t, of in curves.items() if t.startswith("share_of_dead_units/")}
    assert found == dead


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


@every_kind
def test_a_drawing_has_a_box_for_each_layer_of_this_model(kind):
    sample = build(kind)
    model = sample.model
    if not model.built:
        with pytest.raises(ValueError, match=NO_GRAPH):
            draw.draw(model)
        return
    boxes = {one.name for one in (*model.inputs, *model.layers)}
    graph = draw.graph_of(model)
    assert {name for name in graph.boxes if not name.startswith("get_item")} == boxes
    made = [name for name in sample.expected() if "/" not in name and "output" not in name]
    for layer, times in Counter(re.sub(r"_call_\d", "", name) for name in made).items():
        assert (f"called {times} times" in graph.boxes[layer].lines[1]) == (times > 1)
    written = {text.get_text() for text in draw.draw(model).axes[0].texts}
    assert boxes <= written
    assert f"{model.name}: {model.count_params():,} parameters" in written


@every_kind
def test_a_backup_goes_on_where_it_was(kind, tmp_path):
    def train(path, epochs):
        sample = build(kind, "adam")
        saved = backup.Backup(str(tmp_path / path))
        start = saved.restore(sample.model)
        sample.fit(saved, epochs=epochs, initial_epoch=start)
        return numbers(backup.state(sample.model))

    if not build(kind).model.built:
        with pytest.raises(ValueError, match=r"has to be built: .*, before the backup\.$"):
            train("backup.npz", 1)
        return
    whole = train("whole.npz", 2)
    train("backup.npz", 1)
    np.testing.assert_equal(train("backup.npz", 2), whole)


@every_kind
def test_a_layer_is_frozen_and_a_training_goes_back_to_its_best(kind, tmp_path):
    sample, kernels = build(kind), []
    frozen = next(iter(sample.layers.values()))
    watch = LambdaCallback(on_epoch_end=lambda *_: kernels.append(frozen.get_weights()))
    sample.fit(callbacks.Freeze(frozen, at=2), watch, epochs=3)
    moved = [[(a != b).any() for a, b in zip(*pair, strict=True)] for pair in pairwise(kernels)]
    assert any(moved[0])
    assert not any(moved[1])

    sample = build(kind)
    built = sample.model.built
    sample.model.optimizer.learning_rate = 1e6
    back = callbacks.BackToTheBest(str(tmp_path / "new" / "best.weights.h5"))
    sample.fit(back, epochs=3, validation_data=(sample.inputs, sample.targets))
    assert bool(back.loaded) == built  # else the first epoch, which ends in NaN, has no start
    if back.loaded:
        ended = sample.model.get_weights()
        sample.model.load_weights(tmp_path / "new" / "best.weights.h5")
        np.testing.assert_equal(sample.model.get_weights(), ended)


def test_every_call_is_counted_or_the_count_is_refused():
    costs = {"nested": 3 * (4 * 3 + 3 * 1), "shared": 2 * 4 * 3 + 6 * 1}
    for kind, cost in costs.items():
        assert inspection.multiply_adds(build(kind).model) == cost
    sentences = {"subclassed": NO_GRAPH, "functional": r"multiply-adds of a \w+ are not known here"}
    for kind, sentence in sentences.items():
        with pytest.raises(ValueError, match=sentence):
            inspection.multiply_adds(build(kind).model)
