"""Section: command line, console, record and exit status, on a script that runs in no time."""

import functools
import json
import re
import runpy
import signal
import sys

import pytest

from ch07.lab import lessons, program, startup

WORDS = """
number = "7.8"
title = { en = "A section of its own", zh = "" }
[accuracy]
title = { en = "A title", zh = "" }
test = { en = "What the first lesson puts to the test.", zh = "" }
remember = { en = "The first thing.", zh = "" }
[depth]
title = { en = "Another title", zh = "" }
test = { en = "What the second lesson puts to the test.", zh = "" }
remember = { en = "The second thing.", zh = "" }
why = { en = "Because.", zh = "" }
"""

HEAD = """
from ch07 import lab
import keras
import numpy as np
from ch07.plots.common import bars, row
section = lab.Section("ch0799_example", folders=["my_log_dir"],
    commands={"--extra": {"action": "store_true", "help": "do something else"}},
    options={"--trials": {"type": int, "default": 3, "help": "how many"}})
"""
ACCURACY = """
if section.lesson("7.8.1", "accuracy"):
    value = np.random.default_rng(section.seed).random()
    weights = keras.layers.Dense(3)(np.ones((1, 2), "float32"))
    section.claim("Data follow the seed", value, "units", at_least=0, compared_with={"chance": 0.5})
    section.claim("Weights follow the seed", float(weights[0, 0]), "units", at_least=-9)
    section.picture(row(bars({"one": 1.0}, "units")))
    section.remember()
"""
DEPTH = """
if section.lesson("7.8.2", "depth"):
    section.claim("Cannot hold", 2, "layers", at_least=3)
    section.remember()
"""
END = """
if section.options.get("extra"):
    section.say(f"extra {section.options['trials']}")
section.finish()
"""
NAME = "ch0799_example"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A function that writes the script, of the cells that it is given."""
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    monkeypatch.setattr(lessons, "WORDS", tmp_path)
    # Not kept from one script to the next.
    monkeypatch.setattr(lessons, "read", functools.cache(lessons.read.__wrapped__))
    monkeypatch.setattr(startup, "heard", [])
    (tmp_path / f"{NAME}.toml").write_text(WORDS, encoding="utf-8")
    path = tmp_path / f"{NAME}.py"

    def write(*cells):
        path.write_text("".join([HEAD, *cells, END]), encoding="utf-8")
        lessons.read.cache_clear()
        return path

    return write


@pytest.fixture
def run(script, monkeypatch):
    """A function that runs the script as a program; gives its exit status."""

    def program(*arguments, cells=(ACCURACY, DEPTH)):
        path = str(script(*cells))
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(path, run_name="__main__")
        return ended.value.code

    return program


def record(output):
    path = output / "my_figures" / NAME / "claims.json"
    return json.loads(path.read_text(encoding="utf-8"))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_status_0_where_every_claim_holds(run, tmp_path, capsys):
    assert run("--output", tmp_path / "out", cells=[ACCURACY]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1:3] == [
        "7.8.1 A title",
        "  What the first lesson puts to the test.",
    ]
    assert "  ok  Data follow the seed: 0.637 units (chance 0.500)" in out
    assert "  Remember: The first thing." in out
    assert "  1 lesson, 2 of 2 claims hold" in out
    assert err == ""
    assert NAME in out.splitlines()[-1]  # where the pictures are


def test_status_1_where_a_claim_does_not_hold_and_the_summary_says_which(run, tmp_path, capsys):
    assert run("--output", tmp_path / "out") == 1
    out = capsys.readouterr().out
    assert "  NO  Cannot hold: 2 layers, at least 3" in out.splitlines()
    assert "  Why: Because." in out
    summary = " ".join(out.partition("\nSummary\n")[2].split())
    assert "2 lessons, 2 of 3 claims hold" in summary
    assert "NO 7.8.2 depth: Cannot hold: 2 layers, at least 3. Processors" in summary
    assert f"python {NAME}.py depth --seed 1" in summary
    assert [claim["holds"] for claim in record(tmp_path / "out")["claims"]] == [True, True, False]


def test_the_summary_says_how_often_a_missed_claim_held_before(run, tmp_path, capsys, monkeypatch):
    known = {"held": "35", "runs": "36", "low": "2.5", "high": "4"}
    monkeypatch.setattr(
        program, "evidence", lambda claim: known if claim.sentence == "Cannot hold" else None
    )
    run("--output", tmp_path / "out")
    summary = " ".join(capsys.readouterr().out.split())
    assert "In 35 of 36 recorded runs it held, with values from 2.500 to 4." in summary


def test_no_line_is_longer_than_100_columns(run, tmp_path, capsys):
    long = DEPTH.replace("Cannot hold", "A sentence that goes on and on and on " * 4)
    run("--output", tmp_path / "out", cells=[ACCURACY, long])
    path = str(tmp_path)  # which may be of any length
    lines = [line for line in capsys.readouterr().out.splitlines() if path not in line]
    assert max(map(len, lines)) <= 100


def test_the_record_says_everything_about_a_claim(run, tmp_path):
    run("--output", tmp_path / "out", "--seed", "5")
    saved = record(tmp_path / "out")
    assert saved["run"]["seed"] == 5
    assert saved["run"]["script"] == f"{NAME}.py"
    claim = saved["claims"][0]
    assert claim["seconds"] > 0
    assert {k: claim[k] for k in ("section", "lesson", "claim", "unit", "holds")} == {
        "section": "7.8.1",
        "lesson": "accuracy",
        "claim": "Data follow the seed",
        "unit": "units",
        "holds": True,
    }
    assert claim["bound"] == {"at_least": 0.0, "at_most": None}
    assert claim["compared_with"] == {"chance": 0.5}


def test_a_lesson_gives_the_same_numbers_alone_and_within_the_section(run, tmp_path):
    values = []
    for wanted in ([], ["accuracy"]):
        run("--output", tmp_path / "out", "--seed", 1, *wanted, cells=[DEPTH, ACCURACY])
        claims = record(tmp_path / "out")["claims"]
        values.append([claim["value"] for claim in claims if claim["lesson"] == "accuracy"])
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ([], ["accuracy", "depth"]),
        (["7.8"], ["accuracy", "depth"]),
        (["7"], ["accuracy", "depth"]),
        (["7.8.2"], ["depth"]),
        (["depth", "7.8.1"], ["accuracy", "depth"]),
        (["depth", "7.8.2"], ["depth"]),
    ],
)
def test_lessons_are_chosen_by_number_or_name_in_the_order_of_the_book(wanted, chosen, script):
    script(ACCURACY, DEPTH)
    assert [one.name for one in lessons.choose(lessons.read(NAME), wanted)] == chosen


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["7.9"], "no section or lesson '7.9' here: choose from 7.8.1, 7.8.2, 7.8, or a name"),
        (["7.8.12"], "there is no section or lesson '7.8.12' here"),
        (["7.8.1", "eight"], "there is no section or lesson 'eight' here"),
        (["--seed", "-1"], "not '-1'"),
        (["--seed", "1.5"], "a seed is a whole number from 0 to 4294967295, not '1.5'."),
        (["--seed", "4294967296"], "not '4294967296'"),
        (["--seed"], "argument --seed: expected one argument"),
        (["--sead", "1"], "unrecognized arguments: --sead"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_status_2(arguments, sentence, run, tmp_path, capsys):
    assert run("--output", tmp_path / "new", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{NAME}.py: error: ")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["", "my_log_dir"])
def test_a_file_in_the_place_of_a_folder_is_refused_and_left_alone(name, run, tmp_path, capsys):
    taken = tmp_path / "out" / name
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("mine", encoding="utf-8")
    assert run("--output", tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "choose another --output" in err
    assert taken.read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_an_output_that_cannot_be_written_to_is_refused(run, capsys):
    # Not even root may make a directory in /proc.
    assert run("--output", "/proc/new") == 2
    assert "cannot write to '/proc/new/" in capsys.readouterr().err


def test_a_second_run_keeps_the_record_of_the_first_and_redraws_the_picture(run, tmp_path):
    out = tmp_path / "out"
    run("--output", out, "--seed", 1)
    run("--output", out, "--seed", 2)
    history = out / "my_figures" / NAME / "claims"
    seeds = [json.loads(p.read_text(encoding="utf-8"))["run"]["seed"] for p in history.iterdir()]
    assert sorted(seeds) == [1, 2]
    assert record(out)["run"]["seed"] == 2
    assert [path.name for path in out.rglob("*.png")] == ["accuracy.png"]


def test_the_list_names_every_lesson_and_writes_nothing(run, tmp_path, capsys):
    assert run("--output", tmp_path / "new", "--list") == 0
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "7.8.1  accuracy: A title",
        "What the first lesson puts to the test.",
        "7.8.2  depth: Another title",
        "What the second lesson puts to the test.",
    ]
    assert not (tmp_path / "new").exists()


def test_help_explains_every_option_and_the_exit_status(run, capsys):
    assert run("--help") == 0
    out = capsys.readouterr().out
    words = ("SECTION", "--list", "--seed N", "--output DIR", "Exit status", "130", "else")
    assert [word for word in words if word not in out] == []


def test_a_command_runs_no_lesson_unless_one_is_asked_for(run, tmp_path, capsys):
    assert run("--output", tmp_path / "out", "--extra", "--trials", 7) == 0
    out = capsys.readouterr().out
    assert "extra 7" in out
    assert "7.8.1" not in out
    assert run("--output", tmp_path / "out", "--extra", "7.8.1") == 0
    assert "7.8.1" in capsys.readouterr().out


def test_an_option_alone_runs_the_lessons(run, tmp_path, capsys):
    assert run("--output", tmp_path / "out", "--trials", 7, cells=[ACCURACY]) == 0
    assert "7.8.1" in capsys.readouterr().out


def test_each_training_gets_a_folder_of_its_own(run, tmp_path):
    cell = DEPTH.replace(
        '    section.claim("Cannot hold", 2, "layers", at_least=3)',
        '    folders = [section.folder_for("net") for _ in range(3)] + [section.log_dir("net")]',
    )
    run("--output", tmp_path / "out", cells=[cell])
    run("--output", tmp_path / "out", cells=[cell])
    made = [path for path in (tmp_path / "out").glob("my_[lt]*/*") if path.is_dir()]
    assert len(made) == 8
    for folder in made:
        assert re.fullmatch(r"\d{8}-\d{6}-net(-\d+)?", folder.name)  # no colon: Windows


# Endings that nobody planned


@pytest.fixture
def end(script, monkeypatch):
    """A function that runs the script, whose last cell fails, as sys.excepthook sees it."""

    def program(*arguments, cells):
        path = str(script(*cells))
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        monkeypatch.setattr(sys, "excepthook", startup.interrupted)
        monkeypatch.setattr(startup, "leave", sys.exit)
        failed = None
        try:
            runpy.run_path(path, run_name="__main__")
        except (KeyboardInterrupt, Exception) as error:
            failed = error
        monkeypatch.setattr(sys, "__excepthook__", lambda *_: sys.exit(1))
        with pytest.raises(SystemExit) as ended:
            sys.excepthook(type(failed), failed, failed.__traceback__)
        return ended.value.code

    return program


def failing(statement):
    return DEPTH.replace("    section.remember()", f"    {statement}")


def test_ctrl_c_ends_with_130_and_keeps_what_is_finished(end, tmp_path, capsys):
    out = tmp_path / "out"
    assert end("--output", out, cells=[ACCURACY, failing("raise KeyboardInterrupt")]) == 130
    assert [claim["lesson"] for claim in record(out)["claims"]] == ["accuracy", "accuracy"]
    assert "\nInterrupted\n  1 lesson, 2 of 2 claims hold" in capsys.readouterr().out


def test_ctrl_c_of_which_compiled_code_makes_an_error(end, tmp_path, monkeypatch):
    cell = failing("raise SystemError('bad argument to internal function')")
    assert end("--output", tmp_path / "out", cells=[ACCURACY, cell]) == 1
    heard = "from ch07.lab import startup; startup.heard.append(2)\n    "
    cell = failing(heard + "raise SystemError('bad argument to internal function')")
    assert end("--output", tmp_path / "out", cells=[ACCURACY, cell]) == 130


def test_ctrl_c_that_compiled_code_swallows_ends_the_run_at_the_next_step(end, tmp_path):
    cell = failing(f"from ch07.lab import startup; startup.heard.append({signal.SIGINT:d})")
    out = tmp_path / "out"
    assert end("--output", out, cells=[ACCURACY, cell]) == 130
    assert [claim["lesson"] for claim in record(out)["claims"]] == ["accuracy", "accuracy"]


def test_ctrl_c_before_the_first_lesson_is_finished_leaves_an_earlier_record_alone(
    run, end, tmp_path
):
    run("--output", tmp_path / "out", cells=[ACCURACY])
    before = contents(tmp_path / "out")
    assert end("--output", tmp_path / "out", cells=[failing("raise KeyboardInterrupt")]) == 130
    assert contents(tmp_path / "out") == before


def test_a_disk_that_fills_up_ends_in_one_sentence_and_keeps_what_is_finished(
    end, tmp_path, capsys
):
    out = tmp_path / "out"
    full = failing("raise OSError(28, 'No space left on device', 'a.png')")
    assert end("--output", out, cells=[ACCURACY, full]) == 2
    err = capsys.readouterr().err
    assert "the run ended early: [Errno 28] No space left on device: 'a.png'." in err
    assert len(err.splitlines()) == 1
    assert {claim["lesson"] for claim in record(out)["claims"]} == {"accuracy"}


def test_an_error_in_a_lesson_is_a_traceback_and_keeps_what_is_finished(end, tmp_path):
    out = tmp_path / "out"
    assert end("--output", out, cells=[ACCURACY, failing("raise RuntimeError")]) == 1
    assert {claim["lesson"] for claim in record(out)["claims"]} == {"accuracy"}


def test_damaged_records_of_earlier_runs_harm_no_later_one(run, tmp_path):
    out = tmp_path / "out"
    run("--output", out, cells=[ACCURACY])
    whole = (out / "my_figures" / NAME / "claims.json").read_bytes()
    for content in (b"", whole[:100], b"\xff" + whole[1:]):
        for path in out.rglob("*.json"):
            path.write_bytes(content)
        before = contents(out / "my_figures" / NAME / "claims")
        assert run("--output", out, cells=[ACCURACY]) == 0
        assert len(record(out)["claims"]) == 2
        assert {path: path.read_bytes() for path in before} == before


# Cells and imports


def test_imported_no_lesson_runs_and_nothing_is_written(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a_program_of_the_reader.py", "--nonsense"])
    runpy.run_path(str(script(ACCURACY, DEPTH)), run_name="ch0799_example")
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cells(script, tmp_path, monkeypatch):
    """A namespace in which a console has run the head of the script, and a function for cells."""
    script(ACCURACY, DEPTH)
    monkeypatch.setattr(sys, "argv", ["", "--nonsense"])
    monkeypatch.setattr(program, "HOME", tmp_path / "home")
    namespace = {"__name__": "__main__"}

    def execute(text):
        exec(compile(text, "<input>", "exec"), namespace)
        return namespace

    execute(HEAD)
    return execute


def test_a_cell_runs_any_number_of_times_and_leaves_its_variables(cells, tmp_path, capsys):
    values = []
    for _ in range(3):
        found = cells(ACCURACY)
        values.append((found["value"], float(found["weights"][0, 0])))
        assert len(found["section"].claims) == 2
    assert len(set(values)) == 1
    cells(DEPTH)
    cells(ACCURACY)
    assert [claim.lesson for claim in found["section"].claims] == ["accuracy", "accuracy"]
    assert capsys.readouterr().out.count("7.8.1 A title") == 4
    assert [path.name for path in tmp_path.rglob("home/my_figures/*/*")] == ["accuracy.png"]


def test_a_cell_whose_lesson_has_no_words_says_so(cells):
    with pytest.raises(KeyError, match="there are no words for the lesson 'a_new_one'"):
        cells(ACCURACY.replace('"accuracy")', '"a_new_one")', 1))


def test_finish_leaves_a_console_as_it_is(cells):
    cells(DEPTH)
    cells("section.finish()")
    assert cells("after = 1")["after"] == 1


def test_run_as_a_file_in_a_console_the_arguments_count_and_the_session_goes_on(
    script, tmp_path, monkeypatch, capsys
):
    path = str(script(ACCURACY, DEPTH))
    monkeypatch.setattr(sys, "argv", [path, "7.8.2", "--output", str(tmp_path / "out")])
    monkeypatch.setattr(startup, "interactive", lambda: True)
    namespace = runpy.run_path(path, run_name="__main__")  # no SystemExit, though a claim fails
    assert "value" not in namespace
    assert "1 lesson, 0 of 1 claim holds" in capsys.readouterr().out
    # Afterwards a cell of that console runs, whatever the arguments were.
    exec(compile(ACCURACY, "<input>", "exec"), namespace)
    assert namespace["value"] == pytest.approx(0.637, abs=1e-3)


def test_a_cell_of_another_console_is_not_misled_by_its_file_name(script, tmp_path, monkeypatch):
    # Spyder compiles a cell under the name of its file, with arguments of its own.
    path = str(script(ACCURACY, DEPTH))
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.setattr(program, "HOME", tmp_path / "home")
    namespace = {"__name__": "__main__"}
    exec(compile(HEAD + ACCURACY, path, "exec"), namespace)
    assert namespace["section"].program is None
    assert "value" in namespace
