r"""The known answer in a text that may be a whole solution: behind GSM8K's `####`, in a box, or all of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..verify.comparison.compare import LONGEST
from .boxed_answers import boxed_answers
from .cell import Unusable, answer_text, plain

_MARK = "####"


@dataclass(frozen=True)
class KnownAnswer:
    """What is right for a question."""

    answer: str
    alternatives: tuple[str, ...] = ()
    """Others that are as right."""
    solution: str = ""
    """The worked steps, where the text was a whole solution."""


def known_answer(value: object, question: str = "") -> KnownAnswer:
    r"""Return the answer that a cell holds; of a list, its items are answers of which each is right.

    Raises Unusable where it holds none, with the reason: a completion could then never be right.

    >>> known_answer("6 * 3 = 18\n#### 18").answer, known_answer(r"So $\boxed{4}$ or $\boxed{2^2}$.").alternatives
    ('18', ('4',))
    >>> known_answer(["color", "colour"])
    KnownAnswer(answer='color', alternatives=('colour',), solution='')
    """
    value = plain(value)
    if isinstance(value, list | tuple):
        return _any_of(value, question)
    text = answer_text(value)
    solution, marked, rest = text.rpartition(_MARK)
    if marked and not holds_solution(rest):
        return _usable(KnownAnswer(_behind_mark(rest, solution), solution=solution.strip()))
    if holds_solution(text):
        answer, *others = (answer_text(part) for part in boxed_answers(text, question))
        return _usable(KnownAnswer(answer, tuple(others), solution=text))
    return _usable(KnownAnswer(text))


def holds_solution(text: str) -> bool:
    """Return whether a text marks its answer, with `####` or a box."""
    return _MARK in text or "\\boxed" in text or "\\fbox" in text


def _behind_mark(rest: str, solution: str) -> str:
    if "\n" in rest.strip() or _MARK in solution:
        raise Unusable("#### that is not the mark of one last line")
    return answer_text(rest)


def _usable(known: KnownAnswer) -> KnownAnswer:
    if len(known.answer) > LONGEST:
        raise Unusable(f"longer than {LONGEST:,} characters")
    return known


def _any_of(items: Sequence[object], question: str) -> KnownAnswer:
    """Return an answer of which each usable item is right. Raises Unusable with the first item's reason where none is."""
    usable: list[str] = []
    reason = Unusable("an empty list")
    for item in reversed(items):
        try:
            known = known_answer(item, question)
            usable = [known.answer, *known.alternatives, *usable]
        except Unusable as error:
            reason = error
    if not usable:
        raise reason
    first, *others = dict.fromkeys(usable)
    return KnownAnswer(first, tuple(others))
