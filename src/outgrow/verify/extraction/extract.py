r"""Where in a completion the answer is: named extractors. A recipe lists those it wants, in order of preference.

Each reads the part after </think> and returns what is written at the last place that it knows, or None. Each is linear in the
text, whatever the model wrote: no pattern has an unbounded part that could match in two ways.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .auto import WAYS, auto
from .boxes import boxed, first_boxed
from .hashes import hashes
from .prose import last_number, phrase
from .whole import whole

__all__ = ["EXTRACTORS", "LOOKS_FOR", "THINK_CLOSE", "THINK_OPEN", "Extracted", "after_thinking", "boxed", "extract"]

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"

EXTRACTORS: dict[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "first_boxed": first_boxed,
    "hash": hashes,
    "phrase": phrase,
    "last_number": last_number,
    "whole": whole,
    "auto": auto,
}

# What each looks for, in a person's words.
LOOKS_FOR = {
    "boxed": r"\boxed{...} or \fbox{...}",
    "first_boxed": r"\boxed{...}",
    "hash": "#### before the answer",
    "phrase": '"the answer is ..." or "Answer: ..."',
    "last_number": "a number",
    "whole": "a reply that is nothing but the answer",
    "auto": r'\boxed{...}, ####, "the answer is ..." or a number',
}


class Extracted(NamedTuple):
    """An answer as it was written."""

    answer: str
    extractor: str
    """The extractor that found it; for `auto`, the one of its ways that did."""


def after_thinking(text: str, inside_think: bool) -> str | None:
    """Return the part of a completion that counts as its answer: what follows the last </think>.

    inside_think: whether the prompt already opened <think>, as R1's template does. A completion that ends in its
    thoughts has answered nothing: None. Without any thoughts, the whole text is the answer.
    """
    _, closed, rest = text.rpartition(THINK_CLOSE)
    if THINK_OPEN in rest or (inside_think and not closed):
        return None
    return rest


def extract(text: str, names: Sequence[str]) -> Extracted | None:
    """Return the answer by the first of these extractors that finds one; None where none does.

    >>> extract("The answer is 7.", ["boxed", "auto"])
    Extracted(answer='7', extractor='phrase')
    """
    for name in names:
        for way, extractor in (WAYS if name == "auto" else {name: EXTRACTORS[name]}).items():
            answer = extractor(text)
            if answer is not None:
                return Extracted(answer, way)
    return None
