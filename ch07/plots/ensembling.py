"""The pictures of section 7.3, in the order of the book."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from ch07.lab.language import tr
from ch07.plots.common import Array, Scores, bars, curves, finish, heat_map, points, row

ACCURACY = "test accuracy (share right)"


def batch_normalization(activations: Array, normalized: Array, accuracy: Mapping) -> Figure:
    """A layer's values, (points, units), and normalized; test accuracies by momentum and epoch."""

    def means(axes: Axes) -> None:
        for at, (name, of) in enumerate({"before": activations, "after": normalized}.items()):
            units = np.arange(1, 9) + 0.3 * at  # the first eight
            mean, deviation = of.mean(axis=0)[:8], of.std(axis=0)[:8]
            axes.errorbar(units, mean, deviation, ls="", capsize=3, label=name)
        before, after = activations.mean(), abs(normalized.mean())
        title = f"Mean {before:.2f} before the normalization, {after:.2f} after"
        ylabel = "activation (mean, standard deviation)"
        finish(axes, xlabel="unit of the layer", ylabel=ylabel, title=title)

    series = {f"momentum {momentum}": values for momentum, values in accuracy.items()}
    slow, quick = (values[0] for values in series.values())
    title = f"The same weights, other averages: {slow:.2f} and {quick:.2f}"
    return row(means, curves(None, series, "epoch", ACCURACY, title))


def normalized_depth(gradients: Mapping, accuracy: Scores, chance: float) -> Figure:
    """Gradients over the layers, (layers,), by "normalized" and "plain", and test accuracies."""
    left = 100 * gradients["plain"][0]
    title = f"{len(gradients['plain'])} plain layers leave {left:.2g} % of the gradient"
    labels = "layer", "gradient at the layer / at the last"
    arriving = curves(None, gradients, *labels, title, yscale="log")
    best = max(accuracy, key=accuracy.get)
    learned = {"title": f"{best}: {accuracy[best]:.2f}", "upright": {"chance": chance}}
    return row(arriving, bars(accuracy, ACCURACY, **learned))


def separable_convolution(ratios: Scores) -> Figure:
    """What the separable convnet needs of what the plain one needs, by quantity."""
    title = "Separable: {multiply-adds:.2f} of the multiply-adds, here {time:.2f} of the time"
    return row(bars(ratios, "separable / plain (ratio)", title=title), height=3.0)


def separable_or_not(accuracy: Scores, chance: float) -> Figure:
    """Test accuracies by images, kind of convolution and parameters, such as "apart plain 250"."""
    budgets = sorted({int(name.split()[-1]) for name in accuracy})
    panels, kinds, xlabel = [], ("plain", "separable"), "parameters of the model"
    for images, at in (("apart", 0), ("tangled", -1)):
        series = {of: [accuracy[f"{images} {of} {n}"] for n in budgets] for of in kinds}
        ahead = series["separable"][at] - series["plain"][at]
        title = f"Channels {images}: {kinds[ahead > 0]} gains {abs(ahead):.2f} at {budgets[at]:,}"
        panels.append(curves(budgets, series, xlabel, ACCURACY, title, level=("chance", chance)))
    return row(*panels)


def small_xception(accuracy: Scores, parameters: Mapping[str, int], chance: float) -> Figure:
    """Test accuracies and parameters of a model, the first, and of it with a pattern taken out."""
    values = {f"{name}\n({parameters[name]:,})": value for name, value in accuracy.items()}
    whole, *others = accuracy.values()
    title = f"{whole:.2f} with all three patterns, at most {max(others):.2f} without one"
    return row(bars(values, ACCURACY, upright={"chance": chance}, title=title), height=4.0)


def hyperparameter_search(trials: Sequence[FrozenTrial], importances: Scores) -> Figure:
    """The history of a search, what mattered in it (shares by hyperparameter), and its rates."""
    values = np.array([trial.value for trial in trials])
    rates = np.array([trial.params["learning_rate"] for trial in trials])
    pruned = np.array([trial.state == TrialState.PRUNED for trial in trials])
    kinds = {"a trial": ~pruned, "a pruned trial": pruned}
    kinds = {name: np.flatnonzero(of) for name, of in kinds.items() if of.any()}
    complete = np.where(pruned, np.nan, values)
    winner, ylabel = np.nanargmax(complete), "validation accuracy"
    best, title = np.fmax.accumulate(complete), f"From {values.min():.2f} to {values[winner]:.2f}"
    rings = {name: (1 + of, values[of]) for name, of in kinds.items()}
    history = curves(None, {"best so far": best}, "trial", ylabel, title, rings=rings)
    groups = {name: (rates[of], values[of]) for name, of in kinds.items()}
    title, xlabel = f"The best trial's rate: {rates[winner]:.1g}", "learning rate (log scale)"
    over_rates = points(groups, xlabel, ylabel, title, first=1, xscale="log")
    title = f"What mattered most: {max(importances, key=importances.get)}"
    return row(history, bars(importances, "importance (share)", title=title), over_rates)


def beside_random_search(means: Mapping[str, Array], leads: Array, best: float) -> Figure:
    """The best so far of two searches, (trials,); the leads of TPE, (pairs,); the grid's best."""
    trials, random = len(means["TPE"]), means["random search"][-1]
    title = f"{trials} random trials are worth {1 + np.argmax(means['TPE'] >= random)} of TPE"
    labels = "trial", "validation accuracy, best so far"
    over_trials = curves(None, means, *labels, title, level=("best of the grid", best))
    title = f"TPE is ahead in {np.sum(leads > 0)} of {len(leads)} pairs"
    labels, lead = ("pairs of searches", f"lead of TPE after {trials} trials"), np.sort(leads)
    return row(over_trials, curves(None, {"TPE": lead}, *labels, title, level=("random search", 0)))


def overfit_the_validation_set(coins: Mapping, trained: Mapping) -> Figure:
    """By how much the best so far is overrated, (trials,), by samples to validate on."""
    few, trials = min(trained), len(trained[min(trained)])
    shown = np.unique(np.geomspace(1, trials, 12).round().astype(int))  # even on a log scale
    highest = 1.08 * np.max([*coins.values(), *trained.values()])
    panels, labels = [], ("trials (log scale)", "validation - test accuracy")
    for subject, gaps in {"Coins": coins, "Trained models": trained}.items():
        series = {f"{size:,} validation samples": gaps[size][shown - 1] for size in sorted(gaps)}
        title = f"{subject}: the best of {trials} is overrated by {gaps[few][-1]:.2f}"
        scales = {"xscale": "log", "ylim": (-0.01, highest)}
        panels.append(curves(shown, series, *labels, title, **scales))
    return row(*panels)


def ensembling(models: Scores, averages: Scores, best_possible: float) -> Figure:
    """Test accuracies of models and of their averages, by name."""
    groups = {
        label: ([*of.values()], [f"{tr(name)}: {value:.3f}" for name, value in of.items()])
        for label, of in {"a model": models, "an average": averages}.items()
    }
    gain = max(averages.values()) - max(models.values())
    title = f"The best average beats the best model by {gain:.3f}"
    options = {"upright": {"best possible": best_possible}}
    options["ylim"] = (len(models) + len(averages) - 0.5, -0.5)  # downwards
    return row(points(groups, ACCURACY, "", title, **options), height=3.8)


def diversity(correlations: Array, names: Sequence[str], fours: Mapping) -> Figure:
    """How the errors of models correlate, (models, models), and what averages of four gain.

    names: those of one kind begin with the first name. fours: `inspection.diversity`, by members.
    """
    title = "Models of one kind err together"
    matrix = heat_map(correlations, "correlation of errors", names, names, title=title)
    found, groups = np.array([*fours.values()]), {}
    alike = np.array([sum(names[n].startswith(names[0]) for n in four) for four in fours])
    for n in np.unique(alike):
        groups[f"{n} of one kind" if n > 1 else "four kinds"] = found[alike == n].T
    title = f"The less errors correlate, the larger the gain: {np.corrcoef(found.T)[0, 1]:.2f}"
    labels = "mean correlation of the errors", "gain over the mean member (accuracy)"
    return row(matrix, points(groups, *labels, title), width=5.5, height=4.4)
