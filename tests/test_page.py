"""The page of a run, and what a reader guesses before a lesson."""

import ast
import io
import re
import sys
from html.parser import HTMLParser

import pytest
from test_lab import ACCURACY, DEPTH, NAME, run, script  # noqa: F401 -- fixtures

from ch07.lab import language, lessons, page, program, startup
from ch07.lab.claims import Claim
from ch07.plots import common


class Seen(HTMLParser):
    """The tags of a page that are open at its end, its text, and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.links = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(output):
    path = output / "my_figures" / NAME / "index.html"
    return path, Seen(path.read_text(encoding="utf-8"))


def test_a_run_leaves_a_page_that_says_what_it_printed(run, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "my <out>"
    assert run("--output", out) == 1
    path, seen = read(out)
    assert seen.open == []
    for text in ("A section of its own", "Data follow the seed: 0.637 units (chance 0.500)"):
        assert text in seen.text
    for text in ("The first thing.", "Cannot hold: 2 layers, at least 3", "2 of 3 claims hold"):
        assert text in seen.text
    last = capsys.readouterr().out.splitlines()[-1].strip()
    assert last == path.as_uri()
    assert "%3Cout%3E" in last
    for link in seen.links:
        assert "://" not in link  # nothing from elsewhere
        if not link.startswith("#"):
            assert (path.parent / link.partition("#")[0]).exists(), link
    assert "accuracy.png" in seen.links


def test_a_page_is_there_as_soon_as_a_lesson_has_ended(run, tmp_path):  # noqa: F811
    read_page = "    page = (section.folder / 'index.html').read_text()"
    cell = DEPTH.replace("    section.remember()", read_page)
    cell += "    assert 'Data follow' in page and 'Cannot hold' not in page\n"
    assert run("--output", tmp_path / "out", cells=[ACCURACY, cell]) == 1


def test_a_claim_stands_beside_the_recorded_runs(monkeypatch):
    known = {"runs": "12", "held": "11", "low": "0.2", "high": "0.8"}
    monkeypatch.setattr(
        page, "evidence", lambda claim: known if claim.sentence == "A sentence" else None
    )
    claim = Claim("7.8.2", "depth", "A sentence", 0.9, "accuracy", at_least=0.1)
    assert "12 recorded runs: 0.200 to 0.800, held in 11" in page.claim_row(claim)


def test_with_show_the_page_opens(run, tmp_path, monkeypatch):  # noqa: F811
    opened = []
    monkeypatch.setattr(program.webbrowser, "open", opened.append)
    run("--output", tmp_path / "out", "--show", cells=[ACCURACY])
    assert opened == [read(tmp_path / "out")[0].as_uri()]


PREDICT = 'predict = { en = "Which number?", zh = "" }\n'


@pytest.fixture
def asked(run, tmp_path, monkeypatch):  # noqa: F811
    """A function that runs a lesson that asks, with the answers of a reader."""
    import test_lab

    words = test_lab.WORDS.replace("[depth]", PREDICT + "[depth]")
    (tmp_path / f"{NAME}.toml").write_text(words, encoding="utf-8")

    def program(answers):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
        return run("--output", tmp_path / "out", "--predict", cells=[ACCURACY])

    return program


def test_a_guess_and_the_outcome_stand_side_by_side(asked, tmp_path, capsys):
    assert asked("perhaps\n50%\n") == 0
    out = capsys.readouterr().out
    assert out.count("Predict: Which number?") == 1
    assert "A number, please" in out
    sentence = "You guessed 0.500, measured was 0.637: Data follow the seed"
    assert sentence in out
    assert sentence in read(tmp_path / "out")[1].text


def test_enter_passes_and_an_end_of_input_is_said_once(asked, capsys):
    assert asked("\n") == 0
    assert "You guessed" not in capsys.readouterr().out
    assert asked("") == 0
    assert "Standard input does not answer" in capsys.readouterr().out


@pytest.fixture
def chinese(monkeypatch):
    """A run that speaks Chinese."""
    monkeypatch.setattr(sys, "argv", [NAME, "--language", "zh"])
    language.current.cache_clear()
    yield
    monkeypatch.undo()
    language.current.cache_clear()


def test_a_run_in_chinese_has_a_chinese_page(run, tmp_path, capsys, chinese):  # noqa: F811
    assert run("--output", tmp_path / "out", "--language", "zh", cells=[ACCURACY]) == 0
    out = capsys.readouterr().out
    assert "\u8bb0\u4f4f\uff1aThe first thing." in out  # its own words have no Chinese
    text = (tmp_path / "out" / "my_figures" / NAME / "index.html").read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in text


@pytest.mark.parametrize(
    ("environment", "encoding", "spoken"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "utf-8", "zh"),
        ({"LANG": "zh_CN.GBK"}, "gbk", "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "utf-8", "en"),
        ({"LANG": "zh_CN.UTF-8"}, "ascii", "en"),
        ({"LANG": "C"}, "utf-8", "en"),
        ({"LANG": "de_DE.UTF-8"}, "utf-8", "en"),
    ],
)
def test_the_language_is_that_of_the_system_if_the_console_can_show_it(
    environment, encoding, spoken, monkeypatch
):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert language.of_system() == spoken


def test_what_every_run_says_has_its_chinese_with_the_same_places():
    exact, patterns = language.catalogue()
    for english, chinese_ in exact.items():
        assert chinese_, english
        if "{0}" not in chinese_:
            assert chinese_.count("{}") == english.count("{}"), english
    assert len(patterns) > 10


SAY = ("tr", "say", "UsageError", "ArgumentTypeError", "refusal", "whole_number")


def spoken(node):
    """The expressions whose text a call or a table of options gives to the reader."""
    if isinstance(node, ast.Call):
        if ast.unparse(node.func).rpartition(".")[2] in SAY:
            yield from node.args[:1]
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "help")
    elif isinstance(node, ast.Dict):
        names = [ast.unparse(key) if key else "" for key in node.keys]
        yield from (of for name, of in zip(names, node.values, strict=True) if name == "'help'")


def said(path):
    """The texts that a source file has for the reader, with 1 in the place of what varies."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for text in spoken(node):
            if isinstance(text, ast.BinOp):  # a format with %
                text = text.left
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield re.sub("%[sd]", "1", text.value)
            elif isinstance(text, ast.JoinedStr):
                parts = [getattr(part, "value", None) for part in text.values]
                varied = "".join(part if isinstance(part, str) else "1" for part in parts)
                if not re.search("[a-z]1", varied):  # else it is part of a word that varies
                    yield varied


SOURCES = sorted(startup.ROOT.glob("ch07/**/*.py")) + sorted(startup.ROOT.glob("ch07*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_a_reader_is_told_has_its_chinese(path, chinese):
    language.unknown.clear()
    for text in said(path):
        language.tr(text)
    assert language.unknown == set()


def test_the_help_is_chinese(chinese):
    language.unknown.clear()
    text = program.parser_of(lessons.read("ch0701_functional_api"), {}).format_help()
    assert language.unknown == set()
    assert not re.search("usage|show this|options", text)


def test_a_text_with_numbers_is_found_by_what_stays_the_same(chinese):
    found = language.tr("cannot write to '/a/b' (full): choose another --output.")
    assert "/a/b" in found
    assert "choose" not in found
    assert language.tr("3 of 4 claims hold") == "4 \u6761\u8bba\u65ad\u4e2d 3 \u6761\u6210\u7acb"
    assert language.tr("0.5") == "0.5"
    assert language.tr("what nobody has translated") == "what nobody has translated"


@pytest.mark.skipif(common.chinese_font() is None, reason="no font with Chinese characters here")
def test_a_picture_has_its_texts_in_chinese(chinese):
    figure = common.row(common.bars({"zzz": 1.0, "loss": 2.0}, "epoch"))
    figure.canvas.draw()
    axes = figure.axes[0]
    assert axes.get_xlabel() == "\u8f6e\u6b21"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["zzz", "\u635f\u5931"]


def test_without_a_font_a_picture_stays_english(chinese, monkeypatch):
    monkeypatch.setattr(common, "chinese_font", lambda: None)
    assert common.row(common.bars({"one": 1.0}, "epoch")).axes[0].get_xlabel() == "epoch"
