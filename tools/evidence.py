"""Every claim over fresh seeds and other processors: ``python -m tools.evidence``.

Runs the numbered scripts and the exercises as programs, with seeds from 1000 on that no earlier
round had for that lesson (0 to 9 are for development); they take turns among three `PROFILES` of
processors. Only lessons are run of which there are too few runs since something that they depend on
has changed (`tools.dependencies`). With `--whole N` all of the scripts run, N times, each time on a
seed of which nobody has seen anything. Ctrl-C loses the runs that have not ended; the same command
goes on.

It writes, of what runs with today's code and packages have given,

- ch07/lab/evidence.csv, a claim a line, which runs and documents read; with `--data real` real.csv,
  of as many splits, with what is to be said of the claim,
- ch07/lab/seconds.csv, a lesson a line, in seconds and in times of `import keras`,

and appends to docs/evidence-rounds.csv a line for each run, whatever came of it. Whole records stay
in ch07/my_evidence.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from ch07.lab import claims, lessons
from ch07.lab.claims import EVIDENCE, REAL, SECONDS, Claim, number
from ch07.lab.files import write_aside
from ch07.lab.program import count
from ch07.lab.startup import ROOT
from tools import dependencies

SCRIPTS = sorted(path.stem for path in ROOT.glob("ch07[0-9][0-9]_*.py"))
EXERCISES = sorted(path.stem for path in ROOT.glob("exercises/ch07[0-9][0-9]_*.py"))
ROUNDS = ROOT / "docs" / "evidence-rounds.csv"
KEPT = ROOT / "ch07" / "my_evidence"
PROFILES = {  # a seed has the profile that it names modulo three
    "default": {},
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},  # near what macOS on Arm runs
    "older instructions": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
}
SHOWN = ("low", "median", "high", "at_least", "at_most")
FIRST = 1000
WHOLE = 2000  # the first seed of runs of all lessons
VERDICTS = ("does not hold", "holds in part", "holds")  # on real data

CLAIM_COLUMNS = (
    *("script", "section", "lesson", "claim", "unit", "at_least", "at_most"),
    *("runs", "held", "low", "median", "high", "compared_with"),
)
REAL_COLUMNS = (
    *("script", "section", "lesson", "key", "claim", "unit", "runs", "held", "value"),
    *("low", "median", "high", "expected", "verdict", "compared_with"),
)
SECONDS_COLUMNS = ("script", "lesson", "key", "runs", "seconds", "imports")
ROUND_COLUMNS = (
    *("date", "round", "profile", "seed", "script", "lessons", "claims", "held", "failed", "key"),
)


rows_of = claims.rows.__wrapped__  # the lines of a table as it is now


def profile_of(seed: int) -> str:
    """The profile that runs with `seed` have."""
    return [*PROFILES][seed % len(PROFILES)]


def csv_text(columns: Sequence[str], rows: Iterable[dict], heading: bool = True) -> bytes:
    """`rows` as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if heading:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


@dataclass
class Run:
    """Lessons of a script in one process with one seed, and what came of it."""

    script: str
    seed: int
    lessons: list[str]
    data: str = "synthetic"
    keys: dict[str, str] = field(default_factory=dict)  # of the lessons, when it began
    record: dict = field(default_factory=dict)  # what its claims.json says
    error: str = ""  # why there is no record

    @property
    def claims(self) -> list[Claim]:
        """All claims of the record."""
        return [Claim.from_record(one) for one in self.record.get("claims", ())]

    @property
    def trouble(self) -> str:
        """How the program ended early, or each claim that does not hold: its value, its bound."""
        return self.error or "; ".join(
            f"{claim.lesson}: {claim.sentence}: {number(claim.value)} ({claim.bound})"
            for claim in self.claims
            if not claim.holds
        )


def program(script: str) -> list[str]:
    """What Python is started with in the folder of the project, to run a script or exercises."""
    return ["-m", f"exercises.{script}"] if script in EXERCISES else [f"{script}.py"]


class Runner:
    """Runs lessons as programs, which end when it is told to stop."""

    def __init__(self):
        self.processes: set[subprocess.Popen] = set()
        self.stopped = False

    def run(self, run: Run) -> Run:
        """Run it. What it gives is no record if it is stopped, or if the sources change."""
        keys = dependencies.keys(run.script, run.data)
        run.keys = {name: keys[name] for name in run.lessons}
        with tempfile.TemporaryDirectory() as output:
            arguments = [*run.lessons, "--seed", str(run.seed), "--output", output, "--jobs", "1"]
            arguments += ["--data", run.data] * (run.data != "synthetic")
            with subprocess.Popen(
                [sys.executable, *program(run.script), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                env=os.environ | {"MPLBACKEND": "agg"} | PROFILES[profile_of(run.seed)],
                text=True,
                errors="replace",
            ) as process:
                self.processes.add(process)
                if self.stopped:  # in the moment before
                    self.stop()
                _, errors = process.communicate()
                self.processes.discard(process)
            record = Path(output, "my_figures", program_name(run), "claims.json")
            if process.returncode in (0, 1) and not errors and record.exists():
                run.record = json.loads(record.read_text(encoding="utf-8"))
            else:  # 1 is a claim that does not hold, which leaves stderr empty, or a traceback
                last = (errors.strip() or "no record").splitlines()[-1]
                run.error = f"ended with {process.returncode}: {last}"
        now = dependencies.keys(run.script, run.data)
        if run.keys != {name: now.get(name) for name in run.lessons}:
            run.record, run.error = {}, "the sources changed during the run"
        return run

    def stop(self) -> None:
        """End what runs."""
        self.stopped = True
        for process in list(self.processes):
            with contextlib.suppress(OSError):
                process.terminate()


def program_name(run: Run) -> str:
    """What a run's figures and records are filed under: its script, with the data if real."""
    return run.script if run.data == "synthetic" else f"{run.script}_{run.data}"


def kept_runs(filed: str, keys: dict[str, str]) -> dict[str, list[dict]]:
    """For each lesson of what is filed under a name, the records that belong to its present key."""
    found: dict[str, list[dict]] = {name: [] for name in keys}
    for path in sorted((KEPT / filed).glob("*.json")):
        with contextlib.suppress(ValueError, KeyError):  # not ours
            known = json.loads(path.read_text(encoding="utf-8"))
            for name, key in known["keys"].items():
                if keys.get(name) == key:
                    found[name].append(known["record"])
    return found


def plan(script: str, wanted: int, data: str = "synthetic") -> list[Run]:
    """The runs of a script that it takes for each lesson to have `wanted`, on fresh seeds."""
    keys, filed = dependencies.keys(script, data), program_name(Run(script, 0, [], data))
    # With their present keys, in records or in the committed table.
    known = {name: len(records) for name, records in kept_runs(filed, keys).items()}
    for row in rows_of(SECONDS if data == "synthetic" else REAL):
        if row["script"] == script and keys.get(row["lesson"]) == row["key"]:
            known[row["lesson"]] = max(known[row["lesson"]], int(row["runs"]))
    rounds = [row for row in rows_of(ROUNDS) if row["script"] == filed]
    used = {(name, int(row["seed"])) for row in rounds for name in row["lessons"].split()}
    runs, seed = [], FIRST
    while any(count < wanted for count in known.values()):
        chosen = [name for name in keys if known[name] < wanted and (name, seed) not in used]
        if chosen:
            runs.append(Run(script, seed, chosen, data))
        for name in chosen:
            known[name] += 1
        seed += 1
    return runs


def whole_runs(wanted: int) -> list[Run]:
    """The runs that it takes for all scripts to have run on `wanted` seeds, with today's code."""
    keys = {script: dependencies.keys(script) for script in SCRIPTS}
    now = {script: key_of(of) for script, of in keys.items()}
    ran = {(row["script"], int(row["seed"])): row["key"] for row in rows_of(ROUNDS)}
    runs: list[Run] = []
    for seed in itertools.count(WHOLE):
        known = {script: ran.get((script, seed), "") for script in SCRIPTS}
        if wanted == 0:
            return runs
        if all(key in ("", now[script]) for script, key in known.items()):  # else of older code
            runs += [Run(name, seed, [*keys[name]]) for name, key in known.items() if not key]
            wanted -= 1


def key_of(keys: dict[str, str]) -> str:
    """One key for several lessons."""
    return dependencies.digest(keys.values(), 10)


def keep(run: Run, round_number: int) -> None:
    """Keep what came of a run: its record, and a line for good."""
    if run.record:
        path = KEPT / program_name(run) / f"round-{round_number}-seed-{run.seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, json.dumps({"keys": run.keys, "record": run.record}).encode())
    line = {
        "date": time.strftime("%Y-%m-%d"),
        "round": round_number,
        "profile": profile_of(run.seed),
        "seed": run.seed,
        "script": program_name(run),
        "lessons": " ".join(run.lessons),
        "claims": len(run.claims),
        "held": sum(claim.holds for claim in run.claims),
        "failed": run.trouble,
        "key": key_of(run.keys),
    }
    text = csv_text(ROUND_COLUMNS, [line], heading=not ROUNDS.exists())
    with ROUNDS.open("ab") as file:
        file.write(text)


def claim_rows(script: str, lesson: str, records: Sequence[dict]) -> list[dict]:
    """The claims of a lesson over the records of its runs, as lines of evidence.csv.

    Raises:
        ValueError: the runs do not make the same claims.
    """
    of_each = [
        [Claim.from_record(one) for one in record["claims"] if one["lesson"] == lesson]
        for record in records
    ]
    found = []
    for column in zip(*of_each, strict=True):
        claim, values = column[0], [one.value for one in column]
        if {one.sentence for one in column} != {claim.sentence}:
            raise ValueError(f"Not every run of {lesson} makes the claim {claim.sentence!r}.")
        others = [
            f"{name} {digits(statistics.median(one.compared_with[name] for one in column))}"
            for name in claim.compared_with
        ]
        row = {
            **{"script": script, "section": claim.section, "lesson": lesson},
            **{"claim": claim.sentence, "unit": claim.unit, "compared_with": "; ".join(others)},
            **{"at_least": digits(claim.at_least), "at_most": digits(claim.at_most)},
            **{"runs": len(values), "held": sum(one.holds for one in column)},
            **{"low": digits(min(values)), "high": digits(max(values))},
            "median": digits(statistics.median(values)),
        }
        found.append(row)
    return found


def real_rows(script: str, lesson: lessons.Lesson, key: str, records: list[dict]) -> list[dict]:
    """The claims of a lesson on real data over its splits, as lines of real.csv.

    The effect is how far the number lies on the right side of what it is compared with. A claim
    holds with the right sign on 9 of 10 splits and, in the median, at least the effect that was
    expected; in part with one of the two.
    """
    words = {of.get("en", name): of for name, of in lesson.real["claims"].items()}
    found = []
    for row in claim_rows(script, lesson.name, records):
        of_claim = [
            Claim.from_record(one)
            for record in records
            for one in record["claims"]
            if (one["lesson"], one["claim"]) == (lesson.name, row["claim"])
        ]
        effects = [
            one.value - one.at_least if one.at_most is None else one.at_most - one.value
            for one in of_claim
        ]
        median, expected = statistics.median(effects), words[row["claim"]]["expected"]
        right = sum(effect > 0 for effect in effects)
        kept = (right >= 0.9 * len(effects)) + (median >= expected)
        row |= {"key": key, "held": right, "value": row["median"], "expected": digits(expected)}
        row |= {"low": digits(min(effects)), "high": digits(max(effects))}
        row |= {"median": digits(median), "verdict": VERDICTS[kept]}
        found.append({name: row[name] for name in REAL_COLUMNS})
    return found


def write_real(scripts: Sequence[str]) -> list[dict]:
    """Bring the lines of `scripts` in real.csv up to date; gives all of them."""
    old, found = rows_of(REAL), []
    for script in SCRIPTS:
        keys = dependencies.keys(script, "real")
        kept = kept_runs(f"{script}_real", keys)
        for lesson in lessons.on(lessons.read(script), "real").lessons:
            rows, runs = [row for row in old if row["lesson"] == lesson.name], kept[lesson.name]
            known = max(
                (int(row["runs"]) for row in rows if row["key"] == keys[lesson.name]), default=1
            )
            if script in scripts and len(runs) >= known:
                rows = real_rows(script, lesson, keys[lesson.name], runs)
            found += rows
    write_aside(REAL, csv_text(REAL_COLUMNS, found))
    return found


def digits(value: float | None) -> str:
    """A number in six digits; nothing for none."""
    return "" if value is None else f"{value:.6g}"


def seconds_row(script: str, lesson: str, key: str, records: Sequence[dict]) -> dict:
    """How long a lesson takes, in the median, as a line of seconds.csv."""
    runs = [record["run"] for record in records]
    times = [run["seconds"][lesson] for run in runs]
    ratios = [run["seconds"][lesson] / run["took"]["import keras"] for run in runs]
    return {
        **{"script": script, "lesson": lesson, "key": key, "runs": len(records)},
        "seconds": f"{statistics.median(times):.1f}",
        "imports": f"{statistics.median(ratios):.2f}",
    }


def write(scripts: Sequence[str]) -> list[dict]:
    """Bring the lines of `scripts` in both tables up to date; gives those of evidence.csv.

    A lesson without a whole record of its present code keeps the lines that it has.
    """
    old_claims, old_seconds = rows_of(EVIDENCE), rows_of(SECONDS)
    evidence, seconds = [], []
    for script in (*SCRIPTS, *EXERCISES):
        keys = dependencies.keys(script)
        for lesson, runs in kept_runs(script, keys).items():
            old = [row for row in old_seconds if row["lesson"] == lesson]
            # The tables may have been made elsewhere, from records that are not here.
            current = [int(row["runs"]) for row in old if row["key"] == keys[lesson]]
            if script in scripts and len(runs) >= max([1, *current]):
                seconds.append(seconds_row(script, lesson, keys[lesson], runs))
                evidence += claim_rows(script, lesson, runs)
            else:
                seconds += old
                evidence += [row for row in old_claims if row["lesson"] == lesson]
    write_aside(EVIDENCE, csv_text(CLAIM_COLUMNS, evidence))
    write_aside(SECONDS, csv_text(SECONDS_COLUMNS, seconds))
    return evidence


def gather(runs: Sequence[Run], workers: int, round_number: int) -> bool:
    """Run `runs` and keep what they give, with a line for each; false if Ctrl-C ends it early."""
    runner = Runner()
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(runner.run, run) for run in runs]
        try:
            for ended, done in enumerate(as_completed(running), start=1):
                run = done.result()
                keep(run, round_number)
                name = f"{run.script} --seed {run.seed} ({profile_of(run.seed)})"
                trouble = run.trouble or f"all {len(run.claims)} claims hold"
                print(f"[{ended:3d} of {len(runs)}] {name}: {trouble}", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
            return False
    return True


def room(row: dict[str, str]) -> float:
    """How far the bound is from the nearest run, in widths of the range; below 0 if one missed."""
    low, high = float(row["low"]), float(row["high"])
    gaps = [low - float(row["at_least"])] if row["at_least"] else []
    gaps += [float(row["at_most"]) - high] if row["at_most"] else []
    return min(gaps) / (high - low or 1e-9)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.evidence", description=__doc__)
    every = [*SCRIPTS, *EXERCISES]
    parser.add_argument("programs", nargs="*", help=f"from {', '.join(every)} (default: all)")
    parser.add_argument("--seeds", type=count, default=20, help="runs of each lesson (%(default)s)")
    workers = "programs at once (%(default)s); with more than one the seconds are of a busy machine"
    parser.add_argument("--workers", type=int, default=1, choices=range(1, 5), help=workers)
    data = "real: the scripts on real data, on as many splits (%(default)s)"
    parser.add_argument("--data", choices=("synthetic", "real"), default="synthetic", help=data)
    whole = "run all scripts on so many seeds that are new to all of them"
    parser.add_argument("--whole", type=count, metavar="N", help=whole)
    options = parser.parse_args(arguments)
    if options.whole and (options.programs or options.data == "real"):
        parser.error("--whole runs every script, on synthetic data.")
    real = options.data == "real"
    every = SCRIPTS if real else every
    programs = options.programs or every
    if unknown := [program for program in programs if program not in every]:
        parser.error(f"there is no '{unknown[0]}'; choose from {', '.join(every)}.")
    if options.whole:
        runs = whole_runs(options.whole)
    else:
        runs = [run for program in programs for run in plan(program, options.seeds, options.data)]
    runs.sort(key=lambda run: (run.seed, run.script))  # interrupted, it has some of everything
    round_number = 1 + max((int(row["round"]) for row in rows_of(ROUNDS)), default=0)
    done = gather(runs, options.workers, round_number)
    for row in write_real(programs) if real else ():
        print(f"{row['lesson']}: {row['claim']}: {row['verdict']}, {row['held']} of {row['runs']}")
    for row in () if real else write(programs):
        if row["script"] in programs and room(row) < 0.5:
            print(f"{row['lesson']}: {row['claim']}: held in {row['held']} of {row['runs']} runs,")
            print(f"    {', '.join(f'{key} {row[key]}' for key in SHOWN)}, room {room(row):.2f}")
    if not done:
        print("Interrupted: the same command goes on.", file=sys.stderr)
        sys.exit(130)
    print("The documents have these numbers after: python -m tools.documents")


if __name__ == "__main__":
    main()
