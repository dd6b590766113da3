"""Claims, their verdicts, the record that every run leaves of them, and the evidence so far."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import math
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ch07.lab.files import write_aside
from ch07.lab.language import tr

# A difference of exactly 0, a share of exactly 1: more digits than a line can show help nobody.
DIGITS = 3
EVIDENCE = Path(__file__).resolve().parent / "evidence.csv"  # written by tools/evidence.py
SECONDS = EVIDENCE.with_name("seconds.csv")  # likewise


def number(value: float) -> str:
    """`value` as a claim line prints it: `DIGITS` significant digits, counts in full."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.{DIGITS}g}" if abs(value) < 0.0995 else f"{value:,.{DIGITS}f}"


@dataclass(frozen=True)
class Claim:
    """A sentence of the chapter, the number measured for it, and the bound it has to keep.

    Attributes:
        section: the section of the book, such as "7.1.5".
        lesson: the name of the lesson that measured it.
        sentence: what is claimed, in words.
        value: what was measured; a NaN keeps no bound.
        unit: what `value` counts, such as "test accuracy" or "pixels".
        at_least, at_most: the bounds, one of them or both, in the same unit.
        compared_with: what else was measured, by name: the ablation, chance, the code as printed.
        timed: it is a time, so the same seed does not give the same number again.
    """

    section: str
    lesson: str
    sentence: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    compared_with: Mapping[str, float] = field(default_factory=dict)
    timed: bool = False

    def __post_init__(self):
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"The claim {self.sentence!r} has no bound, so it cannot fail.")

    @property
    def holds(self) -> bool:
        """Whether the measured value keeps its bounds."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return bool(low <= self.value <= high)

    @property
    def bound(self) -> str:
        """The bounds in words, such as "at least 0.95"."""
        bounds = {"at least": self.at_least, "at most": self.at_most}
        words = [tr(f"{text} {number(of)}") for text, of in bounds.items() if of is not None]
        return tr(" and ").join(words)

    def as_record(self) -> dict:
        """The claim as claims.json keeps it: numbers to the last bit, NaN and infinity as text."""
        return {
            "section": self.section,
            "lesson": self.lesson,
            "claim": self.sentence,
            "value": json_number(self.value),
            "unit": self.unit,
            "compared_with": {name: json_number(v) for name, v in self.compared_with.items()},
            "bound": {"at_least": self.at_least, "at_most": self.at_most},
            "timed": self.timed,
            "holds": self.holds,
        }

    @classmethod
    def from_record(cls, record: Mapping) -> Claim:
        """The claim that `as_record` gave."""
        return cls(
            section=record["section"],
            lesson=record["lesson"],
            sentence=record["claim"],
            value=float(record["value"]),
            unit=record["unit"],
            compared_with={name: float(of) for name, of in record["compared_with"].items()},
            timed=record["timed"],
            **record["bound"],
        )


@functools.cache
def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a table of the evidence by column; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evidence() -> dict[tuple[str, str], dict[str, str]]:
    """What the recorded runs gave for each claim, by lesson and sentence.

    Each has, among others, "runs", "held", "low", "median" and "high".
    """
    return {(row["lesson"], row["claim"]): row for row in rows(EVIDENCE)}


def evidence_seconds() -> dict[str, float]:
    """How long each lesson takes in the recorded runs, in times of `import keras`, by name."""
    return {row["lesson"]: float(row["imports"]) for row in rows(SECONDS)}


def json_number(value: float) -> float | str:
    """`value` for JSON, which knows no NaN and no infinity: those become text."""
    return float(value) if math.isfinite(value) else str(float(value))


def machine() -> str:
    """The kind of machine that this is, as records name it."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


class Record:
    """The claims of one run, kept in `folder`/claims.json and, for good, below `folder`/claims/.

    claims.json is always the newest run's. Each run also keeps a file of its own, named after the
    time it began, which no later run touches.
    """

    def __init__(
        self,
        folder: Path,
        script: str,
        seed: int,
        packages: Mapping[str, str],
        took: Mapping[str, float] = MappingProxyType({}),
    ):
        """Reserve this run's own file.

        Args:
            folder: where the pictures of the script go.
            script: the name of the script.
            seed: the seed of the run.
            packages: the version of each package that the numbers depend on.
            took: what the seconds of the lessons can be compared with, in seconds.

        Raises:
            OSError: `folder` cannot be made or written to.
        """
        self.latest = folder / "claims.json"
        history = folder / "claims"
        history.mkdir(parents=True, exist_ok=True)
        stamp, tries = time.strftime("%Y%m%d-%H%M%S"), 0
        while True:  # a second run in the same second, or a clock set back, finds the name taken
            name = f"{stamp}-{tries}.json" if tries else f"{stamp}.json"
            self.own, tries = history / name, tries + 1
            with contextlib.suppress(FileExistsError):
                self.own.open("x", encoding="utf-8").close()
                break
        self.run = {
            "script": script,
            "seed": seed,
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "python": platform.python_version(),
            "machine": machine(),
            "packages": dict(packages),
            "took": dict(took),
        }

    def write(self, claims: Iterable[Claim], seconds: Mapping[str, float]) -> None:
        """Bring both files up to date.

        Args:
            claims: all claims of the run so far.
            seconds: how long each finished lesson took, by its name.
        """
        lines = [claim.as_record() | {"seconds": seconds[claim.lesson]} for claim in claims]
        record = {"run": self.run | {"seconds": dict(seconds)}, "claims": lines}
        text = (json.dumps(record, indent=1) + "\n").encode()
        write_aside(self.own, text)
        write_aside(self.latest, text)

    def discard(self) -> None:
        """Remove this run's own file if nothing was ever written to it."""
        with contextlib.suppress(OSError):
            if self.own.stat().st_size == 0:
                self.own.unlink()
