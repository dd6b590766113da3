"""What tests share. `python -m pytest --all` has the slow ones too: kills, servers, a browser."""

import os

# Before anything imports Matplotlib or Keras: no test needs a screen or another backend.
os.environ["MPLBACKEND"] = "agg"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["LC_ALL"] = "C.UTF-8"  # whatever language the system has, runs speak English
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # as in the programs

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ch07.lab import startup  # before Keras, as in the scripts

# isort: split
import keras

startup.settle()  # the state that the numbers of a run belong to

# A runner that starts the tests in the background has Ctrl-C ignored, and so would every program
# that they start: the tests that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the slow tests too")


WHOLE_RUNS = ("functional_api", "tensor_board", "ensembling")  # fixtures that run a script
ONE_BY_ONE = ("test_cells", "test_errata")  # files whose tests share nothing, and take long


def pytest_collection_modifyitems(config, items):
    for item in items:
        alone = item.nodeid if item.path.stem in ONE_BY_ONE else item.path.stem
        names = [*item.fixturenames, item.name.partition("[")[2].rstrip("]")]
        item.add_marker(pytest.mark.xdist_group(next(filter(WHOLE_RUNS.count, names), alone)))
    if not config.getoption("--all"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def unshared(*options: str) -> list[str]:
    """What comes before a command to run without network (`--net`), or with mounts of its own."""
    command = ["unshare", "--map-root-user", *options]
    with contextlib.suppress(OSError):
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return []


OFFLINE = unshared("--net")


@contextlib.contextmanager
def started(*command) -> Iterator[subprocess.Popen]:
    """A program that runs with its text in pipes, and never outlives the test, even if it fails."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A session of its own is what a terminal would send Ctrl-C to.
    own = {"start_new_session": True, "cwd": ROOT, "text": True}
    with subprocess.Popen(command, **pipes, **own) as process:
        try:
            yield process
        finally:
            process.kill()  # nothing, if it has ended


class Finished:
    """A script that has run, without a network if that can be: nothing but --imdb may need one."""

    def __init__(self, script: str, output: Path, *arguments: str):
        self.process = subprocess.run(
            [*OFFLINE, sys.executable, ROOT / f"{script}.py", "--output", output, *arguments],
            capture_output=True,
            cwd=output,
        )
        self.output, self.folder = output, output / "my_figures" / script
        self.lines = self.process.stdout.decode("utf-8").splitlines()
        record = self.folder / "claims.json"
        self.record = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None


def whole_run(script: str):
    """A fixture: one run of the whole of a script, with seed 0."""

    @pytest.fixture(scope="session")
    def run(tmp_path_factory) -> Finished:
        return Finished(script, tmp_path_factory.mktemp(script))

    return run


functional_api = whole_run("ch0701_functional_api")
tensor_board = whole_run("ch0702_tensor_board")
ensembling = whole_run("ch0703_ensembling")


@pytest.fixture(scope="session")
def tensorboard(tensor_board, tmp_path_factory):
    """TensorBoard on what section 7.2 has logged, as a reader starts it."""
    from tools.screens import Server  # it needs Selenium, which the fast tests do without

    folder = tmp_path_factory.mktemp("tensorboard")
    with contextlib.closing(Server(tensor_board.output / "my_log_dir", folder)) as server:
        yield server


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state."""
    keras.utils.set_random_seed(0)
