"""The clinic of section 7.2.2: by which symptom in its logs a faulty training is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ch07 import board
from ch07.lab.language import tr


@dataclass(frozen=True)
class Logs:
    """What a training has logged, from the event files below its directory."""

    train: dict[str, list[float]]
    validation: dict[str, list[float]]
    histograms: dict[str, list[np.ndarray]]

    @classmethod
    def read(cls, log_dir: Path) -> Logs:
        """The logs in `log_dir`; FileNotFoundError if there are none."""
        train, validation = log_dir / "train", log_dir / "validation"
        return cls(board.scalars(train), board.scalars(validation), board.histograms(train))


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """By which a fault is known: where to look in TensorBoard, what is seen, what follows from it.

    column: what the number behind it is, in two short lines. number: from the logs of a training to
    that number; NaN where there is none. at_least, at_most: from where on it shows; one of them.
    """

    tab: str
    tag: str
    see: str
    conclude: str
    column: str
    number: Callable[[Logs], float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def sentence(self) -> str:
        """How to read it, in the language of the run."""
        how = tr("{}, {}: {}. So {}.")
        return how.format(self.tab, self.tag, tr(self.see), tr(self.conclude))

    @property
    def healthy(self) -> str:
        """The range of a healthy training."""
        low = self.at_most is not None
        text = tr("healthy: above {}") if low else tr("healthy: below {}")
        return text.format(self.at_most if low else self.at_least)

    def shows(self, value: float) -> bool:
        """Whether a `value` of the number is the symptom; a NaN is not."""
        return value >= self.at_least if self.at_most is None else value <= self.at_most


def rise_of_the_loss(logs: Logs) -> float:
    """The highest training loss, NaN above all, over that of guessing, ln 2, in powers of ten."""
    return float(np.log10(np.max(np.nan_to_num(logs.train["epoch_loss"], nan=np.inf)) / np.log(2)))


def share_outside(logs: Logs) -> float:
    """The share of the last layer's outputs below 0 or above 1, in the epoch that has the most."""
    shares = []
    for low, high, count in (buckets.T for buckets in logs.histograms["activations/sentiment"]):
        middle = (low + high) / 2  # of the buckets: with a sigmoid, all of them lie between 0 and 1
        shares.append(count[(middle < 0) | (middle > 1)].sum() / count.sum())
    return float(max(shares))


def share_of_dead_units(logs: Logs) -> float:
    """The share of the units of conv_1 that never fire: the median of the epochs."""
    return float(np.median(logs.train["share_of_dead_units/conv_1"]))


def gradient_gained(logs: Logs) -> float:
    """The gradient of conv_1 over that of the last layer, in powers of ten: the median of epochs.

    NaN without any gradient: that is none that vanishes on its way, but dead units.
    """
    first, last = (np.array(logs.train[f"gradient_norm/{at}"]) for at in ("conv_1", "sentiment"))
    both = (first > 0) & (last > 0)
    return float(np.median(np.log10(first[both] / last[both]))) if both.any() else math.nan


def accuracy_lost(logs: Logs) -> float:
    """The accuracy on the training reviews less that on the validation reviews: the median."""
    lost = np.subtract(logs.train["epoch_accuracy"], logs.validation["epoch_accuracy"])
    return float(np.median(lost))


# By the fault. In the order in which to look: a loss that has exploded leaves dead units and any
# gradients behind, so where that is seen the other symptoms mean nothing.
SYMPTOMS = {
    "rate_too_high": Symptom(
        tab="Scalars",
        tag="epoch_loss",
        see="the train curve starts above 700, where guessing has 0.69",
        conclude="the first steps jumped too far: the learning rate is too high",
        column="highest training loss\nover ln 2, powers of 10",
        number=rise_of_the_loss,
        at_least=3,
    ),
    "no_sigmoid": Symptom(
        tab="Histograms",
        tag="activations/sentiment",
        see="the outputs leave the range from 0 to 1",
        conclude="they are no probabilities: the last layer lacks its sigmoid",
        column="outputs below 0\nor above 1",
        number=share_outside,
        at_least=0.3,
    ),
    "dead_relus": Symptom(
        tab="Scalars",
        tag="share_of_dead_units/conv_1",
        see="a flat line at 1",
        conclude="no unit of the layer fires on any review: its relus are dead",
        column="units of conv_1\nthat never fire",
        number=share_of_dead_units,
        at_least=0.5,
    ),
    "vanishing": Symptom(
        tab="Scalars",
        tag="gradient_norm",
        see="conv_1 lies tenfold and more below sentiment",
        conclude="the gradient vanishes on its way to the first layers",
        column="gradient, first/last\nlayer, powers of 10",
        number=gradient_gained,
        at_most=-1,
    ),
    "overfitting": Symptom(
        tab="Scalars",
        tag="epoch_accuracy",
        see="train reaches 1, validation stays far below it",
        conclude="the training reviews are learned by heart",
        column="accuracy, training\n- validation",
        number=accuracy_lost,
        at_least=0.2,
    ),
}


def examine(log_dir: Path) -> dict[str, float]:
    """The number of each symptom, by fault, in the logs of one training.

    FileNotFoundError without logs; ValueError if they are not those of the text classifier.
    """
    logs = Logs.read(log_dir)
    try:
        return {fault: symptom.number(logs) for fault, symptom in SYMPTOMS.items()}
    except KeyError as error:
        raise ValueError(f"The logs in '{log_dir}' have no {error}.") from None


def misplaced(symptoms: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """The run and the fault of each symptom that shows in another run, or not in its own.

    symptoms: by the fault of the run, then by fault, as `examine` gives them. Where the rate is too
    high, the other symptoms mean nothing, and do not count.
    """
    wrong = []
    for run, found in symptoms.items():
        exploded = SYMPTOMS["rate_too_high"].shows(found["rate_too_high"])
        counted = ["rate_too_high"] if exploded else found
        wrong += [(run, of) for of in counted if SYMPTOMS[of].shows(found[of]) != (run == of)]
    return wrong
