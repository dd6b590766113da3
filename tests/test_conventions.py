"""The conventions of the project that a machine can see."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ch07.lab import lessons
from ch07.lab.claims import REAL, rows

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(ROOT.glob("ch07[0-9][0-9]_*.py"))
EXERCISES = sorted(ROOT.glob("exercises/ch07[0-9][0-9]_*.py"))
PROGRAMS = [path.stem for path in (*SCRIPTS, *EXERCISES)]
CH07 = sorted(ROOT.glob("ch07/**/*.py"))
OURS = [*SCRIPTS, *CH07, *sorted(ROOT.glob("exercises/*.py")), *sorted(ROOT.glob("tools/**/*.py"))]
SOURCES = [*OURS, *sorted(ROOT.glob("tests/*.py"))]
EARLY = [ROOT / "ch07" / name for name in ("__init__.py", "lab/__init__.py", "lab/startup.py")]
ids = {"ids": lambda path: path.relative_to(ROOT).as_posix()}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def lines(paths) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at any place in it."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = [node.module] if isinstance(node, ast.ImportFrom) else []
            found |= {*module, *(".".join([*module, alias.name]) for alias in node.names)}
    return found


# Weight and dependencies


def test_the_project_stays_light_and_no_two_lessons_have_one_name():
    assert lines(CH07) <= 6000
    assert lines(OURS) <= 10_500
    assert lines(ROOT.glob("tests/*.py")) <= 7000
    names = [lesson.name for program in PROGRAMS for lesson in lessons.read(program).lessons]
    assert len(names) == len({*names})


@pytest.mark.parametrize("path", SCRIPTS, **ids)
def test_a_script_is_read_in_one_sitting_and_leads_only_to_what_a_reader_may_open(path):
    assert lines([path]) <= 500
    ours = {name for name in imports(path) if name.startswith(("ch07.lab", "tools", "tests"))}
    assert ours <= {"ch07.lab"}
    # It checks the installation before it imports NumPy, Matplotlib and whatever may be missing.
    first = next(n for n in parsed(path).body if isinstance(n, (ast.Import, ast.ImportFrom)))
    assert ast.unparse(first) == "from ch07 import lab"


@pytest.mark.parametrize("path", [*SCRIPTS, *EARLY], **ids)
def test_an_old_python_can_read_the_files_it_meets_before_it_is_turned_away(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", [path for path in CH07 if path.stem != "__main__"], **ids)
def test_dependencies_point_one_way(path):
    known = imports(path)
    assert not [name for name in known if re.match(r"ch07\d\d_|exercises|tools|tests", name)]
    if path.parent.name == "lab":
        others = {name for name in known if re.match(r"ch07\.(?!lab)\w", name)}
        assert all(re.match(r"ch07\.(draw|plots|data)(\.\w+)*$", of) for of in others)
    # What Keras fetches, and what its pad_sequences brings into form.
    if path.parent.name == "data" and path.stem not in ("imdb", "ratings"):
        # Arrays, and nothing that is trained or drawn.
        assert not {name.split(".")[0] for name in known} & {"keras", "tensorflow", "matplotlib"}
    if path.parent.name == "plots":
        assert not {name.split(".")[0] for name in known} & {"keras", "tensorflow"}
        assert not [name for name in known if name.startswith("ch07.data")]


def test_to_import_it_changes_nothing_in_the_program_of_a_reader():
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in CH07]
    # ch07.ch07 is there to be refused, where somebody runs a module from within the folder.
    modules = [name for name in modules if name not in ("ch07.__main__", "ch07.ch07")]
    program = f"""
import faulthandler, importlib, logging, os, random, signal, sys, warnings
import keras, matplotlib.pyplot, numpy, optuna, tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

def state():
    kinds = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    drawn = numpy.random.get_state()[1].tolist(), random.getstate()
    options = keras.config.floatx(), keras.config.image_data_format(), threads
    style = {{key: str(value) for key, value in matplotlib.rcParams.items()}}
    levels = [logging.getLogger(of).level for of in ("", "matplotlib")]
    levels += logging.getLogger("tensorflow").filters, optuna.logging.get_verbosity()
    return [dict(os.environ), sys.excepthook, sys.unraisablehook, kinds, warnings.filters[:], drawn,
            options, is_op_determinism_enabled(), style, levels, matplotlib.pyplot.get_fignums(),
            faulthandler.is_enabled(), sys.argv]

keras.config.set_floatx("float64")
keras.config.set_image_data_format("channels_first")
faulthandler.enable()
matplotlib.pyplot.figure()
before = state()
for name in {[name.removesuffix(".__init__") for name in modules]}:
    importlib.import_module(name)
for one, other in zip(before, state()):
    assert one == other, (one, other)
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


# Words


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_claim_is_said_in_both_languages(program):
    script = lessons.read(program)
    claims = {lesson.name: lesson.claims for lesson in script.lessons}
    for cell in filter(lessons.lesson_of, parsed(lessons.source(program)).body):
        known = claims[ast.literal_eval(lessons.lesson_of(cell).args[1])]
        texts = {one.value for one in ast.walk(cell) if isinstance(one, ast.Constant)}
        assert known.keys() <= texts  # a sentence may stand apart from its claim
        for call in ast.walk(cell):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "section.claim":
                given = dict(zip(("sentence", "value", "unit"), call.args, strict=False))
                given |= {key.arg: key.value for key in call.keywords}
                said = {of: n.value for of, n in given.items() if isinstance(n, ast.Constant)}
                assert said.get("sentence") in {None, *known}
                assert said.get("unit") in {None, "", *script.units}
                others = getattr(given.get("compared_with"), "keys", ())
                for other in (key.value for key in others if isinstance(key, ast.Constant)):
                    assert script.compared_with[other]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_lesson_has_its_words_in_both_languages_and_at_most_three_claims(program):
    chinese = re.compile("[\u4e00-\u9fff]")
    script = lessons.read(program)
    said = tomllib.loads((lessons.WORDS / f"{program}.toml").read_text(encoding="utf-8"))
    tables = {name for name, of in said.items() if isinstance(of, dict)}
    known = {one.name for one in script.lessons}
    assert tables - {"title", "units", "compared_with", "texts"} == known
    for lesson in script.lessons:
        own = [lesson.title, lesson.test, lesson.remember]
        own += [words for words in (lesson.predict, lesson.why) if words]
        for words in own:
            assert words.keys() == {"en", "zh"}, lesson.name
            assert len(words["en"]) > 3
            assert words["en"].isascii(), words["en"]
            assert chinese.search(words["zh"]), (lesson.name, words)
        assert all(chinese.search(text) for text in lesson.claims.values()), lesson.name
        assert len(lesson.claims) <= 3, lesson.name
        assert max(map(len, lesson.claims), default=0) <= 70, lesson.name  # they fit on a line
        if lesson.predict:
            assert lesson.predict["en"].endswith("?")
            assert lesson.predict["zh"].endswith("\uff1f")
    assert all(script.units.values())
    assert all(script.compared_with.values())


@pytest.mark.parametrize("path", OURS, **ids)
def test_names_are_the_terms_of_the_field(path):
    odd = {"arms", "told", "reached", "versus", "feed", "fed", "probes", "patients", "illness"}
    odd |= {"doomed", "bury", "deaf", "twin", "ceiling", "house", "rewinder"}
    for node in ast.walk(parsed(path)):
        names = {getattr(node, of, None) for of in ("name", "arg", "id")}
        assert not names & odd, f"{path.name}:{node.lineno}"


# Sources


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_is_content(command):
    command = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, **ids)
def test_a_source_is_ascii_and_runs_on_every_operating_system(path):
    assert path.read_bytes().isascii()
    of_one = {"fcntl", "grp", "msvcrt", "pty", "pwd", "resource", "termios", "tty", "winreg"}
    tree = parsed(path)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not of_one & set(ast.unparse(node).replace(",", "").split())
    text = {mode + plus for mode in "rwax" for plus in ("", "t", "+")}
    for node in ast.walk(tree) if path.stem != "errata" else ():  # the book's is not ours to change
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            said = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if name in ("read_text", "write_text") or (name == "open" and text & set(said)):
                known = "utf-8" in said or "encoding" in {key.arg for key in node.keywords}
                assert known, f"{path.name}:{node.lineno}: in which encoding?"


def test_nothing_names_a_path_of_a_machine():
    texts = [*SOURCES, *ROOT.glob("*.md"), *ROOT.glob("docs/*.*"), *ROOT.glob(".run/*")]
    texts += [*ROOT.glob("ch07/lab/words/*"), *ROOT.glob("exercises/*.md"), *ROOT.glob("tools/*.*")]
    machine = re.compile(r"/(?:home|root|Users)/\w|[A-Z]:\\Users\\\w|/wor[k]/(?:main|shared)")
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert path == Path(__file__) or not machine.search(text), path


def test_the_run_configurations_start_what_is_there():
    started = set()
    for path in ROOT.glob(".run/*.xml"):
        found = ElementTree.parse(path).iter("option")
        options = {option.get("name"): option.get("value") for option in found}
        script = options.get("SCRIPT_NAME", "")  # not of the configuration that runs pytest
        if options.get("MODULE_MODE") == "true":
            assert importlib.util.find_spec(script), path
        elif script:
            file = Path(script.replace("$PROJECT_DIR$", str(ROOT)))
            text, parameters = file.read_text(encoding="utf-8"), options["PARAMETERS"].split()
            assert all(f'"{option}"' in text for option in parameters), path
            script = " ".join([file.stem, *parameters])
        started.add(script)
    modules = ["ch07", *(f"exercises.{path.stem}" for path in EXERCISES)]
    scripts = [*(path.stem for path in SCRIPTS), "ch0702_tensor_board --board"]
    assert started - {""} == {*modules, *scripts}


# Around the code


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_every_requirement_has_a_lower_bound_and_a_reason(name):
    pattern = r"[a-z]+(?:\[[a-z]+\]|-[a-z]+)*>=[\d.]+(,<[\d.]+)? +# .{20,}"
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if line and line[0] not in "#-"]
    assert packages
    assert [line for line in packages if not re.fullmatch(pattern, line)] == []


def test_what_runs_write_is_ignored_by_git():
    names = ["ch07/my_figures/x.png", "ch07/my_log_dir/x", "ch07/my_evidence/x"]
    done = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout.split() == names


def test_the_readme_is_short_and_true_and_the_workflow_runs_its_two_commands():
    command = "python -m pip install -r {}requirements.txt && python -m {}\n"
    commands = [command.format("", "ch07"), command.format("tests/", "pytest")]
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 200
        assert re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) == commands
    having = sum(len(lessons.on(lessons.read(of), "real").lessons) for of in PROGRAMS[:3])
    assert having == 18
    failed = [row["lesson"] for row in rows(REAL) if row["verdict"] != "holds"]
    for said in ("runs eighteen lessons", f"One claim, that of `{failed.pop()}`,"):
        assert said in (ROOT / "README.md").read_text(encoding="utf-8")
    assert failed == []
    path = ROOT / ".github" / "workflows" / "tests.yml"
    assert all(f"run: {command}" in path.read_text(encoding="utf-8") for command in commands)
    known = ["check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([sys.executable, "-m", *known, path], capture_output=True)
    assert done.returncode == 0, done.stdout
