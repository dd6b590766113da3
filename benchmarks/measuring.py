"""Repeating measurements in turn, and what comes of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ch07.claims import Claim, number

REPETITIONS = 5  # of everything; jobs that are compared take turns


def in_turn(jobs: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each job returns, `REPETITIONS` times, one after the other in turn.

    A machine that gets slower or busier meanwhile does so for all of them; every other round goes
    backwards, so that none is always the first.
    """
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for repetition in range(REPETITIONS):
        for name in list(jobs)[:: -1 if repetition % 2 else 1]:
            found[name].append(jobs[name]())
    return found


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Repetition by repetition, one over the other."""
    return [one / other for one, other in zip(over, under, strict=True)]


@dataclass
class Measured:
    """A ratio or another number that was measured several times, and the bound of its median.

    Attributes:
        sentence, unit: what it is, as for `claims.Claim`.
        values: one for each repetition.
        at_least, at_most: the bounds.
    """

    sentence: str
    unit: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    claim: Claim = field(init=False)

    def __post_init__(self):
        self.claim = Claim(
            "", "benchmarks", self.sentence, self.median, self.unit, self.at_least, self.at_most
        )

    @property
    def median(self) -> float:
        """The median of the repetitions."""
        return statistics.median(self.values)

    @property
    def line(self) -> str:
        """It on one line."""
        low, high = min(self.values), max(self.values)
        return (
            f"  {self.sentence:<58} {number(self.median):>8} {self.unit} "
            f"({number(low)} to {number(high)})  {self.claim.bound}  {self.claim.verdict}"
        )

    def as_record(self) -> dict:
        """It for record.json, in the form of a claim of the evidence."""
        spread = {"median": self.median, "low": min(self.values), "high": max(self.values)}
        return {
            "lesson": "benchmarks",
            "claim": self.sentence,
            "unit": self.unit,
            "bound": {"at_least": self.at_least, "at_most": self.at_most},
            **spread,
            "values": list(self.values),
            "holds": self.claim.holds,
        }
