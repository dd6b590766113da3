"""Files that are whole or not there, and folders that nobody shares."""

import subprocess
import sys
from pathlib import Path

import pytest

from ch07.lab.files import new_folder, write_aside

ROOT = Path(__file__).resolve().parent.parent


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    write_aside(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert path.read_bytes() == b"new"


def test_a_file_that_cannot_be_replaced_is_as_it_was(tmp_path):
    folder = tmp_path / "x.json"
    folder.mkdir()
    with pytest.raises(OSError, match=r"x\.json"):
        write_aside(folder, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_name_that_is_taken_gets_a_number(tmp_path):
    names = [new_folder(tmp_path / "a" / "b", "run").name for _ in range(3)]
    assert names == ["run", "run-1", "run-2"]


def test_a_parent_that_is_a_file_is_an_error_and_left_alone(tmp_path):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    with pytest.raises(OSError, match="taken"):
        new_folder(tmp_path / "taken", "run")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


@pytest.mark.slow
def test_programs_that_ask_at_the_same_moment_get_different_folders(tmp_path):
    ask = (
        "import sys; from pathlib import Path; from ch07.lab.files import new_folder; "
        "print(*(new_folder(Path(sys.argv[1]), 'run').name for _ in range(200)))"
    )
    command = [sys.executable, "-c", ask, str(tmp_path)]
    asking = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    names = [name for process in asking for name in process.communicate()[0].split()]
    assert len(names) == len(set(names)) == 600
