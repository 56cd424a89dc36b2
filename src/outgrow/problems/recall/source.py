"""Recall: what a question asks for stands farther back than a sliding window of attention reaches.

For the training of models with a memory, and to measure at which distance they still know what they read. Length and distance
count characters in the micro form, for a tokenizer of characters, and words in the worded form. A problem's level n says that its
distance is from 2^n to 2^(n+1) - 1, so that tables show recall by distance.

- facts: keys with values; one is asked for.
- mqar: pairs that stand together, and a question for two to four of them, after Zoology (Arora et al. 2023, arXiv 2312.04927).
- passkey: one long number in a text that repeats itself (Mohtashami & Jaggi 2023, arXiv 2305.16300).
- where: people move, take and drop things; where one is follows from one to three statements.
- updates: a key is set several times, and its newest value counts.
- nothing: a text as that of facts, but the fact that is asked for stands right before the question; shows whether a memory harms.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ...core.callbacks import Warn, quiet
from ...core.rng import python_rng
from ...types import Problem
from ..overlap import question_id
from ..source import Source
from ..split import Split
from . import facts as of_keys
from .forms import FORMS, Form, FormName
from .material import Material, Needs, lay_out
from .stories import where, where_needs

KindName = Literal["facts", "mqar", "passkey", "where", "updates", "nothing"]
OTHERS = 4
"""Number of other facts by default."""
_REPEATS_BEFORE_EXHAUSTED = 500  # in a row


@dataclass(frozen=True)
class Kind:
    """draw: makes a problem's statements. needs: the room that they take."""

    draw: Callable[[Form, Split, int, random.Random], Material]
    needs: Callable[[Form], Needs]


KINDS: dict[KindName, Kind] = {
    "facts": Kind(of_keys.facts, of_keys.facts_needs),
    "mqar": Kind(of_keys.mqar, of_keys.mqar_needs),
    "passkey": Kind(of_keys.passkey, of_keys.passkey_needs),
    "where": Kind(where, where_needs),
    "updates": Kind(of_keys.updates, of_keys.updates_needs),
    "nothing": Kind(of_keys.nothing, of_keys.nothing_needs),
}


class Recall(Source):
    """Problem source `recall`: `count` distinct problems of one kind from one split.

    The distance is that from the end of the newest statement that the answer follows from to the start of the question; of
    `nothing`, that of a fact that is not needed. Distances are spread evenly over the levels in their range. All keys with their
    values, and things with their places, in a text are of its split, so that a test has none that training has. The list depends
    only on these settings, never on a run's seed; a longer list starts with the shorter one.
    """

    type: str = "recall"
    kind: KindName = Field(default="facts", description="What is asked.")
    form: FormName = Field(default="micro", description="micro: short codes. worded: plain sentences.")
    length: int = Field(default=360, ge=1, description="Length of text and question together, in characters (micro) or words.")
    distance: tuple[int, int] = Field(
        default=(16, 128),
        description="Smallest and largest distance from what is asked for to the question, in characters (micro) or words; the "
        "same number twice is exact.",
    )
    facts: int | None = Field(
        default=None,
        ge=0,
        description=f"Number of other facts in the text: keys or, for where, things. Default: {OTHERS}, and 0 for passkey.",
    )
    count: int = Field(default=400, ge=1, description="Number of distinct problems.")
    seed: int = Field(default=0, description="Another seed draws other problems of the same split.")
    split: Split = Field(default="train", description="Split of the problems, by a hash of each key with its value.")

    @field_validator("distance")
    @classmethod
    def _ordered(cls, distance: tuple[int, int]) -> tuple[int, int]:
        smallest, largest = distance
        if not 1 <= smallest <= largest:
            raise ValueError(f"takes the smallest and the largest distance, both at least 1, not {smallest} and {largest}")
        return distance

    @model_validator(mode="after")
    def _room(self) -> "Recall":
        form, others = FORMS[self.form], self._others
        needs = KINDS[self.kind].needs(form)
        if others > needs.most_others:
            raise ValueError(f"facts = {others} is too many: {self.kind} has at most {needs.most_others} in the {self.form} form")
        largest = self.distance[1]
        least = needs.least_length(largest, others)
        if least > self.length:
            raise ValueError(
                f"length = {self.length} is too short: for a distance of {largest} and facts = {others}, {self.kind} can need "
                f"{least} {form.unit}; raise length, or lower distance or facts"
            )
        return self

    @property
    def _others(self) -> int:
        default = 0 if self.kind == "passkey" else OTHERS
        return default if self.facts is None else self.facts

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, as they are drawn. Raises UsageError where the split has too few keys or things."""
        rng = python_rng("recall", self.kind, self.form, self.length, self.distance, self._others, self.seed, self.split)
        problems: dict[str, Problem] = {}
        repeats = 0
        while len(problems) < self.count and repeats < _REPEATS_BEFORE_EXHAUSTED:
            problem = self._draw(len(problems), rng)
            repeats = repeats + 1 if problem.id in problems else 0
            problems.setdefault(problem.id, problem)
        if len(problems) < self.count:
            warn(f"recall: {self.kind} has {len(problems)} distinct problems with these settings, not {self.count}")
        return list(problems.values())

    def _draw(self, number: int, rng: random.Random) -> Problem:
        ranges = list(_by_level(*self.distance))
        level, distances = ranges[number % len(ranges)]
        form, distance = FORMS[self.form], rng.choice(distances)
        material = KINDS[self.kind].draw(form, self.split, self._others, rng)
        question = lay_out(form, material, self.length, distance, rng)
        return Problem(
            id=question_id(material.name, question),
            field=material.name,
            level=level,
            question=question,
            answer=material.answer,
            solution=form.joined(material.needed),
        )


def _by_level(smallest: int, largest: int) -> Iterator[tuple[int, range]]:
    """Yield each level of distances in this range, with those of its distances. A distance of 1 is of level 1, as 2 and 3 are."""
    start = smallest
    while start <= largest:
        level = max(1, start.bit_length() - 1)
        end = min(largest, 2 ** (level + 1) - 1)
        yield level, range(start, end + 1)
        start = end + 1
