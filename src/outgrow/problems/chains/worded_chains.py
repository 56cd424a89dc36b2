"""Chains of any two to four sources: a number of a question is replaced by the answer of the question before it.

The device of Composition-RL (arXiv 2602.12036): the number n of the second question becomes K, and K is said to be the first answer
plus or minus a stated number, so that K is n and the second answer stays what it was.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, field_validator

from ...core.callbacks import Warn, quiet
from ...core.errors import UsageError
from ...core.registry import build
from ...core.rng import python_rng
from ...types import Problem
from ...verify.comparison.fold import fold
from ...verify.comparison.number import read_number
from ..checked import checked_problems
from ..overlap import fold as folded_question
from ..overlap import question_id
from ..source import Source
from ..split import Split, split_of
from .micro_chains import MicroChains, Parts
from .question_numbers import free_names, numbers_of
from .shape import AND, DEEPEST, THEN, Shape

Pairs = Literal["all", "seen", "unseen", "reversed"]

_LARGEST = 10**9  # a larger answer makes no question that a person would ask
_TRIES = 20  # for one chain, and repeats in a row before the sources count as exhausted


class Chains(Source):
    """Problem source `chains`: `count` chains of one problem of each of the sources, in their order.

    Only problems with a whole number as their only answer come first, and only questions with a whole number in them come later.
    Every pair of fields comes up equally often, as far as its problems go. All parts of a chain are different problems of the same
    split, a hash of their questions.
    """

    type: str = "chains"
    sources: tuple[SerializeAsAny[Source], ...] = Field(
        description="Two to four sources, one for each place in the chain.", examples=[[{"type": "gsm8k"}, {"type": "gsm8k"}]]
    )
    split: Split = Field(default="train", description="Split of the parts, by a hash of each question.")
    pairs: Pairs = Field(
        default="all",
        description="Which pairs of fields follow each other. seen: pairs such that each field comes as often first as second; "
        "reversed: these in the other order; unseen: the rest, and each field with itself.",
    )
    count: int = Field(default=400, ge=1, description="Number of chains.")
    parts: Parts = Field(
        default="none",
        description="also: each chain's parts are added, as problems of their own. only: in place of the chains.",
    )

    @field_validator("sources", mode="before")
    @classmethod
    def _built(cls, value: Any) -> tuple[Source, ...]:
        from .. import SOURCES  # this one is among them

        if not isinstance(value, list | tuple) or not 2 <= len(value) <= DEEPEST:
            raise ValueError(f"needs 2 to {DEEPEST} sources, as in [{{type='gsm8k'}}, {{type='gsm8k'}}]")
        return tuple(build(item, Source, SOURCES, "problem source") for item in value)  # type: ignore[type-abstract]

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return the chains, and after them their parts where these are wanted. Raises UsageError where none can be made."""
        fitting = [self._fitting(place, warn) for place in range(len(self.sources))]
        _require_own_ids(problem for problems in fitting for problem in problems)
        # Pairs are those of all fields: a split that lacks a field must not call another pair seen.
        known = sorted({_plain(problem.field) for problems in fitting for problem in problems})
        places = [self._of_split(place, problems) for place, problems in enumerate(fitting)]
        shapes = self._shapes([sorted(place) for place in places], known)
        chains: dict[str, Problem] = {}
        rng, misses, turn = python_rng("chains", self.split, self.pairs), 0, 0
        while len(chains) < self.count and misses < _TRIES * len(shapes):
            shape, turn = shapes[turn % len(shapes)], turn + 1
            parts = [rng.choice(place[field]) for place, field in zip(places, shape.fields, strict=True)]
            chain = chained(parts, shape, rng)
            if chain.id in chains or len({folded_question(part.question) for part in parts}) < len(parts):
                misses += 1
                continue
            misses = 0
            chains[chain.id] = chain
        if not chains:
            raise UsageError(f"chains: the sources have one and the same problem in the split {self.split}; add problems")
        if len(chains) < self.count:
            warn(f"chains: these sources make {len(chains):,} different chains, and not {self.count:,}")
        single = {part.id: part for chain in chains.values() for part in chain.parts}
        return [*(chains.values() if self.parts != "only" else ()), *(single.values() if self.parts != "none" else ())]

    def _fitting(self, place: int, warn: Warn) -> list[Problem]:
        """Return the problems, of any split, that can stand at a place of the chain."""
        last = place == len(self.sources) - 1
        return [
            problem
            for problem in checked_problems(self.sources[place], warn)
            if not problem.turns
            and not problem.parts
            and (last or answer_of(problem) is not None)
            and (place == 0 or numbers_of(problem.question))
        ]

    def _of_split(self, place: int, fitting: Sequence[Problem]) -> dict[str, list[Problem]]:
        """Return field -> those of these problems that are of the split. Raises UsageError where there is none."""
        fields: dict[str, list[Problem]] = {}
        for problem in fitting:
            if split_of("chains", problem.question) == self.split:
                fields.setdefault(_plain(problem.field), []).append(problem)
        if not fields:
            last = place == len(self.sources) - 1
            why = self._why_none(len(fitting), place, last)
            raise UsageError(f"chains, source {place + 1} ({self.sources[place].type}): {why}")
        return fields

    def _why_none(self, fitting: int, place: int, last: bool) -> str:
        if fitting:
            share = "eight tenths" if self.split == "train" else "a tenth"
            return f"{fitting:,} problems fit, and none is of the split {self.split} ({share} of a large set); add problems"
        if isinstance(self.sources[place], Chains | MicroChains):
            return "its problems are chains themselves; name the sources of their parts in its place"
        needs = [] if last else ["a whole number as its answer"]
        needs += [] if place == 0 else ["a whole number in its question"]
        return f"no problem has {' and '.join(needs)}; name another source"

    def _shapes(self, fields: Sequence[Sequence[str]], known: Sequence[str]) -> list[Shape]:
        """Return the chains of fields that are wanted, in an order in which places and fields alternate.

        fields: those of each place, in the split. known: those of all sources, in any split.
        """
        if self.pairs != "all" and len(known) < 3:
            raise UsageError(f"chains: pairs={self.pairs!r} needs at least three fields; these sources have {', '.join(known)}")
        shapes = [
            Shape(combination)
            for combination in product(*fields)
            if self.pairs == "all" or all(_pair_class(known, *pair) == self.pairs for pair in pairwise(combination))
        ]
        if not shapes:
            raise UsageError(f"chains: no fields of these sources can follow each other as a pair that is {self.pairs}")
        random.Random(0).shuffle(shapes)
        return shapes


def _pair_class(fields: Sequence[str], first: str, second: str) -> Pairs:
    """Return which pairs two fields belong to. Steps around a circle of all fields, so each comes as often first as second.

    >>> [_pair_class("abcde", "a", second) for second in "abcde"]
    ['unseen', 'seen', 'seen', 'reversed', 'reversed']
    """
    step = (fields.index(second) - fields.index(first)) % len(fields)
    if step == 0 or 2 * step == len(fields):
        return "unseen"
    return "seen" if 2 * step < len(fields) else "reversed"


def answer_of(problem: Problem) -> int | None:
    """Return a problem's answer as a whole number; None where it is none, or where another answer is as right."""
    values = set(map(_whole, (problem.answer, *problem.alternatives)))
    return values.pop() if len(values) == 1 else None


def _whole(answer: str) -> int | None:
    number = read_number(fold(answer))
    if number is None or number.percent or number.value.denominator != 1 or abs(number.value) > _LARGEST:
        return None
    return int(number.value)


def _require_own_ids(problems: Iterable[Problem]) -> None:
    """Raise UsageError where two problems of different questions have one id: a part would be measured by another's answers."""
    questions: dict[str, str] = {}
    for problem in problems:
        if questions.setdefault(problem.id, problem.question) != problem.question:
            raise UsageError(f"chains: two different problems of its sources have the id {problem.id!r}; give each its own")


def chained(parts: Sequence[Problem], shape: Shape, rng: random.Random) -> Problem:
    """Return the chain of these problems. All but the last have a whole number as answer, all but the first one in the question."""
    asked, solved = [f"Problem 1: {parts[0].question.strip()}"], [f"Problem 1: {parts[0].solution}"]
    names = free_names([part.question for part in parts])
    for place, (before, part) in enumerate(pairwise(parts), 1):
        link = _link(before, part, next(names), rng)
        is_number = f"the answer of problem {place}{link.offset}"
        asked.append(f"Problem {place + 1}, in which {link.name} is {is_number}: {link.question.strip()}")
        solved.append(f"So {link.name} is {link.value}.\nProblem {place + 1}: {part.solution}")
    question = "\n\n".join((*asked, f"Give the answer of problem {len(parts)}."))
    complete = all(part.solution and not part.whole for part in parts)
    return replace(
        parts[-1],
        id=question_id("chains", question),
        field=shape.name,
        level=max(part.level for part in parts),
        question=question,
        solution="\n".join(solved) if complete else "",
        whole=False,
        row="",
        parts=tuple(parts),
    )


@dataclass(frozen=True)
class _Link:
    """How a question takes a number from the one before it."""

    question: str
    """The question with a name in place of the number."""
    name: str
    value: int
    offset: str
    """What is added to the answer before, in words; empty where the two are equal."""


def _link(before: Problem, part: Problem, name: str, rng: random.Random) -> _Link:
    answer = answer_of(before)
    assert answer is not None
    match = rng.choice(numbers_of(part.question))
    value = int(match[0])
    difference = value - answer
    offset = "" if difference == 0 else f" {'plus' if difference > 0 else 'minus'} {abs(difference)}"
    return _Link(f"{part.question[: match.start()]}{name}{part.question[match.end() :]}", name, value, offset)


def _plain(field: str) -> str:
    """Return a field's name without the marks of a chain.

    >>> _plain("algebra & numbers"), _plain("a>b"), _plain("")
    ('algebra and numbers', 'a to b', 'problems')
    """
    return field.replace(AND, "and").replace(THEN, " to ") or "problems"
