"""When Keras's callbacks act, worked out a second time from what a training has recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ch07 import checks


def waited(values: Sequence[float]) -> int:
    """How many epochs came after the best one; `values` are an accuracy, one for each epoch."""
    checks.shaped("epochs", values=values)
    return len(values) - 1 - int(np.argmax(values))


def epochs_until_stop(values: Sequence[float], patience: int) -> int:
    """After how many epochs EarlyStopping ends a training that could go on.

    Args:
        values: an accuracy for each epoch of a training that was not stopped.
        patience: how many epochs in a row, 1 or more, may bring no value above the best so far.
    """
    checks.shaped("epochs", values=values)
    checks.whole(patience=patience)
    best = 0
    for epoch, value in enumerate(values):
        if value > values[best]:
            best = epoch
        elif epoch - best == patience:
            return epoch + 1
    return len(values)


def plateau_rates(
    losses: Sequence[float],
    rate: float,
    factor: float,
    patience: int,
    min_delta: float = 1e-4,
    cooldown: int = 0,
) -> np.ndarray:
    """The learning rate of each epoch under ReduceLROnPlateau, (epochs,).

    Args:
        losses: what it monitored, one for each epoch.
        rate: that of the first epoch.
        factor: what the rate is multiplied by.
        patience: after how many epochs without an improvement.
        min_delta: by how much a loss must be below the best one to be an improvement.
        cooldown: for how many epochs after a reduction there is none again, whatever they bring.
    """
    checks.whole(patience=patience)
    checks.whole(0, cooldown=cooldown)
    checks.between(0, np.inf, rate=rate, factor=factor, min_delta=min_delta)
    rates, best, waited, resting = [], None, 0, 0
    for loss in losses:
        # Keras keeps the rate in single precision and multiplies in double.
        rate = float(np.float32(rate))
        rates.append(rate)
        resting = max(resting - 1, 0)
        if best is None or loss < best - min_delta:  # the first one is, even a NaN
            best, waited = loss, 0
        elif not resting:
            waited += 1
            if waited == patience:
                rate, waited, resting = rate * factor, 0, cooldown
    return np.array(rates)
