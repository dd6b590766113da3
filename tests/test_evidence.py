"""Evidence is gathered faithfully: on fresh seeds, of what has changed, and nothing is lost."""

import json
import os
import re
import signal
import threading

import pytest

from ch07.lab import lessons
from ch07.lab.claims import Claim
from tools import dependencies, evidence
from tools.evidence import rows_of

FAKE = '''
import json, os, pathlib, sys, time
from ch07.data import words as more
from ch07.helper import measure
LIMIT = 1002
OTHER = 7

def build_model():
    """A builder."""
    return LIMIT

if section.lesson("7.9.1", "first"):
    section.claim("It is small", measure(build_model()), at_most=0)
    section.picture("nothing")
if section.lesson("7.9.2", "second"):
    section.claim("It is one", more.count(OTHER))

*lessons, _, seed, _, output, _, _ = sys.argv[1:]
seed = int(seed)
if seed == 1003:
    sys.exit("broken")
if seed == 1004:
    time.sleep(60)
claim = dict(
    section="7.9.1", claim="It is small", value=float(seed), unit="things", timed=False,
    compared_with={"half of it": seed / 2}, bound=dict(at_least=None, at_most=1001.5),
)
folder = pathlib.Path(output, "my_figures", "ch0799_fake")
folder.mkdir(parents=True)
run = dict(seed=seed, seconds=dict.fromkeys(lessons, 3.0), took={"import keras": 2.0})
record = dict(run=run, claims=[claim | dict(lesson=name) for name in lessons])
(folder / "claims.json").write_text(json.dumps(record), encoding="utf-8")
sys.exit(int(seed >= LIMIT))
'''
HELPER = '''
from ch07 import data, plots
FACTOR = 2

def measure(value):
    """What it is."""
    plots.draw(value)
    return FACTOR * data.posts(value)

def another(value):
    return value
'''
# As a program the script has no lessons, since it does without the lab.
PROGRAM = f"from unittest import mock\nsection = mock.Mock(lesson=lambda *_: False)\n{FAKE}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one script, and where its evidence goes."""
    files = {"ch0799_fake.py": FAKE, "ch07/__init__.py": "", "ch07/helper.py": HELPER}
    files["ch07/plots.py"] = "def draw(value):\n    pass\n"
    files["ch07/data/__init__.py"] = "from ch07.data.text import posts\n"
    files["ch07/data/words.py"] = "def count(value):\n    return 1 * value\n"
    files["ch07/data/text.py"] = "def posts(value):\n    return 1 * value\n"
    files["ch07/lab/startup.py"] = "def settle():\n    return 1\n"
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(evidence, "program", lambda script: ["-c", PROGRAM])
    for module in (dependencies, evidence):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(evidence, "SCRIPTS", ["ch0799_fake"])
    monkeypatch.setattr(evidence, "EXERCISES", [])
    monkeypatch.setattr(evidence, "KEPT", tmp_path / "kept")
    for name in ("EVIDENCE", "SECONDS", "ROUNDS"):
        monkeypatch.setattr(evidence, name, tmp_path / f"{name.lower()}.csv")
    return tmp_path


def test_seeds_take_turns_among_the_profiles():
    profiles = [evidence.profile_of(seed) for seed in range(1000, 1012)]
    assert {name: profiles.count(name) for name in evidence.PROFILES} == dict.fromkeys(profiles, 4)


def test_runs_become_medians_ranges_counts_and_a_line_of_each_round(project):
    runs = evidence.plan("ch0799_fake", 3)
    assert [run.seed for run in runs] == [1000, 1001, 1002]
    assert all(run.lessons == ["first", "second"] for run in runs)
    assert evidence.gather(runs, 2, 1)
    (first, _) = evidence.write(["ch0799_fake"])
    assert first == rows_of(project / "evidence.csv")[0] | {"runs": 3, "held": 2}
    assert (first["low"], first["median"], first["high"]) == ("1000", "1001", "1002")
    assert first["compared_with"] == "half of it 500.5"
    assert (first["at_least"], first["at_most"]) == ("", "1001.5")
    assert evidence.room(first | {"at_least": "0"}) == pytest.approx(-0.25)
    seconds = rows_of(project / "seconds.csv")
    assert [(row["lesson"], row["runs"]) for row in seconds] == [("first", "3"), ("second", "3")]
    assert (seconds[0]["seconds"], seconds[0]["imports"]) == ("3.0", "1.50")
    lines = {int(row["seed"]): row for row in rows_of(project / "rounds.csv")}
    assert all(lines[seed]["profile"] == evidence.profile_of(seed) for seed in lines)
    assert [lines[1001][of] for of in ("claims", "held", "failed")] == ["2", "2", ""]
    assert "first: It is small: 1,002 (at most 1,001.500)" in lines[1002]["failed"]
    kept = [*(project / "kept").rglob("*.json")]
    assert len(kept) == 3
    assert json.loads(kept[0].read_text(encoding="utf-8"))["keys"].keys() == {"first", "second"}


def test_what_is_known_is_not_run_again_and_no_seed_is_looked_at_twice(project):
    evidence.gather(evidence.plan("ch0799_fake", 2), 1, 1)
    assert evidence.plan("ch0799_fake", 2) == []
    helper = project / "ch07" / "helper.py"
    helper.write_text(HELPER.replace("FACTOR = 2", "FACTOR = 3"), encoding="utf-8")
    planned = evidence.plan("ch0799_fake", 2)
    assert [(run.seed, run.lessons) for run in planned] == [(1002, ["first"]), (1003, ["first"])]
    helper.write_text(HELPER, encoding="utf-8")
    (run,) = evidence.plan("ch0799_fake", 3)
    assert (run.seed, run.lessons) == (1002, ["first", "second"])
    # Tables of this code count without the records too, if they were made elsewhere.
    evidence.write(["ch0799_fake"])
    before = (project / "evidence.csv").read_bytes()
    for path in (project / "kept").rglob("*.json"):
        path.unlink()
    assert evidence.plan("ch0799_fake", 2) == []
    evidence.write(["ch0799_fake"])
    assert (project / "evidence.csv").read_bytes() == before


def test_a_program_that_fails_is_reported_and_the_others_run(project, capsys):
    runs = [evidence.Run("ch0799_fake", seed, ["first"]) for seed in (1003, 1000)]
    assert evidence.gather(runs, 1, 1)
    broken, sound = rows_of(project / "rounds.csv")
    assert broken["failed"] == "ended with 1: broken"
    assert (broken["claims"], sound["held"]) == ("0", "1")
    assert "ended with 1: broken" in capsys.readouterr().out
    assert evidence.write(["ch0799_fake"])[0]["runs"] == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to whole consoles only")
def test_ctrl_c_ends_the_runs_and_keeps_those_that_are_done(project, monkeypatch):
    runs = [evidence.Run("ch0799_fake", seed, ["first"]) for seed in (1000, 1004, 1001)]
    # With 1004 the script sleeps until something interrupts it.
    main = threading.main_thread().ident
    timer = threading.Timer(1, lambda: signal.pthread_kill(main, signal.SIGINT))
    kept = evidence.keep
    monkeypatch.setattr(evidence, "keep", lambda run, number: (kept(run, number), timer.start()))
    assert not evidence.gather(runs, 1, 1)
    assert [row["seed"] for row in rows_of(project / "rounds.csv")] == ["1000"]


def test_sources_that_change_during_a_run_make_it_no_record(project, monkeypatch):
    keys = iter([{"first": "before"}, {"first": "after"}])
    monkeypatch.setattr(dependencies, "keys", lambda script, data: next(keys))
    run = evidence.Runner().run(evidence.Run("ch0799_fake", 1000, ["first"]))
    assert run.error == "the sources changed during the run"
    assert not run.record


def test_runs_that_claim_different_things_are_refused():
    claims = [Claim("7.9.1", "first", sentence, 1.0, "", at_least=0) for sentence in "ab"]
    records = [{"claims": [claim.as_record()]} for claim in claims]
    with pytest.raises(ValueError, match="Not every run of first makes the claim 'a'"):
        evidence.claim_rows("ch0799_fake", "first", records)


def test_whole_runs_are_of_all_scripts_on_seeds_that_are_new_to_all_of_them(project, monkeypatch):
    monkeypatch.setattr(evidence, "SCRIPTS", ["ch0799_fake", "ch0799_other"])
    monkeypatch.setattr(dependencies, "keys", lambda script: {"first": "key"})
    first, other = evidence.whole_runs(1)
    assert (first.seed, other.seed) == (2000, 2000)
    evidence.keep(evidence.Run(first.script, 2000, ["first"], keys={"first": "key"}), 1)
    assert evidence.whole_runs(1) == [other]
    monkeypatch.setattr(dependencies, "keys", lambda script: {"first": "of other code"})
    assert [run.seed for run in evidence.whole_runs(1)] == [2001, 2001]


@pytest.mark.parametrize("wrong", ["--seeds 0", "--workers 5", "no_script", "--whole 1 no_script"])
def test_a_wrong_argument_ends_with_2(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        evidence.main(wrong.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err


# Keys


@pytest.mark.parametrize(
    ("file", "before", "after", "changed"),
    [
        ("ch07/helper.py", "return FACTOR * data", "return data", {"first"}),
        ("ch07/data/text.py", "1 * value", "2 * value", {"first"}),  # through a package
        ("ch07/data/words.py", "1 * value", "2 * value", {"second"}),  # through a module
        ("ch07/helper.py", "FACTOR = 2", "FACTOR = 3", {"first"}),
        ("ch07/helper.py", "    return value", "    return None", set()),  # of another function
        ("ch07/helper.py", '"""What it is."""', '"""What else."""', set()),
        ("ch07/plots.py", "pass", "return value", set()),
        ("ch07/lab/startup.py", "return 1", "return 2", {"first", "second"}),
        ("ch0799_fake.py", "    return LIMIT", "    # why\n    return LIMIT", set()),
        ("ch0799_fake.py", "LIMIT = 1002", "LIMIT = 1003", {"first"}),
        ("ch0799_fake.py", 'section.picture("nothing")', 'section.picture("all")', set()),
        ("ch0799_fake.py", "at_most=0", "at_most=1", {"first"}),
        ("ch0799_fake.py", "OTHER = 7", "OTHER = 8", {"second"}),
    ],
)
def test_a_key_changes_with_what_the_numbers_depend_on(project, file, before, after, changed):
    keys = dependencies.keys("ch0799_fake")
    path = project / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    now = dependencies.keys("ch0799_fake")
    assert {name for name in keys if keys[name] != now[name]} == changed


def test_a_key_changes_with_a_package(project, monkeypatch):
    before = dependencies.keys("ch0799_fake")
    monkeypatch.setattr(dependencies.metadata, "version", lambda name: "0")
    for name, key in dependencies.keys("ch0799_fake").items():
        (code, packages), (same, others) = key.split("-"), before[name].split("-")
        assert code == same
        assert packages != others


# The evidence itself


@pytest.mark.slow
@pytest.mark.parametrize("script", [*evidence.SCRIPTS, *evidence.EXERCISES])
def test_every_lesson_and_exercise_has_twenty_runs_of_its_present_code(script):
    rows = {row["lesson"]: row for row in rows_of(evidence.SECONDS)}
    keys = dependencies.keys(script)
    stale = [name for name, key in keys.items() if rows[name]["key"] != key]
    if len(stale) == len(keys):
        pytest.skip("the packages are others than those that the evidence was gathered with")
    assert stale == [], "gather evidence anew: python -m tools.evidence"
    assert min(int(rows[name]["runs"]) for name in keys) >= 20


@pytest.mark.parametrize("script", evidence.SCRIPTS)
def test_the_numbers_to_remember_are_those_of_the_evidence(script):
    for lesson in lessons.read(script).lessons:
        known = []
        for row in (row for row in rows_of(evidence.EVIDENCE) if row["lesson"] == lesson.name):
            known.append(float(row["median"]))
            if row["unit"] == "powers of ten":  # the share too
                known.append(10 ** -float(row["median"]))
            others = filter(None, row["compared_with"].split("; "))
            known += [float(other.rpartition(" ")[2]) for other in others]
        numbers = {of: re.findall(r"\d+\.\d+", text) for of, text in lesson.remember.items()}
        assert numbers["en"] == numbers["zh"], lesson.name
        for number in numbers["en"]:
            places = len(number.partition(".")[2])
            assert float(number) in {round(value, places) for value in known}, lesson.name


def test_claims_hold_on_seeds_that_no_other_round_had():
    seen = set()
    for row in rows_of(evidence.ROUNDS):
        assert int(row["seed"]) >= evidence.FIRST
        assert row["profile"] == evidence.profile_of(int(row["seed"]))
        runs = {(row["script"], lesson, row["seed"]) for lesson in row["lessons"].split()}
        assert not runs & seen
        seen |= runs
    assert seen
    for row in rows_of(evidence.EVIDENCE):
        assert int(row["held"]) > 0.95 * int(row["runs"]), row["claim"]
