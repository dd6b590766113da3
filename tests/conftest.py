"""What the tests share: a settled environment, and one run of each numbered script."""

import os

# Before anything imports Matplotlib or Keras: no test needs a screen or another backend.
os.environ["MPLBACKEND"] = "agg"
os.environ["KERAS_BACKEND"] = "tensorflow"

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ch07.startup  # noqa: F401 -- before Keras, as in the scripts

# isort: split
import keras

ROOT = Path(__file__).resolve().parent.parent


class Finished:
    """A script that has run: its console, its exit status, its folder of pictures, its record."""

    def __init__(self, script: str, output: Path, *arguments: str):
        self.process = subprocess.run(
            [sys.executable, ROOT / f"{script}.py", "--output", output, *arguments],
            capture_output=True,
            cwd=output,
        )
        self.folder = output / "my_figures" / script
        record = self.folder / "claims.json"
        self.record = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None

    @property
    def lines(self) -> list[str]:
        """What the run printed on stdout."""
        return self.process.stdout.decode("utf-8").splitlines()


@pytest.fixture(scope="session")
def functional_api(tmp_path_factory) -> Finished:
    """One run of the whole of section 7.1 with seed 0."""
    return Finished("ch0701_functional_api", tmp_path_factory.mktemp("functional_api"))


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state."""
    keras.utils.set_random_seed(0)
