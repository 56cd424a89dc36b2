"""Chains of any two to four sources: a number of a question is replaced by the answer of the question before it.

The device of Composition-RL (arXiv 2602.12036): the number n of the second question becomes K, and K is said to be the first answer
plus or minus a stated number, so that K is n and the second answer stays what it was.
"""

import random
import re
from collections.abc import Iterator, Sequence
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
from ..overlap import question_id
from ..source import Source
from ..split import Split, split_of
from .micro_chains import Parts
from .shape import AND, DEEPEST, THEN, Shape

Pairs = Literal["all", "seen", "unseen", "reversed"]

_LARGEST = 10**9  # a larger answer makes no question that a person would ask
_TRIES = 20  # for one chain, and repeats in a row before the sources count as exhausted
_NAMES = "KMNPQRSTUVWXYZ"
# A whole number of up to six digits that is no part of a decimal, a fraction, a time, a date, a percentage or a word.
_NUMBER = re.compile(r"(?<![\w.,/:%-])\d{1,6}(?![\w/:%-]|[.,]\d)", re.ASCII)


class Chains(Source):
    """Problem source `chains`: `count` chains of one problem of each of the sources, in their order.

    Only problems with a whole number as their answer come first, and only questions with a whole number in them come later. Every
    pair of fields comes up equally often. Both parts of a chain are of the same split, a hash of their questions.
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
        places = [self._fitting(place, warn) for place in range(len(self.sources))]
        shapes = self._shapes([sorted(place) for place in places])
        chains: dict[str, Problem] = {}
        rng, misses = python_rng("chains", self.split, self.pairs), 0
        while len(chains) < self.count and misses < _TRIES * len(shapes):
            shape = shapes[(len(chains) + misses) % len(shapes)]
            parts = [rng.choice(place[field]) for place, field in zip(places, shape.fields, strict=True)]
            chain = chained(parts, shape, rng)
            misses = misses + 1 if chain.id in chains else 0
            chains[chain.id] = chain
        if len(chains) < self.count:
            warn(f"chains: these sources make {len(chains):,} different chains, and not {self.count:,}")
        single = {part.id: part for chain in chains.values() for part in chain.parts}
        return [*(chains.values() if self.parts != "only" else ()), *(single.values() if self.parts != "none" else ())]

    def _fitting(self, place: int, warn: Warn) -> dict[str, list[Problem]]:
        """Return field -> the problems that can stand at a place of the chain."""
        source, last = self.sources[place], place == len(self.sources) - 1
        fitting = [
            problem
            for problem in checked_problems(source, warn)
            if not problem.turns
            and (last or answer_of(problem) is not None)
            and (place == 0 or _NUMBER.search(problem.question) is not None)
        ]
        fields: dict[str, list[Problem]] = {}
        for problem in fitting:
            if split_of("chains", problem.question) == self.split:
                fields.setdefault(_plain(problem.field), []).append(problem)
        if not fields:
            raise UsageError(f"chains, source {place + 1} ({source.type}): {self._why_none(len(fitting), place, last)}")
        return fields

    def _why_none(self, fitting: int, place: int, last: bool) -> str:
        if fitting:
            share = "eight tenths" if self.split == "train" else "a tenth"
            return f"{fitting:,} problems fit, and none is of the split {self.split} ({share} of a large set); add problems"
        needs = [] if last else ["a whole number as its answer"]
        needs += [] if place == 0 else ["a whole number in its question"]
        return f"no problem has {' and '.join(needs)}; name another source"

    def _shapes(self, fields: Sequence[Sequence[str]]) -> list[Shape]:
        """Return the chains of fields that are wanted, in an order in which places and fields alternate."""
        known = sorted({field for place in fields for field in place})
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
    """Return a problem's answer as a whole number; None where it is none."""
    number = read_number(fold(problem.answer))
    if number is None or number.percent or number.value.denominator != 1 or abs(number.value) > _LARGEST:
        return None
    return int(number.value)


def chained(parts: Sequence[Problem], shape: Shape, rng: random.Random) -> Problem:
    """Return the chain of these problems. All but the last have a whole number as answer, all but the first one in the question."""
    asked, solved = [f"Problem 1: {parts[0].question.strip()}"], [f"Problem 1: {parts[0].solution}"]
    for place, (before, part) in enumerate(pairwise(parts), 1):
        link = _link(before, part, rng)
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


def _link(before: Problem, part: Problem, rng: random.Random) -> _Link:
    answer = answer_of(before)
    assert answer is not None
    match = rng.choice(list(_NUMBER.finditer(part.question)))
    name = next(_free_names(part.question))
    value = int(match[0])
    difference = value - answer
    offset = "" if difference == 0 else f" {'plus' if difference > 0 else 'minus'} {abs(difference)}"
    return _Link(f"{part.question[: match.start()]}{name}{part.question[match.end() :]}", name, value, offset)


def _free_names(question: str) -> Iterator[str]:
    """Yield names that the question has no use for."""
    words = set(re.findall(r"[A-Za-z]+", question))
    yield from (name for name in _NAMES if name not in words)
    yield from (f"{name}{number}" for number in range(2, 100) for name in _NAMES)


def _plain(field: str) -> str:
    """Return a field's name without the marks of a chain.

    >>> _plain("algebra & numbers"), _plain("a>b"), _plain("")
    ('algebra and numbers', 'a to b', 'problems')
    """
    return field.replace(AND, "and").replace(THEN, " to ") or "problems"
