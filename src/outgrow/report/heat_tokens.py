"""Questions as a memory reads them, token by token, as values for the page of a run."""

from __future__ import annotations

from dataclasses import dataclass

from .heat_scale import Scale


@dataclass(frozen=True)
class HeatToken:
    """A token of a question."""

    piece: str
    title: str
    surprise: int
    """Percent of the colour."""
    loss: int


@dataclass(frozen=True)
class QuestionHeat:
    """A question as the memory reads it."""

    place: str
    """Its field and level."""
    tokens: list[HeatToken]
    surprise_scale: Scale
    loss_scale: Scale
    said: str
    """The sentence on surprise and loss."""


@dataclass(frozen=True)
class QuestionHeats:
    """The questions, or why there are none."""

    questions: list[QuestionHeat]
    error: str = ""
