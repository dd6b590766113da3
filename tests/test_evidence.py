"""Evidence is gathered faithfully: medians, ranges, and how often a claim held."""

import pytest

from ch07 import evidence


def record(seed, value, holds=True, sentence="A sentence"):
    claim = {
        "section": "7.1.1",
        "lesson": "lesson",
        "claim": sentence,
        "value": value,
        "unit": "accuracy",
        "compared_with": {"chance": value / 2},
        "bound": {"at_least": 0.5, "at_most": None},
        "holds": holds,
        "seconds": 1.0 + seed,
    }
    run = {
        "seed": seed,
        "started": "2026-01-02T03:04:05+0000",
        "python": "3.11.7",
        "machine": "Linux x86_64, 2 cores",
        "packages": {"keras": "3.15.1"},
        "seconds": {"lesson": 1.0 + seed},
    }
    return {"run": run, "claims": [claim]}


def test_records_become_medians_ranges_and_counts():
    gathered = evidence.gather([record(0, 0.9), record(1, 0.4, False), record(2, 0.7)])
    assert gathered["seeds"] == [0, 1, 2]
    assert gathered["seconds"] == {"lesson": {"median": 2.0, "low": 1.0, "high": 3.0}}
    claim = gathered["claims"][0]
    assert (claim["median"], claim["low"], claim["high"]) == (0.7, 0.4, 0.9)
    assert (claim["held"], claim["of"]) == (2, 3)
    assert claim["compared_with"]["chance"] == {"median": 0.35, "low": 0.2, "high": 0.45}


def test_runs_that_claim_different_things_are_refused():
    with pytest.raises(ValueError, match="Not every seed makes the claim"):
        evidence.gather([record(0, 0.9), record(1, 0.9, sentence="Another sentence")])


def test_the_table_shows_a_claim_that_does_not_always_hold():
    gathered = evidence.gather([record(0, 0.9), record(1, 0.4, False)])
    lines = evidence.table("ch0701_functional_api", gathered).splitlines()
    assert lines[-1] == (
        "| 7.1.1 | A sentence (accuracy) | at least 0.500 | 0.650 | 0.400 | 0.900 | 1 of 2 |"
    )
    assert "2 seeds, 2026-01-02: Python 3.11.7, keras 3.15.1; Linux x86_64, 2 cores" in lines[0]


def test_tables_replace_what_is_between_the_marks_and_nothing_else():
    before = "above\n<!-- evidence -->\nold\n<!-- /evidence -->\nbelow\n"
    gathered = {"ch0701_functional_api": evidence.gather([record(0, 0.9)])}
    after = evidence.with_tables(before, gathered)
    assert after.startswith("above\n<!-- evidence -->\n`ch0701_functional_api.py`, 1 seeds")
    assert after.endswith("|\n<!-- /evidence -->\nbelow\n")
    assert "old" not in after
    assert evidence.with_tables(after, gathered) == after


def test_a_script_that_ends_early_is_reported_with_what_it_said(tmp_path, monkeypatch):
    (tmp_path / "ch0799_broken.py").write_text("raise SystemExit('no')\n", encoding="utf-8")
    monkeypatch.setattr(evidence, "HOME", tmp_path / "ch07")
    # 1 is the status of a claim that does not hold, but then there is a record.
    with pytest.raises(RuntimeError, match="ch0799_broken --seed 0"):
        evidence.run_script("ch0799_broken", 0, tmp_path)


def test_a_script_that_breaks_after_some_lessons_is_no_result(tmp_path, monkeypatch):
    (tmp_path / "ch0799_broken.py").write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[4], 'my_figures', 'ch0799_broken')\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'claims.json').write_text('{}', encoding='utf-8')\n"
        "raise ValueError('the second lesson')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(evidence, "HOME", tmp_path / "ch07")
    with pytest.raises(RuntimeError, match="the second lesson"):
        evidence.run_script("ch0799_broken", 0, tmp_path / "output")
