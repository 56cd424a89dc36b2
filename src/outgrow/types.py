"""What flows through a step, in the order in which it flows.

Problem -> Rollout -> Verdict, Graded -> ValueBaseline -> GradedGroup -> Visit: a source gives problems, an engine writes rollouts,
the verifier grades them, the ledger adds what it expected, rewards and advantages read the graded group, the ledger keeps the
visit.
Lists have one entry for each of the G rollouts of a group, in the order in which they were written.
"""

from dataclasses import dataclass
from enum import StrEnum

Turns = tuple[tuple[str, str], ...]
"""Turns of a conversation: each its role (system, user or assistant) and its text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One question whose answer can be checked.

    >>> Problem(id="sum:27+58", field="sum", level=2, question="27+58=?", answer="85").answer
    '85'
    """

    id: str
    """Unique in its source and stable over runs; the key of the ledger."""
    field: str
    """Subject, such as "sum" or "algebra"."""
    level: int
    """Nominal difficulty: 1 is the easiest, 0 means that the source has no levels."""
    question: str
    """Text that the prompt puts to the model."""
    answer: str
    """Known answer, as text."""
    solution: str = ""
    """Worked steps for supervised fine-tuning. Reinforcement learning never reads them."""
    scorer: str = ""
    """What the scoring process needs (`sandbox.guard.Scorer` as JSON); empty where an answer is compared with the known one."""
    whole: bool = False
    """Whether `solution` is the whole completion, and not only the thoughts before a boxed answer."""
    about: str = ""
    """The question whose answer a judge grades, where this problem asks for a grade; empty elsewhere."""
    alternatives: tuple[str, ...] = ()
    """Other answers that are as right as `answer`."""
    turns: Turns = ()
    """Turns before the question: a system turn, examples, what was said earlier. Empty for most problems."""
    row: str = ""
    """The row of its table as JSON, with all columns; empty where no reward reads rows, and where the source has none."""
    parts: "tuple[Problem, ...]" = ()
    """For a chain, the problems that it is made of, in order, each as it would be asked by itself."""

    def with_turns(self) -> str:
        """Return the question with the turns before it, as text for a reader that takes no conversation."""
        if not self.turns:
            return self.question
        return "\n\n".join(f"{role}: {text}" for role, text in (*self.turns, ("user", self.question)))


@dataclass(frozen=True)
class Rollout:
    """One completion of one prompt.

    >>> Rollout([5, 6], [7, 1], [-0.1, -0.7], finished=True, text="8").logprobs
    [-0.1, -0.7]
    """

    prompt_ids: list[int]
    """Tokens of the prompt."""
    completion_ids: list[int]
    """The T tokens of the completion; the end token is the last one where the model ended it."""
    logprobs: list[float]
    """T log-probabilities in nats, of the distribution that each token was drawn from."""
    finished: bool
    """Whether the model ended it. Otherwise the token limit cut it."""
    text: str
    """The completion as text."""
    weights_version: int = 0
    """Version of the weights that wrote it: the training steps behind them; 0 outside training."""


class Verdict(StrEnum):
    """What the verifier says of a completion."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_ANSWER = "no answer"
    TRUNCATED = "truncated"
    VERIFIER_FAILED = "verifier failed"


@dataclass(frozen=True)
class Graded:
    """A completion's verdict.

    >>> Graded(Verdict.RIGHT, "85").right
    True
    """

    verdict: Verdict
    extracted: str | None
    """The answer that was found in the completion; None where there is none."""

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.verdict is Verdict.RIGHT


@dataclass(frozen=True)
class ValueBaseline:
    """What the ledger knows of a problem before a group of it is written (see `ledger.posterior`)."""

    problem: float = 0.5
    """Value of the problem itself: the highest that its mean pass rate has been, from 0 to 1."""
    level: float = 0.5
    """Value of its field and level together, from 0 to 1."""
    shortest_right: int | None = None
    """Completion tokens of its shortest right answer so far; None where no answer was right."""


@dataclass(frozen=True)
class GradedGroup:
    """The G rollouts of one problem in one step, with their verdicts. Rewards and advantages are computed from it."""

    problem: Problem
    rollouts: list[Rollout]
    graded: list[Graded]
    step: int
    """Training step, from 1."""
    seed: int
    """Seed of the group's draws."""
    inside_think: bool
    """Whether the prompt has opened <think> already."""
    expected: ValueBaseline
    max_tokens: int
    """Longest completion allowed, in tokens."""
    scores: tuple[float, ...] = ()
    """The judge's score of each rollout, from 0 to 1; empty where there is no judge."""
    steps: int = 1
    """Training steps of the whole run."""

    @property
    def lengths(self) -> list[int]:
        """Completion tokens of each rollout."""
        return [len(rollout.completion_ids) for rollout in self.rollouts]

    @property
    def right(self) -> int:
        """Number of right rollouts."""
        return sum(grade.right for grade in self.graded)

    @property
    def mixed(self) -> bool:
        """Whether some rollouts are right and some are not."""
        return 0 < self.right < len(self.rollouts)

    @property
    def mean_length(self) -> float:
        """Mean completion length in tokens."""
        return sum(self.lengths) / len(self.rollouts)


@dataclass(frozen=True)
class Visit:
    """What the ledger keeps of one group.

    >>> Visit(step=3, problem_id="sum:27+58", n=8, right=6, mean_length=31.5).pass_rate
    0.75
    """

    step: int
    """Training step; 0 for a profile that was taken before training."""
    problem_id: str
    n: int
    """Number of rollouts."""
    right: int
    """Number of right ones."""
    mean_length: float
    """Mean completion length in tokens; 0 where it is unknown."""
    shortest_right: int | None = None
    """Completion tokens of the shortest right rollout; None where none was right."""
    truncated: int = 0
    """Number of rollouts that the token limit cut."""

    @property
    def pass_rate(self) -> float:
        """Share of right rollouts."""
        return self.right / self.n
