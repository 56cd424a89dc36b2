"""Problems from files and known sets: every row is there, stays itself, or is named by its place when it cannot be read."""

import json
import re
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from helpers.data import rows_of
from outgrow.config import parse_recipe
from outgrow.core.errors import UsageError
from outgrow.problems.gsm8k import GSM8K
from outgrow.problems.math import Math
from outgrow.problems.overlap import fold
from outgrow.problems.suites import suite, suites
from outgrow.problems.table import Table
from outgrow.runs.practice_problems import distinct, shares, training_problems
from outgrow.types import Problem
from outgrow.verify import Attempt, Verifier

ROWS = [
    {"q": "3+4=?", "a": 7, "grade": "Level 2", "kind": "sum"},
    {"q": "3*4=?", "a": "12", "grade": 3, "kind": "product"},
    {"q": " 3+4=? ", "a": "7", "grade": "Level ?", "kind": "sum"},
    {"q": "1+1=?", "a": None, "grade": None, "kind": "sum"},
]
COLUMNS = {"question": "q", "answer": "a", "level": "grade", "field": "kind"}


def write(path, rows):
    if path.suffix == ".parquet":  # one type a column
        texts = [{name: value if value is None else str(value) for name, value in row.items()} for row in rows]
        pq.write_table(pa.Table.from_pylist(texts), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_named_columns(tmp_path, suffix):
    notes = []
    problems = Table(path=write(tmp_path / f"own.{suffix}", ROWS), **COLUMNS).load(notes.append)
    assert [(p.question, p.answer, p.level, p.field) for p in problems] == [("3+4=?", "7", 2, "sum"), ("3*4=?", "12", 3, "product")]
    place = "line 4" if suffix == "jsonl" else "row 4"
    unanswered, repeated = notes
    assert unanswered.startswith("own: skipped 1 row ") and f"empty (1) (own.{suffix}, {place})" in unanswered
    assert repeated.startswith("own: skipped 1 row")


def test_ids_belong_to_questions_not_places(tmp_path):
    there, back = (
        {p.question: p.id for p in Table(path=write(tmp_path / "own.jsonl", rows), **COLUMNS).load()} for rows in (ROWS, ROWS[::-1])
    )
    assert there == back
    assert len(set(there.values())) == len(there)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"q": "1", "a": "1"}\n{"q": "2", \n{"q": "3", "a": "3"}\n', "own.jsonl, line 2: not a JSON row"),
        (b'{"q": "1", "a": "1"}\n\n[1, 2]\n', "own.jsonl, line 3: a row must be a JSON object"),
        (b'{"q": "1", "answer": "1"}\n', "own.jsonl, line 1: no column 'a'; it has 'q', 'answer'"),
        (b'{"q": "1", "a": [["1"]]}\n', "own.jsonl, line 1: column 'a' holds nested values"),
        (b'{"q": "1", "a": {"value": "1"}}\n', "own.jsonl, line 1: column 'a' holds a table; name one of 'a.value'"),
        (b'{"q": "1", "a": "\xff"}\n', "own.jsonl, line 1: not a JSON row"),
        (b'{"q": ' + b"[" * 100_000, "own.jsonl, line 1: not a JSON row"),
        (b"", "own: no problem with a question and a known answer"),
    ],
)
def test_unreadable_rows_are_named(tmp_path, content, complaint):
    path = tmp_path / "own.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        Table(path=path, question="q", answer="a").load()
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "own.parquet").write_bytes(b"PAR1 and then nothing")
    for path, complaint in [
        (tmp_path / "none.jsonl", "No such file"),
        (tmp_path / "own.parquet", "not a Parquet file"),
        (tmp_path / "own.xlsx", "read from .jsonl, .json, .csv, "),
    ]:
        with pytest.raises(UsageError, match=complaint):
            Table(path=path).load()


@pytest.mark.parametrize("both", [{}, {"path": "x.jsonl", "hub": "a/b"}])
def test_a_table_comes_from_one_place(both):
    with pytest.raises(UsageError, match="either path or hub"):
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "table", **both}]})


def test_the_first_problems_of_gsm8k_can_be_taken(data):
    whole = GSM8K(split="test").load(pytest.fail)
    assert GSM8K(split="test", count=4).load(pytest.fail) == whole[:4]
    assert suite("gsm8k-4").load(pytest.fail) == whole[:4]
    assert suite("gsm8k-400").load(pytest.fail) == whole  # which are fewer here


@pytest.mark.parametrize("name", ["gsm8k-0", "gsm8k--4", "gsm8-4", "gsm8k-4-2", "related-4", "recall-facts-32-4"])
def test_no_other_count_is_a_suite(name):
    with pytest.raises(UsageError, match=f"no suite called '{name}'"):
        suite(name)


def test_gsm8k_rows_are_read(data):
    answers = {
        "train": ["32", "5000", "-7", "14", "670", "28", "15", "6667", "300", "72", "0", "1890"],
        "test": ["72", "16", "18250", "-16", "12", "95", "66", "35", "56", "640000"],
    }
    for split, expected in answers.items():
        problems = GSM8K(split=split).load(pytest.fail)
        assert [p.answer for p in problems] == expected
        # A line of a solution says in plain text what its annotation does: `48/2 = <<48/2=24>>24` is `48/2 = 24`.
        for problem, row in zip(problems, rows_of(data, f"gsm8k/{split}"), strict=True):
            *lines, _ = row["answer"].split("\n")
            assert problem.question == row["question"]
            assert problem.level == len(lines)
            plain = [re.split("<<|>>", line)[::2] for line in lines]
            assert problem.solution.split("\n") == ["".join(parts) for parts in plain]


def test_math_levels_subjects_and_answers(data):
    test, few = Math(split="test").load(), Math(split="math500").load()
    raw = rows_of(data, "math/test")
    assert len(test) == len(raw) == 12
    assert Counter(p.level for p in test) == Counter(int(row["level"][-1]) for row in raw)
    assert Counter(p.field for p in test) == Counter(row["type"] for row in raw)
    # MATH-500 states its answers beside the solutions, written out by other people.
    assert [p.answer for p in few] == [row["answer"] for row in rows_of(data, "math/math500")]
    assert {p.id for p in few} <= {p.id for p in test}
    assert {p.level for p in Math(split="test", levels=(1, 2)).load()} == {1, 2}


def test_empty_math_answers_are_said(data):
    notes = []
    problems = Math(split="train").load(notes.append)
    unanswered, repeated = notes
    assert "math: skipped 1 row" in unanswered and "an empty box (1) (train.jsonl, line 9)" in unanswered
    assert repeated.startswith("math: skipped 1 row")
    assert [p.answer for p in problems] == [
        "5", "\\frac{7}{12}", "84", "24", "1", "(-1,5)", "-\\frac{1}{2}", "9", "12", "37.5\\%", "7", "12", "47", "10"
    ]  # fmt: skip
    assert [p.level for p in problems] == [1, 1, 0, 2, 3, 4, 2, 2, 1, 1, 1, 3, 3, 1], "a level that is not known is 0"


@pytest.mark.parametrize(("source", "measured", "dropped"), [("gsm8k", "gsm8k", 1), ("math", "math", 2), ("math", "math500", 1)])
def test_held_out_questions_leave_training(data, source, measured, dropped):
    """The counts are those of the questions that tests/data repeats in other capitals, blanks and punctuation (its README)."""
    recipe = parse_recipe(
        {
            "name": "x",
            "policy": {"model": "micro-base"},
            "problems": [{"type": source}],
            "evaluate": {"suite": measured, "every": 0},
        }
    )
    notes = []
    (kept,) = training_problems(recipe, notes.append)
    assert len(kept) == len(recipe.problems[0].load()) - dropped
    assert any(str(dropped) in warn and "held out" in warn for warn in notes) == bool(dropped)
    held_out = {fold(problem.question) for problem in suite(measured).load()}
    assert not held_out & {fold(problem.question) for problem in kept}


def test_micro_training_loses_nothing():
    measured = {"suite": "micro", "validation": "micro-validation"}
    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "micro"}], "evaluate": measured})
    assert [len(problems) for problems in training_problems(recipe, pytest.fail)] == [len(recipe.problems[0].load())]


def test_problems_that_nobody_named_are_said():
    notes = []
    training_problems(parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "evaluate": {"suite": "micro"}}), notes.append)
    assert "names no [[problems]]" in notes[0]


@pytest.mark.parametrize(
    ("count", "weights", "expected"),
    # By hand: seats go one by one to the largest weight / (2 × seats + 1), after the first to each.
    [
        (8, [1.0], [8]),
        (8, [1.0, 1.0], [4, 4]),
        (8, [3.0, 1.0], [6, 2]),
        (10, [2.0, 1.0, 1.0], [5, 3, 2]),
        (4, [100.0, 1.0, 1.0], [2, 1, 1]),
    ],
)
def test_a_steps_problems_are_shared_by_weight(count, weights, expected):
    assert shares(count, weights) == expected


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(n, 200), st.lists(st.floats(0.1, 10), min_size=n, max_size=n))))
def test_shares_add_up_and_leave_nobody_out(drawn):
    count, weights = drawn
    given = shares(count, weights)
    assert sum(given) == count
    assert min(given) >= 1


def test_more_sources_than_problems_a_step():
    with pytest.raises(UsageError, match="problems_per_step=1 is too few for 2 problem sources"):
        shares(1, [1.0, 1.0])


def test_a_problem_of_two_sources_is_the_first_ones():
    a, b, c = (Problem(name, "sum", 1, f"{name}?", "1") for name in "abc")
    assert distinct([[a, b, a], [b, c]]) == [[a, b], [c]]
    with pytest.raises(UsageError, match="number 2"):
        distinct([[a, b], [b]])


def test_a_set_that_is_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"openai/gsm8k: cannot get this set.*gsm8k/train\.jsonl is not there") as error:
        GSM8K().load()
    assert "\n" not in str(error.value)


@meets(folded=15)
@given(st.text(), st.text(alphabet=" \t\n.,;:?'\"()"))
def test_folding_ignores_case_blanks_and_punctuation(question, noise):
    assert fold(question + noise) == fold(noise + question.upper().lower()) or question.upper().lower() != question.lower()
    assert fold(fold(question)) == fold(question)
    met("folded", question.upper().lower() == question.lower() and bool(fold(question)) and bool(noise))


@pytest.mark.parametrize(
    ("name", "count", "question", "answer"),
    [
        ("svamp", 10, "A jacket costs 92 dollars.", "75"),
        ("asdiv", 10, "Four gray stones and five white stones lie in a bowl.", "9"),  # one of 11 stands there twice
        ("aime2024", 10, "Find the sum of all positive integers", "36"),
        ("aime2025", 10, "Find the sum of all integers $b > 6$", "8"),
        ("amc2023", 10, "Two trains leave towns $60$ miles apart", "1.5"),
        ("minerva", 10, "A telescope with a focal length", "1.8"),
        ("olympiadbench", 10, "Anna thinks of an integer from 1 to 100.", "7"),
        ("arc-easy", 10, "Which part of a plant takes up water?", "C"),
        ("arc-challenge", 10, "A gardener moves a fern from a dark corner", "B"),
        ("commonsenseqa", 10, "Where does one borrow a book?", "B"),
        ("coin_flip", 10, "A coin shows heads. Ada turns it over.", "no"),
        ("last_letters", 10, "Write the last letter of each of the names", "aoon"),
    ],
)
def test_the_benchmarks(data, name, count, question, answer):
    problems = suite(name).load()
    assert len(problems) == count
    assert problems[0].question.startswith(question)
    assert problems[0].answer == answer
    with Verifier() as verifier:  # each known answer is right where it is given
        graded = verifier.grade([Attempt(f"\\boxed{{{problem.answer}}}", problem.answer) for problem in problems])
        others = verifier.grade([Attempt(f"\\boxed{{{one.answer}}}", other.answer) for one, other in pairwise(problems)])
    assert sum(one.right for one in graded) == count
    assert [one.right for one in others] == [one.answer == other.answer for one, other in pairwise(problems)]


def test_choices_have_letters_whatever_the_hub_calls_them(monkeypatch, tmp_path):
    listed = {"text": ["ash", "oak"], "label": ["1", "2"]}
    rows = [
        {"question": "Which?", "choices": listed, "answerKey": "2"},
        {"question": "Which?", "choices": ["a", "b"], "answer": "A"},
    ]
    (tmp_path / "arc").mkdir()
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    write(tmp_path / "arc" / "easy_test.jsonl", rows)
    asked = [(problem.question, problem.answer) for problem in suite("arc-easy").load()]
    end = "Answer with the letter of one choice."
    assert asked == [(f"Which?\nA. ash\nB. oak\n{end}", "B"), (f"Which?\nA. a\nB. b\n{end}", "A")]


def test_the_hubs_list_of_one_answer_is_that_answer(monkeypatch, tmp_path):
    (tmp_path / "olympiadbench").mkdir()
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    file = write(tmp_path / "olympiadbench" / "test.jsonl", [{"question": "How many?", "final_answer": ["$3$"]}])
    assert [problem.answer for problem in suite("olympiadbench").load()] == ["$3$"]
    write(file, [{"question": "How many?", "final_answer": ["3", "4"]}])
    assert [(problem.answer, problem.alternatives) for problem in suite("olympiadbench").load()] == [("3", ("4",))]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "Which?", "choices": ["a"], "answer": "C"}, "the answer 'C' .* choices A"),
        ({"question": "Which?", "choices": {"text": ["a"]}, "answer": "A"}, "column 'choices' "),
        ({"question": "Which?", "choices": "a or b", "answer": "A"}, "column 'choices' "),
        ({"choices": ["a"], "answer": "A"}, "no column 'question'"),
    ],
)
def test_a_choice_that_cannot_be_read_is_named(monkeypatch, tmp_path, row, said):
    (tmp_path / "arc").mkdir()
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    write(tmp_path / "arc" / "easy_test.jsonl", [row])
    with pytest.raises(UsageError, match=rf"easy_test\.jsonl, line 1: {said}"):
        suite("arc-easy").load()


def test_a_list_of_suites():
    assert suites("gsm8k, related,puzzles")[:3] == ["gsm8k", "math500", "svamp"]
    assert suites("gsm8k, related,puzzles")[-1] == "puzzles"
    assert suites("rows.jsonl,owner/name:dev") == ["rows.jsonl", "owner/name:dev"]
    assert suite("owner/name:dev").model_dump() == Table(hub="owner/name", split="dev").model_dump()
    with pytest.raises(UsageError, match=r"no suite called 'unrelatet' .did you mean 'unrelated'"):
        suites("related,unrelatet")
    with pytest.raises(UsageError, match="unrelated is a group; name one of its suites: arc-easy, "):
        suite("unrelated")
    with pytest.raises(UsageError, match=r"rows\.xlsx: rows are read from \.jsonl, "):
        suite("./rows.xlsx").load()


def test_a_set_that_is_nowhere_names_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"svamp/test\.jsonl: .*is not there; put the set there"):
        suite("svamp").load()
