"""Claims can fail, and their records are whole, lossless and never overwritten."""

import json
import math

import pytest

from ch07.lab.claims import Claim, Record, number
from ch07.lab.console import came_out, claim_text


def claim(value=0.9, **options):
    options = {"at_least": 0.5} | options
    return Claim("7.1.1", "lesson", "A sentence", value, "accuracy", **options)


@pytest.mark.parametrize(
    ("value", "low", "high", "holds"),
    [
        (0.5, 0.5, None, True),
        (math.nextafter(0.5, 0), 0.5, None, False),
        (0.5, None, 0.5, True),
        (math.nextafter(0.5, 1), None, 0.5, False),
        (0.3, 0.2, 0.4, True),
        (0.5, 0.2, 0.4, False),
        (math.nan, 0.5, None, False),
        (math.nan, None, 0.5, False),
    ],
)
def test_a_claim_holds_exactly_within_its_bounds(value, low, high, holds):
    one = claim(value, at_least=low, at_most=high)
    assert one.holds is holds
    assert str(claim_text(one, 100)).startswith("  ok  " if holds else "  NO  ")


def test_a_claim_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="cannot fail"):
        claim(at_least=None)


def test_numbers_and_bounds_read_well_and_counts_are_singular_and_plural():
    values = (0, 1.0, 20861480, 0.3339, 1.5e-9)
    assert [*map(number, values)] == ["0", "1", "20,861,480", "0.334", "1.5e-09"]
    assert claim(at_least=0.2, at_most=0).bound == "at least 0.200 and at most 0"
    assert came_out(1, [claim()], 2.4) == "1 lesson, 1 of 1 claim holds, 2 s"
    assert came_out(2, [claim(), claim(0.4)], 2.6) == "2 lessons, 1 of 2 claims hold, 3 s"
    assert came_out(0, [], 0) == "0 lessons, 0 s"


def test_a_long_claim_goes_on_below_its_sentence():
    others = {f"the number {n} of many": 0.5 for n in range(5)}
    first, second = str(claim_text(claim(compared_with=others), 100)).splitlines()
    assert first.startswith("  ok  A sentence: 0.900 accuracy (the number 0 of many 0.500, the")
    assert second.startswith("      ")
    assert max(len(first), len(second)) <= 100


def test_a_record_gives_every_claim_and_number_back_to_the_last_bit(tmp_path):
    claims = [
        claim(value, compared_with={"other": value / 3}, timed=True)
        for value in (0.1 + 0.2, 1e-300, math.pi, math.inf, math.nan)
    ]
    record = Record(tmp_path, seed=3, packages={"keras": "3.15.1"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # nothing is finished
    record.write(claims, {"lesson": 1.5})
    for path in (record.own, record.latest):
        saved = json.loads(path.read_text(encoding="utf-8"))
        assert repr([Claim.from_record(one) for one in saved["claims"]]) == repr(claims)
        assert (saved["run"]["seed"], saved["run"]["packages"]) == (3, {"keras": "3.15.1"})


def test_runs_in_the_same_second_keep_their_own_records(tmp_path, monkeypatch):
    monkeypatch.setattr("ch07.lab.claims.time.strftime", lambda form: "stopped clock")
    records = [Record(tmp_path, seed=seed) for seed in range(3)]
    for record in records:
        record.write([claim()], {"lesson": 1.0})
    paths = [*(record.own for record in records), tmp_path / "claims.json"]
    seeds = [json.loads(path.read_text(encoding="utf-8"))["run"]["seed"] for path in paths]
    assert seeds == [0, 1, 2, 2]
