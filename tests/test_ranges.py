"""A fresh run of each script stays within what the evidence has recorded of ten seeds."""

import json

import pytest

from ch07 import documents

EVIDENCE = json.loads(documents.EVIDENCE.read_text(encoding="utf-8"))
ROWS = [(script, row) for script in documents.SCRIPTS for row in EVIDENCE[script]["claims"]]
FIXTURES = {script: script.partition("_")[2] for script in documents.SCRIPTS}
# Of the range. Seed 0 is one of the ten and may be the end of it, and another processor rounds
# otherwise, which a training amplifies.
SLACK = 0.1
ROUNDING = 1e-6  # what 24 bits leave of differences of numbers near 1


def outside(value: float, row: dict) -> float:
    """How far a value lies outside the range of the evidence; 0 within it."""
    slack = max(SLACK * (row["high"] - row["low"]), ROUNDING * (row["high"] != row["low"]))
    return max(row["low"] - slack - value, value - row["high"] - slack, 0.0)


@pytest.mark.parametrize(
    ("script", "row"), ROWS, ids=[f"{row['lesson']}: {row['claim']}" for _, row in ROWS]
)
def test_a_fresh_run_is_within_the_range_of_the_evidence(script, row, request):
    run = request.getfixturevalue(FIXTURES[script])
    (claim,) = (
        claim
        for claim in run.record["claims"]
        if (claim["lesson"], claim["claim"]) == (row["lesson"], row["claim"])
    )
    assert claim["timed"] == row["timed"]
    assert claim["bound"] == row["bound"]
    assert row["of"] >= 10
    assert row["timed"] or outside(float(claim["value"]), row) == 0


def test_a_value_outside_is_seen():
    row = {"low": 0.4, "high": 0.6}
    assert outside(0.4, row) == outside(0.61, row) == 0
    assert outside(0.63, row) == pytest.approx(0.01)
    assert outside(0.37, row) == pytest.approx(0.01)
    exact = {"low": 3.0, "high": 3.0}
    assert outside(3.0, exact) == 0
    assert outside(3.0000001, exact) > 0
