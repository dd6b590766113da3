"""Section 7.3.1: batch normalization stands where the book puts it, and does what is said of it."""

import keras
import numpy as np
import pytest

import ch0703_ensembling as script
from ch07 import data, inspection


def test_the_layers_are_the_books():
    conv = keras.layers.Conv2D(32, 3, activation="relu")
    model = script.build_normalized(conv, (64, 64, 3))
    assert [type(layer).__name__ for layer in model.layers[1:]] == ["Conv2D", "BatchNormalization"]
    assert model.get_layer("normalization").axis == -1
    assert model.output_shape == (None, 62, 62, 32)
    assert model.count_params() == 32 * (27 + 1) + 4 * 32  # statistics for channels, not for places
    dense = script.build_normalized(keras.layers.Dense(32, activation="relu"), (16,))
    assert dense.count_params() == 32 * (16 + 1) + 4 * 32
    assert dense.get_layer("normalization").momentum == 0.99  # the default that the lesson names


def test_normalized_activations_have_mean_0_and_deviation_1():
    model = script.build_normalized(keras.layers.Dense(32, activation="relu"), (16,))
    outputs = model(data.clusters(0).train, training=True).numpy()
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std(axis=0), 1, atol=0.02)


def test_training_moves_the_averages_and_inference_uses_them():
    rng, layer = np.random.default_rng(0), keras.layers.BatchNormalization(momentum=0.75)
    layer.build((None, 3))
    layer.gamma.assign([1.0, 2.0, 3.0])
    layer.beta.assign([0.0, 1.0, -1.0])
    mean, variance = np.zeros(3), np.ones(3)
    for batch in rng.normal(2, 3, (5, 20, 3)).astype("float32"):
        outputs = layer(batch, training=True).numpy()
        normalized = (batch - batch.mean(axis=0)) / np.sqrt(batch.var(axis=0) + layer.epsilon)
        np.testing.assert_allclose(outputs, [1, 2, 3] * normalized + [0, 1, -1], atol=2e-5)
        mean = 0.75 * mean + 0.25 * batch.mean(axis=0)
        variance = 0.75 * variance + 0.25 * batch.var(axis=0)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)
    expected = [1, 2, 3] * (batch - mean) / np.sqrt(variance + layer.epsilon) + [0, 1, -1]
    np.testing.assert_allclose(layer(batch, training=False), expected, rtol=1e-4, atol=1e-4)


def test_neighbours_in_the_batch_count_in_training_only():
    model = script.build_normalized(keras.layers.Dense(32, activation="relu"), (16,))
    points = np.random.default_rng(0).normal(size=(20, 16)).astype("float32")
    other = np.concatenate([points[:1], points[10:]])
    moved = {
        training: np.abs(
            model(points[:10], training=training)[0] - model(other, training=training)[0]
        ).max()
        for training in (False, True)
    }
    assert moved[False] < 1e-5
    assert moved[True] > 0.01


def test_the_momentum_is_no_part_of_what_is_trained():
    clouds, trained = data.clusters(0, train=60, test=1), []
    for momentum in (0.99, 0.9):
        keras.utils.set_random_seed(0)
        model = script.build_cloud_classifier(2, momentum=momentum)
        model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
        model.fit(clouds.train, clouds.train_targets, epochs=2, batch_size=20, verbose=0)
        trained.append([weight.numpy() for weight in model.trainable_variables])
        assert all(of.momentum == momentum for of in model.layers if hasattr(of, "moving_variance"))
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("depth", [4, 16])
def test_the_classifiers_differ_in_their_normalizations_alone(depth):
    plain, normalized = (
        script.build_cloud_classifier(depth, normalized=of) for of in (False, True)
    )
    dense = 16 * 32 + 32 + (depth - 1) * (32 * 32 + 32) + 32 * 8 + 8
    assert plain.count_params() == dense
    assert normalized.count_params() == dense + depth * 4 * 32
    for n in range(1, depth + 1):
        assert isinstance(plain.get_layer(f"block_{n}"), keras.layers.Dense)
        assert isinstance(normalized.get_layer(f"block_{n}"), keras.layers.BatchNormalization)
    outputs = normalized(np.zeros((2, 16), "float32")).numpy()
    np.testing.assert_allclose(outputs.sum(axis=1), [1, 1], rtol=1e-5)


def test_gradients_over_layers_are_those_of_a_chain_of_known_factors():
    # Each block halves what goes through it, so each gradient is twice that of the block before.
    point = keras.Input((8,), name="features")
    x = point
    for n in range(3):
        half = keras.initializers.Identity(0.5)
        x = keras.layers.Dense(8, kernel_initializer=half, name=f"block_{n}")(x)
    model = keras.Model(point, keras.layers.Softmax()(x))
    points = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    names, targets = [f"block_{n}" for n in range(3)], np.eye(8, dtype="float32")[:6]
    ratios = inspection.gradient_over_layers(model, names, points, targets)
    np.testing.assert_allclose(ratios, [0.25, 0.5, 1], rtol=1e-5)
