"""The clinic of section 7.2.2: by which sign in its logs a sick training is known.

A sign is where to look in TensorBoard, what is seen there, what follows from it, and the number
behind what is seen, which is read from the same event files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ch07 import board


@dataclass(frozen=True)
class Logs:
    """What a training has logged, from the event files below its directory."""

    train: dict[str, list[float]]
    validation: dict[str, list[float]]
    histograms: dict[str, list[np.ndarray]]

    @classmethod
    def read(cls, log_dir: Path) -> Logs:
        """The logs in `log_dir`.

        Raises:
            FileNotFoundError: there are none.
        """
        train, validation = log_dir / "train", log_dir / "validation"
        return cls(board.scalars(train), board.scalars(validation), board.histograms(train))


@dataclass(frozen=True, kw_only=True)
class Sign:
    """The sign of one illness.

    Attributes:
        tab, tag: where to look in TensorBoard.
        see: what is seen there.
        conclude: what follows from it.
        claim, unit: the number behind it, in words; column: the same in two short lines.
        number: from the logs of a training to that number; NaN where there is none.
        at_least, at_most: from where on it counts.
    """

    tab: str
    tag: str
    see: str
    conclude: str
    claim: str
    unit: str
    column: str
    number: Callable[[Logs], float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def sentence(self) -> str:
        """How to read it."""
        return f"{self.tab}, {self.tag}: {self.see}. So {self.conclude}."

    def counts(self, value: float) -> bool:
        """Whether a `value` of the number is the sign."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return bool(low <= value <= high)


def share_outside(logs: Logs) -> float:
    """The share of the last layer's outputs below 0 or above 1, after the last epoch."""
    low, high, count = logs.histograms["activations/sentiment"][-1].T
    middle = (low + high) / 2  # of the buckets: with a sigmoid, all of them lie between 0 and 1
    return float(count[(middle < 0) | (middle > 1)].sum() / count.sum())


def gradient_that_arrives(logs: Logs) -> float:
    """The norm of the gradient at the first convolution over that at the last layer, at the end.

    Exactly 0 is no gradient that vanishes on its way: units are dead, or outputs are clipped.
    """
    first, last = (logs.train[f"gradient_norm/{layer}"][-1] for layer in ("conv_1", "sentiment"))
    return first / last if first and last else math.nan


def accuracy_lost(logs: Logs) -> float:
    """The accuracy on the training reviews less that on the validation reviews, at the end."""
    return logs.train["epoch_accuracy"][-1] - logs.validation["epoch_accuracy"][-1]


# By the patient. In the order in which to look: a loss that went through the roof leaves dead units
# and any gradients behind, so where that is seen the other signs mean nothing.
SIGNS = {
    "rate_too_high": Sign(
        tab="Scalars",
        tag="epoch_loss",
        see="the train curve starts in the thousands, where a coin has 0.69",
        conclude="the first steps jumped too far: the learning rate is too high",
        claim="Rate of 1: the loss has been at",
        unit="nats",
        column="highest\ntraining loss",
        number=lambda logs: max(logs.train["epoch_loss"]),
        at_least=20,
    ),
    "no_sigmoid": Sign(
        tab="Histograms",
        tag="activations/sentiment",
        see="the outputs leave the range from 0 to 1",
        conclude="they are no probabilities: the last layer lacks its sigmoid",
        claim="No sigmoid: outputs below 0 or above 1",
        unit="of the outputs",
        column="outputs below 0\nor above 1",
        number=share_outside,
        at_least=0.5,
    ),
    "dead_relus": Sign(
        tab="Scalars",
        tag="share_of_dead_units/conv_1",
        see="a flat line at 1",
        conclude="no unit of the layer fires on any review: its relus are dead",
        claim="Bias of -1: units that never fire",
        unit="of conv_1",
        column="units of conv_1\nthat never fire",
        number=lambda logs: logs.train["share_of_dead_units/conv_1"][-1],
        at_least=0.5,
    ),
    "vanishing": Sign(
        tab="Scalars",
        tag="gradient_norm",
        see="conv_1 lies a hundredfold and more below sentiment",
        conclude="the gradient vanishes on its way to the first layers",
        claim="Sigmoids: gradient that arrives",
        unit="first/last",
        column="gradient,\nfirst/last",
        number=gradient_that_arrives,
        at_most=0.01,
    ),
    "overfitting": Sign(
        tab="Scalars",
        tag="epoch_accuracy",
        see="train reaches 1, validation stays far below it",
        conclude="the training reviews are learned by heart",
        claim="32 reviews: accuracy lost on new ones",
        unit="accuracy",
        column="accuracy, training\n- validation",
        number=accuracy_lost,
        at_least=0.2,
    ),
}


def examine(log_dir: Path) -> dict[str, float]:
    """The number of each sign, by illness, in the logs of one training.

    Raises:
        FileNotFoundError: there are no logs.
        ValueError: a tag is not among them, so they are not of the text classifier.
    """
    logs = Logs.read(log_dir)
    try:
        return {illness: sign.number(logs) for illness, sign in SIGNS.items()}
    except KeyError as error:
        raise ValueError(f"The logs in '{log_dir}' have no {error}.") from None
