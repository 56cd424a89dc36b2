"""Every known answer of the public sets, written another way, is right for its own solution, and not for its neighbour's."""

import json
import os
from pathlib import Path

import pytest

from outgrow.types import Verdict
from outgrow.verify import Attempt, Verifier
from outgrow.verify.extract import boxed
from verify_exceptions import EXCEPTIONS

DATA = Path(os.environ.get("OUTGROW_DATA", Path(__file__).parents[2] / "shared" / "data"))
SPLITS = ("train", "test")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """The same answer, only styled otherwise, must not need a comparison process."""
    monkeypatch.setattr("outgrow.verify.pool._Worker", None)


def rows(name):
    file = DATA / f"{name}.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there; set OUTGROW_DATA to a folder with the data sets")
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def restyled(latex):
    """The same answer as another author would typeset it."""
    for plain, styled in ((r"\frac", r"\dfrac"), ("(", r"\left( "), (")", r" \right)"), ("=", " = ")):
        latex = latex.replace(plain, styled)
    return f"${latex}$."


@pytest.mark.parametrize("split", SPLITS)
def test_gsm8k_answers_against_their_solutions(split):
    """Styled as money with thousands commas and cents."""
    solutions = [row["answer"] for row in rows(f"gsm8k/{split}")]
    attempts = [Attempt(text, f"${int(text.split('#### ')[1]):,}.00") for text in solutions]
    graded = Verifier(["hash"]).grade(attempts)
    assert sum(one.right for one in graded) == len(solutions) >= 1319


@pytest.mark.parametrize("split", SPLITS)
def test_math_answers_against_their_solutions(split):
    solutions = [row["solution"] for row in rows(f"math/{split}")]
    graded = Verifier().grade([Attempt(text, restyled(boxed(text) or "")) for text in solutions])
    refused = {(f"math/{split}", index) for index, one in enumerate(graded) if not one.right}
    assert refused == {row for row in EXCEPTIONS if row[0] == f"math/{split}"}
    assert len(solutions) >= 5000 and len(refused) <= 0.005 * len(solutions)


def test_math500_answers_that_others_extracted_against_the_solutions():
    """MATH-500 carries its own column of answers."""
    attempts = [Attempt(row["solution"], row["answer"]) for row in rows("math/math500")]
    assert [one.verdict for one in Verifier().grade(attempts)] == [Verdict.RIGHT] * 500


@pytest.mark.parametrize("name", ["arc/challenge_test", "commonsenseqa/dev", "coin_flip/test", "last_letters/test"])
def test_choices_and_words_against_themselves_and_their_neighbours(name):
    answers = [row["answer"] for row in rows(name)]
    style = "The answer is ({})." if name.startswith(("arc", "commonsenseqa")) else "So the answer is **{}**."
    texts = [style.format(answer) for answer in answers]
    verifier = Verifier(["phrase"])
    assert all(one.right for one in verifier.grade([Attempt(t, a) for t, a in zip(texts, answers, strict=True)]))
    shifted = answers[1:] + answers[:1]
    graded = verifier.grade([Attempt(t, a) for t, a in zip(texts, shifted, strict=True)])
    assert [one.right for one in graded] == [a == b for a, b in zip(answers, shifted, strict=True)]
