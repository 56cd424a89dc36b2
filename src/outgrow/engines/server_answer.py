"""Chat completions of OpenAI-compatible servers, read as answers. Fields that are not known here are passed over."""

from typing import Any

from .chat_model import Answer

_CUT = ("length", "max_tokens")
_MOST = 2**30  # tokens; more is not a length


def read_answer(completion: Any, limit: int | None) -> Answer:
    """Return the answer in a chat completion.

    limit: most tokens asked for, if a limit was sent. Where the server gives no reason for the end, an answer of `limit` tokens was
    cut, and any other one was ended by the model. Raises TypeError or ValueError where a part of it has another type.
    """
    [choice] = completion.choices
    message, reason = choice.message, _field(choice, "finish_reason")
    # Servers that separate thoughts from the answer use one of these two names, or parts of the content.
    thoughts = _field(message, "reasoning_content") or _field(message, "reasoning") or ""
    written, text = _parts(_field(message, "content") or _field(message, "refusal") or "")
    thoughts = thoughts or written
    if not all(isinstance(part, str) for part in (thoughts, text, reason or "")):
        raise TypeError("a text is not text")
    length = _field(_field(completion, "usage"), "completion_tokens")
    if length is not None and (not isinstance(length, int) or not 0 <= length < _MOST):
        raise TypeError("a number of tokens is not a number")
    cut = reason.lower() in _CUT if reason else limit is not None and length is not None and length >= limit
    refused = "its content filter ended the answer" if reason and reason.lower().startswith("content_filter") else ""
    whole = f"<think>{thoughts}</think>{text}" if thoughts else text
    # JSON can hold half of a surrogate pair, which cannot be written to a file.
    return Answer(whole.encode("utf-8", "replace").decode(), not cut, length, refused)


def tells_end(completion: Any) -> bool:
    """Return whether a chat completion gives a reason for its end."""
    return bool(_field(completion.choices[0], "finish_reason"))


def _field(part: Any, name: str) -> Any:
    """Return a field of a part of the response; None where either is missing."""
    return part.get(name) if isinstance(part, dict) else getattr(part, name, None)


def _parts(content: Any) -> tuple[str, Any]:
    """Return the thoughts and the text of a content that may be a list of typed parts."""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return "", content
    thoughts, text = "", ""
    for part in content:
        if part.get("type") == "thinking":
            inner = part.get("thinking")
            thoughts += inner if isinstance(inner, str) else "".join(str(one.get("text") or "") for one in inner or [])
        else:
            text += str(part.get("text") or "")
    return thoughts, text
