"""Diagrams show each layer once, each tensor as an edge, and nothing covered by a box.

Each kind of model is drawn in `test_calls.py`.
"""

import itertools

import keras
import pytest
from keras import layers

from ch07 import draw


def siamese():
    shared = layers.LSTM(8, name="shared")
    left, right = (keras.Input((None, 4), name=side) for side in ("left", "right"))
    merged = layers.concatenate([shared(left), shared(right)], name="merged")
    return keras.Model([left, right], layers.Dense(1, name="score")(merged))


def residual():
    image = keras.Input((8, 8, 4), name="image")
    x = image
    for number in range(3):
        x = layers.Conv2D(4, 3, padding="same", name=f"conv{number}")(x)
    return keras.Model(image, layers.add([x, image], name="sum"))


def calls_itself():
    vector = keras.Input((4,), name="vector")
    twice = layers.Dense(4, name="twice")
    return keras.Model(vector, layers.Dense(2, name="last")(twice(twice(vector))))


def three_outputs():
    vector = keras.Input((4,), name="vector")
    return keras.Model(vector, [layers.Dense(1, name=n)(vector) for n in ("a", "b", "c")])


def model_in_model():
    vector = keras.Input((4,), name="outside")
    return keras.Model(vector, layers.Dense(1, name="last")(residual_of_vectors()(vector)))


def residual_of_vectors():
    vector = keras.Input((4,), name="inside")
    added = layers.add([layers.Dense(4)(vector), vector])
    return keras.Model(vector, added, name="block")


def inception(order="abcd"):
    """The branches are made in the `order`, and always merged as a, b, c, d."""
    image = keras.Input((8, 8, 4), name="image")
    branches = {}
    for branch in order:
        x = layers.AveragePooling2D(2, 1, "same", name="pool")(image) if branch == "c" else image
        for number in range({"a": 1, "b": 2, "c": 1, "d": 3}[branch]):
            x = layers.Conv2D(4, 1, name=f"{branch}_{number}")(x)
        branches[branch] = x
    return keras.Model(image, layers.concatenate([branches[b] for b in "abcd"], name="merged"))


MODELS = [siamese, residual, calls_itself, three_outputs, model_in_model, inception]
MODELS += [lambda: inception("dbca")]
every_model = pytest.mark.parametrize("build", MODELS)


def test_a_shared_layer_is_one_box_with_an_edge_for_each_call():
    graph = draw.graph_of(siamese())
    assert set(graph.boxes) == {"left", "right", "shared", "merged", "score"}
    assert {(e.source, e.target, e.call) for e in graph.edges} == {
        ("left", "shared", 0),
        ("right", "shared", 1),
        ("shared", "merged", 0),
        ("merged", "score", 0),
    }
    assert len(graph.edges) == 5  # two tensors go from the shared layer into the merge
    kinds = {name: box.kind for name, box in graph.boxes.items()}
    assert kinds == {
        "left": "input",
        "right": "input",
        "shared": "shared",
        "merged": "merge",
        "score": "layer",
    }
    assert graph.boxes["shared"].lines == ("shared", "LSTM called 2 times -> 8")


def test_a_skip_connection_skips_ranks_beside_the_boxes():
    graph = draw.graph_of(residual())
    skip = next(n for n, e in enumerate(graph.edges) if (e.source, e.target) == ("image", "sum"))
    centres, lanes = draw.place(graph)
    passed = {rank: x for (edge, rank), x in lanes.items() if edge == skip}
    assert set(passed) == {1, 2, 3}
    for number in range(3):
        name = f"conv{number}"
        assert abs(passed[number + 1] - centres[name]) > graph.boxes[name].width / 2


@every_model
def test_edges_go_down_but_for_a_layer_called_on_its_own_output(build):
    graph = draw.graph_of(build())
    up = {e.source for e in graph.edges if graph.ranks[e.source] >= graph.ranks[e.target]}
    assert up == ({"twice"} if build is calls_itself else set())
    assert set(graph.ranks.values()) == set(range(max(graph.ranks.values()) + 1))


@every_model
def test_no_two_boxes_overlap(build):
    graph = draw.graph_of(build())
    centres, _ = draw.place(graph)
    for (one, box), (other, other_box) in itertools.combinations(graph.boxes.items(), 2):
        if graph.ranks[one] == graph.ranks[other]:
            assert abs(centres[one] - centres[other]) > (box.width + other_box.width) / 2


@pytest.mark.parametrize("order", ["abcd", "dbca", "cdab"])
def test_branches_stand_in_the_order_in_which_they_are_merged(order):
    graph = draw.graph_of(inception(order))
    centres, lanes = draw.place(graph)
    assert centres["a_0"] < centres["b_0"] < centres["pool"] < centres["d_0"]
    (short,) = (n for n, edge in enumerate(graph.edges) if edge.source == "a_0")
    assert lanes[short, 2] < centres["b_1"] < centres["c_0"] < centres["d_1"]


def test_a_deep_model_is_drawn():
    model = keras.Sequential([keras.Input((4,)), *[layers.Dense(4) for _ in range(280)]])
    assert draw.draw(model).get_size_inches()[1] > 200


@every_model
def test_a_drawing_names_every_layer(build, tmp_path):
    model = build()
    figure = draw.draw(model, "A title")
    figure.savefig(tmp_path / "diagram.png")
    written = {text.get_text() for text in figure.axes[0].texts}
    assert set(draw.graph_of(model).boxes) <= written
    assert f"A title: {model.count_params():,} parameters" in written


def test_a_model_without_a_graph_is_refused_in_one_sentence():
    class Subclassed(keras.Model):
        pass

    for model in (Subclassed(name="own"), keras.Sequential([layers.Dense(1)], name="own")):
        with pytest.raises(
            ValueError, match=r"^'own' is .*: it has no graph of layers, and .* alone\.$"
        ):
            draw.draw(model)
