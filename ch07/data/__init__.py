"""The data sets: what the signal is, what chance is, and what the best possible score is.

Every generator is plain NumPy and takes a seed: the same seed gives the same data. What a model is
tested on never occurs in what it is trained on, if samples are as long as they are by default.
`best_possible` is the score of the best reader there can be, computed from how the data are made.

Sizes, seeds and shares that make no such data are refused with a ValueError.
"""

from ch07.data.images import garments, patterns, scales, stereo_pairs
from ch07.data.points import clusters, hidden_parity, spirals, vector_classes
from ch07.data.sequences import CUES, cue_sequences, gestures, recall
from ch07.data.tasks import Task
from ch07.data.text import OPINIONS, TOPICS, phrases, posts, questions, reviews, sentences

__all__ = [
    "CUES", "OPINIONS", "TOPICS", "Task", "clusters", "cue_sequences", "garments", "gestures",
    "hidden_parity", "patterns", "phrases", "posts", "questions", "recall", "reviews", "scales",
    "sentences", "spirals", "stereo_pairs", "vector_classes",
]  # fmt: skip
