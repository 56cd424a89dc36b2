"""The verdict on one completion."""

from dataclasses import dataclass
from enum import StrEnum

from .extract import after_thinking, last_boxed
from .number import parse_integer


class Verdict(StrEnum):
    """What the verifier says of a completion."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_ANSWER = "no answer"
    TRUNCATED = "truncated"
    VERIFIER_FAILED = "verifier failed"


@dataclass(frozen=True)
class Graded:
    """A verdict and the answer it was given for (None where there was none)."""

    verdict: Verdict
    extracted: str | None

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.verdict is Verdict.RIGHT


def verify(text: str, answer: str, *, finished: bool, inside_think: bool) -> Graded:
    r"""Grade a completion against the known answer, an integer.

    The answer is the last `\boxed{}` after </think>. A completion that the token limit cut is TRUNCATED whatever it holds.

    >>> verify(r"4+3=7</think>\boxed{7}", "7", finished=True, inside_think=True).verdict
    <Verdict.RIGHT: 'right'>
    """
    if not finished:
        return Graded(Verdict.TRUNCATED, None)
    expected = parse_integer(answer)
    if expected is None:
        return Graded(Verdict.VERIFIER_FAILED, None)
    part = after_thinking(text, inside_think)
    extracted = last_boxed(part) if part is not None else None
    if extracted is None:
        return Graded(Verdict.NO_ANSWER, None)
    return Graded(Verdict.RIGHT if parse_integer(extracted) == expected else Verdict.WRONG, extracted)
