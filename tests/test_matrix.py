"""The matrix finds the Pythons that are there, and its record is of what is supported."""

import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from ch07.lab.startup import ROOT
from tools import documents, matrix

REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
LINES = [line.split("#")[0] for line in REQUIREMENTS.splitlines() if line[:1].isalpha()]
BOUNDS = {one.name: one.specifier for one in map(Requirement, LINES)}


def test_the_lowest_versions_are_those_that_the_requirements_admit():
    pinned = [Requirement(line) for line in matrix.lowest(REQUIREMENTS)]
    bounds = {name: str(bound).replace(">=", "==") for name, bound in BOUNDS.items()}
    assert {one.name: str(one.specifier) for one in pinned} == bounds


def test_pythons_are_what_they_say_and_those_given_come_before_those_on_the_path(monkeypatch):
    assert matrix.version(sys.executable) == "{}.{}".format(*sys.version_info)
    assert matrix.version(ROOT / "python3.11") == matrix.version(ROOT) == ""
    pythons = {"python3.12": "3.12", "python3.13": "3.13", "python3.11": ""}
    pythons |= {"mine": "3.12", "old": "3.9"}
    monkeypatch.setattr(matrix, "version", lambda python: pythons[str(python)])
    monkeypatch.setattr(matrix.shutil, "which", lambda name: name if name in pythons else None)
    found = matrix.interpreters([Path("mine"), Path("old")])
    assert found == {"3.12": "mine", "3.13": "python3.13"}


def test_the_record_of_the_matrix_is_whole_and_nothing_failed():
    record = documents.parsed(documents.MATRIX)
    assert [*record] == [f"{m}-{packages}" for m in matrix.MINORS for packages in matrix.PACKAGES]
    for name, row in record.items():
        assert name == f"{row['python']}-{row['packages']}"
        assert (row["status"], row["failed"]) == (0, 0), name
        assert row["passed"] > 10 * row["skipped"], name
        for package, version in row["versions"].items():
            (lowest,) = BOUNDS[package]
            assert Version(version) >= Version(lowest.version)
            assert Version(version) == Version(lowest.version) or row["packages"] == "newest"
