"""Rows of the public sets, or of tests/data, which has their shape; and what is asked of both."""

import json
from pathlib import Path

from outgrow.verify import Attempt, Verifier
from outgrow.verify.extraction.extract import boxed

FIXTURES = Path(__file__).parents[1] / "data"


def rows_of(folder: Path, name: str) -> list[dict]:
    """The rows of FOLDER/NAME.jsonl, as they stand there."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_bytes().splitlines()]


def restyled(latex: str) -> str:
    """The same answer as another author would typeset it."""
    for plain, styled in ((r"\frac", r"\dfrac"), ("(", r"\left( "), (")", r" \right)"), ("=", " = ")):
        latex = latex.replace(plain, styled)
    return f"${latex}$."


# Each of these grades the rows of one file; the tests say what must come out, of tests/data and of the real sets.


def right(extract: list[str], texts: list[str], known: list[str]) -> list[bool]:
    """Whether each text is right for the answer that is known."""
    return [one.right for one in Verifier(extract).grade([Attempt(*pair) for pair in zip(texts, known, strict=True)])]


def gsm8k_right(folder: Path, split: str) -> list[bool]:
    """Whether each solution is right for its answer, which is styled as money with thousands commas and cents."""
    solutions = [row["answer"] for row in rows_of(folder, f"gsm8k/{split}")]
    numbers = [int(text.split("#### ")[1].replace(",", "")) for text in solutions]
    return right(["hash"], solutions, [f"${number:,}.00" for number in numbers])


def math_right(folder: Path, split: str) -> list[bool]:
    """Whether each solution is right for its own last box, typeset another way."""
    solutions = [row["solution"] for row in rows_of(folder, f"math/{split}")]
    return right(["boxed"], solutions, [restyled(boxed(text) or "") for text in solutions])


def math500_right(folder: Path) -> list[bool]:
    """Whether each solution is right for the answer in the column of its own."""
    rows = rows_of(folder, "math/math500")
    return right(["boxed"], [row["solution"] for row in rows], [row["answer"] for row in rows])


def own_and_next_right(folder: Path, name: str) -> tuple[list[bool], list[bool], list[bool]]:
    """Whether each answer, in a sentence, is right for its row, and for the next row; and whether those two answers are equal."""
    answers = [row["answer"] for row in rows_of(folder, name)]
    style = "The answer is ({})." if name.startswith(("arc", "commonsenseqa")) else "So the answer is **{}**."
    texts, following = [style.format(answer) for answer in answers], answers[1:] + answers[:1]
    equal = [one == other for one, other in zip(answers, following, strict=True)]
    return right(["phrase"], texts, answers), right(["phrase"], texts, following), equal
