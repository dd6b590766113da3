"""Argument validation: what is refused before anything is done, in one sentence with the value.

Each check raises ValueError if what is given by name does not pass. What Keras or NumPy would
refuse in words of their own is left to them.
"""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping

import numpy as np


def whole(least: int = 1, step: int = 1, /, **given: int) -> int:
    """Check that all of `given` are whole numbers from `least`, multiples of `step`; the last."""
    for name, value in given.items():
        known = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not known or value < least or value % step:
            kind = f"multiple of {step}" if step > 1 else "whole number"
            raise ValueError(f"{name} is {value!r}: a {kind} from {least} is needed.")
    return value


def between(low: float, high: float, /, **given: float) -> None:
    """Check that all of `given` are numbers from `low` to `high`, neither NaN nor infinite."""
    for name, value in given.items():
        known = isinstance(value, numbers.Real) and bool(np.isfinite(value))
        if not known or not low <= value <= high:
            raise ValueError(f"{name} is {value!r}: a number from {low} to {high} is needed.")


def one_of(known: Collection[str], /, **given: str) -> str:
    """Check that all of `given` are among the `known`; returns the last of them."""
    for name, value in given.items():
        if value not in list(known):
            raise ValueError(f"{name} is {value!r}: it has to be one of {', '.join(known)}.")
    return value


def enough(name: str, value: int, least: int, reason: str) -> None:
    """Check that `value` is `least` or more, as it has to be for the `reason`."""
    if value < least:
        raise ValueError(f"{name} is {value}: {reason} need {least} or more.")


def shaped(form: str, /, **given: np.ndarray) -> None:
    """Check that all of `given` are arrays of finite numbers with the axes of `form`, none empty.

    Args:
        form: names of axes, such as "samples, members". An axis of the same name has the same
            length in all of them; one that is a number has that length.
        given: the arrays.
    """
    axes, lengths = form.split(", "), {}
    for name, array in given.items():
        shape = np.shape(array)
        if len(shape) != len(axes) or 0 in shape:
            raise ValueError(f"{name} has the shape {shape}: ({form}) is needed, none of them 0.")
        for axis, length in zip(axes, shape, strict=True):
            known = int(axis) if axis.isdigit() else lengths.setdefault(axis, length)
            if length != known:
                raise ValueError(f"{name} has the shape {shape}: {known} {axis} are needed.")
        finite(**{name: array})


def finite(**given: np.ndarray) -> None:
    """Check that all of `given` are arrays of real numbers without a NaN or an infinity."""
    for name, array in given.items():
        kind = np.asarray(array).dtype
        # NumPy does not count the small floats of other packages among its own.
        if kind.kind not in "biuf" and not kind.name.startswith(("bfloat", "float")):
            raise ValueError(f"{name} is of {kind.name}: real numbers are needed.")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has a NaN or an infinity.")


def monitored(logs: Mapping[str, float], monitor: str) -> float:
    """What `logs` have of the `monitor`, as Keras gives them to a callback in each epoch."""
    if monitor not in logs:
        validated = monitor.startswith("val_") and not any(one.startswith("val_") for one in logs)
        missing = ": validation_data are needed, and validation_freq=1" if validated else ""
        raise ValueError(f"monitor is {monitor!r}, which is not among {', '.join(logs)}{missing}.")
    return logs[monitor]
