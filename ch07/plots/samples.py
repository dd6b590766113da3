"""A strip of the data of a lesson: samples with their targets, what its models are to learn."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ch07.lab.language import tr
from ch07.plots import common

COUNT = 6  # samples: at the width of a page the words of each can still be read
LINES = 6  # of a text, the last: what fills up a shorter one stands in front


def samples(task) -> Figure:
    """The first training samples of a `data.Task`, a column each; points of a plane as clouds."""
    inputs = task.train if isinstance(task.train, Mapping) else {"": task.train}
    first, targets = next(iter(inputs.values())), task.train_targets
    if first.shape[1:] == (2,):
        clouds = {f"target {of}": first[targets[:, 0] == of].T for of in (0, 1)}
        return common.row(common.points(clouds, "first number", "second number"))
    panels = [
        sample(of[at], task.words, name, label(targets, at) * (of is first))
        for name, of in inputs.items()
        for at in range(COUNT)
    ]
    return common.row(*panels, columns=COUNT, width=1.5, height=1.6)


def label(targets, at: int) -> str:
    """The target of a sample in words: its class, its number, or each of several."""
    if isinstance(targets, Mapping):
        named = {tr(name.removeprefix("class_")): label(of, at) for name, of in targets.items()}
        return "\n".join(f"{name}: {value}" for name, value in named.items())
    if targets.shape[1] > 1 and np.all(targets.sum(axis=1) == 1):
        return tr(f"class {targets[at].argmax()}")
    return "  ".join(f"{value:.3g}" for value in targets[at])


@common.panel
def sample(axes, values: np.ndarray, words: Sequence[str] | None, name: str, title: str):
    """A sample: a text, a picture, or numbers as colours, time from left to right."""
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[], xlabel=name)
    axes.grid(visible=False)
    if values.dtype.kind == "i":
        names = [words[word] if words else f"{word}" for word in values]
        letters = words and max(map(len, names[-20:])) == 1
        if not letters:  # "filler 25" is one word, which no line ends in the middle of
            names = [name.replace(" ", "\u00a0") for name in names]
        lines = textwrap.wrap(("" if letters else " ").join(names), 15)[-LINES:]
        axes.text(0.03, 0.5, "\n".join(lines), fontsize=8, va="center", gid=common.AS_IT_IS)
        axes.spines[:].set_visible(True)
    elif values.ndim == 3:
        low, high = values.min(), values.max()
        shown = (values - low) / (high - low) if values.shape[-1] == 3 else values[..., 0]
        axes.imshow(shown, cmap="gray")
    elif values.shape in ((8, 8), (64,)) and values.min() >= 0:  # a handwritten digit
        axes.imshow(values.reshape(8, 8), cmap="gray_r")
    else:
        axes.imshow(np.atleast_2d(values.T), cmap="cividis", aspect="auto")
