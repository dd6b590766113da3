"""Panels have labelled axes, and a saved figure is closed where there is no screen."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch07.plots import common

GROUPS = {"a": {"one": 1.0, "two": -1.0}, "b": {"one": 2.0, "two": 0.5}}
BARS = common.bars({"a": 1.0, "b": 0.5}, "x (unit)", best={"a": 1.0, "b": 0.7})
GROUPED = common.bars(GROUPS, "x (unit)", upright={"chance": 0.5})
LABELS = "x (unit)", "y (unit)"
CURVES = common.curves([1, 2], {"a": [1, 2]}, *LABELS, level=("chance", 1), rings={"b": (1, 1)})
POINTS = common.points({"a": (np.arange(3), np.arange(3))}, *LABELS)


@pytest.mark.parametrize(
    ("panel", "ylabel", "names"),
    [
        (BARS, "", ["best possible"]),  # the other axis of bars is their names
        (GROUPED, "", ["chance", "one", "two"]),
        (CURVES, "y (unit)", ["a", "b", "chance"]),
        (POINTS, "y (unit)", ["a"]),
    ],
)
def test_every_panel_labels_its_axes_with_units_and_names_what_it_draws(panel, ylabel, names):
    axes = common.row(panel).axes[0]
    plt.close("all")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (unit)", ylabel)
    assert sorted(text.get_text() for text in axes.get_legend().texts) == names


def test_the_number_of_a_bar_stands_at_its_end_or_behind_a_mark_that_is_near():
    best = {"far": 0.9, "near": 0.6, "below": 0.4, "unknown": np.nan}
    (axes,) = common.row(common.bars(dict.fromkeys(best, 0.5), "x (unit)", best=best)).axes
    plt.close("all")
    assert [text.xy[0] for text in axes.texts] == [0.5, 0.6, 0.5, 0.5]


def test_a_heat_map_writes_its_numbers_and_a_saved_figure_is_closed_without_a_screen(tmp_path):
    panel = common.heat_map(np.array([[0.25, 1.0]]), "share", ["row"], ["left", "right"])
    figure = common.row(panel)
    axes, colours = figure.axes
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00"]
    assert colours.get_ylabel() == "share"
    common.save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    common.show()  # returns at once
