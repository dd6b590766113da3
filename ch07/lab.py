"""Running lessons: the command line of the numbered scripts, their console and their records.

A numbered script imports this module before Keras, declares a `Section` and its lessons, and ends
with `section.main()`. Importing it checks the installation (see `ch07.startup`).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from ch07 import startup

# isort: split
import keras
import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ch07 import diagram, figures, probes
from ch07.claims import Claim, Record, number
from ch07.files import new_folder
from ch07.synthetic import Task
from ch07.training import Progress, train

HOME = Path(__file__).resolve().parent
LARGEST_SEED = 2**32 - 1  # the largest that NumPy takes, and with it keras.utils.set_random_seed
INDENTS = ("initial_indent", "subsequent_indent")
PIPE_WIDTH = 160  # columns where nothing tells the width: enough for a claim on one line


Shown = TypeVar("Shown", bound="Line")


def console() -> Console:
    """Where a run prints: a terminal with its width, or a pipe."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


@dataclass(frozen=True)
class Lesson:
    """A numbered piece of the chapter; the docstring of `experiment` says what is claimed.

    Attributes:
        number, title: as the book has them.
        experiment: what is run.
        summary: it looks at the claims of the whole section.
        of: the name of the lesson that it is an exercise to; empty unless it is one.
        why: what explains the outcome, printed below the verdicts; empty where there is nothing to
            say.
    """

    number: str
    title: str
    experiment: Callable[[Run], None]
    summary: bool = False
    of: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        """The name of the function, by which records and pictures are called."""
        return self.experiment.__name__

    @property
    def question(self) -> str:
        """What is put to the test: the docstring of the function, as one line."""
        return " ".join(self.experiment.__doc__.split())


class Line(Protocol):
    """What is drawn in the terminal for a while, such as `training.Progress`."""

    def close(self) -> None:
        """Leave it as it stands, and give the terminal back."""


@dataclass(frozen=True)
class Command:
    """Something else that a script does when `option` is given: a job that claims nothing.

    `values` says, as argparse does, what value the option takes; it takes none if they are empty.
    """

    option: str
    job: Callable[[Run], None]
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Run:
    """What an experiment gets: the seed, and where its claims, pictures and progress go.

    Attributes:
        seed: seeds the data; weights and shuffling are seeded before each lesson.
        output: everything the run writes is below it.
        folder: the pictures and the claims.
        stamp: when the run began, as folders and files are called.
        claims: every claim of the run so far, those of earlier lessons included.
        notes: what the reader should see last of all.
        history: what Keras recorded of the last training, by name, a value for each epoch.
        options: the values of the options that the script declares, by name without dashes.
    """

    seed: int
    output: Path
    folder: Path
    console: Console = field(default_factory=console)
    stamp: str = field(default_factory=lambda: time.strftime("%Y%m%d-%H%M%S"))
    claims: list[Claim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lesson: Lesson | None = None
    trainings: list[Line] = field(default_factory=list)
    history: dict[str, list[float]] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)

    def claim(
        self,
        sentence: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        exactly: float | None = None,
        timed: bool = False,
        **versus: float,
    ) -> None:
        """Claim that `value` keeps its bounds (see `claims.Claim`).

        `exactly` is both bounds at once, `timed` says that `value` is a time. Further names are the
        numbers it is compared with, such as `as_printed` for "as printed".
        """
        low, high = (bound if exactly is None else exactly for bound in (at_least, at_most))
        self.claims.append(
            Claim(
                section=self.lesson.number,
                lesson=self.lesson.name,
                sentence=sentence,
                value=float(value),
                unit=unit,
                at_least=None if low is None else float(low),
                at_most=None if high is None else float(high),
                compared_with={n.replace("_", " "): float(v) for n, v in versus.items()},
                timed=timed,
            )
        )

    def say(self, message: str) -> None:
        """Print a line that the reader should see."""
        self.console.print(Text(f"  {message}"), soft_wrap=True)

    def quote(self, message: str) -> None:
        """Print a message of Keras that the reader should see."""
        self.say(f"Keras says: {message}")

    def log_dir(self, name: str) -> Path:
        """A new folder in my_log_dir for what TensorBoard is to show of the training `name`."""
        return new_folder(self.output / "my_log_dir", f"{self.stamp}-{name}")

    def folder_for(self, name: str) -> Path:
        """A new folder in my_trainings for what else the training `name` leaves behind."""
        return new_folder(self.output / "my_trainings", f"{self.stamp}-{name}")

    def progress(self, label: str) -> Progress:
        """A callback for `fit` that shows a line of progress under `label`."""
        return self.shows(Progress(label, self.console))

    def shows(self, line: Shown) -> Shown:
        """`line`, which is closed when the lesson or the command ends, whatever ends it."""
        self.trainings.append(line)
        return line

    def train(
        self, arms: Mapping[str, keras.Model], task: Task, *args, label: str = "", **options
    ) -> dict[str, np.ndarray]:
        """Train the models of a comparison side by side (see `training.train`).

        The line of progress has the `label`, or else the names of the arms.

        Returns:
            What they say of the test samples of `task`, by output of `training.side_by_side`.
        """
        progress = self.progress(label or " | ".join(arms).replace("_", " "))
        model = train(arms, task, *args, callbacks=[progress], **options)
        self.history = model.history.history
        return probes.outputs(model, task.test)

    def close(self) -> None:
        """Give the terminal back, whatever ended the lesson."""
        for training in self.trainings:
            training.close()
        self.trainings.clear()

    def picture(self, figure: Figure) -> None:
        """Save `figure` as the picture of the lesson; on a screen it opens when the run ends."""
        figures.save(figure, self.folder / f"{self.lesson.name}.png")

    def diagram(self, model: keras.Model, name: str) -> None:
        """Save a diagram of a functional `model` as diagram_`name`."""
        figures.save(diagram.draw(model, title=name), self.folder / f"diagram_{name}.png")

    def plot_model(self, model: keras.Model, name: str) -> None:
        """Save Keras's own drawing of `model`, plot_model_`name`, if Graphviz and pydot are there.

        `diagram` needs neither. Without them Keras says what is missing, and so does the run.
        """
        try:
            keras.utils.plot_model(model, self.folder / f"plot_model_{name}.png", show_shapes=True)
        except ImportError as error:
            self.quote(str(error))


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake ends in one sentence without the usage text before it."""

    def error(self, message):
        sys.exit(startup.refusal(message))


def count(text: str) -> int:
    """The number that `text` gives, for how many of something.

    Raises:
        argparse.ArgumentTypeError: it is not a whole number from 1.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1, not '{text}', is needed.")
    return int(text)


def seed_number(text: str) -> int:
    """The seed that `text` gives.

    Raises:
        argparse.ArgumentTypeError: it is not a whole number that NumPy takes as a seed.
    """
    if not text.isascii() or not text.isdigit() or int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(
            f"a seed is a whole number from 0 to {LARGEST_SEED}, not '{text}'."
        )
    return int(text)


class Section:
    """The lessons of one section of the chapter, and the program that runs them."""

    def __init__(self, number: str, title: str, folders: Sequence[str] = ()):
        """Declare a section.

        Args:
            number: its number in the book.
            title: its title.
            folders: what its lessons write to below --output, besides my_figures.
        """
        self.number = number
        self.title = title
        self.folders = folders
        self.lessons: list[Lesson] = []
        self.commands: list[Command] = []
        self.options: dict[str, Mapping[str, object]] = {}

    def lesson(self, number: str, title: str, summary: bool = False):
        """Declare the decorated function, which takes a `Run`, as a lesson of the section.

        The function's docstring says in one line what it puts to the test.

        Args:
            number: its number in the book.
            title: its title.
            summary: it looks at the claims of the whole section, so asking for it runs them all.
        """

        def declare(experiment: Callable[[Run], None]) -> Callable[[Run], None]:
            self.lessons.append(Lesson(number, title, experiment, summary))
            return experiment

        return declare

    def exercise(self, lesson: Callable[[Run], None], number: str, title: str, why: str):
        """Declare the decorated function as the solution of an exercise to a lesson of a script.

        It runs like a lesson. Its docstring is the question, without the answer: that is what its
        claims measure.

        Args:
            lesson: the function of the lesson.
            number: that of the lesson.
            title: what to change, in a few words.
            why: what explains the answer, in a sentence or two.
        """

        def declare(experiment: Callable[[Run], None]) -> Callable[[Run], None]:
            of = lesson.__name__
            self.lessons.append(Lesson(number, title, experiment, of=of, why=why))
            return experiment

        return declare

    def command(self, option: str, **values):
        """Declare the decorated function, which takes a `Run`, as what the script does on `option`.

        Given without a SECTION it is all that the script does; else it follows the lessons. The
        function's docstring is its line in the help, unless `values` has one. A function declared
        for two options is run once if both are given.

        Args:
            option: such as `--study`.
            values: what value it takes, as `argparse.ArgumentParser.add_argument` takes it: `type`,
                `metavar`, `choices`, `help`. Without them it takes none.
        """

        def declare(job: Callable[[Run], None]) -> Callable[[Run], None]:
            self.commands.append(Command(option, job, values))
            return job

        return declare

    def option(self, option: str, **values) -> None:
        """Declare an `option` with a value, which a `Run` has in `options`; as for `command`."""
        self.options[option] = values

    def choose(self, wanted: Sequence[str]) -> list[Lesson]:
        """The lessons that `wanted` asks for, in the order of the book; all if it is empty.

        Raises:
            startup.UsageError: a section that the script does not have.
        """
        chosen = set()
        for text in wanted:
            matches = [n for n in self.lessons if f"{n.number}.".startswith(f"{text.rstrip('.')}.")]
            if not matches:
                numbers = ", ".join(dict.fromkeys(lesson.number for lesson in self.lessons))
                raise startup.UsageError(
                    f"there is no section '{text}' here: choose from {numbers}, or {self.number}."
                )
            chosen.update(self.lessons if any(n.summary for n in matches) else matches)
        return [lesson for lesson in self.lessons if not wanted or lesson in chosen]

    def parser(self) -> argparse.ArgumentParser:
        """The command line, the same for every numbered script."""
        parser = Parser(
            description=f"Section {self.number}: {self.title}. Runs the lessons of the section: "
            "each builds the book's models, trains them on synthetic data and prints, for every "
            "claim of the chapter, the number measured, what it is compared with, and a verdict.",
            epilog="Exit status: 0 every claim holds, 1 a claim does not hold, 2 a mistake in the "
            "arguments or the installation, 130 interrupted with Ctrl-C.",
            allow_abbrev=False,
        )
        example = self.lessons[-1].number if self.lessons else self.number
        parser.add_argument(
            "sections",
            nargs="*",
            metavar="SECTION",
            help=f"what to run, such as {example} or {self.number}; "
            "without it the whole section runs",
        )
        parser.add_argument(
            "--list", action="store_true", help="name the lessons and what each claims, and stop"
        )
        parser.add_argument(
            "--seed",
            type=seed_number,
            default=0,
            metavar="N",
            help="seed of the data, the weights and the shuffling (default 0); the same seed gives "
            "the same numbers on the same machine",
        )
        parser.add_argument(
            "--output",
            type=Path,
            default=HOME,
            metavar="DIR",
            help="put everything the run writes below DIR instead of below ch07",
        )
        parser.set_defaults(commands=[])
        for command in self.commands:
            if command.values:
                told = {"help": command.job.__doc__} | dict(command.values)
                parser.add_argument(command.option, **told)
            else:
                parser.add_argument(
                    command.option,
                    dest="commands",
                    action="append_const",
                    const=command,
                    help=command.job.__doc__,
                )
        for option, values in self.options.items():
            parser.add_argument(option, **values)
        return parser

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Run the program and end the process with its exit status."""
        options = self.parser().parse_args(arguments)
        try:
            lessons = self.choose(options.sections)
            if options.list:
                for lesson in self.lessons:
                    print(f"{lesson.number}  {lesson.title}")
                    indent = " " * 7
                    print(textwrap.fill(lesson.question, 100, **dict.fromkeys(INDENTS, indent)))
                sys.exit(0)
            values = {
                name: getattr(options, name.lstrip("-").replace("-", "_"))
                for name in (*(c.option for c in self.commands if c.values), *self.options)
            }
            given = [c for c in self.commands if c.values and values[c.option] is not None]
            jobs = list(dict.fromkeys(c.job for c in (*options.commands, *given)))
            if jobs and not options.sections:
                lessons = []
            # Each of them now, and not when the training that writes there is over.
            pictures = Path("my_figures", Path(sys.argv[0]).stem)
            *_, folder = (writable(options.output / name) for name in (*self.folders, pictures))
            values = {name.lstrip("-"): value for name, value in values.items()}
            run = Run(options.seed, options.output, folder, options=values)
            status = self.run(lessons, jobs, run)
        except startup.UsageError as error:
            status = startup.refusal(error)
        except OSError as error:  # a disk that is full, a folder that is gone
            status = startup.refusal(f"the run ended early: {error}.")
        sys.exit(status)

    def run(
        self, lessons: Sequence[Lesson], jobs: Sequence[Callable[[Run], None]], run: Run
    ) -> int:
        """Run `lessons`, then `jobs`; returns the exit status."""
        # Gradients of embeddings are summed in any order otherwise, and differ in the last bit. Not
        # at import: it makes randomness without a seed an error, which a run should have and a
        # reader who imports a script to play with its models should not.
        tf.config.experimental.enable_op_determinism()
        if lessons and not self.teach_all(lessons, run):
            return 130
        try:
            with startup.interruptible():
                for job in jobs:
                    self.begin(run)
                    job(run)
        except KeyboardInterrupt:
            return 130
        finally:
            run.close()
        with contextlib.suppress(KeyboardInterrupt):  # closing the windows, the work is done
            figures.show()
        return 0 if all(claim.holds for claim in run.claims) else 1

    def teach_all(self, lessons: Sequence[Lesson], run: Run) -> bool:
        """Run `lessons` and keep their record; returns whether all of them came to an end."""
        versions = {
            package.__name__: package.__version__ for package in (tf, keras, np, matplotlib)
        }
        script = Path(sys.argv[0]).name
        record = Record(run.folder, script, run.seed, versions, startup.took)
        seconds: dict[str, float] = {}
        interrupted = False
        try:
            for lesson in lessons:
                run.console.print(Text(f"\n{lesson.number} {lesson.title}", style="bold"))
                with startup.interruptible():
                    seconds[lesson.name] = self.teach(lesson, run)
                run.console.print(verdicts(run.claims, lesson))
                if lesson.why:
                    run.say(f"Why: {lesson.why}")
                record.write(run.claims, seconds)
        except KeyboardInterrupt:
            interrupted = True
            run.claims = [claim for claim in run.claims if claim.lesson in seconds]
            if seconds:
                record.write(run.claims, seconds)
        finally:
            record.discard()
        run.console.print(Text("\nInterrupted" if interrupted else "\nSummary", style="bold"))
        held = sum(claim.holds for claim in run.claims)
        run.say(
            f"{len(seconds)} lessons, {held} of {len(run.claims)} claims hold, "
            f"{sum(seconds.values()):.0f} s"
        )
        if seconds:
            run.say(f"pictures and claims.json: {run.folder}")
        for note in run.notes:
            run.say(note)
        return not interrupted

    def begin(self, run: Run) -> None:
        """A clean, seeded state: what follows gives the same numbers alone and within a run."""
        keras.backend.clear_session()
        keras.utils.set_random_seed(run.seed)

    def teach(self, lesson: Lesson, run: Run) -> float:
        """Run one lesson; returns the seconds it took."""
        started = time.perf_counter()
        run.lesson = lesson
        self.begin(run)
        try:
            lesson.experiment(run)
        finally:
            run.close()
        return time.perf_counter() - started


def verdicts(claims: Sequence[Claim], lesson: Lesson) -> Table:
    """The claims of `lesson` as aligned lines: sentence, value, compared with, verdict."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()  # the indent
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_column(no_wrap=True)
    for claim in claims:
        if claim.lesson == lesson.name:
            others = "".join(f"; {name} {number(v)}" for name, v in claim.compared_with.items())
            table.add_row(
                "",
                claim.sentence,
                f"{number(claim.value)} {claim.unit}".rstrip(),
                f"{claim.bound}{others}",
                Text(claim.verdict, style="green" if claim.holds else "bold red"),
            )
    return table


def writable(folder: Path) -> Path:
    """`folder`, made if need be.

    Raises:
        startup.UsageError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise startup.UsageError(
            f"cannot write to '{folder}' ({error.strerror}): choose another --output."
        ) from None
    return folder
