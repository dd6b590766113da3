"""The IMDB reviews: read in their own format, and missed in one sentence."""

import json
from urllib.error import URLError

import keras
import numpy as np
import pytest

from ch07.data import imdb
from ch07.lab import startup

WORDS = ["the", "bad", "great", "caf\u00e9", "\x08dull", "film"]  # of rank 1 to 6


def ragged(*lists):
    """Lists of any lengths as the array of objects that imdb.npz holds."""
    array = np.empty(len(lists), dtype=object)
    array[:] = lists
    return array


def write_reviews(folder, x_train):
    """Files of Keras's format in `folder`."""
    np.savez(
        folder / "imdb.npz",
        x_train=x_train,
        y_train=np.array([1, 0, 1]),
        x_test=ragged([1, 2], [6, 6, 6, 3]),
        y_test=np.array([0, 1]),
    )
    ranks = {word: rank for rank, word in enumerate(WORDS, start=1)}
    (folder / "imdb_word_index.json").write_text(json.dumps(ranks), encoding="utf-8")


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A folder in which Keras finds the files, whose hashes it does not ask for."""
    monkeypatch.setattr(
        "keras.src.datasets.imdb.get_file", lambda fname, **options: str(tmp_path / fname)
    )
    return tmp_path


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache of Keras, and no way to fill it; gives the place of imdb.npz."""

    def unreachable(address, *rest):
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets" / "imdb.npz"


def test_reviews_come_in_the_form_of_the_synthetic_ones(cached):
    write_reviews(cached, ragged([1, 3], [1, 2, 6, 6, 6, 5], [4]))
    task = imdb.reviews(length=4, words=8)
    train, test = task.train, task.test
    assert train.dtype == "int32"
    # Keras reads them in an order of its own: a start (1), then ranks + 3, or 2 from number 8 on.
    assert sorted(train.tolist()) == [[0, 0, 1, 7], [0, 1, 4, 6], [2, 2, 2, 2]]
    assert sorted(test.tolist()) == [[0, 1, 4, 5], [2, 2, 2, 6]]
    pairs = zip(train.tolist(), task.train_targets.tolist(), strict=True)
    verdicts = {tuple(row): good for row, good in pairs}
    assert verdicts == {(0, 0, 1, 7): [1.0], (0, 1, 4, 6): [1.0], (2, 2, 2, 2): [0.0]}
    assert task.test_targets.shape == (2, 1)
    assert task.best_possible == 1


def test_words_are_printable_ascii_and_some_have_a_kind(cached):
    write_reviews(cached, ragged([1], [2], [3]))
    task = imdb.reviews(words=9)
    assert task.words[:4] == ["<pad>", "<start>", "<unknown>", "<unused>"]
    assert task.words[4:] == ["the", "bad", "great", "caf\\xe9", "\\x08dull"]
    expected = ["padding", "word", "word", "word", "word", "negative", "positive", "word", "word"]
    assert task.kinds == expected


def test_fewer_reviews_are_taken_where_fewer_are_asked_for(cached):
    write_reviews(cached, ragged([1, 3], [1, 2, 6], [4]))
    task = imdb.reviews(train=2, test=1, length=4, words=8)
    assert (len(task.train), len(task.train_targets)) == (2, 2)
    assert (len(task.test), len(task.test_targets)) == (1, 1)


@pytest.mark.parametrize("cache", [None, b"half of a file"], ids=["no cache", "a broken file"])
def test_without_cache_and_network_one_sentence_says_so(offline, capfd, cache):
    if cache:
        offline.write_bytes(cache)
    with pytest.raises(startup.UsageError) as refused:
        imdb.reviews()
    text = str(refused.value)
    assert "Name or service not known" in text
    assert text.endswith("into ~/.keras/datasets.")
    assert "\n" not in text
    assert "".join(capfd.readouterr()) == ""
    assert keras.config.is_interactive_logging_enabled()  # as it was


def test_a_file_that_would_run_code_is_refused_and_runs_none(cached):
    class Touch:
        def __reduce__(self):
            return (cached.joinpath("touched").touch, ())

    write_reviews(cached, ragged([1], [2], [Touch()]))
    with pytest.raises(startup.UsageError, match="Refusing to deserialize"):
        imdb.reviews()
    assert not (cached / "touched").exists()
