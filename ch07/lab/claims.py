"""Claims, their verdicts, the record that every run leaves of them, and the evidence so far."""

from __future__ import annotations

import csv
import functools
import json
import math
import os
import platform
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ch07.lab.files import write_aside
from ch07.lab.language import tr

DIGITS = 3  # of a number in a line
EVIDENCE = Path(__file__).resolve().parent / "evidence.csv"  # written by tools/evidence.py
REAL = EVIDENCE.with_name("real.csv")  # likewise, for real data
SECONDS = EVIDENCE.with_name("seconds.csv")  # likewise


def number(value: float) -> str:
    """`value` as a claim line prints it, counts in full."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.{DIGITS}g}" if abs(value) < 0.0995 else f"{value:,.{DIGITS}f}"


def counted(text: str) -> str:
    """A number with its unit, in the singular where it is one."""
    return re.sub(r"^1 (epoch|pixel)s\b", r"1 \1", text)


def named(name: str, value: float) -> str:
    """`value` behind its name, with a colon between them if the name ends with a number too."""
    return f"{name}{':' * name[-1].isdigit()} {number(value)}"


@dataclass(frozen=True)
class Claim:
    """A sentence of the chapter, the number measured for it, and the bound it has to keep."""

    section: str  # of the book, such as "7.1.5"
    lesson: str
    sentence: str
    value: float  # a NaN keeps no bound
    unit: str  # what it counts, such as "accuracy" or "pixels"
    at_least: float | None = None
    at_most: float | None = None
    compared_with: Mapping[str, float] = field(default_factory=dict)
    timed: bool = False  # a time, so the same seed does not give the same number again
    data: str = "synthetic"  # or "real", or "imdb": what it was measured on

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
            "data": self.data,
            "holds": self.holds,
        }

    @classmethod
    def from_record(cls, record: Mapping) -> Claim:
        """The claim that `as_record` gave."""
        same = {key: record[key] for key in ("section", "lesson", "unit", "timed")}
        others = {name: float(of) for name, of in record["compared_with"].items()}
        named = {"sentence": record["claim"], "value": float(record["value"])}
        named["data"] = record.get("data", "synthetic")  # which older records do not say
        return cls(**same, **named, **record["bound"], compared_with=others)


@functools.cache
def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a table of the evidence by column; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evidence(claim: Claim) -> dict[str, str] | None:
    """What the recorded runs gave for a claim on the same data; None where there are none."""
    table = {"synthetic": EVIDENCE, "real": REAL}.get(claim.data)
    known = {(row["lesson"], row["claim"]): row for row in (rows(table) if table else ())}
    return known.get((claim.lesson, claim.sentence))


def on_splits(claim: Claim) -> str:
    """How a claim on real data fared on the recorded splits, in one line; empty without any."""
    if claim.data != "real" or not (known := evidence(claim)):
        return ""
    median, expected = (number(float(known[key])) for key in ("median", "expected"))
    return tr(
        f"{tr(known['verdict'])}: on {known['held']} of {known['runs']} recorded splits the right "
        f"way, median of the effect {median}, expected {expected}"
    )


def evidence_seconds() -> dict[str, float]:
    """How long each lesson takes in the recorded runs, in times of `import keras`."""
    return {row["lesson"]: float(row["imports"]) for row in rows(SECONDS)}


def json_number(value: float) -> float | str:
    """`value` for JSON, which knows no NaN and no infinity: those become text."""
    return float(value) if math.isfinite(value) else str(float(value))


def machine() -> str:
    """The kind of machine that this is, as records name it."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


class Record:
    """The claims of one run, kept in `folder`/claims.json and, for good, below `folder`/claims/.

    claims.json is the newest run's; the other, named after the time it began, no later run touches.
    """

    def __init__(self, folder: Path, **run: Any):
        """Make the folders, or raise OSError; `run` is what else is known, such as its seed."""
        self.latest = folder / "claims.json"
        # Another run may begin in the same second, or after a clock was set back.
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.json"
        self.own = folder / "claims" / name
        self.own.parent.mkdir(parents=True, exist_ok=True)
        started, python = time.strftime("%Y-%m-%dT%H:%M:%S%z"), platform.python_version()
        self.run = {**run, "started": started, "python": python, "machine": machine()}

    def write(self, claims: Iterable[Claim], seconds: Mapping[str, float]) -> None:
        """Bring both files up to date with all claims so far, and the seconds of each lesson."""
        lines = [claim.as_record() | {"seconds": seconds[claim.lesson]} for claim in claims]
        record = {"run": self.run | {"seconds": dict(seconds)}, "claims": lines}
        text = (json.dumps(record, indent=1) + "\n").encode()
        write_aside(self.own, text)
        write_aside(self.latest, text)
