"""How often a token may be guessed."""

import hashlib
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

_GUESSES = 10  # different ones, from one network, in the time below
_SECONDS = 60.0
_NETWORKS = 1024  # that are remembered; the one whose count began first is forgotten first


class GuessLimit:
    """Counts the wrong tokens that come from each network: an IPv4 address, or the /64 of an IPv6 address.

    The same wrong token again is no new guess: a page that was left open sends its old one every few seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[float, set[bytes]]] = {}  # network -> when its count began, and digests of its guesses

    def seconds_left(self, client: str) -> float:
        """Return for how many seconds a client's tokens are not looked at; 0 where they are."""
        began, guesses = self._wrong.get(_network(client), (0.0, set()))
        return max(0.0, began + _SECONDS - self._clock()) if len(guesses) >= _GUESSES else 0.0

    def count(self, client: str, guess: str) -> None:
        """Count a wrong token of a client."""
        network, now = _network(client), self._clock()
        began, guesses = self._wrong.get(network, (now, set()))
        if now >= began + _SECONDS:
            began, guesses = now, set()
            self._wrong.pop(network, None)  # the order of the dict is that of the counts' beginnings
        if network not in self._wrong and len(self._wrong) >= _NETWORKS:
            del self._wrong[next(iter(self._wrong))]
        guesses.add(hashlib.sha256(guess.encode()).digest())
        self._wrong[network] = (began, guesses)


def _network(client: str) -> str:
    try:
        address = ip_address(client)
    except ValueError:
        return client
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else client
