"""What is refused is named, with its value, in one sentence; what is sound passes."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ch07 import checks

usual = settings(derandomize=True, deadline=None, max_examples=25, database=None)


def refused(call, *args, match=None, **kwargs):
    """The sentence of the ValueError that a call has to end in: one line, not too long."""
    with pytest.raises(ValueError, match=match) as caught:
        call(*args, **kwargs)
    sentence = str(caught.value)
    assert 10 < len(sentence) < 400, sentence
    assert "\n" not in sentence
    return sentence


@usual
@given(st.integers(0, 9), st.integers(1, 4), st.integers(-20, 20) | st.floats())
def test_a_whole_number_is_one_from_the_least_in_steps(least, step, value):
    if isinstance(value, int) and value >= least and value % step == 0:
        assert checks.whole(least, step, size=value) == value
    else:
        assert "size is" in refused(checks.whole, least, step, size=value)
    refused(checks.whole, size=True, match="size is True: a whole number from 1 is needed")


@usual
@given(st.floats(), st.floats(-9, 0), st.floats(0, 9))
def test_a_number_lies_between_bounds_and_is_one(value, low, high):
    if low <= value <= high:
        checks.between(low, high, share=value)
    else:
        assert "share is" in refused(checks.between, low, high, share=value)


@usual
@given(st.text(max_size=5), st.integers(-3, 3))
def test_a_name_is_one_of_those_known_and_logged(text, value):
    known = ("a", "bc")
    if text in known:
        assert checks.one_of(known, letter=text) == text
        assert checks.monitored({text: value}, text) == value
    else:
        refused(checks.one_of, known, letter=text)
        refused(checks.monitored, {"a": 1, "bc": 2}, text, match="monitor is")
    if value < 1:
        refused(checks.enough, "The number of models", value, 1, "comparisons")


@usual
@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3), st.integers(1, 3))
def test_a_shape_has_the_axes_that_are_asked_for(shape, columns):
    array = np.zeros(shape)
    if len(shape) == 2 and shape[0] > 0 and shape[1] == columns:
        checks.shaped(f"rows, {columns}", table=array, other=array)
        refused(checks.shaped, "rows, columns", table=array, other=np.zeros((9, columns)))
        array[-1, -1] = np.nan
        refused(checks.finite, table=array)
    assert "table" in refused(checks.shaped, f"rows, {columns}", table=array)


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["x"], "str32"), ([1j], "complex128"), ([None], "object"), ([b"x"], "bytes8")],
)
def test_what_is_no_real_number_is_refused_by_its_type(values, kind):
    refused(checks.finite, table=np.array(values), match=f"table is of {kind}: real numbers are")


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64", "int8", "uint32", "bool"])
def test_numbers_of_any_type_pass(kind):
    checks.shaped("rows", table=keras.ops.ones(3, kind).numpy())
