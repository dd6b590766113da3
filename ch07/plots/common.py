"""The pictures: how results are drawn. Knows nothing of models, of training or of the data.

A picture is a `row` of panels; a panel is a function that draws into an axes. Colours are Okabe and
Ito's, which readers with any form of colour blindness can tell apart
(https://jfly.uni-koeln.de/color/); every line has a marker of its own too, for print.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from ch07.lab import language
from ch07.lab.claims import number
from ch07.lab.files import write_aside

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, YELLOW, BLACK, GREY = "#56B4E9", "#E69F00", "#000000", "#767676"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 120  # 7 inches then make 840 pixels: sharp on a screen, and far below 150 kB
PANEL = (4.6, 3.6)  # inches, of one panel

STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=COLOURS) + mpl.cycler(marker=MARKERS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.markersize": 5,
}

# Fonts with Chinese characters, of Windows, macOS and Linux.
CHINESE_FONTS = (
    "Microsoft YaHei", "SimHei", "PingFang SC", "PingFang HK", "Hiragino Sans GB", "Heiti TC",
    "STHeiti", "Arial Unicode MS", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC",
    "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
)  # fmt: skip

Panel = Callable[[Axes], None]


def row(*panels: Panel, height: float = PANEL[1], columns: int | None = None) -> Figure:
    """A figure of `panels` side by side, in the house style.

    A row of them is `height` inches high, and has all of them unless `columns` says how many.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)  # rounded up
    chinese = chinese_font() if language.current() == "zh" else None
    fonts = {"font.family": [chinese, "DejaVu Sans"]} if chinese else {}
    with mpl.rc_context(STYLE | fonts):
        size = (max(7.0, PANEL[0] * columns), height * rows)
        figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=size)
        for panel, one in zip(panels, axes.flat, strict=True):
            panel(one)
        if chinese:
            translate(figure)
    return figure


@functools.cache
def chinese_font() -> str | None:
    """The first of `CHINESE_FONTS` that Matplotlib finds; without one, pictures are in English."""
    known = {font.name for font in fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in known), None)


def translate(figure: Figure) -> None:
    """Put every text of `figure` into the language of the run."""
    figure.draw_without_rendering()  # which writes the labels of the ticks
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if any(label.isidentifier() or " " in label for label in labels):
                axis.set_ticks(axis.get_ticklocs(), map(language.tr, labels))
    for text in figure.findobj(Text):
        text.set_text(language.tr(text.get_text()))


def bars(
    values: Mapping[str, float],
    xlabel: str,
    *,
    marks: Mapping[str, float] | None = None,
    mark: str = "",
    title: str = "",
) -> Panel:
    """A horizontal bar for each of `values`; `marks` are ticks on the bars of the same name.

    Args:
        values: what was measured, by name, from top to bottom.
        xlabel: the quantity and its unit.
        marks: a number to compare with, for some or all of the names.
        mark: what the marks are.
        title: what the panel shows.
    """

    def draw(axes: Axes) -> None:
        names = list(values)
        axes.barh(names, list(values.values()), color=BLUE, height=0.6)
        for at, (name, value) in enumerate(values.items()):
            beyond = max(value, (marks or {}).get(name, value), 0)  # of the bar and of its mark
            axes.annotate(
                f" {number(value)}", (beyond, at), va="center", fontsize=9, zorder=5,
                bbox=dict(facecolor="white", edgecolor="none", pad=0.4, alpha=0.8),
            )  # fmt: skip
        for name, value in (marks or {}).items():
            at = names.index(name)
            axes.plot([value] * 2, [at - 0.4, at + 0.4], color=ORANGE, lw=2.5, marker="")
        if marks:
            axes.plot([], [], color=ORANGE, lw=2.5, marker="", label=mark)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.grid(axis="y", visible=False)
        axes.set(xlabel=xlabel, title=title)

    return draw


def grouped_bars(
    groups: Mapping[str, Mapping[str, float]], xlabel: str, *, title: str = "", log: bool = False
) -> Panel:
    """For each of `groups` (by name, from top to bottom) a bar for each of its values (by name)."""

    def draw(axes: Axes) -> None:
        series = list(next(iter(groups.values())))
        height = 0.8 / len(series)
        for at, name in enumerate(series):
            places = np.arange(len(groups)) + (at - (len(series) - 1) / 2) * height
            values = [group[name] for group in groups.values()]
            axes.barh(places, values, height * 0.9, color=COLOURS[at], label=name)
            for place, value in zip(places, values, strict=True):
                axes.annotate(f" {number(value)}", (max(value, 0), place), va="center", fontsize=8)
        axes.set_yticks(range(len(groups)), groups)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.grid(axis="y", visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)
        axes.set(xlabel=xlabel, title=title, xscale="log" if log else "linear")

    return draw


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    *,
    level: tuple[str, float] | None = None,
    log: bool = False,
    title: str = "",
) -> Panel:
    """A line for each of `series` over `x`; `level`, such as chance, is a dashed line by name."""

    def draw(axes: Axes) -> None:
        for name, values in series.items():
            axes.plot(x, values, label=name)
        if level:
            axes.axhline(level[1], color=GREY, ls="--", lw=1.2, label=level[0])
        axes.legend(fontsize=9)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log" if log else "linear")

    return draw


def points(
    groups: Mapping[str, tuple[np.ndarray, np.ndarray]],
    xlabel: str,
    ylabel: str,
    *,
    diagonal: str = "",
    title: str = "",
) -> Panel:
    """A cloud of points (x, y) for each of `groups`; `diagonal` names the line where y is x."""

    def draw(axes: Axes) -> None:
        for at, (name, (x, y)) in enumerate(groups.items()):
            style = dict(color=COLOURS[at], marker=MARKERS[at])
            axes.scatter(x, y, s=12, alpha=0.6, linewidths=0, label=name, **style)
        if diagonal:
            low, high = axes.get_xlim()
            axes.plot([low, high], [low, high], color=GREY, ls="--", marker="", label=diagonal)
        axes.legend(loc="upper right", fontsize=9)  # the best place takes long to find
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)

    return draw


def table(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str, *, title: str = ""
) -> Panel:
    """A matrix as a heat map with the number in every cell.

    Args:
        values: shape (rows, columns).
        rows, columns: their names.
        label: what a cell is, with its unit.
        title: what the panel shows.
    """

    def draw(axes: Axes) -> None:
        image = axes.imshow(values, cmap="cividis", aspect="auto")
        middle = (np.min(values) + np.max(values)) / 2
        for (r, c), value in np.ndenumerate(values):
            colour = "black" if value > middle else "white"
            axes.text(c, r, f"{value:.2f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.figure.colorbar(image, ax=axes, label=label)
        axes.set_title(title)

    return draw


def heat_map(
    values: np.ndarray, xlabel: str, ylabel: str, label: str, *, title: str = "", first: int = 0
) -> Panel:
    """A matrix as a heat map of colours alone, for more cells than `table` has room for.

    Args:
        values: shape (rows, columns).
        xlabel, ylabel: what the columns and the rows are.
        label: what a cell is, with its unit.
        title: what the panel shows.
        first: the number of the first row.
    """

    def draw(axes: Axes) -> None:
        rows, columns = values.shape
        edges = (-0.5, columns - 0.5, first + rows - 0.5, first - 0.5)
        image = axes.imshow(
            values, cmap="cividis", aspect="auto", interpolation="nearest", extent=edges
        )
        axes.locator_params(integer=True)
        axes.grid(visible=False)
        axes.figure.colorbar(image, ax=axes, label=label)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)

    return draw


def with_marks(panel: Panel, marks: Mapping[str, float]) -> Panel:
    """A `panel` over epochs with an upright line at up to three of them, by name."""

    def draw(axes: Axes) -> None:
        panel(axes)
        for style, (name, at) in zip(("--", ":", "-."), marks.items(), strict=False):
            axes.axvline(at, color=BLACK, ls=style, lw=1.4, label=name)
        axes.locator_params(axis="x", integer=True)
        # Below the axes: within them the upright lines would run through it.
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)

    return draw


def interactive() -> bool:
    """Whether the backend that Matplotlib chose has a screen to draw on."""
    backend = plt.get_backend().lower()
    return backend not in backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)


def save(figure: Figure, path: Path) -> None:
    """Save `figure` as `path`, over an older one; it stays open only where it can be shown."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_aside(path, buffer.getvalue())
    if not interactive():
        plt.close(figure)


def show(block: bool = True) -> None:
    """Show the saved pictures; returns at once without a screen, or without `block`."""
    if interactive():
        plt.show(block=block)
