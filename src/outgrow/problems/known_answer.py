r"""The known answer in a text that may be a whole solution: behind GSM8K's `####`, in a box, or all of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..verify.comparison.compare import LONGEST
from ..verify.extraction.extract import after_thinking
from ..verify.extraction.prose import phrase
from .boxed_answers import boxed_answers
from .cell import Unusable, answer_text, plain

_MARK = "####"
_SHORT = 60  # characters of an answer that stands by itself


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


def replied_answer(reply: str, question: str = "") -> KnownAnswer:
    """Return the answer that the reply of a chat holds: a marked one, what follows "the answer is", or all of a short reply.

    Raises Unusable where it holds none.

    >>> replied_answer("3 and 4 are 7. The answer is 7.").answer, replied_answer("7").answer
    ('7', '7')
    """
    if holds_solution(reply):
        return known_answer(reply, question)
    part = after_thinking(reply, False)
    said = None if part is None else phrase(part)
    if said is None and not (part and is_short(part)):
        raise Unusable("a reply that marks no answer")
    return _usable(KnownAnswer(answer_text(said or part), solution=reply if said or part != reply else ""))


def holds_answer(value: object) -> bool:
    """Return whether a solution's column may hold the answer: as a mark in a text, or as all of a short one."""
    return isinstance(value, str) and (holds_solution(value) or is_short(value))


def is_short(text: str) -> bool:
    """Return whether a text is an answer and no sentence: one line of up to 60 characters that does not end as a sentence does.

    >>> is_short("$0$"), is_short("It is seven.")
    (True, False)
    """
    text = text.strip()
    return 0 < len(text) <= _SHORT and "\n" not in text and not (text.endswith((".", "!", "?")) and " " in text)


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
