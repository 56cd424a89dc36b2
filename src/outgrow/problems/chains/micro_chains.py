"""Chains of micro fields: the answer of one problem is an operand of the next."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ...core.callbacks import Warn, quiet
from ...core.errors import UsageError, nearest
from ...core.rng import python_rng
from ...types import Problem
from ..micro.field import Field as MicroField
from ..micro.field import Joiner, Taker, Taking, Written, require_levels
from ..micro.source import FIELDS as MICRO_FIELDS
from ..source import Source
from ..split import Split, split_of
from .micro_sets import SETS
from .quote import Quote
from .shape import AND, THEN, Shape

Link = Literal["operand", "none"]
Parts = Literal["none", "also", "only"]

FIELDS: dict[str, MicroField] = {**MICRO_FIELDS, Quote.name: Quote()}

_NAMES = "xyz"  # of the answers that go on, in order
_TRIES = 60  # for one part; of a split with a tenth of the problems, one in 500 parts is not found
# In a row. The rest of a nearly exhausted chain is not worth the wait.
_REPEATS_BEFORE_EXHAUSTED = 30
_MISFITS_BEFORE_EXHAUSTED = 300


class MicroChains(Source):
    """Problem source `micro-chains`: up to `per_chain` distinct problems of each chain and level from one split.

    27+58=x;x*6=? is a chain of the fields sum and product; its field is `sum>product`, its level that of its parts. Every part of
    a chain is a problem of the same split, so what is measured was practised neither as a whole nor in parts. The list depends only
    on these settings, never on a run's seed.
    """

    type: str = "micro-chains"
    split: Split = Field(default="train", description="Split of the problems.")
    chains: tuple[str, ...] = Field(
        default=("seen",),
        description="Chains such as sum>product, sum>product>clock or sum&roman>difference; single fields; or names of sets: "
        f"{', '.join(SETS)}.",
    )
    levels: tuple[int, ...] = Field(default=(1, 2), description="Levels of the problems that chains are made of.")
    per_chain: int = Field(default=400, ge=1, description="Number of distinct problems for each chain and level.")
    largest: int = Field(default=999, ge=9, description="Largest answer of any part of a chain.")
    link: Link = Field(
        default="operand",
        description="operand: an answer is a number of the next question. none: the questions stand side by side, and all answers "
        "are asked.",
    )
    parts: Parts = Field(
        default="none",
        description="also: each chain's parts are added, as problems of their own. only: in place of the chains.",
    )

    @field_validator("chains")
    @classmethod
    def _known_chains(cls, chains: tuple[str, ...]) -> tuple[str, ...]:
        if not chains:
            raise ValueError(f"names no chain; name some, such as sum>product, or a set: {', '.join(SETS)}")
        for name in _written_out(chains):
            _require_possible(name)
        return chains

    @field_validator("levels")
    @classmethod
    def _known_levels(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        return require_levels(levels)

    @model_validator(mode="after")
    def _parts_can_be_asked(self) -> "MicroChains":
        """Refuse a later `quote` as a problem of its own: which of its numbers is asked for, only a chain says."""
        if self.link == "none" or self.parts != "none":
            setting = 'link = "none"' if self.link == "none" else f'parts = "{self.parts}"'
            for name in _written_out(self.chains):
                if Quote.name in Shape.read(name).later:
                    raise ValueError(f"{name}: {Quote.name} after > has no answer by itself; drop {setting} or this chain")
        return self

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, chains and levels in order, and after them their parts where these are wanted.

        Single fields have no parts, and stay whatever `parts` says. Raises UsageError where no problem can be made.
        """
        problems: dict[str, Problem] = {}
        for name in _written_out(self.chains):
            for level in sorted(set(self.levels)):
                drawn = draw_chains(Shape.read(name), Draw(level, self.split, self.largest, self.link), self.per_chain)
                if not drawn:
                    warn(f"micro-chains: {name} has no problem of level {level} with answers up to {self.largest:,}; raise largest")
                problems.update((problem.id, problem) for problem in drawn)
        if not problems:
            raise UsageError(f"micro-chains: no problem has answers up to {self.largest:,}; raise largest, or lower levels")
        whole = {id_: problem for id_, problem in problems.items() if self.parts != "only" or not problem.parts}
        parts = {part.id: part for problem in problems.values() for part in problem.parts}
        return list({**whole, **(parts if self.parts != "none" else {})}.values())


@dataclass(frozen=True)
class Draw:
    """How a chain is drawn; see the source's settings."""

    level: int
    split: Split
    largest: int = 999
    link: Link = "operand"


def draw_chains(shape: Shape, how: Draw, count: int) -> list[Problem]:
    """Return up to `count` distinct problems of one chain, level and split; fewer where there are no more.

    A longer list starts with the shorter one.
    """
    rng = python_rng("micro-chains", shape.name, how.level, how.split)
    problems: dict[str, Problem] = {}
    repeats = misfits = 0
    while len(problems) < count and repeats < _REPEATS_BEFORE_EXHAUSTED and misfits < _MISFITS_BEFORE_EXHAUSTED:
        parts = _draw_parts(shape, how, rng)
        if not parts:
            misfits += 1
            continue
        problem = _joined(shape, how, parts)
        if problem.id in problems:
            repeats += 1
            continue
        repeats = misfits = 0
        problems[problem.id] = problem
    return list(problems.values())


def _draw_parts(shape: Shape, how: Draw, rng: random.Random) -> list[Taking] | None:
    """Draw the parts of one chain; None where the values that came up fit no next problem."""
    parts: list[Taking] = []
    for place, field in enumerate(shape.fields):
        for part in _draws(shape, place, [part.written.answer for part in parts], how.level, rng):
            if part and split_of(field, part.written.key) == how.split and part.written.answer <= how.largest:
                parts.append(part)
                break
        else:
            return None
    return parts


def _draws(shape: Shape, place: int, values: Sequence[int], level: int, rng: random.Random) -> Iterator[Taking | None]:
    """Yield what could stand at a place of a chain, where the parts before it have these answers."""
    field = FIELDS[shape.fields[place]]
    if shape.merges and place == 2:
        assert isinstance(field, Joiner)
        yield field.join((values[0], values[1]), (_NAMES[0], _NAMES[1]))
        return
    for _ in range(_TRIES):
        if place == 0 or shape.merges:
            written = field.draw(level, rng)
            yield Taking(written.question, written)
        else:
            assert isinstance(field, Taker)
            yield field.take(values[-1], _NAMES[place - 1], level, rng)


def _joined(shape: Shape, how: Draw, taken: Sequence[Taking]) -> Problem:
    parts = tuple(_part(field, part.written, how.level) for field, part in zip(shape.fields, taken, strict=True))
    if len(parts) == 1:
        return parts[0]
    key = f"{parts[0].id}{AND if shape.merges else THEN}{THEN.join(part.id for part in parts[1:])}"
    # Each question is written out with its values, so that its steps follow from what stands before them.
    steps = [f"{part.question}{part.solution}" for part in parts]
    solved = [f"{step}:{part.answer}" for step, part in zip(steps, parts, strict=True)]
    if how.link == "none":
        key, answer, solution = f"side by side:{key}", ";".join(part.answer for part in parts), ";".join(solved)
        questions = [part.question for part in parts]
    else:
        answer, solution = parts[-1].answer, ";".join((*solved[:-1], steps[-1]))
        questions = [*map(_named, (part.question for part in taken[:-1]), _NAMES), taken[-1].question]
    return Problem(key, shape.name, how.level, ";".join(questions), answer, solution, parts=parts)


def _named(question: str, name: str) -> str:
    """Return a question with a name for its answer: 27+58=? becomes 27+58=x, and "count a in nana" gets =x."""
    return f"{question.removesuffix('?')}{name}" if question.endswith("?") else f"{question}={name}"


def _part(field: str, written: Written, level: int) -> Problem:
    return Problem(
        id=f"{field}:{written.key}",
        field=field,
        level=level,
        question=written.question,
        answer=str(written.answer),
        solution=written.steps,
    )


def _written_out(chains: tuple[str, ...]) -> list[str]:
    """Return the chains, with those of a set in place of its name; each once."""
    return list(dict.fromkeys(chain for name in chains for chain in SETS.get(name, (name,))))


def _require_possible(name: str) -> None:
    """Raise ValueError where no chain of this name can be made."""
    shape = Shape.read(name)
    for field in shape.fields:
        if field not in FIELDS:
            raise ValueError(f"{name}: no micro field or set of chains called {field!r}{nearest(field, [*FIELDS, *SETS])}")
    if shape.merges and not isinstance(FIELDS[shape.fields[2]], Joiner):
        able = [field for field in FIELDS if isinstance(FIELDS[field], Joiner)]
        raise ValueError(f"{name}: {shape.fields[2]} cannot join two answers; the last field can be {' or '.join(able)}")
    for field in () if shape.merges else shape.later:
        if not isinstance(FIELDS[field], Taker):
            able = [other for other in FIELDS if isinstance(FIELDS[other], Taker)]
            raise ValueError(f"{name}: no problem of {field} can take an answer; after > comes one of {', '.join(able)}")
