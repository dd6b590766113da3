"""What keeps a script from running is said in one sentence; TensorFlow's chatter is not said."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from ch07.lab import startup

ROOT = Path(__file__).resolve().parent.parent


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """A program that imports a part of ch07 and then says hello, run in `folder`."""
    script = folder / "hello.py"
    script.write_text("from ch07 import board\nprint('hello')\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def refused(process: subprocess.CompletedProcess, sentence: str) -> bool:
    """Whether `process` ended with status 2 and one line on stderr that contains `sentence`."""
    lines = process.stderr.decode().splitlines()
    assert len(lines) == 1, process.stderr.decode()
    assert process.stdout == b""
    return process.returncode == 2 and sentence in lines[0]


def test_a_good_installation_starts_without_a_word(tmp_path):
    process = start(tmp_path)
    assert (process.returncode, process.stdout.split(), process.stderr) == (0, [b"hello"], b"")


def test_keras_backend_is_refused_by_name(tmp_path):
    process = start(tmp_path, KERAS_BACKEND="jax")
    assert refused(process, "KERAS_BACKEND asks for Keras on 'jax'")


def test_keras_json_is_refused_by_path(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "torch"}', encoding="utf-8")
    process = start(tmp_path, KERAS_BACKEND="", KERAS_HOME=str(tmp_path))
    assert refused(process, f"{tmp_path / 'keras.json'} asks for Keras on 'torch'")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"backend": "tensorflow"}', "\xff"])
def test_other_contents_of_keras_json_start(content, tmp_path):
    (tmp_path / "keras.json").write_text(content, encoding="latin-1")
    startup.check_backend({"KERAS_HOME": str(tmp_path)})


def test_keras_backend_overrules_keras_json(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "torch"}', encoding="utf-8")
    startup.check_backend({"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "tensorflow"})


def test_a_run_has_the_numbers_and_the_format_of_the_book():
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    startup.settle()
    assert keras.config.floatx() == "float32"
    assert keras.config.image_data_format() == "channels_last"
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1


@pytest.mark.parametrize("backend", ["nope", "module://nope"])
def test_a_matplotlib_backend_that_does_not_exist_is_refused(backend, tmp_path):
    assert refused(start(tmp_path, MPLBACKEND=backend), f"no backend '{backend}'")


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0), (2, 7, 18), (4, 0, 0)])
def test_other_pythons_are_refused(version):
    with pytest.raises(startup.UsageError, match=r"is not supported: use Python 3\.11 to 3\.13"):
        startup.check_python(version)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 9)])
def test_supported_pythons_start(version):
    startup.check_python(version)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("no-such-package>=1  # 7.1", "The package no-such-package is missing: run "),
        ("numpy>=99  # 7.1", "but numpy>=99 is needed: run "),
    ],
)
def test_a_missing_or_old_package_is_refused(line, sentence, tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text(f"# heading\n\n{line}\n", encoding="utf-8")
    with pytest.raises(startup.UsageError) as error:
        startup.check_packages(path)
    assert sentence in str(error.value)


def test_errors_among_the_chatter_are_kept(capfd):
    lines = [
        "I0000 00:00:1795466591.319890    2095 port.cc:153] oneDNN custom operations are on.",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "E0000 00:00:1795466591.3 1 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
        "E0000 00:00:1795466591.3 1 something.cc:1] a real error",
        "W0000 00:00:1795466591.3 1 something.cc:1] a warning",
        "ImportError: DLL load failed",
    ]
    with startup.without_chatter():
        os.write(2, "\n".join(lines).encode())
    assert capfd.readouterr().err.splitlines() == lines[3:]


def test_an_exception_during_the_import_leaves_stderr_as_it_was(capfd):
    def failing_import():
        with startup.without_chatter():
            os.write(2, b"said before\n")
            raise ImportError

    with pytest.raises(ImportError):
        failing_import()
    os.write(2, b"said after\n")
    assert capfd.readouterr().err == "said before\nsaid after\n"


def test_a_crash_in_native_code_says_where(tmp_path):
    (tmp_path / "crash.py").write_text(
        "import ctypes\nfrom ch07.lab import startup\n"
        "with startup.without_chatter():\n    ctypes.string_at(0)\n",
        encoding="utf-8",
    )
    process = subprocess.run(
        [sys.executable, tmp_path / "crash.py"],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert b"Fatal Python error" in process.stderr
    assert b"crash.py" in process.stderr
