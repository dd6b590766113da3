"""The pictures of section 7.3, in the order of the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from ch07.plots.common import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    MARKERS,
    Panel,
    bars,
    curves,
    points,
    row,
    table,
)

ACCURACY = "test accuracy (share right)"


def batch_normalization(
    activations: np.ndarray, normalized: np.ndarray, accuracy: Mapping[float, Sequence[float]]
) -> Figure:
    """What a layer gives before and after its normalization, (points, units), and accuracies.

    accuracy: on the test data over the epochs, by momentum.
    """

    def means(axes: Axes) -> None:
        for at, (name, of) in enumerate({"before": activations, "after": normalized}.items()):
            units = np.arange(1, 9) + 0.3 * at  # the first eight
            style = dict(color=COLOURS[at], marker=MARKERS[at], ls="", capsize=3)
            axes.errorbar(units, of.mean(axis=0)[:8], of.std(axis=0)[:8], label=name, **style)
        before, after = activations.mean(), abs(normalized.mean())
        axes.set(xlabel="unit of the layer", ylabel="activation (mean, standard deviation)")
        axes.set_title(f"Mean {before:.2f} before the normalization, {after:.2f} after")
        axes.legend(loc="lower left", fontsize=9)

    series = {f"momentum {momentum}": values for momentum, values in accuracy.items()}
    slow, quick = (values[0] for values in series.values())
    title = f"The same weights, other averages: {slow:.2f} and {quick:.2f}"
    epochs = range(1, 1 + len(accuracy[0.99]))
    return row(means, curves(epochs, series, "epoch", ACCURACY, title=title))


def normalized_depth(
    gradients: Mapping[str, np.ndarray], accuracy: Mapping[str, float], chance: float
) -> Figure:
    """Gradients over the layers, (layers,), by "normalized" and "plain", and test accuracies."""
    depth, left = len(gradients["plain"]), 100 * gradients["plain"][0]
    title = f"{depth} plain layers leave {left:.2g} % of the gradient"
    ylabel = "gradient at the layer / at the last"
    arriving = curves(range(1, 1 + depth), gradients, "layer", ylabel, log=True, title=title)
    best = max(accuracy, key=accuracy.get)
    marks, title = dict.fromkeys(accuracy, chance), f"{best}: {accuracy[best]:.2f}"
    return row(arriving, bars(accuracy, ACCURACY, marks=marks, mark="chance", title=title))


def separable_convolution(ratios: Mapping[str, float]) -> Figure:
    """What the separable convnet needs of what the plain one needs, by quantity."""
    work, time = ratios["multiply-adds"], ratios["time"]
    title = f"Separable: {work:.2f} of the multiply-adds, here {time:.2f} of the time"
    return row(bars(ratios, "separable / plain (ratio)", title=title), height=3.0)


def separable_or_not(accuracy: Mapping[str, float], chance: float) -> Figure:
    """Test accuracies by images, kind of convolution and parameters, such as "apart plain 250"."""
    budgets = sorted({int(name.split()[-1]) for name in accuracy})

    def panel(images: str, at: int) -> Panel:
        kinds = ("plain", "separable")
        series = {of: [accuracy[f"{images} {of} {n}"] for n in budgets] for of in kinds}
        ahead = series["separable"][at] - series["plain"][at]
        title = f"Channels {images}: {kinds[ahead > 0]} gains {abs(ahead):.2f} at {budgets[at]:,}"
        labels = "parameters of the model", ACCURACY
        return curves(budgets, series, *labels, level=("chance", chance), title=title)

    return row(panel("apart", 0), panel("tangled", -1))


def small_xception(
    accuracy: Mapping[str, float], parameters: Mapping[str, int], chance: float
) -> Figure:
    """Test accuracies and parameters of a model, the first, and of it with a pattern taken out."""
    values = {f"{name}\n({parameters[name]:,})": value for name, value in accuracy.items()}
    whole, *others = accuracy.values()
    title = f"{whole:.2f} with all three patterns, at most {max(others):.2f} without one"
    marks = dict.fromkeys(values, chance)
    lengths = bars(values, ACCURACY, marks=marks, mark="chance", title=title)
    return row(lengths, height=4.0)


def hyperparameter_search(
    trials: Sequence[FrozenTrial], importances: Mapping[str, float]
) -> Figure:
    """The history of a search, what mattered in it (shares by hyperparameter), and its rates."""
    values = np.array([trial.value for trial in trials])
    pruned = np.array([trial.state == TrialState.PRUNED for trial in trials])
    rates = np.array([trial.params["learning_rate"] for trial in trials])
    complete = np.where(pruned, -np.inf, values)
    best, winner = np.maximum.accumulate(complete), complete.argmax()

    def dots(axes: Axes, x: np.ndarray) -> None:
        for at, label in enumerate(("a trial", "a pruned trial")):
            chosen = pruned == bool(at)
            style = dict(color=COLOURS[at], marker=MARKERS[at], s=32, zorder=3)
            axes.scatter(x[chosen], values[chosen], label=label, **style)
        axes.set_ylabel("validation accuracy")

    def history(axes: Axes) -> None:
        numbers, shown = np.arange(1, len(values) + 1), np.isfinite(best)
        dots(axes, numbers)
        style = dict(where="post", color=BLACK, marker="", lw=1.2, label="best so far")
        axes.step(numbers[shown], best[shown], **style)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=8)
        axes.set(xlabel="trial", title=f"From {values.min():.2f} to {values[winner]:.2f}")

    def over_rates(axes: Axes) -> None:
        dots(axes, rates)
        axes.set(xscale="log", xlabel="learning rate (log scale)")
        axes.set_title(f"The best trial had {rates[winner]:.1g}")

    title = f"What mattered most: {max(importances, key=importances.get)}"
    return row(history, bars(importances, "importance (share)", title=title), over_rates)


def beside_random_search(means: Mapping[str, np.ndarray], leads: np.ndarray, best: float) -> Figure:
    """The best so far of "TPE" and of "random search" after each trial, the means over many.

    leads: of TPE in each pair of searches, at the end. best: the best score of the grid.
    """
    trials, random = len(means["TPE"]), means["random search"][-1]
    title = f"{trials} random trials are worth {1 + np.argmax(means['TPE'] >= random)} of TPE"
    labels, level = ("trial", "validation accuracy, best so far"), ("best of the grid", best)
    over_trials = curves(range(1, trials + 1), means, *labels, level=level, title=title)

    def outcomes(axes: Axes) -> None:
        axes.hist(leads, bins=12, color=BLUE, edgecolor="white")
        axes.axvline(0, color=BLACK, ls="--", lw=1.2)
        axes.locator_params(axis="both", nbins=5)
        axes.set(xlabel=f"lead of TPE after {trials} trials", ylabel="pairs of searches")
        axes.set_title(f"TPE is ahead in {np.sum(leads > 0)} of {len(leads)} pairs")

    return row(over_trials, outcomes)


def overfit_the_validation_set(
    coins: Mapping[int, np.ndarray], trained: Mapping[int, np.ndarray]
) -> Figure:
    """By how much the best so far is overrated, after each trial, by samples to validate on."""
    few, trials = min(trained), len(trained[min(trained)])
    shown = np.unique(np.geomspace(1, trials, 12).round().astype(int))  # even on a log scale
    highest = 1.08 * max(gap.max() for of in (coins, trained) for gap in of.values())

    def panel(subject: str, gaps: Mapping[int, np.ndarray]) -> Panel:
        series = {f"{size:,} validation samples": gaps[size][shown - 1] for size in sorted(gaps)}
        title = f"{subject}: the best of {trials} is overrated by {gaps[few][-1]:.2f}"
        labels = "trials (log scale)", "validation - test accuracy"
        over_trials = curves(shown, series, *labels, title=title)

        def draw(axes: Axes) -> None:
            over_trials(axes)
            axes.set(xscale="log", ylim=(-0.01, highest))
            axes.set_xticks(*2 * [[n for n in (1, 2, 5, 10, 20, 40, 100) if n <= trials]])
            axes.minorticks_off()
            axes.legend(loc="upper left", fontsize=9)

        return draw

    return row(panel("Coins", coins), panel("Trained models", trained))


def ensembling(
    models: Mapping[str, float], averages: Mapping[str, float], best_possible: float
) -> Figure:
    """Test accuracies of models and of their averages, by name."""
    gain, names = max(averages.values()) - max(models.values()), [*models, *averages]

    def dots(axes: Axes) -> None:
        for at, (label, of) in enumerate({"a model": models, "an average": averages}.items()):
            places = [names.index(name) for name in of]
            style = dict(ls="", ms=9, color=COLOURS[at], marker=MARKERS[at], label=label)
            axes.plot([*of.values()], places, **style)
            for place, value in zip(places, of.values(), strict=True):
                style = dict(xytext=(8, 0), textcoords="offset points", va="center", fontsize=9)
                axes.annotate(f"{value:.3f}", (value, place), **style)
        axes.axvline(best_possible, color=GREY, ls="--", label="best possible")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel=ACCURACY, xlim=(min(0.8, *models.values()), 1))
        axes.set_title(f"The best average beats the best model by {gain:.3f}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=9)

    return row(dots, height=3.8)


def diversity(
    correlations: np.ndarray,
    names: Sequence[str],
    fours: Mapping[tuple[int, ...], tuple[float, float]],
) -> Figure:
    """How the errors of models correlate, (models, models), and what averages of four gain.

    names: of the models; those of one kind begin with "dense". fours: by members, the mean
    correlation of their errors and the gain of their average.
    """
    found, label = np.array([*fours.values()]), "correlation of errors"
    matrix = table(correlations, names, names, label, title="Models of one kind err together")

    def slanted(axes: Axes) -> None:
        matrix(axes)
        axes.set_xticks(axes.get_xticks(), names, rotation=40, ha="right")
        for text in axes.texts:
            text.set_fontsize(8)

    alike = np.array([sum(names[n].startswith("dense") for n in four) for four in fours])
    groups = {
        f"{n} of one kind" if n > 1 else "four kinds": found[alike == n].T for n in np.unique(alike)
    }
    title = f"The less errors correlate, the larger the gain: {np.corrcoef(found.T)[0, 1]:.2f}"
    labels = "mean correlation of the errors", "gain over the mean member (accuracy)"
    cloud = points(groups, *labels, title=title)

    def larger(axes: Axes) -> None:
        cloud(axes)
        for one in axes.collections:
            one.set(sizes=[36])

    figure = row(slanted, larger, height=4.4)
    figure.set_size_inches(11.0, 4.4)
    return figure
