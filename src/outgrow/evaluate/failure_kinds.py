"""Why an answer is wrong: the first of a list of kinds that its text, the question and the known answer show.

Each is a rule over texts, so it may be wrong in a single case; none asks a model.
"""

import re
import unicodedata
from collections import Counter
from enum import StrEnum

from ..types import Verdict
from ..verify import EXTRACTORS
from ..verify.comparison.compare import same
from ..verify.comparison.fold import fold
from ..verify.comparison.number import read_number
from .arithmetic_steps import equations
from .sample import Sample


class Failure(StrEnum):
    """The kinds of failure."""

    LOOP = "loop"
    TRUNCATED = "truncated"
    VERIFIER_FAILED = "verifier failed"
    EXTRACTION = "read otherwise"
    NO_ANSWER = "no answer"
    CHANGED = "right, then changed"
    LANGUAGE = "language switch"
    SLIP = "arithmetic slip"
    COPIED = "copied number"
    SETUP = "wrong set-up"
    OTHER = "unexplained"


MEANING = {
    Failure.LOOP: "cut at the token limit while repeating itself",
    Failure.TRUNCATED: "cut at the token limit",
    Failure.VERIFIER_FAILED: "could not be judged",
    Failure.EXTRACTION: "another extractor finds the known answer: perhaps the verifier's mistake",
    Failure.NO_ANSWER: "ended without a final answer",
    Failure.CHANGED: "the known answer was reached or stated, and another given",
    Failure.LANGUAGE: "continues in a script that the question is not written in",
    Failure.SLIP: "a calculation in the text does not hold",
    Failure.COPIED: "the answer is a number of the question",
    Failure.SETUP: "every calculation in the text holds; the wrong thing was calculated, or read off",
    Failure.OTHER: "no calculation that can be checked",
}

_STATED = re.compile(
    r"\\boxed\{([^{}]{1,100})\}|\banswer[*_ ]{0,3}(?:is\b|:|=)[*_: ]{0,4}([^\n]{1,100}?)(?=\.?(?:\n|$)|\.\s)", re.I
)
_NUMBERS = re.compile(r"\d[\d,]{0,30}(?:\.\d{1,30})?")
_LONGEST = 200_000  # characters, the last ones, that are looked at
_TELLING = 10  # a smaller number turns up by chance
_FOREIGN = 10  # fewer letters of another script may be symbols


def failure_of(sample: Sample) -> Failure | None:
    """Return the kind of failure of an answer; None where it is right."""
    verdict, text = sample.verdict, sample.text[-_LONGEST:]
    if verdict is Verdict.RIGHT:
        return None
    if verdict is Verdict.TRUNCATED:
        return Failure.LOOP if repeats(text) else Failure.TRUNCATED
    if verdict is Verdict.VERIFIER_FAILED:
        return Failure.VERIFIER_FAILED
    if verdict is Verdict.WRONG and _reached(sample, text):
        return Failure.CHANGED
    if _other_extractor_finds_it(sample, text):
        return Failure.EXTRACTION
    if verdict is Verdict.NO_ANSWER:
        return Failure.NO_ANSWER
    if _foreign(text, sample.question) >= _FOREIGN:
        return Failure.LANGUAGE
    calculations = list(equations(text))
    if not all(equation.holds for equation in calculations):
        return Failure.SLIP
    if _copied(sample):
        return Failure.COPIED
    return Failure.SETUP if calculations else Failure.OTHER


def repeats(text: str) -> bool:
    """Return whether a text ends in repeats of a piece of up to 500 characters: at least three, and at least 60 characters."""
    return any(
        text[-same:] == text[-same - period : -period]
        for period in range(1, 501)
        if len(text) >= (same := max(2 * period, 60)) + period
    )


def _reached(sample: Sample, text: str) -> bool:
    """Return whether the known answer was stated, or came out of a calculation, before another answer was given."""
    stated = (match[1] or match[2] for match in _STATED.finditer(text))
    if any(same(sample.answer, answer.strip()) for answer in stated):
        return True
    known = read_number(fold(sample.answer))
    if known is None or abs(known.value) < _TELLING or _in_question(known.value, sample.question):
        return False
    return any(equation.result == known.value for equation in equations(text))


def _other_extractor_finds_it(sample: Sample, text: str) -> bool:
    read = (extract(text) for name, extract in EXTRACTORS.items() if name not in ("first_boxed", "auto"))
    return any(answer is not None and same(sample.answer, answer) for answer in read)


def _foreign(text: str, question: str) -> int:
    """Return the number of letters in scripts that neither the question nor mathematics uses."""
    usual = {_script(letter) for letter in question if letter.isalpha()} | {"LATIN", "GREEK", "MATHEMATICAL", "DOUBLE-STRUCK"}
    return sum(count for letter, count in Counter(text).items() if letter.isalpha() and _script(letter) not in usual)


def _script(letter: str) -> str:
    return "LATIN" if letter.isascii() else unicodedata.name(letter, "UNKNOWN").split()[0]


def _copied(sample: Sample) -> bool:
    answered = read_number(fold(sample.extracted)) if sample.extracted else None
    return answered is not None and _in_question(answered.value, sample.question)


def _in_question(value: object, question: str) -> bool:
    numbers = (read_number(match[0].rstrip(",").replace(",", "")) for match in _NUMBERS.finditer(question))
    return any(number is not None and number.value == value for number in numbers)
