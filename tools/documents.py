"""The documents, and what in them is generated: ``python -m tools.documents``.

Prose is written by hand, in English and in Chinese. Tables and numbers are not: they come from the
evidence, from the sources of the scripts and from their words, and stand between marks that a
rendered page does not show.

    <!-- claims siamese_lstm -->                    a block, here the table of a lesson's claims
    <!-- /claims -->
    <!--siamese_lstm: One shared LSTM-->0.984<!--/-->   the median of the claim that begins so
    <!--real: holds-->29<!--/-->                    of how many claims on real data that is said

After the beginning of the claim may stand what else of it is meant: ``| low``, ``| high``,
``| held`` (in how many runs), ``| bound``, or the name of what it is compared with. What stands in
a fence is left as it is.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from os.path import relpath
from pathlib import Path

from ch07.lab import lessons
from ch07.lab.claims import EVIDENCE, REAL, SECONDS, counted, named, number
from ch07.lab.files import write_aside
from ch07.lab.lessons import Lesson, Script
from ch07.lab.startup import ROOT
from tools import dependencies
from tools.evidence import EXERCISES, ROUNDS, SCRIPTS, rows_of

HOME = Path(__file__).resolve().parent
BENCHMARKS = HOME / "benchmarks.json"
MATRIX = HOME / "matrix.json"
WORDS = HOME / "documents.toml"  # of what is generated, in both languages; sources are in ASCII
FOLDERS = ("", "docs", "exercises")
BLOCK = re.compile(r"^<!-- (\w+)(?: (\w+))? -->\n(.*?)^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"<!--(\w+): ([^|]*?)(?: \| (.*?))?-->(.*?)<!--/-->")
NEVER = "\u2013"  # in a cell that has nothing to say


@functools.cache
def parsed(path: Path) -> dict:
    """What a file of JSON or TOML holds; nothing where there is no such file."""
    text = path.read_text(encoding="utf-8") if path.exists() else "{}"
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def all_lessons(programs: list[str] = SCRIPTS) -> list[tuple[Script, Lesson]]:
    """The lessons of all scripts, in the order of the book, each with its script."""
    return [(script, one) for script in map(lessons.read, programs) for one in script.lessons]


def models(script: Script, lesson: Lesson) -> list[tuple[str, int]]:
    """The builders of its script that a lesson uses, itself or by its functions; their lines."""
    module = dependencies.Sources().module(script.path.stem)
    todo = [node for node in module.tree.body if node.lineno == lesson.line]
    found: dict[str, int] = {}
    while todo:
        for name, *_ in dependencies.chains(todo.pop(0)):
            if name in module.own and name not in found:
                found[name] = module.own[name][0].lineno
                todo += module.own[name]
    return [(name, line) for name, line in found.items() if name.startswith("build_")]


def others(row: dict[str, str]) -> dict[str, float]:
    """What a claim of the evidence is compared with, by name."""
    parts = [one.rpartition(" ") for one in row["compared_with"].split("; ") if one]
    return {name: float(value) for name, _, value in parts}


class Page:
    """One document in one language, with its blocks as methods."""

    def __init__(self, path: Path):
        self.path = path
        self.language = "zh" if path.name.endswith(".zh-CN.md") else "en"
        self.words = parsed(WORDS)[self.language]

    def render(self, text: str) -> str:
        """`text`, with every block and every number as it is today.

        Raises:
            ValueError: a mark means nothing, or not one thing.
        """

        def block(match: re.Match) -> str:
            name, argument, _ = match.groups()
            if name not in BLOCKS:
                raise self.error(f"there is no block '{name}'")
            body = BLOCKS[name](self, *([argument] if argument else []))
            return "\n".join([match[0].partition("\n")[0], body, f"<!-- /{name} -->"])

        def inline(match: re.Match) -> str:
            lesson, begins, which, _ = match.groups()
            return f"{match[0].partition('-->')[0]}-->{self.value(lesson, begins, which)}<!--/-->"

        parts = FENCE.split(text)
        parts[::2] = [NUMBER.sub(inline, BLOCK.sub(block, part)) for part in parts[::2]]
        return "".join(parts)

    def error(self, text: str) -> ValueError:
        """What is wrong with this page."""
        return ValueError(f"{self.path.name}: {text}.")

    def lesson(self, name: str) -> tuple[Script, Lesson]:
        """The lesson, or the exercise, of that name, with its script."""
        for script, lesson in all_lessons([*SCRIPTS, *EXERCISES]):
            if lesson.name == name:
                return script, lesson
        raise self.error(f"there is no lesson '{name}'")

    def claims(self, lesson: str) -> list[dict[str, str]]:
        """What the evidence has of a lesson."""
        self.lesson(lesson)
        return [row for row in rows_of(EVIDENCE) if row["lesson"] == lesson]

    def value(self, lesson: str, begins: str, which: str | None) -> str:
        """The number that a mark means."""
        if lesson == "real":
            verdicts = [row["verdict"] for row in rows_of(REAL)]
            return number(len(verdicts) if begins == "claims" else verdicts.count(begins))
        rows = [row for row in self.claims(lesson) if row["claim"].startswith(begins)]
        rows = [row for row in rows if row["claim"] == begins] or rows
        if len(rows) != 1:
            raise self.error(f"'{lesson}: {begins}' means {len(rows)} claims")
        (row,) = rows
        known = {**others(row), **row, "bound": row["at_least"] or row["at_most"]}
        if which and which not in known:
            raise self.error(f"'{lesson}: {begins}' has no '{which}'")
        return number(float(known[which or "median"]))

    def of(self, words: dict[str, str]) -> str:
        """What is said in both languages, in that of the page."""
        return words[self.language]

    def translated(self, known: dict[str, str], english: str) -> str:
        """`english` in the language of the page, of the words `known`, English = Chinese."""
        if self.language == "en" or not english:
            return english
        if english not in known:
            raise self.error(f"there is no Chinese for {english!r}")
        return known[english]

    def amount(self, script: Script, row: dict[str, str]) -> str:
        """The median of a claim with its unit."""
        median = row.get("value", row["median"])  # on real data the median is of the effect
        unit = self.translated(script.units, row["unit"])
        unit = unit if "{}" in unit else f"{{}} {unit}"
        return counted(unit.format(number(float(median))).rstrip())

    def bound(self, row: dict[str, str]) -> str:
        """The bounds of a claim in words."""
        keys = [key for key in ("at_least", "at_most") if row[key]]
        keys = ["exactly"] if row["at_least"] == row["at_most"] else keys
        bounds = {**row, "exactly": row["at_least"]}
        words = [self.words[key].format(number(float(bounds[key]))) for key in keys]
        return self.words["both"].join(words)

    def link(self, text: str, path: Path, line: int | None = None) -> str:
        """A link to a file of the project, as the page has to write it."""
        target = relpath(path, self.path.parent).replace("\\", "/")
        return f"[{text}]({target}{f'#L{line}' if line else ''})"

    def code(self, script: Script, lesson: Lesson) -> str:
        """A link to a lesson."""
        return self.link(f"`{lesson.name}`", script.path, lesson.line)

    def seconds(self, lesson: Lesson) -> str:
        """How long a lesson takes, the median."""
        known = {row["lesson"]: row["seconds"] for row in rows_of(SECONDS)}
        return f"{max(1, round(float(known.get(lesson.name, 0))))}"

    def table(self, columns: list[str], rows: list[list[str]], numbers: int = 0) -> str:
        """A table in Markdown, with the headings `columns`; the last `numbers` stand right."""
        align = ["---"] * (len(columns) - numbers) + ["---:"] * numbers
        lines = [[self.words[name] for name in columns], align, *rows]
        cells = [[str(cell).replace("|", r"\|") for cell in line] for line in lines]
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)

    def overview(self) -> str:
        """Each lesson: what it shows, where it is, how long it takes."""
        lines = []
        for script, lesson in all_lessons():
            listing = self.listing(script, lesson)
            title = f"{lesson.number} {self.of(lesson.title)}"
            title += self.words["brackets"].format(listing) if listing else ""
            claims = self.claims(lesson.name)
            see = self.line(script, lesson, claims[0]) if claims else self.of(lesson.remember)
            lines.append([title, self.code(script, lesson), see, self.seconds(lesson)])
        return self.table(["lesson", "name", "see", "seconds"], lines, 1)

    def listing(self, script: Script, lesson: Lesson) -> str:
        """The listings of the book that a lesson has, in words."""
        lines = script.path.read_text(encoding="utf-8").splitlines()[: lesson.line]
        head = next(line for line in reversed(lines) if line.startswith("# %%"))
        match = re.search(r"\((listings?) (.*)\)", head)
        kind, named = match.groups() if match else ("listing", "")
        if self.language == "zh":
            named = named.replace("7.", "7-")
        for word in ("and", "to"):
            named = named.replace(f" {word} ", self.words[word])
        return self.words[kind].format(named) if named else ""

    def compared(self, script: Script, row: dict[str, str], without: Sequence[str] = ()) -> str:
        """What a claim is compared with, but for some of it."""
        return self.words["comma"].join(
            named(self.translated(script.compared_with, name), value)
            for name, value in others(row).items()
            if name not in without
        )

    def line(self, script: Script, lesson: Lesson, row: dict[str, str]) -> str:
        """A claim in a line, as a run prints it."""
        sentence = self.translated(lesson.claims, row["claim"]) + self.words["colon"]
        compared = self.compared(script, row)
        brackets = self.words["brackets"].format(compared) if compared else ""
        return f"{sentence}**{self.amount(script, row)}**{brackets}"

    def source(self, name: str) -> str:
        """The heading of a lesson; where its code is, how to run it, how long it takes."""
        script, lesson = self.lesson(name)
        links = [self.link(f"`{name}`", script.path, at) for name, at in models(script, lesson)]
        parts = [
            self.words["code"].format(self.code(script, lesson)),
            self.words["models"].format(self.words["comma"].join(links)) if links else "",
            self.listing(script, lesson),
            self.words["run"].format(f"python {script.path.name} {lesson.name}"),
            self.words["takes"].format(self.seconds(lesson)),
        ]
        heading = f"## {lesson.number} {self.of(lesson.title)}\n\n"
        return heading + " \u00b7 ".join(filter(None, parts))

    def claim_table(self, name: str) -> str:
        """The claims of a lesson beside what they are compared with, and what to remember."""
        script, lesson = self.lesson(name)
        rows = [(row, others(row)) for row in self.claims(name)]
        apart = [one for one in ("chance", "best possible") if any(one in of for _, of in rows)]
        lines = []
        for row, known in rows:
            cells = [self.translated(lesson.claims, row["claim"]), self.amount(script, row)]
            cells.append(self.compared(script, row, apart) or NEVER)
            cells += [number(known[one]) if one in known else NEVER for one in apart]
            lines.append(cells)
        columns = ["claim", "measured", "compared", *apart]
        if real := self.on_real_data(script, lesson):
            columns.append("real")
            for cells, (row, _) in zip(lines, rows, strict=True):
                cells.append(real.get(row["claim"], NEVER))
        table = f"{self.table(columns, lines)}\n\n" if lines else ""
        return f"{table}**{self.words['remember']}** {self.of(lesson.remember)}"

    def on_real_data(self, script: Script, lesson: Lesson) -> dict[str, str]:
        """What came of the claims of a lesson on real data, by their English on synthetic ones."""
        known = {row["claim"]: row for row in rows_of(REAL) if row["lesson"] == lesson.name}
        found = {}
        for sentence, words in lesson.real.get("claims", {}).items():
            if row := known.get(words.get("en", sentence)):
                compared = self.compared(script, row)
                brackets = self.words["brackets"].format(compared) if compared else ""
                verdict = self.words["colon"] + self.words[row["verdict"]]
                found[sentence] = self.amount(script, row) + brackets + verdict
        return found

    def real(self) -> str:
        """Each claim on synthetic data beside what came of it on real data."""
        lines = []
        for script, lesson in all_lessons():
            known = {row["claim"]: row for row in rows_of(REAL) if row["lesson"] == lesson.name}
            for row in self.claims(lesson.name):
                words = lesson.real.get("claims", {}).get(row["claim"])
                if not words:
                    continue
                of = known[words.get("en", row["claim"])]
                shown = (
                    lesson.claims | {words["en"]: words["zh"]} if "en" in words else lesson.claims
                )
                cells = [self.code(script, lesson), self.line(script, lesson, row)]
                cells.append(self.line(script, replace(lesson, claims=shown), of))
                effect = f"{number(float(of['median']))} / {number(float(of['expected']))}"
                cells += [f"{of['held']}/{of['runs']}", effect, self.words[of["verdict"]]]
                lines.append(cells)
        columns = ["name", "synthetic", "real", "right_way", "effect", "verdict"]
        return self.table(columns, lines)

    def without_real(self) -> str:
        """The lessons that have no real data."""
        links = [self.code(script, one) for script, one in all_lessons() if not one.real]
        return self.words["comma"].join(links)

    def evidence(self, name: str) -> str:
        """The claims of a script over all recorded runs."""
        script = lessons.read(name)
        lines = []
        for lesson in script.lessons:
            for row in self.claims(lesson.name):
                unit = self.translated(script.units, row["unit"])
                unit = unit.removesuffix(" {}").replace("{}", "...")
                unit = self.words["brackets"].format(unit) if unit else ""
                claim = self.translated(lesson.claims, row["claim"]) + unit
                values = [number(float(row[key])) for key in ("low", "median", "high")]
                held = f"{row['held']}/{row['runs']}"
                lines.append([self.code(script, lesson), claim, self.bound(row), *values, held])
        columns = ["name", "claim", "bound", "lowest", "median", "highest", "held"]
        return self.table(columns, lines, 4)

    def rounds(self) -> str:
        """What came of each round of the evidence, failed ones too."""
        by_round: dict[str, list[dict[str, str]]] = {}
        for row in rows_of(ROUNDS):
            kinds = ("real", "exercises")
            kind = next((of for of in kinds if row["script"].endswith(f"_{of}")), "")
            kind = kind and self.words["brackets"].format(self.words[kind])
            by_round.setdefault(row["round"] + kind, []).append(row)
        lines = []
        for name, rows in by_round.items():
            seeds = [int(row["seed"]) for row in rows]
            span = f"{min(seeds)} \u2013 {max(seeds)}"
            counts = [sum(int(row[key]) for row in rows) for key in ("held", "claims")]
            held = self.words["of"].format(*map(number, counts))
            failed = sum(bool(row["failed"]) for row in rows)
            lines.append([name, rows[0]["date"], span, len(rows), held, failed])
        return self.table(["round", "date", "seeds", "runs", "held", "failed"], lines, 3)

    def exercises(self, name: str) -> str:
        """The exercises of a module, each with its answer folded away."""
        script = lessons.read(name)
        lines = []
        for lesson in script.lessons:
            source, of = self.lesson(lesson.of)
            link = self.words["exercise_to"].format(self.code(source, of))
            solution = self.words["solution"].format(self.code(script, lesson))
            command = self.words["run"].format(f"python -m exercises.{name} {lesson.name}")
            claims = [f"- {self.line(script, lesson, row)}" for row in self.claims(lesson.name)]
            lines += [
                f"### {lesson.number} {self.of(lesson.title)}",
                f"{link} \u00b7 {solution} \u00b7 {command}",
                self.of(lesson.test),
                f"<details><summary>{self.words['answer']}</summary>",
                "\n".join(claims),
                self.of(lesson.why or lesson.remember),
                "</details>",
            ]
        return "\n\n".join(lines)

    def benchmarks(self) -> str:
        """How fast the scripts are, and the main model of each lesson beside a bare loop."""
        record = parsed(BENCHMARKS)
        if not record:
            raise self.error("nothing has been measured: run python -m tools.benchmarks")
        packages = self.words["comma"].join(f"{n} {v}" for n, v in record["packages"].items())
        given = {**record, "date": record["started"][:10], "packages": packages}
        scripts = [
            [f"`{of['script']}.py`", of["jobs"], f"{of['imports']:.1f}", f"{of['megabytes']:,.0f}"]
            for of in record["scripts"]
        ]
        ratios = [[self.words[of["what"]], self.range(of["times"])] for of in record["ratios"]]
        imports = {row["lesson"]: number(float(row["imports"])) for row in rows_of(SECONDS)}
        each = []
        for of in record["trainings"]:
            ranges = self.range(of["throughput"]), self.range(of["milliseconds"])
            each.append([f"`{of['lesson']}`", imports.get(of["lesson"], NEVER), *ranges])
        return (
            f"{self.words['benchmarks'].format(**given)}\n\n"
            f"{self.table(['script', 'jobs', 'imports', 'megabytes'], scripts, 3)}\n\n"
            f"{self.table(['what', 'measured'], ratios, 1)}\n\n"
            f"<details><summary>{self.words['each_lesson']}</summary>\n\n"
            f"{self.table(['lesson', 'imports', 'throughput', 'epoch'], each, 3)}\n\n</details>"
        )

    def range(self, spread: dict[str, float]) -> str:
        """A median, with the lowest and the highest in brackets."""
        low, median, high = (number(spread[key]) for key in ("low", "median", "high"))
        return median + self.words["brackets"].format(f"{low} \u2013 {high}")

    def matrix(self) -> str:
        """On which Pythons and packages the tests have run, and how that ended."""
        lines = []
        for row in parsed(MATRIX).values():
            versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
            packages = f"{self.words[row['packages']]}{self.words['colon']}{versions}"
            outcome = self.words["tests"].format(**row)
            lines.append([row["python"], packages, outcome, row["date"]])
        return self.table(["python", "packages", "outcome", "date"], lines)


BLOCKS: dict[str, Callable[..., str]] = {
    "overview": Page.overview,
    "lesson": Page.source,
    "claims": Page.claim_table,
    "real": Page.real,
    "without_real": Page.without_real,
    "evidence": Page.evidence,
    "rounds": Page.rounds,
    "exercises": Page.exercises,
    "benchmarks": Page.benchmarks,
    "matrix": Page.matrix,
}


def pages() -> list[Page]:
    """All documents."""
    return [Page(path) for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))]


def write() -> list[str]:
    """Bring every document up to date that can be; gives what is wrong with the others."""
    for cached in (parsed, lessons.read):
        cached.cache_clear()
    wrong = []
    for page in pages():
        text = page.path.read_text(encoding="utf-8")
        try:
            rendered = page.render(text)
        except ValueError as error:
            wrong.append(str(error))
            continue
        if rendered != text:
            write_aside(page.path, rendered.encode("utf-8"))
    return wrong


if __name__ == "__main__":
    sys.exit("\n".join(write()) or 0)
