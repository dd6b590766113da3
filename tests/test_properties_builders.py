"""The builders of the scripts: legal sizes give the promised shapes and parameters, others none."""

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from properties import ROOT, few, named, refused

import ch0701_functional_api as functional_api
import ch0702_tensor_board as tensor_board
import ch0703_ensembling as ensembling

SCRIPTS = (functional_api, tensor_board, ensembling)

# Keras and Python name the argument, or the layer and what is wrong with it.
ERRORS = (ValueError, TypeError)
size = st.integers(1, 5)
letters = st.sets(st.sampled_from("abcd"), min_size=1)
several = st.integers(2, 5)  # of a softmax, which says nothing of one
side = st.integers(3, 12)
no_units = st.integers(-9, 0) | st.floats(0.1, 0.9) | st.just("three")
fewer = st.integers(-9, 0)


def test_every_builder_has_a_property():
    builders = {
        (script.__name__.partition("_")[2], name)
        for script in SCRIPTS
        for name, value in vars(script).items()
        if inspect.isfunction(value) and name.startswith(("build_", "add_"))
    }
    assert len(builders) > 30
    assert not builders - named(Path(__file__))
    scripts = {path.stem for path in ROOT.glob("ch07[0-9][0-9]_*.py")}
    assert scripts == {script.__name__ for script in SCRIPTS}


def dense(inputs, units):
    """The parameters of a Dense layer."""
    return (inputs + 1) * units


def lstm(inputs, units):
    """The parameters of an LSTM."""
    return 4 * (inputs + units + 1) * units


def conv(window, inputs, filters):
    """The parameters of a convolution over `window` values of each channel."""
    return (window * inputs + 1) * filters


def shapes(model):
    """The shapes of the outputs, without the batch."""
    return [tuple(tensor.shape[1:]) for tensor in model.outputs]


def none_is_built(build, *args, **kwargs):
    """Check that illegal arguments end in an error of Keras, Python or `checks`."""
    with pytest.raises(ERRORS) as caught:
        build(*args, **kwargs)
    assert len(str(caught.value)) > 10


# 7.1


def test_the_stacks_have_the_parameters_of_the_book():
    for model in (
        functional_api.build_sequential(),
        functional_api.build_functional(),
        tensor_board.build_dropout_stack(),
    ):
        assert model.count_params() == dense(64, 32) + dense(32, 32) + dense(32, 10)
        assert shapes(model) == [(10,)]
        with pytest.raises(ERRORS):
            model(np.ones((1, 63)))


@few
@given(size, size, several, no_units)
def test_question_answering(texts, questions, answers, bad):
    model = functional_api.build_question_answering(texts, questions, answers)
    encoders = texts * 64 + lstm(64, 32) + questions * 32 + lstm(32, 16)
    assert model.count_params() == encoders + dense(48, answers)
    assert shapes(model) == [(answers,)]
    alone = functional_api.build_one_branch("text", texts, 7, 3, answers)
    assert alone.count_params() == texts * 7 + lstm(7, 3) + dense(3, answers)
    assert shapes(alone) == [(answers,)]
    for place in range(3):
        sizes = [5, 5, 5]
        sizes[place] = bad
        none_is_built(functional_api.build_question_answering, *sizes)
    for place in range(4):
        sizes = [5, 4, 3, 5]
        sizes[place] = bad
        none_is_built(functional_api.build_one_branch, "text", *sizes)


@few
@given(size, st.sets(st.sampled_from(["picture", "description", "attributes"]), min_size=1))
def test_a_price_from_any_modalities(words, modalities):
    model = functional_api.build_price_model(words, sorted(modalities))
    of = {"picture": conv(9, 1, 16), "description": words * 16, "attributes": dense(5, 16)}
    encoders = sum(of[name] for name in modalities)
    hidden = dense(16 * len(modalities), 32)
    assert model.count_params() == encoders + hidden + dense(32, 1)
    assert shapes(model) == [(1,)]
    assert [tensor.name for tensor in model.inputs] == sorted(modalities)


@few
@given(size, several, st.integers(1, 4).map(lambda half: 2 * half), no_units)
def test_a_profile(words, groups, width, bad):
    model = functional_api.build_profile_model(words, groups, width)
    half = width // 2
    convolutions = conv(5, width, half) + conv(5, half, width) + 3 * conv(5, width, width)
    heads = dense(half, 1) + dense(half, groups) + dense(half, 1)
    assert model.count_params() == words * width + convolutions + dense(width, half) + heads
    assert shapes(model) == [(1,), (groups,), (1,)]
    none_is_built(functional_api.build_profile_model, bad, 3, 8)
    none_is_built(functional_api.build_profile_model, 5, bad, 8)
    none_is_built(functional_api.build_profile_model, 5, 3, bad)


@few
@given(side, side, size, letters, no_units, st.text(max_size=2))
def test_an_inception_module(height, width, filters, branches, bad, letter):
    module = functional_api.build_inception_module((height, width, 3), filters, sorted(branches))
    one, full = conv(1, 3, filters), conv(9, filters, filters)
    of = {"a": one, "b": one + full, "c": conv(9, 3, filters), "d": one + 2 * full}
    assert module.count_params() == sum(of[branch] for branch in branches)
    out = (-(-height // 2), -(-width // 2), filters * len(branches))
    assert shapes(module) == [out]
    headed = functional_api.add_scale_heads(module)
    assert headed.count_params() == module.count_params() + dense(out[-1], 3)
    assert shapes(headed) == [(3,)]
    none_is_built(functional_api.build_inception_module, (8, 8, 3), bad)
    none_is_built(functional_api.build_inception_module, (8, 3), 4)
    image = keras.Input((8, 8, 3))
    if letter not in list("abcd"):
        refused(functional_api.add_inception_branch, letter, image, 4, match="letter")


@few
@given(side, size, size, no_units, st.integers(2, 9))
def test_residual_blocks(edge, channels, filters, bad, apart):
    shape = (edge, edge + 1, channels)
    block = functional_api.build_identity_residual_block(shape, channels)
    assert block.count_params() == 3 * conv(9, channels, channels)
    assert shapes(block) == [shape]
    block = functional_api.build_linear_residual_block(shape, filters)
    shortcut = conv(1, channels, filters)
    expected = conv(9, channels, filters) + conv(9, filters, filters) + shortcut
    assert block.count_params() == expected
    assert shapes(block) == [(-(-edge // 2), -(-(edge + 1) // 2), filters)]
    # Of one channel Keras adds to all, as in the book (A8); others do not add.
    build = functional_api.build_identity_residual_block
    none_is_built(build, (8, 8, apart), apart + 1)
    for block in (build, functional_api.build_linear_residual_block):
        none_is_built(block, (8, 8, 4), bad)
        none_is_built(block, (8, 4), 4)


@few
@given(st.integers(1, 3), st.booleans(), size, fewer, st.sampled_from([1, 3, 2.0, "4"]), no_units)
def test_deep_and_narrow_classifiers(pairs, residual, units, negative, odd, bad):
    model = functional_api.build_deep_classifier(2 * pairs, residual, units)
    assert model.count_params() == dense(2, units) + 2 * pairs * units**2 + dense(units, 1)
    assert shapes(model) == [(1,)]
    for depth in (negative, odd):
        refused(functional_api.build_deep_classifier, depth, residual, match="depth")
    none_is_built(functional_api.build_deep_classifier, 2, residual, bad)
    model = functional_api.build_bottleneck_classifier(residual, units, classes=3)
    neck = dense(units, 1) + dense(1, units)
    assert model.count_params() == dense(16, units) + neck + dense(units, 3)
    assert shapes(model) == [(3,)]
    none_is_built(functional_api.build_bottleneck_classifier, residual, bad)
    none_is_built(functional_api.build_bottleneck_classifier, residual, 3, bad)


@few
@given(several, size, st.none() | size, st.booleans(), st.booleans(), fewer)
def test_recurrent_classifiers(symbols, units, length, shared, symmetric, bad):
    model = functional_api.build_recurrent_classifier(layers.LSTM(units), symbols)
    assert model.count_params() == lstm(2 * symbols, units) + dense(units, symbols)
    assert shapes(model) == [(symbols,)]
    none_is_built(functional_api.build_recurrent_classifier, layers.LSTM(units), bad)
    model = functional_api.build_siamese_lstm(shared, symmetric, length)
    encoders = lstm(128, 32) * (1 if shared else 2)
    assert model.count_params() == encoders + dense(64, 1)
    assert shapes(model) == [(1,)]
    assert model.inputs[0].shape == (None, length, 128)
    none_is_built(functional_api.build_siamese_lstm, length=bad - 1)
    if symmetric:
        sentences = np.ones((3, length or 2, 128), "float32")
        scored = functional_api.score_all_pairs(model, sentences)
        assert scored.shape == (3,)


@few
@given(st.text(max_size=6), st.sampled_from(["shared", "separate", "one"]))
def test_eyes(other, eyes):
    eye = conv(25, 1, 8) + conv(1, 8, 16)
    alone = functional_api.build_eye("eye")
    assert alone.count_params() == eye
    assert shapes(alone) == [(20, 20, 16)]
    model = functional_api.build_stereo(eyes)
    features = 16 if eyes == "one" else 32
    expected = eye * (2 if eyes == "separate" else 1) + conv(9, features, 32) + dense(32, 1)
    assert model.count_params() == expected
    assert shapes(model) == [(1,)]
    if other not in ("shared", "separate", "one"):
        refused(functional_api.build_stereo, other, match="eyes")


def test_two_cameras_share_an_xception():
    model = functional_api.build_siamese_xception((75, 75, 3))
    assert model.count_params() == 20_861_480
    assert shapes(model) == [(3, 3, 4096)]


# 7.2


@few
@given(size, several, size, no_units)
def test_the_clouds_of_the_callbacks(features, classes, units, bad):
    model = tensor_board.build_cloud_classifier(features, classes, units)
    hidden = dense(features, units) + dense(units, units)
    assert model.count_params() == hidden + dense(units, classes)
    assert shapes(model) == [(classes,)]
    none_is_built(tensor_board.build_cloud_classifier, 3, bad)
    none_is_built(tensor_board.build_cloud_classifier, 3, 3, bad)


@few
@given(st.integers(1, 9), st.text("abc", min_size=1, max_size=4))
def test_the_callbacks_of_the_book(patience, monitor):
    stop, keep = tensor_board.build_callbacks_list(f"{monitor}.keras", monitor, patience)
    assert (stop.monitor, stop.patience) == (monitor, patience)
    assert (keep.monitor, keep.save_best_only) == ("val_loss", True)
    none_is_built(tensor_board.build_callbacks_list, f"{monitor}.model")
    lower = tensor_board.build_learning_rate_callback(patience)
    assert (lower.monitor, lower.factor, lower.patience) == ("val_loss", 0.1, patience)


@few
@given(size, st.integers(41, 60), st.integers(0, 3), no_units, st.integers(1, 40))
def test_text_classifiers(words, length, hidden, bad, short):
    model = tensor_board.build_text_classifier(words, length, hidden)
    convolutions = conv(7, 128, 32) + conv(7, 32, 32)
    expected = words * 128 + convolutions + hidden * dense(32, 32) + dense(32, 1)
    assert model.count_params() == expected
    assert shapes(model) == [(1,)]
    none_is_built(tensor_board.build_text_classifier, bad)
    none_is_built(tensor_board.build_text_classifier, words, short)
    for wrong in (-short, 0.5, None):
        refused(tensor_board.build_text_classifier, 5, 50, wrong, match="hidden_layers")


# 7.3


@few
@given(side, size, st.integers(1, 3), st.booleans(), size, no_units)
def test_normalized_models(edge, features, depth, normalized, units, bad):
    model = ensembling.build_normalized_convolution((edge, edge + 1, features))
    assert model.count_params() == conv(9, features, 32) + 4 * 32
    assert shapes(model) == [(edge - 2, edge - 1, 32)]
    for shape in ((2, 2, 3), (8, 3)):
        none_is_built(ensembling.build_normalized_convolution, shape)
    model = ensembling.build_normalized_dense(features)
    assert model.count_params() == dense(features, 32) + 4 * 32
    assert shapes(model) == [(32,)]
    model = ensembling.build_cloud_classifier("it", depth, normalized, units=units)
    blocks = dense(16, units) + (depth - 1) * dense(units, units) + depth * normalized * 4 * units
    assert model.count_params() == blocks + dense(units, 8)
    assert shapes(model) == [(8,)]
    refused(ensembling.build_cloud_classifier, "it", bad, match="depth")
    none_is_built(ensembling.build_cloud_classifier, "it", 1, units=bad)


@few
@given(size, several, size, st.booleans(), no_units)
def test_separable_models(channels, classes, filters, separable, bad):
    convolution = layers.SeparableConv2D if separable else layers.Conv2D

    def weights(inputs, outputs):
        return 9 * inputs + conv(1, inputs, outputs) if separable else conv(9, inputs, outputs)

    model = ensembling.build_separable_convnet(convolution, (32, 33, channels), classes)
    widths = [channels, 32, 64, 64, 128, 64, 128]
    layered = sum(map(weights, widths, widths[1:]))
    assert model.count_params() == layered + dense(128, 32) + dense(32, classes)
    assert shapes(model) == [(classes,)]
    none_is_built(ensembling.build_separable_convnet, convolution, (10, 10, channels))
    none_is_built(ensembling.build_separable_convnet, convolution, (64, 64, 3), bad)
    model = ensembling.build_pattern_classifier(
        convolution, filters, "it", (6, 6, channels), classes
    )
    assert model.count_params() == weights(channels, filters) + dense(filters, classes)
    assert shapes(model) == [(classes,)]
    none_is_built(ensembling.build_pattern_classifier, convolution, bad, "it")


@few
@given(size, st.integers(1, 2), st.booleans(), st.booleans(), st.booleans(), no_units)
def test_small_xceptions(filters, blocks, residual, normalize, separable, bad):
    model = ensembling.build_small_xception("it", filters, blocks, residual, normalize, separable)
    extra = 4 * filters if normalize else filters  # a normalization, or a bias
    kernel = 9 * filters + filters**2 if separable else 9 * filters**2
    first = 9 * 8 * filters + extra
    assert model.count_params() == first + 2 * blocks * (kernel + extra) + dense(filters, 8)
    assert shapes(model) == [(8,)]
    refused(ensembling.build_small_xception, "it", 3, bad, match="blocks")
    none_is_built(ensembling.build_small_xception, "it", bad)


@few
@given(st.integers(1, 3), size, st.floats(0, 0.9), st.booleans(), st.booleans(), no_units)
def test_candidates_of_the_search(depth, width, dropout, separable, normalize, bad):
    given_sizes = {"dropout": dropout, "separable": separable, "normalize": normalize}
    model = ensembling.build_candidate(depth, width, **given_sizes)

    def layer(inputs):
        kernel = 5 * inputs + inputs * width if separable else 5 * inputs * width
        return kernel + width + 4 * width * normalize

    assert model.count_params() == layer(4) + (depth - 1) * layer(width) + dense(width, 4)
    assert shapes(model) == [(4,)]
    refused(ensembling.build_candidate, bad, 3, **given_sizes, match="depth")
    none_is_built(ensembling.build_candidate, 1, bad, **given_sizes)
    for rate in (-0.1, 1.5, "half"):
        none_is_built(ensembling.build_candidate, 1, 3, **(given_sizes | {"dropout": rate}))


@few
@given(st.integers(2, 6).map(lambda half: 2 * half), size, st.data())
def test_the_families_and_their_ensembles(steps, units, data):
    families = {
        ensembling.build_dense(steps, units): dense(4 * steps, units) + dense(units, 1),
        ensembling.build_convolutional(steps): conv(4, 4, 16) + dense(16, 1),
        ensembling.build_multiplicative(steps): dense(2 * steps, 16) + dense(16, 1),
        ensembling.build_bag(steps): dense(4, 16) + dense(16, 1),
    }
    for model, parameters in families.items():
        assert model.count_params() == parameters
        assert shapes(model) == [(1,)]
        assert model.input_shape == (None, steps, 4)
    none_is_built(ensembling.build_dense, steps, 0)
    for build in (
        ensembling.build_dense,
        ensembling.build_convolutional,
        ensembling.build_multiplicative,
        ensembling.build_bag,
    ):
        none_is_built(build, -steps)
    none_is_built(ensembling.build_convolutional, 3)

    members, rng = list(families), np.random.default_rng(units)
    sequences = rng.normal(size=(5, steps, 4)).astype("float32")
    told = np.stack([member(sequences).numpy() for member in members])
    together = ensembling.build_ensemble(members)
    np.testing.assert_allclose(together(sequences), told.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(ensembling.average(*told), told.mean(axis=0), rtol=1e-5)
    weights = data.draw(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
    weighted = ensembling.build_weighted_ensemble(members, weights)
    expected = np.tensordot(weights, told, axes=1)
    np.testing.assert_allclose(weighted(sequences), expected, rtol=1e-5, atol=1e-6)
    assert together.count_params() == weighted.count_params() == sum(families.values())
    none_is_built(ensembling.build_weighted_ensemble, members, weights[:3])
    other = ensembling.build_bag(steps)
    none_is_built(ensembling.build_ensemble, [ensembling.build_dense(steps + 2), other, other])


def test_the_families_are_four():
    models = ensembling.build_families()
    assert {name: model.name for name, model in models.items()} == {name: name for name in models}
    assert len(models) == 4
