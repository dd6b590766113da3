"""Run the tests on every Python, with the oldest packages admitted and with the newest.

`python -m tools.matrix` makes virtual environments for each Python from 3.11 to 3.13 that is on
PATH or given with --python, and writes what came of the fast tests there into matrix.json, from
which the table in docs/hard-use.md is made; with --all, of the slow ones too (twenty minutes more
for each line). A line that is done stays: --only runs one anew.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ch07.lab import claims
from ch07.lab.files import write_aside
from ch07.lab.startup import NEWEST_PYTHON, OLDEST_PYTHON, ROOT
from tools import documents

PACKAGES = ("lowest", "newest")
MINORS = [f"3.{minor}" for minor in range(OLDEST_PYTHON[1], NEWEST_PYTHON[1] + 1)]
SHOWN = ("tensorflow", "keras", "numpy", "matplotlib")


def lowest(requirements: str) -> list[str]:
    """The lines of a pip constraints file: each package at its lower bound."""
    bounds = re.findall(r"^([a-z]+)>=([\d.]+)", requirements, flags=re.MULTILINE)
    return [f"{name}=={version}" for name, version in bounds]


def version(python: Path | str) -> str:
    """Which Python it is, such as "3.12"; nothing if it cannot be run."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run(
            [python, "-c", program], capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        return ""


def interpreters(given: list[Path]) -> dict[str, str]:
    """The Pythons that are here, by version: those given before those on PATH."""
    there = [*map(str, given), *filter(None, (shutil.which(f"python{m}") for m in MINORS))]
    found = {version(python): python for python in reversed(there)}
    return {minor: found[minor] for minor in MINORS if minor in found}


def outcome(python: str, packages: str, chosen: list[str]) -> dict:
    """Install into a new environment and run the tests; returns a line of the record."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder, "venv")
        subprocess.run([python, "-m", "venv", inside], check=True)
        program = next(inside.glob("[bS]*/python*"))
        install = [program, "-m", "pip", "install", "-q", "-r", ROOT / "tests" / "requirements.txt"]
        if packages == "lowest":
            constraints = Path(folder, "constraints.txt")
            lines = lowest((ROOT / "requirements.txt").read_text(encoding="utf-8"))
            constraints.write_text("\n".join(lines), encoding="utf-8")
            install += ["-c", constraints]
        subprocess.run(install, check=True)
        listing = [program, "-m", "pip", "list", "--format=json"]
        listed = json.loads(subprocess.run(listing, capture_output=True, check=True).stdout)
        versions = {one["name"]: one["version"] for one in listed}
        began = time.perf_counter()
        # The record, to which this belongs, is looked at when it is whole.
        command = [program, "-m", "pytest", "-q", "-k", "not record_of_the_matrix", *chosen]
        tests = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        line = ""
        for line in tests.stdout:
            print(line, end="", flush=True)
        counts = {kind: int(n) for n, kind in re.findall(r"(\d+) (passed|failed|skipped)", line)}
        return {
            "python": version(program),
            "packages": packages,
            "versions": {name: versions[name] for name in SHOWN},
            "date": time.strftime("%Y-%m-%d"),
            "machine": claims.machine(),
            "minutes": round((time.perf_counter() - began) / 60),
            "status": tests.wait(),
            **{"passed": 0, "failed": 0, "skipped": 0, **counts},
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.matrix", description=__doc__)
    parser.add_argument("--python", nargs="*", type=Path, default=[], help="interpreters")
    parser.add_argument("--only", nargs="*", help="lines to run anew, such as 3.12-lowest")
    parser.add_argument("--all", action="store_true", help="run the slow tests too")
    options = parser.parse_args()
    known = dict(documents.parsed(documents.MATRIX))
    for minor, python in interpreters(options.python).items():
        for packages in PACKAGES:
            name = f"{minor}-{packages}"
            if name in options.only if options.only else name not in known:
                print(f"{name}: {python}", flush=True)
                known[name] = outcome(python, packages, ["--all"] * options.all)
                text = json.dumps(dict(sorted(known.items())), indent=1) + "\n"
                write_aside(documents.MATRIX, text.encode())
                documents.write()  # or the tests of the next line would find it out of date


if __name__ == "__main__":
    main()
