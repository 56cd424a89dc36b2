"""Problems with several accepted answers: any of them is right, and the decision is that of one answer at a time."""

from itertools import product

import pytest

from outgrow.problems.shuffled import Shuffled
from outgrow.problems.table import Table
from outgrow.types import Problem, Verdict
from outgrow.verify import Attempt, Verifier

KNOWN = ("7", "Paris", r"\frac{\sqrt{3}}{3}")
GIVEN = ("7.0", "paris", r"\frac{1}{\sqrt{3}}", "8", "Rome", r"\sqrt{3}")


@pytest.mark.parametrize("accepted", [KNOWN, KNOWN[::-1], KNOWN[:2], KNOWN[1:], KNOWN[:1]])
def test_right_is_what_is_right_for_one_of_them(accepted):
    """The verdict by all answers is the best verdict by each: computed here from problems with one answer."""
    with Verifier() as verifier:
        alone = {
            (known, given): verifier.grade([Attempt(f"\\boxed{{{given}}}", known)])[0].right
            for known, given in product(KNOWN, GIVEN)
        }
        graded = verifier.grade([Attempt(f"\\boxed{{{given}}}", accepted[0], alternatives=accepted[1:]) for given in GIVEN])
    assert [grade.right for grade in graded] == [any(alone[known, given] for known in accepted) for given in GIVEN]
    assert [grade.extracted for grade in graded] == list(GIVEN)


def test_no_answer_and_cut_stay_what_they_are():
    with Verifier() as verifier:
        cut, silent, thought = verifier.grade(
            [
                Attempt(r"\boxed{7}", "6", finished=False, alternatives=("7",)),
                Attempt("It is 7.", "6", alternatives=("7",)),
                Attempt(r"<think>\boxed{7}", "6", alternatives=("7",)),
            ]
        )
    assert (cut.verdict, silent.verdict, thought.verdict) == (Verdict.TRUNCATED, Verdict.NO_ANSWER, Verdict.NO_ANSWER)


def test_an_undecided_answer_is_told_where_no_other_is_right():
    """An empty known answer cannot be verified; another one beside it still can be right, and cannot make it wrong."""
    attempts = [Attempt(r"\boxed{7}", "", alternatives=(other,)) for other in ("7", "8")]
    with Verifier() as verifier:
        assert [grade.verdict for grade in verifier.grade(attempts)] == [Verdict.RIGHT, Verdict.VERIFIER_FAILED]


def test_an_attempt_is_graded_by_what_the_problem_says():
    problem = Problem("p", "f", 1, "?", "7", scorer="s", alternatives=("8", "9"))
    assert Attempt.at(problem, "text", finished=False) == Attempt("text", "7", False, "s", ("8", "9"))


def test_shuffled_answers_keep_their_alternatives(tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_text("".join(f'{{"question": "{n}?", "answer": ["{n}", "n{n}"]}}\n' for n in range(5)))
    problems = Shuffled(source=Table(path=file)).load()
    assert [problem.alternatives for problem in problems] == [(f"n{problem.answer}",) for problem in problems]
    assert all(problem.question != f"{problem.answer}?" for problem in problems)
