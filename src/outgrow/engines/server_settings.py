"""The settings of a request to an OpenAI-compatible server, and which of them a server may be spared."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from ..policy import Sampling

ServerSetting = Literal["seed", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens"]
"""Names of settings that can be omitted. Where max_tokens is, the limit is sent as max_completion_tokens, its newer name."""

SERVER_SETTINGS: tuple[str, ...] = get_args(ServerSetting)


def request_settings(sampling: Sampling, seed: int, omit: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of a request, as keys of its body.

    top_k is sent only where it is used: it is not part of OpenAI's API, though most other servers know it.
    """
    limit = "max_completion_tokens" if "max_tokens" in omit else "max_tokens"
    settings = {
        "seed": seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        **({"top_k": sampling.top_k} if sampling.top_k else {}),
        limit: sampling.max_tokens,
    }
    return {name: value for name, value in settings.items() if name not in omit}


def omission_notice(omit: Sequence[str]) -> str:
    """Return what it means for figures that these settings are not sent; empty where it means nothing."""
    effects = {
        "seed": "draws do not repeat",
        "temperature": "the server's own temperature applies, also to the greedy answer",
        "top_p": "the server's own top_p applies",
        "top_k": "the server's own top_k applies",
        "max_completion_tokens": "the server's own length limit applies" if "max_tokens" in omit else "",
    }
    return "; ".join(f"without {name}, {effect}" for name, effect in effects.items() if name in omit and effect)
