"""Every claim over many seeds: ``python -m ch07.evidence``.

Runs the numbered scripts and the solutions of the exercises as programs, once for each seed, and
gathers their claims.json files into ``evidence.json``: for each claim the median, the range, and in
how many seeds it held. The bounds of the claims come from here, and so does every number in the
documents (`ch07.documents`).

A run that was interrupted goes on where it was: what a program gave with a seed is kept in
my_evidence, and is taken from there as long as neither the program nor ch07 nor a package changes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import metadata
from pathlib import Path

from ch07 import documents
from ch07.files import write_aside

HOME = Path(__file__).resolve().parent
ROOT = HOME.parent
PROGRAMS = [*documents.SCRIPTS, *documents.EXERCISES]
PATH = HOME / "evidence.json"
KEPT = HOME / "my_evidence"
PACKAGES = ("tensorflow", "keras", "numpy", "optuna")  # what the numbers depend on
TELLERS = {"documents", "evidence", "pictures", "screens"}  # modules of ch07 that no run imports
SEEDS = 10  # with ten, a claim that fails in a fifth of all seeds is caught nine times in ten
MOST_WORKERS = 4  # each takes all cores as it is, and up to 1.5 GB


def command(program: str) -> list[str]:
    """How a program is started, in the folder of the project."""
    return ["-m", f"exercises.{program}"] if program in documents.EXERCISES else [f"{program}.py"]


def fingerprint(program: str) -> str:
    """A text that changes with whatever the numbers of `program` depend on."""
    # Exercises import their script, whose name begins alike.
    sources = {*ROOT.glob(f"{program[:6]}_*.py"), *ROOT.glob(f"exercises/{program}.py")}
    sources |= {path for path in HOME.glob("*.py") if path.stem not in TELLERS}
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    digest = hashlib.sha256(repr([platform.python_version(), *versions]).encode())
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def timed_run(arguments: Sequence[object]) -> tuple[subprocess.CompletedProcess, float]:
    """Run Python in the folder of the project; gives how that ended, and its seconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},  # for `import keras`
    )
    return done, time.perf_counter() - started


def run_program(program: str, seed: int, output: Path) -> dict:
    """Run one program with one seed; returns what its claims.json says.

    Under "processes" it has in addition the seconds that the program took, and those of
    ``python -c "import keras"`` right before it.

    Raises:
        RuntimeError: the program ended before its last lesson; the text is what it printed.
    """
    record = output / "my_figures" / program / "claims.json"
    record.unlink(missing_ok=True)
    _, unit = timed_run(["-c", "import keras"])
    done, took = timed_run([*command(program), "--seed", seed, "--output", output])
    # 1 is a claim that does not hold, which is a result and leaves stderr empty, or a traceback.
    if done.returncode not in (0, 1) or done.stderr or not record.exists():
        raise RuntimeError(f"{program} --seed {seed} ended with {done.returncode}: {done.stderr}")
    processes = {"import keras": unit, "program": took}
    return json.loads(record.read_text(encoding="utf-8")) | {"processes": processes}


def seal(state: str, record: dict) -> str:
    """A text that changes with the fingerprint `state`, and with any bit of a `record`."""
    return hashlib.sha256(f"{state} {json.dumps(record)}".encode()).hexdigest()


def recorded(program: str, seed: int, kept: Path, fresh: bool = False) -> dict:
    """What `program` gives with `seed`: from an earlier run if nothing has changed since.

    Raises:
        RuntimeError: as `run_program` does.
    """
    path = kept / f"seed-{seed}" / f"{program}.json"
    state = fingerprint(program)
    # Broken or not ours, it is run again.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["seal"] == seal(state, known["record"]) and not fresh:
            return known["record"]
    path.parent.mkdir(parents=True, exist_ok=True)
    record = run_program(program, seed, path.parent)
    write_aside(path, json.dumps({"seal": seal(state, record), "record": record}).encode())
    return record


def spread(values: Iterable[float | str]) -> dict[str, float]:
    """The median and the range of `values`."""
    values = [float(value) for value in values]
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def in_imports(records: Sequence[dict]) -> dict[str, dict[str, float]]:
    """How long each lesson takes in imports of Keras, and under "" the whole program."""
    found = {}
    for name in ("", *records[0]["run"]["seconds"]):
        found[name] = spread(
            (record["run"]["seconds"] | {"": record["processes"]["program"]})[name]
            / record["processes"]["import keras"]
            for record in records
        )
    return found


def gather(records: Sequence[dict]) -> dict:
    """One program's records, one for each seed, as evidence.

    Raises:
        ValueError: the runs do not make the same claims.
    """
    columns = list(zip(*(record["claims"] for record in records), strict=True))
    claims = []
    for column in columns:
        first = column[0]
        if len({(one["section"], one["claim"]) for one in column}) > 1:
            raise ValueError(f"Not every seed makes the claim {first['claim']!r}.")
        compared = {
            name: spread(one["compared_with"][name] for one in column)
            for name in first["compared_with"]
        }
        claims.append(
            {
                **{k: first[k] for k in ("section", "lesson", "claim", "unit", "bound", "timed")},
                **spread(one["value"] for one in column),
                "held": sum(one["holds"] for one in column),
                "of": len(column),
                "compared_with": compared,
            }
        )
    runs = [record["run"] for record in records]
    return {
        "seeds": [run["seed"] for run in runs],
        "started": runs[0]["started"],
        **{key: runs[0][key] for key in ("python", "machine", "packages")},
        "seconds": {
            name: spread(run["seconds"][name] for run in runs) for name in runs[0]["seconds"]
        },
        "imports": in_imports(records),
        "claims": claims,
    }


def collect(
    programs: Sequence[str], seeds: Sequence[int], kept: Path, workers: int = 1, fresh: bool = False
) -> dict[str, dict]:
    """The evidence of `programs` over `seeds`, by program; prints a line for each run that ends.

    Raises:
        RuntimeError: as `run_program` does; what other runs gave is kept.
    """
    records: dict[str, dict[int, dict]] = {program: {} for program in programs}
    with ThreadPoolExecutor(workers) as pool:
        # Seed by seed, so that an interrupted run has something of every program.
        jobs = {
            pool.submit(recorded, program, seed, kept, fresh): (program, seed)
            for seed in seeds
            for program in programs
        }
        try:
            for ended, job in enumerate(as_completed(jobs), start=1):
                program, seed = jobs[job]
                records[program][seed] = record = job.result()
                held = sum(claim["holds"] for claim in record["claims"])
                print(
                    f"[{ended:3d} of {len(jobs)}] {program} --seed {seed}: "
                    f"{held} of {len(record['claims'])} claims hold, "
                    f"{sum(record['run']['seconds'].values()):.0f} s",
                    flush=True,
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {program: gather([of[seed] for seed in seeds]) for program, of in records.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m ch07.evidence", description=__doc__)
    parser.add_argument(
        "programs", nargs="*", metavar="PROGRAM", help=f"from {', '.join(PROGRAMS)} (default: all)"
    )
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, metavar="N", help="how many (%(default)s)"
    )
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first (%(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help=f"how many programs run at once, up to {MOST_WORKERS} (%(default)s); "
        "with more than one the seconds are those of a busy machine",
    )
    parser.add_argument("--fresh", action="store_true", help="run again what is kept of earlier")
    parser.add_argument(
        "--dry",
        action="store_true",
        help="print the outcome and leave evidence.json and the documents as they are",
    )
    options = parser.parse_args(arguments)
    programs = options.programs or PROGRAMS
    if unknown := [program for program in programs if program not in PROGRAMS]:
        parser.error(f"there is no '{unknown[0]}'; choose from {', '.join(PROGRAMS)}.")
    if options.seeds < 1 or options.first < 0:
        parser.error("--seeds is a whole number from 1, --first one from 0.")
    if not 1 <= options.workers <= MOST_WORKERS:
        parser.error(f"--workers is a whole number from 1 to {MOST_WORKERS}.")
    seeds = range(options.first, options.first + options.seeds)
    try:
        found = collect(programs, seeds, KEPT, options.workers, options.fresh)
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on.", file=sys.stderr)
        sys.exit(130)
    for program in programs:
        for claim in found[program]["claims"]:
            print(
                f"  {claim['section']} {claim['claim']:<62} {claim['held']:2d}/{claim['of']} "
                f"{claim['low']:.4g} .. {claim['median']:.4g} .. {claim['high']:.4g}"
            )
    if not options.dry:
        known = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
        write_aside(PATH, (json.dumps(known | found, indent=1) + "\n").encode())
        documents.write()


if __name__ == "__main__":
    main()
