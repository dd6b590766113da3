"""The tables of docs/errata.md say what today's Keras does, row by row."""

import re
from collections import Counter
from collections.abc import Iterator
from types import ModuleType

import errata
import optuna
import pytest
from conftest import ROOT
from tensorflow.python.framework import config as tensorflow_config

import ch0701_functional_api as functional_api
import ch0702_tensor_board as tensor_board
import ch0703_ensembling as ensembling
from ch07 import backup, board, calls, data, draw, tuning
from ch07.lab import lessons

pytestmark = [
    # Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # What np.savez had begun in A16 and B1 fails once more when Python 3.13 tidies up.
    pytest.mark.filterwarnings("ignore:.*ZipFile.__del__:pytest.PytestUnraisableExceptionWarning"),
    # C14: an array of objects is not what pad_sequences is usually given; C38: what it exports.
    pytest.mark.filterwarnings("ignore:.*SavedModel"),
]

PAGES = {"en": "errata.md", "zh": "errata.zh-CN.md"}
PRINTED = ["number", "where", "printed", "today", "now"]  # the columns of A and B
MESSAGES = ["number", "where", "today", "why", "now"]  # of C
NUMBERS = [[f"{part}{n}" for n in range(1, 1 + last)] for part, last in (("A", 18), ("B", 21))]
NUMBERS.append([name.upper() for name in vars(errata) if re.fullmatch(r"c\d+", name)])
SCRIPTS = (functional_api, tensor_board, ensembling)


@pytest.fixture(autouse=True)
def as_for_a_reader():
    """What the scripts switch on for numbers that can be repeated changes A6 and C17."""
    tensorflow_config.disable_op_determinism()
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(verbosity)
    tensorflow_config.enable_op_determinism()


def tables(language: str) -> list[dict[str, dict[str, str]]]:
    """The tables of a language: the cells of a row by column, by the number of the row.

    Raises:
        AssertionError: a row has other than five cells, or a number occurs twice.
    """
    text = (ROOT / "docs" / PAGES[language]).read_text(encoding="utf-8")
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert {len(cells) for cells in lines} == {5}, f"{language}: cells of a row"
        columns = PRINTED if len(found) < 2 else MESSAGES
        rows = [
            dict(zip(columns, [cell.strip().replace(r"\|", "|") for cell in cells], strict=True))
            for cells in lines[2:]  # below the header and its line
        ]
        assert len({row["number"] for row in rows}) == len(rows), f"{language}: a number twice"
        found.append({row["number"]: row for row in rows})
    return found


def row_of(language: str, number: str) -> dict[str, str]:
    """The cells of a row by column."""
    return {number: row for table in tables(language) for number, row in table.items()}[number]


def code(cell: str) -> list[str]:
    """What stands between backticks, one of them or several, as in GitHub's Markdown."""
    spans = (span for _, span in re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", cell))
    return [s[1:-1] if s[0] == s[-1] == " " and s.strip() else s for s in spans]


def one_line(text: str) -> str:
    """`text` without the colours of a terminal, its lines joined by blanks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


def check(number: str, cell: str, got: str) -> None:
    """Assert that every text between backticks in `cell` occurs in what a proof returned."""
    promised = code(cell)
    assert promised, f"{number}: the table promises no text that could be searched for"
    for text in promised:
        assert one_line(text) in one_line(got), (
            f"{number}: the printed form no longer fails as the table says: "
            f"{text!r} is not in what it gives today:\n{got}"
        )


# They train a model for seconds, or start a program.
LONG = {"A1", "A10", "A15", "B14"}
ROWS = [
    pytest.param(number, marks=[pytest.mark.slow] if number in LONG else [])
    for part in NUMBERS
    for number in part
]


@pytest.mark.parametrize("number", ROWS)
def test_row(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the printed forms write where they are
    got = getattr(errata, number.lower())()
    for language in PAGES:
        check(number, row_of(language, number)["today"], got)


@pytest.mark.parametrize("language", PAGES)
def test_the_tables_have_every_row_in_its_order(language):
    assert [list(table) for table in tables(language)] == NUMBERS
    assert NUMBERS[2] == [f"C{n}" for n in range(1, 1 + len(NUMBERS[2]))]


def test_every_proof_is_a_row_and_says_what_is_written():
    proofs = {n: proof for n, proof in vars(errata).items() if re.fullmatch(r"[abc]\d+", n)}
    assert [name.upper() for name in proofs] == [number for part in NUMBERS for number in part]
    assert all(proof.__doc__ for proof in proofs.values())


@pytest.mark.parametrize("column", range(5))
def test_both_languages_have_the_same_code(column):
    for english, chinese in zip(tables("en"), tables("zh"), strict=True):
        for number, row in english.items():
            cells = [[*one.values()][column] for one in (row, chinese[number])]
            left, right = (Counter(code(cell)) for cell in cells)
            assert left.keys() == right.keys(), f"{number}: the code in column {column}"


def public(*modules: ModuleType) -> Iterator[str]:
    """The names of what modules define, of the scripts bare and of ch07 behind the module's."""
    for module in modules:
        *package, name = module.__name__.split(".")
        yield from (f"{name}.{of}" if package else of for of in vars(module))


def test_what_the_tables_send_readers_to_is_there():
    known = set(public(*SCRIPTS, backup, board, calls, data, draw, tuning))
    known |= {lesson.name for of in SCRIPTS for lesson in lessons.read(of.__name__).lessons}
    sent = Counter()
    modules = "|".join(("backup", "board", "calls", "draw", "tuning"))
    for table in tables("en"):
        for number, row in table.items():
            for name in [*code(row["now"]), *code(row.get("why", ""))]:
                # Words joined by underscores are functions or lessons of the scripts; the cure
                # itself has dots, brackets or equals signs.
                if re.fullmatch(rf"build_\w+|data\.\w+|({modules})\.\w+.*", name) or (
                    f"lesson `{name}`" in row["now"]
                ):
                    assert re.match(r"[\w.]+", name)[0] in known, f"{number}: {name}"
                    sent[name] += 1
    assert sent.total() > 30


@pytest.mark.parametrize("cell", ["`no error`", "an error", "`no error`, `another`"])
def test_a_promise_that_is_not_kept_names_its_row(cell):
    with pytest.raises(AssertionError, match=r"^A7: the (printed form no longer fails|table)"):
        check("A7", cell, "ValueError: another")


def test_code_may_hold_backticks_and_bars():
    assert code(r"`a`, ``b `c` d`` and ``` `` e ```; ` f`") == ["a", "b `c` d", "`` e", " f"]


def test_a_message_is_found_by_any_piece_of_it():
    text = (ROOT / "docs" / PAGES["en"]).read_text(encoding="utf-8")
    for piece in ("operation names should be unique", "its learning rate is not settable",
                  "Can save best model only with val_loss available", "in the `loss` argument",
                  "Early stopping conditioned on metric", "in loss dict", "optuna-integration",
                  "only supported for Models with a single output", "deserialization of a `Lambda`",
                  "infer the shape of the Lambda's output", "Unknown layer", "bind to port",
                  "cannot be used as input to a TensorFlow function", "No dashboards are active",
                  "you model must be built before you call `fit()`", "is not connected to `inputs`",
                  "has never been called and thus has no defined output"):  # fmt: skip
        assert piece in text
