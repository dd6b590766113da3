"""Section 7.1: the models are what the book means, and a run of all lessons is clean."""

import keras
import matplotlib.image
import numpy as np
import pytest

import ch0701_functional_api as script
from ch07 import compare, data, draw
from ch07.lab import lessons


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def edges(model):
    """(source, target) of every tensor in the graph of `model`."""
    return [(edge.source, edge.target) for edge in draw.graph_of(model).edges]


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


# 7.1.1


def test_sequential_and_functional_are_one_model():
    sequential, functional = script.build_sequential(), script.build_functional()
    assert sequential.count_params() == functional.count_params() == 3466
    sequential.set_weights(functional.get_weights())
    x = random(5, 64)
    assert sequential(x).numpy() == pytest.approx(functional(x).numpy(), abs=1e-6)


def test_an_input_without_a_path_to_the_output_is_refused():
    with pytest.raises(ValueError, match="not connected"):
        keras.Model(keras.Input((32,)), script.build_functional().output)


# 7.1.2


def test_question_answering_is_the_books():
    model = script.build_question_answering()
    assert model.count_params() == 1_000_052
    assert [tensor.name for tensor in model.inputs] == ["text", "question"]
    assert {("text_lstm", "merged"), ("question_lstm", "merged")} <= set(edges(model))
    assert model([np.zeros((2, 7)), np.zeros((2, 3))]).shape == (2, 500)


def test_inputs_by_list_and_by_dict_train_alike():
    stories = data.questions(0, train=64, test=1)
    by_list, by_dict = (script.build_question_answering(53, 50, 12) for _ in range(2))
    by_dict.set_weights(by_list.get_weights())
    for model, x in ((by_list, [*stories.train.values()]), (by_dict, stories.train)):
        model.compile("rmsprop", "categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(x, stories.train_targets)
    for one, other in zip(by_list.get_weights(), by_dict.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_price_model_reads_every_input():
    model = script.build_price_model(50)
    x = {"picture": random(3, 16, 16, 1), "description": np.full((3, 12), 7)}
    x["attributes"] = random(3, 5)
    for name in x:
        changed = model(x | {name: x[name] + 1})
        assert (changed.numpy() != model(x).numpy()).all()


# 7.1.3


def test_the_profile_model_is_the_books():
    model = script.build_profile_model()
    assert model.count_params() == 14_146_316
    age, income, gender = model(np.zeros((2, 30)))
    assert (age.shape, income.shape, gender.shape) == ((2, 1), (2, 10), (2, 1))
    assert income.numpy().sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("length", [1, 4, 268, 269])
def test_posts_may_have_any_length(length):
    # As printed, without padding, 268 words are too few (A4).
    assert script.build_profile_model(50, 10, 8)(np.zeros((1, length)))[0].shape == (1, 1)


def test_losses_weights_and_targets_by_list_and_by_dict_are_the_same():
    posts = data.posts(0, train=32, test=1)
    model = script.build_profile_model(posts.vocabulary_size, 10, 8)
    losses = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
    weights = {"age": 0.25, "income": 1.0, "gender": 10.0}
    totals = []
    for form in (dict, lambda by_name: list(by_name.values())):
        model.compile("rmsprop", form(losses), loss_weights=form(weights), run_eagerly=True)
        total, *parts = model.test_on_batch(posts.train, form(posts.train_targets))
        totals.append(float(total))
        weighted = sum(w * part for w, part in zip(weights.values(), parts, strict=True))
        assert total == pytest.approx(weighted, rel=1e-5)
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)


# 7.1.4


@pytest.mark.parametrize(("size", "halved"), [(32, 16), (33, 17), (5, 3)])
def test_the_branches_of_an_inception_module_meet(size, halved):
    model = script.build_inception_module((size, size, 3))
    assert model.output.shape == (None, halved, halved, 4 * 128)


def test_an_inception_module_has_the_books_branches():
    model = script.build_inception_module()
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


def test_branches_are_compared_at_equal_size():
    module = script.build_scale_classifier(8).count_params()
    for at, width in enumerate((310, 15, 70, 11)):
        alone = compare.one_branch(script.build_scale_classifier(width), at)
        assert alone.count_params() == pytest.approx(module, rel=0.06)


@pytest.mark.parametrize("size", [1, 3])
def test_a_1x1_convolution_alone_takes_pixels_one_by_one(size):
    convolve = script.build_convolution(size).get_layer("convolution")
    image = random(2, 16, 16, 3)
    order = np.random.default_rng(1).permutation(16 * 16)

    def shuffled(images):
        return images.reshape(2, 16 * 16, -1)[:, order].reshape(images.shape)

    apart = np.abs(convolve(shuffled(image)).numpy() - shuffled(convolve(image).numpy())).max()
    assert (apart < 1e-5) if size == 1 else (apart > 0.1)


def zero(model, but=()):
    """Set every weight of `model` to zero, but for the layers named."""
    for layer in model.layers:
        if layer.name not in but:
            layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])


def test_an_identity_block_gives_back_what_its_convolutions_miss():
    model = script.build_identity_residual_block((8, 8, 4), 4)
    zero(model)
    features = random(2, 8, 8, 4)
    np.testing.assert_array_equal(model(features).numpy(), features)


@pytest.mark.parametrize(("size", "halved"), [(8, 4), (9, 5)])
def test_a_linear_block_gives_back_a_halved_copy(size, halved):
    model = script.build_linear_residual_block((size, size, 3), 6)
    zero(model, but=["shortcut"])
    features = random(2, size, size, 3)
    expected = features[:, ::2, ::2] @ model.get_layer("shortcut").get_weights()[0][0, 0]
    assert model(features).numpy() == pytest.approx(expected, abs=1e-5)
    assert model.output.shape == (None, halved, halved, 6)


@pytest.mark.parametrize("depth", [4, 20])
def test_a_deep_classifier_is_as_deep_as_it_says_and_shortcuts_cost_nothing(depth):
    residual = script.build_deep_classifier(depth)
    plain = compare.one_branch(residual, 0)
    assert len(layers_of(plain, keras.layers.Dense)) == depth + 2  # the stem and the head
    assert plain.count_params() == residual.count_params()
    assert len(layers_of(residual, keras.layers.Add)) == depth // 2
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


# 7.1.5 and 7.1.6


def test_the_siamese_lstm_has_one_lstm_and_counts_it_once():
    shared = script.build_siamese_lstm()
    lstm = 4 * 32 * (128 + 32 + 1)
    assert shared.count_params() == lstm + 65
    assert edges(shared).count(("lstm", "difference")) == 2
    assert {("left", "lstm"), ("right", "lstm")} <= set(edges(shared))
    assert compare.without_sharing(shared).count_params() == 2 * lstm + 65


def test_only_a_shared_lstm_is_symmetric():
    left, right = random(6, 5, 128), random(6, 5, 128)[::-1]
    shared = script.build_siamese_lstm()
    for model, symmetric in ((shared, True), (compare.without_sharing(shared), False)):
        there, back = model([left, right]).numpy(), model([right, left]).numpy()
        assert ((there >= 0) & (there <= 1)).all()
        moved = np.abs(there - back).max()
        assert (moved < 1e-6) if symmetric else (moved > 1e-3)


def test_unrolling_computes_the_same():
    rolled, unrolled = script.build_siamese_lstm(), script.build_siamese_lstm(length=6)
    unrolled.set_weights(rolled.get_weights())
    pair = [random(4, 6, 128), random(4, 6, 128) + 1]
    assert unrolled(pair).numpy() == pytest.approx(rolled(pair).numpy(), abs=1e-6)


def test_xception_called_twice_is_counted_once():
    model = script.build_siamese_xception()
    (base,) = layers_of(model, keras.Model)
    assert model.count_params() == base.count_params() == 20_861_480
    assert edges(model).count(("xception", "merged")) == 2
    assert model.output.shape == (None, 8, 8, 4096)


def test_two_eyes_have_one_base():
    stereo = script.build_stereo()
    (base,) = layers_of(stereo, keras.Model)
    assert edges(stereo).count(("eye", "merged")) == 2
    more = compare.without_sharing(stereo).count_params() - stereo.count_params()
    assert more == base.count_params()
    assert [tensor.name for tensor in compare.one_branch(stereo, 0).inputs] == ["left"]


# The run


@pytest.mark.slow
def test_a_run_is_clean_and_leaves_a_picture_of_every_lesson(functional_api):
    assert functional_api.process.stderr.decode() == ""
    assert functional_api.process.returncode == 0
    assert all(claim["holds"] for claim in functional_api.record["claims"])
    names = [lesson.name for lesson in lessons.read(script.__name__).lessons]
    for name in names:
        height, width, _ = matplotlib.image.imread(functional_api.folder / f"{name}.png").shape
        assert width >= 800
        assert height >= 400
    assert {claim["lesson"] for claim in functional_api.record["claims"]} == set(names)
