"""Section 7.3.1: batch normalization stands where the book puts it; by hand means by hand."""

import keras
import numpy as np
import pytest

import ch0703_ensembling as script
from ch07 import normalization, probes, synthetic


def test_data_are_normalized_feature_by_feature():
    data = np.random.default_rng(0).normal(5, 3, (200, 4)) * [1, 2, 3, 4]
    told = script.normalize(data)
    assert told.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert told.std(axis=0) == pytest.approx(1)


def test_the_convolution_is_the_books():
    model = script.build_normalized_convolution()
    assert [layer.name for layer in model.layers] == ["image", "conv", "normalization"]
    _, conv, norm = model.layers
    assert (conv.filters, conv.kernel_size) == (32, (3, 3))
    assert (conv.activation, norm.axis) == (keras.activations.relu, -1)
    assert model.output_shape == (None, 62, 62, 32)
    assert model.count_params() == 32 * (27 + 1) + 4 * 32


def test_the_dense_layer_is_the_books():
    model = script.build_normalized_dense()
    assert [layer.name for layer in model.layers] == ["features", "dense", "normalization"]
    _, dense, norm = model.layers
    assert (dense.units, dense.activation) == (32, keras.activations.relu)
    assert norm.momentum == 0.99  # the default that the lesson speaks of
    assert model.count_params() == 32 * (16 + 1) + 4 * 32


@pytest.mark.parametrize("depth", [4, 24])
def test_the_classifiers_differ_in_their_normalizations_alone(depth):
    plain, normalized = (script.build_cloud_classifier("arm", depth, kind) for kind in (0, 1))
    dense = 16 * 32 + 32 + (depth - 1) * (32 * 32 + 32) + 32 * 8 + 8
    assert plain.count_params() == dense
    assert normalized.count_params() == dense + depth * 4 * 32
    for n in range(1, depth + 1):
        assert isinstance(plain.get_layer(f"arm_block_{n}"), keras.layers.Dense)
        assert isinstance(normalized.get_layer(f"arm_block_{n}"), keras.layers.BatchNormalization)
    told = normalized(np.zeros((2, 16), "float32")).numpy()
    assert told.shape == (2, 8)
    assert told.sum(axis=1) == pytest.approx(1)


def test_moving_averages_start_at_0_and_1_and_forget():
    statistics = np.array([[[2.0], [3.0]], [[4.0], [5.0]]])  # (steps, mean and variance, units)
    told = normalization.moving_averages(statistics, momentum=0.75)
    np.testing.assert_allclose(told[:, 0, 0], [0.5, 0.75 * 0.5 + 0.25 * 4])
    np.testing.assert_allclose(told[:, 1, 0], [1.5, 0.75 * 1.5 + 0.25 * 5])


def test_what_is_normalized_by_hand_is_what_the_layer_gives():
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    layer.set_weights(np.arange(1.0, 13.0).reshape(4, 3))
    given = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    expected = normalization.normalized(given, layer)
    assert normalization.difference(layer(given, training=False).numpy(), expected) < 1e-6


def test_the_difference_is_a_share_of_the_largest():
    assert normalization.difference(np.array([1.0, 5.0]), np.array([2.0, -4.0])) == 9 / 4


def test_neighbours_count_in_training_only():
    keras.utils.set_random_seed(0)
    model = script.build_normalized_dense()
    points = np.random.default_rng(0).normal(size=(20, 16)).astype("float32")
    assert normalization.moved_by_neighbours(model, points, 10, training=False) == 0
    assert normalization.moved_by_neighbours(model, points, 10, training=True) > 0.01


def test_the_observer_sees_each_batch_and_leaves_the_averages_alone():
    keras.utils.set_random_seed(0)
    clouds = synthetic.clusters(0, train=60)
    points, targets = clouds.train["features"], clouds.train_targets
    model = script.build_cloud_classifier("arm", 2, momentum=0.5)
    observer = normalization.Observer({"arm": model}, "block_1", points, targets, 20)
    layer, rows = model.get_layer("arm_block_1"), points[20:40]
    observer.on_train_batch_begin(1)
    given = model.get_layer("arm_dense_1")(rows).numpy()
    np.testing.assert_allclose(observer.statistics["arm"][0][0], given.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(observer.statistics["arm"][0][1], given.var(axis=0), rtol=1e-5)
    model(rows, training=True)
    observer.on_train_batch_end(1)
    by_hand = normalization.moving_averages(np.array(observer.statistics["arm"]), 0.5)
    np.testing.assert_allclose(observer.averages["arm"], by_hand, rtol=1e-5, atol=1e-6)

    told = observer.by_hand("arm", 0.5)
    np.testing.assert_array_equal(told.by_hand, by_hand)
    np.testing.assert_array_equal(told.by_layer, observer.averages["arm"])
    assert max(told.apart, told.at_inference) < 1e-5
    assert min(told.plain, told.in_training) > 0.1
    assert observer.by_hand("arm", 0.6).apart > 0.1

    before = layer.moving_mean.numpy()
    observer.on_epoch_end(0)
    np.testing.assert_array_equal(layer.moving_mean, before)
    assert len(observer.trained["arm"]) == len(observer.evaluated["arm"]) == 1


def test_gradients_over_layers_are_those_of_a_chain_of_known_factors():
    # Each block halves what goes through it, so each gradient is twice that of the block before.
    point = keras.Input((8,), name="features")
    x = point
    for n in range(3):
        half = keras.initializers.Identity(0.5)
        x = keras.layers.Dense(8, kernel_initializer=half, name=f"block_{n}")(x)
    model = keras.Model(point, keras.layers.Softmax()(x))
    points = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    names = [f"block_{n}" for n in range(3)]
    told = probes.gradient_over_layers(model, names, points, np.eye(8, dtype="float32")[:6])
    np.testing.assert_allclose(told, [0.25, 0.5, 1], rtol=1e-5)
