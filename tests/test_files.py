"""Files that are whole or not there, and folders that nobody shares."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ch07.lab.files import new_folder, write_aside


@pytest.mark.parametrize("fails", [None, "write_bytes", "replace"])
def test_a_file_is_replaced_whole_or_is_as_it_was(fails, tmp_path, monkeypatch):
    path, write = tmp_path / "x.json", Path.write_bytes
    path.write_bytes(b"old")

    def full_disk(self, content):
        if fails == "write_bytes":
            write(self, content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails:
        monkeypatch.setattr(Path, fails, full_disk)
        with pytest.raises(OSError, match="No space"):
            write_aside(path, b"new")
    else:
        write_aside(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert path.read_bytes() == (b"old" if fails else b"new")


def test_a_name_that_is_taken_gets_a_number_also_at_the_same_moment(tmp_path):
    names = [new_folder(tmp_path / "a" / "b", "run").name for _ in range(3)]
    assert names == ["run", "run-1", "run-2"]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: new_folder(tmp_path, "run").name, range(200)))
    assert len(set(names)) == 200


def test_a_parent_that_is_a_file_is_an_error_and_left_alone(tmp_path):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    with pytest.raises(OSError, match="taken"):
        new_folder(tmp_path / "taken", "run")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"
