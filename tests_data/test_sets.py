"""The real sets, whole: every row is read or left out by name, and what they share is known."""

from collections import Counter

import pytest

from helpers.data import rows_of
from outgrow.config import parse_recipe
from outgrow.flywheel import load_flywheel
from outgrow.flywheel.plan import plan_flywheel
from outgrow.plan import load_gpu_catalog
from outgrow.problems.gsm8k import GSM8K
from outgrow.problems.math import Math
from outgrow.problems.overlap import fold
from outgrow.problems.suites import suite
from outgrow.runs.practice_problems import training_problems
from outgrow.synthetic.contamination import held_out
from outgrow.verify import Attempt, Verifier


@pytest.fixture(autouse=True)
def named(data, monkeypatch):
    monkeypatch.setenv("OUTGROW_DATA", str(data))


@pytest.mark.parametrize(("split", "count"), [("train", 7473), ("test", 1319)])
def test_gsm8k_is_whole(split, count):
    problems = GSM8K(split=split).load(pytest.fail)
    assert len(problems) == count
    assert all(p.answer.lstrip("-").isdigit() for p in problems)
    assert all(p.solution and "<<" not in p.solution and p.level >= 1 for p in problems)


def test_math_levels_subjects_and_answers(data):
    test, few = Math(split="test").load(), Math(split="math500").load()
    raw = rows_of(data, "math/test")
    assert Counter(p.level for p in test) == Counter(int(row["level"][-1]) for row in raw)
    assert Counter(p.field for p in test) == Counter(row["type"] for row in raw)
    # MATH-500 states its answers beside the solutions, written out by other people.
    assert [p.answer for p in few] == [row["answer"].strip() for row in rows_of(data, "math/math500")]
    assert {p.id for p in few} <= {p.id for p in test}
    assert {p.level for p in Math(split="test", levels=(1, 2)).load()} == {1, 2}


def test_empty_math_answers_are_said():
    notes = []
    problems = Math(split="train").load(notes.append)
    assert len(problems) + sum(int(note.split("skipped ")[1].split()[0]) for note in notes) == 7500
    assert "line 5530" in notes[0]


@pytest.mark.parametrize(("source", "measured", "dropped"), [("gsm8k", "gsm8k", 0), ("math", "math", 5), ("math", "math500", 0)])
def test_held_out_questions_leave_training(source, measured, dropped):
    """The counts are those that the sets' own overlap check found."""
    recipe = parse_recipe(
        {"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": source}], "evaluate": {"suite": measured}}
    )
    notes = []
    (kept,) = training_problems(recipe, notes.append)
    assert len(kept) == len(recipe.problems[0].load()) - dropped
    assert any(f"dropped {dropped} problems whose questions are held out" in note for note in notes) == bool(dropped)
    held = {fold(problem.question) for problem in suite(measured).load()}
    assert not held & {fold(problem.question) for problem in kept}


@pytest.mark.parametrize(
    ("name", "count", "question", "answer"),
    [  # counts and first rows as they stand in the sets' own files
        ("svamp", 1000, "Each pack of dvds costs 76 dollars.", "51"),
        ("asdiv", 2213, "Seven red apples and two green apples are in the basket.", "9"),  # of 2,215 one repeats, one has no answer
        ("aime2024", 30, "Every morning Aya goes for a", "204"),
        ("aime2025", 30, "Find the sum of all integer bases", "70"),
        ("amc2023", 40, "Cities $A$ and $B$ are $45$ miles apart.", "27"),
        ("minerva", 272, "Each of the two Magellan telescopes", "1.6"),
        ("olympiadbench", 675, "Xenia and Sergey play the following game.", "2"),
        ("arc-easy", 2376, "Which statement best explains why photosynthesis", "A"),
        ("arc-challenge", 1172, "An astronomer observes that a planet rotates faster", "C"),
        ("commonsenseqa", 1221, "A revolving door is convenient", "A"),
        ("coin_flip", 500, "A coin is heads up. Whitney flips the coin.", "yes"),
        ("last_letters", 500, "Take the last letters", "yajo"),
    ],
)
def test_the_benchmarks(name, count, question, answer):
    problems = suite(name).load()
    assert len(problems) == count
    assert problems[0].question.startswith(question)
    assert problems[0].answer == answer
    with Verifier() as verifier:  # each known answer is right where it is given
        graded = verifier.grade([Attempt(f"\\boxed{{{problem.answer}}}", problem.answer) for problem in problems])
    assert sum(one.right for one in graded) == count


def test_math_500_stands_in_the_test_set_it_was_taken_from():
    known = held_out(["math500"], pytest.fail)
    test, few = ({fold(p.question) for p in suite(name).load()} for name in ("math", "math500"))
    assert known.questions == {"math500": 500}
    assert set(known.same) == few
    assert len(few & test) >= 490


def test_the_wheel_on_math_makes_data_of_all_but_what_it_is_measured_on():
    problems = len(Math().load())
    assert problems > 7000
    assert problems - 10 <= plan_flywheel(load_flywheel("r1-flywheel"), load_gpu_catalog()).data_problems <= problems
