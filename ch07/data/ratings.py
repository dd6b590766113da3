"""Real sentences: of movie and product reviews, tweets and editorials, each rated by 20 people.

C. J. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
Media Text, ICWSM 2014. They lie in the source archive of the package vaderSentiment (MIT licence),
which is fetched on first use, with pip, and kept in ch07/my_data. pip runs the set-up of the
archive, which it has checked before, to read its metadata. Nothing of it is part of this project.

Every function gives a `Task` in the form of one of the synthetic ones. The seed splits, and no
sentence occurs twice. How well the best reader would do is not known.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from ch07.data.tasks import UNKNOWN, Task, draws, enough, one_hot, split
from ch07.lab.language import tr
from ch07.lab.startup import ROOT, UsageError

PACKAGE = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
ARCHIVE = ROOT / "ch07" / "my_data" / "vaderSentiment-3.3.2.tar.gz"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
LEXICON = "vaderSentiment-3.3.2/vaderSentiment/vader_lexicon.txt"
SOURCES = {"movies": "movieReviewSnippets", "products": "amazonReviewSnippets"}
SOURCES |= {"tweets": "tweets", "editorials": "nytEditorialSnippets"}
UNKNOWN_WORD = 1  # 0 is the padding


class Sentence(NamedTuple):
    """What somebody wrote, where, and what people made of it."""

    source: str  # of SOURCES
    rating: float  # the mean of all raters, from -4 to 4
    words: list[str]  # in small letters


def fetch() -> None:
    """Bring the archive into ch07/my_data, whole or not at all.

    Raises:
        UsageError: it cannot be had, or it is another one; the sentence says why.
    """
    print(tr(f"Fetching {PACKAGE}, 2.5 MB, once:"), flush=True)
    try:
        ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ARCHIVE.parent) as folder:
            wanted = Path(folder, "wanted.txt")
            wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", encoding="utf-8")
            source = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", str(wanted)]
            command = [sys.executable, "-m", "pip", "download", *source, "-d", folder]
            ended = subprocess.run(
                [*command, "--disable-pip-version-check", "--no-input"],
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
            if ended.returncode:
                reasons = [line for line in ended.stderr.splitlines() if line[:6] == "ERROR:"]
                reason = (reasons or ended.stderr.splitlines() or ["pip failed"])[-1]
                raise UsageError(
                    f"the rated sentences are not to be had ({reason.removeprefix('ERROR: ')}): "
                    f"connect to the internet, which is needed once, or put {ARCHIVE.name} into "
                    f"'{ARCHIVE.parent}'."
                )
            Path(folder, ARCHIVE.name).replace(ARCHIVE)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot write to '{ARCHIVE.parent}' ({reason}).") from None


@functools.cache
def read() -> tuple[list[Sentence], dict[str, float]]:
    """All sentences, each once, and what raters made of single words, by word.

    Raises:
        UsageError: the archive can neither be read nor fetched.
    """
    if not ARCHIVE.exists():
        fetch()
    content = ARCHIVE.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise UsageError(f"'{ARCHIVE}' is not the archive that was fetched: delete it.")
    found: dict[tuple[str, ...], Sentence] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as outer:
        # Read whole: to seek in an archive within an archive takes minutes.
        with tarfile.open(fileobj=io.BytesIO(outer.extractfile(INNER).read())) as inner:
            for source, name in SOURCES.items():
                file = inner.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
                for line in file.read().decode("utf-8").splitlines():
                    _, rating, text = line.split("\t")
                    words = re.findall(r"[a-z0-9']+", text.lower())
                    found.setdefault(tuple(words), Sentence(source, float(rating), words))
        lines = outer.extractfile(LEXICON).read().decode("utf-8").splitlines()
    lexicon = {word: float(mean) for word, mean, *_ in (line.split("\t") for line in lines)}
    return list(found.values()), lexicon


def numbered(sentences: list[Sentence], train: int, size: int, length: int):
    """Sentences as numbers of words, (n, length) int32, and the words by number, in ASCII.

    Known are the `size` - 2 commonest words of the first `train` sentences. The last words of a
    sentence are kept, and padding stands in front, where keras.utils.pad_sequences puts it.
    """
    counted = collections.Counter(word for one in sentences[:train] for word in one.words)
    words = ["<pad>", "<unknown>", *(word for word, _ in counted.most_common(size - 2))]
    number = {word: at for at, word in enumerate(words)}
    texts = [[number.get(word, UNKNOWN_WORD) for word in one.words] for one in sentences]
    return keras.utils.pad_sequences(texts, length), words + ["<none>"] * (size - len(words))


def of_movies(seed: int, **sizes: int) -> list[Sentence]:
    """As many sentences of movie reviews as `sizes` ask for, each clearly good or bad."""
    rng = draws(seed, **sizes)
    clear = [one for one in read()[0] if one.source == "movies" and abs(one.rating) > 0.5]
    enough(len(clear), "sentences", **sizes)
    return [clear[at] for at in rng.permutation(len(clear))[: sum(sizes.values())]]


def good(sentences: list[Sentence]) -> np.ndarray:
    """Whether each is rated as good, (n, 1), 0 or 1."""
    return np.array([[one.rating > 0] for one in sentences], "float32")


def reviews(seed, train=4000, test=2000, length=60, vocabulary=2000):
    """Sentences of movie reviews: good or bad? In the form of `data.reviews`.

    kinds: "positive" or "negative" where raters found a word so, else "word". Chance 0.5.
    train, test: (n, length) int32. targets: (n, 1), 0 or 1.
    """
    sentences = of_movies(seed, train=train, test=test)
    texts, words = numbered(sentences, train, vocabulary, length)
    rated = read()[1]

    def kind(word: str) -> str:
        return ("positive" if rated[word] > 0 else "negative") if word in rated else "word"

    return Task(
        **split(texts, good(sentences), train),
        words=words,
        kinds=["padding", *map(kind, words[1:])],
        best_possible=UNKNOWN,
    )


def bags(seed, train=1000, test=2000, vocabulary=1000):
    """Sentences of movie reviews as bags of words: good or bad? In the form of `data.clusters`.

    train, test: (n, vocabulary), 1 where a sentence has the word. targets: (n, 2), one-hot. Chance
    0.5. A thousand words and as many sentences: they can be learned by heart.
    """
    sentences = of_movies(seed, train=train, test=test)
    texts, _ = numbered(sentences, train, vocabulary, 60)
    bag = np.zeros((len(texts), vocabulary), "float32")
    bag[np.arange(len(texts))[:, None], texts] = 1
    bag[:, 0] = 0  # the padding
    classes = one_hot(good(sentences)[:, 0].astype(int), 2)
    return Task(**split(bag, classes, train), best_possible=UNKNOWN)


LETTERS = " abcdefghijklmnopqrstuvwxyz0123456789'"


def opinions(seed, train=4000, validation=1000, test=4000, length=24, vocabulary=2000):
    """Sentences of movie reviews: good or bad? In the form of `data.cue_sequences`.

    train, validation, test: (n, length + 120) int32, the last `length` words of a sentence and its
    last 120 letters. targets: (n, 1), 0 or 1. Chance 0.5.
    """
    sentences = of_movies(seed, train=train, validation=validation, test=test)
    texts, words = numbered(sentences, train, vocabulary, length)
    spelled = [[vocabulary + LETTERS.index(of) for of in " ".join(one.words)] for one in sentences]
    texts = np.hstack([texts, keras.utils.pad_sequences(spelled, 120, value=vocabulary)])
    return Task(
        **split(texts, good(sentences), train, validation),
        words=[*words, *LETTERS],
        vocabulary_size=vocabulary + len(LETTERS),
        best_possible=UNKNOWN,
    )


def sources(seed, train=4000, test=2000, length=30, vocabulary=2000):
    """Where does a sentence come from, and how is it rated? In the form of `data.posts`.

    age: the rating, from 0 to 100, (n, 1). income: the source, (n, 4), one-hot. gender: whether it
    is rated as good, (n, 1), 0 or 1. Chance 1/4 and about 0.5; a source is as frequent as another.
    train, test: (n, length) int32.
    """
    rng = draws(seed, train=train, test=test)
    every, total = read()[0], train + test
    chosen = [
        rng.permutation([at for at, one in enumerate(every) if one.source == source])[
            : -(-total // 4)
        ]
        for source in SOURCES
    ]
    enough(sum(map(len, chosen)), "sentences, a quarter from each source,", train=train, test=test)
    sentences = [every[at] for at in rng.permutation(np.concatenate(chosen))[:total]]
    texts, words = numbered(sentences, train, vocabulary, length)
    targets = {
        "age": np.array([[50 + 12.5 * one.rating] for one in sentences], "float32"),
        "income": one_hot(np.array([[*SOURCES].index(one.source) for one in sentences]), 4),
        "gender": good(sentences),
    }
    return Task(
        **split(texts, targets, train),
        words=words,
        vocabulary_size=vocabulary,
        best_possible=UNKNOWN,
    )
