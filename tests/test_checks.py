"""What is refused is named, with its value, in one sentence; what is sound passes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
@given(st.integers(0, 9), st.integers(-20, 20) | st.floats())
def test_a_whole_number_is_one_from_the_least(least, value):
    if isinstance(value, int) and value >= least:
        checks.whole(least, size=value)
    else:
        assert "size is" in refused(checks.whole, least, size=value)
    refused(checks.whole, size=True, match="size is True: a whole number from 1 is needed")


@usual
@given(st.text(max_size=5), st.integers(-3, 3))
def test_what_is_monitored_is_logged(text, value):
    assert checks.monitored({text: value}, text) == value
    if text not in ("a", "bc"):
        refused(checks.monitored, {"a": 1, "bc": 2}, text, match="monitor is")
