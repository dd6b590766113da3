"""Section 7.3.1: the convnets are what the book means, and what they cost is counted right."""

import keras
import numpy as np
import pytest
from keras import layers

import ch0703_ensembling as script
from ch07 import data, inspection, metrics

KINDS = pytest.mark.parametrize("separable", [False, True], ids=["plain", "separable"])


def test_the_separable_convnet_is_the_books():
    model = script.build_separable_convnet()
    assert model.count_params() == 38_949
    assert model.input_shape == (None, 64, 64, 3)
    convolutions = [of for of in model.layers if isinstance(of, layers.SeparableConv2D)]
    assert [of.filters for of in convolutions] == [32, 64, 64, 128, 64, 128]
    assert {of.kernel_size for of in convolutions} == {(3, 3)}
    assert {of.activation for of in convolutions} == {keras.activations.relu}
    outputs = model(np.zeros((2, 64, 64, 3))).numpy()
    assert outputs.shape == (2, 10)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_the_plain_convnet_differs_in_its_convolutions_alone():
    one, other = script.build_separable_convnet(), script.build_separable_convnet(layers.Conv2D)
    assert other.count_params() == 282_282
    assert [of.name for of in one.layers] == [of.name for of in other.layers]
    assert [of.output.shape for of in one.layers] == [of.output.shape for of in other.layers]
    assert one.count_params() / other.count_params() == pytest.approx(1 / 7, abs=0.01)
    work = inspection.multiply_adds(one) / inspection.multiply_adds(other)
    assert work == pytest.approx(1 / 8, abs=0.002)


@KINDS
def test_the_parameters_are_those_of_the_formula(separable):
    convolution = layers.SeparableConv2D if separable else layers.Conv2D
    model = keras.Sequential([keras.Input((9, 9, 5)), convolution(7, 3)])
    by_formula = 9 * 5 + 5 * 7 + 7 if separable else 9 * 5 * 7 + 7
    assert model.count_params() == by_formula


def by_brute_force(size, window, inputs, outputs, separable):
    """The products of a convolution without padding, one by one."""
    count = 0
    for _position in np.ndindex(size - window + 1, size - window + 1):
        if separable:
            count += sum(1 for _ in np.ndindex(window, window, inputs))
            count += sum(1 for _ in np.ndindex(inputs, outputs))
        else:
            count += sum(1 for _ in np.ndindex(window, window, inputs, outputs))
    return count


@KINDS
def test_multiply_adds_are_those_of_brute_force(separable):
    convolution = layers.SeparableConv2D if separable else layers.Conv2D
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            convolution(4, 3),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    expected = by_brute_force(6, 3, 3, 4, separable) + 2 * 2 * 4 * 5
    assert inspection.multiply_adds(model) == expected


def test_a_layer_that_cannot_be_counted_is_refused():
    model = keras.Sequential([keras.Input((6, 2)), layers.LSTM(3)])
    with pytest.raises(ValueError, match="LSTM"):
        inspection.multiply_adds(model)


def test_the_size_of_a_signal_is_that_of_a_chain_of_known_factors():
    x = inputs = keras.Input((8,))
    for n in range(3):
        half = keras.initializers.Identity(0.5)
        x = layers.Dense(8, kernel_initializer=half, name=f"conv_{n}")(x)
    signal = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    sizes = inspection.signal_sizes(keras.Model(inputs, x), "conv_", signal)
    np.testing.assert_allclose(sizes, [0.5, 0.25, 0.125], rtol=1e-5)


def test_a_depthwise_kernel_is_drawn_as_if_it_summed_over_all_channels():
    # Keras draws with the variance 2 / (inputs + outputs) of a sum over window and channels; but 9
    # products reach an output. With a mean square of 1 in, that of the depthwise outputs is:
    channels, by_hand = 64, 9 * 2 / (9 * 64 + 9)
    layer = layers.DepthwiseConv2D(3)
    images = np.random.default_rng(0).standard_normal((4, 20, 20, channels)).astype("float32")
    assert np.mean(np.square(layer(images))) == pytest.approx(by_hand, rel=0.2)


@pytest.mark.slow
def test_a_separable_convnet_is_faster():
    images = np.zeros((16, 64, 64, 3), "float32")
    models = [script.build_separable_convnet(), script.build_separable_convnet(layers.Conv2D)]
    separable, plain = inspection.median_seconds(models, images)
    assert separable < plain  # 0.44 of it in the median; how much depends on the machine


@pytest.mark.parametrize("kind", script.FILTERS)
def test_the_classifiers_spend_the_same_budget(kind):
    for budget, filters in script.FILTERS[kind].items():
        model = script.build_pattern_classifier("apart", script.CONVOLUTIONS[kind], filters)
        assert abs(model.count_params() - budget) <= 0.02 * budget
        assert model.output_shape == (None, 8)


def test_patterns_apart_separate_into_space_and_channels_and_tangled_ones_do_not():
    drawn = data.patterns(0, train=10, test=10).patterns
    for kind, rank in {"apart": 1, "tangled": 8}.items():
        for channel in range(8):  # of (classes, pixels)
            assert np.linalg.matrix_rank(drawn[kind][..., channel].reshape(8, 9)) == rank
        np.testing.assert_allclose((drawn[kind] ** 2).sum(axis=(1, 2, 3)), 1)
        np.testing.assert_allclose(drawn[kind].mean(axis=(1, 2)), 0, atol=1e-12)


def test_who_knows_the_patterns_tells_the_class_and_the_means_tell_nothing():
    images = data.patterns(1, train=50, test=500)
    for kind, image in images.test.items():
        answers = np.zeros((500, 12, 12, 8))
        for r, c in np.ndindex(3, 3):
            moved = np.roll(image, (-r, -c), axis=(1, 2))
            answers += moved @ images.patterns[kind][:, r, c].T
        # The mean of the four strongest places: the pattern is there four times.
        strongest = np.sort(answers.reshape(500, 144, 8), axis=1)[:, -4:].mean(axis=1)
        assert metrics.accuracy(strongest, images.test_targets[f"class_{kind}"]) > 0.99
        by_class = image.mean(axis=(1, 2)).T @ images.test_targets[f"class_{kind}"] / 62
        assert np.abs(by_class).max() < 5 * 0.5 / 12 / np.sqrt(45)


@pytest.mark.parametrize("without", [None, "residual", "normalize", "separable"])
def test_the_small_xception_lacks_what_is_taken_out_and_nothing_else(without):
    filters = 15 if without == "separable" else 36
    model = script.build_small_xception(filters, **({without: False} if without else {}))
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(layers.Add) == (0 if without == "residual" else 4)
    assert kinds.count(layers.BatchNormalization) == (0 if without == "normalize" else 9)
    assert kinds.count(layers.SeparableConv2D) == (0 if without == "separable" else 8)
    assert kinds.count(layers.Conv2D) == (9 if without == "separable" else 1)
    biases = {layer.use_bias for layer in model.layers if hasattr(layer, "filters")}
    assert biases == {without == "normalize"}
    assert abs(model.count_params() / 17_144 - 1) < 0.06
    assert model(np.zeros((2, 12, 12, 8))).shape == (2, 8)


def test_a_shortcut_carries_the_image_around_its_block():
    for residual in (True, False):
        model = script.build_small_xception(residual=residual)
        for layer in model.layers:
            if isinstance(layer, layers.SeparableConv2D):
                layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        images = np.random.default_rng(0).standard_normal((9, 12, 12, 8)).astype("float32")
        spread = np.ptp(model(images).numpy(), axis=0).max()
        assert (spread > 1e-3) == residual
