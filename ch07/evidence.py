"""Every claim over many seeds: ``python -m ch07.evidence``.

Runs the numbered scripts as programs, once for each seed, and gathers their claims.json files into
``evidence.json``: for each claim the median, the range, and in how many seeds it held. The bounds
of the claims in the scripts come from here, and so does the table in the README.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from ch07.claims import Claim, number
from ch07.files import write_aside

HOME = Path(__file__).resolve().parent
SCRIPTS = sorted(path.stem for path in HOME.parent.glob("ch07[0-9][0-9]_*.py"))
README = HOME.parent / "README.md"
MARKS = ("<!-- evidence -->", "<!-- /evidence -->")
SEEDS = 10  # with ten, a claim that fails in a fifth of all seeds is caught nine times in ten


def run_script(script: str, seed: int, output: Path) -> dict:
    """Run one script with one seed; returns what its claims.json says.

    Raises:
        RuntimeError: the script ended before its last lesson; the text is what it printed.
    """
    record = output / "my_figures" / script / "claims.json"
    record.unlink(missing_ok=True)
    command = [sys.executable, HOME.parent / f"{script}.py", "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--output", output], capture_output=True, text=True, errors="replace"
    )
    # 1 is a claim that does not hold, which is a result and leaves stderr empty, or a traceback.
    if done.returncode not in (0, 1) or done.stderr or not record.exists():
        raise RuntimeError(f"{script} --seed {seed} ended with {done.returncode}: {done.stderr}")
    return json.loads(record.read_text(encoding="utf-8"))


def spread(values: Iterable[float | str]) -> dict[str, float]:
    """The median and the range of `values`."""
    values = [float(value) for value in values]
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def gather(records: list[dict]) -> dict:
    """One script's records, one for each seed, as evidence.

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
                **{key: first[key] for key in ("section", "lesson", "claim", "unit", "bound")},
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
        "claims": claims,
    }


def table(script: str, evidence: dict) -> str:
    """The evidence for one script as a Markdown table, below a line on when and where it began."""
    seconds = sum(spread["median"] for spread in evidence["seconds"].values())
    packages = ", ".join(f"{name} {version}" for name, version in evidence["packages"].items())
    lines = [
        f"`{script}.py`, {len(evidence['seeds'])} seeds, {evidence['started'][:10]}: Python "
        f"{evidence['python']}, {packages}; {evidence['machine']}. All lessons take "
        f"{seconds:.0f} seconds there (median).",
        "",
        "| section | claim | bound | median | lowest | highest | held |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in evidence["claims"]:
        bound = Claim(row["section"], row["lesson"], row["claim"], 0, row["unit"], **row["bound"])
        numbers = " | ".join(number(row[key]) for key in ("median", "low", "high"))
        what = f"{row['claim']} ({row['unit']})" if row["unit"] else row["claim"]
        held = f"{row['held']} of {row['of']}"
        lines.append(f"| {row['section']} | {what} | {bound.bound} | {numbers} | {held} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str, evidence: dict) -> str:
    """`text` with the tables of `evidence` between its two marks, and nothing else changed.

    Raises:
        ValueError: a mark is missing.
    """
    before, _, rest = text.partition(f"{MARKS[0]}\n")
    _, found, after = rest.partition(MARKS[1])
    if not found:
        raise ValueError(f"The README lacks {MARKS[0]} or {MARKS[1]}.")
    tables = "\n".join(table(script, evidence[script]) for script in sorted(evidence))
    return f"{before}{MARKS[0]}\n{tables}{found}{after}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m ch07.evidence", description=__doc__)
    parser.add_argument(
        "scripts", nargs="*", metavar="SCRIPT", help=f"from {', '.join(SCRIPTS)} (default: all)"
    )
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, metavar="N", help="how many (%(default)s)"
    )
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first (%(default)s)")
    parser.add_argument(
        "--dry",
        action="store_true",
        help="print the outcome and leave evidence.json and the README as they are",
    )
    options = parser.parse_args()
    scripts = options.scripts or SCRIPTS
    if unknown := [script for script in scripts if script not in SCRIPTS]:
        parser.error(f"there is no script '{unknown[0]}'; choose from {', '.join(SCRIPTS)}.")
    if options.seeds < 1 or options.first < 0:
        parser.error("--seeds is a whole number from 1, --first one from 0.")
    path = HOME / "evidence.json"
    evidence = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for script in scripts:
        records = []
        for seed in range(options.first, options.first + options.seeds):
            records.append(run_script(script, seed, HOME / "my_evidence" / f"seed-{seed}"))
            held = sum(claim["holds"] for claim in records[-1]["claims"])
            print(f"{script} --seed {seed}: {held} of {len(records[-1]['claims'])} claims hold")
        evidence[script] = gather(records)
        for claim in evidence[script]["claims"]:
            print(
                f"  {claim['section']} {claim['claim']:<62} {claim['held']:2d}/{claim['of']} "
                f"{claim['low']:.4g} .. {claim['median']:.4g} .. {claim['high']:.4g}"
            )
        if not options.dry:
            write_aside(path, (json.dumps(evidence, indent=1) + "\n").encode())
            text = with_tables(README.read_text(encoding="utf-8"), evidence)
            write_aside(README, text.encode())


if __name__ == "__main__":
    main()
