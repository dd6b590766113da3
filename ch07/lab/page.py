"""The page of a run: my_figures/<script>/index.html, written anew whenever a lesson ends."""

from __future__ import annotations

import os
import string
from html import escape as text
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ch07.lab import language, lessons
from ch07.lab.claims import Claim, evidence, number, on_splits
from ch07.lab.console import came_out, described
from ch07.lab.files import write_aside
from ch07.lab.language import tr
from ch07.lab.startup import ROOT

if TYPE_CHECKING:
    from ch07.lab.program import Program

TEMPLATE = Path(__file__).with_name("page.html")


def write(program: Program) -> None:
    """Write the page of the ended lessons of `program`; OSError if it cannot be written."""
    ended = [lesson for lesson in program.script.lessons if lesson.name in program.seconds]
    run = program.record.run
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    began = f"{run['started']}, {tr('seed')} {run['seed']}"
    page = string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        language="zh-CN" if language.current() == "zh" else "en",
        title=text(f"{program.script.number} {language.of(program.script.title)}"),
        summary=text(came_out(len(ended), program.claims, program.took)),
        contents="".join(f'<li><a href="#{of.name}">{heading(of)}</a></li>' for of in ended),
        lessons="".join(section(program, lesson) for lesson in ended),
        provenance=text("; ".join([began, f"Python {run['python']}, {packages}", run["machine"]])),
    )
    write_aside(program.folder / "index.html", page.encode("utf-8"))


def heading(lesson: lessons.Lesson) -> str:
    """Number and title of a lesson."""
    return text(f"{lesson.number} {language.of(lesson.title)}")


def link(program: Program, path: Path, words: str, fragment: str = "") -> str:
    """A link to a file of the project."""
    try:
        # As bytes: where the locale is C, Python has Chinese characters of a path as surrogates.
        address = quote(os.fsencode(os.path.relpath(path, program.folder).replace("\\", "/")))
    except ValueError:  # on another drive of Windows
        address = path.as_uri()
    return f'<a href="{text(address + fragment)}">{text(words)}</a>'


def section(program: Program, lesson: lessons.Lesson) -> str:
    """What the page says of a lesson."""
    claims = [claim for claim in program.claims if claim.lesson == lesson.name]
    picture, strip = (program.folder / f"{lesson.name}{of}.png" for of in ("", "_samples"))
    kind = "" if all(claim.holds for claim in claims) else ' class="no"'
    parts = [f'<section id="{lesson.name}"{kind}><h2>{heading(lesson)}</h2>']
    parts.append(f"<p>{text(language.of(lesson.test))}</p>")
    if strip.exists():
        title = tr("Samples of the data, with their targets")
        caption = f"<figcaption>{text(title)}</figcaption>"
        parts.append(f"<figure>{image(strip, title)}{caption}</figure>")
    if picture.exists():
        parts.append(f"<figure>{image(picture, language.of(lesson.title))}</figure>")
    parts += [claim_row(claim) for claim in claims]
    if lesson.name in program.guesses:
        parts.append(f"<p>{text(program.guesses[lesson.name])}</p>")
    last = getattr(lesson, program.given.data, {}).get("data", lesson.remember)
    parts.append(f'<p class="remember">{text(language.of(last))}</p>')
    for path in sorted(program.folder.glob(f"{lesson.name}_diagram_*.png")):
        title = tr("Diagram: ") + path.stem.partition("_diagram_")[2].replace("_", " ")
        parts.append(f"<details><summary>{text(title)}</summary>{image(path, title)}</details>")
    notes = ROOT / "docs" / f"{program.script.number}{'.zh-CN' * (language.current() == 'zh')}.md"
    path = program.script.path
    links = [link(program, path, f"{path.name}:{lesson.line}", f"#L{lesson.line}")]
    if notes.exists():
        links.append(link(program, notes, tr("notes")))
    parts.append(f'<p class="dim">{" &middot; ".join(links)}</p></section>\n')
    return "".join(parts)


def image(path: Path, alternative: str) -> str:
    """A picture beside the page."""
    return f'<img src="{text(path.name)}" alt="{text(alternative)}" loading="lazy">'


def claim_row(claim: Claim) -> str:
    """A claim with its verdict, and what the recorded runs gave."""
    verdict, kind = ("ok", "") if claim.holds else ("NO", " no")
    row = f'<span class="verdict">{verdict}</span><span>{text(described(claim))}</span>'
    if splits := on_splits(claim):
        row += f'<span></span><span class="dim">{text(splits)}</span>'
    elif known := evidence(claim):
        low, high = (number(float(known[key])) for key in ("low", "high"))
        runs = tr(f"{known['runs']} recorded runs: {low} to {high}, held in {known['held']}")
        row += f'<span></span><span class="dim">{text(runs)}</span>'
    return f'<div class="claim{kind}">{row}</div>'
