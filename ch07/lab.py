"""Running lessons: the command line of the numbered scripts, their console and their records.

A numbered script imports this module before Keras, declares a `Section` and its lessons, and ends
with `section.main()`. Importing it checks the installation (see `ch07.startup`).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
from ch07.synthetic import Task
from ch07.training import Progress, train

HOME = Path(__file__).resolve().parent
LARGEST_SEED = 2**32 - 1  # the largest that NumPy takes, and with it keras.utils.set_random_seed
PIPE_WIDTH = 160  # columns where nothing tells the width: enough for a claim on one line


@dataclass(frozen=True)
class Lesson:
    """A numbered piece of the chapter; the docstring of `experiment` says what is claimed."""

    number: str
    title: str
    experiment: Callable[[Run], None]
    summary: bool = False

    @property
    def name(self) -> str:
        """The name of the function, by which records and pictures are called."""
        return self.experiment.__name__


@dataclass
class Run:
    """What an experiment gets: the seed, and where its claims, pictures and progress go.

    Attributes:
        seed: seeds the data; weights and shuffling are seeded before each lesson.
        claims: every claim of the run so far, those of earlier lessons included.
        history: what Keras recorded of the last training, by name, a value for each epoch.
    """

    seed: int
    folder: Path
    console: Console
    claims: list[Claim] = field(default_factory=list)
    lesson: Lesson | None = None
    trainings: list[Progress] = field(default_factory=list)
    history: dict[str, list[float]] = field(default_factory=dict)

    def claim(
        self,
        sentence: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        exactly: float | None = None,
        **versus: float,
    ) -> None:
        """Claim that `value` keeps its bounds (see `claims.Claim`).

        `exactly` is both bounds at once. Further names are the numbers it is compared with, such as
        `as_printed` for "as printed".
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
            )
        )

    def quote(self, message: str) -> None:
        """Print a message of Keras that the reader should see."""
        self.console.print(Text(f"  Keras says: {message}"), soft_wrap=True)

    def progress(self, label: str) -> Progress:
        """A callback for `fit` that shows a line of progress under `label`."""
        self.trainings.append(Progress(label, self.console))
        return self.trainings[-1]

    def train(
        self, arms: Mapping[str, keras.Model], task: Task, *args, **options
    ) -> dict[str, np.ndarray]:
        """Train the models of a comparison side by side (see `training.train`).

        Returns:
            What they say of the test samples of `task`, by output of `training.side_by_side`.
        """
        progress = self.progress(" | ".join(arms).replace("_", " "))
        model = train(arms, task, *args, callbacks=[progress], **options)
        self.history = model.history.history
        return probes.outputs(model, task.test)

    def picture(self, figure: Figure) -> None:
        """Save `figure` as the picture of the lesson; on a screen it opens when the run ends."""
        figures.save(figure, self.folder / f"{self.lesson.name}.png")

    def diagram(self, model: keras.Model, name: str) -> None:
        """Save a diagram of a functional `model` as diagram_`name`."""
        figures.save(diagram.draw(model, title=name), self.folder / f"diagram_{name}.png")


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake ends in one sentence without the usage text before it."""

    def error(self, message):
        sys.exit(startup.refusal(message))


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

    def __init__(self, number: str, title: str):
        self.number = number
        self.title = title
        self.lessons: list[Lesson] = []

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
        parser.add_argument(
            "sections",
            nargs="*",
            metavar="SECTION",
            help=f"what to run, such as {self.lessons[-1].number} or {self.number}; "
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
        return parser

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Run the program and end the process with its exit status."""
        options = self.parser().parse_args(arguments)
        try:
            lessons = self.choose(options.sections)
            if options.list:
                for lesson in self.lessons:
                    print(f"{lesson.number}  {lesson.title}\n       {lesson.experiment.__doc__}")
                sys.exit(0)
            folder = writable(options.output / "my_figures" / Path(sys.argv[0]).stem)
            status = self.run(lessons, options.seed, folder)
        except startup.UsageError as error:
            status = startup.refusal(error)
        except OSError as error:  # a disk that is full, a folder that is gone
            status = startup.refusal(f"the run ended early: {error}.")
        sys.exit(status)

    def run(self, lessons: Sequence[Lesson], seed: int, folder: Path) -> int:
        """Run `lessons`, keep their record in `folder`, and return the exit status."""
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        run = Run(seed, folder, console)
        # Gradients of embeddings are summed in any order otherwise, and differ in the last bit. Not
        # at import: it makes randomness without a seed an error, which a run should have and a
        # reader who imports a script to play with its models should not.
        tf.config.experimental.enable_op_determinism()
        versions = {
            package.__name__: package.__version__ for package in (tf, keras, np, matplotlib)
        }
        record = Record(folder, Path(sys.argv[0]).name, seed, versions)
        seconds: dict[str, float] = {}
        interrupted = False
        try:
            for lesson in lessons:
                console.print(Text(f"\n{lesson.number} {lesson.title}", style="bold"))
                seconds[lesson.name] = self.teach(lesson, run)
                console.print(verdicts(run.claims, lesson))
                record.write(run.claims, seconds)
        except KeyboardInterrupt:
            interrupted = True
            run.claims = [claim for claim in run.claims if claim.lesson in seconds]
            if seconds:
                record.write(run.claims, seconds)
        finally:
            record.discard()
        console.print(Text("\nInterrupted" if interrupted else "\nSummary", style="bold"))
        held = sum(claim.holds for claim in run.claims)
        console.print(
            f"  {len(seconds)} lessons, {held} of {len(run.claims)} claims hold, "
            f"{sum(seconds.values()):.0f} s"
        )
        if seconds:
            console.print(Text(f"  pictures and claims.json: {folder}"), soft_wrap=True)
        if interrupted:
            return 130
        with contextlib.suppress(KeyboardInterrupt):  # closing the windows, the work is done
            figures.show()
        return 0 if held == len(run.claims) else 1

    def teach(self, lesson: Lesson, run: Run) -> float:
        """Run one lesson from a clean, seeded state; returns the seconds it took."""
        started = time.perf_counter()
        run.lesson = lesson
        keras.backend.clear_session()
        # Before each lesson, so that it gives the same numbers alone and within the section.
        keras.utils.set_random_seed(run.seed)
        try:
            lesson.experiment(run)
        finally:
            for training in run.trainings:
                training.close()
            run.trainings.clear()
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
