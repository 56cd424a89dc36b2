"""Problems from files and known sets: every row is there, stays itself, or is named by its place when it cannot be read."""

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

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

DATA = Path(os.environ.get("OUTGROW_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROWS = [
    {"q": "3+4=?", "a": 7, "grade": "Level 2", "kind": "sum"},
    {"q": "3*4=?", "a": "12", "grade": 3, "kind": "product"},
    {"q": " 3+4=? ", "a": "7", "grade": "Level ?", "kind": "sum"},
    {"q": "1+1=?", "a": None, "grade": None, "kind": "sum"},
]
COLUMNS = {"question": "q", "answer": "a", "level": "grade", "field": "kind"}


@pytest.fixture
def data(monkeypatch):
    """The folder of real sets, in their hub shape."""
    if not (DATA / "gsm8k" / "train.jsonl").is_file():
        pytest.skip(f"the real sets are not at {DATA}; set OUTGROW_DATA to a folder with gsm8k/train.jsonl and the like")
    monkeypatch.setenv("OUTGROW_DATA", str(DATA))
    return DATA


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
    assert notes == [
        f"own: left out 1 rows without a question or an answer (own.{suffix}, {place})",
        "own: left out 1 rows whose question was already there",
    ]


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
        (b'{"q": "1", "a": ["1"]}\n', "own.jsonl, line 1: column 'a' holds list values"),
        (b'{"q": "1", "a": "\xff"}\n', "own.jsonl, line 1: not a JSON row"),
        (b'{"q": ' + b"[" * 100_000, "own.jsonl, line 1: not a JSON row"),
        (b"", "own: no problem with a question and an answer"),
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
        (tmp_path / "own.csv", "read from .jsonl or .parquet files"),
    ]:
        with pytest.raises(UsageError, match=complaint):
            Table(path=path).load()


@pytest.mark.parametrize("both", [{}, {"path": "x.jsonl", "hub": "a/b"}])
def test_a_table_comes_from_one_place(both):
    with pytest.raises(UsageError, match="either path or hub"):
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "table", **both}]})


def test_known_sets_are_whole(data):
    sizes = {"train": (7473, 0), "test": (1319, 0)}
    for split, (count, left_out) in sizes.items():
        notes = []
        problems = GSM8K(split=split).load(notes.append)
        assert (len(problems), len(notes)) == (count, left_out)
        assert all(p.answer.lstrip("-").isdigit() for p in problems)
        assert all(p.solution and "<<" not in p.solution and p.level >= 1 for p in problems)


def test_math_levels_subjects_and_answers(data):
    test, few = Math(split="test").load(), Math(split="math500").load()
    with (data / "math" / "test.jsonl").open() as file:
        raw = [json.loads(line) for line in file]
    assert Counter(p.level for p in test) == Counter(int(row["level"][-1]) for row in raw)
    assert Counter(p.field for p in test) == Counter(row["type"] for row in raw)
    # MATH-500 states its answers beside the solutions, written out by other people.
    with (data / "math" / "math500.jsonl").open() as file:
        assert [p.answer for p in few] == [json.loads(line)["answer"].strip() for line in file]
    assert {p.id for p in few} <= {p.id for p in test}
    assert {p.level for p in Math(split="test", levels=(1, 2)).load()} == {1, 2}


def test_empty_math_answers_are_said(data):
    notes = []
    problems = Math(split="train").load(notes.append)
    assert len(problems) + sum(int(warn.split("left out ")[1].split()[0]) for warn in notes) == 7500
    assert "line 5530" in notes[0]


@pytest.mark.parametrize(("source", "measured", "dropped"), [("gsm8k", "gsm8k", 0), ("math", "math", 5), ("math", "math500", 0)])
def test_held_out_questions_leave_training(data, source, measured, dropped):
    """The counts are those that the sets' own overlap check found."""
    recipe = parse_recipe(
        {"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": source}], "evaluate": {"suite": measured}}
    )
    notes = []
    (kept,) = training_problems(recipe, notes.append)
    assert len(kept) == len(recipe.problems[0].load()) - dropped
    assert any(f"left out {dropped} problems whose questions are held out" in warn for warn in notes) == bool(dropped)
    held_out = {fold(problem.question) for problem in suite(measured).load()}
    assert not held_out & {fold(problem.question) for problem in kept}


def test_micro_training_loses_nothing():
    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}})
    assert [len(problems) for problems in training_problems(recipe, pytest.fail)] == [len(recipe.problems[0].load())]


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
    with pytest.raises(UsageError, match="number 2 has no problem"):
        distinct([[a, b], [b]])


def test_a_set_that_is_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"openai/gsm8k: cannot get this set.*gsm8k/train\.jsonl is not there") as error:
        GSM8K().load()
    assert "\n" not in str(error.value)


def test_a_hub_set_is_read_in_its_converted_shape(tmp_path, monkeypatch):
    """The hub keeps CONFIG/SPLIT/0000.parquet, 0001.parquet, … of every set in the branch refs/convert/parquet."""
    asked = {}

    def download(repository, **wanted):
        asked.update(wanted, repository=repository)
        return str(tmp_path)

    monkeypatch.setattr("outgrow.problems.rows.snapshot_download", download)
    folder = tmp_path / "main" / "train"
    folder.mkdir(parents=True)
    for part, rows in enumerate((ROWS[:1], ROWS[1:2])):
        write(folder / f"000{part}.parquet", rows)
    problems = Table(hub="someone/set", config="main", **COLUMNS).load()
    assert [p.answer for p in problems] == ["7", "12"]
    assert asked == {
        "repository": "someone/set",
        "repo_type": "dataset",
        "revision": "refs/convert/parquet",
        "allow_patterns": "main/train/*.parquet",
    }
    with pytest.raises(UsageError, match="no split 'test' of config 'main'"):
        Table(hub="someone/set", config="main", split="test", **COLUMNS).load()


@given(st.text(), st.text(alphabet=" \t\n.,;:?'\"()"))
def test_folding_ignores_case_blanks_and_punctuation(question, noise):
    assert fold(question + noise) == fold(noise + question.upper().lower()) or question.upper().lower() != question.lower()
    assert fold(fold(question)) == fold(question)


@pytest.mark.parametrize(
    ("name", "count", "question", "answer"),
    [  # counts and first rows as they stand in the sets' own files
        ("svamp", 1000, "Each pack of dvds costs 76 dollars.", "51"),
        ("asdiv", 2214, "Seven red apples and two green apples are in the basket.", "9"),  # one of 2,215 stands there twice
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
def test_the_benchmarks(data, name, count, question, answer):
    problems = suite(name).load()
    assert len(problems) == count
    assert problems[0].question.startswith(question)
    assert problems[0].answer == answer
    with Verifier() as verifier:  # each known answer is right where it is given
        graded = verifier.grade([Attempt(f"\\boxed{{{problem.answer}}}", problem.answer) for problem in problems])
    assert sum(one.right for one in graded) == count


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


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "Which?", "choices": ["a"], "answer": "C"}, "the answer 'C' is none of the choices A"),
        ({"question": "Which?", "choices": {"text": ["a"]}, "answer": "A"}, "column 'choices' holds no list"),
        ({"question": "Which?", "choices": "a or b", "answer": "A"}, "column 'choices' holds no list"),
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
    assert suite("owner/name:dev") == Table(hub="owner/name", split="dev")
    with pytest.raises(UsageError, match=r"no suite called 'unrelatet' .did you mean 'unrelated'"):
        suites("related,unrelatet")
    with pytest.raises(UsageError, match="unrelated is a group; name one of its suites: arc-easy, "):
        suite("unrelated")
    with pytest.raises(UsageError, match=r"rows\.csv: rows are read from \.jsonl or \.parquet files"):
        suite("./rows.csv").load()


def test_a_set_that_is_nowhere_names_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"svamp/test\.jsonl: .*is not there; put the set there"):
        suite("svamp").load()
