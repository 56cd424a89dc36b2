"""Answers that are wrong by construction: what a checker must not pass.

A mutant is a known answer with one thing changed. Each maker is a file's function that yields candidates; the first that surely
differs is taken. Where that cannot be told, there is no mutant: a mutant that is right would make a checker's figure a lie.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import scalars, several, wholes
from .structure import places
from .value import differ

Maker = Callable[[str, random.Random], Iterator[str]]


@dataclass(frozen=True)
class Mutant:
    """An answer that is wrong where the known answer is the right one."""

    kind: str
    """What was changed: a key of `KINDS`."""
    text: str
    r"""The answer, as it would stand in a \boxed{}."""


# Of one expression, wherever it stands in the answer: in a tuple, before a unit, behind "x =".
_OF_EXPRESSIONS: dict[str, Maker] = {
    "digit": scalars.digit,
    "sign": scalars.sign,
    "factor 10": scalars.factor_ten,
    "off by one": scalars.off_by_one,
    "tiny value halved": scalars.tiny_halved,
    "fraction inverted": scalars.inverted,
    "letter case": scalars.letter_case,
    "names swapped": scalars.names_swapped,
    "i dropped": scalars.i_dropped,
    "pi dropped": scalars.pi_dropped,
    "root dropped": scalars.root_dropped,
}
# Of the whole answer; each of these makers sees to it by itself that its mutants are wrong.
_OF_ANSWERS: dict[str, Maker] = {
    "part left off": several.part_left_off,
    "part added": several.part_added,
    "tuple reordered": several.tuple_reordered,
    "tuple as a set": several.tuple_as_set,
    "interval end": several.interval_end,
    "base": wholes.base,
    "digit in a base": wholes.base_digit,
    "time with the same quotient": wholes.clock_quotient,
    "another minute": wholes.clock_minute,
    "a.m. and p.m.": wholes.am_pm,
    "date with the same quotient": wholes.date_quotient,
    "another choice": wholes.choice,
    "scale word": wholes.scale_word,
    "another word": wholes.other_word,
    "0 = answer": wholes.zero_on_the_left,
    "sum = answer": wholes.sum_on_the_left,
    "another unknown": wholes.other_name,
    "another equation": wholes.another_equation,
    "hedged": wholes.hedged,
}
KINDS = (*_OF_EXPRESSIONS, *_OF_ANSWERS)


def mutants(known: str, rng: random.Random) -> list[Mutant]:
    r"""Return at most one mutant of each kind that applies to this known answer.

    >>> made = {mutant.kind: mutant.text for mutant in mutants("(1,2)", random.Random(0))}
    >>> made["tuple reordered"], made["tuple as a set"]
    ('(2, 1)', '\\{1, 2\\}')
    """
    made = []
    spans = places(known)
    for kind, maker in _OF_EXPRESSIONS.items():
        for start, end in rng.sample(spans, len(spans)):
            expression = known[start:end]
            changed = next((new for new in maker(expression, rng) if differ(expression, new)), None)
            if changed is not None:
                made.append(Mutant(kind, known[:start] + changed + known[end:]))
                break
    for kind, maker in _OF_ANSWERS.items():
        text = next(maker(known, rng), None)
        if text is not None:
            made.append(Mutant(kind, text))
    return made
