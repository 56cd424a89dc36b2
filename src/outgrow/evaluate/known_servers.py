"""The servers that an answer cache has met: which weights each showed, and how old the answers are that it kept of them."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

from ..core.callbacks import Warn
from ..engines import OpenAIServer
from .server_weights import Fingerprint, fingerprint

SERVERS_TABLE = (
    "CREATE TABLE IF NOT EXISTS servers (who TEXT PRIMARY KEY, model TEXT NOT NULL, fingerprint TEXT NOT NULL) WITHOUT ROWID"
)
_HOUR, _DAY = 3600, 86_400
_LATEST = 2**33  # seconds since 1970; a later time is not one

Execute = Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]
"""Takes a query and its values, gives its rows; none where the file cannot be used."""


class KnownServers:
    """Each server's weights, as it showed them, in the table `servers` of an answer cache."""

    def __init__(self, execute: Execute, warn: Warn) -> None:
        """execute: runs a query on the cache. warn: takes what a person should know of kept answers."""
        self._execute, self._warn = execute, warn
        self._met: dict[str, tuple[str, bool]] = {}  # identity -> who it is, and whether its answers told that

    def is_new(self, server: OpenAIServer) -> bool:
        """Return whether this server has not been met yet by this object. Raises OutgrowError where its name cannot be had."""
        return server.identity not in self._met

    def who(self, server: OpenAIServer) -> str:
        """Return who a server is: its address, the model's name and a digest of what its weights show.

        It is the same as earlier where the weights are the same, or where it cannot be told that they are not.
        Raises OutgrowError where the server cannot be reached.
        """
        if self.is_new(server):
            self._met[server.identity] = self._recognised(server)
        return self._met[server.identity][0]

    def _recognised(self, server: OpenAIServer) -> tuple[str, bool]:
        now, untold = fingerprint(server), []
        by_age = "(SELECT max(at) FROM answers WHERE answers.who = servers.who)"
        query = f"SELECT who, fingerprint FROM servers WHERE model = ? AND typeof(who) = 'text' ORDER BY {by_age}"
        for who, text in self._execute(query, (server.identity,)):
            try:
                same = now.same(Fingerprint.from_json(text))
            except (ValueError, TypeError):  # of a version that asks other questions, or damaged: not known to be the same
                continue
            if same:
                return who, True
            if same is None:
                untold.append(who)
        if untold:
            return untold[-1], False
        who = f"{server.identity} {hashlib.sha256(now.to_json().encode()).hexdigest()[:16]}"
        self._execute("INSERT OR REPLACE INTO servers VALUES (?, ?, ?)", (who, server.identity, now.to_json()))
        return who, False

    def tell_age(self, server: OpenAIServer, renew: str) -> None:
        """Say which answers of a server are stored, how old they are, and whether they are used. renew: how to ask it again."""
        who = self.who(server)
        query = (
            "SELECT count(*), min(at), max(at) FROM answers JOIN servers USING (who) WHERE model = ? AND (who = ?) = ? "
            f"AND typeof(at) = 'integer' AND at BETWEEN 0 AND {_LATEST}"
        )
        rows = [row for mine in (True, False) for row in self._execute(query, (server.identity, who, mine))]
        if len(rows) < 2:  # the file cannot be used, which is told already
            return
        (stored, oldest, newest), (others, _, last) = rows
        if stored:
            told = self._met[server.identity][1]
            known = "it shows the same weights as then" if told else "whether it still holds the same weights cannot be told"
            self._warn(
                f"{server.shown}: answers to {stored:,} questions are stored ({_age(oldest, newest)}) and used where question "
                f"and settings are the same; {known}; {renew}"
            )
        elif others:
            self._warn(f"{server.shown}: its weights have changed since its stored answers were written ({_age(last, last)})")


def _age(first: int, last: int) -> str:
    """Return when answers were written, and how long ago that is."""
    days = dict.fromkeys(time.strftime("%Y-%m-%d", time.localtime(at)) for at in (first, last))
    seconds = time.time() - first
    ago = f"{seconds / _DAY:.0f} days" if seconds >= 2 * _DAY else f"{seconds / _HOUR:.1f} hours"
    return f"{' to '.join(days)}, up to {ago} old"
