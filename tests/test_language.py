"""English or Chinese: which of the two a run speaks, and that all it says has its Chinese."""

import ast
import io
import re
import sys

import pytest

from ch07.lab import language, lessons, program, startup
from ch07.plots import common


@pytest.fixture
def chinese(monkeypatch):
    """A run that speaks Chinese, and in which everything has to have its Chinese."""
    monkeypatch.setattr(language, "current", lambda: "zh")
    monkeypatch.setattr(language, "unknown", set())
    yield
    assert language.unknown == set()


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
    for english, translated in exact.items():
        assert translated, english
        assert "{0}" in translated or translated.count("{}") == english.count("{}"), english
    assert len(patterns) > 10


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


def test_what_a_reader_is_told_has_its_chinese(chinese):
    paths = *startup.ROOT.glob("ch07/**/*.py"), *startup.ROOT.glob("ch07*.py")
    texts = [text for path in paths for text in said(path)]
    assert len(texts) > 100
    for text in texts:
        language.tr(text)
    script = lessons.read("ch0701_functional_api")
    assert not re.search("usage|show this|options", program.parser_of(script, {}).format_help())


def test_a_text_with_numbers_is_found_by_what_stays_the_same(chinese):
    found = language.tr("cannot write to '/a/b' (full): choose another --output.")
    assert "/a/b" in found
    assert "choose" not in found
    assert language.tr("3 of 4 claims hold") == "4 \u6761\u8bba\u65ad\u4e2d 3 \u6761\u6210\u7acb"
    assert language.tr("0.5") == "0.5"
    assert language.tr("what nobody has translated") == "what nobody has translated"
    assert language.unknown == {"full", "what nobody has translated"}
    language.unknown.clear()


@pytest.mark.skipif(common.chinese_font() is None, reason="no font with Chinese characters here")
def test_a_picture_has_its_texts_in_chinese_where_there_is_a_font(chinese, monkeypatch):
    figure = common.row(common.bars({"bar_1": 1.0, "loss": 2.0}, "epoch"))
    figure.canvas.draw()
    axes = figure.axes[0]
    assert axes.get_xlabel() == "\u8f6e\u6b21"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bar_1", "\u635f\u5931"]
    monkeypatch.setattr(common, "chinese_font", lambda: None)
    assert common.row(common.bars({"one": 1.0}, "epoch")).axes[0].get_xlabel() == "epoch"
