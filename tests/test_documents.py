"""The documents say what the evidence and the sources say, in both languages alike."""

import json
import re
import struct
from pathlib import Path
from urllib.parse import unquote

import pytest

from ch07 import documents

ROOT = documents.ROOT
PAGES = documents.pages()
ENGLISH, CHINESE = documents.HOME / "README.md", documents.HOME / "README.zh-CN.md"
NOTED = documents.SCRIPTS
SECTION = NOTED[0]
PAIRS = list(zip(*documents.DOCUMENTS.values(), strict=True))  # the same in both languages
pairs = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=["README", "notes"])
EVIDENCE = json.loads(documents.EVIDENCE.read_text(encoding="utf-8"))
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
MARKS = re.compile(r"<!--.*?-->")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
names = {"ids": lambda page: str(page.path.relative_to(ROOT))}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ .*$", FENCE.sub("", text(path)), re.MULTILINE)


def anchor(heading: str) -> str:
    """The name that a heading has in links."""
    words = re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower())
    return words.replace(" ", "-")


def links(path: Path) -> list[tuple[str, str, str]]:
    """An exclamation mark for a picture, the text and the target of every link."""
    return LINK.findall(FENCE.sub("", text(path)))


def tables(path: Path) -> list[list[str]]:
    """The cells of each line of the tables."""
    lines = [line for line in text(path).splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


@pytest.mark.parametrize("page", PAGES, **names)
def test_tables_and_numbers_are_those_of_the_evidence(page):
    assert page.render(text(page.path)) == text(page.path)


def test_the_evidence_and_the_readme_have_every_script():
    assert set(EVIDENCE) == {*documents.SCRIPTS, *documents.EXERCISES}
    shown = re.findall(r"<!-- table (\w+) -->", text(ROOT / "README.md"))
    assert shown == documents.SCRIPTS


@pytest.mark.parametrize("page", PAGES, **names)
def test_no_link_is_dead(page):
    for _, _, target in links(page.path):
        if "://" in target:
            continue
        name, _, place = unquote(target).partition("#")
        path = (page.path.parent / name).resolve() if name else page.path
        assert path.exists(), target
        if re.fullmatch(r"L\d+", place):
            assert int(place[1:]) <= len(text(path).splitlines()), target
        elif place:
            assert place in map(anchor, headings(path)), target


@pytest.mark.parametrize("page", PAGES, **names)
def test_a_link_to_a_line_leads_to_what_it_names(page):
    for _, name, target in links(page.path):
        file, _, line = target.partition("#L")
        if line:
            name = name.strip("`")
            lines = text((page.path.parent / file).resolve()).splitlines()[int(line) - 1 :]
            first = next(line for line in lines if line.startswith(("def ", "class ")))
            found = re.match(r"(?:def|class) (\w+)", first)[1]
            # The link to an exercise has its title, which the Chinese pages have in Chinese.
            exercises = {one.name: one for p in documents.EXERCISES for one in documents.lessons(p)}
            if found in exercises:
                assert lines[0].startswith("@section.exercise("), target
                found = page.told(exercises[found], "lessons")
            assert found == name, target


@pytest.mark.parametrize("page", PAGES, **names)
def test_pictures_are_small_opaque_and_described(page):
    for picture, alternative, target in links(page.path):
        if picture:
            content = (page.path.parent / target).read_bytes()
            assert len(content) < 150_000
            assert len(alternative) > 10
            # The colour type of a PNG: 4 and 6 are transparent, and unreadable on a dark page.
            assert content[25] not in (4, 6)
            assert b"tRNS" not in content
            assert struct.unpack(">I", content[16:20])[0] >= 700


def test_no_line_begins_with_a_number_that_a_page_would_take_for_html():
    for page in PAGES:
        assert not re.findall(r"^<!--\w", text(page.path), re.MULTILINE), page.path


@pairs
def test_both_languages_have_the_same_headings(english, chinese):
    level = re.compile(r"(#+) ?([\d.]*)")
    numbers = [[level.match(h).groups() for h in headings(path)] for path in (english, chinese)]
    assert numbers[0][1:] == numbers[1][1:]  # the first is the title
    assert len(numbers[0]) == len(numbers[1])


def test_every_lesson_has_its_heading_in_the_order_of_the_book():
    lessons = documents.all_lessons()
    chinese = [documents.translation(one.program)["lessons"][one.name] for one in lessons]
    for path, titles in ((ENGLISH, [lesson.title for lesson in lessons]), (CHINESE, chinese)):
        expected = [f"### {one.number} {title}" for one, title in zip(lessons, titles, strict=True)]
        assert [h for h in headings(path) if h.startswith("### ")] == expected


@pairs
def test_both_languages_have_the_same_marks_links_and_code(english, chinese):
    assert MARKS.findall(text(english)) == MARKS.findall(text(chinese))
    assert FENCE.findall(text(english)) == FENCE.findall(text(chinese))
    targets = [
        sorted(target.partition("#7")[0].replace(".zh-CN", "") for _, _, target in links(path))
        for path in (english, chinese)
    ]
    assert targets[0] == targets[1]


@pairs
def test_the_tables_of_both_languages_have_the_same_shape_and_numbers(english, chinese):
    rows = list(zip(tables(english), tables(chinese), strict=True))
    assert rows
    number = re.compile(r"\d[\d.,e-]*\d|\d")
    for one, other in rows:
        assert len(one) == len(other)
        for cell, same in list(zip(one, other, strict=True))[1:]:
            assert sorted(number.findall(cell)) == sorted(number.findall(same)), cell


@pytest.mark.parametrize("script", NOTED)
def test_every_lesson_of_a_section_has_its_code_and_its_claims(script):
    for path in (ENGLISH, CHINESE):
        marks = re.findall(r"<!-- (lesson|claims|exercises) (\w+) -->", text(path))
        for lesson in documents.lessons(script):
            name = f"{script}_{lesson.name}" if lesson.summary else lesson.name
            assert ("lesson", name) in marks
            for block in () if lesson.summary else ("claims", "exercises"):
                assert (block, name) in marks


@pytest.mark.parametrize("script", NOTED)
def test_every_claim_and_unit_has_a_translation(script):
    known = documents.translation(script)
    for row in EVIDENCE[script]["claims"]:
        assert known["claims"][row["lesson"]][row["claim"]]
        assert not row["unit"] or known["units"][row["unit"]]
    made = {(row["lesson"], row["claim"]) for row in EVIDENCE[script]["claims"]}
    assert {(lesson, c) for lesson, of in known["claims"].items() for c in of} == made


# The marks


@pytest.fixture
def page():
    return documents.Page(ENGLISH, "en")


def test_a_number_is_written_from_the_evidence(page):
    (row,) = (r for r in EVIDENCE[SECTION]["claims"] if r["claim"].startswith("Same or not"))
    for which, value in (
        ("", row["median"]),
        (" | low", row["low"]),
        (" | held", row["held"]),
        (" | separate LSTMs", row["compared_with"]["separate LSTMs"]["median"]),
    ):
        mark = f"<!--siamese_lstm: Same or not{which}-->"
        written = page.render(f"It is {mark}wrong<!--/-->.")
        assert written == f"It is {mark}{documents.number(value)}<!--/-->."


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("<!--no_lesson: Same-->1<!--/-->", "there is no lesson 'no_lesson'"),
        ("<!--siamese_lstm: Nothing-->1<!--/-->", "means 0 claims"),
        ("<!--siamese_lstm: Duplicate-->1<!--/-->", "means 2 claims"),
        ("<!--siamese_lstm: Same or not | no one-->1<!--/-->", "has no 'no one'"),
        ("<!-- nothing -->\n<!-- /nothing -->", "there is no block 'nothing'"),
    ],
)
def test_a_mark_that_means_nothing_is_an_error(page, mark, message):
    with pytest.raises(ValueError, match=message):
        page.render(mark)


def test_a_word_without_a_translation_is_an_error():
    with pytest.raises(ValueError, match="lacks claims"):
        documents.Page(CHINESE, "zh").translated(SECTION, "claims", "siamese_lstm", "Nothing")


def test_writing_brings_a_page_up_to_date_and_leaves_the_rest(tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    path.write_text("a <!--siamese_lstm: Same or not-->?<!--/--> b\n", encoding="utf-8")
    monkeypatch.setattr(documents, "DOCUMENTS", {"en": [path]})
    documents.write()
    first = text(path)
    assert "?" not in first
    assert first.startswith("a ")
    assert first.endswith(" b\n")
    documents.write()
    assert text(path) == first
