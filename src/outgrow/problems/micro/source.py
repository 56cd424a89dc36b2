"""Micro fields: procedural problems small enough for a 0.6M-parameter model, split by their operands.

The split of a problem is a hash of its canonical operands and of nothing else, so a problem met in training cannot come
up in a test, whichever level, seed or order it was drawn in.
"""

from pydantic import Field, field_validator

from ...core.callbacks import Warn, quiet
from ...core.errors import nearest
from ...core.rng import python_rng
from ...types import Problem
from ..source import Source
from ..split import Split, split_of
from .addition import Sum
from .binary import Binary
from .clock import Clock
from .difference import Difference
from .field import LEVELS, require_levels
from .field import Field as MicroField
from .letters import Letters
from .product import Product
from .roman import Roman
from .sequence import Sequence

FIELDS: dict[str, MicroField] = {
    field.name: field for field in (Sum(), Difference(), Product(), Clock(), Sequence(), Roman(), Binary(), Letters())
}

# Small levels (binary numbers of up to six bits) run out of new problems; give up after this many repeats in a row.
_REPEATS_BEFORE_EXHAUSTED = 500


class Micro(Source):
    """Problem source `micro`: up to `per_level` distinct problems of each field and level from one split.

    skip: how many of each field and level are passed over first: a source that skips n has no problem of one that takes n.
    The list depends only on these settings, never on a run's seed, so every run meets the same problems.
    """

    type: str = "micro"
    split: Split = Field(default="train", description="Split of the problems.")
    fields: tuple[str, ...] = Field(default=tuple(FIELDS), description="Fields of the problems.")
    levels: tuple[int, ...] = Field(default=LEVELS, description="Levels of the problems.")
    per_level: int = Field(default=400, ge=1, description="Number of distinct problems for each field and level.")
    skip: int = Field(
        default=0,
        ge=0,
        description="Number of problems to skip in each field and level, for example those that another source has.",
    )

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        if not fields:
            raise ValueError("needs at least one field")
        for name in fields:
            if name not in FIELDS:
                raise ValueError(f"unknown micro field {name!r}{nearest(name, list(FIELDS))}")
        return fields

    @field_validator("levels")
    @classmethod
    def _known_levels(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        return require_levels(levels)

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, fields and levels in order. A problem that two levels can draw is in the easier one."""
        problems: dict[str, Problem] = {}
        passed_over: set[str] = set()
        for name in self.fields:
            for level in sorted(self.levels):
                drawn = draw_problems(name, level, self.split, self.skip + self.per_level)
                passed_over.update(problem.id for problem in drawn[: self.skip])
                for problem in drawn[self.skip :]:
                    problems.setdefault(problem.id, problem)
        return [problem for problem in problems.values() if problem.id not in passed_over]


def draw_problems(field: str, level: int, split: Split, count: int) -> list[Problem]:
    """Return up to `count` distinct problems of one field, level and split; fewer where the level has no more.

    A longer list starts with the shorter one.
    """
    rng = python_rng("micro", field, level, split)
    problems: dict[str, Problem] = {}
    repeats = 0
    while len(problems) < count and repeats < _REPEATS_BEFORE_EXHAUSTED:
        written = FIELDS[field].draw(level, rng)
        if split_of(field, written.key) != split:
            continue
        if written.key in problems:
            repeats += 1
            continue
        repeats = 0
        problems[written.key] = Problem(
            id=f"{field}:{written.key}",
            field=field,
            level=level,
            question=written.question,
            answer=str(written.answer),
            solution=written.steps,
        )
    return list(problems.values())
