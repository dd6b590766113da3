"""Diagrams show layers once, tensors as edges, no edge below a box (all kinds: test_calls.py)."""

import itertools

import keras
import pytest
from keras import layers
from matplotlib.patches import FancyArrowPatch
from models import build

from ch07 import draw


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


def inception(order="dbca"):
    """The branches are made in the `order`, and always merged as a, b, c, d."""
    image = keras.Input((8, 8, 4), name="image")
    branches = {}
    for branch in order:
        x = layers.AveragePooling2D(2, 1, "same", name="pool")(image) if branch == "c" else image
        for number in range({"a": 1, "b": 2, "c": 1, "d": 3}[branch]):
            x = layers.Conv2D(4, 1, name=f"{branch}_{number}")(x)
        branches[branch] = x
    return keras.Model(image, layers.concatenate([branches[b] for b in "abcd"], name="merged"))


def test_a_shared_layer_is_one_box_with_an_edge_for_each_call():
    model = build("shared").model
    graph = draw.graph_of(model)
    edges = sorted(f"{e.source} {e.target} {e.call}" for e in graph.edges)
    into = ["dense relu 0", "dense relu 1", "left dense 0", "merge score 0"]
    assert edges == [*into, "relu merge 0", "relu merge 0", "right dense 1"]
    kinds = {name: box.kind for name, box in graph.boxes.items()}
    expected = {"left": "input", "right": "input", "dense": "shared", "relu": "shared"}
    assert kinds == expected | {"merge": "merge", "score": "layer"}
    assert graph.boxes["dense"].lines == ("dense", "Dense called 2 times -> 3")
    arrows = [p for p in draw.draw(model).axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert sorted(arrow.get_linestyle() for arrow in arrows) == ["-"] * 5 + ["--"] * 2


def test_a_skip_connection_skips_ranks_beside_the_boxes():
    graph = draw.graph_of(residual())
    skip = next(n for n, e in enumerate(graph.edges) if (e.source, e.target) == ("image", "sum"))
    centres, lanes = draw.place(graph)
    passed = {rank: x for (edge, rank), x in lanes.items() if edge == skip}
    for number in range(3):
        name = f"conv{number}"
        assert abs(passed[number + 1] - centres[name]) > graph.boxes[name].width / 2
        assert graph.boxes[name].lines == (name, "Conv2D -> 8x8x4")


@pytest.mark.parametrize("make", [residual, calls_itself, inception])
def test_edges_go_down_and_no_two_boxes_overlap(make, tmp_path):
    graph = draw.graph_of(make())
    up = {e.source for e in graph.edges if graph.ranks[e.source] >= graph.ranks[e.target]}
    assert up == ({"twice"} if make is calls_itself else set())  # on its own output
    assert set(graph.ranks.values()) == set(range(max(graph.ranks.values()) + 1))
    centres, _ = draw.place(graph)
    for (one, box), (other, other_box) in itertools.combinations(graph.boxes.items(), 2):
        if graph.ranks[one] == graph.ranks[other]:
            assert abs(centres[one] - centres[other]) > (box.width + other_box.width) / 2
    draw.draw(make(), "A title").savefig(tmp_path / "diagram.png")
    assert draw.smooth([(0, 2), (1, 0)]).vertices[[0, -1]].tolist() == [[0, 2], [1, 0]]


@pytest.mark.parametrize("order", ["abcd", "dbca", "cdab"])
def test_branches_stand_in_the_order_in_which_they_are_merged(order):
    graph = draw.graph_of(inception(order))
    centres, lanes = draw.place(graph)
    assert centres["a_0"] < centres["b_0"] < centres["pool"] < centres["d_0"]
    (short,) = (n for n, edge in enumerate(graph.edges) if edge.source == "a_0")
    assert lanes[short, 2] < centres["b_1"] < centres["c_0"] < centres["d_1"]


def test_a_deep_model_is_drawn():
    model = keras.Sequential([keras.Input((4,)), *[layers.Dense(4) for _ in range(280)]])
    figure = draw.draw(model, "A title")
    assert figure.get_size_inches()[1] > 200
    assert "A title: 5,600 parameters" in {text.get_text() for text in figure.axes[0].texts}
