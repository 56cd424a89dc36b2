"""Which key a server gets: a person binds a key to a host, and no other host gets it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.errors import UsageError

BINDINGS = "OUTGROW_API_KEYS"
"""The environment variable that binds keys to hosts: `HOST=VARIABLE`, several with spaces. Each names the environment variable
that holds the host's key. A host at a port other than https's 443 is written with it, as HOST:PORT."""

OPENAI_HOST, _OPENAI_KEY = "api.openai.com", "OPENAI_API_KEY"
_ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
_ENTRY = re.compile(r"(?P<host>[^=]+)=(?P<variable>[A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class ServerKey:
    """The key that a person bound to a host."""

    variable: str
    """The environment variable that holds it."""
    secret: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """The headers of a request that carry it."""


def key_for(host: str) -> ServerKey | None:
    """Return the key bound to a host (as `ServerAddress.host` gives it); None where none is.

    OPENAI_API_KEY, and with it OPENAI_ORG_ID and OPENAI_PROJECT_ID, belongs to api.openai.com, unless OUTGROW_API_KEYS binds
    another key to that host. Raises UsageError where OUTGROW_API_KEYS is not what it should be or the key is missing or invalid; no
    message shows a part of either.
    """
    bound = {OPENAI_HOST: _OPENAI_KEY} | _bindings()
    variable = bound.get(host)
    if variable is None:
        return None
    secret = os.environ.get(variable, "").strip()
    if not secret and host == OPENAI_HOST and variable == _OPENAI_KEY:
        return None  # nobody said that there is one
    if not secret:
        raise UsageError(f"{BINDINGS} names an environment variable for {host} that is not set; set it, or remove that entry")
    headers = {"Authorization": f"Bearer {secret}"}
    if host == OPENAI_HOST:
        headers |= {name: value for name, source in _ACCOUNT.items() if (value := os.environ.get(source, "").strip())}
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise UsageError(f"the key for {host} contains invalid characters; set its environment variable again")
    return ServerKey(variable, secret, headers)


def binding_line(host: str) -> str:
    """Return the line to type that binds a key to a host."""
    others = f"${BINDINGS} " if os.environ.get(BINDINGS, "").strip() else ""
    return f'export {BINDINGS}="{others}{host}={_OPENAI_KEY}"'


def _bindings() -> dict[str, str]:
    """Return host -> environment variable, as OUTGROW_API_KEYS says. Raises UsageError, without its text: it may hold a key."""
    entries = [_ENTRY.fullmatch(entry) for entry in os.environ.get(BINDINGS, "").split()]
    if not all(entry and "/" not in entry["host"] for entry in entries):
        raise UsageError(
            f"the environment variable {BINDINGS} must list HOST=VARIABLE with spaces, each with the name of the environment "
            f'variable that holds the key: export {BINDINGS}="api.example.com=EXAMPLE_API_KEY"'
        )
    return {entry["host"].lower().removesuffix(":443"): entry["variable"] for entry in entries if entry}
