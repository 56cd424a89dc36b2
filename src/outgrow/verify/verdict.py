"""What the verifier says of a completion."""

from dataclasses import dataclass
from enum import StrEnum


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
