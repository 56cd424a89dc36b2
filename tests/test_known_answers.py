r"""Known answers in whole solutions, `####` and `\boxed`, and rows that repeat or contradict each other."""

import json

import pytest

from helpers.data import rows_of
from outgrow.core.errors import UsageError
from outgrow.problems.boxed_answers import boxed_answers
from outgrow.problems.cell import Unusable
from outgrow.problems.gsm8k import GSM8K
from outgrow.problems.known_answer import known_answer
from outgrow.problems.suites import suite
from outgrow.problems.table import Table
from outgrow.verify import Attempt, Verifier


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("18", "18"),
        ("6 * 3 = 18 eggs\n#### 18", "18"),
        ("####18", "18"),
        ("6 * 3 = 18\n#### 1,018\n", "1,018"),
        ("#### Solution\nSo it is $\\boxed{18}$.", "18"),
        ("So $\\boxed{17}$.\n#### 18", "18"),
        ("6 * 3 = 18\n#### \\boxed{18}", "18"),
        (r"\boxed{18}", "18"),
        (r"so \boxed 5", "5"),
        (r"so \boxed{ 5 } apples", "5"),
        (r"first \boxed{4}, so in all \boxed{18}", "18"),
        (r"\boxed{\boxed{18}}", "18"),
        (r"\fbox{18}", "18"),
        (r"\boxed{\text{(B)}}", r"\text{(B)}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"[asy]label(\boxed{7});[/asy] so \boxed{18}", "18"),
        (r"\fbox{\boxed{18}} and \boxed{ \fbox{18} }", "18"),
        (r"\boxed{18}. [asy]label(\boxed{7});[/asy]", "18"),
    ],
)
def test_the_answer_in_a_solution(text, answer):
    assert known_answer(text).answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "####",
        "so\n#### \n",
        "#### Step 1: add\n3+4",
        "#### 3\n#### 4",
        r"\boxed{",
        r"\boxed{}",
        r"\boxed{18} or \boxed{}",
        r"#### \boxed{}",
        "x" * 1001,
    ],
)
def test_a_solution_without_its_answer_is_refused(text):
    with pytest.raises(Unusable):
        known_answer(text)


ALL = "Find all solutions of the equation."
LISTED = "Enter all the solutions, separated by commas."
POINTS = "Give all points where they intersect, separated by semicolons."
SUM = "Find the sum of all possible values of $x$."
ONE = "Enter the coordinates of one of the foci, not both."
WHAT = "What is $x$?"


@pytest.mark.parametrize(
    ("question", "solution", "answers"),
    [
        # every box is a part of the answer
        (ALL, r"the answers are $\boxed{-2}$ and $\boxed{1}$.", ("-2, 1",)),
        (LISTED, r"$x$ must be $\boxed{3}$ or $\boxed{\frac{2}{5}}$.", (r"3, \frac{2}{5}",)),
        (POINTS, r"to be $\boxed{(2,2)}$ and $\boxed{(6,2)}$.", ("(2,2), (6,2)",)),
        (LISTED, r"so $\boxed{30^\circ}.$ The others are $\boxed{75^\circ, 75^\circ}.$", (r"30^\circ, 75^\circ, 75^\circ",)),
        (ALL, r"$\boxed{30}$ or $\boxed{150}$. To check: $\boxed{30}$, $\boxed{150}$.", ("30, 150",)),
        # one box is all of it
        (LISTED, r"In one case $\boxed{3}$, in the other $5$: $\boxed{3, 5}$.", ("3, 5",)),
        (LISTED, r"$\boxed{3, 5}$. Alternatively, $\boxed{3,5}$.", ("3,5",)),
        # a middle result stays one
        (WHAT, r"Hence $\boxed{3}$, and so $x = \boxed{9}$.", ("9",)),
        (SUM, r"$\boxed{7}$ and $\boxed{-11}$, so the sum is $\boxed{-4}$.", ("-4",)),
        (WHAT, r"$\boxed{9}$. - OR - by Vieta, the product is $\boxed{ 9 }$", ("9",)),
        # either will do
        (WHAT, r"this is $\boxed{28}$ or $\boxed{28_9}$.", ("28_9", "28")),
        (WHAT, r"We obtain $\boxed{12x -34}$, or $\boxed{-34 + 12x}$.", ("-34 + 12x", "12x -34")),
        (ONE, r"at $\boxed{(10, 0)}$ and $\boxed{(0,0)}$.", ("(0,0)", "(10, 0)")),
        (WHAT, r"the point $\boxed{(3,-5)}.$ As $f(0) = 0,$ $\boxed{(0,0)}$ is also an acceptable answer.", ("(0,0)", "(3,-5)")),
    ],
)  # fmt: skip
def test_which_of_several_boxes_are_the_answer(question, solution, answers):
    assert boxed_answers(solution, question) == answers


def test_a_file_of_gsm8ks_shape_is_read_as_gsm8k(data):
    """As table, as suite and by GSM8K's own source: the same answers, and each is right for its solution."""
    file = data / "gsm8k" / "test.jsonl"
    expected = [problem.answer for problem in GSM8K(split="test").load()]
    problems = Table(path=file).load(pytest.fail)
    assert [problem.answer.replace(",", "") for problem in problems] == expected
    assert suite(str(file)).load() == problems
    with Verifier(["hash"]) as verifier:
        attempts = [Attempt.at(problem, row["answer"]) for problem, row in zip(problems, rows_of(data, "gsm8k/test"), strict=True)]
        assert all(grade.right for grade in verifier.grade(attempts))
    assert all("####" not in problem.solution and problem.solution for problem in problems)


def test_a_file_of_maths_shape_is_read_as_math(data):
    expected = [(problem.answer, problem.alternatives) for problem in suite("math").load()]
    problems = Table(path=data / "math" / "test.jsonl").load()
    assert [(problem.answer, problem.alternatives) for problem in problems] == expected


ROWS = [
    ("1+1=?", "2"),
    ("1+2=?", "3"),
    ("1+1=? ", "2.0"),  # a repeat: blanks do not count, and 2.0 is 2
    ("1+3=?", "4"),
    ("1+2=?", "5"),  # contradicts
    ("1+3=?", ["four", "4"]),  # they have an answer in common
    ("2x+2y=?", "2(x+y)"),
    ("2x+2y=?", "2x+2y"),  # equal by LaTeX only
    ("1+2=?", "3"),  # the first answer again does not settle it
    ("6x=?", "6x"),
    ("6x=?", "7x"),
]


def test_a_repeat_and_a_contradiction_are_told_apart(tmp_path):
    notes = []
    problems = Table(path=write(tmp_path / "own.jsonl", [{"question": q, "answer": a} for q, a in ROWS])).load(notes.append)
    assert [(p.question, p.answer) for p in problems] == [("1+1=?", "2"), ("1+3=?", "4"), ("2x+2y=?", "2(x+y)")]
    repeats, contradictions = notes
    assert "3 rows that repeat" in repeats and "own.jsonl, lines 3, 6, 8" in repeats
    assert "2 questions" in contradictions and "5 rows" in contradictions
    assert "own.jsonl, lines 2, 5, 9 and 2 more" in contradictions


def test_a_table_of_contradictions_only_is_an_error(tmp_path):
    rows = [{"question": "1+1=?", "answer": answer} for answer in ("2", "3")]
    with pytest.raises(UsageError, match="own: no problem"):
        Table(path=write(tmp_path / "own.jsonl", rows)).load()


def test_a_table_without_a_known_answer_says_why(tmp_path):
    rows = [{"question": "1+1=?", "answer": "so\n####"}]
    with pytest.raises(UsageError, match=r"own: no problem.*own\.jsonl, line 1.*empty"):
        Table(path=write(tmp_path / "own.jsonl", rows)).load()
