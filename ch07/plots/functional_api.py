"""The pictures of section 7.1, in the order of the book; a title says what the numbers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ch07 import draw
from ch07.plots.common import BLACK, GREY, ORANGE, Panel, bars, curves, grouped_bars, row, table

CHANCE = ("chance", 0.5)
Scores = Mapping[str, float]  # by model


def with_level(panel: Panel, level: tuple[str, float]) -> Panel:
    """A `panel` of bars with an upright line at a `level`, such as chance, by name."""

    def drawn(axes: Axes) -> None:
        panel(axes)
        axes.axvline(level[1], color=BLACK, ls=":", lw=1.5, label=level[0])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)

    return drawn


def ranked(scores: Scores, names: Mapping[str, str], xlabel: str, title: str, best=None) -> Panel:
    """A bar for each of `names`, as it is called there; `best` has what is possible, by model."""
    shown = {name: scores[key] for key, name in names.items()}
    marks = {name: best[key] for key, name in names.items()} if best else None
    return bars(shown, xlabel, marks=marks, mark="best possible", title=title)


def mosaic(samples: Mapping[str, np.ndarray], title: str) -> Panel:
    """Square pictures by name, two in a row, grey or in colours from 0 to 1."""

    def drawn(axes: Axes) -> None:
        for at, (name, sample) in enumerate(samples.items()):
            left, top = 1.15 * (at % 2), -1.3 * (at // 2)
            axes.imshow(sample, cmap="gray", extent=(left, left + 1, top - 1, top))
            axes.text(left + 0.5, top + 0.04, name, ha="center", va="bottom", fontsize=9)
        axes.set(title=title, xlim=(0, 2.15), ylim=(0.3 - 1.3 * -(-len(samples) // 2), 0.3))
        axes.set_axis_off()

    return drawn


def in_colours(image: np.ndarray) -> np.ndarray:
    """An image of three channels around 0 as colours from 0 to 1."""
    return np.clip(image / 5 + 0.5, 0, 1)


def diagram(model: Any) -> Panel:
    """The diagram of a `model`."""
    figure = draw.draw(model, model.name)
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())

    def drawn(axes: Axes) -> None:
        axes.imshow(pixels)
        axes.set_axis_off()

    return drawn


def sequential_and_functional(sequential: Any, model: Any) -> Figure:
    """The diagrams of a Sequential model and of a functional one."""
    return row(diagram(sequential), diagram(model))


def question_answering(accuracy: Scores, best: Scores) -> Figure:
    """Test accuracies with "both" inputs, the "text" and the "question", and the best possible."""
    names = {"both": "text and question", "text": "text alone", "question": "question alone"}
    title = "Both inputs: {both:.2f}. One alone: {text:.2f} or {question:.2f}".format(**accuracy)
    return row(ranked(accuracy, names, "test accuracy (share of questions)", title, best))


def multimodal(garments: Any, r2: Scores) -> Figure:
    """Two cloths; R2 of the test prices by model."""
    cloth = garments.test["picture"][..., 0]
    stripes = np.abs(np.diff(cloth, axis=2)).mean(axis=(1, 2))  # they change from pixel to pixel
    samples = {"as new": cloth[stripes.argmax()], "worn": cloth[stripes.argmin()]}
    names = {"joint": "learned jointly"} | {name: name for name in r2 if name != "joint"}
    title = f"Learned jointly: {r2['joint']:.2f}. Best mix of three models: {r2['best mix']:.2f}"
    panel = ranked(r2, names, "R2 (explained share)", title, garments.best_possible)
    return row(mosaic(samples, "A picture shows the wear of the cloth"), panel)


def loss_weights(posts: Any, start: Scores, weights: Scores, plain: Scores, score: Scores):
    """What each loss contributes to their sum before training; accuracies after it.

    `start`, `plain` and `score` are what `evaluate` says before training, and after it without and
    with `weights`.
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
    names = {name: name for name in scores}
    title = title.format(**scores)
    learned = ranked(scores, names, "test accuracy (share of writers)", title, best)
    title = f"Unweighted, the age is {shares['unweighted']['age']:.1%} of the loss"
    return row(grouped_bars(shares, "share of the loss before training", title=title), learned)


def correlated_targets(phrases: Any, accuracy: Scores) -> Figure:
    """Test accuracies for the gender, "alone" and "together" with the age and the income."""
    names = {"alone": "gender alone", "together": "with age and income"}
    known, writers = (phrases.weights["gender"] > 0).sum(), len(phrases.train)
    title = f"Gender known of {known} writers in {writers:,}: "
    title += "{alone:.2f} alone, {together:.2f} with others".format(**accuracy)
    best = dict.fromkeys(names, phrases.best_possible)
    panel = ranked(accuracy, names, "test accuracy (share of writers)", title, best)
    return row(with_level(panel, CHANCE))


def inception(images: Any, accuracy: Mapping[str, Sequence[float]]) -> Figure:
    """An image for each answer to the three questions; test accuracies by model and question."""
    samples = {}
    for at, scale in enumerate(("colour", "fine", "coarse")):
        for answer in ("no", "yes"):
            image = images.test[images.test_targets[:, at] == (answer == "yes")][0]
            shown = image[..., [0, 1, 1]] if scale == "colour" else image[..., 2]
            samples[f"{scale}: {answer}"] = in_colours(shown)
    names = {
        "module": "all four", "a": "a: 1x1", "b": "b: 1x1, 3x3", "c": "c: average, 3x3",
        "d": "d: 1x1, 3x3, 3x3",
    }  # fmt: skip
    values = np.array([accuracy[name] for name in names])
    columns = ["colour\n(1 pixel)", "fine\n(3 pixels)", "coarse\n(5 pixels)"]
    worst, single = values[0].min(), values[1:].min(axis=1).max()
    title = f"Worst of three: {worst:.2f} together, {single:.2f} alone"
    panel = table(values, list(names.values()), columns, "test accuracy", title=title)
    return row(mosaic(samples, "Three questions about an image"), panel, height=5.2)


def pointwise(images: Any, model: Any, accuracy: Mapping[str, Sequence[float]]) -> Figure:
    """What a 1x1 convolution makes of an image and of its shuffled pixels; test accuracies."""
    image = images.test[:1]
    order = np.random.default_rng(0).permutation(image[0, ..., 0].size)
    shuffled = image.reshape(1, -1, 3)[:, order].reshape(image.shape)
    outputs = [model.get_layer("convolution")(one).numpy()[0] for one in (image, shuffled)]
    before, after = (one[..., outputs[0].var(axis=(0, 1)).argmax()] for one in outputs)
    apart = np.abs(before.ravel()[order] - after.ravel()).max()
    samples = {"an image": in_colours(image[0]), "its pixels shuffled": in_colours(shuffled[0])}
    samples |= {"1x1 of the image": before, "1x1 of the shuffled": after}
    groups = {"colour": {n: of[0] for n, of in accuracy.items()}}
    groups["stripes"] = {n: of[1] for n, of in accuracy.items()}
    title = "1x1: colour {:.2f}, stripes {:.2f}".format(*accuracy["1x1"][:2])
    panel = grouped_bars(groups, "test accuracy (share of images)", title=title)
    title = "Shuffle before or after: the same" if apart < 1e-5 else f"They differ by {apart:.1g}"
    return row(mosaic(samples, title), with_level(panel, CHANCE), height=4.6)


def residual_depth(accuracy: Scores, gradient: Scores) -> Figure:
    """Test accuracy, and the gradient that arrives, over depth; keys such as "plain 20"."""
    depths = sorted({int(name.split()[1]) for name in gradient})
    last = depths[-1]

    def lines(values: Scores) -> dict[str, list[float]]:
        kinds = {"plain": "plain", "with shortcuts": "residual"}
        return {name: [values[f"{kind} {n}"] for n in depths] for name, kind in kinds.items()}

    plain, residual = accuracy[f"plain {last}"], accuracy[f"residual {last}"]
    title = f"{last} layers: {plain:.2f} plain, {residual:.2f} with shortcuts"
    learned = curves(depths, lines(accuracy), "layers", "test accuracy", level=CHANCE, title=title)
    plain, residual = gradient[f"plain {last}"], gradient[f"residual {last}"]
    title = f"Gradient: {plain:.1g} arrives, {residual:.1g} with shortcuts"
    ylabel = "gradient at the first layer / at the last"
    return row(learned, curves(depths, lines(gradient), "layers", ylabel, log=True, title=title))


def bottleneck(accuracy: Scores) -> Figure:
    """Test accuracies "without" and "with" a shortcut around the narrow layer."""
    names = {"without": "through one unit", "with": "and a shortcut around it"}
    title = "Through one unit: {without:.2f}, with a shortcut: {with:.2f}".format(**accuracy)
    best = dict.fromkeys(names, accuracy["best possible"])
    return row(ranked(accuracy, names, "test accuracy (share of points)", title, best))


def carry_track(gradient: Mapping[str, np.ndarray], accuracy: Scores) -> Figure:
    """The gradient on each step before training, (steps,), and recall after it, by layer."""
    names = {"RNN": "SimpleRNN", "LSTM": "LSTM", "open": "LSTM, gate\nstarted open"}
    steps = len(gradient["LSTM"])
    title = (
        f"Of the gradient {gradient['LSTM'][0]:.1g} arrives, gate open {gradient['open'][0]:.1g}"
    )
    lines = {name: gradient[key] for key, name in names.items()}
    ylabel = "gradient at the step / at the last"
    arrives = curves(range(1, steps + 1), lines, "time step", ylabel, log=True, title=title)
    title = f"First of {steps} steps recalled: {accuracy['open']:.2f}, gate open"
    panel = ranked(accuracy, names, "test accuracy (share of sequences)", title)
    return row(arrives, with_level(panel, ("chance", accuracy["chance"])))


def siamese_lstm(accuracy: Scores, duplicates: Mapping[str, Any]) -> Figure:
    """Test accuracies by model; the scores of all pairs of queries (`find_duplicates`)."""
    names = {"shared": "one shared LSTM", "two LSTMs": "two LSTMs", "head as printed": "as printed"}
    scores, same = duplicates["scores"], duplicates["duplicate"]

    def dots(axes: Axes) -> None:
        height = np.random.default_rng(0).random(len(scores))
        axes.scatter(
            scores[~same], height[~same], 6, GREY, label=f"other pairs ({(~same).sum():,})"
        )
        axes.scatter(scores[same], height[same], 30, ORANGE, label=f"duplicates ({same.sum()})")
        axes.axvline(duplicates["threshold"], color=BLACK, ls="--", label="threshold")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)
        title = "{recall:.0%} of duplicates found, {precision:.0%} of the found right"
        axes.set(xlabel="score of a pair", yticks=[], title=title.format(**duplicates))

    title = "Same or not: {shared:.2f} with one LSTM, {two LSTMs:.2f} with two".format(**accuracy)
    panel = ranked(accuracy, names, "test accuracy (share of pairs)", title)
    return row(with_level(panel, CHANCE), dots)


def two_eyes(pairs: Any, error: Scores) -> Figure:
    """A stereogram; the mean absolute error of the disparity by model, in pixels."""
    names = {"one base": "one base,\ntwo eyes", "two bases": "two bases", "one eye": "one eye"}
    at = pairs.test_targets[:, 0].argmax()
    eyes = {f"{side} eye": pairs.test[side][at, ..., 0] for side in ("left", "right")}
    title = "Off by {one base:.2f} pixels with two eyes, {one eye:.2f} with one".format(**error)
    panel = ranked(error, names, "mean absolute error (pixels)", title)
    mean = np.abs(pairs.test_targets - pairs.train_targets.mean()).mean()
    shift = f"The depth: a shift of {pairs.test_targets[at, 0]:.0f} pixels"
    return row(mosaic(eyes, shift), with_level(panel, ("always the mean", mean)))
