"""Lessons in several processes at once: the script itself, each time with a share of them.

The process that was started loads no Keras: it shares out the lessons, shows what the others print,
lesson by lesson in the order of the book, and keeps the record. They tell it on their standard
output what is theirs to tell: plain lines are printed, a line that begins with `console.EVENT` is

    {"begins": lesson}   {"ends": lesson, "seconds": ..., "claims": [...]}
    {"key": line, "text": text or null}, of a line that lives for a while
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.text import Text

from ch07.lab import lessons, startup
from ch07.lab.claims import Claim, evidence_seconds
from ch07.lab.console import EVENT, WORKER, Terminal
from ch07.lab.language import current
from ch07.lab.program import Program, default_jobs, parser_of

LOOK = 0.2  # seconds between two looks for Ctrl-C, which on Windows interrupts no waiting
PATIENCE = 5  # seconds for the others to end by themselves after Ctrl-C


@dataclass
class Worker:
    """A process with its share of the lessons, and the one that it is at."""

    process: subprocess.Popen
    share: Sequence[lessons.Lesson]
    lesson: str = ""
    ended: set[str] = field(default_factory=set)


def share_out(chosen: Sequence[lessons.Lesson], jobs: int) -> list[list[lessons.Lesson]]:
    """The lessons for each of `jobs` processes: the longest first, to who has least to do.

    Each runs its own in the order of the book, as the script has them.
    """
    takes = evidence_seconds()
    usual = sum(takes.values()) / len(takes) if takes else 1.0
    shares: list[list[lessons.Lesson]] = [[] for _ in range(min(jobs, len(chosen)))]

    def load(share):
        return sum(takes.get(lesson.name, usual) for lesson in share)

    for lesson in sorted(chosen, key=lambda one: -takes.get(one.name, usual)):
        min(shares, key=load).append(lesson)
    return [sorted(share, key=chosen.index) for share in shares]


def take_over(path: Path) -> None:
    """Run the lessons of the script at `path` in several processes, and end this one.

    Returns where that is nothing for several processes: one lesson, --jobs 1, an option that is the
    script's own, or a mistake in the arguments, which the script refuses itself.
    """
    if WORKER in os.environ:
        return
    script = lessons.read(path.stem)
    parser = parser_of(script, {})
    parser.error = None  # raises a TypeError: the script itself says what is wrong
    try:
        given, others = parser.parse_known_args()
    except TypeError:
        return
    jobs = given.jobs or default_jobs()
    if others or jobs == 1 or given.predict:  # questions come one after the other
        return
    try:
        program = Program(script, given)
        if len(program.chosen) < 2:
            return
        program.reserve()
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
    startup.leave(run(program, share_out(program.chosen, jobs), Terminal()))


def start(program: Program, share: Sequence[lessons.Lesson], colour: bool) -> subprocess.Popen:
    """Start the script again for a share of its lessons."""
    own = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]
    options = ["--seed", str(program.given.seed), "--output", str(program.given.output)]
    options += ["--language", current()]
    names = [lesson.name for lesson in share]
    environment = os.environ | {WORKER: "1", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"}
    if colour:
        environment["FORCE_COLOR"] = "1"
    return subprocess.Popen(
        [sys.executable, *own, *names, *options, "--jobs", "1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


class Show:
    """Prints the lines of each lesson in the order of the book, the first unfinished one live."""

    def __init__(self, console: Terminal, names: Sequence[str]):
        self.console = console
        self.waiting = list(names)
        self.lines: dict[str, list[Text]] = {name: [] for name in names}
        self.ended: set[str] = set()

    def add(self, lesson: str, line: Text) -> None:
        """Show a line of a lesson, now or when it is its turn."""
        self.lines[lesson].append(line)
        self.go_on()

    def end(self, lesson: str) -> None:
        """A lesson has come to its end."""
        self.ended.add(lesson)
        self.go_on()

    def go_on(self) -> None:
        """Print what it is the turn of."""
        while self.waiting:
            lesson = self.waiting[0]
            for line in self.lines[lesson]:
                self.console.print(line, soft_wrap=True)
            self.lines[lesson].clear()
            if lesson not in self.ended:
                return
            self.waiting.pop(0)

    def rest(self) -> None:
        """Print what has ended of the lessons whose turn never came."""
        self.waiting = [name for name in self.waiting if name in self.ended]
        self.go_on()


def run(program: Program, shares: Sequence[Sequence[lessons.Lesson]], console: Terminal) -> int:
    """Run the `shares` of the lessons of a `program`, each in a process; the exit status."""
    show = Show(console, [lesson.name for lesson in program.chosen])
    workers = [Worker(start(program, share, console.is_terminal), share) for share in shares]
    messages: queue.Queue[tuple[Worker, str | None]] = queue.Queue()

    def listen(worker: Worker) -> None:
        for line in worker.process.stdout:
            messages.put((worker, line.rstrip("\n")))
        messages.put((worker, None))

    for worker in workers:
        threading.Thread(target=listen, args=(worker,), daemon=True).start()
    status, heading = 0, "Summary"
    try:
        open_ = len(workers)
        while open_ and not status:
            try:
                worker, line = messages.get(timeout=LOOK)
            except queue.Empty:
                continue
            if line is not None:
                hear(worker, line, program, show)
                continue
            open_ -= 1
            status = how_it_ended(worker, console)
    except KeyboardInterrupt:
        status = 130
    if status == 130:
        heading = "Interrupted"
    for worker in workers:
        try:
            worker.process.wait(PATIENCE if status == 130 else 0 if status else None)
        except subprocess.TimeoutExpired:
            worker.process.terminate()
            worker.process.wait()
    for key in list(console.living):
        console.release(key)
    show.rest()
    if not status or status == 130 or program.seconds:
        program.summarize(console, heading)
    program.record.discard()
    return status or program.status


def hear(worker: Worker, line: str, program: Program, show: Show) -> None:
    """Take a line that a `worker` has printed."""
    if not line.startswith(EVENT):
        show.add(worker.lesson or worker.share[0].name, Text.from_ansi(line))
        return
    event = json.loads(line.removeprefix(EVENT))
    if "begins" in event:
        worker.lesson = event["begins"]
    elif "ends" in event:
        claims = [Claim.from_record(one) for one in event["claims"]]
        program.keep(event["ends"], event["seconds"], claims)
        worker.ended.add(event["ends"])
        show.end(event["ends"])
    elif event["text"] is None:
        show.console.release((worker.process.pid, event["key"]))
    else:
        show.console.update((worker.process.pid, event["key"]), Text(event["text"], no_wrap=True))


def how_it_ended(worker: Worker, console: Terminal) -> int:
    """The exit status that a `worker` asks for, 0 if all of its lessons have ended."""
    code = worker.process.wait()
    if {lesson.name for lesson in worker.share} == worker.ended and code in (0, 1):
        return 0  # 1 is that of claims, which are in the record
    if code < 0:
        console.say(f"The process that ran {worker.lesson} was killed.", "bold red")
        return 128 - code
    return code or 1
