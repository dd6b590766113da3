"""Section 7.3.1: the convnets of the book are what it means."""

import keras
import numpy as np
import pytest
from keras import layers

import ch0703_ensembling as script
from ch07 import costs, scores, synthetic


def test_the_separable_convnet_is_the_books():
    model = script.build_separable_convnet()
    assert model.count_params() == 38_949
    assert model.input_shape == (None, 64, 64, 3)
    convolutions = [n for n in model.layers if isinstance(n, layers.SeparableConv2D)]
    assert [n.filters for n in convolutions] == [32, 64, 64, 128, 64, 128]
    assert {n.kernel_size for n in convolutions} == {(3, 3)}
    assert {n.activation for n in convolutions} == {keras.activations.relu}
    told = model(np.zeros((2, 64, 64, 3))).numpy()
    np.testing.assert_allclose(told.sum(axis=1), 1, rtol=1e-5)
    assert told.shape == (2, 10)


def test_the_plain_twin_differs_in_its_convolutions_alone():
    one, other = (
        script.build_separable_convnet(of) for of in (layers.SeparableConv2D, layers.Conv2D)
    )
    assert other.count_params() == 282_282
    assert [n.name for n in one.layers] == [n.name for n in other.layers]
    assert [n.output.shape for n in one.layers] == [n.output.shape for n in other.layers]
    assert costs.multiply_adds(one) < 0.15 * costs.multiply_adds(other)


@pytest.mark.parametrize("kind", script.FILTERS)
def test_the_twins_spend_the_same_budget(kind):
    convolution = {"plain": layers.Conv2D, "separable": layers.SeparableConv2D}[kind]
    for budget, filters in script.FILTERS[kind].items():
        model = script.build_pattern_classifier(convolution, filters, "apart")
        assert abs(model.count_params() - budget) <= 0.02 * budget
        assert model.output_shape == (None, 8)


def test_patterns_apart_separate_into_space_and_channels_and_tangled_ones_do_not():
    drawn = synthetic.patterns(0, train=10, test=10).patterns
    for kind, rank in {"apart": 1, "tangled": 8}.items():
        for channel in range(8):  # of (classes, pixels)
            assert np.linalg.matrix_rank(drawn[kind][..., channel].reshape(8, 9)) == rank
        np.testing.assert_allclose((drawn[kind] ** 2).sum(axis=(1, 2, 3)), 1)
        np.testing.assert_allclose(drawn[kind].mean(axis=(1, 2)), 0, atol=1e-12)


def test_who_knows_the_patterns_tells_the_class_and_the_means_tell_nothing():
    images = synthetic.patterns(1, train=50, test=500)
    for kind, image in images.test.items():
        answers = np.zeros((500, 12, 12, 8))
        for r, c in np.ndindex(3, 3):
            moved = np.roll(image, (-r, -c), axis=(1, 2))
            answers += moved @ images.patterns[kind][:, r, c].T
        # The mean of the four strongest places: the pattern is there four times.
        strongest = np.sort(answers.reshape(500, 144, 8), axis=1)[:, -4:].mean(axis=1)
        assert scores.accuracy(strongest, images.test_targets[f"class_{kind}"]) > 0.99
        by_class = image.mean(axis=(1, 2)).T @ images.test_targets[f"class_{kind}"] / 62
        assert np.abs(by_class).max() < 5 * 0.5 / 12 / np.sqrt(45)


def test_patterns_follow_the_seed():
    one, again, other = (synthetic.patterns(n, train=9, test=9).train["apart"] for n in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
