"""Argument validation: what is refused before anything is done, in one sentence with the value.

What Keras or NumPy would refuse in words of their own is left to them.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping


def whole(least: int = 1, /, **given: int) -> None:
    """Raise ValueError unless all of `given` are whole numbers from `least`."""
    for name, value in given.items():
        known = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not known or value < least:
            raise ValueError(f"{name} is {value!r}: a whole number from {least} is needed.")


def monitored(logs: Mapping[str, float], monitor: str) -> float:
    """What the `logs` of an epoch have of the `monitor`; ValueError if they have it not."""
    if monitor not in logs:
        validated = monitor.startswith("val_") and not any(one.startswith("val_") for one in logs)
        missing = ": validation_data are needed, and validation_freq=1" if validated else ""
        raise ValueError(f"monitor is {monitor!r}, which is not among {', '.join(logs)}{missing}.")
    return logs[monitor]
