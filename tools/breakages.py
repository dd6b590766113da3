"""The project broken on purpose, place by place: ``python -m tools.breakages``.

Every place of breakages.toml is broken in a copy of the project, in which then a test has to fail:
first of those where one should, then of all fast ones, then of the slow ones too. What caught it is
written to breakages.json. Ctrl-C loses the place it is at; the same command goes on with those that
have no line yet, or that have changed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from ch07.lab.files import write_aside
from ch07.lab.startup import ROOT
from tools import dependencies

LIST = Path(__file__).with_name("breakages.toml")
CAUGHT = LIST.with_suffix(".json")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def places() -> dict[str, dict[str, str]]:
    """What to break, by name: a promise, a file, old and new text, and where tests should fail."""
    return tomllib.loads(LIST.read_text(encoding="utf-8"))


def digest(place: Mapping[str, str]) -> str:
    """What changes with a place."""
    return dependencies.digest((f"{key}: {text}" for key, text in place.items()), 10)


def copied(folder: Path) -> None:
    """Copy the project as it is now into `folder`, which is not there yet, without what runs wrote.

    Whoever keeps an environment in the folder of the project calls it venv, .venv or env.
    """
    others = shutil.ignore_patterns(".git", "my_*", "__pycache__", ".*_cache", "*env")
    shutil.copytree(ROOT, folder, ignore=others)


def break_it(place: Mapping[str, str], root: Path) -> None:
    """Break a place in the copy at `root`.

    Raises:
        ValueError: its old text is not there exactly once.
    """
    path = root / place["file"]
    text = path.read_text(encoding="utf-8")
    if (count := text.count(place["old"])) != 1:
        raise ValueError(f"{place['file']} has {place['old']!r} {count} times.")
    path.write_text(text.replace(place["old"], place["new"]), encoding="utf-8")


def caught_by(root: Path, *arguments: str) -> str:
    """The first test of the copy at `root` that fails, but for those of the list; or nothing."""
    others = "not(every_place or record_of_broken_places)"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-k", others]
    ended = subprocess.run([*command, *arguments], cwd=root, capture_output=True, text=True)
    if ended.returncode in (0, 5):  # 5: all of them are slow, and left out
        return ""
    found = FAILED.search(ended.stdout)
    return found[1] if found else f"pytest ended with {ended.returncode}"


def judge(place: Mapping[str, str]) -> dict[str, str]:
    """What catches a place, once it is broken: the test, and whether that is among the slow."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "project")
        copied(root)
        break_it(place, root)
        likely = place["tests"].split()
        for among, arguments in {
            "fast": ["-n", "0", *likely],
            "fast ": [],
            "slow": ["-n", "0", "--all", *likely],
            "slow ": ["--all"],
        }.items():
            if test := caught_by(root, *arguments):
                return {"test": test, "among": among.strip()}
    return {"test": "", "among": ""}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.breakages", description=__doc__)
    parser.add_argument("names", nargs="*", help="places to break (default: all that are left)")
    wanted = parser.parse_args().names
    known = json.loads(CAUGHT.read_text(encoding="utf-8")) if CAUGHT.exists() else {}
    every = places()
    if unknown := [name for name in wanted if name not in every]:
        parser.error(f"there is no '{unknown[0]}' in {LIST.name}.")
    left = [name for name, of in every.items() if known.get(name, {}).get("of") != digest(of)]
    for name in wanted or left:
        known[name] = judge(every[name]) | {"of": digest(every[name])}
        print(f"{name}: {known[name]['test'] or 'MISSED'}", flush=True)
        known = {one: known[one] for one in every if one in known}
        write_aside(CAUGHT, (json.dumps(known, indent=1) + "\n").encode())
    caught = [of for name, of in known.items() if of["test"]]
    fast = sum(of["among"] == "fast" for of in caught)
    print(f"{len(caught)} of {len(known)} caught, {fast} of them by fast tests.")


if __name__ == "__main__":
    main()
