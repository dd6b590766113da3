"""The pictures: how results are drawn. Knows nothing of models, of training or of the data.

A picture is a `row` of panels; a panel is a function that draws into an axes. The `options` of a
panel are those of `finish`: its title, and what else `Axes.set` takes. Colours are Okabe and Ito's,
which readers with any form of colour blindness can tell apart (https://jfly.uni-koeln.de/color/);
every line has a marker of its own too, for print.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8}  # of a number
AS_IT_IS = "as it is"  # the gid of a text that is no word of the picture, but of the data
DPI = 120  # 7 inches then make 840 pixels: sharp on a screen, and far below 150 kB

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


def row(*panels: Panel, width: float = 4.6, height: float = 3.6) -> Figure:
    """A figure of `panels` side by side, each of them `width` by `height` inches."""
    return grid([panels], width=width, height=height)


def grid(panels: Sequence[Sequence[Panel]], width: float, height: float) -> Figure:
    """A figure of rows of panels, each panel `width` by `height` inches."""
    chinese = chinese_font() if language.current() == "zh" else None
    fonts = {"font.family": [chinese, "DejaVu Sans"]} if chinese else {}
    with mpl.rc_context(STYLE | fonts):
        size = (max(7.0, width * len(panels[0])), height * len(panels))
        figure, axes = plt.subplots(len(panels), len(panels[0]), squeeze=False, figsize=size)
        for panel, one in zip(itertools.chain(*panels), axes.flat, strict=True):
            panel(one)
        if chinese:
            reword(figure, language.tr)
    return figure


@functools.cache
def chinese_font() -> str | None:
    """The first of `CHINESE_FONTS` that Matplotlib finds; without one, pictures are in English."""
    known = {font.name for font in fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in known), None)


def reword(figure: Figure, into: Callable[[str], str]) -> None:
    """Put what `into` makes of it in the place of every text of `figure`."""
    figure.draw_without_rendering()  # which writes the labels of the ticks
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if any(label.isidentifier() or " " in label for label in labels):
                axis.set_ticks(axis.get_ticklocs(), map(into, labels))
    for text in figure.findobj(Text):
        # A number of a logarithmic axis starts with a dollar.
        if text.get_gid() != AS_IT_IS and not text.get_text().startswith("$"):
            text.set_text(into(text.get_text()))


def finish(axes: Axes, upright: Mapping[str, float] | None = None, **options: Any) -> None:
    """What panels have in common: `upright` lines by name, labels, a legend of what has a name."""
    known = {name: at for name, at in (upright or {}).items() if not np.isnan(at)}
    for style, (name, at) in zip(("--", ":", "-."), known.items(), strict=False):
        axes.axvline(at, color=BLACK, ls=style, lw=1.4, label=name)
    axes.set(**options)
    if names := axes.get_legend_handles_labels()[1]:
        columns = max(1, 64 // (8 + max(map(len, names))))
        # Below the axes: within them it would lie on what is drawn.
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, fontsize=9)


def bars(
    values: Mapping[str, float | Mapping[str, float]],
    xlabel: str,
    *,
    best: Mapping[str, float] | None = None,
    **options: Any,
) -> Panel:
    """A horizontal bar for each of `values` from top to bottom, or several where one is a mapping.

    best: what is possible, for each of the names; NaN where nobody knows, as of real data.
    """
    best = None if best and np.isnan([*best.values()]).any() else best

    def draw(axes: Axes) -> None:
        groups = {n: of if isinstance(of, Mapping) else {None: of} for n, of in values.items()}
        series, rows = next(iter(groups.values())), np.arange(len(groups))
        height = 0.8 / len(series)
        for at, name in enumerate(series):
            places = rows + (at - (len(series) - 1) / 2) * height
            lengths = [group[name] for group in groups.values()]
            axes.barh(places, lengths, 0.9 * height, label=name)
            for group, place, length in zip(groups, places, lengths, strict=True):
                end = max(length, 0, best[group] if best else 0)
                style = {"va": "center", "fontsize": 9, "zorder": 5, "bbox": BEHIND}
                axes.annotate(f" {number(length)}", (end, place), **style)
        if best:
            style = {"color": ORANGE, "lw": 2.5, "label": "best possible"}
            axes.vlines([best[group] for group in groups], rows - 0.4, rows + 0.4, **style)
        axes.set_yticks(rows, groups)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.grid(axis="y", visible=False)
        finish(axes, xlabel=xlabel, **options)

    return draw


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    *,
    level: tuple[str, float] | None = None,
    rings: Mapping[str, tuple[Any, Any]] | None = None,
    **options: Any,
) -> Panel:
    """A line for each of `series` over `x`, whole numbers.

    `level`, such as chance, is a dashed line by name; `rings` are drawn around points (x, y).
    """

    def draw(axes: Axes) -> None:
        axes.locator_params(axis="x", integer=True)
        for name, values in series.items():
            axes.plot(x, values, label=name, markevery=1 + len(x) // 50)
        for name, places in (rings or {}).items():
            axes.plot(*places, ls="", ms=10, mfc="none", mew=2, label=name)
        if level:
            axes.axhline(level[1], color=GREY, ls="--", lw=1.2, label=level[0])
        finish(axes, xlabel=xlabel, ylabel=ylabel, **options)

    return draw


def points(
    groups: Mapping[str, tuple[Any, Any]], xlabel: str, ylabel: str, **options: Any
) -> Panel:
    """A cloud of points (x, y) for each of `groups`; those of a few are drawn larger."""

    def draw(axes: Axes) -> None:
        for at, (name, (x, y)) in enumerate(groups.items()):
            style = {"marker": MARKERS[at], "alpha": 0.6, "linewidths": 0, "label": name}
            axes.scatter(x, y, 36 if len(x) < 100 else 10, COLOURS[at], **style)
        finish(axes, xlabel=xlabel, ylabel=ylabel, **options)

    return draw


def heat_map(
    values: np.ndarray, label: str, rows: Sequence[str] = (), columns: Sequence[str] = (), **options
) -> Panel:
    """A matrix as colours; `label` is what a cell is, with its unit.

    With names for rows and columns every cell has its number; without, rows are counted from 1.
    """

    def draw(axes: Axes) -> None:
        image = axes.imshow(values, cmap="cividis", aspect="auto", interpolation="nearest")
        if rows:
            middle = (np.min(values) + np.max(values)) / 2
            for (r, c), value in np.ndenumerate(values):
                colour = "black" if value > middle else "white"
                axes.text(c, r, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
            axes.set_xticks(range(len(columns)), columns, rotation=40 if len(columns) > 4 else 0)
            axes.set_yticks(range(len(rows)), rows)
        else:
            axes.locator_params(integer=True)
            axes.yaxis.set_major_formatter(lambda place, _: f"{place + 1:.0f}")
        axes.grid(visible=False)
        axes.figure.colorbar(image, ax=axes, label=label)
        axes.set(**options)

    return draw


def interactive() -> bool:
    """Whether the backend that Matplotlib chose has a screen to draw on."""
    backend = plt.get_backend().lower()
    return backend not in backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)


def save(figure: Figure, path: Path, keep: bool = True) -> None:
    """Save `figure` as `path`, over an older one; to `keep` it open takes a screen to show it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_aside(path, buffer.getvalue())
    if not keep or not interactive():
        plt.close(figure)


def show(block: bool = True) -> None:
    """Show the saved pictures; returns at once without a screen, or without `block`."""
    if interactive():
        plt.show(block=block)
