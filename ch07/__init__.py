"""What the book does not print: data, plumbing and pictures behind the numbered scripts.

Dependencies point one way: the scripts import from here, nothing in here imports a script.
"""
