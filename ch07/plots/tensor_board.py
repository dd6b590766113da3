"""The pictures of section 7.2, in the order of the book."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ch07.clinic import SYMPTOMS, misplaced
from ch07.lab.language import tr
from ch07.metrics import principal_components
from ch07.plots.common import BLACK, GREY, ORANGE, SKY, Panel, curves, heat_map, points, row
from ch07.plots.common import with_marks as marked

LOSS = "validation loss (cross-entropy)"
Curves = Mapping[str, Sequence[float]]  # a value for each epoch, by name


def over_epochs(series: Curves, ylabel: str, title: str, log: bool = False) -> Panel:
    """A line for each of `series`, over epochs from 1 on."""
    epochs = range(1, 1 + len(next(iter(series.values()))))
    return curves(epochs, series, "epoch", ylabel, title=title, log=log)


def early_stopping(history: Curves, stopped_after: int) -> Figure:
    """Losses and accuracies of a training that nothing stops, and where it would have stopped."""
    best = int(np.argmin(history["val_loss"]))
    marks = {"lowest validation loss": 1 + best, "early stopping": stopped_after}

    def panel(name: str, title: str, *values: float) -> Panel:
        series = {"training": history[name], "validation": history[f"val_{name}"]}
        return marked(over_epochs(series, name, tr(title).format(*values)), marks)

    rise = history["val_loss"][-1] / history["val_loss"][best]
    ends = history["accuracy"][-1], history["val_accuracy"][-1]
    return row(
        panel("loss", "The validation loss ends at {:.1f} times its lowest", rise),
        panel("accuracy", "Right on {:.2f} of the training points, {:.2f} of new ones", *ends),
    )


def learning_rates(rates: Curves, losses: Curves) -> Figure:
    """Learning rates and validation losses over the epochs, by callback."""
    times = np.count_nonzero(np.diff(rates["reduced on a plateau"]))
    ends = losses["reduced on a plateau"][-1], losses["constant"][-1]
    divided = tr("The plateau callback divides the rate by ten: {} times").format(times)
    title = tr("Reduced, the loss ends at {:.2f}, constant at {:.2f}").format(*ends)
    return row(
        over_epochs(rates, "learning rate", divided, log=True), over_epochs(losses, LOSS, title)
    )


def csv_logger(log: Path, resumed_after: int, best: float, kept: float) -> Figure:
    """The validation losses in a CSV log: the `best`, and the one of the file that is `kept`."""
    with log.open(encoding="utf-8", newline="") as file:
        losses = [float(epoch["val_loss"]) for epoch in csv.DictReader(file)]
    title = tr("Resumed, the best model's file goes from {:.2f} to {:.2f}").format(best, kept)
    panel = marked(over_epochs({"log": losses}, LOSS, title), {"resumed": resumed_after + 0.5})

    def draw(axes: Axes) -> None:
        for loss, marker, name in ((best, "o", "file before"), (kept, "D", "file afterwards")):
            at = int(np.argmin(np.abs(np.subtract(losses, loss))))
            axes.plot(1 + at, losses[at], marker, ms=13, mfc="none", mec=ORANGE, mew=2, label=name)
        panel(axes)

    return row(draw)


def own_callbacks(losses: Curves, loaded: Sequence[int], moved: Sequence[float]) -> Figure:
    """Validation losses "with the callback" and "without", and how far a kernel moves, by epoch.

    `loaded`: after which epochs, counted from 0, the callback has loaded the best weights.
    """
    back = losses["with the callback"]
    title = tr("Back to the best weights: {:.2f} instead of {:.2f}")
    panel = over_epochs(losses, LOSS, title.format(back[-1], losses["without"][-1]))

    def draw(axes: Axes) -> None:
        places = [1 + epoch for epoch in loaded], [back[epoch] for epoch in loaded]
        axes.plot(*places, "o", ms=11, mfc="none", mec=BLACK, zorder=3, label="weights loaded")
        panel(axes)

    title = tr("Only the function that is traced again freezes the layer")
    movement = over_epochs({"first kernel": moved}, "largest change of a weight", title)
    return row(draw, marked(movement, {"trainable = False": 3.5, "traced again": 6.5}))


def progress_bar(shown: Sequence[float], history: Curves) -> Figure:
    """The loss that a bar shows after every batch; "val_loss" is of the same points, afterwards."""
    title = tr("After epoch 1 the bar shows {:.2f}, and the loss is {:.2f}").format(
        history["loss"][0], history["val_loss"][0]
    )
    batches = range(1, 1 + len(shown))
    ends = batches[:: -(len(shown) // len(history["loss"]))][::-1]

    def draw(axes: Axes) -> None:
        axes.plot(batches, shown, marker="", label="shown: mean of the epoch so far")
        after = "the same points, after the epoch"
        axes.plot(ends, history["val_loss"], "s", ms=7, color=ORANGE, label=after)
        axes.legend(fontsize=9)
        axes.set(xlabel="batch", ylabel="training loss (cross-entropy)", title=title)

    return row(draw)


def activation_logger(logged: Mapping[str, np.ndarray], label: int) -> Figure:
    """What each layer gives for one sample, (epochs, units), by layer; the last: probabilities."""
    *hidden, last = logged
    ends = logged[last][0, label], logged[last][-1, label]
    labels = dict.fromkeys(hidden, "activation") | {last: "probability"}
    titles = {name: name for name in hidden}
    titles[last] = tr("The right cloud, {}: from {:.2f} to {:.2f}").format(label, *ends)
    return row(
        *(heat_map(logged[n], "unit", "epoch", labels[n], title=titles[n], first=1) for n in logged)
    )


def embedding(untrained: np.ndarray, trained: np.ndarray, kinds: Sequence[str]) -> Figure:
    """Words, (words, dimensions), on their two largest principal components.

    kinds: of each word; all but "positive" and "negative" are drawn as neutral.
    """
    sides = np.array([kind if kind in ("positive", "negative") else "neutral" for kind in kinds])

    def cloud(vectors: np.ndarray, title: str) -> Panel:
        places, shares = principal_components(vectors, 2)
        groups = {side: places[sides == side].T for side in ("neutral", "positive", "negative")}
        apart = abs(groups["positive"][0].mean() - groups["negative"][0].mean())
        axis = tr("component {} ({:.0%} of the variance)")
        labels = [axis.format(n, share) for n, share in enumerate(shares, start=1)]
        return points(groups, *labels, title=title.format(apart / places[:, 0].std()))

    before = tr("Untrained: good and bad words {:.1f} sigma apart")
    after = tr("Trained: good and bad words {:.1f} sigma apart")
    return row(cloud(untrained, before), cloud(trained, after), height=4.2)


def clinic(symptoms: Mapping[str, Mapping[str, float]]) -> Figure:
    """A table of runs and symptoms, with the range of a healthy run above each column.

    symptoms: by run, then by fault, as `clinic.examine` gives them. Where the loss has exploded,
    the other symptoms mean nothing, and are grey.
    """
    wrong = len(misplaced(symptoms))
    title = tr("Symptoms in the wrong place: {}").format(wrong)

    def draw(axes: Axes) -> None:
        for r, of in enumerate(symptoms.values()):
            exploded = SYMPTOMS["rate_too_high"].shows(of["rate_too_high"])
            for c, (fault, value) in enumerate(of.items()):
                moot = exploded and fault != "rate_too_high"
                if SYMPTOMS[fault].shows(value) and not moot:
                    axes.add_patch(mpl.patches.Rectangle((c - 0.5, r - 0.5), 1, 1, color=SKY))
                text = "none" if np.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")
                axes.text(c, r, text, ha="center", va="center", color=GREY if moot else BLACK)
        columns = [f"{tr(one.column)}\n({one.healthy})" for one in SYMPTOMS.values()]
        axes.set_xticks(range(len(columns)), columns, fontsize=8)
        axes.set_yticks(range(len(symptoms)), [tr(name) for name in symptoms])
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(symptoms) - 0.5, -0.5))
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title(title if wrong else tr("Each fault has its own symptom"), pad=12)

    figure = row(draw)
    figure.set_size_inches(8.5, 3.8)
    return figure
