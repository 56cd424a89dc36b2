"""The log of a run as its page shows it: warnings that differ only in their numbers are one message."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ...runs.log import Level, LogLine

_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True)
class Message:
    """One or several lines of the log."""

    level: Level
    text: str
    """The text of the newest line."""
    count: int
    first_step: int
    last_step: int
    when: float
    """Time of the newest line, in seconds since 1970."""


def messages(log: Iterable[LogLine]) -> list[Message]:
    """Return the log's messages, the newest first. Warnings and errors with the same text but for numbers are one message."""
    groups: dict[object, list[LogLine]] = {}
    for place, line in enumerate(log):
        kind = (line.level, _NUMBER.sub("#", line.text)) if line.level in ("warning", "error") else place
        groups[kind] = lines = groups.pop(kind, [])  # now the last of the dict: its newest line is the newest of all
        lines.append(line)
    return [_message(lines) for lines in reversed(groups.values())]


def _message(lines: list[LogLine]) -> Message:
    newest, steps = lines[-1], [line.step for line in lines]
    when = datetime.fromisoformat(newest.time).timestamp()
    return Message(newest.level, newest.text, len(lines), min(steps), max(steps), when)
