"""Every cell runs on its own, its training cut to an epoch; at the end every script in full."""

import ast
import inspect
import re

import keras
import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ROOT, WHOLE_RUNS, Finished

from ch07 import data, metrics
from ch07.__main__ import SCRIPTS
from ch07.lab import language, lessons, program, startup
from ch07.lab.claims import EVIDENCE, Claim, rows
from tools.evidence import room

EXERCISES = sorted(path.stem for path in (ROOT / "exercises").glob("ch07*.py"))
KINDS = ("synthetic", [*SCRIPTS, *EXERCISES], EXERCISES), ("real", SCRIPTS, SCRIPTS)
CELLS = [
    pytest.param(script, one.name, kind, marks=[pytest.mark.slow] * (script in slow))
    for kind, scripts, slow in KINDS
    for script in scripts
    for one in lessons.on(lessons.read(script), kind).lessons
]
# A callback acts in the third and in the sixth; three are counted. One is enough for the others.
EPOCHS = {"own_callbacks": 9, "five_batches_at_once": 3}
# They pick samples by number.
WHOLE = {"the_clinic", "the_cure", "overfit_the_validation_set", "validate_again"}
SAMPLES = 64  # two batches of the usual size
UNITS = re.compile(r"(Dense|LSTM|Conv1D|Conv2D|SimpleRNN|SeparableConv2D)\((\d{2,3})")


def best_first_and_averaged(of):
    """Whether `ensembling` has its best model, as the validation says, first, and averages all."""
    said = [model.predict(of["x_val"], verbose=0) for model in of["models"]]
    right = [metrics.accuracy(one, of["y_val"]) for one in said]
    averaged = np.allclose(of["final_preds"], np.mean(of["preds"], axis=0))
    return averaged and right == sorted(right, reverse=True)


# What holds of the variables of a cell, however short its training was.
SEEN = {
    "pointwise": lambda of: of["pointwise"].get_layer("convolution").kernel_size == (1, 1),
    "separable_convolution": lambda of: 4.9 < of["lost"] < 5.3,  # nothing is trained
    "loss_weights": lambda of: of["weights"]["age"] * of["start"]["age_loss"] < 10,
    "ensembling": best_first_and_averaged,
}


def in_no_time(lesson, monkeypatch):
    """A few samples of all data, and one epoch of them, step by step: no function is traced."""
    fit = keras.Model.fit

    def of_few(generate):
        known = {"train", "validation", "test", "known"}
        sizes = inspect.signature(generate).parameters.keys() & known
        few = {} if lesson in WHOLE else dict.fromkeys(sizes, SAMPLES)
        return lambda *args, **options: generate(*args, **(options | few))

    def short(self, *args, **options):
        self.run_eagerly, self.steps_per_execution = True, 1
        given = inspect.signature(fit).bind(self, *args, **options)
        given.apply_defaults()
        of = given.arguments
        of["epochs"] = min(of["epochs"], of["initial_epoch"] + EPOCHS.get(lesson, 1))
        for name in ("x", "y", "sample_weight", "validation_data"):
            if of[name] is not None:
                of[name] = keras.tree.map_structure(lambda array: array[:SAMPLES], of[name])
        return fit(*given.args, **given.kwargs)

    for name in data.__all__:
        if inspect.isfunction(getattr(data, name)):
            monkeypatch.setattr(data, name, of_few(getattr(data, name)))
    monkeypatch.setattr(keras.Model, "fit", short)


@pytest.mark.parametrize(("script", "name", "kind"), CELLS)
def test_a_cell_runs_on_its_own_and_again_with_other_units_in_chinese(
    script, name, kind, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(program, "HOME", tmp_path)
    monkeypatch.setattr("sys.argv", [""])
    in_no_time(name, monkeypatch)
    plt.close("all")  # what the cell before has left
    keras.backend.clear_session()
    namespace = {"__name__": "__main__"}

    def execute(text):
        exec(compile(text, "<input>", "exec"), namespace)

    source = lessons.source(script).read_text(encoding="utf-8")
    head, *cells = re.split(r"^(?=# %%)", source, flags=re.MULTILINE)
    execute(head)
    for cell in cells:  # those that only define what several lessons use
        kinds = {type(node) for node in ast.parse(cell).body}
        if kinds <= {ast.FunctionDef, ast.ClassDef, ast.Assign}:
            execute(cell)
    (own,) = [cell for cell in cells if re.search(rf'lesson\(\s*"[\d.]+", "{name}"', cell)]
    section = namespace["section"]
    section.data = kind
    try:
        execute(own)
    except startup.UsageError as error:
        pytest.skip(str(error))  # the sentences are not to be had
    lesson, out = section.current, capsys.readouterr().out
    said = {*lesson.claims}
    if kind == "real":
        said = {of.get("en", sentence) for sentence, of in section.real["claims"].items()}
        assert section.real["data"]["en"] in " ".join(out.split())
    elif script in SCRIPTS:
        assert said == {row["claim"] for row in rows(EVIDENCE) if row["lesson"] == name}
    assert {(claim.sentence, claim.data) for claim in section.claims} == {(of, kind) for of in said}
    assert out.count("Remember: ") == (kind == "synthetic")
    assert not re.search(r".{101}| $", out, flags=re.MULTILINE)
    assert list(tmp_path.rglob(f"{name}*.png")) or script in EXERCISES
    assert name not in SEEN or kind == "real" or SEEN[name](namespace)

    monkeypatch.setattr(language, "current", lambda: "zh")
    language.unknown.clear()
    # The process that is killed runs the script, which has not changed.
    if name != "backup_and_restore":
        own = UNITS.sub(lambda found: f"{found[1]}({int(found[2]) + 4}", own, count=1)
    execute(own)
    assert language.unknown == set()
    out = capsys.readouterr().out
    assert "Remember" not in out
    assert lesson.title["zh"] in out


SHORT = {"functional_api": "pointwise", "tensor_board": "progress_bar", "ensembling": "diversity"}
FEW = 0.3  # of the claims of a script may leave the range: of twelve runs, a further one has 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE_RUNS)
def test_a_run_is_clean_leaves_pictures_and_stays_near_the_recorded_ones(name, request, tmp_path):
    run = request.getfixturevalue(name)
    assert (run.process.returncode, run.process.stderr) == (0, b"")
    assert re.fullmatch(r"(?s:(?!.*Warning)[\0-\x7f\u2026]*)", run.process.stdout.decode("utf-8"))
    script = run.folder.name
    for lesson in lessons.read(script).lessons:
        if lesson.name != "backup_and_restore":  # which says its number in a line
            picture = matplotlib.image.imread(run.folder / f"{lesson.name}.png")
            assert (np.array(picture.shape[:2]) >= (360, 800)).all()
            assert picture[..., :3].std() > 0.05
    claims = [Claim.from_record(one) for one in run.record["claims"]]
    assert [claim.sentence for claim in claims if not claim.holds] == []
    known = {(row["lesson"], row["claim"]): row for row in rows(EVIDENCE)}
    assert len(claims) == [row["script"] for row in rows(EVIDENCE)].count(script)
    # A time is another one on every machine.
    found = [(one, known[one.lesson, one.sentence]) for one in claims if not one.timed]
    left = []
    for claim, row in found:
        low, high = float(row["low"]), float(row["high"])
        outside = max(low - claim.value, claim.value - high, 0)
        # It may well be outside by the width of the range, or by half of the way to the bound,
        # since an accuracy may have been 1 in every recorded run.
        way = room(row) * (high - low or 1e-9)
        assert outside <= max(high - low, way / 2), claim.sentence
        left += [claim.sentence] * (outside > 0)
    assert len(left) <= FEW * len(found), left
    # What ran in a process of several has the numbers that it has alone.
    alone = Finished(script, tmp_path, SHORT[name], "--jobs", "1").record["claims"]
    values = {(one.lesson, one.sentence): one.value for one in claims}
    assert all(values[one["lesson"], one["claim"]] == float(one["value"]) for one in alone)
