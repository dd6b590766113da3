"""The IMDB reviews that the book trains on, in the form of `data.reviews`."""

from __future__ import annotations

import contextlib
import io

import keras
import numpy as np

from ch07.data.tasks import Task, split
from ch07.lab import startup
from ch07.lab.language import tr

# For the colours of the Projector; the words of the reviews come without kinds.
POSITIVE = ["amazing", "beautiful", "best", "excellent", "great", "loved", "perfect", "wonderful"]
NEGATIVE = ["awful", "bad", "boring", "dull", "horrible", "poor", "stupid", "waste", "worst"]
SPECIAL = ("<pad>", "<start>", "<unknown>", "<unused>")  # the first word is number 4


def reviews(train: int = 25_000, test: int = 25_000, length: int = 500, words: int = 2000) -> Task:
    """Reviews of IMDB: the last `length` words of each, of which the `words` commonest are kept.

    There are 25,000 to train on and to test with, and 88,584 words. kinds: "positive" and
    "negative" for a few words of which that is plain, "padding" and "word". best_possible: 1, since
    how much a review tells is not known.

    Raises:
        startup.UsageError: they are neither in Keras's cache nor can they be fetched.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # where Keras reports the download
            learned, tested = keras.datasets.imdb.load_data(num_words=words)
            ranks = keras.datasets.imdb.get_word_index()
    except Exception as error:  # Keras raises no narrower class where a download fails
        reason = str(error).partition(". ")[0] or type(error).__name__
        raise startup.UsageError(
            tr(
                "the IMDB reviews are not to be had ({}): connect to the internet, which is needed "
                "once, or put imdb.npz and imdb_word_index.json into ~/.keras/datasets."
            ).format(reason)
        ) from None
    texts, more = learned[0][:train], tested[0][:test]
    review = keras.utils.pad_sequences([*texts, *more], length)  # int32; it keeps the last words
    good = np.concatenate([learned[1][:train], tested[1][:test]])[:, None].astype("float32")
    names = dict(enumerate(SPECIAL)) | {rank + 3: word for word, rank in ranks.items()}
    # Some words have an accent, a few are control characters, which no table can hold.
    plain = [names[n].encode("unicode_escape").decode("ascii") for n in range(words)]
    kinds = dict.fromkeys(POSITIVE, "positive") | dict.fromkeys(NEGATIVE, "negative")
    return Task(
        **split(review, good, len(texts)),
        words=plain,
        kinds=["padding", *(kinds.get(name, "word") for name in plain[1:])],
        best_possible=1.0,
    )
