"""What the tests share: a settled environment, a run of each numbered script, and TensorBoard."""

import os

# Before anything imports Matplotlib or Keras: no test needs a screen or another backend.
os.environ["MPLBACKEND"] = "agg"
os.environ["KERAS_BACKEND"] = "tensorflow"

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib import parse, request

import pytest

import ch07.startup  # noqa: F401 -- before Keras, as in the scripts

# isort: split
import keras

# A runner that starts the tests in the background has Ctrl-C ignored, and so would every program
# that they start: the tests that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


class Finished:
    """A script that has run: its console, its exit status, its folder of pictures, its record."""

    def __init__(self, script: str, output: Path, *arguments: str):
        self.process = subprocess.run(
            [sys.executable, ROOT / f"{script}.py", "--output", output, *arguments],
            capture_output=True,
            cwd=output,
        )
        self.output = output
        self.folder = output / "my_figures" / script
        record = self.folder / "claims.json"
        self.record = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None

    @property
    def lines(self) -> list[str]:
        """What the run printed on stdout."""
        return self.process.stdout.decode("utf-8").splitlines()


def until(ready, what: str, seconds: float = 90):
    """Ask `ready` until its answer is true, and return that; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := ready()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        threading.Event().wait(0.2)
    return answer


class Server:
    """The program `tensorboard` on a directory of logs; its address and its answers."""

    def __init__(self, root: Path, folder: Path):
        self.root = root
        self.runs = sorted(path.name for path in root.iterdir() if path.is_dir())
        (self.reviews,) = (run for run in self.runs if run.endswith("-reviews"))
        self.stderr = folder / "stderr.txt"
        command = [sys.executable, "-m", "tensorboard.main", "--host", "127.0.0.1", "--port", "0"]
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen([*command, "--logdir", root], stderr=stderr)
        try:
            self.url = until(self.address, "address of TensorBoard")
            until(lambda: self.json("data/plugins_listing")["projector"]["enabled"], "Projector")
            until(lambda: len(self.json("data/runs")) >= 2 * len(self.runs), "runs")
        except BaseException:
            self.close()
            raise

    def address(self) -> str | None:
        """The address that it has printed; None if it has not."""
        printed = self.stderr.read_text(encoding="utf-8", errors="replace")
        assert self.process.poll() is None, printed
        found = re.search(r"^TensorBoard \S+ at (http://\S+)", printed, re.MULTILINE)
        return found and found[1]

    def get(self, path: str, body: dict | None = None, **query: str) -> bytes:
        """What it answers; a `body` is posted as JSON."""
        address = f"{self.url}{path}?{parse.urlencode(query)}" if query else f"{self.url}{path}"
        data = None if body is None else json.dumps(body).encode()
        asked = request.Request(address, data, {"Content-Type": "application/json"})
        with request.urlopen(asked, timeout=60) as answer:
            return answer.read()

    def json(self, path: str, body: dict | None = None, **query: str):
        """What it answers, which is JSON."""
        return json.loads(self.get(path, body, **query))

    def close(self):
        """End it."""
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="session")
def functional_api(tmp_path_factory) -> Finished:
    """One run of the whole of section 7.1 with seed 0."""
    return Finished("ch0701_functional_api", tmp_path_factory.mktemp("functional_api"))


@pytest.fixture(scope="session")
def tensor_board(tmp_path_factory) -> Finished:
    """One run of the whole of section 7.2 with seed 0."""
    return Finished("ch0702_tensor_board", tmp_path_factory.mktemp("tensor_board"))


@pytest.fixture(scope="session")
def ensembling(tmp_path_factory) -> Finished:
    """One run of the whole of section 7.3 with seed 0."""
    return Finished("ch0703_ensembling", tmp_path_factory.mktemp("ensembling"))


@pytest.fixture(scope="session")
def tensorboard(tensor_board, tmp_path_factory):
    """TensorBoard on what section 7.2 has logged, as a reader starts it."""
    root = tensor_board.output / "my_log_dir"
    server = Server(root, tmp_path_factory.mktemp("tensorboard"))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state."""
    keras.utils.set_random_seed(0)
