"""The command line, the console and the exit status, on a section that runs in no time."""

import json
import re
import signal
import sys

import keras
import numpy as np
import pytest

from ch07 import figures, startup
from ch07.lab import Section


def accuracy(run):
    """What the first lesson puts to the test."""
    value = np.random.default_rng(run.seed).random()
    weights = keras.layers.Dense(3)(np.ones((1, 2), "float32"))
    run.claim("Data follow the seed", value, "units", at_least=0, chance=0.5)
    run.claim("Weights follow the seed", float(weights[0, 0]), "units", at_least=-9)
    run.quote("a message")
    run.picture(figures.row(figures.bars({"one": 1.0}, "units")))


def depth(run):
    """What the second lesson puts to the test."""
    run.claim("Cannot hold", 2, "layers", at_least=3)


def glance(run):
    run.claim("All claims before", len(run.claims), "claims", at_least=0)


def section(*experiments) -> Section:
    made = Section("7.8", "A section of its own")
    for number, experiment in enumerate(experiments, start=1):
        declare = made.lesson(f"7.8.{number}", "A title", summary=experiment is glance)
        declare(experiment)
    return made


@pytest.fixture(autouse=True)
def as_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ch0799_example.py"])


def run(made, *arguments):
    """The exit status of a run."""
    with pytest.raises(SystemExit) as ended:
        made.main([str(argument) for argument in arguments])
    return ended.value.code


def record(output):
    path = output / "my_figures" / "ch0799_example" / "claims.json"
    return json.loads(path.read_text(encoding="utf-8"))


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_status_0_where_every_claim_holds(tmp_path, capsys):
    assert run(section(accuracy), "--output", tmp_path) == 0
    out, err = capsys.readouterr()
    assert "1 lessons, 2 of 2 claims hold" in out
    assert "Keras says: a message" in out
    assert err == ""
    assert "ch0799_example" in out.splitlines()[-1]  # where the pictures are


def test_status_1_where_a_claim_does_not_hold(tmp_path, capsys):
    assert run(section(accuracy, depth), "--output", tmp_path) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "Cannot hold" in line)
    assert " ".join(line.split()) == "Cannot hold 2 layers at least 3 does not hold"
    assert [claim["holds"] for claim in record(tmp_path)["claims"]] == [True, True, False]


def test_columns_of_claims_are_aligned(tmp_path, capsys):
    run(section(accuracy), "--output", tmp_path)
    lines = [line for line in capsys.readouterr().out.splitlines() if "the seed" in line]
    assert len({line.index("holds") for line in lines}) == 1
    assert len({line.index("at least") for line in lines}) == 1


def test_the_record_says_everything_about_a_claim(tmp_path):
    run(section(accuracy), "--output", tmp_path, "--seed", "5")
    saved = record(tmp_path)
    assert saved["run"]["seed"] == 5
    assert saved["run"]["script"] == "ch0799_example.py"
    claim = saved["claims"][0]
    assert claim["value"] == np.random.default_rng(5).random()
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


def test_a_lesson_gives_the_same_numbers_alone_and_within_the_section(tmp_path):
    run(section(depth, accuracy), "--output", tmp_path / "all", "--seed", 1)
    run(section(depth, accuracy), "--output", tmp_path / "one", "--seed", 1, "7.8.2")
    values = [
        [c["value"] for c in record(tmp_path / name)["claims"] if c["lesson"] == "accuracy"]
        for name in ("all", "one")
    ]
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("wanted", "lessons"),
    [
        ([], ["accuracy", "depth"]),
        (["7.8"], ["accuracy", "depth"]),
        (["7"], ["accuracy", "depth"]),
        (["7.8.2"], ["depth"]),
        (["7.8.2", "7.8.1"], ["accuracy", "depth"]),
        (["7.8.2", "7.8.2"], ["depth"]),
    ],
)
def test_sections_are_chosen_by_number_in_the_order_of_the_book(wanted, lessons):
    assert [lesson.name for lesson in section(accuracy, depth).choose(wanted)] == lessons


def test_a_summary_asks_for_the_whole_section():
    made = section(accuracy, depth, glance)
    assert [lesson.name for lesson in made.choose(["7.8.3"])] == ["accuracy", "depth", "glance"]
    assert [lesson.name for lesson in made.choose(["7.8.1"])] == ["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["7.9"], "there is no section '7.9' here: choose from 7.8.1, 7.8.2, or 7.8."),
        (["7.8.12"], "there is no section '7.8.12' here"),
        (["7.8.1", "eight"], "there is no section 'eight' here"),
        (["--seed", "-1"], "not '-1'"),
        (["--seed", "1.5"], "a seed is a whole number from 0 to 4294967295, not '1.5'."),
        (["--seed", "4294967296"], "not '4294967296'"),
        (["--seed"], "argument --seed: expected one argument"),
        (["--sead", "1"], "unrecognized arguments: --sead"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_status_2(arguments, sentence, tmp_path, capsys):
    assert run(section(accuracy, depth), "--output", tmp_path / "new", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ch0799_example.py: error: ")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_an_output_that_is_a_file_is_refused_and_left_alone(tmp_path, capsys):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    assert run(section(accuracy), "--output", tmp_path / "taken") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_an_output_that_cannot_be_written_to_is_refused(capsys):
    # Not even root may make a directory in /proc.
    assert run(section(accuracy), "--output", "/proc/new") == 2
    assert "cannot write to '/proc/new/" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_keeps_what_is_finished(tmp_path, capsys):
    def interrupted(run):
        run.claim("Measured but not finished", 1, "units", at_least=0)
        raise KeyboardInterrupt

    assert run(section(accuracy, interrupted, depth), "--output", tmp_path) == 130
    assert [claim["lesson"] for claim in record(tmp_path)["claims"]] == ["accuracy", "accuracy"]
    assert "1 lessons, 2 of 2 claims hold" in capsys.readouterr().out


@pytest.mark.parametrize("error", [SystemError("bad argument to internal function"), None])
def test_ctrl_c_of_which_compiled_code_makes_an_error_or_nothing(error, tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "heard", [signal.SIGINT])  # of an earlier run in a console
    pressed = False

    def misused(run):
        if pressed:
            startup.heard.append(signal.SIGINT)
        if error:
            raise error

    if error:
        with pytest.raises(SystemError):
            run(section(misused), "--output", tmp_path)
    else:
        assert run(section(misused), "--output", tmp_path) == 0
    pressed = True
    assert run(section(accuracy, misused, depth), "--output", tmp_path) == 130
    assert [claim["lesson"] for claim in record(tmp_path)["claims"]] == ["accuracy", "accuracy"]
    made = section(accuracy)
    made.command("--board")(misused)
    assert run(made, "--board", "--output", tmp_path) == 130


def test_ctrl_c_before_the_first_lesson_is_finished_leaves_an_earlier_record_alone(tmp_path):
    def interrupted(run):
        raise KeyboardInterrupt

    run(section(accuracy), "--output", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(section(interrupted), "--output", tmp_path) == 130
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_second_run_keeps_the_record_of_the_first_and_redraws_the_picture(tmp_path):
    run(section(accuracy), "--output", tmp_path, "--seed", 1)
    run(section(accuracy), "--output", tmp_path, "--seed", 2)
    history = tmp_path / "my_figures" / "ch0799_example" / "claims"
    seeds = [json.loads(p.read_text(encoding="utf-8"))["run"]["seed"] for p in history.iterdir()]
    assert sorted(seeds) == [1, 2]
    assert record(tmp_path)["run"]["seed"] == 2
    assert [name for name in files(tmp_path) if name.endswith(".png")] == ["accuracy.png"]


def test_the_list_names_every_lesson_and_writes_nothing(tmp_path, capsys):
    assert run(section(accuracy, depth), "--output", tmp_path / "new", "--list") == 0
    out = capsys.readouterr().out
    assert [line.strip() for line in out.splitlines()] == [
        "7.8.1  A title",
        "What the first lesson puts to the test.",
        "7.8.2  A title",
        "What the second lesson puts to the test.",
    ]
    assert not (tmp_path / "new").exists()


def with_command(*experiments):
    """A section with an option of its own, and what that option has done."""
    made, done = section(*experiments), []

    @made.command("--extra")
    def extra(run):
        """do something else"""
        done.append((run.seed, len(run.claims), float(np.random.random())))

    return made, done


def test_an_option_of_the_section_runs_no_lesson_by_itself(tmp_path):
    made, done = with_command(accuracy)
    assert run(made, "--output", tmp_path, "--extra", "--seed", 3) == 0
    assert [(seed, claims) for seed, claims, _ in done] == [(3, 0)]
    assert files(tmp_path) == []


def test_an_option_of_the_section_follows_the_lessons_asked_for_from_a_state_of_its_own(tmp_path):
    made, done = with_command(accuracy, depth)
    assert run(made, "--output", tmp_path, "--extra", "--seed", 3) == 0
    assert run(made, "--output", tmp_path, "--extra", "--seed", 3, "7.8.2") == 1
    assert [claims for _, claims, _ in done] == [0, 1]
    assert done[0][2] == done[1][2]
    assert [claim["lesson"] for claim in record(tmp_path)["claims"]] == ["depth"]


def test_an_option_of_the_section_is_in_the_help_and_runs_only_when_given(tmp_path, capsys):
    made, done = with_command(accuracy)
    assert run(made, "--help") == 0
    assert "do something else" in capsys.readouterr().out
    assert run(made, "--output", tmp_path) == 0
    assert done == []


def test_ctrl_c_in_what_an_option_does_ends_with_130(tmp_path):
    made = section(accuracy)

    @made.command("--board")
    def board(run):
        raise KeyboardInterrupt

    assert run(made, "7.8.1", "--board", "--output", tmp_path) == 130
    assert [claim["lesson"] for claim in record(tmp_path)["claims"]] == ["accuracy", "accuracy"]


def test_each_training_gets_a_folder_of_its_own(tmp_path, capsys):
    folders = []

    def train(run):
        for _ in range(3):
            folders.append(run.folder_for("net"))
            folders.append(run.log_dir("net"))
        run.notes.append("the last word")

    assert run(section(train), "--output", tmp_path) == 0
    assert run(section(train), "--output", tmp_path) == 0
    assert len(set(folders)) == 12
    assert {folder.parent.name for folder in folders} == {"my_trainings", "my_log_dir"}
    for folder in folders:
        assert folder.is_dir()
        assert re.fullmatch(r"\d{8}-\d{6}-net(-\d+)?", folder.name)  # no colon: Windows
    assert capsys.readouterr().out.splitlines()[-1] == "  the last word"


def test_a_log_directory_that_is_a_file_is_refused_before_the_first_lesson(tmp_path, capsys):
    (tmp_path / "my_log_dir").write_text("mine", encoding="utf-8")
    made = Section("7.8", "A section of its own", folders=["my_log_dir"])
    made.lesson("7.8.1", "A title")(accuracy)
    assert run(made, "--output", tmp_path) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "my_log_dir" in err
    assert (tmp_path / "my_log_dir").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "my_figures").exists()


def test_help_explains_every_option_and_the_exit_status(capsys):
    assert run(section(accuracy), "--help") == 0
    out = capsys.readouterr().out
    for words in ("SECTION", "--list", "--seed N", "--output DIR", "Exit status", "130"):
        assert words in out


def test_a_disk_that_fills_up_ends_in_one_sentence_and_keeps_what_is_finished(
    tmp_path, monkeypatch, capsys
):
    def full(run):
        def write_nothing(path, content):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr("ch07.figures.write_aside", write_nothing)
        run.picture(figures.row(figures.bars({"one": 1.0}, "units")))

    assert run(section(accuracy, full), "--output", tmp_path) == 2
    err = capsys.readouterr().err
    assert "the run ended early: [Errno 28] No space left on device" in err
    assert len(err.splitlines()) == 1
    assert {claim["lesson"] for claim in record(tmp_path)["claims"]} == {"accuracy"}


def test_options_with_values_reach_the_job_and_a_job_of_two_options_runs_once(tmp_path, capsys):
    made, seen = section(accuracy), []

    def job(run):
        seen.append(dict(run.options))

    made.option("--trials", type=int, default=30, help="how many")
    made.command("--study", metavar="URL", help="where")(made.command("--engine")(job))
    made.command("--other", metavar="X", help="which")(job)
    assert run(made, "--output", tmp_path, "--study", "u", "--other", "x", "--trials", "4") == 0
    assert seen == [{"study": "u", "other": "x", "trials": 4}]
    assert "claims hold" not in capsys.readouterr().out  # no lesson
    assert run(made, "--output", tmp_path, "--trials", "4") == 0
    assert len(seen) == 1
