"""Run the tests on every Python that is here, with the oldest packages admitted and the newest.

`python -m tools.matrix` makes a virtual environment for each Python from 3.11 to 3.13 that is found
on PATH or given with --python, once with the lowest version of each package that requirements.txt
admits and once with the newest, runs the tests there, and writes what came of it into matrix.json,
from which the table in docs/hard-use.md is made. A line that is done stays: --only runs one anew.
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
        done = subprocess.run([python, "-c", program], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def interpreters(given: list[Path]) -> dict[str, str]:
    """The Pythons that are here, by version: those given before those on PATH."""
    found = {}
    for python in (*map(str, given), *filter(None, (shutil.which(f"python{m}") for m in MINORS))):
        found.setdefault(version(python), python)
    return {minor: found[minor] for minor in MINORS if minor in found}


def outcome(python: str, packages: str) -> dict:
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
        listed = json.loads(
            subprocess.run(
                [program, "-m", "pip", "list", "--format=json"], capture_output=True, check=True
            ).stdout
        )
        versions = {one["name"]: one["version"] for one in listed}
        began = time.perf_counter()
        tests = subprocess.Popen(
            # The record, to which this belongs, is looked at when it is whole.
            [program, "-m", "pytest", "-q", "--all", "-k", "not record_of_the_matrix"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        line = ""
        for line in tests.stdout:
            print(line, end="", flush=True)
        tests.wait()
        counts = {
            kind: int(n) for n, kind in re.findall(r"(\d+) (passed|failed|skipped|error)", line)
        }
        return {
            "python": version(program),
            "packages": packages,
            "versions": {name: versions[name] for name in SHOWN},
            "date": time.strftime("%Y-%m-%d"),
            "machine": claims.machine(),
            "minutes": round((time.perf_counter() - began) / 60),
            "status": tests.returncode,
            **{kind: counts.get(kind, 0) for kind in ("passed", "failed", "skipped")},
        }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.matrix", description=__doc__)
    parser.add_argument(
        "--python", action="append", type=Path, default=[], metavar="FILE", help="an interpreter"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="such as 3.12-lowest; may be repeated"
    )
    options = parser.parse_args()
    known = json.loads(documents.MATRIX.read_text("utf-8")) if documents.MATRIX.exists() else {}
    for minor, python in interpreters(options.python).items():
        for packages in PACKAGES:
            name = f"{minor}-{packages}"
            if name in (
                options.only or {f"{m}-{p}" for m in MINORS for p in PACKAGES} - set(known)
            ):
                print(f"{name}: {python}", flush=True)
                known[name] = outcome(python, packages)
                ordered = dict(sorted(known.items()))
                write_aside(documents.MATRIX, (json.dumps(ordered, indent=1) + "\n").encode())
                documents.write()  # or the tests of the next line would find it out of date


if __name__ == "__main__":
    main()
