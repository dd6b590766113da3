"""The page of a run: my_figures/<script>/index.html, written anew whenever a lesson ends."""

from __future__ import annotations

import html
import math
import os
import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ch07.lab import language, lessons
from ch07.lab.claims import Claim, evidence, number
from ch07.lab.console import came_out, described
from ch07.lab.files import write_aside
from ch07.lab.language import tr
from ch07.lab.startup import ROOT

if TYPE_CHECKING:
    from ch07.lab.program import Program

TEMPLATE = Path(__file__).with_name("page.html")


def write(program: Program) -> Path:
    """Write the page of the lessons of `program` that have ended; gives where it is.

    Raises:
        OSError: it cannot be written.
    """
    ended = [lesson for lesson in program.script.lessons if lesson.name in program.seconds]
    run = program.record.run
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    page = string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        language="zh-CN" if language.current() == "zh" else "en",
        title=text(f"{program.script.number} {language.of(program.script.title)}"),
        summary=text(came_out(len(ended), program.claims, sum(program.seconds.values()))),
        contents="".join(
            f'<li><a href="#{lesson.name}">{heading(lesson)}</a></li>' for lesson in ended
        ),
        lessons="".join(section(program, lesson) for lesson in ended),
        provenance=text(
            f"{run['started']}, {tr('seed')} {run['seed']}; Python {run['python']}, {packages}; "
            f"{run['machine']}"
        ),
    )
    path = program.folder / "index.html"
    write_aside(path, page.encode("utf-8"))
    return path


def text(plain: str) -> str:
    """`plain` text as HTML."""
    return html.escape(plain)


def heading(lesson: lessons.Lesson) -> str:
    """Number and title of a lesson."""
    return text(f"{lesson.number} {language.of(lesson.title)}")


def link(program: Program, path: Path, fragment: str) -> str:
    """The address of a file of the project, as the page has to write it."""
    try:
        relative = os.path.relpath(path, program.folder).replace("\\", "/")
    except ValueError:  # on another drive of Windows
        relative = path.as_uri()
    return html.escape(f"{relative}#{fragment}")


def section(program: Program, lesson: lessons.Lesson) -> str:
    """What the page says of a lesson."""
    claims = [claim for claim in program.claims if claim.lesson == lesson.name]
    picture = program.folder / f"{lesson.name}.png"
    diagrams = sorted(program.folder.glob(f"{lesson.name}_diagram_*.png"))
    kind = "" if all(claim.holds for claim in claims) else ' class="no"'
    parts = [f'<section id="{lesson.name}"{kind}><h2>{heading(lesson)}</h2>']
    parts.append(f"<p>{text(language.of(lesson.test))}</p>")
    if picture.exists():
        parts.append(f"<figure>{image(picture, language.of(lesson.title))}</figure>")
    parts += [claim_row(claim) for claim in claims]
    if lesson.name in program.guesses:
        parts.append(f"<p>{text(program.guesses[lesson.name])}</p>")
    parts.append(f'<p class="remember">{text(language.of(lesson.remember))}</p>')
    for path in diagrams:
        name = path.stem.partition("_diagram_")[2].replace("_", " ")
        title = f"{tr('Diagram: ')}{name}"
        parts.append(f"<details><summary>{text(title)}</summary>{image(path, title)}</details>")
    notes = ROOT / "docs" / f"{program.script.number}{'.zh-CN' * (language.current() == 'zh')}.md"
    code = link(program, program.script.path, f"L{lesson.line}")
    line = f"{program.script.path.name}:{lesson.line}"
    parts.append(f'<p class="dim"><a href="{code}">{text(line)}</a>')
    if notes.exists():
        parts.append(f' &middot; <a href="{link(program, notes, "")}">{text(tr("notes"))}</a>')
    return "".join([*parts, "</p></section>\n"])


def image(path: Path, alternative: str) -> str:
    """A picture beside the page."""
    return f'<img src="{html.escape(path.name)}" alt="{html.escape(alternative)}" loading="lazy">'


def claim_row(claim: Claim) -> str:
    """A claim with its verdict, and where its value lies among the recorded runs."""
    verdict = "ok" if claim.holds else "NO"
    row = f'<span class="verdict">{verdict}</span><span>{text(described(claim))}</span>'
    known = evidence().get((claim.lesson, claim.sentence))
    if known:
        low, high = float(known["low"]), float(known["high"])
        row += among(claim.value, low, high, [claim.at_least, claim.at_most])
        sentence = tr(
            f"{known['runs']} recorded runs: {number(low)} to {number(high)}, held in "
            f"{known['held']}"
        )
        row += f'<span></span><span class="dim">{text(sentence)}</span>'
    return f'<div class="claim{"" if claim.holds else " no"}">{row}</div>'


def among(value: float, low: float, high: float, bounds: Sequence[float | None]) -> str:
    """A bar of the recorded runs, and a dot for the value of this one."""
    marks = [low, high, value, *(bound for bound in bounds if bound is not None)]
    if not all(map(math.isfinite, marks)):  # what has exploded has no place
        return ""
    start, width = min(marks), (max(marks) - min(marks)) or 1.0
    left, right, dot = (100 * (at - start) / width for at in (low, high, value))
    bar = f'<i style="left:{left:.1f}%;width:{max(right - left, 1):.1f}%"></i>'
    return f'<span class="range">{bar}<b style="left:{dot:.1f}%"></b></span>'
