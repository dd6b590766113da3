"""Section 7.1: the models are what the book means, and what is claimed of them holds."""

import json
from pathlib import Path

import keras
import matplotlib.image
import numpy as np
import pytest
from conftest import Finished
from rich.console import Console

import ch0701_functional_api as script
from ch07 import diagram, lab

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = json.loads((ROOT / "ch07/evidence.json").read_text(encoding="utf-8"))[script.__name__]


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def edges(model):
    """(source, target) of every tensor in the graph of `model`, sorted."""
    return sorted((edge.source, edge.target) for edge in diagram.graph_of(model).edges)


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


# Structure: 7.1.1


def test_sequential_and_functional_have_the_books_parameters():
    assert script.build_sequential().count_params() == 3466
    assert script.build_functional().count_params() == 3466


# Structure: 7.1.2


def test_question_answering_is_the_books():
    model = script.build_question_answering()
    assert model.count_params() == 1_000_052
    assert [tensor.name for tensor in model.inputs] == ["text", "question"]
    assert ("question_lstm", "merged") in edges(model)
    assert ("text_lstm", "merged") in edges(model)
    assert model([np.zeros((2, 7)), np.zeros((2, 3))]).shape == (2, 500)


@pytest.mark.parametrize("modality", ["picture", "description", "attributes"])
def test_the_joint_price_model_reads_each_modality(modality):
    model = script.build_price_model(50)
    inputs = {
        "picture": random(3, 16, 16, 1),
        "description": np.full((3, 12), 7),
        "attributes": random(3, 5),
    }
    changed = inputs | {modality: inputs[modality] + 1}
    assert (model(inputs).numpy() != model(changed).numpy()).all()
    alone = script.build_price_model(50, (modality,))
    assert [tensor.name for tensor in alone.inputs] == [modality]


# Structure: 7.1.3


def test_the_profile_model_is_the_books():
    model = script.build_profile_model()
    assert model.count_params() == 14_146_316
    age, income, gender = model(np.zeros((2, 30)))
    assert (age.shape, income.shape, gender.shape) == ((2, 1), (2, 10), (2, 1))
    assert income.numpy().sum(axis=1) == pytest.approx(1)
    assert ((gender > 0) & (gender < 1)).numpy().all()


@pytest.mark.parametrize("length", [1, 4, 100, 268, 269])
def test_posts_of_any_length_can_be_fed(length):
    # As printed, without padding, 268 words are too few (A4).
    assert script.build_profile_model(50, 10, 8)(np.zeros((1, length)))[0].shape == (1, 1)


# Structure: 7.1.4


@pytest.mark.parametrize(("size", "halved"), [(32, 16), (33, 17), (5, 3)])
def test_the_branches_of_an_inception_module_meet(size, halved):
    model = script.build_inception_module((size, size, 3))
    assert model.output.shape == (None, halved, halved, 4 * 128)


def test_an_inception_module_has_the_books_branches():
    model = script.build_inception_module()
    into = sorted(source for source, target in edges(model) if target == "merged")
    assert into == ["a_1x1", "b_3x3", "c_3x3", "d_3x3"]
    convolutions = {layer.name: layer for layer in layers_of(model, keras.layers.Conv2D)}
    shapes = {name: (c.kernel_size[0], c.strides[0]) for name, c in convolutions.items()}
    assert shapes == {
        "a_1x1": (1, 2),
        "b_1x1": (1, 1),
        "b_3x3": (3, 2),
        "c_3x3": (3, 1),
        "d_1x1": (1, 1),
        "d_3x3_first": (3, 1),
        "d_3x3": (3, 2),
    }
    assert {convolution.filters for convolution in convolutions.values()} == {128}


@pytest.mark.parametrize(("letter", "width"), [("a", 310), ("b", 15), ("c", 70), ("d", 11)])
def test_branches_are_compared_at_equal_size(letter, width):
    module = script.add_scale_heads(script.build_inception_module((16, 16, 3), 8))
    alone = script.add_scale_heads(script.build_inception_module((16, 16, 3), width, letter))
    assert alone.count_params() == pytest.approx(module.count_params(), rel=0.06)


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
    assert ("features", "sum") in edges(model)


@pytest.mark.parametrize(("size", "halved"), [(8, 4), (9, 5)])
def test_a_linear_block_gives_back_a_halved_copy(size, halved):
    model = script.build_linear_residual_block((size, size, 3), 6)
    zero(model, but=["shortcut"])
    features = random(2, size, size, 3)
    expected = features[:, ::2, ::2] @ model.get_layer("shortcut").get_weights()[0][0, 0]
    assert model(features).numpy() == pytest.approx(expected, abs=1e-5)
    assert model.output.shape == (None, halved, halved, 6)


@pytest.mark.parametrize("depth", [4, 10, 20, 40])
def test_a_deep_classifier_is_as_deep_as_it_says_and_shortcuts_cost_nothing(depth):
    plain, residual = (script.build_deep_classifier(depth, r) for r in (False, True))
    assert len(layers_of(plain, keras.layers.Dense)) == depth + 2  # the stem and the head
    assert plain.count_params() == residual.count_params()
    assert len(layers_of(residual, keras.layers.Add)) == depth // 2
    assert not layers_of(plain, keras.layers.Add)


def test_a_shortcut_carries_the_signal_past_dead_layers():
    for residual in (False, True):
        model = script.build_deep_classifier(10, residual)
        zero(model, but=["stem"])
        stages = keras.Model(model.input, [model.get_layer(n).output for n in ("stem", "body")])
        stem, body = (tensor.numpy() for tensor in stages(random(5, 2)))
        assert (body == (stem if residual else 0)).all()
        assert stem.any()


def test_the_bottleneck_lets_one_number_through_and_the_shortcut_all():
    for shortcut, rank in ((False, 1), (True, 32)):
        model = script.build_bottleneck_classifier(shortcut)
        assert model.count_params() == 905
        # All units behind the narrow layer are kept from being cut off, so that ranks count.
        kernel, _ = model.get_layer("wide_again").get_weights()
        model.get_layer("wide_again").set_weights([np.abs(kernel), np.full(32, 100.0)])
        behind = model.get_layer("class").input
        seen = keras.Model(model.input, behind)(random(200, 16)).numpy()
        seen -= seen.mean(axis=0)
        assert (np.linalg.svd(seen, compute_uv=False) > 1e-2).sum() == rank


# Structure: 7.1.5


def test_the_siamese_lstm_has_one_lstm_and_counts_it_once():
    shared, separate = (script.build_siamese_lstm(shared=s) for s in (True, False))
    lstm = 4 * 32 * (128 + 32 + 1)
    assert len(layers_of(shared, keras.layers.LSTM)) == 1
    assert len(layers_of(separate, keras.layers.LSTM)) == 2
    assert shared.count_params() == lstm + 65
    assert separate.count_params() == 2 * lstm + 65
    assert edges(shared).count(("lstm", "difference")) == 2
    assert ("left", "lstm") in edges(shared)
    assert ("right", "lstm") in edges(shared)


def test_only_a_shared_lstm_with_a_symmetric_head_is_symmetric():
    left, right = random(6, 5, 128), random(6, 5, 128)[::-1]
    moved = {}
    for name, options in {
        "shared": {},
        "separate": {"shared": False},
        "as_printed": {"symmetric": False},
    }.items():
        model = script.build_siamese_lstm(**options)
        there, back = model([left, right]).numpy(), model([right, left]).numpy()
        assert ((there >= 0) & (there <= 1)).all()
        moved[name] = np.abs(there - back).max()
    assert moved["shared"] == 0
    assert min(moved["separate"], moved["as_printed"]) > 1e-3


def test_unrolling_computes_the_same():
    rolled, unrolled = script.build_siamese_lstm(), script.build_siamese_lstm(length=6)
    unrolled.set_weights(rolled.get_weights())
    pair = [random(4, 6, 128), random(4, 6, 128) + 1]
    assert unrolled(pair).numpy() == pytest.approx(rolled(pair).numpy(), abs=1e-6)


def test_scoring_all_pairs_is_scoring_each_pair():
    model = script.build_siamese_lstm()
    sentences = random(5, 6, 128)
    first, second = np.triu_indices(5, k=1)
    one_by_one = model([sentences[first], sentences[second]]).numpy()[:, 0]
    assert script.score_all_pairs(model, sentences) == pytest.approx(one_by_one, abs=1e-6)


# Structure: 7.1.6


def test_xception_called_twice_is_counted_once():
    model = script.build_siamese_xception()
    bases = layers_of(model, keras.Model)
    assert len(bases) == 1
    assert model.count_params() == bases[0].count_params() == 20_861_480
    assert edges(model).count(("xception", "merged")) == 2
    assert model.output.shape == (None, 8, 8, 4096)


def test_two_eyes_share_one_base_or_have_two_or_are_one():
    shared, separate, one = (script.build_stereo(eyes) for eyes in ("shared", "separate", "one"))
    base = script.build_eye("eye").count_params()
    assert [len(layers_of(m, keras.Model)) for m in (shared, separate, one)] == [1, 2, 1]
    assert separate.count_params() - shared.count_params() == base
    assert edges(shared).count(("eye", "merged")) == 2
    assert [tensor.name for tensor in one.inputs] == ["left"]


# The run


def claim_id(claim):
    return f"{claim['section']} {claim['claim']}"


def test_a_run_is_clean_and_every_claim_holds(functional_api):
    assert functional_api.process.stderr.decode() == ""
    assert functional_api.process.returncode == 0
    count = len(EVIDENCE["claims"])
    assert f"13 lessons, {count} of {count} claims hold" in functional_api.lines[-2]


@pytest.mark.parametrize("recorded", EVIDENCE["claims"], ids=claim_id)
def test_a_claim_holds_on_seed_0(recorded, functional_api):
    claims = {claim_id(claim): claim for claim in functional_api.record["claims"]}
    claim = claims[claim_id(recorded)]
    assert claim["holds"], claim
    assert claim["bound"] == recorded["bound"]


def test_the_run_makes_the_recorded_claims_and_no_others(functional_api):
    made = [claim_id(claim) for claim in functional_api.record["claims"]]
    assert made == [claim_id(claim) for claim in EVIDENCE["claims"]]


@pytest.mark.parametrize("recorded", EVIDENCE["claims"], ids=claim_id)
def test_the_bounds_come_from_ten_seeds_or_more(recorded):
    assert recorded["of"] >= 10
    assert recorded["held"] == recorded["of"]


def test_every_lesson_has_its_claims_and_its_picture(functional_api):
    claimed = {claim["lesson"] for claim in functional_api.record["claims"]}
    for lesson in script.section.lessons:
        assert (functional_api.folder / f"{lesson.name}.png").exists()
        assert lesson.summary or lesson.name in claimed


def test_pictures_are_pictures(functional_api):
    pictures = sorted(functional_api.folder.glob("*.png"))
    assert len(pictures) >= 20
    for path in pictures:
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 200
        # Something is drawn, and it is not the whole surface.
        assert 0.005 < (pixels[..., :3] < 0.95).any(axis=-1).mean() < 0.9


def test_a_lesson_alone_gives_the_same_bits_as_within_the_section(functional_api, tmp_path):
    alone = Finished(script.__name__, tmp_path, "7.1.2", "7.1.6")
    lessons = {claim["lesson"] for claim in alone.record["claims"]}
    assert lessons == {"question_answering", "multimodal", "two_eyes"}
    within = [c for c in functional_api.record["claims"] if c["lesson"] in lessons]
    assert [(c["claim"], c["value"], c["compared_with"]) for c in alone.record["claims"]] == [
        (c["claim"], c["value"], c["compared_with"]) for c in within
    ]


def test_lessons_are_in_the_order_of_the_book():
    numbers = [lesson.number for lesson in script.section.lessons]
    assert numbers == sorted(numbers)
    assert set(numbers) == {f"7.1.{n}" for n in range(1, 8)}


def test_every_lesson_says_in_a_line_what_it_puts_to_the_test():
    for lesson in script.section.lessons:
        assert 20 < len(lesson.experiment.__doc__) < 100
        assert "\n" not in lesson.experiment.__doc__


def test_a_deep_model_that_diverges_is_a_result_and_no_error(tmp_path):
    # With this seed the 40 layers with shortcuts end in NaN.
    run = Finished("ch0701_functional_api", tmp_path, "7.1.4", "--seed", "4")
    assert (run.process.returncode, run.process.stderr) == (0, b"")
    assert any(claim["lesson"] == "residual_depth" for claim in run.record["claims"])


def test_a_model_that_answers_nan_says_no_to_everything(tmp_path, monkeypatch):
    def diverged(run, arms, data, *arguments, **options):
        return {arm: np.full_like(data.test_targets, np.nan, dtype="float32") for arm in arms}

    monkeypatch.setattr(lab.Run, "train", diverged)
    (lesson,) = (one for one in script.section.lessons if one.name == "residual_depth")
    run = lab.Run(0, tmp_path, tmp_path, console=Console(quiet=True))
    script.section.teach(lesson, run)
    targets = script.synthetic.spirals(0).test_targets
    (claim,) = (one for one in run.claims if one.sentence == "20 layers with shortcuts")
    assert claim.value == pytest.approx(np.mean(targets == 0))
    assert not claim.holds
