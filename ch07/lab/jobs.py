"""Lessons in several processes at once: the script itself, each time with a share of them.

The process that was started loads no Keras: it shares out the lessons, shows what the others print,
lesson by lesson in the order of the book, and keeps the record. Of what they print, a line that
begins with `console.EVENT` is told to it:

    {"begins": lesson}   {"ends": lesson, "seconds": ..., "claims": [...]}
    {"key": line, "text": text or null}, of a line that lives for a while
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
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
    """A process with its share of the lessons, and the name of the one that it is at."""

    process: subprocess.Popen
    share: Sequence[lessons.Lesson]
    lesson: str


def share_out(chosen: Sequence[lessons.Lesson], jobs: int) -> list[list[lessons.Lesson]]:
    """The lessons for each of `jobs` processes: the longest first, to who has least to do."""
    known = evidence_seconds()
    usual = statistics.mean(known.values()) if known else 1.0
    shares: list[list[lessons.Lesson]] = [[] for _ in range(min(jobs, len(chosen)))]
    takes = {one.name: known.get(one.name, usual) for one in chosen}
    for lesson in sorted(chosen, key=lambda one: takes[one.name], reverse=True):
        min(shares, key=lambda share: sum(takes[one.name] for one in share)).append(lesson)
    return [sorted(share, key=chosen.index) for share in shares]


def take_over(path: Path) -> None:
    """Run the lessons of the script at `path` in several processes, and end this one.

    Returns where that is nothing for several processes: one lesson, --jobs 1, an option of the
    script's own, questions, --help, or a mistake in the arguments, which the script refuses itself.
    """
    if WORKER in os.environ or {"-h", "--help"} & {*sys.argv}:
        return
    script = lessons.read(path.stem)
    parser = parser_of(script, {})
    parser.error = None  # raises a TypeError: the script itself says what is wrong
    try:
        given, others = parser.parse_known_args()
    except TypeError:
        return
    jobs = given.jobs or default_jobs()
    if others or jobs == 1 or given.predict:
        return
    try:
        program = Program(script, given)
        if len(program.chosen) < 2:
            return
        program.reserve()
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
    startup.leave(Run(program, Terminal()).run(share_out(program.chosen, jobs)))


def start(program: Program, share: Sequence[lessons.Lesson], colour: bool) -> subprocess.Popen:
    """Start the script again for a share of its lessons."""
    own = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]
    options = ["--seed", str(program.given.seed), "--output", str(program.given.output)]
    options += ["--data", program.given.data, "--language", current(), "--jobs", "1"]
    environment = os.environ | {WORKER: "1", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"}
    if colour:
        environment["FORCE_COLOR"] = "1"
    command = [sys.executable, *own, *(lesson.name for lesson in share), *options]
    ends = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return subprocess.Popen(command, **ends, env=environment, encoding="utf-8", errors="replace")


class Run:
    """A run of a `program` in several processes, printed in the order of the book as it comes."""

    def __init__(self, program: Program, console: Terminal):
        self.program = program
        self.console = console
        self.lines: dict[str, list[Text]] = {lesson.name: [] for lesson in program.chosen}

    def run(self, shares: Sequence[Sequence[lessons.Lesson]]) -> int:
        """Run each of the `shares` of the lessons in a process; the exit status."""
        colour = self.console.is_terminal
        workers = [Worker(start(self.program, of, colour), of, of[0].name) for of in shares]
        messages: queue.Queue[tuple[Worker, str | None]] = queue.Queue()

        def listen(worker: Worker) -> None:
            for line in worker.process.stdout:
                messages.put((worker, line.rstrip("\n")))
            messages.put((worker, None))

        for worker in workers:
            threading.Thread(target=listen, args=(worker,), daemon=True).start()
        status, left = 0, len(workers)
        try:
            while left and not status:
                with contextlib.suppress(queue.Empty):
                    worker, line = messages.get(timeout=LOOK)
                    if line is None:
                        left, status = left - 1, self.how_it_ended(worker)
                    else:
                        self.hear(worker, line)
        except KeyboardInterrupt:
            status = 130
        for worker in workers:
            try:
                worker.process.wait(PATIENCE if status == 130 else 0 if status else None)
            except subprocess.TimeoutExpired:
                worker.process.terminate()
                worker.process.wait()
        for key in list(self.console.living):
            self.console.update(key, None)
        self.show(rest=True)
        if status in (0, 130) or self.program.seconds:
            self.program.summarize(self.console, "Interrupted" if status == 130 else "Summary")
        return status or self.program.status

    def hear(self, worker: Worker, line: str) -> None:
        """Take a line that a `worker` has printed."""
        event = json.loads(line.removeprefix(EVENT)) if line.startswith(EVENT) else {}
        if not event:
            self.lines.setdefault(worker.lesson, []).append(Text.from_ansi(line))
        elif "begins" in event:
            worker.lesson = event["begins"]
        elif "ends" in event:
            claims = [Claim.from_record(one) for one in event["claims"]]
            self.program.keep(event["ends"], event["seconds"], claims)
        else:
            text = event["text"] and Text(event["text"], no_wrap=True)
            self.console.update((worker.process.pid, event["key"]), text)
        self.show()

    def show(self, rest: bool = False) -> None:
        """Print what it is the turn of, of a running lesson too; of the `rest`, what has ended."""
        for name in list(self.lines):
            ended = name in self.program.seconds
            while self.lines[name] and (ended or not rest):
                self.console.print(self.lines[name].pop(0), soft_wrap=True)
            if ended:
                del self.lines[name]
            elif not rest:
                return

    def how_it_ended(self, worker: Worker) -> int:
        """The exit status that a `worker` asks for, 0 if all of its lessons have ended."""
        code = worker.process.wait()
        if code in (0, 1) and all(one.name in self.program.seconds for one in worker.share):
            return 0  # 1 is that of claims, which are in the record
        if code < 0:
            self.console.say(f"The process that ran {worker.lesson} was killed.", "bold red")
            return 128 - code
        return code or 1
