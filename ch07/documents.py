"""The documents, and what in them is generated: ``python -m ch07.documents``.

Prose is written by hand, in English and in Chinese. Tables and numbers are not: they come from
``evidence.json`` and from the sources of the scripts, and stand between marks that a rendered page
does not show.

    <!-- claims siamese_lstm -->                    a block, here the table of a lesson's claims
    <!-- /claims -->
    <!--siamese_lstm: Same or not-->0.984<!--/-->   the median of the claim that begins so

After the beginning of the claim may stand what else of it is meant: ``| low``, ``| high``,
``| held`` (the number of seeds) or the name of what it is compared with.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from ch07.claims import number
from ch07.files import write_aside

HOME = Path(__file__).resolve().parent
ROOT = HOME.parent
SCRIPTS = sorted(path.stem for path in ROOT.glob("ch07[0-9][0-9]_*.py"))
EXERCISES = sorted(path.stem for path in ROOT.glob("exercises/ch07[0-9][0-9]_*.py"))
CLAIM_COLUMNS = ("claim", "bound", "median", "lowest", "highest", "held")
EVIDENCE = HOME / "evidence.json"
BENCHMARKS = ROOT / "benchmarks" / "record.json"
MATRIX = ROOT / "tests" / "matrix.json"
WORDS = HOME / "words"  # of what is generated, in Chinese; sources are in English and in ASCII
DOCUMENTS = {  # by language
    "en": [ROOT / "README.md", HOME / "README.md"],
    "zh": [ROOT / "README.zh-CN.md", HOME / "README.zh-CN.md"],
}
BLOCK = re.compile(r"^<!-- (\w+)(?: (\w+))? -->\n(.*?)^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"<!--(\w+): ([^|]*?)(?: \| (.*?))?-->(.*?)<!--/-->")


@dataclass(frozen=True)
class Lesson:
    """A lesson of a script, or an exercise, as its source says.

    Attributes:
        program: the name of its module.
        path, line: where its function begins, and its decorator.
        name: of the function.
        number, title: as declared.
        summary: it looks at the claims of the whole section.
        listings: of the book, such as "7.1 and 7.2"; empty where they have no number.
        models: the builders and classes of the script that it uses, with their lines.
        of, why: of an exercise, the name of its lesson, and what explains the answer.
        question: the docstring, on one line.
    """

    program: str
    path: Path
    line: int
    name: str
    number: str
    title: str
    summary: bool
    listings: str
    models: tuple[tuple[str, int], ...]
    of: str
    why: str
    question: str


def names_in(node: ast.AST) -> Iterator[str]:
    """The names that occur in a piece of source, in their order."""
    found = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    return (one.id for one in sorted(found, key=lambda one: (one.lineno, one.col_offset)))


def models_of(function: ast.AST, known: dict[str, ast.AST]) -> list[str]:
    """The builders and classes among `known` that `function` uses, itself or through others."""
    used: dict[str, None] = {}

    def visit(node: ast.AST) -> None:
        for name in names_in(node):
            if name in known and name not in used and known[name] is not function:
                used[name] = None
                visit(known[name])

    visit(function)
    return [
        name for name in used if name.startswith("build_") or isinstance(known[name], ast.ClassDef)
    ]


def constants(call: ast.Call) -> tuple[list[str], dict[str, str | bool]]:
    """The arguments of a `call`: by place, of a name its last part, and by name."""
    values = [
        argument.attr if isinstance(argument, ast.Attribute) else ast.literal_eval(argument)
        for argument in call.args
    ]
    return values, {key.arg: ast.literal_eval(key.value) for key in call.keywords}


@functools.cache
def lessons(program: str) -> tuple[Lesson, ...]:
    """The lessons of a script, or the exercises of a module of them, in their order."""
    path = (ROOT / "exercises" if program in EXERCISES else ROOT) / f"{program}.py"
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    cells = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    definitions = (ast.FunctionDef, ast.ClassDef)
    known = {node.name: node for node in tree.body if isinstance(node, definitions)}
    found = []
    for function in known.values():
        for call in function.decorator_list:
            kind = getattr(call.func, "attr", "") if isinstance(call, ast.Call) else ""
            if kind not in ("lesson", "exercise"):
                continue
            values, options = constants(call)
            of = values.pop(0) if kind == "exercise" else ""
            number, title = values
            cell = next(line for n, line in reversed(cells) if n < function.lineno)
            listings = re.search(r"\(listings? (.*)\)", cell)
            found.append(
                Lesson(
                    program=program,
                    path=path,
                    line=call.lineno,
                    name=function.name,
                    number=number,
                    title=title,
                    summary=options.get("summary", False),
                    listings=listings[1] if listings else "",
                    models=tuple((n, known[n].lineno) for n in models_of(function, known)),
                    of=of,
                    why=options.get("why", ""),
                    question=" ".join((ast.get_docstring(function) or "").split()),
                )
            )
    return tuple(found)


def all_lessons() -> list[Lesson]:
    """The lessons of all scripts, in the order of the book."""
    return [lesson for script in SCRIPTS for lesson in lessons(script)]


@functools.cache
def read(path: Path) -> dict:
    """What a file of JSON holds; nothing where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def translation(program: str) -> dict:
    """The words of a program in Chinese, and what its lessons show, in both languages."""
    return read(WORDS / f"{program}.json")


class Page:
    """One document in one language, which knows how to write its own blocks."""

    def __init__(self, path: Path, language: str):
        self.path = path
        self.language = language
        self.words = read(WORDS / "documents.json")[language]

    def render(self, text: str) -> str:
        """`text`, with every block and every number as it is today.

        Raises:
            ValueError: a mark means nothing, or not one thing.
        """

        def block(match: re.Match) -> str:
            name, argument, _ = match.groups()
            if name not in BLOCKS:
                raise ValueError(f"{self.path.name}: there is no block '{name}'.")
            body = BLOCKS[name](self, *([argument] if argument else []))
            opening = match[0].partition("\n")[0]
            return f"{opening}\n{body}\n<!-- /{name} -->"

        def inline(match: re.Match) -> str:
            lesson, begins, which, _ = match.groups()
            mark = match[0].partition("-->")[0]
            return f"{mark}-->{self.value(lesson, begins, which)}<!--/-->"

        return NUMBER.sub(inline, BLOCK.sub(block, text))

    # Looking things up

    def lesson(self, name: str) -> Lesson:
        """The lesson, or the exercise, of that name; a wrap-up is named after its script too."""
        for program in (*SCRIPTS, *EXERCISES):
            for one in lessons(program):
                if name in (one.name, f"{program}_{one.name}") and not (
                    one.summary and name == one.name
                ):
                    return one
        raise ValueError(f"{self.path.name}: there is no lesson '{name}'.")

    def claims(self, lesson: Lesson) -> list[dict]:
        """What the evidence has of a lesson."""
        of_program = read(EVIDENCE).get(lesson.program, {"claims": []})["claims"]
        return [row for row in of_program if row["lesson"] == lesson.name]

    def value(self, lesson: str, begins: str, which: str | None) -> str:
        """The number that a mark means."""
        measured = lesson == "benchmarks"
        rows = read(BENCHMARKS)["claims"] if measured else self.claims(self.lesson(lesson))
        rows = [row for row in rows if row["claim"].startswith(begins)]
        rows = [row for row in rows if row["claim"] == begins] or rows
        if len(rows) != 1:
            raise ValueError(f"{self.path.name}: '{lesson}: {begins}' means {len(rows)} claims.")
        (row,) = rows
        if which in (None, "low", "high", "held"):
            return number(row[which or "median"])
        if which not in row["compared_with"]:
            raise ValueError(f"{self.path.name}: '{lesson}: {begins}' has no '{which}'.")
        return number(row["compared_with"][which]["median"])

    # Words

    def translated(self, program: str, kind: str, *keys: str) -> str:
        """What a program calls something, in the language of the page.

        Raises:
            ValueError: there is no translation.
        """
        if self.language == "en":
            return keys[-1]
        found = translation(program).get(kind, {})
        for key in keys:
            found = found.get(key, {})
        if not isinstance(found, str):
            raise ValueError(f"ch07/words/{program}.json lacks {kind}: {', '.join(keys)}.")
        return found

    def sentence(self, program: str, row: dict) -> str:
        """A claim with its unit."""
        sentence = self.translated(program, "claims", row["lesson"], row["claim"])
        if not row["unit"]:
            return sentence
        unit = self.translated(program, "units", row["unit"])
        return self.words["with_unit"].format(sentence, unit)

    def bound(self, row: dict) -> str:
        """The bounds of a claim in words."""
        low, high = row["bound"]["at_least"], row["bound"]["at_most"]
        if low == high:
            return self.words["exactly"].format(number(low))
        words = [
            self.words[key].format(number(value))
            for key, value in row["bound"].items()
            if value is not None
        ]
        return words[0] if len(words) == 1 else self.words["both"].format(*words)

    def link(self, text: str, path: Path, line: int | None = None) -> str:
        """A link to a file of the project, as the page has to write it."""
        target = relpath(path, self.path.parent).replace("\\", "/")
        return f"[{text}]({target}{f'#L{line}' if line else ''})"

    def seconds(self, lesson: Lesson) -> str:
        """How long a lesson takes, the median."""
        spread = read(EVIDENCE)[lesson.program]["seconds"].get(lesson.name, {"median": 0})
        return f"{max(1, round(spread['median']))}"

    # Blocks

    def overview(self) -> str:
        """Section, listing, script and function, what to see, seconds."""
        columns = ("section", "book", "code", "see", "seconds")
        lines = [table_row(self.words[name] for name in columns), "|---|---|---|---|---:|"]
        for lesson in all_lessons():
            if lesson.summary:
                continue
            known = translation(lesson.program)
            shown = known["shown"][lesson.name]
            see = shown[self.language].format(self.value(lesson.name, shown["claim"], None))
            listing = lesson.listings
            for word in ("and", "to"):
                listing = listing.replace(f" {word} ", self.words[word])
            book = self.words["listings"].format(listing) if listing else self.words["unnumbered"]
            title = lesson.title if self.language == "en" else known["lessons"][lesson.name]
            code = self.link(f"`{lesson.name}`", lesson.path, lesson.line)
            title = f"{lesson.number} {title}"
            lines.append(table_row([title, book, code, see, self.seconds(lesson)]))
        return "\n".join(lines)

    def source(self, name: str) -> str:
        """Where the code of a lesson is, how to run it, how long it takes."""
        lesson = self.lesson(name)
        code = self.link(f"`{lesson.name}`", lesson.path, lesson.line)
        parts = [self.words["lesson"].format(code)]
        if lesson.models:
            links = [self.link(f"`{name}`", lesson.path, at) for name, at in lesson.models]
            parts.append(self.words["models"].format(self.words["joined"].join(links)))
        parts.append(self.words["command"].format(f"python {lesson.program}.py {lesson.number}"))
        if not lesson.summary:
            parts.append(self.words["takes"].format(self.seconds(lesson)))
        return " \u00b7 ".join(parts)

    def claim_cells(self, program: str, row: dict) -> list[str]:
        """A claim as the cells of `CLAIM_COLUMNS`."""
        numbers = [number(row[key]) for key in ("median", "low", "high")]
        held = self.words["of"].format(row["held"], row["of"])
        return [self.sentence(program, row), self.bound(row), *numbers, held]

    def claim_table(self, name: str) -> str:
        """The claims of a lesson over the seeds."""
        lesson = self.lesson(name)
        lines = [table_row(self.words[n] for n in CLAIM_COLUMNS), "|---|---|---:|---:|---:|---:|"]
        lines += [table_row(self.claim_cells(lesson.program, row)) for row in self.claims(lesson)]
        return "\n".join(lines)

    def exercises(self, name: str) -> str:
        """The exercises to a lesson, each with its answer folded away."""
        lesson = self.lesson(name)
        program = f"{lesson.program.partition('_')[0]}_exercises"
        command = f"python -m exercises.{program} {lesson.number}"
        lines = [f"**{self.words['predict']}** (`{command}`)", ""]
        own = [exercise for exercise in lessons(program) if exercise.of == lesson.name]
        for place, exercise in enumerate(own, start=1):
            link = self.link(self.told(exercise, "lessons"), exercise.path, exercise.line)
            question = self.told(exercise, "questions")
            lines += [
                self.words["exercise"].format(place, link, question),
                "",
                f"   <details><summary>{self.words['answer']}</summary>",
                "",
            ]
            lines += [f"   - {self.answer(program, row)}" for row in self.claims(exercise)]
            lines += ["", f"   {self.told(exercise, 'why')}", "", "   </details>", ""]
        return "\n".join(lines).rstrip()

    def answer(self, program: str, row: dict) -> str:
        """A claim of an exercise in words."""
        low, median, high = (number(row[key]) for key in ("low", "median", "high"))
        among = self.words["range"].format(low, high) if low != high else ""
        held = self.words["of"].format(row["held"], row["of"])
        held = self.words["but_held"].format(held) if row["held"] < row["of"] else ""
        sentence, bound = self.sentence(program, row), self.bound(row)
        return self.words["answered"].format(sentence, median, among, bound, held)

    def told(self, exercise: Lesson, kind: str) -> str:
        """The title ("lessons"), the question or the why of an exercise."""
        english = {"lessons": exercise.title, "questions": exercise.question, "why": exercise.why}
        if self.language == "en":
            return english[kind]
        return self.translated(exercise.program, kind, exercise.name)

    def table(self, program: str) -> str:
        """All claims of a script over the seeds, below a line on when and where it ran."""
        evidence = read(EVIDENCE)[program]
        seconds = sum(spread["median"] for spread in evidence["seconds"].values())
        columns = ("section", *CLAIM_COLUMNS)
        lines = [
            self.words["runs"].format(
                program=program,
                seeds=len(evidence["seeds"]),
                seconds=f"{seconds:.0f}",
                imports=f"{evidence['imports']['']['median']:.0f}",
                **self.provenance(evidence),
            ),
            "",
            table_row(self.words[name] for name in columns),
            "|---|---|---|---:|---:|---:|---:|",
        ]
        lines += [
            table_row([row["section"], *self.claim_cells(program, row)])
            for row in evidence["claims"]
        ]
        return "\n".join(lines)

    def benchmarks(self) -> str:
        """What was measured of speed, and of each lesson."""
        record = read(BENCHMARKS)
        columns = ("measured", "bound", "median", "lowest", "highest", "kept")
        took = {"n": record["repetitions"], "minutes": sum(record["seconds"].values()) / 60}
        lines = [
            self.words["benchmarks"].format(**took, **self.provenance(record)),
            "",
            table_row(self.words[name] for name in columns),
            "|---|---|---:|---:|---:|---|",
        ]
        for row in record["claims"]:
            numbers = [number(row[key]) for key in ("median", "low", "high")]
            kept = self.words["yes" if row["holds"] else "no"]
            sentence = self.sentence("benchmarks", row)
            lines.append(table_row([sentence, self.bound(row), *numbers, kept]))
        columns = ("lesson_name", "imports", "bare", "as_printed")
        lines += [
            "",
            f"<details><summary>{self.words['each_lesson']}</summary>",
            "",
            table_row(self.words[name] for name in columns),
            "|---|---:|---:|---:|",
        ]
        for of in record["lessons"]:
            ways = [number(of[way]["median"]) if way in of else "" for way in ("bare", "printed")]
            name = f"`{of['lesson']}`"
            lines.append(table_row([name, number(of["imports"]["median"]), *ways]))
        summary = f"<details><summary>{self.words['profile']}</summary>"
        lines += ["", "</details>", "", summary, "", "```text"]
        lines += [f"{share:.2f}  {place}" for place, share in record["profile"].items()]
        return "\n".join([*lines, "```", "", "</details>"])

    def matrix(self) -> str:
        """On which Pythons and packages the tests have run, and how that ended."""
        columns = ("python", "packages", "outcome", "date")
        lines = [table_row(self.words[name] for name in columns), "|---|---|---|---|"]
        for row in read(MATRIX).values():
            versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
            packages = f"{self.words[row['packages']]}: {versions}"
            lines.append(
                table_row([row["python"], packages, self.words["tests"].format(**row), row["date"]])
            )
        return "\n".join(lines)

    def provenance(self, record: dict) -> dict[str, str]:
        """When and on what something was measured."""
        return {
            "date": record["started"][:10],
            "python": record["python"],
            "machine": record["machine"],
            "packages": self.words["joined"].join(
                f"{name} {version}" for name, version in record["packages"].items()
            ),
        }


BLOCKS: dict[str, Callable[..., str]] = {
    "overview": Page.overview,
    "lesson": Page.source,
    "claims": Page.claim_table,
    "exercises": Page.exercises,
    "table": Page.table,
    "benchmarks": Page.benchmarks,
    "matrix": Page.matrix,
}


def table_row(cells) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def pages() -> list[Page]:
    """All documents."""
    return [Page(path, language) for language, paths in DOCUMENTS.items() for path in paths]


def write() -> None:
    """Bring every document up to date."""
    read.cache_clear()
    lessons.cache_clear()
    for page in pages():
        text = page.path.read_text(encoding="utf-8")
        rendered = page.render(text)
        if rendered != text:
            write_aside(page.path, rendered.encode("utf-8"))


if __name__ == "__main__":
    sys.exit(write())
