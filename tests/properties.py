"""What the property-based tests share: their settings, bad values, and what they must cover."""

import ast
import contextlib
import importlib
import inspect
import tempfile
from pathlib import Path

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers

ROOT = Path(__file__).resolve().parent.parent

# The same examples every time, and no database of failed ones in the tree. Of models there are
# few examples, since one takes a tenth of a second and more.
hypothesis.settings.register_profile(
    "house",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")
few = hypothesis.settings(max_examples=8)

seeds = st.integers(0, 2**32 - 1)
no_sizes = st.one_of(
    st.integers(-(2**40), 0),
    st.floats(),
    st.sampled_from([None, "3", True, (2,), 2.0, np.float64(3)]),
)
no_seeds = st.one_of(st.integers(-(2**40), -1), st.floats(), st.sampled_from([None, "3", True]))
no_shares = st.one_of(
    st.floats(max_value=-1e-9), st.floats(min_value=1.001), st.sampled_from([None, "1", np.nan])
)
no_amounts = st.one_of(st.floats(max_value=-1e-9), st.sampled_from([None, "1", np.nan, np.inf]))


def refused(call, *args, match=None, **kwargs):
    """The sentence of the ValueError that a call has to end in: one line, not too long."""
    with pytest.raises(ValueError, match=match) as caught:
        call(*args, **kwargs)
    sentence = str(caught.value)
    assert 10 < len(sentence) < 400, sentence
    assert "\n" not in sentence
    return sentence


@contextlib.contextmanager
def folder():
    """A folder for one example; pytest's tmp_path is one for all of a test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def floats(shape, low=-1e3, high=1e3):
    """Arrays of `shape`, which is one or a strategy of them."""
    return hnp.arrays("float64", shape, elements=st.floats(low, high, width=32))


def public(module):
    """The names of the public functions and classes that `module` (its name) defines."""
    loaded = importlib.import_module(module)
    return {
        name
        for name, value in vars(loaded).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
        and not name.startswith("_")
    }


def named(path):
    """What the tests in a file name in their code as `module.function`: pairs of strings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def stack(*units, name="stack", outputs=("told",), features=3):
    """A classifier of (batch, features) points, with a layer for each of `units`."""
    x = point = keras.Input((features,), name="point")
    for n, size in enumerate(units):
        x = layers.Dense(size, activation="tanh", name=f"{name}_{n}")(x)
    last = [layers.Dense(2, activation="softmax", name=output)(x) for output in outputs]
    return keras.Model(point, last[0] if len(last) == 1 else last, name=name)


def points(samples, features=3, seed=0):
    """Points, (samples, features), for a `stack`."""
    return np.random.default_rng(seed).normal(size=(samples, features)).astype("float32")
