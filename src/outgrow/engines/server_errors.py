"""What the errors of OpenAI-compatible servers are about: the prompt, a setting, or the server itself.

The protocol fixes neither the status nor the wording, so the rules here go by what servers send: OpenAI, Azure, vLLM, llama.cpp,
SGLang, TGI, Ollama and gateways in front of them.
"""

import json
import re
from collections.abc import Collection
from typing import Any

_REFUSING = (400, 413, 422)  # statuses of a request that the server does not accept
_LENGTH = re.compile(
    r"context[_ -]?(length|window|size)|maximum model length|prompt is too long|too many (input )?tokens|n_ctx|exceed_context"
    r"|input is too long|longer than the (model|maximum)|must be <= ?\d+",
    re.I,
)
_CONTENT = re.compile(
    r"content[_ -]?(filter|policy|management)|flagged|moderation|data_inspection|responsibleai|invalid_prompt|safety|inappropriate",
    re.I,
)
_SERVER = re.compile(
    r"api[_ -]?key|credential|unauthori[sz]ed|quota|billing|model\b[^.]{0,60}(not found|not exist|not available|not served)", re.I
)
_UNACCEPTED = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra|not permitted|not allowed|invalid|deprecated|only|must"
    r"|cannot|can't|instead|not implemented|no longer",
    re.I,
)


def refuses_prompt(status: int, text: str) -> bool:
    """Return whether the server refuses this prompt, and might answer another one.

    status: of the response. text: all that its body says. A request that is not accepted, for reasons that concern neither the key
    nor the model, is refused for its prompt: it is the only part that differs between requests.
    """
    if _LENGTH.search(text):
        return True
    return bool(_CONTENT.search(text)) if status == 403 else status in _REFUSING and not _SERVER.search(text)


def refused_setting(status: int, text: str, param: str | None, sent: Collection[str]) -> str | None:
    """Return the name of the setting that the server does not accept, or None.

    param: what the error says is wrong, if it says so. sent: names of the settings in the request.
    """
    if status not in _REFUSING or _LENGTH.search(text):  # a prompt that is too long is often told by the name of the limit
        return None
    if param:
        return param if param in sent else None
    named = (name for name in sent if re.search(rf"(?<!\w){name}(?!\w)", text))
    return next(named, None) if _UNACCEPTED.search(text) else None


def status_in_body(body: Any) -> int | None:
    """Return the status that the body of a response with status 200 should have had; None where it is no error.

    Gateways send errors of the servers behind them that way. An error without a status is taken for a temporary one (502).
    """
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    if isinstance(choices, list) and choices:
        first = choices[0] if isinstance(choices[0], dict) else {}
        error = first.get("error") or (first.get("finish_reason") == "error")
    else:
        error = body.get("error") or body.get("object") == "error"
    if not error:
        return None
    code = str((error if isinstance(error, dict) else body).get("code"))
    if code.isdigit() and 400 <= int(code) < 600:
        return int(code)
    return 400 if refuses_prompt(403, error_text(body)) else 502


def error_text(body: Any) -> str:
    """Return all words of an error's body, without the request that some servers repeat in it."""
    if isinstance(body, dict):
        return " ".join(error_text(value) for key, value in body.items() if key not in ("input", "messages", "ctx", "choices"))
    if isinstance(body, list | tuple):
        return " ".join(map(error_text, body))
    return body if isinstance(body, str) else json.dumps(body, default=str)
