"""A conversation in a cell of a table: the turns before the last question, the question, and the reply to it."""

from dataclasses import dataclass
from typing import Any

from ..types import Turns
from .cell import Unusable, cell_text

_ROLES = {"system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}
"""Roles as chats name them -> as chat templates know them."""


@dataclass(frozen=True)
class Chat:
    """A conversation that a model continues."""

    turns: Turns
    """Before the question."""
    question: str
    """Of the last user turn."""
    reply: str
    """The assistant turn behind it; empty where there is none."""


def is_chat(value: Any) -> bool:
    """Return whether a cell holds a conversation: a list of turns, each with a role and a content (or `from` and `value`)."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(turn, dict) and _role(turn) for turn in value)


def read_chat(value: Any) -> Chat:
    """Return the conversation in a cell. Raises Unusable where it does not end with a question, or holds more than text.

    >>> read_chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "3+4=?"}])
    Chat(turns=(('system', 'Be brief.'),), question='3+4=?', reply='')
    """
    turns = [(_known_role(turn), _content(turn)) for turn in value if _holds_text(turn)]
    reply = turns.pop()[1].strip() if turns and turns[-1][0] == "assistant" else ""
    if not turns or turns[-1][0] != "user":
        raise Unusable("a chat without a user turn at its end")
    if any(role == "system" for role, _ in turns[1:]):
        raise Unusable("a chat with a system turn after its first turn")
    *before, (_, question) = turns
    return Chat(tuple(before), question.strip(), reply)


def has_reply(value: Any) -> bool:
    """Return whether the last turn of a chat is the assistant's."""
    return _ROLES.get(str(_role(value[-1]))) == "assistant"


def last_reply(value: Any) -> str:
    """Return what the last turn of a chat says. Raises Unusable where it is not the assistant's."""
    if not has_reply(value):
        raise Unusable("a chat without an assistant turn at its end")
    return _content(value[-1]).strip()


def _role(turn: dict[str, Any]) -> Any:
    return turn.get("role", turn.get("from"))


def _known_role(turn: dict[str, Any]) -> str:
    role = _ROLES.get(str(_role(turn)))
    if role is None:
        raise Unusable(f"a chat with a turn of the role {_role(turn)!r}")
    if turn.get("tool_calls"):
        raise Unusable("a chat with tool calls")
    return role


def _holds_text(turn: dict[str, Any]) -> bool:
    """Whether a turn says something: an empty system turn is the same as none."""
    return _known_role(turn) != "system" or bool(turn.get("content", turn.get("value")))


def _content(turn: dict[str, Any]) -> str:
    """Return what a turn says, with the blanks around it. Raises Unusable where it says nothing, or holds more than text."""
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else None for part in content]
        if None in parts:
            raise Unusable("a chat with more than text in a turn")
        content = "\n".join(map(str, parts))
    text = cell_text(content)
    return content if isinstance(content, str) else text
