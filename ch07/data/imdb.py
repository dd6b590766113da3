"""The IMDB reviews that the book trains on, in the form of `data.reviews`."""

from __future__ import annotations

import keras
import numpy as np

from ch07 import checks
from ch07.data.tasks import split
from ch07.data.text import Reviews
from ch07.lab import startup
from ch07.lab.language import tr

# For the colours of the Projector; the words of the reviews come without kinds.
POSITIVE = [
    "amazing", "beautiful", "best", "brilliant", "enjoyed", "excellent", "fantastic",
    "favorite", "fun", "great", "hilarious", "incredible", "love", "loved", "outstanding",
    "perfect", "powerful", "superb", "terrific", "wonderful",
]  # fmt: skip
NEGATIVE = [
    "annoying", "avoid", "awful", "bad", "boring", "disappointing", "dull", "fails", "horrible",
    "lame", "laughable", "mess", "pointless", "poor", "poorly", "ridiculous", "stupid",
    "terrible", "unfortunately", "waste", "weak", "worse", "worst",
]  # fmt: skip
SPECIAL = ("<pad>", "<start>", "<unknown>", "<unused>")  # the first word is number 4


def reviews(
    train: int = 25_000, test: int = 25_000, length: int = 500, words: int = 2000
) -> Reviews:
    """Reviews of IMDB: the last `length` words of each, of which the `words` commonest are kept.

    kinds: "positive" and "negative" for a few words of which that is plain, "padding" and "word".
    best_possible: 1, since how much a review tells is not known.

    Args:
        train, test: how many reviews; there are 25,000 of each.
        length, words: max_len and max_features of the book; there are 88,584 words.

    Raises:
        ValueError: a size is not a whole number from 1, or there are not that many `words`.
        startup.UsageError: they are neither in Keras's cache nor can they be fetched.
    """
    checks.whole(train=train, test=test, length=length)
    checks.whole(len(SPECIAL), words=words)
    chatty = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()  # Keras reports the download on stdout
    try:
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
    finally:
        if chatty:
            keras.config.enable_interactive_logging()
    texts, more = learned[0][:train], tested[0][:test]
    review = keras.utils.pad_sequences([*texts, *more], length)  # int32; it keeps the last words
    good = np.concatenate([learned[1][:train], tested[1][:test]])[:, None].astype("float32")
    names = dict(enumerate(SPECIAL)) | {rank + 3: word for word, rank in ranks.items()}
    checks.between(1, len(names), words=words)
    # Some words have an accent, a few are control characters, which no table can hold.
    plain = [names[n].encode("unicode_escape").decode("ascii") for n in range(words)]
    kinds = dict.fromkeys(POSITIVE, "positive") | dict.fromkeys(NEGATIVE, "negative")
    return Reviews(
        **split(review, good, len(texts)),
        words=plain,
        kinds=["padding", *(kinds.get(name, "word") for name in plain[1:])],
        best_possible=1.0,
    )
