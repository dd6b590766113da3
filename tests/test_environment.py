"""Whatever it is started in, a script does its work or says in one sentence what is wrong."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from conftest import OFFLINE, ROOT, unshared

from ch07.lab import startup

SCRIPT = ROOT / "ch0701_functional_api.py"
SCRIPTS = sorted(ROOT.glob("ch07[0-9][0-9]_*.py"))
LESSON = "sequential_and_functional"  # the shortest
MOUNTED = unshared("--mount")
DONE = b"Remember: "


def start(*command, environment=None, **options):
    """Run a command to its end."""
    environment = os.environ if environment is None else environment
    return subprocess.run(
        [str(part) for part in command], capture_output=True, env=environment, **options
    )


def one_sentence(done, sentence):
    """Whether `done` ended with status 2 and one line on stderr that contains `sentence`."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    assert len(lines) == 1, lines
    return done.returncode == 2 and sentence in lines[0]


def claims(output, script=SCRIPT):
    """What the newest record below `output` says of a script."""
    path = output / "my_figures" / script.stem / "claims.json"
    return json.loads(path.read_text(encoding="utf-8"))["claims"]


def without(*names, **more):
    """The environment less some variables and with others."""
    return {k: v for k, v in os.environ.items() if k not in names} | more


# From elsewhere


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A copy of the project below a folder whose name has a space and Chinese characters."""
    copy = tmp_path_factory.mktemp("reader") / "my \u6df1\u5ea6\u5b66\u4e60 project"
    copy.mkdir()
    ignored = shutil.ignore_patterns("my_*", "__pycache__")
    shutil.copytree(ROOT / "ch07", copy / "ch07", ignore=ignored)
    for path in [*SCRIPTS, ROOT / "requirements.txt"]:
        shutil.copy(path, copy)
    return copy


def test_a_run_from_another_directory_writes_below_ch07_only(elsewhere, tmp_path):
    before = {path for path in elsewhere.rglob("*") if "__pycache__" not in path.parts}
    done = start(
        sys.executable,
        elsewhere / SCRIPT.name,
        LESSON,
        cwd=tmp_path,
        environment=os.environ | {"PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0", "LANG": "C"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\u6df1\u5ea6\u5b66\u4e60" in done.stdout.decode("gbk")
    assert list(tmp_path.iterdir()) == []
    new = {path for path in elsewhere.rglob("*") if "__pycache__" not in path.parts} - before
    assert {path.relative_to(elsewhere).parts[:2] for path in new} == {("ch07", "my_figures")}


@pytest.mark.slow
def test_a_console_without_chinese_characters_survives_them(elsewhere, tmp_path):
    done = start(
        sys.executable,
        elsewhere / SCRIPT.name,
        LESSON,
        cwd=tmp_path,
        environment=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert DONE in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(without("HOME", "USERPROFILE", "KERAS_HOME"), id="no HOME"),
        pytest.param(without("KERAS_HOME", HOME="/proc/nobody"), id="a HOME that nobody can write"),
        pytest.param(without(TERM="dumb", COLUMNS="20"), id="a dumb terminal of 20 columns"),
        pytest.param(without("TERM", NO_COLOR="1"), id="no TERM"),
        pytest.param(without("KERAS_BACKEND", "MPLBACKEND"), id="no backend named, no screen"),
        pytest.param(without(PYTHONWARNINGS="error"), id="warnings are errors"),
        pytest.param(without(PYTHONOPTIMIZE="2"), id="no docstrings, no asserts"),
        pytest.param(
            without("LC_CTYPE", LANG="C", LC_ALL="C", PYTHONUTF8="0"),
            id="LANG=C, PYTHONUTF8=0",
            marks=pytest.mark.skipif(
                not sys.prefix.isascii(),
                reason="TensorFlow itself cannot load its libraries from such a path so",
            ),
        ),
    ],
)
def test_a_run_is_as_ever(environment, tmp_path):
    output = tmp_path / "out"
    done = start(sys.executable, SCRIPT, LESSON, "--output", output, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert DONE in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_a_keras_json_for_other_numbers_and_images_changes_nothing(tmp_path):
    home = tmp_path / "keras"
    home.mkdir()
    (home / "keras.json").write_text(
        '{"floatx": "float16", "image_data_format": "channels_first", "backend": "tensorflow"}',
        encoding="utf-8",
    )
    values = []
    for n, environment in enumerate((without("KERAS_BACKEND", KERAS_HOME=str(home)), os.environ)):
        output = tmp_path / str(n)
        done = start(sys.executable, SCRIPT, LESSON, "--output", output, environment=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        values.append([claim["value"] for claim in claims(output)])
    assert values[0] == values[1]


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
    out = done.stdout.decode()
    assert DONE.decode() in out
    assert "ended early with status 2" in out
    assert "Together: 1 lesson, " in out
    assert taken.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["7.9"], "there is no section or lesson '7.9'"),
        (["--seed", "x"], "a seed is a whole number"),
        (["--output", "/dev/null"], "choose another --output"),
    ],
)
@pytest.mark.slow
def test_a_mistake_is_said_once(arguments, sentence):
    done = start(sys.executable, "-m", "ch07", *arguments, cwd=ROOT)
    assert one_sentence(done, sentence)
    assert done.stdout == b""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize("command", [[SCRIPT], ["-m", "ch07", "7.1.1", "7.1.2"]], ids=str)
def test_ctrl_c_keeps_what_is_finished(command, tmp_path):
    process = subprocess.Popen(
        [sys.executable, *command, "--output", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,  # of its own, to which a terminal would send Ctrl-C
    )
    for line in process.stdout:
        if line.startswith("7.1.2"):  # 7.1.1 is finished by now
            os.killpg(process.pid, signal.SIGINT)
            break
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "Interrupted" in out
    assert {claim["lesson"] for claim in claims(tmp_path)} == {LESSON}


# What is refused


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_list_and_the_help_end_at_once_with_0(script):
    for option in ("--list", "--help"):
        done = start(sys.executable, script, option)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("KERAS_BACKEND", "jax", "KERAS_BACKEND asks for Keras on 'jax'"),
        ("MPLBACKEND", "nope", "Matplotlib has no backend 'nope'"),
    ],
)
def test_another_backend_is_one_sentence(variable, value, sentence, tmp_path):
    done = start(
        sys.executable, SCRIPT, "--output", tmp_path / "out",
        environment=os.environ | {variable: value},
    )  # fmt: skip
    assert one_sentence(done, sentence)
    assert done.stdout == b""
    assert not (tmp_path / "out").exists()


def test_an_old_python_is_turned_away_in_one_sentence(tmp_path):
    for name in ("3.10", "3.9", "3.8"):
        python = shutil.which(f"python{name}")
        if python and start(python, "-c", "").returncode == 0:
            break
    else:
        pytest.skip("no Python older than 3.11 here")
    done = start(python, SCRIPT, cwd=tmp_path)
    assert one_sentence(done, "is not supported: use Python 3.11 to 3.13")


# The console


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="closes streams as a shell of POSIX does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_keep_no_run_from_its_record(closed, tmp_path):
    shell = f'exec "$@" {closed}'
    done = start("sh", "-c", shell, "sh", sys.executable, SCRIPT, LESSON, "--output", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert claims(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a pipe of POSIX")
@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_pipe_closed_early_leaves_no_traceback(lines, tmp_path):
    process = subprocess.Popen(
        [sys.executable, SCRIPT, LESSON, "--output", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a terminal of POSIX")
def test_a_terminal_is_given_back_with_its_cursor(tmp_path):
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, SCRIPT, LESSON, "--output", tmp_path],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    assert DONE in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h")  # hidden, and shown again


# The network and the disk


@pytest.mark.slow
@pytest.mark.skipif(not OFFLINE, reason="no namespaces can be made here")
def test_where_the_scripts_run_there_is_no_network():
    done = start(*OFFLINE, "cat", "/proc/net/dev")
    names = re.findall(rb"^ *(\w+):", done.stdout, flags=re.MULTILINE)
    assert names == [b"lo"]


def on_a_disk(options, *command):
    """Run a command on an empty disk in memory, its current folder, that nobody else sees."""
    if not MOUNTED:
        pytest.skip("no disk can be mounted here")
    shell = f'd=$(mktemp -d) && mount -t tmpfs -o {options} none "$d" && cd "$d" && exec "$@"'
    return start(*MOUNTED, "sh", "-c", shell, "sh", *command)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "script", "arguments", "sentence"),
    [
        ("20k", "ch0701_functional_api", ["7.1.1"], "the run ended early"),
        ("200k", "ch0702_tensor_board", ["text_classifier"], "the run ended early"),
        (
            "60k",
            "ch0703_ensembling",
            ["--study", "sqlite:///search.db", "--trials", "3"],
            "no finished trial is lost",
        ),
    ],
)
def test_a_disk_that_is_full_ends_the_run_in_one_sentence(size, script, arguments, sentence):
    done = on_a_disk(
        f"size={size}", sys.executable, ROOT / f"{script}.py", *arguments, "--output", "."
    )
    assert one_sentence(done, sentence), done.stdout.decode()
    assert b"Traceback" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_disk_that_is_read_only_is_refused_before_the_first_lesson(script):
    done = on_a_disk("size=1m,ro", sys.executable, script, "--output", "out")
    assert one_sentence(done, "choose another --output")
    assert done.stdout == b""


@pytest.mark.slow
def test_two_scripts_at_once_share_an_output(tmp_path):
    lessons = {"ch0701_functional_api": LESSON, "ch0703_ensembling": "separable_convolution"}
    processes = [
        subprocess.Popen(
            [sys.executable, ROOT / f"{script}.py", lesson, "--output", tmp_path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for script, lesson in lessons.items()
    ]
    for process in processes:
        assert process.communicate()[1] == b""
        assert process.returncode in (0, 1)
    for script in lessons:
        record = tmp_path / "my_figures" / script / "claims.json"
        run = json.loads(record.read_text(encoding="utf-8"))["run"]
        assert run["script"] == f"{script}.py"


# Safety, and other people's programs

FOLDERS = ("ch07", "exercises", "tools")
SOURCES = [*SCRIPTS, *(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_a_file_or_a_reader_brings_along(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle", "safe_mode"):
            safe = node.arg == "safe_mode"
            assert isinstance(node.value, ast.Constant), path
            assert node.value.value is safe, f"{path}: {node.arg}"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            forbidden = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput"}
            assert name not in forbidden, f"{path}: {name}"
            assert not name.startswith(("pickle.", "marshal.", "joblib.")), f"{path}: {name}"
            assert not name.endswith("enable_unsafe_deserialization"), path


def test_a_model_that_brings_code_along_is_not_loaded(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs))
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="safe"):
        keras.saving.load_model(tmp_path / "model.keras")


def test_a_program_of_a_reader_is_told_from_one_of_ours(tmp_path, monkeypatch):
    def is_own(path):
        main = type(sys)("__main__")
        main.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "__main__", main)
        return startup.own_program()

    assert is_own(SCRIPT)
    assert is_own(ROOT / "ch07" / "__main__.py")
    assert is_own(ROOT / "exercises" / "ch0701_exercises.py")
    assert not is_own(ROOT / "a_model_of_mine.py")
    assert not is_own(Path(sys.prefix) / "bin" / "pytest")
    assert not is_own(tmp_path / SCRIPT.name)
