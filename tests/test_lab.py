"""Section, on a script that runs in no time: command line, record, page, status, language."""

import ast
import contextlib
import functools
import html
import io
import json
import re
import runpy
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from ch07.lab import language, lessons, page, program, section, startup
from ch07.lab.claims import Claim
from ch07.plots import common

WORDS = """
number = "7.8"
title = { en = "A section of its own", zh = "" }
[accuracy]
title = { en = "A title", zh = "\u6807\u9898" }
test = { en = "What the first lesson puts to the test.", zh = "" }
predict = { en = "Which number?", zh = "" }
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
if section.lesson("7.8.12", "depth"):
    section.claim("Cannot hold <", 2, "layers", at_least=3)
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
    monkeypatch.setattr(program, "HOME", tmp_path / "home")
    (tmp_path / f"{NAME}.toml").write_text(WORDS, encoding="utf-8")

    def write(*cells):
        path = tmp_path / f"{NAME}.py"
        path.write_text("".join([HEAD, *cells, END]), encoding="utf-8")
        lessons.read.cache_clear()
        return str(path)

    return write


@pytest.fixture
def run(script, out, monkeypatch, capsys):
    """A function that runs the script as a program: its status, what it prints, its record."""
    monkeypatch.setattr(startup, "leave", sys.exit)
    monkeypatch.setattr(sys, "__excepthook__", lambda *_: sys.exit(1))  # prints a traceback

    def program(*arguments, cells=(ACCURACY, DEPTH)):
        path = script(*cells)
        startup.heard.clear()
        monkeypatch.setattr(sys, "argv", [path, "--output", str(out), *arguments])
        monkeypatch.setattr(sys, "excepthook", startup.interrupted)
        capsys.readouterr()
        with contextlib.ExitStack() as stack:
            ended = stack.enter_context(pytest.raises(SystemExit))
            stack.push(lambda *error: error[0] is not SystemExit and sys.excepthook(*error))
            runpy.run_path(path, run_name="__main__")
        printed, err = capsys.readouterr()
        kept = out / "my_figures" / NAME / "claims.json"
        record = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None
        return SimpleNamespace(status=ended.value.code, out=printed, err=err, record=record)

    return program


@pytest.fixture
def out(tmp_path):
    """What the script writes to, which is not there yet; its name has to be escaped."""
    return tmp_path / "my <out>"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_status_0_where_every_claim_holds_and_a_second_run_leaves_what_the_first_kept(run, out):
    cell = ACCURACY + "    [section.folder_for('net') for _ in '123'] + [section.log_dir('net')]\n"
    assert run("--seed", "1", cells=[cell]).status == 0
    ended = run(cells=[cell])
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("\n7.8.1 A title\n  What the first lesson puts to the test.\n")
    assert "  ok  Data follow the seed: 0.637 units (chance 0.500)" in ended.out
    assert "  Remember: The first thing." in ended.out
    assert "  1 lesson, 2 of 2 claims hold" in ended.out
    history = (out / "my_figures" / NAME / "claims").iterdir()
    seeds = [json.loads(path.read_text(encoding="utf-8"))["run"]["seed"] for path in history]
    assert sorted(seeds) == [0, 1]
    assert ended.record["run"]["seed"] == 0
    assert [path.name for path in out.rglob("*.png")] == ["accuracy.png"]
    # Each training has a folder of its own, without a colon: Windows.
    folders = [path.name for path in out.glob("my_[lt]*/*") if path.is_dir()]
    assert len([name for name in folders if re.fullmatch(r"\d{8}-\d{6}-net(-\d+)?", name)]) == 8


def page_of(output):
    """The page of a run: where it is, its text, and what it refers to."""
    path = output / "my_figures" / NAME / "index.html"
    source = path.read_text(encoding="utf-8")
    tags = Counter(re.findall(r"<(/?[a-z]\w*)", source))
    paired = {tag for tag in tags if tag[0] != "/"} - {"meta", "img"}
    assert all(tags[tag] == tags[f"/{tag}"] for tag in paired)
    text = html.unescape(re.sub("<.*?>", "", source, flags=re.DOTALL))
    return path, text, re.findall(r'(?:src|href)="(.*?)"', source)


def test_status_1_where_a_claim_fails_which_summary_record_and_page_say_that_show_opens(
    run, out, monkeypatch
):
    opened, known = [], {"held": "35", "runs": "36", "low": "2.5", "high": "4"}
    monkeypatch.setattr(program.webbrowser, "open", opened.append)
    for module in (program, page):
        monkeypatch.setattr(module, "evidence", lambda claim: None if claim.holds else known)
    # The page is there as soon as a lesson has ended.
    look = "    page = (section.folder / 'index.html').read_text()\n"
    look += "    assert 'Data follow' in page and 'Cannot hold' not in page\n"
    ended = run("--seed", "5", "--show", cells=[ACCURACY, DEPTH + look])
    assert ended.status == 1
    assert "\n  NO  Cannot hold <: 2 layers, at least 3\n" in ended.out
    assert "  Why: Because." in ended.out
    summary = " ".join(ended.out.partition("\nSummary\n")[2].split())
    assert "2 lessons, 2 of 3 claims hold" in summary
    assert "NO 7.8.12 depth: Cannot hold <: 2 layers, at least 3. In 35 of 36" in summary
    assert "recorded runs it held, with values from 2.500 to 4. Processors" in summary
    assert f"python {NAME}.py depth --seed 1" in summary
    # But for the path, which may be of any length, no line is longer than 100 columns.
    assert max(len(line) for line in ended.out.splitlines() if "my_figures" not in line) <= 100

    saved = ended.record
    assert (saved["run"]["seed"], saved["run"]["script"]) == (5, f"{NAME}.py")
    assert [claim["holds"] for claim in saved["claims"]] == [True, True, False]
    assert saved["claims"][2]["seconds"] > 0
    kept = Claim.from_record(saved["claims"][2])
    assert kept == Claim("7.8.12", "depth", "Cannot hold <", 2.0, "layers", at_least=3.0)

    path, seen, links = page_of(out)
    texts = ["A section of its own", "The first thing.", "Cannot hold <: 2 layers, at least 3"]
    texts += ["36 recorded runs: 2.500 to 4, held in 35", "2 of 3 claims hold"]
    assert [text for text in texts if text not in seen] == []
    assert "accuracy.png" in links
    assert not [link for link in links if "://" in link]  # nothing from elsewhere
    files = [link.partition("#")[0] for link in links if link[0] != "#"]
    assert all((path.parent / file).exists() for file in files)
    assert opened == [path.as_uri()] == [ended.out.splitlines()[-1].strip()]
    assert "%3Cout%3E" in opened[0]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("perhaps\n50%\n", ["A number, please", "You guessed 0.500, measured was 0.637: Data"]),
        ("\n", []),  # Enter passes
        ("", ["Standard input does not answer"]),
    ],
)
def test_with_predict_guess_and_outcome_stand_side_by_side(answers, told, run, out, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    printed = run("--predict", cells=[ACCURACY]).out
    assert printed.count("Predict: Which number?") == 1
    said = re.findall("A number, please|You guessed .*Data|Standard input does not answer", printed)
    assert said == told
    assert ("You guessed 0.500" in page_of(out)[1]) == (len(told) == 2)


def test_a_run_in_chinese_has_a_chinese_page(run, out):
    language.current.cache_clear()
    ended = run("--language", "zh", cells=[ACCURACY])
    language.current.cache_clear()
    assert "7.8.1 \u6807\u9898" in ended.out
    assert "\u8bb0\u4f4f\uff1aThe first thing." in ended.out  # this has no Chinese
    # A text with numbers is found by what stays the same.
    assert "2 \u6761\u8bba\u65ad\u4e2d 2 \u6761\u6210\u7acb" in ended.out
    path, seen, _ = page_of(out)
    assert "\u6807\u9898" in seen
    assert '<html lang="zh-CN">' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("7.9", "no section or lesson '7.9' here: choose from 7.8.1, 7.8.12, 7.8, or a name"),
        ("7.8.1 7.8.2", "there is no section or lesson '7.8.2' here"),
        ("--seed -1", "not '-1'"),
        ("--seed 1.5", "a seed is a whole number from 0 to 4294967295, not '1.5'."),
        ("--seed 4294967296", "not '4294967296'"),
        ("--seed", "argument --seed: expected one argument"),
        ("--sead 1", "unrecognized arguments: --sead"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_status_2(arguments, sentence, run, out):
    ended = run(*arguments.split())
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(rf"{NAME}\.py: error: .*{re.escape(sentence)}.*\n", ended.err)
    assert not out.exists()


@pytest.mark.parametrize("name", ["", "my_log_dir"])
def test_a_file_in_the_place_of_a_folder_is_refused_and_left_alone(name, run, out):
    taken = out / name
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("mine", encoding="utf-8")
    ended = run()
    assert (ended.status, ended.out) == (2, "")
    sentence = r".*: error: cannot write to '.*' \(.*\): choose another --output\.\n"
    assert re.fullmatch(sentence, ended.err)
    assert taken.read_text(encoding="utf-8") == "mine"


def test_the_list_names_every_lesson_and_help_every_option_and_the_exit_status(run, out):
    listed, explained = run("--list"), run("--help")
    assert listed.status == explained.status == 0
    titles, tests = (listed.out.splitlines()[start::2] for start in (0, 1))
    assert [*map(str.strip, titles)] == ["7.8.1  accuracy: A title", "7.8.12  depth: Another title"]
    said = [f"What the {of} lesson puts to the test." for of in ("first", "second")]
    assert [*map(str.strip, tests)] == said
    words = ("SECTION", "--list", "--seed N", "--output DIR", "Exit status", "130", "else")
    assert [word for word in words if word not in explained.out] == []
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("7", ["7.8.1", "7.8.12"]),
        ("depth 7.8.1", ["7.8.1", "7.8.12"]),
        ("depth 7.8.12", ["7.8.12"]),
        ("--trials 7", ["7.8.1", "7.8.12"]),
        ("--extra --trials 7", ["extra 7"]),  # a command runs no lesson unless one is asked for
        ("--extra 7.8.1", ["7.8.1", "extra 3"]),
    ],
)
def test_lessons_are_chosen_by_number_or_name_in_the_order_of_the_book(arguments, said, run):
    printed = run(*arguments.split()).out
    assert re.findall(r"^ *(extra \d|7\.8\.\d+)", printed, flags=re.MULTILINE) == said


# Endings that nobody planned

HEARD = "from ch07.lab import startup; startup.heard.append(2)"


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("raise KeyboardInterrupt", 130),
        # Compiled code may make an error of Ctrl-C, or swallow it until the next step.
        (f"{HEARD}; raise SystemError('bad argument to internal function')", 130),
        (HEARD, 130),
        ("raise SystemError('bad argument to internal function')", 1),  # a traceback
        ("raise OSError(28, 'No space left on device', 'a.png')", 2),
    ],
)
def test_whatever_ends_a_run_what_is_finished_is_kept(statement, status, run, out):
    cell = DEPTH.replace("    section.remember()", f"    {statement}\n    section.remember()")
    ended = run(cells=[ACCURACY, cell])
    assert ended.status == status
    assert [claim["lesson"] for claim in ended.record["claims"]] == ["accuracy", "accuracy"]
    interrupted = "\nInterrupted\n  1 lesson, 2 of 2 claims hold" in ended.out
    assert interrupted == (status == 130)
    if status == 2:
        sentence = "the run ended early: [Errno 28] No space left on device: 'a.png'."
        assert ended.err == f"{NAME}.py: error: {sentence}\n"
    # Before the first lesson is finished, an earlier record is left alone.
    before = contents(out)
    assert run(cells=[cell]).status == status
    assert contents(out) == before


@pytest.mark.parametrize("damage", [lambda of: b"", lambda of: of[:100], lambda of: b"\xff" + of])
def test_damaged_records_of_earlier_runs_harm_no_later_one(damage, run, out):
    run(cells=[ACCURACY])
    for path in out.rglob("*.json"):
        path.write_bytes(damage(path.read_bytes()))
    (earlier,) = (out / "my_figures" / NAME / "claims").iterdir()
    before = earlier.read_bytes()
    ended = run(cells=[ACCURACY])
    assert (ended.status, len(ended.record["claims"])) == (0, 2)
    assert earlier.read_bytes() == before


def test_a_lesson_that_logs_says_how_to_see_its_own_runs_alone(run, out):
    cell = ACCURACY.replace("section.remember()", 'section.log_dir("a")\n    section.remember()')
    assert cell != ACCURACY
    printed = run(cells=[cell]).out
    (folder,) = (out / "my_log_dir").iterdir()
    (asked,) = re.findall(r"for these alone: (\S+)", printed)
    assert re.search(asked, f"{folder.name}/train")
    before, after = "20261127-235959-a", "20261128-000001-b"
    assert section.runs_named([before, before]) == "20261127-(235959).*/"
    assert section.runs_named([before, after]) == "(20261127-235959|20261128-000001).*/"


# Cells and imports


def test_imported_no_lesson_runs_and_nothing_is_written(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a_program_of_the_reader.py", "--nonsense"])
    runpy.run_path(script(ACCURACY, DEPTH), run_name=NAME)
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "home").exists()


# Spyder compiles a cell under the name of its file, with arguments of its own.
@pytest.mark.parametrize("of_file", [False, True])
def test_a_cell_runs_any_number_of_times_with_the_same_numbers_and_leaves_its_variables(
    of_file, script, tmp_path, capsys, monkeypatch
):
    path = script(ACCURACY, DEPTH)
    monkeypatch.setattr(sys, "argv", ["", "--nonsense"])
    found = {"__name__": "__main__"}

    def execute(text):
        exec(compile(text, path if of_file else "<input>", "exec"), found)

    execute(HEAD)
    values = set()
    for cell in (ACCURACY, ACCURACY, ACCURACY, DEPTH, ACCURACY):
        execute(cell)
        values.add((found["value"], float(found["weights"][0, 0])))
    assert len(values) == 1
    execute("section.finish()")  # which leaves a console as it is
    assert [claim.lesson for claim in found["section"].claims] == ["accuracy", "accuracy"]
    assert capsys.readouterr().out.count("7.8.1 A title") == 4
    assert [path.name for path in tmp_path.rglob("home/my_figures/*/*")] == ["accuracy.png"]
    with pytest.raises(KeyError, match="there are no words for the lesson 'a_new_one'"):
        execute(ACCURACY.replace('"accuracy")', '"a_new_one")', 1))


def test_run_in_a_console_arguments_count_and_the_session_goes_on(script, out, monkeypatch, capsys):
    path = script(ACCURACY, DEPTH)
    monkeypatch.setattr(sys, "argv", [path, "7.8.12", "--output", str(out)])
    monkeypatch.setattr(startup, "interactive", lambda: True)
    namespace = runpy.run_path(path, run_name="__main__")  # no SystemExit, though a claim fails
    assert "value" not in namespace
    assert "1 lesson, 0 of 1 claim holds" in capsys.readouterr().out
    # Afterwards a cell of that console runs, whatever the arguments were.
    exec(compile(ACCURACY, "<input>", "exec"), namespace)
    assert namespace["value"] == pytest.approx(0.637, abs=1e-3)


# English or Chinese


@pytest.mark.parametrize(
    ("lang", "lc_all", "encoding", "spoken"),
    [
        ("zh_CN.UTF-8", "", "utf-8", "zh"),
        ("zh_CN.GBK", "", "gbk", "zh"),
        ("zh_CN.UTF-8", "C", "utf-8", "en"),
        ("zh_CN.UTF-8", "", "ascii", "en"),
        ("de_DE.UTF-8", "", "utf-8", "en"),
    ],
)
def test_the_language_is_the_systems_if_it_can_show_it(lang, lc_all, encoding, spoken, monkeypatch):
    for name, value in {"LC_ALL": lc_all, "LC_MESSAGES": "", "LANG": lang}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert language.of_system() == spoken


SAY = ("tr", "say", "UsageError", "ArgumentTypeError", "refusal", "whole_number")


def said(path):
    """The texts that a source file has for the reader, with 1 in the place of what varies."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        texts = []
        if isinstance(node, ast.Call):
            texts = [keyword.value for keyword in node.keywords if keyword.arg == "help"]
            if ast.unparse(node.func).rpartition(".")[2] in SAY:
                texts += node.args[:1]
        elif isinstance(node, ast.Dict):  # a table of options
            names = [getattr(key, "value", None) for key in node.keys]
            texts = [of for name, of in zip(names, node.values, strict=True) if name == "help"]
        for text in texts:
            text = text.left if isinstance(text, ast.BinOp) else text  # a format with %
            if isinstance(text, ast.Constant | ast.JoinedStr):
                parts = [getattr(part, "value", "") for part in getattr(text, "values", [text])]
                varied = "".join(part if isinstance(part, str) else "1" for part in parts)
                if not re.search("[a-z]1", varied):  # else it is part of a word that varies
                    yield re.sub("%[sd]", "1", varied)


def test_what_a_reader_is_told_has_its_chinese_with_the_same_places(monkeypatch):
    monkeypatch.setattr(language, "current", lambda: "zh")
    language.unknown.clear()
    paths = *startup.ROOT.glob("ch07/**/*.py"), *startup.ROOT.glob("ch07*.py")
    texts = [text for path in paths for text in said(path)]
    assert len([language.tr(text) for text in texts]) > 100
    script = lessons.read("ch0701_functional_api")
    assert not re.search("usage|show this|options", program.parser_of(script, {}).format_help())
    assert language.unknown == set()
    for english, chinese in language.catalogue()[0].items():
        assert chinese, english
        assert "{0}" in chinese or chinese.count("{}") == english.count("{}"), english


@pytest.mark.skipif(common.chinese_font() is None, reason="no font with Chinese characters here")
def test_a_picture_has_its_texts_in_chinese_where_there_is_a_font(monkeypatch):
    monkeypatch.setattr(language, "current", lambda: "zh")
    figure = common.row(common.bars({"bar_1": 1.0, "loss": 2.0}, "epoch"))
    figure.canvas.draw()
    axes = figure.axes[0]
    assert axes.get_xlabel() == "\u8f6e\u6b21"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bar_1", "\u635f\u5931"]
    monkeypatch.setattr(common, "chinese_font", lambda: None)
    assert common.row(common.bars({"one": 1.0}, "epoch")).axes[0].get_xlabel() == "epoch"
