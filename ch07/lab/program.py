"""A numbered script as a program: its command line, its record, its summary, its exit status.

Nothing here needs Keras: who only shares out the lessons (see `jobs`) does not load it.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from rich.text import Text

from ch07.lab import language, lessons, page, startup
from ch07.lab.claims import Claim, Record, evidence, number, on_splits
from ch07.lab.console import WIDTH, Terminal, came_out, described, wrapped
from ch07.lab.language import tr

HOME = Path(__file__).resolve().parent.parent
LARGEST_SEED = 2**32 - 1  # the largest that NumPy takes, and with it keras.utils.set_random_seed
MOST_JOBS = 4  # by default: each takes up to 1.5 GB
PACKAGES = ("tensorflow", "keras", "numpy", "matplotlib", "optuna")  # what numbers depend on


def whole_number(least: int, refusal: str, most: float = math.inf) -> Callable[[str], int]:
    """A type for argparse: a whole number; `refusal` is said of any other text, as {}."""

    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(refusal.format(text))
        return int(text)

    return convert


count = whole_number(1, "a whole number from 1, not '{}', is needed.")
SEED = f"a seed is a whole number from 0 to {LARGEST_SEED}, not '{{}}'."

# What a run of one script and one of all of them have in common.
OPTIONS = {
    "--seed": dict(
        type=whole_number(0, SEED, LARGEST_SEED),
        default=0,
        metavar="N",
        help="seed of the data, the weights and the shuffling (default 0); the same seed gives the "
        "same numbers on the same machine",
    ),
    "--data": dict(
        choices=("synthetic", "real"),
        default="synthetic",
        help="real: run the lessons that have real data on them, handwriting and sentences",
    ),
    "--output": dict(
        type=Path,
        metavar="DIR",
        help="put everything the run writes below DIR instead of below ch07",
    ),
    "--jobs": dict(
        type=count,
        metavar="N",
        help="run the lessons in N processes at once (default: one for each core, at most "
        f"{MOST_JOBS}); the numbers are the same",
    ),
    "--show": dict(
        action="store_true", help="open the page of the run in the browser when it ends"
    ),
    "--predict": dict(
        action="store_true", help="ask before each lesson what will come out, and compare"
    ),
    "--language": dict(
        choices=language.LANGUAGES, help="English or Chinese (default: that of the system)"
    ),
}
LIST = dict(action="store_true", help="name the lessons and what each tests, and stop")


class Help(argparse.HelpFormatter):
    """argparse's help, with its first word in the language of the run too."""

    def add_usage(self, usage, actions, groups, prefix=None):
        super().add_usage(usage, actions, groups, prefix or tr("usage: "))


class Parser(argparse.ArgumentParser):
    """argparse with these options; a mistake ends in one sentence without the usage text."""

    def __init__(self, sections: str, own: Mapping[str, Mapping] = MappingProxyType({}), **texts):
        """Take the help of its SECTIONs, the options that it has besides, and its other `texts`."""
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=Help, **texts)
        lessons_ = self.add_argument_group(tr("lessons"))
        lessons_.add_argument("sections", nargs="*", metavar="SECTION", help=tr(sections))
        group = self.add_argument_group(tr("options"))
        group.add_argument("-h", "--help", action="help", help=tr("show this help, and stop"))
        for option, values in {**OPTIONS, **own}.items():
            group.add_argument(option, **{**values, "help": tr(values["help"])})
        self.set_defaults(output=HOME)

    def error(self, message):
        sys.exit(startup.refusal(message))


def parser_of(script: lessons.Script, own: Mapping[str, Mapping]) -> Parser:
    """The command line of a script: the same for all but for its `own` options."""
    last = script.lessons[-1]
    return Parser(
        f"what to run: a number such as {last.number}, or a name such as {last.name}; without it "
        "the whole section runs",
        {"--list": LIST, **own},
        description=f"{script.number} {language.of(script.title)}{tr('. ')}"
        + tr(
            "Runs the lessons of the section: each builds the book's models, trains them and "
            "prints, for every claim, whether it holds, the number measured, and what it is "
            "compared with."
        ),
        epilog=tr(
            "Exit status: 0 every claim holds, 1 a claim does not hold, 2 a mistake in the "
            "arguments or the installation, 130 interrupted with Ctrl-C."
        ),
    )


def writable(folder: Path) -> Path:
    """`folder`, made if need be; startup.UsageError if it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise startup.UsageError(
            f"cannot write to '{folder}' ({error.strerror}): choose another --output."
        ) from None
    return folder


def default_jobs() -> int:
    """How many processes run lessons at once: one for each core, as far as the memory goes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = min(cores or 1, MOST_JOBS)
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not told by Windows
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        jobs = min(jobs, max(1, int(free / 1.5e9)))
    return jobs


class Program:
    """A run of a `script` from the command line, with the options `given`.

    Attributes:
        chosen: the lessons to run.
        folder: the pictures, the diagrams and the record of the claims.
        claims, seconds: of the lessons that are finished; took: the time until then, in seconds.
        guesses: what the reader expected of a lesson, and what came out, in words.
    """

    def __init__(self, script: lessons.Script, given: argparse.Namespace):
        """Choose the lessons asked for, or raise startup.UsageError; with --list name all, stop."""
        self.script = script = lessons.on(script, given.data)
        self.given = given
        kind = "" if given.data == "synthetic" else f"_{given.data}"
        self.folder = given.output / "my_figures" / f"{script.path.stem}{kind}"
        self.claims: list[Claim] = []
        self.seconds: dict[str, float] = {}
        self.began, self.took = time.perf_counter(), 0.0
        self.guesses: dict[str, str] = {}
        self.record: Record | None = None
        try:
            self.chosen = lessons.choose(script, given.sections)
        except KeyError as error:
            numbers = ", ".join(dict.fromkeys(one.number for one in script.lessons))
            also = "" if given.data == "synthetic" else f" --data {given.data}"
            raise startup.UsageError(
                f"there is no section or lesson '{error.args[0]}' here: choose from {numbers}, "
                f"{script.number}, or a name that --list{also} shows."
            ) from None
        if given.list:
            for lesson in script.lessons:
                print(f"{lesson.number}  {lesson.name}{tr(': ')}{language.of(lesson.title)}")
                print(wrapped(language.of(lesson.test), WIDTH, " " * 7))
            sys.exit(0)

    def reserve(self) -> None:
        """Make the folder of the run, and its record; startup.UsageError if it cannot be made."""
        writable(self.folder)
        self.record = Record(
            self.folder,
            script=self.script.path.name,
            seed=self.given.seed,
            data=self.given.data,
            packages={name: metadata.version(name) for name in PACKAGES},
            took=startup.took,
        )

    def keep(self, lesson: str, seconds: float, claims: Sequence[Claim]) -> None:
        """Keep the `claims` of a lesson that has ended, in the order of the book."""
        order = [one.name for one in self.script.lessons]
        known = self.seconds | {lesson: seconds}
        self.seconds = {name: known[name] for name in order if name in known}
        self.claims += claims
        self.claims.sort(key=lambda claim: order.index(claim.lesson))
        self.took = time.perf_counter() - self.began
        self.record.write(self.claims, self.seconds)
        page.write(self)

    @property
    def status(self) -> int:
        """The exit status of a run that has come to its end."""
        return 0 if all(claim.holds for claim in self.claims) else 1

    def summarize(self, console: Terminal, heading: str) -> None:
        """Print how many claims hold, and what to make of each that does not."""
        console.print(Text(f"\n{tr(heading)}", style="bold"))
        console.say(came_out(len(self.seconds), self.claims, self.took))
        for claim in self.claims:
            if not claim.holds:
                command = f"{self.script.path.name} {claim.lesson}"
                command += "" if claim.data == "synthetic" else f" --data {claim.data}"
                console.say(missed(claim, command), "bold red")
        if self.seconds:
            console.say(f"pictures and claims.json: {self.folder}")
            # On a line of its own and not wrapped, so that terminals make a link of it.
            address = (self.folder / "index.html").resolve().as_uri()
            console.print(Text(f"  {address}"), soft_wrap=True)
            if self.given.show:
                webbrowser.open(address)


def missed(claim: Claim, command: str) -> str:
    """What to make of a `claim` that does not hold, in a few sentences."""
    before = ""
    if splits := on_splits(claim):
        before = splits + tr(". ")
    elif known := evidence(claim):
        values = " to ".join(number(float(known[key])) for key in ("low", "high"))
        runs = f"In {known['held']} of {known['runs']} recorded runs it held, with values from "
        before = tr(f"{runs}{values}. ")
    what_to_do = tr(
        "Processors round differently, and a training amplifies that, so a single miss is news and "
        f"no fault of yours: try another seed (python {command} --seed 1), and change what you "
        "think is the cause."
    )
    what = f"NO {claim.section} {claim.lesson}{tr(': ')}{described(claim)}"
    return f"{what}{tr('. ')}{before}{what_to_do}"
