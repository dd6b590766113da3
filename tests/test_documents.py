"""The documents say what the evidence and the sources say, in both languages alike."""

import re
import struct
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from ch07.lab import lessons
from ch07.lab.startup import ROOT
from tools import documents

PAGES = documents.pages()
PAIRS = [(page.path, page.path.with_suffix(".zh-CN.md")) for page in PAGES if page.language == "en"]
FENCE = documents.FENCE
MARKS = re.compile(r"<!--.*?-->")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
TERMS = tomllib.loads((ROOT / "tests" / "wrong_terms.toml").read_text(encoding="utf-8"))

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
pairs = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[one.stem for one, _ in PAIRS])


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ .*$", FENCE.sub("", text(path)), re.MULTILINE)


def anchor(heading: str) -> str:
    """The name that a heading has in links."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def links(path: Path) -> list[tuple[str, str, str]]:
    """An exclamation mark for a picture, the text and the target of every link."""
    return LINK.findall(FENCE.sub("", text(path)))


def tables(path: Path) -> list[list[str]]:
    """The cells of each line of the tables."""
    lines = [line for line in text(path).splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


@pages
def test_tables_and_numbers_are_those_of_the_evidence(page):
    assert page.render(text(page.path)) == text(page.path)
    # A line that begins with a number would be taken for HTML.
    assert not re.findall(r"^<!--\w", text(page.path), re.MULTILINE)


@pages
def test_links_lead_to_what_they_name_in_the_same_language_and_pictures_can_be_read(page):
    for picture, name, target in links(page.path):
        if "://" in target:
            continue
        file, _, place = unquote(target).partition("#")
        path = (page.path.parent / file).resolve() if file else page.path
        assert path.exists(), target
        if re.fullmatch(r"L\d+", place):
            found = text(path).splitlines()[int(place[1:]) - 1]
            assert re.search(rf"\b{name.strip('`')}\b", found), target
        elif place:
            assert place in map(anchor, headings(path)), target
        # But for the same page in the other language, at the top.
        names = {re.sub(r"(\.zh-CN)?\.md$", "", str(of)) for of in (path, page.path)}
        if path.suffix == ".md" and len(names) == 2:
            assert path.name.endswith(".zh-CN.md") == (page.language == "zh"), target
        if picture:
            content = path.read_bytes()
            assert len(content) < 150_000
            assert len(name) > 10  # it is described
            # The colour type of a PNG: 4 and 6 are transparent, and unreadable on a dark page.
            assert content[25] not in (4, 6)
            assert b"tRNS" not in content
            assert struct.unpack(">I", content[16:20])[0] >= 700


def test_wrong_terms_are_kept_out_of_both_languages():
    paths = [page.path for page in PAGES] + [*lessons.WORDS.glob("*"), documents.WORDS]
    for path in paths:
        assert not re.findall("|".join(TERMS["zh"] + TERMS["en"]), text(path)), path


@pairs
def test_both_languages_have_the_same_headings_marks_links_code_and_numbers(english, chinese):
    level, number = re.compile(r"(#+) ?([\d.]*)"), re.compile(r"\d[\d.,e-]*\d|\d")
    both = [english, chinese]
    numbers = [[level.match(heading).groups() for heading in headings(path)] for path in both]
    assert numbers[0][1:] == numbers[1][1:]  # the first is the title
    assert MARKS.findall(text(english)) == MARKS.findall(text(chinese))
    assert FENCE.findall(text(english)) == FENCE.findall(text(chinese))
    own = re.compile(r"#(?!L\d).*|\.zh-CN")
    targets = [sorted(own.sub("", target) for _, _, target in links(path)) for path in both]
    assert targets[0] == targets[1]
    for one, other in zip(tables(english), tables(chinese), strict=True):
        for cells in list(zip(one, other, strict=True))[1:]:
            found = [sorted(number.findall(cell.replace("7-", "7."))) for cell in cells]
            assert found[0] == found[1], cells[0]


@pytest.mark.parametrize("script", documents.SCRIPTS)
def test_every_lesson_has_its_heading_its_code_and_its_claims_in_notes_that_are_short(script):
    notes = ROOT / "docs" / f"{lessons.read(script).number}.md"
    for path in (notes, notes.with_suffix(".zh-CN.md")):
        language = "zh" if ".zh-CN" in path.name else "en"
        own = lessons.read(script).lessons
        titles = [f"## {one.number} {one.title[language]}" for one in own]
        assert [heading for heading in headings(path) if heading in titles] == titles
        marks = re.findall(r"<!-- (lesson|claims) (\w+) -->", text(path))
        assert marks == [(kind, one.name) for one in own for kind in ("lesson", "claims")]
        source = text(lessons.source(script)).splitlines()
        for one in own:
            drawn = "section.picture(" in "\n".join(source[one.line - 1 : one.end])
            assert (f"pictures/{one.name}.png)" in text(path)) == drawn, one.name
        assert len(text(path).splitlines()) <= 450


# The marks

EVIDENCE = [
    "script,section,lesson,claim,unit,at_least,at_most,runs,held,low,median,high,compared_with",
    "s,7.1.5,siamese_lstm,It tells,accuracy,0.9,,12,11,0.8,0.984,1,two LSTMs 0.739; chance 0.5",
    "s,7.1.5,siamese_lstm,It tells more,,,3,12,12,1,2,2.5,",
]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page of section 7.1, with an evidence of its own."""
    path = tmp_path / "evidence.csv"
    path.write_text("\n".join(EVIDENCE), encoding="utf-8")
    monkeypatch.setattr(documents, "EVIDENCE", path)
    return documents.Page(ROOT / "docs" / "7.1.md")


def test_a_number_is_written_from_the_evidence(page):
    known = {"": "0.984", " | low": "0.800", " | held": "11", " | bound": "0.900"}
    known |= {" | two LSTMs": "0.739", " m": "2", " m | bound": "3"}
    for rest, shown in known.items():
        mark = f"<!--siamese_lstm: It tells{rest}-->"
        assert page.render(f"It is {mark}x<!--/-->.") == f"It is {mark}{shown}<!--/-->."


def test_a_mark_that_means_nothing_is_an_error(page):
    for mark, message in {
        "<!--no_lesson: It-->1<!--/-->": "there is no lesson 'no_lesson'",
        "<!--siamese_lstm: Nothing-->1<!--/-->": "means 0 claims",
        "<!--siamese_lstm: It-->1<!--/-->": "means 2 claims",
        "<!--siamese_lstm: It tells | no one-->1<!--/-->": "has no 'no one'",
        "<!-- nothing -->\n<!-- /nothing -->": "there is no block 'nothing'",
    }.items():
        with pytest.raises(ValueError, match=message):
            page.render(mark)


def test_a_word_without_a_translation_is_an_error(page):
    assert page.translated({}, "chance") == "chance"
    chinese = documents.Page(ROOT / "docs" / "7.1.zh-CN.md")
    assert chinese.translated({"chance": "\u968f\u673a"}, "chance") == "\u968f\u673a"
    with pytest.raises(ValueError, match="there is no Chinese for 'chance'"):
        chinese.translated({}, "chance")


def test_writing_brings_a_page_up_to_date_and_leaves_the_rest(page, tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    path.write_text("a <!--siamese_lstm: It tells-->?<!--/--> b\n", encoding="utf-8")
    monkeypatch.setattr(documents, "pages", lambda: [documents.Page(path)])
    for _ in range(2):
        assert documents.write() == []
        assert text(path) == "a <!--siamese_lstm: It tells-->0.984<!--/--> b\n"
    path.write_text("<!--siamese_lstm: No-->?<!--/-->\n", encoding="utf-8")
    (wrong,) = documents.write()
    assert "means 0 claims" in wrong
    assert "?" in text(path)
