"""The pictures of section 7.1, in the order of the book; a title says what the numbers show."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ch07.plots.common import Scores, bars, curves, heat_map, panel, points, row

CHANCE = {"chance": 0.5}


@panel
def images(axes, samples: Mapping[str, np.ndarray], title: str):
    """Square images by name, two in a row: grey, or three channels around 0 as colours."""
    for at, (name, sample) in enumerate(samples.items()):
        left, top = 1.15 * (at % 2), -1.3 * (at // 2)
        colours = sample if sample.ndim == 2 else np.clip(sample / 5 + 0.5, 0, 1)
        axes.imshow(colours, cmap="gray", extent=(left, left + 1, top - 1, top))
        axes.text(left + 0.5, top + 0.04, name, ha="center", va="bottom", fontsize=9)
    axes.set(title=title, xlim=(0, 2.15), ylim=(0.3 - 1.3 * -(-len(samples) // 2), 0.3))
    axes.set_axis_off()


def sequential_and_functional(accuracy: Scores) -> Figure:
    """Test accuracies of the stack, written in both ways."""
    names = {"functional": "functional API", "Sequential": "Sequential"}
    title = "One stack, written in two ways: {functional:.2f} and {Sequential:.2f} right"
    chance = {"chance": accuracy["chance"]}
    return row(bars(accuracy, "test accuracy (share of vectors)", names, title, upright=chance))


def question_answering(accuracy: Scores, stories) -> Figure:
    """Test accuracies with "both" inputs, the "text" and the "question", and the best possible."""
    names = {"both": "text and question", "text": "text alone", "question": "question alone"}
    title = "Both inputs: {both:.2f}. One alone: {text:.2f} or {question:.2f}"
    best = stories.best_possible
    return row(bars(accuracy, "test accuracy (share of questions)", names, title, best=best))


def multimodal(garments, r2: Scores) -> Figure:
    """Two cloths; R2 of the test prices by model."""
    cloth = garments.test["picture"][..., 0]
    stripes = np.abs(np.diff(cloth, axis=2)).mean(axis=(1, 2))  # they change from pixel to pixel
    samples = {"as new": cloth[stripes.argmax()], "worn": cloth[stripes.argmin()]}
    names = {"joint": "learned jointly"} | {name: name for name in r2 if name != "joint"}
    title = "Learned jointly: {joint:.2f}. Best mix of three models: {best mix:.2f}"
    learned = bars(r2, "R2 (explained share)", names, title, best=garments.best_possible)
    return row(images(samples, "A picture shows the wear of the cloth"), learned)


def loss_weights(posts, start: Scores, weights: Scores, plain: Scores, score: Scores) -> Figure:
    """What each loss contributes before training; accuracies after it, unweighted and weighted."""
    book, shares = {"age": 0.25, "income": 1.0, "gender": 10.0}, {}
    factors = {"unweighted": dict.fromkeys(book, 1.0), "as printed": book, "weighted": weights}
    for kind, of in factors.items():
        parts = np.array([of[output] * start[f"{output}_loss"] for output in book])
        shares[kind] = dict(zip(book, parts / parts.sum(), strict=True))
    scores, best, kinds = {}, {}, {"unweighted": plain, "weighted": score}
    for output, (kind, of) in itertools.product(("income", "gender"), kinds.items()):
        scores[f"{output}, {kind}"] = of[f"{output}_accuracy"]
        best[f"{output}, {kind}"] = posts.best_possible[output]
    title = "Income: {income, unweighted:.2f} unweighted, {income, weighted:.2f} weighted"
    learned = bars(scores, "test accuracy (share of writers)", title=title, best=best)
    title = "Unweighted, the age is {unweighted[age]:.1%} of the loss"
    return row(bars(shares, "share of the loss before training", title=title), learned)


def correlated_targets(phrases, accuracy: Scores) -> Figure:
    """Test accuracies for the gender, "alone" and "together" with the age and the income."""
    names = {"alone": "gender alone", "together": "with age and income"}
    known, writers = (phrases.weights["gender"] > 0).sum(), len(phrases.train)
    title = f"Gender known of {known} writers in {writers:,}: "
    title += "{alone:.2f} alone, {together:.2f} with others"
    upright = CHANCE | {"best possible": phrases.best_possible}
    return row(bars(accuracy, "test accuracy (share of writers)", names, title, upright=upright))


def inception(scales, accuracy: Mapping[str, Sequence[float]]) -> Figure:
    """An image for each answer to the three questions; test accuracies by model and question."""
    samples = {}
    for at, scale in enumerate(("colour", "fine", "coarse")):
        for answer in ("no", "yes"):
            image = scales.test[scales.test_targets[:, at] == (answer == "yes")][0]
            samples[f"{scale}: {answer}"] = image[..., [0, 1, 1] if scale == "colour" else [2] * 3]
    names = ["all four", "a: 1x1", "b: 1x1, 3x3", "c: average, 3x3", "d: 1x1, 3x3, 3x3"]
    values = np.array([accuracy[name] for name in ("module", *"abcd")])
    columns = ["colour\n(1 pixel)", "fine\n(3 pixels)", "coarse\n(5 pixels)"]
    worst, single = values[0].min(), values[1:].min(axis=1).max()
    title = f"Worst of three: {worst:.2f} together, {single:.2f} alone"
    learned = heat_map(values, "test accuracy", names, columns, title=title)
    return row(images(samples, "Three questions about an image"), learned, height=5.2)


def pointwise(scales, model, accuracy: Mapping[str, Sequence[float]]) -> Figure:
    """What a 1x1 convolution makes of an image and of its shuffled pixels; test accuracies."""
    image = scales.test[:1]
    order = np.random.default_rng(0).permutation(image[0, ..., 0].size)
    shuffled = image.reshape(1, -1, 3)[:, order].reshape(image.shape)
    outputs = [model.get_layer("convolution")(one).numpy()[0] for one in (image, shuffled)]
    before, after = (one[..., outputs[0].var(axis=(0, 1)).argmax()] for one in outputs)
    apart = np.abs(before.ravel()[order] - after.ravel()).max()
    samples = {"an image": image[0], "its pixels shuffled": shuffled[0]}
    samples |= {"1x1 of the image": before, "1x1 of the shuffled": after}
    questions = ("colour", "stripes")
    groups = {of: {name: accuracy[name][n] for name in accuracy} for n, of in enumerate(questions)}
    title = "1x1: colour {colour[1x1]:.2f}, stripes {stripes[1x1]:.2f}"
    learned = bars(groups, "test accuracy (share of images)", title=title, upright=CHANCE)
    title = "Shuffle before or after: the same" if apart < 1e-5 else f"They differ by {apart:.1g}"
    return row(images(samples, title), learned, height=4.6)


def residual_depth(accuracy: Scores, gradient: Scores) -> Figure:
    """Test accuracy, and the gradient that arrives, over depth; keys such as "plain 20"."""
    depths = sorted({int(name.split()[1]) for name in gradient})
    deepest, kinds = depths[-1], {"plain": "plain", "with shortcuts": "residual"}
    lines, rings = [], []
    for values in (accuracy, gradient):
        lines.append({of: [values[f"{kinds[of]} {n}"] for n in depths] for of in kinds})
        rings.append({"linear shortcuts": ([deepest], [values[f"linear {deepest}"]])})
    learned, arrives = ([of[-1] for of in by_kind.values()] for by_kind in lines)
    title = f"{deepest} layers: {learned[0]:.2f} plain, {learned[1]:.2f} with shortcuts"
    options = {"level": ("chance", 0.5), "rings": rings[0]}
    left = curves(depths, lines[0], "layers", "test accuracy", title, **options)
    title = "Gradient: {:.1g} arrives, {:.1g} with shortcuts".format(*arrives)
    labels = "layers", "gradient at the first layer / at the last"
    return row(left, curves(depths, lines[1], *labels, title, yscale="log", rings=rings[1]))


def bottleneck(accuracy: Scores) -> Figure:
    """Test accuracies "without" and "with" a shortcut around the narrow layer."""
    names = {"without": "through one unit", "with": "and a shortcut around it"}
    title = "Through one unit: {without:.2f}, with a shortcut: {with:.2f}"
    best = {"best possible": accuracy["best possible"]}
    return row(bars(accuracy, "test accuracy (share of points)", names, title, upright=best))


def carry_track(gradient: Mapping[str, np.ndarray], accuracy: Scores) -> Figure:
    """The gradient on each step before training, (steps,), and recall after it, by layer."""
    names = {"RNN": "SimpleRNN", "LSTM": "LSTM", "open": "LSTM, gate\nstarted open"}
    lines, ylabel = {names[of]: gradient[of] for of in names}, "gradient at the step / at the last"
    title = "Of the gradient {LSTM[0]:.1g} arrives, gate open {open[0]:.1g}".format(**gradient)
    arrives = curves(None, lines, "time step", ylabel, title, yscale="log")
    title = f"First of {len(gradient['LSTM'])} steps recalled: {{open:.2f}}, gate open"
    xlabel, chance = "test accuracy (share of sequences)", {"chance": accuracy["chance"]}
    return row(arrives, bars(accuracy, xlabel, names, title, upright=chance))


def siamese_lstm(accuracy: Scores, duplicates: Mapping) -> Figure:
    """Test accuracies by model; the scores of all pairs of queries (`find_duplicates`)."""
    names = {"shared": "one shared LSTM", "two LSTMs": "two LSTMs", "head as printed": "as printed"}
    title = "Same or not: {shared:.2f} with one LSTM, {two LSTMs:.2f} with two"
    learned = bars(accuracy, "test accuracy (share of pairs)", names, title, upright=CHANCE)
    scores, same = duplicates["scores"], duplicates["duplicate"]
    height = np.random.default_rng(0).random(len(scores))
    kinds = {"other pairs": ~same, "duplicates": same}
    groups = {f"{name} ({of.sum():,})": (scores[of], height[of]) for name, of in kinds.items()}
    title = "{recall:.0%} of duplicates found, {precision:.0%} of the found right"
    title, upright = title.format(**duplicates), {"threshold": duplicates["threshold"]}
    scored = points(groups, "score of a pair", "", title, upright=upright, yticks=[])
    if "alike" not in duplicates:
        return row(learned, scored)
    alike = duplicates["alike"]  # of real digits
    others = alike - np.diag([np.inf] * len(alike))
    one, other = np.unravel_index(others.argmax(), others.shape)
    title = f"Most alike: {one} and {other}, mean score {others.max():.2f}"
    labels = {"xlabel": "digit", "ylabel": "digit", "title": title}
    names = [f"{digit}" for digit in range(len(alike))]
    return row(learned, scored, heat_map(alike, "mean score of a pair", names, names, **labels))


def two_eyes(pairs, error: Scores) -> Figure:
    """A stereogram; the mean absolute error of the disparity by model, in pixels."""
    names = {"one base": "one base,\ntwo eyes", "two bases": "two bases", "one eye": "one eye"}
    at = pairs.test_targets[:, 0].argmax()
    eyes = {f"{side} eye": pairs.test[side][at, ..., 0] for side in ("left", "right")}
    title = "Off by {one base:.2f} pixels with two eyes, {one eye:.2f} with one"
    mean = {"always the mean": np.abs(pairs.test_targets - pairs.train_targets.mean()).mean()}
    learned = bars(error, "mean absolute error (pixels)", names, title, upright=mean)
    seen = images(eyes, f"The depth: a shift of {pairs.test_targets[at, 0]:.0f} pixels")
    return row(seen, learned)
