"""The pictures of section 7.1, in the order of the book; a title says what the numbers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ch07.plots.common import Panel, bars, curves, heat_map, points, row

CHANCE = {"chance": 0.5}
Scores = Mapping[str, float]  # by model


def named(names: Mapping[str, str], scores: Scores) -> dict[str, float]:
    """The `scores` of some models by the `names` that a picture has for them, in that order."""
    return {name: scores[key] for key, name in names.items()}


def images(samples: Mapping[str, np.ndarray], title: str) -> Panel:
    """Square images by name, two in a row: grey, or three channels around 0 as colours."""

    def drawn(axes: Axes) -> None:
        for at, (name, sample) in enumerate(samples.items()):
            left, top = 1.15 * (at % 2), -1.3 * (at // 2)
            colours = sample if sample.ndim == 2 else np.clip(sample / 5 + 0.5, 0, 1)
            axes.imshow(colours, cmap="gray", extent=(left, left + 1, top - 1, top))
            axes.text(left + 0.5, top + 0.04, name, ha="center", va="bottom", fontsize=9)
        axes.set(title=title, xlim=(0, 2.15), ylim=(0.3 - 1.3 * -(-len(samples) // 2), 0.3))
        axes.set_axis_off()

    return drawn


def sequential_and_functional(accuracy: Scores) -> Figure:
    """Test accuracies of the stack, written in both ways."""
    names = {"functional": "functional API", "Sequential": "Sequential"}
    title = "One stack, written in two ways: {functional:.2f} and {Sequential:.2f} right"
    title, upright = title.format(**accuracy), {"chance": accuracy["chance"]}
    xlabel = "test accuracy (share of vectors)"
    return row(bars(named(names, accuracy), xlabel, upright=upright, title=title))


def question_answering(accuracy: Scores, stories: Any) -> Figure:
    """Test accuracies with "both" inputs, the "text" and the "question", and the best possible."""
    names = {"both": "text and question", "text": "text alone", "question": "question alone"}
    title = "Both inputs: {both:.2f}. One alone: {text:.2f} or {question:.2f}".format(**accuracy)
    xlabel = "test accuracy (share of questions)"
    best = named(names, stories.best_possible)
    return row(bars(named(names, accuracy), xlabel, best=best, title=title))


def multimodal(garments: Any, r2: Scores) -> Figure:
    """Two cloths; R2 of the test prices by model."""
    cloth = garments.test["picture"][..., 0]
    stripes = np.abs(np.diff(cloth, axis=2)).mean(axis=(1, 2))  # they change from pixel to pixel
    samples = {"as new": cloth[stripes.argmax()], "worn": cloth[stripes.argmin()]}
    names = {"joint": "learned jointly"} | {name: name for name in r2 if name != "joint"}
    title = f"Learned jointly: {r2['joint']:.2f}. Best mix of three models: {r2['best mix']:.2f}"
    best = named(names, garments.best_possible)
    panel = bars(named(names, r2), "R2 (explained share)", best=best, title=title)
    return row(images(samples, "A picture shows the wear of the cloth"), panel)


def loss_weights(
    posts: Any, start: Scores, weights: Scores, plain: Scores, score: Scores
) -> Figure:
    """What each loss contributes to their sum; accuracies without and with `weights`.

    `start`, `plain` and `score`: what `evaluate` says before training, after it without and with.
    """
    book = {"age": 0.25, "income": 1.0, "gender": 10.0}
    shares = {"unweighted": dict.fromkeys(book, 1.0), "as printed": book, "weighted": weights}
    for name, by_output in shares.items():
        parts = {output: by_output[output] * start[f"{output}_loss"] for output in book}
        shares[name] = {output: part / sum(parts.values()) for output, part in parts.items()}
    scores, best = {}, {}
    for output in ("income", "gender"):
        for kind, of in {"unweighted": plain, "weighted": score}.items():
            scores[f"{output}, {kind}"] = of[f"{output}_accuracy"]
            best[f"{output}, {kind}"] = posts.best_possible[output]
    title = "Income: {income, unweighted:.2f} unweighted, {income, weighted:.2f} weighted"
    xlabel = "test accuracy (share of writers)"
    learned = bars(scores, xlabel, best=best, title=title.format(**scores))
    title = f"Unweighted, the age is {shares['unweighted']['age']:.1%} of the loss"
    return row(bars(shares, "share of the loss before training", title=title), learned)


def correlated_targets(phrases: Any, accuracy: Scores) -> Figure:
    """Test accuracies for the gender, "alone" and "together" with the age and the income."""
    names = {"alone": "gender alone", "together": "with age and income"}
    known, writers = (phrases.weights["gender"] > 0).sum(), len(phrases.train)
    title = f"Gender known of {known} writers in {writers:,}: "
    title += "{alone:.2f} alone, {together:.2f} with others".format(**accuracy)
    upright = {"best possible": phrases.best_possible} | CHANCE
    xlabel = "test accuracy (share of writers)"
    return row(bars(named(names, accuracy), xlabel, upright=upright, title=title))


def inception(scales: Any, accuracy: Mapping[str, Sequence[float]]) -> Figure:
    """An image for each answer to the three questions; test accuracies by model and question."""
    samples = {}
    for at, scale in enumerate(("colour", "fine", "coarse")):
        for answer in ("no", "yes"):
            image = scales.test[scales.test_targets[:, at] == (answer == "yes")][0]
            samples[f"{scale}: {answer}"] = image[..., [0, 1, 1] if scale == "colour" else [2] * 3]
    names = {
        "module": "all four", "a": "a: 1x1", "b": "b: 1x1, 3x3", "c": "c: average, 3x3",
        "d": "d: 1x1, 3x3, 3x3",
    }  # fmt: skip
    values = np.array([accuracy[name] for name in names])
    columns = ["colour\n(1 pixel)", "fine\n(3 pixels)", "coarse\n(5 pixels)"]
    worst, single = values[0].min(), values[1:].min(axis=1).max()
    title = f"Worst of three: {worst:.2f} together, {single:.2f} alone"
    panel = heat_map(values, "test accuracy", list(names.values()), columns, title=title)
    return row(images(samples, "Three questions about an image"), panel, height=5.2)


def pointwise(scales: Any, model: Any, accuracy: Mapping[str, Sequence[float]]) -> Figure:
    """What a 1x1 convolution makes of an image and of its shuffled pixels; test accuracies."""
    image = scales.test[:1]
    order = np.random.default_rng(0).permutation(image[0, ..., 0].size)
    shuffled = image.reshape(1, -1, 3)[:, order].reshape(image.shape)
    outputs = [model.get_layer("convolution")(one).numpy()[0] for one in (image, shuffled)]
    before, after = (one[..., outputs[0].var(axis=(0, 1)).argmax()] for one in outputs)
    apart = np.abs(before.ravel()[order] - after.ravel()).max()
    samples = {"an image": image[0], "its pixels shuffled": shuffled[0]}
    samples |= {"1x1 of the image": before, "1x1 of the shuffled": after}
    groups = {
        question: {name: of[at] for name, of in accuracy.items()}
        for at, question in enumerate(("colour", "stripes"))
    }
    title = "1x1: colour {:.2f}, stripes {:.2f}".format(*accuracy["1x1"][:2])
    panel = bars(groups, "test accuracy (share of images)", upright=CHANCE, title=title)
    title = "Shuffle before or after: the same" if apart < 1e-5 else f"They differ by {apart:.1g}"
    return row(images(samples, title), panel, height=4.6)


def residual_depth(accuracy: Scores, gradient: Scores) -> Figure:
    """Test accuracy, and the gradient that arrives, over depth; keys such as "plain 20"."""
    depths = sorted({int(name.split()[1]) for name in gradient})
    deepest = depths[-1]

    def lines(values: Scores) -> dict[str, list[float]]:
        kinds = {"plain": "plain", "with shortcuts": "residual"}
        return {name: [values[f"{kind} {n}"] for n in depths] for name, kind in kinds.items()}

    learned, arrived = lines(accuracy), lines(gradient)
    plain, residual = (values[-1] for values in learned.values())
    title = f"{deepest} layers: {plain:.2f} plain, {residual:.2f} with shortcuts"
    labels, level = ("layers", "test accuracy"), ("chance", 0.5)
    rings = {"linear shortcuts": ([deepest], [accuracy[f"linear {deepest}"]])}
    left = curves(depths, learned, *labels, level=level, rings=rings, title=title)
    plain, residual = (values[-1] for values in arrived.values())
    title = f"Gradient: {plain:.1g} arrives, {residual:.1g} with shortcuts"
    labels = "layers", "gradient at the first layer / at the last"
    rings = {"linear shortcuts": ([deepest], [gradient[f"linear {deepest}"]])}
    return row(left, curves(depths, arrived, *labels, yscale="log", rings=rings, title=title))


def bottleneck(accuracy: Scores) -> Figure:
    """Test accuracies "without" and "with" a shortcut around the narrow layer."""
    names = {"without": "through one unit", "with": "and a shortcut around it"}
    title = "Through one unit: {without:.2f}, with a shortcut: {with:.2f}".format(**accuracy)
    upright = {"best possible": accuracy["best possible"]}
    xlabel = "test accuracy (share of points)"
    return row(bars(named(names, accuracy), xlabel, upright=upright, title=title))


def carry_track(gradient: Mapping[str, np.ndarray], accuracy: Scores) -> Figure:
    """The gradient on each step before training, (steps,), and recall after it, by layer."""
    names = {"RNN": "SimpleRNN", "LSTM": "LSTM", "open": "LSTM, gate\nstarted open"}
    steps = len(gradient["LSTM"])
    closed, opened = gradient["LSTM"][0], gradient["open"][0]
    title = f"Of the gradient {closed:.1g} arrives, gate open {opened:.1g}"
    lines, ylabel = named(names, gradient), "gradient at the step / at the last"
    arrives = curves(range(1, steps + 1), lines, "time step", ylabel, yscale="log", title=title)
    title = f"First of {steps} steps recalled: {accuracy['open']:.2f}, gate open"
    upright = {"chance": accuracy["chance"]}
    xlabel = "test accuracy (share of sequences)"
    return row(arrives, bars(named(names, accuracy), xlabel, upright=upright, title=title))


def siamese_lstm(accuracy: Scores, duplicates: Mapping[str, Any]) -> Figure:
    """Test accuracies by model; the scores of all pairs of queries (`find_duplicates`)."""
    names = {"shared": "one shared LSTM", "two LSTMs": "two LSTMs", "head as printed": "as printed"}
    title = "Same or not: {shared:.2f} with one LSTM, {two LSTMs:.2f} with two".format(**accuracy)
    xlabel = "test accuracy (share of pairs)"
    learned = bars(named(names, accuracy), xlabel, upright=CHANCE, title=title)
    scores, same = duplicates["scores"], duplicates["duplicate"]
    height = np.random.default_rng(0).random(len(scores))
    groups = {
        f"other pairs ({(~same).sum():,})": (scores[~same], height[~same]),
        f"duplicates ({same.sum()})": (scores[same], height[same]),
    }
    title = "{recall:.0%} of duplicates found, {precision:.0%} of the found right"
    options = {"title": title.format(**duplicates), "yticks": []}
    upright = {"threshold": duplicates["threshold"]}
    panels = [learned, points(groups, "score of a pair", "", upright=upright, **options)]
    if "alike" in duplicates:  # of real digits
        alike = duplicates["alike"]
        names = [f"{kind}" for kind in range(len(alike))]
        others = np.where(np.eye(len(alike), dtype=bool), -1, alike)
        one, other = np.unravel_index(others.argmax(), others.shape)
        title = f"Most alike: {one} and {other}, mean score {others.max():.2f}"
        labels = {"xlabel": "digit", "ylabel": "digit", "title": title}
        panels.append(heat_map(alike, "mean score of a pair", names, names, **labels))
    return row(*panels)


def two_eyes(pairs: Any, error: Scores) -> Figure:
    """A stereogram; the mean absolute error of the disparity by model, in pixels."""
    names = {"one base": "one base,\ntwo eyes", "two bases": "two bases", "one eye": "one eye"}
    at = pairs.test_targets[:, 0].argmax()
    eyes = {f"{side} eye": pairs.test[side][at, ..., 0] for side in ("left", "right")}
    title = "Off by {one base:.2f} pixels with two eyes, {one eye:.2f} with one".format(**error)
    mean = np.abs(pairs.test_targets - pairs.train_targets.mean()).mean()
    upright = {"always the mean": mean}
    panel = bars(named(names, error), "mean absolute error (pixels)", upright=upright, title=title)
    shift = f"The depth: a shift of {pairs.test_targets[at, 0]:.0f} pixels"
    return row(images(eyes, shift), panel)
