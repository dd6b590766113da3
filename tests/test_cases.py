"""What the programs of readers do with the package: each of these once failed, or lied."""

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT


def program(*arguments, folder=ROOT):
    """Run Python in a process of its own, from a folder."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


UNCHANGED = """
import faulthandler, keras, logging, matplotlib.pyplot, optuna, sys
keras.config.set_floatx("float64")
keras.config.set_image_data_format("channels_first")
faulthandler.enable()
figure = matplotlib.pyplot.figure()
def state():
    return [
        keras.config.floatx(), keras.config.image_data_format(), faulthandler.is_enabled(),
        optuna.logging.get_verbosity(), sys.argv, logging.getLogger().level,
        logging.getLogger("matplotlib").level, logging.getLogger("tensorflow").filters,
        matplotlib.pyplot.get_fignums(), matplotlib.get_backend(),
    ]
before = state()
from ch07 import backup, board, callbacks, calls, compare, data, draw, inspection, metrics, tuning
changed = [n for n, pair in enumerate(zip(before, state())) if pair[0] != pair[1]]
sys.exit(f"changed: {changed}" if changed else 0)
"""


@pytest.mark.slow
def test_importing_changes_nothing():
    done = program("-c", UNCHANGED)  # what else could change, test_conventions.py looks at
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["-OO"], ["-W", "error"]])
def test_a_copy_of_the_folder_alone_works(options, tmp_path):
    ignored = shutil.ignore_patterns("my_*", "__pycache__")
    shutil.copytree(ROOT / "ch07", tmp_path / "ch07", ignore=ignored)
    code = "from ch07 import backup, board, callbacks, calls, draw, tuning; print(board.DOT)"
    done = program(*options, "-c", code, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "32\n"), done.stderr


@pytest.mark.parametrize("file", ["ch07/board.py", "ch07/tuning.py", "ch07"])
def test_a_part_of_the_package_is_no_program_and_says_so_in_one_sentence(file):
    done = program(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "the folder ch07 is a package and has no programs" in done.stderr


def test_in_the_folder_of_the_package_an_import_says_where_to_go():
    done = program("-c", "import ch07", folder=ROOT / "ch07")
    assert done.returncode == 1
    assert "ImportError: the folder ch07 is a package" in done.stderr.splitlines()[-1]
