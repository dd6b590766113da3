"""Claims can fail, and their records are whole, lossless and never overwritten."""

import json
import math

import pytest

from ch07.lab.claims import Claim, Record, number
from ch07.lab.console import came_out, claim_text

VERSIONS = {"keras": "3.15.1"}


def claim(value=0.9, **options):
    options = {"at_least": 0.5} | options
    return Claim("7.1.1", "lesson", "A sentence", value, "accuracy", **options)


@pytest.mark.parametrize(
    ("value", "bounds", "holds"),
    [
        (0.5, {"at_least": 0.5}, True),
        (math.nextafter(0.5, 0), {"at_least": 0.5}, False),
        (0.5, {"at_least": None, "at_most": 0.5}, True),
        (math.nextafter(0.5, 1), {"at_least": None, "at_most": 0.5}, False),
        (0.3, {"at_least": 0.2, "at_most": 0.4}, True),
        (0.5, {"at_least": 0.2, "at_most": 0.4}, False),
        (math.nan, {"at_least": 0.5}, False),
        (math.nan, {"at_least": None, "at_most": 0.5}, False),
    ],
)
def test_a_claim_holds_exactly_within_its_bounds(value, bounds, holds):
    assert claim(value, **bounds).holds is holds
    assert str(claim_text(claim(value, **bounds), 100)).startswith("  ok  " if holds else "  NO  ")


def test_a_claim_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="cannot fail"):
        claim(at_least=None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.0, "1"), (20861480, "20,861,480"), (0.3339, "0.334"), (1.5e-9, "1.5e-09")],
)
def test_numbers_are_printed_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"at_least": 0.5}, "at least 0.500"),
        ({"at_least": 0.2, "at_most": 0.4}, "at least 0.200 and at most 0.400"),
        ({"at_least": 0, "at_most": 0}, "at least 0 and at most 0"),
    ],
)
def test_bounds_read_as_words(bounds, words):
    assert claim(**bounds).bound == words


def test_a_claim_is_a_sentence_with_what_it_is_compared_with():
    one = claim(compared_with={"chance": 0.5, "two LSTMs": 0.739})
    line = "  ok  A sentence: 0.900 accuracy (chance 0.500, two LSTMs 0.739)"
    assert str(claim_text(one, 100)) == line
    assert str(claim_text(claim(0.4), 100)) == "  NO  A sentence: 0.400 accuracy, at least 0.500"


def test_a_long_claim_goes_on_below_its_sentence():
    others = {f"the number {n} of many": 0.5 for n in range(5)}
    lines = str(claim_text(claim(compared_with=others), 100)).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("      ")
    assert max(map(len, lines)) <= 100


def test_counts_are_singular_and_plural():
    assert came_out(1, [claim()], 2.4) == "1 lesson, 1 of 1 claim holds, 2 s"
    assert came_out(2, [claim(), claim(0.4)], 2.6) == "2 lessons, 1 of 2 claims hold, 3 s"
    assert came_out(0, [], 0) == "0 lessons, 0 s"


def test_a_claim_comes_back_from_its_record():
    for value in (0.1 + 0.2, math.inf, math.nan):
        one = claim(value, compared_with={"chance": 0.5}, timed=True)
        assert repr(Claim.from_record(json.loads(json.dumps(one.as_record())))) == repr(one)


def test_a_record_gives_every_number_back_to_the_last_bit(tmp_path):
    values = [0.1 + 0.2, 1e-300, math.pi, math.inf]
    record = Record(tmp_path, seed=3, packages=VERSIONS)
    record.write([claim(v, compared_with={"other": v / 3}) for v in values], {"lesson": 1.5})
    for path in (record.own, record.latest):
        saved = json.loads(path.read_text(encoding="utf-8"))
        assert [float(c["value"]) for c in saved["claims"]] == values
        assert [float(c["compared_with"]["other"]) for c in saved["claims"]] == [
            v / 3 for v in values
        ]
        assert saved["run"]["seed"] == 3
        assert saved["run"]["packages"] == VERSIONS


def test_runs_in_the_same_second_keep_their_own_records(tmp_path, monkeypatch):
    monkeypatch.setattr("ch07.lab.claims.time.strftime", lambda form: "stopped clock")
    records = [Record(tmp_path, seed=seed) for seed in range(3)]
    for record in records:
        record.write([claim()], {"lesson": 1.0})
    seeds = [
        json.loads(record.own.read_text(encoding="utf-8"))["run"]["seed"] for record in records
    ]
    assert seeds == [0, 1, 2]
    assert json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["run"]["seed"] == 2


def test_a_run_without_a_finished_lesson_leaves_no_record(tmp_path):
    Record(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_failed_write_leaves_the_earlier_record_as_it_was(tmp_path, monkeypatch):
    record = Record(tmp_path)
    record.write([claim()], {"lesson": 1.0})
    before = record.latest.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        record.write([claim(0.1)], {"lesson": 2.0})
    assert record.latest.read_bytes() == before
    assert not list(tmp_path.rglob("*.part"))
