"""Real data: split without leaks, fetched whole or not at all, and the same lessons on them."""

import collections
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.error import URLError

import keras
import numpy as np
import pytest

from ch07 import lab
from ch07.data import digits, imdb, ratings, real
from ch07.data.tasks import UNKNOWN
from ch07.lab import claims, lessons, program, startup
from ch07.lab.claims import Claim
from tests.test_data import parts_of, rows
from tools import evidence

ROOT = startup.ROOT
SCRIPTS = sorted(path.stem for path in ROOT.glob("ch07[0-9][0-9]_*.py"))
WORDS = ("fine", "dull", "film", "plot", "music", "actor", "scene", "story", "end", "night", "role")


def packed(files):
    """A tar.gz of files, by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Forty sentences of each source, half of them good, in an archive like vaderSentiment's."""
    rng, texts = np.random.default_rng(0), {}
    for source, name in ratings.SOURCES.items():
        begun = ("-2.0\tBAD", "2.0\tGood")
        drawn = enumerate(map(" ".join, rng.choice(WORDS, (40, 5))))
        lines = [f"{n}\t{begun[n % 2]}, {source} {n} {words}" for n, words in drawn]
        text = "\r\n".join([*lines, lines[0]])  # one is there twice
        texts[f"hutto_ICWSM_2014/{name}_GroundTruth.txt"] = text.encode()
    lexicon = b"good\t1.9\t0.9\t[2, 1]\nbad\t-2.5\t0.6\t[-2, -3]\nabc\t1.0\t0\t[1]"
    content = packed({ratings.INNER: packed(texts), ratings.LEXICON: lexicon})
    monkeypatch.setattr(ratings, "ARCHIVE", tmp_path / "archive.tar.gz")
    monkeypatch.setattr(ratings, "SHA256", hashlib.sha256(content).hexdigest())
    ratings.ARCHIVE.write_bytes(content)
    ratings.read.cache_clear()
    yield ratings.ARCHIVE
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
    assert (16 * images[0, 0, :6]).tolist() == [0, 0, 5, 13, 9, 1]
    task = digits.vectors(0, train=50, test=20)  # without the pixels that are always white
    assert task.shape == (task.train.shape[1],)
    assert 30 < task.shape[0] < 64
    assert task.train.std(axis=0).min() > 0.01


@pytest.mark.parametrize("name", DIGITS)
def test_digits_have_their_form_and_the_seed_splits_off_what_is_never_trained_on(name):
    task, other = (getattr(digits, name)(seed) for seed in (0, 1))
    assert {*rows(task.train)} != {*rows(other.train)}
    parts = map(keras.tree.flatten, parts_of(task, DIGITS[name]))
    seen = [{picture for side in sides for picture in rows(side)} for sides in parts]
    if name != "sums":  # there a picture is eight words of 256, which several pictures are
        assert not set.intersection(*seen)
    assert task.best_possible is UNKNOWN


def test_a_sum_is_that_of_two_pictures_of_one_side():
    images, labels = digits.pictures()
    digit = collections.defaultdict(set)  # several pictures may be one text
    for word, label in zip(np.packbits(images >= 0.5, axis=2)[..., 0], labels, strict=True):
        digit[word.tobytes()].add(label)
    task = digits.sums(1, train=300, test=200)
    for inputs, targets in ((task.train, task.train_targets), (task.test, task.test_targets)):
        for *pair, target in zip(inputs["text"], inputs["question"], targets, strict=True):
            one, other = (digit[of.astype("uint8").tobytes()] for of in pair)
            assert target.argmax() in {a + b for a in one for b in other}


def test_half_of_the_pairs_show_one_digit_and_no_picture_twice():
    task, (images, labels) = digits.pairs(2, train=400, test=200), digits.pictures()
    digit = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for inputs, targets in ((task.train, task.train_targets), (task.test, task.test_targets)):
        left, right = (np.array([digit[of.tobytes()] for of in side]) for side in inputs.values())
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
    known, seen = np.flatnonzero(task.weights["gender"]), rows(task.train)
    assert len({seen[at] for at in known}) == 50


def test_sentences_are_read_once_each_with_source_and_rating_from_this_archive(archive):
    found, rated = ratings.read()
    assert len(found) == 160
    assert {one.source for one in found} == set(ratings.SOURCES)
    assert found[0].words[:2] == ["bad", "movies"]
    assert rated == {"good": 1.9, "bad": -2.5, "abc": 1.0}
    ratings.read.cache_clear()
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(startup.UsageError, match="is not the archive that was fetched: delete it"):
        ratings.read()


def test_of_sentences_no_test_is_trained_on_and_words_are_those_of_the_training(archive):
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


def test_the_other_tasks_of_sentences(archive):
    task = ratings.sources(0, train=80, test=40, length=10, vocabulary=60)
    assert task.train_targets["income"].shape == (80, 4)
    assert set(np.unique(task.train_targets["age"])) == {25.0, 75.0}
    assert ((task.train_targets["age"] > 50) == task.train_targets["gender"]).all()
    for source, of in zip(ratings.SOURCES, task.train_targets["income"].T, strict=True):
        assert ((task.train == task.words.index(source)).any(axis=1) == (of == 1)).all()
    bag = ratings.bags(0, train=20, test=10, vocabulary=40)
    assert bag.train.shape == (20, 40)
    assert set(np.unique(bag.train)) == {0, 1}
    assert not bag.train[:, 0].any()
    spelled = ratings.opinions(0, train=20, validation=5, test=10, vocabulary=12)
    assert spelled.train.shape == (20, 144)
    letters = "".join(spelled.words[n] for n in spelled.train[0, 24:]).strip()
    assert letters.startswith(("good ", "bad "))
    many = ratings.opinions(0, train=20, validation=5, test=10, vocabulary=500)
    for task in (spelled, many):  # with more words than there are, and with fewer
        assert len(task.words) == task.vocabulary_size
        assert "".join(task.words[n] for n in task.train[:, 24:].max(axis=1)).strip() != ""
    with pytest.raises(ValueError, match="45 sentences are asked for, of 40 that there are"):
        ratings.reviews(0, train=30, test=15)
    with pytest.raises(ValueError, match="a quarter from each source, are asked for, of 160"):
        ratings.sources(0, train=200, test=10)


def as_pip(monkeypatch, tmp_path, error="", content=b""):
    """Put a function in the place of pip; gives the folder to which it brings the archive."""

    def pip(command, stderr, **options):
        folder, wanted = (Path(command[command.index(of) + 1]) for of in ("-d", "-r"))
        assert command[1:4] == ["-m", "pip", "download"]
        assert "--require-hashes" in command
        assert "--hash=sha256:" in wanted.read_text(encoding="utf-8")
        assert stderr == subprocess.PIPE
        if not error:
            (folder / ratings.ARCHIVE.name).write_bytes(content)
        return subprocess.CompletedProcess(command, bool(error), None, f"WARNING: other\n{error}")

    monkeypatch.setattr(ratings.subprocess, "run", pip)
    monkeypatch.setattr(ratings, "ARCHIVE", tmp_path / "my_data" / ratings.ARCHIVE.name)
    return tmp_path / "my_data"


def test_it_is_fetched_once_and_whole(archive, monkeypatch, tmp_path, capfd):
    folder = as_pip(monkeypatch, tmp_path, content=archive.read_bytes())
    assert len(ratings.read()[0]) == 160
    assert "Fetching vaderSentiment==3.3.2" in capfd.readouterr().out
    assert [*folder.iterdir()] == [ratings.ARCHIVE]
    ratings.read.cache_clear()
    monkeypatch.setattr(ratings, "fetch", None)  # never again
    assert len(ratings.read()[0]) == 160


@pytest.mark.parametrize(
    "error", ["ERROR: No matching distribution found", "No module named pip", "ERROR: HASHES"]
)
def test_what_cannot_be_fetched_is_one_sentence_and_leaves_nothing(monkeypatch, tmp_path, error):
    folder = as_pip(monkeypatch, tmp_path, error=error)
    with pytest.raises(startup.UsageError, match=error.removeprefix("ERROR: ")) as caught:
        ratings.fetch()
    assert str(folder) in str(caught.value)
    assert not [*folder.iterdir()]
    folder.rmdir()
    folder.write_text("a file", encoding="utf-8")
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


@pytest.mark.parametrize("which", ["pointwise real", "bottleneck imdb", "bottleneck raw"])
def test_a_lesson_without_such_data_is_refused_by_name(which, monkeypatch, tmp_path, capsys):
    name, kind = which.split()
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.setattr(program, "HOME", tmp_path)
    cell = {"__name__": "__main__", "Section": lab.Section}
    exec("section = Section('ch0701_functional_api')", cell)
    cell["section"].data = kind
    with pytest.raises(ValueError, match=f"section.data is '{kind}', and {name} has no such data."):
        cell["section"].lesson("7.1.4", name)
    assert capsys.readouterr() == ("", "")
    if kind == "real":
        parser = program.parser_of(script := lessons.read(SCRIPTS[0]), {})
        given = parser.parse_args([name, "--data", kind])
        with pytest.raises(startup.UsageError, match=f"'{name}'.*--list --data real"):
            program.Program(script, given)


def test_a_run_on_real_data_says_so_and_mixes_with_no_other(tmp_path):
    script = [sys.executable, ROOT / "ch0701_functional_api.py", "bottleneck", "--data", "real"]
    command = [*script, "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Handwritten digits" in done.stdout
    assert "best possible" not in done.stdout
    assert "Remember" not in done.stdout
    folder = tmp_path / "my_figures" / "ch0701_functional_api_real"
    assert (folder / "bottleneck.png").exists()
    assert "Handwritten digits" in (folder / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "my_figures").iterdir()] == [folder.name]


CLAIM = ("7.1.4", "bottleneck", "With a shortcut", 0.9, "accuracy")


def test_the_recorded_splits_stand_below_a_claim_on_real_data(tmp_path, monkeypatch):
    row = "bottleneck,With a shortcut,10,9,0.45,0.25,holds\n"
    monkeypatch.setattr(claims, "REAL", tmp_path / "real.csv")
    head = "lesson,claim,runs,held,median,expected,verdict\n"
    claims.REAL.write_text(head + row, encoding="utf-8")
    made = [Claim(*CLAIM, at_least=0.5, data=of) for of in ("real", "synthetic", "imdb")]
    texts = [*map(claims.on_splits, made)]
    assert texts[0].startswith("holds: on 9 of 10 recorded splits the right way")
    assert texts[0].endswith("effect 0.450, expected 0.250")
    assert texts[1:] == ["", ""]


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
    for bound, sign in {"at_least": -1, "at_most": 1}.items():
        made = [Claim(*CLAIM, **{bound: 0.9 + sign * effect}) for effect in effects]
        records = [{"claims": [claim.as_record()]} for claim in made]
        (row,) = evidence.real_rows(SCRIPTS[0], lesson, "key", records)
        assert row["verdict"] == verdict
        assert int(row["held"]) == sum(effect > 0 for effect in effects)
        assert float(row["expected"]) == lesson.real["claims"]["With a shortcut"]["expected"]


def test_the_table_of_real_data_is_of_todays_code():
    for name in SCRIPTS:
        keys = evidence.dependencies.keys(name, "real")
        found = [row for row in evidence.rows_of(claims.REAL) if row["script"] == name]
        assert {row["lesson"] for row in found} == set(keys)
        for row in found:
            assert row["key"].partition("-")[0] == keys[row["lesson"]].partition("-")[0]
            assert int(row["runs"]) >= 10


@pytest.mark.slow
def test_the_real_archive_is_to_be_had():
    try:
        found, rated = ratings.read()
    except startup.UsageError as error:
        pytest.skip(str(error))
    assert len(found) == 23450
    assert sum(one.source == "movies" for one in found) > 10_000
    assert rated["wonderful"] > 0


# The reviews of IMDB, in their own format


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes files of Keras's format, where Keras finds them, of these reviews."""
    found = "keras.src.datasets.imdb.get_file"
    monkeypatch.setattr(found, lambda fname, **options: str(tmp_path / fname))

    def ragged(*lists):
        array = np.empty(len(lists), dtype=object)
        array[:] = lists
        return array

    def write(*reviews):
        parts = {"x_train": ragged(*reviews), "y_train": np.array([1, 0, 1])}
        parts |= {"x_test": ragged([1, 2], [6, 6, 6, 3]), "y_test": np.array([0, 1])}
        np.savez(tmp_path / "imdb.npz", **parts)
        words = ["the", "bad", "great", "caf\u00e9", "\x08dull", "film"]
        ranks = {word: rank for rank, word in enumerate(words, start=1)}
        (tmp_path / "imdb_word_index.json").write_text(json.dumps(ranks), encoding="utf-8")

    return write


def test_reviews_come_in_the_form_of_the_synthetic_ones_with_printable_words(write):
    write([1, 3], [1, 2, 6, 6, 6, 5], [4])
    task = imdb.reviews(length=4, words=9)
    assert task.train.dtype == "int32"
    # Keras reads them in an order of its own: a start (1), then ranks + 3, or 2 from number 9 on.
    pairs = zip(task.train.tolist(), task.train_targets.tolist(), strict=True)
    verdicts = {tuple(row): good for row, good in pairs}
    assert verdicts == {(0, 0, 1, 7): [1.0], (0, 1, 4, 6): [1.0], (2, 2, 2, 8): [0.0]}
    assert sorted(task.test.tolist()) == [[0, 1, 4, 5], [2, 2, 2, 6]]
    assert task.best_possible == 1
    assert task.words[:4] == ["<pad>", "<start>", "<unknown>", "<unused>"]
    assert task.words[4:] == ["the", "bad", "great", "caf\\xe9", "\\x08dull"]
    assert task.kinds == ["padding", *["word"] * 4, "negative", "positive", "word", "word"]
    fewer = imdb.reviews(train=2, test=1, length=4, words=8)
    assert (fewer.train.shape, fewer.train_targets.shape) == ((2, 4), (2, 1))
    assert (fewer.test.shape, fewer.test_targets.shape) == ((1, 4), (1, 1))


@pytest.mark.parametrize("cache", [None, b"half of a file"], ids=["no cache", "a broken file"])
def test_without_cache_and_network_one_sentence_says_so(cache, tmp_path, monkeypatch, capfd):
    def unreachable(address, *rest):
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    (tmp_path / "datasets").mkdir()
    if cache:
        (tmp_path / "datasets" / "imdb.npz").write_bytes(cache)
    with pytest.raises(startup.UsageError) as refused:
        imdb.reviews()
    text = str(refused.value)
    assert "Name or service not known" in text
    assert text.endswith("into ~/.keras/datasets.")
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")
    assert keras.config.is_interactive_logging_enabled()  # as it was


def test_a_file_that_would_run_code_is_refused_and_runs_none(write, tmp_path):
    class Touch:
        def __reduce__(self):
            return (tmp_path.joinpath("touched").touch, ())

    write([1], [2], [Touch()])
    with pytest.raises(startup.UsageError, match="Refusing to deserialize"):
        imdb.reviews()
    assert not (tmp_path / "touched").exists()
