"""Addresses of model servers: which are accepted, and what is shown of them.

An address can hold a password, an account in its path, or the name of a machine inside a company. It belongs into a recipe and
nowhere else, so pages and messages show its host, and files that leave this machine do not even show that.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import tomli_w

from .errors import UsageError

_SCHEME = re.compile(r"https?://", re.I)
_WHOLE = re.compile(r"https?://\S*", re.I)
# Only what every reader of addresses reads alike: two that disagree about the host would send a key to a host that has none.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[\w.~!$&'()*+,;=:@%-]*)*)",
    re.I | re.A,
)
_PORTS = {"http": 80, "https": 443}
_WHERE = "a key belongs into an environment variable (docs/guides/real-models.md, Keys)"


@dataclass(frozen=True)
class ServerAddress:
    """The address of a server that requests may be sent to: https, or http on this machine."""

    url: str
    """Where requests go, without the model's name."""
    host: str
    """HOST or HOST:PORT in lower case; the port is missing where it is the scheme's own."""
    model: str
    """The name of the model; empty where the address has none."""

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("https")


def is_served(model: str) -> bool:
    """Return whether a model's name is the address of a server."""
    return _WHOLE.fullmatch(model) is not None


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host (a name or an IP address, without a port).

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("[::1]"), is_loopback("10.0.0.7")
    (True, True, True, False)
    """
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def parse_address(text: str) -> ServerAddress:
    """Return the parts of an address, as http://localhost:8000/v1 or https://HOST/v1#NAME.

    Raises UsageError, which shows neither a password nor a query, where it is no address, holds one of these two, or would send
    requests unencrypted to another machine.
    """
    url, _, model = text.partition("#")
    authority = re.split(r"[/?]", _SCHEME.sub("", url), maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if "@" in authority:
        raise UsageError(f"the address of {_printable(host)} holds a user or a password, which would be stored; {_WHERE}")
    if "?" in url:
        raise UsageError(f"the address of {_printable(host)} has a query (?…), which would be stored; remove it; {_WHERE}")
    parts = _ADDRESS.fullmatch(url)
    scheme = parts["scheme"].lower() if parts else ""
    port = int(parts["port"] or _PORTS[scheme]) if parts else 0
    if parts is None or not 0 < port < 2**16 or "%" in parts["host"]:
        raise UsageError(f"{_printable(url)} is not an address; write it as http://localhost:8000/v1 or https://HOST/v1")
    host = parts["host"].lower()
    if scheme == "http" and not is_loopback(host):
        tunnel = f"ssh -L {port}:localhost:{port} {host}"
        raise UsageError(
            f"http://{host}:{port} is another machine, and http is not encrypted; use https, or a tunnel ({tunnel}) and the "
            f"address http://localhost:{port}{parts['path']}"
        )
    return ServerAddress(f"{scheme}{url[len(scheme) :]}", host if port == _PORTS[scheme] else f"{host}:{port}", model)


def shown_model(model: str) -> str:
    """Return a model's name for pages and messages: of an address HOST#NAME, of other names the name itself.

    >>> shown_model("https://10.0.0.7/account-17/v1#qwen"), shown_model("http://localhost:8000/v1"), shown_model("micro-base")
    ('10.0.0.7#qwen', 'localhost:8000', 'micro-base')
    """
    return f"{_host(model)}{_name(model)}" if is_served(model) else model


def public_model(model: str) -> str:
    """Return a model's name for what leaves this machine: an address without its host.

    >>> public_model("https://10.0.0.7/account-17/v1#qwen"), public_model("http://localhost:8000/v1"), public_model("micro-base")
    ('server#qwen', 'server', 'micro-base')
    """
    return f"server{_name(model)}" if is_served(model) else model


def shown_values(values: Any) -> Any:
    """Return plain values (tables, lists, texts, numbers) with `shown_model` applied to each text."""
    return _mapped(values, shown_model)


def shown_toml(text: str) -> str:
    """Return a TOML text with `shown_model` applied to each text in it; comments are dropped."""
    return tomli_w.dumps(shown_values(tomllib.loads(text)))


def public_values(values: Any) -> Any:
    """Return plain values with `public_model` applied to each text."""
    return _mapped(values, public_model)


def _mapped(values: Any, change: Callable[[str], str]) -> Any:
    if isinstance(values, str):
        return change(values)
    if isinstance(values, Mapping):
        return {key: _mapped(value, change) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_mapped(value, change) for value in values]
    return values


def _host(address: str) -> str:
    """Return the host of a text that begins as an address does, also of one that is not accepted."""
    authority = re.split(r"[/?#]", _SCHEME.sub("", address), maxsplit=1)[0]
    return authority.rpartition("@")[2].lower()


def _name(address: str) -> str:
    _, separator, name = address.partition("#")
    return separator + name


def _printable(text: str) -> str:
    return "".join(letter for letter in text[:200] if letter.isprintable())
