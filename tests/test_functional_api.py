"""Section 7.1: the models are what the book means.

That its lessons run clean is tested in `test_cells.py`, and in whole runs in `test_ranges.py`.
"""

import keras
import numpy as np
import pytest

import ch0701_functional_api as script
from ch07 import compare, draw


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def edges(model):
    """(source, target) of every tensor in the graph of `model`."""
    return [(edge.source, edge.target) for edge in draw.graph_of(model).edges]


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def zero(model, but=()):
    """Set every weight of `model` to zero, but for the layers named."""
    for layer in model.layers:
        if layer.name not in but:
            layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])


def test_sequential_and_functional_are_one_model():
    sequential, functional = script.build_sequential(), script.build_functional()
    assert sequential.count_params() == functional.count_params() == 3466
    sequential.set_weights(functional.get_weights())
    x = random(5, 64)
    assert sequential(x).numpy() == pytest.approx(functional(x).numpy(), abs=1e-6)


def test_question_answering_is_the_books_and_takes_inputs_by_list_and_by_dict():
    model = script.build_question_answering()
    assert model.count_params() == 1_000_052
    assert [tensor.name for tensor in model.inputs] == ["text", "question"]
    assert {("text_lstm", "merged"), ("question_lstm", "merged")} <= set(edges(model))
    text, question = np.ones((2, 7), int), np.ones((2, 3), int)
    by_list, by_dict = model([text, question]), model({"question": question, "text": text})
    assert by_list.shape == (2, 500)
    np.testing.assert_array_equal(by_list, by_dict)


def test_the_price_model_reads_every_input():
    model = script.build_price_model(50)
    x = {"picture": random(3, 16, 16, 1), "description": np.full((3, 12), 7)}
    x["attributes"] = random(3, 5)
    for name in x:
        changed = model(x | {name: x[name] + 1})
        assert (changed.numpy() != model(x).numpy()).all()


def test_the_profile_model_is_the_books_and_posts_may_have_any_length():
    model = script.build_profile_model()
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
        model = script.build_inception_module((size, size, 3))
        assert model.output.shape == (None, halved, halved, 4 * 128)
    into = [source for source, target in edges(model) if target == "merged"]
    assert into == ["a_1x1", "b_3x3", "c_3x3", "d_3x3"]
    convolutions = layers_of(model, keras.layers.Conv2D)
    assert {c.name: (c.kernel_size[0], c.strides[0]) for c in convolutions} == {
        "a_1x1": (1, 2),
        "b_1x1": (1, 1),
        "b_3x3": (3, 2),
        "c_3x3": (3, 1),
        "d_1x1": (1, 1),
        "d_3x3_first": (3, 1),
        "d_3x3": (3, 2),
    }
    # Each branch alone is compared with the module at equal size.
    module = script.build_scale_classifier(8).count_params()
    for at, width in enumerate((310, 15, 70, 11)):
        alone = compare.one_branch(script.build_scale_classifier(width), at)
        assert alone.count_params() == pytest.approx(module, rel=0.06)


def test_residual_blocks_add_what_went_in_as_it_was_or_halved():
    identity = script.build_identity_residual_block((8, 8, 4), 4)
    zero(identity)
    features = random(2, 8, 8, 4)
    np.testing.assert_array_equal(identity(features).numpy(), features)
    for size in (8, 9):
        linear = script.build_linear_residual_block((size, size, 3), 6)
        zero(linear, but=["shortcut"])
        features = random(2, size, size, 3)
        expected = features[:, ::2, ::2] @ linear.get_layer("shortcut").get_weights()[0][0, 0]
        assert linear(features).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("depth", [4, 20])
def test_a_deep_classifier_is_as_deep_as_it_says_and_shortcuts_cost_nothing(depth):
    residual = script.build_deep_classifier(depth)
    plain = compare.one_branch(residual, 0)
    assert len(layers_of(plain, keras.layers.Dense)) == depth + 2  # the stem and the head
    assert plain.count_params() == residual.count_params()
    for model, arrives in ((residual, True), (plain, False)):
        zero(model, but=["stem"])
        stages = keras.Model(model.input, [model.get_layer(n).output for n in ("stem", "body")])
        stem, body = (tensor.numpy() for tensor in stages(random(5, 2)))
        assert stem.any()
        assert (body == (stem if arrives else 0)).all()


@pytest.mark.parametrize(("shortcut", "rank"), [(False, 1), (True, 32)])
def test_the_bottleneck_lets_one_number_through_and_the_shortcut_all(shortcut, rank):
    model = script.build_bottleneck_classifier()
    model = model if shortcut else compare.one_branch(model, 0)
    assert model.count_params() == 905
    # All units behind the narrow layer are kept from being cut off, so that ranks count.
    kernel, _ = model.get_layer("wide_again").get_weights()
    model.get_layer("wide_again").set_weights([np.abs(kernel), np.full(32, 100.0)])
    seen = keras.Model(model.input, model.get_layer("class").input)(random(200, 16)).numpy()
    seen -= seen.mean(axis=0)
    assert (np.linalg.svd(seen, compute_uv=False) > 1e-2).sum() == rank


def test_the_siamese_lstm_has_one_lstm_counts_it_once_and_alone_is_symmetric():
    shared = script.build_siamese_lstm()
    apart, unrolled = compare.without_sharing(shared), script.build_siamese_lstm(length=6)
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
    xception, stereo = script.build_siamese_xception(), script.build_stereo()
    for model, name in ((xception, "xception"), (stereo, "eye")):
        assert len(layers_of(model, keras.Model)) == 1
        assert edges(model).count((name, "merged")) == 2
    assert xception.count_params() == xception.get_layer("xception").count_params() == 20_861_480
    assert xception.output.shape == (None, 8, 8, 4096)
    more = compare.without_sharing(stereo).count_params() - stereo.count_params()
    assert more == stereo.get_layer("eye").count_params()
    assert [tensor.name for tensor in compare.one_branch(stereo, 0).inputs] == ["left"]
