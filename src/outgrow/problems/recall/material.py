"""What a recall problem is made of, and how it is laid out so that length and distance are exact."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .forms import Filler, Form


@dataclass(frozen=True)
class Material:
    """The statements of one problem, without filler."""

    name: str
    """Field of the problem."""
    newest: str
    """The statement that the distance is measured from: no later one is needed."""
    question: str
    answer: str
    needed: Sequence[str]
    """The statements that the answer follows from, in order."""
    filler: Filler
    before: Sequence[str] = ()
    """Statements about what is asked that stand before the newest, in this order."""
    after: Sequence[str] = ()
    """Statements that stand after it, in this order; dropped where the distance has no room for them."""
    others: Sequence[Sequence[str]] = ()
    """Statements about something else: each list in its order, all before the newest or all after it."""
    together: bool = False
    """Whether no filler stands between statements."""


@dataclass(frozen=True)
class Needs:
    """Room that the problems of a kind can need, in the form's unit."""

    question: int
    asked: int
    """All statements about what is asked."""
    other: int
    """Statements about one thing that is not."""
    most_others: int
    """Number of others that exist."""

    def least_length(self, distance: int, others: int) -> int:
        """Return the length of text that has room for all at this distance, however others are placed."""
        return self.question + self.asked + distance + (others + 1 if others else 0) * self.other


def lay_out(form: Form, material: Material, length: int, distance: int, rng: random.Random) -> str:
    """Return text and question, `length` in all, with `distance` between the end of the newest statement and the question.

    There must be room (`Needs.least_length`).
    """

    def size(statements: Sequence[str]) -> int:
        return sum(map(form.size, statements))

    after = [material.after] if size(material.after) <= distance else []
    sides = [[material.before], after]
    free = [length - distance - size([*material.before, material.newest, material.question]), distance - sum(map(size, after))]
    for other in material.others:
        fits = [room if size(other) <= room else 0 for room in free]
        side = rng.choices((0, 1), fits)[0]
        sides[side].append(other)
        free[side] -= size(other)
    first, last = (material.filler(room, rng) for room in free)
    if material.together:
        text = [*first, *_mixed(sides[0], rng), material.newest, *_mixed(sides[1], rng), *last]
    else:
        text = [*_mixed([*sides[0], first], rng), material.newest, *_mixed([*sides[1], last], rng)]
    return f"{form.joined(text)}{form.before_question}{material.question}"


def _mixed(lists: Sequence[Sequence[str]], rng: random.Random) -> Iterator[str]:
    """Yield the items of all lists in a random order that keeps the order within each."""
    turns = [place for place, items in enumerate(lists) for _ in items]
    rng.shuffle(turns)
    left = [iter(items) for items in lists]
    return (next(left[place]) for place in turns)
