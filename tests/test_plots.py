"""Panels have labelled axes, and a saved figure is closed where there is no screen."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch07.plots import common

GROUPS = {"a": {"one": 1.0, "two": -1.0}, "b": {"one": 2.0, "two": 0.5}}
PANELS = {
    "bars": common.bars({"a": 1.0, "b": 0.5}, "x (unit)", best={"a": 1.0, "b": 0.7}),
    "grouped bars": common.bars(GROUPS, "x (unit)", upright={"chance": 0.5}),
    "curves": common.curves(
        [1, 2], {"a": [1, 2]}, "x (unit)", "y (unit)", level=("chance", 1), rings={"b": (1, 1)}
    ),
    "points": common.points({"a": (np.arange(3), np.arange(3))}, "x (unit)", "y (unit)"),
}
NAMES = {
    "bars": ["best possible"],
    "grouped bars": ["one", "two", "chance"],
    "curves": ["a", "b", "chance"],
    "points": ["a"],
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_labels_its_axes_with_units_and_names_what_it_draws(name):
    axes = common.row(PANELS[name]).axes[0]
    assert axes.get_xlabel() == "x (unit)"
    # The bars' other axis is their names.
    assert axes.get_ylabel() == "y (unit)" or "bars" in name
    assert sorted(text.get_text() for text in axes.get_legend().texts) == sorted(NAMES[name])


def test_a_heat_map_writes_its_numbers_and_names_what_they_are():
    panel = common.heat_map(np.array([[0.25, 1.0]]), "share", ["row"], ["left", "right"])
    axes, colours = common.row(panel).axes
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00"]
    assert colours.get_ylabel() == "share"


def test_a_saved_figure_is_closed_where_there_is_no_screen(tmp_path):
    figure = common.row(PANELS["bars"])
    common.save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    common.show()  # returns at once
