"""How a recipe wants an answer written: the text that each extractor is meant to read."""

from collections.abc import Callable

from ..verify import EXTRACTORS

_BOX = "\\boxed{{{}}}"
_FORMS: dict[str, str] = {
    "boxed": _BOX,
    "first_boxed": _BOX,
    "auto": _BOX,
    "hash": "#### {}",
    "phrase": "The answer is {}.",
    "last_number": "{}",
    "whole": "{}",
}


def written_for(extractor: str, answer: str) -> str:
    r"""Return the answer as the extractor of this name is meant to find it.

    >>> written_for("boxed", "7"), written_for("hash", "7")
    ('\\boxed{7}', '#### 7')
    """
    return _FORMS[extractor].format(answer)


def can_be_written(extractor: str, answer: str) -> bool:
    """Return whether the extractor reads this answer as it was written. One that reads numbers cannot read "7 or 8"."""
    read: Callable[[str], str | None] = EXTRACTORS[extractor]
    return read(written_for(extractor, answer)) == answer.strip()
