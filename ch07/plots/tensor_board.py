"""The pictures of section 7.2, in the order of the book."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ch07.clinic import SYMPTOMS, misplaced
from ch07.lab.language import tr
from ch07.metrics import principal_components
from ch07.plots.common import BLACK, GREY, SKY, curves, heat_map, panel, points, row

LOSS = "epoch", "validation loss (cross-entropy)"
Curves = Mapping[str, Sequence[float]]  # a value for each epoch, by name


def early_stopping(history: Curves, stopped_after: int) -> Figure:
    """Losses and accuracies of a training that nothing stops, and where it would have stopped."""
    best = int(np.argmin(history["val_loss"]))
    upright = {"lowest validation loss": 1 + best, "early stopping": stopped_after}
    rise = history["val_loss"][-1] / history["val_loss"][best]
    ends = history["accuracy"][-1], history["val_accuracy"][-1]
    titles = {"loss": tr("The validation loss ends at {:.1f} times its lowest").format(rise)}
    title = tr("Right on {:.2f} of the training points, {:.2f} of new ones")
    panels, titles["accuracy"] = [], title.format(*ends)
    for name, title in titles.items():
        series = {"training": history[name], "validation": history[f"val_{name}"]}
        panels.append(curves(None, series, "epoch", name, title, upright=upright))
    return row(*panels)


def learning_rates(rates: Curves, losses: Curves, ends: Mapping[str, float]) -> Figure:
    """Learning rates, validation losses and the means of the last of them, by callback."""
    times = np.count_nonzero(np.diff(rates["reduced on a plateau"]))
    title = f"The plateau callback divides the rate by ten: {times} times"
    left = curves(None, rates, "epoch", "learning rate", title, yscale="log")
    title = tr("Mean of the last four losses: {:.2f} reduced, {:.2f} constant")
    title = title.format(ends["reduced on a plateau"], ends["constant"])
    return row(left, curves(None, losses, *LOSS, title))


def csv_logger(log: Path, resumed_after: int, best: float, kept: float) -> Figure:
    """The validation losses in a CSV log: the `best`, and the one of the file that is `kept`."""
    losses = np.genfromtxt(log, delimiter=",", names=True)["val_loss"]
    files = {"file before": best, "file afterwards": kept}
    places = {name: int(np.abs(losses - loss).argmin()) for name, loss in files.items()}
    rings = {name: (1 + at, losses[at]) for name, at in places.items()}
    title = tr("Resumed, the best model's file goes from {:.2f} to {:.2f}").format(best, kept)
    upright = {"resumed": resumed_after + 0.5}
    return row(curves(None, {"log": losses}, *LOSS, title, rings=rings, upright=upright))


def own_callbacks(losses: Curves, loaded: Sequence[int], moved: Sequence[float]) -> Figure:
    """Validation losses, the epochs (from 0) after which weights were loaded, a kernel's moves."""
    back = np.array(losses["with the callback"])
    rings = {"weights loaded": (np.add(loaded, 1), back[loaded])}
    title = tr("Back to the best weights: {:.2f} instead of {:.2f}")
    title = title.format(back[-1], losses["without"][-1])
    left = curves(None, losses, *LOSS, title, rings=rings)
    title = "Only the function that is traced again freezes the layer"
    series, upright = {"first kernel": moved}, {"trainable = False": 3.5, "traced again": 6.5}
    ylabel = "largest change of a weight"
    return row(left, curves(None, series, "epoch", ylabel, title, upright=upright))


def progress_bar(shown: Sequence[float], history: Curves) -> Figure:
    """The loss that a bar shows after every batch; "val_loss" is of the same points, afterwards."""
    title = tr("After epoch 1 the bar shows {:.2f}, and the loss is {:.2f}")
    title = title.format(history["loss"][0], history["val_loss"][0])
    ends = np.linspace(0, len(shown), 1 + len(history["loss"]))[1:]  # of the epochs
    series = {"shown: mean of the epoch so far": shown}
    rings = {"the same points, after the epoch": (ends, history["val_loss"])}
    return row(curves(None, series, "batch", "training loss (cross-entropy)", title, rings=rings))


def activation_logger(logged: Mapping[str, np.ndarray], label: int) -> Figure:
    """What each layer gives for one sample, (epochs, units), by layer; the last: probabilities."""
    *hidden, last = logged
    ends = logged[last][0, label], logged[last][-1, label]
    title = tr("The right cloud, {}: from {:.2f} to {:.2f}").format(label, *ends)
    axes = {"xlabel": "unit", "ylabel": "epoch"}
    panels = [heat_map(logged[name], "activation", title=name, **axes) for name in hidden]
    return row(*panels, heat_map(logged[last], "probability", title=title, **axes))


def embedding(untrained: np.ndarray, trained: np.ndarray, kinds: Sequence[str]) -> Figure:
    """Words, (words, dimensions), on their two largest principal components, by their kinds."""
    sides = np.array([kind if kind in ("positive", "negative") else "neutral" for kind in kinds])
    panels, axis = [], tr("component {} ({:.0%} of the variance)")
    for name, vectors in {"Untrained": untrained, "Trained": trained}.items():
        places, shares = principal_components(vectors, 2)
        groups = {side: places[sides == side].T for side in ("neutral", "positive", "negative")}
        apart = abs(groups["positive"][0].mean() - groups["negative"][0].mean())
        apart /= places[:, 0].std()
        title = tr(name + ": good and bad words {:.1f} sigma apart").format(apart)
        labels = [axis.format(n, share) for n, share in enumerate(shares, start=1)]
        panels.append(points(groups, *labels, title))
    return row(*panels, height=4.2)


@panel
def table(axes, symptoms: Mapping[str, Mapping[str, float]]):
    """A row for each run; if its loss has exploded, other symptoms mean nothing, and are grey."""
    for r, of in enumerate(symptoms.values()):
        exploded = SYMPTOMS["rate_too_high"].shows(of["rate_too_high"])
        for c, (fault, value) in enumerate(of.items()):
            moot = exploded and fault != "rate_too_high"
            if SYMPTOMS[fault].shows(value) and not moot:
                axes.barh(r, 1, 1, c - 0.5, color=SKY)
            text = "none" if np.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")
            axes.text(c, r, text, ha="center", va="center", color=GREY if moot else BLACK)
    columns = [f"{tr(one.column)}\n({one.healthy})" for one in SYMPTOMS.values()]
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(symptoms)), symptoms)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(symptoms) - 0.5, -0.5))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    wrong, treated = len(misplaced(symptoms)), not set(symptoms) & set(SYMPTOMS)
    good = "No symptom is left" if treated else "Each fault has its own symptom"
    bad = "Symptoms that are left" if treated else "Symptoms in the wrong place"
    axes.set_title(f"{bad}: {wrong}" if wrong else good, pad=12)


def clinic(symptoms: Mapping[str, Mapping[str, float]]) -> Figure:
    """A table of runs and symptoms, as `clinic.examine` gives them, with what is healthy."""
    return row(table(symptoms), width=8.5, height=3.8)
