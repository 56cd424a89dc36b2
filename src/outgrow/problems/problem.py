"""The problem: what a person or a file asks, and the answer it can be checked against."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One checkable question.

    id: unique in its source, stable over runs (the ledger's key).
    level: nominal difficulty, 1 the easiest; 0 where the source has none.
    solution: worked steps for SFT; RL never reads it.
    whole: whether the solution is all that is to be written, and not the thoughts before a boxed answer.
    scorer: what the scoring process needs (`gym.guard.Scorer` as JSON) where the problem has a scorer of its own; empty where an
    answer is compared with the known one.
    about: the question that this one is about, where it asks a judge to grade an answer to another; empty elsewhere.
    """

    id: str
    field: str
    level: int
    question: str
    answer: str
    solution: str = ""
    scorer: str = ""
    whole: bool = False
    about: str = ""
