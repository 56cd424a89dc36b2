"""Shuffled answers: the control that shows whether a gain comes from correct answers."""

from dataclasses import replace
from typing import Any

from pydantic import Field, SerializeAsAny, field_validator

from ..core.callbacks import Warn, quiet
from ..core.registry import build
from ..core.rng import python_rng
from ..types import Problem
from .checked import checked_problems
from .source import Source


class Shuffled(Source):
    """The problems of `source`, each with the answer (or scorer, and row) of another problem of its field and level.

    The distribution of answers stays the same; only which answer belongs to which problem is lost.
    """

    type: str = "shuffled"
    source: SerializeAsAny[Source] = Field(description="The source whose answers are exchanged.", examples=[{"type": "micro"}])
    seed: int = Field(default=0, description="Seed of the exchange.")

    @field_validator("source", mode="before")
    @classmethod
    def _built(cls, value: Any) -> Source:
        from . import SOURCES  # this one is among them

        return build(value, Source, SOURCES, "problem source")  # type: ignore[type-abstract]

    def with_rows(self) -> "Shuffled":
        return self.model_copy(update={"source": self.source.with_rows()})

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return the problems in their order, with shuffled answers."""
        problems = checked_problems(self.source, warn)
        cells: dict[tuple[str, int], list[Problem]] = {}
        for problem in problems:
            cells.setdefault((problem.field, problem.level), []).append(problem)
        dealt: dict[str, Problem] = {}
        for (field, level), cell in cells.items():
            order = python_rng(self.seed, "shuffled", field, level).sample(cell, len(cell))
            # Each takes from the next in a random round, so none keeps its own.
            dealt |= {problem.id: other for problem, other in zip(order, [*order[1:], order[0]], strict=True)}
        same = sum(dealt[problem.id].answer == problem.answer for problem in problems)
        if same:
            keep = "keeps" if same == 1 else "keep"
            warn(f"shuffled: {same} of {len(problems)} problems {keep} an equal answer (repeated, or the only one of their level)")
        return [_with_answer_of(dealt[problem.id], problem) for problem in problems]


def _with_answer_of(other: Problem, problem: Problem) -> Problem:
    return replace(problem, answer=other.answer, alternatives=other.alternatives, scorer=other.scorer, solution="", row=other.row)
