"""A run with seed 0 makes the claims that the evidence has, and stays near the recorded runs."""

import pytest

from ch07.lab import lessons
from ch07.lab.claims import EVIDENCE, Claim, rows
from tools.evidence import SCRIPTS, room

FIXTURES = {script: script.partition("_")[2] for script in SCRIPTS}
FEW = 0.3  # of the claims of a script may leave the range: of twelve runs, a further one has 0.15


def outside(value: float, row: dict[str, str]) -> float:
    """How far a value lies outside the range of the evidence; 0 within it."""
    return max(float(row["low"]) - value, value - float(row["high"]), 0.0)


def is_near(value: float, row: dict[str, str]) -> bool:
    """Whether a value is one that a further run may well give.

    It is outside the range by no more than its width, or half of the way to the bound, since an
    accuracy may have been 1 in every recorded run.
    """
    width = float(row["high"]) - float(row["low"])
    way = room(row) * (width or 1e-9)
    return outside(value, row) <= max(width, way / 2)


def test_what_is_near_is_measured_by_the_range_and_by_the_bound():
    row = {"low": "1", "high": "3", "at_least": "0.5", "at_most": ""}
    assert outside(2, row) == 0
    assert outside(3.5, row) == outside(0.5, row) == 0.5
    assert is_near(5, row)
    assert not is_near(5.5, row)
    assert not is_near(-1.5, row)
    saturated = {"low": "1", "high": "1", "at_least": "0.9", "at_most": ""}
    assert is_near(0.96, saturated)
    assert not is_near(0.94, saturated)


def test_the_evidence_and_the_words_have_the_same_claims():
    said = {
        (lesson.name, sentence)
        for script in SCRIPTS
        for lesson in lessons.read(script).lessons
        for sentence in lesson.claims
    }
    known = [row for row in rows(EVIDENCE) if row["script"] in SCRIPTS]
    assert {(row["lesson"], row["claim"]) for row in known} == said


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_run_stays_near_the_recorded_ones(script, request):
    run = request.getfixturevalue(FIXTURES[script])
    claims = [Claim.from_record(one) for one in run.record["claims"]]
    known = {
        (row["lesson"], row["claim"]): row for row in rows(EVIDENCE) if row["script"] == script
    }
    assert {(claim.lesson, claim.sentence) for claim in claims} == known.keys()
    # A time is another one on every machine.
    found = [(one, known[one.lesson, one.sentence]) for one in claims if not one.timed]
    assert not [claim.sentence for claim, row in found if not is_near(claim.value, row)]
    left = [claim.sentence for claim, row in found if outside(claim.value, row)]
    assert len(left) <= FEW * len(found), left
