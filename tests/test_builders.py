"""The models of sections 7.1 and 7.3 are what the book means (test_cells.py: the lessons run)."""

import keras
import numpy as np
import pytest
from keras import layers

import ch0701_functional_api as section_7_1
import ch0703_ensembling as section_7_3
from ch07 import compare, data, draw, inspection


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def edges(model):
    """(source, target) of every tensor in the graph of `model`."""
    return [(edge.source, edge.target) for edge in draw.graph_of(model).edges]


def zero(model, but=()):
    """Set every weight of `model` to zero, but for the layers named."""
    for layer in model.layers:
        if layer.name not in but:
            layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])


def test_sequential_and_functional_are_one_model():
    sequential, functional = section_7_1.build_sequential(), section_7_1.build_functional()
    assert sequential.count_params() == functional.count_params() == 3466
    sequential.set_weights(functional.get_weights())
    x = random(5, 64)
    assert sequential(x).numpy() == pytest.approx(functional(x).numpy(), abs=1e-6)


def test_question_answering_is_the_books_and_takes_inputs_by_list_and_by_dict():
    model = section_7_1.build_question_answering()
    assert model.count_params() == 1_000_052
    assert [tensor.name for tensor in model.inputs] == ["text", "question"]
    assert {("text_lstm", "merged"), ("question_lstm", "merged")} <= set(edges(model))
    text, question = np.ones((2, 7), int), np.ones((2, 3), int)
    by_list, by_dict = model([text, question]), model({"question": question, "text": text})
    assert by_list.shape == (2, 500)
    np.testing.assert_array_equal(by_list, by_dict)
    price = edges(section_7_1.build_price_model(50))  # it reads every input
    inputs = [source for source, target in price if target == "merged"]
    assert inputs == ["average", "any_word", "facts"]


def test_the_profile_model_is_the_books_and_posts_may_have_any_length():
    model = section_7_1.build_profile_model()
    assert model.count_params() == 14_146_316
    assert model.output_names == ["age", "income", "gender"]  # as the listings have their losses
    model.get_layer("gender").bias.assign([9.0])
    for length in (1, 30, 268, 269):  # as printed, without padding, 268 words are too few (A4)
        age, income, gender = (of.numpy() for of in model(np.zeros((2, length))))
        assert (age.shape, income.shape, gender.shape) == ((2, 1), (2, 10), (2, 1))
        assert income.sum(axis=1) == pytest.approx(1)
        assert gender == pytest.approx(1, abs=0.1)  # after a sigmoid


def test_an_inception_module_has_the_books_branches_which_meet_at_any_size():
    for size, halved in ((32, 16), (33, 17), (5, 3)):
        model = section_7_1.build_inception_module((size, size, 3))
        assert model.output.shape == (None, halved, halved, 4 * 128)
    into = [source for source, target in edges(model) if target == "merged"]
    assert into == ["a_1x1", "b_3x3", "c_3x3", "d_3x3"]
    strides = {"a_1x1": 2, "b_1x1": 1, "b_3x3": 2, "c_3x3": 1, "d_1x1": 1, "d_3x3_first": 1}
    convolutions = [of for of in model.layers if isinstance(of, layers.Conv2D)]
    assert {of.name: of.strides[0] for of in convolutions} == strides | {"d_3x3": 2}
    assert all("{}x{}".format(*of.kernel_size) in of.name for of in convolutions)
    # Each branch alone is compared with the module at equal size.
    module = section_7_1.build_scale_classifier(8).count_params()
    for at, width in enumerate((310, 15, 70, 11)):
        alone = compare.one_branch(section_7_1.build_scale_classifier(width), at)
        assert alone.count_params() == pytest.approx(module, rel=0.06)


def test_residual_blocks_add_what_went_in_as_it_was_or_halved():
    identity = section_7_1.build_identity_residual_block((8, 8, 4), 4)
    zero(identity)
    features = random(2, 8, 8, 4)
    np.testing.assert_array_equal(identity(features).numpy(), features)
    for size in (8, 9):
        linear = section_7_1.build_linear_residual_block((size, size, 3), 6)
        zero(linear, but=["shortcut"])
        features = random(2, size, size, 3)
        expected = features[:, ::2, ::2] @ linear.get_layer("shortcut").get_weights()[0][0, 0]
        assert linear(features).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("depth", [4, 20])
def test_a_deep_classifier_is_as_deep_as_it_says_and_shortcuts_cost_nothing(depth):
    residual = section_7_1.build_deep_classifier(depth)
    plain = compare.one_branch(residual, 0)
    kinds = [type(layer) for layer in plain.layers]
    assert kinds.count(layers.Dense) == depth + 2  # the stem and the head
    assert plain.count_params() == residual.count_params()
    for model, arrives in ((residual, True), (plain, False)):
        zero(model, but=["stem"])
        stages = keras.Model(model.input, [model.get_layer(n).output for n in ("stem", "body")])
        stem, body = (tensor.numpy() for tensor in stages(random(5, 2)))
        assert stem.any()
        assert (body == (stem if arrives else 0)).all()


def test_the_bottleneck_lets_one_number_through_and_the_shortcut_all():
    model = section_7_1.build_bottleneck_classifier()
    assert {("narrow", "wide_again"), ("wide_again", "sum"), ("wide", "sum")} <= set(edges(model))
    assert model.get_layer("narrow").units == 1
    assert model.count_params() == compare.one_branch(model, 0).count_params() == 905


def test_the_siamese_lstm_has_one_lstm_counts_it_once_and_alone_is_symmetric():
    shared = section_7_1.build_siamese_lstm()
    apart, unrolled = compare.without_sharing(shared), section_7_1.build_siamese_lstm(length=6)
    lstm = 4 * 32 * (128 + 32 + 1)
    assert shared.count_params() == lstm + 65
    assert apart.count_params() == 2 * lstm + 65
    assert edges(shared).count(("lstm", "difference")) == 2
    left, right = random(6, 6, 128), random(6, 6, 128)[::-1]
    for model, symmetric in ((shared, True), (apart, False)):
        there, back = model([left, right]).numpy(), model([right, left]).numpy()
        assert ((there >= 0) & (there <= 1)).all()
        moved = np.abs(there - back).max()
        assert (moved < 1e-6) if symmetric else (moved > 1e-3)
    unrolled.set_weights(shared.get_weights())
    pair = [left, left + 1]
    assert unrolled(pair).numpy() == pytest.approx(shared(pair).numpy(), abs=1e-6)


def test_two_eyes_have_one_base_that_is_counted_once():
    xception, stereo = section_7_1.build_siamese_xception(), section_7_1.build_stereo()
    for model, name in ((xception, "xception"), (stereo, "eye")):
        assert edges(model).count((name, "merged")) == 2
    assert xception.count_params() == xception.get_layer("xception").count_params() == 20_861_480
    assert xception.output.shape == (None, 8, 8, 4096)
    more = compare.without_sharing(stereo).count_params() - stereo.count_params()
    assert more == stereo.get_layer("eye").count_params()
    assert [tensor.name for tensor in compare.one_branch(stereo, 0).inputs] == ["left"]


# 7.3.1 Batch normalization


def test_normalization_stands_behind_the_books_layers_and_is_all_that_differs():
    conv = layers.Conv2D(32, 3, activation="relu")
    model = section_7_3.build_normalized(conv, (64, 64, 3))
    assert [type(layer).__name__ for layer in model.layers[1:]] == ["Conv2D", "BatchNormalization"]
    assert model.output_shape == (None, 62, 62, 32)
    assert model.count_params() == 32 * (27 + 1) + 4 * 32  # statistics for channels, not for places
    assert model.get_layer("normalization").momentum == 0.99  # the default that is named
    dense = 16 * 32 + 32 + 15 * (32 * 32 + 32) + 32 * 8 + 8
    for kind, more in ((layers.Dense, 0), (layers.BatchNormalization, 16 * 4 * 32)):
        model = section_7_3.build_cloud_classifier(16, normalized=bool(more))
        assert model.count_params() == dense + more
        assert all(type(model.get_layer(f"block_{n}")) is kind for n in range(1, 17))


def test_training_normalizes_with_the_batch_and_the_momentum_matters_to_inference_alone():
    points = data.clusters(0).train
    slow, fast = (section_7_3.build_cloud_classifier(2, momentum=of) for of in (0.99, 0.9))
    fast.set_weights(slow.get_weights())
    trained = [model(points, training=True) for model in (slow, fast)]  # moves the averages
    np.testing.assert_array_equal(*trained)
    assert np.abs(slow(points) - fast(points)).max() > 0.01
    block = keras.Model(slow.input, slow.get_layer("block_1").output)(points, training=True)
    np.testing.assert_allclose(np.mean(block, axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.std(block, axis=0), 1, atol=0.02)


# 7.3.1 Depthwise separable convolution


def test_convnets_are_the_books_and_spend_their_budget_separable_or_plain():
    model = section_7_3.build_separable_convnet()
    plain = section_7_3.build_separable_convnet(layers.Conv2D)
    assert (model.count_params(), plain.count_params()) == (38_949, 282_282)
    assert model.input_shape == (None, 64, 64, 3)
    convolutions = [of for of in model.layers if isinstance(of, layers.SeparableConv2D)]
    assert [of.filters for of in convolutions] == [32, 64, 64, 128, 64, 128]
    assert {of.kernel_size for of in convolutions} == {(3, 3)}
    assert {of.activation for of in convolutions} == {keras.activations.relu}
    np.testing.assert_allclose(model(random(2, 64, 64, 3)).numpy().sum(axis=1), 1, rtol=1e-5)
    forms = [[(of.name, of.output.shape) for of in one.layers] for one in (model, plain)]
    assert forms[0] == forms[1]
    for kind, convolution in section_7_3.CONVOLUTIONS.items():
        for budget, filters in section_7_3.FILTERS[kind].items():
            small = section_7_3.build_pattern_classifier("apart", convolution, filters)
            assert small.count_params() == pytest.approx(budget, rel=0.02)
    work = inspection.multiply_adds(model) / inspection.multiply_adds(plain)
    assert work == pytest.approx(1 / 8, abs=0.002)


def test_multiply_adds_are_those_of_every_position():
    kernels = {layers.SeparableConv2D: 9 * 3 + 3 * 4, layers.Conv2D: 9 * 3 * 4}
    for convolution, kernel in kernels.items():
        stack = [convolution(4, 3), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(5)]
        model = keras.Sequential([keras.Input((6, 6, 3)), *stack])
        assert inspection.multiply_adds(model) == 4 * 4 * kernel + 2 * 2 * 4 * 5


def test_the_time_is_the_median_and_leaves_out_the_first_pass(monkeypatch):
    took = [of for turn in (100.0, *range(9)) for of in (turn, 2 * turn)]
    clock = (now for one in took for now in (0.0, one))
    monkeypatch.setattr(inspection.time, "perf_counter", lambda: next(clock))
    models = [keras.Sequential([keras.Input((2,)), layers.Dense(1)]) for _ in range(2)]
    assert inspection.median_seconds(models, random(1, 2)) == [4, 8]


@pytest.mark.parametrize("without", [None, "residual", "normalize", "separable"])
def test_the_small_xception_lacks_what_is_taken_out_and_nothing_else(without):
    filters = 15 if without == "separable" else 36
    model = section_7_3.build_small_xception(filters, **({without: False} if without else {}))
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(layers.Add) == (0 if without == "residual" else 4)
    assert kinds.count(layers.BatchNormalization) == (0 if without == "normalize" else 9)
    assert kinds.count(layers.SeparableConv2D) == (0 if without == "separable" else 8)
    assert kinds.count(layers.Conv2D) == (9 if without == "separable" else 1)
    biases = {layer.use_bias for layer in model.layers if hasattr(layer, "filters")}
    assert biases == {without == "normalize"}
    assert abs(model.count_params() / 17_144 - 1) < 0.06
    # A shortcut carries the image around the convolutions of its block.
    separable = layers.SeparableConv2D
    zero(model, but=[layer.name for layer in model.layers if type(layer) is not separable])
    spread = np.ptp(model(random(9, 12, 12, 8)).numpy(), axis=0).max()
    assert (spread > 1e-3) == (without != "residual")


# 7.3.3


def test_each_of_four_kinds_gives_a_probability_and_is_blind_to_something_of_its_own():
    models = {kind: section_7_3.build_member(kind) for kind in section_7_3.KINDS}
    sequence = random(50, 24, 4)
    permuted = sequence[:, np.random.default_rng(1).permutation(24)]
    swapped = np.roll(sequence, 12, axis=1)  # the halves
    padded = np.pad(sequence[:, :8], ((0, 0), (4, 12), (0, 0)))
    shifted = np.roll(padded, 7, axis=1)  # all within zeros, at another place

    def moved(kind, one, other):
        given = [models[kind](of).numpy() for of in (one, other)]
        assert all(((of > 0) & (of < 1)).all() for of in given)
        return np.abs(given[0] - given[1]).max()

    assert moved("bag", sequence, permuted) < 1e-6
    assert moved("convolutional", padded, shifted) < 1e-6
    assert moved("multiplicative", sequence, swapped) < 1e-6
    assert moved("multiplicative", sequence, -sequence) < 1e-6
    for kind in ("dense", "convolutional", "multiplicative"):
        assert moved(kind, sequence, permuted) > 1e-3
    assert moved("dense", padded, shifted) > 1e-3


def test_weights_are_learned_for_those_who_know_something():
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=(500, 1))
    good = np.clip(targets + rng.normal(0, 0.4, (500, 2)), 0, 1)
    predicted = np.hstack([good, rng.integers(2, size=(500, 1))])  # the last one is misled
    weights = inspection.learned_weights(predicted, targets, seed=0)
    assert weights.shape == (3,)
    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 0.15
    np.testing.assert_array_equal(weights, inspection.learned_weights(predicted, targets, seed=0))


def test_correlations_of_errors_and_what_an_average_gains_on_its_members_in_the_mean():
    targets = np.array([[1], [1], [0], [0]])
    one, opposite, crossed = [0.1, 0.2, 0.3, 0.4], [0.9, 0.8, 0.7, 0.6], [0.1, 0.9, 0.9, 0.1]
    predicted = np.column_stack([one, one, opposite, crossed])
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    correlations = inspection.error_correlations(predicted, targets)
    np.testing.assert_allclose(correlations, expected, atol=1e-12)
    assert inspection.diversity(predicted, targets, (0, 1, 2, 3))[0] == pytest.approx(-1 / 6)
    predicted = np.array([[0.9, 0.3, 0.6], [0.8, 0.2, 0.4], [0.2, 0.7, 0.1], [0.6, 0.9, 0.6]])
    # Alone: right on 3, 0 and 2 of 4. Of the first and the third: 0.75, 0.6, 0.15, 0.6: 3 of 4.
    assert inspection.diversity(predicted, targets, (0, 2))[1] == pytest.approx(3 / 4 - 5 / 8)
