"""The counts of docs/data-facts.md, each from the rows as they stand, and what the loaders make of them."""

import re
from collections import Counter

import pytest

from helpers.data import rows_of
from outgrow.problems.chains.question_numbers import numbers_of
from outgrow.problems.gsm8k import GSM8K
from outgrow.problems.math import Math
from outgrow.problems.suites import suite
from outgrow.problems.table import Table

BOX = re.compile(r"\\boxed\s*\{")
BASED = re.compile(r"-?(?:[\dA-F.]+|\\text\{[\dA-F]+\})_\{?\d+\}?\.?")
CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?(?: [ap]\.m\.)?(?: on .*)?")


@pytest.fixture(autouse=True)
def named(data, monkeypatch):
    monkeypatch.setenv("OUTGROW_DATA", str(data))


def contents(solution):
    """What its boxes hold, by counting braces; without drawings."""
    solution = re.sub(r"\[asy\].*?\[/asy\]", "", solution, flags=re.DOTALL)
    found = []
    for opened in BOX.finditer(solution):
        depth, end = 1, opened.end()
        while depth and end < len(solution):
            depth += (solution[end] == "{") - (solution[end] == "}")
            end += 1
        found.append(solution[opened.end() : end - 1])
    return found


def test_gsm8k(data):
    answers = [row["answer"].split("#### ")[1] for split in ("train", "test") for row in rows_of(data, f"gsm8k/{split}")]
    assert (len(answers), sum("," in answer for answer in answers), sum(answer[0] == "-" for answer in answers)) == (8792, 0, 5)
    assert all(re.fullmatch(r"-?\d+", answer) for answer in answers)
    loaded = [problem.answer for split in ("train", "test") for problem in GSM8K(split=split).load(pytest.fail)]
    assert loaded == answers
    assert [p.answer for p in Table(path=data / "gsm8k" / "test.jsonl").load(pytest.fail)] == loaded[7473:]


PIECES = {"thousands": r"\d,\\!\d|\d\{,\}\d", "mixed": r"\d\s+\d+\s?/\s?\d|\d\s*\\[tdc]?frac", "drawing": r"\[asy\]"}
"""Numbers of which a plain reader takes a piece."""


@pytest.mark.parametrize(
    ("file", "column", "thousands", "mixed", "drawing"),
    [
        ("gsm8k/train", "question", 0, 7, 0),
        ("gsm8k/test", "question", 0, 2, 0),
        ("math/train", "problem", 30, 17, 707),
        ("math/test", "problem", 25, 18, 419),
    ],
)
def test_numbers_in_questions(data, file, column, thousands, mixed, drawing):
    questions = [row[column] for row in rows_of(data, file)]
    found = {name: [text for text in questions if re.search(piece, text)] for name, piece in PIECES.items()}
    assert {name: len(texts) for name, texts in found.items()} == {"thousands": thousands, "mixed": mixed, "drawing": drawing}
    for piece in (PIECES["thousands"], PIECES["mixed"], r"\[asy\].*?\[/asy\]"):
        for text in questions:
            pieces = [match.span() for match in re.finditer(piece, text, re.DOTALL)]
            taken = [match.span() for match in numbers_of(text)]  # what a chain may replace
            assert not [spot for spot in taken if any(start < spot[1] and spot[0] < end for start, end in pieces)], text


@pytest.mark.parametrize(("split", "several", "different", "lists", "either"), [("train", 114, 24, 12, 6), ("test", 90, 23, 8, 6)])
def test_boxes_of_math(data, split, several, different, lists, either):
    rows = rows_of(data, f"math/{split}")
    boxed = [contents(row["solution"]) for row in rows]
    problems = {problem.question: problem for problem in Math(split=split).load()}
    assert sum(len(re.findall(r"\\boxed\b", row["solution"])) > 1 for row in rows) == several
    assert sum(len(set(found)) > 1 for found in boxed) == different
    joined = {row["problem"].strip(): found for row, found in zip(rows, boxed, strict=True)}
    known = {q: p for q, p in problems.items() if len(set(joined[q])) > 1}
    listed = {q: p for q, p in known.items() if p.answer not in ({c.strip() for c in joined[q]} | {"6", "-3"})}
    assert len(listed) == lists
    assert sum(bool(p.alternatives) for p in problems.values()) == either
    for question, problem in listed.items():
        assert problem.answer == ", ".join(dict.fromkeys(content.strip() for content in joined[question]))
        assert re.search(r"\ball\b|separated by", question)


def test_bases_of_math(data):
    """A number with its base behind it; A is a digit in base 11."""
    based = {
        split: sum(bool(BASED.fullmatch(problem.answer)) for problem in Math(split=split).load()) for split in ("train", "test")
    }
    assert based == {"train": 39, "test": 28}


def test_empty_and_bare_boxes_of_math(data):
    rows = rows_of(data, "math/train")
    assert [number for number, row in enumerate(rows, 1) if contents(row["solution"])[-1:] == [""]] == [5530, 5532]
    bare = [row["problem"] for row in rows if re.search(r"\\boxed \d", row["solution"]) and not contents(row["solution"])]
    answers = {problem.question: problem.answer for problem in Math(split="train").load()}
    assert [answers[question.strip()] for question in bare] == ["2", "9"]
    assert Counter(row["level"] for row in rows)["Level ?"] == 2


@pytest.mark.parametrize(
    ("name", "file", "start", "written", "right"),
    [
        ("svamp", "svamp/test", "Rachel's tree had 4 apples. She picked 2", "1", 4 - 2 + 3),
        ("math", "math/test", "The sum of a 15-term arithmetic series with first term 7", "3", (-210 * 2 / 15 - 14) / 14),
        ("math", "math/test", "Let $\\boxed{N}$ mean the number of whole number divisors", "12", 6),
    ],
)
def test_wrong_labels_are_corrected(data, name, file, start, written, right):
    [row] = [row for row in rows_of(data, file) if row.get("question", row.get("problem")).startswith(start)]
    assert row.get("answer", (contents(row.get("solution", "")) or [""])[-1]) == written
    notes = []
    [problem] = [problem for problem in suite(name).load(notes.append) if problem.question.startswith(start)]
    assert float(problem.answer) == right
    assert problem.alternatives == ()
    assert any("corrected" in note for note in notes)


def test_svamps_equations_agree_with_all_other_labels(data):
    wrong = []
    for row in rows_of(data, "svamp/test"):
        assert re.fullmatch(r"[\d.()+*/ -]+", row["solution"])
        if abs(eval(row["solution"]) - float(row["answer"])) > 1e-6:
            wrong.append(row["id"])
    assert wrong == ["svamp/chal-680"]


def test_times_and_ratios_of_asdiv(data):
    rows = [row for row in rows_of(data, "asdiv/all") if CLOCK.fullmatch(row["answer"])]
    ratios = [row for row in rows if "ratio" in row["question"].casefold()]
    assert (len(rows), len(ratios)) == (29, 11)
    assert sum(bool(re.fullmatch(r"\d{1,2}:\d\d", row["answer"])) for row in rows) == 24
    assert [(row["answer"], row["answer_raw"]) for row in rows_of(data, "asdiv/all") if row["answer"] == "-"] == [("-", "-(1/3)")]
    notes = []
    assert len(suite("asdiv").load(notes.append)) == 2213
    assert any("'-' (1)" in note for note in notes) and any("1 rows that repeat" in note for note in notes)


def test_shapes_of_minerva_and_olympiadbench(data):
    minerva = [row["answer"] for row in rows_of(data, "minerva/test")]
    assert sum(bool(re.search(r"\d[eE][-+]?\d", answer)) for answer in minerva) == 58
    assert [answer for answer in minerva if "np." in answer or re.search(r"\d\./", answer)] == [
        "np.arcsin(10/13)", "-1./3", "-3./2"
    ]  # fmt: skip
    olympiad = [row["answer"] for row in rows_of(data, "olympiadbench/test")]
    assert (sum("," in answer for answer in olympiad), sum("$" in answer for answer in olympiad)) == (111, 21)


def test_questions_of_arc_that_come_twice_have_other_choices(data):
    for name, file, twice in (("arc-challenge", "arc/challenge_test", 2), ("arc-easy", "arc/easy_test", 5)):
        questions = Counter(row["question"] for row in rows_of(data, file))
        assert sum(count - 1 for count in questions.values()) == twice
        assert len(suite(name).load(pytest.fail)) == sum(questions.values())
