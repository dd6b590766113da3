"""Which real data a lesson has, by its name: what `--data real` and `--data imdb` train it on.

A lesson that is not here has none: 1,797 pictures of one channel and 8 x 8 pixels carry no scales,
no stereograms and no patterns over channels, and who rated sentences stated no prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from ch07.data import digits, imdb, ratings
from ch07.data.tasks import Task

KINDS: Mapping[str, Mapping[str, Callable[[int], Task]]] = {
    "real": {
        "question_answering": digits.sums,
        "loss_weights": ratings.sources,
        "correlated_targets": digits.related_targets,
        "residual_depth": digits.parity,
        "bottleneck": digits.vectors,
        "siamese_lstm": digits.pairs,
        "early_stopping": ratings.bags,
        "learning_rates": partial(digits.vectors, train=600),
        "csv_logger": ratings.bags,
        "own_callbacks": partial(digits.vectors, train=600),
        "text_classifier": ratings.reviews,
        "batch_normalization": digits.vectors,
        "normalized_depth": digits.vectors,
        "hyperparameter_search": digits.rows,
        "beside_random_search": digits.rows,
        "overfit_the_validation_set": digits.parity_classes,
        "ensembling": ratings.opinions,
        "diversity": ratings.opinions,
    },
    "imdb": {"text_classifier": lambda seed: imdb.reviews(test=5000)},
}
