"""The extractor `auto`, for outputs whose form is not known: several ways, the most explicit first."""

from collections.abc import Callable

from .boxes import boxed
from .hashes import hashes
from .prose import last_number, phrase

WAYS: dict[str, Callable[[str], str | None]] = {"boxed": boxed, "hash": hashes, "phrase": phrase, "last_number": last_number}


def auto(text: str) -> str | None:
    r"""Return what `boxed` finds, else `hash`, else `phrase`, else `last_number`.

    >>> auto(r"so \boxed{18}, the answer"), auto("#### 18"), auto("The answer is B."), auto("She sold 18 eggs.")
    ('18', '18', 'B', '18')
    """
    return next((answer for answer in (way(text) for way in WAYS.values()) if answer is not None), None)
