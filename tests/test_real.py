"""Real data: split without leaks, fetched whole or not at all, and the same lessons on them."""

import csv
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from ch07.data import digits, ratings, real
from ch07.data.tasks import UNKNOWN
from ch07.lab import claims, lessons, startup
from ch07.lab.claims import Claim
from tests.test_data import arrays, forms, rows
from tools import evidence

ROOT = startup.ROOT
SCRIPTS = sorted(path.stem for path in ROOT.glob("ch07[0-9][0-9]_*.py"))
WORDS = ("fine", "dull", "film", "plot", "music", "actor", "scene", "story", "end", "night", "role")


def archive(folder, sentences):
    """A small archive in the form of that of vaderSentiment; its path, and its hash."""

    def packed(files):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    texts = {
        f"hutto_ICWSM_2014/{name}_GroundTruth.txt": "\r\n".join(
            f"{n}\t{rating}\t{text}" for n, (rating, text) in enumerate(sentences[source])
        ).encode()
        for source, name in ratings.SOURCES.items()
    }
    lexicon = b"good\t1.9\t0.9\t[2, 1]\nbad\t-2.5\t0.6\t[-2, -3]\nabc\t1.0\t0\t[1]"
    content = packed({ratings.INNER: packed(texts), ratings.LEXICON: lexicon})
    path = folder / "archive.tar.gz"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


@pytest.fixture
def sentences(tmp_path, monkeypatch):
    """Forty sentences of each source, half of them good, in an archive of their own."""
    rng = np.random.default_rng(0)
    made = {
        source: [
            (
                2.0 if n % 2 else -2.0,
                f"{'Good' if n % 2 else 'BAD'}, {source} {n} " + " ".join(words),
            )
            for n, words in enumerate(rng.choice(WORDS, (40, 5)))
        ]
        for source in ratings.SOURCES
    }
    made["tweets"].append(made["tweets"][0])  # twice
    path, digest = archive(tmp_path, made)
    monkeypatch.setattr(ratings, "ARCHIVE", path)
    monkeypatch.setattr(ratings, "SHA256", digest)
    ratings.read.cache_clear()
    yield made
    ratings.read.cache_clear()


# What the docstrings say of one sample, and of its target.
DIGITS = {
    "parity": ((64,), (1,)),
    "parity_classes": ((64,), (2,)),
    "rows": ((8, 8), (10,)),
    "sums": ({"text": (8,), "question": (8,)}, (19,)),
    "related_targets": ((64,), {"age": (1,), "income": (10,), "gender": (1,)}),
    "pairs": ({"left": (8, 8), "right": (8, 8)}, (1,)),
}


def test_the_digits_are_those_of_the_repository():
    images, labels = digits.pictures()
    assert images.shape == (1797, 8, 8)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(np.unique(images, axis=0)) == 1797
    with gzip.open(digits.FILE, "rt", encoding="ascii") as file:
        first = next(csv.reader(file))
    assert list(map(int, first[:6])) == [0, 0, 5, 13, 9, 1]


@pytest.mark.parametrize("name", DIGITS)
def test_digits_have_their_form_and_nothing_is_tested_that_was_trained_on(name):
    task = getattr(digits, name)(0)
    parts = [part for part in ("train", "validation", "test") if getattr(task, part) is not None]
    for part in parts:
        inputs, targets = getattr(task, part), getattr(task, f"{part}_targets")
        assert (forms(inputs), forms(targets)) == DIGITS[name]
        assert len({len(array) for array in [*arrays(inputs), *arrays(targets)]}) == 1
    seen = [
        {picture for of in arrays(getattr(task, part)) for picture in rows(of)} for part in parts
    ]
    if name != "sums":  # there a picture is eight words of 256, which several pictures are
        assert not set.intersection(*seen)
    assert task.best_possible is UNKNOWN


def test_pixels_that_are_always_white_are_left_out():
    task = digits.vectors(0, train=50, test=20)
    assert task.shape == (task.train.shape[1],)
    assert 30 < task.shape[0] < 64
    assert task.train.std(axis=0).min() > 0.01
    assert task.classes == 10


def test_a_sum_is_that_of_two_pictures_of_one_side():
    images, labels = digits.pictures()
    words = np.packbits(images >= 0.5, axis=2)[..., 0]
    digit = {}
    for word, label in zip(words, labels, strict=True):
        digit.setdefault(word.tobytes(), set()).add(label)
    task = digits.sums(1, train=300, test=200)
    for part in ("train", "test"):
        inputs, targets = getattr(task, part), getattr(task, f"{part}_targets")
        for one, other, target in zip(inputs["text"], inputs["question"], targets, strict=True):
            known = [digit[of.astype("uint8").tobytes()] for of in (one, other)]
            assert target.argmax() in {a + b for a in known[0] for b in known[1]}


def test_half_of_the_pairs_show_one_digit_and_no_picture_twice():
    task, (images, labels) = digits.pairs(2, train=400, test=200), digits.pictures()
    digit = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for part in ("train", "test"):
        inputs, targets = getattr(task, part), getattr(task, f"{part}_targets")
        left, right = (
            np.array([digit[of.tobytes()] for of in inputs[side]]) for side in ("left", "right")
        )
        assert ((left == right) == targets[:, 0]).all()
        assert targets.mean() == 0.5
        assert not (inputs["left"] == inputs["right"]).all(axis=(1, 2)).any()
    shown = task.queries.kinds
    first, second = np.triu_indices(len(shown), k=1)
    assert (task.queries.duplicate == (shown[first] == shown[second])).all()
    assert not {*rows(task.practice.sentences)} & {*rows(task.queries.sentences)}


def test_related_targets_are_of_the_same_digit_and_few_are_known():
    task = digits.related_targets(3, known=50)
    digit = task.train_targets["income"].argmax(axis=1)
    assert (task.train_targets["age"][:, 0] == digit % 3).all()
    assert (task.train_targets["gender"][:, 0] == digit % 2).all()
    known = {
        row for row, weight in zip(rows(task.train), task.weights["gender"], strict=True) if weight
    }
    assert len(known) == 50


def test_sentences_are_read_once_each_with_source_and_rating(sentences):
    found, rated = ratings.read()
    assert len(found) == 160
    assert {one.source for one in found} == set(ratings.SOURCES)
    assert found[0].words[:2] == ["bad", "movies"]
    assert rated == {"good": 1.9, "bad": -2.5, "abc": 1.0}


def test_of_sentences_no_test_is_trained_on_and_words_are_those_of_the_training(sentences):
    task = ratings.reviews(0, train=20, test=15, length=12, vocabulary=30)
    assert task.train.shape == (20, 12)
    assert task.words[:2] == ["<pad>", "<unknown>"]
    kinds = dict(zip(task.words, task.kinds, strict=True))
    assert (kinds["<pad>"], kinds["<unknown>"]) == ("padding", "word")
    assert (kinds["good"], kinds["bad"]) == ("positive", "negative")
    good, bad = (task.words.index(word) for word in ("good", "bad"))
    assert ((task.train == good).any(axis=1) == (task.train_targets[:, 0] == 1)).all()
    assert ((task.test == bad).any(axis=1) == (task.test_targets[:, 0] == 0)).all()
    # A number that only a test sentence has is no word that is known.
    trained = {task.words[n] for text in task.train for n in text}
    assert {word for word in task.words if word.isdigit()} <= trained


def test_the_other_tasks_of_sentences(sentences):
    task = ratings.sources(0, train=80, test=40, length=10, vocabulary=60)
    assert task.train_targets["income"].shape == (80, 4)
    assert set(np.unique(task.train_targets["age"])) == {25.0, 75.0}
    assert ((task.train_targets["age"] > 50) == task.train_targets["gender"]).all()
    for at, source in enumerate(ratings.SOURCES):
        word = task.words.index(source)
        assert (
            (task.train == word).any(axis=1) == (task.train_targets["income"][:, at] == 1)
        ).all()
    bag = ratings.bags(0, train=20, test=10, vocabulary=40)
    assert bag.train.shape == (20, 40)
    assert set(np.unique(bag.train)) == {0, 1}
    assert not bag.train[:, 0].any()
    spelled = ratings.opinions(0, train=20, validation=5, test=10, vocabulary=12)
    assert spelled.train.shape == (20, 144)
    letters = "".join(spelled.words[n] for n in spelled.train[0, 24:]).strip()
    assert letters.startswith(("good ", "bad "))
    assert len(spelled.words) == spelled.vocabulary_size


def test_a_changed_archive_is_refused(sentences):
    ratings.ARCHIVE.write_bytes(ratings.ARCHIVE.read_bytes() + b"more")
    with pytest.raises(startup.UsageError, match="is not the archive that was fetched: delete it"):
        ratings.read()


PIP = """
import os, pathlib, sys
if {error!r}:
    print("WARNING: something else", file=sys.stderr)
    sys.exit({error!r})
folder = sys.argv[sys.argv.index("-d") + 1]
wanted = pathlib.Path(sys.argv[sys.argv.index("-r") + 1]).read_text()
assert "--require-hashes" in sys.argv and "--hash=sha256:" in wanted, sys.argv
pathlib.Path(folder, {name!r}).write_bytes({content!r})
"""


def as_pip(monkeypatch, tmp_path, error="", content=b""):
    """Put a program in the place of pip."""
    code = PIP.format(error=error, content=content, name="vaderSentiment-3.3.2.tar.gz")
    program = tmp_path / "pip.py"
    program.write_text(code, encoding="utf-8")
    run = subprocess.run

    def instead(command, **options):
        return run([sys.executable, program, *command[3:]], **options)

    monkeypatch.setattr(ratings.subprocess, "run", instead)
    target = tmp_path / "my_data" / "vaderSentiment-3.3.2.tar.gz"
    monkeypatch.setattr(ratings, "ARCHIVE", target)
    return target


def test_it_is_fetched_once_and_whole(sentences, monkeypatch, tmp_path, capfd):
    content = ratings.ARCHIVE.read_bytes()
    target = as_pip(monkeypatch, tmp_path, content=content)
    assert len(ratings.read()[0]) == 160
    assert "Fetching vaderSentiment==3.3.2" in capfd.readouterr().out
    assert [*target.parent.iterdir()] == [target]
    ratings.read.cache_clear()
    monkeypatch.setattr(ratings, "fetch", None)  # never again
    assert len(ratings.read()[0]) == 160


@pytest.mark.parametrize(
    "error", ["ERROR: No matching distribution found", "No module named pip", "ERROR: HASHES"]
)
def test_what_cannot_be_fetched_is_one_sentence_and_leaves_nothing(monkeypatch, tmp_path, error):
    target = as_pip(monkeypatch, tmp_path, error=error)
    with pytest.raises(startup.UsageError) as caught:
        ratings.fetch()
    assert error.removeprefix("ERROR: ") in str(caught.value)
    assert str(target.parent) in str(caught.value)
    assert not [*target.parent.iterdir()]


def test_no_room_is_one_sentence(monkeypatch, tmp_path):
    target = as_pip(monkeypatch, tmp_path)
    target.parent.write_text("a file", encoding="utf-8")
    with pytest.raises(startup.UsageError, match="cannot write to"):
        ratings.fetch()


def test_every_lesson_with_words_for_real_data_has_such_and_its_claims_are_those_of_its_cell():
    having = {}
    for name in SCRIPTS:
        source = (ROOT / f"{name}.py").read_text(encoding="utf-8").splitlines()
        for lesson in lessons.read(name).lessons:
            cell = "\n".join(source[lesson.line - 1 : lesson.end])
            for data in ("real", "imdb"):
                if words := getattr(lesson, data):
                    having.setdefault(data, set()).add(lesson.name)
                    assert "section.load(" in cell
                    assert set(words["data"]) == {"en", "zh"}
                    for sentence, of in words["claims"].items():
                        assert sentence in cell
                        assert ("against" in of) != ("than" in of)
                        assert of["expected"] > 0
                        assert ("en" in of) == ("zh" in of)
            assert ("section.load(" in cell) == bool(lesson.real)
    assert {data: set(of) for data, of in real.KINDS.items()} == having


def test_a_lesson_without_real_data_is_refused_by_name():
    done = subprocess.run(
        [sys.executable, ROOT / "ch0701_functional_api.py", "pointwise", "--data", "real"],
        capture_output=True,
        env=os.environ | {"LANG": "C.UTF-8"},
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "'pointwise'" in done.stderr
    assert "--list --data real" in done.stderr


@pytest.mark.parametrize(
    ("name", "kind"), [("pointwise", "real"), ("bottleneck", "imdb"), ("bottleneck", "raw")]
)
def test_a_cell_without_such_data_is_refused_at_its_heading(name, kind, tmp_path):
    program = (
        "import sys; sys.ps1 = '>>> '; from ch07 import lab\n"
        f"section = lab.Section('ch0701_functional_api'); section.data = {kind!r}\n"
        f"section.lesson('7.1.4', {name!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=ROOT, encoding="utf-8"
    )
    assert f"section.data is '{kind}', and {name} has no such data." in done.stderr
    assert name not in done.stdout


def test_a_run_on_real_data_says_so_and_mixes_with_no_other(tmp_path):
    command = [sys.executable, ROOT / "ch0701_functional_api.py", "bottleneck", "--data", "real"]
    environment = os.environ | {"LANG": "C.UTF-8", "MPLBACKEND": "agg"}
    done = subprocess.run(
        [*command, "--output", tmp_path], capture_output=True, env=environment, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Handwritten digits" in done.stdout
    assert "best possible" not in done.stdout
    assert "Remember" not in done.stdout
    folder = tmp_path / "my_figures" / "ch0701_functional_api_real"
    assert (folder / "bottleneck.png").exists()
    assert "Handwritten digits" in (folder / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "my_figures").iterdir()] == [folder.name]


def claim(**options):
    given = {"at_least": 0.5, "data": "real", "unit": "accuracy"} | options
    return Claim("7.1.4", "bottleneck", "With a shortcut", 0.9, **given)


def test_the_recorded_splits_stand_below_a_claim_on_real_data(tmp_path, monkeypatch):
    path = tmp_path / "real.csv"
    path.write_text(
        "lesson,claim,runs,held,median,expected,verdict\n"
        "bottleneck,With a shortcut,10,9,0.45,0.25,holds\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(claims, "REAL", path)
    text = claims.on_splits(claim())
    assert text.startswith("holds: on 9 of 10 recorded splits the right way")
    assert "0.450" in text
    assert "0.250" in text
    assert claims.on_splits(claim(data="synthetic")) == claims.on_splits(claim(data="imdb")) == ""


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ([0.3] * 9 + [-0.1], "holds"),
        ([0.3] * 8 + [-0.1] * 2, "holds in part"),  # the effect is there, but not on nine splits
        ([0.1] * 10, "holds in part"),  # nine splits, but less than expected
        ([0.1] * 8 + [-0.1] * 2, "does not hold"),
    ],
)
def test_a_verdict_takes_the_sign_on_nine_of_ten_splits_and_the_expected_effect(effects, verdict):
    lesson = next(one for one in lessons.read(SCRIPTS[0]).lessons if one.name == "bottleneck")
    records = [{"claims": [claim(at_least=0.9 - effect).as_record()]} for effect in effects]
    (row,) = evidence.real_rows(SCRIPTS[0], lesson, "key", records)
    assert row["verdict"] == verdict
    assert int(row["held"]) == sum(effect > 0 for effect in effects)
    assert float(row["expected"]) == lesson.real["claims"]["With a shortcut"]["expected"]


def test_what_must_be_small_has_its_effect_below():
    lesson = next(one for one in lessons.read(SCRIPTS[0]).lessons if one.name == "siamese_lstm")
    one = Claim("7.1.5", "siamese_lstm", "The head as printed", 0.5, "accuracy", at_most=0.9)
    (row,) = evidence.real_rows(SCRIPTS[0], lesson, "key", [{"claims": [one.as_record()]}])
    assert (float(row["median"]), row["verdict"]) == (pytest.approx(0.4), "holds")


def test_the_table_of_real_data_is_of_todays_code():
    for name in SCRIPTS:
        keys = evidence.dependencies.keys(name, "real")
        found = [row for row in evidence.rows_of(claims.REAL) if row["script"] == name]
        assert {row["lesson"] for row in found} == set(keys)
        for row in found:
            assert row["key"].partition("-")[0] == keys[row["lesson"]].partition("-")[0]
            assert int(row["runs"]) >= 10


@pytest.mark.slow
def test_the_real_archive_is_to_be_had(tmp_path, monkeypatch):
    target = tmp_path / "my_data" / "vaderSentiment-3.3.2.tar.gz"
    monkeypatch.setattr(ratings, "ARCHIVE", target)
    ratings.read.cache_clear()
    try:
        found, rated = ratings.read()
    except startup.UsageError as error:
        pytest.skip(str(error))
    finally:
        ratings.read.cache_clear()
    assert len(found) == 23450
    assert sum(one.source == "movies" for one in found) > 10_000
    assert rated["wonderful"] > 0
