"""The tables "As printed, and today" of the READMEs say what today's Keras does, row by row."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import errata
import pytest

import ch0701_functional_api as functional_api
import ch0702_tensor_board as tensor_board
import ch0703_ensembling as ensembling
from ch07 import board, diagram, synthetic

pytestmark = [
    # Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # What np.savez had begun in A16 and B1 fails once more when Python 3.13 tidies up.
    pytest.mark.filterwarnings("ignore:.*ZipFile.__del__:pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).resolve().parent.parent
PAGES = {  # the file and the heading of the tables, by language
    "en": ("README.md", "As printed, and today"),
    "zh": ("README.zh-CN.md", "\u4e66\u4e2d\u6240\u5370\u4e0e\u4eca\u65e5\u6240\u9700"),
}
COLUMNS = ["number", "where", "printed", "today", "now"]
WRONG = [f"A{n}" for n in range(1, 19)]
BROKE = [f"B{n}" for n in range(1, 22)]


def tables(language: str) -> list[dict[str, dict[str, str]]]:
    """The tables of a language: the cells of a row by column, by the number of the row.

    Raises:
        AssertionError: there is no such heading, or a row has other than five cells.
    """
    name, heading = PAGES[language]
    text = (ROOT / name).read_text(encoding="utf-8")
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert part, f"{name} has no heading '## {heading}'"
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", part[1], re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert {len(cells) for cells in lines} == {len(COLUMNS)}, f"{name}: cells of a row"
        rows = [
            dict(zip(COLUMNS, [cell.strip().replace(r"\|", "|") for cell in cells], strict=True))
            for cells in lines[2:]  # below the header and its line
        ]
        assert len({row["number"] for row in rows}) == len(rows), f"{name}: a number occurs twice"
        found.append({row["number"]: row for row in rows})
    return found


def row_of(language: str, number: str) -> dict[str, str]:
    """The cells of a row by column."""
    return {**tables(language)[0], **tables(language)[1]}[number]


def code(cell: str) -> list[str]:
    """What stands between backticks, one of them or several, as in GitHub's Markdown."""
    spans = (span for _, span in re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", cell))
    return [s[1:-1] if s[0] == s[-1] == " " and s.strip() else s for s in spans]


def check(number: str, cell: str, got: str) -> None:
    """Assert that every text between backticks in `cell` occurs in what a proof returned."""
    promised = code(cell)
    assert promised, f"{number}: the table promises no text that could be searched for"
    for text in promised:
        assert text in got, (
            f"{number}: the printed form no longer fails as the table says: "
            f"{text!r} is not in what it gives today:\n{got}"
        )


@pytest.mark.parametrize("number", WRONG + BROKE)
def test_row(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the printed forms write where they are
    got = getattr(errata, number.lower())()
    for language in PAGES:
        check(number, row_of(language, number)["today"], got)


@pytest.mark.parametrize("language", PAGES)
def test_the_tables_have_every_row_in_its_order(language):
    assert [list(table) for table in tables(language)] == [WRONG, BROKE]


def test_every_proof_is_a_row_and_says_what_is_printed():
    proofs = {name: proof for name, proof in vars(errata).items() if re.fullmatch(r"[ab]\d+", name)}
    assert list(proofs) == [number.lower() for number in WRONG + BROKE]
    assert all(proof.__doc__ for proof in proofs.values())


@pytest.mark.parametrize("column", COLUMNS)
def test_both_languages_have_the_same_code(column):
    for number in WRONG + BROKE:
        english, chinese = (Counter(code(row_of(lang, number)[column])) for lang in PAGES)
        assert english == chinese, f"{number}: the code in the column {column!r}"


def public(*modules: ModuleType) -> Iterator[str]:
    """The names of what modules define, of the scripts bare and of ch07 behind the module's."""
    for module in modules:
        *package, name = module.__name__.split(".")
        yield from (f"{name}.{of}" if package else of for of in vars(module))


def test_what_the_tables_send_readers_to_is_there():
    known = set(public(functional_api, tensor_board, ensembling, board, diagram, synthetic))
    sent = Counter()
    for number in WRONG + BROKE:
        for name in code(row_of("en", number)["now"]):
            # Words joined by underscores are functions of the scripts; the cure itself has dots,
            # brackets or equals signs.
            if re.fullmatch(r"[a-z]+(_[a-z]+)+|(board|diagram|synthetic)\..*", name):
                assert re.match(r"[\w.]+", name)[0] in known, f"{number}: {name}"
                sent[name] += 1
    assert sent.total() > 20


@pytest.mark.parametrize("cell", ["`no error`", "an error", "`no error`, `another`"])
def test_a_promise_that_is_not_kept_names_its_row(cell):
    with pytest.raises(AssertionError, match=r"^A7: the (printed form no longer fails|table)"):
        check("A7", cell, "ValueError: another")


def test_code_may_hold_backticks_and_bars():
    assert code(r"`a`, ``b `c` d`` and ``` `` e ```; ` f`") == ["a", "b `c` d", "`` e", " f"]
