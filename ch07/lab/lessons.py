"""What lessons a script has, read from its source before anything runs, and the words of each.

A lesson is a block `if section.lesson(number, name):` at the top level of a script. Its words lie
in words/<script>.toml, English beside Chinese:

    title = { en = "...", zh = "..." }      of the whole script
    number = "7.1"                          its section of the book
    [siamese_lstm]
    title = { en = "...", zh = "..." }
    test = { en = "...", zh = "..." }       what is put to the test, or the question of an exercise
    predict = { en = "...", zh = "..." }    a question whose answer is a number of the lesson
    remember = { en = "...", zh = "..." }
    why = { en = "...", zh = "..." }        the explanation of the answer to an exercise
    of = "..."                              the name of the lesson that it is an exercise to
    [siamese_lstm.real]                     where there are real data: which (data = { en, zh }),
    [siamese_lstm.real.labels.en]           what pictures say instead of what, and the claims that
    [siamese_lstm.real.claims]              are made: the name of the number that each is compared
                                            with (against = "chance"), or that number (than = 0),
                                            the effect that was expected, a sentence of its own
    [siamese_lstm.claims]                   the sentences of its claims, English = Chinese
    [units]                                 likewise units; in Chinese {} is the place of the number
    [compared_with]                         likewise what numbers are compared with
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ch07.lab.startup import ROOT

WORDS = Path(__file__).resolve().parent / "words"
Words = Mapping[str, str]  # by language, "en" or "zh"


@dataclass(frozen=True)
class Lesson:
    """A lesson of a script, or an exercise: where its source is, and its words (see above)."""

    number: str  # of the section of the book, such as "7.1.5"
    name: str
    line: int
    end: int  # the last line
    title: Words
    test: Words
    remember: Words
    predict: Words = field(default_factory=dict)
    why: Words = field(default_factory=dict)
    claims: Words = field(default_factory=dict)
    of: str = ""
    real: Mapping[str, Any] = field(default_factory=dict)
    imdb: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Script:
    """A numbered script, or a module of exercises: its path, its title, its lessons in order."""

    path: Path
    number: str
    title: Words
    lessons: tuple[Lesson, ...]
    units: Words
    compared_with: Words


def source(name: str) -> Path:
    """The file of a script, or of a module of exercises, by its name."""
    return (ROOT / "exercises" if name.endswith("_exercises") else ROOT) / f"{name}.py"


def lesson_of(node: ast.AST) -> ast.Call | None:
    """The call of `section.lesson` in the condition of an `if`; None where there is none."""
    for call in ast.walk(node.test) if isinstance(node, ast.If) else ():
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "section.lesson":
            return call
    return None


@functools.cache
def read(name: str) -> Script:
    """The script called `name`, from its source and its words.

    Raises:
        OSError: the source or the words cannot be read.
        KeyError: a lesson has no words.
    """
    path = source(name)
    words = tomllib.loads((WORDS / f"{name}.toml").read_text(encoding="utf-8"))
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if call := lesson_of(node):
            number, lesson = map(ast.literal_eval, call.args)
            found.append(Lesson(number, lesson, node.lineno, node.end_lineno, **words[lesson]))
    tables = words.get("units", {}), words.get("compared_with", {})
    return Script(path, words["number"], words["title"], tuple(found), *tables)


def on(script: Script, data: str) -> Script:
    """`script` with those of its lessons that have such data: "synthetic", "real" or "imdb"."""
    having = (one for one in script.lessons if data == "synthetic" or getattr(one, data))
    return dataclasses.replace(script, lessons=tuple(having))


def matching(script: Script, text: str) -> list[str]:
    """The names of the lessons that `text` asks for, by number or by name."""
    whole = f"{text.rstrip('.')}."
    known = ((lesson.name, f"{lesson.number}.") for lesson in script.lessons)
    return [name for name, number in known if name == text or number.startswith(whole)]


def choose(script: Script, wanted: list[str]) -> list[Lesson]:
    """The lessons that are `wanted`, in order, or all; KeyError with a text that names none."""
    chosen: list[str] = []
    for text in wanted:
        if not (names := matching(script, text)):
            raise KeyError(text)
        chosen += names
    return [lesson for lesson in script.lessons if not wanted or lesson.name in chosen]
