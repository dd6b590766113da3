"""The pictures: how results are drawn. Knows nothing of models, of training or of the data.

A picture is a `row` of panels; a panel is a function that draws into an axes. Colours are Okabe and
Ito's, which readers with any form of colour blindness can tell apart
(https://jfly.uni-koeln.de/color/); every line has a marker of its own too, for print.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure

from ch07.claims import Claim, number
from ch07.files import write_aside

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

Panel = Callable[[Axes], None]


def row(*panels: Panel, height: float = PANEL[1], columns: int | None = None) -> Figure:
    """A figure of `panels` side by side, in the house style.

    A row of them is `height` inches high, and has all of them unless `columns` says how many.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)  # rounded up
    with mpl.rc_context(STYLE):
        size = (max(7.0, PANEL[0] * columns), height * rows)
        figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=size)
        for panel, one in zip(panels, axes.flat, strict=True):
            panel(one)
    return figure


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
        for at, value in enumerate(values.values()):
            axes.annotate(
                f" {number(value)}", (max(value, 0), at), va="center", fontsize=9, zorder=5,
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
        axes.legend(fontsize=9)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)

    return draw


def histogram(
    groups: Mapping[str, np.ndarray],
    bins: np.ndarray,
    xlabel: str,
    ylabel: str,
    *,
    line: tuple[str, float],
    title: str = "",
) -> Panel:
    """How often values fall into `bins` (a log scale); `line` is an upright line with a name."""

    def draw(axes: Axes) -> None:
        for at, (name, values) in enumerate(groups.items()):
            style = dict(color=COLOURS[at], hatch=("", "//")[at % 2], edgecolor="white")
            axes.hist(values, bins, alpha=0.7, label=f"{name} ({len(values):,})", **style)
        axes.axvline(line[1], color=BLACK, ls="--", label=line[0])
        axes.legend(fontsize=9)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log")

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


def scorecard(claims: Sequence[Claim], title: str) -> Figure:
    """Every claim at a glance: the value, its bound, and what it is compared with.

    Every row has a scale of its own, from zero to the largest number in it, since the claims
    differ in their units; the value and its unit stand on the right.
    """

    def draw(axes: Axes) -> None:
        for at, claim in enumerate(claims):
            bounds = [b for b in (claim.at_least, claim.at_most) if b is not None]
            others = list(claim.compared_with.values())
            scale = max(map(abs, [claim.value, *bounds, *others])) or 1.0
            allowed = (
                0.0 if claim.at_least is None else claim.at_least / scale,
                1.0 if claim.at_most is None else claim.at_most / scale,
            )
            axes.plot(
                allowed, [at, at], color=SKY, lw=9, alpha=0.45, marker="", solid_capstyle="butt"
            )
            axes.plot(
                np.array(others) / scale,
                [at] * len(others),
                ls="",
                marker="o",
                mfc="white",
                mec=GREY,
            )
            style = dict(marker="o", color=BLUE) if claim.holds else dict(marker="X", color=ORANGE)
            # A value below zero stands at zero; the number beside it says what it is.
            axes.plot(max(claim.value, 0) / scale, at, ls="", ms=8, zorder=4, **style)
            axes.text(1.04, at, f"{number(claim.value)} {claim.unit}", va="center", fontsize=8)
        for label, style in {
            "value, claim holds": dict(marker="o", color=BLUE, ls=""),
            "value, claim does not hold": dict(marker="X", color=ORANGE, ls=""),
            "compared with": dict(marker="o", mfc="white", mec=GREY, ls=""),
            "where the claim holds": dict(color=SKY, lw=9, alpha=0.45, marker=""),
        }.items():
            axes.plot([], [], label=label, **style)
        axes.set_yticks(
            range(len(claims)), [f"{c.sentence}  {c.section}" for c in claims], fontsize=8
        )
        axes.set(xlim=(-0.03, 1.03), ylim=(len(claims) - 0.4, -0.6), xticks=[0, 1])
        axes.set_xticklabels(["0", "largest number\nof the row"], fontsize=8)
        axes.grid(axis="x", visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=2, fontsize=8)
        axes.set_title(title)

    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(10.5, 1.4 + 0.27 * len(claims)))
        draw(axes)
        axes.figure.get_layout_engine().set(rect=(0, 0, 0.86, 1))
    return figure


# The pictures of section 7.1, in the order of the book.


def sequential_and_functional(outputs: Sequence[np.ndarray]) -> Figure:
    """The probabilities, (n, classes) each, of the Sequential and of the functional model."""
    x, y = (array.ravel() for array in outputs)
    return row(
        points(
            {f"{len(outputs[0]):,} vectors, {outputs[0].shape[1]} classes": (x, y)},
            "probability, Sequential model",
            "probability, functional model",
            diagonal="equal",
            title="One stack of layers, written twice",
        )
    )


def question_answering(reached: Mapping[str, float], ceilings: Mapping[str, float]) -> Figure:
    """Test accuracies by what was given, beside the most that it can tell."""
    names = {"both": "text and question", "text": "text alone", "question": "question alone"}
    return row(
        bars(
            {names[arm]: value for arm, value in reached.items()},
            "test accuracy (share of questions)",
            marks={names[arm]: value for arm, value in ceilings.items()},
            mark="the most that this input can tell",
            title="It takes both inputs",
        )
    )


def multimodal(
    reached: Mapping[str, float],
    ceilings: Mapping[str, float],
    price: np.ndarray,
    told: Mapping[str, np.ndarray],
) -> Figure:
    """Test R2 by model, and the prices, (n, 1), told by two of the models."""
    return row(
        bars(
            reached,
            "test R2 (share of the variance of the price)",
            marks={name: ceilings[name] for name in reached},
            mark="the most that this model can reach",
            title="Picture, text and numbers",
        ),
        points(
            {
                "average of three models": (price, told["average"]),
                "one model, learned jointly": (price, told["joint"]),
            },
            "true price (hundreds of euros)",
            "predicted price (hundreds of euros)",
            diagonal="perfect",
            title="An average flattens what multiplies",
        ),
    )


def loss_weights(
    share: Mapping[str, Mapping[str, float]],
    reached: Mapping[str, Mapping[str, float]],
    ceilings: Mapping[str, float],
) -> Figure:
    """Shares of the loss by weighting and output; accuracies by output and weighting."""
    groups = {name: by_arm | {"ceiling": ceilings[name]} for name, by_arm in reached.items()}
    return row(
        grouped_bars(share, "share of the loss before training", title="Who is heard"),
        grouped_bars(groups, "test accuracy (share of writers)", title="Who is learned"),
    )


def correlated_targets(curves_by_name: Mapping[str, Sequence[float]], ceiling: float) -> Figure:
    """Test accuracy for the gender over the epochs, with other targets and alone."""
    names = {"together_gender": "with age and income", "alone": "alone"}
    series = {names[name]: curve for name, curve in curves_by_name.items()}
    return row(
        curves(
            range(1, len(curves_by_name["alone"]) + 1),
            series,
            "epoch",
            "gender: test accuracy (share of writers)",
            level=("the most that posts can tell", ceiling),
            title="Gender known of 100 writers in 3,000",
        )
    )


def inception(
    seen: Mapping[str, Sequence[float]],
    silent: Mapping[str, Sequence[float]],
    scales: Sequence[str],
) -> Figure:
    """Test accuracies by model and scale, and those of the module with one branch silenced."""
    names = [name if name == "module" else f"{name} alone" for name in seen]
    return row(
        table(
            np.array(list(seen.values())), names, scales, "test accuracy",
            title="Equal numbers of parameters",
        ),
        table(
            np.array(list(silent.values())), [f"without {name}" for name in silent], scales,
            "test accuracy", title="The module, one branch silenced",
        ),
    )  # fmt: skip


def pointwise(moved: Mapping[int, float]) -> Figure:
    """By how much shuffling the pixels before or after a convolution differs, by its size."""
    return row(
        bars(
            {f"{size}x{size} convolution": value for size, value in moved.items()},
            "difference (norm, over the norm of the output)",
            title="Shuffle the pixels before or after?",
        )
    )


def residual_depth(
    depths: Sequence[int], reached: Mapping[str, float], signal: Mapping[str, float]
) -> Figure:
    """Test accuracy, and the share of the gradient that arrives, over depth, plain and residual."""

    def over_depth(values):
        kinds = {"plain": "plain", "residual": "with shortcuts"}
        return {name: [values[f"{kind}_{d}"] for d in depths] for kind, name in kinds.items()}

    return row(
        curves(
            depths, over_depth(reached), "layers", "test accuracy",
            level=("chance", 0.5), title="What is learned",
        ),
        curves(
            depths, over_depth(signal), "layers", "gradient at the first layer / at the last",
            log=True, title="What arrives, before training",
        ),
    )  # fmt: skip


def bottleneck(reached: Mapping[str, float], ceiling: float) -> Figure:
    """Test accuracies with and without a shortcut around the narrow layer."""
    names = {"without": "through one unit", "with": "with a shortcut around it"}
    return row(
        bars(
            {names[arm]: value for arm, value in reached.items()},
            "test accuracy (share of points)",
            marks=dict.fromkeys(names.values(), ceiling),
            mark="no rule is better",
            title="A layer of one unit",
        )
    )


def carry_track(reaching: Mapping[str, np.ndarray], reached: Mapping[str, float]) -> Figure:
    """The gradient on each step before training, (steps,), and recall after it, by layer."""
    names = {
        "simple_rnn": "SimpleRNN",
        "lstm": "LSTM",
        "open_lstm": "LSTM, forget gate\nstarted open",
    }
    steps = len(reaching["lstm"])
    return row(
        curves(
            range(1, steps + 1),
            {names[arm]: curve for arm, curve in reaching.items()},
            "time step",
            "gradient at the step / at the last",
            log=True,
            title="What arrives, before training",
        ),
        bars(
            {names[arm]: value for arm, value in reached.items()},
            "test accuracy (share of sequences)",
            marks=dict.fromkeys(names.values(), 0.25),
            mark="chance",
            title=f"Recall of the first of {steps} steps",
        ),
    )


def siamese_lstm(
    reached: Mapping[str, float], scores: np.ndarray, duplicate: np.ndarray, threshold: float
) -> Figure:
    """Test accuracies by model; the scores, (pairs,), of the pairs in a list of queries."""
    names = {
        "shared": "one shared LSTM",
        "separate": "two LSTMs",
        "as_printed": "head as printed",
    }
    return row(
        bars(
            {names[arm]: value for arm, value in reached.items()},
            "test accuracy (share of pairs)",
            marks=dict.fromkeys(names.values(), 0.5),
            mark="chance",
            title="Do two sentences say the same?",
        ),
        histogram(
            {"other pairs": scores[~duplicate], "duplicates": scores[duplicate]},
            np.linspace(0, 1, 26),
            "score of the shared LSTM",
            "pairs of queries",
            line=("threshold", threshold),
            title="Duplicates in a list of queries",
        ),
    )


def two_eyes(
    told: Mapping[str, np.ndarray], true: np.ndarray, error: Mapping[str, float], chance: float
) -> Figure:
    """Disparities told, (n, 1), over the true ones; the mean errors by model."""
    names = {"shared": "one base, two eyes", "separate": "a base for each eye", "one": "one eye"}
    return row(
        points(
            {names[arm]: (true, told[arm]) for arm in ("one", "shared")},
            "true disparity (pixels)",
            "predicted disparity (pixels)",
            diagonal="perfect",
            title="Depth that is in neither picture",
        ),
        bars(
            {names[arm]: value for arm, value in error.items()},
            "mean absolute error (pixels)",
            marks=dict.fromkeys(names.values(), chance),
            mark="always the mean",
            title="1,000 pairs of pictures",
        ),
    )


# The pictures of section 7.2, in the order of the book.


def early_stopping(history: Mapping[str, Sequence[float]], marks: Mapping[str, int]) -> Figure:
    """Losses and accuracies over a training that is not stopped; `marks` are epochs by name."""
    epochs = range(1, len(history["loss"]) + 1)

    def over_epochs(metric: str, ylabel: str, title: str) -> Panel:
        series = {"training": history[metric], "validation": history[f"val_{metric}"]}
        return with_marks(curves(epochs, series, "epoch", ylabel, title=title), marks)

    return row(
        over_epochs("loss", "loss (cross-entropy)", "What the checkpoint watches"),
        over_epochs("accuracy", "accuracy (share of points)", "What early stopping watches"),
    )


def learning_rates(
    rates: Mapping[str, Sequence[float]], losses: Mapping[str, Sequence[float]]
) -> Figure:
    """Learning rates and validation losses over the epochs, by callback."""
    epochs = range(1, len(rates["constant"]) + 1)
    # The one is drawn over the other, and hides it where they are equal.
    names = {"as printed": "as printed (over constant)"}
    rates, losses = ({names.get(n, n): v for n, v in arms.items()} for arms in (rates, losses))
    return row(
        curves(epochs, rates, "epoch", "learning rate", log=True, title="What the callbacks do"),
        curves(epochs, losses, "epoch", "validation loss", title="What comes of it"),
    )


def csv_logger(rows: np.ndarray, cut: int, kept: Mapping[str, float]) -> Figure:
    """The losses in a CSV log, cut off after `cut` epochs; the losses of the files kept."""
    series = {"training": rows["loss"], "validation": rows["val_loss"]}
    panel = curves(rows["epoch"] + 1, series, "epoch", "loss (cross-entropy)", title="The log")
    names = {"careful": "resumed with\nthe threshold", "careless": "resumed\nwithout"}
    return row(
        with_marks(panel, {"cut off and resumed": cut + 0.5}),
        bars(
            {names[name]: loss for name, loss in kept.items()},
            "validation loss (cross-entropy)",
            title="The file of the best epoch",
        ),
    )


def own_callbacks(
    losses: Mapping[str, Sequence[float]], loaded: Sequence[int], moved: Sequence[float]
) -> Figure:
    """Validation losses without and with a way back, and how far a kernel moves, by epoch."""
    names = {"without": "without", "with": "with a callback"}
    back = curves(
        range(1, len(losses["with"]) + 1),
        {names[arm]: values for arm, values in losses.items()},
        "epoch",
        "validation loss",
        log=True,
        title="Back to the best weights",
    )

    def with_loads(axes: Axes) -> None:
        back(axes)
        values = [losses["with"][epoch] for epoch in loaded]
        style = dict(ls="", marker="o", ms=11, mfc="none", mec=BLACK)
        axes.plot([epoch + 1 for epoch in loaded], values, label="weights loaded", **style)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)

    movement = curves(
        range(1, len(moved) + 1),
        {"first kernel": moved},
        "epoch",
        "largest change of a weight",
        title="Frozen on the way",
    )
    marks = {"trainable = False": 3.5, "traced again": 6.5}
    return row(with_loads, with_marks(movement, marks))


def progress_bar(told: Sequence[float], epochs: Sequence[float]) -> Figure:
    """The loss that a bar is told after every batch; that of each epoch, at its end."""
    steps = len(told) // len(epochs)

    def draw(axes: Axes) -> None:
        axes.plot(range(1, len(told) + 1), told, marker="", label="after every batch: mean so far")
        ends = np.arange(1, len(epochs) + 1) * steps
        axes.plot(ends, epochs, ls="", marker="s", ms=7, color=ORANGE, label="in the history")
        axes.legend(fontsize=9)
        axes.set(xlabel="batch", ylabel="training loss", title="What a progress bar is told")

    return row(draw)


def activation_logger(over_epochs: Mapping[str, np.ndarray], true: int) -> Figure:
    """What each layer gives for one sample, (epochs, units), by layer."""
    *hidden, last = over_epochs
    titles = {name: name for name in hidden} | {last: f"{last} (the true one is {true})"}
    labels = dict.fromkeys(hidden, "activation") | {last: "probability"}
    return row(
        *(
            heat_map(values, "unit", "epoch", labels[name], title=titles[name], first=1)
            for name, values in over_epochs.items()
        )
    )


def backup_and_restore(losses: Mapping[str, Sequence[float]], killed_after: float) -> Figure:
    """Losses by epoch: "undisturbed", "killed" and "resumed", and when it was killed, in epochs."""

    def draw(axes: Axes) -> None:
        first = len(losses["killed"]) + 1  # the first epoch that was resumed
        starts = {"undisturbed": 1, "killed": 1, "resumed": first}
        for name, start in starts.items():
            values = losses[name]
            axes.plot(range(start, start + len(values)), values, label=name)
        # Of the two that lie on each other, both are to be seen.
        axes.lines[0].set(color=GREY, linewidth=5, alpha=0.5, marker="")
        axes.axvline(killed_after, color=BLACK, ls="--", lw=1.2, marker="", label="kill -9")
        axes.legend(fontsize=9)
        axes.set(xlabel="epoch", ylabel="training loss", title="Killed, and gone on with")

    return row(draw)


def embedding(
    before: np.ndarray, after: np.ndarray, share: Sequence[float], kinds: np.ndarray
) -> Figure:
    """Words on their two largest principal components, (words, 2 or more), untrained and trained.

    `share`: of the variance, of each component of the trained words. `kinds`: (words,).
    """

    def cloud(places, title, names):
        groups = {kind: places[kinds == kind, :2].T for kind in dict.fromkeys(kinds)}
        return points(groups, *names, title=title)

    shares = [f"component {n + 1} ({part:.0%} of the variance)" for n, part in enumerate(share)]
    return row(
        cloud(before, "The words, untrained", ("component 1", "component 2")),
        cloud(after, "The words, trained", shares[:2]),
        height=4.2,
    )


def clinic(
    losses: Mapping[str, Sequence[float]],
    signs: Mapping[str, Mapping[str, float]],
    shown: Mapping[str, Mapping[str, bool]],
    names: Mapping[str, str],
) -> Figure:
    """Training losses by run, and a table of runs and signs.

    Args:
        losses: by run, after each epoch.
        signs: by run, then by sign; a NaN is a sign that the run has no number for.
        shown: by run, then by sign, whether that number counts as ill.
        names: what to call each sign.
    """

    def draw(axes: Axes) -> None:
        ill = np.array([list(of.values()) for of in shown.values()], dtype=float)
        axes.imshow(ill, cmap=mpl.colors.ListedColormap(["white", SKY]), aspect="auto", vmin=0)
        for r, of in enumerate(signs.values()):
            for c, value in enumerate(of.values()):
                text = "-" if np.isnan(value) else number(value)
                axes.text(c, r, text, ha="center", va="center", fontsize=9)
        axes.set_xticks(range(len(names)), names.values(), fontsize=8)
        axes.set_yticks(range(len(signs)), [name.replace("_", " ") for name in signs])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title("What each run shows at its end; blue is ill")

    epochs = range(1, 1 + len(next(iter(losses.values()))))
    series = {name.replace("_", " "): values for name, values in losses.items()}
    curve = curves(
        epochs, series, "epoch", "training loss (nats)",
        level=("a coin's loss, ln 2", np.log(2)), log=True, title="The loss alone",
    )  # fmt: skip
    figure = row(curve, draw, height=4.2)
    figure.set_size_inches(13.0, 4.2)
    return figure


# The pictures of section 7.3, in the order of the book.


def batch_normalization(
    by_layer: np.ndarray,
    by_hand: np.ndarray,
    trained: Sequence[float],
    evaluated: Mapping[str, Sequence[float]],
) -> Figure:
    """A moving mean of a layer over the steps, (steps,), and by hand; accuracies over the epochs.

    trained: with the statistics of the batch. evaluated: with the moving averages, by momentum.
    """

    def average(axes: Axes) -> None:
        steps = range(1, len(by_layer) + 1)
        axes.plot(steps, by_layer, color=SKY, lw=5, marker="", label="in the layer")
        axes.plot(steps, by_hand, color=BLACK, lw=1.2, ls="--", marker="", label="by hand")
        axes.legend(fontsize=9)
        axes.set(xlabel="training step", ylabel="moving mean", title="The moving mean of one unit")

    series = {"as in training": trained}
    series |= {f"evaluated, momentum {name}": values for name, values in evaluated.items()}
    epochs = range(1, len(trained) + 1)
    title = "The same weights, other averages"
    return row(average, curves(epochs, series, "epoch", "accuracy (share of points)", title=title))


def normalized_depth(
    gradients: Mapping[str, Sequence[float]],
    rates: Sequence[float],
    reached: Mapping[str, Sequence[float]],
    chance: float,
) -> Figure:
    """Gradients over layers, (layers,), and test accuracies over learning rates, by model."""
    layers = range(1, 1 + len(next(iter(gradients.values()))))
    arriving = curves(
        layers, gradients, "layer", "gradient at the layer / at the last", log=True,
        title="What arrives, before training",
    )  # fmt: skip
    learned = curves(
        rates, reached, "learning rate", "test accuracy (share of points)",
        level=("chance", chance), title="What is learned",
    )  # fmt: skip

    def over_rates(axes: Axes) -> None:
        learned(axes)
        axes.set(xscale="log", xticks=rates, ylim=(0, 1.02))
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
        axes.minorticks_off()
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=9)

    return row(arriving, over_rates, height=4.2)


def separable_convolution(
    measured: Mapping[str, Mapping[str, float]], ratios: Mapping[str, float]
) -> Figure:
    """What a convnet costs, by quantity (with its unit) and kind; separable over plain."""
    names = {"parameters": "parameters", "work": "multiply-adds", "time": "time"}
    return row(
        grouped_bars(measured, "units as named (log scale)", title="The book's convnet", log=True),
        bars(
            {names[name]: ratio for name, ratio in ratios.items()},
            "separable / plain (ratio)",
            title="What separating leaves of it",
        ),
    )


def separable_or_not(
    reached: Mapping[str, Mapping[str, Mapping[int, float]]], chance: float
) -> Figure:
    """Test accuracies by data ("apart", "tangled"), kind of convolution and parameters."""
    titles = {"apart": "Space and channels apart", "tangled": "Space and channels tangled"}
    return row(
        *(
            curves(
                list(by_kind["plain"]),
                {kind: list(by_budget.values()) for kind, by_budget in by_kind.items()},
                "parameters of the model",
                "test accuracy (share of images)",
                level=("chance", chance),
                title=titles[data],
            )
            for data, by_kind in reached.items()
        )
    )


def small_xception(
    reached: Mapping[str, float], parameters: Mapping[str, int], chance: float
) -> Figure:
    """Test accuracies and parameters of a model with each of its patterns taken out in turn."""
    names = {
        "all": "all three patterns",
        "no_residual": "without shortcuts",
        "no_normalization": "without\nnormalization",
        "no_separation": "plain convolutions,\nas many parameters",
    }
    values = {f"{names[arm]}\n({parameters[arm]:,})": value for arm, value in reached.items()}
    return row(
        bars(
            values,
            "test accuracy (share of images)",
            marks=dict.fromkeys(values, chance),
            mark="chance",
            title="Each taken out in turn (parameters)",
        ),
        height=4.0,
    )


def hyperparameter_search(
    values: Sequence[float],
    best: Sequence[float],
    importances: Mapping[str, float],
    tried: Mapping[str, Sequence[float | int | str | bool]],
    early: Sequence[bool],
) -> Figure:
    """The history of a search, what mattered in it, and a slice for each hyperparameter.

    Args:
        values: validation accuracy of each trial.
        best: the best so far.
        importances: by hyperparameter.
        tried: what each trial tried, by hyperparameter.
        early: for each trial, whether it was stopped early.
    """
    ylabel, values, early = "validation accuracy", np.asarray(values), np.asarray(early)

    def trials(axes: Axes, x: np.ndarray) -> None:
        for at, label in enumerate(("a trial", "a trial stopped early")):
            chosen = early == bool(at)
            style = dict(color=COLOURS[at], marker=MARKERS[at])
            axes.scatter(x[chosen], values[chosen], s=28, alpha=0.7, label=label, **style)
        axes.set_ylabel(ylabel)

    def history(axes: Axes) -> None:
        trials(axes, np.arange(1, len(values) + 1))
        style = dict(where="post", color=BLACK, marker="", lw=1.2)
        axes.step(range(1, len(best) + 1), best, label="best so far", **style)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=8)
        axes.set(xlabel="trial", title="The history")

    def a_slice(name: str) -> Panel:
        options = sorted(set(tried[name]))
        few = len(options) <= 3  # then they stand side by side, whatever they are

        def draw(axes: Axes) -> None:
            trials(axes, np.array([options.index(v) if few else v for v in tried[name]], float))
            if few:
                axes.set_xticks(range(len(options)), options)
                axes.set_xlim(-0.5, len(options) - 0.5)
            elif min(options) > 0 and max(options) / min(options) > 1000:
                axes.set_xscale("log")
            axes.set_xlabel(name.replace("_", " "))

        return draw

    shares = {name.replace("_", " "): share for name, share in importances.items()}
    what = bars(shares, "importance (share)", title="What the better half has in common")
    return row(history, what, *map(a_slice, tried), height=3.1, columns=3)


def beside_random_search(
    means: Mapping[str, np.ndarray], leads: np.ndarray, ceiling: float
) -> Figure:
    """The best so far of two kinds of search, the mean over many, and how far one is ahead.

    Args:
        means: after each trial, by kind.
        leads: of each pair of searches at the end.
        ceiling: the best value that there is to find.
    """
    names = {"learning": "learning from its trials (TPE)", "blind": "at random"}
    over_trials = curves(
        range(1, len(means["blind"]) + 1),
        {names[kind]: values for kind, values in means.items()},
        "trial",
        "validation accuracy of the best so far",
        level=("best of the grid", ceiling),
        title="The mean of many searches",
    )

    def outcomes(axes: Axes) -> None:
        axes.hist(leads, bins=15, color=BLUE, edgecolor="white")
        axes.axvline(0, color=BLACK, ls="--", lw=1.2)
        axes.locator_params(axis="y", integer=True)
        axes.set(xlabel="lead after the last trial (accuracy)", ylabel="pairs of searches")
        axes.set_title("Each of them")

    return row(over_trials, outcomes)


def overfit_the_validation_set(
    coins: Mapping[int, Sequence[float]],
    theory: Mapping[int, Sequence[float]],
    trained: Mapping[int, Sequence[float]],
) -> Figure:
    """By how much the best so far promises too much, after each trial, by validation size."""
    trials = len(next(iter(coins.values())))
    shown = np.unique(np.geomspace(1, trials, 12).round().astype(int))  # even on a log scale
    highest = 1.08 * max(max(values) for gaps in (coins, trained) for values in gaps.values())

    def over_trials(gaps: Mapping[int, Sequence[float]], title: str) -> Panel:
        panel = curves(
            shown,
            {f"{size:,} validation samples": np.take(gap, shown - 1) for size, gap in gaps.items()},
            "trials (log scale)",
            "validation - test accuracy of the best",
            title=title,
        )

        def draw(axes: Axes) -> None:
            panel(axes)
            if gaps is coins:
                for gap in theory.values():
                    axes.plot(range(1, trials + 1), gap, color=GREY, ls="--", lw=1, marker="")
                axes.plot([], [], color=GREY, ls="--", lw=1, marker="", label="in theory")
            axes.legend(loc="upper left", fontsize=9)
            axes.set(xscale="log", ylim=(-0.01, highest))
            ticks = [n for n in (1, 2, 5, 10, 20, 40, 100) if n <= trials]
            axes.set_xticks(ticks, ticks)
            axes.minorticks_off()

        return draw

    return row(
        over_trials(coins, "Models that toss a coin"),
        over_trials(trained, "Trained models, random search"),
    )


def ensembling(
    reached: Mapping[str, float],
    ceiling: float,
    share: np.ndarray,
    tried: np.ndarray,
    marks: Mapping[str, tuple[float, float]],
) -> Figure:
    """Test accuracies by model and ensemble, and those of random weights.

    Args:
        reached: by model, then by ensemble.
        ceiling: the most that all cues together tell.
        share: the weight of the best member, for each of the random weights.
        tried: the test accuracy of each.
        marks: (weight of the best member, test accuracy) of some ensembles by name.
    """
    cloud = points(
        {"random weights": (share, tried)},
        "weight of the best member (on validation)",
        "test accuracy (share of sequences)",
        title=f"{len(tried):,} weighted averages",
    )

    def with_ensembles(axes: Axes) -> None:
        cloud(axes)
        axes.collections[0].set(alpha=0.35, facecolor=SKY)
        for (name, place), colour, marker in zip(
            marks.items(), (ORANGE, GREEN, BLACK), "s^D", strict=False
        ):
            style = dict(ls="", ms=8, mec="white", zorder=5)
            axes.plot(*place, color=colour, marker=marker, label=name, **style)
        axes.legend(fontsize=9, loc="lower right")

    lengths = bars(
        reached,
        "test accuracy (share of sequences)",
        marks=dict.fromkeys(reached, ceiling),
        mark="all cues together tell no more",
        title="Four models and their averages",
    )

    def with_numbers_within(axes: Axes) -> None:
        lengths(axes)
        for text in axes.texts:  # behind the bars, the marks would run through them
            text.set(text=f"{text.get_text().strip()}  ", ha="right", color="white", bbox=None)
        axes.set_xlim(0, 1)

    return row(
        with_numbers_within,
        with_ensembles,
        height=4.2,
    )


def diversity(
    correlations: np.ndarray, names: Sequence[str], compared: np.ndarray, of_a_kind: np.ndarray
) -> Figure:
    """How the errors of models go together, and what their averages gain.

    Args:
        correlations: of the errors, (models, models).
        names: of the models.
        compared: for each subset of models the mean correlation and the gain, (subsets, 2).
        of_a_kind: how many models of a subset are of one kind, (subsets,).
    """
    matrix = table(correlations, names, names, "correlation of errors", title="Who errs with whom")

    def slanted(axes: Axes) -> None:
        matrix(axes)
        axes.set_xticks(axes.get_xticks(), names, rotation=40, ha="right")
        for text in axes.texts:
            text.set_fontsize(8)

    groups = {
        f"{count} of a kind" if count > 1 else "four kinds": compared[of_a_kind == count].T
        for count in np.unique(of_a_kind)
    }
    cloud = points(
        groups,
        "mean correlation of the errors of two members",
        "gain over the mean member (accuracy)",
        title=f"Any four of the {len(names)} models",
    )

    def larger(axes: Axes) -> None:
        cloud(axes)
        for one in axes.collections:
            one.set(sizes=[36])

    figure = row(slanted, larger, height=4.4)
    figure.set_size_inches(11.0, 4.4)
    return figure


def benchmarks(throughput: Sequence[float], seconds: Sequence[float], fixed: float) -> Figure:
    """The throughput of each lesson beside a bare loop, over how long an epoch of that takes.

    Args:
        throughput: the share of what a bare loop reaches, for each lesson.
        seconds: of a bare epoch, for each lesson.
        fixed: seconds that an epoch of `fit` takes more; the curve is what would follow from that.
    """
    bare = np.geomspace(min(seconds), max(seconds), 100)

    def draw(axes: Axes) -> None:
        curve = {"marker": "", "linestyle": ":", "label": "if that were all"}
        axes.plot(1000 * bare, bare / (bare + fixed), color=BLACK, **curve)
        points = {"marker": "o", "linestyle": "none", "label": "main model of a lesson"}
        axes.plot(1000 * np.array(seconds), throughput, color=BLUE, **points)
        axes.axhline(0.8, color=ORANGE, linestyle="--", label="bound")
        axes.set(
            xscale="log",
            xlabel="an epoch of a bare loop (ms, log scale)",
            ylabel="throughput of the script / of a bare loop",
            title=f"An epoch of fit in 7.1.1 costs {1000 * fixed:.0f} ms more",
            ylim=(0, None),
        )
        axes.legend()

    return row(draw)


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


def show() -> None:
    """Show the saved pictures; returns at once without a screen."""
    if interactive():
        plt.show()
