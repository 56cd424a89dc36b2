"""Known answers of public sets that are wrong, and what is right. docs/data-facts.md says how each was found."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..core.callbacks import Warn
from ..types import Problem
from .collect import Read

# set -> id of a problem -> its right answer. Each is shown by the row itself: by its own equation, its raw answer or its solution.
CORRECTIONS: dict[str, dict[str, str]] = {
    "svamp": {"svamp:737d63f74619a67c": "5"},
    "math": {"math:e42e4259255b85bb": "-3", "math:fc8776473827d7a1": "6"},
}


def corrected(name: str, read: Iterable[Read], warn: Warn) -> Iterator[Read]:
    """Yield what was read of a set, with right answers in place of those in CORRECTIONS; warns of how many there were."""
    answers = CORRECTIONS.get(name, {})
    changed = 0
    for where, item in read:
        if isinstance(item, Problem) and item.id in answers:
            item = replace(item, answer=answers[item.id], alternatives=())
            changed += 1
        yield where, item
    if changed:
        warn(f"{name}: corrected {changed} known answers that are wrong in the set (docs/data-facts.md)")
