"""The tables of docs/errata.md say what today's Keras does: errata.py has a cell for each row."""

import ast
import functools
import io
import itertools
import re
import warnings
from collections import Counter
from contextlib import redirect_stdout

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
    # What np.savez had begun in A16 and B1 fails once more when Python 3.13 tidies up.
    pytest.mark.filterwarnings("ignore:.*ZipFile.__del__:pytest.PytestUnraisableExceptionWarning"),
    # C14: an array of objects is not what pad_sequences is usually given; C38: what it exports.
    pytest.mark.filterwarnings("ignore:.*SavedModel"),
]

PAGES = {"en": "errata.md", "zh": "errata.zh-CN.md"}
PRINTED = ["number", "where", "printed", "today", "now"]  # the columns of A and B
MESSAGES = ["number", "where", "today", "why", "now"]  # of C
LENGTHS = {"A": 18, "B": 21, "C": 48}
NUMBERS = [[f"{part}{n}" for n in range(1, 1 + last)] for part, last in LENGTHS.items()]
LONG = {n: [pytest.mark.slow] for n in ("A1", "A10", "A15", "B14")}  # they train for seconds
ROWS = [pytest.param(n, marks=LONG.get(n, [])) for n in itertools.chain(*NUMBERS)]
ERRATA = ROOT / "tests" / "errata.py"


def cells() -> dict[str, list[ast.stmt]]:
    """The statements of errata.py by the mark behind or above them, such as "A1" or "A1 now"."""
    source, found = ERRATA.read_text(encoding="utf-8"), {}
    lines = source.splitlines()
    above = [(n, line[5:]) for n, line in enumerate(lines) if line.startswith("# %% ")]
    for node in ast.parse(source).body:
        marks = [(0, ""), *(mark for mark in above if mark[0] < node.lineno)]
        behind = re.search(r"  # ([ABC]\d+(?: now)?)$", lines[node.end_lineno - 1])
        found.setdefault(behind[1] if behind else marks[-1][1], []).append(node)
    return found


def run(statements: list[ast.stmt], names: dict) -> None:
    exec(compile(ast.Module(statements, []), ERRATA, "exec"), names)


CELLS, ABOVE = cells(), {"__name__": "errata"}
run(CELLS[""], ABOVE)


@functools.cache
def tables(language: str) -> list[dict[str, dict[str, str]]]:
    """The tables of a language: the cells of a row by column, by the number of the row."""
    text, found = (ROOT / "docs" / PAGES[language]).read_text(encoding="utf-8"), []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        columns = PRINTED if len(found) < 2 else MESSAGES
        rows = []
        for line in table.splitlines()[2:]:  # below the header and its line
            cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)]
            rows.append(dict(zip(columns, cells[1:-1], strict=True)))
        assert len({row["number"] for row in rows}) == len(rows), f"{language}: a number twice"
        found.append({row["number"]: row for row in rows})
    return found


def code(cell: str) -> list[str]:
    """What stands between backticks, one of them or several, as in GitHub's Markdown."""
    spans = (span for _, span in re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", cell))
    return [s[1:-1] if s[0] == s[-1] == " " and s.strip() else s for s in spans]


def one_line(text: str) -> str:
    """`text` without the colours of a terminal, its lines joined by blanks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.fixture(autouse=True)
def as_for_a_reader():
    """What the scripts switch on for numbers that can be repeated changes A6 and C17."""
    tensorflow_config.disable_op_determinism()
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(verbosity)
    tensorflow_config.enable_op_determinism()


@pytest.mark.parametrize("number", ROWS)
def test_a_printed_form_does_as_said_and_its_cure_works(number, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)  # the printed forms write where they are
    (row,) = (table[number] for table in tables("en") if number in table)
    promised, names, said = [*map(one_line, code(row["today"]))], dict(ABOVE), io.StringIO()
    assert promised, "the table promises no text that could be searched for"
    with redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda warning, kind, *_: print(f"{kind.__name__}: {warning}")
        for statement in CELLS[number]:
            try:
                run([statement], names)
            except Exception as error:
                shown = f"{type(error).__name__}: {error}"
                if not any(text in one_line(shown) for text in promised):
                    raise
                print(shown)
    for record in caplog.records:
        said.write(f"{record.levelname}:{record.name}:{record.getMessage()}\n")
    for text in promised:
        assert text in one_line(said.getvalue()), f"{number} is another today"
    run(CELLS.get(f"{number} now", []), names)


@pytest.mark.parametrize("language", PAGES)
def test_the_tables_have_every_row_in_its_order_and_each_has_a_cell(language):
    assert [list(table) for table in tables(language)] == NUMBERS
    assert {mark.partition(" ")[0] for mark in CELLS} == {"", *itertools.chain(*NUMBERS)}


def test_both_languages_have_the_same_code():
    for english, chinese in zip(tables("en"), tables("zh"), strict=True):
        for number, row in english.items():
            for column, cell in row.items():
                assert {*code(cell)} == {*code(chinese[number][column])}, f"{number}: {column}"


def test_what_the_tables_send_readers_to_is_there():
    known, sent = set(), Counter()
    for script in (functional_api, tensor_board, ensembling):
        known |= {*vars(script), *(one.name for one in lessons.read(script.__name__).lessons)}
    for module in (backup, board, calls, data, draw, tuning):
        known |= {f"{module.__name__.removeprefix('ch07.')}.{name}" for name in vars(module)}
    ours = re.compile(r"build_\w+|data\.\w+|(backup|board|calls|draw|tuning)\.\w+.*")
    for number, row in itertools.chain(*(table.items() for table in tables("en"))):
        for name in [*code(row["now"]), *code(row.get("why", ""))]:
            if ours.fullmatch(name) or f"lesson `{name}`" in row["now"]:
                assert re.match(r"[\w.]+", name)[0] in known, f"{number}: {name}"
                sent[name] += 1
    assert sent.total() > 30
