"""Whatever it is started in, a script does its work or says in one sentence what is wrong."""

import ast
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest
from conftest import OFFLINE, ROOT, unshared
from searching import choose, stored
from test_lab import accuracy, record, run, section

from ch07 import evidence, search
from ch07.startup import UsageError

SCRIPT = ROOT / "ch0701_functional_api.py"
SCRIPTS = sorted(ROOT.glob("ch07[0-9][0-9]_*.py"))
LESSON = "7.1.1"  # the shortest
HELD = "4 of 4 claims hold"
MOUNTED = unshared("--mount")


def start(*command, environment=None, **options):
    """Run a command to its end."""
    environment = os.environ if environment is None else environment
    return subprocess.run(
        [str(part) for part in command], capture_output=True, env=environment, **options
    )


@pytest.fixture
def example(monkeypatch):
    """The name that the sections of `test_lab` go by."""
    monkeypatch.setattr(sys, "argv", ["ch0799_example.py"])


def one_sentence(done, sentence):
    """Whether `done` ended with status 2 and one line on stderr that contains `sentence`."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    assert len(lines) == 1, lines
    return done.returncode == 2 and sentence in lines[0]


# The environment


def without(*names, **more):
    """The environment less some variables and with others."""
    return {k: v for k, v in os.environ.items() if k not in names} | more


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(without("HOME", "USERPROFILE", "KERAS_HOME"), id="no HOME"),
        pytest.param(without("KERAS_HOME", HOME="/proc/nobody"), id="a HOME that nobody can write"),
        pytest.param(
            without("LC_CTYPE", LANG="C", LC_ALL="C", PYTHONUTF8="0"), id="LANG=C, PYTHONUTF8=0"
        ),
        pytest.param(without(TERM="dumb", COLUMNS="20"), id="a dumb terminal of 20 columns"),
        pytest.param(without("TERM", NO_COLOR="1"), id="no TERM"),
        pytest.param(without("KERAS_BACKEND", "MPLBACKEND"), id="no backend named, no screen"),
    ],
)
def test_a_run_is_as_ever(environment, tmp_path):
    done = start(
        sys.executable, SCRIPT, LESSON, "--output", tmp_path / "out", environment=environment
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert HELD.encode() in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_keras_json_for_other_numbers_and_images_changes_nothing(tmp_path):
    home = tmp_path / "keras"
    home.mkdir()
    (home / "keras.json").write_text(
        '{"floatx": "float16", "image_data_format": "channels_first", "backend": "tensorflow"}',
        encoding="utf-8",
    )
    claims = []
    for n, environment in enumerate((without("KERAS_BACKEND", KERAS_HOME=str(home)), os.environ)):
        output = tmp_path / str(n)
        done = start(sys.executable, SCRIPT, LESSON, "--output", output, environment=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        found = json.loads((output / "my_figures" / SCRIPT.stem / "claims.json").read_bytes())
        claims.append([claim["value"] for claim in found["claims"]])
    assert claims[0] == claims[1]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("KERAS_BACKEND", "jax", "KERAS_BACKEND asks for Keras on 'jax'"),
        ("MPLBACKEND", "nope", "Matplotlib has no backend 'nope'"),
    ],
)
def test_another_backend_is_one_sentence(script, variable, value, sentence, tmp_path):
    done = start(
        sys.executable, script, "--output", tmp_path / "out",
        environment=os.environ | {variable: value},
    )  # fmt: skip
    assert one_sentence(done, sentence)
    assert done.stdout == b""
    assert not (tmp_path / "out").exists()


# The console


@pytest.mark.skipif(os.name == "nt", reason="closes streams as a shell of POSIX does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_keep_no_run_from_its_record(closed, tmp_path):
    shell = f'exec "$@" {closed}'
    done = start("sh", "-c", shell, "sh", sys.executable, SCRIPT, LESSON, "--output", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads((tmp_path / "my_figures" / SCRIPT.stem / "claims.json").read_bytes())
    assert len(found["claims"]) == 4


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
    assert HELD.encode() in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h")  # hidden, and shown again


# The network


@pytest.mark.skipif(not OFFLINE, reason="no namespaces can be made here")
def test_where_the_scripts_run_there_is_no_network():
    done = start(*OFFLINE, "cat", "/proc/net/dev")
    names = re.findall(rb"^ *(\w+):", done.stdout, flags=re.MULTILINE)
    assert names == [b"lo"]
    done = start(*OFFLINE, "cat", "/sys/class/net/lo/operstate", "/proc/net/route")
    assert done.stdout.count(b"\n") <= 2  # the heading of a table without a route


# The disk


def on_a_disk(options, *command):
    """Run a command on an empty disk in memory, its current folder, that nobody else sees."""
    if not MOUNTED:
        pytest.skip("no disk can be mounted here")
    shell = f'd=$(mktemp -d) && mount -t tmpfs -o {options} none "$d" && cd "$d" && exec "$@"'
    return start(*MOUNTED, "sh", "-c", shell, "sh", *command)


@pytest.mark.parametrize(
    ("size", "script", "arguments", "sentence"),
    [
        ("40k", "ch0701_functional_api", ["7.1.1"], "the run ended early"),
        ("200k", "ch0702_tensor_board", ["7.2.2"], "the run ended early"),
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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_disk_that_is_read_only_is_refused_before_the_first_lesson(script):
    done = on_a_disk("size=1m,ro", sys.executable, script, "--output", "out")
    assert one_sentence(done, "choose another --output")
    assert done.stdout == b""


def test_an_output_that_is_not_there_is_made(tmp_path):
    output = tmp_path / "not" / "there"
    assert start(sys.executable, SCRIPT, LESSON, "--output", output).returncode == 0
    assert (output / "my_figures" / SCRIPT.stem / "claims.json").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_output_that_is_a_file_is_refused_and_left_alone(script, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    done = start(sys.executable, script, "--output", taken)
    assert one_sentence(done, "choose another --output")
    assert taken.read_text(encoding="utf-8") == "mine"


# Files that are damaged


def damaged(content, count, seed=0):
    """`content` cut short, or with a bit flipped, at `count` random places each."""
    rng = random.Random(seed)
    for _ in range(count):
        at = rng.randrange(len(content))
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def test_damaged_records_of_earlier_runs_harm_no_later_one(tmp_path, example):
    assert run(section(accuracy), "--output", tmp_path) == 0
    latest = tmp_path / "my_figures" / "ch0799_example" / "claims.json"
    whole = latest.read_bytes()
    for content in damaged(whole, 10):
        for path in latest.parent.rglob("*.json"):
            path.write_bytes(content)
        before = {path: path.read_bytes() for path in (latest.parent / "claims").iterdir()}
        assert run(section(accuracy), "--output", tmp_path) == 0
        assert len(record(tmp_path)["claims"]) == len(json.loads(whole)["claims"])
        assert {path: path.read_bytes() for path in before} == before


def test_a_kept_run_of_the_evidence_that_is_damaged_is_run_again(tmp_path, monkeypatch):
    runs = []

    def run_program(program, seed, output):
        runs.append(seed)
        return {"run": {"seed": seed}, "claims": [{"value": 0.125, "holds": True}]}

    monkeypatch.setattr(evidence, "run_program", run_program)
    first = evidence.recorded(SCRIPT.stem, 0, tmp_path)
    assert evidence.recorded(SCRIPT.stem, 0, tmp_path) == first
    assert runs == [0]
    (path,) = tmp_path.rglob("*.json")
    for content in [b"", b"[]", b"null", *damaged(path.read_bytes(), 10)]:
        path.write_bytes(content)
        runs.clear()
        assert evidence.recorded(SCRIPT.stem, 0, tmp_path) == first, content
        assert runs == [0], content


def test_a_study_that_is_damaged_is_refused_or_searched_on_and_never_a_traceback(tmp_path):
    path = tmp_path / "search.db"
    url = f"sqlite:///{path}"

    def value(trial):
        return choose(trial)["x"]

    search.work(search.open_study(url, "tested", 0, choose), choose, value, 5)
    whole, refusals = path.read_bytes(), []
    for content in damaged(whole, 20):
        path.write_bytes(content)
        try:
            study = search.open_study(url, "tested", 0, choose)
            search.work(study, choose, value, 6, url=url)
        except UsageError as error:
            refusals.append(str(error))
        finally:
            for extra in tmp_path.glob("search.db-*"):
                extra.unlink()
    assert len(refusals) > 5
    assert not any("\n" in refusal for refusal in refusals)
    path.write_bytes(whole)
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
    assert len(stored(url).trials) == 5


# Time, and others


def test_a_clock_that_jumps_back_costs_no_earlier_run_anything(tmp_path, monkeypatch, example):
    def logs(run):
        run.claim("Logged", 1, "run", at_least=1)
        (run.log_dir("clock") / "events").write_text(run.stamp, encoding="utf-8")

    real, files = time.strftime, {}
    for year in ("2030", "2029", "2030", "2031"):

        def stamp(form, *at, year=year):
            return real(form, *at) if at else f"{year}0101-120000"

        monkeypatch.setattr(time, "strftime", stamp)
        before = dict(files)
        assert run(section(logs), "--output", tmp_path) == 0
        files = {
            path: path.read_bytes()
            for folder in ("my_log_dir", "my_figures/ch0799_example/claims")
            for path in (tmp_path / folder).rglob("*")
            if path.is_file()
        }
        assert len(files) == len(before) + 2
        assert {path: files[path] for path in before} == before


def test_two_scripts_at_once_share_an_output(tmp_path):
    lessons = {"ch0701_functional_api": "7.1.1", "ch0703_ensembling": "7.3.3"}
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
        assert process.returncode == 0
    for script in lessons:
        found = json.loads((tmp_path / "my_figures" / script / "claims.json").read_bytes())
        assert found["run"]["script"] == f"{script}.py"
        assert all(claim["holds"] for claim in found["claims"])


# Safety


SOURCES = [
    *SCRIPTS,
    *(p for d in ("benchmarks", "ch07", "exercises") for p in (ROOT / d).glob("*.py")),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
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


def test_the_copy_of_a_project_needs_nothing_of_its_tests(tmp_path):
    for part in ("ch07", "requirements.txt", SCRIPT.name):
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("my_*", "__pycache__")
            shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, tmp_path / part)
    done = start(sys.executable, tmp_path / SCRIPT.name, "--list", cwd=Path(tmp_path.anchor))
    assert (done.returncode, done.stderr) == (0, b"")
