"""Answers dealt out anew: the control that shows whether a gain comes from their being right."""

from dataclasses import replace
from typing import Any

from pydantic import SerializeAsAny, field_validator

from ..component import build
from ..keyed import python_random
from .problem import Problem
from .source import Note, Source, quiet


class Shuffled(Source):
    """The problems of `source`, each with the answer (or scorer) of another one of its field and level.

    So answers stay as common as they were, and what is learned from them is anything but which one is right.
    """

    type: str = "shuffled"
    source: SerializeAsAny[Source]
    seed: int = 0

    @field_validator("source", mode="before")
    @classmethod
    def _built(cls, value: Any) -> Source:
        from . import SOURCES  # this one is among them

        return build(value, SOURCES, "problem source")

    def load(self, note: Note = quiet) -> list[Problem]:
        """The problems in their order."""
        problems = self.source.load(note)
        cells: dict[tuple[str, int], list[int]] = {}
        for place, problem in enumerate(problems):
            cells.setdefault((problem.field, problem.level), []).append(place)
        for (field, level), places in cells.items():
            dealt = [problems[place] for place in places]
            python_random(self.seed, "shuffled", field, level).shuffle(dealt)
            for place, other in zip(places, dealt, strict=True):
                problems[place] = replace(problems[place], answer=other.answer, scorer=other.scorer, solution="")
        return problems
