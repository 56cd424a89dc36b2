"""Is an extracted answer the known one? The known answer decides how.

A number wants a number that is written as one: an expression that is not worked out (3+4, 2^{10}) is wrong there. A choice wants
its letter, words the same words. Anything else is read as what it is made of (`structure`) and compared part by part (`match`),
formulas by their exact values (`equal`). An answer that lists the known one among others is wrong everywhere. Nothing is rounded.
"""

import re
from fractions import Fraction

from .fold import fold, words
from .introduction import without_prose
from .match import matches
from .number import join_thousands
from .phrases import without_phrase
from .structure import read_answer
from .tokens import tokens_of

# No answer in a known data set is half as long; what is longer is not an answer.
LONGEST = 1000

_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_DECIDED = re.compile(r"(yes|no)[,.;:](?!.*\b(?:yes|no)\b).*", re.IGNORECASE | re.DOTALL)
_ARTICLE = re.compile(r"(?:an?|the) (?=.)", re.IGNORECASE)
_OPTION = re.compile(r"(?:option|choice|answer) ?(?=\(?[A-Z]\)?\Z)", re.IGNORECASE | re.ASCII)
_CHOICE = re.compile(r"\(?([A-Z])\)?[.:]?", re.ASCII)
_CHOICE_AND_TEXT = re.compile(r"(?:\(([A-Za-z])\)|([A-Za-z])[).:])(?!.*(?:\([A-Za-z]\)|\b[A-Za-z][).:]|\b[A-Z]$)).+", re.ASCII)
_WORDS = re.compile(r"(?=.*[^\W\d_]{3})[^\W\d_](?:[^\W\d_]|[' -])*|yes|no", re.IGNORECASE)


def same(known: str, answer: str) -> bool:
    r"""Return whether `answer` says what `known` says.

    >>> same("1000", "$1,000.00"), same("B", r"\text{(B)}"), same("7", "6 or 7"), same(r"\frac{\sqrt3}{3}", r"\frac{1}{\sqrt3}")
    (True, True, False, True)
    """
    if known == answer:
        return True
    if len(answer) > LONGEST or len(known) > LONGEST:
        return False
    known, answer = fold(known), fold(answer)
    if _same_folded(known, answer):
        return True
    plain = without_prose(answer)
    return plain != answer and _same_folded(known, fold(plain))


def _same_folded(known: str, answer: str) -> bool:
    if known == answer:
        return True
    if not answer:
        return False
    if _PLAIN.fullmatch(known) and _PLAIN.fullmatch(answer):
        return Fraction(known) == Fraction(answer)
    known_words, answer_words = words(known), words(answer)
    if choice := _CHOICE.fullmatch(known_words):
        return _letter(answer_words) == choice[1] or _formula(known, answer)
    if _WORDS.fullmatch(known_words):
        if (decided := _DECIDED.fullmatch(answer_words)) and known_words.casefold() in ("yes", "no"):
            return known_words.casefold() == decided[1].casefold()
        if _same_words(_ARTICLE.sub("", known_words, count=1), _ARTICLE.sub("", answer_words, count=1)):
            return True
    known_form, answer_form = without_phrase(known_words), without_phrase(answer_words)
    if known_form == known_words and _WORDS.fullmatch(known_words):
        return False
    return _formula(known if known_form == known_words else known_form, answer if answer_form == answer_words else answer_form)


def _same_words(known: str, answer: str) -> bool:
    """Return whether the words are the same, in any case; a letter that stands by itself is a name: Brand B is not Brand b."""
    known_parts, answer_parts = known.split(), answer.split()
    return len(known_parts) == len(answer_parts) and all(
        one == other if len(one) == 1 < index else one.casefold() == other.casefold()
        for index, (one, other) in enumerate(zip(known_parts, answer_parts, strict=True), 1)
    )


def _formula(known: str, answer: str) -> bool:
    for known_reading in _readings(known):
        for answer_reading in _readings(answer):
            if matches(read_answer(tokens_of(known_reading)), read_answer(tokens_of(answer_reading))):
                return True
    return False


def _readings(folded: str) -> list[str]:
    """Return the ways to read an answer: 1,000 is a number, and perhaps a list."""
    joined = join_thousands(folded)
    return [joined] if joined == folded else [joined, folded]


def _letter(answer: str) -> str | None:
    """Return the capital letter of a choice: B, (B), B. or b), by itself or before its text; None where another choice follows."""
    answer = _OPTION.sub("", answer, count=1)
    if found := _CHOICE.fullmatch(answer):
        return found[1]
    found = re.fullmatch(r"\(?([a-z])\)", answer) or _CHOICE_AND_TEXT.fullmatch(answer)
    return next(filter(None, found.groups())).upper() if found else None
