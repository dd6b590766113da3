"""All scripts of the chapter, one after the other: ``python -m ch07``.

Each runs to its end whatever the one before it ended with; then one summary of all, with every
claim that does not hold by name. The exit status is the worst of theirs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ch07.lab import language, lessons, startup
from ch07.lab.claims import Claim
from ch07.lab.console import WIDTH, came_out, wrapped
from ch07.lab.language import tr
from ch07.lab.program import Parser, missed, writable

SCRIPTS = sorted(path.stem for path in startup.ROOT.glob("ch07[0-9][0-9]_*.py"))


def plan(wanted: Sequence[str], data: str) -> dict[str, list[str]]:
    """The scripts to run, each with those of the sections or lessons `wanted` that it has.

    Raises:
        startup.UsageError: no script has one of them.
    """
    found: dict[str, list[str]] = {}
    for name in SCRIPTS:
        script = lessons.on(lessons.read(name), data)
        found[name] = [text for text in wanted if lessons.matching(script, text)]
    for text in wanted:
        if not any(text in of for of in found.values()):
            raise startup.UsageError(
                f"there is no section or lesson '{text}': 'python {SCRIPTS[0]}.py --list' names "
                "those of the first script."
            )
    return {name: of for name, of in found.items() if of or not wanted}


def run(script: Path, arguments: Sequence[str], record: Path) -> tuple[int, dict, float]:
    """Run a script: its exit status, 130 after Ctrl-C, its new `record`, and the seconds."""
    began = time.time()
    with subprocess.Popen([sys.executable, script, *arguments]) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            process.wait()  # the script has heard it too, and keeps what it has
            status = 130
    status = status if status >= 0 else 128 - status  # as a shell says that it was killed
    if not record.exists() or record.stat().st_mtime < began:
        return status, {"claims": [], "run": {"seconds": {}}}, time.time() - began
    return status, json.loads(record.read_text(encoding="utf-8")), time.time() - began


def summarize(runs: dict[str, tuple[int, dict, float]]) -> None:
    """Print what came of each script, by name what `run` gave, and of all of them."""
    print(f"\n{tr('All sections')}")
    claims: list[Claim] = []
    misses: list[str] = []
    together = 0
    for name, (status, record, seconds) in runs.items():
        script = lessons.read(name)
        own = [Claim.from_record(one) for one in record["claims"]]
        ended = len(record["run"]["seconds"])
        early = tr(f", ended early with status {status}") if status > 1 else ""
        title = f"{script.number} {language.of(script.title)}{tr(': ')}"
        print(f"  {title}{came_out(ended, own, seconds)}{early}")
        together += ended
        claims += own
        misses += [missed(one, f"{name}.py {one.lesson}") for one in own if not one.holds]
    whole = sum(seconds for *_, seconds in runs.values())
    print(f"  {tr('Together: ')}{came_out(together, claims, whole)}")
    for miss in misses:
        print(wrapped(miss, WIDTH))


def main() -> None:
    """The command line."""
    parser = Parser(
        "what to run, such as 7.1.5, 7.3 or siamese_lstm; without it everything runs",
        prog="python -m ch07",
        description=tr(
            "Runs the scripts of the chapter one after the other, each to its end, and then says "
            "which claims do not hold."
        ),
    )
    given = parser.parse_args()
    try:
        scripts = plan(given.sections, given.data)
        folder = writable(given.output / "my_figures")
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
    options = ["--seed", str(given.seed), "--output", str(given.output)]
    options += ["--data", given.data, "--language", language.current()]
    options += ["--jobs", str(given.jobs)] if given.jobs else []
    options += [f"--{name}" for name in ("show", "predict") if getattr(given, name)]
    runs: dict[str, tuple[int, dict, float]] = {}
    for name, wanted in scripts.items():
        kind = "" if given.data == "synthetic" else f"_{given.data}"
        record = folder / f"{name}{kind}" / "claims.json"
        runs[name] = run(lessons.source(name), [*wanted, *options], record)
        if runs[name][0] == 130:
            break
    summarize(runs)
    startup.leave(max(status for status, *_ in runs.values()))


if __name__ == "__main__":
    main()
