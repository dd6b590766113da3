"""A section of the chapter: what a cell of a numbered script uses.

One script, three ways to run it:

- as a program (`python ch0701_functional_api.py 7.1.5`, `%run`, PyCharm's "Run with Python
  Console"): the lessons that the arguments ask for, a record of their claims, an exit status;
- cell by cell, in a notebook or a console: every cell that is run, any number of times;
- imported, as the exercises and the tests do: no lesson, and nothing of the process is changed.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from matplotlib.figure import Figure
from rich.text import Text

from ch07 import draw
from ch07.data import Task, real
from ch07.data.tasks import Unknown
from ch07.lab import language, lessons, program, startup
from ch07.lab.claims import Claim, number, on_splits
from ch07.lab.console import Terminal, claim_text, wrapped
from ch07.lab.files import new_folder
from ch07.lab.language import tr
from ch07.lab.progress import Progress
from ch07.plots import common, samples


class Section:
    """The lessons of one section of the chapter.

    Attributes:
        seed: seeds the data; weights and shuffling are seeded before each lesson.
        data: what lessons are trained on, "synthetic", "real" or "imdb"; a cell may change it.
        output: everything a run writes is below it, in `folder` the pictures and the record.
        console: where the run prints.
        claims: those of the lesson that ran last.
        options: the values of the options by name, those of the script's own among them.
    """

    def __init__(
        self,
        script: str,
        *,
        folders: Sequence[str] = (),
        commands: Mapping[str, Mapping] | None = None,
        options: Mapping[str, Mapping] | None = None,
    ):
        """Make ready for the lessons of a script.

        Args:
            script: its name, without ".py".
            folders: what its lessons write to below `output`, besides my_figures.
            commands: options such as "--board", which without a SECTION are done instead of the
                lessons, with the arguments of `argparse.ArgumentParser.add_argument`.
            options: likewise, options that change what the script does.
        """
        # Where the call stands: in a program, in a cell, or in a module that is imported. A cell
        # may be run in a console that has run the whole script before, so arguments tell nothing.
        caller = sys._getframe(1)
        self.script = lessons.read(script)
        self.imported = caller.f_globals.get("__name__") != "__main__"
        is_program = not self.imported and all(
            Path(path).exists() and Path(path).samefile(self.script.path)
            for path in (sys.argv[0], caller.f_code.co_filename)
        )
        self.console = Terminal()
        self.claims: list[Claim] = []
        self.current: lessons.Lesson | None = None
        self.lines: list[Progress] = []
        self.logged: list[str] = []
        self.program: program.Program | None = None
        try:
            parser = program.parser_of(self.script, {**(commands or {}), **(options or {})})
            given = parser.parse_args(sys.argv[1:] if is_program else [])
            made = program.Program(self.script, given)
            self.seed, self.data, self.output = given.seed, given.data, given.output
            self.folder, self.options = made.folder, vars(given)
            if not given.sections and any(self.options[of.strip("-")] for of in commands or ()):
                made.chosen = []
            if self.imported:
                return
            # Each folder now, and not when the training that writes there is over. A command such
            # as --board may only read.
            for folder in (self.folder, *map(self.output.joinpath, folders)) * bool(made.chosen):
                program.writable(folder)
            if is_program:
                self.program = made
                if made.chosen and not self.console.told_by:
                    made.reserve()
                if sys.excepthook is startup.interrupted:
                    sys.excepthook = self.ended_by
            startup.settle()
        except startup.UsageError as error:
            sys.exit(startup.refusal(error))

    def lesson(self, number: str, name: str) -> bool:
        """Whether to run this lesson; if so, close the one before, seed, and print the heading.

        `number` is its section of the book, such as "7.1.5"; by its `name` its words are found.

        Raises:
            KeyError: a cell that runs has a name without words.
            ValueError: `data` is not "synthetic", and the lesson has no such data.
        """
        if self.imported:
            return False
        lesson = next((one for one in self.script.lessons if one.name == name), None)
        if lesson is None:
            raise KeyError(f"there are no words for the lesson '{name}'.")
        if self.program and lesson not in self.program.chosen:
            return False
        if self.data != "synthetic" and not getattr(lesson, self.data, None):
            raise ValueError(f"section.data is {self.data!r}, and {name} has no such data.")
        self.close()
        self.current, self.claims, self.started = lesson, [], time.perf_counter()
        self.logged = []
        if self.console.told_by:
            self.console.event(begins=name)
        self.console.print(Text(f"\n{number} {language.of(lesson.title)}", style="bold"))
        self.say(language.of(lesson.test))
        if self.data != "synthetic":
            self.say(language.of(self.real["data"]))
        asks = self.program and self.program.given.predict and lesson.predict
        self.guess = self.ask(language.of(lesson.predict)) if asks else None
        # The same numbers alone and within a run, and each time that the cell is run.
        keras.backend.clear_session()
        keras.utils.set_random_seed(self.seed)
        return True

    @property
    def real(self) -> Mapping[str, Any]:
        """The words of the lesson for the real data it is trained on."""
        return getattr(self.current, self.data, {})

    def load(self, make: Callable[..., Task], **sizes: int) -> Task:
        """The data of the lesson: what `make`, of `ch07.data`, makes with `sizes`, or real ones.

        Raises:
            startup.UsageError: the real ones are not to be had.
        """
        self.go_on()
        if self.data == "synthetic":
            return make(self.seed, **sizes)
        return real.KINDS[self.data][self.current.name](self.seed)

    def claim(
        self,
        sentence: str,
        value: float,
        unit: str = "",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        compared_with: Mapping[str, float] | None = None,
        timed: bool = False,
    ) -> None:
        """Claim that `value` keeps its bounds, and print whether it does (see `claims.Claim`).

        `compared_with` are other numbers of the same kind by name: a baseline, chance. On real data
        the value keeps its bound if it lies on the right side of what the words compare it with; a
        claim that has no words for them is passed over.
        """
        self.go_on()
        given = {"at_least": at_least, "at_most": at_most}
        bounds = {name: float(of) for name, of in given.items() if of is not None}
        others = {of: x for of, x in (compared_with or {}).items() if not isinstance(x, Unknown)}
        if self.data != "synthetic":
            words = self.real["claims"].get(sentence)
            if words is None:
                return
            against = others[words["against"]] if "against" in words else words["than"]
            bounds = dict.fromkeys(bounds, float(against))
            sentence = words.get("en", sentence)
        where = self.current.number, self.current.name
        others = {name: float(of) for name, of in others.items()}
        rest = {"compared_with": others, "timed": timed, "data": self.data}
        claim = Claim(*where, sentence, float(value), unit, **bounds, **rest)
        self.claims.append(claim)
        self.console.print(claim_text(claim, self.console.width))
        if splits := on_splits(claim):
            self.console.print(Text(wrapped(splits, self.console.width, " " * 6)))

    def remember(self) -> None:
        """Print the sentence to remember, with which a lesson ends."""
        self.go_on()
        if self.logged:
            self.say(f"In TensorBoard's filter of runs, for these alone: {runs_named(self.logged)}")
        if self.guess is not None and self.claims:
            claim, guess = self.claims[0], number(self.guess)
            outcome = f"You guessed {guess}, measured was {number(claim.value)}: {claim.sentence}"
            self.program.guesses[claim.lesson] = tr(outcome)
            self.say(outcome)
        if self.data != "synthetic":
            return  # what to remember has the numbers of the synthetic data
        self.say(f"{tr('Remember: ')}{language.of(self.current.remember)}", "bold")
        if self.current.why:
            self.say(f"{tr('Why: ')}{language.of(self.current.why)}")

    def say(self, message: str, style: str = "") -> None:
        """Print a message that the reader should see, wrapped."""
        self.console.say(message, style)

    def progress(self, label: str) -> Progress:
        """A callback for `fit` that shows a line of progress under `label`."""
        self.go_on()
        self.lines.append(Progress(label, self.console))
        return self.lines[-1]

    def picture(self, figure: Figure, task: Any = None) -> None:
        """Save `figure` as the picture of the lesson, and open it: in a program when it ends.

        Of `task`, a `data.Task`, samples are saved beside it, as <lesson>_samples.png.
        """
        self.go_on()
        if task:
            path = self.folder / f"{self.current.name}_samples.png"
            common.save(self.relabelled(samples.samples(task)), path, keep=not self.program)
        common.save(self.relabelled(figure), self.folder / f"{self.current.name}.png")
        if not self.program:
            common.show(block=False)

    def relabelled(self, figure: Figure) -> Figure:
        """`figure`, with the words that it has for synthetic data put into those for real ones."""
        words = self.real.get("labels", {}).get(language.current(), {})

        def into(text: str) -> str:
            for old, new in words.items():
                text = text.replace(old, new)
            return text

        if words:
            common.reword(figure, into)
        return figure

    def diagram(self, model: keras.Model) -> None:
        """Save a diagram of `model` as <lesson>_diagram_<name of the model>.png."""
        self.go_on()
        figure = draw.draw(model, title=model.name.replace("_", " "))
        common.save(figure, self.folder / f"{self.current.name}_diagram_{model.name}.png")

    def log_dir(self, name: str) -> Path:
        """A new folder in my_log_dir for what TensorBoard is to show of the training `name`."""
        folder = self.new_folder("my_log_dir", name)
        self.logged.append(folder.name)
        return folder

    def folder_for(self, name: str) -> Path:
        """A new folder in my_trainings for what else the training `name` leaves behind."""
        return self.new_folder("my_trainings", name)

    def finish(self) -> None:
        """End a program: its summary, its pictures on a screen, and its exit status.

        In a console or a notebook it leaves the session as it is.
        """
        if not self.program:
            return
        self.go_on()
        self.close()
        if self.program.chosen and not self.console.told_by:
            self.program.summarize(self.console, "Summary")
            with contextlib.suppress(KeyboardInterrupt):  # closing the windows, the work is done
                common.show()
        if not startup.interactive():
            sys.exit(self.program.status)
        self.program = None  # any cell runs from here on

    def ask(self, question: str) -> float | None:
        """The number that the reader answers to `question`; None if Enter alone is the answer."""
        self.say(f"{tr('Predict: ')}{question}", "bold")
        while True:
            try:
                answer = input(f"  {tr('Your guess (Enter passes): ')}").strip()
            except EOFError:
                self.program.given.predict = False  # nor is anything asked again
                self.say("Standard input does not answer, so nothing more is asked.")
                return None
            if not answer:
                return None
            with contextlib.suppress(ValueError):
                return float(answer.rstrip("%")) / (100 if answer.endswith("%") else 1)
            self.say("A number, please, such as 0.5 or 50%.")

    def new_folder(self, parent: str, name: str) -> Path:
        """A new folder of the training `name`, with the time, in a `parent` below the output."""
        self.go_on()
        name += "" if self.data == "synthetic" else f"-{self.data}"
        return new_folder(self.output / parent, f"{time.strftime('%Y%m%d-%H%M%S')}-{name}")

    def go_on(self) -> None:
        """Raise KeyboardInterrupt if compiled code has swallowed Ctrl-C."""
        if startup.heard:
            raise KeyboardInterrupt

    def close_lines(self) -> None:
        """Give the terminal back."""
        for line in self.lines:
            line.close()
        self.lines.clear()

    def close(self) -> None:
        """End the lesson that is running, and keep its claims."""
        self.close_lines()
        lesson, self.current = self.current, None
        if lesson is None or not self.program:
            return
        seconds = time.perf_counter() - self.started
        if self.console.told_by:
            claims = [claim.as_record() for claim in self.claims]
            self.console.event(ends=lesson.name, seconds=seconds, claims=claims)
        else:
            self.program.keep(lesson.name, seconds, self.claims)

    def ended_by(self, kind, error, trace) -> None:
        """What sys.excepthook does in a program: close the lines, and end as `kind` asks for."""
        self.close_lines()
        if startup.by_ctrl_c(kind):
            if not self.console.told_by:
                self.program.summarize(self.console, "Interrupted")
            startup.leave(130)
        if issubclass(kind, (startup.UsageError, OSError)):
            early = "" if issubclass(kind, startup.UsageError) else "the run ended early: "
            startup.refusal(f"{early}{error}{'' if str(error).endswith('.') else '.'}")
            startup.leave(2)
        sys.__excepthook__(kind, error, trace)


def runs_named(folders: Sequence[str]) -> str:
    """A regular expression for the runs in `folders`, whose names begin with date and time."""
    moments = list(dict.fromkeys(name[:15] for name in folders))
    day = moments[0][:9]
    if all(moment.startswith(day) for moment in moments):
        return f"{day}({'|'.join(moment.removeprefix(day) for moment in moments)}).*/"
    return f"({'|'.join(moments)}).*/"
