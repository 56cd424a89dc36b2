"""Keys with values of one split.

The split of a pair is a hash of key and value and of nothing else. Every pair of a text is of the text's split, also those that the
question does not ask for, so no key of a test problem stands with the same value in a text of training.
"""

import random
from collections.abc import Sequence
from functools import cache

from ...core.errors import UsageError
from ..split import Split, split_of
from .forms import Form

_TRIES = 400  # for the values of one key; of a split with a tenth of the pairs, few keys have too few values


def pair_split(key: str, value: str) -> Split:
    """Return the split of a key, or thing, with this value, or place."""
    return split_of("recall", f"{key}={value}")


def draw_pairs(form: Form, split: Split, counts: Sequence[int], rng: random.Random) -> list[tuple[str, list[str]]]:
    """Return a key for each count, all different, with this many different values.

    Raises UsageError where the split has too few keys.
    """
    keys = iter(rng.sample(form.keys, len(form.keys)))
    drawn: list[tuple[str, list[str]]] = []
    for count in counts:
        for key in keys:
            if values := draw_values(key, form.values, split, count, rng):
                drawn.append((key, values))
                break
        else:
            raise UsageError(f"recall: the {split} split has too few keys for {len(counts)} facts; lower facts")
    return drawn


def draw_values(key: str, values: range, split: Split, count: int, rng: random.Random) -> list[str]:
    """Return this many different values of a key; none where the split has too few."""
    found: dict[str, None] = {}
    for _ in range(_TRIES):
        value = str(rng.choice(values))
        if pair_split(key, value) == split:
            found[value] = None
            if len(found) == count:
                return list(found)
    return []


@cache
def places_of(form: Form, split: Split) -> dict[str, tuple[str, ...]]:
    """Return the places of the split for each thing that has some."""
    allowed = {thing: tuple(place for place in form.places if pair_split(thing, place) == split) for thing in form.things}
    return {thing: places for thing, places in allowed.items() if places}
