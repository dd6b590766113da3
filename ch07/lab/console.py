"""What a run prints: lines of at most 100 columns, and in a terminal lines that live."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ch07.lab.claims import Claim, counted, named, number
from ch07.lab.language import tr

WIDTH = 100  # columns of a line where nothing tells the width: what PyCharm's Run window shows
WORKER = "CH07_WORKER"  # set for a process that runs some lessons for another (see `jobs`)
EVENT = "\x02"  # what a line of such a process begins with that is not to be printed


class Terminal(Console):
    """Where a run prints: a terminal, where lines may live for a while, or a pipe."""

    def __init__(self):
        super().__init__(highlight=False, force_jupyter=False)  # plain text there too
        self.told_by = WORKER in os.environ
        alone = self.is_terminal and not self.told_by
        self.width = min(WIDTH, self.width) if alone else WIDTH
        self.living: dict[Hashable, Text] = {}
        # Redrawn by us alone: no thread, no spinner, nothing that needs more than ASCII.
        self.live = Live(console=self, auto_refresh=False, transient=True)

    def event(self, **content) -> None:
        """Tell the process that this one works for."""
        print(EVENT + json.dumps(content), flush=True)

    def update(self, key: Hashable, text: Text | None) -> None:
        """Show `text` as the living line of `key`, or none; nothing where there is no terminal."""
        if self.told_by:
            self.event(key=id(key), text=text.plain if text else None)
        elif self.is_terminal:
            self.living = {one: of for one, of in (self.living | {key: text}).items() if of}
            if self.living:
                self.live.start()
                self.live.update(Group(*self.living.values()), refresh=True)
            else:
                self.live.stop()

    def release(self, key: Hashable, text: Text) -> None:
        """End the living line of `key`; `text` stays."""
        self.update(key, None)
        self.print(text, soft_wrap=True)

    def say(self, message: str, style: str = "") -> None:
        """Print a message that the reader should see, wrapped, in the language of the run."""
        self.print(Text(wrapped(tr(message), self.width), style))


def wrapped(text: str, width: int, indent: str = "  ", first: str | None = None) -> str:
    """`text` in lines of `width` columns, each indented, the first one by `first` if given.

    A Chinese character takes two columns, and a line may end behind any of them.
    """
    lines = Text(text).wrap(Console(width=width), width - len(indent))
    text = "\n".join(indent + line.plain.rstrip() for line in lines)
    return text if first is None else first + text.removeprefix(indent)


def came_out(lessons: int, claims: Sequence[Claim], seconds: float) -> str:
    """In words how many lessons ran, how many of their `claims` hold, and how long that took."""
    parts = [tr(f"{lessons} lesson{'' if lessons == 1 else 's'}")]
    if claims:
        held = sum(claim.holds for claim in claims)
        hold = " holds" if len(claims) == 1 else "s hold"
        parts.append(tr(f"{held} of {len(claims)} claim{hold}"))
    return tr(", ").join([*parts, tr(f"{seconds:.0f} s")])


def described(claim: Claim) -> str:
    """A claim without its verdict: sentence, number, what it is compared with, a missed bound."""
    value = counted(tr(f"{number(claim.value)} {claim.unit}".rstrip()))
    if not claim.holds:
        value += tr(", ") + claim.bound
    if claim.compared_with:
        others = [named(tr(name), of) for name, of in claim.compared_with.items()]
        value += tr(" (") + tr(", ").join(others) + tr(")")
    return tr(claim.sentence) + tr(": ") + value


def claim_text(claim: Claim, width: int) -> Text:
    """A claim in lines of `width` columns, nearly always one, with its verdict first."""
    verdict, style = ("ok", "green") if claim.holds else ("NO", "bold red")
    text = Text(wrapped(described(claim), width, " " * 6, first=f"  {verdict}  "))
    text.stylize(style, 0, 4)
    return text
