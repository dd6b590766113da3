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
        "timed": False,
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
    processes = {"import keras": 0.5, "program": 1.5 + seed}
    return {"run": run, "claims": [claim], "processes": processes}


def test_records_become_medians_ranges_and_counts():
    gathered = evidence.gather([record(0, 0.9), record(1, 0.4, False), record(2, 0.7)])
    assert gathered["seeds"] == [0, 1, 2]
    assert gathered["seconds"] == {"lesson": {"median": 2.0, "low": 1.0, "high": 3.0}}
    assert gathered["imports"]["lesson"] == {"median": 4.0, "low": 2.0, "high": 6.0}
    assert gathered["imports"][""] == {"median": 5.0, "low": 3.0, "high": 7.0}
    claim = gathered["claims"][0]
    assert (claim["median"], claim["low"], claim["high"]) == (0.7, 0.4, 0.9)
    assert (claim["held"], claim["of"]) == (2, 3)
    assert claim["compared_with"]["chance"] == {"median": 0.35, "low": 0.2, "high": 0.45}


def test_runs_that_claim_different_things_are_refused():
    with pytest.raises(ValueError, match="Not every seed makes the claim"):
        evidence.gather([record(0, 0.9), record(1, 0.9, sentence="Another sentence")])


@pytest.fixture
def counted(monkeypatch):
    """Runs that end at once, and which they were."""
    ran = []

    def run(program, seed, output):
        ran.append((program, seed))
        return record(seed, 0.9)

    monkeypatch.setattr(evidence, "run_program", run)
    return ran


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path, counted, capsys):
    program = evidence.PROGRAMS[0]
    evidence.collect([program], [0, 1], tmp_path)
    found = evidence.collect([program], [0, 1, 2], tmp_path, workers=2)
    assert sorted(counted) == [(program, seed) for seed in (0, 1, 2)]
    assert found[program]["seeds"] == [0, 1, 2]
    assert "[  3 of 3]" in capsys.readouterr().out


def test_what_has_changed_since_is_run_again(tmp_path, counted, monkeypatch):
    program = evidence.PROGRAMS[0]
    evidence.recorded(program, 0, tmp_path)
    evidence.recorded(program, 0, tmp_path)
    assert len(counted) == 1
    evidence.recorded(program, 0, tmp_path, fresh=True)
    assert len(counted) == 2
    monkeypatch.setattr(evidence, "fingerprint", lambda program: "another")
    evidence.recorded(program, 0, tmp_path)
    assert len(counted) == 3


def test_the_fingerprint_knows_the_source_and_not_the_other_scripts(monkeypatch, tmp_path):
    prints = {evidence.fingerprint(program) for program in evidence.PROGRAMS}
    assert len(prints) == len(evidence.PROGRAMS)
    before = evidence.fingerprint(evidence.PROGRAMS[0])
    monkeypatch.setattr(evidence.metadata, "version", lambda name: "0")
    assert evidence.fingerprint(evidence.PROGRAMS[0]) != before


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--workers", "5"], ["--first", "-1"], ["x"]])
def test_a_wrong_argument_ends_with_2(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        evidence.main(wrong)
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_a_script_that_ends_early_is_reported_with_what_it_said(tmp_path, monkeypatch):
    (tmp_path / "ch0799_broken.py").write_text("raise SystemExit('no')\n", encoding="utf-8")
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    # 1 is the status of a claim that does not hold, but then there is a record.
    with pytest.raises(RuntimeError, match="ch0799_broken --seed 0"):
        evidence.run_program("ch0799_broken", 0, tmp_path)


def test_a_script_that_breaks_after_some_lessons_is_no_result(tmp_path, monkeypatch):
    (tmp_path / "ch0799_broken.py").write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[4], 'my_figures', 'ch0799_broken')\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'claims.json').write_text('{}', encoding='utf-8')\n"
        "raise ValueError('the second lesson')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match="the second lesson"):
        evidence.run_program("ch0799_broken", 0, tmp_path / "output")
