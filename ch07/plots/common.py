"""The pictures: how results are drawn. Knows nothing of models, of training or of the data.

A picture is a `row` of panels; a panel draws into an axes, which whoever calls `bars`, `curves`,
`points` or `heat_map` leaves out. Their `options` are those of `finish`, and what `Axes.set` takes.
Colours are Okabe and Ito's, which readers with any form of colour blindness can tell apart
(https://jfly.uni-koeln.de/color/); every line has a marker of its own too, for print.
"""

import functools
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends import BackendFilter, backend_registry
from matplotlib.figure import Figure

from ch07.lab import language
from ch07.lab.claims import number
from ch07.lab.files import write_aside

ORANGE, SKY, BLACK, GREY = "#D55E00", "#56B4E9", "#000000", "#767676"
COLOURS = ("#0072B2", ORANGE, "#009E73", "#CC79A7", SKY, "#E69F00", BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8}
BESIDE = {"va": "center", "fontsize": 9, "zorder": 5, "bbox": WHITE}  # a bar: its number
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
Scores = Mapping[str, float]  # by name
Array = np.ndarray


def panel(draw: Callable[..., None]) -> Callable[..., Panel]:
    """What `draw` does into an axes, its first argument, as a panel that the others describe."""
    return functools.wraps(draw)(lambda *given, **also: lambda axes: draw(axes, *given, **also))


def row(*panels: Panel, columns: int = 0, width: float = 4.6, height: float = 3.6) -> Figure:
    """A figure of `panels`, `width` by `height` inches each, in `columns` or all side by side."""
    chinese = chinese_font() if language.current() == "zh" else None
    fonts = {"font.family": [chinese, "DejaVu Sans"]} if chinese else {}
    shape = (len(panels) // columns, columns) if columns else (1, len(panels))
    size = max(7.0, width * shape[1]), height * shape[0]
    with mpl.rc_context(STYLE | fonts):
        figure, axes = plt.subplots(*shape, squeeze=False, figsize=size)
        for draw, one in zip(panels, axes.flat, strict=True):
            draw(one)
        if chinese:
            reword(figure, language.tr)
    return figure


def chinese_font() -> str | None:
    """The first of `CHINESE_FONTS` that Matplotlib finds; without one, pictures are in English."""
    known = font_manager.fontManager.get_font_names()
    return next((name for name in CHINESE_FONTS if name in known), None)


def reword(figure: Figure, into: Callable[[str], str]) -> None:
    """Put what `into` makes of it in the place of every text of `figure`."""
    figure.draw_without_rendering()  # which writes the labels of the ticks
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        if any(label.isidentifier() or " " in label for label in labels):
            axis.set_ticks(axis.get_ticklocs(), map(into, labels))
    for text in figure.findobj(plt.Text):
        # A number of a logarithmic axis starts with a dollar.
        if text.get_gid() != AS_IT_IS and not text.get_text().startswith("$"):
            text.set_text(into(text.get_text()))


def finish(axes: Axes, upright: Scores | None = None, **options: Any) -> None:
    """What panels have in common: `upright` lines by name, labels, a legend of what has a name."""
    for style, (name, at) in zip(("--", ":", "-."), (upright or {}).items(), strict=False):
        axes.axvline(at, color=BLACK, ls=style, lw=1.4, label=None if np.isnan(at) else name)
    axes.set(**options)
    if names := axes.get_legend_handles_labels()[1]:
        columns = max(1, 64 // (8 + max(map(len, names))))
        # Below the axes: within them it would lie on what is drawn.
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, fontsize=9)


@panel
def bars(axes, values: Mapping, xlabel: str, names=None, title="", *, best=None, **options):
    """A horizontal bar for each of `values`, or several where one is a mapping, downwards.

    By key: `names` of what is drawn, values in the `title`, the `best` possible, NaN if unknown.
    """
    names = names or dict.fromkeys(values)
    groups = [of if isinstance(of, Mapping) else {None: of} for of in map(values.get, names)]
    possible = np.array([best[key] if best else np.nan for key in names])
    places, height = np.arange(len(groups)), 0.8 / len(groups[0])
    for at, series in enumerate(groups[0]):
        rows = places + (at - (len(groups[0]) - 1) / 2) * height
        lengths = [group[series] for group in groups]
        axes.barh(rows, lengths, 0.9 * height, label=series)
        ends = np.fmax(lengths, 0)
        near = possible < ends + 0.2 * np.nanmax([*ends, *possible])  # would lie below the number
        ends = np.where(near, np.fmax(ends, possible), ends)
        for length, *end in zip(lengths, ends, rows, strict=True):
            axes.annotate(number(length), end, (4, 0), textcoords="offset points", **BESIDE)
    if not np.isnan(possible).any():
        ends = places - 0.4, places + 0.4
        axes.vlines(possible, *ends, color=ORANGE, lw=2.5, label="best possible")
    axes.set_yticks(places, [name or key for key, name in names.items()])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.grid(axis="y", visible=False)
    axes.set_title(title.format(**values))
    finish(axes, xlabel=xlabel, **options)


@panel
def curves(axes, x, series, xlabel, ylabel, title="", *, level=None, rings=None, **options):
    """A line for each of `series`, by name, over `x`, whole numbers; None: those from 1 on.

    `level`, such as chance, is a dashed line: (name, y); `rings` are around points (x, y) by name.
    """
    x = range(1, 1 + len(next(iter(series.values())))) if x is None else x
    axes.locator_params(axis="x", integer=True)
    for name, values in series.items():
        axes.plot(x, values, label=name, markevery=1 + len(x) // 50)
    for name, places in (rings or {}).items():
        axes.plot(*places, ls="", ms=10, mfc="none", mew=2, label=name)
    if level:
        axes.axhline(level[1], color=GREY, ls="--", lw=1.2, label=level[0])
    finish(axes, xlabel=xlabel, ylabel=ylabel, title=title, **options)


@panel
def points(axes, groups: Mapping, xlabel: str, ylabel: str, title="", *, first=0, **options):
    """A cloud of points (x, y) for each of `groups`, in styles from the `first` on."""
    for at, (name, (x, y)) in enumerate(groups.items(), first):
        style = {"marker": MARKERS[at], "alpha": 0.6, "linewidths": 0, "label": name}
        axes.scatter(x, y, 36 if len(x) < 100 else 10, COLOURS[at], **style)
    finish(axes, xlabel=xlabel, ylabel=ylabel, title=title, **options)


@panel
def heat_map(axes, values: np.ndarray, label: str, rows=(), columns=(), **options):
    """A matrix as colours, with names for rows and columns as numbers too; `label`: of a cell."""
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
        axes.yaxis.set_major_formatter(lambda place, _: f"{place + 1:.0f}")  # from 1 on
    axes.grid(visible=False)
    axes.figure.colorbar(image, ax=axes, label=label)
    axes.set(**options)


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
