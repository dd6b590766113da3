"""What the book does not print: data, comparisons, measuring, callbacks and pictures.

Dependencies point one way: the scripts import from here, nothing in here imports a script.

Importing any part of it first checks the installation and loads Keras on TensorFlow, without the
lines that TensorFlow starts with. In a reader's own program that is all that it does.
"""

from ch07.lab import startup

startup.load()  # first: before anything here imports Keras
