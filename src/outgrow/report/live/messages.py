"""The log of a run as its page shows it: its warnings, and how its sessions began and ended."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ...runs.sessions import Session
from ...runs.warning_log import LoggedWarning

_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True)
class Message:
    """A line of the page: the begin or end of a session, or one or several warnings or notes."""

    level: Literal["", "warning", "error"]
    """error: the session ended by one."""
    text: str
    """Of warnings, the newest."""
    count: int
    first_step: int
    last_step: int
    when: float
    """Seconds since 1970; of warnings, the newest."""


def messages(warnings: Iterable[LoggedWarning], sessions: Iterable[Session]) -> list[Message]:
    """Return the messages, the newest first. Warnings with the same text but for numbers are one message.

    Raises TypeError or ValueError where a session's values are not what its fields say.
    """
    groups: dict[tuple[bool, str], list[LoggedWarning]] = {}
    for warning in warnings:
        groups.setdefault((warning.note, _NUMBER.sub("#", warning.text)), []).append(warning)
    found = [*map(_of_warnings, groups.values()), *(message for session in sessions for message in _of_session(session))]
    return sorted(found, key=lambda message: message.when)[::-1]


def _of_warnings(lines: Sequence[LoggedWarning]) -> Message:
    newest, steps = lines[-1], [line.step for line in lines]
    when = datetime.fromisoformat(newest.time).timestamp()
    return Message("" if newest.note else "warning", newest.text, len(lines), min(steps), max(steps), when)


def _of_session(session: Session) -> Iterable[Message]:
    first, last = int(session.first_step), int(session.step or 0)
    yield Message("", f"continued after step {first:,}" if first else "started", 1, first, first, float(session.began))
    if session.ended is not None:
        level: Literal["", "error"] = "error" if session.end == "error" else ""
        yield Message(level, str(session.state()), 1, last, last, float(session.ended))
