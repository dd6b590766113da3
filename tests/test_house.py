"""The rules of the house that a machine can see."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(ROOT.glob("ch07[0-9][0-9]_*.py"))
FOLDERS = ("benchmarks", "ch07", "exercises", "tests")
SOURCES = sorted([*SCRIPTS, *(path for name in FOLDERS for path in ROOT.glob(f"{name}/*.py"))])
ids = {"ids": lambda path: path.name}


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at any place in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, **ids)
def test_sources_are_ascii(path):
    assert path.read_bytes().isascii()


@pytest.mark.parametrize("path", SOURCES, **ids)
def test_a_file_can_be_imported_on_every_operating_system(path):
    of_one = {"fcntl", "grp", "msvcrt", "pty", "pwd", "resource", "termios", "tty", "winreg"}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not of_one & set(ast.unparse(node).replace(",", "").split())


@pytest.mark.parametrize("path", [*SCRIPTS, ROOT / "ch07/startup.py"], **ids)
def test_an_old_python_can_read_the_files_it_meets_before_it_is_turned_away(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", SCRIPTS, **ids)
def test_a_script_checks_the_installation_before_it_imports_anything(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    # ch07.lab alone begins with that: before NumPy, Matplotlib and whatever else may be missing.
    assert found[:2] == ["from __future__ import annotations", "from ch07 import lab"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("ch07/*.py")), **ids)
def test_nothing_in_ch07_imports_a_script(path):
    assert not [name for name in imports(path) if re.match(r"ch07\d\d_", name)]


@pytest.mark.parametrize("name", ["synthetic", "figures", "claims", "files"])
def test_data_pictures_and_claims_know_nothing_of_keras(name):
    known = imports(ROOT / "ch07" / f"{name}.py")
    assert not {module.split(".")[0] for module in known} & {"keras", "tensorflow"}
    assert "ch07.figures" not in known or name != "synthetic"
    assert "ch07.synthetic" not in known or name != "figures"


@pytest.mark.parametrize("path", SCRIPTS, **ids)
def test_every_script_has_a_run_configuration(path):
    tree = ElementTree.parse(ROOT / ".run" / f"{path.stem}.run.xml")
    options = {o.get("name"): o.get("value") for o in tree.iter("option")}
    assert options["SCRIPT_NAME"] == f"$PROJECT_DIR$/{path.name}"


def test_every_run_configuration_names_something_that_exists():
    for path in (ROOT / ".run").iterdir():
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"\$PROJECT_DIR\$/([^&\"]+)", text):
            assert (ROOT / name).exists()


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_every_requirement_has_a_lower_bound_and_a_reason(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if line and line[0] not in "#-"]
    assert packages
    for line in packages:
        assert re.fullmatch(r"[a-z]+>=[\d.]+(,<[\d.]+)? +# .{20,}", line), line


def test_what_runs_write_is_ignored_by_git():
    names = ["ch07/my_figures/x.png", "ch07/my_log_dir/x", "ch07/my_evidence/x"]
    done = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout.split() == names


def test_the_readme_has_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert [command.count("\n") for command in commands] == [1, 1]
    for command in commands:
        for name in re.findall(r"[\w/]+\.(?:txt|py)", command):
            assert (ROOT / name).exists()
