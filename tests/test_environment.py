"""Whatever it is started in, a script does its work or says in one sentence what is wrong."""

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from conftest import ROOT, started, unshared
from tensorflow.python.framework.config import is_op_determinism_enabled

from ch07.lab import startup
from ch07.lab.startup import UsageError

SCRIPT = ROOT / "ch0701_functional_api.py"
SCRIPTS = sorted(ROOT.glob("ch07[0-9][0-9]_*.py"))
LESSON = "sequential_and_functional"  # the shortest
MOUNTED = unshared("--mount")
DONE = b"Remember: "
posix = pytest.mark.skipif(os.name == "nt", reason="signals, pipes and terminals of POSIX")


def start(*command, environment=None, **options):
    """Run a command to its end, with other variables, and without those that are None."""
    given = {**os.environ, **(environment or {})}
    given = {name: value for name, value in given.items() if value is not None}
    return subprocess.run(command, capture_output=True, env=given, **options)


def one_sentence(done, sentence):
    """Whether `done` ended with status 2 and one line on stderr that contains `sentence`."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    assert len(lines) == 1, lines
    return done.returncode == 2 and sentence in lines[0]


def claims(output, script=SCRIPT):
    """The lesson and the value of each claim in the newest record of a script below `output`."""
    record = json.loads((output / "my_figures" / script.stem / "claims.json").read_bytes())
    return [(claim["lesson"], claim["value"]) for claim in record["claims"]]


# The same run


def test_a_run_from_another_directory_writes_below_ch07_only(tmp_path):
    elsewhere, here = tmp_path / "my \u6df1\u5ea6\u5b66\u4e60 project", tmp_path / "here"
    ignored = shutil.ignore_patterns("my_*", "__pycache__")
    shutil.copytree(ROOT / "ch07", elsewhere / "ch07", ignore=ignored)
    here.mkdir()
    for path in [SCRIPT, ROOT / "requirements.txt"]:
        shutil.copy(path, elsewhere)
    before = {*elsewhere.rglob("*")}
    environment = {"PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0", "LANG": "C"}
    done = start(sys.executable, elsewhere / SCRIPT.name, LESSON, cwd=here, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\u6df1\u5ea6\u5b66\u4e60" in done.stdout.decode("gbk")
    assert list(here.iterdir()) == []
    new = {path.relative_to(elsewhere) for path in {*elsewhere.rglob("*")} - before}
    assert {p.parts[:2] for p in new if "__pycache__" not in p.parts} == {("ch07", "my_figures")}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The claims of a run in the usual environment."""
    output = tmp_path_factory.mktemp("usual")
    assert start(sys.executable, SCRIPT, LESSON, "--output", output).returncode == 0
    return claims(output)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "closed"),
    [
        ({"HOME": None, "USERPROFILE": None}, ""),
        ({"HOME": "/proc/nobody"}, ""),  # which nobody can write
        ({"TERM": "dumb", "COLUMNS": "20"}, ""),
        ({"TERM": None, "NO_COLOR": "1"}, ""),
        ({"KERAS_BACKEND": None, "MPLBACKEND": None}, ""),
        ({"KERAS_BACKEND": None, "KERAS_HOME": "."}, ""),  # a keras.json for other numbers, images
        ({"PYTHONWARNINGS": "error"}, ""),
        ({"PYTHONOPTIMIZE": "2"}, ""),  # no docstrings, no asserts
        ({"PYTHONIOENCODING": "ascii"}, ""),  # and a folder with Chinese characters
        ({"LC_CTYPE": None, "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, ""),
        *(pytest.param({}, of, marks=posix) for of in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-")),
    ],
    ids=str,
)
def test_a_run_is_as_ever(environment, closed, usual, tmp_path):
    if environment.get("LC_ALL") == "C" and not sys.prefix.isascii():
        pytest.skip("TensorFlow itself cannot load its libraries from such a path so")
    settings = '{"floatx": "float16", "image_data_format": "channels_first"}'
    (tmp_path / "keras.json").write_text(settings, encoding="utf-8")
    output = tmp_path / "\u6df1\u5ea6"
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"] if closed else []
    command = [*shell, sys.executable, SCRIPT, LESSON, "--output", output]
    done = start(*command, cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (DONE in done.stdout) == (">&-" not in closed.replace("2>", ""))
    assert claims(output) == usual
    assert {path.name for path in tmp_path.iterdir()} == {"keras.json", output.name}


@posix
@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_pipe_closed_early_leaves_no_traceback(lines, tmp_path):
    with started(sys.executable, SCRIPT, LESSON, "--output", tmp_path) as process:
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the program `script` of Linux")
def test_a_terminal_is_given_back_with_its_cursor(tmp_path):
    run = shlex.join(map(str, [sys.executable, SCRIPT, LESSON, "--output", tmp_path]))
    terminal = {"TERM": "xterm", "COLUMNS": "100"}
    done = start("script", "-qec", run, "/dev/null", environment=terminal)
    assert done.returncode == 0
    assert DONE in done.stdout
    # Hidden, and shown again.
    assert done.stdout.count(b"\x1b[?25l") == done.stdout.count(b"\x1b[?25h") > 0


# All scripts with one command


def test_one_command_ends_with_the_worst_status_and_names_what_does_not_hold(tmp_path):
    # 7.1.1 of the one script, and a lesson of another with no room for its record.
    other = next(path for path in SCRIPTS if path != SCRIPT)
    taken = tmp_path / "my_figures" / other.stem
    taken.parent.mkdir()
    taken.write_text("mine", encoding="utf-8")
    number = re.search(r'lesson\(\s*"([\d.]+)"', other.read_text(encoding="utf-8"))[1]
    done = start(sys.executable, "-m", "ch07", "7.1.1", number, "--output", tmp_path, cwd=ROOT)
    assert one_sentence(done, "choose another --output")
    for part in (DONE, b"ended early with status 2", b"Together: 1 lesson, "):
        assert part in done.stdout
    assert taken.read_text(encoding="utf-8") == "mine"


@posix
@pytest.mark.slow
@pytest.mark.parametrize("command", [[SCRIPT], ["-m", "ch07", "7.1.1", "7.1.2"]], ids=str)
def test_ctrl_c_keeps_what_is_finished(command, tmp_path):
    with started(sys.executable, *command, "--output", tmp_path) as process:
        assert any(line.startswith("7.1.2") for line in process.stdout)  # 7.1.1 is finished by now
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "Interrupted" in out
    assert {lesson for lesson, _ in claims(tmp_path)} == {LESSON}


@posix
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 1, 2])  # while it imports
def test_ctrl_c_before_a_lesson_is_finished_leaves_no_traceback_and_no_record(seconds, tmp_path):
    with started(sys.executable, SCRIPT, "siamese_lstm", "--output", tmp_path) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert (err or out).endswith("Interrupted.\n" if err else "0 lessons, 0 s\n")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# What compiled code does that calls Python and goes on without looking whether that failed.
SWALLOWED = "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: pass"
MISUSED = "import ctypes\nctypes.pythonapi.PyList_Append(ctypes.py_object([]), None)"


@pytest.mark.parametrize(
    ("body", "status", "out", "error"),
    [
        ("print('so far')\nraise KeyboardInterrupt", 130, b"so far", b"Interrupted."),
        (f"{SWALLOWED}\n{MISUSED}", 130, b"", b"Interrupted."),
        (f"{SWALLOWED}\n[][0]", 130, b"", b"Interrupted."),
        ("class D:\n def __del__(self): raise KeyboardInterrupt\nD()", 130, b"", b"Interrupted."),
        (MISUSED, 1, b"", b"SystemError"),
        ("1 / 0", 1, b"", b"ZeroDivisionError"),
        ("class D:\n def __del__(self): 1 / 0\nD()\nsys.exit()", 0, b"", b"Exception ignored"),
    ],
)
def test_ctrl_c_ends_a_program_also_in_compiled_code_or_while_an_object_is_deleted(
    body, status, out, error
):
    begin = "import sys, time\nfrom ch07.lab import startup\nstartup.hear_interrupts()\n"
    program = f"{begin}{body}\nfor n in range(100): time.sleep(1)"
    done = start(sys.executable, "-c", program, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (status, out)
    assert error in done.stderr
    assert (b"Traceback" in done.stderr) == (status != 130)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["7.9"], {}, "there is no section or lesson '7.9'"),
        (["--output", "/dev/null"], {}, "choose another --output"),
        ([], {"KERAS_BACKEND": "jax"}, "KERAS_BACKEND asks for Keras on 'jax'"),
        ([], {"MPLBACKEND": "nope"}, "Matplotlib has no backend 'nope'"),
        ([], {"MPLBACKEND": "module://nope"}, "Matplotlib has no backend 'module://nope'"),
    ],
)
def test_a_mistake_is_said_once(arguments, environment, sentence, tmp_path):
    command = [sys.executable, "-m", "ch07", "--output", tmp_path / "new", *arguments]
    done = start(*command, cwd=ROOT, environment=environment)
    assert one_sentence(done, sentence)
    assert done.stdout == b""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("minor", [8, 9, 10])
@pytest.mark.parametrize("program", [[SCRIPT], ["-m", "ch07"]], ids=["script", "package"])
def test_an_old_python_is_turned_away_in_one_sentence(minor, program):
    beside = Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/python")  # as pyenv has them
    for python in filter(None, [*beside, shutil.which(f"python3.{minor}")]):
        if start(python, "-c", "").returncode == 0:
            done = start(python, *program, cwd=ROOT)
            assert one_sentence(done, "is not supported: use Python 3.11 to 3.13")
            return
    pytest.skip("that Python is not here")


@pytest.mark.slow
@pytest.mark.skipif(not MOUNTED, reason="no disk can be mounted here")
@pytest.mark.parametrize(
    ("options", "script", "arguments", "sentence"),
    [
        ("ro", SCRIPTS[0], "7.1.1", "choose another --output"),
        ("size=20k", SCRIPTS[0], "7.1.1", "the run ended early"),
        ("size=200k", SCRIPTS[1], "text_classifier", "the run ended early"),
        ("size=60k", SCRIPTS[2], "--study sqlite:///x.db --trials 3", "no finished trial is"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_one_sentence(options, script, arguments, sentence):
    # An empty disk in memory, that nobody else sees.
    shell = f'd=$(mktemp -d) && mount -t tmpfs -o {options} none "$d" && cd "$d" && exec "$@"'
    command = [sys.executable, script, *arguments.split(), "--output", "."]
    done = start(*MOUNTED, "sh", "-c", shell, "sh", *command)
    assert one_sentence(done, sentence), done.stdout.decode()
    assert b"Traceback" not in done.stdout
    assert done.stdout == b"" or options != "ro"


# Safety, and other people's programs

FORBIDDEN = re.compile(
    r"eval|exec|os\.(system|popen)|subprocess\.getoutput|(pickle|marshal|joblib)\..*"
    r"|.*enable_unsafe_deserialization"
)


def test_nothing_runs_what_a_file_or_a_reader_brings_along():
    folders = (ROOT / name for name in ("ch07", "exercises", "tools"))
    for path in (*SCRIPTS, *(path for folder in folders for path in folder.rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle", "safe_mode"):
                assert ast.unparse(node.value) == str(node.arg == "safe_mode"), (path, node.arg)
            if isinstance(node, ast.Call):
                assert not FORBIDDEN.fullmatch(ast.unparse(node.func)), (path, node.lineno)


def test_a_program_of_a_reader_is_told_from_one_of_ours(monkeypatch):
    ours = ["ch0701_functional_api.py", "ch07/__main__.py", "exercises/ch0701_exercises.py"]
    for name in [*ours, "a_model_of_mine.py", "docs/ch0701_functional_api.py", "../pytest"]:
        monkeypatch.setattr(sys.modules["__main__"], "__file__", str(ROOT / name), raising=False)
        assert (startup.own_program() is not None) == (name in ours)


@pytest.mark.slow
def test_an_exercise_is_a_program_too(tmp_path):
    exercise = "-m", "exercises.ch0701_exercises", "random_targets"
    done = start(sys.executable, *exercise, "--output", tmp_path, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_a_copy_of_the_package_alone_works(tmp_path):
    ignored = shutil.ignore_patterns("my_*", "__pycache__")
    shutil.copytree(ROOT / "ch07", tmp_path / "ch07", ignore=ignored)
    code = "from ch07 import backup, board, callbacks, calls, draw, tuning; print(board.DOT)"
    done = start(sys.executable, "-W", "error", "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, b"32"), done.stderr


@pytest.mark.parametrize("file", ["ch07/board.py", "ch07/tuning.py", "ch07"])
def test_a_part_of_the_package_is_no_program_and_says_so_in_one_sentence(file):
    done = start(sys.executable, file, cwd=ROOT)
    assert one_sentence(done, "the folder ch07 is a package and has no programs")
    assert done.stdout == b""


def test_in_the_folder_of_the_package_an_import_says_where_to_go():
    done = start(sys.executable, "-c", "import ch07", cwd=ROOT / "ch07")
    assert done.returncode == 1
    assert b"ImportError: the folder ch07 is a package" in done.stderr.splitlines()[-1]


# What is checked before, and what TensorFlow says


def test_a_program_of_a_reader_starts_without_a_word_and_a_crash_says_where():
    program = "import ctypes; from ch07.lab import startup; print('hello', flush=True)\n"
    program += "with startup.without_chatter(): ctypes.string_at(0)"
    unset = {"TF_CPP_MIN_LOG_LEVEL": None}
    done = start(sys.executable, "-c", program, cwd=ROOT, environment=unset)
    assert done.stdout.split() == [b"hello"]
    assert done.stderr.startswith(b"Fatal Python error")
    assert b'File "<string>", line 2' in done.stderr


def test_keras_json_is_refused_by_path_and_keras_backend_overrules_it(tmp_path):
    path = tmp_path / "keras.json"
    for content in ("", "{", "[]", '{"backend": "tensorflow"}', "\xff"):
        path.write_text(content, encoding="latin-1")
        startup.check_backend({"KERAS_HOME": str(tmp_path)})
    path.write_text('{"backend": "torch"}', encoding="utf-8")
    with pytest.raises(UsageError, match="asks for Keras on 'torch'") as refused:
        startup.check_backend({"KERAS_BACKEND": "", "KERAS_HOME": str(tmp_path)})
    assert str(path) in str(refused.value)
    startup.check_backend({"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(tmp_path)})


def test_a_run_has_the_numbers_and_the_format_of_the_book_and_the_same_bits_each_time():
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    startup.settle()
    assert (keras.config.floatx(), keras.config.image_data_format()) == ("float32", "channels_last")
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert is_op_determinism_enabled()


def test_supported_pythons_start_and_others_are_refused():
    for version in ((3, 11, 0), (3, 12, 4), (3, 13, 9)):
        startup.check_python(version)
    for version in ((3, 10, 9), (3, 14, 0), (2, 7, 18), (4, 0, 0)):
        with pytest.raises(UsageError, match=r"is not supported: use Python 3\.11 to 3\.13"):
            startup.check_python(version)


MISSING = "no-such-package>=1  # 7.1", "The package no-such-package is missing: run "
OLD = "numpy>=99  # 7.1", "but numpy>=99 is needed: run "


@pytest.mark.parametrize(("line", "sentence"), [MISSING, OLD])
def test_a_missing_or_old_package_is_refused(line, sentence, tmp_path, monkeypatch):
    path = tmp_path / "requirements.txt"
    path.write_text(f"# heading\n\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=sentence):
        startup.check_packages(path)
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    with pytest.raises(UsageError, match="package packaging is missing: run "):
        startup.check_packages(path)


def test_errors_among_the_chatter_are_kept_also_by_an_import_that_fails(capfd):
    lines = [
        "I0000 00:00:1795466591.319890    2095 port.cc:153] oneDNN custom operations are on.",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "E0000 00:00:1795466591.3 1 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
        "To enable the following instructions: AVX2 FMA, rebuild TensorFlow with the flags.",
        "E0000 00:00:1795466591.3 1 something.cc:1] a real error",
        "W0000 00:00:1795466591.3 1 something.cc:1] a warning",
        "ImportError: DLL load failed",
    ]

    def fail():
        with startup.without_chatter():
            os.write(2, "\n".join([*lines, ""]).encode())
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    os.write(2, b"said after\n")
    assert capfd.readouterr().err.splitlines() == [*lines[4:], "said after"]
