"""What lessons a script has, read from its source before anything runs, and the words of each.

A lesson is a block `if section.lesson(number, name):` at the top level of a script. Its words lie
in words/<script>.toml, English beside Chinese:

    title = { en = "...", zh = "..." }          of the whole script
    number = "7.1"                              its section of the book

    [siamese_lstm]
    title = { en = "...", zh = "..." }
    test = { en = "...", zh = "..." }           what is put to the test
    predict = { en = "...", zh = "..." }        a question whose answer is a number of the lesson
    remember = { en = "...", zh = "..." }
    [siamese_lstm.claims]                       the sentences of its claims, English = Chinese
    "One shared LSTM tells same from different" = "..."

    [units]                                     likewise units, and what numbers are compared with
    "accuracy" = "..."
    [compared_with]
    "chance" = "..."

An exercise has `of`, the name of its lesson, and `why`, which explains its answer; its `test` is
the question.
"""

from __future__ import annotations

import ast
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ch07.lab.startup import ROOT

WORDS = Path(__file__).resolve().parent / "words"
Words = Mapping[str, str]  # by language, "en" or "zh"


@dataclass(frozen=True)
class Lesson:
    """A lesson of a script, or an exercise.

    Attributes:
        number: of the section of the book, such as "7.1.5".
        name: by which it is asked for, and by which its record and its picture are called.
        line: where it begins in the source, and `end` where it ends.
        title, test, predict, remember, why: its words by language; empty where it has none.
        claims: the Chinese sentence of each claim, by the English one.
        of: the name of the lesson that it is an exercise to; empty unless it is one.
    """

    number: str
    name: str
    line: int
    end: int
    title: Words
    test: Words
    predict: Words
    remember: Words
    why: Words
    claims: Words
    of: str


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
        call = lesson_of(node)
        if call is None:
            continue
        number, lesson = (ast.literal_eval(argument) for argument in call.args)
        own = words[lesson]
        found.append(
            Lesson(
                number=number,
                name=lesson,
                line=node.lineno,
                end=node.end_lineno,
                title=own["title"],
                test=own["test"],
                predict=own.get("predict", {}),
                remember=own["remember"],
                why=own.get("why", {}),
                claims=own.get("claims", {}),
                of=own.get("of", ""),
            )
        )
    return Script(
        path,
        words["number"],
        words["title"],
        tuple(found),
        words.get("units", {}),
        words.get("compared_with", {}),
    )


def choose(script: Script, wanted: list[str]) -> list[Lesson]:
    """The lessons that `wanted` asks for by number or by name, in their order; all if it is empty.

    Raises:
        KeyError: nothing is called so; its argument is the text that was asked for.
    """
    chosen = set()
    for text in wanted:
        matches = [
            lesson
            for lesson in script.lessons
            if lesson.name == text or f"{lesson.number}.".startswith(f"{text.rstrip('.')}.")
        ]
        if not matches:
            raise KeyError(text)
        chosen.update(lesson.name for lesson in matches)
    return [lesson for lesson in script.lessons if not wanted or lesson.name in chosen]
