"""The settings of a request to an OpenAI-compatible server, and which of them a server may be spared."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from ..policy import Sampling

ServerSetting = Literal[
    "seed", "temperature", "top_p", "top_k", "min_p", "repeat_penalty", "repetition_penalty", "max_tokens", "max_completion_tokens"
]  # fmt: skip
"""Names of settings that can be omitted. Where max_tokens is, the limit is sent as max_completion_tokens, its newer name."""

SERVER_SETTINGS: tuple[str, ...] = get_args(ServerSetting)

_WHOLE: dict[str, dict[str, float]] = {
    "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
}
"""What keeps every token that a model may write, by the owner that a server's list of models names.

Where a request is silent, llama.cpp draws from the 40 likeliest tokens and from none below a twentieth of the likeliest; vLLM and
SGLang go by the model's own files. So a model would be measured as another one.
"""


def request_settings(sampling: Sampling, seed: int, omit: Sequence[str] = (), owner: str = "") -> dict[str, Any]:
    """Return the settings of a request, as keys of its body.

    owner: `owned_by` in the server's list of models. Settings outside of OpenAI's API are sent only to servers that are known to
    have them, top_k also where it is used.
    """
    limit = "max_completion_tokens" if "max_tokens" in omit else "max_tokens"
    settings = {
        "seed": seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        **_WHOLE.get(owner, {}),
        **({"top_k": sampling.top_k} if sampling.top_k else {}),
        limit: sampling.max_tokens,
    }
    return {name: value for name, value in settings.items() if name not in omit}


def omission_notice(omit: Sequence[str]) -> str:
    """Return what it means for figures that these settings are not sent; empty where it means nothing."""
    own = ("top_p", "top_k", "min_p", "repeat_penalty", "repetition_penalty")
    effects = {
        "seed": "draws do not repeat",
        "temperature": "the server's own temperature applies, also to the greedy answer",
        **{name: f"the server's own {name} applies" for name in own},
        "max_completion_tokens": "the server's own length limit applies" if "max_tokens" in omit else "",
    }
    return "; ".join(f"without {name}, {effect}" for name, effect in effects.items() if name in omit and effect)


def draws_by(owner: str) -> str:
    """Return what a model's identity says of its draws: whole, where the owner's servers are sent what keeps every token.

    >>> draws_by("llamacpp"), draws_by("somebody")
    (' whole', '')
    """
    return " whole" if owner in _WHOLE else ""
