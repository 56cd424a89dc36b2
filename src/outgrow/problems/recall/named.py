"""Suites of recall by name: recall-KIND, recall-KIND-worded, and each with -DISTANCE."""

import re
from typing import Any

from pydantic import ValidationError

from ...core.errors import UsageError
from ...core.refusals import explain
from .forms import FormName
from .source import KINDS, Recall

SUITE_NAMES = tuple(f"recall-{kind}" for kind in KINDS)
"""The suites that are listed: the micro form at several distances."""

_NAME = re.compile(rf"recall-({'|'.join(KINDS)})(-worded)?(?:-(\d+))?")
_RANGE: dict[FormName, tuple[int, int]] = {"micro": (16, 255), "worded": (64, 1023)}  # four levels
_ROOM: dict[FormName, int] = {"micro": 160, "worded": 200}  # for question and facts of every kind, next to the distance
_COUNT = 128
_FARTHEST = 999_999
"""Farthest distance: the problems of one that is ten times as far fill a gigabyte."""


def recall_suite(name: str) -> Recall | None:
    """Return the suite of this name; None where it is not one of recall.

    -DISTANCE is an exact one, in characters, or in words after -worded; without it there are four levels. Raises UsageError where
    the distance is not possible.
    """
    found = _NAME.fullmatch(name)
    if not found:
        return None
    kind, worded, distance = found.groups()
    if int(distance or 0) > _FARTHEST:
        raise UsageError(f"{name}: the distance is more than {_FARTHEST:,}; name a shorter one")
    form: FormName = "worded" if worded else "micro"
    smallest, largest = (int(distance), int(distance)) if distance else _RANGE[form]
    settings: dict[str, Any] = {"kind": kind, "length": largest + _ROOM[form], "distance": (smallest, largest)}
    if worded:
        settings["form"] = form
    try:
        return Recall(**settings, count=_COUNT, split="test")
    except ValidationError as error:
        raise UsageError(f"{name}: {explain(error, Recall)}") from error
