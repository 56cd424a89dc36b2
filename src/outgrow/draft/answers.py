"""How the known answers of a file look: numbers, choices, words, LaTeX; and which extractors can read them."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..audit.answer_form import can_be_written
from ..types import Problem

_CHOICE = re.compile(r"\(?[A-J]\)?")
_CHOICE_WORD = re.compile(r"[^\W\d_][\w' -]{0,19}")
_MOST_CHOICES = 6
_LATEX = re.compile(r"[\\^_{}$]")
_FORMS = ("last_number", "phrase", "boxed")


class AnswerKind(StrEnum):
    """What an answer is."""

    NUMBER = "numbers"
    CHOICE = "letters of choices"
    WORDS = "words"
    LATEX = "LaTeX"
    TEXT = "texts with digits or signs"


def kind_of(answer: str) -> AnswerKind:
    r"""Return what an answer is. A number is what the extractor `last_number` reads as a whole.

    >>> [kind_of(answer).name for answer in ("-1,358", "$18.50", "(B)", "yes", r"\\sqrt{2}", "3:40 pm")]
    ['NUMBER', 'NUMBER', 'CHOICE', 'WORDS', 'LATEX', 'TEXT']
    """
    text = answer.strip()
    if can_be_written("last_number", text):
        return AnswerKind.NUMBER
    if _CHOICE.fullmatch(text):
        return AnswerKind.CHOICE
    if _LATEX.search(text):
        return AnswerKind.LATEX
    return AnswerKind.TEXT if any(letter.isdigit() for letter in text) else AnswerKind.WORDS


@dataclass(frozen=True)
class AnswerFindings:
    """The known answers of a file's problems."""

    n: int
    """Number of problems."""
    kinds: tuple[tuple[AnswerKind, int], ...]
    """Each kind and its number of answers, the most frequent first."""
    distinct: int
    """Number of different answers."""
    commonest: str
    """The most frequent answer."""
    commonest_count: int
    """Number of problems with this answer: what a constant guess gets right."""
    choices: tuple[str, ...]
    """All different answers where they are a few short words, in alphabetical order; empty otherwise."""
    examples: tuple[str, ...]
    """Up to three different answers."""
    unread: tuple[tuple[str, int], ...]
    """Extractor -> number of problems with an answer that it cannot read even where it is written as asked."""

    @property
    def kind(self) -> AnswerKind:
        """The most frequent kind."""
        return self.kinds[0][0]

    @property
    def guess(self) -> float:
        """Share of the problems that the most frequent answer gets right."""
        return self.commonest_count / self.n

    def shares(self) -> str:
        """Return the kinds with their shares, for a person."""
        return ", ".join(f"{kind} {_percent(count / self.n)}" for kind, count in self.kinds)

    def named(self) -> str:
        """Return the kinds that at least one answer of a hundred is of, for a sentence."""
        *others, last = [kind.value for kind, count in self.kinds if count >= 0.01 * self.n]
        return f"{', '.join(others)} and {last}" if others else last

    def unread_by(self, extractor: str) -> int:
        """Return the number of problems with an answer that this extractor cannot read."""
        return dict(self.unread)[extractor]


def _choices(answers: Collection[str]) -> tuple[str, ...]:
    few = 2 <= len(answers) <= _MOST_CHOICES and all(_CHOICE_WORD.fullmatch(answer) for answer in answers)
    return tuple(sorted(answers)) if few else ()


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def look_at_answers(problems: Sequence[Problem]) -> AnswerFindings:
    """Return what the known answers are. Raises ValueError without problems."""
    if not problems:
        raise ValueError("no problems")
    answers = Counter(problem.answer.strip() for problem in problems)
    kinds: Counter[AnswerKind] = Counter()
    for answer, count in answers.items():
        kinds[kind_of(answer)] += count
    [(commonest, count)] = answers.most_common(1)
    accepted = [(problem.answer, *problem.alternatives) for problem in problems]
    unread = {form: sum(not all(can_be_written(form, answer) for answer in row) for row in accepted) for form in _FORMS}
    return AnswerFindings(
        n=len(problems),
        kinds=tuple(kinds.most_common()),
        distinct=len(answers),
        commonest=commonest,
        commonest_count=count,
        choices=_choices(answers),
        examples=tuple(list(answers)[:3]),
        unread=tuple(unread.items()),
    )
