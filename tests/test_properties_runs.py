"""Any number, text and bytes: claims, signs, files and the command line."""

import argparse
import contextlib
import dataclasses
import io
import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import (
    folder,
    refused,
)

from ch07 import (
    claims,
    clinic,
    files,
    lab,
)

# Claims, signs and files

bounds = st.none() | st.floats(-1e6, 1e6)


@given(st.floats(), bounds, bounds)
def test_a_claim_holds_between_its_bounds_and_says_them(value, low, high):
    made = ("7.1", "lesson", "It is so", value, "accuracy", low, high)
    if low is None and high is None:
        refused(claims.Claim, *made, match="no bound")
        return
    claim = claims.Claim(*made)
    inside = (low is None or low <= value) and (high is None or value <= high)
    assert claim.holds == inside
    assert not math.isnan(value) or not claim.holds
    assert claim.verdict == ("holds" if inside else "does not hold")
    for bound in (low, high):
        assert bound is None or claims.number(bound) in claim.bound
    record = claim.as_record()
    assert record["holds"] == inside
    assert record["value"] == claims.json_number(value)
    assert float(claims.json_number(value)) == value or math.isnan(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**14), 10**14))
def test_a_number_is_printed_to_three_digits(value):
    told = float(claims.number(value).replace(",", ""))
    assert told == pytest.approx(float(value), rel=0.006, abs=0.0005 if abs(value) > 0.09 else 0)
    if float(value).is_integer() and abs(value) < 1e15:
        assert told == value


@given(st.floats(), bounds, bounds, st.sampled_from(sorted(clinic.SIGNS)))
def test_a_sign_counts_between_its_bounds(value, low, high, illness):
    sign = dataclasses.replace(clinic.SIGNS[illness], at_least=low, at_most=high)
    assert isinstance(sign, clinic.Sign)
    assert sign.counts(value) == (
        (low is None or low <= value) and (high is None or value <= high) and not math.isnan(value)
    )


values = st.lists(st.floats(0, 9), min_size=1, max_size=4)


@given(values, values, hnp.arrays("float64", (3, 3), elements=st.floats(0.1, 3)))
def test_signs_are_read_from_the_last_epoch(train, validation, buckets):
    tags = ("epoch_accuracy", "gradient_norm/conv_1", "gradient_norm/sentiment")
    logs = clinic.Logs(
        dict.fromkeys(tags, train),
        {"epoch_accuracy": validation},
        {"activations/sentiment": [buckets]},
    )
    assert clinic.accuracy_lost(logs) == train[-1] - validation[-1]
    assert 0 <= clinic.share_outside(logs) <= 1
    arriving = clinic.gradient_that_arrives(logs)
    assert arriving == 1 if train[-1] else math.isnan(arriving)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_a_file_written_aside_has_the_last_content_and_nothing_beside_it(contents):
    with folder() as place:
        for content in contents:
            files.write_aside(place / "a.bin", content)
            assert (place / "a.bin").read_bytes() == content
        with pytest.raises(TypeError):
            files.write_aside(place / "a.bin", "text")
        (place / "folder").mkdir()
        with pytest.raises(OSError, match="folder"):
            files.write_aside(place / "folder", contents[0])
        (place / "folder").rmdir()
        assert (place / "a.bin").read_bytes() == contents[-1]
        assert [path.name for path in place.iterdir()] == ["a.bin"]


@given(st.text("abc-._ \u00e9\u4e2d", min_size=1, max_size=8), st.integers(1, 4))
def test_a_new_folder_was_not_there_before(name, times):
    with folder() as place:
        if not name.strip(". "):
            refused(files.new_folder, place, name)
            return
        made = [files.new_folder(place / "deep", name) for _ in range(times)]
        assert made[0].name == name
        assert len(set(made)) == times
        assert all(path.is_dir() for path in made)
        for bad in ("", ".", "..", f"../{name}", f"{name}/x"):
            refused(files.new_folder, place, bad, match="no name")
        assert [path.name for path in place.iterdir()] == ["deep"]


# The command line


def section():
    made = lab.Section("7.1", "Title")

    @made.lesson("7.1.2", "A lesson")
    def lesson(run):
        """What it claims."""

    return made


def ended(arguments):
    """Exit status, and what was printed on stderr, of a program that does nothing."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), pytest.raises(SystemExit) as end:
        section().main(arguments)
    return end.value.code, told.getvalue()


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(words)
@example("7.2")
@example("%s")
@example("")
def test_any_other_text_for_a_section_is_refused_in_one_sentence(text):
    # Behind "--", or some of the texts would be options.
    assume("7.1.2.".startswith(text.rstrip(".") + ".") is False)
    status, told = ended(["--", text])
    assert status == 2
    assert "error: there is no section" in told
    assert "Traceback" not in told
    assert len(told.splitlines()) <= 1 + len(text.splitlines())
    refused_here = pytest.raises(lab.startup.UsageError)
    with refused_here:
        section().choose([text])


@given(words | st.integers().map(str) | st.floats().map(str))
@example("4294967296")
@example("9" * 5000)
@example("\u0663")
def test_any_text_is_a_seed_or_refused_in_one_sentence(text):
    if text.isascii() and text.isdigit() and len(text) < 99 and int(text) <= lab.LARGEST_SEED:
        assert lab.seed_number(text) == int(text)
        assert section().parser().parse_args([f"--seed={text}"]).seed == int(text)
        return
    status, told = ended([f"--seed={text}"])
    assert status == 2
    assert "error: argument --seed" in told
    assert "Traceback" not in told


@given(words | st.integers(-3, 10**6).map(str))
@example("9" * 5000)
def test_a_count_is_a_whole_number_from_1(text):
    if text.isascii() and text.isdigit() and len(text) < 99 and int(text) > 0:
        assert lab.count(text) == int(text)
        return
    parser = lab.Parser(prog="it")
    parser.add_argument("--trials", type=lab.count)
    told = io.StringIO()
    with contextlib.redirect_stderr(told), pytest.raises(SystemExit) as end:
        parser.parse_args([f"--trials={text}"])
    assert end.value.code == 2
    assert "error: argument --trials" in told.getvalue()
    with pytest.raises((argparse.ArgumentTypeError, ValueError)):
        lab.count(text)


@given(st.binary(max_size=20))
def test_a_file_in_the_place_of_a_folder_is_an_error_of_the_reader(content):
    with folder() as place:
        assert lab.writable(place / "a" / "b").is_dir()
        (place / "file").write_bytes(content)
        with pytest.raises(lab.startup.UsageError, match="cannot write"):
            lab.writable(place / "file")
