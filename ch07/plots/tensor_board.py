"""The pictures of section 7.2, in the order of the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ch07.clinic import SYMPTOMS, misplaced
from ch07.lab.language import tr
from ch07.metrics import principal_components
from ch07.plots.common import BLACK, GREY, SKY, Panel, curves, heat_map, points, row

LOSS = "validation loss (cross-entropy)"
Curves = Mapping[str, Sequence[float]]  # a value for each epoch, by name


def over_epochs(series: Curves, ylabel: str, title: str, **options: Any) -> Panel:
    """A line for each of `series`, over epochs from 1 on."""
    epochs = range(1, 1 + len(next(iter(series.values()))))
    return curves(epochs, series, "epoch", ylabel, title=title, **options)


def early_stopping(history: Curves, stopped_after: int) -> Figure:
    """Losses and accuracies of a training that nothing stops, and where it would have stopped."""
    best = int(np.argmin(history["val_loss"]))
    upright = {"lowest validation loss": 1 + best, "early stopping": stopped_after}

    def panel(name: str, title: str) -> Panel:
        series = {"training": history[name], "validation": history[f"val_{name}"]}
        return over_epochs(series, name, title, upright=upright)

    rise = history["val_loss"][-1] / history["val_loss"][best]
    title = tr("The validation loss ends at {:.1f} times its lowest").format(rise)
    ends = history["accuracy"][-1], history["val_accuracy"][-1]
    right = tr("Right on {:.2f} of the training points, {:.2f} of new ones").format(*ends)
    return row(panel("loss", title), panel("accuracy", right))


def learning_rates(rates: Curves, losses: Curves) -> Figure:
    """Learning rates and validation losses over the epochs, by callback."""
    times = np.count_nonzero(np.diff(rates["reduced on a plateau"]))
    divided = tr("The plateau callback divides the rate by ten: {} times").format(times)
    ends = losses["reduced on a plateau"][-1], losses["constant"][-1]
    title = tr("Reduced, the loss ends at {:.2f}, constant at {:.2f}").format(*ends)
    left = over_epochs(rates, "learning rate", divided, yscale="log")
    return row(left, over_epochs(losses, LOSS, title))


def csv_logger(log: Path, resumed_after: int, best: float, kept: float) -> Figure:
    """The validation losses in a CSV log: the `best`, and the one of the file that is `kept`."""
    losses = np.genfromtxt(log, delimiter=",", names=True)["val_loss"]
    title = tr("Resumed, the best model's file goes from {:.2f} to {:.2f}").format(best, kept)
    files = {"file before": best, "file afterwards": kept}
    places = {name: int(np.abs(losses - loss).argmin()) for name, loss in files.items()}
    rings = {name: (1 + at, losses[at]) for name, at in places.items()}
    upright = {"resumed": resumed_after + 0.5}
    return row(over_epochs({"log": losses}, LOSS, title, rings=rings, upright=upright))


def own_callbacks(losses: Curves, loaded: Sequence[int], moved: Sequence[float]) -> Figure:
    """Validation losses "with the callback" and "without", and how far a kernel moves, by epoch.

    `loaded`: after which epochs, counted from 0, the callback has loaded the best weights.
    """
    back = np.array(losses["with the callback"])
    title = tr("Back to the best weights: {:.2f} instead of {:.2f}")
    title = title.format(back[-1], losses["without"][-1])
    rings = {"weights loaded": (np.add(loaded, 1), back[loaded])}
    left = over_epochs(losses, LOSS, title, rings=rings)
    title = tr("Only the function that is traced again freezes the layer")
    upright = {"trainable = False": 3.5, "traced again": 6.5}
    kernel = {"first kernel": moved}
    return row(left, over_epochs(kernel, "largest change of a weight", title, upright=upright))


def progress_bar(shown: Sequence[float], history: Curves) -> Figure:
    """The loss that a bar shows after every batch; "val_loss" is of the same points, afterwards."""
    title = tr("After epoch 1 the bar shows {:.2f}, and the loss is {:.2f}")
    title = title.format(history["loss"][0], history["val_loss"][0])
    batches, epochs = len(shown), len(history["loss"])
    ends = np.arange(1, epochs + 1) * (batches // epochs)
    series = {"shown: mean of the epoch so far": shown}
    rings = {"the same points, after the epoch": (ends, history["val_loss"])}
    labels = "batch", "training loss (cross-entropy)"
    return row(curves(range(1, 1 + batches), series, *labels, rings=rings, title=title))


def activation_logger(logged: Mapping[str, np.ndarray], label: int) -> Figure:
    """What each layer gives for one sample, (epochs, units), by layer; the last: probabilities."""
    *hidden, last = logged
    ends = logged[last][0, label], logged[last][-1, label]
    title = tr("The right cloud, {}: from {:.2f} to {:.2f}").format(label, *ends)
    axes = {"xlabel": "unit", "ylabel": "epoch"}
    panels = [heat_map(logged[name], "activation", title=name, **axes) for name in hidden]
    return row(*panels, heat_map(logged[last], "probability", title=title, **axes))


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
    """A table of runs and symptoms, as `clinic.examine` gives them, with what is healthy.

    Where the loss has exploded, the other symptoms mean nothing, and are grey.
    """

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
        wrong, treated = len(misplaced(symptoms)), not set(symptoms) & set(SYMPTOMS)
        good = "No symptom is left" if treated else "Each fault has its own symptom"
        bad = "Symptoms that are left" if treated else "Symptoms in the wrong place"
        axes.set_title(f"{bad}: {wrong}" if wrong else good, pad=12)

    return row(draw, width=8.5, height=3.8)
