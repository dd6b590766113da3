"""Every cell of every script runs on its own, and again, in the hands of a reader.

Here a training is cut to one short epoch, so that it takes no time; what comes out means nothing,
and no verdict is looked at. `test_consoles.py` runs cells in the consoles of readers, and with
--all every cell is trained in full, once more with another number of units.
"""

import ast
import inspect
import re

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ROOT

from ch07 import data
from ch07.__main__ import SCRIPTS
from ch07.lab import language, lessons, program, startup

# Keras does not yet know the arguments that NumPy 2 gives to __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EXERCISES = sorted(path.stem for path in (ROOT / "exercises").glob("ch07*.py"))
CELLS = [(script, one.name) for script in SCRIPTS for one in lessons.read(script).lessons]
SOLUTIONS = [
    pytest.param(script, one.name, marks=pytest.mark.slow)
    for script in EXERCISES
    for one in lessons.read(script).lessons
]
# A callback acts in the third and in the sixth; three are counted. One is enough for the others.
EPOCHS = {"own_callbacks": 9, "five_batches_at_once": 3}
WHOLE = {
    "the_clinic",
    "the_cure",
    "overfit_the_validation_set",
    "validate_again",
}  # they pick samples by number
SAMPLES = 64  # two batches of the usual size
DATA = ("x", "y", "sample_weight", "validation_data")


class Cells:
    """A script in a console: its source by cells, and the namespace in which they are run."""

    def __init__(self, script, name):
        source = lessons.source(script).read_text(encoding="utf-8")
        self.name = name
        self.cells = re.split(r"^(?=# %%)", source, flags=re.MULTILINE)
        self.namespace = {"__name__": "__main__"}
        self.execute(self.cells[0])

    def execute(self, text):
        """Run some source as a console does."""
        exec(compile(text, "<input>", "exec"), self.namespace)

    @property
    def shared(self) -> list[str]:
        """The cells that only define what several lessons use."""
        return [
            cell
            for cell in self.cells[1:]
            if all(
                isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign)
                for node in ast.parse(cell).body
            )
        ]

    @property
    def own(self) -> str:
        """The cell of the lesson."""
        (own,) = [
            cell for cell in self.cells if re.search(rf'lesson\(\s*"[\d.]+", "{self.name}"', cell)
        ]
        return own


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A function that gives the `Cells` of a lesson, all of whose output is below `tmp_path`."""
    monkeypatch.setattr(program, "HOME", tmp_path)
    monkeypatch.setattr("sys.argv", [""])
    yield Cells
    plt.close("all")
    keras.backend.clear_session()


@pytest.fixture
def in_no_time(monkeypatch, request):
    """A few samples of all data, and one epoch of them, step by step: no function is traced."""
    fit = keras.Model.fit
    lesson = request.node.callspec.params["name"]
    most = EPOCHS.get(lesson, 1)

    def of_few(generate):
        sizes = inspect.signature(generate).parameters.keys() & {"train", "validation", "test"}
        few = {} if lesson in WHOLE else dict.fromkeys(sizes, SAMPLES)
        return lambda *args, **options: generate(*args, **(options | few))

    def short(self, *args, **options):
        self.run_eagerly, self.steps_per_execution = True, 1
        given = inspect.signature(fit).bind(self, *args, **options)
        given.apply_defaults()
        of = given.arguments
        of["epochs"] = min(of["epochs"], of["initial_epoch"] + most)
        for name in DATA:
            if of[name] is not None:
                of[name] = keras.tree.map_structure(lambda array: array[:SAMPLES], of[name])
        return fit(*given.args, **given.kwargs)

    for name in data.__all__:
        if inspect.isfunction(getattr(data, name)):
            monkeypatch.setattr(data, name, of_few(getattr(data, name)))
    monkeypatch.setattr(keras.Model, "fit", short)


@pytest.mark.parametrize(("script", "name"), [*CELLS, *SOLUTIONS])
def test_a_cell_runs_on_its_own_and_again_in_chinese(
    script, name, cells, in_no_time, tmp_path, capsys, monkeypatch
):
    made = cells(script, name)
    for cell in made.shared:
        made.execute(cell)
    made.execute(made.own)
    section = made.namespace["section"]
    if script not in EXERCISES:
        assert (len(section.claims) == 0) == (name in WITHOUT_CLAIMS)
    assert len(section.claims) <= 3
    out = capsys.readouterr().out
    assert out.count("Remember: ") == 1
    assert max(map(len, out.splitlines())) <= 100
    assert not [line for line in out.splitlines() if line.endswith(" ")]
    assert list(tmp_path.rglob("*.png")) or script in EXERCISES

    monkeypatch.setattr(language, "current", lambda: "zh")
    language.unknown.clear()
    made.execute(made.own)
    assert language.unknown == set()
    assert "Remember" not in capsys.readouterr().out


REAL = [
    (script, one.name)
    for script in SCRIPTS
    for one in lessons.on(lessons.read(script), "real").lessons
]


@pytest.mark.slow
@pytest.mark.parametrize(("script", "name"), REAL, ids=[name for _, name in REAL])
def test_a_cell_runs_on_real_data_in_both_languages(
    script, name, cells, in_no_time, tmp_path, capsys, monkeypatch
):
    made = cells(script, name)
    for cell in made.shared:
        made.execute(cell)
    section = made.namespace["section"]
    section.data = "real"
    try:
        made.execute(made.own)
    except startup.UsageError as error:
        pytest.skip(str(error))  # the sentences are not to be had
    known = section.current.real
    said = {of.get("en", sentence) for sentence, of in known["claims"].items()}
    assert {claim.sentence for claim in section.claims} == said
    assert {claim.data for claim in section.claims} == {"real"}
    out = capsys.readouterr().out
    assert known["data"]["en"] in " ".join(out.split())
    assert list(tmp_path.rglob(f"{name}.png"))
    monkeypatch.setattr(language, "current", lambda: "zh")
    language.unknown.clear()
    made.execute(made.own)
    assert language.unknown == set()


# Where nothing can come out wrong.
WITHOUT_CLAIMS = {"activation_logger"}


UNITS = re.compile(r"(Dense|LSTM|Conv1D|Conv2D|SimpleRNN|SeparableConv2D)\((\d{2,3})")


@pytest.mark.slow
@pytest.mark.parametrize(("script", "name"), CELLS, ids=[name for _, name in CELLS])
def test_a_cell_trains_in_full_and_with_another_number_of_units(script, name, cells, capsys):
    made = cells(script, name)
    for cell in made.shared:
        made.execute(cell)
    made.execute(made.own)
    assert all(np.isfinite(claim.value) for claim in made.namespace["section"].claims)
    changed = UNITS.sub(lambda found: f"{found[1]}({int(found[2]) + 4}", made.own, count=1)
    if changed == made.own:
        pytest.skip("the cell has no layer with a number of units")
    if name == "backup_and_restore":
        pytest.skip("the process that is killed runs the script, which has not changed")
    made.execute(changed)
    assert capsys.readouterr().out.count("Remember: ") == 2
