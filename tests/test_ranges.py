"""A fresh run of each script stays within what the evidence has recorded of ten seeds."""

import json

import pytest

from ch07 import documents

EVIDENCE = json.loads(documents.EVIDENCE.read_text(encoding="utf-8"))
ROWS = [(script, row) for script in documents.SCRIPTS for row in EVIDENCE[script]["claims"]]
FIXTURES = {script: script.partition("_")[2] for script in documents.SCRIPTS}
# Seed 0 is one of the ten, but another processor or version rounds otherwise, which a training
# amplifies to nearly another seed: one with more vector instructions left the range with 3 of 161
# claims, by 0.14 of it at most. An eleventh seed of a normal distribution leaves the range of ten
# in 18 of 100 cases, and by more than the range itself in 2 of 1000.
SLACK = 1.0  # of the range, for a single claim
FEW = 1 / 10  # of the claims of a script may leave the range at all: half of another seed's
ROUNDING = 1e-6  # what 24 bits leave of differences of numbers near 1


def outside(value: float, row: dict, slack: float) -> float:
    """How far a value lies outside the range of the evidence; 0 within it.

    `slack` is what it may lie outside without being counted, in widths of the range.
    """
    allowed = max(slack * (row["high"] - row["low"]), ROUNDING * (row["high"] != row["low"]))
    return max(row["low"] - allowed - value, value - row["high"] - allowed, 0.0)


def fresh(script: str, request) -> dict:
    """The claims of a run of the script with seed 0, by lesson and sentence."""
    claims = request.getfixturevalue(FIXTURES[script]).record["claims"]
    return {(claim["lesson"], claim["claim"]): claim for claim in claims}


@pytest.mark.parametrize(
    ("script", "row"), ROWS, ids=[f"{row['lesson']}: {row['claim']}" for _, row in ROWS]
)
def test_a_fresh_run_is_within_the_range_of_the_evidence(script, row, request):
    claim = fresh(script, request)[row["lesson"], row["claim"]]
    assert claim["timed"] == row["timed"]
    assert claim["bound"] == row["bound"]
    assert row["of"] >= 10
    assert row["timed"] or outside(float(claim["value"]), row, SLACK) == 0


@pytest.mark.parametrize("script", documents.SCRIPTS)
def test_a_fresh_run_leaves_the_range_with_few_claims(script, request):
    claims = fresh(script, request)
    rows = [row for of, row in ROWS if of == script and not row["timed"]]
    values = [float(claims[row["lesson"], row["claim"]]["value"]) for row in rows]
    left = [
        (row["claim"], value)
        for row, value in zip(rows, values, strict=True)
        if outside(value, row, slack=0) > 0
    ]
    assert len(left) <= FEW * len(rows), left


def test_a_value_outside_is_seen():
    row = {"low": 0.4, "high": 0.6}
    assert outside(0.4, row, 0.1) == outside(0.61, row, 0.1) == 0
    assert outside(0.63, row, 0.1) == pytest.approx(0.01)
    assert outside(0.37, row, 0.1) == pytest.approx(0.01)
    exact = {"low": 3.0, "high": 3.0}
    assert outside(3.0, exact, SLACK) == 0
    assert outside(3.0000001, exact, SLACK) > 0
