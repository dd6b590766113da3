"""Claims can fail, and their records are whole, lossless and never overwritten, as all files."""

import errno
import json
import math
from pathlib import Path

import pytest

from ch07.lab.claims import Claim, Record, counted, named, number
from ch07.lab.console import came_out, claim_text
from ch07.lab.files import new_folder, write_aside


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
        (0.5, 0.2, 0.4, False),
        (math.nan, 0.5, None, False),
        (math.nan, None, 0.5, False),
    ],
)
def test_a_claim_holds_exactly_within_its_bounds(value, low, high, holds):
    one = claim(value, at_least=low, at_most=high)
    assert one.holds is holds
    assert str(claim_text(one, 100)).startswith("  ok  " if holds else "  NO  ")
    with pytest.raises(ValueError, match="cannot fail"):
        claim(value, at_least=None)


def test_numbers_and_bounds_read_well_and_counts_are_singular_and_plural():
    values = (0, 1.0, 20861480, 0.3339, 1.5e-9)
    assert [*map(number, values)] == ["0", "1", "20,861,480", "0.334", "1.5e-09"]
    assert claim(at_least=0.2, at_most=0).bound == "at least 0.200 and at most 0"
    assert came_out(1, [claim()], 2.4) == "1 lesson, 1 of 1 claim holds, 2 s"
    assert came_out(2, [claim(), claim(0.4)], 2.6) == "2 lessons, 1 of 2 claims hold, 3 s"
    assert came_out(0, [], 0) == "0 lessons, 0 s"
    assert [counted(f"{n} epochs later") for n in (1, 11)] == ["1 epoch later", "11 epochs later"]
    assert [named("3x3", 1), named("chance", 0.5)] == ["3x3: 1", "chance 0.500"]


def test_a_record_gives_every_number_back_to_the_last_bit_and_no_later_run_touches_it(
    tmp_path, monkeypatch
):
    values = (0.1 + 0.2, 1e-300, math.pi, math.inf, math.nan)
    claims = [claim(of, compared_with={"other": of / 3}, timed=True) for of in values]
    monkeypatch.setattr("ch07.lab.claims.time.strftime", lambda form: "stopped clock")
    records = [Record(tmp_path, seed=seed, packages={"keras": "3.15.1"}) for seed in range(3)]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # nothing is finished
    for record in records:
        record.write(claims, {"lesson": 1.5})
    paths = [record.own for record in records]
    for path, seed in zip([tmp_path / "claims.json", *paths], (2, 0, 1, 2), strict=True):
        saved = json.loads(path.read_text(encoding="utf-8"))
        assert repr([Claim.from_record(one) for one in saved["claims"]]) == repr(claims)
        assert (saved["run"]["seed"], saved["run"]["packages"]) == (seed, {"keras": "3.15.1"})


# Files that are whole or not there, and folders that nobody shares


@pytest.mark.parametrize("fails", [None, "write_bytes", "replace"])
def test_a_file_is_replaced_whole_or_is_as_it_was(fails, tmp_path, monkeypatch):
    path, write = tmp_path / "x.json", Path.write_bytes
    path.write_bytes(b"old")

    def full_disk(self, content):
        if fails == "write_bytes":
            write(self, content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails:
        monkeypatch.setattr(Path, fails, full_disk)
        with pytest.raises(OSError, match="No space"):
            write_aside(path, b"new")
    else:
        write_aside(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert path.read_bytes() == (b"old" if fails else b"new")


def test_a_name_that_is_taken_gets_a_number_also_at_the_same_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda *_: False)  # just before another program made it
    names = [new_folder(tmp_path / "a" / "b", "run").name for _ in range(3)]
    assert names == ["run", "run-1", "run-2"]
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    with pytest.raises(OSError, match="taken"):
        new_folder(tmp_path / "taken", "run")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"
