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
from ch07.lab.program import Parser, add_common_options, missed, writable

SCRIPTS = sorted(path.stem for path in startup.ROOT.glob("ch07[0-9][0-9]_*.py"))


def plan(wanted: Sequence[str]) -> dict[str, list[str]]:
    """The scripts to run, each with those of the sections or lessons `wanted` that it has.

    Raises:
        startup.UsageError: no script has one of them.
    """
    if not wanted:
        return {name: [] for name in SCRIPTS}
    found: dict[str, list[str]] = {}
    for text in wanted:
        for name in SCRIPTS:
            try:
                lessons.choose(lessons.read(name), [text])
            except KeyError:
                continue
            found.setdefault(name, []).append(text)
            break
        else:
            raise startup.UsageError(
                f"there is no section or lesson '{text}': 'python {SCRIPTS[0]}.py --list' names "
                "those of the first script."
            )
    return {name: found[name] for name in SCRIPTS if name in found}


def run(name: str, wanted: Sequence[str], options: Sequence[str]) -> int:
    """Run a script on this console; returns its exit status, 130 after Ctrl-C."""
    command = [sys.executable, str(lessons.source(name)), *wanted, *options]
    with subprocess.Popen(command) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            process.wait()  # the script has heard it too, and keeps what it has
            return 130
    return status if status >= 0 else 128 - status  # as a shell says that it was killed


def recorded(path: Path, since: float) -> dict | None:
    """The record of a run that began at `since`, in seconds since the epoch; None without one."""
    if not path.exists() or path.stat().st_mtime < since:
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def summarize(runs: dict[str, tuple[int, dict | None]]) -> None:
    """Print what came of each script, by name its status and its record, and of all of them."""
    print(f"\n{tr('All sections')}")
    claims, seconds, done = [], 0.0, 0
    for name, (status, record) in runs.items():
        script = lessons.read(name)
        own = [Claim.from_record(one) for one in record["claims"]] if record else []
        took = record["run"]["seconds"] if record else {}
        early = tr(f", ended early with status {status}") if status > 1 else ""
        title = f"{script.number} {language.of(script.title)}{tr(': ')}"
        print(f"  {title}{came_out(len(took), own, sum(took.values()))}{early}")
        done, seconds = done + len(took), seconds + sum(took.values())
        claims += [(f"{name}.py", claim) for claim in own]
    together = came_out(done, [claim for _, claim in claims], seconds)
    print(f"  {tr('Together: ')}{together}")
    for script, claim in claims:
        if not claim.holds:
            print(wrapped(missed(claim, f"{script} {claim.lesson}"), WIDTH))


def main() -> None:
    """The command line."""
    parser = Parser(
        prog="python -m ch07",
        description=tr(
            "Runs the scripts of the chapter one after the other, each to its end, and then says "
            "which claims do not hold."
        ),
        allow_abbrev=False,
    )
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        help=tr("what to run, such as 7.1.5, 7.3 or siamese_lstm; without it everything runs"),
    )
    add_common_options(parser)
    given = parser.parse_args()
    try:
        scripts = plan(given.sections)
        writable(given.output / "my_figures")
    except startup.UsageError as error:
        sys.exit(startup.refusal(error))
    options = ["--seed", str(given.seed), "--output", str(given.output)]
    options += ["--jobs", str(given.jobs)] if given.jobs else []
    options += ["--language", given.language]
    options += [f"--{name}" for name in ("show", "predict") if getattr(given, name)]
    runs: dict[str, tuple[int, dict | None]] = {}
    for name, wanted in scripts.items():
        began = time.time()
        status = run(name, wanted, options)
        path = given.output / "my_figures" / name / "claims.json"
        runs[name] = status, recorded(path, began)
        if status == 130:
            break
    summarize(runs)
    startup.leave(max(status for status, _ in runs.values()))


if __name__ == "__main__":
    main()
