"""Figures have labelled axes, and show what does not hold as plainly as what holds."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch07 import figures
from ch07.claims import Claim

PANELS = {
    "bars": figures.bars({"a": 1.0, "b": 0.5}, "x (unit)", marks={"b": 0.7}, mark="ceiling"),
    "grouped_bars": figures.grouped_bars({"a": {"one": 1.0}, "b": {"one": 2.0}}, "x (unit)"),
    "curves": figures.curves([1, 2], {"a": [1, 2]}, "x (unit)", "y (unit)", level=("chance", 1)),
    "points": figures.points(
        {"a": (np.arange(3), np.arange(3))}, "x (unit)", "y (unit)", diagonal="equal"
    ),
    "histogram": figures.histogram(
        {"a": np.arange(3)}, np.arange(4), "x (unit)", "y (unit)", line=("here", 1.5)
    ),
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_labels_its_axes_with_units(name):
    axes = figures.row(PANELS[name]).axes[0]
    assert axes.get_xlabel() == "x (unit)"
    # The bars' other axis is their names.
    assert axes.get_ylabel() == "y (unit)" or "bars" in name


def test_a_heat_map_writes_its_numbers_and_names_what_they_are():
    panel = figures.table(np.array([[0.25, 1.0]]), ["row"], ["left", "right"], "share")
    axes, colours = figures.row(panel).axes
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00"]
    assert colours.get_ylabel() == "share"


@pytest.mark.parametrize("value", [0.0, -0.5, 0.2, 3.0, 1e-12])
def test_a_scorecard_shows_every_claim_with_its_number(value):
    claims = [
        Claim("7.1.1", "lesson", "It holds", 1.0, "accuracy", at_least=0.5),
        Claim("7.1.2", "lesson", "It may not", value, "pixels", at_least=1, at_most=2),
        Claim("7.1.3", "lesson", "Nothing", 0.0, "loss", at_most=0, compared_with={"other": 5}),
    ]
    axes = figures.scorecard(claims, "A section").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "It holds  7.1.1",
        "It may not  7.1.2",
        "Nothing  7.1.3",
    ]
    assert [text.get_text().split()[-1] for text in axes.texts] == ["accuracy", "pixels", "loss"]
    failed = [line for line in axes.lines if line.get_marker() == "X" and len(line.get_xdata())]
    assert len(failed) == 1
    low, high = axes.get_xlim()
    drawn = np.concatenate([np.atleast_1d(line.get_xdata()) for line in axes.lines])
    assert ((drawn >= low) & (drawn <= high)).all()


def test_a_saved_figure_is_closed_where_there_is_no_screen(tmp_path):
    figure = figures.row(PANELS["bars"])
    figures.save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    figures.show()  # returns at once
