"""Answers that are right by construction: what a checker must not fail.

A rewriting is a known answer written in another way. Each maker yields (kind, answer) pairs of what it can write; where a value
could have changed, it was compared. Those of `boxes.placed` are whole outputs.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import boxes, expressions, numbers, several

Maker = Callable[[str, random.Random], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Rewriting:
    """An output that is right where `known` is the known answer."""

    kind: str
    output: str


_OF_ANSWERS: tuple[Maker, ...] = (
    numbers.thousands,
    numbers.trailing_zero,
    numbers.decimal_of_fraction,
    numbers.fraction_forms,
    numbers.scientific,
    numbers.ordinal,
    numbers.unit,
    numbers.approximately,
    numbers.minus,
    expressions.unknown,
    expressions.terms_reordered,
    expressions.roots,
    expressions.degrees,
    expressions.fraction_as_factor,
    expressions.complex_number,
    expressions.product_signs,
    expressions.worked_out,
    expressions.plus_minus,
    expressions.spelled,
    several.reordered,
    several.listed,
    several.brackets,
    several.interval,
    several.union,
    several.choice,
    several.clock,
    several.base,
    several.word,
    boxes.dressed,
)


def rewritings(known: str, rng: random.Random) -> list[Rewriting]:
    r"""Return what can be written for a known answer, each in a box.

    >>> made = {one.kind: one.output for one in rewritings(r"\frac{1}{3}", random.Random(0))}
    >>> made["repeating decimal"], made["a/b"]
    ('\\boxed{0.\\overline{3}}', '\\boxed{1/3}')
    """
    made = [
        Rewriting(kind, f"\\boxed{{{text}}}") for maker in _OF_ANSWERS for kind, text in maker(known, rng) if text.strip() != known
    ]
    return made + [Rewriting(kind, output) for kind, output in boxes.placed(known, rng)]
