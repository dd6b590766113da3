"""The exercises: each lesson has some, and what their solutions answer holds."""

import json

import pytest
from test_ranges import SLACK, outside

from ch07 import documents, evidence

EVIDENCE = json.loads(documents.EVIDENCE.read_text(encoding="utf-8"))
LESSONS = [lesson for lesson in documents.all_lessons() if not lesson.summary]
EXERCISES = [one for program in documents.EXERCISES for one in documents.lessons(program)]
ROWS = [(program, row) for program in documents.EXERCISES for row in EVIDENCE[program]["claims"]]


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A function from a module of exercises to the claims of one run of it, with seed 0."""
    claims = {}

    def solve(program):
        if program not in claims:
            output = tmp_path_factory.mktemp(program)
            record = evidence.run_program(program, 0, output)  # an error if anything is on stderr
            claims[program] = {(c["lesson"], c["claim"]): c for c in record["claims"]}
        return claims[program]

    return solve


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_lesson_has_two_or_three(lesson):
    own = [exercise for exercise in EXERCISES if exercise.of == lesson.name]
    assert 2 <= len(own) <= 3
    assert {exercise.number for exercise in own} == {lesson.number}


def test_exercises_stand_in_the_order_of_the_lessons():
    order = [lesson.name for lesson in LESSONS]
    places = [order.index(exercise.of) for exercise in EXERCISES]
    assert places == sorted(places)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_an_exercise_asks_explains_and_is_answered(exercise):
    assert "?" in exercise.question
    assert len(exercise.why) > 30
    assert any(row["lesson"] == exercise.name for _, row in ROWS)


@pytest.mark.parametrize(
    ("program", "row"), ROWS, ids=[f"{row['lesson']}: {row['claim']}" for _, row in ROWS]
)
def test_the_answer_holds_and_is_within_the_range_of_the_evidence(program, row, solved):
    claim = solved(program)[row["lesson"], row["claim"]]
    assert claim["bound"] == row["bound"]
    assert claim["holds"]
    assert row["held"] == row["of"] >= 10
    assert outside(float(claim["value"]), row, SLACK) == 0


@pytest.mark.parametrize("program", documents.EXERCISES)
def test_every_question_and_answer_has_a_translation(program):
    known = documents.translation(program)
    for exercise in documents.lessons(program):
        for kind in ("lessons", "questions", "why"):
            assert known[kind][exercise.name]
    for of, row in ROWS:
        if of == program:
            assert known["claims"][row["lesson"]][row["claim"]]
            assert not row["unit"] or known["units"][row["unit"]]
