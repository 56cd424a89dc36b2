"""What a chain is made of, as the name of its field says it: `sum>product`, `sum>product>clock`, `sum&roman>difference`.

The answer of what stands before > is a number of what comes after it; both answers around & are numbers of what comes after >.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

DEEPEST = 4
THEN, AND = ">", "&"


@dataclass(frozen=True)
class Shape:
    """The fields of a chain, in order. merges: whether the last takes the answers of the two before it, and not only of one.

    >>> Shape.read("sum>product").fields, Shape.read("sum&roman>difference").merges, Shape.read("sum").depth
    (('sum', 'product'), True, 1)
    """

    fields: tuple[str, ...]
    merges: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.fields) <= DEEPEST:
            raise ValueError(f"a chain has 1 to {DEEPEST} fields, not {len(self.fields)}")
        if self.merges and len(self.fields) != 3:
            raise ValueError("a chain that joins two answers has three fields, as in sum&roman>difference")
        if not all(self.fields):
            raise ValueError("a field's name is missing")

    @classmethod
    def read(cls, name: str) -> "Shape":
        """Return the shape that a field's name describes. Raises ValueError where it describes none."""
        before, joins, last = name.partition(AND)
        if not joins:
            return cls(tuple(name.split(THEN)))
        second, _, end = last.partition(THEN)
        return cls((before, second, end), merges=True)

    @property
    def name(self) -> str:
        """The name of its field, which `read` reads."""
        if self.merges:
            return f"{self.fields[0]}{AND}{self.fields[1]}{THEN}{self.fields[2]}"
        return THEN.join(self.fields)

    @property
    def depth(self) -> int:
        """The number of its fields; 1 for a problem that is no chain."""
        return len(self.fields)

    @property
    def later(self) -> tuple[str, ...]:
        """The fields that take an answer."""
        return self.fields[2:] if self.merges else self.fields[1:]

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Every pair of fields of which the second takes the first's answer."""
        if self.merges:
            return tuple((field, self.fields[2]) for field in self.fields[:2])
        return tuple(pairwise(self.fields))

    def within(self) -> tuple["Shape", ...]:
        """Return the shapes that are solved before this one is tried: the chains with one field less, or each of the joined fields.

        >>> [shape.name for shape in Shape.read("sum>product>clock").within()]
        ['sum>product', 'product>clock']
        """
        if self.depth == 1:
            return ()
        if self.merges or self.depth == 2:
            return tuple(Shape((field,)) for field in dict.fromkeys(self.fields))
        return Shape(self.fields[:-1]), Shape(self.fields[1:])


@cache
def shape_of_field(field: str) -> Shape | None:
    """Return the shape of a chain's field; None for a field that is no chain."""
    if THEN not in field:
        return None
    try:
        return Shape.read(field)
    except ValueError:
        return None


ATOM, SEEN, UNSEEN, REVERSED, NEW_FIELD, DEEPER, MERGED = (
    "single",
    "seen pair",
    "unseen pair",
    "other order",
    "new field",
    "deeper",
    "joined",
)
SPLITS = (ATOM, SEEN, UNSEEN, REVERSED, NEW_FIELD, DEEPER, MERGED)
"""The splits of chains, by what of them was practised."""


def split_of_chain(shape: Shape, practised: Collection[Shape]) -> str:
    """Return the split of a shape, where these shapes were practised.

    seen pair: it was practised as it is. joined: it joins two answers. deeper: it has more than two fields. new field: one of its
    fields was in no chain. other order: its pair was practised the other way round. unseen pair: its fields were practised in
    other pairs.
    """
    chains = [other for other in practised if other.depth > 1]
    if shape.depth == 1:
        return ATOM
    if shape in chains:
        return SEEN
    if shape.merges:
        return MERGED
    if shape.depth > 2:
        return DEEPER
    if not set(shape.fields) <= {field for other in chains for field in other.fields}:
        return NEW_FIELD
    links = {link for other in chains for link in other.links}
    return REVERSED if all((second, first) in links for first, second in shape.links) else UNSEEN
